use serde_json::{Value as Json, json};

use super::*;
use crate::{
    evaluate::{samples, settings::below},
    framework::{RuleFiles, defaults::Defaults},
    snapshot::{Sealer, Tokens, assemble},
};

const TABLE: &str = "\
source: s
components:
  kube-apiserver:
    - {name: profiling, type: bool, default: true}
    - {name: audit-log-maxage, type: int, default: 0, variants: [{since: '1.36', default: 366}]}
    - {name: encryption-provider-config, type: text}
  kube-scheduler:
    - {name: profiling, type: bool, default: true, config: enableProfiling}
  etcd:
    - {name: cert-file, type: text}
    - {name: client-cert-auth, type: bool, default: false}
kubelet:
  - {name: readOnlyPort, type: int, default: 0, flag: read-only-port, withoutConfig: 10255}
  - {name: authentication.anonymous.enabled, type: bool, default: false, flag: anonymous-auth, withoutConfig: true}
  - {name: makeIPTablesUtilChains, type: bool, default: true}
  - {name: hostname-override, type: text, flagOnly: true}
";

fn documents(objects: &[Json]) -> Vec<Document> {
    let coverage = samples::coverage(&[]);
    let files: RuleFiles = [("defaults.yaml".to_string(), TABLE.as_bytes().to_vec())].into();
    let defaults = Defaults::load(&files).unwrap();
    let sealer = Sealer::new(None, "", Tokens::Foreign);
    let sealed = objects.iter().map(|object| sealer.seal(object.clone(), "things", None).unwrap()).collect();
    let snapshot = assemble(sealed, &coverage);
    let component = |name: &str| On::Component(name.into());
    let wanted = [
        component("kube-apiserver"),
        component("kube-scheduler"),
        component("etcd"),
        On::Kubelet,
        On::Node,
        On::ControlPlaneNode,
    ];
    of(
        Made {
            snapshot: &snapshot,
            coverage: &coverage,
            tables: Tables { defaults: Some(&defaults), ..Tables::default() },
        },
        &wanted.iter().collect(),
    )
}

fn setting(document: &Document, name: &str) -> Json {
    document.node.get("settings").and_then(|settings| settings.get(name)).map_or(Json::Null, Node::json)
}

fn mirror(component: &str, version: &str, arguments: &[&str], more: Json) -> Json {
    let mut container = json!({"name": component, "image": format!("registry.k8s.io/{component}:{version}"), "command": [component], "args": arguments});
    container.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("{component}-cp"), "namespace": "kube-system",
            "labels": {"component": component}, "annotations": {"kubernetes.io/config.mirror": "hash"}},
        "spec": {"nodeName": "cp", "containers": [{"name": "sidecar"}, container]}})
}

fn node(name: &str, control_plane: bool) -> Json {
    let labels = if control_plane { json!({"node-role.kubernetes.io/control-plane": ""}) } else { json!({}) };
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": {"nodeInfo": {"kubeletVersion": "v1.37.2"}}})
}

fn own(kind: &str, name: &str, spec: Json) -> Json {
    json!({"apiVersion": "kubeproof.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

#[test]
fn a_component_has_the_defaults_of_its_own_version_and_points_at_its_arguments() {
    let found = documents(&[mirror("kube-apiserver", "v1.35.4", &["--profiling=false"], json!({}))]);
    let [document] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(document.resource.to_string(), "Pod/kube-system/kube-apiserver-cp");
    assert_eq!(
        setting(document, "profiling"),
        json!({"value": false, "set": true, "source": "flag", "at": "/spec/containers/1/args/0"})
    );
    assert_eq!(setting(document, "audit-log-maxage")["value"], 0, "the default changed in 1.36");
    let newer = documents(&[mirror("kube-apiserver", "v1.36.0@sha256:abc", &[], json!({}))]);
    assert_eq!(setting(&newer[0], "audit-log-maxage")["value"], 366);
    assert_eq!(document.node.get("files").map(Node::entries).map(<[_]>::len), Some(0), "no flag names a file");
}

#[test]
fn a_pod_that_only_takes_the_name_is_no_component() {
    let mut pod = mirror("kube-apiserver", "v1.37.0", &["--anonymous-auth=false"], json!({}));
    pod["metadata"]["annotations"] = json!({});
    assert!(documents(&[pod]).is_empty());
}

#[test]
fn what_a_flag_names_is_known_from_the_nodes_report_or_not_at_all() {
    let apiserver = mirror("kube-apiserver", "v1.37.0", &["--encryption-provider-config=/etc/enc.yaml"], json!({}));
    let alone = &documents(std::slice::from_ref(&apiserver))[0];
    let content = below(&alone.node, "files.encryption").unwrap().json();
    assert!(content.as_str().unwrap().contains("no node report holds it"), "{content}");
    let files = json!({"encryption": {"resources": [{"resources": ["configmaps"]}]}});
    let report = own("NodeReport", "cp", json!({"name": "cp", "controlPlane": true, "configFiles": files}));
    let found = documents(&[apiserver, report]);
    let apiserver = found.iter().find(|document| document.on == On::Component("kube-apiserver".into())).unwrap();
    assert!(below(&apiserver.node, "files.encryption.resources").is_some());
    assert_eq!(apiserver.evidence.len(), 2, "the pod and the node's report");
}

#[test]
fn a_schedulers_file_is_unknown_until_a_report_holds_it() {
    let scheduler = mirror("kube-scheduler", "v1.37.0", &["--config=/etc/kubernetes/scheduler.yaml"], json!({}));
    let alone = documents(std::slice::from_ref(&scheduler));
    assert!(setting(&alone[0], "profiling").as_str().is_some_and(|text| text.contains("no node report")));
    let files = json!({"scheduler": {"enableProfiling": false}});
    let found = documents(&[scheduler, own("NodeReport", "cp", json!({"name": "cp", "configFiles": files}))]);
    let read = setting(found.iter().find(|d| matches!(d.on, On::Component(_))).unwrap(), "profiling");
    assert_eq!((&read["value"], &read["source"]), (&json!(false), &json!("file")));
}

#[test]
fn etcd_by_environment_or_file_is_not_read_as_unset() {
    let by_environment = json!({"env": [{"name": "ETCD_CERT_FILE", "value": "/pki/server.crt"}]});
    let etcd = &documents(&[mirror("etcd", "3.7.0-0", &["--client-cert-auth"], by_environment)])[0];
    assert!(setting(etcd, "cert-file").as_str().is_some_and(|text| text.contains("ETCD_CERT_FILE")));
    assert_eq!(setting(etcd, "client-cert-auth")["value"], true);
    let by_file = &documents(&[mirror("etcd", "3.7.0-0", &["--config-file", "/etc/etcd.yaml"], json!({}))])[0];
    assert!(setting(by_file, "client-cert-auth").as_str().is_some_and(|text| text.contains("--config-file")));
}

#[test]
fn configz_leaves_zero_values_out_and_shows_no_flags() {
    let spec = json!({"authentication": {"anonymous": {"enabled": false}}});
    let found = documents(&[node("w1", false), node("w2", false), own("KubeletConfig", "w1", spec)]);
    let [asked, silent] = found.as_slice() else { panic!("{found:?}") };
    let anonymous = setting(asked, "authentication.anonymous.enabled");
    assert_eq!(anonymous["at"], "/spec/authentication/anonymous/enabled");
    assert_eq!(setting(asked, "readOnlyPort"), json!({"value": 0, "set": false, "source": "configz", "at": "/spec"}));
    let chains = setting(asked, "makeIPTablesUtilChains");
    assert!(
        chains.as_str().is_some_and(|text| text.contains("does not show")),
        "its zero is not its default: {chains}"
    );
    assert!(
        setting(asked, "hostname-override").as_str().is_some_and(|text| text.contains("report of the node itself"))
    );
    assert!(silent.node.unknown_reason().is_some(), "w2 was not asked");
    assert_eq!(silent.resource.to_string(), "Node/w2");
}

#[test]
fn without_a_configuration_file_a_kubelets_defaults_are_the_old_ones() {
    let report = |flags: Json, config: Json| {
        own("NodeReport", "w1", json!({"name": "w1", "kubelet": {"flags": flags, "config": config}}))
    };
    let settings = |report: Json| {
        let found = documents(&[node("w1", false), report]);
        let kubelet = found.into_iter().find(|document| document.on == On::Kubelet).unwrap();
        move |name: &str| setting(&kubelet, name)
    };
    let bare = settings(report(json!({"hostname-override": "w1.example"}), Json::Null));
    assert_eq!(
        (&bare("readOnlyPort")["value"], &bare("authentication.anonymous.enabled")["value"]),
        (&json!(10255), &json!(true))
    );
    assert_eq!(bare("hostname-override")["value"], "w1.example");
    let with = settings(report(
        json!({"config": "/var/lib/kubelet/config.yaml", "read-only-port": "10255"}),
        json!({"readOnlyPort": 0, "makeIPTablesUtilChains": false}),
    ));
    assert_eq!((&with("readOnlyPort")["value"], &with("readOnlyPort")["source"]), (&json!(10255), &json!("flag")));
    assert_eq!(with("makeIPTablesUtilChains")["source"], "file");
    assert_eq!(with("authentication.anonymous.enabled")["value"], false);
    let unread = settings(report(json!({"$unknown": "the unit file could not be read"}), Json::Null));
    assert!(unread("readOnlyPort").as_str().is_some_and(|text| text.contains("could not be read")));
}

#[test]
fn nodes_that_sent_no_report_are_unknown_once_one_has() {
    let report = own("NodeReport", "cp", json!({"name": "cp", "controlPlane": true, "files": {}}));
    let all = [node("cp", true), node("cp2", true), node("w1", false)];
    assert!(documents(&all).is_empty(), "nobody reports: said once for each check");
    let found = documents(&[all.as_slice(), &[report]].concat());
    let on = |on: On| {
        let of = found.iter().filter(move |document| document.on == on);
        of.map(|document| (document.resource.name.as_str(), document.node.unknown_reason().is_none()))
            .collect::<Vec<_>>()
    };
    assert_eq!(on(On::Node), [("cp", true), ("cp2", false), ("w1", false)]);
    assert_eq!(on(On::ControlPlaneNode), [("cp", true), ("cp2", false)]);
}

/// The document of a scope over `payments`, which shop is connected to.
fn border(objects: &[Json], refused: &[&str]) -> Node {
    let coverage = samples::coverage(refused);
    let sealer = Sealer::new(None, "", Tokens::Foreign);
    let namespaces = ["payments", "shop", "marketing"].map(
        |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name}}}),
    );
    let sealed = namespaces.iter().chain(objects);
    let sealed = sealed.map(|object| sealer.seal(object.clone(), "things", None).unwrap()).collect();
    let snapshot = assemble(sealed, &coverage);
    let mut scope = samples::scope("pci-dss", &["payments"]);
    scope.connected_to = vec!["shop".into()];
    let scopes = [At { line: 1, value: scope }];
    let made =
        Made { snapshot: &snapshot, coverage: &coverage, tables: Tables { scopes: &scopes, ..Tables::default() } };
    let [document] = of(made, &[&On::Scope].into()).try_into().unwrap();
    document.node
}

fn texts(node: &Node, list: &str, key: &str) -> Vec<String> {
    let items = node.get(list).map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| item.get(key)?.as_str()).map(str::to_string).collect()
}

fn inside(kind: &str, api: &str, name: &str, spec: Json) -> Json {
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "payments"}, "spec": spec})
}

fn card() -> Json {
    inside("Deployment", "apps/v1", "card", json!({"template": {"metadata": {"labels": {"app": "card"}}, "spec": {}}}))
}

fn allow(name: &str, from: Json) -> Json {
    let spec = json!({"podSelector": {"matchLabels": {"app": "card"}}, "ingress": [{"from": from}]});
    inside("NetworkPolicy", "networking.k8s.io/v1", name, spec)
}

#[test]
fn ways_into_a_scope_are_named_with_what_opens_them() {
    let ways = |objects: &[Json]| {
        let node = border(objects, &[]);
        texts(&node, "inbound", "from").into_iter().zip(texts(&node, "inbound", "how")).collect::<Vec<_>>()
    };
    let way = |from: &str, how: &str| (from.to_string(), how.to_string());
    assert_eq!(ways(&[card()]), [way("anywhere", "no policy")]);
    let teams = |names: &[&str]| json!([{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": names}]}}]);
    let by_teams = allow("a", teams(&["shop", "payments"]));
    assert_eq!(ways(&[card(), by_teams]), [way("shop", "policy")], "payments itself is inside");
    let every =
        allow("a", json!([{"namespaceSelector": {}}, {"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]));
    assert_eq!(
        ways(&[card(), every]),
        [way("10.0.0.0/8", "policy"), way("marketing", "policy"), way("shop", "policy")]
    );
    assert_eq!(ways(&[card(), allow("a", json!([]))]), [way("anywhere", "policy")], "a rule that names nobody");
    let node = border(&[card(), allow("a", json!([])), allow("b", json!([]))], &[]);
    let cited = |way: &Node| evidence_of(way).unwrap().iter().map(|e| e.resource.to_string()).collect::<Vec<_>>();
    let ways_in = node.get("inbound").unwrap().items();
    assert_eq!(
        ways_in.iter().flat_map(cited).collect::<Vec<_>>(),
        ["NetworkPolicy/payments/a", "NetworkPolicy/payments/b"]
    );
    let egress =
        inside("NetworkPolicy", "networking.k8s.io/v1", "e", json!({"podSelector": {}, "policyTypes": ["Egress"]}));
    assert_eq!(ways(&[card(), egress]), [way("anywhere", "no policy")], "an egress policy guards nothing from outside");
    let deny = inside("NetworkPolicy", "networking.k8s.io/v1", "d", json!({"podSelector": {}}));
    let balancer =
        inside("Service", "v1", "s", json!({"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"]}));
    let ingress = inside("Ingress", "networking.k8s.io/v1", "i", json!({}));
    let internal = inside("Service", "v1", "t", json!({"type": "ClusterIP"}));
    assert_eq!(
        ways(&[card(), deny, balancer, ingress, internal]),
        [way("192.0.2.0/24", "service"), way("anywhere", "ingress")]
    );
}

#[test]
fn what_was_not_seen_of_a_border_is_unknown() {
    let node = border(&[card()], &["networkpolicies.networking.k8s.io"]);
    assert!(node.get("inbound").is_some_and(|inbound| inbound.unknown_reason().is_some()));
    assert!(node.get("readers").is_some_and(|readers| readers.unknown_reason().is_none()));
    let cilium = inside("CiliumNetworkPolicy", "cilium.io/v2", "c", json!({}));
    assert!(border(&[card(), cilium], &[]).get("inbound").is_some_and(|inbound| inbound.unknown_reason().is_some()));
}

#[test]
fn readers_are_those_from_outside_with_rights_inside() {
    let role = |kind: &str, namespace: Option<&str>, resource: &str, verb: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "r", "namespace": namespace},
            "rules": [{"apiGroups": [""], "resources": [resource], "verbs": [verb]}]})
    };
    let bound = |namespace: Option<&str>, role: &str, account: &str| {
        let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "b", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": account}]})
    };
    let names = |objects: &[Json]| texts(&border(objects, &[]), "readers", "name");
    let everywhere = [role("ClusterRole", None, "secrets", "list"), bound(None, "ClusterRole", "ci")];
    assert_eq!(names(&everywhere), ["ServiceAccount/ci/bot list secrets in every namespace"]);
    let cited = |objects: &[Json]| -> Vec<String> {
        let node = border(objects, &[]);
        let readers = node.get("readers").unwrap().items().to_vec();
        readers
            .iter()
            .flat_map(|reader| evidence_of(reader).unwrap().to_vec())
            .map(|e| e.resource.to_string())
            .collect()
    };
    assert_eq!(cited(&everywhere), ["ClusterRoleBinding/b", "ClusterRole/r"], "what gives the right, and nothing else");
    let enters = [role("Role", Some("payments"), "pods/exec", "create"), bound(Some("payments"), "Role", "ci")];
    assert_eq!(names(&enters), ["ServiceAccount/ci/bot create pods/exec in payments"]);
    assert_eq!(cited(&enters), ["RoleBinding/payments/b", "Role/payments/r"]);
    let own = [role("Role", Some("payments"), "secrets", "get"), bound(Some("payments"), "Role", "payments")];
    assert_eq!(names(&own), Vec::<String>::new(), "an account of the scope itself");
    let elsewhere = [role("Role", Some("shop"), "secrets", "get"), bound(Some("shop"), "Role", "ci")];
    assert_eq!(names(&elsewhere), Vec::<String>::new());
    let harmless = [role("Role", Some("payments"), "pods", "get"), bound(Some("payments"), "Role", "ci")];
    assert_eq!(names(&harmless), Vec::<String>::new());
}
