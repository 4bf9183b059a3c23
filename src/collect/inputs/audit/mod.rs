//! `audit/`: what API servers logged of who changed what (`audit.k8s.io/v1`).
//!
//! Logs are read line by line, whatever their size. Of each write its metadata is kept, never what was sent or
//! answered: an AuditTrail for each namespace and one for what has none, which also says what the log covers.

mod event;
mod kept;
mod lines;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use walkdir::WalkDir;

use super::{Context, GROUP, Read};
use crate::{
    collect::{Collected, Coverage, InputError, ListOutcome, ListRecord},
    config::API_VERSION,
    snapshot::{AUDIT_TRAIL, AuditLog, AuditTrail, Object},
};
use event::{Event, User};
use kept::Kept;

/// Plural name of AuditTrail objects, with the group.
pub const RESOURCE: &str = "audittrails.kubeproof.dev";
/// Name of every AuditTrail: there is one in a namespace.
const NAME: &str = "writes";
/// Older writes say nothing of a change between two runs, of which monthly ones are the rarest.
const MAX_AGE: TimeDelta = TimeDelta::days(35);
/// Folders below folders beyond this are somebody's mistake.
const MAX_DEPTH: usize = 32;
/// Service accounts and nodes by which a log is recognised as the cluster's.
const MAX_KNOWN: usize = 1_000;

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
    read_all(&[folder.to_path_buf()], "inputs/audit", context)
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
    files: u64,
    events: u64,
    broken: u64,
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// uids of service accounts of kube-system, by name.
    accounts: BTreeMap<String, String>,
    nodes: BTreeSet<String>,
}

impl<'a> Reading<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            kept: Kept::default(),
            errors: Vec::new(),
            files: 0,
            events: 0,
            broken: 0,
            span: None,
            accounts: BTreeMap::new(),
            nodes: BTreeSet::new(),
        }
    }

    fn file(&mut self, file: &Path) {
        let read = match lines::read(file, &mut |event| self.event(event)) {
            Ok(read) => read,
            Err(error) => return self.errors.push(said(file, format!("cannot be read: {error}"))),
        };
        self.files += 1;
        self.broken += read.broken;
        if let Some((line, why)) = read.first {
            let count = match read.broken {
                1 => "the other lines were read".to_owned(),
                more => format!("so are {} more; the other lines were read", more - 1),
            };
            self.errors.push(InputError { line: Some(line), ..said(file, format!("{why}, {count}")) });
        }
        self.errors.extend(read.ended.map(|why| said(file, format!("could not be read to its end: {why}"))));
    }

    fn event(&mut self, event: Event) {
        self.events += 1;
        self.recognise(event.user());
        let Some(time) = event.time() else { return };
        self.span = Some(self.span.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
        let wanted = &self.context.wanted;
        if wanted.until < time {
            return;
        }
        let written = event.written().filter(|written| wanted.resources.contains(&written.write.resource_id()));
        match written {
            Some(old) if time < wanted.until - MAX_AGE => self.kept.leave_out(&old),
            Some(written) => self.kept.add(written),
            None => {}
        }
    }

    /// Remembers who of the cluster's own components asked.
    fn recognise(&mut self, user: &User) {
        if let Some(node) = user.username.strip_prefix("system:node:") {
            if self.nodes.len() < MAX_KNOWN {
                self.nodes.insert(node.to_owned());
            }
        } else if let Some(account) = user.username.strip_prefix("system:serviceaccount:kube-system:")
            && let Some(uid) = user.uid.as_ref().filter(|uid| !uid.is_empty())
            && self.accounts.len() < MAX_KNOWN
        {
            self.accounts.insert(account.to_owned(), uid.clone());
        }
    }

    /// What speaks against the log being this cluster's: none of the components that it shares a name with is the same.
    fn objection(&self) -> Option<String> {
        let known = &self.context.wanted.accounts;
        let shared: Vec<bool> = self.accounts.iter().filter_map(|(name, uid)| Some(known.get(name)? == uid)).collect();
        if !shared.is_empty() {
            let (account, _) =
                self.accounts.iter().find(|(name, uid)| known.get(*name).is_some_and(|own| own != *uid))?;
            let other = shared.iter().all(|same| !same);
            return other.then(|| format!("its service account kube-system/{account} has another uid"));
        }
        let (node, nodes) = (self.nodes.first()?, self.context.nodes?);
        let none = nodes.is_disjoint(&self.nodes) && !nodes.is_empty();
        none.then(|| format!("this cluster has no node '{node}' nor any other that the log names"))
    }

    fn end(mut self, found: usize, request: &str) -> Read {
        let objection = self.objection();
        let failed = match (&objection, self.span) {
            (Some(why), _) => Some(format!("the audit log is of another cluster: {why}")),
            (None, None) if found == 0 => Some("there is no audit log (*.log, *.json, *.gz)".into()),
            (None, None) => Some(self.errors.first().map_or_else(
                || "the audit log holds no event".into(),
                |error| format!("no event of the audit log could be read: {}", unfolded(error)),
            )),
            (None, Some(_)) if self.broken > self.events => {
                Some(format!("{} lines of the audit log are no events, and {} are", self.broken, self.events))
            }
            (None, Some(_)) => None,
        };
        let mut objects = Vec::new();
        if let (Some(span), None) = (self.span, &failed) {
            for (namespace, trail) in self.trails(span) {
                match self.seal(namespace.as_deref(), &trail) {
                    Ok(object) => objects.push(object),
                    Err(error) => self.errors.push(error),
                }
            }
        }
        let outcome = failed.map_or(ListOutcome::Seen, |reason| ListOutcome::Failed { reason });
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
    ListRecord {
        group: GROUP.into(),
        version: "v1".into(),
        resource: "audittrails".into(),
        kind: AUDIT_TRAIL.into(),
        namespaced: true,
        request: request.into(),
        outcome,
        count: count as u64,
        pages: u32::try_from(files).unwrap_or(u32::MAX),
        retries: 0,
        resource_version: None,
        duration_ms: 0,
    }
}

/// The trails among a snapshot's objects, each with its namespace.
pub fn trails(objects: &[Object]) -> impl Iterator<Item = (&Object, AuditTrail)> {
    let own = objects.iter().filter(|object| object.gvk.group == GROUP && object.gvk.kind == AUDIT_TRAIL);
    // What was sealed here is always read again; anything else under that name says nothing.
    own.filter_map(|object| Some((object, serde_json::from_value(object.value()["spec"].take()).ok()?)))
}

/// Says in the coverage where the log does not reach over the time since the earlier snapshot.
pub fn hold_against(coverage: &mut Coverage, objects: &[Object], since: DateTime<Utc>) {
    let Some(log) = trails(objects).find_map(|(_, trail)| trail.log) else { return };
    let record = coverage.lists.iter_mut().find(|list| list.id() == RESOURCE);
    let Some(record) = record.filter(|record| record.outcome == ListOutcome::Seen) else { return };
    if let Some(reason) = log.gap(since, coverage.started) {
        record.outcome = ListOutcome::Failed { reason };
    }
}
