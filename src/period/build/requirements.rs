//! Every requirement on every run, and in how many of them it held.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{Span, Wanted};
use crate::{
    bundle::statement::RunResult,
    evaluate::{RequirementResult, Status},
    framework::{Framework, FrameworkKind, Requirement},
    period::{
        cadence,
        facts::Facts,
        model::{Effectiveness, Exception, FrameworkPeriod, Gap, ReasonSpan, RequirementPeriod, Run, RunNumber},
        words,
    },
};

/// What runs said of each requirement.
#[derive(Default)]
pub(super) struct Requirements {
    rows: BTreeMap<(String, String), Row>,
    frameworks: BTreeMap<String, Newest>,
}

struct Row {
    statuses: BTreeMap<RunNumber, Status>,
    attested_alone: Vec<RunNumber>,
    reasons: Vec<ReasonSpan>,
    newest: RequirementResult,
    /// The row of the framework's file that the newest result is about.
    definition: Option<Requirement>,
    /// Place in the framework, by the newest run.
    place: usize,
}

/// A framework's newest file, with every version met.
struct Newest {
    definition: Arc<Framework>,
    versions: Vec<String>,
    scope: Option<String>,
}

impl Requirements {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber) {
        for definition in &facts.definitions {
            let result = facts.frameworks.iter().find(|f| f.id == definition.id && f.version == definition.version);
            let known = self.frameworks.remove(&definition.id);
            let mut versions = known.map(|newest| newest.versions).unwrap_or_default();
            if !versions.contains(&definition.version) {
                versions.push(definition.version.clone());
            }
            let scope = result.and_then(|result| result.scope.clone());
            let newest = Newest { definition: Arc::clone(definition), versions, scope };
            self.frameworks.insert(definition.id.clone(), newest);
        }
        for (place, result) in facts.requirements.iter().enumerate() {
            let key = (result.framework.clone(), result.id.clone());
            let row = self.rows.entry(key).or_insert_with(|| Row {
                statuses: BTreeMap::new(),
                attested_alone: Vec::new(),
                reasons: Vec::new(),
                newest: result.clone(),
                definition: None,
                place,
            });
            // Of two versions of a framework on one run the later one counts.
            row.statuses.insert(run, result.status);
            row.attested_alone.retain(|alone| *alone != run);
            row.attested_alone.extend(result.is_word_alone().then_some(run));
            // Reasons count failures; a narrower view must not tell those of the whole cluster, or of another scope.
            let of = facts.frameworks.iter().find(|f| f.id == result.framework && f.version == result.version);
            let scope = of.and_then(|framework| framework.scope.as_deref());
            if let Some(reason) = result.reason.as_ref().filter(|_| facts.window.shows_all_of(scope)) {
                extend(&mut row.reasons, reason, run);
            }
            if row.definition.is_none() || row.newest.version != result.version {
                let of = facts.definitions.iter().find(|d| d.id == result.framework && d.version == result.version);
                let found = of.and_then(|d| d.requirements.iter().find(|requirement| requirement.id == result.id));
                row.definition = found.cloned();
            }
            row.newest = result.clone();
            row.place = place;
        }
    }

    /// The rows by framework and in its order, and the frameworks, rules before laws; of the frameworks wanted.
    pub(super) fn finish(
        self,
        runs: &[Run],
        span: Span,
        wanted: &Wanted,
        exceptions: &[Exception],
    ) -> (Vec<RequirementPeriod>, Vec<FrameworkPeriod>) {
        let by_requirement = naming(exceptions);
        let mut rows: Vec<(usize, RequirementPeriod)> = self
            .rows
            .iter()
            .filter(|((framework, _), _)| wanted.holds(framework))
            .map(|((framework, id), row)| {
                let named = by_requirement.get(format!("{framework}/{id}").as_str());
                // Supporting checks give evidence and set no status: their failures are no exceptions of the row.
                let decided = named.into_iter().flatten().filter(|x| row.newest.decides.contains(&x.check));
                let exceptions = decided.map(|exception| exception.id.clone()).collect();
                (row.place, row.finish(runs, span, exceptions))
            })
            .collect();
        rows.sort_by(|(a, x), (b, y)| (&x.framework, a, &x.id).cmp(&(&y.framework, b, &y.id)));
        let known = self.frameworks.into_values().filter(|newest| wanted.holds(&newest.definition.id));
        let mut frameworks: Vec<FrameworkPeriod> = known.map(framework).collect();
        frameworks.sort_by(|a, b| (rank(a), &a.id).cmp(&(rank(b), &b.id)));
        (rows.into_iter().map(|(_, row)| row).collect(), frameworks)
    }
}

fn rank(framework: &FrameworkPeriod) -> u8 {
    match framework.kind {
        FrameworkKind::Benchmark => 0,
        FrameworkKind::Guide => 1,
        FrameworkKind::Regulation => 2,
    }
}

fn framework(newest: Newest) -> FrameworkPeriod {
    let Newest { definition, versions, scope } = newest;
    FrameworkPeriod {
        id: definition.id.clone(),
        versions,
        title: definition.title.clone(),
        kind: definition.kind,
        scope,
        outside: definition.outside.iter().map(|outside| (outside.id.clone(), outside.about.clone())).collect(),
    }
}

fn extend(reasons: &mut Vec<ReasonSpan>, reason: &str, run: RunNumber) {
    match reasons.last_mut() {
        Some(span) if span.reason == reason && span.last + 1 == run => span.last = run,
        _ => reasons.push(ReasonSpan { first: run, last: run, reason: reason.to_owned() }),
    }
}

impl Row {
    fn finish(&self, runs: &[Run], span: Span, exceptions: Vec<String>) -> RequirementPeriod {
        let definition = self.definition.as_ref();
        let statuses: Vec<Option<Status>> = runs.iter().map(|run| self.statuses.get(&run.number).copied()).collect();
        let newest = &self.newest;
        let row = RequirementPeriod {
            framework: newest.framework.clone(),
            id: newest.id.clone(),
            title: definition.map(|d| d.title.clone()).unwrap_or_default(),
            section: definition.and_then(|d| d.section.clone()),
            level: definition.and_then(|d| d.level.clone()),
            coverage: newest.coverage,
            note: definition.and_then(|d| d.note.clone()),
            periodicity: definition.and_then(|d| d.periodicity.clone()),
            company_control: newest.company_control.clone(),
            owner: newest.owner.clone(),
            decides: newest.decides.clone(),
            effectiveness: (!newest.decides.is_empty())
                .then(|| effectiveness(&statuses, &self.attested_alone, runs, span)),
            overdue: Vec::new(),
            statuses,
            attested_alone: self.attested_alone.clone(),
            reasons: self.reasons.clone(),
            exceptions,
        };
        RequirementPeriod { overdue: overdue(&row, runs, span), ..row }
    }
}

/// Times without a run that decided a row, longer than its periodicity allows. As pure as [`effectiveness`].
pub(crate) fn overdue(row: &RequirementPeriod, runs: &[Run], span: Span) -> Vec<Gap> {
    let interval = row.periodicity.as_deref().filter(|_| row.effectiveness.is_some()).and_then(cadence::interval);
    let Some(allowed) = interval.map(cadence::allowed) else { return Vec::new() };
    let span = span.since(asked_since(&row.statuses, runs), runs);
    let mut gaps = span.gaps(&decided(&row.statuses, runs));
    gaps.retain(|gap| gap.seconds > allowed);
    gaps
}

/// Exceptions by the requirements that they name, deciding or supporting ones, in their order.
pub(crate) fn naming(exceptions: &[Exception]) -> BTreeMap<&str, Vec<&Exception>> {
    let mut by_requirement: BTreeMap<&str, Vec<&Exception>> = BTreeMap::new();
    for exception in exceptions {
        for id in &exception.requirements {
            by_requirement.entry(id).or_default().push(exception);
        }
    }
    by_requirement
}

/// The first run that was asked of a row which came within the period; `None` for one that the first run was asked of,
/// or of which nobody can tell: a failed run is asked of nothing.
pub(crate) fn asked_since(statuses: &[Option<Status>], runs: &[Run]) -> Option<RunNumber> {
    let first = statuses.iter().position(Option::is_some)?;
    let before = runs.get(first.checked_sub(1)?)?;
    (before.result != RunResult::Failed).then_some(runs.get(first)?.number)
}

impl Span {
    /// What is left of it from that run on: what nobody asked for yet was not unobserved.
    fn since(self, run: Option<RunNumber>, runs: &[Run]) -> Self {
        let at = run.and_then(|run| runs.get(usize::try_from(run).ok()?)).map(|run| run.finished);
        Self { start: at.map_or(self.start, |at| at.clamp(self.start, self.end)), ..self }
    }
}

/// Runs that decided, and when.
fn decided(statuses: &[Option<Status>], runs: &[Run]) -> Vec<(RunNumber, DateTime<Utc>)> {
    let decided = |status: &Option<Status>| status.is_some_and(|status| status != Status::NotEvaluated);
    let all = statuses.iter().zip(runs).filter(|(status, _)| decided(status));
    all.map(|(_, run)| (run.number, run.finished)).collect()
}

/// In how many runs a requirement held. A pure function of what the package says: whoever verifies computes it again.
/// `attested_alone` are the runs of [`RequirementPeriod::attested_alone`].
pub(crate) fn effectiveness(
    statuses: &[Option<Status>],
    attested_alone: &[RunNumber],
    runs: &[Run],
    span: Span,
) -> Effectiveness {
    let count = |wanted: fn(Status) -> bool| {
        u32::try_from(statuses.iter().flatten().filter(|status| wanted(**status)).count()).unwrap_or(u32::MAX)
    };
    let alone = (0..).zip(statuses).filter(|(run, _)| attested_alone.contains(run));
    let alone = alone.filter(|(_, status)| **status == Some(Status::Attested)).count();
    let attested_alone = u32::try_from(alone).unwrap_or(u32::MAX);
    let since = asked_since(statuses, runs);
    let longest = span.since(since, runs).longest_gap(&decided(statuses, runs));
    let effectiveness = Effectiveness {
        runs: count(|_| true),
        without_exception: count(|status| !NOT_HELD.contains(&status)).saturating_sub(attested_alone),
        with_exception: count(|status| status == Status::Fail),
        not_evaluated: count(|status| status == Status::NotEvaluated),
        not_applicable: count(|status| NOTHING_THERE.contains(&status)),
        inherited: count(|status| status == Status::Inherited),
        attested_alone,
        longest_unobserved_seconds: longest.as_ref().map(|gap| gap.seconds),
        unobserved_after: longest.and_then(|gap| gap.after),
        sentence: String::new(),
    };
    let since = since.and_then(|since| runs.get(usize::try_from(since).ok()?)).map(|run| run.finished);
    let since = since.map_or_else(String::new, |at| format!("; asked for since {}", at.format("%-d %b %Y")));
    Effectiveness { sentence: format!("{}{since}", sentence(&effectiveness)), ..effectiveness }
}

/// Statuses that do not say that deciding checks looked at something and none failed.
const NOT_HELD: [Status; 5] =
    [Status::Fail, Status::NotEvaluated, Status::NotApplicable, Status::Inherited, Status::Manual];

/// Statuses of a row with deciding checks that had nothing to look at: of a law's row a person shows all of it then.
const NOTHING_THERE: [Status; 2] = [Status::NotApplicable, Status::Manual];

/// `no exception in 88 of 92 runs, not evaluated in 1; longest unobserved interval 3 days`.
fn sentence(said: &Effectiveness) -> String {
    let runs = words::count(said.runs, "run", "runs");
    let Some(longest) = said.longest_unobserved_seconds.map(words::duration) else {
        return match said.runs {
            0 => "no run evaluated it".to_owned(),
            _ => format!("not evaluated in any of {runs}"),
        };
    };
    let others = [
        (said.not_evaluated, "not evaluated"),
        (said.not_applicable, "nothing to look at"),
        (said.inherited, "on the provider's word"),
        (said.attested_alone, "on people's word alone"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    let others: String = others.map(|(count, what)| format!(", {what} in {count}")).collect();
    let failed = said.with_exception;
    let begin = match said.without_exception {
        0 if failed > 1 && failed == said.runs => format!("exceptions in all {runs}"),
        0 if failed > 0 => format!("exceptions in {failed} of {runs}"),
        0 if said.attested_alone == said.runs => return format!("on people's word alone in all {runs}"),
        0 if said.not_applicable == said.runs => return format!("nothing to look at in any of {runs}"),
        held => format!("no exception in {held} of {runs}"),
    };
    format!("{begin}{others}; longest unobserved interval {longest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_whose_checks_had_nothing_to_look_at_is_in_no_run_without_exception() {
        let day = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
        let span = Span { start: day("2026-07-01"), end: day("2026-10-01") };
        let statuses = [Status::Manual, Status::NotApplicable, Status::Pass, Status::Partial].map(Some);
        let said = effectiveness(&statuses, &[], &[], span);
        assert_eq!((said.runs, said.not_applicable, said.without_exception), (4, 2, 2));
        let nothing = Effectiveness { runs: 3, not_applicable: 3, without_exception: 0, ..said.clone() };
        let observed = Effectiveness { longest_unobserved_seconds: Some(86_400), ..nothing };
        assert_eq!(sentence(&observed), "nothing to look at in any of 3 runs");
        let some = Effectiveness { runs: 4, longest_unobserved_seconds: Some(86_400), ..said };
        assert_eq!(
            sentence(&some),
            "no exception in 2 of 4 runs, nothing to look at in 2; longest unobserved interval 1 day"
        );
    }

    #[test]
    fn what_people_say_where_checks_saw_nothing_is_in_no_run_without_exception() {
        let day = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
        let span = Span { start: day("2026-07-01"), end: day("2026-10-01") };
        let said = effectiveness(&[Some(Status::Attested), Some(Status::Attested)], &[1], &[], span);
        assert_eq!((said.runs, said.without_exception, said.attested_alone), (2, 1, 1));
        let observed = |said: Effectiveness| Effectiveness { longest_unobserved_seconds: Some(86_400), ..said };
        let one = "no exception in 1 of 2 runs, on people's word alone in 1; longest unobserved interval 1 day";
        assert_eq!(sentence(&observed(said.clone())), one);
        let all = Effectiveness { without_exception: 0, attested_alone: 2, ..said };
        assert_eq!(sentence(&observed(all)), "on people's word alone in all 2 runs");
    }
}
