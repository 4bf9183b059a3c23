//! A period's package: a bag like a run's, with a statement of its own. It is in no log; the runs that it is made of
//! are, and their entries travel in it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    bag::{self, BagInfo, Lines},
    envelope::{self, Envelope},
    keys::{KeyError, VerifyingKey},
    statement::{Statement, StatementError, Tool, claimed_type},
};
use crate::digest::Digest;

/// Predicate type of the statement in a package.
pub const PREDICATE_TYPE: &str = "https://kubeproof.dev/period/v1";
/// What predicate types of every version of this format begin with.
const PREDICATE_FAMILY: &str = "https://kubeproof.dev/period/";
/// Bag path of what the package says.
pub const PERIOD: &str = "data/period.json";
/// Prefix of the documents, which are outside the package's root because they print it.
pub const DOCUMENTS: &str = "data/documents/";
/// Prefix of what proves the runs, and of the objects that the package cites.
pub const EVIDENCE: &str = "data/evidence/";

/// What a package says of itself. Claims of the signer, like those of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackagePredicate {
    /// First day, in UTC.
    pub from: NaiveDate,
    /// Last day, itself included.
    pub to: NaiveDate,
    /// When it was made.
    pub made: DateTime<Utc>,
    /// Digest of data/period.json.
    pub period: Digest,
    /// SHA-256 of the manifest without its `data/documents/` lines: the documents print it.
    pub root: Digest,
    /// SPKI PEM of the key by which the runs were verified: the signature vouches for it.
    pub run_key: String,
    /// Clusters, by folder.
    pub clusters: Vec<PackagedCluster>,
    /// Framework ids that it was limited to; empty for all.
    pub frameworks: Vec<String>,
    /// Scope that it was limited to.
    pub scope: Option<String>,
    /// Id of the key behind the pseudonyms in it.
    pub pseudonyms: Option<String>,
    /// What made it.
    pub tool: Tool,
}

/// One cluster of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackagedCluster {
    /// Folder in the store.
    pub folder: String,
    /// Bundles that it rests on.
    pub runs: u64,
    /// Bundles that were left out.
    pub excluded: u64,
}

/// A package that is written and signed.
#[derive(Debug, Clone, Copy)]
pub struct SignedPackage {
    /// SHA-256 of the envelope's PAE.
    pub id: Digest,
    /// SHA-256 of the manifest without its documents.
    pub root: Digest,
}

/// What bag-info.txt of a package says.
pub fn bag_info(predicate: &PackagePredicate) -> BagInfo {
    BagInfo {
        agent: format!("{} {}", predicate.tool.name, predicate.tool.version),
        date: predicate.made.date_naive(),
        description: "Evidence of a period; open data/documents/index.html",
        identifier: format!("period {} to {}", predicate.from, predicate.to),
    }
}

/// SHA-256 of a manifest without the documents.
pub fn root_of(lines: &Lines) -> Digest {
    bag::root_without(lines, DOCUMENTS)
}

/// Reads a package's statement.
///
/// # Errors
/// Another statement, or another version of this one.
pub fn parse(payload: &[u8]) -> Result<Statement<PackagePredicate>, StatementError> {
    Statement::parse_as(payload, PREDICATE_TYPE, PREDICATE_FAMILY)
}

/// Whether files want to be a package rather than the bundle of a run: what their envelope claims, else what lies
/// there. Nothing is proved by it; each is then verified as what it claims.
pub fn is_claimed(files: &BTreeMap<String, Vec<u8>>) -> bool {
    let envelope = files.get(envelope::FILE).and_then(|bytes| Envelope::parse(bytes).ok());
    match envelope.and_then(|envelope| claimed_type(envelope.claimed())) {
        Some(found) => found.starts_with(PREDICATE_FAMILY),
        None => files.contains_key(PERIOD),
    }
}

/// The key of the runs, as the signed statement names it.
///
/// # Errors
/// Not a key, or a weak one.
pub fn run_key(predicate: &PackagePredicate) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::parse(&predicate.run_key, "the statement's run key")
}
