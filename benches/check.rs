//! `check` over the mix: wall time and peak memory of the release binary, with every built-in check.
//!
//! `cargo bench --bench check [-- OBJECTS ...]` (default 1,000 and 10,000). Runs five times, prints the median.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod mix;

use std::{
    env, fs,
    io::{self, Read as _},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const RUNS: usize = 5;

fn main() -> io::Result<()> {
    let sizes: Vec<usize> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000] } else { sizes };
    println!("{:>9} {:>9} {:>9} {:>9}", "objects", "MB", "seconds", "peak MiB");
    for objects in sizes {
        let dir = tempfile::tempdir()?;
        let bytes = mix::write(dir.path(), objects)?;
        let mut runs = (0..RUNS).map(|_| measure(dir.path())).collect::<io::Result<Vec<_>>>()?;
        runs.sort_by_key(|run| run.0);
        let (time, _) = runs[RUNS / 2];
        let peak = runs.iter().map(|run| run.1).max().unwrap_or(0);
        println!("{objects:>9} {:>9.1} {:>9.2} {:>9}", bytes as f64 / 1e6, time.as_secs_f64(), peak / 1024);
    }
    Ok(())
}

/// Wall time and peak resident KiB (Linux: `VmHWM`, read while the process runs).
fn measure(dir: &std::path::Path) -> io::Result<(Duration, u64)> {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubeproof"))
        .args(["check", "--format", "json"])
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdout = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
    let drain = thread::spawn(move || io::copy(&mut stdout.by_ref(), &mut io::sink()));
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        let text = fs::read_to_string(&status_file).unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
        peak = peak.max(high.unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let elapsed = start.elapsed();
    drain.join().map_err(|_| io::Error::other("the reader of standard output ended badly"))??;
    match status.code() {
        Some(0 | 1) => Ok((elapsed, peak)),
        _ => Err(io::Error::other(format!("kubeproof check ended with {status}"))),
    }
}
