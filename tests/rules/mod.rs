//! Pod Security Standards, judged by the pods that Kubernetes' own admission library ships: for each level and policy
//! version, those it admits and those it refuses, about 2,500 in all.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use kubeproof::{
    clock::{Clock, SystemClock},
    collect::{ClusterIdentity, manifests},
    evaluate::{self, Outcome, Rules},
    framework::{Minor, embedded},
    snapshot::assemble,
};

use crate::harness::tools;

fn fixtures() -> PathBuf {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
    let mut go = Command::new(tools::need("go"));
    go.args(["mod", "download", "-json", "k8s.io/pod-security-admission"]).current_dir(module);
    let json: serde_json::Value = serde_json::from_str(&tools::run(&mut go).unwrap()).unwrap();
    Path::new(json["Dir"].as_str().unwrap()).join("test/testdata")
}

/// Names of the pods in a folder, and of those that fail a deciding check of the level.
fn judge(folder: &Path, rules: &Rules, version: Minor) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let options = manifests::Options {
        name: None,
        uid: None,
        kubernetes: Some(format!("v{version}.0")),
        key: None,
        now: SystemClock.now(),
    };
    let collected = manifests::collect(&[manifests::Input::Path(folder.into())], &options);
    assert_eq!(collected.errors, [], "{}", folder.display());
    let pods = collected.objects.iter().map(|object| object.name.clone()).collect();
    let snapshot = assemble(collected.objects, &collected.coverage);
    let evaluation = evaluate::run(&evaluate::Input {
        snapshot: &snapshot,
        coverage: &collected.coverage,
        rules,
        kubernetes: Some(version),
        today: options.now.date_naive(),
        keep_passes: false,
    });
    let rows = rules.frameworks.iter().flat_map(|selected| &selected.framework.requirements);
    let deciding: BTreeSet<&str> = rows.flat_map(|row| &row.decides).map(String::as_str).collect();
    let judged = evaluation.findings.into_iter().filter(|finding| deciding.contains(&*finding.check));
    let failed = judged.inspect(|f| assert_ne!(f.outcome, Outcome::NotEvaluated, "{}: {f:?}", folder.display()));
    let failed = failed.filter(|finding| finding.outcome == Outcome::Fail);
    (pods, failed.map(|finding| (finding.resource.name.clone(), finding.check.to_string())).collect())
}

#[test]
fn every_pod_is_admitted_or_refused_as_kubernetes_does() {
    let fixtures = fixtures();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for level in ["baseline", "restricted"] {
        let requested = [format!("pss-{level}")];
        let rules = Rules::load(embedded(), &requested, &ClusterIdentity::default()).unwrap();
        for entry in fs::read_dir(fixtures.join(level)).unwrap() {
            let folder = entry.unwrap().path();
            let version: Minor = folder.file_name().unwrap().to_str().unwrap().parse().unwrap();
            let (admitted, failed) = judge(&folder.join("pass"), &rules, version);
            seen += admitted.len();
            wrong.extend(failed.iter().map(|(pod, check)| format!("{level} {version}: {check} refuses {pod}")));
            let (refused, failed) = judge(&folder.join("fail"), &rules, version);
            seen += refused.len();
            let failed: BTreeSet<&String> = failed.iter().map(|(pod, _)| pod).collect();
            let missed = refused.iter().filter(|pod| !failed.contains(pod));
            wrong.extend(missed.map(|pod| format!("{level} {version}: nothing refuses {pod}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 1_000, "only {seen} pods were found");
}
