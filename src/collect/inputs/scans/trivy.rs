//! `trivy image --format json`.

use serde::Deserialize;

use super::{
    Found, Problem,
    draft::{Names, first_version, named, time},
};
use crate::snapshot::{ImageScan, Vulnerability, VulnerabilitySeverity, distinct};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    created_at: Option<String>,
    artifact_name: String,
    artifact_type: Option<String>,
    metadata: Option<Metadata>,
    results: Option<Vec<Target>>,
    trivy: Option<Tool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tool {
    version: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    image_config: Option<ImageConfig>,
}

#[derive(Deserialize)]
struct ImageConfig {
    created: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    class: Option<String>,
    vulnerabilities: Option<Vec<Entry>>,
    experimental_modified_findings: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(rename = "VendorIDs")]
    vendor_ids: Option<Vec<String>>,
    pkg_name: String,
    pkg_identifier: Option<Identifier>,
    installed_version: Option<String>,
    fixed_version: Option<String>,
    severity: Option<String>,
    published_date: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    #[serde(rename = "PURL")]
    purl: Option<String>,
}

impl From<Entry> for Vulnerability {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            package: entry.pkg_name,
            version: entry.installed_version.unwrap_or_default(),
            severity: VulnerabilitySeverity::from_word(entry.severity.as_deref().unwrap_or_default()),
            fixed: first_version(entry.fixed_version.as_deref().unwrap_or_default()),
            published: time(entry.published_date.as_deref()),
            aliases: entry.vendor_ids.unwrap_or_default(),
            purl: entry.pkg_identifier.and_then(|identifier| identifier.purl),
        }
    }
}

pub(super) fn read(bytes: &[u8], source: String) -> Result<Found, Problem> {
    let report: Report = serde_json::from_slice(bytes)?;
    if let Some(other) = report.artifact_type.filter(|kind| kind != "container_image") {
        return Err(Problem::new(format!("is Trivy's result for a {other}, not for an image: leave it out")));
    }
    let metadata = report.metadata.unwrap_or_default();
    let results = report.results.unwrap_or_default();
    // A search for secrets alone has no such target either, and is no search for vulnerabilities.
    if !results.iter().any(|target| matches!(target.class.as_deref(), Some("os-pkgs" | "lang-pkgs"))) {
        return Err(Problem::new("holds no packages that Trivy looked at: scan with --scanners vuln"));
    }
    let mut names = Names::default();
    names.reference(&report.artifact_name);
    names.references(metadata.repo_tags);
    names.references(metadata.repo_digests);
    let ignored = results.iter().flat_map(|target| &target.experimental_modified_findings).map(Vec::len).sum::<usize>();
    let found = results.into_iter().filter_map(|target| target.vulnerabilities).flatten().map(Vulnerability::from);
    let scan = ImageScan {
        scanner: "trivy".into(),
        version: report.trivy.and_then(|tool| tool.version),
        at: time(report.created_at.as_deref()),
        created: time(metadata.image_config.and_then(|config| config.created).as_deref()),
        ignored: ignored as u64,
        source: Some(source),
        vulnerabilities: Some(distinct(found)),
        ..ImageScan::default()
    };
    Ok(Found { scan: Some(named(scan, names)?), vex: None })
}
