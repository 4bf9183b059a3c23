//! Time to repair, as bounds, by severity.

use super::facts::{Cluster, Facts};
use crate::{
    period::{
        model::{Longest, RepairTimes},
        repair_times,
        words::duration,
    },
    report::view::{Block, Section, Shape, Table, Text, words},
};

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "How long exceptions of this document stood, as far as runs can tell: at least from the first run that saw one to \
         the last, at most from the last run without it to the first without it again. Those that began before the first \
         run of the period have no upper bound, and stand in a column of their own. Each is the longest of its column.",
    )];
    for cluster in &facts.clusters {
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        blocks.push(Block::Table(table(cluster)));
    }
    Section { title: "Time to repair".into(), new_page: false, blocks }
}

fn table(cluster: &Cluster<'_>) -> Table {
    Table {
        shape: Shape::Repairs,
        about: "Time to repair by severity".into(),
        columns: vec![
            "Severity",
            "Repaired",
            "Longest, begun in the period",
            "Longest, begun before it",
            "Still open",
            "Not a repair",
        ],
        rows: repair_times(cluster.exceptions.iter().copied(), &cluster.all.runs)
            .iter()
            .map(|times| row(times, Longest::of(times.severity, cluster.exceptions.iter().copied())))
            .collect(),
        empty: "No exception in this period: nothing was there to repair.".into(),
        more: None,
    }
}

fn row(times: &RepairTimes, longest: Longest) -> Vec<Text> {
    let number = |n: u32| words::number(u64::from(n));
    let within = match longest.begun_within {
        None => "–".into(),
        Some((0, most)) => format!("seen once, at most {}", duration(most)),
        Some((least, most)) => format!("{} at least, {} at most", duration(least), duration(most)),
    };
    let before = match longest.begun_before {
        None => "–".into(),
        Some(0) => "seen once".to_owned(),
        Some(least) => format!("{} at least", duration(least)),
    };
    let of = |n: u32| if n == 0 { String::new() } else { format!("of {}", number(n)) };
    let waived =
        if times.open_waived == 0 { String::new() } else { format!("{} under a waiver", number(times.open_waived)) };
    let since = times
        .oldest_open_since
        .map_or_else(String::new, |at| format!("oldest seen {}", words::short_date(at.date_naive())));
    let mut other = Vec::new();
    if times.not_seen_since > 0 {
        other.push(format!("{} not seen since", number(times.not_seen_since)));
    }
    if times.ended_by_rules > 0 {
        other.push(format!("{} by rules", number(times.ended_by_rules)));
    }
    vec![
        Text::new().run(times.severity.into(), words::severity(times.severity)),
        number(times.repaired).into(),
        Text::from(within).note(of(times.repaired - times.unbounded)),
        Text::from(before).note(of(times.unbounded)),
        Text::from(number(times.open)).note(waived).note(since),
        if other.is_empty() { "0".into() } else { other.join(", ").into() },
    ]
}
