//! Several clusters side by side. All of it follows from the clusters: whoever verifies computes it again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{evaluate::Status, framework::Severity};

/// Clusters against each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The clusters, in the order of [`super::Period::clusters`].
    pub clusters: Vec<ComparedCluster>,
    /// Every requirement that some cluster has a row of, by framework and in its order.
    pub requirements: Vec<ComparedRequirement>,
}

/// One cluster in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedCluster {
    /// Folder in the store.
    pub folder: String,
    /// `production`, `staging`, ...
    pub environment: Option<String>,
    /// Verified runs.
    pub runs: u32,
    /// Bundles that were left out.
    pub excluded: u32,
    /// End of its first run.
    pub first: Option<DateTime<Utc>>,
    /// End of its last run.
    pub last: Option<DateTime<Utc>>,
    /// Version of the API server on the last run that saw it.
    pub kubernetes: Option<String>,
    /// Runs due and missing; `None` where no schedule was named.
    pub missed: Option<u32>,
    /// Seconds of the longest time without a run that saw the cluster.
    pub longest_gap_seconds: Option<i64>,
    /// Exceptions by severity, worst first; severities without one are left out.
    pub exceptions: Vec<ComparedExceptions>,
    /// Subjects with powers that lead further, held on the last run that could see them.
    pub privileged: u32,
    /// Members of its population that its last run saw.
    pub population: u32,
}

/// Exceptions of one severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedExceptions {
    /// Severity.
    pub severity: Severity,
    /// All of the period.
    pub all: u32,
    /// Of those, open on the last run.
    pub open: u32,
    /// Of those, repaired.
    pub repaired: u32,
}

/// One requirement, cluster by cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedRequirement {
    /// Framework id.
    pub framework: String,
    /// Requirement id.
    pub id: String,
    /// How each cluster stands, in the order of [`Comparison::clusters`]; `None` where it has no such row.
    pub standings: Vec<Option<Standing>>,
}

/// One cluster and one requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Status on the last run that evaluated it.
    pub last: Option<Status>,
    /// Runs that evaluated it or tried to; 0 where no check decides.
    pub runs: u32,
    /// Of those, runs without an exception.
    pub without_exception: u32,
    /// Of those, runs with one.
    pub with_exception: u32,
    /// Times that it was undecided for longer than its periodicity allows.
    pub overdue: u32,
}
