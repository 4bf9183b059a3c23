//! The example: what a new user sees first, and how it was recorded.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use kubeproof::evaluate::{Finding, Outcome, stored};
use regex::{Captures, Regex};
use tokio::time::sleep;

use super::{
    least_privilege::{base, token},
    workspace::{Ended, Workspace, files},
};
use crate::harness::{cluster::Cluster, judges};

/// The two recordings, with the field managers that made each moment, in the order of their work.
const MOMENTS: [(&str, &str, &[&str]); 2] = [
    ("october", "2026-10-26", &["kubeadm", "kustomize-controller", "helm"]),
    ("november", "2026-11-23", &["kustomize-controller", "helm", "kubectl-edit", "kubectl-create"]),
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

#[test]
fn the_first_command_shows_what_happened_in_four_weeks() {
    let user = Workspace::new();
    let mut command = user.kubeproof();
    command.arg("run").arg("--config").arg(examples().join("kubeproof.yaml"));
    for (_, day, _) in MOMENTS {
        command.arg("--from").arg(examples().join(format!("shop-{day}")));
    }
    let ended = Ended::from(command.args(["--store", "evidence", "--report", "full"]).output().unwrap()).expect(0);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for needle in ["WORSE", "shop/cart", "ACCESS", "ci-bot", "BETTER", "W-9", ".pdf", "kubeproof verify"] {
        assert!(said.contains(needle), "no '{needle}' in:\n{said}");
    }

    let bundles = user.bundles();
    assert_eq!(bundles.len(), 2);
    let drifted = |bundle: &&PathBuf| fs::read_to_string(bundle.join("data/drift.json")).unwrap().contains("ci-debug");
    let november = bundles.iter().find(drifted).expect("one bundle compares with the other");
    let evaluation = stored::read(&fs::read(november.join("data/evaluation.json")).unwrap()).unwrap();
    let find = |check: &str, name: &str| -> Vec<&Finding> {
        let failures = evaluation.findings.iter().filter(|finding| finding.outcome == Outcome::Fail);
        failures.filter(|finding| &*finding.check == check && finding.resource.name == name).collect()
    };
    let [privileged] = find("container-privileged", "cart")[..] else { panic!("cart runs privileged once") };
    assert_eq!((privileged.owner.as_deref(), privileged.waiver.as_deref()), (Some("team-shop"), None));
    let [host_path] = find("pod-host-path", "cart")[..] else { panic!("cart mounts the host once") };
    assert_eq!(host_path.waiver.as_deref(), Some("W-9"));
    assert!(find("container-privileged", "opensearch").is_empty(), "repaired in November");

    let both = ["shop-prod", "CONFIDENTIAL, CARD DATA SCOPE", "cart", "ci-bot", "W-9"];
    for (pdf, own) in [("report.pdf", "A-07"), ("drift.pdf", "28 days")] {
        let text = judges::pdf_text(&november.join("data/report").join(pdf));
        for needle in both.into_iter().chain([own]) {
            assert!(text.contains(needle), "{pdf} does not say '{needle}'");
        }
    }
}

#[test]
fn recordings_are_small_and_hold_no_planted_secret() {
    let mut size = 0;
    for (_, day, _) in MOMENTS {
        for (name, bytes) in files(&examples().join(format!("shop-{day}"))) {
            size += bytes.len();
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains("example-only-"), "{name} of {day} holds a value that should be redacted");
        }
    }
    assert!((50_000..2_000_000).contains(&size), "{size} bytes");
}

/// Writes both recordings again, after a change of `examples/shop`: `cargo test record_the_shop -- --ignored`.
#[tokio::test]
#[ignore = "writes examples/, run by hand"]
async fn record_the_shop() {
    let began = now() - TimeDelta::seconds(1);
    let cluster = Cluster::start("cp-1,worker-1");
    let install = ["namespace.yaml", "serviceaccount.yaml", "clusterrole.yaml", "clusterrolebinding.yaml"];
    let mut install = base(&install);
    install.push(base(&["../overlays/configz/clusterrole.yaml"]).remove(0));
    cluster.apply("kustomize-controller", &install.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let user = Workspace::new();
    let kubeconfig = user.path("kubeconfig");
    cluster.write_kubeconfig(&kubeconfig, &token(&cluster, "kubeproof", "kubeproof").await, None);
    let mut story = vec![(began, at("2026-03-02", "09:00:00"))];
    for (folder, day, managers) in MOMENTS {
        let shop = examples().join("shop").join(folder);
        for manager in managers {
            cluster.apply(manager, &[&shop.join(manager)]);
        }
        if shop.join("deleted").is_dir() {
            cluster.delete(&[&shop.join("deleted")]);
        }
        let recording = examples().join(format!("shop-{day}"));
        let _ = fs::remove_dir_all(&recording);
        let mut command = user.kubeproof();
        command
            .args(["run", "--name", "shop-prod", "--kubelet-configz"])
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .arg("--record")
            .arg(&recording);
        Ended::from(command.env("KUBEPROOF_NOW", format!("{day}T06:00:00Z")).output().unwrap()).expect(0);
        // Objects say whole seconds: a second before and after the mark keeps the moments apart.
        sleep(Duration::from_secs(1)).await;
        story.push((now(), at(day, "05:50:00")));
        sleep(Duration::from_secs(1)).await;
        retell(&recording, &story, cluster.server());
    }
    cluster.stop();
}

#[allow(clippy::disallowed_methods, reason = "recordings tell real times in other words")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn at(day: &str, time: &str) -> DateTime<Utc> {
    format!("{day}T{time}Z").parse().unwrap()
}

/// Moves the times of a recording, made within minutes, to the months of the story, and the test cluster's loopback
/// addresses to ones that a company would have. The order of events stays as it was.
fn retell(recording: &Path, story: &[(DateTime<Utc>, DateTime<Utc>)], server: &str) {
    let time = Regex::new(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
    // Addresses of the machine only: a component that listens on loopback is told as it is.
    let own = Regex::new(r#""(address|hostIP|ip|podIP)": "127\.0\.0\.1""#).unwrap();
    for name in files(recording).into_keys() {
        let path = recording.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let text = time.replace_all(&text, |found: &Captures| match found[0].parse() {
            Ok(real) => moved(real, story).map_or(found[0].to_owned(), kubeproof::clock::rfc3339),
            Err(_) => found[0].to_owned(),
        });
        let text = text.replace(server, "https://10.20.0.11:6443");
        fs::write(&path, own.replace_all(&text, r#""$1": "10.20.0.11""#).as_bytes()).unwrap();
    }
}

/// Where a real time stands in the story: between the two marks around it, in proportion.
fn moved(real: DateTime<Utc>, story: &[(DateTime<Utc>, DateTime<Utc>)]) -> Option<DateTime<Utc>> {
    let [(from, told_from), (to, told_to)] = *story.windows(2).find(|pair| (pair[0].0..=pair[1].0).contains(&real))?
    else {
        return None;
    };
    let share = (real - from).num_milliseconds().max(0) as f64 / (to - from).num_milliseconds() as f64;
    let told = (told_to - told_from).num_milliseconds() as f64 * share;
    Some(told_from + TimeDelta::milliseconds(told as i64))
}
