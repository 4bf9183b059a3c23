//! What the grants mean: every permission with the chain that gives it.

mod aggregate;
mod grants;
mod risk;
mod subjects;

use serde::{Deserialize, Serialize};

pub use grants::grants;
pub use risk::{Risk, is_sensitive, risk, sentence, summary};
pub use subjects::{subjects, via};

/// One permission of one subject, with the chain binding -> role -> rule that gives it. One row per verb, group and
/// resource of a rule; `*` stays `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// `User`, `Group` or `ServiceAccount`.
    pub subject_kind: String,
    /// Subject name.
    pub subject_name: String,
    /// Namespace of a service account.
    pub subject_namespace: Option<String>,
    /// Where it applies; `None` for the whole cluster.
    pub namespace: Option<String>,
    /// Verb, or `*`.
    pub verb: String,
    /// API group, or `*`; empty for core and for non-resource URLs.
    pub group: String,
    /// Resource with subresource (`pods/exec`), or `*`; empty for non-resource URLs.
    pub resource: String,
    /// Object name that the rule is limited to.
    pub resource_name: Option<String>,
    /// Non-resource URL (`/metrics`).
    pub url: Option<String>,
    /// `RoleBinding` or `ClusterRoleBinding`.
    pub binding_kind: String,
    /// Binding name (its namespace is `namespace`).
    pub binding: String,
    /// `Role` or `ClusterRole`.
    pub role_kind: String,
    /// Role name.
    pub role: String,
    /// Index of the rule in the role.
    pub rule: u32,
    /// The ClusterRole that the rule came from, when `role` aggregates it.
    pub aggregated_from: Option<String>,
    /// Both binding and role carry `kubernetes.io/bootstrapping: rbac-defaults`.
    pub stock: bool,
}

/// A binding whose role does not exist: it grants nothing today, and everything once somebody creates the role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dangling {
    /// `RoleBinding` or `ClusterRoleBinding`.
    pub binding_kind: String,
    /// Namespace of a RoleBinding.
    pub namespace: Option<String>,
    /// Binding name.
    pub binding: String,
    /// `ClusterRole/foo`.
    pub role: String,
}

/// One subject with everything it may do: what checks `on: subject` see as `subject`. Grants that stock roles give
/// through stock bindings stand in a list of their own, so that "expected of the system" is a place, not a guess.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Subject name.
    pub name: String,
    /// Namespace of a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What people gave it.
    pub grants: Vec<SubjectGrant>,
    /// What Kubernetes itself gave it ([`Grant::stock`]).
    pub stock: Vec<SubjectGrant>,
}

/// One permission of a [`Subject`]; absent fields are absent keys, so that checks can ask `has(g.name)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectGrant {
    /// Verb, or `*`.
    pub verb: String,
    /// API group, or `*`; empty for core and for non-resource URLs.
    pub group: String,
    /// Resource with subresource, or `*`; empty for non-resource URLs.
    pub resource: String,
    /// Object name that it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it applies; absent for the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Non-resource URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `ClusterRoleBinding/ci -> ClusterRole/admin`, in the words of the report.
    pub via: String,
    /// Name of the role (`cluster-admin`).
    pub role: String,
}

#[cfg(test)]
mod tests;
