//! `FRAMEWORK.pdf` for each framework.

use super::{super::model::Period, About, DocumentError, Documents};
use crate::report;

pub(super) fn write(period: &Period, about: &About) -> Result<Documents, DocumentError> {
    let mut all = Documents::new();
    for framework in &period.frameworks {
        all.insert(format!("{}.pdf", framework.id), report::period_pdf(period, framework, about)?);
    }
    Ok(all)
}
