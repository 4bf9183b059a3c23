//! Objects that appeared, went, changed or were made anew.

use serde_json::Value;

use super::{
    cover::brought,
    facts::{Facts, dotted},
    findings::{ALL, owner, word},
};
use crate::{
    drift::{Cause, ChangeKind, FieldChange, ObjectChange},
    report::view::{Block, Group, Groups, Look, Section, Shape, Table, Text, cause_text, why, words},
};

/// Titles, by which the first page finds them.
pub(super) const APPEARED: &str = "What appeared, and what went";
pub(super) const CHANGED: &str = "Objects that changed";

/// Rows of objects that appeared, and of those that went.
const ROWS: usize = 120;
/// Objects printed with their fields.
const OBJECTS: usize = 100;
/// Fields of one object.
const FIELDS: usize = 8;
/// Characters of a value.
const VALUE: usize = 90;

pub(super) fn appeared(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    if !facts.appeared.is_empty() {
        blocks.push(Block::Table(one_sided(facts, &facts.appeared, "appeared", Look::Person)));
    }
    if !facts.gone.is_empty() {
        blocks.push(Block::Table(one_sided(facts, &facts.gone, "went", Look::Soft)));
    }
    Section { title: APPEARED.into(), new_page: false, blocks }
}

pub(super) fn one_sided(facts: &Facts<'_>, changes: &[&ObjectChange], said: &'static str, look: Look) -> Table {
    let rows = changes.iter().take(ROWS).map(|change| {
        let text = Text::from(format!("{} ", change.resource.kind)).strong(change.resource.path());
        let text = text.note(brought(facts.brought(change)));
        let team = facts.owner(&change.resource);
        vec![word(said, look), text, cause(facts, change), owner(Some(team))]
    });
    let table = Table {
        shape: Shape::Drift,
        about: format!("Objects that {said}"),
        columns: vec!["", "Object", "Why and who", "Owner"],
        rows: rows.collect(),
        empty: String::new(),
        more: None,
    };
    table.leaving_out(changes.len().saturating_sub(ROWS), ALL)
}

fn cause(facts: &Facts<'_>, change: &ObjectChange) -> Text {
    let by = if change.cause == Cause::Cluster { facts.input.hands.writer(&change.resource.to_string()) } else { "" };
    cause_text(change.cause, by)
}

pub(super) fn changed(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    let changes = &facts.changed;
    if !changes.is_empty() {
        let left = changes.len().saturating_sub(OBJECTS) as u64;
        let more = || format!("{} more objects are not printed here: {ALL}", words::number(left));
        blocks.push(Block::Groups(Groups {
            shape: Shape::Fields,
            about: "Objects that changed, field by field".into(),
            columns: vec!["Field", "Before", "After"],
            groups: changes.iter().take(OBJECTS).map(|change| group(facts, change)).collect(),
            empty: String::new(),
            more: (left > 0).then(more),
        }));
    }
    Section { title: CHANGED.into(), new_page: false, blocks }
}

fn group(facts: &Facts<'_>, change: &ObjectChange) -> Group {
    let text = Text::from(format!("{} ", change.resource.kind)).strong(change.resource.path());
    let anew = if change.change == ChangeKind::Recreated { "made anew: same name, new uid" } else { "" };
    let by = facts.why(change.cause, &change.resource);
    let because = if by.contains(": ") { by } else { why(change.cause).to_owned() };
    let about = dotted(&[anew, &brought(facts.brought(change)), facts.owner(&change.resource), &because]);
    let left = change.fields.len().saturating_sub(FIELDS) as u64;
    let more = || format!("and {}: {ALL}", words::count(left, "more field", "more fields"));
    Group {
        head: text.soft(format!("  {about}")),
        rows: change.fields.iter().take(FIELDS).map(field).collect(),
        more: (left > 0).then(more),
    }
}

fn field(change: &FieldChange) -> Vec<Text> {
    let value = |value: &Option<Value>| match (value, change.redacted) {
        (None, _) => Text::new().soft("unset"),
        (Some(_), true) => Text::new().soft("redacted"),
        (Some(value), false) => Text::new().code(words::clip(&value.to_string(), VALUE)),
    };
    let after = match (&change.after, change.redacted) {
        (Some(_), true) => Text::new().soft(if change.before.is_some() { "changed, redacted" } else { "redacted" }),
        _ => value(&change.after),
    };
    vec![Text::new().code(&change.path).soft(named(&change.stable)), value(&change.before), after]
}

/// `  name=app`: what the numbers of a pointer mean, by the names of the lists' items.
fn named(stable: &str) -> String {
    let names: Vec<&str> = stable.split('[').skip(1).filter_map(|rest| rest.split(']').next()).collect();
    if names.is_empty() { String::new() } else { format!("  {}", names.join(", ")) }
}
