//! Step 1 on a disk: every file is opened once, without following links, and what was read is what is hashed.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};

use crate::{bundle::log, digest::Digest};

/// One object of a store is at most this long.
const MAX_FILE: u64 = 512 << 20;
/// A bundle is far below this; more would be an attempt to exhaust the verifier.
const MAX_BUNDLE: u64 = 4 << 30;
/// As many files as no bundle has.
const MAX_FILES: usize = 50_000;
/// `data/rules/checks/<area>/<id>.yaml` is four deep.
const MAX_DEPTH: usize = 12;

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing there that could be verified.
    #[error("{0} is no bundle, no folder that 'kubeproof get' wrote, and no store")]
    Nothing(String),
}

/// Something that does not belong where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of it.
    pub subject: String,
    /// What is wrong.
    pub detail: String,
}

/// A file, as far as a manifest is about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Its size.
    pub octets: u64,
}

impl Sum {
    /// That of a content.
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::of(bytes), octets: bytes.len() as u64 }
    }
}

/// The files of one bundle, and what stands among them that is none.
#[derive(Debug, Clone, Default)]
pub struct BundleFiles {
    /// Contents by bag path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Large files that nothing is read from, by bag path: hashed piece by piece and never held.
    pub hashed: BTreeMap<String, Sum>,
    /// Links, devices, names that are not text, files that are too long.
    pub problems: Vec<Problem>,
    /// What interrupted writes left in a store on this machine; never read.
    pub leftovers: Vec<String>,
}

impl BundleFiles {
    /// Every file.
    pub(super) fn sums(&self) -> BTreeMap<String, Sum> {
        let held = self.files.iter().map(|(path, bytes)| (path.clone(), Sum::of(bytes)));
        held.chain(self.hashed.iter().map(|(path, sum)| (path.clone(), *sum))).collect()
    }
}

impl From<BTreeMap<String, Vec<u8>>> for BundleFiles {
    fn from(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files, ..Self::default() }
    }
}

/// The commits of a log, by slot.
#[derive(Debug, Clone, Default)]
pub struct LogFiles {
    /// Files by slot.
    pub commits: BTreeMap<u64, CommitFile>,
    /// What stands among them that is no commit.
    pub problems: Vec<Problem>,
}

/// A commit's file.
#[derive(Debug, Clone)]
pub struct CommitFile {
    /// Path, as people see it.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

impl LogFiles {
    /// Commits as a store returns them, by slot.
    pub fn of(commits: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Self {
        let named = |(slot, bytes)| (slot, CommitFile { name: format!("log/{}", log::commit_file(slot)), bytes });
        Self { commits: commits.into_iter().map(named).collect(), problems: Vec::new() }
    }
}

/// What a path holds.
#[derive(Debug)]
pub enum Found {
    /// One bundle, with the log entries that came with it.
    Bundle {
        /// Its name for people.
        name: String,
        /// Its files.
        files: BundleFiles,
        /// Its log entries.
        log: LogFiles,
    },
    /// Clusters of a store, each with its log and its bundles.
    Clusters(Vec<Cluster>),
}

/// One cluster's folder of a store.
#[derive(Debug)]
pub struct Cluster {
    /// Name of the folder.
    pub name: String,
    folder: PathBuf,
    /// Names of the bundles' folders.
    pub bundles: Vec<String>,
    /// The log.
    pub log: LogFiles,
}

impl Cluster {
    /// Reads one bundle.
    ///
    /// # Errors
    /// The system refuses.
    pub fn bundle(&self, name: &str) -> Result<BundleFiles, ReadError> {
        bundle(&self.folder.join("bundles").join(name), Place::Store)
    }
}

/// Finds out what `path` is, and reads it.
///
/// # Errors
/// It cannot be read, or is nothing that could be verified.
pub fn open(path: &Path) -> Result<Found, ReadError> {
    let has = |name: &str| path.join(name).symlink_metadata().is_ok();
    if has("bundle") {
        return Ok(Found::Bundle {
            name: "bundle".to_owned(),
            files: bundle(&path.join("bundle"), Place::Elsewhere)?,
            log: log_files(&path.join("log"), Place::Elsewhere)?,
        });
    }
    if has("clusters") {
        let folder = path.join("clusters");
        let names = folders(&folder)?;
        return names.iter().map(|name| cluster(&folder.join(name))).collect::<Result<_, _>>().map(Found::Clusters);
    }
    if has("bundles") {
        return Ok(Found::Clusters(vec![cluster(path)?]));
    }
    if ["attest", "bagit.txt", "manifest-sha256.txt"].into_iter().any(has) {
        return single(path);
    }
    // The difference between a missing folder and one that holds something else is worth a sentence of its own.
    path.read_dir().map_err(|source| ReadError::Io { path: path.display().to_string(), source })?;
    Err(ReadError::Nothing(path.display().to_string()))
}

/// A bundle by itself: its log is looked for where stores and `get` keep it.
fn single(path: &Path) -> Result<Found, ReadError> {
    let path = path.canonicalize().map_err(|source| ReadError::Io { path: path.display().to_string(), source })?;
    let parent = path.parent().unwrap_or(&path);
    let in_store = parent.file_name().is_some_and(|name| name == "bundles");
    let log = if in_store { parent.parent().unwrap_or(parent).join("log") } else { parent.join("log") };
    let name = path.file_name().map_or_else(|| "bundle".to_owned(), |name| name.to_string_lossy().into_owned());
    let place = if in_store { Place::Store } else { Place::Elsewhere };
    Ok(Found::Bundle { name, files: bundle(&path, place)?, log: log_files(&log, place)? })
}

fn cluster(folder: &Path) -> Result<Cluster, ReadError> {
    Ok(Cluster {
        name: folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        folder: folder.to_owned(),
        bundles: folders(&folder.join("bundles"))?,
        log: log_files(&folder.join("log"), Place::Store)?,
    })
}

fn folders(folder: &Path) -> Result<Vec<String>, ReadError> {
    let io = |source| ReadError::Io { path: folder.display().to_string(), source };
    let mut names = Vec::new();
    for entry in folder.read_dir().map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_type().map_err(io)?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The commits of a log folder: in `commits/`, or in the folder itself as `get` writes them. None is no error here.
fn log_files(folder: &Path, place: Place) -> Result<LogFiles, ReadError> {
    let nested = folder.join("commits");
    let (folder, prefix) = if nested.is_dir() { (nested, "log/commits/") } else { (folder.to_owned(), "log/") };
    if !folder.is_dir() {
        return Ok(LogFiles::default());
    }
    let mut found = BundleFiles::default();
    let limits = Limits { file: log::MAX_COMMIT_BYTES as u64, depth: 1, place };
    read_tree(&open_folder(&folder)?, "", &limits, &mut found).map_err(|e| io_error(&folder, e))?;
    let mut files = LogFiles::default();
    for mut problem in found.problems {
        problem.subject = format!("{prefix}{}", problem.subject);
        files.problems.push(problem);
    }
    for (path, bytes) in found.files {
        let name = format!("{prefix}{path}");
        match log::commit_slot(&path) {
            Some(slot) => {
                files.commits.insert(slot, CommitFile { name, bytes });
            }
            // An exported checkpoint lies beside the commits, and proves nothing that they do not.
            None if path == "checkpoint" => {}
            None => files.problems.push(Problem { subject: name, detail: "not the name of a log entry".to_owned() }),
        }
    }
    Ok(files)
}

fn bundle(folder: &Path, place: Place) -> Result<BundleFiles, ReadError> {
    let mut found = BundleFiles::default();
    let limits = Limits { file: MAX_FILE, depth: MAX_DEPTH, place };
    read_tree(&open_folder(folder)?, "", &limits, &mut found).map_err(|e| io_error(folder, e))?;
    Ok(found)
}

struct Limits {
    file: u64,
    depth: usize,
    place: Place,
}

/// Where files lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A store's own folder, in which a killed run may have left unpublished writes.
    Store,
    /// A copy, in which only what belongs there can be.
    Elsewhere,
}

/// Stores on a disk write `name#1` first and publish it under its name: what is left of that is no object of the store.
fn is_unpublished(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(name, n)| !name.is_empty() && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn open_folder(path: &Path) -> Result<OwnedFd, ReadError> {
    // The folder itself was named by the person: a link there is theirs.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|e| io_error(path, e.into()))
}

fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io { path: path.display().to_string(), source }
}

/// Reads a folder through its descriptor, so that nobody can put a link in the way between two names.
fn read_tree(folder: &OwnedFd, prefix: &str, limits: &Limits, found: &mut BundleFiles) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort();
    for name in names {
        let path = format!("{prefix}{}", name.to_string_lossy());
        if limits.place == Place::Store && is_unpublished(&path) {
            found.leftovers.push(path);
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = match rustix::fs::openat(folder.as_fd(), &name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::MLINK) => {
                refuse(found, path, "a symbolic link; links are never followed");
                continue;
            }
            Err(error) => {
                refuse(found, path, &format!("cannot be opened: {error}"));
                continue;
            }
        };
        match FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode) {
            FileType::Directory if prefix.matches('/').count() + 1 >= limits.depth => {
                refuse(found, path, "a folder deeper than any of the format");
            }
            FileType::Directory => read_tree(&opened, &format!("{path}/"), limits, found)?,
            FileType::RegularFile => read_file(opened, path, limits, found)?,
            _ => refuse(found, path, "neither a file nor a folder"),
        }
    }
    Ok(())
}

fn read_file(opened: OwnedFd, path: String, limits: &Limits, found: &mut BundleFiles) -> io::Result<()> {
    let so_far: u64 = found.files.values().map(|bytes| bytes.len() as u64).sum();
    if found.files.len() >= MAX_FILES {
        refuse(found, path, "more files than a bundle can have");
        return Ok(());
    }
    let limit = limits.file.min(MAX_BUNDLE - so_far.min(MAX_BUNDLE));
    let mut bytes = Vec::new();
    File::from(opened).take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        refuse(found, path, "longer than any file of the format");
    } else {
        found.files.insert(path, bytes);
    }
    Ok(())
}

fn refuse(found: &mut BundleFiles, subject: String, detail: &str) {
    found.problems.push(Problem { subject, detail: detail.to_owned() });
}
