//! The commit protocol: a bundle is in the log once its commit could be created, and exactly once.

use bytes::Bytes;

use super::{
    Patience, Store, StoreError,
    chain::{Head, Skipped, Slot, commit_path, follows, judge},
    create::Created,
};
use crate::{
    bundle::{Commit, Leaf, LogKey, log::LogError, log_origin},
    digest::Digest,
};

/// A leaf that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Index of the leaf.
    pub index: u64,
    /// Leaves in the log with it.
    pub size: u64,
    /// Root of the tree with it.
    pub root: Digest,
    /// Number of the commit's file.
    pub slot: u64,
    /// URL of the commit.
    pub url: String,
    /// Slots that hold something else, passed over on the way.
    pub skipped: Vec<Skipped>,
    /// It was there before: an earlier attempt had succeeded without hearing so.
    pub was_there: bool,
}

impl Store {
    /// Puts `leaf` into the cluster's log.
    ///
    /// The bundle's objects must be in the store already. The checkpoint is signed for each slot that is tried and
    /// leaves the process in the request that creates the commit, never before; the bundle itself is never signed again.
    /// `since` is the size of the log when the leaf was first tried: from there on it is looked for, so that an attempt
    /// whose success nobody heard of is not repeated.
    ///
    /// # Errors
    /// A store that refuses, is full, or whose answers leave the outcome open beyond all patience.
    pub async fn commit(
        &self,
        cluster: &str,
        leaf: &Leaf,
        key: &LogKey,
        since: Option<u64>,
        patience: Patience,
    ) -> Result<Committed, StoreError> {
        let public = key.public();
        let folder = self.commits(cluster)?;
        let Head { newest, mut skipped } = self.head(cluster, &public).await?;
        if let Some(found) = self.find(cluster, leaf, key, newest.as_ref(), since).await? {
            return Ok(self.committed(cluster, &found, skipped, true));
        }
        let mut slot = newest.as_ref().map_or(0, |newest| newest.slot + 1);
        let mut previous = newest.map(|newest| newest.commit);
        loop {
            if skipped.iter().any(|skipped| skipped.slot == slot) {
                slot += 1;
                continue;
            }
            let path = commit_path(&folder, slot);
            let ours =
                next_commit(previous.as_ref(), leaf, cluster, key).map_err(|error| self.log_error(&path, &error))?;
            match self.create(&path, &Bytes::copy_from_slice(ours.bytes()), patience).await? {
                Created::Ours => return Ok(self.committed(cluster, &Slot { slot, commit: ours }, skipped, false)),
                Created::Theirs(bytes) => match judge(Some(&bytes), slot, cluster, &public) {
                    Ok(winner) if follows(&winner, previous.as_ref()) => {
                        if winner.leaf() == leaf {
                            return Ok(self.committed(cluster, &Slot { slot, commit: winner }, skipped, true));
                        }
                        previous = Some(winner);
                    }
                    Ok(other) => skipped.push(Skipped {
                        slot,
                        reason: format!("it does not continue the log: it holds entry {}", other.index()),
                    }),
                    Err(reason) => skipped.push(Skipped { slot, reason }),
                },
            }
            slot += 1;
        }
    }

    /// The leaf's commit, where an earlier attempt has left one.
    async fn find(
        &self,
        cluster: &str,
        leaf: &Leaf,
        key: &LogKey,
        newest: Option<&Slot>,
        since: Option<u64>,
    ) -> Result<Option<Slot>, StoreError> {
        let Some(newest) = newest else { return Ok(None) };
        if newest.commit.leaf() == leaf {
            return Ok(Some(newest.clone()));
        }
        match since {
            Some(since) if since < newest.commit.size() => {
                let log = self.log(cluster, &key.public(), since).await?;
                Ok(log.commits.into_iter().find(|slot| slot.commit.leaf() == leaf))
            }
            _ => Ok(None),
        }
    }

    fn committed(&self, cluster: &str, slot: &Slot, mut skipped: Vec<Skipped>, was_there: bool) -> Committed {
        let Slot { slot, commit } = slot;
        skipped.sort_by_key(|skipped| skipped.slot);
        Committed {
            index: commit.index(),
            size: commit.size(),
            root: commit.root(),
            slot: *slot,
            url: format!("{}/clusters/{cluster}/log/commits/{}", self.url, crate::bundle::log::commit_file(*slot)),
            skipped,
            was_there,
        }
    }

    fn log_error(&self, path: &object_store::path::Path, error: &LogError) -> StoreError {
        StoreError {
            action: "append to",
            at: self.url_of(path),
            cause: super::Cause::Malformed,
            detail: error.to_string(),
        }
    }
}

fn next_commit(previous: Option<&Commit>, leaf: &Leaf, cluster: &str, key: &LogKey) -> Result<Commit, LogError> {
    match previous {
        None => Ok(Commit::first(leaf.clone(), &log_origin(cluster), key)),
        Some(previous) => Commit::append(previous, leaf.clone(), key),
    }
}
