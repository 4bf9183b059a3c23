//! `kubeproof diff` for people: what got worse first, then what got better, what changed, what was lost sight of.

use super::{Line, Tone, WIDTH, wrapped};
use crate::{
    drift::{Cause, ChangeKind, Drift, FindingChange, FindingChangeKind, ObjectChange, PermissionChange},
    report::view::{by_whom, words},
};

/// Where changes begin.
const CHANGE: usize = 4;
/// Fields named for one object.
const FIELDS: usize = 5;
/// Characters of a value.
const VALUE: usize = 40;

/// Changes of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DriftPart {
    /// `Worse`, `Better`, ...
    title: &'static str,
    tone: Tone,
    /// One change each, with what belongs to it.
    changes: Vec<(String, Vec<String>)>,
}

/// The changes by direction; empty parts are left out.
fn drift_parts(drift: &Drift) -> Vec<DriftPart> {
    let of = |kinds: &[FindingChangeKind], accepted: bool| {
        let wanted = |c: &&FindingChange| kinds.contains(&c.change) && (accepted || !c.accepted);
        drift.findings.iter().filter(wanted).map(finding).collect::<Vec<_>>()
    };
    let access = |gained: bool| drift.permissions.iter().filter(move |p| p.gained.is_empty() != gained).map(permission);
    let mut worse: Vec<_> = access(true).collect();
    worse.extend(of(&[FindingChangeKind::New, FindingChangeKind::Reopened], false));
    let mut better = of(&[FindingChangeKind::Resolved], true);
    better.extend(access(false));
    let mut unseen = of(&[FindingChangeKind::LostSight], true);
    unseen
        .extend(drift.sight.iter().map(|s| (format!("{}: {} before, {} now", s.resource, s.before, s.after), vec![])));
    let part = |title, tone, changes| DriftPart { title, tone, changes };
    let parts = [
        part("Cannot compare", Tone::Unseen, drift.cannot_compare.iter().map(|s| (s.clone(), vec![])).collect()),
        part("Worse", Tone::Bad, worse),
        part("Better", Tone::Good, better),
        part("Waived or expected since", Tone::Warn, of(&[FindingChangeKind::Accepted], true)),
        part("Objects", Tone::Strong, drift.objects.iter().map(object).collect()),
        part(
            "Rules",
            Tone::Strong,
            drift.rules.iter().map(|r| (format!("{} {}", word(r.change), r.file), vec![])).collect(),
        ),
        part("Lost sight of", Tone::Unseen, unseen),
    ];
    parts.into_iter().filter(|part| !part.changes.is_empty()).collect()
}

/// The same on a terminal of 80 columns.
pub fn drift_text(drift: &Drift) -> Vec<Line> {
    let mut lines = Vec::new();
    for part in drift_parts(drift) {
        lines.push(Line::default());
        lines.push(Line::default().with(part.tone, format!("{} ({})", part.title, part.changes.len())));
        for (head, below) in part.changes {
            let mut texts = wrapped(&head, WIDTH - CHANGE).into_iter();
            let first = texts.next().unwrap_or_default();
            lines.push(Line::default().at_start(2).with(Tone::Plain, first));
            lines.extend(texts.map(|text| Line::default().at_start(CHANGE).with(Tone::Plain, text)));
            let notes = below.iter().flat_map(|text| wrapped(text, WIDTH - CHANGE));
            lines.extend(notes.map(|text| Line::default().at_start(CHANGE).with(Tone::Soft, text)));
        }
    }
    if lines.is_empty() {
        lines.push(Line::default().with(Tone::Good, NOTHING));
    }
    lines.extend(left_out(drift).map(|text| Line::default().with(Tone::Soft, text)));
    lines.into_iter().map(Line::fit).collect()
}

/// The same as Markdown, for a comment or a ticket.
pub fn drift_markdown(drift: &Drift) -> String {
    let mut page = String::new();
    for part in drift_parts(drift) {
        page.push_str(&format!("### {} ({})\n\n", part.title, part.changes.len()));
        for (head, below) in part.changes {
            page.push_str(&format!("- {}\n", escaped(&head)));
            below.iter().for_each(|text| page.push_str(&format!("  - {}\n", escaped(text))));
        }
        page.push('\n');
    }
    if page.is_empty() {
        page.push_str(&format!("{NOTHING}\n"));
    }
    left_out(drift).for_each(|text| page.push_str(&format!("{text}\n")));
    page
}

const NOTHING: &str = "Nothing changed.";

/// Names come from strangers' objects: none of them becomes markup or a mention.
fn escaped(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => out.extend(['\\', c]),
            c if super::steers(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}

fn left_out(drift: &Drift) -> impl Iterator<Item = String> + '_ {
    drift
        .left_out
        .iter()
        .map(|l| format!("{} not listed: {}", words::count(l.count, "object change", "object changes"), l.reason))
}

fn finding(change: &FindingChange) -> (String, Vec<String>) {
    let owner = change.owner.as_ref().map_or_else(String::new, |owner| format!(" ({owner})"));
    let accepted = if change.accepted { ", waived or expected" } else { "" };
    let head = format!(
        "{}{accepted} {}/{}: {}{owner}",
        words::severity(change.severity).to_uppercase(),
        change.resource.kind,
        change.resource.path(),
        change.message
    );
    (head, vec![format!("{}; {}", change.check, cause(change.cause))])
}

fn permission(change: &PermissionChange) -> (String, Vec<String>) {
    let (gained, lost) = (change.gained.len() as u64, change.lost.len() as u64);
    let counts = format!("{} gained, {} lost", words::number(gained), words::number(lost));
    (format!("ACCESS {}", change.summary), vec![format!("{}: {counts}; {}", change.subject, cause(change.cause))])
}

fn object(change: &ObjectChange) -> (String, Vec<String>) {
    let head = format!("{} {}/{}", word(change.change), change.resource.kind, change.resource.path());
    let shown = change.fields.iter().take(FIELDS).map(|field| match field.redacted {
        true => format!("{}: changed (the values are redacted)", field.path),
        false => format!("{}: {} → {}", field.path, value(field.before.as_ref()), value(field.after.as_ref())),
    });
    let mut below: Vec<String> = shown.collect();
    let left = change.fields.len().saturating_sub(FIELDS) as u64;
    if left > 0 {
        below.push(format!("and {}: --format json has them", words::count(left, "more field", "more fields")));
    }
    let by = by_whom(Some(change));
    below.push(if by.is_empty() { cause(change.cause).into() } else { format!("{}; by {by}", cause(change.cause)) });
    (head, below)
}

fn value(value: Option<&serde_json::Value>) -> String {
    value.map_or_else(|| "unset".into(), |value| words::clip(&value.to_string(), VALUE))
}

fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
        ChangeKind::Recreated => "recreated (same name, new uid)",
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Cluster => "the cluster changed",
        Cause::Rules => "checks or frameworks changed, the cluster did not",
        Cause::Sight => "not seen on one of the two sides",
        Cause::Declaration => "a waiver or an expected entry began or ended",
    }
}
