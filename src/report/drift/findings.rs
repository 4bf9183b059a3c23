//! What got worse and what got better: exceptions, then permissions.

use super::{
    access,
    facts::{Alike, Facts, severity},
};
use crate::{
    drift::{Cause, FindingChange, FindingChangeKind},
    report::view::{Block, Look, Section, Shape, Table, Text, cause_text, words},
};

/// Titles, by which the first page finds them.
pub(super) const WORSE: &str = "What got worse";
pub(super) const BETTER: &str = "What got better";

/// Rows printed of each direction.
const ROWS: usize = 150;
/// Checks counted where rows were left out.
const CHECKS: usize = 60;
/// Where everything is.
pub(super) const ALL: &str = "--format json has all of them.";

pub(super) fn worse(facts: &Facts<'_>) -> Section {
    let mut blocks = exceptions(facts, &facts.worse, "New exceptions, with the cause of each");
    blocks.extend(access::block(facts, &facts.gained, "Permissions gained"));
    Section { title: WORSE.into(), new_page: false, blocks }
}

pub(super) fn better(facts: &Facts<'_>) -> Section {
    let mut blocks = exceptions(facts, &facts.better, "Exceptions that are gone, with the cause of each");
    blocks.extend(access::block(facts, &facts.lost, "Permissions lost"));
    Section { title: BETTER.into(), new_page: false, blocks }
}

/// A table of exceptions; where it is cut, what was left out is counted by check and cause.
pub(super) fn exceptions(facts: &Facts<'_>, changes: &[&FindingChange], about: &str) -> Vec<Block> {
    if changes.is_empty() {
        return Vec::new();
    }
    let table = Table {
        shape: Shape::Drift,
        about: about.into(),
        columns: vec!["Severity", "What and where", "Why and who", "Owner"],
        rows: changes.iter().take(ROWS).map(|change| row(facts, change)).collect(),
        empty: String::new(),
        more: None,
    };
    let left = changes.len().saturating_sub(ROWS);
    let mut blocks = vec![Block::Table(table.leaving_out(left, ALL))];
    if left > 0 {
        blocks.push(Block::heading("All of them, counted by check and cause"));
        blocks.push(Block::Table(counted(changes)));
    }
    blocks
}

fn row(facts: &Facts<'_>, change: &FindingChange) -> Vec<Text> {
    let text = Text::new().strong(change.resource.path()).plain(format!(" {}", change.message));
    let text = match (change.change, change.accepted) {
        (FindingChangeKind::Reopened, _) => text.plain(" (no longer waived or expected)"),
        (_, true) => text.plain(" (waived or expected)"),
        (_, false) => text,
    };
    let at = if change.place.is_empty() { String::new() } else { format!(" at {}", change.place) };
    let text = text.note(format!("{}, {}{at}", change.resource.kind, change.check));
    let by = match change.cause {
        Cause::Cluster => facts.input.hands.writer(&change.resource.to_string()),
        _ => "",
    };
    vec![severity(change), text, cause_text(change.cause, by), owner(change.owner.as_deref())]
}

pub(super) fn owner(name: Option<&str>) -> Text {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => name.into(),
        None => Text::new().soft("nobody named"),
    }
}

fn counted(changes: &[&FindingChange]) -> Table {
    let rows = Alike::of(changes).into_iter().map(|alike| {
        let what = Text::new().code(&*alike.first.check);
        vec![severity(alike.first), what, cause_text(alike.first.cause, ""), words::number(alike.count).into()]
    });
    let table = Table {
        shape: Shape::Counted,
        about: "Exceptions by check and cause".into(),
        columns: vec!["Severity", "Check", "Why", "Exceptions"],
        rows: rows.collect(),
        empty: String::new(),
        more: None,
    };
    table.capped(CHECKS, ALL)
}

/// Severity, or a word in its place.
pub(super) fn word(text: &str, look: Look) -> Text {
    Text::new().run(look, text)
}
