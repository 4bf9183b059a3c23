//! `kubeproof diff` for people: what got worse first, then what got better, what changed, what was lost sight of.

mod access;
mod cards;
mod compared;
mod cover;
mod document;
mod facts;
mod findings;
mod fit;
mod objects;
mod rest;
#[cfg(test)]
mod tests;

pub use document::{DriftInput, DriftSide, Origin, Proof, drift_html, drift_pdf};
pub use facts::Hands;

use super::{
    check::plain,
    terminal::Tone,
    view::{applied, by_whom, field, states, why, words, writers},
};
use crate::drift::{
    Cause, ChangeKind, DeclarationChange, Drift, FindingChange, FindingChangeKind, ObjectChange, PermissionChange,
};

/// Fields named for one object.
const FIELDS: usize = 5;
/// Characters of a value.
const VALUE: usize = 40;

/// Changes of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DriftPart {
    /// `Worse`, `Better`, ...
    pub(super) title: &'static str,
    /// How the title looks.
    pub(super) tone: Tone,
    /// One change each, with what belongs to it.
    pub(super) changes: Vec<(String, Vec<String>)>,
}

/// The changes by direction; empty parts are left out.
pub(super) fn drift_parts(drift: &Drift) -> Vec<DriftPart> {
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
        part("Declarations", Tone::Warn, drift.declarations.iter().map(declaration).collect()),
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

/// The same as Markdown, for a comment or a ticket.
pub fn drift_markdown(drift: &Drift) -> String {
    let mut page = String::new();
    for part in drift_parts(drift) {
        page.push_str(&format!("### {} ({})\n\n", part.title, part.changes.len()));
        for (head, below) in part.changes {
            page.push_str(&format!("- {}\n", plain(&head)));
            below.iter().for_each(|text| page.push_str(&format!("  - {}\n", plain(text))));
        }
        page.push('\n');
    }
    if page.is_empty() {
        page.push_str(&format!("{NOTHING}\n"));
    }
    notes(drift).for_each(|text| page.push_str(&format!("{text}\n")));
    page
}

/// Said where there is no part.
pub(super) const NOTHING: &str = "Nothing changed.";

/// What was counted and not listed, and what is not known of who made changes, a sentence each.
pub(super) fn notes(drift: &Drift) -> impl Iterator<Item = String> + '_ {
    let left_out = drift
        .left_out
        .iter()
        .map(|l| format!("{} not listed: {}", words::count(l.count, "object change", "object changes"), l.reason));
    let gap = drift.audit.iter().filter_map(|audit| audit.gap.as_ref());
    left_out.chain(gap.map(|gap| format!("not known of every change who made it: {gap}")))
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
    (head, vec![format!("{}; {}", change.check, why(change.cause))])
}

fn permission(change: &PermissionChange) -> (String, Vec<String>) {
    let (gained, lost) = (change.gained.len() as u64, change.lost.len() as u64);
    let counts = format!("{} gained, {} lost", words::number(gained), words::number(lost));
    let by = caused(change.cause, &writers(&change.changed_by, change.more_writes));
    (format!("ACCESS {}", change.summary), vec![format!("{}: {counts}; {by}", change.subject)])
}

fn declaration(change: &DeclarationChange) -> (String, Vec<String>) {
    let below = if change.applies_to.is_empty() { vec![] } else { vec![applied(change)] };
    (format!("{} {}: {}", change.kind, change.id, states(change)), below)
}

fn object(change: &ObjectChange) -> (String, Vec<String>) {
    let head = format!("{} {}/{}", word(change.change), change.resource.kind, change.resource.path());
    let mut below: Vec<String> = change.fields.iter().take(FIELDS).map(|change| field(change, VALUE)).collect();
    let left = change.fields.len().saturating_sub(FIELDS) as u64;
    if left > 0 {
        below.push(format!("and {}: --format json has them", words::count(left, "more field", "more fields")));
    }
    below.push(caused(change.cause, &by_whom(Some(change))));
    (head, below)
}

/// `the cluster changed; by helm, 22 Nov 14:12`.
fn caused(cause: Cause, by: &str) -> String {
    if by.is_empty() { why(cause).into() } else { format!("{}; by {by}", why(cause)) }
}

fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
        ChangeKind::Recreated => "recreated (same name, new uid)",
    }
}
