//! What is kept of `status`: facts that checks and reports use. Messages, counters and probes go.

use serde_json::{Map, Value};

/// What is kept of a kind's status. Paths are dotted; `[]` walks a list of maps.
const KEPT: &[(&str, &str, &[&str])] = &[
    (
        "",
        "Pod",
        &[
            "phase",
            "qosClass",
            "containerStatuses[].name",
            "containerStatuses[].image",
            "containerStatuses[].imageID",
            "containerStatuses[].ready",
            "initContainerStatuses[].name",
            "initContainerStatuses[].image",
            "initContainerStatuses[].imageID",
            "ephemeralContainerStatuses[].name",
            "ephemeralContainerStatuses[].image",
            "ephemeralContainerStatuses[].imageID",
        ],
    ),
    (
        "",
        "Node",
        &[
            "addresses[].type",
            "addresses[].address",
            "conditions[].type",
            "conditions[].status",
            "nodeInfo",
            "daemonEndpoints",
        ],
    ),
    ("", "Namespace", &["phase"]),
    ("", "PersistentVolume", &["phase"]),
    ("", "PersistentVolumeClaim", &["phase", "accessModes", "capacity"]),
    ("", "ReplicationController", &["replicas", "readyReplicas"]),
    ("", "Service", &["loadBalancer"]),
    ("", "ResourceQuota", &["hard"]),
    ("apps", "Deployment", &["replicas", "readyReplicas"]),
    ("apps", "StatefulSet", &["replicas", "readyReplicas"]),
    ("apps", "ReplicaSet", &["replicas", "readyReplicas"]),
    ("apps", "DaemonSet", &["desiredNumberScheduled", "numberReady"]),
    ("batch", "CronJob", &["lastSuccessfulTime"]),
    ("batch", "Job", &["succeeded", "failed", "conditions[].type", "conditions[].status"]),
    ("networking.k8s.io", "Ingress", &["loadBalancer"]),
    ("certificates.k8s.io", "CertificateSigningRequest", &["conditions[].type", "conditions[].status"]),
    ("apiregistration.k8s.io", "APIService", &["conditions[].type", "conditions[].status"]),
    ("cert-manager.io", "Certificate", &["notBefore", "notAfter", "conditions[].type", "conditions[].status"]),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &["storedVersions"]),
    ("argoproj.io", "Application", &["sync.status"]),
    ("external-secrets.io", "ExternalSecret", &["conditions[].type", "conditions[].status"]),
    ("fileintegrity.openshift.io", "FileIntegrity", &["phase"]),
    ("k3s.cattle.io", "ETCDSnapshotFile", &["creationTime", "readyToUse"]),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", &["conditions[].type", "conditions[].status"]),
    ("velero.io", "Backup", &["completionTimestamp", "phase"]),
    ("velero.io", "Restore", &["completionTimestamp", "phase"]),
];

/// Fields of `nodeInfo` that name one boot of one machine and change without a change of configuration.
const BOOT: &[&str] = &["bootID", "machineID", "systemUUID"];

/// Reduces `status` to what its kind keeps; an empty rest is removed.
pub(super) fn reduce(group: &str, kind: &str, object: &mut Map<String, Value>) {
    let Some(status) = object.remove("status") else { return };
    let Some((_, _, paths)) = KEPT.iter().find(|(g, k, _)| *g == group && *k == kind) else { return };
    let mut kept = Value::Object(Map::new());
    for path in *paths {
        copy(&status, &mut kept, path);
    }
    if let Some(info) = kept.get_mut("nodeInfo").and_then(Value::as_object_mut) {
        info.retain(|field, _| !BOOT.contains(&field.as_str()));
    }
    if kept.as_object().is_some_and(|k| !k.is_empty()) {
        object.insert("status".into(), kept);
    }
}

fn copy(from: &Value, to: &mut Value, path: &str) {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let field = head.trim_end_matches("[]");
    let (Some(source), Some(target)) = (from.get(field), to.as_object_mut()) else { return };
    let Some(rest) = rest else {
        target.insert(field.into(), source.clone());
        return;
    };
    if !head.ends_with("[]") {
        // Only where the source goes deeper: an odd shape leaves no empty map behind.
        if source.is_object() {
            copy(source, target.entry(field).or_insert_with(|| Value::Object(Map::new())), rest);
        }
        return;
    }
    let Some(items) = source.as_array() else { return };
    let kept = target.entry(field).or_insert_with(|| Value::Array(vec![Value::Object(Map::new()); items.len()]));
    for (item, kept) in items.iter().zip(kept.as_array_mut().into_iter().flatten()) {
        copy(item, kept, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reduced(group: &str, kind: &str, status: Value) -> Value {
        let mut object = json!({"status": status}).as_object().cloned().unwrap();
        reduce(group, kind, &mut object);
        object.remove("status").unwrap_or(Value::Null)
    }

    #[test]
    fn a_pod_keeps_images_and_phase_only() {
        let status = json!({
            "phase": "Running", "hostIP": "10.0.0.1", "message": "password is hunter2",
            "containerStatuses": [{"name": "app", "imageID": "r/app@sha256:ab", "restartCount": 3, "ready": true}, {"name": "side"}],
        });
        assert_eq!(
            reduced("", "Pod", status),
            json!({"phase": "Running", "containerStatuses": [{"name": "app", "imageID": "r/app@sha256:ab", "ready": true}, {"name": "side"}]})
        );
    }

    #[test]
    fn a_node_keeps_facts_and_not_its_boot() {
        let status = json!({"nodeInfo": {"kubeletVersion": "v1.37.2", "bootID": "x"}, "conditions": [{"type": "Ready", "status": "True", "message": "m"}], "images": [1]});
        assert_eq!(
            reduced("", "Node", status),
            json!({"nodeInfo": {"kubeletVersion": "v1.37.2"}, "conditions": [{"type": "Ready", "status": "True"}]})
        );
    }

    #[test]
    fn a_deeper_field_is_kept_without_its_neighbours() {
        let status = json!({
            "sync": {"status": "Synced", "revision": "8f4c2a1", "comparedTo": {"source": {"repoURL": "https://u:p@git"}}},
            "health": {"status": "Healthy"}, "history": [{"id": 1}],
        });
        assert_eq!(reduced("argoproj.io", "Application", status), json!({"sync": {"status": "Synced"}}));
        assert_eq!(reduced("argoproj.io", "Application", json!({"sync": "odd"})), Value::Null);
        let backup = json!({"phase": "Completed", "completionTimestamp": "2026-11-22T01:04:00Z", "progress": {"itemsBackedUp": 4}});
        assert_eq!(
            reduced("velero.io", "Backup", backup),
            json!({"phase": "Completed", "completionTimestamp": "2026-11-22T01:04:00Z"})
        );
        assert_eq!(reduced("velero.io", "Backup", json!({"errors": 2})), Value::Null);
        let job = json!({"lastSuccessfulTime": "2026-11-22T01:04:00Z", "lastScheduleTime": "2026-11-23T01:00:00Z"});
        assert_eq!(reduced("batch", "CronJob", job), json!({"lastSuccessfulTime": "2026-11-22T01:04:00Z"}));
    }

    #[test]
    fn kinds_without_a_row_and_odd_shapes_keep_nothing() {
        assert_eq!(reduced("example.com", "Widget", json!({"token": "x"})), Value::Null);
        assert_eq!(reduced("", "Pod", json!("odd")), Value::Null);
        assert_eq!(reduced("", "Pod", json!({"containerStatuses": 5})), Value::Null);
        assert_eq!(reduced("apps", "Deployment", json!({"message": "x"})), Value::Null);
    }
}
