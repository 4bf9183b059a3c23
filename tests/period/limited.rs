//! What people declared, and packages that show a part: a scope, a framework.

use kubeproof::{
    evaluate::{Declaration, FindingId},
    period::model::{ClusterPeriod, RemarkKind},
    resource::ResourceRef,
};

use super::quarter::{CHECK, Day, Quarter, deployment, namespace, only};

const STAFF: &str = "data/attested/170a81d7ff46c5d2930e8a928867388f61be8c516a0f6091d46cc03e62cc1da6.md";

fn day(number: u32) -> Day {
    let mut day = Day::new(&format!("2026-10-{number:02}T06:00:00Z"));
    day.scope = Some("cards");
    day.file(
        "data/rules/scope.yaml",
        "apiVersion: kubeproof.dev/v1\nscopes:\n  - {id: cards, regulations: [pci-dss], namespaces: {names: [shop]}, \
         declaredBy: head of payments, declaredOn: 2026-09-01}\n  - {id: idle, regulations: [], namespaces: {names: \
         [shop]}, declaredBy: head of payments, declaredOn: 2026-09-01}\n",
    )
}

fn declaration(kind: &str, id: &str, until: &str, applies_to: Vec<String>) -> Declaration {
    Declaration {
        kind: kind.into(),
        id: id.into(),
        at: "waivers.yaml:3".into(),
        state: "in force".into(),
        until: Some(until.into()),
        applies_to,
        note: "as declared".into(),
    }
}

fn finding(name: &str) -> String {
    let (api_version, kind) = ("apps/v1".to_owned(), "Deployment".to_owned());
    let resource = ResourceRef { api_version, kind, namespace: Some("shop".into()), name: name.into(), uid: None };
    FindingId::of(CHECK, &resource, "spec.template.spec.containers[name=app].securityContext.privileged").to_string()
}

/// A day on which cart fails under W-7, of that last day, with everything else that can be declared.
fn declared(number: u32, until: &str) -> Day {
    let mut day = day(number).failing("cart", 2);
    day.failing[0].1 = Some("W-7");
    day.declarations = vec![
        declaration("waiver", "W-7", until, vec![finding("cart")]),
        declaration("waiver", "W-8", "2026-12-31", vec![]),
        declaration("attestation", "W-7", "2027-01-31", vec!["pss-baseline/privileged".into()]),
        declaration("provider", "P-1", "2027-02-28", vec!["pci-dss/privileged".into()]),
        declaration("expected", "X-1", "2027-02-28", vec![]),
    ];
    let waiver = |id: &str, until: &str| {
        format!(
            "  - {{id: {id}, kind: risk-accepted, check: {CHECK}, resources: {{name: cart}}, reason: until the sale ends, \
             approver: head of shop, from: 2026-09-20, until: {until}, ticket: SHOP-1}}\n"
        )
    };
    let waivers =
        format!("apiVersion: kubeproof.dev/v1\nwaivers:\n{}{}", waiver("W-7", until), waiver("W-8", "2026-12-31"));
    let digest = STAFF.trim_start_matches("data/attested/").trim_end_matches(".md");
    day.file("data/rules/waivers.yaml", waivers)
        .file(
            "data/rules/attestations.yaml",
            "apiVersion: kubeproof.dev/v1\nattestations:\n  - {id: W-7, requirement: pss-baseline/privileged, statement: \
             staff was told, by: head of security, on: 2026-09-30, until: 2027-01-31, files: [staff.md]}\n",
        )
        .file("data/rules/attested.json", format!(r#"{{"staff.md":"sha256:{digest}"}}"#))
        .file(STAFF, "staff\n")
}

fn of<'a>(cluster: &'a ClusterPeriod, kind: &str, id: &str) -> &'a kubeproof::period::model::DeclarationPeriod {
    cluster.declarations.iter().find(|entry| entry.kind == kind && entry.id == id).unwrap()
}

#[test]
fn declarations_stand_in_their_writers_words_and_an_extension_shows() {
    let quarter =
        Quarter::of([declared(1, "2026-10-02"), declared(2, "2026-10-02"), declared(3, "2026-12-02"), day(4)]);
    let made = quarter.make();
    let cluster = only(made.period);
    let order: Vec<(&str, &str)> = cluster.declarations.iter().map(|d| (d.kind.as_str(), d.id.as_str())).collect();
    let all = [("waiver", "W-7"), ("waiver", "W-8"), ("attestation", "W-7"), ("provider", "P-1")];
    assert_eq!(order, all, "by the last day; what is expected of every cluster is nobody's exception");
    let waiver = of(&cluster, "waiver", "W-7");
    assert_eq!((waiver.by.as_str(), waiver.form.as_deref()), ("head of shop", Some("risk accepted")));
    assert_eq!((waiver.since.unwrap().to_string(), &waiver.about[..]), ("2026-09-20".into(), &[CHECK.to_owned()][..]));
    assert_eq!((waiver.text.as_str(), waiver.ticket.as_deref()), ("until the sale ends", Some("SHOP-1")));
    let states: Vec<(u32, u32, String)> =
        waiver.states.iter().map(|span| (span.first, span.last, span.until.unwrap().to_string())).collect();
    assert_eq!(states, [(0, 1, "2026-10-02".into()), (2, 2, "2026-12-02".into())], "and the fourth run knows none");
    let attestation = of(&cluster, "attestation", "W-7");
    assert_eq!((attestation.by.as_str(), attestation.text.as_str()), ("head of security", "staff was told"));
    assert_eq!(attestation.files[0].path.as_deref(), Some(STAFF), "ids are told apart by kind");
    assert!(waiver.files.is_empty());
    assert_eq!(made.package.files[STAFF], b"staff\n");
}

#[test]
fn a_framework_shows_what_concerns_it_alone() {
    let made = Quarter::of([declared(1, "2026-12-02")]).try_make(None, &["pci-dss".to_owned()], None).unwrap();
    assert!(!made.package.files.contains_key(STAFF), "the file of another framework's attestation");
    let cluster = only(made.period);
    let order: Vec<(&str, &str)> = cluster.declarations.iter().map(|d| (d.kind.as_str(), d.id.as_str())).collect();
    assert_eq!(order, [("waiver", "W-7"), ("provider", "P-1")]);
    let rows: Vec<String> = cluster.requirements.iter().map(|row| row.full_id()).collect();
    assert_eq!(rows, ["pci-dss/privileged"]);
    assert_eq!(cluster.exceptions[0].requirements, ["pci-dss/privileged"]);
}

#[test]
fn a_scope_shows_its_namespaces_and_its_frameworks() {
    let secret = deployment("vault", 1);
    let mut elsewhere = serde_json::from_str::<serde_json::Value>(&secret.json).unwrap();
    elsewhere["metadata"]["namespace"] = "vault".into();
    let json: std::sync::Arc<str> = serde_json::to_string(&elsewhere).unwrap().into();
    let secret = kubeproof::snapshot::Object {
        namespace: Some("vault".into()),
        digest: kubeproof::digest::Digest::of(&*json),
        json,
        ..secret
    };
    let quarter = Quarter::of([declared(1, "2026-12-02").with(namespace("vault")).with(secret)]);
    let made = quarter.try_make(None, &[], Some("cards")).unwrap();
    let frameworks: Vec<&str> = made.period.frameworks.iter().map(|framework| framework.id.as_str()).collect();
    assert_eq!(frameworks, ["pci-dss"], "what was evaluated in the scope");
    let text = String::from_utf8(made.package.files["data/period.json"].clone()).unwrap();
    assert!(!text.contains("vault"), "what lies outside of the scope has no name");
    let cluster = only(made.period);
    assert_eq!(cluster.exceptions.len(), 1);
    assert!(cluster.remarks.iter().all(|remark| remark.kind != RemarkKind::EvaluatedWider), "{:?}", cluster.remarks);

    // Asked for by name, a benchmark of the whole cluster says what its statuses are about.
    let wider = quarter.try_make(None, &["pss-baseline".to_owned()], Some("cards")).unwrap();
    let remarks = only(wider.period).remarks;
    let text = "pss-baseline was evaluated over more than the scope 'cards': statuses count failures outside of it, which \
                are not shown";
    assert!(remarks.iter().any(|r| r.kind == RemarkKind::EvaluatedWider && r.text == text), "{remarks:?}");
    let idle = quarter.try_make(None, &[], Some("idle")).unwrap();
    let shown: Vec<&str> = idle.period.frameworks.iter().map(|framework| framework.id.as_str()).collect();
    assert_eq!(shown, ["pss-baseline"], "what was evaluated in another scope is not this reader's business");
}

fn scoped(number: u32, namespaces: &str, excluded: &str) -> Day {
    let mut day = Day::new(&format!("2026-10-{number:02}T06:00:00Z")).with(namespace("vault"));
    day.scope = Some("cards");
    let text = format!(
        "scopes:\n  - {{id: cards, regulations: [pci-dss], namespaces: {{names: [{namespaces}]}}, excluded: [{excluded}], \
         declaredBy: head of payments, declaredOn: 2026-09-01}}\n"
    );
    day.file("data/rules/scope.yaml", text)
}

#[test]
fn what_a_scope_held_is_told_run_by_run() {
    let without = "{what: namespaces/staging, reason: 'no card data in vault'}";
    let quarter = Quarter::of([
        scoped(1, "shop", ""),
        scoped(2, "shop", ""),
        scoped(3, "shop, vault", without),
        Day::new("2026-10-04T06:00:00Z"),
    ]);
    let cluster = quarter.cluster();
    let spans: Vec<(u32, u32, Vec<String>)> =
        cluster.scopes.iter().map(|span| (span.first, span.last, span.holds.namespaces.clone())).collect();
    assert_eq!(spans, [(0, 1, vec!["shop".to_owned()]), (2, 2, vec!["shop".to_owned(), "vault".to_owned()])]);
    let held = &cluster.scope_on("cards", 2).unwrap().holds;
    assert_eq!((held.declared_by.as_str(), held.declared_on.to_string().as_str()), ("head of payments", "2026-09-01"));
    assert_eq!(held.excluded[0].what, "namespaces/staging");
    assert_eq!(cluster.scope_on("cards", 3), None, "nobody had declared it then");

    let made = quarter.make();
    let table = made.package.files.iter().find(|(path, _)| path.ends_with("tables/scopes.csv")).unwrap().1;
    let table = String::from_utf8_lossy(table);
    assert!(table.contains("shop vault") && table.contains("namespaces/staging: no card data in vault"), "{table}");

    // What a reader of a part may not see is not told by the scope's declaration either.
    let narrow = Quarter::of([scoped(1, "shop", without)]).try_make(None, &[], Some("cards")).unwrap();
    let text = String::from_utf8(narrow.package.files["data/period.json"].clone()).unwrap();
    let held = only(narrow.period).scopes.remove(0).holds;
    assert_eq!((held.namespaces, held.excluded.len()), (vec!["shop".to_owned()], 1));
    assert!(!text.contains("vault"), "what lies outside of the scope has no name");
}
