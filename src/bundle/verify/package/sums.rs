//! What follows from the rest of a package is computed again.

use super::super::{StepName, Verdict, steps::Steps};
use crate::{
    bundle::package::PERIOD,
    evaluate::FindingId,
    period::{
        self, Period, Planned, Span,
        model::{ClusterPeriod, ControlTotal, Exception, Filter, RequirementPeriod},
    },
};

/// Rules of time zones change with versions: another one need not compute the same times.
pub(super) fn is_of_this_version(period: &Period) -> bool {
    period.tool_version == env!("CARGO_PKG_VERSION")
}

/// When runs were due, missed and further apart than rows allow is computed again.
pub(super) fn judge_cadence(cluster: &ClusterPeriod, span: Span, steps: &mut Steps) {
    let again = Planned::of(cluster.cadence.schedule.as_ref()).map(|planned| {
        let ClusterPeriod { runs, excluded, requirements, .. } = cluster;
        period::cadence(span, runs, excluded, planned.as_ref(), requirements)
    });
    let detail = match again {
        Ok(again) if again == cluster.cadence => return,
        Ok(_) => "its cadence does not follow from its runs and the schedule".to_owned(),
        Err(reason) => format!("its schedule: {reason}"),
    };
    steps.fail(StepName::Content, Verdict::Tampered, PERIOD, format!("{}: {detail}", cluster.folder));
}

/// What follows from the rest of the package is summed again.
pub(super) fn judge_sums(cluster: &ClusterPeriod, span: Span, filter: &Filter, steps: &mut Steps) {
    let (limited, hidden) = (!filter.is_whole(), filter.hides_names());
    let wrong = cluster.requirements.iter().find(|row| {
        let again = || period::effectiveness(&row.statuses, &row.attested_alone, &cluster.runs, span);
        row.statuses.len() != cluster.runs.len()
            || row.effectiveness.as_ref().is_some_and(|said| *said != again())
            || row.overdue != period::overdue(row, &cluster.runs, span)
    });
    if let Some(row) = wrong {
        let detail = format!("{}: its counts do not follow from its statuses", row.full_id());
        steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
    }
    let mut wrong = |detail: String| steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
    if let Some(x) = cluster.exceptions.iter().find(|x| cluster.exception(&x.id) != Some(x)) {
        wrong(format!("{}: does not stand at the place that its id names", x.id));
    }
    let named = period::naming(&cluster.exceptions);
    let unlike = |row: &&RequirementPeriod| {
        let named = named.get(row.full_id().as_str()).into_iter().flatten();
        let own = named.filter(|x| row.decides.contains(&x.check)).map(|x| x.id.as_str());
        !own.eq(row.exceptions.iter().map(String::as_str))
    };
    if let Some(row) = cluster.requirements.iter().find(unlike) {
        wrong(format!("{}: its exceptions are not those that name it", row.full_id()));
    }
    let id = |x: &Exception| FindingId::of(&x.check, &x.resource, &x.place);
    if let Some(x) = cluster.exceptions.iter().find(|x| !hidden && id(x) != x.finding) {
        wrong(format!("{}: its finding is not of its check and place", x.id));
    }
    if let Some(x) = cluster.exceptions.iter().find(|x| period::stood(x, &cluster.runs) != x.duration) {
        wrong(format!("{}: how long it stood does not follow from its runs", x.id));
    }
    let miscounted = |total: &&ControlTotal| {
        let counts = cluster.run(total.run).map(|run| run.counts);
        total.differences.is_empty() && counts.is_none_or(|counts| counts.fail != total.failures)
    };
    if let Some(total) = cluster.control_totals.iter().find(miscounted) {
        wrong(format!("run {}: its failures are not those that it signed", total.run));
    }
    if period::repair_times(&cluster.exceptions, &cluster.runs) != cluster.repair_times {
        wrong("times to repair do not follow from the exceptions".into());
    }
    if let Some(run) = period::unaccounted(cluster, limited) {
        wrong(format!("run {run}: its failures are not those that the package accounts for"));
    }
}
