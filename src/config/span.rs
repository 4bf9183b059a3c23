//! Durations as people write them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

/// `90s`, `5m`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("'{text}' is not a duration such as 5m or 1h 30m: {error}")))
    }
}
