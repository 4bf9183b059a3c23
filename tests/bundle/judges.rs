//! Tools that nobody here wrote read the same bundle: openssl, jq, sha256sum, cosign, bagit, securesystemslib, Go.

use std::{fs, path::Path, process::Command};

use kubeproof::bundle::{PREDICATE_TYPE, log};

use super::draft::{Draft, ORIGIN, Written, keys, write};
use crate::harness::{judges, tools};

/// What the documentation tells an auditor to type, in full.
const COMMANDS: &str = r#"
jq -r .payload attest/bundle.dsse.json | base64 -d > "$T/p"; TYPE=$(jq -r .payloadType attest/bundle.dsse.json)
test "$TYPE" = application/vnd.in-toto+json && test "$(jq -r .predicateType "$T/p")" = "$PREDICATE"
{ printf 'DSSEv1 %d %s %d ' ${#TYPE} "$TYPE" $(wc -c < "$T/p"); cat "$T/p"; } > "$T/pae"
jq -r '.signatures[0].sig' attest/bundle.dsse.json | base64 -d > "$T/sig"
openssl pkeyutl -verify -pubin -inkey "$PUB" -rawin -in "$T/pae" -sigfile "$T/sig"
test "$(jq -r '[.subject[]|select(.name=="manifest-sha256.txt").digest.sha256]|join(",")' "$T/p")" = "$(sha256sum < manifest-sha256.txt | cut -c1-64)"
sha256sum -c --strict --quiet manifest-sha256.txt
diff <(cut -c67- manifest-sha256.txt | LC_ALL=C sort) <(find data ! -type d | LC_ALL=C sort)
test "sha256:$(grep -v '  data/report/' manifest-sha256.txt | sha256sum | cut -c1-64)" = "$(jq -r .predicate.evidenceRoot "$T/p")"
"#;

fn shell(bundle: &Path, key: &Path) -> Result<String, String> {
    let scratch = tempfile::tempdir().unwrap();
    let header = format!("T={} PUB={} PREDICATE={PREDICATE_TYPE}", scratch.path().display(), key.display());
    judges::shell(&format!("{header}\n{COMMANDS}"), bundle)
}

fn honest() -> (Written, tempfile::TempDir, std::path::PathBuf) {
    let written = Draft::honest().write();
    let folder = tempfile::tempdir().unwrap();
    let key = super::draft::key_file(folder.path());
    (written, folder, key)
}

#[test]
fn openssl_jq_and_sha256sum_agree() {
    let (written, _folder, key) = honest();
    shell(&written.get.join("bundle"), &key).unwrap();
    fs::write(written.get.join("bundle/data/findings.csv"), "x").unwrap();
    shell(&written.get.join("bundle"), &key).unwrap_err();
}

#[test]
fn openssl_reads_the_keys_and_gives_their_id() {
    let folder = tempfile::tempdir().unwrap();
    keys().write(folder.path()).unwrap();
    let script = r#"
openssl pkey -in signing.pem -pubout | diff - signing.pub
openssl pkey -in log.pem -pubout | diff - log.pub
openssl pkey -pubin -in signing.pub -outform DER | sha256sum | cut -c1-64"#;
    let id = judges::shell(script, folder.path()).unwrap();
    assert_eq!(id.trim(), keys().signing.public().digest().hex());
}

#[test]
fn cosign_agrees() {
    let (written, folder, key) = honest();
    let cosign = |bundle: &Path, predicate: &str| {
        let mut command = Command::new(tools::cosign());
        command.arg("verify-blob-attestation").arg("--key").arg(&key).arg("--bundle");
        command.arg(bundle.join("attest/bundle.sigstore.json")).args(["--insecure-ignore-tlog", "--type", predicate]);
        tools::run(command.arg(bundle.join("manifest-sha256.txt")).env("HOME", folder.path()))
    };
    let bundle = written.get.join("bundle");
    cosign(&bundle, PREDICATE_TYPE).unwrap();
    cosign(&bundle, "https://slsa.dev/provenance/v1").unwrap_err();
    fs::write(bundle.join("manifest-sha256.txt"), "x").unwrap();
    cosign(&bundle, PREDICATE_TYPE).unwrap_err();
}

#[test]
fn bagit_agrees() {
    const PROGRAM: &str = "import sys, bagit; bagit.Bag(sys.argv[1]).validate(processes=1)";
    let (written, _folder, _key) = honest();
    let bundle = written.get.join("bundle");
    judges::python(PROGRAM, &[&bundle]).unwrap();
    fs::write(bundle.join("bag-info.txt"), "Payload-Oxum: 1.1\n").unwrap();
    judges::python(PROGRAM, &[&bundle]).unwrap_err();
}

#[test]
fn securesystemslib_agrees() {
    const PROGRAM: &str = r#"
import json, sys
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
key = SSlibKey.from_crypto(load_pem_public_key(open(sys.argv[2], "rb").read()))
envelope = Envelope.from_dict(json.load(open(sys.argv[1])))
key.keyid = next(iter(envelope.signatures))
envelope.verify([key], 1)
"#;
    let (written, folder, key) = honest();
    let envelope = written.get.join("bundle/attest/bundle.dsse.json");
    judges::python(PROGRAM, &[&envelope, &key]).unwrap();
    let other = folder.path().join("log.pub");
    write(&other, keys().log.public().to_pem().unwrap().as_bytes());
    judges::python(PROGRAM, &[&envelope, &other]).unwrap_err();
}

/// Go's own note and tlog packages open the checkpoint and check the inclusion proof.
#[test]
fn go_tlog_agrees() {
    let written = Draft::honest().write();
    let key = log::verifier_key(ORIGIN, &keys().log.public());
    let judge = |commit: &Path| {
        let mut go = Command::new(tools::need("go"));
        go.args(["run", ".", &key]).arg(commit);
        go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundle/judge"))
            .env("GOFLAGS", "-mod=readonly");
        tools::run(&mut go)
    };
    for slot in 0..3 {
        let path = written.get.join("log").join(log::commit_file(slot));
        assert_eq!(judge(&path).unwrap().trim(), format!("entry {slot} of {}", slot + 1));
    }
    let path = written.get.join("log").join(log::commit_file(2));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("index 2", "index 1")).unwrap();
    judge(&path).unwrap_err();
}
