//! What a store holds, in a line for each bundle: signatures and log entries are checked where a key is given, files
//! are not. A bundle is proved by `verify` alone.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{CONCURRENCY, Log, Skipped, Store, StoreError, chain::commit_path};
use crate::{
    bundle::{
        Predicate, VerifyingKey,
        envelope::{self, Envelope},
        log::claimed_leaf,
        log_origin,
        statement::Statement,
    },
    digest::Digest,
};

/// The newest bundles of one cluster.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The cluster's folder.
    pub cluster: String,
    /// Files in `log/commits`, those left out here included.
    pub slots: usize,
    /// Bundles, newest first.
    pub entries: Vec<Entry>,
    /// Slots that hold something else than the log's next commit.
    pub skipped: Vec<Skipped>,
}

/// One bundle.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Number of the commit's file.
    pub slot: u64,
    /// SHA-256 of the PAE: the bundle's id.
    pub id: Digest,
    /// What its line rests on.
    pub standing: Standing,
    /// What its statement says; `None` when that cannot be read.
    pub predicate: Option<Predicate>,
}

/// What a line of the list rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Signed by the key given, and this entry of the log that the same key vouches for.
    Signed {
        /// Index in the log.
        index: u64,
    },
    /// No key was given: the store's word.
    Claimed,
    /// Not what the key's holder signed.
    Refused {
        /// Why.
        reason: String,
    },
}

impl Store {
    /// The `newest` bundles of a cluster, as far as `key` proves them.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn inventory(
        &self,
        cluster: &str,
        key: Option<&VerifyingKey>,
        newest: usize,
    ) -> Result<Inventory, StoreError> {
        let folder = self.commits(cluster)?;
        let slots = self.slots(&folder, None).await?;
        let recent = &slots[slots.len().saturating_sub(newest)..];
        let read = async |slot: u64| Ok((slot, self.read(&commit_path(&folder, slot)).await?.unwrap_or_default()));
        let commits: Vec<(u64, Vec<u8>)> =
            stream::iter(recent.iter().rev().copied()).map(read).buffered(2 * CONCURRENCY).try_collect().await?;

        let mut inventory =
            Inventory { cluster: cluster.into(), slots: slots.len(), entries: Vec::new(), skipped: Vec::new() };
        let mut named = Vec::new();
        for (slot, bytes) in commits {
            match claimed_leaf(&bytes).and_then(|leaf| leaf.as_bundle().map(|entry| entry.pae)) {
                Some(id) => named.push((slot, id)),
                None => inventory.skipped.push(Skipped { slot, reason: "it names no bundle".into() }),
            }
        }
        let entry = async |(slot, id): (u64, Digest)| {
            Ok(entry(slot, id, self.bundle_file(cluster, &id, envelope::FILE).await?, key))
        };
        inventory.entries = stream::iter(named).map(entry).buffered(2 * CONCURRENCY).try_collect().await?;
        if let Some(first) = recent.first() {
            self.prove(&mut inventory, *first).await?;
        }
        Ok(inventory)
    }

    /// Holds the signed entries against the log whose key the newest of them names.
    async fn prove(&self, inventory: &mut Inventory, first: u64) -> Result<(), StoreError> {
        let is_signed = |entry: &Entry| matches!(entry.standing, Standing::Signed { .. });
        let Some(newest) = inventory.entries.iter().find(|entry| is_signed(entry)) else { return Ok(()) };
        let claim = newest.predicate.as_ref().map(|predicate| &predicate.log);
        let claim = claim.filter(|claim| claim.origin == log_origin(&inventory.cluster));
        let log = match claim.map(|claim| VerifyingKey::parse(&claim.public_key, "the statement")) {
            Some(Ok(key)) => self.log(&inventory.cluster, &key, first).await?,
            Some(Err(_)) | None => Log::default(),
        };
        let indexes: BTreeMap<u64, u64> = log.commits.iter().map(|slot| (slot.slot, slot.commit.index())).collect();
        for entry in inventory.entries.iter_mut().filter(|entry| is_signed(entry)) {
            entry.standing = match indexes.get(&entry.slot) {
                Some(index) => Standing::Signed { index: *index },
                None => Standing::Refused { reason: "its commit is not this log's".into() },
            };
        }
        inventory.skipped = log.skipped;
        Ok(())
    }
}

fn entry(slot: u64, id: Digest, envelope: Option<Vec<u8>>, key: Option<&VerifyingKey>) -> Entry {
    let refused =
        |reason: &str| Entry { slot, id, standing: Standing::Refused { reason: reason.into() }, predicate: None };
    let Some(envelope) = envelope.and_then(|bytes| Envelope::parse(&bytes).ok()) else {
        return refused("its envelope is missing or broken");
    };
    if envelope.id() != id {
        return refused("its envelope is another bundle's");
    }
    let (payload, standing) = match key {
        None => (envelope.claimed(), Standing::Claimed),
        // The index is filled in once the log is proved.
        Some(key) => match envelope.verified_by(key) {
            Some(payload) => (payload, Standing::Signed { index: slot }),
            None => return refused("it is not signed by this key"),
        },
    };
    match Statement::parse(payload) {
        Ok(statement) => Entry { slot, id, standing, predicate: Some(statement.predicate) },
        Err(error) => refused(&format!("its statement cannot be read: {error}")),
    }
}
