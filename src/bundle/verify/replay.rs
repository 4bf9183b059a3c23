//! `--replay`: the stored snapshot, judged again by the stored rules.
//!
//! Drift, history and documents rest on earlier bundles or on the look of a page; they are not computed again.

use std::collections::BTreeMap;

use super::{StepName, Verdict, bundle::Proved, steps::Steps};
use crate::{
    bundle::{
        bag,
        seal::{COVERAGE, EVALUATION},
    },
    canonical,
    collect::Coverage,
    evaluate::{self, Evaluation, Rules},
    snapshot,
};

/// Differences named one by one; a changed engine can change thousands.
const MAX_NAMED: usize = 10;

/// Why nothing could be evaluated again.
#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error("{0} cannot be read: {1}")]
    Unreadable(&'static str, String),
    #[error("the stored rules do not load: {0}")]
    Rules(String),
    #[error("the stored snapshot does not load: {0}")]
    Snapshot(#[from] snapshot::TableError),
    #[error(transparent)]
    Json(#[from] canonical::CanonicalError),
}

/// Evaluates again and compares with data/evaluation.json.
pub(super) fn judge(proved: &Proved, steps: &mut Steps) {
    let engine = &proved.predicate.tool.version;
    let same_engine = engine == env!("CARGO_PKG_VERSION");
    let again = match again(&proved.files) {
        Ok(again) => again,
        // Tables and rules of another version may not be readable here; those of this one must be.
        Err(error) => {
            let verdict = if same_engine { Verdict::Tampered } else { Verdict::Incomplete };
            return steps.fail(StepName::Replay, verdict, EVALUATION, error.to_string());
        }
    };
    if again.equal {
        let detail = "evaluated again from the stored snapshot and rules: equal byte for byte; drift, history and \
                      documents were not made again";
        return steps.pass(StepName::Replay, EVALUATION, detail);
    }
    let named = again.differences.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join("; ");
    let more = again.differences.len().saturating_sub(MAX_NAMED);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    if same_engine {
        let detail = format!("evaluated again, the same engine says otherwise: {named}{rest}");
        steps.fail(StepName::Replay, Verdict::Tampered, EVALUATION, detail);
    } else {
        let detail = format!("kubeproof {engine} said otherwise than {}: {named}{rest}", env!("CARGO_PKG_VERSION"));
        steps.pass(StepName::Replay, EVALUATION, detail);
    }
}

struct Again {
    equal: bool,
    differences: Vec<String>,
}

fn again(files: &BTreeMap<String, Vec<u8>>) -> Result<Again, ReplayError> {
    let coverage = files.get(COVERAGE).map(Vec::as_slice).unwrap_or_default();
    let coverage: Coverage =
        serde_json::from_slice(coverage).map_err(|e| ReplayError::Unreadable(COVERAGE, e.to_string()))?;
    let before = files.get(EVALUATION).map(Vec::as_slice).unwrap_or_default();
    let before = evaluate::stored::read(before).map_err(|e| ReplayError::Unreadable(EVALUATION, e.to_string()))?;
    // The frameworks that were looked at stand in the evaluation, by version: asking for them selects the same.
    let requested: Vec<String> = before.frameworks.iter().map(|f| format!("{}@{}", f.id, f.version)).collect();
    let rules = Rules::load(bag::rules(files), &requested, &coverage.cluster)
        .map_err(|errors| ReplayError::Rules(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let snapshot = snapshot::read(files, &coverage)?;
    let mut after = evaluate::run(&evaluate::Input::of_run(&snapshot, &coverage, &rules));
    place(&before, &mut after);
    let equal = files.get(EVALUATION) == Some(&evaluate::stored::write(&after)?);
    Ok(Again { equal, differences: differences(&before, &after) })
}

/// Where a manifest's object stood in its file is in no snapshot: findings of manifests keep the place they were given.
fn place(before: &Evaluation, after: &mut Evaluation) {
    // Two variants of one object have findings of one id: they stand in the same order both times.
    for (before, after) in before.findings.iter().zip(&mut after.findings) {
        if before.id == after.id {
            after.file.clone_from(&before.file);
        }
    }
}

/// What differs, as a person would name it; something always does when this is asked.
fn differences(before: &Evaluation, after: &Evaluation) -> Vec<String> {
    let mut named = compare(
        &before.findings,
        &after.findings,
        |finding| (finding.check.clone(), finding.resource.to_string(), finding.id),
        |(check, resource, _)| format!("{check} on {resource}"),
    );
    named.extend(compare(&before.checks, &after.checks, |check| check.id.clone(), |id| format!("check {id}")));
    named.extend(compare(
        &before.requirements,
        &after.requirements,
        |row| format!("{}/{}", row.framework, row.id),
        |id| format!("requirement {id}"),
    ));
    if named.is_empty() {
        named.push("counts, frameworks, declarations or the file's form".to_owned());
    }
    named
}

fn compare<T: PartialEq, K: Ord>(
    before: &[T],
    after: &[T],
    key: impl Fn(&T) -> K,
    name: impl Fn(&K) -> String,
) -> Vec<String> {
    let before: BTreeMap<K, &T> = before.iter().map(|row| (key(row), row)).collect();
    let after: BTreeMap<K, &T> = after.iter().map(|row| (key(row), row)).collect();
    let gone = before.iter().filter(|(key, row)| after.get(*key) != Some(*row)).map(|(key, _)| key);
    let new = after.keys().filter(|key| !before.contains_key(*key));
    gone.chain(new).map(name).collect()
}
