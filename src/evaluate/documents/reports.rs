//! What nodes and kubelets said of themselves, by node.

use std::collections::BTreeMap;

use crate::{
    collect::inputs::GROUP,
    evaluate::{Evidence, related::document, value::Node},
    snapshot::Snapshot,
};

/// One node's own words, and the object that holds them.
#[derive(Debug)]
pub(super) struct Report {
    /// The object's `spec`.
    pub spec: Node,
    /// The object with its digest.
    pub evidence: Evidence,
}

/// Reports of one kind (`NodeReport`, `KubeletConfig`), by node.
pub(super) fn reports(snapshot: &Snapshot, kind: &str) -> BTreeMap<String, Report> {
    let of_kind = snapshot.objects.iter().filter(|object| object.gvk.group == GROUP && object.gvk.kind == kind);
    of_kind
        .map(|object| {
            let spec = document(object).get("spec").cloned().unwrap_or_else(|| Node::map([]));
            let evidence = Evidence::of(object);
            (object.name.clone(), Report { spec, evidence })
        })
        .collect()
}

/// JSON Pointer of what a report says in its object.
pub(super) const BASE: &str = "/spec";
