//! Which distribution or provider runs the cluster, from marks that each leaves by itself.

use serde_json::Value;

use crate::snapshot::Object;

/// A mark in the server's version.
const VERSIONS: &[(&str, &str)] = &[("-eks-", "eks"), ("-gke.", "gke"), ("+rke2", "rke2"), ("+k3s", "k3s")];

/// A mark among a node's labels.
const LABELS: &[(&str, &str)] = &[
    ("eks.amazonaws.com/nodegroup", "eks"),
    ("cloud.google.com/gke-nodepool", "gke"),
    ("kubernetes.azure.com/cluster", "aks"),
];

/// Recognises the platform; `None` when nothing tells.
pub(super) fn recognise(version: Option<&str>, openshift: bool, objects: &[Object]) -> Option<String> {
    let version = version.unwrap_or_default();
    let by_version = || VERSIONS.iter().find(|(mark, _)| version.contains(mark)).map(|(_, name)| *name);
    let found =
        openshift.then_some("openshift").or_else(by_version).or_else(|| by_nodes(objects)).or_else(|| kubeadm(objects));
    found.map(str::to_owned)
}

fn by_nodes(objects: &[Object]) -> Option<&'static str> {
    let nodes: Vec<Value> =
        objects.iter().filter(|o| o.gvk.kind == "Node" && o.gvk.group.is_empty()).map(Object::value).collect();
    let labelled = |mark: &str| nodes.iter().any(|node| node["metadata"]["labels"].get(mark).is_some());
    LABELS.iter().find(|(mark, _)| labelled(mark)).map(|(_, name)| *name)
}

/// kubeadm leaves its configuration in the cluster.
fn kubeadm(objects: &[Object]) -> Option<&'static str> {
    let marks = |o: &&Object| {
        o.gvk.kind == "ConfigMap" && o.namespace.as_deref() == Some("kube-system") && o.name == "kubeadm-config"
    };
    objects.iter().find(marks).map(|_| "kubeadm")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot::{Sealer, Tokens};

    fn sealed(object: Value) -> Object {
        Sealer::new(None, "", Tokens::Foreign).seal(object, "", None).unwrap()
    }

    #[test]
    fn each_platform_is_known_by_its_mark() {
        let node = |label: &str| {
            sealed(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {label: "x"}}}))
        };
        let kubeadm = sealed(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubeadm-config", "namespace": "kube-system"}}),
        );
        let cases = [
            (Some("v1.33.1-eks-1234"), false, vec![], Some("eks")),
            (Some("v1.33.1-gke.100"), false, vec![], Some("gke")),
            (Some("v1.33.1+k3s1"), false, vec![], Some("k3s")),
            (Some("v1.33.1+rke2r1"), false, vec![], Some("rke2")),
            (Some("v1.33.1"), false, vec![node("kubernetes.azure.com/cluster")], Some("aks")),
            (Some("v1.33.1"), true, vec![], Some("openshift")),
            (Some("v1.33.1"), false, vec![kubeadm], Some("kubeadm")),
            (Some("v1.33.1"), false, vec![node("kubernetes.io/os")], None),
            (None, false, vec![], None),
        ];
        for (version, openshift, objects, expected) in cases {
            assert_eq!(recognise(version, openshift, &objects).as_deref(), expected, "{version:?} {openshift}");
        }
    }
}
