//! The cluster as a whole.

use super::Document;
use crate::{evaluate::value::Node, framework::check::On, resource::ResourceRef, snapshot::Snapshot};

pub(super) fn cluster(snapshot: &Snapshot) -> Document {
    let cluster = &snapshot.cluster;
    let facts = [("kubernetes", &cluster.kubernetes), ("platform", &cluster.platform), ("uid", &cluster.uid)];
    let known = facts.into_iter().filter_map(|(key, value)| Some((key.to_string(), Node::text(value.as_deref()?))));
    let node = Node::map(known.chain([("name".to_string(), Node::text(&cluster.name))]));
    let resource = ResourceRef {
        api_version: crate::config::API_VERSION.into(),
        kind: "Cluster".into(),
        namespace: None,
        name: cluster.name.clone(),
        uid: cluster.uid.clone(),
    };
    Document { on: On::Cluster, resource, node, base: "", evidence: Vec::new() }
}
