//! Creating one object, once: what the commit protocol stands on.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use object_store::{Error as Backend, PutMode, PutPayload, path::Path};

use super::{Cause, Store, StoreError};

/// How long to go on while a store's answers leave open what happened.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Attempts after the first, if time allows.
    pub retries: usize,
    /// Pause before the second attempt; doubles each time, up to 30 s.
    pub first_pause: Duration,
    /// No attempt begins after this much waiting.
    pub total: Duration,
}

impl Default for Patience {
    /// About two minutes, however many attempts that is.
    fn default() -> Self {
        Self { retries: 100, first_pause: Duration::from_millis(500), total: Duration::from_secs(120) }
    }
}

impl Patience {
    /// For what the next run does again: a few attempts.
    pub fn brief() -> Self {
        Self { retries: 4, ..Self::default() }
    }

    fn pauses(self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(self.retries)
            .with_total_delay(Some(self.total))
    }
}

/// How a creation ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// The object is there with our bytes, whoever's request it was that took effect.
    Ours,
    /// The object is there with other bytes.
    Theirs(Vec<u8>),
}

impl Store {
    /// Creates `path` unless it exists.
    ///
    /// An answer that leaves the outcome open (a timeout, a broken connection, S3's 409) is settled by reading back:
    /// our bytes are success, none means the same request again, others mean that somebody else was first.
    pub(super) async fn create(&self, path: &Path, bytes: &Bytes, patience: Patience) -> Result<Created, StoreError> {
        if bytes.len() as u64 > super::LARGEST_OBJECT {
            return Err(self.too_large("write", path, bytes.len() as u64));
        }
        let payload = PutPayload::from(bytes.clone());
        (|| self.create_once(path, payload.clone(), bytes)).retry(patience.pauses()).when(StoreError::is_unknown).await
    }

    /// The same, where other bytes in the object's place are an error.
    pub(super) async fn put_once(&self, path: &Path, bytes: &Bytes, patience: Patience) -> Result<(), StoreError> {
        match self.create(path, bytes, patience).await? {
            Created::Ours => Ok(()),
            Created::Theirs(_) => Err(self.conflict(path, "it exists with other bytes".into())),
        }
    }

    async fn create_once(&self, path: &Path, payload: PutPayload, bytes: &[u8]) -> Result<Created, StoreError> {
        let error = match self.backend.put_opts(path, payload, PutMode::Create.into()).await {
            Ok(_) => return Ok(Created::Ours),
            Err(Backend::AlreadyExists { source, .. }) => open_outcome(self.url_of(path), &*source),
            Err(error) => self.error("write", path, &error),
        };
        if !error.is_unknown() {
            return Err(error);
        }
        match self.read(path).await? {
            Some(found) if found == bytes => Ok(Created::Ours),
            Some(found) => Ok(Created::Theirs(found)),
            None => Err(error),
        }
    }
}

/// "Already exists" that reading back contradicts: S3 says so while two requests race, and means "again".
fn open_outcome(at: String, source: &(dyn std::error::Error + Send + Sync)) -> StoreError {
    let detail = format!("the store said that it exists, and has none: {source}");
    StoreError { action: "write", at, cause: Cause::Unknown, detail: detail.chars().take(200).collect() }
}
