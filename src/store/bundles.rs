//! Bundles: one object for each file of the bag, under the bundle's id.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStore as _, path::Path};

use super::{CONCURRENCY, Cause, Patience, Store, StoreError};
use crate::{bundle::verify::BundleFiles, digest::Digest};

/// Files that a bundle may have; a store that shows more is not worth reading.
const MOST_FILES: usize = 20_000;
/// Bytes that a bundle may have when it is read as a whole.
const MOST_BYTES: u64 = 2 * 1024 * 1024 * 1024;

impl Store {
    /// Writes a bundle's files. Until [`Store::commit`] has succeeded they are nobody's evidence.
    ///
    /// Files that are there already with the same bytes (an earlier attempt's) are fine.
    ///
    /// # Errors
    /// A file that is too large, a store that refuses or is full, or other bytes in a file's place.
    pub async fn put_bundle(
        &self,
        cluster: &str,
        id: &Digest,
        files: &BTreeMap<String, Bytes>,
        patience: Patience,
    ) -> Result<(), StoreError> {
        let folder = self.bundle(cluster, id)?;
        let write =
            async |(name, bytes): (&String, &Bytes)| self.put_once(&self.below(&folder, name)?, bytes, patience).await;
        stream::iter(files).map(write).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// The files below a bundle's id, as they are: only [`crate::bundle::verify`] says what they are worth.
    ///
    /// # Errors
    /// No such bundle, more than a bundle can hold, or a store that does not answer or refuses.
    pub async fn bundle_files(&self, cluster: &str, id: &Digest) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        Ok(self.bundle_without(cluster, id, &[]).await?.files)
    }

    /// The same, where of the files `unread` nothing but their digests is of interest.
    ///
    /// # Errors
    /// As [`Store::bundle_files`].
    pub async fn bundle_without(&self, cluster: &str, id: &Digest, unread: &[&str]) -> Result<BundleFiles, StoreError> {
        let folder = self.bundle(cluster, id)?;
        let listed = self.list_below(&folder).await?;
        let malformed =
            |detail: String| StoreError { action: "read", at: self.url_of(&folder), cause: Cause::Malformed, detail };
        if listed.is_empty() {
            return Err(StoreError {
                action: "read",
                at: self.url_of(&folder),
                cause: Cause::NotFound,
                detail: "there is no such bundle".into(),
            });
        }
        if listed.len() > MOST_FILES || listed.values().sum::<u64>() > MOST_BYTES {
            return Err(malformed(format!(
                "{} files with {} MiB are more than a bundle holds",
                listed.len(),
                listed.values().sum::<u64>() >> 20
            )));
        }
        let vanished = |name: &str| malformed(format!("{name} vanished while the bundle was read"));
        let (hashed, held): (Vec<String>, Vec<String>) =
            listed.into_keys().partition(|name| unread.contains(&name.as_str()));
        let read = async |name: String| match self.read(&self.below(&folder, &name)?).await? {
            Some(bytes) => Ok((name, bytes)),
            None => Err(vanished(&name)),
        };
        let sum = async |name: String| match self.sum(&self.below(&folder, &name)?).await? {
            Some(sum) => Ok((name, sum)),
            None => Err(vanished(&name)),
        };
        let files = stream::iter(held).map(read).buffer_unordered(CONCURRENCY).try_collect().await?;
        let hashed = stream::iter(hashed).map(sum).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(BundleFiles { files, hashed, ..BundleFiles::default() })
    }

    /// Names of bundles that the store has files of, committed or not, in order.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn bundle_ids(&self, cluster: &str) -> Result<Vec<Digest>, StoreError> {
        let folder = self.cluster(cluster)?.join("bundles");
        let listed = self.backend.list_with_delimiter(Some(&folder)).await;
        let listed = listed.map_err(|error| self.error("list", &folder, &error))?;
        let names = listed.common_prefixes.iter().filter_map(|path| Digest::from_hex(path.filename()?).ok());
        let mut ids: Vec<Digest> = names.collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// One file of a bundle, as it is; `None` when there is none.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn bundle_file(&self, cluster: &str, id: &Digest, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&self.below(&self.bundle(cluster, id)?, name)?).await
    }

    pub(super) fn bundle(&self, cluster: &str, id: &Digest) -> Result<Path, StoreError> {
        Ok(self.cluster(cluster)?.join("bundles").join(id.hex()))
    }

    pub(super) fn below(&self, folder: &Path, name: &str) -> Result<Path, StoreError> {
        let url = || format!("{}/{}", self.url_of(folder), name.escape_debug());
        Path::parse(format!("{folder}/{name}")).map_err(|error| StoreError {
            action: "use",
            at: url(),
            cause: Cause::Malformed,
            detail: error.to_string(),
        })
    }
}
