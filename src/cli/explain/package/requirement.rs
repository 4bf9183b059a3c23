//! One requirement over the period, or on one day of it: what the runs said, by what, and where that is signed.

use chrono::NaiveDate;

use super::{Question, between, words};
use crate::{
    cli::text::{Page, plural},
    evaluate::{
        Outcome, RequirementResult, Status,
        results::{CheckCounts, Results},
    },
    period::{
        day::Day,
        evidence::proof_folder,
        model::{
            ClusterPeriod, DeclarationPeriod, Exception, Gap, MissedRun, RequirementPeriod, Run, RunNumber, ScopeSpan,
        },
    },
    report::view::words as report,
};

/// Exceptions named one by one; the workbook has all.
const MOST_NAMED: usize = 20;
/// Of those that decide nothing.
const MOST_BESIDE: usize = 5;

pub(super) fn describe<'q>(question: &Question<'q>, id: &str, page: &mut Page) {
    let of = |cluster: &&'q ClusterPeriod| cluster.requirements.iter().find(|row| row.full_id() == id);
    if let Some(row) = question.clusters.iter().find_map(of) {
        head(question, row, page);
    }
    for cluster in &question.clusters {
        let Some(row) = of(cluster) else {
            page.gap();
            page.say("Cluster", &format!("{}: no run was about it", cluster.folder));
            continue;
        };
        page.gap();
        page.say("Cluster", &format!("{}, {}", cluster.folder, plural(cluster.runs.len(), "run")));
        match question.on {
            Some(day) => on_day(question, cluster, row, day, page),
            None => over_period(question, cluster, row, page),
        }
    }
}

fn head(question: &Question<'_>, row: &RequirementPeriod, page: &mut Page) {
    let period = &question.proved.period;
    page.heading(&format!("{}: {}", row.full_id(), row.title));
    page.say(
        "Package",
        &format!("{} to {}, verified, root {}", period.from, period.to, question.proved.root.short(16)),
    );
    for (label, value) in [("Section", &row.section), ("Own id", &row.company_control), ("Owner", &row.owner)] {
        page.say(label, value.as_deref().unwrap_or_default());
    }
    page.say(
        "Decided by",
        &if row.decides.is_empty() { "people and documents".into() } else { row.decides.join(", ") },
    );
}

fn over_period(question: &Question<'_>, cluster: &ClusterPeriod, row: &RequirementPeriod, page: &mut Page) {
    if let Some(effectiveness) = &row.effectiveness {
        page.say("Operation", &effectiveness.sentence);
    }
    if let Some(scope) = question.proved.period.scope_of(&row.framework) {
        let spans: Vec<&ScopeSpan> = cluster.scopes.iter().filter(|span| span.scope == scope).collect();
        page.items("Scope", spans.last().map(|span| words::scope(span)).unwrap_or_default());
        let earlier = spans.iter().rev().skip(1);
        page.items("", earlier.map(|span| words::earlier_scope(cluster, span)));
    }
    page.items("States", spans(cluster, row));
    page.items("Overdue", row.overdue.iter().map(|gap| overdue(cluster, gap)));
    let all: Vec<&Exception> = exceptions(cluster, row);
    let course = |x: &&Exception| format!("{}; {}", line(x), words::course(x));
    page.items("Exceptions", all.iter().take(MOST_NAMED).map(course).chain(more(all.len())));
    page.gap();
    let day = cluster.runs.first().map_or(question.proved.period.from, |run| run.finished.date_naive());
    page.say("Next", &format!("kubeproof explain {} {} --on {day}", row.full_id(), question.again));
    if let Some(exception) = all.first() {
        page.say("", &format!("kubeproof explain {} {}", exception.id, question.again));
    }
}

/// What is not named, if anything.
fn more(all: usize) -> Option<String> {
    let left = all.saturating_sub(MOST_NAMED);
    (left > 0).then(|| format!("and {left} more: data/documents/workbook.xlsx, sheet Exceptions"))
}

/// Successive runs that said the same.
fn spans(cluster: &ClusterPeriod, row: &RequirementPeriod) -> Vec<String> {
    let said: Vec<(RunNumber, Option<Status>, Option<&str>)> =
        (0..).zip(&row.statuses).map(|(run, status)| (run, *status, row.reason_on(run))).collect();
    let same = said.chunk_by(|(_, a, b), (_, c, d)| (a, b) == (c, d));
    let line = |span: &[(RunNumber, Option<Status>, Option<&str>)]| {
        let (first, status, reason) = *span.first()?;
        let (last, ..) = *span.last()?;
        Some(format!("{}: {}", words::runs(cluster, first, last), state(status, reason)))
    };
    same.filter_map(line).collect()
}

/// `exceptions noted: 7 failures, and 1 waived`.
fn state(status: Option<Status>, reason: Option<&str>) -> String {
    let status = status.map_or("not asked for on this run", |status| report::status(status).0);
    reason.map_or_else(|| status.to_owned(), |reason| format!("{status}: {reason}"))
}

fn exceptions<'a>(cluster: &'a ClusterPeriod, row: &RequirementPeriod) -> Vec<&'a Exception> {
    row.exceptions.iter().filter_map(|id| cluster.exception(id)).collect()
}

/// What it is; how it went is said beside it.
fn line(x: &Exception) -> String {
    format!("{} {} {}: {}", x.id, report::severity(x.severity), x.resource, x.message)
}

fn on_day(question: &Question<'_>, cluster: &ClusterPeriod, row: &RequirementPeriod, day: NaiveDate, page: &mut Page) {
    let around = Day::of(cluster, day);
    page.say(&day.to_string(), &seen(&around));
    let missed = cluster.cadence.missed.iter().filter(|missed| missed.due.date_naive() == day);
    page.items("Missing", missed.map(|missed| missing(cluster, missed)));
    let within = |gap: &&Gap| (gap.from.date_naive()..=gap.to.date_naive()).contains(&day);
    page.items("Overdue", row.overdue.iter().filter(within).map(|gap| overdue(cluster, gap)));
    let told_by: Vec<Told<'_>> =
        around.told_by().into_iter().map(|run| Told::of(question, cluster, row, run)).collect();
    for (at, told) in told_by.iter().enumerate() {
        page.gap();
        told.describe(at.checked_sub(1).map(|before| &told_by[before]), page);
        if around.on.iter().any(|on| on.number == told.run.number) {
            page.items(
                "Rules",
                told.run.number.checked_sub(1).and_then(|before| rules(row, cluster.run(before)?, told.run)),
            );
        }
        proof(cluster, row, told, page);
    }
    if let ([before, after], true) = (told_by.as_slice(), around.on.is_empty()) {
        page.gap();
        page.items("Between", between::describe(before, after, day));
    }
    if let Some(exception) = told_by.iter().find_map(|told| told.failures.first()) {
        page.gap();
        page.say("Next", &format!("kubeproof explain {} {}", exception.id, question.again));
    }
}

/// A time that was longer than the row allows.
fn overdue(cluster: &ClusterPeriod, gap: &Gap) -> String {
    let from = gap.after.map_or_else(|| "the period's beginning".to_owned(), |run| words::numbered(cluster, run));
    format!("{} without a run that decided it, from {from}", crate::period::words::duration(gap.seconds))
}

/// A run that was due.
fn missing(cluster: &ClusterPeriod, missed: &MissedRun) -> String {
    let due = report::full_time(missed.due);
    match cluster.cause_of(missed) {
        Some(excluded) => format!("a run was due on {due} UTC, and its bundle is not used: {}", excluded.reason),
        None => format!("a run was due on {due} UTC and is not here; no cause is recorded"),
    }
}

/// That what decides changed between two runs.
pub(super) fn rules(row: &RequirementPeriod, before: &Run, after: &Run) -> Option<String> {
    let versions = |run: &Run| {
        let of = run.frameworks.iter().find(|known| known.id == row.framework);
        of.map_or_else(|| "not evaluated".to_owned(), |known| known.version.clone())
    };
    let (old, new) = (versions(before), versions(after));
    let framework = if old == new { String::new() } else { format!(": {} {old}, then {new}", row.framework) };
    let runs = format!("between run {:04} and run {:04}", before.number, after.number);
    (before.rules != after.rules).then(|| format!("checks, frameworks or declarations changed {runs}{framework}"))
}

/// Which runs tell of a day.
fn seen(day: &Day<'_>) -> String {
    match (day.on.as_slice(), day.before, day.after) {
        ([], None, None) => "no run of the period".to_owned(),
        ([], Some(before), Some(after)) => {
            format!("no run on this day: the last before it is {}, the next {}", words::run(before), words::run(after))
        }
        ([], Some(before), None) => {
            format!("no run on this day, nor after it: what is known is from {}", words::run(before))
        }
        ([], None, Some(after)) => {
            format!("no run on this day, nor before it: the first to look is {}", words::run(after))
        }
        (on, ..) => plural(on.len(), "run"),
    }
}

/// What one run said of the requirement.
pub(super) struct Told<'a> {
    pub(super) cluster: &'a ClusterPeriod,
    pub(super) run: &'a Run,
    pub(super) status: Option<Status>,
    pub(super) reason: Option<&'a str>,
    /// Exceptions that it saw.
    pub(super) failures: Vec<&'a Exception>,
    /// Its own words, where the package holds them.
    results: Option<&'a Results>,
    /// The declared scope that it is evaluated in.
    scope: Option<&'a str>,
    pub(super) row: &'a RequirementPeriod,
}

impl<'a> Told<'a> {
    fn of(question: &Question<'a>, cluster: &'a ClusterPeriod, row: &'a RequirementPeriod, run: &'a Run) -> Self {
        let stood = |x: &&Exception| x.stood_on(run.number);
        Self {
            cluster,
            run,
            status: row.status_on(run.number),
            reason: row.reason_on(run.number),
            failures: exceptions(cluster, row).into_iter().filter(stood).collect(),
            results: question.proved.results(&cluster.folder, run.number, &row.framework),
            scope: question.proved.period.scope_of(&row.framework),
            row,
        }
    }

    fn describe(&self, before: Option<&Self>, page: &mut Page) {
        let finished = report::full_time(self.run.finished);
        let label = format!("Run {:04}", self.run.number);
        page.say(&label, &format!("{finished} UTC: {}", state(self.status, self.reason)));
        if let Some(why) = &self.run.reason {
            page.say("", &format!("of the run: {why}"));
        }
        let same = |of: fn(&Self) -> Vec<String>| {
            let (now, earlier) = (of(self), before.map(|before| (before.run.number, of(before))));
            match earlier.filter(|(_, earlier)| *earlier == now && !now.is_empty()) {
                Some((run, _)) => vec![format!("the same as on run {run:04}")],
                None => now,
            }
        };
        page.items("Scope", same(Self::scope));
        page.items("Known by", same(Self::known_by));
        page.items("Said by", same(Self::said_by));
        page.items("Failures", same(Self::standing));
        page.items("Beside it", same(Self::beside));
    }

    /// What the scope held that it is evaluated in.
    fn scope(&self) -> Vec<String> {
        let Some(scope) = self.scope else { return Vec::new() };
        match self.cluster.scope_on(scope, self.run.number) {
            Some(span) => words::scope(span),
            None => vec![format!("{scope}: nobody had declared it")],
        }
    }

    /// In how many places its checks looked, and each of them in the whole cluster where that is of its business.
    fn known_by(&self) -> Vec<String> {
        let Some(results) = self.results else { return Vec::new() };
        let decides = results.checks.iter().filter(|check| self.row.decides.contains(&check.id));
        let scope = results.versions.iter().find_map(|version| version.scope.as_ref());
        let of_row = results.requirements.iter().rev().find(|result| result.id == self.row.id);
        let of_row = of_row.filter(|row| !row.decides.is_empty());
        let in_scope = of_row.zip(scope).and_then(|(row, scope)| Some(places(row, row.passed?, scope)));
        decides.map(counted).chain(in_scope).collect()
    }

    /// People and providers whose word about it was in force.
    fn said_by(&self) -> Vec<String> {
        let (full, run) = (self.row.full_id(), self.run.number);
        let is_about = |said: &&DeclarationPeriod| {
            let is_named = said.about.contains(&full) || said.applies_to.contains(&full);
            said.kind != "waiver" && is_named && said.state_on(run).is_some()
        };
        self.cluster.declarations.iter().filter(is_about).map(|said| words::declared(said, run)).collect()
    }

    /// Failures of supporting checks: they decide nothing, and whoever answers for the row should know them.
    fn beside(&self) -> Vec<String> {
        let id = self.row.full_id();
        let stood = |x: &&Exception| x.stood_on(self.run.number);
        let supporting = self.cluster.exceptions_of(&id).filter(|x| !self.row.exceptions.contains(&x.id)).filter(stood);
        let all: Vec<&Exception> = supporting.collect();
        let named = all.iter().take(MOST_BESIDE).map(|x| format!("{}, of a supporting check", line(x)));
        let left = all.len().saturating_sub(MOST_BESIDE);
        named.chain((left > 0).then(|| format!("and {left} more of supporting checks"))).collect()
    }

    fn standing(&self) -> Vec<String> {
        let named = self.failures.iter().take(MOST_NAMED);
        let line = |x: &&Exception| {
            let waived =
                x.waiver_on(self.run.number).map_or_else(String::new, |span| format!(", waived by {}", span.id));
            format!("{}; first seen by run {:04}{waived}", line(x), x.first_seen)
        };
        named.map(line).chain(more(self.failures.len())).collect()
    }
}

/// `in scope card-data its checks passed in 12 places, failed in 3, 1 more waived`.
fn places(row: &RequirementResult, passed: u64, scope: &str) -> String {
    let waived = if row.waived > 0 { format!(", {} more waived", row.waived) } else { String::new() };
    format!(
        "in scope {scope} its checks passed in {}, failed in {}{waived}",
        report::count(passed, "place", "places"),
        row.failures
    )
}

/// `container-privileged: 1 of 41 failed`.
fn counted(check: &CheckCounts) -> String {
    let CheckCounts { id, outcome, evaluated, failed, waived, expected, not_evaluated, reason } = check;
    let mut said = match (outcome, evaluated) {
        (Outcome::NotApplicable, 0) => "nothing to look at".to_owned(),
        (_, 0) => "nothing could be looked at".to_owned(),
        (_, evaluated) => format!("{failed} of {evaluated} failed"),
    };
    for (count, what) in
        [(waived, "of those waived"), (expected, "expected of the system"), (not_evaluated, "not seen")]
    {
        if *count > 0 {
            said.push_str(&format!(", {count} {what}"));
        }
    }
    let reason = reason.as_deref().map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("{id}: {said}{reason}")
}

/// The files that sign it.
fn proof(cluster: &ClusterPeriod, row: &RequirementPeriod, told: &Told<'_>, page: &mut Page) {
    let run = told.run;
    let folder = proof_folder(&cluster.folder, run.number);
    let mut steps = Vec::new();
    match cluster.results_of(&row.framework, run.number).filter(|_| told.results.is_some()) {
        Some(span) => {
            let says = if told.status.is_some() { "says it" } else { "is what that run says, and has no such row" };
            steps.push(format!("{} {says}; its SHA-256 is {}", span.path(&cluster.folder), span.digest.hex()));
            steps.push(format!("{folder}manifest-sha256.txt names that digest"));
        }
        None => {
            steps.push(
                "the run's own results are not in the package: the status is the word of the package's signer, and \
                 data/evaluation.json of the bundle proves it"
                    .to_owned(),
            );
            steps.push(format!("{folder}manifest-sha256.txt is that bundle's manifest"));
        }
    }
    steps.push(format!("{folder}bundle.dsse.json signs that manifest"));
    steps.push(format!("{folder}commit.tlog-proof is entry {} of the cluster's log", run.index));
    steps.push(format!("kubeproof get {} fetches the bundle from its store", run.bundle.short(12)));
    page.items("Proof", steps);
}
