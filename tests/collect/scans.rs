//! trivy-operator's reports as a real API server serves them.

use std::path::Path;

use kubeproof::{
    clock::SystemClock,
    collect::{
        ListOutcome,
        cluster::{self, Options},
        recorded,
    },
    snapshot::{RedactionKey, assemble, report_scan},
};

use crate::harness::cluster::Cluster;

#[tokio::test]
async fn reports_of_a_real_api_server_are_reduced_and_read_as_scans() {
    // A cluster of its own: the kind would show up in every other test's.
    let cluster = Cluster::start("cp-1");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/collect");
    cluster.apply("helm", &[&here.join("reports.yaml")]);
    cluster.apply("trivy-operator", &[&here.join("report.yaml")]);
    let options = Options { kubeconfig: Some(cluster.kubeconfig().to_owned()), ..Options::default() };
    let connection = cluster::connect(&options).await.unwrap();
    let key = Some(RedactionKey::generate([7; 32]));
    let collected = cluster::collect(&connection, key, &[], &SystemClock, &|_| {}).await;

    let list = collected.coverage.list("vulnerabilityreports.aquasecurity.github.io").unwrap();
    assert_eq!((&list.outcome, list.count, list.version.as_str()), (&ListOutcome::Seen, 1, "v1alpha1"));
    let sboms = collected.coverage.list("sbomreports.aquasecurity.github.io").unwrap();
    assert_eq!(sboms.outcome, ListOutcome::NotServed);
    let snapshot = assemble(collected.objects.clone(), &collected.coverage);
    let report = snapshot.objects.iter().find(|object| object.gvk.kind == "VulnerabilityReport").unwrap();
    assert!(!report.json.contains("redacted:") && !report.json.contains("description"), "{}", report.json);
    let scan = report_scan(report).unwrap();
    assert_eq!(scan.references, ["docker.io/library/redis:8.2.3"]);
    assert_eq!(scan.digests, Vec::<String>::new(), "the digest beside a tag is the configuration's");
    assert_eq!(scan.vulnerabilities.unwrap()[0].id, "CVE-2026-31001");

    let folder = tempfile::tempdir().unwrap();
    recorded::write(folder.path(), &collected, &snapshot.objects).unwrap();
    let again = recorded::read(folder.path(), None).unwrap();
    let same = again.objects.iter().find(|object| object.gvk.kind == "VulnerabilityReport").unwrap();
    assert_eq!(same.digest, report.digest);
    cluster.stop();
}
