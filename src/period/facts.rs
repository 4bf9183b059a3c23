//! What the package needs of one bundle. Everything else of it is dropped before the next one is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    build::{Blind, Objects},
    carried,
    failures::{self, FINDINGS, Failures},
    model::{FrameworkVersion, Run, Unseen},
    names::Names,
    rules::{Rules, check_files},
    window::Window,
    writers::{self, Logged},
    written::{DeclarationKey, Written, written},
};
use crate::{
    bundle::{
        bag::{self, Lines},
        envelope,
        seal::{COVERAGE, EVALUATION},
        statement::Predicate,
        verify::Verified,
    },
    collect::{Coverage, ListOutcome},
    digest::Digest,
    evaluate::{Declaration, FrameworkResult, Outcome, RequirementResult, stored},
    framework::Framework,
    rbac::{self, Grant, Risk},
    snapshot::{self, Table, TableError},
};

/// Bag path of the table of objects.
pub(super) const OBJECTS: &str = "data/snapshot/objects.parquet";
const GRANTS: &str = "data/snapshot/grants.parquet";
const IMAGES: &str = "data/snapshot/images.parquet";
const NODES: &str = "data/snapshot/nodes.parquet";
const ATTESTED: &str = "data/attested/";

/// Columns of the objects that say which there were.
const OBJECT_COLUMNS: [&str; 5] = ["kind", "resource", "namespace", "name", "digest"];

/// What one verified bundle says, for the package.
pub(super) struct Facts {
    pub(super) run: Run,
    /// What the auditor needs to prove the run: manifest, envelope and commit, as they were verified.
    pub(super) proof: Proof,
    /// Who wrote what before the run, as audit logs say.
    pub(super) logged: Logged,
    pub(super) environment: Option<String>,
    pub(super) cluster_uid: Option<String>,
    pub(super) cluster_name: String,
    pub(super) checks: BTreeMap<String, CheckRow>,
    /// Digests of the files of checks, by check: those that ran, and those that did not.
    pub(super) check_files: BTreeMap<String, Digest>,
    /// Checks whose answer depends on the time.
    pub(super) clocked: BTreeSet<String>,
    pub(super) requirements: Vec<RequirementResult>,
    pub(super) frameworks: Vec<FrameworkResult>,
    pub(super) definitions: Vec<Arc<Framework>>,
    pub(super) declarations: Vec<Declaration>,
    /// Digest by name of the files that declarations point at.
    pub(super) attested: BTreeMap<String, Option<Digest>>,
    /// Declarations as people wrote them.
    pub(super) written: BTreeMap<DeclarationKey, Written>,
    /// Attested files, by bag path.
    pub(super) attested_files: Files,
    /// Files that the package carries as they are, by bag path.
    pub(super) carried: Files,
    /// The manifest.
    pub(super) lines: Lines,
    pub(super) failures: Failures,
    pub(super) objects: Objects,
    /// What the run could not see.
    pub(super) blind: Blind,
    /// What was asked and answered.
    pub(super) coverage: Coverage,
    /// Workloads (`Deployment/shop/cart`) by image.
    pub(super) images: BTreeMap<String, BTreeSet<String>>,
    pub(super) workloads: BTreeSet<String>,
    /// Versions of kubelets, by node.
    pub(super) nodes: BTreeMap<String, String>,
    /// Bindings (`RoleBinding/shop/ci`) by subject.
    pub(super) subjects: BTreeMap<SubjectKey, BTreeSet<String>>,
    pub(super) powers: BTreeSet<PowerKey>,
    /// Rows of the table of findings, failures among them, and failures that are expected of the system.
    pub(super) findings: [u64; 3],
    /// What of the run may be shown.
    pub(super) window: Window,
    /// What counts for each framework that was evaluated in a scope.
    pub(super) reaches: BTreeMap<String, Window>,
    /// What the bundle names; nothing where nothing has to be left out.
    pub(super) names: Names,
}

/// Files that prove a run.
pub(super) struct Proof {
    pub(super) manifest: Vec<u8>,
    pub(super) envelope: Vec<u8>,
    pub(super) commit: Vec<u8>,
    /// Digest of the table of objects, by the manifest.
    pub(super) objects: Digest,
}

/// One check on one run, as far as the package needs it.
pub(super) struct CheckRow {
    pub(super) title: String,
    pub(super) outcome: Outcome,
    pub(super) evaluated: u64,
    pub(super) reason: Option<String>,
}

/// Kind, namespace, name.
pub(super) type SubjectKey = (String, Option<String>, String);

/// Files of a bundle, by bag path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A power of a subject through one chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PowerKey {
    pub(super) subject: SubjectKey,
    pub(super) risk: Risk,
    pub(super) place: Option<String>,
    pub(super) through: String,
    /// `RoleBinding/shop/ci`.
    pub(super) binding: String,
}

/// What is needed of an evaluation; its findings come from their table.
struct Evaluation {
    checks: Vec<LooseCheck>,
    requirements: Vec<RequirementResult>,
    frameworks: Vec<FrameworkResult>,
    declarations: Vec<Declaration>,
}

/// Additions by later versions are no defect: only what is used is named here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LooseCheck {
    id: String,
    title: String,
    outcome: Outcome,
    evaluated: u64,
    reason: Option<String>,
}

/// What the package is limited to.
pub(super) struct Asked {
    pub(super) scope: Option<String>,
    /// Framework ids; empty for all.
    pub(super) frameworks: Vec<String>,
    /// Names of people are to be left out.
    pub(super) pseudonyms: bool,
}

impl Facts {
    /// Reads what was verified. The buffers are dropped on return.
    ///
    /// # Errors
    /// One sentence: a file that this version cannot read.
    pub(super) fn of(verified: Verified, rules: &Rules, asked: &Asked) -> Result<Self, String> {
        let scope = asked.scope.as_deref();
        let predicate = verified.predicate().clone();
        let (bundle, index, commit) = (verified.id(), verified.commit().index(), verified.commit().bytes().to_vec());
        let evaluation = within(evaluation(&verified)?, scope);
        let mut files = verified.into_files();
        files.retain(|name, _| !name.starts_with(bag::REPORT) && name != EVALUATION);
        let coverage: Coverage = json(&files, COVERAGE)?;
        let lines = bag::parse(file(&files, bag::MANIFEST)?).map_err(|error| error.to_string())?;
        let proof = proof(&files, &lines, commit)?;
        let run = Run {
            bundle,
            index,
            manifest: Digest::of(&proof.manifest),
            frameworks: versions(&evaluation.frameworks),
            ..run(&predicate, &coverage)
        };
        let grants = snapshot::read_grants_of(file(&files, GRANTS)?).map_err(in_words)?;
        let window = Window::of(scope, &files, &coverage, &grants)?;
        let reaches = Window::of_frameworks(&evaluation.frameworks, &files, &coverage, &grants)?;
        let (powers, subjects) = access(&grants, &window);
        let (images, workloads) = images(&files, &window)?;
        let checks: BTreeMap<String, CheckRow> = evaluation.checks.into_iter().map(check_row).collect();
        let findings = table(FINDINGS, &files, &failures::COLUMNS)?;
        let outcomes = findings.texts("outcome").map_err(in_words)?;
        let by = findings.optional("expected_by").map_err(in_words)?;
        let failed = outcomes.iter().filter(|outcome| **outcome == "fail").count();
        let expected = outcomes.iter().zip(by).filter(|(outcome, by)| **outcome == "fail" && by.is_some()).count();
        Ok(Self {
            findings: [findings.rows() as u64, failed as u64, expected as u64],
            objects: Objects::of(&table(OBJECTS, &files, &OBJECT_COLUMNS)?, &coverage).map_err(in_words)?,
            blind: Blind::of(&run, &coverage, &checks, &findings).map_err(in_words)?,
            failures: Failures::of(findings, &window).map_err(in_words)?,
            run,
            proof,
            logged: writers::logged(&files),
            environment: predicate.environment,
            cluster_uid: predicate.cluster.uid,
            cluster_name: predicate.cluster.name,
            checks,
            check_files: check_files(&lines),
            clocked: rules.clocked(&files, &lines),
            definitions: rules.definitions(&files, &lines, &evaluation.frameworks),
            requirements: evaluation.requirements,
            frameworks: evaluation.frameworks,
            declarations: evaluation.declarations,
            attested: optional_json(&files, "data/rules/attested.json")?,
            written: written(&files),
            attested_files: chosen(&files, |path, _| path.starts_with(ATTESTED)),
            carried: chosen(&files, |path, bytes| {
                carried::belongs(path, &asked.frameworks) && carried::is_within(path, bytes, scope)
            }),
            lines,
            nodes: nodes(&files, &window)?,
            coverage,
            images,
            workloads,
            subjects,
            powers,
            window,
            reaches,
            names: if asked.pseudonyms || scope.is_some() { Names::of(&files)? } else { Names::default() },
        })
    }
}

/// What the statement and the coverage say of a run; its place in log and package stands beside them.
fn run(predicate: &Predicate, coverage: &Coverage) -> Run {
    let Predicate { run, cluster, tool, rules, .. } = predicate.clone();
    Run {
        number: 0,
        bundle: Digest([0; 32]),
        index: 0,
        manifest: Digest([0; 32]),
        evidence_root: predicate.evidence_root,
        scheduled: run.scheduled,
        started: run.started,
        finished: run.finished,
        result: run.result,
        reason: run.reason,
        source: predicate.source.clone(),
        caller: predicate.caller.clone(),
        kubernetes: cluster.kubernetes,
        tool_version: tool.version,
        binary: tool.binary,
        unseen: unseen(coverage),
        not_asked: coverage.excluded.iter().map(|e| (e.resource.clone(), e.reason.clone())).collect(),
        counts: predicate.counts,
        frameworks: Vec::new(),
        rules: rules.all,
        checks: rules.checks,
        declared: rules.declared,
        redaction_key: predicate.redaction_key.clone(),
    }
}

fn proof(files: &Files, lines: &Lines, commit: Vec<u8>) -> Result<Proof, String> {
    let objects = *lines.get(OBJECTS).ok_or_else(|| format!("{OBJECTS} is missing"))?;
    let (manifest, envelope) = (file(files, bag::MANIFEST)?.to_vec(), file(files, envelope::FILE)?.to_vec());
    Ok(Proof { manifest, envelope, commit, objects })
}

fn in_words(error: TableError) -> String {
    error.to_string()
}

fn file<'a>(files: &'a Files, name: &str) -> Result<&'a [u8], String> {
    files.get(name).map(Vec::as_slice).ok_or_else(|| format!("{name} is missing"))
}

fn chosen(files: &Files, is_chosen: impl Fn(&str, &[u8]) -> bool) -> Files {
    files
        .iter()
        .filter(|(path, bytes)| is_chosen(path, bytes))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect()
}

fn json<T: serde::de::DeserializeOwned>(files: &Files, name: &str) -> Result<T, String> {
    serde_json::from_slice(file(files, name)?).map_err(|error| format!("{name}: {error}"))
}

fn optional_json<T: serde::de::DeserializeOwned + Default>(files: &Files, name: &str) -> Result<T, String> {
    if files.contains_key(name) { json(files, name) } else { Ok(T::default()) }
}

fn table(name: &'static str, files: &Files, columns: &[&str]) -> Result<Table<'static>, String> {
    snapshot::read_columns(name, file(files, name)?, columns).map_err(in_words)
}

fn evaluation(verified: &Verified) -> Result<Evaluation, String> {
    match verified.evaluation::<String>("schema")?.as_str() {
        stored::SCHEMA => Ok(Evaluation {
            checks: verified.evaluation("checks")?,
            requirements: verified.evaluation("requirements")?,
            frameworks: verified.evaluation("frameworks")?,
            declarations: verified.evaluation("declarations")?,
        }),
        other => Err(format!("{EVALUATION}: its schema is '{other}', not {}", stored::SCHEMA)),
    }
}

/// Without what was evaluated in another scope than the one asked for.
fn within(mut evaluation: Evaluation, scope: Option<&str>) -> Evaluation {
    let other = |own: &String| scope.is_some_and(|wanted| own.split('+').all(|id| id != wanted));
    evaluation.frameworks.retain(|framework| !framework.scope.as_ref().is_some_and(other));
    let Evaluation { frameworks, requirements, .. } = &mut evaluation;
    requirements.retain(|row| frameworks.iter().any(|known| known.id == row.framework));
    evaluation
}

fn check_row(check: LooseCheck) -> (String, CheckRow) {
    let LooseCheck { id, title, outcome, evaluated, reason } = check;
    (id, CheckRow { title, outcome, evaluated, reason })
}

fn unseen(coverage: &Coverage) -> Vec<Unseen> {
    let lists = coverage
        .unseen()
        .filter(|list| list.outcome != ListOutcome::NotInSource)
        .map(|list| Unseen { resource: list.id(), reason: list.outcome.reason().unwrap_or_default() });
    let groups = coverage
        .discovery_failures
        .iter()
        .map(|failure| Unseen { resource: failure.group_version.clone(), reason: failure.message.clone() });
    let mut unseen: Vec<Unseen> = lists.chain(groups).collect();
    unseen.sort();
    unseen
}

fn versions(frameworks: &[FrameworkResult]) -> Vec<FrameworkVersion> {
    let selected = frameworks.iter().filter(|framework| framework.selected);
    let mut versions: Vec<FrameworkVersion> =
        selected.map(|f| FrameworkVersion { id: f.id.clone(), version: f.version.clone() }).collect();
    versions.sort();
    versions
}

/// Whose a grant is.
pub(super) fn subject_of(grant: &Grant) -> SubjectKey {
    (grant.subject_kind.clone(), grant.subject_namespace.clone(), grant.subject_name.clone())
}

fn binding_of(grant: &Grant) -> String {
    match &grant.namespace {
        Some(namespace) => format!("{}/{namespace}/{}", grant.binding_kind, grant.binding),
        None => format!("{}/{}", grant.binding_kind, grant.binding),
    }
}

type Access = (BTreeSet<PowerKey>, BTreeMap<SubjectKey, BTreeSet<String>>);

/// Powers that lead further, and every subject with the bindings that name it. What stock roles give through stock
/// bindings is on every cluster, and no power that anybody gave.
fn access(grants: &[Grant], window: &Window) -> Access {
    let mut powers = BTreeSet::new();
    let mut subjects: BTreeMap<SubjectKey, BTreeSet<String>> = BTreeMap::new();
    for grant in grants.iter().filter(|grant| window.shows_place(grant.namespace.as_deref())) {
        let (subject, binding) = (subject_of(grant), binding_of(grant));
        if let Some(risk) = rbac::risk(grant).filter(|_| !grant.stock) {
            powers.insert(PowerKey {
                subject: subject.clone(),
                risk,
                place: grant.namespace.clone(),
                through: rbac::via(grant),
                binding: binding.clone(),
            });
        }
        subjects.entry(subject).or_default().insert(binding);
    }
    (powers, subjects)
}

type Images = (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>);

fn images(files: &Files, window: &Window) -> Result<Images, String> {
    let rows = snapshot::read_images_of(file(files, IMAGES)?).map_err(in_words)?;
    let mut images: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut workloads = BTreeSet::new();
    for row in rows.into_iter().filter(|row| window.shows_reference(&row.workload)) {
        workloads.insert(row.workload.clone());
        images.entry(row.image).or_default().insert(row.workload);
    }
    Ok((images, workloads))
}

fn nodes(files: &Files, window: &Window) -> Result<BTreeMap<String, String>, String> {
    let rows = snapshot::read_nodes_of(file(files, NODES)?).map_err(in_words)?;
    let shown = rows.into_iter().filter(|node| window.shows("Node", None, &node.name));
    Ok(shown.map(|node| (node.name, node.kubelet)).collect())
}
