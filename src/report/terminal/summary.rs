//! The run in ten lines: what a person should do first, and what could not be seen.

use chrono::NaiveDate;

use super::{Line, Tone};
use crate::{
    collect::SourceKind,
    drift::{Cause, FindingChange, FindingChangeKind},
    evaluate::Declaration,
    framework::Severity,
    report::{
        Input,
        view::{Facts, is_resolved, words},
    },
};

/// Where the second column begins.
const LABEL: usize = 9;
/// Where the third column begins.
const DETAIL: usize = 28;
/// Declarations that end within so many days are due.
const DUE_DAYS: i64 = 14;
/// Hex digits of a finding id that are enough to name it.
const ID: usize = 8;

/// Where the evidence went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Leaf index in the log; `None` while the bundle waits as pending.
    pub index: Option<u64>,
    /// The store.
    pub url: String,
}

/// The run in at most ten lines of 80 columns. Nothing changed: one line.
pub fn summary(input: &Input<'_>, stored: &Stored) -> Vec<Line> {
    let facts = Facts::of(input);
    let mut lines = vec![head(&facts, stored)];
    if is_quiet(&facts) {
        return vec![quiet(&facts, stored)];
    }
    if facts.baseline().is_none() {
        lines.push(entry("FIRST", Tone::Strong, "nothing to compare with yet: the next run says what changed"));
        lines.extend(facts.input.coverage.failure().is_none().then(|| open(&facts)));
    }
    lines.extend(worse(&facts));
    lines.extend(access(&facts));
    lines.extend(better(&facts));
    lines.extend(unseen(&facts));
    lines.extend(due(&facts));
    lines.extend(next(&facts));
    lines.into_iter().map(Line::fit).collect()
}

fn log(stored: &Stored) -> String {
    match stored.index {
        Some(index) => format!("log #{index}, stored {}", stored.url),
        None => format!("waits as pending for {}", stored.url),
    }
}

fn title(facts: &Facts<'_>) -> Line {
    let meta = facts.input.meta;
    let at = format!("{} UTC", words::short_time(meta.finished));
    Line::default().with(Tone::Strong, &meta.cluster).at(LABEL).with(Tone::Plain, at)
}

fn head(facts: &Facts<'_>, stored: &Stored) -> Line {
    title(facts).at(DETAIL).with(Tone::Plain, format!("signed, {}", log(stored)))
}

fn quiet(facts: &Facts<'_>, stored: &Stored) -> Line {
    let open = counts(facts).unwrap_or_else(|| "no exceptions".into());
    let text = format!("nothing changed, {open} open; {}", log(stored));
    title(facts).at(DETAIL).with(Tone::Plain, text).fit()
}

/// Nothing new, nothing gained or lost, nothing out of sight, nothing due.
fn is_quiet(facts: &Facts<'_>) -> bool {
    let drift = facts.input.drift;
    drift.baseline.is_some()
        && drift.cannot_compare.is_empty()
        && drift.findings.is_empty()
        && drift.permissions.is_empty()
        && drift.sight.is_empty()
        && drift.rules.is_empty()
        && due(facts).is_none()
        && (from_manifests(facts) || facts.input.meta.gaps.iter().all(|g| g.declared.is_some()))
}

fn entry(label: &str, tone: Tone, text: impl AsRef<str>) -> Line {
    Line::default().with(tone, label).at(LABEL).with(Tone::Plain, text)
}

/// `3 critical, 6 high`.
fn counts(facts: &Facts<'_>) -> Option<String> {
    let all = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let counts = all.into_iter().map(|s| (facts.open_of(s), words::severity(s))).filter(|(n, _)| *n > 0);
    let counts: Vec<String> = counts.take(3).map(|(n, name)| format!("{} {name}", words::number(n))).collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

fn open(facts: &Facts<'_>) -> Line {
    match (counts(facts), facts.groups.first()) {
        (Some(counts), Some(group)) => {
            let first = group.first(facts);
            entry("OPEN", Tone::Bad, counts)
                .at(DETAIL)
                .with(Tone::Plain, said(&first.resource.path(), &first.message, first.owner.as_deref()))
        }
        _ => entry("OPEN", Tone::Good, "no exceptions"),
    }
}

fn said(place: &str, message: &str, owner: Option<&str>) -> String {
    let owner = owner.map(|o| format!(" ({o})")).unwrap_or_default();
    format!("{place}: {message}{owner}")
}

fn worse(facts: &Facts<'_>) -> Option<Line> {
    let is_new = |c: &&FindingChange| c.change == FindingChangeKind::New && !c.accepted;
    let worst = facts.input.drift.findings.iter().filter(is_new).max_by_key(|c| c.severity)?;
    let n = facts.input.drift.findings.iter().filter(is_new).filter(|c| c.severity == worst.severity).count() as u64;
    let count = format!("{} new {}", words::number(n), words::severity(worst.severity));
    let tone = if worst.severity >= Severity::High { Tone::Bad } else { Tone::Warn };
    let rules = if worst.cause == Cause::Rules { "rules changed: " } else { "" };
    let text = said(&worst.resource.path(), &worst.message, worst.owner.as_deref());
    Some(entry("WORSE", tone, count).at(DETAIL).with(Tone::Plain, format!("{rules}{text}")))
}

fn access(facts: &Facts<'_>) -> Option<Line> {
    let gained: Vec<_> = facts.input.drift.permissions.iter().filter(|p| !p.gained.is_empty()).collect();
    let first = gained.iter().find(|p| p.sensitive).or(gained.first())?;
    let count = format!("{} gained", words::count(gained.len() as u64, "subject", "subjects"));
    let tone = if first.sensitive { Tone::Bad } else { Tone::Warn };
    Some(entry("ACCESS", tone, count).at(DETAIL).with(Tone::Plain, &first.summary))
}

fn better(facts: &Facts<'_>) -> Option<Line> {
    let resolved = facts.input.drift.findings.iter().filter(|c| is_resolved(c)).count() as u64;
    (resolved > 0).then(|| entry("BETTER", Tone::Good, format!("{} resolved", words::number(resolved))))
}

fn unseen(facts: &Facts<'_>) -> Option<Line> {
    if facts.input.coverage.failure().is_some() {
        return Some(entry(
            "UNSEEN",
            Tone::Unseen,
            "everything: no list was answered, and the run is signed as failed",
        ));
    }
    let gaps = &facts.input.meta.gaps;
    if from_manifests(facts) {
        return only_a_cluster_shows(facts);
    }
    let gap = gaps.iter().find(|g| g.declared.is_none()).or(gaps.first())?;
    let checks = facts.checks_without(&gap.resource).len() as u64;
    let declared = if gap.declared.is_some() { " (expected)" } else { " (not declared)" };
    let more = match gaps.len() - 1 {
        0 => String::new(),
        n => format!("; {n} more"),
    };
    let reason = gap.reason.split(':').next().unwrap_or_default();
    let checks = words::count(checks, "check", "checks");
    let resource = gap.resource.split('.').next().unwrap_or_default();
    let text = format!("{resource} {reason}: {checks} not evaluated{declared}{more}");
    Some(entry("UNSEEN", Tone::Unseen, text))
}

fn from_manifests(facts: &Facts<'_>) -> bool {
    facts.input.coverage.source.kind == SourceKind::Manifests
}

/// What manifests cannot show is no gap: nobody withheld it, and declaring it would change nothing.
fn only_a_cluster_shows(facts: &Facts<'_>) -> Option<Line> {
    let checks = facts.input.evaluation.checks.iter().filter(|check| check.not_evaluated > 0).count() as u64;
    let text =
        format!("{} not evaluated: manifests do not show a whole cluster", words::count(checks, "check", "checks"));
    (checks > 0).then(|| entry("UNSEEN", Tone::Unseen, text))
}

fn due(facts: &Facts<'_>) -> Option<Line> {
    let today = facts.input.meta.finished.date_naive();
    let mut due: Vec<(i64, &Declaration)> = facts
        .input
        .evaluation
        .declarations
        .iter()
        .filter_map(|d| Some(((d.until.as_ref()?.parse::<NaiveDate>().ok()? - today).num_days(), d)))
        .filter(|(days, _)| *days <= DUE_DAYS)
        .collect();
    due.sort_by_key(|(days, d)| (*days, &d.id));
    let said: Vec<String> = due
        .iter()
        .map(|(days, d)| match days {
            ..0 => format!("{} {} ended", words::declaration(&d.kind), d.id),
            0 => format!("{} {} ends today", words::declaration(&d.kind), d.id),
            1 => format!("{} {} ends tomorrow", words::declaration(&d.kind), d.id),
            n => format!("{} {} ends in {n} days", words::declaration(&d.kind), d.id),
        })
        .collect();
    (!said.is_empty()).then(|| entry("DUE", Tone::Warn, said.join("; ")))
}

fn next(facts: &Facts<'_>) -> Option<Line> {
    let first = facts.groups.iter().find(|g| g.new > 0).or(facts.groups.first())?.first(facts);
    let id: String = first.id.to_string().chars().take(ID).collect();
    Some(Line::default().with(Tone::Next, "NEXT").at(LABEL).with(Tone::Strong, format!("kubeproof explain {id}")))
}
