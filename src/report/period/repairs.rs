//! Time to repair, as bounds, by severity.

use super::facts::{Cluster, Facts};
use crate::{
    period::{model::RepairTimes, repair_times, words::duration},
    report::view::{Block, Section, Shape, Table, Text, words},
};

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "How long exceptions of this document stood, as far as runs can tell: at least from the first run that saw one to \
         the last, at most from the last run without it to the first without it again. Those that the first run of the \
         period saw already have no upper bound.",
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
        columns: vec!["Severity", "Repaired", "Longest, at least", "Longest, at most", "Still open", "Not a repair"],
        rows: repair_times(cluster.exceptions.iter().copied(), &cluster.all.runs).iter().map(row).collect(),
        empty: "No exception in this period: nothing was there to repair.".into(),
        more: None,
    }
}

fn row(times: &RepairTimes) -> Vec<Text> {
    let number = |n: u32| words::number(u64::from(n));
    let long = |seconds: Option<i64>| {
        Text::from(match seconds {
            None => "–".to_owned(),
            Some(0) => "seen once".to_owned(),
            Some(seconds) => duration(seconds),
        })
    };
    let unbounded = match times.unbounded {
        0 => String::new(),
        n => format!("{} without this bound", number(n)),
    };
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
        long(times.longest_at_least_seconds),
        long(times.longest_at_most_seconds).note(unbounded),
        Text::from(number(times.open)).note(waived).note(since),
        if other.is_empty() { "0".into() } else { other.join(", ").into() },
    ]
}
