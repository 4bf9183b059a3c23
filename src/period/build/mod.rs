//! From facts of one bundle after the other to what the package says of a cluster. Memory is bounded by what is said,
//! not by how many bundles say it.

mod access;
mod comparison;
mod declared;
mod episode;
mod exceptions;
mod population;
mod remarks;
mod requirements;
mod scopes;
mod seen;
mod sight;
mod totals;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    cadence::{self, Planned},
    carried::{self, Carried, Standing},
    facts::{Facts, Files, Proof},
    model::{
        Bounds, Cause, ClusterPeriod, ControlTotal, Ending, Exception, Excluded, FrameworkPeriod, LogSeen, RepairTimes,
        ResourceTotal, Run, RunNumber, ScopeChange, ScopeSubject,
    },
    names::Names,
    window::Window,
    writers::Logged,
};
use crate::{framework::Severity, snapshot::TableError};
use exceptions::{Moment, Shown};
use sight::Sight;

pub(crate) use comparison::comparison;
pub(crate) use episode::stood;
pub(crate) use requirements::{asked_since, effectiveness, naming, overdue};
pub(super) use seen::Objects;
pub(super) use sight::Blind;
pub(crate) use totals::{standing, unaccounted};

/// The time that a package is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// First moment.
    pub(crate) start: DateTime<Utc>,
    /// The moment after the last.
    pub(crate) end: DateTime<Utc>,
}

/// One cluster, as far as bundles were read.
#[derive(Default)]
pub(super) struct Builder {
    runs: Vec<Run>,
    proofs: Vec<Proof>,
    logged: Vec<Logged>,
    name: String,
    uid: Option<String>,
    environment: Option<String>,
    requirements: requirements::Requirements,
    exceptions: exceptions::Exceptions,
    population: population::Population,
    access: access::Access,
    declared: declared::Declared,
    versions: versions::Versions,
    totals: Vec<ControlTotal>,
    resources: Vec<ResourceTotal>,
    sight: Sight,
    before: Option<Objects>,
    /// What any of the runs shows of the scope asked for.
    window: Window,
    /// What counted for each framework on any of the runs.
    reaches: BTreeMap<String, Window>,
    /// Scopes that frameworks were evaluated in.
    scopes: BTreeMap<String, BTreeSet<String>>,
    held: scopes::Scopes,
    names: Names,
    carried: Carried,
    /// By place, what is carried since some run.
    carried_files: Files,
}

/// What the builder is told beside the bundles.
pub(super) struct Around<'a> {
    pub(super) folder: String,
    pub(super) span: Span,
    pub(super) log: Option<LogSeen>,
    pub(super) log_notes: Vec<String>,
    pub(super) excluded: Vec<Excluded>,
    pub(super) planned: Option<&'a Planned>,
    pub(super) frameworks: &'a [String],
    pub(super) scope: Option<&'a str>,
}

/// A cluster's part of the package, and what belongs into its evidence.
pub(super) struct Built {
    pub(super) cluster: ClusterPeriod,
    pub(super) frameworks: Vec<FrameworkPeriod>,
    pub(super) proofs: Vec<Proof>,
    /// Who wrote what before each run, as audit logs say.
    pub(super) logged: Vec<Logged>,
    /// Files that declarations point at, by package path.
    pub(super) attested: Files,
    /// What decided and what runs said of frameworks, by path below the cluster's evidence.
    pub(super) carried: Files,
    /// Some run had declared the scope asked for, or none was asked for.
    pub(super) scope_declared: bool,
    /// What the bundles name, where some of it may have to be left out.
    pub(super) names: Names,
    /// What of it may be shown.
    pub(super) window: Window,
}

impl Builder {
    /// Adds the next run, in the order of the log.
    ///
    /// # Errors
    /// A table that does not hold what it should: the run is then not part of the package.
    pub(super) fn add(&mut self, facts: Facts) -> Result<(), TableError> {
        let number = RunNumber::try_from(self.runs.len()).unwrap_or(RunNumber::MAX);
        let (objects, blind) = (&facts.objects, &facts.blind);
        let moment = Moment { number, objects, blind, before: self.before.as_ref(), sight: &self.sight };
        self.exceptions.add(&facts, &moment)?;
        self.requirements.add(&facts, number);
        self.population.add(&facts, number);
        self.access.add(&facts, number);
        self.declared.add(&facts, number);
        self.versions.add(&facts, number);
        self.totals.push(totals::control_total(&facts, number));
        self.resources = totals::resource_totals(&facts);
        self.sight.close(number, blind);
        self.held.add(&facts, number);
        self.window.merge(&facts.window);
        self.names.merge(facts.names);
        for (framework, reach) in &facts.reaches {
            self.reaches.entry(framework.clone()).or_default().merge(reach);
        }
        for (framework, scope) in facts.frameworks.iter().filter_map(|f| Some((&f.id, f.scope.as_ref()?))) {
            self.scopes.entry(framework.clone()).or_default().insert(scope.clone());
        }
        self.name.clone_from(&facts.cluster_name);
        self.uid.clone_from(&facts.cluster_uid);
        self.environment.clone_from(&facts.environment);
        self.carried.add(number, &facts.lines);
        let new = facts.carried.into_iter().filter(|(path, _)| self.carried.begins(path, number));
        self.carried_files.extend(new.map(|(path, bytes)| (carried::place(&path, number), bytes)));
        self.before = Some(facts.objects);
        self.runs.push(Run { number, ..facts.run });
        self.proofs.push(facts.proof);
        self.logged.push(facts.logged);
        Ok(())
    }

    /// What all of them say.
    pub(super) fn finish(mut self, around: Around<'_>) -> Built {
        let runs = self.runs;
        let wanted = Wanted::of(&around, &self.window, &self.scopes);
        let shown = Shown { wanted: &wanted, window: &self.window, reaches: &self.reaches };
        let (exceptions, left_out) = self.exceptions.finish(&runs, shown);
        totals::bridge(&mut self.totals, &exceptions, &left_out);
        let (requirements, frameworks) = self.requirements.finish(&runs, around.span, &wanted, &exceptions);
        let (population, mut scope_changes) = self.population.finish();
        scope_changes.extend(self.versions.finish());
        scope_changes.sort_by(|a, b| (a.between.by, a.what, &a.name).cmp(&(b.between.by, b.what, &b.name)));
        scope_changes.splice(0..0, first_of_its_log(&around.folder, &runs));
        let narrow = self.window.is_narrow() || !wanted.is_all();
        let (declarations, attested) = self.declared.finish(narrow, &exceptions, &frameworks);
        let cadence = cadence::cadence(around.span, &runs, &around.excluded, around.planned, &requirements);
        let mut remarks = remarks::remarks(&runs, &around.excluded, &around.log_notes);
        remarks.extend(around.scope.and_then(|scope| remarks::wider_than(scope, &frameworks)));
        remarks.extend(remarks::missed(&cadence));
        remarks.extend(remarks::waivers_ended(&runs, &exceptions, &declarations));
        remarks.sort();
        // Without a run nothing was proved that could tell the name from the folder.
        let carried = self.carried.finish();
        let is_here = |file: &&Standing| self.carried_files.contains_key(&carried::place(&file.path, file.first));
        let results = carried::spans(carried.iter().filter(is_here));
        let name = if runs.is_empty() { around.folder.clone() } else { self.name };
        let cluster = ClusterPeriod {
            folder: around.folder,
            name,
            store: String::new(),
            uid: self.uid,
            environment: self.environment,
            log: around.log,
            remarks,
            excluded: around.excluded,
            repair_times: repair_times(&exceptions, &runs),
            requirements,
            exceptions,
            cadence,
            scope_changes,
            scopes: self.held.finish(),
            control_totals: self.totals,
            resource_totals: self.resources,
            population,
            privileged: self.access.finish(),
            declarations,
            results,
            trails: Vec::new(),
            withheld: BTreeSet::new(),
            runs,
        };
        let scope_declared = self.window.is_declared();
        let (names, window) = (self.names, self.window);
        Built {
            cluster,
            frameworks,
            proofs: self.proofs,
            logged: self.logged,
            attested,
            carried: self.carried_files,
            scope_declared,
            names,
            window,
        }
    }
}

/// The frameworks of the package; `None` for all that were evaluated.
struct Wanted(Option<BTreeSet<String>>);

impl Wanted {
    /// Those asked for. What is asked for by scope alone is what was evaluated in it: everything where a scope is
    /// declared that no framework is about, nothing where nobody declared it.
    fn of(around: &Around<'_>, window: &Window, scopes: &BTreeMap<String, BTreeSet<String>>) -> Self {
        let Some(asked) = around.scope.filter(|_| around.frameworks.is_empty()) else {
            return Self((!around.frameworks.is_empty()).then(|| around.frameworks.iter().cloned().collect()));
        };
        let is_in = |scopes: &BTreeSet<String>| scopes.iter().any(|id| id.split('+').any(|id| id == asked));
        let within = scopes.iter().filter(|(_, scopes)| is_in(scopes)).map(|(framework, _)| framework.clone());
        let within: BTreeSet<String> = within.collect();
        Self(Some(within).filter(|within| !within.is_empty() || !window.is_declared()))
    }

    /// Whether a framework is in the package.
    fn holds(&self, framework: &str) -> bool {
        self.0.as_ref().is_none_or(|ids| ids.contains(framework))
    }

    /// Whether all are.
    fn is_all(&self) -> bool {
        self.0.is_none()
    }
}

/// A cluster whose log begins within the period is new to it.
fn first_of_its_log(folder: &str, runs: &[Run]) -> Option<ScopeChange> {
    let first = runs.first().filter(|run| run.index == 0)?;
    Some(ScopeChange {
        what: ScopeSubject::Cluster,
        name: folder.to_owned(),
        between: Bounds { after: None, by: first.number },
        before: None,
        after: Some("its log begins".to_owned()),
    })
}

/// Time to repair by severity, worst first; severities without an exception have no row.
pub(crate) fn repair_times<'a>(exceptions: impl IntoIterator<Item = &'a Exception>, runs: &[Run]) -> Vec<RepairTimes> {
    let exceptions: Vec<&Exception> = exceptions.into_iter().collect();
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let rows = severities.into_iter().filter_map(|severity| {
        let of = exceptions.iter().copied().filter(|exception| exception.severity == severity);
        let all: Vec<&Exception> = of.collect();
        (!all.is_empty()).then(|| repair_times_of(severity, &all, runs))
    });
    rows.collect()
}

fn repair_times_of(severity: Severity, exceptions: &[&Exception], runs: &[Run]) -> RepairTimes {
    let count = |wanted: &dyn Fn(&Exception) -> bool| {
        u32::try_from(exceptions.iter().filter(|exception| wanted(exception)).count()).unwrap_or(u32::MAX)
    };
    let repaired: Vec<&&Exception> = exceptions.iter().filter(|exception| exception.ending.is_repair()).collect();
    let is_open = |exception: &Exception| exception.ending == Ending::Open;
    // A waiver counts while the last run that saw the failure stood under it.
    let is_waived = |exception: &Exception| {
        is_open(exception) && exception.waivers.last().is_some_and(|waiver| waiver.last == exception.last_seen)
    };
    let by_rules = |exception: &Exception| {
        let causes = |cause| matches!(cause, Cause::RulesChanged | Cause::ObjectAndRules | Cause::TimePassed);
        matches!(exception.ending, Ending::Ended { cause, .. } if causes(cause))
    };
    let oldest = exceptions.iter().filter(|e| is_open(e)).map(|e| e.first_seen).min();
    let at = |number: RunNumber| usize::try_from(number).ok().and_then(|n| runs.get(n)).map(|run| run.finished);
    RepairTimes {
        severity,
        repaired: count(&|exception| exception.ending.is_repair()),
        unbounded: count(&|e| e.ending.is_repair() && e.duration.at_most_seconds.is_none()),
        longest_at_least_seconds: repaired.iter().map(|exception| exception.duration.at_least_seconds).max(),
        longest_at_most_seconds: repaired.iter().filter_map(|exception| exception.duration.at_most_seconds).max(),
        open: count(&is_open),
        open_waived: count(&is_waived),
        not_seen_since: count(&|exception| matches!(exception.ending, Ending::NotSeenSince { .. })),
        ended_by_rules: count(&by_rules),
        oldest_open_since: oldest.and_then(at),
    }
}
