//! `data/history.json`: one line of counts a run, so that charts need no old bundles.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    collect::Coverage,
    evaluate::{Evaluation, Outcome, Status},
    framework::Severity,
};

/// Schema of `data/history.json`.
const SCHEMA: &str = "kubeproof.dev/history/v1";

/// `data/history.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct History {
    /// `kubeproof.dev/history/v1`.
    pub schema: String,
    /// One line a run, in the order of the log.
    pub runs: Vec<HistoryLine>,
}

impl History {
    /// The verified baseline's lines as they are, grown by this run's. Without a verified baseline the history starts
    /// again: lines that nobody verified are never carried over. The order is the log's, not the clock's, so that a
    /// clock set back does not reorder what was committed.
    pub fn carry(verified_baseline: Option<Self>, own: HistoryLine) -> Self {
        let mut runs = verified_baseline.map(|history| history.runs).unwrap_or_default();
        runs.push(own);
        Self { schema: SCHEMA.into(), runs }
    }
}

/// The counts of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryLine {
    /// When its collection ended.
    pub finished: DateTime<Utc>,
    /// Index of the log head that it followed; its own is known only after signing.
    pub follows: Option<u64>,
    /// Open exceptions by severity: neither waived nor expected.
    pub exceptions: BySeverity,
    /// Waived failures.
    pub waived: u64,
    /// Failures that are expected of the system.
    pub expected: u64,
    /// Places that could not be evaluated.
    pub not_evaluated: u64,
    /// Requirements of all frameworks, by status.
    pub requirements: BTreeMap<Status, u64>,
    /// Lists that were not answered.
    pub unseen: u64,
}

impl HistoryLine {
    /// The counts of this run.
    pub fn of(evaluation: &Evaluation, coverage: &Coverage, follows: Option<u64>) -> Self {
        let failures = || evaluation.findings.iter().filter(|f| f.outcome == Outcome::Fail);
        let mut exceptions = BySeverity::default();
        for finding in failures().filter(|f| f.is_open_failure()) {
            exceptions.add(finding.severity);
        }
        let mut requirements = BTreeMap::new();
        for requirement in &evaluation.requirements {
            *requirements.entry(requirement.status).or_default() += 1;
        }
        Self {
            finished: coverage.finished,
            follows,
            exceptions,
            waived: failures().filter(|f| f.waiver.is_some()).count() as u64,
            expected: failures().filter(|f| f.expected_by.is_some()).count() as u64,
            not_evaluated: evaluation.counts.not_evaluated,
            requirements,
            unseen: coverage.unseen().count() as u64,
        }
    }
}

/// Counts by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BySeverity {
    /// Critical.
    pub critical: u64,
    /// High.
    pub high: u64,
    /// Medium.
    pub medium: u64,
    /// Low.
    pub low: u64,
    /// Info.
    pub info: u64,
}

impl BySeverity {
    /// Counts one.
    pub fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
            Severity::Info => self.info += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.critical + self.high + self.medium + self.low + self.info
    }

    /// Worst first.
    pub fn worst_first(&self) -> [(Severity, u64); 5] {
        [
            (Severity::Critical, self.critical),
            (Severity::High, self.high),
            (Severity::Medium, self.medium),
            (Severity::Low, self.low),
            (Severity::Info, self.info),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(day: u32) -> HistoryLine {
        HistoryLine {
            finished: chrono::NaiveDate::from_ymd_opt(2026, 11, day)
                .and_then(|d| d.and_hms_opt(6, 0, 0))
                .map(|t| t.and_utc())
                .unwrap(),
            follows: None,
            exceptions: BySeverity::default(),
            waived: 0,
            expected: 0,
            not_evaluated: 0,
            requirements: BTreeMap::from([(Status::NotApplicable, 2)]),
            unseen: 0,
        }
    }

    #[test]
    fn grows_by_one_and_keeps_the_order_of_the_log() {
        let history = History::carry(None, line(22));
        let history = History::carry(Some(history), line(21));
        let days: Vec<String> = history.runs.iter().map(|l| l.finished.format("%d").to_string()).collect();
        assert_eq!(days, ["22", "21"]);
    }

    #[test]
    fn reads_what_it_writes() {
        let history = History::carry(None, line(22));
        let text = serde_json::to_string(&history).unwrap();
        assert!(text.contains(r#""requirements":{"not-applicable":2}"#), "{text}");
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    }
}
