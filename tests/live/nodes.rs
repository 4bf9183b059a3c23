//! Node reports on a cluster of their own, since every run there would miss those that are not written yet. The judges
//! are the API server's admission and its audit log.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use k8s_openapi::api::{
    apps::v1::DaemonSet,
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod, ServiceAccount},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    least_privilege::{base, token},
    workspace::{Ended, Workspace, json as read_json},
};
use crate::harness::{
    cluster::{Cluster, read_yaml},
    tools,
};

pub const NODES: [&str; 2] = ["cp-1", "worker-1"];
const REPORTER: &str = "system:serviceaccount:kubeproof-nodes:kubeproof-node";

fn overlay(name: &str, files: &[&str]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules/kubernetes/overlays").join(name);
    files.iter().map(|file| folder.join(file)).collect()
}

/// A cluster with the job's account, the nodes' account and its policy, and a pod of that account on each node.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(&NODES.join(","));
        let mut files = base(&["namespace.yaml", "serviceaccount.yaml", "clusterrole.yaml", "clusterrolebinding.yaml"]);
        files.extend(overlay("node", &["namespace.yaml", "serviceaccount.yaml", "role.yaml", "admission.yaml"]));
        files.extend(overlay("configz", &["clusterrole.yaml"]));
        cluster.apply("kustomize", &files.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        let user = Workspace::new();
        let pods: Vec<String> = NODES.iter().map(|node| reporter(node).to_string()).collect();
        cluster.apply("test", &[&user.write("pods.yaml", &pods.join("\n---\n"))]);
        cluster
    })
}

/// A pod on a node, as the DaemonSet makes them.
fn reporter(node: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("reporter-{node}"), "namespace": "kubeproof-nodes"},
        "spec": {"nodeName": node, "serviceAccountName": "kubeproof-node", "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "busybox:1"}]}})
}

/// The token that the kubelet of `node` would mount into its pod.
async fn token_on(node: &str) -> String {
    let client = cluster().client().await;
    let pod = Api::<Pod>::namespaced(client.clone(), "kubeproof-nodes").get(&format!("reporter-{node}")).await.unwrap();
    let bound = BoundObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Pod".into()),
        name: pod.metadata.name,
        uid: pod.metadata.uid,
    };
    let spec = TokenRequestSpec { bound_object_ref: Some(bound), expiration_seconds: Some(3600), ..Default::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let accounts: Api<ServiceAccount> = Api::namespaced(client, "kubeproof-nodes");
    let answer: TokenRequest =
        accounts.create_subresource("token", "kubeproof-node", &PostParams::default(), &request).await.unwrap();
    answer.status.unwrap().token.unwrap()
}

async fn client(token: &str) -> kube::Client {
    let user = Workspace::new();
    let path = user.path("kubeconfig");
    cluster().write_kubeconfig(&path, token, None);
    let file = kube::config::Kubeconfig::read_from(&path).unwrap();
    kube::Client::try_from(kube::Config::from_custom_kubeconfig(file, &Default::default()).await.unwrap()).unwrap()
}

/// A policy is in force some moments after it was made.
async fn wait_for_the_policy() {
    let maps: Api<ConfigMap> =
        Api::namespaced(client(&token(cluster(), "kubeproof-nodes", "kubeproof-node").await).await, "kubeproof-nodes");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let probe: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "probe"}})).unwrap();
    while maps.create(&dry_run, &probe).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// A host's file tree, with a secret in it.
fn host(user: &Workspace) -> PathBuf {
    user.write("host/etc/kubernetes/manifests/kube-apiserver.yaml", "spec: {containers: [{name: a, command: [kube-apiserver, --encryption-provider-config=/e/c.yaml], volumeMounts: [{name: e, mountPath: /e}]}], volumes: [{name: e, hostPath: {path: /etc/kubernetes/e}}]}\n");
    user.write(
        "host/etc/kubernetes/e/c.yaml",
        "resources: [{resources: [secrets], providers: [{aescbc: {keys: [{name: k, secret: Zq7PlantedKey9fXw2LkR}]}}]}]\n",
    );
    user.write("host/etc/hostname", "not-this-one\n");
    user.path("host")
}

fn node(user: &Workspace, kubeconfig: &Path, name: &str) -> Ended {
    let mut command = user.kubeproof();
    command.arg("node").arg("--host-root").arg(host(user)).arg("--kubeconfig").arg(kubeconfig);
    command.env("NODE_NAME", name).output().unwrap().into()
}

/// A run on a machine of its own, and the coverage that it stored.
pub fn run(kubeconfig: &Path, more: &[&str], code: i32) -> (Ended, Value) {
    let user = Workspace::new();
    let ended = user.run_live(kubeconfig, more).expect(code);
    let coverage = read_json(&user.bundle().join("data/coverage.json"));
    (ended, coverage)
}

pub fn list<'a>(coverage: &'a Value, resource: &str) -> Option<&'a Value> {
    coverage["lists"].as_array().unwrap().iter().find(|list| list["resource"] == resource)
}

/// Reasons by resource that was left out on purpose.
fn excluded(coverage: &Value, resource: &str) -> Option<String> {
    let entries = coverage["excluded"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["resource"] == resource)?;
    entry["reason"].as_str().map(str::to_owned)
}

#[test]
fn a_report_goes_to_a_file_or_to_standard_output() {
    let user = Workspace::new();
    let root = host(&user);
    let reported = user.run(&["node", "--host-root", root.to_str().unwrap(), "--out", "-"]).expect(0);
    let report: Value = serde_json::from_str(&reported.stdout).unwrap();
    assert_eq!((&report["name"], &report["controlPlane"]), (&json!("not-this-one"), &json!(true)));
    user.write("nodes/README", "");
    user.run(&["node", "--host-root", "host", "--node-name", "cp-9", "--out", "nodes/cp-9.json"]).expect(0);
    user.write("manifests/pod.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    let ended = user.run(&["run", "--from", "manifests", "--store", "evidence", "--node-reports", "nodes"]).expect(0);
    assert!(!ended.stderr.contains("cp-9"), "{}", ended.stderr);
    let coverage = read_json(&user.bundle().join("data/coverage.json"));
    assert_eq!(list(&coverage, "nodereports").expect("a record")["count"], 1);
}

#[test]
fn what_goes_wrong_on_a_node_is_one_sentence() {
    let user = Workspace::new();
    user.write("empty/README", "");
    let cases: [(&[&str], &str); 5] = [
        (&["--host-root", "no-such", "--out", "-"], "mount the node's root there"),
        (&["--host-root", "empty", "--out", "-"], "give it with --node-name, or in NODE_NAME"),
        (&["--host-root", "empty", "--node-name", "No Name", "--out", "-"], "no name of a node"),
        (&["--host-root", "empty", "--node-name", "n1", "--out", "no-such/n1.json"], "cannot write no-such/n1.json"),
        (&["--host-root", "empty", "--node-name", "n1"], "no cluster to read"),
    ];
    for (arguments, needle) in cases {
        let arguments: Vec<&str> = ["node"].iter().chain(arguments).copied().collect();
        user.run(&arguments).expect(2).says(needle);
    }
    user.run(&["run", "--from", "empty", "--node-reports", "no-such"]).expect(2);
    user.run(&["run", "--kubelet-ca", "ca.pem"]).expect(2).says("--kubelet-configz");
}

#[test]
fn a_signal_ends_the_stay() {
    let user = Workspace::new();
    user.write("empty/README", "");
    let mut command = user.kubeproof();
    command.args(["node", "--host-root", "empty", "--node-name", "n1", "--out", "n1.json", "--stay", "12h"]);
    let mut child = command.spawn().unwrap();
    while !user.path("n1.json").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it wrote");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    tools::run(std::process::Command::new("kill").arg(child.id().to_string())).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_node_writes_its_own_report_and_nothing_else() {
    wait_for_the_policy().await;
    let own = client(&token_on("worker-1").await).await;
    let unbound = client(&token(cluster(), "kubeproof-nodes", "kubeproof-node").await).await;
    let good = json!({"metadata": {"name": "worker-1", "labels": {"kubeproof.dev/node-report": "v1"}}, "data": {"report.json": "{}"}});
    let changed = |pointer: &str, value: Value| {
        let mut map = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        map.pointer_mut(parent).unwrap()[name] = value;
        map
    };
    let attempt = async |client: &kube::Client, map: &Value| {
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kubeproof-nodes");
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        maps.create(&dry_run, &serde_json::from_value(map.clone()).unwrap()).await.map_err(|error| error.to_string())
    };
    attempt(&own, &good).await.unwrap();
    let denied = [
        (changed("/metadata/name", json!("cp-1")), "no other node's"),
        (changed("/metadata/labels", json!({})), "label"),
        (changed("/metadata/labels", json!({"kubeproof.dev/node-report": "v1", "app": "x"})), "label"),
        (changed("/metadata/finalizers", json!(["example.com/keep"])), "replaced and deleted"),
        (changed("/data", json!({"report.json": "{}", "more": "x"})), "nothing else"),
        (changed("/data", json!({"other.json": "{}"})), "nothing else"),
        (changed("/binaryData", json!({"report.bin": "AAAA"})), "nothing else"),
        (changed("/immutable", json!(true)), "replaced and deleted"),
    ];
    for (map, message) in denied {
        let error = attempt(&own, &map).await.unwrap_err();
        assert!(error.contains("kubeproof-nodes") && error.contains(message), "{map}: {error}");
    }
    let error = attempt(&unbound, &good).await.unwrap_err();
    assert!(error.contains("bound to a pod"), "a token without a node: {error}");

    // An apply is an update where the map exists; and only this namespace and these verbs are granted.
    let maps: Api<ConfigMap> = Api::namespaced(own.clone(), "kubeproof-nodes");
    let apply = PatchParams { dry_run: true, ..PatchParams::apply("test") };
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "x"}});
    assert!(maps.patch("kube-root-ca.crt", &apply.clone().force(), &Patch::Apply(&other)).await.is_err());
    assert!(maps.get("kube-root-ca.crt").await.is_err() && maps.list(&Default::default()).await.is_err());
    let elsewhere: Api<ConfigMap> = Api::namespaced(own, "default");
    assert!(elsewhere.patch("worker-1", &apply, &Patch::Apply(&good)).await.is_err());
}

#[tokio::test]
async fn reports_of_every_node_are_evidence_and_a_missing_one_is_a_gap() {
    wait_for_the_policy().await;
    let user = Workspace::new();
    let job = user.path("job");
    cluster().write_kubeconfig(&job, &token(cluster(), "kubeproof", "kubeproof").await, None);
    let (_, none) = run(&job, &[], 0);
    let reason = excluded(&none, "nodereports.kubeproof.dev").expect("nobody wrote a report");
    assert!(reason.contains("overlays/node"), "{reason}");

    let kubeconfig = user.path("kubeconfig");
    cluster().write_kubeconfig(&kubeconfig, &token_on("worker-1").await, None);
    let refused = node(&user, &kubeconfig, "cp-1").expect(2);
    refused.says("no other node's");
    node(&user, &kubeconfig, "worker-1").expect(0);
    let (_, first) = run(&job, &[], 5);
    let record = list(&first, "nodereports").expect("a record");
    let reason = record["outcome"]["reason"].as_str().unwrap();
    assert!(reason.contains("1 of 2 nodes have no report that counts: cp-1"), "{reason}");

    cluster().write_kubeconfig(&kubeconfig, &token_on("cp-1").await, None);
    node(&user, &kubeconfig, "cp-1").expect(0);
    node(&user, &kubeconfig, "cp-1").expect(0);
    let (_, all) = run(&job, &[], 0);
    let record = list(&all, "nodereports").expect("a record");
    assert_eq!((&record["outcome"]["is"], &record["count"]), (&json!("seen"), &json!(2)));
    assert_eq!(excluded(&all, "nodereports.kubeproof.dev"), None);

    // Another reading of the same files is no change, and the bundles that hold the reports verify.
    user.run_live(&job, &[]).expect(0);
    node(&user, &kubeconfig, "cp-1").expect(0);
    user.run_live(&job, &[]).expect(0);
    let bundles = user.bundles();
    assert_eq!(bundles.len(), 2);
    for bundle in &bundles {
        let drift = read_json(&bundle.join("data/drift.json")).to_string();
        assert!(!drift.contains("NodeReport") && !drift.contains("\"kubeproof-nodes\""), "{drift}");
        let mut verify = user.kubeproof();
        verify.arg("verify").arg(bundle).arg("--key").arg(user.public_key());
        Ended::from(verify.output().unwrap()).expect(0);
    }

    let recorded = recorded(&user, &job, &[]);
    let objects = read_json(&recorded.join("nodereports.kubeproof.dev.json"));
    assert_eq!(objects["items"].as_array().unwrap().len(), 2);
    let encryption = &objects["items"][0]["spec"]["configFiles"]["encryption"];
    assert_eq!(encryption["resources"][0]["providers"][0]["aescbc"]["keys"][0]["name"], "k");
    for (name, bytes) in super::workspace::files(&recorded) {
        assert!(!String::from_utf8_lossy(&bytes).contains("Zq7PlantedKey"), "{name}");
    }
    let again = user.run(&["run", "--from", recorded.to_str().unwrap(), "--store", "replayed"]);
    assert!([0, 5].contains(&again.code), "{}", again.stderr);

    let requests = cluster().audit();
    for event in requests.iter().filter(|event| event.user.username == REPORTER) {
        let asked = format!("{} {}", event.verb, event.request_uri);
        assert!(matches!(event.verb.as_str(), "patch" | "create" | "get" | "list"), "{asked}");
    }
    let of_the_binary = requests.iter().filter(|event| event.request_uri.contains("fieldManager=kubeproof-node"));
    assert_eq!(of_the_binary.filter(|event| event.verb == "patch").count(), 5, "one request for each report");
}

/// A recording of the cluster, in the folder `recorded`.
pub fn recorded(user: &Workspace, kubeconfig: &Path, more: &[&str]) -> PathBuf {
    let folder = user.path("recorded");
    let mut command = user.kubeproof();
    command.arg("run").arg("--kubeconfig").arg(kubeconfig).arg("--record").arg(&folder).args(more);
    Ended::from(command.output().unwrap()).expect(0);
    folder
}

#[test]
fn every_file_of_an_overlay_is_part_of_it() {
    for name in ["node", "configz"] {
        let folder = overlay(name, &[""]).remove(0);
        let kustomization = read_yaml(&folder.join("kustomization.yaml")).remove(0);
        let resources = kustomization["resources"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned());
        let mut named: Vec<String> = resources.filter(|resource| resource != "../../base").collect();
        named.push("kustomization.yaml".into());
        named.sort();
        let there = super::workspace::entries(&folder).into_iter();
        let there: Vec<String> = there.map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(named, there, "{name}");
    }
}

#[tokio::test]
async fn the_daemonsets_are_accepted_and_their_pods_ask_for_no_more_than_they_say() {
    let client = cluster().client().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    for file in overlay("node", &["daemonset.yaml", "daemonset-control-plane.yaml"]) {
        let set: DaemonSet = serde_json::from_value(read_yaml(&file).remove(0)).unwrap();
        Api::<DaemonSet>::namespaced(client.clone(), "kubeproof-nodes").create(&dry_run, &set).await.unwrap();
        let pod = set.spec.template.spec.unwrap();
        assert!(pod.host_pid.is_none() && pod.host_network.is_none() && pod.host_ipc.is_none());
        let container = &pod.containers[0];
        assert!(container.volume_mounts.as_ref().unwrap().iter().all(|mount| mount.read_only == Some(true)));
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(security.capabilities.as_ref().unwrap().drop.as_deref(), Some(["ALL".to_owned()].as_slice()));
        assert_eq!(
            (security.read_only_root_filesystem, security.allow_privilege_escalation),
            (Some(true), Some(false))
        );
        // The arguments are ones that this program has.
        let user = Workspace::new();
        let mut command = user.kubeproof();
        command.args(container.args.as_ref().unwrap()).arg("--help");
        assert_eq!(Ended::from(command.output().unwrap()).code, 0);
    }
}
