//! Planted secrets appear nowhere: not in the bundle, not in the logs, not in the report's text, not in the columns.

use std::{path::Path, sync::LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use regex::bytes::Regex;

use super::workspace::{Workspace, entries, files};
use crate::harness::{cluster, judges};

/// Where a secret can hide in a cluster, one value each.
const PLACES: [&str; 9] = [
    "env-literal",
    "argument-flag",
    "argument-pair",
    "annotation",
    "applied-configuration",
    "url-user-info",
    "config-map",
    "secret",
    "init-env",
];

/// A value that looks like a password and can be searched for.
fn secret(place: &str) -> String {
    format!("Zq7-{place}-9fXw2LkR")
}

fn planted(namespace: &str) -> String {
    let [env, flag, pair, annotation, applied, url, config, stored, init] = PLACES.map(secret);
    let applied_configuration = serde_json::json!({"spec": {"password": applied}}).to_string();
    let documents = [
        serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planted", "namespace": namespace},
            "data": {"settings": config}}),
        serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "planted", "namespace": namespace},
            "stringData": {"password": stored}}),
        serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "planted", "namespace": namespace, "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": applied_configuration,
                "example.com/api-token": annotation}},
            "spec": {"selector": {"matchLabels": {"app": "planted"}}, "template": {
                "metadata": {"labels": {"app": "planted"}},
                "spec": {
                    "initContainers": [{"name": "init", "image": "busybox:1", "env": [{"name": "ACCESS_KEY", "value": init}]}],
                    "containers": [{"name": "app", "image": "busybox:1",
                        "args": [format!("--db-password={flag}"), "--token", pair],
                        "env": [{"name": "DB_PASSWORD", "value": env},
                                {"name": "DATABASE", "value": format!("postgres://shop:{url}@db.internal/shop")}]}]}}}}),
    ];
    documents.map(|document| document.to_string()).join("\n---\n")
}

fn assert_absent(what: &str, bytes: &[u8]) {
    static NEEDLES: LazyLock<Regex> = LazyLock::new(|| {
        let plain = PLACES.map(secret);
        let encoded = plain.iter().map(|value| BASE64_STANDARD.encode(value));
        let all: Vec<String> = plain.iter().cloned().chain(encoded).map(|value| regex::escape(&value)).collect();
        Regex::new(&all.join("|")).unwrap()
    });
    if let Some(found) = NEEDLES.find(bytes) {
        panic!("{} is in {what}", String::from_utf8_lossy(found.as_bytes()));
    }
}

/// Every value of every column of a Parquet file, as another implementation reads it.
fn columns(parquet: &Path) -> String {
    const PROGRAM: &str = "import duckdb, sys; print(duckdb.read_parquet(sys.argv[1]).fetchall())";
    judges::python(PROGRAM, &[parquet]).unwrap_or_else(|e| panic!("{e}"))
}

fn assert_clean(user: &Workspace, ended: &super::workspace::Ended) {
    assert_absent("standard output", ended.stdout.as_bytes());
    assert_absent("the log", ended.stderr.as_bytes());
    let bundle = user.bundle();
    let (mut parquet, mut pdf) = (0, 0);
    for (name, bytes) in files(&bundle) {
        assert_absent(&name, &bytes);
        let path = bundle.join(&name);
        match path.extension().and_then(|e| e.to_str()) {
            Some("parquet") => {
                parquet += 1;
                assert_absent(&format!("{name}, decompressed"), columns(&path).as_bytes());
            }
            Some("pdf") => {
                pdf += 1;
                assert_absent(&format!("the text of {name}"), judges::pdf_text(&path).as_bytes());
            }
            _ => {}
        }
    }
    assert!(parquet >= 6 && pdf >= 1, "{parquet} Parquet files, {pdf} PDF");
    let objects = columns(&bundle.join("data/snapshot/objects.parquet"));
    assert!(objects.contains("planted") && objects.contains("redacted:v1:"), "the planted objects are in the snapshot");
}

#[test]
fn of_a_live_cluster() {
    let user = Workspace::new();
    cluster().apply("test", &[&user.write("planted.yaml", &planted("planted"))]);
    let [stored, recorded] = [["--store", "evidence"], ["--record", "recorded"]].map(|more| {
        let mut command = user.kubeproof();
        command.arg("run").arg("--kubeconfig").arg(cluster().kubeconfig()).args(more).env("KUBEPROOF_LOG", "trace");
        super::workspace::Ended::from(command.output().unwrap()).expect(0)
    });
    assert_clean(&user, &stored);
    assert_absent("the log of the recording", recorded.stderr.as_bytes());
    assert!(entries(&user.path("recorded")).len() > 20);
    for (name, bytes) in files(&user.path("recorded")) {
        assert_absent(&format!("the recording, {name}"), &bytes);
    }
}

#[test]
fn of_manifests() {
    let user = Workspace::new();
    user.write("manifests/planted.yaml", &planted("planted"));
    let mut command = user.kubeproof();
    command.args(["run", "--from", "manifests", "--store", "evidence"]);
    let ended = super::workspace::Ended::from(command.env("KUBEPROOF_LOG", "trace").output().unwrap()).expect(0);
    assert_clean(&user, &ended);
}
