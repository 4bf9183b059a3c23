//! Logs of every kind, and what must never come out of them.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{
    collect::{inputs, manifests},
    snapshot::{AuditWrite, Sealer, Tokens},
};

const MARK: &str = "c2VjcmV0LW1hcmtlcg";

/// The state that a log is read for, of 23 November, 06:00.
fn collected() -> Collected {
    let now = at("2026-11-23T06:00:00Z");
    let options = manifests::Options { name: None, uid: None, kubernetes: None, key: None, now };
    let text = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: job-controller, namespace: kube-system, uid: u-1}\n\
                ---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
    let mut collected = manifests::collect(&[manifests::Input::Stdin("-".into(), text.into())], &options);
    collected.coverage.lists.iter_mut().for_each(|list| list.outcome = ListOutcome::Seen);
    collected
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

/// An event of 22 November by alice on the Deployment shop/cart, with bodies, changed by `more`.
fn event(id: &str, more: Value) -> String {
    let mut event = json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": id,
        "stage": "ResponseComplete", "requestURI": "/apis/apps/v1/namespaces/shop/deployments/cart", "verb": "patch",
        "user": {"username": "alice", "uid": "7", "groups": ["devs"], "extra": {"token": [MARK]}},
        "sourceIPs": ["10.0.0.7"], "userAgent": "kubectl/v1.37.2 (linux/amd64) kubernetes/3f5e9ac",
        "objectRef": {"resource": "deployments", "namespace": "shop", "name": "cart", "apiGroup": "apps", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestObject": {"metadata": {"annotations": {"a": MARK}}}, "responseObject": {"data": MARK, "metadata": {"name": "cart", "uid": "d-1", "annotations": {"a": MARK}}},
        "requestReceivedTimestamp": "2026-11-22T10:00:00.000000Z", "stageTimestamp": "2026-11-22T10:00:00.123456Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": MARK}});
    let (Value::Object(event), Value::Object(more)) = (&mut event, more) else { panic!("objects") };
    event.extend(more);
    json!(event).to_string()
}

fn object(more: Value) -> Value {
    let mut object =
        json!({"resource": "deployments", "namespace": "shop", "name": "cart", "apiGroup": "apps", "apiVersion": "v1"});
    let (Value::Object(own), Value::Object(more)) = (&mut object, more) else { panic!("objects") };
    own.extend(more);
    json!({"objectRef": own})
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("audit")).unwrap();
    for (name, bytes) in files {
        std::fs::write(root.path().join("audit").join(name), bytes).unwrap();
    }
    root
}

fn read_files(files: &[(&str, &[u8])]) -> Collected {
    let mut collected = collected();
    let root = folder(files);
    let now = collected.coverage.finished;
    inputs::add(&mut collected, root.path(), &Sealer::new(None, "", Tokens::Foreign), now);
    let trails = collected.objects.iter().filter(|object| object.resource == RESOURCE);
    assert!(trails.clone().all(|object| !object.json.contains(MARK)), "a body was kept");
    assert_eq!(record_of(&collected).count, trails.count() as u64);
    collected
}

fn read_lines(lines: &[String]) -> Collected {
    read_files(&[("audit.log", format!("{}\n", lines.join("\n")).as_bytes())])
}

fn record_of(collected: &Collected) -> &ListRecord {
    collected.coverage.list(RESOURCE).unwrap()
}

/// `shop alice patch deployments.apps/cart`, the latest first in each namespace.
fn writes(collected: &Collected) -> Vec<String> {
    let mut all = Vec::new();
    for (object, trail) in trails(&collected.objects) {
        let namespace = object.namespace.as_deref().unwrap_or("-");
        all.extend(trail.writes.iter().map(|write| {
            let name = write.name.as_deref().unwrap_or("*");
            format!("{namespace} {} {} {}/{name}", write.user, write.verb, write.resource_id())
        }));
    }
    all
}

fn log(collected: &Collected) -> AuditLog {
    trails(&collected.objects).find_map(|(_, trail)| trail.log).unwrap()
}

#[test]
fn a_write_is_kept_with_its_metadata_alone() {
    let impersonated = json!({"impersonatedUser": {"username": "bob", "groups": ["ops"]}});
    let read = read_lines(&[event("a-1", impersonated)]);
    let (_, trail) = trails(&read.objects).find(|(object, _)| object.namespace.is_some()).unwrap();
    let expected = AuditWrite {
        time: at("2026-11-22T10:00:00.123456Z"),
        verb: "patch".into(),
        user: "alice".into(),
        acting_as: Some("bob".into()),
        group: "apps".into(),
        version: "v1".into(),
        resource: "deployments".into(),
        subresource: None,
        name: Some("cart".into()),
        uid: None,
        audit_id: "a-1".into(),
        source_ips: vec!["10.0.0.7".into()],
        user_agent: Some("kubectl/v1.37.2 (linux/amd64) kubernetes/3f5e9ac".into()),
    };
    assert_eq!(trail.writes, [expected]);
    let said = log(&read);
    assert_eq!((said.files, said.events, said.kept, said.broken, said.cut), (1, 1, 1, 0, 0));
    assert_eq!((said.from, said.to), (at("2026-11-22T10:00:00.123456Z"), at("2026-11-22T10:00:00.123456Z")));
    assert_eq!(record_of(&read).outcome, ListOutcome::Seen);
}

#[test]
fn what_changed_nothing_of_an_object_is_left_out() {
    let lines = [
        event("1", json!({"stage": "RequestReceived"})),
        event("2", json!({"stage": "ResponseStarted"})),
        event("3", json!({"stage": "Panic", "responseStatus": {"code": 500}})),
        event("4", json!({"responseStatus": {"code": 403}})),
        event("5", json!({"responseStatus": null})),
        event("6", json!({"verb": "get"})),
        event("7", json!({"objectRef": null})),
        event("8", object(json!({"subresource": "status"}))),
        event("9", object(json!({"resource": "leases", "apiGroup": "coordination.k8s.io"}))),
        event("10", json!({"stageTimestamp": "2026-11-23T06:00:01.000000Z"})),
        event("11", json!({"stageTimestamp": "2026-10-01T06:00:01.000000Z"})),
    ];
    let read = read_lines(&lines);
    assert_eq!(writes(&read), [""; 0]);
    let said = log(&read);
    assert_eq!((said.events, said.kept, read.errors), (11, 0, vec![]));
    // The last one is a write like any other, and too old to keep: what it was is known to nobody.
    assert_eq!((said.cut, said.complete_from()), (1, at("2026-10-01T06:00:01Z")));
    let gap = said.gap(at("2026-10-01T06:00:00Z"), at("2026-11-23T06:00:00Z")).unwrap();
    assert!(gap.starts_with("the audit log begins at 2026-10-01T06:00:01Z"), "{gap}");
}

#[test]
fn writes_without_a_name_and_subresources_that_change_an_object_are_kept() {
    let generated = json!({"objectRef": {"resource": "pods", "namespace": "shop", "apiVersion": "v1"}, "verb": "create",
        "responseStatus": {"code": 201}, "responseObject": {"metadata": {"name": "cart-x7k2p", "uid": "p-1"}}});
    let metadata_level = json!({"objectRef": {"resource": "pods", "namespace": "shop", "apiVersion": "v1"}, "verb": "create",
        "responseStatus": {"code": 201}, "responseObject": null, "stageTimestamp": "2026-11-22T10:01:00.000000Z"});
    let collection = json!({"objectRef": {"resource": "configmaps", "namespace": "shop", "apiVersion": "v1"}, "verb": "deletecollection",
        "responseObject": {"kind": "ConfigMapList", "metadata": {}, "items": []}, "stageTimestamp": "2026-11-22T10:02:00.000000Z"});
    let namespace = json!({"objectRef": {"resource": "namespaces", "namespace": "shop", "name": "shop", "apiVersion": "v1"},
        "verb": "delete"});
    let lines = [
        event("1", generated),
        event("2", metadata_level),
        event("3", collection),
        event("4", namespace),
        event("5", object(json!({"subresource": "scale"}))),
    ];
    let expected = [
        "- alice delete namespaces/shop",
        "shop alice deletecollection configmaps/*",
        "shop alice create pods/*",
        "shop alice patch deployments.apps/cart",
        "shop alice create pods/cart-x7k2p",
    ];
    assert_eq!(writes(&read_lines(&lines)), expected);
}

#[test]
fn broken_lines_are_counted_and_the_rest_goes_on() {
    let mut lines = vec![event("1", json!({})), "E1122 etcd: timeout".into(), "{\"kind\":".into(), "{}".into()];
    lines.extend(["2", "3"].map(|id| event(id, json!({}))));
    let read = read_lines(&lines);
    assert_eq!((log(&read).broken, log(&read).kept), (3, 3));
    let said = read.errors[0].to_string();
    assert!(said.ends_with("audit.log:2: is no JSON, so are 2 more; the other lines were read"), "{said}");
    assert_eq!((read.errors.len(), &record_of(&read).outcome), (1, &ListOutcome::Seen));
    let read = read_lines(&lines[..4]);
    assert!(record_of(&read).outcome.reason().unwrap().contains("3 lines of the audit log are no events, and 1 are"));
    // A torn first line is no reason to read none, and the last one is still being written.
    let torn = format!("{}\n{}\n{}", &event("0", json!({}))[..80], event("1", json!({})), &event("2", json!({}))[..90]);
    let read = read_files(&[("audit.log", torn.as_bytes())]);
    assert_eq!((log(&read).broken, log(&read).kept, read.errors.len()), (1, 1, 1));
    assert!(read.errors[0].to_string().contains("audit.log:1: ends in the middle"), "{}", read.errors[0]);
}

#[test]
fn a_line_beyond_every_bound_is_passed_over() {
    let long = format!("{{\"auditID\": \"{}\"}}", "x".repeat(17 << 20));
    let read = read_lines(&[event("1", json!({})), long, event("2", json!({}))]);
    assert_eq!((log(&read).broken, log(&read).kept), (1, 2));
    assert!(read.errors[0].message.starts_with("is longer than 16 MiB, the other lines"), "{}", read.errors[0]);
}

#[test]
fn rotated_compressed_and_wrapped_logs_are_one() {
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let one = event("1", json!({}));
    // The same event twice, as a copy of a log beside the log has it; two members in one file, as `cat` makes them.
    let members = [gzip(&format!("{one}\n")), gzip(&format!("{}\n", event("2", json!({}))))].concat();
    let list = json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1",
        "items": [serde_json::from_str::<Value>(&event("3", json!({}))).unwrap()]});
    let cloudwatch = json!({"events": [{"logStreamName": "kube-apiserver-audit-1", "message": event("4", json!({})), "eventId": "x"}]});
    let subscription = json!({"messageType": "DATA_MESSAGE", "logGroup": "/aws/eks/shop/cluster",
        "logEvents": [{"id": "1", "timestamp": 1, "message": event("5", json!({}))}]});
    let azure = json!({"time": "2026-11-22T10:00:00Z", "category": "kube-audit-admin",
        "properties": {"log": event("6", json!({})), "stream": "stdout", "pod": "kube-apiserver-1"}});
    let read = read_files(&[
        ("audit.log", one.as_bytes()),
        ("audit-2026-11-22T06-00-00.000.log.gz", &members),
        ("list.json", serde_json::to_string_pretty(&list).unwrap().as_bytes()),
        ("filter.json", serde_json::to_string_pretty(&cloudwatch).unwrap().as_bytes()),
        ("000000.gz", &gzip(&format!("2026-11-22T10:00:00.123Z {}\n", event("7", json!({}))))),
        ("subscription.jsonl", format!("{subscription}\n").as_bytes()),
        ("PT1H.json", format!("{azure}\n{azure}\n").as_bytes()),
        ("README", b"no log"),
        (".hidden.log", b"no log"),
    ]);
    assert_eq!(read.errors, []);
    assert_eq!((log(&read).files, log(&read).kept, log(&read).broken), (7, 7, 0));
}

#[test]
fn a_file_that_ends_early_or_is_googles_is_a_sentence() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for id in 0..2000 {
        writeln!(encoder, "{}", event(&format!("id-{id}"), json!({"userAgent": format!("agent {}", id * 7919)})))
            .unwrap();
    }
    let mut torn = encoder.finish().unwrap();
    torn.truncate(torn.len() / 2);
    let read = read_files(&[("audit.log.gz", &torn)]);
    assert!(read.errors[0].message.starts_with("could not be read to its end: "), "{}", read.errors[0]);
    assert!(log(&read).events > 100, "what came before was read");
    let reason = record_of(&read).outcome.reason().unwrap();
    assert!(reason.starts_with("failed: audit.log.gz: could not be read to its end: "), "{reason}");
    let google = json!({"protoPayload": {"methodName": "io.k8s.apps.v1.deployments.patch"}, "insertId": "x"});
    let read = read_files(&[("gke.json", format!("[{google}]").as_bytes())]);
    let Some(reason) = record_of(&read).outcome.reason() else { panic!("a gap") };
    assert!(reason.contains("gke.json:1: is in the form of Google's Cloud Audit Logs"), "{reason}");
}

#[test]
fn no_log_and_anothers_log_are_gaps_and_no_answer() {
    let reason = |read: &Collected| record_of(read).outcome.reason().unwrap_or_default();
    assert_eq!(reason(&read_files(&[("README", b"x")])), "failed: there is no audit log (*.log, *.json, *.gz)");
    assert_eq!(reason(&read_files(&[("audit.log", b"")])), "failed: the audit log holds no event");
    let of = |user: &str, uid: &str| event(user, json!({"user": {"username": user, "uid": uid}}));
    let account = "system:serviceaccount:kube-system:job-controller";
    let other = read_lines(&[of(account, "u-2"), event("2", json!({}))]);
    assert!(
        reason(&other).contains("of another cluster: its service account kube-system/job-controller has another uid")
    );
    assert_eq!(writes(&other), [""; 0]);
    let nodes = read_lines(&[of("system:node:elsewhere-1", ""), event("2", json!({}))]);
    assert!(reason(&nodes).contains("this cluster has no node 'elsewhere-1'"), "{}", reason(&nodes));
    // Beside the cluster's own log another one's is not used, and still is a gap.
    let mixed = read_files(&[
        ("a.log", format!("{}\n{}\n", of(account, "u-2"), event("2", json!({}))).as_bytes()),
        ("b.log", event("3", json!({})).as_bytes()),
    ]);
    assert!(reason(&mixed).starts_with("failed: a.log: is of another cluster"), "{}", reason(&mixed));
    assert_eq!((log(&mixed).kept, mixed.errors.len()), (1, 1));
    for own in [(account, "u-1"), ("system:node:n1", "")] {
        let read = read_lines(&[of(own.0, own.1), of("system:node:gone", ""), event("2", json!({}))]);
        assert_eq!((reason(&read), log(&read).kept), (String::new(), 3), "{own:?}");
    }
}

#[test]
fn a_log_that_does_not_reach_over_the_changes_says_so() {
    let lines =
        [event("1", json!({})), event("2", json!({"stageTimestamp": "2026-11-23T05:30:00.000000Z", "verb": "get"}))];
    let reason = |since: &str| {
        let mut read = read_lines(&lines);
        hold_against(&mut read.coverage, &read.objects, at(since));
        record_of(&read).outcome.reason()
    };
    assert_eq!(reason("2026-11-22T12:00:00Z"), None);
    let early = "failed: the audit log begins at 2026-11-22T10:00:00Z, the changes are between 2026-11-22T06:00:00Z and \
                 2026-11-23T06:00:00Z";
    assert_eq!(reason("2026-11-22T06:00:00Z").as_deref(), Some(early));
    let mut read = read_lines(&lines[..1]);
    hold_against(&mut read.coverage, &read.objects, at("2026-11-22T12:00:00Z"));
    assert!(record_of(&read).outcome.reason().unwrap().contains("the audit log ends at 2026-11-22T10:00:00Z"));
}

#[test]
fn too_many_writes_are_cut_from_the_oldest_and_counted() {
    let minute = |n: usize| json!({"stageTimestamp": format!("2026-11-22T{:02}:{:02}:00.000000Z", n / 60, n % 60)});
    let lines: Vec<String> = (0..25).map(|n| event(&format!("id-{n:02}"), minute(n))).collect();
    let read = read_lines(&lines);
    let said = log(&read);
    // What is kept of the object is later: nothing is unknown but who wrote before that.
    assert_eq!((said.kept, said.cut, said.cut_until), (20, 5, None));
    let mut reversed = lines.clone();
    reversed.reverse();
    let digests = |read: &Collected| read.objects.iter().map(|object| object.digest).collect::<Vec<_>>();
    assert_eq!(digests(&read), digests(&read_lines(&reversed)), "the order of lines says nothing");
    let kubelet =
        |n: usize| json!({"user": {"username": "system:node:n1"}, "stageTimestamp": minute(n)["stageTimestamp"]});
    let mixed: Vec<String> =
        (0..10).map(|n| event(&format!("k-{n}"), kubelet(n))).chain([event("1", json!({}))]).collect();
    assert_eq!(log(&read_lines(&mixed)).kept, 4, "three of the kubelet's, and alice's");
}

#[test]
fn more_than_fits_in_all_is_a_gap_and_components_take_no_room_of_people() {
    let name = |n: usize| object(json!({"name": format!("cart-{n}")}));
    let minute = |n: usize| format!("2026-11-22T{:02}:{:02}:{:02}.000000Z", n / 3600, n / 60 % 60, n % 60);
    let lines = |count: usize, user: &str| -> Vec<String> {
        let one = |n: usize| {
            let mut more = name(n);
            more["stageTimestamp"] = minute(n).into();
            more["user"] = json!({"username": user});
            event(&format!("{user}-{n:05}"), more)
        };
        (0..count).map(one).collect()
    };
    let people = read_lines(&lines(20_002, "alice"));
    let said = log(&people);
    assert_eq!((said.kept, said.cut, said.cut_until), (20_000, 2, Some(at("2026-11-22T00:00:01Z"))));
    let gap = said.gap(at("2026-11-22T00:00:00Z"), at("2026-11-22T06:00:00Z")).unwrap();
    assert!(gap.contains("of the audit log 2 writes up to 2026-11-22T00:00:01Z are not kept"), "{gap}");
    assert_eq!(said.gap(at("2026-11-22T00:00:01Z"), at("2026-11-22T06:00:00Z")), None);
    let mixed: Vec<String> = [lines(5_001, "system:node:n1"), lines(1, "alice")].concat();
    let said = log(&read_lines(&mixed));
    assert_eq!((said.kept, said.cut, said.cut_until), (5_001, 1, None));
}

#[test]
fn users_of_every_provider_stay_as_they_are() {
    let users = [
        "alice@example.com",
        "kubernetes-admin",
        "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0a1b2c3d4e5f6a7b/alice@example.com",
        "aws-node:i-0f1e2d3c4b5a69788",
        "3f2b8f0e-6a52-4f0b-9b1d-0c6f7e5d4a3b",
        "https://login.example.com/realms/ops#f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "oidc:00u1a2b3c4d5e6f7g8h9",
        "system:serviceaccount:argocd:argocd-application-controller",
        "CN=Müller, O=Ops",
    ];
    let lines: Vec<String> =
        users.iter().enumerate().map(|(n, user)| event(&format!("{n}"), json!({"user": {"username": user}}))).collect();
    let read = read_lines(&lines);
    let mut kept: Vec<String> =
        trails(&read.objects).flat_map(|(_, trail)| trail.writes).map(|write| write.user).collect();
    kept.sort();
    let mut users = users.map(str::to_owned);
    users.sort();
    assert_eq!(kept, users);
    // A credential where a name should be is one all the same.
    let leaked = read_lines(&[event("1", json!({"user": {"username": "https://u:hunter2@example.com"}}))]);
    assert!(!leaked.objects.iter().any(|object| object.json.contains("hunter2")));
}
