//! One cited object, byte for byte: what is printed has the digest that was asked for.

use std::io::Write as _;

use super::Question;
use crate::{cli::Failure, period::evidence::StoredObject};

/// Fewest digits of a digest that name an object.
const SHORTEST: usize = 8;

/// Prints the stored text, and nothing else.
pub(super) fn print(question: &Question<'_>, name: &str) -> Result<(), Failure> {
    let digits = name.trim_start_matches("sha256:");
    if digits.len() < SHORTEST || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(Failure::usage(format!("'{name}' names no object"))
            .hint(format!("write sha256: and at least {SHORTEST} of its hexadecimal digits")));
    }
    let folders = question.clusters.iter().map(|cluster| cluster.folder.as_str());
    let mut found: Vec<StoredObject> = Vec::new();
    for folder in folders {
        found.extend(question.proved.objects(folder, digits).map_err(Failure::usage)?);
    }
    found.sort_by_key(|text| text.digest);
    found.dedup_by_key(|text| text.digest);
    match found.as_slice() {
        [StoredObject { json: Some(json), .. }] => {
            let written = std::io::stdout().write_all(json.as_bytes());
            written.map_err(|error| Failure::usage(format!("cannot write the object: {error}")))
        }
        [text] => Err(Failure::usage(format!("the text of {} is left out of the package", text.digest))
            .hint("it names what the package must not show; the run's bundle holds it")),
        [] => Err(Failure::usage(format!("the package cites no object '{name}'"))
            .hint("exceptions, the population and powers name the objects that they cite")),
        several => {
            Err(Failure::usage(format!("{} objects begin with '{name}'", several.len()))
                .hint("write more of the digest"))
        }
    }
}
