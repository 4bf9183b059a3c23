//! What a reader should know before the numbers.

use crate::{
    bundle::statement::RunResult,
    clock::rfc3339,
    period::{
        model::{Excluded, Remark, RemarkKind, Run, RunNumber},
        words,
    },
};

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
    remarks.sort();
    remarks
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
    } else if after.started < before.finished || (before.scheduled.is_some() && before.scheduled == after.scheduled) {
        let text = format!(
            "entries {} and {} are of the same time ({}): each is shown, and the schedule counts one of them",
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
