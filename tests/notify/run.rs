//! `kubeproof run` with hooks: each has its line, none decides the exit code, and no secret is said, logged or stored.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Instant};

use serde_json::Value;

use crate::{
    harness::hooks::{Answer, Identity, Receiver},
    live::workspace::{Ended, Workspace, files},
};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A run of the example's October and then its November, with these hooks.
fn shop(user: &Workspace, hooks: &str) -> Command {
    user.write(
        "kubeproof.yaml",
        &format!(
            "apiVersion: kubeproof.dev/v1\ncluster: {{name: shop-prod, environment: production}}\n\
             waivers: {EXAMPLES}/waivers.yaml\nowners: {EXAMPLES}/owners.yaml\nnotify:\n{hooks}"
        ),
    );
    let mut command = user.kubeproof();
    command.args(["run", "--config", "kubeproof.yaml", "--store", "evidence"]);
    command.env("KUBEPROOF_LOG", "trace");
    command
}

fn october(command: &mut Command) -> &mut Command {
    command.arg("--from").arg(Path::new(EXAMPLES).join("shop-2026-10-26"))
}

fn november(command: &mut Command) -> &mut Command {
    command.arg("--from").arg(Path::new(EXAMPLES).join("shop-2026-11-23"))
}

/// Nothing that was said, logged or stored holds a secret of a hook or of its answer.
fn without_secrets(user: &Workspace, ended: &Ended) {
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for secret in ["path-zq7", "query-zq7", "token-zq7", "answer-zq7"] {
        assert!(!said.contains(secret), "{secret} was said:\n{said}");
        if user.path("evidence").is_dir() {
            for (name, bytes) in files(&user.path("evidence")) {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} is in {name}");
            }
        }
    }
}

#[test]
fn hooks_hear_what_changed_in_four_weeks() {
    let (generic, slack) = (Receiver::start([Answer::status(200)]), Receiver::start([Answer::status(200)]));
    let user = Workspace::new();
    let secret = user.write("slack-url", &format!("{}\n", slack.url("/services/path-zq7")));
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let hooks = format!(
        "  - {{url: '{}', token: env:HOOK_TOKEN, on: always}}\n  - {{url: slack-url, format: slack, severity: high}}\n",
        generic.url("/hook?key=query-zq7")
    );
    let mut command = shop(&user, &hooks);
    command.env("HOOK_TOKEN", "token-zq7");
    let ended = Ended::from(november(october(&mut command)).output().unwrap()).expect(0);
    without_secrets(&user, &ended);

    let [first, second] = &generic.received()[..] else { panic!("a message for each run") };
    assert_eq!(second.header("authorization"), Some("Bearer token-zq7"));
    let (first, second) = (first.json(), second.json());
    assert_eq!((&first["event"], &first["changes"]["since"]), (&"change".into(), &Value::Null));
    assert_eq!((&second["event"], &second["cluster"]["environment"]), (&"worse".into(), &"production".into()));
    let named = second["changes"]["worse"]["named"].as_array().unwrap();
    let cart = named.iter().find(|change| change["check"] == "container-privileged").expect("cart runs privileged");
    assert_eq!((&cart["resource"], &cart["owner"]), (&"Deployment/shop/cart".into(), &"team-shop".into()));
    let gained = named.iter().find(|change| change["what"] == "access").expect("ci-bot gained permissions");
    assert!(gained["text"].as_str().unwrap().contains("ci-bot"));
    assert!(second["changes"]["better"]["findings"].as_u64().unwrap() > 0);
    assert_eq!(second["evidence"]["index"], 1);
    let report = second["evidence"]["report"].as_str().unwrap();
    assert!(Path::new(report).is_file() || user.path(report).is_file(), "{report}");
    let message = slack.only().json();
    let header = &message["blocks"][0];
    assert_eq!(header["text"]["text"], "shop-prod (production): got worse");
    assert!(message.to_string().contains("CRITICAL Deployment/shop/cart: "), "{message}");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("notified")).collect();
    let (generic, slack) = (generic.origin(), slack.origin());
    assert_eq!(lines.len(), 4, "a line for each hook of each run: {lines:?}");
    assert!(lines[0].ends_with(&format!("notified hook 1 ({generic})")), "{lines:?}");
    assert!(
        lines[1].ends_with(&format!("hook 2 ({slack}) is not notified: on is worse, and nothing got worse")),
        "{lines:?}"
    );
    assert!(lines[3].ends_with(&format!("notified hook 2 ({slack})")), "{lines:?}");
}

#[test]
fn no_hook_fails_a_run_or_holds_it_up() {
    let broken = Receiver::start([Answer::status(404)]);
    let hanging = Receiver::start([Answer::Hangs]);
    let fine = Receiver::start([Answer::status(200)]);
    let elsewhere = Receiver::start([Answer::with(307, "location", fine.url("/path-zq7"))]);
    let user = Workspace::new();
    user.write("readable", &fine.url("/path-zq7"));
    let hooks = format!(
        "  - {{url: '{}', on: always}}\n  - {{url: '{}', on: always, timeout: 1s}}\n  - {{url: '{}', on: always}}\n\
         \x20 - {{url: env:UNSET, on: always}}\n  - {{url: hooks.example.com/path-zq7, on: always}}\n  - {{url: readable, on: always}}\n\
         \x20 - {{url: '{}', token: token-zq7, on: always}}\n  - {{url: '{}', on: always}}\n",
        broken.url("/path-zq7"),
        hanging.url("/path-zq7"),
        elsewhere.url("/path-zq7"),
        fine.url("/path-zq7"),
        fine.url("/path-zq7"),
    );
    let began = Instant::now();
    let ended = Ended::from(october(&mut shop(&user, &hooks)).output().unwrap()).expect(0);
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    without_secrets(&user, &ended);
    for expected in [
        format!("hook 1 ({}) was not notified: it answered 404 Not Found", broken.origin()),
        format!("hook 2 ({}) was not notified: no answer within 1s", hanging.origin()),
        format!("hook 3 ({}) was not notified: it answered 307 Temporary Redirect, a redirect", elsewhere.origin()),
        "hook 4 was not notified: url: the variable UNSET is not set (line 9 of the configuration)".into(),
        "the file that its url names cannot be read: No such file or directory".into(),
        "the file that its url names can be read by everybody: chmod 600 it".into(),
        "the file that its token names cannot be read: No such file or directory".into(),
        format!("notified hook 8 ({})", fine.origin()),
    ] {
        assert!(ended.stderr.contains(&expected), "no '{expected}' in:\n{}", ended.stderr);
    }
    assert_eq!(fine.received().len(), 1);
    assert_eq!(user.bundles().len(), 1);
}

#[test]
fn over_tls_the_certificate_decides() {
    let user = Workspace::new();
    let identity = Identity::make(&user.write("pki/here", "").with_file_name(""));
    let hook = Receiver::start_tls([Answer::status(200)], &identity);
    let hooks = format!("  - {{url: '{}', on: always}}\n", hook.url("/path-zq7"));
    let run = |authority: Option<&Path>| {
        let mut command = shop(&user, &hooks);
        command.envs(authority.map(|file| ("SSL_CERT_FILE", file)));
        let ended = Ended::from(october(&mut command).output().unwrap()).expect(0);
        without_secrets(&user, &ended);
        ended.stderr
    };
    let refused = run(None);
    assert!(refused.contains("was not notified: invalid peer certificate: UnknownIssuer"), "{refused}");
    assert!(hook.received().is_empty(), "the message and the path never left");
    let trusted = run(Some(&identity.authority));
    assert!(trusted.contains(&format!("notified hook 1 ({})", hook.origin())), "{trusted}");
    assert_eq!(hook.only().path, "/path-zq7");
}

#[test]
fn a_proxy_of_the_environment_is_used() {
    let proxy = Receiver::start([Answer::status(200)]);
    let user = Workspace::new();
    let mut command = shop(&user, "  - {url: 'http://hooks.invalid/path-zq7', on: always}\n");
    command.env("HTTP_PROXY", proxy.origin());
    let ended = Ended::from(october(&mut command).output().unwrap()).expect(0);
    without_secrets(&user, &ended);
    assert!(ended.stderr.contains("notified hook 1 (http://hooks.invalid)"), "{}", ended.stderr);
    assert_eq!(proxy.only().path, "http://hooks.invalid/path-zq7");
}

#[test]
fn a_run_without_evidence_is_told_with_its_reason() {
    let hook = Receiver::start([Answer::status(503), Answer::status(200)]);
    let user = Workspace::new();
    let hooks = format!("  - {{url: '{}', on: failure}}\n", hook.url("/path-zq7"));
    user.write("bad/deployment.yaml", "kind: [\n");
    let ended = Ended::from(shop(&user, &hooks).args(["--from", "bad"]).output().unwrap()).expect(2);
    without_secrets(&user, &ended);
    let received = hook.received();
    assert_eq!(received.len(), 2, "tried again");
    let message = received[1].json();
    assert_eq!((&message["event"], &message["evidence"]), (&"failure".into(), &Value::Null));
    assert!(message["error"].as_str().unwrap().contains("no Kubernetes object in bad"), "{message}");
    assert!(
        ended.stderr.contains(&format!("notified hook 1 ({}) after 2 attempts", hook.origin())),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("error: no Kubernetes object in bad"), "{}", ended.stderr);
}

#[test]
fn a_mistyped_hook_is_an_error_that_does_not_repeat_it() {
    let user = Workspace::new();
    for hooks in [
        "  - {url: 'https://hooks.example.com/path-zq7', fromat: slack}\n",
        "  - https://hooks.example.com/path-zq7\n",
        "  - {url: 'htps://hooks.example.com/path-zq7'}\n",
        "  - {url: 'https://hooks.example.com/path-zq7', on: 'https://path-zq7'}\n",
    ] {
        let ended = Ended::from(october(&mut shop(&user, hooks)).output().unwrap()).expect(2);
        assert!(ended.stderr.contains("kubeproof.yaml:6"), "{}", ended.stderr);
        without_secrets(&user, &ended);
    }
}
