//! One rule of the role removed: the run ends, commits and says what it could not see.

use serde_json::{Value, json};

use super::{
    least_privilege::{base, token},
    workspace::{Workspace, json as read_json},
};
use crate::harness::{cluster, cluster::read_yaml, judges};

const CONFIGURATION: &str = "\
apiVersion: kubeproof.dev/v1
cluster: {name: test}
expectedGaps:
  - {id: G-1, resource: networkpolicies.networking.k8s.io, scope: '*', reason: not granted yet, until: 2099-12-31}
";

/// The role that a user installs, without the right to list network policies, bound to an account of this test's own.
fn narrower_role() -> Value {
    let mut role = read_yaml(&base(&["clusterrole.yaml"])[0]).remove(0);
    role["metadata"]["name"] = "unseen".into();
    let mut removed = 0;
    for rule in role["rules"].as_array_mut().unwrap() {
        // Calico has a kind of the same name.
        if rule["apiGroups"] != json!(["networking.k8s.io"]) {
            continue;
        }
        let resources = rule["resources"].as_array_mut().unwrap();
        let before = resources.len();
        resources.retain(|resource| resource != "networkpolicies");
        removed += before - resources.len();
    }
    assert_eq!(removed, 1, "the role grants network policies once");
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "unseen"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": "unseen"}},
        role,
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "unseen"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "unseen"},
         "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "unseen"}]}
    ]})
}

#[tokio::test]
async fn a_refused_list_is_named_and_costs_an_exit_code_unless_declared() {
    let cluster = cluster();
    let user = Workspace::new();
    let items = narrower_role();
    let documents: Vec<String> = items["items"].as_array().unwrap().iter().map(Value::to_string).collect();
    cluster.apply("test", &[&user.write("role.yaml", &documents.join("\n---\n"))]);
    let kubeconfig = user.path("kubeconfig");
    cluster.write_kubeconfig(&kubeconfig, &token(cluster, "unseen", "reader").await, None);

    let undeclared = user.run_live(&kubeconfig, &[]).expect(5);
    assert!(undeclared.stdout.contains("networkpolicies"), "the summary names it:\n{}", undeclared.stdout);
    let bundle = user.bundle();
    let coverage = read_json(&bundle.join("data/coverage.json"));
    let list = coverage["lists"]
        .as_array()
        .unwrap()
        .iter()
        .find(|l| l["resource"] == "networkpolicies" && l["group"] == "networking.k8s.io")
        .unwrap();
    assert_eq!((&list["outcome"]["is"], &list["outcome"]["status"]), (&json!("refused"), &json!(403)));
    let evaluation = read_json(&bundle.join("data/evaluation.json"));
    // Other checks lack inputs that no list gives; these lack this one.
    let blind = |check: &&Value| {
        check["outcome"] == "not-evaluated" && check["reason"].as_str().unwrap().contains("networkpolicies")
    };
    let unanswered: Vec<&Value> = evaluation["checks"].as_array().unwrap().iter().filter(blind).collect();
    assert!(unanswered.len() > 2, "{unanswered:?}");
    let report = super::workspace::entries(&bundle.join("data/report"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "pdf"))
        .map(|pdf| judges::pdf_text(&pdf))
        .expect("a PDF");
    assert!(report.contains("networkpolicies"), "the report names what was not seen");
    // Names break at line ends, so the text is compared without its white space.
    let report: String = report.split_whitespace().collect();
    for check in unanswered {
        let id = check["id"].as_str().unwrap();
        assert!(report.contains(id), "the report names {id}");
    }

    let configuration = user.write("kubeproof.yaml", CONFIGURATION);
    user.run_live(&kubeconfig, &["--config", configuration.to_str().unwrap()]).expect(0);
}

#[tokio::test]
async fn a_run_that_may_list_nothing_is_signed_as_failed_and_the_next_one_does_not_compare_with_it() {
    let cluster = cluster();
    let user = Workspace::new();
    let account = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "powerless"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": "powerless"}}),
    ];
    let documents: Vec<String> = account.iter().map(Value::to_string).collect();
    cluster.apply("test", &[&user.write("account.yaml", &documents.join("\n---\n"))]);
    let kubeconfig = user.path("kubeconfig");
    cluster.write_kubeconfig(&kubeconfig, &token(cluster, "powerless", "nobody").await, None);

    // Of a cluster that nobody can name there is no log to write into.
    user.run_live(&kubeconfig, &[]).expect(2).says("may list nothing");
    assert!(!user.path("evidence/clusters").exists());

    user.run_live(cluster.kubeconfig(), &["--name", "test"]).expect(0);
    let folder = user.cluster_folder().file_name().unwrap().to_str().unwrap().to_owned();
    let uid = folder.strip_prefix("test-").unwrap();
    let text = format!("apiVersion: kubeproof.dev/v1\ncluster: {{name: test, uid: {uid}}}\n");
    let configuration = user.write("kubeproof.yaml", &text);
    let failed = user.run_live(&kubeconfig, &["--config", configuration.to_str().unwrap()]).expect(5);
    assert!(failed.stdout.contains("signed as failed"), "{}", failed.stdout);
    assert_eq!(user.bundles().len(), 2, "the failed run is in the same log");
    let key = user.public_key();
    let proof = ["verify", "evidence", "--key", key.to_str().unwrap()];
    user.run(&proof).expect(0);

    user.run_live(cluster.kubeconfig(), &["--name", "test"]).expect(0);
    let drifts: Vec<Value> = user.bundles().iter().map(|bundle| read_json(&bundle.join("data/drift.json"))).collect();
    let indexes: Vec<&Value> = drifts.iter().map(|drift| &drift["baseline"]["index"]).collect();
    assert!(!indexes.contains(&&json!(1)), "nothing compares with the failed run: {indexes:?}");
    assert_eq!(indexes.iter().filter(|index| ***index == json!(0)).count(), 2, "{indexes:?}");
}
