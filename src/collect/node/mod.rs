//! A node's own files: modes, owners, certificates' dates, the kubelet's arguments and configuration, and what the
//! control plane's files hold. No shell, no programs: the file tree is read, and nothing outside of it.
//!
//! What cannot be read is a value of its own, `{$unknown: reason}`, so that nothing unseen looks absent.

mod accept;
mod certificates;
mod components;
mod contents;
mod files;
mod kubelet;
mod layout;
mod report;
mod root;
mod unit;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use accept::{Candidate, accept, in_config_map, none_found};
pub use report::{InvalidReport, KEY, KIND, LABEL, NAMESPACE, Report, SCHEMA, config_map};

use super::yaml as documents;
use components::Components;
use files::{Extent, Names};
use kubelet::Kubelet;
use layout::{LAYOUTS, Layout, ROLES};
use root::{HostRoot, Lost};

/// The greatest configuration file.
const MAX_CONFIG: u64 = 512 << 10;

/// What to read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node's file tree.
    pub host_root: PathBuf,
    /// Name in the cluster; else the kubelet's own, else the host's.
    pub name: Option<String>,
    /// Where the node's processes show, for the kubelet's arguments; else they come from its unit.
    pub proc: Option<PathBuf>,
    /// When.
    pub now: DateTime<Utc>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file tree cannot be opened.
    #[error("cannot read {path}: {error}; mount the node's root there, read-only")]
    Root {
        /// As given.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Nobody says what the node is called.
    #[error("the node's name is not known; give it with --node-name, or in NODE_NAME")]
    NoName,
    /// The report is larger than a ConfigMap may be, or holds what no report may.
    #[error(transparent)]
    Report(#[from] InvalidReport),
}

/// What readers of one node share.
struct Node<'a> {
    root: &'a HostRoot,
    names: Names,
}

/// Reads a node.
///
/// # Errors
/// The tree cannot be opened, or the node has no name. Whatever else goes wrong stands in the report.
pub fn read(options: &Options) -> Result<Report, ReadError> {
    let fail = |error| ReadError::Root { path: options.host_root.clone(), error };
    // A kernel that does not tell its mounts has none to tell apart.
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let root = HostRoot::open(&options.host_root, &mountinfo).map_err(fail)?;
    let node = Node { root: &root, names: Names::read(&root) };
    let layout = layout(&root);
    let kubelet = Kubelet::read(&root, layout, options.proc.as_deref());
    let name = options.name.clone().or_else(|| own_name(&root, &kubelet)).ok_or(ReadError::NoName)?;

    let configured = kubelet.config["staticPodPath"].as_str();
    let static_pods = kubelet.flag("pod-manifest-path").or(configured).unwrap_or(layout.static_pods);
    let components = Components::read(&root, static_pods);
    let control_plane = control_plane(&root, layout, &components);
    let files = files(&node, layout, &kubelet, &components);
    let certificates = certificates(&root, &files);
    let is_control_plane = control_plane.as_bool() == Some(true);
    let flags = kubelet.flags.map_or_else(unknown, |flags| json!(flags));
    let report = json!({
        "schema": SCHEMA,
        "kubeproof": env!("CARGO_PKG_VERSION"),
        "name": name,
        "layout": layout.name,
        "controlPlane": control_plane,
        "bootId": boot_id(),
        "readAt": crate::clock::rfc3339(options.now),
        "files": files,
        "certificates": certificates,
        "kubelet": {"flags": flags, "config": kubelet.config},
        "configFiles": contents::read(&root, &components, is_control_plane),
    });
    Ok(Report::new(report)?)
}

/// What stands in the place of something that could not be seen.
fn unknown(lost: Lost) -> Value {
    json!({"$unknown": lost.to_string()})
}

/// The first document of a YAML or JSON file.
fn yaml(root: &HostRoot, path: &str) -> Result<Value, Lost> {
    let bytes = root.read(path, MAX_CONFIG)?;
    let unseen = |reason: String| Lost::Unseen(format!("{path}: {reason}"));
    let text = String::from_utf8(bytes).map_err(|_| unseen("is not UTF-8".into()))?;
    let first = documents::documents(&text).find(|document| !matches!(document, Ok(d) if d.value.is_null()));
    // The parser's words may repeat the line, and the line may be a credential.
    match first {
        Some(Ok(document)) => Ok(document.value),
        Some(Err(error)) => Err(unseen(format!("is no YAML that can be read (line {})", error.line))),
        None => Ok(Value::Null),
    }
}

/// The first layout of which there is a mark.
fn layout(root: &HostRoot) -> &'static Layout {
    let fits = |layout: &&Layout| layout.marks.is_empty() || layout.marks.iter().any(|mark| root.find(mark).is_ok());
    LAYOUTS.iter().find(fits).unwrap_or(&LAYOUTS[LAYOUTS.len() - 1])
}

fn control_plane(root: &HostRoot, layout: &Layout, components: &Components) -> Value {
    if components.get("kube-apiserver").is_some() {
        return true.into();
    }
    let mut unseen = components.unseen.clone();
    for path in layout.control_plane {
        match root.find(path) {
            Ok(_) => return true.into(),
            Err(Lost::Absent) => {}
            Err(lost) => unseen = unseen.or(Some(lost)),
        }
    }
    unseen.map_or(Value::Bool(false), unknown)
}

/// The name that a kubelet gives itself: its own argument, else the host's.
fn own_name(root: &HostRoot, kubelet: &Kubelet) -> Option<String> {
    let host = || {
        let bytes = root.read("/etc/hostname", 4096).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    kubelet
        .flag("hostname-override")
        .map(str::to_owned)
        .or_else(host)
        .map(|name| name.to_lowercase())
        .filter(|n| !n.is_empty())
}

/// Not of a namespace: a container reads its node's.
fn boot_id() -> Value {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => id.trim().into(),
        Err(error) => unknown(Lost::Unseen(format!("/proc/sys/kernel/random/boot_id: {error}"))),
    }
}

/// Every role's files.
fn files(
    node: &Node<'_>,
    layout: &Layout,
    kubelet: &Kubelet,
    components: &Components,
) -> BTreeMap<&'static str, Value> {
    let mut files: BTreeMap<&'static str, Value> = BTreeMap::new();
    for role in ROLES {
        let (paths, extent) = match paths(role, layout, kubelet, components) {
            Ok(found) => found,
            Err(lost) => {
                files.insert(role, unknown(lost));
                continue;
            }
        };
        files.insert(role, files::role(node, &paths, extent));
    }
    let pki = files.get("pki").cloned().unwrap_or_default();
    files.insert("pki-certificate", of_type(&pki, &[".crt"]));
    files.insert("pki-private", of_type(&pki, &[".key"]));
    files
}

/// Where a role's files are, on this node rather than on any.
fn paths(
    role: &str,
    layout: &Layout,
    kubelet: &Kubelet,
    components: &Components,
) -> Result<(Vec<String>, Extent), Lost> {
    let known = || layout.paths(role).iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let manifest = |program: &str| components.get(program).map_or_else(known, |found| vec![found.manifest.clone()]);
    let named = |flag: &str| kubelet.flag(flag).filter(|path| path.starts_with('/')).map(|path| vec![path.to_owned()]);
    let paths = match role {
        "apiserver-manifest" => manifest("kube-apiserver"),
        "controller-manager-manifest" => manifest("kube-controller-manager"),
        "scheduler-manifest" => manifest("kube-scheduler"),
        "etcd-manifest" => manifest("etcd"),
        "etcd-data" => match components.get("etcd").and_then(|etcd| Some((etcd, etcd.flag("data-dir")?))) {
            Some((etcd, folder)) => vec![etcd.on_node(folder)?],
            None => known(),
        },
        "kubelet-unit" => kubelet.unit_files.clone()?,
        "kubelet-kubeconfig" => named("kubeconfig").unwrap_or_else(known),
        "kubelet-config" => kubelet.config_files.clone(),
        "client-ca" => {
            let configured = kubelet.config["authentication"]["x509"]["clientCAFile"].as_str();
            named("client-ca-file").or_else(|| configured.map(|path| vec![path.to_owned()])).unwrap_or_else(known)
        }
        _ => known(),
    };
    let extent = match role {
        "cni-config" => Extent::Files,
        "pki" => Extent::Everything,
        _ => Extent::Itself,
    };
    Ok((paths, extent))
}

/// The files of a list whose names end so.
fn of_type(list: &Value, endings: &[&str]) -> Value {
    let Some(entries) = list.as_array() else { return list.clone() };
    let is_of_type = |entry: &&Value| {
        let name = entry["name"].as_str().unwrap_or_default();
        entry["type"] != "directory" && endings.iter().any(|ending| name.ends_with(ending))
    };
    entries.iter().filter(is_of_type).cloned().collect()
}

/// Certificates of the PKI's files and of kubeconfigs.
fn certificates(root: &HostRoot, files: &BTreeMap<&'static str, Value>) -> Value {
    const KUBECONFIGS: [&str; 5] = [
        "admin-kubeconfig",
        "scheduler-kubeconfig",
        "controller-manager-kubeconfig",
        "kubelet-kubeconfig",
        "kube-proxy-kubeconfig",
    ];
    let pki = of_type(&files["pki"], &[".crt", ".pem", ".cert"]);
    if pki.as_array().is_none() {
        return pki;
    }
    let names = |entries: &Value| -> Vec<String> {
        let entries = entries.as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect()
    };
    let of_files = names(&pki).into_iter().flat_map(|path| certificates::of_file(root, &path));
    let kubeconfigs = KUBECONFIGS.iter().filter_map(|role| files.get(role)).flat_map(names);
    of_files.chain(kubeconfigs.flat_map(|path| certificates::of_kubeconfig(root, &path))).collect()
}

/// Where the kernel shows processes.
pub fn proc() -> &'static Path {
    Path::new("/proc")
}

#[cfg(test)]
mod tests;
