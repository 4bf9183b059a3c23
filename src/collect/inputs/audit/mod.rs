//! `audit/`: what API servers logged of who changed what (`audit.k8s.io/v1`).
//!
//! Logs are read line by line, whatever their size. Of each write its metadata is kept, never what was sent or
//! answered: an AuditTrail for each namespace and one for what has none, which also says what the log covers.

mod event;
mod kept;
mod lines;
mod log;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde_json::json;
use walkdir::WalkDir;

use super::{Context, GROUP, Read};
use crate::{
    collect::{Collected, Coverage, InputError, ListOutcome, ListRecord},
    config::API_VERSION,
    snapshot::{AUDIT_TRAIL, AuditLog, AuditTrail, Object},
};
use kept::Kept;
use log::{Log, Span};

/// Plural name of AuditTrail objects, with the group.
pub const RESOURCE: &str = "audittrails.kubeproof.dev";
/// What the record of a folder among the inputs says was asked for, and of logs that a flag names.
const REQUEST: &str = "inputs/audit";
/// Likewise.
pub(super) const FLAG: &str = "--audit-log";
/// Name of every AuditTrail: there is one in a namespace.
const NAME: &str = "writes";
/// Folders below folders beyond this are somebody's mistake.
const MAX_DEPTH: usize = 32;

/// What audit logs are recognised by, and what is kept of them.
#[derive(Debug, Default)]
pub struct Wanted {
    /// `deployments.apps`: lists of the snapshot, of which a change can be seen.
    resources: BTreeSet<String>,
    /// uid by name of the service accounts of kube-system.
    accounts: BTreeMap<String, String>,
    /// When the snapshot was taken: what came later belongs to the next one.
    until: DateTime<Utc>,
}

impl Wanted {
    /// For what was collected so far.
    pub(super) fn of(collected: &Collected) -> Self {
        let Collected { coverage, objects, .. } = collected;
        let lists = coverage.lists.iter().filter(|list| list.group != GROUP);
        let accounts =
            objects.iter().filter(|o| o.resource == "serviceaccounts" && o.namespace.as_deref() == Some("kube-system"));
        Self {
            resources: lists.map(ListRecord::id).collect(),
            accounts: accounts.filter_map(|object| Some((object.name.clone(), object.uid.clone()?))).collect(),
            until: coverage.finished,
        }
    }
}

/// Reads every log in `folder`.
pub(super) fn read(folder: &Path, context: &Context<'_>) -> Read {
    read_all(&[folder.to_path_buf()], REQUEST, context)
}

/// Reads logs and folders of logs; `request` is how the record calls them.
pub(super) fn read_all(paths: &[PathBuf], request: &str, context: &Context<'_>) -> Read {
    let mut reading = Reading::new(context);
    let mut found = 0;
    for path in paths {
        for file in files(path, &mut reading.errors) {
            found += 1;
            reading.file(&file);
        }
    }
    reading.end(found, request)
}

/// Logs below a path by name, whatever rotation calls them; a path that is a file is one. Links are not followed.
fn files(path: &Path, errors: &mut Vec<InputError>) -> Vec<PathBuf> {
    let (mut files, is_file) = (Vec::new(), path.is_file());
    for entry in WalkDir::new(path).max_depth(MAX_DEPTH).sort_by_file_name() {
        match entry {
            Ok(_) if is_file => files.push(path.to_path_buf()),
            Ok(entry) if entry.file_type().is_file() && is_log(&entry.file_name().to_string_lossy()) => {
                files.push(entry.into_path());
            }
            Ok(_) => {}
            Err(walk) => errors.push(said(walk.path().unwrap_or(path), walk.to_string())),
        }
    }
    files
}

/// `audit.log`, `audit-2026-11-22T06-00-00.000.log.gz`, `audit.log.1`, `PT1H.json`, `000000.gz`.
fn is_log(name: &str) -> bool {
    let ends = [".json", ".jsonl", ".ndjson", ".gz"].iter().any(|end| name.ends_with(end));
    !name.starts_with('.') && (ends || name.contains(".log"))
}

fn said(file: &Path, message: impl Into<String>) -> InputError {
    InputError { file: file.display().to_string(), line: None, message: message.into() }
}

/// Files that are read one after the other.
struct Reading<'a> {
    context: &'a Context<'a>,
    kept: Kept,
    errors: Vec<InputError>,
    /// Why a file counts for nothing, or not as a whole.
    failed: Option<String>,
    files: u64,
    events: u64,
    broken: u64,
    span: Option<Span>,
}

impl<'a> Reading<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            kept: Kept::default(),
            errors: Vec::new(),
            failed: None,
            files: 0,
            events: 0,
            broken: 0,
            span: None,
        }
    }

    fn file(&mut self, file: &Path) {
        let mut log = Log::new(self.context);
        let read = match lines::read(file, &mut |event| log.event(event)) {
            Ok(read) => read,
            Err(error) => return self.fail(said(file, format!("cannot be read: {error}"))),
        };
        if let Some(why) = log.objection() {
            return self.fail(said(file, format!("is of another cluster: {why}; it is not used")));
        }
        self.files += 1;
        self.events += log.events;
        self.span = log.span.into_iter().chain(self.span).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.kept.merge(log.kept);
        self.broken += read.broken;
        if let Some((line, why)) = read.first {
            let count = match read.broken {
                1 => "the other lines were read".to_owned(),
                more => format!("so are {} more; the other lines were read", more - 1),
            };
            self.errors.push(InputError { line: Some(line), ..said(file, format!("{why}, {count}")) });
        }
        if let Some(why) = read.ended {
            self.fail(said(file, format!("could not be read to its end: {why}")));
        }
    }

    fn fail(&mut self, error: InputError) {
        self.failed.get_or_insert_with(|| unfolded(&error));
        self.errors.push(error);
    }

    fn end(mut self, found: usize, request: &str) -> Read {
        let mut failed = self.failed.take();
        let mut objects = Vec::new();
        if let Some(span) = self.span {
            if self.broken > self.events {
                let counts = format!("{} lines of the audit log are no events, and {} are", self.broken, self.events);
                failed.get_or_insert(counts);
            }
            for (namespace, trail) in self.trails(span) {
                match self.seal(namespace.as_deref(), &trail) {
                    Ok(object) => objects.push(object),
                    Err(error) => self.fail(error),
                }
            }
        } else {
            failed = failed.or_else(|| self.errors.first().map(unfolded));
            let none =
                if found == 0 { "there is no audit log (*.log, *.json, *.gz)" } else { "the audit log holds no event" };
            failed.get_or_insert_with(|| none.into());
        }
        let outcome = failed.or(self.failed.take()).map_or(ListOutcome::Seen, |reason| ListOutcome::Failed { reason });
        let record = record(request, outcome, objects.len(), self.files);
        Read { objects, lists: vec![record], errors: self.errors }
    }

    /// What is kept, by namespace.
    fn trails(&mut self, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> BTreeMap<Option<String>, AuditTrail> {
        let kept = std::mem::take(&mut self.kept);
        let (cut, cut_until) = (kept.cut, kept.cut_until);
        let writes = kept.into_writes();
        let log = AuditLog {
            from,
            to,
            files: self.files,
            events: self.events,
            broken: self.broken,
            kept: writes.len() as u64,
            cut,
            cut_until,
        };
        let mut trails = BTreeMap::from([(None, AuditTrail { log: Some(log), writes: Vec::new() })]);
        for written in writes {
            trails.entry(written.namespace).or_default().writes.push(written.write);
        }
        trails
    }

    fn seal(&self, namespace: Option<&str>, trail: &AuditTrail) -> Result<Object, InputError> {
        let mut object =
            json!({"apiVersion": API_VERSION, "kind": AUDIT_TRAIL, "metadata": {"name": NAME}, "spec": trail});
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = namespace.into();
        }
        let sealed = self.context.sealer.seal(object, RESOURCE, None);
        sealed.map_err(|error| said(Path::new("audit"), error.to_string()))
    }
}

/// An error without the folders of its file.
fn unfolded(error: &InputError) -> String {
    let name = error.file.rsplit('/').next().unwrap_or(&error.file);
    InputError { file: name.to_owned(), ..error.clone() }.to_string()
}

fn record(request: &str, outcome: ListOutcome, count: usize, files: u64) -> ListRecord {
    let pages = u32::try_from(files).unwrap_or(u32::MAX);
    ListRecord { namespaced: true, pages, ..super::record("audittrails", AUDIT_TRAIL, request, outcome, count as u64) }
}

/// The trails of a snapshot that were read from logs. A manifest of that kind is written by whoever is judged.
pub fn believed<'a>(coverage: &Coverage, objects: &'a [Object]) -> impl Iterator<Item = (&'a Object, AuditTrail)> {
    let is_given = coverage.list(RESOURCE).is_some_and(|list| [REQUEST, FLAG].contains(&&*list.request));
    trails(if is_given { objects } else { &[] })
}

/// The trails among objects, each with its own.
fn trails(objects: &[Object]) -> impl Iterator<Item = (&Object, AuditTrail)> {
    let own = objects.iter().filter(|object| object.gvk.group == GROUP && object.gvk.kind == AUDIT_TRAIL);
    // What was sealed here is always read again; anything else under that name says nothing.
    own.filter_map(|object| Some((object, serde_json::from_value(object.value()["spec"].take()).ok()?)))
}

/// Says in the coverage where the log does not reach over the time since the earlier snapshot.
pub fn hold_against(coverage: &mut Coverage, objects: &[Object], since: DateTime<Utc>) {
    let Some(log) = believed(coverage, objects).find_map(|(_, trail)| trail.log) else { return };
    let record = coverage.lists.iter_mut().find(|list| list.id() == RESOURCE);
    let Some(record) = record.filter(|record| record.outcome == ListOutcome::Seen) else { return };
    if let Some(reason) = log.gap(since, coverage.started) {
        record.outcome = ListOutcome::Failed { reason };
    }
}
