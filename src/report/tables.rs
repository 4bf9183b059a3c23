//! Findings as tables: `findings.csv` for people, `findings.parquet` for queries. The same rows in the same order.

use std::{borrow::Cow, io, sync::Arc};

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

type Cell<'a> = Option<Cow<'a, str>>;
type Column = (&'static str, for<'a> fn(&Row<'a>) -> Cell<'a>);

/// A finding, with the number of the reference that the report gives it.
#[derive(Clone, Copy)]
struct Row<'a> {
    finding: &'a Finding,
    reference: Option<u64>,
}

const COLUMNS: [Column; 21] = [
    ("reference", |r| r.reference.map(words::reference).map(Cow::Owned)),
    ("id", |r| own(r.finding.id.to_string())),
    ("check", |r| some(&r.finding.check)),
    ("severity", |r| some(words::severity(r.finding.severity))),
    ("outcome", |r| some(words::outcome(r.finding.outcome))),
    ("reason", |r| shared(&r.finding.reason)),
    ("api_version", |r| some(&r.finding.resource.api_version)),
    ("kind", |r| some(&r.finding.resource.kind)),
    ("namespace", |r| r.finding.resource.namespace.as_deref().map(Cow::Borrowed)),
    ("name", |r| some(&r.finding.resource.name)),
    ("container", |r| shared(&r.finding.place.container)),
    ("path", |r| some(&r.finding.place.path)),
    ("stable_path", |r| some(&r.finding.place.stable)),
    ("observed", |r| (!r.finding.observed.is_null()).then(|| text(&r.finding.observed))),
    ("expected", |r| some(&r.finding.expected)),
    ("message", |r| some(&r.finding.message)),
    ("evidence", |r| own(evidence(r.finding))),
    ("requirements", |r| own(r.finding.requirements.join(" "))),
    ("owner", |r| shared(&r.finding.owner)),
    ("waiver", |r| shared(&r.finding.waiver)),
    ("expected_by", |r| shared(&r.finding.expected_by)),
];

fn some(text: &str) -> Cell<'_> {
    Some(Cow::Borrowed(text))
}

fn own<'a>(text: String) -> Cell<'a> {
    Some(Cow::Owned(text))
}

fn shared(text: &Option<Arc<str>>) -> Cell<'_> {
    text.as_deref().map(Cow::Borrowed)
}

/// `findings.csv`: one row a finding, in the order of `evaluation.json`.
///
/// Spreadsheets run cells that begin like a formula. A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage
/// return therefore gets a leading apostrophe; `findings.parquet` holds the values as they are.
///
/// # Errors
/// Only when memory cannot be written.
pub fn findings_csv(evaluation: &Evaluation) -> Result<Vec<u8>, ExportError> {
    // Grown step by step, a table of a large cluster would for a moment take three times its size.
    let mut counted = Counted(0);
    write_csv(evaluation, &mut counted)?;
    let mut bytes = Vec::with_capacity(counted.0);
    write_csv(evaluation, &mut bytes)?;
    Ok(bytes)
}

/// A writer that knows how much was written, and keeps nothing.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_csv(evaluation: &Evaluation, to: impl io::Write) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(to);
    writer.write_record(COLUMNS.map(|(name, _)| name))?;
    for row in rows(evaluation) {
        for (_, value) in COLUMNS {
            writer.write_field(harmless(value(&row).unwrap_or_default()).as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()?;
    Ok(())
}

/// `findings.parquet`: the same rows; the same rows give the same bytes.
///
/// # Errors
/// Only when polars cannot write.
pub fn findings_parquet(evaluation: &Evaluation) -> Result<Vec<u8>, ExportError> {
    let rows: Vec<Row<'_>> = rows(evaluation).collect();
    let columns = |rows: &[Row<'_>]| {
        let column = |(name, value): Column| {
            let cells: Vec<Cell<'_>> = rows.iter().map(value).collect();
            snapshot::texts(name, cells.iter().map(Option::as_deref))
        };
        COLUMNS.map(column).into()
    };
    Ok(snapshot::write_rows("data/findings.parquet", &rows, columns)?)
}

fn rows(evaluation: &Evaluation) -> impl Iterator<Item = Row<'_>> {
    let mut failures = 0;
    evaluation.findings.iter().map(move |finding| {
        let failed = finding.outcome == Outcome::Fail;
        failures += u64::from(failed);
        Row { finding, reference: failed.then_some(failures) }
    })
}

fn text(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

fn evidence(finding: &Finding) -> String {
    let items: Vec<String> = finding.evidence.iter().map(ToString::to_string).collect();
    items.join("; ")
}

/// A cell that no spreadsheet runs: see [`findings_csv`].
pub(crate) fn harmless(cell: Cow<'_, str>) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::Owned(format!("'{cell}")) } else { cell }
}
