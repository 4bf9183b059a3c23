//! SARIF of image scanners. The format has no fields for packages and images, so scanners write lines of text: Trivy and
//! Docker Scout into the result's message, Grype into the rule's help.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde::Deserialize;

use super::{
    Found, Problem,
    draft::{Names, first_version, named, time},
};
use crate::snapshot::{ImageScan, Vulnerability, VulnerabilitySeverity, distinct};

#[derive(Deserialize)]
struct Report {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    tool: Tool,
    results: Option<Vec<Finding>>,
    invocations: Option<Vec<Invocation>>,
    properties: Option<RunProperties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    end_time_utc: Option<String>,
}

/// What Trivy says of the image.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RunProperties {
    image_name: Option<String>,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
    version: Option<String>,
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    help: Option<Text>,
    properties: Option<RuleProperties>,
}

#[derive(Deserialize)]
struct RuleProperties {
    #[serde(rename = "security-severity")]
    score: Option<String>,
}

#[derive(Deserialize)]
struct Text {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: Option<String>,
    message: Option<Text>,
    locations: Option<Vec<Location>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    logical_locations: Option<Vec<LogicalLocation>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: Option<String>,
}

/// Ids that stand at the start of a rule's own id (`CVE-2026-0001-libssl3`).
static ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:CVE-\d{4}-\d{4,}|GHSA(?:-[a-z0-9]{4}){3})").unwrap_or_else(|error| unreachable!("{error}"))
});

pub(super) fn read(bytes: &[u8], source: String) -> Result<Found, Problem> {
    let report: Report = serde_json::from_slice(bytes)?;
    let mut runs = report.runs.into_iter();
    let (Some(run), None) = (runs.next(), runs.next()) else {
        return Err(Problem::new("is SARIF with no run or several: write one file for each image"));
    };
    let names = names(&run);
    let rules: BTreeMap<&str, &Rule> =
        run.tool.driver.rules.iter().flatten().map(|rule| (rule.id.as_str(), rule)).collect();
    let results = run.results.iter().flatten();
    let found: Vec<Vulnerability> = results.filter_map(|result| vulnerability(result, &rules)).collect();
    let ended =
        run.invocations.iter().flatten().filter_map(|invocation| time(invocation.end_time_utc.as_deref())).max();
    let scan = ImageScan {
        scanner: run.tool.driver.name.to_lowercase(),
        version: run.tool.driver.version,
        at: ended,
        source: Some(source),
        vulnerabilities: Some(distinct(found)),
        ..ImageScan::default()
    };
    Ok(Found { scan: Some(named(scan, names)?), vex: None })
}

fn names(run: &Run) -> Names {
    let mut names = Names::default();
    if let Some(properties) = &run.properties {
        properties.image_name.iter().for_each(|name| names.reference(name));
        names.references(properties.repo_tags.clone());
        names.references(properties.repo_digests.clone());
    }
    let locations = run.results.iter().flatten().flat_map(|result| result.locations.iter().flatten());
    let logical = locations.flat_map(|location| location.logical_locations.iter().flatten());
    // Grype: `registry.example.com/cart:1@sha256:...:/lib/apk/db/installed`.
    for name in logical.filter_map(|location| location.fully_qualified_name.as_deref()) {
        if let Some((image, _)) = name.split_once(":/") {
            names.reference(image);
        }
    }
    names
}

/// A result that names a package; misconfigurations and secrets of the same run name none.
fn vulnerability(result: &Finding, rules: &BTreeMap<&str, &Rule>) -> Option<Vulnerability> {
    let rule_id = result.rule_id.as_deref()?;
    let rule = rules.get(rule_id);
    let texts = [result.message.as_ref(), rule.and_then(|rule| rule.help.as_ref())];
    let texts: Vec<&str> = texts.into_iter().filter_map(|text| text?.text.as_deref()).collect();
    let field = |names: &[&str]| texts.iter().find_map(|text| field(text, names)).unwrap_or_default();
    let package = field(&["package"]);
    if package.is_empty() {
        return None;
    }
    let id = ID.find(rule_id).map_or(rule_id, |id| id.as_str());
    let score = rule.and_then(|rule| rule.properties.as_ref()?.score.as_deref()?.parse().ok());
    let severity = match VulnerabilitySeverity::from_word(field(&["severity"])) {
        VulnerabilitySeverity::Unknown => {
            score.map_or(VulnerabilitySeverity::Unknown, VulnerabilitySeverity::from_score)
        }
        severity => severity,
    };
    let fixed =
        Some(field(&["fixed version", "fix version"])).filter(|fixed| *fixed != "not fixed").unwrap_or_default();
    let purl = package.parse::<packageurl::PackageUrl<'_>>().ok();
    Some(Vulnerability {
        id: id.into(),
        package: purl.as_ref().map_or(package, |purl| purl.name()).into(),
        version: purl
            .as_ref()
            .and_then(|purl| purl.version())
            .unwrap_or(field(&["installed version", "version"]))
            .into(),
        severity,
        fixed: first_version(fixed),
        purl: purl.map(|_| package.into()),
        ..Vulnerability::default()
    })
}

/// The text after `Name:` on a line of its own.
fn field<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        names.iter().any(|known| name.trim().eq_ignore_ascii_case(known)).then(|| value.trim())
    })
}
