//! The full list that samples are drawn from, and what of it came and went.

use std::collections::{BTreeMap, BTreeSet};

use super::{seen::Objects, sight::reference};
use crate::period::{
    facts::Facts,
    model::{Bounds, Cited, Item, ItemClass, RunNumber, ScopeChange, ScopeSubject},
};

/// Objects cited for one item and one moment.
const MOST_CITED: usize = 20;
/// Controllers that nothing else here controls: what they make is counted under them.
const TOP: [&str; 5] = ["CronJob", "DaemonSet", "Deployment", "ReplicationController", "StatefulSet"];

/// Everything that there was.
#[derive(Default)]
pub(super) struct Population {
    items: BTreeMap<Key, Presence>,
    namespaces: Tracked<()>,
    nodes: Tracked<String>,
}

type Key = (ItemClass, Option<String>, String, String);

struct Presence {
    first: RunNumber,
    last: RunNumber,
    runs: u32,
    absent_in: Vec<RunNumber>,
    evidence: [Vec<Cited>; 2],
}

impl Population {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber) {
        let (objects, blind) = (&facts.objects, &facts.blind);
        let own = |reference: String| BTreeSet::from([reference]);
        let namespaces = objects.of_kind("Namespace").filter(|name| facts.window.shows("Namespace", None, name));
        let namespaces: BTreeMap<String, ()> = namespaces.map(|name| (name.to_owned(), ())).collect();
        for name in namespaces.keys() {
            let key = (ItemClass::Namespace, None, "Namespace".to_owned(), name.clone());
            self.see(key, run, &own(reference("Namespace", None, name)), objects);
        }
        for name in facts.nodes.keys() {
            let key = (ItemClass::Node, None, "Node".to_owned(), name.clone());
            self.see(key, run, &own(reference("Node", None, name)), objects);
        }
        for workload in &workloads(facts, objects) {
            let mut parts = workload.splitn(3, '/');
            if let (Some(kind), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) {
                let key = (ItemClass::Workload, Some(namespace.to_owned()), kind.to_owned(), name.to_owned());
                self.see(key, run, &own(workload.clone()), objects);
            }
        }
        for (image, workloads) in &facts.images {
            self.see((ItemClass::Image, None, "Image".to_owned(), image.clone()), run, workloads, objects);
        }
        for ((kind, namespace, name), bindings) in &facts.subjects {
            let key = (ItemClass::Subject, namespace.clone(), kind.clone(), name.clone());
            self.see(key, run, bindings, objects);
        }
        if blind.kinds(&["Namespace"]).is_none() {
            self.namespaces.add(run, namespaces);
        }
        if blind.kinds(&["Node"]).is_none() {
            self.nodes.add(run, facts.nodes.clone());
        }
    }

    fn see(&mut self, key: Key, run: RunNumber, references: &BTreeSet<String>, objects: &Objects) {
        let cited = references
            .iter()
            .filter_map(|resource| Some(Cited { resource: resource.clone(), digest: objects.digest(resource)?, run }));
        let cited: Vec<Cited> = cited.take(MOST_CITED).collect();
        match self.items.get_mut(&key) {
            Some(presence) => {
                presence.absent_in.extend(presence.last + 1..run);
                (presence.last, presence.runs) = (run, presence.runs + 1);
                presence.evidence[1] = cited;
            }
            None => {
                let evidence = [cited, Vec::new()];
                self.items.insert(key, Presence { first: run, last: run, runs: 1, absent_in: Vec::new(), evidence });
            }
        }
    }

    pub(super) fn finish(self) -> (Vec<Item>, Vec<ScopeChange>) {
        let mut changes = self.namespaces.changes(ScopeSubject::Namespace, |()| "present".into());
        changes.extend(self.nodes.changes(ScopeSubject::Node, |kubelet| format!("kubelet {kubelet}")));
        let items = self.items.into_iter().map(|((class, namespace, kind, name), presence)| {
            let Presence { first, last, runs, absent_in, evidence: [mut evidence, later] } = presence;
            for cited in later {
                // The same object in the same state needs no second citation.
                if evidence.iter().all(|known| (&known.resource, known.digest) != (&cited.resource, cited.digest)) {
                    evidence.push(cited);
                }
            }
            Item { class, namespace, kind, name, first, last, runs, absent_in, evidence }
        });
        (items.collect(), changes)
    }
}

/// What runs pods, under the name of what made it.
fn workloads(facts: &Facts, objects: &Objects) -> BTreeSet<String> {
    let mut workloads = facts.workloads.clone();
    for kind in TOP {
        let shown = objects.of_kind(kind).filter(|path| {
            path.split_once('/').is_some_and(|(namespace, name)| facts.window.shows(kind, Some(namespace), name))
        });
        workloads.extend(shown.map(|path| format!("{kind}/{path}")));
    }
    workloads
}

/// A map of names that is compared from one run that saw it to the next.
pub(super) struct Tracked<V> {
    newest: Option<(RunNumber, BTreeMap<String, V>)>,
    changes: Vec<Change<V>>,
}

struct Change<V> {
    name: String,
    between: Bounds,
    before: Option<V>,
    after: Option<V>,
}

impl<V> Default for Tracked<V> {
    fn default() -> Self {
        Self { newest: None, changes: Vec::new() }
    }
}

impl<V: Clone + PartialEq> Tracked<V> {
    /// What a run that could see it saw.
    pub(super) fn add(&mut self, run: RunNumber, now: BTreeMap<String, V>) {
        if let Some((after, before)) = &self.newest {
            let between = Bounds { after: Some(*after), by: run };
            let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            let changed = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
            self.changes.extend(changed.map(|name| Change {
                name: name.clone(),
                between,
                before: before.get(name).cloned(),
                after: now.get(name).cloned(),
            }));
        }
        self.newest = Some((run, now));
    }

    /// The changes in the words of the model.
    pub(super) fn changes(self, what: ScopeSubject, say: impl Fn(&V) -> String) -> Vec<ScopeChange> {
        let change = |change: Change<V>| ScopeChange {
            what,
            name: change.name,
            between: change.between,
            before: change.before.as_ref().map(&say),
            after: change.after.as_ref().map(&say),
        };
        self.changes.into_iter().map(change).collect()
    }
}
