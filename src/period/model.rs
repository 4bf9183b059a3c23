//! `data/period.json`: everything that one package says. Documents print it and compute nothing of their own.
//!
//! Runs are named by their number: their place in [`ClusterPeriod::runs`], which is the order of the log. Times are
//! the runs' own claims. Everything is sorted, so that the same bundles give the same bytes.

mod cadence;
mod comparison;
mod operation;
mod population;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

pub use cadence::{Cadence, Gap, Interval, MissedRun, PartialRun, PeriodicityRow, Schedule};
pub use comparison::{ComparedCluster, ComparedExceptions, ComparedRequirement, Comparison, Standing};
pub use operation::{
    Cause, Course, Effectiveness, Ending, Exception, Longest, ReasonSpan, RepairBounds, RepairTimes, RequirementPeriod,
    WaiverSpan,
};
pub use population::{
    ControlTotal, DeclarationPeriod, DeclaredFile, FailureBridge, Item, ItemClass, Power, PrivilegedSubject,
    ResourceTotal, ScopeChange, ScopeHolding, ScopeSpan, ScopeSubject, StateSpan,
};
pub use run::{Excluded, Exclusion, FrameworkVersion, Remark, RemarkKind, ResultsSpan, Run, Unseen};

use super::{build::asked_since, writers::trail_of};
use crate::{digest::Digest, drift::ChangedBy, framework::FrameworkKind};

/// `schema` of `data/period.json`.
pub const SCHEMA: &str = "kubeproof.dev/period/v1";

/// Number of a run: its place in [`ClusterPeriod::runs`].
pub type RunNumber = u32;

/// One package. Fields stand in the order of their keys: what is large is then written once, and not put in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// Clusters, by folder.
    pub clusters: Vec<ClusterPeriod>,
    /// The clusters side by side; `None` for one.
    pub comparison: Option<Comparison>,
    /// Confidentiality marking on every page, where one is configured.
    #[serde(default)]
    pub confidentiality: Option<String>,
    /// What was left out on request.
    pub filter: Filter,
    /// Frameworks of the package in the order in which documents print them.
    pub frameworks: Vec<FrameworkPeriod>,
    /// First day, in UTC.
    pub from: NaiveDate,
    /// Id of the key by which the bundles were verified: hex SHA-256 of its SPKI.
    pub key: String,
    /// When the package was made.
    pub made: DateTime<Utc>,
    /// [`SCHEMA`].
    pub schema: String,
    /// Where the bundles were read: URLs of stores, or the names of folders.
    pub stores: Vec<String>,
    /// Last day, in UTC, itself included.
    pub to: NaiveDate,
    /// Version of kubeproof that made it.
    pub tool_version: String,
}

/// What the package was limited to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Folders of the clusters asked for; empty for all.
    pub clusters: Vec<String>,
    /// Framework ids asked for; empty for all.
    pub frameworks: Vec<String>,
    /// The declared scope outside of which nothing is shown.
    pub scope: Option<String>,
    /// Users and groups are pseudonyms; the key is its owner's, this is the key's id.
    pub pseudonyms: Option<String>,
}

/// A framework, as the newest run knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkPeriod {
    /// `pci-dss`.
    pub id: String,
    /// Versions met in the period, oldest first.
    pub versions: Vec<String>,
    /// Title.
    pub title: String,
    /// Benchmark, guide or regulation.
    pub kind: FrameworkKind,
    /// Scope that a regulation was evaluated in.
    pub scope: Option<String>,
    /// Ids that a cluster says nothing about, with what they are about.
    pub outside: BTreeMap<String, String>,
}

/// What one cluster's bundles say; fields in the order of their keys, as those of [`Period`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPeriod {
    /// Runs that were due, and runs that were.
    pub cadence: Cadence,
    /// The same counts in source, snapshot and findings, run by run.
    pub control_totals: Vec<ControlTotal>,
    /// Waivers, attestations and provider documents, by their last day.
    pub declarations: Vec<DeclarationPeriod>,
    /// `production`, `staging`, ...
    pub environment: Option<String>,
    /// Failures from when they began to when they ended, worst first.
    pub exceptions: Vec<Exception>,
    /// Bundles of the period that were not used, and entries without a bundle.
    pub excluded: Vec<Excluded>,
    /// Folder in the store: name and first digits of the uid.
    pub folder: String,
    /// The log as it was read; `None` where no bundle of the cluster was proved.
    pub log: Option<LogSeen>,
    /// Configured name.
    pub name: String,
    /// The full list that samples are drawn from, by class, namespace, kind and name.
    pub population: Vec<Item>,
    /// Subjects with powers that lead further, worst first.
    pub privileged: Vec<PrivilegedSubject>,
    /// What a reader should know before the numbers.
    pub remarks: Vec<Remark>,
    /// Time to repair, by severity, worst first.
    pub repair_times: Vec<RepairTimes>,
    /// One row for each requirement, by framework and in its order.
    pub requirements: Vec<RequirementPeriod>,
    /// The newest run, resource by resource.
    pub resource_totals: Vec<ResourceTotal>,
    /// Where what the runs said of each framework stands, as they signed it; what is not covered is the word of the
    /// package's signer. By framework and run.
    #[serde(default)]
    pub results: Vec<ResultsSpan>,
    /// Verified bundles, in the order of the log.
    pub runs: Vec<Run>,
    /// Namespaces, nodes and versions that came and went.
    pub scope_changes: Vec<ScopeChange>,
    /// What the declared scopes held that frameworks were evaluated in, and the one that the package is limited to; by
    /// scope and run. A run that is in none of a scope's spans had no such declaration.
    #[serde(default)]
    pub scopes: Vec<ScopeSpan>,
    /// The one of [`Period::stores`] that its bundles were read from.
    pub store: String,
    /// Audit trails that writers are named by, by digest.
    #[serde(default)]
    pub trails: Vec<Cited>,
    /// uid of the kube-system namespace.
    pub uid: Option<String>,
    /// Cited objects whose text names what must not be read here, by digest: the text is left out, and its run's bundle
    /// holds it. Empty without a scope and without pseudonyms.
    pub withheld: BTreeSet<Digest>,
}

/// A log as the package saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogSeen {
    /// Its name.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root over all of them.
    pub root: Digest,
}

/// Between which runs something happened. What happens between two runs is seen by neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// The last run that saw it otherwise; `None` where no run of the period did.
    pub after: Option<RunNumber>,
    /// The first run that saw it so.
    pub by: RunNumber,
}

/// An object in the state that a run saw, to be walked to: package, run, bundle, `data/snapshot/objects.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cited {
    /// `Deployment/shop/cart`.
    pub resource: String,
    /// Digest of its stored JSON. `data/evidence/<cluster>/objects.parquet` holds the text.
    pub digest: Digest,
    /// A run whose bundle holds it in `data/snapshot/objects.parquet`.
    pub run: RunNumber,
}

/// Who wrote to an object, as the API server noted or logged it.
pub type WrittenBy = ChangedBy;

impl Filter {
    /// Every failure of the clusters in it is shown: neither a scope nor frameworks were asked for.
    pub fn is_whole(&self) -> bool {
        self.scope.is_none() && self.frameworks.is_empty()
    }

    /// Names are left out or replaced, and with them texts and files that hold one.
    pub fn hides_names(&self) -> bool {
        self.scope.is_some() || self.pseudonyms.is_some()
    }
}

impl Period {
    /// The last day that the package can speak of: a period that is not over ends when the package is made.
    pub fn last_day(&self) -> NaiveDate {
        self.to.min(self.made.date_naive())
    }

    /// The declared scope that a framework speaks of: the one that it was evaluated in, else the one that the package is
    /// limited to.
    pub fn scope_of(&self, framework: &str) -> Option<&str> {
        let own = self.frameworks.iter().find(|known| known.id == framework).and_then(|known| known.scope.as_deref());
        own.or(self.filter.scope.as_deref())
    }

    /// Bundles used, over all clusters.
    pub fn runs(&self) -> usize {
        self.clusters.iter().map(|cluster| cluster.runs.len()).sum()
    }

    /// Bundles that were not used, over all clusters.
    pub fn excluded(&self) -> usize {
        self.clusters.iter().map(|cluster| cluster.excluded.len()).sum()
    }
}

impl ClusterPeriod {
    /// A run by its number.
    pub fn run(&self, number: RunNumber) -> Option<&Run> {
        self.runs.get(usize::try_from(number).ok()?)
    }

    /// Where what a run said of a framework stands; `None` where the package does not hold it.
    pub fn results_of(&self, framework: &str, run: RunNumber) -> Option<&ResultsSpan> {
        let after = self.results.partition_point(|span| (span.framework.as_str(), span.first) <= (framework, run));
        let span = self.results.get(after.checked_sub(1)?)?;
        (span.framework == framework && run <= span.last).then_some(span)
    }

    /// What a declared scope held on a run; `None` where the run had no such declaration.
    pub fn scope_on(&self, scope: &str, run: RunNumber) -> Option<&ScopeSpan> {
        self.scopes.iter().find(|span| span.scope == scope && (span.first..=span.last).contains(&run))
    }

    /// An exception by its id, which is its place in the list.
    pub fn exception(&self, id: &str) -> Option<&Exception> {
        let place: usize = id.strip_prefix("X-")?.parse().ok()?;
        self.exceptions.get(place.checked_sub(1)?).filter(|exception| exception.id == id)
    }

    /// Why a run is missing, where the evidence says it: the bundle that claims to be it and was left out.
    pub fn cause_of(&self, missed: &MissedRun) -> Option<&Excluded> {
        let name = missed.excluded.as_ref()?;
        self.excluded.iter().find(|excluded| excluded.bundle == *name)
    }

    /// The audit trails that name any of these writers.
    pub fn trails_of<'a>(&'a self, writers: impl Iterator<Item = &'a WrittenBy>) -> impl Iterator<Item = &'a Cited> {
        let named: BTreeSet<Digest> = writers.filter_map(trail_of).collect();
        self.trails.iter().filter(move |cited| named.contains(&cited.digest))
    }

    /// Whether a requirement (`pci-dss/2.2.6`) was asked for when a gap between runs began: one that came later is not
    /// late.
    pub fn was_asked(&self, requirement: &str, gap: &Gap) -> bool {
        let row = self.requirements.iter().find(|row| row.full_id() == requirement);
        let since = row.and_then(|row| self.run(asked_since(&row.statuses, &self.runs)?));
        since.is_none_or(|run| run.finished < gap.to)
    }

    /// Requirements of a periodicity that no run decided for longer than it allows, though there were runs, by that time.
    pub fn undecided<'a>(&'a self, row: &'a PeriodicityRow) -> Vec<(&'a Gap, Vec<&'a str>)> {
        let mut times: Vec<(&Gap, Vec<&str>)> = Vec::new();
        for id in &row.requirements {
            let of_row = self.requirements.iter().find(|known| known.full_id() == *id);
            let own = of_row.into_iter().flat_map(|known| &known.overdue);
            let is_unrun = |gap: &&Gap| row.exceeded.iter().any(|run| (run.from, run.to) == (gap.from, gap.to));
            for gap in own.filter(|gap| !is_unrun(gap)) {
                match times.iter_mut().find(|(known, _)| *known == gap) {
                    Some((_, ids)) => ids.push(id),
                    None => times.push((gap, vec![id])),
                }
            }
        }
        times
    }

    /// A waiver by its id, as its declaration has it.
    pub fn waiver(&self, id: &str) -> Option<&DeclarationPeriod> {
        self.declarations.iter().find(|declaration| declaration.kind == "waiver" && declaration.id == id)
    }

    /// Ids of the exceptions that stood under a waiver on some run, worst first.
    pub fn waived_by(&self, waiver: &str) -> Vec<&str> {
        let under = |x: &&Exception| x.waivers.iter().any(|span| span.id == waiver);
        self.exceptions.iter().filter(under).map(|x| x.id.as_str()).collect()
    }

    /// The exceptions that concern a requirement (`pci-dss/2.2.6`), worst first.
    pub fn exceptions_of<'a>(&'a self, requirement: &'a str) -> impl Iterator<Item = &'a Exception> {
        self.exceptions.iter().filter(move |exception| exception.requirements.iter().any(|id| id == requirement))
    }
}
