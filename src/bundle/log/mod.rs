//! A cluster's log: what orders its bundles. Pure functions; the store writes what they return.
//!
//! A commit is a C2SP `tlog-proof@v1` of the tree's last leaf. Its proof is the tree's right edge, so an append needs
//! only the newest commit, and no checkpoint exists before the commit that carries it.

mod leaf;
pub mod merkle;
mod note;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use leaf::{BundleEntry, Entry, Leaf};
pub use note::{Checkpoint, verifier_key};

use crate::{
    bundle::keys::{LogKey, VerifyingKey},
    digest::Digest,
};

/// First line of a commit.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A commit is about a kilobyte; anything beyond this is not one.
pub const MAX_COMMIT_BYTES: usize = 256 * 1024;
/// Beyond any log's life, and small enough that sizes never overflow.
const MAX_SIZE: u64 = 1 << 62;
/// File extension of commits.
pub const COMMIT_EXTENSION: &str = "tlog-proof";

/// Why a log entry is refused.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not in the form of the specification.
    #[error("{0}")]
    Form(String),
    /// Another log's checkpoint.
    #[error("the checkpoint is of log '{found}', not of '{expected}'")]
    Origin {
        /// Expected origin.
        expected: String,
        /// Origin found.
        found: String,
    },
    /// Not signed by the log's key.
    #[error("the checkpoint is not signed by the log's key {}", .key.short(16))]
    Signature {
        /// Id of the expected key.
        key: Digest,
    },
    /// The proof does not lead to the signed root.
    #[error("the leaf is not in the tree that the checkpoint signs")]
    Inclusion,
    /// The tree is full.
    #[error("the log cannot grow any further")]
    Full,
}

/// How two commits of one log lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// The later tree holds the earlier one.
    Consistent,
    /// Both cannot be true: history was rewritten.
    Contradiction,
    /// Commits between them are missing, so nothing can be said.
    Unknown,
}

/// One verified commit: the last leaf of a tree, its proof and the signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    leaf: Leaf,
    proof: Vec<Digest>,
    checkpoint: Checkpoint,
    bytes: Vec<u8>,
}

impl Commit {
    /// The first commit of a log.
    pub fn first(leaf: Leaf, origin: &str, key: &LogKey) -> Self {
        Self::sign(leaf, 0, Vec::new(), origin, key)
    }

    /// The commit that follows `previous`.
    ///
    /// # Errors
    /// The log is full.
    pub fn append(previous: &Self, leaf: Leaf, key: &LogKey) -> Result<Self, LogError> {
        let edge = previous.edge().filter(|_| previous.size() < MAX_SIZE).ok_or(LogError::Full)?;
        Ok(Self::sign(leaf, previous.size(), edge, &previous.checkpoint.origin, key))
    }

    fn sign(leaf: Leaf, index: u64, proof: Vec<Digest>, origin: &str, key: &LogKey) -> Self {
        let root = merkle::root(&proof, merkle::leaf_hash(leaf.bytes()));
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: index + 1, root };
        let hashes: String = proof.iter().map(|hash| STANDARD.encode(hash.0) + "\n").collect();
        let text = format!(
            "{HEADER}\nextra {}\nindex {index}\n{hashes}\n{}",
            STANDARD.encode(leaf.bytes()),
            checkpoint.sign(key)
        );
        Self { leaf, proof, checkpoint, bytes: text.into_bytes() }
    }

    /// Reads a commit and proves it: the checkpoint's signature first, then the leaf's inclusion.
    ///
    /// # Errors
    /// Not in the commit's form, another log, another key, or a leaf that is not in the signed tree.
    pub fn parse_and_verify(bytes: &[u8], origin: &str, key: &VerifyingKey) -> Result<Self, LogError> {
        let form = |what: &str| LogError::Form(format!("not a log commit: {what}"));
        if bytes.len() > MAX_COMMIT_BYTES {
            return Err(form("too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| form("not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| form("no blank line before the checkpoint"))?;
        let checkpoint = Checkpoint::open(note, origin, key)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(form("its first line is not 'c2sp.org/tlog-proof@v1'"));
        }
        let extra = lines
            .next()
            .and_then(|line| line.strip_prefix("extra "))
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| form("no 'extra' line with the leaf"))?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(note::decimal)
            .ok_or_else(|| form("no 'index' line"))?;
        let proof: Vec<Digest> =
            lines.map(note::hash).collect::<Option<_>>().ok_or_else(|| form("a proof line is not a hash"))?;
        let is_last = index.checked_add(1) == Some(checkpoint.size);
        let has_edge = u64::try_from(proof.len()) == Ok(index.count_ones().into());
        if !is_last || !has_edge || merkle::root(&proof, merkle::leaf_hash(&extra)) != checkpoint.root {
            return Err(LogError::Inclusion);
        }
        Ok(Self { leaf: Leaf::parse(&extra)?, proof, checkpoint, bytes: bytes.to_vec() })
    }

    /// The leaf.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// Index of the leaf.
    pub fn index(&self) -> u64 {
        self.checkpoint.size - 1
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Root of the tree.
    pub fn root(&self) -> Digest {
        self.checkpoint.root
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signed checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Perfect subtrees of this tree, smallest first: the proof of the next leaf.
    fn edge(&self) -> Option<Vec<Digest>> {
        merkle::grow(&self.proof, self.index(), merkle::leaf_hash(self.leaf.bytes()))
    }

    /// Whether this commit's tree holds the tree of `earlier`.
    pub fn consistent_with(&self, earlier: &Self) -> Consistency {
        if self.origin() != earlier.origin() {
            return Consistency::Contradiction;
        }
        if self.size() == earlier.size() {
            return if self.root() == earlier.root() { Consistency::Consistent } else { Consistency::Contradiction };
        }
        if self.index() != earlier.size() {
            return Consistency::Unknown;
        }
        if earlier.edge().as_deref() == Some(self.proof.as_slice()) {
            Consistency::Consistent
        } else {
            Consistency::Contradiction
        }
    }
}

/// The leaf that a commit claims to hold, for lists that say "not verified" beside what they show.
pub fn claimed_leaf(bytes: &[u8]) -> Option<Leaf> {
    let text = std::str::from_utf8(bytes).ok()?;
    let extra = text.strip_prefix(HEADER)?.strip_prefix("\nextra ")?.split('\n').next()?;
    Leaf::parse(&STANDARD.decode(extra).ok()?).ok()
}

/// File name of the commit in slot `slot`.
pub fn commit_file(slot: u64) -> String {
    format!("{slot:010}.{COMMIT_EXTENSION}")
}

/// The slot that a file name stands for.
pub fn commit_slot(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(COMMIT_EXTENSION)?.strip_suffix('.')?;
    digits.parse().ok().filter(|slot| commit_file(*slot) == name)
}

#[cfg(test)]
mod tests;
