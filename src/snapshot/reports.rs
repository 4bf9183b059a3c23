//! Reports of trivy-operator: what is kept of them, and the scan that they are.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ImageReference, ImageScan, Object, Vulnerability, VulnerabilitySeverity, scan::distinct};

/// Group of trivy-operator's kinds.
pub const REPORTS_GROUP: &str = "aquasecurity.github.io";
/// The kinds that are read.
pub const REPORTS: &[&str] = &["ClusterSbomReport", "ClusterVulnerabilityReport", "SbomReport", "VulnerabilityReport"];

/// Fields of `report` that are kept; descriptions, links, scores and the list of components are most of its size.
const KEPT: &[&str] = &["artifact", "registry", "scanner", "summary", "updateTimestamp", "vulnerabilities"];
/// Fields of each vulnerability that are kept.
const KEPT_VULNERABILITY: &[&str] =
    &["vulnerabilityID", "resource", "installedVersion", "fixedVersion", "severity", "publishedDate", "packagePURL"];

/// Reduces a report to what evidence needs.
pub(super) fn reduce(object: &mut Map<String, Value>) {
    object.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "report"));
    let Some(report) = object.get_mut("report").and_then(Value::as_object_mut) else { return };
    report.retain(|field, _| KEPT.contains(&field.as_str()));
    let vulnerabilities = report.get_mut("vulnerabilities").and_then(Value::as_array_mut);
    for vulnerability in vulnerabilities.into_iter().flatten().filter_map(Value::as_object_mut) {
        vulnerability.retain(|field, _| KEPT_VULNERABILITY.contains(&field.as_str()));
    }
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    report: Report,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    update_timestamp: Option<String>,
    scanner: Scanner,
    registry: Registry,
    artifact: Artifact,
    vulnerabilities: Option<Vec<Entry>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Scanner {
    name: String,
    version: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Registry {
    server: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Artifact {
    repository: String,
    tag: String,
    digest: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    #[serde(rename = "vulnerabilityID")]
    id: String,
    resource: String,
    installed_version: String,
    fixed_version: String,
    severity: String,
    published_date: Option<String>,
    #[serde(rename = "packagePURL")]
    purl: Option<String>,
}

/// The scan that a stored report is; `None` for other objects and for reports that name no image.
pub fn report_scan(object: &Object) -> Option<ImageScan> {
    if object.gvk.group != REPORTS_GROUP || !REPORTS.contains(&object.gvk.kind.as_str()) {
        return None;
    }
    let Stored { report } = serde_json::from_str(&object.json).ok()?;
    let looked = object.gvk.kind.ends_with("VulnerabilityReport");
    let found = report.vulnerabilities.unwrap_or_default().into_iter().map(Vulnerability::from);
    let reference = reference(&report.registry.server, &report.artifact)?;
    Some(ImageScan {
        digests: reference.digest.clone().into_iter().collect(),
        references: vec![reference.to_string()],
        scanner: if report.scanner.name.is_empty() { "trivy".into() } else { report.scanner.name.to_lowercase() },
        version: report.scanner.version,
        at: time(report.update_timestamp.as_deref()),
        sbom: !looked,
        vulnerabilities: looked.then(|| distinct(found)),
        ..ImageScan::default()
    })
}

/// The operator splits the image's name. Beside a tag, `digest` is that of the image's configuration and no digest that
/// a registry or a pod knows; only an image that is named by digest has that digest there.
fn reference(server: &str, artifact: &Artifact) -> Option<ImageReference> {
    let name =
        if server.is_empty() { artifact.repository.clone() } else { format!("{server}/{}", artifact.repository) };
    let text = match (artifact.tag.as_str(), artifact.digest.as_str()) {
        ("", "") => name,
        ("", digest) => format!("{name}@{digest}"),
        (tag, _) => format!("{name}:{tag}"),
    };
    text.parse().ok()
}

impl From<Entry> for Vulnerability {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            package: entry.resource,
            version: entry.installed_version,
            severity: VulnerabilitySeverity::from_word(&entry.severity),
            fixed: entry.fixed_version.split(',').next().unwrap_or_default().trim().to_owned(),
            published: time(entry.published_date.as_deref()),
            aliases: Vec::new(),
            purl: entry.purl.filter(|purl| !purl.is_empty()),
        }
    }
}

fn time(text: Option<&str>) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::parse_from_rfc3339(text?).ok().map(|time| time.to_utc())
}
