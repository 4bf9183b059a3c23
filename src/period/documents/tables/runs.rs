//! Runs, what was left out, when runs were due, and the same counts side by side.

use chrono::{DateTime, Utc};

use super::{
    Table,
    cells::{count, days, finished, joined, named, number, switch, table, text, time},
};
use crate::period::model::{
    Cadence, ClusterPeriod, ControlTotal, Excluded, Gap, Period, Remark, ResourceTotal, Run, RunNumber, Schedule,
    Unseen,
};

type Row<'a, T> = (&'a ClusterPeriod, &'a T);

/// One row a remark.
pub(super) fn remarks(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, Remark>;
    let rows = period.clusters.iter().flat_map(|c| c.remarks.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        ("remarks", "Remarks", "What a reader should know before the numbers."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("kind", "Kind", 22, |(_, r)| named(&r.kind)),
            text("text", "Remark", 100, |(_, r)| Some(r.text.clone())),
            text("runs", "Runs", 30, |(_, r)| joined(&r.runs, RunNumber::to_string)),
        ],
    )
}

/// One row a verified bundle.
pub(super) fn runs(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, Run>;
    let rows = period.clusters.iter().flat_map(|c| c.runs.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        ("runs", "Runs", "One row a verified bundle that the package rests on."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            number("run", "Run", |(_, r)| count(r.number)),
            time("scheduled", "Scheduled (UTC)", |(_, r)| r.scheduled),
            time("started", "Started (UTC)", |(_, r)| Some(r.started)),
            time("finished", "Finished (UTC)", |(_, r)| Some(r.finished)),
            text("result", "Result", 10, |(_, r)| named(&r.result)),
            text("reason", "Reason", 40, |(_, r)| r.reason.clone()),
            switch("complete", "Saw everything", |(_, r)| Some(r.unseen.is_empty())),
            text("not_seen", "Lists not answered", 40, |(_, r)| unseen(&r.unseen)),
            number("not_asked", "Lists not asked for", |(_, r)| count(r.not_asked.len())),
            number("pass", "Pass", |(_, r)| count(r.counts.pass)),
            number("fail", "Fail", |(_, r)| count(r.counts.fail)),
            number("not_evaluated", "Not evaluated", |(_, r)| count(r.counts.not_evaluated)),
            number("manual", "For a person", |(_, r)| count(r.counts.manual)),
            number("not_applicable", "Not applicable", |(_, r)| count(r.counts.not_applicable)),
            text("source_kind", "Source", 12, |(_, r)| named(&r.source.kind)),
            text("source", "Source's name", 24, |(_, r)| Some(r.source.name.clone())),
            text("caller", "Asked as", 30, |(_, r)| r.caller.as_ref().map(|caller| caller.username.clone())),
            text("kubernetes", "Kubernetes", 12, |(_, r)| r.kubernetes.clone()),
            text("tool_version", "kubeproof", 12, |(_, r)| Some(r.tool_version.clone())),
            text("frameworks", "Frameworks", 40, |(_, r)| joined(&r.frameworks, |f| format!("{} {}", f.id, f.version))),
            number("log_index", "Log entry", |(_, r)| count(r.index)),
            text("bundle", "Bundle", 68, |(_, r)| Some(r.bundle.hex())),
            text("manifest", "SHA-256 of the manifest", 68, |(_, r)| Some(r.manifest.hex())),
            text("evidence_root", "Evidence root", 68, |(_, r)| Some(r.evidence_root.hex())),
            text("rules", "Digest of the rules", 68, |(_, r)| Some(r.rules.hex())),
            text("redaction_key", "Redaction key", 20, |(_, r)| r.redaction_key.clone()),
        ],
    )
}

fn unseen(unseen: &[Unseen]) -> Option<String> {
    joined(unseen, |list| format!("{} ({})", list.resource, list.reason))
}

/// One row a bundle that was left out.
pub(super) fn excluded(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, Excluded>;
    let rows = period.clusters.iter().flat_map(|c| c.excluded.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        ("excluded", "Excluded bundles", "One row a bundle of the period that the package does not rest on, and why."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("bundle", "Bundle", 68, |(_, x)| Some(x.bundle.clone())),
            number("log_index", "Log entry", |(_, x)| count(x.index?)),
            time("claimed_finished", "Claims to have ended (UTC)", |(_, x)| x.claimed_finished),
            text("kind", "Defect", 18, |(_, x)| named(&x.kind)),
            text("reason", "Reason", 100, |(_, x)| Some(x.reason.clone())),
        ],
    )
}

/// One event of the cadence.
#[derive(Default)]
struct Event<'a> {
    cluster: &'a str,
    what: &'static str,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    seconds: Option<i64>,
    allowed: Option<i64>,
    run: Option<RunNumber>,
    detail: String,
    requirements: Vec<String>,
}

/// One row a run that was missed, came unasked or saw less than everything, and one a gap.
pub(super) fn cadence(period: &Period) -> Table<'_> {
    table::<Event<'_>>(
        (
            "cadence",
            "Cadence",
            "The schedule, one row a missed, unscheduled or partial run, and one a time without a run that a framework does not allow.",
        ),
        period.clusters.iter().flat_map(events),
        vec![
            text("cluster", "Cluster", 20, |e| Some(e.cluster.to_owned())),
            text("what", "What", 24, |e| Some(e.what.to_owned())),
            time("from", "From (UTC)", |e| e.from),
            time("to", "To (UTC)", |e| e.to),
            number("seconds", "Seconds", |e| e.seconds),
            number("days", "Days, rounded", |e| days(e.seconds?)),
            number("allowed_seconds", "Allowed (seconds)", |e| e.allowed),
            number("allowed_days", "Allowed (days, rounded)", |e| days(e.allowed?)),
            number("run", "Run", |e| count(e.run?)),
            text("detail", "Detail", 60, |e| Some(e.detail.clone())),
            text("managements_response", "Management's response", 50, |_| None),
            text("requirements", "Requirements", 60, |e| Some(e.requirements.join(" "))),
        ],
    )
}

fn events(cluster: &ClusterPeriod) -> Vec<Event<'_>> {
    let cadence = &cluster.cadence;
    let event = |what| Event { cluster: &cluster.folder, what, ..Event::default() };
    let gap =
        |what, gap: &Gap| Event { from: Some(gap.from), to: Some(gap.to), seconds: Some(gap.seconds), ..event(what) };
    let due = Event { detail: due(cadence), ..event("schedule") };
    let missed = cadence.missed.iter().map(|missed| Event {
        from: Some(missed.due),
        detail: match cluster.cause_of(missed) {
            Some(excluded) => format!("bundle {} claims to be it: {}", excluded.bundle, excluded.reason),
            None => "no cause is recorded".to_owned(),
        },
        ..event("missed run")
    });
    let unscheduled = cadence.unscheduled.iter().map(|run| Event {
        from: finished(cluster, *run),
        run: Some(*run),
        ..event("unscheduled run")
    });
    let partial = cadence.partial.iter().map(|partial| Event {
        from: finished(cluster, partial.run),
        run: Some(partial.run),
        detail: unseen(&partial.unseen).unwrap_or_default(),
        ..event("partial run")
    });
    let exceeded = cadence.periodicities.iter().flat_map(|row| {
        row.exceeded.iter().map(|found| Event {
            allowed: Some(row.allowed_seconds),
            detail: named(&row.interval).unwrap_or_default(),
            requirements: row.requirements.iter().filter(|id| cluster.was_asked(id, found)).cloned().collect(),
            ..gap("longer than allowed", found)
        })
    });
    let undecided = cadence.periodicities.iter().flat_map(|row| {
        cluster.undecided(row).into_iter().map(|(found, ids)| Event {
            allowed: Some(row.allowed_seconds),
            detail: named(&row.interval).unwrap_or_default(),
            requirements: ids.into_iter().map(str::to_owned).collect(),
            ..gap("undecided for longer", found)
        })
    });
    let longest = cadence.longest_gap.iter().map(|found| gap("longest gap", found));
    std::iter::once(due)
        .chain(missed)
        .chain(unscheduled)
        .chain(partial)
        .chain(exceeded)
        .chain(undecided)
        .chain(longest)
        .collect()
}

fn due(cadence: &Cadence) -> String {
    let met = match cadence.expected {
        Some(expected) => format!("{} of {expected} runs that were due", cadence.met),
        None => "how many runs were due is not known".to_owned(),
    };
    match &cadence.schedule {
        Some(Schedule::Given { cron, time_zone, .. }) => format!("{met}, by the schedule {cron} {time_zone}"),
        Some(Schedule::Statements) => format!("{met}: only what the runs say of themselves"),
        None => format!("{met}: nobody named a schedule"),
    }
}

/// One row a run.
pub(super) fn control_totals(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, ControlTotal>;
    let rows = period.clusters.iter().flat_map(|c| c.control_totals.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        ("control-totals", "Control totals", "One row a run: the same counts in source, snapshot and findings."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            number("run", "Run", |(_, t)| count(t.run)),
            time("finished", "Finished (UTC)", |(c, t)| finished(c, t.run)),
            number("source", "Objects that lists returned", |(_, t)| count(t.source)),
            number("own", "Objects that no list returned", |(_, t)| count(t.own)),
            number("snapshot", "Objects in the snapshot", |(_, t)| count(t.snapshot)),
            number("fail", "Failures, by the evaluation", |(_, t)| count(t.counts.fail)),
            number("failures", "Failures, by the table", |(_, t)| count(t.failures)),
            number("exceptions", "Of those, exceptions", |(_, t)| count(t.bridge?.exceptions)),
            number("expected", "Of those, expected of the system", |(_, t)| count(t.bridge?.expected)),
            number("left_out", "Of those, not in this package", |(_, t)| count(t.bridge?.left_out)),
            number("findings", "Rows of the table", |(_, t)| count(t.findings)),
            number("pass", "Pass", |(_, t)| count(t.counts.pass)),
            number("not_evaluated", "Not evaluated", |(_, t)| count(t.counts.not_evaluated)),
            number("manual", "For a person", |(_, t)| count(t.counts.manual)),
            number("not_applicable", "Not applicable", |(_, t)| count(t.counts.not_applicable)),
            switch("agree", "They agree", |(_, t)| Some(t.differences.is_empty())),
            text("differences", "Why not", 60, |(_, t)| Some(t.differences.join("; "))),
        ],
    )
}

/// One row a resource of the newest run.
pub(super) fn resource_totals(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, ResourceTotal>;
    let rows = period.clusters.iter().flat_map(|c| c.resource_totals.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        (
            "resource-totals",
            "Totals by resource",
            "One row a resource in the newest run: objects listed and objects kept.",
        ),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("resource", "Resource", 50, |(_, t)| Some(t.resource.clone())),
            number("source", "Listed", |(_, t)| count(t.source)),
            number("snapshot", "In the snapshot", |(_, t)| count(t.snapshot)),
            switch("answered", "Answered", |(_, t)| Some(t.not_seen.is_none())),
            text("not_seen", "Why not", 60, |(_, t)| t.not_seen.clone()),
        ],
    )
}
