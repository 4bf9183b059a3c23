//! The manifests below `schedules/kubernetes` keep what they promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    collect::{
        inputs,
        resources::{RESOURCES, SECRETS},
        yaml,
    },
    framework::{Library, embedded},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules/kubernetes")
}

fn read(path: &str) -> Value {
    // As kubectl reads them, to which 0400 is octal.
    let text = fs::read_to_string(folder().join(path)).unwrap();
    yaml::documents(&text).next().unwrap().unwrap().value
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_cluster_role_grants_what_is_collected_and_nothing_else() {
    let role = read("base/clusterrole.yaml");
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rule in role["rules"].as_array().unwrap() {
        assert_eq!(rule["verbs"], json!(["get", "list"]), "{rule}");
        for group in strings(&rule["apiGroups"]) {
            granted.entry(group).or_default().extend(strings(&rule["resources"]));
        }
    }
    let mut collected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // Beside the default lists the collector asks for whatever some check judges or rests on; Secrets need the overlay,
    // and what is made from inputs is in no API.
    let checks = Library::load(&embedded()).unwrap().resources();
    for id in checks.into_iter().chain(RESOURCES.iter().map(|resource| resource.id())) {
        let (plural, group) = id.split_once('.').unwrap_or((&id, ""));
        if group != inputs::GROUP && id != SECRETS.plural {
            collected.entry(group.into()).or_default().insert(plural.into());
        }
    }
    assert_eq!(granted, collected);
}

#[test]
fn secrets_come_with_the_overlay_alone() {
    let role = read("overlays/secrets-metadata/clusterrole.yaml");
    assert_eq!(role["rules"], json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]));
}

#[test]
fn every_file_of_a_folder_is_in_its_kustomization() {
    let folders = [
        ("base", None),
        ("overlays/alerts", Some("../../base")),
        ("overlays/secrets-metadata", Some("../../base")),
        ("overlays/notify", Some("../../base")),
        ("overlays/daemon", Some("../../base")),
        ("overlays/daemon-alerts", Some("../daemon")),
    ];
    for (name, below) in folders {
        let listed = strings(&read(&format!("{name}/kustomization.yaml"))["resources"]);
        let present =
            fs::read_dir(folder().join(name)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut present: BTreeSet<String> = present.filter(|file| file != "kustomization.yaml").collect();
        present.extend(below.map(str::to_owned));
        assert_eq!(listed, present, "{name}");
    }
}

#[test]
fn the_daemon_has_the_shipped_schedules_and_the_jobs_own_pod() {
    let schedules = &read("overlays/daemon/schedules.yaml")["data"];
    for (file, text) in schedules.as_object().unwrap() {
        assert_eq!(text, &fs::read_to_string(folder().join("..").join(file)).unwrap(), "{file}");
    }
    assert_eq!(schedules.as_object().unwrap().len(), 2);

    let daemon = &read("overlays/daemon/deployment.yaml")["spec"]["template"]["spec"];
    let job = &read("base/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    for key in ["serviceAccountName", "securityContext"] {
        assert_eq!(daemon[key], job[key], "{key}");
    }
    for key in ["image", "securityContext", "resources"] {
        assert_eq!(daemon["containers"][0][key], job["containers"][0][key], "{key}");
    }
    let port = &daemon["containers"][0]["ports"][0]["containerPort"];
    let policy = &read("overlays/daemon/networkpolicy.yaml")["spec"]["ingress"][0];
    assert_eq!(&policy["ports"][0]["port"], port);
    assert!(!policy["from"].as_array().unwrap().is_empty(), "not everybody may read the metrics");
    let listens = strings(&daemon["containers"][0]["args"]);
    assert!(listens.contains(&format!("--metrics-listen=0.0.0.0:{port}")), "{listens:?}");
}

#[test]
fn the_job_never_repeats_a_finished_run_and_runs_locked_down() {
    let cron_job = read("base/cronjob.yaml");
    let job = &cron_job["spec"]["jobTemplate"]["spec"];
    assert_eq!((&cron_job["spec"]["concurrencyPolicy"], &job["backoffLimit"]), (&json!("Forbid"), &json!(0)));
    let pod = &job["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["volumes"][1]["secret"]["defaultMode"], 0o400);
    let secrets = strings(&json!([
        pod["volumes"][1]["secret"]["secretName"],
        pod["containers"][0]["envFrom"][0]["secretRef"]["name"]
    ]));
    assert_eq!(secrets, ["kubeproof-keys".to_owned(), "kubeproof-store".to_owned()].into());
}
