//! Cadence: runs that were due against runs that were, gaps that a framework does not allow, partial runs.

use super::{
    facts::{Cluster, Facts, run_id},
    scope::exclusion,
};
use crate::{
    period::{
        asked_since,
        model::{Bounds, Gap, Interval, MissedRun, PartialRun, PeriodicityRow, Run, Schedule, ScopeSubject},
        words::duration,
    },
    report::view::{AnswerGroup, Answers, Block, Look, Section, Shape, Table, Text, words},
};

/// Rows of each table.
const ROWS: usize = 40;
/// Gaps named in a row.
const GAPS: usize = 4;
/// Rows of the framework, and lists not answered, named in a cell.
const NAMES: usize = 8;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    for cluster in &facts.clusters {
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        let linked = |(name, text): (String, Text)| (name, text.linked(|word| cluster.place(word)));
        blocks.push(Block::Pairs { pairs: summary(cluster).into_iter().map(linked).collect() });
        blocks.push(facts.heading(cluster, "How often the framework asks, and gaps that were longer"));
        blocks.push(Block::Table(periodicities(facts, cluster)));
        blocks.push(facts.heading(cluster, "Due, and not here"));
        blocks.push(Block::Answers(missed(cluster)));
        blocks.push(facts.heading(cluster, "Runs that did not see everything"));
        blocks.push(Block::Table(partial(cluster)));
    }
    Section { title: "Cadence".into(), new_page: false, blocks }
}

fn summary(cluster: &Cluster<'_>) -> Vec<(String, Text)> {
    let cadence = &cluster.all.cadence;
    let schedule: Text = match &cadence.schedule {
        Some(Schedule::Given { cron, time_zone, tolerance_seconds }) => Text::new()
            .code(cron)
            .plain(format!(" ({time_zone}); a run counts within {} of its time", duration(*tolerance_seconds)))
            .note("named when the package was made"),
        Some(Schedule::Statements) => {
            Text::from("as the runs themselves say").note("a run that never began is not known to have been due")
        }
        None => "nobody named one, and no run says when it was due".into(),
    };
    let against = match cadence.expected {
        Some(expected) => format!(
            "{} due, {} of them here and verified, {} missed",
            words::count(u64::from(expected), "run", "runs"),
            words::number(u64::from(cadence.met)),
            words::number(cadence.missed.len() as u64)
        ),
        None => format!(
            "{} verified; how many were due is not known",
            words::count(cluster.all.runs.len() as u64, "run", "runs")
        ),
    };
    let mut pairs = vec![("Schedule".to_owned(), schedule), ("Runs".to_owned(), Text::from(against))];
    if !cadence.unscheduled.is_empty() && cadence.schedule.is_some() {
        let names: Vec<String> = cadence.unscheduled.iter().map(|run| run_id(*run)).collect();
        pairs.push(("Not asked for".to_owned(), format!("runs {}", words::some_of(&names, NAMES)).into()));
    }
    pairs.push((
        "Longest gap".to_owned(),
        match &cadence.longest_gap {
            Some(gap) => Text::from(gap_words(cluster, gap)),
            None => Text::new().run(Look::Unseen, "no run of the period saw the cluster"),
        },
    ));
    pairs
}

/// `3 days: from 2 Oct 2026 06:00 (run 0001) to 5 Oct 2026 06:00 (run 0002)`.
fn gap_words(cluster: &Cluster<'_>, gap: &Gap) -> String {
    let end = |run: Option<u32>, at, edge: &str| match run {
        Some(run) => cluster.at(run),
        None => format!("{} ({edge} of the period)", words::full_time(at)),
    };
    let (from, to) = (end(gap.after, gap.from, "start"), end(gap.before, gap.to, "end"));
    format!("{}: from {from} to {to}", duration(gap.seconds))
}

fn periodicities(facts: &Facts<'_>, cluster: &Cluster<'_>) -> Table {
    let prefix = format!("{}/", facts.framework.id);
    let own = |row: &PeriodicityRow| -> Vec<(String, Option<String>)> {
        let since = |id: &str| {
            let row = cluster.rows.iter().find(|known| known.id == id)?;
            let first = asked_since(&row.statuses, &cluster.all.runs)?;
            Some(format!(" (asked for since {})", words::short_date(cluster.all.run(first)?.finished.date_naive())))
        };
        let own = row.requirements.iter().filter_map(|id| id.strip_prefix(&prefix));
        own.map(|id| (id.to_owned(), since(id))).collect()
    };
    let rows = cluster.all.cadence.periodicities.iter().filter_map(|row| {
        let ids = own(row);
        (!ids.is_empty()).then(|| periodicity(facts, cluster, row, &ids))
    });
    Table {
        shape: Shape::Gaps,
        about: "Periodicities of the framework's rows and gaps that were longer".into(),
        columns: vec!["Asked for", "Without a run, or undecided, for longer", "Rows"],
        rows: rows.collect(),
        empty: "No row of this framework says how often it is to be shown.".into(),
        more: None,
    }
}

fn periodicity(
    facts: &Facts<'_>,
    cluster: &Cluster<'_>,
    row: &PeriodicityRow,
    ids: &[(String, Option<String>)],
) -> Vec<Text> {
    let asked = Text::new().strong(interval(row.interval)).note(format!("at most {}", duration(row.allowed_seconds)));
    let mut gaps = match row.exceeded.len() as u64 {
        0 => Text::from("none between runs"),
        n => Text::new().run(Look::Critical, words::count(n, "gap", "gaps")),
    };
    for gap in row.exceeded.iter().take(GAPS) {
        gaps = gaps.note(gap_words(cluster, gap));
    }
    let left = row.exceeded.len().saturating_sub(GAPS) as u64;
    if left > 0 {
        gaps = gaps.note(format!("and {} more in workbook.xlsx, sheet Cadence", words::number(left)));
    }
    for (gap, undecided) in cluster.all.undecided(row) {
        let prefix = format!("{}/", facts.framework.id);
        let own: Vec<&str> = undecided.iter().filter_map(|id| id.strip_prefix(&prefix)).collect();
        if !own.is_empty() {
            gaps = gaps.line().run(Look::Critical, "undecided for longer");
            gaps = gaps.note(format!("{}: {}", words::some_of(&own, NAMES), gap_words(cluster, gap)));
        }
    }
    let never: Vec<&str> = cluster
        .rows
        .iter()
        .filter(|known| ids.iter().any(|(id, _)| *id == known.id) && known.overdue.is_empty())
        .filter(|known| known.effectiveness.as_ref().is_some_and(|effect| effect.longest_unobserved_seconds.is_none()))
        .map(|known| known.id.as_str())
        .collect();
    if !never.is_empty() {
        gaps = gaps.line().run(Look::Unseen, "decided by no run").note(words::some_of(&never, NAMES));
    }
    let mut rows = Text::new();
    for (nth, (id, since)) in ids.iter().take(NAMES).enumerate() {
        rows = rows.plain(if nth > 0 { ", " } else { "" }).plain(id).to(facts.row_place(id));
        rows = rows.plain(since.as_deref().unwrap_or_default());
    }
    let left = ids.len().saturating_sub(NAMES) as u64;
    if left > 0 {
        rows = rows.plain(format!(" and {} more", words::number(left)));
    }
    vec![asked, gaps.linked(|word| cluster.place(word)), rows]
}

fn interval(interval: Interval) -> &'static str {
    match interval {
        Interval::Daily => "daily or continuous",
        Interval::Weekly => "weekly",
        Interval::Monthly => "monthly",
        Interval::Quarterly => "quarterly",
        Interval::HalfYearly => "half-yearly",
        Interval::Yearly => "yearly",
    }
}

fn missed(cluster: &Cluster<'_>) -> Answers {
    let all = &cluster.all.cadence.missed;
    let left = all.len().saturating_sub(ROWS) as u64;
    let more = || {
        let rows = words::count(left, "more run is", "more runs are");
        format!("{rows} not printed here: all of them are in workbook.xlsx, sheet Cadence.")
    };
    let group = AnswerGroup {
        head: None,
        about: None,
        rows: all.iter().take(ROWS).map(|missed| missed_row(cluster, missed)).collect(),
        more: None,
    };
    Answers {
        shape: Shape::Missed,
        about: "Runs that were due and are not here, with room for the cause".into(),
        columns: vec!["Due", "What is known"],
        prompt: "Cause, and who states it",
        groups: if all.is_empty() { Vec::new() } else { vec![group] },
        empty: match cluster.all.cadence.expected {
            Some(_) => "Every run that was due is here, verified.".into(),
            None => "Without a schedule no run is known to be missing.".into(),
        },
        more: (left > 0).then(more),
    }
}

/// The cause where the evidence has one: a bundle that claims to be the run and was left out. Else what stands around it.
fn missed_row(cluster: &Cluster<'_>, missed: &MissedRun) -> Vec<Text> {
    let text = match cluster.all.cause_of(missed) {
        Some(excluded) => Text::from("A bundle claims to be it and was left out: ")
            .run(Look::Critical, exclusion(excluded.kind))
            .note(words::sentence_case(&excluded.reason))
            .line()
            .code(&excluded.bundle),
        None => Text::new().run(Look::Unseen, "No cause is recorded").plain(", and no bundle claims to be it"),
    };
    let text = text.note(around(cluster, missed)).linked(|word| cluster.place(word));
    vec![Text::new().strong(words::full_time(missed.due)), text]
}

/// The runs before and after, and which versions of the cluster changed between them.
fn around(cluster: &Cluster<'_>, missed: &MissedRun) -> String {
    let runs = &cluster.all.runs;
    let before = runs.iter().rev().find(|run| run.finished < missed.due);
    let after = runs.iter().find(|run| run.started > missed.due);
    let at = |run: Option<&Run>, none: &str| run.map_or_else(|| none.to_owned(), |run| cluster.at(run.number));
    let said =
        format!("run before: {}; run after: {}", at(before, "none in the period"), at(after, "none in the period"));
    let versions = cluster.all.scope_changes.iter().filter(|change| {
        let (Some(before), Some(after)) = (before, after) else { return false };
        change.what == ScopeSubject::Kubernetes
            && change.between == Bounds { after: Some(before.number), by: after.number }
    });
    let versions = versions.filter_map(|change| Some((change.before.as_ref()?, change.after.as_ref()?)));
    versions.fold(said, |said, (old, new)| format!("{said}; between them Kubernetes went from {old} to {new}"))
}

fn partial(cluster: &Cluster<'_>) -> Table {
    let row = |partial: &PartialRun| {
        let unseen: Vec<String> =
            partial.unseen.iter().map(|list| format!("{} ({})", list.resource, list.reason)).collect();
        let reason = cluster.all.run(partial.run).and_then(|run| run.reason.clone()).unwrap_or_default();
        vec![
            Text::new().code(run_id(partial.run)).to(cluster.run_place(partial.run)).note(cluster.when(partial.run)),
            Text::from(words::some_of(&unseen, NAMES)).note(words::sentence_case(&reason)),
        ]
    };
    let table = Table {
        shape: Shape::Notes,
        about: "Runs that did not see everything".into(),
        columns: vec!["Run", "Not seen, and why"],
        rows: cluster.all.cadence.partial.iter().map(row).collect(),
        empty: match cluster.all.runs.len() {
            0 => "There is no run in this period.".into(),
            _ => "Every run saw all that it asked for.".into(),
        },
        more: None,
    };
    table.capped(ROWS, "all of them are in workbook.xlsx, sheet Cadence.")
}
