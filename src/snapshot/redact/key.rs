//! The redaction key: whoever holds it can tell whether two redacted values were equal, nobody else can.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::digest::Digest;

/// A 32-byte HMAC key; its text form is base64, and it never shows in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactionKey([u8; 32]);

/// A text that is not a redaction key. The text itself is never repeated.
#[derive(Debug, thiserror::Error)]
#[error("not a redaction key (32 bytes in base64); make one with 'kubeproof keys generate'")]
pub struct InvalidRedactionKey;

impl RedactionKey {
    /// Reads the base64 text of a key file; white space around it is ignored.
    ///
    /// # Errors
    /// Anything but 32 bytes in padded standard base64.
    pub fn parse(text: &str) -> Result<Self, InvalidRedactionKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| InvalidRedactionKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidRedactionKey)
    }

    /// A key from 32 random bytes, which the caller draws.
    pub fn generate(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The base64 text, as key files hold it.
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The first 8 hex digits of the key's SHA-256: names the key without revealing it.
    pub fn id(&self) -> String {
        Digest::of(self.0).short(8)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedactionKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_back_and_debug_hides_the_bytes() {
        let key = RedactionKey::generate([7; 32]);
        assert_eq!(RedactionKey::parse(&format!("{}\n", key.to_text())).unwrap(), key);
        assert_eq!(format!("{key:?}"), format!("RedactionKey({})", key.id()));
        assert_eq!(key.id().len(), 8);
    }

    #[test]
    fn short_long_and_unreadable_keys_are_refused_without_being_repeated() {
        for text in ["", "c2hvcnQ=", "not base64 at all", &STANDARD.encode([0; 33])] {
            let error = RedactionKey::parse(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
