//! What all batches said, merged, put in order and counted.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use rayon::prelude::*;

use super::{CheckResult, Counts, Evidence, Finding, FindingId, Outcome, pins::badness};
use crate::framework::{Severity, library::Check};

/// By severity (worst first), check, resource, place. Findings are large: their numbers are sorted, and then each is moved
/// to its place in the same memory.
pub(super) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut numbers: Vec<usize> = (0..findings.len()).collect();
    numbers.par_sort_by(|a, b| order(&findings[*a]).cmp(&order(&findings[*b])));
    // Each cycle of places is walked once; a place that is done names itself.
    for start in 0..numbers.len() {
        let mut at = start;
        while numbers[at] != start {
            let from = std::mem::replace(&mut numbers[at], at);
            findings.swap(at, from);
            at = from;
        }
        numbers[at] = at;
    }
    findings
}

/// One finding per id: the worst outcome, resting on every replica.
pub(super) fn merge(adopted: Vec<Finding>) -> Vec<Finding> {
    let mut merged: BTreeMap<FindingId, (Finding, BTreeSet<Evidence>)> = BTreeMap::new();
    for mut finding in adopted {
        let Some((known, evidence)) = merged.get_mut(&finding.id) else {
            let evidence = finding.evidence.iter().cloned().collect();
            merged.insert(finding.id, (finding, evidence));
            continue;
        };
        if badness(finding.outcome) > badness(known.outcome) {
            std::mem::swap(known, &mut finding);
        }
        evidence.extend(finding.evidence.iter().chain(&*known.evidence).cloned());
    }
    let whole = |(finding, evidence): (Finding, BTreeSet<Evidence>)| match evidence.len() {
        // One replica's evidence stays as it stood: the judged object first.
        n if n == finding.evidence.len() => finding,
        _ => Finding { evidence: evidence.into_iter().collect(), ..finding },
    };
    merged.into_values().map(whole).collect()
}

type Order<'a> = (Reverse<Severity>, &'a str, &'a str, &'a str, Option<&'a str>, &'a str, &'a str, FindingId);

fn order(finding: &Finding) -> Order<'_> {
    let resource = &finding.resource;
    (
        Reverse(finding.severity),
        &finding.check,
        resource.group(),
        &resource.kind,
        resource.namespace.as_deref(),
        &resource.name,
        &finding.place.path,
        finding.id,
    )
}

pub(super) fn row(check: &Check) -> CheckResult {
    CheckResult {
        id: check.id.clone(),
        title: check.title.clone(),
        severity: check.severity,
        outcome: Outcome::NotApplicable,
        evaluated: 0,
        failed: 0,
        waived: 0,
        expected: 0,
        not_evaluated: 0,
        reason: None,
    }
}

pub(super) fn tally(row: &mut CheckResult, finding: &Finding) {
    match finding.outcome {
        Outcome::Pass => row.evaluated += 1,
        Outcome::Fail => {
            row.evaluated += 1;
            row.failed += 1;
        }
        Outcome::NotEvaluated => {
            row.not_evaluated += 1;
            row.reason = row.reason.take().or_else(|| finding.reason.as_deref().map(str::to_string));
        }
        Outcome::NotApplicable | Outcome::Manual => {}
    }
}

/// fail if any fails, else not-evaluated if any could not be, else pass; nothing judged: not-applicable.
pub(super) fn overall(row: &CheckResult) -> Outcome {
    match row {
        CheckResult { failed: 1.., .. } => Outcome::Fail,
        CheckResult { not_evaluated: 1.., .. } => Outcome::NotEvaluated,
        CheckResult { evaluated: 1.., .. } => Outcome::Pass,
        _ => Outcome::NotApplicable,
    }
}

pub(super) fn count(counts: &mut Counts, outcome: Outcome) {
    match outcome {
        Outcome::Pass => counts.pass += 1,
        Outcome::Fail => counts.fail += 1,
        Outcome::NotApplicable => counts.not_applicable += 1,
        Outcome::NotEvaluated => counts.not_evaluated += 1,
        Outcome::Manual => counts.manual += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::samples::finding;

    #[test]
    fn findings_are_sorted_from_whatever_order_in_linear_moves() {
        let name = |number: usize| format!("{number:06}");
        let count = 20_000;
        // The last one first: every other finding moves by one place.
        let turned = (1..count).chain([0]);
        let reversed = (0..count).rev();
        for order in [turned.collect::<Vec<_>>(), reversed.collect(), (0..count).collect()] {
            let findings = order.into_iter().map(|number| finding("c", "Pod", Some("shop"), &name(number))).collect();
            let sorted = sorted(findings);
            assert!(sorted.iter().enumerate().all(|(at, finding)| finding.resource.name == name(at)));
        }
        assert_eq!(sorted(Vec::new()), []);
    }
}
