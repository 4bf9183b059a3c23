//! `data/results/<framework>.json`: what a run said of the requirements of one framework. It is small, so that it can
//! travel where the evaluation cannot, and the run's own manifest names its digest.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CheckResult, Evaluation, FrameworkResult, Outcome, RequirementResult};
use crate::canonical::{self, CanonicalError};

/// `schema` of `data/results/<framework>.json`.
pub const SCHEMA: &str = "kubeproof.dev/results/v1";

/// What one run said of one framework. Additions by later versions are no defect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: String,
    /// Framework id.
    pub framework: String,
    /// The framework as it was looked at: once for each version that the run was asked for.
    pub versions: Vec<FrameworkResult>,
    /// Its requirements as in `data/evaluation.json`, in the same order.
    pub requirements: Vec<RequirementResult>,
    /// The checks that decide or support one of them, by id, with what they say of the whole cluster: none where the
    /// framework is judged in a scope, of which its requirements tell.
    pub checks: Vec<CheckCounts>,
}

/// One check over everything: its row of `data/evaluation.json` without what the rules say already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckCounts {
    /// Check id.
    pub id: String,
    /// fail if any fails, else not-evaluated if any could not be, else pass; no object: not-applicable.
    pub outcome: Outcome,
    /// Places where it passed or failed.
    pub evaluated: u64,
    /// Places where it failed, waived and expected ones included.
    pub failed: u64,
    /// Failures that are waived.
    pub waived: u64,
    /// Failures that are expected of the system.
    pub expected: u64,
    /// Places where it could not be evaluated.
    pub not_evaluated: u64,
    /// Why it was not evaluated.
    pub reason: Option<String>,
}

impl Results {
    /// Everything in it is said of that scope, and nothing of the rest of the cluster.
    pub fn is_of(&self, scope: &str) -> bool {
        self.checks.is_empty() && self.versions.iter().all(|version| version.scope.as_deref() == Some(scope))
    }
}

impl CheckCounts {
    fn of(check: &CheckResult) -> Self {
        let CheckResult { id, outcome, evaluated, failed, waived, expected, not_evaluated, reason, .. } = check;
        Self {
            id: id.clone(),
            outcome: *outcome,
            evaluated: *evaluated,
            failed: *failed,
            waived: *waived,
            expected: *expected,
            not_evaluated: *not_evaluated,
            reason: reason.clone(),
        }
    }
}

/// The results of every selected framework, by file name. The parts of the evaluation are taken apart, so that whoever
/// verifies need not read its findings.
pub fn of(
    frameworks: &[FrameworkResult],
    requirements: &[RequirementResult],
    checks: &[CheckResult],
) -> BTreeMap<String, Results> {
    let mut versions: BTreeMap<&str, Vec<FrameworkResult>> = BTreeMap::new();
    for framework in frameworks.iter().filter(|framework| framework.selected) {
        versions.entry(&framework.id).or_default().push(framework.clone());
    }
    let results = versions.into_iter().map(|(id, versions)| {
        let rows: Vec<RequirementResult> = requirements.iter().filter(|row| row.framework == id).cloned().collect();
        let is_whole = versions.iter().all(|version| version.scope.is_none());
        let used = rows.iter().filter(|_| is_whole).flat_map(|row| row.decides.iter().chain(&row.supports));
        let used: BTreeSet<&String> = used.collect();
        let checks = checks.iter().filter(|check| used.contains(&check.id)).map(CheckCounts::of).collect();
        let (schema, framework) = (SCHEMA.to_owned(), id.to_owned());
        (file_name(id), Results { schema, framework, versions, requirements: rows, checks })
    });
    results.collect()
}

/// Name of a framework's file in the folder of results.
pub fn file_name(framework: &str) -> String {
    format!("{framework}.json")
}

/// The files of an evaluation by name, in RFC 8785 form.
///
/// # Errors
/// None in practice: everything in results has a form in JSON.
pub fn write(evaluation: &Evaluation) -> Result<BTreeMap<String, Vec<u8>>, CanonicalError> {
    let results = of(&evaluation.frameworks, &evaluation.requirements, &evaluation.checks);
    results.into_iter().map(|(name, results)| Ok((name, canonical::to_vec(&results)?))).collect()
}

/// Reads what [`write`] wrote. The bytes were verified before: nothing here vouches for them.
///
/// # Errors
/// One sentence: another schema, or JSON of another form.
pub fn read(bytes: &[u8]) -> Result<Results, String> {
    canonical::check(bytes).map_err(|error| error.to_string())?;
    let results: Results = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if results.schema == SCHEMA {
        Ok(results)
    } else {
        Err(format!("its schema is '{}', not {SCHEMA}", results.schema))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluate::{Counts, Status},
        framework::{RowCoverage, Severity},
    };

    fn framework(id: &str, version: &str, selected: bool) -> FrameworkResult {
        let title = id.to_owned();
        FrameworkResult { id: id.into(), version: version.into(), title, selected, note: None, scope: None }
    }

    fn row(framework: &str, id: &str, decides: &str, supports: &str) -> RequirementResult {
        RequirementResult {
            framework: framework.into(),
            version: "1".into(),
            id: id.into(),
            status: Status::Pass,
            coverage: RowCoverage::Automated,
            decides: vec![decides.into()],
            supports: vec![supports.into()],
            reason: None,
            failures: 0,
            waived: 0,
            passed: Some(4),
            attestation: None,
            company_control: None,
            owner: None,
        }
    }

    fn check(id: &str) -> CheckResult {
        CheckResult {
            id: id.into(),
            title: "a title that the rules hold".into(),
            severity: Severity::Low,
            outcome: Outcome::Pass,
            evaluated: 4,
            failed: 0,
            waived: 0,
            expected: 0,
            not_evaluated: 1,
            reason: Some("r".into()),
        }
    }

    fn evaluation() -> Evaluation {
        Evaluation {
            engine: "0.1.0".into(),
            counts: Counts::default(),
            findings: vec![],
            checks: ["a", "b", "c", "unused"].map(check).into(),
            requirements: vec![row("one", "2", "c", "a"), row("one", "1", "a", "gone"), row("two", "1", "b", "c")],
            frameworks: vec![framework("one", "1", true), framework("two", "1", true), framework("law", "1", false)],
            declarations: vec![],
        }
    }

    #[test]
    fn each_selected_framework_has_its_rows_and_the_checks_behind_them() {
        let files = write(&evaluation()).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["one.json", "two.json"]);
        let one = read(&files["one.json"]).unwrap();
        assert_eq!(
            one.requirements.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
            ["2", "1"],
            "in their order"
        );
        assert_eq!(one.checks.iter().map(|check| check.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!((one.checks[0].evaluated, one.checks[0].not_evaluated), (4, 1));
        assert!(!String::from_utf8(files["one.json"].clone()).unwrap().contains("a title that the rules hold"));
    }

    #[test]
    fn a_framework_that_is_judged_in_a_scope_says_nothing_of_the_rest_of_the_cluster() {
        let mut evaluation = evaluation();
        evaluation.frameworks[0].scope = Some("card-data".into());
        let files = write(&evaluation).unwrap();
        let [one, two] = ["one.json", "two.json"].map(|name| read(&files[name]).unwrap());
        assert!(one.checks.is_empty() && !two.checks.is_empty());
        assert!(one.is_of("card-data") && !one.is_of("card") && !two.is_of("card-data"));
        assert_eq!(one.requirements[0].passed, Some(4), "its requirements tell of the scope");
    }

    #[test]
    fn two_versions_of_one_framework_share_its_file() {
        let mut evaluation = evaluation();
        evaluation.frameworks.push(framework("one", "2", true));
        evaluation.requirements.push(RequirementResult { version: "2".into(), ..row("one", "1", "b", "b") });
        let one = read(&write(&evaluation).unwrap()["one.json"]).unwrap();
        assert_eq!(one.versions.iter().map(|known| known.version.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((one.requirements.len(), one.checks.len()), (3, 3));
    }

    #[test]
    fn what_is_no_results_file_is_refused() {
        let text = String::from_utf8(write(&evaluation()).unwrap()["two.json"].clone()).unwrap();
        for (from, to, says) in [
            ("results/v1", "results/v2", "its schema is 'kubeproof.dev/results/v2'"),
            ("\"pass\"", "\"better\"", "unknown variant `better`"),
            ("{\"checks\"", "{ \"checks\"", "canonical"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let error = read(changed.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
