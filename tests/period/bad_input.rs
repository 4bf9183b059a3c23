//! Stores as they are in life: each defect is named in the package, and the rest of the period stands.

use std::fs;

use kubeproof::{
    bundle::{
        SignedBundle, SigningKey, VerifyingKey,
        envelope::{self, Envelope},
        log,
        statement::RunResult,
    },
    canonical,
    evaluate::Status,
    period::{
        PeriodError,
        model::{ClusterPeriod, Ending, Exclusion, RemarkKind, ScopeSubject},
    },
};

use super::quarter::{Day, Quarter, at, keys, only};

fn day(number: u32) -> Day {
    Day::new(&format!("2026-10-{number:02}T06:00:00Z"))
}

/// Three runs, the middle one to be spoiled.
fn three() -> (Quarter, SignedBundle) {
    let quarter = Quarter::of([day(1)]);
    let middle = day(2).failing("cart", 2).seal();
    quarter.commit(&middle);
    quarter.commit(&day(3).seal());
    (quarter, middle)
}

/// The middle one is left out for that reason, and the others are used.
fn expect(cluster: &ClusterPeriod, middle: &SignedBundle, kind: Exclusion, needle: &str) {
    let [excluded] = cluster.excluded.as_slice() else { panic!("{:#?}", cluster.excluded) };
    assert_eq!((&excluded.bundle, excluded.kind), (&middle.id.hex(), kind), "{}", excluded.reason);
    assert!(excluded.reason.contains(needle), "no '{needle}' in '{}'", excluded.reason);
    assert_eq!(cluster.runs.len(), 2);
    assert_eq!(cluster.requirements[0].statuses, [Some(Status::Pass); 2], "nothing of it was read");
    assert!(cluster.exceptions.is_empty());
    assert!(cluster.remarks.iter().any(|remark| remark.kind == RemarkKind::BundlesExcluded), "{:?}", cluster.remarks);
}

#[test]
fn a_bundle_missing_in_the_middle() {
    let (quarter, middle) = three();
    fs::remove_dir_all(quarter.bundle(&middle)).unwrap();
    let cluster = quarter.cluster();
    expect(&cluster, &middle, Exclusion::Missing, "not in the store");
    assert_eq!(cluster.excluded[0].index, Some(1));
}

#[test]
fn a_tampered_bundle_is_named_with_its_file() {
    let (quarter, middle) = three();
    fs::write(quarter.bundle(&middle).join("data/coverage.json"), "{}").unwrap();
    let cluster = quarter.cluster();
    expect(&cluster, &middle, Exclusion::Tampered, "data/coverage.json");
    let cadence = only(quarter.try_make(Some("59 5 * * *"), &[], None).unwrap().period).cadence;
    let [second, ..] = cadence.missed.as_slice() else { panic!("{:?}", cadence.missed) };
    assert_eq!((cadence.met, second.due), (2, at("2026-10-02T05:59:00Z")));
    assert_eq!(second.excluded, Some(middle.id.hex()), "the run was there, and does not count");
}

#[test]
fn a_broken_envelope_and_an_extra_file() {
    let (quarter, middle) = three();
    fs::write(quarter.bundle(&middle).join("attest/bundle.dsse.json"), "{").unwrap();
    let cluster = quarter.cluster();
    expect(&cluster, &middle, Exclusion::Tampered, "attest/bundle.dsse.json");
    assert_eq!(cluster.excluded[0].claimed_finished, None, "its neighbours say that it is of the period");

    let (quarter, middle) = three();
    fs::write(quarter.bundle(&middle).join("data/extra.json"), "{}").unwrap();
    expect(&quarter.cluster(), &middle, Exclusion::Tampered, "data/extra.json");
}

#[test]
fn nobody_moves_a_bundle_out_of_the_period_by_breaking_it() {
    // Unsigned, it claims to be of another year.
    let (quarter, middle) = three();
    let envelope = quarter.bundle(&middle).join(envelope::FILE);
    let claimed = Envelope::parse(&middle.files[envelope::FILE]).unwrap();
    let mut statement: serde_json::Value = serde_json::from_slice(claimed.claimed()).unwrap();
    statement["predicate"]["run"]["finished"] = "2020-01-01T00:00:00Z".into();
    let forged = Envelope::sign(canonical::value_to_vec(&statement).unwrap(), &SigningKey::from_seed([9; 32]));
    fs::write(&envelope, forged.to_bytes().unwrap()).unwrap();
    expect(&quarter.cluster(), &middle, Exclusion::Tampered, "named for another envelope");

    // Signed by the right key, and another run's.
    let (quarter, middle) = three();
    let other = Day::new("2020-01-01T06:00:00Z").seal();
    fs::write(quarter.bundle(&middle).join(envelope::FILE), &other.files[envelope::FILE]).unwrap();
    expect(&quarter.cluster(), &middle, Exclusion::Tampered, "named for another envelope");

    // Gone with everything around it.
    let days = ["2026-09-30T06:00:00Z", "2026-10-02T06:00:00Z", "2026-10-03T06:00:00Z", "2026-10-12T06:00:00Z"];
    let bundles = days.map(|day| Day::new(day).seal());
    let quarter = Quarter::new();
    bundles.iter().for_each(|bundle| quarter.commit(bundle));
    bundles[1..3].iter().for_each(|bundle| fs::remove_dir_all(quarter.bundle(bundle)).unwrap());
    let cluster = quarter.cluster();
    let missing: Vec<(Exclusion, Option<u64>)> = cluster.excluded.iter().map(|x| (x.kind, x.index)).collect();
    assert_eq!(missing, [(Exclusion::Missing, Some(1)), (Exclusion::Missing, Some(2))]);
    assert!(cluster.remarks.iter().any(|remark| remark.kind == RemarkKind::NoRuns), "{:?}", cluster.remarks);
}

#[test]
fn a_run_whose_clock_left_the_period_is_named() {
    let quarter = Quarter::of([Day::new("2026-09-30T06:00:00Z"), day(1)]);
    let lost = Day::new("2020-01-01T00:00:00Z").seal();
    quarter.commit(&lost);
    quarter.commit(&day(3).seal());
    // After the last run of the period it is another period's matter.
    quarter.commit(&Day::new("2026-10-11T06:00:00Z").seal());
    expect(&quarter.cluster(), &lost, Exclusion::AnotherTime, "2020-01-01T00:00:00Z");
}

#[test]
fn a_run_that_could_read_nothing_shows_nothing() {
    let cluster = Quarter::of([day(1).failing("cart", 2), day(2).failed(), day(3).failing("cart", 2)]).cluster();
    assert_eq!(cluster.runs[1].result, RunResult::Failed);
    assert!(cluster.remarks.iter().any(|r| r.kind == RemarkKind::FailedRuns && r.runs == [1]), "{:?}", cluster.remarks);
    let [x] = cluster.exceptions.as_slice() else { panic!("{:#?}", cluster.exceptions) };
    assert_eq!((x.seen_in, &x.not_seen_in[..], &x.ending), (2, &[1][..], &Ending::Open));
    assert_eq!(cluster.requirements[0].statuses[1], Some(Status::NotEvaluated));
    assert_eq!(cluster.cadence.partial[0].run, 1);
    let shop = cluster.population.iter().find(|item| item.name == "cart").unwrap();
    assert_eq!((shop.runs, &shop.absent_in[..]), (2, &[1][..]));
    assert!(cluster.scope_changes.iter().all(|change| change.what != ScopeSubject::Namespace), "nothing came or went");
}

#[test]
fn a_bundle_of_another_cluster() {
    let quarter = Quarter::of([day(1)]);
    let mut stranger = day(2).failing("cart", 2);
    stranger.uid = "ffffffff-0000-4000-8000-000000000000";
    let stranger = stranger.seal();
    quarter.commit(&stranger);
    quarter.commit(&day(3).seal());
    expect(&quarter.cluster(), &stranger, Exclusion::AnotherCluster, "shop-ffffffff");
}

#[test]
fn a_bundle_of_another_key() {
    let (quarter, middle) = three();
    // The middle one alone is in the store as somebody else signed it.
    let stranger = SigningKey::from_seed([9; 32]);
    let claimed = Envelope::parse(&middle.files[envelope::FILE]).unwrap();
    let forged = Envelope::sign(claimed.claimed().to_vec(), &stranger);
    fs::write(quarter.bundle(&middle).join(envelope::FILE), forged.to_bytes().unwrap()).unwrap();
    expect(&quarter.cluster(), &middle, Exclusion::Untrusted, "did not sign this");
}

#[test]
fn a_run_that_was_never_committed_is_no_evidence() {
    let quarter = Quarter::of([day(1), day(3)]);
    let pending = day(2).failing("cart", 2).seal();
    quarter.put(&pending);
    expect(&quarter.cluster(), &pending, Exclusion::NotInLog, "never committed");
    // What a killed run left without an envelope claims nothing.
    fs::remove_file(quarter.bundle(&pending).join("attest/bundle.dsse.json")).unwrap();
    assert!(quarter.cluster().excluded.is_empty());
}

#[test]
fn a_missing_and_a_squatted_log_entry_are_said() {
    let (quarter, middle) = three();
    let entry = quarter.path().join("log/commits").join(log::commit_file(1));
    fs::remove_file(&entry).unwrap();
    let cluster = quarter.cluster();
    expect(&cluster, &middle, Exclusion::NotInLog, "its entry was removed");
    let says = |cluster: &ClusterPeriod, needle: &str| {
        let mut incomplete = cluster.remarks.iter().filter(|remark| remark.kind == RemarkKind::LogIncomplete);
        incomplete.any(|remark| remark.text.contains(needle))
    };
    assert!(says(&cluster, "entry 1 is missing from the log"), "{:?}", cluster.remarks);
    fs::write(entry, "squatter").unwrap();
    let squatted = quarter.cluster();
    assert!(says(&squatted, "not an entry of this log, skipped"), "{:?}", squatted.remarks);
    assert!(says(&squatted, "entry 1 is missing from the log"), "{:?}", squatted.remarks);
}

#[test]
fn two_runs_at_the_same_time_and_a_clock_that_went_back() {
    let mut twice = [day(1), Day::new("2026-10-01T06:00:02Z"), day(3), day(2)];
    twice[0].scheduled = Some(at("2026-10-01T05:59:00Z"));
    twice[1].scheduled = twice[0].scheduled;
    let quarter = Quarter::of(twice);
    let cluster = only(quarter.try_make(Some("59 5 * * *"), &[], None).unwrap().period);
    assert_eq!(cluster.runs.len(), 4);
    let kinds: Vec<(RemarkKind, &[u32])> = cluster.remarks.iter().map(|r| (r.kind, r.runs.as_slice())).collect();
    let expected =
        [(RemarkKind::ClockWentBack, &[2, 3][..]), (RemarkKind::Simultaneous, &[0, 1]), (RemarkKind::RunsMissed, &[])];
    assert_eq!(kinds, expected, "days 4 to 10 of the schedule are missed");
    assert_eq!(
        (cluster.cadence.met, &cluster.cadence.unscheduled[..]),
        (3, &[1][..]),
        "the schedule counts one of the two"
    );
    let gap = cluster.cadence.longest_gap.unwrap();
    assert_eq!((gap.after, gap.before), (Some(2), None), "gaps follow the clock, not the log");
    assert!(gap.seconds > 0);
}

#[test]
fn a_quarter_with_no_runs_and_one_with_one() {
    let none = Quarter::of([Day::new("2026-09-30T06:00:00Z"), Day::new("2026-10-11T00:00:00Z")]);
    let made = none.make();
    let cluster = only(made.period);
    assert!(cluster.runs.is_empty() && cluster.excluded.is_empty() && cluster.population.is_empty());
    assert_eq!(cluster.remarks[0].kind, RemarkKind::NoRuns);
    assert_eq!(cluster.log.unwrap().size, 2, "the log was read all the same");
    assert!(made.package.files.contains_key("data/period.json"));

    let one = Quarter::of([day(4)]).cluster();
    assert_eq!(one.remarks[0].kind, RemarkKind::OneRun);
    let effect = one.requirements[0].effectiveness.as_ref().unwrap();
    assert_eq!(effect.sentence, "no exception in 1 of 1 run; longest unobserved interval 6 days 18 hours");
}

#[test]
fn different_tools_and_changed_frameworks_are_said() {
    let mut older = day(1);
    older.tool = "0.0.9";
    let mut newer = day(3);
    newer.framework = "1.38";
    newer.check = "id: container-privileged\nseverity: critical\n";
    let made = Quarter::of([older, day(2), newer]).make();
    assert_eq!(made.period.frameworks[0].versions, ["1.37", "1.38"]);
    let cluster = only(made.period);
    assert_eq!(cluster.runs.len(), 3, "{:?}", cluster.excluded);
    let texts: Vec<(RemarkKind, &str)> = cluster.remarks.iter().map(|r| (r.kind, r.text.as_str())).collect();
    let version = env!("CARGO_PKG_VERSION");
    let tools = format!("kubeproof 0.0.9 until 2 Oct 2026, {version} from then on");
    let rules = "checks and frameworks: pss-baseline 1.37 until 3 Oct 2026, pss-baseline 1.38 from then on";
    assert_eq!(texts, [(RemarkKind::ToolChanged, tools.as_str()), (RemarkKind::RulesChanged, rules)]);
}

#[test]
fn what_was_asked_for_and_is_nowhere_is_a_slip() {
    let quarter = Quarter::of([day(1)]);
    match quarter.try_make(None, &["pci-dss".to_owned()], None) {
        Err(PeriodError::Framework { id, known }) => {
            assert_eq!((id.as_str(), known.as_slice()), ("pci-dss", &["pss-baseline".to_owned()][..]));
        }
        other => panic!("{:?}", other.map(|made| made.package.id)),
    }
    assert!(matches!(quarter.try_make(None, &[], Some("cards")), Err(PeriodError::Scope(_))));
}

#[test]
fn a_bundle_with_a_table_that_cannot_be_read_is_left_out() {
    // Signed and committed as it is: the signer's own defect, or another version's form.
    let quarter = Quarter::of([day(1)]);
    let honest = day(2).failing("cart", 2).seal();
    let mut files: std::collections::BTreeMap<String, Vec<u8>> = honest
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("data/"))
        .map(|(path, bytes)| (path.clone(), bytes.to_vec()))
        .collect();
    files.insert("data/findings.parquet".into(), b"PAR1 no table PAR1".to_vec());
    let coverage = serde_json::from_slice(&files["data/coverage.json"]).unwrap();
    let facts = kubeproof::bundle::Facts {
        coverage: &coverage,
        counts: honest.predicate.counts,
        environment: None,
        scheduled: None,
        failure: None,
        binary: None,
        log_key: VerifyingKey::parse(&honest.predicate.log.public_key, "log").unwrap(),
        baseline: None,
    };
    let broken = kubeproof::bundle::seal(files, facts, &keys().signing).unwrap();
    quarter.commit(&broken);
    quarter.commit(&day(3).seal());
    expect(&quarter.cluster(), &broken, Exclusion::Unreadable, "data/findings.parquet");
}
