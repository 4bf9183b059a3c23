//! Stage 1: what was asked, what was answered, what was refused.
//!
//! Every source (a live cluster, manifests, a recorded cluster) gives a [`Collected`]; objects are sealed by
//! [`crate::snapshot::Sealer`] page by page, so that nothing unredacted outlives its page.

pub mod cluster;
pub mod inputs;
pub mod manifests;
pub mod node;
pub mod recorded;
pub mod resources;
pub mod yaml;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{digest::Digest, snapshot::Object};

/// The schema of `data/coverage.json`.
pub const SCHEMA: &str = "kubeproof.dev/coverage/v1";

/// Everything one collection brought back.
#[derive(Debug, Clone)]
pub struct Collected {
    /// Where it came from.
    pub source: Source,
    /// What was asked and answered, which is evidence itself.
    pub coverage: Coverage,
    /// Redacted objects, in no particular order.
    pub objects: Vec<Object>,
    /// Inputs that could not be read; the rest went on.
    pub errors: Vec<InputError>,
}

/// Where a collection came from, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Which kind of source.
    pub kind: SourceKind,
    /// A path, a kubeconfig context or a server URL.
    pub name: String,
}

/// The kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A live API server.
    Cluster,
    /// Files and folders of YAML or JSON.
    Manifests,
    /// A folder that `run --record` wrote.
    Recorded,
    /// A bundle, evaluated again.
    Bundle,
}

/// An input that could not be read, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputError {
    /// File path as given.
    pub file: String,
    /// 1-based line, where known.
    pub line: Option<u32>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// `data/coverage.json`: every request, who asked, and what was answered. "Information produced by the entity".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Coverage {
    /// `kubeproof.dev/coverage/v1`.
    pub schema: String,
    /// The source this came from. A recorded cluster keeps the original's.
    pub source: Source,
    /// The cluster's identity.
    pub cluster: ClusterIdentity,
    /// First request, UTC.
    pub started: DateTime<Utc>,
    /// Last answer, UTC.
    pub finished: DateTime<Utc>,
    /// SelfSubjectReview; `None` for manifests or when refused.
    pub caller: Option<Caller>,
    /// The API server.
    pub server: Option<Server>,
    /// Groups whose discovery failed, with the reason: what they hold is unknown.
    pub discovery_failures: Vec<DiscoveryFailure>,
    /// One record for each list, also for those refused or not served; sorted by group, resource.
    pub lists: Vec<ListRecord>,
    /// Key id of the redaction key (first 8 hex of its SHA-256); `None` when nothing keyed was written.
    pub redaction_key: Option<String>,
    /// Resources that are never asked for, with the reason (Secrets, Events).
    pub excluded: Vec<Excluded>,
}

/// Who the cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterIdentity {
    /// Configured name, else derived from the kubeconfig context or the folder.
    pub name: String,
    /// uid of the kube-system namespace, else the configured uid.
    pub uid: Option<String>,
    /// `gitVersion` of the API server (`v1.37.2`), else the version told with `--kubernetes-version`.
    pub kubernetes: Option<String>,
    /// Recognised platform (`kubeadm`, `eks`, `gke`, `aks`, `k3s`, ...), `None` when not recognised.
    pub platform: Option<String>,
}

impl ClusterIdentity {
    /// The cluster's folder in a store: the name and the first 8 hex of the uid, else `nouid`.
    pub fn folder(&self) -> String {
        let uid: String = self.uid.iter().flat_map(|u| u.chars()).filter(char::is_ascii_hexdigit).take(8).collect();
        let name: String = self
            .name
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
            .collect();
        format!("{name}-{}", if uid.is_empty() { "nouid".into() } else { uid.to_lowercase() })
    }
}

/// Who asked: the answer to a SelfSubjectReview, and the rules in force for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Caller {
    /// User name.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
    /// SelfSubjectRulesReview of the caller's namespace: the server's own summary of what it may do.
    pub rules: Vec<CallerRule>,
    /// The server said that the list of rules is incomplete.
    pub rules_incomplete: bool,
}

/// One rule of a SelfSubjectRulesReview.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallerRule {
    /// Verbs.
    pub verbs: Vec<String>,
    /// API groups; empty for non-resource rules.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Resources, or non-resource URLs.
    pub resources: Vec<String>,
    /// Object names the rule is limited to.
    #[serde(default)]
    pub names: Vec<String>,
}

/// The API server that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// URL without credentials.
    pub url: String,
    /// Digest of the CA bundle that the connection trusted; `None` for the system's roots.
    pub ca: Option<Digest>,
    /// TLS was not verified (`insecure-skip-tls-verify`): worth a line in the report.
    pub insecure: bool,
}

/// A group that discovery could not describe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoveryFailure {
    /// `group/version`.
    pub group_version: String,
    /// What the server said.
    pub message: String,
}

/// A resource that is left out on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Excluded {
    /// `secrets`.
    pub resource: String,
    /// Why.
    pub reason: String,
}

/// One list: what was asked and what came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListRecord {
    /// API group, empty for core.
    pub group: String,
    /// API version that was asked for.
    pub version: String,
    /// Plural resource name (`deployments`).
    pub resource: String,
    /// Kind (`Deployment`).
    pub kind: String,
    /// Whether objects have namespaces.
    pub namespaced: bool,
    /// First request path and query as sent.
    pub request: String,
    /// How it ended.
    pub outcome: ListOutcome,
    /// Objects received.
    pub count: u64,
    /// Pages received.
    pub pages: u32,
    /// Requests repeated after 429, 5xx, a lost connection or 410.
    pub retries: u32,
    /// resourceVersion of the list.
    pub resource_version: Option<String>,
    /// Milliseconds from first request to last answer.
    pub duration_ms: u64,
}

impl ListRecord {
    /// `deployments.apps`, `pods`: how checks and gaps name a resource.
    pub fn id(&self) -> String {
        if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) }
    }

    /// The group of the list's objects: answers of a subresource (`nodes/configz`) become objects of our own group.
    pub fn object_group(&self) -> &str {
        if self.resource.contains('/') { inputs::GROUP } else { &self.group }
    }
}

/// How a list ended. Refused, timed out, not served and empty are four different things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ListOutcome {
    /// Answered in full; a count of 0 is an empty list.
    Seen,
    /// The server does not serve this resource: there can be no such object.
    NotServed,
    /// The server refused: HTTP status and reason.
    Refused {
        /// HTTP status (401, 403).
        status: u16,
        /// The server's reason.
        reason: String,
    },
    /// No full answer within the time allowed.
    TimedOut {
        /// Seconds allowed.
        after_seconds: u64,
    },
    /// Any other failure.
    Failed {
        /// What happened.
        reason: String,
    },
    /// The source cannot show it (manifests hold no live nodes).
    NotInSource,
}

impl ListOutcome {
    /// The full answer is known: seen, or not served.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Seen | Self::NotServed)
    }

    /// One sentence for people; `None` when the list was seen.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Seen => None,
            Self::NotServed => Some("not served by this cluster".into()),
            Self::Refused { status, reason } => Some(format!("refused: {status} {reason}")),
            Self::TimedOut { after_seconds } => Some(format!("timed out after {after_seconds} s")),
            Self::Failed { reason } => Some(format!("failed: {reason}")),
            Self::NotInSource => Some("not in this source".into()),
        }
    }
}

impl Coverage {
    /// The record of `resource` (`deployments.apps`).
    pub fn list(&self, id: &str) -> Option<&ListRecord> {
        self.lists.iter().find(|l| l.id() == id)
    }

    /// Why a live cluster showed nothing at all: no list was answered. Such a run failed, and says so.
    pub fn failure(&self) -> Option<String> {
        let server = self.server.as_ref()?;
        if self.lists.iter().any(|list| list.outcome == ListOutcome::Seen) {
            return None;
        }
        let is_refusal = |list: &&ListRecord| matches!(list.outcome, ListOutcome::Refused { .. });
        let refused = self.lists.iter().find(is_refusal);
        let failed = self.unseen().find(|list| !is_refusal(list));
        let reason = |list: &ListRecord| list.outcome.reason().unwrap_or_default();
        Some(match (refused, failed) {
            (Some(refused), None) => {
                let caller = self.caller.as_ref().map_or("the caller", |caller| &caller.username);
                let reason = reason(refused);
                format!(
                    "{caller} may list nothing at {}: {reason}; grant the ClusterRole in schedules/kubernetes",
                    server.url
                )
            }
            (_, Some(failed)) => format!("no list was answered by {}: {}", server.url, reason(failed)),
            (None, None) => format!("no list is served by {}", server.url),
        })
    }

    /// Lists that were asked for and not answered.
    pub fn unseen(&self) -> impl Iterator<Item = &ListRecord> {
        self.lists.iter().filter(|l| !l.outcome.is_known())
    }
}
