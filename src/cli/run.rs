//! `kubeproof run`: the scheduled job.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use clap::ValueEnum;

use super::{
    Exit, Failure, Outcome,
    after::After,
    check::FailOn,
    clock, env, env_all, key_source, load_failure, output, progress,
    settings::{self, DefinitionArgs, Settings},
    source,
    stores::{failure as store_failure, runtime},
};
use crate::{
    bundle::KeySet,
    clock::Clock,
    collect::{Collected, cluster::Configz, recorded},
    digest::Digest,
    notify,
    pipeline::{self, Job, Ran, RunError, Stage},
    report::{self, view::words},
    store::{Patience, Store, StoreError, pending::Undelivered},
};

/// Collect, evaluate, compare, report, sign and store: the scheduled job
///
/// Without --from it reads the cluster: in a pod with its service account, else with the kubeconfig's current context.
/// Exit code: 0 once evidence is committed, partial or not; 5 when something was not seen that expectedGaps does not
/// declare, or when the bundle could not be committed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubeproof run\n  kubeproof run --context prod --store s3://evidence/prod --config kubeproof.yaml\n  \
                        kubeproof run --from recorded/october --from recorded/november --store ./evidence"
)]
pub(super) struct Args {
    /// Recorded cluster, folder or file of manifests, or bundle, instead of a live cluster; several follow each other
    #[arg(long, value_name = "SOURCE")]
    from: Vec<PathBuf>,
    /// Kubeconfig file [default: KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Name of the cluster in the store and on the report
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder, s3://, gs:// or az:// URL; further ones are replicas [default: ./evidence]
    #[arg(long = "store", value_name = "URL")]
    stores: Vec<String>,
    /// Folder with signing.pem, log.pem and redaction.key [default: the user's configuration folder]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Folder with what the API does not show: audit/, cloud/, scans/, nodes/ [default: inputs of the configuration]
    #[arg(long, value_name = "DIR")]
    inputs: Option<PathBuf>,
    /// Folder with reports of `kubeproof node --out`, in place of those in the cluster
    #[arg(long, value_name = "DIR")]
    node_reports: Option<PathBuf>,
    /// Ask every kubelet whose certificate is verified for its configuration; it gets to see this run's token
    #[arg(long, conflicts_with = "from")]
    kubelet_configz: bool,
    /// CA certificates of kubelets, beside the cluster's own
    #[arg(long, value_name = "FILE", requires = "kubelet_configz")]
    kubelet_ca: Option<PathBuf>,
    /// Write the collected cluster, redacted, into a folder that --from reads; nothing is signed or stored
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Which pages the PDF has
    #[arg(long, value_enum, default_value_t = Pages::Daily)]
    report: Pages,
    /// Severity from which an open failure makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Off)]
    fail_on: FailOn,
    /// Seconds within which the bundle must be committed
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    deadline: u64,
    #[command(flatten)]
    definitions: DefinitionArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pages {
    /// What a person reads every day
    Daily,
    /// Every framework row, exception and appendix
    Full,
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut settings = settings::load(&args.definitions)?;
    if args.name.is_some() {
        settings.config.cluster.name.clone_from(&args.name);
    }
    let clock = clock()?;
    let runtime = runtime()?;
    if let Some(dir) = &args.record {
        return runtime.block_on(record(args, &settings, dir, clock.as_ref()));
    }
    let after = After::of(&settings, clock.as_ref(), scheduled());
    let outcome = runs(args, &settings, &runtime, &after);
    if let Err(failure) = &outcome {
        runtime.block_on(after.failed(failure));
    }
    outcome
}

/// One run for each source; the worst of their exits.
fn runs(args: &Args, settings: &Settings, runtime: &tokio::runtime::Runtime, after: &After<'_>) -> Outcome {
    let stores = open_stores(args, settings)?;
    let all_local = stores.iter().all(|store| store.folder().is_some());
    let found = key_source::find(settings, args.keys.as_deref(), all_local)?;
    let [store, replicas @ ..] = stores.as_slice() else { return Err(Failure::usage("no store is named")) };
    if let (true, Some(public)) = (found.made, &found.public) {
        output::note(&format!("made new keys in {}", public.parent().unwrap_or(public).display()));
    }
    let session = Session { args, settings, store, replicas, keys: &found.keys, public: found.public, after };
    let sources: Vec<Option<&Path>> = match args.from.as_slice() {
        [] => vec![None],
        from => from.iter().map(|path| Some(path.as_path())).collect(),
    };
    let mut worst = Exit::Done;
    for source in sources {
        worst = worst.max(runtime.block_on(session.once(source))?);
    }
    Ok(worst)
}

/// What every run of one command shares.
struct Session<'a> {
    args: &'a Args,
    settings: &'a Settings,
    store: &'a Store,
    replicas: &'a [Store],
    keys: &'a KeySet,
    public: Option<PathBuf>,
    after: &'a After<'a>,
}

impl Session<'_> {
    async fn once(&self, from: Option<&Path>) -> Outcome {
        let clock = self.after.begin();
        let progress = Arc::new(progress::Progress::new());
        let stage = |stage: Stage| progress.stage(stage);
        stage(Stage::Collect);
        let request = self.request(from);
        let mut collected = source::collect(&request, Some(self.keys), clock, &progress).await?;
        let cluster = collected.coverage.cluster.folder();
        self.after.is_about(&collected.coverage.cluster);
        let job = self.job(&stage);
        let now = clock.now();
        let newest = pipeline::newest_verified(self.store, &cluster, self.keys, now).await.map_err(store_failure)?;
        let mut ran = pipeline::produce(&job, &mut collected, newest).map_err(run_failure)?;
        let state = self.settings.config.state_dir.as_deref().map(|dir| PathBuf::from(self.settings.resolve(dir)));
        let patience = Patience { total: Duration::from_secs(self.args.deadline), ..Patience::default() };
        let flushed = pipeline::commit(&job, &cluster, &ran, state.as_deref(), patience).await.map_err(undelivered)?;
        let damaged = flushed
            .damaged
            .iter()
            .map(|folder| format!("{} holds something else than a waiting bundle", folder.display()));
        ran.warnings.extend(damaged);
        let Some((_, committed)) = flushed.committed.into_iter().find(|(id, _)| *id == ran.bundle.id) else {
            return Err(Failure::usage("the bundle is not in the log, and nobody said why").exit(Exit::Incomplete));
        };
        ran.warnings.extend(
            committed.skipped.iter().map(|slot| format!("log slot {} was passed over: {}", slot.slot, slot.reason)),
        );
        let copied = self.copy(&cluster, &stage).await;
        ran.warnings.extend(copied.iter().filter_map(|(replica, copied)| {
            let error = copied.as_ref().err()?;
            Some(format!("{} is behind, the next run copies again: {error}; {}", replica.url(), error.hint()))
        }));
        if self.settings.config.lake {
            stage(Stage::Lake);
            let run = (&ran.bundle, committed.index);
            ran.warnings.extend(pipeline::into_lake(self.store, &cluster, run, self.keys, now).await);
        }
        progress.clear();
        let stored =
            report::Stored { index: Some(committed.index), url: self.store.bundle_url(&cluster, &ran.bundle.id) };
        let printed = self.print(&collected, &ran, &stored, &cluster);
        let entries = |count: u64| words::count(count, "log entry", "log entries");
        for (replica, copied) in copied.iter().filter_map(|(replica, copied)| Some((replica, copied.as_ref().ok()?))) {
            output::note(&format!("copied {} to {}", entries(*copied), replica.url()));
        }
        let exit = self.exit(&collected, &ran);
        let input = ran.report_input(&collected);
        let incomplete = exit == Exit::Incomplete;
        let told = notify::Committed { input: &input, bundle: &ran.bundle.id, stored: &stored, incomplete };
        self.after.committed(told).await;
        printed.map(|()| exit)
    }

    /// Brings every replica up to the primary store. What fails there is no failure of the run: evidence is committed.
    async fn copy(&self, cluster: &str, stage: &(dyn Fn(Stage) + Sync)) -> Vec<(&Store, Result<u64, StoreError>)> {
        if !self.replicas.is_empty() {
            stage(Stage::Replicate);
        }
        let patience = Patience::brief();
        let mut copied = Vec::new();
        for replica in self.replicas {
            copied.push((replica, self.store.replicate(replica, cluster, patience).await));
        }
        copied
    }

    fn request<'b>(&'b self, from: Option<&'b Path>) -> source::Request<'b> {
        source::Request {
            from,
            kubeconfig: self.args.kubeconfig.as_deref(),
            context: self.args.context.as_deref(),
            inputs: self.args.inputs.as_deref(),
            node_reports: self.args.node_reports.as_deref(),
            configz: configz(self.args, self.settings),
            settings: self.settings,
        }
    }

    fn job<'b>(&'b self, on_stage: &'b (dyn Fn(Stage) + Sync)) -> Job<'b> {
        Job {
            environment: self.settings.config.cluster.environment.as_deref(),
            confidentiality: self.settings.config.confidentiality.as_deref(),
            expected_gaps: &self.settings.config.expected_gaps,
            rules: &self.settings.rules,
            attested: &self.settings.attested,
            frameworks: &self.settings.frameworks,
            keys: self.keys,
            store: self.store,
            scheduled: self.after.scheduled(),
            full: self.args.report == Pages::Full,
            program: program_digest(),
            on_stage,
        }
    }

    fn print(&self, collected: &Collected, ran: &Ran, stored: &report::Stored, cluster: &str) -> Result<(), Failure> {
        output::lines(&report::summary(&ran.report_input(collected), stored))?;
        for warning in &ran.warnings {
            output::note(&format!("warning: {warning}"));
        }
        let folder = self.store.folder().map(|folder| folder.join("clusters").join(cluster));
        let compared = ran.drift.baseline.is_some();
        output::next_steps(self.store.url(), folder.as_deref(), &ran.bundle.id, self.public.as_deref(), compared)
    }

    fn exit(&self, collected: &Collected, ran: &Ran) -> Exit {
        let unseen = collected.coverage.failure().is_some();
        if unseen || pipeline::undeclared(&ran.meta.gaps, collected.source.kind).next().is_some() {
            Exit::Incomplete
        } else if self.args.fail_on.is_reached(&ran.evaluation) {
            Exit::Reached
        } else {
            Exit::Done
        }
    }
}

/// Whether kubelets are asked: by flag or by configuration.
fn configz(args: &Args, settings: &Settings) -> Configz {
    let configured = &settings.config.kubelet;
    if !args.kubelet_configz && !configured.configz {
        return Configz::NotAsked;
    }
    let of_configuration = || configured.ca.as_deref().map(|ca| PathBuf::from(settings.resolve(ca)));
    Configz::Asked { ca: args.kubelet_ca.clone().or_else(of_configuration) }
}

async fn record(args: &Args, settings: &Settings, dir: &Path, clock: &dyn Clock) -> Outcome {
    let found = key_source::find(settings, args.keys.as_deref(), true)?;
    let progress = Arc::new(progress::Progress::new());
    progress.stage(Stage::Collect);
    let [] = args.from.as_slice() else {
        return Err(Failure::usage("--record writes what a live cluster answers").hint("leave --from out"));
    };
    let request = source::Request {
        from: None,
        kubeconfig: args.kubeconfig.as_deref(),
        context: args.context.as_deref(),
        inputs: args.inputs.as_deref(),
        node_reports: args.node_reports.as_deref(),
        configz: configz(args, settings),
        settings,
    };
    let collected = source::collect(&request, Some(&found.keys), clock, &progress).await?;
    if let Some(failure) = collected.coverage.failure() {
        return Err(Failure::usage(failure));
    }
    recorded::write(dir, &collected, &collected.objects).map_err(Failure::usage)?;
    progress.clear();
    output::note(&format!(
        "recorded {} objects of {} lists, redacted, in {}",
        collected.objects.len(),
        collected.coverage.lists.len(),
        dir.display()
    ));
    Ok(Exit::Done)
}

/// The store that orders the log, and its replicas.
fn open_stores(args: &Args, settings: &Settings) -> Result<Vec<Store>, Failure> {
    let configured = |url: &String| if url.contains("://") { url.clone() } else { settings.resolve(url) };
    let urls: Vec<String> = match (args.stores.as_slice(), settings.config.stores.as_slice()) {
        ([], []) => vec!["./evidence".into()],
        ([], stores) => stores.iter().map(configured).collect(),
        (stores, _) => stores.to_vec(),
    };
    let mut stores: Vec<Store> = Vec::new();
    for url in urls {
        let store = Store::open(&url, &env_all()).map_err(store_failure)?;
        if stores.iter().any(|other| other.url() == store.url()) {
            return Err(Failure::usage(format!("{} is named twice", store.url()))
                .hint("the first store orders the log, each other one is a replica of it"));
        }
        stores.push(store);
    }
    Ok(stores)
}

fn undelivered(error: Undelivered) -> Failure {
    let failure = Failure::usage(&error).exit(Exit::Incomplete);
    match &error {
        Undelivered::Store { waits_in: Some(folder), .. } => {
            failure.hint(format!("it waits in {}, and the next run commits it", folder.display()))
        }
        Undelivered::Store { waits_in: None, error } => {
            failure.hint(format!("{}; with stateDir in kubeproof.yaml it would wait", error.hint()))
        }
        Undelivered::State(_) => failure,
    }
}

fn run_failure(error: RunError) -> Failure {
    match error {
        RunError::Rules(errors) => load_failure(&errors),
        other => Failure::usage(other),
    }
}

/// When the schedule wanted the run; the daemon tells its runs.
fn scheduled() -> Option<DateTime<Utc>> {
    env("KUBEPROOF_SCHEDULED").and_then(|text| text.parse().ok())
}

/// The running program's own bytes: a claim of the statement, not a proof.
pub(super) fn program_digest() -> Option<Digest> {
    Digest::of_reader(std::fs::File::open(std::env::current_exe().ok()?).ok()?).ok()
}
