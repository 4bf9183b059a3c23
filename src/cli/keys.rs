//! `kubeproof keys`: make the three keys, show the public halves.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    Exit, Failure, Outcome,
    key_source::{self, default_folder},
};
use crate::{
    bundle::keys::{self, KeyError, KeySet, VerifyingKey},
    period::pseudonym::PseudonymKey,
};
use clap::Subcommand;

/// Make the signing, log and redaction keys, or show the public halves
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the signing, log and redaction keys, each once
    ///
    /// Private keys are readable by their owner alone. signing.pub is what an auditor is given: hand it over by a way
    /// that does not lead through the store.
    #[command(
        after_help = "Example:\n  kubeproof keys generate\n  kubeproof keys generate --out /etc/kubeproof/keys\n  kubeproof keys generate --pseudonym q3.key"
    )]
    Generate {
        /// Folder to write into, instead of the user's configuration folder
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Make this one key instead: the one that 'period --pseudonymise' makes pseudonyms with
        #[arg(long, value_name = "FILE", conflicts_with = "out")]
        pseudonym: Option<PathBuf>,
    },
    /// Print the pseudonyms of names, so that their owner can tell whose one is
    ///
    /// A pseudonym cannot be turned back into a name: give the names that it may be of.
    #[command(after_help = "\
Examples:
  kubeproof keys pseudonym --key q3.key alice@example.com platform-admins
  kubeproof keys pseudonym --key q3.key - < names.txt | grep subject-09870f7a55556328")]
    Pseudonym {
        /// Key that the package's pseudonyms were made with
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Names of users and groups; - for lines of standard input
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Print a public key in PEM, and its id on standard error
    #[command(after_help = "Example:\n  kubeproof keys public > signing.pub")]
    Public {
        /// Folder that holds the keys, instead of the user's configuration folder
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
        /// The log's key instead of the one that signs bundles
        #[arg(long)]
        log: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// Keys exist already, cannot be written or cannot be read.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Generate { pseudonym: Some(path), .. } => {
            let key = PseudonymKey::generate(key_source::random()?);
            keys::write_pseudonym(path, &key).map_err(failure)?;
            anstream::println!("Pseudonym key {} made in {}", key.id(), path.display());
            anstream::println!("Keep it: without it nobody can tell whose a pseudonym is.");
            anstream::println!("Next: kubeproof period --pseudonymise --pseudonym-key {} ...", path.display());
        }
        Command::Pseudonym { key, names } => {
            let key = keys::load_pseudonym(key).map_err(Failure::usage)?;
            for name in expand(names)? {
                anstream::println!("{} {name}", key.pseudonym(&name));
            }
        }
        Command::Generate { out, pseudonym: None } => {
            let folder = out.clone().map_or_else(default_folder, Ok)?;
            let keys = key_source::generate()?;
            keys.write(&folder).map_err(failure)?;
            show_generated(&folder, &keys, out.is_some());
        }
        Command::Public { keys, log } => {
            let folder = keys.clone().map_or_else(default_folder, Ok)?;
            let name = if *log { keys::LOG_PUBLIC_FILE } else { keys::SIGNING_PUBLIC_FILE };
            let key = VerifyingKey::load(&folder.join(name)).map_err(failure)?;
            anstream::print!("{}", key.to_pem().map_err(failure)?);
            anstream::eprintln!("key id {}", key.digest());
        }
    }
    Ok(Exit::Done)
}

/// The names, `-` being every line of standard input that is not empty.
fn expand(names: &[String]) -> Result<Vec<String>, Failure> {
    if !names.iter().any(|name| name == "-") {
        return Ok(names.to_vec());
    }
    let lines = io::stdin().lines().collect::<Result<Vec<String>, _>>();
    let lines = lines.map_err(|error| Failure::usage(format!("cannot read names from standard input: {error}")))?;
    let given = names.iter().filter(|name| *name != "-").cloned();
    Ok(given.chain(lines.into_iter().filter(|line| !line.is_empty())).collect())
}

/// A key error with the command that helps.
fn failure(error: KeyError) -> Failure {
    let missing = matches!(&error, KeyError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
    let failure = Failure::usage(error);
    if missing { failure.hint("make keys with: kubeproof keys generate") } else { failure }
}

fn show_generated(folder: &Path, keys: &KeySet, elsewhere: bool) {
    let rows = [
        (keys::SIGNING_FILE, "signs bundles", keys.signing.public().digest().to_string()),
        (keys::LOG_FILE, "signs the log", keys.log.public().digest().to_string()),
        (keys::REDACTION_FILE, "redacts values", keys.redaction.id()),
    ];
    anstream::println!("Keys made in {}", folder.display());
    for (file, task, id) in rows {
        let id: String = id.chars().take(39).collect();
        anstream::println!("  {file:<14} {task:<15} {id}");
    }
    anstream::println!("Keep these three to the job; losing one does not lose the others.");
    anstream::println!("Give auditors {} and its id, not by way of the store.", keys::SIGNING_PUBLIC_FILE);
    if elsewhere {
        anstream::println!("Next: kubeproof run --keys {}", folder.display());
    } else {
        anstream::println!("Next: kubeproof run");
    }
}
