//! Runs that were due, and runs that were. A gap longer than a framework allows is a finding in its own right.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{RunNumber, Unseen};

/// When runs were, against when they should have been.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cadence {
    /// The schedule that runs are held against; `None` where nobody named one and no run says when it was due.
    pub schedule: Option<Schedule>,
    /// Runs due in the period; `None` where no schedule was named.
    pub expected: Option<u32>,
    /// Runs that are here, verified, and were due.
    pub met: u32,
    /// Due, and not here.
    pub missed: Vec<MissedRun>,
    /// Runs that the schedule did not ask for.
    pub unscheduled: Vec<RunNumber>,
    /// The longest time without a run that saw the cluster; `None` where no run did.
    pub longest_gap: Option<Gap>,
    /// Periodicities of the frameworks' rows, shortest first.
    pub periodicities: Vec<PeriodicityRow>,
    /// Runs that did not see everything.
    pub partial: Vec<PartialRun>,
}

/// A schedule, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Schedule {
    /// Named when the package was made.
    Given {
        /// Five fields.
        cron: String,
        /// Time zone of the fields.
        time_zone: String,
        /// Seconds after the planned time within which a run counts as this one.
        tolerance_seconds: i64,
    },
    /// Only what the runs themselves say: a run that never began is not known to have been due.
    Statements,
}

/// A run that was due, and is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissedRun {
    /// When it was due.
    pub due: DateTime<Utc>,
    /// A bundle that was excluded and claims to be it.
    pub excluded: Option<String>,
}

/// A time without a run that saw the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The run before; `None` for the beginning of the period.
    pub after: Option<RunNumber>,
    /// The run after; `None` for the end of the period.
    pub before: Option<RunNumber>,
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it ends.
    pub to: DateTime<Utc>,
    /// Its length.
    pub seconds: i64,
}

/// How often a row is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interval {
    /// Continuous or daily: at most a day and two hours.
    Daily,
    /// 7 days and two hours.
    Weekly,
    /// 31 days.
    Monthly,
    /// 92 days.
    Quarterly,
    /// 184 days.
    HalfYearly,
    /// 366 days.
    Yearly,
}

/// Rows of one periodicity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeriodicityRow {
    /// How often.
    pub interval: Interval,
    /// The longest time between two observations that it allows.
    pub allowed_seconds: i64,
    /// Rows of the package that ask for it, as `framework/id`.
    pub requirements: Vec<String>,
    /// Gaps that were longer.
    pub exceeded: Vec<Gap>,
}

/// A run that did not see everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialRun {
    /// The run.
    pub run: RunNumber,
    /// What it did not see.
    pub unseen: Vec<Unseen>,
}
