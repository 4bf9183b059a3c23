//! `kubeproof check` as a pull request runs it: the real binary, its exit codes, and judges of what it prints.

mod judges;
mod lines;

use std::{io::Write as _, process::Stdio};

use serde_json::Value;

use crate::live::workspace::{Ended, Workspace};

const PRIVILEGED: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers:
        - name: app
          image: cart:1
          securityContext:
            privileged: true
";

const BROKEN: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: b\n";

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n";

const WAIVERS: &str = "\
apiVersion: kubeproof.dev/v1
waivers:
  - {id: W-1, kind: risk-accepted, check: container-privileged, resources: {kind: Deployment, namespace: shop, name: cart},
     reason: for now, approver: head of shop, until: 2026-12-31}
";

fn folder(files: &[(&str, &str)]) -> Workspace {
    let user = Workspace::new();
    for (name, text) in files {
        user.write(name, text);
    }
    user
}

fn check(user: &Workspace, arguments: &[&str]) -> Ended {
    let mut command = user.kubeproof();
    command.arg("check").args(arguments).env("KUBEPROOF_NOW", "2026-11-25T06:00:00Z").output().unwrap().into()
}

fn findings(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn exit_codes_follow_the_contract() {
    let user = folder(&[("bad/a.yaml", PRIVILEGED), ("good/a.yaml", CONFIG_MAP), ("unread/a.yaml", BROKEN)]);
    user.write("unread/b.yaml", PRIVILEGED);
    user.write("empty/notes.txt", "");
    check(&user, &["good"]).expect(0);
    check(&user, &["bad"]).expect(1);
    check(&user, &["bad", "--fail-on", "critical"]).expect(1);
    check(&user, &["bad", "--fail-on", "off"]).expect(0);
    for format in ["text", "json", "sarif", "junit", "markdown", "github"] {
        let said = check(&user, &["unread", "--fail-on", "off", "--format", format]).expect(2).stdout;
        assert!(said.contains("unread/a.yaml"), "{format}:\n{said}");
        assert!(said.contains("container-privileged"), "{format}: the rest is still reported\n{said}");
    }
    check(&user, &["empty"]).expect(2).says("no Kubernetes object in empty");
    let missing = check(&user, &["bad", "missing"]).expect(2);
    assert!(
        missing.stdout.contains("missing") && missing.stdout.contains("container-privileged"),
        "{}",
        missing.stdout
    );
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_named_and_the_rest_goes_on() {
    let user = folder(&[("a.yaml", PRIVILEGED)]);
    std::os::unix::fs::symlink("nowhere.yaml", user.path("b.yaml")).unwrap();
    let said = check(&user, &["."]).expect(2).stdout;
    assert!(said.contains("b.yaml") && said.contains("CRITICAL"), "{said}");
}

#[test]
fn a_waiver_keeps_a_failure_from_failing_the_check() {
    let user = folder(&[("a.yaml", PRIVILEGED), ("conf/waivers.yaml", WAIVERS)]);
    user.write("conf/kubeproof.yaml", "apiVersion: kubeproof.dev/v1\nwaivers: waivers.yaml\n");
    check(&user, &["a.yaml", "--fail-on", "critical"]).expect(1);
    let waived = check(&user, &["a.yaml", "--fail-on", "critical", "--config", "conf/kubeproof.yaml"]).expect(0);
    assert!(waived.stdout.contains("1 waived or expected"), "{}", waived.stdout);
}

#[test]
fn only_what_is_new_counts_against_a_baseline() {
    let user = folder(&[("deploy/a.yaml", PRIVILEGED)]);
    let before = check(&user, &["deploy", "--format", "json", "--fail-on", "off"]).expect(0);
    user.write("baseline.json", &before.stdout);
    let same = check(&user, &["./deploy/", "--baseline", "baseline.json", "--fail-on", "info"]).expect(0);
    assert!(same.stdout.contains("nothing new") && same.stdout.contains("known from the baseline"), "{}", same.stdout);

    user.write(
        "deploy/moved/a.yaml",
        &format!("# moved\n\n{PRIVILEGED}").replace("privileged: true", "privileged: false"),
    );
    std::fs::remove_file(user.path("deploy/a.yaml")).unwrap();
    user.write("deploy/b.yaml", &PRIVILEGED.replace("cart", "search"));
    let arguments = ["deploy", "--baseline", "baseline.json", "--fail-on", "critical"];
    let changed = check(&user, &[&arguments[..], &["--format", "json"]].concat()).expect(1);
    let document = findings(&changed);
    let baseline = &document["baseline"];
    assert_eq!(baseline["resolved"].as_array().unwrap().len(), 1, "privileged was taken away");
    let new: Vec<&str> = baseline["new"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for finding in document["findings"].as_array().unwrap().iter().filter(|f| f["outcome"] == "fail") {
        let is_new = new.contains(&finding["id"].as_str().unwrap());
        assert_eq!(is_new, finding["resource"]["name"] == "search", "{finding}");
    }
    // Only what is named was looked at: of the rest nothing is claimed.
    let part = check(&user, &["deploy/b.yaml", "--baseline", "baseline.json", "--format", "json"]).expect(1);
    let part = findings(&part);
    assert_eq!(part["baseline"]["resolved"], serde_json::json!([]));
    assert!(!part["baseline"]["unseen"].as_array().unwrap().is_empty());
}

#[test]
fn what_is_no_baseline_is_one_sentence() {
    let user = folder(&[("a.yaml", PRIVILEGED)]);
    let whole = check(&user, &["a.yaml", "--format", "json"]).expect(1).stdout;
    for (content, needle) in [
        (&whole[..whole.len() / 2], "cut off"),
        ("", "cut off"),
        ("kind: Pod", "is not JSON"),
        ("{\"runs\": []}", "it has no schema"),
        ("{\"schema\": \"other/v1\"}", "its schema is 'other/v1'"),
        (&whole.replace("findings/v1", "findings/v7"), "kubeproof.dev/findings/v7"),
        ("{\"schema\": \"kubeproof.dev/findings/v1\", \"findings\": [{}]}", "findings that cannot be read"),
    ] {
        user.write("baseline.json", content);
        let ended = check(&user, &["a.yaml", "--baseline", "baseline.json"]).expect(2);
        ended.says(needle);
        ended.says("baseline.json");
        assert_eq!(ended.stdout, "", "nothing was judged");
    }
    check(&user, &["a.yaml", "--baseline", "none.json"]).expect(2).says("none.json");
    check(&user, &["a.yaml", "--baseline", "."]).expect(2).says("cannot be read");
}

#[test]
fn standard_input_carries_the_name_that_it_is_given() {
    let user = Workspace::new();
    let pipe = |arguments: &[&str]| {
        let mut child = user
            .kubeproof()
            .arg("check")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{PRIVILEGED}---\n{BROKEN}").as_bytes()).unwrap();
        Ended::from(child.wait_with_output().unwrap())
    };
    let named = pipe(&["-", "--stdin-name", "charts/shop", "--format", "json"]).expect(2);
    let document = findings(&named);
    let failed =
        document["findings"].as_array().unwrap().iter().find(|f| f["check"] == "container-privileged").unwrap();
    assert_eq!(failed["file"], serde_json::json!({"path": "charts/shop", "line": 13}));
    assert_eq!(document["errors"][0]["file"], "charts/shop");
    let unnamed = findings(&pipe(&["-", "--format", "json"]).expect(2));
    assert_eq!(unnamed["errors"][0]["file"], "-");
}

#[test]
fn completions_know_the_formats() {
    let said = Workspace::new().run(&["completions", "bash"]).expect(0).stdout;
    assert!(said.contains("--baseline") && said.contains("--stdin-name") && said.contains("sarif"), "{said}");
}
