//! Grants from whole sets of objects.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Grant, Risk, grants, risk, sentence, subjects, summary};
use crate::snapshot::{Object, Sealer, Tokens};

fn object(value: Value) -> Object {
    Sealer::new(None, "uid", Tokens::Foreign).seal(value, "r", None).unwrap()
}

fn rbac(kind: &str, namespace: Option<&str>, name: &str, labels: Value, rest: Value) -> Object {
    let mut value = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    });
    value.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
    object(value)
}

fn cluster_role(name: &str, labels: Value, rules: Value) -> Object {
    rbac("ClusterRole", None, name, labels, json!({"rules": rules}))
}

fn binding(namespace: Option<&str>, name: &str, role: (&str, &str), subjects: Value) -> Object {
    let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
    let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1});
    rbac(kind, namespace, name, json!({}), json!({"roleRef": role_ref, "subjects": subjects}))
}

fn user(name: &str) -> Value {
    json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}])
}

fn read(resources: &[&str]) -> Value {
    json!([{"apiGroups": [""], "resources": resources, "verbs": ["get"]}])
}

fn rows(objects: &[Object]) -> Vec<(String, Option<String>, String, String)> {
    let (grants, _) = grants(objects);
    grants.into_iter().map(|g| (g.subject_name, g.namespace, g.verb, g.resource)).collect()
}

#[test]
fn a_role_binding_gives_a_cluster_role_in_its_namespace_without_urls() {
    let rules = json!([
        {"apiGroups": ["", "apps"], "resources": ["pods"], "resourceNames": ["a", "b"], "verbs": ["get", "list"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]);
    let objects = [cluster_role("r", json!({}), rules), binding(Some("shop"), "b", ("ClusterRole", "r"), user("eve"))];
    let (given, dangling) = grants(&objects);
    assert_eq!(given.len(), 8);
    assert!(
        given.iter().all(|g| g.namespace.as_deref() == Some("shop") && g.url.is_none() && g.resource_name.is_some())
    );
    assert_eq!(dangling, []);
}

#[test]
fn a_cluster_role_binding_gives_urls_too() {
    let rules = json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]);
    let objects = [cluster_role("r", json!({}), rules), binding(None, "b", ("ClusterRole", "r"), user("eve"))];
    assert_eq!(grants(&objects).0[0].url.as_deref(), Some("/metrics"));
}

#[test]
fn a_role_of_another_namespace_is_not_found() {
    let role = rbac("Role", Some("other"), "r", json!({}), json!({"rules": read(&["pods"])}));
    let (given, dangling) = grants(&[role, binding(Some("shop"), "b", ("Role", "r"), user("eve"))]);
    assert_eq!(given, []);
    assert_eq!((dangling[0].role.as_str(), dangling[0].namespace.as_deref()), ("Role/r", Some("shop")));
}

#[test]
fn default_roles_never_dangle_and_cluster_admin_is_known() {
    let bind = |role| binding(None, role, ("ClusterRole", role), user("eve"));
    let (given, dangling) = grants(&[bind("cluster-admin"), bind("view"), bind("system:node"), bind("gone")]);
    assert_eq!(given.iter().filter(|g| risk(g) == Some(Risk::Everything)).count(), 1);
    assert_eq!(dangling.iter().map(|d| d.role.as_str()).collect::<Vec<_>>(), ["ClusterRole/gone"]);
}

#[test]
fn aggregated_rules_name_their_source_whether_materialised_or_not() {
    let selector = json!({"clusterRoleSelectors": [{"matchLabels": {"to-edit": "true"}}]});
    let source = cluster_role("secret-reader", json!({"to-edit": "true"}), read(&["secrets"]));
    let bind = binding(None, "b", ("ClusterRole", "edit"), user("eve"));
    for rules in [json!(null), json!([]), read(&["secrets"])] {
        let edit = rbac("ClusterRole", None, "edit", json!({}), json!({"aggregationRule": selector, "rules": rules}));
        let (given, _) = grants(&[edit, source.clone(), bind.clone()]);
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].aggregated_from.as_deref(), Some("secret-reader"));
    }
}

#[test]
fn roles_that_aggregate_each_other_end() {
    let role = |name: &str, resource: &str| {
        let selector = json!({"clusterRoleSelectors": [{"matchExpressions": [{"key": "ring", "operator": "Exists"}]}]});
        rbac(
            "ClusterRole",
            None,
            name,
            json!({"ring": "1"}),
            json!({"aggregationRule": selector, "rules": read(&[resource])}),
        )
    };
    let objects = [role("a", "pods"), role("b", "nodes"), binding(None, "x", ("ClusterRole", "a"), user("eve"))];
    assert_eq!(rows(&objects).len(), 2);
}

#[test]
fn stock_needs_the_mark_on_role_and_binding() {
    let mark = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    let subjects_of = user("eve");
    let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"});
    let bind = |name: &str, labels: Value| {
        rbac("ClusterRoleBinding", None, name, labels, json!({"roleRef": role_ref, "subjects": subjects_of}))
    };
    let role = cluster_role("r", mark.clone(), read(&["pods"]));
    let (given, _) = grants(&[role, bind("stock", mark), bind("own", json!({}))]);
    assert_eq!(
        given.iter().map(|g| (g.binding.as_str(), g.stock)).collect::<Vec<_>>(),
        [("own", false), ("stock", true)]
    );
    let seen = subjects(&given);
    assert_eq!((seen.len(), seen[0].grants.len(), seen[0].stock.len()), (1, 1, 1));
    assert_eq!(seen[0].grants[0].via, "ClusterRoleBinding/own -> ClusterRole/r");
}

#[test]
fn a_service_account_is_one_subject_under_both_spellings() {
    let both = json!([{"kind": "ServiceAccount", "name": "ci", "namespace": "shop"}, {"kind": "User", "name": "system:serviceaccount:shop:ci"}]);
    let (given, _) =
        grants(&[cluster_role("r", json!({}), read(&["pods"])), binding(None, "b", ("ClusterRole", "r"), both)]);
    assert_eq!(given.len(), 1);
    assert_eq!(
        (given[0].subject_kind.as_str(), given[0].subject_namespace.as_deref()),
        ("ServiceAccount", Some("shop"))
    );
}

#[test]
fn odd_objects_grant_nothing_and_break_nothing() {
    let odd = [
        cluster_role("r", json!({}), json!("all")),
        rbac("ClusterRoleBinding", None, "b", json!({}), json!({"roleRef": 5})),
        rbac("RoleBinding", Some("x"), "c", json!({}), json!({})),
    ];
    assert_eq!(grants(&odd), (vec![], vec![]));
}

fn grant(verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> Grant {
    let bind = binding(namespace, "b", ("ClusterRole", "r"), user("eve"));
    let rules = json!([{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]);
    grants(&[cluster_role("r", json!({}), rules), bind]).0.remove(0)
}

#[test]
fn risks_by_verb_group_and_resource() {
    for (verb, group, resource, expected) in [
        ("*", "*", "*", Some(Risk::Everything)),
        ("create", "*", "*", Some(Risk::Everything)),
        ("get", "*", "*", Some(Risk::ReadSecrets)),
        ("list", "", "secrets", Some(Risk::ReadSecrets)),
        ("watch", "", "*", Some(Risk::ReadSecrets)),
        ("delete", "", "secrets", None),
        ("get", "example.com", "secrets", None),
        ("create", "", "pods", Some(Risk::RunPods)),
        ("create", "", "*/exec", Some(Risk::EnterPods)),
        ("*", "apps", "deployments", Some(Risk::RunPods)),
        ("get", "", "nodes/proxy", Some(Risk::ReachKubelets)),
        ("bind", "rbac.authorization.k8s.io", "clusterroles", Some(Risk::Escalate)),
        ("impersonate", "", "users", Some(Risk::Escalate)),
        ("create", "", "serviceaccounts/token", Some(Risk::MintTokens)),
        ("approve", "certificates.k8s.io", "signers", Some(Risk::SignCertificates)),
        ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", Some(Risk::ChangeAdmission)),
        ("create", "", "persistentvolumes", Some(Risk::MakeVolumes)),
        ("get", "", "pods", None),
    ] {
        assert_eq!(risk(&grant(verb, group, resource, None)), expected, "{verb} {group}/{resource}");
    }
}

#[test]
fn grants_in_words() {
    assert_eq!(sentence(&grant("list", "", "secrets", Some("shop"))), "read secrets in shop");
    assert_eq!(sentence(&grant("*", "*", "*", None)), "do anything with everything cluster-wide");
    assert_eq!(
        sentence(&grant("create", "gateway.networking.k8s.io", "gateways", None)),
        "create gateways.gateway.networking.k8s.io cluster-wide"
    );
    let several = ["get", "list", "watch"].map(|v| grant(v, "", "secrets", Some("shop")));
    let mut all: Vec<Grant> = several.to_vec();
    all.push(grant("get", "", "configmaps", Some("shop")));
    all.push(grant("create", "", "pods", Some("shop")));
    assert_eq!(summary(&all, 2), "read secrets in shop, create pods in shop and 1 more");
}

proptest! {
    #[test]
    fn the_order_of_objects_does_not_matter(order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle()) {
        let selector = json!({"clusterRoleSelectors": [{"matchLabels": {"agg": "x"}}]});
        let objects = [
            cluster_role("s1", json!({"agg": "x"}), read(&["secrets", "pods"])),
            cluster_role("s2", json!({"agg": "x"}), read(&["pods"])),
            rbac("ClusterRole", None, "all", json!({}), json!({"aggregationRule": selector})),
            rbac("Role", Some("a"), "r", json!({}), json!({"rules": read(&["pods"])})),
            rbac("Role", Some("b"), "r", json!({}), json!({"rules": read(&["services"])})),
            binding(Some("a"), "r", ("Role", "r"), user("eve")),
            binding(Some("b"), "r", ("Role", "r"), user("eve")),
            binding(None, "all", ("ClusterRole", "all"), user("adam")),
            binding(None, "none", ("ClusterRole", "none"), user("adam")),
        ];
        let shuffled: Vec<Object> = order.iter().map(|i| objects[*i].clone()).collect();
        let expected = grants(&objects);
        prop_assert_eq!(expected.0.len(), 5);
        prop_assert_eq!(grants(&shuffled), expected);
    }
}
