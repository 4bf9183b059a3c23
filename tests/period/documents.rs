//! The documents of a package, read by programs that nobody here wrote.

use std::{collections::BTreeMap, process::Command};

use tempfile::TempDir;

use super::{
    pdf,
    quarter::{Day, Made, Quarter, namespace, reads_secrets, write},
};
use crate::harness::tools;

const FORMULA: &str = "=cmd|' /C calc'!A0";
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// A period in which something of everything happened, with names that want to be more than names.
fn made() -> Made {
    let day = |number: u32| Day::new(&format!("2026-10-{number:02}T06:00:00Z"));
    let [role, binding] = reads_secrets("ci");
    let mut refused = day(4).failing(FORMULA, 2);
    refused.refused.push("rolebindings.rbac.authorization.k8s.io");
    let mut waived = day(3).failing("cart", 2);
    waived.failing[0].1 = Some("W-7");
    let mut blind = day(6).failing(MARKUP, 1);
    blind.undecided.push("cart");
    let days = [
        day(1),
        day(2).failing("cart", 2).with(role).with(binding),
        waived,
        refused,
        day(5).failing(FORMULA, 2).without("search"),
        blind.failing(FORMULA, 2).with(namespace("new")),
    ];
    let quarter = Quarter::new();
    for (at, day) in days.into_iter().enumerate() {
        let bundle = day.seal();
        quarter.commit(&bundle);
        if at == 4 {
            std::fs::write(quarter.bundle(&bundle).join("data/coverage.json"), "{}").unwrap();
        }
    }
    quarter.try_make(Some("59 5 * * *"), &[], None).unwrap()
}

fn document(made: &Made, name: &str) -> Vec<u8> {
    made.package.files[&format!("data/documents/{name}")].clone()
}

/// What a program says of the package that is written out for it.
fn judged(python: &std::path::Path, program: &str, made: &Made) -> String {
    let folder = TempDir::with_prefix("kubeproof-documents-").unwrap();
    write(folder.path(), &made.package.files);
    tools::run(Command::new(python).args(["-c", program]).arg(folder.path())).unwrap_or_else(|said| panic!("{said}"))
}

#[test]
fn workbook_csv_and_parquet_hold_the_same_rows_with_their_types() {
    let made = made();
    let [cluster] = made.period.clusters.as_slice() else { panic!("one cluster") };
    for (what, rows) in [
        ("exceptions", cluster.exceptions.len()),
        ("excluded", cluster.excluded.len()),
        ("privileged", cluster.privileged.len()),
        ("remarks", cluster.remarks.len()),
        ("scope changes", cluster.scope_changes.len()),
        ("missed", cluster.cadence.missed.len()),
    ] {
        assert!(rows > 0, "the period has no {what}: the judge would see an empty table");
    }
    let cells: usize = judged(tools::tables_python(), include_str!("tables.py"), &made).trim().parse().unwrap();
    assert!(cells > 300, "only {cells} cells were compared");
}

#[test]
fn trestle_reads_the_results_and_their_references_hold() {
    let made = made();
    assert_eq!(judged(tools::oscal_python(), include_str!("oscal.py"), &made).trim(), "1");
}

#[test]
fn the_page_links_to_every_document_loads_nothing_and_escapes_names() {
    let made = made();
    let page = String::from_utf8(document(&made, "index.html")).unwrap().replace("&#x2f;", "/");
    for path in made.package.files.keys().filter_map(|path| path.strip_prefix("data/documents/")) {
        assert!(path == "index.html" || page.contains(&format!("href=\"{path}\"")), "no link to {path}");
    }
    assert!(!page.contains("<img") && page.contains("&lt;img src=x onerror=alert(1)&gt;"), "{page}");
    assert!(page.contains("default-src 'none'; style-src 'sha256-") && !page.contains("script-src"));
    assert!(
        page.contains("base-uri 'none'; form-action 'none'") && !page.contains("<script") && !page.contains(" src=\"")
    );
    let links: Vec<&str> = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(links.iter().all(|link| !link.contains("//") && !link.starts_with('/')), "{links:?}");
    for needle in ["kubeproof verify PACKAGE --key signing.pub", "sha256sum -c --strict", &made.package.root.hex()] {
        assert!(page.contains(needle), "no '{needle}'");
    }
}

#[test]
fn a_missed_run_says_why_its_bundle_was_left_out_or_that_no_cause_is_recorded() {
    let made = made();
    let [cluster] = made.period.clusters.as_slice() else { panic!("one cluster") };
    let left_out = &cluster.excluded[0];
    let pdf = pdf::words(&document(&made, "pss-baseline.pdf"));
    let csv = String::from_utf8(document(&made, "tables/cadence.csv")).unwrap();
    for needle in ["A bundle claims to be it and was left out: not as it was signed", "Cause, and who states it"] {
        assert!(pdf.contains(needle), "no '{needle}' in {pdf}");
    }
    let claimed = format!("bundle {} claims to be it: {}", left_out.bundle, left_out.reason);
    assert!(csv.contains(&claimed.replace('"', "\"\"")), "no '{claimed}' in {csv}");
    let unknown = cluster.cadence.missed.iter().filter(|missed| missed.excluded.is_none()).count();
    assert!(unknown > 0 && csv.matches("no cause is recorded").count() == unknown, "{unknown} in {csv}");
    let remark = format!("no cause is recorded of {unknown}, of the rest a bundle was left out");
    assert!(cluster.remarks.iter().any(|known| known.text.ends_with(&remark)), "{:?}", cluster.remarks);
}

#[test]
fn a_period_without_runs_has_its_documents_too() {
    let made = Quarter::new().make();
    let names: Vec<&str> = made.package.files.keys().filter_map(|path| path.strip_prefix("data/documents/")).collect();
    assert!(names.contains(&"workbook.xlsx") && names.contains(&"index.html"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("oscal/")), "nothing was evaluated: {names:?}");
    judged(tools::tables_python(), include_str!("tables.py"), &made);
}

#[test]
fn the_same_runs_give_the_same_documents_at_another_second() {
    let (one, two) = (made(), {
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        made()
    });
    let documents = |made: Made| -> BTreeMap<String, Vec<u8>> {
        made.package.files.into_iter().filter(|(path, _)| path.starts_with("data/documents/")).collect()
    };
    let (one, two) = (documents(one), documents(two));
    let differ: Vec<&String> = one.keys().filter(|path| one.get(*path) != two.get(*path)).collect();
    assert!(differ.is_empty() && one.len() == two.len(), "{differ:?}");
}
