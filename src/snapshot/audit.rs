//! Who wrote what, as API servers logged it and as it is stored: the `spec` of AuditTrail objects.
//!
//! Only metadata: what a request or an answer held is never read into these.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;

/// Kind of the objects whose `spec` is an [`AuditTrail`].
pub const AUDIT_TRAIL: &str = "AuditTrail";

/// An API server that is asked for nothing this long is none that anybody uses: the copy of its log is older.
const QUIET: TimeDelta = TimeDelta::hours(1);

/// The writes of one namespace, or of what has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditTrail {
    /// What was read, in the trail of what has no namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<AuditLog>,
    /// Writes, the latest first.
    pub writes: Vec<AuditWrite>,
}

/// What of an audit log was read and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLog {
    /// When the first event ended, whatever it was about.
    pub from: DateTime<Utc>,
    /// When the last event ended.
    pub to: DateTime<Utc>,
    /// Files that were read.
    pub files: u64,
    /// Events in them.
    pub events: u64,
    /// Lines that are no audit event.
    pub broken: u64,
    /// Writes that are kept.
    pub kept: u64,
    /// Writes that are not kept: too many of one object, too many in all, or too old.
    pub cut: u64,
    /// When the last of those ended that people did and in whose place nothing later of the object is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_until: Option<DateTime<Utc>>,
}

impl AuditLog {
    /// From when on nothing is missing.
    pub fn complete_from(&self) -> DateTime<Utc> {
        self.cut_until.map_or(self.from, |cut| cut.max(self.from))
    }

    /// Why changes from `since` to `until` may have been made by somebody whom the log does not name.
    pub fn gap(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Option<String> {
        let between = format!("the changes are between {} and {}", rfc3339(since), rfc3339(until));
        if self.from > since {
            return Some(format!("the audit log begins at {}, {between}", rfc3339(self.from)));
        }
        if self.to < until - QUIET {
            return Some(format!("the audit log ends at {}, {between}", rfc3339(self.to)));
        }
        let cut = self.cut_until.filter(|cut| *cut > since)?;
        Some(format!("of the audit log {} writes up to {} are not kept, {between}", self.cut, rfc3339(cut)))
    }
}

/// A request that changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditWrite {
    /// When the API server had answered.
    pub time: DateTime<Utc>,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// Who was authenticated.
    pub user: String,
    /// In whose name it was asked, where somebody was impersonated.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub acting_as: Option<String>,
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural name.
    pub resource: String,
    /// `scale`, `eviction`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// Name of the object; a collection has none, nor has an object whose name the server was still to make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// uid of the object, where the log says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The API server's own id of the request.
    pub audit_id: String,
    /// Addresses of the caller and of proxies.
    #[serde(rename = "sourceIPs")]
    pub source_ips: Vec<String>,
    /// The program that asked, as it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl AuditWrite {
    /// `deployments.apps`, `pods`.
    pub fn resource_id(&self) -> String {
        if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) }
    }

    /// One of Kubernetes' own components, which write all day, did it in its own name.
    pub fn is_system(&self) -> bool {
        self.acting_as.is_none() && is_system_user(&self.user)
    }
}

/// A user that is one of Kubernetes' own components.
pub fn is_system_user(user: &str) -> bool {
    const OWN: [&str; 4] = ["system:node:", "system:kube-", "system:apiserver", "system:serviceaccount:kube-system:"];
    OWN.iter().any(|prefix| user.starts_with(prefix))
}
