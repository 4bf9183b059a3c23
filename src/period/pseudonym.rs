//! Pseudonyms of people and groups: whoever holds the key can tell whose one is, nobody else can.

use crate::{
    digest::{Digest, hmac_sha256},
    evaluate::FindingId,
    snapshot::RedactionKey,
};

/// What every pseudonym starts with.
pub const PREFIX: &str = "subject-";

/// The owner's key: 32 bytes, in base64 in its file. It is never part of a package.
#[derive(Debug, Clone)]
pub struct PseudonymKey(RedactionKey);

/// A text that is no pseudonym key. The text itself is never repeated.
#[derive(Debug, thiserror::Error)]
#[error("it is not 32 bytes in base64; 'kubeproof keys generate --pseudonym FILE' makes one")]
pub struct InvalidPseudonymKey;

impl PseudonymKey {
    /// Reads the base64 text of a key file.
    ///
    /// # Errors
    /// Anything but 32 bytes in padded standard base64.
    pub fn parse(text: &str) -> Result<Self, InvalidPseudonymKey> {
        RedactionKey::parse(text).map(Self).map_err(|_| InvalidPseudonymKey)
    }

    /// A key from 32 random bytes, which the caller draws.
    pub fn generate(random: [u8; 32]) -> Self {
        Self(RedactionKey::generate(random))
    }

    /// The base64 text, as key files hold it.
    pub fn to_text(&self) -> String {
        self.0.to_text()
    }

    /// The first 8 hex digits of the key's SHA-256: names the key without revealing it.
    pub fn id(&self) -> String {
        self.0.id()
    }

    /// `subject-` and the first 16 hex digits of HMAC-SHA256(key, name), whether a person or a group has the name.
    pub fn pseudonym(&self, name: &str) -> String {
        format!("{PREFIX}{}", hex::encode(&self.mac(name)[..8]))
    }

    /// Identity of a finding about somebody: the plain one is a hash of the name, which anybody could guess at.
    pub(super) fn finding(&self, id: FindingId) -> FindingId {
        hex::encode(&self.mac(&format!("finding {id}"))[..8]).parse().unwrap_or(id)
    }

    /// Stands for the digest of a text that is left out: whoever guesses the text would know its digest.
    pub fn digest(&self, digest: Digest) -> Digest {
        Digest(self.mac(&digest.to_string()))
    }

    fn mac(&self, text: &str) -> [u8; 32] {
        hmac_sha256(self.0.bytes(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_what_openssl_says() {
        let key = PseudonymKey::generate([7; 32]);
        // printf %s alice@example.com | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707...07
        assert_eq!(key.pseudonym("alice@example.com"), "subject-09870f7a55556328");
        assert_ne!(key.pseudonym("alice@example.com"), PseudonymKey::generate([8; 32]).pseudonym("alice@example.com"));
        assert_eq!(PseudonymKey::parse(&key.to_text()).unwrap().id(), key.id());
        assert!(PseudonymKey::parse("short").is_err());
        assert!(!format!("{key:?}").contains(&key.to_text()));
    }
}
