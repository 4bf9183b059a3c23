//! What commands write to standard output.

pub(crate) mod v1;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use serde::Serialize;

use super::Failure;
use crate::{
    digest::Digest,
    replace,
    report::{DRIFT_PDF, Line, REPORT_PDF},
};

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
    bytes(text.as_bytes())
}

/// Bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).or_else(ended)
}

/// Bytes into a file, which is there as a whole or as it was before.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace::file(path, bytes, 0o666)
        .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
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

/// Where the report is, with what changed where something was `compared`, and the line to type next; a store that is no folder is fetched from first.
pub(crate) fn next_steps(
    store: &str,
    cluster: Option<&Path>,
    bundle: &Digest,
    public: Option<&Path>,
    compared: bool,
) -> Result<(), Failure> {
    // As it was called, so that the line works where it is not on the path.
    let program = std::env::args().next().unwrap_or_else(|| "kubeproof".into());
    let key = public.map_or_else(|| "signing.pub".into(), |path| path.display().to_string());
    let text = match cluster {
        Some(folder) => {
            let in_bundle = |name: &str| folder.join("bundles").join(bundle.hex()).join(name).display().to_string();
            let report = in_bundle(REPORT_PDF);
            let changed = if compared { format!("changes  {}\n", in_bundle(DRIFT_PDF)) } else { String::new() };
            format!("\nreport   {report}\n{changed}verify   {program} verify {} --key {key}\n", folder.display())
        }
        None => format!("\nfetch    {program} get {} --store {store} --out fetched --key {key}\n", bundle.short(16)),
    };
    io::stdout().lock().write_all(text.as_bytes()).or_else(ended)
}
