//! Users, groups and service accounts with what they may do.

use std::collections::{BTreeMap, BTreeSet};

use super::{Document, digests};
use crate::{
    evaluate::{Evidence, value::Node},
    framework::check::On,
    rbac,
    resource::ResourceRef,
    snapshot::Snapshot,
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Every subject, resting on the bindings and roles that give it something.
pub(super) fn subjects(snapshot: &Snapshot) -> Vec<Document> {
    let digests = digests(snapshot, |object| object.gvk.group == RBAC);
    let mut evidence: BTreeMap<(&str, Option<&str>, &str), BTreeSet<Evidence>> = BTreeMap::new();
    for grant in &snapshot.grants {
        let subject = (grant.subject_kind.as_str(), grant.subject_namespace.as_deref(), grant.subject_name.as_str());
        let namespace = grant.namespace.as_deref();
        let of_role = namespace.filter(|_| grant.role_kind == "Role");
        let mut rests_on = vec![
            (grant.binding_kind.as_str(), namespace, grant.binding.as_str()),
            (grant.role_kind.as_str(), of_role, grant.role.as_str()),
        ];
        rests_on.extend(grant.aggregated_from.as_deref().map(|role| ("ClusterRole", None, role)));
        let known = rests_on.into_iter().filter_map(|key| {
            let (kind, namespace, name) = key;
            let path = namespace.map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}"));
            Some(Evidence { resource: format!("{kind}/{path}").into(), digest: *digests.get(&key)? })
        });
        evidence.entry(subject).or_default().extend(known);
    }
    let document = |subject: rbac::Subject| {
        let key = (subject.kind.as_str(), subject.namespace.as_deref(), subject.name.as_str());
        let evidence = evidence.get(&key).into_iter().flatten().cloned().collect();
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
