//! A package narrowed to one framework, and how its runs are named.

use std::collections::{BTreeMap, BTreeSet};

use super::{declared, exceptions, index};
use crate::{
    period::{
        Period,
        documents::About,
        model::{Bounds, ClusterPeriod, Ending, Exception, FrameworkPeriod, RequirementPeriod, RunNumber},
    },
    report::view::{Block, Text, words},
};

/// What a document of one framework is made of.
pub(super) struct Facts<'a> {
    pub(super) period: &'a Period,
    pub(super) framework: &'a FrameworkPeriod,
    pub(super) about: &'a About,
    pub(super) clusters: Vec<Cluster<'a>>,
    /// Rows in the framework's order, each once: of several clusters the first that has it.
    pub(super) rows: Vec<&'a RequirementPeriod>,
    /// Place of each row in them, by id.
    places: BTreeMap<&'a str, usize>,
}

/// One cluster of the package.
pub(super) struct Cluster<'a> {
    /// All that the package says of it.
    pub(super) all: &'a ClusterPeriod,
    /// Id of the framework.
    framework: &'a str,
    /// Its name, or its folder where another cluster has the same name.
    pub(super) name: &'a str,
    /// Rows of the framework.
    pub(super) rows: Vec<&'a RequirementPeriod>,
    /// Exceptions that concern the framework: those that decide a row of it first, worst first of each.
    pub(super) exceptions: Vec<&'a Exception>,
    /// How many of them decide a row.
    pub(super) deciding: usize,
    /// Its place among the clusters.
    nth: usize,
    /// Ids of the exceptions that the document prints.
    printed: BTreeSet<&'a str>,
    /// Kinds of those that it only counts, with their place in the table that does.
    counted: BTreeMap<exceptions::Kind<'a>, usize>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(period: &'a Period, framework: &'a FrameworkPeriod, about: &'a About) -> Self {
        let clusters = period.clusters.len();
        let all = period.clusters.iter().enumerate();
        let clusters: Vec<Cluster<'a>> =
            all.map(|(nth, all)| Cluster::of(period, (nth, all), &framework.id, clusters)).collect();
        let mut places = BTreeMap::new();
        let rows = clusters.iter().flat_map(|cluster| cluster.rows.iter().copied());
        let rows: Vec<&RequirementPeriod> = rows
            .filter(|row| {
                let next = places.len();
                *places.entry(row.id.as_str()).or_insert(next) == next
            })
            .collect();
        Self { period, framework, about, clusters, rows, places }
    }

    /// A requirement in each cluster that has it.
    pub(super) fn own(&self, row: &RequirementPeriod) -> Vec<(&Cluster<'a>, &'a RequirementPeriod)> {
        let of = |cluster: &Cluster<'a>| cluster.rows.iter().copied().find(|known| known.id == row.id);
        self.clusters.iter().filter_map(|cluster| Some((cluster, of(cluster)?))).collect()
    }

    /// Where a requirement of the framework is described, by its id.
    pub(super) fn row_place(&self, id: &str) -> Option<String> {
        Some(format!("row-{}", self.places.get(id)?))
    }

    /// The framework with its version; with all of them where it changed in the period.
    pub(super) fn name(&self) -> String {
        match self.framework.versions.as_slice() {
            [one] if self.framework.title.contains(one.as_str()) => self.framework.title.clone(),
            versions => format!("{} {}", self.framework.title, versions.join(" and ")).trim().to_owned(),
        }
    }

    /// Ids of the framework's requirements, each leading to where it is described.
    pub(super) fn linked_rows(&self, ids: &[&str]) -> Text {
        ids.iter().enumerate().fold(Text::new(), |text, (nth, id)| {
            let text = if nth > 0 { text.soft(", ") } else { text };
            text.soft(*id).to(self.row_place(id))
        })
    }

    /// The declared scope that the document speaks of.
    pub(super) fn scope(&self) -> Option<&'a str> {
        self.period.scope_of(&self.framework.id)
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

/// Whether an exception's check decides or supports a requirement of the framework.
fn concerns(exception: &Exception, framework: &str) -> bool {
    exception.requirements.iter().any(|id| id.strip_prefix(framework).is_some_and(|rest| rest.starts_with('/')))
}

impl<'a> Cluster<'a> {
    fn of(period: &Period, (nth, all): (usize, &'a ClusterPeriod), framework: &'a str, clusters: usize) -> Self {
        let same = period.clusters.iter().filter(|other| other.name == all.name).count();
        let rows: Vec<&RequirementPeriod> = all.requirements.iter().filter(|row| row.framework == framework).collect();
        let deciding: BTreeSet<&str> = rows.iter().flat_map(|row| &row.exceptions).map(String::as_str).collect();
        let concerned = all.exceptions.iter().filter(|x| concerns(x, framework));
        let (mut exceptions, others): (Vec<&Exception>, Vec<&Exception>) =
            concerned.partition(|x| deciding.contains(x.id.as_str()));
        let deciding = exceptions.len();
        exceptions.extend(others);
        let cap = exceptions::printed(clusters, deciding);
        let printed = exceptions.iter().take(cap).map(|exception| exception.id.as_str()).collect();
        let mut counted: BTreeMap<exceptions::Kind<'a>, usize> =
            exceptions.iter().skip(cap).map(|exception| (exceptions::kind(exception), 0)).collect();
        (0..).zip(counted.values_mut()).for_each(|(nth, place)| *place = nth);
        let name = if same > 1 { &all.folder } else { &all.name };
        Self { all, framework, name, rows, exceptions, deciding, nth, printed, counted }
    }

    /// Where an exception is described, or counted where the document does not print it.
    pub(super) fn exception_place(&self, id: &str) -> Option<String> {
        if self.printed.contains(id) {
            return Some(format!("x{}-{id}", self.nth));
        }
        let exception = self.all.exception(id).filter(|exception| concerns(exception, self.framework))?;
        self.counted_place(exceptions::kind(exception))
    }

    /// Where exceptions of a check that are not printed are counted.
    pub(super) fn counted_place(&self, kind: exceptions::Kind<'_>) -> Option<String> {
        Some(format!("rest{}-{}", self.nth, self.counted.get(&kind)?))
    }

    /// Where a run's bundle is named; `None` for one that the index does not print.
    pub(super) fn run_place(&self, run: RunNumber) -> Option<String> {
        let at = usize::try_from(run).ok().filter(|at| *at < self.all.runs.len().min(index::RUNS))?;
        Some(format!("run{}-{at}", self.nth))
    }

    /// Where a declaration is described, by its place in the list; `None` for one that is not printed.
    pub(super) fn declaration_place(&self, at: usize) -> Option<String> {
        (at < self.all.declarations.len().min(declared::DECLARATIONS)).then(|| format!("said{}-{at}", self.nth))
    }

    /// Where words such as `X-0001` and `0002` (a run's number) lead.
    pub(super) fn place(&self, word: &str) -> Option<String> {
        match word.strip_prefix("X-") {
            Some(_) => self.exception_place(word),
            // The numbers of printed runs begin with a zero: no year does.
            None if word.len() == 4 && word.starts_with('0') => self.run_place(word.parse().ok()?),
            None => None,
        }
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
