//! What several parts of the document need, worked out once.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    drift::{
        Cause, ChangeKind, DeclarationChange, Drift, FindingChange, FindingChangeKind, ObjectChange, Part,
        PermissionChange, SightChange,
    },
    evaluate::{Evaluation, FindingId},
    report::view::{Look, Text, applied, by_whom, cause_word, why, words, writers},
    resource::ResourceRef,
};

use super::document::DriftInput;

/// Who changed what, and whose it is: taken from the whole comparison, before any part of it is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hands {
    writers: BTreeMap<String, String>,
    owners: BTreeMap<String, String>,
    /// Objects of the findings that declarations apply to, by the finding's id.
    accepted: BTreeMap<String, String>,
}

impl Hands {
    /// Of both sides, the newer one last: an owner of today wins.
    pub fn of(drift: &Drift, sides: [&Evaluation; 2]) -> Self {
        let written = drift.objects.iter().map(|change| (change.resource.to_string(), by_whom(Some(change))));
        let findings = sides.into_iter().flat_map(|side| &side.findings);
        let ids = drift.declarations.iter().flat_map(|change| &change.applies_to);
        let ids: BTreeSet<FindingId> = ids.filter_map(|id| id.parse().ok()).collect();
        let accepted = findings.clone().filter(|finding| ids.contains(&finding.id));
        let accepted = accepted.map(|finding| (finding.id.to_string(), finding.resource.to_string())).collect();
        let owned: BTreeMap<&str, &str> =
            findings.filter_map(|finding| Some((finding.resource.within()?, finding.owner.as_deref()?))).collect();
        Self {
            writers: written.filter(|(_, by)| !by.is_empty()).collect(),
            owners: owned.into_iter().map(|(namespace, owner)| (namespace.to_owned(), owner.to_owned())).collect(),
            accepted,
        }
    }

    /// `helm, 22 Nov 14:12`; empty where nobody knows.
    pub(super) fn writer(&self, resource: &str) -> &str {
        self.writers.get(resource).map_or("", String::as_str)
    }

    fn owner(&self, resource: &ResourceRef) -> &str {
        resource.within().and_then(|namespace| self.owners.get(namespace)).map_or("", String::as_str)
    }
}

/// The comparison by direction.
pub(super) struct Facts<'a> {
    pub(super) input: &'a DriftInput<'a>,
    /// New or open again, the most severe first.
    pub(super) worse: Vec<&'a FindingChange>,
    /// Subjects that gained something, those that can escalate first.
    pub(super) gained: Vec<&'a PermissionChange>,
    /// Resolved.
    pub(super) better: Vec<&'a FindingChange>,
    /// Subjects that only lost something.
    pub(super) lost: Vec<&'a PermissionChange>,
    /// Objects that were not there, those that brought something worse first.
    pub(super) appeared: Vec<&'a ObjectChange>,
    /// Objects that are no longer there.
    pub(super) gone: Vec<&'a ObjectChange>,
    /// Objects that changed or were made anew.
    pub(super) changed: Vec<&'a ObjectChange>,
    /// Objects of lists that only one side could read.
    pub(super) half_seen: Vec<&'a ObjectChange>,
    /// Failures that could not be looked at again.
    pub(super) out_of_sight: Vec<&'a FindingChange>,
    /// Lists that were answered before and are not now.
    pub(super) lists_lost: Vec<&'a SightChange>,
    /// Failures that are waived or expected now.
    pub(super) accepted: Vec<&'a FindingChange>,
    brought: BTreeMap<String, Vec<&'a FindingChange>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(input: &'a DriftInput<'a>) -> Self {
        use FindingChangeKind::{Accepted, LostSight, New, Reopened, Resolved};
        let drift = input.drift;
        let of = |wanted: &dyn Fn(&FindingChange) -> bool| {
            let mut found: Vec<&FindingChange> = drift.findings.iter().filter(|change| wanted(change)).collect();
            found.sort_by_key(|change| Reverse(change.severity));
            found
        };
        let came = |change: &FindingChange| matches!(change.change, New | Reopened);
        let worse = of(&|change| came(change) && !change.accepted);
        let mut brought: BTreeMap<String, Vec<&FindingChange>> = BTreeMap::new();
        worse.iter().for_each(|change| brought.entry(change.resource.to_string()).or_default().push(*change));
        let (mut gained, lost): (Vec<_>, Vec<_>) = drift.permissions.iter().partition(|p| !p.gained.is_empty());
        gained.sort_by_key(|change| !change.sensitive);
        let objects = |wanted: &dyn Fn(ChangeKind) -> bool| {
            let seen = drift.objects.iter().filter(|change| change.cause != Cause::Sight && wanted(change.change));
            let mut found: Vec<&ObjectChange> = seen.collect();
            let weight = |change: &ObjectChange| brought.get(&change.resource.to_string()).map(|all| all[0].severity);
            found.sort_by_cached_key(|change| (Reverse(weight(change)), rank(&change.resource.kind)));
            found
        };
        Self {
            input,
            gained,
            better: of(&|change| change.change == Resolved),
            lost,
            appeared: objects(&|change| change == ChangeKind::Added),
            gone: objects(&|change| change == ChangeKind::Removed),
            changed: objects(&|change| matches!(change, ChangeKind::Changed | ChangeKind::Recreated)),
            half_seen: drift.objects.iter().filter(|change| change.cause == Cause::Sight).collect(),
            out_of_sight: of(&|change| change.change == LostSight),
            lists_lost: drift.sight.iter().filter(|sight| sight.is_lost()).collect(),
            accepted: of(&|change| change.change == Accepted || came(change) && change.accepted),
            worse,
            brought,
        }
    }

    /// What became worse on an object, the most severe first.
    pub(super) fn brought(&self, change: &ObjectChange) -> &[&'a FindingChange] {
        self.brought.get(&change.resource.to_string()).map_or(&[], Vec::as_slice)
    }

    /// `cluster: helm, 22 Nov 14:12`; the time and the manager are those of the object's last change.
    pub(super) fn why(&self, cause: Cause, resource: &ResourceRef) -> String {
        match (cause, self.input.hands.writer(&resource.to_string())) {
            (Cause::Cluster, by) if !by.is_empty() => format!("{}: {by}", cause_word(cause)),
            _ => cause_word(cause).to_owned(),
        }
    }

    /// The same where there is room for a sentence.
    pub(super) fn because(&self, cause: Cause, resource: &ResourceRef) -> String {
        match (cause, self.input.hands.writer(&resource.to_string())) {
            (Cause::Cluster, by) if !by.is_empty() => format!("{}: {by}", cause_word(cause)),
            _ => why(cause).to_owned(),
        }
    }

    /// The same of a permission: whoever wrote the binding or the role.
    pub(super) fn why_granted(&self, change: &PermissionChange) -> String {
        match (change.cause, writers(&change.changed_by, change.more_writes)) {
            (Cause::Cluster, by) if !by.is_empty() => format!("{}: {by}", cause_word(change.cause)),
            _ => why(change.cause).to_owned(),
        }
    }

    /// The team of the namespace.
    pub(super) fn owner(&self, resource: &ResourceRef) -> &str {
        self.input.hands.owner(resource)
    }

    /// The team of a service account's namespace.
    pub(super) fn owner_of_subject(&self, subject: &str) -> &str {
        let mut parts = subject.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("ServiceAccount"), Some(namespace), Some(_)) => {
                self.input.hands.owners.get(namespace).map_or("", String::as_str)
            }
            _ => "",
        }
    }

    /// What a declaration applies to, by the names of the objects.
    pub(super) fn applied(&self, change: &DeclarationChange) -> String {
        let named = |id: &String| self.input.hands.accepted.get(id).unwrap_or(id).clone();
        let mut applies_to: Vec<String> = change.applies_to.iter().map(named).collect();
        applies_to.dedup();
        if applies_to.is_empty() { String::new() } else { applied(&DeclarationChange { applies_to, ..change.clone() }) }
    }

    /// That part of the comparison was asked for.
    pub(super) fn wants(&self, part: Part) -> bool {
        let parts = &self.input.selection.parts;
        parts.is_empty() || parts.contains(&part)
    }

    /// Nothing to report.
    pub(super) fn is_quiet(&self) -> bool {
        self.input.drift.is_quiet()
    }
}

/// What a person wants to know of first among objects that brought nothing worse: borders, powers, then what runs.
fn rank(kind: &str) -> usize {
    const KINDS: [&str; 14] = [
        "Node",
        "Namespace",
        "ClusterRoleBinding",
        "ClusterRole",
        "RoleBinding",
        "Role",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "CronJob",
        "Job",
        "Pod",
        "ServiceAccount",
        "NetworkPolicy",
    ];
    KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len())
}

/// Findings that one line can stand for: of one check, one severity and one cause.
pub(super) struct Alike<'a> {
    pub(super) first: &'a FindingChange,
    pub(super) count: u64,
    pub(super) owners: BTreeSet<&'a str>,
}

impl<'a> Alike<'a> {
    /// The most severe first; changes come in that order.
    pub(super) fn of(changes: &[&'a FindingChange]) -> Vec<Self> {
        let mut places: BTreeMap<(Reverse<crate::framework::Severity>, &str, Cause), usize> = BTreeMap::new();
        let mut groups: Vec<Self> = Vec::new();
        for change in changes {
            let at = *places.entry((Reverse(change.severity), &change.check, change.cause)).or_insert(groups.len());
            if at == groups.len() {
                groups.push(Self { first: change, count: 0, owners: BTreeSet::new() });
            }
            groups[at].count += 1;
            groups[at].owners.extend(change.owner.as_deref());
        }
        groups
    }

    /// `team-shop`, `3 owners`; empty where nobody is known.
    pub(super) fn owner(&self) -> String {
        match self.owners.len() {
            0 => String::new(),
            1 => self.owners.iter().copied().collect(),
            many => format!("{} owners", words::number(many as u64)),
        }
    }
}

/// `team-shop · cluster: helm`, without what is empty.
pub(super) fn dotted<S: AsRef<str>>(parts: &[S]) -> String {
    parts.iter().map(AsRef::as_ref).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// A severity as a cell.
pub(super) fn severity(change: &FindingChange) -> Text {
    Text::new().run(Look::from(change.severity), words::severity(change.severity))
}
