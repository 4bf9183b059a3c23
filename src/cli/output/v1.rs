//! `kubeproof.dev/findings/v1`, the JSON that others build on. Keys are stable; additions are allowed, changes need v2.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    collect::{Collected, Coverage, InputError, Source},
    evaluate::{CheckResult, Counts, Finding, FindingId, Outcome, RequirementResult, Status},
    framework::RowCoverage,
    report::CheckReport,
};

/// The whole document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    source: SourceV1<'a>,
    counts: Counts,
    findings: &'a [Finding],
    checks: Vec<CheckV1<'a>>,
    requirements: Vec<RequirementV1<'a>>,
    coverage: CoverageV1,
    errors: &'a [InputError],
    baseline: Option<BaselineV1<'a>>,
}

/// Finding ids, against `--baseline`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BaselineV1<'a> {
    new: Vec<FindingId>,
    known: &'a BTreeSet<FindingId>,
    resolved: &'a BTreeSet<FindingId>,
    unseen: &'a BTreeSet<FindingId>,
}

#[derive(Debug, Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct SourceV1<'a> {
    #[serde(flatten)]
    source: &'a Source,
    kubernetes: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckV1<'a> {
    id: &'a str,
    outcome: Outcome,
    evaluated: u64,
    failed: u64,
    reason: Option<&'a str>,
    waived: u64,
    expected: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequirementV1<'a> {
    framework: &'a str,
    version: &'a str,
    id: &'a str,
    status: Status,
    coverage: RowCoverage,
    decides: &'a [String],
    supports: &'a [String],
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CoverageV1 {
    complete: bool,
    refused: Vec<RefusedV1>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusedV1 {
    resource: String,
    reason: String,
}

impl<'a> Document<'a> {
    /// What `--format json` prints of one evaluation.
    pub(crate) fn new(collected: &'a Collected, report: &CheckReport<'a>) -> Self {
        let evaluation = report.evaluation;
        let coverage = &collected.coverage;
        Self {
            schema: "kubeproof.dev/findings/v1",
            tool: Tool { name: "kubeproof", version: env!("CARGO_PKG_VERSION") },
            source: SourceV1 { source: &collected.source, kubernetes: coverage.cluster.kubernetes.as_deref() },
            counts: evaluation.counts,
            findings: &evaluation.findings,
            checks: evaluation.checks.iter().map(check).collect(),
            requirements: evaluation.requirements.iter().map(requirement).collect(),
            coverage: refused(coverage),
            errors: &collected.errors,
            baseline: report.comparison.map(|comparison| BaselineV1 {
                new: report.open_by_place().into_iter().map(|finding| finding.id).collect(),
                known: &comparison.known,
                resolved: &comparison.resolved,
                unseen: &comparison.unseen,
            }),
        }
    }
}

fn check(check: &CheckResult) -> CheckV1<'_> {
    CheckV1 {
        id: &check.id,
        outcome: check.outcome,
        evaluated: check.evaluated,
        failed: check.failed,
        reason: check.reason.as_deref(),
        waived: check.waived,
        expected: check.expected,
    }
}

fn requirement(row: &RequirementResult) -> RequirementV1<'_> {
    RequirementV1 {
        framework: &row.framework,
        version: &row.version,
        id: &row.id,
        status: row.status,
        coverage: row.coverage,
        decides: &row.decides,
        supports: &row.supports,
        reason: row.reason.as_deref(),
    }
}

fn refused(coverage: &Coverage) -> CoverageV1 {
    let refused: Vec<_> = coverage
        .unseen()
        .map(|list| RefusedV1 { resource: list.id(), reason: list.outcome.reason().unwrap_or_default() })
        .collect();
    CoverageV1 { complete: refused.is_empty() && coverage.discovery_failures.is_empty(), refused }
}
