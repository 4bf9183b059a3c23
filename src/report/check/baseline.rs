//! An earlier check to compare with: a `kubeproof.dev/findings/v1` document.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;

use crate::evaluate::{Evaluation, FilePosition, Finding, FindingId, Outcome};

/// The schema that can be compared with.
const SCHEMA: &str = "kubeproof.dev/findings/v1";
/// What every version of it begins with.
const FAMILY: &str = "kubeproof.dev/findings/";

/// Open failures of an earlier check, by finding id.
#[derive(Debug, Clone)]
pub struct CheckBaseline(BTreeMap<FindingId, Earlier>);

/// Why a file is no baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// The file ends before its JSON does.
    #[error("ends in the middle of its JSON, on line {0}: it was cut off")]
    CutOff(usize),
    /// Not JSON.
    #[error("is not JSON: {0}")]
    NotJson(String),
    /// JSON of something else.
    #[error("is not the result of a check: {0}")]
    Foreign(String),
    /// A version of the schema that is not known.
    #[error("has the schema '{0}', and this version knows '{SCHEMA}' alone")]
    UnknownVersion(String),
    /// The schema is right and the findings are not.
    #[error("has findings that cannot be read: {0}")]
    Findings(String),
}

/// How a check stands against its baseline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Ids of open failures that the baseline holds too.
    pub known: BTreeSet<FindingId>,
    /// Ids of the baseline that are no failure any more.
    pub resolved: BTreeSet<FindingId>,
    /// Ids of the baseline of which nothing is known: the file was not read, or the check was not evaluated.
    pub unseen: BTreeSet<FindingId>,
}

#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
}

/// What a comparison needs of a findings document. Additions are allowed within v1, so other keys are left alone.
#[derive(Deserialize)]
struct Document {
    findings: Vec<Earlier>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Earlier {
    id: FindingId,
    check: String,
    outcome: Outcome,
    waiver: Option<String>,
    expected_by: Option<String>,
    file: Option<FilePosition>,
}

impl CheckBaseline {
    /// Reads what `kubeproof check --format json` wrote.
    ///
    /// # Errors
    /// Not JSON, cut off, of another tool, or of a version that is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self, BaselineError> {
        let head: Head = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => BaselineError::CutOff(error.line()),
            serde_json::error::Category::Data => BaselineError::Foreign("it has no schema".into()),
            _ => BaselineError::NotJson(error.to_string()),
        })?;
        match head.schema {
            None => return Err(BaselineError::Foreign("it has no schema".into())),
            Some(schema) if schema == SCHEMA => {}
            Some(schema) if schema.starts_with(FAMILY) => return Err(BaselineError::UnknownVersion(clip(&schema))),
            Some(schema) => return Err(BaselineError::Foreign(format!("its schema is '{}'", clip(&schema)))),
        }
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| BaselineError::Findings(error.to_string()))?;
        // What was waived or expected then and is open now counts: whatever accepted it has ended.
        let is_open = |f: &Earlier| f.outcome == Outcome::Fail && f.waiver.is_none() && f.expected_by.is_none();
        let open = document.findings.into_iter().filter(is_open).map(|finding| (finding.id, finding));
        Ok(Self(open.collect()))
    }

    /// Compares by finding id. `read` says whether a file was read in full this time: of others nothing is known.
    pub fn compare(&self, evaluation: &Evaluation, read: impl Fn(&str) -> bool) -> Comparison {
        let mut now: BTreeMap<FindingId, Vec<&Finding>> = BTreeMap::new();
        for finding in &evaluation.findings {
            now.entry(finding.id).or_default().push(finding);
        }
        let answered: BTreeSet<&str> =
            evaluation.checks.iter().filter(|check| check.not_evaluated == 0).map(|check| check.id.as_str()).collect();
        let mut comparison = Comparison::default();
        for (id, earlier) in &self.0 {
            // Overlays hold one object several times, and so one id: any of them that is open keeps it.
            let findings = now.get(id).map(Vec::as_slice).unwrap_or_default();
            let has = |outcome| findings.iter().any(|finding| finding.outcome == outcome);
            let seen = || earlier.file.as_ref().is_none_or(|file| read(&file.path));
            if findings.iter().any(|finding| finding.is_open_failure()) {
                comparison.known.insert(*id);
            } else if has(Outcome::Fail) {
                // Waived or expected by now, which is counted there.
            } else if has(Outcome::NotEvaluated) || !answered.contains(earlier.check.as_str()) || !seen() {
                comparison.unseen.insert(*id);
            } else {
                comparison.resolved.insert(*id);
            }
        }
        comparison
    }
}

fn clip(text: &str) -> String {
    super::one_line(&text.chars().take(80).collect::<String>())
}

/// Whether `file` is one of `inputs` or below one of them, `./` apart.
pub(crate) fn is_within<'a>(file: &str, mut inputs: impl Iterator<Item = &'a Path>) -> bool {
    let plain = |path: &'a Path| path.strip_prefix("./").unwrap_or(path).to_path_buf();
    let file = Path::new(file);
    let file = file.strip_prefix("./").unwrap_or(file);
    inputs.any(|input| input == Path::new(".") && file.is_relative() || file.starts_with(plain(input)))
}
