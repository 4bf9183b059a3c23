//! What checks judge that is no object: the cluster as a whole, images in use.

use super::{Evidence, kinds, value::Node};
use crate::{
    framework::check::On,
    resource::ResourceRef,
    snapshot::{Image, Snapshot},
};

/// Something to judge that is no object.
#[derive(Debug, Clone)]
pub struct Document {
    /// Which checks judge it.
    pub on: On,
    /// The name that findings carry.
    pub resource: ResourceRef,
    /// What it says.
    pub node: Node,
    /// The objects that it was made from.
    pub evidence: Vec<Evidence>,
}

/// The name, beside `object`, under which expressions know a document.
pub fn alias(on: &On) -> Option<&'static str> {
    on.names().iter().copied().find(|name| *name != "object")
}

/// Everything in a snapshot that is judged and is no object.
pub fn of(snapshot: &Snapshot) -> Vec<Document> {
    let mut documents = vec![cluster(snapshot)];
    documents.extend(snapshot.images.iter().map(|image| self::image(image, snapshot)));
    documents
}

fn cluster(snapshot: &Snapshot) -> Document {
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
    Document { on: On::Cluster, resource, node, evidence: Vec::new() }
}

fn image(image: &Image, snapshot: &Snapshot) -> Document {
    let (kind, path) = image.workload.split_once('/').unwrap_or(("Pod", &image.workload));
    let (namespace, name) = path.split_once('/').unwrap_or(("", path));
    let resource = ResourceRef {
        api_version: kinds::by_kind(kind).map_or_else(|| "v1".to_string(), kinds::api_version),
        kind: kind.into(),
        namespace: (!namespace.is_empty()).then(|| namespace.to_string()),
        name: name.into(),
        uid: None,
    };
    let of = snapshot.objects.iter().find(|object| {
        object.gvk.kind == kind && object.namespace.as_deref().unwrap_or_default() == namespace && object.name == name
    });
    let evidence = of.map(|object| Evidence { resource: image.workload.clone(), digest: object.digest });
    let digest = image.digest.iter().map(|digest| ("digest".to_string(), Node::text(digest)));
    let node = Node::map(digest.chain([
        ("container".to_string(), Node::text(&image.container)),
        ("image".to_string(), Node::text(&image.image)),
        ("workload".to_string(), Node::text(&image.workload)),
    ]));
    Document { on: On::Image, resource, node, evidence: evidence.into_iter().collect() }
}
