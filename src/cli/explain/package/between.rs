//! A day without a run: what the runs around it say together, and what is known of the time between them.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    exception::writer,
    requirement::{Told, rules},
};
use crate::{
    period::model::{DeclarationPeriod, Exception, WrittenBy},
    report::view::words as report,
};

/// Exceptions named in a line.
const MOST_IDS: usize = 12;

/// What set two runs apart, as far as they and the writes between them tell.
pub(super) fn describe(before: &Told<'_>, after: &Told<'_>, day: NaiveDate) -> Vec<String> {
    let mut said = vec![match (before.status == after.status, before.reason == after.reason) {
        (true, true) => "Both said the same. It may have been otherwise in between: no run saw it.".to_owned(),
        (true, false) => "The status is the same, and the reason another one.".to_owned(),
        (false, _) => "They differ, and no run saw when it changed.".to_owned(),
    }];
    let (gone, new) = (not_in(before, after), not_in(after, before));
    for (what, all) in [("gone", &gone), ("new", &new)] {
        if !all.is_empty() {
            let ids: Vec<&str> = all.iter().map(|x| x.id.as_str()).collect();
            said.push(format!("{what} on run {:04}: {}", after.run.number, report::some_of(&ids, MOST_IDS)));
        }
    }
    said.extend(writes(&gone, "ended", |x| &x.repaired_by));
    said.extend(writes(&new, "began", |x| &x.written_by));
    said.extend(declared(before, day));
    said.extend(rules(after.row, before.run, after.run));
    said
}

/// The exceptions that another run did not see.
fn not_in<'a>(told: &Told<'a>, other: &Told<'_>) -> Vec<&'a Exception> {
    let is_there = |id: &str| other.failures.iter().any(|x| x.id == id);
    told.failures.iter().copied().filter(|x| !is_there(&x.id)).collect()
}

/// The known writes by which exceptions began or ended, each with those that it may explain.
fn writes(all: &[&Exception], what: &str, of: fn(&Exception) -> &[WrittenBy]) -> Vec<String> {
    let mut by_write: BTreeMap<&WrittenBy, Vec<&str>> = BTreeMap::new();
    for x in all {
        of(x).iter().for_each(|by| by_write.entry(by).or_default().push(&x.id));
    }
    let mut known: Vec<(&WrittenBy, Vec<&str>)> = by_write.into_iter().collect();
    known.sort_by_key(|(by, _)| by.time());
    known
        .into_iter()
        .map(|(by, ids)| format!("known of how {} {what}: a write of {}", report::some_of(&ids, MOST_IDS), writer(by)))
        .collect()
}

/// Declarations about it that ended or began after the run before the day, and by that day.
fn declared(before: &Told<'_>, day: NaiveDate) -> Vec<String> {
    let (full, since) = (before.row.full_id(), before.run.finished.date_naive());
    let waives = |id: &str| {
        let on_run = |x: &&Exception| x.waivers.iter().any(|span| span.id == id && span.last >= before.run.number);
        before.failures.iter().any(on_run)
    };
    let is_about = |said: &&DeclarationPeriod| match said.kind.as_str() {
        "waiver" => waives(&said.id),
        _ => said.about.contains(&full) || said.applies_to.contains(&full),
    };
    let about = before.cluster.declarations.iter().filter(is_about);
    let lines = about.filter_map(|said| {
        let ended = said.until.filter(|until| (since..day).contains(until));
        let began = said.since.filter(|first| since < *first && *first <= day);
        let what = report::declaration(&said.kind);
        match (ended, began) {
            (Some(until), _) => {
                Some(format!("{} ({what}) ended on {}: it did not hold on this day", said.id, report::long_date(until)))
            }
            (None, Some(first)) => Some(format!(
                "{} ({what}) is of {}: declared for this day, and no run had read it by then",
                said.id,
                report::long_date(first)
            )),
            (None, None) => None,
        }
    });
    lines.collect()
}
