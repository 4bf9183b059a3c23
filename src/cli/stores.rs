//! What the commands that read a store share: which store, which cluster, which key.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;

use super::{Exit, Failure, env_all, load_failure};
use crate::{
    bundle::{
        is_cluster,
        keys::{KeyError, VerifyingKey},
    },
    config::{self, Config},
    period::model::{ClusterPeriod, Period},
    store::{Store, StoreError},
};

/// Which store.
#[derive(Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// Store: a folder, file:PATH, s3://BUCKET/PREFIX [default: the configuration's first, else ./evidence]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Configuration file that names the store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Cluster: its name, or its folder in the store
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Public key to trust (signing.pub), received by a way that does not lead through the store
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl StoreArgs {
    /// The store and the cluster that another command's own flags name.
    pub(super) fn of(store: String, cluster: Option<String>) -> Self {
        Self { store: Some(store), config: None, cluster, key: None }
    }

    /// The one cluster meant.
    pub(super) async fn one_cluster(&self, store: &Store) -> Result<String, Failure> {
        let clusters = self.clusters(store).await?;
        let failure = || Failure::usage(format!("{} holds {} clusters", store.url(), clusters.len()));
        match clusters.as_slice() {
            [cluster] => Ok(cluster.clone()),
            [] => Err(failure().hint("kubeproof run --store writes the first bundle into it")),
            several => Err(failure().hint(format!("name one with --cluster: {}", several.join(", ")))),
        }
    }

    /// Opens the store for reading.
    pub(super) fn open(&self) -> Result<Store, Failure> {
        open(self.store.as_deref(), self.config.as_deref())
    }

    /// The key to trust, if any was named.
    pub(super) fn key(&self) -> Result<Option<VerifyingKey>, Failure> {
        trusted_key(self.key.as_deref())
    }

    /// The clusters meant: the one named, else all.
    pub(super) async fn clusters(&self, store: &Store) -> Result<Vec<String>, Failure> {
        let all = store.clusters().await.map_err(failure)?;
        let Some(wanted) = &self.cluster else { return Ok(all) };
        let chosen: Vec<String> = all.iter().filter(|folder| is_cluster(folder, wanted)).cloned().collect();
        if chosen.is_empty() {
            let failure = Failure::usage(format!("no cluster '{wanted}' in {}", store.url()));
            return Err(if all.is_empty() { failure } else { failure.hint(format!("it holds: {}", all.join(", "))) });
        }
        Ok(chosen)
    }
}

/// Opens a store for reading: the one named, else the configuration's first, else `./evidence`.
pub(super) fn open(store: Option<&str>, config: Option<&Path>) -> Result<Store, Failure> {
    let url = match (store, config) {
        (Some(url), _) => url.to_owned(),
        (None, Some(path)) => first_store(path)?,
        (None, None) => "./evidence".into(),
    };
    Store::open_existing(&url, &env_all()).map_err(failure)
}

/// The clusters of a package that are meant: the one named, else all.
pub(super) fn packaged<'a>(period: &'a Period, wanted: Option<&str>) -> Result<Vec<&'a ClusterPeriod>, Failure> {
    let is_meant = |cluster: &&ClusterPeriod| wanted.is_none_or(|wanted| is_cluster(&cluster.folder, wanted));
    let chosen: Vec<&ClusterPeriod> = period.clusters.iter().filter(is_meant).collect();
    match wanted.filter(|_| chosen.is_empty()) {
        None => Ok(chosen),
        Some(wanted) => {
            let all: Vec<&str> = period.clusters.iter().map(|cluster| cluster.folder.as_str()).collect();
            let failure = Failure::usage(format!("no cluster '{wanted}' in the package"));
            Err(failure.hint(format!("it holds: {}", all.join(", "))))
        }
    }
}

/// The key in a file that somebody trusts; a weak one is no key to trust.
pub(super) fn trusted_key(file: Option<&Path>) -> Result<Option<VerifyingKey>, Failure> {
    file.map(VerifyingKey::load).transpose().map_err(|error| match error {
        KeyError::Weak(_) => Failure::usage(error).exit(Exit::Untrusted),
        _ => Failure::usage(error),
    })
}

/// The store's sentence and what to do.
pub(super) fn failure(error: StoreError) -> Failure {
    Failure::usage(&error).hint(error.hint())
}

/// Threads for files and for work beside them: each keeps memory of its own, and a folder is read no faster by more.
const BLOCKING_THREADS: usize = 8;

/// Idle threads end this soon: with each goes the memory that the allocator keeps for it.
const IDLE: Duration = Duration::from_millis(100);

/// A runtime for commands that talk to a store.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let threads = builder.enable_all().max_blocking_threads(BLOCKING_THREADS).thread_keep_alive(IDLE);
    let built = threads.build();
    built.map_err(|error| Failure::usage(format!("cannot start threads: {error}")))
}

fn first_store(path: &Path) -> Result<String, Failure> {
    let bytes =
        std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let config =
        config::parse_yaml::<Config>(&path.display().to_string(), &bytes).map_err(|error| load_failure(&[error]))?;
    let first = config.value.stores.first().cloned();
    first.ok_or_else(|| {
        Failure::usage(format!("{} names no store", path.display())).hint("add 'stores:' to it, or give --store")
    })
}
