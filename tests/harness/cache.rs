//! The per-user cache of built tools: outside `target/`, so that a fresh clone reuses them.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// `$XDG_CACHE_HOME/kubeproof-tests`, else `~/.cache/kubeproof-tests`.
fn root() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    base.or_else(|| Some(env::home_dir()?.join(".cache")))
        .expect("neither XDG_CACHE_HOME nor a home directory is known: set one, the tests keep built tools there")
        .join("kubeproof-tests")
}

/// The folder `<name>-<version>` of the cache, made by `build` when it is not there yet.
///
/// A lock lets one process build while others wait; the rename at the end means that a folder is whole or absent.
pub fn ensure(name: &str, version: &str, build: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let root = root();
    let ready = root.join(format!("{name}-{version}"));
    if ready.is_dir() {
        return Ok(ready);
    }
    let context = |what: &str, e: std::io::Error| format!("{what} in {}: {e}", root.display());
    fs::create_dir_all(&root).map_err(|e| context("cannot make the test cache", e))?;
    let lock = File::create(root.join(format!("{name}-{version}.lock"))).map_err(|e| context("cannot lock", e))?;
    lock.lock().map_err(|e| context("cannot lock", e))?;
    if ready.is_dir() {
        return Ok(ready);
    }
    let unfinished = tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        .tempdir_in(&root)
        .map_err(|e| context("cannot make a folder", e))?;
    build(unfinished.path()).map_err(|e| format!("cannot build {name} {version}: {e}"))?;
    fs::rename(unfinished.keep(), &ready).map_err(|e| context("cannot keep what was built", e))?;
    Ok(ready)
}
