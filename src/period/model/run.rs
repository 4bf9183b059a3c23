//! Which bundles the package rests on, and which it does not.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::RunNumber;
use crate::{
    bundle::statement::{CallerIdentity, RunResult},
    collect::Source,
    digest::Digest,
    evaluate::Counts,
};

/// A verified bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Place in the list, from 0.
    pub number: RunNumber,
    /// SHA-256 of the envelope's PAE: the bundle's name in the store.
    pub bundle: Digest,
    /// Leaf index in the log.
    pub index: u64,
    /// SHA-256 of `manifest-sha256.txt`, which the statement signs.
    pub manifest: Digest,
    /// Evidence root, as the run's own PDF prints it.
    pub evidence_root: Digest,
    /// When the schedule wanted it.
    pub scheduled: Option<DateTime<Utc>>,
    /// First request, claimed.
    pub started: DateTime<Utc>,
    /// End of collection, claimed.
    pub finished: DateTime<Utc>,
    /// How it ended.
    pub result: RunResult,
    /// Why it is partial or failed.
    pub reason: Option<String>,
    /// Where the objects came from.
    pub source: Source,
    /// Who asked the API server.
    pub caller: Option<CallerIdentity>,
    /// `v1.37.2`.
    pub kubernetes: Option<String>,
    /// Version of kubeproof.
    pub tool_version: String,
    /// Digest of the program, as it claims.
    pub binary: Option<Digest>,
    /// Lists that were asked for and not answered, by resource.
    pub unseen: Vec<Unseen>,
    /// Resources that were never asked for, with the reason.
    pub not_asked: BTreeMap<String, String>,
    /// Outcomes over every place of every check.
    pub counts: Counts,
    /// Frameworks evaluated, by id.
    pub frameworks: Vec<FrameworkVersion>,
    /// Digest of everything that decided.
    pub rules: Digest,
    /// Digest of the checks alone.
    pub checks: Digest,
    /// Digests of scope, owners, waivers, attestations and the rest of what people declared, by file name.
    pub declared: BTreeMap<String, Digest>,
    /// Id of the redaction key.
    pub redaction_key: Option<String>,
}

/// A framework in one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkVersion {
    /// `pci-dss`.
    pub id: String,
    /// Version.
    pub version: String,
}

/// What successive runs said of a framework, in one file: `data/results/<framework>.json` of their bundles, and
/// `data/evidence/<cluster>/results/<first>/<framework>.json` of the package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultsSpan {
    /// `pci-dss`.
    pub framework: String,
    /// The first of the runs, whose number (four digits) names the folder.
    pub first: RunNumber,
    /// The last of them.
    pub last: RunNumber,
    /// Digest of the file, as the manifest of each of these runs names it.
    pub digest: Digest,
}

/// A list that was asked for and not answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unseen {
    /// `configmaps`, `deployments.apps`; `group/version` where discovery failed.
    pub resource: String,
    /// What the server said.
    pub reason: String,
}

/// A bundle that the package does not rest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Excluded {
    /// Name in the store.
    pub bundle: String,
    /// Leaf index in the log, where it has an entry.
    pub index: Option<u64>,
    /// End of collection, as its unproved statement says; `None` where that cannot be read.
    pub claimed_finished: Option<DateTime<Utc>>,
    /// What kind of defect it is.
    pub kind: Exclusion,
    /// What is wrong, with the file.
    pub reason: String,
}

/// Why a bundle is not used. Ordered, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// Something is not as it was signed.
    Tampered,
    /// The trusted key did not sign it.
    Untrusted,
    /// Signed, and evidence of another cluster.
    AnotherCluster,
    /// Signed, and not in the log: its run was never committed, or its entry was removed.
    NotInLog,
    /// In the log, and not in the store.
    Missing,
    /// Verified, and of a form that this version cannot read.
    Unreadable,
    /// Signed, between entries of the period in the log, and of another time by its own word: its clock was wrong, or
    /// it was committed late.
    AnotherTime,
}

/// What a reader should know before the numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    /// What kind of thing.
    pub kind: RemarkKind,
    /// Runs that it is about.
    pub runs: Vec<RunNumber>,
    /// One sentence.
    pub text: String,
}

/// Kinds of remarks, in the order in which they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// Nothing was observed in the whole period.
    NoRuns,
    /// One run shows a moment, not a period.
    OneRun,
    /// Statuses are about more than what is shown.
    EvaluatedWider,
    /// Bundles were left out.
    BundlesExcluded,
    /// Entries are missing from the log, or slots of it hold something else.
    LogIncomplete,
    /// A run claims to be earlier than the one before it in the log.
    ClockWentBack,
    /// Runs overlap.
    Simultaneous,
    /// Runs in which the cluster could not be read at all.
    FailedRuns,
    /// Runs in which some lists were not answered.
    PartialRuns,
    /// Runs that were due and are not here.
    RunsMissed,
    /// Waivers that ended while what they accepted still stood.
    WaiverEnded,
    /// The tool changed within the period.
    ToolChanged,
    /// Checks or frameworks changed within the period.
    RulesChanged,
    /// Redacted values before and after cannot be compared.
    RedactionKeyChanged,
    /// Names from outside of the scope, or of people, are not in the package.
    NamesLeftOut,
}
