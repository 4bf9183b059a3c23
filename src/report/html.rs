//! `index.html`: a viewer in one file, without anything from elsewhere. A page cannot vouch for itself, and says so.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{Environment, Value, context, escape_formatter, value::Serde};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    Input, glyphs,
    view::{Facts, view, words},
};
use crate::evaluate::{Finding, Outcome};

/// Rows of the findings table; browsers slow down beyond.
const ROWS: usize = 2_000;

const INDEX: (&str, &str) = ("index.html", include_str!("../../templates/index.html"));
/// The page of a comparison.
pub(super) const DRIFT: (&str, &str) = ("drift.html", include_str!("../../templates/drift.html"));
const HEAD: (&str, &str) = ("head.html", include_str!("../../templates/head.html"));
const BLOCKS: (&str, &str) = ("blocks.html", include_str!("../../templates/blocks.html"));
/// The look of every page.
const STYLE: &str = include_str!("../../templates/index.css");
const SCRIPT: &str = include_str!("../../templates/index.js");

/// A page that could not be made: a defect of the template, never of the data.
#[derive(Debug, thiserror::Error)]
#[error("a page could not be made: {0:#}")]
pub struct HtmlError(#[from] minijinja::Error);

/// One finding, as the table shows it.
#[derive(Serialize)]
struct Row {
    reference: String,
    severity: &'static str,
    outcome: String,
    check: String,
    object: String,
    message: String,
    owner: String,
}

/// The viewer.
///
/// # Errors
/// A defect of the template; never what the cluster holds.
pub fn html(input: &Input<'_>) -> Result<String, HtmlError> {
    let shown = || input.evaluation.findings.iter().filter(|finding| finding.outcome != Outcome::Pass);
    let rows = rows(input, shown().take(ROWS));
    let left = shown().count().saturating_sub(ROWS);
    let page = page(
        INDEX,
        context! {
            view => Value::from(Serde(view(input))),
            rows => Value::from(Serde(&rows)),
            left => (left > 0).then(|| words::number(left as u64)),
            script => Value::from_safe_string(SCRIPT.into()),
            script_hash => source_hash(SCRIPT),
        },
    )?;
    Ok(page)
}

/// A page with the head and the look of every page.
pub(crate) fn page((name, text): (&str, &str), said: Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &glyphs::visible(text).into_owned().into()),
        _ => escape_formatter(out, state, value),
    });
    for (name, text) in [HEAD, BLOCKS, (name, text)] {
        environment.add_template(name, text)?;
    }
    let look = context! { style => Value::from_safe_string(STYLE.into()), style_hash => source_hash(STYLE) };
    environment.get_template(name)?.render(context! { ..said, ..look })
}

/// What a content security policy compares an inline element with.
fn source_hash(source: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(source)))
}

fn rows<'a>(input: &'a Input<'a>, shown: impl Iterator<Item = &'a Finding>) -> Vec<Row> {
    let facts = Facts::of(input);
    let rows = shown.map(|f| {
        let accepted = f.waiver.as_ref().map(|w| format!("waived by {w}"));
        let accepted = accepted.or_else(|| f.expected_by.as_ref().map(|e| format!("expected by {e}")));
        Row {
            reference: facts.reference(f),
            severity: words::severity(f.severity),
            outcome: accepted.unwrap_or_else(|| match f.outcome {
                Outcome::Fail => "exception".into(),
                other => words::outcome(other).into(),
            }),
            check: f.check.to_string(),
            object: f.resource.to_string(),
            message: f
                .reason
                .as_ref()
                .map_or_else(|| f.message.to_string(), |reason| format!("{}: {reason}", f.message)),
            owner: f.owner.as_deref().unwrap_or_default().to_owned(),
        }
    });
    rows.collect()
}
