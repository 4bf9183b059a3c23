//! What a regulation is about, applied to findings.

use std::collections::BTreeSet;

use super::Finding;
use crate::{
    config::{Scope, Selection},
    snapshot::{Object, SYSTEM, Snapshot, component_of},
};

/// What findings count for one framework. Without a scope, all of them.
#[derive(Debug)]
pub struct Reach<'a> {
    namespaces: Option<BTreeSet<&'a str>>,
    nodes: Option<BTreeSet<&'a str>>,
    /// The declared scope, several with `+` between them.
    id: Option<&'a str>,
    /// Subjects with rights in the scope, wherever they live: kind, namespace, name.
    subjects: BTreeSet<(&'a str, &'a str, &'a str)>,
    /// Mirror pods of the control plane: what checks on components say of them counts in every scope, since they serve
    /// every namespace; as pods they are in their own one.
    components: BTreeSet<&'a str>,
}

impl<'a> Reach<'a> {
    /// The namespaces, nodes and subjects that a declared scope reaches: what it names, and what is connected to it,
    /// without what it excludes.
    pub fn new(scope: Option<&'a Scope>, snapshot: &'a Snapshot) -> Self {
        let Some(scope) = scope else {
            let (subjects, components) = (BTreeSet::new(), BTreeSet::new());
            return Self { namespaces: None, nodes: None, id: None, subjects, components };
        };
        let excluded: BTreeSet<&str> = scope.excluded.iter().map(|exclusion| exclusion.what.as_str()).collect();
        let is_excluded = |kind: &str, name: &str| excluded.contains(format!("{kind}/{name}").as_str());
        let select = |selection: &'a Selection, kind: &str| {
            let mut names: BTreeSet<&str> = selection.names.iter().map(String::as_str).collect();
            names.extend(labelled(snapshot, kind, selection));
            names
        };
        let namespaces = scope.namespaces.as_ref().map(|selection| {
            let mut names = select(selection, "Namespace");
            names.extend(scope.connected_to.iter().map(String::as_str));
            names.retain(|name| !is_excluded("namespaces", name));
            names
        });
        let nodes = scope.nodes.as_ref().map(|selection| {
            let mut names = select(selection, "Node");
            names.retain(|name| !is_excluded("nodes", name));
            names
        });
        let within = |namespace: &Option<String>| match (&namespaces, namespace) {
            (Some(names), Some(namespace)) => names.contains(namespace.as_str()),
            (None, _) | (_, None) => true,
        };
        let subjects = snapshot
            .grants
            .iter()
            .filter(|grant| within(&grant.namespace))
            .map(|grant| {
                let namespace = grant.subject_namespace.as_deref().unwrap_or_default();
                (grant.subject_kind.as_str(), namespace, grant.subject_name.as_str())
            })
            .collect();
        let components = snapshot.objects.iter().filter(|object| component_of(object).is_some());
        let components = components.map(|object| object.name.as_str()).collect();
        Self { namespaces, nodes, id: Some(&scope.id), subjects, components }
    }

    /// Whether a namespace is inside.
    pub fn holds_namespace(&self, name: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|namespaces| namespaces.contains(name))
    }

    /// Whether a finding counts. Findings about the cluster as a whole and its control plane count in every scope; a
    /// subject counts where it has rights, not where it lives, and a failure of it where one of the rights that fail
    /// applies ([`binds_within`]). A subject whose rights in the scope do not fail has passed there, whatever it may do
    /// elsewhere: the engine counts it among the scope's passes.
    pub fn holds(&self, finding: &Finding) -> bool {
        let (resource, stable) = (&finding.resource, &*finding.place.stable);
        let cited = || finding.evidence.iter().map(|evidence| &*evidence.resource);
        self.holds_place(&resource.kind, resource.namespace.as_deref(), &resource.name, stable)
            && (!is_of_subject(&resource.kind, stable) || binds_within(cited(), |name| self.holds_namespace(name)))
    }

    /// The same for a resource and the stable place in it, before they are a finding.
    pub fn holds_place(&self, kind: &str, namespace: Option<&str>, name: &str, stable: &str) -> bool {
        if kind == "Scope" {
            // Of several declarations that are one scope, each keeps its name.
            return self.id.is_none_or(|id| id.split('+').any(|id| id == name));
        }
        let Some(namespaces) = &self.namespaces else { return self.holds_node(kind, name) };
        if is_of_subject(kind, stable) {
            return self.holds_subject(kind, namespace, name);
        }
        match kind {
            "Namespace" => namespaces.contains(name),
            "Node" => self.holds_node(kind, name),
            "Pod" if is_of_component(namespace, stable) && self.components.contains(name) => true,
            _ => namespace.is_none_or(|namespace| namespaces.contains(namespace)),
        }
    }

    /// Whether a subject has rights inside.
    pub fn holds_subject(&self, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        self.subjects.contains(&(kind, namespace.unwrap_or_default(), name))
    }

    /// Mirror pods of the control plane, by name.
    pub fn components(&self) -> &BTreeSet<&'a str> {
        &self.components
    }

    fn holds_node(&self, kind: &str, name: &str) -> bool {
        kind != "Node" || self.nodes.as_ref().is_none_or(|nodes| nodes.contains(name))
    }
}

/// Stable place of the grants of a subject that its cluster's people gave.
pub const GRANTS: &str = "grants";

/// Stable place of those that Kubernetes itself gives.
const STOCK: &str = "stock";

/// Findings of checks `on: subject` stand in one of the two lists of grants, or at one item of them.
pub fn is_of_subject(kind: &str, stable: &str) -> bool {
    let list = stable.split('[').next().unwrap_or_default();
    matches!(list, GRANTS | STOCK) && matches!(kind, "User" | "Group" | "ServiceAccount")
}

/// Whether one of the bindings that a finding about a subject cites applies inside of a scope: it stands in a namespace
/// there, or is one of the whole cluster. A failure cites those of the grants that fail, and where several fail only
/// together, each of them. What cites no binding counts wherever the subject has rights.
pub fn binds_within<'e>(cited: impl Iterator<Item = &'e str>, holds_namespace: impl Fn(&str) -> bool) -> bool {
    let mut bindings = cited.filter_map(|resource| match resource.split_once('/')? {
        ("ClusterRoleBinding", _) => Some(None),
        ("RoleBinding", path) => Some(path.split_once('/').map(|(namespace, _)| namespace)),
        _ => None,
    });
    let within = |namespace: Option<&str>| namespace.is_none_or(&holds_namespace);
    bindings.next().is_none_or(|first| within(first) || bindings.any(within))
}

/// Findings of checks on components stand in a component's settings and files, or are about it as a whole.
pub fn is_of_component(namespace: Option<&str>, stable: &str) -> bool {
    namespace == Some(SYSTEM) && (stable.is_empty() || stable.starts_with("settings") || stable.starts_with("files"))
}

fn labelled<'a>(snapshot: &'a Snapshot, kind: &str, selection: &Selection) -> Vec<&'a str> {
    if selection.labels.is_empty() {
        return Vec::new();
    }
    let objects = snapshot.objects.iter().filter(|object| object.gvk.group.is_empty() && object.gvk.kind == kind);
    objects.filter(|object| has_labels(object, &selection.labels)).map(|object| object.name.as_str()).collect()
}

/// Whether an object carries all of these labels.
pub fn has_labels(object: &Object, labels: &std::collections::BTreeMap<String, String>) -> bool {
    let value = object.value();
    let carried = &value["metadata"]["labels"];
    labels.iter().all(|(key, wanted)| carried.get(key).and_then(|label| label.as_str()) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluate::{
            documents::Tables,
            engine,
            samples::{coverage, finding, grant, namespace, object, scope, snapshot},
        },
        framework::Library,
        rbac::Grant,
    };

    const RBAC_V1: &str = "rbac.authorization.k8s.io/v1";

    fn holds(scope: &Scope, finding: &Finding) -> bool {
        let snapshot = snapshot(
            vec![
                namespace("payments", &[("data", "card")]),
                namespace("shop", &[]),
                namespace("staging", &[("data", "card")]),
            ],
            vec![
                grant("ServiceAccount", "ci", "bot", Some("payments")),
                grant("ServiceAccount", "shop", "web", Some("shop")),
            ],
        );
        Reach::new(Some(scope), &snapshot).holds(finding)
    }

    #[test]
    fn names_and_labels_select_and_exclusions_take_away() {
        let mut scope = scope("pci-dss", &["vault"]);
        scope.namespaces.as_mut().unwrap().labels.insert("data".into(), "card".into());
        scope.excluded.push(crate::config::Exclusion { what: "namespaces/staging".into(), reason: "no cards".into() });
        for (namespace, expected) in [("vault", true), ("payments", true), ("shop", false), ("staging", false)] {
            assert_eq!(holds(&scope, &finding("c", "Deployment", Some(namespace), "x")), expected, "{namespace}");
            assert_eq!(holds(&scope, &finding("c", "Namespace", None, namespace)), expected, "namespace {namespace}");
        }
    }

    #[test]
    fn what_is_connected_counts_and_so_does_the_cluster() {
        let mut scope = scope("pci-dss", &["payments"]);
        scope.connected_to.push("shop".into());
        assert!(holds(&scope, &finding("c", "Deployment", Some("shop"), "x")));
        assert!(holds(&scope, &finding("c", "ClusterRole", None, "x")));
    }

    #[test]
    fn a_subject_counts_where_it_has_rights() {
        let scope = scope("pci-dss", &["payments"]);
        let mut bot = finding("c", "ServiceAccount", Some("ci"), "bot");
        bot.place.stable = "grants".into();
        let mut web = finding("c", "ServiceAccount", Some("shop"), "web");
        web.place.stable = "grants".into();
        assert!(holds(&scope, &bot) && !holds(&scope, &web));
        let object = finding("c", "ServiceAccount", Some("ci"), "bot");
        assert!(!holds(&scope, &object), "the account itself is an object of its namespace");
    }

    /// A subject reads Secrets by these bindings (namespace, name), and pods by others: what fails and passes within
    /// the scope `payments`, and what the failure cites.
    fn reader(reads: &[(Option<&str>, &str)], harmless: &[Option<&str>]) -> (u64, u64, Vec<String>) {
        let check = "id: c\ntitle: T\nseverity: high\nexpected: E\nwhy: W\nremediation: R\nmessage: M\non: subject\n\
                     field: subject.grants\npass: \"!value.orValue([]).exists(g, g.resource == 'secrets')\"\n";
        let library = Library::load(&[("checks/c.yaml".to_owned(), check.as_bytes().to_vec())].into()).unwrap();
        let bound = |namespace: Option<&str>, name: &str, resource: &str| {
            let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
            let given = grant("ServiceAccount", "ci", "bot", namespace);
            let (binding_kind, binding, resource) = (kind.into(), name.into(), resource.into());
            (object(RBAC_V1, kind, namespace, name, &[]), Grant { binding_kind, binding, resource, ..given })
        };
        let harmless = harmless.iter().map(|namespace| bound(*namespace, "view", "pods"));
        let (objects, grants) =
            reads.iter().map(|(namespace, name)| bound(*namespace, name, "secrets")).chain(harmless).unzip();
        let (snapshot, scope) = (snapshot(objects, grants), scope("pci-dss", &["payments"]));
        let reaches = [Reach::new(Some(&scope), &snapshot)];
        let judgement = engine::run(&engine::Input {
            snapshot: &snapshot,
            coverage: &coverage(&[]),
            library: &library,
            tables: Tables::default(),
            kubernetes: None,
            pod_security: &BTreeSet::new(),
            reaches: &reaches,
            keep_passes: false,
        });
        let cited = judgement.findings.iter().flat_map(|finding| &*finding.evidence).map(|e| e.resource.to_string());
        let failed = judgement.findings.iter().filter(|finding| reaches[0].holds(finding)).count();
        (failed as u64, judgement.passed_within[0].get("c").copied().unwrap_or_default(), cited.collect())
    }

    #[test]
    fn a_failure_of_a_subject_counts_where_a_right_that_fails_applies() {
        let (payments, staging) = (Some("payments"), Some("staging"));
        for (reads, harmless, failed, passed, cited) in [
            (&[(payments, "a")][..], &[][..], 1, 0, &["RoleBinding/payments/a"][..]),
            (&[(None, "a")], &[staging], 1, 0, &["ClusterRoleBinding/a"]),
            (&[(staging, "a")], &[payments], 0, 1, &["RoleBinding/staging/a"]),
            (&[(staging, "a"), (payments, "b")], &[None], 1, 0, &["RoleBinding/payments/b", "RoleBinding/staging/a"]),
            (&[(staging, "a")], &[], 0, 0, &["RoleBinding/staging/a"]),
            (&[], &[payments], 0, 1, &[]),
        ] {
            let cited = cited.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(reader(reads, harmless), (failed, passed, cited), "{reads:?} {harmless:?}");
        }
    }

    #[test]
    fn nodes_are_selected_on_their_own() {
        let mut scope = scope("pci-dss", &["payments"]);
        assert!(holds(&scope, &finding("c", "Node", None, "n1")), "no nodes named: every node");
        scope.nodes = Some(Selection { names: vec!["n2".into()], ..Selection::default() });
        assert!(!holds(&scope, &finding("c", "Node", None, "n1")) && holds(&scope, &finding("c", "Node", None, "n2")));
    }
}
