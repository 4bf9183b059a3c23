//! SARIF 2.1.0, as GitHub code scanning and IDEs read it. Only what is known is written: lines, and no columns.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;
use serde_json::{Value, json};

use super::{CheckReport, Standing, one_line};
use crate::{
    collect::InputError,
    evaluate::{Finding, Outcome},
    framework::Severity,
};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const HOME: &str = env!("CARGO_PKG_REPOSITORY");

/// A SARIF log with one run.
#[derive(Debug, Serialize)]
pub struct Sarif {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    invocations: [Invocation; 1],
    results: Vec<ResultRow>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Text,
    full_description: Text,
    help: Text,
    help_uri: String,
    default_configuration: Configuration,
    properties: Value,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    /// False when an input was not read: SARIF readers then know that results are missing.
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Debug, Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultRow {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    properties: Value,
}

#[derive(Debug, Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Debug, Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

/// Every failure as a result; waived and expected ones are suppressed. What was not evaluated or not read is a
/// notification: it is neither a failure nor in order.
pub fn sarif(report: &CheckReport<'_>) -> Sarif {
    let failures: Vec<&Finding> =
        [Standing::Open, Standing::Known, Standing::Accepted].into_iter().flat_map(|s| report.by_place(s)).collect();
    let mut severities: BTreeMap<&str, Severity> = BTreeMap::new();
    for finding in &failures {
        severities.insert(&finding.check, finding.severity);
    }
    let index = |check: &str| severities.keys().position(|id| *id == check).unwrap_or_default();
    let results = failures.iter().map(|finding| result(report, finding, index(&finding.check))).collect();
    let rules = severities.iter().map(|(id, severity)| rule(report, id, *severity)).collect();
    let unread = report.errors.iter().map(unread);
    let unanswered = report.not_evaluated().into_iter().map(|(reason, checks)| {
        let checks: Vec<&str> = checks.into_iter().collect();
        note("warning", format!("not evaluated: {reason} ({})", checks.join(", ")))
    });
    let people = report.evaluation.findings.iter().filter(|finding| finding.outcome == Outcome::Manual);
    let people = people.map(|finding| note("note", format!("for a person: {}: {}", finding.resource, finding.message)));
    let invocation = Invocation {
        execution_successful: report.errors.is_empty(),
        tool_execution_notifications: unread.chain(unanswered).chain(people).collect(),
    };
    let driver = Driver { name: "kubeproof", version: env!("CARGO_PKG_VERSION"), information_uri: HOME, rules };
    Sarif {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run { tool: Tool { driver }, invocations: [invocation], results }],
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// GitHub's scale: critical above 9, high from 7, medium from 4; without a number a rule is no security rule.
fn security_severity(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.0"),
        Severity::Info => None,
    }
}

fn rule(report: &CheckReport<'_>, id: &str, severity: Severity) -> Rule {
    let text = report.checks.get(id).cloned().unwrap_or_default();
    let title = if text.title.is_empty() { id.to_owned() } else { text.title };
    let why = if text.why.is_empty() { title.clone() } else { text.why };
    let help = if text.remediation.is_empty() { format!("kubeproof explain {id}") } else { text.remediation };
    let help_uri = text.references.into_iter().find(|uri| uri.starts_with("https://"));
    let mut properties = json!({"tags": ["security", "kubernetes"]});
    if let Some(number) = security_severity(severity) {
        properties["security-severity"] = number.into();
    }
    Rule {
        id: id.to_owned(),
        short_description: Text { text: title },
        full_description: Text { text: why },
        help: Text { text: help },
        help_uri: help_uri.unwrap_or_else(|| HOME.to_owned()),
        default_configuration: Configuration { level: level(severity) },
        properties,
    }
}

fn result(report: &CheckReport<'_>, finding: &Finding, rule_index: usize) -> ResultRow {
    let standing = report.standing(finding);
    let suppressions = report.accepted_by(finding).map(|justification| Suppression {
        kind: "external",
        status: "accepted",
        justification: one_line(&justification),
    });
    let name = LogicalLocation { fully_qualified_name: one_line(&finding.resource.to_string()), kind: "resource" };
    let locations = finding.file.iter().map(|file| location(&file.path, Some(file.line)));
    let mut locations: Vec<Location> = locations.collect();
    if let Some(first) = locations.first_mut() {
        first.logical_locations.push(name);
    }
    ResultRow {
        rule_id: finding.check.to_string(),
        rule_index,
        level: level(finding.severity),
        message: Text { text: format!("{}: {}", one_line(&finding.resource.to_string()), one_line(&finding.message)) },
        locations,
        partial_fingerprints: BTreeMap::from([("kubeproofFinding/v1", finding.id.to_string())]),
        baseline_state: report.comparison.map(|_| if standing == Standing::Open { "new" } else { "unchanged" }),
        suppressions: suppressions.into_iter().collect(),
        properties: json!({
            "severity": finding.severity,
            "path": finding.place.path,
            "requirements": finding.requirements,
            "owner": finding.owner,
        }),
    }
}

fn unread(error: &InputError) -> Notification {
    Notification {
        level: "error",
        message: Text { text: format!("not read: {}", one_line(&error.message)) },
        locations: vec![location(&error.file, error.line)],
    }
}

fn note(level: &'static str, text: String) -> Notification {
    Notification { level, message: Text { text: one_line(&text) }, locations: Vec::new() }
}

fn location(file: &str, line: Option<u32>) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri(file) },
            region: line.map(|start_line| Region { start_line }),
        },
        logical_locations: Vec::new(),
    }
}

/// A path as a URI reference: relative ones stay relative, to the root of the repository.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
