//! Every container image that a workload names, with the digest that runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Image, Object};

/// Kind, namespace, name: what owner references and pods are joined by.
type Key = (String, String, String);

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Workload {
    metadata: Metadata,
    spec: Spec,
    status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    owner_references: Vec<Owner>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    controller: bool,
}

/// The union of a pod's spec and of what holds a pod template.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
    template: Option<Template>,
    job_template: Option<Box<JobTemplate>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Template {
    spec: Option<Box<Spec>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct JobTemplate {
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Container {
    name: String,
    image: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
    ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    #[serde(rename = "imageID")]
    image_id: String,
}

impl Spec {
    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().chain(&self.init_containers).chain(&self.ephemeral_containers)
    }

    fn pod(&self) -> &Self {
        if let Some(job) = &self.job_template {
            return job.spec.pod();
        }
        self.template.as_ref().and_then(|t| t.spec.as_deref()).unwrap_or(self)
    }
}

impl PodStatus {
    fn digest(&self, container: &str) -> Option<&str> {
        let statuses = self
            .container_statuses
            .iter()
            .chain(&self.init_container_statuses)
            .chain(&self.ephemeral_container_statuses);
        statuses.filter(|s| s.name == container).find_map(|s| digest_of(&s.image_id))
    }
}

/// `repository@sha256:...`; a bare `sha256:...` is the id of a local image and no digest that a registry knows.
fn digest_of(image: &str) -> Option<&str> {
    image.rsplit_once('@').map(|(_, digest)| digest).filter(|d| d.starts_with("sha256:"))
}

/// One row per workload, container, image and digest, sorted. Replicas count once, under what made them.
pub(super) fn images(objects: &[Object]) -> Vec<Image> {
    let workloads: BTreeMap<Key, Workload> = objects
        .iter()
        .filter(|o| is_workload(&o.gvk.group, &o.gvk.kind))
        .map(|o| (key(o), serde_json::from_str(&o.json).unwrap_or_default()))
        .collect();
    let running = running(&workloads);
    let mut rows = BTreeSet::new();
    for (key, workload) in &workloads {
        let maker = maker(key, &workloads);
        if maker != *key && workloads.contains_key(&maker) {
            continue;
        }
        for container in workload.spec.pod().containers().filter(|c| !c.image.is_empty()) {
            let seen = running.get(&(maker.clone(), container.name.clone(), container.image.clone()));
            let digests: Vec<Option<String>> = match seen {
                Some(digests) => digests.iter().cloned().map(Some).collect(),
                None => vec![digest_of(&container.image).map(str::to_owned)],
            };
            let (kind, namespace, name) = &maker;
            rows.extend(
                digests.into_iter().map(|digest| Image {
                    image: container.image.clone(),
                    digest,
                    workload: [kind.as_str(), namespace, name]
                        .into_iter()
                        .filter(|p| !p.is_empty())
                        .collect::<Vec<_>>()
                        .join("/"),
                    container: container.name.clone(),
                }),
            );
        }
    }
    rows.into_iter().collect()
}

/// Digests that run, by what made the pod, container and image.
fn running(workloads: &BTreeMap<Key, Workload>) -> BTreeMap<(Key, String, String), BTreeSet<String>> {
    let mut running: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (key, pod) in workloads.iter().filter(|(key, _)| key.0 == "Pod") {
        let maker = maker(key, workloads);
        for container in pod.spec.containers() {
            if let Some(digest) = pod.status.digest(&container.name) {
                let place = (maker.clone(), container.name.clone(), container.image.clone());
                running.entry(place).or_default().insert(digest.to_owned());
            }
        }
    }
    running
}

/// Follows controllers upwards (Pod, ReplicaSet, Deployment) as far as they are listed. A pod whose controller is not
/// listed goes by that controller's name.
fn maker(key: &Key, workloads: &BTreeMap<Key, Workload>) -> Key {
    let mut at = key.clone();
    // Owners are never deeper than this; a circle in forged objects ends here too.
    for _ in 0..8 {
        let owner = workloads.get(&at).and_then(|w| w.metadata.owner_references.iter().find(|o| o.controller));
        let Some(owner) = owner else { return at };
        let above = (owner.kind.clone(), at.1.clone(), owner.name.clone());
        match (workloads.contains_key(&above), at.0 == "Pod") {
            (true, _) => at = above,
            // A mirror pod is owned by its node, which made nothing.
            (false, true) if owner.kind != "Node" => return above,
            (false, _) => return at,
        }
    }
    at
}

fn key(object: &Object) -> Key {
    (object.gvk.kind.clone(), object.namespace.clone().unwrap_or_default(), object.name.clone())
}

fn is_workload(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("", "Pod" | "ReplicationController")
            | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
            | ("batch", "Job" | "CronJob")
    )
}
