//! Objects that appeared, went, changed or were made anew.

use serde_json::Value;

use super::{
    cards::brought,
    facts::{Facts, dotted},
    findings::{ALL, owner, word},
};
use crate::{
    drift::{Cause, ChangeKind, FieldChange, ObjectChange},
    report::view::{Block, Group, Groups, Look, Section, Shape, Table, Text, cause_text, words},
};

/// Titles, by which the first page finds them.
pub(super) const APPEARED: &str = "Objects that came and went";
pub(super) const CHANGED: &str = "Objects that changed";

/// Rows of objects that appeared, and of those that went.
const ROWS: usize = 50;
/// Fields printed.
const ALL_FIELDS: usize = 100;
/// Fields printed of one object.
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
        let mut room = ALL_FIELDS;
        let mut groups = Vec::new();
        for change in changes {
            if room == 0 {
                break;
            }
            let group = group(facts, change, room.min(FIELDS));
            // An object that was made anew may have no other field, and takes its line all the same.
            room -= group.rows.len().max(1);
            groups.push(group);
        }
        let left = (changes.len() - groups.len()) as u64;
        let more = || format!("{} not printed here: {ALL}", words::count(left, "more object is", "more objects are"));
        blocks.push(Block::Groups(Groups {
            shape: Shape::Fields,
            about: "Objects that changed, field by field".into(),
            columns: vec!["Field", "Before", "After"],
            groups,
            empty: String::new(),
            more: (left > 0).then(more),
        }));
    }
    Section { title: CHANGED.into(), new_page: false, blocks }
}

fn group(facts: &Facts<'_>, change: &ObjectChange, room: usize) -> Group {
    let text = Text::from(format!("{} ", change.resource.kind)).strong(change.resource.path());
    let anew = if change.change == ChangeKind::Recreated { "made anew: same name, new uid" } else { "" };
    let because = facts.because(change.cause, &change.resource);
    let about = dotted(&[anew, &brought(facts.brought(change)), facts.owner(&change.resource), &because]);
    let left = change.fields.len().saturating_sub(room) as u64;
    let more = || format!("and {}: {ALL}", words::count(left, "more field", "more fields"));
    Group {
        head: text.soft(format!("  {about}")),
        rows: change.fields.iter().take(room).map(field).collect(),
        more: (left > 0).then(more),
    }
}

fn field(change: &FieldChange) -> Vec<Text> {
    let (before, after) = match (masked(change, &change.before), masked(change, &change.after)) {
        (Some(class), Some(_)) => (Text::new().soft(class), Text::new().soft("changed")),
        _ => (value(change, &change.before), value(change, &change.after)),
    };
    vec![Text::new().code(&change.path).soft(named(&change.stable)), before, after]
}

/// `redacted (password)`, of a value that is not shown.
fn masked<'a>(change: &FieldChange, value: &'a Option<Value>) -> Option<&'a str> {
    value.as_ref().and_then(Value::as_str).filter(|text| change.redacted && text.starts_with("redacted"))
}

fn value(change: &FieldChange, value: &Option<Value>) -> Text {
    match (value, masked(change, value)) {
        (None, _) => Text::new().soft("unset"),
        (Some(_), Some(class)) => Text::new().soft(class),
        (Some(value), None) => Text::new().code(words::clip(&value.to_string(), VALUE)),
    }
}

/// `  name=app`: what the numbers of a pointer mean, by the names of the lists' items.
fn named(stable: &str) -> String {
    let items = stable.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    let names: Vec<&str> = items.filter(|item| item.contains('=')).collect();
    if names.is_empty() { String::new() } else { format!("  {}", names.join(", ")) }
}
