//! Findings in bundles on disk, by the beginning of their ids.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::Args;
use crate::{
    cli::Failure,
    evaluate::{Evaluation, Finding, stored},
};

fn evaluation(bundle: &Path) -> Result<Evaluation, Failure> {
    let file = bundle.join("data/evaluation.json");
    let bytes = std::fs::read(&file).map_err(|error| {
        Failure::usage(format!("{}: {error}", file.display()))
            .hint("--bundle takes the folder that holds data/ and attest/")
    })?;
    stored::read(&bytes).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

pub(super) fn in_bundle(bundle: &Path, prefix: &str) -> Result<Option<(Finding, PathBuf)>, Failure> {
    let mut matching =
        evaluation(bundle)?.findings.into_iter().filter(|finding| finding.id.to_string().starts_with(prefix));
    let Some(first) = matching.next() else { return Ok(None) };
    match matching.next() {
        Some(second) => Err(Failure::usage(format!("'{prefix}' begins several findings: {}, {}", first.id, second.id))
            .hint("write more of the id")),
        None => Ok(Some((first, bundle.to_path_buf()))),
    }
}

/// The newest bundle of a local store that holds the finding.
pub(super) fn newest(store: &Path, prefix: &str) -> Option<(Finding, PathBuf)> {
    let entries = WalkDir::new(store).min_depth(4).max_depth(4).sort_by_file_name().into_iter().flatten();
    let mut bundles: Vec<_> = entries
        .filter(|entry| entry.path().parent().and_then(Path::file_name).is_some_and(|parent| parent == "bundles"))
        .filter_map(|entry| {
            Some((entry.path().join("data/evaluation.json").metadata().ok()?.modified().ok()?, entry.into_path()))
        })
        .collect();
    bundles.sort();
    bundles.into_iter().rev().find_map(|(_, bundle)| in_bundle(&bundle, prefix).ok().flatten())
}

pub(super) fn no_finding(args: &Args) -> Failure {
    match &args.bundle {
        Some(bundle) => Failure::usage(format!("no finding of {} begins with '{}'", bundle.display(), args.name)),
        None => Failure::usage(format!("no finding begins with '{}' in the store {}", args.name, args.store.display()))
            .hint("name the bundle's folder with --bundle, or the local store with --store"),
    }
}
