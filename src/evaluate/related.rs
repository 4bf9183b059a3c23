//! Objects that a verdict rests on beside its target, from indexes built once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::{kinds, selector, target::workload, value::Node};
use crate::{
    framework::{
        check::{By, Related},
        path::{Path, Place},
    },
    snapshot::Object,
};

/// The objects of the resources that some check is related to, parsed once.
#[derive(Debug, Default)]
pub struct Index<'a> {
    lists: BTreeMap<&'a str, List<'a>>,
}

#[derive(Debug, Default)]
struct List<'a> {
    entries: Vec<Entry<'a>>,
    by_namespace: BTreeMap<&'a str, Vec<usize>>,
    by_name: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    referring_to: BTreeMap<Reference, Vec<usize>>,
}

/// An indexed object.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its document.
    pub document: Node,
}

/// Which object another one names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    resource: &'static str,
    namespace: String,
    name: String,
}

impl<'a> Index<'a> {
    /// Indexes the objects of `resources`.
    pub fn build(objects: &'a [Object], resources: &BTreeSet<&str>) -> Self {
        let mut index = Self::default();
        let mut objects: Vec<&Object> =
            objects.iter().filter(|object| resources.contains(object.resource.as_str())).collect();
        // What expressions see of a list is in the snapshot's order, whoever made the snapshot.
        objects.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        for object in objects {
            let document = document(object);
            let list = index.lists.entry(&object.resource).or_default();
            let namespace = object.namespace.as_deref().unwrap_or_default();
            let at = list.entries.len();
            // A namespace is near to what is in it.
            let near = if is_namespace(object) { object.name.as_str() } else { namespace };
            list.by_namespace.entry(near).or_default().push(at);
            list.by_name.entry((namespace, &object.name)).or_default().push(at);
            for reference in references(object, &document) {
                list.referring_to.entry(reference).or_default().push(at);
            }
            list.entries.push(Entry { object, document });
        }
        index
    }

    /// The objects related to a target; `None` as target stands for the cluster.
    pub fn find(&self, related: &Related, target: Option<(&Object, &Node)>) -> Vec<&Entry<'a>> {
        let Some(list) = self.lists.get(related.resource.as_str()) else { return Vec::new() };
        let Some((object, document)) = target.filter(|_| related.by != By::Cluster) else {
            return list.entries.iter().collect();
        };
        // A namespace holds what is in it; a cluster-scoped object has no neighbours.
        let namespace = if is_namespace(object) { Some(object.name.as_str()) } else { object.namespace.as_deref() };
        let neighbours = || namespace.and_then(|namespace| list.by_namespace.get(namespace));
        match related.by {
            By::Cluster => list.entries.iter().collect(),
            By::Namespace => neighbours().into_iter().flatten().map(|at| &list.entries[*at]).collect(),
            By::Selector => {
                let near = neighbours().into_iter().flatten().map(|at| &list.entries[*at]);
                near.filter(|entry| selected(entry, object, document)).collect()
            }
            By::Reference => list.referred(object, document),
        }
    }
}

impl<'a> List<'a> {
    fn referred(&self, object: &Object, document: &Node) -> Vec<&Entry<'a>> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        for reference in references(object, document) {
            let named = self.by_name.get(&(reference.namespace.as_str(), reference.name.as_str()));
            let same = |at: &&usize| self.entries[**at].object.resource == reference.resource;
            found.extend(named.into_iter().flatten().filter(same).copied());
        }
        // Only what some rule can name is ever referred to.
        if let Some(rule) = RULES.iter().find(|rule| rule.resource == object.resource) {
            let namespace = object.namespace.clone().unwrap_or_default();
            let this = Reference { resource: rule.resource, namespace, name: object.name.clone() };
            found.extend(self.referring_to.get(&this).into_iter().flatten().copied());
        }
        found.into_iter().map(|at| &self.entries[at]).collect()
    }
}

fn is_namespace(object: &Object) -> bool {
    object.gvk.kind == "Namespace" && object.gvk.group.is_empty()
}

/// The stored JSON of an object as expressions see it; what is no JSON has no fields.
pub fn document(object: &Object) -> Node {
    serde_json::from_str(&object.json).unwrap_or_else(|_| Node::map([]))
}

/// Whether one of the two selects the other by labels.
fn selected(entry: &Entry<'_>, object: &Object, target: &Node) -> bool {
    match selects(entry.object, &entry.document, &labels(object, target)) {
        Some(selects) => selects,
        None => selects(object, target, &labels(entry.object, &entry.document)).unwrap_or(false),
    }
}

/// Whether an object of a kind that selects pods selects these labels; `None` for other kinds.
fn selects(object: &Object, document: &Node, labels: &Node) -> Option<bool> {
    let selector = |key: &str| document.at(&["spec", key]);
    match (object.gvk.group.as_str(), object.gvk.kind.as_str()) {
        // No selector is the empty one, which selects every pod of the namespace.
        ("networking.k8s.io", "NetworkPolicy") => {
            Some(selector("podSelector").is_none_or(|selector| selector::matches(selector, labels)))
        }
        ("policy", "PodDisruptionBudget") => {
            Some(selector("selector").is_some_and(|selector| selector::matches(selector, labels)))
        }
        ("", "Service") => Some(selector("selector").is_some_and(|map| selector::matches_map(map, labels))),
        _ => None,
    }
}

/// The labels of the pods that a workload makes, or an object's own.
fn labels(object: &Object, document: &Node) -> Node {
    let template = workload(object).map_or(&[][..], |workload| workload.template);
    let labels = document.at(template).and_then(|template| template.at(&["metadata", "labels"]));
    labels.cloned().unwrap_or_else(|| Node::map([]))
}

/// Where an object names another: the kind it stands in, the path, the kind that must be written beside it, and the
/// resource that is named.
struct Rule {
    kind: &'static str,
    path: &'static str,
    written: Option<&'static str>,
    resource: &'static str,
}

const fn rule(kind: &'static str, path: &'static str, resource: &'static str) -> Rule {
    Rule { kind, path, written: None, resource }
}

/// `Pod` stands for the pod template of every workload.
const RULES: &[Rule] = &[
    rule("Pod", "pod.priorityClassName", "priorityclasses.scheduling.k8s.io"),
    rule("Pod", "pod.runtimeClassName", "runtimeclasses.node.k8s.io"),
    rule("Pod", "pod.serviceAccountName", "serviceaccounts"),
    rule("Pod", "pod.volumes[*].configMap", "configmaps"),
    rule("Pod", "pod.volumes[*].persistentVolumeClaim.claimName", "persistentvolumeclaims"),
    rule("Pod", "pod.volumes[*].secret.secretName", "secrets"),
    rule("Pod", "pod.volumes[*].projected.sources[*].secret", "secrets"),
    rule("Pod", "pod.volumes[*].csi.nodePublishSecretRef", "secrets"),
    rule("Pod", "pod.containers[*].env[*].valueFrom.secretKeyRef", "secrets"),
    rule("Pod", "pod.containers[*].envFrom[*].secretRef", "secrets"),
    rule("Pod", "pod.initContainers[*].env[*].valueFrom.secretKeyRef", "secrets"),
    rule("Pod", "pod.initContainers[*].envFrom[*].secretRef", "secrets"),
    rule("Pod", "pod.imagePullSecrets[*]", "secrets"),
    rule("ServiceAccount", "object.imagePullSecrets[*]", "secrets"),
    rule("ServiceAccount", "object.secrets[*]", "secrets"),
    rule("Ingress", "object.spec.tls[*].secretName", "secrets"),
    rule("Gateway", "object.spec.listeners[*].tls.certificateRefs[*]", "secrets"),
    rule("Ingress", "object.spec.ingressClassName", "ingressclasses.networking.k8s.io"),
    rule("Ingress", "object.spec.defaultBackend.service", "services"),
    rule("Ingress", "object.spec.rules[*].http.paths[*].backend.service", "services"),
    rule("MutatingWebhookConfiguration", "object.webhooks[*].clientConfig.service", "services"),
    rule("ValidatingWebhookConfiguration", "object.webhooks[*].clientConfig.service", "services"),
    rule("PersistentVolumeClaim", "object.spec.storageClassName", "storageclasses.storage.k8s.io"),
    rule("PersistentVolumeClaim", "object.spec.volumeName", "persistentvolumes"),
    rule(
        "ValidatingAdmissionPolicyBinding",
        "object.spec.policyName",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
    ),
    Rule { written: Some("Role"), ..rule("RoleBinding", "object.roleRef", "roles.rbac.authorization.k8s.io") },
    Rule {
        written: Some("ClusterRole"),
        ..rule("RoleBinding", "object.roleRef", "clusterroles.rbac.authorization.k8s.io")
    },
    Rule {
        written: Some("ClusterRole"),
        ..rule("ClusterRoleBinding", "object.roleRef", "clusterroles.rbac.authorization.k8s.io")
    },
    Rule { written: Some("ServiceAccount"), ..rule("RoleBinding", "object.subjects[*]", "serviceaccounts") },
    Rule { written: Some("ServiceAccount"), ..rule("ClusterRoleBinding", "object.subjects[*]", "serviceaccounts") },
];

static PATHS: LazyLock<Vec<Option<Path>>> =
    LazyLock::new(|| RULES.iter().map(|rule| Path::parse(rule.path).ok()).collect());

/// What an object names.
fn references(object: &Object, document: &Node) -> Vec<Reference> {
    let workload = workload(object);
    let kind = if workload.is_some() { "Pod" } else { object.gvk.kind.as_str() };
    let root = workload.map_or(Some(document), |workload| document.at(workload.template)?.get("spec"));
    let Some(root) = root else { return Vec::new() };
    let own = object.namespace.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    for (rule, path) in RULES.iter().zip(PATHS.iter()).filter(|(rule, _)| rule.kind == kind) {
        let places = path.as_ref().map(|path| path.walk(Place::root(root))).unwrap_or_default();
        for node in places.iter().filter_map(|place| place.node) {
            let text = |key: &str| node.get(key).and_then(Node::as_str);
            if rule.written.is_some_and(|written| text("kind") != Some(written)) {
                continue;
            }
            let Some(name) = node.as_str().or_else(|| text("name")) else { continue };
            let namespaced = kinds::by_resource(rule.resource).is_some_and(|kind| kind.namespaced);
            let namespace = if namespaced { text("namespace").unwrap_or(own) } else { "" };
            found.push(Reference { resource: rule.resource, namespace: namespace.into(), name: name.into() });
        }
    }
    // A pod that names no service account runs as the namespace's default one.
    if kind == "Pod" && root.get("serviceAccountName").is_none() {
        found.push(Reference { resource: "serviceaccounts", namespace: own.into(), name: "default".into() });
    }
    found
}
