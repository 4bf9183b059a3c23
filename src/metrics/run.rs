//! The numbers of one run.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Family, Value};
use crate::{
    drift::{ChangeKind, Drift, FindingChangeKind},
    evaluate::{Evaluation, Finding, Outcome, Status},
    framework::Severity,
    report::{Gap, Input, view::words},
};

const SEVERITIES: [Severity; 5] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];

const OUTCOMES: [Outcome; 5] =
    [Outcome::Pass, Outcome::Fail, Outcome::NotApplicable, Outcome::NotEvaluated, Outcome::Manual];

const STATUSES: [(Status, &str); 8] = [
    (Status::Fail, "fail"),
    (Status::NotEvaluated, "not-evaluated"),
    (Status::Attested, "attested"),
    (Status::Inherited, "inherited"),
    (Status::Partial, "partial"),
    (Status::Manual, "manual"),
    (Status::Pass, "pass"),
    (Status::NotApplicable, "not-applicable"),
];

/// Failures that nobody accepted are `open`, so that one label tells what is left to do.
const STANDINGS: [&str; 5] = ["open", "waived", "expected", "not-evaluated", "manual"];

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How long it took.
    pub took: TimeDelta,
    /// It saw the cluster as far as declared, and its evidence is committed.
    pub success: bool,
    /// Bundles that wait for their commit; `None` where nothing is kept, or the cluster is not known.
    pub pending: Option<usize>,
    /// Hooks that took the message, and hooks that did not.
    pub told: (usize, usize),
    /// What it found, when it saw the cluster and its evidence is committed.
    pub evidence: Option<Evidence<'a>>,
}

/// What a run found.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Its values.
    pub input: &'a Input<'a>,
    /// Index in the log.
    pub index: Option<u64>,
}

impl Run<'_> {
    /// Its metrics. Those of the evidence are absent when there is none.
    pub fn families(&self) -> Vec<Family> {
        let (delivered, failed) = self.told;
        let notifications = Family::new("run_notifications", "Hooks that the last run told, by what became of it.");
        let mut families = vec![
            at("run_timestamp_seconds", "When the last run ended, by its own clock.", self.ended),
            Family::one(
                "run_duration_seconds",
                "How long the last run took.",
                Value::Real(self.took.num_milliseconds() as f64 / 1000.0),
            ),
            Family::one(
                "run_success",
                "Whether the last run saw all that it should and committed its evidence.",
                Value::Whole(self.success.into()),
            ),
            notifications
                .with([("result", "delivered")], Value::count(delivered))
                .with([("result", "failed")], Value::count(failed)),
        ];
        let help = "Bundles that wait in the state folder for their commit.";
        families.extend(self.pending.map(|waiting| Family::one("pending_bundles", help, Value::count(waiting))));
        families.extend(self.evidence.iter().flat_map(Evidence::families));
        families
    }
}

impl Evidence<'_> {
    fn families(&self) -> Vec<Family> {
        let Input { meta, evaluation, drift, snapshot, .. } = self.input;
        let timestamp =
            "When the collection of the newest evidence ended, by its own claim: time() minus it is its age.";
        let mut families = vec![at("evidence_timestamp_seconds", timestamp, meta.finished)];
        let help = "Index of the newest evidence in the log.";
        families.extend(self.index.map(|index| Family::one("evidence_log_index", help, Value::count(index))));
        families.push(Family::one(
            "snapshot_objects",
            "Objects in the snapshot.",
            Value::count(snapshot.objects.len()),
        ));
        families.extend([
            findings(&evaluation.findings),
            checks(evaluation),
            requirements(evaluation),
            gaps(&meta.gaps),
        ]);
        // Without anything to compare with there is no drift, which is not the same as none.
        if drift.baseline.is_some() {
            families.extend(drifted(drift));
        }
        families
    }
}

fn at(name: &'static str, help: &'static str, at: DateTime<Utc>) -> Family {
    Family::one(name, help, Value::Whole(at.timestamp()))
}

fn standing(finding: &Finding) -> Option<&'static str> {
    match finding.outcome {
        Outcome::Fail if finding.waiver.is_some() => Some("waived"),
        Outcome::Fail if finding.expected_by.is_some() => Some("expected"),
        Outcome::Fail => Some("open"),
        Outcome::NotEvaluated => Some("not-evaluated"),
        Outcome::Manual => Some("manual"),
        Outcome::Pass | Outcome::NotApplicable => None,
    }
}

fn findings(findings: &[Finding]) -> Family {
    let mut counts = [[0_i64; STANDINGS.len()]; SEVERITIES.len()];
    for finding in findings {
        let severity = SEVERITIES.iter().position(|severity| *severity == finding.severity);
        let standing = standing(finding).and_then(|standing| STANDINGS.iter().position(|name| *name == standing));
        if let (Some(severity), Some(standing)) = (severity, standing) {
            counts[severity][standing] += 1;
        }
    }
    let help = "Findings by severity; outcome is open, waived or expected for failures, not-evaluated or manual.";
    let mut family = Family::new("findings", help);
    for (severity, row) in SEVERITIES.into_iter().zip(counts) {
        for (standing, count) in STANDINGS.into_iter().zip(row) {
            family = family.with([("severity", words::severity(severity)), ("outcome", standing)], Value::Whole(count));
        }
    }
    family
}

fn checks(evaluation: &Evaluation) -> Family {
    OUTCOMES.into_iter().fold(
        Family::new("checks", "Checks by outcome over all that they judged."),
        |family, outcome| {
            let count = evaluation.checks.iter().filter(|check| check.outcome == outcome).count();
            family.with([("outcome", words::outcome(outcome))], Value::count(count))
        },
    )
}

fn requirements(evaluation: &Evaluation) -> Family {
    let mut family = Family::new("requirements", "Requirements of the frameworks evaluated, by status.");
    for framework in evaluation.frameworks.iter().filter(|framework| framework.selected) {
        let of = |status| {
            let rows = evaluation.requirements.iter().filter(|row| row.framework == framework.id);
            rows.filter(|row| row.version == framework.version && row.status == status).count()
        };
        for (status, name) in STATUSES {
            let labels = [("framework", framework.id.as_str()), ("version", &framework.version), ("status", name)];
            family = family.with(labels, Value::count(of(status)));
        }
    }
    family
}

fn gaps(gaps: &[Gap]) -> Family {
    let declared = gaps.iter().filter(|gap| gap.declared.is_some()).count();
    Family::new("coverage_gaps", "Sources that were asked and not seen, by whether expectedGaps declares them.")
        .with([("declared", "true")], Value::count(declared))
        .with([("declared", "false")], Value::count(gaps.len() - declared))
}

fn drifted(drift: &Drift) -> [Family; 4] {
    let findings = [
        (FindingChangeKind::New, "new"),
        (FindingChangeKind::Resolved, "resolved"),
        (FindingChangeKind::LostSight, "lost-sight"),
        (FindingChangeKind::Accepted, "accepted"),
        (FindingChangeKind::Reopened, "reopened"),
    ];
    let objects = [
        (ChangeKind::Added, "added"),
        (ChangeKind::Removed, "removed"),
        (ChangeKind::Changed, "changed"),
        (ChangeKind::Recreated, "recreated"),
    ];
    let subjects = |gained: bool, sensitive: bool| {
        let of = drift.permissions.iter().filter(|p| p.gained.is_empty() != gained && p.sensitive == sensitive);
        Value::count(of.count())
    };
    let lists = |lost: bool| Value::count(drift.sight.iter().filter(|sight| sight.is_lost() == lost).count());
    [
        findings.into_iter().fold(
            Family::new("drift_findings", "Findings that changed since the evidence before."),
            |family, (kind, name)| {
                let count = drift.findings.iter().filter(|change| change.change == kind).count();
                family.with([("change", name)], Value::count(count))
            },
        ),
        objects.into_iter().fold(
            Family::new("drift_objects", "Objects that changed since the evidence before."),
            |family, (kind, name)| {
                let count = drift.objects.iter().filter(|change| change.change == kind).count();
                family.with([("change", name)], Value::count(count))
            },
        ),
        Family::new("drift_subjects", "Subjects whose permissions changed; sensitive: some escalate or read secrets.")
            .with([("change", "gained"), ("sensitive", "true")], subjects(true, true))
            .with([("change", "gained"), ("sensitive", "false")], subjects(true, false))
            .with([("change", "lost"), ("sensitive", "false")], subjects(false, false)),
        Family::new(
            "drift_lists",
            "Lists of the API that went out of sight or came into it since the evidence before.",
        )
        .with([("change", "lost-sight")], lists(true))
        .with([("change", "seen-again")], lists(false)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::text,
        report::tests::sample::{Sample, at, busy, empty},
    };

    fn run(sample: &Sample) -> String {
        let input = sample.input();
        let run = Run {
            ended: at(11, 23, 6),
            took: TimeDelta::milliseconds(7_250),
            success: true,
            pending: Some(2),
            told: (1, 1),
            evidence: Some(Evidence { input: &input, index: Some(214) }),
        };
        text(run.families(), &[("cluster", "prod-\"eu\"\\\n")])
    }

    #[test]
    fn a_busy_morning() {
        insta::assert_snapshot!(run(&busy(false)));
    }

    #[test]
    fn every_finding_is_counted_once() {
        let sample = busy(false);
        let text = run(&sample);
        let counted: u64 = text
            .lines()
            .filter(|line| line.starts_with("kubeproof_findings{"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(counted, sample.evaluation.findings.len() as u64);
    }

    #[test]
    fn a_first_run_says_nothing_of_drift() {
        let text = run(&empty());
        assert!(text.contains("kubeproof_evidence_timestamp_seconds") && !text.contains("drift"), "{text}");
    }

    #[test]
    fn a_run_without_evidence_says_nothing_of_findings() {
        let run = Run {
            ended: at(11, 23, 6),
            took: TimeDelta::seconds(1),
            success: false,
            pending: None,
            told: (0, 0),
            evidence: None,
        };
        let text = text(run.families(), &[]);
        assert!(text.contains("kubeproof_run_success 0\n"), "{text}");
        assert!(!text.contains("evidence_") && !text.contains("findings") && !text.contains("pending"), "{text}");
    }
}
