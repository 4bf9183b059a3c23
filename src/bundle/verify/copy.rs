//! `--out`: what was proved, written from the buffers that were proved.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use super::{LogFiles, Verified};
use crate::bundle::log;

/// Why the copy was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the verified copy {path}: {source}")]
pub struct CopyError {
    path: String,
    source: io::Error,
}

/// Writes `bundle/` and `log/` into `folder`, which must not exist yet: the same folder that `get` writes.
///
/// # Errors
/// The folder exists, or the system refuses.
pub fn write(folder: &Path, verified: &Verified, log_files: &LogFiles) -> Result<(), CopyError> {
    let error = |path: &Path, source| CopyError { path: path.display().to_string(), source };
    fs::create_dir(folder).map_err(|e| error(folder, e))?;
    let bundle = verified.files().iter().map(|(path, bytes)| (folder.join("bundle").join(path), bytes));
    let commits =
        log_files.commits.iter().map(|(slot, file)| (folder.join("log").join(log::commit_file(*slot)), &file.bytes));
    for (path, bytes) in bundle.chain(commits) {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|e| error(parent, e))?;
        fs::File::create_new(&path).and_then(|mut file| file.write_all(bytes)).map_err(|e| error(&path, e))?;
    }
    Ok(())
}
