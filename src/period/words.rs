//! Times, counts and causes in words, the same in every document.

use super::model::{Cause, RepairBounds, ScopeHolding};
use crate::report::view::words::{short_date, some_of};

/// Names of a scope's namespaces or nodes in one line.
const NAMES: usize = 12;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `3 days`, `1 day 6 hours`, `2 hours`, `12 minutes`; less than a minute is `less than a minute`.
pub fn duration(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / DAY, seconds % DAY / HOUR, seconds % HOUR / MINUTE);
    let part = |count: i64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    match (days, hours, minutes) {
        (0, 0, 0) => "less than a minute".into(),
        (0, 0, minutes) => part(minutes, "minute"),
        (0, hours, _) => part(hours, "hour"),
        (days, 0, _) => part(days, "day"),
        // Beyond a week nobody asks for hours.
        (days, _, _) if days >= 7 => part(days, "day"),
        (days, hours, _) => format!("{} {}", part(days, "day"), part(hours, "hour")),
    }
}

/// `1 run`, `92 runs`.
pub fn count(count: impl Into<u64>, one: &str, many: &str) -> String {
    let count = count.into();
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Why a failure began.
pub fn began(cause: Cause) -> &'static str {
    match cause {
        Cause::BeforePeriod => "the first run of the period saw it already",
        Cause::ObjectChanged => "began as its object changed",
        Cause::ObjectCameOrWent => "came with its object",
        Cause::RulesChanged => "began as rules or declarations changed, the cluster did not",
        Cause::ObjectAndRules => "began as its object and the rules changed, between the same runs",
        Cause::NotSeenBefore => "the run before could not see it",
        Cause::RelatedObject => "began as a related object changed",
        Cause::TimePassed => "began because time passed, nothing changed",
    }
}

/// What ended a failure.
pub fn ended(cause: Cause) -> &'static str {
    match cause {
        Cause::ObjectChanged => "fixed: its object changed",
        Cause::ObjectCameOrWent => "ended: its object is gone",
        Cause::RelatedObject => "fixed: a related object changed",
        Cause::RulesChanged => "ended by rules or declarations, no repair",
        Cause::ObjectAndRules => "ended: object and rules changed, not told apart",
        Cause::TimePassed => "ended because time passed, no repair",
        Cause::BeforePeriod | Cause::NotSeenBefore => "ended",
    }
}

/// How long a failure stood, as far as runs can tell: `7 days at least, 21 days at most`.
pub fn stood(bounds: RepairBounds) -> String {
    let RepairBounds { at_least_seconds: least, at_most_seconds: most } = bounds;
    match (least, most.map(duration)) {
        (0, Some(most)) => format!("at most {most}"),
        (0, None) => "how long is not known".to_owned(),
        (least, Some(most)) => format!("{} at least, {most} at most", duration(least)),
        (least, None) => format!("{} at least", duration(least)),
    }
}

/// What a scope holds, who declared it, and what was left out: a line each.
pub fn holding(holds: &ScopeHolding) -> Vec<String> {
    let named = |names: &[String], one: &str, many: &str| match names {
        [] => format!("no {one} that the run saw"),
        [name] => format!("{one} {name}"),
        names => format!("{many} {}", some_of(names, NAMES)),
    };
    let mut lines = vec![named(&holds.namespaces, "namespace", "namespaces")];
    if !holds.connected.is_empty() {
        lines.push(format!("connected to it: {}", some_of(&holds.connected, NAMES)));
    }
    lines.push(named(&holds.nodes, "node", "nodes"));
    let components = holds.components.len() as u64;
    lines.push(format!("{} of the control plane, which serves every scope", count(components, "pod", "pods")));
    lines.extend(holds.excluded.iter().map(|out| format!("without {}: {}", out.what, out.reason)));
    lines.push(format!("declared by {} on {}", holds.declared_by, short_date(holds.declared_on)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_down_and_never_empty() {
        let cases = [
            (0, "less than a minute"),
            (59, "less than a minute"),
            (60, "1 minute"),
            (HOUR, "1 hour"),
            (2 * HOUR + 59 * MINUTE, "2 hours"),
            (DAY, "1 day"),
            (DAY + 6 * HOUR, "1 day 6 hours"),
            (3 * DAY + MINUTE, "3 days"),
            (8 * DAY + 5 * HOUR, "8 days"),
        ];
        for (seconds, words) in cases {
            assert_eq!(duration(seconds), words);
        }
    }
}
