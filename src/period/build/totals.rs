//! The same counts in source, snapshot and findings, side by side.

use crate::{
    collect::ListOutcome,
    period::{
        facts::Facts,
        model::{ControlTotal, ResourceTotal, RunNumber},
    },
};

/// Counts of one run, and where they differ.
pub(super) fn control_total(facts: &Facts, run: RunNumber) -> ControlTotal {
    let objects = &facts.objects;
    let lists = &facts.coverage.lists;
    let own = objects.by_resource.iter().filter(|(id, _)| facts.coverage.list(id).is_none()).map(|(_, rows)| *rows);
    let mut differences: Vec<String> = lists
        .iter()
        .map(|list| (list.id(), list.count))
        .filter_map(|(id, count)| {
            let rows = objects.by_resource.get(&id).copied().unwrap_or(0);
            (rows != count).then(|| format!("{id}: the source returned {count}, the snapshot holds {rows}"))
        })
        .collect();
    let (counts, [findings, failures]) = (facts.run.counts, facts.findings);
    if failures != counts.fail {
        differences.push(format!("the evaluation counts {} failures, the table holds {failures}", counts.fail));
    }
    ControlTotal {
        run,
        source: lists.iter().map(|list| list.count).sum(),
        own: own.sum(),
        snapshot: objects.rows(),
        counts,
        findings,
        failures,
        differences,
    }
}

/// One run, resource by resource; lists that are empty on both sides say nothing.
pub(super) fn resource_totals(facts: &Facts) -> Vec<ResourceTotal> {
    let objects = &facts.objects;
    let lists = facts.coverage.lists.iter().map(|list| {
        let resource = list.id();
        let snapshot = objects.by_resource.get(&resource).copied().unwrap_or(0);
        let not_seen = match list.outcome {
            ListOutcome::NotServed | ListOutcome::NotInSource => None,
            _ => list.outcome.reason(),
        };
        ResourceTotal { resource, source: list.count, snapshot, not_seen }
    });
    let mut totals: Vec<ResourceTotal> =
        lists.filter(|total| total.source + total.snapshot > 0 || total.not_seen.is_some()).collect();
    totals.sort();
    totals
}
