//! Which grants matter most, and how people say them.

use std::collections::BTreeMap;

use super::Grant;

/// What a grant makes possible beyond its own words. Ordered, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Everything, or any verb on any resource.
    Everything,
    /// Take or hand out permissions that one does not have (`escalate`, `bind`, `impersonate`).
    Escalate,
    /// Mint tokens of service accounts.
    MintTokens,
    /// Approve or sign client certificates.
    SignCertificates,
    /// Read Secrets.
    ReadSecrets,
    /// Reach kubelets, and through them every pod.
    ReachKubelets,
    /// Run code in pods that exist.
    EnterPods,
    /// Make pods, which run with any service account and mount any Secret of their namespace.
    RunPods,
    /// Change what the API server admits.
    ChangeAdmission,
    /// Make volumes that reach the node.
    MakeVolumes,
}

impl Risk {
    /// What a person reads: `read Secrets`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Everything => "do everything",
            Self::Escalate => "widen rights or act as others",
            Self::MintTokens => "issue tokens",
            Self::SignCertificates => "sign certificates",
            Self::ReadSecrets => "read Secrets",
            Self::ReachKubelets => "reach kubelets",
            Self::EnterPods => "run commands in pods",
            Self::RunPods => "create pods",
            Self::ChangeAdmission => "change admission",
            Self::MakeVolumes => "make volumes",
        }
    }
}

/// What a risk needs; a `*` in the grant matches each.
struct Needs {
    risk: Risk,
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
}

const fn needs(
    risk: Risk,
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
) -> Needs {
    Needs { risk, verbs, groups, resources }
}

const RISKS: &[Needs] = &[
    needs(Risk::Escalate, &["escalate", "bind"], &["rbac.authorization.k8s.io"], &["roles", "clusterroles"]),
    needs(
        Risk::Escalate,
        &["impersonate"],
        &["", "authentication.k8s.io"],
        &["users", "groups", "serviceaccounts", "userextras", "uids"],
    ),
    needs(Risk::MintTokens, &["create"], &[""], &["serviceaccounts/token"]),
    needs(
        Risk::SignCertificates,
        &["update", "patch", "approve", "sign"],
        &["certificates.k8s.io"],
        &["certificatesigningrequests/approval", "certificatesigningrequests/status", "signers"],
    ),
    needs(Risk::ReadSecrets, &["get", "list", "watch"], &[""], &["secrets"]),
    needs(Risk::ReachKubelets, &["get", "create", "update", "patch", "delete"], &[""], &["nodes/proxy"]),
    needs(Risk::EnterPods, &["get", "create"], &[""], &["pods/exec", "pods/attach", "pods/portforward", "pods/proxy"]),
    needs(Risk::EnterPods, &["update", "patch"], &[""], &["pods/ephemeralcontainers"]),
    needs(Risk::RunPods, &["create", "update", "patch"], &[""], &["pods", "replicationcontrollers"]),
    needs(
        Risk::RunPods,
        &["create", "update", "patch"],
        &["apps"],
        &["deployments", "daemonsets", "statefulsets", "replicasets"],
    ),
    needs(Risk::RunPods, &["create", "update", "patch"], &["batch"], &["jobs", "cronjobs"]),
    needs(
        Risk::ChangeAdmission,
        &["create", "update", "patch", "delete", "deletecollection"],
        &["admissionregistration.k8s.io"],
        &[
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
        ],
    ),
    needs(Risk::MakeVolumes, &["create"], &[""], &["persistentvolumes"]),
];

/// The worst that a grant makes possible; `None` for ordinary grants.
pub fn risk(grant: &Grant) -> Option<Risk> {
    if grant.url.is_some() {
        return None;
    }
    if grant.resource == "*" && (grant.verb == "*" || grant.group == "*" && is_write(&grant.verb)) {
        return Some(Risk::Everything);
    }
    let has = |list: &[&str], value: &str| value == "*" || list.contains(&value);
    let matches = |row: &&Needs| {
        has(row.verbs, &grant.verb)
            && has(row.groups, &grant.group)
            && row.resources.iter().any(|resource| covers(&grant.resource, resource))
    };
    RISKS.iter().find(matches).map(|row| row.risk)
}

/// A grant's resource takes in `resource`; `*/exec` is every subresource of that name.
fn covers(granted: &str, resource: &str) -> bool {
    let subresource =
        || granted.strip_prefix("*/").is_some_and(|sub| resource.split_once('/').is_some_and(|(_, s)| s == sub));
    granted == "*" || granted == resource || subresource()
}

/// The grant can escalate, read Secrets, run code or change what is admitted.
pub fn is_sensitive(grant: &Grant) -> bool {
    risk(grant).is_some()
}

fn is_write(verb: &str) -> bool {
    !matches!(verb, "get" | "list" | "watch")
}

/// A grant in words: `read secrets in shop`, `do anything with everything in every namespace`.
pub fn sentence(grant: &Grant) -> String {
    format!("{} {}{}", spoken_verb(&grant.verb), object(grant), place(grant))
}

/// Several grants in words, the most sensitive first, at most `limit` of them: `read secrets in shop, create pods in
/// shop and 3 more`.
pub fn summary(grants: &[Grant], limit: usize) -> String {
    // Verbs that people say together (`get`, `list`, `watch`) fall into one sentence.
    let mut sentences: BTreeMap<String, Option<Risk>> = BTreeMap::new();
    for grant in grants {
        let (risk, known) = (risk(grant), sentences.entry(sentence(grant)).or_insert(None));
        *known = (*known).into_iter().chain(risk).min();
    }
    let mut ordered: Vec<(bool, Option<Risk>, &String)> =
        sentences.iter().map(|(sentence, risk)| (risk.is_none(), *risk, sentence)).collect();
    ordered.sort_unstable();
    let shown: Vec<&str> = ordered.iter().take(limit).map(|(_, _, s)| s.as_str()).collect();
    match ordered.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn spoken_verb(verb: &str) -> &str {
    match verb {
        "get" | "list" | "watch" => "read",
        "*" => "do anything with",
        "deletecollection" => "delete",
        other => other,
    }
}

fn object(grant: &Grant) -> String {
    if let Some(url) = &grant.url {
        return if url == "*" { "every URL of the API server".into() } else { url.clone() };
    }
    let resource = match (grant.group.as_str(), grant.resource.as_str()) {
        ("*" | "", "*") => "everything".to_owned(),
        (group, "*") => format!("everything of {group}"),
        ("" | "*" | "apps" | "batch" | "rbac.authorization.k8s.io", resource) => resource.to_owned(),
        (group, resource) => format!("{resource}.{group}"),
    };
    match &grant.resource_name {
        Some(name) => format!("{resource} '{name}'"),
        None => resource,
    }
}

fn place(grant: &Grant) -> String {
    match &grant.namespace {
        Some(namespace) => format!(" in {namespace}"),
        None if grant.url.is_some() => String::new(),
        None => " cluster-wide".into(),
    }
}
