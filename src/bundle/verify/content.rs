//! Step 4: only now is anything parsed, from the buffers that were hashed.

use std::{collections::BTreeMap, ops::Range};

use serde::de::DeserializeOwned;

use super::{StepName, Verdict, pdf, results, steps::Steps};
use crate::{
    bundle::{
        bag::{self, Lines},
        seal::{COVERAGE, EVALUATION},
        statement::{CallerIdentity, CoverageClaim, Predicate, RuleDigests},
    },
    canonical,
    collect::Coverage,
    digest::Digest,
    evaluate::{Counts, stored},
};

/// Where the members of a document stand, by name.
pub(super) type Members = BTreeMap<String, Range<usize>>;
/// JSON that kubeproof wrote, by path.
type Documents<'a> = BTreeMap<&'a str, (&'a [u8], Members)>;

/// Returns the members of the evaluation, for those who read some of it afterwards.
pub(super) fn judge(
    files: &BTreeMap<String, Vec<u8>>,
    lines: &Lines,
    predicate: &Predicate,
    steps: &mut Steps,
) -> Option<Members> {
    judge_statement(lines, predicate, steps);
    let mut documents = Documents::new();
    for (path, bytes) in files.iter().filter(|(path, _)| is_own_json(path)) {
        match canonical::members(bytes) {
            Ok(members) => {
                documents.insert(path.as_str(), (bytes.as_slice(), members));
            }
            Err(error) => steps.fail(StepName::Content, Verdict::Tampered, path, error.to_string()),
        }
    }
    judge_coverage(&documents, predicate, steps);
    judge_evaluation(&documents, predicate, steps);
    let results = results::judge(files, documents.get(EVALUATION), predicate, steps);
    judge_pdfs(files, results, predicate, steps);
    documents.remove(EVALUATION).map(|(_, members)| members)
}

/// Last of the content, so that it says what held.
fn judge_pdfs(files: &BTreeMap<String, Vec<u8>>, results: usize, predicate: &Predicate, steps: &mut Steps) {
    let mut documents = 0_u32;
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with(bag::REPORT) && path.ends_with(".pdf")) {
        documents += 1;
        match pdf::evidence_root(bytes) {
            Ok(root) if root == predicate.evidence_root => {}
            Ok(root) => {
                let detail = format!("is of other evidence: its root is {}", root.short(16));
                steps.fail(StepName::Content, Verdict::Tampered, path, detail);
            }
            Err(error) => steps.fail(StepName::Content, Verdict::Tampered, path, error.to_string()),
        }
    }
    if !steps.failed(StepName::Content) {
        let pdfs = match documents {
            0 => "no PDF".to_owned(),
            1 => "1 PDF of this evidence".to_owned(),
            n => format!("{n} PDFs of this evidence"),
        };
        let results = match results {
            0 => String::new(),
            1 => "; results of 1 framework as the evaluation says".to_owned(),
            n => format!("; results of {n} frameworks as the evaluation says"),
        };
        let detail = format!("coverage, evaluation and rules as the statement says{results}; {pdfs}");
        steps.pass(StepName::Content, "data/", detail);
    }
}

/// JSON that kubeproof wrote, as opposed to users' attested files and definitions.
fn is_own_json(path: &str) -> bool {
    path.strip_prefix(bag::DATA).is_some_and(|name| !name.contains('/') && name.ends_with(".json"))
}

fn judge_statement(lines: &Lines, predicate: &Predicate, steps: &mut Steps) {
    if bag::evidence_root_of(lines) != predicate.evidence_root {
        let detail = "the statement's evidence root is not that of the manifest";
        steps.fail(StepName::Content, Verdict::Tampered, bag::MANIFEST, detail);
    }
    if RuleDigests::of(lines) != predicate.rules {
        let detail = "the statement's rules are not those of the bundle";
        steps.fail(StepName::Content, Verdict::Tampered, bag::RULES, detail);
    }
}

fn judge_coverage(documents: &Documents<'_>, predicate: &Predicate, steps: &mut Steps) {
    let Some((bytes, _)) = documents.get(COVERAGE) else { return missing(COVERAGE, steps) };
    let coverage: Coverage = match serde_json::from_slice(bytes) {
        Ok(coverage) => coverage,
        Err(_) if !same_version(predicate) => return not_read(COVERAGE, predicate, steps),
        Err(error) => return steps.fail(StepName::Content, Verdict::Tampered, COVERAGE, error.to_string()),
    };
    let claim = CoverageClaim::of(&coverage, Digest::of(bytes));
    let caller = coverage.caller.map(|c| CallerIdentity { username: c.username, groups: c.groups });
    let agree = claim == predicate.coverage
        && caller == predicate.caller
        && coverage.cluster.folder() == predicate.cluster.folder
        && coverage.cluster.uid == predicate.cluster.uid
        && (coverage.started, coverage.finished) == (predicate.run.started, predicate.run.finished)
        && coverage.redaction_key == predicate.redaction_key;
    if !agree {
        steps.fail(StepName::Content, Verdict::Tampered, COVERAGE, "says otherwise than the signed statement");
    }
}

fn judge_evaluation(documents: &Documents<'_>, predicate: &Predicate, steps: &mut Steps) {
    let Some((bytes, members)) = documents.get(EVALUATION) else { return missing(EVALUATION, steps) };
    let (schema, engine, counts) = match head(bytes, members) {
        Ok(head) => head,
        Err(_) if !same_version(predicate) => return not_read(EVALUATION, predicate, steps),
        Err(error) => return steps.fail(StepName::Content, Verdict::Tampered, EVALUATION, error),
    };
    if schema != stored::SCHEMA || counts != predicate.counts || engine != predicate.tool.version {
        steps.fail(StepName::Content, Verdict::Tampered, EVALUATION, "says otherwise than the signed statement");
    }
}

/// What is needed of data/evaluation.json: schema, engine and counts. Additions by later versions are no defect.
fn head(bytes: &[u8], members: &Members) -> Result<(String, String, Counts), String> {
    Ok((member(bytes, members, "schema")?, member(bytes, members, "engine")?, member(bytes, members, "counts")?))
}

/// Reads one member of a document.
pub(super) fn member<T: DeserializeOwned>(bytes: &[u8], members: &Members, name: &str) -> Result<T, String> {
    let place = members.get(name).ok_or_else(|| format!("missing field `{name}`"))?;
    serde_json::from_slice(&bytes[place.clone()]).map_err(|error| format!("{name}: {error}"))
}

fn missing(path: &str, steps: &mut Steps) {
    steps.fail(StepName::Content, Verdict::Tampered, path, "missing or not readable");
}

pub(super) fn not_read(path: &str, predicate: &Predicate, steps: &mut Steps) {
    let detail =
        format!("not compared with the statement: kubeproof {} wrote more than is known here", predicate.tool.version);
    steps.pass(StepName::Content, path, detail);
}

pub(super) fn same_version(predicate: &Predicate) -> bool {
    predicate.tool.version == env!("CARGO_PKG_VERSION")
}
