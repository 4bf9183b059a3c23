//! The objects of a check's cases, completed until the API server takes them for objects.

use std::collections::BTreeMap;

use http::Method;
use kube::client::Client;
use kubeproof::{evaluate::kinds, framework::check::On};
use serde_json::{Map, Value, json};

use super::api::send;

/// What the API server serves: for each version and kind, the plural and whether it is in namespaces.
pub struct Served(BTreeMap<(String, String), (String, bool)>);

impl Served {
    /// Asks the API server.
    pub async fn by(client: &Client) -> Self {
        let groups = send(client, Method::GET, "/apis", None).await.expect_success();
        let groups = groups["groups"].as_array().unwrap().iter();
        let named =
            groups.map(|group| format!("/apis/{}", group["preferredVersion"]["groupVersion"].as_str().unwrap()));
        let mut served = BTreeMap::new();
        for path in named.chain(["/api/v1".to_string()]) {
            let list = send(client, Method::GET, &path, None).await.expect_success();
            for resource in list["resources"].as_array().unwrap() {
                let text = |field: &str| resource[field].as_str().unwrap().to_string();
                if !text("name").contains('/') {
                    let version = list["groupVersion"].as_str().unwrap().to_string();
                    served.insert((version, text("kind")), (text("name"), resource["namespaced"] == true));
                }
            }
        }
        Self(served)
    }

    /// Version, kind, and whether objects are in namespaces; `None` for a kind that is not served.
    fn find(&self, case: &Value, on: &On) -> Option<(String, String, bool)> {
        let (group, kind) = match on {
            On::Kind { group, kind } => (Some(group.as_str()), kind.as_str()),
            _ => (None, "Pod"),
        };
        let kind = case["kind"].as_str().unwrap_or(kind);
        let version = case["apiVersion"].as_str();
        let fits = |(served, name): &(String, String)| {
            let of_group = |group: &str| served.rsplit_once('/').map_or("", |(of, _)| of) == group;
            name == kind && version.is_none_or(|version| version == served) && group.is_none_or(of_group)
        };
        // A case on pods may leave the version of a known workload out.
        let (known, (_, namespaced)) = self.0.iter().find(|(known, _)| fits(known))?;
        Some((known.0.clone(), known.1.clone(), *namespaced))
    }

    /// Where objects of this kind are created.
    pub fn path(&self, object: &Value) -> String {
        let text = |field: &str| object[field].as_str().unwrap().to_string();
        let (plural, _) = &self.0[&(text("apiVersion"), text("kind"))];
        let version = text("apiVersion");
        let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
            None => format!("{root}/{plural}"),
        }
    }

    /// A case's object with what the API server demands beside what the case is about; `None` for a kind that it does
    /// not serve. `at` tells cases of one policy apart.
    pub fn object(&self, case: &Value, on: &On, (label, policy): (&str, &str), at: usize) -> Option<Value> {
        let (version, kind, namespaced) = self.find(case, on)?;
        let mut object = case.clone();
        object["apiVersion"] = version.as_str().into();
        object["kind"] = kind.as_str().into();
        let metadata = entry(&mut object, "metadata");
        default(metadata, "name", format!("case-{at}-{policy}").into());
        entry(metadata, "labels")[label] = policy.into();
        if namespaced {
            default(metadata, "namespace", "cases".into());
        }
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        match (kinds::workload(group, &kind), kind.as_str()) {
            (Some(kind), _) => workload(&mut object, kind),
            (None, "Service") => default(entry(&mut object, "spec"), "ports", json!([{"port": 80}])),
            (None, "NetworkPolicy") => default(entry(&mut object, "spec"), "podSelector", json!({})),
            (None, "StorageClass") => default(&mut object, "provisioner", "example.com/disks".into()),
            (None, "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => webhooks(&mut object),
            (None, _) => {}
        }
        Some(object)
    }
}

fn webhooks(object: &mut Value) {
    for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
        default(webhook, "admissionReviewVersions", json!(["v1"]));
        default(webhook, "sideEffects", "None".into());
        default(webhook, "clientConfig", json!({"url": "https://webhook.invalid/"}));
    }
}

fn workload(object: &mut Value, workload: &kinds::Workload) {
    let template = workload.template.iter().fold(&mut *object, |at, key| entry(at, key));
    pod(entry(template, "spec"), workload.kind);
    match (workload.group, workload.kind) {
        ("apps", _) => selector(object, |labels| json!({"matchLabels": labels})),
        (_, "ReplicationController") => selector(object, |labels| labels),
        (_, "CronJob") => default(entry(object, "spec"), "schedule", "0 0 * * *".into()),
        _ => {}
    }
    if workload.kind == "StatefulSet" {
        default(&mut object["spec"], "serviceName", "case".into());
    }
}

/// A pod cannot be created with ephemeral containers: they are added to one that is there.
pub fn has_ephemeral(object: &Value) -> bool {
    object["kind"] == "Pod" && object["spec"].get("ephemeralContainers").is_some()
}

fn entry<'a>(map: &'a mut Value, key: &str) -> &'a mut Value {
    if !map[key].is_object() {
        map[key] = Value::Object(Map::new());
    }
    &mut map[key]
}

fn default(map: &mut Value, key: &str, value: Value) {
    if map.get(key).is_none_or(Value::is_null) {
        map[key] = value;
    }
}

/// The template's labels, and the selector that they fit.
fn selector(object: &mut Value, form: impl Fn(Value) -> Value) {
    let metadata = entry(entry(entry(object, "spec"), "template"), "metadata");
    entry(metadata, "labels")["app"] = "case".into();
    object["spec"]["selector"] = form(json!({"app": "case"}));
}

fn pod(spec: &mut Value, kind: &str) {
    if matches!(kind, "Job" | "CronJob") {
        default(spec, "restartPolicy", "Never".into());
    }
    // Nothing here is to run.
    default(spec, "schedulerName", "nobody".into());
    let host_process = spec.to_string().contains(r#""hostProcess":true"#);
    let spec = spec.as_object_mut().unwrap();
    if host_process {
        spec.insert("hostNetwork".into(), true.into());
    }
    if spec.get("containers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("containers".into(), json!([{"name": "completed"}]));
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            default(container, "image", "registry.invalid/app:1".into());
        }
    }
}
