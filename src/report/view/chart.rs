//! Exceptions over time: one column a week, or one a run where there is less than that to show.

use chrono::{Datelike, Duration, NaiveDate};
use serde::Serialize;

use super::words;
use crate::report::HistoryLine;

/// Columns that fit on the page.
const COLUMNS: usize = 13;

/// Exceptions by week or by run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// What it shows, for readers who cannot see it.
    pub alt: String,
    /// In order of time.
    pub columns: Vec<Column>,
    /// Said beside the key.
    pub note: String,
}

/// One week or one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Critical exceptions, in thousandths of the chart's height.
    pub critical: u64,
    /// High exceptions, in thousandths of the chart's height.
    pub high: u64,
    /// Count above the column; `–` where there was no run.
    pub total: String,
    /// Date below it.
    pub label: String,
}

struct Point<'a> {
    label: String,
    line: Option<&'a HistoryLine>,
}

/// `None` where there is nothing to compare yet.
pub fn chart(history: &[HistoryLine]) -> Option<Chart> {
    let own = history.last()?;
    // Two columns are no course: what changed since the last run says more.
    if history.len() < 3 {
        return None;
    }
    let weeks = weeks(history, own);
    let by_week = weeks.iter().filter(|p| p.line.is_some()).count() > 1;
    let points = if by_week { weeks } else { runs(history) };
    let total = |line: &HistoryLine| line.exceptions.critical + line.exceptions.high;
    let most = points.iter().filter_map(|p| p.line.map(total)).max().unwrap_or(0).max(1);
    let columns = points.iter().map(|p| column(p, most)).collect();
    let missed = points.iter().filter(|p| p.line.is_none()).count() as u64;
    let (one, many) = if by_week { ("week", "weeks") } else { ("run", "runs") };
    let span = words::count(points.len() as u64, one, many);
    let ends = format!(
        "from {} on {} to {} on {}",
        points.iter().find_map(|p| p.line).map_or(0, total),
        points.iter().find(|p| p.line.is_some()).map_or("", |p| p.label.as_str()),
        total(own),
        points.last().map_or("", |p| p.label.as_str()),
    );
    let gaps = match missed {
        0 => String::new(),
        n => format!("; no run in {}", words::count(n, "week", "weeks")),
    };
    Some(Chart {
        title: format!("Critical and high exceptions, last {span}"),
        alt: format!("Columns for {span}: critical and high exceptions {ends}{gaps}."),
        columns,
        note: if by_week {
            format!("the last run of each week, weeks begin on Monday{gaps}")
        } else {
            "one column a run".into()
        },
    })
}

fn column(point: &Point<'_>, most: u64) -> Column {
    let counts = point.line.map(|l| (l.exceptions.critical, l.exceptions.high));
    let (critical, high) = counts.unwrap_or_default();
    Column {
        critical: critical * 1000 / most,
        high: high * 1000 / most,
        total: counts.map_or_else(|| "–".into(), |(c, h)| words::number(c + h)),
        label: point.label.clone(),
    }
}

fn monday(date: NaiveDate) -> NaiveDate {
    date - Duration::days(i64::from(date.weekday().num_days_from_monday()))
}

/// The last run of each week, from the first week with a run (at most [`COLUMNS`] back) to this run's.
fn weeks<'a>(history: &'a [HistoryLine], own: &HistoryLine) -> Vec<Point<'a>> {
    let last = monday(own.finished.date_naive());
    let mut points: Vec<Point<'a>> = (0..COLUMNS as i64)
        .rev()
        .map(|back| {
            let week = last - Duration::weeks(back);
            let line = history.iter().rev().find(|l| monday(l.finished.date_naive()) == week);
            Point { label: week.format("%-d %b").to_string(), line }
        })
        .collect();
    let first = points.iter().position(|p| p.line.is_some()).unwrap_or(0);
    points.drain(..first);
    points
}

fn runs(history: &[HistoryLine]) -> Vec<Point<'_>> {
    let from = history.len().saturating_sub(COLUMNS);
    history[from..].iter().map(|l| Point { label: l.finished.format("%-d %b").to_string(), line: Some(l) }).collect()
}
