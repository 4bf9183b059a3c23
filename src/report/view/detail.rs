//! One exception, from the line in the report to the signed byte.

use serde::Serialize;
use serde_json::Value;

use super::{
    Block, Facts, Section,
    text::{Look, Text},
    words,
};
use crate::evaluate::Finding;

/// Exceptions in detail, in the daily report.
const DAILY: usize = 3;
/// Exceptions in detail, in a full report.
const FULL: usize = 60;
/// Characters of an observed value.
const VALUE: usize = 400;

/// One exception with everything that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// Severity in capitals.
    pub tag: String,
    /// Its colour.
    pub look: Look,
    /// Check id.
    pub check: String,
    /// Reference, finding id and age.
    pub about: String,
    /// Object, container and owner.
    pub subject: Text,
    /// Field, observed, expected, object, serves.
    pub pairs: Vec<(String, Text)>,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub fix: String,
}

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let cap = if facts.input.meta.full { FULL } else { DAILY };
    let mut blocks = Vec::new();
    if !facts.open.is_empty() {
        blocks.push(Block::paragraph(
            "Each exception leads to the object as it is stored and signed: the digest is that of the object in the \
             snapshot, the row its place in objects.parquet.",
        ));
    }
    // The first exception of each thing to do: sixty times the same one would teach nothing.
    let one_of_each = facts.groups.iter().map(|g| g.first(facts));
    blocks.extend(one_of_each.take(cap).map(|f| Block::Detail(detail(facts, f))));
    let left = facts.open.len().saturating_sub(cap.min(facts.groups.len())) as u64;
    if left > 0 {
        let rest = words::count(left, "more open exception is", "more open exceptions are");
        blocks.push(Block::paragraph(Text::new().soft(format!("{rest} in findings.csv, with the same columns."))));
    }
    Section { title: "From line to byte".into(), new_page: false, blocks }
}

fn detail(facts: &Facts<'_>, finding: &Finding) -> Detail {
    let text = facts.input.definitions.checks.get(&*finding.check).cloned().unwrap_or_default();
    let mut subject = Text::from(format!("{} ", finding.resource.kind)).strong(finding.resource.path());
    if let Some(container) = &finding.place.container {
        subject = subject.plain(", container ").strong(&**container);
    }
    subject = subject.plain(match &finding.owner {
        Some(owner) => format!(", owner {owner}"),
        None => ", no owner known".into(),
    });
    let age = match facts.since() {
        Some(since) if facts.is_new(finding) => format!(", new since {since}"),
        Some(since) => format!(", already there on {since}"),
        None => String::new(),
    };
    Detail {
        tag: words::severity(finding.severity).to_uppercase(),
        look: finding.severity.into(),
        check: finding.check.to_string(),
        about: format!("{}, finding {}{age}", facts.reference(finding), finding.id),
        subject: subject.note(words::sentence_case(&finding.message)),
        pairs: pairs(facts, finding),
        why: text.why,
        fix: text.remediation,
    }
}

fn pairs(facts: &Facts<'_>, finding: &Finding) -> Vec<(String, Text)> {
    let mut pairs = Vec::new();
    if !finding.place.path.is_empty() {
        pairs.push(("Field".to_owned(), Text::new().code(&*finding.place.path)));
    }
    pairs.push(("Observed".to_owned(), Text::new().code(observed(&finding.observed))));
    pairs.push(("Expected".to_owned(), (*finding.expected).into()));
    for evidence in &*finding.evidence {
        let mut text = Text::new().code(evidence.digest.to_string());
        text = match facts.row(&evidence.digest) {
            Some(row) => text.note(format!("{}, row {} of objects.parquet", evidence.resource, words::number(row))),
            None => text.note(&*evidence.resource),
        };
        pairs.push(("Object".to_owned(), text));
    }
    if let Some(file) = &finding.file {
        pairs.push(("File".to_owned(), Text::new().code(format!("{}:{}", file.path, file.line))));
    }
    if !finding.requirements.is_empty() {
        let serves: Vec<String> = finding.requirements.iter().map(|r| words::short_requirement(r)).collect();
        pairs.push(("Serves".to_owned(), serves.join(" · ").into()));
    }
    pairs
}

/// A value as the cluster has it; `null` is what nobody set.
pub(super) fn observed(value: &Value) -> String {
    match value {
        Value::Null => "unset".into(),
        other => words::clip(&other.to_string(), VALUE),
    }
}
