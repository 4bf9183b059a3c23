//! Modes and owners of files, by what the files are for.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::{FileType, Mode};
use serde_json::{Value, json};

use super::{
    Node,
    root::{Found, HostRoot, Lost},
    unknown,
};

/// Files that one role may have.
const MAX_FILES: usize = 1000;
/// Files of one role that reports say nothing of but why.
const MAX_UNSEEN: usize = 20;
/// Folders below each other that are walked.
const MAX_DEPTH: usize = 8;
/// The greatest `/etc/passwd` and `/etc/group`.
const MAX_NAMES: u64 = 1 << 20;

/// Names of users and groups, as the node knows them.
pub(super) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    pub(super) fn read(root: &HostRoot) -> Self {
        let names = |path| ids(&String::from_utf8_lossy(&root.read(path, MAX_NAMES).unwrap_or_default()));
        Self { users: names("/etc/passwd"), groups: names("/etc/group") }
    }
}

/// `name:x:id:...` by id; the first name of an id counts, and 0 is root everywhere.
fn ids(text: &str) -> BTreeMap<u32, String> {
    let mut ids = BTreeMap::from([(0, "root".to_owned())]);
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            ids.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    ids
}

/// How much of what stands at a path belongs to the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The file or folder itself.
    Itself,
    /// The files in the folder and below.
    Files,
    /// The folder and everything below.
    Everything,
}

/// What the files of a role are: the list, or why it cannot be known.
pub(super) fn role(node: &Node<'_>, patterns: &[String], extent: Extent) -> Value {
    let mut gathered = Gathered::default();
    let mut unseen = None;
    for path in expand(node.root, patterns, &mut unseen) {
        match node.root.find(&path) {
            Ok(file) if file.kind() == FileType::Directory && extent != Extent::Itself => {
                if extent == Extent::Everything {
                    gathered.add(node, &path, &file);
                }
                gathered.walk(node, path, &file, extent);
            }
            Ok(file) => gathered.add(node, &path, &file),
            Err(Lost::Absent) => {}
            Err(lost) => gathered.miss(&path, lost),
        }
    }
    if let Some(lost) = unseen {
        gathered.miss(patterns.first().map_or("", String::as_str), lost);
    }
    gathered.finish()
}

/// Paths of patterns in which a name may have a `*`.
pub(super) fn expand(root: &HostRoot, patterns: &[String], unseen: &mut Option<Lost>) -> Vec<String> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let mut open = vec![String::new()];
        for name in pattern.split('/').filter(|name| !name.is_empty()) {
            let Some((before, after)) = name.split_once('*') else {
                open.iter_mut().for_each(|path| path.extend(["/", name]));
                continue;
            };
            let mut next = Vec::new();
            for path in open {
                match root.list(&path, MAX_FILES) {
                    Ok(names) => {
                        let fits = |n: &String| {
                            n.len() >= before.len() + after.len() && n.starts_with(before) && n.ends_with(after)
                        };
                        next.extend(names.into_iter().filter(fits).map(|name| format!("{path}/{name}")));
                    }
                    Err(Lost::Absent) => {}
                    Err(lost) => *unseen = unseen.take().or(Some(lost)),
                }
            }
            open = next;
        }
        paths.extend(open);
    }
    paths
}

/// Files of one role by path, and what could not be seen.
#[derive(Default)]
struct Gathered {
    found: BTreeMap<String, Value>,
    unseen: BTreeMap<String, Lost>,
}

impl Gathered {
    fn miss(&mut self, path: &str, lost: Lost) {
        if self.unseen.len() < MAX_UNSEEN {
            self.unseen.insert(path.to_owned(), lost);
        }
    }

    /// What was seen stays beside what was not: a wrong mode that is known is not hidden by one that is not.
    fn finish(mut self) -> Value {
        if self.found.is_empty()
            && let Some((_, lost)) = self.unseen.pop_first()
        {
            return unknown(lost);
        }
        let seen = self.found.into_values();
        seen.chain(self.unseen.into_iter().map(|(path, lost)| unseen_entry(&path, lost))).collect()
    }

    /// A link is what it leads to.
    fn add(&mut self, node: &Node<'_>, path: &str, file: &Found) {
        if self.found.len() < MAX_FILES {
            self.found.insert(path.to_owned(), entry(node, path, file));
        } else {
            self.miss(path, Lost::Unseen(format!("{path}: is one of more than {MAX_FILES} files")));
        }
    }

    fn walk(&mut self, node: &Node<'_>, folder: String, file: &Found, extent: Extent) {
        let mut seen = BTreeSet::from([(file.stat.st_dev, file.stat.st_ino)]);
        let mut folders = vec![(folder, 0)];
        while let Some((folder, depth)) = folders.pop() {
            let names = match node.root.list(&folder, MAX_FILES) {
                Ok(names) => names,
                Err(lost) => {
                    self.miss(&folder, lost);
                    continue;
                }
            };
            for path in names.into_iter().map(|name| format!("{folder}/{name}")) {
                match node.root.find(&path) {
                    Ok(below) if below.kind() == FileType::Directory => {
                        if extent == Extent::Everything {
                            self.add(node, &path, &below);
                        }
                        // A folder is walked once, however many links lead to it.
                        if depth == MAX_DEPTH {
                            let reason = format!("{path}: is more than {MAX_DEPTH} folders deep");
                            self.miss(&path, Lost::Unseen(reason));
                        } else if seen.insert((below.stat.st_dev, below.stat.st_ino)) {
                            folders.push((path, depth + 1));
                        }
                    }
                    Ok(below) => self.add(node, &path, &below),
                    // A link that leads nowhere gives nobody anything.
                    Err(Lost::Absent) => {}
                    Err(lost) => self.miss(&path, lost),
                }
            }
        }
    }
}

/// A file of which nothing is known but where it is.
fn unseen_entry(path: &str, lost: Lost) -> Value {
    let reason = unknown(lost);
    let fields = ["mode", "owner", "group", "uid", "gid", "type"].map(|field| (field.to_owned(), reason.clone()));
    Value::Object(fields.into_iter().chain([("name".to_owned(), path.into())]).collect())
}

/// One file as reports show it.
pub(super) fn entry(node: &Node<'_>, path: &str, file: &Found) -> Value {
    let kind = if file.kind() == FileType::Directory { "directory" } else { "file" };
    let name = |names: &BTreeMap<u32, String>, id: u32| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let (uid, gid) = (file.stat.st_uid, file.stat.st_gid);
    json!({
        "name": path,
        "mode": format!("{:04o}", Mode::from_raw_mode(file.stat.st_mode).bits() & 0o7777),
        "owner": name(&node.names.users, uid),
        "group": name(&node.names.groups, gid),
        "uid": uid,
        "gid": gid,
        "type": kind,
    })
}
