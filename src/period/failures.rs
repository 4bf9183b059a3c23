//! The failures of one run as a table, and how they differ from those of the run before: a join of the two, so that the
//! hundred thousand that stand as they stood cost nothing further.

use polars::prelude::{Expr, JoinArgs, JoinType, LazyFrame, col, lit};

use super::window::Window;
use crate::snapshot::{Table, TableError};

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
/// What the join appends to columns of the run before.
const BEFORE: &str = "_before";

/// Failures of one run; what is expected of the system is none.
#[derive(Debug, Clone)]
pub(super) struct Failures(Table<'static>);

/// What is not as it was.
pub(super) struct Difference {
    /// Failures that are new, or say something else.
    pub(super) new: Table<'static>,
    /// Failures of the run before that are not among those of this one.
    pub(super) gone: Table<'static>,
}

impl Failures {
    /// The failures among findings, as far as they may be shown.
    pub(super) fn of(findings: &Table<'static>, window: &Window) -> Result<Self, TableError> {
        let fails = col("outcome").eq(lit("fail")).and(col("expected_by").is_null());
        let failures = Table::collect(FINDINGS, findings.lazy().filter(fails))?;
        let different = Table::collect(FINDINGS, failures.lazy().select([col("id").n_unique()]))?.numbers("id")?;
        if different.first().copied().map(usize::try_from) != Some(Ok(failures.rows())) {
            return Err(TableError::row(FINDINGS, 0, "two failures have one id"));
        }
        if !window.is_narrow() {
            return Ok(Self(failures));
        }
        let (kinds, namespaces) = (failures.texts("kind")?, failures.optional("namespace")?);
        let names = failures.texts("name")?;
        let rows = kinds.into_iter().zip(namespaces).zip(names);
        let shown: Vec<bool> = rows.map(|((kind, namespace), name)| window.shows(kind, namespace, name)).collect();
        failures.keep(&shown).map(Self)
    }

    /// All of them.
    pub(super) fn table(&self) -> &Table<'static> {
        &self.0
    }

    /// What is not as it was on the run before.
    pub(super) fn since(&self, before: &Self) -> Result<Difference, TableError> {
        let mut known = vec![col("id"), lit(true).alias("known")];
        known.extend(SAID.map(col));
        let known = before.0.lazy().select(known);
        let differs = SAID.map(|column| col(column).neq_missing(col(format!("{column}{BEFORE}"))));
        let differs = differs.into_iter().fold(col("known").is_null(), Expr::or);
        let new = by_id(self.0.lazy(), known).filter(differs).select(COLUMNS.map(col));
        let here = self.0.lazy().select([col("id"), lit(true).alias("here")]);
        let gone = by_id(before.0.lazy().select([col("id")]), here).filter(col("here").is_null()).select([col("id")]);
        Ok(Difference { new: Table::collect(FINDINGS, new)?, gone: Table::collect(FINDINGS, gone)? })
    }
}

/// Every row of `left`, with what `right` has of the same id.
fn by_id(left: LazyFrame, right: LazyFrame) -> LazyFrame {
    left.join(right, [col("id")], [col("id")], JoinArgs::new(JoinType::Left).with_suffix(Some(BEFORE.into())))
}
