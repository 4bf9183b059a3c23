//! Stage 5: the documents that people read.
//!
//! [`view`] turns the run's values into words and counts once; the PDF, the HTML viewer and the terminal only lay them
//! out. `typst` is used in `typst_world` alone.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    collect::Coverage, config::Scope, digest::Digest, drift::Drift, evaluate::Evaluation, framework::Framework,
    snapshot::Snapshot,
};

mod check;
mod drift;
mod glyphs;
mod history;
mod html;
mod period;
mod tables;
mod terminal;
mod typst_world;
pub mod view;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use check::is_within;
pub use check::{BaselineError, CheckBaseline, CheckReport, Comparison, github, junit, markdown, sarif};
pub use drift::{DriftInput, DriftSide, Hands, Origin, Proof, drift_html, drift_markdown, drift_pdf};
pub use history::{BySeverity, History, HistoryLine};
pub(crate) use html::page;
pub use html::{HtmlError, html};
pub use period::period_pdf;
pub(crate) use tables::harmless;
pub use tables::{ExportError, findings_csv, findings_parquet};
pub(crate) use terminal::steers;
pub use terminal::{Line, Span, Stored, Tone, check_text, drift_text, summary};
pub use typst_world::PdfError;
pub use view::{View, view};

/// The report in a bundle.
pub const REPORT_PDF: &str = "data/report/report.pdf";
/// What changed, in a bundle whose run had something to compare with.
pub const DRIFT_PDF: &str = "data/report/drift.pdf";

/// Everything that the documents of one run are made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Names, times, root and keys.
    pub meta: &'a Meta,
    /// What was asked and answered.
    pub coverage: &'a Coverage,
    /// What was seen.
    pub snapshot: &'a Snapshot,
    /// What the checks say.
    pub evaluation: &'a Evaluation,
    /// What changed.
    pub drift: &'a Drift,
    /// Texts of frameworks, checks and scopes.
    pub definitions: &'a Definitions,
    /// Counts of every run so far, this one last.
    pub history: &'a [HistoryLine],
}

/// What is known of a run beside what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The cluster's name.
    pub cluster: String,
    /// `production`, `staging`, ...
    pub environment: Option<String>,
    /// Marking on every page; the documents carry a default one when it is not configured.
    pub confidentiality: Option<String>,
    /// When the schedule asked for the run.
    pub scheduled: Option<DateTime<Utc>>,
    /// First request.
    pub started: DateTime<Utc>,
    /// Last answer.
    pub finished: DateTime<Utc>,
    /// SHA-256 of the manifest without its report lines.
    pub evidence_root: Digest,
    /// SHA-256 of the signing key's SPKI.
    pub signing_key: Digest,
    /// The log head that this run follows; never its own entry, which exists only after signing.
    pub log: Option<LogHead>,
    /// kubeproof's version.
    pub tool_version: String,
    /// All pages, not the daily ones alone.
    pub full: bool,
    /// One line for each list that was not answered.
    pub gaps: Vec<Gap>,
}

/// The newest entry of the log that was verified before this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// Leaf index.
    pub index: u64,
    /// The log's origin line.
    pub origin: String,
}

/// A list that was asked for and not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// `networkpolicies.networking.k8s.io`.
    pub resource: String,
    /// Why (`refused: 403 Forbidden`).
    pub reason: String,
    /// The entry of `expectedGaps` that accepts it.
    pub declared: Option<DeclaredGap>,
}

/// The entry of `expectedGaps` that accepts a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredGap {
    /// `G-1`.
    pub id: String,
    /// Why, as declared.
    pub reason: String,
    /// Last day on which it is accepted.
    pub until: NaiveDate,
}

/// Texts that findings and requirements refer to by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// The frameworks evaluated, in the order of the report.
    pub frameworks: Vec<Framework>,
    /// Declared scopes.
    pub scopes: Vec<Scope>,
    /// Texts of each check, by id.
    pub checks: BTreeMap<String, CheckText>,
}

/// What a check says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckText {
    /// What is demanded.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub remediation: String,
    /// Where to read more.
    pub references: Vec<String>,
}

/// The report as PDF/A-3a and PDF/UA-1. The same input gives the same bytes.
///
/// # Errors
/// A defect of the template or a time beyond what a PDF can carry; never what the cluster holds.
pub fn pdf(input: &Input<'_>) -> Result<Vec<u8>, PdfError> {
    let view = view(input);
    typst_world::render(typst_world::Parts {
        template: typst_world::Template::Report,
        data: serde_json::to_value(&view)?,
        attached: Some(typst_world::Attached::root(
            &input.meta.evidence_root,
            "The evidence root of the bundle that this report is about",
        )),
        identity: &input.meta.evidence_root.hex(),
        creator: &view.creator,
        at: input.meta.finished,
    })
}
