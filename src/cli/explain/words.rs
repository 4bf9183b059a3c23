//! What a check says of itself, in words.

use std::collections::BTreeMap;

use crate::{
    collect::resources,
    evaluate::{Finding, kinds, value::Node},
    framework::{Check, check::On},
};

pub(super) fn severity(check: &Check) -> String {
    format!("{:?}", check.severity).to_lowercase()
}

pub(super) fn asks(check: &Check) -> String {
    let whom = match &check.on {
        On::Pod => "every pod and every pod template of a workload".to_string(),
        On::Kind { kind, .. } => format!("every {kind}"),
        On::Subject => "every user, group and service account that a binding names".into(),
        On::Component(name) => format!("every instance of {name}"),
        On::Kubelet => "every kubelet".into(),
        On::Node => "every node".into(),
        On::ControlPlaneNode => "every node that runs the control plane".into(),
        On::Scope => "every declared scope".into(),
        On::Image => "every image in use".into(),
        On::Cluster => "the cluster as a whole".into(),
        On::Cloud(provider) => format!("the {provider} account"),
    };
    let each = check.each.as_ref().map_or_else(String::new, |each| format!(", each {}", each.name));
    let fields: Vec<String> = check.fields.iter().map(ToString::to_string).collect();
    let fields = if fields.is_empty() { String::new() } else { format!(", at {}", fields.join(", ")) };
    format!("{whom}{each}{fields}")
}

/// Parameters are part of what is expected, so they are filled in.
pub(super) fn expected(check: &Check) -> String {
    let params: Node = check.policy(None, &BTreeMap::new()).params;
    check.expected.fill(|name| (name == "params").then_some(&params))
}

/// `registries: ["registry.example.com"] (parameters.yaml:3)`; what nobody set stays without a place.
pub(super) fn parameters(check: &Check) -> Vec<String> {
    let params = check.policy(None, &BTreeMap::new()).params;
    let set = |name: &str| check.set.as_ref().filter(|set| set.values.contains_key(name));
    let line = |(name, value): &crate::evaluate::value::Entry| {
        let place = set(name.inner()).map_or_else(String::new, |set| format!(" ({})", set.at));
        format!("{}: {}{place}", name.inner(), value.json())
    };
    params.entries().iter().map(line).collect()
}

pub(super) fn policy(check: &Check) -> String {
    check.policy(None, &BTreeMap::new()).pass.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a check reads, as the collection names it.
pub(super) fn inputs(check: &Check) -> Vec<String> {
    let own = match &check.on {
        On::Pod => workloads(),
        On::Image => [workloads(), vec!["results of image scanners".into()]].concat(),
        On::Kind { group, kind } => vec![resources::name_of_kind(group, kind)],
        On::Subject => ["clusterrolebindings", "clusterroles", "rolebindings", "roles"].map(String::from).to_vec(),
        On::Component(name) => {
            vec![format!("the mirror pod of {name} (pods), and node reports for files that flags name")]
        }
        On::Kubelet => vec!["nodes/configz".into(), "node reports".into()],
        On::Node | On::ControlPlaneNode => vec!["node reports".into()],
        On::Cloud(provider) => vec![format!("what the program of {provider} printed (inputs/cloud)")],
        On::Scope => [
            "ingresses.networking.k8s.io",
            "networkpolicies.networking.k8s.io",
            "roles and bindings",
            "scope.yaml",
            "services",
        ]
        .map(String::from)
        .to_vec(),
        On::Cluster => Vec::new(),
    };
    own.into_iter().chain(check.related.values().map(|related| related.resource.clone())).collect()
}

/// What becomes of a check whose input was not seen.
pub(super) const REFUSED: &str = "What is refused or missing makes it not evaluated, never passed";

fn workloads() -> Vec<String> {
    kinds::WORKLOADS.iter().map(|workload| resources::name_of_kind(workload.group, workload.kind)).collect()
}

/// What no answer of such a check covers.
pub(super) fn unseen(on: &On) -> &'static str {
    match on {
        On::Pod => {
            "what an image holds, such as its user; defaults that kubelets set; pods that came and went between runs"
        }
        On::Image => "what a scanner does not know yet; images that nobody scanned; what a container loads at run time",
        On::Kind { .. } => "objects that came and went between runs; Secrets are never read",
        On::Subject => {
            "who belongs to a group, which sits in certificates and the identity provider; rights given outside RBAC, by \
             the node authorizer or a webhook"
        }
        On::Cluster => "settings in files of the API server, and policy engines of kinds that are not known here",
        On::Component(_) => {
            "components that run outside pods or belong to the provider; files that flags name, unless a node reports them"
        }
        On::Kubelet => "kubelets that did not answer; their arguments, unless the node reports them",
        On::Node | On::ControlPlaneNode => "nodes without a report; what changed on a node since its report",
        On::Cloud(_) => "what the provider's program was not asked for, and what changed since it was",
        On::Scope => {
            "firewalls and networks outside the cluster; policies of kinds that are not read; people's own access"
        }
    }
}

pub(super) fn outcome(finding: &Finding) -> String {
    let outcome = serde_json::to_value(finding.outcome).map_or_else(|_| String::new(), |value| plain(&value));
    match (&finding.waiver, &finding.expected_by) {
        (_, Some(entry)) => format!("{outcome}, expected of the system ({entry})"),
        (Some(waiver), None) => format!("{outcome}, waived by {waiver} (approver as written; identity not verified)"),
        (None, None) => outcome,
    }
}

pub(super) fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "unset".into(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
