//! Is evidence fresh? A judgement over an inventory, at a moment that is passed in.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::inventory::{Entry, Inventory, Standing};
use crate::bundle::statement::RunResult;

/// Clocks of two machines differ by a little; more is a clock that is wrong, or a claim that is.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// What became of a cluster's evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The newest run that saw the cluster is young enough.
    Fresh,
    /// It is too old, claims to be from the future, or there is none.
    Stale,
    /// Slots of the log hold something else.
    Incomplete,
    /// The newest entry is not by the key.
    Untrusted,
}

/// The judgement of one cluster.
#[derive(Debug, Clone)]
pub struct Freshness<'a> {
    /// The worst of what was found.
    pub state: State,
    /// The newest run that saw the cluster.
    pub newest: Option<&'a Entry>,
    /// Its age, by its own claim.
    pub age: Option<TimeDelta>,
    /// Why it is not fresh, in sentences.
    pub reasons: Vec<String>,
}

/// Judges the newest bundles of a cluster at `now`.
pub fn judge(inventory: &Inventory, now: DateTime<Utc>, max_age: TimeDelta) -> Freshness<'_> {
    let mut found = Freshness { state: State::Fresh, newest: None, age: None, reasons: Vec::new() };
    let mut worsen = |state: State, reason: String| {
        found.state = found.state.max(state);
        found.reasons.push(reason);
    };
    if let Some(Standing::Refused { reason }) = inventory.entries.first().map(|entry| &entry.standing) {
        worsen(State::Untrusted, format!("the newest entry does not count: {reason}"));
    }
    for skipped in &inventory.skipped {
        worsen(State::Incomplete, format!("slot {} of the log holds something else: {}", skipped.slot, skipped.reason));
    }
    let counts = |entry: &&Entry| !matches!(entry.standing, Standing::Refused { .. });
    let finished =
        |entry: &Entry| entry.predicate.as_ref().map(|predicate| (predicate.run.result, predicate.run.finished));
    let last = inventory.entries.iter().filter(counts).find_map(finished);
    if let Some((RunResult::Failed, at)) = last {
        worsen(State::Fresh, format!("the last run failed, at {}", at.format("%Y-%m-%d %H:%M UTC")));
    }
    let saw = |entry: &&Entry| finished(entry).is_some_and(|(result, _)| result != RunResult::Failed);
    let newest = inventory.entries.iter().filter(counts).find(saw);
    let age = newest.and_then(finished).map(|(_, at)| now - at);
    match age {
        None => worsen(State::Stale, "no run that saw the cluster is in the log".into()),
        Some(age) if age < -TOLERANCE => {
            worsen(State::Stale, format!("it claims to be from the future, by {}: a clock is wrong", words(-age)))
        }
        Some(age) if age > max_age => worsen(State::Stale, format!("older than {}", words(max_age))),
        Some(_) => {}
    }
    Freshness { newest, age, ..found }
}

/// `3d 4h`, `2h 11m`, `40m`: two units are enough for an age.
pub fn words(span: TimeDelta) -> String {
    let minutes = span.num_minutes().max(0);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}
