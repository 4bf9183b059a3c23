//! Objects that came, went or changed.

use std::collections::BTreeMap;

use super::{Cause, ChangeKind, LeftOut, NoiseList, ObjectChange, Side, Writers, fields, is_seen};
use crate::{
    collect::inputs,
    snapshot::{Object, VEX_DOCUMENT},
};

/// What an object is found by on the other side.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Changes sorted by resource, and what was left out.
pub(super) fn changes(
    old: Side<'_>,
    new: Side<'_>,
    noise: &NoiseList,
    keys_differ: bool,
    writers: &Writers,
) -> (Vec<ObjectChange>, Vec<LeftOut>) {
    let before = index(&old.snapshot.objects);
    let after = index(&new.snapshot.objects);
    let mut listed = Vec::new();
    let mut counts = vec![0_u64; noise.entries().len()];
    let mut keep = |judged: Result<ObjectChange, usize>, before: Option<&Object>, after: Option<&Object>| match judged {
        Ok(mut change) => {
            if change.cause == Cause::Cluster {
                (change.changed_by, change.more_writes) = writers.of(before, after);
            }
            listed.push(change);
        }
        Err(entry) => counts[entry] += 1,
    };
    for (key, object) in &before {
        match after.get(key) {
            None => {
                let seen = is_seen(new.coverage, &object.resource);
                keep(one_sided(object, ChangeKind::Removed, seen, noise), Some(object), None);
            }
            Some(now) if now.digest != object.digest => {
                if let Some(judged) = changed(object, now, noise, keys_differ) {
                    keep(judged, Some(object), Some(now));
                }
            }
            Some(_) => {}
        }
    }
    for (key, object) in &after {
        if !before.contains_key(key) {
            let seen = is_seen(old.coverage, &object.resource);
            keep(one_sided(object, ChangeKind::Added, seen, noise), None, Some(object));
        }
    }
    listed.sort_by(|a, b| a.resource.cmp(&b.resource));
    let left_out = noise.entries().iter().zip(counts).filter(|(_, count)| *count > 0);
    let left_out =
        left_out.map(|(entry, count)| LeftOut { rule: entry.id.clone(), reason: entry.reason.clone(), count });
    (listed, left_out.collect())
}

pub(super) fn index(objects: &[Object]) -> BTreeMap<Key<'_>, &Object> {
    objects.iter().map(|object| (object.sort_key(), object)).collect()
}

fn one_sided(
    object: &Object,
    change: ChangeKind,
    other_side_seen: bool,
    noise: &NoiseList,
) -> Result<ObjectChange, usize> {
    if let Some(entry) = noise.of_object(object, &object.value()) {
        return Err(entry);
    }
    let added = change == ChangeKind::Added;
    Ok(ObjectChange {
        resource: object.reference(),
        change,
        cause: if other_side_seen { cause(object) } else { Cause::Sight },
        before: (!added).then_some(object.digest),
        after: added.then_some(object.digest),
        fields: Vec::new(),
        changed_by: Vec::new(),
        more_writes: 0,
    })
}

/// `None` when only the redaction key made the bytes differ; otherwise the change, or the entry that leaves it out.
fn changed(old: &Object, new: &Object, noise: &NoiseList, keys_differ: bool) -> Option<Result<ObjectChange, usize>> {
    let (before, after) = (old.value(), new.value());
    let recreated = matches!((&old.uid, &new.uid), (Some(a), Some(b)) if a != b);
    let mut fields = fields::diff(&before, &after, keys_differ);
    fields.retain(|field| field.path != "/metadata/uid" && field.path != "/metadata/creationTimestamp");
    if fields.is_empty() && !recreated {
        return None;
    }
    if let Some(entry) = noise.of_object(new, &after) {
        return Some(Err(entry));
    }
    let stripped = noise.strip(new, &after, &mut fields);
    if let Some(entry) = stripped.filter(|_| fields.is_empty() && !recreated) {
        return Some(Err(entry));
    }
    Some(Ok(ObjectChange {
        resource: new.reference(),
        change: if recreated { ChangeKind::Recreated } else { ChangeKind::Changed },
        cause: cause(new),
        before: Some(old.digest),
        after: Some(new.digest),
        fields,
        changed_by: Vec::new(),
        more_writes: 0,
    }))
}

/// A statement about scans is no part of the cluster.
fn cause(object: &Object) -> Cause {
    let stated = object.gvk.kind == VEX_DOCUMENT && object.gvk.group == inputs::GROUP;
    if stated { Cause::Scanner } else { Cause::Cluster }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        framework,
        snapshot::{Sealer, Tokens},
    };

    #[test]
    fn new_scans_are_counted_and_new_statements_listed() {
        let object = |kind: &str, at: &str| {
            let object =
                json!({"apiVersion": "kubeproof.dev/v1", "kind": kind, "metadata": {"name": "x"}, "spec": {"at": at}});
            Sealer::new(None, "", Tokens::Foreign).seal(object, "x.kubeproof.dev", None).unwrap()
        };
        let noise = NoiseList::load(&framework::embedded()).unwrap();
        let judged =
            |kind: &str| changed(&object(kind, "2026-11-22"), &object(kind, "2026-11-23"), &noise, false).unwrap();
        let left_out = judged("ImageScan").map_err(|entry| noise.entries()[entry].id.as_str());
        assert_eq!(left_out.map(|_| ()), Err("scan-results"));
        let listed = judged("VexDocument").unwrap();
        assert_eq!((listed.change, listed.fields.len(), listed.cause), (ChangeKind::Changed, 1, Cause::Scanner));
    }
}
