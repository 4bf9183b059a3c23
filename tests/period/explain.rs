//! What an auditor who has only the package and the key asks: the state on a day, how it is known, what happened, and the
//! bytes that show it.

use std::fs;

use kubeproof::{bundle::SigningKey, digest::Digest};

use super::{
    auditor::Auditor,
    quarter::{CLUSTER, Day, Quarter, deployment},
};

const ROW: &str = "pss-baseline/privileged";

/// cart fails on 2 and 3 October, and is repaired by the 5th; nothing ran on the 4th.
fn package() -> Auditor {
    Auditor::of(&Quarter::of([
        Day::new("2026-10-01T06:00:00Z"),
        Day::new("2026-10-02T06:00:00Z").failing("cart", 2),
        Day::new("2026-10-03T06:00:00Z").failing("cart", 2),
        Day::new("2026-10-05T06:00:00Z").with(deployment("cart", 3)),
    ]))
}

impl Auditor {
    pub fn explain(&self, more: &[&str]) -> (i32, String, String) {
        self.run(&[&["explain"], more, &["--package", "q4"]].concat(), Some(&self.key()))
    }

    /// What is said, as one line; the command must succeed.
    pub fn told(&self, more: &[&str]) -> String {
        let (code, out, error) = self.explain(more);
        assert_eq!(code, 0, "{error}");
        let wide =
            out.lines().find(|line| line.chars().count() > 80 && line.trim().contains(' ') && !line.contains('/'));
        assert_eq!(wide, None, "{out}");
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The error; the command must fail with that code.
    fn refused(&self, code: i32, more: &[&str]) -> String {
        let (actual, out, error) = self.explain(more);
        assert_eq!((actual, out.as_str()), (code, ""), "{error}");
        error
    }
}

#[test]
fn a_day_is_told_by_its_run_down_to_the_signed_byte() {
    let package = package();
    let said = package.told(&[ROW, "--on", "2026-10-02"]);
    assert!(said.contains("2026-10-02 1 run Run 0001 2 Oct 2026 06:00 UTC: exceptions noted"), "{said}");
    assert!(
        said.contains("X-0001 critical Deployment/shop/cart: container app runs privileged; first seen by run 0001"),
        "{said}"
    );

    let results = format!("data/evidence/{CLUSTER}/results/0001/pss-baseline.json");
    let digest = Digest::of(fs::read(package.path().join(&results)).unwrap()).hex();
    assert!(said.contains(&format!("{results} says it; its SHA-256 is {digest}")), "{said}");
    let manifest = format!("data/evidence/{CLUSTER}/runs/0001/manifest-sha256.txt");
    assert!(said.contains(&format!("{manifest} names that digest")), "{said}");
    let manifest = fs::read_to_string(package.path().join(&manifest)).unwrap();
    assert!(manifest.contains(&format!("{digest}  data/results/pss-baseline.json\n")), "{manifest}");
}

#[test]
fn a_requirement_that_held_says_what_was_looked_at() {
    let said = package().told(&[ROW, "--on", "2026-10-01"]);
    assert!(said.contains("Run 0000 1 Oct 2026 06:00 UTC: no exceptions noted"), "{said}");
    assert!(said.contains("Known by container-privileged: 0 of "), "{said}");
    assert!(said.contains("results/0000/pss-baseline.json says it"), "{said}");
    assert!(!said.contains("X-0001"), "no failure stood on that run: {said}");
}

#[test]
fn a_day_without_a_run_is_told_by_its_neighbours_and_no_further() {
    let package = package();
    let said = package.told(&[ROW, "--on", "2026-10-04"]);
    assert!(
        said.contains("no run on this day: the last before it is run 0002 (3 Oct 2026 06:00 UTC), the next run 0003")
    );
    assert!(said.contains("They differ, and no run saw when it changed. gone on run 0003: X-0001"), "{said}");
    let said = package.told(&[ROW, "--on", "2026-10-09"]);
    assert!(said.contains("no run on this day, nor after it: what is known is from run 0003"), "{said}");
    assert!(!said.contains("They differ"), "{said}");
}

#[test]
fn without_a_day_the_states_of_the_period_stand_in_order() {
    let said = package().told(&[ROW]);
    let order =
        ["run 0000", "run 0001 (2 Oct 2026 06:00 UTC) to run 0002", "run 0003"].map(|part| said.find(part).unwrap());
    assert!(order.is_sorted(), "{said}");
    assert!(said.contains("Operation no exception in 2 of 4 runs"), "{said}");
    assert!(said.contains("kubeproof explain X-0001 --package q4"), "the next question: {said}");
}

#[test]
fn an_exception_leads_to_bytes_with_the_digest_that_it_names() {
    let package = package();
    let said = package.told(&["X-0001"]);
    assert!(said.contains("Began after run 0000 (1 Oct 2026 06:00 UTC), by run 0001"), "{said}");
    assert!(said.contains("Ended after run 0002 (3 Oct 2026 06:00 UTC), by run 0003"), "{said}");
    assert!(said.contains("Deployment/shop/cart without it: sha256:"), "{said}");
    let (_, shown) = said.split_once("Deployment/shop/cart shows it: ").unwrap();
    let digest = shown.split_whitespace().next().unwrap();
    for name in [digest, &digest[..20]] {
        let (code, text, error) = package.explain(&[name]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(Digest::of(&text).to_string(), digest, "the bytes themselves, and nothing else");
    }
}

#[test]
fn a_finding_is_found_by_its_id_with_every_time_that_it_came() {
    let package = Auditor::of(&Quarter::of([
        Day::new("2026-10-01T06:00:00Z").failing("cart", 2),
        Day::new("2026-10-02T06:00:00Z").with(deployment("cart", 3)),
        Day::new("2026-10-03T06:00:00Z").failing("cart", 2).failing("search", 2),
    ]));
    let said = package.told(&["X-0001"]);
    let (_, id) = said.split_once("Finding ").unwrap();
    let said = package.told(&[&id[..8]]);
    assert!(said.contains("Ended after run 0000") && said.contains("Ended open: the last run"), "{said}");
    assert!(!said.contains("Deployment/shop/search"), "{said}");
    package.refused(2, &[&id[..8], "--on", "2026-10-02"]);
    let error = package.refused(2, &["0000dead"]);
    assert!(error.contains("no exception of the package has a finding whose id begins with '0000dead'"), "{error}");
}

#[test]
fn a_framework_says_how_many_rows_came_to_what() {
    let said = package().told(&["pss-baseline"]);
    assert!(said.contains("Rows 1 with an exception in some run"), "{said}");
    assert!(said.contains("pss-baseline/privileged: no exception in 2 of 4 runs"), "{said}");
    assert!(said.contains("kubeproof explain pss-baseline/privileged --package q4"), "{said}");
}

#[test]
fn what_is_not_there_is_said_and_what_is_meant_is_guessed() {
    let package = package();
    let error = package.refused(2, &["pss-baseline/privilege"]);
    assert!(error.contains("did you mean 'pss-baseline/privileged'?"), "{error}");
    let error = package.refused(2, &["hipaa/164.312"]);
    assert!(error.contains("its frameworks are pss-baseline"), "{error}");
    let error = package.refused(2, &["X-0099"]);
    assert!(error.contains("its exceptions are X-0001 to X-0001"), "{error}");
    let error = package.refused(2, &["container-privileged"]);
    assert!(error.contains("ask for a framework (pci-dss), a requirement (pci-dss/2.2.6)"), "{error}");
    let error = package.refused(2, &[ROW, "--on", "12.08.2026"]);
    assert!(error.contains("write a day as year, month and day: 2026-08-12"), "{error}");
    let error = package.refused(2, &[ROW, "--on", "2027-01-01"]);
    assert!(error.contains("it speaks of 2026-10-01 to 2026-10-10"), "{error}");
    assert!(package.refused(2, &["sha256:12"]).contains("at least 8"));
    assert!(package.refused(2, &["sha256:1234567890"]).contains("cites no object"));
    assert!(package.refused(2, &[ROW, "--cluster", "other"]).contains(CLUSTER));
    assert!(package.refused(2, &["X-0001", "--on", "2026-10-02"]).contains("leave out --on"));
}

#[test]
fn nothing_is_told_of_a_package_that_is_not_proved() {
    let package = package();
    let (code, out, error) = package.run(&["explain", ROW, "--package", "q4"], None);
    assert_eq!((code, out.as_str()), (4, ""), "{error}");
    let stranger = package.path().with_file_name("stranger.pub");
    fs::write(&stranger, SigningKey::from_seed([9; 32]).public().to_pem().unwrap()).unwrap();
    assert_eq!(package.run(&["explain", ROW, "--package", "q4"], Some(&stranger)).0, 4);
    let results = package.path().join(format!("data/evidence/{CLUSTER}/results/0001/pss-baseline.json"));
    let changed = fs::read_to_string(&results).unwrap().replacen("fail", "pass", 1);
    fs::write(&results, changed).unwrap();
    assert!(package.refused(3, &[ROW]).contains("results/0001/pss-baseline.json"));
}

#[test]
fn the_questions_that_the_readme_prints_are_answered_as_they_stand() {
    let package = package();
    let readme = fs::read_to_string(package.path().join("data/documents/readme.md")).unwrap();
    let asked: Vec<&str> = readme.lines().filter(|line| line.starts_with("kubeproof explain ")).collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    for line in asked {
        let words = line.split(" | ").next().unwrap().split_whitespace().skip(1);
        let words: Vec<&str> = words.map(|word| if word == "PACKAGE" { "q4" } else { word }).collect();
        let (code, out, error) = package.run(&words, None);
        assert_eq!((code, error.as_str()), (0, ""), "{line}");
        assert!(out.contains("cart"), "{line}: {out}");
    }
}
