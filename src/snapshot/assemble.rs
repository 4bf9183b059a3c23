//! From sealed objects to a snapshot: sorted, unique, with the tables that are read from them.

use super::{Object, Snapshot, components, images, nodes};
use crate::{collect::Coverage, rbac};

/// Sorts the objects, keeps one of each name, and reads the tables. Objects in any order give the same snapshot.
///
/// Manifests may hold two different objects of one name (the overlays of two environments): both stay, because
/// whoever checks them before a merge must see what each would do. Of a cluster's only one can be.
pub fn assemble(mut objects: Vec<Object>, coverage: &Coverage) -> Snapshot {
    objects.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()).then_with(|| precedence(a).cmp(&precedence(b))));
    objects.dedup_by(|later, kept| {
        later.sort_key() == kept.sort_key() && (later.digest == kept.digest || later.origin.is_none())
    });
    let (mut grants, _) = rbac::grants(&objects);
    grants.shrink_to_fit();
    Snapshot {
        cluster: coverage.cluster.clone(),
        redaction_key: coverage.redaction_key.clone(),
        grants,
        images: images::images(&objects),
        nodes: nodes::nodes(&objects),
        components: components::components(&objects),
        objects,
    }
}

/// Which of two objects with one name is the first: by file and line, and where there are none by content.
fn precedence(object: &Object) -> (Option<(&str, u32)>, &str, [u8; 32]) {
    (place(object), &object.gvk.version, object.digest.0)
}

fn place(object: &Object) -> Option<(&str, u32)> {
    object.origin.as_ref().map(|o| (o.file.as_str(), o.line))
}
