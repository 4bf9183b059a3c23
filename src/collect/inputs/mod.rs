//! Files beside the cluster: what a cloud's own program printed, what scanners found, what nodes reported, what API
//! servers logged.
//!
//! Every input becomes objects of kubeproof's own group, redacted, canonical and digested like the cluster's, and a
//! record in the coverage: an input that is missing, broken or from elsewhere is a gap and never an answer.

pub mod audit;
pub mod cloud;
pub mod nodes;
pub mod scans;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

use super::{ClusterIdentity, Collected, InputError, ListOutcome, ListRecord};
use crate::snapshot::{Object, Sealer};

/// API group of objects that were made from inputs.
pub const GROUP: &str = "kubeproof.dev";

/// What readers know beside their folder.
pub struct Context<'a> {
    /// Redacts and digests.
    pub sealer: &'a Sealer,
    /// The cluster that the inputs must be of.
    pub cluster: &'a ClusterIdentity,
    /// URL of its API server, where one answered.
    pub server: Option<&'a str>,
    /// Names of its nodes, where they were seen.
    pub nodes: Option<&'a BTreeSet<String>>,
    /// What audit logs are read for.
    pub wanted: audit::Wanted,
    /// When they are read.
    pub now: DateTime<Utc>,
}

/// What one folder of inputs gave.
#[derive(Debug, Default)]
pub struct Read {
    /// Objects of [`GROUP`].
    pub objects: Vec<Object>,
    /// One record for each kind of input.
    pub lists: Vec<ListRecord>,
    /// Files that could not be used; the rest went on.
    pub errors: Vec<InputError>,
}

/// What the coverage says of an input: files were read, and nobody was asked. A list without namespaces, of one page,
/// where the caller says nothing else.
pub(super) fn record(resource: &str, kind: &str, request: &str, outcome: ListOutcome, count: u64) -> ListRecord {
    ListRecord {
        group: GROUP.into(),
        version: "v1".into(),
        resource: resource.into(),
        kind: kind.into(),
        namespaced: false,
        request: request.into(),
        outcome,
        count,
        pages: 1,
        retries: 0,
        resource_version: None,
        duration_ms: 0,
    }
}

/// Reads one folder of inputs.
type Reader = fn(&Path, &Context<'_>) -> Read;

/// Folders below the inputs' root, and who reads them.
const READERS: &[(&str, Reader)] =
    &[("audit", audit::read), ("cloud", cloud::read), ("nodes", nodes::read), ("scans", scans::read)];

/// Reads every folder of inputs below `root` and adds what they hold to a collection.
pub fn add(collected: &mut Collected, root: &Path, sealer: &Sealer, now: DateTime<Utc>) {
    for (folder, read) in READERS {
        let folder = root.join(folder);
        if folder.is_dir() {
            add_folder(collected, &folder, *read, sealer, now);
        }
    }
    // Where nothing in the cluster tells the platform, its provider's own description does.
    let platform = &mut collected.coverage.cluster.platform;
    *platform = platform.take().or_else(|| collected.objects.iter().find_map(cloud::provider_of));
}

/// Reads a folder of node reports and adds them to a collection.
pub fn add_node_reports(collected: &mut Collected, folder: &Path, sealer: &Sealer, now: DateTime<Utc>) {
    add_folder(collected, folder, nodes::read, sealer, now);
}

/// Reads audit logs and folders of them, and adds them to a collection that has no inputs beside it.
pub fn add_audit_logs(collected: &mut Collected, paths: &[PathBuf], sealer: &Sealer, now: DateTime<Utc>) {
    let read = with_context(collected, sealer, now, |context| audit::read_all(paths, audit::FLAG, context));
    merge(collected, read);
}

fn add_folder(collected: &mut Collected, folder: &Path, read: Reader, sealer: &Sealer, now: DateTime<Utc>) {
    let read = with_context(collected, sealer, now, |context| read(folder, context));
    merge(collected, read);
}

fn with_context(
    collected: &Collected,
    sealer: &Sealer,
    now: DateTime<Utc>,
    read: impl FnOnce(&Context<'_>) -> Read,
) -> Read {
    let (nodes, server) = (nodes::known(collected), server(collected));
    let (cluster, wanted) = (&collected.coverage.cluster, audit::Wanted::of(collected));
    read(&Context { sealer, cluster, server, nodes: nodes.as_ref(), wanted, now })
}

/// URL of the API server that answered.
fn server(collected: &Collected) -> Option<&str> {
    collected.coverage.server.as_ref().map(|server| server.url.as_str())
}

/// Adds what was read; a list that the collection already has a record of is replaced, with its objects.
pub fn merge(collected: &mut Collected, read: Read) {
    let lists = &mut collected.coverage.lists;
    for record in read.lists {
        let id = record.id();
        lists.retain(|known| known.id() != id);
        collected.objects.retain(|object| object.resource != id);
        collected.coverage.excluded.retain(|excluded| excluded.resource != id);
        lists.push(record);
    }
    lists.sort_by(|a, b| (&a.group, &a.resource).cmp(&(&b.group, &b.resource)));
    collected.objects.extend(read.objects);
    collected.errors.extend(read.errors);
}
