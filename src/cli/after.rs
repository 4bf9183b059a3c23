//! What follows a run: hooks are told and metrics are written. Nothing here changes what the run returns.

use std::{
    cell::{Cell, RefCell},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

use super::{Failure, env, output, settings::Settings};
use crate::{
    clock::Clock,
    collect::ClusterIdentity,
    config::{At, HookConfig, Occasion, Private},
    metrics::{self, Evidence},
    notify::{Committed, Failed, Hook, Patience, Run, Tale, Told},
    replace,
    store::pending,
};

/// Where the daemon wants the metrics of a run; the file's name without `.prom` is the schedule's.
pub(super) const METRICS: &str = "KUBEPROOF_METRICS";

/// The collector of the node exporter runs as somebody else.
const READABLE: u32 = 0o644;
/// More than any run writes.
const LARGEST: u64 = 1 << 20;
/// Permission bit that lets everybody read a file.
const WORLD_READABLE: u32 = 0o004;

/// What follows the runs of one command.
pub(super) struct After<'a> {
    settings: &'a Settings,
    clock: &'a dyn Clock,
    scheduled: Option<DateTime<Utc>>,
    hooks: Vec<Result<Hook, String>>,
    began: Cell<DateTime<Utc>>,
    committed: Cell<bool>,
    cluster: RefCell<Option<About>>,
}

/// A planned run of which nothing is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// When it was due.
    pub(super) planned: DateTime<Utc>,
    /// What became of it.
    pub(super) reason: String,
}

/// The cluster of a run.
#[derive(Debug, Clone)]
struct About {
    name: String,
    folder: String,
}

impl<'a> After<'a> {
    /// Reads what the configuration's hooks need; one that cannot be used is named when there is something to tell.
    pub(super) fn of(settings: &'a Settings, clock: &'a dyn Clock, scheduled: Option<DateTime<Utc>>) -> Self {
        let hooks = settings.config.notify.iter().map(|config| hook(settings, config)).collect();
        let (began, committed) = (Cell::new(clock.now()), Cell::new(false));
        Self { settings, clock, scheduled, hooks, began, committed, cluster: RefCell::default() }
    }

    /// A run begins, by this clock.
    pub(super) fn begin(&self) -> &'a dyn Clock {
        self.began.set(self.clock.now());
        self.committed.set(false);
        self.clock
    }

    /// When the schedule wanted the run.
    pub(super) fn scheduled(&self) -> Option<DateTime<Utc>> {
        self.scheduled
    }

    /// The run is about this cluster.
    pub(super) fn is_about(&self, cluster: &ClusterIdentity) {
        *self.cluster.borrow_mut() = Some(About { name: cluster.name.clone(), folder: cluster.folder() });
    }

    /// The run's evidence is committed.
    pub(super) async fn committed(&self, run: Committed<'_>) {
        self.committed.set(true);
        let told = self.tell(&Tale::Committed(run)).await;
        let saw = run.input.coverage.failure().is_none();
        let evidence = saw.then_some(Evidence { input: run.input, index: run.stored.index });
        self.write(saw && !run.incomplete, told, evidence);
    }

    /// The run could not do its work; nothing is told of what went wrong after its commit.
    pub(super) async fn failed(&self, failure: &Failure) {
        if self.committed.get() {
            return;
        }
        let reason = match &failure.hint {
            Some(hint) => format!("{} ({hint})", failure.message),
            None => failure.message.clone(),
        };
        let run = Run { scheduled: self.scheduled, started: self.began.get(), finished: self.clock.now() };
        let name = self.name();
        let environment = self.settings.config.cluster.environment.as_deref();
        let failed = Failed { cluster: name.as_deref(), environment, run: &run, reason: &reason };
        let told = self.tell(&Tale::Failed(failed)).await;
        self.write(false, told, None);
    }

    /// A run that could not speak for itself: missed, interrupted, abandoned or killed. Only hooks are told.
    pub(super) async fn lost(&self, lost: &Lost) {
        let run = Run { scheduled: Some(lost.planned), started: lost.planned, finished: self.clock.now() };
        let name = self.name();
        let environment = self.settings.config.cluster.environment.as_deref();
        let failed = Failed { cluster: name.as_deref(), environment, run: &run, reason: &lost.reason };
        self.tell(&Tale::Failed(failed)).await;
    }

    /// The cluster's name as far as it is known.
    fn name(&self) -> Option<String> {
        let seen = self.cluster.borrow().as_ref().map(|cluster| cluster.name.clone());
        seen.or_else(|| self.settings.config.cluster.name.clone())
    }

    /// Tells every hook, at the same time; how many took it, and how many did not.
    async fn tell(&self, tale: &Tale<'_>) -> (usize, usize) {
        let each = self.hooks.iter().zip(1..).map(async |(hook, nth)| match hook {
            Ok(hook) => (format!("hook {nth} ({})", hook.name()), hook.tell(tale, Patience::default()).await),
            Err(unusable) => (format!("hook {nth}"), Told::Failed(unusable.clone())),
        });
        let (mut delivered, mut failed) = (0, 0);
        for (name, told) in futures::future::join_all(each).await {
            match told {
                Told::Delivered { attempts } => {
                    delivered += 1;
                    let often = if attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
                    output::tell(false, &format!("notified {name}{often}"));
                }
                Told::NotWanted { happened, on } => {
                    output::tell(
                        false,
                        &format!("{name} is not notified: on is {}, and {}", on.name(), words(happened)),
                    );
                }
                Told::Failed(reason) => {
                    failed += 1;
                    output::tell(true, &format!("{name} was not notified: {reason}"));
                }
            }
        }
        (delivered, failed)
    }

    fn write(&self, success: bool, told: (usize, usize), evidence: Option<Evidence<'_>>) {
        let now = self.clock.now();
        let pending = self.pending();
        let run = metrics::Run { ended: now, took: now - self.began.get(), success, pending, told, evidence };
        for (path, schedule) in self.files() {
            let name = self.name();
            let cluster = name.as_deref().map(|name| ("cluster", name));
            let schedule = schedule.as_deref().map(|id| ("schedule", id));
            let labels: Vec<_> = cluster.into_iter().chain(schedule).collect();
            let mut text = metrics::text(run.families(), &labels) + &metrics::text(metrics::build(), &[]);
            if evidence.is_none() {
                text = metrics::carried_over(&text, &written(&path));
            }
            if let Err(error) = replace::file(&path, text.as_bytes(), READABLE) {
                output::tell(true, &format!("cannot write metrics to {}: {error}", path.display()));
            }
        }
    }

    /// Files to write, each with the schedule that it is about.
    fn files(&self) -> Vec<(PathBuf, Option<String>)> {
        let textfile = self.settings.config.metrics.textfile.as_deref();
        let textfile = textfile.map(|path| (PathBuf::from(self.settings.resolve(path)), None));
        let daemon = env(METRICS).map(PathBuf::from).map(|path| {
            let schedule = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            (path, schedule)
        });
        textfile.into_iter().chain(daemon).collect()
    }

    fn pending(&self) -> Option<usize> {
        let state = PathBuf::from(self.settings.resolve(self.settings.config.state_dir.as_deref()?));
        pending::count(&state, &self.cluster.borrow().as_ref()?.folder).ok()
    }
}

/// Why a hook that waits for more is not told.
fn words(happened: Occasion) -> &'static str {
    match happened {
        Occasion::Always => "nothing changed",
        Occasion::Change => "nothing got worse",
        Occasion::Worse => "the run is complete",
        Occasion::Incomplete => "the run did not fail",
        Occasion::Failure => "the run failed",
    }
}

/// Metrics that a run wrote; nothing where there is no such file.
pub(super) fn written(path: &Path) -> String {
    let small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LARGEST);
    if small { fs::read_to_string(path).unwrap_or_default() } else { String::new() }
}

/// The hook with its URL and token, or why it cannot be used; neither is repeated.
fn hook(settings: &Settings, config: &At<HookConfig>) -> Result<Hook, String> {
    let at = |reason: String| format!("{reason} (line {} of the configuration)", config.line);
    let url = match config.url.expose() {
        url if url.contains("://") => url.to_owned(),
        _ => credential(settings, "url", &config.url).map_err(at)?,
    };
    let token = config.token.as_ref().map(|token| credential(settings, "token", token)).transpose().map_err(at)?;
    Hook::new(config, &url, token.as_deref()).map_err(|reason| at(reason.to_owned()))
}

/// A credential from the environment (`env:NAME`), or from a file that not everybody can read.
fn credential(settings: &Settings, what: &str, named: &Private) -> Result<String, String> {
    if let Some(name) = named.expose().strip_prefix("env:") {
        return env(name).ok_or_else(|| format!("{what}: the variable {name} is not set"));
    }
    let path = settings.resolve(named.expose());
    let unreadable = |error| format!("the file that its {what} names cannot be read: {error}");
    let mode = fs::metadata(&path).map_err(unreadable)?.mode();
    if mode & WORLD_READABLE != 0 {
        return Err(format!("the file that its {what} names can be read by everybody: chmod 600 it"));
    }
    fs::read_to_string(&path).map_err(unreadable)
}
