//! Who wrote: field managers as the runs' tables noted them, and audit logs by the trails that the package cites.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use serde::Deserialize;

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files,
};
use crate::{
    bundle::package::PERIOD,
    clock::rfc3339,
    digest::Digest,
    period::{
        evidence::{self, NotedManagers, Noting, StoredObject, managers_path, stored_objects, table_path},
        model::{Bounds, ClusterPeriod, Ending, Exception, Power, WrittenBy},
        writers::{Attribution, lists, rests_on, trail_of},
    },
    snapshot::{AUDIT_TRAIL, AuditTrail, AuditWrite, Manager},
};

/// The part of an AuditTrail object that says who wrote where.
#[derive(Deserialize)]
struct Sealed {
    kind: String,
    metadata: Place,
    spec: AuditTrail,
}

#[derive(Deserialize)]
struct Place {
    namespace: Option<String>,
}

/// Every writer is one whom an object noted between the bounds, and every such object names all of them; every entry of
/// an audit log stands in the trail that it is said to be in. Where names are left out, only the latter can be told.
pub(super) fn judge(files: &Files, cluster: &ClusterPeriod, hidden: bool, steps: &mut Steps) {
    let path = managers_path(&cluster.folder);
    let mut wrong = |subject: &str, detail: String| steps.fail(StepName::Content, Verdict::Tampered, subject, detail);
    let Some(noted) = files.get(&path).map(|bytes| evidence::noted_managers(bytes)) else { return };
    let noted = match noted {
        Ok(noted) => noted,
        Err(error) => return wrong(&path, error.to_string()),
    };
    if noted.values().any(Option::is_none) && !hidden {
        wrong(&path, "leaves out names, and the package is neither of a scope nor with pseudonyms".into());
    }
    let moments = evidence::moments(cluster);
    let is_asked = |(digest, run): &&Noting| moments.get(run).is_some_and(|digests| digests.contains(digest));
    if let Some((digest, run)) = noted.keys().find(|noting| !is_asked(noting)) {
        wrong(&path, format!("says who wrote to {} on run {run}, which nothing asks", digest.short(16)));
    }
    if let Some((digest, run)) = noted.iter().find_map(|(noting, text)| unreadable(text).then_some(noting)) {
        wrong(&path, format!("what it says of {} on run {run} is no list of managers", digest.short(16)));
    }
    if let Some(what) = misattributed(cluster, &noted) {
        wrong(PERIOD, format!("{what}: who wrote is not whom its objects noted"));
    }
    let named: BTreeSet<Digest> = lists(cluster).filter_map(trail_of).collect();
    let cited: BTreeSet<Digest> = cluster.trails.iter().map(|cited| cited.digest).collect();
    if named != cited {
        wrong(PERIOD, format!("{}: its audit trails are not those that name its writers", cluster.folder));
    }
    let trails = trails(files, cluster, &cited);
    let logged = Logged { cluster, trails, hidden };
    if let Some((what, by)) = logged.contradiction() {
        let (who, time) = (by.who(), rfc3339(by.time()));
        wrong(PERIOD, format!("{what}: no audit trail says that {who} wrote to it at {time}, between its runs"));
    }
}

fn unreadable(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| serde_json::from_str::<Vec<Manager>>(text).is_err())
}

/// An exception or a power whose writers are others than its objects noted. Where what they noted is left out, it cannot
/// be told.
fn misattributed(cluster: &ClusterPeriod, noted: &NotedManagers) -> Option<String> {
    let untold = Cell::new(false);
    let managers = |digest, run| match noted.get(&(digest, run)) {
        Some(Some(text)) => evidence::named(text),
        Some(None) => {
            untold.set(true);
            Vec::new()
        }
        None => Vec::new(),
    };
    let attribution = Attribution::new(&cluster.runs, &managers, &[]);
    let differs = |said: &[WrittenBy], again: Vec<WrittenBy>| {
        let differs = !said.iter().filter(|by| trail_of(by).is_none()).eq(&again);
        !untold.take() && differs
    };
    let exception = cluster
        .exceptions
        .iter()
        .find(|x| differs(&x.written_by, attribution.began(x)) || differs(&x.repaired_by, attribution.ended(x)));
    let mut powers = cluster.privileged.iter().flat_map(|subject| &subject.powers);
    let power = powers.find(|power| {
        differs(&power.given_by, attribution.gave(power)) || differs(&power.taken_by, attribution.took(power))
    });
    exception.map(|x| x.id.clone()).or_else(|| power.map(|power| format!("{} through {}", power.power, power.through)))
}

/// The cited trails whose texts are here, each with its namespace; `None` for a text that is no trail.
fn trails(files: &Files, cluster: &ClusterPeriod, cited: &BTreeSet<Digest>) -> BTreeMap<Digest, Option<Sealed>> {
    let Some(table) = files.get(&table_path(&cluster.folder)) else { return BTreeMap::new() };
    let texts = stored_objects(table, |digest| cited.contains(digest)).unwrap_or_default();
    let sealed = |object: StoredObject| {
        let sealed = serde_json::from_str::<Sealed>(&object.json?).ok();
        Some((object.digest, sealed.filter(|sealed| sealed.kind == AUDIT_TRAIL)))
    };
    texts.into_iter().filter_map(sealed).collect()
}

/// Writers of audit logs, and what shows them.
struct Logged<'c> {
    cluster: &'c ClusterPeriod,
    trails: BTreeMap<Digest, Option<Sealed>>,
    /// Names are replaced: which object was written to cannot be told.
    hidden: bool,
}

impl<'c> Logged<'c> {
    /// What names a writer that no trail has for it.
    fn contradiction(&self) -> Option<(String, &'c WrittenBy)> {
        let of_exception = |x: &'c Exception| {
            let objects: Vec<String> = rests_on(x).into_keys().collect();
            let ended = match &x.ending {
                Ending::Ended { bounds, .. } => Some(bounds),
                Ending::Open | Ending::NotSeenSince { .. } => None,
            };
            let began = self.unlike(&x.written_by, &objects, Some(&x.began));
            began.or_else(|| self.unlike(&x.repaired_by, &objects, ended)).map(|by| (x.id.clone(), by))
        };
        let of_power = |power: &'c Power| {
            let objects: Vec<String> = power.evidence.first().map(|cited| cited.resource.clone()).into_iter().collect();
            let given = self.unlike(&power.given_by, &objects, power.gained.as_ref());
            let taken = || self.unlike(&power.taken_by, &objects, power.lost.as_ref());
            given.or_else(taken).map(|by| (power.through.clone(), by))
        };
        let mut powers = self.cluster.privileged.iter().flat_map(|subject| &subject.powers);
        self.cluster.exceptions.iter().find_map(of_exception).or_else(|| powers.find_map(of_power))
    }

    /// A writer that no trail has for one of these objects between these runs, or that stands out of its place.
    fn unlike(&self, all: &'c [WrittenBy], objects: &[String], between: Option<&Bounds>) -> Option<&'c WrittenBy> {
        let out_of_place = all.array_windows().find(|[a, b]| a.time() > b.time() || a == b).map(|[_, b]| b);
        out_of_place.or_else(|| all.iter().find(|by| !self.says(by, objects, between)))
    }

    fn says(&self, by: &WrittenBy, objects: &[String], between: Option<&Bounds>) -> bool {
        let Some(trail) = trail_of(by) else { return true };
        let at = |run| self.cluster.run(run).map(|run| run.finished);
        let within = between.is_some_and(|bounds| {
            let after = bounds.after.and_then(at);
            after.is_some_and(|after| after <= by.time()) && at(bounds.by).is_some_and(|last| by.time() <= last)
        });
        within
            && match self.trails.get(&trail) {
                // Its text is left out.
                None => true,
                Some(None) => false,
                Some(Some(sealed)) => {
                    let mut writes = sealed.spec.writes.iter().filter(|write| is_entry(by, write));
                    writes.any(|write| self.hidden || objects.iter().any(|object| sealed.is_about(write, object)))
                }
            }
    }
}

impl Sealed {
    /// Whether an entry can be about `Deployment/shop/cart`; one that names no object is about its kind.
    fn is_about(&self, write: &AuditWrite, object: &str) -> bool {
        let parts: Vec<&str> = object.splitn(3, '/').collect();
        let (namespace, name) = match parts.as_slice() {
            [_, namespace, name] => (Some(*namespace), *name),
            [_, name] => (None, *name),
            _ => return false,
        };
        self.metadata.namespace.as_deref() == namespace && write.name.as_deref().is_none_or(|own| own == name)
    }
}

fn is_entry(by: &WrittenBy, write: &AuditWrite) -> bool {
    match by {
        WrittenBy::AuditLog { user, acting_as, verb, subresource, time, audit_id, unnamed, .. } => {
            (user, acting_as, verb, subresource, time, audit_id)
                == (&write.user, &write.acting_as, &write.verb, &write.subresource, &write.time, &write.audit_id)
                && *unnamed == write.name.is_none()
        }
        WrittenBy::ManagedFields { .. } => false,
    }
}
