//! Who wrote to the objects of exceptions and powers: field managers that the objects name, and what audit logs say of
//! the changes between runs.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    facts::Files,
    model::{Bounds, ClusterPeriod, Ending, Exception, Power, Run, RunNumber, WrittenBy},
};
use crate::{digest::Digest, resource::ResourceRef, snapshot::Manager};

/// Bag path of what changed before a run.
const DRIFT: &str = "data/drift.json";

/// Writes that audit logs told of between a run and the one that it was compared with, by object
/// (`Deployment/shop/cart`).
pub(super) type Logged = BTreeMap<String, Vec<WrittenBy>>;

/// The part of drift that says who.
#[derive(Deserialize)]
struct Drift {
    #[serde(default)]
    objects: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    resource: ResourceRef,
    #[serde(default)]
    changed_by: Vec<WrittenBy>,
}

/// What a bundle says of who wrote. A drift of another version costs names, never the run.
pub(super) fn logged(files: &Files) -> Logged {
    let drift = files.get(DRIFT).and_then(|bytes| serde_json::from_slice::<Drift>(bytes).ok());
    let changes = drift.into_iter().flat_map(|drift| drift.objects);
    let of_log = changes.map(|change| {
        let of_log = |by: &WrittenBy| matches!(by, WrittenBy::AuditLog { .. });
        (change.resource.to_string(), change.changed_by.into_iter().filter(of_log).collect::<Vec<_>>())
    });
    of_log.filter(|(_, writes)| !writes.is_empty()).collect()
}

/// The users that are named.
pub(super) fn users(logged: &Logged) -> BTreeSet<String> {
    let named = |by: &WrittenBy| match by {
        WrittenBy::AuditLog { user, acting_as, .. } => [Some(user.clone()), acting_as.clone()],
        WrittenBy::ManagedFields { .. } => [None, None],
    };
    logged.values().flatten().flat_map(named).flatten().collect()
}

/// Who wrote to what exceptions and powers rest on.
pub(crate) struct Attribution<'a> {
    /// When each run had ended.
    finished: Vec<DateTime<Utc>>,
    /// Field managers that an object of a digest names on a run.
    managers: &'a dyn Fn(Digest, RunNumber) -> Vec<Manager>,
    /// What audit logs told, by run.
    logged: &'a [Logged],
}

impl<'a> Attribution<'a> {
    /// Over these runs, from what they noted and logged.
    pub(crate) fn new(
        runs: &[Run],
        managers: &'a dyn Fn(Digest, RunNumber) -> Vec<Manager>,
        logged: &'a [Logged],
    ) -> Self {
        Self { finished: runs.iter().map(|run| run.finished).collect(), managers, logged }
    }

    /// Who wrote between the two runs that saw the place without and with the failure.
    pub(crate) fn began(&self, exception: &Exception) -> Vec<WrittenBy> {
        let rests_on = rests_on(exception);
        in_order(rests_on.iter().flat_map(|(object, digest)| self.between(object, *digest, &exception.began)).collect())
    }

    /// The same of the two that saw it with and without; nobody where no change of the cluster ended it.
    pub(crate) fn ended(&self, exception: &Exception) -> Vec<WrittenBy> {
        let Ending::Ended { bounds, .. } = &exception.ending else { return Vec::new() };
        if !exception.ending.is_repair() {
            return Vec::new();
        }
        // An object that is gone, or is as it was, names nobody: then the log alone says who wrote.
        let now = |object: &str| exception.evidence_after.iter().find(|cited| cited.resource == object);
        let rests_on = rests_on(exception);
        let digest = |object: &str| now(object).map(|cited| cited.digest);
        in_order(rests_on.keys().flat_map(|object| self.between(object, digest(object), bounds)).collect())
    }

    /// Who wrote to the binding that gives a power.
    pub(crate) fn gave(&self, power: &Power) -> Vec<WrittenBy> {
        let Some(cited) = power.evidence.first() else { return Vec::new() };
        match power.gained {
            Some(gained) => in_order(self.between(&cited.resource, Some(cited.digest), &gained)),
            // Given before the period: whatever wrote to the binding before the first run that saw it.
            None => {
                let noted = (self.managers)(cited.digest, power.first).into_iter().filter_map(noted_as);
                let before = |by: &WrittenBy| self.at(power.first).is_some_and(|first| by.time() <= first);
                in_order(noted.filter(before).collect())
            }
        }
    }

    /// Who wrote to it between the runs that saw the power held and lost.
    pub(crate) fn took(&self, power: &Power) -> Vec<WrittenBy> {
        let (Some(lost), Some(cited)) = (power.lost, power.evidence.first()) else { return Vec::new() };
        let now = power.evidence_after.first().map(|cited| cited.digest);
        in_order(self.between(&cited.resource, now, &lost))
    }

    fn at(&self, run: RunNumber) -> Option<DateTime<Utc>> {
        self.finished.get(usize::try_from(run).ok()?).copied()
    }

    fn between(&self, resource: &str, digest: Option<Digest>, bounds: &Bounds) -> Vec<WrittenBy> {
        let &Bounds { after: Some(first), by: last } = bounds else { return Vec::new() };
        let (Some(after), Some(by)) = (self.at(first), self.at(last)) else { return Vec::new() };
        let of_runs = |run: &RunNumber| Some(self.logged.get(usize::try_from(*run).ok()?)?.get(resource)?.clone());
        let written = (first + 1..=last).filter_map(|run| of_runs(&run)).flatten();
        let noted = digest.map(|digest| (self.managers)(digest, last)).into_iter().flatten().filter_map(noted_as);
        written.chain(noted).filter(|by_whom| after <= by_whom.time() && by_whom.time() <= by).collect()
    }
}

/// Writes to exceptions and powers who wrote to them.
pub(super) fn attribute(
    cluster: &mut ClusterPeriod,
    managers: &dyn Fn(Digest, RunNumber) -> Vec<Manager>,
    logged: &[Logged],
) {
    let attribution = Attribution::new(&cluster.runs, managers, logged);
    for exception in &mut cluster.exceptions {
        exception.written_by = attribution.began(exception);
        exception.repaired_by = attribution.ended(exception);
    }
    for power in cluster.privileged.iter_mut().flat_map(|subject| &mut subject.powers) {
        power.given_by = attribution.gave(power);
        power.taken_by = attribution.took(power);
    }
}

/// Every list of writers of a cluster.
pub(crate) fn lists(cluster: &ClusterPeriod) -> impl Iterator<Item = &WrittenBy> {
    let exceptions = cluster.exceptions.iter().flat_map(|x| x.written_by.iter().chain(&x.repaired_by));
    let powers = cluster.privileged.iter().flat_map(|subject| &subject.powers);
    exceptions.chain(powers.flat_map(|power| power.given_by.iter().chain(&power.taken_by)))
}

/// Acts on every writer of a cluster.
pub(super) fn for_each(cluster: &mut ClusterPeriod, act: &mut dyn FnMut(&mut WrittenBy)) {
    for exception in &mut cluster.exceptions {
        exception.written_by.iter_mut().chain(&mut exception.repaired_by).for_each(&mut *act);
    }
    for power in cluster.privileged.iter_mut().flat_map(|subject| &mut subject.powers) {
        power.given_by.iter_mut().chain(&mut power.taken_by).for_each(&mut *act);
    }
}

/// The audit trail that a writer is named by.
pub(crate) fn trail_of(by: &WrittenBy) -> Option<Digest> {
    match by {
        WrittenBy::AuditLog { trail, .. } => Some(*trail),
        WrittenBy::ManagedFields { .. } => None,
    }
}

/// What audit logs told of these trails alone.
pub(super) fn keep_trails(logged: &mut [Logged], known: &BTreeSet<Digest>) {
    for writes in logged.iter_mut().flat_map(BTreeMap::values_mut) {
        writes.retain(|by| trail_of(by).is_none_or(|trail| known.contains(&trail)));
    }
}

/// The trails that writers of a cluster are named by, each with the first run that sealed it.
pub(super) fn trails(cluster: &ClusterPeriod, logged: &[Logged]) -> BTreeMap<Digest, RunNumber> {
    let named: BTreeSet<Digest> = lists(cluster).filter_map(trail_of).collect();
    let mut first = BTreeMap::new();
    for (run, writes) in (0..).zip(logged) {
        for trail in writes.values().flatten().filter_map(trail_of).filter(|trail| named.contains(trail)) {
            first.entry(trail).or_insert(run);
        }
    }
    first
}

/// The objects whose writers began or ended a failure: the failing one, else (of a subject, or of the cluster as a whole)
/// those that it rests on, with their digests as the first run saw them.
pub(crate) fn rests_on(exception: &Exception) -> BTreeMap<String, Option<Digest>> {
    let own = exception.resource.to_string();
    match exception.evidence.iter().find(|cited| cited.resource == own) {
        Some(cited) => BTreeMap::from([(own, Some(cited.digest))]),
        None if exception.evidence.is_empty() => BTreeMap::from([(own, None)]),
        None => {
            // What the last run saw comes after what the first one saw.
            let all = exception.evidence.iter().rev();
            all.map(|cited| (cited.resource.clone(), Some(cited.digest))).collect()
        }
    }
}

/// By time, each once.
fn in_order(mut all: Vec<WrittenBy>) -> Vec<WrittenBy> {
    all.sort_by(|a, b| (a.time(), a).cmp(&(b.time(), b)));
    all.dedup();
    all
}

/// A write as the object notes it; one without a time stands between no runs.
pub(crate) fn noted_as(by: Manager) -> Option<WrittenBy> {
    let Manager { manager, operation, time } = by;
    Some(WrittenBy::ManagedFields { manager, operation, time: time? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_log_said_is_read_of_drift() {
        let resource =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "cart", "uid": null});
        let trail = Digest::of("trail").to_string();
        let drift = json!({"schema": "kubeproof.dev/drift/v1", "later": 1, "objects": [{"resource": resource, "changedBy": [
            {"source": "audit-log", "user": "bob", "as": "carol", "verb": "patch", "time": "2026-11-22T10:00:00Z", "auditId": "1", "trail": trail},
            {"source": "managed-fields", "manager": "helm", "operation": "Apply", "time": "2026-11-22T10:00:00Z"}]}]});
        let read = |text: String| logged(&Files::from([(DRIFT.to_owned(), text.into_bytes())]));
        let found = read(drift.to_string());
        assert_eq!(found["Deployment/shop/cart"].len(), 1);
        assert_eq!(users(&found), BTreeSet::from(["bob".to_owned(), "carol".to_owned()]));
        assert_eq!(
            (read("{".into()), read("{}".into()), logged(&Files::new())),
            (Logged::new(), Logged::new(), Logged::new())
        );
    }
}
