//! A period's package: its own envelope and files, then everything in it that proves the runs it is made of.

mod declared;
mod definitions;
mod exceptions;
mod objects;
mod open;
mod results;
mod runs;
mod scopes;
mod shape;
mod sums;
mod writers;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{
    BundleFiles, Options, Seen, Shown, StepName, Trust, Verdict, Verification,
    bundle::{Said, is_stamp, judge_manifest, judge_names, judge_unsigned, signed_payload},
    chain, finish, inclusion, pdf,
    steps::Steps,
};
use crate::{
    bundle::{
        bag::{self, Lines},
        envelope::{self, Envelope},
        is_cluster,
        keys::VerifyingKey,
        package::{self, DOCUMENTS, EVIDENCE, PERIOD, PackagePredicate, PackagedCluster},
        statement::{Statement, StatementError},
    },
    canonical,
    digest::Digest,
    evaluate::results::Results,
    framework::embedded,
    period::{
        self, Period, Span,
        carried::{self, Carried, Standing},
        evidence::{self, NotedManagers, PROOF, StoredObject, managers_path, proof_folder, stored_objects, table_path},
        model::{ClusterPeriod, RunNumber},
    },
    snapshot::TableError,
};
use results::RunResults;

type Files = BTreeMap<String, Vec<u8>>;

/// Prefix of files that declarations point at.
const ATTESTED: &str = "data/attested/";

/// A package in one line, from its proved statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageSummary {
    /// SHA-256 of the PAE.
    pub id: Digest,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// When it was made, as claimed.
    pub made: DateTime<Utc>,
    /// Root, as its documents print it.
    pub root: Digest,
    /// SHA-256 of the SPKI of the key that signs the package.
    pub key: Digest,
    /// The same of the key that its runs are signed by, as the package names it; `None` where it names none.
    pub run_key: Option<Digest>,
    /// Clusters with the runs that it rests on.
    pub clusters: Vec<PackagedCluster>,
    /// Frameworks that it is limited to; empty for all.
    pub frameworks: Vec<String>,
    /// Scope that it is limited to.
    pub scope: Option<String>,
    /// Id of the key by which users and groups are pseudonyms.
    pub pseudonyms: Option<String>,
}

/// What a verified package says.
#[derive(Debug)]
pub struct Proved {
    /// `data/period.json`.
    pub period: Period,
    /// Root, as its documents print it.
    pub root: Digest,
    results: RunResults,
    /// Tables of cited objects and of field managers, by their paths.
    tables: Files,
    /// Files of the runs that it holds byte for byte, by cluster.
    carried: BTreeMap<String, Vec<Standing>>,
}

impl Proved {
    /// What a run said of a framework, as its own manifest and signature prove; `None` where the package does not hold it:
    /// then the statuses of that run are the word of the package's signer.
    pub fn results(&self, cluster: &str, run: RunNumber, framework: &str) -> Option<&Results> {
        self.results.of(cluster, run, framework)
    }

    /// Where a file of a run's rules lies in the package, with its digest; `None` where it is not here.
    pub fn rule(&self, cluster: &str, path: &str, run: RunNumber) -> Option<(String, Digest)> {
        let file = self.carried.get(cluster)?.iter().find(|file| file.path == path && file.stood_on(run))?;
        Some((carried::package_path(cluster, path, file.first), file.digest))
    }

    /// Cited objects of a cluster whose digest begins with these hexadecimal digits.
    ///
    /// # Errors
    /// A table that this version cannot read.
    pub fn objects(&self, cluster: &str, digits: &str) -> Result<Vec<StoredObject>, TableError> {
        let wanted = |digest: &Digest| digest.hex().starts_with(digits);
        let table = self.tables.get(&table_path(cluster)).map(|bytes| stored_objects(bytes, wanted));
        table.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Field managers as the bundles of a cluster's runs note them beside objects.
    ///
    /// # Errors
    /// A table that this version cannot read.
    pub fn managers(&self, cluster: &str) -> Result<NotedManagers, TableError> {
        let table = self.tables.get(&managers_path(cluster)).map(|table| evidence::noted_managers(table));
        table.unwrap_or_else(|| Ok(NotedManagers::default()))
    }
}

/// What the content of a package says, and what shows it.
struct Content {
    period: Period,
    shown: results::Shown,
    carried: BTreeMap<String, Vec<Standing>>,
}

/// Verifies a package: envelope, manifest, every file, and the envelopes, manifests and log entries of its runs. What it
/// says is given only when all of that holds.
pub fn package(input: BundleFiles, trust: &Trust, options: &Options) -> (Verification, Option<Proved>) {
    let mut steps = Steps::default();
    let envelope = input.files.get(envelope::FILE).and_then(|bytes| Envelope::parse(bytes).ok());
    let (predicate, content) = judge(&input, envelope.as_ref(), trust, options, &mut steps).unzip();
    let content = content.flatten();
    let intact = predicate.is_some() && !steps.has(Verdict::Tampered);
    if let Some(Content { period, .. }) = &content {
        judge_age_and_gaps(period, options, &mut steps);
    }
    let shown = Shown {
        authentic: intact,
        included: intact && !steps.failed(StepName::Log),
        anchored: false,
        fresh: options.max_age.map(|_| !steps.has(Verdict::Stale)),
    };
    let root = predicate.as_ref().map(|predicate| predicate.root);
    let claimed_key = envelope.as_ref().map(|envelope| envelope.keyid().to_owned());
    let bundles = predicate.iter().flat_map(|predicate| &predicate.clusters).map(|cluster| cluster.runs).sum();
    let seen = Seen { shown, bundles, claimed_key, ..Seen::default() };
    let trusted = match trust {
        Trust::Key(key) => Some(key.digest()),
        Trust::Nobody => None,
    };
    let summary = envelope.zip(predicate).zip(trusted).map(|((envelope, predicate), trusted)| PackageSummary {
        id: envelope.id(),
        from: predicate.from,
        to: predicate.to,
        made: predicate.made,
        root: predicate.root,
        key: trusted,
        run_key: package::run_key(&predicate).ok().map(|key| key.digest()),
        clusters: predicate.clusters,
        frameworks: predicate.frameworks,
        scope: predicate.scope,
        pseudonyms: predicate.pseudonyms,
    });
    let open = summary.as_ref().map(|summary| open::left_open(summary, content.as_ref())).unwrap_or_default();
    let verification = Verification { package: summary, open, ..finish(steps, seen, trust, options) };
    let content = content.filter(|_| verification.result == Verdict::Verified);
    let mut files = input.files;
    let proved = content.zip(root).map(|(Content { period, shown, carried }, root)| {
        let paths =
            period.clusters.iter().flat_map(|cluster| [table_path, managers_path].map(|of| of(&cluster.folder)));
        let tables = paths.filter_map(|path| files.remove_entry(&path)).collect();
        Proved { period, root, results: shown.results, tables, carried }
    });
    (verification, proved)
}

/// How old the newest run of each cluster is, and whether two runs lie further apart than is wanted.
fn judge_age_and_gaps(period: &Period, options: &Options, steps: &mut Steps) {
    for cluster in &period.clusters {
        let times: Vec<(u64, DateTime<Utc>)> = cluster.runs.iter().map(|run| (run.index, run.finished)).collect();
        let newest = times.iter().map(|(_, finished)| *finished).max();
        // Without a run the package itself is all there is.
        inclusion::judge_freshness(newest.unwrap_or(period.made), options, steps);
        chain::judge_gaps(&times, options, steps);
    }
}

fn judge(
    input: &BundleFiles,
    envelope: Option<&Envelope>,
    trust: &Trust,
    options: &Options,
    steps: &mut Steps,
) -> Option<(PackagePredicate, Option<Content>)> {
    let (files, sums) = (&input.files, input.sums());
    for problem in &input.problems {
        steps.fail(StepName::Files, Verdict::Tampered, &problem.subject, &problem.detail);
    }
    judge_names(&sums, steps);
    for path in files.keys().filter(|path| is_stamp(path)) {
        steps.fail(StepName::Files, Verdict::Tampered, path, "no file of this name belongs in a package");
    }
    if !steps.failed(StepName::Files) {
        let detail = format!("{} files, every name and kind as the format has it", files.len());
        steps.pass(StepName::Files, "package", detail);
    }
    let Some(envelope) = envelope else {
        if let Some(Err(error)) = files.get(envelope::FILE).map(|bytes| Envelope::parse(bytes)) {
            steps.fail(StepName::Envelope, Verdict::Tampered, envelope::FILE, error.to_string());
        }
        return None;
    };
    let Some((statement, key)) = judge_envelope(envelope, trust, options, steps) else {
        judge_unsigned(files, &sums, steps);
        return None;
    };
    let predicate = statement.predicate;
    let said = Said { subjects: &statement.subject, documents: DOCUMENTS, info: package::bag_info(&predicate) };
    let lines = judge_manifest(files, &sums, &said, envelope, &key, steps);
    let lines = lines.filter(|_| !steps.failed(StepName::Files) && !steps.failed(StepName::Manifest));
    let content = lines.and_then(|lines| judge_content(files, &lines, &predicate, steps));
    Some((predicate, content))
}

fn judge_envelope(
    envelope: &Envelope,
    trust: &Trust,
    options: &Options,
    steps: &mut Steps,
) -> Option<(Statement<PackagePredicate>, VerifyingKey)> {
    let (payload, key) = signed_payload(envelope, trust, steps)?;
    let mut refuse = |verdict, detail: String| {
        steps.fail(StepName::Envelope, verdict, envelope::FILE, detail);
        None
    };
    let statement = match package::parse(payload) {
        Ok(statement) => statement,
        // A newer format is no sign of tampering; it is only not for this version to judge.
        Err(error @ StatementError::Version { .. }) => return refuse(Verdict::Untrusted, error.to_string()),
        Err(error) => return refuse(Verdict::Tampered, error.to_string()),
    };
    let clusters = &statement.predicate.clusters;
    let is_of = |wanted: &&String| clusters.iter().any(|cluster| is_cluster(&cluster.folder, wanted));
    if let Some(expected) = options.cluster.as_ref().filter(|wanted| !is_of(wanted)) {
        let folders: Vec<&str> = clusters.iter().map(|cluster| cluster.folder.as_str()).collect();
        let detail = format!("is about {}, and not about cluster '{expected}'", folders.join(", "));
        return refuse(Verdict::Untrusted, detail);
    }
    steps.pass(StepName::Envelope, envelope::FILE, format!("signed by key {}", key.digest().short(16)));
    Some((statement, key))
}

/// Step 4: only now is anything parsed.
fn judge_content(files: &Files, lines: &Lines, predicate: &PackagePredicate, steps: &mut Steps) -> Option<Content> {
    let tampered = |steps: &mut Steps, subject: &str, detail: &str| {
        steps.fail(StepName::Content, Verdict::Tampered, subject, detail);
    };
    let period = read_period(files, steps)?;
    if let Some(detail) = shape::defect(&period) {
        tampered(steps, PERIOD, &detail);
        return None;
    }
    let PackagePredicate { period: digest, root, run_key, tool, .. } = predicate.clone();
    let own = period::claims(&period);
    let version = own.tool.version.clone();
    let expected = PackagePredicate { period: digest, root, run_key, tool, ..own };
    if expected != *predicate || version != predicate.tool.version || lines.get(PERIOD) != Some(&digest) {
        tampered(steps, PERIOD, "says otherwise than the signed statement");
    }
    if package::root_of(lines) != predicate.root {
        tampered(steps, crate::bundle::bag::MANIFEST, "the statement's root is not that of the manifest");
    }
    judge_documents(files, predicate, steps);
    let standing: Vec<Vec<Standing>> = period.clusters.iter().map(|cluster| standing(files, cluster)).collect();
    let left_out = judge_expected(lines, &period, &standing, steps);
    let key = match package::run_key(predicate) {
        Ok(key) if key.digest().hex() == period.key => key,
        Ok(_) => {
            tampered(steps, PERIOD, "names another key of its runs than the signed statement");
            return None;
        }
        Err(error) => {
            tampered(steps, envelope::FILE, &error.to_string());
            return None;
        }
    };
    let span = Span::of(period.from, period.to, period.made);
    let is_whole = !period.filter.hides_names();
    let (mut runs, mut shown) = (0, results::Shown::without(left_out));
    for (cluster, standing) in period.clusters.iter().zip(&standing) {
        runs += cluster.runs.len();
        runs::judge(files, cluster, span, &key, steps);
        results::judge((files, lines), (cluster, standing), &period.filter, &mut shown, steps);
        objects::judge(files, cluster, is_whole, steps);
        writers::judge(files, cluster, !is_whole, steps);
        if period.filter.is_whole() {
            shown.counted += exceptions::judge(&period, cluster, &shown.results, steps);
        }
        scopes::judge(files, (cluster, standing), &period.filter, &shown.results, steps);
        shown.undeclared += declared::judge(files, (cluster, standing), &period.filter, steps);
        sums::judge_sums(cluster, span, &period.filter, steps);
        if sums::is_of_this_version(&period) {
            sums::judge_cadence(cluster, span, steps);
        }
    }
    definitions::judge(files, &period, &standing, &shown.results, steps);
    if period::comparison(&period.clusters) != period.comparison {
        tampered(steps, PERIOD, "its comparison does not follow from its clusters");
    }
    if !steps.failed(StepName::Content) {
        let detail = format!(
            "{runs} runs proved by their own envelopes, {} statuses by the runs' own results, {} counts of exceptions by \
             them, declarations by the runs' files, cited objects by their digests, writers by what objects note and \
             logs say, counts as summed",
            shown.proved, shown.counted
        );
        steps.pass(StepName::Content, "data/", detail);
    }
    if !steps.failed(StepName::Log) {
        steps.pass(StepName::Log, EVIDENCE, format!("{runs} runs, each with its entry in the log of its cluster"));
    }
    let held = |cluster: &ClusterPeriod, standing: Vec<Standing>| {
        let is_here =
            |file: &Standing| files.contains_key(&carried::package_path(&cluster.folder, &file.path, file.first));
        (cluster.folder.clone(), standing.into_iter().filter(is_here).collect())
    };
    let carried = period.clusters.iter().zip(standing).map(|(cluster, standing)| held(cluster, standing)).collect();
    Some(Content { period, shown, carried })
}

fn read_period(files: &Files, steps: &mut Steps) -> Option<Period> {
    let bytes = files.get(PERIOD)?;
    let read = canonical::check(bytes).map_err(|error| error.to_string());
    let read = read.and_then(|()| serde_json::from_slice::<Period>(bytes).map_err(|error| error.to_string()));
    match read {
        Ok(period) if period.schema == period::model::SCHEMA => Some(period),
        Ok(period) => {
            let detail = format!("its schema is '{}', not {}", period.schema, period::model::SCHEMA);
            steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
            None
        }
        Err(error) => {
            steps.fail(StepName::Content, Verdict::Tampered, PERIOD, error);
            None
        }
    }
}

fn judge_documents(files: &Files, predicate: &PackagePredicate, steps: &mut Steps) {
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with(DOCUMENTS) && path.ends_with(".pdf")) {
        match pdf::evidence_root(bytes) {
            Ok(root) if root == predicate.root => {}
            Ok(root) => {
                let detail = format!("is of another package: its root is {}", root.short(16));
                steps.fail(StepName::Content, Verdict::Tampered, path, detail);
            }
            Err(error) => steps.fail(StepName::Content, Verdict::Tampered, path, error.to_string()),
        }
    }
}

/// What the runs of a cluster name of the files that are carried: their manifests are held against their envelopes
/// beside this.
fn standing(files: &Files, cluster: &ClusterPeriod) -> Vec<Standing> {
    let mut carried = Carried::default();
    for run in &cluster.runs {
        let manifest = files.get(&format!("{}{}", proof_folder(&cluster.folder, run.number), PROOF[0]));
        carried.add(run.number, &manifest.and_then(|bytes| bag::parse(bytes).ok()).unwrap_or_default());
    }
    carried.finish()
}

/// Every file is there because something names it. Returns how many files of the runs are left out, for what they name.
fn judge_expected(lines: &Lines, period: &Period, standing: &[Vec<Standing>], steps: &mut Steps) -> u64 {
    let (mut named, mut left_out) = (BTreeSet::from([PERIOD.to_owned()]), 0);
    let library: BTreeSet<Digest> = embedded().values().map(Digest::of).collect();
    let filter = &period.filter;
    for (cluster, standing) in period.clusters.iter().zip(standing) {
        named.extend([table_path, managers_path].map(|of| of(&cluster.folder)));
        let belongs = |file: &&Standing| carried::belongs(&file.path, &filter.frameworks);
        for file in standing.iter().filter(belongs) {
            let path = carried::package_path(&cluster.folder, &file.path, file.first);
            match lines.get(&path) {
                Some(actual) if *actual != file.digest => {
                    let detail = "not the file that the run's manifest names";
                    steps.fail(StepName::Content, Verdict::Tampered, &path, detail);
                }
                // What holds a name that must not be read is left out; files of the library name nothing of a cluster.
                None if filter.hides_names() && !library.contains(&file.digest) => {
                    left_out += 1;
                    continue;
                }
                _ => {}
            }
            named.insert(path);
        }
        let folders = cluster.runs.iter().map(|run| proof_folder(&cluster.folder, run.number));
        named.extend(folders.flat_map(|folder| PROOF.map(|name| format!("{folder}{name}"))));
        for file in cluster.declarations.iter().flat_map(|declaration| &declaration.files) {
            let Some(path) = &file.path else { continue };
            if !path.starts_with(ATTESTED) || lines.get(path) != file.digest.as_ref() {
                steps.fail(StepName::Content, Verdict::Tampered, path, "not the file that a declaration points at");
            }
            named.insert(path.clone());
        }
    }
    for path in lines.keys().filter(|path| !path.starts_with(DOCUMENTS) && !named.contains(*path)) {
        steps.fail(StepName::Content, Verdict::Tampered, path, "nothing in the package names it");
    }
    for path in named.iter().filter(|path| !lines.contains_key(*path)) {
        steps.fail(StepName::Content, Verdict::Tampered, path, "the package names it, and it is not here");
    }
    left_out
}
