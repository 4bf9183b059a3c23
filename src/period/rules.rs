//! Rules of the runs. They change seldom, so what is the same from one bundle to the next is parsed once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::facts::Files;
use crate::{
    bundle::bag::Lines,
    config::parse_yaml,
    digest::Digest,
    evaluate::FrameworkResult,
    framework::{Framework, check::CheckFile},
};

/// Folder of framework files in a bundle.
pub(crate) const FRAMEWORKS: &str = "data/rules/frameworks/";
const CHECKS: &str = "data/rules/checks/";

/// Files that were parsed already, by the digest that the manifest gives them.
#[derive(Default)]
pub(super) struct Rules {
    /// `None` for one that does not parse.
    frameworks: Mutex<BTreeMap<Digest, Option<Arc<Framework>>>>,
    /// The check's id, where it reads the clock.
    clocked: Mutex<BTreeMap<Digest, Option<String>>>,
}

impl Rules {
    /// The files of the frameworks that were evaluated. One that does not parse costs titles, never the run.
    pub(super) fn definitions(
        &self,
        files: &Files,
        lines: &Lines,
        evaluated: &[FrameworkResult],
    ) -> Vec<Arc<Framework>> {
        let parse = |name: &str, bytes: &[u8]| Some(Arc::new(parse_yaml::<Framework>(name, bytes).ok()?.value));
        let was_evaluated = |framework: &Arc<Framework>| {
            evaluated.iter().any(|e| e.selected && e.id == framework.id && e.version == framework.version)
        };
        below(lines, FRAMEWORKS)
            .filter_map(|(name, digest)| known(&self.frameworks, digest, || parse(name, files.get(name)?)))
            .filter(was_evaluated)
            .collect()
    }

    /// Checks that read the clock. Only files with the word are parsed: there are hundreds in every bundle.
    pub(super) fn clocked(&self, files: &Files, lines: &Lines) -> BTreeSet<String> {
        let parse = |name: &str, bytes: &[u8]| {
            std::str::from_utf8(bytes).ok().filter(|text| text.contains("now"))?;
            let check = parse_yaml::<CheckFile>(name, bytes).ok()?.value;
            check.reads_clock().then_some(check.id.value)
        };
        below(lines, CHECKS)
            .filter_map(|(name, digest)| known(&self.clocked, digest, || parse(name, files.get(name)?)))
            .collect()
    }
}

/// Digests of the files of checks, by check: a check's file is named for it.
pub(super) fn check_files(lines: &Lines) -> BTreeMap<String, Digest> {
    let id = |path: &str| path.rsplit('/').next()?.strip_suffix(".yaml").map(str::to_owned);
    below(lines, CHECKS).filter_map(|(path, digest)| Some((id(path)?, *digest))).collect()
}

fn below<'a>(lines: &'a Lines, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Digest)> {
    lines.range(prefix.to_owned()..).take_while(move |(path, _)| path.starts_with(prefix))
}

/// What is known of a file, or found out now.
fn known<T: Clone>(
    all: &Mutex<BTreeMap<Digest, Option<T>>>,
    digest: &Digest,
    find: impl FnOnce() -> Option<T>,
) -> Option<T> {
    let lock = || -> MutexGuard<'_, BTreeMap<Digest, Option<T>>> { all.lock().unwrap_or_else(PoisonError::into_inner) };
    if let Some(found) = lock().get(digest) {
        return found.clone();
    }
    // Parsed without the lock: two bundles at once may both do it, and find the same.
    let found = find();
    lock().insert(*digest, found.clone());
    found
}
