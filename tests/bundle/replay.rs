//! `--replay` on a whole run of the example cluster: equal bytes, and what is said when they are not.

use std::{collections::BTreeMap, path::Path, sync::OnceLock};

use kubeproof::{
    bundle::{
        Facts, seal,
        verify::{self, LogFiles, Options, StepName, Trust, Verdict, Verification},
    },
    canonical,
    collect::{Coverage, recorded},
    evaluate::{self, Evaluation, Rules},
    framework, snapshot,
};

use super::draft::{chain_of, keys};
use crate::harness::plain;

struct Run {
    coverage: Coverage,
    evaluation: Evaluation,
    files: BTreeMap<String, Vec<u8>>,
}

/// The example cluster, judged by the embedded rules.
fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop-2026-11-23");
        let collected = recorded::read(&folder, None).unwrap();
        let snapshot = snapshot::assemble(collected.objects, &collected.coverage);
        let rules = Rules::load(framework::embedded(), &[], &collected.coverage.cluster).unwrap();
        let evaluation = evaluate::run(&evaluate::Input::of_run(&snapshot, &collected.coverage, &rules));
        let mut files = snapshot::write(&snapshot).unwrap();
        files.extend(rules.files.iter().map(|(name, bytes)| (format!("data/rules/{name}"), bytes.clone())));
        Run { coverage: collected.coverage, evaluation, files }
    })
}

/// Signs `evaluation` as what that run found, and replays it.
fn replay(evaluation: &Evaluation) -> Verification {
    let run = run();
    let mut files = run.files.clone();
    files.insert("data/coverage.json".to_owned(), canonical::to_vec(&run.coverage).unwrap());
    files.insert("data/evaluation.json".to_owned(), evaluate::stored::write(evaluation).unwrap());
    let results = evaluate::results::write(evaluation).unwrap();
    files.extend(results.into_iter().map(|(name, bytes)| (format!("data/results/{name}"), bytes)));
    let facts = Facts {
        coverage: &run.coverage,
        counts: evaluation.counts,
        environment: None,
        scheduled: None,
        failure: None,
        binary: None,
        log_key: keys().log.public(),
        baseline: None,
    };
    let bundle = seal(files, facts, &keys().signing).unwrap();
    let commits = chain_of(&bundle.predicate.log.origin, [bundle.leaf]);
    let log = LogFiles::of(commits.iter().map(|commit| (commit.index(), commit.bytes().to_vec())));
    let options = Options { replay: true, ..Options::at(run.coverage.finished) };
    let trust = Trust::Key(keys().signing.public());
    verify::bundle("bundle", plain(&bundle.files).into(), &log, &trust, &options).0
}

fn detail(verification: &Verification) -> &str {
    &verification.steps.iter().find(|step| step.step == StepName::Replay).unwrap().detail
}

#[test]
fn the_same_engine_gives_equal_bytes() {
    let evaluation = &run().evaluation;
    assert!(evaluation.counts.fail > 0 && !evaluation.requirements.is_empty(), "the example has something to find");
    let verification = replay(evaluation);
    assert_eq!(verification.result, Verdict::Verified, "{:#?}", verification.steps);
    assert!(detail(&verification).contains("equal byte for byte"));
}

/// Whoever holds the key can sign that a failure was none; the snapshot beside it says otherwise.
#[test]
fn finding_removed_by_the_signer() {
    let mut evaluation = run().evaluation.clone();
    let gone = evaluation.findings.remove(0);
    let verification = replay(&evaluation);
    assert_eq!(verification.result, Verdict::Tampered);
    assert!(detail(&verification).contains(&*gone.check), "{}", detail(&verification));
}
