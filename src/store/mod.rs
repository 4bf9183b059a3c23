//! Stage 7: create-only objects, the commit last.
//!
//! A [`Store`] holds, for each cluster, bundles (one object for each file of the bag) and the log that orders them.
//! A bundle exists once `log/commits/<index>.tlog-proof` names it, never before: whatever a killed run leaves behind
//! is not listed, not read and not counted. Nothing is overwritten and nothing is deleted, so the store's credentials
//! need neither permission.
//!
//! What comes out of a store is bytes that nobody has vouched for: [`crate::bundle::verify`] turns them into evidence.

mod bundles;
mod chain;
mod commit;
mod create;
mod error;
pub mod freshness;
pub mod inventory;
mod lake;
mod open;
pub mod pending;
mod replica;

use std::{collections::BTreeMap, fmt, io, path::Path as FsPath, sync::Arc};

use futures::TryStreamExt as _;
use object_store::{GetResult, GetResultPayload, ObjectStore, ObjectStoreExt as _, path::Path};

use crate::{bundle::verify::Sum, digest::Digest};

pub use chain::{Head, Log, Skipped, Slot};
pub use commit::Committed;
pub use create::Patience;
pub use error::{Cause, StoreError};
pub use lake::LakePlace;

/// The largest object: one PUT, so that creation stays atomic (multipart uploads cannot be conditional everywhere).
pub const LARGEST_OBJECT: u64 = 512 * 1024 * 1024;

/// Objects sent or fetched at once.
const CONCURRENCY: usize = 8;

/// A place where evidence is kept: a folder, or a bucket with a prefix.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn ObjectStore>,
    root: Path,
    url: String,
    secrets: Arc<[String]>,
    folder: Option<Arc<FsPath>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.url)
    }
}

impl Store {
    /// Opens the store at `url` (a folder, `file:`, `s3://`, `gs://`, `az://`) for writing; a missing folder is made,
    /// for its owner alone. Options and credentials come from `env`.
    ///
    /// # Errors
    /// A URL or an option that is not understood, or a folder that cannot be made.
    pub fn open(url: &str, env: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        open::open(url, env, open::Missing::Create).map(Self::of)
    }

    /// Opens the store at `url` for reading: a missing folder stays missing.
    ///
    /// # Errors
    /// As [`Store::open`], and a folder that does not exist.
    pub fn open_existing(url: &str, env: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        open::open(url, env, open::Missing::Refuse).map(Self::of)
    }

    /// A store on a backend of the caller's own, called `url` in messages.
    pub fn with_backend(backend: Arc<dyn ObjectStore>, url: &str) -> Self {
        Self { backend, root: Path::default(), url: url.into(), secrets: Arc::default(), folder: None }
    }

    fn of(opened: open::Opened) -> Self {
        let open::Opened { backend, root, url, folder, secrets } = opened;
        Self { backend, root, url, secrets: secrets.into(), folder: folder.map(Into::into) }
    }

    /// The URL, without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder, for a store that is one.
    pub fn folder(&self) -> Option<&FsPath> {
        self.folder.as_deref()
    }

    /// The URL of a committed bundle.
    pub fn bundle_url(&self, cluster: &str, id: &Digest) -> String {
        format!("{}/clusters/{cluster}/bundles/{}", self.url, id.hex())
    }

    /// The clusters that the store has folders for, in order.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn clusters(&self) -> Result<Vec<String>, StoreError> {
        let clusters = self.root.clone().join("clusters");
        let listed = self
            .backend
            .list_with_delimiter(Some(&clusters))
            .await
            .map_err(|error| self.error("list", &clusters, &error))?;
        let mut names: Vec<String> = listed
            .common_prefixes
            .iter()
            .filter_map(|path| path.filename().map(str::to_owned))
            .filter(|name| is_cluster(name))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// `clusters/<cluster>`, refusing names that no cluster can have.
    fn cluster(&self, cluster: &str) -> Result<Path, StoreError> {
        if is_cluster(cluster) {
            return Ok(self.root.clone().join("clusters").join(cluster));
        }
        let detail = "a cluster's folder has lower-case letters, digits, '.', '_' and '-' only".into();
        Err(StoreError {
            action: "use",
            at: format!("{}/clusters/{}", self.url, cluster.escape_debug()),
            cause: Cause::Configuration,
            detail,
        })
    }

    /// The object's bytes, `None` when there is none.
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(got) = self.get(path).await? else { return Ok(None) };
        let bytes = got.bytes().await.map_err(|error| self.error("read", path, &error))?;
        Ok(Some(bytes.into()))
    }

    /// Digest and size of an object, read piece by piece; `None` when there is none.
    async fn sum(&self, path: &Path) -> Result<Option<Sum>, StoreError> {
        let Some(got) = self.get(path).await? else { return Ok(None) };
        let octets = got.meta.size;
        let digest = match got.payload {
            // object_store reads files in small pieces with a thread for each; all at once is ten times faster.
            GetResultPayload::File(file, _) => {
                let read = tokio::task::spawn_blocking(move || Digest::of_reader(file)).await;
                read.map_err(io::Error::other).flatten().map_err(|source| {
                    let source = source.into();
                    object_store::Error::Generic { store: "LocalFileSystem", source }
                })
            }
            GetResultPayload::Stream(pieces) => Digest::of_pieces(pieces).await,
        };
        let digest = digest.map_err(|error| self.error("read", path, &error))?;
        Ok(Some(Sum { digest, octets }))
    }

    async fn get(&self, path: &Path) -> Result<Option<GetResult>, StoreError> {
        match self.backend.get(path).await {
            Ok(got) if got.meta.size > LARGEST_OBJECT => Err(self.too_large("read", path, got.meta.size)),
            Ok(got) => Ok(Some(got)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error("read", path, &error)),
        }
    }

    /// Everything below `prefix`, as paths relative to it, with sizes.
    async fn list_below(&self, prefix: &Path) -> Result<BTreeMap<String, u64>, StoreError> {
        let below = |meta: object_store::ObjectMeta| {
            let name = meta.location.as_ref().strip_prefix(prefix.as_ref())?.strip_prefix('/')?;
            Some((name.to_owned(), meta.size))
        };
        let listed = self.backend.list(Some(prefix)).try_filter_map(|meta| std::future::ready(Ok(below(meta))));
        listed.try_collect().await.map_err(|error| self.error("list", prefix, &error))
    }

    fn error(&self, action: &'static str, path: &Path, error: &object_store::Error) -> StoreError {
        StoreError::of_backend(action, self.url_of(path), error, &self.secrets)
    }

    fn conflict(&self, path: &Path, detail: String) -> StoreError {
        StoreError { action: "write", at: self.url_of(path), cause: Cause::Conflict, detail }
    }

    fn too_large(&self, action: &'static str, path: &Path, size: u64) -> StoreError {
        let detail = format!(
            "{} MiB are more than the {} MiB that one request may hold",
            size.div_ceil(1 << 20),
            LARGEST_OBJECT >> 20
        );
        StoreError { action, at: self.url_of(path), cause: Cause::TooLarge, detail }
    }

    fn url_of(&self, path: &Path) -> String {
        let below = path.as_ref().strip_prefix(self.root.as_ref()).unwrap_or(path.as_ref()).trim_start_matches('/');
        format!("{}/{below}", self.url)
    }
}

fn is_cluster(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(allowed)
}
