//! `kubeproof daemon`: run the schedules in a long-lived process.
//!
//! Each run is a process of its own: its memory goes back to the system, a crash ends one run only, and a run beyond
//! its deadline can be ended at any point, since nothing counts before its commit.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::IsTerminal as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{
    Exit, Failure, Outcome,
    after::{self, After, Lost},
    load_failure,
    settings::{self, DefinitionArgs},
    stores::runtime,
};
use crate::{
    clock::{Clock as _, SystemClock, rfc3339},
    metrics::{self, Schedules, serve},
    schedule::{
        Report, Schedule,
        daemon::{Daemon, Event, Timer},
        memory::Memory,
    },
};

/// Run the schedules in a long-lived process
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One run at a time. SIGTERM or Ctrl-C ends the process after the current run, or after --grace
without it: what was not committed does not count. With stateDir in the configuration, runs
missed while the process was down are named at the next start.

Examples:
  kubeproof daemon --config kubeproof.yaml schedules/daily.yaml schedules/weekly.yaml
  kubeproof daemon --config kubeproof.yaml --metrics-listen 127.0.0.1:9464 schedules")]
pub(super) struct Args {
    /// Schedule files, or a folder of them
    #[arg(value_name = "SCHEDULE", required = true)]
    schedules: Vec<PathBuf>,
    /// Configuration file, passed on to every run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long the current run may go on after a signal
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Serve Prometheus metrics over HTTP at this address, below /metrics
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<SocketAddr>,
}

/// Numbers of the schedules, and where their runs write theirs.
struct Metrics {
    schedules: Arc<Mutex<Schedules>>,
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Without a state folder the numbers of runs end with the process.
    _temporary: Option<TempDir>,
}

impl Metrics {
    fn new(schedules: &[Schedule], state: Option<&Path>) -> Result<Self, Failure> {
        let temporary = match state {
            Some(_) => None,
            None => Some(TempDir::with_prefix("kubeproof-metrics-").map_err(|error| {
                Failure::usage(format!("cannot make a folder for metrics: {error}")).hint("set stateDir or TMPDIR")
            })?),
        };
        let folder = match (state, &temporary) {
            (Some(state), _) => state.join("metrics"),
            (None, Some(temporary)) => temporary.path().to_path_buf(),
            (None, None) => PathBuf::from("."),
        };
        let ids = || schedules.iter().map(|schedule| schedule.id.clone());
        let files = ids().map(|id| folder.join(format!("{id}.prom"))).collect();
        let schedules = Arc::new(Mutex::new(Schedules::new(ids())));
        Ok(Self { schedules, folder, files, _temporary: temporary })
    }

    fn note(&self, event: &Event) {
        lock(&self.schedules).note(event);
    }

    fn file(&self, schedule: &str) -> PathBuf {
        self.folder.join(format!("{schedule}.prom"))
    }

    /// Serves what the loop knows and what the runs wrote, from now on; where.
    async fn serve(&self, address: SocketAddr) -> Result<SocketAddr, Failure> {
        let failed = |error| {
            Failure::usage(format!("cannot listen at {address}: {error}")).hint("name another --metrics-listen")
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        let (schedules, files) = (Arc::clone(&self.schedules), self.files.clone());
        let page = move || {
            let own = metrics::text(lock(&schedules).families(), &[]);
            let runs = files.iter().map(|file| after::written(file));
            metrics::merged(&[metrics::text(metrics::build(), &[]), own].into_iter().chain(runs).collect::<Vec<_>>())
        };
        tokio::spawn(serve::serve(listener, Arc::new(page)));
        Ok(at)
    }
}

fn lock(schedules: &Mutex<Schedules>) -> MutexGuard<'_, Schedules> {
    schedules.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a run ended that could not say why.
const KILLED: &str = "ended by a signal";

/// Runs the command.
///
/// # Errors
/// A schedule or the configuration is wrong, or the state folder cannot be used.
pub(super) fn run(args: &Args) -> Outcome {
    let schedules = load(&args.schedules)?;
    let settings = settings::load(&DefinitionArgs::of(args.config.clone()))?;
    let state = settings.config.state_dir.as_deref().map(|folder| PathBuf::from(settings.resolve(folder)));
    let mut memory = Memory::load(state.as_deref()).map_err(Failure::usage)?;
    if state.is_none() {
        tell(false, "no stateDir is configured: runs missed while this process is down will not be named");
    }
    let metrics = Metrics::new(&schedules, state.as_deref())?;
    let after = After::of(&settings, &SystemClock, None);
    let (lost, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut runs = Runs::default();
    let program =
        std::env::current_exe().map_err(|error| Failure::usage(format!("cannot find this program: {error}")))?;
    let daemon = Daemon {
        schedules: &schedules,
        timer: &Wall,
        memory: &mut memory,
        random: &mut || getrandom::u64().unwrap_or(0),
        grace: args.grace,
        listener: &mut |event| {
            metrics.note(&event);
            // Nobody listens any more once the loop has ended.
            runs.lost(&event).into_iter().for_each(|run| drop(lost.send(Some(run))));
            if let Some((bad, text)) = words(&event) {
                tell(bad, &text);
            }
        },
    };
    runtime()?.block_on(async {
        let stop = stopped()?;
        if let Some(address) = args.metrics_listen {
            let at = metrics.serve(address).await?;
            tell(false, &format!("metrics are at http://{at}{}", serve::PATH));
        }
        let execute = async |schedule: &Schedule, planned| {
            let mut command = Command::new(&program);
            command.args(arguments(args, schedule)).env("KUBEPROOF_SCHEDULED", rfc3339(planned));
            if args.metrics_listen.is_some() {
                command.env(after::METRICS, metrics.file(&schedule.id));
            }
            supervise(&mut command).await
        };
        // Hooks are told beside the loop: a slow one keeps no run from beginning.
        let work = async {
            let ended = daemon.run(execute, stop).await.map_err(Failure::usage);
            drop(lost.send(None));
            ended
        };
        let tell = async {
            while let Some(Some(run)) = heard.recv().await {
                after.lost(&run).await;
            }
        };
        tokio::join!(work, tell).0
    })?;
    Ok(Exit::Done)
}

/// The machine's clock. Waits in short steps, since a suspended machine's timers stand still.
struct Wall;

impl Timer for Wall {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        while let Ok(left) = (at - self.now()).to_std()
            && at > self.now()
        {
            tokio::time::sleep(left.min(Duration::from_secs(30))).await;
        }
    }
}

/// Completes at SIGTERM or SIGINT.
pub(super) fn stopped() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::usage(format!("cannot listen for signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn load(paths: &[PathBuf]) -> Result<Vec<Schedule>, Failure> {
    let unreadable =
        |path: &Path, error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = fs::read_dir(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| unreadable(path, error))?;
            files.extend(
                entries
                    .iter()
                    .map(fs::DirEntry::path)
                    .filter(|path| path.extension().is_some_and(|extension| extension == "yaml")),
            );
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    let (mut schedules, mut errors): (Vec<Schedule>, Vec<_>) = (Vec::new(), Vec::new());
    for path in files {
        let bytes = fs::read(&path).map_err(|error| unreadable(&path, error))?;
        match Schedule::parse(&path.display().to_string(), &bytes) {
            Ok(schedule) => schedules.push(schedule),
            Err(error) => errors.push(error),
        }
    }
    schedules.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some(twice) = schedules.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(Failure::usage(format!("two schedules are called '{}'", twice[0].id))
            .hint("a schedule's name is its file's: rename one"));
    }
    match (errors.is_empty(), schedules.is_empty()) {
        (false, _) => Err(load_failure(&errors)),
        (true, true) => Err(Failure::usage("no schedule file there").hint("schedules/daily.yaml is an example")),
        (true, false) => Ok(schedules),
    }
}

fn arguments(args: &Args, schedule: &Schedule) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["run".into()];
    if let Some(config) = &args.config {
        arguments.extend(["--config".into(), config.into()]);
    }
    if let Some(store) = &schedule.store {
        arguments.extend(["--store".into(), store.into()]);
    }
    for framework in &schedule.frameworks {
        arguments.extend(["--framework".into(), framework.into()]);
    }
    if schedule.report == Report::Full {
        arguments.extend(["--report".into(), "full".into()]);
    }
    arguments
}

/// A run that ends with the value that holds it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn supervise(command: &mut Command) -> Result<String, String> {
    let mut running = Running(command.spawn().map_err(|error| format!("cannot start the run: {error}"))?);
    loop {
        match running.0.try_wait().map_err(|error| format!("cannot wait for the run: {error}"))? {
            Some(status) => return outcome(status),
            None => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn outcome(status: ExitStatus) -> Result<String, String> {
    match status.code() {
        Some(0) => Ok("done".into()),
        Some(1) => Ok("done, with findings at or above --fail-on".into()),
        Some(5) => Err("incomplete: coverage is worse than declared, or the bundle waits to be committed".into()),
        Some(code) => Err(format!("failed with exit code {code}")),
        None => Err(KILLED.into()),
    }
}

/// When the running runs were due, for those that end without a word.
#[derive(Default)]
struct Runs(BTreeMap<String, DateTime<Utc>>);

impl Runs {
    /// The run that an event is about, where nobody else tells of it.
    fn lost(&mut self, event: &Event) -> Option<Lost> {
        if let Event::Started { id, planned } = event {
            self.0.insert(id.clone(), *planned);
        }
        let planned = match event {
            Event::Missed { last, .. } => *last,
            Event::Interrupted { planned, .. } => *planned,
            Event::Overran { id, .. } | Event::Abandoned { id } => *self.0.get(id)?,
            Event::Ended { id, outcome: Err(reason) } if reason == KILLED => *self.0.get(id)?,
            _ => return None,
        };
        let (_, reason) = words(event)?;
        Some(Lost { planned, reason })
    }
}

/// An event in words, and whether somebody should look at it.
fn words(event: &Event) -> Option<(bool, String)> {
    let at = |at: &DateTime<Utc>| rfc3339(*at);
    Some(match event {
        Event::Planned { .. } => return None,
        Event::Waiting { id, until } => (false, format!("{id}: next run at {}", at(until))),
        Event::Missed { id, count: 1, first, .. } => (true, format!("{id}: the run of {} was missed", at(first))),
        Event::Missed { id, count, first, last } => {
            (true, format!("{id}: {count} runs were missed, from {} to {}", at(first), at(last)))
        }
        Event::Interrupted { id, planned } => {
            (true, format!("{id}: the run of {} was interrupted when this process ended", at(planned)))
        }
        Event::Started { id, planned } => (false, format!("{id}: the run of {} begins", at(planned))),
        Event::Ended { id, outcome: Ok(text) } => (false, format!("{id}: {text}")),
        Event::Ended { id, outcome: Err(text) } => (true, format!("{id}: {text}")),
        Event::Overran { id, deadline } => {
            (true, format!("{id}: abandoned after {}", humantime::format_duration(*deadline)))
        }
        Event::Stopping { id, grace } => {
            (false, format!("{id}: asked to stop; this run has {} to end", humantime::format_duration(*grace)))
        }
        Event::Abandoned { id } => (true, format!("{id}: abandoned; nothing that was not committed counts")),
        Event::Stopped => (false, "stopped".into()),
    })
}

/// To the person at the terminal, else to the log.
fn tell(bad: bool, text: &str) {
    if std::io::stderr().is_terminal() {
        anstream::eprintln!("{} {text}", rfc3339(SystemClock.now()));
    } else if bad {
        tracing::warn!("{text}");
    } else {
        tracing::info!("{text}");
    }
}
