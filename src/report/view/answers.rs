//! Tables to be answered by hand: under each row is room to write.

use serde::Serialize;

use super::{Shape, Text};

/// Rows that somebody has to answer, under the names of what they have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// Its columns' layout.
    pub shape: Shape,
    /// What it shows, for readers who cannot see it.
    pub about: String,
    /// Column titles.
    pub columns: Vec<&'static str>,
    /// What is to be written under each row.
    pub prompt: &'static str,
    /// In the order to read.
    pub groups: Vec<AnswerGroup>,
    /// Said in place of an empty table.
    pub empty: String,
    /// Where the rows are that did not fit.
    pub more: Option<String>,
}

/// Rows with what is said of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerGroup {
    /// Its name, said again where a page ends within it; without links, which what is repeated must not have.
    pub head: Option<Text>,
    /// What its rows have in common, said once.
    pub about: Option<Text>,
    /// Rows, each as long as the table's columns.
    pub rows: Vec<Vec<Text>>,
    /// How many rows were left out.
    pub more: Option<String>,
}
