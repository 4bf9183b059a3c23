//! The table of changes: what `data/drift.json` says, one row for each change.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{LakeError, LakeFile, Source, made, text, word};
use crate::{
    drift::{Cause, ChangedBy, Drift, FindingChange, ObjectChange, PermissionChange},
    resource::ResourceRef,
    snapshot,
};

/// One change; what a part does not know stays empty.
#[derive(Default)]
struct Row<'a> {
    /// `objects`, `permissions`, `findings`, `rules`, `sight`.
    part: &'static str,
    change: Option<String>,
    cause: Option<Cause>,
    resource: Option<&'a ResourceRef>,
    /// What it is about where that is no object: a subject, a file of the rules, a list.
    subject: Option<&'a str>,
    finding: Option<&'a FindingChange>,
    before: Option<String>,
    after: Option<String>,
    message: Option<&'a str>,
    by: Option<String>,
    by_time: Option<DateTime<Utc>>,
    /// Some power that leads further was gained.
    sensitive: bool,
    /// JSON: changed fields, permissions gained and lost.
    detail: Option<String>,
}

pub(super) fn table<B: AsRef<[u8]>>(source: &Source<'_, B>, drift: &Drift) -> Result<LakeFile, LakeError> {
    let rows: Vec<Row<'_>> = rows(drift).collect();
    source.table("drift", &rows, |rows| {
        vec![
            text("part", rows, |r| Some(r.part)),
            text("change", rows, |r| r.change.as_deref()),
            made("cause", rows, |r| word(r.cause?)),
            text("api_version", rows, |r| Some(&r.resource?.api_version)),
            text("kind", rows, |r| Some(&r.resource?.kind)),
            text("namespace", rows, |r| r.resource?.namespace.as_deref()),
            text("name", rows, |r| Some(&r.resource?.name)),
            text("subject", rows, |r| r.subject),
            made("finding", rows, |r| Some(r.finding?.id.to_string())),
            text("check", rows, |r| Some(&r.finding?.check)),
            made("severity", rows, |r| word(r.finding?.severity)),
            text("place", rows, |r| Some(&r.finding?.place)),
            text("owner", rows, |r| r.finding?.owner.as_deref()),
            snapshot::switches("accepted", rows.iter().map(|r| r.finding.is_some_and(|finding| finding.accepted))),
            text("before", rows, |r| r.before.as_deref()),
            text("after", rows, |r| r.after.as_deref()),
            text("message", rows, |r| r.message),
            text("by", rows, |r| r.by.as_deref()),
            snapshot::times("by_time", rows.iter().map(|r| r.by_time)),
            snapshot::switches("sensitive", rows.iter().map(|r| r.sensitive)),
            text("detail", rows, |r| r.detail.as_deref()),
        ]
    })
}

fn rows(drift: &Drift) -> impl Iterator<Item = Row<'_>> {
    let rules = drift.rules.iter().map(|rule| Row {
        part: "rules",
        change: word(rule.change),
        cause: Some(Cause::Rules),
        subject: Some(&rule.file),
        ..Row::default()
    });
    let sight = drift.sight.iter().map(|list| Row {
        part: "sight",
        change: Some("changed".into()),
        cause: Some(Cause::Sight),
        subject: Some(&list.resource),
        before: Some(list.before.clone()),
        after: Some(list.after.clone()),
        ..Row::default()
    });
    let objects = drift.objects.iter().map(object);
    let permissions = drift.permissions.iter().map(permission);
    objects.chain(permissions).chain(drift.findings.iter().map(finding)).chain(rules).chain(sight)
}

fn object(change: &ObjectChange) -> Row<'_> {
    Row {
        part: "objects",
        change: word(change.change),
        cause: Some(change.cause),
        resource: Some(&change.resource),
        before: change.before.map(|digest| digest.to_string()),
        after: change.after.map(|digest| digest.to_string()),
        by: change.changed_by.first().map(ChangedBy::who),
        by_time: change.changed_by.first().map(ChangedBy::time),
        detail: (!change.fields.is_empty()).then(|| json(&change.fields)),
        ..Row::default()
    }
}

fn permission(change: &PermissionChange) -> Row<'_> {
    let what = match (change.gained.is_empty(), change.lost.is_empty()) {
        (false, true) => "gained",
        (true, false) => "lost",
        _ => "changed",
    };
    Row {
        part: "permissions",
        change: Some(what.into()),
        cause: Some(change.cause),
        subject: Some(&change.subject),
        message: Some(&change.summary),
        by: change.changed_by.first().map(ChangedBy::who),
        by_time: change.changed_by.first().map(ChangedBy::time),
        sensitive: change.sensitive,
        detail: Some(json(&serde_json::json!({"gained": change.gained, "lost": change.lost}))),
        ..Row::default()
    }
}

fn finding(change: &FindingChange) -> Row<'_> {
    Row {
        part: "findings",
        change: word(change.change),
        cause: Some(change.cause),
        resource: Some(&change.resource),
        finding: Some(change),
        message: Some(&change.message),
        ..Row::default()
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
