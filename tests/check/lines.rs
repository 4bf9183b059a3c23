//! Every finding has the file and the line to look at, whatever the notation.

use serde_json::Value;

use super::{PRIVILEGED, check, findings, folder};

/// Lines of the failures of `id`, in the order of the file.
fn lines(text: &str, id: &str) -> Vec<u64> {
    let user = folder(&[("a.yaml", text)]);
    let document = findings(&check(&user, &["a.yaml", "--fail-on", "off", "--format", "json"]).expect(0));
    let all = document["findings"].as_array().unwrap();
    for finding in all.iter().filter(|finding| finding["outcome"] == "fail") {
        assert_eq!(finding["file"]["path"], "a.yaml", "{finding}");
        let line = finding["file"]["line"].as_u64().unwrap() as usize;
        assert!((1..=text.lines().count()).contains(&line), "{finding}");
    }
    let failed = all.iter().filter(|finding| finding["outcome"] == "fail" && finding["check"] == id);
    let mut lines: Vec<u64> = failed.filter_map(|finding| finding["file"]["line"].as_u64()).collect();
    lines.sort_unstable();
    lines
}

/// The 1-based line of the nth `needle`.
fn at(text: &str, needle: &str, nth: usize) -> u64 {
    let mut found = text.lines().enumerate().filter(|(_, line)| line.contains(needle));
    found.nth(nth).unwrap().0 as u64 + 1
}

#[test]
fn of_several_documents() {
    let text = format!("# first\n---\n{PRIVILEGED}---\n---\n# last\n{}", PRIVILEGED.replace("cart", "search"));
    let expected = [at(&text, "privileged", 0), at(&text, "privileged", 1)];
    assert_eq!(lines(&text, "container-privileged"), expected);
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(lines(&windows, "container-privileged"), expected);
}

#[test]
fn of_lists_in_lists_and_json() {
    let indented: String = PRIVILEGED.lines().map(|line| format!("    {line}\n")).collect();
    let item = indented.replacen("    apiVersion", "  - apiVersion", 1);
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{item}{}", item.replace("cart", "search"));
    assert_eq!(lines(&text, "container-privileged"), [at(&text, "privileged", 0), at(&text, "privileged", 1)]);
    let json = serde_json::json!({"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}, "spec": {
        "containers": [{"name": "c", "securityContext": {"privileged": true}}]}}]});
    let json = serde_json::to_string_pretty(&json).unwrap();
    assert_eq!(lines(&json, "container-privileged"), [at(&json, "privileged", 0)]);
}

#[test]
fn of_anchors_and_aliases() {
    let text = "\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  containers:
    - name: one
      securityContext: &context
        privileged: true
    - name: two
      securityContext: *context
";
    // An alias is where it is used: that is the line to change.
    assert_eq!(lines(text, "container-privileged"), [8, 10]);
}

#[test]
fn of_merge_keys() {
    let text = "\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
x-base: &base
  securityContext:
    privileged: true
spec:
  containers:
    - name: one
      <<: *base
    - <<: *base
      name: two
    - <<:
        securityContext:
          privileged: true
      name: three
";
    assert_eq!(lines(text, "container-privileged"), [10, 11, 13]);
}

#[test]
fn of_subjects_at_the_binding_that_gives_them_something() {
    let text = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: everything}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everyone}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: everything}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: eve}]
";
    let user = folder(&[("a.yaml", text)]);
    let document = findings(&check(&user, &["a.yaml", "--fail-on", "off", "--format", "json"]).expect(0));
    let of_eve: Vec<&Value> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["outcome"] == "fail" && finding["resource"]["name"] == "eve")
        .collect();
    assert!(!of_eve.is_empty(), "{document}");
    for finding in of_eve {
        assert_eq!(finding["file"], serde_json::json!({"path": "a.yaml", "line": 6}), "{finding}");
    }
}
