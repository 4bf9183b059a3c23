use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    collect::ClusterIdentity,
    snapshot::{Object, Sealer, Tokens, VexStatus, Vulnerability, VulnerabilitySeverity},
};

const TRIVY: &str = include_str!("fixtures/trivy.json");
const GRYPE: &str = include_str!("fixtures/grype.json");
const CYCLONEDX: &str = include_str!("fixtures/cyclonedx.json");
const CYCLONEDX_VEX: &str = include_str!("fixtures/cyclonedx-vex.json");
const OPENVEX: &str = include_str!("fixtures/openvex.json");
const TRIVY_SARIF: &str = include_str!("fixtures/trivy.sarif");
const GRYPE_SARIF: &str = include_str!("fixtures/grype.sarif");
const SCOUT_SARIF: &str = include_str!("fixtures/scout.sarif");

const ALL: [(&str, &str); 8] = [
    ("cart.json", TRIVY),
    ("ledger/grype.json", GRYPE),
    ("catalog.cdx.json", CYCLONEDX),
    ("vex/catalog.json", CYCLONEDX_VEX),
    ("vex/cart.json", OPENVEX),
    ("gateway.sarif", TRIVY_SARIF),
    ("catalog.sarif", GRYPE_SARIF),
    ("orders.sarif", SCOUT_SARIF),
];

fn scan(text: &str) -> ImageScan {
    content(text.as_bytes()).unwrap().scan.unwrap()
}

fn vex(text: &str) -> VexDocument {
    content(text.as_bytes()).unwrap().vex.unwrap()
}

fn found(scan: &ImageScan, id: &str) -> Vulnerability {
    scan.vulnerabilities.iter().flatten().find(|found| found.id == id).unwrap().clone()
}

fn refusal(text: &str) -> String {
    content(text.as_bytes()).map(|_| ()).unwrap_err().message
}

/// A document with one field set.
fn with(text: &str, pointer: &str, value: Value) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[field] = value;
    document.to_string()
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::with_prefix("kubeproof-scans-").unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read_folder(folder: &Path) -> Read {
    let sealer = Sealer::new(None, "", Tokens::Foreign);
    let cluster = ClusterIdentity::default();
    read(
        folder,
        &Context {
            sealer: &sealer,
            cluster: &cluster,
            server: None,
            nodes: None,
            wanted: Default::default(),
            now: "2026-11-23T06:00:00Z".parse().unwrap(),
        },
    )
}

fn read_files(files: &[(&str, &str)]) -> Read {
    read_folder(folder(files).path())
}

fn names(read: &Read) -> Vec<String> {
    read.objects.iter().map(|object| format!("{}/{}", object.gvk.kind, object.name)).collect()
}

#[test]
fn trivy_says_what_where_and_since_when() {
    let scan = scan(TRIVY);
    assert_eq!((scan.scanner.as_str(), scan.version.as_deref()), ("trivy", Some("0.67.2")));
    assert_eq!(scan.at, time("2026-11-22T21:04:11Z"));
    assert_eq!(scan.created, time("2026-03-02T09:11:44Z"));
    assert_eq!(scan.digests, ["sha256:3f1c2b9a7d8e6f5041322334455667788990aabbccddeeff0011223344556677"]);
    assert!(scan.references.contains(&"registry.example.com/shop/cart:2.15.0".to_string()), "{scan:?}");
    assert_eq!(scan.vulnerabilities.as_ref().unwrap().len(), 6);
    let openssl = found(&scan, "CVE-2026-31001");
    assert_eq!((openssl.package.as_str(), openssl.fixed.as_str()), ("libssl3t64", "3.5.1-1+deb13u1"));
    assert_eq!((openssl.severity, openssl.published), (VulnerabilitySeverity::Critical, time("2026-08-14T17:15:00Z")));
    assert_eq!(openssl.aliases, ["DSA-5991-1"]);
    assert_eq!(found(&scan, "CVE-2026-40404").fixed, "0.45.0", "the first of several");
    let unrated = found(&scan, "TEMP-0290435-0B57B5");
    assert_eq!((unrated.severity, unrated.published), (VulnerabilitySeverity::Unknown, None));
}

#[test]
fn grype_names_its_image_in_four_places() {
    let scan = scan(GRYPE);
    assert_eq!(scan.digests, ["sha256:51d0a4e1b2c3f4059687a8b9cadbecfd0e1f2031425364758697a8b9cadbecfd"]);
    assert_eq!((scan.at, scan.created), (time("2026-11-11T05:30:00Z"), time("2026-10-01T08:00:00Z")));
    assert_eq!(scan.ignored, 1, "what was left out is counted");
    let runc = found(&scan, "GHSA-8fg7-p2hx-q9rc");
    assert_eq!((runc.aliases, runc.published), (vec!["CVE-2026-31133".to_string()], time("2026-11-05T00:00:00Z")));
    assert_eq!(found(&scan, "CVE-2011-3374").severity, VulnerabilitySeverity::Low);
}

#[test]
fn sarif_of_three_scanners() {
    let trivy = scan(TRIVY_SARIF);
    assert_eq!(trivy.digests, ["sha256:8b1c4c7a0f5f3a3c5d1e2b9f6a7d8c9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8"]);
    assert_eq!(trivy.at, None, "Trivy's SARIF has no date");
    assert_eq!(trivy.vulnerabilities.as_ref().unwrap().len(), 1, "a misconfiguration is none");
    let openssl = found(&trivy, "CVE-2026-31001");
    assert_eq!((openssl.version.as_str(), openssl.fixed.as_str()), ("3.5.1-1", "3.5.1-1+deb13u1"));

    let grype = scan(GRYPE_SARIF);
    assert_eq!(grype.digests, ["sha256:a91e4c0d5b6f7081928374655647382910abcdef0123456789abcdef01234567"]);
    assert_eq!(grype.at, time("2026-11-20T03:00:00Z"));
    assert_eq!(found(&grype, "CVE-2026-31001").severity, VulnerabilitySeverity::High);

    let scout = scan(SCOUT_SARIF);
    let crypto = found(&scout, "CVE-2026-40404");
    assert_eq!((crypto.package.as_str(), crypto.version.as_str(), crypto.fixed.as_str()), ("crypto", "0.44.0", ""));
    assert_eq!(crypto.purl.as_deref(), Some("pkg:golang/golang.org/x/crypto@0.44.0"));
}

#[test]
fn a_bill_of_materials_with_vulnerabilities_is_both() {
    let found_in = content(CYCLONEDX.as_bytes()).unwrap();
    let scan = found_in.scan.unwrap();
    assert!(scan.sbom);
    assert_eq!((scan.scanner.as_str(), scan.bom.as_deref()), ("trivy", Some("3e671687-395b-41f5-a30f-a58921a69b79")));
    let openssl = found(&scan, "CVE-2026-31001");
    assert_eq!(openssl.severity, VulnerabilitySeverity::Critical, "the worst of several sources");
    assert_eq!(openssl.fixed, "3.5.1-1+deb13u1");
    let crypto = found(&scan, "CVE-2026-40404");
    assert_eq!((crypto.package.as_str(), crypto.fixed.as_str()), ("golang.org/x/crypto", "0.45.0"));
    assert_eq!(crypto.severity, VulnerabilitySeverity::High, "by the score alone");
    let statements = found_in.vex.unwrap().statements;
    assert_eq!((statements.len(), statements[0].status), (1, VexStatus::NotAffected));
    assert_eq!(statements[0].product.digests, scan.digests);
}

#[test]
fn an_empty_list_of_vulnerabilities_is_no_search() {
    for empty in [json!([]), Value::Null] {
        let scan = scan(&with(CYCLONEDX, "/vulnerabilities", empty));
        assert_eq!((scan.sbom, scan.vulnerabilities), (true, None));
    }
}

#[test]
fn vex_is_placed_or_left_out() {
    let openvex = vex(OPENVEX);
    let of = |id: &str| openvex.statements.iter().find(|s| s.vulnerabilities.iter().any(|v| v == id)).unwrap();
    let image = &of("CVE-2026-31001").product;
    assert_eq!(image.digests, ["sha256:3f1c2b9a7d8e6f5041322334455667788990aabbccddeeff0011223344556677"]);
    assert_eq!(image.package.as_deref(), Some("pkg:deb/debian/libssl3t64@3.5.1-1"));
    assert_eq!(of("CVE-2026-31133").at, time("2026-11-10T00:00:00Z"));
    assert_eq!(of("CVE-2026-40404").product.references, ["registry.example.com/shop/cart:2.15.0"]);
    let linked = vex(CYCLONEDX_VEX);
    assert_eq!(linked.author.as_deref(), Some("team shop"));
    assert_eq!(linked.statements[0].product.bom.as_deref(), Some("3e671687-395b-41f5-a30f-a58921a69b79"));
    assert_eq!(linked.statements[0].product.package.as_deref(), Some("pkg:golang/golang.org/x/crypto@v0.44.0"));
    for nowhere in [
        json!([]),
        json!(["cart"]),
        json!([{"@id": "pkg:oci/cart"}]),
        json!([{"@id": "https://example.com/cart"}]),
        json!([{"hashes": {"md5": "d41d8cd98f00b204e9800998ecf8427e"}}]),
    ] {
        let mut document: Value = serde_json::from_str(OPENVEX).unwrap();
        let statement = document["statements"][0].clone();
        document["statements"] = json!([statement]);
        document["statements"][0]["products"] = nowhere.clone();
        assert!(refusal(&document.to_string()).contains("names an image or a package"), "{nowhere}");
    }
}

#[test]
fn products_name_images_in_several_ways() {
    for (product, digests, references) in [
        (
            "pkg:oci/cart?repository_url=registry.example.com/shop&tag=1.0",
            0,
            vec!["registry.example.com/shop/cart:1.0"],
        ),
        ("pkg:oci/cart?repository_url=registry.example.com/shop/cart", 0, vec!["registry.example.com/shop/cart"]),
        ("pkg:docker/shop/cart@1.0", 0, vec!["docker.io/shop/cart:1.0"]),
        ("pkg:docker/nginx@1.29", 0, vec!["docker.io/library/nginx:1.29"]),
        ("pkg:oci/cart@sha256%3A3f1c2b9a7d8e6f5041322334455667788990aabbccddeeff0011223344556677", 1, vec![]),
        ("quay.io/shop/cart:1", 0, vec!["quay.io/shop/cart:1"]),
    ] {
        let stated = vex(&with(OPENVEX, "/statements/2/products", json!([{"@id": product}])));
        let statement = stated.statements.iter().find(|s| s.vulnerabilities == ["CVE-2026-40404"]).unwrap();
        assert_eq!(statement.product.references, references, "{product}");
        assert_eq!(statement.product.digests.len(), digests, "{product}");
    }
}

#[test]
fn a_reassurance_needs_a_reason() {
    let bare = with(OPENVEX, "/statements/0/justification", Value::Null);
    assert!(refusal(&bare).contains("CVE-2026-31001, DSA-5991-1 is not_affected and not why"));
    assert!(content(with(&bare, "/statements/0/impact_statement", json!("never called")).as_bytes()).is_ok());
    assert!(refusal(&with(OPENVEX, "/statements/0/status", json!("harmless"))).contains("unknown variant"));
}

#[test]
fn results_for_other_things_are_told_apart() {
    for (text, says) in [
        (with(TRIVY, "/ArtifactType", json!("filesystem")), "Trivy's result for a filesystem"),
        (with(TRIVY, "/Results", json!([{"Target": "x", "Class": "secret"}])), "--scanners vuln"),
        (with(TRIVY, "/Results", Value::Null), "--scanners vuln"),
        (with(GRYPE, "/source", json!({"type": "directory", "target": "/src"})), "Grype's result for a directory"),
        (with(GRYPE, "/source", Value::Null), "does not say what Grype looked at"),
        (with(CYCLONEDX, "/metadata/component/type", json!("application")), "describes no container image"),
        (with(TRIVY_SARIF, "/runs", json!([])), "no run or several"),
        (with(TRIVY_SARIF, "/runs/0/properties", Value::Null), "does not say which image"),
        ("{}".into(), "in no format that is read here"),
        (r#"{"spdxVersion": "SPDX-2.3", "packages": []}"#.into(), "in no format that is read here"),
        (r#"{"apiVersion": "v1", "kind": "Secret", "data": {"a": "b"}}"#.into(), "in no format that is read here"),
    ] {
        let refusal = refusal(&text);
        assert!(refusal.contains(says), "{says}: {refusal}");
    }
}

#[test]
fn broken_files_are_told_with_their_line_and_the_rest_goes_on() {
    let cut = &TRIVY[..TRIVY.len() / 2];
    let read = read_files(&[
        ("cart.json", TRIVY),
        ("cut.json", cut),
        ("list.json", "[1, 2]"),
        ("empty.json", ""),
        ("odd.json", "{\n\"matches\": 5,\n\"descriptor\": {}}"),
        ("notes.txt", "not looked at"),
    ]);
    let told: Vec<(String, Option<u32>, &str)> = read
        .errors
        .iter()
        .map(|error| (error.file.rsplit('/').next().unwrap().to_string(), error.line, error.message.as_str()))
        .collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    let lines = u32::try_from(cut.lines().count()).unwrap();
    assert_eq!((told[0].0.as_str(), told[0].1), ("cut.json", Some(lines)));
    assert!(told[0].2.contains("ends in the middle"), "{}", told[0].2);
    assert_eq!(told[1].0, "empty.json");
    assert_eq!((told[3].0.as_str(), told[3].1), ("odd.json", Some(2)));
    assert_eq!(names(&read), ["ImageScan/cart-3f1c2b9a7d8e6f50-trivy"]);
    assert_eq!(read.lists[0].outcome.reason().as_deref(), Some("failed: 4 of 5 files could not be used"));
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let folder = folder(&[("big.json", TRIVY)]);
    let sealer = Sealer::new(None, "", Tokens::Foreign);
    let cluster = ClusterIdentity::default();
    let context = Context {
        sealer: &sealer,
        cluster: &cluster,
        server: None,
        nodes: None,
        wanted: Default::default(),
        now: "2026-11-23T06:00:00Z".parse().unwrap(),
    };
    let refused = file_content(&folder.path().join("big.json"), 1000, &context).unwrap_err();
    assert!(refused.message.contains("write one file for each image"), "{}", refused.message);
    // Sparse: it takes no room, and reading it would take minutes and 500 MB.
    let huge = fs::File::create(folder.path().join("big.json")).unwrap();
    huge.set_len(500 << 20).unwrap();
    let read = read_folder(folder.path());
    assert!(read.errors[0].message.starts_with("has 500 MiB, and a result of more than 64 MiB"), "{:?}", read.errors);
    assert_eq!(read.errors[0].line, None);
}

#[test]
fn a_scan_from_tomorrow_is_not_believed() {
    let read = read_files(&[("cart.json", &with(TRIVY, "/CreatedAt", json!("2027-01-01T00:00:00Z")))]);
    assert!(read.objects.is_empty());
    assert!(read.errors[0].message.contains("2027-01-01, which is yet to come"), "{:?}", read.errors);
}

#[test]
fn links_lead_nowhere() {
    let outside = folder(&[("cart.json", TRIVY)]);
    let inside = folder(&[]);
    std::os::unix::fs::symlink(outside.path(), inside.path().join("more")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("cart.json"), inside.path().join("cart.json")).unwrap();
    assert_eq!(names(&read_folder(inside.path())), Vec::<String>::new());
}

#[test]
fn the_newest_result_of_a_scanner_counts() {
    let old = with(TRIVY, "/CreatedAt", json!("2026-11-01T00:00:00Z"));
    let undated = with(TRIVY, "/CreatedAt", Value::Null);
    let moved = with(
        &with(TRIVY, "/Metadata/RepoDigests", json!([])),
        "/ArtifactName",
        json!("registry.example.com/shop/cart@sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
    );
    let read = read_files(&[("a.json", &old), ("b.json", TRIVY), ("c.json", &undated), ("d.json", &moved)]);
    assert_eq!(read.errors, []);
    assert_eq!(
        names(&read),
        ["ImageScan/cart-0011223344556677-trivy", "ImageScan/cart-3f1c2b9a7d8e6f50-trivy"],
        "one for each digest"
    );
    assert_eq!(read.objects[1].value()["spec"]["at"], "2026-11-22T21:04:11Z");
}

#[test]
fn a_list_of_components_does_not_replace_a_scan() {
    let bom = with(CYCLONEDX, "/vulnerabilities", json!([]));
    let read = read_files(&[
        ("scan.json", CYCLONEDX),
        ("bom.json", &with(&bom, "/metadata/timestamp", json!("2026-11-23T00:00:00Z"))),
    ]);
    let scans: Vec<String> = names(&read).into_iter().filter(|name| name.starts_with("ImageScan")).collect();
    assert_eq!(scans, ["ImageScan/catalog-a91e4c0d5b6f7081-trivy", "ImageScan/catalog-a91e4c0d5b6f7081-trivy-sbom"]);
}

#[test]
fn ids_packages_and_versions_stay_readable() {
    let read = read_files(&ALL);
    assert_eq!(read.errors, []);
    assert_eq!((read.lists[0].count, read.lists[1].count), (6, 3));
    for object in &read.objects {
        assert!(!object.json.contains("redacted:"), "{}", object.json);
        assert!(!object.json.contains("not kept") && !object.json.contains("hunter2"), "{}", object.json);
    }
    let all: String = read.objects.iter().map(|object| object.json.to_string()).collect();
    for kept in [
        "GHSA-8fg7-p2hx-q9rc",
        "TEMP-0290435-0B57B5",
        "1:1.3.dfsg+really1.3.1-1+b1",
        "v0.0.0-20250304183936-7aac2a2c5b7c",
        "sha256:51d0a4e1b2c3f4059687a8b9cadbecfd0e1f2031425364758697a8b9cadbecfd",
        "vulnerable_code_not_in_execute_path",
    ] {
        assert!(all.contains(kept), "{kept}");
    }
}

#[test]
fn a_credential_in_a_result_is_redacted_all_the_same() {
    let leak = with(TRIVY, "/Results/0/Vulnerabilities/0/PkgName", json!("https://user:pa55word@git.example.com/x"));
    let read = read_files(&[("cart.json", &leak)]);
    assert!(!read.objects[0].json.contains("pa55word"), "{}", read.objects[0].json);
}

fn digests(read: &Read) -> Vec<(String, String)> {
    let digest = |object: &Object| (object.name.clone(), object.digest.to_string());
    read.objects.iter().map(digest).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_and_names_of_files_do_not_matter(order in Just(ALL.to_vec()).prop_shuffle()) {
        let renamed: Vec<(String, &str)> =
            order.iter().enumerate().map(|(at, (_, text))| (format!("{at}.json"), *text)).collect();
        let renamed: Vec<(&str, &str)> = renamed.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        prop_assert_eq!(digests(&read_files(&renamed)), digests(&read_files(&ALL)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = content(&bytes);
    }

    #[test]
    fn no_damaged_document_makes_a_reader_panic(
        document in 0..ALL.len(), at in any::<prop::sample::Index>(), with in "[ -~]{0,4}", cut in any::<bool>(),
    ) {
        let text = ALL[document].1;
        let at = at.index(text.len());
        let rest = if cut { "" } else { text.get(at + with.len()..).unwrap_or_default() };
        if let Some(start) = text.get(..at) {
            let _ = content(format!("{start}{with}{rest}").as_bytes());
        }
    }

    #[test]
    fn no_value_in_any_place_makes_a_reader_panic(
        document in 0..ALL.len(),
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![json!(null), json!(-1), json!(1e300), json!(""), json!("é:/@#"), json!([]), json!({}), json!([null])]),
    ) {
        let mut tree: Value = serde_json::from_str(ALL[document].1).unwrap();
        let pointers = pointers(&tree, String::new());
        *tree.pointer_mut(&pointers[place.index(pointers.len())]).unwrap() = value;
        let _ = content(tree.to_string().as_bytes());
    }
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let below =
        |key: String, value: &Value| pointers(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")));
    let mut all = vec![at.clone()];
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| all.extend(below(key.clone(), value))),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| all.extend(below(i.to_string(), value))),
        _ => {}
    }
    all
}
