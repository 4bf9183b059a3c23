//! A run, its proof, and one changed byte.

use std::{fs, path::Path};

use super::workspace::{Workspace, files};
use crate::harness::{cluster, judges};

fn verify(user: &Workspace, bundle: &Path) -> super::workspace::Ended {
    let mut command = user.kubeproof();
    command.arg("verify").arg(bundle).arg("--key").arg(user.public_key()).output().unwrap().into()
}

#[test]
fn a_run_verifies_and_one_changed_byte_is_named() {
    let user = Workspace::new();
    user.run_live(cluster().kubeconfig(), &[]).expect(0);
    let bundle = user.bundle();
    verify(&user, &bundle).expect(0);

    for name in files(&bundle).into_keys().filter(|name| name.starts_with("data/") && !name.contains("rules/")) {
        let path = bundle.join(&name);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let judged = verify(&user, &bundle).expect(3);
        let said = format!("{}{}", judged.stdout, judged.stderr);
        assert!(said.contains(&name), "it names {name}:\n{said}");
        fs::write(&path, &whole).unwrap();
    }
    verify(&user, &bundle).expect(0);
}

#[test]
fn the_report_is_pdf_a_and_pdf_ua() {
    let user = Workspace::new();
    user.run_live(cluster().kubeconfig(), &[]).expect(0);
    let reports = super::workspace::entries(&user.bundle().join("data/report"));
    let pdfs: Vec<_> = reports.iter().filter(|path| path.extension().is_some_and(|e| e == "pdf")).collect();
    assert!(!pdfs.is_empty(), "{reports:?}");
    for pdf in pdfs {
        judges::verapdf(pdf).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn a_second_run_compares_with_the_first() {
    let user = Workspace::new();
    let first = user.run_live(cluster().kubeconfig(), &[]).expect(0);
    let second = user.run_live(cluster().kubeconfig(), &[]).expect(0);
    assert_ne!(first.stdout, second.stdout);
    assert_eq!(user.bundles().len(), 2);
    let commits = super::workspace::entries(&user.cluster_folder().join("log/commits"));
    assert_eq!(commits.len(), 2, "{commits:?}");
}
