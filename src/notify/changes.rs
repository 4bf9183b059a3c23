//! What got worse, what got better and what was lost sight of: the comparison in as many words as a message holds.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{clean, message::whole_seconds};
use crate::{
    config::Occasion,
    drift::{Cause, Drift, FindingChange, FindingChangeKind, PermissionChange, SightChange},
    framework::Severity,
};

/// Changes named in each direction; the others are counted.
const NAMED: usize = 20;

/// The comparison with the last verified run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// When the collection compared with ended, by its own claim; `null` on a first run.
    #[serde(serialize_with = "whole_seconds")]
    pub since: Option<DateTime<Utc>>,
    /// Its index in the log.
    pub index: Option<u64>,
    /// What could not be compared, in sentences.
    pub cannot_compare: Vec<String>,
    /// Findings that are new or open again, permissions gained.
    pub worse: Direction,
    /// Findings resolved, permissions lost.
    pub better: Direction,
    /// Failures that could not be looked at again, lists that were answered before.
    pub lost_sight: Direction,
    /// Failures that are waived or expected since.
    pub accepted: u64,
    /// Failures that were there and still are.
    pub still: u64,
    /// Objects added, removed or changed.
    pub objects: u64,
    /// Waivers, attestations and provider documents that began or ceased to hold.
    pub declarations: u64,
    /// Files of checks, frameworks and declarations that changed.
    pub rules: u64,
}

/// Changes of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Direction {
    /// Findings.
    pub findings: u64,
    /// Subjects whose permissions changed.
    pub subjects: u64,
    /// Lists of the API.
    pub lists: u64,
    /// The first of them, the worst first.
    pub named: Vec<Change>,
    /// Those beyond them.
    pub more: u64,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What changed.
    pub what: What,
    /// Of a finding: its severity.
    pub severity: Option<Severity>,
    /// Of a finding: its check.
    pub check: Option<String>,
    /// `Deployment/shop/cart`, `ServiceAccount/shop/ci-bot`, `networkpolicies.networking.k8s.io`.
    pub resource: String,
    /// One sentence.
    pub text: String,
    /// Of a finding: its owner.
    pub owner: Option<String>,
    /// Of permissions gained: some can escalate or read secrets.
    pub sensitive: bool,
    /// Why.
    pub cause: Cause,
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A finding.
    Finding,
    /// Permissions of a subject.
    Access,
    /// A list of the API.
    List,
}

impl Changes {
    /// The comparison, counted and cut to what a message holds.
    pub(super) fn of(drift: &Drift) -> Self {
        let kind = |kind| drift.findings.iter().filter(move |c: &&FindingChange| c.change == kind);
        let mut worse: Vec<Change> = worse_findings(drift).map(finding).collect();
        worse.sort_by_key(|change| std::cmp::Reverse(change.severity));
        let gained = drift.permissions.iter().filter(|p| !p.gained.is_empty());
        let (sensitive, other): (Vec<_>, Vec<_>) = gained.partition(|p| p.sensitive);
        // Who can escalate comes before any finding, and what else was gained after all of them.
        worse.splice(0..0, sensitive.into_iter().map(access));
        worse.extend(other.into_iter().map(access));
        let lost = drift.permissions.iter().filter(|p| p.gained.is_empty());
        let better = kind(FindingChangeKind::Resolved).map(finding).chain(lost.map(access));
        let unseen = drift.sight.iter().filter(|sight| sight.is_lost()).map(list);
        Self {
            since: drift.baseline.as_ref().map(|baseline| baseline.finished),
            index: drift.baseline.as_ref().and_then(|baseline| baseline.index),
            cannot_compare: drift.cannot_compare.iter().map(|text| clean(text)).collect(),
            worse: Direction::of(worse),
            better: Direction::of(better.collect()),
            lost_sight: Direction::of(unseen.chain(kind(FindingChangeKind::LostSight).map(finding)).collect()),
            accepted: kind(FindingChangeKind::Accepted).count() as u64,
            still: drift.still,
            objects: drift.objects.len() as u64,
            declarations: drift.declarations.len() as u64,
            rules: drift.rules.len() as u64,
        }
    }
}

impl Direction {
    fn of(mut changes: Vec<Change>) -> Self {
        let count = |what| changes.iter().filter(|change| change.what == what).count() as u64;
        let (findings, subjects, lists) = (count(What::Finding), count(What::Access), count(What::List));
        let more = changes.len().saturating_sub(NAMED) as u64;
        changes.truncate(NAMED);
        Self { findings, subjects, lists, named: changes, more }
    }
}

/// The occasion that a comparison is, for whom findings from `severity` on count as worse.
pub(super) fn occasion(drift: &Drift, severity: Severity) -> Occasion {
    let found = worse_findings(drift).any(|change| change.severity >= severity);
    if found || drift.permissions.iter().any(|p| p.sensitive && !p.gained.is_empty()) {
        Occasion::Worse
    } else if drift.baseline.is_none() || !drift.is_quiet() {
        Occasion::Change
    } else {
        Occasion::Always
    }
}

fn worse_findings(drift: &Drift) -> impl Iterator<Item = &FindingChange> {
    let worse = |c: &&FindingChange| matches!(c.change, FindingChangeKind::New | FindingChangeKind::Reopened);
    drift.findings.iter().filter(worse).filter(|c| !c.accepted)
}

fn finding(change: &FindingChange) -> Change {
    Change {
        what: What::Finding,
        severity: Some(change.severity),
        check: Some(change.check.to_string()),
        resource: clean(&change.resource.to_string()),
        text: clean(&change.message),
        owner: change.owner.as_deref().map(clean),
        sensitive: false,
        cause: change.cause,
    }
}

fn access(change: &PermissionChange) -> Change {
    Change {
        what: What::Access,
        severity: None,
        check: None,
        resource: clean(&change.subject),
        text: clean(&change.summary),
        owner: None,
        sensitive: change.sensitive,
        cause: change.cause,
    }
}

fn list(change: &SightChange) -> Change {
    Change {
        what: What::List,
        severity: None,
        check: None,
        resource: clean(&change.resource),
        text: clean(&format!("{} before, {} now", change.before, change.after)),
        owner: None,
        sensitive: false,
        cause: Cause::Sight,
    }
}
