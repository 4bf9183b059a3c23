use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::*;
use crate::{
    collect::{ClusterIdentity, Coverage, ListOutcome, ListRecord, Source, SourceKind, inputs::scans, resources},
    evaluate::{
        Finding, Outcome,
        documents::Tables,
        engine::{self, Judgement},
        samples,
        sight::SCANS,
    },
    framework::{Library, embedded},
    snapshot::{self, Object, Sealer, Snapshot, Tokens},
};

const RUNS: &str = "sha256:51d0a4e1b2c3f4059687a8b9cadbecfd0e1f2031425364758697a8b9cadbecfd";
const OTHER: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const CART: &str = "registry.example.com/shop/cart:2.15.0";

fn sealed(object: Json) -> Object {
    let (group, _) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or_default();
    let resource = resources::name_of_kind(group, object["kind"].as_str().unwrap());
    Sealer::new(None, "", Tokens::Foreign).seal(object, &resource, None).unwrap()
}

/// A pod that names an image, and the digest that runs where the runtime said it.
fn pod(image: &str, digest: Option<&str>) -> Object {
    let status = digest.map(|digest| json!([{"name": "app", "image": image, "imageID": format!("registry.example.com/shop/cart@{digest}")}]));
    sealed(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {"containerStatuses": status.unwrap_or_else(|| json!([]))},
    }))
}

fn own(kind: &str, name: &str, spec: Json) -> Object {
    sealed(json!({"apiVersion": "kubeproof.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}))
}

fn openssl() -> Json {
    json!({
        "id": "CVE-2026-31001", "aliases": ["DSA-5991-1"], "package": "libssl3t64", "version": "3.5.1-1", "fixed": "3.5.1-2",
        "severity": "critical", "published": "2026-08-14T00:00:00Z",
        "purl": "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13.1",
    })
}

fn scan(name: &str, reference: &str, digests: &[&str], at: &str) -> Object {
    let spec = json!({
        "references": [reference], "digests": digests, "scanner": "trivy", "version": "0.67.2", "at": at,
        "created": "2026-03-02T00:00:00Z", "sbom": false, "ignored": 0, "vulnerabilities": [openssl()],
    });
    own("ImageScan", name, spec)
}

fn vex(name: &str, status: &str, at: &str, product: Json) -> Object {
    let statement = json!({"vulnerabilities": ["DSA-5991-1"], "status": status, "at": at, "product": product});
    own("VexDocument", name, json!({"format": "openvex", "source": "", "statements": [statement]}))
}

fn list(id: &str, outcome: ListOutcome, count: u64) -> ListRecord {
    let (resource, group) = id.split_once('.').unwrap();
    ListRecord {
        group: group.into(),
        version: "v1".into(),
        resource: resource.into(),
        kind: String::new(),
        namespaced: false,
        request: scans::REQUEST.into(),
        outcome,
        count,
        pages: 1,
        retries: 0,
        resource_version: None,
        duration_ms: 0,
    }
}

fn seen() -> Vec<ListRecord> {
    vec![list(SCANS[0], ListOutcome::Seen, 1)]
}

fn coverage(lists: Vec<ListRecord>) -> Coverage {
    Coverage {
        source: Source { kind: SourceKind::Cluster, name: "test".into() },
        cluster: ClusterIdentity::default(),
        finished: "2026-11-23T06:00:00Z".parse().unwrap(),
        lists,
        ..samples::coverage(&[])
    }
}

fn snapshot(objects: Vec<Object>, coverage: &Coverage) -> Snapshot {
    snapshot::assemble(objects, coverage)
}

fn document(objects: Vec<Object>, lists: Vec<ListRecord>) -> Document {
    let coverage = coverage(lists);
    let snapshot = snapshot(objects, &coverage);
    let mut documents = images(Made { snapshot: &snapshot, coverage: &coverage, tables: Tables::default() });
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn says(document: &Document) -> String {
    let scanned = document.node.get("scanned").unwrap();
    let says = scanned.get("says").and_then(Node::as_str).or(reason(scanned));
    says.unwrap().to_string()
}

fn reason(node: &Node) -> Option<&str> {
    node.unknown_reason().map(|reason| &**reason)
}

fn first(document: &Document) -> Json {
    document.node.at(&["scan", "vulnerabilities"]).unwrap().items()[0].json()
}

fn rests_on(document: &Document) -> Vec<&str> {
    document.evidence.iter().map(|evidence| &*evidence.resource).collect()
}

#[test]
fn a_reference_is_told_in_its_parts() {
    for (image, parts) in [
        ("nginx", json!(["docker.io", "library/nginx", null, null])),
        ("quay.io/a/b:1.0", json!(["quay.io", "a/b", "1.0", null])),
        ("localhost:5000/a:latest", json!(["localhost:5000", "a", "latest", null])),
    ] {
        let document = document(vec![pod(image, None)], seen());
        let keys = ["registry", "repository", "tag", "digest"];
        let found: Vec<Json> = keys.iter().map(|key| document.node.get(key).map_or(Json::Null, Node::json)).collect();
        assert_eq!(json!(found), parts, "{image}");
        assert_eq!(document.node.get("image").and_then(Node::as_str), Some(image));
    }
    let pinned = document(vec![pod(&format!("quay.io/a/b@{RUNS}"), None)], seen());
    assert_eq!(pinned.node.get("digest").and_then(Node::as_str), Some(RUNS));
    assert!(pinned.node.get("tag").is_none());
    let odd = document(vec![pod("Not an image", None)], seen());
    assert_eq!(reason(odd.node.get("registry").unwrap()), Some("Not an image is not an image reference"));
}

#[test]
fn the_digest_that_runs_finds_its_scan_under_any_name() {
    let mirrored = scan("s", "mirror.example.com/x:1", &[OTHER, RUNS], "2026-11-21T06:00:00Z");
    let document = document(vec![pod(CART, Some(RUNS)), mirrored], seen());
    assert_eq!(says(&document), "scan is 2 days old");
    assert_eq!(rests_on(&document), ["Pod/shop/cart", "ImageScan/s"]);
    let scan = document.node.get("scan").unwrap();
    assert_eq!(scan.get("scanner").and_then(Node::as_str), Some("trivy 0.67.2"));
    assert_eq!(scan.get("createdDays").and_then(Node::as_i64), Some(266));
    assert_eq!(
        first(&document),
        json!({"id": "CVE-2026-31001", "severity": "critical", "package": "libssl3t64", "version": "3.5.1-1", "fixed": "3.5.1-2", "ageDays": 101, "vex": ""})
    );
}

#[test]
fn a_moved_tag_does_not_match() {
    let objects = vec![pod(CART, Some(RUNS)), scan("s", CART, &[OTHER], "2026-11-21T06:00:00Z")];
    let document = document(objects, seen());
    assert_eq!(says(&document), "not scanned: the scan of this tag is of another digest");
    assert!(document.node.get("scan").unwrap().unknown_reason().unwrap().starts_with("not scanned"));
    assert_eq!(rests_on(&document), ["Pod/shop/cart"]);
}

#[test]
fn a_reference_matches_in_full_where_digests_say_nothing() {
    let at = "2026-11-22T06:00:00Z";
    for (running, scanned, digests, matches) in [
        (None, CART, &[OTHER][..], true),
        (Some(RUNS), CART, &[][..], true),
        (None, "registry.example.com/shop/cart:2.16.0", &[], false),
        (None, "mirror.example.com/shop/cart:2.15.0", &[], false),
        (None, "docker.io/shop/cart:2.15.0", &[], false),
    ] {
        let document = document(vec![pod(CART, running), scan("s", scanned, digests, at)], seen());
        let expected = if matches { "scan is 1 day old" } else { "not scanned" };
        assert_eq!(says(&document), expected, "{running:?} {scanned} {digests:?}");
    }
    // A scan by digest beats any scan of the tag; of scans of one tag the newest counts.
    let document = self::document(
        vec![
            pod(CART, None),
            scan("a", CART, &[OTHER], "2026-11-01T06:00:00Z"),
            scan("b", CART, &[RUNS], "2026-11-20T06:00:00Z"),
        ],
        seen(),
    );
    assert_eq!(
        (says(&document).as_str(), rests_on(&document)),
        ("scan is 3 days old", vec!["Pod/shop/cart", "ImageScan/b"])
    );
}

#[test]
fn two_scanners_count_together() {
    let mut other = openssl();
    other["severity"] = json!("high");
    other["fixed"] = json!("");
    let second = json!({"id": "CVE-2026-2", "package": "zlib1g", "version": "1.3", "severity": "low", "fixed": ""});
    let spec = json!({"references": [CART], "digests": [RUNS], "scanner": "grype", "at": "2026-11-20T06:00:00Z", "vulnerabilities": [other, second]});
    let document = document(
        vec![pod(CART, Some(RUNS)), scan("t", CART, &[RUNS], "2026-11-01T06:00:00Z"), own("ImageScan", "g", spec)],
        seen(),
    );
    assert_eq!(says(&document), "scan is 3 days old");
    assert_eq!(document.node.at(&["scan", "scanner"]).and_then(Node::as_str), Some("grype, trivy 0.67.2"));
    assert_eq!(document.node.at(&["scan", "vulnerabilities"]).unwrap().items().len(), 2);
    let openssl = document.node.at(&["scan", "vulnerabilities"]).unwrap().items()[1].json();
    assert_eq!((&openssl["severity"], &openssl["fixed"]), (&json!("critical"), &json!("3.5.1-2")), "the worse of both");
}

#[test]
fn vex_counts_where_it_is_about_this_image_and_package() {
    let product = |digests: Json, references: Json, package: Json| json!({"digests": digests, "references": references, "package": package});
    let whole = |digest: &str| json!({"digests": [digest]});
    let package = "pkg:deb/debian/libssl3t64@3.5.1-1";
    let of_package = |package: &str| json!({"package": package});
    for (about, counts) in [
        (whole(RUNS), true),
        (whole(OTHER), false),
        (json!({"references": [CART]}), true),
        (json!({"references": ["registry.example.com/shop/cart"]}), true),
        (json!({"references": ["registry.example.com/shop/cart:2.14.0"]}), false),
        (json!({"references": ["docker.io/shop/cart:2.15.0"]}), false),
        (product(json!([RUNS]), json!([]), json!(package)), true),
        (product(json!([OTHER]), json!([]), json!(package)), false),
        (of_package(package), true),
        (of_package("pkg:deb/debian/libssl3t64"), true),
        (of_package("pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64"), true),
        (of_package("pkg:deb/debian/libssl3t64@3.5.1-1?arch=arm64"), false),
        (of_package("pkg:deb/debian/libssl3t64@3.5.0-1"), false),
        (of_package("pkg:deb/debian/openssl@3.5.1-1"), false),
        (of_package("pkg:deb/ubuntu/libssl3t64@3.5.1-1"), false),
        (of_package("not a package URL"), false),
        (json!({"bom": "3e671687-395b-41f5-a30f-a58921a69b79"}), false),
        (json!({}), false),
    ] {
        let objects = vec![
            pod(CART, Some(RUNS)),
            scan("s", CART, &[RUNS], "2026-11-22T06:00:00Z"),
            vex("v", "not_affected", "2026-11-01T00:00:00Z", about.clone()),
        ];
        let document = document(objects, seen());
        assert_eq!(first(&document)["vex"], if counts { "not_affected" } else { "" }, "{about}");
        assert_eq!(rests_on(&document).contains(&"VexDocument/v"), counts, "{about}");
    }
}

#[test]
fn the_newest_statement_counts_and_of_two_the_more_cautious() {
    let about = || json!({"digests": [RUNS]});
    let (early, late) = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    for (one, other, counts) in [
        (("not_affected", early), ("affected", late), "affected"),
        (("affected", early), ("fixed", late), "fixed"),
        (("not_affected", late), ("under_investigation", late), "under_investigation"),
        (("affected", late), ("fixed", late), "affected"),
    ] {
        let objects = vec![
            pod(CART, Some(RUNS)),
            scan("s", CART, &[RUNS], "2026-11-22T06:00:00Z"),
            vex("a", one.0, one.1, about()),
            vex("b", other.0, other.1, about()),
        ];
        assert_eq!(first(&document(objects, seen()))["vex"], counts, "{one:?} {other:?}");
    }
}

#[test]
fn what_could_not_be_seen_is_not_not_scanned() {
    let failed = ListOutcome::Failed { reason: "1 of 3 files could not be used".into() };
    let refused = ListOutcome::Refused { status: 403, reason: "Forbidden".into() };
    for (lists, reason) in [
        (vec![list(SCANS[0], failed, 2)], "imagescans.kubeproof.dev failed: 1 of 3 files could not be used"),
        (
            vec![list(SCANS[0], ListOutcome::Seen, 2), list(SCANS[1], refused, 0)],
            "vulnerabilityreports.aquasecurity.github.io refused: 403 Forbidden",
        ),
    ] {
        let document = document(vec![pod(CART, Some(RUNS))], lists);
        assert_eq!(self::reason(document.node.get("scanned").unwrap()), Some(reason));
        assert_eq!(self::reason(document.node.get("sbom").unwrap()), Some(reason));
    }
    let unserved = vec![list(SCANS[0], ListOutcome::Seen, 0), list(SCANS[1], ListOutcome::NotServed, 0)];
    assert_eq!(says(&document(vec![pod(CART, None)], unserved)), "not scanned");
}

fn report(kind: &str, artifact: Json) -> Object {
    sealed(json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": kind,
        "metadata": {"name": "replicaset-cart-6d4cf56db6-app", "namespace": "shop", "labels": {"trivy-operator.container.name": "app"}},
        "report": {
            "updateTimestamp": "2026-11-22T06:00:00Z", "registry": {"server": "registry.example.com"}, "artifact": artifact,
            "scanner": {"name": "Trivy", "vendor": "Aqua Security", "version": "0.67.2"}, "summary": {"criticalCount": 1},
            "os": {"family": "debian", "name": "13.1"},
            "components": {"bomFormat": "CycloneDX", "components": [{"name": "libssl3t64", "supplier": {"name": "Some One <one@example.com>"}}]},
            "vulnerabilities": [{
                "vulnerabilityID": "CVE-2026-31001", "resource": "libssl3t64", "installedVersion": "3.5.1-1", "fixedVersion": "3.5.1-2",
                "severity": "CRITICAL", "publishedDate": "2026-08-14T00:00:00Z", "lastModifiedDate": "2026-09-01T00:00:00Z", "score": 9.8,
                "packagePURL": "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64", "title": "a title", "description": "long", "links": ["https://example.com"],
                "primaryLink": "https://avd.aquasec.com/nvd/cve-2026-31001", "target": "x", "class": "os-pkgs", "cvss": {"nvd": {"V3Score": 9.8}},
            }],
        },
    }))
}

#[test]
fn reports_of_trivy_operator_are_scans() {
    // Beside a tag the operator's digest is that of the configuration: no pod runs it, and the tag is what matches.
    let tagged = json!({"repository": "shop/cart", "tag": "2.15.0", "digest": OTHER});
    let pinned = |digest: &str| json!({"repository": "shop/cart", "digest": digest});
    for (artifact, matches) in [(tagged, true), (pinned(RUNS), true), (pinned(OTHER), false)] {
        let objects = vec![pod(CART, Some(RUNS)), report("VulnerabilityReport", artifact.clone())];
        let document = document(objects, vec![list(SCANS[1], ListOutcome::Seen, 1)]);
        let expected = if matches { "scan is 1 day old" } else { "not scanned" };
        assert_eq!(says(&document), expected, "{artifact}");
        if matches {
            assert_eq!(first(&document)["fixed"], "3.5.1-2");
            assert_eq!(rests_on(&document)[1], "VulnerabilityReport/shop/replicaset-cart-6d4cf56db6-app");
        }
    }
    let listed = report("SbomReport", json!({"repository": "shop/cart", "tag": "2.15.0"}));
    assert!(!listed.json.contains("one@example.com") && !listed.json.contains("components"), "{}", listed.json);
    let document = document(vec![pod(CART, Some(RUNS)), listed], seen());
    assert_eq!(document.node.get("sbom").map(Node::json), Some(json!(true)));
    assert_eq!(says(&document), "not scanned", "a list of components is no search");
}

#[test]
fn of_a_report_is_kept_what_evidence_needs() {
    let kept = report("VulnerabilityReport", json!({"repository": "shop/cart", "tag": "2.15.0"})).value();
    assert_eq!(
        kept["report"]["vulnerabilities"][0],
        json!({
            "vulnerabilityID": "CVE-2026-31001", "resource": "libssl3t64", "installedVersion": "3.5.1-1", "fixedVersion": "3.5.1-2",
            "severity": "CRITICAL", "publishedDate": "2026-08-14T00:00:00Z", "packagePURL": "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64",
        })
    );
    assert!(kept["report"].get("components").is_none() && kept["report"].get("os").is_none());
}

/// The checks as they ship.
fn judge(objects: Vec<Object>, lists: Vec<ListRecord>) -> Judgement {
    let mut coverage = coverage(lists);
    // Manifests hold every workload that there is: what is undecided is so for want of scans.
    coverage.source.kind = SourceKind::Manifests;
    let snapshot = snapshot(objects, &coverage);
    let library = Library::load(&embedded()).unwrap();
    let input = engine::Input {
        snapshot: &snapshot,
        coverage: &coverage,
        library: &library,
        tables: Tables::default(),
        pod_security: &BTreeSet::new(),
        reaches: &[],
        kubernetes: None,
        keep_passes: false,
    };
    engine::run(&input)
}

fn of<'a>(judgement: &'a Judgement, check: &str) -> Vec<&'a Finding> {
    judgement.findings.iter().filter(|finding| finding.check.as_ref() == check).collect()
}

#[test]
fn findings_name_workload_scan_and_vex_and_tell_containers_apart() {
    let mut two = pod(CART, None).value();
    two["spec"]["containers"] = json!([{"name": "app", "image": CART}, {"name": "side", "image": CART}]);
    let judgement = judge(vec![sealed(two), scan("s", CART, &[], "2026-11-22T06:00:00Z")], seen());
    let critical = of(&judgement, "image-vuln-critical");
    assert_eq!(critical.len(), 2);
    assert_ne!(critical[0].id, critical[1].id);
    for (finding, container) in critical.iter().zip(["app", "side"]) {
        assert_eq!(finding.outcome, Outcome::Fail);
        assert_eq!(finding.resource.to_string(), "Pod/shop/cart");
        assert_eq!(finding.place.container.as_deref(), Some(container));
        assert_eq!(*finding.place.stable, format!("containers[name={container}].scan.vulnerabilities"));
        let rests_on: Vec<&str> = finding.evidence.iter().map(|evidence| &*evidence.resource).collect();
        assert_eq!(rests_on, ["Pod/shop/cart", "ImageScan/s"]);
        assert_eq!(finding.observed["open"], json!(["CVE-2026-31001 libssl3t64 3.5.1-1 -> 3.5.1-2"]));
    }
}

#[test]
fn an_old_scan_says_nothing_and_a_missing_one_less() {
    let old = judge(vec![pod(CART, None), scan("s", CART, &[], "2026-11-11T06:00:00Z")], seen());
    let (scanned, critical) = (of(&old, "image-vuln-scan"), of(&old, "image-vuln-critical"));
    assert_eq!((scanned[0].outcome, critical[0].outcome), (Outcome::Fail, Outcome::NotEvaluated));
    assert_eq!(*scanned[0].message, format!("image {CART}: scan is 12 days old"));
    assert_eq!(critical[0].reason.as_deref(), Some("scan is 12 days old"));
    let missing = judge(vec![pod(CART, None)], seen());
    assert_eq!(*of(&missing, "image-vuln-scan")[0].message, format!("image {CART}: not scanned"));
    assert_eq!(of(&missing, "image-vuln-high")[0].reason.as_deref(), Some("not scanned"));
    assert_eq!(of(&missing, "image-age")[0].reason.as_deref(), Some("not scanned"));
    assert_eq!(of(&missing, "image-vuln-high")[0].observed, Json::Null, "of nothing, nothing was observed");
}

#[test]
fn without_any_scanner_one_sentence_says_so() {
    let judgement = judge(vec![pod(CART, None), pod("nginx", None)], Vec::new());
    for check in
        ["image-vuln-scan", "image-vuln-critical", "image-vuln-high", "image-vuln-unfixed", "image-age", "image-sbom"]
    {
        let findings = of(&judgement, check);
        assert_eq!((findings.len(), findings[0].outcome), (1, Outcome::NotEvaluated), "{check}");
        let reason = findings[0].reason.as_deref().unwrap();
        assert!(reason.starts_with("a scan of the images was not collected"), "{reason}");
    }
    let refused = ListOutcome::Refused { status: 403, reason: "Forbidden".into() };
    let judgement = judge(vec![pod(CART, None)], vec![list(SCANS[1], refused, 0)]);
    let reason = of(&judgement, "image-vuln-scan")[0].reason.clone().unwrap();
    assert_eq!(&*reason, "vulnerabilityreports.aquasecurity.github.io refused: 403 Forbidden");
}

#[test]
fn a_rollout_with_two_digests_is_one_finding_at_its_worst() {
    let objects = |digest: &str, replica: &str| {
        let mut pod = pod(CART, Some(digest)).value();
        pod["metadata"]["name"] = json!(replica);
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "cart", "controller": true}]);
        sealed(pod)
    };
    let set = sealed(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": CART}]}}},
    }));
    let clean = json!({"references": [CART], "digests": [OTHER], "scanner": "trivy", "at": "2026-11-22T06:00:00Z", "vulnerabilities": []});
    let judgement = judge(
        vec![
            set,
            objects(RUNS, "cart-0"),
            objects(OTHER, "cart-1"),
            scan("bad", CART, &[RUNS], "2026-11-22T06:00:00Z"),
            own("ImageScan", "clean", clean),
        ],
        seen(),
    );
    let critical = of(&judgement, "image-vuln-critical");
    assert_eq!((critical.len(), critical[0].outcome), (1, Outcome::Fail));
    assert_eq!(critical[0].resource.to_string(), "StatefulSet/shop/cart");
    let row = judgement.checks.iter().find(|row| row.id == "image-vuln-critical").unwrap();
    assert_eq!((row.evaluated, row.failed), (1, 1), "one place, once");
}

#[test]
fn a_manifest_that_claims_to_be_a_scan_is_none() {
    let clean = json!({"references": [CART], "scanner": "trivy", "at": "2026-11-22T06:00:00Z", "sbom": true, "vulnerabilities": []});
    let mut forged = list(SCANS[0], ListOutcome::Seen, 1);
    forged.request = String::new();
    let tagged = json!({"repository": "shop/cart", "tag": "2.15.0"});
    let mut report_list = list(SCANS[1], ListOutcome::Seen, 1);
    report_list.request = String::new();
    let objects =
        || vec![pod(CART, None), own("ImageScan", "s", clean.clone()), report("VulnerabilityReport", tagged.clone())];
    let judgement = judge(objects(), vec![forged.clone(), report_list.clone()]);
    for check in ["image-vuln-scan", "image-vuln-critical", "image-sbom"] {
        assert_eq!(of(&judgement, check)[0].outcome, Outcome::NotEvaluated, "{check}");
    }
    assert_eq!(says(&document(objects(), vec![forged, report_list])), "scan is 1 day old", "a cluster is believed");
}
