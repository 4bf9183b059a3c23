//! The built-in kinds: their group, plural and scope.

/// A built-in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Kind.
    pub kind: &'static str,
    /// API group, empty for core.
    pub group: &'static str,
    /// Version that tests are read as.
    pub version: &'static str,
    /// Plural.
    pub plural: &'static str,
    /// Objects have namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// `deployments.apps`, `pods`.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.into() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }
}

const fn namespaced(group: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { kind, group, version: "v1", plural, namespaced: true }
}

const fn global(group: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { kind, group, version: "v1", plural, namespaced: false }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const GATEWAY: &str = "gateway.networking.k8s.io";

/// Every kind that checks and their tests may name without its group and version.
const KINDS: &[Kind] = &[
    namespaced("", "ConfigMap", "configmaps"),
    namespaced("", "Endpoints", "endpoints"),
    namespaced("", "LimitRange", "limitranges"),
    global("", "Namespace", "namespaces"),
    global("", "Node", "nodes"),
    global("", "PersistentVolume", "persistentvolumes"),
    namespaced("", "PersistentVolumeClaim", "persistentvolumeclaims"),
    namespaced("", "Pod", "pods"),
    namespaced("", "PodTemplate", "podtemplates"),
    namespaced("", "ReplicationController", "replicationcontrollers"),
    namespaced("", "ResourceQuota", "resourcequotas"),
    namespaced("", "Secret", "secrets"),
    namespaced("", "Service", "services"),
    namespaced("", "ServiceAccount", "serviceaccounts"),
    global(ADMISSION, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    global(ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
    global(ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    global(ADMISSION, "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    global("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
    global("apiregistration.k8s.io", "APIService", "apiservices"),
    namespaced("apps", "DaemonSet", "daemonsets"),
    namespaced("apps", "Deployment", "deployments"),
    namespaced("apps", "ReplicaSet", "replicasets"),
    namespaced("apps", "StatefulSet", "statefulsets"),
    Kind { version: "v2", ..namespaced("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers") },
    namespaced("batch", "CronJob", "cronjobs"),
    namespaced("batch", "Job", "jobs"),
    global("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests"),
    namespaced(GATEWAY, "Gateway", "gateways"),
    global(GATEWAY, "GatewayClass", "gatewayclasses"),
    namespaced(GATEWAY, "HTTPRoute", "httproutes"),
    namespaced("networking.k8s.io", "Ingress", "ingresses"),
    global("networking.k8s.io", "IngressClass", "ingressclasses"),
    namespaced("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    global("node.k8s.io", "RuntimeClass", "runtimeclasses"),
    namespaced("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
    global(RBAC, "ClusterRole", "clusterroles"),
    global(RBAC, "ClusterRoleBinding", "clusterrolebindings"),
    namespaced(RBAC, "Role", "roles"),
    namespaced(RBAC, "RoleBinding", "rolebindings"),
    global("scheduling.k8s.io", "PriorityClass", "priorityclasses"),
    global("storage.k8s.io", "CSIDriver", "csidrivers"),
    global("storage.k8s.io", "StorageClass", "storageclasses"),
];

/// The built-in kind of this name, in this group where one is given.
pub fn by_kind(kind: &str, group: Option<&str>) -> Option<&'static Kind> {
    KINDS.iter().find(|known| known.kind == kind && group.is_none_or(|group| group == known.group))
}

/// The built-in kind of a resource (`deployments.apps`).
pub fn by_resource(resource: &str) -> Option<&'static Kind> {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    KINDS.iter().find(|known| known.plural == plural && known.group == group)
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
