//! Gaps in coverage, and whether the configuration declared them.

use chrono::NaiveDate;

use crate::{
    collect::{Coverage, SourceKind},
    config::{At, ExpectedGap},
    report::{DeclaredGap, Gap},
};

/// One line for each list that was not answered, with the entry that accepts it on `today`.
pub fn gaps(coverage: &Coverage, expected: &[At<ExpectedGap>], today: NaiveDate) -> Vec<Gap> {
    let lists = coverage.unseen().map(|list| (list.id(), list.outcome.reason().unwrap_or_default()));
    let groups = coverage
        .discovery_failures
        .iter()
        .map(|failure| (failure.group_version.clone(), format!("discovery failed: {}", failure.message)));
    lists
        .chain(groups)
        .map(|(resource, reason)| {
            let declared = expected
                .iter()
                .find(|gap| gap.resource == resource && gap.until >= today)
                .map(|gap| DeclaredGap { id: gap.id.clone(), reason: gap.reason.clone(), until: gap.until });
            Gap { resource, reason, declared }
        })
        .collect()
}

/// Gaps that nobody declared: with any of them a run ends as incomplete. What manifests cannot show is no gap.
pub fn undeclared(gaps: &[Gap], source: SourceKind) -> impl Iterator<Item = &Gap> {
    gaps.iter().filter(move |gap| gap.declared.is_none() && source != SourceKind::Manifests)
}
