//! Requirements, their status on every run, exceptions and times to repair.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use chrono::NaiveDate;

use super::{
    Table,
    cells::{
        after, by, cited, count, days, finished, joined, named, number, switch, table, text, time, trails, writers,
    },
};
use crate::{
    period::model::{
        Bounds, ClusterPeriod, DeclarationPeriod, Ending, Exception, Longest, Period, RepairTimes, RequirementPeriod,
        Run,
    },
    report::view::words,
};

type Row<'a, T> = (&'a ClusterPeriod, &'a T);

/// One row a requirement.
pub(super) fn requirements(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, RequirementPeriod>;
    let rows = period.clusters.iter().flat_map(|c| c.requirements.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        ("requirements", "Requirements", "One row a requirement and cluster: in how many runs it held."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("framework", "Framework", 18, |(_, r)| Some(r.framework.clone())),
            text("requirement", "Requirement", 16, |(_, r)| Some(r.id.clone())),
            text("title", "Title", 50, |(_, r)| Some(r.title.clone())),
            text("section", "Section", 24, |(_, r)| r.section.clone()),
            text("level", "Level", 10, |(_, r)| r.level.clone()),
            text("coverage", "Answered by", 12, |(_, r)| named(&r.coverage)),
            text("periodicity", "To be shown", 18, |(_, r)| r.periodicity.clone()),
            text("note", "What a person must show", 40, |(_, r)| r.note.clone()),
            text("company_control", "Company control", 16, |(_, r)| r.company_control.clone()),
            text("owner", "Owner", 18, |(_, r)| r.owner.clone()),
            text("operation", "Operation in the period", 50, |(_, r)| {
                r.effectiveness.as_ref().map(|effect| effect.sentence.clone())
            }),
            number("runs", "Runs", |(_, r)| count(r.effectiveness.as_ref()?.runs)),
            number("without_exception", "Without exception", |(_, r)| {
                count(r.effectiveness.as_ref()?.without_exception)
            }),
            number("with_exception", "With exception", |(_, r)| count(r.effectiveness.as_ref()?.with_exception)),
            number("not_evaluated", "Not evaluated", |(_, r)| count(r.effectiveness.as_ref()?.not_evaluated)),
            number("nothing_to_look_at", "Nothing to look at", |(_, r)| {
                count(r.effectiveness.as_ref()?.not_applicable)
            }),
            number("inherited", "On the provider's word", |(_, r)| count(r.effectiveness.as_ref()?.inherited)),
            number("attested_alone", "On people's word alone", |(_, r)| {
                count(r.effectiveness.as_ref()?.attested_alone)
            }),
            number("longest_unobserved_seconds", "Longest unobserved (seconds)", |(_, r)| {
                r.effectiveness.as_ref()?.longest_unobserved_seconds
            }),
            number("longest_unobserved_days", "Longest unobserved (days, rounded)", |(_, r)| {
                days(r.effectiveness.as_ref()?.longest_unobserved_seconds?)
            }),
            text("last_status", "Status on the last run", 24, |(_, r)| {
                r.statuses.last().copied().flatten().map(|status| words::status(status).0.to_owned())
            }),
            text("last_reason", "Reason", 40, |(_, r)| r.reasons.last().map(|span| span.reason.clone())),
            number("exceptions", "Exceptions", |(_, r)| count(r.exceptions.len())),
            text("exception_ids", "Exception ids", 24, |(_, r)| Some(r.exceptions.join(" "))),
            text("decided_by", "Deciding checks", 40, |(_, r)| Some(r.decides.join(" "))),
        ],
    )
}

/// One row a requirement and run.
pub(super) fn statuses(period: &Period) -> Table<'_> {
    type Of<'a> = (&'a ClusterPeriod, &'a RequirementPeriod, &'a Run);
    let rows = period
        .clusters
        .iter()
        .flat_map(|c| c.requirements.iter().flat_map(move |row| c.runs.iter().map(move |run| (c, row, run))));
    table::<Of<'_>>(
        ("statuses", "Status by run", "One row a requirement and run: what that run said of it."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, ..)| Some(c.folder.clone())),
            text("framework", "Framework", 18, |(_, r, _)| Some(r.framework.clone())),
            text("requirement", "Requirement", 16, |(_, r, _)| Some(r.id.clone())),
            number("run", "Run", |(.., run)| count(run.number)),
            time("observed", "Observed (UTC)", |(.., run)| Some(run.finished)),
            text("status", "Status", 34, |(_, r, run)| {
                r.status_on(run.number).map(|status| words::status(status).0.to_owned())
            }),
            text("reason", "Reason", 60, |(_, r, run)| r.reason_on(run.number).map(str::to_owned)),
            text("results", "Said by the run itself in", 60, |(c, r, run)| {
                c.results_of(&r.framework, run.number).map(|span| span.path(&c.folder))
            }),
        ],
    )
}

/// One row an exception, with a blank column for management's response.
pub(super) fn exceptions(period: &Period) -> Table<'_> {
    type Of<'a> = (&'a ClusterPeriod, &'a Exception, Rc<Deciding<'a>>);
    let rows = period.clusters.iter().flat_map(|c| {
        let deciding = Rc::new(deciding(c));
        c.exceptions.iter().map(move |x| (c, x, Rc::clone(&deciding)))
    });
    table::<Of<'_>>(
        (
            "exceptions",
            "Exceptions",
            "One row a failure of one check at one place, from when it began to when it ended.",
        ),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, ..)| Some(c.folder.clone())),
            text("id", "Id", 10, |(_, x, _)| Some(x.id.clone())),
            text("severity", "Severity", 10, |(_, x, _)| Some(words::severity(x.severity).to_owned())),
            text("title", "What is expected", 40, |(_, x, _)| Some(x.title.clone())),
            text("kind", "Kind", 16, |(_, x, _)| Some(x.resource.kind.clone())),
            text("namespace", "Namespace", 18, |(_, x, _)| x.resource.namespace.clone()),
            text("name", "Name", 28, |(_, x, _)| Some(x.resource.name.clone())),
            text("container", "Container", 16, |(_, x, _)| x.container.clone()),
            text("message", "What was found", 50, |(_, x, _)| Some(x.message.clone())),
            text("owner", "Owner", 18, |(_, x, _)| x.owner.clone()),
            text("state", "State", 16, |(_, x, _)| Some(state(&x.ending).to_owned())),
            time("first_seen", "First seen (UTC)", |(c, x, _)| finished(c, x.first_seen)),
            time("last_seen", "Last seen (UTC)", |(c, x, _)| finished(c, x.last_seen)),
            number("seen_in", "Seen in runs", |(_, x, _)| count(x.seen_in)),
            number("not_seen_in", "Runs that could not tell", |(_, x, _)| count(x.not_seen_in.len())),
            time("began_after", "Began after (UTC)", |(c, x, _)| after(c, Some(x.began))),
            time("began_by", "Began by (UTC)", |(c, x, _)| by(c, Some(x.began))),
            text("began_because", "Began because", 18, |(_, x, _)| named(&x.began_by)),
            time("ended_after", "Ended after (UTC)", |(c, x, _)| after(c, ended(x))),
            time("ended_by", "Ended by (UTC)", |(c, x, _)| by(c, ended(x))),
            text("ended_because", "Ended because", 24, |(_, x, _)| match &x.ending {
                Ending::Open => None,
                Ending::NotSeenSince { reason, .. } => Some(reason.clone()),
                Ending::Ended { cause, .. } => named(cause),
            }),
            switch("repaired", "Repaired", |(_, x, _)| Some(x.ending.is_repair())),
            number("at_least_seconds", "Stood at least (seconds)", |(_, x, _)| Some(x.duration.at_least_seconds)),
            number("at_least_days", "Stood at least (days, rounded)", |(_, x, _)| days(x.duration.at_least_seconds)),
            number("at_most_seconds", "Stood at most (seconds)", |(_, x, _)| x.duration.at_most_seconds),
            number("at_most_days", "Stood at most (days, rounded)", |(_, x, _)| days(x.duration.at_most_seconds?)),
            text("waivers", "Waivers", 24, |(c, x, _)| {
                let day = |run| finished(c, run).map(|at| at.date_naive().to_string()).unwrap_or_default();
                joined(&x.waivers, |w| {
                    let declared = c.waiver(&w.id).map(|d| format!("declared {}, ", declared(d))).unwrap_or_default();
                    format!("{}: {declared}on the runs from {} to {}", w.id, day(w.first), day(w.last))
                })
            }),
            text("written_by", "Begun by a write of (client program, or user by audit log)", 30, |(_, x, _)| {
                writers(&x.written_by)
            }),
            text("repaired_by", "Ended by a write of (client program, or user by audit log)", 30, |(_, x, _)| {
                writers(&x.repaired_by)
            }),
            text("managements_response", "Management's response", 50, |_| None),
            text("decides", "Decides", 30, |(_, x, d)| Some(named_by(x, d, true))),
            text("supports", "Supports", 30, |(_, x, d)| Some(named_by(x, d, false))),
            text("check", "Check", 26, |(_, x, _)| Some(x.check.clone())),
            text("place", "Place", 40, |(_, x, _)| Some(x.place.clone())),
            text("observed", "Observed", 24, |(_, x, _)| x.observed.clone()),
            text("expected", "Expected", 24, |(_, x, _)| Some(x.expected.clone())),
            text("finding", "Finding", 18, |(_, x, _)| Some(x.finding.to_string())),
            text("evidence", "Evidence", 60, |(_, x, _)| cited(&x.evidence)),
            text("evidence_after", "Evidence of the end", 60, |(_, x, _)| cited(&x.evidence_after)),
            text("audit_trails", "Evidence of writers", 60, |(c, x, _)| trails(c, &[&x.written_by, &x.repaired_by])),
        ],
    )
}

/// Requirements by the checks that decide them.
type Deciding<'a> = BTreeMap<&'a str, BTreeSet<String>>;

fn deciding(cluster: &ClusterPeriod) -> Deciding<'_> {
    let mut by_check = Deciding::new();
    for row in &cluster.requirements {
        for check in &row.decides {
            by_check.entry(check).or_default().insert(row.full_id());
        }
    }
    by_check
}

/// Requirements that an exception names: those that its check decides, or the others.
fn named_by(x: &Exception, deciding: &Deciding<'_>, decided: bool) -> String {
    let of_check = deciding.get(x.check.as_str());
    let is_wanted = |id: &&String| of_check.is_some_and(|ids| ids.contains(*id)) == decided;
    x.requirements.iter().filter(is_wanted).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// First and last day of a declaration.
fn declared(declaration: &DeclarationPeriod) -> String {
    let day = |day: Option<NaiveDate>| day.map_or_else(|| "no day".to_owned(), |day| day.to_string());
    format!("{} to {}", day(declaration.since), day(declaration.until))
}

fn ended(exception: &Exception) -> Option<Bounds> {
    match exception.ending {
        Ending::Ended { bounds, .. } => Some(bounds),
        Ending::Open | Ending::NotSeenSince { .. } => None,
    }
}

/// How it stands with an exception at the end of the period.
pub(in crate::period::documents) fn state(ending: &Ending) -> &'static str {
    match ending {
        Ending::Open => "open",
        Ending::NotSeenSince { .. } => "not seen since",
        Ending::Ended { .. } if ending.is_repair() => "repaired",
        Ending::Ended { .. } => "ended by rules",
    }
}

fn longest(cluster: &ClusterPeriod, times: &RepairTimes) -> Longest {
    Longest::of(times.severity, &cluster.exceptions)
}

/// One row a severity.
pub(super) fn repair_times(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, RepairTimes>;
    let rows = period.clusters.iter().flat_map(|c| c.repair_times.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        ("repair-times", "Time to repair", "One row a severity: bounds of the time that repaired exceptions stood."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("severity", "Severity", 10, |(_, t)| Some(words::severity(t.severity).to_owned())),
            number("repaired", "Repaired", |(_, t)| count(t.repaired)),
            number("unbounded", "Of those, begun before the period", |(_, t)| count(t.unbounded)),
            number("begun_before_at_least_seconds", "Longest begun before the period, at least (seconds)", |(c, t)| {
                longest(c, t).begun_before
            }),
            number(
                "begun_before_at_least_days",
                "Longest begun before the period, at least (days, rounded)",
                |(c, t)| days(longest(c, t).begun_before?),
            ),
            number("begun_within_at_least_seconds", "Longest begun in the period, at least (seconds)", |(c, t)| {
                Some(longest(c, t).begun_within?.0)
            }),
            number("begun_within_at_least_days", "Longest begun in the period, at least (days, rounded)", |(c, t)| {
                days(longest(c, t).begun_within?.0)
            }),
            number("begun_within_at_most_seconds", "Longest begun in the period, at most (seconds)", |(c, t)| {
                Some(longest(c, t).begun_within?.1)
            }),
            number("begun_within_at_most_days", "Longest begun in the period, at most (days, rounded)", |(c, t)| {
                days(longest(c, t).begun_within?.1)
            }),
            number("open", "Open", |(_, t)| count(t.open)),
            number("open_waived", "Open under a waiver", |(_, t)| count(t.open_waived)),
            number("not_seen_since", "Not seen since", |(_, t)| count(t.not_seen_since)),
            number("ended_by_rules", "Ended by rules", |(_, t)| count(t.ended_by_rules)),
            time("oldest_open_since", "Oldest open since (UTC)", |(_, t)| t.oldest_open_since),
        ],
    )
}
