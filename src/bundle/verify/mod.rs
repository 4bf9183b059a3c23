//! The way back: from bytes that anybody may have touched to evidence that may be read.
//!
//! Steps, each before anything is parsed by the next: files, envelope, manifest, content, log. What could not be
//! shown is said beside what was: *authentic*, *included*, *anchored* and *fresh* are four different things.

mod bundle;
mod chain;
mod content;
pub mod copy;
mod inclusion;
mod package;
mod pdf;
pub mod pin;
pub mod read;
mod replay;
mod results;
mod steps;

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use serde::{Serialize, de::DeserializeOwned};

pub use chain::cluster;
pub use package::{PackageSummary, Proved, package};
pub use read::{BundleFiles, LogFiles, Problem, Sum};
pub use steps::{Step, StepName, Verdict};

use crate::{
    bundle::{
        keys::VerifyingKey,
        log::Commit,
        seal::EVALUATION,
        statement::{Predicate, RunResult},
    },
    digest::Digest,
};
use pin::{Pin, Pins};
use steps::Steps;

/// Schema of `verify --json`.
pub const SCHEMA: &str = "kubeproof.dev/verification/v1";

/// Whom the verifier trusts. A trust policy takes its place beside these.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Nobody: then nothing is parsed, and the result is at best "untrusted".
    Nobody,
    /// One key, named by the person who verifies.
    Key(VerifyingKey),
}

/// What else is asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster that is expected: its name or its folder in the store.
    pub cluster: Option<String>,
    /// The moment of verification.
    pub now: DateTime<Utc>,
    /// Greatest age of the newest evidence.
    pub max_age: Option<Duration>,
    /// Greatest time between two runs.
    pub max_gap: Option<Duration>,
    /// Where logs were seen before; `None` when nobody keeps pins.
    pub pins: Option<Pins>,
    /// Evaluate the stored snapshot again.
    pub replay: bool,
}

impl Options {
    /// Nothing but the signature, the files and the log.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { cluster: None, now, max_age: None, max_gap: None, pins: None, replay: false }
    }
}

/// What was found (`verify --json`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The worst of the steps.
    pub result: Verdict,
    /// What is shown, each apart.
    pub shown: Shown,
    /// The bundle; of a chain the newest.
    pub bundle: Option<BundleSummary>,
    /// The package, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageSummary>,
    /// Bundles looked at; of a package those that it rests on.
    pub bundles: u64,
    /// Id of the key that the newest envelope says signed it: a hint, never trusted.
    pub claimed_key: Option<String>,
    /// Every check, in order.
    pub steps: Vec<Step>,
    /// What this verification leaves open, in sentences.
    pub open: Vec<String>,
    /// Where the log stands now, if it may be pinned.
    #[serde(skip)]
    pub pin: Option<Pin>,
}

/// The four things that verification can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Signed by the trusted key, and every file is as signed.
    pub authentic: bool,
    /// Committed to the cluster's log.
    pub included: bool,
    /// A third party's time stamp fixes the moment.
    pub anchored: bool,
    /// Not older than asked; `None` when nothing was asked. By claimed times.
    pub fresh: Option<bool>,
}

/// A bundle in one line, from its proved statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleSummary {
    /// SHA-256 of the PAE.
    pub id: Digest,
    /// Cluster's name.
    pub cluster: String,
    /// Cluster's folder.
    pub folder: String,
    /// How the run ended.
    pub run: RunResult,
    /// End of collection, as claimed.
    pub finished: DateTime<Utc>,
    /// Lists that were not answered.
    pub unseen: u64,
    /// Evidence root, as the PDF prints it.
    pub evidence_root: Digest,
    /// Leaf index, when included.
    pub index: Option<u64>,
}

impl Verification {
    /// Several clusters of a store as one: the worst result, and shown only what is shown of each.
    pub fn merge(each: Vec<Self>) -> Self {
        let all = |shown: fn(&Shown) -> bool| !each.is_empty() && each.iter().all(|v| shown(&v.shown));
        let fresh: Vec<bool> = each.iter().filter_map(|v| v.shown.fresh).collect();
        let shown = Shown {
            authentic: all(|s| s.authentic),
            included: all(|s| s.included),
            anchored: all(|s| s.anchored),
            fresh: (!fresh.is_empty()).then(|| fresh.iter().all(|fresh| *fresh)),
        };
        Self {
            schema: SCHEMA,
            result: each.iter().map(|v| v.result).max().unwrap_or(Verdict::Incomplete),
            shown,
            bundle: None,
            package: None,
            bundles: each.iter().map(|v| v.bundles).sum(),
            claimed_key: None,
            open: each.iter().map(|v| v.open.clone()).max_by_key(Vec::len).unwrap_or_default(),
            steps: each.into_iter().flat_map(|v| v.steps).collect(),
            pin: None,
        }
    }
}

impl BundleSummary {
    fn of(id: Digest, predicate: &Predicate, index: Option<u64>) -> Self {
        Self {
            id,
            cluster: predicate.cluster.name.clone(),
            folder: predicate.cluster.folder.clone(),
            run: predicate.run.result,
            finished: predicate.run.finished,
            unseen: predicate.coverage.unseen(),
            evidence_root: predicate.evidence_root,
            index,
        }
    }
}

/// A bundle that was proved authentic and included: the only way to its content for drift and replay.
#[derive(Debug, Clone)]
pub struct Verified {
    id: Digest,
    predicate: Predicate,
    files: BTreeMap<String, Vec<u8>>,
    evaluation: content::Members,
    commit: Commit,
}

impl Verified {
    /// SHA-256 of the PAE.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// What was signed.
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// The very buffers that were hashed, by bag path.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// A member of the evaluation (`data/evaluation.json`), read without the others: its findings are most of a bundle.
    ///
    /// # Errors
    /// One sentence: there is none of this name, or it has another form.
    pub fn evaluation<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let bytes = self.files.get(EVALUATION).map_or(&[][..], Vec::as_slice);
        content::member(bytes, &self.evaluation, name).map_err(|error| format!("{EVALUATION}: {error}"))
    }

    /// The same buffers, to keep a part of them.
    pub fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        self.files
    }

    /// The log entry.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }
}

/// Verifies one bundle with the log entries that came with it.
///
/// `log` may hold one commit or the whole log; without any the bundle cannot be shown to be committed.
pub fn bundle(
    name: &str,
    files: BundleFiles,
    log: &LogFiles,
    trust: &Trust,
    options: &Options,
) -> (Verification, Option<Verified>) {
    let mut steps = Steps::default();
    let judged = bundle::judge(files, trust, options, &mut steps);
    let claimed_key = judged.envelope.map(|envelope| envelope.keyid().to_owned());
    let Some(proved) = judged.proved else {
        return (finish(steps, Seen { bundles: 1, claimed_key, ..Seen::default() }, trust, options), None);
    };
    let entry = inclusion::Entry::of(name, &proved);
    let judgement = inclusion::judge(log, &[entry], inclusion::Reach::OneBundle, options, &mut steps);
    let commit = judgement.commits.iter().find(|commit| inclusion::holds(commit, &proved)).cloned();
    inclusion::judge_freshness(proved.predicate.run.finished, options, &mut steps);
    if options.replay && proved.intact {
        replay::judge(&proved, &mut steps);
    }
    let shown = Shown {
        authentic: proved.intact,
        included: commit.is_some(),
        anchored: false,
        fresh: options.max_age.map(|_| !steps.has(Verdict::Stale)),
    };
    let summary = BundleSummary::of(proved.id, &proved.predicate, commit.as_ref().map(Commit::index));
    let seen = Seen { shown, bundle: Some(summary), bundles: 1, claimed_key, judgement };
    let verification = finish(steps, seen, trust, options);
    let verified = commit.filter(|_| proved.intact).map(|commit| Verified {
        id: proved.id,
        predicate: proved.predicate,
        files: proved.files,
        evaluation: proved.evaluation,
        commit,
    });
    (verification, verified)
}

/// What the steps showed, before the result is drawn.
#[derive(Default)]
struct Seen {
    shown: Shown,
    bundle: Option<BundleSummary>,
    bundles: u64,
    claimed_key: Option<String>,
    judgement: inclusion::Judgement,
}

fn finish(steps: Steps, seen: Seen, trust: &Trust, options: &Options) -> Verification {
    let result = steps.verdict();
    let open = match (trust, &seen.bundle) {
        (Trust::Key(_), Some(_)) => left_open(options, seen.judgement.pinned),
        (Trust::Nobody, _) | (_, None) => Vec::new(),
    };
    Verification {
        schema: SCHEMA,
        result,
        shown: seen.shown,
        bundle: seen.bundle,
        package: None,
        bundles: seen.bundles,
        claimed_key: seen.claimed_key,
        steps: steps.into_vec(),
        open,
        // Only a log in which nothing failed becomes what later ones are measured by.
        pin: seen.judgement.pin.filter(|_| result <= Verdict::Stale),
    }
}

/// What `--key` alone cannot show.
fn left_open(options: &Options, pinned: bool) -> Vec<String> {
    let rollback = match (&options.pins, pinned) {
        (_, true) => None,
        (Some(_), false) => Some("rollback not excluded this first time: the pin file knew nothing of this log"),
        (None, false) => Some(
            "rollback not excluded: without a pin (--pin FILE), a time stamp or a witness, a log whose newest entries \
             were cut off, or a history rewritten by the owner of store and keys, looks the same",
        ),
    };
    let replay = (!options.replay).then_some("findings were not computed again from the snapshot (--replay)");
    [
        rollback,
        Some("times are the job's own claims: no time stamp says when this was signed"),
        Some(
            "the key is trusted because you named it; no policy says whether it was in force or stolen on that day, \
             or which rules and which coverage were required",
        ),
        replay,
        Some("the signature does not show that the cluster told the truth"),
    ]
    .into_iter()
    .flatten()
    .map(str::to_owned)
    .collect()
}
