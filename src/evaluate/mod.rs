//! Stage 3: checks to findings to requirements.

pub mod attestations;
mod batch;
pub mod cel;
pub mod documents;
pub mod engine;
pub mod finding;
pub mod fixtures;
mod gather;
pub mod grants;
pub mod judge;
pub mod kinds;
pub mod owners;
pub mod pins;
pub mod providers;
pub mod references;
pub mod related;
pub mod results;
pub mod rules;
pub mod run;
#[cfg(test)]
pub(crate) mod samples;
pub mod scope;
pub mod selector;
pub mod settings;
pub mod sight;
pub mod status;
pub mod stored;
pub mod target;
pub mod texts;
pub mod value;
pub mod waivers;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use finding::{Evidence, FilePosition, Finding, FindingId, Place};
pub use pins::PolicyOf;
pub use rules::Rules;
pub use run::{Dated, Input, failures_at, run};

use crate::framework::{RowCoverage, Severity};

/// What a check says of one place. Closed, without a default: a check that errs is not-evaluated, never pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As expected.
    Pass,
    /// Not as expected.
    Fail,
    /// The question does not arise.
    NotApplicable,
    /// It could not be decided; the reason says why.
    NotEvaluated,
    /// A person decides.
    Manual,
}

/// What is known of a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A deciding check failed in scope.
    Fail,
    /// A deciding check could not run.
    NotEvaluated,
    /// Partial or manual, with a live attestation.
    Attested,
    /// The provider's side, with a declared document.
    Inherited,
    /// All that was decided passed; a person must add the rest.
    Partial,
    /// A person decides.
    Manual,
    /// Benchmarks and guides only: every deciding check passed.
    Pass,
    /// The question does not arise.
    NotApplicable,
}

/// What was found, and what it means for requirements; [`stored`] is its form in a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// kubeproof's version: another one may judge differently.
    pub engine: String,
    /// Outcomes over every place of every check.
    pub counts: Counts,
    /// Everything but passes (with `keep_passes`, those too), and of a cluster but places where nothing is asked, which
    /// are counted; sorted by severity (worst first), check, resource, place.
    pub findings: Vec<Finding>,
    /// One row per check, sorted by id.
    pub checks: Vec<CheckResult>,
    /// One row per requirement of each selected framework, in the framework's order.
    pub requirements: Vec<RequirementResult>,
    /// Frameworks selected, and those left out with the reason.
    pub frameworks: Vec<FrameworkResult>,
    /// Waivers, attestations and provider documents: used, unmatched, expired, soon to expire.
    pub declarations: Vec<Declaration>,
}

/// Counts by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// Passes.
    pub pass: u64,
    /// Failures, waived and expected ones included.
    pub fail: u64,
    /// Not applicable.
    pub not_applicable: u64,
    /// Not evaluated.
    pub not_evaluated: u64,
    /// For a person.
    pub manual: u64,
}

/// One check over everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckResult {
    /// Check id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Severity.
    pub severity: Severity,
    /// fail if any fails, else not-evaluated if any could not be, else pass; no object: not-applicable.
    pub outcome: Outcome,
    /// Places where it passed or failed.
    pub evaluated: u64,
    /// Places where it failed, waived and expected ones included.
    pub failed: u64,
    /// Failures that are waived.
    pub waived: u64,
    /// Failures that are expected of the system.
    pub expected: u64,
    /// Places where it could not be evaluated.
    pub not_evaluated: u64,
    /// Why it was not evaluated.
    pub reason: Option<String>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequirementResult {
    /// Framework id.
    pub framework: String,
    /// Framework version.
    pub version: String,
    /// Requirement id.
    pub id: String,
    /// What is known.
    pub status: Status,
    /// How much a cluster can answer.
    pub coverage: RowCoverage,
    /// Deciding checks.
    pub decides: Vec<String>,
    /// Supporting checks.
    pub supports: Vec<String>,
    /// The status in one sentence: failures, gaps, who must act.
    pub reason: Option<String>,
    /// Open failures of deciding checks in scope.
    pub failures: u64,
    /// Some of its failures are waived.
    pub waived: u64,
    /// Places where its deciding checks passed; of a framework that is judged in a scope, those in it. `None` in
    /// evaluations of versions that did not count them.
    #[serde(default)]
    pub passed: Option<u64>,
    /// Attestation in force.
    pub attestation: Option<String>,
    /// The company's own control id.
    pub company_control: Option<String>,
    /// Owner of the requirement.
    pub owner: Option<String>,
}

impl RequirementResult {
    /// People attested it, and its deciding checks saw no place that passed or failed: nothing here bears their word out.
    pub fn is_word_alone(&self) -> bool {
        self.status == Status::Attested && !self.decides.is_empty() && self.passed == Some(0)
    }
}

/// A framework that was looked at, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrameworkResult {
    /// Framework id.
    pub id: String,
    /// Version.
    pub version: String,
    /// Title.
    pub title: String,
    /// Evaluated in this run.
    pub selected: bool,
    /// Why it was left out, or a remark ("outside its stated versions").
    pub note: Option<String>,
    /// Scope id that a regulation was evaluated in.
    pub scope: Option<String>,
}

/// A waiver, an attestation or a provider's document, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Declaration {
    /// `waiver`, `attestation`, `provider` or `expected`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// `file:line` of the entry.
    pub at: String,
    /// `in force`, `unmatched`, `expired`, `ends soon`, `not yet`, `missing`.
    pub state: String,
    /// Last day, as written (`2026-11-29`).
    pub until: Option<String>,
    /// Findings or requirements that it applies to.
    pub applies_to: Vec<String>,
    /// One sentence for people; for waivers with "approver as written; identity not verified".
    pub note: String,
}
