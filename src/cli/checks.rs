//! `kubeproof checks`: list the checks, run the tests inside their files, and render them as admission policies.

mod policy;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use super::{
    Exit, Failure, Outcome, load_failure,
    settings::{self, DefinitionArgs},
    text::{plural, wrap},
};
use crate::{
    config::LoadError,
    evaluate::fixtures::{self, Report},
    framework::{self, Check, Library, RuleFiles, Severity, parameters},
};

/// List checks, run the tests in their files, render them as admission policies
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the checks: the built-in ones, or those of a folder
    List {
        /// Folder of check files
        folder: Option<PathBuf>,
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Run the tests inside the check files: the built-in ones, or those of a folder
    Test {
        /// Folder of check files
        folder: Option<PathBuf>,
    },
    Policy(policy::Args),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::List { folder, format } => list(&load(folder.as_deref(), None)?, *format),
        Command::Test { folder } => test(&load(folder.as_deref(), None)?, folder.as_deref()),
        Command::Policy(args) => policy::run(args),
    }
}

/// The built-in checks or those of a folder, with the parameters that a configuration sets.
fn load(folder: Option<&Path>, config: Option<&Path>) -> Result<Library, Failure> {
    let mut files = match folder {
        None => framework::embedded(),
        Some(folder) => checks_in(folder).map_err(|error| load_failure(&[error]))?,
    };
    if let Some(config) = config {
        let definitions = DefinitionArgs::of(Some(config.into()));
        files.extend(settings::load(&definitions)?.rules.remove_entry(parameters::FILE));
    }
    let library = Library::load(&files).map_err(|errors| {
        let shown: Vec<LoadError> =
            errors.into_iter().map(|error| LoadError { file: shown(folder, &error.file), ..error }).collect();
        load_failure(&shown)
    })?;
    let empty = library.checks().len() == 0;
    match folder.filter(|_| empty) {
        Some(folder) => Err(Failure::usage(format!("no check files in {}", folder.display()))
            .hint("a check is a file <id>.yaml; 'kubeproof checks list' shows the built-in ones")),
        None => Ok(library),
    }
}

/// The check files of a folder; of a folder that holds frameworks too, those below its `checks`.
fn checks_in(folder: &Path) -> Result<RuleFiles, LoadError> {
    let below = folder.join("checks");
    framework::folder(if below.is_dir() { &below } else { folder }, "checks")
}

/// A rule file's path as the user knows it.
fn shown(folder: Option<&Path>, file: &str) -> String {
    match (folder, file.strip_prefix("checks/")) {
        (Some(folder), Some(below)) if folder.join("checks").is_dir() => folder.join("checks").join(below),
        (Some(folder), Some(below)) if folder.is_dir() => folder.join(below),
        (Some(folder), _) => folder.to_path_buf(),
        (None, _) => PathBuf::from(file),
    }
    .display()
    .to_string()
}

fn test(library: &Library, folder: Option<&Path>) -> Outcome {
    let reports: Vec<(&Check, Report)> = library.checks().map(|check| (check, fixtures::run(check))).collect();
    let red = anstyle::AnsiColor::Red.on_default().bold();
    for (check, report) in &reports {
        for problem in &report.problems {
            let line = if problem.line == 0 { String::new() } else { format!(":{}", problem.line) };
            anstream::println!("{red}FAIL{red:#}  {}{line}", shown(folder, &check.file));
            anstream::println!("      {}", problem.name);
            for line in wrap(&problem.message, 74) {
                anstream::println!("      {line}");
            }
        }
    }
    let passed: usize = reports.iter().map(|(_, report)| report.passed).sum();
    let failed: usize = reports.iter().map(|(_, report)| report.problems.len()).sum();
    anstream::println!("{}: {}, {failed} failed", plural(reports.len(), "check"), plural(passed, "case") + " passed");
    Ok(if failed == 0 { Exit::Done } else { Exit::Reached })
}

/// One check, for `--format json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    severity: Severity,
    on: String,
    file: &'a str,
    why: &'a str,
    remediation: &'a str,
    references: &'a [String],
    cases: usize,
}

fn list(library: &Library, format: Format) -> Outcome {
    let rows: Vec<Row<'_>> = library
        .checks()
        .map(|check| Row {
            id: &check.id,
            title: &check.title,
            severity: check.severity,
            on: check.on.to_string(),
            file: &check.file,
            why: &check.why,
            remediation: &check.remediation,
            references: &check.references,
            cases: check.tests.len(),
        })
        .collect();
    match format {
        Format::Json => {
            let json =
                serde_json::to_string_pretty(&rows).map_err(|error| Failure::usage(format!("checks: {error}")))?;
            anstream::println!("{json}");
        }
        Format::Text => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
            if table.width().is_none() {
                table.set_width(100);
            }
            table.set_header(["CHECK", "SEVERITY", "ON", "WHAT HOLDS"]);
            for row in &rows {
                let severity = format!("{:?}", row.severity).to_lowercase();
                table.add_row([row.id, &severity, row.on.split('.').next().unwrap_or_default(), row.title]);
            }
            table.set_constraints([ColumnConstraint::ContentWidth; 3]);
            anstream::println!("{table}");
            anstream::println!("{}", plural(rows.len(), "check"));
        }
    }
    Ok(Exit::Done)
}
