//! What a run could not see. A failure that nobody could look at is neither new nor repaired.

use std::collections::BTreeMap;

use polars::prelude::{col, lit};

use crate::{
    bundle::statement::RunResult,
    collect::Coverage,
    evaluate::{FindingId, Outcome},
    period::{
        facts::CheckRow,
        failures::FINDINGS,
        model::{Run, RunNumber},
    },
    snapshot::{Table, TableError},
};

/// What can be out of sight.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Everything,
    Kind(String),
    Check(String),
    /// Some list that the check needs; the kinds that it did see stay in sight.
    Part(String),
    Place {
        check: String,
        reference: String,
        container: Option<String>,
    },
    Finding(FindingId),
}

/// A place that a check may fail at.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) id: FindingId,
    pub(super) check: &'a str,
    pub(super) kind: &'a str,
    /// `Deployment/shop/cart`.
    pub(super) reference: &'a str,
    pub(super) container: Option<&'a str>,
    /// The kind is that of a list of the API. Subjects, images and the cluster itself are of none: any list that their
    /// check missed counts.
    pub(super) listed: bool,
}

/// Kind of what a finding about a whole list names.
const LIST: &str = "List";
/// As the table of findings spells it.
const NOT_EVALUATED: &str = "not-evaluated";

/// What one run could not see, with the reason.
#[derive(Debug, Default)]
pub(in crate::period) struct Blind(BTreeMap<Question, String>);

impl Blind {
    pub(in crate::period) fn of(
        run: &Run,
        coverage: &Coverage,
        checks: &BTreeMap<String, CheckRow>,
        findings: &Table<'_>,
    ) -> Result<Self, TableError> {
        let mut blind = BTreeMap::new();
        if run.result == RunResult::Failed {
            let reason = run.reason.clone().unwrap_or_else(|| "the cluster could not be read".into());
            blind.insert(Question::Everything, reason);
        }
        for list in coverage.unseen() {
            let reason = format!("{}: {}", list.id(), list.outcome.reason().unwrap_or_default());
            blind.insert(Question::Kind(list.kind.clone()), reason);
        }
        let undecided = checks.iter().filter(|(_, row)| row.outcome == Outcome::NotEvaluated && row.evaluated == 0);
        for (check, row) in undecided {
            let reason = row.reason.clone().unwrap_or_else(|| "it could not be evaluated".into());
            blind.insert(Question::Check(check.clone()), reason);
        }
        let mut blind = Self(blind);
        blind.add_findings(findings)?;
        Ok(blind)
    }

    fn add_findings(&mut self, findings: &Table<'_>) -> Result<(), TableError> {
        let undecided = findings.lazy().filter(col("outcome").eq(lit(NOT_EVALUATED)));
        let table = Table::collect(FINDINGS, undecided)?;
        let (ids, checks, kinds) = (table.texts("id")?, table.texts("check")?, table.texts("kind")?);
        let reasons = table.optional("reason")?;
        let (namespaces, names, containers) =
            (table.optional("namespace")?, table.texts("name")?, table.optional("container")?);
        for row in 0..table.rows() {
            let reason = reasons[row].unwrap_or("it could not be evaluated").to_owned();
            let check = checks[row].to_owned();
            if kinds[row] == LIST {
                self.0.entry(Question::Part(check)).or_insert(reason);
                continue;
            }
            if let Ok(id) = ids[row].parse() {
                self.0.insert(Question::Finding(id), reason.clone());
            }
            // What cannot be looked at as a whole cannot be looked at in its parts, whatever they are called.
            let reference = reference(kinds[row], namespaces[row], names[row]);
            self.0.insert(Question::Place { check, reference, container: containers[row].map(str::to_owned) }, reason);
        }
        Ok(())
    }

    /// Why a place could not be looked at; `None` where it was.
    pub(super) fn reason(&self, place: Place<'_>) -> Option<&str> {
        questions(place).iter().find_map(|question| self.0.get(question)).map(String::as_str)
    }

    /// Why the lists of these kinds were not seen.
    pub(super) fn kinds(&self, kinds: &[&str]) -> Option<&str> {
        let everything = std::iter::once(Question::Everything);
        let mut all = everything.chain(kinds.iter().map(|kind| Question::Kind((*kind).to_owned())));
        all.find_map(|question| self.0.get(&question)).map(String::as_str)
    }
}

/// `Deployment/shop/cart`, `Node/worker-1`: as evidence names objects.
pub(super) fn reference(kind: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{kind}/{namespace}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

/// Everything that must be in sight for a place to be seen.
fn questions(place: Place<'_>) -> Vec<Question> {
    let within = |container: Option<&str>| Question::Place {
        check: place.check.to_owned(),
        reference: place.reference.to_owned(),
        container: container.map(str::to_owned),
    };
    let mut questions = vec![
        Question::Everything,
        Question::Check(place.check.to_owned()),
        if place.listed { Question::Kind(place.kind.to_owned()) } else { Question::Part(place.check.to_owned()) },
        Question::Finding(place.id),
        within(None),
    ];
    questions.extend(place.container.map(|container| within(Some(container))));
    questions
}

/// Since when things are out of sight: the last run that saw each, `None` where no run of the period did.
#[derive(Debug, Default)]
pub(super) struct Sight(BTreeMap<Question, Option<RunNumber>>);

impl Sight {
    /// The last run before `run` that could look at a place, and whether the run directly before could.
    pub(super) fn before(&self, run: RunNumber, place: Place<'_>) -> (Option<RunNumber>, bool) {
        let since: Vec<Option<RunNumber>> =
            questions(place).iter().filter_map(|question| self.0.get(question).copied()).collect();
        // `None` is smaller than any run: no run of the period saw it.
        match since.into_iter().min() {
            Some(last) => (last, false),
            None => (run.checked_sub(1), true),
        }
    }

    /// Remembers what `run` could not see.
    pub(super) fn close(&mut self, run: RunNumber, blind: &Blind) {
        self.0.retain(|question, _| blind.0.contains_key(question));
        for question in blind.0.keys() {
            self.0.entry(question.clone()).or_insert_with(|| run.checked_sub(1));
        }
    }
}
