//! A real API server: what it lists, how it fills in what manifests leave out, and what a recording keeps of it.

use std::path::Path;

use kubeproof::{
    clock::SystemClock,
    collect::{
        Collected, ListOutcome,
        cluster::{self, Connection, Options},
        manifests, recorded,
        resources::RESOURCES,
    },
    snapshot::{Object, RedactionKey, Snapshot, assemble},
};
use serde_json::Value;

use crate::harness::cluster::{Cluster, cluster};

async fn connect(cluster: &Cluster, options: Options) -> Connection {
    let options = Options { kubeconfig: Some(cluster.kubeconfig().to_owned()), ..options };
    cluster::connect(&options).await.unwrap()
}

async fn collect(cluster: &Cluster, options: Options) -> Collected {
    let connection = connect(cluster, options).await;
    let key = Some(RedactionKey::generate([7; 32]));
    cluster::collect(&connection, key, &[], &SystemClock, &|_| {}).await
}

fn snapshot(collected: &Collected) -> Snapshot {
    assemble(collected.objects.clone(), &collected.coverage)
}

/// What nothing changes between two reads: the stock roles of kube-system.
fn still(objects: &[Object]) -> Vec<String> {
    objects
        .iter()
        .filter(|o| o.namespace.as_deref() == Some("kube-system"))
        .filter(|o| ["Role", "RoleBinding", "ServiceAccount"].contains(&o.gvk.kind.as_str()))
        .map(|o| format!("{} {}", o.reference(), o.digest))
        .collect()
}

#[tokio::test]
async fn every_list_is_answered_or_not_served_and_counts_tie() {
    let collected = collect(cluster(), Options::default()).await;
    let coverage = &collected.coverage;
    assert_eq!(coverage.lists.len(), RESOURCES.len());
    for list in &coverage.lists {
        let extension = ["gateway.networking.k8s.io", "aquasecurity.github.io"].contains(&list.group.as_str());
        let expected = if extension { ListOutcome::NotServed } else { ListOutcome::Seen };
        assert_eq!(list.outcome, expected, "{}", list.id());
        let held = collected.objects.iter().filter(|o| o.resource == list.id()).count();
        assert_eq!(held as u64, list.count, "{}", list.id());
    }
    assert_eq!(coverage.caller.as_ref().map(|c| c.username.as_str()), Some("admin"));
    assert!(coverage.cluster.uid.as_ref().is_some_and(|uid| uid.len() == 36));
    assert_eq!(coverage.cluster.kubernetes.as_deref(), Some("v1.37.2"));
    assert!(coverage.server.as_ref().is_some_and(|s| s.url.starts_with("https://") && s.ca.is_some() && !s.insecure));
    assert_eq!(coverage.discovery_failures, []);
}

#[tokio::test]
async fn pages_of_seven_hold_what_one_page_holds() {
    let whole = collect(cluster(), Options::default()).await;
    let paged = collect(cluster(), Options { page_size: 7, concurrency: 1, ..Options::default() }).await;
    let roles = paged.coverage.list("clusterroles.rbac.authorization.k8s.io").unwrap();
    assert!(roles.pages > 5 && roles.count > 35, "{roles:?}");
    let (whole, paged) = (snapshot(&whole), snapshot(&paged));
    assert!(still(&whole.objects).len() > 20);
    assert_eq!(still(&whole.objects), still(&paged.objects));
}

#[tokio::test]
async fn a_recording_of_a_real_cluster_reads_as_the_same_snapshot() {
    let collected = collect(cluster(), Options::default()).await;
    let before = snapshot(&collected);
    let dir = tempfile::tempdir().unwrap();
    recorded::write(dir.path(), &collected, &before.objects).unwrap();
    let again = recorded::read(dir.path(), None).unwrap();
    assert_eq!(again.coverage, collected.coverage);
    let facts = |snapshot: &Snapshot| -> Vec<_> {
        snapshot.objects.iter().map(|o| (o.reference(), o.resource.clone(), o.digest, o.managers.clone())).collect()
    };
    let after = snapshot(&again);
    assert_eq!(facts(&after), facts(&before));
    assert_eq!((after.grants.len(), after.components.len()), (before.grants.len(), before.components.len()));
}

/// Path of a kind, the manifest, and the places that the server fills in.
const DEFAULTED: &[(&str, &str, &[&str])] = &[
    (
        "/api/v1/namespaces/default/pods",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: d}\nspec:\n  hostNetwork: true\n  volumes: [{name: scratch}]\n  containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]\n",
        &["/metadata/namespace", "/spec/volumes/0", "/spec/containers/0/ports/0/hostPort"],
    ),
    (
        "/apis/apps/v1/namespaces/default/deployments",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec:\n      hostNetwork: true\n      volumes: [{name: scratch}]\n      containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]\n",
        &["/spec/template/spec/volumes/0", "/spec/template/spec/containers/0/ports/0/hostPort"],
    ),
    (
        "/apis/batch/v1/namespaces/default/cronjobs",
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: d}\nspec:\n  schedule: '1 1 * * *'\n  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, volumes: [{name: scratch}], containers: [{name: c, image: i}]}}}}\n",
        &["/spec/jobTemplate/spec/template/spec/volumes/0"],
    ),
    (
        "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: d}\nspec: {podSelector: {}}\n",
        &["/spec/policyTypes"],
    ),
    (
        "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: e}\nspec: {podSelector: {}, egress: [{}]}\n",
        &["/spec/policyTypes"],
    ),
    (
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: d}\nroleRef: {kind: Role, name: r}\nsubjects: [{kind: Group, name: g}, {kind: ServiceAccount, name: s, namespace: default}]\n",
        &["/roleRef/apiGroup", "/subjects/0", "/subjects/1"],
    ),
];

#[tokio::test]
async fn what_manifests_leave_out_is_filled_in_as_the_server_does() {
    let client = cluster().client().await;
    let options =
        manifests::Options { name: None, uid: None, kubernetes: None, key: None, now: chrono::DateTime::UNIX_EPOCH };
    for (path, text, places) in DEFAULTED {
        let read = manifests::collect(&[manifests::Input::Stdin("-".into(), (*text).into())], &options);
        let ours = read.objects[0].value();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("object.yaml");
        std::fs::write(&file, text).unwrap();
        let sent = crate::harness::cluster::read_yaml(Path::new(&file)).remove(0);
        let request = http::Request::post(format!("{path}?dryRun=All"))
            .header("content-type", "application/json")
            .body(sent.to_string().into_bytes())
            .unwrap();
        let theirs: Value = client.request(request).await.unwrap();
        for place in *places {
            assert_eq!(ours.pointer(place), theirs.pointer(place), "{place} of\n{text}");
        }
    }
}
