//! The package as tables: built once, then written as CSV, as Parquet and as sheets of the workbook.

mod access;
mod cells;
mod effect;
mod runs;

pub(super) use effect::state;

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    About, DocumentError, Documents,
    workbook::{self, Book},
};
use crate::{clock::rfc3339, period::model::Period, report::harmless, snapshot};

/// Where the tables lie, below the documents.
pub(super) const FOLDER: &str = "tables/";

/// One table: a name for files, a name for people, columns of the same length.
pub(super) struct Table {
    /// `scope-changes`.
    pub name: &'static str,
    /// `Scope changes`.
    pub title: &'static str,
    /// What a row is: one sentence.
    pub about: &'static str,
    /// Columns, all with the same number of rows.
    pub columns: Vec<Column>,
}

/// One column.
pub(super) struct Column {
    /// `first_seen`.
    pub name: &'static str,
    /// `First seen (UTC)`.
    pub title: &'static str,
    /// Width of its sheet's column, in characters.
    pub width: u16,
    /// Its values.
    pub values: Values,
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

impl Table {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Date(values) => values.len(),
            Self::Time(values) => values.len(),
            Self::Switch(values) => values.len(),
        }
    }

    /// One cell as CSV holds it. Only texts can come from a cluster and look like a formula.
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

/// What builds each table, in the order of the sheets.
const BUILDERS: [fn(&Period) -> Table; 14] = [
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
    access::scope_changes,
    access::declarations,
    runs::excluded,
];

/// Each table as CSV, as Parquet and as a sheet of the workbook.
pub(super) fn write(period: &Period, about: &About) -> Result<Documents, DocumentError> {
    let (mut files, mut book) = (Documents::new(), Book::new(period)?);
    for build in BUILDERS {
        let table = build(period);
        let file = |extension: &str| format!("{FOLDER}{}.{extension}", table.name);
        files.insert(file("csv"), csv(&table).map_err(|source| DocumentError::Csv { file: file("csv"), source })?);
        files.insert(file("parquet"), parquet(&file("parquet"), &table)?);
        book.add(&table)?;
    }
    files.insert(workbook::FILE.to_owned(), book.finish(period, about)?);
    Ok(files)
}

/// A cell that begins like a formula gets a leading apostrophe; Parquet holds the values as they are.
fn csv(table: &Table) -> Result<Vec<u8>, csv::Error> {
    let mut bytes = Vec::new();
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut bytes);
    writer.write_record(table.columns.iter().map(|column| column.name))?;
    for row in 0..table.rows() {
        writer.write_record(table.columns.iter().map(|column| column.values.csv(row)))?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

fn parquet(path: &str, table: &Table) -> Result<Vec<u8>, snapshot::TableError> {
    let column = |column: &Column| match &column.values {
        Values::Text(values) => snapshot::texts(column.name, values.iter().map(Option::as_deref)),
        Values::Number(values) => snapshot::integers(column.name, values.iter().copied()),
        Values::Date(values) => snapshot::dates(column.name, values.iter().copied()),
        Values::Time(values) => snapshot::times(column.name, values.iter().copied()),
        Values::Switch(values) => snapshot::optional_switches(column.name, values.iter().copied()),
    };
    snapshot::write_table(path, table.columns.iter().map(column).collect())
}
