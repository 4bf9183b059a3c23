//! Attestations, waivers and provider documents, by their last day.

use super::facts::{Cluster, Facts};
use crate::{
    period::model::{DeclarationPeriod, DeclaredFile, StateSpan},
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Declarations printed.
pub(super) const DECLARATIONS: usize = 150;
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
        blocks.push(Block::Table(table(facts, cluster)));
    }
    Section { title: "Declarations".into(), new_page: false, blocks }
}

fn table(facts: &Facts<'_>, cluster: &Cluster<'_>) -> Table {
    let table = Table {
        shape: Shape::Declarations,
        about: "Attestations, waivers and provider documents by their last day".into(),
        columns: vec!["Id", "What it says, and what it applied to", "State", "Last day"],
        rows: cluster.all.declarations.iter().enumerate().map(|nth| row(facts, cluster, nth)).collect(),
        empty: "Nothing was attested or waived in this period, and no provider document was declared.".into(),
        more: None,
    };
    table.capped(DECLARATIONS, "all of them are in workbook.xlsx, sheet Declarations.")
}

fn row(facts: &Facts<'_>, cluster: &Cluster<'_>, (at, declaration): (usize, &DeclarationPeriod)) -> Vec<Text> {
    let mut what = Text::from(words::sentence_case(&declaration.note));
    let exceptions = if declaration.kind == "waiver" { cluster.all.waived_by(&declaration.id) } else { Vec::new() };
    if !exceptions.is_empty() {
        let applied = Text::new().soft(format!("applied to {}", words::some_of(&exceptions, NAMES)));
        what = what.lines(applied.linked(|word| cluster.place(word)));
    } else if !declaration.applies_to.is_empty() {
        what = what.lines(applied(facts, &declaration.applies_to));
    }
    for file in &declaration.files {
        what = what.note(said(file));
    }
    let since = declaration.since.map_or_else(String::new, |day| format!("from {}", words::short_date(day)));
    let until = declaration.until.map_or_else(|| "none".to_owned(), words::short_date);
    vec![
        Text::new().code(&declaration.id).at(cluster.declaration_place(at)).note(words::declaration(&declaration.kind)),
        what,
        ended(facts, cluster, declaration, states(cluster, &declaration.states)),
        Text::from(until).note(since),
    ]
}

/// What a declaration applied to; the framework's requirements lead to where they are described.
fn applied(facts: &Facts<'_>, ids: &[String]) -> Text {
    let mut text = Text::new().soft("applied to ");
    for (nth, id) in ids.iter().take(NAMES).enumerate() {
        let own = id.split_once('/').filter(|(framework, _)| *framework == facts.framework.id);
        text = text.soft(if nth > 0 { ", " } else { "" });
        text = text.soft(id).to(own.and_then(|(_, id)| facts.row_place(id)));
    }
    match ids.len().saturating_sub(NAMES) as u64 {
        0 => text,
        left => text.soft(format!(" and {} more", words::number(left))),
    }
}

/// What its last run says no more: that it was withdrawn or replaced since, and that its last day has passed.
fn ended(facts: &Facts<'_>, cluster: &Cluster<'_>, declaration: &DeclarationPeriod, states: Text) -> Text {
    let known = declaration.states.last().is_some_and(|span| span.state == "expired");
    let text = match declaration.ended_before(facts.period.last_day()).filter(|_| !known) {
        Some(day) => states.line().run(Look::Critical, "expired").note(format!("after {}", words::short_date(day))),
        None => states,
    };
    match declaration.last_named().filter(|named| Some(*named) != cluster.last()) {
        Some(named) => text.note(format!("no run names it after {}", cluster.when(named))),
        None => text,
    }
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
