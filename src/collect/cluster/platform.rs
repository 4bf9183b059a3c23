//! Which distribution or provider runs the cluster, from marks that each leaves by itself.

use serde_json::Value;

use crate::snapshot::Object;

/// Platforms whose provider runs the control plane.
pub const MANAGED: [&str; 3] = ["aks", "eks", "gke"];

/// A mark in the version of the server or of a node's kubelet.
const VERSIONS: &[(&str, &str)] = &[("+rke2", "rke2"), ("+k3s", "k3s"), ("-eks-", "eks"), ("-gke.", "gke")];

/// The version of EKS Distro, which people also run by themselves: it goes on with the minor version.
const DISTRO: &str = "-eks-1-";

/// The beginning of a node's label.
const LABELS: &[(&str, &str)] = &[
    ("node.openshift.io/", "openshift"),
    ("eks.amazonaws.com/", "eks"),
    ("cloud.google.com/gke-", "gke"),
    ("kubernetes.azure.com/", "aks"),
];

/// The beginning of a node's provider id, and a part of it. `aws:///` and `gce://` alone are any machine there.
const PROVIDER_IDS: &[(&str, &str, &str)] =
    &[("k3s://", "", "k3s"), ("azure://", "/virtualmachinescalesets/aks-", "aks"), ("gce://", "/gke-", "gke")];

/// The beginning of the name of a node's operating system.
const SYSTEMS: &[(&str, &str)] = &[("Talos ", "talos"), ("Red Hat Enterprise Linux CoreOS", "openshift")];

/// Labels of nodes that run the control plane, which no provider shows.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Whether the control plane of this platform is the provider's, and none of its settings are in the cluster.
pub fn is_managed(platform: &str) -> bool {
    MANAGED.contains(&platform)
}

/// Recognises the platform; `None` when nothing tells.
pub(super) fn recognise(version: Option<&str>, openshift: bool, objects: &[Object]) -> Option<String> {
    let nodes: Vec<Value> =
        objects.iter().filter(|o| o.gvk.kind == "Node" && o.gvk.group.is_empty()).map(Object::value).collect();
    // Distributions of providers also run elsewhere, with a control plane of one's own.
    let own = kubeadm(objects).is_some() || nodes.iter().any(runs_control_plane);
    let found = openshift
        .then_some("openshift")
        .or_else(|| by_version(version.unwrap_or_default()).filter(|name| !(own && is_managed(name))))
        .or_else(|| nodes.iter().filter_map(by_node).find(|name| !(own && is_managed(name))))
        .or_else(|| kubeadm(objects));
    found.map(str::to_owned)
}

fn by_version(version: &str) -> Option<&'static str> {
    let found = VERSIONS.iter().find(|(mark, _)| version.contains(mark)).map(|(_, name)| *name);
    found.filter(|_| !version.contains(DISTRO))
}

fn by_node(node: &Value) -> Option<&'static str> {
    let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let labels =
        || node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key);
    let by_label =
        || LABELS.iter().find(|(mark, _)| labels().any(|label| label.starts_with(mark))).map(|(_, name)| *name);
    let system = text("/status/nodeInfo/osImage");
    let id = text("/spec/providerID").to_lowercase();
    by_version(text("/status/nodeInfo/kubeletVersion"))
        .or_else(|| SYSTEMS.iter().find(|(mark, _)| system.starts_with(mark)).map(|(_, name)| *name))
        .or_else(by_label)
        .or_else(|| {
            let of = PROVIDER_IDS.iter().find(|(start, part, _)| id.starts_with(start) && id.contains(part));
            of.map(|(_, _, name)| *name)
        })
}

fn runs_control_plane(node: &Value) -> bool {
    let labels = node.pointer("/metadata/labels");
    CONTROL_PLANE.iter().any(|label| labels.is_some_and(|labels| labels.get(label).is_some()))
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

    fn kubeadm_config() -> Object {
        sealed(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubeadm-config", "namespace": "kube-system"}}),
        )
    }

    fn labelled(labels: &[&str]) -> Object {
        let labels: serde_json::Map<String, Value> = labels.iter().map(|label| ((*label).into(), json!("x"))).collect();
        sealed(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": labels}}))
    }

    fn node(provider_id: &str, kubelet: &str, system: &str) -> Object {
        sealed(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"providerID": provider_id},
            "status": {"nodeInfo": {"kubeletVersion": kubelet, "osImage": system}}}),
        )
    }

    #[test]
    fn each_platform_is_known_by_its_mark() {
        let aks = "azure:///subscriptions/1/resourceGroups/mc_rg_shop_westeurope/providers/Microsoft.Compute\
                   /virtualMachineScaleSets/aks-nodepool1-1-vmss/virtualMachines/0";
        let cases = [
            (Some("v1.33.1-eks-1234"), false, vec![], Some("eks")),
            (Some("v1.33.1-gke.100"), false, vec![], Some("gke")),
            (Some("v1.33.1+k3s1"), false, vec![], Some("k3s")),
            (Some("v1.33.1+rke2r1"), false, vec![], Some("rke2")),
            (Some("v1.33.1"), false, vec![labelled(&["kubernetes.azure.com/cluster"])], Some("aks")),
            (Some("v1.33.1"), false, vec![labelled(&["eks.amazonaws.com/compute-type"])], Some("eks")),
            (Some("v1.33.1"), false, vec![labelled(&["cloud.google.com/gke-os-distribution"])], Some("gke")),
            (Some("v1.33.1"), true, vec![], Some("openshift")),
            (
                Some("v1.33.1"),
                false,
                vec![node("", "v1.33.1", "Red Hat Enterprise Linux CoreOS 419")],
                Some("openshift"),
            ),
            (Some("v1.33.1"), false, vec![node("", "v1.33.1", "Talos (v1.11.2)")], Some("talos")),
            (None, false, vec![node("k3s://server-1", "v1.33.1", "")], Some("k3s")),
            (None, false, vec![node("", "v1.33.1+rke2r1", "")], Some("rke2")),
            (None, false, vec![node("aws:///eu-west-1a/i-1", "v1.33.1-eks-113cf36", "")], Some("eks")),
            (None, false, vec![node("gce://project/europe-west1-b/gke-shop-pool-1", "", "")], Some("gke")),
            (None, false, vec![node(aks, "v1.33.1", "")], Some("aks")),
            (Some("v1.33.1"), false, vec![kubeadm_config()], Some("kubeadm")),
            (Some("v1.33.1"), false, vec![labelled(&["kubernetes.io/os"])], None),
            (None, false, vec![], None),
        ];
        for (version, openshift, objects, expected) in cases {
            assert_eq!(recognise(version, openshift, &objects).as_deref(), expected, "{version:?} {openshift}");
        }
    }

    #[test]
    fn a_providers_machine_is_not_a_providers_control_plane() {
        for (version, objects, expected) in [
            // Machines that somebody rents.
            ("v1.33.1", vec![node("aws:///eu-west-1a/i-1", "v1.33.1", "Ubuntu 24.04")], None),
            ("v1.33.1", vec![node("gce://project/zone/worker-1", "v1.33.1", "")], None),
            (
                "v1.33.1",
                vec![node("azure:///x/virtualMachines/worker-1", "v1.33.1", ""), kubeadm_config()],
                Some("kubeadm"),
            ),
            // The provider's distribution on machines of one's own.
            ("v1.33.1-eks-1-33-5", vec![kubeadm_config()], Some("kubeadm")),
            ("v1.33.1-eks-1-33-5", vec![], None),
            ("v1.33.1-gke.100", vec![labelled(&["node-role.kubernetes.io/control-plane"])], None),
            ("v1.33.1-eks-abc", vec![labelled(&["eks.amazonaws.com/x", "node-role.kubernetes.io/master"])], None),
        ] {
            assert_eq!(recognise(Some(version), false, &objects).as_deref(), expected, "{version}");
        }
        assert!(["eks", "gke", "aks"].iter().all(|platform| is_managed(platform)));
        assert!(["kubeadm", "k3s", "rke2", "talos", "openshift", ""].iter().all(|platform| !is_managed(platform)));
    }
}
