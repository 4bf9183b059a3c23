//! CycloneDX: bills of materials with or without vulnerabilities, and VEX in either form.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde::Deserialize;

use super::{
    Found, Problem,
    draft::{Names, named, time},
};
use crate::snapshot::{
    ImageScan, VexDocument, VexProduct, VexStatement, VexStatus, Vulnerability, VulnerabilitySeverity, distinct,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    serial_number: Option<String>,
    metadata: Option<Metadata>,
    components: Option<Vec<Component>>,
    vulnerabilities: Option<Vec<Entry>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    timestamp: Option<String>,
    tools: Option<Tools>,
    component: Option<Component>,
    authors: Option<Vec<Author>>,
}

#[derive(Deserialize)]
struct Author {
    name: Option<String>,
}

/// A list up to version 1.4, an object since.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tools {
    List(Vec<Tool>),
    Object { components: Option<Vec<Tool>> },
}

#[derive(Deserialize, Clone)]
struct Tool {
    name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "bom-ref")]
    reference: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    group: Option<String>,
    #[serde(default)]
    name: String,
    version: Option<String>,
    purl: Option<String>,
    properties: Option<Vec<Property>>,
    components: Option<Vec<Component>>,
}

#[derive(Deserialize)]
struct Property {
    #[serde(default)]
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
    references: Option<Vec<EntryReference>>,
    ratings: Option<Vec<Rating>>,
    published: Option<String>,
    recommendation: Option<String>,
    affects: Option<Vec<Affected>>,
    analysis: Option<Analysis>,
}

#[derive(Deserialize)]
struct EntryReference {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Rating {
    severity: Option<String>,
    score: Option<f64>,
    method: Option<String>,
}

#[derive(Deserialize)]
struct Affected {
    #[serde(rename = "ref")]
    reference: String,
    versions: Option<Vec<AffectedVersion>>,
}

#[derive(Deserialize)]
struct AffectedVersion {
    range: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    state: Option<String>,
    justification: Option<String>,
    last_updated: Option<String>,
    first_issued: Option<String>,
}

/// Trivy writes the repaired version into a sentence.
static UPGRADE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"Upgrade (\S+) to version ([^\s,;]+)").unwrap_or_else(|error| unreachable!("{error}"))
});

pub(super) fn read(bytes: &[u8], source: String) -> Result<Found, Problem> {
    let bom: Bom = serde_json::from_slice(bytes)?;
    let metadata = bom.metadata.unwrap_or_default();
    let image = metadata.component.as_ref().filter(|component| component.kind.as_deref() == Some("container"));
    let names = image.map(image_names).filter(|names| !names.is_empty());
    let components = bom.components.unwrap_or_default();
    let entries = bom.vulnerabilities.unwrap_or_default();
    let serial = bom.serial_number.as_deref().map(serial);
    let mut by_reference = BTreeMap::new();
    index(&components, &mut by_reference);

    let at = time(metadata.timestamp.as_deref());
    let mut products = Products { references: Vec::new(), digests: Vec::new(), components: &by_reference };
    let mut scan = None;
    if let Some(names) = names {
        let tool = metadata.tools.and_then(Tools::first);
        // Tools write an empty list whether or not they looked, so only a list with something in it is a search.
        let found = (!components.is_empty() && !entries.is_empty()).then(|| found(&entries, &by_reference));
        let draft = ImageScan {
            scanner: tool.as_ref().and_then(|tool| tool.name.clone()).map_or("cyclonedx".into(), |n| n.to_lowercase()),
            version: tool.and_then(|tool| tool.version),
            at,
            sbom: !components.is_empty(),
            bom: serial.clone(),
            source: Some(source.clone()),
            vulnerabilities: found,
            ..ImageScan::default()
        };
        let named = named(draft, names)?;
        (products.references, products.digests) = (named.references.clone(), named.digests.clone());
        scan = Some(named).filter(|_| !components.is_empty());
    }
    let mut statements: Vec<VexStatement> = entries.iter().flat_map(|entry| statements(entry, &products, at)).collect();
    statements.sort();
    statements.dedup();
    let author = metadata.authors.into_iter().flatten().find_map(|author| author.name);
    let vex = VexDocument { format: "cyclonedx".into(), id: serial, author, source, statements };
    let vex = Some(vex).filter(|document| !document.statements.is_empty());
    match (&scan, &vex) {
        (None, None) => {
            Err(Problem::new("is CycloneDX, but describes no container image and states nothing that can be placed"))
        }
        _ => Ok(Found { scan, vex }),
    }
}

impl Tools {
    fn first(self) -> Option<Tool> {
        match self {
            Self::List(tools) => tools.into_iter().next(),
            Self::Object { components } => components.into_iter().flatten().next(),
        }
    }
}

/// The serial number without its scheme and version, as BOM-Links have it too.
fn serial(text: &str) -> String {
    let bare = text.strip_prefix("urn:uuid:").or_else(|| text.strip_prefix("urn:cdx:")).unwrap_or(text);
    bare.split('/').next().unwrap_or_default().to_ascii_lowercase()
}

fn image_names(component: &Component) -> Names {
    let mut names = Names::default();
    names.reference(&component.name);
    if let Some(version) = &component.version {
        names.digest(version);
        names.reference(&format!("{}:{version}", component.name));
    }
    let purl = component.purl.as_deref().and_then(|purl| purl.parse::<packageurl::PackageUrl<'_>>().ok());
    purl.iter().filter_map(|purl| purl.version()).for_each(|version| names.digest(version));
    for property in component.properties.iter().flatten() {
        if let ("aquasecurity:trivy:RepoTag" | "aquasecurity:trivy:RepoDigest", Some(value)) =
            (property.name.as_str(), &property.value)
        {
            names.reference(value);
        }
    }
    names
}

fn index<'a>(components: &'a [Component], into: &mut BTreeMap<&'a str, &'a Component>) {
    for component in components {
        component.reference.iter().for_each(|reference| {
            into.insert(reference, component);
        });
        // Nesting is bounded by the JSON reader's own limit.
        index(component.components.as_deref().unwrap_or_default(), into);
    }
}

fn found(entries: &[Entry], components: &BTreeMap<&str, &Component>) -> Vec<Vulnerability> {
    distinct(entries.iter().flat_map(|entry| {
        entry.affects.iter().flatten().map(move |affected| vulnerability(entry, affected, components))
    }))
}

fn vulnerability(entry: &Entry, affected: &Affected, components: &BTreeMap<&str, &Component>) -> Vulnerability {
    let component = components.get(affected.reference.as_str());
    let name = component.map_or(affected.reference.as_str(), |component| component.name.as_str());
    let group = component.and_then(|component| component.group.as_deref()).filter(|group| !group.is_empty());
    Vulnerability {
        id: entry.id.clone().unwrap_or_else(|| "unnamed".into()),
        package: group.map_or_else(|| name.to_owned(), |group| format!("{group}/{name}")),
        version: component.and_then(|component| component.version.clone()).unwrap_or_default(),
        severity: entry.ratings.iter().flatten().map(severity).max().unwrap_or_default(),
        fixed: fixed(entry, affected, name),
        published: time(entry.published.as_deref()),
        aliases: entry.references.iter().flatten().filter_map(|reference| reference.id.clone()).collect(),
        purl: component.and_then(|component| component.purl.clone()),
    }
}

/// The worst of several sources counts. Scores of other methods (EPSS, known exploitation) say nothing of severity.
fn severity(rating: &Rating) -> VulnerabilitySeverity {
    let cvss = rating.method.as_deref().is_some_and(|method| method.starts_with("CVSS"));
    match rating.severity.as_deref().map(VulnerabilitySeverity::from_word) {
        Some(VulnerabilitySeverity::Unknown) | None => {
            rating.score.filter(|_| cvss).map_or(VulnerabilitySeverity::Unknown, VulnerabilitySeverity::from_score)
        }
        Some(severity) => severity,
    }
}

fn fixed(entry: &Entry, affected: &Affected, package: &str) -> String {
    let unaffected = affected.versions.iter().flatten().filter(|v| v.status.as_deref() == Some("unaffected"));
    let from = unaffected.filter_map(|version| version.range.as_deref()?.split_once(">=")).next();
    if let Some((_, version)) = from {
        return version.split(['|', ',']).next().unwrap_or_default().to_owned();
    }
    let advice = entry.recommendation.as_deref().unwrap_or_default();
    let own = UPGRADE.captures_iter(advice).find(|upgrade| package.ends_with(&upgrade[1]));
    own.map(|upgrade| upgrade[2].to_owned()).unwrap_or_default()
}

/// What statements can be about.
struct Products<'a> {
    references: Vec<String>,
    digests: Vec<String>,
    components: &'a BTreeMap<&'a str, &'a Component>,
}

impl Products<'_> {
    /// A component here, or one that a BOM-Link (`urn:cdx:serial/1#pkg:apk/...`) names; `None` for anything else, for
    /// a statement that cannot be placed must not reassure.
    fn of(&self, reference: &str) -> Option<VexProduct> {
        let is_image = || VexProduct {
            digests: self.digests.clone(),
            references: if self.digests.is_empty() { self.references.clone() } else { Vec::new() },
            ..VexProduct::default()
        };
        if let Some(link) = reference.strip_prefix("urn:cdx:") {
            let (bom, part) = link.split_once('#')?;
            let part = percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
            part.parse::<packageurl::PackageUrl<'_>>().ok()?;
            return Some(VexProduct { bom: Some(serial(bom)), package: Some(part), ..VexProduct::default() });
        }
        let named = !self.digests.is_empty() || !self.references.is_empty();
        let package = match self.components.get(reference) {
            Some(component) => component.purl.clone()?,
            None => reference.parse::<packageurl::PackageUrl<'_>>().ok().map(|_| reference.to_owned())?,
        };
        named.then(|| VexProduct { package: Some(package), ..is_image() })
    }
}

fn statements(
    entry: &Entry,
    products: &Products<'_>,
    issued: Option<chrono::DateTime<chrono::Utc>>,
) -> Vec<VexStatement> {
    let Some((id, analysis)) = entry.id.as_ref().zip(entry.analysis.as_ref()) else { return Vec::new() };
    let status = match analysis.state.as_deref() {
        Some("not_affected" | "false_positive") => VexStatus::NotAffected,
        Some("resolved" | "resolved_with_pedigree") => VexStatus::Fixed,
        Some("in_triage") => VexStatus::UnderInvestigation,
        Some("exploitable") => VexStatus::Affected,
        _ => return Vec::new(),
    };
    let mut vulnerabilities = vec![id.clone()];
    vulnerabilities.extend(entry.references.iter().flatten().filter_map(|reference| reference.id.clone()));
    vulnerabilities.sort();
    vulnerabilities.dedup();
    let own = [&analysis.last_updated, &analysis.first_issued].into_iter().find_map(|text| time(text.as_deref()));
    let placed = entry.affects.iter().flatten().filter_map(|affected| products.of(&affected.reference));
    placed
        .map(|product| VexStatement {
            vulnerabilities: vulnerabilities.clone(),
            status,
            at: own.or(issued),
            justification: analysis.justification.clone(),
            product,
        })
        .collect()
}
