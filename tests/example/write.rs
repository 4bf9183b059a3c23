//! Writes the recordings of `examples/quarter`: the shop's recording, taken back to July, and what changed each week.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use chrono::{DateTime, TimeDelta, Utc};
use kubeproof::{clock::rfc3339, digest::Digest};
use regex::{Captures, Regex};
use serde_json::{Value, json};

use super::{FIRST, WEEKS, quarter};
use crate::live::workspace::files;

const OLD: &str = "v1.36.4";
const NEW: &str = "v1.37.2";
const PODS: &str = "pods";
const DEPLOYMENTS: &str = "deployments.apps";
const REPLICA_SETS: &str = "replicasets.apps";
const DAEMON_SETS: &str = "daemonsets.apps";
const BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
const POLICIES: &str = "networkpolicies.networking.k8s.io";
const ON_CALL: &str = "k.lind@shop.example";
const DELIVERY: &str = "system:serviceaccount:flux-system:kustomize-controller";

/// Writes the recordings again, after a change of the story: `cargo test write_the_quarter -- --ignored`.
#[test]
#[ignore = "writes examples/quarter, run by hand"]
fn write_the_quarter() {
    let drafts = tempfile::tempdir().unwrap();
    let draft = |day: &str| drafts.path().join(day).join("recording");
    let mut shop = Shop::read(&quarter().parent().unwrap().join("shop-2026-10-26"));
    shop.back_to_july();
    shop.write(FIRST, &draft(FIRST));
    for (before, day) in std::iter::once(&FIRST).chain(WEEKS).zip(WEEKS) {
        shop.live_until(day);
        shop.write(day, &draft(day));
        let patch = difference(drafts.path(), before, day);
        let week = quarter().join("weeks").join(day);
        fs::create_dir_all(&week).unwrap();
        fs::write(week.join("recording.patch"), patch).unwrap();
        if let Some(log) = shop.audit_log(before, day) {
            fs::create_dir_all(week.join("inputs/audit")).unwrap();
            fs::write(week.join("inputs/audit/audit.log"), log).unwrap();
        }
    }
    let recording = quarter().join("recording");
    let _ = fs::remove_dir_all(&recording);
    fs::create_dir_all(&recording).unwrap();
    for (name, bytes) in files(&draft(FIRST)) {
        fs::write(recording.join(name), bytes).unwrap();
    }
}

/// What `git apply` makes of one recording to get the next.
fn difference(drafts: &Path, before: &str, after: &str) -> Vec<u8> {
    let mut git = Command::new("git");
    git.current_dir(drafts).args(["diff", "--no-index", "--no-renames", "-U1", before, after]);
    let patch = String::from_utf8(git.output().unwrap().stdout).unwrap();
    assert!(!patch.is_empty(), "nothing changed by {after}");
    patch.replace(&format!("a/{before}/"), "a/").replace(&format!("b/{after}/"), "b/").into_bytes()
}

/// A recorded cluster whose objects can be changed as Kubernetes would.
struct Shop {
    lists: BTreeMap<String, Value>,
    /// What the API server logged since the last recording, as far as the story tells of it.
    logged: Vec<Value>,
}

impl Shop {
    fn read(folder: &Path) -> Self {
        let read = |(name, bytes): (PathBuf, Vec<u8>)| {
            let name = name.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&bytes).unwrap())
        };
        let lists = files(folder).into_iter().map(|(name, bytes)| read((name.into(), bytes))).collect();
        Self { lists, logged: Vec::new() }
    }

    fn write(&mut self, day: &str, folder: &Path) {
        let counts: BTreeMap<String, usize> =
            self.lists.keys().filter(|id| *id != "coverage").map(|id| (id.clone(), self.items_of(id).len())).collect();
        let coverage = self.lists.get_mut("coverage").unwrap();
        coverage["started"] = format!("{day}T06:00:00Z").into();
        coverage["finished"] = format!("{day}T06:00:04Z").into();
        for list in coverage["lists"].as_array_mut().unwrap() {
            let (resource, group) = (list["resource"].as_str().unwrap(), list["group"].as_str().unwrap());
            let id = format!("{resource}.{group}");
            if let Some(count) = counts.get(id.trim_end_matches('.')) {
                list["count"] = (*count).into();
            }
        }
        fs::create_dir_all(folder).unwrap();
        for (id, list) in &self.lists {
            let text = serde_json::to_string_pretty(list).unwrap() + "\n";
            fs::write(folder.join(format!("{id}.json")), text).unwrap();
        }
    }

    /// The audit log of a week in which something was logged: one event a line, from one recording to the next.
    fn audit_log(&mut self, from: &str, to: &str) -> Option<String> {
        let written = std::mem::take(&mut self.logged);
        if written.is_empty() {
            return None;
        }
        let reads = |at: String| {
            let about = json!({"resource": "nodes", "name": "cp-1", "apiVersion": "v1"});
            event("get", "system:node:cp-1", &at, about, 200)
        };
        let mut events = vec![reads(format!("{from}T05:59:58Z"))];
        events.extend(written);
        events.push(reads(format!("{to}T06:00:04Z")));
        Some(events.into_iter().map(|event| format!("{event}\n")).collect())
    }

    fn log(&mut self, verb: &str, user: &str, at: &str, (id, name): (&str, &str)) {
        let (resource, group) = id.split_once('.').unwrap();
        let about =
            json!({"resource": resource, "apiGroup": group, "apiVersion": "v1", "namespace": "payments", "name": name});
        self.logged.push(event(verb, user, at, about, if verb == "create" { 201 } else { 200 }));
    }

    fn items_of(&self, id: &str) -> &Vec<Value> {
        self.lists[id]["items"].as_array().unwrap()
    }

    fn items(&mut self, id: &str) -> &mut Vec<Value> {
        self.lists.get_mut(id).unwrap()["items"].as_array_mut().unwrap()
    }

    fn find(&mut self, id: &str, namespace: &str, name: &str) -> &mut Value {
        let is_it = |item: &&mut Value| item["metadata"]["name"] == name && is_in(item, namespace);
        self.items(id).iter_mut().find(is_it).unwrap_or_else(|| panic!("no {name} among {id} of {namespace}"))
    }

    fn add(&mut self, id: &str, item: Value) {
        self.items(id).push(item);
        self.items(id).sort_by_key(|item| {
            let part = |key: &str| item["metadata"][key].as_str().unwrap_or_default().to_owned();
            (part("namespace"), part("name"))
        });
    }

    fn remove(&mut self, id: &str, namespace: &str, name: &str) {
        let before = self.items_of(id).len();
        self.items(id).retain(|item| item["metadata"]["name"] != name || !is_in(item, namespace));
        assert_eq!(self.items_of(id).len(), before - 1, "{name} of {namespace}");
    }

    /// The cluster as it was before the quarter: an older Kubernetes, earlier times, and what was tidied up since.
    fn back_to_july(&mut self) {
        let time = Regex::new(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
        for list in self.lists.values_mut() {
            let newer =
                [(NEW, OLD), ("shop/catalog:4.8.1", "shop/catalog:4.6.0"), ("storefront:7.18.0", "storefront:7.17.2")];
            let text = newer.iter().fold(list.to_string(), |text, (new, old)| text.replace(new, old));
            let text = time.replace_all(&text, |found: &Captures| rfc3339(earlier(found[0].parse().unwrap())));
            *list = serde_json::from_str(&text).unwrap();
        }
        let person = json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "r.diaz@agency.example"});
        self.bind("ledger-migration", "2026-04-20T09:12:40Z", ("Role", "secret-keeper"), person);
    }

    /// What happened in the days before a recording.
    fn live_until(&mut self, day: &str) {
        match day {
            // The access review: an agency's account, left over from a migration.
            "2026-07-13" => self.remove(BINDINGS, "payments", "ledger-migration"),
            "2026-07-20" => self.release("catalog", "2026-07-16T09:20:11Z", "5d8c7f6b49", "4.7.0"),
            "2026-07-27" => self.incident(),
            "2026-08-03" => self.half_repaired(),
            "2026-08-10" => self.repaired(),
            "2026-08-24" => self.upgrade_control_plane("2026-08-15T07:40:00Z"),
            "2026-08-31" => self.upgrade_node("worker-1", "2026-08-26T08:05:00Z"),
            "2026-09-07" => self.release("storefront", "2026-09-03T13:02:45Z", "7c9bb54d6f", "7.18.0"),
            // What the new checks found is put right.
            "2026-09-21" => self.remove(PODS, "staging", "toolbox"),
            "2026-09-28" => self.release("catalog", "2026-09-24T10:44:03Z", "68b7d9c5f4", "4.8.1"),
            _ => {}
        }
    }

    /// A Friday night: payments fail, and whoever is on call opens what stands in the way.
    fn incident(&mut self) {
        let person = json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": ON_CALL});
        self.log("create", ON_CALL, "2026-07-24T21:52:10Z", (BINDINGS, "oncall-debug"));
        self.log("patch", ON_CALL, "2026-07-24T21:58:33Z", (POLICIES, "card-gateway"));
        self.log("patch", ON_CALL, "2026-07-24T22:41:07Z", (DEPLOYMENTS, "card-gateway"));
        self.bind("oncall-debug", "2026-07-24T21:52:10Z", ("ClusterRole", "admin"), person);
        let policy = self.find(POLICIES, "payments", "card-gateway");
        policy["spec"]["ingress"] = json!([{"from": [{"namespaceSelector": {}}]}]);
        wrote(policy, "kubectl-edit", "2026-07-24T21:58:33Z");
        let privileged = |pod: &mut Value| {
            let context = &mut pod["containers"][0]["securityContext"];
            context["privileged"] = true.into();
            context["allowPrivilegeEscalation"] = true.into();
        };
        self.roll_out(("payments", "card-gateway"), "kubectl-edit", "2026-07-24T22:41:07Z", "6b6d5c98f7", privileged);
    }

    /// Access and network are closed on Thursday; the privileged container is overlooked.
    fn half_repaired(&mut self) {
        self.remove(BINDINGS, "payments", "oncall-debug");
        self.log("delete", DELIVERY, "2026-07-30T08:15:50Z", (BINDINGS, "oncall-debug"));
        self.log("patch", DELIVERY, "2026-07-30T08:15:52Z", (POLICIES, "card-gateway"));
        let mut original = Self::read(&quarter().parent().unwrap().join("shop-2026-10-26"));
        let ingress = original.find(POLICIES, "payments", "card-gateway")["spec"]["ingress"].take();
        let policy = self.find(POLICIES, "payments", "card-gateway");
        policy["spec"]["ingress"] = ingress;
        wrote(policy, "kustomize-controller", "2026-07-30T08:15:52Z");
    }

    fn repaired(&mut self) {
        let harmless = |pod: &mut Value| {
            let context = pod["containers"][0]["securityContext"].as_object_mut().unwrap();
            context.remove("privileged");
            context.insert("allowPrivilegeEscalation".into(), false.into());
        };
        let who = "kustomize-controller";
        self.log("patch", DELIVERY, "2026-08-05T09:31:20Z", (DEPLOYMENTS, "card-gateway"));
        self.roll_out(("payments", "card-gateway"), who, "2026-08-05T09:31:20Z", "7f5c4b88d9", harmless);
    }

    fn release(&mut self, name: &str, at: &str, hash: &str, version: &str) {
        let image = format!("registry.example.com/shop/{name}:{version}");
        let newer = |pod: &mut Value| pod["containers"][0]["image"] = image.as_str().into();
        self.roll_out(("shop", name), "kustomize-controller", at, hash, newer);
    }

    /// Changes a Deployment's template, with the ReplicaSet and the pods that follow from it.
    fn roll_out(&mut self, (namespace, name): (&str, &str), by: &str, at: &str, hash: &str, edit: impl Fn(&mut Value)) {
        let deployment = self.find(DEPLOYMENTS, namespace, name);
        edit(&mut deployment["spec"]["template"]["spec"]);
        wrote(deployment, by, at);
        let revision = &mut deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        let next = (revision.as_str().unwrap().parse::<u32>().unwrap() + 1).to_string();
        *revision = next.as_str().into();

        let of = |item: &&mut Value| item["metadata"]["ownerReferences"][0]["name"] == name && is_in(item, namespace);
        let sets = self.items(REPLICA_SETS).iter_mut().filter(of);
        let set = sets.into_iter().find(|set| set["spec"]["replicas"] != 0).unwrap();
        let (mut newer, old) = (set.clone(), set["metadata"]["name"].as_str().unwrap().to_owned());
        set["spec"]["replicas"] = 0.into();
        set["status"] = json!({"replicas": 0});
        let fresh = format!("{name}-{hash}");
        become_new(&mut newer, &fresh, at);
        newer["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = next.into();
        newer["metadata"]["labels"]["pod-template-hash"] = hash.into();
        newer["spec"]["selector"]["matchLabels"]["pod-template-hash"] = hash.into();
        newer["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = hash.into();
        edit(&mut newer["spec"]["template"]["spec"]);
        let owner = newer["metadata"]["uid"].clone();
        self.add(REPLICA_SETS, newer);

        for mut pod in self.take_pods(namespace, &old) {
            let suffix = pod["metadata"]["name"].as_str().unwrap().rsplit('-').next().unwrap().to_owned();
            become_new(&mut pod, &format!("{fresh}-{suffix}"), at);
            pod["metadata"]["generateName"] = format!("{fresh}-").into();
            pod["metadata"]["labels"]["pod-template-hash"] = hash.into();
            pod["metadata"]["ownerReferences"][0]["name"] = fresh.as_str().into();
            pod["metadata"]["ownerReferences"][0]["uid"] = owner.clone();
            edit(&mut pod["spec"]);
            let image = pod["spec"]["containers"][0]["image"].clone();
            pod["status"]["containerStatuses"][0]["image"] = image.clone();
            pod["status"]["containerStatuses"][0]["imageID"] = image;
            self.add(PODS, pod);
        }
    }

    /// The pods of an owner, which are gone then.
    fn take_pods(&mut self, namespace: &str, owner: &str) -> Vec<Value> {
        let pods = self.items(PODS);
        let is_it = |pod: &mut Value| pod["metadata"]["ownerReferences"][0]["name"] == owner && is_in(pod, namespace);
        pods.extract_if(.., is_it).collect()
    }

    fn bind(&mut self, name: &str, at: &str, (kind, role): (&str, &str), subject: Value) {
        let mut binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"namespace": "payments", "name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}, "subjects": [subject],
        });
        become_new(&mut binding, name, at);
        binding["metadata"]["managedFields"] = json!([]);
        wrote(&mut binding, "kubectl-create", at);
        self.add(BINDINGS, binding);
    }

    /// API server, controller manager, scheduler, kube-proxy everywhere, and the control plane's own kubelet.
    fn upgrade_control_plane(&mut self, at: &str) {
        self.lists.get_mut("coverage").unwrap()["cluster"]["kubernetes"] = NEW.into();
        for id in ["configmaps", DAEMON_SETS] {
            for item in self.items(id).iter_mut().filter(|item| item.to_string().contains(OLD)) {
                *item = serde_json::from_str(&item.to_string().replace(OLD, NEW)).unwrap();
                wrote(item, "kubeadm", at);
            }
        }
        for mut pod in self.take_pods("kube-system", "cp-1") {
            let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
            if pod.to_string().contains(OLD) {
                pod = serde_json::from_str(&pod.to_string().replace(OLD, NEW)).unwrap();
                become_new(&mut pod, &name, at);
            }
            self.add(PODS, pod);
        }
        for (mut pod, name) in self.take_pods("kube-system", "kube-proxy").into_iter().zip(["x2k8d", "zp6wq"]) {
            pod = serde_json::from_str(&pod.to_string().replace(OLD, NEW)).unwrap();
            become_new(&mut pod, &format!("kube-proxy-{name}"), at);
            pod["metadata"]["labels"]["controller-revision-hash"] = "67f6c4d9b5".into();
            pod["metadata"]["labels"]["pod-template-generation"] = "2".into();
            self.add(PODS, pod);
        }
        self.upgrade_node("cp-1", at);
    }

    fn upgrade_node(&mut self, name: &str, at: &str) {
        let node = self.items("nodes").iter_mut().find(|node| node["metadata"]["name"] == name).unwrap();
        node["status"]["nodeInfo"]["kubeletVersion"] = NEW.into();
        wrote(node, "kubelet", at);
    }
}

/// An event of `audit.k8s.io/v1` at the level Metadata.
fn event(verb: &str, user: &str, at: &str, about: Value, code: u16) -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete",
        "auditID": uid(&format!("{verb} {user} {at} {about}")), "verb": verb, "user": {"username": user},
        "sourceIPs": ["192.0.2.17"], "objectRef": about, "responseStatus": {"code": code},
        "requestReceivedTimestamp": at, "stageTimestamp": at,
    })
}

/// A UUID that follows from a text.
fn uid(text: &str) -> String {
    let hex = Digest::of(text).hex();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]].join("-")
}

fn is_in(item: &Value, namespace: &str) -> bool {
    item["metadata"]["namespace"] == namespace
}

/// A time of the shop's recording, before the quarter began.
fn earlier(at: DateTime<Utc>) -> DateTime<Utc> {
    let moment = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let (from, to, told) =
        (moment("2026-05-31T06:00:00Z"), moment("2026-10-26T06:00:00Z"), moment("2026-07-04T18:00:00Z"));
    if at <= from || at > to {
        return at;
    }
    from + TimeDelta::seconds((at - from).num_seconds() * (told - from).num_seconds() / (to - from).num_seconds())
}

/// Another object of the same form: its name, its uid and its times.
fn become_new(item: &mut Value, name: &str, at: &str) {
    let metadata = &mut item["metadata"];
    metadata["name"] = name.into();
    metadata["uid"] = uid(&format!("{name} {at}")).into();
    metadata["creationTimestamp"] = at.into();
    for field in metadata["managedFields"].as_array_mut().into_iter().flatten() {
        field["time"] = at.into();
    }
}

/// Notes who wrote to an object.
fn wrote(item: &mut Value, manager: &str, at: &str) {
    let fields = item["metadata"]["managedFields"].as_array_mut().unwrap();
    let known = fields.iter_mut().rev().find(|field| field["manager"] == manager);
    match known {
        Some(field) => field["time"] = at.into(),
        None => fields.push(json!({"manager": manager, "operation": "Update", "time": at})),
    }
}
