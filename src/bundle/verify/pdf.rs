//! The evidence root that a PDF carries as an attached file.

use lopdf::{Document, Object};

use crate::digest::Digest;

/// Name of the attached file.
const ATTACHMENT: &str = "evidence-root.txt";
/// A digest and a newline; what unpacks to more is something else.
const MAX_BYTES: usize = 256;

/// Why a PDF does not say what evidence it is about.
#[derive(Debug, thiserror::Error)]
pub(super) enum PdfError {
    /// Not a PDF that can be read.
    #[error("not a readable PDF: {0}")]
    Unreadable(#[from] lopdf::Error),
    /// No such attached file.
    #[error("the PDF has no attached file {ATTACHMENT}")]
    NoAttachment,
    /// Several, so that readers could show different ones.
    #[error("the PDF has {0} attached files {ATTACHMENT}")]
    Several(usize),
    /// The attached file holds something else.
    #[error("the attached file {ATTACHMENT} holds no SHA-256 digest")]
    NoDigest,
}

/// The digest in the PDF's attached file.
pub(super) fn evidence_root(bytes: &[u8]) -> Result<Digest, PdfError> {
    let document = Document::load_mem(bytes)?;
    let specifications: Vec<_> = document.objects.values().filter_map(|object| file_specification(object)).collect();
    let [one] = specifications.as_slice() else {
        let count = specifications.len();
        return Err(if count == 0 { PdfError::NoAttachment } else { PdfError::Several(count) });
    };
    let files = one.get_deref(b"EF", &document)?.as_dict()?;
    let stream = files.get_deref(b"F", &document)?.as_stream()?;
    let content = if stream.is_compressed() {
        stream.decompressed_content_with_limit(MAX_BYTES)?
    } else {
        stream.content.iter().copied().take(MAX_BYTES).collect()
    };
    std::str::from_utf8(&content).ok().and_then(|text| text.trim().parse().ok()).ok_or(PdfError::NoDigest)
}

/// The file specification of an attachment of that name.
fn file_specification(object: &Object) -> Option<&lopdf::Dictionary> {
    let dictionary = object.as_dict().ok()?;
    let is_file =
        dictionary.get(b"Type").and_then(Object::as_name).is_ok_and(|name| name == b"Filespec" || name == b"F");
    let named = [b"UF".as_slice(), b"F"].iter().any(|key| {
        dictionary.get(key).ok().and_then(|name| lopdf::decode_text_string(name).ok()).is_some_and(|n| n == ATTACHMENT)
    });
    (is_file && named).then_some(dictionary)
}
