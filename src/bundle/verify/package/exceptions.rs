//! Exceptions by what the runs counted themselves: each check's failures on each run, waived ones among them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{StepName, Verdict, steps::Steps},
    RunResults,
};
use crate::{
    bundle::package::PERIOD,
    evaluate::results::CheckCounts,
    period::{
        Period,
        model::{ClusterPeriod, Exception, RequirementPeriod, RunNumber},
    },
};

/// Holds the exceptions of a cluster that is shown whole against the counts in the results of its runs. Returns how many
/// pairs of a check and a run are so proved.
pub(super) fn judge(period: &Period, cluster: &ClusterPeriod, results: &RunResults, steps: &mut Steps) -> u64 {
    let mut by_check: BTreeMap<&str, Vec<&Exception>> = BTreeMap::new();
    for x in &cluster.exceptions {
        by_check.entry(&x.check).or_default().push(x);
    }
    let mut proved = 0;
    let mut wrong = |detail: String| steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
    let mut counted: BTreeMap<&str, BTreeSet<RunNumber>> = BTreeMap::new();
    for (run, framework) in cluster.runs.iter().flat_map(|run| run.frameworks.iter().map(move |of| (run.number, of))) {
        let Some(said) = results.of(&cluster.folder, run, &framework.id) else { continue };
        for check in said.checks.iter().filter(|check| is_new(&mut counted, &check.id, run)) {
            let stand = by_check.get(check.id.as_str()).into_iter().flatten().filter(|x| x.stood_on(run));
            let (seen, waived) =
                stand.fold((0, 0), |(seen, waived), x| (seen + 1, waived + u64::from(x.waiver_on(run).is_some())));
            if (seen, waived) == expected(check) {
                proved += 1;
            } else {
                let (failed, of_them) = expected(check);
                wrong(format!(
                    "{}: run {run} counts {failed} failures, {of_them} of them waived, and the package shows {seen} and {waived}",
                    check.id
                ));
            }
        }
    }
    if let Some((x, row)) = unnamed(period, cluster) {
        wrong(format!("{}: its check decides {row}, which it does not name", x.id));
    }
    proved
}

/// An exception that the newest run saw and that does not name a row which its check decides everywhere in the cluster.
fn unnamed<'c>(period: &Period, cluster: &'c ClusterPeriod) -> Option<(&'c Exception, String)> {
    let newest = RunNumber::try_from(cluster.runs.len()).ok()?.checked_sub(1)?;
    let is_everywhere = |row: &&RequirementPeriod| {
        let framework = period.frameworks.iter().find(|known| known.id == row.framework);
        framework.is_some_and(|framework| framework.scope.is_none()) && row.status_on(newest).is_some()
    };
    let mut deciding: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in cluster.requirements.iter().filter(is_everywhere) {
        row.decides.iter().for_each(|check| deciding.entry(check).or_default().push(row.full_id()));
    }
    cluster.exceptions.iter().filter(|x| x.last_seen == newest).find_map(|x| {
        let mut rows = deciding.get(x.check.as_str()).into_iter().flatten();
        rows.find(|row| !x.requirements.contains(row)).map(|row| (x, row.clone()))
    })
}

fn is_new<'c>(counted: &mut BTreeMap<&'c str, BTreeSet<RunNumber>>, check: &'c str, run: RunNumber) -> bool {
    counted.entry(check).or_default().insert(run)
}

/// Failures that are exceptions, and those under a waiver: what is expected of the system is neither.
fn expected(check: &CheckCounts) -> (u64, u64) {
    (check.failed.saturating_sub(check.expected), check.waived)
}
