//! What people declared: waivers, attestations and provider documents that began or ceased to hold.

use std::collections::{BTreeMap, BTreeSet};

use super::DeclarationChange;
use crate::evaluate::{Declaration, Evaluation};

type Known<'a> = BTreeMap<(&'a str, &'a str), &'a Declaration>;

/// Changes by kind and id. Whether an entry matches something, and that it ends soon, is no change of what it says.
pub(super) fn changes(old: &Evaluation, new: &Evaluation) -> Vec<DeclarationChange> {
    let (before, after) = (known(old), known(new));
    let keys: BTreeSet<(&str, &str)> = before.keys().chain(after.keys()).copied().collect();
    keys.into_iter().filter_map(|key| change(key, before.get(&key).copied(), after.get(&key).copied())).collect()
}

fn known(evaluation: &Evaluation) -> Known<'_> {
    evaluation.declarations.iter().map(|entry| ((entry.kind.as_str(), entry.id.as_str()), entry)).collect()
}

fn change(
    (kind, id): (&str, &str),
    before: Option<&Declaration>,
    after: Option<&Declaration>,
) -> Option<DeclarationChange> {
    let (held, holds) = (before.is_some_and(is_held), after.is_some_and(is_held));
    let state = |entry: Option<&Declaration>| entry.map(|entry| entry.state.clone());
    let applied = if holds { after } else { before };
    (held != holds).then(|| DeclarationChange {
        kind: kind.to_owned(),
        id: id.to_owned(),
        before: state(before),
        after: state(after),
        holds,
        applies_to: applied.map(|entry| entry.applies_to.clone()).unwrap_or_default(),
    })
}

fn is_held(entry: &Declaration) -> bool {
    matches!(entry.state.as_str(), "in force" | "ends soon" | "unmatched")
}
