//! What a check could not see: a refused list is never an empty cluster.

use super::kinds;
use crate::{
    collect::{
        Coverage, ListOutcome, ListRecord, SourceKind,
        cluster::platform,
        inputs::{cloud, scans},
        resources,
    },
    framework::{check::On, library::Check},
};

/// Kind of the resource of a question about a whole list that was not seen.
pub const LIST: &str = "List";

/// Kind of the resource that a finding names where the provider holds what was asked about.
pub const PROVIDER: &str = "Provider";

/// A list that was not seen, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unseen {
    /// `networkpolicies.networking.k8s.io`, or what there is no input for.
    pub what: String,
    /// One clause.
    pub why: String,
    /// The platform whose provider holds it.
    pub provider: Option<String>,
}

impl Unseen {
    fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), provider: None }
    }
}

/// The record of what kubelets were asked.
const CONFIGZ: &str = "nodes/configz";

/// The record of what nodes reported.
const REPORTS: &str = "nodereports.kubeproof.dev";

/// Lists that `on: subject` is made of.
const RBAC: [&str; 4] = ["clusterrolebindings", "clusterroles", "rolebindings", "roles"];

/// Lists that say what scanners found in images.
pub const SCANS: [&str; 3] = [
    "imagescans.kubeproof.dev",
    "vulnerabilityreports.aquasecurity.github.io",
    "clustervulnerabilityreports.aquasecurity.github.io",
];

/// What `check` judges and could not be seen in full; `given` says that there are such things, from whatever source.
pub fn unseen_targets(check: &Check, coverage: &Coverage, given: bool) -> Vec<Unseen> {
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
        On::Cluster => vec![Unseen::new("cluster", "as a whole is not shown by manifests")],
        On::Component(_) | On::ControlPlaneNode | On::Cloud(_) | On::Kubelet | On::Node if given => Vec::new(),
        On::Component(name) => vec![component(name, coverage)],
        On::Kubelet => vec![kubelets(coverage)],
        On::Node => vec![reports(coverage, "files of nodes")],
        On::ControlPlaneNode => vec![control_plane_files(coverage)],
        // Nobody asks about a scope that nobody declared.
        On::Scope => Vec::new(),
        On::Cloud(provider) => description(provider, coverage).into_iter().collect(),
    }
}

/// Why no instance of a component was seen.
fn component(name: &str, coverage: &Coverage) -> Unseen {
    let what = format!("configuration of {name}");
    match coverage.cluster.platform.as_deref() {
        Some(platform) if platform::is_managed(platform) => providers(what, platform),
        Some("k3s") => Unseen::new(what, "cannot be seen: k3s runs the components inside one process, without a pod"),
        Some("talos") if name == "etcd" => {
            Unseen::new(what, "cannot be seen: Talos runs etcd as a service, without a pod")
        }
        Some("openshift") => Unseen::new(
            what,
            "cannot be seen: OpenShift's operators keep it in files of their own, not in flags of a pod",
        ),
        _ if coverage.source.kind == SourceKind::Manifests => Unseen::new(what, "is not shown by manifests"),
        // Without the list of pods nobody knows whether there is one.
        platform => unseen("pods", coverage).unwrap_or_else(|| {
            let why = match platform {
                Some("rke2") => format!("cannot be seen: RKE2 runs a mirror pod of {name}, and none was seen"),
                _ => format!("cannot be seen: no mirror pod of {name} was seen"),
            };
            Unseen::new(what, why)
        }),
    }
}

fn control_plane_files(coverage: &Coverage) -> Unseen {
    match coverage.cluster.platform.as_deref() {
        Some(platform) if platform::is_managed(platform) => {
            providers("file system of the control plane's nodes".into(), platform)
        }
        _ => reports(coverage, "files of the control plane's nodes"),
    }
}

fn providers(what: String, platform: &str) -> Unseen {
    let why = format!("is on the provider's side ({platform})");
    Unseen { what, why, provider: Some(platform.into()) }
}

/// Why no description by this provider was given; a cluster that runs elsewhere needs none.
fn description(provider: &str, coverage: &Coverage) -> Option<Unseen> {
    if coverage.cluster.platform.as_deref().is_some_and(|platform| platform != provider) {
        return None;
    }
    if coverage.source.kind == SourceKind::Manifests {
        return Some(Unseen::new("description of the cluster by its provider", "is not shown by manifests"));
    }
    let what = format!("description of the {provider} cluster");
    // Under the name of its list, by which the report counts what a gap leaves open.
    if let Some(reason) = coverage.list(cloud::RESOURCE).and_then(|list| list.outcome.reason()) {
        return Some(Unseen::new(cloud::RESOURCE, reason));
    }
    let command = cloud::printed_by(provider).find(|printed| printed.is_cluster()).map(|printed| printed.command);
    Some(Unseen::new(
        what,
        match command {
            Some(command) => format!("was not given: drop what `{command}` prints into cloud/ of the inputs"),
            None => "was not given: this version knows no such provider".into(),
        },
    ))
}

/// What the verdict of `check` rests on beside its targets, and could not be seen.
pub fn unseen_related(check: &Check, coverage: &Coverage) -> Vec<Unseen> {
    let related = check.related.values().filter_map(|related| unseen(&related.resource, coverage));
    let scanned = |key: Option<&str>| matches!(key, Some("scan" | "scanned" | "sbom"));
    let on_scans = check.on == On::Image && check.fields.iter().any(|field| scanned(field.first_key()));
    related.chain(unseen_scans(coverage).filter(|_| on_scans)).collect()
}

/// What scanners said is believed where a cluster or the inputs hold it. A manifest that claims to be a scan is written
/// by whoever is judged.
pub fn is_believed(resource: &str, coverage: &Coverage) -> bool {
    coverage.source.kind != SourceKind::Manifests
        || coverage.list(resource).is_some_and(|list| list.request == scans::REQUEST)
}

/// Where no scanner's results were given from anywhere, one sentence says so, instead of one for each image.
fn unseen_scans(coverage: &Coverage) -> Option<Unseen> {
    let lists = || SCANS.iter().filter(|list| is_believed(list, coverage)).filter_map(|list| coverage.list(list));
    if lists().any(|list| list.outcome == ListOutcome::Seen || list.count > 0) {
        return None;
    }
    let tried = lists().filter(|list| !matches!(list.outcome, ListOutcome::NotServed | ListOutcome::NotInSource));
    let failed = tried.filter_map(|list| Some(Unseen::new(list.id(), list.outcome.reason()?))).next();
    let why = "was not collected: put scanners' results into scans/ of the inputs, or run trivy-operator";
    Some(failed.unwrap_or_else(|| Unseen::new("a scan of the images", why)))
}

/// Why no kubelet's configuration is known.
fn kubelets(coverage: &Coverage) -> Unseen {
    let why = coverage.list(CONFIGZ).and_then(|list| list.outcome.reason());
    let why = why
        .unwrap_or_else(|| "was not asked for: grant it and run with --kubelet-configz, or send node reports".into());
    Unseen::new(CONFIGZ, why)
}

/// Why no node's files are known.
fn reports(coverage: &Coverage, what: &str) -> Unseen {
    let why = coverage.list(REPORTS).and_then(|list| list.outcome.reason());
    let why = why.unwrap_or_else(|| {
        "were not reported: install the overlay that runs kubeproof node, or give --node-reports".into()
    });
    Unseen::new(what, why)
}

fn unseen_kind(group: &str, kind: &str, coverage: &Coverage) -> Option<Unseen> {
    let listed = coverage.lists.iter().find(|list| list.kind == kind && list.object_group() == group);
    unseen(&listed.map_or_else(|| resources::name_of_kind(group, kind), ListRecord::id), coverage)
}

/// Why a list was not seen in full; `None` where it was.
pub fn unseen(resource: &str, coverage: &Coverage) -> Option<Unseen> {
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
    Some(Unseen::new(resource, why))
}
