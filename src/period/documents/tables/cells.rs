//! From rows of the model to columns of a table, and the model's values in words.

use std::rc::Rc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{Column, Table, Values};
use crate::period::model::{Bounds, Cited, ClusterPeriod, RunNumber, WrittenBy};

/// How a column takes its values from the rows `R` of the model.
pub(super) struct From<R> {
    name: &'static str,
    title: &'static str,
    width: u16,
    value: Value<R>,
}

enum Value<R> {
    Text(fn(&R) -> Option<String>),
    Number(fn(&R) -> Option<i64>),
    Date(fn(&R) -> Option<NaiveDate>),
    Time(fn(&R) -> Option<DateTime<Utc>>),
    Switch(fn(&R) -> Option<bool>),
}

impl<R> Value<R> {
    fn of(&self, rows: &[R]) -> Values {
        match self {
            Self::Text(value) => {
                Values::Text(rows.iter().map(|row| value(row).filter(|text| !text.is_empty())).collect())
            }
            Self::Number(value) => Values::Number(rows.iter().map(value).collect()),
            Self::Date(value) => Values::Date(rows.iter().map(value).collect()),
            Self::Time(value) => Values::Time(rows.iter().map(value).collect()),
            Self::Switch(value) => Values::Switch(rows.iter().map(value).collect()),
        }
    }
}

/// A column of texts.
pub(super) fn text<R>(name: &'static str, title: &'static str, width: u16, value: fn(&R) -> Option<String>) -> From<R> {
    From { name, title, width, value: Value::Text(value) }
}

/// A column of whole numbers.
pub(super) fn number<R>(name: &'static str, title: &'static str, value: fn(&R) -> Option<i64>) -> From<R> {
    From { name, title, width: 12, value: Value::Number(value) }
}

/// A column of days.
pub(super) fn date<R>(name: &'static str, title: &'static str, value: fn(&R) -> Option<NaiveDate>) -> From<R> {
    From { name, title, width: 12, value: Value::Date(value) }
}

/// A column of moments.
pub(super) fn time<R>(name: &'static str, title: &'static str, value: fn(&R) -> Option<DateTime<Utc>>) -> From<R> {
    From { name, title, width: 20, value: Value::Time(value) }
}

/// A column of yes and no.
pub(super) fn switch<R>(name: &'static str, title: &'static str, value: fn(&R) -> Option<bool>) -> From<R> {
    From { name, title, width: 10, value: Value::Switch(value) }
}

/// A table of these rows.
pub(super) fn table<'a, R: 'a>(
    (name, title, about): (&'static str, &'static str, &'static str),
    rows: impl Iterator<Item = R>,
    columns: Vec<From<R>>,
) -> Table<'a> {
    let rows: Rc<[R]> = rows.collect();
    let column = |from: From<R>| {
        let From { name, title, width, value } = from;
        let rows = Rc::clone(&rows);
        Column { name, title, width, values: Box::new(move |range| value.of(&rows[range])) }
    };
    Table { name, title, about, rows: rows.len(), columns: columns.into_iter().map(column).collect() }
}

/// The name that a closed set of values has in `data/period.json` (`object-changed`).
pub(super) fn named(value: &impl Serialize) -> Option<String> {
    Some(serde_json::to_value(value).ok()?.as_str()?.to_owned())
}

/// A count.
pub(super) fn count(value: impl TryInto<i64>) -> Option<i64> {
    value.try_into().ok()
}

/// Seconds as days, to the nearest.
pub(super) fn days(seconds: i64) -> Option<i64> {
    Some((seconds + 43_200) / 86_400)
}

/// End of collection of a run.
pub(super) fn finished(cluster: &ClusterPeriod, run: RunNumber) -> Option<DateTime<Utc>> {
    Some(cluster.run(run)?.finished)
}

/// End of collection of the run before a change, where there was one.
pub(super) fn after(cluster: &ClusterPeriod, bounds: Option<Bounds>) -> Option<DateTime<Utc>> {
    finished(cluster, bounds?.after?)
}

/// End of collection of the run that saw a change.
pub(super) fn by(cluster: &ClusterPeriod, bounds: Option<Bounds>) -> Option<DateTime<Utc>> {
    finished(cluster, bounds?.by)
}

/// Several things in one cell.
pub(super) fn joined<T>(values: &[T], one: impl Fn(&T) -> String) -> Option<String> {
    Some(values.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// Objects by name, run and digest, to be walked to.
pub(super) fn cited(evidence: &[Cited]) -> Option<String> {
    joined(evidence, |cited| format!("{} run {} {}", cited.resource, cited.run, cited.digest))
}

/// The audit trails that writers are named by.
pub(super) fn trails(cluster: &ClusterPeriod, writers: &[&[WrittenBy]]) -> Option<String> {
    let cites: Vec<&Cited> = cluster.trails_of(writers.iter().copied().flatten()).collect();
    joined(&cites, |cited| format!("{} run {} {}", cited.resource, cited.run, cited.digest))
}

/// Who wrote, how and when.
pub(super) fn writers(written: &[WrittenBy]) -> Option<String> {
    joined(written, |by| {
        let how = match by {
            WrittenBy::ManagedFields { operation, .. } => operation.clone(),
            WrittenBy::AuditLog { verb, .. } => format!("{verb}, audit log"),
        };
        format!("{} ({how}) {}", by.who(), crate::clock::rfc3339(by.time()))
    })
}
