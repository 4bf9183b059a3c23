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
    let list = coverage["lists"].as_array().unwrap().iter().find(|l| l["resource"] == "networkpolicies").unwrap();
    assert_eq!((&list["outcome"]["is"], &list["outcome"]["status"]), (&json!("refused"), &json!(403)));
    let evaluation = read_json(&bundle.join("data/evaluation.json"));
    let unanswered: Vec<&Value> =
        evaluation["checks"].as_array().unwrap().iter().filter(|c| c["outcome"] == "not-evaluated").collect();
    let says = |check: &Value, why: &str| check["reason"].as_str().unwrap().contains(why);
    assert!(unanswered.iter().any(|check| says(check, "networkpolicies")));
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
        match says(check, "networkpolicies") || says(check, "never asked for") {
            true => assert!(report.contains(id), "the report names {id}"),
            false => assert!(says(check, "was not collected"), "{check}"),
        }
    }

    let configuration = user.write("kubeproof.yaml", CONFIGURATION);
    user.run_live(&kubeconfig, &["--config", configuration.to_str().unwrap()]).expect(0);
}
