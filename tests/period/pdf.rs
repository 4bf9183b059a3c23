//! The PDF of a framework: what it says, that independent judges accept it, and that it holds at any size.

use std::fs;

use kubeproof::{
    period::{Period, documents::About, model::Exception},
    report,
};
use tempfile::TempDir;

use super::quarter::{Day, Quarter, reads_secrets, written};
use crate::harness::judges;

/// Ten days: a hole that stood for two runs and was repaired, a run that saw nothing of deployments, days without a run.
fn eventful() -> Quarter {
    let day = |number: u32| Day::new(&format!("2026-10-{number:02}T06:00:00Z"));
    let mut blind = day(6);
    blind.refused.push("deployments.apps");
    let hole = written(super::quarter::deployment("cart", 2), "helm", "2026-10-02T22:00:00Z");
    let [role, binding] = reads_secrets("reporter");
    let with_access = |day: Day| day.with(role.clone()).with(binding.clone());
    Quarter::of([
        day(1),
        day(2),
        day(3).failing("cart", 2).with(hole),
        day(4).failing("cart", 2),
        with_access(day(5)),
        with_access(blind),
        with_access(day(7)).failing("search", 9),
    ])
}

pub(super) fn made() -> Period {
    eventful().try_make(Some("59 5 * * *"), &[], None).unwrap().period
}

pub(super) fn pdf(period: &Period) -> Vec<u8> {
    let digest = kubeproof::digest::Digest::of("root");
    report::period_pdf(period, &period.frameworks[0], &About { root: digest, signing_key: digest }).unwrap()
}

/// The words of a document, one space between them.
pub(super) fn words(pdf: &[u8]) -> String {
    pages(pdf).join(" ")
}

/// The words of each page.
pub(super) fn pages(pdf: &[u8]) -> Vec<String> {
    let folder = TempDir::with_prefix("kubeproof-pdf-").unwrap();
    let path = folder.path().join("it.pdf");
    fs::write(&path, pdf).unwrap();
    let text = judges::pdf_text(&path);
    text.split('\u{c}').map(|page| page.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

pub(super) fn expect(text: &str, needles: &[&str]) {
    for needle in needles {
        assert!(text.contains(needle), "no '{needle}' in {text}");
    }
}

#[test]
fn the_package_holds_a_pdf_of_each_framework_that_judges_accept() {
    let made = eventful().try_make(Some("59 5 * * *"), &[], None).unwrap();
    let bytes = &made.package.files["data/documents/pss-baseline.pdf"];
    let folder = TempDir::with_prefix("kubeproof-pdf-").unwrap();
    let path = folder.path().join("pss-baseline.pdf");
    fs::write(&path, bytes).unwrap();
    judges::verapdf(&path).unwrap_or_else(|e| panic!("{e}"));
    let text = words(bytes);
    let root = made.package.root.hex();
    let grouped = |hex: &str| hex.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    expect(&text, &[&grouped(&root[..32]), &grouped(&root[32..]), &root]);
    for run in &made.period.clusters[0].runs {
        expect(&text, &[&run.bundle.hex()]);
    }
}

#[test]
fn it_says_what_the_package_says() {
    let period = made();
    let bytes = pdf(&period);
    assert!(bytes == pdf(&period), "the same package gives other bytes");
    let text = words(&bytes);
    let effect = period.clusters[0].requirements[0].effectiveness.as_ref().unwrap();
    assert_eq!((effect.without_exception, effect.with_exception, effect.not_evaluated), (3, 3, 1));
    expect(
        &text,
        &[
            "7 verified runs: 2 exceptions, 1 of them still open on the last run.",
            "1 October to 10 October 2026",
            "3 of 10 runs that were due are not here",
            "no cause is recorded",
            "Cause, and who states it",
            "run before: 7 Oct 2026 06:00 (run 0006); run after: none in the period",
            "No exception in 3 of 7 runs, not evaluated in 1",
            "0000–0001 (1 Oct – 2 Oct) no exceptions noted",
            "X-0001",
            "shop/cart",
            "team-shop",
            "written by helm (client",
            "fixed: its object",
            "open on the last run",
            "stood 1 day at",
            "Management's response",
            "10 runs due, 7 of them here and verified, 3 missed",
            "1 day at least, 3",
            "a run that was due is missing",
            "From failures to exceptions, run by run",
            "decides",
            "VERIFIED $R",
            "--stratify namespace --key signing.pub",
            "deployments.apps (refused",
            "Workloads 2",
            "read Secrets",
            "gained",
            "Nothing was attested or waived in this period",
            "evidence-root.txt",
        ],
    );
    assert!(text.contains("CONFIDENTIAL, FOR THE AUDITOR"), "the configured marking");
    for word in ["compliant", "certified", "verdict"] {
        assert!(!text.to_lowercase().contains(word), "'{word}'");
    }
}

#[test]
fn a_quiet_and_an_empty_period_say_so_in_a_sentence() {
    let day = |number: u32| Day::new(&format!("2026-10-{number:02}T06:00:00Z"));
    let mut period = Quarter::of([day(1), day(2)]).make().period;
    let quiet = words(&pdf(&period));
    let sentences = [
        "2 verified runs: no exception in this period.",
        "No exception in this period: nothing was there to repair.",
        "cluster shop-0a1b2c3d came 1 Oct 2026 06:00 (run 0000) its log begins",
        "Nobody gained or lost such a power in this period.",
        "Every run saw all that it asked for.",
        "nobody named one, and no run says when it was due",
    ];
    expect(&quiet, &sentences);
    let cluster = &mut period.clusters[0];
    cluster.runs.clear();
    cluster.requirements.clear();
    cluster.control_totals.clear();
    cluster.population.clear();
    cluster.cadence = Default::default();
    let empty = words(&pdf(&period));
    expect(&empty, &["No run of this period is proved", "Without a run nothing is known of exceptions."]);
}

#[test]
fn ten_thousand_exceptions_are_counted_and_named_elsewhere() {
    let mut period = made();
    let exceptions = &mut period.clusters[0].exceptions;
    let (first, many): (Exception, _) = (exceptions[0].clone(), 10_000 - exceptions.len());
    exceptions.extend((0..many).map(|nth| Exception { id: format!("X-{:04}", nth + 3), ..first.clone() }));
    let bytes = pdf(&period);
    let text = words(&bytes);
    expect(
        &text,
        &["10,000 exceptions", "9,940 more exceptions are not printed here", "workbook.xlsx, sheet Exceptions"],
    );
    let pages = lopdf::Document::load_mem(&bytes).unwrap().get_pages().len();
    assert!(pages < 40, "{pages} pages");
}

#[test]
fn several_clusters_stand_side_by_side() {
    let mut period = made();
    let mut quiet = period.clusters[0].clone();
    (quiet.name, quiet.folder) = ("staging".into(), "staging-99999999".into());
    quiet.exceptions.clear();
    for row in &mut quiet.requirements {
        row.exceptions.clear();
        let effect = row.effectiveness.as_mut().unwrap();
        (effect.without_exception, effect.with_exception) = (7, 0);
        (effect.not_evaluated, effect.sentence) = (0, "no exception in 7 of 7 runs".into());
    }
    period.clusters.push(quiet);
    let text = words(&pdf(&period));
    expect(&text, &["14 verified runs", "Clusters side by side", "staging: no exception in 7 of 7 runs"]);
}
