//! Clusters side by side, from what each of them says.

use std::collections::BTreeMap;

use crate::period::model::{
    ClusterPeriod, ComparedCluster, ComparedExceptions, ComparedRequirement, Comparison, Ending, PrivilegedSubject,
    RequirementPeriod, Standing,
};

/// The comparison of several clusters; one alone is compared with nothing.
pub(crate) fn comparison(clusters: &[ClusterPeriod]) -> Option<Comparison> {
    (clusters.len() > 1)
        .then(|| Comparison { clusters: clusters.iter().map(compared).collect(), requirements: requirements(clusters) })
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

fn compared(cluster: &ClusterPeriod) -> ComparedCluster {
    let finished = || cluster.runs.iter().map(|run| run.finished);
    let newest = cluster.runs.last().map(|run| run.number);
    let held = |subject: &&PrivilegedSubject| subject.powers.iter().any(|p| p.lost.is_none());
    ComparedCluster {
        folder: cluster.folder.clone(),
        environment: cluster.environment.clone(),
        runs: count(cluster.runs.len()),
        excluded: count(cluster.excluded.len()),
        first: finished().min(),
        last: finished().max(),
        kubernetes: cluster.runs.iter().rev().find_map(|run| run.kubernetes.clone()),
        missed: cluster.cadence.expected.map(|_| count(cluster.cadence.missed.len())),
        longest_gap_seconds: cluster.cadence.longest_gap.as_ref().map(|gap| gap.seconds),
        exceptions: exceptions(cluster),
        privileged: count(cluster.privileged.iter().filter(held).count()),
        population: count(cluster.population.iter().filter(|item| Some(item.last) == newest).count()),
    }
}

fn exceptions(cluster: &ClusterPeriod) -> Vec<ComparedExceptions> {
    let of = |severity| cluster.exceptions.iter().filter(move |exception| exception.severity == severity);
    let rows = cluster.repair_times.iter().map(|times| ComparedExceptions {
        severity: times.severity,
        all: count(of(times.severity).count()),
        open: count(of(times.severity).filter(|exception| exception.ending == Ending::Open).count()),
        repaired: count(of(times.severity).filter(|exception| exception.ending.is_repair()).count()),
    });
    rows.collect()
}

/// Rows of all clusters: where frameworks differ in version, rows of a later cluster follow the row that they follow
/// there.
fn requirements(clusters: &[ClusterPeriod]) -> Vec<ComparedRequirement> {
    let mut rows: BTreeMap<(&str, &str), Vec<Option<Standing>>> = BTreeMap::new();
    let mut order: Vec<(&str, &str)> = Vec::new();
    for (at, cluster) in clusters.iter().enumerate() {
        let mut before: Option<(&str, &str)> = None;
        for row in &cluster.requirements {
            let key = (row.framework.as_str(), row.id.as_str());
            if !rows.contains_key(&key) {
                let after = before.filter(|before| before.0 == key.0).and_then(|b| order.iter().position(|k| *k == b));
                order.insert(after.map_or(order.len(), |after| after + 1), key);
            }
            let standings = rows.entry(key).or_insert_with(|| vec![None; clusters.len()]);
            standings[at] = Some(standing(row));
            before = Some(key);
        }
    }
    // Frameworks stand together, whatever cluster brought them first.
    order.sort_by_key(|(framework, _)| *framework);
    let named = order.into_iter().map(|key| (key, rows.remove(&key).unwrap_or_default()));
    let row = |((framework, id), standings): ((&str, &str), _)| ComparedRequirement {
        framework: framework.to_owned(),
        id: id.to_owned(),
        standings,
    };
    named.map(row).collect()
}

fn standing(row: &RequirementPeriod) -> Standing {
    let effect = row.effectiveness.as_ref();
    Standing {
        last: row.statuses.iter().rev().find_map(|status| *status),
        runs: effect.map_or(0, |effect| effect.runs),
        without_exception: effect.map_or(0, |effect| effect.without_exception),
        with_exception: effect.map_or(0, |effect| effect.with_exception),
        overdue: count(row.overdue.len()),
    }
}
