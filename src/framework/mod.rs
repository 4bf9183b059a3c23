//! Definitions: checks and frameworks, loaded and validated. They are data; this module never evaluates.

pub mod check;
pub mod defaults;
pub mod embedded;
pub mod library;
pub mod load;
pub mod parameters;
pub mod path;
pub mod policy;
pub mod position;
pub mod select;
pub mod template;
pub mod versions;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use check::Minor;
pub use embedded::{embedded, folder};
pub use library::{Check, Library};
pub use load::load_frameworks;
pub use select::{Selected, select};
pub use versions::Versions;

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical: an attacker's next step.
    Critical,
}

/// The frameworks whose rows are the admission's own, by the policy version that a namespace pins.
pub const POD_SECURITY: [&str; 2] = ["pss-baseline", "pss-restricted"];

/// Files that decide, by path relative to `data/rules/` (`checks/pod/container-privileged.yaml`, `frameworks/….yaml`,
/// `expected.yaml`, `scope.yaml`, ...). Embedded library, user's folders and a bundle's rules all become one of these.
pub type RuleFiles = BTreeMap<String, Vec<u8>>;

/// What a framework is: benchmarks and guides can pass by machine, regulations never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameworkKind {
    /// CIS benchmarks.
    Benchmark,
    /// NSA/CISA, Pod Security Standards.
    Guide,
    /// PCI DSS, HIPAA, GDPR: evaluated only within a declared scope, never `automated`.
    Regulation,
}

/// How much of a requirement a cluster can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowCoverage {
    /// A rule decides.
    Automated,
    /// A rule decides part, a person the rest.
    Partial,
    /// A person decides.
    Manual,
}

/// `frameworks/<id>-<version>.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Framework {
    /// `kubeproof.dev/v1`.
    pub api_version: String,
    /// `cis-kubernetes`.
    pub id: String,
    /// `2.0.1`.
    pub version: String,
    /// Full title in our own words.
    pub title: String,
    /// Benchmark, guide or regulation.
    pub kind: FrameworkKind,
    /// Kubernetes minor versions it is stated for (`1.34-1.35`).
    #[serde(default)]
    pub kubernetes: Option<String>,
    /// Platforms it is for (`eks`); empty for every cluster.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Where the ids come from, and the licence note.
    pub source: String,
    /// Every requirement.
    pub requirements: Vec<Requirement>,
    /// Ids that a cluster says nothing about, with what they are about.
    #[serde(default)]
    pub outside: Vec<Outside>,
}

/// One requirement of a framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// The framework's own id.
    pub id: String,
    /// Our own sentence.
    pub title: String,
    /// Section heading, our own words.
    #[serde(default)]
    pub section: Option<String>,
    /// Level (`1`, `2`, `baseline`, `required`, `addressable`).
    #[serde(default)]
    pub level: Option<String>,
    /// How much of it a cluster can answer.
    pub coverage: RowCoverage,
    /// The benchmark's own label (`manual test`, ...), a fact beside our coverage.
    #[serde(default)]
    pub assessment: Option<String>,
    /// How often it is to be shown.
    #[serde(default)]
    pub periodicity: Option<String>,
    /// Checks that set its status.
    #[serde(default)]
    pub decides: Vec<String>,
    /// Checks that give evidence but set nothing.
    #[serde(default)]
    pub supports: Vec<String>,
    /// What a reader should know.
    #[serde(default)]
    pub note: Option<String>,
}

/// An id of the framework that a cluster says nothing about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outside {
    /// Id or range of ids.
    pub id: String,
    /// What it is about, our own words.
    pub about: String,
}
