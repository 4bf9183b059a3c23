//! All checks over a snapshot. Each object is parsed, judged and dropped; only what checks are related to is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rayon::prelude::*;

use super::{
    CheckResult, Counts, Evidence, Finding, FindingId, Outcome, Place,
    batch::Batch,
    documents,
    documents::{Document, Made, Tables},
    gather::{count, merge, overall, row, sorted, tally},
    grants::Behind,
    judge::{Keep, Memo, Ready, Said, Subject},
    kinds,
    pins::{Pinned, Pins, both},
    related::{Entry, Index, document},
    scope::{GRANTS, Reach},
    sight::{self, Unseen},
    target::{Judged, Pod, Target, Workloads, judged, workload},
    value::Node,
};
use crate::{
    collect::{Coverage, SourceKind},
    framework::{
        check::{Minor, On},
        library::{Check, Library},
    },
    resource::ResourceRef,
    snapshot::{Object, Snapshot},
};

/// Kind of the resource that a finding names where a check waits for a parameter.
const PARAMETERS: &str = "Parameters";

/// Objects judged in one go by one thread.
const BATCH: usize = 256;

/// Stable place that stands for any in an object, where only the object decides in which scopes it is.
const IN_OBJECT: &str = "spec";

/// What is asked of the engine.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The objects.
    pub snapshot: &'a Snapshot,
    /// What was seen.
    pub coverage: &'a Coverage,
    /// The checks.
    pub library: &'a Library,
    /// What is known beside them.
    pub tables: Tables<'a>,
    /// Minor version of the cluster; without one, the newest variant of each check decides.
    pub kubernetes: Option<Minor>,
    /// Checks that judge by the policy version that a namespace pins as well.
    pub pod_security: &'a BTreeSet<&'a str>,
    /// Scopes in each of which it is asked how often a check passed.
    pub reaches: &'a [Reach<'a>],
    /// Keep passes among the findings.
    pub keep_passes: bool,
}

/// What the checks say, before waivers, owners and requirements.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Sorted by severity (worst first), check, resource, place.
    pub findings: Vec<Finding>,
    /// One row per check, by id.
    pub checks: Vec<CheckResult>,
    /// Outcomes over every place of every check.
    pub counts: Counts,
    /// For each scope asked about, the places in it where a check passed, by check; checks that passed nowhere are left out.
    pub passed_within: Vec<BTreeMap<String, u64>>,
}

/// Judges everything.
pub fn run(input: &Input<'_>) -> Judgement {
    let params = BTreeMap::new();
    let now = input.coverage.finished.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let ready =
        input.library.checks().map(|check| Ready::new(check, check.policy(input.kubernetes, &params), &now)).collect();
    let wanted = input.library.checks().map(|check| &check.on).collect();
    let mut documents =
        documents::of(Made { snapshot: input.snapshot, coverage: input.coverage, tables: input.tables }, &wanted);
    // Manifests are a part of some cluster: what they lack may stand beside them.
    if input.coverage.source.kind == SourceKind::Manifests {
        documents.retain(|document| !matches!(document.on, On::Cluster | On::Scope));
    }
    judge(input, ready, &documents)
}

/// Judges prepared checks over the snapshot's objects and over `documents`, which are no objects.
pub fn judge(input: &Input<'_>, ready: Vec<Ready<'_>>, documents: &[Document]) -> Judgement {
    let engine = Engine::new(input, ready, documents);
    let (objects, others): (Vec<Batch>, Vec<Batch>) = rayon::join(
        || input.snapshot.objects.par_chunks(BATCH).map(|objects| engine.objects(objects)).collect(),
        || engine.documents(documents),
    );
    let mut total = engine.batch();
    total.findings.reserve_exact(objects.iter().chain(&others).map(|batch| batch.findings.len()).sum());
    for batch in objects.into_iter().chain(others) {
        total.add(batch);
    }
    total.findings.extend(engine.unseen());
    total.findings.extend(engine.waiting(&total.lack_parameters));
    engine.result(total)
}

struct Engine<'a> {
    input: &'a Input<'a>,
    ready: Vec<Ready<'a>>,
    pods: Vec<usize>,
    kinds: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    others: Vec<usize>,
    unseen: Vec<Vec<Unseen>>,
    workloads: Workloads<'a>,
    index: Index<'a>,
    pinned: Pinned<'a>,
}

/// Verdicts remembered while some objects are judged.
struct Memos {
    checks: Vec<Memo>,
    pinned: BTreeMap<(usize, Minor), Memo>,
}

impl<'a> Engine<'a> {
    fn new(input: &'a Input<'a>, ready: Vec<Ready<'a>>, documents: &[Document]) -> Self {
        let objects = &input.snapshot.objects;
        let given: BTreeSet<&On> = documents.iter().map(|document| &document.on).collect();
        let (mut pods, mut kinds, mut others) = (Vec::new(), BTreeMap::<_, Vec<usize>>::new(), Vec::new());
        let (mut unseen, mut resources) = (Vec::new(), BTreeSet::new());
        for (at, check) in ready.iter().map(|ready| ready.check).enumerate() {
            let given = given.contains(&check.on);
            let exists = given || exists(check, objects);
            let mut blind = sight::unseen_related(check, input.coverage);
            // Without a target nothing rests on what is related; with one, nothing can be said of it.
            if exists {
                resources.extend(check.related.values().map(|related| related.resource.as_str()));
            } else {
                blind.clear();
            }
            if blind.is_empty() {
                match &check.on {
                    On::Pod => pods.push(at),
                    On::Kind { group, kind } => kinds.entry((group.as_str(), kind.as_str())).or_default().push(at),
                    _ => others.push(at),
                }
            }
            blind.extend(sight::unseen_targets(check, input.coverage, given));
            unseen.push(blind);
        }
        let index = Index::build(objects, &resources);
        let standards = pods.iter().map(|at| (*at, &ready[*at]));
        let standards = standards.filter(|(_, ready)| input.pod_security.contains(ready.check.id.as_str()));
        let pinned = Pinned::new(Pins::of(objects, input.kubernetes), standards, input.kubernetes);
        Self { input, ready, pods, kinds, others, unseen, workloads: Workloads::of(objects), index, pinned }
    }

    /// A large cluster has more places where nothing is asked than all others: its evidence counts them, where
    /// manifests are told about each.
    fn keep(&self) -> Keep {
        match self.input.coverage.source.kind {
            _ if self.input.keep_passes => Keep::Everything,
            SourceKind::Manifests => Keep::AllButPasses,
            _ => Keep::Exceptions,
        }
    }

    fn batch(&self) -> Batch {
        Batch::new(self.ready.len(), self.input.reaches.len())
    }

    /// The scopes that a resource is in, by their number.
    fn scopes(&self, resource: &ResourceRef, stable: &str) -> Vec<usize> {
        let (kind, namespace, name) = (&resource.kind, resource.namespace.as_deref(), &resource.name);
        let reaches = self.input.reaches.iter().enumerate();
        reaches.filter(|(_, reach)| reach.holds_place(kind, namespace, name, stable)).map(|(at, _)| at).collect()
    }

    fn objects(&self, objects: &[Object]) -> Batch {
        let mut batch = self.batch();
        let checks = self.ready.iter().map(|_| Memo::default()).collect();
        let mut memos = Memos { checks, pinned: BTreeMap::new() };
        for object in objects {
            let of_kind = self.kinds.get(&(object.gvk.group.as_str(), object.gvk.kind.as_str()));
            let workload = workload(object).filter(|_| !self.pods.is_empty());
            if of_kind.is_none() && workload.is_none() {
                continue;
            }
            let document = document(object);
            if let Some(workload) = workload {
                let pod = Pod::of(&document, workload);
                let target = Target::pod(&document, &pod);
                self.pod(object, &document, &target, &mut memos, &mut batch);
            }
            let target = Target::document(&document, None);
            let scopes = self.scopes(&object.reference(), IN_OBJECT);
            for at in of_kind.into_iter().flatten() {
                let subject = subject(object, object.reference());
                let related = self.related(*at, Some((object, &document)));
                let memo = &mut memos.checks[*at];
                batch.take(*at, self.ready[*at].judge(&target, &subject, &related, memo, self.keep()), &scopes);
            }
        }
        batch
    }

    fn pod(&self, object: &Object, document: &Node, target: &Target<'_>, memos: &mut Memos, batch: &mut Batch) {
        let (resource, adopted) = match judged(object, document, &self.workloads) {
            Judged::ByController => return,
            Judged::Itself => (object.reference(), false),
            Judged::As(controller) => (controller, true),
        };
        let scopes = self.scopes(&resource, IN_OBJECT);
        let subject = subject(object, resource);
        for at in self.pods.iter().copied() {
            let related = self.related(at, Some((object, document)));
            // Replicas say the same several times: what they say is merged before it is counted.
            let keep = if adopted { Keep::Everything } else { self.keep() };
            let memo = &mut memos.checks[at];
            let said = match self.pinned.of(at, object.namespace.as_deref()) {
                None => self.ready[at].judge(target, &subject, &related, memo, keep),
                Some((pin, by_namespace)) => {
                    let pinned = memos.pinned.entry((at, pin)).or_default();
                    // Both walk to the same places: with everything kept, they stand side by side.
                    let theirs = by_namespace.judge(target, &subject, &related, pinned, Keep::Everything).findings;
                    let ours = self.ready[at].judge(target, &subject, &related, memo, Keep::Everything).findings;
                    Said::of(ours.into_iter().zip(theirs).map(|(ours, theirs)| both(ours, theirs, pin)), keep)
                }
            };
            if adopted {
                batch.adopt(at, said, &scopes);
            } else {
                batch.take(at, said, &scopes);
            }
        }
    }

    fn related(&self, at: usize, target: Option<(&Object, &Node)>) -> Vec<(&'a str, Vec<&Entry<'a>>)> {
        let related = self.ready[at].check.related.iter();
        related.map(|(name, related)| (name.as_str(), self.index.find(related, target))).collect()
    }

    fn documents(&self, documents: &[Document]) -> Vec<Batch> {
        let origins = documents::Origins::new(&self.input.snapshot.objects);
        let of_subjects = documents.iter().any(|document| document.on == On::Subject);
        let behind = of_subjects.then(|| Behind::new(self.input.snapshot));
        let checks = self.others.par_iter().flat_map(|at| {
            let on = &self.ready[*at].check.on;
            let own: Vec<&Document> = documents.iter().filter(|document| document.on == *on).collect();
            let parts: Vec<_> = own.chunks(BATCH).map(<[_]>::to_vec).collect();
            parts
                .into_par_iter()
                .map(|part| self.over_documents(*at, &part, (&origins, behind.as_ref())))
                .collect::<Vec<_>>()
        });
        checks.collect()
    }

    /// One check over some of the documents that it is about.
    fn over_documents(
        &self,
        at: usize,
        documents: &[&Document],
        (origins, behind): (&documents::Origins<'_>, Option<&Behind<'_>>),
    ) -> Batch {
        let (mut batch, mut memo) = (self.batch(), Memo::default());
        let on = &self.ready[at].check.on;
        for document in documents {
            let target = Target::document(&document.node, documents::alias(on));
            let subject = Subject {
                resource: Arc::new(document.resource.clone()),
                evidence: document.evidence.as_slice().into(),
                behind: behind.filter(|_| *on == On::Subject),
                origin: origins.of(&document.evidence),
                base: document.base,
                container: document.node.get("container").and_then(Node::as_str).filter(|_| *on == On::Image),
            };
            let related = self.related(at, None);
            // A container that runs two digests while it is rolled out is one place, at its worst.
            let merged = *on == On::Image;
            let keep = if merged { Keep::Everything } else { self.keep() };
            let said = self.ready[at].judge(&target, &subject, &related, &mut memo, keep);
            // As findings of it are placed: a subject counts where it has rights.
            let stable = if *on == On::Subject { GRANTS } else { "" };
            let scopes = self.scopes(&document.resource, stable);
            if *on == On::Subject {
                self.pass_inside(at, &said, &scopes, &mut batch);
            }
            if merged {
                batch.adopt(at, said, &scopes);
            } else {
                batch.take(at, said, &scopes);
            }
        }
        batch
    }

    /// Counts as passes of a scope the places where a subject with rights in it fails for rights outside of it alone.
    /// Where a pass requires more than the check's condition, nobody asked for that: such a place is none.
    fn pass_inside(&self, at: usize, said: &Said, scopes: &[usize], batch: &mut Batch) {
        if self.ready[at].check.requires.is_some() {
            return;
        }
        let failures = || said.findings.iter().filter(|finding| finding.outcome == Outcome::Fail);
        for scope in scopes {
            let outside = failures().filter(|finding| !self.input.reaches[*scope].holds(finding)).count();
            batch.pass(at, outside as u64, &[*scope]);
        }
    }

    /// One finding per check and list that was not seen.
    fn unseen(&self) -> Vec<Finding> {
        let each = self.ready.iter().zip(&self.unseen);
        each.flat_map(|(ready, unseen)| unseen.iter().map(|unseen| not_seen(ready.check, unseen))).collect()
    }

    /// One finding per check that waits for a parameter.
    fn waiting(&self, checks: &BTreeSet<usize>) -> Vec<Finding> {
        let each = checks.iter().map(|at| &self.ready[*at]);
        each.filter_map(|ready| Some(not_set(ready.check, ready.unset()?))).collect()
    }

    fn result(&self, mut total: Batch) -> Judgement {
        let places: BTreeMap<&str, usize> = (0..).zip(&self.ready).map(|(at, ready)| (&*ready.check.id, at)).collect();
        let mut passes = std::mem::take(&mut total.passes);
        let (mut findings, mut not_applicable) = (std::mem::take(&mut total.findings), total.not_applicable);
        for finding in merge(std::mem::take(&mut total.adopted)) {
            let at = places[&*finding.check];
            if finding.outcome == Outcome::Pass {
                self.pass_merged(at, &finding, &mut total);
            }
            match finding.outcome {
                outcome if self.keep().keeps(outcome) => findings.push(finding),
                Outcome::Pass => passes[at] += 1,
                _ => not_applicable += 1,
            }
        }
        let findings = sorted(findings);
        let mut checks: BTreeMap<&str, CheckResult> =
            self.ready.iter().map(|ready| (ready.check.id.as_str(), row(ready.check))).collect();
        let mut counts = Counts { pass: passes.iter().sum(), not_applicable, ..Counts::default() };
        for finding in &findings {
            count(&mut counts, finding.outcome);
            if let Some(row) = checks.get_mut(&*finding.check) {
                tally(row, finding);
            }
        }
        for (id, row) in &mut checks {
            row.evaluated += passes[places[id]];
            row.outcome = overall(row);
        }
        let named = |passes: BTreeMap<usize, u64>| {
            passes.into_iter().map(|(at, passes)| (self.ready[at].check.id.clone(), passes)).collect()
        };
        let passed_within = total.passed_within.into_iter().map(named).collect();
        Judgement { checks: checks.into_values().collect(), findings, counts, passed_within }
    }

    /// Counts a place that several replicas show as one.
    fn pass_merged(&self, at: usize, finding: &Finding, total: &mut Batch) {
        let stable = if self.ready[at].check.on == On::Image { "" } else { IN_OBJECT };
        total.pass(at, 1, &self.scopes(&finding.resource, stable));
    }
}

fn exists(check: &Check, objects: &[Object]) -> bool {
    match &check.on {
        On::Pod => objects.iter().any(|object| workload(object).is_some()),
        On::Kind { group, kind } => objects.iter().any(|object| object.gvk.group == *group && object.gvk.kind == *kind),
        _ => false,
    }
}

fn subject(object: &Object, resource: ResourceRef) -> Subject<'_> {
    let evidence = Arc::new([Evidence::of(object)]);
    let resource = Arc::new(resource);
    Subject { resource, evidence, behind: None, origin: object.origin.as_deref(), base: "", container: None }
}

fn not_seen(check: &Check, unseen: &Unseen) -> Finding {
    let (api_version, kind, name) = match &unseen.provider {
        Some(platform) => (crate::config::API_VERSION.to_string(), sight::PROVIDER, platform),
        None => {
            let known = kinds::by_resource(&unseen.what).map_or_else(|| "v1".to_string(), kinds::api_version);
            (known, sight::LIST, &unseen.what)
        }
    };
    let resource = ResourceRef { api_version, kind: kind.into(), namespace: None, name: name.clone(), uid: None };
    not_evaluated(check, resource, format!("{} {}", unseen.what, unseen.why))
}

fn not_set(check: &Check, why: &str) -> Finding {
    let resource = ResourceRef {
        api_version: crate::config::API_VERSION.into(),
        kind: PARAMETERS.into(),
        namespace: None,
        name: check.id.clone(),
        uid: None,
    };
    not_evaluated(check, resource, why.to_owned())
}

/// What a check cannot say of anything.
fn not_evaluated(check: &Check, resource: ResourceRef, reason: String) -> Finding {
    Finding {
        id: FindingId::of(&check.id, &resource, ""),
        check: check.id.as_str().into(),
        severity: check.severity,
        outcome: Outcome::NotEvaluated,
        message: format!("not evaluated: {reason}").into(),
        reason: Some(reason.into()),
        resource: Arc::new(resource),
        place: Place::default(),
        observed: serde_json::Value::Null,
        expected: check.expected.fill(|_| None).into(),
        evidence: Arc::default(),
        file: None,
        requirements: Arc::default(),
        owner: None,
        waiver: None,
        expected_by: None,
        policy: None,
    }
}
