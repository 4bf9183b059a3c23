//! Evidence references resolved: from `E-0001` to a finding, an object and its digest.

use super::{
    Block, Facts, Section,
    text::{Shape, Table, Text},
    words,
};
use crate::evaluate::Outcome;

/// References printed.
const REFERENCES: usize = 400;
/// Hex digits of a digest that are printed here.
const DIGITS: usize = 16;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let failures = || facts.input.evaluation.findings.iter().filter(|f| f.outcome == Outcome::Fail);
    let rows = failures().take(REFERENCES).map(|f| {
        let marks = [
            f.waiver.as_ref().map(|w| format!("waived by {w}")),
            f.expected_by.as_ref().map(|e| format!("expected by {e}")),
        ];
        let marks: Vec<String> = marks.into_iter().flatten().collect();
        let object = f.evidence.first().map_or_else(Text::new, |e| {
            let row = facts.row(&e.digest).map_or_else(String::new, |row| format!("row {}", words::number(row)));
            Text::new().code(format!("{}…", e.digest.short(DIGITS))).note(row)
        });
        vec![
            Text::new().code(facts.reference(f)),
            Text::new().code(&*f.check).note(format!("finding {}", f.id)),
            Text::from(f.resource.to_string()).note(marks.join(", ")),
            object,
        ]
    });
    let left = failures().count().saturating_sub(REFERENCES);
    let table = Table {
        shape: Shape::Index,
        about: "Evidence references with finding, object and digest".into(),
        columns: vec!["Reference", "Check and finding", "Object", "Digest and row"],
        rows: rows.collect(),
        empty: "No failure: there is nothing to refer to.".into(),
        more: None,
    };
    let blocks = vec![
        Block::paragraph(
            "The references of this report, in the order of findings.csv, where the digests stand in full.",
        ),
        Block::Table(table.leaving_out(left, "findings.csv has the same references.")),
    ];
    Section { title: "Evidence index".into(), new_page: false, blocks }
}
