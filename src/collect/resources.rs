//! The lists of the default collection: what checks, mappings and drift read. Secrets and Events are not among them.
//! The ClusterRole that kubeproof ships grants these and the custom resources that checks rest on.

/// A resource of the API that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// API group, empty for core.
    pub group: &'static str,
    /// The version to ask for where discovery names none.
    pub version: &'static str,
    /// Plural name (`deployments`).
    pub plural: &'static str,
    /// Kind (`Deployment`).
    pub kind: &'static str,
    /// Whether objects have namespaces.
    pub namespaced: bool,
    /// Whether a folder of manifests can hold all of it; else only a live cluster shows it.
    pub declared: bool,
}

const fn namespaced(group: &'static str, plural: &'static str, kind: &'static str) -> Resource {
    Resource { group, version: "v1", plural, kind, namespaced: true, declared: true }
}

const fn cluster(group: &'static str, plural: &'static str, kind: &'static str) -> Resource {
    Resource { group, version: "v1", plural, kind, namespaced: false, declared: true }
}

const fn live(group: &'static str, plural: &'static str, kind: &'static str) -> Resource {
    Resource { group, version: "v1", plural, kind, namespaced: false, declared: false }
}

const fn report(plural: &'static str, kind: &'static str, namespaced: bool) -> Resource {
    Resource { group: REPORTS, version: "v1alpha1", plural, kind, namespaced, declared: false }
}

const REPORTS: &str = crate::snapshot::REPORTS_GROUP;
const ADMISSION: &str = "admissionregistration.k8s.io";
const GATEWAY: &str = "gateway.networking.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Every list of the default collection, sorted by group and plural name.
pub const RESOURCES: &[Resource] = &[
    namespaced("", "configmaps", "ConfigMap"),
    namespaced("", "limitranges", "LimitRange"),
    cluster("", "namespaces", "Namespace"),
    live("", "nodes", "Node"),
    namespaced("", "persistentvolumeclaims", "PersistentVolumeClaim"),
    cluster("", "persistentvolumes", "PersistentVolume"),
    namespaced("", "pods", "Pod"),
    namespaced("", "replicationcontrollers", "ReplicationController"),
    namespaced("", "resourcequotas", "ResourceQuota"),
    namespaced("", "serviceaccounts", "ServiceAccount"),
    namespaced("", "services", "Service"),
    cluster(ADMISSION, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
    cluster(ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
    cluster(ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    cluster(ADMISSION, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    cluster("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition"),
    live("apiregistration.k8s.io", "apiservices", "APIService"),
    namespaced("apps", "daemonsets", "DaemonSet"),
    namespaced("apps", "deployments", "Deployment"),
    namespaced("apps", "replicasets", "ReplicaSet"),
    namespaced("apps", "statefulsets", "StatefulSet"),
    report("clustersbomreports", "ClusterSbomReport", false),
    report("clustervulnerabilityreports", "ClusterVulnerabilityReport", false),
    report("sbomreports", "SbomReport", true),
    report("vulnerabilityreports", "VulnerabilityReport", true),
    namespaced("batch", "cronjobs", "CronJob"),
    namespaced("batch", "jobs", "Job"),
    live("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest"),
    cluster(GATEWAY, "gatewayclasses", "GatewayClass"),
    namespaced(GATEWAY, "gateways", "Gateway"),
    namespaced(GATEWAY, "grpcroutes", "GRPCRoute"),
    namespaced(GATEWAY, "httproutes", "HTTPRoute"),
    namespaced(GATEWAY, "referencegrants", "ReferenceGrant"),
    cluster(NETWORKING, "ingressclasses", "IngressClass"),
    namespaced(NETWORKING, "ingresses", "Ingress"),
    namespaced(NETWORKING, "networkpolicies", "NetworkPolicy"),
    cluster("node.k8s.io", "runtimeclasses", "RuntimeClass"),
    namespaced("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
    cluster(RBAC, "clusterrolebindings", "ClusterRoleBinding"),
    cluster(RBAC, "clusterroles", "ClusterRole"),
    namespaced(RBAC, "rolebindings", "RoleBinding"),
    namespaced(RBAC, "roles", "Role"),
    cluster("scheduling.k8s.io", "priorityclasses", "PriorityClass"),
    cluster("storage.k8s.io", "storageclasses", "StorageClass"),
];

/// Secrets: listed only where a user asks for it, and then only their metadata.
pub const SECRETS: Resource = namespaced("", "secrets", "Secret");

impl Resource {
    /// `deployments.apps`, `pods`.
    pub fn id(&self) -> String {
        join(self.plural, self.group)
    }
}

/// The known resource of a kind; Secrets are known, though not listed.
pub fn of_kind(group: &str, kind: &str) -> Option<&'static Resource> {
    RESOURCES.iter().chain([&SECRETS]).find(|resource| resource.group == group && resource.kind == kind)
}

/// The version in which a list is asked for where discovery says nothing.
pub fn version_of(group: &str, plural: &str) -> &'static str {
    RESOURCES.iter().find(|known| known.group == group && known.plural == plural).map_or("v1", |known| known.version)
}

/// Some group of the default collection has this kind.
pub fn is_known_kind(kind: &str) -> bool {
    RESOURCES.iter().any(|resource| resource.kind == kind)
}

/// The resource that holds a kind: known, else guessed as the API's conventions form plurals.
pub fn name_of_kind(group: &str, kind: &str) -> String {
    of_kind(group, kind).map_or_else(|| join(&plural(kind), group), Resource::id)
}

/// `deployments` and `apps` as `deployments.apps`.
pub fn join(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if let Some(stem) = lower.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
    {
        return format!("{stem}ies");
    }
    match lower.ends_with(['s', 'x']) || lower.ends_with("ch") || lower.ends_with("sh") {
        true => lower + "es",
        false => lower + "s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_unique() {
        let ids: Vec<_> = RESOURCES.iter().map(|r| (r.group, r.plural)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }

    #[test]
    fn the_guess_agrees_with_every_known_plural() {
        for resource in RESOURCES {
            assert_eq!(plural(resource.kind), resource.plural);
        }
        assert_eq!(name_of_kind("cert-manager.io", "Issuer"), "issuers.cert-manager.io");
        assert_eq!(name_of_kind("", "Secret"), "secrets");
    }

    #[test]
    fn secrets_and_events_are_not_listed() {
        assert!(RESOURCES.iter().all(|r| r.plural != "secrets" && r.plural != "events"));
    }
}
