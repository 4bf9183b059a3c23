//! The check format: one check per file, with its tests inside.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{
    Deserialize,
    de::{self, Deserializer, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::{Severity, path::Path};
use crate::evaluate::value::Node;

/// A check file as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckFile {
    /// `kubeproof.dev/v1`, when written.
    #[serde(default)]
    pub api_version: Option<Spanned<String>>,
    /// The file's name without `.yaml`.
    pub id: Spanned<String>,
    /// What holds when it passes.
    pub title: String,
    /// How bad a failure is.
    pub severity: Severity,
    /// What is judged.
    pub on: On,
    /// One name and the list that it walks: `{container: containers}`, `{rule: object.rules}`.
    #[serde(default)]
    pub each: BTreeMap<String, Spanned<String>>,
    /// Fields to judge; without any, the object (or each item) as a whole. Where a path ends in `[*]` or in a key
    /// pattern, `value` is each element that is there; elsewhere it is an optional, for the field may be absent. Only
    /// `settings` always have a value.
    #[serde(default)]
    pub field: Option<Spanned<Fields>>,
    /// The value of a field that is left out, where that has a meaning (`false` in what a cloud's own program prints).
    #[serde(default)]
    pub absent: Option<Node>,
    /// The expression that holds when all is well.
    pub pass: Spanned<String>,
    /// The expression that says whether the question arises.
    #[serde(default)]
    pub when: Option<Spanned<String>>,
    /// The expression without which a pass shows nothing: where it is false, what would pass is not-evaluated.
    #[serde(default)]
    pub requires: Option<Spanned<String>>,
    /// One sentence for that, beside `requires`; `{params.x}` is filled in.
    #[serde(default)]
    pub unseen: Option<Spanned<String>>,
    /// Values for expressions and texts.
    #[serde(default)]
    pub params: BTreeMap<String, Node>,
    /// The expression for what was found; the field's value without it.
    #[serde(default)]
    pub observed: Option<Spanned<String>>,
    /// What was expected, in words; `{params.x}` is filled in.
    pub expected: Spanned<String>,
    /// One sentence for a failure; `{container.name}` is filled in: paths only.
    pub message: Spanned<String>,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub remediation: String,
    /// Where to read more.
    #[serde(default)]
    pub references: Vec<String>,
    /// Other objects that the verdict rests on, by name.
    #[serde(default)]
    pub related: BTreeMap<String, Spanned<Related>>,
    /// Other parameters or another `pass` from a Kubernetes version on.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// Good practice beyond what any framework asks: not part of the gate that every check is mapped.
    #[serde(default)]
    pub hygiene: bool,
    /// Cases: at least one that fails and one that passes.
    #[serde(default)]
    pub tests: Vec<Test>,
}

/// What a check judges.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// Bare pods and the pod templates of every workload kind.
    Pod,
    /// Objects of one kind, whatever their version.
    Kind {
        /// API group, empty for core.
        group: String,
        /// Kind.
        kind: String,
    },
    /// Users, groups and service accounts with what they may do.
    Subject,
    /// A control-plane component's instances.
    Component(String),
    /// Each kubelet's configuration.
    Kubelet,
    /// Each node's files.
    Node,
    /// The files of each node that runs the control plane.
    ControlPlaneNode,
    /// Each image in use.
    Image,
    /// The cluster as a whole: one evaluation over `related`.
    Cluster,
    /// A cloud provider's account.
    Cloud(String),
    /// Each declared scope, with what crosses its border.
    Scope,
}

impl On {
    /// Renders to an admission policy: `pass` must stay within what the API server understands.
    pub fn is_admission(&self) -> bool {
        matches!(self, Self::Pod | Self::Kind { .. })
    }

    /// The names that expressions and paths start at, beside `params`, `now`, `value`, `each` and `related`.
    pub fn names(&self) -> &'static [&'static str] {
        match self {
            Self::Pod => &["object", "pod", "podMeta", "variables"],
            Self::Kind { .. } => &["object"],
            Self::Subject => &["object", "subject"],
            Self::Component(_) | Self::Kubelet => &["object", "settings"],
            Self::Node | Self::ControlPlaneNode => &["object", "node"],
            Self::Image => &["object", "image"],
            Self::Cluster => &["cluster"],
            Self::Cloud(_) => &["object", "cloud"],
            Self::Scope => &["object", "scope"],
        }
    }
}

impl FromStr for On {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "pod" => Self::Pod,
            "subject" => Self::Subject,
            "kubelet" => Self::Kubelet,
            "node" => Self::Node,
            "node/control-plane" => Self::ControlPlaneNode,
            "scope" => Self::Scope,
            "image" => Self::Image,
            "cluster" => Self::Cluster,
            _ => match text.split('/').collect::<Vec<_>>().as_slice() {
                ["component", name] if !name.is_empty() => Self::Component((*name).into()),
                ["cloud", name] if !name.is_empty() => Self::Cloud((*name).into()),
                [version, kind] if is_version(version) && is_kind(kind) => {
                    Self::Kind { group: String::new(), kind: (*kind).into() }
                }
                [group, version, kind] if is_version(version) && is_kind(kind) && !group.is_empty() => {
                    Self::Kind { group: (*group).into(), kind: (*kind).into() }
                }
                _ => {
                    return Err(format!(
                        "'{text}' is nothing to judge: write pod, group/version/Kind (apps/v1/Deployment, v1/Namespace), \
                         subject, component/<name>, kubelet, node, node/control-plane, image, cluster, scope or \
                         cloud/<provider>"
                    ));
                }
            },
        })
    }
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod => f.write_str("pod"),
            Self::Kind { group, kind } if group.is_empty() => f.write_str(kind),
            Self::Kind { group, kind } => write!(f, "{kind}.{group}"),
            Self::Subject => f.write_str("subject"),
            Self::Component(name) => write!(f, "component/{name}"),
            Self::Kubelet => f.write_str("kubelet"),
            Self::Node => f.write_str("node"),
            Self::ControlPlaneNode => f.write_str("node/control-plane"),
            Self::Scope => f.write_str("scope"),
            Self::Image => f.write_str("image"),
            Self::Cluster => f.write_str("cluster"),
            Self::Cloud(name) => write!(f, "cloud/{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Field paths: one, or a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<Path>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field path or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Fields, E> {
                Path::parse(text).map(|path| Fields(vec![path])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Fields, A::Error> {
                let mut paths = Vec::new();
                while let Some(text) = access.next_element::<String>()? {
                    paths.push(Path::parse(&text).map_err(de::Error::custom)?);
                }
                Ok(Fields(paths))
            }
        }

        deserializer.deserialize_any(FieldsVisitor)
    }
}

/// Other objects that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Related {
    /// `networkpolicies.networking.k8s.io`.
    pub resource: String,
    /// How they belong to the judged object.
    pub by: By,
}

/// How related objects are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// In the same namespace, and the Namespace itself; for a Namespace, those in it.
    Namespace,
    /// One of the two selects the other by labels, in the same namespace.
    Selector,
    /// One of the two names the other.
    Reference,
    /// All of the cluster.
    Cluster,
}

/// What differs from a Kubernetes version on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// First minor version that it is for.
    pub since: Spanned<Minor>,
    /// Replaces parameters of the same name.
    #[serde(default)]
    pub params: BTreeMap<String, Node>,
    /// Replaces `pass`.
    #[serde(default)]
    pub pass: Option<Spanned<String>>,
}

impl CheckFile {
    /// Whether what it says depends on the time at which it is asked.
    pub fn reads_clock(&self) -> bool {
        let variants = self.variants.iter().filter_map(|variant| variant.pass.as_ref());
        let mut deciding = [&self.when, &self.requires].into_iter().flatten().chain(variants).chain([&self.pass]);
        deciding.any(|text| text.value.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "now"))
    }
}

/// A minor version of Kubernetes: the number after `1.`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(pub u32);

impl FromStr for Minor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix('v')
            .unwrap_or(text)
            .strip_prefix("1.")
            .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not a Kubernetes version: write it as 1.31"))
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl<'de> Deserialize<'de> for Minor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// One case inside a check file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Test {
    /// What it shows.
    pub name: Spanned<String>,
    /// The judged object.
    #[serde(default)]
    pub object: Option<serde_json::Value>,
    /// Or several.
    #[serde(default)]
    pub objects: Vec<serde_json::Value>,
    /// Related objects by name; `null` stands for a list that was refused.
    #[serde(default)]
    pub related: BTreeMap<String, Option<Vec<serde_json::Value>>>,
    /// Minor version of the cluster.
    #[serde(default)]
    pub kubernetes: Option<Minor>,
    /// The moment at which it is judged (RFC 3339); 2026-01-01 without it.
    #[serde(default)]
    pub now: Option<String>,
    /// Replaces parameters of the same name.
    #[serde(default)]
    pub params: BTreeMap<String, Node>,
    /// Everything passes, and something was looked at.
    #[serde(default)]
    pub pass: Option<bool>,
    /// JSON Pointers of exactly the places that fail.
    #[serde(default)]
    pub fail: Option<Vec<String>>,
    /// Nothing passes or fails: the question does not arise.
    #[serde(default)]
    pub not_applicable: Option<bool>,
    /// Something cannot be decided, and nothing fails.
    #[serde(default)]
    pub not_evaluated: Option<bool>,
}
