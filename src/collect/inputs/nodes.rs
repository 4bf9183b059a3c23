//! `nodes/`: reports that `kubeproof node --out` wrote, one JSON file each.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{Context, InputError, Read};
use crate::collect::{
    Collected,
    node::{self, Candidate},
};

/// The greatest file that is read.
const MAX_BYTES: u64 = 2 << 20;
/// Files of one folder.
const MAX_FILES: usize = 20_000;

/// Reads every `*.json` file of a folder. These take the place of reports in the cluster.
pub fn read(folder: &Path, context: &Context<'_>) -> Read {
    let read = match files(folder) {
        Ok(files) => files.iter().map(|file| candidate(file, context)).collect(),
        Err(error) => vec![Err(fail(folder, format!("cannot be read: {error}")))],
    };
    let known = known(context.collected);
    node::accept(read, known.as_ref(), context.now, &folder.display().to_string())
}

/// The nodes of the cluster; `None` where their list was not seen.
pub fn known(collected: &Collected) -> Option<BTreeSet<String>> {
    let seen = collected.coverage.list("nodes").is_some_and(|list| list.outcome.is_known());
    let nodes = collected.objects.iter().filter(|object| object.resource == "nodes");
    seen.then(|| nodes.map(|object| object.name.clone()).collect())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()?.take(MAX_FILES) {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn candidate(file: &Path, context: &Context<'_>) -> Result<Candidate, InputError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(file)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let bytes = read().map_err(|error| fail(file, format!("cannot be read: {error}")))?;
    Candidate::read(&bytes, &file.display().to_string(), context.sealer)
}

fn fail(file: &Path, message: String) -> InputError {
    InputError { file: file.display().to_string(), line: None, message }
}
