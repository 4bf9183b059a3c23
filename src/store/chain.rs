//! Reading a cluster's log: which commits are its own, in order, and which slots hold something else.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, path::Path};

use super::{CONCURRENCY, Store, StoreError};
use crate::bundle::{
    Commit, VerifyingKey,
    log::{Consistency, commit_file, commit_slot},
    log_origin,
};

/// Slots looked at in one listing; S3 answers with this many at once.
const PAGE: u64 = 1000;
/// File names have ten digits; longer ones would sort before them.
const LAST_SLOT: u64 = 9_999_999_999;

/// A commit and the slot in which it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Number of the file in `log/commits`; equal to the leaf's index until a slot was squatted.
    pub slot: u64,
    /// The commit, verified.
    pub commit: Commit,
}

/// A slot that holds something that is not the log's next commit: reported by whoever reads the log, and not fatal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Number of the file in `log/commits`.
    pub slot: u64,
    /// Why it does not count.
    pub reason: String,
}

/// The newest part of a log, verified: all that an append needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest commit; `None` for a log without any.
    pub newest: Option<Slot>,
    /// Slots passed over on the way to it.
    pub skipped: Vec<Skipped>,
}

/// A log in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The log's commits.
    pub commits: Vec<Slot>,
    /// Slots that hold something else.
    pub skipped: Vec<Skipped>,
}

type Judged = (u64, Result<Commit, String>);

impl Store {
    /// The newest commit of a cluster's log that `key` signed, and the squatted slots around it.
    ///
    /// Costs a few requests, however long the log is; a log with squatted slots is read back to the last of its own
    /// commits that no squatter can have displaced.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn head(&self, cluster: &str, key: &VerifyingKey) -> Result<Head, StoreError> {
        let folder = self.commits(cluster)?;
        let recent = self.newest_slots(&folder).await?;
        let mut judged = Vec::new();
        let mut anchored = false;
        for slot in recent.iter().rev().take(1) {
            judged.push(self.judge(cluster, &folder, *slot, key).await?);
            anchored = is_anchor(&judged);
        }
        if !anchored && !recent.is_empty() {
            // Something sits in a slot that is not its own: only reading back tells the log's commits from copies.
            let all: Vec<u64> = self.slots(&folder, None).await?.into_iter().rev().skip(1).collect();
            let mut older =
                stream::iter(all).map(|slot| self.judge(cluster, &folder, slot, key)).buffered(2 * CONCURRENCY);
            while let Some(next) = older.try_next().await? {
                judged.push(next);
                if is_anchor(&judged) {
                    anchored = true;
                    break;
                }
            }
        }
        judged.reverse();
        let Log { mut commits, skipped } = thread(judged, anchored);
        Ok(Head { newest: commits.pop(), skipped })
    }

    /// The log from slot `from` on, verified with `key`.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn log(&self, cluster: &str, key: &VerifyingKey, from: u64) -> Result<Log, StoreError> {
        let folder = self.commits(cluster)?;
        let judged = self.judged(cluster, &folder, key, from).await?;
        let anchored = judged.first().is_some_and(|first| is_anchor(std::slice::from_ref(first)));
        if from == 0 || anchored {
            return Ok(thread(judged, from > 0));
        }
        // A squatted slot before `from` has pushed this part out of place: only the beginning gives it a footing.
        let mut log = thread(self.judged(cluster, &folder, key, 0).await?, false);
        log.commits.retain(|commit| commit.slot >= from);
        Ok(log)
    }

    async fn judged(
        &self,
        cluster: &str,
        folder: &Path,
        key: &VerifyingKey,
        from: u64,
    ) -> Result<Vec<Judged>, StoreError> {
        let slots = self.slots(folder, from.checked_sub(1)).await?;
        stream::iter(slots)
            .map(|slot| self.judge(cluster, folder, slot, key))
            .buffered(2 * CONCURRENCY)
            .try_collect()
            .await
    }

    /// The files of `log/commits` as they are, by slot; nobody has vouched for them.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn commit_files(&self, cluster: &str) -> Result<BTreeMap<u64, Vec<u8>>, StoreError> {
        let folder = self.commits(cluster)?;
        let read = async |slot: u64| Ok(self.read(&commit_path(&folder, slot)).await?.map(|bytes| (slot, bytes)));
        let slots = self.slots(&folder, None).await?;
        stream::iter(slots)
            .map(read)
            .buffered(2 * CONCURRENCY)
            .try_filter_map(|file| std::future::ready(Ok(file)))
            .try_collect()
            .await
    }

    pub(super) fn commits(&self, cluster: &str) -> Result<Path, StoreError> {
        Ok(self.cluster(cluster)?.join("log").join("commits"))
    }

    /// Slots after `after`, in order.
    pub(super) async fn slots(&self, folder: &Path, after: Option<u64>) -> Result<Vec<u64>, StoreError> {
        let listed = self.list_slots(folder, after).map_err(|error| self.error("list", folder, &error));
        let mut slots: Vec<u64> =
            listed.try_filter_map(|meta| std::future::ready(Ok(slot_of(&meta)))).try_collect().await?;
        slots.sort_unstable();
        Ok(slots)
    }

    /// The last slots in use, found by doubling and halving a distance rather than by listing all of them.
    async fn newest_slots(&self, folder: &Path) -> Result<Vec<u64>, StoreError> {
        let (mut low, mut high) = (None, PAGE);
        while high < LAST_SLOT && self.any_after(folder, high).await? {
            low = Some(high);
            high = (2 * high).min(LAST_SLOT);
        }
        while high - low.unwrap_or(0) > PAGE {
            let middle = low.unwrap_or(0).midpoint(high);
            if self.any_after(folder, middle).await? { low = Some(middle) } else { high = middle }
        }
        self.slots(folder, low).await
    }

    async fn any_after(&self, folder: &Path, slot: u64) -> Result<bool, StoreError> {
        let mut listed = self.list_slots(folder, Some(slot));
        while let Some(meta) = listed.try_next().await.map_err(|error| self.error("list", folder, &error))? {
            if slot_of(&meta).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn list_slots(
        &self,
        folder: &Path,
        after: Option<u64>,
    ) -> stream::BoxStream<'static, object_store::Result<ObjectMeta>> {
        match after {
            Some(slot) => self.backend.list_with_offset(Some(folder), &commit_path(folder, slot)),
            None => self.backend.list(Some(folder)),
        }
    }

    async fn judge(&self, cluster: &str, folder: &Path, slot: u64, key: &VerifyingKey) -> Result<Judged, StoreError> {
        let bytes = self.read(&commit_path(folder, slot)).await?;
        Ok((slot, judge(bytes.as_deref(), slot, cluster, key)))
    }
}

/// What the bytes in a slot are worth on their own.
pub(super) fn judge(bytes: Option<&[u8]>, slot: u64, cluster: &str, key: &VerifyingKey) -> Result<Commit, String> {
    let bytes = bytes.ok_or("it vanished while it was read")?;
    let commit = Commit::parse_and_verify(bytes, &log_origin(cluster), key).map_err(|error| error.to_string())?;
    // Squatted slots push later commits to higher slots, never to lower ones.
    if commit.index() > slot { Err(format!("it holds the log's entry {}", commit.index())) } else { Ok(commit) }
}

pub(super) fn commit_path(folder: &Path, slot: u64) -> Path {
    folder.clone().join(commit_file(slot))
}

fn slot_of(meta: &ObjectMeta) -> Option<u64> {
    commit_slot(meta.location.filename()?)
}

/// A commit in the slot of its own index: no copy of another commit can look like that.
fn is_anchor(judged: &[Judged]) -> bool {
    matches!(judged.last(), Some((slot, Ok(commit))) if commit.index() == *slot)
}

/// Whether `commit` is what follows `previous`.
pub(super) fn follows(commit: &Commit, previous: Option<&Commit>) -> bool {
    match previous {
        None => commit.index() == 0,
        Some(previous) => {
            commit.index() == previous.size() && commit.consistent_with(previous) == Consistency::Consistent
        }
    }
}

/// Separates the log's own commits from copies and strangers. `judged` is in order of slots; `anchored` when it begins
/// with a commit in its own slot, else it begins where the log does.
fn thread(judged: Vec<Judged>, anchored: bool) -> Log {
    let mut log = Log::default();
    for (slot, read) in judged {
        let previous = log.commits.last().map(|slot| &slot.commit);
        match read {
            Ok(commit) if (anchored && previous.is_none()) || follows(&commit, previous) => {
                log.commits.push(Slot { slot, commit })
            }
            Ok(commit) => {
                let reason = format!("it does not continue the log: it holds entry {}", commit.index());
                log.skipped.push(Skipped { slot, reason });
            }
            Err(reason) => log.skipped.push(Skipped { slot, reason }),
        }
    }
    log
}
