//! Checks on pods and kinds as ValidatingAdmissionPolicy: what `check` says of a manifest, the API server says of an
//! object that is about to be created or changed. Values to values; `cli` writes the YAML.
//!
//! `pass` and `when` are copied as they are written. Around them stands what the engine's walk does: each name that an
//! expression may use is bound by a loop over one value, since admission has no other way to name a value.

mod expression;
mod literal;
mod message;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_saphyr::LitString;

use super::{
    check::On,
    library::{Check, List, Policy},
    path::Step,
};
use crate::{
    collect::resources,
    evaluate::kinds::{WORKLOADS, Workload},
};

/// Namespaces that are exempt unless others are named: what runs there is the cluster's own.
pub const EXEMPT: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

const API_VERSION: &str = "admissionregistration.k8s.io/v1";

/// What the API server does with an object that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Action {
    /// The request is refused.
    Deny,
    /// The request goes on, with a warning for the caller.
    Warn,
    /// The request goes on, and the audit log says so.
    Audit,
}

/// Why a check is no admission policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrenderable {
    /// Judges something that nobody sends to the API server.
    #[error("it judges {0}, which is no object that is created or changed")]
    NoObject(String),
    /// Rests on other objects, which admission does not see.
    #[error("it rests on other objects ({0}), and admission sees one object at a time")]
    Related(String),
    /// Judges what controllers report, which requests for the object itself do not carry.
    #[error("it reads the object's status, which controllers report and nobody asks for")]
    Status,
    /// Depends on the time.
    #[error("it depends on the time (now), which admission expressions do not know")]
    Time,
}

/// The two objects of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// What holds.
    pub policy: ValidatingAdmissionPolicy,
    /// Where, and what happens otherwise.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// `admissionregistration.k8s.io/v1`, as far as checks need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatingAdmissionPolicy {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: PolicySpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Metadata {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicySpec {
    failure_policy: &'static str,
    match_constraints: MatchConstraints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variables: Vec<Variable>,
    validations: Vec<Validation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchConstraints {
    resource_rules: Vec<ResourceRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceRule {
    api_groups: Vec<String>,
    api_versions: Vec<&'static str>,
    operations: &'static [&'static str],
    resources: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Variable {
    name: &'static str,
    expression: LitString,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Validation {
    expression: LitString,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expression: Option<LitString>,
    reason: &'static str,
}

/// `admissionregistration.k8s.io/v1`, as far as checks need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatingAdmissionPolicyBinding {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: BindingSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BindingSpec {
    policy_name: String,
    validation_actions: BTreeSet<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_resources: Option<MatchResources>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchResources {
    namespace_selector: NamespaceSelector,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceSelector {
    match_expressions: [Requirement; 1],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Requirement {
    key: &'static str,
    operator: &'static str,
    values: Vec<String>,
}

/// Renders a check by one of its policies.
///
/// # Errors
/// What it needs that admission does not have.
pub fn render(
    check: &Check,
    policy: &Policy<'_>,
    actions: &BTreeSet<Action>,
    exempt: &[String],
) -> Result<Rendered, Unrenderable> {
    let resource_rules = match &check.on {
        On::Pod => workloads(),
        On::Kind { group, kind } => vec![rule(group, kind)],
        other => return Err(Unrenderable::NoObject(other.to_string())),
    };
    if !check.related.is_empty() {
        let resources: BTreeSet<&str> = check.related.values().map(|related| related.resource.as_str()).collect();
        return Err(Unrenderable::Related(resources.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if check.when.iter().chain([policy.pass]).any(|expression| expression.mentions("now")) {
        return Err(Unrenderable::Time);
    }
    if reads_status(check, policy) {
        return Err(Unrenderable::Status);
    }
    let name = format!("kubeproof-{}", check.id);
    let metadata = Metadata { name: name.clone() };
    let validation = Validation {
        expression: LitString(expression::holds(check, policy)),
        message: format!("{} ({})", check.title, check.id),
        message_expression: message::of(check, policy).map(LitString),
        reason: "Forbidden",
    };
    Ok(Rendered {
        policy: ValidatingAdmissionPolicy {
            api_version: API_VERSION,
            kind: "ValidatingAdmissionPolicy",
            metadata: metadata.clone(),
            spec: PolicySpec {
                failure_policy: "Fail",
                match_constraints: MatchConstraints { resource_rules },
                variables: if check.on == On::Pod { variables() } else { Vec::new() },
                validations: vec![validation],
            },
        },
        binding: ValidatingAdmissionPolicyBinding {
            api_version: API_VERSION,
            kind: "ValidatingAdmissionPolicyBinding",
            metadata,
            spec: BindingSpec {
                policy_name: name,
                validation_actions: actions.clone(),
                match_resources: (!exempt.is_empty()).then(|| outside(exempt)),
            },
        },
    })
}

fn reads_status(check: &Check, policy: &Policy<'_>) -> bool {
    let lists = check.each.iter().filter_map(|each| match &each.list {
        List::At(path) => Some(path),
        List::Containers => None,
    });
    let mut paths = check.fields.iter().chain(lists);
    paths.any(|path| path.root == "object" && path.steps().first() == Some(&Step::Key("status".into())))
        || check.when.iter().chain([policy.pass]).any(|expression| {
            ["object.status", "object.?status"].iter().any(|status| expression.text().contains(status))
        })
}

/// Every namespace but these.
fn outside(exempt: &[String]) -> MatchResources {
    let values = exempt.to_vec();
    let requirement = Requirement { key: "kubernetes.io/metadata.name", operator: "NotIn", values };
    MatchResources { namespace_selector: NamespaceSelector { match_expressions: [requirement] } }
}

/// Pods, with the ephemeral containers that they get later, and every kind that makes pods.
fn workloads() -> Vec<ResourceRule> {
    let mut rules: Vec<ResourceRule> = Vec::new();
    for Workload { group, kind, .. } in WORKLOADS {
        let next = rule(group, kind);
        match rules.iter_mut().find(|rule| rule.api_groups == next.api_groups) {
            Some(rule) => rule.resources.extend(next.resources),
            None => rules.push(next),
        }
    }
    rules
}

/// Requests for a kind: a known one by its first version, to which the API server converts the others.
fn rule(group: &str, kind: &str) -> ResourceRule {
    let id = resources::name_of_kind(group, kind);
    let plural = id.split('.').next().unwrap_or_default().to_string();
    let later = (group.is_empty() && kind == "Pod").then(|| "pods/ephemeralcontainers".to_string());
    ResourceRule {
        api_groups: vec![group.into()],
        api_versions: vec![if resources::of_kind(group, kind).is_some() { "v1" } else { "*" }],
        operations: &["CREATE", "UPDATE"],
        resources: std::iter::once(plural).chain(later).collect(),
    }
}

/// The names that expressions on pods use: the template of a workload, its metadata, and all its containers.
fn variables() -> Vec<Variable> {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let lists = lists.map(|list| format!("variables.pod.?{list}.orValue([])"));
    [("pod", template("spec")), ("podMeta", template("metadata")), ("containers", lists.join("\n  + "))]
        .map(|(name, expression)| Variable { name, expression: LitString(expression) })
        .into()
}

/// `part` of the pod template, wherever the kind has it.
fn template(part: &str) -> String {
    // Kinds differ in what they have: `dyn` keeps the type checker from asking for all of it in each.
    let at = |keys: &[&str]| {
        let path: String = keys.iter().chain([&part]).map(|key| format!(".?{key}")).collect();
        format!("dyn(object){path}.orValue({{}})")
    };
    let usual = ["spec", "template"].as_slice();
    let mut choice = String::new();
    for Workload { kind, template, .. } in WORKLOADS.iter().filter(|workload| workload.template != usual) {
        choice.push_str(&format!("object.kind == '{kind}' ? {}\n: ", at(template)));
    }
    choice + &at(usual)
}

#[cfg(test)]
mod tests;
