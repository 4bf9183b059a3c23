//! Evidence index: the bundle and the log entry of every run.

use super::{
    facts::{Cluster, Facts, run_id},
    scope::exclusion,
};
use crate::{
    bundle::statement::RunResult,
    period::model::{Excluded, Run},
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Runs printed of each cluster.
pub(super) const RUNS: usize = 400;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "A bundle's digest is its name in the store. The package holds each run's manifest, signed envelope and log entry \
         under data/evidence, in the folder of the cluster, runs, and the run's number; kubeproof get fetches the whole \
         bundle.",
    )];
    for cluster in &facts.clusters {
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        blocks.push(Block::Table(runs(cluster)));
    }
    Section { title: "Evidence index".into(), new_page: false, blocks }
}

fn runs(cluster: &Cluster<'_>) -> Table {
    let left_out = cluster.all.excluded.iter().map(excluded);
    let table = Table {
        shape: Shape::Runs,
        about: "Every run with its log entry and its bundle".into(),
        columns: vec!["Run", "Result", "Log", "Bundle"],
        rows: cluster.all.runs.iter().map(|run| row(cluster, run)).chain(left_out).collect(),
        empty: "There is no run in this period.".into(),
        more: None,
    };
    table.capped(RUNS, "all of them are in workbook.xlsx, sheet Runs.")
}

fn row(cluster: &Cluster<'_>, run: &Run) -> Vec<Text> {
    let result = match run.result {
        RunResult::Complete => Text::from("complete"),
        RunResult::Partial => Text::new().run(Look::Unseen, "partial"),
        RunResult::Failed => Text::new().run(Look::Critical, "failed"),
    };
    vec![
        Text::new()
            .code(run_id(run.number))
            .at(cluster.run_place(run.number))
            .soft(format!("  {}", words::full_time(run.finished))),
        result,
        words::number(run.index).into(),
        Text::new().code(run.bundle.hex()),
    ]
}

fn excluded(excluded: &Excluded) -> Vec<Text> {
    vec![
        Text::new().soft(excluded.claimed_finished.map_or_else(|| "left out".to_owned(), words::full_time)),
        Text::new().run(Look::Critical, exclusion(excluded.kind)),
        excluded.index.map_or_else(|| "–".to_owned(), words::number).into(),
        Text::new().code(&excluded.bundle),
    ]
}
