//! Settings of control-plane components, from the command lines of their mirror pods.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Component, Object};

/// Components whose flags decide something.
const COMPONENTS: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Container {
    name: String,
    command: Vec<String>,
    args: Vec<String>,
}

/// One row per flag of each component, sorted.
pub(super) fn components(objects: &[Object]) -> Vec<Component> {
    let mut rows = Vec::new();
    for object in objects {
        let Some(component) = component_of(object) else { continue };
        let pod: Pod = serde_json::from_str(&object.json).unwrap_or_default();
        let container =
            pod.spec.containers.iter().find(|c| c.name == component).or_else(|| pod.spec.containers.first());
        let arguments = container.iter().flat_map(|c| c.command.iter().chain(&c.args)).map(String::as_str);
        rows.extend(flags(arguments).into_iter().map(|(setting, value)| Component {
            component: component.to_owned(),
            instance: object.name.clone(),
            setting,
            value,
            source: "flag".into(),
        }));
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The namespace of the control plane's mirror pods.
pub const SYSTEM: &str = "kube-system";

/// The control-plane component that a mirror pod of kube-system shows.
pub fn component_of(object: &Object) -> Option<&'static str> {
    let in_kube_system =
        object.gvk.group.is_empty() && object.gvk.kind == "Pod" && object.namespace.as_deref() == Some(SYSTEM);
    // A name alone proves nothing; it only spares the reading of every other pod.
    if !in_kube_system || !COMPONENTS.iter().any(|component| object.json.contains(component)) {
        return None;
    }
    component(&object.name, &serde_json::from_str(&object.json).unwrap_or_default())
}

/// Only a kubelet may create a pod that mirrors a file of its node; whoever may create pods could take the name.
const MIRROR: &str = "kubernetes.io/config.mirror";

fn component(name: &str, pod: &Pod) -> Option<&'static str> {
    if !pod.metadata.annotations.contains_key(MIRROR) {
        return None;
    }
    let label = pod.metadata.labels.get("component").map(String::as_str);
    let is = |component: &str| match label {
        Some(label) => label == component,
        None => name.strip_prefix(component).is_some_and(|rest| rest.starts_with('-')),
    };
    COMPONENTS.into_iter().find(|component| is(component))
}

/// `--name=value`, `--name value` and `--name` (true) as pairs.
fn flags<'a>(arguments: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut flags = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--") else { continue };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, value),
            None => (flag, arguments.next_if(|next| !next.starts_with('-')).unwrap_or("true")),
        };
        flags.push((name.to_owned(), value.to_owned()));
    }
    flags
}
