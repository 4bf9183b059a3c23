//! What a check of manifests found, in the forms that a pull request shows: each a value, printed elsewhere.

mod baseline;
mod github;
mod junit;
mod markdown;
mod sarif;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub(crate) use baseline::is_within;
pub use baseline::{BaselineError, CheckBaseline, Comparison};
pub use github::github;
pub use junit::junit;
pub use markdown::markdown;
pub(super) use markdown::plain;
pub use sarif::sarif;

use super::{BySeverity, CheckText, view::words};
use crate::{
    collect::InputError,
    evaluate::{Evaluation, Finding, Outcome},
};

/// What a check of manifests found: the value behind every form of its result.
#[derive(Debug, Clone, Copy)]
pub struct CheckReport<'a> {
    /// What the checks say.
    pub evaluation: &'a Evaluation,
    /// Inputs that could not be read.
    pub errors: &'a [InputError],
    /// Texts of each check, by id.
    pub checks: &'a BTreeMap<String, CheckText>,
    /// How it stands against an earlier check.
    pub comparison: Option<&'a Comparison>,
}

/// What becomes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It counts.
    Open,
    /// The baseline holds it.
    Known,
    /// Waived, or expected of the system.
    Accepted,
}

impl<'a> CheckReport<'a> {
    /// Failures that count: neither waived, nor expected, nor in the baseline. In the order of the evaluation.
    pub fn open(&self) -> impl Iterator<Item = &'a Finding> {
        self.of(Standing::Open)
    }

    fn of(&self, standing: Standing) -> impl Iterator<Item = &'a Finding> {
        let failures = self.evaluation.findings.iter().filter(|finding| finding.outcome == Outcome::Fail);
        failures.filter(move |finding| self.standing(finding) == standing)
    }

    /// The same, worst first, then by file and line.
    pub fn open_by_place(&self) -> Vec<&'a Finding> {
        self.by_place(Standing::Open)
    }

    fn by_place(&self, standing: Standing) -> Vec<&'a Finding> {
        let mut found: Vec<_> = self.of(standing).collect();
        let place = |f: &'a Finding| f.file.as_ref().map(|file| (&*file.path, file.line));
        found.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then_with(|| (place(a), &a.check, &a.id).cmp(&(place(b), &b.check, &b.id)))
        });
        found
    }

    fn standing(&self, finding: &Finding) -> Standing {
        match self.comparison {
            _ if !finding.is_open_failure() => Standing::Accepted,
            Some(comparison) if comparison.known.contains(&finding.id) => Standing::Known,
            _ => Standing::Open,
        }
    }

    /// `1 critical, 4 high in 1 object`; `no exceptions`.
    pub(super) fn headline(&self) -> String {
        let (mut counts, mut objects) = (BySeverity::default(), HashSet::new());
        for finding in self.open() {
            counts.add(finding.severity);
            objects.insert(&finding.resource);
        }
        if objects.is_empty() {
            return if self.comparison.is_some() { "nothing new" } else { "no exceptions" }.into();
        }
        let parts = counts.worst_first().into_iter().filter(|(_, n)| *n > 0);
        let parts: Vec<String> = parts.map(|(s, n)| format!("{} {}", words::number(n), words::severity(s))).collect();
        let new = if self.comparison.is_some() { "new: " } else { "" };
        format!("{new}{} in {}", parts.join(", "), words::count(objects.len() as u64, "object", "objects"))
    }

    /// What is counted and not listed, a sentence each.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(comparison) = self.comparison {
            let known = self.of(Standing::Known).count() as u64;
            let resolved = words::number(comparison.resolved.len() as u64);
            remarks.push(format!("{} known from the baseline, {resolved} resolved", words::number(known)));
            if !comparison.unseen.is_empty() {
                let unseen = words::number(comparison.unseen.len() as u64);
                remarks.push(format!("{unseen} of the baseline not looked at this time"));
            }
        }
        let accepted = self.of(Standing::Accepted).count() as u64;
        if accepted > 0 {
            remarks.push(format!("{} waived or expected of the system, not counted", words::number(accepted)));
        }
        remarks
    }

    /// Reasons why checks were not evaluated, the most frequent first, with the checks.
    pub(super) fn not_evaluated(&self) -> Vec<(&'a str, BTreeSet<&'a str>)> {
        let mut reasons: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for check in self.evaluation.checks.iter().filter(|check| check.not_evaluated > 0) {
            reasons.entry(check.reason.as_deref().unwrap_or("see --format json")).or_default().insert(&check.id);
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(reason, checks)| (std::cmp::Reverse(checks.len()), *reason));
        reasons
    }

    /// Why a failure does not count: the waiver or the expected entry, as declared.
    fn accepted_by(&self, finding: &Finding) -> Option<String> {
        let (what, id) = match (&finding.waiver, &finding.expected_by) {
            (Some(id), _) => ("waiver", id),
            (None, Some(id)) => ("expected of the system by", id),
            (None, None) => return None,
        };
        let declared = self.evaluation.declarations.iter().find(|declaration| *declaration.id == **id);
        let note = declared.map(|declaration| format!(": {}", declaration.note)).unwrap_or_default();
        Some(format!("{what} {id}{note}"))
    }

    fn fix(&self, check: &str) -> Option<&'a str> {
        let text = self.checks.get(check).map(|text| words::first_sentence(&text.remediation))?;
        (!text.is_empty()).then_some(text)
    }
}

/// One line that steers nothing: names come from strangers' files.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().map(|c| if super::terminal::steers(c) { '\u{fffd}' } else { c }).collect()
}

/// `deploy/cart.yaml:31`.
fn place(file: &str, line: Option<u32>) -> String {
    match line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}
