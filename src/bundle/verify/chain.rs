//! All bundles of a cluster: each by itself, then the log that orders them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    BundleSummary, Options, Shown, StepName, Trust, Verdict, Verification, bundle, finish, inclusion,
    read::{Cluster, ReadError},
    replay,
    steps::Steps,
};
use crate::{bundle::envelope, bundle::keys::VerifyingKey, clock, digest::Digest};

/// Verifies every bundle of a cluster's folder and the log that orders them.
///
/// # Errors
/// A bundle cannot be read.
pub fn cluster(cluster: &Cluster, trust: &Trust, options: &Options) -> Result<Verification, ReadError> {
    let mut steps = Steps::default();
    let mut chain = Chain::default();
    for name in &cluster.bundles {
        chain.add(cluster, name, trust, options, &mut steps)?;
    }
    if cluster.bundles.is_empty() {
        steps.fail(StepName::Files, Verdict::Incomplete, format!("{}/bundles/", cluster.name), "no bundle is here");
    }
    let judgement = inclusion::judge(
        &cluster.log,
        &chain.entries,
        inclusion::Reach::WholeLog { present: &chain.present },
        options,
        &mut steps,
    );
    let mut timeline: Vec<(u64, usize)> =
        judgement.indexes.iter().enumerate().filter_map(|(at, index)| Some(((*index)?, at))).collect();
    timeline.sort_unstable();
    let times: Vec<(u64, DateTime<Utc>)> =
        timeline.iter().map(|(index, at)| (*index, chain.entries[*at].finished)).collect();
    judge_gaps(&times, options, &mut steps);
    if let Some((_, finished)) = times.last() {
        inclusion::judge_freshness(*finished, options, &mut steps);
    }
    let newest =
        timeline.last().map(|(index, at)| BundleSummary { index: Some(*index), ..chain.summaries[*at].clone() });
    let shown = Shown {
        authentic: !chain.entries.is_empty() && !steps.has(Verdict::Tampered) && !steps.has(Verdict::Untrusted),
        included: !times.is_empty() && judgement.indexes.iter().all(Option::is_some),
        anchored: false,
        fresh: options.max_age.map(|_| !times.is_empty() && !steps.has(Verdict::Stale)),
    };
    let newest = newest.or_else(|| chain.summaries.last().cloned());
    let seen = super::Seen {
        shown,
        bundle: newest,
        bundles: cluster.bundles.len() as u64,
        claimed_key: chain.claimed_key,
        judgement,
    };
    Ok(finish(steps, seen, trust, options))
}

#[derive(Default)]
struct Chain {
    entries: Vec<inclusion::Entry>,
    summaries: Vec<BundleSummary>,
    present: BTreeSet<Digest>,
    log: Option<(String, VerifyingKey)>,
    claimed_key: Option<String>,
}

impl Chain {
    /// Judges one bundle; its files are dropped before the next is read.
    fn add(
        &mut self,
        cluster: &Cluster,
        name: &str,
        trust: &Trust,
        options: &Options,
        steps: &mut Steps,
    ) -> Result<(), ReadError> {
        let shown = format!("{}/bundles/{}", cluster.name, name.chars().take(12).collect::<String>());
        let Ok(id) = Digest::from_hex(name) else {
            steps.fail(StepName::Files, Verdict::Incomplete, shown, "not the name of a bundle");
            return Ok(());
        };
        let files = cluster.bundle(name)?;
        if !files.files.contains_key(envelope::FILE) && !is_logged(cluster, id) {
            // A run that was killed while it wrote: nothing is signed, nothing is in the log, nothing is claimed.
            steps.pass(StepName::Files, shown, "left over from a run that never committed; it is no evidence");
            return Ok(());
        }
        self.present.insert(id);
        let mut own = Steps::below(format!("{shown}/"));
        let judged = bundle::judge(files, trust, options, &mut own);
        if judged.envelope.as_ref().is_some_and(|envelope| envelope.id() != id) {
            own.fail(StepName::Envelope, Verdict::Tampered, envelope::FILE, "its folder is named for another envelope");
        }
        self.claimed_key = judged.envelope.map(|envelope| envelope.keyid().to_owned()).or(self.claimed_key.take());
        if let Some(proved) = judged.proved {
            self.same_log(&proved, cluster, &mut own);
            if options.replay && proved.intact {
                replay::judge(&proved, &mut own);
            }
            self.entries.push(inclusion::Entry::of(&shown, &proved));
            self.summaries.push(BundleSummary::of(proved.id, &proved.predicate, None));
        }
        steps.append(own);
        Ok(())
    }

    /// All bundles of a folder are of one cluster and name one log key.
    fn same_log(&mut self, proved: &bundle::Proved, cluster: &Cluster, steps: &mut Steps) {
        let log = (proved.predicate.log.origin.clone(), proved.log_key.clone());
        if proved.predicate.cluster.folder != cluster.name {
            let detail = format!(
                "evidence of cluster '{}' in the folder of '{}'",
                proved.predicate.cluster.folder, cluster.name
            );
            steps.fail(StepName::Envelope, Verdict::Tampered, envelope::FILE, detail);
        }
        if *self.log.get_or_insert_with(|| log.clone()) != log {
            let detail = "names another log or another log key than the bundles before it";
            steps.fail(StepName::Envelope, Verdict::Untrusted, envelope::FILE, detail);
        }
    }
}

/// Whether any commit, proved or not, mentions the bundle: only then is a half-written folder more than a leftover.
fn is_logged(cluster: &Cluster, id: Digest) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    cluster.log.commits.values().any(|file| {
        let text = String::from_utf8_lossy(&file.bytes);
        let leaf = text.lines().find_map(|line| line.strip_prefix("extra "));
        leaf.and_then(|text| STANDARD.decode(text).ok())
            .is_some_and(|leaf| String::from_utf8_lossy(&leaf).contains(&id.hex()))
    })
}

/// Gaps between runs, by their index in the log and the times that they claim.
pub(super) fn judge_gaps(times: &[(u64, DateTime<Utc>)], options: &Options, steps: &mut Steps) {
    let gaps = times.windows(2).map(|pair| (pair[1].1 - pair[0].1, pair[0], pair[1]));
    let Some((longest, from, to)) = gaps.clone().max_by_key(|(gap, ..)| *gap) else { return };
    for (_, (before, earlier), (after, later)) in gaps.clone().filter(|(gap, ..)| *gap < chrono::Duration::zero()) {
        let detail = format!(
            "entry {after} claims {}, earlier than entry {before} ({}): a clock went back",
            clock::rfc3339(later),
            clock::rfc3339(earlier)
        );
        steps.pass(StepName::Time, "log", detail);
    }
    let between = |from: (u64, DateTime<Utc>), to: (u64, DateTime<Utc>)| {
        format!(
            "between entries {} ({}) and {} ({}), claimed",
            from.0,
            clock::rfc3339(from.1),
            to.0,
            clock::rfc3339(to.1)
        )
    };
    let Some(max_gap) = options.max_gap else {
        let detail = format!("the longest gap is {}, {}", inclusion::span(longest), between(from, to));
        return steps.pass(StepName::Time, "log", detail);
    };
    for (gap, from, to) in gaps.filter(|(gap, ..)| *gap > max_gap) {
        let detail = format!(
            "a gap of {} {}; allowed are {}",
            inclusion::span(gap),
            between(from, to),
            inclusion::span(max_gap)
        );
        steps.fail(StepName::Time, Verdict::Incomplete, "log", detail);
    }
}
