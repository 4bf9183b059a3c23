//! `cloud/`: what a provider's own program printed of the cluster and of what stands around it.
//!
//! Any `*.json` file counts, each known by its own shape. All of them become one object, in which every print stands
//! field for field where checks look for it, so that a finding's pointer leads into the stored object.

mod kinds;
mod whose;

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{Context, GROUP, InputError, ListRecord, Read};
use crate::{canonical, collect::ListOutcome, config::API_VERSION, snapshot::Object};

pub use kinds::{Printed, printed_by};

/// Kind of the object that descriptions become.
pub const KIND: &str = "CloudDescription";
/// Its plural name, with the group.
pub const RESOURCE: &str = "clouddescriptions.kubeproof.dev";

/// The greatest file that is read: an account's list of repositories has a few MiB.
const MAX_BYTES: u64 = 32 << 20;

/// The provider that described the cluster in this object; `None` for any other object.
pub(super) fn provider_of(object: &Object) -> Option<String> {
    let described = (object.gvk.group == GROUP && object.gvk.kind == KIND).then(|| object.value())?;
    described.get("cluster")?;
    described.get("provider")?.as_str().map(str::to_owned)
}

/// One file, understood.
struct Print {
    file: PathBuf,
    printed: &'static Printed,
    items: Vec<Value>,
}

/// Reads every description in `folder` that is of the run's cluster.
pub(super) fn read(folder: &Path, context: &Context<'_>) -> Read {
    let mut errors = Vec::new();
    let mut prints = Vec::new();
    match files(folder) {
        Ok(files) => {
            for file in files {
                match print(&file) {
                    Ok((printed, items)) => prints.push(Print { file, printed, items }),
                    Err(error) => errors.push(error),
                }
            }
        }
        Err(error) => errors.push(said(folder, format!("cannot be read: {error}"))),
    }
    let described = describe(prints, context, &mut errors);
    let object = described.and_then(|described| {
        let sealed = context.sealer.seal(described, RESOURCE, None);
        sealed.map_err(|error| errors.push(said(folder, error.to_string()))).ok()
    });
    let record = record(u64::from(object.is_some()), &errors);
    Read { objects: object.into_iter().collect(), lists: vec![record], errors }
}

/// The folder's `*.json` files, sorted. Links are followed: a mounted ConfigMap is made of them.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn print(file: &Path) -> Result<(&'static Printed, Vec<Value>), InputError> {
    let bytes = bytes(file).map_err(|reason| said(file, reason))?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(said(file, "is UTF-16, as PowerShell writes it; write it again as UTF-8"));
    }
    // Read first by the plain reader, whose errors know their line.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        let line = u32::try_from(error.line()).ok().filter(|line| *line > 0);
        let cut = if error.is_eof() { "ends in the middle" } else { "is no JSON" };
        return Err(InputError {
            line,
            ..said(file, format!("{cut} ({error}); let the provider's program print it again"))
        });
    }
    let mut value = canonical::parse(text)
        .map_err(|error| said(file, format!("{error}; let the provider's program print it again")))?;
    if value.as_array().is_some_and(Vec::is_empty) {
        return Err(said(file, "is an empty list and does not say of what; remove it"));
    }
    forget_versions(&mut value);
    kinds::recognise(value).ok_or_else(|| {
        let known: Vec<&str> = kinds::PRINTED.iter().filter(|p| p.is_cluster()).map(|p| p.command).collect();
        said(
            file,
            format!("is no print of a provider that this version reads, such as {}; remove it", known.join(", ")),
        )
    })
}

/// The file's bytes, held to [`MAX_BYTES`] before they are read and while they are.
fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    let unread = |error: io::Error| format!("cannot be read: {error}");
    let metadata = fs::metadata(file).map_err(unread)?;
    if !metadata.is_file() {
        return Err("is not a regular file".into());
    }
    let too_large = || format!("is larger than {} MiB, and no description of a cluster is", MAX_BYTES >> 20);
    if metadata.len() > MAX_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    File::open(file).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(unread)?;
    if bytes.len() as u64 > MAX_BYTES { Err(too_large()) } else { Ok(bytes) }
}

/// One description out of all prints of this cluster; what is of another provider or cluster is an error.
fn describe(prints: Vec<Print>, context: &Context<'_>, errors: &mut Vec<InputError>) -> Option<Value> {
    let (clusters, others): (Vec<Print>, Vec<Print>) = prints.into_iter().partition(|print| print.printed.is_cluster());
    let mut description = Description::new(context);
    for print in clusters {
        match description.cluster(print.printed, print.items) {
            Ok(()) => {}
            Err(reason) => errors.push(said(&print.file, reason)),
        }
    }
    for print in others {
        if let Err(reason) = description.add(print.printed, print.items) {
            errors.push(said(&print.file, reason));
        }
    }
    description.object()
}

/// A description that grows print by print.
struct Description<'a> {
    context: &'a Context<'a>,
    provider: Option<&'static str>,
    name: Option<String>,
    parts: Map<String, Value>,
}

impl<'a> Description<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self { context, provider: None, name: None, parts: Map::new() }
    }

    /// The provider that this print is of is the one that runs the cluster, as far as anything tells.
    fn of_provider(&self, printed: &Printed) -> Result<(), String> {
        let provider = printed.provider;
        let told = self.context.cluster.platform.as_deref().or(self.provider);
        match told.filter(|told| *told != provider) {
            Some(told) => Err(format!("is what {} prints, and this cluster runs on {told}", printed.command)),
            None => Ok(()),
        }
    }

    fn cluster(&mut self, printed: &'static Printed, mut items: Vec<Value>) -> Result<(), String> {
        self.of_provider(printed)?;
        let count = items.len();
        let objections: Vec<Option<String>> = items.iter().map(|item| whose::objection(item, self.context)).collect();
        let Some(at) = objections.iter().position(Option::is_none) else {
            let first = objections.into_iter().flatten().next().unwrap_or_default();
            return Err(if count == 1 {
                first
            } else {
                format!("holds {count} clusters and not this one: the first {first}")
            });
        };
        if objections[at + 1..].iter().any(Option::is_none) {
            return Err("holds two clusters that could be this one; describe the one that is".into());
        }
        if self.parts.contains_key(printed.key) {
            return Err("describes the cluster a second time; remove one of the two files".into());
        }
        let cluster = items.swap_remove(at);
        self.name = cluster.get("name").and_then(Value::as_str).map(str::to_owned);
        self.provider = Some(printed.provider);
        self.parts.insert(printed.key.into(), cluster);
        Ok(())
    }

    fn add(&mut self, printed: &'static Printed, items: Vec<Value>) -> Result<(), String> {
        self.of_provider(printed)?;
        for of in items.iter().filter_map(printed.cluster_of) {
            let ours = self.name.as_deref().unwrap_or(&self.context.cluster.name);
            if !whose::is_named(ours, of) {
                let of = whose::shown(of);
                return Err(format!("is of the cluster '{of}', and this run is about '{ours}'"));
            }
        }
        self.provider = Some(printed.provider);
        let items: Vec<Value> = items.into_iter().map(opened).collect();
        match self.parts.get_mut(printed.key) {
            Some(Value::Array(list)) => list.extend(items),
            Some(_) => {
                return Err(format!("is what {} prints, a second time; remove one of the two files", printed.command));
            }
            None if printed.many => {
                self.parts.insert(printed.key.into(), Value::Array(items));
            }
            None => {
                let item = items.into_iter().next().unwrap_or_default();
                self.parts.insert(printed.key.into(), item);
            }
        }
        Ok(())
    }

    fn object(self) -> Option<Value> {
        let name = self.name.or_else(|| Some(self.context.cluster.name.clone()).filter(|name| !name.is_empty()));
        let mut object = self.parts;
        object.insert("apiVersion".into(), API_VERSION.into());
        object.insert("kind".into(), KIND.into());
        object.insert("metadata".into(), json!({"name": name.unwrap_or_else(|| "cluster".into())}));
        object.insert("provider".into(), self.provider?.into());
        Some(Value::Object(object))
    }
}

/// Services count every write in `etag`, which is no configuration: with it, every run would show a change.
fn forget_versions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("etag");
            map.values_mut().for_each(forget_versions);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_versions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A policy is JSON inside a text: opened, so that redaction and checks see its fields.
fn opened(mut item: Value) -> Value {
    if let Some(Value::String(policy)) = item.get("policyText")
        && let Ok(parsed @ Value::Object(_)) = canonical::parse(policy.as_bytes())
    {
        item["policyText"] = parsed;
    }
    item
}

fn record(count: u64, errors: &[InputError]) -> ListRecord {
    let outcome = match errors.first() {
        Some(error) => ListOutcome::Failed { reason: format!("{}: {}", file_name(&error.file), error.message) },
        None if count == 0 => ListOutcome::Failed { reason: "the folder cloud/ holds no .json file".into() },
        None => ListOutcome::Seen,
    };
    super::record("clouddescriptions", KIND, "cloud/", outcome, count)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn said(file: &Path, message: impl Into<String>) -> InputError {
    InputError { file: file.display().to_string(), line: None, message: message.into() }
}

#[cfg(test)]
mod tests;
