//! The first ten things to do, by who does them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Block, Facts, Section, changes,
    facts::Group,
    text::{Look, Shape, Table, Text},
    words,
};
use crate::{evaluate::Finding, report::BySeverity};

/// Things to do in this part.
const TOP: usize = 10;
/// Owners in the table of counts.
const OWNERS: usize = 12;
/// Other objects of the same kind that are named.
const ALSO: usize = 3;
/// Requirements named in the column.
const SERVES: usize = 2;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut top: Vec<&Group<'_>> = facts.groups.iter().take(TOP).collect();
    // Owners stand in the order of their worst exception: the first group of each decides.
    let mut order: Vec<Option<&str>> = Vec::new();
    for group in &top {
        if !order.contains(&group.owner) {
            order.push(group.owner);
        }
    }
    top.sort_by_key(|g| order.iter().position(|o| *o == g.owner));
    let rows = top.iter().zip(1..).map(|(g, rank)| action(facts, g, Some(rank))).collect();
    let blocks = vec![
        Block::Table(owners(facts)),
        Block::heading("Ten things to do first"),
        Block::Table(Table {
            shape: Shape::Actions,
            about: "The ten things to do first, by owner".into(),
            columns: vec!["", "What and where", "Owner", "Serves"],
            rows,
            empty: "No open exception.".into(),
            more: None,
        }),
    ];
    Section { title: "Exceptions by owner".into(), new_page: false, blocks }
}

fn owners(facts: &Facts<'_>) -> Table {
    let mut counts: BTreeMap<Option<&str>, (BySeverity, u64)> = BTreeMap::new();
    for finding in &facts.open {
        let entry = counts.entry(finding.owner.as_deref()).or_default();
        entry.0.add(finding.severity);
        entry.1 += u64::from(facts.is_new(finding));
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(owner, (by, _))| (std::cmp::Reverse(*by), *owner));
    let first = facts.baseline().is_none();
    let rows = counts.into_iter().map(|(owner, (by, new))| {
        let mut row = vec![name(owner)];
        row.extend(by.worst_first().map(|(severity, n)| number(n, severity.into())));
        row.push(if first { Text::new().soft("–") } else { number(new, Look::Strong) });
        row
    });
    Table {
        shape: Shape::Owners,
        about: "Open exceptions by owner and severity".into(),
        columns: vec!["Owner", "Critical", "High", "Medium", "Low", "Info", "New"],
        rows: rows.collect(),
        empty: "No open exception.".into(),
        more: None,
    }
    .capped(OWNERS, "findings.csv names the owner of every finding.")
}

fn number(n: u64, look: Look) -> Text {
    if n == 0 { Text::new().soft("0") } else { Text::new().run(look, words::number(n)) }
}

fn name(owner: Option<&str>) -> Text {
    owner.map_or_else(|| Text::new().soft("no owner"), Text::from)
}

/// One thing to do, as a row of [`Shape::Actions`].
pub(super) fn action(facts: &Facts<'_>, group: &Group<'_>, rank: Option<u64>) -> Vec<Text> {
    let first = group.first(facts);
    let mut text =
        Text::new().strong(first.resource.path()).plain(format!(" {}. ", first.message.trim_end_matches('.')));
    let others: Vec<String> = group.findings.iter().filter(|f| f.id != first.id).map(|f| place(f)).collect();
    if !others.is_empty() {
        let n = words::count(others.len() as u64, "other place", "other places");
        // Several places of one object, or of one scope, are one name.
        let own = place(first);
        let names: BTreeSet<String> = others.into_iter().filter(|name| *name != own).collect();
        let names: Vec<String> = names.into_iter().collect();
        text = match names.as_slice() {
            [] => text.plain(format!("Also in {n} of it. ")),
            names => text.plain(format!("Also in {n}: {}. ", words::some_of(names, ALSO))),
        };
    }
    text = text.plain(age(facts, group));
    let fix = facts.input.definitions.checks.get(&*first.check).map(|c| words::first_sentence(&c.remediation));
    text = text.note(fix.unwrap_or_default());
    let rank = rank.map_or_else(Text::new, |rank| Text::new().run(first.severity.into(), rank.to_string()));
    vec![rank, text, name(group.owner), serves(first)]
}

fn place(finding: &Finding) -> String {
    match &finding.place.container {
        Some(container) => format!("{} ({container})", finding.resource.path()),
        None => finding.resource.path(),
    }
}

fn age(facts: &Facts<'_>, group: &Group<'_>) -> String {
    let Some(since) = facts.since() else { return String::new() };
    let total = group.findings.len();
    let by = changes::last_writer(facts, &group.first(facts).resource.to_string());
    match group.new {
        0 => format!("Already there on {since}."),
        new if new < total => format!("{new} of {total} new since {since}."),
        _ if by.is_empty() => format!("New since {since}."),
        _ => format!("New since {since}, last written by {by}."),
    }
}

fn serves(finding: &Finding) -> Text {
    let mut names: Vec<String> = finding.requirements.iter().map(|r| words::short_requirement(r)).collect();
    names.sort_by_key(|n| !(n.starts_with("PCI") || n.starts_with("CIS") || n.starts_with("HIPAA")));
    let left = names.len().saturating_sub(SERVES);
    names.truncate(SERVES);
    let mut text = Text::new();
    for (i, name) in names.into_iter().enumerate() {
        text = if i > 0 { text.line().plain(name) } else { text.plain(name) };
    }
    if left > 0 { text.line().soft(format!("and {left} more")) } else { text }
}
