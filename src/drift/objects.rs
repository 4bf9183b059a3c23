//! Objects that came, went or changed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cause, ChangeKind, LeftOut, ObjectChange, Side, fields, is_seen};
use crate::{
    collect::{inputs, node},
    snapshot::{IMAGE_SCAN, Manager, Object, REPORTS_GROUP},
};

type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Why a change is counted and not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Noise {
    Owned,
    StatusOnly,
    ScanResult,
}

impl Noise {
    fn entry(self, count: u64) -> LeftOut {
        let (rule, reason) = match self {
            Self::Owned => ("owned-by-a-controller", "pods, replica sets and jobs follow the object that owns them"),
            Self::ScanResult => {
                ("scan-results", "every scan of an image writes a new one; findings say what changed in it")
            }
            Self::StatusOnly => ("status-only", "ready counts and conditions change without anybody's doing"),
        };
        LeftOut { rule: rule.into(), reason: reason.into(), count }
    }
}

/// Changes sorted by resource, and what was left out.
pub(super) fn changes(old: Side<'_>, new: Side<'_>, keys_differ: bool) -> (Vec<ObjectChange>, Vec<LeftOut>) {
    let before = index(&old.snapshot.objects);
    let after = index(&new.snapshot.objects);
    let mut listed = Vec::new();
    let mut noise: BTreeMap<Noise, u64> = BTreeMap::new();
    let mut keep = |judged: Result<ObjectChange, Noise>| match judged {
        Ok(change) => listed.push(change),
        Err(rule) => *noise.entry(rule).or_default() += 1,
    };
    for (key, object) in &before {
        match after.get(key) {
            None => keep(one_sided(object, ChangeKind::Removed, is_seen(new.coverage, &object.resource))),
            Some(now) if now.digest != object.digest => {
                if let Some(judged) = changed(object, now, keys_differ) {
                    keep(judged);
                }
            }
            Some(_) => {}
        }
    }
    for (key, object) in &after {
        if !before.contains_key(key) {
            keep(one_sided(object, ChangeKind::Added, is_seen(old.coverage, &object.resource)));
        }
    }
    listed.sort_by(|a, b| a.resource.cmp(&b.resource));
    (listed, noise.into_iter().map(|(rule, count)| rule.entry(count)).collect())
}

fn index(objects: &[Object]) -> BTreeMap<Key<'_>, &Object> {
    objects.iter().map(|object| (object.sort_key(), object)).collect()
}

fn one_sided(object: &Object, change: ChangeKind, other_side_seen: bool) -> Result<ObjectChange, Noise> {
    if let Some(noise) = by_nature(object, &object.value()) {
        return Err(noise);
    }
    let added = change == ChangeKind::Added;
    Ok(ObjectChange {
        resource: object.reference(),
        change,
        cause: if other_side_seen { Cause::Cluster } else { Cause::Sight },
        before: (!added).then_some(object.digest),
        after: added.then_some(object.digest),
        fields: Vec::new(),
        by: if added { last_writer(object) } else { None },
    })
}

/// `None` when only the redaction key made the bytes differ.
fn changed(old: &Object, new: &Object, keys_differ: bool) -> Option<Result<ObjectChange, Noise>> {
    let (before, after) = (old.value(), new.value());
    let recreated = matches!((&old.uid, &new.uid), (Some(a), Some(b)) if a != b);
    let mut fields = fields::diff(&before, &after, keys_differ);
    fields.retain(|field| field.path != "/metadata/uid" && field.path != "/metadata/creationTimestamp");
    let of_reading = of_every_reading(new, &after);
    fields.retain(|field| !of_reading.contains(&field.path.as_str()));
    if fields.is_empty() && !recreated {
        return None;
    }
    if let Some(noise) = by_nature(new, &after) {
        return Some(Err(noise));
    }
    if !recreated && fields.iter().all(|field| field.path.starts_with("/status")) {
        return Some(Err(Noise::StatusOnly));
    }
    Some(Ok(ObjectChange {
        resource: new.reference(),
        change: if recreated { ChangeKind::Recreated } else { ChangeKind::Changed },
        cause: Cause::Cluster,
        before: Some(old.digest),
        after: Some(new.digest),
        fields,
        by: last_writer(new),
    }))
}

/// What comes and goes without anybody's doing, whatever changed in it.
fn by_nature(object: &Object, value: &Value) -> Option<Noise> {
    let scan = object.gvk.kind == IMAGE_SCAN || object.gvk.group == REPORTS_GROUP;
    if is_owned(value) { Some(Noise::Owned) } else { scan.then_some(Noise::ScanResult) }
}

/// What is new whenever a node is read: the time, and the ConfigMap that carries the report.
fn of_every_reading(object: &Object, value: &Value) -> &'static [&'static str] {
    if object.gvk.kind == node::KIND && object.gvk.group == inputs::GROUP {
        return &["/spec/readAt", "/spec/bootId"];
    }
    let carries = object.namespace.as_deref() == Some(node::NAMESPACE)
        && value["metadata"]["labels"][node::LABEL.0] == node::LABEL.1;
    if carries { &["/data/report.json"] } else { &[] }
}

fn is_owned(object: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == Value::Bool(true)))
}

/// Whoever wrote last; controllers that write status and revisions only where nobody else ever wrote.
fn last_writer(object: &Object) -> Option<Manager> {
    const CONTROLLERS: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kubelet"];
    let is_controller = |manager: &Manager| CONTROLLERS.contains(&manager.manager.as_str());
    object.managers.iter().max_by_key(|manager| (!is_controller(manager), manager.time, *manager)).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot::{Sealer, Tokens};

    #[test]
    fn new_scans_are_counted_and_new_statements_listed() {
        let object = |kind: &str, at: &str| {
            let object =
                json!({"apiVersion": "kubeproof.dev/v1", "kind": kind, "metadata": {"name": "x"}, "spec": {"at": at}});
            Sealer::new(None, "", Tokens::Foreign).seal(object, "x.kubeproof.dev", None).unwrap()
        };
        let judged = |kind: &str| changed(&object(kind, "2026-11-22"), &object(kind, "2026-11-23"), false).unwrap();
        assert_eq!(judged("ImageScan").map(|_| ()), Err(Noise::ScanResult));
        let listed = judged("VexDocument").unwrap();
        assert_eq!((listed.change, listed.fields.len()), (ChangeKind::Changed, 1));
    }
}
