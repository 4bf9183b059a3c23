//! The runs by which a day is known. A run is a moment: what lies between two of them was seen by neither.

use chrono::NaiveDate;

use super::model::{ClusterPeriod, Run};

/// Runs on a day and around it, by the time at which they say that they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day<'a> {
    /// The last run before the day.
    pub before: Option<&'a Run>,
    /// Runs of the day itself, in order of time.
    pub on: Vec<&'a Run>,
    /// The first run after the day.
    pub after: Option<&'a Run>,
}

impl<'a> Day<'a> {
    /// Of a day in UTC.
    pub fn of(cluster: &'a ClusterPeriod, day: NaiveDate) -> Self {
        let day_of = |run: &Run| run.finished.date_naive();
        let mut on: Vec<&Run> = cluster.runs.iter().filter(|run| day_of(run) == day).collect();
        on.sort_by_key(|run| (run.finished, run.number));
        let before = cluster.runs.iter().filter(|run| day_of(run) < day).max_by_key(|run| (run.finished, run.number));
        let after = cluster.runs.iter().filter(|run| day_of(run) > day).min_by_key(|run| (run.finished, run.number));
        Self { before, on, after }
    }

    /// The runs that tell of the day: its own, else the one before and the one after it.
    pub fn told_by(&self) -> Vec<&'a Run> {
        if self.on.is_empty() { self.before.into_iter().chain(self.after).collect() } else { self.on.clone() }
    }
}
