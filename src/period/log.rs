//! A cluster's log as the package reads it: which entries are its own, and what is missing between them.

use std::collections::{BTreeMap, BTreeSet};

use super::model::LogSeen;
use crate::{
    bundle::{
        Commit, VerifyingKey,
        log::{Consistency, claimed_leaf, commit_file},
        log_origin,
    },
    digest::Digest,
};

/// An entry that names a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Number of its file.
    pub(super) slot: u64,
    /// Leaf index, once the log's key proved it.
    pub(super) index: Option<u64>,
    /// The commit's file.
    pub(super) bytes: Vec<u8>,
}

impl Entry {
    /// The bundle that a commit's file claims to commit.
    pub(super) fn claimed(slot: u64, bytes: &[u8]) -> Option<(Digest, Self)> {
        let id = claimed_leaf(bytes)?.as_bundle()?.pae;
        Some((id, Self { slot, index: None, bytes: bytes.to_vec() }))
    }

    /// What bundles are ordered by: the leaf index, else the slot.
    pub(super) fn order(&self) -> (u64, u64) {
        (self.index.unwrap_or(self.slot), self.slot)
    }
}

/// A log, judged once for all bundles.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Verified commits by slot.
    commits: BTreeMap<u64, Commit>,
    /// Slots whose commit contradicts an earlier one.
    contradicting: BTreeSet<u64>,
    /// What is wrong, with the index from which on it matters.
    notes: Vec<(Option<u64>, String)>,
}

impl Log {
    /// Proves every commit under the log's key; without a key nothing is proved.
    pub(super) fn judge(files: &BTreeMap<u64, Vec<u8>>, folder: &str, key: Option<&VerifyingKey>) -> Self {
        let Some(key) = key else { return Self::default() };
        let mut log = Self::default();
        for (slot, bytes) in files {
            match Commit::parse_and_verify(bytes, &log_origin(folder), key) {
                Ok(commit) => {
                    log.commits.insert(*slot, commit);
                }
                Err(error) => {
                    let note = format!("log/{}: not an entry of this log, skipped: {error}", commit_file(*slot));
                    log.notes.push((None, note));
                }
            }
        }
        log.judge_order();
        log
    }

    fn judge_order(&mut self) {
        let mut ordered: Vec<(u64, &Commit)> = self.commits.iter().map(|(slot, commit)| (*slot, commit)).collect();
        ordered.sort_by_key(|(slot, commit)| (commit.index(), *slot));
        let mut size = 0;
        for (at, (slot, commit)) in ordered.iter().enumerate() {
            let index = commit.index();
            let earlier = at.checked_sub(1).map(|before| ordered[before].1);
            if earlier.is_some_and(|earlier| commit.consistent_with(earlier) == Consistency::Contradiction) {
                let note = format!("entry {index} contradicts the one before it: the log's key signed two histories");
                self.notes.push((None, note));
                self.contradicting.insert(*slot);
            }
            if index > size {
                let entries = if size + 1 == index {
                    format!("entry {size} is")
                } else {
                    format!("entries {size} to {} are", index - 1)
                };
                let note = format!("{entries} missing from the log: which runs they committed is not known");
                self.notes.push((Some(index), note));
            }
            size = size.max(commit.size());
        }
    }

    /// Of the files that name a bundle the one that the log's key signed, with its index; else the first.
    pub(super) fn pick(&self, entries: Vec<Entry>) -> Option<Entry> {
        let index = |entry: &Entry| self.commits.get(&entry.slot).map(Commit::index);
        let at = entries.iter().position(|entry| index(entry).is_some()).unwrap_or(0);
        entries.into_iter().nth(at).map(|entry| Entry { index: index(&entry), ..entry })
    }

    /// Why an entry proves nothing.
    pub(super) fn refuses(&self, entry: &Entry) -> Option<String> {
        if self.contradicting.contains(&entry.slot) {
            return Some("its log entry contradicts an earlier one: history was rewritten".into());
        }
        entry.index.is_none().then(|| "its log entry is not signed by the log's key".into())
    }

    /// Where the log stands.
    pub(super) fn seen(&self) -> Option<LogSeen> {
        let newest = self.commits.values().max_by_key(|commit| commit.size())?;
        Some(LogSeen { origin: newest.origin().to_owned(), size: newest.size(), root: newest.root() })
    }

    /// What is wrong with the log from entry `first` on; what was lost before that is no matter of this period.
    pub(super) fn notes(&self, first: Option<u64>) -> Vec<String> {
        let matters = |index: &Option<u64>| index.is_none_or(|index| first.is_none_or(|first| index >= first));
        self.notes.iter().filter(|(index, _)| matters(index)).map(|(_, note)| note.clone()).collect()
    }
}
