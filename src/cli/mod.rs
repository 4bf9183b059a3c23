//! The command line: the only module that prints, reads the environment and decides the exit code.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is this module's task")]

use std::{fmt, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

/// Exit codes (the contract of the command line).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

#[derive(Debug, Subcommand)]
enum Command {}

/// Parses the command line, runs the command and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let _ = cli.log_format;
    match cli.command {}
}
