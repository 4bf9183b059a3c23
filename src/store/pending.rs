//! Bundles that wait: what could not be committed is kept in the state folder, and the next run commits it first.
//!
//! `<state>/pending/<cluster>/<sequence>-<bundle>/` appears by one rename, complete and synced, before the first byte
//! goes to the store, and goes once the commit exists. A killed run therefore loses nothing that it had signed.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Committed, Patience, Store, StoreError};
use crate::{
    bundle::{
        Leaf, LogKey, SignedBundle,
        envelope::{self, Envelope},
    },
    digest::Digest,
};

const NOTE: &str = "pending.json";
const FILES: &str = "bundle";

/// What stands beside a waiting bundle.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    v: u8,
    /// Size of the log when the bundle was made: from there on its entry is looked for.
    since: u64,
    /// SHA-256 of each file, so that a damaged disk is not taken for evidence.
    files: BTreeMap<String, Digest>,
}

/// A state folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct PendingError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Why a bundle is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// The store's side; the bundle is lost unless it waits.
    #[error("the bundle could not be committed: {error}")]
    Store {
        /// What the store said.
        error: StoreError,
        /// Where the bundle waits, `None` without a state folder.
        waits_in: Option<PathBuf>,
    },
    /// The state folder's side: the bundle could not be kept, and was not sent.
    #[error(transparent)]
    State(#[from] PendingError),
}

/// What a delivery brought into the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Bundles in the order of their commits.
    pub committed: Vec<(Digest, Committed)>,
    /// Folders that hold something else than what was kept there; they stay for a person to look at.
    pub damaged: Vec<PathBuf>,
}

/// The bundles of one cluster that wait in a state folder. Held by one process at a time.
#[derive(Debug)]
pub struct Pending {
    folder: PathBuf,
    _lock: File,
}

/// Writes a bundle and commits it; with a state folder, after all that wait there, and nothing is lost on the way.
///
/// `since` is the size of the log that the run started from.
///
/// # Errors
/// The bundle is not in the log. With a state folder it waits there.
pub async fn deliver(
    store: &Store,
    cluster: &str,
    bundle: &SignedBundle,
    since: u64,
    key: &LogKey,
    state: Option<&Path>,
    patience: Patience,
) -> Result<Flushed, Undelivered> {
    let Some(state) = state else {
        let parcel = Parcel { id: bundle.id, files: bundle.files.clone(), leaf: bundle.leaf.clone(), since };
        let sent = parcel.send(store, cluster, key, patience).await;
        let committed = sent.map_err(|error| Undelivered::Store { error, waits_in: None })?;
        return Ok(Flushed { committed: vec![(bundle.id, committed)], damaged: Vec::new() });
    };
    let pending = Pending::open(state, cluster)?;
    let waits_in = pending.keep(bundle, since)?;
    match pending.flush(store, cluster, key, patience).await {
        Err(Undelivered::Store { error, .. }) => Err(Undelivered::Store { error, waits_in: Some(waits_in) }),
        other => other,
    }
}

impl Pending {
    /// Opens the waiting room of `cluster` below the state folder, making it if need be; waits for another process that
    /// has it open.
    ///
    /// # Errors
    /// A folder that cannot be made or locked.
    pub fn open(state: &Path, cluster: &str) -> Result<Self, PendingError> {
        let folder = state.join("pending").join(cluster);
        let failed = |action| move |source| PendingError { action, path: state.join("pending").join(cluster), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed("make"))?;
        let lock = File::create(folder.join(".lock")).map_err(failed("lock"))?;
        lock.lock().map_err(failed("lock"))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Keeps a bundle; `since` is the size of the log that its run started from.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn keep(&self, bundle: &SignedBundle, since: u64) -> Result<PathBuf, PendingError> {
        let failed = |action| move |source| PendingError { action, path: self.folder.clone(), source };
        let waiting = self.waiting()?;
        let suffix = format!("-{}", bundle.id.hex());
        if let Some(there) = waiting.iter().find(|folder| folder.to_string_lossy().ends_with(&suffix)) {
            return Ok(there.clone());
        }
        let sequence = waiting.last().and_then(|folder| sequence(folder)).map_or(0, |last| last + 1);
        // Left-overs of a killed run begin with a dot and are taken for nothing.
        let unfinished =
            tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&self.folder).map_err(failed("write to"))?;
        let digests = bundle.files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
        let note = serde_json::to_vec_pretty(&Note { v: 1, since, files: digests })
            .map_err(|error| failed("write to")(error.into()))?;
        write_synced(&unfinished.path().join(NOTE), &note).map_err(failed("write to"))?;
        for (name, bytes) in &bundle.files {
            write_synced(&unfinished.path().join(FILES).join(name), bytes).map_err(failed("write to"))?;
        }
        let folder = self.folder.join(format!("{sequence:010}{suffix}"));
        fs::rename(unfinished.keep(), &folder).map_err(failed("write to"))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed("write to"))?;
        Ok(folder)
    }

    /// Commits all that waits, oldest first.
    ///
    /// # Errors
    /// The first bundle that could not be committed; it and those after it stay.
    pub async fn flush(
        &self,
        store: &Store,
        cluster: &str,
        key: &LogKey,
        patience: Patience,
    ) -> Result<Flushed, Undelivered> {
        let mut flushed = Flushed::default();
        for folder in self.waiting()? {
            let Some(parcel) = Parcel::load(&folder) else {
                flushed.damaged.push(folder);
                continue;
            };
            let sent = parcel.send(store, cluster, key, patience).await;
            let committed = sent.map_err(|error| Undelivered::Store { error, waits_in: Some(folder.clone()) })?;
            self.remove(&folder)?;
            flushed.committed.push((parcel.id, committed));
        }
        Ok(flushed)
    }

    /// Folders of waiting bundles, oldest first.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn waiting(&self) -> Result<Vec<PathBuf>, PendingError> {
        waiting(&self.folder).map_err(|source| PendingError { action: "read", path: self.folder.clone(), source })
    }

    /// Gone by one rename, so that a kill in the middle of the removal leaves nothing that still waits.
    fn remove(&self, folder: &Path) -> Result<(), PendingError> {
        let failed = |source| PendingError { action: "remove", path: folder.into(), source };
        let done = self.folder.join(format!(".done-{}", folder.file_name().unwrap_or_default().to_string_lossy()));
        fs::rename(folder, &done).and_then(|()| fs::remove_dir_all(&done)).map_err(failed)
    }
}

/// How many bundles of `cluster` wait below the state folder, also while another process has it open.
///
/// # Errors
/// A folder that is there and cannot be read.
pub fn count(state: &Path, cluster: &str) -> io::Result<usize> {
    match waiting(&state.join("pending").join(cluster)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        found => found.map(|folders| folders.len()),
    }
}

/// Folders of waiting bundles, oldest first.
fn waiting(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if sequence(&path).is_some() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A bundle on its way, from memory or from the waiting room.
struct Parcel {
    id: Digest,
    files: BTreeMap<String, Bytes>,
    leaf: Leaf,
    since: u64,
}

impl Parcel {
    /// A waiting bundle, when it is still what was kept.
    fn load(folder: &Path) -> Option<Self> {
        let note: Note = serde_json::from_slice(&fs::read(folder.join(NOTE)).ok()?).ok()?;
        let mut files = BTreeMap::new();
        for (name, digest) in &note.files {
            let bytes = fs::read(folder.join(FILES).join(name)).ok()?;
            if Digest::of(&bytes) != *digest {
                return None;
            }
            files.insert(name.clone(), Bytes::from(bytes));
        }
        let envelope = Envelope::parse(files.get(envelope::FILE)?).ok()?;
        let is_stamp = |name: &&String| name.starts_with("attest/tsa/");
        let stamps: Vec<Digest> = files.keys().filter(is_stamp).map(|name| note.files[name]).collect();
        let leaf = Leaf::bundle(envelope.id(), envelope.signature_digest(), &stamps).ok()?;
        let named = folder.file_name()?.to_str()?.ends_with(&envelope.id().hex());
        named.then(|| Self { id: envelope.id(), files, leaf, since: note.since })
    }

    /// The files first, then the commit that makes them evidence.
    async fn send(
        &self,
        store: &Store,
        cluster: &str,
        key: &LogKey,
        patience: Patience,
    ) -> Result<Committed, StoreError> {
        store.put_bundle(cluster, &self.id, &self.files, patience).await?;
        store.commit(cluster, &self.leaf, key, Some(self.since), patience).await
    }
}

fn sequence(folder: &Path) -> Option<u64> {
    let (digits, id) = folder.file_name()?.to_str()?.split_once('-')?;
    Digest::from_hex(id).ok()?;
    (digits.len() == 10).then(|| digits.parse().ok())?
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)?;
    File::open(path)?.sync_all()
}
