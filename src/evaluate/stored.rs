//! `data/evaluation.json`: an evaluation as a bundle holds it.
//!
//! A large cluster has a hundred thousand findings that say the same few things of the same objects. What findings of
//! one check share stands once, and objects are numbered: a quarter of the size, and still JSON that a person can read.

use std::{collections::BTreeMap, sync::Arc};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    CheckResult, Counts, Declaration, Evaluation, Evidence, FilePosition, Finding, FindingId, FrameworkResult, Outcome,
    Place, PolicyOf, RequirementResult, texts::Texts,
};
use crate::{
    canonical::{self, CanonicalError},
    framework::Severity,
    resource::ResourceRef,
};

/// `schema` of `data/evaluation.json`.
pub const SCHEMA: &str = "kubeproof.dev/evaluation/v1";

/// Bytes that the smallest finding takes: what bounds the number of them before they are read.
const SMALLEST: usize = 100;

/// A file that is no evaluation.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Not JSON of this form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("its schema is '{0}', not {SCHEMA}")]
    Schema(String),
    /// A finding points at nothing.
    #[error("finding {id} of {check} names {what} {number}, and there is none")]
    Dangling {
        /// The finding.
        id: FindingId,
        /// Its check.
        check: String,
        /// `resource` or `object`.
        what: &'static str,
        /// The number.
        number: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored<'a> {
    schema: String,
    engine: String,
    counts: Counts,
    /// Each a [`Group`], to be read one after the other.
    #[serde(borrow)]
    findings: Vec<&'a RawValue>,
    /// What findings are about.
    resources: Vec<Arc<ResourceRef>>,
    /// What findings rest on.
    objects: Vec<Evidence>,
    checks: Vec<CheckResult>,
    requirements: Vec<RequirementResult>,
    frameworks: Vec<FrameworkResult>,
    declarations: Vec<Declaration>,
}

/// Findings of one check, in the order of the evaluation.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Group {
    check: String,
    severity: Severity,
    expected: Arc<str>,
    requirements: Arc<[String]>,
    places: Vec<At>,
}

/// One finding: what its group does not say. Numbers count from 0.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct At {
    id: FindingId,
    outcome: Outcome,
    resource: usize,
    path: Arc<str>,
    stable: Arc<str>,
    message: Arc<str>,
    evidence: Vec<usize>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    observed: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<FilePosition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requirements: Option<Arc<[String]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiver: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyOf>,
}

/// The bytes of `data/evaluation.json`, in RFC 8785 form.
///
/// # Errors
/// None in practice: everything in an evaluation has a form in JSON.
pub fn write(evaluation: &Evaluation) -> Result<Vec<u8>, CanonicalError> {
    let (resources, objects) = (numbers_of_resources(evaluation), numbers_of_objects(evaluation));
    let groups = evaluation.findings.chunk_by(|a, b| (a.severity, &a.check) == (b.severity, &b.check));
    let groups: Vec<&[Finding]> = groups.collect();
    let group = |findings: &&[Finding]| canonical::to_vec(&group(findings, &resources, &objects));
    let groups: Vec<Vec<u8>> = groups.par_iter().map(group).collect::<Result<_, _>>()?;
    // Sorted as their numbers are.
    let resources: Vec<&ResourceRef> = resources.into_keys().collect();
    let objects: Vec<&Evidence> = objects.into_keys().collect();
    Ok(canonical::object([
        ("schema", vec![canonical::to_vec(SCHEMA)?]),
        ("engine", vec![canonical::to_vec(&evaluation.engine)?]),
        ("counts", vec![canonical::to_vec(&evaluation.counts)?]),
        ("findings", canonical::array(groups)),
        ("resources", vec![canonical::to_vec(&resources)?]),
        ("objects", vec![canonical::to_vec(&objects)?]),
        ("checks", vec![canonical::to_vec(&evaluation.checks)?]),
        ("requirements", vec![canonical::to_vec(&evaluation.requirements)?]),
        ("frameworks", vec![canonical::to_vec(&evaluation.frameworks)?]),
        ("declarations", vec![canonical::to_vec(&evaluation.declarations)?]),
    ]))
}

type Numbers<'a, T> = BTreeMap<&'a T, usize>;

fn numbered<'a, T: Ord>(items: impl Iterator<Item = &'a T>) -> Numbers<'a, T> {
    let mut numbers: Numbers<'a, T> = items.map(|item| (item, 0)).collect();
    numbers.values_mut().enumerate().for_each(|(at, number)| *number = at);
    numbers
}

fn numbers_of_resources(evaluation: &Evaluation) -> Numbers<'_, ResourceRef> {
    numbered(evaluation.findings.iter().map(|finding| &*finding.resource))
}

fn numbers_of_objects(evaluation: &Evaluation) -> Numbers<'_, Evidence> {
    numbered(evaluation.findings.iter().flat_map(|finding| &*finding.evidence))
}

/// `findings` is not empty: what the first one says holds for those that say nothing else.
fn group(findings: &[Finding], resources: &Numbers<'_, ResourceRef>, objects: &Numbers<'_, Evidence>) -> Group {
    let first = &findings[0];
    let at = |finding: &Finding| At {
        id: finding.id,
        outcome: finding.outcome,
        resource: resources[&*finding.resource],
        path: Arc::clone(&finding.place.path),
        stable: Arc::clone(&finding.place.stable),
        message: Arc::clone(&finding.message),
        evidence: finding.evidence.iter().map(|evidence| objects[evidence]).collect(),
        observed: finding.observed.clone(),
        reason: finding.reason.clone(),
        container: finding.place.container.clone(),
        expected: (finding.expected != first.expected).then(|| Arc::clone(&finding.expected)),
        file: finding.file.clone(),
        requirements: (finding.requirements != first.requirements).then(|| Arc::clone(&finding.requirements)),
        owner: finding.owner.clone(),
        waiver: finding.waiver.clone(),
        expected_by: finding.expected_by.clone(),
        policy: finding.policy,
    };
    Group {
        check: first.check.to_string(),
        severity: first.severity,
        expected: Arc::clone(&first.expected),
        requirements: Arc::clone(&first.requirements),
        places: findings.iter().map(at).collect(),
    }
}

/// Reads what [`write`] wrote. The bytes were verified before: nothing here vouches for them.
///
/// # Errors
/// Another schema, JSON of another form, a finding that points at nothing.
pub fn read(bytes: &[u8]) -> Result<Evaluation, StoredError> {
    let stored: Stored = serde_json::from_slice(bytes)?;
    if stored.schema != SCHEMA {
        return Err(StoredError::Schema(stored.schema));
    }
    let mut reader = Reader {
        resources: &stored.resources,
        objects: &stored.objects,
        texts: Texts::default(),
        evidence: BTreeMap::new(),
    };
    let Counts { fail, not_evaluated, manual, .. } = stored.counts;
    let said = usize::try_from(fail.saturating_add(not_evaluated).saturating_add(manual)).unwrap_or(usize::MAX);
    let mut findings = Vec::with_capacity(said.min(bytes.len() / SMALLEST));
    for group in stored.findings {
        reader.group(serde_json::from_str(group.get())?, &mut findings)?;
    }
    Ok(Evaluation {
        engine: stored.engine,
        counts: stored.counts,
        findings,
        checks: stored.checks,
        requirements: stored.requirements,
        frameworks: stored.frameworks,
        declarations: stored.declarations,
    })
}

struct Reader<'a> {
    resources: &'a [Arc<ResourceRef>],
    objects: &'a [Evidence],
    texts: Texts,
    /// Most findings of an object rest on that object alone.
    evidence: BTreeMap<Vec<usize>, Arc<[Evidence]>>,
}

impl Reader<'_> {
    fn group(&mut self, group: Group, findings: &mut Vec<Finding>) -> Result<(), StoredError> {
        let check = self.texts.share(&group.check);
        for at in group.places {
            let dangling = |what, number| StoredError::Dangling { id: at.id, check: group.check.clone(), what, number };
            let resource = self.resources.get(at.resource).ok_or_else(|| dangling("resource", at.resource))?;
            let object = |number: &usize| self.objects.get(*number).ok_or_else(|| dangling("object", *number)).cloned();
            let evidence = match self.evidence.get(&at.evidence) {
                Some(known) => Arc::clone(known),
                None => {
                    let new: Arc<[Evidence]> = at.evidence.iter().map(object).collect::<Result<_, _>>()?;
                    self.evidence.insert(at.evidence, Arc::clone(&new));
                    new
                }
            };
            let texts = &mut self.texts;
            findings.push(Finding {
                id: at.id,
                check: Arc::clone(&check),
                severity: group.severity,
                outcome: at.outcome,
                reason: at.reason.map(|text| texts.share(&text)),
                resource: Arc::clone(resource),
                place: Place {
                    container: at.container.map(|text| texts.share(&text)),
                    path: texts.share(&at.path),
                    stable: texts.share(&at.stable),
                },
                observed: at.observed,
                expected: at.expected.map_or_else(|| Arc::clone(&group.expected), |text| texts.share(&text)),
                message: texts.share(&at.message),
                evidence,
                file: at.file,
                requirements: at.requirements.unwrap_or_else(|| Arc::clone(&group.requirements)),
                owner: at.owner.map(|text| texts.share(&text)),
                waiver: at.waiver.map(|text| texts.share(&text)),
                expected_by: at.expected_by.map(|text| texts.share(&text)),
                policy: at.policy,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Digest, evaluate::samples};

    fn evaluation() -> Evaluation {
        let mut findings = Vec::new();
        for (check, name) in [("a", "x"), ("a", "y"), ("b", "x")] {
            let mut finding = samples::finding(check, "Pod", Some("shop"), name);
            finding.evidence =
                [Evidence { resource: format!("Pod/shop/{name}").into(), digest: Digest::of(name) }].into();
            finding.expected = "no more".into();
            finding.requirements = ["pss-baseline/privileged".to_string()].into();
            findings.push(finding);
        }
        let odd = &mut findings[1];
        odd.expected = "less".into();
        odd.observed = serde_json::json!({"a": 9_007_199_254_740_991_i64});
        odd.requirements = Arc::default();
        odd.evidence = Arc::default();
        odd.place = Place { container: Some("app".into()), path: "/spec".into(), stable: "spec".into() };
        odd.file = Some(FilePosition { path: "a.yaml".into(), line: 3 });
        (odd.owner, odd.waiver, odd.expected_by) = (Some("o".into()), Some("w".into()), Some("e".into()));
        (odd.reason, odd.policy) = (Some("r".into()), Some(PolicyOf::Namespace));
        Evaluation {
            engine: "0.1.0".into(),
            counts: Counts { fail: 3, ..Counts::default() },
            findings,
            checks: vec![],
            requirements: vec![],
            frameworks: vec![],
            declarations: vec![],
        }
    }

    #[test]
    fn what_is_written_is_canonical_and_read_again() {
        let evaluation = evaluation();
        let bytes = write(&evaluation).unwrap();
        canonical::check(&bytes).unwrap();
        assert_eq!(read(&bytes).unwrap(), evaluation);
        assert_eq!(String::from_utf8(bytes).unwrap().matches("no more").count(), 2, "once for each check");
    }

    #[test]
    fn a_finding_that_points_at_nothing_is_refused() {
        let text = String::from_utf8(write(&evaluation()).unwrap()).unwrap();
        for (from, to, says) in [
            ("\"resource\":0", "\"resource\":7", "names resource 7, and there is none"),
            ("\"evidence\":[0]", "\"evidence\":[9]", "names object 9, and there is none"),
            ("evaluation/v1", "evaluation/v2", "its schema is 'kubeproof.dev/evaluation/v2'"),
            ("\"places\":", "\"pieces\":", "unknown field `pieces`"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let error = read(changed.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
