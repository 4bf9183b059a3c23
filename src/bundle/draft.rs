//! A package while it is made: every file goes to the disk as it comes, and only its digest stays in memory. Under its
//! own name the package is there as a whole or not at all.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{
    bag::{self, BagError, Lines},
    envelope::{self, Envelope},
    keys::SigningKey,
    package::{DOCUMENTS, PERIOD, PREDICATE_TYPE, PackagePredicate, SignedPackage, bag_info, root_of},
    seal::SealError,
    sigstore,
    statement::{STATEMENT_TYPE, Statement, subjects_with},
};
use crate::{canonical, digest::Digest};

/// Why a package could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The disk.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The folder asked for, or a file of the package.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// What is in it makes no package.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A package that is being written.
#[derive(Debug)]
pub struct Draft {
    folder: TempDir,
    out: PathBuf,
    /// Payload files that are whole.
    written: Mutex<BTreeMap<String, Written>>,
}

#[derive(Debug, Clone, Copy)]
struct Written {
    digest: Digest,
    octets: u64,
}

/// A payload file of a draft. It belongs to the package once it is [finished](Self::finish).
#[derive(Debug)]
pub struct PayloadFile<'a> {
    draft: &'a Draft,
    path: String,
    file: BufWriter<File>,
    hash: Sha256,
    octets: u64,
}

impl Draft {
    /// Begins beside `out`, which the package is moved to when it is sealed. Dropping the draft leaves nothing.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn begin(out: &Path) -> Result<Self, DraftError> {
        let failed = |source| DraftError::Write { path: out.display().to_string(), source };
        let out = std::path::absolute(out).map_err(failed)?;
        let parent = out.parent().unwrap_or(&out);
        fs::create_dir_all(parent).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix(".kubeproof-period-").tempdir_in(parent).map_err(failed)?;
        Ok(Self { folder, out, written: Mutex::default() })
    }

    /// Begins a payload file, by bag path.
    ///
    /// # Errors
    /// A path outside the manifest's grammar, or the disk.
    pub fn file(&self, path: impl Into<String>) -> Result<PayloadFile<'_>, DraftError> {
        let path = path.into();
        if !bag::is_payload_path(&path) {
            return Err(SealError::Bag(BagError::Path(path)).into());
        }
        let file = self.create(&path).map_err(|source| DraftError::Write { path: path.clone(), source })?;
        Ok(PayloadFile { draft: self, path, file: BufWriter::new(file), hash: Sha256::new(), octets: 0 })
    }

    /// Writes a payload file that is in memory.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn put(&self, path: impl Into<String>, bytes: &[u8]) -> Result<(), DraftError> {
        let mut file = self.file(path)?;
        let written = file.write_all(bytes);
        written.map_err(|source| DraftError::Write { path: file.path.clone(), source })?;
        file.finish()
    }

    /// Where files without a name may lie while a document is made: on the disk that the package needs room on anyway.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// SHA-256 of the manifest of what is written, without the documents.
    ///
    /// # Errors
    /// A file that is a folder, too.
    pub fn root(&self) -> Result<Digest, DraftError> {
        Ok(root_of(&self.lines()?))
    }

    /// Sizes in bytes of what is written below a folder, by bag path.
    pub fn sizes_below(&self, folder: &str) -> BTreeMap<String, u64> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let below = written.range(folder.to_owned()..).take_while(|(path, _)| path.starts_with(folder));
        below.map(|(path, written)| (path.clone(), written.octets)).collect()
    }

    /// Signs what is written and gives the package its name. Digests and root of the predicate are computed here.
    ///
    /// # Errors
    /// No data/period.json, the key, or the disk; then nothing is left.
    pub fn seal(self, predicate: PackagePredicate, key: &SigningKey) -> Result<SignedPackage, DraftError> {
        let lines = self.lines()?;
        let period = *lines.get(PERIOD).ok_or(SealError::Missing(PERIOD))?;
        let predicate = PackagePredicate { period, root: root_of(&lines), ..predicate };
        let (root, manifest) = (predicate.root, bag::format(&lines).into_bytes());
        let statement = Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: subjects_with(Digest::of(&manifest), &lines, DOCUMENTS),
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate,
        };
        let envelope = Envelope::sign(canonical::to_vec(&statement).map_err(SealError::Json)?, key);
        let octets = self.sizes_below(bag::DATA).values().sum();
        let mut tags = bag::tag_files(&manifest, octets, &bag_info(&statement.predicate));
        tags.insert(bag::MANIFEST.to_owned(), manifest);
        let derived = sigstore::derive(&envelope, &key.public()).map_err(SealError::Json)?;
        tags.insert(sigstore::FILE.to_owned(), derived);
        tags.insert(envelope::FILE.to_owned(), envelope.to_bytes().map_err(SealError::Json)?);
        for (path, bytes) in tags {
            let written = self.create(&path).and_then(|mut file| file.write_all(&bytes));
            written.map_err(|source| DraftError::Write { path, source })?;
        }
        let moved = fs::rename(self.folder.path(), &self.out);
        moved.map_err(|source| DraftError::Write { path: self.out.display().to_string(), source })?;
        Ok(SignedPackage { id: envelope.id(), root })
    }

    fn create(&self, path: &str) -> io::Result<File> {
        let path = self.folder.path().join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::create_new(path)
    }

    fn lines(&self) -> Result<Lines, SealError> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(bag::checked(written.iter().map(|(path, written)| (path.clone(), written.digest)).collect())?)
    }
}

impl Write for PayloadFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.octets += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl PayloadFile<'_> {
    /// Ends the file: from now on it is part of the package.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(mut self) -> Result<(), DraftError> {
        self.file.flush().map_err(|source| DraftError::Write { path: self.path.clone(), source })?;
        let written = Written { digest: Digest(self.hash.finalize().into()), octets: self.octets };
        self.draft.written.lock().unwrap_or_else(PoisonError::into_inner).insert(self.path, written);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn digests_and_sizes_are_those_of_the_bytes_on_the_disk() {
        let folder = TempDir::new().unwrap();
        let draft = Draft::begin(&folder.path().join("new/q4")).unwrap();
        draft.put("data/a", b"whole").unwrap();
        let mut file = draft.file("data/documents/b").unwrap();
        file.write_all(b"in ").unwrap();
        file.write_all(b"pieces").unwrap();
        file.finish().unwrap();
        let files = BTreeMap::from([("data/a".to_owned(), b"whole".to_vec())]);
        assert_eq!(draft.root().unwrap(), root_of(&bag::lines(&files).unwrap()), "documents are outside the root");
        assert_eq!(draft.lines().unwrap()["data/documents/b"], Digest::of("in pieces"));
        assert_eq!(draft.sizes_below(DOCUMENTS), BTreeMap::from([("data/documents/b".to_owned(), 9)]));
        assert_eq!(fs::read(draft.folder.path().join("data/documents/b")).unwrap(), b"in pieces");
    }

    #[test]
    fn nothing_is_left_of_a_draft_that_is_not_sealed() {
        let folder = TempDir::new().unwrap();
        let draft = Draft::begin(&folder.path().join("q4")).unwrap();
        draft.put("data/a", b"a").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(draft);
        assert_eq!(names(folder.path()), Vec::<OsString>::new());
    }

    #[test]
    fn a_path_outside_the_grammar_is_refused_before_it_is_a_file() {
        let folder = TempDir::new().unwrap();
        let draft = Draft::begin(&folder.path().join("q4")).unwrap();
        for path in ["data/../../escaped", "/data/a", "bagit.txt", "data/A"] {
            let error = draft.put(path, b"a").unwrap_err().to_string();
            assert!(error.contains(path), "{error}");
        }
        draft.put("data/a", b"a").unwrap();
        assert!(matches!(draft.put("data/a", b"b"), Err(DraftError::Write { .. })), "twice");
        assert_eq!(names(draft.folder.path()), ["data"]);
    }
}
