//! `kubeproof check`: manifests before they merge.

use std::{
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
    evaluate::{self, Evaluation, Rules},
    framework::{Minor, Severity},
    pipeline, report, snapshot,
};

/// Evaluate manifests before they merge
///
/// Reads every document of every file: multi-document YAML, JSON, kind List, any kind. What Helm, Kustomize or Argo CD
/// render comes through standard input. Exit code: 0 fine, 1 something reached --fail-on, 2 something could not be read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubeproof check deploy/\n  helm template . | kubeproof check -\n  kubeproof check --framework \
                        pss-restricted --fail-on medium app.yaml"
)]
pub(super) struct Args {
    /// Files or folders; - reads standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Kubernetes version that the manifests are for, as 1.37 [default: the newest known]
    #[arg(long, value_name = "1.N")]
    kubernetes_version: Option<Minor>,
    /// Severity from which a failure makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::High)]
    fail_on: FailOn,
    /// Form of the result on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Passes too, not only what needs attention
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    definitions: DefinitionArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
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
        let from = match self {
            Self::Off => return false,
            Self::Critical => Severity::Critical,
            Self::High => Severity::High,
            Self::Medium => Severity::Medium,
            Self::Low => Severity::Low,
            Self::Info => Severity::Info,
        };
        evaluation.findings.iter().any(|finding| finding.is_open_failure() && finding.severity >= from)
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let settings = settings::load(&args.definitions)?;
    let now = clock()?.now();
    let inputs = args.paths.iter().map(|path| input(path)).collect::<Result<Vec<_>, _>>()?;
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
    print(args.format, &collected, &evaluation, &rules)?;
    if !collected.errors.is_empty() {
        return Ok(Exit::Usage);
    }
    Ok(if args.fail_on.is_reached(&evaluation) { Exit::Reached } else { Exit::Done })
}

fn input(path: &Path) -> Result<Input, Failure> {
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
    Ok(Input::Stdin(bytes))
}

fn print(format: Format, collected: &Collected, evaluation: &Evaluation, rules: &Rules) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&v1::Document::new(collected, evaluation)),
        Format::Text => {
            let texts = pipeline::definitions(rules).checks;
            output::lines(&report::check_text(evaluation, &collected.errors, &texts))
        }
    }
}
