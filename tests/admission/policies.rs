//! Checks rendered as ValidatingAdmissionPolicy: the API server compiles and type-checks each, and must refuse and admit
//! what the check's own cases say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::{Command, Output},
};

use http::Method;
use kube::client::Client;
use kubeproof::framework::{
    Check, Library, Minor,
    check::{On, Test},
    embedded, policy,
    policy::{Action, Rendered},
};
use proptest::strategy::{Strategy, ValueTree};
use serde_json::{Value, json};

use super::{
    api::{create, send},
    cluster,
    complete::{self, Served},
    install::{API, LABEL, Said, ask, in_force, install, make_namespace, objects, type_warnings},
    pod_security::{NEWEST, fresh_seed, judge, rules, runner},
    pods::{self, Case},
};
use crate::harness::cluster::read_yaml;

/// Pods that are judged by the policies of a whole level.
const GENERATED: usize = 600;

/// One policy of one check, with the cases that it decides.
struct Installed<'a> {
    name: String,
    rendered: Rendered,
    cases: Vec<&'a Test>,
}

/// A policy for each way in which a check's cases ask to be judged.
fn installed(check: &Check) -> Vec<Installed<'_>> {
    let mut all: Vec<Installed<'_>> = Vec::new();
    for test in &check.tests {
        let decides = check.policy(test.kubernetes, &test.params);
        let Ok(rendered) = policy::render(check, &decides, &[Action::Deny].into(), &[]) else { continue };
        match all.iter_mut().find(|known| known.rendered == rendered) {
            Some(known) => known.cases.push(test),
            None => {
                let name = format!("{}-{}", check.id, all.len());
                all.push(Installed { name, rendered, cases: vec![test] });
            }
        }
    }
    all
}

/// A case of a check with its completed objects.
struct Asked<'a> {
    check: &'a Check,
    policy: &'a str,
    test: &'a Test,
    objects: Vec<Value>,
}

/// How the cases came out.
#[derive(Default)]
struct Tally {
    admitted: usize,
    refused: usize,
    /// Refusals in the policy's fixed words, not in the check's.
    plain: usize,
    invalid: Vec<String>,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, asked: &Asked<'_>, answers: &[Said]) {
        let case = format!("{} ({}): {}", asked.check.id, asked.policy, asked.test.name.value);
        let mut refusals = Vec::new();
        for answer in answers {
            match answer {
                Said::Invalid(why) => return self.invalid.push(format!("{case}: {why}")),
                Said::Refused(words) => refusals.push(words),
                Said::Admitted => {}
            }
        }
        let fixed = format!("({})", asked.check.id);
        self.plain += refusals.iter().filter(|words| words.contains(&fixed)).count();
        let failed = refusals.iter().any(|words| words.contains("resulted in error"));
        if failed || refusals.is_empty() == asked.test.fail.is_some() {
            self.wrong.push(format!("{case}: the API server says {answers:?}\n  of {}", json!(asked.objects)));
        } else if refusals.is_empty() {
            self.admitted += 1;
        } else {
            self.refused += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_says_of_every_case_what_the_check_says() {
    let client = cluster().client().await;
    let served = Served::by(&client).await;
    let library = Library::load(&embedded()).unwrap();
    let all: Vec<(&Check, Installed<'_>)> =
        library.checks().flat_map(|check| installed(check).into_iter().map(move |one| (check, one))).collect();
    let (mut asked, mut unsent) = (Vec::new(), Vec::new());
    for (check, Installed { name, cases, .. }) in &all {
        for (at, test) in cases.iter().enumerate() {
            let objects = test.object.iter().chain(&test.objects);
            let completed: Option<Vec<Value>> =
                objects.map(|object| served.object(object, &check.on, (LABEL, name), at)).collect();
            match completed.filter(|_| test.not_evaluated.is_none()) {
                Some(objects) => asked.push(Asked { check, policy: name, test, objects }),
                None => unsent.push(format!("{}: {}", check.id, test.name.value)),
            }
        }
    }
    prepare(&client, &served, asked.iter().flat_map(|asked| &asked.objects)).await;
    let policies = all.iter().map(|(_, installed)| objects(&installed.rendered, &installed.name, &installed.name));
    install(&client, &policies.collect::<Vec<_>>()).await;
    in_force(&client, "last").await;

    let mut tally = Tally::default();
    for asked in &asked {
        let mut answers = Vec::new();
        for object in &asked.objects {
            answers.push(ask(&client, &served, asked.policy, object).await);
        }
        tally.add(asked, &answers);
    }
    for (_, installed) in &all {
        tally.wrong.extend(type_warnings(&client, &installed.name).await);
    }
    let Tally { admitted, refused, plain, invalid, wrong } = tally;
    println!(
        "{} policies: {admitted} cases admitted, {refused} refused ({plain} with the fixed message), {} no valid objects, \
         {} not sent",
        all.len(),
        invalid.len(),
        unsent.len()
    );
    invalid.iter().for_each(|case| println!("no valid object: {case}"));
    unsent.iter().for_each(|case| println!("not sent: {case}"));
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), asked.len(), wrong.join("\n"));
    assert!(admitted > 50 && refused > 50, "too few cases say something");
    assert!(invalid.len() * 10 < admitted + refused, "too many cases are no valid objects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policies_of_the_restricted_level_judge_any_pod_as_the_checks_do() {
    let client = cluster().client().await;
    let served = Served::by(&client).await;
    let rules = rules("restricted");
    let deciding = rules.frameworks[0].framework.requirements.iter().flat_map(|row| &row.decides);
    let policies = deciding.collect::<BTreeSet<_>>().into_iter().map(|id| {
        let check = rules.library.check(id).unwrap();
        let decides = check.policy(Some(Minor(NEWEST)), &BTreeMap::new());
        let rendered = policy::render(check, &decides, &[Action::Deny].into(), &[]).unwrap();
        objects(&rendered, &format!("restricted-{id}"), "restricted")
    });
    make_namespace(&client, "cases", "default").await;
    install(&client, &policies.collect::<Vec<_>>()).await;
    in_force(&client, "last-restricted").await;

    let seed = fresh_seed();
    println!("seed {seed}");
    let (strategy, mut runner) = (pods::case(), runner(seed));
    let generated = (0..GENERATED).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let cases: Vec<Case> = generated.filter(|case| !case.ephemeral).collect();
    let ours = judge(&rules, Minor(NEWEST), &[], &cases.iter().map(|case| ("default", case)).collect::<Vec<_>>());
    let (mut admitted, mut refused, mut wrong) = (0, 0, Vec::new());
    for (at, (case, ours)) in cases.iter().zip(&ours).enumerate() {
        let object = served.object(&case.pod, &On::Pod, (LABEL, "restricted"), at).unwrap();
        let answer = send(&client, Method::POST, &format!("{}?dryRun=All", served.path(&object)), Some(&object)).await;
        let denied = answer.message().contains("ValidatingAdmissionPolicy 'restricted-");
        match answer.code {
            201 => admitted += 1,
            403 | 422 if denied => refused += 1,
            _ => continue,
        }
        if denied == ours.is_empty() || answer.message().contains("resulted in error") {
            wrong.push(format!("{}: {} but {ours:?}: {}", answer.code, answer.message(), case.pod));
        }
    }
    println!("{admitted} admitted, {refused} refused, {} no valid pods", cases.len() - admitted - refused);
    assert!(wrong.is_empty(), "{} pods differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(admitted > 50 && refused > 50, "too few pods say something");
}

/// What the cases need to be there: their namespaces, and the pods whose ephemeral containers are asked about.
async fn prepare(client: &Client, served: &Served, objects: impl Iterator<Item = &Value>) {
    let (mut accounts, mut pods) = (BTreeSet::new(), BTreeMap::new());
    for object in objects {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            let account = object["spec"]["serviceAccountName"].as_str().unwrap_or("default");
            accounts.extend([(namespace, "default"), (namespace, account)]);
        }
        if complete::has_ephemeral(object) {
            let mut pod = object.clone();
            pod["spec"].as_object_mut().unwrap().remove("ephemeralContainers");
            pods.insert((served.path(object), object["metadata"]["name"].to_string()), pod);
        }
    }
    for (namespace, account) in accounts {
        make_namespace(client, namespace, account).await;
    }
    for ((path, _), pod) in pods {
        create(client, &path, &pod).await;
    }
}

fn kubeproof(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubeproof")).arg("checks").arg("policy").args(args).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_prints_what_the_api_server_takes() {
    let client = cluster().client().await;
    let folder = tempfile::tempdir().unwrap();
    for args in [&[][..], &["--framework", "pss-restricted", "--action", "Audit,Warn", "--kubernetes-version", "1.30"]]
    {
        let printed = kubeproof(args);
        assert_eq!(printed.status.code(), Some(0), "{}", String::from_utf8_lossy(&printed.stderr));
        let file = folder.path().join("policies.yaml");
        fs::write(&file, printed.stdout).unwrap();
        let documents = read_yaml(&file);
        assert!(documents.len() > 20 && documents.len().is_multiple_of(2), "{} documents", documents.len());
        for document in &documents {
            let kind = match document["kind"].as_str().unwrap() {
                "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
                _ => "validatingadmissionpolicybindings",
            };
            // Unknown fields are refused too.
            let path = format!("{API}/{kind}?dryRun=All&fieldValidation=Strict");
            send(&client, Method::POST, &path, Some(document)).await.expect_success();
        }
    }
}

#[test]
fn what_cannot_be_rendered_is_one_sentence_and_exit_code_2() {
    for (args, words) in [
        (&["pod-token-mount"][..], "rests on other objects (serviceaccounts)"),
        (&["rbac-anonymous-bindings"], "it judges subject"),
        (&["container-priviliged"], "did you mean 'container-privileged'?"),
        (&["--framework", "pss-baselin"], "did you mean 'pss-baseline'?"),
        (&["--action", "Deny,Warn"], "--action Audit,Warn"),
        (&["--framework", "hipaa", "container-privileged"], "cannot be used with"),
        (&["--checks", "/nonexistent"], "/nonexistent"),
    ] {
        let output = kubeproof(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words) && output.stdout.is_empty(), "{args:?}: {said}");
    }
    let all = kubeproof(&[]);
    assert!(String::from_utf8_lossy(&all.stderr).contains("left out: pod-token-mount: it rests on other objects"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exempt_namespaces_are_left_alone_and_warnings_let_pass() {
    let client = cluster().client().await;
    let library = Library::load(&embedded()).unwrap();
    let served = Served::by(&client).await;
    let check = library.check("container-privileged").unwrap();
    let render = |action, exempt: &[&str]| -> Rendered {
        let exempt: Vec<String> = exempt.iter().map(|name| (*name).to_string()).collect();
        let decides = check.policy(Some(Minor(37)), &BTreeMap::new());
        policy::render(check, &decides, &BTreeSet::from([action]), &exempt).unwrap()
    };
    for name in ["exempt", "judged"] {
        make_namespace(&client, name, "default").await;
    }
    let all = [
        objects(&render(Action::Deny, &["exempt", "kube-system"]), "exempting", "exempting"),
        objects(&render(Action::Warn, &["exempt"]), "warning", "warning"),
    ];
    install(&client, &all).await;
    in_force(&client, "last-exempt").await;
    let pod = |namespace: &str, policy: &str| {
        let object = json!({"kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [
            {"name": "app", "securityContext": {"privileged": true}}]}});
        served.object(&object, &On::Pod, (LABEL, policy), 0).unwrap()
    };
    let refused = Said::Refused("container app runs privileged".into());
    assert_eq!(ask(&client, &served, "exempting", &pod("judged", "exempting")).await, refused);
    assert_eq!(ask(&client, &served, "exempting", &pod("exempt", "exempting")).await, Said::Admitted);
    assert_eq!(ask(&client, &served, "warning", &pod("judged", "warning")).await, Said::Admitted);
}
