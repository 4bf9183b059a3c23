//! `kubeproof verify`: prove a bundle, a chain of bundles or a period's package, offline.

mod text;

use std::path::{Path, PathBuf};

use chrono::Duration;

use super::{Exit, Failure, Outcome, clock, key_source};
use crate::bundle::{
    is_cluster,
    keys::{KeyError, SIGNING_PUBLIC_FILE, VerifyingKey},
    package,
    verify::{
        self, Options, Proved, Trust, Verdict, Verification, copy,
        pin::Pins,
        read::{self, Cluster, Found},
    },
};

/// Prove a bundle, a store or a package, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 verified, 3 tampered, 4 untrusted (no key, or another one), 5 incomplete
(entries or evidence missing), 6 stale; 2 when nothing could be judged.

Examples:
  kubeproof verify ./evidence --key signing.pub
  kubeproof verify fetched/ --key signing.pub --pin pins.json --max-age 26h
  kubeproof verify fetched/ --key signing.pub --replay --out proved/")]
pub struct Args {
    /// A bundle, the folder that 'get' wrote, a cluster's folder, a store on this machine, or a period's package
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Public key to trust (signing.pub), received by a way that does not lead through the store
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
    /// Cluster that the evidence must be of: its name, or its folder in the store
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// State file that remembers where logs stood; it only moves forward, so that a rollback shows
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
    /// Greatest age of the newest bundle: 90m, 26h, 7d
    #[arg(long, value_name = "AGE", value_parser = duration)]
    max_age: Option<Duration>,
    /// Greatest time between two runs: 90m, 26h, 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_gap: Option<Duration>,
    /// Evaluate the stored snapshot again with the stored rules, and compare
    #[arg(long)]
    replay: bool,
    /// Write the verified copy into a new folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print every check as JSON (kubeproof.dev/verification/v1)
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Nothing could be judged: the path, the key or the pin file cannot be read.
pub fn run(args: &Args) -> Outcome {
    let trust = trust(args.key.as_deref())?;
    let mut pins = args.pin.as_deref().map(Pins::load).transpose().map_err(Failure::usage)?;
    let options = Options {
        cluster: args.cluster.clone(),
        now: clock()?.now(),
        max_age: args.max_age,
        max_gap: args.max_gap,
        pins: pins.clone(),
        replay: args.replay,
    };
    let each = judge(args, &trust, &options)?;
    if let (Some(path), Some(pins)) = (&args.pin, &mut pins) {
        remember(path, pins, &each)?;
    }
    let exit = each.iter().map(|v| exit_of(v.result)).max().unwrap_or(Exit::Incomplete);
    if args.json {
        let mut each = each;
        let one = if each.len() == 1 { each.swap_remove(0) } else { Verification::merge(each) };
        let json = serde_json::to_string_pretty(&one).map_err(Failure::usage)?;
        anstream::println!("{json}");
    } else {
        let advice = advice(args, &each);
        text::print(&each, advice.as_deref());
    }
    Ok(exit)
}

pub(super) fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Verified => Exit::Done,
        Verdict::Stale => Exit::Stale,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Untrusted => Exit::Untrusted,
        Verdict::Tampered => Exit::Tampered,
    }
}

/// A period's package for a command that works on what it says: proved as this command proves it.
///
/// # Errors
/// It is not verified, with the exit code of the verdict and the first thing that is wrong.
pub(super) fn proved_package(path: &Path, key: Option<&Path>) -> Result<Proved, Failure> {
    let is_no = || Failure::usage(format!("{} is no period's package", path.display()));
    let found = read::open(path).map_err(|error| Failure::usage(error).hint("'kubeproof period' makes a package"))?;
    let files = match found {
        Found::Bundle { files, .. } if package::is_claimed(&files.files) => files,
        Found::Bundle { .. } => return Err(is_no().hint("it is the bundle of one run; 'kubeproof period' joins many")),
        Found::Clusters(_) => return Err(is_no().hint("it is a store; 'kubeproof period' makes a package of it")),
    };
    let (verification, proved) = verify::package(files, &trust(key)?, &Options::at(clock()?.now()));
    proved.ok_or_else(|| {
        let worst = verification.steps.iter().find(|step| !step.ok && step.result == verification.result);
        let why = worst.map_or_else(String::new, |step| format!(": {}: {}", step.subject, step.detail));
        let failure = Failure::usage(format!("{} is not verified{why}", path.display()));
        let hint = match key {
            None => "name the key that you were given: --key signing.pub".to_owned(),
            Some(key) => format!("kubeproof verify {} --key {} says more", path.display(), key.display()),
        };
        failure.exit(exit_of(verification.result)).hint(hint)
    })
}

fn trust(key: Option<&Path>) -> Result<Trust, Failure> {
    match key.map(VerifyingKey::load) {
        None => Ok(Trust::Nobody),
        Some(Ok(key)) => Ok(Trust::Key(key)),
        Some(Err(error @ KeyError::Weak(_))) => Err(Failure::usage(error).exit(Exit::Untrusted)),
        Some(Err(error)) => Err(Failure::usage(error)),
    }
}

fn judge(args: &Args, trust: &Trust, options: &Options) -> Result<Vec<Verification>, Failure> {
    let found = read::open(&args.path).map_err(|error| {
        Failure::usage(error).hint("give a bundle, the folder that 'kubeproof get' wrote, or a store's folder")
    })?;
    match found {
        Found::Bundle { files, .. } if package::is_claimed(&files.files) => {
            if args.out.is_some() || args.replay {
                return Err(Failure::usage("--out and --replay are about one bundle, and this is a period's package")
                    .hint("copy the folder as it is; 'kubeproof get' fetches a bundle of it"));
            }
            Ok(vec![verify::package(files, trust, options).0])
        }
        Found::Bundle { name, files, log } => {
            let (verification, verified) = verify::bundle(&name, files, &log, trust, options);
            if let Some(folder) = &args.out {
                match verified.filter(|_| verification.result == Verdict::Verified) {
                    Some(verified) => copy::write(folder, &verified, &log).map_err(Failure::usage)?,
                    None => anstream::eprintln!("no copy was written: {} is not verified", args.path.display()),
                }
            }
            Ok(vec![verification])
        }
        Found::Clusters(_) if args.out.is_some() => {
            Err(Failure::usage("--out copies one bundle, and this is a store").hint("name one of its bundles"))
        }
        Found::Clusters(clusters) => {
            let chosen = choose(clusters, args)?;
            chosen.iter().map(|cluster| verify::cluster(cluster, trust, options).map_err(Failure::usage)).collect()
        }
    }
}

/// The clusters asked for: all, or those of the name.
fn choose(clusters: Vec<Cluster>, args: &Args) -> Result<Vec<Cluster>, Failure> {
    let names: Vec<String> = clusters.iter().map(|cluster| cluster.name.clone()).collect();
    let is_wanted = |cluster: &Cluster| args.cluster.as_deref().is_none_or(|wanted| is_cluster(&cluster.name, wanted));
    let chosen: Vec<Cluster> = clusters.into_iter().filter(is_wanted).collect();
    if chosen.is_empty() {
        let what = args.cluster.as_ref().map_or("no cluster".to_owned(), |wanted| format!("no cluster '{wanted}'"));
        let failure = Failure::usage(format!("{what} in {}", args.path.display()));
        return Err(if names.is_empty() { failure } else { failure.hint(format!("it holds: {}", names.join(", "))) });
    }
    Ok(chosen)
}

fn remember(path: &Path, pins: &mut Pins, each: &[Verification]) -> Result<(), Failure> {
    let mut moved = false;
    for pin in each.iter().filter_map(|verification| verification.pin.clone()) {
        moved |= pins.advance(pin);
    }
    if moved { pins.save(path).map_err(Failure::usage) } else { Ok(()) }
}

/// What to type next when no key was given.
fn advice(args: &Args, each: &[Verification]) -> Option<String> {
    if args.key.is_some() {
        return None;
    }
    let claimed = each.iter().find_map(|verification| verification.claimed_key.as_deref());
    // One's own key may be proposed; a key that lies beside the evidence never is.
    let own = key_source::default_folder().ok().map(|folder| folder.join(SIGNING_PUBLIC_FILE));
    let is_own = |path: &PathBuf| {
        VerifyingKey::load(path).is_ok_and(|key| claimed.is_some_and(|claimed| key.digest().hex() == claimed))
    };
    let key = own.filter(is_own);
    Some(match key {
        Some(path) => format!("kubeproof verify {} --key {}", args.path.display(), path.display()),
        None => format!("kubeproof verify {} --key signing.pub", args.path.display()),
    })
}

/// `90m`, `26h`, `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time such as 90m, 26h or 7d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: i64 = number.parse().ok().filter(|n| (0..1_000_000).contains(n)).ok_or_else(wrong)?;
    match unit {
        "m" => Ok(Duration::minutes(number)),
        "h" => Ok(Duration::hours(number)),
        "d" => Ok(Duration::days(number)),
        _ => Err(wrong()),
    }
}
