//! What a run could not write into the lake, a later one adds; what is there stays.

use std::fs;

use super::{record, user};
use crate::live::workspace::{Workspace, files};

const CLUSTER: &str = "shop-prod-172c0cc6";

fn lake(user: &Workspace) -> std::collections::BTreeMap<String, Vec<u8>> {
    files(&user.path("evidence/lake"))
}

#[test]
fn the_next_run_adds_what_is_missing_with_the_same_bytes() {
    let user = user();
    record(&user, 0, "evidence", &[]).expect(0);
    let first = lake(&user);
    assert_eq!(first.len(), 8, "{:?}", first.keys());

    // Killed after some tables: the one of runs, which is written last, is not there.
    for name in first.keys().filter(|name| name.starts_with("runs/") || name.starts_with("objects/")) {
        fs::remove_file(user.path("evidence/lake").join(name)).unwrap();
    }
    let ended = record(&user, 1, "evidence", &[]).expect(0);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    let both = lake(&user);
    assert_eq!(both.len(), 16, "{:?}", both.keys());
    assert!(first.iter().all(|(name, bytes)| both.get(name) == Some(bytes)));
}

#[test]
fn a_lake_that_cannot_be_written_is_a_warning_and_evidence_is_committed() {
    let user = user();
    // Where the folder of a table would be made there is a file.
    user.write("evidence/lake/grants", "not a folder");
    let ended = record(&user, 0, "evidence", &[]).expect(0);
    assert!(
        ended.stderr.contains("warning: this run is not in the lake, the next one adds it: cannot write "),
        "{}",
        ended.stderr
    );
    assert!(!lake(&user).keys().any(|name| name.starts_with("runs/")));
    user.run(&["verify", "evidence", "--key", "keys/signing.pub"]).expect(0);

    fs::remove_file(user.path("evidence/lake/grants")).unwrap();
    record(&user, 1, "evidence", &[]).expect(0);
    let runs: Vec<String> = lake(&user).into_keys().filter(|name| name.starts_with("runs/")).collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    let days = ["2026-10-26/0000000000-", "2026-11-23/0000000001-"];
    for (run, day) in runs.iter().zip(days) {
        assert!(run.starts_with(&format!("runs/cluster={CLUSTER}/date={day}")), "{run}");
    }
}

#[test]
fn other_rows_in_a_place_stay_and_are_told() {
    let user = user();
    record(&user, 0, "evidence", &[]).expect(0);
    let first = lake(&user);
    let name = |table: &str| first.keys().find(|name| name.starts_with(table)).unwrap().clone();
    fs::write(user.path("evidence/lake").join(name("findings/")), "invented").unwrap();
    fs::remove_file(user.path("evidence/lake").join(name("runs/"))).unwrap();
    let ended = record(&user, 1, "evidence", &[]).expect(0);
    assert!(
        ended.stderr.contains("warning: lake/findings holds other rows of log entry 0 already; they stay"),
        "{}",
        ended.stderr
    );
    assert_eq!(lake(&user)[&name("findings/")], b"invented");
    assert_eq!(lake(&user)[&name("runs/")], first[&name("runs/")]);
}

#[test]
fn a_bundle_that_does_not_verify_is_not_added() {
    let user = user();
    record(&user, 0, "evidence", &[]).expect(0);
    fs::remove_dir_all(user.path("evidence/lake")).unwrap();
    fs::write(user.bundle().join("data/drift.json"), "{}").unwrap();
    let ended = record(&user, 1, "evidence", &[]).expect(0);
    let told = "warning: 1 earlier runs could not be added to the lake; log entry 0: ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(lake(&user).keys().all(|name| name.contains("/0000000001-")));
}

#[test]
fn what_waited_is_added_once_it_is_committed() {
    let user = user();
    let config = "apiVersion: kubeproof.dev/v1\ncluster: {name: staging}\nstateDir: state\nlake: true\n";
    user.write("staging.yaml", config);
    user.write("staging/pod.yaml", super::BARE_POD);
    // Where the bundles' folder would be made there is a file: nothing can be committed.
    let blocked = user.write("evidence/clusters/staging-nouid/bundles", "not a folder");
    let run = || {
        user.run(&[
            "run",
            "--config",
            "staging.yaml",
            "--from",
            "staging",
            "--store",
            "evidence",
            "--keys",
            "keys",
            "--deadline",
            "1",
        ])
    };
    let ended = run().expect(5);
    assert!(ended.stderr.contains("it waits in"), "{}", ended.stderr);
    assert!(!user.path("evidence/lake").exists());
    fs::remove_file(blocked).unwrap();
    run().expect(0);
    let runs: Vec<String> = lake(&user).into_keys().filter(|name| name.starts_with("runs/")).collect();
    let indexes: Vec<bool> =
        (0..2).map(|index| runs.iter().any(|run| run.contains(&format!("/{index:010}-")))).collect();
    assert_eq!(indexes, [true, true], "{runs:?}");
}

#[test]
fn without_the_switch_there_is_no_lake_and_evidence_is_the_same() {
    let (with, without) = (user(), Workspace::new());
    fs::create_dir(without.path("keys")).unwrap();
    for (name, bytes) in files(&with.path("keys")) {
        fs::copy(with.path("keys").join(&name), without.path("keys").join(&name)).unwrap();
        assert!(!bytes.is_empty());
    }
    for (user, switch) in [(&with, "lake: true\n"), (&without, "")] {
        user.write("staging.yaml", &format!("apiVersion: kubeproof.dev/v1\ncluster: {{name: staging}}\n{switch}"));
        user.write("staging/pod.yaml", super::BARE_POD);
        let mut command = user.kubeproof();
        command.args(["run", "--config", "staging.yaml", "--from", "staging", "--store", "evidence", "--keys", "keys"]);
        assert_eq!(command.env("KUBEPROOF_NOW", "2026-11-26T06:00:00Z").output().unwrap().status.code(), Some(0));
    }
    assert!(with.path("evidence/lake").is_dir() && !without.path("evidence/lake").exists());
    assert!(files(&with.path("evidence/clusters")) == files(&without.path("evidence/clusters")));
}
