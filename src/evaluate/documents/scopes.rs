//! Declared scopes, with what crosses their border: ways in from outside, and subjects outside that can look inside.

use std::collections::{BTreeMap, BTreeSet};

use super::{Document, EVIDENCE, Made};
use crate::{
    config::Scope,
    evaluate::{Evidence, related::document, scope::Reach, selector, sight, target, value::Node},
    framework::check::On,
    rbac::Grant,
    resource::ResourceRef,
    snapshot::Object,
};

/// Lists that ways in are read from.
const INBOUND: [&str; 4] =
    ["ingresses.networking.k8s.io", "namespaces", "networkpolicies.networking.k8s.io", "services"];

/// Lists that readers are read from.
const READERS: [&str; 4] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
];

const RBAC: &str = "rbac.authorization.k8s.io";

/// Kinds of network policy that decide beside the built-in one, and whose rules are not read here.
const OTHER_POLICIES: [&str; 6] = [
    "AdminNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "CiliumNetworkPolicy",
    "ClusterNetworkPolicy",
    "GlobalNetworkPolicy",
    "BaselineAdminNetworkPolicy",
];

/// A document for each declared scope.
pub(super) fn scopes(made: &Made<'_>) -> Vec<Document> {
    made.tables.scopes.iter().map(|scope| Border::of(made, scope).document()).collect()
}

/// One scope, and the objects inside it.
struct Border<'a> {
    made: &'a Made<'a>,
    scope: &'a Scope,
    namespaces: BTreeSet<&'a str>,
    inside: Vec<(&'a Object, Node)>,
}

impl<'a> Border<'a> {
    fn of(made: &'a Made<'a>, scope: &'a Scope) -> Self {
        // What is connected to a scope is not inside it: its traffic is what crosses the border.
        let core = Scope { connected_to: Vec::new(), ..scope.clone() };
        let all = made.snapshot.objects.iter().filter(|o| o.gvk.group.is_empty() && o.gvk.kind == "Namespace");
        let reach = Reach::new(Some(&core), made.snapshot);
        let namespaces: BTreeSet<&str> =
            all.map(|object| object.name.as_str()).filter(|name| reach.holds_namespace(name)).collect();
        let inside = made.snapshot.objects.iter().filter(|object| {
            let inside = object.namespace.as_deref().is_some_and(|namespace| namespaces.contains(namespace));
            inside && (is(object, "NetworkPolicy") || is(object, "Service") || is(object, "Ingress") || runs(object))
        });
        let inside = inside.map(|object| (object, document(object))).collect();
        Self { made, scope, namespaces, inside }
    }

    fn document(&self) -> Document {
        let Self { scope, .. } = self;
        let texts = |texts: &mut dyn Iterator<Item = &str>| Node::list(texts.map(Node::text));
        let workloads = self.workloads().map(|(object, _)| Node::text(object.reference().to_string()));
        let node = Node::map([
            ("id".to_string(), Node::text(&scope.id)),
            ("regulations".to_string(), texts(&mut scope.regulations.iter().map(String::as_str))),
            ("namespaces".to_string(), texts(&mut self.namespaces.iter().copied())),
            ("connectedTo".to_string(), texts(&mut scope.connected_to.iter().map(String::as_str))),
            ("workloads".to_string(), Node::list(workloads)),
            ("inbound".to_string(), self.unseen(&INBOUND).unwrap_or_else(|| self.inbound())),
            ("readers".to_string(), self.unseen(&READERS).unwrap_or_else(|| self.readers())),
        ]);
        let resource = ResourceRef {
            api_version: crate::config::API_VERSION.into(),
            kind: "Scope".into(),
            namespace: None,
            name: scope.id.clone(),
            uid: None,
        };
        let evidence = self.inside.iter().filter(|(object, _)| !runs(object));
        let evidence = evidence.map(|(object, _)| Evidence::of(object));
        Document { on: On::Scope, resource, node, base: "", evidence: evidence.collect() }
    }

    /// What could not be seen of these lists.
    fn unseen(&self, lists: &[&str]) -> Option<Node> {
        let unseen = lists.iter().find_map(|list| sight::unseen(list, self.made.coverage))?;
        Some(Node::unknown(format!("{} {}", unseen.what, unseen.why)))
    }

    fn workloads(&self) -> impl Iterator<Item = &(&'a Object, Node)> {
        self.inside.iter().filter(|(object, node)| runs(object) && !is_owned(node))
    }

    fn inbound(&self) -> Node {
        let others = self.made.snapshot.objects.iter().find(|object| {
            OTHER_POLICIES.contains(&object.gvk.kind.as_str())
                && object.namespace.as_deref().is_none_or(|namespace| self.namespaces.contains(namespace))
        });
        if let Some(other) = others {
            return Node::unknown(format!("{} decides here too, and its rules are not read", other.reference()));
        }
        let mut ways = BTreeSet::new();
        for (object, node) in &self.inside {
            let namespace = object.namespace.as_deref().unwrap_or_default();
            let way = |from: String, how: &'static str| Way {
                namespace: namespace.into(),
                from,
                how,
                by: object.reference().to_string(),
                evidence: Evidence::of(object),
            };
            if runs(object) && !is_owned(node) {
                if !self.is_guarded(object, node) {
                    ways.insert(way("anywhere".into(), "no policy"));
                }
            } else if is(object, "NetworkPolicy") && governs_ingress(node) {
                ways.extend(self.sources(namespace, node).into_iter().map(|from| way(from, "policy")));
            } else if is(object, "Service") {
                ways.extend(published(node).into_iter().map(|from| way(from, "service")));
            } else if is(object, "Ingress") {
                ways.insert(way("anywhere".into(), "ingress"));
            }
        }
        Node::list(ways.into_iter().map(Way::node))
    }

    /// Some policy of its namespace selects the pods of this workload and says who may come in.
    fn is_guarded(&self, workload: &Object, node: &Node) -> bool {
        let template = target::workload(workload).map_or(&[][..], |workload| workload.template);
        let empty = Node::map([]);
        let labels = node.at(template).and_then(|template| template.at(&["metadata", "labels"])).unwrap_or(&empty);
        self.inside.iter().any(|(object, policy)| {
            is(object, "NetworkPolicy")
                && object.namespace == workload.namespace
                && governs_ingress(policy)
                && policy.at(&["spec", "podSelector"]).is_none_or(|selector| selector::matches(selector, labels))
        })
    }

    /// Where the rules of a policy let traffic in from, as far as that is outside the scope.
    fn sources(&self, own: &str, policy: &Node) -> BTreeSet<String> {
        let mut sources = BTreeSet::new();
        for rule in policy.at(&["spec", "ingress"]).map(Node::items).unwrap_or_default() {
            let peers = rule.get("from").map(Node::items).unwrap_or_default();
            if peers.is_empty() {
                sources.insert("anywhere".to_string());
            }
            for peer in peers {
                if let Some(block) = peer.at(&["ipBlock", "cidr"]).and_then(Node::as_str) {
                    sources.insert(block.to_string());
                }
                match peer.get("namespaceSelector") {
                    Some(selector) => sources.extend(self.outside(selector)),
                    None if self.namespaces.contains(own) => {}
                    None => {
                        sources.insert(own.to_string());
                    }
                }
            }
        }
        sources
    }

    /// Namespaces outside the scope that a selector selects.
    fn outside(&self, selector: &Node) -> Vec<String> {
        let namespaces =
            self.made.snapshot.objects.iter().filter(|o| o.gvk.group.is_empty() && o.gvk.kind == "Namespace");
        let outside = namespaces.filter(|object| !self.namespaces.contains(object.name.as_str()));
        let selected = outside.filter(|object| {
            let node = document(object);
            let empty = Node::map([]);
            selector::matches(selector, node.at(&["metadata", "labels"]).unwrap_or(&empty))
        });
        selected.map(|object| object.name.clone()).collect()
    }

    fn readers(&self) -> Node {
        let rbac = self.made.snapshot.objects.iter().filter(|object| object.gvk.group == RBAC);
        let rbac: BTreeMap<String, Evidence> =
            rbac.map(|object| (object.reference().to_string(), Evidence::of(object))).collect();
        let mut readers: BTreeMap<[String; 6], (String, Vec<String>)> = BTreeMap::new();
        for grant in self.made.snapshot.grants.iter().filter(|grant| !grant.stock && looks_inside(grant)) {
            let place = match grant.namespace.as_deref() {
                Some(namespace) if !self.namespaces.contains(namespace) => continue,
                Some(namespace) => namespace,
                None => "every namespace",
            };
            let home = grant.subject_namespace.as_deref().unwrap_or_default();
            if grant.subject_kind == "ServiceAccount" && self.namespaces.contains(home) {
                continue;
            }
            let via = format!("{}/{} -> {}/{}", grant.binding_kind, grant.binding, grant.role_kind, grant.role);
            let key = [&grant.subject_kind, &grant.subject_name, home, &grant.verb, &grant.resource, place]
                .map(|text| text.to_string());
            let cites = [(&grant.binding_kind, &grant.binding), (&grant.role_kind, &grant.role)]
                .into_iter()
                .filter_map(|(kind, name)| rbac.get(&in_place(kind, grant.namespace.as_deref(), name)));
            readers.entry(key).or_insert_with(|| (via, cites.map(ToString::to_string).collect()));
        }
        Node::list(readers.into_iter().map(|([kind, name, namespace, verb, resource, place], (via, cites))| {
            let subject = match namespace.as_str() {
                "" => format!("{kind}/{name}"),
                namespace => format!("{kind}/{namespace}/{name}"),
            };
            let fields = [
                ("name", format!("{subject} {verb} {resource} in {place}")),
                ("subject", subject),
                ("kind", kind),
                ("verb", verb),
                ("resource", resource),
                ("in", place),
                ("via", via),
            ];
            let fields = fields.map(|(key, text)| (key.to_string(), Node::text(text)));
            let cites = Node::list(cites.into_iter().map(Node::text));
            Node::map(fields.into_iter().chain([(EVIDENCE.to_string(), cites)]))
        }))
    }
}

/// `RoleBinding/shop/ci`, `ClusterRole/ci`: a cluster's role lies in no namespace, wherever it is bound.
fn in_place(kind: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace.filter(|_| !kind.starts_with("Cluster")) {
        Some(namespace) => format!("{kind}/{namespace}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

/// A way into a scope.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    namespace: String,
    from: String,
    how: &'static str,
    by: String,
    evidence: Evidence,
}

impl Way {
    fn node(self) -> Node {
        let evidence = Node::list([Node::text(self.evidence.to_string())]);
        // Items of a list stand by their name in a finding's place.
        let name = format!("{} to {} by {}", self.from, self.namespace, self.by);
        let fields = [
            ("name", name),
            ("namespace", self.namespace),
            ("from", self.from),
            ("how", self.how.into()),
            ("policy", self.by),
        ];
        let fields = fields.map(|(key, text)| (key.to_string(), Node::text(text)));
        Node::map(fields.into_iter().chain([(EVIDENCE.to_string(), evidence)]))
    }
}

fn is(object: &Object, kind: &str) -> bool {
    let group = match kind {
        "Service" => "",
        _ => "networking.k8s.io",
    };
    object.gvk.kind == kind && object.gvk.group == group
}

fn runs(object: &Object) -> bool {
    target::workload(object).is_some_and(|workload| workload.kind != "PodTemplate")
}

/// A controller owns it, and is judged in its place.
fn is_owned(node: &Node) -> bool {
    let owners = node.at(&["metadata", "ownerReferences"]).map(Node::items).unwrap_or_default();
    owners.iter().any(|owner| owner.get("controller").is_some_and(Node::is_true))
}

/// A policy without types governs what comes in.
fn governs_ingress(policy: &Node) -> bool {
    let types = policy.at(&["spec", "policyTypes"]).map(Node::items).unwrap_or_default();
    types.is_empty() || types.iter().any(|kind| kind.as_str() == Some("Ingress"))
}

/// Where a Service is reached from, beside pods.
fn published(service: &Node) -> Vec<String> {
    let spec = |key: &str| service.at(&["spec", key]);
    let texts = |node: Option<&Node>| {
        node.map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Node::as_str)
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    let mut from = texts(spec("externalIPs")).into_iter().map(|_| "anywhere".to_string()).collect::<Vec<_>>();
    match spec("type").and_then(Node::as_str) {
        Some("LoadBalancer") => {
            let ranges = texts(spec("loadBalancerSourceRanges"));
            from.extend(if ranges.is_empty() { vec!["anywhere".into()] } else { ranges });
        }
        Some("NodePort") => from.push("anywhere".into()),
        _ => {}
    }
    from
}

/// Verbs and resources that show what is inside a namespace, or let somebody in.
fn looks_inside(grant: &Grant) -> bool {
    const READS: [&str; 4] = ["get", "list", "watch", "*"];
    const SHOWN: [&str; 4] = ["secrets", "configmaps", "pods/log", "*"];
    const DOORS: [&str; 5] = ["pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers", "*"];
    let core = matches!(grant.group.as_str(), "" | "*") && grant.url.is_none();
    let (verb, resource) = (grant.verb.as_str(), grant.resource.as_str());
    let reads = READS.contains(&verb) && SHOWN.contains(&resource);
    let enters = matches!(verb, "create" | "get" | "update" | "patch" | "*") && DOORS.contains(&resource);
    core && (reads || enters)
}
