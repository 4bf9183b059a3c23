//! The files of a bag: evidence first, then documents, then the signature over all of them.

use std::collections::BTreeMap;

use super::{Job, RunError};
use crate::{
    bundle::{self, Facts, SignedBundle, statement::Baseline},
    canonical,
    collect::Coverage,
    drift::Drift,
    evaluate::{self, Evaluation},
    report::{self, History},
    snapshot::{self, Snapshot},
};

pub(super) type Bag = BTreeMap<String, Vec<u8>>;

/// What a run knows once it has compared.
pub(super) struct Made<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) coverage: &'a Coverage,
    pub(super) evaluation: &'a Evaluation,
    pub(super) drift: &'a Drift,
    pub(super) history: &'a History,
}

/// Everything below `data/` but the documents: what the evidence root covers.
pub(super) fn evidence(job: &Job<'_>, made: &Made<'_>) -> Result<Bag, RunError> {
    let mut bag = snapshot::write(made.snapshot)?;
    bag.insert("data/coverage.json".into(), canonical::to_vec(made.coverage)?);
    bag.insert("data/evaluation.json".into(), evaluate::stored::write(made.evaluation)?);
    bag.insert("data/findings.csv".into(), report::findings_csv(made.evaluation)?);
    bag.insert("data/findings.parquet".into(), report::findings_parquet(made.evaluation)?);
    bag.insert("data/drift.json".into(), canonical::to_vec(made.drift)?);
    bag.insert("data/history.json".into(), canonical::to_vec(made.history)?);
    bag.extend(job.rules.iter().map(|(name, bytes)| (format!("data/rules/{name}"), bytes.clone())));
    bag.extend(job.attested.clone());
    Ok(bag)
}

/// The documents, below `data/report/`.
pub(super) fn documents(input: &report::Input<'_>, bag: &mut Bag) -> Result<(), RunError> {
    bag.insert("data/report/report.pdf".into(), report::pdf(input)?);
    bag.insert("data/report/index.html".into(), report::html(input)?.into_bytes());
    Ok(())
}

pub(super) fn seal(
    job: &Job<'_>,
    coverage: &Coverage,
    evaluation: &Evaluation,
    baseline: Option<Baseline>,
    bag: Bag,
) -> Result<SignedBundle, RunError> {
    let facts = Facts {
        coverage,
        counts: evaluation.counts,
        environment: job.environment.map(str::to_owned),
        scheduled: job.scheduled,
        failure: coverage.failure(),
        binary: job.program,
        log_key: job.keys.log.public(),
        baseline,
    };
    Ok(bundle::seal(bag, facts, &job.keys.signing)?)
}
