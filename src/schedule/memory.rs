//! What the loop remembers between processes: the last planned time that it dealt with, and whether that run ended.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::replace;

/// The last planned time of each schedule, kept in `schedule.json` of the state folder where there is one.
#[derive(Debug, Default)]
pub struct Memory {
    file: Option<PathBuf>,
    runs: BTreeMap<String, LastRun>,
}

/// The last run of one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LastRun {
    /// When it was due.
    pub planned: DateTime<Utc>,
    /// Whether it came to an end, be it good or bad.
    pub ended: bool,
}

/// A memory that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct MemoryError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Memory {
    /// Reads `schedule.json` of `state`; a missing file is an empty memory, `None` one that ends with the process.
    ///
    /// # Errors
    /// A file that cannot be read or is not what this program writes.
    pub fn load(state: Option<&Path>) -> Result<Self, MemoryError> {
        let Some(state) = state else { return Ok(Self::default()) };
        let path = state.join("schedule.json");
        let failed = |source| MemoryError { action: "read", path: path.clone(), source };
        let runs = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { file: Some(path), runs })
    }

    /// The last run of a schedule.
    pub fn last(&self, id: &str) -> Option<LastRun> {
        self.runs.get(id).copied()
    }

    /// Remembers a run before it begins and again when it has ended.
    ///
    /// # Errors
    /// A state folder that cannot be written.
    pub fn remember(&mut self, id: &str, run: LastRun) -> Result<(), MemoryError> {
        self.runs.insert(id.into(), run);
        let Some(path) = &self.file else { return Ok(()) };
        let failed = |source| MemoryError { action: "write", path: path.clone(), source };
        let text = serde_json::to_vec_pretty(&self.runs).map_err(|error| failed(error.into()))?;
        // A killed process leaves the old file.
        replace::file(path, &text, 0o600).map_err(failed)
    }
}
