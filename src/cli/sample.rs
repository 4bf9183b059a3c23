//! `kubeproof sample`: an auditor draws from a verified package, and anybody with the seed draws the same.

mod csv;
mod text;

use std::path::PathBuf;

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};

use super::{Exit, Failure, Outcome, stores::packaged, verify::proved_package};
use crate::period::{
    Period,
    sample::{self, Ask, Class},
};

/// Longest seed: more would not fit the line that repeats the draw.
const LONGEST_SEED: usize = 64;

/// Draw an auditor's sample from a verified package
///
/// The package is verified first, as 'verify' does it. Each member of the population is ranked by the SHA-256 of the
/// JSON list of seed, package root, class, cluster, namespace, kind and name; the smallest ranks are drawn. The auditor
/// chooses the seed after receiving the package: dice, a date, anything that its maker could not foresee.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A population that is empty or smaller than the size says so in one sentence, and is no error.
Exit codes: 0 drawn; 3 tampered, 4 untrusted (no key, or another one), 5 incomplete; 2 usage.

Examples:
  kubeproof sample q3 --seed 4711 --stratify namespace --key signing.pub
  kubeproof sample q3 --seed 4711 --class run --size 10 --key signing.pub
  kubeproof sample q3 --seed 4711 --class subject --format csv --key signing.pub > sample.csv")]
pub(super) struct Args {
    /// Package that 'kubeproof period' wrote
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// Seed: any text; the same one draws the same items
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: String,
    /// Items to draw
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,
    /// Draw from every namespace, by its share of the population and at least one where the size allows
    #[arg(long, value_enum, value_name = "BY")]
    stratify: Option<Stratify>,
    /// What is sampled
    #[arg(long, value_name = "CLASS", default_value = "workload", value_parser = classes())]
    class: Class,
    /// Cluster to draw from: its name, or its folder in the package [default: all]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Public key to trust (signing.pub), received by a way that does not lead through the store
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stratify {
    /// Namespaces of each cluster.
    Namespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For working papers: one row for each object of each item.
    Csv,
}

/// Runs the command.
///
/// # Errors
/// The package is not verified, or holds no such cluster.
pub(super) fn run(args: &Args) -> Outcome {
    let proved = proved_package(&args.package, args.key.as_deref())?;
    if args.stratify.is_some() && !args.class.has_namespaces() {
        return Err(Failure::usage(format!("items of --class {} are of no namespace", args.class.name()))
            .hint("leave out --stratify, or draw workloads or subjects"));
    }
    let cluster = args.cluster.as_deref().map(|wanted| folder(&proved.period, wanted)).transpose()?;
    let ask = Ask {
        seed: &args.seed,
        size: usize::try_from(args.size).unwrap_or(usize::MAX),
        by_namespace: args.stratify == Some(Stratify::Namespace),
        class: args.class,
        cluster,
    };
    let sample = sample::draw(&proved.period, proved.root, &ask).map_err(Failure::usage)?;
    match args.format {
        Format::Text => anstream::print!("{}", text::page(&sample, &proved.period, &args.package)),
        Format::Json => {
            anstream::println!("{}", serde_json::to_string_pretty(&sample).map_err(Failure::usage)?);
        }
        Format::Csv => anstream::print!("{}", csv::table(&sample).map_err(Failure::usage)?),
    }
    if let (Some(note), false) = (text::note(&sample), args.format == Format::Text) {
        anstream::eprintln!("{note}");
    }
    Ok(Exit::Done)
}

/// The folder of the one cluster of that name.
fn folder<'a>(period: &'a Period, wanted: &str) -> Result<&'a str, Failure> {
    match packaged(period, Some(wanted))?.as_slice() {
        [one] => Ok(&one.folder),
        several => {
            let folders: Vec<&str> = several.iter().map(|cluster| cluster.folder.as_str()).collect();
            let failure = Failure::usage(format!("{} clusters of the package are called '{wanted}'", several.len()));
            Err(failure.hint(format!("name one by its folder: {}", folders.join(", "))))
        }
    }
}

fn classes() -> impl clap::builder::TypedValueParser<Value = Class> {
    let parser = PossibleValuesParser::new(Class::ALL.map(Class::name));
    parser.try_map(|name| Class::ALL.into_iter().find(|class| class.name() == name).ok_or("not a class"))
}

fn seed(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0 => Err("a seed is not empty".to_owned()),
        1..=LONGEST_SEED if text.chars().all(|c| !c.is_control()) => Ok(text.to_owned()),
        _ => Err(format!("a seed is at most {LONGEST_SEED} characters, none of them a control character")),
    }
}
