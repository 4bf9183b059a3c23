//! What is said of a run: values, in the stored form `kubeproof.dev/notification/v1`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::{
    changes::{self, Changes},
    clean,
};
use crate::{
    clock::rfc3339,
    config::Occasion,
    digest::Digest,
    evaluate::Status,
    framework::Severity,
    report::{BySeverity, DRIFT_PDF, HistoryLine, Input, REPORT_PDF, Stored, view::words},
};

/// Schema of the JSON form; keys are stable, additions are allowed.
const SCHEMA: &str = "kubeproof.dev/notification/v1";

/// Gaps named; the others are counted.
const GAPS: usize = 20;

/// A notification.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// `kubeproof.dev/notification/v1`.
    pub schema: &'static str,
    /// Who speaks.
    pub tool: Tool,
    /// What happened, in the words of `on:`; `always` where nothing changed.
    pub event: Occasion,
    /// The run in one sentence.
    pub summary: String,
    /// Which cluster.
    pub cluster: Cluster,
    /// When.
    pub run: Run,
    /// Why no evidence was committed, or why the run saw nothing.
    pub error: Option<String>,
    /// What was found; `null` when no evidence was committed.
    pub counts: Option<Counts>,
    /// What changed; `null` when no evidence was committed.
    pub changes: Option<Changes>,
    /// What was not seen.
    pub gaps: Gaps,
    /// Where the evidence is; `null` when none was committed.
    pub evidence: Option<Evidence>,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// `kubeproof`.
    pub name: &'static str,
    /// Its version.
    pub version: String,
}

/// Which cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its name; `null` when the run ended before it was known.
    pub name: Option<String>,
    /// Its folder in the store.
    pub folder: Option<String>,
    /// `production`, `staging`, ...
    pub environment: Option<String>,
}

/// When a run was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// When the schedule asked for it.
    #[serde(serialize_with = "whole_seconds")]
    pub scheduled: Option<DateTime<Utc>>,
    /// The first request; of a run without evidence, its beginning.
    #[serde(serialize_with = "whole_second")]
    pub started: DateTime<Utc>,
    /// The last answer; of a run without evidence, its end.
    #[serde(serialize_with = "whole_second")]
    pub finished: DateTime<Utc>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Failures that nobody accepted, by severity.
    pub open: BySeverity,
    /// Waived failures.
    pub waived: u64,
    /// Failures that are expected of the system.
    pub expected: u64,
    /// Places that could not be evaluated.
    pub not_evaluated: u64,
    /// Requirements of all frameworks, by status.
    pub requirements: BTreeMap<Status, u64>,
    /// Objects in the snapshot.
    pub objects: u64,
}

/// What was not seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Gaps {
    /// Those that `expectedGaps` does not declare.
    pub undeclared: u64,
    /// Those that it declares.
    pub declared: u64,
    /// The first of them, undeclared ones before the others.
    pub named: Vec<Gap>,
}

/// A list that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// `networkpolicies.networking.k8s.io`.
    pub resource: String,
    /// Why.
    pub reason: String,
    /// The entry of `expectedGaps` that accepts it.
    pub declared: Option<String>,
}

/// Where the evidence is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Bundle id, hex; the same in every attempt to deliver a message, so that a receiver can tell a repetition.
    pub bundle: String,
    /// Its index in the log.
    pub index: Option<u64>,
    /// The bundle.
    pub url: String,
    /// The PDF in it.
    pub report: String,
    /// The PDF of what changed; `null` where there was nothing to compare with.
    pub drift: Option<String>,
    /// SHA-256 of the manifest without its report lines.
    pub evidence_root: Digest,
    /// SHA-256 of the signing key's SPKI.
    pub signing_key: Digest,
}

/// A run whose evidence is committed.
#[derive(Debug, Clone, Copy)]
pub struct Committed<'a> {
    /// What it found.
    pub input: &'a Input<'a>,
    /// Bundle id.
    pub bundle: &'a Digest,
    /// Where it went.
    pub stored: &'a Stored,
    /// Something was not seen that `expectedGaps` does not declare.
    pub incomplete: bool,
}

/// A run without evidence.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// The cluster's name, where it is known.
    pub cluster: Option<&'a str>,
    /// `production`, `staging`, ...
    pub environment: Option<&'a str>,
    /// When.
    pub run: &'a Run,
    /// Why, and what to do.
    pub reason: &'a str,
}

fn whole_second<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

/// For moments that may not be known.
pub(super) fn whole_seconds<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(rfc3339).serialize(serializer)
}

impl Committed<'_> {
    /// What happened, for whom findings from `severity` on count as worse.
    pub fn occasion(&self, severity: Severity) -> Occasion {
        if self.input.coverage.failure().is_some() {
            Occasion::Failure
        } else if self.incomplete {
            Occasion::Incomplete
        } else {
            changes::occasion(self.input.drift, severity)
        }
    }

    /// What is said of it.
    pub fn message(&self, severity: Severity) -> Message {
        let Input { meta, coverage, .. } = self.input;
        let (counts, changes) = (self.counts(), Changes::of(self.input.drift));
        let error = coverage.failure().map(|failure| clean(&failure));
        let summary = sentence(&meta.cluster, error.as_deref(), &counts, &changes);
        let cluster = Cluster {
            name: Some(clean(&meta.cluster)),
            folder: Some(coverage.cluster.folder()),
            environment: meta.environment.as_deref().map(clean),
        };
        let run = Run { scheduled: meta.scheduled, started: meta.started, finished: meta.finished };
        Message {
            error,
            counts: Some(counts),
            changes: Some(changes),
            gaps: self.gaps(),
            evidence: Some(self.evidence()),
            ..Message::new(self.occasion(severity), summary, cluster, run)
        }
    }

    fn counts(&self) -> Counts {
        let own = HistoryLine::of(self.input.evaluation, self.input.coverage, None);
        Counts {
            open: own.exceptions,
            waived: own.waived,
            expected: own.expected,
            not_evaluated: own.not_evaluated,
            requirements: own.requirements,
            objects: self.input.snapshot.objects.len() as u64,
        }
    }

    fn gaps(&self) -> Gaps {
        let (declared, undeclared): (Vec<_>, Vec<_>) =
            self.input.meta.gaps.iter().partition(|gap| gap.declared.is_some());
        let named = undeclared.iter().chain(&declared).take(GAPS).map(|gap| Gap {
            resource: clean(&gap.resource),
            reason: clean(&gap.reason),
            declared: gap.declared.as_ref().map(|entry| clean(&entry.id)),
        });
        Gaps { undeclared: undeclared.len() as u64, declared: declared.len() as u64, named: named.collect() }
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            bundle: self.bundle.hex(),
            index: self.stored.index,
            url: self.stored.url.clone(),
            report: format!("{}/{REPORT_PDF}", self.stored.url),
            drift: self.input.drift.baseline.as_ref().map(|_| format!("{}/{DRIFT_PDF}", self.stored.url)),
            evidence_root: self.input.meta.evidence_root,
            signing_key: self.input.meta.signing_key,
        }
    }
}

impl Failed<'_> {
    /// What is said of it.
    pub fn message(&self) -> Message {
        let error = clean(self.reason);
        let summary = format!("{}no evidence was committed: {error}", self.cluster.map_or_else(String::new, named));
        let (name, environment) = (self.cluster.map(clean), self.environment.map(clean));
        let cluster = Cluster { name, folder: None, environment };
        Message { error: Some(error), ..Message::new(Occasion::Failure, summary, cluster, self.run.clone()) }
    }
}

impl Message {
    /// What is known of every run.
    fn new(event: Occasion, summary: String, cluster: Cluster, run: Run) -> Self {
        let tool = Tool { name: "kubeproof", version: env!("CARGO_PKG_VERSION").into() };
        Self {
            schema: SCHEMA,
            tool,
            event,
            summary,
            cluster,
            run,
            error: None,
            counts: None,
            changes: None,
            gaps: Gaps::default(),
            evidence: None,
        }
    }
}

fn named(cluster: &str) -> String {
    format!("{}: ", clean(cluster))
}

/// `prod-eu: 2 new exceptions, the worst critical; 1 subject gained permissions; 5 resolved`.
fn sentence(cluster: &str, error: Option<&str>, counts: &Counts, changes: &Changes) -> String {
    let name = named(cluster);
    if let Some(error) = error {
        return format!("{name}the run saw nothing: {error}");
    }
    let said: Vec<String> =
        [worse(changes), gained(changes), resolved(changes), lost(changes)].into_iter().flatten().collect();
    let open = open(counts);
    match (changes.since, said.is_empty()) {
        (None, _) => format!("{name}first run, nothing to compare with; {open}"),
        (Some(_), true) => format!("{name}nothing got worse or better; {open}"),
        (Some(_), false) => format!("{name}{}; {open}", said.join("; ")),
    }
}

fn worse(changes: &Changes) -> Option<String> {
    let worse = &changes.worse;
    let worst = worse.named.iter().filter_map(|change| change.severity).max().map(words::severity)?;
    Some(format!("{}, the worst {worst}", words::count(worse.findings, "new exception", "new exceptions")))
}

fn gained(changes: &Changes) -> Option<String> {
    let subjects = changes.worse.subjects;
    (subjects > 0).then(|| format!("{} gained permissions", words::count(subjects, "subject", "subjects")))
}

fn resolved(changes: &Changes) -> Option<String> {
    let resolved = changes.better.findings;
    (resolved > 0).then(|| format!("{} resolved", words::number(resolved)))
}

fn lost(changes: &Changes) -> Option<String> {
    let lists = changes.lost_sight.lists;
    (lists > 0).then(|| format!("{} no longer seen", words::count(lists, "source", "sources")))
}

/// `3 critical, 6 high open`.
fn open(counts: &Counts) -> String {
    let by_severity = counts.open.worst_first().into_iter().filter(|(_, n)| *n > 0);
    let said: Vec<String> =
        by_severity.map(|(severity, n)| format!("{} {}", words::number(n), words::severity(severity))).collect();
    if said.is_empty() { "no open exceptions".into() } else { format!("{} open", said.join(", ")) }
}
