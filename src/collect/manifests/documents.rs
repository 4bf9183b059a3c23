//! From documents to the objects they hold.

use std::sync::Arc;

use rayon::prelude::*;
use serde_json::{Map, Value};

use super::defaults;
use crate::{
    collect::{InputError, resources, yaml},
    resource::Gvk,
    snapshot::{Object, Origin, Sealer},
};

/// Documents that are sealed together: enough to keep every core busy, few enough to hold.
const BATCH: usize = 256;

/// What one file gave.
#[derive(Default)]
pub(super) struct FileRead {
    pub(super) objects: Vec<Object>,
    pub(super) errors: Vec<InputError>,
}

/// One object, still as written.
struct Item {
    object: Value,
    line: u32,
    lines: Vec<(u64, u32)>,
}

/// Reads and seals every object of a file.
pub(super) fn read(text: &str, file: &str, sealer: &Sealer) -> FileRead {
    let mut read = FileRead::default();
    let mut batch = Vec::with_capacity(BATCH);
    for document in yaml::documents(text) {
        match document {
            Ok(document) => {
                expand(Item { object: document.value, line: document.line, lines: document.lines }, &mut batch)
            }
            Err(error) => read.errors.push(syntax(error, text, file)),
        }
        if batch.len() >= BATCH {
            read.seal(&mut batch, file, sealer);
        }
    }
    read.seal(&mut batch, file, sealer);
    read
}

impl FileRead {
    fn seal(&mut self, batch: &mut Vec<Item>, file: &str, sealer: &Sealer) {
        let sealed: Vec<_> = batch.par_drain(..).map(|item| seal(item, file, sealer)).collect();
        for result in sealed {
            match result {
                Ok(object) => self.objects.extend(object),
                Err(error) => self.errors.push(error),
            }
        }
    }
}

fn syntax(error: yaml::YamlError, text: &str, file: &str) -> InputError {
    let hint = if text.contains("{{") {
        "; this looks like a Helm template: render it with 'helm template' first"
    } else {
        ""
    };
    InputError { file: file.to_owned(), line: Some(error.line), message: format!("{}{hint}", error.message) }
}

/// Lists become their items; items of a typed list inherit its kind.
fn expand(mut item: Item, into: &mut Vec<Item>) {
    let list = item.object.get("kind").and_then(Value::as_str).filter(|kind| kind.ends_with("List")).map(str::to_owned);
    let (Some(kind), Some(Value::Array(items))) = (list, item.object.get_mut("items").map(Value::take)) else {
        into.push(item);
        return;
    };
    let item_kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty());
    let api_version = item.object.get("apiVersion").cloned();
    for (index, mut object) in items.into_iter().enumerate() {
        let lines = yaml::lines_below(&item.lines, &format!("/items/{index}"), &object);
        if let (Some(kind), Some(map)) = (item_kind, object.as_object_mut()) {
            inherit(map, kind, api_version.as_ref());
        }
        let line = yaml::line_of(&lines, "").unwrap_or(item.line);
        expand(Item { object, line, lines }, into);
    }
}

fn inherit(map: &mut Map<String, Value>, kind: &str, api_version: Option<&Value>) {
    map.entry("kind").or_insert_with(|| kind.into());
    if let Some(version) = api_version {
        map.entry("apiVersion").or_insert_with(|| version.clone());
    }
}

/// `None` for documents that are not meant for a cluster.
fn seal(item: Item, file: &str, sealer: &Sealer) -> Result<Option<Object>, InputError> {
    let Item { mut object, line, lines } = item;
    let fail = |message: String| InputError { file: file.to_owned(), line: Some(line), message };
    let gvk = match identify(&object) {
        Identity::Object(gvk) => gvk,
        Identity::Incomplete(field) => {
            return Err(fail(format!("{field} is missing; every Kubernetes object has one, so this one is not read")));
        }
        Identity::Foreign => return Ok(None),
    };
    defaults::apply(&mut object, &gvk);
    let resource = resources::name_of_kind(&gvk.group, &gvk.kind);
    let origin = Arc::new(Origin { file: file.to_owned(), line, lines });
    sealer.seal(object, &resource, Some(origin)).map(Some).map_err(|error| fail(format!("{}: {error}", gvk.kind)))
}

enum Identity {
    Object(Gvk),
    /// Looks like an object, and lacks this.
    Incomplete(&'static str),
    /// Something else that happens to be YAML: values of a chart, a compose file, a kustomization, a kubeconfig.
    Foreign,
}

fn identify(object: &Value) -> Identity {
    let text = |field: &str| object.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let metadata = object.get("metadata").and_then(Value::as_object);
    let named =
        metadata.is_some_and(|m| ["name", "generateName"].iter().any(|n| m.get(*n).is_some_and(Value::is_string)));
    match (text("apiVersion"), text("kind")) {
        (Some(api_version), Some(kind)) => {
            let gvk = Gvk::new(api_version, kind);
            let known = resources::of_kind(&gvk.group, &gvk.kind).is_some();
            match named {
                true => Identity::Object(gvk),
                false if known => Identity::Incomplete("metadata.name"),
                false => Identity::Foreign,
            }
        }
        (Some(_), None) if named => Identity::Incomplete("kind"),
        (None, Some(kind)) if named && (object.get("spec").is_some() || resources::is_known_kind(kind)) => {
            Identity::Incomplete("apiVersion")
        }
        (None, None) if named && object.get("spec").is_some() => Identity::Incomplete("apiVersion and kind"),
        _ => Identity::Foreign,
    }
}
