use super::*;
use crate::evaluate::Evaluation;

fn known() -> Known {
    let files = framework::embedded();
    let library = Library::load(&files).unwrap();
    let frameworks = load_frameworks(&files, &library).unwrap();
    Known { library, frameworks }
}

fn text(page: &Page) -> String {
    anstream::adapter::strip_str(page.text()).to_string()
}

#[test]
fn every_check_and_requirement_has_a_page_that_fits() {
    let known = known();
    let rows = known
        .frameworks
        .iter()
        .flat_map(|f| f.requirements.iter().map(move |row| format!("{}/{}", f.id, row.id)).chain([f.id.clone()]));
    let names: Vec<String> = known.library.checks().map(|check| check.id.clone()).chain(rows).collect();
    assert!(names.len() > 400);
    for name in names {
        let page = text(&known.page(&name).unwrap_or_else(|| panic!("{name} has no page")));
        let wide: Vec<&str> = page.lines().filter(|line| line.chars().count() > 80 && line.contains(' ')).collect();
        let words = |line: &&str| line.split_whitespace().any(|word| word.len() > 66);
        assert!(wide.iter().all(words), "{name}: {wide:?}");
    }
}

#[test]
fn a_check_says_what_it_reads_and_serves() {
    let known = known();
    let page = text(&known.page("netpol-default-deny-ingress").unwrap());
    for part in
        ["every Namespace", "namespaces", "networkpolicies.networking.k8s.io", "cis-kubernetes (decides): 5.3.2", "Fix"]
    {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
    let page = text(&known.page("container-capabilities-default").unwrap());
    assert!(page.contains("AUDIT_WRITE"), "parameters are filled in:\n{page}");
}

#[test]
fn ids_outside_and_unknown_ones_are_told_apart() {
    let known = known();
    assert!(text(&known.page("pci-dss/9.1.1").unwrap()).contains("no check of this program"));
    assert!(known.page("cis-kubernetes/9.9.9").is_none());
    let failure = known.unknown("container-priviledged");
    assert_eq!(failure.hint.as_deref(), Some("did you mean 'container-privileged'?"));
    assert!(known.unknown("zzz").hint.unwrap().contains("frameworks list"));
    assert!(is_finding_id("3f9c") && !is_finding_id("3f9") && !is_finding_id("gdpr") && !is_finding_id("3F9C"));
}

#[test]
fn a_finding_is_found_by_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("clusters/c-1/bundles/ab");
    std::fs::create_dir_all(bundle.join("data")).unwrap();
    let mut finding = crate::evaluate::samples::finding("container-privileged", "Deployment", Some("shop"), "cart");
    finding.id = "3f9c000000000000".parse().unwrap();
    finding.waiver = Some("W-7".into());
    let evaluation = Evaluation {
        engine: "0".into(),
        counts: Default::default(),
        findings: vec![finding],
        checks: vec![],
        requirements: vec![],
        frameworks: vec![],
        declarations: vec![],
    };
    std::fs::write(bundle.join("data/evaluation.json"), crate::evaluate::stored::write(&evaluation).unwrap()).unwrap();
    let args = |name: &str, bundle: Option<PathBuf>| Args {
        name: name.into(),
        bundle,
        store: folder.path().into(),
        config: None,
        package: None,
        on: None,
        cluster: None,
        key: None,
    };
    let known = known();
    for args in [args("3f9c", None), args("3f9c", Some(bundle.clone()))] {
        let page = text(&known.finding(&args).unwrap());
        assert!(page.contains("Deployment/shop/cart") && page.contains("waived by W-7"), "{page}");
        assert!(page.contains("not verified here"), "{page}");
    }
    let missing = known.finding(&args("ffff", None)).unwrap_err();
    assert!(missing.hint.unwrap().contains("--bundle"));
}
