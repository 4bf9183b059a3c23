//! What a reader should know before the numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    bundle::statement::RunResult,
    clock::rfc3339,
    period::{
        model::{Cadence, DeclarationPeriod, Exception, Excluded, FrameworkPeriod, Remark, RemarkKind, Run, RunNumber},
        words,
    },
};

/// Names in one remark.
const NAMED: usize = 3;

/// Remarks about the runs themselves, in the order in which they are read.
pub(super) fn remarks(runs: &[Run], excluded: &[Excluded], log: &[String]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    match runs {
        [] => remarks.push(Remark {
            kind: RemarkKind::NoRuns,
            runs: Vec::new(),
            text: "no verified run: nothing in this package says anything about the cluster in this period".into(),
        }),
        [only] => remarks.push(Remark {
            kind: RemarkKind::OneRun,
            runs: vec![only.number],
            text: format!("one run, of {}: it shows a moment, not a period", rfc3339(only.finished)),
        }),
        _ => {}
    }
    if !excluded.is_empty() {
        let count = words::count(excluded.len() as u64, "bundle is", "bundles are");
        let text = format!("{count} not used; each is named with the reason");
        remarks.push(Remark { kind: RemarkKind::BundlesExcluded, runs: Vec::new(), text });
    }
    let incomplete = |text: &String| Remark { kind: RemarkKind::LogIncomplete, runs: Vec::new(), text: text.clone() };
    remarks.extend(log.iter().map(incomplete));
    for pair in runs.windows(2) {
        let [before, after] = pair else { continue };
        remarks.extend(of_pair(before, after));
    }
    for (result, kind, what) in [
        (RunResult::Failed, RemarkKind::FailedRuns, "could not read the cluster"),
        (RunResult::Partial, RemarkKind::PartialRuns, "did not see everything that was asked for"),
    ] {
        let concerned: Vec<RunNumber> = runs.iter().filter(|run| run.result == result).map(|run| run.number).collect();
        if !concerned.is_empty() {
            let text = format!("{} {what}", words::count(concerned.len() as u64, "run", "runs"));
            remarks.push(Remark { kind, runs: concerned, text });
        }
    }
    remarks.extend(due_twice(runs));
    remarks
}

/// Frameworks that were evaluated over more than the scope that is shown.
pub(super) fn wider_than(scope: &str, frameworks: &[FrameworkPeriod]) -> Option<Remark> {
    let wider = frameworks.iter().filter(|framework| framework.scope.as_deref() != Some(scope));
    let names: Vec<&str> = wider.map(|framework| framework.id.as_str()).collect();
    (!names.is_empty()).then(|| Remark {
        kind: RemarkKind::EvaluatedWider,
        runs: Vec::new(),
        text: format!(
            "{} evaluated over more than the scope '{scope}': statuses count failures outside of it, which are not shown",
            match names.as_slice() {
                [one] => format!("{one} was"),
                several => format!("{} were", several.join(", ")),
            }
        ),
    })
}

/// Runs that were due and are not here.
pub(super) fn missed(cadence: &Cadence) -> Option<Remark> {
    let (expected, missed) = (cadence.expected?, cadence.missed.len() as u64);
    let due = words::count(expected, "run that was due", "runs that were due");
    let first: Vec<String> =
        cadence.missed.iter().take(NAMED).map(|missed| missed.due.format("%-d %b %Y %H:%M").to_string()).collect();
    let more = if cadence.missed.len() > NAMED { ", and more" } else { "" };
    let is = if missed == 1 { "is" } else { "are" };
    (missed > 0).then(|| Remark {
        kind: RemarkKind::RunsMissed,
        runs: Vec::new(),
        text: format!("{missed} of {due} {is} not here: {} UTC{more}; {}", first.join(", "), causes(cadence)),
    })
}

/// Of how many missed runs the evidence says why they are not here.
fn causes(cadence: &Cadence) -> String {
    let known = cadence.missed.iter().filter(|missed| missed.excluded.is_some()).count() as u64;
    match (known, cadence.missed.len() as u64 - known) {
        (0, _) => "no cause is recorded".into(),
        (1, 0) => "a bundle that claims to be it was left out".into(),
        (_, 0) => "bundles that claim to be them were left out".into(),
        (_, rest) => format!("no cause is recorded of {rest}, of the rest a bundle was left out"),
    }
}

/// Waivers that ended while exceptions under them stood.
pub(super) fn waivers_ended(runs: &[Run], exceptions: &[Exception], declarations: &[DeclarationPeriod]) -> Vec<Remark> {
    let mut ended: BTreeMap<(&str, RunNumber), Vec<&str>> = BTreeMap::new();
    for x in exceptions {
        for span in &x.waivers {
            let next = x.runs().find(|run| *run > span.last);
            let other = |run: &RunNumber| x.waiver_on(*run).is_none();
            if let Some(run) = next.filter(other) {
                ended.entry((&span.id, run)).or_default().push(&x.id);
            }
        }
    }
    let remark = |((waiver, run), ids): ((&str, RunNumber), Vec<&str>)| {
        let at = runs.get(usize::try_from(run).ok()?)?;
        let known = declarations.iter().find(|known| known.kind == "waiver" && known.id == waiver);
        let how = match known.and_then(|known| known.until).filter(|until| *until < at.finished.date_naive()) {
            Some(until) => format!("expired after {}", until.format("%-d %b %Y")),
            None => "no longer applied".to_owned(),
        };
        let stands = if ids.len() == 1 { "stands" } else { "stand" };
        let left = ids.len().saturating_sub(NAMED);
        let more = if left > 0 { format!(" and {left} more") } else { String::new() };
        let ids = ids.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        let text = format!("waiver {waiver} {how}: {ids}{more} {stands} without a waiver from {} on", day(at));
        Some(Remark { kind: RemarkKind::WaiverEnded, runs: vec![run], text })
    };
    ended.into_iter().filter_map(remark).collect()
}

/// What changed or went wrong between two runs that follow each other in the log.
fn of_pair(before: &Run, after: &Run) -> Vec<Remark> {
    let numbers = vec![before.number, after.number];
    let mut remarks = Vec::new();
    let mut say = |kind, text: String| remarks.push(Remark { kind, runs: numbers.clone(), text });
    if after.finished < before.finished {
        let text = format!(
            "entry {} claims {}, earlier than entry {} ({}): a clock went back; the order is that of the log",
            after.index,
            rfc3339(after.finished),
            before.index,
            rfc3339(before.finished)
        );
        say(RemarkKind::ClockWentBack, text);
    } else if after.started < before.finished && (before.scheduled != after.scheduled || before.scheduled.is_none()) {
        let text = format!(
            "entries {} and {} are of the same time ({}): each is shown, and a schedule counts one of them",
            before.index,
            after.index,
            rfc3339(after.started)
        );
        say(RemarkKind::Simultaneous, text);
    }
    if before.tool_version != after.tool_version {
        let text =
            format!("kubeproof {} until {}, {} from then on", before.tool_version, day(after), after.tool_version);
        say(RemarkKind::ToolChanged, text);
    }
    if (before.checks, &before.frameworks) != (after.checks, &after.frameworks) {
        say(RemarkKind::RulesChanged, rules_changed(before, after));
    }
    if before.redaction_key != after.redaction_key {
        let id = |key: &Option<String>| key.clone().unwrap_or_else(|| "none".into());
        let text = format!(
            "the redaction key was {} and is {}: values redacted before and after cannot be compared",
            id(&before.redaction_key),
            id(&after.redaction_key)
        );
        say(RemarkKind::RedactionKeyChanged, text);
    }
    remarks
}

/// Runs of one moment of the schedule, wherever they stand in the log.
fn due_twice(runs: &[Run]) -> Vec<Remark> {
    let mut by_due: BTreeMap<DateTime<Utc>, Vec<&Run>> = BTreeMap::new();
    for (due, run) in runs.iter().filter_map(|run| Some((run.scheduled?, run))) {
        by_due.entry(due).or_default().push(run);
    }
    let several = by_due.into_iter().filter(|(_, runs)| runs.len() > 1);
    let remark = |(due, runs): (DateTime<Utc>, Vec<&Run>)| Remark {
        kind: RemarkKind::Simultaneous,
        runs: runs.iter().map(|run| run.number).collect(),
        text: format!(
            "entries {} were all due at {}: each is shown, and the schedule counts one of them",
            runs.iter().map(|run| run.index.to_string()).collect::<Vec<_>>().join(", "),
            rfc3339(due)
        ),
    };
    several.map(remark).collect()
}

fn rules_changed(before: &Run, after: &Run) -> String {
    let of = |run: &Run| run.frameworks.iter().map(|f| format!("{} {}", f.id, f.version)).collect::<Vec<_>>();
    let (old, new) = (of(before), of(after));
    let gone: Vec<&str> = old.iter().filter(|f| !new.contains(f)).map(String::as_str).collect();
    let come: Vec<&str> = new.iter().filter(|f| !old.contains(f)).map(String::as_str).collect();
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let what = if before.checks == after.checks { "frameworks" } else { "checks and frameworks" };
    if gone.is_empty() && come.is_empty() {
        return format!("checks changed on {}; frameworks did not", day(after));
    }
    format!("{what}: {} until {}, {} from then on", list(&gone), day(after), list(&come))
}

/// The day on which a run first saw something.
fn day(run: &Run) -> impl std::fmt::Display {
    run.finished.format("%-d %b %Y")
}
