//! One run: the seven stages strung together, from a collection to a commit.

mod attested;
mod baseline;
mod diff;
mod files;
mod gaps;
mod lake;

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, Utc};

pub use baseline::{Earlier, Newest, from_bundle};
pub use diff::{Moment, Unproved, diff};
pub use gaps::{gaps, undeclared};
pub use lake::into_lake;

use crate::{
    bundle::{self, KeySet, SignedBundle},
    collect::{Collected, inputs},
    config::{At, ExpectedGap, LoadError},
    digest::Digest,
    drift::{self, Before, Drift, Side},
    evaluate::{self, Evaluation, Rules},
    framework::RuleFiles,
    report::{self, CheckText, Definitions, History, HistoryLine, Meta},
    snapshot::{self, Snapshot},
    store::{
        Patience, Store, StoreError,
        pending::{self, Flushed, Undelivered},
    },
};

/// What one run works with, beside what it collected.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// `production`, `staging`, ...
    pub environment: Option<&'a str>,
    /// Marking on every page.
    pub confidentiality: Option<&'a str>,
    /// Gaps in coverage that are known and accepted.
    pub expected_gaps: &'a [At<ExpectedGap>],
    /// Everything that decides.
    pub rules: &'a RuleFiles,
    /// Files that waivers and attestations point at, by bundle path.
    pub attested: &'a BTreeMap<String, Vec<u8>>,
    /// Framework ids asked for; empty for those that fit.
    pub frameworks: &'a [String],
    /// Signing, log and redaction key.
    pub keys: &'a KeySet,
    /// Orders the log.
    pub store: &'a Store,
    /// When the schedule asked for the run.
    pub scheduled: Option<DateTime<Utc>>,
    /// All pages in the PDF, not the daily ones alone.
    pub full: bool,
    /// SHA-256 of the running program, where it could be read.
    pub program: Option<Digest>,
    /// Told when a stage begins.
    pub on_stage: &'a (dyn Fn(Stage) + Sync),
}

/// The stages of a run, for progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Requests to the source.
    Collect,
    /// Tables.
    Snapshot,
    /// Checks and requirements.
    Evaluate,
    /// The last verified bundle.
    Compare,
    /// Documents.
    Report,
    /// Manifest, statement, envelope.
    Sign,
    /// Objects and the commit.
    Store,
    /// The same into other stores.
    Replicate,
    /// Tables for query engines.
    Lake,
}

impl Stage {
    /// What the stage does, for a line of progress.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Collect => "collecting",
            Self::Snapshot => "building tables",
            Self::Evaluate => "evaluating checks",
            Self::Compare => "comparing with the last run",
            Self::Report => "writing the report",
            Self::Sign => "signing",
            Self::Store => "storing",
            Self::Replicate => "copying to replicas",
            Self::Lake => "writing tables into the lake",
        }
    }
}

/// Why a run ended without evidence.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Definitions are wrong.
    #[error("{} definition errors", .0.len())]
    Rules(Vec<LoadError>),
    /// A table could not be written.
    #[error(transparent)]
    Tables(#[from] snapshot::TableError),
    /// The PDF could not be made.
    #[error(transparent)]
    Pdf(#[from] report::PdfError),
    /// The viewer could not be made.
    #[error(transparent)]
    Html(#[from] report::HtmlError),
    /// The findings' tables could not be made.
    #[error(transparent)]
    Export(#[from] report::ExportError),
    /// The bundle could not be built.
    #[error(transparent)]
    Seal(#[from] bundle::seal::SealError),
    /// JSON could not be written.
    #[error(transparent)]
    Json(#[from] crate::canonical::CanonicalError),
}

/// What one run made.
pub struct Ran {
    /// The state.
    pub snapshot: Snapshot,
    /// The judgement.
    pub evaluation: Evaluation,
    /// The comparison.
    pub drift: Drift,
    /// The signed bundle.
    pub bundle: SignedBundle,
    /// Names, times, root, gaps.
    pub meta: Meta,
    /// Counts of every run so far.
    pub history: History,
    /// Texts of what decided.
    pub definitions: Definitions,
    /// Size of the log that the run started from.
    pub log_size: u64,
    /// What went wrong without stopping the run, one sentence each.
    pub warnings: Vec<String>,
}

/// Stages 2 to 6: from a collection to a signed bundle. `newest` is what the store holds of the same cluster.
///
/// # Errors
/// Definitions that are wrong; documents or tables that could not be made. Nothing has been stored then.
pub fn produce(job: &Job<'_>, collected: &mut Collected, mut newest: Newest) -> Result<Ran, RunError> {
    let warnings = warnings(collected, &newest);
    let mut earlier = newest.earlier.take();
    if let Some(earlier) = &earlier {
        inputs::audit::hold_against(&mut collected.coverage, &collected.objects, earlier.moment.finished());
    }
    let coverage = &collected.coverage;
    let today = coverage.finished.date_naive();
    (job.on_stage)(Stage::Snapshot);
    let snapshot = snapshot::assemble(std::mem::take(&mut collected.objects), coverage);
    if let Some(earlier) = &mut earlier {
        earlier.moment.snapshot.share(&snapshot);
    }
    let files = attested::with_changes(job.rules.clone(), earlier.as_ref().map(|earlier| &earlier.moment.rules));
    let job = &Job { rules: &files, ..*job };
    let rules = Rules::load(files.clone(), job.frameworks, &coverage.cluster).map_err(RunError::Rules)?;
    (job.on_stage)(Stage::Evaluate);
    let evaluation = judge(&snapshot, coverage, &rules, today);
    (job.on_stage)(Stage::Compare);
    let now = Side { snapshot: &snapshot, coverage, evaluation: &evaluation, rules: job.rules };
    let before = earlier.as_ref().map(|earlier| (earlier.moment.baseline(), earlier.moment.side()));
    let drift = compare(before, now, &rules, today);
    // The earlier side of a large cluster is as large as this one: from here on only what documents say of it is needed.
    let compared = earlier.as_ref().map(|Earlier { moment, .. }| files::Compared {
        old: moment.described(),
        hands: report::Hands::of(&drift, [&moment.evaluation, &evaluation]),
    });
    let head = earlier.map(|earlier| earlier.log);
    let definitions = definitions(&rules);
    drop(rules);
    let own = HistoryLine::of(&evaluation, coverage, head.as_ref().map(|head| head.index));
    let history = History::carry(newest.history.take(), own);
    let mut bag = files::evidence(
        job,
        &files::Made { snapshot: &snapshot, coverage, evaluation: &evaluation, drift: &drift, history: &history },
    )?;
    let meta = Meta {
        cluster: coverage.cluster.name.clone(),
        environment: job.environment.map(str::to_owned),
        confidentiality: job.confidentiality.map(str::to_owned),
        scheduled: job.scheduled,
        started: coverage.started,
        finished: coverage.finished,
        evidence_root: bundle::evidence_root(&bag),
        signing_key: job.keys.signing.public().digest(),
        log: head,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        full: job.full,
        gaps: gaps(coverage, job.expected_gaps, today),
    };
    (job.on_stage)(Stage::Report);
    let input = report::Input {
        meta: &meta,
        coverage,
        snapshot: &snapshot,
        evaluation: &evaluation,
        drift: &drift,
        definitions: &definitions,
        history: &history.runs,
    };
    files::documents(job, &input, compared.as_ref(), &mut bag)?;
    (job.on_stage)(Stage::Sign);
    let log_size = newest.claim.as_ref().map_or(0, |claim| claim.size);
    let bundle = files::seal(job, coverage, &evaluation, newest.claim, bag)?;
    Ok(Ran { snapshot, evaluation, drift, bundle, meta, history, definitions, log_size, warnings })
}

impl Ran {
    /// What documents and the terminal are made of.
    pub fn report_input<'a>(&'a self, collected: &'a Collected) -> report::Input<'a> {
        report::Input {
            meta: &self.meta,
            coverage: &collected.coverage,
            snapshot: &self.snapshot,
            evaluation: &self.evaluation,
            drift: &self.drift,
            definitions: &self.definitions,
            history: &self.history.runs,
        }
    }
}

/// The newest bundle of the cluster that verifies, from the store that orders the log.
///
/// # Errors
/// The store cannot be read. A bundle that does not verify is passed over with a warning in the result.
pub async fn newest_verified(
    store: &Store,
    cluster: &str,
    keys: &KeySet,
    now: DateTime<Utc>,
) -> Result<Newest, StoreError> {
    baseline::newest(store, cluster, keys, now).await
}

/// Stage 7: what waits first, then the bundle's objects, then its commit.
///
/// # Errors
/// The store refuses, or leaves the outcome open beyond `patience`; with a state folder the bundle waits there.
pub async fn commit(
    job: &Job<'_>,
    cluster: &str,
    ran: &Ran,
    state: Option<&Path>,
    patience: Patience,
) -> Result<Flushed, Undelivered> {
    (job.on_stage)(Stage::Store);
    pending::deliver(job.store, cluster, &ran.bundle, ran.log_size, &job.keys.log, state, patience).await
}

fn judge(
    snapshot: &Snapshot,
    coverage: &crate::collect::Coverage,
    rules: &Rules,
    today: chrono::NaiveDate,
) -> Evaluation {
    evaluate::run(&evaluate::Input { today, ..evaluate::Input::of_run(snapshot, coverage, rules) })
}

fn compare(
    before: Option<(drift::Baseline, Side<'_>)>,
    now: Side<'_>,
    rules: &Rules,
    today: chrono::NaiveDate,
) -> Drift {
    let Some((baseline, side)) = before else { return Drift::default() };
    // The same rules for the same frameworks in the same engine would say the same again.
    let same = side.rules == now.rules
        && side.evaluation.frameworks == now.evaluation.frameworks
        && side.evaluation.engine == env!("CARGO_PKG_VERSION");
    let again = (!same).then(|| judge(side.snapshot, side.coverage, rules, today));
    let by_new_rules = again.as_ref().unwrap_or(side.evaluation);
    let asked = evaluate::Input::of_run(side.snapshot, side.coverage, rules);
    let by_time = &evaluate::failures_at(&asked, now.coverage.finished);
    drift::compare(Some(&Before { side, baseline, by_new_rules, by_time }), now, &rules.noise)
}

/// Texts of checks, frameworks and scopes, for documents.
pub fn definitions(rules: &Rules) -> Definitions {
    let checks = rules.library.checks().map(|check| {
        let text = CheckText {
            title: check.title.clone(),
            why: check.why.clone(),
            remediation: check.remediation.clone(),
            references: check.references.clone(),
        };
        (check.id.clone(), text)
    });
    Definitions {
        frameworks: rules.frameworks.iter().map(|selected| selected.framework.clone()).collect(),
        scopes: rules.scope.iter().flat_map(|file| &file.scopes).map(|scope| scope.value.clone()).collect(),
        checks: checks.collect(),
    }
}

fn warnings(collected: &Collected, newest: &Newest) -> Vec<String> {
    let mut warnings = newest.warnings.clone();
    warnings.extend(collected.coverage.failure().map(|failure| format!("the run failed: {failure}")));
    warnings.extend(collected.errors.iter().map(ToString::to_string));
    if let Some(earlier) =
        newest.earlier.as_ref().filter(|earlier| earlier.moment.coverage.finished > collected.coverage.finished)
    {
        warnings.push(format!(
            "the clock stands before the last bundle: this collection ended {}, entry {} of the log claims {}",
            collected.coverage.finished.format("%Y-%m-%d %H:%M UTC"),
            earlier.log.index,
            earlier.moment.coverage.finished.format("%Y-%m-%d %H:%M UTC"),
        ));
    }
    warnings
}
