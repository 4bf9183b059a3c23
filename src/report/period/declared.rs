//! Attestations, waivers and provider documents, by their last day.

use super::facts::{Cluster, Facts};
use crate::{
    period::model::{DeclarationPeriod, DeclaredFile, StateSpan},
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Declarations printed.
const DECLARATIONS: usize = 150;
/// Findings or requirements named.
const NAMES: usize = 3;
/// States named.
const STATES: usize = 4;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "What people signed or declared, by its last day; what has none comes last. A waiver accepts an exception, it does \
         not end it. Files that they point at are in the package under data/attested.",
    )];
    for cluster in &facts.clusters {
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        blocks.push(Block::Table(table(cluster)));
    }
    Section { title: "Declarations".into(), new_page: false, blocks }
}

fn table(cluster: &Cluster<'_>) -> Table {
    let table = Table {
        shape: Shape::Declarations,
        about: "Attestations, waivers and provider documents by their last day".into(),
        columns: vec!["Id", "What it says, and what it applied to", "State", "Last day"],
        rows: cluster.all.declarations.iter().map(|declaration| row(cluster, declaration)).collect(),
        empty: "Nothing was attested or waived in this period, and no provider document was declared.".into(),
        more: None,
    };
    table.capped(DECLARATIONS, "all of them are in data/period.json, declarations.")
}

fn row(cluster: &Cluster<'_>, declaration: &DeclarationPeriod) -> Vec<Text> {
    let mut what = Text::from(words::sentence_case(&declaration.note));
    if !declaration.applies_to.is_empty() {
        let named = words::some_of(&declaration.applies_to, NAMES);
        what = what.note(format!("applied to {named}"));
    }
    for file in &declaration.files {
        what = what.note(said(file));
    }
    let until = declaration.until.map_or_else(|| "none".to_owned(), words::short_date);
    vec![
        Text::new().code(&declaration.id).note(words::declaration(&declaration.kind)),
        what,
        states(cluster, &declaration.states),
        until.into(),
    ]
}

fn said(file: &DeclaredFile) -> String {
    match (&file.digest, &file.path) {
        (Some(digest), Some(_)) => format!("file {}, sha256:{}…", file.name, digest.short(16)),
        (Some(digest), None) => format!("file {}, sha256:{}…, not in this package", file.name, digest.short(16)),
        (None, _) => format!("file {} was missing", file.name),
    }
}

fn states(cluster: &Cluster<'_>, spans: &[StateSpan]) -> Text {
    let day = |run| cluster.all.run(run).map_or_else(String::new, |run| run.finished.format("%-d %b").to_string());
    let mut text = Text::new();
    let left = spans.len().saturating_sub(STATES) as u64;
    if left > 0 {
        text = text.soft(format!("{} before", words::count(left, "state", "states"))).line();
    }
    for (i, span) in spans.iter().skip(spans.len().saturating_sub(STATES)).enumerate() {
        let look = match span.state.as_str() {
            "expired" | "missing" => Look::Critical,
            "ends soon" | "unmatched" | "not yet" => Look::Medium,
            _ => Look::Plain,
        };
        text = if i > 0 { text.line() } else { text };
        text = text.run(look, span.state.as_str());
        let days = if span.first == span.last {
            day(span.first)
        } else {
            format!("{} – {}", day(span.first), day(span.last))
        };
        text = text.note(days);
    }
    text
}
