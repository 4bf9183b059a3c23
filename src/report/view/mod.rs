//! The view: all arithmetic and wording of a report, as plain values that the layouts print.

mod access;
mod answers;
mod changes;
mod chart;
mod completeness;
mod declarations;
mod detail;
mod facts;
mod first;
mod frameworks;
mod index;
mod method;
mod operation;
mod owners;
mod scope;
mod text;
mod verification;
pub(crate) mod words;

use serde::Serialize;

pub use answers::{AnswerGroup, Answers};
pub(super) use changes::is_resolved;
pub(in crate::report) use changes::{applied, by_whom, cause_text, cause_word, field, states, why, writers};
pub use chart::{Chart, Column};
pub use detail::Detail;
pub(super) use facts::Facts;
pub(in crate::report) use first::SIGNATURE;
pub use first::{Bar, FirstPage, Key, Part, Seal, Tile};
pub use operation::{Operated, Operation, OperationRow};
pub use text::{Group, Groups, Look, Run, Shape, Table, Text};

use super::Input;
use crate::digest::Digest;

/// Marking where none is configured.
const DEFAULT_MARKING: &str = "CONFIDENTIAL";

/// What every page is marked with.
pub(crate) fn marking(configured: Option<&str>) -> String {
    configured.unwrap_or(DEFAULT_MARKING).to_owned()
}

/// A whole report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// `Evidence report, prod-eu, 23 November 2026`.
    pub title: String,
    /// kubeproof and its version.
    pub creator: String,
    /// Head of every page but the first.
    pub running_head: String,
    /// Confidentiality marking, on every page.
    pub marking: String,
    /// Evidence root, shortened, at the foot of every page.
    pub foot: Text,
    /// The first page.
    pub first: FirstPage,
    /// What follows it.
    pub sections: Vec<Section>,
}

/// A part with a heading of the first level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// It begins on a new page.
    pub new_page: bool,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// One block of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Block {
    /// A heading of the second level.
    Heading {
        /// Its words.
        text: String,
    },
    /// A paragraph.
    Paragraph {
        /// Its words.
        text: Text,
    },
    /// A table.
    Table(Table),
    /// A table whose rows belong to things that are named above them.
    Groups(Groups),
    /// A table with room to write under each row.
    Answers(Answers),
    /// Names and what is said of them.
    Pairs {
        /// In the order to read.
        pairs: Vec<(String, Text)>,
    },
    /// One exception, from line to byte.
    Detail(Detail),
    /// Bars of frameworks.
    Bars {
        /// One for each.
        bars: Vec<Bar>,
        /// What the colours mean: the titles of the counts.
        keys: Vec<Key>,
    },
    /// Commands to type.
    Commands {
        /// One a line.
        lines: Vec<String>,
    },
    /// Requirements over the runs of a period.
    Operation(Operation),
    /// What colours mean.
    Legend {
        /// Colours with their meaning.
        keys: Vec<Key>,
    },
}

impl Block {
    pub(in crate::report) fn heading(text: impl Into<String>) -> Self {
        Self::Heading { text: text.into() }
    }

    pub(in crate::report) fn paragraph(text: impl Into<Text>) -> Self {
        Self::Paragraph { text: text.into() }
    }
}

/// Puts a run into words.
pub fn view(input: &Input<'_>) -> View {
    let facts = Facts::of(input);
    let meta = input.meta;
    let date = words::long_date(meta.finished.date_naive());
    let mut sections = vec![
        scope::section(&facts),
        completeness::section(&facts),
        changes::section(&facts),
        owners::section(&facts),
        detail::section(&facts),
    ];
    if meta.full {
        sections.extend(frameworks::sections(&facts));
        sections.push(declarations::section(&facts));
        sections.push(access::section(&facts));
        sections.push(declarations::expected(&facts));
        sections.push(frameworks::outside(&facts));
        sections.push(index::section(&facts));
        sections.push(method::method());
    }
    sections.push(verification::section(&facts));
    if meta.full {
        sections.push(method::glossary());
    }
    sections.retain(|section| !section.blocks.is_empty());
    View {
        title: format!("Evidence report, {}, {date}", meta.cluster),
        creator: format!("kubeproof {}", meta.tool_version),
        running_head: format!("{} · {date}, {} UTC", meta.cluster, meta.finished.format("%H:%M")),
        marking: marking(meta.confidentiality.as_deref()),
        foot: root_foot(&meta.evidence_root),
        first: first::page(&facts),
        sections,
    }
}

/// What stands at the foot of a document that is about one root.
pub(in crate::report) fn root_foot(root: &Digest) -> Text {
    Text::from("evidence root ").code(shortened(&root.hex()))
}

/// The two ends of a digest: enough to tell two reports apart, never enough to verify.
pub(in crate::report) fn shortened(hex: &str) -> String {
    format!("{} … {}", words::grouped(&hex[..12]), &hex[60..])
}
