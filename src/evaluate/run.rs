//! The whole stage: judge, mark, decide.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Evaluation, Finding, Rules, attestations::attestations, engine, owners::Owners, status, waivers};
use crate::{
    collect::Coverage,
    framework::{Minor, load::checks_of},
    snapshot::Snapshot,
};

/// `schema` of an [`Evaluation`].
const SCHEMA: &str = "kubeproof.dev/evaluation/v1";

/// What is asked of this stage.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The objects.
    pub snapshot: &'a Snapshot,
    /// What was seen.
    pub coverage: &'a Coverage,
    /// What decides.
    pub rules: &'a Rules,
    /// Minor version of the cluster; without one, the newest variant of each check decides.
    pub kubernetes: Option<Minor>,
    /// The day on which waivers and attestations are in force, or not.
    pub today: NaiveDate,
    /// Keep passes among the findings.
    pub keep_passes: bool,
}

impl<'a> Input<'a> {
    /// What a run asks, and a replay asks again: the cluster's own version, on the day on which it was seen.
    pub fn of_run(snapshot: &'a Snapshot, coverage: &'a Coverage, rules: &'a Rules) -> Self {
        let kubernetes = coverage.cluster.kubernetes.as_deref().and_then(|version| version.parse().ok());
        Self { snapshot, coverage, rules, kubernetes, today: coverage.finished.date_naive(), keep_passes: false }
    }
}

/// Judges everything, marks what is expected or waived, and decides every requirement.
pub fn run(input: &Input<'_>) -> Evaluation {
    let Input { snapshot, coverage, rules, kubernetes, today, keep_passes } = *input;
    let library = &rules.library;
    let asked = engine::Input { snapshot, coverage, library, kubernetes, keep_passes };
    let engine::Judgement { mut findings, mut checks, counts } = engine::run(&asked);
    let mut declarations = waivers::annotate(rules, snapshot, today, &mut findings, &mut checks);
    assign(rules, snapshot, &mut findings);
    let (in_force, attested) = attestations(rules, today);
    declarations.extend(attested);
    let requirements = status::requirements(rules, snapshot, &findings, &checks, &in_force);
    Evaluation {
        schema: SCHEMA.into(),
        engine: env!("CARGO_PKG_VERSION").into(),
        counts,
        findings,
        checks,
        requirements,
        frameworks: rules.framework_results(),
        declarations,
    }
}

/// Names the owner of each finding, and the requirements that its check serves.
fn assign(rules: &Rules, snapshot: &Snapshot, findings: &mut [Finding]) {
    let mut serves: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for selected in &rules.frameworks {
        for row in &selected.framework.requirements {
            for check in checks_of(row) {
                serves.entry(check).or_default().push(format!("{}/{}", selected.framework.id, row.id));
            }
        }
    }
    let owners = Owners::new(&rules.owners, snapshot);
    for finding in findings {
        finding.owner = owners.of(&finding.resource);
        finding.requirements = serves.get(finding.check.as_str()).cloned().unwrap_or_default();
    }
}
