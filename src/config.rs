//! Configuration files (formats.md): kubeproof.yaml, scope, owners, waivers, attestations, expected.
//! Unknown keys are errors with file:line and the nearest key.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// `apiVersion` of every definition and configuration file.
pub const API_VERSION: &str = "kubeproof.dev/v1";

/// kubeproof.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// `kubeproof.dev/v1`.
    pub api_version: String,
    /// Which cluster.
    pub cluster: ClusterConfig,
    /// The first orders the log, the others are replicas.
    pub stores: Vec<String>,
    /// Where the keys are.
    pub keys: KeysConfig,
    /// Pending bundles and pins; without it a run retries until its deadline and then exits 5.
    pub state_dir: Option<String>,
    /// Framework ids; empty for those that fit.
    pub frameworks: Vec<String>,
    /// scope.yaml.
    pub scope: Option<String>,
    /// owners.yaml.
    pub owners: Option<String>,
    /// waivers.yaml.
    pub waivers: Option<String>,
    /// attestations.yaml.
    pub attestations: Option<String>,
    /// expected.yaml, added to the built-in list.
    pub expected: Option<String>,
    /// Marking on every page.
    pub confidentiality: Option<String>,
    /// Gaps in coverage that are known and accepted.
    pub expected_gaps: Vec<ExpectedGap>,
}

/// The cluster's names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Name in the store and on the report.
    pub name: Option<String>,
    /// `production`, `staging`, ...
    pub environment: Option<String>,
    /// uid to use when kube-system cannot be read.
    pub uid: Option<String>,
    /// Folder of the cluster that this one replaces.
    pub predecessor: Option<String>,
}

/// Paths, or `env:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeysConfig {
    /// Ed25519 PKCS#8 PEM that signs bundles.
    pub signing: Option<String>,
    /// Ed25519 PKCS#8 PEM that signs the log.
    pub log: Option<String>,
    /// 32 bytes, base64, for redaction.
    pub redaction: Option<String>,
}

/// A gap in coverage that is known and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedGap {
    /// `G-1`.
    pub id: String,
    /// `nodes/configz`, `networkpolicies.networking.k8s.io`.
    pub resource: String,
    /// `*` or a namespace.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Last day on which it is accepted.
    pub until: NaiveDate,
}

/// scope.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeFile {
    /// `kubeproof.dev/v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Declared scopes.
    pub scopes: Vec<Scope>,
}

/// What a regulation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// `card-data`.
    pub id: String,
    /// Framework ids.
    pub regulations: Vec<String>,
    /// Namespaces in it; absent means the whole cluster.
    #[serde(default)]
    pub namespaces: Option<Selection>,
    /// Nodes in it.
    #[serde(default)]
    pub nodes: Option<Selection>,
    /// Namespaces connected to it.
    #[serde(default)]
    pub connected_to: Vec<String>,
    /// What is left out and why.
    #[serde(default)]
    pub excluded: Vec<Exclusion>,
    /// Who says so.
    pub declared_by: String,
    /// When.
    pub declared_on: NaiveDate,
}

/// Names, or labels, or both: either selects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selection {
    /// By name.
    pub names: Vec<String>,
    /// By labels, all of which must match.
    pub labels: BTreeMap<String, String>,
}

/// What is left out of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclusion {
    /// `namespaces/staging`.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// owners.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OwnersFile {
    /// `kubeproof.dev/v1`.
    pub api_version: Option<String>,
    /// Label on namespaces that names the team; `app.kubernetes.io/team` when absent.
    pub label: Option<String>,
    /// Teams and their namespaces.
    pub teams: Vec<Team>,
    /// Owners of requirements.
    pub requirements: Vec<RequirementOwner>,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Team {
    /// `team-shop`.
    pub name: String,
    /// Namespaces it owns.
    pub namespaces: Vec<String>,
}

/// Owner of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequirementOwner {
    /// `pci-dss/1.3.1`.
    pub id: String,
    /// The company's own control id.
    #[serde(default)]
    pub company_control: Option<String>,
    /// Team.
    #[serde(default)]
    pub owner: Option<String>,
}

/// waivers.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaiversFile {
    /// `kubeproof.dev/v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Waivers.
    pub waivers: Vec<Waiver>,
}

/// A failure that somebody accepts for a while. It stays a failure, marked waived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    /// `W-7`.
    pub id: String,
    /// Why it is accepted.
    pub kind: WaiverKind,
    /// Check id.
    pub check: String,
    /// Which resources; globs (`*`) allowed in each.
    pub resources: Selector,
    /// Why.
    pub reason: String,
    /// Approver as written; the identity is not verified.
    pub approver: String,
    /// First day.
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// Last day.
    pub until: NaiveDate,
    /// Document; required for compensating controls and addressable alternatives.
    #[serde(default)]
    pub document: Option<String>,
    /// Ticket.
    #[serde(default)]
    pub ticket: Option<String>,
}

/// The five kinds of waiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverKind {
    /// The check is wrong here.
    FalsePositive,
    /// The risk is accepted.
    RiskAccepted,
    /// Another control does the same.
    CompensatingControl,
    /// HIPAA: another measure for an addressable specification.
    AddressableAlternative,
    /// Not what the framework is about.
    OutOfScope,
}

/// Which resources an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selector {
    /// Kind.
    pub kind: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Container.
    pub container: Option<String>,
    /// Labels of the object, all of which must match.
    pub labels: BTreeMap<String, String>,
    /// Stable place in the object (`stock`: what stock roles give a subject).
    pub place: Option<String>,
}

/// attestations.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttestationsFile {
    /// `kubeproof.dev/v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Attestations.
    pub attestations: Vec<Attestation>,
}

/// What a person says of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attestation {
    /// `A-07`.
    pub id: String,
    /// `pci-dss/1.2.7`.
    pub requirement: String,
    /// What is said.
    pub statement: String,
    /// Who, with the role.
    pub by: String,
    /// When.
    pub on: NaiveDate,
    /// Last day.
    pub until: NaiveDate,
    /// Evidence files, copied into the bundle.
    #[serde(default)]
    pub files: Vec<String>,
}

/// expected.yaml: what every cluster has by design.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedFile {
    /// `kubeproof.dev/v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Entries.
    pub expected: Vec<ExpectedItem>,
}

/// One thing that is as it is by design.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedItem {
    /// `X-kube-proxy`.
    pub id: String,
    /// Check id.
    #[serde(default)]
    pub check: Option<String>,
    /// Several check ids, instead of `check`.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Which resources; globs (`*`) allowed in each.
    pub resources: Selector,
    /// Why.
    pub reason: String,
}
