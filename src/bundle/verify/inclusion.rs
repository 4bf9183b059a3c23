//! Step 5: the log. Commits are read only under the key that a proved statement names.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{LogFiles, Options, StepName, Verdict, bundle::Proved, pin::Pin, steps::Steps};
use crate::{
    bundle::{
        keys::VerifyingKey,
        log::{Commit, Consistency, Entry as LeafEntry},
    },
    clock,
    digest::Digest,
};

/// A bundle that should stand in the log.
pub(super) struct Entry {
    name: String,
    id: Digest,
    signature: Digest,
    stamps: BTreeMap<String, Digest>,
    origin: String,
    log_key: VerifyingKey,
    pub(super) finished: DateTime<Utc>,
}

impl Entry {
    pub(super) fn of(name: &str, proved: &Proved) -> Self {
        Self {
            name: name.to_owned(),
            id: proved.id,
            signature: proved.signature,
            stamps: proved.stamps.clone(),
            origin: proved.predicate.log.origin.clone(),
            log_key: proved.log_key.clone(),
            finished: proved.predicate.run.finished,
        }
    }
}

/// How much of the log was handed over.
pub(super) enum Reach<'a> {
    /// What came with one bundle: entries in between may be elsewhere.
    OneBundle,
    /// A store: every entry is here, and these are its bundles.
    WholeLog {
        /// Ids of the bundles that are here, proved or not.
        present: &'a BTreeSet<Digest>,
    },
}

/// What the log shows.
#[derive(Default)]
pub(super) struct Judgement {
    /// Verified commits by index.
    pub(super) commits: Vec<Commit>,
    /// Where the log stands.
    pub(super) pin: Option<Pin>,
    /// The log was compared with an earlier pin.
    pub(super) pinned: bool,
    /// Index of each entry, in the entries' order.
    pub(super) indexes: Vec<Option<u64>>,
}

/// Whether a commit is the entry of this bundle.
pub(super) fn holds(commit: &Commit, proved: &Proved) -> bool {
    commit.leaf().as_bundle().is_some_and(|leaf| leaf.pae == proved.id && leaf.sig == proved.signature)
}

/// Judges the log of `entries`, which share one origin and one key.
pub(super) fn judge(
    log: &LogFiles,
    entries: &[Entry],
    reach: Reach<'_>,
    options: &Options,
    steps: &mut Steps,
) -> Judgement {
    let Some(first) = entries.first() else { return Judgement::default() };
    for problem in &log.problems {
        steps.fail(StepName::Log, Verdict::Incomplete, &problem.subject, &problem.detail);
    }
    let commits = verified_commits(log, first, steps);
    if commits.is_empty() && log.commits.is_empty() && log.problems.is_empty() {
        let detail = "no log entry came with it: nothing shows that its run was committed; verify the folder that \
                      'kubeproof get' wrote, or the store";
        steps.fail(StepName::Log, Verdict::Incomplete, "log/", detail);
        return Judgement { indexes: vec![None; entries.len()], ..Judgement::default() };
    }
    judge_chain(&commits, &reach, log, steps);
    let indexes = entries.iter().map(|entry| judge_entry(entry, &commits, steps)).collect();
    if let Reach::WholeLog { present } = reach {
        judge_payloads(&commits, present, log, steps);
    }
    let known = options.pins.as_ref().and_then(|pins| pins.get(&first.origin));
    if let Some(pin) = &known {
        judge_pin(pin, &commits, &reach, steps);
    }
    if let Some(newest) = commits.last().filter(|_| !steps.failed(StepName::Log)) {
        let detail = match &known {
            Some(pin) => format!("{} entries, consistent with the {} that were pinned", newest.size(), pin.size),
            None => format!("{} entries under root {}", newest.size(), newest.root().short(16)),
        };
        steps.pass(StepName::Log, newest.origin(), detail);
    }
    let pin = commits.last().map(|c| Pin { origin: c.origin().to_owned(), size: c.size(), root: c.root() });
    Judgement { pin, pinned: known.is_some(), commits, indexes }
}

fn file_of(log: &LogFiles, commit: &Commit) -> String {
    let file = log.commits.values().find(|file| file.bytes == commit.bytes());
    file.map_or_else(|| format!("log entry {}", commit.index()), |file| file.name.clone())
}

/// Commits by index; slots held by something else are named and skipped.
fn verified_commits(log: &LogFiles, expected: &Entry, steps: &mut Steps) -> Vec<Commit> {
    let mut commits: Vec<Commit> = Vec::new();
    for file in log.commits.values() {
        match Commit::parse_and_verify(&file.bytes, &expected.origin, &expected.log_key) {
            Ok(commit) => commits.push(commit),
            Err(error) => {
                let detail = format!("not an entry of this log, skipped: {error}");
                steps.fail(StepName::Log, Verdict::Incomplete, &file.name, detail);
            }
        }
    }
    commits.sort_by_key(Commit::index);
    commits
}

fn judge_chain(commits: &[Commit], reach: &Reach<'_>, log: &LogFiles, steps: &mut Steps) {
    let whole = matches!(reach, Reach::WholeLog { .. });
    if let Some(first) = commits.first().filter(|first| whole && first.index() > 0) {
        missing(0, first, log, steps);
    }
    for pair in commits.windows(2) {
        let [earlier, later] = pair else { continue };
        match later.consistent_with(earlier) {
            Consistency::Unknown if whole => missing(earlier.size(), later, log, steps),
            Consistency::Consistent | Consistency::Unknown => {}
            Consistency::Contradiction => {
                let detail = format!("contradicts {}: the log's key signed two histories", file_of(log, earlier));
                steps.fail(StepName::Log, Verdict::Tampered, file_of(log, later), detail);
            }
        }
    }
}

fn missing(from: u64, later: &Commit, log: &LogFiles, steps: &mut Steps) {
    let last = later.index().saturating_sub(1);
    let entries = if from == last { format!("entry {from} is") } else { format!("entries {from} to {last} are") };
    steps.fail(StepName::Log, Verdict::Incomplete, file_of(log, later), format!("{entries} missing before it"));
}

fn judge_entry(entry: &Entry, commits: &[Commit], steps: &mut Steps) -> Option<u64> {
    let found = commits.iter().find_map(|commit| {
        let leaf = commit.leaf().as_bundle().filter(|leaf| leaf.pae == entry.id && leaf.sig == entry.signature)?;
        Some((commit.index(), leaf))
    });
    let Some((index, leaf)) = found else {
        let detail = "not in the log: its run was never committed, or its entry was removed";
        steps.fail(StepName::Log, Verdict::Incomplete, &entry.name, detail);
        return None;
    };
    let logged: BTreeSet<&Digest> = leaf.tsr.iter().collect();
    for (path, digest) in &entry.stamps {
        if !logged.contains(digest) {
            steps.fail(StepName::Log, Verdict::Tampered, path, "not the time stamp that the log entry names");
        }
    }
    let present: BTreeSet<&Digest> = entry.stamps.values().collect();
    for digest in logged.difference(&present) {
        let detail = format!("the log entry names a time stamp that is not here ({})", digest.short(16));
        steps.fail(StepName::Log, Verdict::Incomplete, &entry.name, detail);
    }
    steps.pass(StepName::Log, &entry.name, format!("entry {index} of {}", entry.origin));
    Some(index)
}

/// Every entry's payload is here.
fn judge_payloads(commits: &[Commit], present: &BTreeSet<Digest>, log: &LogFiles, steps: &mut Steps) {
    for commit in commits {
        match commit.leaf().entry() {
            LeafEntry::Bundle(leaf) if !present.contains(&leaf.pae) => {
                let detail = format!("its bundle {} is not here", leaf.pae.short(16));
                steps.fail(StepName::Log, Verdict::Incomplete, file_of(log, commit), detail);
            }
            LeafEntry::Bundle(_) => {}
            LeafEntry::Unknown { kind } => {
                let detail = format!("an entry of type '{kind}', which this version does not know");
                steps.pass(StepName::Log, file_of(log, commit), detail);
            }
        }
    }
}

/// The log holds what was pinned.
fn judge_pin(pin: &Pin, commits: &[Commit], reach: &Reach<'_>, steps: &mut Steps) {
    let size = commits.last().map_or(0, Commit::size);
    if size < pin.size {
        let (verdict, detail) = match reach {
            Reach::WholeLog { .. } => (
                Verdict::Tampered,
                format!("the log ends at entry {size}, and {} were seen before: entries were removed", pin.size),
            ),
            Reach::OneBundle => (
                Verdict::Incomplete,
                format!(
                    "it came with {size} log entries, and {} were seen before: get it again, or verify the store",
                    pin.size
                ),
            ),
        };
        return steps.fail(StepName::Log, verdict, &pin.origin, detail);
    }
    let Some(at) = commits.iter().position(|commit| commit.size() == pin.size) else {
        let detail = format!("cannot be compared with the pin: entry {} is not here", pin.size.saturating_sub(1));
        return steps.fail(StepName::Log, Verdict::Incomplete, &pin.origin, detail);
    };
    if commits[at].root() != pin.root {
        let detail = format!("its first {} entries are not those that were pinned: history was rewritten", pin.size);
        return steps.fail(StepName::Log, Verdict::Tampered, &pin.origin, detail);
    }
    let joined = commits[at..].windows(2).all(|pair| pair[1].consistent_with(&pair[0]) == Consistency::Consistent);
    if !joined && matches!(reach, Reach::OneBundle) {
        let detail = "entries since the pin are missing, so nothing shows that the log only grew";
        steps.fail(StepName::Log, Verdict::Incomplete, &pin.origin, detail);
    }
}

/// Step 6's place: ages by claimed times, until time stamps say otherwise.
pub(super) fn judge_freshness(finished: DateTime<Utc>, options: &Options, steps: &mut Steps) {
    let Some(max_age) = options.max_age else { return };
    let (age, claimed) = (options.now - finished, clock::rfc3339(finished));
    let subject = "newest bundle";
    if age < chrono::Duration::minutes(-5) {
        let detail = format!("claims to be of {claimed}, which is in the future");
        steps.fail(StepName::Time, Verdict::Stale, subject, detail);
    } else if age > max_age {
        let detail = format!("{} old ({claimed}, claimed), allowed are {}", span(age), span(max_age));
        steps.fail(StepName::Time, Verdict::Stale, subject, detail);
    } else {
        steps.pass(StepName::Time, subject, format!("{} old ({claimed}, claimed)", span(age)));
    }
}

/// `2 d 3 h`, `3 h 4 min`, `12 min`.
pub(super) fn span(duration: chrono::Duration) -> String {
    let (days, hours, minutes) = (duration.num_days(), duration.num_hours() % 24, duration.num_minutes() % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
