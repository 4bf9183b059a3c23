//! What there was: the population that samples are drawn from, what came and went, who held power, what was declared.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Bounds, Cited, RunNumber, WrittenBy};
use crate::{config::Exclusion, digest::Digest, evaluate::Counts};

/// One member of the population.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What it is.
    pub class: ItemClass,
    /// Namespace, where it has one.
    pub namespace: Option<String>,
    /// Kind (`Deployment`, `ServiceAccount`); `Image` for images.
    pub kind: String,
    /// Name; of an image, as workloads write it.
    pub name: String,
    /// First run that saw it.
    pub first: RunNumber,
    /// Last run that saw it.
    pub last: RunNumber,
    /// Runs that saw it.
    pub runs: u32,
    /// Runs between the first and the last that did not see it: it was not there, or could not be seen
    /// ([`super::Run::unseen`]).
    pub absent_in: Vec<RunNumber>,
    /// Objects that show it, as its first and its last run saw them, at most 20 of each: of an image the workloads that
    /// name it, of a subject the bindings that give it rights.
    pub evidence: Vec<Cited>,
}

/// Classes of the population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemClass {
    /// Namespaces.
    Namespace,
    /// Nodes.
    Node,
    /// What runs pods: Deployments, bare Pods, Jobs without a CronJob, ...
    Workload,
    /// Container images.
    Image,
    /// Users, groups and service accounts that hold rights.
    Subject,
}

/// Something of the scope that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeChange {
    /// What kind of thing.
    pub what: ScopeSubject,
    /// Its name.
    pub name: String,
    /// Between which runs.
    pub between: Bounds,
    /// Value or presence before; `None` where it was not there.
    pub before: Option<String>,
    /// Value or presence after; `None` where it is gone.
    pub after: Option<String>,
}

/// Things of the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeSubject {
    /// A cluster, whose log begins within the period.
    Cluster,
    /// Version of the API server.
    Kubernetes,
    /// Version of kubeproof.
    Tool,
    /// A framework, or its version.
    Framework,
    /// The library of checks, by digest.
    Checks,
    /// A file that people declare (scope, waivers, owners, ...), by digest.
    Declared,
    /// Identity that asked the API server.
    Caller,
    /// A namespace.
    Namespace,
    /// A node, with its kubelet's version.
    Node,
}

/// What a declared scope held, over successive runs that saw the same in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeSpan {
    /// Id of the scope; of several declarations that are one scope, with `+` between them.
    pub scope: String,
    /// First run of them.
    pub first: RunNumber,
    /// Last run of them.
    pub last: RunNumber,
    /// What it held.
    pub holds: ScopeHolding,
}

/// What a declared scope holds on a run: what it names or selects by labels and the run saw.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeHolding {
    /// Namespaces in it.
    pub namespaces: Vec<String>,
    /// Namespaces that are not in it and connected to it: they count for it as well.
    #[serde(default)]
    pub connected: Vec<String>,
    /// Nodes.
    pub nodes: Vec<String>,
    /// Pods of the control plane, which serves every scope.
    pub components: Vec<String>,
    /// Who declared it; of several declarations, the first one's.
    pub declared_by: String,
    /// When.
    pub declared_on: NaiveDate,
    /// What is left out by name, with why.
    pub excluded: Vec<Exclusion>,
}

/// One run's counts side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlTotal {
    /// The run.
    pub run: RunNumber,
    /// Objects that the source's lists returned, by its coverage.
    pub source: u64,
    /// Objects of the snapshot that no list returned.
    pub own: u64,
    /// Rows of the snapshot's table of objects.
    pub snapshot: u64,
    /// Outcomes, by the evaluation.
    pub counts: Counts,
    /// Rows of the table of findings.
    pub findings: u64,
    /// Of those, failures.
    pub failures: u64,
    /// Where the failures are in the package; `None` in packages from before they were told apart.
    #[serde(default)]
    pub bridge: Option<FailureBridge>,
    /// Why the counts differ; empty where they agree.
    pub differences: Vec<String>,
}

/// From the failures of one run to the exceptions of the package: the parts add up to [`ControlTotal::failures`], or
/// [`ControlTotal::differences`] says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureBridge {
    /// Exceptions of the package that the run saw.
    pub exceptions: u64,
    /// Failures that are expected of the system (`expected_by`), and no exceptions.
    pub expected: u64,
    /// Failures outside of the scope shown, or of no framework of the package.
    pub left_out: u64,
}

impl FailureBridge {
    /// All failures that the package accounts for.
    pub fn sum(&self) -> u64 {
        self.exceptions + self.expected + self.left_out
    }
}

/// One resource in the newest run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTotal {
    /// `deployments.apps`.
    pub resource: String,
    /// Objects that the list returned.
    pub source: u64,
    /// Objects in the snapshot.
    pub snapshot: u64,
    /// Why the list was not answered; `None` where it was.
    pub not_seen: Option<String>,
}

/// A subject with powers that lead further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivilegedSubject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Namespace of a service account.
    pub namespace: Option<String>,
    /// Name, or its pseudonym.
    pub name: String,
    /// What it may do, worst first.
    pub powers: Vec<Power>,
}

/// One power of one subject through one chain, over successive runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Power {
    /// 0 is the worst.
    pub rank: u8,
    /// What it makes possible (`read Secrets`).
    pub power: String,
    /// Namespace; `None` for the whole cluster.
    pub place: Option<String>,
    /// `RoleBinding/shop/ci -> ClusterRole/admin`.
    pub through: String,
    /// First run that saw it.
    pub first: RunNumber,
    /// Last run that saw it.
    pub last: RunNumber,
    /// Between which runs it was gained; `None` for one that the first run of the period saw already.
    pub gained: Option<Bounds>,
    /// Between which runs it was lost; `None` while it is held or nobody could see.
    pub lost: Option<Bounds>,
    /// Which client programs wrote the binding between the bounds in which it was gained, by time; of one that the first
    /// run of the period saw already, before that run.
    pub given_by: Vec<WrittenBy>,
    /// When the binding was made, as it says itself.
    #[serde(default)]
    pub created: Option<DateTime<Utc>>,
    /// The binding, as the first run saw it.
    pub evidence: Vec<Cited>,
    /// Who wrote to the binding between the bounds in which the power was lost, by time.
    #[serde(default)]
    pub taken_by: Vec<WrittenBy>,
    /// The binding as the first run without the power saw it; none where it is gone or the power is held.
    #[serde(default)]
    pub evidence_after: Vec<Cited>,
}

/// A waiver, an attestation or a provider's document over the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclarationPeriod {
    /// `waiver`, `attestation` or `provider`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Kind of waiver (`risk accepted`) or document (`SOC 2 Type II`); `None` for attestations.
    pub form: Option<String>,
    /// Who approved, said or issued it, as written: nobody verified the identity.
    pub by: String,
    /// A waiver's first day, the day of an attestation or of a document; `None` for a waiver without one.
    pub since: Option<NaiveDate>,
    /// Last day, by the newest run that knew it; `None` for what has none.
    pub until: Option<NaiveDate>,
    /// A waiver's check, an attestation's requirement, the requirements that a document covers (`*` for any).
    pub about: Vec<String>,
    /// Reason, statement or responsibility, as written.
    pub text: String,
    /// A waiver's ticket.
    pub ticket: Option<String>,
    /// What became of it, run by run (`in force`, `expired`, ...). One whose last run is not the newest was withdrawn.
    pub states: Vec<StateSpan>,
    /// Ids of findings (waivers) or requirements that it applied to on its last run; in a package that was limited, only
    /// those in it.
    pub applies_to: Vec<String>,
    /// One sentence, with who approved or signed as written.
    pub note: String,
    /// Files that it points at.
    pub files: Vec<DeclaredFile>,
}

impl DeclarationPeriod {
    /// Its last day, where that passed before this one.
    pub fn ended_before(&self, day: NaiveDate) -> Option<NaiveDate> {
        self.until.filter(|until| *until < day)
    }

    /// What became of it on a run; `None` where that run did not name it.
    pub fn state_on(&self, run: RunNumber) -> Option<&StateSpan> {
        self.states.iter().find(|span| (span.first..=span.last).contains(&run))
    }

    /// The last run that named it.
    pub fn last_named(&self) -> Option<RunNumber> {
        self.states.last().map(|span| span.last)
    }
}

/// A state, over successive runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateSpan {
    /// `in force`, `unmatched`, `expired`, `ends soon`, `not yet`, `missing`, `file missing`.
    pub state: String,
    /// Last day, as it was then: an extension begins another span.
    pub until: Option<NaiveDate>,
    /// First run.
    pub first: RunNumber,
    /// Last run.
    pub last: RunNumber,
}

/// A file that a declaration points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredFile {
    /// Name as it was declared.
    pub name: String,
    /// Its digest; `None` where it was missing.
    pub digest: Option<Digest>,
    /// Path in the package; `None` where it is not in it.
    pub path: Option<String>,
}
