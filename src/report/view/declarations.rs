//! Waivers and attestations by expiry; system items that are expected.

use std::collections::BTreeMap;

use super::{
    Block, Facts, Section,
    text::{Look, Shape, Table, Text},
    words,
};
use crate::evaluate::Declaration;

/// Rows printed of system items.
const EXPECTED: usize = 80;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut declarations: Vec<&Declaration> =
        facts.input.evaluation.declarations.iter().filter(|d| d.kind != "expected").collect();
    declarations.sort_by_key(|d| (d.until.clone(), d.kind.clone(), d.id.clone()));
    let blocks = vec![
        Block::paragraph(
            "What people declared, soonest end first. A waived exception stays an exception. Approvers are named as \
             written; nobody's identity was verified. Documents of providers are kept as given, and were not read.",
        ),
        Block::Table(Table {
            shape: Shape::Declarations,
            about: "Waivers and attestations by expiry".into(),
            columns: vec!["Id", "What, and on whose word", "State", "Last day"],
            rows: declarations.into_iter().map(row).collect(),
            empty: "No waiver and no attestation was given.".into(),
            more: None,
        }),
    ];
    Section { title: "Waivers and attestations by expiry".into(), new_page: true, blocks }
}

fn row(declaration: &Declaration) -> Vec<Text> {
    let look = match declaration.state.as_str() {
        "in force" => Look::Good,
        "expired" | "unmatched" | "missing" => Look::Critical,
        _ => Look::High,
    };
    let applies = match declaration.applies_to.len() as u64 {
        0 => "applies to nothing in this run".to_owned(),
        n => format!("applies to {}", words::count(n, "item", "items")),
    };
    vec![
        Text::new().strong(&declaration.id).note(words::declaration(&declaration.kind)),
        Text::from(declaration.note.clone()).note(format!("{}; {applies}", declaration.at)),
        Text::new().run(look, &declaration.state),
        declaration.until.clone().unwrap_or_else(|| "–".into()).into(),
    ]
}

/// What every cluster has by design: shown apart, never dropped.
pub(super) fn expected(facts: &Facts<'_>) -> Section {
    let notes: BTreeMap<&str, &str> = facts
        .input
        .evaluation
        .declarations
        .iter()
        .filter(|d| d.kind == "expected")
        .map(|d| (d.id.as_str(), d.note.as_str()))
        .collect();
    let mut groups: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for finding in &facts.input.evaluation.findings {
        if let Some(entry) = &finding.expected_by {
            groups.entry((entry, &finding.check)).or_default().push(finding.resource.to_string());
        }
    }
    let rows = groups.into_iter().map(|((entry, check), mut objects)| {
        objects.dedup();
        let what = Text::new().code(check).plain(format!(" at {}", words::some_of(&objects, 4)));
        vec![Text::new().strong(entry), what.note(notes.get(entry).copied().unwrap_or_default())]
    });
    let table = Table {
        shape: Shape::Notes,
        about: "System items that are expected".into(),
        columns: vec!["Entry", "Check, objects and reason"],
        rows: rows.collect(),
        empty: "No finding matched an entry of the list of expected system items.".into(),
        more: None,
    };
    let blocks = vec![
        Block::paragraph(
            "What every cluster of this kind has by design. These findings stay failures of their checks; they are \
             shown apart and left out of the statuses.",
        ),
        Block::Table(table.capped(EXPECTED, "findings.csv names the entry of each.")),
    ];
    Section { title: "Expected system items".into(), new_page: false, blocks }
}
