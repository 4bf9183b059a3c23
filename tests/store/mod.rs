//! One suite for every store: a folder and a real S3 server keep the same promises.

mod child;
mod commands;
mod conformance;
mod faults;
mod folder;
mod replica;
mod waiting;

use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use kubeproof::{
    bundle::{Facts, LogKey, SignedBundle, SigningKey, seal},
    canonical,
    collect::Coverage,
    evaluate::Counts,
    store::{Patience, Store},
};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{minio, plain};

/// The cluster's folder in all of these tests.
const CLUSTER: &str = "shop-0a1b2c3d";

/// Attempts without pauses: nothing here sleeps to be right.
const IMPATIENT: Patience = Patience { retries: 4, first_pause: Duration::ZERO, total: Duration::ZERO };

fn log_key() -> LogKey {
    LogKey::from_seed([2; 32])
}

/// A small signed bundle of day `number` of November 2026, at six, different for each number.
fn bundle(number: u32) -> SignedBundle {
    bundle_at(number, &format!("2026-11-{:02}T06:00", number % 30 + 1))
}

fn bundle_at(number: u32, minute: &str) -> SignedBundle {
    let coverage: Coverage = serde_json::from_value(json!({
        "schema": "kubeproof.dev/coverage/v1",
        "source": {"kind": "recorded", "name": "shop"},
        "cluster": {"name": "shop", "uid": "0a1b2c3d-0000-4000-8000-000000000000", "kubernetes": null, "platform": null},
        "started": format!("{minute}:00Z"), "finished": format!("{minute}:04Z"),
        "caller": null, "server": null, "discoveryFailures": [], "lists": [], "redactionKey": null, "excluded": [],
    }))
    .unwrap();
    let counts = Counts { pass: 1, fail: 2, ..Counts::default() };
    let evaluation = json!({
        "schema": "kubeproof.dev/evaluation/v1", "engine": env!("CARGO_PKG_VERSION"), "counts": counts,
        "findings": [], "resources": [], "objects": [], "checks": [], "requirements": [], "frameworks": [], "declarations": [],
    });
    let files = [
        ("data/coverage.json", canonical::to_vec(&coverage).unwrap()),
        ("data/evaluation.json", canonical::value_to_vec(&evaluation).unwrap()),
        ("data/drift.json", format!("{{\"run\":{number}}}").into_bytes()),
        ("data/snapshot/objects.parquet", vec![u8::try_from(number % 251).unwrap(); 40_000]),
    ];
    let facts = Facts {
        coverage: &coverage,
        counts,
        environment: None,
        scheduled: None,
        failure: None,
        binary: None,
        log_key: log_key().public(),
        baseline: None,
    };
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes)).into();
    seal(files, facts, &SigningKey::from_seed([1; 32])).unwrap()
}

/// Writes and commits.
async fn deliver(
    store: &Store,
    bundle: &SignedBundle,
) -> Result<kubeproof::store::Committed, kubeproof::store::StoreError> {
    store.put_bundle(CLUSTER, &bundle.id, &bundle.files, IMPATIENT).await?;
    store.commit(CLUSTER, &bundle.leaf, &log_key(), None, IMPATIENT).await
}

/// An empty store of its own for one test, and how another process opens it.
struct Place {
    url: String,
    env: BTreeMap<String, String>,
    _folder: Option<TempDir>,
}

impl Place {
    async fn folder() -> Self {
        let folder = TempDir::with_prefix("kubeproof-store-").unwrap();
        Self { url: folder.path().join("evidence").display().to_string(), env: BTreeMap::new(), _folder: Some(folder) }
    }

    async fn s3() -> Self {
        static BUCKETS: AtomicU32 = AtomicU32::new(0);
        // Before the harness's own client, which would otherwise panic without a process-wide provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bucket = format!("store-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        minio().make_bucket(&bucket).await;
        Self {
            url: format!("s3://{bucket}/evidence/prod"),
            env: minio().environment().into_iter().collect(),
            _folder: None,
        }
    }

    fn open(&self) -> Store {
        Store::open(&self.url, &self.env).unwrap()
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Every file below `folder`, for tests that look at a folder from outside.
fn files_below(folder: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(Result::ok);
    walk.filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().display().to_string())
        .collect()
}
