//! Exceptions: each from beginning to end, with a column for management's response.

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::NaiveDate;

use super::facts::{Cluster, Facts, run_id};
use crate::{
    framework::Severity,
    period::{
        model::{Ending, Exception, WrittenBy},
        words::{began, duration, ended},
    },
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Exceptions printed in one document, over all clusters; the workbook holds each of them.
const PRINTED: usize = 60;
/// Exceptions printed of each cluster, however many there are.
const AT_LEAST: usize = 10;
/// Writers named.
const WRITERS: usize = 2;
/// Characters of an observed value.
const VALUE: usize = 60;
/// Requirements of other frameworks named.
const SERVES: usize = 3;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    if facts.clusters.iter().all(|cluster| cluster.exceptions.is_empty()) {
        let text = if facts.period.runs() == 0 {
            "Without a run nothing is known of exceptions."
        } else {
            "No exception in this period."
        };
        blocks.push(Block::paragraph(text));
        return Section { title: "Exceptions".into(), new_page: false, blocks };
    }
    blocks.push(Block::paragraph(
        "Failures of the checks that decide or support a requirement of this framework: those that decide one first, the worst first of each. Of a write the \
         API server notes the client program, no person; an audit log, where one was read, names the user. The digest names the \
         object as it was stored and signed: its text is in the package, data/evidence, and the run's bundle holds the same \
         row. The last column is management's.",
    ));
    let cap = printed(facts);
    for cluster in &facts.clusters {
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        blocks.push(Block::Table(table(facts, cluster, cap)));
        if cluster.exceptions.len() > cap {
            blocks.push(facts.heading(cluster, "Not printed here"));
            blocks.push(Block::Table(rest(&cluster.exceptions[cap..])));
        }
    }
    Section { title: "Exceptions".into(), new_page: true, blocks }
}

/// Exceptions printed of each cluster.
pub(super) fn printed(facts: &Facts<'_>) -> usize {
    (PRINTED / facts.clusters.len().max(1)).max(AT_LEAST)
}

fn table(facts: &Facts<'_>, cluster: &Cluster<'_>, cap: usize) -> Table {
    let left = cluster.exceptions.len().saturating_sub(cap);
    Table {
        shape: Shape::Exceptions,
        about: "Exceptions with their bounds, owners and a column for management's response".into(),
        columns: vec!["Exception", "First and last seen", "Owner, waiver, fix", "Management's response"],
        rows: cluster.exceptions.iter().take(cap).map(|exception| row(facts, cluster, exception)).collect(),
        empty: "No exception in this period.".into(),
        more: None,
    }
    .leaving_out(left, "each of them is named in workbook.xlsx, sheet Exceptions.")
}

fn row(facts: &Facts<'_>, cluster: &Cluster<'_>, exception: &Exception) -> Vec<Text> {
    vec![what(facts, cluster, exception), seen(cluster, exception), answer(cluster, exception), Text::new()]
}

/// The requirements of this document's framework, all of them, then some of the others.
fn serves(facts: &Facts<'_>, cluster: &Cluster<'_>, exception: &Exception) -> [String; 3] {
    let framework = facts.framework.id.as_str();
    let (own, others): (Vec<&String>, Vec<&String>) =
        exception.requirements.iter().partition(|id| id.split_once('/').is_some_and(|(known, _)| known == framework));
    let own = own.into_iter().filter_map(|id| id.split_once('/')).map(|(_, id)| id);
    let (decides, supports): (Vec<&str>, Vec<&str>) = own.partition(|id| cluster.decides(exception, id));
    let line = |word: &str, ids: &[&str]| match ids {
        [] => String::new(),
        ids => format!("{word} {} {}", words::short_framework(framework), ids.join(", ")),
    };
    let others: Vec<String> = others.into_iter().map(|id| words::short_requirement(id)).collect();
    let others =
        if others.is_empty() { String::new() } else { format!("elsewhere {}", words::some_of(&others, SERVES)) };
    [line("decides", &decides), line("supports", &supports), others]
}

fn what(facts: &Facts<'_>, cluster: &Cluster<'_>, exception: &Exception) -> Text {
    let mut text = Text::new()
        .code(&exception.id)
        .run(exception.severity.into(), format!("  {}", words::severity(exception.severity)))
        .line()
        .plain(format!("{} ", exception.resource.kind))
        .strong(exception.resource.path())
        .note(words::sentence_case(&exception.message));
    if let Some(observed) = &exception.observed {
        text = text.note(format!("found {}, expected {}", words::clip(observed, VALUE), exception.expected));
    }
    text = text.note(&exception.check);
    for line in serves(facts, cluster, exception) {
        text = text.note(line);
    }
    if let Some(cited) = exception.evidence.first() {
        text = text.line().code(format!("sha256:{}…", cited.digest.short(16)));
        text = text.soft(format!(" run {}", run_id(cited.run)));
        let left = exception.evidence.len() as u64 - 1;
        if left > 0 {
            text = text.soft(format!(" and {}", words::count(left, "more", "more")));
        }
    }
    text
}

fn seen(cluster: &Cluster<'_>, exception: &Exception) -> Text {
    let mut text = Text::from(format!("First {}", cluster.when(exception.first_seen)));
    text = text.note(format!("run {}; {}", run_id(exception.first_seen), began(exception.began_by)));
    if !exception.written_by.is_empty() {
        text = text.note(format!("written by {}", writers(&exception.written_by)));
    }
    if let Some(after) = exception.began.after {
        text = text.note(format!("not there on {}", cluster.at(after)));
    }
    text = text.line().plain(format!("Last {}", cluster.when(exception.last_seen)));
    text = text.note(format!("run {}", run_id(exception.last_seen)));
    text = match &exception.ending {
        Ending::Open => text.line().run(Look::Critical, "open on the last run"),
        Ending::NotSeenSince { run, reason } => {
            text.line().run(Look::Unseen, "not seen since").note(format!("{}: {reason}", cluster.at(*run)))
        }
        Ending::Ended { bounds, .. } => {
            let text = text.note(format!("gone on {}", cluster.at(bounds.by)));
            let now = exception.evidence_after.first().map(|cited| cited.digest.hex());
            now.into_iter().fold(text, |text, digest| text.note(format!("as sha256:{}…", &digest[..16])))
        }
    };
    text = text.note(match (exception.duration.at_least_seconds, exception.duration.at_most_seconds) {
        (0, Some(most)) => format!("stood at most {}", duration(most)),
        (least, Some(most)) => format!("stood {} to {}", duration(least), duration(most)),
        (0, None) => "how long it stood is not known".into(),
        (least, None) => format!("stood {} at least", duration(least)),
    });
    let blind = exception.not_seen_in.len() as u64;
    let blind =
        if blind == 0 { String::new() } else { format!(", could not be looked at in {}", words::number(blind)) };
    text.note(format!("seen in {}{blind}", words::count(u64::from(exception.seen_in), "run", "runs")))
}

fn answer(cluster: &Cluster<'_>, exception: &Exception) -> Text {
    let mut text = match &exception.owner {
        Some(owner) => Text::from(owner.as_str()),
        None => Text::new().soft("no owner known"),
    };
    for waiver in &exception.waivers {
        let day =
            |run| cluster.all.run(run).map_or_else(String::new, |run| words::short_date(run.finished.date_naive()));
        text = text.line().plain("waiver ").code(&waiver.id);
        let date = |day: Option<NaiveDate>| day.map_or_else(|| "no day".to_owned(), words::short_date);
        if let Some(known) = cluster.all.waiver(&waiver.id) {
            text = text.note(format!("declared {} to {}", date(known.since), date(known.until)));
        }
        text = text.note(format!("on the runs of {} to {}", day(waiver.first), day(waiver.last)));
    }
    if let Ending::Ended { cause, .. } = &exception.ending {
        let look = if exception.ending.is_repair() { Look::Good } else { Look::Person };
        text = text.line().run(look, ended(*cause));
    }
    text
}

/// `helm (client program), 2 Oct 2026 22:00`.
pub(super) fn writers(all: &[WrittenBy]) -> String {
    let said: Vec<String> = all
        .iter()
        .map(|by| match by {
            WrittenBy::ManagedFields { .. } => {
                format!("{} (client program), {}", by.who(), words::full_time(by.time()))
            }
            WrittenBy::AuditLog { verb, .. } => {
                format!("{} ({verb}, audit log), {}", by.who(), words::full_time(by.time()))
            }
        })
        .collect();
    words::some_of(&said, WRITERS)
}

/// Exceptions that are not printed, by check: every one of them is counted, since the control totals say so.
fn rest(exceptions: &[&Exception]) -> Table {
    let mut checks: BTreeMap<(Reverse<Severity>, &str), (u64, u64, &str)> = BTreeMap::new();
    for exception in exceptions {
        let entry = checks.entry((Reverse(exception.severity), &exception.check)).or_insert((0, 0, &exception.title));
        entry.0 += 1;
        entry.1 += u64::from(exception.ending == Ending::Open);
    }
    let rows = checks.into_iter().map(|((Reverse(severity), check), (count, open, title))| {
        vec![
            Text::new().run(severity.into(), words::severity(severity)),
            Text::from(title).note(check),
            format!("{}, {} open", words::count(count, "exception", "exceptions"), words::number(open)).into(),
        ]
    });
    Table {
        shape: Shape::ScopeChanges,
        about: "Exceptions that are not printed, by check".into(),
        columns: vec!["Severity", "Check", "Counted here, named in workbook.xlsx"],
        rows: rows.collect(),
        empty: String::new(),
        more: None,
    }
}
