//! Permissions gained and lost per subject, whatever chain gives them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Cause, ChangedBy, PermissionChange, Side, Writers, is_seen,
    objects::{self, Key},
    writers::Found,
};
use crate::{
    rbac::{self, Grant},
    snapshot::Object,
};

const GROUP: &str = "rbac.authorization.k8s.io";

const LISTS: [&str; 4] = [
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
];

/// What may be done, without the chain that gives it: a permission that moves to another role is not a change.
type Permission<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn permission(grant: &Grant) -> Permission<'_> {
    (
        &grant.verb,
        &grant.group,
        &grant.resource,
        grant.resource_name.as_deref(),
        grant.url.as_deref(),
        grant.namespace.as_deref(),
    )
}

fn subject(grant: &Grant) -> String {
    match &grant.subject_namespace {
        Some(namespace) => format!("{}/{namespace}/{}", grant.subject_kind, grant.subject_name),
        None => format!("{}/{}", grant.subject_kind, grant.subject_name),
    }
}

type BySubject<'a> = BTreeMap<String, BTreeMap<Permission<'a>, &'a Grant>>;

fn by_subject(grants: &[Grant]) -> BySubject<'_> {
    let mut subjects = BySubject::new();
    for grant in grants {
        subjects.entry(subject(grant)).or_default().entry(permission(grant)).or_insert(grant);
    }
    subjects
}

pub(super) fn changes(old: Side<'_>, new: Side<'_>, writers: &Writers) -> Vec<PermissionChange> {
    let all_seen = LISTS.iter().all(|list| is_seen(old.coverage, list) && is_seen(new.coverage, list));
    let cause = if all_seen { Cause::Cluster } else { Cause::Sight };
    let (before, after) = (by_subject(&old.snapshot.grants), by_subject(&new.snapshot.grants));
    let chains =
        Chains { before: objects::index(&old.snapshot.objects), after: objects::index(&new.snapshot.objects), writers };
    let none = BTreeMap::new();
    let names: BTreeMap<&String, ()> = before.keys().chain(after.keys()).map(|name| (name, ())).collect();
    names
        .into_keys()
        .filter_map(|name| {
            let (a, b) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
            let mut change = change(name, missing(b, a), missing(a, b), cause)?;
            if cause == Cause::Cluster {
                (change.changed_by, change.more_writes) = chains.writers_of(&change);
            }
            Some(change)
        })
        .collect()
}

/// Roles and bindings on both sides, and who wrote them.
struct Chains<'a> {
    before: BTreeMap<Key<'a>, &'a Object>,
    after: BTreeMap<Key<'a>, &'a Object>,
    writers: &'a Writers,
}

impl Chains<'_> {
    /// Who wrote what of the chains is not as it was.
    fn writers_of(&self, change: &PermissionChange) -> (Vec<ChangedBy>, u64) {
        let links: BTreeSet<Key<'_>> = change.gained.iter().chain(&change.lost).flat_map(links).collect();
        let mut found = Found::default();
        for link in links {
            let (before, after) = (self.before.get(&link).copied(), self.after.get(&link).copied());
            if before.map(|object| object.digest) != after.map(|object| object.digest) {
                self.writers.find(before, after, &mut found);
            }
        }
        found.bounded()
    }
}

/// The objects of a chain: binding, role, and the role that it aggregates.
fn links(grant: &Grant) -> impl Iterator<Item = Key<'_>> {
    let within = |kind: &str| match kind {
        "ClusterRole" | "ClusterRoleBinding" => "",
        _ => grant.namespace.as_deref().unwrap_or_default(),
    };
    let link = move |kind, name| (GROUP, kind, within(kind), name);
    let aggregated = grant.aggregated_from.as_deref().map(|name| link("ClusterRole", name));
    [link(&*grant.binding_kind, &*grant.binding), link(&*grant.role_kind, &*grant.role)].into_iter().chain(aggregated)
}

/// Permissions of `there` that are not in `here`.
fn missing<'a>(there: &BTreeMap<Permission<'a>, &'a Grant>, here: &BTreeMap<Permission<'a>, &'a Grant>) -> Vec<Grant> {
    there.iter().filter(|(key, _)| !here.contains_key(*key)).map(|(_, grant)| (*grant).clone()).collect()
}

fn change(subject: &str, gained: Vec<Grant>, lost: Vec<Grant>, cause: Cause) -> Option<PermissionChange> {
    let worst = gained.iter().find(|grant| rbac::is_sensitive(grant)).or_else(|| gained.first());
    let (verb, shown, count) = match (worst, lost.first()) {
        (Some(grant), _) => ("", grant, gained.len()),
        (None, Some(grant)) => ("lost ", grant, lost.len()),
        (None, None) => return None,
    };
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let name = subject.rsplit('/').next().unwrap_or(subject);
    let summary = format!("{name}: {verb}{}{more}", rbac::sentence(shown));
    let sensitive = gained.iter().any(rbac::is_sensitive);
    Some(PermissionChange {
        subject: subject.into(),
        gained,
        lost,
        cause,
        sensitive,
        summary,
        changed_by: Vec::new(),
        more_writes: 0,
    })
}
