//! A store's folder: every bundle of a cluster, the log that orders them, and the pin that remembers.

use std::{fs, path::Path};

use chrono::{DateTime, Duration, Utc};
use kubeproof::bundle::{Commit, SignedBundle, log};
use serde_json::Value;
use tempfile::TempDir;

use super::draft::{chain, coverage, key_file, signed_with, verify, write};

/// Three daily runs.
fn runs() -> Vec<SignedBundle> {
    (0..3_u8)
        .map(|day| {
            let mut coverage = coverage();
            let first: DateTime<Utc> = "2026-11-21T06:00:00Z".parse().unwrap();
            coverage.started = first + Duration::days(day.into());
            coverage.finished = coverage.started + Duration::seconds(4);
            signed_with(day, coverage)
        })
        .collect()
}

struct Store {
    folder: TempDir,
}

impl Store {
    fn honest() -> Self {
        let runs = runs();
        let commits = chain(runs.iter().map(|run| run.leaf.clone()));
        Self::of(&runs, &commits)
    }

    fn of(runs: &[SignedBundle], commits: &[Commit]) -> Self {
        let store = Self { folder: tempfile::tempdir().unwrap() };
        for run in runs {
            for (path, bytes) in &run.files {
                write(&store.bundle(run).join(path), bytes);
            }
        }
        for commit in commits {
            write(&store.commit(commit.index()), commit.bytes());
        }
        store
    }

    fn cluster(&self) -> std::path::PathBuf {
        self.folder.path().join("store/clusters/shop-0f3a9c1e")
    }

    fn bundle(&self, run: &SignedBundle) -> std::path::PathBuf {
        self.cluster().join("bundles").join(run.id.hex())
    }

    fn commit(&self, slot: u64) -> std::path::PathBuf {
        self.cluster().join("log/commits").join(log::commit_file(slot))
    }

    fn verify(&self, arguments: &[&str]) -> (i32, Value) {
        self.verify_path(&self.folder.path().join("store"), arguments)
    }

    fn verify_path(&self, path: &Path, arguments: &[&str]) -> (i32, Value) {
        let key = key_file(self.folder.path());
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        arguments.push("--json".to_owned());
        let output = verify(path, Some(&key), &arguments);
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
    }
}

fn names(report: &Value, subject: &str) -> bool {
    report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .any(|step| step["ok"] == false && step["subject"].as_str().unwrap().contains(subject))
}

#[test]
fn a_chain_verifies_as_store_cluster_and_bundle() {
    let store = Store::honest();
    for path in [store.folder.path().join("store"), store.cluster(), store.bundle(&runs()[1])] {
        let (exit, report) = store.verify_path(&path, &[]);
        assert_eq!(exit, 0, "{}: {report:#}", path.display());
    }
    let (_, report) = store.verify(&["--max-gap", "25h", "--max-age", "26h"]);
    assert_eq!((&report["bundles"], &report["bundle"]["index"]), (&3.into(), &2.into()), "{report:#}");
    assert_eq!(report["shown"]["fresh"], true);
}

#[test]
fn gaps_and_age_are_judged_by_claimed_times() {
    let store = Store::honest();
    let (exit, report) = store.verify(&["--max-gap", "23h"]);
    assert_eq!(exit, 5, "{report:#}");
    assert!(report["steps"].to_string().contains("claimed"));
    let (exit, report) = store.verify(&["--max-age", "30m"]);
    assert_eq!((exit, &report["result"]), (6, &"stale".into()));
}

#[test]
fn of_several_failures_the_worst_decides() {
    let store = Store::honest();
    fs::remove_file(store.commit(1)).unwrap();
    assert_eq!(store.verify(&["--max-age", "30m"]).0, 5, "incomplete before stale");
    fs::write(store.bundle(&runs()[0]).join("data/findings.csv"), "x").unwrap();
    assert_eq!(store.verify(&["--max-age", "30m"]).0, 3, "tampered before incomplete");
}

#[test]
fn missing_entries_and_missing_bundles_are_named() {
    let store = Store::honest();
    fs::remove_dir_all(store.bundle(&runs()[1])).unwrap();
    let (exit, report) = store.verify(&[]);
    assert!(exit == 5 && names(&report, "0000000001.tlog-proof"), "{report:#}");

    let store = Store::honest();
    fs::remove_file(store.commit(2)).unwrap();
    let (exit, report) = store.verify(&[]);
    assert!(exit == 5 && names(&report, &runs()[2].id.hex()[..12]), "{report:#}");
}

#[test]
fn commit_slot_squatted_in_a_store() {
    let store = Store::honest();
    fs::rename(store.commit(2), store.commit(3)).unwrap();
    write(&store.commit(2), b"squatted");
    let (exit, report) = store.verify(&[]);
    assert!(exit == 5 && names(&report, "0000000002.tlog-proof"), "{report:#}");
    assert_eq!(report["shown"]["included"], true, "the entry behind the squatted slot still counts");
}

#[test]
fn a_run_that_was_killed_while_it_wrote_is_no_evidence_and_no_failure() {
    let store = Store::honest();
    let half = store.cluster().join("bundles").join("ab".repeat(32));
    write(&half.join("data/coverage.json"), b"{");
    let (exit, report) = store.verify(&[]);
    assert_eq!(exit, 0, "{report:#}");
    assert!(report["steps"].to_string().contains("never committed"));
}

/// Stores on a disk write `name#1` first: a run that was killed in between leaves it, and the next one commits.
#[test]
fn unpublished_writes_are_passed_over_in_a_store_and_refused_in_a_copy() {
    let store = Store::honest();
    write(&store.bundle(&runs()[0]).join("data/findings.csv#1"), b"id");
    write(&store.cluster().join("log/commits/0000000003.tlog-proof#1"), b"c2sp");
    let (exit, report) = store.verify(&[]);
    assert_eq!(exit, 0, "{report:#}");
    assert!(report["steps"].to_string().contains("interrupted write"));

    let copy = store.folder.path().join("copy");
    fs::rename(store.bundle(&runs()[0]), &copy).unwrap();
    let (exit, report) = store.verify_path(&copy, &[]);
    assert!(exit == 3 && names(&report, "data/findings.csv#1"), "{report:#}");
}

#[test]
fn bundle_in_the_folder_of_another() {
    let store = Store::honest();
    let runs = runs();
    fs::remove_dir_all(store.bundle(&runs[1])).unwrap();
    fs::rename(store.bundle(&runs[0]), store.bundle(&runs[1])).unwrap();
    let (exit, report) = store.verify(&[]);
    assert!(exit == 3 && names(&report, "attest/bundle.dsse.json"), "{report:#}");
}

#[test]
fn cluster_in_the_folder_of_another() {
    let store = Store::honest();
    let other = store.folder.path().join("store/clusters/bank-00000000");
    fs::rename(store.cluster(), other).unwrap();
    assert_eq!(store.verify(&[]).0, 3);
    let output = store.verify_path(&store.folder.path().join("store/clusters/bank-00000000"), &[]);
    assert_eq!(output.0, 3);
}

#[test]
fn a_pin_shows_rollback_and_rewritten_history() {
    let store = Store::honest();
    let pin = store.folder.path().join("pins.json");
    let arguments = ["--pin", pin.to_str().unwrap()];
    assert_eq!(store.verify(&arguments).0, 0);
    let (_, report) = store.verify(&arguments);
    assert!(!report["open"].to_string().contains("rollback"), "a pin that was moved forward excludes it: {report:#}");
    let kept = fs::read(&pin).unwrap();

    // log_rolled_back: the newest run and its entry are gone.
    fs::remove_dir_all(store.bundle(&runs()[2])).unwrap();
    fs::remove_file(store.commit(2)).unwrap();
    assert_eq!(store.verify(&[]).0, 0, "without a pin nobody can tell");
    let (exit, report) = store.verify(&arguments);
    assert_eq!(exit, 3, "{report:#}");
    assert_eq!(fs::read(&pin).unwrap(), kept, "a pin never moves back");

    // log_rewritten: the owner of the keys tells another history of the same length.
    let runs = runs();
    let other = [runs[1].clone(), runs[0].clone(), runs[2].clone()];
    let rewritten = Store::of(&other, &chain(other.iter().map(|run| run.leaf.clone())));
    assert_eq!(rewritten.verify(&[]).0, 0);
    let (exit, report) = rewritten.verify(&arguments);
    assert!(exit == 3 && report["steps"].to_string().contains("rewritten"), "{report:#}");
}

#[test]
fn a_broken_pin_file_is_never_overwritten() {
    let store = Store::honest();
    let pin = store.folder.path().join("pins.json");
    fs::write(&pin, "{").unwrap();
    let key = key_file(store.folder.path());
    let output = verify(&store.cluster(), Some(&key), &["--pin".to_owned(), pin.display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(&pin).unwrap(), b"{");
}
