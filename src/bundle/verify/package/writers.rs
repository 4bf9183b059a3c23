//! Who wrote: field managers as the runs' tables noted them, and audit logs by the trails that the package cites.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files,
};
use crate::{
    bundle::package::PERIOD,
    digest::Digest,
    period::{
        evidence::{self, Noting, managers_path, stored_objects, table_path},
        model::{ClusterPeriod, WrittenBy},
        writers::{Attribution, lists, trail_of},
    },
    snapshot::{AuditTrail, AuditWrite},
};

/// The part of an AuditTrail object that says who wrote.
#[derive(Deserialize)]
struct Sealed {
    spec: AuditTrail,
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
    if let Some(what) = misattributed(cluster, &noted).filter(|_| !hidden) {
        wrong(PERIOD, format!("{what}: who wrote is not whom its objects noted"));
    }
    let named: BTreeSet<Digest> = lists(cluster).filter_map(trail_of).collect();
    let cited: BTreeSet<Digest> = cluster.trails.iter().map(|cited| cited.digest).collect();
    if named != cited {
        wrong(PERIOD, format!("{}: its audit trails are not those that name its writers", cluster.folder));
    }
    if let Some(by) = unlogged(files, cluster, &cited) {
        let (who, time) = (by.who(), crate::clock::rfc3339(by.time()));
        wrong(PERIOD, format!("{}: no audit trail says that {who} wrote at {time}", cluster.folder));
    }
}

/// An exception or a power whose writers are others than its objects noted.
fn misattributed(cluster: &ClusterPeriod, noted: &BTreeMap<Noting, Option<String>>) -> Option<String> {
    let managers =
        |digest, run| noted.get(&(digest, run)).and_then(Option::as_ref).map(evidence::named).unwrap_or_default();
    let attribution = Attribution::new(&cluster.runs, &managers, &[]);
    let differs =
        |said: &[WrittenBy], again: Vec<WrittenBy>| !said.iter().filter(|by| trail_of(by).is_none()).eq(&again);
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

/// A writer of an audit log whom the trail that is cited for it does not name so. What is left out cannot be asked.
fn unlogged<'c>(files: &Files, cluster: &'c ClusterPeriod, cited: &BTreeSet<Digest>) -> Option<&'c WrittenBy> {
    let table = files.get(&table_path(&cluster.folder))?;
    let texts = stored_objects(table, |digest| cited.contains(digest)).ok()?;
    let trails: BTreeMap<Digest, Option<AuditTrail>> = texts
        .into_iter()
        .filter_map(|object| {
            let sealed = serde_json::from_str::<Sealed>(&object.json?).ok();
            Some((object.digest, sealed.map(|sealed| sealed.spec)))
        })
        .collect();
    let says = |by: &WrittenBy| match trail_of(by).and_then(|trail| trails.get(&trail)) {
        None => true,
        Some(None) => false,
        Some(Some(trail)) => trail.writes.iter().any(|write| is_entry(by, write)),
    };
    lists(cluster).find(|by| !says(by))
}

fn is_entry(by: &WrittenBy, write: &AuditWrite) -> bool {
    match by {
        WrittenBy::AuditLog { user, acting_as, verb, subresource, time, audit_id, .. } => {
            (user, acting_as, verb, subresource, time, audit_id)
                == (&write.user, &write.acting_as, &write.verb, &write.subresource, &write.time, &write.audit_id)
        }
        WrittenBy::ManagedFields { .. } => false,
    }
}
