//! Checks rendered as ValidatingAdmissionPolicy: the API server compiles and type-checks each, and must refuse and admit
//! what the check's own cases say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::{Command, Output},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use http::Method;
use kube::client::Client;
use kubeproof::framework::{
    Check, Library, Minor,
    check::{On, Test},
    embedded, policy,
    policy::{Action, Rendered},
};
use serde_json::{Value, json};

use super::{
    api::{Answer, create, send},
    cluster,
    complete::{self, Served},
};
use crate::harness::cluster::read_yaml;

const API: &str = "/apis/admissionregistration.k8s.io/v1";
/// Objects carry it, bindings ask for it: each policy judges the cases of its own check.
const LABEL: &str = "kubeproof.dev/policy";
const AT_ONCE: usize = 8;
/// The API server reads policies about once a second.
const IN_FORCE: Duration = Duration::from_secs(60);

/// One policy of one check, with the cases that it decides.
struct Installed<'a> {
    name: String,
    rendered: Value,
    cases: Vec<&'a Test>,
}

/// What became of an object.
#[derive(Debug, PartialEq)]
enum Said {
    Admitted,
    /// By the policy, with its words.
    Refused(String),
    /// By something else: the object says nothing about the policy.
    Invalid(String),
}

/// A policy for each way in which a check's cases ask to be judged.
fn installed(check: &Check) -> Vec<Installed<'_>> {
    let mut all: Vec<Installed<'_>> = Vec::new();
    for test in &check.tests {
        let decides = check.policy(test.kubernetes, &test.params);
        let Ok(rendered) = policy::render(check, &decides, &[Action::Deny].into(), &[]) else { continue };
        let rendered = serde_json::to_value(rendered).unwrap();
        match all.iter_mut().find(|known| known.rendered == rendered) {
            Some(known) => known.cases.push(test),
            None => {
                let name = format!("{}-{}", check.id, all.len());
                all.push(Installed { name, rendered, cases: vec![test] });
            }
        }
    }
    all
}

/// Policy and binding under a name of their own, for objects with the policy's label.
fn objects(installed: &Installed<'_>) -> (Value, Value) {
    let (mut policy, mut binding) = (installed.rendered["policy"].clone(), installed.rendered["binding"].clone());
    policy["metadata"]["name"] = installed.name.as_str().into();
    binding["metadata"]["name"] = installed.name.as_str().into();
    binding["spec"]["policyName"] = installed.name.as_str().into();
    binding["spec"]["matchResources"] = json!({"objectSelector": {"matchLabels": {LABEL: installed.name}}});
    (policy, binding)
}

async fn install(client: &Client, all: &[(Value, Value)]) {
    for (kind, objects) in [
        ("validatingadmissionpolicies", all.iter().map(|(policy, _)| policy).collect::<Vec<_>>()),
        ("validatingadmissionpolicybindings", all.iter().map(|(_, binding)| binding).collect()),
    ] {
        let path = format!("{API}/{kind}");
        stream::iter(objects)
            .for_each_concurrent(AT_ONCE, |object| {
                let path = &path;
                async move {
                    send(client, Method::POST, path, Some(object)).await.expect_success();
                }
            })
            .await;
    }
}

/// Waits until the API server enforces what was installed so far: policies and bindings are read in order, so that one
/// more that refuses everything shows when all before it are known.
async fn in_force(client: &Client, name: &str) {
    let check = json!({
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]
            }]},
            "validations": [{"expression": "false"}]
        }
    });
    let binding = json!({"metadata": {"name": name}, "spec": {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"objectSelector": {"matchLabels": {LABEL: name}}}
    }});
    install(client, &[(check, binding)]).await;
    let probe = json!({"metadata": {"name": "probe", "labels": {LABEL: name}}});
    let started = Instant::now();
    loop {
        let path = "/api/v1/namespaces/default/configmaps?dryRun=All";
        let answer = send(client, Method::POST, path, Some(&probe)).await;
        if matches!(said(answer, name), Said::Refused(_)) {
            return;
        }
        assert!(started.elapsed() < IN_FORCE, "the policies are not in force after {IN_FORCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn said(answer: Answer, policy: &str) -> Said {
    let denied = format!("ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: ");
    match answer.code {
        // One that exists already would have been refused before anybody looked whether it does.
        200 | 201 | 409 => Said::Admitted,
        403 | 422 if answer.message().contains(&denied) => {
            Said::Refused(answer.message().split_once(&denied).unwrap().1.to_string())
        }
        code => Said::Invalid(format!("{code}: {}", answer.message())),
    }
}

/// What the API server's type checker says of a policy, as soon as it has looked.
async fn type_warnings(client: &Client, name: &str) -> Vec<String> {
    let started = Instant::now();
    loop {
        let path = format!("{API}/validatingadmissionpolicies/{name}");
        let policy = send(client, Method::GET, &path, None).await.expect_success();
        if policy["status"]["observedGeneration"] == policy["metadata"]["generation"] {
            let warnings = policy["status"]["typeChecking"]["expressionWarnings"].as_array().cloned();
            return warnings.unwrap_or_default().iter().map(|warning| format!("{name}: {warning}")).collect();
        }
        assert!(started.elapsed() < IN_FORCE, "{name} is not type-checked after {IN_FORCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends an object of a case as a dry run. A pod's ephemeral containers are added to the pod that was made before the
/// policies were there.
async fn ask(client: &Client, served: &Served, name: &str, object: &Value) -> Said {
    let path = served.path(object);
    let answer = if complete::has_ephemeral(object) {
        let pod = object["metadata"]["name"].as_str().unwrap();
        let mut made = send(client, Method::GET, &format!("{path}/{pod}"), None).await.expect_success();
        made["spec"]["ephemeralContainers"] = object["spec"]["ephemeralContainers"].clone();
        let path = format!("{path}/{pod}/ephemeralcontainers?dryRun=All");
        send(client, Method::PUT, &path, Some(&made)).await
    } else {
        send(client, Method::POST, &format!("{path}?dryRun=All"), Some(object)).await
    };
    said(answer, name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_says_of_every_case_what_the_check_says() {
    let client = cluster().client().await;
    let served = Served::by(&client).await;
    let library = Library::load(&embedded()).unwrap();
    let all: Vec<(&Check, Installed<'_>)> =
        library.checks().flat_map(|check| installed(check).into_iter().map(move |one| (check, one))).collect();
    let mut asked: Vec<(&Check, &Installed<'_>, &Test, Vec<Value>)> = Vec::new();
    let mut unsent = BTreeSet::new();
    for (check, installed) in &all {
        for (at, test) in installed.cases.iter().enumerate() {
            let objects = test.object.iter().chain(&test.objects);
            let completed: Option<Vec<Value>> =
                objects.map(|object| served.object(object, &check.on, (LABEL, &installed.name), at)).collect();
            match completed.filter(|_| test.not_evaluated.is_none()) {
                Some(objects) => asked.push((check, installed, test, objects)),
                None => {
                    unsent.insert(format!("{}: {}", check.id, test.name.value));
                }
            }
        }
    }
    prepare(&client, &served, asked.iter().flat_map(|(.., objects)| objects)).await;
    install(&client, &all.iter().map(|(_, installed)| objects(installed)).collect::<Vec<_>>()).await;
    in_force(&client, "last").await;

    let mut wrong: Vec<String> = Vec::new();
    let mut invalid = BTreeSet::new();
    let (mut admitted, mut refused, mut plain) = (0, 0, 0);
    for (check, installed, test, objects) in &asked {
        let mut answers = Vec::new();
        for object in objects {
            answers.push(ask(&client, &served, &installed.name, object).await);
        }
        let case = format!("{} ({}): {}", check.id, installed.name, test.name.value);
        if let Some(Said::Invalid(why)) = answers.iter().find(|answer| matches!(answer, Said::Invalid(_))) {
            invalid.insert(format!("{case}: {why}"));
            continue;
        }
        let refusals = answers.iter().filter_map(|answer| match answer {
            Said::Refused(words) => Some(words),
            Said::Admitted | Said::Invalid(_) => None,
        });
        let refusals: Vec<&String> = refusals.collect();
        plain += refusals.iter().filter(|words| words.contains(&format!("({})", check.id))).count();
        if refusals.is_empty() == test.fail.is_some() {
            wrong.push(format!("{case}: the API server says {answers:?}\n  of {}", json!(objects)));
        } else if refusals.is_empty() {
            admitted += 1;
        } else {
            refused += 1;
        }
        wrong.extend(
            refusals.iter().filter(|words| words.contains("resulted in error")).map(|w| format!("{case}: {w}")),
        );
    }
    for (_, installed) in &all {
        wrong.extend(type_warnings(&client, &installed.name).await);
    }
    println!(
        "{} policies of {} checks: {admitted} cases admitted, {refused} refused ({plain} with the fixed message), {} no \
         valid objects, {} not sent",
        all.len(),
        all.iter().map(|(check, _)| &check.id).collect::<BTreeSet<_>>().len(),
        invalid.len(),
        unsent.len()
    );
    invalid.iter().for_each(|case| println!("no valid object: {case}"));
    unsent.iter().for_each(|case| println!("not sent: {case}"));
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), asked.len(), wrong.join("\n"));
    assert!(admitted > 50 && refused > 50, "too few cases say something");
    assert!(invalid.len() * 10 < admitted + refused, "too many cases are no valid objects");
}

/// What the cases need to be there: their namespaces, and the pods whose ephemeral containers are asked about.
async fn prepare(client: &Client, served: &Served, objects: impl Iterator<Item = &Value>) {
    let (mut accounts, mut pods) = (BTreeSet::new(), BTreeMap::new());
    for object in objects {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            let account = object["spec"]["serviceAccountName"].as_str().unwrap_or("default");
            accounts.extend([(namespace, "default"), (namespace, account)]);
        }
        if complete::has_ephemeral(object) {
            let mut pod = object.clone();
            pod["spec"].as_object_mut().unwrap().remove("ephemeralContainers");
            pods.insert((served.path(object), object["metadata"]["name"].to_string()), pod);
        }
    }
    for (namespace, account) in accounts {
        make_namespace(client, namespace, account).await;
    }
    for ((path, _), pod) in pods {
        create(client, &path, &pod).await;
    }
}

/// A namespace with an account that pods can use: the controller makes one too, but nobody says when.
async fn make_namespace(client: &Client, name: &str, account: &str) {
    create(client, "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
    let account = json!({"metadata": {"name": account}});
    create(client, &format!("/api/v1/namespaces/{name}/serviceaccounts"), &account).await;
}

fn kubeproof(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubeproof")).arg("checks").arg("policy").args(args).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_prints_what_the_api_server_takes() {
    let client = cluster().client().await;
    let folder = tempfile::tempdir().unwrap();
    for args in [&[][..], &["--framework", "pss-restricted", "--action", "Audit,Warn", "--kubernetes-version", "1.30"]]
    {
        let printed = kubeproof(args);
        assert_eq!(printed.status.code(), Some(0), "{}", String::from_utf8_lossy(&printed.stderr));
        let file = folder.path().join("policies.yaml");
        fs::write(&file, printed.stdout).unwrap();
        let documents = read_yaml(&file);
        assert!(documents.len() > 20 && documents.len().is_multiple_of(2), "{} documents", documents.len());
        for document in &documents {
            let kind = match document["kind"].as_str().unwrap() {
                "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
                _ => "validatingadmissionpolicybindings",
            };
            // Unknown fields are refused too.
            let path = format!("{API}/{kind}?dryRun=All&fieldValidation=Strict");
            send(&client, Method::POST, &path, Some(document)).await.expect_success();
        }
    }
}

#[test]
fn what_cannot_be_rendered_is_one_sentence_and_exit_code_2() {
    for (args, words) in [
        (&["pod-token-mount"][..], "rests on other objects (serviceaccounts)"),
        (&["rbac-anonymous-bindings"], "it judges subject"),
        (&["container-priviliged"], "did you mean 'container-privileged'?"),
        (&["--framework", "pss-baselin"], "did you mean 'pss-baseline'?"),
        (&["--action", "Deny,Warn"], "--action Audit,Warn"),
        (&["--framework", "hipaa", "container-privileged"], "cannot be used with"),
        (&["--checks", "/nonexistent"], "/nonexistent"),
    ] {
        let output = kubeproof(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words) && output.stdout.is_empty(), "{args:?}: {said}");
    }
    let all = kubeproof(&[]);
    assert!(String::from_utf8_lossy(&all.stderr).contains("left out: pod-token-mount: it rests on other objects"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exempt_namespaces_are_left_alone_and_warnings_let_pass() {
    let client = cluster().client().await;
    let library = Library::load(&embedded()).unwrap();
    let served = Served::by(&client).await;
    let check = library.check("container-privileged").unwrap();
    let render = |action, exempt: &[&str]| -> Rendered {
        let exempt: Vec<String> = exempt.iter().map(|name| (*name).to_string()).collect();
        let decides = check.policy(Some(Minor(37)), &BTreeMap::new());
        policy::render(check, &decides, &BTreeSet::from([action]), &exempt).unwrap()
    };
    let labelled = |name: &str, rendered: &Rendered| {
        let rendered = serde_json::to_value(rendered).unwrap();
        let one = Installed { name: name.into(), rendered: rendered.clone(), cases: Vec::new() };
        let (policy, mut binding) = objects(&one);
        binding["spec"]["matchResources"]["namespaceSelector"] =
            rendered["binding"]["spec"]["matchResources"]["namespaceSelector"].clone();
        (policy, binding)
    };
    for name in ["exempt", "judged"] {
        make_namespace(&client, name, "default").await;
    }
    let all = [
        labelled("exempting", &render(Action::Deny, &["exempt", "kube-system"])),
        labelled("warning", &render(Action::Warn, &["exempt"])),
    ];
    install(&client, &all).await;
    in_force(&client, "last-exempt").await;
    let pod = |namespace: &str, policy: &str| {
        let object = json!({"kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [
            {"name": "app", "securityContext": {"privileged": true}}]}});
        served.object(&object, &On::Pod, (LABEL, policy), 0).unwrap()
    };
    let refused = Said::Refused("container app runs privileged".into());
    assert_eq!(ask(&client, &served, "exempting", &pod("judged", "exempting")).await, refused);
    assert_eq!(ask(&client, &served, "exempting", &pod("exempt", "exempting")).await, Said::Admitted);
    assert_eq!(ask(&client, &served, "warning", &pod("judged", "warning")).await, Said::Admitted);
}
