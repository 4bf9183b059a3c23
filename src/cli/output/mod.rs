//! What commands write to standard output.

pub(crate) mod v1;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use serde::Serialize;

use super::Failure;
use crate::{digest::Digest, report::Line};

/// Pretty JSON and a newline.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut out, value)
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    written.or_else(ended)
}

/// Text as it is, for programs.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).or_else(ended)
}

/// A reader that went away (`| head`) has what it wanted.
fn ended(error: io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(Failure::usage(format!("cannot write to standard output: {error}")))
}

/// A remark on standard error.
pub(crate) fn note(text: &str) {
    anstream::eprintln!("{text}");
}

/// To the person at the terminal, else to the log; `bad` is worth a look.
pub(crate) fn tell(bad: bool, text: &str) {
    match (io::stderr().is_terminal(), bad) {
        (true, true) => note(&format!("warning: {text}")),
        (true, false) => note(text),
        (false, true) => tracing::warn!("{text}"),
        (false, false) => tracing::info!("{text}"),
    }
}

/// Lines for people, styled where the terminal shows it.
pub(crate) fn lines(lines: &[Line]) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    let written = lines.iter().try_for_each(|line| writeln!(out, "{}", line.styled())).and_then(|()| out.flush());
    written.or_else(ended)
}

/// Where the report is, and the line to type next; a store that is no folder is fetched from first.
pub(crate) fn next_steps(
    store: &str,
    cluster: Option<&Path>,
    bundle: &Digest,
    public: Option<&Path>,
) -> Result<(), Failure> {
    // As it was called, so that the line works where it is not on the path.
    let program = std::env::args().next().unwrap_or_else(|| "kubeproof".into());
    let key = public.map_or_else(|| "signing.pub".into(), |path| path.display().to_string());
    let text = match cluster {
        Some(folder) => {
            let pdf = folder.join("bundles").join(bundle.hex()).join("data/report/report.pdf");
            format!("\nreport   {}\nverify   {program} verify {} --key {key}\n", pdf.display(), folder.display())
        }
        None => format!("\nfetch    {program} get {} --store {store} --out fetched --key {key}\n", bundle.short(16)),
    };
    io::stdout().lock().write_all(text.as_bytes()).or_else(ended)
}
