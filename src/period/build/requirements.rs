//! Every requirement on every run, and in how many of them it held.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Span;
use crate::{
    evaluate::{RequirementResult, Status},
    framework::{Framework, FrameworkKind, Requirement},
    period::{
        facts::Facts,
        model::{Effectiveness, Exception, FrameworkPeriod, ReasonSpan, RequirementPeriod, Run, RunNumber},
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
    reasons: Vec<ReasonSpan>,
    newest: RequirementResult,
    /// Place in the framework, by the newest run.
    place: usize,
}

/// A framework's newest file, with every version met.
struct Newest {
    definition: Framework,
    versions: Vec<String>,
    scope: Option<String>,
}

impl Requirements {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber, filter: &[String]) {
        let wanted = |framework: &str| filter.is_empty() || filter.iter().any(|id| id == framework);
        for definition in facts.definitions.iter().filter(|definition| wanted(&definition.id)) {
            let result = facts.frameworks.iter().find(|f| f.id == definition.id && f.version == definition.version);
            let known = self.frameworks.remove(&definition.id);
            let mut versions = known.map(|newest| newest.versions).unwrap_or_default();
            if !versions.contains(&definition.version) {
                versions.push(definition.version.clone());
            }
            let scope = result.and_then(|result| result.scope.clone());
            let newest = Newest { definition: definition.clone(), versions, scope };
            self.frameworks.insert(definition.id.clone(), newest);
        }
        for (place, result) in facts.requirements.iter().enumerate().filter(|(_, row)| wanted(&row.framework)) {
            let key = (result.framework.clone(), result.id.clone());
            let row = self.rows.entry(key).or_insert_with(|| Row {
                statuses: BTreeMap::new(),
                reasons: Vec::new(),
                newest: result.clone(),
                place,
            });
            row.statuses.insert(run, result.status);
            // Reasons count failures of the whole cluster; a narrower view must not tell them.
            if let Some(reason) = result.reason.as_ref().filter(|_| !facts.window.is_narrow()) {
                extend(&mut row.reasons, reason, run);
            }
            row.newest = result.clone();
            row.place = place;
        }
    }

    /// The rows by framework and in its order, and the frameworks, rules before laws.
    pub(super) fn finish(
        self,
        runs: &[Run],
        span: Span,
        exceptions: &[Exception],
    ) -> (Vec<RequirementPeriod>, Vec<FrameworkPeriod>) {
        let mut by_requirement: BTreeMap<&str, Vec<&Exception>> = BTreeMap::new();
        for exception in exceptions {
            for id in &exception.requirements {
                by_requirement.entry(id).or_default().push(exception);
            }
        }
        let mut rows: Vec<(usize, RequirementPeriod)> =
            self.rows
                .iter()
                .map(|((framework, id), row)| {
                    let definition = self.frameworks.get(framework).and_then(|newest| {
                        newest.definition.requirements.iter().find(|requirement| requirement.id == *id)
                    });
                    let named = by_requirement.get(format!("{framework}/{id}").as_str());
                    // Supporting checks give evidence and set no status: their failures are no exceptions of the row.
                    let decided = named.into_iter().flatten().filter(|x| row.newest.decides.contains(&x.check));
                    let exceptions = decided.map(|exception| exception.id.clone()).collect();
                    (row.place, row.finish(definition, runs, span, exceptions))
                })
                .collect();
        rows.sort_by(|(a, x), (b, y)| (&x.framework, a, &x.id).cmp(&(&y.framework, b, &y.id)));
        let mut frameworks: Vec<FrameworkPeriod> = self.frameworks.into_values().map(framework).collect();
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
        id: definition.id,
        versions,
        title: definition.title,
        kind: definition.kind,
        scope,
        outside: definition.outside.into_iter().map(|outside| (outside.id, outside.about)).collect(),
    }
}

fn extend(reasons: &mut Vec<ReasonSpan>, reason: &str, run: RunNumber) {
    match reasons.last_mut() {
        Some(span) if span.reason == reason && span.last + 1 == run => span.last = run,
        _ => reasons.push(ReasonSpan { first: run, last: run, reason: reason.to_owned() }),
    }
}

impl Row {
    fn finish(
        &self,
        definition: Option<&Requirement>,
        runs: &[Run],
        span: Span,
        exceptions: Vec<String>,
    ) -> RequirementPeriod {
        let statuses: Vec<Option<Status>> = runs.iter().map(|run| self.statuses.get(&run.number).copied()).collect();
        let newest = &self.newest;
        RequirementPeriod {
            framework: newest.framework.clone(),
            id: newest.id.clone(),
            title: definition.map(|d| d.title.clone()).unwrap_or_default(),
            section: definition.and_then(|d| d.section.clone()),
            level: definition.and_then(|d| d.level.clone()),
            coverage: newest.coverage,
            periodicity: definition.and_then(|d| d.periodicity.clone()),
            company_control: newest.company_control.clone(),
            owner: newest.owner.clone(),
            decides: newest.decides.clone(),
            effectiveness: (!newest.decides.is_empty()).then(|| effectiveness(&statuses, runs, span)),
            statuses,
            reasons: self.reasons.clone(),
            exceptions,
        }
    }
}

/// In how many runs a requirement held. A pure function of what the package says: whoever verifies computes it again.
pub(crate) fn effectiveness(statuses: &[Option<Status>], runs: &[Run], span: Span) -> Effectiveness {
    let count = |wanted: fn(Status) -> bool| {
        u32::try_from(statuses.iter().flatten().filter(|status| wanted(**status)).count()).unwrap_or(u32::MAX)
    };
    let (all, failed) = (count(|_| true), count(|status| status == Status::Fail));
    let undecided = count(|status| status == Status::NotEvaluated);
    let held = all - failed - undecided;
    let decided: Vec<(RunNumber, DateTime<Utc>)> = statuses
        .iter()
        .zip(runs)
        .filter(|(status, _)| status.is_some_and(|status| status != Status::NotEvaluated))
        .map(|(_, run)| (run.number, run.finished))
        .collect();
    let longest = span.longest_gap(&decided);
    let sentence = match (&longest, all) {
        (_, 0) => "no run evaluated it".to_owned(),
        (None, _) => format!("not evaluated in any of {}", words::count(all, "run", "runs")),
        (Some(gap), _) => {
            let undecided = if undecided == 0 { String::new() } else { format!(", not evaluated in {undecided}") };
            let longest = words::duration(gap.seconds);
            let runs = words::count(all, "run", "runs");
            format!("no exception in {held} of {runs}{undecided}; longest unobserved interval {longest}")
        }
    };
    Effectiveness {
        runs: all,
        without_exception: held,
        with_exception: failed,
        not_evaluated: undecided,
        longest_unobserved_seconds: longest.as_ref().map(|gap| gap.seconds),
        unobserved_after: longest.and_then(|gap| gap.after),
        sentence,
    }
}
