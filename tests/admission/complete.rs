//! The objects of a check's cases, completed until the API server takes them for objects.

use kubeproof::{collect::resources, evaluate::kinds, framework::check::On};
use serde_json::{Map, Value, json};

/// A case's object with what the API server demands beside what the case is about; `None` for a kind that it does not
/// serve. `at` tells cases of one policy apart.
pub fn object(case: &Value, on: &On, (label, policy): (&str, &str), at: usize) -> Option<Value> {
    let mut object = case.clone();
    let kind = case["kind"].as_str().unwrap_or(match on {
        On::Kind { kind, .. } => kind,
        _ => "Pod",
    });
    let known = match (on, case["apiVersion"].as_str()) {
        (On::Kind { group, .. }, None) => resources::of_kind(group, kind),
        (_, None) => kinds::by_kind(kind),
        (_, Some(version)) => resources::of_kind(version.rsplit_once('/').map_or("", |(group, _)| group), kind),
    }?;
    default(&mut object, "kind", kind.into());
    default(&mut object, "apiVersion", kinds::api_version(known).into());
    let metadata = entry(&mut object, "metadata");
    default(metadata, "name", format!("case-{at}-{policy}").into());
    entry(metadata, "labels")[label] = policy.into();
    if known.namespaced {
        default(metadata, "namespace", "cases".into());
    }
    if let Some(workload) = kinds::workload(known.group, known.kind) {
        let template = workload.template.iter().fold(&mut object, |at, key| entry(at, key));
        pod(entry(template, "spec"), known.kind);
        if workload.template == ["spec", "template"] && known.group == "apps" {
            selector(&mut object);
        }
        if known.kind == "CronJob" {
            default(entry(&mut object, "spec"), "schedule", "0 0 * * *".into());
        }
        if known.kind == "ReplicationController" {
            selector(&mut object);
            object["spec"]["selector"] = json!({"app": "case"});
        }
    }
    if known.kind == "Service" {
        default(entry(&mut object, "spec"), "ports", json!([{"port": 80}]));
    }
    Some(object)
}

/// Where objects of this kind are created.
pub fn path(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let known = resources::of_kind(group, object["kind"].as_str().unwrap()).unwrap();
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{version}") };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{}", known.plural),
        None => format!("{root}/{}", known.plural),
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

fn selector(object: &mut Value) {
    let labels = entry(entry(entry(object, "spec"), "template"), "metadata");
    entry(labels, "labels")["app"] = "case".into();
    object["spec"]["selector"] = json!({"matchLabels": {"app": "case"}});
    default(&mut object["spec"], "serviceName", "case".into());
    if object["kind"] != "StatefulSet" {
        object["spec"].as_object_mut().unwrap().remove("serviceName");
    }
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
