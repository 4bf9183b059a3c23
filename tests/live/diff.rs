//! `kubeproof diff`: two moments compared outside of any run.

use std::fs;

use serde_json::Value;

use super::workspace::{Workspace, entries};
use crate::harness::judges;

const PLAIN: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cart, namespace: shop}\nspec:\n  template:\n    \
                     spec:\n      containers:\n        - name: app\n          image: registry.example.com/cart:1\n";

fn privileged() -> String {
    format!("{PLAIN}          securityContext: {{privileged: true}}\n")
}

fn examples(day: &str) -> String {
    format!("{}/examples/shop-2026-{day}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_example_says_what_got_worse_first() {
    let user = Workspace::new();
    let config = format!("{}/examples/kubeproof.yaml", env!("CARGO_MANIFEST_DIR"));
    let (old, new) = (examples("10-26"), examples("11-23"));
    let diff = |more: &[&str]| user.run(&[&["diff", &old, &new, "--config", &config], more].concat());
    let text = diff(&[]).expect(0).stdout;
    assert!(text.starts_with("shop-prod, 26 Oct 2026 06:00 UTC to 23 Nov 2026 06:00 UTC\n\nWorse ("), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("no '{needle}' in:\n{text}"));
    assert!(at("CRITICAL Deployment/shop/cart: container app runs privileged") < at("Better ("));
    assert!(at("Better (") < at("Objects (") && at("added Deployment/shop/recommendations") > at("Objects ("));
    assert!(text.contains("ci-bot") && text.contains("by helm"), "{text}");

    let json: Value =
        serde_json::from_str(&diff(&["--format", "json", "--fail-on-new", "critical"]).expect(1).stdout).unwrap();
    assert_eq!((&json["schema"], &json["old"]["index"]), (&"kubeproof.dev/diff/v1".into(), &Value::Null));
    let changes = json["drift"]["findings"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["cause"] != "rules"), "the same rules on both sides");
    // Policies came where flannel ignores them: whether they hold cannot be seen, so nothing is resolved.
    let lost =
        changes.iter().filter(|change| change["change"] == "lost-sight").all(|change| change["cause"] == "sight");
    assert!(lost && changes.iter().any(|change| change["change"] == "lost-sight"));
    let narrow = diff(&["--only", "findings", "--severity", "critical", "--namespace", "shop"]).expect(0).stdout;
    assert!(narrow.contains("Worse (1)") && !narrow.contains("Objects"), "{narrow}");
    let markdown = diff(&["--format", "markdown", "--only", "rules"]).expect(0).stdout;
    assert!(markdown.starts_with("## shop-prod, ") && markdown.ends_with("\nNothing changed.\n"), "{markdown}");
}

#[test]
fn bundles_are_proved_before_they_are_compared() {
    let user = Workspace::new();
    user.write("deploy/cart.yaml", PLAIN);
    user.run(&["run", "--from", "deploy", "--store", "evidence"]).expect(0);
    let old = user.bundle();
    user.write("deploy/cart.yaml", &privileged());
    user.run(&["run", "--from", "deploy", "--store", "evidence"]).expect(0);
    let new = user.bundles().into_iter().find(|bundle| *bundle != old).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let said = user.run(&["diff", old, new]).expect(0).stdout;
    assert!(said.contains("container app runs privileged") && said.contains("the cluster changed"), "{said}");
    assert!(user.run(&["diff", new, new]).expect(0).stdout.ends_with("Nothing changed.\n"));
    user.run(&["diff", old, "deploy", "--fail-on-new", "critical"]).expect(1);

    user.run(&["keys", "generate", "--out", "others"]).expect(0);
    user.run(&["diff", old, new, "--key", "others/signing.pub"]).expect(4).says(old);
    fs::write(std::path::Path::new(new).join("data/drift.json"), "{}").unwrap();
    user.run(&["diff", old, new]).expect(3).says("data/drift.json");
}

/// The words of a PDF, without the places where lines end.
fn words(pdf: &std::path::Path) -> String {
    judges::pdf_text(pdf).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn expect(text: &str, needles: &[&str]) {
    for needle in needles {
        assert!(text.contains(needle), "no '{needle}' in {text}");
    }
}

#[test]
fn a_comparison_is_a_pdf_that_judges_accept_and_a_page_that_loads_nothing() {
    let user = Workspace::new();
    let config = format!("{}/examples/kubeproof.yaml", env!("CARGO_MANIFEST_DIR"));
    let (old, new) = (examples("10-26"), examples("11-23"));
    let diff = |more: &[&str]| user.run(&[&["diff", &old, &new, "--config", &config], more].concat()).expect(0);
    assert_eq!(diff(&["--format", "pdf", "--output", "out/drift.pdf"]).stdout, "");
    let pdf = user.path("out/drift.pdf");
    judges::verapdf(&pdf).unwrap_or_else(|e| panic!("{e}"));
    let json: Value = serde_json::from_str(&diff(&["--format", "json"]).stdout).unwrap();
    let changes = json["drift"]["findings"].as_array().unwrap();
    let came = changes.iter().filter(|change| change["change"] == "new" && change["accepted"] == false).count();
    let gone = changes.iter().filter(|change| change["change"] == "resolved").count();
    let numbers = format!("{came} new exceptions, 1 of them critical; {gone} gone.");
    let text = words(&pdf);
    let said = [
        numbers.as_str(),
        "26 Oct 2026 06:00 UTC",
        "28 days",
        "worse",
        "better",
        "appeared",
        "lost sight of",
        "critical shop/cart container app runs privileged",
        "team-shop · cluster: helm, 9 Nov 17:02",
        "waiver W-7 in force before, expired now applied to Deployment/shop/legacy-export",
        "RoleBinding/payments/ci-debug -> Role/ci-debug",
        "Nothing was verified",
        "kubeproof diff",
    ];
    expect(&text, &said);
    let redirected = fs::File::create(user.path("redirected.pdf")).unwrap();
    let mut command = user.kubeproof();
    command.args(["diff", &old, &new, "--config", &config, "--format", "pdf"]).stdout(redirected);
    assert!(command.status().unwrap().success());
    assert!(fs::read(&pdf).unwrap() == fs::read(user.path("redirected.pdf")).unwrap(), "the same bytes again");

    diff(&["--format", "html", "-o", "drift.html"]);
    let page = fs::read_to_string(user.path("drift.html")).unwrap();
    expect(&page, &["<title>What changed, shop-prod", "default-src 'none'", "container app runs privileged"]);
    assert!(!page.contains("<script") && !page.contains("src="), "it loads nothing");
    diff(&["--format", "markdown", "-o", "drift.md"]);
    assert!(fs::read_to_string(user.path("drift.md")).unwrap().starts_with("## shop-prod, "));
    let none = user.run(&["diff", &old, &old, "--config", &config, "--format", "pdf", "-o", "none.pdf"]);
    none.expect(0);
    expect(
        &words(&user.path("none.pdf")),
        &["Nothing changed in less than a minute;", "exceptions stand as they did."],
    );
    user.run(&["diff", &old, &new, "--format", "pdf", "-o", "/dev/null/x.pdf"]).expect(2).says("/dev/null/x.pdf");
}

#[test]
fn every_bundle_with_something_to_compare_holds_the_document_of_it() {
    let user = Workspace::new();
    let config = format!("{}/examples/kubeproof.yaml", env!("CARGO_MANIFEST_DIR"));
    let runs =
        ["run", "--config", &config, "--from", &examples("10-26"), "--from", &examples("11-23"), "--store", "evidence"];
    let said = user.run(&runs).expect(0).stdout;
    assert_eq!(said.matches("/data/report/drift.pdf").count(), 1, "the first run has none:\n{said}");
    let (with, without): (Vec<_>, Vec<_>) =
        user.bundles().into_iter().partition(|bundle| bundle.join("data/report/drift.pdf").exists());
    let ([new], [old]) = (with.as_slice(), without.as_slice()) else { panic!("{with:?} {without:?}") };
    assert_eq!(entries(&old.join("data/report")).len(), 2);
    let pdf = new.join("data/report/drift.pdf");
    judges::verapdf(&pdf).unwrap_or_else(|e| panic!("{e}"));
    let key = user.public_key();
    let (new_path, old_path, key) = (new.to_str().unwrap(), old.to_str().unwrap(), key.to_str().unwrap());
    let verified = user.run(&["verify", new_path, "--key", key, "--json"]).expect(0).stdout;
    assert!(verified.contains("2 PDFs of this evidence"), "{verified}");

    let root = |bundle: &std::path::Path| {
        let script = "grep -v '  data/report/' manifest-sha256.txt | sha256sum | cut -c1-64";
        judges::shell(script, bundle).unwrap().trim().to_owned()
    };
    let grouped = |hex: &str| hex.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    user.run(&["diff", old_path, new_path, "--key", key, "--format", "pdf", "-o", "drift.pdf"]).expect(0);
    let outside = user.path("drift.pdf");
    judges::verapdf(&outside).unwrap_or_else(|e| panic!("{e}"));
    for pdf in [&pdf, &outside] {
        let text = words(pdf);
        for root in [root(old), root(new)] {
            expect(&text, &[&grouped(&root[..32]), &grouped(&root[32..]), &root[..16]]);
        }
        expect(&text, &["production · kubeadm", "log entry 0", "Verified with this key", "The signature shows"]);
    }
    expect(&words(&pdf), &["the bundle that this document lies in"]);
    expect(&words(&outside), &["log entry 1", new.file_name().unwrap().to_str().unwrap().get(..12).unwrap()]);

    // A document of other evidence is found, as the report would be.
    fs::copy(&outside, &pdf).unwrap();
    user.run(&["verify", new_path, "--key", key]).expect(3);
}

#[test]
fn what_cannot_be_compared_is_one_sentence() {
    let user = Workspace::new();
    user.write("deploy/cart.yaml", PLAIN);
    user.write("empty/README", "nothing");
    user.run(&["diff", "deploy", "nowhere"]).expect(2).says("nowhere: no such file or folder");
    user.run(&["diff", "deploy", "empty"]).expect(2).says("no Kubernetes object in empty");
    user.run(&["diff", "deploy", "deploy", "--key", "nokey.pub"]).expect(2).says("nokey.pub");
}

#[test]
fn days_of_a_store_name_the_last_run_that_verifies() {
    let user = Workspace::new();
    let config = format!("{}/examples/kubeproof.yaml", env!("CARGO_MANIFEST_DIR"));
    let runs =
        ["run", "--config", &config, "--from", &examples("10-26"), "--from", &examples("11-23"), "--store", "evidence"];
    user.run(&runs).expect(0);
    let diff = |days: &[&str]| user.run(&[&["diff", "--store", "evidence"], days].concat());
    let ended = diff(&["2026-10-30", "2026-11-23"]).expect(0);
    assert!(ended.stdout.starts_with("shop-prod, 26 Oct 2026 06:00 UTC to 23 Nov 2026"), "{}", ended.stdout);
    assert!(ended.stdout.contains("container app runs privileged"), "{}", ended.stdout);
    assert!(ended.stderr.contains("2026-10-30: bundle ") && ended.stderr.contains("log entry 0, ended 26 Oct 2026"));
    assert!(diff(&["2026-10-26", "2026-11-22"]).expect(0).stdout.ends_with("Nothing changed.\n"), "one run, both days");

    diff(&["2026-10-25", "2026-11-23"]).expect(2).says("on 2026-10-25 or before verifies");
    diff(&["2026-11-23", "2026-10-26"]).expect(2).says("2026-11-23 is after 2026-10-26");
    diff(&["October", "2026-10-26"]).expect(2).says("'October' is no day");
    diff(&["2026-10-26", "2026-11-23", "--cluster", "shop-test"]).expect(2).says("no cluster 'shop-test'");
    user.run(&["diff", "--store", "nowhere", "2026-10-26", "2026-11-23"]).expect(2).says("nowhere");

    let newest = user
        .bundles()
        .into_iter()
        .find(|bundle| fs::read_to_string(bundle.join("data/coverage.json")).unwrap().contains("2026-11-23"));
    fs::write(newest.unwrap().join("data/findings.csv"), "x").unwrap();
    let passed = diff(&["2026-10-26", "2026-11-23"]).expect(0);
    assert!(passed.stderr.contains("is passed over: data/findings.csv"), "{}", passed.stderr);
    assert!(passed.stdout.ends_with("Nothing changed.\n"), "the older one is all that verifies: {}", passed.stdout);
}
