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
    /// subject counts where it has rights, not where it lives.
    pub fn holds(&self, finding: &Finding) -> bool {
        let resource = &finding.resource;
        self.holds_place(&resource.kind, resource.namespace.as_deref(), &resource.name, &finding.place.stable)
    }

    /// The same for a resource and the stable place in it, before they are a finding.
    pub fn holds_place(&self, kind: &str, namespace: Option<&str>, name: &str, stable: &str) -> bool {
        if kind == "Scope" {
            // Of several declarations that are one scope, each keeps its name.
            return self.id.is_none_or(|id| id.split('+').any(|id| id == name));
        }
        let Some(namespaces) = &self.namespaces else { return self.holds_node(kind, name) };
        if is_subject(kind, stable) {
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

/// Findings of checks `on: subject` stand in one of the two lists of grants.
fn is_subject(kind: &str, stable: &str) -> bool {
    matches!(stable, "grants" | "stock") && matches!(kind, "User" | "Group" | "ServiceAccount")
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
    use crate::evaluate::samples::{finding, grant, namespace, scope, snapshot};

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

    #[test]
    fn nodes_are_selected_on_their_own() {
        let mut scope = scope("pci-dss", &["payments"]);
        assert!(holds(&scope, &finding("c", "Node", None, "n1")), "no nodes named: every node");
        scope.nodes = Some(Selection { names: vec!["n2".into()], ..Selection::default() });
        assert!(!holds(&scope, &finding("c", "Node", None, "n1")) && holds(&scope, &finding("c", "Node", None, "n2")));
    }
}
