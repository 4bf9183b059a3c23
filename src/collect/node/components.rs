//! Static pods: which flags the control plane was given, and where on the node the files stand that flags name.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    root::{HostRoot, Lost},
    yaml,
};

/// Files that a folder of static pods may hold.
const MAX_PODS: usize = 64;
/// Programs that are looked for.
const PROGRAMS: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

/// A component of the control plane as its static pod starts it.
pub(super) struct Component {
    /// The manifest.
    pub(super) manifest: String,
    flags: BTreeMap<String, String>,
    /// Folders and files in the container, and where each comes from.
    mounts: Vec<Mount>,
}

struct Mount {
    inside: String,
    /// Path on the node; `None` for volumes that are no part of it.
    host: Option<String>,
    volume: String,
}

/// The components by program, and what could not be read.
#[derive(Default)]
pub(super) struct Components {
    found: BTreeMap<&'static str, Component>,
    /// Why the folder, or one of its files, could not be seen.
    pub(super) unseen: Option<Lost>,
}

impl Components {
    /// Reads the folder of static pods.
    pub(super) fn read(root: &HostRoot, folder: &str) -> Self {
        let mut components = Self::default();
        let names = match root.list(folder, MAX_PODS) {
            Ok(names) => names,
            Err(Lost::Absent) => return components,
            Err(lost) => return Self { unseen: Some(lost), ..components },
        };
        // The kubelet reads every file that does not begin with a dot.
        for name in names.into_iter().filter(|name| !name.starts_with('.')) {
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            match yaml(root, &path) {
                Ok(pod) => components.add(path, &pod),
                Err(Lost::Absent) => {}
                Err(lost) => {
                    components.unseen.get_or_insert(lost);
                }
            }
        }
        components
    }

    fn add(&mut self, path: String, pod: &Value) {
        for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
            let texts = |field: &str| container[field].as_array().into_iter().flatten().filter_map(Value::as_str);
            let words: Vec<&str> = texts("command").chain(texts("args")).collect();
            // Some distributions start the program through a shell, whose script is one word.
            let split: Vec<String> = words.iter().flat_map(|word| super::unit::words(word)).collect();
            let is = |program: &&str| split.iter().any(|word| word.rsplit('/').next() == Some(*program));
            let Some(program) = PROGRAMS.iter().find(|program| is(program)) else { continue };
            let component =
                Component { manifest: path.clone(), flags: flags(&split), mounts: mounts(container, &pod["spec"]) };
            self.found.entry(program).or_insert(component);
        }
    }

    /// The component that runs `program`.
    pub(super) fn get(&self, program: &str) -> Option<&Component> {
        self.found.get(program)
    }

    /// No component was found.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl Component {
    /// A flag's value.
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where a path of the container stands on the node.
    pub(super) fn on_node(&self, path: &str) -> Result<String, Lost> {
        let below = |mount: &Mount| {
            let rest = path.strip_prefix(mount.inside.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        let inner = self.mounts.iter().filter_map(|mount| Some((mount, below(mount)?)));
        let Some((mount, rest)) = inner.max_by_key(|(mount, _)| mount.inside.len()) else {
            return Err(Lost::Unseen(format!("{path}: no volume of {} holds it", self.manifest)));
        };
        match &mount.host {
            Some(host) => Ok(format!("{}{rest}", host.trim_end_matches('/'))),
            None => {
                Err(Lost::Unseen(format!("{path}: stands in volume {}, which is no folder of the node", mount.volume)))
            }
        }
    }
}

fn flags(words: &[String]) -> BTreeMap<String, String> {
    let flags = words.iter().filter_map(|word| word.strip_prefix("--")?.split_once('='));
    flags.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn mounts(container: &Value, spec: &Value) -> Vec<Mount> {
    let volumes: BTreeMap<&str, Option<&str>> = spec["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|volume| Some((volume["name"].as_str()?, volume["hostPath"]["path"].as_str())))
        .collect();
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    mounts
        .filter_map(|mount| {
            let (volume, inside) = (mount["name"].as_str()?, mount["mountPath"].as_str()?);
            let sub = mount["subPath"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
            let host = volumes.get(volume).copied().flatten();
            Some(Mount {
                inside: inside.to_owned(),
                host: host.map(|host| format!("{}{sub}", host.trim_end_matches('/'))),
                volume: volume.to_owned(),
            })
        })
        .collect()
}
