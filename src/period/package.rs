//! From a store to a signed package.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    build::{Built, Span, comparison},
    cadence::Planned,
    carried,
    documents::{self, About, DocumentError},
    evidence::{self, EvidenceError},
    facts::Files,
    model::{ClusterPeriod, Filter, FrameworkPeriod, Period, SCHEMA},
    pseudonym::PseudonymKey,
    read::Reading,
    rules::Rules,
    veil::Veil,
};
use crate::{
    bundle::{
        SigningKey, VerifyingKey,
        draft::{Draft, DraftError},
        keys::KeyError,
        package::{self, PackagePredicate, PackagedCluster, SignedPackage},
        statement::Tool,
    },
    canonical::{self, CanonicalError},
    digest::Digest,
    store::{Store, StoreError},
};

/// What the secret is for that masks identities in a package of a scope.
const VEIL: &str = "kubeproof.dev/period/v1 names left out";

/// A store, and the clusters of it that belong into the package.
pub struct Holding {
    /// The store.
    pub store: Store,
    /// Folders of clusters.
    pub clusters: Vec<String>,
}

/// What is asked for.
pub struct Request<'a> {
    /// First day, in UTC.
    pub from: NaiveDate,
    /// Last day, itself included.
    pub to: NaiveDate,
    /// The moment of making.
    pub now: DateTime<Utc>,
    /// Where the bundles are, store by store.
    pub stores: &'a [Holding],
    /// Folders of the clusters that were asked for; empty for all.
    pub chosen: &'a [String],
    /// Framework ids; empty for all.
    pub frameworks: &'a [String],
    /// Scope outside of which nothing is shown.
    pub scope: Option<&'a str>,
    /// The owner's key, where users and groups are to be pseudonyms.
    pub pseudonyms: Option<&'a PseudonymKey>,
    /// The schedule that runs are held against.
    pub planned: Option<&'a Planned>,
    /// The key that the bundles must be signed by.
    pub run_key: &'a VerifyingKey,
    /// The key that signs the package.
    pub signing: &'a SigningKey,
    /// Confidentiality marking, where one is configured.
    pub confidentiality: Option<&'a str>,
    /// SHA-256 of the running program, where it could be read.
    pub program: Option<Digest>,
    /// Told how many of how many bundles of a cluster are read.
    pub on_bundle: &'a (dyn Fn(usize, usize) + Sync),
}

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PeriodError {
    /// The days are the wrong way round.
    #[error("the period ends on {to}, before it begins on {from}")]
    Backwards {
        /// First day.
        from: NaiveDate,
        /// Last day.
        to: NaiveDate,
    },
    /// It has not begun.
    #[error("the period begins on {from}, which has not come yet by this machine's clock")]
    Future {
        /// First day.
        from: NaiveDate,
    },
    /// One cluster in two stores.
    #[error("cluster '{cluster}' is in {first} and in {second}, and which log is its own is not known")]
    Twice {
        /// Folder of the cluster.
        cluster: String,
        /// One store.
        first: String,
        /// The other.
        second: String,
    },
    /// A framework that no run evaluated.
    #[error("no run of the period evaluated '{id}'")]
    Framework {
        /// What was asked for.
        id: String,
        /// What was evaluated.
        known: Vec<String>,
    },
    /// A framework that was evaluated, and in another scope than the one asked for.
    #[error("'{id}' was evaluated in another scope than '{scope}'")]
    OtherScope {
        /// The framework.
        id: String,
        /// The scope asked for.
        scope: String,
    },
    /// A scope that no run had declared.
    #[error("no run of the period had declared the scope '{0}'")]
    Scope(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The evidence.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The package cannot be written.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// JSON.
    #[error(transparent)]
    Json(#[from] CanonicalError),
}

/// A package, and what it says.
pub struct Made {
    /// What it says.
    pub period: Period,
    /// What was written.
    pub package: SignedPackage,
}

/// Verifies every bundle of the period, reads those that hold, signs what they say together, and writes it to the new
/// folder `out`.
///
/// # Errors
/// The store cannot be read, what was asked for is not in it, or the package cannot be written: then nothing is. A
/// bundle that does not verify is no error.
pub async fn make(request: &Request<'_>, out: &Path) -> Result<Made, PeriodError> {
    if request.to < request.from {
        return Err(PeriodError::Backwards { from: request.from, to: request.to });
    }
    let span = Span::of(request.from, request.to, request.now);
    if span.start >= request.now {
        return Err(PeriodError::Future { from: request.from });
    }
    let (mut files, mut clusters, mut frameworks) = (Files::new(), Vec::new(), Vec::new());
    let mut declared = request.scope.is_none();
    let rules = Arc::new(Rules::default());
    for (folder, store) in by_cluster(request.stores)? {
        let reading = Reading {
            store,
            key: request.run_key,
            span,
            now: request.now,
            frameworks: request.frameworks,
            scope: request.scope,
            pseudonyms: request.pseudonyms.is_some(),
            planned: request.planned,
            rules: &rules,
            on_bundle: request.on_bundle,
        };
        let mut built = reading.cluster(folder).await?;
        built.window.meet(&built.cluster.exceptions, &built.names);
        let veil = Veil::new(&built.names, &built.window, request.pseudonyms, request.signing.derive(VEIL));
        files.extend(evidence::gather(store, &mut built.cluster, built.proofs, built.logged, &veil).await?);
        veil.cover(&mut built.cluster, &mut built.attested);
        veil.keep(&mut built.carried, &mut built.cluster);
        let Built { cluster, frameworks: own, attested, carried, scope_declared, .. } = built;
        let evidence = carried::cluster_folder(folder);
        files.extend(carried.into_iter().map(|(path, bytes)| (format!("{evidence}{path}"), bytes)));
        declared |= scope_declared && !cluster.runs.is_empty();
        files.extend(attested);
        merge(&mut frameworks, own);
        clusters.push(ClusterPeriod { store: shown(store), ..cluster });
    }
    let period = Period {
        schema: SCHEMA.to_owned(),
        from: request.from,
        to: request.to,
        made: request.now,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        confidentiality: request.confidentiality.map(str::to_owned),
        key: request.run_key.digest().hex(),
        stores: request.stores.iter().map(|holding| shown(&holding.store)).collect(),
        filter: Filter {
            clusters: request.chosen.to_vec(),
            frameworks: request.frameworks.to_vec(),
            scope: request.scope.map(str::to_owned),
            pseudonyms: request.pseudonyms.map(PseudonymKey::id),
        },
        frameworks,
        comparison: comparison(&clusters),
        clusters,
    };
    check_asked(request, &period, declared)?;
    write(request, period, files, out)
}

/// Every cluster with its store, by folder.
fn by_cluster(stores: &[Holding]) -> Result<BTreeMap<&str, &Store>, PeriodError> {
    let mut all: BTreeMap<&str, &Store> = BTreeMap::new();
    for (store, cluster) in stores.iter().flat_map(|held| held.clusters.iter().map(|cluster| (&held.store, cluster))) {
        if let Some(first) = all.insert(cluster, store) {
            let (cluster, first, second) = (cluster.clone(), first.url().to_owned(), store.url().to_owned());
            return Err(PeriodError::Twice { cluster, first, second });
        }
    }
    Ok(all)
}

/// The store's URL; of one on this machine only the folder's name, since paths are nobody else's business.
fn shown(store: &Store) -> String {
    match store.folder().map(|folder| folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy()) {
        Some(name) => format!("the folder {name}"),
        None => store.url().to_owned(),
    }
}

/// What was asked for and is nowhere is a slip, not an empty package; without a run nothing can be told.
fn check_asked(request: &Request<'_>, period: &Period, scope_declared: bool) -> Result<(), PeriodError> {
    if period.runs() == 0 {
        return Ok(());
    }
    if let Some(id) = request.frameworks.iter().find(|id| period.frameworks.iter().all(|known| known.id != **id)) {
        let runs = period.clusters.iter().flat_map(|cluster| &cluster.runs);
        let mut known: Vec<String> = runs.flat_map(|run| &run.frameworks).map(|known| known.id.clone()).collect();
        known.sort();
        known.dedup();
        if let Some(scope) = request.scope.filter(|_| known.contains(id)) {
            return Err(PeriodError::OtherScope { id: id.clone(), scope: scope.to_owned() });
        }
        return Err(PeriodError::Framework { id: id.clone(), known });
    }
    match request.scope {
        Some(scope) if !scope_declared => Err(PeriodError::Scope(scope.to_owned())),
        _ => Ok(()),
    }
}

fn write(request: &Request<'_>, period: Period, files: Files, out: &Path) -> Result<Made, PeriodError> {
    let draft = Draft::begin(out)?;
    files.into_iter().try_for_each(|(path, bytes)| draft.put(path, &bytes))?;
    draft.put(package::PERIOD, &canonical::to_vec(&period)?)?;
    let about = About { root: draft.root()?, signing_key: request.signing.public().digest() };
    documents::write(&period, &about, &draft)?;
    let predicate = PackagePredicate {
        run_key: request.run_key.to_pem()?,
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: period.tool_version.clone(),
            binary: request.program,
        },
        ..claims(&period)
    };
    Ok(Made { package: draft.seal(predicate, request.signing)?, period })
}

/// What a package's statement says as far as it follows from the model: whoever verifies computes it again. Digests,
/// key and tool are not among it.
pub(crate) fn claims(period: &Period) -> PackagePredicate {
    let packaged = |cluster: &ClusterPeriod| PackagedCluster {
        folder: cluster.folder.clone(),
        runs: cluster.runs.len() as u64,
        excluded: cluster.excluded.len() as u64,
    };
    PackagePredicate {
        from: period.from,
        to: period.to,
        made: period.made,
        period: Digest([0; 32]),
        root: Digest([0; 32]),
        run_key: String::new(),
        clusters: period.clusters.iter().map(packaged).collect(),
        frameworks: period.filter.frameworks.clone(),
        scope: period.filter.scope.clone(),
        pseudonyms: period.filter.pseudonyms.clone(),
        tool: Tool { name: String::new(), version: period.tool_version.clone(), binary: None },
    }
}

/// Frameworks of several clusters as one list, in the order in which they come.
fn merge(all: &mut Vec<FrameworkPeriod>, own: Vec<FrameworkPeriod>) {
    for framework in own {
        match all.iter_mut().find(|known| known.id == framework.id) {
            None => all.push(framework),
            Some(known) => {
                let new = framework.versions.into_iter().filter(|version| !known.versions.contains(version));
                let new: Vec<String> = new.collect();
                known.versions.extend(new);
            }
        }
    }
}
