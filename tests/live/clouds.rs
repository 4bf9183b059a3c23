//! What a provider's own program printed, beside a recorded cluster.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::workspace::{Ended, Workspace, entries, json};

const CLUSTER: &str = r#"{"cluster": {"name": "shop-prod", "arn": "arn:aws:eks:eu-west-1:111122223333:cluster/shop-prod",
  "endpoint": "https://AB.gr7.eu-west-1.eks.amazonaws.com",
  "certificateAuthority": {"data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURCVENDQWUyZ0F3SUJBZ0lJZnE4"},
  "resourcesVpcConfig": {"endpointPublicAccess": true, "endpointPrivateAccess": true, "publicAccessCidrs": ["0.0.0.0/0"]},
  "logging": {"clusterLogging": [
    {"types": ["api", "audit", "authenticator", "controllerManager", "scheduler"], "enabled": true}]},
  "accessConfig": {"authenticationMode": "API"}}}"#;

fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop-2026-11-23")
}

fn run(user: &Workspace, from: &Path, more: &[&str]) -> Ended {
    let mut command = user.kubeproof();
    command.arg("run").arg("--from").arg(from).args(["--inputs", "inputs", "--store", "evidence"]).args(more);
    command.output().unwrap().into()
}

#[test]
fn a_description_by_another_provider_is_a_gap_and_the_run_goes_on() {
    let user = Workspace::new();
    user.write("inputs/cloud/cluster.json", CLUSTER);
    let ended = run(&user, &example(), &[]).expect(5);
    let sentence = "cluster.json: is what aws eks describe-cluster prints, and this cluster runs on kubeadm";
    assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
    let coverage = json(&user.bundle().join("data/coverage.json"));
    let lists = coverage["lists"].as_array().unwrap();
    let list = lists.iter().find(|list| list["resource"] == "clouddescriptions").unwrap();
    assert_eq!((&list["count"], &list["outcome"]["is"]), (&json!(0), &json!("failed")));
}

#[test]
fn a_described_cluster_is_judged_signed_and_replayed() {
    let user = Workspace::new();
    user.write("inputs/cloud/cluster.json", CLUSTER);
    let recorded = user.path("recorded");
    fs::create_dir(&recorded).unwrap();
    for file in entries(&example()) {
        fs::copy(&file, recorded.join(file.file_name().unwrap())).unwrap();
    }
    let mut coverage = json(&recorded.join("coverage.json"));
    coverage["cluster"]["platform"] = "eks".into();
    fs::write(recorded.join("coverage.json"), coverage.to_string()).unwrap();
    let document = |id: &str, file: &str| {
        format!(
            "  - {{id: {id}, provider: eks, kind: SOC 2, document: {file}, issued: 2026-03-01, until: 2027-02-28, \
             covers: [cis-eks/2.1.*], responsibility: logging}}\n"
        )
    };
    user.write("soc2.pdf", "%PDF a document");
    user.write(
        "providers.yaml",
        &format!("documents:\n{}{}", document("P-1", "soc2.pdf"), document("P-2", "lost.pdf")),
    );
    user.write("kubeproof.yaml", "apiVersion: kubeproof.dev/v1\nproviders: providers.yaml\n");
    run(&user, &recorded, &["--config", "kubeproof.yaml", "--report", "full"]).expect(0);

    let bundle = user.bundle();
    let evaluation = json(&bundle.join("data/evaluation.json"));
    let rows = evaluation["requirements"].as_array().unwrap();
    let status =
        |id: &str| &rows.iter().find(|row| row["framework"] == "cis-eks" && row["id"] == id).unwrap()["status"];
    assert_eq!([status("2.1.1"), status("5.4.1"), status("2.1.2")], ["pass", "fail", "not-evaluated"]);
    let declared = evaluation["declarations"].as_array().unwrap();
    let states: Vec<&Value> = declared.iter().filter(|d| d["kind"] == "provider").map(|d| &d["state"]).collect();
    assert_eq!(states, ["in force", "missing"]);
    assert_eq!(entries(&bundle.join("data/attested")).len(), 1);

    let key = user.public_key();
    let arguments = ["verify", user.cluster_folder().to_str().unwrap(), "--key", key.to_str().unwrap(), "--replay"]
        .map(str::to_owned);
    user.run(&arguments).expect(0);
}
