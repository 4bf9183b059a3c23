//! The failures of one run, and how they differ from those of the run before: a join of the two, so that the hundred
//! thousand that stand as they stood are not looked at again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use polars::prelude::{Column, DataFrame, IntoLazy as _, JoinArgs, JoinType, LazyFrame, col};

use super::window::Window;
use crate::{
    digest::Digest,
    evaluate::FindingId,
    snapshot::{Table, TableError},
};

/// Bag path of the table of findings.
pub(super) const FINDINGS: &str = "data/findings.parquet";
/// Columns of the findings that the package needs.
pub(super) const COLUMNS: [&str; 19] = [
    "id",
    "check",
    "severity",
    "outcome",
    "reason",
    "api_version",
    "kind",
    "namespace",
    "name",
    "container",
    "stable_path",
    "observed",
    "expected",
    "message",
    "evidence",
    "requirements",
    "owner",
    "waiver",
    "expected_by",
];
/// What a failure may say otherwise on the next run, and be the same failure.
const SAID: [&str; 8] = ["severity", "observed", "expected", "message", "evidence", "requirements", "owner", "waiver"];

/// Failures of one run; what is expected of the system is none.
#[derive(Debug, Clone)]
pub(super) struct Failures {
    /// Their findings, as they were read.
    findings: Table<'static>,
    index: Index,
}

/// Failures by id, each with what it says as one number, and the row that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Index(DataFrame);

/// What is not as it was.
pub(super) struct Difference {
    /// Failures that are new, or say something else.
    pub(super) new: Table<'static>,
    /// Failures of the run before that are not among those of this one.
    pub(super) gone: Vec<FindingId>,
}

impl Failures {
    /// The failures among findings, as far as they may be shown.
    pub(super) fn of(findings: Table<'static>, window: &Window) -> Result<Self, TableError> {
        let mut chosen = chosen(&findings, window)?;
        let ids = findings.texts("id")?;
        let id = |row: usize| ids[row].parse::<FindingId>().map_err(|e| TableError::row(FINDINGS, row, format!("{e}")));
        let mut rows = chosen.drain(..).map(|row| Ok((id(row)?, row))).collect::<Result<Vec<_>, TableError>>()?;
        rows.sort_unstable();
        if let Some([_, (id, row)]) = rows.array_windows().find(|[(one, _), (other, _)]| one == other) {
            return Err(TableError::row(FINDINGS, *row, format!("a second failure with the id {id}")));
        }
        let said = said(&findings)?;
        let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        let columns = vec![
            Column::new("id".into(), rows.iter().map(|(id, _)| id.number()).collect::<Vec<u64>>()),
            Column::new("said".into(), rows.iter().map(|(_, row)| said[*row]).collect::<Vec<u64>>()),
            Column::new("row".into(), rows.iter().map(|(_, row)| number(*row)).collect::<Vec<u32>>()),
        ];
        let index = DataFrame::new(rows.len(), columns).map_err(TableError::parquet(FINDINGS))?;
        Ok(Self { findings, index: Index(index) })
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.index.0.height() as u64
    }

    /// What the next run is compared with.
    pub(super) fn index(&self) -> Index {
        self.index.clone()
    }

    /// What is not as it was on the run before; all of it where there was none.
    pub(super) fn since(&self, before: Option<&Index>) -> Result<Difference, TableError> {
        let Some(before) = before else {
            let rows = Table::collect(FINDINGS, self.index.lazy().select([col("row")]))?;
            return Ok(Difference { new: self.findings.rows_at(&rows.numbers("row")?)?, gone: Vec::new() });
        };
        let differs = col("said_before").is_null().or(col("said").neq(col("said_before")));
        let new = by_id(self.index.lazy(), before.lazy())
            .filter(differs)
            .select([col("row")])
            .sort(["row"], Default::default());
        let gone = by_id(before.lazy(), self.index.lazy()).filter(col("said_before").is_null()).select([col("id")]);
        let new = Table::collect(FINDINGS, new)?.numbers("row")?;
        let gone = Table::collect(FINDINGS, gone)?.large_numbers("id")?;
        let gone = gone.into_iter().map(FindingId::of_number).collect();
        Ok(Difference { new: self.findings.rows_at(&new)?, gone })
    }
}

impl Index {
    fn lazy(&self) -> LazyFrame {
        self.0.clone().lazy()
    }
}

/// Every row of `left`, with what `right` says of the same id.
fn by_id(left: LazyFrame, right: LazyFrame) -> LazyFrame {
    let right = right.select([col("id"), col("said").alias("said_before")]);
    left.join(right, [col("id")], [col("id")], JoinArgs::new(JoinType::Left))
}

/// Rows that are failures, and may be shown.
fn chosen(findings: &Table<'_>, window: &Window) -> Result<Vec<usize>, TableError> {
    let (outcomes, expected_by) = (findings.texts("outcome")?, findings.optional("expected_by")?);
    let mut rows: Vec<usize> =
        (0..findings.rows()).filter(|row| outcomes[*row] == "fail" && expected_by[*row].is_none()).collect();
    if window.is_narrow() {
        let (kinds, namespaces) = (findings.texts("kind")?, findings.optional("namespace")?);
        let (names, places) = (findings.texts("name")?, findings.texts("stable_path")?);
        let evidence = findings.texts("evidence")?;
        rows.retain(|row| {
            let cited = objects_of(evidence[*row]).map(|(resource, _)| resource);
            window.shows_failure((kinds[*row], namespaces[*row], names[*row]), places[*row], cited)
        });
    }
    Ok(rows)
}

/// `Deployment/shop/cart sha256:…; …`, as the table of findings writes evidence.
pub(super) fn objects_of(evidence: &str) -> impl Iterator<Item = (&str, Digest)> {
    evidence.split("; ").filter_map(|item| {
        let (resource, digest) = item.rsplit_once(' ')?;
        Some((resource, digest.parse().ok()?))
    })
}

/// What every finding says, as one number: column after column, so that one of them is held at a time.
fn said(findings: &Table<'_>) -> Result<Vec<u64>, TableError> {
    let mut hashers = vec![DefaultHasher::new(); findings.rows()];
    for column in SAID {
        for (hasher, text) in hashers.iter_mut().zip(findings.optional(column)?) {
            text.hash(hasher);
        }
    }
    Ok(hashers.into_iter().map(|hasher| hasher.finish()).collect())
}
