//! A whole run on a live cluster of 16,000 objects, 6,000 of them pods: collect, evaluate, compare, PDF, sign, store.
//!
//! `cargo bench --bench live`. It starts the tests' cluster on loopback (API server, etcd, controller manager, scheduler
//! and two kubelets, which take their share of the machine), fills it and runs three times: the first has nothing to
//! compare with, the others compare with the run before.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "it uses a part of the tests' harness, which fails by panicking"
)]

#[path = "../tests/harness/mod.rs"]
mod harness;
mod measure;

use std::{io, process::Command};

use harness::{cluster::Cluster, tools};

const RUNS: usize = 3;

fn main() -> io::Result<()> {
    let cluster = Cluster::start("cp-1,worker-1");
    let mut fill = Command::new(tools::cluster());
    tools::run(fill.arg("fill").arg("--kubeconfig").arg(cluster.kubeconfig())).map_err(io::Error::other)?;
    let home = tempfile::tempdir()?;
    println!("{:>4} {:>9} {:>9}", "run", "seconds", "peak MiB");
    for run in 1..=RUNS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
        command.env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
        command
            .arg("run")
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .arg("--store")
            .arg(home.path().join("evidence"));
        let (time, peak) = measure::measure(&mut command, &[0])?;
        println!("{run:>4} {:>9.1} {:>9}", time.as_secs_f64(), peak / 1024);
    }
    cluster.stop();
    Ok(())
}
