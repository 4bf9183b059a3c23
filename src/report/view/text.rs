//! Words with their emphasis: the smallest parts of the view.

use serde::Serialize;

use crate::framework::Severity;

/// How a run of words looks. Colour never carries meaning alone: the words say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// Body text.
    Plain,
    /// Emphasised.
    Strong,
    /// A name or value exactly as the cluster has it.
    Code,
    /// Secondary.
    Soft,
    /// Critical exceptions.
    Critical,
    /// High exceptions.
    High,
    /// Medium exceptions.
    Medium,
    /// Low exceptions and information.
    Low,
    /// In order.
    Good,
    /// Needs a person.
    Person,
    /// Not seen.
    Unseen,
    /// The next run starts on a new line.
    Break,
}

impl From<Severity> for Look {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::High => Self::High,
            Severity::Medium => Self::Medium,
            Severity::Low | Severity::Info => Self::Low,
        }
    }
}

/// Words of one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// How they look.
    pub look: Look,
    /// The words.
    pub text: String,
}

/// A cell, a sentence or a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Text(pub Vec<Run>);

impl Text {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds words of any look.
    pub fn run(mut self, look: Look, text: impl Into<String>) -> Self {
        self.0.push(Run { look, text: text.into() });
        self
    }

    /// Adds body text.
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.run(Look::Plain, text)
    }

    /// Adds emphasised text.
    pub fn strong(self, text: impl Into<String>) -> Self {
        self.run(Look::Strong, text)
    }

    /// Adds a name or value as the cluster has it.
    pub fn code(self, text: impl Into<String>) -> Self {
        self.run(Look::Code, text)
    }

    /// Adds secondary text.
    pub fn soft(self, text: impl Into<String>) -> Self {
        self.run(Look::Soft, text)
    }

    /// Adds secondary text on a line of its own, unless it is empty.
    pub fn note(self, text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { self } else { self.line().soft(text) }
    }

    /// Starts a new line.
    pub fn line(self) -> Self {
        self.run(Look::Break, "")
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new().plain(text)
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|run| f.write_str(if run.look == Look::Break { " " } else { &run.text }))
    }
}

/// Which columns a table has; the layouts give each its widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Rank, what and where, owner, serves.
    Actions,
    /// Population and three counts.
    Totals,
    /// Source, why, declared.
    Gaps,
    /// Sign, change, cause.
    Changes,
    /// Owner and counts by severity.
    Owners,
    /// Id, words, status, basis, evidence.
    Requirements,
    /// Id, what it applies to, state, last day.
    Declarations,
    /// Subject, powers, where, through.
    Access,
    /// A short first column, then words.
    Notes,
    /// Four columns of names.
    Names,
    /// Reference, finding, object, digest and row.
    Index,
    /// Exception, when it was seen, owner and fix, response.
    Exceptions,
    /// Severity and what became of its exceptions.
    Repairs,
    /// A class and four counts.
    Population,
    /// What, what became of it, between which runs.
    ScopeChanges,
    /// A run and its counts side by side.
    RunTotals,
    /// A run, its failures and where they are.
    Bridge,
    /// Resource, two counts, whether they agree.
    Resources,
    /// What ids are about, and the ids.
    Outside,
    /// Subject, power and chain, since and until, who gave it.
    Held,
    /// Run, result, log entry, digests.
    Runs,
    /// A cluster and its counts.
    Compared,
    /// Severity or sign, what and where, why and who, owner.
    Drift,
    /// Severity, exception, check and place.
    Found,
    /// Field, value before, value after.
    Fields,
    /// Sign, permission, where, through.
    Grants,
    /// What is said of either side.
    Sides,
    /// Severity, check, cause, count.
    Counted,
}

/// A table; without rows the layouts print `empty` in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its columns' layout.
    pub shape: Shape,
    /// What it shows, for readers who cannot see it.
    pub about: String,
    /// Column titles.
    pub columns: Vec<&'static str>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Text>>,
    /// Said in place of an empty table.
    pub empty: String,
    /// Where the rows are that did not fit.
    pub more: Option<String>,
}

impl Table {
    /// A table that stops after `cap` rows and then says where the rest is.
    pub fn capped(mut self, cap: usize, rest: &str) -> Self {
        let left = self.rows.len().saturating_sub(cap);
        self.rows.truncate(cap);
        self.leaving_out(left, rest)
    }

    /// Says how many rows were left out, if any, and where they are.
    pub fn leaving_out(mut self, left: usize, rest: &str) -> Self {
        let more = || format!("{} more rows are not printed here: {rest}", super::words::number(left as u64));
        self.more = (left > 0).then(more);
        self
    }
}

/// Rows under the names of what they belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Groups {
    /// Its columns' layout.
    pub shape: Shape,
    /// What it shows, for readers who cannot see it.
    pub about: String,
    /// Column titles.
    pub columns: Vec<&'static str>,
    /// In the order to read.
    pub groups: Vec<Group>,
    /// Said in place of an empty table.
    pub empty: String,
    /// Where the groups are that did not fit.
    pub more: Option<String>,
}

/// One thing with its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What it is, and why it changed.
    pub head: Text,
    /// Rows, each as long as the table's columns.
    pub rows: Vec<Vec<Text>>,
    /// How many rows were left out.
    pub more: Option<String>,
}
