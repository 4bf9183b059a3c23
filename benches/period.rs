//! `period` over daily bundles of a cluster of 16,000 objects, most of them the same from day to day.
//!
//! `cargo bench --bench period [-- DAYS [FOLDER]]` (default 92). Every bundle is made by `run`: evaluated, with drift and
//! PDF, signed and committed, which takes some seconds a day; with FOLDER the store stays there and is used again. Each
//! day releases 40 new versions, opens a hole in 3 workloads for some days, and gives or takes a right.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod measure;
mod mix;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const OBJECTS: usize = 16_000;
const DAYS: usize = 92;
const RUNS: usize = 3;
const MADE: &str = "2026-10-05T00:00:00Z";

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let days = arguments.next().and_then(|days| days.parse().ok()).unwrap_or(DAYS);
    let own = tempfile::tempdir()?;
    let folder = arguments.next().map_or_else(|| own.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&folder)?;
    for day in 0..days {
        run_of(&folder, day)?;
    }
    println!("{:>8} {:>9} {:>9} {:>12}", "bundles", "seconds", "peak MiB", "package MiB");
    for of in [days.div_ceil(4), days.div_ceil(2), days] {
        let mut runs = (0..RUNS).map(|_| package(&folder, of)).collect::<io::Result<Vec<_>>>()?;
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, _, bytes) = runs[RUNS / 2];
        let peak = runs.iter().map(|run| run.1).max().unwrap_or(0) >> 10;
        println!("{of:>8} {seconds:>9.1} {peak:>9} {:>12.1}", bytes as f64 / f64::from(1 << 20));
    }
    Ok(())
}

/// The bundle of one day; one that is there already is left alone.
fn run_of(folder: &Path, day: usize) -> io::Result<()> {
    let done = folder.join(format!("done-{day:03}"));
    if done.exists() {
        return Ok(());
    }
    let manifests = folder.join("manifests");
    if !manifests.exists() {
        mix::write(&manifests, OBJECTS)?;
    }
    fs::write(manifests.join("z-today.yaml"), today(day))?;
    let mut run = program(folder, &format!("{}T06:00:00Z", date(day)));
    run.arg("run").arg("--name").arg("bench").arg("--from").arg(&manifests).arg("--store").arg(folder.join("store"));
    let status = run.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    // Manifests show no nodes and no kubelets: evidence is committed, and incomplete.
    if !matches!(status.code(), Some(0 | 5)) {
        return Err(io::Error::other(format!("{run:?} ended with {status}")));
    }
    fs::write(done, "")
}

/// Packages the first days: seconds, peak KiB, and the package's size in bytes.
fn package(folder: &Path, days: usize) -> io::Result<(f64, u64, u64)> {
    let out = tempfile::tempdir_in(folder)?;
    let mut period = program(folder, MADE);
    period.arg("period").arg("--store").arg(folder.join("store")).arg("--out").arg(out.path().join("package"));
    period.arg("--from").arg(date(0)).arg("--to").arg(date(days - 1)).arg("--schedule").arg("0 6 * * *");
    let (time, peak) = measure::measure(&mut period, &[0])?;
    let files = walkdir::WalkDir::new(out.path()).into_iter().filter_map(Result::ok);
    let bytes = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    Ok((time.as_secs_f64(), peak, bytes))
}

fn program(folder: &Path, now: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
    command.env("HOME", folder).env_remove("XDG_CONFIG_HOME").env("KUBEPROOF_NOW", now);
    command
}

/// The days of July, August and September 2026.
fn date(day: usize) -> String {
    let (month, before) = [(7, 0), (8, 31), (9, 62)].into_iter().rfind(|(_, before)| *before <= day).unwrap_or((7, 0));
    format!("2026-{month:02}-{:02}", day - before + 1)
}

/// What is of this day alone, beside the mix.
fn today(day: usize) -> String {
    let mut text = String::new();
    let mut deployment = |name: &str, image: &str, privileged: bool| {
        text.push_str(&format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: team-000}}\nspec:\n  \
             selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
             spec:\n      containers:\n      - name: app\n        image: registry.example.org/daily/{name}:{image}\n        \
             securityContext: {{privileged: {privileged}}}\n"
        ));
    };
    for release in 0..40 {
        deployment(&format!("daily-{release}"), &format!("1.{day}"), false);
    }
    for hole in 0..3 {
        deployment(&format!("hole-{hole}"), "1.0", (day + hole * 5) % 13 < 4);
    }
    if day % 9 < 5 {
        text.push_str(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: on-call}\nroleRef: \
             {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects:\n- {apiGroup: \
             rbac.authorization.k8s.io, kind: User, name: on-call}\n",
        );
    }
    text
}
