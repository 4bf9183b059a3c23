//! What tells items of a list apart: the merge keys and list types of Kubernetes' own API.

use serde_json::Value;

/// How two states of a list are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// By the values of these fields; the first set that every item has.
    Keys(&'static [&'static [&'static str]]),
    /// The order means nothing.
    Set,
    /// The order means something.
    Order,
}

/// Merge keys (`patchMergeKey`, `x-kubernetes-list-map-keys`) of lists of objects, by the list's field. A field that
/// has no row goes by `name` where every item has one, as most lists of custom resources do.
const KEYS: &[(&str, &[&[&str]])] = &[
    ("ports", &[&["containerPort", "protocol"], &["port", "protocol"]]),
    ("volumeMounts", &[&["mountPath"]]),
    ("volumeDevices", &[&["devicePath"]]),
    ("hostAliases", &[&["ip"]]),
    ("topologySpreadConstraints", &[&["topologyKey", "whenUnsatisfiable"]]),
    ("ownerReferences", &[&["uid"]]),
    ("conditions", &[&["type"]]),
    ("subjects", &[&["kind", "namespace", "name"]]),
    ("taints", &[&["key", "effect"]]),
    ("parentRefs", &[&["name", "kind", "namespace", "sectionName"]]),
    ("addresses", &[&["type", "address"]]),
    ("images", &[&["image"]]),
];

const NAME: &[&[&str]] = &[&["name"]];

/// Lists whose order means nothing (`x-kubernetes-list-type: set`, or a union by what the field means), as
/// `field` or `parent/field`.
const SETS: &[&str] = &[
    "finalizers",
    "accessModes",
    "capabilities/add",
    "capabilities/drop",
    "verbs",
    "resources",
    "apiGroups",
    "apiVersions",
    "resourceNames",
    "nonResourceURLs",
    "operations",
    "policyTypes",
    "supplementalGroups",
    "externalIPs",
    "loadBalancerSourceRanges",
    "clusterIPs",
    "ipFamilies",
    "podCIDRs",
    "mountOptions",
    "values",
    "except",
    "hosts",
    "hostnames",
    "scopes",
    "tolerations",
    "matchExpressions",
    "rules",
    "from",
    "to",
    "ingress",
    "egress",
];

/// How items of `field` in `parent` are matched.
pub(super) fn identity(parent: &str, field: &str) -> Identity {
    let is_row = |row: &&str| *row == field || row.split_once('/') == Some((parent, field));
    if SETS.iter().any(is_row) {
        return Identity::Set;
    }
    // What runs goes by order, even where its items have names.
    if ["command", "args"].contains(&field) {
        return Identity::Order;
    }
    Identity::Keys(KEYS.iter().find(|(name, _)| *name == field).map_or(NAME, |(_, keys)| keys))
}

/// `name=app`, `containerPort=80,protocol=TCP`; `None` where the item lacks the first key, which every item must have.
pub(super) fn name(keys: &[&str], item: &Value) -> Option<String> {
    let text = |key: &str| match item.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
        _ => None,
    };
    text(keys.first()?)?;
    let parts = keys.iter().filter_map(|key| Some(format!("{key}={}", text(key)?)));
    Some(parts.collect::<Vec<_>>().join(","))
}
