//! Every change with its cause, over real rules: small clusters are sealed, judged and compared.

use serde_json::{Value, json};

use super::*;
use crate::{
    evaluate::{self, Rules, samples},
    framework::embedded,
    snapshot::{Sealer, Tokens, assemble},
};

/// A judged cluster.
struct World {
    snapshot: Snapshot,
    coverage: Coverage,
    rules: Rules,
    evaluation: Evaluation,
}

fn judge(snapshot: &Snapshot, coverage: &Coverage, rules: &Rules) -> Evaluation {
    let today = "2026-11-23".parse().unwrap();
    evaluate::run(&evaluate::Input { today, ..evaluate::Input::of_run(snapshot, coverage, rules) })
}

impl World {
    fn new(objects: &[Value]) -> Self {
        Self::with(objects, &[], &[])
    }

    fn with(objects: &[Value], refused: &[&str], rules: &[(&str, &str)]) -> Self {
        let coverage = samples::coverage(refused);
        let mut files = embedded();
        for (name, text) in rules {
            files.insert((*name).into(), (*text).into());
        }
        let rules = Rules::load(files, &[], &coverage.cluster).unwrap();
        let sealer = Sealer::new(None, "uid", Tokens::Foreign);
        let sealed = objects.iter().map(|object| {
            let (kind, group) = (object["kind"].as_str().unwrap(), object["apiVersion"].as_str().unwrap());
            let group = group.split_once('/').map_or("", |(group, _)| group);
            sealer.seal(object.clone(), &crate::collect::resources::name_of_kind(group, kind), None).unwrap()
        });
        let seen = sealed.filter(|object| !refused.contains(&object.resource.as_str())).collect();
        let snapshot = assemble(seen, &coverage);
        let evaluation = judge(&snapshot, &coverage, &rules);
        Self { snapshot, coverage, rules, evaluation }
    }

    fn side(&self) -> Side<'_> {
        Side {
            snapshot: &self.snapshot,
            coverage: &self.coverage,
            evaluation: &self.evaluation,
            rules: &self.rules.files,
        }
    }

    /// What changed from here to `now`.
    fn to(&self, now: &Self) -> Drift {
        let by_new_rules = judge(&self.snapshot, &self.coverage, &now.rules);
        let baseline = Baseline { bundle: "old".into(), index: Some(3), finished: self.coverage.finished };
        let asked = evaluate::Input::of_run(&self.snapshot, &self.coverage, &now.rules);
        let by_time = evaluate::failures_at(&asked, now.coverage.finished);
        let before = Before { side: self.side(), baseline, by_new_rules: &by_new_rules, by_time: &by_time };
        compare(Some(&before), now.side(), &now.rules.noise)
    }
}

/// Changes of one check's findings: name of the object, place, what and why.
fn of_check(drift: &Drift, check: &str) -> Vec<(String, String, FindingChangeKind, Cause)> {
    let of = drift.findings.iter().filter(|change| change.check.as_ref() == check);
    of.map(|change| (change.resource.name.clone(), change.place.to_string(), change.change, change.cause)).collect()
}

fn deployment(name: &str, privileged: &[&str]) -> Value {
    let container = |name: &&str| json!({"name": name, "securityContext": {"privileged": true}});
    let containers: Vec<Value> = privileged.iter().map(container).chain([json!({"name": "plain"})]).collect();
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop", "uid": "u1"},
        "spec": {"template": {"spec": {"containers": containers}}}})
}

const PRIVILEGED: &str = "container-privileged";

fn place(container: &str) -> String {
    format!("spec.template.spec.containers[name={container}].securityContext.privileged")
}

#[test]
fn without_an_earlier_run_there_is_nothing_to_compare_with() {
    let drift = compare(None, World::new(&[deployment("cart", &["a"])]).side(), &NoiseList::default());
    assert_eq!(drift.baseline, None);
    assert!(drift.is_quiet());
}

#[test]
fn a_cluster_compared_with_itself_is_quiet_in_whatever_order_it_was_read() {
    let objects = [deployment("cart", &["a"]), deployment("search", &[]), deployment("till", &["b"])];
    let reversed: Vec<Value> = objects.iter().rev().cloned().collect();
    let drift = World::new(&objects).to(&World::new(&reversed));
    assert!(drift.is_quiet(), "{drift:?}");
    assert!(drift.still >= 2);
}

#[test]
fn a_second_container_in_a_failing_workload_is_new_and_moving_one_is_nothing() {
    let one = World::new(&[deployment("cart", &["a"])]);
    let two = World::new(&[deployment("cart", &["b", "a"])]);
    let added = of_check(&one.to(&two), PRIVILEGED);
    assert_eq!(added, [("cart".into(), place("b"), FindingChangeKind::New, Cause::Cluster)]);
    let removed = of_check(&two.to(&one), PRIVILEGED);
    assert_eq!(removed, [("cart".into(), place("b"), FindingChangeKind::Resolved, Cause::Cluster)]);
}

#[test]
fn a_workload_that_is_gone_resolves_its_findings() {
    let drift = World::new(&[deployment("cart", &["a"])]).to(&World::new(&[]));
    let gone = [("cart".into(), place("a"), FindingChangeKind::Resolved, Cause::Cluster)];
    assert_eq!(of_check(&drift, PRIVILEGED), gone);
    assert_eq!(drift.objects.len(), 1);
    assert_eq!((drift.objects[0].change, drift.objects[0].cause), (ChangeKind::Removed, Cause::Cluster));
}

#[test]
fn what_was_refused_is_out_of_sight_and_never_resolved() {
    let seen = World::new(&[deployment("cart", &["a"])]);
    let blind = World::with(&[deployment("cart", &["a"])], &["deployments.apps"], &[]);
    let lost = seen.to(&blind);
    let expected = [("cart".into(), place("a"), FindingChangeKind::LostSight, Cause::Sight)];
    assert_eq!(of_check(&lost, PRIVILEGED), expected);
    assert!(lost.findings.iter().all(|change| change.change != FindingChangeKind::Resolved), "{:?}", lost.findings);
    assert_eq!((lost.objects[0].change, lost.objects[0].cause), (ChangeKind::Removed, Cause::Sight));
    assert_eq!(lost.sight.iter().map(|change| change.resource.as_str()).collect::<Vec<_>>(), ["deployments.apps"]);

    let found = blind.to(&seen);
    let expected = [("cart".into(), place("a"), FindingChangeKind::New, Cause::Sight)];
    assert_eq!(of_check(&found, PRIVILEGED), expected);
}

/// A check of the user's own over one field, with a framework that asks for it.
fn own_check(pass: &str) -> [(&'static str, String); 2] {
    let check = format!(
        "id: own-check\ntitle: t\nseverity: high\non: pod\neach: {{container: containers}}\nfield: container.image\n\
         pass: \"{pass}\"\nexpected: e\nmessage: m\nwhy: w\nremediation: r\n"
    );
    let framework = "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: guide\nsource: s\nrequirements:\n  \
                     - {id: A, title: t, coverage: automated, decides: [own-check]}\n";
    [("checks/user/own-check.yaml", check), ("frameworks/own-1.yaml", framework.into())]
}

#[test]
fn what_new_rules_say_of_the_old_cluster_is_the_rules_doing() {
    let objects = [deployment("cart", &[])];
    let [check, framework] = own_check("true");
    let lax = World::with(&objects, &[], &[(check.0, &check.1), (framework.0, &framework.1)]);
    let [check, framework] = own_check("false");
    let strict = World::with(&objects, &[], &[(check.0, &check.1), (framework.0, &framework.1)]);
    let without = World::new(&objects);
    let changes = |drift: Drift| {
        let changes: Vec<_> = of_check(&drift, "own-check").into_iter().map(|change| (change.2, change.3)).collect();
        (changes, drift.rules.iter().map(|rule| (rule.file.clone(), rule.change)).collect::<Vec<_>>())
    };
    let file = "checks/user/own-check.yaml".to_string();
    assert_eq!(
        changes(lax.to(&strict)),
        (vec![(FindingChangeKind::New, Cause::Rules)], vec![(file.clone(), ChangeKind::Changed)])
    );
    assert_eq!(changes(strict.to(&lax)).0, [(FindingChangeKind::Resolved, Cause::Rules)]);
    let (gone, rules) = changes(strict.to(&without));
    assert_eq!(gone, [(FindingChangeKind::Resolved, Cause::Rules)]);
    assert_eq!(rules[0], (file, ChangeKind::Removed));
}

#[test]
fn a_waiver_that_begins_or_ends_is_a_declaration() {
    let waiver = "waivers:\n  - {id: W, kind: risk-accepted, check: container-privileged, resources: {namespace: shop}, \
                  reason: r, approver: a, until: 2026-12-01}\n";
    let objects = [deployment("cart", &["a"])];
    let (open, waived) = (World::new(&objects), World::with(&objects, &[], &[("waivers.yaml", waiver)]));
    let begun = of_check(&open.to(&waived), PRIVILEGED);
    assert_eq!(begun, [("cart".into(), place("a"), FindingChangeKind::Accepted, Cause::Declaration)]);
    let ended = of_check(&waived.to(&open), PRIVILEGED);
    assert_eq!(ended, [("cart".into(), place("a"), FindingChangeKind::Reopened, Cause::Declaration)]);
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    object
}

#[test]
fn objects_are_changed_recreated_or_noise() {
    let old = World::new(&[deployment("cart", &[])]);
    let scaled = old.to(&World::new(&[with(deployment("cart", &[]), "/spec/replicas", json!(3))]));
    let fields: Vec<(&str, &Value)> =
        scaled.objects[0].fields.iter().map(|field| (field.path.as_str(), field.after.as_ref().unwrap())).collect();
    assert_eq!((scaled.objects[0].change, fields), (ChangeKind::Changed, vec![("/spec/replicas", &json!(3))]));

    let recreated = old.to(&World::new(&[with(deployment("cart", &[]), "/metadata/uid", json!("u2"))]));
    assert_eq!((recreated.objects[0].change, recreated.objects[0].fields.len()), (ChangeKind::Recreated, 0));

    let status = World::new(&[with(deployment("cart", &[]), "/status", json!({"readyReplicas": 1}))]);
    let noise = old.to(&status);
    assert_eq!(noise.objects, []);
    assert_eq!((noise.left_out[0].rule.as_str(), noise.left_out[0].count), ("status-only", 1));

    let owner = json!([{"apiVersion": "argoproj.io/v1", "kind": "Rollout", "name": "r", "controller": true}]);
    let owned =
        World::new(&[deployment("cart", &[]), with(deployment("child", &[]), "/metadata/ownerReferences", owner)]);
    let noise = old.to(&owned);
    assert_eq!(noise.objects, []);
    assert_eq!((noise.left_out[0].rule.as_str(), noise.left_out[0].count), ("owned-by-a-controller", 1));
}

#[test]
fn other_redaction_keys_cannot_be_compared_and_are_no_change() {
    let keyed = |key: &str| {
        let mut world = World::new(&[deployment("cart", &[])]);
        world.snapshot.redaction_key = Some(key.into());
        world
    };
    let drift = keyed("00000001").to(&keyed("00000002"));
    assert!(drift.cannot_compare[0].contains("was 00000001 and is 00000002"), "{:?}", drift.cannot_compare);
    assert_eq!(drift.objects, []);
}

fn grants(role: &str, resources: &[&str]) -> [Value; 2] {
    let meta = |name: &str| json!({"name": name, "namespace": "shop"});
    [
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta(role),
            "rules": [{"apiGroups": [""], "resources": resources, "verbs": ["get"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta(role),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "ci-bot", "namespace": "shop"}]}),
    ]
}

#[test]
fn permissions_are_gained_and_lost_whatever_chain_gives_them() {
    let reader = World::new(&grants("reader", &["pods"]));
    let more = World::new(&grants("reader", &["pods", "secrets"]));
    let gained = reader.to(&more).permissions;
    let [change] = gained.as_slice() else { panic!("{gained:?}") };
    assert_eq!((change.subject.as_str(), change.sensitive), ("ServiceAccount/shop/ci-bot", true));
    assert_eq!(change.gained.iter().map(|grant| grant.resource.as_str()).collect::<Vec<_>>(), ["secrets"]);
    assert!(change.lost.is_empty() && change.cause == Cause::Cluster, "{change:?}");
    assert!(change.summary.starts_with("ci-bot: ") && change.summary.contains("secrets in shop"), "{}", change.summary);

    let lost = more.to(&reader).permissions;
    assert_eq!((lost[0].gained.len(), lost[0].lost.len(), lost[0].sensitive), (0, 1, false));
    assert_eq!(reader.to(&World::new(&grants("renamed", &["pods"]))).permissions, []);

    let blind = World::with(&grants("reader", &["pods"]), &["roles.rbac.authorization.k8s.io"], &[]);
    assert!(reader.to(&blind).permissions.iter().all(|change| change.cause == Cause::Sight));
}

/// The cluster, as if it was seen on another day.
fn on(mut world: World, day: &str) -> World {
    world.coverage.finished = format!("{day}T06:00:00Z").parse().unwrap();
    world.evaluation = judge(&world.snapshot, &world.coverage, &world.rules);
    world
}

#[test]
fn what_only_grew_old_is_the_doing_of_time() {
    let node = |ready: bool| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u",
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"ready": ready.to_string()}}, "spec": {}})
    };
    let fresh = on(World::new(&[node(true)]), "2026-01-02");
    let old = on(World::new(&[node(true)]), "2026-11-22");
    let aged = of_check(&fresh.to(&old), "node-age");
    assert_eq!(
        aged.iter().map(|change| (change.2, change.3)).collect::<Vec<_>>(),
        [(FindingChangeKind::New, Cause::Time)]
    );
    // A node that was changed on the way did not grow old by that.
    let relabelled = on(World::new(&[node(false)]), "2026-11-22");
    assert_eq!(of_check(&fresh.to(&relabelled), "node-age")[0].3, Cause::Time);
}

#[test]
fn another_word_of_the_scanner_on_the_same_image_is_the_scanners() {
    let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let image = "registry.example.com/shop/cart:1";
    let pod = |digest: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "image": image}]},
            "status": {"containerStatuses": [{"name": "app", "image": image, "imageID": format!("registry.example.com/shop/cart@{digest}")}]}})
    };
    let scan = |vulnerabilities: Value| {
        json!({"apiVersion": "kubeproof.dev/v1", "kind": "ImageScan", "metadata": {"name": "s"}, "spec": {
            "references": [image], "digests": [digest, digest.replace('9', "8")], "scanner": "trivy", "version": "1",
            "at": "1970-01-01T00:00:00Z", "created": "1970-01-01T00:00:00Z", "sbom": false, "ignored": 0,
            "vulnerabilities": vulnerabilities}})
    };
    let flaw = json!([{"id": "CVE-2026-31001", "aliases": [], "package": "libssl3", "version": "3.5.1-1",
        "fixed": "3.5.1-2", "severity": "critical", "published": "1960-08-14T00:00:00Z"}]);
    let world = |digest: &str, found: &Value| {
        let mut world = World::new(&[pod(digest), scan(found.clone())]);
        let mut scans = world.coverage.lists[0].clone();
        (scans.group, scans.resource) = ("kubeproof.dev".into(), "imagescans".into());
        (scans.kind, scans.request) = ("ImageScan".into(), crate::collect::inputs::scans::REQUEST.into());
        world.coverage.lists.push(scans);
        on(world, "1970-01-02")
    };
    let (clean, found) = (world(digest, &json!([])), world(digest, &flaw));
    let changes = |drift: Drift| {
        let on_image = drift.findings.into_iter().filter(|change| change.check.starts_with("image-vuln"));
        on_image.map(|change| (change.change, change.cause)).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(changes(clean.to(&found)), [(FindingChangeKind::New, Cause::Scanner)].into());
    assert_eq!(changes(found.to(&clean)), [(FindingChangeKind::Resolved, Cause::Scanner)].into());
    let moved = world(&digest.replace('9', "8"), &flaw);
    assert_eq!(changes(clean.to(&moved)), [(FindingChangeKind::New, Cause::Cluster)].into());
}

#[test]
fn an_attestation_that_lapses_or_is_withdrawn_says_so() {
    let attestation = |until: &str| {
        format!(
            "attestations:\n  - {{id: A-7, requirement: cis-kubernetes/5.1.1, statement: s, by: b, on: 2026-01-01, until: {until}}}\n"
        )
    };
    let with = |until: &str| World::with(&[], &[], &[("attestations.yaml", &attestation(until))]);
    let (held, lapsed) = (with("2026-12-31"), with("2026-11-01"));
    let change = &held.to(&lapsed).declarations[0];
    assert_eq!((change.kind.as_str(), change.id.as_str(), change.holds), ("attestation", "A-7", false));
    assert_eq!((change.before.as_deref(), change.after.as_deref()), (Some("in force"), Some("expired")));
    assert_eq!(held.to(&World::new(&[])).declarations[0].after, None);
    assert!(lapsed.to(&held).declarations[0].holds);
    assert_eq!(held.to(&held).declarations, []);
}

#[test]
fn what_the_user_calls_noise_is_counted_under_its_name_and_findings_stay() {
    let own = "noise:\n  - {id: autoscaled, reason: an autoscaler does, resources: {kind: Deployment, name: 'c*'}, fields: \
               [spec.replicas]}\n";
    let scaled = |replicas: u32, privileged: &[&str]| {
        let object = with(deployment("cart", privileged), "/spec/replicas", json!(replicas));
        World::with(&[object], &[], &[(OWN_NOISE, own)])
    };
    let drift = scaled(1, &[]).to(&scaled(3, &[]));
    assert_eq!(drift.objects, []);
    assert_eq!((drift.left_out[0].rule.as_str(), drift.left_out[0].count), ("autoscaled", 1));
    let opened = scaled(1, &[]).to(&scaled(3, &["a"]));
    assert_eq!(opened.objects[0].fields.len(), 1);
    assert_eq!(of_check(&opened, PRIVILEGED)[0].2, FindingChangeKind::New);
}
