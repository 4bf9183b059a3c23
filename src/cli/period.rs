//! `kubeproof period`: a quarter of bundles into one signed package for an auditor.

mod summary;

use std::{fs, path::PathBuf};

use chrono::{NaiveDate, TimeDelta};

use super::{
    Exit, Failure, Outcome, clock, key_source, load_failure, progress,
    run::program_digest,
    settings::{self, DefinitionArgs},
    stores::{self, runtime, trusted_key},
    text::day,
};
use crate::{
    bundle::{is_cluster, keys::load_pseudonym},
    period::{
        Holding, Period, PeriodError, Planned, Request,
        model::{Exclusion, RemarkKind},
    },
    schedule::{Recurrence, Schedule},
};

/// A run that begins this much after the planned time still is that run, where no schedule file says otherwise.
const TOLERANCE: TimeDelta = TimeDelta::hours(2);

/// Make one signed package of a period's bundles, for an auditor
///
/// Every bundle is verified first; one that fails is named, left out, and makes the exit code the one that 'verify' has
/// for it. The package is written all the same, and says so.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 done; 3, 4 or 5 when a bundle of the period was tampered with, is signed by
another key, or is missing, or when nothing was observed at all.

Examples:
  kubeproof period --from 2026-07-01 --to 2026-09-30 --store s3://evidence/prod --out q3
  kubeproof period --from 2026-07-01 --to 2026-09-30 --framework pci-dss --scope card-data --out q3-pci
  kubeproof period --from 2026-07-01 --to 2026-09-30 --pseudonymise --pseudonym-key q3.key --out q3
  kubeproof period --from 2026-07-01 --to 2026-09-30 --schedule schedules/daily.yaml --out q3
  kubeproof period --from 2026-07-01 --to 2026-09-30 --store s3://eu --store s3://us --out q3")]
pub(super) struct Args {
    /// First day, in UTC
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: NaiveDate,
    /// Last day, itself included
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: NaiveDate,
    /// Store: a folder, file:PATH, s3://BUCKET/PREFIX; may be repeated, each with clusters of its own [default: the
    /// configuration's first, else ./evidence]
    #[arg(long = "store", value_name = "URL")]
    stores: Vec<String>,
    /// Configuration file that names the store and the keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Cluster: its name, or its folder in the store; may be repeated [default: all]
    #[arg(long = "cluster", value_name = "NAME")]
    clusters: Vec<String>,
    /// Public key that the bundles are verified by [default: that of the key that signs the package]
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
    /// Framework of the package; may be repeated [default: all that were evaluated]
    #[arg(long = "framework", value_name = "ID")]
    frameworks: Vec<String>,
    /// Declared scope outside of which nothing is shown
    #[arg(long, value_name = "ID")]
    scope: Option<String>,
    /// Replace users and groups by pseudonyms; service accounts are programs and keep their names
    #[arg(long, requires = "pseudonym_key")]
    pseudonymise: bool,
    /// Key of the pseudonyms, from 'keys generate --pseudonym'; its owner keeps it
    #[arg(long, value_name = "FILE", requires = "pseudonymise")]
    pseudonym_key: Option<PathBuf>,
    /// Schedule that runs are held against: a schedule file, or five fields in quotes
    #[arg(long, value_name = "FILE|CRON")]
    schedule: Option<String>,
    /// Time zone of the five fields
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "schedule")]
    time_zone: String,
    /// Folder with signing.pem, log.pem and redaction.key [default: the user's configuration folder]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// New folder to write the package into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// The store or the keys cannot be read, what was asked for is nowhere, or the folder exists.
pub(super) fn run(args: &Args) -> Outcome {
    if args.out.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!("{} exists", args.out.display())).hint("name a new folder with --out"));
    }
    let planned = args.schedule.as_deref().map(|text| schedule(text, &args.time_zone)).transpose()?;
    let settings = settings::load(&DefinitionArgs::of(args.config.clone()))?;
    let keys = key_source::existing(&settings, args.keys.as_deref())?;
    let run_key = trusted_key(args.key.as_deref())?.unwrap_or_else(|| keys.signing.public());
    let pseudonyms = args.pseudonym_key.as_deref().map(load_pseudonym).transpose().map_err(Failure::usage)?;
    let now = clock()?.now();
    let progress = progress::Progress::new();
    let made = runtime()?.block_on(async {
        let stores = holdings(args).await?;
        let mut chosen: Vec<String> = stores.iter().flat_map(|holding| &holding.clusters).cloned().collect();
        chosen.retain(|_| !args.clusters.is_empty());
        chosen.sort();
        let on_bundle = |done: usize, of: usize| progress.detail(format!("verifying bundle {done} of {of}"));
        let request = Request {
            from: args.from,
            to: args.to,
            now,
            stores: &stores,
            chosen: &chosen,
            frameworks: &args.frameworks,
            scope: args.scope.as_deref(),
            pseudonyms: pseudonyms.as_ref(),
            planned: planned.as_ref(),
            run_key: &run_key,
            signing: &keys.signing,
            confidentiality: settings.config.confidentiality.as_deref(),
            program: program_digest(),
            on_bundle: &on_bundle,
        };
        crate::period::make(&request, &args.out).await.map_err(explain)
    });
    progress.clear();
    let made = made?;
    let key = key_source::public_file(&settings, args.keys.as_deref());
    summary::print(&made, &args.out, &key);
    Ok(exit_of(&made.period))
}

/// The stores named, and the clusters meant in each.
async fn holdings(args: &Args) -> Result<Vec<Holding>, Failure> {
    let named: Vec<Option<&str>> = match args.stores.as_slice() {
        [] => vec![None],
        stores => stores.iter().map(|url| Some(url.as_str())).collect(),
    };
    let mut holdings = Vec::new();
    for url in named {
        let store = stores::open(url, args.config.as_deref())?;
        let clusters = store.clusters().await.map_err(stores::failure)?;
        if clusters.is_empty() {
            return Err(Failure::usage(format!("{} holds no cluster", store.url()))
                .hint(format!("'kubeproof run --store {}' writes the first bundle", store.url())));
        }
        holdings.push(Holding { store, clusters });
    }
    let all: Vec<String> = holdings.iter().flat_map(|holding| &holding.clusters).cloned().collect();
    let nowhere = |wanted: &&String| !all.iter().any(|folder| is_cluster(folder, wanted));
    if let Some(wanted) = args.clusters.iter().find(nowhere) {
        let hint = format!("there are: {}", all.join(", "));
        return Err(Failure::usage(format!("no cluster '{wanted}' in the stores")).hint(hint));
    }
    let is_meant = |folder: &String| args.clusters.is_empty() || args.clusters.iter().any(|w| is_cluster(folder, w));
    holdings.iter_mut().for_each(|holding| holding.clusters.retain(is_meant));
    Ok(holdings)
}

/// Bundles that were left out decide the code as they do for `verify`.
fn exit_of(period: &Period) -> Exit {
    let excluded = period.clusters.iter().flat_map(|cluster| &cluster.excluded).map(|excluded| match excluded.kind {
        Exclusion::Tampered => Exit::Tampered,
        Exclusion::Untrusted | Exclusion::AnotherCluster => Exit::Untrusted,
        Exclusion::NotInLog | Exclusion::Missing | Exclusion::Unreadable => Exit::Incomplete,
        // Evidence of another period, whole where it belongs.
        Exclusion::AnotherTime => Exit::Done,
    });
    let incomplete = |kind| matches!(kind, RemarkKind::NoRuns | RemarkKind::LogIncomplete);
    let remarks = period.clusters.iter().flat_map(|cluster| &cluster.remarks);
    let remarks = remarks.filter(|remark| incomplete(remark.kind)).map(|_| Exit::Incomplete);
    excluded.chain(remarks).max().unwrap_or(Exit::Done)
}

fn explain(error: PeriodError) -> Failure {
    match error {
        PeriodError::Store(error) => stores::failure(error),
        PeriodError::Twice { .. } => {
            Failure::usage(&error).hint("name one of the stores: a replica is no second cluster")
        }
        PeriodError::Framework { ref known, .. } => {
            let known = known.join(", ");
            Failure::usage(&error).hint(format!("the runs evaluated: {known}"))
        }
        PeriodError::Scope(_) => Failure::usage(&error).hint("scopes are declared in scope.yaml, by their id"),
        PeriodError::OtherScope { .. } => {
            Failure::usage(&error).hint("leave out --framework, or name the scope that the framework is evaluated in")
        }
        PeriodError::Evidence(_) => Failure::usage(&error).hint("nothing was written; verify the store and try again"),
        error => Failure::usage(error),
    }
}

/// A schedule file, or an expression.
fn schedule(text: &str, time_zone: &str) -> Result<Planned, Failure> {
    if text.split_whitespace().count() == 5 {
        let zone = time_zone.parse().map_err(|_| Failure::usage(format!("time zone '{time_zone}' is not known")))?;
        let recurrence = Recurrence::parse(text, zone).map_err(Failure::usage)?;
        return Ok(Planned {
            cron: text.split_whitespace().collect::<Vec<_>>().join(" "),
            time_zone: time_zone.to_owned(),
            recurrence,
            tolerance: TOLERANCE,
        });
    }
    let bytes = fs::read(text).map_err(|error| {
        Failure::usage(format!("cannot read the schedule {text}: {error}"))
            .hint("give a schedule file, or five fields in quotes: \"0 6 * * *\"")
    })?;
    let schedule = Schedule::parse(text, &bytes).map_err(|error| load_failure(&[error]))?;
    let late = (schedule.jitter + schedule.late).as_secs();
    Ok(Planned {
        cron: schedule.cron,
        time_zone: schedule.time_zone,
        recurrence: schedule.recurrence,
        tolerance: TimeDelta::seconds(i64::try_from(late).unwrap_or(0)),
    })
}
