//! A live cluster, read through its API: discovery first, then every list, several at once.
//!
//! Refused, timed out, not served and empty are four different outcomes; a list that fails never ends the run, and
//! never looks like an empty one.

mod connect;
mod discovery;
mod kubelets;
mod list;
pub mod platform;
mod publish;
mod transport;
mod who;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::SubsecRound;
use futures::{StreamExt, stream};

pub use connect::{Configz, ConnectError, Connection, Options, connect};
pub use kubelets::NODES_CONFIGZ;
pub use publish::{PublishError, publish};

use super::{
    Caller, Collected, Coverage, Excluded, InputError, ListOutcome, ListRecord, SCHEMA, Source, SourceKind,
    inputs::{self, nodes},
    node::{self, Candidate},
    resources,
};
use crate::{
    clock::Clock,
    snapshot::{Object, RedactionKey, Sealer, Tokens},
};
use discovery::{Discovery, Found};
use list::{Answer, Reader, Target};

/// One list has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// `deployments.apps`.
    pub resource: String,
    /// Lists that have ended.
    pub done: usize,
    /// Lists in all.
    pub total: usize,
    /// Objects of this list.
    pub objects: u64,
}

/// Reads every list of the default collection and `extra_resources` (`certificates.cert-manager.io`). Of Secrets the
/// metadata is asked for, and only where a rule of the caller names them.
///
/// Whatever goes wrong is in the coverage, up to [`Coverage::failure`].
pub async fn collect(
    connection: &Connection,
    key: Option<RedactionKey>,
    extra_resources: &[String],
    clock: &dyn Clock,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Collected {
    let started = clock.now().trunc_subsecs(0);
    let transport = &connection.transport;
    let redaction_key = key.as_ref().map(RedactionKey::id);
    let version = who::version(transport).await;
    let caller = who::caller(transport, &connection.namespace).await;
    let discovery = discovery::discover(transport).await;

    let sealer = Sealer::new(key, connection.identity.uid.as_deref().unwrap_or_default(), Tokens::Foreign);
    let sealer = Arc::new(sealer);
    let reader = Reader {
        transport,
        sealer: Arc::clone(&sealer),
        page_size: connection.options.page_size,
        timeout: connection.options.list_timeout,
        clock,
    };
    let extra: Vec<&str> = extra_resources
        .iter()
        .map(String::as_str)
        .filter(|id| *id != resources::SECRETS.plural || caller.as_ref().is_some_and(names_secrets))
        .collect();
    let plan = plan(&discovery, &extra);
    let Answers { lists, objects, reports } =
        read_all(&reader, plan, connection.options.concurrency, on_progress).await;
    let mut cluster = connection.identity.clone();
    cluster.platform = platform::recognise(version.as_deref(), discovery.serves_group_of(".openshift.io"), &objects);
    cluster.kubernetes = version;
    let source = Source { kind: SourceKind::Cluster, name: connection.server.url.clone() };
    let coverage = Coverage {
        schema: SCHEMA.into(),
        source: source.clone(),
        cluster,
        started,
        finished: clock.now().trunc_subsecs(0),
        caller,
        server: Some(connection.server.clone()),
        discovery_failures: discovery.failures,
        lists,
        redaction_key,
        excluded: excluded(&extra),
    };
    let mut collected = Collected { source, coverage, objects, errors: Vec::new() };
    add_reports(&mut collected, reports);
    match &connection.options.configz {
        Configz::NotAsked => collected.coverage.excluded.push(kubelets::not_asked()),
        Configz::Asked { ca } => {
            let read = kubelets::read(connection, ca.as_deref(), &collected, &sealer, clock).await;
            inputs::merge(&mut collected, read);
            collected.coverage.finished = clock.now().trunc_subsecs(0);
        }
    }
    collected
}

/// Adds what nodes reported; where none did, says so.
fn add_reports(collected: &mut Collected, reports: Vec<Result<Candidate, InputError>>) {
    if reports.is_empty() {
        collected.coverage.excluded.push(node::none_found());
        return;
    }
    let nodes = nodes::known(collected);
    let request = collected.coverage.list("configmaps").map_or_else(String::new, |list| list.request.clone());
    let read = node::accept(reports, nodes.as_ref(), collected.coverage.finished, &request);
    inputs::merge(collected, read);
}

/// A list to read, or the record of one that need not be asked for.
enum Step {
    Ask(Target),
    Known(ListRecord),
}

fn plan(discovery: &Discovery, extra: &[&str]) -> Vec<Step> {
    let mut ids: Vec<(String, String, String, bool)> = resources::RESOURCES
        .iter()
        .map(|r| (r.group.to_owned(), r.plural.to_owned(), r.kind.to_owned(), r.namespaced))
        .collect();
    for id in extra.iter().filter(|id| !is_event(id) && !is_own(id)) {
        let (plural, group) = id.split_once('.').unwrap_or((id, ""));
        if !ids.iter().any(|(g, p, ..)| g == group && p == plural) {
            ids.push((group.to_owned(), plural.to_owned(), String::new(), true));
        }
    }
    ids.sort();
    ids.into_iter().map(|(group, plural, kind, namespaced)| step(discovery, group, plural, kind, namespaced)).collect()
}

fn step(discovery: &Discovery, group: String, plural: String, kind: String, namespaced: bool) -> Step {
    let found = discovery.find(&group, &plural);
    let metadata_only = group.is_empty() && plural == resources::SECRETS.plural;
    let mut target = Target {
        version: resources::version_of(&group, &plural).into(),
        kind,
        namespaced,
        metadata_only,
        group: group.clone(),
        plural: plural.clone(),
    };
    match found {
        Found::Served(served) => {
            target.version.clone_from(&served.version);
            target.kind.clone_from(&served.kind);
            target.namespaced = served.namespaced;
            Step::Ask(target)
        }
        Found::NotServed => Step::Known(target.unasked(ListOutcome::NotServed)),
        // Where all of discovery is refused, the lists may still be granted, in the version that is known here.
        Found::Unknown(failure) if failure.group_version == "*" || group.is_empty() => Step::Ask(target),
        Found::Unknown(failure) => {
            let reason = format!("discovery of {}: {}", failure.group_version, failure.message);
            Step::Known(target.unasked(ListOutcome::Failed { reason }))
        }
    }
}

/// What all lists gave.
#[derive(Default)]
struct Answers {
    lists: Vec<ListRecord>,
    objects: Vec<Object>,
    reports: Vec<Result<Candidate, InputError>>,
}

async fn read_all(
    reader: &Reader<'_>,
    plan: Vec<Step>,
    concurrency: usize,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Answers {
    let (total, done) = (plan.len(), AtomicUsize::new(0));
    // Buffered in the plan's order, so that records and objects come out sorted whatever answers first.
    let answers: Vec<Answer> = stream::iter(plan)
        .map(|step| {
            let done = &done;
            async move {
                let answer = match step {
                    Step::Ask(target) => reader.read(target).await,
                    Step::Known(record) => Answer { record, objects: Vec::new(), reports: Vec::new() },
                };
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                on_progress(Progress { resource: answer.record.id(), done, total, objects: answer.record.count });
                answer
            }
        })
        .buffered(concurrency.max(1))
        .collect()
        .await;
    answers.into_iter().fold(Answers::default(), |mut all, answer| {
        all.lists.push(answer.record);
        all.objects.extend(answer.objects);
        all.reports.extend(answer.reports);
        all
    })
}

/// An administrator's wildcard is no wish to have Secrets listed: a rule must say so in words.
fn names_secrets(caller: &Caller) -> bool {
    let has = |list: &[String], item: &str| list.iter().any(|entry| entry == item);
    caller.rules.iter().any(|rule| {
        has(&rule.groups, "") && has(&rule.resources, resources::SECRETS.plural) && has(&rule.verbs, "list")
    })
}

fn is_event(id: &str) -> bool {
    matches!(id, "events" | "events.events.k8s.io")
}

/// No resource of the API: objects of our own group, and answers of kubelets.
fn is_own(id: &str) -> bool {
    id.contains('/') || id.split_once('.').is_some_and(|(_, group)| group == inputs::GROUP)
}

/// What is never asked for, and why.
fn excluded(extra: &[&str]) -> Vec<Excluded> {
    let entry = |resource: &str, reason: &str| Excluded { resource: resource.into(), reason: reason.into() };
    let mut excluded = vec![
        entry("events", "they expire within hours and say nothing about configuration"),
        entry("events.events.k8s.io", "they expire within hours and say nothing about configuration"),
    ];
    let secrets = match extra.contains(&resources::SECRETS.plural) {
        true => "content is never asked for; only metadata was, as a rule of the caller allows",
        false => "their content is never evidence; checks that need their age or type are not evaluated",
    };
    excluded.push(entry(resources::SECRETS.plural, secrets));
    excluded
}

#[cfg(test)]
mod tests;
