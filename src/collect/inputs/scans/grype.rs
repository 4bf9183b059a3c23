//! `grype --output json`.

use base64::Engine as _;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Found, Problem,
    draft::{Names, first_version, named, time},
};
use crate::snapshot::{ImageScan, Vulnerability, VulnerabilitySeverity, distinct};

/// Where Grype was told to look for the image; other prefixes name archives.
const PLACES: &[&str] = &["registry:", "docker:", "podman:", "containerd:"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    matches: Vec<Match>,
    ignored_matches: Option<Vec<IgnoredAny>>,
    source: Option<Source>,
    descriptor: Descriptor,
}

#[derive(Deserialize)]
struct Descriptor {
    version: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    /// An object for images, a path for folders.
    target: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    user_input: Option<String>,
    manifest_digest: Option<String>,
    tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    config: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Match {
    vulnerability: Entry,
    related_vulnerabilities: Option<Vec<Related>>,
    artifact: Artifact,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    severity: Option<String>,
    fix: Option<Fix>,
}

#[derive(Deserialize)]
struct Fix {
    versions: Option<Vec<String>>,
    available: Option<Vec<Available>>,
}

#[derive(Deserialize)]
struct Available {
    date: Option<String>,
}

#[derive(Deserialize)]
struct Related {
    id: String,
}

#[derive(Deserialize)]
struct Artifact {
    name: String,
    version: Option<String>,
    purl: Option<String>,
}

impl From<Match> for Vulnerability {
    fn from(found: Match) -> Self {
        let fix = found.vulnerability.fix;
        let fixed = fix.as_ref().and_then(|fix| fix.versions.as_ref()?.first());
        let dates = fix.iter().flat_map(|fix| fix.available.iter().flatten());
        Self {
            id: found.vulnerability.id,
            package: found.artifact.name,
            version: found.artifact.version.unwrap_or_default(),
            severity: VulnerabilitySeverity::from_word(found.vulnerability.severity.as_deref().unwrap_or_default()),
            fixed: fixed.map(|fixed| first_version(fixed)).unwrap_or_default(),
            // Grype does not say when a vulnerability became known, but newer ones when it was repaired.
            published: dates.filter_map(|fix| day(fix.date.as_deref()?)).min(),
            aliases: found.related_vulnerabilities.into_iter().flatten().map(|related| related.id).collect(),
            purl: found.artifact.purl.filter(|purl| !purl.is_empty()),
        }
    }
}

/// A date with or without a time.
fn day(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    time(Some(text)).or_else(|| time(Some(&format!("{text}T00:00:00Z"))))
}

pub(super) fn read(bytes: &[u8], source: String) -> Result<Found, Problem> {
    let report: Report = serde_json::from_slice(bytes)?;
    let target = match report.source {
        Some(Source { kind, target }) if kind == "image" => Target::deserialize(target)?,
        Some(Source { kind, .. }) => {
            return Err(Problem::new(format!("is Grype's result for a {kind}, not for an image: leave it out")));
        }
        None => return Err(Problem::new("does not say what Grype looked at")),
    };
    let mut names = Names::default();
    if let Some(input) = &target.user_input {
        names.reference(PLACES.iter().find_map(|place| input.strip_prefix(place)).unwrap_or(input));
    }
    target.manifest_digest.iter().for_each(|digest| names.digest(digest));
    names.references(target.tags);
    names.references(target.repo_digests);
    let scan = ImageScan {
        scanner: "grype".into(),
        version: report.descriptor.version,
        at: time(report.descriptor.timestamp.as_deref()),
        created: target.config.as_deref().and_then(created),
        ignored: report.ignored_matches.map_or(0, |ignored| ignored.len() as u64),
        source: Some(source),
        vulnerabilities: Some(distinct(report.matches.into_iter().map(Vulnerability::from))),
        ..ImageScan::default()
    };
    Ok(Found { scan: Some(named(scan, names)?), vex: None })
}

/// When the image was built, from its configuration in base64.
fn created(config: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    #[derive(Deserialize)]
    struct Config {
        created: Option<String>,
    }
    let config = base64::engine::general_purpose::STANDARD.decode(config).ok()?;
    time(serde_json::from_slice::<Config>(&config).ok()?.created.as_deref())
}
