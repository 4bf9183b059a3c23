//! `kubeproof frameworks`: which there are, what each asks, and whether definition files are sound.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::{
    Exit, Failure, Outcome, load_failure,
    text::{Page, plural},
};
use crate::{
    config::LoadError,
    framework::{
        self, Framework, FrameworkKind, Library, Outside, Requirement, RowCoverage, RuleFiles, load::orphans,
        load_frameworks, select,
    },
};

/// List, show and validate frameworks
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the frameworks, and how much of each a cluster can answer
    List {
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show every requirement of a framework, and the checks behind it
    #[command(
        after_help = "Example:\n  kubeproof frameworks show pss-restricted\n  kubeproof frameworks show pci-dss --format json"
    )]
    Show {
        /// Framework id, or id@version
        id: String,
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check framework and check files: ours, and those of a folder of your own
    Validate {
        /// Folder that holds framework files, and check files below `checks/`
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::List { format } => list(&load(framework::embedded())?.1, *format),
        Command::Show { id, format } => show(&load(framework::embedded())?.1, id, *format),
        Command::Validate { folder } => validate(folder.as_deref()),
    }
}

fn load(files: RuleFiles) -> Result<(Library, Vec<Framework>), Failure> {
    let library = Library::load(&files).map_err(|errors| load_failure(&errors))?;
    let frameworks = load_frameworks(&files, &library).map_err(|errors| load_failure(&errors))?;
    Ok((library, frameworks))
}

/// One framework, for `list --format json`.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    version: &'a str,
    title: &'a str,
    kind: FrameworkKind,
    kubernetes: Option<&'a str>,
    requirements: usize,
    automated: usize,
    partial: usize,
    manual: usize,
}

impl<'a> Row<'a> {
    fn of(framework: &'a Framework) -> Self {
        let count = |coverage| framework.requirements.iter().filter(|row| row.coverage == coverage).count();
        Self {
            id: &framework.id,
            version: &framework.version,
            title: &framework.title,
            kind: framework.kind,
            kubernetes: framework.kubernetes.as_deref(),
            requirements: framework.requirements.len(),
            automated: count(RowCoverage::Automated),
            partial: count(RowCoverage::Partial),
            manual: count(RowCoverage::Manual),
        }
    }
}

fn list(frameworks: &[Framework], format: Format) -> Outcome {
    let rows: Vec<Row<'_>> = frameworks.iter().map(Row::of).collect();
    if format == Format::Json {
        return print_json(&rows);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["FRAMEWORK", "VERSION", "KIND", "ROWS", "AUTO", "PARTIAL", "MANUAL", "KUBERNETES"]);
    for row in &rows {
        table.add_row([
            row.id,
            row.version,
            kind_word(row.kind),
            &row.requirements.to_string(),
            &row.automated.to_string(),
            &row.partial.to_string(),
            &row.manual.to_string(),
            row.kubernetes.unwrap_or("any"),
        ]);
    }
    anstream::println!("{table}");
    anstream::println!("auto: checks decide; partial: a person adds the rest; manual: a person decides");
    Ok(Exit::Done)
}

fn kind_word(kind: FrameworkKind) -> &'static str {
    match kind {
        FrameworkKind::Benchmark => "benchmark",
        FrameworkKind::Guide => "guide",
        FrameworkKind::Regulation => "regulation",
    }
}

/// How much of a row a cluster can answer, in one word.
pub(super) fn coverage_word(coverage: RowCoverage) -> &'static str {
    match coverage {
        RowCoverage::Automated => "automated",
        RowCoverage::Partial => "partial",
        RowCoverage::Manual => "manual",
    }
}

/// One framework, for `show --format json`.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    version: &'a str,
    title: &'a str,
    kind: FrameworkKind,
    kubernetes: Option<&'a str>,
    source: &'a str,
    requirements: Vec<ShownRow<'a>>,
    outside: &'a [Outside],
}

#[derive(Serialize)]
struct ShownRow<'a> {
    id: &'a str,
    title: &'a str,
    section: Option<&'a str>,
    level: Option<&'a str>,
    coverage: RowCoverage,
    assessment: Option<&'a str>,
    periodicity: Option<&'a str>,
    decides: &'a [String],
    supports: &'a [String],
    note: Option<&'a str>,
}

impl<'a> ShownRow<'a> {
    fn of(row: &'a Requirement) -> Self {
        Self {
            id: &row.id,
            title: &row.title,
            section: row.section.as_deref(),
            level: row.level.as_deref(),
            coverage: row.coverage,
            assessment: row.assessment.as_deref(),
            periodicity: row.periodicity.as_deref(),
            decides: &row.decides,
            supports: &row.supports,
            note: row.note.as_deref(),
        }
    }
}

fn show(frameworks: &[Framework], id: &str, format: Format) -> Outcome {
    let framework = select::find(frameworks, id).map_err(|error| load_failure(&[error]))?;
    if format == Format::Json {
        return print_json(&Shown {
            id: &framework.id,
            version: &framework.version,
            title: &framework.title,
            kind: framework.kind,
            kubernetes: framework.kubernetes.as_deref(),
            source: &framework.source,
            requirements: framework.requirements.iter().map(ShownRow::of).collect(),
            outside: &framework.outside,
        });
    }
    let mut page = Page::default();
    page.heading(&framework.title);
    page.say("Source", &framework.source);
    if let Some(kubernetes) = &framework.kubernetes {
        page.say("Kubernetes", kubernetes);
    }
    let mut section = None;
    for row in &framework.requirements {
        if section != Some(&row.section) {
            section = Some(&row.section);
            page.gap();
            page.heading(row.section.as_deref().unwrap_or("Requirements"));
        }
        page.entry(&format!("{} {} ({})", row.id, row.title, coverage_word(row.coverage)), &basis(row));
    }
    anstream::print!("{}", page.text());
    let outside = plural(framework.outside.len(), "id");
    anstream::println!("\n{}; {outside} not in this report", plural(framework.requirements.len(), "requirement"));
    anstream::println!("kubeproof explain {}/<requirement> says more", framework.id);
    Ok(Exit::Done)
}

/// What decides a row, and how many checks give facts beside it.
fn basis(row: &Requirement) -> String {
    match (row.decides.as_slice(), row.supports.len()) {
        ([], 0) => "a person decides".into(),
        ([], facts) => format!("a person decides, with facts from {}", plural(facts, "check")),
        (decides, 0) => decides.join(", "),
        (decides, facts) => format!("{}; facts from {}", decides.join(", "), plural(facts, "more check")),
    }
}

fn validate(folder: Option<&Path>) -> Outcome {
    let mut files = framework::embedded();
    if let Some(folder) = folder {
        for (path, bytes) in read_folder(folder).map_err(|error| load_failure(&[error]))? {
            if files.insert(path.clone(), bytes).is_some() {
                let message = format!("{path} would replace a file of this program");
                return Err(Failure::usage(message).hint("give it another id or version"));
            }
        }
    }
    let (library, frameworks) = load(files)?;
    let orphans = orphans(&frameworks, &library);
    if !orphans.is_empty() {
        return Err(load_failure(&orphans));
    }
    let rows = frameworks.iter().map(|framework| framework.requirements.len()).sum();
    anstream::println!(
        "{}, {}, {}: nothing wrong",
        plural(frameworks.len(), "framework"),
        plural(rows, "requirement"),
        plural(library.checks().len(), "check")
    );
    Ok(Exit::Done)
}

/// Framework files stand in the folder itself, check files below `checks/`.
fn read_folder(folder: &Path) -> Result<RuleFiles, LoadError> {
    let below = framework::folder(folder, "frameworks")?;
    let move_checks =
        |path: String| path.strip_prefix("frameworks/checks/").map_or(path.clone(), |rest| format!("checks/{rest}"));
    Ok(below.into_iter().map(|(path, bytes)| (move_checks(path), bytes)).collect())
}

fn print_json(value: &impl Serialize) -> Outcome {
    let json = serde_json::to_string_pretty(value).map_err(|error| Failure::usage(format!("frameworks: {error}")))?;
    anstream::println!("{json}");
    Ok(Exit::Done)
}
