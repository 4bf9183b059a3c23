//! The command line: the only module that prints, reads the environment and decides the exit code.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is this module's task")]

use std::{cmp::Ordering, collections::BTreeMap, fmt, io::IsTerminal as _, process::ExitCode};

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    clock::{Clock, FixedClock, SystemClock},
    config::LoadError,
};

mod after;
mod check;
mod checks;
mod completions;
mod daemon;
mod diff;
mod explain;
mod frameworks;
mod get;
mod key_source;
mod keys;
mod list;
mod node;
mod output;
mod period;
mod progress;
mod run;
mod sample;
mod settings;
mod source;
mod status;
mod stores;
mod text;
mod verify;

/// Exit codes (the contract of the command line).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Done, and something reached `--fail-on`.
    Reached = 1,
    /// Usage, configuration or I/O.
    Usage = 2,
    /// Tampered.
    Tampered = 3,
    /// Untrusted key or rules.
    Untrusted = 4,
    /// Incomplete coverage, missing entries, or an uncommitted bundle.
    Incomplete = 5,
    /// Stale.
    Stale = 6,
}

impl Exit {
    /// Of several: 3 before 4 before 5 before 6, then 2, 1 and 0.
    fn rank(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Reached => 1,
            Self::Usage => 2,
            Self::Stale => 3,
            Self::Incomplete => 4,
            Self::Untrusted => 5,
            Self::Tampered => 6,
        }
    }
}

impl Ord for Exit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Exit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that could not do its work: what failed and where, then what to do.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What failed, and where (file:line, URL, object).
    pub message: String,
    /// What to do; often a command to type.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with exit code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string(), hint: None }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Another exit code.
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// What a command returns.
pub type Outcome = Result<Exit, Failure>;

/// Signed, offline-verifiable compliance evidence for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "kubeproof", version, max_term_width = 100)]
struct Cli {
    /// Form of the log on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "KUBEPROOF_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Each is described by its arguments, so that `--help` says all of it.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Completions(completions::Args),
    Checks(checks::Args),
    Frameworks(frameworks::Args),
    Explain(explain::Args),
    Keys(keys::Args),
    Verify(verify::Args),
    Diff(diff::Args),
    List(list::Args),
    Get(get::Args),
    Status(status::Args),
    Node(node::Args),
    Period(period::Args),
    Sample(sample::Args),
    Daemon(daemon::Args),
}

/// Parses the command line, runs the command and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_format);
    // Several clients share rustls, and none of them may choose: without a choice the first one panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Checks(args) => checks::run(&args),
        Command::Frameworks(args) => frameworks::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::List(args) => list::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Node(args) => node::run(&args),
        Command::Period(args) => period::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Daemon(args) => daemon::run(&args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report_failure(&failure);
            failure.exit.into()
        }
    }
}

fn report_failure(failure: &Failure) {
    let bold_red = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{bold_red}error:{bold_red:#} {}", failure.message);
    if let Some(hint) = &failure.hint {
        let cyan = anstyle::AnsiColor::Cyan.on_default();
        anstream::eprintln!(" {cyan}hint:{cyan:#} {hint}");
    }
}

/// Logs go to standard error: quiet unless `KUBEPROOF_LOG` says otherwise, one line per stage in a pod.
fn start_log(format: LogFormat) {
    let quiet = std::io::stderr().is_terminal() && format == LogFormat::Text;
    let default = if quiet { "warn" } else { "warn,kubeproof=info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("KUBEPROOF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// An environment variable, when it is set and not empty. The only reader of the environment.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The whole environment, for clients that take their options from it.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn env_all() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// The clock of this process: the machine's, or `KUBEPROOF_NOW` (RFC 3339) for runs that must be repeatable.
///
/// # Errors
/// `KUBEPROOF_NOW` is not an RFC 3339 time.
pub fn clock() -> Result<Box<dyn Clock>, Failure> {
    match env("KUBEPROOF_NOW") {
        None => Ok(Box::new(SystemClock)),
        Some(text) => match DateTime::parse_from_rfc3339(&text) {
            Ok(at) => Ok(Box::new(FixedClock(at.with_timezone(&Utc)))),
            Err(error) => Err(Failure::usage(format!("KUBEPROOF_NOW '{text}' is not a time: {error}"))
                .hint("write it as 2026-11-23T06:00:00Z")),
        },
    }
}

/// Definition errors as one failure: every one of them on its own line.
pub fn load_failure(errors: &[LoadError]) -> Failure {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| match &error.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        })
        .collect();
    Failure::usage(lines.join("\n       "))
}
