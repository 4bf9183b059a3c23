//! What people declared, and packages that show a part: a scope, a framework.

use chrono::NaiveDate;
use kubeproof::{
    digest::Digest,
    evaluate::{Declaration, FindingId, waivers::Term},
    period::model::{ClusterPeriod, RemarkKind},
    resource::ResourceRef,
    snapshot::Object,
};
use serde_json::{Value, json};

use super::{
    package::{judged, say},
    quarter::{CHECK, Day, Quarter, deployment, namespace, only},
    veil::{account, binding, role},
};

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

/// As the run of that day would have said it.
fn declaration(number: u32, kind: &str, id: &str, until: &str, applies_to: Vec<String>) -> Declaration {
    let today = NaiveDate::from_ymd_opt(2026, 10, number).unwrap();
    let note = match kind {
        "waiver" => {
            "risk accepted, approved by head of shop (SHOP-1): until the sale ends; approver as written; identity not verified"
        }
        "attestation" => "head of security, 2026-09-30: staff was told; signatory as written; identity not verified",
        _ => "eks, SOC 2 of 2026-03-01: control plane",
    };
    Declaration {
        kind: kind.into(),
        id: id.into(),
        at: "waivers.yaml:3".into(),
        state: Term::of(None, until.parse().unwrap(), today).state().into(),
        until: Some(until.into()),
        applies_to,
        note: note.into(),
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
        declaration(number, "waiver", "W-7", until, vec![finding("cart")]),
        declaration(number, "waiver", "W-8", "2026-12-31", vec![]),
        declaration(number, "attestation", "W-7", "2027-01-31", vec!["pss-baseline/privileged".into()]),
        declaration(number, "provider", "P-1", "2027-02-28", vec!["pci-dss/privileged".into()]),
        declaration(number, "expected", "X-1", "2027-02-28", vec![]),
    ];
    let waiver = |id: &str, name: &str, until: &str| {
        format!(
            "  - {{id: {id}, kind: risk-accepted, check: {CHECK}, resources: {{name: {name}}}, reason: until the sale ends, \
             approver: head of shop, from: 2026-09-20, until: {until}, ticket: SHOP-1}}\n"
        )
    };
    let (seven, eight) = (waiver("W-7", "cart", until), waiver("W-8", "search", "2026-12-31"));
    let waivers = format!("apiVersion: kubeproof.dev/v1\nwaivers:\n{seven}{eight}");
    let digest = STAFF.trim_start_matches("data/attested/").trim_end_matches(".md");
    day.file("data/rules/waivers.yaml", waivers)
        .file(
            "data/rules/attestations.yaml",
            "apiVersion: kubeproof.dev/v1\nattestations:\n  - {id: W-7, requirement: pss-baseline/privileged, statement: \
             staff was told, by: head of security, on: 2026-09-30, until: 2027-01-31, files: [staff.md]}\n",
        )
        .file(
            "data/rules/providers.yaml",
            "apiVersion: kubeproof.dev/v1\ndocuments:\n  - {id: P-1, provider: eks, kind: SOC 2, document: soc2.pdf, issued: \
             2026-03-01, until: 2027-02-28, covers: [pci-dss/privileged], responsibility: control plane}\n",
        )
        .file("data/rules/attested.json", format!(r#"{{"soc2.pdf":"sha256:{}","staff.md":"sha256:{digest}"}}"#, Digest::of("soc2").hex()))
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
    let secret =
        kubeproof::snapshot::Object { namespace: Some("vault".into()), digest: Digest::of(&*json), json, ..secret };
    let quarter = Quarter::of([declared(1, "2026-12-02").with(namespace("vault")).with(secret)]);
    let made = quarter.try_make(None, &[], Some("cards")).unwrap();
    let frameworks: Vec<&str> = made.period.frameworks.iter().map(|framework| framework.id.as_str()).collect();
    assert_eq!(frameworks, ["pci-dss"], "what was evaluated in the scope");
    let text = String::from_utf8(made.package.files["data/period.json"].clone()).unwrap();
    assert!(!text.contains("vault"), "what lies outside of the scope has no name");
    let carried = |name: &str| made.package.files.keys().any(|path| path.ends_with(&format!("rules/0000/{name}")));
    assert!(carried("providers.yaml"), "everything in it is about the scope");
    for name in ["waivers.yaml", "attestations.yaml", "attested.json", "scope.yaml"] {
        assert!(!carried(name), "{name} declares what is not this reader's business, too");
    }
    let (code, said) = judged(&made.package.files, &[]);
    let open = "declarations and waivers on 1 run rest on the word of the package's signer";
    assert!(code == 0 && said.to_string().contains(open), "{said:#}");
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

/// An account of robots bound to the role reader of a namespace.
fn bound(namespace: &str, name: &str) -> Object {
    binding(namespace, name, "reader", account("robots", name))
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

    // Whoever judges a scope reads what its declaration leaves out and why; nothing else tells of the outside.
    let named = |quarter: Quarter| {
        let narrow = quarter.try_make(None, &[], Some("cards")).unwrap();
        assert_eq!(judged(&narrow.package.files, &[]).0, 0);
        let naming = narrow.package.files.iter().filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains("vault"));
        let naming: Vec<String> = naming.map(|(path, _)| path.clone()).collect();
        (only(narrow.period).scopes.remove(0).holds, naming)
    };
    let (held, naming) = named(Quarter::of([scoped(1, "shop", without)]));
    assert_eq!((held.namespaces, held.excluded[0].reason.as_str()), (vec!["shop".to_owned()], "no card data in vault"));
    let declared = ["data/evidence/shop-0a1b2c3d/rules/0000/scope.yaml", "data/period.json"];
    let documents = naming.iter().filter(|path| !declared.contains(&path.as_str()));
    assert!(documents.clone().all(|path| path.starts_with("data/documents/")), "{naming:?}");
    assert!(documents.clone().any(|path| path.ends_with("scopes.csv")), "{naming:?}");
    let (held, naming) = named(Quarter::of([scoped(1, "shop", "")]));
    assert!(held.excluded.is_empty() && naming.is_empty(), "{naming:?}");
}

/// All have rights in vault that fail, all but far some in shop; those of ci fail, and from the second day on those of
/// web.
#[test]
fn a_subject_is_an_exception_of_a_scope_where_a_right_that_fails_applies() {
    let day = |number: u32, web: Vec<(&'static str, &'static str)>| {
        let mut day = scoped(number, "shop", "").with(role("shop", "reader")).with(role("vault", "reader"));
        for (namespace, names) in [("shop", &["ci", "web", "near"][..]), ("vault", &["ci", "web", "near", "far"])] {
            day = names.iter().fold(day, |day, name| day.with(bound(namespace, name)));
        }
        day.readers = vec![
            ("ci", vec![("shop", "ci"), ("vault", "ci")]),
            ("web", web),
            ("far", vec![("vault", "far")]),
            ("near", vec![("vault", "near")]),
        ];
        day
    };
    let both = vec![("shop", "web"), ("vault", "web")];
    let quarter = Quarter::of([day(1, vec![("vault", "web")]), day(2, both)]);
    let named = |cluster: &ClusterPeriod, framework: &str| -> Vec<String> {
        let id = format!("{framework}/privileged");
        let mut named: Vec<String> = cluster.exceptions_of(&id).map(|x| x.resource.name.clone()).collect();
        named.sort();
        named
    };
    let made = quarter.make();
    assert_eq!(judged(&made.package.files, &[]).0, 0);
    let whole = only(made.period);
    assert_eq!(named(&whole, "pss-baseline"), ["ci", "far", "near", "web"]);
    assert_eq!(named(&whole, "pci-dss"), ["ci", "web"], "near has rights in shop, and fails in vault alone");

    let made = quarter.try_make(None, &[], Some("cards")).unwrap();
    assert_eq!(judged(&made.package.files, &[]).0, 0);
    let narrow = only(made.period);
    let shown: Vec<(&str, u32)> = narrow.exceptions.iter().map(|x| (x.resource.name.as_str(), x.first_seen)).collect();
    assert_eq!(shown, [("ci", 0), ("web", 1)], "web fails in the scope from the second run on");
}

#[test]
fn a_scope_holds_what_its_declaration_says() {
    let made = Quarter::of([scoped(1, "shop", "{what: namespaces/staging, reason: empty}")]).make();
    assert_eq!(judged(&made.package.files, &[]).0, 0);
    type Spoil = fn(&mut Value);
    let cases: [(&str, Spoil); 4] = [
        ("a namespace more", |holds| holds["namespaces"] = json!(["shop", "vault"])),
        ("another declarer", |holds| holds["declaredBy"] = "head of shop".into()),
        ("an exclusion less", |holds| holds["excluded"] = Value::Array(vec![])),
        ("a connection that nobody declared", |holds| holds["connected"] = json!(["vault"])),
    ];
    for (name, spoil) in cases {
        let files = say(&made, |period| spoil(&mut period["clusters"][0]["scopes"][0]["holds"]));
        let (code, said) = judged(&files, &[]);
        assert!(code == 3 && said.to_string().contains("not hold what its declaration says"), "{name}: {said:#}");
    }
}

#[test]
fn declarations_say_what_the_runs_files_say() {
    let made = Quarter::of([declared(1, "2026-12-02"), declared(2, "2026-12-02")]).make();
    let (code, said) = judged(&made.package.files, &[]);
    assert_eq!(code, 0, "{said:#}");
    type Spoil = fn(&mut Value);
    let cases: [(&str, Spoil); 8] = [
        ("its words are not those of the runs' file", |said| said["by"] = "head of security".into()),
        ("its words are not those of the runs' file", |said| said["text"] = "forever".into()),
        ("its words are not those of the runs' file", |said| said["note"] = "fine".into()),
        ("its last day is not the declared one", |said| said["states"][0]["until"] = "2027-12-31".into()),
        ("how it stood does not follow from its days", |said| said["states"][0]["state"] = "expired".into()),
        ("a run that it stood on did not declare it", |said| said["id"] = "W-9".into()),
        ("W-7: runs or spans that there are not", |said| said["states"][0]["last"] = 4_000_000_000u32.into()),
        ("it does not point at the files", |said| {
            said["files"] = json!([{"name": "x.pdf", "digest": null, "path": null}])
        }),
    ];
    let waiver = |period: &mut Value| {
        let all = period["clusters"][0]["declarations"].as_array().unwrap();
        all.iter().position(|said| said["kind"] == "waiver" && said["id"] == "W-7").unwrap()
    };
    for (expected, spoil) in cases {
        let files = say(&made, |period| {
            let at = waiver(period);
            spoil(&mut period["clusters"][0]["declarations"][at]);
        });
        let (code, said) = judged(&files, &[]);
        assert!(code == 3 && said.to_string().contains(expected), "{expected}: {said:#}");
    }
    let files = say(&made, |period| {
        let at = waiver(period);
        period["clusters"][0]["declarations"].as_array_mut().unwrap().remove(at);
    });
    let (code, said) = judged(&files, &[]);
    assert!(
        code == 3 && said.to_string().contains("W-7: run 0 declared it, and the package does not say so"),
        "{said:#}"
    );
}

#[test]
fn exceptions_stand_under_the_waivers_of_the_runs_files() {
    let made = Quarter::of([declared(1, "2026-12-02"), declared(2, "2026-12-02")]).make();
    type Spoil = fn(&mut Value);
    let cases: [(&str, Spoil); 3] = [
        ("a waiver less", |waivers| *waivers = Value::Array(vec![])),
        ("the waiver of something else", |waivers| waivers[0]["id"] = "W-8".into()),
        ("a waiver that ended before", |waivers| waivers[0]["last"] = 0.into()),
    ];
    for (name, spoil) in cases {
        let files = say(&made, |period| {
            let all = period["clusters"][0]["exceptions"].as_array_mut().unwrap();
            let waived = all.iter_mut().find(|x| x["waivers"][0]["id"] == "W-7").unwrap();
            spoil(&mut waived["waivers"]);
        });
        let (code, said) = judged(&files, &[]);
        assert!(code == 3 && said.to_string().contains("the waivers that it stood under on run"), "{name}: {said:#}");
    }
}
