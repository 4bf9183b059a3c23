//! Stage 4: what changed since the last verified snapshot, and why.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{digest::Digest, framework::Severity, rbac::Grant, resource::ResourceRef, snapshot::Manager};

/// `data/drift.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    /// `kubeproof.dev/drift/v1`.
    pub schema: String,
    /// What it was compared with; `None` on the first run.
    pub baseline: Option<Baseline>,
    /// Why something could not be compared (differing redaction keys, another cluster uid).
    pub cannot_compare: Vec<String>,
    /// Objects, sorted by resource.
    pub objects: Vec<ObjectChange>,
    /// Permissions per subject.
    pub permissions: Vec<PermissionChange>,
    /// Findings, sorted like those of an evaluation.
    pub findings: Vec<FindingChange>,
    /// Findings that were there before and still are.
    pub still: u64,
    /// Checks and frameworks that changed.
    pub rules: Vec<RuleChange>,
    /// Lists seen last time and not this time, or the reverse.
    pub sight: Vec<SightChange>,
}

/// The bundle that was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// Bundle id (hex SHA-256 of the PAE); for a recorded cluster or a folder its path.
    pub bundle: String,
    /// Leaf index in the log.
    pub index: Option<u64>,
    /// When its collection ended.
    pub finished: DateTime<Utc>,
}

/// Why something changed. Exactly one for each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The cluster changed.
    Cluster,
    /// Checks or frameworks changed: the old snapshot judged by the new rules says the same.
    Rules,
    /// It could not be seen this time, or could not be seen last time.
    Sight,
    /// A waiver or an expected entry began, ended or was withdrawn.
    Declaration,
}

/// An object that came, went or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectChange {
    /// Which object.
    pub resource: ResourceRef,
    /// What happened.
    pub change: ChangeKind,
    /// Why.
    pub cause: Cause,
    /// Digest before.
    pub before: Option<Digest>,
    /// Digest after.
    pub after: Option<Digest>,
    /// Changed fields.
    pub fields: Vec<FieldChange>,
    /// The last field manager that wrote, and when.
    pub by: Option<Manager>,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// New.
    Added,
    /// Gone.
    Removed,
    /// Same object, other fields.
    Changed,
    /// Same name, new uid.
    Recreated,
}

/// One field: JSON Pointer, old and new value. Redacted values are shown as `changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldChange {
    /// JSON Pointer into the new object, for a removed field into the old one.
    pub path: String,
    /// Value before; absent when added.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Value>,
    /// Value after; absent when removed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Value>,
    /// The values are redacted; only that they differ is known.
    pub redacted: bool,
}

/// Permissions that one subject gained or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionChange {
    /// `ServiceAccount/shop/ci-bot`, `Group/devs`.
    pub subject: String,
    /// Gained.
    pub gained: Vec<Grant>,
    /// Lost.
    pub lost: Vec<Grant>,
    /// Why.
    pub cause: Cause,
    /// Some gained permission can escalate or read secrets.
    pub sensitive: bool,
    /// One sentence: `ci-bot: read secrets in shop`.
    pub summary: String,
}

/// A finding that is new, resolved, or out of sight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindingChange {
    /// Finding id.
    pub id: String,
    /// Check id.
    pub check: String,
    /// Severity.
    pub severity: Severity,
    /// Object.
    pub resource: ResourceRef,
    /// Stable place.
    pub place: String,
    /// What happened.
    pub change: FindingChangeKind,
    /// Why.
    pub cause: Cause,
    /// One sentence.
    pub message: String,
    /// Owner.
    pub owner: Option<String>,
    /// Waived or expected now.
    pub accepted: bool,
}

/// What happened to a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingChangeKind {
    /// Fails now and did not before.
    New,
    /// Failed before and passes now, or its object is gone.
    Resolved,
    /// Failed before and could not be looked at this time: never resolved.
    LostSight,
}

/// A check or framework that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleChange {
    /// Path below `data/rules/`.
    pub file: String,
    /// `added`, `removed` or `changed`.
    pub change: ChangeKind,
}

/// A list that came into or went out of sight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SightChange {
    /// `networkpolicies.networking.k8s.io`.
    pub resource: String,
    /// Seen before.
    pub before: String,
    /// Seen now.
    pub after: String,
}
