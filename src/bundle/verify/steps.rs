//! One line for each check: what was looked at, and what it says.

use serde::Serialize;

/// What a verification, or one failed check, means. Ordered: of several, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing failed.
    Verified,
    /// Too old.
    Stale,
    /// Entries or coverage are missing.
    Incomplete,
    /// The key or the rules are not trusted.
    Untrusted,
    /// Something is not as it was signed.
    Tampered,
}

/// The steps of verification, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepName {
    /// Names, kinds and sizes.
    Files,
    /// Signature, key, types, cluster.
    Envelope,
    /// Every file against the signed manifest.
    Manifest,
    /// What the files say, against the statement.
    Content,
    /// Inclusion, consistency, pin, gaps.
    Log,
    /// Age.
    Time,
    /// Evaluated again.
    Replay,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which step it belongs to.
    pub step: StepName,
    /// Whether it passed.
    pub ok: bool,
    /// The file, or what else it is about.
    pub subject: String,
    /// What was found.
    pub detail: String,
    /// What a failure means.
    pub result: Verdict,
}

/// The checks so far.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
    /// Folder of the bundle in a chain, put before its files.
    prefix: String,
}

impl Steps {
    /// Checks of files below `prefix`.
    pub(super) fn below(prefix: String) -> Self {
        Self { steps: Vec::new(), prefix }
    }

    pub(super) fn pass(&mut self, step: StepName, subject: impl Into<String>, detail: impl Into<String>) {
        self.push(step, Verdict::Verified, subject.into(), detail.into());
    }

    pub(super) fn fail(
        &mut self,
        step: StepName,
        verdict: Verdict,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) {
        self.push(step, verdict, subject.into(), detail.into());
    }

    fn push(&mut self, step: StepName, result: Verdict, subject: String, detail: String) {
        let subject = format!("{}{subject}", self.prefix);
        self.steps.push(Step { step, ok: result == Verdict::Verified, subject, detail, result });
    }

    pub(super) fn append(&mut self, other: Self) {
        self.steps.extend(other.steps);
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.steps.iter().map(|step| step.result).max().unwrap_or(Verdict::Verified)
    }

    pub(super) fn has(&self, verdict: Verdict) -> bool {
        self.steps.iter().any(|step| step.result == verdict)
    }

    /// Whether any check of `step` failed.
    pub(super) fn failed(&self, step: StepName) -> bool {
        self.steps.iter().any(|s| s.step == step && !s.ok)
    }

    pub(super) fn into_vec(self) -> Vec<Step> {
        self.steps
    }
}
