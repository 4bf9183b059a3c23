//! Snapshots from whole sets of objects, and as files.

use std::collections::BTreeMap;

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Image, Object, Sealer, Snapshot, TableError, Tokens, assemble, read, write};
use crate::collect::{ClusterIdentity, Coverage, Source, SourceKind};

fn coverage() -> Coverage {
    let at = DateTime::UNIX_EPOCH;
    Coverage {
        schema: "kubeproof.dev/coverage/v1".into(),
        source: Source { kind: SourceKind::Cluster, name: "test".into() },
        cluster: ClusterIdentity { name: "test".into(), ..ClusterIdentity::default() },
        started: at,
        finished: at,
        caller: None,
        server: None,
        discovery_failures: vec![],
        lists: vec![],
        redaction_key: Some("0123abcd".into()),
        excluded: vec![],
    }
}

fn object(value: Value) -> Object {
    Sealer::new(None, "uid", Tokens::Foreign).seal(value, "r", None).unwrap()
}

fn owned(kind: &str, name: &str) -> Value {
    json!([{"kind": kind, "name": name, "controller": true}])
}

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn shop() -> Vec<Object> {
    let pod = |name: &str, owner: Value, image: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "ownerReferences": owner},
            "spec": {"containers": [{"name": "app", "image": image}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "app", "imageID": format!("docker.io/shop/{name}@{DIGEST}")}]}})
    };
    let template = json!({"spec": {"containers": [{"name": "app", "image": "shop/cart:1"}], "initContainers": [{"name": "init", "image": "shop/init:1"}]}});
    [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop", "resourceVersion": "7", "generation": 2,
            "managedFields": [{"manager": "helm", "operation": "Apply", "time": "2026-11-01T10:00:00Z", "fieldsV1": {"f:spec": {}}}]}, "spec": {"template": template}}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "cart-1", "namespace": "shop", "ownerReferences": owned("Deployment", "cart")}, "spec": {"template": template}}),
        pod("cart-1-a", owned("ReplicaSet", "cart-1"), "shop/cart:1"),
        pod("cart-1-b", owned("ReplicaSet", "cart-1"), "shop/cart:1"),
        pod("runner-x", owned("Runner", "ci"), "shop/ci:1"),
        pod("bare", json!([]), "shop/bare:1"),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "night", "namespace": "shop"},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "job", "image": format!("shop/job@{DIGEST}")}]}}}}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kube-apiserver-n1", "namespace": "kube-system", "labels": {"component": "kube-apiserver"}, "annotations": {"kubernetes.io/config.mirror": "h"}, "ownerReferences": owned("Node", "n1")},
            "spec": {"containers": [{"name": "kube-apiserver", "image": "kube-apiserver:v1.37.2", "command": ["kube-apiserver", "--anonymous-auth=false", "--profiling", "--v", "2"]}]}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
            "spec": {"providerID": "aws:///eu-central-1a/i-0abc"}, "status": {"nodeInfo": {"kubeletVersion": "v1.37.2", "osImage": "Debian 13", "kernelVersion": "6.12", "containerRuntimeVersion": "containerd://2.1"}}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": "shop"}]}),
    ]
    .map(object)
    .to_vec()
}

fn snapshot() -> Snapshot {
    assemble(shop(), &coverage())
}

#[test]
fn volatile_metadata_is_outside_the_digest_and_managers_stand_beside() {
    let with = |version: &str| {
        object(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "resourceVersion": version, "generation": 3, "selfLink": "/x",
            "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:x": version}}]}, "status": {"phase": "Active", "conditions": [version]}}),
        )
    };
    assert_eq!(with("1").digest, with("2").digest);
    assert_eq!(
        &*with("1").json,
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"},"status":{"phase":"Active"}}"#
    );
    assert_eq!((with("1").managers[0].manager.as_str(), with("1").managers[0].time), ("kubectl", None));
}

#[test]
fn what_is_no_object_is_refused_with_what_is_missing() {
    let seal = |value: Value| Sealer::new(None, "uid", Tokens::Foreign).seal(value, "r", None).unwrap_err().to_string();
    assert!(seal(json!([1])).starts_with("not a Kubernetes object"));
    assert!(seal(json!({"kind": "Pod", "metadata": {"name": "x"}})).starts_with("apiVersion is missing"));
    assert!(seal(json!({"apiVersion": "v1", "kind": "Pod"})).starts_with("metadata is missing"));
    assert!(
        seal(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}}))
            .starts_with("metadata.name is missing")
    );
}

#[test]
fn definitions_keep_names_and_versions_and_requests_a_digest() {
    let crd = object(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "w.example.com"},
        "spec": {"group": "example.com", "names": {"kind": "W"}, "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"x": 1}}]}}),
    );
    assert_eq!(crd.value()["spec"]["versions"], json!([{"name": "v1", "served": true, "storage": true}]));
    let csr = object(
        json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "c"}, "spec": {"request": "LS0t", "username": "u"},
        "status": {"certificate": "LS0t", "conditions": [{"type": "Approved", "status": "True", "message": "m"}]}}),
    );
    assert!(csr.value()["spec"]["request"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(csr.value()["status"], json!({"conditions": [{"type": "Approved", "status": "True"}]}));
}

#[test]
fn images_count_a_workload_once_with_the_digest_that_runs() {
    let row = |image: &str, digest: bool, workload: &str, container: &str| Image {
        image: image.into(),
        digest: digest.then(|| DIGEST.into()),
        workload: workload.into(),
        container: container.into(),
    };
    assert_eq!(
        snapshot().images,
        [
            row("kube-apiserver:v1.37.2", false, "Pod/kube-system/kube-apiserver-n1", "kube-apiserver"),
            row("shop/bare:1", true, "Pod/shop/bare", "app"),
            row("shop/cart:1", true, "Deployment/shop/cart", "app"),
            row("shop/ci:1", true, "Runner/shop/ci", "app"),
            row("shop/init:1", false, "Deployment/shop/cart", "init"),
            row(&format!("shop/job@{DIGEST}"), true, "CronJob/shop/night", "job"),
        ]
    );
}

#[test]
fn nodes_and_component_flags_are_read() {
    let snapshot = snapshot();
    let node = &snapshot.nodes[0];
    assert_eq!(
        (node.kubelet.as_str(), node.provider.as_deref(), node.roles.as_slice()),
        ("v1.37.2", Some("aws"), &["control-plane".to_owned()][..])
    );
    let flags: Vec<_> = snapshot.components.iter().map(|c| (c.setting.as_str(), c.value.as_str())).collect();
    assert_eq!(flags, [("anonymous-auth", "false"), ("profiling", "true"), ("v", "2")]);
}

#[test]
fn of_two_objects_with_one_name_one_stays_whatever_the_order() {
    let namespace = |phase: &str| {
        object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}, "status": {"phase": phase}}))
    };
    let (a, b) = (namespace("Active"), namespace("Terminating"));
    let forward = assemble(vec![a.clone(), b.clone()], &coverage());
    let backward = assemble(vec![b, a], &coverage());
    assert_eq!((forward.objects.len(), forward.objects[0].digest), (1, backward.objects[0].digest));
}

fn rows(snapshot: &Snapshot) -> String {
    let objects: Vec<_> = snapshot
        .objects
        .iter()
        .map(|o| (&o.gvk, &o.resource, &o.namespace, &o.name, &o.uid, &o.json, o.digest, &o.managers))
        .collect();
    format!(
        "{objects:?} {:?} {:?} {:?} {:?} {:?}",
        snapshot.grants, snapshot.images, snapshot.nodes, snapshot.components, snapshot.redaction_key
    )
}

#[test]
fn files_read_back_and_the_same_snapshot_gives_the_same_bytes() {
    let snapshot = snapshot();
    let files = write(&snapshot).unwrap();
    assert_eq!(files.len(), 5);
    assert_eq!(rows(&read(&files, &coverage()).unwrap()), rows(&snapshot));
    assert_eq!(write(&snapshot).unwrap(), files);
    assert_eq!(snapshot.objects.iter().find(|o| o.name == "cart").unwrap().managers[0].manager, "helm");
}

#[test]
fn an_empty_snapshot_reads_back() {
    let empty = assemble(vec![], &coverage());
    assert_eq!(rows(&read(&write(&empty).unwrap(), &coverage()).unwrap()), rows(&empty));
}

fn changed(change: impl Fn(&mut Snapshot)) -> TableError {
    let mut snapshot = snapshot();
    change(&mut snapshot);
    read(&write(&snapshot).unwrap(), &coverage()).unwrap_err()
}

#[test]
fn a_snapshot_that_contradicts_itself_is_refused() {
    let error = changed(|s| s.objects[0].json = "{}".into());
    assert!(matches!(error, TableError::Digest { .. }), "{error}");
    let error = changed(|s| s.objects.swap(0, 1)).to_string();
    assert!(error.contains("out of order"), "{error}");
    let error = changed(|s| s.objects.push(s.objects[s.objects.len() - 1].clone())).to_string();
    assert!(error.contains("twice"), "{error}");
    let error = changed(|s| s.grants.reverse()).to_string();
    assert!(error.starts_with("data/snapshot/grants.parquet, row 1"), "{error}");
}

#[test]
fn missing_swapped_and_damaged_tables_are_errors_and_never_panics() {
    let files = write(&snapshot()).unwrap();
    let mut missing = files.clone();
    missing.remove("data/snapshot/nodes.parquet");
    assert!(matches!(read(&missing, &coverage()).unwrap_err(), TableError::Missing(_)));
    let mut swapped = files.clone();
    swapped.insert("data/snapshot/nodes.parquet".into(), files["data/snapshot/images.parquet"].clone());
    assert!(matches!(read(&swapped, &coverage()).unwrap_err(), TableError::Parquet { .. }));
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1PAR1", &files["data/snapshot/nodes.parquet"][..200]] {
        let damaged = BTreeMap::from_iter(
            files.clone().into_iter().chain([("data/snapshot/nodes.parquet".to_owned(), bytes.to_vec())]),
        );
        assert!(read(&damaged, &coverage()).is_err());
    }
}

#[test]
fn a_page_that_states_an_impossible_number_of_values_is_refused() {
    let files = write(&snapshot()).unwrap();
    let table = &files["data/snapshot/objects.parquet"];
    let rows = u8::try_from(snapshot().objects.len()).unwrap();
    // `num_values` of a page, field 1 of its header in Thrift's compact form: zigzag(rows), then zigzag of less than 0.
    let at: Vec<usize> = (1..table.len()).filter(|at| table[at - 1..=*at] == [0x15, rows * 2]).collect();
    let refused = at.iter().filter(|at| {
        let mut damaged = table.to_vec();
        damaged[**at] |= 1;
        let files = BTreeMap::from_iter(
            files.clone().into_iter().chain([("data/snapshot/objects.parquet".to_owned(), damaged)]),
        );
        matches!(read(&files, &coverage()), Err(TableError::Damaged { .. }))
    });
    assert!(refused.count() >= 2, "{at:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_objects_does_not_matter(order in Just((0..11).collect::<Vec<usize>>()).prop_shuffle()) {
        let objects = shop();
        prop_assert_eq!(objects.len(), order.len());
        let shuffled: Vec<Object> = order.into_iter().map(|i| objects[i].clone()).collect();
        prop_assert_eq!(rows(&assemble(shuffled, &coverage())), rows(&snapshot()));
    }

    #[test]
    fn any_text_reads_back(names in proptest::collection::btree_set(".{1,12}", 0..20), text in ".{0,40}", uid in proptest::option::of("[a-f]{4}")) {
        let objects = names.iter().map(|name| {
            object(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "uid": uid}, "spec": {"x": text}}))
        });
        let snapshot = assemble(objects.collect(), &coverage());
        prop_assert_eq!(rows(&read(&write(&snapshot).unwrap(), &coverage()).unwrap()), rows(&snapshot));
    }

    #[test]
    fn a_changed_byte_is_an_error_or_the_same_objects(at in 0_usize..100_000, to: u8) {
        let snapshot = snapshot();
        let mut files = write(&snapshot).unwrap();
        let bytes = files.get_mut("data/snapshot/objects.parquet").unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(read) = read(&files, &coverage()) {
            prop_assert!(read.objects.iter().all(|o| crate::digest::Digest::of(&*o.json) == o.digest));
        }
    }
}
