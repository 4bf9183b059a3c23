//! `FRAMEWORK.pdf` for each framework.

use super::{super::model::Period, About, DocumentError, Folder};
use crate::report;

pub(super) fn write(period: &Period, about: &About, folder: Folder<'_>) -> Result<(), DocumentError> {
    for framework in &period.frameworks {
        folder.put(&format!("{}.pdf", framework.id), &report::period_pdf(period, framework, about)?)?;
    }
    Ok(())
}
