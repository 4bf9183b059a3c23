//! The population that samples are drawn from, and what came and went in the scope.

use super::facts::{Cluster, Facts, run_id};
use crate::{
    bundle::statement::RunResult,
    period::model::{ItemClass, RunNumber, ScopeChange, ScopeSubject},
    report::view::{Block, Section, Shape, Table, Text, words},
};

/// Changes printed.
const CHANGES: usize = 80;

const CLASSES: [(ItemClass, &str); 5] = [
    (ItemClass::Namespace, "Namespaces"),
    (ItemClass::Node, "Nodes"),
    (ItemClass::Workload, "Workloads"),
    (ItemClass::Image, "Images"),
    (ItemClass::Subject, "Subjects that hold rights"),
];

pub(super) fn population(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "What a sample can be drawn from: everything that any run of the period saw. The full list, with the first and the \
         last run of each member and the objects that show it, is in workbook.xlsx and in data/period.json. The auditor \
         draws; the same seed gives the same members to anybody.",
    )];
    for cluster in &facts.clusters {
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        blocks.push(Block::Table(classes(cluster)));
    }
    blocks.push(Block::Commands {
        lines: vec!["kubeproof sample PACKAGE --seed N --size 25 --stratify namespace --key signing.pub".into()],
    });
    Section { title: "Population".into(), new_page: false, blocks }
}

fn classes(cluster: &Cluster<'_>) -> Table {
    let seeing = |run: &&crate::period::model::Run| run.result != RunResult::Failed;
    let newest = cluster.all.runs.iter().rfind(seeing).map(|run| run.number);
    let rows = CLASSES.iter().map(|(class, name)| {
        let count = |wanted: &dyn Fn(RunNumber, RunNumber) -> bool| {
            let items = cluster.all.population.iter().filter(|item| item.class == *class);
            Text::from(words::number(items.filter(|item| wanted(item.first, item.last)).count() as u64))
        };
        vec![
            Text::from(*name),
            count(&|_, _| true),
            count(&|first, _| first > 0),
            count(&|_, last| Some(last) != newest),
            count(&|_, last| Some(last) == newest),
        ]
    });
    Table {
        shape: Shape::Population,
        about: "Members of the population by class".into(),
        columns: vec!["Class", "In the period", "Came in it", "Gone by its end", "On the last run"],
        rows: if cluster.all.population.is_empty() { Vec::new() } else { rows.collect() },
        empty: "No run of the period saw anything: there is no population.".into(),
        more: None,
    }
}

pub(super) fn changes(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    for cluster in &facts.clusters {
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        let table = Table {
            shape: Shape::ScopeChanges,
            about: "Namespaces, nodes, versions and declarations that came, went or changed".into(),
            columns: vec!["What", "Before and after", "Between which runs"],
            rows: cluster.all.scope_changes.iter().map(|change| row(cluster, change)).collect(),
            empty: match cluster.all.runs.len() {
                0 | 1 => "It takes two runs to see a change of scope.".into(),
                _ => "Nothing of the scope came, went or changed in this period.".into(),
            },
            more: None,
        };
        blocks.push(Block::Table(table.capped(CHANGES, "all of them are in workbook.xlsx, sheet Scope changes.")));
    }
    Section { title: "Changes in scope".into(), new_page: false, blocks }
}

fn row(cluster: &Cluster<'_>, change: &ScopeChange) -> Vec<Text> {
    let (what, named) = match change.what {
        ScopeSubject::Cluster => ("cluster", true),
        ScopeSubject::Kubernetes => ("Kubernetes", false),
        ScopeSubject::Tool => ("kubeproof", false),
        ScopeSubject::Framework => ("framework", true),
        ScopeSubject::Checks => ("checks", false),
        ScopeSubject::Declared => ("declared file", true),
        ScopeSubject::Caller => ("collected by", false),
        ScopeSubject::Namespace => ("namespace", true),
        ScopeSubject::Node => ("node", true),
    };
    let value = |value: &Option<String>| value.as_deref().map(shortened);
    let text = if named { Text::new().strong(&change.name).plain(" ") } else { Text::new() };
    let text = match (value(&change.before), value(&change.after)) {
        (Some(before), Some(after)) => text.plain(format!("{before} → {after}")),
        (None, Some(after)) => text.plain("came").note(after),
        (Some(before), None) => text.plain("went").note(before),
        (None, None) => text.plain("changed"),
    };
    let between = match change.between.after {
        Some(after) => Text::from(cluster.at(change.between.by)).note(format!("not yet in run {}", run_id(after))),
        None => cluster.at(change.between.by).into(),
    };
    vec![Text::new().soft(what), text, between.linked(|word| cluster.place(word))]
}

/// Digests by their first digits; `present` says nothing beside `came`.
fn shortened(value: &str) -> String {
    match value.strip_prefix("sha256:") {
        Some(hex) => format!("sha256:{}…", &hex[..hex.len().min(16)]),
        None if value == "present" => String::new(),
        None => value.to_owned(),
    }
}
