//! From files to a signed bundle. Everything that follows from the files is computed here, never handed in.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    bundle::{
        bag::{self, BagError},
        envelope::{self, Envelope},
        keys::{KeyError, SigningKey, VerifyingKey},
        log::{Leaf, LogError},
        log_origin, sigstore,
        statement::{
            Baseline, CallerIdentity, Cluster, CoverageClaim, LogClaim, Predicate, RuleDigests, Run, RunResult,
            Statement, Tool,
        },
    },
    canonical::CanonicalError,
    collect::Coverage,
    digest::Digest,
    evaluate::Counts,
};

/// Bag path of the coverage.
pub const COVERAGE: &str = "data/coverage.json";
/// Bag path of the evaluation.
pub const EVALUATION: &str = "data/evaluation.json";

/// Why a bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A file name that a bundle cannot hold.
    #[error("bundle: {0}")]
    Bag(#[from] BagError),
    /// A file that every bundle has is not there.
    #[error("bundle: {0} is missing")]
    Missing(&'static str),
    /// One key for two tasks.
    #[error("the log key is the signing key; make two with: kubeproof keys generate")]
    SameKey,
    /// The log key cannot be written.
    #[error("bundle: {0}")]
    Key(#[from] KeyError),
    /// JSON could not be written.
    #[error("bundle: {0}")]
    Json(#[from] CanonicalError),
    /// The leaf could not be made.
    #[error("bundle: {0}")]
    Log(#[from] LogError),
}

/// What a run knows beside its files.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// What data/coverage.json holds.
    pub coverage: &'a Coverage,
    /// Counts of the evaluation.
    pub counts: Counts,
    /// `production`, `staging`, ...
    pub environment: Option<String>,
    /// When the schedule wanted the run.
    pub scheduled: Option<DateTime<Utc>>,
    /// Why the cluster could not be read at all.
    pub failure: Option<String>,
    /// Digest of the running binary, as it claims.
    pub binary: Option<Digest>,
    /// Key of the cluster's log.
    pub log_key: VerifyingKey,
    /// The verified log head and what drift compared with.
    pub baseline: Option<Baseline>,
}

/// A bundle ready to be stored, and the leaf that commits it.
#[derive(Debug, Clone)]
pub struct SignedBundle {
    /// SHA-256 of the envelope's PAE: the bundle's name in the store.
    pub id: Digest,
    /// Entry for the log.
    pub leaf: Leaf,
    /// Every file of the bag, by bag path; large ones are shared with the requests that store them.
    pub files: BTreeMap<String, Bytes>,
    /// What was signed.
    pub predicate: Predicate,
}

/// Makes a bundle of `files`, all below `data/`.
///
/// # Errors
/// A path outside the manifest's grammar, no coverage or evaluation, or one key for log and bundles.
pub fn seal(files: BTreeMap<String, Vec<u8>>, facts: Facts<'_>, key: &SigningKey) -> Result<SignedBundle, SealError> {
    if facts.log_key == key.public() {
        return Err(SealError::SameKey);
    }
    let lines = bag::lines(&files)?;
    let coverage = lines.get(COVERAGE).ok_or(SealError::Missing(COVERAGE))?;
    lines.get(EVALUATION).ok_or(SealError::Missing(EVALUATION))?;
    let predicate = predicate(facts, &lines, *coverage)?;

    let manifest = bag::format(&lines).into_bytes();
    let statement = Statement::new(Digest::of(&manifest), &lines, predicate);
    let envelope = Envelope::sign(crate::canonical::to_vec(&statement)?, key);
    let leaf = Leaf::bundle(envelope.id(), envelope.signature_digest(), &[])?;

    let octets = files.values().map(|bytes| bytes.len() as u64).sum();
    let mut files = files;
    files.extend(bag::derived(&manifest, octets, &statement.predicate));
    files.insert(bag::MANIFEST.to_owned(), manifest);
    files.insert(sigstore::FILE.to_owned(), sigstore::derive(&envelope, &key.public())?);
    files.insert(envelope::FILE.to_owned(), envelope.to_bytes()?);
    let files = files.into_iter().map(|(path, bytes)| (path, bytes.into())).collect();
    Ok(SignedBundle { id: envelope.id(), leaf, files, predicate: statement.predicate })
}

fn predicate(facts: Facts<'_>, lines: &bag::Lines, coverage_digest: Digest) -> Result<Predicate, SealError> {
    let coverage = facts.coverage;
    let claim = CoverageClaim::of(coverage, coverage_digest);
    let (result, reason) = run_result(&claim, facts.failure);
    let folder = coverage.cluster.folder();
    Ok(Predicate {
        environment: facts.environment,
        source: coverage.source.clone(),
        run: Run { result, reason, scheduled: facts.scheduled, started: coverage.started, finished: coverage.finished },
        caller: coverage
            .caller
            .as_ref()
            .map(|caller| CallerIdentity { username: caller.username.clone(), groups: caller.groups.clone() }),
        coverage: claim,
        rules: RuleDigests::of(lines),
        counts: facts.counts,
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            binary: facts.binary,
        },
        redaction_key: coverage.redaction_key.clone(),
        evidence_root: bag::evidence_root_of(lines),
        log: LogClaim { origin: log_origin(&folder), public_key: facts.log_key.to_pem()? },
        baseline: facts.baseline,
        cluster: Cluster {
            name: coverage.cluster.name.clone(),
            uid: coverage.cluster.uid.clone(),
            folder,
            server_ca: coverage.server.as_ref().and_then(|server| server.ca),
            kubernetes: coverage.cluster.kubernetes.clone(),
        },
    })
}

fn run_result(coverage: &CoverageClaim, failure: Option<String>) -> (RunResult, Option<String>) {
    match (failure, coverage.unseen()) {
        (Some(reason), _) => (RunResult::Failed, Some(reason)),
        (None, 0) => (RunResult::Complete, None),
        (None, 1) => (RunResult::Partial, Some("1 source was not seen".to_owned())),
        (None, unseen) => (RunResult::Partial, Some(format!("{unseen} sources were not seen"))),
    }
}
