//! SHA-256 digests.

use std::{fmt, io, str::FromStr};

use futures::{TryStream, TryStreamExt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// HMAC-SHA256 (RFC 2104) of a text.
pub(crate) fn hmac_sha256(key: &[u8], text: &str) -> [u8; 32] {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// A SHA-256 digest; shown and serialised as `sha256:<64 lower-case hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes.as_ref()).into())
    }

    /// The digest of all that `source` gives, read piece by piece.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of_reader(mut source: impl io::Read) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            match source.read(&mut piece) {
                Ok(0) => return Ok(Self(hasher.finalize().into())),
                Ok(read) => hasher.update(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest of pieces one after the other.
    ///
    /// # Errors
    /// The first piece that did not come.
    pub async fn of_pieces<B: AsRef<[u8]>, E>(pieces: impl TryStream<Ok = B, Error = E>) -> Result<Self, E> {
        let add = async |mut hasher: Sha256, piece: B| {
            hasher.update(piece.as_ref());
            Ok(hasher)
        };
        Ok(Self(pieces.try_fold(Sha256::new(), add).await?.finalize().into()))
    }

    /// The 64 hex digits without the algorithm's name, as manifests write it.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first `digits` hex digits, for people.
    pub fn short(&self, digits: usize) -> String {
        let mut hex = self.hex();
        hex.truncate(digits);
        hex
    }

    /// Reads 64 lower-case hex digits.
    ///
    /// # Errors
    /// Anything but exactly 64 lower-case hex digits.
    pub fn from_hex(hex: &str) -> Result<Self, InvalidDigest> {
        lower_hex(hex).map(Self).ok_or_else(|| InvalidDigest(hex.chars().take(80).collect()))
    }
}

/// `N` bytes from exactly twice as many lower-case hex digits.
pub(crate) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// A text that is not a SHA-256 digest.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a SHA-256 digest (64 lower-case hex digits)")]
pub struct InvalidDigest(String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::from_hex(text.strip_prefix("sha256:").unwrap_or(text))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
