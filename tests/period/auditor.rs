//! A package in an auditor's hands: a folder, and the public key beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::quarter::{Made, Quarter, keys, write};

/// Where the auditor sits.
pub struct Auditor {
    folder: TempDir,
}

impl Auditor {
    /// With the package of a quarter.
    pub fn of(quarter: &Quarter) -> Self {
        Self::with(&quarter.make())
    }

    /// With a package.
    pub fn with(made: &Made) -> Self {
        let folder = TempDir::with_prefix("kubeproof-auditor-").unwrap();
        write(&folder.path().join("q4"), &made.package.files);
        fs::write(folder.path().join("signing.pub"), keys().signing.public().to_pem().unwrap()).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("q4")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("signing.pub")
    }

    /// Exit code, standard output, standard error of a command in the folder; nothing trusts a key but what it is told.
    pub fn run(&self, args: &[&str], key: Option<&Path>) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
        command.args(args).current_dir(self.folder.path()).env("HOME", "/nonexistent").env("NO_COLOR", "1");
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}
