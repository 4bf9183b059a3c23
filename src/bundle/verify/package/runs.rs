//! The runs of a package, each by what it signed itself and by its entry in the log.

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files,
};
use crate::{
    bundle::{
        envelope::Envelope,
        keys::VerifyingKey,
        log::{Commit, Consistency},
        package::PERIOD,
        statement::Statement,
    },
    digest::Digest,
    period::{
        Span,
        evidence::{PROOF, proof_folder},
        model::{ClusterPeriod, Run},
    },
};

/// Every run by what it signed itself, and its place in the log.
pub(super) fn judge(files: &Files, cluster: &ClusterPeriod, span: Span, key: &VerifyingKey, steps: &mut Steps) {
    let (mut earlier, mut newest): (Option<Commit>, Option<Statement>) = (None, None);
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
        newest = Some(statement);
    }
    let is_it = |statement: &Statement| {
        let said = &statement.predicate;
        (&said.cluster.name, &said.cluster.uid, &said.environment)
            == (&cluster.name, &cluster.uid, &cluster.environment)
            && cluster.log.as_ref().is_none_or(|log| log.origin == said.log.origin)
    };
    if newest.is_some_and(|statement| !is_it(&statement)) {
        let detail = format!("{}: its name, uid, environment or log is not that of its newest run", cluster.folder);
        steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
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
