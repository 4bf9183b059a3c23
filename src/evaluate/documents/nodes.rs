//! Nodes, as their own reports say.

use std::collections::BTreeMap;

use super::{
    Document, Made,
    kubelets::{evidence, node_reference},
    reports::{BASE, Report},
};
use crate::{evaluate::value::Node, framework::check::On};

/// Roles in a node's label that say that it runs the control plane.
const CONTROL_PLANE: [&str; 3] = ["control-plane", "controlplane", "master"];

/// A document for each node, once one has reported: those that have not are unknown. `on` may be the control plane's
/// nodes alone.
pub(super) fn nodes(made: &Made<'_>, on: &On, reports: &BTreeMap<String, Report>) -> Vec<Document> {
    if reports.is_empty() {
        return Vec::new();
    }
    let labelled = made.snapshot.nodes.iter().map(|node| {
        let control_plane = node.roles.iter().any(|role| CONTROL_PLANE.contains(&role.as_str()));
        (node.name.as_str(), control_plane)
    });
    let mut found: BTreeMap<&str, bool> = labelled.collect();
    for (name, report) in reports {
        let says = report.spec.get("controlPlane").is_some_and(Node::is_true);
        let known = found.entry(name).or_default();
        *known |= says;
    }
    let wanted = found.into_iter().filter(|(_, control_plane)| *on == On::Node || *control_plane);
    wanted.map(|(name, _)| node(made, on, name, reports.get(name))).collect()
}

fn node(made: &Made<'_>, on: &On, name: &str, report: Option<&Report>) -> Document {
    Document {
        on: on.clone(),
        resource: node_reference(made, name),
        node: report.map_or_else(|| Node::unknown("the node sent no report"), |report| report.spec.clone()),
        base: BASE,
        evidence: evidence(made, name, [report]),
    }
}
