//! The same counts in source, snapshot and findings, side by side.

use crate::{
    collect::ListOutcome,
    period::{
        facts::Facts,
        model::{ClusterPeriod, ControlTotal, Exception, FailureBridge, ResourceTotal, RunNumber},
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
    let (counts, [findings, failures, expected]) = (facts.run.counts, facts.findings);
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
        bridge: Some(FailureBridge {
            exceptions: 0,
            expected,
            left_out: failures.saturating_sub(expected + facts.failures.count()),
        }),
        differences,
    }
}

/// Completes the way from failures to exceptions, run by run. `left_out`: failures of no framework of the package.
pub(super) fn bridge(totals: &mut [ControlTotal], exceptions: &[Exception], left_out: &[u64]) {
    let standing = standing(totals.len(), exceptions);
    for ((total, exceptions), left_out) in totals.iter_mut().zip(standing).zip(left_out) {
        let Some(bridge) = &mut total.bridge else { continue };
        bridge.exceptions = exceptions;
        bridge.left_out += left_out;
        let sum = bridge.sum();
        if sum != total.failures {
            let difference = format!("the table holds {} failures, the package accounts for {sum}", total.failures);
            total.differences.push(difference);
        }
    }
}

/// How many exceptions each run saw.
pub(crate) fn standing<'a>(runs: usize, exceptions: impl IntoIterator<Item = &'a Exception>) -> Vec<u64> {
    let mut standing = vec![0; runs];
    for run in exceptions.into_iter().flat_map(Exception::runs) {
        if let Some(count) = usize::try_from(run).ok().and_then(|run| standing.get_mut(run)) {
            *count += 1;
        }
    }
    standing
}

/// The first run whose failures are not accounted for as the package says. `limited`: the package shows not all.
pub(crate) fn unaccounted(cluster: &ClusterPeriod, limited: bool) -> Option<RunNumber> {
    let standing = standing(cluster.runs.len(), &cluster.exceptions);
    let wrong = |(total, standing): &(&ControlTotal, u64)| {
        let bridge = |bridge: FailureBridge| {
            bridge.exceptions != *standing
                || bridge.left_out > 0 && !limited
                || bridge.sum() != total.failures && total.differences.is_empty()
        };
        cluster.run(total.run).is_none_or(|run| run.counts != total.counts) || total.bridge.is_some_and(bridge)
    };
    let wrong = cluster.control_totals.iter().zip(standing).find(wrong);
    wrong.map(|(total, _)| total.run)
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
