//! Who wrote an object between two snapshots: field managers that it names, and what API servers logged.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    collect::{Coverage, inputs::audit},
    digest::Digest,
    snapshot::{AuditLog, AuditWrite, Manager, Object, is_system_user},
};

/// Writers named for one change.
const MAX: usize = 8;
/// Field managers that write state and revisions: they stand behind everybody else.
const CONTROLLERS: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kubelet"];

/// One write of an object between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ChangedBy {
    /// What the object itself says: the name that a program gives to itself.
    ManagedFields {
        /// Field manager (`helm`).
        manager: String,
        /// `Apply` or `Update`.
        operation: String,
        /// When.
        time: DateTime<Utc>,
    },
    /// What the API server logged: who it had authenticated.
    AuditLog {
        /// User name.
        user: String,
        /// In whose name, where somebody was impersonated.
        #[serde(rename = "as", skip_serializing_if = "Option::is_none", default)]
        acting_as: Option<String>,
        /// `create`, `update`, `patch`, `delete` or `deletecollection`.
        verb: String,
        /// `scale`, `eviction`, ...
        #[serde(skip_serializing_if = "Option::is_none", default)]
        subresource: Option<String>,
        /// When the API server had answered.
        time: DateTime<Utc>,
        /// Its own id of the request.
        audit_id: String,
        /// The request named no object, but all or one of its kind in the namespace.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        unnamed: bool,
        /// It ended while one of the two snapshots was being taken, and may be on either side.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        meanwhile: bool,
        /// Digest of the AuditTrail that holds it.
        trail: Digest,
    },
}

impl ChangedBy {
    /// When it was written.
    pub fn time(&self) -> DateTime<Utc> {
        match self {
            Self::ManagedFields { time, .. } | Self::AuditLog { time, .. } => *time,
        }
    }

    /// A component of the cluster wrote, as they do after every change of somebody else.
    pub fn is_system(&self) -> bool {
        match self {
            Self::ManagedFields { manager, .. } => CONTROLLERS.contains(&manager.as_str()),
            Self::AuditLog { user, acting_as, .. } => acting_as.is_none() && is_system_user(user),
        }
    }

    /// `helm`, `alice`, `admin as alice`.
    pub fn who(&self) -> String {
        match self {
            Self::ManagedFields { manager, .. } => manager.clone(),
            Self::AuditLog { user, acting_as: Some(other), .. } => format!("{user} as {other}"),
            Self::AuditLog { user, .. } => user.clone(),
        }
    }
}

/// What the audit log says of the time between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditReach {
    /// When its first event ended, and from when on nothing is cut.
    pub from: DateTime<Utc>,
    /// When its last event ended.
    pub to: DateTime<Utc>,
    /// Where it does not reach: who made a change that it does not name is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gap: Option<String>,
}

type Target = (String, Option<String>, Option<String>);

/// Finds writers of objects between two snapshots.
pub(super) struct Writers {
    writes: BTreeMap<Target, Vec<(AuditWrite, Digest)>>,
    log: Option<AuditLog>,
    old: (DateTime<Utc>, DateTime<Utc>),
    new: (DateTime<Utc>, DateTime<Utc>),
}

impl Writers {
    /// Between what `old` covers and what `new` covers, of which `objects` are.
    pub(super) fn new(old: &Coverage, new: &Coverage, objects: &[Object]) -> Self {
        let taken = |coverage: &Coverage| (coverage.started, coverage.finished);
        let mut writers = Self { writes: BTreeMap::new(), log: None, old: taken(old), new: taken(new) };
        for (object, trail) in audit::believed(new, objects) {
            writers.log = writers.log.or(trail.log);
            for write in trail.writes {
                if !writers.is_between(write.time) {
                    continue;
                }
                let target = (write.resource_id(), object.namespace.clone(), write.name.clone());
                writers.writes.entry(target).or_default().push((write, object.digest));
            }
        }
        writers
    }

    /// What the log covers, where one was read.
    pub(super) fn reach(&self) -> Option<AuditReach> {
        let log = self.log.as_ref()?;
        Some(AuditReach { from: log.complete_from(), to: log.to, gap: log.gap(self.old.1, self.new.0) })
    }

    /// Who wrote an object that was `before` and is `after`, the latest first, and how many more there are.
    pub(super) fn of(&self, before: Option<&Object>, after: Option<&Object>) -> (Vec<ChangedBy>, u64) {
        let mut found = Found::default();
        self.find(before, after, &mut found);
        found.bounded()
    }

    /// Adds who wrote an object that was `before` and is `after`.
    pub(super) fn find(&self, before: Option<&Object>, after: Option<&Object>, found: &mut Found) {
        self.logged(before, after, found);
        self.managed(before, after, found);
    }

    fn is_between(&self, time: DateTime<Utc>) -> bool {
        self.old.0 < time && time <= self.new.1
    }

    fn logged(&self, before: Option<&Object>, after: Option<&Object>, found: &mut Found) {
        let Some(object) = after.or(before) else { return };
        let target = |name: Option<&str>| (object.resource.clone(), object.namespace.clone(), name.map(str::to_owned));
        let uids: Vec<&String> = [before, after].into_iter().flatten().filter_map(|o| o.uid.as_ref()).collect();
        let is_of = |write: &AuditWrite| write.uid.as_ref().is_none_or(|uid| uids.is_empty() || uids.contains(&uid));
        let named = self.writes.get(&target(Some(&object.name))).into_iter().flatten();
        let named: Vec<_> = named.filter(|(write, _)| is_of(write)).collect();
        let is_deleted = named.iter().any(|(write, _)| write.verb == "delete" || is_eviction(write));
        let is_made = named.iter().any(|(write, _)| write.verb == "create");
        let unnamed = self.writes.get(&target(None)).into_iter().flatten().filter(|(write, _)| match &*write.verb {
            "deletecollection" => before.is_some() && !is_deleted && is_other(before, after),
            "create" => before.is_none() && !is_made && has_made_name(object),
            _ => false,
        });
        found.0.extend(named.into_iter().map(|write| self.entry(write, false)));
        found.0.extend(unnamed.map(|write| self.entry(write, true)));
    }

    fn entry(&self, (write, trail): &(AuditWrite, Digest), unnamed: bool) -> Ordered {
        let by = ChangedBy::AuditLog {
            user: write.user.clone(),
            acting_as: write.acting_as.clone(),
            verb: write.verb.clone(),
            subresource: write.subresource.clone(),
            time: write.time,
            audit_id: write.audit_id.clone(),
            unnamed,
            meanwhile: write.time <= self.old.1 || self.new.0 <= write.time,
            trail: *trail,
        };
        (by.is_system(), Reverse(write.time), by)
    }

    /// Entries that the object did not have before. One without a time may be of any time.
    fn managed(&self, before: Option<&Object>, after: Option<&Object>, found: &mut Found) {
        let known = before.map(|object| object.managers.as_slice()).unwrap_or_default();
        let managers = after.into_iter().flat_map(|object| &object.managers).filter(|entry| !known.contains(entry));
        found.0.extend(managers.filter_map(|Manager { manager, operation, time }| {
            // Their times are cut to the second.
            let time = time.filter(|time| self.old.0 < *time + TimeDelta::seconds(1) && *time <= self.new.1)?;
            let by = ChangedBy::ManagedFields { manager: manager.clone(), operation: operation.clone(), time };
            Some((by.is_system(), Reverse(time), by))
        }));
    }
}

/// People before components of the cluster, then the latest first.
type Ordered = (bool, Reverse<DateTime<Utc>>, ChangedBy);

/// Writers that were found, each once.
#[derive(Debug, Default)]
pub(super) struct Found(BTreeSet<Ordered>);

impl Found {
    /// The first of them, and how many there are beside.
    pub(super) fn bounded(self) -> (Vec<ChangedBy>, u64) {
        let more = self.0.len().saturating_sub(MAX) as u64;
        (self.0.into_iter().take(MAX).map(|(_, _, by)| by).collect(), more)
    }
}

fn is_eviction(write: &AuditWrite) -> bool {
    write.subresource.as_deref() == Some("eviction")
}

/// The object that was there is there no more.
fn is_other(before: Option<&Object>, after: Option<&Object>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => before.uid != after.uid,
        _ => true,
    }
}

fn has_made_name(object: &Object) -> bool {
    object.value().pointer("/metadata/generateName").is_some()
}

#[cfg(test)]
mod tests;
