//! Runs and endings in words.

use crate::{
    period::{
        model::{ClusterPeriod, DeclarationPeriod, Ending, Exception, Run, RunNumber, ScopeSpan},
        words::{began, ended, holding},
    },
    report::view::words::{days, full_time},
};

/// `run 0003 (27 Jul 2026 06:00 UTC)`.
pub(super) fn run(run: &Run) -> String {
    format!("run {:04} ({} UTC)", run.number, full_time(run.finished))
}

/// The same by its number.
pub(super) fn numbered(cluster: &ClusterPeriod, number: RunNumber) -> String {
    cluster.run(number).map_or_else(|| format!("run {number:04}"), run)
}

/// Successive runs: the first `to` the last, or the only one.
pub(super) fn runs(cluster: &ClusterPeriod, first: RunNumber, last: RunNumber) -> String {
    match first == last {
        true => numbered(cluster, first),
        false => format!("{} to {}", numbered(cluster, first), numbered(cluster, last)),
    }
}

/// A declaration in one line, as it stood on a run: `A-05 (in force): J. Roe, 29 Jun 2026 to 31 Dec 2026`.
pub(super) fn declared(said: &DeclarationPeriod, run: RunNumber) -> String {
    let state = said.state_on(run).map_or("not known to this run", |span| span.state.as_str());
    format!("{} ({state}): {}, {}", said.id, said.by, days(said.since, said.until))
}

/// A scope's id, and what it holds.
pub(super) fn scope(span: &ScopeSpan) -> Vec<String> {
    let lines = holding(&span.holds).into_iter().enumerate();
    lines.map(|(at, line)| if at == 0 { format!("{}: {line}", span.scope) } else { line }).collect()
}

/// What a scope held before.
pub(super) fn earlier_scope(cluster: &ClusterPeriod, span: &ScopeSpan) -> String {
    format!("until {}: {}", numbered(cluster, span.last), holding(&span.holds).join("; "))
}

/// When it began, as closely as runs can tell, and why.
pub(super) fn beginning(cluster: &ClusterPeriod, exception: &Exception) -> String {
    let by = numbered(cluster, exception.began.by);
    let why = began(exception.began_by);
    match exception.began.after {
        Some(after) => format!("after {}, by {by}: {why}", numbered(cluster, after)),
        None => format!("by {by}: {why}"),
    }
}

/// How it ended, if it did.
pub(super) fn ending(cluster: &ClusterPeriod, exception: &Exception) -> String {
    match &exception.ending {
        Ending::Open => "open: the last run of the period still saw it".to_owned(),
        Ending::NotSeenSince { run, reason } => {
            format!("not known: {} could not see it, nor any after it: {reason}", numbered(cluster, *run))
        }
        Ending::Ended { bounds, cause } => {
            let by = numbered(cluster, bounds.by);
            let after = bounds.after.map_or_else(String::new, |after| format!("after {}, ", numbered(cluster, after)));
            format!("{after}by {by}: {}", ended(*cause))
        }
    }
}

/// Between which runs it stood, and how it ended, in few words.
pub(super) fn course(exception: &Exception) -> String {
    let (first, last) = (exception.first_seen, exception.last_seen);
    let runs = if first == last { format!("run {first:04}") } else { format!("runs {first:04} to {last:04}") };
    let state = match &exception.ending {
        Ending::Open => "still open",
        Ending::NotSeenSince { .. } => "not seen since",
        Ending::Ended { cause, .. } => ended(*cause),
    };
    format!("{runs}, {state}")
}
