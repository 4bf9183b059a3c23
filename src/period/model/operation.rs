//! Operating effectiveness: what every run said of each requirement, and each exception from beginning to end.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Bounds, Cited, Gap, RunNumber, WrittenBy};
use crate::{
    evaluate::{FindingId, Status},
    framework::{RowCoverage, Severity},
    resource::ResourceRef,
};

/// One requirement over the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequirementPeriod {
    /// Framework id.
    pub framework: String,
    /// Requirement id.
    pub id: String,
    /// Our own sentence.
    pub title: String,
    /// Section heading.
    pub section: Option<String>,
    /// Level (`1`, `required`, ...).
    pub level: Option<String>,
    /// How much of it a cluster can answer.
    pub coverage: RowCoverage,
    /// What a person must show, in our own words; `None` in packages from before it was told apart from the reasons.
    #[serde(default)]
    pub note: Option<String>,
    /// How often it is to be shown, as the framework file says it.
    pub periodicity: Option<String>,
    /// The company's own control id, as of the newest run.
    pub company_control: Option<String>,
    /// Who answers for it, as of the newest run.
    pub owner: Option<String>,
    /// Deciding checks, as of the newest run.
    pub decides: Vec<String>,
    /// Status on every run, by run number; `None` where the run did not evaluate the requirement.
    pub statuses: Vec<Option<Status>>,
    /// Runs that people attested it on while its deciding checks saw no place that passed or failed.
    #[serde(default)]
    pub attested_alone: Vec<RunNumber>,
    /// What the runs said of their status, over runs that said the same.
    pub reasons: Vec<ReasonSpan>,
    /// Whether it held; `None` where no check decides and only people and documents speak.
    pub effectiveness: Option<Effectiveness>,
    /// Times without a run that decided it, longer than its periodicity allows: findings in their own right. Empty where
    /// no check decides, or where the periodicity fixes no interval.
    pub overdue: Vec<Gap>,
    /// Ids of the exceptions of its deciding checks that count for it, worst first.
    pub exceptions: Vec<String>,
}

impl RequirementPeriod {
    /// `pci-dss/2.2.6`.
    pub fn full_id(&self) -> String {
        format!("{}/{}", self.framework, self.id)
    }

    /// What a run said of it; `None` where the run did not evaluate it.
    pub fn status_on(&self, run: RunNumber) -> Option<Status> {
        *self.statuses.get(usize::try_from(run).ok()?)?
    }

    /// Only people spoke, or nobody was asked.
    fn is_of_people(&self, run: RunNumber, status: Option<Status>) -> bool {
        status.is_none_or(|status| status == Status::Manual) || self.attested_alone.contains(&run)
    }

    /// Why the run said so.
    pub fn reason_on(&self, run: RunNumber) -> Option<&str> {
        let span = self.reasons.iter().find(|span| (span.first..=span.last).contains(&run))?;
        Some(&span.reason)
    }
}

/// What a requirement came to over all runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Some run saw an exception.
    Exceptions,
    /// None did, and some run could not decide.
    Undecided,
    /// No run saw an exception, and checks decide all of it.
    Clear,
    /// No run saw an exception, and a person adds the rest.
    InPart,
    /// Only people and documents speak.
    People,
    /// It applied to nothing.
    NotApplicable,
}

impl Course {
    /// Of a requirement.
    pub fn of(row: &RequirementPeriod) -> Self {
        let all = |wanted: Status| row.statuses.iter().flatten().all(|status| *status == wanted);
        match &row.effectiveness {
            None => Self::People,
            Some(effect) if effect.with_exception > 0 => Self::Exceptions,
            Some(effect) if effect.not_evaluated > 0 || effect.runs == 0 => Self::Undecided,
            Some(_) if all(Status::NotApplicable) => Self::NotApplicable,
            // Its checks had nothing to look at on any run: what is left of it is a person's.
            Some(_) if (0..).zip(&row.statuses).all(|(run, status)| row.is_of_people(run, *status)) => Self::People,
            Some(_) if row.statuses.iter().flatten().any(|status| *status != Status::Pass) => Self::InPart,
            Some(_) => Self::Clear,
        }
    }
}

/// The reason of a status, over successive runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonSpan {
    /// First run that said it.
    pub first: RunNumber,
    /// Last run that said it.
    pub last: RunNumber,
    /// One sentence.
    pub reason: String,
}

/// In how many runs a requirement held. Runs are moments: no share of time follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effectiveness {
    /// Runs that evaluated the requirement or tried to.
    pub runs: u32,
    /// Of those, runs in which deciding checks looked at something and none failed.
    pub without_exception: u32,
    /// Of those, runs in which one failed, waived or not.
    pub with_exception: u32,
    /// Of those, runs in which it could not be decided.
    pub not_evaluated: u32,
    /// Of those, runs with nothing to look at: of a law's row a person shows all of it then.
    pub not_applicable: u32,
    /// Of those, runs in which only a provider's document spoke.
    pub inherited: u32,
    /// Of those, runs in which people attested it and its checks saw nothing that passed or failed.
    #[serde(default)]
    pub attested_alone: u32,
    /// Seconds of the longest time in the period without a run that decided it, from the period's first moment to its
    /// last; `None` where no run did.
    pub longest_unobserved_seconds: Option<i64>,
    /// Where that time begins: the run before it; `None` for the beginning of the period.
    pub unobserved_after: Option<RunNumber>,
    /// One sentence: `no exception in 88 of 92 runs; longest unobserved interval 3 days`.
    pub sentence: String,
}

/// One failure of one check at one place, from when it began to when it ended. A failure that comes back is another
/// one. Not being seen is no end: `fail` to `not-evaluated` is never a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// `X-0001`, in the order of the list: unique within its cluster.
    pub id: String,
    /// Identity of the finding over time.
    pub finding: FindingId,
    /// Check id.
    pub check: String,
    /// Title of the check.
    pub title: String,
    /// Severity on the last run that saw it.
    pub severity: Severity,
    /// The object; without uid.
    pub resource: ResourceRef,
    /// Container, where the check walks containers.
    pub container: Option<String>,
    /// Where in the object, list items by name.
    pub place: String,
    /// One sentence, as of the last run that saw it.
    pub message: String,
    /// What was found.
    pub observed: Option<String>,
    /// What was expected.
    pub expected: String,
    /// Team that owns it, as of the last run that saw it.
    pub owner: Option<String>,
    /// Waivers under which it stood, in order.
    pub waivers: Vec<WaiverSpan>,
    /// First run that saw it.
    pub first_seen: RunNumber,
    /// Last run that saw it.
    pub last_seen: RunNumber,
    /// Runs that saw it.
    pub seen_in: u32,
    /// Runs between beginning and end that could not tell.
    pub not_seen_in: Vec<RunNumber>,
    /// Between which runs it began.
    pub began: Bounds,
    /// Why it began.
    pub began_by: Cause,
    /// How it ended, if it did.
    pub ending: Ending,
    /// Bounds of its duration.
    pub duration: RepairBounds,
    /// Who wrote to the object, or where it has none to what it rests on, between the bounds of its beginning, by time.
    pub written_by: Vec<WrittenBy>,
    /// The same between the bounds of its end; empty where no change of the cluster ended it.
    #[serde(default)]
    pub repaired_by: Vec<WrittenBy>,
    /// Requirements of the package that its check decides or supports, and in whose scope it lies.
    pub requirements: Vec<String>,
    /// Objects that it rests on, as its first and its last run saw them.
    pub evidence: Vec<Cited>,
    /// The object, and what else of its evidence had changed by then, as the first run without the failure saw it; none
    /// where it is gone or the failure goes on.
    #[serde(default)]
    pub evidence_after: Vec<Cited>,
}

impl Exception {
    /// The runs that saw it.
    pub fn runs(&self) -> impl Iterator<Item = RunNumber> {
        (self.first_seen..=self.last_seen).filter(|run| !self.not_seen_in.contains(run))
    }

    /// Whether a run saw it.
    pub fn stood_on(&self, run: RunNumber) -> bool {
        (self.first_seen..=self.last_seen).contains(&run) && !self.not_seen_in.contains(&run)
    }

    /// The waiver under which it stood on a run.
    pub fn waiver_on(&self, run: RunNumber) -> Option<&WaiverSpan> {
        self.waivers.iter().find(|span| (span.first..=span.last).contains(&run))
    }
}

/// A waiver, over successive runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaiverSpan {
    /// Waiver id.
    pub id: String,
    /// First run under it.
    pub first: RunNumber,
    /// Last run under it.
    pub last: RunNumber,
}

/// Why a failure began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The first run of the period saw it already.
    BeforePeriod,
    /// An object changed.
    ObjectChanged,
    /// The object came into being, or is gone.
    ObjectCameOrWent,
    /// Objects are as they were; checks, frameworks, the tool or what people declared changed.
    RulesChanged,
    /// Objects and rules changed between the same two runs, so that neither can be told to be the cause.
    ObjectAndRules,
    /// The run before could not see it.
    NotSeenBefore,
    /// The objects that it names are as they were, and so are the rules: an object related to them changed.
    RelatedObject,
    /// The same, of a check that reads the clock: time passed, and nothing need have changed.
    TimePassed,
}

/// How a failure ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Ending {
    /// The last run of the period still saw it.
    Open,
    /// No run after the last that saw it could tell.
    NotSeenSince {
        /// First run that could not tell.
        run: RunNumber,
        /// Why not.
        reason: String,
    },
    /// A run saw the place without it.
    Ended {
        /// The last run that saw it, and the first that saw the place without it.
        bounds: Bounds,
        /// What ended it: only a change in the cluster is a repair.
        cause: Cause,
    },
}

impl Ending {
    /// It ended because something in the cluster changed.
    pub fn is_repair(&self) -> bool {
        matches!(self, Self::Ended { cause: Cause::ObjectChanged | Cause::ObjectCameOrWent | Cause::RelatedObject, .. })
    }
}

/// How long a failure stood, as far as runs can tell, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepairBounds {
    /// From the first run that saw it to the last.
    pub at_least_seconds: i64,
    /// From the last run without it to the first run without it again; `None` where one of the two is missing.
    pub at_most_seconds: Option<i64>,
}

/// The longest times that repaired exceptions stood. Those whose beginning no run of the period saw stand apart: what has
/// no upper bound is not compared with what has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Longest {
    /// Seconds, at least and at most, of those that began within the period: the longest of each.
    pub begun_within: Option<(i64, i64)>,
    /// Seconds, at least, of those that stood before it.
    pub begun_before: Option<i64>,
}

impl Longest {
    /// Of the repaired ones of a severity.
    pub fn of<'a>(severity: Severity, exceptions: impl IntoIterator<Item = &'a Exception>) -> Self {
        let mut longest = Self::default();
        for exception in exceptions.into_iter().filter(|x| x.severity == severity && x.ending.is_repair()) {
            let RepairBounds { at_least_seconds: least, at_most_seconds } = exception.duration;
            match at_most_seconds {
                Some(most) => {
                    let known = longest.begun_within.unwrap_or_default();
                    longest.begun_within = Some((known.0.max(least), known.1.max(most)));
                }
                None => longest.begun_before = longest.begun_before.max(Some(least)),
            }
        }
        longest
    }
}

/// Times to repair of one severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepairTimes {
    /// Severity.
    pub severity: Severity,
    /// Exceptions that a change in the cluster ended.
    pub repaired: u32,
    /// Of those, exceptions whose beginning no run of the period saw: without an upper bound.
    pub unbounded: u32,
    /// The longest time that a repaired one stood for certain.
    pub longest_at_least_seconds: Option<i64>,
    /// The longest that a repaired one can have stood, of those with an upper bound.
    pub longest_at_most_seconds: Option<i64>,
    /// Exceptions still open on the last run.
    pub open: u32,
    /// Of those, exceptions under a waiver.
    pub open_waived: u32,
    /// Exceptions that no later run could see.
    pub not_seen_since: u32,
    /// Exceptions that no repair ended: a change of rules, alone or together with one in the cluster, or time.
    pub ended_by_rules: u32,
    /// When the first run saw the oldest open one.
    pub oldest_open_since: Option<DateTime<Utc>>,
}
