//! Which files to read, and their text.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::Input;
use crate::collect::InputError;

/// The greatest file that is read.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// Something to read, or why it cannot be.
pub(super) enum Found {
    File(PathBuf),
    Stdin(String, Vec<u8>),
    Error(InputError),
}

/// Every file behind the inputs, folders in the order of their names.
pub(super) fn find(inputs: &[Input]) -> Vec<Found> {
    let mut found = Vec::new();
    for input in inputs {
        match input {
            Input::Stdin(name, bytes) => found.push(Found::Stdin(name.clone(), bytes.clone())),
            Input::Path(path) if path.is_dir() => found.extend(walk(path)),
            Input::Path(path) => found.push(Found::File(path.clone())),
        }
    }
    found
}

fn walk(folder: &Path) -> impl Iterator<Item = Found> {
    WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".git")
        .filter_map(|entry| match entry {
            Ok(entry) => is_manifest(&entry).then(|| Found::File(entry.into_path())),
            Err(error) => Some(Found::Error(walk_error(&error))),
        })
}

fn is_manifest(entry: &DirEntry) -> bool {
    let extension = entry.path().extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    !entry.file_type().is_dir() && matches!(extension.as_str(), "yaml" | "yml" | "json")
}

fn walk_error(error: &walkdir::Error) -> InputError {
    let file = error.path().map(|path| path.display().to_string()).unwrap_or_default();
    let message = match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => {
            format!("folder loop: this link leads back to {}; its content is read once", ancestor.display())
        }
        (None, Some(io)) if io.kind() == ErrorKind::NotFound => "link to something that does not exist".into(),
        (None, Some(io)) => format!("cannot be read: {io}"),
        (None, None) => "cannot be read".into(),
    };
    InputError { file, line: None, message }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, InputError> {
    let fail = |message: String| InputError { file: path.display().to_string(), line: None, message };
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => fail("no such file or folder".into()),
        _ => fail(format!("cannot be read: {error}")),
    })?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    if size > MAX_BYTES {
        return Err(fail(too_large(Some(size))));
    }
    // The size is a hint only: pipes have none, and files grow.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| fail(format!("cannot be read: {error}")))?;
    text(bytes, &path.display().to_string())
}

/// `bytes` as text, within the size that is read.
pub(super) fn text(bytes: Vec<u8>, file: &str) -> Result<String, InputError> {
    let fail = |line, message| InputError { file: file.to_owned(), line, message };
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(fail(None, too_large(None)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let utf16 = matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let what = if utf16 { "UTF-16 text" } else { "not UTF-8 text" };
        fail(u32::try_from(line).ok(), format!("{what}; save the file as UTF-8"))
    })
}

fn too_large(size: Option<u64>) -> String {
    let size = size.map(|size| format!(" ({} MiB)", size >> 20)).unwrap_or_default();
    format!("larger than {} MiB{size} and not read; split it into smaller files", MAX_BYTES >> 20)
}
