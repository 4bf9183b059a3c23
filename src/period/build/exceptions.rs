//! Failures followed from run to run: when each began and ended, between which runs, and why.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use super::{
    seen::{Objects, Ruled},
    sight::{Blind, Place, Sight, reference},
};
use crate::{
    digest::Digest,
    evaluate::{FindingId, texts::Texts},
    framework::Severity,
    period::{
        facts::{Facts, severity},
        model::{Bounds, Cause, Cited, Ending, Exception, RepairBounds, Run, RunNumber, WaiverSpan},
        window::Window,
    },
    resource::ResourceRef,
    snapshot::TableError,
};

/// Objects cited for one exception and one moment; findings that rest on more are about the cluster as a whole.
const MOST_CITED: usize = 20;

/// Everything that fails or failed, as far as runs were read.
#[derive(Default)]
pub(super) struct Exceptions {
    open: BTreeMap<FindingId, Episode>,
    closed: Vec<(FindingId, Episode, Ending)>,
    texts: Texts,
    titles: BTreeMap<Arc<str>, String>,
}

/// One failure while it lasts.
struct Episode {
    check: Arc<str>,
    severity: Severity,
    api_version: Arc<str>,
    kind: Arc<str>,
    namespace: Option<Arc<str>>,
    name: Arc<str>,
    container: Option<Arc<str>>,
    place: Arc<str>,
    message: Arc<str>,
    observed: Option<Arc<str>>,
    expected: Arc<str>,
    owner: Option<Arc<str>>,
    requirements: Arc<str>,
    /// As the table of findings writes it, on the first and on the last run that saw the failure.
    evidence: [Arc<str>; 2],
    waivers: Vec<WaiverSpan>,
    first: RunNumber,
    last: RunNumber,
    seen_in: u32,
    not_seen_in: Vec<RunNumber>,
    /// Runs since the last that saw it, with why they could not tell.
    pending: Vec<(RunNumber, String)>,
    began: Bounds,
    began_by: Cause,
    /// The object was in the snapshot when the failure was last seen.
    had_object: bool,
    rules: Ruled,
}

/// What one run is compared with.
pub(super) struct Moment<'a> {
    pub(super) number: RunNumber,
    pub(super) objects: &'a Objects,
    pub(super) blind: &'a Blind,
    pub(super) rules: &'a Ruled,
    /// The run before; `None` on the first of the period.
    pub(super) before: Option<(&'a Objects, &'a Ruled)>,
    pub(super) sight: &'a Sight,
}

/// What of the failures belongs into the package.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// Framework ids asked for; empty for all.
    pub(super) frameworks: &'a [String],
    /// What may be shown.
    pub(super) window: &'a Window,
    /// What counts for each framework that was evaluated in a scope.
    pub(super) reaches: &'a BTreeMap<String, Window>,
}

/// The columns of a table of findings.
struct Columns<'a> {
    ids: Vec<&'a str>,
    checks: Vec<&'a str>,
    severities: Vec<&'a str>,
    outcomes: Vec<&'a str>,
    api_versions: Vec<&'a str>,
    kinds: Vec<&'a str>,
    namespaces: Vec<Option<&'a str>>,
    names: Vec<&'a str>,
    containers: Vec<Option<&'a str>>,
    places: Vec<&'a str>,
    observed: Vec<Option<&'a str>>,
    expected: Vec<&'a str>,
    messages: Vec<&'a str>,
    evidence: Vec<&'a str>,
    requirements: Vec<&'a str>,
    owners: Vec<Option<&'a str>>,
    waivers: Vec<Option<&'a str>>,
    expected_by: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(facts: &'a Facts) -> Result<Self, TableError> {
        let table = &facts.findings;
        Ok(Self {
            ids: table.texts("id")?,
            checks: table.texts("check")?,
            severities: table.texts("severity")?,
            outcomes: table.texts("outcome")?,
            api_versions: table.texts("api_version")?,
            kinds: table.texts("kind")?,
            namespaces: table.optional("namespace")?,
            names: table.texts("name")?,
            containers: table.optional("container")?,
            places: table.texts("stable_path")?,
            observed: table.optional("observed")?,
            expected: table.texts("expected")?,
            messages: table.texts("message")?,
            evidence: table.texts("evidence")?,
            requirements: table.texts("requirements")?,
            owners: table.optional("owner")?,
            waivers: table.optional("waiver")?,
            expected_by: table.optional("expected_by")?,
        })
    }

    /// A failure that counts: what is expected of the system is none.
    fn is_exception(&self, row: usize) -> bool {
        self.outcomes[row] == "fail" && self.expected_by[row].is_none()
    }
}

impl Exceptions {
    /// Follows every failure into the next run.
    pub(super) fn add(&mut self, facts: &Facts, moment: &Moment<'_>) -> Result<(), TableError> {
        let columns = Columns::of(facts)?;
        for row in (0..facts.findings.rows()).filter(|row| columns.is_exception(*row)) {
            let shown = facts.window.shows(columns.kinds[row], columns.namespaces[row], columns.names[row]);
            if let (Ok(id), true) = (columns.ids[row].parse(), shown) {
                self.see(id, &columns, row, moment);
            }
        }
        for (id, row) in &facts.checks {
            let id = self.texts.share(id);
            self.titles.insert(id, row.title.clone());
        }
        self.look_for_the_others(facts, moment);
        Ok(())
    }

    fn see(&mut self, id: FindingId, columns: &Columns<'_>, row: usize, moment: &Moment<'_>) {
        let reference = reference(columns.kinds[row], columns.namespaces[row], columns.names[row]);
        if !self.open.contains_key(&id) {
            let episode = self.begin(id, columns, row, &reference, moment);
            self.open.insert(id, episode);
        }
        let texts = &mut self.texts;
        let Some(episode) = self.open.get_mut(&id) else { return };
        episode.last = moment.number;
        episode.seen_in += 1;
        episode.not_seen_in.extend(episode.pending.drain(..).map(|(run, _)| run));
        episode.had_object = moment.objects.has(&reference);
        episode.rules.clone_from(moment.rules);
        episode.severity = severity(columns.severities[row]).unwrap_or(episode.severity);
        update(&mut episode.message, columns.messages[row], texts);
        update(&mut episode.expected, columns.expected[row], texts);
        update(&mut episode.requirements, columns.requirements[row], texts);
        update(&mut episode.evidence[1], columns.evidence[row], texts);
        episode.observed = columns.observed[row].map(|text| texts.share(text));
        episode.owner = columns.owners[row].map(|text| texts.share(text));
        if let Some(waiver) = columns.waivers[row] {
            extend_waivers(&mut episode.waivers, waiver, moment.number);
        }
    }

    fn begin(
        &mut self,
        id: FindingId,
        columns: &Columns<'_>,
        row: usize,
        reference: &str,
        moment: &Moment<'_>,
    ) -> Episode {
        let place = Place {
            id,
            check: columns.checks[row],
            kind: columns.kinds[row],
            reference,
            container: columns.containers[row],
            listed: moment.objects.lists(columns.kinds[row]),
        };
        let (after, directly) = moment.sight.before(moment.number, place);
        let began_by = match moment.before {
            None => Cause::BeforePeriod,
            Some(_) if !directly => Cause::NotSeenBefore,
            Some((objects, rules)) => {
                let came = moment.objects.has(reference) && !objects.has(reference);
                let digests = digests(columns.evidence[row]);
                cause(came, &digests, objects, (rules, moment.rules), columns.checks[row])
            }
        };
        let texts = &mut self.texts;
        let evidence = texts.share(columns.evidence[row]);
        Episode {
            check: texts.share(columns.checks[row]),
            severity: severity(columns.severities[row]).unwrap_or(Severity::Info),
            api_version: texts.share(columns.api_versions[row]),
            kind: texts.share(columns.kinds[row]),
            namespace: columns.namespaces[row].map(|text| texts.share(text)),
            name: texts.share(columns.names[row]),
            container: columns.containers[row].map(|text| texts.share(text)),
            place: texts.share(columns.places[row]),
            message: texts.share(columns.messages[row]),
            observed: None,
            expected: texts.share(columns.expected[row]),
            owner: None,
            requirements: texts.share(columns.requirements[row]),
            evidence: [Arc::clone(&evidence), evidence],
            waivers: Vec::new(),
            first: moment.number,
            last: moment.number,
            seen_in: 0,
            not_seen_in: Vec::new(),
            pending: Vec::new(),
            began: Bounds { after, by: moment.number },
            began_by,
            had_object: false,
            rules: moment.rules.clone(),
        }
    }

    /// What failed before and does not stand among this run's failures: ended, or out of sight.
    fn look_for_the_others(&mut self, facts: &Facts, moment: &Moment<'_>) {
        let missing = self.open.iter_mut().filter(|(_, episode)| episode.last != moment.number);
        let mut ended = Vec::new();
        for (id, episode) in missing {
            let reference = episode.reference();
            let place = Place {
                id: *id,
                check: &episode.check,
                kind: &episode.kind,
                reference: &reference,
                container: episode.container.as_deref(),
                listed: moment.objects.lists(&episode.kind),
            };
            let checked = facts.checks.contains_key(&*episode.check);
            let reason = moment.blind.reason(place).map(str::to_owned).or_else(|| {
                // A check that still exists and did not run says nothing; one that is gone has changed.
                (!checked && episode.rules.checks == moment.rules.checks)
                    .then(|| format!("{} was not evaluated", episode.check))
            });
            match reason {
                Some(reason) => episode.pending.push((moment.number, reason)),
                None => {
                    let went = episode.had_object && !moment.objects.has(&reference);
                    let digests = digests(&episode.evidence[1]);
                    let rules = (&episode.rules, moment.rules);
                    ended.push((*id, cause(went, &digests, moment.objects, rules, &episode.check)));
                }
            }
        }
        for (id, cause) in ended {
            if let Some(mut episode) = self.open.remove(&id) {
                let bounds = Bounds { after: Some(episode.last), by: moment.number };
                episode.not_seen_in.extend(episode.pending.drain(..).map(|(run, _)| run));
                self.closed.push((id, episode, Ending::Ended { bounds, cause }));
            }
        }
    }

    /// The list, worst first. Of the frameworks asked for, only their requirements are kept, and failures that concern
    /// none of them are left out.
    pub(super) fn finish(self, runs: &[Run], shown: Shown<'_>) -> Vec<Exception> {
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
        let mut exceptions: Vec<Exception> = all
            .into_iter()
            .map(|(id, episode, ending)| {
                let title = titles.get(&episode.check).cloned().unwrap_or_default();
                episode.finish(id, title, ending, runs, shown)
            })
            .filter(|exception| shown.frameworks.is_empty() || !exception.requirements.is_empty())
            .collect();
        for (at, exception) in exceptions.iter_mut().enumerate() {
            exception.id = format!("X-{:04}", at + 1);
        }
        exceptions
    }
}

fn order<'a>((id, episode, _): &'a (FindingId, Episode, Ending)) -> impl Ord + use<'a> {
    let resource = (&episode.kind, &episode.namespace, &episode.name, &episode.place);
    (Reverse(episode.severity), &episode.check, resource, episode.first, *id)
}

impl Episode {
    fn reference(&self) -> String {
        reference(&self.kind, self.namespace.as_deref(), &self.name)
    }

    /// Requirements that the failure is an exception to: one outside of a regulation's scope is none to it.
    fn requirements(&self, shown: Shown<'_>) -> Vec<String> {
        let counts = |id: &&str| {
            let framework = id.split_once('/').map_or(*id, |(framework, _)| framework);
            let wanted = shown.frameworks.is_empty() || shown.frameworks.iter().any(|wanted| wanted == framework);
            let within = |reach: &Window| reach.counts(&self.kind, self.namespace.as_deref(), &self.name, &self.place);
            wanted && shown.reaches.get(framework).is_none_or(within)
        };
        self.requirements.split(' ').filter(|id| !id.is_empty()).filter(counts).map(Into::into).collect()
    }

    fn finish(self, finding: FindingId, title: String, ending: Ending, runs: &[Run], shown: Shown<'_>) -> Exception {
        let text = |text: Option<Arc<str>>| text.map(|text| text.to_string());
        Exception {
            id: String::new(),
            finding,
            title,
            duration: duration(self.began, self.first, self.last, &ending, runs),
            evidence: cited(&self.evidence, [self.first, self.last], shown.window),
            requirements: self.requirements(shown),
            check: self.check.to_string(),
            severity: self.severity,
            resource: ResourceRef {
                api_version: self.api_version.to_string(),
                kind: self.kind.to_string(),
                namespace: text(self.namespace),
                name: self.name.to_string(),
                uid: None,
            },
            container: text(self.container),
            place: self.place.to_string(),
            message: self.message.to_string(),
            observed: text(self.observed),
            expected: self.expected.to_string(),
            owner: text(self.owner),
            waivers: self.waivers,
            first_seen: self.first,
            last_seen: self.last,
            seen_in: self.seen_in,
            not_seen_in: self.not_seen_in,
            began: self.began,
            began_by: self.began_by,
            ending,
            written_by: Vec::new(),
        }
    }
}

fn update(text: &mut Arc<str>, now: &str, texts: &mut Texts) {
    if **text != *now {
        *text = texts.share(now);
    }
}

fn extend_waivers(spans: &mut Vec<WaiverSpan>, id: &str, run: RunNumber) {
    match spans.last_mut() {
        // A run that could not see the failure says nothing against its waiver.
        Some(span) if span.id == id => span.last = run,
        _ => spans.push(WaiverSpan { id: id.to_owned(), first: run, last: run }),
    }
}

/// `Deployment/shop/cart sha256:…; …`, as the table of findings writes evidence.
fn objects_of(evidence: &str) -> impl Iterator<Item = (&str, Digest)> {
    evidence.split("; ").filter_map(|item| {
        let (resource, digest) = item.rsplit_once(' ')?;
        Some((resource, digest.parse().ok()?))
    })
}

fn digests(evidence: &str) -> Vec<Digest> {
    objects_of(evidence).map(|(_, digest)| digest).collect()
}

fn cited(evidence: &[Arc<str>; 2], runs: [RunNumber; 2], window: &Window) -> Vec<Cited> {
    let mut cited: Vec<Cited> = Vec::new();
    for (evidence, run) in evidence.iter().zip(runs) {
        let shown = objects_of(evidence).filter(|(resource, _)| window.shows_reference(resource));
        for (resource, digest) in shown.take(MOST_CITED) {
            if cited.iter().all(|known| known.digest != digest || known.resource != resource) {
                cited.push(Cited { resource: resource.to_owned(), digest, run });
            }
        }
    }
    cited
}

/// Why a failure came or went between two runs. `moved`: the object itself came or went. `digests` are those of the
/// side on which the failure stands, `other` the objects of the other side.
fn cause(moved: bool, digests: &[Digest], other: &Objects, (before, after): (&Ruled, &Ruled), check: &str) -> Cause {
    let same_rules = before.decide_alike(after) && before.knows(check) == after.knows(check);
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

fn duration(began: Bounds, first: RunNumber, last: RunNumber, ending: &Ending, runs: &[Run]) -> RepairBounds {
    let at = |number: RunNumber| usize::try_from(number).ok().and_then(|n| runs.get(n)).map(|run| run.finished);
    let between = |from: Option<RunNumber>, to: Option<RunNumber>| Some((at(to?)? - at(from?)?).num_seconds());
    let end = match ending {
        Ending::Ended { bounds, .. } => Some(bounds.by),
        Ending::Open | Ending::NotSeenSince { .. } => None,
    };
    // A clock that went back between two runs makes no time negative.
    RepairBounds {
        at_least_seconds: between(Some(first), Some(last)).unwrap_or(0).max(0),
        at_most_seconds: between(began.after, end).map(|seconds| seconds.max(0)),
    }
}
