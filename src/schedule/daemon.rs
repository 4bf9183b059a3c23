//! The loop: one run at a time, a little late on purpose, every missed run named, stopped without a half-written run.

use std::{future::Future, pin::pin, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt as _, future::Either};

use super::{
    Schedule,
    memory::{LastRun, Memory, MemoryError},
};

/// Missed runs are counted up to this number; a schedule of every minute may have missed a million.
const COUNTED: usize = 1000;

/// Time, for the loop: reading and waiting.
pub trait Timer {
    /// The current instant.
    fn now(&self) -> DateTime<Utc>;
    /// Ends at `at`, at once when that has passed.
    fn sleep_until(&self, at: DateTime<Utc>) -> impl Future<Output = ()>;
}

/// What the loop has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Nothing to do before this.
    Waiting {
        /// Schedule.
        id: String,
        /// When its next run begins.
        until: DateTime<Utc>,
    },
    /// A schedule has another planned time, or none.
    Planned {
        /// Schedule.
        id: String,
        /// When it is due next, before jitter.
        planned: Option<DateTime<Utc>>,
    },
    /// Planned runs that did not take place.
    Missed {
        /// Schedule.
        id: String,
        /// How many; 1000 stands for "1000 or more".
        count: usize,
        /// The first of them.
        first: DateTime<Utc>,
        /// The last of them.
        last: DateTime<Utc>,
    },
    /// The process ended during this run.
    Interrupted {
        /// Schedule.
        id: String,
        /// When the run was due.
        planned: DateTime<Utc>,
    },
    /// A run begins.
    Started {
        /// Schedule.
        id: String,
        /// When it was due.
        planned: DateTime<Utc>,
    },
    /// A run came to its end.
    Ended {
        /// Schedule.
        id: String,
        /// What the run says of itself, good or bad.
        outcome: Result<String, String>,
    },
    /// A run took longer than its deadline allows and was dropped: nothing that it wrote counts.
    Overran {
        /// Schedule.
        id: String,
        /// The deadline.
        deadline: Duration,
    },
    /// Asked to stop during a run, which has this long to end.
    Stopping {
        /// Schedule.
        id: String,
        /// How long.
        grace: Duration,
    },
    /// The run did not end in time and was dropped: nothing that it wrote counts.
    Abandoned {
        /// Schedule.
        id: String,
    },
    /// No schedule has another planned time, or the loop was asked to stop.
    Stopped,
}

/// What the loop works with.
pub struct Daemon<'a, T> {
    /// The schedules.
    pub schedules: &'a [Schedule],
    /// Time.
    pub timer: &'a T,
    /// What earlier processes did.
    pub memory: &'a mut Memory,
    /// Where jitter comes from.
    pub random: &'a mut dyn FnMut() -> u64,
    /// How long a run may go on after the loop was asked to stop.
    pub grace: Duration,
    /// Who listens.
    pub listener: &'a mut dyn FnMut(Event),
}

struct Plan<'a> {
    schedule: &'a Schedule,
    planned: DateTime<Utc>,
    due: DateTime<Utc>,
}

/// Which way a run ended.
enum End {
    Itself(Result<String, String>),
    Deadline,
    Stopped(Option<Result<String, String>>),
}

impl<'a, T: Timer> Daemon<'a, T> {
    /// Runs until `stop` completes or no schedule has another planned time.
    ///
    /// # Errors
    /// A memory that cannot be written: without it a restart would not know what was missed.
    pub async fn run(
        mut self,
        mut execute: impl AsyncFnMut(&Schedule, DateTime<Utc>) -> Result<String, String>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), MemoryError> {
        let mut stop = pin!(stop.fuse());
        let mut plans = self.first_plans();
        while let Some(index) = (0..plans.len()).min_by_key(|&index| (plans[index].due, &plans[index].schedule.id)) {
            let Plan { schedule, planned, due } = plans.swap_remove(index);
            (self.listener)(Event::Waiting { id: schedule.id.clone(), until: due });
            let timer = self.timer;
            if let Either::Left(_) = futures::future::select(stop.as_mut(), pin!(timer.sleep_until(due))).await {
                break;
            }
            let (latest, run) = self.catch_up(schedule, planned);
            self.memory.remember(&schedule.id, LastRun { planned: latest, ended: !run })?;
            if run {
                (self.listener)(Event::Started { id: schedule.id.clone(), planned: latest });
                let end = self.supervise(schedule, execute(schedule, latest), stop.as_mut()).await;
                self.memory.remember(&schedule.id, LastRun { planned: latest, ended: true })?;
                if self.tell(schedule, end) {
                    break;
                }
            }
            plans.extend(self.plan(schedule, latest));
        }
        (self.listener)(Event::Stopped);
        Ok(())
    }

    fn first_plans(&mut self) -> Vec<Plan<'a>> {
        let mut plans = Vec::new();
        for schedule in self.schedules {
            let last = self.memory.last(&schedule.id);
            if let Some(LastRun { planned, ended: false }) = last {
                (self.listener)(Event::Interrupted { id: schedule.id.clone(), planned });
            }
            plans.extend(self.plan(schedule, last.map_or_else(|| self.timer.now(), |run| run.planned)));
        }
        plans
    }

    fn plan(&mut self, schedule: &'a Schedule, after: DateTime<Utc>) -> Option<Plan<'a>> {
        let planned = schedule.recurrence.after(after);
        (self.listener)(Event::Planned { id: schedule.id.clone(), planned });
        let planned = planned?;
        let span = u64::try_from(schedule.jitter.as_millis()).unwrap_or(u64::MAX);
        let jitter = (self.random)().checked_rem(span.saturating_add(1)).unwrap_or(0);
        Some(Plan { schedule, planned, due: planned + TimeDelta::milliseconds(i64::try_from(jitter).unwrap_or(0)) })
    }

    /// The latest planned time that has come, and whether it is still worth a run; all others are named as missed.
    fn catch_up(&mut self, schedule: &Schedule, planned: DateTime<Utc>) -> (DateTime<Utc>, bool) {
        let now = self.timer.now();
        let next = |after: DateTime<Utc>| schedule.recurrence.after(after).filter(|next| *next <= now);
        let mut latest = planned;
        let mut missed = Vec::new();
        while missed.len() < COUNTED
            && let Some(following) = next(latest)
        {
            missed.push(latest);
            latest = following;
        }
        if missed.len() == COUNTED {
            let yesterday = now - TimeDelta::days(1);
            latest = std::iter::successors(next(yesterday.max(latest)), |at| next(*at)).last().unwrap_or(latest);
        }
        let allowance = TimeDelta::from_std(schedule.late + schedule.jitter).unwrap_or(TimeDelta::MAX);
        let run = now - latest <= allowance;
        if !run {
            missed.push(latest);
        }
        if let (Some(first), Some(last)) = (missed.first(), missed.last()) {
            let count = missed.len().min(COUNTED);
            (self.listener)(Event::Missed { id: schedule.id.clone(), count, first: *first, last: *last });
        }
        (latest, run)
    }

    async fn supervise(
        &mut self,
        schedule: &Schedule,
        run: impl Future<Output = Result<String, String>>,
        stop: impl Future<Output = ()> + Unpin,
    ) -> End {
        let (timer, run) = (self.timer, pin!(run));
        let deadline = pin!(timer.sleep_until(timer.now() + schedule.deadline));
        // A run that ended is a run that ended, even when it did so on its last second.
        let run = match futures::future::select(run, futures::future::select(stop, deadline)).await {
            Either::Left((outcome, _)) => return End::Itself(outcome),
            Either::Right((Either::Right(_), _)) => return End::Deadline,
            Either::Right((Either::Left(_), run)) => run,
        };
        (self.listener)(Event::Stopping { id: schedule.id.clone(), grace: self.grace });
        match futures::future::select(run, pin!(timer.sleep_until(timer.now() + self.grace))).await {
            Either::Left((outcome, _)) => End::Stopped(Some(outcome)),
            Either::Right(_) => End::Stopped(None),
        }
    }

    /// Tells how a run ended, and whether the loop ends with it.
    fn tell(&mut self, schedule: &Schedule, end: End) -> bool {
        let id = schedule.id.clone();
        let stops = matches!(end, End::Stopped(_));
        (self.listener)(match end {
            End::Itself(outcome) | End::Stopped(Some(outcome)) => Event::Ended { id, outcome },
            End::Deadline => Event::Overran { id, deadline: schedule.deadline },
            End::Stopped(None) => Event::Abandoned { id },
        });
        stops
    }
}

#[cfg(test)]
mod tests;
