//! What every format's reader collects, and how it becomes a stored scan: sorted, each vulnerability once.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, SubsecRound, Utc};

use super::Problem;
use crate::snapshot::{ImageReference, ImageScan};

/// The names of an image, from whichever fields a document has them in.
#[derive(Debug, Default)]
pub(super) struct Names {
    references: BTreeSet<String>,
    digests: BTreeSet<String>,
}

impl Names {
    /// Takes a reference with or without digest; a text that is none (the path of an archive) is left out.
    pub(super) fn reference(&mut self, text: &str) {
        if let Ok(reference) = text.parse::<ImageReference>() {
            reference.digest.iter().for_each(|digest| self.digest(digest));
            self.references.insert(reference.to_string());
        }
    }

    /// Takes the digest of a manifest or index.
    pub(super) fn digest(&mut self, text: &str) {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            self.digests.insert(text.to_ascii_lowercase());
        }
    }

    /// Takes all of several references.
    pub(super) fn references(&mut self, texts: Option<Vec<String>>) {
        texts.iter().flatten().for_each(|text| self.reference(text));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.references.is_empty() && self.digests.is_empty()
    }

    pub(super) fn into_parts(self) -> (Vec<String>, Vec<String>) {
        (self.references.into_iter().collect(), self.digests.into_iter().collect())
    }
}

/// Completes a scan with the image's names.
pub(super) fn named(scan: ImageScan, names: Names) -> Result<ImageScan, Problem> {
    if names.is_empty() {
        return Err(Problem::new("does not say which image it is of: scan the image by its reference, not an archive"));
    }
    let (references, digests) = names.into_parts();
    Ok(ImageScan { references, digests, ..scan })
}

/// RFC 3339, to the second. The zero time, which Go writes for no time, is none.
pub(super) fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text?).ok()?.with_timezone(&Utc);
    (time.year() > 1).then(|| time.trunc_subsecs(0))
}

/// The first of `1.2.3, 2.0.1`.
pub(super) fn first_version(text: &str) -> String {
    text.split(',').next().unwrap_or_default().trim().to_owned()
}
