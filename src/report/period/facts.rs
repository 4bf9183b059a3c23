//! A package narrowed to one framework, and how its runs are named.

use std::collections::BTreeSet;

use crate::{
    period::{
        Period,
        documents::About,
        model::{Bounds, ClusterPeriod, Ending, Exception, FrameworkPeriod, RequirementPeriod, RunNumber},
    },
    report::view::{Block, words},
};

/// What a document of one framework is made of.
pub(super) struct Facts<'a> {
    pub(super) period: &'a Period,
    pub(super) framework: &'a FrameworkPeriod,
    pub(super) about: &'a About,
    pub(super) clusters: Vec<Cluster<'a>>,
}

/// One cluster of the package.
pub(super) struct Cluster<'a> {
    /// All that the package says of it.
    pub(super) all: &'a ClusterPeriod,
    /// Its name, or its folder where another cluster has the same name.
    pub(super) name: &'a str,
    /// Rows of the framework.
    pub(super) rows: Vec<&'a RequirementPeriod>,
    /// Exceptions that concern the framework: those that decide a row of it first, worst first of each.
    pub(super) exceptions: Vec<&'a Exception>,
    /// How many of them decide a row.
    pub(super) deciding: usize,
}

impl<'a> Facts<'a> {
    pub(super) fn of(period: &'a Period, framework: &'a FrameworkPeriod, about: &'a About) -> Self {
        let clusters = period.clusters.iter().map(|all| Cluster::of(period, all, &framework.id)).collect();
        Self { period, framework, about, clusters }
    }

    /// The framework with its version; with all of them where it changed in the period.
    pub(super) fn name(&self) -> String {
        match self.framework.versions.as_slice() {
            [one] if self.framework.title.contains(one.as_str()) => self.framework.title.clone(),
            versions => format!("{} {}", self.framework.title, versions.join(" and ")).trim().to_owned(),
        }
    }

    /// Several clusters need their names.
    pub(super) fn several(&self) -> bool {
        self.clusters.len() > 1
    }

    /// A heading of the second level, with the cluster's name where there are several.
    pub(super) fn heading(&self, cluster: &Cluster<'_>, text: &str) -> Block {
        if self.several() { Block::heading(format!("{text}: {}", cluster.name)) } else { Block::heading(text) }
    }
}

impl<'a> Cluster<'a> {
    fn of(period: &Period, all: &'a ClusterPeriod, framework: &str) -> Self {
        let same = period.clusters.iter().filter(|other| other.name == all.name).count();
        let within = |id: &String| id.strip_prefix(framework).is_some_and(|rest| rest.starts_with('/'));
        let rows: Vec<&RequirementPeriod> = all.requirements.iter().filter(|row| row.framework == framework).collect();
        let deciding: BTreeSet<&str> = rows.iter().flat_map(|row| &row.exceptions).map(String::as_str).collect();
        let concerned = all.exceptions.iter().filter(|x| x.requirements.iter().any(within));
        let (mut exceptions, others): (Vec<&Exception>, Vec<&Exception>) =
            concerned.partition(|x| deciding.contains(x.id.as_str()));
        let deciding = exceptions.len();
        exceptions.extend(others);
        Self { all, name: if same > 1 { &all.folder } else { &all.name }, rows, exceptions, deciding }
    }

    /// Whether an exception counts against a row of the framework, by the row's id, or only supports it.
    pub(super) fn decides(&self, exception: &Exception, id: &str) -> bool {
        self.rows.iter().any(|row| row.id == id && row.exceptions.contains(&exception.id))
    }

    /// Exceptions that the last run of the period still saw.
    pub(super) fn open(&self) -> u64 {
        self.exceptions.iter().filter(|exception| exception.ending == Ending::Open).count() as u64
    }

    /// `3 Oct 2026 06:00`.
    pub(super) fn when(&self, run: RunNumber) -> String {
        self.all.run(run).map_or_else(String::new, |run| words::full_time(run.finished))
    }

    /// `3 Oct 2026 06:00 (run 0002)`.
    pub(super) fn at(&self, run: RunNumber) -> String {
        format!("{} (run {})", self.when(run), run_id(run))
    }

    /// Between which runs: `after 2 Oct 2026 06:00 (run 0001), by 3 Oct 2026 06:00 (run 0002)`.
    pub(super) fn between(&self, bounds: Bounds) -> String {
        match bounds.after {
            Some(after) => format!("after {}, by {}", self.at(after), self.at(bounds.by)),
            None => format!("by {}", self.at(bounds.by)),
        }
    }

    /// The last run, if there is one.
    pub(super) fn last(&self) -> Option<RunNumber> {
        self.all.runs.last().map(|run| run.number)
    }
}

/// `0002`: the name of the run's folder in the package.
pub(super) fn run_id(run: RunNumber) -> String {
    format!("{run:04}")
}
