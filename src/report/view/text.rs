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
    /// The place in the document that they lead to: another run's `at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The name of this place, for what leads here; once in a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
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
        self.0.push(Run { look, text: text.into(), to: None, at: None });
        self
    }

    /// Lets the words added last lead to a place, where there is one.
    pub fn to(mut self, place: Option<String>) -> Self {
        if let Some(run) = self.0.last_mut() {
            run.to = place;
        }
        self
    }

    /// Names the place of the words added last.
    pub fn at(mut self, place: Option<String>) -> Self {
        if let Some(run) = self.0.last_mut() {
            run.at = place;
        }
        self
    }

    /// Lets every word that `place` knows lead there: a word is letters, digits and hyphens.
    pub fn linked(self, place: impl Fn(&str) -> Option<String>) -> Self {
        Self(self.0.into_iter().flat_map(|run| run.linked(&place)).collect())
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

    /// Adds other words after these.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Adds other words on lines of their own.
    pub fn lines(self, other: Self) -> Self {
        if self.0.is_empty() || other.0.is_empty() { self.and(other) } else { self.line().and(other) }
    }

    /// The same words in one line.
    pub fn in_line(mut self) -> Self {
        for run in self.0.iter_mut().filter(|run| run.look == Look::Break) {
            (run.look, run.text) = (Look::Soft, "; ".into());
        }
        self
    }

    /// Starts a new line.
    pub fn line(self) -> Self {
        self.run(Look::Break, "")
    }
}

impl Run {
    fn linked(self, place: &impl Fn(&str) -> Option<String>) -> Vec<Self> {
        let part = |text: &str, to| Self { look: self.look, text: text.to_owned(), to, at: None };
        let mut parts = Vec::new();
        let mut done = 0;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let mut from = 0;
        while let Some(start) = self.text[from..].find(word).map(|at| from + at) {
            let end = self.text[start..].find(|c| !word(c)).map_or(self.text.len(), |at| start + at);
            if let Some(to) = place(&self.text[start..end]).filter(|_| self.to.is_none()) {
                if done < start {
                    parts.push(part(&self.text[done..start], None));
                }
                parts.push(part(&self.text[start..end], Some(to)));
                done = end;
            }
            from = end;
        }
        if parts.is_empty() {
            return vec![self];
        }
        if done < self.text.len() {
            parts.push(part(&self.text[done..], None));
        }
        parts[0].at = self.at;
        parts
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
    /// Exception, when it was seen, owner and fix.
    Exceptions,
    /// When a run was due, what is known of it.
    Missed,
    /// Id, what it asks, what a person must show, who attested it.
    People,
    /// The same where nobody attested anything.
    PeopleOpen,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_lead_to_their_places_and_nothing_is_lost() {
        let place = |word: &str| ["X-0001", "0002"].contains(&word).then(|| format!("to {word}"));
        let text =
            Text::from("X-0001 (run 0002), 2026 and X-00012").soft("–0002").code("X-0001").to(Some("own".into()));
        let linked = text.clone().at(Some("here".into())).linked(place);
        assert_eq!(linked.to_string(), text.to_string());
        let to: Vec<(&str, Option<&str>)> = linked.0.iter().map(|run| (run.text.as_str(), run.to.as_deref())).collect();
        assert_eq!(
            to,
            [
                ("X-0001", Some("to X-0001")),
                (" (run ", None),
                ("0002", Some("to 0002")),
                ("), 2026 and X-00012", None),
                ("–", None),
                ("0002", Some("to 0002")),
                ("X-0001", Some("own")),
            ]
        );
        assert_eq!(linked.0[6].at.as_deref(), Some("here"));
    }
}
