//! What the daemon knows of its schedules, from the events of its loop.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Family, Value};
use crate::schedule::daemon::Event;

/// Ways in which a run of a schedule ends.
const RESULTS: [&str; 4] = ["done", "failed", "overran", "abandoned"];

/// Numbers of every schedule, since the process began.
#[derive(Debug)]
pub struct Schedules(BTreeMap<String, Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    next: Option<DateTime<Utc>>,
    planned: Option<DateTime<Utc>>,
    running: bool,
    missed: u64,
    /// In the order of [`RESULTS`].
    ended: [u64; RESULTS.len()],
}

impl Schedules {
    /// Schedules that have done nothing yet: counters begin at zero, so that the first failure shows as a step.
    pub fn new(ids: impl IntoIterator<Item = String>) -> Self {
        Self(ids.into_iter().map(|id| (id, Numbers::default())).collect())
    }

    /// Takes an event in.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Planned { id, planned } => self.of(id).next = *planned,
            Event::Missed { id, count, .. } => self.of(id).missed += u64::try_from(*count).unwrap_or(u64::MAX),
            Event::Interrupted { id, planned } => {
                let numbers = self.of(id);
                numbers.planned = Some(*planned);
                numbers.ended[3] += 1;
            }
            Event::Started { id, planned } => {
                let numbers = self.of(id);
                numbers.planned = Some(*planned);
                numbers.running = true;
            }
            Event::Ended { id, outcome } => self.ended(id, usize::from(outcome.is_err())),
            Event::Overran { id, .. } => self.ended(id, 2),
            Event::Abandoned { id } => self.ended(id, 3),
            Event::Waiting { .. } | Event::Stopping { .. } | Event::Stopped => {}
        }
    }

    fn of(&mut self, id: &str) -> &mut Numbers {
        self.0.entry(id.to_owned()).or_default()
    }

    fn ended(&mut self, id: &str, result: usize) {
        let numbers = self.of(id);
        numbers.running = false;
        numbers.ended[result] += 1;
    }

    /// Their metrics.
    pub fn families(&self) -> Vec<Family> {
        let moment = |name, help, of: fn(&Numbers) -> Option<DateTime<Utc>>| {
            self.each(name, help, |family, id, numbers| match of(numbers) {
                Some(at) => family.with([("schedule", id)], Value::Whole(at.timestamp())),
                None => family,
            })
        };
        vec![
            moment("schedule_next_run_timestamp_seconds", "When the next run is planned.", |n| n.next),
            moment("schedule_last_run_planned_timestamp_seconds", "When the last run was due.", |n| n.planned),
            self.each("schedule_running", "Whether a run is under way.", |family, id, numbers| {
                family.with([("schedule", id)], Value::Whole(numbers.running.into()))
            }),
            self.each("schedule_missed_runs", "Planned runs that did not take place.", |family, id, numbers| {
                family.with([("schedule", id)], Value::Counter(numbers.missed))
            }),
            self.each("schedule_runs", "Runs that came to an end, by how.", |family, id, numbers| {
                RESULTS.into_iter().zip(numbers.ended).fold(family, |family, (result, count)| {
                    family.with([("schedule", id), ("result", result)], Value::Counter(count))
                })
            }),
        ]
    }

    fn each(&self, name: &'static str, help: &'static str, add: impl Fn(Family, &str, &Numbers) -> Family) -> Family {
        self.0.iter().fold(Family::new(name, help), |family, (id, numbers)| add(family, id, numbers))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::text;

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-11-23T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn events_become_numbers() {
        let id = || "daily".to_owned();
        let mut schedules = Schedules::new(["daily".into(), "weekly".into()]);
        let events = [
            Event::Missed { id: id(), count: 3, first: at(1), last: at(3) },
            Event::Planned { id: id(), planned: Some(at(4)) },
            Event::Started { id: id(), planned: at(4) },
            Event::Ended { id: id(), outcome: Err("failed".into()) },
            Event::Planned { id: id(), planned: Some(at(5)) },
            Event::Started { id: id(), planned: at(5) },
            Event::Overran { id: id(), deadline: Duration::from_secs(1) },
            Event::Planned { id: id(), planned: Some(at(6)) },
            Event::Started { id: id(), planned: at(6) },
        ];
        events.iter().for_each(|event| schedules.note(event));
        insta::assert_snapshot!(text(schedules.families(), &[]));
    }
}
