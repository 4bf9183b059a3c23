//! Who changed it: what a real API server logs of real users, found again beside each change.

use std::fs;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Secret},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::workspace::{Workspace, files, json as read_json};
use crate::harness::cluster::Cluster;

/// Only Metadata is logged of what happens here.
const PLAIN: &str = "audited";
/// Bodies are logged of what happens here.
const BODIES: &str = "audited-bodies";
const MARK: &str = "kubeproof-marker-that-no-snapshot-holds";

async fn create<K>(client: &Client, namespace: &str, object: Value) -> String
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
    K::DynamicType: Default,
{
    let object: K = serde_json::from_value(object).unwrap();
    let made = Api::<K>::namespaced(client.clone(), namespace).create(&PostParams::default(), &object).await.unwrap();
    made.meta().name.clone().unwrap()
}

fn config(name: &str, label: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"set": label}}, "data": {"mode": "plain"}})
}

fn deployment() -> Value {
    let labels = json!({"app": "cart"});
    json!({"metadata": {"name": "cart"}, "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
        "metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "registry.example.com/cart:1"}]}}}})
}

async fn before(cluster: &Cluster) {
    let admin = cluster.client().await;
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    for name in [PLAIN, BODIES] {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    }
    for (name, label) in [("gone", "one"), ("swept-1", "swept"), ("swept-2", "swept"), ("again", "one")] {
        create::<ConfigMap>(&admin, PLAIN, config(name, label)).await;
    }
    create::<Deployment>(&admin, PLAIN, deployment()).await;
    let bodies = json!({"metadata": {"name": "noted"}, "data": {"mode": "plain"}});
    create::<ConfigMap>(&admin, BODIES, bodies).await;
}

/// What alice and bob do between the two runs; the name that the server made.
async fn changes(cluster: &Cluster) -> String {
    let alice = cluster.client_of("alice-token", None).await;
    let bob = cluster.client_of("bob-token", None).await;
    let as_carol = cluster.client_of("bob-token", Some("carol")).await;
    create::<ConfigMap>(&alice, PLAIN, config("made", "one")).await;
    let privileged = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry.example.com/cart:1",
        "securityContext": {"privileged": true}}]}}}});
    let deployments: Api<Deployment> = Api::namespaced(bob.clone(), PLAIN);
    deployments.patch("cart", &PatchParams::default(), &Patch::Strategic(privileged)).await.unwrap();
    let configs = |client: &Client, namespace: &str| Api::<ConfigMap>::namespaced(client.clone(), namespace);
    configs(&alice, PLAIN).delete("gone", &DeleteParams::default()).await.unwrap();
    configs(&bob, PLAIN)
        .delete_collection(&DeleteParams::default(), &ListParams::default().labels("set=swept"))
        .await
        .unwrap();
    configs(&alice, PLAIN).delete("again", &DeleteParams::default()).await.unwrap();
    create::<ConfigMap>(&bob, PLAIN, config("again", "one")).await;
    // Nobody of that name may do this, and what was refused changed nothing.
    let refused = configs(&as_carol, PLAIN).delete("made", &DeleteParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    let admin = cluster.client_of("admin-token", None).await;
    let grant = json!({"metadata": {"name": "carol-reads"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "carol"}]});
    create::<RoleBinding>(&alice, PLAIN, grant).await;
    // carol has the rights now, once the API server's own cache knows.
    let (options, patch) = (PatchParams::default(), Patch::Merge(json!({"data": {"mode": "carols"}})));
    while configs(&as_carol, PLAIN).patch("made", &options, &patch).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"password": MARK}});
    create::<Secret>(&admin, BODIES, secret).await;
    let note = json!({"metadata": {"annotations": {"example.com/api-token": MARK}}, "data": {"password": MARK}});
    configs(&bob, BODIES).patch("noted", &PatchParams::default(), &Patch::Merge(note)).await.unwrap();
    create::<ConfigMap>(&alice, BODIES, json!({"metadata": {"generateName": "drawn-"}})).await;
    create::<ConfigMap>(&alice, PLAIN, json!({"metadata": {"generateName": "drawn-"}})).await
}

/// The change of an object, by `ConfigMap/gone`.
fn change<'a>(drift: &'a Value, namespace: &str, object: &str) -> &'a Value {
    let is_it = |change: &&Value| {
        let resource = &change["resource"];
        resource["namespace"] == namespace
            && format!("{}/{}", resource["kind"].as_str().unwrap(), resource["name"].as_str().unwrap())
                .starts_with(object)
    };
    let objects = drift["objects"].as_array().unwrap();
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no change of {namespace} {object} in {objects:#?}"))
}

/// `alice patch`, of the log alone and the latest first.
fn logged(change: &Value) -> Vec<String> {
    let by = change["changedBy"].as_array().unwrap();
    let of_log = by.iter().filter(|by| by["source"] == "audit-log");
    of_log
        .map(|by| {
            let acting_as = by["as"].as_str().map_or_else(String::new, |other| format!(" as {other}"));
            let unnamed = if by["unnamed"] == true { " *" } else { "" };
            format!("{}{acting_as} {}{unnamed}", by["user"].as_str().unwrap(), by["verb"].as_str().unwrap())
        })
        .collect()
}

fn assert_named(drift: &Value, made: &str) {
    let of = |object: &str| logged(change(drift, PLAIN, object));
    assert_eq!(of("ConfigMap/made"), ["bob as carol patch", "alice create"]);
    assert_eq!(of("Deployment/cart")[0], "bob patch");
    assert_eq!(of("ConfigMap/gone"), ["alice delete"]);
    for swept in ["ConfigMap/swept-1", "ConfigMap/swept-2"] {
        assert_eq!(of(swept), ["bob deletecollection *"]);
    }
    let again = change(drift, PLAIN, "ConfigMap/again");
    assert_eq!(
        (&again["change"], logged(again)),
        (&json!("recreated"), vec!["bob create".to_owned(), "alice delete".into()])
    );
    assert_eq!(of("RoleBinding/carol-reads"), ["alice create"]);
    // The server logs no name where it made one itself, unless its answer is logged.
    assert_eq!(of(&format!("ConfigMap/{made}")), ["alice create *"]);
    assert_eq!(logged(change(drift, BODIES, "ConfigMap/drawn-")), ["alice create"]);
    assert_eq!(logged(change(drift, BODIES, "ConfigMap/noted")), ["bob patch"]);
    let permissions = drift["permissions"].as_array().unwrap();
    let carol = permissions.iter().find(|change| change["subject"] == "User/carol").unwrap();
    assert_eq!(logged(carol), ["alice create"]);
    let unseen = |list: &Value| list["resource"] == "audittrails.kubeproof.dev";
    assert!(!drift["sight"].as_array().unwrap().iter().any(unseen));
    let trails = |change: &&Value| change["resource"]["kind"] == "AuditTrail";
    assert_eq!(drift["objects"].as_array().unwrap().iter().filter(trails).count(), 0);
}

#[tokio::test]
async fn every_change_has_the_name_of_who_made_it() {
    let cluster = Cluster::start("cp-1");
    let user = Workspace::new();
    before(&cluster).await;
    user.run_live(cluster.kubeconfig(), &[]).expect(0);
    let first = user.bundle();
    user.run(&["run", "--kubeconfig", cluster.kubeconfig().to_str().unwrap(), "--record", "old"]).expect(0);
    let made = changes(&cluster).await;
    user.run(&["run", "--kubeconfig", cluster.kubeconfig().to_str().unwrap(), "--record", "new"]).expect(0);
    user.write("inputs/audit/audit.log", &cluster.audit_text());
    let said = user.run_live(cluster.kubeconfig(), &["--inputs", "inputs"]).expect(0);

    let second = user.bundles().into_iter().find(|bundle| *bundle != first).unwrap();
    let drift = read_json(&second.join("data/drift.json"));
    assert_named(&drift, &made);
    assert_eq!(drift["audit"]["gap"], Value::Null, "{said:?}");
    let trail = change(&drift, PLAIN, "ConfigMap/gone")["changedBy"][0]["trail"].as_str().unwrap();
    let coverage = read_json(&second.join("data/coverage.json"));
    let list = coverage["lists"].as_array().unwrap().iter().find(|list| list["resource"] == "audittrails").unwrap();
    assert_eq!((&list["outcome"]["is"], &list["request"]), (&json!("seen"), &json!("inputs/audit")));
    user.run(&["verify", second.to_str().unwrap(), "--key", user.public_key().to_str().unwrap(), "--replay"]).expect(0);

    // The log holds the marker, as its policy wants it; the bundle does not.
    let text = cluster.audit_text();
    assert!(text.contains(MARK) && text.contains("\"requestObject\""), "the judge itself would see nothing");
    // A recording is plain text, and holds the same objects as the bundle's tables.
    user.run(&[
        "run",
        "--kubeconfig",
        cluster.kubeconfig().to_str().unwrap(),
        "--inputs",
        "inputs",
        "--record",
        "whole",
    ])
    .expect(0);
    for folder in [second.clone(), user.path("whole")] {
        for (name, bytes) in files(&folder) {
            let found = bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes());
            assert!(!found, "{name} holds what a request held");
        }
    }
    let recorded = fs::read_to_string(user.path("whole/audittrails.kubeproof.dev.json")).unwrap();
    assert!(recorded.contains("\"carol\"") && !recorded.contains("requestObject"));
    assert!(trail.starts_with("sha256:"), "{trail}");

    // Bundles bring what their runs read.
    let (old, new) = (first.to_str().unwrap(), second.to_str().unwrap());
    let signed: Value =
        serde_json::from_str(&user.run(&["diff", old, new, "--format", "json"]).expect(0).stdout).unwrap();
    assert_named(&signed["drift"], &made);
    let diff = |more: &[&str]| user.run(&[&["diff", "old", "new"], more].concat());
    let from_log: Value =
        serde_json::from_str(&diff(&["--audit-log", "inputs/audit", "--format", "json"]).expect(0).stdout).unwrap();
    assert_named(&from_log["drift"], &made);
    let shown = diff(&["--audit-log", "inputs/audit/audit.log", "--namespace", PLAIN]).expect(0).stdout;
    for words in ["bob (patch, audit log)", "bob (deletecollection, audit log)", "bob as carol (patch, audit log)"] {
        assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "no '{words}' in:\n{shown}");
    }
    let without = diff(&["--namespace", PLAIN, "--format", "json"]).expect(0).stdout;
    assert!(!without.contains("audit-log"), "nobody is named without a log");
    cluster.stop();
}

/// A line that an API server could have logged of the recorded cluster.
fn line(user: &str, verb: &str, time: &str) -> String {
    json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": time, "stage": "ResponseComplete",
        "verb": verb, "user": {"username": user}, "responseStatus": {"code": 200},
        "objectRef": {"resource": "deployments", "namespace": "shop", "name": "cart", "apiGroup": "apps", "apiVersion": "v1"},
        "requestReceivedTimestamp": time, "stageTimestamp": time})
    .to_string()
}

#[test]
fn a_log_that_does_not_reach_or_is_of_another_cluster_is_a_gap() {
    let examples = |day: &str| format!("{}/examples/shop-2026-{day}", env!("CARGO_MANIFEST_DIR"));
    let (old, new) = (examples("10-26"), examples("11-23"));
    let user = Workspace::new();
    let run = |store: &str, more: &[&str]| {
        let from = ["run", "--from", &old, "--store", store];
        user.run(&from).expect(0);
        user.run(&[&["run", "--from", &new, "--store", store, "--inputs", "inputs"], more].concat())
    };
    let late = [line("alice", "patch", "2026-11-20T10:00:00Z"), line("bob", "get", "2026-11-23T05:50:00Z")].join("\n");
    user.write("inputs/audit/audit.log", &late);
    let ended = run("late", &[]).expect(5);
    let clusters = super::workspace::entries(&user.path("late/clusters"));
    let bundles = super::workspace::entries(&clusters[0].join("bundles"));
    let drifts: Vec<Value> = bundles.iter().map(|bundle| read_json(&bundle.join("data/drift.json"))).collect();
    let drift = drifts.iter().find(|drift| drift["baseline"] != Value::Null).unwrap();
    let gap = "the audit log begins at 2026-11-20T10:00:00Z, the changes are between 2026-10-26T06:00:00Z and \
               2026-11-23T06:00:00Z";
    assert_eq!(drift["audit"]["gap"], gap, "{ended:?}");
    assert_eq!(logged(change(drift, "shop", "Deployment/cart")), ["alice patch"], "what it does say is said");
    let reasons: Vec<Value> = bundles
        .iter()
        .flat_map(|bundle| read_json(&bundle.join("data/coverage.json"))["lists"].as_array().unwrap().clone())
        .filter(|list| list["resource"] == "audittrails")
        .collect();
    assert_eq!(reasons[0]["outcome"], json!({"is": "failed", "reason": gap}));
    let declared = "apiVersion: kubeproof.dev/v1\nexpectedGaps:\n  - {id: G-1, resource: audittrails.kubeproof.dev, scope: '*', reason: new, until: 2027-01-01}\n";
    user.write("kubeproof.yaml", declared);
    run("declared", &["--config", "kubeproof.yaml"]).expect(0);

    user.write(
        "inputs/audit/audit.log",
        &format!("{}\n{late}", line("system:node:elsewhere-1", "get", "2026-10-01T10:00:00Z")),
    );
    let other = run("other", &[]).expect(5);
    let said = format!("{}{}", other.stdout, other.stderr);
    assert!(said.contains("audit.log: is of another cluster: this cluster has no node 'elsewhere-1'"), "{said}");
    let named = user.run(&["diff", &old, &new, "--audit-log", "inputs/audit", "--format", "json"]).expect(0);
    assert!(!named.stdout.contains("audit-log") && named.stderr.contains("of another cluster"), "{}", named.stderr);
    user.run(&["diff", &old, &new, "--audit-log", "nowhere"]).expect(2).says("nowhere: no such file or folder");
}
