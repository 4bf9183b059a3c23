//! What people and other programs read of a package, all of it printed from the model.

mod oscal;
mod page;
mod pdf;
mod readme;
mod tables;
mod workbook;

use std::collections::BTreeMap;

pub(crate) use readme::{COMMANDS_ABOUT, commands};

use rayon::prelude::*;

use super::model::Period;
use crate::{digest::Digest, report::PdfError, snapshot::TableError};

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
}

/// Documents by path below `data/documents/`.
pub type Documents = BTreeMap<String, Vec<u8>>;

type Writer = fn(&Period, &About) -> Result<Documents, DocumentError>;

/// The longest first, since two of them are written at once.
const WRITERS: [Writer; 5] = [pdf::write, tables::write, workbook::write, oscal::write, readme::write];

/// The documents, by path below `data/documents/`.
///
/// # Errors
/// A defect of a template or a writer; never what the clusters hold.
pub fn documents(period: &Period, about: &About) -> Result<Documents, DocumentError> {
    let written: Vec<Documents> = WRITERS.par_iter().map(|write| write(period, about)).collect::<Result<_, _>>()?;
    let mut all: Documents = written.into_iter().flatten().collect();
    // Last: it links to every other one.
    let page = page::write(period, about, &all)?;
    all.insert(page::FILE.to_owned(), page);
    Ok(all)
}
