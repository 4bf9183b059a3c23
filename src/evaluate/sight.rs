//! What a check could not see: a refused list is never an empty cluster.

use super::kinds;
use crate::{
    collect::{Coverage, ListRecord, SourceKind, resources},
    framework::{check::On, library::Check},
};

/// A list that was not seen, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unseen {
    /// `networkpolicies.networking.k8s.io`, or what there is no input for.
    pub what: String,
    /// One clause.
    pub why: String,
}

/// Lists that `on: subject` is made of.
const RBAC: [&str; 4] = ["clusterrolebindings", "clusterroles", "rolebindings", "roles"];

/// What `check` judges and could not be seen in full; `given` says that there are such things, from whatever source.
pub fn unseen_targets(check: &Check, coverage: &Coverage, given: bool) -> Vec<Unseen> {
    let missing = |what: &str| match given {
        true => Vec::new(),
        false => vec![Unseen { what: what.into(), why: "was not collected: this version has no input for it".into() }],
    };
    match &check.on {
        On::Pod | On::Image => kinds::WORKLOADS
            .iter()
            .filter(|workload| workload.kind != "PodTemplate")
            .filter_map(|workload| unseen_kind(workload.group, workload.kind, coverage))
            .collect(),
        On::Kind { group, kind } => unseen_kind(group, kind, coverage).into_iter().collect(),
        On::Subject => {
            RBAC.iter().filter_map(|list| unseen(&format!("{list}.rbac.authorization.k8s.io"), coverage)).collect()
        }
        On::Cluster if given => Vec::new(),
        On::Cluster => vec![Unseen { what: "cluster".into(), why: "as a whole is not shown by manifests".into() }],
        On::Component(name) => missing(&format!("configuration of {name}")),
        On::Kubelet => missing("kubelet configuration"),
        On::Node => missing("files of nodes"),
        On::ControlPlaneNode => missing("files of the control plane's nodes"),
        On::Scope => missing("a declared scope"),
        On::Cloud(provider) => missing(&format!("{provider} account")),
    }
}

/// What the verdict of `check` rests on beside its targets, and could not be seen.
pub fn unseen_related(check: &Check, coverage: &Coverage) -> Vec<Unseen> {
    check.related.values().filter_map(|related| unseen(&related.resource, coverage)).collect()
}

fn unseen_kind(group: &str, kind: &str, coverage: &Coverage) -> Option<Unseen> {
    let listed = coverage.lists.iter().find(|list| list.kind == kind && list.object_group() == group);
    unseen(&listed.map_or_else(|| resources::name_of_kind(group, kind), ListRecord::id), coverage)
}

fn unseen(resource: &str, coverage: &Coverage) -> Option<Unseen> {
    let why = match coverage.list(resource) {
        Some(list) if list.outcome.is_known() => return None,
        Some(list) => list.outcome.reason()?,
        // Manifests are what is asked about: what they do not name is not there.
        None if coverage.source.kind == SourceKind::Manifests => return None,
        None => match coverage.excluded.iter().find(|excluded| excluded.resource == resource) {
            Some(excluded) => format!("never asked for: {}", excluded.reason),
            None => "was not asked for".into(),
        },
    };
    Some(Unseen { what: resource.into(), why })
}
