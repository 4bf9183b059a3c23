//! What checks judge that is no object: the cluster as a whole, subjects, images in use.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, kinds, target, value::Node};
use crate::{
    digest::Digest,
    framework::check::On,
    rbac,
    resource::ResourceRef,
    snapshot::{Image, Object, Snapshot},
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Something to judge that is no object.
#[derive(Debug, Clone)]
pub struct Document {
    /// Which checks judge it.
    pub on: On,
    /// The name that findings carry.
    pub resource: ResourceRef,
    /// What it says.
    pub node: Node,
    /// The objects that it was made from.
    pub evidence: Vec<Evidence>,
}

/// The name, beside `object`, under which expressions know a document.
pub fn alias(on: &On) -> Option<&'static str> {
    on.names().iter().copied().find(|name| *name != "object")
}

/// What of a snapshot is judged by checks on one of `wanted`, and is no object.
pub fn of(snapshot: &Snapshot, wanted: &BTreeSet<&On>) -> Vec<Document> {
    let mut documents = Vec::new();
    if wanted.contains(&On::Cluster) {
        documents.push(cluster(snapshot));
    }
    if wanted.contains(&On::Subject) {
        documents.extend(subjects(snapshot));
    }
    if wanted.contains(&On::Image) {
        documents.extend(images(snapshot));
    }
    documents
}

fn cluster(snapshot: &Snapshot) -> Document {
    let cluster = &snapshot.cluster;
    let facts = [("kubernetes", &cluster.kubernetes), ("platform", &cluster.platform), ("uid", &cluster.uid)];
    let known = facts.into_iter().filter_map(|(key, value)| Some((key.to_string(), Node::text(value.as_deref()?))));
    let node = Node::map(known.chain([("name".to_string(), Node::text(&cluster.name))]));
    let resource = ResourceRef {
        api_version: crate::config::API_VERSION.into(),
        kind: "Cluster".into(),
        namespace: None,
        name: cluster.name.clone(),
        uid: cluster.uid.clone(),
    };
    Document { on: On::Cluster, resource, node, evidence: Vec::new() }
}

type Digests<'a> = BTreeMap<(&'a str, Option<&'a str>, &'a str), Digest>;

/// Digests by kind, namespace and name.
fn digests(snapshot: &Snapshot, wanted: impl Fn(&Object) -> bool) -> Digests<'_> {
    let found = snapshot.objects.iter().filter(|object| wanted(object));
    found
        .map(|object| ((object.gvk.kind.as_str(), object.namespace.as_deref(), object.name.as_str()), object.digest))
        .collect()
}

/// Every subject, resting on the bindings and roles that give it something.
fn subjects(snapshot: &Snapshot) -> Vec<Document> {
    let digests = digests(snapshot, |object| object.gvk.group == RBAC);
    let mut evidence: BTreeMap<(&str, Option<&str>, &str), BTreeSet<Evidence>> = BTreeMap::new();
    for grant in &snapshot.grants {
        let subject = (grant.subject_kind.as_str(), grant.subject_namespace.as_deref(), grant.subject_name.as_str());
        let namespace = grant.namespace.as_deref();
        let of_role = namespace.filter(|_| grant.role_kind == "Role");
        let mut rests_on = vec![
            (grant.binding_kind.as_str(), namespace, grant.binding.as_str()),
            (grant.role_kind.as_str(), of_role, grant.role.as_str()),
        ];
        rests_on.extend(grant.aggregated_from.as_deref().map(|role| ("ClusterRole", None, role)));
        let known = rests_on.into_iter().filter_map(|key| {
            let (kind, namespace, name) = key;
            let path = namespace.map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}"));
            Some(Evidence { resource: format!("{kind}/{path}"), digest: *digests.get(&key)? })
        });
        evidence.entry(subject).or_default().extend(known);
    }
    let document = |subject: rbac::Subject| {
        let key = (subject.kind.as_str(), subject.namespace.as_deref(), subject.name.as_str());
        let evidence = evidence.get(&key).into_iter().flatten().cloned().collect();
        // A subject is texts and lists of texts, which JSON always holds.
        let node = Node::from(&serde_json::to_value(&subject).unwrap_or_default());
        Document { on: On::Subject, resource: subject_reference(&subject), node, evidence }
    };
    rbac::subjects(&snapshot.grants).into_iter().map(document).collect()
}

fn subject_reference(subject: &rbac::Subject) -> ResourceRef {
    let api_version = if subject.kind == "ServiceAccount" { "v1".into() } else { format!("{RBAC}/v1") };
    ResourceRef {
        api_version,
        kind: subject.kind.clone(),
        namespace: subject.namespace.clone(),
        name: subject.name.clone(),
        uid: None,
    }
}

/// Every image in use, under the workload that names it.
fn images(snapshot: &Snapshot) -> Vec<Document> {
    let digests = digests(snapshot, |object| target::workload(object).is_some());
    snapshot.images.iter().map(|image| self::image(image, &digests)).collect()
}

fn image(image: &Image, digests: &Digests<'_>) -> Document {
    let (kind, path) = image.workload.split_once('/').unwrap_or(("Pod", &image.workload));
    let (namespace, name) = path.split_once('/').map_or((None, path), |(namespace, name)| (Some(namespace), name));
    let resource = ResourceRef {
        api_version: kinds::by_kind(kind).map_or_else(|| "v1".to_string(), kinds::api_version),
        kind: kind.into(),
        namespace: namespace.map(Into::into),
        name: name.into(),
        uid: None,
    };
    let evidence = digests.get(&(kind, namespace, name));
    let evidence = evidence.map(|digest| Evidence { resource: image.workload.clone(), digest: *digest });
    let digest = image.digest.iter().map(|digest| ("digest".to_string(), Node::text(digest)));
    let node = Node::map(digest.chain([
        ("container".to_string(), Node::text(&image.container)),
        ("image".to_string(), Node::text(&image.image)),
        ("workload".to_string(), Node::text(&image.workload)),
    ]));
    Document { on: On::Image, resource, node, evidence: evidence.into_iter().collect() }
}
