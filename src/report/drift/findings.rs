//! What got worse and what got better: exceptions, then permissions.

use std::collections::BTreeMap;

use super::{
    access,
    facts::{Alike, Facts, dotted, severity},
};
use crate::{
    drift::{Cause, FindingChange, FindingChangeKind},
    report::view::{Block, Group, Groups, Look, Section, Shape, Table, Text, cause_text, words},
    resource::ResourceRef,
};

/// Titles, by which the first page finds them.
pub(super) const WORSE: &str = "What got worse";
pub(super) const BETTER: &str = "What got better";

/// Exceptions printed of each direction.
const ROWS: usize = 80;
/// Exceptions printed of one object.
const OF_ONE: usize = 24;
/// Checks counted where rows were left out.
const CHECKS: usize = 60;
/// Where everything is.
pub(super) const ALL: &str = "--format json has all of them.";

pub(super) fn worse(facts: &Facts<'_>) -> Section {
    let mut blocks = access::block(facts, &facts.gained, "Permissions gained");
    blocks.extend(below(!blocks.is_empty(), exceptions(facts, &facts.worse, "New exceptions, with the cause of each")));
    Section { title: WORSE.into(), new_page: false, blocks }
}

pub(super) fn better(facts: &Facts<'_>) -> Section {
    let mut blocks = access::block(facts, &facts.lost, "Permissions lost");
    let gone = exceptions(facts, &facts.better, "Exceptions that are gone, with the cause of each");
    blocks.extend(below(!blocks.is_empty(), gone));
    Section { title: BETTER.into(), new_page: false, blocks }
}

/// Exceptions need a heading where something stands above them.
fn below(something: bool, exceptions: Vec<Block>) -> impl Iterator<Item = Block> {
    let heading = (something && !exceptions.is_empty()).then(|| Block::heading("Exceptions"));
    heading.into_iter().chain(exceptions)
}

/// Exceptions under the objects that they are about; where some are left out, all are counted by check and cause.
pub(super) fn exceptions(facts: &Facts<'_>, changes: &[&FindingChange], about: &str) -> Vec<Block> {
    if changes.is_empty() {
        return Vec::new();
    }
    let mut room = ROWS;
    let mut groups = Vec::new();
    for changes in by_object(changes) {
        if room == 0 {
            break;
        }
        let shown = changes.len().min(room).min(OF_ONE);
        room -= shown;
        groups.push(group(facts, &changes, shown));
    }
    let left = changes.len() - groups.iter().map(|group| group.rows.len()).sum::<usize>();
    let more = || format!("{} more are not printed here: {ALL}", words::number(left as u64));
    let mut blocks = vec![Block::Groups(Groups {
        shape: Shape::Found,
        about: about.into(),
        columns: vec!["Severity", "Exception", "Check and place"],
        groups,
        empty: String::new(),
        more: (left > 0).then(more),
    })];
    if left > 0 {
        blocks.push(Block::heading("All of them, counted by check and cause"));
        blocks.push(Block::Table(counted(changes)));
    }
    blocks
}

/// Changes of one object and one cause together; what holds the most severe comes first, as the changes do.
fn by_object<'a>(changes: &[&'a FindingChange]) -> Vec<Vec<&'a FindingChange>> {
    let mut places: BTreeMap<(&ResourceRef, Cause), usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&FindingChange>> = Vec::new();
    for change in changes {
        let at = *places.entry((&change.resource, change.cause)).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Vec::new());
        }
        groups[at].push(change);
    }
    groups
}

fn group(facts: &Facts<'_>, changes: &[&FindingChange], shown: usize) -> Group {
    let first = changes[0];
    let because = facts.because(first.cause, &first.resource);
    let left = (changes.len() - shown) as u64;
    let more = || format!("and {}: {ALL}", words::count(left, "more exception", "more exceptions"));
    let head = Text::from(format!("{} ", first.resource.kind)).strong(first.resource.path());
    Group {
        head: head.soft(format!("  {}", dotted(&[first.owner.as_deref().unwrap_or_default(), &because]))),
        rows: changes.iter().take(shown).map(|change| row(change)).collect(),
        more: (left > 0).then(more),
    }
}

fn row(change: &FindingChange) -> Vec<Text> {
    let text = Text::from(&*change.message);
    let text = match (change.change, change.accepted) {
        (FindingChangeKind::Reopened, _) => text.soft(" (no longer waived or expected)"),
        (FindingChangeKind::Resolved, true) => text.soft(" (it was waived or expected)"),
        (_, true) => text.soft(" (waived or expected)"),
        (_, false) => text,
    };
    vec![severity(change), text, Text::new().code(&*change.check).note(&*change.place)]
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
