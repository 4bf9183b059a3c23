//! Control totals: the same counts in source, snapshot, findings and this document, side by side.

use super::{
    exceptions,
    facts::{Cluster, Facts, run_id},
};
use crate::{
    period::{
        model::{ControlTotal, ResourceTotal},
        standing,
    },
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Runs printed; those that differ come first.
const RUNS: usize = 120;
/// Resources printed.
const RESOURCES: usize = 80;

const BRIDGE: &str = "Failures of a run = exceptions of the package that it saw + failures that are expected of the \
    system, which the bundle's rules name one by one (expected.yaml) and which are no exceptions + failures that this \
    package was asked to leave out. The last column counts the exceptions of this document alone.";

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "The same things counted where they come from, where they are stored, and where they are printed. Counts that do \
         not agree say why. kubeproof's own objects are what nodes, scanners and clouds reported; no list of the API returns \
         them.",
    )];
    for cluster in &facts.clusters {
        blocks.push(facts.heading(cluster, "Package and this document"));
        blocks.push(Block::Table(printed(facts, cluster)));
        blocks.push(facts.heading(cluster, "Source, snapshot and findings, run by run"));
        blocks.push(Block::Table(runs(cluster)));
        blocks.push(facts.heading(cluster, "From failures to exceptions, run by run"));
        blocks.push(Block::paragraph(BRIDGE));
        blocks.push(Block::Table(bridge(cluster)));
        blocks.push(facts.heading(cluster, "The newest run, resource by resource"));
        blocks.push(Block::Table(resources(cluster)));
    }
    Section { title: "Control totals".into(), new_page: false, blocks }
}

/// What `data/period.json` holds against what stands in this document.
fn printed(facts: &Facts<'_>, cluster: &Cluster<'_>) -> Table {
    let found = cluster.exceptions.len() as u64;
    let shown = found.min(exceptions::printed(facts.clusters.len(), cluster.deciding) as u64);
    let rest =
        if shown == found { String::new() } else { format!("and {} counted by check", words::number(found - shown)) };
    let row = |what: &str, all: u64, here: Text| vec![Text::from(what), words::number(all).into(), here];
    let used = cluster.all.runs.len() as u64;
    let left_out = cluster.all.excluded.len() as u64;
    let rows = cluster.rows.len() as u64;
    Table {
        shape: Shape::Gaps,
        about: "Counts of the package and of this document".into(),
        columns: vec!["Counted", "data/period.json, which the workbook holds too", "This document"],
        rows: vec![
            row("Runs used", used, words::number(used).into()),
            row("Bundles left out", left_out, words::number(left_out).into()),
            row("Requirements", rows, words::number(rows).into()),
            row("Exceptions of this framework", found, Text::from(words::number(shown)).note(rest)),
        ],
        empty: String::new(),
        more: None,
    }
}

fn runs(cluster: &Cluster<'_>) -> Table {
    let mut totals: Vec<&ControlTotal> = cluster.all.control_totals.iter().collect();
    if totals.len() > RUNS {
        totals.sort_by_key(|total| (total.differences.is_empty(), total.run));
    }
    let table = Table {
        shape: Shape::RunTotals,
        about: "Counts of each run in source, snapshot and findings".into(),
        columns: vec!["Run", "Source", "Own", "Snapshot", "Outcomes", "Rows", "Failures", ""],
        rows: totals.into_iter().map(|total| run(cluster, total)).collect(),
        empty: "There is no run in this period to count.".into(),
        more: None,
    };
    table.capped(
        RUNS,
        "all of them are in workbook.xlsx, sheet Control totals; every run that differs is printed first.",
    )
}

fn run(cluster: &Cluster<'_>, total: &ControlTotal) -> Vec<Text> {
    let number = |n: u64| Text::from(words::number(n));
    let counts = &total.counts;
    let outcomes = counts.pass + counts.fail + counts.not_applicable + counts.not_evaluated + counts.manual;
    let mut name = Text::new()
        .code(run_id(total.run))
        .to(cluster.run_place(total.run))
        .soft(format!("  {}", cluster.when(total.run)));
    for difference in &total.differences {
        name = name.note(difference);
    }
    let agree = if total.differences.is_empty() {
        Text::new().run(Look::Good, "agree")
    } else {
        Text::new().run(Look::Critical, "differ")
    };
    vec![
        name,
        number(total.source),
        number(total.own),
        number(total.snapshot),
        number(outcomes),
        number(total.findings),
        number(total.failures),
        agree,
    ]
}

/// Where the failures of each run are.
fn bridge(cluster: &Cluster<'_>) -> Table {
    let own = standing(cluster.all.runs.len(), cluster.exceptions.iter().copied());
    let rows = cluster.all.control_totals.iter().zip(own).map(|(total, own)| {
        let bridge = total.bridge.unwrap_or_default();
        let name = Text::new()
            .code(run_id(total.run))
            .to(cluster.run_place(total.run))
            .soft(format!("  {}", cluster.when(total.run)));
        let counts = [total.failures, bridge.exceptions, bridge.expected, bridge.left_out, own];
        std::iter::once(name).chain(counts.map(|count| words::number(count).into())).collect()
    });
    let known = cluster.all.control_totals.iter().all(|total| total.bridge.is_some());
    let table = Table {
        shape: Shape::Bridge,
        about: "Failures of each run, and where they are in the package".into(),
        columns: vec!["Run", "Failures", "= exceptions", "+ expected", "+ left out", "In this document"],
        rows: if known { rows.collect() } else { Vec::new() },
        empty: if known {
            "There is no run in this period to count.".into()
        } else {
            "The package does not tell where the failures of each run are.".into()
        },
        more: None,
    };
    table.capped(RUNS, "all of them are in workbook.xlsx, sheet Control totals.")
}

fn resources(cluster: &Cluster<'_>) -> Table {
    let row = |total: &ResourceTotal| {
        let what = match &total.not_seen {
            Some(reason) => Text::new().run(Look::Unseen, "not seen").note(reason),
            None if total.source == total.snapshot => Text::new().run(Look::Good, "agree"),
            None => Text::new().run(Look::Critical, "differ"),
        };
        vec![
            Text::new().code(&total.resource),
            words::number(total.source).into(),
            words::number(total.snapshot).into(),
            what,
        ]
    };
    let table = Table {
        shape: Shape::Resources,
        about: "Counts of the newest run by resource".into(),
        columns: vec!["Resource", "Source", "Snapshot", ""],
        rows: cluster.all.resource_totals.iter().map(row).collect(),
        empty: "The newest run returned no object, or there is none.".into(),
        more: None,
    };
    table.capped(RESOURCES, "all of them are in workbook.xlsx, sheet Totals by resource.")
}
