//! Images in use.

use super::{Digests, Document, digests};
use crate::{
    evaluate::{Evidence, kinds, target, value::Node},
    framework::check::On,
    resource::ResourceRef,
    snapshot::{Image, Snapshot},
};

/// Every image in use, under the workload that names it.
pub(super) fn images(snapshot: &Snapshot) -> Vec<Document> {
    let digests = digests(snapshot, |object| target::workload(object).is_some());
    snapshot.images.iter().map(|image| self::image(image, &digests)).collect()
}

fn image(image: &Image, digests: &Digests<'_>) -> Document {
    let (kind, path) = image.workload.split_once('/').unwrap_or(("Pod", &image.workload));
    let (namespace, name) = path.split_once('/').map_or((None, path), |(namespace, name)| (Some(namespace), name));
    let resource = ResourceRef {
        api_version: kinds::by_kind(kind).map_or_else(|| "v1".to_string(), kinds::api_version),
        kind: kind.into(),
        namespace: namespace.map(Into::into),
        name: name.into(),
        uid: None,
    };
    let evidence = digests.get(&(kind, namespace, name));
    let evidence = evidence.map(|digest| Evidence { resource: image.workload.clone(), digest: *digest });
    let digest = image.digest.iter().map(|digest| ("digest".to_string(), Node::text(digest)));
    let node = Node::map(digest.chain([
        ("container".to_string(), Node::text(&image.container)),
        ("image".to_string(), Node::text(&image.image)),
        ("workload".to_string(), Node::text(&image.workload)),
    ]));
    Document { on: On::Image, resource, node, base: "", evidence: evidence.into_iter().collect() }
}
