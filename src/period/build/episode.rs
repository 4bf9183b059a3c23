//! One failure, from when it began to when it ended.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    exceptions::{Row, Shown},
    seen::Objects,
    sight::reference,
};
use crate::{
    digest::Digest,
    evaluate::{FindingId, scope::is_of_subject, texts::Texts},
    framework::Severity,
    period::{
        failures::objects_of,
        model::{Bounds, Cause, Cited, Ending, Exception, RepairBounds, Run, RunNumber, WaiverSpan},
        window::Window,
    },
    resource::ResourceRef,
};

/// Objects cited for one exception and one moment; findings that rest on more are about the cluster as a whole.
const MOST_CITED: usize = 20;

/// One failure while it lasts.
pub(super) struct Episode {
    pub(super) check: Arc<str>,
    pub(super) severity: Severity,
    api_version: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) name: Arc<str>,
    pub(super) container: Option<Arc<str>>,
    pub(super) place: Arc<str>,
    message: Arc<str>,
    observed: Option<Arc<str>>,
    expected: Arc<str>,
    owner: Option<Arc<str>>,
    requirements: Arc<str>,
    /// As the table of findings writes it, on the first and on the last run that saw the failure.
    pub(super) evidence: [Arc<str>; 2],
    /// Of a subject: what the evidence of any run names, bindings among it, by which scopes hold the failure.
    cited: BTreeSet<Arc<str>>,
    waiver: Option<Arc<str>>,
    /// The last one goes on while `waiver` is in force.
    waivers: Vec<WaiverSpan>,
    pub(super) began: Bounds,
    began_by: Cause,
    /// The last run that saw it; `None` while every run does.
    pub(super) last: Option<RunNumber>,
    not_seen_in: Vec<RunNumber>,
    /// Runs since the last that saw it, with why they could not tell.
    pub(super) pending: Vec<(RunNumber, String)>,
    /// The object was in the snapshot when the failure was last seen.
    pub(super) had_object: bool,
    /// The object without the failure, and what else of its evidence had changed by then, as the run saw it that saw the
    /// place without the failure.
    ended_as: Vec<Cited>,
}

impl Episode {
    pub(super) fn begin(row: &Row<'_>, began: Bounds, began_by: Cause, texts: &mut Texts) -> Self {
        let evidence = texts.share(row.evidence);
        let mut episode = Self {
            check: texts.share(row.check),
            severity: row.severity,
            api_version: texts.share(row.api_version),
            kind: texts.share(row.kind),
            namespace: row.namespace.map(|text| texts.share(text)),
            name: texts.share(row.name),
            container: row.container.map(|text| texts.share(text)),
            place: texts.share(row.place),
            message: texts.share(row.message),
            observed: None,
            expected: texts.share(row.expected),
            owner: None,
            requirements: texts.share(row.requirements),
            evidence: [Arc::clone(&evidence), evidence],
            cited: BTreeSet::new(),
            waiver: None,
            waivers: Vec::new(),
            began,
            began_by,
            last: None,
            not_seen_in: Vec::new(),
            pending: Vec::new(),
            had_object: false,
            ended_as: Vec::new(),
        };
        episode.go_on(row, began.by, texts);
        episode
    }

    /// A run sees it, and says something else of it than the last that did, or sees it again.
    pub(super) fn go_on(&mut self, row: &Row<'_>, run: RunNumber, texts: &mut Texts) {
        let before = self.last.take().or_else(|| run.checked_sub(1));
        self.not_seen_in.extend(self.pending.drain(..).map(|(run, _)| run));
        if self.waiver.as_deref() != row.waiver {
            self.close_waiver(before);
            self.waiver = row.waiver.map(|text| texts.share(text));
            self.waivers.extend(row.waiver.map(|id| WaiverSpan { id: id.to_owned(), first: run, last: run }));
        }
        self.severity = row.severity;
        self.message = texts.share(row.message);
        self.observed = row.observed.map(|text| texts.share(text));
        self.expected = texts.share(row.expected);
        self.owner = row.owner.map(|text| texts.share(text));
        self.requirements = texts.share(row.requirements);
        self.evidence[1] = texts.share(row.evidence);
        if is_of_subject(row.kind, row.place) {
            let cited = objects_of(row.evidence).map(|(resource, _)| resource);
            self.cited.extend(cited.map(|name| texts.share(name)));
        }
    }

    /// It stood on that run for the last time so far.
    pub(super) fn leave(&mut self, last: RunNumber, objects: &Objects) {
        self.last = Some(last);
        self.had_object = objects.has(&self.reference());
    }

    /// A run sees the place without it.
    pub(super) fn end(&mut self, run: RunNumber, objects: &Objects) {
        let own = self.reference();
        let changed = objects_of(&self.evidence[1]).filter_map(|(resource, before)| {
            let now = objects.digest(resource).filter(|now| *now != before && resource != own)?;
            Some((resource.to_owned(), now))
        });
        let changed = changed.take(MOST_CITED);
        let all = objects.digest(&own).map(|digest| (own.clone(), digest)).into_iter().chain(changed);
        self.ended_as = all.map(|(resource, digest)| Cited { resource, digest, run }).collect();
    }

    fn close_waiver(&mut self, last: Option<RunNumber>) {
        if let (Some(_), Some(span), Some(last)) = (self.waiver.take(), self.waivers.last_mut(), last) {
            span.last = last;
        }
    }

    pub(super) fn reference(&self) -> String {
        reference(&self.kind, self.namespace.as_deref(), &self.name)
    }

    /// Requirements that the failure is an exception to: one outside of a regulation's scope is none to it.
    fn requirements(&self, shown: Shown<'_>) -> Vec<String> {
        let counts = |id: &&str| {
            let framework = id.split_once('/').map_or(*id, |(framework, _)| framework);
            let resource = (&*self.kind, self.namespace.as_deref(), &*self.name);
            let within = |reach: &Window| reach.counts(resource, &self.place, self.cited.iter().map(|name| &**name));
            shown.wanted.holds(framework) && shown.reaches.get(framework).is_none_or(within)
        };
        self.requirements.split(' ').filter(|id| !id.is_empty()).filter(counts).map(Into::into).collect()
    }

    pub(super) fn finish(
        mut self,
        finding: FindingId,
        title: String,
        ending: Ending,
        runs: &[Run],
        shown: Shown<'_>,
    ) -> Exception {
        let (first, newest) = (self.began.by, runs.last().map_or(0, |run| run.number));
        let last = self.last.unwrap_or(newest);
        self.close_waiver(Some(last));
        let between = u32::try_from(self.not_seen_in.len()).unwrap_or(u32::MAX);
        if let Ending::Ended { .. } = ending {
            self.not_seen_in.extend(self.pending.drain(..).map(|(run, _)| run));
        }
        let mut evidence_after = std::mem::take(&mut self.ended_as);
        evidence_after.retain(|cited| shown.window.shows_reference(&cited.resource));
        let text = |text: Option<Arc<str>>| text.map(|text| text.to_string());
        Exception {
            id: String::new(),
            finding,
            title,
            duration: duration(self.began, first, last, &ending, runs),
            evidence: cited(&self.evidence, [first, last], shown.window),
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
            first_seen: first,
            last_seen: last,
            seen_in: (last + 1).saturating_sub(first).saturating_sub(between),
            not_seen_in: self.not_seen_in,
            began: self.began,
            began_by: self.began_by,
            ending,
            written_by: Vec::new(),
            repaired_by: Vec::new(),
            evidence_after,
        }
    }
}

/// Digests of the objects that a failure rests on.
pub(super) fn digests(evidence: &str) -> Vec<Digest> {
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

/// How long an exception stood, by its runs.
pub(crate) fn stood(x: &Exception, runs: &[Run]) -> RepairBounds {
    duration(x.began, x.first_seen, x.last_seen, &x.ending, runs)
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
