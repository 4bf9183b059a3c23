//! The files of a bag: evidence first, then documents, then the signature over all of them.

use std::collections::BTreeMap;

use super::{Job, RunError};
use crate::{
    bundle::{self, Facts, SignedBundle, bag, statement::Baseline},
    canonical,
    collect::Coverage,
    drift::{Drift, Selection},
    evaluate::{self, Evaluation},
    report::{self, DriftInput, DriftSide, Hands, History, Origin, PdfError, Proof},
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
    let results = evaluate::results::write(made.evaluation)?;
    bag.extend(results.into_iter().map(|(name, bytes)| (format!("{}{name}", bag::RESULTS), bytes)));
    bag.insert("data/findings.csv".into(), report::findings_csv(made.evaluation)?);
    bag.insert("data/findings.parquet".into(), report::findings_parquet(made.evaluation)?);
    bag.insert("data/drift.json".into(), canonical::to_vec(made.drift)?);
    bag.insert("data/history.json".into(), canonical::to_vec(made.history)?);
    bag.extend(job.rules.iter().map(|(name, bytes)| (format!("{}{name}", bag::RULES), bytes.clone())));
    bag.extend(job.attested.clone());
    Ok(bag)
}

/// What the document of a comparison needs of the earlier side, once that side is no longer in memory.
pub(super) struct Compared {
    pub(super) old: DriftSide,
    pub(super) hands: Hands,
}

/// The documents, below `data/report/`; that of the comparison where there was something to compare with.
pub(super) fn documents(
    job: &Job<'_>,
    input: &report::Input<'_>,
    compared: Option<&Compared>,
    bag: &mut Bag,
) -> Result<(), RunError> {
    if let Some(compared) = compared {
        bag.insert(report::DRIFT_PDF.into(), drift(job, input, compared)?);
    }
    bag.insert(report::REPORT_PDF.into(), report::pdf(input)?);
    bag.insert("data/report/index.html".into(), report::html(input)?.into_bytes());
    Ok(())
}

fn drift(job: &Job<'_>, input: &report::Input<'_>, compared: &Compared) -> Result<Vec<u8>, PdfError> {
    let Compared { old, hands } = compared;
    let (meta, coverage) = (input.meta, input.coverage);
    let own = Origin::Own(Proof { evidence_root: meta.evidence_root, signing_key: meta.signing_key });
    let new = &DriftSide::of(own, coverage, input.snapshot, input.evaluation, job.rules);
    let earlier = match &old.origin {
        Origin::Bundle { id, .. } => format!("clusters/{}/bundles/{id}", coverage.cluster.folder()),
        Origin::Own(_) | Origin::Unsigned(_) => "EARLIER".into(),
    };
    let again = format!("kubeproof diff {earlier} THIS_BUNDLE --key signing.pub --format pdf --output drift.pdf");
    report::drift_pdf(&DriftInput {
        drift: input.drift,
        selection: &Selection::default(),
        old,
        new,
        hands,
        declarations: &input.evaluation.declarations,
        again: &again,
        environment: meta.environment.as_deref(),
        confidentiality: meta.confidentiality.as_deref(),
        tool_version: &meta.tool_version,
    })
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
