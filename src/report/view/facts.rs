//! What several parts of the view need, worked out once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::words;
use crate::{
    digest::Digest,
    drift::{FindingChangeKind, ObjectChange},
    evaluate::{Finding, FindingId, Outcome, RequirementResult},
    framework::{Framework, Severity},
    report::Input,
    snapshot::Object,
};

/// Kinds whose pods are judged once, at the object that a person wrote.
const WORKLOAD_KINDS: [&str; 8] =
    ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "ReplicationController", "StatefulSet"];

/// Namespaces that the cluster itself brings.
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// The input with its indexes.
pub struct Facts<'a> {
    /// What the view is made of.
    pub input: &'a Input<'a>,
    /// Failures nobody accepted, worst first.
    pub open: Vec<&'a Finding>,
    /// Ids of findings that are new since the baseline.
    pub new: BTreeSet<FindingId>,
    /// Exceptions of one check and one owner, the first to act on first.
    pub groups: Vec<Group<'a>>,
    /// Workloads by the object that a person wrote, and pods below them.
    pub workloads: Workloads,
    rows: BTreeMap<Digest, u64>,
    references: BTreeMap<FindingId, u64>,
    changed: BTreeMap<String, &'a ObjectChange>,
}

/// Exceptions of one check and one owner: one thing to do.
pub struct Group<'a> {
    /// Owner, where one is known.
    pub owner: Option<&'a str>,
    /// Never empty.
    pub findings: Vec<&'a Finding>,
    /// How many of them are new.
    pub new: usize,
}

impl<'a> Group<'a> {
    /// The one to name: a new one if there is one.
    pub fn first(&self, facts: &Facts<'a>) -> &'a Finding {
        self.findings.iter().find(|f| facts.is_new(f)).copied().unwrap_or(self.findings[0])
    }
}

/// Counts of workloads.
#[derive(Default)]
pub struct Workloads {
    /// Objects that a person wrote, outside the system's namespaces.
    pub own: u64,
    /// The same in the system's namespaces.
    pub system: u64,
    /// Pods, replica sets and jobs that a controller made from them: judged there, once.
    pub folded: u64,
    /// Those of them that are pods.
    pub folded_pods: u64,
    /// Workloads by namespace.
    pub by_namespace: BTreeMap<String, u64>,
}

impl<'a> Facts<'a> {
    /// Works out everything.
    pub fn of(input: &'a Input<'a>) -> Self {
        let findings = &input.evaluation.findings;
        let open: Vec<&Finding> = findings.iter().filter(|f| f.is_open_failure()).collect();
        let new = input.drift.findings.iter().filter(|c| c.change == FindingChangeKind::New).map(|c| c.id).collect();
        let references =
            findings.iter().filter(|f| f.outcome == Outcome::Fail).zip(1..).map(|(f, nth)| (f.id, nth)).collect();
        let rows = input.snapshot.objects.iter().zip(1..).map(|(o, row)| (o.digest, row)).collect();
        let changed = input.drift.objects.iter().map(|c| (c.resource.to_string(), c)).collect();
        let workloads = Workloads::of(&input.snapshot.objects);
        let mut facts = Self { input, open, new, groups: Vec::new(), workloads, rows, references, changed };
        facts.groups = facts.group();
        facts
    }

    fn group(&self) -> Vec<Group<'a>> {
        let mut groups: BTreeMap<(&str, Option<&str>), Vec<&'a Finding>> = BTreeMap::new();
        for finding in &self.open {
            groups.entry((&finding.check, finding.owner.as_deref())).or_default().push(finding);
        }
        let mut groups: Vec<Group<'a>> = groups
            .into_iter()
            .map(|((_, owner), findings)| {
                let new = findings.iter().filter(|f| self.is_new(f)).count();
                Group { owner, findings, new }
            })
            .collect();
        groups.sort_by_key(|g| std::cmp::Reverse((g.findings[0].severity, g.new > 0, g.findings.len())));
        groups
    }

    /// New since the baseline.
    pub fn is_new(&self, finding: &Finding) -> bool {
        self.new.contains(&finding.id)
    }

    /// `E-0001`: short ids of failures, in the order of `findings.csv`.
    pub fn reference(&self, finding: &Finding) -> String {
        self.references.get(&finding.id).map_or_else(|| "–".into(), |nth| words::reference(*nth))
    }

    /// 1-based row of `objects.parquet`.
    pub fn row(&self, digest: &Digest) -> Option<u64> {
        self.rows.get(digest).copied()
    }

    /// What changed on the object that a finding is about.
    pub fn change_of(&self, resource: &str) -> Option<&'a ObjectChange> {
        self.changed.get(resource).copied()
    }

    /// When the baseline was taken.
    pub fn baseline(&self) -> Option<DateTime<Utc>> {
        self.input.drift.baseline.as_ref().map(|b| b.finished)
    }

    /// `22 November`: the baseline's day as a reader of this report says it.
    pub fn since(&self) -> Option<String> {
        self.baseline().map(|at| words::day_month(at, self.input.meta.finished))
    }

    /// Open exceptions of one severity.
    pub fn open_of(&self, severity: Severity) -> u64 {
        self.open.iter().filter(|f| f.severity == severity).count() as u64
    }

    /// Open and new ones of one severity.
    pub fn new_of(&self, severity: Severity) -> u64 {
        self.open.iter().filter(|f| f.severity == severity && self.is_new(f)).count() as u64
    }

    /// Results of one framework, in its order.
    pub fn results(&self, framework: &Framework) -> impl Iterator<Item = &'a RequirementResult> {
        let (id, version) = (framework.id.clone(), framework.version.clone());
        self.input.evaluation.requirements.iter().filter(move |r| r.framework == id && r.version == version)
    }

    /// Checks that could not be evaluated because `resource` was not seen.
    pub fn checks_without(&self, resource: &str) -> BTreeSet<&'a str> {
        let names = |reason: Option<&str>| reason.is_some_and(|r| mentions(r, resource));
        let evaluation = self.input.evaluation;
        let whole = evaluation
            .checks
            .iter()
            .filter(|c| c.not_evaluated > 0 && names(c.reason.as_deref()))
            .map(|c| c.id.as_str());
        let places = evaluation
            .findings
            .iter()
            .filter(|f| f.outcome == Outcome::NotEvaluated)
            .filter(|f| (f.resource.kind == "List" && f.resource.name == resource) || names(f.reason.as_deref()))
            .map(|f| &*f.check);
        whole.chain(places).collect()
    }
}

/// `resource` stands in `text` as a word of its own: `roles` is not `clusterroles`.
fn mentions(text: &str, resource: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '/' | '-')))
        .any(|word| word.trim_end_matches('.') == resource)
}

impl Workloads {
    fn of(objects: &[Object]) -> Self {
        let mut counts = Self::default();
        for object in objects.iter().filter(|o| WORKLOAD_KINDS.contains(&o.gvk.kind.as_str())) {
            if is_made_by_a_listed_controller(&object.json) {
                counts.folded += 1;
                counts.folded_pods += u64::from(object.gvk.kind == "Pod");
                continue;
            }
            let namespace = object.namespace.as_deref().unwrap_or("default");
            if SYSTEM_NAMESPACES.contains(&namespace) {
                counts.system += 1
            } else {
                counts.own += 1
            }
            *counts.by_namespace.entry(namespace.to_owned()).or_default() += 1;
        }
        counts
    }

    /// All that were judged.
    pub fn judged(&self) -> u64 {
        self.own + self.system
    }
}

/// Reads no more of the object than who made it.
fn is_made_by_a_listed_controller(json: &str) -> bool {
    #[derive(Deserialize)]
    struct Shell {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        owner_references: Vec<OwnerReference>,
    }
    #[derive(Deserialize)]
    struct OwnerReference {
        kind: String,
        #[serde(default)]
        controller: bool,
    }
    serde_json::from_str::<Shell>(json).is_ok_and(|shell| {
        shell.metadata.owner_references.iter().any(|o| o.controller && WORKLOAD_KINDS.contains(&o.kind.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_not_found_inside_another() {
        assert!(mentions("roles.rbac.authorization.k8s.io was refused: 403", "roles.rbac.authorization.k8s.io"));
        assert!(!mentions("clusterroles was refused", "roles"));
        assert!(mentions("could not read pods.", "pods"));
    }
}
