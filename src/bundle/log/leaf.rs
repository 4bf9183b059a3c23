//! Leaves: digests only, so that nothing personal is in the log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LogError;
use crate::{canonical, digest::Digest};

/// A leaf is small; anything longer is not one.
const MAX_BYTES: usize = 64 * 1024;

/// One entry of a log: its bytes, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    bytes: Vec<u8>,
    entry: Entry,
}

/// What a leaf says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A bundle.
    Bundle(BundleEntry),
    /// A type that this version does not know: reported, never fatal.
    Unknown {
        /// Its `type`, or a description of what it has instead.
        kind: String,
    },
}

/// The entry of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleEntry {
    /// SHA-256 of the envelope's PAE: the bundle's id.
    pub pae: Digest,
    /// SHA-256 of the raw signature.
    pub sig: Digest,
    /// SHA-256 of each time-stamp response.
    pub tsr: Vec<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleWire {
    v: u8,
    r#type: String,
    pae: String,
    sig: String,
    tsr: Vec<String>,
}

impl Leaf {
    /// The leaf of a bundle.
    ///
    /// # Errors
    /// None in practice; the JSON writer reports through its own type.
    pub fn bundle(pae: Digest, sig: Digest, tsr: &[Digest]) -> Result<Self, LogError> {
        let wire = BundleWire {
            v: 1,
            r#type: "bundle".to_owned(),
            pae: pae.hex(),
            sig: sig.hex(),
            tsr: tsr.iter().map(Digest::hex).collect(),
        };
        let bytes = canonical::to_vec(&wire).map_err(|e| LogError::Form(e.to_string()))?;
        Ok(Self { bytes, entry: Entry::Bundle(BundleEntry { pae, sig, tsr: tsr.to_vec() }) })
    }

    /// Reads a leaf's bytes; what is hashed stays these bytes.
    ///
    /// # Errors
    /// Not RFC 8785 JSON, or a `bundle` of version 1 that has other fields.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let form = |what: String| LogError::Form(format!("leaf: {what}"));
        if bytes.len() > MAX_BYTES {
            return Err(form(format!("has {} bytes", bytes.len())));
        }
        let value = canonical::parse(bytes).map_err(|e| form(e.to_string()))?;
        if canonical::value_to_vec(&value).ok().as_deref() != Some(bytes) {
            return Err(form("is not RFC 8785 JSON".to_owned()));
        }
        let kind = value.get("type").and_then(Value::as_str).unwrap_or("none");
        let entry = match (kind, value.get("v").and_then(Value::as_u64)) {
            ("bundle", Some(1)) => Entry::Bundle(bundle_entry(value)?),
            (kind, version) => Entry::Unknown {
                kind: format!("{} v{}", kind.chars().take(80).collect::<String>(), version.unwrap_or(0)),
            },
        };
        Ok(Self { bytes: bytes.to_vec(), entry })
    }

    /// RFC 8785 bytes: what is hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The bundle's entry, when it is one.
    pub fn as_bundle(&self) -> Option<&BundleEntry> {
        match &self.entry {
            Entry::Bundle(entry) => Some(entry),
            Entry::Unknown { .. } => None,
        }
    }
}

fn bundle_entry(value: Value) -> Result<BundleEntry, LogError> {
    let form = |what: String| LogError::Form(format!("leaf: {what}"));
    let wire: BundleWire = serde_json::from_value(value).map_err(|e| form(e.to_string()))?;
    let digest = |text: &String| Digest::from_hex(text).map_err(|e| form(e.to_string()));
    Ok(BundleEntry {
        pae: digest(&wire.pae)?,
        sig: digest(&wire.sig)?,
        tsr: wire.tsr.iter().map(digest).collect::<Result<_, _>>()?,
    })
}
