//! What checks judge that is no object: the cluster as a whole, subjects, images in use.

use std::collections::{BTreeMap, BTreeSet};

mod cluster;
mod images;
mod subjects;

use super::{Evidence, value::Node};
use crate::{
    collect::Coverage,
    digest::Digest,
    framework::check::On,
    resource::ResourceRef,
    snapshot::{Object, Origin, Snapshot},
};

/// Something to judge that is no object.
#[derive(Debug, Clone)]
pub struct Document {
    /// Which checks judge it.
    pub on: On,
    /// The name that findings carry.
    pub resource: ResourceRef,
    /// What it says.
    pub node: Node,
    /// JSON Pointer of what it says in the object that it was made from; empty where it was made from several.
    pub base: &'static str,
    /// The objects that it was made from.
    pub evidence: Vec<Evidence>,
}

/// The name, beside `object`, under which expressions know a document.
pub fn alias(on: &On) -> Option<&'static str> {
    on.names().iter().copied().find(|name| *name != "object")
}

/// What documents are made from.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The objects and the tables read from them.
    pub snapshot: &'a Snapshot,
    /// What was seen, and when.
    pub coverage: &'a Coverage,
}

/// What is judged by checks on one of `wanted`, and is no object.
pub fn of(made: Made<'_>, wanted: &BTreeSet<&On>) -> Vec<Document> {
    let snapshot = made.snapshot;
    let mut documents = Vec::new();
    if wanted.contains(&On::Cluster) {
        documents.push(cluster::cluster(snapshot));
    }
    if wanted.contains(&On::Subject) {
        documents.extend(subjects::subjects(snapshot));
    }
    if wanted.contains(&On::Image) {
        documents.extend(images::images(snapshot));
    }
    documents
}

/// Where objects were read, by digest: a document has the place of what it was made from.
#[derive(Debug)]
pub struct Origins<'a>(BTreeMap<Digest, &'a Origin>);

impl<'a> Origins<'a> {
    /// Places of `objects`; a cluster's have none.
    pub fn new(objects: &'a [Object]) -> Self {
        Self(objects.iter().filter_map(|object| Some((object.digest, object.origin.as_deref()?))).collect())
    }

    /// The place to look at: the binding that gives a subject something, else the first object that has one.
    pub fn of(&self, evidence: &[Evidence]) -> Option<&'a Origin> {
        let binds = |evidence: &&Evidence| evidence.resource.split('/').next().is_some_and(|k| k.ends_with("Binding"));
        let (bindings, others): (Vec<_>, Vec<_>) = evidence.iter().partition(binds);
        bindings.into_iter().chain(others).find_map(|evidence| self.0.get(&evidence.digest).copied())
    }
}

type Digests<'a> = BTreeMap<(&'a str, Option<&'a str>, &'a str), Digest>;

/// Digests by kind, namespace and name.
fn digests(snapshot: &Snapshot, wanted: impl Fn(&Object) -> bool) -> Digests<'_> {
    let found = snapshot.objects.iter().filter(|object| wanted(object));
    found
        .map(|object| ((object.gvk.kind.as_str(), object.namespace.as_deref(), object.name.as_str()), object.digest))
        .collect()
}
