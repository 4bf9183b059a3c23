//! Requirements over many runs: a strip for the eye, and the same in words.

use serde::Serialize;

use super::{Part, Text};

/// Requirements with what every run of a period said of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Column titles.
    pub columns: Vec<&'static str>,
    /// The longest id of the document: the first column is as wide in every table.
    pub longest_id: String,
    /// One for each requirement.
    pub rows: Vec<OperationRow>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationRow {
    /// Its id, and the company's own.
    pub id: Text,
    /// What it asks, in our words.
    pub title: Text,
    /// How it operated, cluster by cluster.
    pub operated: Vec<Operated>,
    /// What decides it.
    pub basis: Text,
    /// Exceptions by id.
    pub exceptions: Text,
}

/// One requirement in one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operated {
    /// The cluster, where there are several.
    pub cluster: Option<String>,
    /// Successive runs of the same status as parts of a bar.
    pub strip: Vec<Part>,
    /// The sentence, and what the strip shows.
    pub said: Text,
}
