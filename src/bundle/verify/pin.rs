//! Where logs were seen before. A pin only moves forward.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{canonical, digest::Digest, replace};

const SCHEMA: &str = "kubeproof.dev/pins/v1";

/// A log's size and root as they were once verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pin {
    /// Name of the log.
    #[serde(skip)]
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Root of so many leaves.
    pub root: Digest,
}

/// Why pins could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("pin file {path}: {reason}")]
pub struct PinError {
    path: String,
    reason: String,
}

/// A state file with the pins of several logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    schema: String,
    logs: BTreeMap<String, Pin>,
}

impl Default for Pins {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), logs: BTreeMap::new() }
    }
}

impl Pins {
    /// Reads a pin file; one that is not there yet knows nothing.
    ///
    /// # Errors
    /// The file cannot be read, or is no pin file: then nothing is overwritten.
    pub fn load(path: &Path) -> Result<Self, PinError> {
        match fs::read(path) {
            Ok(bytes) => Self::parse(&bytes).map_err(|reason| error(path, reason)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(error(path, e)),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value = canonical::parse(bytes).map_err(|e| e.to_string())?;
        let pins: Self = serde_json::from_value(value).map_err(|e| e.to_string())?;
        if pins.schema == SCHEMA { Ok(pins) } else { Err(format!("schema '{}' is not '{SCHEMA}'", pins.schema)) }
    }

    /// The pin of a log.
    pub fn get(&self, origin: &str) -> Option<Pin> {
        self.logs.get(origin).map(|pin| Pin { origin: origin.to_owned(), ..pin.clone() })
    }

    /// Moves a log's pin forward; says whether it moved.
    pub fn advance(&mut self, pin: Pin) -> bool {
        let moves = self.logs.get(&pin.origin).is_none_or(|old| old.size < pin.size);
        if moves {
            self.logs.insert(pin.origin.clone(), pin);
        }
        moves
    }

    /// Replaces the file in one step.
    ///
    /// # Errors
    /// The system refuses.
    pub fn save(&self, path: &Path) -> Result<(), PinError> {
        let bytes = canonical::to_vec(self).map_err(|e| error(path, e))?;
        replace::file(path, &bytes, 0o600).map_err(|e| error(path, e))
    }
}

fn error(path: &Path, reason: impl ToString) -> PinError {
    PinError { path: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(size: u64) -> Pin {
        Pin { origin: "kubeproof.dev/log/shop-1a2b3c4d".to_owned(), size, root: Digest([7; 32]) }
    }

    #[test]
    fn a_pin_moves_forward_alone_and_survives_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/pins.json");
        let mut pins = Pins::load(&path).unwrap();
        assert!(pins.advance(pin(5)));
        assert!(!pins.advance(pin(5)) && !pins.advance(pin(4)));
        pins.save(&path).unwrap();
        assert_eq!(Pins::load(&path).unwrap().get(&pin(5).origin), Some(pin(5)));
        assert_eq!(Pins::load(&path).unwrap().get("kubeproof.dev/log/other"), None);
    }

    #[test]
    fn a_pin_file_of_another_version_is_not_read() {
        assert!(Pins::parse(br#"{"schema":"kubeproof.dev/pins/v2","logs":{}}"#).is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            proptest::prop_assert!(Pins::parse(&bytes).is_err());
        }
    }
}
