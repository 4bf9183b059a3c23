//! What the API server would have filled in: the few defaults that checks can see in a manifest.

use serde_json::{Map, Value, json};

use crate::{collect::resources, resource::Gvk};

/// Fields of a volume that are not its source.
const VOLUME_NAME: &str = "name";

const RBAC: &str = "rbac.authorization.k8s.io";

/// Maps of texts, in which a null is an empty text and not a key that is left out.
const TEXTS: &[&str] = &["annotations", "data", "labels", "matchLabels", "nodeSelector", "stringData"];

/// Applies the defaults to one object.
pub(super) fn apply(object: &mut Value, gvk: &Gvk) {
    if resources::of_kind(&gvk.group, &gvk.kind).is_some() {
        drop_nulls(object);
    }
    namespace(object, gvk);
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => {
            if let Some(spec) = at(object, &["spec"]) {
                volumes(spec);
                host_ports(spec);
            }
        }
        ("batch", "CronJob") => {
            at(object, &["spec", "jobTemplate", "spec", "template", "spec"]).into_iter().for_each(volumes)
        }
        ("apps" | "batch", _) | ("", "ReplicationController") => {
            at(object, &["spec", "template", "spec"]).into_iter().for_each(volumes);
        }
        ("networking.k8s.io", "NetworkPolicy") => at(object, &["spec"]).into_iter().for_each(policy_types),
        (RBAC, "RoleBinding" | "ClusterRoleBinding") => role_references(object),
        _ => {}
    }
}

/// A null leaves a field unset. Objects of other kinds keep theirs: their schema may give it a meaning.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            for (key, member) in map.iter_mut() {
                if TEXTS.contains(&key.as_str()) {
                    empty_texts(member);
                }
                drop_nulls(member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn empty_texts(map: &mut Value) {
    let texts = map.as_object_mut().into_iter().flat_map(|map| map.values_mut());
    texts.filter(|text| text.is_null()).for_each(|text| *text = "".into());
}

fn at<'a>(object: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    path.iter().try_fold(object, |value, field| value.get_mut(*field))?.as_object_mut()
}

fn items<'a>(map: &'a mut Map<String, Value>, field: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    map.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Namespaced objects without a namespace land in `default`.
fn namespace(object: &mut Value, gvk: &Gvk) {
    if !resources::of_kind(&gvk.group, &gvk.kind).is_some_and(|resource| resource.namespaced) {
        return;
    }
    if let Some(metadata) = at(object, &["metadata"])
        && metadata.get("namespace").is_none_or(|n| n.is_null() || n == "")
    {
        metadata.insert("namespace".into(), "default".into());
    }
}

/// A volume without a source is an emptyDir.
fn volumes(spec: &mut Map<String, Value>) {
    for volume in items(spec, "volumes") {
        if volume.iter().all(|(field, value)| field == VOLUME_NAME || value.is_null()) {
            volume.insert("emptyDir".into(), json!({}));
        }
    }
}

/// On the host network a bare pod's container ports are host ports. Templates keep what they say.
fn host_ports(spec: &mut Map<String, Value>) {
    if spec.get("hostNetwork") != Some(&Value::Bool(true)) {
        return;
    }
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            for port in items(container, "ports") {
                if port.get("hostPort").is_none_or(|p| p.is_null() || p == 0)
                    && let Some(number) = port.get("containerPort").cloned()
                {
                    port.insert("hostPort".into(), number);
                }
            }
        }
    }
}

/// A policy without types covers ingress, and egress if it has egress rules.
fn policy_types(spec: &mut Map<String, Value>) {
    if spec.get("policyTypes").and_then(Value::as_array).is_some_and(|types| !types.is_empty()) {
        return;
    }
    let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    spec.insert("policyTypes".into(), if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
}

/// Roles, users and groups are of the RBAC group unless something else is said.
fn role_references(object: &mut Value) {
    let fill = |map: &mut Map<String, Value>| {
        if map.get("apiGroup").is_none_or(|g| g.is_null() || g == "") {
            map.insert("apiGroup".into(), RBAC.into());
        }
    };
    at(object, &["roleRef"]).into_iter().for_each(fill);
    if let Some(binding) = object.as_object_mut() {
        items(binding, "subjects")
            .filter(|s| s.get("kind").is_some_and(|k| k == "User" || k == "Group"))
            .for_each(fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(api_version: &str, kind: &str, mut object: Value) -> Value {
        apply(&mut object, &Gvk::new(api_version, kind));
        object
    }

    #[test]
    fn host_ports_follow_the_host_network_in_bare_pods_only() {
        let spec = json!({"hostNetwork": true, "containers": [{"ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 9}]}]});
        let pod = applied("v1", "Pod", json!({"spec": spec}));
        assert_eq!(pod["spec"]["containers"][0]["ports"][0]["hostPort"], 80);
        assert_eq!(pod["spec"]["containers"][0]["ports"][1]["hostPort"], 9);
        let deployment = applied("apps/v1", "Deployment", json!({"spec": {"template": {"spec": spec}}}));
        assert_eq!(deployment["spec"]["template"]["spec"], spec);
    }

    #[test]
    fn a_volume_without_source_is_an_empty_dir() {
        let volumes = json!({"volumes": [{"name": "a"}, {"name": "b", "hostPath": {"path": "/"}}]});
        let expected = json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/"}}]});
        assert_eq!(applied("v1", "Pod", json!({"spec": volumes}))["spec"], expected);
        let cron = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": volumes}}}}});
        assert_eq!(applied("batch/v1", "CronJob", cron)["spec"]["jobTemplate"]["spec"]["template"]["spec"], expected);
    }

    #[test]
    fn namespaced_kinds_land_in_default_and_others_do_not() {
        let named = json!({"metadata": {"name": "a"}});
        assert_eq!(applied("v1", "Pod", named.clone())["metadata"]["namespace"], "default");
        assert_eq!(applied("v1", "Namespace", named.clone()), named);
        assert_eq!(applied("example.com/v1", "Widget", named.clone()), named);
    }

    #[test]
    fn policies_and_bindings_get_what_they_leave_out() {
        let policy = |spec| {
            applied("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": spec}))["spec"]["policyTypes"].clone()
        };
        assert_eq!(policy(json!({})), json!(["Ingress"]));
        assert_eq!(policy(json!({"egress": [{}]})), json!(["Ingress", "Egress"]));
        assert_eq!(policy(json!({"egress": [{}], "policyTypes": ["Egress"]})), json!(["Egress"]));
        let binding = applied(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            json!({"roleRef": {"kind": "ClusterRole", "name": "x"}, "subjects": [{"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "s"}]}),
        );
        assert_eq!(binding["roleRef"]["apiGroup"], RBAC);
        assert_eq!(binding["subjects"][0]["apiGroup"], RBAC);
        assert_eq!(binding["subjects"][1].get("apiGroup"), None);
    }

    #[test]
    fn a_null_is_a_field_that_is_left_out() {
        let pod = json!({
            "metadata": {"annotations": {"a": null, "b": "c"}, "labels": null},
            "spec": {"hostNetwork": null, "volumes": [{"name": "v", "hostPath": null, "secret": {"secretName": "s"}}]}
        });
        let expected = json!({
            "metadata": {"annotations": {"a": "", "b": "c"}, "namespace": "default"},
            "spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}
        });
        assert_eq!(applied("v1", "Pod", pod), expected);
        let widget = json!({"metadata": {"name": "w"}, "spec": {"limit": null}});
        assert_eq!(applied("example.com/v1", "Widget", widget.clone()), widget);
    }

    #[test]
    fn odd_shapes_stay_as_they_are() {
        for spec in [json!("x"), json!([null]), json!({"volumes": 5, "hostNetwork": true, "containers": {"a": 1}})] {
            assert_eq!(applied("v1", "Pod", json!({"spec": spec.clone()}))["spec"], spec);
        }
    }
}
