//! The node's file tree as seen from a container: every path is resolved inside it, whatever links say.
//!
//! A link on the node, crafted or not, is followed as the node would follow it: an absolute target starts at the
//! node's root, `..` ends there. Each step is taken relative to the folder that was opened before it and follows no
//! link by itself, so that nothing can be exchanged in between.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Read,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};

/// Links that one path may lead through.
const MAX_LINKS: usize = 40;

/// A folder that is only passed through needs no right to list it.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::empty();

/// Why there is nothing to say about a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    /// The node has no such file.
    #[error("there is no such file")]
    Absent,
    /// It cannot be known: the reason, with the path.
    #[error("{0}")]
    Unseen(String),
}

/// Something on the node.
pub(super) struct Found {
    folder: OwnedFd,
    name: OsString,
    /// Where it really stands, after links.
    pub(super) path: String,
    /// Mode, owner, type.
    pub(super) stat: Stat,
}

impl Found {
    /// File, folder or something else.
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// The node's file tree.
pub(super) struct HostRoot {
    root: OwnedFd,
    mounts: Mounts,
}

impl HostRoot {
    /// Opens the tree at `path`; `mountinfo` is the process's own `/proc/self/mountinfo`.
    pub(super) fn open(path: &Path, mountinfo: &str) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        let root = rustix::fs::openat(CWD, &path, OFlags::DIRECTORY | OFlags::CLOEXEC | PASS, Mode::empty())?;
        Ok(Self { root, mounts: Mounts::of(mountinfo, &path) })
    }

    /// What stands at an absolute path of the node.
    pub(super) fn find(&self, path: &str) -> Result<Found, Lost> {
        let mut walk = Walk { root: self, folders: Vec::new(), pending: Vec::new(), links: 0 };
        walk.push(path.as_bytes());
        let found = walk.run()?;
        if !self.mounts.cover(&found.path) {
            return Err(not_mounted(&found.path));
        }
        Ok(found)
    }

    /// The bytes of a regular file, at most `limit` of them.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Lost> {
        let found = self.find(path)?;
        let unseen = |reason: &str| Lost::Unseen(format!("{path}: {reason}"));
        if found.kind() != FileType::RegularFile {
            return Err(unseen("is no regular file"));
        }
        // Never waits, should it have become a pipe since.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&found.folder, &found.name, flags, Mode::empty())
            .map_err(|error| lost(path, error, true))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| lost(path, error, true))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(unseen("is no regular file"));
        }
        let mut bytes = Vec::new();
        File::from(file).take(limit + 1).read_to_end(&mut bytes).map_err(|error| unseen(&error.to_string()))?;
        if bytes.len() as u64 > limit {
            return Err(unseen(&format!("is larger than {} KiB", limit >> 10)));
        }
        Ok(bytes)
    }

    /// The names in a folder, sorted; at most `limit` of them.
    pub(super) fn list(&self, path: &str, limit: usize) -> Result<Vec<String>, Lost> {
        let found = self.find(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&found.folder, &found.name, flags, Mode::empty())
            .map_err(|error| lost(path, error, true))?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder).map_err(|error| lost(path, error, true))? {
            let entry = entry.map_err(|error| lost(path, error, true))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == limit {
                return Err(Lost::Unseen(format!("{path}: holds more than {limit} files")));
            }
            let name = std::str::from_utf8(name).map_err(|_| unreadable_name(path))?;
            names.push(name.to_owned());
        }
        names.sort();
        Ok(names)
    }
}

fn unreadable_name(path: &str) -> Lost {
    Lost::Unseen(format!("{path}: holds a file whose name is not UTF-8"))
}

fn not_mounted(path: &str) -> Lost {
    Lost::Unseen(format!("{path}: is not mounted here"))
}

fn lost(path: &str, error: Errno, covered: bool) -> Lost {
    match error {
        Errno::NOENT | Errno::NOTDIR if covered => Lost::Absent,
        Errno::NOENT | Errno::NOTDIR => not_mounted(path),
        error => Lost::Unseen(format!("{path}: {}", std::io::Error::from(error))),
    }
}

/// One resolution under way.
struct Walk<'a> {
    root: &'a HostRoot,
    /// Folders below the root that were passed, with their names.
    folders: Vec<(OsString, OwnedFd)>,
    /// Names still to take, the next one last.
    pending: Vec<OsString>,
    links: usize,
}

impl Walk<'_> {
    fn push(&mut self, path: &[u8]) {
        let names = path.split(|b| *b == b'/').rev().filter(|name| !name.is_empty() && *name != b".");
        self.pending.extend(names.map(|name| OsStr::from_bytes(name).to_owned()));
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.folders.last().map_or(self.root.root.as_fd(), |(_, folder)| folder.as_fd())
    }

    fn path(&self, name: Option<&OsStr>) -> String {
        let names = self.folders.iter().map(|(name, _)| name.as_os_str()).chain(name);
        let path: String = names.flat_map(|name| ["/".to_owned(), name.to_string_lossy().into_owned()]).collect();
        if path.is_empty() { "/".into() } else { path }
    }

    fn lost(&self, name: &OsStr, error: Errno) -> Lost {
        let mut path = self.path(Some(name));
        for rest in self.pending.iter().rev() {
            path.extend(["/", &rest.to_string_lossy()]);
        }
        lost(&path, error, self.root.mounts.cover(&path))
    }

    fn run(&mut self) -> Result<Found, Lost> {
        while let Some(name) = self.pending.pop() {
            if name == ".." {
                self.folders.pop();
                continue;
            }
            let stat = rustix::fs::statat(self.here(), &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| self.lost(&name, error))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => self.follow(&name)?,
                FileType::Directory if !self.pending.is_empty() => {
                    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | PASS;
                    let folder = rustix::fs::openat(self.here(), &name, flags, Mode::empty())
                        .map_err(|error| self.lost(&name, error))?;
                    self.folders.push((name, folder));
                }
                _ if self.pending.is_empty() => return self.found(name, stat),
                _ => return Err(self.lost(&name, Errno::NOTDIR)),
            }
        }
        let stat = rustix::fs::fstat(self.here()).map_err(|error| self.lost(OsStr::new("."), error))?;
        self.found(".".into(), stat)
    }

    fn follow(&mut self, name: &OsStr) -> Result<(), Lost> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(self.lost(name, Errno::LOOP));
        }
        let target =
            rustix::fs::readlinkat(self.here(), name, Vec::new()).map_err(|error| self.lost(name, error))?.into_bytes();
        if target.starts_with(b"/") {
            self.folders.clear();
        }
        self.push(&target);
        Ok(())
    }

    fn found(&mut self, name: OsString, stat: Stat) -> Result<Found, Lost> {
        let path = self.path(Some(&name).filter(|name| *name != ".").map(OsString::as_os_str));
        let folder = self.here().try_clone_to_owned().map_err(|error| Lost::Unseen(format!("{path}: {error}")))?;
        Ok(Found { folder, name, path, stat })
    }
}

/// Which parts of the tree are the node's own: in a pod that mounts some folders of the node, the folders between
/// them belong to the container and say nothing of the node.
struct Mounts {
    /// `None`: all of it.
    parts: Option<Vec<String>>,
}

impl Mounts {
    fn of(mountinfo: &str, root: &Path) -> Self {
        let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
        let mut parts = Vec::new();
        for point in points {
            match Path::new(&point).strip_prefix(root) {
                Ok(below) if below.as_os_str().is_empty() => return Self { parts: None },
                Ok(below) => parts.push(format!("/{}", below.to_string_lossy())),
                Err(_) => {}
            }
        }
        Self { parts: Some(parts).filter(|parts| !parts.is_empty()) }
    }

    fn cover(&self, path: &str) -> bool {
        let below =
            |part: &String| path.strip_prefix(part.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        self.parts.as_ref().is_none_or(|parts| parts.iter().any(below))
    }
}

/// `\040` and the like, as the kernel writes spaces.
fn unescape(text: &str) -> OsString {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\');
        match octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, HostRoot) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("host/etc/kubernetes")).unwrap();
        std::fs::write(dir.path().join("host/etc/kubernetes/a.conf"), "inside").unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        let root = HostRoot::open(&dir.path().join("host"), "").unwrap();
        (dir, root)
    }

    fn text(root: &HostRoot, path: &str) -> Result<String, Lost> {
        root.read(path, 1024).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn no_link_leads_out_of_the_tree() {
        let (dir, root) = tree();
        let outside = dir.path().join("secret");
        let etc = dir.path().join("host/etc");
        symlink(&outside, etc.join("absolute")).unwrap();
        symlink("../../secret", etc.join("relative")).unwrap();
        symlink("../../../../../../../../../../etc/passwd", etc.join("far")).unwrap();
        symlink("/", etc.join("root")).unwrap();
        symlink("/proc/self/root", etc.join("magic")).unwrap();
        for name in ["absolute", "relative", "far", "root/../secret", "magic/etc/passwd"] {
            assert_eq!(text(&root, &format!("/etc/{name}")), Err(Lost::Absent), "{name}");
        }
        assert_eq!(text(&root, &format!("/..{}", outside.display())), Err(Lost::Absent));
        assert_eq!(text(&root, "/etc/root/etc/kubernetes/a.conf"), Ok("inside".into()), "the node's own root");
        assert_eq!(root.find("/etc/root/etc/kubernetes/a.conf").unwrap().path, "/etc/kubernetes/a.conf");
    }

    #[test]
    fn loops_pipes_folders_and_large_files_are_sentences() {
        let (dir, root) = tree();
        let etc = dir.path().join("host/etc");
        symlink("loop", etc.join("loop")).unwrap();
        std::fs::write(etc.join("large"), vec![b'x'; 2000]).unwrap();
        let status = std::process::Command::new("mkfifo").arg(etc.join("pipe")).status().unwrap();
        assert!(status.success());
        for (name, reason) in [
            ("loop", "/etc/loop: Too many levels of symbolic links"),
            ("large", "/etc/large: is larger than 1 KiB"),
            ("pipe", "/etc/pipe: is no regular file"),
            ("kubernetes", "/etc/kubernetes: is no regular file"),
        ] {
            let lost = text(&root, &format!("/etc/{name}")).unwrap_err().to_string();
            assert!(lost.starts_with(reason), "{lost}");
        }
        assert_eq!(text(&root, "/etc/large/below"), Err(Lost::Absent));
        assert!(root.list("/etc", 3).is_err());
    }

    #[test]
    fn what_is_not_mounted_is_unseen_and_not_absent() {
        let (dir, _) = tree();
        let host = dir.path().join("host").canonicalize().unwrap();
        let mounted = format!("1 2 0:1 / {}/etc/kubernetes rw - tmpfs tmpfs rw\n", host.display());
        let root = HostRoot::open(&host, &mounted).unwrap();
        assert_eq!(text(&root, "/etc/kubernetes/a.conf"), Ok("inside".into()));
        assert_eq!(text(&root, "/etc/kubernetes/b.conf"), Err(Lost::Absent));
        for path in ["/etc/passwd", "/etc", "/var/lib/etcd"] {
            assert_eq!(text(&root, path), Err(not_mounted(path)));
        }
        assert!(root.list("/etc", 10).is_err(), "the container's own folder says nothing of the node");
        let whole = format!("1 2 0:1 / {} rw - ext4 x rw\n{mounted}", host.display());
        assert_eq!(text(&HostRoot::open(&host, &whole).unwrap(), "/etc/passwd"), Err(Lost::Absent));
        assert_eq!(unescape(r"/a\040b\134"), r"/a b\");
    }
}
