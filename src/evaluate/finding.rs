//! One check at one place. A large cluster has a hundred thousand of these: texts that many of them share are shared.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Outcome, PolicyOf};
use crate::{
    digest::{Digest, lower_hex},
    framework::Severity,
    resource::ResourceRef,
    snapshot::Object,
};

/// One check at one place (`--format json`, `findings`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its identity over time.
    pub id: FindingId,
    /// Check id.
    pub check: Arc<str>,
    /// Severity of the check.
    pub severity: Severity,
    /// What the check says.
    pub outcome: Outcome,
    /// Why it was not evaluated or not applicable.
    pub reason: Option<Arc<str>>,
    /// The object; for a question about a whole list that was not seen, the list itself (kind `List`); for one about
    /// the provider's side, the platform (kind `Provider`); for a check that waits for a parameter, the check (kind
    /// `Parameters`).
    pub resource: Arc<ResourceRef>,
    /// Where in it.
    pub place: Place,
    /// What was found; `null` when unset.
    pub observed: Value,
    /// What was expected, in words.
    pub expected: Arc<str>,
    /// One sentence.
    pub message: Arc<str>,
    /// Objects that it rests on, with the digests under which the snapshot holds them.
    pub evidence: Arc<[Evidence]>,
    /// File and line, for manifests.
    pub file: Option<FilePosition>,
    /// `cis-kubernetes/5.2.2`: requirements of selected frameworks that this check decides or supports.
    pub requirements: Arc<[String]>,
    /// Team that owns it.
    pub owner: Option<Arc<str>>,
    /// Waiver id, when waived: the outcome stays.
    pub waiver: Option<Arc<str>>,
    /// Entry that makes it a system item: the outcome stays.
    pub expected_by: Option<Arc<str>>,
    /// For which rows it counts, where the namespace pins a policy version that says otherwise; else for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyOf>,
}

impl Finding {
    /// Says something about the rows of this framework.
    pub fn counts_for(&self, framework: &str) -> bool {
        self.policy.is_none_or(|policy| policy.counts_for(framework))
    }

    /// A failure that somebody must act on: not waived, not expected.
    pub fn is_open_failure(&self) -> bool {
        self.outcome == Outcome::Fail && self.waiver.is_none() && self.expected_by.is_none()
    }
}

/// The identity of a finding over time: the first 8 bytes of SHA-256 over RFC 8785 of
/// `[check, group, kind, namespace, name, stable place]`, shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId([u8; 8]);

impl FindingId {
    /// The identity of what `check` says at the stable place of `resource`.
    pub fn of(check: &str, resource: &ResourceRef, stable: &str) -> Self {
        // A tuple of texts and null is written as a canonical array, and texts always can be.
        let identity = (check, resource.group(), &resource.kind, &resource.namespace, &resource.name, stable);
        let Digest([a, b, c, d, e, f, g, h, ..]) = Digest::of(serde_json::to_vec(&identity).unwrap_or_default());
        Self([a, b, c, d, e, f, g, h])
    }

    /// The same as a number, in the same order.
    pub(crate) fn number(self) -> u64 {
        u64::from_be_bytes(self.0)
    }

    /// The id with that number.
    pub(crate) fn of_number(number: u64) -> Self {
        Self(number.to_be_bytes())
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.number())
    }
}

impl fmt::Debug for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for FindingId {
    type Err = InvalidFindingId;

    fn from_str(text: &str) -> Result<Self, InvalidFindingId> {
        lower_hex(text).map(Self).ok_or_else(|| InvalidFindingId(text.chars().take(40).collect()))
    }
}

/// A text that is no finding id.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a finding id (16 lower-case hex digits)")]
pub struct InvalidFindingId(String);

impl Serialize for FindingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FindingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where in an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Place {
    /// Container, where the check walks containers.
    pub container: Option<Arc<str>>,
    /// JSON Pointer (RFC 6901) into the stored object.
    pub path: Arc<str>,
    /// The same with list items by name or value, so that order does not matter.
    pub stable: Arc<str>,
}

/// An object that a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// `Deployment/shop/cart`.
    pub resource: Arc<str>,
    /// Digest of the stored object.
    pub digest: Digest,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource, self.digest)
    }
}

impl Evidence {
    /// As [`Display`](fmt::Display) writes it.
    pub fn read(text: &str) -> Option<Self> {
        let (resource, digest) = text.rsplit_once(' ')?;
        Some(Self { resource: resource.into(), digest: digest.parse().ok()? })
    }

    /// An object as the snapshot holds it.
    pub fn of(object: &Object) -> Self {
        Self { resource: object.reference().to_string().into(), digest: object.digest }
    }
}

/// A place in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePosition {
    /// Path as given.
    pub path: Arc<str>,
    /// 1-based line.
    pub line: u32,
}
