//! What people declared, by the files that the runs signed: declarations in their writers' words, how they stood on each
//! run, and the waivers under which exceptions stood.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use chrono::NaiveDate;

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files,
};
use crate::{
    bundle::{bag, package::PERIOD},
    config::{At, Waiver, WaiversFile, parse_yaml},
    digest::Digest,
    evaluate::waivers::{Term, selects},
    period::{
        carried::{self, Standing},
        evidence::{PROOF, proof_folder},
        model::{ClusterPeriod, DeclarationPeriod, DeclaredFile, Exception, Filter, RunNumber, StateSpan, WaiverSpan},
        written::{self, DeclarationKey, KINDS, WAIVERS, Written, file_of},
    },
};

/// Digests of the files that declarations point at, by name; `None` for one that was not found.
const ATTESTED: &str = "data/rules/attested.json";
/// States that a declaration may have while its days hold, beside those that the days give it.
const LIVE: [&str; 4] = ["unmatched", "file missing", "file changed", "missing"];

/// What a file of the rules said on a run.
pub(super) enum Said<'a, T> {
    /// The run had no such file.
    Nothing,
    /// The package does not hold it, or this version cannot read it.
    Unknown,
    /// It had this.
    This(&'a T),
}

/// What a file of the rules said, over successive runs; `None` where that is not known.
pub(super) struct Timeline<T>(Vec<(RangeInclusive<RunNumber>, Option<T>)>);

impl<T> Timeline<T> {
    /// Of one file of a cluster's runs.
    pub(super) fn of(
        files: &Files,
        (cluster, standing): (&ClusterPeriod, &[Standing]),
        path: &str,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Self {
        let own = standing.iter().filter(|file| file.path == path);
        let said = own.map(|file| {
            let bytes = files.get(&carried::package_path(&cluster.folder, path, file.first));
            (file.first..=file.last, bytes.and_then(|bytes| read(bytes)))
        });
        Self(said.collect())
    }

    /// What it said on a run.
    pub(super) fn on(&self, run: RunNumber) -> Said<'_, T> {
        match self.0.iter().find(|(runs, _)| runs.contains(&run)) {
            None => Said::Nothing,
            Some((_, None)) => Said::Unknown,
            Some((_, Some(said))) => Said::This(said),
        }
    }

    fn known(&self) -> impl Iterator<Item = (RangeInclusive<RunNumber>, &T)> {
        self.0.iter().filter_map(|(runs, said)| Some((runs.clone(), said.as_ref()?)))
    }

    /// Runs whose file is not known.
    fn unknown(&self) -> impl Iterator<Item = RunNumber> {
        self.0.iter().filter(|(_, said)| said.is_none()).flat_map(|(runs, _)| runs.clone())
    }
}

type Declarations = BTreeMap<DeclarationKey, Written>;

/// The declared files of one cluster's runs, as far as the package holds them.
pub(super) struct Declared<'a> {
    cluster: &'a ClusterPeriod,
    /// By kind.
    written: BTreeMap<&'static str, Timeline<Declarations>>,
    waivers: Timeline<Vec<At<Waiver>>>,
    attested: Timeline<BTreeMap<String, Option<Digest>>>,
    /// Digests of the files that bundles hold for declarations, in hexadecimal.
    attached: BTreeSet<String>,
}

/// Holds declarations and waivers of exceptions against the files. Returns on how many runs some of these are not here.
pub(super) fn judge(
    files: &Files,
    (cluster, standing): (&ClusterPeriod, &[Standing]),
    filter: &Filter,
    steps: &mut Steps,
) -> u64 {
    let declared = Declared::of(files, (cluster, standing));
    let of_declarations = cluster.declarations.iter().filter_map(|said| declared.contradiction(said, filter));
    let of_exceptions = cluster.exceptions.iter().filter_map(|x| declared.waived_otherwise(x, filter));
    let unsaid = filter.is_whole().then(|| declared.unsaid()).flatten();
    for detail in of_declarations.chain(of_exceptions).chain(unsaid) {
        steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
    }
    let unknown: BTreeSet<RunNumber> = declared.written.values().flat_map(Timeline::unknown).collect();
    unknown.len() as u64
}

impl<'a> Declared<'a> {
    fn of(files: &Files, (cluster, standing): (&'a ClusterPeriod, &[Standing])) -> Self {
        let of_kind = |kind: &'static str| {
            let path = file_of(kind)?;
            Some((kind, Timeline::of(files, (cluster, standing), path, |bytes| written::declared(kind, bytes))))
        };
        let waivers = |bytes: &[u8]| Some(parse_yaml::<WaiversFile>(WAIVERS, bytes).ok()?.value.waivers);
        Self {
            cluster,
            written: KINDS.into_iter().filter_map(of_kind).collect(),
            waivers: Timeline::of(files, (cluster, standing), WAIVERS, waivers),
            attested: Timeline::of(files, (cluster, standing), ATTESTED, |bytes| serde_json::from_slice(bytes).ok()),
            attached: attached(files, cluster),
        }
    }

    fn day(&self, run: RunNumber) -> Option<NaiveDate> {
        self.cluster.run(run).map(|run| run.finished.date_naive())
    }

    /// What the package says of a declaration and no file does.
    fn contradiction(&self, said: &DeclarationPeriod, filter: &Filter) -> Option<String> {
        let wrong = |detail: &str| Some(format!("{} {}: {detail}", said.kind, said.id));
        let (Some(timeline), Some(newest)) = (self.written.get(said.kind.as_str()), said.last_named()) else {
            return wrong("no run declared it");
        };
        let key = (said.kind.clone(), said.id.clone());
        for (span, run) in said.states.iter().flat_map(|span| (span.first..=span.last).map(move |run| (span, run))) {
            let Some(day) = self.day(run) else { return wrong("stood on a run that there is not") };
            match timeline.on(run) {
                Said::Unknown => {}
                Said::Nothing => return wrong("a run that it stood on declared nothing of its kind"),
                Said::This(file) => match file.get(&key) {
                    None => return wrong("a run that it stood on did not declare it"),
                    Some(own) if own.until != span.until => return wrong("its last day is not the declared one"),
                    Some(own) if self.is_own(run) && !self.may_be(&said.kind, span, own, run, day) => {
                        return wrong("how it stood does not follow from its days");
                    }
                    Some(_) => {}
                },
            }
        }
        if let Said::This(file) = timeline.on(newest)
            && file.get(&key).is_some_and(|own| !says(said, own, filter))
        {
            return wrong("its words are not those of the runs' file");
        }
        let astray = said.files.iter().any(|file| !self.points_at(said, &file.name, file.digest));
        let unnamed = said.states.iter().flat_map(|span| span.first..=span.last).any(|run| !self.names(said, run));
        let hides = |file: &DeclaredFile| {
            file.path.is_none() && file.digest.is_some_and(|digest| self.attached.contains(&digest.hex()))
        };
        let hidden = !filter.hides_names() && said.files.iter().any(hides);
        if self.unused_yet_used(said) {
            return wrong("is said to match nothing on a run on which exceptions stood under it");
        }
        match astray || unnamed || hidden {
            true => wrong("it does not point at the files that the package names"),
            false => None,
        }
    }

    /// A waiver that matched nothing, and under which exceptions stood.
    fn unused_yet_used(&self, said: &DeclarationPeriod) -> bool {
        let idle = |run: RunNumber| said.state_on(run).is_some_and(|span| span.state == "unmatched");
        let mut spans = self.cluster.exceptions.iter().flat_map(|x| &x.waivers).filter(|span| span.id == said.id);
        said.kind == "waiver"
            && said.states.iter().any(|span| span.state == "unmatched")
            && spans.any(|span| (span.first..=span.last).any(idle))
    }

    /// Every file that it pointed at on a run is named, with the bytes that the run found.
    fn names(&self, said: &DeclarationPeriod, run: RunNumber) -> bool {
        let Some(Said::This(file)) = self.written.get(said.kind.as_str()).map(|timeline| timeline.on(run)) else {
            return true;
        };
        let Some(own) = file.get(&(said.kind.clone(), said.id.clone())) else { return true };
        own.files.iter().all(|name| {
            let mut named = said.files.iter().filter(|file| file.name == *name);
            match self.attested.on(run) {
                Said::This(index) => named.any(|file| file.digest == index.get(name).copied().flatten()),
                Said::Unknown | Said::Nothing => named.next().is_some(),
            }
        })
    }

    /// Whether a declaration of these days can have stood so on that day.
    fn may_be(&self, kind: &str, span: &StateSpan, own: &Written, run: RunNumber, day: NaiveDate) -> bool {
        let Some(until) = own.until else { return false };
        // A waiver's first day is its own, an attestation's and a document's the day on which it was said.
        let term = Term::of(own.since, until, day);
        let lacks = match self.attested.on(run) {
            Said::This(index) => own.files.iter().any(|name| index.get(name).copied().flatten().is_none()),
            Said::Nothing => !own.files.is_empty(),
            Said::Unknown => true,
        };
        match span.state.as_str() {
            "missing" => kind == "provider" && lacks,
            "file missing" => term.is_live() && lacks,
            state => state == term.state() || term.is_live() && LIVE.contains(&state),
        }
    }

    /// The words for states are this version's.
    fn is_own(&self, run: RunNumber) -> bool {
        self.cluster.run(run).is_some_and(|run| run.tool_version == env!("CARGO_PKG_VERSION"))
    }

    /// Some run declared it with that file, and found those bytes; or that is not known.
    fn points_at(&self, said: &DeclarationPeriod, name: &str, digest: Option<Digest>) -> bool {
        let key = (said.kind.clone(), said.id.clone());
        let Some(timeline) = self.written.get(said.kind.as_str()) else { return false };
        let mut runs = said.states.iter().flat_map(|span| span.first..=span.last);
        runs.any(|run| {
            let names = match timeline.on(run) {
                Said::This(file) => file.get(&key).is_some_and(|own| own.files.iter().any(|file| file == name)),
                Said::Unknown => true,
                Said::Nothing => false,
            };
            let found = match self.attested.on(run) {
                Said::This(index) => index.get(name).copied().flatten() == digest,
                Said::Unknown => true,
                Said::Nothing => digest.is_none(),
            };
            names && found
        })
    }

    /// A declaration of some run that the package says nothing of.
    fn unsaid(&self) -> Option<String> {
        let stood = |(kind, id): &DeclarationKey, run: RunNumber| {
            let mut own = self.cluster.declarations.iter().filter(|said| said.kind == *kind && said.id == *id);
            own.any(|said| said.state_on(run).is_some())
        };
        let files = self.written.values().flat_map(Timeline::known);
        let mut declared =
            files.flat_map(|(runs, file)| runs.flat_map(move |run| file.keys().map(move |key| (key, run))));
        let ((kind, id), run) = declared.find(|(key, run)| !stood(key, *run))?;
        Some(format!("{kind} {id}: run {run} declared it, and the package does not say so"))
    }

    /// An exception that stood under a waiver that no file has for it, or without one that a file has.
    fn waived_otherwise(&self, x: &Exception, filter: &Filter) -> Option<String> {
        if x.waivers.is_empty()
            && !self.waivers.known().any(|(_, all)| all.iter().any(|waiver| waiver.check == x.check))
        {
            return None;
        }
        let wrong = |run: RunNumber| match (self.waivers.on(run), x.waiver_on(run)) {
            (Said::Unknown, _) | (Said::Nothing, None) => false,
            (Said::Nothing, Some(_)) => true,
            (Said::This(all), Some(span)) => !self.may_waive(all, span, x, run, filter),
            (Said::This(all), None) => all.iter().any(|waiver| self.must_waive(waiver, x, run, filter)),
        };
        let run = x.runs().find(|run| wrong(*run))?;
        Some(format!("{}: the waivers that it stood under on run {run} are not those of the run's file", x.id))
    }

    /// Whether a waiver of that name covers it. Names that are replaced cannot be told, nor can labels.
    fn may_waive(&self, all: &[At<Waiver>], span: &WaiverSpan, x: &Exception, run: RunNumber, filter: &Filter) -> bool {
        let mut own = all.iter().filter(|waiver| waiver.id == span.id && waiver.check == x.check);
        own.any(|waiver| {
            let selected =
                filter.hides_names() || selects(&waiver.resources, &x.resource, x.container.as_deref(), &x.place);
            selected && self.day(run).is_some_and(|day| Term::of(waiver.from, waiver.until, day).is_live())
        })
    }

    /// Kinds that need a document do not hold without it.
    fn has_document(&self, waiver: &Waiver, run: RunNumber) -> bool {
        let found = |name: &String| match self.attested.on(run) {
            Said::This(index) => index.get(name).copied().flatten().is_some(),
            Said::Unknown | Said::Nothing => false,
        };
        !waiver.kind.needs_document() || waiver.document.as_ref().is_some_and(found)
    }

    /// Whether a waiver covers it for certain.
    fn must_waive(&self, waiver: &Waiver, x: &Exception, run: RunNumber, filter: &Filter) -> bool {
        waiver.check == x.check
            && !filter.hides_names()
            && waiver.resources.labels.is_empty()
            && self.has_document(waiver, run)
            && selects(&waiver.resources, &x.resource, x.container.as_deref(), &x.place)
            && self.day(run).is_some_and(|day| Term::of(waiver.from, waiver.until, day).is_live())
    }
}

/// Files that declarations point at, as the manifests of the runs name them.
fn attached(files: &Files, cluster: &ClusterPeriod) -> BTreeSet<String> {
    let manifests = cluster.runs.iter().filter_map(|run| {
        let manifest = files.get(&format!("{}{}", proof_folder(&cluster.folder, run.number), PROOF[0]))?;
        bag::parse(manifest).ok()
    });
    let paths = manifests.flat_map(|lines| lines.into_keys());
    let digest = |path: String| Some(path.strip_prefix(super::ATTESTED)?.split('.').next()?.to_owned());
    paths.filter_map(digest).collect()
}

/// What people read beside a declaration's words: nothing, unless it did not count on that run.
fn is_plain(between: &str, state: &str) -> bool {
    let counts = |state: &str| !LIVE.contains(&state);
    between.is_empty() || !counts(state) && (between.starts_with("; ") || between.starts_with(" ("))
}

/// Whether the package says what was written. A limited package names only what concerns it.
fn says(said: &DeclarationPeriod, own: &Written, filter: &Filter) -> bool {
    let about = match filter.is_whole() {
        true => said.about == own.about,
        false => said.about.iter().all(|about| own.about.contains(about)),
    };
    let words = (&said.form, &said.by, said.since, said.until, &said.text, &said.ticket)
        == (&own.form, &own.by, own.since, own.until, &own.text, &own.ticket);
    let state = said.states.last().map_or("", |span| span.state.as_str());
    let [head, tail] = own.note(&said.kind);
    let between = said.note.strip_prefix(head.as_str()).and_then(|rest| rest.strip_suffix(tail.as_str()));
    about && words && (said.kind == "provider" || between.is_some_and(|between| is_plain(between, state)))
}
