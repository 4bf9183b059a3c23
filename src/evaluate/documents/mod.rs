//! What checks judge that is no object: the cluster as a whole, what its provider says of it, subjects, images in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

mod cloud;
mod cluster;
mod components;
mod images;
mod kubelets;
mod nodes;
mod reports;
mod scans;
mod scopes;
mod subjects;
#[cfg(test)]
mod tests;

use super::{Evidence, value::Node};
use crate::{
    collect::Coverage,
    config::{At, Scope},
    digest::Digest,
    framework::{Minor, check::On, defaults::Defaults, versions::Versions},
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

/// Member of a document's list items that names the objects which the item alone was made from.
const EVIDENCE: &str = "evidence";

/// The objects that an item of a document's list was made from, where it says so.
pub fn evidence_of(item: &Node) -> Option<Arc<[Evidence]>> {
    let cited = item.get(EVIDENCE)?.items().iter().filter_map(|text| Evidence::read(text.as_str()?));
    let cited: Arc<[Evidence]> = cited.collect();
    (!cited.is_empty()).then_some(cited)
}

/// The name, beside `object`, under which expressions know a document.
pub fn alias(on: &On) -> Option<&'static str> {
    on.names().iter().copied().find(|name| *name != "object")
}

/// What is known beside the snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tables<'a> {
    /// What settings are where nobody sets them; without it, a setting that is not given is unknown.
    pub defaults: Option<&'a Defaults>,
    /// Declared scopes.
    pub scopes: &'a [At<Scope>],
    /// How long each version of Kubernetes gets repairs.
    pub versions: Option<&'a Versions>,
}

/// What documents are made from.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The objects and the tables read from them.
    pub snapshot: &'a Snapshot,
    /// What was seen, and when.
    pub coverage: &'a Coverage,
    /// What is known beside them.
    pub tables: Tables<'a>,
}

impl Made<'_> {
    /// The cluster's minor version.
    fn kubernetes(&self) -> Option<Minor> {
        self.coverage.cluster.kubernetes.as_deref().and_then(|version| version.parse().ok())
    }
}

/// What is judged by checks on one of `wanted`, and is no object.
pub fn of(made: Made<'_>, wanted: &BTreeSet<&On>) -> Vec<Document> {
    let snapshot = made.snapshot;
    let mut documents = Vec::new();
    if wanted.contains(&On::Cluster) {
        documents.push(cluster::cluster(made));
    }
    if wanted.iter().any(|on| matches!(on, On::Cloud(_))) {
        documents.extend(cloud::clouds(made));
    }
    if wanted.contains(&On::Subject) {
        documents.extend(subjects::subjects(snapshot));
    }
    if wanted.contains(&On::Image) {
        documents.extend(images::images(made));
    }
    let reports = reports::reports(snapshot, "NodeReport");
    if wanted.iter().any(|on| matches!(on, On::Component(_))) {
        documents.extend(components::components(&made, &reports));
    }
    if wanted.contains(&On::Kubelet) {
        documents.extend(kubelets::kubelets(&made, &reports::reports(snapshot, "KubeletConfig"), &reports));
    }
    if wanted.contains(&On::Scope) {
        documents.extend(scopes::scopes(&made));
    }
    for on in [On::Node, On::ControlPlaneNode] {
        if wanted.contains(&on) {
            documents.extend(nodes::nodes(&made, &on, &reports));
        }
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

pub(super) type Digests<'a> = BTreeMap<(&'a str, Option<&'a str>, &'a str), Digest>;

/// Digests by kind, namespace and name.
pub(super) fn digests(snapshot: &Snapshot, wanted: impl Fn(&Object) -> bool) -> Digests<'_> {
    let found = snapshot.objects.iter().filter(|object| wanted(object));
    found
        .map(|object| ((object.gvk.kind.as_str(), object.namespace.as_deref(), object.name.as_str()), object.digest))
        .collect()
}
