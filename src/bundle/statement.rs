//! The in-toto statement: what the signature is about, in its stored form (version 1).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    bundle::{
        PREDICATE_TYPE,
        bag::{self, Lines},
    },
    canonical,
    collect::{Coverage, ListOutcome, Source},
    digest::Digest,
    evaluate::Counts,
};

/// `_type` of an in-toto statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// What predicate types of every version of this format begin with.
const PREDICATE_FAMILY: &str = "https://kubeproof.dev/evidence/";

/// Why a statement is refused.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not JSON, a duplicate key, or other fields than the format's.
    #[error("not a statement of this format: {0}")]
    Form(String),
    /// Not an in-toto statement.
    #[error("statement type is '{0}', not '{STATEMENT_TYPE}'")]
    StatementType(String),
    /// Another tool's predicate, or one that does not belong here.
    #[error("predicate type is '{found}', not '{wanted}'")]
    PredicateType {
        /// What it says.
        found: String,
        /// What was expected.
        wanted: &'static str,
    },
    /// This format, in a version that is not known here.
    #[error("made by another version of kubeproof ({found}; this one reads {wanted}): verify it with that version")]
    Version {
        /// What it says.
        found: String,
        /// What this version reads.
        wanted: &'static str,
    },
    /// A subject that stands twice.
    #[error("subject '{0}' stands twice")]
    DuplicateSubject(String),
}

/// The statement as it is stored and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement<P = Predicate> {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// The manifest and each PDF, by bag path.
    pub subject: Vec<Subject>,
    /// [`PREDICATE_TYPE`], or that of `P`.
    pub predicate_type: String,
    /// What is said of them.
    pub predicate: P,
}

/// A file that the statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Bag path.
    pub name: String,
    /// Its digest.
    pub digest: SubjectDigest,
}

/// in-toto's digest set, with the one algorithm of this format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDigest {
    /// 64 hex digits.
    pub sha256: String,
}

/// What one run says of its evidence. Claims of the signer: nothing here is proved by the signature but who said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predicate {
    /// Which cluster.
    pub cluster: Cluster,
    /// `production`, `staging`, ...
    pub environment: Option<String>,
    /// Where the objects came from.
    pub source: Source,
    /// When, and how it ended.
    pub run: Run,
    /// Who asked the API server.
    pub caller: Option<CallerIdentity>,
    /// What was asked and answered.
    pub coverage: CoverageClaim,
    /// Digests of everything that decided.
    pub rules: RuleDigests,
    /// Outcomes over every place of every check.
    pub counts: Counts,
    /// What made the bundle.
    pub tool: Tool,
    /// Id of the redaction key.
    pub redaction_key: Option<String>,
    /// SHA-256 of the manifest without its `data/report/` lines.
    pub evidence_root: Digest,
    /// The log that this bundle is committed to: the signature vouches for its key.
    pub log: LogClaim,
    /// The verified log head and the bundle that drift compared with; `None` on a first run.
    pub baseline: Option<Baseline>,
}

/// Which cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Configured name.
    pub name: String,
    /// uid of the kube-system namespace, or the configured one.
    pub uid: Option<String>,
    /// Folder in the store: name and first digits of the uid.
    pub folder: String,
    /// Digest of the CA bundle that the connection trusted.
    pub server_ca: Option<Digest>,
    /// `v1.37.2`.
    pub kubernetes: Option<String>,
}

/// When a run was, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// How it ended.
    pub result: RunResult,
    /// Why it is partial or failed.
    pub reason: Option<String>,
    /// When the schedule wanted it.
    pub scheduled: Option<DateTime<Utc>>,
    /// First request.
    pub started: DateTime<Utc>,
    /// End of collection.
    pub finished: DateTime<Utc>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    /// Everything that was asked for was answered.
    Complete,
    /// Some lists were refused or did not arrive.
    Partial,
    /// The cluster could not be read.
    Failed,
}

/// Who asked the API server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallerIdentity {
    /// User name.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// Coverage in one line, and the digest of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoverageClaim {
    /// Digest of data/coverage.json.
    pub digest: Digest,
    /// Objects received.
    pub objects: u64,
    /// Lists answered in full.
    pub seen: u64,
    /// Lists of resources that the server does not serve.
    pub not_served: u64,
    /// Lists refused.
    pub refused: u64,
    /// Lists that did not arrive in time.
    pub timed_out: u64,
    /// Lists that failed otherwise.
    pub failed: u64,
    /// Lists that the source cannot show.
    pub not_in_source: u64,
    /// API groups that discovery could not describe: what they hold is unknown.
    pub undiscovered: u64,
}

/// Digests of everything under data/rules/.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleDigests {
    /// SHA-256 of the manifest's `data/rules/` lines: one digest for all that decided.
    pub all: Digest,
    /// SHA-256 of the manifest's `data/rules/checks/` lines.
    pub checks: Digest,
    /// Framework files, by name.
    pub frameworks: BTreeMap<String, Digest>,
    /// Configuration, scope, owners, waivers, attestations and expected entries, by file name.
    pub declared: BTreeMap<String, Digest>,
}

/// What made the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tool {
    /// `kubeproof`.
    pub name: String,
    /// Version.
    pub version: String,
    /// Digest of the binary as it claims; a changed binary can claim anything.
    pub binary: Option<Digest>,
}

/// A cluster's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogClaim {
    /// Name of the log.
    pub origin: String,
    /// SPKI PEM of the key that signs its checkpoints.
    pub public_key: String,
}

/// What drift compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// Leaves of the verified log head.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// Id of the bundle compared with; `None` where the head was verified and no bundle could be.
    pub bundle: Option<Digest>,
}

impl CoverageClaim {
    /// Counts `coverage`; `digest` is that of its stored bytes.
    pub fn of(coverage: &Coverage, digest: Digest) -> Self {
        let count =
            |wanted: fn(&ListOutcome) -> bool| coverage.lists.iter().map(|list| u64::from(wanted(&list.outcome))).sum();
        Self {
            digest,
            objects: coverage.lists.iter().map(|list| list.count).sum(),
            seen: count(|o| matches!(o, ListOutcome::Seen)),
            not_served: count(|o| matches!(o, ListOutcome::NotServed)),
            refused: count(|o| matches!(o, ListOutcome::Refused { .. })),
            timed_out: count(|o| matches!(o, ListOutcome::TimedOut { .. })),
            failed: count(|o| matches!(o, ListOutcome::Failed { .. })),
            not_in_source: count(|o| matches!(o, ListOutcome::NotInSource)),
            undiscovered: coverage.discovery_failures.len() as u64,
        }
    }

    /// Lists that were asked for and not answered, and groups whose lists are not known.
    pub fn unseen(&self) -> u64 {
        self.refused + self.timed_out + self.failed + self.undiscovered
    }
}

impl RuleDigests {
    /// The digests of a manifest's rules.
    pub fn of(lines: &Lines) -> Self {
        const CHECKS: &str = "data/rules/checks/";
        const FRAMEWORKS: &str = "data/rules/frameworks/";
        let below = |prefix: &'static str| lines.iter().filter(move |(path, _)| path.starts_with(prefix));
        let names =
            |prefix: &'static str| below(prefix).map(move |(path, digest)| (path[prefix.len()..].to_owned(), *digest));
        Self {
            all: Digest::of(bag::format(below(bag::RULES))),
            checks: Digest::of(bag::format(below(CHECKS))),
            frameworks: names(FRAMEWORKS).collect(),
            declared: names(bag::RULES)
                .filter(|(name, _)| !name.starts_with("checks/") && !name.starts_with("frameworks/"))
                .collect(),
        }
    }
}

/// The subjects of a manifest: itself, and each PDF by its bag path.
pub fn subjects(manifest: Digest, lines: &Lines) -> Vec<Subject> {
    subjects_with(manifest, lines, bag::REPORT)
}

/// The subjects of a manifest whose documents stand below `documents`.
pub fn subjects_with(manifest: Digest, lines: &Lines, documents: &str) -> Vec<Subject> {
    let pdfs = lines.iter().filter(|(path, _)| path.ends_with(".pdf") && path.starts_with(documents));
    std::iter::once((bag::MANIFEST, manifest))
        .chain(pdfs.map(|(path, digest)| (path.as_str(), *digest)))
        .map(|(name, digest)| Subject { name: name.to_owned(), digest: SubjectDigest { sha256: digest.hex() } })
        .collect()
}

impl Statement {
    /// The statement about a manifest.
    pub fn new(manifest: Digest, lines: &Lines, predicate: Predicate) -> Self {
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: subjects(manifest, lines),
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate,
        }
    }

    /// Reads a statement: types first, so that another version is called by its name.
    ///
    /// # Errors
    /// Not JSON, duplicate keys, other types, other fields, or a subject that stands twice.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        Self::parse_as(payload, PREDICATE_TYPE, PREDICATE_FAMILY)
    }
}

impl<P: DeserializeOwned> Statement<P> {
    /// Reads a statement whose predicate is of the type `wanted`; types of every version begin with `family`.
    ///
    /// # Errors
    /// As [`Statement::parse`].
    pub fn parse_as(payload: &[u8], wanted: &'static str, family: &str) -> Result<Self, StatementError> {
        let value = canonical::parse(payload).map_err(|e| StatementError::Form(e.to_string()))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().chars().take(200).collect();
        let kind: String = text("_type");
        if kind != STATEMENT_TYPE {
            return Err(StatementError::StatementType(kind));
        }
        let found: String = text("predicateType");
        match found.strip_prefix(family) {
            _ if found == wanted => {}
            Some(_) => return Err(StatementError::Version { found, wanted }),
            None => return Err(StatementError::PredicateType { found, wanted }),
        }
        let statement: Self = serde_json::from_value(value).map_err(|e| StatementError::Form(e.to_string()))?;
        let mut seen = std::collections::BTreeSet::new();
        match statement.subject.iter().find(|subject| !seen.insert(subject.name.as_str())) {
            Some(twice) => Err(StatementError::DuplicateSubject(twice.name.clone())),
            None => Ok(statement),
        }
    }
}

/// The predicate type that a payload claims; nothing is proved by it.
pub fn claimed_type(payload: &[u8]) -> Option<String> {
    let value = canonical::parse(payload).ok()?;
    value.get("predicateType").and_then(Value::as_str).map(|text| text.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_called_by_its_name() {
        let payload = format!(r#"{{"_type":"{STATEMENT_TYPE}","predicateType":"{PREDICATE_FAMILY}v2","new":1}}"#);
        let error = Statement::parse(payload.as_bytes()).unwrap_err();
        assert!(matches!(error, StatementError::Version { .. }), "{error}");
        assert!(error.to_string().contains("evidence/v2"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), text in ".{0,80}") {
            let typed = format!(r#"{{"_type":"{STATEMENT_TYPE}","predicateType":"{PREDICATE_TYPE}","subject":{text}}}"#);
            for input in [bytes.as_slice(), text.as_bytes(), typed.as_bytes()] {
                proptest::prop_assert!(Statement::parse(input).is_err());
            }
        }
    }
}
