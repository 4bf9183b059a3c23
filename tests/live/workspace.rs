//! A user's machine in a temporary folder: home, configuration, keys and store of one test.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// What a command did.
#[derive(Debug)]
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Fails with everything that was said unless the exit code is `code`.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless standard error is one sentence (and its hint) that holds `needle`.
    pub fn says(&self, needle: &str) {
        assert!(self.stderr.contains(needle), "no '{needle}' in:\n{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "a panic is not a sentence:\n{}", self.stderr);
        let errors = self.stderr.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(errors, 1, "one error:\n{}", self.stderr);
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A user's machine.
pub struct Workspace {
    folder: TempDir,
}

impl Workspace {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: TempDir::with_prefix("kubeproof-user-").unwrap() }
    }

    /// A path inside it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The real binary, with nothing of the developer's own environment.
    pub fn kubeproof(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
        command.env_clear().env("HOME", self.folder.path()).env("NO_COLOR", "1").current_dir(self.folder.path());
        command
    }

    /// Runs the binary to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Ended {
        self.kubeproof().args(arguments).output().unwrap().into()
    }

    /// A run against a live cluster, into the store `evidence`, with more arguments.
    pub fn run_live(&self, kubeconfig: &Path, more: &[&str]) -> Ended {
        let mut command = self.kubeproof();
        command.arg("run").arg("--kubeconfig").arg(kubeconfig).args(["--store", "evidence"]).args(more);
        command.output().unwrap().into()
    }

    /// The only cluster's folder in the store `evidence`.
    pub fn cluster_folder(&self) -> PathBuf {
        only_entry(&self.path("evidence/clusters"))
    }

    /// The folders of the bundles in the store `evidence`, by name.
    pub fn bundles(&self) -> Vec<PathBuf> {
        entries(&self.cluster_folder().join("bundles"))
    }

    /// The only bundle in the store `evidence`.
    pub fn bundle(&self) -> PathBuf {
        only_entry(&self.cluster_folder().join("bundles"))
    }

    /// The key that `run` made and that an auditor would have been given.
    pub fn public_key(&self) -> PathBuf {
        self.path(".config/kubeproof/keys/signing.pub")
    }
}

/// What is in a folder, by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn only_entry(folder: &Path) -> PathBuf {
    let mut paths = entries(folder);
    assert_eq!(paths.len(), 1, "{}: {paths:?}", folder.display());
    paths.remove(0)
}

/// A JSON file of a bundle.
pub fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every file below a folder with its bytes, by path from the folder.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let walk =
        walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    walk.map(|entry| {
        let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        (name, fs::read(entry.path()).unwrap())
    })
    .collect()
}
