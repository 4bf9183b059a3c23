//! The cluster as a whole.

use chrono::NaiveDate;

use super::{Document, Made};
use crate::{
    evaluate::value::Node,
    framework::{Minor, Versions, check::On},
    resource::ResourceRef,
};

/// Days after which the table of versions may lack one that is in use.
const STALE_DAYS: i64 = 180;

pub(super) fn cluster(made: Made<'_>) -> Document {
    let cluster = &made.snapshot.cluster;
    let facts = [("kubernetes", &cluster.kubernetes), ("platform", &cluster.platform), ("uid", &cluster.uid)];
    let known = facts.into_iter().filter_map(|(key, value)| Some((key.to_string(), Node::text(value.as_deref()?))));
    let minor = cluster.kubernetes.as_deref().and_then(|version| version.parse().ok());
    let versions = versions(minor, made.tables.versions, made.coverage.finished.date_naive());
    let node =
        Node::map(known.chain([("name".to_string(), Node::text(&cluster.name)), ("versions".to_string(), versions)]));
    let resource = ResourceRef {
        api_version: crate::config::API_VERSION.into(),
        kind: "Cluster".into(),
        namespace: None,
        name: cluster.name.clone(),
        uid: cluster.uid.clone(),
    };
    Document { on: On::Cluster, resource, node, base: "", evidence: Vec::new() }
}

/// What the table says of the cluster's version on `day`.
fn versions(minor: Option<Minor>, table: Option<&Versions>, day: NaiveDate) -> Node {
    let Some(minor) = minor else { return Node::unknown("the version of the API server is not known") };
    let Some(table) = table else { return Node::unknown("the rules have no table of Kubernetes versions") };
    let age = (day - table.date).num_days();
    let (left, end) = match table.release(minor) {
        Some(release) => {
            let end = Node::text(release.end_of_life.to_string());
            (Node::int((release.end_of_life - day).num_days()), Some(end))
        }
        None => (Node::unknown(format!("Kubernetes {minor} is not in the table of versions of {}", table.date)), None),
    };
    let note = match age > STALE_DAYS {
        true => format!(" (by a table that is {age} days old: a newer kubeproof may know better)"),
        false => String::new(),
    };
    let end = end.into_iter().map(|end| ("endOfLife".to_string(), end));
    Node::map(end.chain([
        ("dataAgeDays".to_string(), Node::int(age)),
        ("dataDate".to_string(), Node::text(table.date.to_string())),
        ("daysLeft".to_string(), left),
        ("minor".to_string(), Node::text(minor.to_string())),
        ("note".to_string(), Node::text(note)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::embedded;
    use serde_json::json;

    fn on(minor: u32, day: &str) -> Node {
        let table = Versions::load(&embedded()).unwrap().unwrap();
        versions(Some(Minor(minor)), Some(&table), day.parse().unwrap())
    }

    #[test]
    fn days_are_counted_to_the_end_of_the_collection() {
        let found = on(36, "2027-06-27");
        let note = " (by a table that is 214 days old: a newer kubeproof may know better)";
        assert_eq!(
            found.json(),
            json!({"minor": "1.36", "endOfLife": "2027-06-28", "daysLeft": 1, "dataDate": "2026-11-25",
                "dataAgeDays": 214, "note": note})
        );
        assert_eq!(on(34, "2026-11-25").get("daysLeft").and_then(Node::as_i64), Some(-29));
        assert_eq!(on(36, "2027-05-24").get("note").and_then(Node::as_str), Some(""));
    }

    #[test]
    fn what_the_table_does_not_know_is_unknown() {
        let reason = |node: &Node| node.unknown_reason().map(ToString::to_string);
        let newer = on(38, "2027-06-01");
        assert!(newer.get("endOfLife").is_none());
        assert_eq!(
            reason(newer.get("daysLeft").unwrap()).as_deref(),
            Some("Kubernetes 1.38 is not in the table of versions of 2026-11-25")
        );
        assert!(reason(&versions(None, None, NaiveDate::MIN)).is_some_and(|reason| reason.contains("API server")));
        assert!(
            reason(&versions(Some(Minor(37)), None, NaiveDate::MIN)).is_some_and(|reason| reason.contains("table"))
        );
    }
}
