//! One thing to judge: its document, the names that expressions use, and whether it is to be judged at all.

use std::collections::BTreeMap;

use super::{
    kinds::{self, Workload},
    value::Node,
};
use crate::{
    framework::path::Place,
    resource::{Gvk, ResourceRef},
    snapshot::Object,
};

/// Annotation of pods that a kubelet started from a file: the API object only mirrors them.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The workloads of a snapshot, for following controllers.
#[derive(Debug, Default)]
pub struct Workloads<'a>(BTreeMap<(&'a str, &'a str, &'a str), Option<&'a str>>);

impl<'a> Workloads<'a> {
    /// The workloads among `objects`.
    pub fn of(objects: &'a [Object]) -> Self {
        let workloads = objects.iter().filter(|object| workload(object).is_some());
        Self(
            workloads
                .map(|object| {
                    let namespace = object.namespace.as_deref().unwrap_or_default();
                    ((object.gvk.kind.as_str(), namespace, object.name.as_str()), object.uid.as_deref())
                })
                .collect(),
        )
    }

    fn has(&self, owner: &Owner<'_>, namespace: &str) -> bool {
        self.0
            .get(&(owner.gvk.kind.as_str(), namespace, owner.name))
            .is_some_and(|uid| uid.is_none() || owner.uid.is_none() || *uid == owner.uid)
    }
}

/// The workload kind of an object.
pub fn workload(object: &Object) -> Option<&'static Workload> {
    kinds::workload(&object.gvk.group, &object.gvk.kind)
}

/// How a workload is judged.
#[derive(Debug, PartialEq, Eq)]
pub enum Judged {
    /// Under its own name.
    Itself,
    /// Under the name of its controller, of a kind that is not a workload here.
    As(ResourceRef),
    /// Not at all: its controller is judged, or it runs nothing.
    ByController,
}

struct Owner<'a> {
    gvk: Gvk,
    name: &'a str,
    uid: Option<&'a str>,
}

/// How a workload is judged: one finding per workload, not one per replica.
pub fn judged(object: &Object, document: &Node, workloads: &Workloads<'_>) -> Judged {
    let mirror = document.at(&["metadata", "annotations", MIRROR]).is_some();
    let Some(owner) = controller(document).filter(|_| !mirror) else { return Judged::Itself };
    let namespace = object.namespace.as_deref().unwrap_or_default();
    if kinds::workload(&owner.gvk.group, &owner.gvk.kind).is_some() {
        return if workloads.has(&owner, namespace) { Judged::ByController } else { Judged::Itself };
    }
    match object.gvk.kind.as_str() {
        // An old revision of a controller that we do not know keeps its template and runs nothing.
        "ReplicaSet" if document.at(&["spec", "replicas"]).and_then(Node::as_i64) == Some(0) => Judged::ByController,
        // A node that controls a pod stands for the kubelet: the pod keeps its own name.
        "Pod" | "ReplicaSet" | "Job" if owner.gvk.kind != "Node" => Judged::As(ResourceRef {
            api_version: owner.gvk.api_version(),
            kind: owner.gvk.kind,
            namespace: object.namespace.clone(),
            name: owner.name.into(),
            uid: owner.uid.map(Into::into),
        }),
        _ => Judged::Itself,
    }
}

fn controller(document: &Node) -> Option<Owner<'_>> {
    let owners = document.at(&["metadata", "ownerReferences"])?.items();
    let owner = owners.iter().find(|owner| owner.get("controller").is_some_and(Node::is_true))?;
    let text = |key: &str| owner.get(key).and_then(Node::as_str);
    Some(Owner { gvk: Gvk::new(text("apiVersion")?, text("kind")?), name: text("name")?, uid: text("uid") })
}

/// A document with the names that expressions and paths start at.
#[derive(Debug)]
pub struct Target<'a> {
    /// Names and what they stand for.
    pub names: Vec<(&'static str, &'a Node)>,
    places: Vec<(&'static str, Place<'a>)>,
    containers: Vec<Place<'a>>,
}

/// What a pod's names need beside the object: built first, so that a [`Target`] can point into it.
#[derive(Debug)]
pub struct Pod {
    variables: Node,
    empty: Node,
    template: &'static [&'static str],
}

/// The lists of containers, in the order in which they are walked.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

impl Pod {
    /// The pod template of a workload.
    pub fn of(document: &Node, workload: &Workload) -> Self {
        let empty = Node::map([]);
        let spec = document.at(workload.template).and_then(|template| template.get("spec")).unwrap_or(&empty).clone();
        let lists = CONTAINERS.iter().flat_map(|list| spec.get(list).map(Node::items).unwrap_or_default());
        let containers = Node::list(lists.cloned());
        let variables = Node::map([("containers".to_string(), containers), ("pod".to_string(), spec)]);
        Self { variables, empty, template: workload.template }
    }
}

impl<'a> Target<'a> {
    /// A workload, for checks on pods.
    pub fn pod(document: &'a Node, pod: &'a Pod) -> Self {
        let template = pod.template.iter().fold(Place::root(document), |place, key| place.key(key));
        let (spec, meta) = (template.clone().key("spec"), template.key("metadata"));
        let containers =
            CONTAINERS.iter().flat_map(|list| spec.clone().key(list).items().collect::<Vec<_>>()).collect();
        Self {
            names: vec![
                ("object", document),
                ("pod", spec.node.unwrap_or(&pod.empty)),
                ("podMeta", meta.node.unwrap_or(&pod.empty)),
                ("variables", &pod.variables),
            ],
            places: vec![("object", Place::root(document)), ("pod", spec), ("podMeta", meta)],
            containers,
        }
    }

    /// Any other document, under its usual name and one more.
    pub fn document(document: &'a Node, alias: Option<&'static str>) -> Self {
        let mut names = vec![("object", document)];
        let mut places = vec![("object", Place::root(document))];
        if alias == Some("settings") {
            let settings = Place::root(document).key("settings");
            names.extend(settings.node.map(|node| ("settings", node)));
            places.push(("settings", settings));
        } else if let Some(alias) = alias {
            names.push((alias, document));
            places.push((alias, Place::root(document)));
        }
        Self { names, places, containers: Vec::new() }
    }

    /// Where a path's first name stands in the document.
    pub fn place(&self, name: &str) -> Option<Place<'a>> {
        self.places.iter().find(|(known, _)| *known == name).map(|(_, place)| place.clone())
    }

    /// What a check without fields judges: the document.
    pub fn whole(&self) -> Place<'a> {
        self.places.first().map(|(_, place)| place.clone()).unwrap_or_default()
    }

    /// Regular, init and ephemeral containers.
    pub fn containers(&self) -> &[Place<'a>] {
        &self.containers
    }
}
