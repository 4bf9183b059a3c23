//! `kubeproof diff` on a terminal of 80 columns.

use super::{Line, Tone, WIDTH, wrapped};
use crate::{
    drift::Drift,
    report::drift::{NOTHING, drift_parts, notes},
};

/// Where what belongs to a change begins.
const CHANGE: usize = 4;

/// What changed, the worst first.
pub fn drift_text(drift: &Drift) -> Vec<Line> {
    let mut lines = Vec::new();
    for part in drift_parts(drift) {
        lines.push(Line::default());
        lines.push(Line::default().with(part.tone, format!("{} ({})", part.title, part.changes.len())));
        for (head, below) in part.changes {
            let mut texts = wrapped(&head, WIDTH - CHANGE).into_iter();
            let first = texts.next().unwrap_or_default();
            lines.push(Line::default().at_start(2).with(Tone::Plain, first));
            lines.extend(texts.map(|text| Line::default().at_start(CHANGE).with(Tone::Plain, text)));
            let notes = below.iter().flat_map(|text| wrapped(text, WIDTH - CHANGE));
            lines.extend(notes.map(|text| Line::default().at_start(CHANGE).with(Tone::Soft, text)));
        }
    }
    if lines.is_empty() {
        lines.push(Line::default().with(Tone::Good, NOTHING));
    }
    let notes = notes(drift).flat_map(|text| wrapped(&text, WIDTH));
    lines.extend(notes.map(|text| Line::default().with(Tone::Soft, text)));
    lines.into_iter().map(Line::fit).collect()
}
