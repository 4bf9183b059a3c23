//! Policy versions that namespaces pin for their pods (`pod-security.kubernetes.io/enforce-version`): the rows of the
//! Pod Security Standards say what admission there says, every other row goes by the cluster's version.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Finding, Outcome, judge::Ready, related::document, value::Node};
use crate::{
    framework::{POD_SECURITY, check::Minor},
    snapshot::Object,
};

const LABEL: &str = "pod-security.kubernetes.io/enforce-version";

/// The rows that a finding counts for, where its namespace pins a policy version that says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyOf {
    /// The cluster's version says so: every row but those of the Pod Security Standards.
    Cluster,
    /// The version that the namespace pins says so: the rows of the Pod Security Standards alone.
    Namespace,
}

impl PolicyOf {
    /// Counts for the rows of this framework.
    pub fn counts_for(self, framework: &str) -> bool {
        POD_SECURITY.contains(&framework) == (self == Self::Namespace)
    }
}

/// The version of each namespace that pins one which is not the cluster's.
#[derive(Debug, Default)]
pub struct Pins<'a>(BTreeMap<&'a str, Minor>);

impl<'a> Pins<'a> {
    /// The pins among `objects`. A version newer than the cluster's is the cluster's, as it is for its API server.
    pub fn of(objects: &'a [Object], kubernetes: Option<Minor>) -> Self {
        let namespaces = objects.iter().filter(|object| object.gvk.group.is_empty() && object.gvk.kind == "Namespace");
        let older = |minor: &Minor| kubernetes.is_none_or(|cluster| *minor < cluster);
        Self(
            namespaces
                .filter(|namespace| namespace.json.contains(LABEL))
                .filter_map(|namespace| Some((namespace.name.as_str(), pinned(&document(namespace)).filter(older)?)))
                .collect(),
        )
    }
}

/// The checks by the policies that namespaces pin, where those are not the cluster's.
#[derive(Debug)]
pub struct Pinned<'a> {
    pins: Pins<'a>,
    /// By the check's index and the pinned version.
    ready: BTreeMap<(usize, Minor), Ready<'a>>,
}

impl<'a> Pinned<'a> {
    /// Prepares `checks`, each with its index.
    pub fn new<'r>(
        pins: Pins<'a>,
        checks: impl Iterator<Item = (usize, &'r Ready<'a>)>,
        kubernetes: Option<Minor>,
    ) -> Self
    where
        'a: 'r,
    {
        let versions: BTreeSet<Minor> = pins.0.values().copied().collect();
        let ready = checks
            .flat_map(|(at, ready)| versions.iter().map(move |minor| (at, *minor, ready)))
            .filter(|(_, minor, ready)| ready.check.since(Some(*minor)) != ready.check.since(kubernetes))
            .map(|(at, minor, ready)| ((at, minor), ready.by_version(minor)))
            .collect();
        Self { pins, ready }
    }

    /// The version that a namespace pins, and the check by it, where that is another policy.
    pub fn of(&self, check: usize, namespace: Option<&str>) -> Option<(Minor, &Ready<'a>)> {
        let minor = *self.pins.0.get(namespace?)?;
        Some((minor, self.ready.get(&(check, minor))?))
    }
}

/// `latest` and what admission cannot read are the cluster's version.
fn pinned(namespace: &Node) -> Option<Minor> {
    let digits = namespace.at(&["metadata", "labels", LABEL])?.as_str()?.strip_prefix("v1.")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain).map(Minor)
}

/// One finding from what both versions say of one place: where they differ the worse one, with the rows it counts for.
pub fn both(by_cluster: Finding, by_namespace: Finding, pin: Minor) -> Finding {
    if by_cluster.outcome == by_namespace.outcome {
        return by_cluster;
    }
    let (mut worse, policy) = if badness(by_cluster.outcome) > badness(by_namespace.outcome) {
        (by_cluster, PolicyOf::Cluster)
    } else {
        (by_namespace, PolicyOf::Namespace)
    };
    worse.policy = Some(policy);
    let message = &worse.message;
    worse.message = match policy {
        PolicyOf::Cluster => format!("{message} (policy version {pin}, which the namespace pins, allows it)"),
        PolicyOf::Namespace => format!("{message} (by policy version {pin}, which the namespace pins)"),
    }
    .into();
    worse
}

/// How bad an outcome is, beside another one of the same place.
pub fn badness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::NotApplicable => 0,
        Outcome::Manual => 1,
        Outcome::Pass => 2,
        Outcome::NotEvaluated => 3,
        Outcome::Fail => 4,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pin(label: &str) -> Option<Minor> {
        pinned(&Node::from(&json!({"metadata": {"labels": {LABEL: label}}})))
    }

    #[test]
    fn versions_are_read_as_admission_reads_them() {
        assert_eq!((pin("v1.0"), pin("v1.24")), (Some(Minor(0)), Some(Minor(24))));
        for label in ["latest", "", "1.24", "v1.", "v1.024", "v1.24.1", "v1.+2", "v2.24", "v1.99999999999", "V1.24"] {
            assert_eq!(pin(label), None, "{label}");
        }
        assert_eq!(pinned(&Node::from(&json!({"metadata": {"labels": {LABEL: 1}}}))), None);
    }

    #[test]
    fn each_side_counts_for_its_own_rows() {
        assert!(PolicyOf::Namespace.counts_for("pss-baseline") && PolicyOf::Namespace.counts_for("pss-restricted"));
        assert!(!PolicyOf::Namespace.counts_for("cis-kubernetes"));
        assert!(!PolicyOf::Cluster.counts_for("pss-restricted") && PolicyOf::Cluster.counts_for("cis-kubernetes"));
    }
}
