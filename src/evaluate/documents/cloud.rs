//! The cluster as its provider's own program described it.

use serde_json::{Value, json};

use super::{Document, Made};
use crate::{
    collect::inputs::{
        self,
        cloud::{KIND, RESOURCE, printed_by},
    },
    evaluate::{Evidence, value::Node},
    framework::check::On,
    snapshot::{Object, class_of},
};

/// One document for each description among the objects, with the same pointers.
pub(super) fn clouds(made: Made<'_>) -> Vec<Document> {
    let described =
        made.snapshot.objects.iter().filter(|object| object.gvk.group == inputs::GROUP && object.gvk.kind == KIND);
    // A file that could not be used may hold what a list lacks.
    let whole = made.coverage.list(RESOURCE).is_none_or(|list| list.outcome.is_known());
    described.filter_map(|object| cloud(object, whole)).collect()
}

fn cloud(object: &Object, whole: bool) -> Option<Document> {
    let value = object.value();
    let provider = value.get("provider")?.as_str()?;
    let part = |printed: &inputs::cloud::Printed| {
        let node = match value.get(printed.key) {
            Some(_) if printed.many && !whole => {
                Node::unknown(format!("some files of cloud/ could not be used ({RESOURCE})"))
            }
            Some(given) => Node::from(&without_hidden(given.clone())),
            None => Node::unknown(format!("{} was not given", printed.command)),
        };
        (printed.key.to_string(), node)
    };
    Some(Document {
        on: On::Cloud(provider.into()),
        resource: object.reference(),
        node: Node::map(printed_by(provider).map(part)),
        base: "",
        evidence: vec![Evidence::of(object)],
    })
}

/// A value that was redacted cannot be compared with anything: it is unknown, and that it is there stays known.
fn without_hidden(value: Value) -> Value {
    match value {
        Value::String(text) if class_of(&text).is_some() => {
            json!({"$unknown": "is hidden: it looks like a credential"})
        }
        Value::Array(items) => items.into_iter().map(without_hidden).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, without_hidden(value))).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests;
