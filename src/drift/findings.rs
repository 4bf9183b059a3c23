//! Findings that are new, resolved or out of sight, each with one cause.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Before, Cause, FindingChange, FindingChangeKind, Side, is_seen};
use crate::{
    collect::ListRecord,
    evaluate::{Evaluation, Finding, FindingId, Outcome},
};

/// Changes in the order of an evaluation's findings, and how many failures stay.
pub(super) fn changes(before: &Before<'_>, now: Side<'_>) -> (Vec<FindingChange>, u64) {
    let old = Judged::of(before.side.evaluation);
    let by_new_rules = Judged::of(before.by_new_rules);
    let new = Judged::of(now.evaluation);
    let mut changes = Vec::new();
    let mut still = 0;
    for (id, finding) in &new.failures {
        match old.failures.get(id) {
            None => {
                let cause = appeared(finding, &by_new_rules, before, now);
                changes.push(change(finding, FindingChangeKind::New, cause));
            }
            Some(earlier) => match (earlier.is_open_failure(), finding.is_open_failure()) {
                (true, false) => changes.push(change(finding, FindingChangeKind::Accepted, Cause::Declaration)),
                (false, true) => changes.push(change(finding, FindingChangeKind::Reopened, Cause::Declaration)),
                (true, true) | (false, false) => still += 1,
            },
        }
    }
    for (id, finding) in old.failures.iter().filter(|(id, _)| !new.failures.contains_key(*id)) {
        let (kind, cause) = if new.could_not_see(*id, finding, before.side, now) {
            (FindingChangeKind::LostSight, Cause::Sight)
        } else if !by_new_rules.failures.contains_key(id) {
            (FindingChangeKind::Resolved, Cause::Rules)
        } else if before.by_time.checks.contains(&*finding.check) && !before.by_time.failures.contains(id) {
            (FindingChangeKind::Resolved, Cause::Time)
        } else {
            (FindingChangeKind::Resolved, in_cluster(finding, before, now))
        };
        changes.push(change(finding, kind, cause));
    }
    changes.sort_by(|a, b| order(a).cmp(&order(b)));
    (changes, still)
}

fn order(change: &FindingChange) -> impl Ord + '_ {
    (change.change, std::cmp::Reverse(change.severity), &change.check, &change.resource, &change.place)
}

/// An evaluation by finding id.
struct Judged<'a> {
    failures: BTreeMap<FindingId, &'a Finding>,
    undecided: BTreeSet<FindingId>,
    /// Checks that could not be evaluated at all.
    blind: BTreeSet<&'a str>,
    /// Checks that missed a list.
    in_part: BTreeSet<&'a str>,
}

impl<'a> Judged<'a> {
    fn of(evaluation: &'a Evaluation) -> Self {
        let with = |outcome| evaluation.findings.iter().filter(move |finding| finding.outcome == outcome);
        Self {
            failures: with(Outcome::Fail).map(|finding| (finding.id, finding)).collect(),
            undecided: with(Outcome::NotEvaluated).map(|finding| finding.id).collect(),
            blind: evaluation
                .checks
                .iter()
                .filter(|check| check.outcome == Outcome::NotEvaluated && check.evaluated == 0)
                .map(|check| check.id.as_str())
                .collect(),
            in_part: with(Outcome::NotEvaluated)
                .filter(|finding| finding.resource.kind == "List")
                .map(|finding| &*finding.check)
                .collect(),
        }
    }

    /// `side` is where this judgement was made; `known` names the list of the finding's kind.
    fn could_not_see(&self, id: FindingId, finding: &Finding, known: Side<'_>, side: Side<'_>) -> bool {
        let check = &*finding.check;
        let listed = list_of(finding, known).map(|list| is_seen(side.coverage, &list));
        // Subjects, images and the cluster itself are no listed kinds: any list that their check missed counts.
        let hidden = listed.map_or_else(|| self.in_part.contains(check), |seen| !seen);
        hidden || self.undecided.contains(&id) || self.blind.contains(check)
    }
}

fn appeared(finding: &Finding, old_by_new_rules: &Judged<'_>, before: &Before<'_>, now: Side<'_>) -> Cause {
    let id = finding.id;
    if old_by_new_rules.failures.contains_key(&id) {
        Cause::Rules
    } else if old_by_new_rules.could_not_see(id, finding, now, before.side) {
        Cause::Sight
    } else if before.by_time.failures.contains(&id) {
        Cause::Time
    } else {
        in_cluster(finding, before, now)
    }
}

/// Where the same images run in the same workload, what is said of them otherwise is a scanner's word.
fn in_cluster(finding: &Finding, before: &Before<'_>, now: Side<'_>) -> Cause {
    let workload = finding.resource.to_string();
    let images = |side: Side<'_>| {
        let run = side.snapshot.images.iter().filter(|image| image.workload == workload);
        run.map(|image| (image.container.clone(), image.image.clone(), image.digest.clone())).collect::<BTreeSet<_>>()
    };
    let on_images = before.by_time.on_images.contains(&*finding.check);
    if on_images && images(before.side) == images(now) { Cause::Scanner } else { Cause::Cluster }
}

/// The list that holds objects of the finding's kind, as one side of the comparison knows it.
fn list_of(finding: &Finding, known: Side<'_>) -> Option<String> {
    let (group, kind) = (finding.resource.group(), finding.resource.kind.as_str());
    known.coverage.lists.iter().find(|list| list.object_group() == group && list.kind == kind).map(ListRecord::id)
}

fn change(finding: &Finding, kind: FindingChangeKind, cause: Cause) -> FindingChange {
    FindingChange {
        id: finding.id,
        check: Arc::clone(&finding.check),
        severity: finding.severity,
        resource: Arc::clone(&finding.resource),
        place: Arc::clone(&finding.place.stable),
        change: kind,
        cause,
        message: Arc::clone(&finding.message),
        owner: finding.owner.clone(),
        accepted: finding.outcome == Outcome::Fail && !finding.is_open_failure(),
    }
}
