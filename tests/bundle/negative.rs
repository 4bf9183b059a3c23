//! Bundles named for their defect: each refused with the right exit code and the file named.

use std::{fs, os::unix, path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubeproof::bundle::{
    Commit, Leaf, LogKey, SigningKey, bag,
    envelope::{self, Envelope},
    log, sigstore,
};
use serde_json::{Value, json};

use super::draft::{Draft, ORIGIN, PDF, chain, evidence, keys, pdf, signed};
use crate::harness::plain;

/// Name of the defect, how it comes about, the exit code, and the file or thing that is named.
type Case = (&'static str, fn(&mut Draft), i32, &'static str);

const ENVELOPE: &str = envelope::FILE;
const MANIFEST: &str = bag::MANIFEST;
const COMMIT: &str = "log/0000000002.tlog-proof";

const FILES: &[Case] = &[
    ("manifest_extra_file", |d| d.put("data/extra.csv", "x"), 3, "data/extra.csv"),
    ("extra_file_beside_data", |d| d.put("notes.txt", "x"), 3, "notes.txt"),
    ("fetch_txt_present", |d| d.put("fetch.txt", "https://example.com 3 data/findings.csv\n"), 3, "fetch.txt"),
    ("second_manifest", |d| d.put("manifest-md5.txt", "x"), 3, "manifest-md5.txt"),
    ("extra_attestation", |d| d.put("attest/other.dsse.json", "{}"), 3, "attest/other.dsse.json"),
    ("file_missing", |d| drop(d.files.remove("data/findings.csv")), 3, "data/findings.csv"),
    ("envelope_missing", |d| drop(d.files.remove(ENVELOPE)), 3, ENVELOPE),
    ("manifest_missing", |d| drop(d.files.remove(MANIFEST)), 3, MANIFEST),
    ("sigstore_missing", |d| drop(d.files.remove(sigstore::FILE)), 3, sigstore::FILE),
    ("case_collision", |d| d.put("data/Findings.csv", "id,check\n"), 3, "data/findings.csv"),
    ("name_outside_ascii", |d| d.put("data/fi\u{f1}dings.csv", "x"), 3, "data/fi\u{f1}dings.csv"),
    ("name_with_space", |d| d.put("data/find ings.csv", "x"), 3, "data/find ings.csv"),
    ("time_stamp_number_with_zero", |d| d.put("attest/tsa/01.tsr", "x"), 3, "attest/tsa/01.tsr"),
    (
        "symlink_in_data",
        |d| {
            d.on_disk = Some(|get| {
                let file = get.join("bundle/data/findings.csv");
                fs::rename(&file, get.join("elsewhere.csv")).unwrap();
                unix::fs::symlink(get.join("elsewhere.csv"), file).unwrap();
            });
        },
        3,
        "data/findings.csv",
    ),
    (
        "symlinked_folder",
        |d| {
            d.on_disk = Some(|get| {
                fs::rename(get.join("bundle/data/rules"), get.join("elsewhere")).unwrap();
                unix::fs::symlink(get.join("elsewhere"), get.join("bundle/data/rules")).unwrap();
            });
        },
        3,
        "data/rules",
    ),
    ("fifo_in_data", |d| d.on_disk = Some(|get| make_fifo(&get.join("bundle/data/pipe"))), 3, "data/pipe"),
    (
        "file_is_a_folder",
        |d| {
            d.on_disk = Some(|get| {
                fs::remove_file(get.join("bundle/data/findings.csv")).unwrap();
                fs::create_dir(get.join("bundle/data/findings.csv")).unwrap();
            });
        },
        3,
        "data/findings.csv",
    ),
];

const ENVELOPES: &[Case] = &[
    ("sig_truncated", |d| d.envelope(|e| e["signatures"][0]["sig"] = json!(STANDARD.encode([7; 63]))), 3, ENVELOPE),
    ("sig_empty", |d| d.envelope(|e| e["signatures"][0]["sig"] = json!("")), 3, ENVELOPE),
    (
        "sig_of_another_bundle",
        |d| {
            let other: Value = serde_json::from_slice(&signed(1).files[ENVELOPE]).unwrap();
            d.envelope(|e| e["signatures"] = other["signatures"].clone());
        },
        3,
        ENVELOPE,
    ),
    (
        "two_signatures",
        |d| d.envelope(|e| e["signatures"] = json!([e["signatures"][0], e["signatures"][0]])),
        3,
        ENVELOPE,
    ),
    ("no_signature", |d| d.envelope(|e| e["signatures"] = json!([])), 3, ENVELOPE),
    ("payload_type_other", |d| d.envelope(|e| e["payloadType"] = json!("application/json")), 3, ENVELOPE),
    (
        "payload_changed",
        |d| {
            let statement = String::from_utf8(d.statement()).unwrap().replace("\"fail\":1", "\"fail\":0");
            d.envelope(|e| e["payload"] = json!(STANDARD.encode(statement)));
        },
        3,
        ENVELOPE,
    ),
    ("base64_garbage", |d| d.envelope(|e| e["payload"] = json!("!!!!")), 3, ENVELOPE),
    (
        "base64_trailing_bits",
        |d| {
            d.envelope(|e| {
                let sig = e["signatures"][0]["sig"].as_str().unwrap().replace("==", "");
                let last = if sig.ends_with('A') { "B" } else { "A" };
                e["signatures"][0]["sig"] = json!(format!("{}{last}==", &sig[..sig.len() - 1]));
            });
        },
        3,
        ENVELOPE,
    ),
    ("envelope_unknown_field", |d| d.envelope(|e| e["note"] = json!("x")), 3, ENVELOPE),
    (
        "envelope_duplicate_key",
        |d| {
            let text = d.text(ENVELOPE).replacen('{', "{\"payloadType\":\"application/vnd.in-toto+json\",", 1);
            d.put(ENVELOPE, text);
        },
        3,
        ENVELOPE,
    ),
    ("envelope_not_json", |d| d.put(ENVELOPE, "not JSON"), 3, ENVELOPE),
    ("envelope_nested_deep", |d| d.put(ENVELOPE, "[".repeat(100_000)), 3, ENVELOPE),
    (
        "keyid_of_another_key",
        |d| {
            d.envelope(|e| e["signatures"][0]["keyid"] = json!("00".repeat(32)));
            rederive(d);
        },
        3,
        ENVELOPE,
    ),
    (
        "signed_by_another_key",
        |d| {
            let envelope = Envelope::sign(d.statement(), &SigningKey::from_seed([9; 32]));
            d.put(ENVELOPE, envelope.to_bytes().unwrap());
        },
        4,
        ENVELOPE,
    ),
    ("no_key", |d| d.key = None, 4, ENVELOPE),
    ("key_of_another_signer", |d| d.key = Some(SigningKey::from_seed([9; 32]).public().to_pem().unwrap()), 4, ENVELOPE),
    (
        "no_key_and_changed",
        |d| {
            d.key = None;
            d.put("data/findings.csv", "changed");
        },
        3,
        "data/findings.csv",
    ),
];

const STATEMENTS: &[Case] = &[
    (
        "statement_duplicate_key",
        |d| {
            let text = String::from_utf8(d.statement()).unwrap();
            d.sign(text.replacen('{', "{\"predicateType\":\"https://kubeproof.dev/evidence/v1\",", 1).into_bytes());
        },
        3,
        ENVELOPE,
    ),
    (
        "subject_duplicate_name",
        |d| {
            d.sign_statement(|s| s["subject"] = json!([s["subject"][0], s["subject"][0], s["subject"][1]]));
        },
        3,
        ENVELOPE,
    ),
    ("subject_pdf_missing", |d| d.sign_statement(|s| s["subject"] = json!([s["subject"][0]])), 3, ENVELOPE),
    ("subject_two_digests", |d| d.sign_statement(|s| s["subject"][0]["digest"]["md5"] = json!("00")), 3, ENVELOPE),
    ("statement_extra_field", |d| d.sign_statement(|s| s["extra"] = json!(1)), 3, ENVELOPE),
    (
        "statement_type_other",
        |d| d.sign_statement(|s| s["_type"] = json!("https://in-toto.io/Statement/v0.1")),
        3,
        ENVELOPE,
    ),
    (
        "predicate_type_other",
        |d| d.sign_statement(|s| s["predicateType"] = json!("https://slsa.dev/provenance/v1")),
        3,
        ENVELOPE,
    ),
    (
        "predicate_from_the_future",
        |d| {
            d.sign_statement(|s| s["predicateType"] = json!("https://kubeproof.dev/evidence/v2"));
        },
        4,
        ENVELOPE,
    ),
    ("statement_not_json", |d| d.sign(b"not JSON".to_vec()), 3, ENVELOPE),
    ("cluster_other", |d| d.arguments = vec!["--cluster".into(), "bank".into()], 4, ENVELOPE),
    (
        "log_origin_of_another_cluster",
        |d| {
            d.sign_statement(|s| s["predicate"]["log"]["origin"] = json!("kubeproof.dev/log/bank-00000000"));
        },
        3,
        ENVELOPE,
    ),
    (
        "log_key_is_signing_key",
        |d| {
            d.sign_statement(|s| s["predicate"]["log"]["publicKey"] = json!(keys().signing.public().to_pem().unwrap()));
        },
        3,
        ENVELOPE,
    ),
    ("log_key_garbage", |d| d.sign_statement(|s| s["predicate"]["log"]["publicKey"] = json!("garbage")), 3, ENVELOPE),
];

const MANIFESTS: &[Case] = &[
    (
        "manifest_swapped_envelope_kept",
        |d| {
            let other = plain(&signed(1).files);
            d.files.extend(other.into_iter().filter(|(path, _)| !path.starts_with("attest/")));
        },
        3,
        MANIFEST,
    ),
    ("file_changed", |d| d.put("data/findings.csv", "id,check\nx,y\n"), 3, "data/findings.csv"),
    ("file_emptied", |d| d.put("data/rules/scope.yaml", ""), 3, "data/rules/scope.yaml"),
    (
        "manifest_unsorted",
        |d| {
            let text = d.text(MANIFEST);
            let (first, rest) = text.split_once('\n').unwrap();
            d.sign_manifest(format!("{rest}{first}\n"));
        },
        3,
        MANIFEST,
    ),
    (
        "manifest_line_twice",
        |d| {
            let text = d.text(MANIFEST);
            let first = text.lines().next().unwrap();
            d.sign_manifest(format!("{first}\n{text}"));
        },
        3,
        MANIFEST,
    ),
    ("manifest_upper_case_digest", |d| d.sign_manifest(d.text(MANIFEST).replace(['a', 'b'], "A")), 3, MANIFEST),
    ("manifest_carriage_returns", |d| d.sign_manifest(d.text(MANIFEST).replace('\n', "\r\n")), 3, MANIFEST),
    (
        "manifest_path_escapes",
        |d| {
            d.sign_manifest(format!("{}  data/../evil\n{}", "0".repeat(64), d.text(MANIFEST)));
        },
        3,
        MANIFEST,
    ),
    (
        "manifest_path_absolute",
        |d| {
            d.sign_manifest(format!("{}  /etc/passwd\n{}", "0".repeat(64), d.text(MANIFEST)));
        },
        3,
        MANIFEST,
    ),
    ("manifest_without_last_newline", |d| d.sign_manifest(d.text(MANIFEST).trim_end().to_owned()), 3, MANIFEST),
    (
        "bagit_encoding_latin1",
        |d| {
            d.put(bag::BAGIT, "BagIt-Version: 1.0\nTag-File-Character-Encoding: ISO-8859-1\n");
        },
        3,
        bag::BAGIT,
    ),
    (
        "bag_info_rewritten",
        |d| d.put(bag::BAG_INFO, d.text(bag::BAG_INFO).replace("2026-11-23", "2026-11-24")),
        3,
        bag::BAG_INFO,
    ),
    (
        "tagmanifest_rewritten",
        |d| {
            let text = d.text(bag::TAG_MANIFEST).lines().skip(1).map(|l| format!("{l}\n")).collect::<String>();
            d.put(bag::TAG_MANIFEST, text);
        },
        3,
        bag::TAG_MANIFEST,
    ),
    (
        "sigstore_rewritten",
        |d| d.put(sigstore::FILE, d.text(sigstore::FILE).replace("v0.3", "v0.2")),
        3,
        sigstore::FILE,
    ),
    (
        "sigstore_of_another_bundle",
        |d| {
            let other = signed(1).files[sigstore::FILE].clone();
            d.put(sigstore::FILE, other);
        },
        3,
        sigstore::FILE,
    ),
];

/// Signed by the trusted key, yet wrong among themselves.
const CONTENTS: &[Case] = &[
    ("jcs_int_2_53_plus_1", |d| d.sign_with("data/drift.json", r#"{"run":9007199254740993}"#), 3, "data/drift.json"),
    ("json_duplicate_key", |d| d.sign_with("data/drift.json", r#"{"run":1,"run":2}"#), 3, "data/drift.json"),
    ("json_not_canonical", |d| d.sign_with("data/drift.json", r#"{"run": 1}"#), 3, "data/drift.json"),
    ("json_keys_unsorted", |d| d.sign_with("data/drift.json", r#"{"b":1,"a":1}"#), 3, "data/drift.json"),
    ("json_with_byte_order_mark", |d| d.sign_with("data/drift.json", "\u{feff}{}"), 3, "data/drift.json"),
    (
        "coverage_hides_a_refusal",
        |d| {
            let text = d
                .text("data/coverage.json")
                .replace(r#"{"is":"refused","reason":"Forbidden","status":403}"#, r#"{"is":"seen"}"#);
            d.sign_with("data/coverage.json", text);
        },
        3,
        "data/coverage.json",
    ),
    (
        "coverage_of_another_caller",
        |d| {
            let text = d.text("data/coverage.json").replace("\"username\":\"kubeproof\"", "\"username\":\"admin\"");
            d.sign_with("data/coverage.json", text);
        },
        3,
        "data/coverage.json",
    ),
    (
        "counts_differ",
        |d| {
            let text = d.text("data/evaluation.json").replace("\"fail\":1", "\"fail\":0");
            d.sign_with("data/evaluation.json", text);
        },
        3,
        "data/evaluation.json",
    ),
    (
        "engine_differs",
        |d| {
            let text = d.text("data/evaluation.json").replace(env!("CARGO_PKG_VERSION"), "9.9.9");
            d.sign_with("data/evaluation.json", text);
        },
        3,
        "data/evaluation.json",
    ),
    (
        "evaluation_missing",
        |d| {
            d.files.remove("data/evaluation.json");
            d.renew_pdf();
            d.sign_data();
        },
        3,
        "data/evaluation.json",
    ),
    (
        "evidence_root_of_another_run",
        |d| {
            let other = bag::evidence_root(&evidence(7));
            d.sign_statement(|s| s["predicate"]["evidenceRoot"] = json!(other));
        },
        3,
        MANIFEST,
    ),
    (
        "rules_not_those_of_the_statement",
        |d| {
            d.sign_statement(|s| s["predicate"]["rules"]["declared"] = json!({}));
        },
        3,
        "data/rules/",
    ),
    (
        "pdf_from_other_run",
        |d| {
            let other = signed(1).files[PDF].clone();
            d.put(PDF, other);
            d.sign_data();
        },
        3,
        PDF,
    ),
    (
        "pdf_without_evidence_root",
        |d| {
            let text =
                String::from_utf8_lossy(&pdf(b"")).replace("evidence-root.txt", "evidence-boot.txt").into_bytes();
            d.put(PDF, text);
            d.sign_data();
        },
        3,
        PDF,
    ),
    (
        "pdf_with_words_for_a_root",
        |d| {
            d.put(PDF, pdf(b"trust me"));
            d.sign_data();
        },
        3,
        PDF,
    ),
    (
        "pdf_garbage",
        |d| {
            d.put(PDF, "%PDF-1.7 garbage");
            d.sign_data();
        },
        3,
        PDF,
    ),
];

const LOGS: &[Case] = &[
    ("log_missing", |d| d.log.clear(), 5, "log/"),
    ("entry_missing", |d| drop(d.log.remove("0000000002.tlog-proof")), 5, "bundle"),
    (
        "tlog_proof_other_origin",
        |d| {
            let leaf = signed(2).leaf;
            let other = Commit::first(leaf, "kubeproof.dev/log/bank-00000000", &keys().log);
            d.log = [("0000000002.tlog-proof".to_owned(), other.bytes().to_vec())].into();
        },
        5,
        COMMIT,
    ),
    (
        "tlog_proof_other_key",
        |d| {
            let other = Commit::first(signed(2).leaf, ORIGIN, &LogKey::from_seed([9; 32]));
            d.log = [("0000000002.tlog-proof".to_owned(), other.bytes().to_vec())].into();
        },
        5,
        COMMIT,
    ),
    ("tlog_proof_of_another_bundle", |d| d.commit(signed(7).leaf), 5, "bundle"),
    (
        "tlog_proof_signature_swapped",
        |d| {
            let entry = signed(2).leaf.as_bundle().unwrap().clone();
            d.commit(Leaf::bundle(entry.pae, kubeproof::digest::Digest([0; 32]), &[]).unwrap());
        },
        5,
        "bundle",
    ),
    (
        "commit_slot_squatted",
        |d| {
            let last = d.log.remove("0000000002.tlog-proof").unwrap();
            d.log.insert("0000000002.tlog-proof".to_owned(), b"squatted".to_vec());
            d.log.insert("0000000003.tlog-proof".to_owned(), last);
        },
        5,
        COMMIT,
    ),
    (
        "commit_name_outside_the_grammar",
        |d| {
            let bytes = d.log["0000000002.tlog-proof"].clone();
            d.log.insert("2.tlog-proof".to_owned(), bytes);
        },
        5,
        "log/2.tlog-proof",
    ),
    (
        "leaf_replaced",
        |d| {
            commit_text(d, |text| {
                let extra = text.lines().nth(1).unwrap();
                text.replace(extra, &format!("extra {}", STANDARD.encode(signed(5).leaf.bytes())))
            })
        },
        5,
        COMMIT,
    ),
    (
        "proof_hash_changed",
        |d| {
            commit_text(d, |text| {
                let hash = text.lines().nth(3).unwrap();
                text.replacen(hash, &STANDARD.encode([0; 32]), 1)
            })
        },
        5,
        COMMIT,
    ),
    (
        "proof_hash_added",
        |d| commit_text(d, |text| text.replacen("\n\n", &format!("\n{}\n\n", STANDARD.encode([0; 32])), 1)),
        5,
        COMMIT,
    ),
    ("index_changed", |d| commit_text(d, |text| text.replace("index 2", "index 1")), 5, COMMIT),
    (
        "checkpoint_size_changed",
        |d| commit_text(d, |text| text.replace(&format!("{ORIGIN}\n3\n"), &format!("{ORIGIN}\n4\n"))),
        5,
        COMMIT,
    ),
    ("checkpoint_unsigned", |d| commit_text(d, |text| text[..text.find('\u{2014}').unwrap()].to_owned()), 5, COMMIT),
    (
        "history_forked",
        |d| {
            let other = chain([signed(3).leaf, signed(1).leaf, signed(2).leaf]).pop().unwrap();
            d.log.insert(log::commit_file(3), other.bytes().to_vec());
        },
        3,
        "log/0000000003.tlog-proof",
    ),
    ("time_stamp_not_in_the_log", |d| d.put("attest/tsa/1.tsr", "a response"), 3, "attest/tsa/1.tsr"),
    (
        "time_stamp_missing",
        |d| {
            let entry = signed(2).leaf.as_bundle().unwrap().clone();
            d.commit(Leaf::bundle(entry.pae, entry.sig, &[kubeproof::digest::Digest([0; 32])]).unwrap());
        },
        5,
        "bundle",
    ),
    ("too_old", |d| d.arguments = vec!["--max-age".into(), "30m".into()], 6, "newest bundle"),
];

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The Sigstore copy of the envelope as it is now, so that the envelope alone is at fault.
fn rederive(draft: &mut Draft) {
    let envelope = Envelope::parse(&draft.files[ENVELOPE]).unwrap();
    draft.put(sigstore::FILE, sigstore::derive(&envelope, &keys().signing.public()).unwrap());
}

fn commit_text(draft: &mut Draft, change: impl Fn(&str) -> String) {
    let bytes = draft.log.get_mut("0000000002.tlog-proof").unwrap();
    let changed = change(std::str::from_utf8(bytes).unwrap());
    assert_ne!(changed.as_bytes(), bytes.as_slice(), "the defect is there");
    *bytes = changed.into_bytes();
}

fn check(cases: &[Case]) {
    let mut wrong = Vec::new();
    for (name, spoil, expected, subject) in cases {
        let mut draft = Draft::honest();
        spoil(&mut draft);
        let (exit, report) = draft.write().verify();
        let steps = report["steps"].as_array().cloned().unwrap_or_default();
        let named =
            steps.iter().any(|step| step["ok"] == false && step["subject"].as_str().unwrap().ends_with(subject));
        let one_line = steps.iter().all(|step| !step["detail"].as_str().unwrap().contains('\n'));
        if exit != *expected || !named || !one_line {
            wrong.push(format!("{name}: exit {exit}, expected {expected} naming {subject}: {report:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_out_of_place() {
    check(FILES);
}

#[test]
fn envelopes() {
    check(ENVELOPES);
}

#[test]
fn statements() {
    check(STATEMENTS);
}

#[test]
fn manifests() {
    check(MANIFESTS);
}

#[test]
fn contents() {
    check(CONTENTS);
}

#[test]
fn logs() {
    check(LOGS);
}

/// A small-order key verifies a forged signature over anything, so it is refused before it is used.
#[test]
fn key_small_order() {
    let mut draft = Draft::honest();
    let identity =
        [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 0x01][..], &[0; 31]].concat();
    draft.key = Some(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(identity)));
    let mut signature = [0; 64];
    signature[0] = 1;
    draft.envelope(|e| e["signatures"][0]["sig"] = json!(STANDARD.encode(signature)));
    let (exit, report) = draft.write().verify();
    assert_eq!((exit, report), (4, Value::Null), "refused as a key, before anything is judged with it");
}

#[test]
fn every_defect_has_a_name_of_its_own() {
    let names: Vec<&str> =
        [FILES, ENVELOPES, STATEMENTS, MANIFESTS, CONTENTS, LOGS].concat().iter().map(|c| c.0).collect();
    let unique: std::collections::BTreeSet<&&str> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    assert!(names.len() >= 30);
}
