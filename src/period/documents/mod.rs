//! What people and other programs read of a package, all of it printed from the model.

mod oscal;
mod page;
mod pdf;
mod readme;
mod tables;
mod workbook;

use std::{collections::BTreeMap, path::Path};

pub(crate) use readme::{COMMANDS_ABOUT, commands, questions};

use rayon::prelude::*;

use super::model::Period;
use crate::{
    bundle::{
        draft::{Draft, DraftError, PayloadFile},
        package::DOCUMENTS,
    },
    digest::Digest,
    report::PdfError,
    snapshot::TableError,
};

/// What documents say of the package that they stand in, beside the model.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// SHA-256 of the manifest without the documents: what they print, and every PDF carries as `evidence-root.txt`.
    pub root: Digest,
    /// SHA-256 of the SPKI of the key that signs the package.
    pub signing_key: Digest,
}

/// A document that could not be made: a defect of this program, never of the data.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A table as CSV.
    #[error("cannot write {file}: {source}")]
    Csv {
        /// Which one.
        file: String,
        /// Why.
        source: csv::Error,
    },
    /// A table as Parquet.
    #[error(transparent)]
    Parquet(#[from] TableError),
    /// The workbook.
    #[error("cannot write workbook.xlsx: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// `index.html`.
    #[error("templates/period.html: {0:#}")]
    Page(#[from] minijinja::Error),
    /// A PDF.
    #[error(transparent)]
    Pdf(#[from] PdfError),
    /// OSCAL.
    #[error(transparent)]
    Json(#[from] crate::canonical::CanonicalError),
    /// The package cannot be written.
    #[error(transparent)]
    Draft(#[from] DraftError),
}

/// Where documents go: the folder of them in a draft of the package.
#[derive(Clone, Copy)]
struct Folder<'a>(&'a Draft);

impl<'a> Folder<'a> {
    /// Begins a document, by its name in the folder.
    fn file(self, name: &str) -> Result<PayloadFile<'a>, DraftError> {
        self.0.file(format!("{DOCUMENTS}{name}"))
    }

    /// Writes a document.
    fn put(self, name: &str, bytes: &[u8]) -> Result<(), DraftError> {
        self.0.put(format!("{DOCUMENTS}{name}"), bytes)
    }

    /// Where files without a name may lie while a document is made.
    fn scratch(self) -> &'a Path {
        self.0.scratch()
    }

    /// Sizes in bytes of the documents so far, by name.
    fn sizes(self) -> BTreeMap<String, u64> {
        let below = self.0.sizes_below(DOCUMENTS).into_iter();
        below.map(|(path, octets)| (path[DOCUMENTS.len()..].to_owned(), octets)).collect()
    }
}

type Writer = fn(&Period, &About, Folder<'_>) -> Result<(), DocumentError>;

/// The longest first, since two of them are written at once.
const WRITERS: [Writer; 5] = [pdf::write, tables::write, workbook::write, oscal::write, readme::write];

/// Writes the documents into a draft of the package.
///
/// # Errors
/// The draft cannot be written to; else a defect of a template or a writer, never what the clusters hold.
pub(super) fn write(period: &Period, about: &About, draft: &Draft) -> Result<(), DocumentError> {
    let folder = Folder(draft);
    WRITERS.par_iter().try_for_each(|write| write(period, about, folder))?;
    // Last: it links to every other one.
    page::write(period, about, folder)
}
