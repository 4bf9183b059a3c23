//! Findings as tables: `findings.csv` for people, `findings.parquet` for queries. The same rows in the same order.

use serde_json::Value;

use super::view::words;
use crate::{
    evaluate::{Evaluation, Finding, Outcome},
    snapshot::{self, TableError},
};

/// A table that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// `findings.csv`.
    #[error("cannot write findings.csv: {0}")]
    Csv(#[from] csv::Error),
    /// `findings.parquet`.
    #[error("cannot write findings.parquet: {0}")]
    Parquet(#[from] TableError),
}

type Column = (&'static str, fn(&Row<'_>) -> Option<String>);

/// A finding, with the reference that the report gives it.
struct Row<'a> {
    finding: &'a Finding,
    reference: Option<String>,
}

const COLUMNS: [Column; 21] = [
    ("reference", |r| r.reference.clone()),
    ("id", |r| Some(r.finding.id.clone())),
    ("check", |r| Some(r.finding.check.clone())),
    ("severity", |r| Some(words::severity(r.finding.severity).into())),
    ("outcome", |r| Some(words::outcome(r.finding.outcome).into())),
    ("reason", |r| r.finding.reason.clone()),
    ("api_version", |r| Some(r.finding.resource.api_version.clone())),
    ("kind", |r| Some(r.finding.resource.kind.clone())),
    ("namespace", |r| r.finding.resource.namespace.clone()),
    ("name", |r| Some(r.finding.resource.name.clone())),
    ("container", |r| r.finding.place.container.clone()),
    ("path", |r| Some(r.finding.place.path.clone())),
    ("stable_path", |r| Some(r.finding.place.stable.clone())),
    ("observed", |r| (!r.finding.observed.is_null()).then(|| text(&r.finding.observed))),
    ("expected", |r| (!r.finding.expected.is_null()).then(|| text(&r.finding.expected))),
    ("message", |r| Some(r.finding.message.clone())),
    ("evidence", |r| Some(evidence(r.finding))),
    ("requirements", |r| Some(r.finding.requirements.join(" "))),
    ("owner", |r| r.finding.owner.clone()),
    ("waiver", |r| r.finding.waiver.clone()),
    ("expected_by", |r| r.finding.expected_by.clone()),
];

/// `findings.csv`: one row a finding, in the order of `evaluation.json`.
///
/// Spreadsheets run cells that begin like a formula. A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage
/// return therefore gets a leading apostrophe; `findings.parquet` holds the values as they are.
///
/// # Errors
/// Only when memory cannot be written.
pub fn findings_csv(evaluation: &Evaluation) -> Result<Vec<u8>, ExportError> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|(name, _)| name))?;
    for row in rows(evaluation) {
        writer.write_record(COLUMNS.map(|(_, value)| harmless(value(&row).unwrap_or_default())))?;
    }
    writer.into_inner().map_err(|e| csv::Error::from(e.into_error()).into())
}

/// `findings.parquet`: the same rows; the same rows give the same bytes.
///
/// # Errors
/// Only when polars cannot write.
pub fn findings_parquet(evaluation: &Evaluation) -> Result<Vec<u8>, ExportError> {
    let rows = rows(evaluation);
    let columns = COLUMNS.map(|(name, value)| {
        let values: Vec<Option<String>> = rows.iter().map(value).collect();
        snapshot::texts(name, values.iter().map(Option::as_deref))
    });
    Ok(snapshot::write_table("data/findings.parquet", columns.into())?)
}

fn rows(evaluation: &Evaluation) -> Vec<Row<'_>> {
    let mut failures = 0;
    let row = |finding: &'_ Finding| {
        failures += u64::from(finding.outcome == Outcome::Fail);
        (finding.outcome == Outcome::Fail).then(|| words::reference(failures))
    };
    let references: Vec<Option<String>> = evaluation.findings.iter().map(row).collect();
    evaluation.findings.iter().zip(references).map(|(finding, reference)| Row { finding, reference }).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn evidence(finding: &Finding) -> String {
    let items: Vec<String> = finding.evidence.iter().map(|e| format!("{} {}", e.resource, e.digest)).collect();
    items.join("; ")
}

fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}
