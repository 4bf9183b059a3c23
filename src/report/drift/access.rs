//! Permissions gained and lost, subject by subject.

use super::{
    facts::{Facts, dotted},
    findings::ALL,
};
use crate::{
    drift::PermissionChange,
    rbac::{self, Grant},
    report::view::{Block, Group, Groups, Look, Shape, Text, words},
};

/// Permissions printed.
const ROWS: usize = 60;
/// Permissions printed of one subject.
const OF_ONE: usize = 6;

/// A heading and a table, or nothing where no subject is meant.
pub(super) fn block(facts: &Facts<'_>, changes: &[&PermissionChange], title: &'static str) -> Vec<Block> {
    if changes.is_empty() {
        return Vec::new();
    }
    let mut room = ROWS;
    let mut shown = Vec::new();
    for change in changes {
        if room == 0 {
            break;
        }
        let group = group(facts, change, room.min(OF_ONE));
        room -= group.rows.len();
        shown.push(group);
    }
    let left = (changes.len() - shown.len()) as u64;
    let more = || format!("{} not printed here: {ALL}", words::count(left, "more subject is", "more subjects are"));
    let groups = Groups {
        shape: Shape::Grants,
        about: format!("{title}, subject by subject"),
        columns: vec!["", "May", "Where", "Through"],
        groups: shown,
        empty: String::new(),
        more: (left > 0).then(more),
    };
    vec![Block::heading(title), Block::Groups(groups)]
}

fn group(facts: &Facts<'_>, change: &PermissionChange, room: usize) -> Group {
    let gained = sorted(&change.gained).into_iter().map(|grant| row("+", true, grant));
    let lost = sorted(&change.lost).into_iter().map(|grant| row("−", false, grant));
    let mut rows: Vec<Vec<Text>> = gained.chain(lost).collect();
    let left = rows.len().saturating_sub(room) as u64;
    rows.truncate(room);
    let more = || format!("and {}: {ALL}", words::count(left, "more permission", "more permissions"));
    let counts = format!(
        "{} gained, {} lost",
        words::number(change.gained.len() as u64),
        words::number(change.lost.len() as u64)
    );
    let because = facts.why_granted(change);
    Group {
        head: Text::new()
            .strong(&change.subject)
            .soft(format!("  {}", dotted(&[&counts, facts.owner_of_subject(&change.subject), &because]))),
        rows,
        more: (left > 0).then(more),
    }
}

/// Powerful permissions first.
fn sorted(grants: &[Grant]) -> Vec<&Grant> {
    let mut sorted: Vec<&Grant> = grants.iter().collect();
    sorted.sort_by_key(|grant| !rbac::is_sensitive(grant));
    sorted
}

fn row(sign: &str, gained: bool, grant: &Grant) -> Vec<Text> {
    let look = match (gained, rbac::is_sensitive(grant)) {
        (true, true) => Look::Critical,
        (true, false) => Look::Low,
        (false, _) => Look::Good,
    };
    let object = match (&grant.url, grant.group.as_str()) {
        (Some(url), _) => url.clone(),
        (None, "") => grant.resource.clone(),
        (None, group) => format!("{}.{group}", grant.resource),
    };
    let object = grant.resource_name.as_ref().map_or(object.clone(), |name| format!("{object}/{name}"));
    let may = Text::new().code(format!("{} {object}", grant.verb));
    let may = if gained && rbac::is_sensitive(grant) { may.run(Look::Critical, " powerful") } else { may };
    let place = grant.namespace.as_ref().map_or_else(|| "whole cluster".to_owned(), |namespace| namespace.clone());
    vec![Text::new().run(look, sign), may, place.into(), Text::new().code(rbac::via(grant))]
}
