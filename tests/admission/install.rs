//! Policies on the API server: installed, in force, type-checked, and what they say of an object.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use http::Method;
use kube::client::Client;
use kubeproof::framework::policy::Rendered;
use serde_json::{Value, json};

use super::{
    api::{Answer, create, send},
    complete::{self, Served},
};

/// The API group of policies.
pub const API: &str = "/apis/admissionregistration.k8s.io/v1";
/// Objects carry it, bindings ask for it: each policy judges the cases of its own check.
pub const LABEL: &str = "kubeproof.dev/policy";
const AT_ONCE: usize = 8;
/// The API server reads policies about once a second.
const IN_FORCE: Duration = Duration::from_secs(60);

/// What became of an object.
#[derive(Debug, PartialEq)]
pub enum Said {
    Admitted,
    /// By the policy, with its words.
    Refused(String),
    /// By something else: the object says nothing about the policy.
    Invalid(String),
}

/// Policy and binding under a name of their own, for objects with a label of this value.
pub fn objects(rendered: &Rendered, name: &str, label: &str) -> (Value, Value) {
    let rendered = serde_json::to_value(rendered).unwrap();
    let (mut policy, mut binding) = (rendered["policy"].clone(), rendered["binding"].clone());
    policy["metadata"]["name"] = name.into();
    binding["metadata"]["name"] = name.into();
    binding["spec"]["policyName"] = name.into();
    binding["spec"]["matchResources"]["objectSelector"] = json!({"matchLabels": {LABEL: label}});
    (policy, binding)
}

pub async fn install(client: &Client, all: &[(Value, Value)]) {
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
pub async fn in_force(client: &Client, name: &str) {
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
pub async fn type_warnings(client: &Client, name: &str) -> Vec<String> {
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
pub async fn ask(client: &Client, served: &Served, name: &str, object: &Value) -> Said {
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

/// A namespace with an account that pods can use: the controller makes one too, but nobody says when.
pub async fn make_namespace(client: &Client, name: &str, account: &str) {
    create(client, "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
    let account = json!({"metadata": {"name": account}});
    create(client, &format!("/api/v1/namespaces/{name}/serviceaccounts"), &account).await;
}
