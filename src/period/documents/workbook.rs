//! `workbook.xlsx`: the tables as sheets with real types. What comes from a cluster is written as text, never as a
//! formula, and keeps being text when somebody edits its cell.

use std::borrow::Cow;

use chrono::{DateTime, NaiveTime, Utc};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::{
    About, DocumentError, Folder,
    tables::{self, FOLDER, PIECE, Table, Values},
};
use crate::{clock::rfc3339, period::model::Period, report::view};

/// Name of the workbook.
const FILE: &str = "workbook.xlsx";

const ABOUT: &str = "About";

/// Rows of a sheet below its header: programs that open it hold all of them in memory.
const MAX_ROWS: usize = 30_000;
/// Characters of a cell; the format allows 32,767.
const MAX_CHARACTERS: usize = 32_000;

struct Formats {
    title: Format,
    head: Format,
    label: Format,
    text: Format,
    guarded: Format,
    number: Format,
    date: Format,
    time: Format,
}

impl Formats {
    fn new() -> Self {
        let top = || Format::new().set_align(FormatAlign::Top);
        Self {
            title: Format::new().set_bold().set_font_size(16),
            head: Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Top).set_background_color("#E8EDF2"),
            label: top().set_bold(),
            text: top().set_text_wrap(),
            guarded: top().set_text_wrap().set_quote_prefix(),
            number: top().set_num_format("#,##0"),
            date: top().set_num_format("yyyy-mm-dd"),
            time: top().set_num_format("yyyy-mm-dd hh:mm:ss"),
        }
    }

    /// The format of a text: one that begins like a formula stays a text when its cell is edited.
    fn of(&self, text: &str) -> &Format {
        if text.starts_with(['=', '+', '-', '@']) { &self.guarded } else { &self.text }
    }
}

/// The workbook.
pub(super) fn write(period: &Period, about: &About, folder: Folder<'_>) -> Result<(), DocumentError> {
    let mut book = Book::new(period, folder)?;
    for table in tables::all(period) {
        book.add(&table)?;
    }
    Ok(folder.put(FILE, &book.finish(period, about)?)?)
}

/// A workbook that grows by one sheet a table.
struct Book {
    workbook: Workbook,
    formats: Formats,
    /// Title, file name, rows and what a row is, of each table so far.
    tables: Vec<(&'static str, &'static str, usize, &'static str)>,
}

impl Book {
    /// With nothing in it but the sheet that will say what it is.
    pub fn new(period: &Period, folder: Folder<'_>) -> Result<Self, XlsxError> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(folder.scratch())?;
        workbook.set_properties(
            &DocProperties::new()
                .set_title(format!("Evidence from {} to {}", period.from, period.to))
                .set_author(format!("kubeproof {}", period.tool_version))
                .set_creation_datetime(&moment(period.made)?),
        );
        workbook.add_worksheet().set_name(ABOUT)?;
        Ok(Self { workbook, formats: Formats::new(), tables: Vec::new() })
    }

    /// Adds a table as a sheet.
    pub fn add(&mut self, table: &Table<'_>) -> Result<(), XlsxError> {
        sheet(self.workbook.add_worksheet_with_low_memory()?, table, &self.formats)?;
        self.tables.push((table.title, table.name, table.rows, table.about));
        Ok(())
    }

    /// The file.
    pub fn finish(mut self, period: &Period, about: &About) -> Result<Vec<u8>, XlsxError> {
        let sheet = self.workbook.worksheet_from_name(ABOUT)?;
        let formats = &self.formats;
        sheet.set_column_width(0, 26)?.set_column_width(1, 12)?.set_column_width(2, 110)?;
        let title = format!("Evidence from {} to {}", period.from, period.to);
        sheet.write_string_with_format(0, 0, title, &formats.title)?;
        sheet.write_string(1, 0, "Facts of the signed package that this file lies in; its readme.md proves them.")?;
        let mut row = 3;
        for (label, value) in facts(period, about) {
            sheet.write_string_with_format(row, 0, label, &formats.label)?;
            sheet.write_string(row, 1, shortened(&value))?;
            row += 1;
        }
        row += 1;
        for (column, title) in (0..).zip(["Sheet", "Rows", "What it holds"]) {
            sheet.write_string_with_format(row, column, title, &formats.head)?;
        }
        for (title, name, rows, about) in self.tables {
            row += 1;
            let more = match rows.saturating_sub(MAX_ROWS) {
                0 => String::new(),
                left => format!(" {left} of them are not in the sheet: {FOLDER}{name}.parquet has all."),
            };
            sheet.write_url_with_text(row, 0, format!("internal:'{title}'!A1").as_str(), title)?;
            sheet.write_number_with_format(row, 1, as_number(rows), &formats.number)?;
            sheet.write_string_with_format(row, 2, format!("{about}{more}"), &formats.text)?;
        }
        sheet.set_landscape().set_print_fit_to_pages(1, 0);
        self.workbook.save_to_buffer()
    }
}

fn facts(period: &Period, about: &About) -> Vec<(&'static str, String)> {
    let list = |list: &[String]| if list.is_empty() { "all".to_owned() } else { list.join(", ") };
    let clusters: Vec<&str> = period.clusters.iter().map(|cluster| cluster.folder.as_str()).collect();
    let frameworks = period.frameworks.iter().map(|f| format!("{} {}", f.id, f.versions.join(", ")));
    let scopes = period.frameworks.iter().map(|f| format!("{}: {}", f.id, f.scope.as_deref().unwrap_or("all of it")));
    vec![
        ("Marking", view::marking(period.confidentiality.as_deref())),
        ("First day (UTC)", period.from.to_string()),
        ("Last day (UTC)", period.to.to_string()),
        ("Made", rfc3339(period.made)),
        ("Made by", format!("kubeproof {}", period.tool_version)),
        ("Bundles from", period.stores.join(", ")),
        ("Bundles used", period.runs().to_string()),
        ("Bundles left out", period.excluded().to_string()),
        ("Clusters", clusters.join(", ")),
        ("Frameworks", frameworks.collect::<Vec<_>>().join("; ")),
        ("Limited to clusters", list(&period.filter.clusters)),
        ("Limited to frameworks", list(&period.filter.frameworks)),
        ("Package limited to scope", period.filter.scope.clone().unwrap_or_else(|| "none".to_owned())),
        ("Scopes of frameworks", scopes.collect::<Vec<_>>().join("; ")),
        ("Key of the bundles", period.key.clone()),
        ("Key of the package", about.signing_key.hex()),
        ("Root of the package", about.root.hex()),
        (
            "Times",
            "UTC, as the runs claim them; bounds name the last run that saw it otherwise and the first that saw it so"
                .to_owned(),
        ),
        ("To prove it", "kubeproof verify PACKAGE --key signing.pub".to_owned()),
    ]
}

/// Row by row: a row that is written leaves the memory.
fn sheet(sheet: &mut Worksheet, table: &Table<'_>, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name(table.title)?.set_freeze_panes(1, 0)?.set_repeat_rows(0, 0)?;
    let rows = table.rows.min(MAX_ROWS);
    for (at, column) in (0_u16..).zip(&table.columns) {
        sheet.set_column_width(at, column.width)?;
        sheet.write_string_with_format(0, at, column.title, &formats.head)?;
    }
    let mut below = 1;
    for start in (0..rows).step_by(PIECE) {
        let piece = start..rows.min(start + PIECE);
        let values: Vec<Values> = table.columns.iter().map(|column| (column.values)(piece.clone())).collect();
        for row in 0..piece.len() {
            for (at, values) in (0_u16..).zip(&values) {
                cell(sheet, (below, at), values, row, formats)?;
            }
            below += 1;
        }
    }
    let last = u16::try_from(table.columns.len().saturating_sub(1)).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, u32::try_from(rows).unwrap_or(u32::MAX), last)?;
    sheet.set_landscape().set_print_fit_to_pages(1, 0);
    Ok(())
}

fn cell(
    sheet: &mut Worksheet,
    (below, at): (u32, u16),
    values: &Values,
    row: usize,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match values {
        Values::Text(values) => {
            if let Some(text) = &values[row] {
                sheet.write_string_with_format(below, at, shortened(text), formats.of(text))?;
            }
        }
        Values::Number(values) => {
            if let Some(number) = values[row] {
                sheet.write_number_with_format(below, at, as_number(number), &formats.number)?;
            }
        }
        Values::Date(values) => {
            if let Some(day) = values[row] {
                sheet.write_datetime_with_format(
                    below,
                    at,
                    moment(day.and_time(NaiveTime::MIN).and_utc())?,
                    &formats.date,
                )?;
            }
        }
        Values::Time(values) => {
            if let Some(time) = values[row] {
                sheet.write_datetime_with_format(below, at, moment(time)?, &formats.time)?;
            }
        }
        Values::Switch(values) => {
            if let Some(yes) = values[row] {
                sheet.write_boolean_with_format(below, at, yes, &formats.text)?;
            }
        }
    }
    Ok(())
}

/// A moment in UTC: spreadsheets know no time zones.
fn moment(at: DateTime<Utc>) -> Result<ExcelDateTime, XlsxError> {
    ExcelDateTime::from_timestamp(at.timestamp())
}

/// Spreadsheets hold numbers as floats: exact below 2^53, which no count here reaches.
#[allow(clippy::cast_precision_loss, reason = "counts and seconds are far below 2^53")]
fn as_number(count: impl TryInto<i64>) -> f64 {
    count.try_into().unwrap_or(i64::MAX) as f64
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => Cow::Owned(format!("{} ... cut here; the table beside this file has the rest", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
