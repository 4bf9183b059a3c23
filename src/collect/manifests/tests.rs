use std::fs;

use chrono::DateTime;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{collect::yaml, snapshot::assemble};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn options() -> Options {
    Options { name: None, uid: None, kubernetes: None, key: None, now: DateTime::UNIX_EPOCH }
}

fn read_folder(dir: &TempDir) -> Collected {
    collect(&[Input::Path(dir.path().to_path_buf())], &options())
}

fn stdin(text: &str) -> Collected {
    collect(&[Input::Stdin("-".into(), text.into())], &options())
}

fn names(collected: &Collected) -> Vec<String> {
    collected.objects.iter().map(|o| o.reference().to_string()).collect()
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";

#[test]
fn folders_are_read_in_order_and_only_manifests() {
    let dir = folder(&[
        ("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"),
        ("a/x.json", r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "shop"}}"#),
        ("a/y.yml", POD),
        ("notes.txt", POD),
        (".git/z.yaml", POD),
    ]);
    let collected = read_folder(&dir);
    assert_eq!(names(&collected), ["Pod/shop/x", "Pod/default/a", "ConfigMap/default/b"]);
    assert_eq!(collected.errors, []);
    let again = read_folder(&dir);
    let digests = |c: &Collected| c.objects.iter().map(|o| o.digest).collect::<Vec<_>>();
    assert_eq!(digests(&collected), digests(&again));
}

#[test]
fn a_broken_document_is_an_error_with_its_line_and_the_rest_goes_on() {
    let collected = stdin(&format!("{POD}---\na: [1\nb: 2\n---\n{}", POD.replace("{name: a}", "{name: c}")));
    assert_eq!(names(&collected), ["Pod/default/a", "Pod/default/c"]);
    let [error] = collected.errors.as_slice() else { panic!("{:?}", collected.errors) };
    assert_eq!(error.file, "-");
    assert!(error.line.is_some_and(|line| (5..=7).contains(&line)), "{error:?}");
}

#[test]
fn lists_become_their_items_with_lines_of_their_own() {
    let collected = stdin(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec:\n    hostPID: true\n- apiVersion: apps/v1\n  kind: DeploymentList\n  items:\n  - metadata: {name: b}\n    spec: {replicas: 1}\n",
    );
    assert_eq!(names(&collected), ["Pod/default/a", "Deployment/default/b"]);
    let origin = |index: usize| collected.objects[index].origin.clone().unwrap();
    assert_eq!(origin(0).line, 4);
    assert_eq!(yaml::line_of(&origin(0).lines, "/spec/hostPID"), Some(8));
    assert_eq!((origin(1).line, yaml::line_of(&origin(1).lines, "/spec/replicas")), (12, Some(13)));
}

#[test]
fn what_is_no_object_is_left_alone_and_what_nearly_is_one_is_named() {
    let collected = stdin(concat!(
        "replicaCount: 1\nimage: {tag: x}\n---\n",
        "apiVersion: v2\nname: chart\nversion: 1.0.0\n---\n",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n---\n",
        "- 1\n---\n# nothing\n---\n",
        "kind: Pod\nmetadata: {name: a}\nspec: {}\n---\n",
        "apiVersion: v1\nmetadata: {name: a}\n---\n",
        "apiVersion: v1\nkind: Pod\nspec: {}\n",
    ));
    assert_eq!(names(&collected), <[&str; 0]>::default());
    let said: Vec<_> =
        collected.errors.iter().map(|e| (e.line.unwrap(), e.message.split(' ').next().unwrap())).collect();
    assert_eq!(said, [(16, "apiVersion"), (20, "kind"), (23, "metadata.name")]);
}

#[test]
fn a_helm_template_gets_a_hint() {
    let collected = stdin("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n");
    assert!(collected.errors[0].message.contains("helm template"), "{:?}", collected.errors);
}

#[test]
fn what_cannot_be_read_is_one_clear_sentence_each() {
    let dir = folder(&[("ok.yaml", POD)]);
    let big = fs::File::create(dir.path().join("big.yaml")).unwrap();
    big.set_len(200 << 20).unwrap();
    fs::write(dir.path().join("latin.yaml"), b"a: 1\nb: \xe9\n").unwrap();
    fs::write(dir.path().join("wide.yaml"), b"\xff\xfea\0").unwrap();
    let missing = dir.path().join("missing.yaml");
    let inputs = [Input::Path(dir.path().to_path_buf()), Input::Path(missing)];
    let collected = collect(&inputs, &options());
    assert_eq!(names(&collected), ["Pod/default/a"]);
    let said: Vec<_> = collected.errors.iter().map(|e| (e.line, e.message.as_str())).collect();
    assert_eq!(
        said,
        [
            (None, "larger than 64 MiB (200 MiB) and not read; split it into smaller files"),
            (Some(2), "not UTF-8 text; save the file as UTF-8"),
            (Some(1), "UTF-16 text; save the file as UTF-8"),
            (None, "no such file or folder"),
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_folder_loop_is_named_and_everything_is_read_once() {
    let dir = folder(&[("sub/a.yaml", POD)]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere.yaml", dir.path().join("dangling.yaml")).unwrap();
    let collected = read_folder(&dir);
    assert_eq!(names(&collected), ["Pod/default/a"]);
    let said: Vec<_> =
        collected.errors.iter().map(|e| e.message.split(';').next().unwrap().split(':').next().unwrap()).collect();
    assert_eq!(said, ["link to something that does not exist", "folder loop"]);
}

#[test]
fn coverage_tells_empty_from_not_in_this_source() {
    let collected = stdin(&format!("{POD}---\napiVersion: example.com/v1\nkind: Policy\nmetadata: {{name: p}}\n"));
    let list = |id: &str| collected.coverage.list(id).map(|l| (l.outcome.clone(), l.count));
    assert_eq!(list("pods"), Some((ListOutcome::Seen, 1)));
    assert_eq!(list("networkpolicies.networking.k8s.io"), Some((ListOutcome::Seen, 0)));
    assert_eq!(list("nodes"), Some((ListOutcome::NotInSource, 0)));
    assert_eq!(list("policies.example.com"), Some((ListOutcome::Seen, 1)));
    let sorted: Vec<_> = collected.coverage.lists.iter().map(|l| (&l.group, &l.resource)).collect();
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn secrets_of_manifests_are_sealed() {
    let collected = stdin("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2-plain}\n");
    assert_eq!(names(&collected), ["Secret/default/s"]);
    assert!(!collected.objects[0].json.contains("hunter2"), "{}", collected.objects[0].json);
    assert_eq!(collected.objects[0].value()["kind"], json!("Secret"));
}

#[test]
fn the_same_document_counts_once_and_two_variants_of_it_both_stay() {
    let deployment = |replicas: u8| {
        format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: cart}}\nspec: {{replicas: {replicas}}}\n")
    };
    let (dev, prod) = (deployment(1), deployment(3));
    let dir = folder(&[("dev/cart.yaml", &dev), ("prod/cart.yaml", &prod), ("copy/cart.yaml", &prod)]);
    let collected = read_folder(&dir);
    assert_eq!(collected.coverage.list("deployments.apps").unwrap().count, 2);
    let snapshot = assemble(collected.objects, &collected.coverage);
    let mut replicas: Vec<_> = snapshot.objects.iter().map(|o| o.value()["spec"]["replicas"].clone()).collect();
    replicas.sort_by_key(|n| n.as_i64());
    assert_eq!(replicas, [json!(1), json!(3)]);
    let files = crate::snapshot::write(&snapshot).unwrap();
    assert_eq!(crate::snapshot::read(&files, &collected.coverage).unwrap().objects.len(), 2);
}
