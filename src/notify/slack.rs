//! A message in Slack's shape. Every text is `plain_text`: what a cluster holds becomes neither markup nor a mention.

use serde_json::{Value, json};

use super::{
    changes::{Change, Direction, What},
    message::{Counts, Message},
};
use crate::{config::Occasion, report::view::words};

/// Slack refuses headers that are longer.
const HEADER: usize = 150;
/// Slack refuses sections that are longer than 3,000 characters.
const SECTION: usize = 2_900;
/// Changes of one direction that a channel can bear.
const LINES: usize = 8;

/// The body of a request to an incoming webhook.
pub(super) fn body(message: &Message) -> Value {
    let mut blocks = vec![json!({"type": "header", "text": plain(&headline(message), HEADER)})];
    let sections = [
        Some(message.summary.clone()),
        message.changes.as_ref().and_then(|changes| direction("Worse", &changes.worse)),
        message.changes.as_ref().and_then(|changes| direction("Better", &changes.better)),
        message.changes.as_ref().and_then(|changes| direction("Lost sight of", &changes.lost_sight)),
        unseen(message),
        message.counts.as_ref().map(accepted),
    ];
    blocks.extend(sections.into_iter().flatten().map(|text| json!({"type": "section", "text": plain(&text, SECTION)})));
    blocks.push(json!({"type": "context", "elements": [plain(&evidence(message), SECTION)]}));
    // What a notification on a phone shows; the one text that Slack would read as markup.
    json!({"text": escaped(&message.summary), "mrkdwn": false, "blocks": blocks})
}

fn plain(text: &str, limit: usize) -> Value {
    json!({"type": "plain_text", "emoji": false, "text": words::clip(text, limit - 1)})
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn headline(message: &Message) -> String {
    let name = message.cluster.name.as_deref().unwrap_or("kubeproof");
    let environment = message.cluster.environment.as_deref().map_or_else(String::new, |e| format!(" ({e})"));
    let what = match message.event {
        Occasion::Failure => "run failed",
        Occasion::Incomplete => "run is incomplete",
        Occasion::Worse => "got worse",
        Occasion::Change => "changed",
        Occasion::Always => "nothing changed",
    };
    format!("{name}{environment}: {what}")
}

fn direction(title: &str, direction: &Direction) -> Option<String> {
    let total = direction.named.len() as u64 + direction.more;
    let shown = direction.named.iter().take(LINES).map(line);
    let left = total.saturating_sub(LINES as u64);
    let more = (left > 0).then(|| format!("… and {} more in the report", words::number(left)));
    let lines: Vec<String> = shown.chain(more).collect();
    (total > 0).then(|| format!("{title} ({})\n{}", words::number(total), lines.join("\n")))
}

fn line(change: &Change) -> String {
    let owner = change.owner.as_deref().map_or_else(String::new, |owner| format!(" ({owner})"));
    match (change.what, change.severity) {
        (What::Access, _) => format!("• ACCESS {}", change.text),
        (What::Finding, Some(severity)) => {
            format!("• {} {}: {}{owner}", words::severity(severity).to_uppercase(), change.resource, change.text)
        }
        _ => format!("• {}: {}", change.resource, change.text),
    }
}

fn unseen(message: &Message) -> Option<String> {
    let undeclared: Vec<String> = message
        .gaps
        .named
        .iter()
        .filter(|gap| gap.declared.is_none())
        .map(|gap| format!("{} ({})", gap.resource, gap.reason))
        .collect();
    (!undeclared.is_empty()).then(|| format!("Not seen and not declared: {}", words::some_of(&undeclared, LINES)))
}

fn accepted(counts: &Counts) -> String {
    let [waived, expected, undecided] = [counts.waived, counts.expected, counts.not_evaluated].map(words::number);
    format!("Beside what is open: {waived} waived, {expected} expected of the system, {undecided} not evaluated")
}

fn evidence(message: &Message) -> String {
    let at = format!("{} UTC", message.run.finished.format("%-d %b %Y %H:%M"));
    let Some(evidence) = &message.evidence else {
        return format!("Run of {at}. Nothing was committed: the last evidence is the one before this run.");
    };
    let entry = evidence.index.map_or_else(String::new, |index| format!(", log entry {index}"));
    let drift = evidence.drift.as_ref().map_or_else(String::new, |url| format!("What changed {url}\n"));
    format!(
        "Run of {at}{entry}\n{drift}Report {}\nEvidence root {}\nThe signature shows that these bytes are unchanged since signing, no more.",
        evidence.report, evidence.evidence_root
    )
}
