//! `kubeproof completions`.

use clap::CommandFactory as _;

use super::{Cli, Exit, Outcome};

/// Write the completion script of a shell to standard output
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell to write for
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) -> Outcome {
    clap_complete::generate(args.shell, &mut Cli::command(), "kubeproof", &mut std::io::stdout());
    Ok(Exit::Done)
}
