//! `kubeproof get`: fetch one bundle with the log that proves it, so that `verify` works offline.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    Exit, Failure, Outcome, clock,
    stores::{StoreArgs, failure, runtime},
};
use crate::{
    bundle::{
        log::commit_file,
        verify::{self, BundleFiles, LogFiles, Options, Trust, Verdict, Verification},
    },
    digest::Digest,
    store::{
        Store,
        inventory::{Entry, Standing},
    },
};

/// Fetch one bundle and the log that proves it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --key the bundle is verified first, and nothing is written unless it is. Without, it is
written as it came, and the exit code is 4.

Examples:
  kubeproof get --store s3://evidence/prod --key signing.pub --out fetched
  kubeproof get 3f9c12ab --cluster prod-eu --key signing.pub --zip evidence.zip")]
pub(super) struct Args {
    /// First digits of the bundle's id, or #INDEX of its log entry [default: the newest]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<String>,
    #[command(flatten)]
    place: StoreArgs,
    /// New folder to write bundle/ and log/ into [default: the bundle's id, shortened]
    #[arg(long, value_name = "DIR", conflicts_with = "zip")]
    out: Option<PathBuf>,
    /// Write one zip file in place of a folder
    #[arg(long, value_name = "FILE")]
    zip: Option<PathBuf>,
}

struct Fetched {
    id: Digest,
    files: BTreeMap<String, Vec<u8>>,
    commits: BTreeMap<u64, Vec<u8>>,
}

/// Runs the command.
///
/// # Errors
/// The store cannot be read, no such bundle, or the target exists.
pub(super) fn run(args: &Args) -> Outcome {
    let (store, key) = (args.place.open()?, args.place.key()?);
    let fetched = runtime()?.block_on(fetch(args, &store))?;
    let trust = key.map_or(Trust::Nobody, Trust::Key);
    let name = fetched.id.short(12);
    let files = BundleFiles::from(fetched.files.clone());
    let log = LogFiles::of(fetched.commits.clone());
    let (verification, _) = verify::bundle(&name, files, &log, &trust, &Options::at(clock()?.now()));
    let refused = matches!(trust, Trust::Key(_)) && verification.result != Verdict::Verified;
    if refused {
        return Err(not_verified(&store, &fetched.id, &verification));
    }
    let target = args.zip.clone().or_else(|| args.out.clone()).unwrap_or_else(|| PathBuf::from(&name));
    let written = if args.zip.is_some() { write_zip(&target, &fetched) } else { write_folder(&target, &fetched) };
    written.map_err(|error| Failure::usage(format!("cannot write {}: {error}", target.display())))?;
    anstream::println!("{}: {} files, {} log entries", target.display(), fetched.files.len(), fetched.commits.len());
    if verification.result == Verdict::Verified {
        anstream::println!(
            "verified with the key given; kubeproof verify {} --key PUB says what that shows",
            target.display()
        );
        return Ok(Exit::Done);
    }
    anstream::println!("not verified: no key was given; kubeproof verify {} --key signing.pub", target.display());
    Ok(Exit::Untrusted)
}

fn not_verified(store: &Store, id: &Digest, verification: &Verification) -> Failure {
    let first = verification.steps.iter().find(|step| !step.ok);
    let why = first.map_or_else(String::new, |step| format!(": {}: {}", step.subject, step.detail));
    let failure = Failure::usage(format!(
        "bundle {} of {} is not verified, and nothing was written{why}",
        id.short(12),
        store.url()
    ));
    failure
        .exit(super::verify::exit_of(verification.result))
        .hint("without --key it is written as it is, for a closer look")
}

async fn fetch(args: &Args, store: &Store) -> Result<Fetched, Failure> {
    let cluster = &args.place.one_cluster(store).await?;
    let id = choose(args, store, cluster).await?;
    let files = store.bundle_files(cluster, &id).await.map_err(failure)?;
    let commits = store.commit_files(cluster).await.map_err(failure)?;
    Ok(Fetched { id, files, commits })
}

async fn choose(args: &Args, store: &Store, cluster: &str) -> Result<Digest, Failure> {
    let key = args.place.key()?;
    let all = if args.bundle.is_some() { usize::MAX } else { 20 };
    let entries = store.inventory(cluster, key.as_ref(), all).await.map_err(failure)?.entries;
    let Some(wanted) = &args.bundle else {
        let newest = entries.iter().find(|entry| !matches!(entry.standing, Standing::Refused { .. }));
        return newest.map(|entry| entry.id).ok_or_else(|| {
            Failure::usage(format!("no bundle of {cluster} in {} counts", store.url())).hint("kubeproof list says why")
        });
    };
    let position = wanted.strip_prefix('#').and_then(|number| number.parse::<u64>().ok());
    let is_wanted = |entry: &&Entry| match (position, &entry.standing) {
        (Some(position), Standing::Signed { index }) => *index == position,
        (Some(position), _) => entry.slot == position,
        (None, _) => wanted.len() >= 4 && entry.id.hex().starts_with(wanted.as_str()),
    };
    let mut found: Vec<Digest> = entries.iter().filter(is_wanted).map(|entry| entry.id).collect();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::usage(format!("no bundle '{wanted}' of {cluster} in {}", store.url()))
            .hint("kubeproof list shows them; four digits of the id are enough")),
        many => {
            Err(Failure::usage(format!("'{wanted}' means {} bundles of {cluster}", many.len()))
                .hint("give more digits"))
        }
    }
}

impl Fetched {
    /// `bundle/` and `log/`, in order of names.
    fn layout(&self) -> BTreeMap<String, &[u8]> {
        let bundle = self.files.iter().map(|(name, bytes)| (format!("bundle/{name}"), bytes.as_slice()));
        let log = self.commits.iter().map(|(slot, bytes)| (format!("log/{}", commit_file(*slot)), bytes.as_slice()));
        bundle.chain(log).collect()
    }
}

/// The folder appears whole or not at all. Names cannot lead out of it: a store's paths have no `..`.
fn write_folder(target: &Path, fetched: &Fetched) -> io::Result<()> {
    if target.symlink_metadata().is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists already"));
    }
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new().prefix(".kubeproof-get-").tempdir_in(parent)?;
    for (name, bytes) in fetched.layout() {
        let path = unfinished.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(parent))?;
        fs::write(path, bytes)?;
    }
    fs::rename(unfinished.keep(), target)
}

/// The same bundle gives the same bytes: names in order, one fixed time, one level.
fn write_zip(target: &Path, fetched: &Fetched) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut unfinished = tempfile::NamedTempFile::new_in(parent)?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(unfinished.as_file_mut());
    for (name, bytes) in fetched.layout() {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    let written: &mut File = zip.finish()?;
    written.sync_all()?;
    unfinished.persist_noclobber(target)?;
    Ok(())
}
