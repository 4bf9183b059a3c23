//! `oscal/<framework>.json`: OSCAL assessment results, one result a cluster.
//!
//! A requirement is a finding, a failure from beginning to end an observation with its risk. OSCAL knows two states of
//! an objective: what no run decided is `not-satisfied` for the reason `other`, and says so. UUIDs follow from what
//! they name, so that the same exception has the same one in every package.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use uuid::{Builder, Uuid};

use super::{About, DocumentError, Folder, tables};
use crate::{
    canonical,
    clock::rfc3339,
    evaluate::Status,
    period::{
        evidence::{self, PROOF},
        model::{Cited, ClusterPeriod, Ending, Exception, FrameworkPeriod, Period, RequirementPeriod, Run},
    },
    report::view::words,
};

/// Version of OSCAL, as <https://pages.nist.gov/OSCAL/> publishes it.
const VERSION: &str = "1.2.1";
/// Namespace of our properties, and of our UUIDs.
const NAMESPACE: &str = "https://kubeproof.dev/oscal/v1";
/// From the folder of these files to that of the package's data.
const DATA: &str = "../../";

/// What a reader of states has to know first.
const STATES: &str = "not-satisfied with the reason other is no failure: OSCAL has no third state, so rows that people \
    attest, that only a person can judge, or that a run could not decide stand there; target-status tells them apart";

/// Exceptions of a result, worst first: readers of OSCAL hold a document in memory as a tree.
const EXCEPTIONS: usize = 2_000;

/// One file a framework that some run evaluated.
pub(super) fn write(period: &Period, about: &About, folder: Folder<'_>) -> Result<(), DocumentError> {
    for framework in &period.frameworks {
        let results: Vec<Value> =
            period.clusters.iter().filter_map(|cluster| result(period, framework, cluster)).collect();
        if !results.is_empty() {
            let document = pruned(document(period, about, framework, results));
            folder.put(&format!("oscal/{}.json", framework.id), &canonical::value_to_vec(&document)?)?;
        }
    }
    Ok(())
}

fn document(period: &Period, about: &About, framework: &FrameworkPeriod, results: Vec<Value>) -> Value {
    let method = uuid(&["method", &about.root.hex(), &framework.id]);
    json!({"assessment-results": {
        "uuid": uuid(&["document", &about.root.hex(), &framework.id]),
        "metadata": {
            "title": line(&format!("{} from {} to {}", framework.title, period.from, period.to)),
            "last-modified": rfc3339(period.made),
            "version": about.root.hex(),
            "oscal-version": VERSION,
            "props": [
                prop("framework", &framework.id),
                prop("framework-versions", &framework.versions.join(", ")),
                prop("tool", &format!("kubeproof {}", period.tool_version)),
                prop("package-root", &about.root.to_string()),
                prop("signing-key", &about.signing_key.to_string()),
            ],
            "remarks": "Printed from data/period.json of a signed package, which alone is proved by its signature.",
        },
        "import-ap": {
            "href": format!("#{method}"),
            "remarks": "There is no assessment plan in OSCAL: the resource says how the results were made.",
        },
        "results": results,
        "back-matter": {"resources": [{
            "uuid": method,
            "title": "How the results were made",
            "description": "Clusters were read by scheduled runs, and every run was signed. The readme tells how to prove it.",
            "rlinks": [{"href": "../readme.md", "media-type": "text/markdown"}],
        }]},
    }})
}

/// What the runs of one cluster say of a framework; `None` where none evaluated it.
fn result(period: &Period, framework: &FrameworkPeriod, cluster: &ClusterPeriod) -> Option<Value> {
    let rows: Vec<&RequirementPeriod> =
        cluster.requirements.iter().filter(|row| row.framework == framework.id).collect();
    let last = cluster.runs.last()?;
    rows.first()?;
    let of_framework = |id: &String| id.strip_prefix(&framework.id).is_some_and(|rest| rest.starts_with('/'));
    let concerned = || cluster.exceptions.iter().filter(|x| x.requirements.iter().any(of_framework));
    let exceptions: Vec<&Exception> = concerned().take(EXCEPTIONS).collect();
    let left = concerned().count() - exceptions.len();
    let requirements = rows.iter().map(|row| held(period, cluster, row, last));
    let runs = cluster.runs.iter().map(|run| observed_run(cluster, run));
    let failures = exceptions.iter().map(|x| observed_exception(cluster, x));
    let controls: Vec<Value> = rows.iter().map(|row| json!({"control-id": control(row)})).collect();
    let more = format!("{left} exceptions are not listed: ../tables/exceptions.parquet has all");
    let remarks = std::iter::once(STATES)
        .chain(cluster.remarks.iter().map(|remark| remark.text.as_str()))
        .chain((left > 0).then_some(more.as_str()));
    let remarks: Vec<String> = remarks.map(|remark| format!("- {remark}")).collect();
    Some(json!({
        "uuid": uuid(&["result", &span(period), &framework.id, &cluster.folder]),
        "title": line(&format!("{} in {}", framework.title, cluster.folder)),
        "description": format!(
            "What {} runs of {} say. Runs are moments: no share of time follows from them.",
            cluster.runs.len(), cluster.folder,
        ),
        "start": midnight(period.from),
        "end": rfc3339(period.made).min(midnight(period.to.checked_add_days(Days::new(1)).unwrap_or(period.to))),
        "props": [prop("cluster", &cluster.folder), prop("excluded-bundles", &cluster.excluded.len().to_string())],
        "local-definitions": {
            "components": [component(cluster)],
            "inventory-items": items(cluster, &exceptions),
        },
        "reviewed-controls": {"control-selections": [{"include-controls": controls}]},
        "observations": requirements.chain(failures).chain(runs).collect::<Vec<_>>(),
        "risks": exceptions.iter().map(|x| risk(cluster, x)).collect::<Vec<_>>(),
        "findings": rows.iter().map(|row| finding(period, cluster, row, &exceptions)).collect::<Vec<_>>(),
        "remarks": remarks.join("\n"),
    }))
}

fn component(cluster: &ClusterPeriod) -> Value {
    json!({
        "uuid": uuid(&["cluster", &cluster.folder]),
        "type": "system",
        "title": line(&cluster.folder),
        "description": format!("The Kubernetes cluster {}.", line(&cluster.name)),
        "props": [
            prop("uid", cluster.uid.as_deref().unwrap_or_default()),
            prop("environment", cluster.environment.as_deref().unwrap_or_default()),
        ],
        "status": {"state": "operational"},
    })
}

/// The objects that exceptions are about, each once.
fn items(cluster: &ClusterPeriod, exceptions: &[&Exception]) -> Vec<Value> {
    let mut items: Vec<(String, String)> =
        exceptions.iter().map(|x| (item(cluster, x), line(&x.resource.to_string()))).collect();
    items.sort();
    items.dedup();
    let component = uuid(&["cluster", &cluster.folder]);
    let value = |(uuid, name): (String, String)| {
        json!({
            "uuid": uuid,
            "description": name,
            "implemented-components": [{"component-uuid": component}],
        })
    };
    items.into_iter().map(value).collect()
}

fn item(cluster: &ClusterPeriod, x: &Exception) -> String {
    uuid(&["object", &cluster.folder, x.resource.group(), &x.resource.to_string()])
}

/// One requirement over the period, with what the runs in which its status changed said themselves, and their manifests.
fn held(period: &Period, cluster: &ClusterPeriod, row: &RequirementPeriod, last: &Run) -> Value {
    let said = row.effectiveness.as_ref().map_or("no check decides it", |effect| effect.sentence.as_str());
    let spans = spans(row);
    let props = spans.iter().map(|(status, first, last)| {
        let status = status.map_or("not evaluated by these runs", |status| words::status(status).0);
        let mut prop = prop("status", status);
        prop["remarks"] = format!("runs {first} to {last}").into();
        prop
    });
    let first_of_each = spans.iter().filter_map(|(_, first, _)| cluster.runs.get(*first));
    let evidence = first_of_each.flat_map(|run| results(cluster, row, run).into_iter().chain([manifest(cluster, run)]));
    json!({
        "uuid": uuid(&["requirement", &span(period), &cluster.folder, &row.full_id()]),
        "title": line(&format!("{} over the period", row.full_id())),
        "description": said,
        "props": props.collect::<Vec<_>>(),
        "methods": [if row.effectiveness.is_some() { "TEST" } else { "EXAMINE" }],
        "types": ["control-objective"],
        "subjects": [{"subject-uuid": uuid(&["cluster", &cluster.folder]), "type": "component"}],
        "relevant-evidence": evidence.collect::<Vec<_>>(),
        "collected": rfc3339(last.finished),
    })
}

/// Successive runs with the same status: status, first and last run.
fn spans(row: &RequirementPeriod) -> Vec<(Option<Status>, usize, usize)> {
    let mut spans: Vec<(Option<Status>, usize, usize)> = Vec::new();
    for (run, status) in row.statuses.iter().enumerate() {
        match spans.last_mut() {
            Some(span) if span.0 == *status => span.2 = run,
            _ => spans.push((*status, run, run)),
        }
    }
    spans
}

fn observed_run(cluster: &ClusterPeriod, run: &Run) -> Value {
    let unseen: Vec<&str> = run.unseen.iter().map(|list| list.resource.as_str()).collect();
    json!({
        "uuid": uuid(&["run", &cluster.folder, &run.bundle.hex()]),
        "title": format!("Run {}", run.number),
        "description": match unseen.as_slice() {
            [] => "Everything that was asked for was answered.".to_owned(),
            unseen => format!("Not answered: {}.", unseen.join(", ")),
        },
        "props": [prop("bundle", &run.bundle.to_string()), prop("log-entry", &run.index.to_string())],
        "methods": ["TEST"],
        "types": ["historic"],
        "subjects": [{"subject-uuid": uuid(&["cluster", &cluster.folder]), "type": "component"}],
        "relevant-evidence": [manifest(cluster, run)],
        "collected": rfc3339(run.finished),
    })
}

/// What a run said of a requirement's framework, where the package holds it.
fn results(cluster: &ClusterPeriod, row: &RequirementPeriod, run: &Run) -> Option<Value> {
    let span = cluster.results_of(&row.framework, run.number)?;
    Some(json!({
        "href": format!("{DATA}{}", within(&span.path(&cluster.folder))),
        "description": format!("What run {} said of {}: its manifest names this digest", run.number, row.framework),
        "props": [prop("sha256", &span.digest.hex()), prop("bundle", &run.bundle.hex())],
    }))
}

fn manifest(cluster: &ClusterPeriod, run: &Run) -> Value {
    json!({
        "href": format!("{DATA}{}{}", within(&evidence::proof_folder(&cluster.folder, run.number)), PROOF[0]),
        "description": format!("Manifest of run {}, signed by the envelope beside it", run.number),
        "props": [prop("sha256", &run.manifest.hex()), prop("bundle", &run.bundle.hex())],
    })
}

fn observed_exception(cluster: &ClusterPeriod, x: &Exception) -> Value {
    let seen = cluster.run(x.first_seen).map(|run| rfc3339(run.finished));
    json!({
        "uuid": exception(cluster, "exception", x),
        "title": line(&format!("{} {}", x.id, x.title)),
        "description": format!("{}: {}", x.resource, x.message),
        "props": [
            prop("exception", &x.id),
            prop("check", &x.check),
            prop("finding", &x.finding.to_string()),
            prop("place", &x.place),
            prop("observed", x.observed.as_deref().unwrap_or_default()),
            prop("expected", &x.expected),
            prop("runs", &x.seen_in.to_string()),
        ],
        "methods": ["TEST"],
        "types": ["finding"],
        "subjects": [{"subject-uuid": item(cluster, x), "type": "inventory-item"}],
        "relevant-evidence": x.evidence.iter().map(|cited| object(cluster, cited)).collect::<Vec<_>>(),
        "collected": seen,
    })
}

fn object(cluster: &ClusterPeriod, cited: &Cited) -> Value {
    let bundle = cluster.run(cited.run).map(|run| run.bundle.hex()).unwrap_or_default();
    json!({
        "href": format!("{DATA}{}", within(&evidence::table_path(&cluster.folder))),
        "description": format!("{} as run {} saw it: the row with this digest", cited.resource, cited.run),
        "props": [prop("sha256", &cited.digest.hex()), prop("bundle", &bundle)],
    })
}

fn risk(cluster: &ClusterPeriod, x: &Exception) -> Value {
    let waived = x.waivers.iter().find(|waiver| waiver.last == x.last_seen);
    let waivers = x.waivers.iter().map(|waiver| {
        let mut prop = prop("waiver", &waiver.id);
        prop["remarks"] = format!("runs {} to {}", waiver.first, waiver.last).into();
        prop
    });
    let props = [
        prop("severity", words::severity(x.severity)),
        prop("state", tables::state(&x.ending)),
        prop("owner", x.owner.as_deref().unwrap_or_default()),
        prop("stood-at-least-seconds", &x.duration.at_least_seconds.to_string()),
        prop("stood-at-most-seconds", &x.duration.at_most_seconds.map(|s| s.to_string()).unwrap_or_default()),
    ];
    json!({
        "uuid": exception(cluster, "risk", x),
        "title": line(&format!("{} {}", x.id, x.title)),
        "description": format!("{}: {}", x.resource, x.message),
        "statement": format!("Expected: {}.", x.expected),
        "props": props.into_iter().chain(waivers).collect::<Vec<_>>(),
        // Not being seen is no end of a risk.
        "status": match &x.ending {
            Ending::Ended { .. } => "closed",
            _ if waived.is_some() => "deviation-approved",
            Ending::Open | Ending::NotSeenSince { .. } => "open",
        },
        "related-observations": [{"observation-uuid": exception(cluster, "exception", x)}],
    })
}

/// A requirement, with those of the listed exceptions that count for it.
fn finding(period: &Period, cluster: &ClusterPeriod, row: &RequirementPeriod, listed: &[&Exception]) -> Value {
    let counted: BTreeSet<&str> = row.exceptions.iter().map(String::as_str).collect();
    let exceptions: Vec<&Exception> = listed.iter().copied().filter(|x| counted.contains(x.id.as_str())).collect();
    let own = uuid(&["requirement", &span(period), &cluster.folder, &row.full_id()]);
    let observed = exceptions.iter().map(|x| exception(cluster, "exception", x));
    let (target, state, reason) = target(row);
    json!({
        "uuid": uuid(&["finding", &span(period), &cluster.folder, &row.full_id()]),
        "title": line(&format!("{} {}", row.id, row.title)),
        "description": row.effectiveness.as_ref().map_or("No check decides it.", |effect| effect.sentence.as_str()),
        "props": [
            prop("requirement", &row.full_id()),
            prop("target-status", target),
            prop("owner", row.owner.as_deref().unwrap_or_default()),
            prop("company-control", row.company_control.as_deref().unwrap_or_default()),
        ],
        "target": {
            "type": "objective-id",
            "target-id": control(row),
            "title": line(&row.title),
            "status": {
                "state": state,
                "reason": reason,
                "remarks": (reason == "other").then_some(
                    "Not decided: OSCAL has no third state. People, documents or a run that sees it have to answer.",
                ),
            },
        },
        "related-observations":
            std::iter::once(own).chain(observed).map(|uuid| json!({"observation-uuid": uuid})).collect::<Vec<_>>(),
        "related-risks":
            exceptions.iter().map(|x| json!({"risk-uuid": exception(cluster, "risk", x)})).collect::<Vec<_>>(),
    })
}

/// What the runs say of a requirement, and OSCAL's state and reason for it. Only a check that passed on every run that
/// was asked of it satisfies one.
fn target(row: &RequirementPeriod) -> (&'static str, &'static str, &'static str) {
    let passed = |status: &Option<Status>| matches!(status, Some(Status::Pass));
    let stands = |status: &Option<Status>| matches!(status, Some(Status::Pass | Status::NotApplicable));
    if row.statuses.contains(&Some(Status::Fail)) {
        ("not-satisfied", "not-satisfied", "fail")
    } else if row.statuses.iter().filter(|status| status.is_some()).all(stands) && row.statuses.iter().any(passed) {
        ("satisfied", "satisfied", "pass")
    } else {
        ("other", "not-satisfied", "other")
    }
}

/// A requirement's id as a token of OSCAL: `hipaa_164.312_a__1_`; the id itself stands beside it.
fn control(row: &RequirementPeriod) -> String {
    let token = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    format!("{}_{}", row.framework, row.id).chars().map(token).collect()
}

fn exception(cluster: &ClusterPeriod, what: &str, x: &Exception) -> String {
    let since = cluster.run(x.first_seen).map(|run| run.bundle.hex()).unwrap_or_default();
    uuid(&[what, &cluster.folder, &x.finding.to_string(), &since])
}

/// UUID of version 5 in our namespace.
fn uuid(parts: &[&str]) -> String {
    v5(v5(Uuid::NAMESPACE_URL, NAMESPACE), &parts.join("\n")).to_string()
}

fn v5(namespace: Uuid, name: &str) -> Uuid {
    let hash: [u8; 20] = Sha1::new().chain_update(namespace).chain_update(name).finalize().into();
    let [bytes @ .., _, _, _, _] = hash;
    Builder::from_sha1_bytes(bytes).into_uuid()
}

/// A property; without a value there is none.
fn prop(name: &str, value: &str) -> Value {
    match line(value) {
        value if value.is_empty() => Value::Null,
        value => json!({"name": name, "ns": NAMESPACE, "value": value}),
    }
}

/// A text as one line, as OSCAL wants titles and values.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn span(period: &Period) -> String {
    format!("{} {}", period.from, period.to)
}

fn midnight(day: NaiveDate) -> String {
    format!("{day}T00:00:00Z")
}

/// A path of the bag below `data/`.
fn within(path: &str) -> &str {
    path.strip_prefix(crate::bundle::bag::DATA).unwrap_or(path)
}

/// Without nulls and empty lists, neither of which OSCAL knows.
fn pruned(value: Value) -> Value {
    let kept = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    match value {
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, pruned(value))).filter(|(_, value)| kept(value)).collect()
        }
        Value::Array(list) => list.into_iter().map(pruned).filter(kept).collect(),
        other => other,
    }
}
