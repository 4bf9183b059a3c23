use serde_json::{Value as Json, json};

use super::{
    Finding, Outcome,
    documents::Tables,
    engine::{Input, Judgement, run},
    samples,
};
use crate::{
    collect::{ClusterIdentity, Coverage, ListOutcome, ListRecord, Source, SourceKind, resources},
    framework::{Library, Minor, RuleFiles},
    resource::Gvk,
    snapshot::{Object, Sealer, Snapshot, Tokens},
};

/// Checks from their differences to a minimal one.
fn library(checks: &[(&str, &str)]) -> Library {
    let file = |(id, body): &(&str, &str)| {
        let text = format!("id: {id}\ntitle: T\nseverity: high\nexpected: E\nwhy: W\nremediation: R\n{body}");
        (format!("checks/{id}.yaml"), if body.contains("message:") { text } else { text + "message: M\n" }.into_bytes())
    };
    Library::load(&checks.iter().map(file).collect::<RuleFiles>()).unwrap()
}

fn object(json: Json) -> Object {
    let gvk = Gvk::new(json["apiVersion"].as_str().unwrap(), json["kind"].as_str().unwrap());
    let resource = resources::name_of_kind(&gvk.group, &gvk.kind);
    Sealer::new(None, "", Tokens::Foreign).seal(json, &resource, None).unwrap()
}

fn pod(name: &str, spec: Json) -> Json {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

fn owned(mut object: Json, api_version: &str, kind: &str, name: &str) -> Json {
    object["metadata"]["ownerReferences"] = json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true}]);
    object
}

fn template(kind: &str, name: &str, spec: Json) -> Json {
    let metadata = json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}")});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": {"spec": spec}}})
}

fn list(resource: &str, outcome: ListOutcome) -> ListRecord {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let known = resources::RESOURCES.iter().find(|known| known.id() == resource).unwrap();
    ListRecord {
        group: group.into(),
        version: "v1".into(),
        resource: plural.into(),
        kind: known.kind.into(),
        namespaced: known.namespaced,
        request: String::new(),
        outcome,
        count: 0,
        pages: 1,
        retries: 0,
        resource_version: None,
        duration_ms: 0,
    }
}

fn refused() -> ListOutcome {
    ListOutcome::Refused { status: 403, reason: "Forbidden".into() }
}

/// Judges as a live cluster in which every list was seen but those named.
fn judge_cluster(
    library: &Library,
    objects: Vec<Json>,
    unseen: &[(&str, ListOutcome)],
    kubernetes: Option<Minor>,
) -> Judgement {
    judge_source(SourceKind::Cluster, library, objects, unseen, kubernetes)
}

fn judge_source(
    kind: SourceKind,
    library: &Library,
    objects: Vec<Json>,
    unseen: &[(&str, ListOutcome)],
    kubernetes: Option<Minor>,
) -> Judgement {
    let cluster = ClusterIdentity { name: "test".into(), ..ClusterIdentity::default() };
    let mut lists: Vec<ListRecord> =
        resources::RESOURCES.iter().map(|known| list(&known.id(), ListOutcome::Seen)).collect();
    for (resource, outcome) in unseen {
        lists.iter_mut().find(|list| list.id() == *resource).unwrap().outcome = outcome.clone();
    }
    let coverage = Coverage {
        source: Source { kind, name: "test".into() },
        cluster: cluster.clone(),
        lists,
        ..samples::coverage(&[])
    };
    let snapshot = Snapshot {
        cluster,
        redaction_key: None,
        objects: objects.into_iter().map(object).collect(),
        grants: Vec::new(),
        images: Vec::new(),
        nodes: Vec::new(),
        components: Vec::new(),
    };
    run(&Input {
        snapshot: &snapshot,
        coverage: &coverage,
        library,
        tables: Tables::default(),
        kubernetes,
        pod_security: &std::collections::BTreeSet::new(),
        reaches: &[],
        keep_passes: false,
    })
}

fn judge(check: &str, objects: Vec<Json>) -> Judgement {
    judge_cluster(&library(&[("x", check)]), objects, &[], None)
}

fn failed(judgement: &Judgement) -> Vec<(String, String)> {
    let failed = judgement.findings.iter().filter(|finding| finding.outcome == Outcome::Fail);
    failed.map(|finding| (finding.resource.to_string(), finding.place.stable.to_string())).collect()
}

fn only(judgement: &Judgement) -> &Finding {
    assert_eq!(judgement.findings.len(), 1, "{:#?}", judgement.findings);
    &judgement.findings[0]
}

const PRIVILEGED: &str = "on: pod\neach: {container: containers}\nfield: container.securityContext.privileged\n\
                          pass: '!value.orValue(false)'\nmessage: container {container.name} runs privileged\n";
const HOST_PID: &str = "on: pod\nfield: pod.hostPID\npass: '!value.orValue(false)'\n";

#[test]
fn regular_init_and_ephemeral_containers_are_walked_in_every_workload_kind() {
    let privileged = |name: &str| json!([{"name": name, "securityContext": {"privileged": true}}]);
    let spec = json!({"containers": privileged("a"), "initContainers": privileged("i"), "ephemeralContainers": privileged("e")});
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": spec.clone()}}}}});
    let judgement = judge(PRIVILEGED, vec![template("Deployment", "d", spec), cron]);
    let places: Vec<&str> = judgement.findings.iter().map(|finding| &*finding.place.path).collect();
    assert_eq!(
        places,
        [
            "/spec/template/spec/containers/0/securityContext/privileged",
            "/spec/template/spec/ephemeralContainers/0/securityContext/privileged",
            "/spec/template/spec/initContainers/0/securityContext/privileged",
            "/spec/jobTemplate/spec/template/spec/containers/0/securityContext/privileged",
            "/spec/jobTemplate/spec/template/spec/ephemeralContainers/0/securityContext/privileged",
            "/spec/jobTemplate/spec/template/spec/initContainers/0/securityContext/privileged",
        ]
    );
    let first = &judgement.findings[0];
    assert_eq!(first.place.container.as_deref(), Some("a"));
    assert_eq!(&*first.place.stable, "spec.template.spec.containers[name=a].securityContext.privileged");
    assert_eq!((&first.observed, &*first.message), (&json!(true), "container a runs privileged"));
    assert_eq!(&*first.evidence[0].resource, "Deployment/shop/d");
}

#[test]
fn the_finding_id_is_its_published_recipe() {
    let judgement = judge(HOST_PID, vec![pod("p", json!({"hostPID": true}))]);
    let recipe = r#"["x","","Pod","shop","p","spec.hostPID"]"#;
    assert_eq!(only(&judgement).id.to_string(), crate::digest::Digest::of(recipe).short(16));
}

#[test]
fn no_element_says_nothing_and_no_object_is_not_applicable() {
    let volumes = "on: pod\nfield: pod.volumes[*]\npass: has(value.emptyDir)\n";
    for objects in [vec![], vec![pod("p", json!({"containers": []}))]] {
        let judgement = judge(volumes, objects);
        assert_eq!(judgement.findings, []);
        assert_eq!(judgement.checks[0].outcome, Outcome::NotApplicable);
    }
    let judgement =
        judge(volumes, vec![pod("p", json!({"volumes": [{"name": "h", "hostPath": {}}, {"emptyDir": {}}]}))]);
    assert_eq!(failed(&judgement), [("Pod/shop/p".into(), "spec.volumes[name=h]".into())]);
    assert_eq!((judgement.checks[0].evaluated, judgement.checks[0].failed, judgement.counts.pass), (2, 1, 1));
}

#[test]
fn keys_may_be_patterns() {
    let check =
        "on: pod\nfield: \"podMeta.annotations['x.io/*']\"\npass: value != 'unconfined'\nmessage: \"{value}\"\n";
    let mut object = pod("p", json!({}));
    object["metadata"]["annotations"] =
        json!({"x.io/app": "unconfined", "x.io/b": "runtime/default", "y": "unconfined"});
    let judgement = judge(check, vec![object]);
    assert_eq!(&*only(&judgement).place.path, "/metadata/annotations/x.io~1app");
    assert_eq!(&*only(&judgement).message, "unconfined");
}

#[test]
fn a_question_that_does_not_arise_is_not_applicable() {
    let check = format!("{HOST_PID}when: variables.pod.?os.?name.orValue('') != 'windows'\n");
    let windows = || vec![pod("p", json!({"hostPID": true, "os": {"name": "windows"}}))];
    let library = library(&[("x", check.as_str())]);
    let judgement = judge_source(SourceKind::Manifests, &library, windows(), &[], None);
    assert_eq!(only(&judgement).outcome, Outcome::NotApplicable);
    assert!(only(&judgement).reason.as_ref().unwrap().contains("variables.pod.?os"));
    assert_eq!(judgement.checks[0].outcome, Outcome::NotApplicable);
    let cluster = judge(&check, windows());
    assert_eq!((cluster.findings.len(), cluster.counts.not_applicable), (0, 1), "a cluster's evidence counts them");
    assert_eq!(cluster.checks[0].outcome, Outcome::NotApplicable);
}

#[test]
fn an_error_is_not_evaluated_and_never_a_pass() {
    for check in [
        "on: pod\npass: pod.nope == 1\n",
        "on: pod\nfield: pod.hostPID\npass: value.orValue(false)\nwhen: pod.nope\n",
        "on: pod\nfield: pod.hostPID\npass: value.orValue('text')\n",
    ] {
        let judgement = judge(check, vec![pod("p", json!({"hostPID": 3}))]);
        assert_eq!(only(&judgement).outcome, Outcome::NotEvaluated, "{check}");
        assert_eq!(judgement.checks[0].outcome, Outcome::NotEvaluated);
        assert!(judgement.checks[0].reason.is_some());
    }
}

const DEFAULT_DENY: &str = "on: v1/Namespace\nrelated:\n  policies: {resource: networkpolicies.networking.k8s.io, by: namespace}\n\
                            pass: policies.exists(p, size(p.spec.podSelector) == 0)\nobserved: policies.map(p, p.metadata.name)\n";

fn namespace(name: &str) -> Json {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn policy(namespace: &str, name: &str, selector: Json) -> Json {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": selector}})
}

#[test]
fn a_verdict_rests_on_what_is_related_and_names_it() {
    let all = policy("shop", "all", json!({}));
    let some = policy("web", "some", json!({"matchLabels": {"a": "b"}}));
    let judgement = judge(DEFAULT_DENY, vec![some, namespace("web"), all, namespace("shop")]);
    let finding = only(&judgement);
    assert_eq!(finding.resource.name, "web");
    assert_eq!(finding.observed, json!(["some"]));
    let evidence: Vec<&str> = finding.evidence.iter().map(|evidence| &*evidence.resource).collect();
    assert_eq!(evidence, ["Namespace/web", "NetworkPolicy/web/some"]);
}

#[test]
fn a_refused_list_is_never_an_empty_one() {
    let library = library(&[("x", DEFAULT_DENY)]);
    let policies = "networkpolicies.networking.k8s.io";
    let judgement = judge_cluster(&library, vec![namespace("web")], &[(policies, refused())], None);
    let finding = only(&judgement);
    assert_eq!(finding.reason.as_deref(), Some("networkpolicies.networking.k8s.io refused: 403 Forbidden"));
    assert_eq!((finding.outcome, finding.resource.kind.as_str()), (Outcome::NotEvaluated, "List"));
    assert_eq!(judgement.checks[0].outcome, Outcome::NotEvaluated);

    let judgement =
        judge_cluster(&library, vec![], &[("namespaces", ListOutcome::TimedOut { after_seconds: 60 })], None);
    assert_eq!(only(&judgement).reason.as_deref(), Some("namespaces timed out after 60 s"));
    let judgement = judge_cluster(&library, vec![], &[("namespaces", ListOutcome::NotServed)], None);
    assert_eq!(judgement.checks[0].outcome, Outcome::NotApplicable);
    // Nothing rests on policies where there is no namespace.
    let judgement = judge_cluster(&library, vec![], &[(policies, refused())], None);
    assert_eq!(judgement.checks[0].outcome, Outcome::NotApplicable);
}

#[test]
fn a_pass_shows_nothing_where_what_it_requires_does_not_hold() {
    let related = "by: namespace}\n  agents: {resource: daemonsets.apps, by: cluster}\nparams: {ignoring: [flannel]}\n\
                   requires: '!agents.exists(a, a.metadata.name in params.ignoring)'\n\
                   unseen: '{params.ignoring} ignores policies'\n";
    let body = DEFAULT_DENY.replace("by: namespace}\n", related);
    let objects = || vec![namespace("shop"), policy("shop", "all", json!({})), namespace("web")];
    let plugin = |name: &str| template("DaemonSet", name, json!({"containers": []}));
    let outcomes = |judgement: &Judgement| {
        let all = judgement.findings.iter();
        all.map(|f| (f.resource.name.clone(), f.outcome, f.reason.clone(), f.evidence.len())).collect::<Vec<_>>()
    };
    let reason = Some("flannel ignores policies".into());
    // A failure needs no plugin to be one, and does not rest on it; the undecided names the plugin as evidence.
    let web = ("web".to_string(), Outcome::Fail, None, 1);
    let with = |name: &str| judge(&body, objects().into_iter().chain([plugin(name)]).collect());
    assert_eq!(outcomes(&with("flannel")), [("shop".into(), Outcome::NotEvaluated, reason, 3), web.clone()]);
    let enforced = with("calico");
    assert_eq!(outcomes(&enforced), [web]);
    assert_eq!(enforced.counts.pass, 1);

    let library = library(&[("x", body.as_str())]);
    let judgement = judge_cluster(&library, objects(), &[("daemonsets.apps", refused())], None);
    assert_eq!(only(&judgement).reason.as_deref(), Some("daemonsets.apps refused: 403 Forbidden"));
    let unknown = body.replace("a.metadata.name in", "a.metadata.nam in");
    assert_eq!(outcomes(&judge(&unknown, [objects(), vec![plugin("x")]].concat()))[0].1, Outcome::NotEvaluated);
}

#[test]
fn one_refused_list_of_several_leaves_the_rest_judged() {
    let library = library(&[("x", HOST_PID)]);
    let judgement =
        judge_cluster(&library, vec![pod("p", json!({"hostPID": true}))], &[("jobs.batch", refused())], None);
    assert_eq!(judgement.checks[0].outcome, Outcome::Fail);
    assert_eq!((judgement.counts.fail, judgement.counts.not_evaluated), (1, 1));
}

#[test]
fn what_has_no_input_is_not_evaluated() {
    for (on, reason) in [
        ("component/kube-apiserver", "cannot be seen: no mirror pod of kube-apiserver was seen"),
        ("kubelet", "nodes/configz was not asked for"),
        ("node", "files of nodes were not reported"),
        ("node/control-plane", "files of the control plane's nodes were not reported"),
        ("cloud/eks", "was not given: drop what `aws eks describe-cluster` prints into cloud/"),
        ("cloud/aws", "was not given: this version knows no such provider"),
    ] {
        let judgement = judge(&format!("on: {on}\npass: object.x == 1\n"), vec![]);
        assert_eq!(judgement.checks[0].outcome, Outcome::NotEvaluated, "{on}");
        assert!(only(&judgement).message.contains(reason), "{on}: {}", only(&judgement).message);
    }
}

#[test]
fn one_finding_per_workload_not_per_replica() {
    let bad = json!({"hostPID": true});
    let replicas = |name: &str| owned(template("ReplicaSet", name, bad.clone()), "apps/v1", "Deployment", "cart");
    let mut twin = owned(pod("static", bad.clone()), "v1", "Node", "n1");
    twin["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "hash"});
    let judgement = judge(
        HOST_PID,
        vec![
            template("Deployment", "cart", bad.clone()),
            replicas("cart-1"),
            owned(pod("cart-1-a", bad.clone()), "apps/v1", "ReplicaSet", "cart-1"),
            owned(pod("orphan", bad.clone()), "apps/v1", "ReplicaSet", "gone"),
            twin,
        ],
    );
    let names: Vec<String> = failed(&judgement).into_iter().map(|found| found.0).collect();
    assert_eq!(names, ["Pod/shop/orphan", "Pod/shop/static", "Deployment/shop/cart"]);
}

#[test]
fn a_controller_of_another_name_only_is_missing() {
    let mut deployment = template("Deployment", "cart", json!({}));
    deployment["metadata"]["uid"] = json!("uid-new");
    let old = owned(template("ReplicaSet", "cart-1", json!({"hostPID": true})), "apps/v1", "Deployment", "cart");
    let names: Vec<String> = failed(&judge(HOST_PID, vec![deployment, old])).into_iter().map(|found| found.0).collect();
    assert_eq!(names, ["ReplicaSet/shop/cart-1"]);
}

#[test]
fn replicas_of_an_unknown_controller_are_one_finding_and_the_worst_counts() {
    let replica = |name: &str, bad: bool| owned(pod(name, json!({"hostPID": bad})), "x.io/v1", "Rollout", "web");
    let mut idle = owned(template("ReplicaSet", "web-0", json!({"hostPID": true})), "x.io/v1", "Rollout", "web");
    idle["spec"]["replicas"] = json!(0);
    let judgement =
        judge(HOST_PID, vec![replica("web-a", false), replica("web-b", true), replica("web-c", true), idle]);
    let finding = only(&judgement);
    assert_eq!(finding.resource.to_string(), "Rollout/shop/web");
    assert_eq!(finding.resource.api_version, "x.io/v1");
    let evidence: Vec<&str> = finding.evidence.iter().map(|evidence| &*evidence.resource).collect();
    assert_eq!(evidence, ["Pod/shop/web-a", "Pod/shop/web-b", "Pod/shop/web-c"]);
    assert_eq!((judgement.checks[0].evaluated, judgement.counts.pass, judgement.counts.fail), (1, 0, 1));
    let judgement = judge(HOST_PID, vec![replica("web-a", false), replica("web-b", false)]);
    assert_eq!((judgement.checks[0].evaluated, judgement.counts.pass, judgement.findings.len()), (1, 1, 0));
}

#[test]
fn the_order_of_the_input_changes_no_byte() {
    let library = library(&[("x", DEFAULT_DENY), ("y", PRIVILEGED), ("z", HOST_PID)]);
    let mut objects: Vec<Json> = (0..40)
        .flat_map(|n| {
            let spec = json!({"hostPID": n % 3 == 0, "containers": [{"name": "a", "securityContext": {"privileged": n % 2 == 0}}]});
            let replica = owned(pod(&format!("r{n}"), spec.clone()), "x.io/v1", "Rollout", &format!("o{}", n % 4));
            let selector = json!({"matchLabels": {"a": n.to_string()}});
            [pod(&format!("p{n}"), spec), replica, namespace(&format!("n{n}")), policy("n1", &format!("p{n}"), selector)]
        })
        .collect();
    let first = judge_cluster(&library, objects.clone(), &[], None);
    assert!(first.counts.fail > 50);
    for shift in [1, 7, 80] {
        objects.rotate_left(shift);
        objects.swap(0, 3);
        let again = judge_cluster(&library, objects.clone(), &[], None);
        assert_eq!(serde_json::to_string(&first.findings).unwrap(), serde_json::to_string(&again.findings).unwrap());
        assert_eq!(first, again);
    }
}

#[test]
fn integers_of_64_bits_keep_every_digit() {
    let check = "on: pod\nfield: pod.big\npass: value.value() == 9007199254740992\n";
    let judgement = judge(check, vec![pod("p", json!({"big": 9_007_199_254_740_993_i64}))]);
    assert_eq!(only(&judgement).observed, json!(9_007_199_254_740_993_i64));
}

#[test]
fn variants_follow_the_version_and_the_newest_decides_without_one() {
    let check = "on: pod\nfield: pod.sysctls[*].name\nparams: {allowed: [a]}\npass: value.orValue('') in params.allowed\n\
                 variants:\n  - {since: \"1.27\", params: {allowed: [a, b]}}\n  - {since: \"1.30\", pass: \"true\"}\n";
    let library = library(&[("x", check)]);
    let objects = vec![pod("p", json!({"sysctls": [{"name": "b"}, {"name": "c"}]}))];
    let failures = |minor: Option<Minor>| judge_cluster(&library, objects.clone(), &[], minor).counts.fail;
    assert_eq!(failures("v1.26.3".parse().ok()), 2);
    assert_eq!(failures("1.27".parse().ok()), 1);
    assert_eq!(failures("1.31".parse().ok()), 0);
    assert_eq!(failures(None), 0);
}

#[test]
fn related_objects_are_found_by_labels_by_reference_and_in_the_whole_cluster() {
    let by = |by: &str, resource: &str| {
        format!(
            "on: pod\nrelated:\n  found: {{resource: {resource}, by: {by}}}\npass: size(found) == 0\nobserved: found.map(f, f.metadata.name)\n"
        )
    };
    let mut cart = pod("cart", json!({"serviceAccountName": "bot"}));
    cart["metadata"]["labels"] = json!({"app": "cart"});
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}});
    let service = |name: &str, selector: Json| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": selector}});
    let objects = vec![
        cart,
        account("bot"),
        account("default"),
        policy("shop", "all", json!({})),
        policy("shop", "cart", json!({"matchLabels": {"app": "cart"}})),
        policy("shop", "web", json!({"matchLabels": {"app": "web"}})),
        policy("other", "all", json!({})),
        service("cart", json!({"app": "cart"})),
        service("none", json!({})),
    ];
    for (check, found) in [
        (by("selector", "networkpolicies.networking.k8s.io"), json!(["all", "cart"])),
        (by("selector", "services"), json!(["cart"])),
        (by("namespace", "networkpolicies.networking.k8s.io"), json!(["all", "cart", "web"])),
        (by("cluster", "networkpolicies.networking.k8s.io"), json!(["all", "all", "cart", "web"])),
        (by("reference", "serviceaccounts"), json!(["bot"])),
    ] {
        assert_eq!(only(&judge(&check, objects.clone())).observed, found, "{check}");
    }
    let users = "on: v1/ServiceAccount\nrelated:\n  pods: {resource: pods, by: reference}\npass: size(pods) == 0\n";
    assert_eq!(failed(&judge(users, objects)), [("ServiceAccount/shop/bot".into(), String::new())]);
}
