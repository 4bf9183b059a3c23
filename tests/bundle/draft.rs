//! A small bundle of fixed inputs, and ways to spoil it: before signing, after signing, or on the disk.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubeproof::{
    bundle::{
        Commit, Facts, KeySet, Leaf, SignedBundle, bag,
        envelope::{self, Envelope},
        keys, log, seal, sigstore,
        statement::{RuleDigests, subjects},
    },
    canonical,
    collect::Coverage,
    digest::Digest,
    evaluate::Counts,
};
use lopdf::{Document, Object, Stream, dictionary};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::plain;

pub const PDF: &str = "data/report/report.pdf";
pub const ORIGIN: &str = "kubeproof.dev/log/shop-0f3a9c1e";

pub fn keys() -> KeySet {
    KeySet::generate([[1; 32], [2; 32], [3; 32]])
}

pub fn coverage() -> Coverage {
    let list = |resource: &str, kind: &str, outcome: Value, count: u64| {
        json!({
            "group": "", "version": "v1", "resource": resource, "kind": kind, "namespaced": true,
            "request": format!("/api/v1/{resource}?limit=500"), "outcome": outcome, "count": count, "pages": 1,
            "retries": 0, "resourceVersion": "1", "durationMs": 12,
        })
    };
    serde_json::from_value(json!({
        "schema": "kubeproof.dev/coverage/v1",
        "source": {"kind": "cluster", "name": "https://10.0.0.1"},
        "cluster": {"name": "shop", "uid": "0f3a9c1e-0000-4000-8000-000000000000", "kubernetes": "v1.37.2", "platform": null},
        "started": "2026-11-23T06:00:01Z",
        "finished": "2026-11-23T06:00:04Z",
        "caller": {"username": "kubeproof", "groups": ["system:authenticated"], "rules": [], "rulesIncomplete": false},
        "server": {"url": "https://10.0.0.1", "ca": null, "insecure": false},
        "discoveryFailures": [],
        "lists": [
            list("configmaps", "ConfigMap", json!({"is": "refused", "status": 403, "reason": "Forbidden"}), 0),
            list("pods", "Pod", json!({"is": "seen"}), 2),
        ],
        "redactionKey": keys().redaction.id(),
        "excluded": [{"resource": "secrets", "reason": "never read"}],
    }))
    .expect("a coverage")
}

pub fn counts() -> Counts {
    Counts { pass: 1, fail: 1, ..Counts::default() }
}

/// The evidence files of the `run`th run; nothing in them but what verification looks at.
pub fn evidence(run: u8) -> BTreeMap<String, Vec<u8>> {
    let evaluation = json!({
        "schema": "kubeproof.dev/evaluation/v1", "engine": env!("CARGO_PKG_VERSION"), "counts": counts(),
        "findings": [], "resources": [], "objects": [], "checks": [], "requirements": [], "frameworks": [], "declarations": [],
    });
    let json = |value: &Value| canonical::value_to_vec(value).expect("canonical JSON");
    BTreeMap::from([
        ("data/coverage.json".to_owned(), canonical::to_vec(&coverage()).expect("canonical JSON")),
        ("data/evaluation.json".to_owned(), json(&evaluation)),
        ("data/drift.json".to_owned(), json(&json!({"baseline": null, "run": run}))),
        ("data/findings.csv".to_owned(), b"id,check\n".to_vec()),
        ("data/snapshot/objects.parquet".to_owned(), vec![b'P', b'A', b'R', b'1', run]),
        ("data/rules/checks/pod/container-privileged.yaml".to_owned(), b"id: container-privileged\n".to_vec()),
        ("data/rules/frameworks/pss-baseline-1.yaml".to_owned(), b"id: pss-baseline\n".to_vec()),
        ("data/rules/scope.yaml".to_owned(), b"scopes: []\n".to_vec()),
    ])
}

/// A PDF that carries `text` as its attached evidence root.
pub fn pdf(text: &[u8]) -> Vec<u8> {
    let mut document = Document::with_version("1.7");
    let file = document.add_object(Stream::new(dictionary! {"Type" => "EmbeddedFile"}, text.to_vec()));
    let specification = document.add_object(dictionary! {
        "Type" => "Filespec", "F" => Object::string_literal("evidence-root.txt"),
        "UF" => Object::string_literal("evidence-root.txt"), "EF" => dictionary! {"F" => file},
    });
    let pages = document.add_object(dictionary! {"Type" => "Pages", "Kids" => Vec::<Object>::new(), "Count" => 0});
    let names = vec![Object::string_literal("evidence-root.txt"), specification.into()];
    let catalog = document.add_object(dictionary! {
        "Type" => "Catalog", "Pages" => pages,
        "Names" => dictionary! {"EmbeddedFiles" => dictionary! {"Names" => names}},
    });
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).expect("a PDF");
    bytes
}

pub fn signed(run: u8) -> SignedBundle {
    signed_with(run, coverage())
}

pub fn signed_with(run: u8, coverage: Coverage) -> SignedBundle {
    let mut files = evidence(run);
    files.insert("data/coverage.json".to_owned(), canonical::to_vec(&coverage).expect("canonical JSON"));
    let root = bag::evidence_root(&files);
    files.insert(PDF.to_owned(), pdf(root.hex().as_bytes()));
    let facts = Facts {
        coverage: &coverage,
        counts: counts(),
        environment: Some("production".to_owned()),
        scheduled: None,
        failure: None,
        binary: None,
        log_key: keys().log.public(),
        baseline: None,
    };
    seal(files, facts, &keys().signing).expect("a bundle")
}

/// Commits of these leaves in the log of the fixed cluster.
pub fn chain(leaves: impl IntoIterator<Item = Leaf>) -> Vec<Commit> {
    chain_of(ORIGIN, leaves)
}

/// Commits of these leaves, in order.
pub fn chain_of(origin: &str, leaves: impl IntoIterator<Item = Leaf>) -> Vec<Commit> {
    let key = keys().log;
    leaves.into_iter().fold(Vec::new(), |mut commits, leaf| {
        let next = match commits.last() {
            None => Commit::first(leaf, origin, &key),
            Some(last) => Commit::append(last, leaf, &key).expect("a commit"),
        };
        commits.push(next);
        commits
    })
}

/// A folder as `get` writes it, to be spoiled.
pub struct Draft {
    /// The bundle's files, by bag path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The log's files, by name.
    pub log: BTreeMap<String, Vec<u8>>,
    /// Done to the folder after it was written.
    pub on_disk: Option<fn(&Path)>,
    /// Text of the key that the verifier trusts.
    pub key: Option<String>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl Draft {
    /// The honest one: three runs in the log, this the last of them.
    pub fn honest() -> Self {
        let bundle = signed(2);
        let commits = chain([signed(0).leaf, signed(1).leaf, bundle.leaf]);
        Self {
            files: plain(&bundle.files),
            log: commits.iter().map(|c| (log::commit_file(c.index()), c.bytes().to_vec())).collect(),
            on_disk: None,
            key: Some(keys().signing.public().to_pem().expect("PEM")),
            arguments: Vec::new(),
        }
    }

    /// A file of the bundle as text.
    pub fn text(&self, path: &str) -> String {
        String::from_utf8(self.files[path].clone()).expect("text")
    }

    pub fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// The envelope as JSON, changed.
    pub fn envelope(&mut self, change: impl FnOnce(&mut Value)) {
        let mut value: Value = serde_json::from_slice(&self.files[envelope::FILE]).expect("JSON");
        change(&mut value);
        self.put(envelope::FILE, canonical::value_to_vec(&value).expect("JSON"));
    }

    /// The statement's bytes.
    pub fn statement(&self) -> Vec<u8> {
        let value: Value = serde_json::from_slice(&self.files[envelope::FILE]).expect("JSON");
        STANDARD.decode(value["payload"].as_str().expect("a payload")).expect("base64")
    }

    /// Signs other bytes with the trusted key, and commits them: the signer's own defect.
    pub fn sign(&mut self, statement: Vec<u8>) {
        let envelope = Envelope::sign(statement, &keys().signing);
        self.put(sigstore::FILE, sigstore::derive(&envelope, &keys().signing.public()).expect("JSON"));
        self.put(envelope::FILE, envelope.to_bytes().expect("JSON"));
        let leaf = Leaf::bundle(envelope.id(), envelope.signature_digest(), &[]).expect("a leaf");
        self.commit(leaf);
    }

    /// Signs a changed statement.
    pub fn sign_statement(&mut self, change: impl FnOnce(&mut Value)) {
        let mut value: Value = serde_json::from_slice(&self.statement()).expect("JSON");
        change(&mut value);
        self.sign(canonical::value_to_vec(&value).expect("JSON"));
    }

    /// Makes `leaf` the last of three commits.
    pub fn commit(&mut self, leaf: Leaf) {
        let commits = chain([signed(0).leaf, signed(1).leaf, leaf]);
        self.log = commits.iter().map(|c| (log::commit_file(c.index()), c.bytes().to_vec())).collect();
    }

    /// Puts a manifest in place and signs it, with everything that follows from it.
    pub fn sign_manifest(&mut self, manifest: String) {
        let lines: BTreeMap<String, Digest> = manifest
            .lines()
            .filter_map(|line| Some((line.get(66..)?.to_owned(), Digest::from_hex(line.get(..64)?).ok()?)))
            .collect();
        let digest = Digest::of(&manifest);
        let coverage = Digest::of(&self.files["data/coverage.json"]);
        self.put(bag::MANIFEST, manifest);
        self.sign_statement(|statement| {
            statement["subject"] = serde_json::to_value(subjects(digest, &lines)).expect("JSON");
            statement["predicate"]["evidenceRoot"] = json!(bag::evidence_root_of(&lines));
            statement["predicate"]["coverage"]["digest"] = json!(coverage);
            statement["predicate"]["rules"] = serde_json::to_value(RuleDigests::of(&lines)).expect("JSON");
        });
        self.derive();
    }

    /// Signs the data as it is now: only what the files say among themselves can be wrong then.
    pub fn sign_data(&mut self) {
        let data: BTreeMap<String, Vec<u8>> = self
            .files
            .iter()
            .filter(|(path, _)| path.starts_with(bag::DATA))
            .map(|(p, b)| (p.clone(), b.clone()))
            .collect();
        self.sign_manifest(bag::format(&bag::lines(&data).expect("paths")));
    }

    /// Puts the PDF of the present evidence in place, before it is signed.
    pub fn renew_pdf(&mut self) {
        let root = bag::evidence_root(&self.files);
        self.put(PDF, pdf(root.hex().as_bytes()));
    }

    /// Puts a data file in place and signs everything anew.
    pub fn sign_with(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.put(path, bytes);
        self.renew_pdf();
        self.sign_data();
    }

    /// Rebuilds the tag files for the present manifest and statement.
    fn derive(&mut self) {
        let statement: Value = serde_json::from_slice(&self.statement()).expect("JSON");
        let predicate = serde_json::from_value(statement["predicate"].clone()).expect("a predicate");
        let octets = self.files.iter().filter(|(p, _)| p.starts_with(bag::DATA)).map(|(_, b)| b.len() as u64).sum();
        self.files.extend(bag::derived(&self.files[bag::MANIFEST].clone(), octets, &predicate));
    }

    /// Writes the folder.
    pub fn write(&self) -> Written {
        let folder = tempfile::tempdir().expect("a folder");
        let get = folder.path().join("get");
        for (path, bytes) in &self.files {
            write(&get.join("bundle").join(path), bytes);
        }
        for (name, bytes) in &self.log {
            write(&get.join("log").join(name), bytes);
        }
        if let Some(on_disk) = self.on_disk {
            on_disk(&get);
        }
        let key = folder.path().join("signing.pub");
        if let Some(text) = &self.key {
            write(&key, text.as_bytes());
        }
        Written { get, key: self.key.is_some().then_some(key), arguments: self.arguments.clone(), _folder: folder }
    }
}

pub fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

/// A folder on the disk, ready for the command.
pub struct Written {
    pub get: PathBuf,
    key: Option<PathBuf>,
    arguments: Vec<String>,
    _folder: TempDir,
}

impl Written {
    /// Runs `kubeproof verify --json`: exit code and output.
    pub fn verify(&self) -> (i32, Value) {
        let mut arguments = vec!["--json".to_owned()];
        arguments.extend(self.arguments.iter().cloned());
        let output = verify(&self.get, self.key.as_deref(), &arguments);
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().expect("an exit code"), json)
    }
}

/// Runs `kubeproof verify` an hour after the fixed run, with no configuration of whoever runs the tests.
pub fn verify(path: &Path, key: Option<&Path>, arguments: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
    command.arg("verify").arg(path).args(arguments).env("KUBEPROOF_NOW", "2026-11-23T07:00:00Z").env("NO_COLOR", "1");
    command.env("HOME", "/nonexistent").env_remove("XDG_CONFIG_HOME");
    if let Some(key) = key {
        command.arg("--key").arg(key);
    }
    command.output().expect("kubeproof runs")
}

/// The signing key's public half, in a file.
pub fn key_file(folder: &Path) -> PathBuf {
    let path = folder.join(keys::SIGNING_PUBLIC_FILE);
    write(&path, keys().signing.public().to_pem().expect("PEM").as_bytes());
    path
}
