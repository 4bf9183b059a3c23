//! Who is named, and who never is.

use serde_json::{Value, json};

use super::*;
use crate::{
    collect::{Coverage, ListRecord},
    evaluate::samples,
    snapshot::{AuditTrail, Sealer, Tokens},
};

fn at(hour: u32, minute: u32) -> DateTime<Utc> {
    format!("2026-11-22T{hour:02}:{minute:02}:00Z").parse().unwrap()
}

fn sealed(object: &Value, resource: &str) -> Object {
    Sealer::new(None, "", Tokens::Foreign).seal(object.clone(), resource, None).unwrap()
}

fn config(name: &str, uid: &str, more: &Value) -> Object {
    let mut object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop", "uid": uid}});
    object["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sealed(&object, "configmaps")
}

fn write(id: &str, user: &str, verb: &str, name: Option<&str>, time: DateTime<Utc>) -> AuditWrite {
    AuditWrite {
        time,
        verb: verb.into(),
        user: user.into(),
        acting_as: None,
        group: String::new(),
        version: "v1".into(),
        resource: "configmaps".into(),
        subresource: None,
        name: name.map(str::to_owned),
        uid: None,
        audit_id: id.into(),
        source_ips: vec![],
        user_agent: None,
    }
}

/// The record of the trails that were asked for so.
fn record(request: &str) -> ListRecord {
    let known = samples::coverage(&[]).lists.remove(0);
    ListRecord { group: "kubeproof.dev".into(), resource: "audittrails".into(), request: request.into(), ..known }
}

/// Between a snapshot taken from 6:00 to 6:10 and one from 8:00 to 8:10.
fn writers(namespace: &str, writes: Vec<AuditWrite>) -> Writers {
    let coverage = |hour| Coverage { started: at(hour, 0), finished: at(hour, 10), ..samples::coverage(&[]) };
    let trail = AuditTrail { log: None, writes };
    let object = json!({"apiVersion": "kubeproof.dev/v1", "kind": "AuditTrail",
        "metadata": {"name": "writes", "namespace": namespace}, "spec": trail});
    let mut new = coverage(8);
    new.lists.push(record("inputs/audit"));
    Writers::new(&coverage(6), &new, &[sealed(&object, audit::RESOURCE)])
}

/// `alice patch`, with what is said of doubt.
fn named(writers: &Writers, before: Option<&Object>, after: Option<&Object>) -> Vec<String> {
    let (found, _) = writers.of(before, after);
    let words = |by: &ChangedBy| match by {
        ChangedBy::ManagedFields { manager, .. } => format!("manager {manager}"),
        ChangedBy::AuditLog { verb, unnamed, meanwhile, .. } => {
            let mark = |is: bool, text: &'static str| if is { text } else { "" };
            format!("{} {verb}{}{}", by.who(), mark(*unnamed, " unnamed"), mark(*meanwhile, " meanwhile"))
        }
    };
    found.iter().map(words).collect()
}

#[test]
fn people_stand_before_components_and_the_latest_first() {
    let manager = |name: &str, minute: u32| json!({"manager": name, "operation": "Update", "time": at(7, minute)});
    let old = json!({"managedFields": [{"manager": "helm", "operation": "Update", "time": at(5, 0)}]});
    let new = json!({"managedFields": [manager("kubectl", 20), manager("kube-controller-manager", 40),
        {"manager": "helm", "operation": "Update", "time": at(5, 0)}, {"manager": "timeless", "operation": "Update"}]});
    let (before, after) = (config("cart", "u", &old), config("cart", "u", &new));
    let system = "system:serviceaccount:kube-system:x-controller";
    let found = writers(
        "shop",
        vec![
            write("1", "alice", "patch", Some("cart"), at(7, 10)),
            write("2", "bob", "update", Some("cart"), at(7, 30)),
            write("3", system, "update", Some("cart"), at(7, 50)),
        ],
    );
    let expected = [
        "bob update",
        "manager kubectl",
        "alice patch",
        &format!("{system} update"),
        "manager kube-controller-manager",
    ];
    assert_eq!(named(&found, Some(&before), Some(&after)), expected);
}

#[test]
fn a_field_manager_of_the_second_in_which_the_snapshot_began_may_have_written_after_it() {
    let of = |time: DateTime<Utc>| {
        config("cart", "u", &json!({"managedFields": [{"manager": "helm", "operation": "Apply", "time": time}]}))
    };
    let mut begun = writers("shop", vec![]);
    begun.old.0 += TimeDelta::milliseconds(500);
    let before = config("cart", "u", &json!({}));
    assert_eq!(named(&begun, Some(&before), Some(&of(at(6, 0)))), ["manager helm"]);
    assert_eq!(named(&begun, Some(&before), Some(&of(at(5, 59)))), [""; 0]);
}

#[test]
fn nobody_is_named_who_wrote_something_else_or_at_another_time() {
    let mut other_group = write("1", "eve", "patch", Some("cart"), at(7, 0));
    other_group.group = "apps".into();
    let mut other_uid = write("2", "eve", "delete", Some("cart"), at(7, 0));
    other_uid.uid = Some("another".into());
    let cart = config("cart", "u", &json!({}));
    let found = writers(
        "shop",
        vec![
            other_group,
            other_uid,
            write("3", "eve", "patch", Some("cart-2"), at(7, 0)),
            write("4", "eve", "patch", Some("cart"), at(6, 0)),
            write("5", "eve", "patch", Some("cart"), at(8, 11)),
            write("6", "eve", "create", None, at(7, 0)),
            write("7", "eve", "deletecollection", None, at(7, 0)),
        ],
    );
    assert_eq!(named(&found, Some(&cart), Some(&cart)), [""; 0]);
    let elsewhere = writers("other", vec![write("1", "eve", "patch", Some("cart"), at(7, 0))]);
    assert_eq!(named(&elsewhere, Some(&cart), Some(&cart)), [""; 0]);
    let meanwhile = [at(6, 5), at(8, 5)].map(|time| write(&time.to_string(), "alice", "patch", Some("cart"), time));
    let expected = ["alice patch meanwhile", "alice patch meanwhile"];
    assert_eq!(named(&writers("shop", meanwhile.into()), Some(&cart), Some(&cart)), expected);
}

#[test]
fn requests_that_name_no_object_count_only_where_they_can() {
    let sweep = || write("1", "alice", "deletecollection", None, at(7, 0));
    let (old, new) = (config("cart", "u-1", &json!({})), config("cart", "u-2", &json!({})));
    let swept = writers("shop", vec![sweep()]);
    assert_eq!(named(&swept, Some(&old), None), ["alice deletecollection unnamed"]);
    assert_eq!(named(&swept, Some(&old), Some(&new)), ["alice deletecollection unnamed"]);
    assert_eq!(named(&swept, None, Some(&new)), [""; 0], "what is new was not deleted");
    // Who deleted it by name did it.
    let deleted = writers("shop", vec![sweep(), write("2", "bob", "delete", Some("cart"), at(7, 1))]);
    assert_eq!(named(&deleted, Some(&old), None), ["bob delete"]);

    let made = writers("shop", vec![write("1", "alice", "create", None, at(7, 0))]);
    let generated = config("cart-x7k2p", "u", &json!({"generateName": "cart-"}));
    assert_eq!(named(&made, None, Some(&generated)), ["alice create unnamed"]);
    assert_eq!(named(&made, None, Some(&new)), [""; 0], "whoever chose its name said it");
}

#[test]
fn a_manifest_that_claims_to_be_a_log_names_nobody() {
    let spec = AuditTrail { log: None, writes: vec![write("1", "eve", "patch", Some("cart"), at(7, 0))] };
    let object = json!({"apiVersion": "kubeproof.dev/v1", "kind": "AuditTrail", "metadata": {"name": "writes", "namespace": "shop"},
        "spec": spec});
    let mut coverage = Coverage { started: at(8, 0), finished: at(8, 10), ..samples::coverage(&[]) };
    coverage.lists.push(record("deploy/"));
    let forged = Writers::new(&samples::coverage(&[]), &coverage, &[sealed(&object, audit::RESOURCE)]);
    let cart = config("cart", "u", &json!({}));
    assert_eq!(named(&forged, Some(&cart), Some(&cart)), [""; 0]);
}

#[test]
fn there_are_never_more_than_fit_and_the_rest_is_counted() {
    let many = (0..12).map(|n| write(&n.to_string(), "alice", "patch", Some("cart"), at(7, n))).collect();
    let cart = config("cart", "u", &json!({}));
    let (found, more) = writers("shop", many).of(Some(&cart), Some(&cart));
    assert_eq!((found.len(), more, found[0].time()), (MAX, 4, at(7, 11)));
}
