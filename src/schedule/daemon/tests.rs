//! The loop under a clock that jumps: days pass in microseconds, and nothing sleeps.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::{pending, poll_fn, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;

/// Jumps to the earliest instant that anybody waits for, whenever nothing else can go on.
struct Simulated {
    now: Cell<DateTime<Utc>>,
    sleepers: RefCell<BTreeMap<DateTime<Utc>, usize>>,
}

impl Timer for Simulated {
    fn now(&self) -> DateTime<Utc> {
        self.now.get()
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        let _waiting = Waiting::new(self, at);
        poll_fn(|_| if self.now.get() >= at { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

struct Waiting<'a>(&'a Simulated, DateTime<Utc>);

impl<'a> Waiting<'a> {
    fn new(timer: &'a Simulated, at: DateTime<Utc>) -> Self {
        *timer.sleepers.borrow_mut().entry(at).or_default() += 1;
        Self(timer, at)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut sleepers = self.0.sleepers.borrow_mut();
        let count = sleepers.get_mut(&self.1).unwrap();
        *count -= 1;
        if *count == 0 {
            sleepers.remove(&self.1);
        }
    }
}

impl Simulated {
    fn at(text: &str) -> Self {
        Self { now: Cell::new(at(text)), sleepers: RefCell::default() }
    }

    fn drive<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            let earliest = self.sleepers.borrow().keys().next().copied().expect("something waits for a time");
            self.now.set(earliest.max(self.now.get()));
        }
    }
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn schedule(id: &str, lines: &str) -> Schedule {
    let text = format!("apiVersion: kubeproof.dev/v1\n{lines}");
    Schedule::parse(&format!("{id}.yaml"), text.as_bytes()).unwrap()
}

struct World<'a> {
    schedules: &'a [Schedule],
    memory: Memory,
    stop_at: &'a str,
    takes: Duration,
}

impl World<'_> {
    fn run(&mut self, timer: &Simulated) -> Vec<String> {
        let events = RefCell::new(Vec::new());
        let mut seed = 0;
        let mut random = || {
            seed += 1;
            seed * 60_000
        };
        let mut listener = |event: Event| {
            if !matches!(event, Event::Waiting { .. } | Event::Planned { .. }) {
                events.borrow_mut().push(format!("{} {}", timer.now().format("%dT%H:%M"), say(&event)));
            }
        };
        let daemon = Daemon {
            schedules: self.schedules,
            timer,
            memory: &mut self.memory,
            random: &mut random,
            grace: Duration::from_secs(60),
            listener: &mut listener,
        };
        let takes = self.takes;
        let execute = async |_: &Schedule, _| {
            timer.sleep_until(timer.now() + takes).await;
            Ok("done".into())
        };
        timer.drive(daemon.run(execute, timer.sleep_until(at(self.stop_at)))).unwrap();
        events.into_inner()
    }
}

fn say(event: &Event) -> String {
    match event {
        Event::Waiting { id, .. } => format!("{id} waits"),
        Event::Planned { id, planned } => format!("{id} next {planned:?}"),
        Event::Missed { id, count, first, last } => {
            format!("{id} missed {count} {} {}", first.format("%dT%H:%M"), last.format("%dT%H:%M"))
        }
        Event::Interrupted { id, planned } => format!("{id} interrupted {}", planned.format("%dT%H:%M")),
        Event::Started { id, planned } => format!("{id} starts {}", planned.format("%dT%H:%M")),
        Event::Ended { id, outcome } => format!("{id} {}", outcome.as_ref().unwrap_or_else(|error| error)),
        Event::Overran { id, .. } => format!("{id} overran"),
        Event::Stopping { id, .. } => format!("{id} stopping"),
        Event::Abandoned { id } => format!("{id} abandoned"),
        Event::Stopped => "stopped".into(),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn runs_follow_the_plan_with_jitter_and_stop_between_runs() {
    let schedules = [schedule("daily", "cron: 0 6 * * *\njitter: 10m\n")];
    let mut world =
        World { schedules: &schedules, memory: Memory::default(), stop_at: "2026-11-25T05:00:00Z", takes: MINUTE };
    let events = world.run(&Simulated::at("2026-11-22T12:00:00Z"));
    let expected = [
        "23T06:01 daily starts 23T06:00",
        "23T06:02 daily done",
        "24T06:02 daily starts 24T06:00",
        "24T06:03 daily done",
        "25T05:00 stopped",
    ];
    assert_eq!(events, expected);
    assert_eq!(world.memory.last("daily"), Some(LastRun { planned: at("2026-11-24T06:00:00Z"), ended: true }));
}

#[test]
fn one_run_at_a_time_and_the_second_begins_late() {
    let schedules = [schedule("a", "cron: 0 6 * * *\n"), schedule("b", "cron: 1 6 * * *\n")];
    let mut world =
        World { schedules: &schedules, memory: Memory::default(), stop_at: "2026-11-24T00:00:00Z", takes: 5 * MINUTE };
    let events = world.run(&Simulated::at("2026-11-23T00:00:00Z"));
    assert_eq!(
        events,
        [
            "23T06:00 a starts 23T06:00",
            "23T06:05 a done",
            "23T06:05 b starts 23T06:01",
            "23T06:10 b done",
            "24T00:00 stopped"
        ]
    );
}

#[test]
fn missed_runs_are_named_and_only_a_recent_one_is_made_up_for() {
    let schedules = [schedule("daily", "cron: 0 6 * * *\nlate: 2h\n")];
    let mut memory = Memory::default();
    memory.remember("daily", LastRun { planned: at("2026-11-19T06:00:00Z"), ended: true }).unwrap();
    let mut world = World { schedules: &schedules, memory, stop_at: "2026-11-23T10:00:00Z", takes: MINUTE };
    let recent = world.run(&Simulated::at("2026-11-23T07:30:00Z"));
    assert_eq!(
        recent,
        [
            "23T07:30 daily missed 3 20T06:00 22T06:00",
            "23T07:30 daily starts 23T06:00",
            "23T07:31 daily done",
            "23T10:00 stopped"
        ]
    );

    world.memory.remember("daily", LastRun { planned: at("2026-11-21T06:00:00Z"), ended: false }).unwrap();
    let late = world.run(&Simulated::at("2026-11-23T09:30:00Z"));
    assert_eq!(
        late,
        ["23T09:30 daily interrupted 21T06:00", "23T09:30 daily missed 2 22T06:00 23T06:00", "23T10:00 stopped"]
    );
}

#[test]
fn a_year_of_missed_minutes_is_counted_to_a_thousand() {
    let schedules = [schedule("often", "cron: '* * * * *'\nlate: 30s\n")];
    let mut memory = Memory::default();
    memory.remember("often", LastRun { planned: at("2025-11-23T06:00:00Z"), ended: true }).unwrap();
    let mut world =
        World { schedules: &schedules, memory, stop_at: "2026-11-23T06:00:40Z", takes: Duration::from_secs(5) };
    let events = world.run(&Simulated::at("2026-11-23T06:00:10Z"));
    assert_eq!(events[0], "23T06:00 often missed 1000 23T06:01 23T22:40");
    assert_eq!(events[1], "23T06:00 often starts 23T06:00");
}

#[test]
fn a_run_beyond_its_deadline_is_dropped_and_the_next_takes_place() {
    let schedules = [schedule("daily", "cron: 0 6 * * *\ndeadline: 30m\n")];
    let mut world =
        World { schedules: &schedules, memory: Memory::default(), stop_at: "2026-11-24T07:00:00Z", takes: 60 * MINUTE };
    let events = world.run(&Simulated::at("2026-11-23T00:00:00Z"));
    assert_eq!(
        events[..3],
        ["23T06:00 daily starts 23T06:00", "23T06:30 daily overran", "24T06:00 daily starts 24T06:00"]
    );
}

#[test]
fn a_run_that_ends_within_the_grace_is_kept() {
    let schedules = [schedule("daily", "cron: 0 6 * * *\n")];
    let mut world =
        World { schedules: &schedules, memory: Memory::default(), stop_at: "2026-11-23T06:01:30Z", takes: 2 * MINUTE };
    let events = world.run(&Simulated::at("2026-11-23T00:00:00Z"));
    assert_eq!(
        events,
        ["23T06:00 daily starts 23T06:00", "23T06:01 daily stopping", "23T06:02 daily done", "23T06:02 stopped"]
    );
}

#[test]
fn a_run_that_does_not_end_within_the_grace_is_abandoned() {
    let schedules = [schedule("daily", "cron: 0 6 * * *\n")];
    let mut world =
        World { schedules: &schedules, memory: Memory::default(), stop_at: "2026-11-23T06:01:00Z", takes: 20 * MINUTE };
    let events = world.run(&Simulated::at("2026-11-23T00:00:00Z"));
    assert_eq!(
        events,
        ["23T06:00 daily starts 23T06:00", "23T06:01 daily stopping", "23T06:02 daily abandoned", "23T06:02 stopped"]
    );
}

#[test]
fn a_killed_process_leaves_its_run_unended_and_a_memory_survives_it() {
    let folder = tempfile::tempdir().unwrap();
    let schedules = [schedule("daily", "cron: 0 6 * * *\n")];
    let timer = Simulated::at("2026-11-23T00:00:00Z");
    let mut memory = Memory::load(Some(folder.path())).unwrap();
    let daemon = Daemon {
        schedules: &schedules,
        timer: &timer,
        memory: &mut memory,
        random: &mut || 0,
        grace: MINUTE,
        listener: &mut |_| {},
    };
    let mut killed = pin!(daemon.run(async |_: &Schedule, _| pending().await, pending()));
    let mut poll = || killed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    timer.now.set(at("2026-11-23T06:00:00Z"));
    assert!(poll().is_pending());

    let memory = Memory::load(Some(folder.path())).unwrap();
    assert_eq!(memory.last("daily"), Some(LastRun { planned: at("2026-11-23T06:00:00Z"), ended: false }));
}

#[test]
fn asked_to_stop_at_once_nothing_starts() {
    let schedules = [schedule("often", "cron: '* * * * *'\n")];
    let timer = Simulated::at("2026-11-23T06:00:10Z");
    let (mut memory, mut events) = (Memory::default(), Vec::new());
    let daemon = Daemon {
        schedules: &schedules,
        timer: &timer,
        memory: &mut memory,
        random: &mut || 0,
        grace: MINUTE,
        listener: &mut |event| events.push(event),
    };
    timer.drive(daemon.run(async |_: &Schedule, _| unreachable!(), ready(()))).unwrap();
    assert_eq!(events.last(), Some(&Event::Stopped));
}
