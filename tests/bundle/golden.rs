//! One honest bundle: its bytes do not change unnoticed, and it verifies.

use kubeproof::{
    bundle::{
        bag, envelope,
        verify::{self, LogFiles, Options, Trust, Verdict, read},
    },
    clock::rfc3339,
};

use super::draft::{Draft, keys, signed, verify as run_verify};
use crate::harness::plain;

#[test]
fn the_same_inputs_give_the_same_bundle() {
    let (one, two) = (signed(0), signed(0));
    assert_eq!(one.id, two.id);
    assert_eq!(one.files, two.files);
    assert_ne!(one.id, signed(1).id);
}

/// The stored forms are a contract: a change here is a change of the format.
#[test]
fn the_stored_forms_are_as_published() {
    let draft = Draft::honest();
    insta::assert_snapshot!("bag_info", draft.text(bag::BAG_INFO));
    insta::assert_snapshot!("manifest", draft.text(bag::MANIFEST));
    insta::assert_snapshot!("envelope", draft.text(envelope::FILE));
    insta::assert_snapshot!("commit", String::from_utf8(draft.log["0000000002.tlog-proof"].clone()).unwrap());
    let statement: serde_json::Value = serde_json::from_slice(&draft.statement()).unwrap();
    insta::assert_json_snapshot!("statement", statement);
}

#[test]
fn an_honest_bundle_is_verified_and_says_what_stays_open() {
    let (exit, report) = Draft::honest().write().verify();
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(report["result"], "verified");
    assert_eq!(report["shown"]["authentic"], true);
    assert_eq!(report["shown"]["included"], true);
    assert_eq!(report["shown"]["anchored"], false);
    assert_eq!(report["bundle"]["index"], 2);
    assert_eq!(report["bundle"]["unseen"], 1);
    assert!(report["open"].to_string().contains("rollback not excluded"), "{report:#}");
}

#[test]
fn people_read_it_in_eighty_columns() {
    let draft = Draft::honest();
    let written = draft.write();
    let folder = tempfile::tempdir().unwrap();
    let key = super::draft::key_file(folder.path());
    let output = run_verify(&written.get, Some(&key), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    insta::assert_snapshot!("verified_text", text);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn without_a_key_the_next_command_is_named() {
    let mut draft = Draft::honest();
    draft.key = None;
    let written = draft.write();
    let output = run_verify(&written.get, None, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(text.starts_with("UNTRUSTED"), "{text}");
    assert!(text.contains(&keys().signing.public().digest().hex()), "{text}");
    assert!(text.contains(&format!("kubeproof verify {} --key signing.pub", written.get.display())), "{text}");
}

#[test]
fn a_folder_that_is_no_bundle_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing")] {
        let output = run_verify(&path, None, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", path.display());
        assert!(output.stdout.is_empty());
    }
}

/// Files are read once: what is swapped on the disk afterwards is neither believed nor copied.
#[test]
fn file_swapped_after_hash() {
    let written = Draft::honest().write();
    let read::Found::Bundle { name, files, log } = read::open(&written.get).unwrap() else { panic!("one bundle") };
    let original = files.files["data/findings.csv"].clone();
    std::fs::write(written.get.join("bundle/data/findings.csv"), "swapped").unwrap();
    let options = Options::at("2026-11-23T07:00:00Z".parse().unwrap());
    let trust = Trust::Key(keys().signing.public());
    let (verification, verified) = verify::bundle(&name, files, &log, &trust, &options);
    assert_eq!(verification.result, Verdict::Verified, "the bytes that were read are the signed ones");
    let verified = verified.unwrap();
    let copy = written.get.join("copy");
    verify::copy::write(&copy, &verified, &log).unwrap();
    assert_eq!(std::fs::read(copy.join("bundle/data/findings.csv")).unwrap(), original);
    assert_eq!(rfc3339(verified.predicate().run.finished), "2026-11-23T06:00:04Z");

    let (exit, report) = written.verify();
    assert_eq!(exit, 3);
    assert!(report["steps"].to_string().contains("data/findings.csv"), "{report:#}");
}

#[test]
fn a_verified_copy_verifies_again_and_an_unverified_one_is_not_written() {
    let mut draft = Draft::honest();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("copy");
    draft.arguments = vec!["--out".to_owned(), out.display().to_string()];
    assert_eq!(draft.write().verify().0, 0);
    let key = super::draft::key_file(place.path());
    assert_eq!(run_verify(&out, Some(&key), &[]).status.code(), Some(0));

    draft.put("data/findings.csv", "changed");
    let out = place.path().join("bad");
    draft.arguments = vec!["--out".to_owned(), out.display().to_string()];
    assert_eq!(draft.write().verify().0, 3);
    assert!(!out.exists());
}

#[test]
fn the_verified_type_needs_inclusion() {
    let bundle = signed(0);
    let options = Options::at("2026-11-23T07:00:00Z".parse().unwrap());
    let trust = Trust::Key(keys().signing.public());
    let (verification, verified) =
        verify::bundle("b", plain(&bundle.files).into(), &LogFiles::default(), &trust, &options);
    assert_eq!(verification.result, Verdict::Incomplete);
    assert!(verified.is_none(), "a bundle outside the log is never a baseline");
}

/// A changed length changes the bag's counts too: only the file that was changed is blamed.
#[test]
fn a_longer_file_is_blamed_alone() {
    let mut draft = Draft::honest();
    draft.put("data/findings.csv", "id,check\nx,y\n");
    let (_, report) = draft.write().verify();
    let failed: Vec<&serde_json::Value> =
        report["steps"].as_array().unwrap().iter().filter(|step| step["ok"] == false).collect();
    assert!(failed.len() == 1 && failed[0]["subject"] == "data/findings.csv", "{report:#}");
}
