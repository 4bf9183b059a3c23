//! What kubelets run with: two that serve TLS with a certificate of the cluster's CA, and ask the API server whose token
//! they were sent and what it may read. The judges are those questions in the audit log.

use serde_json::json;
use tokio::sync::Mutex;

use super::{
    least_privilege::token,
    nodes::{NODES, cluster, list, recorded, run},
    workspace::{Workspace, json as read_json},
};
use crate::harness::cluster::AuditEvent;

/// Held by tests that send tokens to kubelets, which one of them counts.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn the_configz_overlay_is_enough_and_nodes_proxy_is_never_asked_for() {
    let user = Workspace::new();
    let kubeconfig = user.path("kubeconfig");
    cluster().write_kubeconfig(&kubeconfig, &token(cluster(), "kubeproof", "kubeproof").await, None);
    let _alone = ALONE.lock().await;
    let recorded = recorded(&user, &kubeconfig, &["--kubelet-configz"]);
    let coverage = read_json(&recorded.join("coverage.json"));
    let record = list(&coverage, "nodes/configz").expect("a record");
    assert_eq!((&record["outcome"]["is"], &record["count"]), (&json!("seen"), &json!(2)), "{record}");
    let items = read_json(&recorded.join("nodes_configz.json"))["items"].take();
    let names: Vec<&str> = items.as_array().unwrap().iter().map(|i| i["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, NODES);
    for item in items.as_array().unwrap() {
        assert_eq!((&item["apiVersion"], &item["kind"]), (&json!("kubeproof.dev/v1"), &json!("KubeletConfig")));
        let spec = &item["spec"];
        assert_eq!(spec["authentication"]["anonymous"]["enabled"], false);
        assert_eq!(spec["authorization"]["mode"], "Webhook");
        assert!(!spec.to_string().contains("redacted:"), "nothing in a configuration is a credential: {spec}");
    }
    // Read again, it is the same cluster.
    let again = user.run(&["run", "--from", recorded.to_str().unwrap(), "--store", "replayed"]);
    assert!([0, 5].contains(&again.code), "{}", again.stderr);

    for event in cluster().audit() {
        let proxy = event.request_uri.contains("/proxy");
        assert!(!proxy, "{} {}", event.verb, event.request_uri);
    }
}

#[tokio::test]
async fn without_the_overlay_the_gap_is_named_and_costs_an_exit_code_unless_declared() {
    let user = Workspace::new();
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: narrow, namespace: default}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: narrow}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kubeproof}\n\
        subjects: [{kind: ServiceAccount, name: narrow, namespace: default}]\n";
    cluster().apply("test", &[&user.write("account.yaml", account)]);
    let kubeconfig = user.path("kubeconfig");
    cluster().write_kubeconfig(&kubeconfig, &token(cluster(), "default", "narrow").await, None);
    let configuration =
        "apiVersion: kubeproof.dev/v1\ncluster: {name: test}\nkubelet: {configz: true}\nexpectedGaps:\n";
    let gaps = ["nodes/configz", "nodereports.kubeproof.dev"].map(|resource| {
        format!(
            "  - {{id: G-{}, resource: {resource}, scope: '*', reason: not granted, until: 2099-12-31}}\n",
            resource.len()
        )
    });
    let undeclared = user.write("undeclared.yaml", &format!("{configuration}{}", gaps[1]));
    let _alone = ALONE.lock().await;
    let (ended, coverage) = run(&kubeconfig, &["--config", undeclared.to_str().unwrap()], 5);
    assert!(ended.stdout.contains("nodes/configz"), "{}", ended.stdout);
    let outcome = &list(&coverage, "nodes/configz").expect("a record")["outcome"];
    assert_eq!((&outcome["is"], &outcome["status"]), (&json!("refused"), &json!(403)));
    let reason = outcome["reason"].as_str().unwrap();
    assert_eq!(reason, "2 of 2 nodes: 403, the kubelet wants get on nodes/configz (cp-1, worker-1)");

    let declared = user.write("declared.yaml", &format!("{configuration}{}", gaps.concat()));
    run(&kubeconfig, &["--config", declared.to_str().unwrap()], 0);
}

#[tokio::test]
async fn a_kubelet_that_is_not_verified_never_sees_the_token() {
    let user = Workspace::new();
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: wary, namespace: default}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: wary}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kubeproof}\n\
        subjects: [{kind: ServiceAccount, name: wary, namespace: default}]\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: wary-configz}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kubeproof-configz}\n\
        subjects: [{kind: ServiceAccount, name: wary, namespace: default}]\n";
    cluster().apply("test", &[&user.write("account.yaml", account)]);
    let token = token(cluster(), "default", "wary").await;
    let _alone = ALONE.lock().await;
    // The user takes the API server as it is; kubelets that nobody vouches for are another matter.
    let server = cluster().server();
    let careless = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: {server:?}, insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: u, user: {{token: {token:?}}}}}]\ncontexts: [{{name: test, context: {{cluster: test, user: u}}}}]\n"
    );
    let kubeconfig = user.write("careless", &careless);
    let before = tokens_asked_about();
    let (_, refused) = run(&kubeconfig, &["--kubelet-configz"], 5);
    let outcome = &list(&refused, "nodes/configz").expect("a record")["outcome"];
    assert_eq!(outcome["is"], "failed");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.starts_with("2 of 2 nodes: the certificate is not verified, so that no token was sent"), "{reason}");
    assert_eq!(tokens_asked_about(), before, "a kubelet that gets a token asks the API server about it");

    let verified = user.path("verified");
    cluster().write_kubeconfig(&verified, &token, None);
    let recorded = recorded(&user, &verified, &["--kubelet-configz"]);
    let seen = read_json(&recorded.join("coverage.json"));
    assert_eq!(list(&seen, "nodes/configz").unwrap()["outcome"]["is"], "seen");
    assert_eq!(tokens_asked_about(), before + NODES.len(), "the same token, sent where the CA vouches");

    let (_, unread) = run(&verified, &["--kubelet-configz", "--kubelet-ca", "no-such.pem"], 5);
    let reason = &list(&unread, "nodes/configz").unwrap()["outcome"]["reason"];
    assert!(reason.as_str().unwrap().starts_with("no-such.pem: cannot be read"), "{reason}");
}

/// How often kubelets asked the API server whose token they had been sent.
fn tokens_asked_about() -> usize {
    let asks = |event: &&AuditEvent| {
        let of_tokens = event.object_ref.as_ref().is_some_and(|object| object.resource == "tokenreviews");
        of_tokens && event.user.username.starts_with("system:node:")
    };
    cluster().audit().iter().filter(asks).count()
}
