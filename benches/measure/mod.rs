//! Wall time and peak memory of one run of the program.

use std::{
    fs,
    io::{self, Read as _},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Wall time and peak resident KiB (Linux: `VmHWM`, read while the process runs); an exit code that is not among
/// `expected` is an error.
pub fn measure(command: &mut Command, expected: &[i32]) -> io::Result<(Duration, u64)> {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
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
        Some(code) if expected.contains(&code) => Ok((elapsed, peak)),
        _ => Err(io::Error::other(format!("{command:?} ended with {status}"))),
    }
}
