//! Two moments compared: what `kubeproof diff` asks, outside of any run.

use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDate, Utc};

use super::{baseline, compare, judge};
use crate::{
    bundle::{
        VerifyingKey,
        statement::RunResult,
        verify::{LogFiles, Verdict},
    },
    collect::{Collected, Coverage, InputError, inputs},
    config::LoadError,
    digest::Digest,
    drift::{Baseline, Drift, Side},
    evaluate::{Evaluation, Rules},
    framework::RuleFiles,
    report::{DriftSide, Origin, Proof},
    snapshot::{self, Sealer, Snapshot, Tokens},
    store::{
        Store, StoreError,
        inventory::{Entry, Standing},
    },
};

/// A cluster at one moment, judged.
#[derive(Debug)]
pub struct Moment {
    /// Bundle id, or the path it was read from.
    pub name: String,
    /// Leaf index, of a bundle.
    pub index: Option<u64>,
    /// What was verified before it was read, of a bundle.
    pub proof: Option<Proof>,
    /// `production`, `staging`, ... as a bundle's statement has it.
    pub environment: Option<String>,
    /// What was asked and answered.
    pub coverage: Coverage,
    /// The state.
    pub snapshot: Snapshot,
    /// What was said of it.
    pub evaluation: Evaluation,
    /// What decided.
    pub rules: RuleFiles,
}

/// A bundle that nothing may be read from.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Unproved {
    /// What verification says; `None` when there was nothing to verify.
    pub verdict: Option<Verdict>,
    /// The first thing that is wrong.
    pub reason: String,
}

impl Moment {
    /// A recorded cluster or manifests, judged by `rules`.
    ///
    /// # Errors
    /// Definitions that are wrong.
    pub fn of_source(collected: Collected, rules: RuleFiles, frameworks: &[String]) -> Result<Self, Vec<LoadError>> {
        let Collected { source, coverage, objects, .. } = collected;
        let loaded = Rules::load(rules, frameworks, &coverage.cluster)?;
        let snapshot = snapshot::assemble(objects, &coverage);
        let evaluation = judge(&snapshot, &coverage, &loaded, coverage.finished.date_naive());
        Ok(Self {
            name: source.name,
            index: None,
            proof: None,
            environment: None,
            coverage,
            snapshot,
            evaluation,
            rules: loaded.files,
        })
    }

    /// A bundle on disk, with the rules and the judgement of its own time; nothing is read before it is proved.
    ///
    /// # Errors
    /// It cannot be read, or does not verify with `key`.
    pub fn of_bundle(path: &Path, key: &VerifyingKey, now: DateTime<Utc>) -> Result<Self, Unproved> {
        baseline::on_disk(path, key, now).map(|bundle| bundle.moment)
    }

    /// The last run that saw the cluster and ended on `day` (UTC) or before, as far as `key` proves it. What does not
    /// verify is passed over, with a sentence in `passed_over`. `None` when there is none.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn of_day(
        store: &Store,
        cluster: &str,
        day: NaiveDate,
        key: &VerifyingKey,
        now: DateTime<Utc>,
        passed_over: &mut Vec<String>,
    ) -> Result<Option<Self>, StoreError> {
        let inventory = store.inventory(cluster, Some(key), usize::MAX).await?;
        let in_time = |entry: &Entry| {
            let run = &entry.predicate.as_ref()?.run;
            let signed = matches!(entry.standing, Standing::Signed { .. });
            let taken = signed && run.result != RunResult::Failed && run.finished.date_naive() <= day;
            taken.then_some((run.finished, entry.id))
        };
        let mut entries: Vec<(DateTime<Utc>, Digest)> = inventory.entries.iter().filter_map(in_time).collect();
        entries.sort_by_key(|entry| Reverse(*entry));
        if entries.is_empty() {
            return Ok(None);
        }
        let log = LogFiles::of(store.commit_files(cluster).await?);
        for (_, id) in entries {
            let files = store.bundle_files(cluster, &id).await?;
            match baseline::of_files(&id.hex(), files.into(), &log, key, now) {
                Ok(bundle) => return Ok(Some(bundle.moment)),
                Err(unproved) => passed_over.push(format!("bundle {} is passed over: {unproved}", id.short(12))),
            }
        }
        Ok(None)
    }

    /// Reads audit logs beside a state that was collected without them. What could not be read is returned; the rest
    /// stands in the coverage.
    pub fn add_audit_logs(&mut self, paths: &[PathBuf], now: DateTime<Utc>) -> Vec<InputError> {
        let sealer = Sealer::new(None, self.coverage.cluster.uid.as_deref().unwrap_or_default(), Tokens::Foreign);
        let mut collected = Collected {
            source: self.coverage.source.clone(),
            coverage: self.coverage.clone(),
            objects: std::mem::take(&mut self.snapshot.objects),
            errors: Vec::new(),
        };
        inputs::add_audit_logs(&mut collected, paths, &sealer, now);
        self.coverage = collected.coverage;
        self.snapshot.objects = collected.objects;
        self.snapshot.objects.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        collected.errors
    }

    /// When its collection ended.
    pub fn finished(&self) -> DateTime<Utc> {
        self.coverage.finished
    }

    /// Name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.coverage.cluster.name
    }

    /// What documents say of it.
    pub fn described(&self) -> DriftSide {
        let origin = match self.proof {
            Some(proof) => Origin::Bundle { id: self.name.clone(), index: self.index, proof },
            None => Origin::Unsigned(self.name.clone()),
        };
        DriftSide::of(origin, &self.coverage, &self.snapshot, &self.evaluation, &self.rules)
    }

    pub(super) fn side(&self) -> Side<'_> {
        Side { snapshot: &self.snapshot, coverage: &self.coverage, evaluation: &self.evaluation, rules: &self.rules }
    }

    pub(super) fn baseline(&self) -> Baseline {
        Baseline { bundle: self.name.clone(), index: self.index, finished: self.coverage.finished }
    }
}

/// What changed from `old` to `new`, each change with its cause: the old moment is judged again by the rules of the new.
///
/// # Errors
/// The new moment's rules do not load.
pub fn diff(old: &Moment, new: &Moment) -> Result<Drift, Vec<LoadError>> {
    // The frameworks that were looked at stand in the evaluation, by version: asking for them selects the same.
    let asked: Vec<String> = new.evaluation.frameworks.iter().map(|f| format!("{}@{}", f.id, f.version)).collect();
    let rules = Rules::load(new.rules.clone(), &asked, &new.coverage.cluster)?;
    let mut drift = compare(Some((old.baseline(), old.side())), new.side(), &rules, new.finished().date_naive());
    let uids = (&old.coverage.cluster.uid, &new.coverage.cluster.uid);
    if let (Some(before), Some(after)) = uids
        && before != after
    {
        drift.cannot_compare.push(format!("these are two clusters: their uids are {before} and {after}"));
    }
    Ok(drift)
}
