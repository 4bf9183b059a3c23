//! Results by framework in a bundle: exactly what its evaluation says, whoever signed otherwise.

use kubeproof::{
    canonical,
    evaluate::results::{self, Results},
};
use serde_json::{Value, json};

use super::draft::{Draft, counts};

const EVALUATION: &str = "data/evaluation.json";
const PSS: &str = "data/results/pss-baseline.json";
const GUIDE: &str = "data/results/guide.json";
const NEWER: &str = "9.9.9";

fn evaluation(engine: &str) -> Value {
    let framework = |id: &str, selected: bool| {
        json!({
            "id": id, "version": "1", "title": id, "selected": selected, "note": null, "scope": null,
        })
    };
    let row = |framework: &str, status: &str| {
        json!({
            "framework": framework, "version": "1", "id": "privileged", "status": status, "coverage": "automated",
            "decides": ["container-privileged"], "supports": [], "reason": null, "failures": 1, "waived": 0,
            "attestation": null, "companyControl": null, "owner": null,
        })
    };
    let check = json!({
        "id": "container-privileged", "title": "t", "severity": "critical", "outcome": "fail", "evaluated": 2,
        "failed": 1, "waived": 0, "expected": 0, "notEvaluated": 0, "reason": null,
    });
    json!({
        "schema": "kubeproof.dev/evaluation/v1", "engine": engine, "counts": counts(), "findings": [],
        "resources": [], "objects": [], "checks": [check], "declarations": [],
        "requirements": [row("pss-baseline", "fail"), row("guide", "fail")],
        "frameworks": [framework("pss-baseline", true), framework("guide", true), framework("pci-dss", false)],
    })
}

/// The honest bundle with an evaluation of two frameworks, made by that version, and what becomes of it.
fn draft(version: &str, change: impl FnOnce(&mut Draft)) -> Draft {
    let mut draft = Draft::honest();
    draft.sign_statement(|statement| statement["predicate"]["tool"]["version"] = version.into());
    let evaluation = evaluation(version);
    let part = |name: &str| evaluation[name].clone();
    let results = results::of(
        &serde_json::from_value::<Vec<_>>(part("frameworks")).unwrap(),
        &serde_json::from_value::<Vec<_>>(part("requirements")).unwrap(),
        &serde_json::from_value::<Vec<_>>(part("checks")).unwrap(),
    );
    for (name, results) in &results {
        draft.put(&format!("data/results/{name}"), canonical::to_vec(results).unwrap());
    }
    draft.put(EVALUATION, canonical::value_to_vec(&evaluation).unwrap());
    change(&mut draft);
    draft.renew_pdf();
    draft.sign_data();
    draft
}

/// Exit code, what failed, and what the content says.
fn judged(draft: &Draft) -> (i32, Vec<String>, String) {
    let (code, said) = draft.write().verify();
    let steps = said["steps"].as_array().unwrap().clone();
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let failed = steps.iter().filter(|step| step["ok"] == false).map(|step| text(step, "subject")).collect();
    let content = steps.iter().filter(|step| step["step"] == "content").map(|step| text(step, "detail"));
    (code, failed, content.collect::<Vec<_>>().join("\n"))
}

fn change(draft: &mut Draft, path: &str, act: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&draft.files[path]).unwrap();
    act(&mut value);
    draft.put(path, canonical::value_to_vec(&value).unwrap());
}

/// Name of the defect, how it comes about, and the file that is named.
type Case = (&'static str, fn(&mut Draft), &'static str);

fn better(draft: &mut Draft) {
    change(draft, PSS, |results| results["requirements"][0]["status"] = "pass".into());
}

#[test]
fn results_that_follow_from_the_evaluation_are_said_to() {
    let (code, failed, content) = judged(&draft(env!("CARGO_PKG_VERSION"), |_| {}));
    assert_eq!((code, failed), (0, vec![]), "{content}");
    assert!(content.contains("results of 2 frameworks as the evaluation says"), "{content}");
    let (code, failed, content) = judged(&draft(env!("CARGO_PKG_VERSION"), |d| {
        d.files.retain(|path, _| !path.starts_with("data/results/"));
    }));
    assert_eq!((code, failed), (0, vec![]), "a bundle made before there were any: {content}");
    assert!(!content.contains("results of"), "{content}");
}

#[test]
fn results_that_say_otherwise_are_named_though_the_key_signed_them() {
    let cases: [Case; 7] = [
        ("a better status", better, PSS),
        ("fewer failures", |d| change(d, PSS, |r| r["checks"][0]["failed"] = 0.into()), PSS),
        ("a row less", |d| change(d, GUIDE, |r| r["requirements"] = json!([])), GUIDE),
        ("a framework less", |d| drop(d.files.remove(GUIDE)), GUIDE),
        ("a framework that was left out", |d| d.put("data/results/pci-dss.json", "{}"), "data/results/pci-dss.json"),
        ("a file beside them", |d| d.put("data/results/notes/a.txt", "x"), "data/results/notes/a.txt"),
        ("more than this version writes", |d| change(d, PSS, |r| r["added"] = 1.into()), PSS),
    ];
    for (name, spoil, file) in cases {
        let (code, failed, content) = judged(&draft(env!("CARGO_PKG_VERSION"), spoil));
        assert_eq!((code, failed), (3, vec![file.to_owned()]), "{name}: {content}");
    }
}

#[test]
fn another_versions_results_may_say_more_and_never_otherwise() {
    let (code, failed, content) = judged(&draft(NEWER, |d| change(d, PSS, |r| r["added"] = 1.into())));
    assert_eq!((code, failed), (0, vec![]), "{content}");
    let (code, failed, content) = judged(&draft(NEWER, |d| change(d, PSS, |r| r["schema"] = "other/v2".into())));
    assert_eq!((code, failed), (0, vec![]), "{content}");
    assert!(content.contains("not compared") && content.contains(NEWER), "{content}");
    let (code, failed, content) = judged(&draft(NEWER, better));
    assert_eq!((code, failed), (3, vec![PSS.to_owned()]), "{content}");
    let (code, failed, content) = judged(&draft(NEWER, |d| drop(d.files.remove(GUIDE))));
    assert_eq!((code, failed), (3, vec![GUIDE.to_owned()]), "{content}");
}

#[test]
fn the_files_are_read_as_they_were_written() {
    let draft = draft(env!("CARGO_PKG_VERSION"), |_| {});
    let results: Results = results::read(&draft.files[PSS]).unwrap();
    assert_eq!((results.framework.as_str(), results.requirements.len(), results.checks.len()), ("pss-baseline", 1, 1));
}
