//! Who began an exception and who gave a power, where audit logs said so; and nobody's name where it must not be read.

use std::collections::BTreeMap;

use kubeproof::{
    canonical,
    digest::Digest,
    drift::ChangedBy,
    period::{
        model::{ClusterPeriod, Exception},
        pseudonym::PseudonymKey,
    },
    snapshot::Object,
};
use serde_json::{Value, json};

use super::{
    auditor::Auditor,
    package::{judged, say},
    quarter::{Day, Made, Quarter, deployment, object, only, reads_secrets, written},
};

/// In every name of a person here. Too long to be in a digest or in base64 by chance.
const PLANTED: &str = "outsider";

/// Object, who wrote to it, in whose name, and when.
type Write = (&'static str, &'static str, Option<&'static str>, &'static str);

const CART: &str = "Deployment/cart";
const EXPORT: &str = "Deployment/export";

/// The audit trail of shop that names these writes, and what drift says by it.
fn told(writes: &[Write]) -> (Object, Value) {
    let id = |at: usize| format!("audit-{at}");
    let entries = writes.iter().enumerate().map(|(at, (object, user, acting_as, time))| {
        let (kind, name) = object.split_once('/').unwrap();
        let group = if kind == "Deployment" { "apps" } else { "rbac.authorization.k8s.io" };
        let mut entry = json!({"time": time, "verb": "patch", "user": user, "group": group, "version": "v1",
            "resource": format!("{}s", kind.to_lowercase()), "name": name, "auditId": id(at), "sourceIPs": ["192.0.2.7"]});
        if let Some(other) = acting_as {
            entry["as"] = (*other).into();
        }
        entry
    });
    let spec = json!({"writes": entries.collect::<Vec<_>>()});
    let trail = object(
        "kubeproof.dev",
        "AuditTrail",
        "audittrails.kubeproof.dev",
        Some("shop"),
        "writes",
        json!({"spec": spec}),
    );
    let mut by_object: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (at, (object, user, acting_as, time)) in writes.iter().enumerate() {
        let mut by = json!({"source": "audit-log", "user": user, "verb": "patch", "time": time, "auditId": id(at),
            "trail": trail.digest.to_string()});
        if let Some(other) = acting_as {
            by["as"] = (*other).into();
        }
        by_object.entry(object).or_default().push(by);
    }
    let changes = by_object.into_iter().map(|(object, by)| {
        let (kind, name) = object.split_once('/').unwrap();
        json!({"resource": {"apiVersion": "v1", "kind": kind, "namespace": "shop", "name": name, "uid": null},
            "change": "changed", "cause": "cluster", "changedBy": by})
    });
    let drift = json!({"objects": changes.collect::<Vec<_>>()});
    (trail, drift)
}

/// Three runs; between the first two people who hold rights through groups alone wrote to what fails since, and gave a
/// power; between the last two others repaired one failure, deleted what showed the other, and took the power.
fn quarter() -> Quarter {
    let first = Day::new("2026-10-01T06:00:00Z");
    let robot = "system:serviceaccount:shop:deployer";
    let began = told(&[
        (CART, "zoe@outsider.example", Some("outsider-bob"), "2026-10-01T22:00:00Z"),
        (CART, robot, None, "2026-10-01T21:00:00Z"),
        (CART, "late@outsider.example", None, "2026-10-02T07:00:00Z"),
        ("RoleBinding/ci", "mia@outsider.example", None, "2026-10-01T23:00:00Z"),
        ("Deployment/search", "amy@outsider.example", None, "2026-10-01T22:00:00Z"),
    ]);
    let [role, binding] = reads_secrets("ci");
    let held = |day: &str| Day::new(day).with(role.clone()).with(binding.clone());
    let beside = |day: Day, (trail, drift): (Object, Value)| {
        day.with(trail).file("data/drift.json", canonical::value_to_vec(&drift).unwrap())
    };
    let second = held("2026-10-02T06:00:00Z").failing("cart", 2).failing("export", 1);
    let repairs = told(&[
        (CART, "ann@outsider.example", None, "2026-10-02T21:00:00Z"),
        (CART, "early@outsider.example", None, "2026-10-02T05:00:00Z"),
        (EXPORT, "ted@outsider.example", None, "2026-10-02T23:00:00Z"),
        ("RoleBinding/ci", "leo@outsider.example", None, "2026-10-02T20:00:00Z"),
    ]);
    // The bytes of before: the object of the first run names nobody, and this one does.
    let repaired = written(deployment("cart", 1), "helm", "2026-10-02T22:00:00Z");
    let third = Day::new("2026-10-03T06:00:00Z").with(repaired);
    Quarter::of([first, beside(second, began), beside(third, repairs)])
}

fn exception<'a>(cluster: &'a ClusterPeriod, name: &str) -> &'a Exception {
    cluster.exceptions.iter().find(|x| x.resource.name == name).unwrap()
}

fn who(all: &[ChangedBy]) -> Vec<String> {
    all.iter().map(ChangedBy::who).collect()
}

#[test]
fn what_audit_logs_said_between_the_runs_stands_with_the_exception() {
    let made = quarter().make();
    let cluster = only(made.period.clone());
    let expected = ["system:serviceaccount:shop:deployer", "zoe@outsider.example as outsider-bob"];
    let cart = exception(&cluster, "cart");
    assert_eq!(who(&cart.written_by), expected);
    assert_eq!(who(&cart.repaired_by), ["ann@outsider.example", "helm"], "by the log, then by the object itself");
    let export = exception(&cluster, "export");
    assert_eq!(who(&export.repaired_by), ["ted@outsider.example"], "an object that is gone names nobody itself");
    let powers: Vec<_> = cluster.privileged.iter().flat_map(|subject| &subject.powers).collect();
    assert_eq!(who(&powers[0].given_by), ["mia@outsider.example"]);
    assert_eq!(who(&powers[0].taken_by), ["leo@outsider.example"]);
    let table = made.package.files.iter().find(|(path, _)| path.ends_with("exceptions.csv")).unwrap().1;
    let table = String::from_utf8_lossy(table);
    assert!(table.contains("zoe@outsider.example as outsider-bob (patch, audit log) 2026-10-01T22:00:00Z"), "{table}");
    assert!(table.contains("ann@outsider.example (patch, audit log) 2026-10-02T21:00:00Z"), "{table}");
    let others = ["amy@", "late@", "early@"].iter().filter(|who| table.contains(**who));
    assert_eq!(others.count(), 0, "who wrote something else, or outside of the bounds: {table}");
}

#[test]
fn users_of_audit_logs_have_pseudonyms_like_every_subject() {
    let key = PseudonymKey::generate([7; 32]);
    let made = quarter().make_with(None, &[], None, Some(&key)).unwrap();
    for (path, bytes) in &made.package.files {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        assert!(!text.contains(PLANTED), "{path} names a person");
    }
    let cluster = only(made.period);
    let [zoe, bob] = ["zoe@outsider.example", "outsider-bob"].map(|name| key.pseudonym(name));
    let expected = ["system:serviceaccount:shop:deployer".to_owned(), format!("{zoe} as {bob}")];
    let cart = exception(&cluster, "cart");
    assert_eq!(who(&cart.written_by), expected);
    assert_eq!(who(&cart.repaired_by), [key.pseudonym("ann@outsider.example"), "helm".to_owned()]);
}

#[test]
fn whoever_is_named_is_named_by_bytes_that_the_package_holds() {
    let package = Auditor::of(&quarter());
    let said = package.told(&["X-0001"]);
    assert!(
        said.contains("ann@outsider.example, 2 Oct 2026 21:00 UTC (patch, audit log entry audit-0 in sha256:"),
        "{said}"
    );
    let (_, trails) = said.split_once("Audit logs ").unwrap();
    let digests: Vec<&str> = trails.split_whitespace().filter(|word| word.starts_with("sha256:")).take(2).collect();
    let mut texts = String::new();
    for digest in digests {
        let (code, text, error) = package.explain(&[digest]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(Digest::of(&text).to_string(), digest);
        texts += &text;
    }
    assert!(texts.contains("zoe@outsider.example") && texts.contains("ann@outsider.example"), "{texts}");
    let noted =
        r#"Deployment/shop/cart on run 0002: {"manager":"helm","operation":"Update","time":"2026-10-02T22:00:00Z"}"#;
    assert!(said.contains(noted), "{said}");
}

#[test]
fn a_writer_whom_nothing_names_is_no_writer() {
    let made = quarter().make();
    let cart = |period: &mut Value| {
        let all = period["clusters"][0]["exceptions"].as_array_mut().unwrap();
        std::mem::take(all.iter_mut().find(|x| x["resource"]["name"] == "cart").unwrap())
    };
    type Spoil = fn(&mut Value);
    let cases: [(&str, Spoil); 5] = [
        ("no audit trail says that eve wrote", |x| x["repairedBy"][0]["user"] = "eve".into()),
        ("no audit trail says that ann@outsider.example wrote", |x| x["repairedBy"][0]["verb"] = "create".into()),
        ("who wrote is not whom its objects noted", |x| x["repairedBy"][1]["manager"] = "kubectl-edit".into()),
        ("who wrote is not whom its objects noted", |x| drop(x["repairedBy"].as_array_mut().unwrap().pop())),
        ("its audit trails are not those that name its writers", |x| {
            x["repairedBy"][0]["trail"] = Digest::of("nothing").to_string().into();
        }),
    ];
    for (expected, spoil) in cases {
        let files = say(&made, |period| {
            let mut exception = cart(period);
            spoil(&mut exception);
            let all = period["clusters"][0]["exceptions"].as_array_mut().unwrap();
            *all.iter_mut().find(|x| x.is_null()).unwrap() = exception;
        });
        let (code, said) = judged(&files, &[]);
        assert!(code == 3 && said.to_string().contains(expected), "{expected}: {said:#}");
    }
}

/// Names of writers that no trail of the run holds are not repeated.
#[test]
fn what_the_run_does_not_show_is_not_said() {
    let (_, drift) = told(&[(CART, "eve@outsider.example", None, "2026-10-01T22:00:00Z")]);
    let second = Day::new("2026-10-02T06:00:00Z").failing("cart", 2);
    let second = second.file("data/drift.json", canonical::value_to_vec(&drift).unwrap());
    let made: Made = Quarter::of([Day::new("2026-10-01T06:00:00Z"), second]).make();
    let cluster = only(made.period.clone());
    assert_eq!((who(&exception(&cluster, "cart").written_by), cluster.trails.len()), (Vec::new(), 0));
    assert_eq!(judged(&made.package.files, &[]).0, 0);
}
