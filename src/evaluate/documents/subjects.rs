//! Users, groups and service accounts with what they may do.

use std::collections::{BTreeMap, BTreeSet};

use super::Document;
use crate::{
    evaluate::{
        Evidence,
        grants::{Behind, RBAC},
        value::Node,
    },
    framework::check::On,
    rbac,
    resource::ResourceRef,
    snapshot::Snapshot,
};

/// Every subject, resting on the bindings and roles that give it something.
pub(super) fn subjects(snapshot: &Snapshot) -> Vec<Document> {
    let behind = Behind::new(snapshot);
    let mut evidence: BTreeMap<(&str, Option<&str>, &str), BTreeSet<&Evidence>> = BTreeMap::new();
    for grant in &snapshot.grants {
        let subject = (grant.subject_kind.as_str(), grant.subject_namespace.as_deref(), grant.subject_name.as_str());
        evidence.entry(subject).or_default().extend(behind.of(&rbac::via(grant)));
    }
    let document = |subject: rbac::Subject| {
        let key = (subject.kind.as_str(), subject.namespace.as_deref(), subject.name.as_str());
        let evidence = evidence.get(&key).into_iter().flatten().copied().cloned().collect();
        // A subject is texts and lists of texts, which JSON always holds.
        let node = Node::from(&serde_json::to_value(&subject).unwrap_or_default());
        Document { on: On::Subject, resource: subject_reference(&subject), node, base: "", evidence }
    };
    rbac::subjects(&snapshot.grants).into_iter().map(document).collect()
}

fn subject_reference(subject: &rbac::Subject) -> ResourceRef {
    let api_version = if subject.kind == "ServiceAccount" { "v1".into() } else { format!("{RBAC}/v1") };
    ResourceRef {
        api_version,
        kind: subject.kind.clone(),
        namespace: subject.namespace.clone(),
        name: subject.name.clone(),
        uid: None,
    }
}
