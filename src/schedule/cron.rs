//! Cron expressions as crontab(5) and Kubernetes read them, on the `cron` crate, which counts days and seconds
//! otherwise; and the instants they mean in a time zone.

use std::{ops::RangeInclusive, str::FromStr as _};

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

const DAY_NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// When a schedule is due: five fields and a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    fields: cron::Schedule,
    time_zone: Tz,
}

impl Recurrence {
    /// Reads five fields (minute, hour, day of month, month, day of week).
    ///
    /// # Errors
    /// Says what is wrong with the expression, or that it never comes true.
    pub fn parse(expression: &str, time_zone: Tz) -> Result<Self, String> {
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!(
                "'{expression}' has {} fields; minute, hour, day of month, month and day of week are needed",
                fields.len()
            ));
        };
        if !is_any(day) && !is_any(weekday) {
            return Err(format!(
                "'{expression}' gives both day of month and day of week, which some read as 'and' and others as 'or': use two schedules"
            ));
        }
        let weekday = weekdays(weekday).ok_or_else(|| {
            format!("'{weekday}' is not a day of week (0 to 7, where 0 and 7 are Sunday, or SUN to SAT)")
        })?;
        let translated = format!("0 {minute} {hour} {day} {month} {weekday}");
        let fields =
            cron::Schedule::from_str(&translated).map_err(|_| format!("'{expression}' is not a cron expression"))?;
        let recurrence = Self { fields, time_zone };
        match recurrence.after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(recurrence),
            None => Err(format!("'{expression}' never comes true")),
        }
    }

    /// The first planned instant after `after`.
    ///
    /// A local time that a clock change skips is due at the first moment after the gap; one that occurs twice is due
    /// the first time only.
    pub fn after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // The expression is walked in local time as if that were UTC: the crate itself drops times in a gap. A local
        // time up to that of `after` is never due later than `after`, so nothing is skipped by starting there.
        let local = after.with_timezone(&self.time_zone).naive_local();
        self.fields
            .after(&local.and_utc())
            .map(|planned| self.instant(planned.naive_utc()))
            .find(|planned| *planned > after)
    }

    fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.time_zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
            LocalResult::None => self.end_of_gap(local),
        }
    }

    /// The first instant after the gap that swallows `local`; gaps begin and end on whole minutes.
    fn end_of_gap(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let mut minutes = (1..=48 * 60).map(|minute| local + TimeDelta::minutes(minute));
        let first = minutes.find_map(|minute| self.time_zone.from_local_datetime(&minute).earliest());
        first.map_or_else(|| local.and_utc(), |at| at.to_utc())
    }
}

fn is_any(field: &str) -> bool {
    matches!(field, "*" | "?")
}

/// A day-of-week field as the list of names that the crate reads without its own numbering.
fn weekdays(field: &str) -> Option<String> {
    if is_any(field) {
        return Some("*".into());
    }
    let mut chosen = [false; 7];
    for part in field.split(',') {
        let (range, step) =
            part.split_once('/').map_or(Some((part, 1)), |(range, step)| Some((range, step.parse::<usize>().ok()?)))?;
        let days: RangeInclusive<usize> = match range.split_once('-') {
            _ if is_any(range) => 0..=6,
            Some((from, to)) => weekday(from)?..=weekday(to).map(|to| if to == 0 { 7 } else { to })?,
            None if step > 1 => weekday(range)?..=6,
            None => weekday(range)?..=weekday(range)?,
        };
        if days.is_empty() || step == 0 {
            return None;
        }
        days.step_by(step).for_each(|day| chosen[day % 7] = true);
    }
    let names: Vec<&str> = DAY_NAMES.iter().zip(chosen).filter_map(|(name, chosen)| chosen.then_some(*name)).collect();
    Some(names.join(","))
}

fn weekday(text: &str) -> Option<usize> {
    match text.parse::<usize>() {
        Ok(number) => (number <= 7).then_some(number % 7),
        Err(_) => DAY_NAMES.iter().position(|name| name.eq_ignore_ascii_case(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let recurrence = Recurrence::parse(expression, zone.parse().unwrap()).unwrap();
        let mut now = at(after);
        let step = |_| {
            now = recurrence.after(now).unwrap();
            now.with_timezone(&zone.parse::<Tz>().unwrap()).format("%a %Y-%m-%dT%H:%M%z").to_string()
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn one_is_monday_and_both_zero_and_seven_are_sunday() {
        assert_eq!(next("0 6 * * 1", "UTC", "2026-11-23T06:00:00Z", 1), ["Mon 2026-11-30T06:00+0000"]);
        assert_eq!(next("0 6 * * 0", "UTC", "2026-11-23T06:00:00Z", 1), ["Sun 2026-11-29T06:00+0000"]);
        assert_eq!(next("0 6 * * 7", "UTC", "2026-11-23T06:00:00Z", 1), ["Sun 2026-11-29T06:00+0000"]);
        let weekend = ["Fri 2026-11-27T06:00+0000", "Sat 2026-11-28T06:00+0000", "Sun 2026-11-29T06:00+0000"];
        assert_eq!(next("0 6 * * 5-7", "UTC", "2026-11-24T06:00:00Z", 3), weekend);
        assert_eq!(next("0 6 * * fri-sun", "UTC", "2026-11-24T06:00:00Z", 3), weekend);
        assert_eq!(
            next("0 6 * * 1-5/2", "UTC", "2026-11-23T06:00:00Z", 2),
            ["Wed 2026-11-25T06:00+0000", "Fri 2026-11-27T06:00+0000"]
        );
    }

    #[test]
    fn a_time_in_the_gap_is_due_when_the_gap_ends() {
        let expected = ["Sat 2027-03-27T02:30+0100", "Sun 2027-03-28T03:00+0200", "Mon 2027-03-29T02:30+0200"];
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2027-03-27T00:00:00Z", 3), expected);
    }

    #[test]
    fn several_times_in_one_gap_are_one() {
        let expected = ["Sun 2027-03-28T01:45+0100", "Sun 2027-03-28T03:00+0200", "Sun 2027-03-28T03:15+0200"];
        assert_eq!(next("*/15 * * * *", "Europe/Berlin", "2027-03-28T00:30:00Z", 3), expected);
    }

    #[test]
    fn a_time_that_occurs_twice_is_due_once() {
        let expected = ["Sat 2026-10-24T02:30+0200", "Sun 2026-10-25T02:30+0200", "Mon 2026-10-26T02:30+0100"];
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3), expected);
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["Mon 2026-10-26T02:30+0100"]);
    }

    #[test]
    fn half_an_hour_is_a_clock_change_too() {
        assert_eq!(next("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 1), ["Sun 2026-10-04T02:30+1100"]);
    }

    #[test]
    fn a_day_that_a_country_left_out_is_due_when_the_next_begins() {
        assert_eq!(next("0 6 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1), ["Sat 2011-12-31T00:00+1400"]);
    }

    #[test]
    fn expressions_that_mislead_are_refused() {
        let cases = [
            ("0 0 6 * * *", "has 6 fields"),
            ("@daily", "has 1 fields"),
            ("0 6 1 * 1", "use two schedules"),
            ("0 6 * * 8", "not a day of week"),
            ("0 6 * * 5-1", "not a day of week"),
            ("0 6 * * 1/0", "not a day of week"),
            ("61 6 * * *", "not a cron expression"),
            ("0 6 30 2 *", "never comes true"),
        ];
        for (expression, reason) in cases {
            let error = Recurrence::parse(expression, Tz::UTC).unwrap_err();
            assert!(error.contains(reason), "{expression}: {error}");
        }
    }
}
