//! The manifests that a user installs, before the API server that will run them.

use k8s_openapi::api::{apps::v1::Deployment, batch::v1::CronJob, core::v1::Pod};
use kube::{Api, api::PostParams};
use serde_json::Value;

use super::{least_privilege::base, workspace::Workspace};
use crate::harness::{cluster, cluster::read_yaml};

#[tokio::test]
async fn the_cronjob_and_its_pod_are_accepted_where_restricted_is_enforced() {
    let cluster = cluster();
    let files = base(&["namespace.yaml", "serviceaccount.yaml", "configmap.yaml", "networkpolicy.yaml"]);
    cluster.apply("kustomize", &files.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let namespace = std::fs::read_to_string(&base(&["namespace.yaml"])[0]).unwrap();
    assert!(namespace.contains("pod-security.kubernetes.io/enforce: restricted"));

    let job: CronJob = serde_json::from_value(read_yaml(&base(&["cronjob.yaml"])[0]).remove(0)).unwrap();
    let client = cluster.client().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    Api::<CronJob>::namespaced(client.clone(), "kubeproof").create(&dry_run, &job).await.unwrap();

    // Pod Security judges pods: so the pod of the job's template is tried too, and one that must be refused.
    let template = job.spec.job_template.spec.unwrap().template;
    let mut pod = Pod { metadata: template.metadata.unwrap_or_default(), spec: template.spec, status: None };
    pod.metadata.name = Some("kubeproof".into());
    let pods = Api::<Pod>::namespaced(client, "kubeproof");
    pods.create(&dry_run, &pod).await.unwrap();
    pod.spec.as_mut().unwrap().security_context = None;
    let refused = pods.create(&dry_run, &pod).await.unwrap_err();
    assert!(refused.to_string().contains("restricted"), "{refused}");
}

#[tokio::test]
async fn the_daemon_and_its_pod_are_accepted_where_restricted_is_enforced() {
    let cluster = cluster();
    let overlay = |file: &str| base(&[&format!("../overlays/{file}")]).remove(0);
    let files = ["daemon/schedules.yaml", "daemon/persistentvolumeclaim.yaml", "daemon/networkpolicy.yaml"];
    let mut install = base(&["namespace.yaml", "serviceaccount.yaml", "configmap.yaml"]);
    install.extend(files.map(overlay));
    install.push(overlay("notify/networkpolicy.yaml"));
    cluster.apply("kustomize", &install.iter().map(AsRef::as_ref).collect::<Vec<_>>());

    let deployment = read_yaml(&overlay("daemon/deployment.yaml")).remove(0);
    let deployment: Deployment = serde_json::from_value(deployment).unwrap();
    let client = cluster.client().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    Api::<Deployment>::namespaced(client.clone(), "kubeproof").create(&dry_run, &deployment).await.unwrap();
    let template = deployment.spec.template;
    let mut pod = Pod { metadata: template.metadata.unwrap_or_default(), spec: template.spec, status: None };
    pod.metadata.name = Some("kubeproof".into());
    Api::<Pod>::namespaced(client, "kubeproof").create(&dry_run, &pod).await.unwrap();
}

#[test]
fn a_bundle_of_manifests_is_judged_again_to_the_same_bytes() {
    let user = Workspace::new();
    let cart = |image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: cart, namespace: shop}}\nspec:\n  template:\n    spec:\n      \
             containers:\n        - name: app\n          image: {image}\n          securityContext: {{privileged: true}}\n"
        )
    };
    user.write("deploy/cart.yaml", &cart("registry.example.com/cart:1"));
    user.write("deploy/overlay/cart.yaml", &cart("registry.example.com/cart:latest"));
    user.run(&["run", "--from", "deploy", "--store", "evidence"]).expect(0);
    let key = user.public_key();
    user.run(&["verify", "evidence", "--replay", "--key", key.to_str().unwrap()]).expect(0);
    let evaluation = std::fs::read(user.bundle().join("data/evaluation.json")).unwrap();
    let evaluation = kubeproof::evaluate::stored::read(&evaluation).unwrap();
    let placed = evaluation.findings.iter().filter(|finding| finding.file.is_some());
    assert!(placed.count() > 4, "findings keep their file and line");
}

#[test]
fn parameters_decide_travel_with_the_bundle_and_change_as_rules() {
    let user = Workspace::new();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: cart, namespace: shop}\nspec: {containers: [{name: app, image: \"registry.example.com/cart:1\"}]}\n";
    user.write("deploy/pod.yaml", pod);
    user.write("kubeproof.yaml", "apiVersion: kubeproof.dev/v1\nparameters: parameters.yaml\n");
    let failures = |registry: &str| {
        let set = format!("parameters:\n  - check: image-registry-allowlist\n    set: {{registries: [{registry}]}}\n");
        user.write("parameters.yaml", &set);
        user.run(&["run", "--from", "deploy", "--store", "evidence", "--config", "kubeproof.yaml"]).expect(0);
        let key = user.public_key();
        user.run(&["verify", "evidence", "--replay", "--key", key.to_str().unwrap()]).expect(0);
    };
    failures("registry.example.com");
    failures("other.example.com");
    let found = |bundle: &std::path::PathBuf| {
        let evaluation = std::fs::read(bundle.join("data/evaluation.json")).unwrap();
        let evaluation = kubeproof::evaluate::stored::read(&evaluation).unwrap();
        let check = evaluation.checks.into_iter().find(|check| check.id == "image-registry-allowlist").unwrap();
        let drift: Value = serde_json::from_slice(&std::fs::read(bundle.join("data/drift.json")).unwrap()).unwrap();
        let rules = drift["rules"].as_array().unwrap().iter().map(|rule| rule["file"].clone()).collect::<Vec<_>>();
        let causes = drift["findings"].as_array().unwrap().iter().map(|change| change["cause"].clone());
        (check.failed, check.not_evaluated, rules, causes.collect::<Vec<_>>())
    };
    let mut runs: Vec<_> = user.bundles().iter().map(found).collect();
    runs.sort_by_key(|run| run.0);
    assert_eq!(runs, [(0, 0, vec![], vec![]), (1, 0, vec!["parameters.yaml".into()], vec!["rules".into()])]);

    let explained = user.run(&["explain", "image-registry-allowlist", "--config", "kubeproof.yaml"]).expect(0).stdout;
    assert!(explained.contains("registries: [\"other.example.com\"] (parameters.yaml:2)"), "{explained}");
    let policy =
        user.run(&["checks", "policy", "image-registry-allowlist", "--config", "kubeproof.yaml"]).expect(0).stdout;
    assert!(policy.contains("other.example.com"), "{policy}");
    let unset = user.run(&["check", "deploy", "--format", "json"]);
    let unset: Value = serde_json::from_str(&unset.stdout).unwrap();
    let of_check = |f: &&Value| f["check"] == "image-registry-allowlist";
    let said: Vec<&Value> = unset["findings"].as_array().unwrap().iter().filter(of_check).collect();
    assert_eq!(
        (said.len(), &said[0]["outcome"], &said[0]["resource"]["kind"]),
        (1, &"not-evaluated".into(), &"Parameters".into())
    );
}
