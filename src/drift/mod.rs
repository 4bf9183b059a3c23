//! Stage 4: what changed since the last verified snapshot, and why.

mod declarations;
mod fields;
mod findings;
mod lists;
mod noise;
mod objects;
mod permissions;
mod selection;
#[cfg(test)]
mod tests;
mod writers;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use noise::{NoiseList, OWN as OWN_NOISE};
pub use selection::{Part, Selection};
pub use writers::{AuditReach, ChangedBy};

use writers::Writers;

use crate::{
    collect::{Coverage, inputs::audit},
    digest::Digest,
    evaluate::{Dated, Evaluation, FindingId},
    framework::{RuleFiles, Severity},
    rbac::Grant,
    resource::ResourceRef,
    snapshot::Snapshot,
};

/// One side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The state.
    pub snapshot: &'a Snapshot,
    /// What was asked and answered.
    pub coverage: &'a Coverage,
    /// What was said of it then.
    pub evaluation: &'a Evaluation,
    /// The rules that said it.
    pub rules: &'a RuleFiles,
}

/// The verified earlier side.
#[derive(Debug, Clone)]
pub struct Before<'a> {
    /// What it was.
    pub side: Side<'a>,
    /// Which bundle it came from.
    pub baseline: Baseline,
    /// Its snapshot judged by today's rules: separates "the cluster changed" from "the checks changed".
    pub by_new_rules: &'a Evaluation,
    /// What time alone makes of it: its snapshot judged by today's rules as if it were of today.
    pub by_time: &'a Dated,
}

/// Compares with the last verified run; without one, says so by having no baseline.
pub fn compare(before: Option<&Before<'_>>, now: Side<'_>, noise: &NoiseList) -> Drift {
    let Some(before) = before else { return Drift::default() };
    let old = before.side;
    let sight = sight_changes(old.coverage, now.coverage);
    let keys_differ = old.snapshot.redaction_key != now.snapshot.redaction_key;
    let writers = Writers::new(old.coverage, now.coverage, &now.snapshot.objects);
    let (objects, left_out) = objects::changes(old, now, noise, keys_differ, &writers);
    let (findings, still) = findings::changes(before, now);
    Drift {
        schema: SCHEMA.into(),
        baseline: Some(before.baseline.clone()),
        cannot_compare: cannot_compare(old.snapshot, now.snapshot, keys_differ),
        objects,
        left_out,
        permissions: permissions::changes(old, now, &writers),
        findings,
        still,
        declarations: declarations::changes(old.evaluation, now.evaluation),
        rules: rule_changes(old.rules, now.rules),
        sight,
        audit: writers.reach(),
    }
}

const SCHEMA: &str = "kubeproof.dev/drift/v1";

/// What a change of sight says of a list that was answered.
const SEEN: &str = "seen";

impl Default for Drift {
    fn default() -> Self {
        Self {
            schema: SCHEMA.into(),
            baseline: None,
            cannot_compare: Vec::new(),
            objects: Vec::new(),
            left_out: Vec::new(),
            permissions: Vec::new(),
            findings: Vec::new(),
            still: 0,
            declarations: Vec::new(),
            rules: Vec::new(),
            sight: Vec::new(),
            audit: None,
        }
    }
}

impl Drift {
    /// Nothing changed that a person would want to know.
    pub fn is_quiet(&self) -> bool {
        self.objects.is_empty()
            && self.permissions.is_empty()
            && self.findings.is_empty()
            && self.declarations.is_empty()
            && self.rules.is_empty()
            && self.sight.is_empty()
            && self.cannot_compare.is_empty()
    }
}

fn cannot_compare(old: &Snapshot, new: &Snapshot, keys_differ: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    if keys_differ {
        let id = |key: &Option<String>| key.clone().unwrap_or_else(|| "none".into());
        sentences.push(format!(
            "redacted values cannot be compared: the redaction key was {} and is {}",
            id(&old.redaction_key),
            id(&new.redaction_key)
        ));
    }
    sentences
}

fn sight_changes(old: &Coverage, new: &Coverage) -> Vec<SightChange> {
    let state = |coverage: &Coverage, id: &str| {
        coverage.list(id).map_or_else(
            || (false, "not asked".to_owned()),
            |list| (list.outcome.is_known(), list.outcome.reason().unwrap_or_else(|| SEEN.into())),
        )
    };
    let mut ids: Vec<String> = old.lists.iter().chain(&new.lists).map(|list| list.id()).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .filter_map(|resource| {
            let (known_before, before) = state(old, &resource);
            let (known_after, after) = state(new, &resource);
            // An audit log shows nothing of the cluster's state: to be given one is no change of it.
            let is_gained_log = known_after && resource == audit::RESOURCE;
            (known_before != known_after && !is_gained_log).then_some(SightChange { resource, before, after })
        })
        .collect()
}

fn rule_changes(old: &RuleFiles, new: &RuleFiles) -> Vec<RuleChange> {
    let files: BTreeMap<&String, ()> = old.keys().chain(new.keys()).map(|file| (file, ())).collect();
    files
        .into_keys()
        .filter_map(|file| {
            let change = match (old.get(file), new.get(file)) {
                (None, _) => ChangeKind::Added,
                (_, None) => ChangeKind::Removed,
                (Some(before), Some(after)) if before != after => ChangeKind::Changed,
                _ => return None,
            };
            Some(RuleChange { file: file.clone(), change })
        })
        .collect()
}

/// Whether `resource` (`deployments.apps`) was fully answered.
fn is_seen(coverage: &Coverage, resource: &str) -> bool {
    coverage.list(resource).is_some_and(|list| list.outcome.is_known())
}

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
    /// Changes that controllers make all day: counted, not listed.
    pub left_out: Vec<LeftOut>,
    /// Permissions per subject.
    pub permissions: Vec<PermissionChange>,
    /// Findings, sorted like those of an evaluation.
    pub findings: Vec<FindingChange>,
    /// Findings that were there before and still are.
    pub still: u64,
    /// Waivers, attestations and provider documents that began or ceased to hold.
    pub declarations: Vec<DeclarationChange>,
    /// Checks and frameworks that changed.
    pub rules: Vec<RuleChange>,
    /// Lists seen last time and not this time, or the reverse.
    pub sight: Vec<SightChange>,
    /// What the audit log says of the time between; absent where none was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audit: Option<AuditReach>,
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
    /// A waiver, an expected entry or an attestation began, ended or was withdrawn.
    Declaration,
    /// Nothing but time passed: a certificate, a backup or a version became too old.
    Time,
    /// The same image in the same cluster: a scanner, or a statement about its results, says something else.
    Scanner,
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
    /// Who wrote it between the two snapshots: people before components of the cluster, then the latest first. Nobody
    /// where nothing says so.
    pub changed_by: Vec<ChangedBy>,
    /// Writes beyond those.
    pub more_writes: u64,
}

/// Changes that are left out of the list, by the entry of the noise list that does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeftOut {
    /// Id of the entry: `owned-by-a-controller`, `status-only`, ...
    pub rule: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
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
    /// The same place with items of lists by name: `spec.template.spec.containers[name=app].image`.
    pub stable: String,
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
    /// Who wrote roles and bindings that give or gave it, as [`ObjectChange::changed_by`].
    pub changed_by: Vec<ChangedBy>,
    /// Writes beyond those.
    pub more_writes: u64,
}

/// A finding that is new, resolved, or out of sight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindingChange {
    /// Finding id.
    pub id: FindingId,
    /// Check id.
    pub check: Arc<str>,
    /// Severity.
    pub severity: Severity,
    /// Object.
    pub resource: Arc<ResourceRef>,
    /// Stable place.
    pub place: Arc<str>,
    /// What happened.
    pub change: FindingChangeKind,
    /// Why.
    pub cause: Cause,
    /// One sentence.
    pub message: Arc<str>,
    /// Owner.
    pub owner: Option<Arc<str>>,
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
    /// Failed before, fails now, and is waived or expected since.
    Accepted,
    /// Failed before, fails now, and is no longer waived or expected.
    Reopened,
}

/// A waiver, an attestation or a provider's document that began or ceased to hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclarationChange {
    /// `waiver`, `attestation` or `provider`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// State before (`in force`); absent where it was not declared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    /// State now (`expired`); absent where it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
    /// It holds now, and did not before.
    pub holds: bool,
    /// What it applied to while it held: findings, or a requirement.
    pub applies_to: Vec<String>,
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

impl SightChange {
    /// It was seen before and is not now.
    pub fn is_lost(&self) -> bool {
        self.after != SEEN
    }
}
