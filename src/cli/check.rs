//! `kubeproof check`: manifests before they merge.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use super::{
    Exit, Failure, Outcome, clock, load_failure,
    output::{self, v1},
    settings::{self, DefinitionArgs},
};
use crate::{
    collect::{
        Collected,
        manifests::{self, Input, Options},
    },
    evaluate::{self, Evaluation, Finding, Rules},
    framework::{Minor, Severity},
    pipeline,
    report::{self, CheckBaseline, CheckReport},
    snapshot,
};

/// The greatest baseline that is read.
const MAX_BASELINE: u64 = 256 << 20;

/// Evaluate manifests before they merge
///
/// Reads every document of every file: multi-document YAML, JSON, kind List, any kind. What Helm, Kustomize or Argo CD
/// render comes through standard input. Exit code: 0 fine, 1 something reached --fail-on, 2 something could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files or folders; - reads standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Kubernetes version that the manifests are for, as 1.37 [default: the newest known]
    #[arg(long, value_name = "1.N")]
    kubernetes_version: Option<Minor>,
    /// Severity from which a failure makes the exit code 1; waived, expected and known ones never do
    #[arg(long, value_enum, default_value_t = FailOn::High)]
    fail_on: FailOn,
    /// Form of the result on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Result of an earlier check (--format json): only what is new counts
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// File name that findings in standard input carry
    #[arg(long, value_name = "NAME", default_value = "-")]
    stdin_name: String,
    /// Passes too, not only what needs attention
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    definitions: DefinitionArgs,
}

const EXAMPLES: &str = "Examples:
  kubeproof check deploy/
  kubeproof check --framework pss-restricted --fail-on medium app.yaml
  helm template . | kubeproof check --stdin-name chart.yaml -
  kubeproof check deploy/ --format sarif > kubeproof.sarif
  kubeproof check deploy/ --format json > baseline.json
  kubeproof check deploy/ --baseline baseline.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// kubeproof.dev/findings/v1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for test reports
    Junit,
    /// A comment on a pull request
    Markdown,
    /// GitHub workflow commands: annotations on lines
    Github,
}

/// From which severity on a failure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Critical,
    High,
    Medium,
    Low,
    Info,
    Off,
}

impl FailOn {
    /// Whether an open failure of `evaluation` reaches it.
    pub(super) fn is_reached(self, evaluation: &Evaluation) -> bool {
        self.is_reached_by(evaluation.findings.iter().filter(|finding| finding.is_open_failure()))
    }

    fn is_reached_by<'a>(self, mut failures: impl Iterator<Item = &'a Finding>) -> bool {
        self.severity().is_some_and(|from| failures.any(|finding| finding.severity >= from))
    }

    /// The severity meant; `None` for off.
    pub(super) fn severity(self) -> Option<Severity> {
        match self {
            Self::Off => None,
            Self::Critical => Some(Severity::Critical),
            Self::High => Some(Severity::High),
            Self::Medium => Some(Severity::Medium),
            Self::Low => Some(Severity::Low),
            Self::Info => Some(Severity::Info),
        }
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let settings = settings::load(&args.definitions)?;
    let baseline = args.baseline.as_deref().map(baseline).transpose()?;
    let now = clock()?.now();
    let inputs = args.paths.iter().map(|path| input(path, &args.stdin_name)).collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        name: settings.config.cluster.name.clone(),
        uid: settings.config.cluster.uid.clone(),
        kubernetes: args.kubernetes_version.map(|version| version.to_string()),
        key: None,
        now,
    };
    let mut collected = manifests::collect(&inputs, &options);
    if collected.objects.is_empty() && collected.errors.is_empty() {
        return Err(Failure::usage(format!("no Kubernetes object in {}", collected.source.name))
            .hint("name a folder with .yaml, .yml or .json files, or - for standard input"));
    }
    let rules = Rules::load(settings.rules, &settings.frameworks, &collected.coverage.cluster)
        .map_err(|errors| load_failure(&errors))?;
    let snapshot = snapshot::assemble(std::mem::take(&mut collected.objects), &collected.coverage);
    let evaluation = evaluate::run(&evaluate::Input {
        snapshot: &snapshot,
        coverage: &collected.coverage,
        rules: &rules,
        kubernetes: args.kubernetes_version,
        today: now.date_naive(),
        keep_passes: args.all,
    });
    let comparison = baseline.map(|baseline| baseline.compare(&evaluation, |file| was_read(file, &inputs, &collected)));
    let report = CheckReport {
        evaluation: &evaluation,
        errors: &collected.errors,
        checks: &pipeline::definitions(&rules).checks,
        comparison: comparison.as_ref(),
    };
    print(args.format, &collected, &report)?;
    if !collected.errors.is_empty() {
        return Ok(Exit::Usage);
    }
    Ok(if args.fail_on.is_reached_by(report.open()) { Exit::Reached } else { Exit::Done })
}

/// Files are read in full or have an error; files that nobody named were not looked at.
fn was_read(file: &str, inputs: &[Input], collected: &Collected) -> bool {
    let named = inputs.iter().map(|input| match input {
        Input::Path(path) => path.as_path(),
        Input::Stdin(name, _) => Path::new(name),
    });
    report::is_within(file, named) && !collected.errors.iter().any(|error| error.file == file)
}

fn baseline(path: &Path) -> Result<CheckBaseline, Failure> {
    let fail = |what: String| {
        Failure::usage(format!("{}: {what}", path.display()))
            .hint("write a baseline with: kubeproof check PATH --format json > FILE")
    };
    let file = File::open(path).map_err(|error| fail(format!("the baseline cannot be read: {error}")))?;
    let mut bytes = Vec::new();
    file.take(MAX_BASELINE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fail(format!("the baseline cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_BASELINE {
        return Err(fail(format!("the baseline is larger than {} MiB", MAX_BASELINE >> 20)));
    }
    CheckBaseline::parse(&bytes).map_err(|error| fail(format!("the baseline {error}")))
}

fn input(path: &Path, stdin_name: &str) -> Result<Input, Failure> {
    if path != Path::new("-") {
        return Ok(Input::Path(path.to_path_buf()));
    }
    if io::stdin().is_terminal() {
        return Err(Failure::usage("standard input is a terminal")
            .hint("pipe manifests in: helm template . | kubeproof check -"));
    }
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
    Ok(Input::Stdin(stdin_name.to_owned(), bytes))
}

fn print(format: Format, collected: &Collected, report: &CheckReport<'_>) -> Result<(), Failure> {
    match format {
        Format::Text => output::lines(&report::check_text(report)),
        Format::Json => output::json(&v1::Document::new(collected, report)),
        Format::Sarif => output::json(&report::sarif(report)),
        Format::Junit => output::text(&report::junit(report).map_err(Failure::usage)?),
        Format::Markdown => output::text(&report::markdown(report)),
        Format::Github => output::text(&report::github(report)),
    }
}

#[cfg(test)]
mod tests;
