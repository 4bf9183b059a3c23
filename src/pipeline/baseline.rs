//! The last verified bundle: what drift compares with, and what the next statement names as its baseline.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, Utc};

use super::{Moment, Unproved};
use crate::{
    bundle::{
        self, KeySet, VerifyingKey, bag,
        seal::EVALUATION,
        statement::Baseline as BaselineClaim,
        verify::{self, LogFiles, Options, Trust, Verified, read},
    },
    canonical,
    collect::{Collected, Coverage, Source, SourceKind},
    evaluate::{self, Evaluation},
    report::{History, LogHead, Proof},
    snapshot,
    store::{Slot, Store, StoreError},
};

/// Bundles that are tried before a run goes on without a comparison.
const TRIES: usize = 8;

/// A verified bundle, read.
#[derive(Debug)]
pub struct Earlier {
    /// Its entry in the log.
    pub log: LogHead,
    /// The cluster at that time, and what was said of it.
    pub moment: Moment,
    /// Counts of every run up to then.
    history: Option<History>,
}

/// The head of a log, and the newest of its bundles that verifies.
#[derive(Debug, Default)]
pub struct Newest {
    /// What the next statement names as its baseline.
    pub claim: Option<BaselineClaim>,
    /// What drift compares with: a run that saw the cluster.
    pub earlier: Option<Earlier>,
    /// Counts of every run so far, failed ones included.
    pub history: Option<History>,
    /// Squatted slots and bundles that do not verify, one sentence each.
    pub warnings: Vec<String>,
}

impl Earlier {
    /// Reads what was verified: hashed buffers only.
    fn read(verified: Verified, key: &VerifyingKey) -> Result<Self, String> {
        let proof = Proof { evidence_root: verified.predicate().evidence_root, signing_key: key.digest() };
        let environment = verified.predicate().environment.clone();
        let log = LogHead { index: verified.commit().index(), origin: verified.commit().origin().to_owned() };
        let name = verified.id().hex();
        let mut files = verified.into_files();
        // Documents and exports are the greater part of a bundle, and nothing is read from them.
        files.retain(|name, _| !name.starts_with("data/report/") && !name.starts_with("data/findings."));
        let files = &files;
        let coverage: Coverage = json(files, "data/coverage.json")?;
        let snapshot = snapshot::read(files, &coverage).map_err(|error| error.to_string())?;
        let history =
            if files.contains_key("data/history.json") { Some(json(files, "data/history.json")?) } else { None };
        let (evaluation, rules) = (evaluation(files)?, bag::rules(files));
        let (index, proof) = (Some(log.index), Some(proof));
        let moment = Moment { name, index, proof, environment, coverage, snapshot, evaluation, rules };
        Ok(Self { log, moment, history })
    }
}

fn json<T: serde::de::DeserializeOwned>(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<T, String> {
    let bytes = files.get(name).ok_or_else(|| format!("{name} is missing"))?;
    let value = canonical::parse(bytes).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))
}

fn evaluation(files: &BTreeMap<String, Vec<u8>>) -> Result<Evaluation, String> {
    let bytes = files.get(EVALUATION).ok_or_else(|| format!("{EVALUATION} is missing"))?;
    evaluate::stored::read(bytes).map_err(|error| format!("{EVALUATION}: {error}"))
}

/// The newest bundle of `cluster` that verifies with our own keys; those that do not are passed over with a warning.
pub(super) async fn newest(
    store: &Store,
    cluster: &str,
    keys: &KeySet,
    now: DateTime<Utc>,
) -> Result<Newest, StoreError> {
    let head = store.head(cluster, &keys.log.public()).await?;
    let skipped = |slot: &crate::store::Skipped| format!("log slot {} is passed over: {}", slot.slot, slot.reason);
    let mut found = Newest { warnings: head.skipped.iter().map(skipped).collect(), ..Newest::default() };
    let Some(newest) = head.newest else { return Ok(found) };
    found.claim = Some(BaselineClaim { size: newest.commit.size(), root: newest.commit.root(), bundle: None });
    let from = (newest.commit.index() + 1).saturating_sub(TRIES as u64);
    let log = store.log(cluster, &keys.log.public(), from).await?;
    for slot in log.commits.iter().rev() {
        match open(store, cluster, slot, keys, now).await {
            Ok(mut earlier) => {
                let history = earlier.history.take();
                found.history = found.history.take().or(history);
                if earlier.moment.coverage.failure().is_some() {
                    continue;
                }
                if let (Some(claim), Some(entry)) = (&mut found.claim, slot.commit.leaf().as_bundle()) {
                    claim.bundle = Some(entry.pae);
                }
                found.earlier = Some(earlier);
                return Ok(found);
            }
            Err(reason) => {
                found.warnings.push(format!("log entry {} is not compared with: {reason}", slot.commit.index()))
            }
        }
    }
    Ok(found)
}

async fn open(store: &Store, cluster: &str, slot: &Slot, keys: &KeySet, now: DateTime<Utc>) -> Result<Earlier, String> {
    Earlier::read(proved(store, cluster, slot, keys, now).await?, &keys.signing.public())
}

/// The bundle that an entry of the log names, once our own key proves it.
pub(super) async fn proved(
    store: &Store,
    cluster: &str,
    slot: &Slot,
    keys: &KeySet,
    now: DateTime<Utc>,
) -> Result<Verified, String> {
    let entry = slot.commit.leaf().as_bundle().ok_or("it is no bundle")?;
    let files = store.bundle_files(cluster, &entry.pae).await.map_err(|error| error.to_string())?;
    let log = LogFiles::of([(slot.slot, slot.commit.bytes().to_vec())]);
    verified(&entry.pae.hex(), files.into(), &log, &keys.signing.public(), now).map_err(|unproved| unproved.reason)
}

/// A bundle on disk; nothing of it is read before it is proved.
pub(super) fn on_disk(path: &Path, key: &VerifyingKey, now: DateTime<Utc>) -> Result<Earlier, Unproved> {
    let unread = |reason: String| Unproved { verdict: None, reason };
    let found = read::open(path).map_err(|error| unread(error.to_string()))?;
    let read::Found::Bundle { name, files, log } = found else {
        return Err(unread("it is a store; name one bundle of it".into()));
    };
    of_files(&name, files, &log, key, now)
}

/// A bundle's files and its log; nothing of them is read before they are proved.
pub(super) fn of_files(
    name: &str,
    files: verify::BundleFiles,
    log: &LogFiles,
    key: &VerifyingKey,
    now: DateTime<Utc>,
) -> Result<Earlier, Unproved> {
    let verified = verified(name, files, log, key, now)?;
    Earlier::read(verified, key).map_err(|reason| Unproved { verdict: None, reason })
}

fn verified(
    name: &str,
    files: verify::BundleFiles,
    log: &LogFiles,
    key: &VerifyingKey,
    now: DateTime<Utc>,
) -> Result<Verified, Unproved> {
    let (verification, verified) =
        bundle::verify::bundle(name, files, log, &Trust::Key(key.clone()), &Options::at(now));
    verified.ok_or_else(|| {
        let failed = verification.steps.iter().find(|step| !step.ok);
        let reason =
            failed.map_or_else(|| "it does not verify".into(), |step| format!("{}: {}", step.subject, step.detail));
        Unproved { verdict: Some(verification.result), reason }
    })
}

/// What a bundle on disk holds, to be evaluated again.
///
/// # Errors
/// It cannot be read, or does not verify with `key`.
pub fn from_bundle(path: &Path, key: &VerifyingKey, now: DateTime<Utc>) -> Result<Collected, Unproved> {
    let Moment { coverage, snapshot, .. } = on_disk(path, key, now)?.moment;
    let source = Source { kind: SourceKind::Bundle, name: path.display().to_string() };
    Ok(Collected { source, coverage, objects: snapshot.objects, errors: Vec::new() })
}
