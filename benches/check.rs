//! `check` over the mix: wall time and peak memory of the program, with every built-in check.
//!
//! `cargo bench --bench check [-- OBJECTS ...]` (default 1,000 and 10,000). Runs five times, prints the median.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod measure;
mod mix;

use std::{env, io, process::Command};

const RUNS: usize = 5;

fn main() -> io::Result<()> {
    let sizes: Vec<usize> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000] } else { sizes };
    println!("{:>9} {:>9} {:>9} {:>9} {:>9}", "objects", "MB", "format", "seconds", "peak MiB");
    for objects in sizes {
        let dir = tempfile::tempdir()?;
        let bytes = mix::write(dir.path(), objects)?;
        for format in ["text", "json"] {
            let once = || {
                let mut check = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
                measure::measure(check.args(["check", "--format", format]).arg(dir.path()), &[0, 1])
            };
            let mut runs = (0..RUNS).map(|_| once()).collect::<io::Result<Vec<_>>>()?;
            runs.sort_by_key(|run| run.0);
            let seconds = runs[RUNS / 2].0.as_secs_f64();
            let peak = runs.iter().map(|run| run.1).max().unwrap_or(0) / 1024;
            println!("{objects:>9} {:>9.1} {format:>9} {seconds:>9.2} {peak:>9}", bytes as f64 / 1e6);
        }
    }
    Ok(())
}
