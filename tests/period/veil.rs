//! Packages of a scope and packages with pseudonyms: a name that must not be read is nowhere in their bytes.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use kubeproof::{
    bundle::envelope::{self, Envelope},
    digest::Digest,
    evaluate::Declaration,
    period::{
        PeriodError,
        model::{Item, ItemClass, RemarkKind},
        pseudonym::PseudonymKey,
    },
    snapshot::Object,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::quarter::{CLUSTER, Day, Made, Quarter, cells, deployment_in, keys, namespace, object, only, write};

const RBAC: &str = "rbac.authorization.k8s.io";
/// In every name that must not be read. Too long to be in a digest or in base64 by chance.
const PLANTED: &str = "outsider";

const SCOPES: &str = "apiVersion: kubeproof.dev/v1\nscopes:\n  - id: card-data\n    regulations: [pci-dss]\n    \
                      namespaces: {names: [shop]}\n    nodes: {names: [worker-1]}\n    declaredBy: somebody\n    declaredOn: 2026-10-01\n  \
                      - id: outsider-scope\n    regulations: [hipaa]\n    namespaces: {names: [outsider-ns]}\n    \
                      declaredBy: somebody\n    declaredOn: 2026-10-01\n";

pub fn role(namespace: &str, name: &str) -> Object {
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
    object(RBAC, "Role", "roles.rbac.authorization.k8s.io", Some(namespace), name, json!({"rules": rules}))
}

/// A binding of a role to one subject.
pub fn binding(namespace: &str, name: &str, role: &str, subject: Value) -> Object {
    let body = json!({"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role}, "subjects": [subject]});
    object(RBAC, "RoleBinding", "rolebindings.rbac.authorization.k8s.io", Some(namespace), name, body)
}

fn person(kind: &str, name: &str) -> Value {
    json!({"apiGroup": RBAC, "kind": kind, "name": name})
}

pub fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

fn node(name: &str) -> Object {
    object("", "Node", "nodes", None, name, json!({"status": {"nodeInfo": {"kubeletVersion": "v1.37.2"}}}))
}

fn policy(name: &str, from: &str) -> Object {
    let peer = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": from}}});
    let body = json!({"spec": {"ingress": [{"from": [peer]}]}});
    object("networking.k8s.io", "NetworkPolicy", "networkpolicies.networking.k8s.io", Some("shop"), name, body)
}

fn declared(kind: &str, id: &str, note: &str) -> Declaration {
    Declaration {
        kind: kind.into(),
        id: id.into(),
        at: "waivers.yaml:3".into(),
        state: "in force".into(),
        until: Some("2026-12-31".into()),
        applies_to: vec!["outsider-finding".into()],
        note: note.into(),
    }
}

/// A file that an attestation points at, as the bag holds it.
fn attested(text: &str) -> Vec<(String, Vec<u8>)> {
    let digest = Digest::of(text);
    let path = format!("data/attested/{}.txt", digest.hex());
    let index = json!({"review.txt": digest.to_string()}).to_string();
    let attestations = "apiVersion: kubeproof.dev/v1\nattestations:\n  - id: review\n    requirement: \
                        pss-baseline/privileged\n    statement: reviewed\n    by: somebody\n    on: 2026-10-01\n    until: \
                        2026-12-31\n    files: [review.txt]\n";
    vec![
        (path, text.into()),
        ("data/rules/attested.json".into(), index.into()),
        ("data/rules/attestations.yaml".into(), attestations.into()),
    ]
}

/// Two runs of a cluster of which only shop and worker-1 are in the scope.
fn scoped() -> Quarter {
    let mut day = Day::new("2026-10-01T06:00:00Z")
        .with(namespace("outsider-ns"))
        .with(deployment_in("outsider-ns", "outsider-vault"))
        .with(deployment_in("robots", "outsider-crane"))
        .with(namespace("visitors"))
        .with(deployment_in("visitors", "outsider-guest"))
        .with(namespace("assessment"))
        .with(node("worker-1"))
        .with(node("outsider-node"))
        .with(role("shop", "reader"))
        .with(role("outsider-ns", "outsider-role"))
        .with(binding("shop", "ci", "reader", account("robots", "ci")))
        .with(binding("outsider-ns", "outsider-ci", "outsider-role", account("outsider-ns", "outsider-robot")))
        .with(binding("outsider-ns", "outsider-zoe", "outsider-role", person("User", "zoe@outsider.example")))
        .with(policy("lets-in", "outsider-ns"))
        .with(policy("lets-nothing", "shop"))
        .failing("cart", 2);
    day.others = vec![
        ("Deployment", Some("outsider-ns"), "outsider-vault", "container app runs privileged", Some("outsider-waiver")),
        ("Node", None, "outsider-node", "is not patched", None),
        ("User", None, "zoe@outsider.example", "reads Secrets", None),
        ("ServiceAccount", Some("outsider-ns"), "outsider-robot", "reads Secrets", None),
        ("Scope", None, "outsider-scope", "is entered from everywhere", None),
        ("Scope", None, "card-data", "lets-in lets Namespace/visitors into shop", None),
        ("NetworkPolicy", Some("shop"), "lets-more", "lets in Deployment/visitors/outsider-guest of visitors", None),
        ("Cluster", None, "shop", "without a policy: Namespace/outsider-ns, Deployment/outsider-ns/db", None),
        ("NetworkPolicy", Some("shop"), "lets-in", "lets in outsider-ns/web by zoe@outsider.example", None),
        ("NetworkPolicy", Some("shop"), "lets-nothing", "is open to Deployment/robots/outsider-crane", None),
    ];
    day.declarations = vec![
        declared("waiver", "outsider-waiver", "outsider-vault may run privileged"),
        declared(
            "attestation",
            "review",
            "somebody, 2026-10-01: reviewed (outsider-ns/x is not in this run); signatory as written; identity not verified",
        ),
    ];
    day.declarations[1].state = "unmatched".into();
    day.files = attested("we looked at outsider-ns as well");
    day.files.push(("data/rules/scope.yaml".into(), SCOPES.into()));
    day.files
        .push(("data/rules/waivers.yaml".into(), "# robots/outsider-crane may run as it is\nwaivers: []\n".into()));
    // A file of the library names nothing of a cluster, whatever words are in it.
    let library = kubeproof::framework::embedded();
    let (path, text) = library.iter().find(|(path, _)| path.starts_with("frameworks/pci-dss")).unwrap();
    day.files.push((format!("data/rules/{path}"), text.clone()));
    let next = Day { finished: super::quarter::at("2026-10-02T06:00:00Z"), ..day.clone() };
    Quarter::of([day, next])
}

/// Everything that can be read in a file: its bytes, a table's cells, a statement inside of its envelope.
fn readable(path: &str, bytes: &[u8]) -> Vec<String> {
    let mut texts = vec![String::from_utf8_lossy(bytes).into_owned()];
    if path.ends_with(".parquet") {
        let cells = cells(bytes);
        texts.extend(cells.into_values().flatten().flatten());
    }
    if path.ends_with(envelope::FILE.rsplit('/').next().unwrap()) {
        texts.push(String::from_utf8(Envelope::parse(bytes).unwrap().claimed().to_vec()).unwrap());
    }
    texts
}

/// Files of the package in which a name can be read, with the place.
fn leaks(made: &Made, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (path, bytes) in &made.package.files {
        for text in readable(path, bytes).into_iter().chain([path.clone()]) {
            let lower = text.to_lowercase();
            for (at, _) in lower.match_indices(name) {
                found.push(format!(
                    "{path}: {}",
                    lower[lower.floor_char_boundary(at.saturating_sub(60))..].chars().take(120).collect::<String>()
                ));
            }
        }
    }
    found
}

fn verified(made: &Made) {
    let folder = TempDir::with_prefix("kubeproof-veil-").unwrap();
    let code = verify_in(folder.path(), &made.package.files);
    assert_eq!(code, 0);
}

fn verify_in(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> i32 {
    write(&folder.join("q4"), files);
    fs::write(folder.join("signing.pub"), keys().signing.public().to_pem().unwrap()).unwrap();
    let (code, said) = run(folder, &["verify", "q4", "--key", "signing.pub"], "");
    assert_eq!(code, 0, "{said}");
    code
}

/// Exit code and standard output.
fn run(folder: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("HOME", "/nonexistent")
        .env("KUBEPROOF_NOW", "2026-11-01T01:00:00Z");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn nothing_from_outside_of_the_scope_is_anywhere_in_the_package() {
    let quarter = scoped();
    let whole = quarter.make();
    assert!(leaks(&whole, PLANTED).len() > 20, "the names are there without a scope");
    let made = quarter.try_make(None, &[], Some("card-data")).unwrap();
    let leaks = leaks(&made, PLANTED);
    assert!(leaks.is_empty(), "{leaks:#?}");
    verified(&made);
    assert_eq!(made.period.filter.scope.as_deref(), Some("card-data"));

    let files = made.package.files;
    let cluster = only(made.period);
    let of = |class| -> Vec<&str> {
        let items = cluster.population.iter().filter(move |item| item.class == class);
        items.map(|item: &Item| item.name.as_str()).collect()
    };
    let carried = |name: &str| files.keys().any(|path| path.contains("/rules/") && path.ends_with(name));
    assert!(carried("frameworks/pci-dss-4.0.1.yaml"), "though it says 'assessment', which is a namespace here");
    assert!(!carried("waivers.yaml") && !carried("scope.yaml"), "they name what is outside");
    assert_eq!(of(ItemClass::Namespace), ["shop"]);
    assert_eq!(of(ItemClass::Node), ["worker-1"]);
    assert_eq!(of(ItemClass::Workload), ["cart", "search"]);
    assert_eq!(of(ItemClass::Subject), ["ci"], "wherever it lives: it has rights in shop");
    let found: Vec<(&str, &str)> =
        cluster.exceptions.iter().map(|x| (x.resource.name.as_str(), x.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("shop", "without a policy: (outside-the-scope), (outside-the-scope)"),
            ("cart", "container app runs privileged"),
            ("lets-in", "lets in (outside-the-scope) by (outside-the-scope)"),
            ("lets-more", "lets in (outside-the-scope) of visitors"),
            ("lets-nothing", "is open to (outside-the-scope)"),
            ("card-data", "lets-in lets Namespace/visitors into shop"),
        ]
    );
    // The policy that names the outside is cited without its text, its neighbour with it.
    let lets_in = &cluster.exceptions[2].evidence[0];
    assert_eq!(cluster.withheld.iter().collect::<Vec<_>>(), [&lets_in.digest]);
    let table = cells(&files[&format!("data/evidence/{CLUSTER}/objects.parquet")]);
    for (digest, text) in table["digest"].iter().zip(&table["json"]) {
        let digest: Digest = digest.as_deref().unwrap().parse().unwrap();
        assert_eq!(text.as_deref().map(Digest::of), (digest != lets_in.digest).then_some(digest));
    }
    let ids: Vec<&str> = cluster.declarations.iter().map(|declaration| declaration.id.as_str()).collect();
    assert_eq!(ids, ["review"], "the waiver is about what is outside");
    assert_eq!(cluster.declarations[0].files[0].path, None, "its file names what is outside");
    assert!(cluster.declarations[0].files[0].digest.is_some());
    let said = cluster.remarks.iter().find(|remark| remark.kind == RemarkKind::NamesLeftOut).unwrap();
    assert!(said.text.contains("1 object is cited by digest and run alone"), "{}", said.text);
}

#[test]
fn a_scope_that_nobody_declared_is_a_slip() {
    let error = scoped().try_make(None, &[], Some("unheard-of")).err().unwrap();
    assert!(matches!(error, PeriodError::Scope(scope) if scope == "unheard-of"));
}

/// Two runs in which people hold rights, are written about, and attest.
fn peopled() -> Quarter {
    let annotated = json!({"spec": {}, "note": "ask Alice@Outsider.Example first"});
    let mut day = Day::new("2026-10-01T06:00:00Z")
        .with(role("shop", "reader"))
        .with(binding("shop", "outsiders-read", "reader", person("Group", "outsiders")))
        .with(binding("shop", "alice", "reader", person("User", "alice@outsider.example")))
        .with(binding("shop", "dangling", "gone", person("User", "OUTSIDER\\bob \"b\"")))
        .with(binding("shop", "ci", "reader", account("shop", "ci")))
        .with(binding("shop", "masters", "reader", person("Group", "system:masters")))
        .with(object("apps", "Deployment", "deployments.apps", Some("shop"), "cart", annotated));
    day.failing.push(("cart", None));
    day.others = vec![
        (
            "User",
            None,
            "alice@outsider.example",
            "alice@outsider.example reads Secrets by RoleBinding/shop/alice",
            None,
        ),
        ("Group", None, "outsiders", "outsiders read Secrets", None),
        ("RoleBinding", Some("shop"), "outsiders-read", "gives OUTSIDER\\bob \"b\" too much", None),
    ];
    day.declarations = vec![declared("attestation", "review", "signed by alice@outsider.example as written")];
    day.files = attested("reviewed by alice@outsider.example");
    day.declarations[0].applies_to = vec!["pss-baseline/privileged".into()];
    let next = Day { finished: super::quarter::at("2026-10-02T06:00:00Z"), ..day.clone() };
    Quarter::of([day, next])
}

#[test]
fn no_name_of_a_person_or_a_group_is_anywhere_in_a_package_with_pseudonyms() {
    let quarter = peopled();
    assert!(leaks(&quarter.make(), PLANTED).len() > 10, "the names are there without pseudonyms");
    let key = PseudonymKey::generate([7; 32]);
    let made = quarter.make_with(None, &[], None, Some(&key)).unwrap();
    let leaks = leaks(&made, PLANTED);
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert_eq!(made.period.filter.pseudonyms, Some(key.id()));
    assert!(!made.package.files.values().any(|bytes| String::from_utf8_lossy(bytes).contains(&key.to_text())));
    let again = quarter.make_with(None, &[], None, Some(&key)).unwrap();
    assert!(made.package.files == again.package.files, "the same key gives the same bytes");

    let folder = TempDir::with_prefix("kubeproof-veil-").unwrap();
    assert_eq!(verify_in(folder.path(), &made.package.files), 0);
    let cluster = only(made.period);
    let (alice, group) = (key.pseudonym("alice@outsider.example"), key.pseudonym("outsiders"));
    let subjects: Vec<&str> = cluster
        .population
        .iter()
        .filter(|item| item.class == ItemClass::Subject)
        .map(|item| item.name.as_str())
        .collect();
    for name in [alice.as_str(), group.as_str(), "ci", "system:masters"] {
        assert!(subjects.contains(&name), "{name} in {subjects:?}");
    }
    assert_eq!(subjects.len(), 4);
    let x = cluster.exceptions.iter().find(|x| x.resource.kind == "User").unwrap();
    assert_eq!(
        (x.resource.name.as_str(), x.message.as_str()),
        (alice.as_str(), &*format!("{alice} reads Secrets by RoleBinding/shop/alice"))
    );
    let plain = only(quarter.make().period);
    let id = plain.exceptions.iter().find(|x| x.resource.kind == "User").unwrap().finding;
    assert_ne!(x.finding, id, "a plain id is a hash of the name");
    assert!(cluster.privileged.iter().any(|subject| subject.name == alice));
    assert_eq!(cluster.declarations[0].files[0].path, None);
    assert!(cluster.declarations[0].note.contains(&alice));
    // Who guesses at a name cannot confirm it: no digest of a text with a name is anywhere.
    let guessed = [
        binding("shop", "alice", "reader", person("User", "alice@outsider.example")),
        binding("shop", "outsiders-read", "reader", person("Group", "outsiders")),
    ];
    for text in guessed {
        let digest = text.digest.hex();
        assert!(quarter.make().package.files.values().any(|bytes| String::from_utf8_lossy(bytes).contains(&digest)));
        for (path, bytes) in &made.package.files {
            let found = readable(path, bytes).iter().any(|readable| readable.contains(&digest));
            assert!(!found, "{path} confirms a guess");
        }
    }
    // A stand-in for the digest, and the run, stay for what is left out; objects that name nobody keep their text.
    let table = cells(&made.package.files[&format!("data/evidence/{CLUSTER}/objects.parquet")]);
    let texts = table["json"].iter().flatten().count();
    assert_eq!(texts + cluster.withheld.len(), table["digest"].len());
    assert!(texts >= 3 && cluster.withheld.len() >= 3, "{texts} {}", cluster.withheld.len());

    let sample = ["sample", "q4", "--seed", "1", "--class", "subject", "--key", "signing.pub"];
    let (code, text) = run(folder.path(), &sample, "");
    assert_eq!(code, 0);
    assert!(text.contains(&alice) && text.contains("(the text is left out)"), "{text}");
}

#[test]
fn the_owner_of_the_key_tells_whose_a_pseudonym_is() {
    let folder = TempDir::with_prefix("kubeproof-pseudonym-").unwrap();
    let (code, said) = run(folder.path(), &["keys", "generate", "--pseudonym", "q4.key"], "");
    assert_eq!(code, 0, "{said}");
    let key = PseudonymKey::parse(&fs::read_to_string(folder.path().join("q4.key")).unwrap()).unwrap();
    assert!(said.contains(&key.id()) && !said.contains(&key.to_text()), "{said}");
    assert_eq!(run(folder.path(), &["keys", "generate", "--pseudonym", "q4.key"], "").0, 2, "never overwritten");
    let ask = ["keys", "pseudonym", "--key", "q4.key", "alice", "-"];
    let (code, said) = run(folder.path(), &ask, "bob\n\nops team\n");
    let lines: Vec<String> =
        ["alice", "bob", "ops team"].map(|name| format!("{} {name}\n", key.pseudonym(name))).into();
    assert_eq!((code, said), (0, lines.concat()));
    for slip in [
        &["keys", "pseudonym", "--key", "none.key", "alice"][..],
        &["keys", "pseudonym", "--key", "q4.key"],
        &["period", "--from", "2026-10-01", "--to", "2026-10-10", "--out", "x", "--pseudonymise"],
        &["period", "--from", "2026-10-01", "--to", "2026-10-10", "--out", "x", "--pseudonym-key", "q4.key"],
    ] {
        assert_eq!(run(folder.path(), slip, "").0, 2, "{slip:?}");
    }
}
