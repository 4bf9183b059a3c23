//! A recorded cluster: a folder that a person can read and git can diff. One file per list, as Kubernetes' own
//! `List`, redacted, beside `coverage.json`.
//!
//! Whoever sends one may have changed it: nothing outside the folder is read, and what does not agree with its
//! coverage is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    path::Path,
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Collected, Coverage, ListRecord, SCHEMA, Source, SourceKind, cluster::NODES_CONFIGZ};
use crate::{
    canonical,
    snapshot::{Object, Sealer, Tokens},
};

const COVERAGE: &str = "coverage.json";
/// The schema of every version, without its number.
const SCHEMA_FAMILY: &str = "kubeproof.dev/coverage/";
/// The greatest file that is read.
const MAX_BYTES: u64 = 256 << 20;

/// What is wrong with a recorded cluster, and where.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct RecordedError {
    /// File or folder.
    pub file: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl RecordedError {
    fn new(file: &Path, reason: impl Into<String>) -> Self {
        Self { file: file.display().to_string(), reason: reason.into() }
    }

    fn io(file: &Path, error: &io::Error) -> Self {
        Self::new(file, error.to_string())
    }
}

/// Whether `path` is a folder that `--record` wrote, of any version.
pub fn is_recorded(path: &Path) -> bool {
    let file = path.join(COVERAGE);
    file.is_file() && read_file(&file).is_ok_and(|bytes| schema(&bytes).is_some_and(|s| s.starts_with(SCHEMA_FAMILY)))
}

/// Reads a recorded cluster; `name` replaces the recorded cluster's name.
///
/// # Errors
/// Another version, a list that disagrees with the coverage, a file that is a link or too large.
pub fn read(dir: &Path, name: Option<&str>) -> Result<Collected, RecordedError> {
    let mut coverage = read_coverage(&dir.join(COVERAGE))?;
    only_known_files(dir, &coverage)?;
    if let Some(name) = name {
        name.clone_into(&mut coverage.cluster.name);
    }
    let sealer = Sealer::new(None, coverage.cluster.uid.as_deref().unwrap_or_default(), Tokens::Trusted);
    let with_objects: Vec<&ListRecord> = coverage.lists.iter().filter(|list| list.count > 0).collect();
    let lists: Vec<Vec<Object>> =
        with_objects.into_par_iter().map(|list| read_list(dir, list, &sealer)).collect::<Result<_, _>>()?;
    let source = Source { kind: SourceKind::Recorded, name: dir.display().to_string() };
    Ok(Collected { source, coverage, objects: lists.into_iter().flatten().collect(), errors: Vec::new() })
}

fn read_coverage(file: &Path) -> Result<Coverage, RecordedError> {
    let bytes = read_file(file)?;
    match schema(&bytes) {
        Some(found) if found == SCHEMA => {}
        Some(found) => {
            let reason = format!("recorded as '{found}', and this version reads {SCHEMA}; record the cluster again");
            return Err(RecordedError::new(file, reason));
        }
        None => return Err(RecordedError::new(file, "is not the coverage of a recorded cluster")),
    }
    canonical::parse(&bytes).map_err(|error| RecordedError::new(file, error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| RecordedError::new(file, error.to_string()))
}

fn schema(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: String,
    }
    serde_json::from_slice::<Versioned>(bytes).ok().map(|versioned| versioned.schema)
}

/// A file that the coverage does not name would be evidence that nobody counted.
fn only_known_files(dir: &Path, coverage: &Coverage) -> Result<(), RecordedError> {
    let known: BTreeSet<String> = coverage.lists.iter().filter_map(file_name).collect();
    for entry in fs::read_dir(dir).map_err(|error| RecordedError::io(dir, &error))? {
        let name = entry.map_err(|error| RecordedError::io(dir, &error))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") && name != COVERAGE && !known.contains(&name) {
            return Err(RecordedError::new(&dir.join(name), "is no list that coverage.json names; remove it"));
        }
    }
    Ok(())
}

/// A file of this folder and nowhere else: no link, and no larger than is held.
fn read_file(file: &Path) -> Result<Vec<u8>, RecordedError> {
    let metadata = fs::symlink_metadata(file).map_err(|error| RecordedError::io(file, &error))?;
    if !metadata.is_file() {
        return Err(RecordedError::new(file, "is not a regular file; a recorded cluster holds no links"));
    }
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    opened.map_err(|error| RecordedError::io(file, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(RecordedError::new(file, format!("is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(bytes)
}

/// `deployments.apps.json`, and `nodes_configz.json` for `nodes/configz`; a name that could leave the folder is refused.
fn file_name(list: &ListRecord) -> Option<String> {
    let id = list.id();
    if id == NODES_CONFIGZ {
        return Some(format!("{}.json", id.replace('/', "_")));
    }
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    id.split('.').all(plain).then(|| format!("{id}.json"))
}

fn read_list(dir: &Path, list: &ListRecord, sealer: &Sealer) -> Result<Vec<Object>, RecordedError> {
    let Some(name) = file_name(list) else {
        return Err(RecordedError::new(&dir.join(COVERAGE), format!("'{}' is no resource name", list.id())));
    };
    let file = dir.join(name);
    let fail = |reason: String| RecordedError::new(&file, reason);
    let bytes = read_file(&file)?;
    let Value::Object(mut body) = canonical::parse(&bytes).map_err(|error| fail(error.to_string()))? else {
        return Err(fail("is not a List".into()));
    };
    let Some(Value::Array(items)) = body.remove("items") else { return Err(fail("has no items".into())) };
    if items.len() as u64 != list.count {
        return Err(fail(format!("holds {} objects where coverage.json says {}", items.len(), list.count)));
    }
    let resource = list.id();
    items
        .into_iter()
        .map(|item| {
            let object = sealer.seal(item, &resource, None).map_err(|error| fail(error.to_string()))?;
            if object.gvk.group != list.object_group() || object.gvk.kind != list.kind {
                return Err(fail(format!("{} does not belong to this list", object.reference())));
            }
            Ok(object)
        })
        .collect()
}

/// Writes `collected` with these objects, and replaces what an earlier recording left there.
///
/// # Errors
/// A folder that holds something else, or that cannot be written.
pub fn write(dir: &Path, collected: &Collected, objects: &[Object]) -> Result<(), RecordedError> {
    prepare(dir)?;
    let mut lists: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for object in objects {
        lists.entry(&object.resource).or_default().push(object);
    }
    for list in collected.coverage.lists.iter().filter(|list| list.count > 0) {
        let mut items = lists.remove(list.id().as_str()).unwrap_or_default();
        items.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        let items: Vec<Value> = items.into_iter().map(item).collect();
        let name =
            file_name(list).ok_or_else(|| RecordedError::new(dir, format!("'{}' is no file name", list.id())))?;
        write_file(&dir.join(name), &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    }
    // Last: a folder without its coverage is no recorded cluster.
    write_file(&dir.join(COVERAGE), &collected.coverage)
}

/// An empty folder, or one whose earlier recording is cleared away.
fn prepare(dir: &Path) -> Result<(), RecordedError> {
    fs::create_dir_all(dir).map_err(|error| RecordedError::io(dir, &error))?;
    let entries: Vec<_> =
        fs::read_dir(dir).and_then(Iterator::collect).map_err(|error| RecordedError::io(dir, &error))?;
    let lists = |entry: &&fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
    if entries.iter().any(|entry| lists(&entry)) && !is_recorded(dir) {
        return Err(RecordedError::new(dir, "holds JSON files that are no recorded cluster; name an empty folder"));
    }
    // The coverage goes first, so that a run killed here leaves no recorded cluster with lists missing.
    let mut stale: Vec<_> = entries.iter().filter(lists).map(fs::DirEntry::path).collect();
    stale.sort_by_key(|path| !path.ends_with(COVERAGE));
    stale.iter().try_for_each(|path| fs::remove_file(path).map_err(|error| RecordedError::io(path, &error)))
}

/// The object as stored, with its managers where the API has them.
fn item(object: &Object) -> Value {
    let mut value = object.value();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && !object.managers.is_empty()
    {
        metadata.insert("managedFields".into(), json!(object.managers));
    }
    value
}

fn write_file(file: &Path, content: &impl Serialize) -> Result<(), RecordedError> {
    let mut bytes = serde_json::to_vec_pretty(content).map_err(|error| RecordedError::new(file, error.to_string()))?;
    bytes.push(b'\n');
    fs::write(file, bytes).map_err(|error| RecordedError::io(file, &error))
}

#[cfg(test)]
mod tests;
