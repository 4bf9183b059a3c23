//! Tables as Parquet: the one place that knows polars' reader and writer, and collects its lazy queries.
//!
//! The same rows give the same bytes, with one thread or many: rows come sorted by a total key, every column is one
//! chunk, and the eager writer runs with a fixed compression and row-group size and without statistics.

use std::{io::Cursor, ops::Range, panic};

use chrono::{DateTime, NaiveDate, Utc};
use polars::prelude::{
    Column, DataFrame, DataType, IdxCa, Int64Chunked, IntoColumn as _, IntoLazy as _, LazyFrame, NewChunkedArray as _,
    ParquetCompression, ParquetReader, ParquetWriter, PolarsError, SerReader as _, StatisticsOptions, TimeUnit,
    TimeZone,
};
use polars_parquet_format::{PageHeader, thrift::protocol::TCompactInputProtocol};

use crate::digest::Digest;

/// Rows of a row group: small enough to read a big table piece by piece.
pub(crate) const ROW_GROUP: usize = 16_384;
/// Greatest size of a table's file.
const MAX_BYTES: usize = 1 << 30;
/// Greatest number of rows.
const MAX_ROWS: usize = 20_000_000;
/// Greatest size after decompression, as the file itself states it.
const MAX_UNPACKED: usize = 8 << 30;
/// Greatest size of a page's header; ours have some 30 bytes.
const MAX_PAGE_HEADER: usize = 1 << 16;

/// What is wrong with a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A table is missing.
    #[error("{0} is missing from the snapshot")]
    Missing(String),
    /// The file, its rows or its content are beyond the limits.
    #[error("{table} is too large ({what}): refusing to read it")]
    TooLarge {
        /// Path of the table.
        table: String,
        /// Which limit.
        what: &'static str,
    },
    /// Not readable as Parquet, or not writable.
    #[error("{table}: {source}")]
    Parquet {
        /// Path of the table.
        table: String,
        /// polars' reason.
        source: Box<PolarsError>,
    },
    /// A page states what its row group cannot hold, or the Parquet reader gave up.
    #[error("{table} is damaged ({what}): refusing to read it")]
    Damaged {
        /// Path of the table.
        table: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A value that must be there is not, or is not what its column holds.
    #[error("{table}, row {row}: {what}")]
    Row {
        /// Path of the table.
        table: String,
        /// Row, from 0.
        row: usize,
        /// What is wrong.
        what: String,
    },
    /// An object's text does not have the digest that stands beside it.
    #[error("{object} has digest {actual}, but the snapshot says {stored}")]
    Digest {
        /// The object.
        object: String,
        /// Digest in the table.
        stored: Digest,
        /// Digest of its text.
        actual: Digest,
    },
}

impl TableError {
    pub(crate) fn row(table: &str, row: usize, what: impl Into<String>) -> Self {
        Self::Row { table: table.to_owned(), row, what: what.into() }
    }

    pub(crate) fn parquet(table: &str) -> impl FnOnce(PolarsError) -> Self + '_ {
        move |source| Self::Parquet { table: table.to_owned(), source: Box::new(source) }
    }
}

/// Writes a table; the rows are sorted already.
pub(crate) fn write(table: &str, columns: Vec<Column>) -> Result<Vec<u8>, TableError> {
    let mut frame = DataFrame::new_infer_height(columns).map_err(TableError::parquet(table))?;
    let mut bytes = Vec::new();
    writer(&mut bytes).finish(&mut frame).map_err(TableError::parquet(table))?;
    Ok(bytes)
}

fn writer(bytes: &mut Vec<u8>) -> ParquetWriter<&mut Vec<u8>> {
    ParquetWriter::new(bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::empty())
        .with_row_group_size(Some(ROW_GROUP))
        .with_data_page_size(Some(1 << 20))
}

/// Writes a table of many rows, one row group at a time: `columns` makes those of some of the rows.
pub(crate) fn write_rows<T>(
    table: &str,
    rows: &[T],
    columns: impl Fn(&[T]) -> Vec<Column>,
) -> Result<Vec<u8>, TableError> {
    write_pieces(table, rows.len(), |range| columns(&rows[range]))
}

/// The same of rows that are known by their number.
pub(crate) fn write_pieces(
    table: &str,
    rows: usize,
    columns: impl Fn(Range<usize>) -> Vec<Column>,
) -> Result<Vec<u8>, TableError> {
    let write = || {
        let mut bytes = Vec::new();
        let frame = |rows: Range<usize>| DataFrame::new_infer_height(columns(rows));
        let mut batches = writer(&mut bytes).batched(frame(0..0)?.schema())?;
        for start in (0..rows).step_by(ROW_GROUP) {
            batches.write_batch(&frame(start..rows.min(start + ROW_GROUP))?)?;
        }
        batches.finish()?;
        Ok(bytes)
    };
    write().map_err(TableError::parquet(table))
}

/// A column of texts, `None` for null.
pub(crate) fn texts<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<_>>())
}

/// A column of days, `None` for null.
pub(crate) fn dates(name: &str, values: impl Iterator<Item = Option<NaiveDate>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<_>>())
}

/// A column of counts.
pub(crate) fn numbers(name: &str, values: impl Iterator<Item = u32>) -> Column {
    Column::new(name.into(), values.collect::<Vec<_>>())
}

/// A column of switches, `None` for null.
pub(crate) fn optional_switches(name: &str, values: impl Iterator<Item = Option<bool>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<_>>())
}

/// A column of switches.
pub(crate) fn switches(name: &str, values: impl Iterator<Item = bool>) -> Column {
    Column::new(name.into(), values.collect::<Vec<_>>())
}

/// A column of whole numbers, `None` for null: some query engines have no unsigned numbers.
pub(crate) fn integers(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    Int64Chunked::from_iter_options(name.into(), values).into_column()
}

/// A column of moments, `None` for null: microseconds, UTC.
pub(crate) fn times(name: &str, values: impl Iterator<Item = Option<DateTime<Utc>>>) -> Column {
    let micros = values.map(|value| value.map(|time| time.timestamp_micros()));
    Int64Chunked::from_iter_options(name.into(), micros)
        .into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
        .into_column()
}

/// A table that was read, with typed access by column.
#[derive(Debug, Clone)]
pub(crate) struct Table<'a> {
    name: &'a str,
    frame: DataFrame,
}

/// Reads a table from bytes that nobody vouches for.
pub(crate) fn read<'a>(table: &'a str, bytes: &[u8]) -> Result<Table<'a>, TableError> {
    read_some(table, bytes, None, true)
}

/// Reads some columns of a table; the others are never unpacked, and row groups are not copied into one.
pub(crate) fn read_columns<'a>(table: &'a str, bytes: &[u8], columns: &[&str]) -> Result<Table<'a>, TableError> {
    read_some(table, bytes, Some(columns.iter().map(|column| (*column).to_owned()).collect()), false)
}

/// polars answers some damaged files with a panic: it is caught here, at the boundary, and becomes an error.
fn read_some<'a>(
    table: &'a str,
    bytes: &[u8],
    columns: Option<Vec<String>>,
    whole: bool,
) -> Result<Table<'a>, TableError> {
    let too_large = |what| TableError::TooLarge { table: table.to_owned(), what };
    let damaged = |what| TableError::Damaged { table: table.to_owned(), what };
    if bytes.len() > MAX_BYTES {
        return Err(too_large("file"));
    }
    let parse = || {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let metadata = reader.get_metadata().map_err(TableError::parquet(table))?;
        let unpacked = metadata.row_groups.iter().fold(0_usize, |sum, g| sum.saturating_add(g.total_byte_size()));
        if metadata.num_rows > MAX_ROWS {
            return Err(too_large("rows"));
        }
        if unpacked > MAX_UNPACKED {
            return Err(too_large("content"));
        }
        for group in &metadata.row_groups {
            let columns = group.parquet_columns().iter().map(|column| column.byte_range());
            pages_fit(bytes, columns, group.num_rows(), group.total_byte_size()).map_err(damaged)?;
        }
        reader.with_columns(columns).set_rechunk(whole).finish().map_err(TableError::parquet(table))
    };
    let frame = panic::catch_unwind(panic::AssertUnwindSafe(parse))
        .map_err(|_| damaged("the Parquet reader could not go on"))??;
    Ok(Table { name: table, frame })
}

/// Holds what the pages of a row group state against the row group: `rows`, and `unpacked` bytes.
///
/// polars reserves memory for as many values as a page states, and a reservation that fails ends the process.
fn pages_fit(
    bytes: &[u8],
    columns: impl Iterator<Item = Range<u64>>,
    rows: usize,
    unpacked: usize,
) -> Result<(), &'static str> {
    let mut left = unpacked;
    for column in columns {
        let range = usize::try_from(column.start).ok().zip(usize::try_from(column.end).ok());
        let mut pages = range.and_then(|(start, end)| bytes.get(start..end)).ok_or("a column lies outside the file")?;
        while !pages.is_empty() {
            let mut protocol = TCompactInputProtocol::new(&mut pages, MAX_PAGE_HEADER);
            let header = PageHeader::read_from_in_protocol(&mut protocol).map_err(|_| "a page has no header")?;
            let data = header.data_page_header.as_ref().map(|h| h.num_values);
            let data_v2 = header.data_page_header_v2.as_ref().map(|h| [h.num_values, h.num_nulls, h.num_rows]);
            let dictionary = header.dictionary_page_header.as_ref().map(|h| h.num_values);
            let mut stated = data.into_iter().chain(data_v2.into_iter().flatten()).chain(dictionary);
            if !stated.all(|n| usize::try_from(n).is_ok_and(|n| n <= rows)) {
                return Err("a page states more values than its row group has rows");
            }
            left = usize::try_from(header.uncompressed_page_size)
                .ok()
                .and_then(|size| left.checked_sub(size))
                .ok_or("a page states more bytes than its row group")?;
            pages = usize::try_from(header.compressed_page_size)
                .ok()
                .and_then(|size| pages.get(size..))
                .ok_or("a page ends beyond its column")?;
        }
    }
    Ok(())
}

impl<'a> Table<'a> {
    /// The answer to a query.
    pub(crate) fn collect(name: &'a str, query: LazyFrame) -> Result<Self, TableError> {
        Ok(Self { name, frame: query.collect().map_err(TableError::parquet(name))? })
    }

    /// The rows of these numbers, in that order.
    pub(crate) fn rows_at(&self, rows: &[u32]) -> Result<Self, TableError> {
        let frame =
            self.frame.take(&IdxCa::from_vec("rows".into(), rows.to_vec())).map_err(TableError::parquet(self.name))?;
        Ok(Self { name: self.name, frame })
    }
}

impl Table<'_> {
    /// The start of a query. Columns are shared, not copied.
    pub(crate) fn lazy(&self) -> LazyFrame {
        self.frame.clone().lazy()
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.frame.height()
    }

    /// The same rows written again, after the columns that `before` makes for so many of them; counts become signed.
    pub(crate) fn write_after(self, before: impl FnOnce(usize) -> Vec<Column>) -> Result<Vec<u8>, TableError> {
        let mut columns = before(self.frame.height());
        for column in self.frame.into_columns() {
            columns.push(match column.dtype() {
                DataType::UInt32 => column.cast(&DataType::Int64).map_err(TableError::parquet(self.name))?,
                _ => column,
            });
        }
        write(self.name, columns)
    }

    /// A column of texts that may be null.
    pub(crate) fn optional(&self, column: &str) -> Result<Vec<Option<&str>>, TableError> {
        let error = TableError::parquet(self.name);
        let texts = self.frame.column(column).and_then(Column::str).map_err(error)?;
        Ok(texts.iter().collect())
    }

    /// A column of texts, none of which is null.
    pub(crate) fn texts(&self, column: &str) -> Result<Vec<&str>, TableError> {
        let required = |(row, text): (usize, Option<_>)| {
            text.ok_or_else(|| TableError::row(self.name, row, format!("{column} is empty")))
        };
        self.optional(column)?.into_iter().enumerate().map(required).collect()
    }

    /// A column of counts.
    pub(crate) fn numbers(&self, column: &str) -> Result<Vec<u32>, TableError> {
        let numbers = self.frame.column(column).and_then(Column::u32).map_err(TableError::parquet(self.name))?;
        let required = |(row, n): (usize, Option<u32>)| {
            n.ok_or_else(|| TableError::row(self.name, row, format!("{column} is empty")))
        };
        numbers.iter().enumerate().map(required).collect()
    }

    /// A column of large numbers.
    pub(crate) fn large_numbers(&self, column: &str) -> Result<Vec<u64>, TableError> {
        let numbers = self.frame.column(column).and_then(Column::u64).map_err(TableError::parquet(self.name))?;
        let required = |(row, n): (usize, Option<u64>)| {
            n.ok_or_else(|| TableError::row(self.name, row, format!("{column} is empty")))
        };
        numbers.iter().enumerate().map(required).collect()
    }

    /// A column of switches.
    pub(super) fn switches(&self, column: &str) -> Result<Vec<bool>, TableError> {
        let switches = self.frame.column(column).and_then(Column::bool).map_err(TableError::parquet(self.name))?;
        let required = |(row, b): (usize, Option<bool>)| {
            b.ok_or_else(|| TableError::row(self.name, row, format!("{column} is empty")))
        };
        switches.iter().enumerate().map(required).collect()
    }
}
