//! The signed package: the same bytes again, proved by the command, and every defect with its file.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use kubeproof::{
    bundle::{
        SigningKey, bag,
        draft::Draft,
        envelope::{self, Envelope},
        package::{self, PERIOD},
        sigstore,
    },
    canonical,
    digest::Digest,
};
use serde_json::Value;
use tempfile::TempDir;

use super::quarter::{CLUSTER, Day, Made, Quarter, keys, read, write};
use crate::harness::tools;

pub type Files = BTreeMap<String, Vec<u8>>;

const ENVELOPE: &str = envelope::FILE;

fn made() -> Made {
    let day = |number: u32| Day::new(&format!("2026-10-{number:02}T06:00:00Z"));
    Quarter::of([day(1), day(2).failing("cart", 2), day(3)]).make()
}

pub fn inside(path: &str) -> String {
    format!("data/evidence/{CLUSTER}/{path}")
}

/// Runs `kubeproof verify --json` with the signing key of the tests.
fn verify(package: &Path, more: &[&str]) -> Output {
    let key = package.with_extension("pub");
    fs::write(&key, keys().signing.public().to_pem().unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
    command.arg("verify").arg(package).arg("--json").arg("--key").arg(key).args(more);
    command.env("HOME", "/nonexistent").env("KUBEPROOF_NOW", "2026-11-01T01:00:00Z").output().unwrap()
}

pub fn judged(files: &Files, more: &[&str]) -> (i32, Value) {
    let folder = TempDir::with_prefix("kubeproof-package-").unwrap();
    let package = folder.path().join("q4");
    write(&package, files);
    let output = verify(&package, more);
    let said = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), said.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// Signs changed files again with the trusted key: only what they say among themselves can be wrong then.
pub fn sign_again(made: &Made, change: impl FnOnce(&mut Files)) -> Files {
    let mut files: Files = made.package.files.clone();
    // The documents carry the root of what they were made of, and would be what fails.
    files.retain(|path, _| path.starts_with(bag::DATA) && !path.starts_with(package::DOCUMENTS));
    change(&mut files);
    let statement = package::parse(Envelope::parse(&made.package.files[ENVELOPE]).unwrap().claimed()).unwrap();
    let folder = TempDir::with_prefix("kubeproof-package-").unwrap();
    let out = folder.path().join("q4");
    let draft = Draft::begin(&out).unwrap();
    files.into_iter().for_each(|(path, bytes)| draft.put(path, &bytes).unwrap());
    draft.seal(statement.predicate, &keys().signing).unwrap();
    read(&out)
}

/// The same with a change of what the package says.
pub fn say(made: &Made, change: impl FnOnce(&mut Value)) -> Files {
    sign_again(made, |files| {
        let mut period: Value = serde_json::from_slice(&files[PERIOD]).unwrap();
        change(&mut period);
        files.insert(PERIOD.into(), canonical::value_to_vec(&period).unwrap());
    })
}

#[test]
fn the_same_store_gives_the_same_package_and_it_verifies() {
    let (one, two) = (made(), made());
    assert!(one.package.files == two.package.files, "stores in two folders give two packages");
    canonical::check(&one.package.files[PERIOD]).unwrap();
    assert!(one.package.files[PERIOD] == canonical::to_vec(&one.period).unwrap(), "by item or as a whole");
    let read: kubeproof::period::Period = serde_json::from_slice(&one.package.files[PERIOD]).unwrap();
    assert_eq!(read, one.period);
    let (code, said) = judged(&one.package.files, &[]);
    assert_eq!((code, &said["result"]), (0, &"verified".into()), "{said:#}");
    assert_eq!(said["package"]["root"], one.package.root.to_string());
    assert_eq!(said["shown"]["included"], true);
    assert_eq!(judged(&one.package.files, &["--cluster", "shop"]).0, 0);
    assert_eq!(judged(&one.package.files, &["--cluster", "other"]).0, 4);
    assert_eq!(judged(&one.package.files, &["--max-age", "28d"]).0, 6, "the newest run, not the package");
    assert_eq!(judged(&one.package.files, &["--max-age", "30d"]).0, 0);
    assert_eq!(judged(&one.package.files, &["--max-gap", "23h"]).0, 5);
    assert_eq!(judged(&one.package.files, &["--max-gap", "25h"]).0, 0);
}

#[test]
fn what_decided_is_in_the_package_once_and_again_where_it_changed() {
    let made = made();
    let rules = inside("rules/");
    let runs: Vec<(&str, &Digest)> =
        made.period.clusters[0].runs.iter().map(|run| (run.source.name.as_str(), &run.rules)).collect();
    assert!(runs.iter().all(|(_, rules)| *rules == runs[0].1), "the same rules on every run");
    let (first, others): (Vec<&String>, Vec<&String>) = made
        .package
        .files
        .keys()
        .filter(|path| path.starts_with(&rules))
        .partition(|path| path.contains("/rules/0000/"));
    assert!(others.is_empty(), "{others:?}");
    let manifest = bag::parse(&made.package.files[&inside("runs/0000/manifest-sha256.txt")]).unwrap();
    let named: Vec<String> =
        manifest.keys().filter_map(|path| Some(format!("{rules}0000/{}", path.strip_prefix("data/rules/")?))).collect();
    assert!(named.len() > 1);
    assert_eq!(named.iter().collect::<Vec<_>>(), first);
}

/// Name of the defect, how it comes about, and the file that is named. All of them exit with 3.
type Case = (&'static str, fn(&Made) -> Files, &'static str);

fn with(made: &Made, change: impl FnOnce(&mut Files)) -> Files {
    let mut files = made.package.files.clone();
    change(&mut files);
    files
}

/// One of the files that decided.
fn rule(files: &Files) -> String {
    files.keys().find(|path| path.contains("/rules/0000/checks/")).unwrap().clone()
}

fn flip(files: &mut Files, path: &str) {
    let bytes = files.get_mut(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

const CASES: &[Case] = &[
    ("period_changed", |m| with(m, |f| flip(f, PERIOD)), PERIOD),
    ("document_changed", |m| with(m, |f| flip(f, "data/documents/readme.md")), "data/documents/readme.md"),
    ("rule_changed", |m| with(m, |f| flip(f, &rule(f))), "rules/0000/checks/pod/container-privileged.yaml"),
    (
        "signed_another_rule",
        |m| sign_again(m, |f| flip(f, &rule(f))),
        "rules/0000/checks/pod/container-privileged.yaml",
    ),
    (
        "signed_without_a_rule",
        |m| sign_again(m, |f| drop(f.remove(&rule(f)))),
        "rules/0000/checks/pod/container-privileged.yaml",
    ),
    (
        "signed_one_rule_more",
        |m| sign_again(m, |f| drop(f.insert(inside("rules/0001/checks/own.yaml"), b"id: own".to_vec()))),
        "rules/0001/checks/own.yaml",
    ),
    ("objects_changed", |m| with(m, |f| flip(f, &inside("objects.parquet"))), "objects.parquet"),
    (
        "run_envelope_changed",
        |m| with(m, |f| flip(f, &inside("runs/0001/bundle.dsse.json"))),
        "runs/0001/bundle.dsse.json",
    ),
    (
        "run_manifest_missing",
        |m| with(m, |f| drop(f.remove(&inside("runs/0000/manifest-sha256.txt")))),
        "runs/0000/manifest-sha256.txt",
    ),
    ("extra_file", |m| with(m, |f| drop(f.insert("data/extra.csv".into(), vec![1]))), "data/extra.csv"),
    ("extra_file_outside", |m| with(m, |f| drop(f.insert("notes.txt".into(), vec![1]))), "notes.txt"),
    ("time_stamp_beside", |m| with(m, |f| drop(f.insert("attest/tsa/1.tsr".into(), vec![1]))), "attest/tsa/1.tsr"),
    ("manifest_changed", |m| with(m, |f| flip(f, bag::MANIFEST)), bag::MANIFEST),
    ("envelope_missing", |m| with(m, |f| drop(f.remove(ENVELOPE))), ENVELOPE),
    ("sigstore_changed", |m| with(m, |f| flip(f, sigstore::FILE)), sigstore::FILE),
    ("bag_info_changed", |m| with(m, |f| flip(f, bag::BAG_INFO)), bag::BAG_INFO),
    // Signed again by the trusted key: what the package says is held against what its runs signed.
    (
        "signed_other_count_of_a_run",
        |m| say(m, |p| p["clusters"][0]["runs"][1]["counts"]["fail"] = 0.into()),
        "runs/0001/bundle.dsse.json",
    ),
    (
        "signed_other_time_of_a_run",
        |m| say(m, |p| p["clusters"][0]["runs"][1]["finished"] = "2026-10-02T07:00:00Z".into()),
        "runs/0001/bundle.dsse.json",
    ),
    (
        "signed_other_log_index",
        |m| say(m, |p| p["clusters"][0]["runs"][2]["index"] = 7.into()),
        "runs/0002/commit.tlog-proof",
    ),
    ("signed_a_run_less", |m| say(m, |p| drop(p["clusters"][0]["runs"].as_array_mut().unwrap().pop())), PERIOD),
    (
        "signed_a_better_status",
        |m| say(m, |p| p["clusters"][0]["requirements"][0]["statuses"][1] = "pass".into()),
        PERIOD,
    ),
    (
        "signed_a_better_sentence",
        |m| {
            say(m, |p| {
                p["clusters"][0]["requirements"][0]["effectiveness"]["sentence"] = "no exception".into();
            })
        },
        PERIOD,
    ),
    ("signed_no_exceptions", |m| say(m, |p| p["clusters"][0]["exceptions"] = Value::Array(vec![])), PERIOD),
    (
        "signed_fewer_exceptions_than_a_run_counted",
        |m| {
            say(m, |p| {
                let cluster = &mut p["clusters"][0];
                (cluster["exceptions"], cluster["repairTimes"]) = (Value::Array(vec![]), Value::Array(vec![]));
                cluster["requirements"][0]["exceptions"] = Value::Array(vec![]);
                let bridge = &mut cluster["controlTotals"][1]["bridge"];
                (bridge["exceptions"], bridge["expected"]) = (0.into(), 1.into());
            })
        },
        PERIOD,
    ),
    (
        "signed_that_only_people_answer_a_row",
        |m| say(m, |p| p["clusters"][0]["requirements"][0]["effectiveness"] = Value::Null),
        PERIOD,
    ),
    (
        "signed_another_time_to_repair",
        |m| say(m, |p| p["clusters"][0]["exceptions"][0]["duration"]["atMostSeconds"] = 60.into()),
        PERIOD,
    ),
    (
        "signed_a_waiver_over_no_run",
        |m| {
            say(m, |p| {
                let waiver = serde_json::json!([{"id": "W-99", "first": 2, "last": 1}]);
                p["clusters"][0]["exceptions"][0]["waivers"] = waiver;
            })
        },
        PERIOD,
    ),
    (
        "signed_runs_without_number",
        |m| say(m, |p| p["clusters"][0]["exceptions"][0]["lastSeen"] = u32::MAX.into()),
        PERIOD,
    ),
    ("signed_days_of_no_calendar", |m| say(m, |p| p["from"] = "-262143-01-01".into()), PERIOD),
    (
        "signed_a_framework_twice",
        |m| {
            say(m, |p| {
                let first = p["frameworks"][0].clone();
                p["frameworks"].as_array_mut().unwrap().push(first);
            })
        },
        PERIOD,
    ),
    ("signed_no_control_totals", |m| say(m, |p| p["clusters"][0]["controlTotals"] = Value::Array(vec![])), PERIOD),
    (
        "envelope_too_large",
        |m| {
            with(m, |f| {
                let zeros = vec!["0"; 5 << 20].join(",");
                f.insert(ENVELOPE.into(), format!("{{\"payload\":[{zeros}]}}").into_bytes());
            })
        },
        ENVELOPE,
    ),
    (
        "signed_a_citation_of_nothing",
        |m| {
            say(m, |p| {
                let digest = Digest::of("nothing").to_string();
                p["clusters"][0]["exceptions"][0]["evidence"][0]["digest"] = digest.into();
            })
        },
        "objects.parquet",
    ),
    (
        "signed_an_exception_out_of_its_place",
        |m| say(m, |p| p["clusters"][0]["exceptions"][0]["id"] = "X-0002".into()),
        PERIOD,
    ),
    (
        "signed_a_requirement_without_its_exceptions",
        |m| say(m, |p| p["clusters"][0]["requirements"][0]["exceptions"] = Value::Array(vec![])),
        PERIOD,
    ),
    (
        "signed_an_exception_that_counts_for_nothing",
        |m| say(m, |p| p["clusters"][0]["exceptions"][0]["requirements"] = Value::Array(vec![])),
        PERIOD,
    ),
    (
        "signed_other_exceptions_of_a_run",
        |m| say(m, |p| p["clusters"][0]["controlTotals"][1]["bridge"]["exceptions"] = 0.into()),
        PERIOD,
    ),
    (
        "signed_failures_as_left_out_of_a_whole_package",
        |m| {
            say(m, |p| {
                let bridge = &mut p["clusters"][0]["controlTotals"][0]["bridge"];
                (bridge["leftOut"], p["clusters"][0]["controlTotals"][0]["failures"]) = (1.into(), 1.into());
            })
        },
        PERIOD,
    ),
    (
        "signed_failures_that_nothing_accounts_for",
        |m| say(m, |p| p["clusters"][0]["controlTotals"][1]["failures"] = 2.into()),
        PERIOD,
    ),
    (
        "signed_that_a_text_is_left_out",
        |m| say(m, |p| p["clusters"][0]["withheld"] = vec![Digest::of("nothing").to_string()].into()),
        "objects.parquet",
    ),
    (
        "signed_the_manifest_of_another_run",
        |m| {
            sign_again(m, |f| {
                let other = f[&inside("runs/0000/manifest-sha256.txt")].clone();
                f.insert(inside("runs/0001/manifest-sha256.txt"), other);
            })
        },
        "runs/0001/manifest-sha256.txt",
    ),
    (
        "signed_the_commit_of_another_run",
        |m| {
            sign_again(m, |f| {
                let other = f[&inside("runs/0000/commit.tlog-proof")].clone();
                f.insert(inside("runs/0001/commit.tlog-proof"), other);
            })
        },
        "runs/0001/commit.tlog-proof",
    ),
    (
        "signed_a_run_by_a_stranger",
        |m| {
            sign_again(m, |f| {
                let path = inside("runs/0001/bundle.dsse.json");
                let payload = Envelope::parse(&f[&path]).unwrap().claimed().to_vec();
                let forged = Envelope::sign(payload, &SigningKey::from_seed([9; 32]));
                f.insert(path, forged.to_bytes().unwrap());
            })
        },
        "runs/0001/bundle.dsse.json",
    ),
    (
        "signed_a_file_that_nothing_names",
        |m| sign_again(m, |f| drop(f.insert("data/attested/00.pdf".into(), vec![1]))),
        "data/attested/00.pdf",
    ),
    (
        "signed_a_pdf_without_root",
        |m| sign_again(m, |f| drop(f.insert("data/documents/x.pdf".into(), b"%PDF-1.7".to_vec()))),
        "data/documents/x.pdf",
    ),
    ("signed_a_period_that_is_none", |m| sign_again(m, |f| drop(f.insert(PERIOD.into(), b"{}".to_vec()))), PERIOD),
];

#[test]
fn every_defect_is_named_with_its_file() {
    let made = made();
    for (name, spoil, file) in CASES {
        let files = spoil(&made);
        assert!(files != made.package.files, "{name} changes nothing");
        let (code, said) = judged(&files, &[]);
        let failed: Vec<&str> = said["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|step| step["ok"] == false)
            .filter_map(|step| step["subject"].as_str())
            .collect();
        assert_eq!(code, 3, "{name}: {said:#}");
        assert!(failed.iter().any(|subject| subject.ends_with(file)), "{name}: {failed:?} does not name {file}");
    }
}

#[test]
fn another_key_is_untrusted_and_a_bundle_is_no_package() {
    let made = made();
    let statement = Envelope::parse(&made.package.files[ENVELOPE]).unwrap().claimed().to_vec();
    let stranger = SigningKey::from_seed([9; 32]);
    let forged = Envelope::sign(statement, &stranger);
    let mut files = made.package.files.clone();
    files.insert(ENVELOPE.into(), forged.to_bytes().unwrap());
    files.insert(sigstore::FILE.into(), sigstore::derive(&forged, &stranger.public()).unwrap());
    assert_eq!(judged(&files, &[]).0, 4);

    // A package's envelope over a run's files, and the other way round: neither passes for what it is not.
    let bundle = Day::new("2026-10-01T06:00:00Z").seal();
    let mut mixed: Files = bundle.files.iter().map(|(path, bytes)| (path.clone(), bytes.to_vec())).collect();
    mixed.insert(ENVELOPE.into(), made.package.files[ENVELOPE].clone());
    assert_eq!(judged(&mixed, &[]).0, 3);
    let mut mixed = made.package.files.clone();
    mixed.insert(ENVELOPE.into(), bundle.files[ENVELOPE].to_vec());
    assert_eq!(judged(&mixed, &[]).0, 3);
}

/// The commands that the package's readme prints, as they stand there, in a shell that goes on after failures; `signing.pub`
/// lies beside the package.
fn by_hand(package: &Path, key: &str) -> Result<String, String> {
    fs::write(package.parent().unwrap().join("signing.pub"), key).unwrap();
    let readme = fs::read_to_string(package.join("data/documents/readme.md")).unwrap();
    typed(&readme, "in the package's folder:\n\n", package)
}

/// The commands of a readme that stand after these words, in the package's folder.
pub fn typed(readme: &str, after: &str, package: &Path) -> Result<String, String> {
    let (_, after) = readme.split_once(&format!("{after}```\n")).unwrap();
    let (commands, _) = after.split_once("```").unwrap();
    assert!(commands.lines().all(|line| line.len() <= 90), "wider than a page: {commands}");
    assert!(!commands.contains("  "), "two spaces are not kept by a PDF: {commands}");
    tools::run(Command::new("bash").arg("-c").arg(format!("set +e\n{commands}")).current_dir(package))
}

#[test]
fn the_readmes_commands_prove_it_without_kubeproof() {
    let made = made();
    let key = keys().signing.public().to_pem().unwrap();
    let try_with = |key: &str, change: &dyn Fn(&mut Files)| {
        let folder = TempDir::with_prefix("kubeproof-package-").unwrap();
        let package = folder.path().join("q4");
        write(&package, &with(&made, change));
        by_hand(&package, key)
    };
    let said = try_with(&key, &|_| {}).unwrap();
    assert!(said.ends_with(&format!("VERIFIED {}\n", made.package.root.hex())), "{said}");
    assert!(said.starts_with(&format!("{}  -\n", keys().signing.public().digest().hex())), "{said}");
    try_with(&key, &|files| flip(files, PERIOD)).unwrap_err();
    try_with(&key, &|files| flip(files, bag::MANIFEST)).unwrap_err();
    for extra in ["data/more.txt", "more.txt", "attest/tsa/1.tsr", "fetch.txt"] {
        try_with(&key, &|files| drop(files.insert(extra.into(), Vec::new()))).unwrap_err();
    }
    try_with(&SigningKey::from_seed([9; 32]).public().to_pem().unwrap(), &|_| {}).unwrap_err();
}
