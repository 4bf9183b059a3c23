//! Files and folders of manifests: what a developer is about to merge.
//!
//! A kind that no file holds is an empty list: there is no such object in these manifests. What only a live cluster
//! can show (nodes, certificate requests) is "not in this source", so that checks on it are not evaluated.

mod defaults;
mod documents;
mod files;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use chrono::{DateTime, Utc};
use rayon::prelude::*;

use super::{ClusterIdentity, Collected, Coverage, ListOutcome, ListRecord, SCHEMA, Source, SourceKind, resources};
use crate::snapshot::{Object, RedactionKey, Sealer, Tokens};
use documents::FileRead;
use files::Found;

/// Where manifests come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file or folder.
    Path(PathBuf),
    /// Bytes of standard input, under the name that findings carry.
    Stdin(String, Vec<u8>),
}

impl Input {
    fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Stdin(name, _) => name.clone(),
        }
    }
}

/// How manifests are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the cluster they are for; else the first input's name.
    pub name: Option<String>,
    /// Configured uid of that cluster.
    pub uid: Option<String>,
    /// Kubernetes version they are for (`--kubernetes-version`).
    pub kubernetes: Option<String>,
    /// Key for redaction; without it redacted values cannot be told apart.
    pub key: Option<RedactionKey>,
    /// When.
    pub now: DateTime<Utc>,
}

/// Reads every document of every input. Whatever cannot be read is in `errors`, and the rest goes on.
pub fn collect(inputs: &[Input], options: &Options) -> Collected {
    let redaction_key = options.key.as_ref().map(RedactionKey::id);
    let sealer = Sealer::new(options.key.clone(), options.uid.as_deref().unwrap_or_default(), Tokens::Foreign);
    let reads: Vec<FileRead> = files::find(inputs).into_par_iter().map(|found| read(found, &sealer)).collect();

    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    for read in reads {
        objects.extend(read.objects);
        errors.extend(read.errors);
    }
    once(&mut objects);
    let names: Vec<_> = inputs.iter().map(Input::name).collect();
    let source = Source { kind: SourceKind::Manifests, name: names.join(", ") };
    let coverage = Coverage {
        schema: SCHEMA.into(),
        source: source.clone(),
        cluster: ClusterIdentity {
            name: options.name.clone().unwrap_or_else(|| cluster_name(inputs)),
            uid: options.uid.clone(),
            kubernetes: options.kubernetes.clone(),
            platform: None,
        },
        started: options.now,
        finished: options.now,
        caller: None,
        server: None,
        discovery_failures: Vec::new(),
        lists: lists(&objects),
        redaction_key,
        excluded: Vec::new(),
    };
    Collected { source, coverage, objects, errors }
}

fn read(found: Found, sealer: &Sealer) -> FileRead {
    let (text, file) = match found {
        Found::File(path) => (files::read(&path), path.display().to_string()),
        Found::Stdin(name, bytes) => (files::text(bytes, &name), name),
        Found::Error(error) => (Err(error), String::new()),
    };
    match text {
        Ok(text) => documents::read(&text, &file, sealer),
        Err(error) => FileRead { errors: vec![error], ..FileRead::default() },
    }
}

/// A document that two inputs lead to counts once. Two different objects of one name (the overlays of two
/// environments) both stay: each is about to be merged.
fn once(objects: &mut Vec<Object>) {
    let mut seen = BTreeSet::new();
    objects.retain(|object| {
        let (group, kind, namespace, name) = object.sort_key();
        let names = [group, kind, namespace, name].map(str::to_owned);
        seen.insert((names, object.digest))
    });
}

/// The first input's own name, without its folders and extension.
fn cluster_name(inputs: &[Input]) -> String {
    let path = match inputs.first() {
        Some(Input::Path(path)) => path.canonicalize().unwrap_or_else(|_| path.clone()),
        Some(Input::Stdin(..)) | None => return "manifests".into(),
    };
    path.file_stem().map_or_else(|| "manifests".into(), |stem| stem.to_string_lossy().into_owned())
}

/// A record for every list of the default collection and for every other kind that is there.
fn lists(objects: &[Object]) -> Vec<ListRecord> {
    let mut lists: BTreeMap<(String, String), ListRecord> = BTreeMap::new();
    for known in resources::RESOURCES {
        let outcome = if known.declared { ListOutcome::Seen } else { ListOutcome::NotInSource };
        let record = record(known.group, "", known.plural, known.kind, known.namespaced, outcome);
        lists.insert((known.group.into(), known.plural.into()), record);
    }
    for object in objects {
        let plural = object.resource.split('.').next().unwrap_or_default();
        let record = lists.entry((object.gvk.group.clone(), plural.to_owned())).or_insert_with(|| {
            let namespaced = object.namespace.is_some();
            record(&object.gvk.group, "", plural, &object.gvk.kind, namespaced, ListOutcome::Seen)
        });
        record.outcome = ListOutcome::Seen;
        record.count += 1;
        // Several versions of one kind may stand side by side; the record names the newest by name.
        if record.version < object.gvk.version {
            record.version.clone_from(&object.gvk.version);
        }
    }
    lists.into_values().collect()
}

fn record(group: &str, version: &str, plural: &str, kind: &str, namespaced: bool, outcome: ListOutcome) -> ListRecord {
    ListRecord {
        group: group.into(),
        version: version.into(),
        resource: plural.into(),
        kind: kind.into(),
        namespaced,
        request: String::new(),
        outcome,
        count: 0,
        pages: 0,
        retries: 0,
        resource_version: None,
        duration_ms: 0,
    }
}

#[cfg(test)]
mod tests;
