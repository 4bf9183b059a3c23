//! Nodes, reduced to facts that audits ask for.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{NodeRow, Object};

const ROLE_LABEL: &str = "node-role.kubernetes.io/";

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Node {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    node_info: NodeInfo,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeInfo {
    kubelet_version: String,
    os_image: String,
    kernel_version: String,
    container_runtime_version: String,
}

/// One row per node, sorted by name.
pub(super) fn nodes(objects: &[Object]) -> Vec<NodeRow> {
    let mut rows: Vec<NodeRow> = objects
        .iter()
        .filter(|o| o.gvk.group.is_empty() && o.gvk.kind == "Node")
        .map(|object| {
            let node: Node = serde_json::from_str(&object.json).unwrap_or_default();
            let info = node.status.node_info;
            let provider = node.spec.provider_id.and_then(|id| id.split_once("://").map(|(name, _)| name.to_owned()));
            let roles =
                node.metadata.labels.keys().filter_map(|l| l.strip_prefix(ROLE_LABEL)).map(str::to_owned).collect();
            NodeRow {
                name: object.name.clone(),
                kubelet: info.kubelet_version,
                os_image: info.os_image,
                kernel: info.kernel_version,
                runtime: info.container_runtime_version,
                provider,
                roles,
            }
        })
        .collect();
    rows.sort_unstable();
    rows
}
