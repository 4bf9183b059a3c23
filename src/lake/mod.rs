//! The lake: what a verified bundle says, as tables that Spark, Trino and DuckDB read unchanged.
//!
//! Every table comes from the files of one bundle and from nothing else, so that a run, its retry and the next run's
//! repair write the same bytes. Rows say which bundle and which entry of the log they are from: the bundle is the
//! evidence, the lake a copy to ask questions of. Types are those that every engine has: texts, switches, signed 64-bit
//! numbers and microseconds in UTC; lists stand as JSON texts.

mod changes;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use polars::prelude::Column;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    bundle::{Predicate, seal::EVALUATION},
    digest::Digest,
    drift::Drift,
    evaluate::{FrameworkResult, RequirementResult},
    report::History,
    snapshot::{self, TableError},
};

/// The table with one row for each run, written last: where it is, the other tables of the run are too.
pub const RUNS: &str = "runs";

const DRIFT: &str = "data/drift.json";
const HISTORY: &str = "data/history.json";

/// Tables that a bundle has as Parquet: name in the lake, file in the bag, and the columns taken, empty for all.
const COPIED: [(&str, &str, &[&str]); 5] = [
    ("findings", "data/findings.parquet", &[]),
    ("grants", "data/snapshot/grants.parquet", &[]),
    ("images", "data/snapshot/images.parquet", &[]),
    ("nodes", "data/snapshot/nodes.parquet", &[]),
    (
        "objects",
        "data/snapshot/objects.parquet",
        &["group", "version", "kind", "resource", "namespace", "name", "uid", "digest"],
    ),
];

/// A bundle that is proved, and where the log holds it.
#[derive(Clone, Copy)]
pub struct Source<'a, B> {
    /// The bundle's id.
    pub bundle: Digest,
    /// Index of its entry in the log.
    pub index: u64,
    /// What its statement says.
    pub predicate: &'a Predicate,
    /// Its files, by bag path.
    pub files: &'a BTreeMap<String, B>,
}

/// One table of one run.
pub struct LakeFile {
    /// Name of the table, and of its folder.
    pub table: &'static str,
    /// Rows.
    pub rows: u64,
    /// Parquet.
    pub bytes: Vec<u8>,
}

/// A bundle that gives no tables.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// A file is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A file that this version cannot read.
    #[error("{file}: {source}")]
    Json {
        /// Bag path.
        file: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A table that cannot be read or written.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// What is needed of `data/evaluation.json`: the findings are a table already.
#[derive(Deserialize)]
struct Judged {
    requirements: Vec<RequirementResult>,
    frameworks: Vec<FrameworkResult>,
}

/// All tables of a run, [`RUNS`] last.
///
/// # Errors
/// Files of the bundle that are missing, or that this version cannot read.
pub fn tables<B: AsRef<[u8]>>(source: &Source<'_, B>) -> Result<Vec<LakeFile>, LakeError> {
    let mut files = COPIED.map(|copied| copy(source, copied)).into_iter().collect::<Result<Vec<_>, _>>()?;
    files.push(requirements(source, &source.json(EVALUATION)?)?);
    files.push(changes::table(source, &source.json::<Drift>(DRIFT)?)?);
    let history: History = source.json(HISTORY)?;
    let rows: BTreeMap<&str, u64> = files.iter().map(|file| (file.table, file.rows)).collect();
    files.push(run::table(source, history.runs.last(), &rows)?);
    Ok(files)
}

impl<B: AsRef<[u8]>> Source<'_, B> {
    fn file(&self, name: &'static str) -> Result<&[u8], LakeError> {
        self.files.get(name).map(AsRef::as_ref).ok_or(LakeError::Missing(name))
    }

    fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, LakeError> {
        serde_json::from_slice(self.file(name)?).map_err(|source| LakeError::Json { file: name, source })
    }

    /// What stands first in each of `rows` rows: how it walks back, and when it was.
    fn origin(&self, rows: usize) -> Vec<Column> {
        let (bundle, index) = (self.bundle.hex(), i64::try_from(self.index).unwrap_or(i64::MAX));
        vec![
            snapshot::texts("bundle", std::iter::repeat_n(Some(bundle.as_str()), rows)),
            snapshot::integers("log_index", std::iter::repeat_n(Some(index), rows)),
            snapshot::times("finished", std::iter::repeat_n(Some(self.predicate.run.finished), rows)),
        ]
    }

    /// A table of rows that no file of the bundle has as Parquet.
    fn table<T>(
        &self,
        table: &'static str,
        rows: &[T],
        columns: impl Fn(&[T]) -> Vec<Column>,
    ) -> Result<LakeFile, LakeError> {
        let all = |rows: &[T]| self.origin(rows.len()).into_iter().chain(columns(rows)).collect();
        let bytes = snapshot::write_rows(table, rows, all)?;
        Ok(LakeFile { table, rows: rows.len() as u64, bytes })
    }
}

/// A table of the bundle, with where it comes from.
fn copy<B: AsRef<[u8]>>(
    source: &Source<'_, B>,
    (table, file, columns): (&'static str, &'static str, &[&str]),
) -> Result<LakeFile, LakeError> {
    let bytes = source.file(file)?;
    let read = match columns {
        [] => snapshot::read_table(file, bytes)?,
        some => snapshot::read_columns(file, bytes, some)?,
    };
    let rows = read.rows() as u64;
    Ok(LakeFile { table, rows, bytes: read.write_after(|rows| source.origin(rows))? })
}

fn requirements<B: AsRef<[u8]>>(source: &Source<'_, B>, judged: &Judged) -> Result<LakeFile, LakeError> {
    let scope = |row: &RequirementResult| {
        let framework = judged.frameworks.iter().find(|f| f.id == row.framework && f.version == row.version);
        framework?.scope.clone()
    };
    source.table("requirements", &judged.requirements, |rows| {
        vec![
            text("framework", rows, |r| Some(&r.framework)),
            text("version", rows, |r| Some(&r.version)),
            made("scope", rows, scope),
            text("id", rows, |r| Some(&r.id)),
            made("status", rows, |r| word(r.status)),
            made("coverage", rows, |r| word(r.coverage)),
            made("decides", rows, |r| Some(r.decides.join(" "))),
            made("supports", rows, |r| Some(r.supports.join(" "))),
            text("reason", rows, |r| r.reason.as_deref()),
            count("failures", rows, |r| Some(r.failures)),
            count("waived", rows, |r| Some(r.waived)),
            text("attestation", rows, |r| r.attestation.as_deref()),
            text("company_control", rows, |r| r.company_control.as_deref()),
            text("owner", rows, |r| r.owner.as_deref()),
        ]
    })
}

fn text<T>(name: &str, rows: &[T], get: impl Fn(&T) -> Option<&str>) -> Column {
    snapshot::texts(name, rows.iter().map(get))
}

/// Texts that are made for the table.
fn made<T>(name: &str, rows: &[T], get: impl Fn(&T) -> Option<String>) -> Column {
    let texts: Vec<Option<String>> = rows.iter().map(get).collect();
    snapshot::texts(name, texts.iter().map(Option::as_deref))
}

/// A word of a closed set, as JSON spells it.
fn word(value: impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// Numbers that an engine without unsigned ones can hold.
fn count<T>(name: &str, rows: &[T], get: impl Fn(&T) -> Option<u64>) -> Column {
    snapshot::integers(name, rows.iter().map(|row| get(row).map(|n| i64::try_from(n).unwrap_or(i64::MAX))))
}
