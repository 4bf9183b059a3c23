//! Replicas: another store that holds the same log and the same bundles, brought up to the primary after each commit.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{CONCURRENCY, Patience, Store, StoreError, chain::commit_path};
use crate::{
    bundle::log::{claimed_leaf, commit_file},
    digest::Digest,
};

impl Store {
    /// Copies what `replica` lacks of a cluster's log, entry by entry: a bundle's files, then the entry that names it, so
    /// that the replica is a log with all its bundles whenever the copy ends. Returns how many entries were copied.
    ///
    /// Bytes are copied as they are and vouched for by nobody; whoever reads the replica verifies it as any store.
    ///
    /// # Errors
    /// A store that does not answer, refuses or is full; a replica that holds another log, or entries that the primary
    /// has lost. What was copied before stays, and the next copy goes on from there.
    pub async fn replicate(&self, replica: &Self, cluster: &str, patience: Patience) -> Result<u64, StoreError> {
        let (own, theirs) = (self.commits(cluster)?, replica.commits(cluster)?);
        let here: BTreeSet<u64> = self.slots(&own, None).await?.into_iter().collect();
        let there: BTreeSet<u64> = replica.slots(&theirs, None).await?.into_iter().collect();
        let lost: Vec<u64> = there.difference(&here).copied().collect();
        if let Some(first) = lost.first() {
            let detail = format!(
                "it holds {} that {} does not, from {} on: that store has lost part of its log, or this one is another \
                 log's replica",
                if lost.len() == 1 { "an entry".to_owned() } else { format!("{} entries", lost.len()) },
                self.url,
                commit_file(*first),
            );
            return Err(replica.conflict(&theirs, detail));
        }
        if let Some(newest) = there.last() {
            let (ours, copy) = (commit_path(&own, *newest), commit_path(&theirs, *newest));
            if self.read(&ours).await? != replica.read(&copy).await? {
                return Err(replica.conflict(&copy, format!("it holds another log than {}", self.url)));
            }
        }
        let mut copied = 0;
        for slot in here.difference(&there) {
            let Some(commit) = self.read(&commit_path(&own, *slot)).await? else { continue };
            if let Some(bundle) = claimed_leaf(&commit).and_then(|leaf| Some(leaf.as_bundle()?.pae)) {
                self.copy_bundle(replica, cluster, &bundle, patience).await?;
            }
            replica.put_once(&commit_path(&theirs, *slot), &commit.into(), patience).await?;
            copied += 1;
        }
        Ok(copied)
    }

    async fn copy_bundle(
        &self,
        replica: &Self,
        cluster: &str,
        id: &Digest,
        patience: Patience,
    ) -> Result<(), StoreError> {
        let (own, theirs) = (self.bundle(cluster, id)?, replica.bundle(cluster, id)?);
        let copy = async |name: String| {
            let Some(bytes) = self.read(&self.below(&own, &name)?).await? else { return Ok(()) };
            replica.put_once(&replica.below(&theirs, &name)?, &bytes.into(), patience).await
        };
        let names = self.list_below(&own).await?.into_keys();
        stream::iter(names).map(copy).buffer_unordered(CONCURRENCY).try_collect().await
    }
}
