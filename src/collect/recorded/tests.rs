use std::fs;

use chrono::DateTime;
use tempfile::TempDir;

use super::*;
use crate::{
    collect::manifests::{self, Input, Options},
    snapshot::{RedactionKey, assemble},
};

const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
  managedFields: [{manager: helm, operation: Apply, time: "2026-11-01T10:00:00Z", fieldsV1: {"f:spec": {}}}, {manager: kubectl, operation: Update}]
spec:
  replicas: 9007199254740993
  template: {spec: {containers: [{name: app, image: r/app, env: [{name: DB_PASSWORD, value: hunter2-plain}], args: ["--token=s3cr3t-token"]}]}}
status: {replicas: 1, message: dropped}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, namespace: shop}
data: {application.properties: "password=hunter2-plain"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: shop}
data: {mode: prod, é: "ü"}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec: {group: example.com, scope: Namespaced, names: {kind: Widget, plural: widgets}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: shop}
spec: {token: hunter2-plain, url: "https://user:hunter2-plain@example.com/"}
"#;

fn collected() -> Collected {
    let options = Options {
        name: Some("lab".into()),
        uid: Some("11112222".into()),
        kubernetes: Some("v1.37.2".into()),
        key: Some(RedactionKey::generate([7; 32])),
        now: DateTime::UNIX_EPOCH,
    };
    let collected = manifests::collect(&[Input::Stdin("-".into(), SHOP.into())], &options);
    assert_eq!(collected.errors, []);
    collected
}

fn recorded() -> (TempDir, Collected) {
    let (dir, collected) = (tempfile::tempdir().unwrap(), collected());
    let snapshot = assemble(collected.objects.clone(), &collected.coverage);
    write(dir.path(), &collected, &snapshot.objects).unwrap();
    (dir, collected)
}

fn refusal(dir: &TempDir) -> String {
    let error = read(dir.path(), None).map(|_| ()).unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

fn edit(dir: &TempDir, name: &str, from: &str, to: &str) {
    let file = dir.path().join(name);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{name} has no {from}: {text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn what_was_written_reads_as_the_same_snapshot() {
    let (dir, collected) = recorded();
    assert!(is_recorded(dir.path()));
    let again = read(dir.path(), None).unwrap();
    assert_eq!(again.coverage, collected.coverage);
    assert_eq!(again.source.kind, SourceKind::Recorded);
    let before = assemble(collected.objects, &collected.coverage);
    let after = assemble(again.objects.clone(), &again.coverage);
    let facts = |objects: &[Object]| -> Vec<_> {
        objects.iter().map(|o| (o.reference(), o.resource.clone(), o.digest, o.managers.clone())).collect()
    };
    assert_eq!(facts(&after.objects), facts(&before.objects));
    assert_eq!(facts(&again.objects).len(), 5);
    assert_eq!(after.objects.iter().filter(|o| o.managers.len() == 2).count(), 1, "managers travel too");

    let second = tempfile::tempdir().unwrap();
    write(second.path(), &again, &after.objects).unwrap();
    for name in ["coverage.json", "deployments.apps.json", "configmaps.json", "widgets.example.com.json"] {
        let bytes = |dir: &TempDir| fs::read(dir.path().join(name)).unwrap();
        assert_eq!(bytes(&dir), bytes(&second), "{name}");
    }
}

#[test]
fn nothing_secret_is_written() {
    let (dir, _) = recorded();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("s3cr3t"), "{text}");
    }
}

#[test]
fn a_new_recording_replaces_the_old_one_whole() {
    let (dir, mut collected) = recorded();
    collected.objects.retain(|object| object.gvk.kind != "Widget");
    collected.coverage.lists.retain(|list| list.kind != "Widget");
    write(dir.path(), &collected, &collected.objects).unwrap();
    assert!(!dir.path().join("widgets.example.com.json").exists());
    assert_eq!(read(dir.path(), Some("other")).unwrap().coverage.cluster.name, "other");
}

#[test]
fn a_folder_with_other_json_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine.json"), "{}").unwrap();
    let collected = collected();
    let error = write(dir.path(), &collected, &collected.objects).unwrap_err().to_string();
    assert!(error.ends_with("holds JSON files that are no recorded cluster; name an empty folder"), "{error}");
    assert!(dir.path().join("mine.json").exists() && !is_recorded(dir.path()));
}

#[test]
fn another_version_is_refused_with_what_to_do() {
    let (dir, _) = recorded();
    edit(&dir, COVERAGE, SCHEMA, "kubeproof.dev/coverage/v9");
    assert!(is_recorded(dir.path()));
    assert_eq!(
        refusal(&dir),
        "coverage.json: recorded as 'kubeproof.dev/coverage/v9', and this version reads kubeproof.dev/coverage/v1; record the cluster again"
    );
}

#[test]
fn an_unknown_field_in_the_coverage_is_refused() {
    let (dir, _) = recorded();
    edit(&dir, COVERAGE, "\"cluster\": {", "\"cluster\": {\"colour\": \"red\",");
    assert!(refusal(&dir).starts_with("coverage.json: unknown field `colour`"), "{}", refusal(&dir));
}

#[test]
fn a_list_that_disagrees_with_its_coverage_is_refused() {
    let (dir, _) = recorded();
    edit(&dir, COVERAGE, "\"count\": 2", "\"count\": 3");
    assert_eq!(refusal(&dir), "configmaps.json: holds 2 objects where coverage.json says 3");
}

#[test]
fn an_object_of_another_kind_is_refused() {
    let (dir, _) = recorded();
    edit(&dir, "widgets.example.com.json", "\"kind\": \"Widget\"", "\"kind\": \"Gadget\"");
    assert_eq!(refusal(&dir), "widgets.example.com.json: Gadget/shop/w does not belong to this list");
}

#[test]
fn a_missing_list_and_an_uncounted_one_are_refused() {
    let (dir, _) = recorded();
    let list = dir.path().join("configmaps.json");
    fs::rename(&list, dir.path().join("extra.json")).unwrap();
    assert_eq!(refusal(&dir), "extra.json: is no list that coverage.json names; remove it");
    fs::remove_file(dir.path().join("extra.json")).unwrap();
    assert!(refusal(&dir).starts_with("configmaps.json: No such file"), "{}", refusal(&dir));
}

#[test]
fn a_duplicate_key_is_refused() {
    let (dir, _) = recorded();
    edit(&dir, "widgets.example.com.json", "\"kind\": \"Widget\",", "\"kind\": \"Widget\", \"kind\": \"Widget\",");
    assert!(refusal(&dir).contains("duplicate key 'kind'"), "{}", refusal(&dir));
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let (dir, _) = recorded();
    edit(&dir, COVERAGE, "\"resource\": \"widgets\"", "\"resource\": \"../widgets\"");
    fs::remove_file(dir.path().join("widgets.example.com.json")).unwrap();
    assert_eq!(refusal(&dir), "coverage.json: '../widgets.example.com' is no resource name");
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let (dir, _) = recorded();
    let outside = tempfile::tempdir().unwrap();
    let (list, target) = (dir.path().join("configmaps.json"), outside.path().join("x.json"));
    fs::rename(&list, &target).unwrap();
    std::os::unix::fs::symlink(&target, &list).unwrap();
    assert_eq!(refusal(&dir), "configmaps.json: is not a regular file; a recorded cluster holds no links");
}

/// What kubelets and nodes gave, beside the API's own lists.
fn with_nodes() -> Collected {
    use crate::collect::{ListOutcome, cluster::NODES_CONFIGZ, node};
    let mut collected = collected();
    let template = collected.coverage.lists[0].clone();
    let given = [("", NODES_CONFIGZ, "KubeletConfig"), ("kubeproof.dev", "nodereports", node::KIND)];
    for (group, resource, kind) in given {
        let outcome = ListOutcome::Failed { reason: "1 of 2 nodes: 403 (n2)".into() };
        let (group, resource, kind) = (group.into(), resource.into(), kind.into());
        let list = ListRecord { group, resource, kind, outcome, count: 1, ..template.clone() };
        let object = json!({"apiVersion": "kubeproof.dev/v1", "kind": list.kind, "metadata": {"name": "n1"},
            "spec": {"readOnlyPort": 0, "kubelet": {"flags": {"node-token": "hunter2"}, "config": {"password": "hunter2"}}}});
        let sealer = Sealer::new(Some(RedactionKey::generate([7; 32])), "11112222", Tokens::Foreign);
        collected.objects.push(sealer.seal(object, &list.id(), None).unwrap());
        collected.coverage.lists.push(list);
    }
    collected
}

#[test]
fn what_nodes_and_kubelets_gave_is_kept_though_some_gave_nothing() {
    let (dir, collected) = (tempfile::tempdir().unwrap(), with_nodes());
    let before = assemble(collected.objects.clone(), &collected.coverage);
    write(dir.path(), &collected, &before.objects).unwrap();
    assert!(
        dir.path().join("nodes_configz.json").is_file() && dir.path().join("nodereports.kubeproof.dev.json").is_file()
    );
    let again = read(dir.path(), None).unwrap();
    let facts = |objects: &[Object]| -> Vec<_> {
        objects.iter().filter(|o| o.gvk.group == "kubeproof.dev").map(|o| (o.resource.clone(), o.digest)).collect()
    };
    let after = assemble(again.objects, &again.coverage);
    assert_eq!((facts(&after.objects), facts(&after.objects).len()), (facts(&before.objects), 2));
    assert!(after.objects.iter().all(|object| !object.json.contains("hunter2")));

    edit(&dir, "nodes_configz.json", "KubeletConfig", "NodeReport");
    assert!(refusal(&dir).contains("does not belong to this list"));
}

#[test]
fn no_other_subresource_becomes_a_file_name() {
    let (dir, mut collected) = (tempfile::tempdir().unwrap(), with_nodes());
    for resource in ["pods/log", "nodes/../configz", "nodes/configz/x", "/etc/passwd"] {
        for list in collected.coverage.lists.iter_mut().filter(|list| list.resource.contains('/')) {
            list.resource = resource.into();
        }
        assert!(write(dir.path(), &collected, &[]).is_err(), "{resource}");
    }
}
