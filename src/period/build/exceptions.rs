//! Failures followed from run to run: when each began and ended, between which runs, and why. What stands as it stood is
//! not touched: a failure that is open was seen by every run since it began, but for those that are named.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Wanted,
    episode::{Episode, digests},
    seen::{Objects, Ruled},
    sight::{Blind, Place, Sight, reference},
    totals::standing,
};
use crate::{
    digest::Digest,
    evaluate::{FindingId, texts::Texts},
    framework::Severity,
    period::{
        facts::Facts,
        failures::{Difference, FINDINGS, Index},
        model::{Bounds, Cause, Ending, Exception, Run, RunNumber},
        window::Window,
    },
    snapshot::{Table, TableError},
};

/// Everything that fails or failed, as far as runs were read.
#[derive(Default)]
pub(super) struct Exceptions {
    open: BTreeMap<FindingId, Episode>,
    /// Of those, failures that the last run could not see.
    out_of_sight: BTreeSet<FindingId>,
    closed: Vec<(FindingId, Episode, Ending)>,
    /// The failures of the last run.
    before: Option<Index>,
    /// What decided, run by run.
    rules: Vec<Ruled>,
    texts: Texts,
    titles: BTreeMap<Arc<str>, String>,
}

/// What one run is compared with.
pub(super) struct Moment<'a> {
    pub(super) number: RunNumber,
    pub(super) objects: &'a Objects,
    pub(super) blind: &'a Blind,
    /// The run before; `None` on the first of the period.
    pub(super) before: Option<&'a Objects>,
    pub(super) sight: &'a Sight,
}

/// What of the failures belongs into the package.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// Frameworks of the package.
    pub(super) wanted: &'a Wanted,
    /// What may be shown.
    pub(super) window: &'a Window,
    /// What counts for each framework that was evaluated in a scope.
    pub(super) reaches: &'a BTreeMap<String, Window>,
}

/// One row of a table of failures.
pub(super) struct Row<'a> {
    pub(super) check: &'a str,
    pub(super) severity: Severity,
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) container: Option<&'a str>,
    pub(super) place: &'a str,
    pub(super) observed: Option<&'a str>,
    pub(super) expected: &'a str,
    pub(super) message: &'a str,
    pub(super) evidence: &'a str,
    pub(super) requirements: &'a str,
    pub(super) owner: Option<&'a str>,
    pub(super) waiver: Option<&'a str>,
}

impl Row<'_> {
    pub(super) fn reference(&self) -> String {
        reference(self.kind, self.namespace, self.name)
    }
}

/// The rows of a table of failures, with their ids.
fn rows<'a>(table: &'a Table<'_>) -> Result<Vec<(FindingId, Row<'a>)>, TableError> {
    let (ids, severities) = (ids(table)?, table.texts("severity")?);
    let (checks, api_versions) = (table.texts("check")?, table.texts("api_version")?);
    let (kinds, namespaces, names) = (table.texts("kind")?, table.optional("namespace")?, table.texts("name")?);
    let (containers, places) = (table.optional("container")?, table.texts("stable_path")?);
    let (observed, expected) = (table.optional("observed")?, table.texts("expected")?);
    let (messages, evidence) = (table.texts("message")?, table.texts("evidence")?);
    let (requirements, owners) = (table.texts("requirements")?, table.optional("owner")?);
    let waivers = table.optional("waiver")?;
    let row = |(at, id): (usize, FindingId)| {
        let row = Row {
            check: checks[at],
            severity: severity(severities[at])
                .ok_or_else(|| TableError::row(FINDINGS, at, format!("severity '{}' is not known", severities[at])))?,
            api_version: api_versions[at],
            kind: kinds[at],
            namespace: namespaces[at],
            name: names[at],
            container: containers[at],
            place: places[at],
            observed: observed[at],
            expected: expected[at],
            message: messages[at],
            evidence: evidence[at],
            requirements: requirements[at],
            owner: owners[at],
            waiver: waivers[at],
        };
        Ok((id, row))
    };
    ids.into_iter().enumerate().map(row).collect()
}

fn ids(table: &Table<'_>) -> Result<Vec<FindingId>, TableError> {
    let parse =
        |(row, id): (usize, &str)| id.parse().map_err(|error| TableError::row(FINDINGS, row, format!("{error}")));
    table.texts("id")?.into_iter().enumerate().map(parse).collect()
}

/// Severity as the table of findings spells it.
fn severity(text: &str) -> Option<Severity> {
    Some(match text {
        "critical" => Severity::Critical,
        "high" => Severity::High,
        "medium" => Severity::Medium,
        "low" => Severity::Low,
        "info" => Severity::Info,
        _ => return None,
    })
}

impl Exceptions {
    /// Follows every failure into the next run.
    ///
    /// # Errors
    /// A table that does not hold what it should; nothing is followed then.
    pub(super) fn add(&mut self, facts: &Facts, moment: &Moment<'_>) -> Result<(), TableError> {
        let Difference { new, gone } = facts.failures.since(self.before.as_ref())?;
        let new = rows(&new)?;
        self.rules.push(Ruled::of(facts));
        for (id, row) in &new {
            self.see(*id, row, moment);
        }
        for (id, row) in &facts.checks {
            let id = self.texts.share(id);
            self.titles.insert(id, row.title.clone());
        }
        for id in gone {
            if let (Some(episode), Some(before)) = (self.open.get_mut(&id), moment.before) {
                episode.leave(moment.number.saturating_sub(1), before);
                self.out_of_sight.insert(id);
            }
        }
        self.look_for_the_others(moment);
        self.before = Some(facts.failures.index());
        Ok(())
    }

    fn rules(&self, run: RunNumber) -> Option<&Ruled> {
        usize::try_from(run).ok().and_then(|run| self.rules.get(run))
    }

    fn see(&mut self, id: FindingId, row: &Row<'_>, moment: &Moment<'_>) {
        self.out_of_sight.remove(&id);
        if let Some(episode) = self.open.get_mut(&id) {
            return episode.go_on(row, moment.number, &mut self.texts);
        }
        let (began, cause) = self.beginning(id, row, moment);
        let episode = Episode::begin(row, began, cause, &mut self.texts);
        self.open.insert(id, episode);
    }

    fn beginning(&self, id: FindingId, row: &Row<'_>, moment: &Moment<'_>) -> (Bounds, Cause) {
        let reference = row.reference();
        let place = Place {
            id,
            check: row.check,
            kind: row.kind,
            reference: &reference,
            container: row.container,
            listed: moment.objects.lists(row.kind),
        };
        let (after, directly) = moment.sight.before(moment.number, place);
        let bounds = Bounds { after, by: moment.number };
        let rules = after.and_then(|after| self.rules(after)).zip(self.rules(moment.number));
        let cause = match (moment.before, rules) {
            (None, _) => Cause::BeforePeriod,
            (Some(objects), Some(rules)) if directly => {
                let came = moment.objects.has(&reference) && !objects.has(&reference);
                cause(came, &digests(row.evidence), objects, rules, row.check)
            }
            _ => Cause::NotSeenBefore,
        };
        (bounds, cause)
    }

    /// What failed before and does not stand among this run's failures: ended, or out of sight.
    fn look_for_the_others(&mut self, moment: &Moment<'_>) {
        let mut ended = Vec::new();
        for id in &self.out_of_sight {
            let Some(episode) = self.open.get_mut(id) else { continue };
            let reference = episode.reference();
            let place = Place {
                id: *id,
                check: &episode.check,
                kind: &episode.kind,
                reference: &reference,
                container: episode.container.as_deref(),
                listed: moment.objects.lists(&episode.kind),
            };
            let at = |run: RunNumber| usize::try_from(run).ok().and_then(|run| self.rules.get(run));
            let (Some(then), Some(now)) = (episode.last.and_then(at), at(moment.number)) else { continue };
            // A check that still exists and did not run says nothing; one that is gone has changed.
            let silent = now.kept_silent(then, &episode.check);
            let silent = || silent.then(|| format!("{} was not evaluated", episode.check));
            match moment.blind.reason(place).map(str::to_owned).or_else(silent) {
                Some(reason) => episode.pending.push((moment.number, reason)),
                None => {
                    let went = episode.had_object && !moment.objects.has(&reference);
                    let digests = digests(&episode.evidence[1]);
                    episode.end(moment.number, moment.objects);
                    ended.push((*id, cause(went, &digests, moment.objects, (then, now), &episode.check)));
                }
            }
        }
        for (id, cause) in ended {
            self.out_of_sight.remove(&id);
            if let Some(episode) = self.open.remove(&id) {
                let bounds = Bounds { after: episode.last, by: moment.number };
                self.closed.push((id, episode, Ending::Ended { bounds, cause }));
            }
        }
    }

    /// The list, worst first. Of the frameworks asked for, only their requirements are kept, and failures that concern
    /// none of them are left out: of those only how many each run saw.
    pub(super) fn finish(self, runs: &[Run], shown: Shown<'_>) -> (Vec<Exception>, Vec<u64>) {
        let Self { open, closed, titles, .. } = self;
        let open = open.into_iter().map(|(id, episode)| {
            let ending = match episode.pending.first() {
                None => Ending::Open,
                Some((run, reason)) => Ending::NotSeenSince { run: *run, reason: reason.clone() },
            };
            (id, episode, ending)
        });
        let mut all: Vec<(FindingId, Episode, Ending)> = open.chain(closed).collect();
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        let (mut exceptions, mut left_out) = (Vec::new(), vec![0; runs.len()]);
        for (id, episode, ending) in all {
            let title = titles.get(&episode.check).cloned().unwrap_or_default();
            let exception = episode.finish(id, title, ending, runs, shown);
            if shown.wanted.is_all() || !exception.requirements.is_empty() {
                exceptions.push(exception);
            } else {
                let seen = standing(runs.len(), [&exception]);
                left_out.iter_mut().zip(seen).for_each(|(all, own)| *all += own);
            }
        }
        for (at, exception) in exceptions.iter_mut().enumerate() {
            exception.id = format!("X-{:04}", at + 1);
        }
        (exceptions, left_out)
    }
}

fn order<'a>((id, episode, _): &'a (FindingId, Episode, Ending)) -> impl Ord + use<'a> {
    let resource = (&episode.kind, &episode.namespace, &episode.name, &episode.place);
    (Reverse(episode.severity), &episode.check, resource, episode.began.by, *id)
}

/// Why a failure came or went between two runs. `moved`: the object itself came or went. `digests` are those of the
/// side on which the failure stands, `other` the objects of the other side.
fn cause(moved: bool, digests: &[Digest], other: &Objects, (before, after): (&Ruled, &Ruled), check: &str) -> Cause {
    let same_rules = before.decide_alike(after, check);
    let same_objects = !digests.is_empty() && digests.iter().all(|digest| other.holds(*digest));
    match (moved, same_objects, same_rules) {
        (true, _, true) => Cause::ObjectCameOrWent,
        (true, _, false) | (false, false, false) => Cause::ObjectAndRules,
        (false, true, false) => Cause::RulesChanged,
        (false, true, true) if after.reads_clock(check) => Cause::TimePassed,
        (false, true, true) => Cause::RelatedObject,
        (false, false, true) => Cause::ObjectChanged,
    }
}
