//! Where a run's state comes from: a live cluster, a recorded one, manifests, or a bundle evaluated again.

use std::path::Path;

use super::{Failure, load_failure, progress::Progress, settings::Settings};
use crate::{
    bundle::KeySet,
    clock::Clock,
    collect::{
        Collected, cluster,
        manifests::{self, Input, Options},
        recorded,
    },
    framework::Library,
    pipeline,
};

/// What to collect from.
pub(super) struct Request<'a> {
    /// A path, or the live cluster.
    pub from: Option<&'a Path>,
    pub kubeconfig: Option<&'a Path>,
    pub context: Option<&'a str>,
    pub settings: &'a Settings,
}

pub(super) async fn collect(
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
    if path.join("attest").is_dir() || path.join("bundle").join("attest").is_dir() {
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
    cluster::collect(&connection, redaction, &wanted, clock, &on_progress).await.map_err(Failure::usage)
}
