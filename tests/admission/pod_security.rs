//! Pod Security Standards: the API server's own admission decides about thousands of pods, at both levels and every
//! policy version, and the checks must say the same of each, row by row.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use futures::{StreamExt, stream};
use http::Method;
use kube::client::Client;
use kubeproof::{
    clock::{Clock, SystemClock},
    collect::{ClusterIdentity, manifests},
    evaluate::{self, Outcome, Rules},
    framework::{Minor, embedded},
    snapshot::assemble,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::{
    api::{create, send},
    cluster,
    pods::{self, Case},
};

const LEVELS: [&str; 2] = ["baseline", "restricted"];
/// The newest policy version.
pub const NEWEST: u32 = 37;
/// Pods for each level and version, from each seed.
const PODS: usize = 60;
/// Pods read in one go.
const PART: usize = 500;
/// Requests under way at once.
const AT_ONCE: usize = 16;
const FIXED_SEED: u64 = 1;
/// Disagreements that are made small and printed.
const SHOWN: usize = 12;

/// Reasons that the admission gives, and the checks that answer for them.
const ROWS: &[(&[&str], &[&str])] = &[
    (&["host namespaces"], &["pod-host-network", "pod-host-pid", "pod-host-ipc"]),
    (&["privileged"], &["container-privileged"]),
    (&["hostProcess"], &["windows-host-process"]),
    (
        &["non-default capabilities", "unrestricted capabilities"],
        &["container-capabilities-default", "container-capabilities-add", "container-capabilities-drop-all"],
    ),
    (&["hostPath volumes", "restricted volume types"], &["pod-host-path", "pod-volume-kinds"]),
    (&["hostPort"], &["container-host-port"]),
    (&["probe or lifecycle host"], &["container-probe-host"]),
    (&["forbidden AppArmor profile", "forbidden AppArmor profiles"], &["apparmor-profile", "apparmor-annotation"]),
    (&["seLinuxOptions"], &["selinux-type", "selinux-user-role"]),
    (&["procMount"], &["container-proc-mount", "container-proc-mount-strict"]),
    (
        &["seccompProfile"],
        &["seccomp-annotation", "seccomp-annotation-container", "seccomp-unconfined", "container-seccomp-profile"],
    ),
    (&["forbidden sysctls"], &["pod-sysctls"]),
    (&["allowPrivilegeEscalation != false"], &["container-privilege-escalation"]),
    (&["runAsNonRoot != true"], &["container-run-as-non-root", "pod-run-as-non-root"]),
    (&["runAsUser=0"], &["container-root-user"]),
];

/// The rows that refuse a pod, each by the first reason of the table; none: the pod is admitted.
pub type Refusals = BTreeSet<String>;

/// What the API server says.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Judged(Refusals),
    /// It is no valid pod, whoever asks.
    Invalid(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standard {
    level: &'static str,
    version: Minor,
}

impl Standard {
    fn all() -> Vec<Self> {
        let versions = || (0..=NEWEST).map(Minor);
        LEVELS.iter().flat_map(|level| versions().map(move |version| Self { level, version })).collect()
    }

    fn namespace(self) -> String {
        format!("pss-{}-{}", self.level, self.version.0)
    }
}

/// The API server, with one namespace for each level and version.
struct Judge {
    client: Client,
    /// The compliant pod of each namespace, for updates of its ephemeral containers.
    compliant: BTreeMap<String, Value>,
}

impl Judge {
    async fn new(client: Client) -> Self {
        let namespaces = stream::iter(Standard::all()).map(|standard| {
            let client = client.clone();
            async move {
                let name = standard.namespace();
                let labels = json!({
                    "pod-security.kubernetes.io/enforce": standard.level,
                    "pod-security.kubernetes.io/enforce-version": format!("v{}", standard.version),
                });
                let namespace = json!({"metadata": {"name": name, "labels": labels}});
                create(&client, "/api/v1/namespaces", &namespace).await;
                // The controller makes one too, but nobody says when.
                let account = json!({"metadata": {"name": "default"}});
                create(&client, &format!("/api/v1/namespaces/{name}/serviceaccounts"), &account).await;
                let mut pod = pods::compliant();
                pod["metadata"]["name"] = "compliant".into();
                let pods = format!("/api/v1/namespaces/{name}/pods");
                let made = send(&client, Method::POST, &pods, Some(&pod)).await;
                (name, made.expect_success())
            }
        });
        let compliant = namespaces.buffer_unordered(AT_ONCE).collect().await;
        Self { client, compliant }
    }

    /// The namespaces as the API server has them.
    async fn namespaces(&self) -> Vec<Value> {
        let list = send(&self.client, Method::GET, "/api/v1/namespaces", None).await.expect_success();
        let items = list["items"].as_array().expect("a list").iter().cloned();
        items
            .map(|mut namespace| {
                namespace["apiVersion"] = "v1".into();
                namespace["kind"] = "Namespace".into();
                namespace
            })
            .collect()
    }

    async fn ask(&self, standard: Standard, case: &Case) -> Said {
        let namespace = standard.namespace();
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let answer = if case.ephemeral {
            let mut pod = self.compliant[&namespace].clone();
            pod["spec"]["ephemeralContainers"] = case.pod["spec"]["ephemeralContainers"].clone();
            let path = format!("{pods}/compliant/ephemeralcontainers?dryRun=All");
            send(&self.client, Method::PUT, &path, Some(&pod)).await
        } else {
            let mut pod = case.pod.clone();
            pod["metadata"]["name"] = "asked".into();
            send(&self.client, Method::POST, &format!("{pods}?dryRun=All"), Some(&pod)).await
        };
        match answer.code {
            200 | 201 => Said::Judged(Refusals::new()),
            403 if answer.message().contains("violates PodSecurity") => Said::Judged(reasons(answer.message())),
            422 => Said::Invalid(answer.message().into()),
            code => panic!("{code}: {}\n{}", answer.message(), case.pod),
        }
    }
}

/// The rows named in `pods "x" is forbidden: violates PodSecurity "baseline:v1.2": reason (detail), reason (detail)`.
fn reasons(message: &str) -> Refusals {
    let (_, list) = message.split_once("violates PodSecurity ").expect("a refusal");
    let (_, list) = list.split_once("\": ").expect("a list of reasons");
    let given = |reason: &str| list.starts_with(&format!("{reason} (")) || list.contains(&format!("), {reason} ("));
    let rows = ROWS.iter().filter(|(reasons, _)| reasons.iter().any(|reason| given(reason)));
    let rows: Refusals = rows.map(|(reasons, _)| reasons[0].to_string()).collect();
    assert_eq!(rows.len(), list.matches("), ").count() + 1, "a reason is not in the table: {message}");
    rows
}

/// What the checks say of each pod, in the order of `cases`: `namespaces` are seen beside them, and each case is in the
/// namespace named with it.
pub fn judge(rules: &Rules, version: Minor, namespaces: &[Value], cases: &[(&str, &Case)]) -> Vec<Refusals> {
    let pods = cases.iter().enumerate().map(|(at, (namespace, case))| {
        let mut pod = case.pod.clone();
        pod["metadata"]["name"] = format!("p{at}").into();
        pod["metadata"]["namespace"] = (*namespace).into();
        pod
    });
    let items: Vec<Value> = namespaces.iter().cloned().chain(pods).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let kubernetes = Some(format!("v{version}.0"));
    let options = manifests::Options { name: None, uid: None, kubernetes, key: None, now: SystemClock.now() };
    let collected = manifests::collect(&[manifests::Input::Stdin("-".into(), list.into_bytes())], &options);
    assert_eq!(collected.errors, []);
    let snapshot = assemble(collected.objects, &collected.coverage);
    let evaluation = evaluate::run(&evaluate::Input {
        snapshot: &snapshot,
        coverage: &collected.coverage,
        rules,
        kubernetes: Some(version),
        today: options.now.date_naive(),
        keep_passes: false,
    });
    let rows = rules.frameworks.iter().flat_map(|selected| &selected.framework.requirements);
    let deciding: BTreeSet<&str> = rows.flat_map(|row| &row.decides).map(String::as_str).collect();
    let mut refusals = vec![Refusals::new(); cases.len()];
    let framework = &rules.frameworks[0].framework.id;
    let counted = evaluation.findings.iter().filter(|finding| finding.counts_for(framework));
    for finding in counted.filter(|finding| deciding.contains(&*finding.check)) {
        let Some(at) = finding.resource.name.strip_prefix('p').and_then(|at| at.parse::<usize>().ok()) else {
            continue;
        };
        let row = ROWS.iter().find(|(_, checks)| checks.contains(&&*finding.check));
        let row = row.unwrap_or_else(|| panic!("{} is not in the table", finding.check)).0[0];
        match finding.outcome {
            Outcome::Fail => refusals[at].insert(row.into()),
            Outcome::NotEvaluated => refusals[at].insert(format!("{row}: {}", finding.message)),
            Outcome::Pass | Outcome::NotApplicable | Outcome::Manual => false,
        };
    }
    refusals
}

/// One level and its checks.
pub fn rules(level: &str) -> Rules {
    Rules::load(embedded(), &[format!("pss-{level}")], &ClusterIdentity::default()).unwrap()
}

/// A generator that a seed decides.
pub fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Another one for each run, unless the environment names it.
pub fn fresh_seed() -> u64 {
    let named = std::env::var_os("KUBEPROOF_TEST_SEED").and_then(|seed| seed.into_string().ok());
    let named = named.map(|seed| seed.parse().expect("a number"));
    named.unwrap_or_else(|| u64::from(SystemClock.now().timestamp_subsec_nanos()))
}

type Tree = Box<dyn ValueTree<Value = Case>>;

/// A pod, and the standard by which it is judged.
struct Asked {
    standard: Standard,
    case: Case,
}

fn generate(seed: u64) -> Vec<(Asked, Tree)> {
    let (strategy, mut runner) = (pods::case().boxed(), runner(seed));
    let standards = Standard::all();
    let standards = standards.iter().flat_map(|standard| std::iter::repeat_n(*standard, PODS));
    standards
        .map(|standard| {
            let tree = strategy.new_tree(&mut runner).unwrap();
            let case = tree.current();
            (Asked { standard, case }, tree)
        })
        .collect()
}

/// The smallest pod that the two sides disagree about, beginning with one that they do.
async fn smallest(there: &Judge, rules: &Rules, standard: Standard, mut tree: Tree) -> String {
    let mut found = None;
    let mut more = true;
    // The first round asks about the pod as it was found.
    while more {
        let case = tree.current();
        let theirs = there.ask(standard, &case).await;
        let ours = judge(rules, standard.version, &[], &[("default", &case)]).remove(0);
        let differ = matches!(&theirs, Said::Judged(theirs) if *theirs != ours);
        if differ {
            found = Some((case, theirs, ours));
        }
        more = if differ { tree.simplify() } else { tree.complicate() };
    }
    let (case, theirs, ours) = found.expect("both sides disagreed a moment ago");
    format!(
        "{} {}:\n  API server: {theirs:?}\n  checks:     {ours:?}\n  pod:        {}",
        standard.level, standard.version, case.pod
    )
}

/// The pods that the checks judge otherwise by the namespaces' labels than by the version itself.
fn by_label(
    all: &[Asked],
    ours: &BTreeMap<usize, Refusals>,
    rules: &BTreeMap<&str, Rules>,
    namespaces: &[Value],
) -> Vec<String> {
    let of = |level: &str| (0..all.len()).filter(|at| all[*at].standard.level == level).collect::<Vec<usize>>();
    let parts: Vec<(&str, Vec<usize>)> = LEVELS
        .iter()
        .flat_map(|level| of(level).chunks(PART).map(|part| (*level, part.to_vec())).collect::<Vec<_>>())
        .collect();
    parts
        .into_par_iter()
        .flat_map_iter(|(level, places)| {
            let names: Vec<String> = places.iter().map(|at| all[*at].standard.namespace()).collect();
            let cases = names.iter().zip(&places).map(|(name, at)| (name.as_str(), &all[*at].case));
            let said = judge(&rules[level], Minor(NEWEST), namespaces, &cases.collect::<Vec<_>>());
            let differ = places.into_iter().zip(said).filter(|(at, said)| ours[at] != *said);
            differ
                .map(|(at, said)| {
                    let Standard { level, version } = all[at].standard;
                    format!("{level} {version}: {said:?} instead of {:?}: {}", ours[&at], all[at].case.pod)
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pod_is_admitted_or_refused_as_the_api_server_does() {
    let fresh = fresh_seed();
    println!("seeds {FIXED_SEED} and {fresh} (KUBEPROOF_TEST_SEED={fresh} asks the second one again)");
    let started = Instant::now();
    let there = Judge::new(cluster().client().await).await;
    println!("namespaces after {:?}", started.elapsed());
    let (all, trees): (Vec<Asked>, Vec<Tree>) = [FIXED_SEED, fresh].into_iter().flat_map(generate).unzip();
    let answers: Vec<Said> =
        stream::iter(&all).map(|asked| there.ask(asked.standard, &asked.case)).buffered(AT_ONCE).collect().await;
    println!("{} answers after {:?}", answers.len(), started.elapsed());
    let rules: BTreeMap<&str, Rules> = LEVELS.iter().map(|level| (*level, rules(level))).collect();
    let mut by_standard: BTreeMap<Standard, Vec<usize>> = BTreeMap::new();
    for (at, asked) in all.iter().enumerate() {
        by_standard.entry(asked.standard).or_default().push(at);
    }
    let ours: BTreeMap<usize, Refusals> = by_standard
        .into_par_iter()
        .flat_map_iter(|(standard, places)| {
            let cases: Vec<(&str, &Case)> = places.iter().map(|at| ("default", &all[*at].case)).collect();
            let said = judge(&rules[standard.level], standard.version, &[], &cases);
            places.into_iter().zip(said).collect::<Vec<_>>()
        })
        .collect();
    println!("checks after {:?}", started.elapsed());
    // Once more as on a live cluster of the newest version, whose namespaces say by which version they are judged.
    let namespaces = there.namespaces().await;
    let differ = by_label(&all, &ours, &rules, &namespaces);
    assert!(differ.is_empty(), "{} pods are judged otherwise by the label: {}", differ.len(), differ[0]);
    println!("labels after {:?}", started.elapsed());
    let mut invalid: BTreeMap<String, u64> = BTreeMap::new();
    let (mut admitted, mut refused, mut wrong) = (0, 0, Vec::new());
    for (at, (answer, tree)) in answers.into_iter().zip(trees).enumerate() {
        match answer {
            Said::Invalid(message) => *invalid.entry(message).or_default() += 1,
            Said::Judged(theirs) if theirs != ours[&at] => wrong.push((all[at].standard, tree)),
            Said::Judged(theirs) if theirs.is_empty() => admitted += 1,
            Said::Judged(_) => refused += 1,
        }
    }
    let no_pods: u64 = invalid.values().sum();
    println!("{admitted} admitted, {refused} refused, {no_pods} no valid pods, {} disagreements", wrong.len());
    if std::env::var_os("KUBEPROOF_TEST_INVALID").is_some() {
        invalid.iter().for_each(|(message, count)| println!("{count:5} {message}"));
    }
    let (count, mut shown) = (wrong.len(), BTreeSet::new());
    for (standard, tree) in wrong.into_iter().take(SHOWN) {
        shown.insert(smallest(&there, &rules[standard.level], standard, tree).await);
    }
    assert!(shown.is_empty(), "{count} disagreements:\n{}", shown.into_iter().collect::<Vec<_>>().join("\n"));
    assert!(admitted > 1_000 && refused > 1_000, "too few pods say something");
    assert!(no_pods * 5 < admitted + refused, "too many pods are none");
}
