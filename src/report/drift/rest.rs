//! What was lost sight of, what people declared, rules, and what is counted and not listed.

use std::collections::BTreeSet;

use super::{
    facts::Facts,
    findings::{self, ALL, word},
    objects,
};
use crate::{
    drift::{Cause, ChangeKind, DeclarationChange, Part},
    evaluate::Declaration,
    report::view::{Block, Look, Section, Shape, Table, Text, cause_word, states, words},
};

/// Titles, by which the first page finds them.
pub(super) const SIGHT: &str = "Lost sight of, or seen again";
pub(super) const DECLARED: &str = "Declared or due";

/// Rows of each table.
const ROWS: usize = 100;
/// State of a declaration that is about to end.
const SOON: &str = "ends soon";

pub(super) fn sight(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    let sight = &facts.input.drift.sight;
    if !sight.is_empty() {
        let rows = sight.iter().map(|sight| {
            let sign = if sight.is_lost() { word("lost", Look::Unseen) } else { word("seen", Look::Good) };
            let text = Text::new().code(&sight.resource).note(format!("{} before, {} now", sight.before, sight.after));
            vec![sign, text, cause_word(Cause::Sight).into(), Text::new()]
        });
        let table = Table {
            shape: Shape::Drift,
            about: "Lists that only one side could read".into(),
            columns: vec!["", "List", "Why", ""],
            rows: rows.collect(),
            empty: String::new(),
            more: None,
        };
        blocks.push(Block::Table(table.capped(ROWS, ALL)));
    }
    if !facts.out_of_sight.is_empty() {
        blocks.push(Block::heading("Exceptions that could not be looked at again"));
        blocks.push(Block::paragraph(
            "They failed before, and nobody knows whether they still do: they are not counted as gone.",
        ));
        blocks.extend(findings::exceptions(facts, &facts.out_of_sight, "Exceptions that could not be looked at again"));
    }
    if !facts.half_seen.is_empty() {
        blocks.push(Block::heading("Objects of lists that one side could not read"));
        let table = objects::one_sided(facts, &facts.half_seen, "one side", Look::Unseen);
        blocks.push(Block::Table(table));
    }
    Section { title: SIGHT.into(), new_page: false, blocks }
}

pub(super) fn declared(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    let rows = facts.input.drift.declarations.iter().map(|change| changed(facts, change)).chain(due(facts).map(
        |declaration| vec![word("due", Look::High), ends(declaration), cause_word(Cause::Time).into(), Text::new()],
    ));
    let rows: Vec<Vec<Text>> = rows.collect();
    if !rows.is_empty() {
        let table = Table {
            shape: Shape::Drift,
            about: "Declarations that began, ceased to hold, or end soon".into(),
            columns: vec!["", "Declaration", "Why", ""],
            rows,
            empty: String::new(),
            more: None,
        };
        blocks.push(Block::Table(table.capped(ROWS, ALL)));
    }
    if !facts.accepted.is_empty() {
        blocks.push(Block::heading("Exceptions that are waived or expected now"));
        blocks.extend(findings::exceptions(facts, &facts.accepted, "Exceptions that are waived or expected now"));
    }
    Section { title: DECLARED.into(), new_page: false, blocks }
}

fn changed(facts: &Facts<'_>, change: &DeclarationChange) -> Vec<Text> {
    let sign = if change.holds { word("began", Look::Person) } else { word("ended", Look::High) };
    let text = Text::new().strong(format!("{} {}", words::declaration(&change.kind), change.id));
    let text = text.plain(format!(": {}", states(change)));
    let text = text.plain(last_day(facts, change)).note(facts.applied(change));
    vec![sign, text, cause_word(Cause::Declaration).into(), Text::new()]
}

/// `, last day 2026-11-29` of a declaration that is about to end.
pub(super) fn last_day(facts: &Facts<'_>, change: &DeclarationChange) -> String {
    let same = |declaration: &&Declaration| declaration.kind == change.kind && declaration.id == change.id;
    let soon = change.after.as_deref() == Some(SOON);
    let until = facts.input.declarations.iter().find(same).and_then(|declaration| declaration.until.as_ref());
    until.filter(|_| soon).map_or_else(String::new, |day| format!(", last day {day}"))
}

/// Declarations that are about to end, and are not among the changes. They belong to the exceptions that they accept.
pub(super) fn due<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Declaration> {
    let wanted = facts.wants(Part::Findings);
    let changed: BTreeSet<(&str, &str)> =
        facts.input.drift.declarations.iter().map(|change| (change.kind.as_str(), change.id.as_str())).collect();
    facts.input.declarations.iter().filter(move |declaration| {
        wanted && declaration.state == SOON && !changed.contains(&(declaration.kind.as_str(), declaration.id.as_str()))
    })
}

/// `waiver W-7 ends soon: 2026-11-29`.
pub(super) fn ends(declaration: &Declaration) -> Text {
    let text = Text::new().run(Look::High, format!("{} {}", words::declaration(&declaration.kind), declaration.id));
    let until = declaration.until.as_ref().map_or_else(String::new, |day| format!(", last day {day}"));
    text.plain(format!(" {SOON}{until}"))
}

pub(super) fn rules(facts: &Facts<'_>) -> Section {
    let rules = &facts.input.drift.rules;
    let mut blocks = Vec::new();
    if !rules.is_empty() {
        let rows = rules.iter().map(|rule| {
            let said = match rule.change {
                ChangeKind::Added => "added",
                ChangeKind::Removed => "removed",
                ChangeKind::Changed | ChangeKind::Recreated => "changed",
            };
            vec![word(said, Look::Person), Text::new().code(&rule.file), cause_word(Cause::Rules).into(), Text::new()]
        });
        let table = Table {
            shape: Shape::Drift,
            about: "Files of checks, frameworks and declarations that differ".into(),
            columns: vec!["", "File below data/rules/", "Why", ""],
            rows: rows.collect(),
            empty: String::new(),
            more: None,
        };
        blocks.push(Block::Table(table.capped(ROWS, ALL)));
    }
    Section { title: "Rules".into(), new_page: false, blocks }
}

pub(super) fn left_out(facts: &Facts<'_>) -> Section {
    let drift = facts.input.drift;
    let mut blocks: Vec<Block> = drift
        .cannot_compare
        .iter()
        .map(|reason| Block::paragraph(Text::new().run(Look::Unseen, "Cannot compare: ").plain(reason)))
        .collect();
    if !drift.left_out.is_empty() {
        let rows = drift.left_out.iter().map(|left| {
            vec![
                Text::from(words::number(left.count)),
                Text::from(left.reason.clone()),
                Text::new().code(&left.rule),
                Text::new(),
            ]
        });
        blocks.push(Block::Table(Table {
            shape: Shape::Drift,
            about: "Changes that are counted and not listed".into(),
            columns: vec!["Changes", "Why they are not listed", "Entry of the list of noise", ""],
            rows: rows.collect(),
            empty: String::new(),
            more: None,
        }));
    }
    Section { title: "Counted and not listed".into(), new_page: false, blocks }
}
