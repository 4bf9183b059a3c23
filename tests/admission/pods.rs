//! Pods that differ in every field that Pod Security Standards read, most of them valid.

use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{
    fields,
    settle::{containers, remove, set, settle},
};

/// A pod to ask both sides about.
#[derive(Debug, Clone)]
pub struct Case {
    /// The manifest, without a name.
    pub pod: Value,
    /// Asked as an update of the compliant pod's ephemeral containers, which a new pod may not have.
    pub ephemeral: bool,
}

/// Where an edit lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Pod,
    Container(&'static str),
}

/// A value for a field: dotted, a last `-` appends.
#[derive(Debug, Clone)]
pub struct Edit {
    pub target: Target,
    pub path: &'static str,
    pub value: Value,
}

/// What a pod is before it is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Admitted by every version of the restricted level.
    Compliant,
    /// Nothing is set.
    Plain,
    Windows,
    /// Compliant, with users of its own.
    OwnUsers,
}

/// Two regular containers and two init containers.
pub const CONTAINERS: [&str; 4] = ["a", "b", "i", "s"];

/// Any pod.
pub fn case() -> impl Strategy<Value = Case> {
    let base = select(vec![
        Base::Compliant,
        Base::Compliant,
        Base::Compliant,
        Base::Compliant,
        Base::OwnUsers,
        Base::Plain,
        Base::Windows,
    ]);
    let edits = prop::collection::vec(select(fields::of_pod()), 0..5);
    let ordinary = (base, 0_usize..4, edits).prop_map(|(base, more, edits)| {
        let mut pod = pod(base, &CONTAINERS[..=more]);
        edits.iter().for_each(|edit| apply(&mut pod, edit));
        settle(&mut pod, base);
        Case { pod, ephemeral: false }
    });
    let ephemeral = prop::collection::vec(select(fields::of_container("e")), 0..4).prop_map(|edits| {
        let mut pod = compliant();
        pod["spec"]["ephemeralContainers"] = json!([container("e", Base::Compliant)]);
        edits.iter().for_each(|edit| apply(&mut pod, edit));
        settle(&mut pod, Base::Compliant);
        Case { pod, ephemeral: true }
    });
    prop_oneof![9 => ordinary, 1 => ephemeral]
}

/// The pod whose ephemeral containers are updated.
pub fn compliant() -> Value {
    pod(Base::Compliant, &CONTAINERS[..1])
}

fn pod(base: Base, containers: &[&str]) -> Value {
    let of = |names: &[&str]| -> Vec<Value> {
        containers.iter().filter(|name| names.contains(name)).map(|name| container(name, base)).collect()
    };
    let mut spec = json!({"schedulerName": "nobody", "containers": of(&["a", "b"]), "initContainers": of(&["i", "s"])});
    if spec["initContainers"] == json!([]) {
        remove(Some(&mut spec), &["initContainers"]);
    }
    match base {
        Base::Compliant | Base::OwnUsers => {
            spec["securityContext"] = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        }
        Base::Windows => {
            spec["os"] = json!({"name": "windows"});
            spec["securityContext"] = json!({"runAsNonRoot": true});
        }
        Base::Plain => {}
    }
    if base == Base::OwnUsers {
        spec["hostUsers"] = false.into();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": {}}, "spec": spec})
}

fn container(name: &str, base: Base) -> Value {
    let mut container = json!({"name": name, "image": "registry.invalid/app:1"});
    if matches!(base, Base::Compliant | Base::OwnUsers) {
        container["securityContext"] = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    }
    container
}

fn apply(pod: &mut Value, edit: &Edit) {
    let value = edit.value.clone();
    match (edit.target, edit.path) {
        (Target::Container(name), "annotation") => {
            let key = format!("container.apparmor.security.beta.kubernetes.io/{name}");
            if has_container(pod, name) {
                pod["metadata"]["annotations"][key] = value;
            }
        }
        (Target::Pod, "annotations") => {
            let annotations = pod["metadata"]["annotations"].as_object_mut().expect("a map");
            annotations.extend(value.as_object().expect("a map").clone());
        }
        (Target::Pod, path) => set(&mut pod["spec"], path, value),
        (Target::Container(name), path) => {
            for container in containers(&mut pod["spec"]).filter(|container| container["name"] == name) {
                set(container, path, value.clone());
            }
        }
    }
}

fn has_container(pod: &Value, name: &str) -> bool {
    ["containers", "initContainers"]
        .iter()
        .any(|list| pod["spec"][list].as_array().is_some_and(|items| items.iter().any(|item| item["name"] == name)))
}
