//! What declared scopes held, run by run.

use std::collections::BTreeMap;

use crate::period::{
    facts::Facts,
    model::{RunNumber, ScopeHolding, ScopeSpan},
};

/// Spans of every scope that was met.
#[derive(Default)]
pub(super) struct Scopes(BTreeMap<String, Vec<ScopeSpan>>);

impl Scopes {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber) {
        let held: BTreeMap<&str, ScopeHolding> =
            facts.reaches.values().chain([&facts.window]).filter_map(|window| window.held()).collect();
        for (scope, holds) in held {
            let spans = self.0.entry(scope.to_owned()).or_default();
            match spans.last_mut().filter(|span| span.last + 1 == run && span.holds == holds) {
                Some(span) => span.last = run,
                None => spans.push(ScopeSpan { scope: scope.to_owned(), first: run, last: run, holds }),
            }
        }
    }

    pub(super) fn finish(self) -> Vec<ScopeSpan> {
        self.0.into_values().flatten().collect()
    }
}
