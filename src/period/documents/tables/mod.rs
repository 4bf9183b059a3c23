//! The package as tables, which are written as CSV, as Parquet and as sheets of the workbook.

mod access;
mod cells;
mod effect;
mod glossary;
mod runs;

pub(super) use effect::state;
pub(super) use glossary::COLUMNS;

use std::{io, ops::Range};

use chrono::{DateTime, NaiveDate, Utc};

use super::{About, DocumentError, Folder};
use crate::{clock::rfc3339, period::model::Period, report::harmless, snapshot};

/// Where the tables lie, below the documents.
pub(super) const FOLDER: &str = "tables/";

/// Rows whose values are in memory at once.
pub(super) const PIECE: usize = snapshot::ROW_GROUP;

/// One table: a name for files, a name for people, columns of the same length. Only its rows are held: their values are
/// made piece by piece, since a large cluster has more of them than memory should hold beside the model.
pub(super) struct Table<'a> {
    /// `scope-changes`.
    pub name: &'static str,
    /// `Scope changes`.
    pub title: &'static str,
    /// What a row is: one sentence.
    pub about: &'static str,
    /// How many.
    pub rows: usize,
    /// Columns, all with as many rows.
    pub columns: Vec<Column<'a>>,
}

/// One column.
pub(super) struct Column<'a> {
    /// `first_seen`.
    pub name: &'static str,
    /// `First seen (UTC)`.
    pub title: &'static str,
    /// Width of its sheet's column, in characters.
    pub width: u16,
    /// Makes the values of some of the rows.
    pub values: Box<dyn Fn(Range<usize>) -> Values + 'a>,
}

/// Values of one column; `None` is an empty cell.
pub(super) enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Number(Vec<Option<i64>>),
    /// Days.
    Date(Vec<Option<NaiveDate>>),
    /// Moments in UTC.
    Time(Vec<Option<DateTime<Utc>>>),
    /// Yes or no.
    Switch(Vec<Option<bool>>),
}

impl Values {
    /// One cell as CSV holds it, counted from the first of these rows. Only texts can come from a cluster and look like a formula.
    fn csv(&self, row: usize) -> String {
        match self {
            Self::Text(values) => harmless(values[row].as_deref().unwrap_or_default().into()).into_owned(),
            Self::Number(values) => values[row].map(|number| number.to_string()).unwrap_or_default(),
            Self::Date(values) => values[row].map(|day| day.to_string()).unwrap_or_default(),
            Self::Time(values) => values[row].map(rfc3339).unwrap_or_default(),
            Self::Switch(values) => values[row].map(|yes| yes.to_string()).unwrap_or_default(),
        }
    }
}

/// What builds each table but the one that explains them, in the order of the sheets.
const BUILDERS: [fn(&Period) -> Table<'_>; 15] = [
    runs::remarks,
    effect::requirements,
    effect::statuses,
    effect::exceptions,
    effect::repair_times,
    runs::runs,
    runs::cadence,
    runs::control_totals,
    runs::resource_totals,
    access::population,
    access::privileged,
    access::scopes,
    access::scope_changes,
    access::declarations,
    runs::excluded,
];

/// Every table, one after the other; the first says what the columns of the others hold.
pub(super) fn all(period: &Period) -> impl Iterator<Item = Table<'_>> {
    std::iter::once(glossary::columns(period)).chain(BUILDERS.into_iter().map(|build| build(period)))
}

/// Each table as CSV and as Parquet.
pub(super) fn write(period: &Period, _: &About, folder: Folder<'_>) -> Result<(), DocumentError> {
    for table in all(period) {
        let file = |extension: &str| format!("{FOLDER}{}.{extension}", table.name);
        let mut rows = folder.file(&file("csv"))?;
        csv(&table, &mut rows).map_err(|source| DocumentError::Csv { file: file("csv"), source })?;
        rows.finish()?;
        folder.put(&file("parquet"), &parquet(&file("parquet"), &table)?)?;
    }
    Ok(())
}

/// A cell that begins like a formula gets a leading apostrophe; Parquet holds the values as they are.
fn csv(table: &Table<'_>, file: impl io::Write) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
    writer.write_record(table.columns.iter().map(|column| column.name))?;
    for start in (0..table.rows).step_by(PIECE) {
        let rows = start..table.rows.min(start + PIECE);
        let values: Vec<Values> = table.columns.iter().map(|column| (column.values)(rows.clone())).collect();
        for row in 0..rows.len() {
            writer.write_record(values.iter().map(|values| values.csv(row)))?;
        }
    }
    Ok(writer.flush()?)
}

fn parquet(path: &str, table: &Table<'_>) -> Result<Vec<u8>, snapshot::TableError> {
    let column = |column: &Column<'_>, rows: Range<usize>| match (column.values)(rows) {
        Values::Text(values) => snapshot::texts(column.name, values.iter().map(Option::as_deref)),
        Values::Number(values) => snapshot::integers(column.name, values.into_iter()),
        Values::Date(values) => snapshot::dates(column.name, values.into_iter()),
        Values::Time(values) => snapshot::times(column.name, values.into_iter()),
        Values::Switch(values) => snapshot::optional_switches(column.name, values.into_iter()),
    };
    let columns = |rows: Range<usize>| table.columns.iter().map(|own| column(own, rows.clone())).collect();
    snapshot::write_pieces(path, table.rows, columns)
}
