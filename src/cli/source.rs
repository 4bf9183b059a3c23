//! Where a run's state comes from: a live cluster, a recorded one, manifests, or a bundle evaluated again.

use std::path::{Path, PathBuf};

use super::{Failure, load_failure, progress::Progress, settings::Settings};
use crate::{
    bundle::KeySet,
    clock::Clock,
    collect::{
        Collected, SourceKind,
        cluster::{self, Configz},
        inputs,
        manifests::{self, Input, Options},
        recorded,
    },
    framework::Library,
    pipeline,
    snapshot::{Sealer, Tokens},
};

/// What to collect from.
pub(super) struct Request<'a> {
    /// A path, or the live cluster.
    pub from: Option<&'a Path>,
    pub kubeconfig: Option<&'a Path>,
    pub context: Option<&'a str>,
    /// Folder of inputs, instead of the configuration's.
    pub inputs: Option<&'a Path>,
    /// Folder of node reports, instead of those in the cluster and among the inputs.
    pub node_reports: Option<&'a Path>,
    /// Whether kubelets are asked.
    pub configz: Configz,
    pub settings: &'a Settings,
}

/// A bundle, or what `get` wrote of one.
pub(super) fn is_bundle(path: &Path) -> bool {
    path.join("attest").is_dir() || path.join("bundle").join("attest").is_dir()
}

/// Reads the source, and the inputs beside it.
pub(super) async fn collect(
    request: &Request<'_>,
    keys: Option<&KeySet>,
    clock: &dyn Clock,
    progress: &Progress,
) -> Result<Collected, Failure> {
    let mut collected = source(request, keys, clock, progress).await?;
    let configured =
        || request.settings.config.inputs.as_deref().map(|dir| PathBuf::from(request.settings.resolve(dir)));
    let folder = request.inputs.map(Path::to_path_buf).or_else(configured);
    // A bundle holds the inputs of its own run, and they are what is judged again.
    if let Some(folder) = folder.filter(|_| collected.source.kind != SourceKind::Bundle) {
        if !folder.is_dir() {
            return Err(Failure::usage(format!("{}: no such folder of inputs", folder.display()))
                .hint("it holds audit/, cloud/, scans/ and nodes/"));
        }
        let sealer = sealer(&collected, keys);
        inputs::add(&mut collected, &folder, &sealer, clock.now());
    }
    if let Some(folder) = request.node_reports {
        add_node_reports(&mut collected, folder, keys, clock)?;
    }
    Ok(collected)
}

fn sealer(collected: &Collected, keys: Option<&KeySet>) -> Sealer {
    let uid = collected.coverage.cluster.uid.as_deref().unwrap_or_default();
    Sealer::new(keys.map(|keys| keys.redaction.clone()), uid, Tokens::Foreign)
}

fn add_node_reports(
    collected: &mut Collected,
    folder: &Path,
    keys: Option<&KeySet>,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    if collected.source.kind == SourceKind::Bundle {
        return Err(Failure::usage("--node-reports cannot be added to a bundle: it holds those of its own run"));
    }
    if !folder.is_dir() {
        return Err(Failure::usage(format!("{}: no such folder of node reports", folder.display()))
            .hint("kubeproof node --out FILE writes one for each node"));
    }
    let sealer = sealer(collected, keys);
    inputs::add_node_reports(collected, folder, &sealer, clock.now());
    Ok(())
}

async fn source(
    request: &Request<'_>,
    keys: Option<&KeySet>,
    clock: &dyn Clock,
    progress: &Progress,
) -> Result<Collected, Failure> {
    let named = &request.settings.config.cluster;
    let Some(path) = request.from else {
        return live(request, keys, clock, progress).await;
    };
    if !path.exists() {
        return Err(Failure::usage(format!("{}: no such file or folder", path.display())));
    }
    if recorded::is_recorded(path) {
        return recorded::read(path, named.name.as_deref()).map_err(Failure::usage);
    }
    if is_bundle(path) {
        let keys = keys.ok_or_else(|| Failure::usage("a bundle is read with the key that verifies it"))?;
        return pipeline::from_bundle(path, &keys.signing.public(), clock.now()).map_err(|reason| {
            Failure::usage(format!("{}: {reason}", path.display()))
                .hint(format!("kubeproof verify {} --key PUBLIC_KEY", path.display()))
        });
    }
    let options = Options {
        name: named.name.clone(),
        uid: named.uid.clone(),
        kubernetes: None,
        key: keys.map(|keys| keys.redaction.clone()),
        now: clock.now(),
    };
    let collected = manifests::collect(&[Input::Path(path.to_path_buf())], &options);
    if collected.objects.is_empty() {
        return Err(Failure::usage(format!("no Kubernetes object in {}", path.display()))
            .hint("name a recorded cluster, a bundle, or a folder with manifests"));
    }
    Ok(collected)
}

async fn live(
    request: &Request<'_>,
    keys: Option<&KeySet>,
    clock: &dyn Clock,
    progress: &Progress,
) -> Result<Collected, Failure> {
    let named = &request.settings.config.cluster;
    let options = cluster::Options {
        kubeconfig: request.kubeconfig.map(Path::to_path_buf),
        context: request.context.map(str::to_owned),
        name: named.name.clone(),
        uid: named.uid.clone(),
        configz: request.configz.clone(),
        ..cluster::Options::default()
    };
    let connection = cluster::connect(&options).await.map_err(Failure::usage)?;
    let redaction = keys.map(|keys| keys.redaction.clone());
    // Checks of the user's own may be about kinds that no built-in check asks for.
    let library = Library::load(&request.settings.rules).map_err(|errors| load_failure(&errors))?;
    let wanted: Vec<String> = library.resources().into_iter().collect();
    let on_progress = |step: cluster::Progress| {
        progress
            .detail(format!("collecting: {} of {} lists, {} {}", step.done, step.total, step.objects, step.resource));
    };
    let collected = cluster::collect(&connection, redaction, &wanted, clock, &on_progress).await;
    match collected.coverage.failure() {
        // A failed run is evidence too, but of which cluster?
        Some(failure) if collected.coverage.cluster.uid.is_none() => Err(Failure::usage(failure)
            .hint("with cluster.uid in kubeproof.yaml a run that saw nothing is signed as failed")),
        _ => Ok(collected),
    }
}
