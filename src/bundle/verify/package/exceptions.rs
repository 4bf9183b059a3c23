//! Exceptions by what the runs counted themselves: each check's failures on each run, waived ones among them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{StepName, Verdict, steps::Steps},
    RunResults,
};
use crate::{
    bundle::package::PERIOD,
    evaluate::results::CheckCounts,
    period::model::{ClusterPeriod, Exception, RunNumber},
};

/// Holds the exceptions of a cluster that is shown whole against the counts in the results of its runs. Returns how many
/// pairs of a check and a run are so proved.
pub(super) fn judge(cluster: &ClusterPeriod, results: &RunResults, steps: &mut Steps) -> u64 {
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
            let stand = by_check.get(check.id.as_str()).into_iter().flatten().filter(|x| stood(x, run));
            let (seen, waived) =
                stand.fold((0, 0), |(seen, waived), x| (seen + 1, waived + u64::from(is_waived(x, run))));
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
    proved
}

fn is_new<'c>(counted: &mut BTreeMap<&'c str, BTreeSet<RunNumber>>, check: &'c str, run: RunNumber) -> bool {
    counted.entry(check).or_default().insert(run)
}

/// Failures that are exceptions, and those under a waiver: what is expected of the system is neither.
fn expected(check: &CheckCounts) -> (u64, u64) {
    (check.failed.saturating_sub(check.expected), check.waived)
}

fn stood(x: &Exception, run: RunNumber) -> bool {
    (x.first_seen..=x.last_seen).contains(&run) && !x.not_seen_in.contains(&run)
}

fn is_waived(x: &Exception, run: RunNumber) -> bool {
    x.waivers.iter().any(|span| (span.first..=span.last).contains(&run))
}
