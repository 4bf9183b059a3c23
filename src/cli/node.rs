//! `kubeproof node`: read this node's files into a report.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Exit, Failure, Outcome, clock, daemon::stopped, output, stores::runtime};
use crate::{
    clock::Clock,
    collect::{
        cluster::{self, PublishError},
        node::{self, Options, ReadError, Report},
    },
};

/// Read this node's files and kubelet configuration into a node report
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kubeproof node --host-root /host --stay 12h   in a DaemonSet
  kubeproof node --out -                        this machine, on standard output
  kubeproof node --host-pid --out nodes/cp-1.json

Without --out the report becomes ConfigMap kubeproof-nodes/NODE, written with the pod's own account,
and `kubeproof run` reads it there. Keys and credentials are replaced before the report leaves the
node; what cannot be read stands in it with the reason. The DaemonSet is in
schedules/kubernetes/overlays/node.")]
pub(super) struct Args {
    /// Where the node's root is mounted, whole or in parts, read-only
    #[arg(long, value_name = "DIR", default_value = "/")]
    host_root: PathBuf,
    /// Name of the node in the cluster [default: the kubelet's own, else the host's]
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    node_name: Option<String>,
    /// Read the kubelet's arguments from its process (needs the host's process namespace), not from its unit
    #[arg(long)]
    host_pid: bool,
    /// Write the report to a file, or - for standard output, instead of into the cluster
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Kubeconfig file [default: the pod's service account, else KUBECONFIG, ~/.kube/config]
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    kubeconfig: Option<PathBuf>,
    /// Stay this long after the report is written: the kubelet then starts the container again, with fresh mounts
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    stay: Option<Duration>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let clock = clock()?;
    let runtime = runtime()?;
    // From the beginning: as a container's first process it would not hear the signal otherwise.
    let stopped = runtime.block_on(async { stopped() })?;
    let report = read(args, clock.as_ref())?;
    match &args.out {
        Some(path) => write(&report, path)?,
        None => {
            let options = cluster::Options { kubeconfig: args.kubeconfig.clone(), ..cluster::Options::default() };
            runtime.block_on(cluster::publish(&options, &report)).map_err(publish_failure)?;
        }
    }
    tracing::info!(node = report.name(), "node report written");
    if let Some(stay) = args.stay {
        runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(stay) => {}
                () = stopped => {}
            }
        });
    }
    Ok(Exit::Done)
}

fn read(args: &Args, clock: &dyn Clock) -> Result<Report, Failure> {
    let options = Options {
        host_root: args.host_root.clone(),
        name: args.node_name.clone(),
        proc: args.host_pid.then(|| node::proc().to_path_buf()),
        now: clock.now(),
    };
    node::read(&options).map_err(|error| match &error {
        ReadError::NoName => Failure::usage(&error).hint("in a pod: NODE_NAME from the downward API (spec.nodeName)"),
        _ => Failure::usage(&error),
    })
}

fn write(report: &Report, path: &Path) -> Result<(), Failure> {
    let text = report.to_json().map_err(Failure::usage)?;
    if path == Path::new("-") {
        return output::text(&text);
    }
    fs::write(path, text).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
}

fn publish_failure(error: PublishError) -> Failure {
    let failure = Failure::usage(&error);
    match error {
        PublishError::Connect(_) => failure.hint("write the report to a file with --out, or name a --kubeconfig"),
        PublishError::Refused { .. } => {
            failure.hint("kubectl apply -k schedules/kubernetes/overlays/node grants each node its own report")
        }
        PublishError::Report(_) => failure,
    }
}
