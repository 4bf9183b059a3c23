//! Files of the runs that a package carries byte for byte: what decided, and what the runs said of each framework. Many
//! stay the same from one run to the next, so each is carried once, under the number of the first run on which it stood.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{ResultsSpan, RunNumber};
use crate::{
    bundle::{
        bag::{self, Lines},
        package::EVIDENCE,
    },
    digest::Digest,
    evaluate::results,
};

/// Folders of a bundle whose files are carried.
const FOLDERS: [&str; 2] = [bag::RULES, bag::RESULTS];

/// A file of successive runs, as their manifests name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    /// Bag path in the bundles.
    pub(crate) path: String,
    /// The first run on which it stood.
    pub(crate) first: RunNumber,
    /// The last one.
    pub(crate) last: RunNumber,
    /// Its digest on all of them.
    pub(crate) digest: Digest,
}

impl Standing {
    /// Whether it stood on a run.
    pub(crate) fn stood_on(&self, run: RunNumber) -> bool {
        (self.first..=self.last).contains(&run)
    }
}

/// The frameworks that a run signed results of.
pub(crate) fn frameworks_on(standing: &[Standing], run: RunNumber) -> BTreeSet<&str> {
    standing.iter().filter(|file| file.stood_on(run)).filter_map(|file| framework_of(&file.path)).collect()
}

/// What stood on which runs, as far as runs were read.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    now: BTreeMap<String, Standing>,
    ended: Vec<Standing>,
}

impl Carried {
    /// Adds the next run by the lines of its manifest.
    pub(crate) fn add(&mut self, run: RunNumber, lines: &Lines) {
        let mut earlier = std::mem::take(&mut self.now);
        for (path, digest) in lines.iter().filter(|(path, _)| is_carried(path)) {
            let standing = match earlier.remove(path) {
                Some(known) if known.digest == *digest => Standing { last: run, ..known },
                other => {
                    self.ended.extend(other);
                    Standing { path: path.clone(), first: run, last: run, digest: *digest }
                }
            };
            self.now.insert(path.clone(), standing);
        }
        self.ended.extend(earlier.into_values());
    }

    /// Whether a file stands since that run and no longer.
    pub(super) fn begins(&self, path: &str, run: RunNumber) -> bool {
        self.now.get(path).is_some_and(|standing| standing.first == run)
    }

    /// All of them, by path and run.
    pub(crate) fn finish(self) -> Vec<Standing> {
        let mut all: Vec<Standing> = self.now.into_values().chain(self.ended).collect();
        all.sort();
        all
    }
}

/// Whether a file of a bundle is one that packages carry.
pub(super) fn is_carried(path: &str) -> bool {
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// The framework that a file of a bundle holds the results of.
fn framework_of(path: &str) -> Option<&str> {
    path.strip_prefix(bag::RESULTS)?.strip_suffix(".json").filter(|name| !name.contains('/'))
}

/// Whether a package has a file of its runs: everything that decided, and the results of the frameworks asked for.
pub(crate) fn belongs(path: &str, frameworks: &[String]) -> bool {
    if !path.starts_with(bag::RESULTS) {
        return is_carried(path);
    }
    let is_asked = |id: &str| frameworks.is_empty() || frameworks.iter().any(|asked| asked == id);
    framework_of(path).is_some_and(is_asked)
}

/// Whether a file tells nothing from outside of a scope by its counts: results that are of it alone.
pub(super) fn is_within(path: &str, bytes: &[u8], scope: Option<&str>) -> bool {
    let Some(scope) = scope.filter(|_| path.starts_with(bag::RESULTS)) else { return true };
    results::read(bytes).is_ok_and(|results| results.is_of(scope))
}

/// Place of a file below its cluster's evidence: `rules/0003/checks/pod/a.yaml` for `data/rules/checks/pod/a.yaml`.
pub(super) fn place(path: &str, first: RunNumber) -> String {
    let below = path.strip_prefix(bag::DATA).unwrap_or(path);
    let (folder, name) = below.split_once('/').unwrap_or((below, ""));
    format!("{folder}/{first:04}/{name}")
}

/// The same as a path in the package.
pub(crate) fn package_path(cluster: &str, path: &str, first: RunNumber) -> String {
    format!("{}{}", cluster_folder(cluster), place(path, first))
}

/// Folder of a cluster's evidence in the package.
pub(super) fn cluster_folder(cluster: &str) -> String {
    format!("{EVIDENCE}{cluster}/")
}

impl ResultsSpan {
    /// Bag path in the bundles of its runs.
    fn source(&self) -> String {
        format!("{}{}", bag::RESULTS, results::file_name(&self.framework))
    }

    /// Place below its cluster's evidence.
    pub(super) fn place(&self) -> String {
        place(&self.source(), self.first)
    }

    /// Path in the package.
    pub fn path(&self, cluster: &str) -> String {
        package_path(cluster, &self.source(), self.first)
    }
}

/// The results among what a package carries, by framework and run.
pub(crate) fn spans<'a>(standing: impl IntoIterator<Item = &'a Standing>) -> Vec<ResultsSpan> {
    let span = |standing: &Standing| {
        let Standing { path, first, last, digest } = standing;
        Some(ResultsSpan { framework: framework_of(path)?.to_owned(), first: *first, last: *last, digest: *digest })
    };
    let mut spans: Vec<ResultsSpan> = standing.into_iter().filter_map(span).collect();
    spans.sort();
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[(&str, &str)]) -> Lines {
        of.iter().map(|(path, text)| ((*path).to_owned(), Digest::of(text))).collect()
    }

    #[test]
    fn a_file_stands_as_long_as_successive_runs_name_the_same_bytes() {
        let (rule, results, other) = ("data/rules/a.yaml", "data/results/pss.json", "data/coverage.json");
        let mut carried = Carried::default();
        carried.add(0, &lines(&[(rule, "1"), (results, "x"), (other, "1")]));
        assert!(carried.begins(rule, 0) && !carried.begins(other, 0));
        carried.add(1, &lines(&[(rule, "1"), (results, "y"), (other, "1")]));
        assert!(carried.begins(results, 1) && !carried.begins(rule, 1));
        carried.add(2, &lines(&[(rule, "1")]));
        carried.add(3, &lines(&[(rule, "1"), (results, "y")]));
        let all = carried.finish();
        let stood: Vec<(&str, RunNumber, RunNumber)> =
            all.iter().map(|standing| (standing.path.as_str(), standing.first, standing.last)).collect();
        assert_eq!(stood, [(results, 0, 0), (results, 1, 1), (results, 3, 3), (rule, 0, 3)]);
        let named: Vec<(String, RunNumber)> = spans(&all).into_iter().map(|s| (s.framework, s.first)).collect();
        assert_eq!(named, [("pss".to_owned(), 0), ("pss".to_owned(), 1), ("pss".to_owned(), 3)]);
    }

    #[test]
    fn results_of_other_frameworks_and_of_more_than_a_scope_are_left_out() {
        let (rule, pss) = ("data/rules/a.yaml", "data/results/pss.json");
        let asked = ["pss".to_owned()];
        assert!(belongs(pss, &[]) && belongs(pss, &asked) && !belongs(pss, &["cis".to_owned()]));
        assert!(belongs(rule, &asked) && !belongs("data/drift.json", &[]));
        assert!(!belongs("data/results/notes/pss.json", &[]), "a later version may write more");
        assert!(
            is_within(rule, b"", Some("cards")) && is_within(pss, b"", None) && !is_within(pss, b"", Some("cards"))
        );
    }

    #[test]
    fn each_folder_keeps_its_runs_apart() {
        assert_eq!(place("data/rules/checks/pod/a.yaml", 3), "rules/0003/checks/pod/a.yaml");
        assert_eq!(package_path("shop-1", "data/results/pss.json", 12), "data/evidence/shop-1/results/0012/pss.json");
    }
}
