//! Whether what a package says can be said at all: runs that there are, spans in their order, nothing twice. Judged first,
//! since everything else walks along runs and spans.

use std::collections::BTreeSet;

use chrono::Datelike as _;

use crate::{
    evaluate::Status,
    period::{
        Period,
        model::{
            Bounds, Cited, ClusterPeriod, DeclarationPeriod, Ending, Exception, Gap, Item, Power, RequirementPeriod,
            RunNumber, Schedule,
        },
    },
};

/// Years that a period may be of.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;
/// Longest time after its planned time within which a run may count, in seconds.
const MOST_TOLERANCE: i64 = 366 * 24 * 60 * 60;

/// What cannot be.
pub(super) fn defect(period: &Period) -> Option<String> {
    let days = YEARS.contains(&period.from.year()) && YEARS.contains(&period.to.year()) && period.from <= period.to;
    if !days {
        return Some("its days are no period".to_owned());
    }
    if !are_distinct(period.clusters.iter().map(|cluster| &cluster.folder)) {
        return Some("names a cluster twice".to_owned());
    }
    if !are_distinct(period.frameworks.iter().map(|framework| &framework.id)) {
        return Some("names a framework twice".to_owned());
    }
    let listed: BTreeSet<&String> = period.frameworks.iter().map(|framework| &framework.id).collect();
    let mut rows = period.clusters.iter().flat_map(|cluster| &cluster.requirements);
    if let Some(row) = rows.find(|row| !listed.contains(&row.framework)) {
        return Some(format!("{}: of a framework that it does not list", row.full_id()));
    }
    let asked = &period.filter.frameworks;
    let mut rows = period.clusters.iter().flat_map(|cluster| &cluster.requirements).map(|row| &row.framework);
    let mut shown = rows.by_ref().chain(period.frameworks.iter().map(|framework| &framework.id));
    if !asked.is_empty() && shown.any(|id| !asked.contains(id)) {
        return Some("says more than the frameworks that it is limited to".to_owned());
    }
    period.clusters.iter().find_map(|cluster| of_cluster(cluster).map(|what| format!("{}: {what}", cluster.folder)))
}

fn of_cluster(cluster: &ClusterPeriod) -> Option<String> {
    let runs = Runs(RunNumber::try_from(cluster.runs.len()).ok()?);
    let tolerated = match cluster.cadence.schedule {
        Some(Schedule::Given { tolerance_seconds, .. }) => (0..=MOST_TOLERANCE).contains(&tolerance_seconds),
        Some(Schedule::Statements) | None => true,
    };
    let says = [
        cluster.exceptions.is_empty(),
        cluster.population.is_empty(),
        cluster.privileged.is_empty(),
        cluster.declarations.is_empty(),
        cluster.requirements.is_empty(),
    ];
    let exception = || cluster.exceptions.iter().find(|x| !runs.allow_exception(x)).map(|x| x.id.clone());
    let row = || cluster.requirements.iter().find(|row| !runs.allow_row(row)).map(RequirementPeriod::full_id);
    let item = || cluster.population.iter().find(|item| !runs.allow_item(item)).map(|item| item.name.clone());
    let mut powers = cluster.privileged.iter().flat_map(|subject| &subject.powers);
    let power = || powers.find(|power| !runs.allow_power(power)).map(|power| power.through.clone());
    let said = || cluster.declarations.iter().find(|said| !runs.allow_declared(said)).map(|said| said.id.clone());
    let scopes: BTreeSet<&str> = cluster.scopes.iter().map(|span| span.scope.as_str()).collect();
    let scope = || {
        let spans = |id: &str| {
            let own = cluster.scopes.iter().filter(move |span| span.scope == id).map(|span| (span.first, span.last));
            runs.are_spans(own)
        };
        scopes.iter().find(|id| !spans(id)).map(|id| (*id).to_owned())
    };
    let change = || cluster.scope_changes.iter().find(|change| !runs.have(&change.between)).map(|c| c.name.clone());
    let cited = || cluster.trails.iter().find(|cited| cited.run >= runs.0).map(|cited| cited.resource.clone());
    let remark = || {
        let wild = cluster.remarks.iter().find(|remark| remark.runs.iter().any(|run| *run >= runs.0));
        wild.map(|remark| remark.text.clone())
    };
    if runs.0 == 0 && says.contains(&false) {
        return Some("has no run, and says what runs saw".to_owned());
    }
    if !tolerated {
        return Some("its schedule tolerates what no schedule does".to_owned());
    }
    let used = |index: &u64| cluster.runs.iter().any(|run| run.index == *index);
    if cluster.excluded.iter().filter_map(|excluded| excluded.index.as_ref()).any(used) {
        return Some("leaves out a bundle that it rests on".to_owned());
    }
    if !are_distinct(cluster.declarations.iter().map(|said| (&said.kind, &said.id))) {
        return Some("names a declaration twice".to_owned());
    }
    let totals = cluster.control_totals.iter().map(|total| total.run);
    if !totals.eq(0..runs.0) {
        return Some("has not one control total for each run".to_owned());
    }
    let wrong = exception().or_else(row).or_else(item).or_else(power).or_else(said).or_else(scope).or_else(change);
    let wrong = wrong.or_else(cited).or_else(remark);
    wrong.map(|what| format!("{what}: runs or spans that there are not"))
}

fn are_distinct<T: Ord>(all: impl Iterator<Item = T>) -> bool {
    let mut known = BTreeSet::new();
    let mut all = all;
    all.all(|one| known.insert(one))
}

/// How many runs there are.
#[derive(Clone, Copy)]
struct Runs(RunNumber);

impl Runs {
    /// Spans of runs that there are, one after the other.
    fn are_spans(self, spans: impl IntoIterator<Item = (RunNumber, RunNumber)>) -> bool {
        let mut next = 0;
        spans.into_iter().all(|(first, last)| {
            let fits = next <= first && first <= last && last < self.0;
            next = last.saturating_add(1);
            fits
        })
    }

    /// Runs that there are, in order.
    fn are_runs(self, runs: &[RunNumber]) -> bool {
        self.are_spans(runs.iter().map(|run| (*run, *run)))
    }

    fn have(self, bounds: &Bounds) -> bool {
        bounds.by < self.0 && bounds.after.is_none_or(|after| after < bounds.by)
    }

    fn cite(self, cited: &[Cited]) -> bool {
        cited.iter().all(|cited| cited.run < self.0)
    }

    fn hold(self, gap: &Gap) -> bool {
        gap.after.into_iter().chain(gap.before).all(|run| run < self.0)
    }

    fn allow_exception(self, x: &Exception) -> bool {
        let within = |first: RunNumber, last: RunNumber| x.first_seen <= first && last <= x.last_seen;
        let waivers = || x.waivers.iter().map(|span| (span.first, span.last));
        let ends = match &x.ending {
            Ending::Open => true,
            Ending::NotSeenSince { run, .. } => *run < self.0,
            Ending::Ended { bounds, .. } => self.have(bounds) && bounds.after == Some(x.last_seen),
        };
        self.are_spans([(x.first_seen, x.last_seen)])
            && self.are_runs(&x.not_seen_in)
            && self.are_spans(waivers())
            && waivers().all(|(first, last)| within(first, last))
            && self.have(&x.began)
            && x.began.by == x.first_seen
            && ends
            && x.runs().count() == usize::try_from(x.seen_in).unwrap_or(usize::MAX)
            && self.cite(&x.evidence)
            && self.cite(&x.evidence_after)
    }

    fn allow_row(self, row: &RequirementPeriod) -> bool {
        let spans = || row.reasons.iter().map(|span| (span.first, span.last));
        let is_told = |run: RunNumber| row.status_on(run).is_some();
        let spoken = |run: &RunNumber| row.status_on(*run).is_some_and(|status| status != Status::NotEvaluated);
        row.statuses.len() == usize::try_from(self.0).unwrap_or(usize::MAX)
            && row.statuses.iter().any(Option::is_some)
            && self.are_spans(spans())
            && spans().flat_map(|(first, last)| first..=last).all(is_told)
            && self.are_runs(&row.attested_alone)
            && row.attested_alone.iter().all(spoken)
            && row.overdue.iter().all(|gap| self.hold(gap))
            && row.effectiveness.is_some() != row.decides.is_empty()
    }

    fn allow_item(self, item: &Item) -> bool {
        let within = item.absent_in.iter().all(|run| item.first < *run && *run < item.last);
        self.are_spans([(item.first, item.last)])
            && self.are_runs(&item.absent_in)
            && within
            && (item.first..=item.last).count() - item.absent_in.len() == usize::try_from(item.runs).unwrap_or(0)
            && self.cite(&item.evidence)
    }

    fn allow_power(self, power: &Power) -> bool {
        self.are_spans([(power.first, power.last)])
            && power.gained.is_none_or(|gained| self.have(&gained) && gained.by == power.first)
            && power.lost.is_none_or(|lost| self.have(&lost) && lost.after == Some(power.last))
            && self.cite(&power.evidence)
            && self.cite(&power.evidence_after)
    }

    fn allow_declared(self, said: &DeclarationPeriod) -> bool {
        !said.states.is_empty() && self.are_spans(said.states.iter().map(|span| (span.first, span.last)))
    }
}
