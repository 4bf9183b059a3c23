//! Requirements of a package, each status by what its run said itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files,
};
use crate::{
    bundle::{bag::Lines, package::PERIOD},
    evaluate::{
        RequirementResult, Status,
        results::{self, Results},
    },
    period::{
        carried::{self, Standing},
        model::{ClusterPeriod, Filter, RequirementPeriod, ResultsSpan, RunNumber},
        words::count,
    },
    report::view,
};

/// What the runs of a package said of its frameworks, as they signed it.
#[derive(Debug, Default)]
pub(super) struct RunResults(Vec<(String, ResultsSpan, Results)>);

impl RunResults {
    /// What a run said of a framework, where the package holds it.
    pub(super) fn of(&self, cluster: &str, run: RunNumber, framework: &str) -> Option<&Results> {
        let is_it = |span: &ResultsSpan| span.framework == framework && (span.first..=span.last).contains(&run);
        self.0.iter().find(|(folder, span, _)| folder == cluster && is_it(span)).map(|(_, _, results)| results)
    }

    /// What the newest run about a row said of it, where the package holds that: the run, and its own words. Of two
    /// versions of a framework the later one counts, as in the package.
    pub(super) fn newest(&self, cluster: &str, row: &RequirementPeriod) -> Option<(RunNumber, &RequirementResult)> {
        let run = RunNumber::try_from(row.statuses.iter().rposition(Option::is_some)?).ok()?;
        let said = self.of(cluster, run, &row.framework)?;
        said.requirements.iter().rev().find(|result| result.id == row.id).map(|result| (run, result))
    }
}

/// Why nothing in the package shows a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// The bundle is of a version that wrote none.
    None,
    /// The file counts more than the package's scope, or names what is outside of it.
    Scope,
    /// The file names what must not be read here.
    Hidden,
    /// Another version wrote it in a form that is not known here.
    Unread,
}

/// What holding statuses against results came to.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) results: RunResults,
    /// Statuses that a run's own results say.
    pub(super) proved: u64,
    /// Files of the runs, rules and results, that the package does not hold for what they name.
    left_out: u64,
    /// Pairs of a check and a run whose exceptions are as many as that run counted.
    pub(super) counted: u64,
    /// Runs some of whose declared files are not here.
    pub(super) undeclared: u64,
    /// Statuses that are the signer's word, with the runs.
    unproved: BTreeMap<Why, (u64, BTreeSet<(String, RunNumber)>)>,
}

impl Shown {
    /// Nothing yet, of a package without so many files of its runs.
    pub(super) fn without(left_out: u64) -> Self {
        Self { left_out, ..Self::default() }
    }

    /// What it leaves open, in sentences.
    pub(super) fn open(&self) -> impl Iterator<Item = String> {
        let left_out = (self.left_out > 0).then(|| {
            let files = count(self.left_out, "file", "files");
            format!("{files} of rules and results that the runs' manifests name are left out, since they name what the package must not show")
        });
        let undeclared = (self.undeclared > 0).then(|| {
            let runs = count(self.undeclared, "run", "runs");
            format!("declarations and waivers on {runs} rest on the word of the package's signer: files that declare them are not here")
        });
        let unproved = self.unproved.iter().map(|(why, (statuses, runs))| {
            let statuses = count(*statuses, "status", "statuses");
            let runs = count(runs.len() as u64, "run", "runs");
            let because = match why {
                Why::Scope => "their results count more than the package's scope, or name what is outside of it",
                Why::None => "their bundles hold no results (data/results), so that only data/evaluation.json says it",
                Why::Hidden => "their results hold a name that the package leaves out",
                Why::Unread => "another version wrote their results in a form that is not known here",
            };
            format!("{statuses} on {runs} rest on the word of the package's signer: {because}")
        });
        left_out.into_iter().chain(undeclared).chain(unproved)
    }
}

/// Holds every status of a cluster against the results of its run, which the run's manifest names.
pub(super) fn judge(
    (files, lines): (&Files, &Lines),
    (cluster, standing): (&ClusterPeriod, &[Standing]),
    filter: &Filter,
    shown: &mut Shown,
    steps: &mut Steps,
) {
    let path = |file: &Standing| carried::package_path(&cluster.folder, &file.path, file.first);
    let belongs = |file: &&Standing| carried::belongs(&file.path, &filter.frameworks);
    let here = carried::spans(standing.iter().filter(belongs).filter(|file| lines.contains_key(&path(file))));
    let mut tampered =
        |subject: &str, detail: String| steps.fail(StepName::Content, Verdict::Tampered, subject, detail);
    if here != cluster.results {
        tampered(PERIOD, format!("{}: names other results than those that are here", cluster.folder));
    }
    for span in here {
        let path = span.path(&cluster.folder);
        let is_own = cluster.run(span.first).is_some_and(|run| run.tool_version == env!("CARGO_PKG_VERSION"));
        match files.get(&path).map_or_else(|| Err("missing".to_owned()), |bytes| results::read(bytes)) {
            Ok(results) if filter.scope.as_ref().is_some_and(|scope| !results.is_of(scope)) => {
                tampered(&path, "tells more than the package's scope".to_owned());
            }
            Ok(results) if results.framework == span.framework => {
                shown.results.0.push((cluster.folder.clone(), span, results));
            }
            Ok(_) => tampered(&path, "is of another framework".to_owned()),
            Err(error) if is_own || filter.scope.is_some() => tampered(&path, error),
            // Its statuses are counted as the signer's word below.
            Err(_) => {}
        }
    }
    let rows = Rows::of(cluster);
    let Shown { results, proved, unproved, .. } = shown;
    let Judged { defects, proved: held, unproved: open } = rows.judge(results, standing, filter);
    *proved += held;
    for (why, run) in open {
        let (statuses, runs) = unproved.entry(why).or_default();
        *statuses += 1;
        runs.insert((cluster.folder.clone(), run));
    }
    defects.into_iter().for_each(|(row, detail)| tampered(PERIOD, format!("{row}: {detail}")));
}

/// Rows of a cluster by framework and id.
struct Rows<'a> {
    cluster: &'a ClusterPeriod,
    by_framework: BTreeMap<&'a str, BTreeMap<&'a str, &'a RequirementPeriod>>,
    /// Ids that stand twice.
    twice: Vec<String>,
}

/// What holding a cluster's rows against results came to.
#[derive(Default)]
struct Judged {
    /// The first defect of each row.
    defects: BTreeMap<String, String>,
    proved: u64,
    /// One for each status.
    unproved: Vec<(Why, RunNumber)>,
}

impl<'a> Rows<'a> {
    fn of(cluster: &'a ClusterPeriod) -> Self {
        // A framework whose rows were all left out is judged too.
        let by_framework = cluster.results.iter().map(|span| (span.framework.as_str(), BTreeMap::new())).collect();
        let mut rows = Self { cluster, by_framework, twice: Vec::new() };
        for row in &cluster.requirements {
            let of_framework = rows.by_framework.entry(row.framework.as_str()).or_default();
            if of_framework.insert(&row.id, row).is_some() {
                rows.twice.push(row.full_id());
            }
        }
        rows
    }

    fn judge(self, results: &RunResults, standing: &[Standing], filter: &Filter) -> Judged {
        let mut judged = Judged::default();
        for id in &self.twice {
            judged.defects.insert(id.clone(), "stands twice".to_owned());
        }
        for (framework, rows) in &self.by_framework {
            for run in self.cluster.runs.iter().map(|run| run.number) {
                match results.of(&self.cluster.folder, run, framework) {
                    Some(results) => self.hold(framework, rows, run, results, &mut judged),
                    None => {
                        let why = missing(framework, run, standing, filter);
                        for row in rows.values().filter(|row| row.status_on(run).is_some()) {
                            match why {
                                Some(why) => judged.unproved.push((why, run)),
                                None => judged.note(row.full_id(), || format!("run {run:04} was not about it")),
                            }
                        }
                    }
                }
            }
            let newest = rows.values().filter_map(|row| other_words(row, results, &self.cluster.folder));
            newest.for_each(|(row, detail)| judged.note(row, || detail));
        }
        judged
    }

    /// Every row of the results stands in the package as it is, and no other.
    fn hold(
        &self,
        framework: &str,
        rows: &BTreeMap<&str, &RequirementPeriod>,
        run: RunNumber,
        results: &Results,
        judged: &mut Judged,
    ) {
        // Of two versions of a framework the later one counts, as in the package.
        let said: BTreeMap<&str, &RequirementResult> =
            results.requirements.iter().map(|result| (result.id.as_str(), result)).collect();
        for (id, result) in &said {
            match rows.get(id).map(|row| (*row, row.status_on(run))) {
                Some((row, Some(shown)))
                    if shown == result.status && row.reason_on(run) == result.reason.as_deref() =>
                {
                    judged.proved += 1;
                    if row.attested_alone.contains(&run) != result.is_word_alone() {
                        let detail = || format!("run {run:04} says otherwise whether people's word stands alone");
                        judged.note(format!("{framework}/{id}"), detail);
                    }
                }
                Some((_, Some(shown))) if shown == result.status => {
                    let detail = || format!("gives another reason for run {run:04} than the run itself");
                    judged.note(format!("{framework}/{id}"), detail);
                }
                other => {
                    let shown = other.and_then(|(_, shown)| shown).map_or("nothing", |shown| words(shown));
                    let said = words(result.status);
                    let detail = || format!("says '{shown}' of run {run:04}, which says '{said}' itself");
                    judged.note(format!("{framework}/{id}"), detail);
                }
            }
        }
        for (_, row) in rows.iter().filter(|(id, row)| !said.contains_key(*id) && row.status_on(run).is_some()) {
            judged.note(row.full_id(), || format!("run {run:04} was not about it"));
        }
        let known = self.cluster.run(run).into_iter().flat_map(|run| &run.frameworks);
        let known: BTreeSet<&str> = known.filter(|of| of.id == framework).map(|of| of.version.as_str()).collect();
        if known != results.versions.iter().map(|of| of.version.as_str()).collect() {
            judged.note(framework.to_owned(), || format!("is of another version than run {run:04} says itself"));
        }
    }
}

impl Judged {
    fn note(&mut self, row: String, detail: impl FnOnce() -> String) {
        self.defects.entry(row).or_insert_with(detail);
    }
}

fn words(status: Status) -> &'static str {
    view::words::status(status).0
}

/// Why the results of a run are not at hand; `None` where the run had some, and none of this framework.
fn missing(framework: &str, run: RunNumber, standing: &[Standing], filter: &Filter) -> Option<Why> {
    let frameworks = carried::frameworks_on(standing, run);
    match (frameworks.is_empty(), frameworks.contains(framework)) {
        (true, _) => Some(Why::None),
        (false, true) if filter.scope.is_some() => Some(Why::Scope),
        (false, true) if filter.hides_names() => Some(Why::Hidden),
        (false, true) => Some(Why::Unread),
        (false, false) => None,
    }
}

/// What a row says as of the newest run about it is what that run said.
fn other_words(row: &RequirementPeriod, results: &RunResults, cluster: &str) -> Option<(String, String)> {
    let (run, said) = results.newest(cluster, row)?;
    let agrees = (&row.decides, row.coverage) == (&said.decides, said.coverage)
        && (&row.company_control, &row.owner) == (&said.company_control, &said.owner);
    (!agrees).then(|| (row.full_id(), format!("its checks, control or owner are not those of run {run:04}")))
}
