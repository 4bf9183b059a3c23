//! Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::LogError;
use crate::{
    bundle::keys::{LogKey, VerifyingKey},
    digest::Digest,
};

/// Signature type of Ed25519 in signed notes.
const ED25519: u8 = 1;
/// A note with more signatures than this is refused; the specification asks for at least 16.
const MAX_SIGNATURES: usize = 64;

/// A log's signed statement of its size and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of so many leaves.
    pub root: Digest,
}

impl Checkpoint {
    /// The signed note.
    pub fn sign(&self, key: &LogKey) -> String {
        let text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0));
        let mut signature = key_id(&self.origin, &key.public()).to_vec();
        signature.extend_from_slice(&key.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(signature))
    }

    /// Reads a signed note after its signature by the log's key is verified; other keys' signatures are passed over.
    ///
    /// # Errors
    /// Not a note, no valid signature by `key` under the name `origin`, another origin, or not a checkpoint.
    pub fn open(note: &str, origin: &str, key: &VerifyingKey) -> Result<Self, LogError> {
        let form = |what: &str| LogError::Form(format!("checkpoint: {what}"));
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(form("holds control characters"));
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or_else(|| form("no blank line before its signatures"))?;
        let text = format!("{text}\n");
        // The origin is compared first, so that a foreign log is called by its name instead of "bad signature".
        let found = text.lines().next().unwrap_or_default();
        if found != origin {
            return Err(LogError::Origin { expected: origin.to_owned(), found: found.chars().take(200).collect() });
        }
        verify_signatures(&text, signatures, origin, key)?;
        let mut lines = text.lines().skip(1);
        let size = lines.next().and_then(decimal).ok_or_else(|| form("its second line is not a tree size"))?;
        let root = lines.next().and_then(hash).ok_or_else(|| form("its third line is not a root hash"))?;
        if lines.next().is_some() {
            return Err(form("has extension lines"));
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

fn verify_signatures(text: &str, signatures: &str, origin: &str, key: &VerifyingKey) -> Result<(), LogError> {
    let form = |what: &str| LogError::Form(format!("checkpoint: {what}"));
    let lines = signatures.strip_suffix('\n').ok_or_else(|| form("does not end in a newline"))?;
    if lines.split('\n').count() > MAX_SIGNATURES {
        return Err(form("has too many signatures"));
    }
    let mut verified = false;
    for line in lines.split('\n') {
        let (name, signature) = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.split_once(' '))
            .filter(|(name, _)| !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace))
            .ok_or_else(|| form("a line is not a signature"))?;
        let bytes = STANDARD.decode(signature).map_err(|_| form("a signature is not base64"))?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or_else(|| form("a signature is too short"))?;
        if name != origin || *id != key_id(origin, key) {
            continue;
        }
        if !key.verifies(text.as_bytes(), signature) {
            return Err(LogError::Signature { key: key.digest() });
        }
        verified = true;
    }
    if verified { Ok(()) } else { Err(LogError::Signature { key: key.digest() }) }
}

/// Key id of signed notes: the first four bytes of SHA-256 over name, newline, type and key.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut input = format!("{name}\n").into_bytes();
    input.push(ED25519);
    input.extend_from_slice(key.as_bytes());
    let [a, b, c, d, ..] = Digest::of(input).0;
    [a, b, c, d]
}

/// The verifier key in the form that Go's note package and other C2SP tools read.
pub fn verifier_key(origin: &str, key: &VerifyingKey) -> String {
    let typed = [&[ED25519], key.as_bytes().as_slice()].concat();
    format!("{origin}+{}+{}", hex::encode(key_id(origin, key)), STANDARD.encode(typed))
}

/// A decimal without sign or leading zeroes.
pub(super) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text)
}

/// Base64 of 32 bytes.
pub(super) fn hash(text: &str) -> Option<Digest> {
    STANDARD.decode(text).ok()?.try_into().ok().map(Digest)
}
