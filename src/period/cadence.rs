//! Runs that were due against runs that were, and gaps against what frameworks allow. Times are the runs' own claims.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{
    build::Span,
    model::{
        Cadence, Excluded, Gap, Interval, MissedRun, PartialRun, PeriodicityRow, RequirementPeriod, Run, RunNumber,
        Schedule,
    },
};
use crate::{bundle::statement::RunResult, schedule::Recurrence};

/// A schedule that runs are held against.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Five fields, as written.
    pub cron: String,
    /// Time zone of the fields.
    pub time_zone: String,
    /// The same, read.
    pub recurrence: Recurrence,
    /// A run that begins this much after the planned time still is that run.
    pub tolerance: TimeDelta,
}

impl Planned {
    /// The schedule that a package names; `None` where it only has the runs' own word.
    ///
    /// # Errors
    /// One sentence: fields or a time zone that this version cannot read.
    pub(crate) fn of(schedule: Option<&Schedule>) -> Result<Option<Self>, String> {
        let Some(Schedule::Given { cron, time_zone, tolerance_seconds }) = schedule else { return Ok(None) };
        let zone = time_zone.parse().map_err(|_| format!("time zone '{time_zone}' is not known"))?;
        let tolerance = TimeDelta::try_seconds(*tolerance_seconds).ok_or("its tolerance is no time")?;
        let recurrence = Recurrence::parse(cron, zone)?;
        Ok(Some(Self { cron: cron.clone(), time_zone: time_zone.clone(), recurrence, tolerance }))
    }
}

/// More planned runs than any schedule of a period has; what is beyond is not counted.
const MOST_PLANNED: usize = 100_000;
/// A daily run that is late by this much is still a daily run.
const SLACK_SECONDS: i64 = 2 * 3600;
const DAY: i64 = 86_400;

impl Span {
    /// The days from `from` to `to`, or up to `now` where that is earlier: what is not over cannot have been observed.
    pub(crate) fn of(from: NaiveDate, to: NaiveDate, now: DateTime<Utc>) -> Self {
        let start = from.and_time(NaiveTime::MIN).and_utc();
        let end = to.succ_opt().unwrap_or(to).and_time(NaiveTime::MIN).and_utc();
        Self { start, end: end.min(now).max(start) }
    }

    /// Whether a moment lies in it.
    pub(crate) fn holds(self, at: DateTime<Utc>) -> bool {
        self.start <= at && at < self.end
    }

    /// Times without any of `moments`, from the period's first moment to its last, in order: all of it without moments.
    pub(crate) fn gaps(self, moments: &[(RunNumber, DateTime<Utc>)]) -> Vec<Gap> {
        let mut moments: Vec<(DateTime<Utc>, RunNumber)> = moments.iter().map(|(run, at)| (*at, *run)).collect();
        moments.sort_unstable();
        let begins = std::iter::once((self.start, None)).chain(moments.iter().map(|(at, run)| (*at, Some(*run))));
        let ends = moments.iter().map(|(at, run)| (*at, Some(*run))).chain([(self.end, None)]);
        let gap = |((from, after), (to, before)): ((DateTime<Utc>, _), (DateTime<Utc>, _))| Gap {
            after,
            before,
            from,
            to,
            seconds: (to - from).num_seconds().max(0),
        };
        begins.zip(ends).map(gap).collect()
    }

    /// The longest of them, of equal ones the first; `None` without moments.
    pub(crate) fn longest_gap(self, moments: &[(RunNumber, DateTime<Utc>)]) -> Option<Gap> {
        let gaps = self.gaps(moments).into_iter().rev().filter(|_| !moments.is_empty());
        gaps.max_by_key(|gap| gap.seconds)
    }
}

/// What the runs of a period say about when they were. A pure function of what the package says: whoever verifies
/// computes it again.
pub(crate) fn cadence(
    span: Span,
    runs: &[Run],
    excluded: &[Excluded],
    planned: Option<&Planned>,
    requirements: &[RequirementPeriod],
) -> Cadence {
    let seeing = runs.iter().filter(|run| run.result != RunResult::Failed);
    let moments: Vec<(RunNumber, DateTime<Utc>)> = seeing.map(|run| (run.number, run.finished)).collect();
    let gaps = span.gaps(&moments);
    let partial = runs.iter().filter(|run| run.result != RunResult::Complete);
    let cadence = Cadence {
        longest_gap: span.longest_gap(&moments),
        periodicities: periodicities(&gaps, requirements),
        partial: partial.map(|run| PartialRun { run: run.number, unseen: run.unseen.clone() }).collect(),
        ..Cadence::default()
    };
    match planned {
        Some(planned) => against_schedule(cadence, span, runs, excluded, planned),
        None => by_statements(cadence, runs),
    }
}

fn against_schedule(cadence: Cadence, span: Span, runs: &[Run], excluded: &[Excluded], planned: &Planned) -> Cadence {
    let due = due(span, planned);
    let mut taken: BTreeSet<RunNumber> = BTreeSet::new();
    let mut missed = Vec::new();
    for at in &due {
        let until = *at + planned.tolerance;
        let within = |moment: DateTime<Utc>| *at <= moment && moment <= until;
        let is_it = |run: &&Run| {
            !taken.contains(&run.number)
                && (run.scheduled == Some(*at) || run.scheduled.is_none() && within(run.started))
        };
        match runs.iter().find(is_it) {
            Some(run) => {
                taken.insert(run.number);
            }
            None => {
                let claims = |excluded: &&Excluded| excluded.claimed_finished.is_some_and(within);
                let excluded = excluded.iter().find(claims).map(|excluded| excluded.bundle.clone());
                missed.push(MissedRun { due: *at, excluded });
            }
        }
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Cadence {
        schedule: Some(Schedule::Given {
            cron: planned.cron.clone(),
            time_zone: planned.time_zone.clone(),
            tolerance_seconds: planned.tolerance.num_seconds(),
        }),
        expected: Some(count(due.len())),
        met: count(taken.len()),
        missed,
        unscheduled: runs.iter().map(|run| run.number).filter(|number| !taken.contains(number)).collect(),
        ..cadence
    }
}

/// When the schedule wanted runs.
fn due(span: Span, planned: &Planned) -> Vec<DateTime<Utc>> {
    let first = planned.recurrence.after(span.start - TimeDelta::seconds(1));
    let all = std::iter::successors(first, |at| planned.recurrence.after(*at));
    all.take_while(|at| span.holds(*at)).take(MOST_PLANNED).collect()
}

/// Runs say when they were due, and cannot say so of runs that never began.
fn by_statements(cadence: Cadence, runs: &[Run]) -> Cadence {
    let due: BTreeSet<DateTime<Utc>> = runs.iter().filter_map(|run| run.scheduled).collect();
    if due.is_empty() {
        return cadence;
    }
    Cadence {
        schedule: Some(Schedule::Statements),
        met: u32::try_from(due.len()).unwrap_or(u32::MAX),
        unscheduled: runs.iter().filter(|run| run.scheduled.is_none()).map(|run| run.number).collect(),
        ..cadence
    }
}

fn periodicities(gaps: &[Gap], requirements: &[RequirementPeriod]) -> Vec<PeriodicityRow> {
    let mut by_interval: BTreeMap<Interval, Vec<String>> = BTreeMap::new();
    for row in requirements.iter().filter(|row| row.effectiveness.is_some()) {
        if let Some(interval) = row.periodicity.as_deref().and_then(interval) {
            by_interval.entry(interval).or_default().push(row.full_id());
        }
    }
    by_interval
        .into_iter()
        .map(|(interval, mut requirements)| {
            requirements.sort();
            let allowed_seconds = allowed(interval);
            let exceeded = gaps.iter().filter(|gap| gap.seconds > allowed_seconds).cloned().collect();
            PeriodicityRow { interval, allowed_seconds, requirements, exceeded }
        })
        .collect()
}

/// The longest time between two observations that an interval allows.
pub(super) fn allowed(interval: Interval) -> i64 {
    match interval {
        Interval::Daily => DAY + SLACK_SECONDS,
        Interval::Weekly => 7 * DAY + SLACK_SECONDS,
        Interval::Monthly => 31 * DAY,
        Interval::Quarterly => 92 * DAY,
        Interval::HalfYearly => 184 * DAY,
        Interval::Yearly => 366 * DAY,
    }
}

/// How often a row asks to be shown, where its words fix an interval; `promptly` and `on request` fix none.
pub(super) fn interval(words: &str) -> Option<Interval> {
    const WORDS: [(&str, Interval); 14] = [
        ("continuous", Interval::Daily),
        ("ongoing", Interval::Daily),
        ("at least daily", Interval::Daily),
        ("daily", Interval::Daily),
        ("at least weekly", Interval::Weekly),
        ("weekly", Interval::Weekly),
        ("monthly", Interval::Monthly),
        ("at least every month", Interval::Monthly),
        ("quarterly", Interval::Quarterly),
        ("at least every 3 months", Interval::Quarterly),
        ("at least every 6 months", Interval::HalfYearly),
        ("half-yearly", Interval::HalfYearly),
        ("at least every 12 months", Interval::Yearly),
        ("yearly", Interval::Yearly),
    ];
    let words = words.trim().to_lowercase();
    WORDS.iter().find(|(start, _)| words.starts_with(start)).map(|(_, interval)| *interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn span() -> Span {
        Span::of("2026-10-25".parse().unwrap(), "2026-10-27".parse().unwrap(), at("2026-12-01T00:00:00Z"))
    }

    #[test]
    fn a_period_that_is_not_over_ends_now() {
        let (from, to) = ("2026-10-01".parse().unwrap(), "2026-12-31".parse().unwrap());
        let span = Span::of(from, to, at("2026-11-03T12:00:00Z"));
        assert_eq!((span.start, span.end), (at("2026-10-01T00:00:00Z"), at("2026-11-03T12:00:00Z")));
        assert!(span.holds(span.start) && !span.holds(span.end));
    }

    #[test]
    fn gaps_reach_from_the_first_moment_to_the_last_whatever_the_order() {
        let moments = [(0, at("2026-10-26T06:00:00Z")), (1, at("2026-10-25T06:00:00Z"))];
        let gaps: Vec<_> =
            span().gaps(&moments).iter().map(|gap| (gap.after, gap.before, gap.seconds / 3600)).collect();
        assert_eq!(gaps, [(None, Some(1), 6), (Some(1), Some(0), 24), (Some(0), None, 42)]);
        assert_eq!(span().longest_gap(&moments).unwrap().after, Some(0));
        assert!(span().longest_gap(&[]).is_none(), "nothing was observed: there is no interval between observations");
    }

    #[test]
    fn a_schedule_is_due_in_its_own_time_zone() {
        // Clocks went back in Berlin that night: 06:00 is 05:00 UTC from then on.
        let recurrence = Recurrence::parse("0 6 * * *", "Europe/Berlin".parse().unwrap()).unwrap();
        let planned = Planned {
            cron: "0 6 * * *".into(),
            time_zone: "Europe/Berlin".into(),
            recurrence,
            tolerance: TimeDelta::hours(1),
        };
        let expected = ["2026-10-25T05:00:00Z", "2026-10-26T05:00:00Z", "2026-10-27T05:00:00Z"];
        assert_eq!(due(span(), &planned), expected.map(at));
    }

    #[test]
    fn only_words_that_fix_an_interval_count() {
        let cases = [
            ("at least daily", Some(Interval::Daily)),
            ("at least weekly, or frequency set by targeted risk analysis (12.3.1)", Some(Interval::Weekly)),
            ("at least every 3 months (verify deletion)", Some(Interval::Quarterly)),
            ("at least every 6 months and after each significant change", Some(Interval::HalfYearly)),
            ("at least every 12 months", Some(Interval::Yearly)),
            ("promptly", None),
            ("after 15 minutes idle", None),
            ("frequency set by targeted risk analysis (12.3.1)", None),
        ];
        for (words, expected) in cases {
            assert_eq!(interval(words), expected, "{words}");
        }
    }
}
