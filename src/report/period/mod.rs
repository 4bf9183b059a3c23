//! The PDF of a period, one for each framework, in the order in which an auditor works.
//!
//! Like [`view`](super::view): all wording here, lengths alone in `templates/period.typ`. What is counted was counted by
//! the model; here it is only narrowed to one framework.

mod access;
mod cadence;
mod compared;
mod completeness;
mod cover;
mod declared;
mod exceptions;
mod facts;
mod index;
mod method;
mod people;
mod population;
mod repairs;
mod results;
mod scope;
mod verification;

use serde::Serialize;

use super::{
    typst_world::{self, PdfError},
    view::{self, Section, Text, words},
};
use crate::period::{Period, documents::About, model::FrameworkPeriod};

use cover::Cover;
use facts::Facts;

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PeriodView {
    /// `Evidence of a period, PCI DSS 4.0.1, 1 July to 30 September 2026`.
    title: String,
    /// kubeproof and its version.
    creator: String,
    /// Head of every page but the first.
    running_head: String,
    /// Confidentiality marking, on every page.
    marking: String,
    /// The package's root, shortened, at the foot of every page.
    foot: Text,
    /// The first page.
    first: Cover,
    /// What follows it.
    sections: Vec<Section>,
}

/// What a package says of one framework, as PDF/A-3a and PDF/UA-1. The same package gives the same bytes.
///
/// # Errors
/// A defect of the template or a time beyond what a PDF can carry; never what the package holds.
pub fn period_pdf(period: &Period, framework: &FrameworkPeriod, about: &About) -> Result<Vec<u8>, PdfError> {
    let view = view(&Facts::of(period, framework, about));
    typst_world::render(typst_world::Parts {
        template: typst_world::Template::Period,
        data: serde_json::to_value(&view)?,
        attached: Some(typst_world::Attached::root(
            &about.root,
            "The root of the package that this document belongs to",
        )),
        identity: &about.root.hex(),
        creator: &view.creator,
        at: period.made,
    })
}

fn view(facts: &Facts<'_>) -> PeriodView {
    let name = facts.name();
    let span = words::span(facts.period.from, facts.period.to);
    let mut sections = vec![
        scope::section(facts),
        method::section(),
        results::section(facts),
        exceptions::section(facts),
        repairs::section(facts),
        cadence::section(facts),
        population::population(facts),
        population::changes(facts),
        completeness::section(facts),
        declared::section(facts),
        access::section(facts),
        compared::section(facts),
        results::outside(facts),
        index::section(facts),
        verification::section(facts),
    ];
    sections.retain(|section| !section.blocks.is_empty());
    PeriodView {
        title: format!("Evidence of a period, {name}, {span}"),
        creator: format!("kubeproof {}", facts.period.tool_version),
        running_head: format!("{name} · {span}"),
        marking: view::marking(facts.period.confidentiality.as_deref()),
        foot: view::root_foot(&facts.about.root),
        first: cover::page(facts),
        sections,
    }
}
