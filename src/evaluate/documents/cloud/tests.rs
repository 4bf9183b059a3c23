//! A cluster of a provider, from the folder of inputs to the statuses.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    collect::{Collected, Coverage, InputError, ListOutcome, inputs},
    digest::Digest,
    evaluate::{Evaluation, Finding, Input, Outcome, Rules, Status, run, samples},
    framework::{RuleFiles, embedded},
    snapshot::{Object, RedactionKey, Sealer, Snapshot, Tokens, assemble},
};

/// A check and a framework of a user's own: one row about the provider's side, one about workloads, one for people.
const OWN_CHECK: &str = "id: own-anonymous\ntitle: t\nseverity: high\non: component/kube-apiserver\npass: 'object.ok == true'\n\
    expected: e\nmessage: m\nwhy: w\nremediation: r\n";
const OWN_NODE: &str = "id: own-manifest\ntitle: t\nseverity: high\non: node/control-plane\npass: 'object.ok == true'\n\
    expected: e\nmessage: m\nwhy: w\nremediation: r\n";
const OWN: &str = "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: guide\nsource: s\nrequirements:\n  \
    - {id: '1.1', title: t, coverage: automated, decides: [own-anonymous, own-manifest]}\n  \
    - {id: '1.2', title: t, coverage: automated, decides: [own-anonymous, pod-host-pid]}\n  \
    - {id: '1.3', title: t, coverage: manual}\n  \
    - {id: '1.4', title: t, coverage: automated, decides: [pod-host-pid]}\n  \
    - {id: '2.1', title: t, coverage: automated, decides: [own-anonymous]}\n";

fn document(until: &str) -> String {
    format!(
        "documents:\n  - {{id: P-1, provider: eks, kind: SOC 2 Type II, document: soc2.pdf, issued: 2026-03-01, \
         until: {until}, covers: ['own/1.*'], responsibility: control plane configuration}}\n"
    )
}

fn coverage(platform: Option<&str>) -> Coverage {
    Coverage {
        cluster: crate::collect::ClusterIdentity {
            name: "shop".into(),
            uid: Some("uid".into()),
            kubernetes: Some("v1.33.1-eks-5ca49cb".into()),
            platform: platform.map(Into::into),
        },
        ..samples::coverage(&[])
    }
}

/// A recorded cluster: two workloads, and whatever its provider printed.
fn collected(platform: Option<&str>, files: &[(&str, &[u8])]) -> Collected {
    let inputs_root = TempDir::new().unwrap();
    if !files.is_empty() {
        fs::create_dir(inputs_root.path().join("cloud")).unwrap();
    }
    for (name, bytes) in files {
        fs::write(inputs_root.path().join("cloud").join(name), bytes).unwrap();
    }
    of_folder(platform, inputs_root.path())
}

fn of_folder(platform: Option<&str>, root: &Path) -> Collected {
    let sealer = Sealer::new(Some(RedactionKey::generate([7; 32])), "uid", Tokens::Foreign);
    let workload = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [{"name": "app"}]}}}});
    let objects = vec![sealer.seal(workload, "deployments.apps", None).unwrap()];
    let coverage = coverage(platform);
    let mut collected = Collected { source: coverage.source.clone(), coverage, objects, errors: Vec::new() };
    inputs::add(&mut collected, root, &sealer, chrono::DateTime::UNIX_EPOCH);
    collected
}

struct Judged {
    evaluation: Evaluation,
    snapshot: Snapshot,
    errors: Vec<InputError>,
}

fn judge(collected: Collected, files: &[(&str, &str)]) -> Judged {
    let mut all: RuleFiles = embedded();
    for (name, text) in [("checks/user/own-anonymous.yaml", OWN_CHECK), ("checks/user/own-manifest.yaml", OWN_NODE)] {
        all.insert(name.into(), text.into());
    }
    all.insert("frameworks/own-1.yaml".into(), OWN.into());
    all.extend(files.iter().map(|(name, text)| ((*name).to_string(), text.as_bytes().to_vec())));
    let Collected { coverage, objects, errors, .. } = collected;
    let rules = Rules::load(all, &[], &coverage.cluster).unwrap();
    let snapshot = assemble(objects, &coverage);
    let today = "2026-11-23".parse().unwrap();
    let input =
        Input { snapshot: &snapshot, coverage: &coverage, rules: &rules, kubernetes: None, today, keep_passes: false };
    Judged { evaluation: run(&input), snapshot, errors }
}

impl Judged {
    fn row(&self, framework: &str, id: &str) -> (Status, String) {
        let rows = &self.evaluation.requirements;
        let row = rows.iter().find(|row| row.framework == framework && row.id == id).unwrap();
        (row.status, row.reason.clone().unwrap_or_default())
    }

    fn statuses(&self, framework: &str, ids: &[&str]) -> Vec<Status> {
        ids.iter().map(|id| self.row(framework, id).0).collect()
    }

    fn of(&self, check: &str) -> Vec<&Finding> {
        self.evaluation.findings.iter().filter(|finding| finding.check.as_ref() == check).collect()
    }

    fn described(&self) -> &Object {
        self.snapshot.objects.iter().find(|object| object.gvk.kind == "CloudDescription").unwrap()
    }
}

fn cluster() -> Value {
    json!({"cluster": {
        "name": "shop", "arn": "arn:aws:eks:eu-west-1:111122223333:cluster/shop",
        "endpoint": "https://AB.gr7.eu-west-1.eks.amazonaws.com",
        "resourcesVpcConfig": {"endpointPublicAccess": true, "endpointPrivateAccess": true, "publicAccessCidrs": ["0.0.0.0/0"]},
        "logging": {"clusterLogging": [{"types": ["api", "audit", "authenticator", "controllerManager", "scheduler"], "enabled": true}]},
        "accessConfig": {"authenticationMode": "API"},
        "certificateAuthority": {"data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURCVENDQWUyZ0F3SUJBZ0lJZnE4"}
    }})
}

#[test]
fn a_described_cluster_gets_its_statuses() {
    let entries = json!({"accessEntries": ["arn:aws:eks:eu-west-1:1:access-entry/shop/user/1/bo/a"]}).to_string();
    let cluster = cluster().to_string();
    let judged =
        judge(collected(Some("eks"), &[("cluster.json", cluster.as_bytes()), ("e.json", entries.as_bytes())]), &[]);
    assert_eq!(judged.errors, []);
    let rows = ["2.1.1", "4.1.7", "5.3.1", "5.4.1", "5.4.2", "5.5.1", "2.1.2", "5.1.1", "5.1.3"];
    assert_eq!(
        judged.statuses("cis-eks", &rows),
        [
            Status::Pass,
            Status::Pass,
            Status::Fail,
            Status::Fail,
            Status::Fail,
            Status::Fail,
            Status::NotEvaluated,
            Status::NotEvaluated,
            Status::NotEvaluated,
        ]
    );
    let [finding] = judged.of("eks-endpoint-public-cidrs")[..] else { panic!() };
    assert_eq!(&*finding.place.path, "/cluster/resourcesVpcConfig/publicAccessCidrs");
    let stored = judged.described();
    assert_eq!(stored.value().pointer(&finding.place.path), Some(&json!(["0.0.0.0/0"])));
    assert_eq!(finding.evidence[0].digest, stored.digest);
    assert_eq!(finding.resource.to_string(), "CloudDescription/shop");
    let [finding] = judged.of("eks-access-entry-users")[..] else { panic!() };
    assert!(stored.value().pointer(&finding.place.path).is_some(), "{}", finding.place.path);
    let [finding] = judged.of("eks-image-scanning")[..] else { panic!() };
    assert_eq!(finding.reason.as_deref(), Some("aws ecr describe-repositories was not given"));
    let of_others = |finding: &&Finding| finding.check.starts_with("gke-") || finding.check.starts_with("aks-");
    let others = judged.evaluation.findings.iter().filter(of_others);
    assert!(others.map(|finding| finding.outcome).all(|outcome| outcome == Outcome::NotApplicable));
}

#[test]
fn without_a_description_a_person_reads_what_to_run() {
    let judged = judge(collected(Some("eks"), &[]), &[]);
    let [finding] = judged.of("eks-control-plane-logs")[..] else { panic!() };
    assert_eq!(
        (finding.outcome, finding.reason.as_deref()),
        (
            Outcome::NotEvaluated,
            Some(
                "description of the eks cluster was not given: drop what `aws eks describe-cluster` prints into cloud/ \
                 of the inputs"
            )
        )
    );
    assert_eq!(judged.row("cis-eks", "2.1.1").0, Status::NotEvaluated);
    assert!(judged.evaluation.requirements.iter().all(|row| row.framework != "cis-gke"));
}

#[test]
fn the_description_tells_the_platform_where_nothing_else_does() {
    let cluster = cluster().to_string();
    let judged = judge(collected(None, &[("cluster.json", cluster.as_bytes())]), &[]);
    assert_eq!(judged.row("cis-eks", "2.1.1").0, Status::Pass);
    assert!(judged.of("gke-logging").is_empty(), "another provider's questions do not arise");
}

#[test]
fn what_cannot_be_used_is_never_an_answer() {
    let good = cluster().to_string();
    let gke = json!({"name": "shop", "nodePools": [], "currentMasterVersion": "1.33"}).to_string();
    let other = good.replace("shop", "staging");
    for (bytes, sentence) in [
        (&good.as_bytes()[..good.len() - 9], "ends in the middle"),
        (gke.as_bytes(), "and this cluster runs on eks"),
        (other.as_bytes(), "describes the cluster 'staging', and this run is about 'shop'"),
    ] {
        let judged = judge(collected(Some("eks"), &[("x.json", bytes)]), &[]);
        assert!(judged.errors[0].message.contains(sentence), "{:?}", judged.errors);
        let [finding] = judged.of("eks-control-plane-logs")[..] else { panic!() };
        let reason = finding.reason.as_deref().unwrap();
        assert!(reason.starts_with("clouddescriptions.kubeproof.dev failed: x.json: "), "{reason}");
        assert_eq!(judged.row("cis-eks", "2.1.1").0, Status::NotEvaluated);
        assert_eq!(judged.row("own", "1.4").0, Status::Pass, "the run goes on");
    }
    let huge = TempDir::new().unwrap();
    fs::create_dir(huge.path().join("cloud")).unwrap();
    fs::File::create(huge.path().join("cloud/x.json")).unwrap().set_len(500 << 20).unwrap();
    let judged = judge(of_folder(Some("eks"), huge.path()), &[]);
    assert!(judged.errors[0].message.starts_with("is larger than"), "{:?}", judged.errors);
    assert_eq!(judged.row("cis-eks", "2.1.1").0, Status::NotEvaluated);
}

#[test]
fn a_list_beside_a_broken_file_may_lack_something() {
    let entries = json!({"accessEntries": ["arn:aws:eks:eu-west-1:1:access-entry/shop/role/1/ops/a"]}).to_string();
    let cluster = cluster().to_string();
    let whole = [("a.json", cluster.as_bytes()), ("b.json", entries.as_bytes())];
    assert_eq!(judge(collected(Some("eks"), &whole), &[]).row("cis-eks", "5.5.1").0, Status::Partial);
    let judged = judge(collected(Some("eks"), &[whole[0], whole[1], ("c.json", b"{")]), &[]);
    assert_eq!(judged.row("cis-eks", "5.5.1").0, Status::NotEvaluated);
    assert_eq!(judged.row("cis-eks", "2.1.1").0, Status::Pass, "the description itself was read");
}

#[test]
fn the_providers_side_is_inherited_with_a_document_and_open_without() {
    let open = judge(collected(Some("eks"), &[]), &[]);
    assert_eq!(
        open.statuses("own", &["1.1", "1.2", "1.3", "1.4", "2.1"]),
        [Status::NotEvaluated, Status::NotEvaluated, Status::Manual, Status::Pass, Status::NotEvaluated]
    );
    let (_, reason) = open.row("own", "1.1");
    assert_eq!(reason, "on the provider's side, and no document of the provider is declared for it");
    let [finding] = open.of("own-anonymous")[..] else { panic!() };
    assert_eq!((finding.resource.kind.as_str(), finding.resource.name.as_str()), ("Provider", "eks"));
    assert_eq!(
        finding.reason.as_deref(),
        Some("configuration of kube-apiserver is on the provider's side (eks)"),
        "never a pass"
    );

    let [finding] = open.of("own-manifest")[..] else { panic!() };
    assert_eq!(
        (finding.resource.kind.as_str(), finding.reason.as_deref()),
        ("Provider", Some("file system of the control plane's nodes is on the provider's side (eks)"))
    );

    let attested = json!({"soc2.pdf": Digest::of("soc2")}).to_string();
    let in_force = document("2027-02-28");
    let files = [("providers.yaml", in_force.as_str()), ("attested.json", attested.as_str())];
    let covered = judge(collected(Some("eks"), &[]), &files);
    assert_eq!(
        covered.statuses("own", &["1.1", "1.2", "1.3", "1.4", "2.1"]),
        [Status::Inherited, Status::Inherited, Status::Inherited, Status::Pass, Status::NotEvaluated],
        "what is decided here is not inherited, and 2.1 is not covered"
    );
    let (_, reason) = covered.row("own", "1.1");
    assert!(
        reason.starts_with(
            "the provider's side: P-1, SOC 2 Type II of 2026-03-01, relied on until 2027-02-28: control plane configuration"
        ),
        "{reason}"
    );
    let declared = covered.evaluation.declarations.iter().find(|declared| declared.kind == "provider").unwrap();
    assert_eq!(declared.state, "in force");
    assert!(declared.note.contains(&Digest::of("soc2").hex()), "{}", declared.note);

    let expired = document("2026-11-22");
    for files in [&[("providers.yaml", expired.as_str()), files[1]][..], &[files[0]][..]] {
        let judged = judge(collected(Some("eks"), &[]), files);
        assert_eq!(judged.statuses("own", &["1.1", "1.3"]), [Status::NotEvaluated, Status::Manual]);
    }
    let elsewhere = judge(collected(Some("gke"), &[]), &files);
    assert_eq!(elsewhere.statuses("own", &["1.1", "1.3"]), [Status::NotEvaluated, Status::Manual]);
}

#[test]
fn a_control_plane_of_ones_own_says_why_it_was_not_seen() {
    let mut reasons = BTreeMap::new();
    for platform in [None, Some("kubeadm"), Some("k3s"), Some("rke2"), Some("talos"), Some("openshift")] {
        let attested = json!({"soc2.pdf": Digest::of("soc2")}).to_string();
        let document = document("2027-02-28");
        let files = [("providers.yaml", document.as_str()), ("attested.json", attested.as_str())];
        let judged = judge(collected(platform, &[]), &files);
        assert_eq!(judged.row("own", "1.1").0, Status::NotEvaluated, "{platform:?}");
        let [finding] = judged.of("own-anonymous")[..] else { panic!() };
        assert_eq!(finding.resource.kind, "List");
        reasons.insert(platform.unwrap_or_default(), finding.reason.clone().unwrap());
    }
    let mut refused = collected(Some("kubeadm"), &[]);
    let pods = refused.coverage.lists.iter_mut().find(|list| list.id() == "pods").unwrap();
    pods.outcome = ListOutcome::Refused { status: 403, reason: "forbidden".into() };
    let judged = judge(refused, &[]);
    assert_eq!(judged.of("own-anonymous")[0].reason.as_deref(), Some("pods refused: 403 forbidden"));
    let seen = |platform: &str| reasons[platform].split(": ").nth(1).unwrap_or_default();
    assert_eq!(seen(""), "no mirror pod of kube-apiserver was seen");
    assert_eq!(seen("kubeadm"), "no mirror pod of kube-apiserver was seen");
    assert_eq!(seen("k3s"), "k3s runs the components inside one process, without a pod");
    assert_eq!(seen("rke2"), "RKE2 runs a mirror pod of kube-apiserver, and none was seen");
    assert_eq!(seen("talos"), "no mirror pod of kube-apiserver was seen");
    assert!(seen("openshift").starts_with("OpenShift's operators"), "{reasons:?}");
}
