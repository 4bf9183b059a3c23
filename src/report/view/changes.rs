//! What changed since the last verified snapshot, and why.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Block, Facts, Section,
    text::{Look, Shape, Table, Text},
    words,
};
use crate::drift::{
    Cause, ChangeKind, ChangedBy, DeclarationChange, FieldChange, FindingChange, FindingChangeKind, ObjectChange,
};

/// Rows printed of findings and permissions.
const CHANGES: usize = 40;
/// Rows printed of objects.
const OBJECTS: usize = 25;
/// Fields named for one object.
const FIELDS: usize = 3;
/// Characters of a value.
const VALUE: usize = 60;
/// Writes named for one change.
const WRITERS: usize = 3;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let drift = facts.input.drift;
    let Some(since) = facts.since() else {
        let first = "This is the first verified snapshot of this cluster: there is nothing to compare with. From the \
                     next run on, this part says what changed, who changed it, and why.";
        return Section { title: "What changed".into(), new_page: false, blocks: vec![Block::paragraph(first)] };
    };
    let mut blocks = vec![Block::paragraph(summary(facts))];
    if let Some(gap) = drift.audit.as_ref().and_then(|audit| audit.gap.as_ref()) {
        let text = Text::new().run(Look::Unseen, "Not known of every change who made it: ");
        blocks.push(Block::paragraph(text.plain(gap).plain(".")));
    }
    for reason in &drift.cannot_compare {
        blocks.push(Block::paragraph(Text::new().run(Look::Unseen, "Cannot compare: ").plain(reason)));
    }
    blocks.push(Block::Table(
        Table {
            shape: Shape::Changes,
            about: "Findings and permissions that changed, with the cause of each".into(),
            columns: vec!["", "Findings and permissions", "Cause"],
            rows: rows(facts),
            empty: "No finding and no permission changed.".into(),
            more: None,
        }
        .capped(CHANGES, "all of them are in drift.json."),
    ));
    blocks.push(Block::heading("Objects"));
    blocks.push(Block::Table(objects(facts)));
    Section { title: format!("What changed since {since}"), new_page: false, blocks }
}

/// Resolved, and not because of a declaration or of what could not be seen.
pub(in crate::report) fn is_resolved(change: &FindingChange) -> bool {
    change.change == FindingChangeKind::Resolved && !matches!(change.cause, Cause::Declaration | Cause::Sight)
}

fn summary(facts: &Facts<'_>) -> Text {
    let drift = facts.input.drift;
    let of = |kind| drift.findings.iter().filter(|c| c.change == kind).count() as u64;
    let baseline = drift.baseline.as_ref().map_or_else(String::new, |b| match b.index {
        Some(index) => format!("log entry {}", words::number(index)),
        None => b.bundle.clone(),
    });
    Text::from("Compared with ").code(baseline).plain(format!(
        ": {} new, {} resolved, {} still open, {} out of sight; {} of objects. The old snapshot was judged again by \
         today's rules, so that a change of the rules is not taken for a change of the cluster.",
        words::number(of(FindingChangeKind::New)),
        words::number(of(FindingChangeKind::Resolved)),
        words::number(drift.still),
        words::number(of(FindingChangeKind::LostSight)),
        words::count(drift.objects.len() as u64, "change", "changes"),
    ))
}

fn sign(sign: &str, look: Look) -> Text {
    Text::new().run(look, sign)
}

fn rows(facts: &Facts<'_>) -> Vec<Vec<Text>> {
    let drift = facts.input.drift;
    let of = |kind| drift.findings.iter().filter(move |c| c.change == kind);
    let mut rows: Vec<Vec<Text>> = of(FindingChangeKind::New)
        .filter(|c| !c.accepted)
        .map(|c| vec![sign("+", c.severity.into()), named(c), cause(facts, c)])
        .collect();
    rows.extend(of(FindingChangeKind::Reopened).map(|c| {
        let text = named(c).plain(" (no longer waived or expected)");
        vec![sign("+", c.severity.into()), text, cause(facts, c)]
    }));
    let (sensitive, other): (Vec<_>, Vec<_>) = drift.permissions.iter().partition(|p| p.sensitive);
    for permission in sensitive.into_iter().chain(other) {
        let (mark, look) = match (permission.gained.is_empty(), permission.sensitive) {
            (true, _) => ("−", Look::Good),
            (false, true) => ("+", Look::Critical),
            (false, false) => ("+", Look::Low),
        };
        let counts = format!("{} gained, {} lost", permission.gained.len(), permission.lost.len());
        let text = Text::new().strong(&permission.summary).note(format!("{}: {counts}", permission.subject));
        let roles: Vec<&str> = permission.gained.iter().chain(&permission.lost).map(|g| g.role.as_str()).collect();
        let role = roles.first().map(|role| format!("role {role}"));
        let by = Some(writers(&permission.changed_by, permission.more_writes)).filter(|by| !by.is_empty());
        let detail: Vec<String> = role.into_iter().chain(by).collect();
        rows.push(vec![sign(mark, look), text, cause_text(permission.cause, &detail.join("; "))]);
    }
    rows.extend(by_check(of(FindingChangeKind::Resolved)).into_iter().map(|(c, n)| {
        let text = if n == 1 {
            named(c)
        } else {
            Text::from(format!("{n} exceptions of ")).code(&*c.check).plain(" are gone")
        };
        vec![sign("−", Look::Good), text, cause(facts, c)]
    }));
    rows.extend(by_check(of(FindingChangeKind::Accepted)).into_iter().map(|(c, n)| {
        let text = Text::from(words::count(n, "exception", "exceptions")).plain(" of ").code(&*c.check);
        vec![sign("~", Look::Person), text.plain(" waived or expected since"), cause(facts, c)]
    }));
    rows.extend(drift.declarations.iter().map(|d| {
        let (mark, look) = if d.holds { ("~", Look::Person) } else { ("!", Look::High) };
        let text = Text::new().strong(format!("{} {}", d.kind, d.id)).plain(format!(": {}", states(d)));
        let text = if d.applies_to.is_empty() { text } else { text.note(applied(d)) };
        vec![sign(mark, look), text, cause_text(Cause::Declaration, "")]
    }));
    rows.extend(drift.rules.iter().map(|r| {
        let text = Text::from(format!("rule {} ", change_word(r.change))).code(&r.file);
        vec![sign("~", Look::Person), text, cause_text(Cause::Rules, "")]
    }));
    rows.extend(by_check(of(FindingChangeKind::LostSight)).into_iter().map(|(c, n)| {
        let what = words::count(n, "exception", "exceptions");
        let text = Text::from(format!("{what} of ")).code(&*c.check).plain(" could not be looked at again");
        vec![sign("?", Look::Unseen), text, cause_text(Cause::Sight, "")]
    }));
    rows.extend(drift.sight.iter().map(|s| {
        let text = Text::new().code(&s.resource).plain(format!(": {} before, {} now", s.before, s.after));
        vec![sign("?", Look::Unseen), text, cause_text(Cause::Sight, "")]
    }));
    rows
}

/// One of each check and cause, with how many there are.
fn by_check<'a>(changes: impl Iterator<Item = &'a FindingChange>) -> Vec<(&'a FindingChange, u64)> {
    let mut groups: BTreeMap<(std::cmp::Reverse<crate::framework::Severity>, &str, Cause), (&FindingChange, u64)> =
        BTreeMap::new();
    for change in changes {
        let key = (std::cmp::Reverse(change.severity), &*change.check, change.cause);
        groups.entry(key).or_insert((change, 0)).1 += 1;
    }
    groups.into_values().collect()
}

fn named(change: &FindingChange) -> Text {
    Text::new().strong(change.resource.path()).plain(format!(" {}", change.message)).note(&*change.check)
}

fn cause(facts: &Facts<'_>, change: &FindingChange) -> Text {
    let detail = match change.cause {
        Cause::Cluster => last_writer(facts, &change.resource.to_string()),
        _ => String::new(),
    };
    cause_text(change.cause, &detail)
}

/// A cause in a word or two, for columns.
pub(in crate::report) fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Cluster => "cluster",
        Cause::Rules => "rules",
        Cause::Sight => "not seen",
        Cause::Declaration => "declaration",
        Cause::Time => "time",
        Cause::Scanner => "scanner",
    }
}

/// A cause with who or what it was.
pub(in crate::report) fn cause_text(cause: Cause, detail: &str) -> Text {
    let text = Text::from(cause_word(cause));
    let text = if detail.is_empty() { text } else { text.plain(": ").plain(detail) };
    match cause {
        Cause::Cluster | Cause::Sight => text,
        Cause::Rules | Cause::Declaration | Cause::Time | Cause::Scanner => text.note(why(cause)),
    }
}

/// A cause in words.
pub(in crate::report) fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Cluster => "the cluster changed",
        Cause::Rules => "checks or frameworks changed, the cluster did not",
        Cause::Sight => "not seen on one of the two sides",
        Cause::Declaration => "a waiver, an expected entry or an attestation began or ended",
        Cause::Time => "nothing but time passed",
        Cause::Scanner => "a scanner says something else of the same image",
    }
}

/// `in force before, expired now`.
pub(in crate::report) fn states(change: &DeclarationChange) -> String {
    let state = |state: &Option<String>| state.clone().unwrap_or_else(|| "not declared".into());
    format!("{} before, {} now", state(&change.before), state(&change.after))
}

/// What a declaration applies to, or applied to while it held.
pub(in crate::report) fn applied(change: &DeclarationChange) -> String {
    let (first, left) = (change.applies_to.first(), change.applies_to.len().saturating_sub(1));
    let first = first.map_or("", String::as_str);
    let more = if left > 0 { format!(" and {left} more") } else { String::new() };
    format!("{} {first}{more}", if change.holds { "applies to" } else { "applied to" })
}

/// Who wrote an object, in words; empty where nobody knows.
pub(in crate::report) fn by_whom(change: Option<&ObjectChange>) -> String {
    change.map_or_else(String::new, |change| writers(&change.changed_by, change.more_writes))
}

/// Who wrote last to what a finding is about; empty where nobody knows.
pub(super) fn last_writer(facts: &Facts<'_>, resource: &str) -> String {
    let change = facts.change_of(resource);
    change.and_then(|change| change.changed_by.first()).map_or_else(String::new, writer)
}

/// `alice (patch, audit log), 22 Nov 14:12; helm, 22 Nov 14:11; and 2 more writes`. Components of the cluster are named
/// where nobody else wrote.
pub(in crate::report) fn writers(all: &[ChangedBy], more: u64) -> String {
    let people = all.iter().take_while(|by| !by.is_system()).count();
    let telling = if people > 0 { people } else { all.len() };
    let mut words: Vec<String> = all.iter().take(telling.min(WRITERS)).map(writer).collect();
    let more = more + telling.saturating_sub(WRITERS) as u64;
    if more > 0 {
        words.push(format!("and {}", words::count(more, "more write", "more writes")));
    }
    words.join("; ")
}

fn writer(by: &ChangedBy) -> String {
    let (who, at) = (by.who(), words::short_time(by.time()));
    match by {
        ChangedBy::ManagedFields { .. } => format!("{who}, {at}"),
        ChangedBy::AuditLog { verb, subresource, unnamed, meanwhile, .. } => {
            let of = subresource.as_ref().map_or_else(String::new, |sub| format!(" {sub}"));
            let one = match (unnamed, &**verb) {
                (true, "create") => " of a name to be made",
                _ => "",
            };
            let doubt = if *meanwhile { ", while a snapshot was taken" } else { "" };
            format!("{who} ({verb}{of}{one}, audit log), {at}{doubt}")
        }
    }
}

fn change_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
        ChangeKind::Recreated => "recreated",
    }
}

fn objects(facts: &Facts<'_>) -> Table {
    let rows = facts.input.drift.objects.iter().map(|change| {
        let (mark, look) = match change.change {
            ChangeKind::Added => ("+", Look::Person),
            ChangeKind::Removed => ("−", Look::Soft),
            ChangeKind::Changed => ("~", Look::Person),
            ChangeKind::Recreated => ("±", Look::Person),
        };
        let text = Text::from(format!("{} ", change.resource.kind)).strong(change.resource.path());
        let text = text.plain(format!(" {}", change_word(change.change)));
        let text = change.fields.iter().take(FIELDS).fold(text, |text, f| text.note(field(f, VALUE)));
        let left = change.fields.len().saturating_sub(FIELDS) as u64;
        let text =
            if left > 0 { text.note(format!("and {} more", words::count(left, "field", "fields"))) } else { text };
        vec![sign(mark, look), text, cause_text(change.cause, &by_whom(Some(change)))]
    });
    Table {
        shape: Shape::Changes,
        about: "Objects that were added, removed or changed".into(),
        columns: vec!["", "Object and fields", "Cause"],
        rows: rows.collect(),
        empty: "No object changed.".into(),
        more: None,
    }
    .capped(OBJECTS, "all of them, with every field, are in drift.json.")
}

/// `spec.replicas: 2 → 3`, with at most `letters` of each value.
pub(in crate::report) fn field(change: &FieldChange, letters: usize) -> String {
    let value =
        |v: &Option<Value>| v.as_ref().map_or_else(|| "unset".to_owned(), |v| words::clip(&v.to_string(), letters));
    if change.redacted {
        return format!("{}: changed (the values are redacted)", change.stable);
    }
    format!("{}: {} → {}", change.stable, value(&change.before), value(&change.after))
}
