//! What a package prints of frameworks and their rows, by the framework files that its runs signed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files, RunResults,
};
use crate::{
    bundle::package::PERIOD,
    config::parse_yaml,
    framework::{Framework, Requirement},
    period::{
        FRAMEWORKS, Period,
        carried::{self, Standing},
        model::{ClusterPeriod, Exception, Filter, FrameworkPeriod, RequirementPeriod, Run},
        veil,
    },
};

/// Folder of the checks in a bundle.
const CHECKS: &str = "data/rules/checks/";

/// Framework files of one cluster's runs, as far as the package holds them.
struct Definitions<'a> {
    cluster: &'a ClusterPeriod,
    files: Vec<Framework>,
}

/// Holds titles, sections, periodicities and scopes against the files and results of the runs. What the package does not
/// hold is the word of its signer.
pub(super) fn judge(
    files: &Files,
    period: &Period,
    standing: &[Vec<Standing>],
    results: &RunResults,
    steps: &mut Steps,
) {
    let all: Vec<Definitions<'_>> = period
        .clusters
        .iter()
        .zip(standing)
        .map(|(cluster, standing)| Definitions::of(files, cluster, standing))
        .collect();
    let mut wrong = |subject: String, detail: &str| {
        steps.fail(StepName::Content, Verdict::Tampered, PERIOD, format!("{subject}: {detail}"))
    };
    for framework in &period.frameworks {
        let of_id = |of: &&Framework| of.id == framework.id && framework.versions.last() == Some(&of.version);
        let mut known = all.iter().flat_map(|of| &of.files).filter(of_id).peekable();
        if known.peek().is_some() && !known.any(|of| says(of, framework)) {
            wrong(framework.id.clone(), "its title or what it leaves out is not that of the runs' file");
        }
        let met: BTreeSet<&str> = versions(period, &framework.id).collect();
        if met.is_empty() || met != framework.versions.iter().map(String::as_str).collect() {
            wrong(framework.id.clone(), "its versions are not those of the runs");
        }
        let mut scopes = period.clusters.iter().filter_map(|cluster| scope(cluster, &framework.id, results)).peekable();
        if scopes.peek().is_some() && !scopes.any(|scope| scope == framework.scope.as_deref()) {
            wrong(framework.id.clone(), "its scope is not that of the runs' results");
        }
    }
    let hidden = period.filter.hides_names();
    for (of, standing) in all.iter().zip(standing) {
        if let Some(run) = of.cluster.runs.iter().find(|run| !asked_as_signed(run, standing, &period.filter)) {
            wrong(of.cluster.folder.clone(), &format!("run {} was not about the frameworks that it says", run.number));
        }
        let titles = titles(files, of.cluster, standing);
        let unlike = |x: &&Exception| titles.get(x.check.as_str()).is_some_and(|known| !known.contains(&x.title));
        if let Some(x) = of.cluster.exceptions.iter().find(unlike).filter(|_| !hidden) {
            wrong(x.id.clone(), "its title is not that of the runs' check");
        }
        if let Some(row) = of.cluster.requirements.iter().find(|row| of.contradicts(row, results, hidden)) {
            wrong(
                row.full_id(),
                "its title, section, level, note or periodicity is not that of the runs' framework file",
            );
        }
    }
}

/// A run is about the frameworks whose results it signed; a scope's package may leave some out.
fn asked_as_signed(run: &Run, standing: &[Standing], filter: &Filter) -> bool {
    let signed = carried::frameworks_on(standing, run.number);
    let said: BTreeSet<&str> = run.frameworks.iter().map(|of| of.id.as_str()).collect();
    signed.is_empty() || signed == said || filter.scope.is_some() && said.is_subset(&signed)
}

/// What a check's file says of itself.
#[derive(Deserialize)]
struct Titled {
    id: String,
    title: String,
}

/// Titles of the checks whose files are here.
fn titles(files: &Files, cluster: &ClusterPeriod, standing: &[Standing]) -> BTreeMap<String, BTreeSet<String>> {
    let mut titles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in standing.iter().filter(|file| file.path.starts_with(CHECKS)) {
        let bytes = files.get(&carried::package_path(&cluster.folder, &file.path, file.first));
        let read = bytes.and_then(|bytes| parse_yaml::<Titled>(&file.path, bytes).ok());
        if let Some(Titled { id, title }) = read.map(|read| read.value) {
            titles.entry(id).or_default().insert(title);
        }
    }
    titles
}

impl<'a> Definitions<'a> {
    fn of(files: &Files, cluster: &'a ClusterPeriod, standing: &[Standing]) -> Self {
        let parse = |file: &Standing| {
            let bytes = files.get(&carried::package_path(&cluster.folder, &file.path, file.first))?;
            Some(parse_yaml::<Framework>(&file.path, bytes).ok()?.value)
        };
        let of_frameworks = standing.iter().filter(|file| file.path.starts_with(FRAMEWORKS));
        Self { cluster, files: of_frameworks.filter_map(parse).collect() }
    }

    /// Files of the row's version are here, and none says what the package says.
    fn contradicts(&self, row: &RequirementPeriod, results: &RunResults, hidden: bool) -> bool {
        let Some((_, newest)) = results.newest(&self.cluster.folder, row) else { return false };
        let of_version = |of: &&Framework| of.id == row.framework && of.version == newest.version;
        let rows = self.files.iter().filter(of_version).flat_map(|of| &of.requirements);
        let mut rows = rows.filter(|known| known.id == row.id).peekable();
        rows.peek().is_some() && !rows.any(|known| prints(known, row, hidden))
    }
}

fn says(file: &Framework, framework: &FrameworkPeriod) -> bool {
    let outside = file.outside.iter().map(|outside| (&outside.id, &outside.about));
    file.title == framework.title
        && file.kind == framework.kind
        && outside.collect::<BTreeSet<_>>() == framework.outside.iter().collect()
}

/// Names are taken out of notes where they must not be read, and something stands for them.
fn prints(known: &Requirement, row: &RequirementPeriod, hidden: bool) -> bool {
    (&known.title, &known.section, &known.level, &known.periodicity)
        == (&row.title, &row.section, &row.level, &row.periodicity)
        && (known.note == row.note || hidden && row.note.as_ref().is_some_and(|note| veil::is_covered(note)))
}

fn versions<'a>(period: &'a Period, framework: &'a str) -> impl Iterator<Item = &'a str> {
    let runs = period.clusters.iter().flat_map(|cluster| &cluster.runs);
    runs.flat_map(|run| &run.frameworks).filter(move |of| of.id == framework).map(|of| of.version.as_str())
}

/// The scope of a framework on the newest run about it, which may be none; `None` where the package lacks its results.
fn scope<'a>(cluster: &ClusterPeriod, framework: &str, results: &'a RunResults) -> Option<Option<&'a str>> {
    let newest = cluster.runs.iter().rev().find(|run| run.frameworks.iter().any(|of| of.id == framework))?;
    let results = results.of(&cluster.folder, newest.number, framework)?;
    results.versions.last().map(|version| version.scope.as_deref())
}
