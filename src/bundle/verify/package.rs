//! A period's package: its own envelope and files, then everything in it that proves the runs it is made of.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{
    BundleFiles, Options, Seen, Shown, StepName, Trust, Verdict, Verification,
    bundle::{Said, is_stamp, judge_manifest, judge_names, judge_unsigned, signed_payload},
    finish, inclusion, pdf,
    steps::Steps,
};
use crate::{
    bundle::{
        bag::{self, Lines},
        envelope::{self, Envelope},
        keys::VerifyingKey,
        log::{Commit, Consistency},
        package::{self, DOCUMENTS, EVIDENCE, PERIOD, PackagePredicate, PackagedCluster},
        statement::{Statement, StatementError},
    },
    canonical,
    digest::Digest,
    period::{
        self, Period, Span,
        evidence::{PROOF, proof_folder, rules_folder, table_path},
        model::{Cited, ClusterPeriod, Run},
    },
    snapshot,
};

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
    /// Clusters with the runs that it rests on.
    pub clusters: Vec<PackagedCluster>,
}

/// What a verified package says.
#[derive(Debug)]
pub struct Proved {
    /// `data/period.json`.
    pub period: Period,
    /// Root, as its documents print it.
    pub root: Digest,
}

/// Verifies a package: envelope, manifest, every file, and the envelopes, manifests and log entries of its runs. What it
/// says is given only when all of that holds.
pub fn package(input: BundleFiles, trust: &Trust, options: &Options) -> (Verification, Option<Proved>) {
    let mut steps = Steps::default();
    let envelope = input.files.get(envelope::FILE).and_then(|bytes| Envelope::parse(bytes).ok());
    let (predicate, period) = judge(&input, envelope.as_ref(), trust, options, &mut steps).unzip();
    let proved = predicate.as_ref().map(|predicate| predicate.root).zip(period.flatten());
    let intact = predicate.is_some() && !steps.has(Verdict::Tampered);
    if let Some(predicate) = &predicate {
        inclusion::judge_freshness(predicate.made, options, &mut steps);
    }
    let shown = Shown {
        authentic: intact,
        included: intact && !steps.failed(StepName::Log),
        anchored: false,
        fresh: options.max_age.map(|_| !steps.has(Verdict::Stale)),
    };
    let claimed_key = envelope.as_ref().map(|envelope| envelope.keyid().to_owned());
    let bundles = predicate.iter().flat_map(|predicate| &predicate.clusters).map(|cluster| cluster.runs).sum();
    let seen = Seen { shown, bundles, claimed_key, ..Seen::default() };
    let summary = envelope.zip(predicate).map(|(envelope, predicate)| PackageSummary {
        id: envelope.id(),
        from: predicate.from,
        to: predicate.to,
        made: predicate.made,
        root: predicate.root,
        clusters: predicate.clusters,
    });
    let open = if summary.is_some() { left_open() } else { Vec::new() };
    let verification = Verification { package: summary, open, ..finish(steps, seen, trust, options) };
    let proved = proved.filter(|_| verification.result == Verdict::Verified);
    (verification, proved.map(|(root, period)| Proved { period, root }))
}

/// What a package cannot show by itself.
fn left_open() -> Vec<String> {
    [
        "that runs are complete: a run that never committed shows only as a gap, and a log cut short looks the same",
        "times are the jobs' own claims: no time stamp says when runs were signed",
        "that counts follow from the bundles' tables is the word of the package's signer: the bundles themselves are in \
         the store (kubeproof get, kubeproof verify)",
        "the key is trusted because you named it; no policy says whether it was in force or stolen on that day",
        "the signature does not show that the cluster told the truth",
    ]
    .map(str::to_owned)
    .into()
}

fn judge(
    input: &BundleFiles,
    envelope: Option<&Envelope>,
    trust: &Trust,
    options: &Options,
    steps: &mut Steps,
) -> Option<(PackagePredicate, Option<Period>)> {
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
    let period = lines.and_then(|lines| judge_content(files, &lines, &predicate, steps));
    Some((predicate, period))
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
    let is_it = |wanted: &str, folder: &str| {
        folder == wanted || folder.rsplit_once('-').is_some_and(|(name, _)| name == wanted.to_lowercase())
    };
    if let Some(expected) = options.cluster.as_ref().filter(|e| !clusters.iter().any(|c| is_it(e, &c.folder))) {
        return refuse(Verdict::Untrusted, format!("a package without cluster '{expected}'"));
    }
    steps.pass(StepName::Envelope, envelope::FILE, format!("signed by key {}", key.digest().short(16)));
    Some((statement, key))
}

/// Step 4: only now is anything parsed.
fn judge_content(files: &Files, lines: &Lines, predicate: &PackagePredicate, steps: &mut Steps) -> Option<Period> {
    let tampered = |steps: &mut Steps, subject: &str, detail: &str| {
        steps.fail(StepName::Content, Verdict::Tampered, subject, detail);
    };
    let period = read_period(files, steps)?;
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
    judge_expected(files, lines, &period, steps);
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
    let mut runs = 0;
    for cluster in &period.clusters {
        runs += cluster.runs.len();
        judge_runs(files, cluster, span, &key, steps);
        judge_objects(files, cluster, is_whole, steps);
        judge_sums(cluster, span, !period.filter.is_whole(), steps);
    }
    if period::comparison(&period.clusters) != period.comparison {
        tampered(steps, PERIOD, "its comparison does not follow from its clusters");
    }
    if !steps.failed(StepName::Content) {
        let detail =
            format!("{runs} runs proved by their own envelopes, cited objects by their digests, counts as summed");
        steps.pass(StepName::Content, "data/", detail);
    }
    if !steps.failed(StepName::Log) {
        steps.pass(StepName::Log, EVIDENCE, format!("{runs} runs, each with its entry in the log of its cluster"));
    }
    Some(period)
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

/// Every file is there because something names it.
fn judge_expected(files: &Files, lines: &Lines, period: &Period, steps: &mut Steps) {
    let mut named: BTreeSet<String> = BTreeSet::from([PERIOD.to_owned()]);
    for cluster in &period.clusters {
        named.insert(table_path(&cluster.folder));
        for (path, digest) in rules(files, cluster) {
            match lines.get(&path) {
                Some(actual) if *actual != digest => {
                    steps.fail(
                        StepName::Content,
                        Verdict::Tampered,
                        &path,
                        "not the file that the run's manifest names",
                    );
                }
                // What names something outside of a scope is left out.
                None if period.filter.hides_names() => continue,
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
}

/// Files that decided, each under the first run on which it did, as the runs' manifests name them.
fn rules(files: &Files, cluster: &ClusterPeriod) -> Vec<(String, Digest)> {
    let folder = rules_folder(&cluster.folder);
    let (mut all, mut before) = (Vec::new(), Lines::new());
    for run in &cluster.runs {
        let manifest = files.get(&format!("{}{}", proof_folder(&cluster.folder, run.number), PROOF[0]));
        let lines = manifest.and_then(|bytes| bag::parse(bytes).ok()).unwrap_or_default();
        for (path, digest) in lines.iter().filter(|(path, digest)| before.get(*path) != Some(digest)) {
            if let Some(path) = path.strip_prefix(bag::RULES) {
                all.push((format!("{folder}{:04}/{path}", run.number), *digest));
            }
        }
        before = lines;
    }
    all
}

/// Every run by what it signed itself, and its place in the log.
fn judge_runs(files: &Files, cluster: &ClusterPeriod, span: Span, key: &VerifyingKey, steps: &mut Steps) {
    let mut earlier: Option<Commit> = None;
    for (at, run) in cluster.runs.iter().enumerate() {
        let folder = proof_folder(&cluster.folder, run.number);
        let fail = |steps: &mut Steps, step, name: &str, detail: &str| {
            steps.fail(step, Verdict::Tampered, format!("{folder}{name}"), detail);
        };
        let [Some(manifest), Some(envelope), Some(commit)] = PROOF.map(|name| files.get(&format!("{folder}{name}")))
        else {
            continue;
        };
        if usize::try_from(run.number) != Ok(at) || !span.holds(run.finished) {
            fail(steps, StepName::Content, PROOF[1], "is not a run of its place and of this period");
        }
        let (envelope, statement) = match proved(envelope, key) {
            Ok(proved) => proved,
            Err(detail) => {
                fail(steps, StepName::Content, PROOF[1], &detail);
                continue;
            }
        };
        let signed = statement.subject.iter().find(|subject| subject.name == PROOF[0]);
        if signed.is_none_or(|subject| subject.digest.sha256 != Digest::of(manifest).hex()) {
            fail(steps, StepName::Content, PROOF[0], "not the manifest that the run signed");
        }
        if !agrees(run, cluster, &envelope, &statement, Digest::of(manifest)) {
            fail(steps, StepName::Content, PROOF[1], "the run signed otherwise than the package says");
        }
        match logged(commit, run, &envelope, &statement) {
            Ok(commit) => {
                let contradicts = |earlier: &Commit| commit.consistent_with(earlier) == Consistency::Contradiction;
                if earlier.as_ref().is_some_and(|e| e.index() >= commit.index() || contradicts(e)) {
                    fail(steps, StepName::Log, PROOF[2], "does not follow the entry of the run before it");
                }
                earlier = Some(commit);
            }
            Err(detail) => fail(steps, StepName::Log, PROOF[2], &detail),
        }
    }
    // The log as the package saw it is at least as long as its newest run says.
    let newest = earlier.as_ref().map_or(0, Commit::size);
    if cluster.log.as_ref().map_or(0, |log| log.size) < newest {
        steps.fail(StepName::Log, Verdict::Tampered, PERIOD, "says that the log is shorter than its runs show");
    }
}

fn proved(bytes: &[u8], key: &VerifyingKey) -> Result<(Envelope, Statement), String> {
    let envelope = Envelope::parse(bytes).map_err(|error| error.to_string())?;
    let payload = envelope.verified_by(key).ok_or("not signed by the key of the package's runs")?;
    let statement = Statement::parse(payload).map_err(|error| error.to_string())?;
    Ok((envelope, statement))
}

/// What the package says of a run is what the run signed.
fn agrees(run: &Run, cluster: &ClusterPeriod, envelope: &Envelope, statement: &Statement, manifest: Digest) -> bool {
    let said = &statement.predicate;
    run.bundle == envelope.id()
        && run.manifest == manifest
        && said.cluster.folder == cluster.folder
        && run.evidence_root == said.evidence_root
        && (run.scheduled, run.started, run.finished) == (said.run.scheduled, said.run.started, said.run.finished)
        && (run.result, &run.reason) == (said.run.result, &said.run.reason)
        && (&run.source, &run.caller) == (&said.source, &said.caller)
        && (&run.tool_version, run.binary) == (&said.tool.version, said.tool.binary)
        && (run.counts, &run.kubernetes) == (said.counts, &said.cluster.kubernetes)
        && (run.rules, run.checks, &run.declared) == (said.rules.all, said.rules.checks, &said.rules.declared)
        && run.redaction_key == said.redaction_key
        && run.unseen.len() as u64 == said.coverage.unseen()
}

fn logged(bytes: &[u8], run: &Run, envelope: &Envelope, statement: &Statement) -> Result<Commit, String> {
    let log = &statement.predicate.log;
    let key = VerifyingKey::parse(&log.public_key, "the statement's log key").map_err(|error| error.to_string())?;
    let commit = Commit::parse_and_verify(bytes, &log.origin, &key).map_err(|error| error.to_string())?;
    let entry = commit.leaf().as_bundle().ok_or("not the entry of a bundle")?;
    if entry.pae != envelope.id() || entry.sig != envelope.signature_digest() {
        return Err("the entry of another bundle".to_owned());
    }
    if commit.index() != run.index {
        return Err(format!("entry {}, and the package says {}", commit.index(), run.index));
    }
    Ok(commit)
}

/// Every cited object is here as text with that digest, and nothing else is.
fn judge_objects(files: &Files, cluster: &ClusterPeriod, is_whole: bool, steps: &mut Steps) {
    let path = table_path(&cluster.folder);
    let Some(bytes) = files.get(&path) else { return };
    if is_whole && !cluster.withheld.is_empty() {
        let detail = "leaves out texts, and the package is neither of a scope nor with pseudonyms";
        steps.fail(StepName::Content, Verdict::Tampered, &path, detail);
    }
    let mut cited: BTreeMap<Digest, u32> = BTreeMap::new();
    for citation in citations(cluster) {
        if *cited.entry(citation.digest).or_insert(citation.run) != citation.run {
            let detail = format!("cites {} of two runs", citation.digest.short(16));
            steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
        }
    }
    match stored(bytes, &path) {
        Err(error) => steps.fail(StepName::Content, Verdict::Tampered, &path, error),
        Ok((_, withheld)) if withheld != cluster.withheld => {
            let detail = "leaves out other texts than the package says";
            steps.fail(StepName::Content, Verdict::Tampered, &path, detail);
        }
        Ok((rows, _)) if rows != cited => {
            let missing = cited.keys().find(|digest| !rows.contains_key(*digest));
            let detail = missing.map_or_else(
                || "holds other objects than the package cites".to_owned(),
                |digest| format!("does not hold {}, which the package cites", digest.short(16)),
            );
            steps.fail(StepName::Content, Verdict::Tampered, &path, detail);
        }
        Ok(_) => {}
    }
}

fn citations(cluster: &ClusterPeriod) -> impl Iterator<Item = &Cited> {
    let powers = cluster.privileged.iter().flat_map(|subject| &subject.powers).flat_map(|power| &power.evidence);
    let exceptions = cluster.exceptions.iter().flat_map(|x| x.evidence.iter().chain(&x.evidence_after));
    exceptions.chain(cluster.population.iter().flat_map(|item| &item.evidence)).chain(powers)
}

type Stored = (BTreeMap<Digest, u32>, BTreeSet<Digest>);

/// Runs by the digest of each object, every text held against its digest; and the objects without their text.
fn stored(bytes: &[u8], path: &str) -> Result<Stored, String> {
    let table = snapshot::read_columns(path, bytes, &["digest", "json", "run"]).map_err(|error| error.to_string())?;
    let columns =
        || Ok::<_, snapshot::TableError>((table.texts("digest")?, table.optional("json")?, table.numbers("run")?));
    let (digests, jsons, runs) = columns().map_err(|error| error.to_string())?;
    let (mut rows, mut withheld) = (BTreeMap::new(), BTreeSet::new());
    for ((digest, json), run) in digests.into_iter().zip(jsons).zip(runs) {
        let stated: Digest = digest.parse().map_err(|error| format!("{error}"))?;
        match json {
            None => drop(withheld.insert(stated)),
            Some(json) if Digest::of(json) == stated => {}
            Some(_) => return Err(format!("an object does not have its digest {}", stated.short(16))),
        }
        rows.insert(stated, run);
    }
    Ok((rows, withheld))
}

/// What follows from the rest of the package is summed again.
fn judge_sums(cluster: &ClusterPeriod, span: Span, limited: bool, steps: &mut Steps) {
    let wrong = cluster.requirements.iter().find(|row| {
        let again = || period::effectiveness(&row.statuses, &cluster.runs, span);
        row.statuses.len() != cluster.runs.len()
            || row.effectiveness.as_ref().is_some_and(|said| *said != again())
            || row.overdue != period::overdue(row, &cluster.runs, span)
    });
    if let Some(row) = wrong {
        let detail = format!("{}: its counts do not follow from its statuses", row.full_id());
        steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
    }
    let mut wrong = |detail: String| steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
    if period::repair_times(&cluster.exceptions, &cluster.runs) != cluster.repair_times {
        wrong("times to repair do not follow from the exceptions".into());
    }
    if let Some(run) = period::unaccounted(cluster, limited) {
        wrong(format!("run {run}: its failures are not those that the package accounts for"));
    }
}
