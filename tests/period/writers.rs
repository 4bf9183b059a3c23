//! Who began an exception and who gave a power, where audit logs said so; and nobody's name where it must not be read.

use kubeproof::{
    drift::ChangedBy,
    period::{
        model::{ClusterPeriod, Exception},
        pseudonym::PseudonymKey,
    },
};
use serde_json::{Value, json};

use super::quarter::{Day, Quarter, deployment, only, reads_secrets, written};

/// In every name of a person here. Too long to be in a digest or in base64 by chance.
const PLANTED: &str = "outsider";

fn change(api_version: &str, kind: &str, name: &str, entries: &[Value]) -> Value {
    json!({"resource": {"apiVersion": api_version, "kind": kind, "namespace": "shop", "name": name, "uid": null}, "change": "changed",
        "cause": "cluster", "changedBy": entries})
}

fn logged(user: &str, acting_as: Option<&str>, time: &str) -> Value {
    let trail = kubeproof::digest::Digest::of("trail").to_string();
    let mut entry =
        json!({"source": "audit-log", "user": user, "verb": "patch", "time": time, "auditId": "a-1", "trail": trail});
    if let Some(other) = acting_as {
        entry["as"] = other.into();
    }
    entry
}

/// Three runs; between the first two people who hold rights through groups alone wrote to what fails since, and gave a
/// power; between the last two others repaired one failure and deleted what showed the other.
fn quarter() -> Quarter {
    let first = Day::new("2026-10-01T06:00:00Z");
    let robot = "system:serviceaccount:shop:deployer";
    let drift = json!({"objects": [
        change("apps/v1", "Deployment", "cart", &[
            logged("zoe@outsider.example", Some("outsider-bob"), "2026-10-01T22:00:00Z"),
            logged(robot, None, "2026-10-01T21:00:00Z"),
            logged("late@outsider.example", None, "2026-10-02T07:00:00Z")]),
        change("rbac.authorization.k8s.io/v1", "RoleBinding", "ci", &[logged("mia@outsider.example", None, "2026-10-01T23:00:00Z")]),
        change("apps/v1", "Deployment", "search", &[logged("amy@outsider.example", None, "2026-10-01T22:00:00Z")]),
    ]});
    let [role, binding] = reads_secrets("ci");
    let held = |day: &str| Day::new(day).with(role.clone()).with(binding.clone());
    let told = |day: Day, drift| day.file("data/drift.json", kubeproof::canonical::value_to_vec(&drift).unwrap());
    let second = held("2026-10-02T06:00:00Z").failing("cart", 2).failing("export", 1);
    let repairs = json!({"objects": [
        change("apps/v1", "Deployment", "cart", &[
            logged("ann@outsider.example", None, "2026-10-02T21:00:00Z"),
            logged("early@outsider.example", None, "2026-10-02T05:00:00Z")]),
        change("apps/v1", "Deployment", "export", &[logged("ted@outsider.example", None, "2026-10-02T23:00:00Z")]),
    ]});
    // The bytes of before: the object of the first run names nobody, and this one does.
    let repaired = written(deployment("cart", 1), "helm", "2026-10-02T22:00:00Z");
    let third = held("2026-10-03T06:00:00Z").with(repaired);
    Quarter::of([first, told(second, drift), told(third, repairs)])
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
