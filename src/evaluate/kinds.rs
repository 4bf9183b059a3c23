//! Kinds that have a meaning for the engine.

use crate::collect::resources::{RESOURCES, Resource, SECRETS};

/// The known resource with this kind, in whichever group.
pub fn by_kind(kind: &str) -> Option<&'static Resource> {
    RESOURCES.iter().chain([&SECRETS]).find(|resource| resource.kind == kind)
}

/// The known resource with this name (`deployments.apps`).
pub fn by_resource(id: &str) -> Option<&'static Resource> {
    let (plural, group) = id.split_once('.').unwrap_or((id, ""));
    RESOURCES.iter().chain([&SECRETS]).find(|resource| resource.plural == plural && resource.group == group)
}

/// `apps/v1`: every known kind has a first version, which is what the engine names where it has seen no object.
pub fn api_version(resource: &Resource) -> String {
    if resource.group.is_empty() { resource.version.into() } else { format!("{}/{}", resource.group, resource.version) }
}

/// A kind whose objects make pods, or a pod itself, and where its pod template stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// API group.
    pub group: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Keys from the object to what holds the pod's `metadata` and `spec`.
    pub template: &'static [&'static str],
}

/// The workload kinds. PodTemplate makes nothing by itself, so it is judged where it is seen and missed nowhere.
pub const WORKLOADS: &[Workload] = &[
    Workload { group: "", kind: "Pod", template: &[] },
    Workload { group: "", kind: "PodTemplate", template: &["template"] },
    Workload { group: "", kind: "ReplicationController", template: &["spec", "template"] },
    Workload { group: "apps", kind: "DaemonSet", template: &["spec", "template"] },
    Workload { group: "apps", kind: "Deployment", template: &["spec", "template"] },
    Workload { group: "apps", kind: "ReplicaSet", template: &["spec", "template"] },
    Workload { group: "apps", kind: "StatefulSet", template: &["spec", "template"] },
    Workload { group: "batch", kind: "CronJob", template: &["spec", "jobTemplate", "spec", "template"] },
    Workload { group: "batch", kind: "Job", template: &["spec", "template"] },
];

/// The workload kind of this group and name.
pub fn workload(group: &str, kind: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|known| known.group == group && known.kind == kind)
}
