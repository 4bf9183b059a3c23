//! Configuration files (formats.md): kubeproof.yaml, scope, owners, waivers, attestations, providers, expected.
//! Unknown keys are errors with file:line and the nearest key.

use std::{collections::BTreeMap, fmt, ops::Deref};

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

mod notify;
mod providers;
mod span;

pub use notify::{HookConfig, HookFormat, MetricsConfig, Occasion, Private, web_address};
pub use providers::{ProviderDocument, ProvidersFile};
pub use span::Span;

/// `apiVersion` of every definition and configuration file.
pub const API_VERSION: &str = "kubeproof.dev/v1";

/// A definition or configuration file that is wrong, with the place and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LoadError {
    /// Path as given, or below the rules' root.
    pub file: String,
    /// 1-based; 0 when the file as a whole is meant.
    pub line: u32,
    /// 1-based; 0 when the line as a whole is meant.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do, such as the nearest name.
    pub hint: Option<String>,
}

impl LoadError {
    /// An error about a whole file.
    pub fn file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0, message: message.into(), hint: None }
    }

    /// An error at a line.
    pub fn line(file: impl Into<String>, line: u32, message: impl Into<String>) -> Self {
        Self { file: file.into(), line, column: 0, message: message.into(), hint: None }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the nearest of `known` to `wrong` as a hint, if one is near.
    pub fn nearest<'a>(mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.hint = nearest(wrong, known).map(|name| format!("did you mean '{name}'?"));
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The name of `known` that is nearest to `wrong`, if it is near enough to be a slip.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

/// A parsed file and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Located<T> {
    /// Path as given.
    pub file: String,
    /// The content.
    pub value: T,
}

/// A list entry that remembers its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// 1-based line; 0 for entries that were not read from a file.
    pub line: u32,
    /// The entry.
    pub value: T,
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { line: u32::try_from(spanned.referenced.line()).unwrap_or(0), value: spanned.value })
    }
}

impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// An `apiVersion` that this program does not read.
pub fn unknown_version(file: &str, version: Option<&str>) -> Option<LoadError> {
    let version = version.filter(|version| *version != API_VERSION)?;
    let error = LoadError::file(file, format!("apiVersion '{version}' is not known"));
    Some(error.hint(format!("this program reads {API_VERSION}")))
}

/// Reads one YAML document strictly: unknown and duplicate keys are errors with their place and the nearest key.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_yaml<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<Located<T>, LoadError> {
    serde_saphyr::from_slice(bytes)
        .map(|value| Located { file: file.into(), value })
        .map_err(|error| yaml_error(file, &error))
}

/// A YAML error with its place; for unknown names, the nearest known one.
pub fn yaml_error(file: &str, error: &serde_saphyr::Error) -> LoadError {
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    let text = error.without_snippet().to_string();
    // The reader repeats the position at the end of its sentence, and names an option that is ours to set.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let message = without_urls(message.split(", set DuplicateKeyPolicy").next().unwrap_or(message));
    let error = LoadError {
        file: file.into(),
        line: u32::try_from(line).unwrap_or(0),
        column: u32::try_from(column).unwrap_or(0),
        message: message.clone(),
        hint: None,
    };
    let named = message.split_once("unknown field `").or_else(|| message.split_once("unknown variant `"));
    match named.and_then(|(_, rest)| rest.split_once("`, expected ")) {
        Some((wrong, expected)) => {
            let expected = expected.trim_start_matches("one of ");
            error.nearest(wrong, expected.split(", ").map(|name| name.trim_matches('`')))
        }
        None => error,
    }
}

/// A sentence without what follows the `://` of a URL that it repeats: addresses of hooks are credentials.
fn without_urls(message: &str) -> String {
    let Some((before, rest)) = message.split_once("://") else { return message.to_owned() };
    let expected = ["\", expected ", "`, expected "].iter().filter_map(|mark| rest.rfind(mark)).max();
    format!("{before}://…{}", expected.map_or("", |at| &rest[at..]))
}

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
    /// providers.yaml.
    pub providers: Option<String>,
    /// expected.yaml, added to the built-in list.
    pub expected: Option<String>,
    /// noise.yaml: changes that drift counts and does not list, added to the built-in list.
    pub noise: Option<String>,
    /// parameters.yaml: what is set in checks that have parameters.
    pub parameters: Option<String>,
    /// Folder with what the API does not show: `audit/`, `cloud/`, `scans/`, `nodes/`.
    pub inputs: Option<String>,
    /// What kubelets are asked.
    pub kubelet: KubeletConfig,
    /// Marking on every page.
    pub confidentiality: Option<String>,
    /// Gaps in coverage that are known and accepted.
    pub expected_gaps: Vec<At<ExpectedGap>>,
    /// Who is told of a run; never written anywhere.
    #[serde(skip_serializing)]
    pub notify: Vec<At<HookConfig>>,
    /// Where numbers of runs are written; decides nothing, so no bundle holds it.
    #[serde(skip_serializing)]
    pub metrics: MetricsConfig,
    /// Write each run's tables into the store's `lake/` too, for query engines.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lake: bool,
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

/// What kubelets are asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubeletConfig {
    /// Ask every kubelet whose certificate is verified for its configuration.
    pub configz: bool,
    /// PEM file with CA certificates of kubelets, beside the cluster's own.
    pub ca: Option<String>,
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
    /// `*`: the whole cluster.
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
    pub scopes: Vec<At<Scope>>,
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
    pub waivers: Vec<At<Waiver>>,
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

impl WaiverKind {
    /// What a person reads: `risk accepted`.
    pub fn words(self) -> &'static str {
        match self {
            Self::FalsePositive => "false positive",
            Self::RiskAccepted => "risk accepted",
            Self::CompensatingControl => "compensating control",
            Self::AddressableAlternative => "addressable alternative",
            Self::OutOfScope => "out of scope",
        }
    }

    /// It rests on another measure, which a document describes.
    pub fn needs_document(self) -> bool {
        matches!(self, Self::CompensatingControl | Self::AddressableAlternative)
    }
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
    pub attestations: Vec<At<Attestation>>,
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
    pub expected: Vec<At<ExpectedItem>>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest_key() {
        let error = parse_yaml::<Config>("kubeproof.yaml", b"apiVersion: kubeproof.dev/v1\nstore: [a]\n").unwrap_err();
        assert_eq!(error.to_string().split(", expected").next(), Some("kubeproof.yaml:2:1: unknown field `store`"));
        assert_eq!(error.hint.as_deref(), Some("did you mean 'stores'?"));
    }

    #[test]
    fn a_duplicate_key_is_an_error() {
        let error = parse_yaml::<Config>("k.yaml", b"scope: a\nscope: b\n").unwrap_err();
        assert_eq!(error.to_string(), "k.yaml:2:1: duplicate mapping key: scope");
    }

    #[test]
    fn entries_remember_their_lines() {
        let text = b"waivers:\n  - {id: W-1, kind: risk-accepted, check: c, resources: {}, reason: r, approver: a, until: 2026-12-01}\n  - id: W-2\n    kind: out-of-scope\n    check: c\n    resources: {kind: Pod}\n    reason: r\n    approver: a\n    until: 2026-12-01\n";
        let file = parse_yaml::<WaiversFile>("w.yaml", text).unwrap();
        assert_eq!(
            file.value.waivers.iter().map(|w| (w.line, w.id.as_str())).collect::<Vec<_>>(),
            [(2, "W-1"), (3, "W-2")]
        );
    }
}
