//! Which reports are evidence: fresh, not from the future, and of a node that exists. The others are sentences.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::report::{KEY, KIND, LABEL, NAMESPACE, Report};
use crate::{
    collect::{
        Excluded, InputError, ListOutcome,
        inputs::{self, GROUP, Read},
    },
    snapshot::{Object, Sealer},
};

/// Plural of [`KIND`].
const PLURAL: &str = "nodereports";
/// Twice a day, and some time to spare.
const MAX_AGE: TimeDelta = TimeDelta::hours(26);
/// What clocks may differ by.
const MAX_SKEW: TimeDelta = TimeDelta::minutes(5);
/// Names that one sentence repeats.
const MAX_NAMES: usize = 5;

/// A report that was read and sealed, before it is known whether it counts.
#[derive(Debug, Clone)]
pub struct Candidate {
    object: Object,
    read_at: DateTime<Utc>,
    from: String,
}

impl Candidate {
    /// Reads and seals a report; `from` is where it was, for people.
    ///
    /// # Errors
    /// What holds it is no report.
    pub fn read(bytes: &[u8], from: &str, sealer: &Sealer) -> Result<Self, InputError> {
        let fail = |message: String| InputError { file: from.into(), line: None, message };
        let report = Report::parse(bytes).map_err(|error| fail(error.to_string()))?;
        let object = sealer.seal(report.object(), &resource(), None).map_err(|error| fail(error.to_string()))?;
        Ok(Self { object, read_at: report.read_at(), from: from.into() })
    }
}

/// The report in a ConfigMap, where it is one of those that nodes write.
///
/// What may write which ConfigMap is decided by name, so that a report counts only under its node's name.
pub fn in_config_map(object: &Value, sealer: &Sealer) -> Option<Result<Candidate, InputError>> {
    let metadata = &object["metadata"];
    if metadata["namespace"] != NAMESPACE || metadata["labels"][LABEL.0] != LABEL.1 {
        return None;
    }
    let name = metadata["name"].as_str().unwrap_or_default();
    let from = format!("ConfigMap {NAMESPACE}/{name}");
    let fail = |message: String| InputError { file: from.clone(), line: None, message };
    let Some(text) = object["data"][KEY].as_str() else {
        return Some(Err(fail(format!("has no {KEY}"))));
    };
    Some(Candidate::read(text.as_bytes(), &from, sealer).and_then(|candidate| match candidate.object.name == name {
        true => Ok(candidate),
        false => Err(fail(format!("holds the report of another node, '{}'; it is not used", candidate.object.name))),
    }))
}

/// The reports that count, and a record that says which nodes have none. `nodes` is `None` where nobody knows them.
pub fn accept(
    read: Vec<Result<Candidate, InputError>>,
    nodes: Option<&BTreeSet<String>>,
    now: DateTime<Utc>,
    request: &str,
) -> Read {
    let mut errors = Vec::new();
    let mut accepted: BTreeMap<String, Candidate> = BTreeMap::new();
    for candidate in read {
        match candidate.and_then(|candidate| judged(candidate, nodes, now)) {
            Ok(candidate) => {
                let name = candidate.object.name.clone();
                let earlier = accepted.get(&name).is_some_and(|known| known.read_at >= candidate.read_at);
                let older = if earlier { Some(candidate) } else { accepted.insert(name, candidate) };
                errors.extend(older.map(|older| refused(&older, "is older than another report of the same node")));
            }
            Err(error) => errors.push(error),
        }
    }
    errors.sort_by(|a, b| (&a.file, &a.message).cmp(&(&b.file, &b.message)));
    let outcome = outcome(&accepted, nodes, errors.len());
    let record = inputs::record(PLURAL, KIND, request, outcome, accepted.len() as u64);
    Read { objects: accepted.into_values().map(|candidate| candidate.object).collect(), lists: vec![record], errors }
}

/// What coverage says where no node wrote a report.
pub fn none_found() -> Excluded {
    let reason = "no node has written a report; install schedules/kubernetes/overlays/node, or give --node-reports";
    Excluded { resource: resource(), reason: reason.into() }
}

fn resource() -> String {
    format!("{PLURAL}.{GROUP}")
}

fn refused(candidate: &Candidate, reason: impl Into<String>) -> InputError {
    InputError { file: candidate.from.clone(), line: None, message: format!("{}; it is not used", reason.into()) }
}

fn judged(candidate: Candidate, nodes: Option<&BTreeSet<String>>, now: DateTime<Utc>) -> Result<Candidate, InputError> {
    let (name, age) = (&candidate.object.name, now - candidate.read_at);
    if nodes.is_some_and(|nodes| !nodes.contains(name)) {
        return Err(refused(&candidate, format!("is the report of '{name}', and the cluster has no such node")));
    }
    if age > MAX_AGE {
        let reason = format!("is {} h old, and a report counts for {} h", age.num_hours(), MAX_AGE.num_hours());
        return Err(refused(&candidate, reason));
    }
    if age < -MAX_SKEW {
        let at = crate::clock::rfc3339(candidate.read_at);
        return Err(refused(&candidate, format!("claims to have been read in the future, at {at}")));
    }
    Ok(candidate)
}

fn outcome(accepted: &BTreeMap<String, Candidate>, nodes: Option<&BTreeSet<String>>, errors: usize) -> ListOutcome {
    let without: Vec<&str> =
        nodes.into_iter().flatten().filter(|node| !accepted.contains_key(*node)).map(String::as_str).collect();
    match (without.as_slice(), nodes) {
        ([], None) if errors > 0 => ListOutcome::Failed { reason: "some reports could not be used".into() },
        ([], _) => ListOutcome::Seen,
        (without, nodes) => {
            let (total, more) = (nodes.map_or(0, BTreeSet::len), without.len().saturating_sub(MAX_NAMES));
            let names = without[..without.len() - more].join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let reason = format!("{} of {total} nodes have no report that counts: {names}{more}", without.len());
            ListOutcome::Failed { reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use serde_json::json;

    use super::*;
    use crate::{collect::node::SCHEMA, snapshot::Tokens};

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 23, 6, 0, 0).unwrap()
    }

    fn report(name: &str, hours_ago: i64) -> String {
        let at = crate::clock::rfc3339(now() - TimeDelta::hours(hours_ago));
        json!({"schema": SCHEMA, "name": name, "readAt": at}).to_string()
    }

    fn sealer() -> Sealer {
        Sealer::new(None, "", Tokens::Foreign)
    }

    fn map(name: &str, label: &str, report: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": NAMESPACE, "labels": {LABEL.0: label}}, "data": {KEY: report}})
    }

    fn nodes(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_labelled_config_maps_of_the_namespace_are_reports() {
        let good = map("n1", "v1", &report("n1", 1));
        assert!(in_config_map(&good, &sealer()).unwrap().is_ok());
        let mut elsewhere = good.clone();
        elsewhere["metadata"]["namespace"] = "default".into();
        for other in [elsewhere, map("n1", "v2", &report("n1", 1)), json!({}), json!(null)] {
            assert!(in_config_map(&other, &sealer()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_config_map_speaks_for_no_other_node() {
        let error = in_config_map(&map("n1", "v1", &report("n2", 1)), &sealer()).unwrap().unwrap_err();
        assert!(error.message.contains("another node, 'n2'"), "{error:?}");
        for broken in [map("n1", "v1", "{"), json!({"metadata": map("n1", "v1", "")["metadata"]})] {
            assert!(in_config_map(&broken, &sealer()).unwrap().is_err());
        }
    }

    #[test]
    fn stale_early_and_strange_reports_are_sentences_and_their_nodes_are_named() {
        let candidate = |name: &str, hours| Candidate::read(report(name, hours).as_bytes(), name, &sealer());
        let read = vec![
            candidate("fresh", 25),
            candidate("stale", 27),
            candidate("early", -1),
            candidate("strange", 1),
            Err(InputError { file: "broken".into(), line: None, message: "m".into() }),
        ];
        let read = accept(read, Some(&nodes(&["fresh", "stale", "early", "silent"])), now(), "r");
        assert_eq!(read.objects.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["fresh"]);
        let said: Vec<String> = read.errors.iter().map(|e| format!("{}: {}", e.file, e.message)).collect();
        assert_eq!(said.len(), 4);
        for needle in ["27 h old", "in the future, at 2026-11-23T07:00:00Z", "no such node"] {
            assert!(said.iter().any(|line| line.contains(needle)), "{needle}: {said:?}");
        }
        assert_eq!(read.lists[0].id(), "nodereports.kubeproof.dev");
        let reason = "3 of 4 nodes have no report that counts: early, silent, stale";
        assert_eq!(read.lists[0].outcome, ListOutcome::Failed { reason: reason.into() });
        assert_eq!(read.lists[0].count, 1);
    }

    #[test]
    fn of_two_reports_the_newer_counts_and_every_node_seen_is_seen() {
        for order in [[1, 5], [5, 1]] {
            let read = order.map(|h| Candidate::read(report("n1", h).as_bytes(), &h.to_string(), &sealer()));
            let read = accept(read.into(), Some(&nodes(&["n1"])), now(), "r");
            assert_eq!(read.objects.len(), 1);
            assert_eq!(read.errors[0].file, "5");
            assert_eq!(read.lists[0].outcome, ListOutcome::Seen);
        }
    }
}
