//! What scanners said of images, as it is stored: the `spec` of ImageScan and VexDocument objects.
//!
//! Dates are kept and not ages, and statements beside what they are about: judging the stored objects again gives what
//! was judged first.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Kind of the objects whose `spec` is an [`ImageScan`].
pub const IMAGE_SCAN: &str = "ImageScan";
/// Kind of the objects whose `spec` is a [`VexDocument`].
pub const VEX_DOCUMENT: &str = "VexDocument";

/// One scanner's result for one image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageScan {
    /// References that the scanner has for the image, in full, sorted.
    pub references: Vec<String>,
    /// Digests of its manifest or index, sorted. The digest of its configuration is not among them.
    pub digests: Vec<String>,
    /// `trivy`, `grype`, ...
    pub scanner: String,
    /// The scanner's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was scanned, where the document says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// When the image was built, where the document says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    /// The document lists the image's components.
    pub sbom: bool,
    /// Serial number of the bill of materials, which VEX statements may refer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bom: Option<String>,
    /// Vulnerabilities that the scanner found and left out by rules of its own.
    pub ignored: u64,
    /// SHA-256 of the file that said so; absent where an object of the cluster did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What was found, sorted, each once; absent where nothing was looked for, which is not the same as nothing found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<Vec<Vulnerability>>,
}

/// One vulnerability of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Vulnerability {
    /// `CVE-2026-12345`, `GHSA-...`.
    pub id: String,
    /// Package name.
    pub package: String,
    /// Installed version.
    pub version: String,
    /// How bad the scanner says it is.
    pub severity: VulnerabilitySeverity,
    /// The first repaired version, or nothing.
    pub fixed: String,
    /// When it became known, else when it was repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<DateTime<Utc>>,
    /// Other ids of the same vulnerability, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Package URL, where the scanner says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

/// Sorted by id, package and version, each once: the worst severity, the earliest date, whatever the order was.
pub fn distinct(found: impl IntoIterator<Item = Vulnerability>) -> Vec<Vulnerability> {
    let mut distinct: BTreeMap<(String, String, String), Vulnerability> = BTreeMap::new();
    for mut new in found {
        new.aliases.retain(|alias| *alias != new.id && !alias.is_empty());
        new.aliases.sort();
        new.aliases.dedup();
        let key = (new.id.clone(), new.package.clone(), new.version.clone());
        match distinct.get_mut(&key) {
            Some(known) => merge(known, new),
            None => {
                distinct.insert(key, new);
            }
        }
    }
    distinct.into_values().collect()
}

fn merge(known: &mut Vulnerability, new: Vulnerability) {
    known.severity = known.severity.max(new.severity);
    known.published = earliest(known.published, new.published);
    known.purl = [known.purl.take(), new.purl].into_iter().flatten().min();
    let fixed = [std::mem::take(&mut known.fixed), new.fixed];
    known.fixed = fixed.into_iter().filter(|fixed| !fixed.is_empty()).min().unwrap_or_default();
    known.aliases.extend(new.aliases);
    known.aliases.sort();
    known.aliases.dedup();
}

fn earliest(a: Option<DateTime<Utc>>, b: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    a.into_iter().chain(b).min()
}

/// How bad a vulnerability is. Scanners' own words vary; what none of these says is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VulnerabilitySeverity {
    /// Not rated, or in words that are not known here.
    #[default]
    Unknown,
    /// Low, negligible or informative.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl VulnerabilitySeverity {
    /// Reads a scanner's word, in any case.
    pub fn from_word(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" | "negligible" | "info" | "informational" | "none" => Self::Low,
            _ => Self::Unknown,
        }
    }

    /// Reads a CVSS base score by its qualitative scale.
    pub fn from_score(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            _ => Self::Unknown,
        }
    }

    /// `critical`, as documents and checks write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Somebody's statements on which vulnerabilities matter where (OpenVEX, CycloneDX).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VexDocument {
    /// `openvex` or `cyclonedx`.
    pub format: String,
    /// The document's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who states it, as written; nothing verifies the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// SHA-256 of the file.
    pub source: String,
    /// Sorted, each once.
    pub statements: Vec<VexStatement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VexStatement {
    /// The vulnerability and its other ids, sorted.
    pub vulnerabilities: Vec<String>,
    /// What is stated.
    pub status: VexStatus,
    /// When; the newest statement counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// `vulnerable_code_not_present`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// What it is about.
    pub product: VexProduct,
}

/// Statuses of VEX, from the most reassuring to the most cautious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VexStatus {
    /// The vulnerability cannot be used here.
    NotAffected,
    /// It is repaired here.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
    /// It can be used here.
    Affected,
}

impl VexStatus {
    /// `not_affected`, as documents and checks write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAffected => "not_affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under_investigation",
            Self::Affected => "affected",
        }
    }
}

/// What a statement is about. Every part that is given must hold; a statement always gives one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VexProduct {
    /// Digests of an image, any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// References of an image in full, any of them; one without tag and digest means every tag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Serial number of the bill of materials that describes the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bom: Option<String>,
    /// Package URL of the package; without one, every package of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}
