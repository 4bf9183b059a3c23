//! Files that are replaced whole or not at all: whoever reads them, and whoever is killed, sees the old or the new one.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// Replaces the file at `path` in one step, making its folder if need be; `mode` as chmod reads it, less the umask.
///
/// # Errors
/// The system refuses.
pub fn file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut unfinished = tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
    unfinished.write_all(bytes)?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(path)?;
    Ok(())
}
