//! Grants gathered by subject, as checks see them.

use std::collections::BTreeMap;

use super::{Grant, Subject, SubjectGrant};

/// One entry per subject, sorted by kind, namespace and name.
pub fn subjects(grants: &[Grant]) -> Vec<Subject> {
    let mut subjects: BTreeMap<(&str, Option<&str>, &str), Subject> = BTreeMap::new();
    for grant in grants {
        let key = (grant.subject_kind.as_str(), grant.subject_namespace.as_deref(), grant.subject_name.as_str());
        let subject = subjects.entry(key).or_insert_with(|| Subject {
            kind: grant.subject_kind.clone(),
            name: grant.subject_name.clone(),
            namespace: grant.subject_namespace.clone(),
            grants: Vec::new(),
            stock: Vec::new(),
        });
        let list = if grant.stock { &mut subject.stock } else { &mut subject.grants };
        list.push(SubjectGrant {
            verb: grant.verb.clone(),
            group: grant.group.clone(),
            resource: grant.resource.clone(),
            name: grant.resource_name.clone(),
            namespace: grant.namespace.clone(),
            url: grant.url.clone(),
            via: via(grant),
            role: grant.role.clone(),
        });
    }
    let mut subjects: Vec<Subject> = subjects.into_values().collect();
    for subject in &mut subjects {
        for list in [&mut subject.grants, &mut subject.stock] {
            list.sort_unstable();
            list.dedup();
        }
    }
    subjects
}

/// `RoleBinding/shop/ci -> ClusterRole/admin (from pod-maker)`.
pub fn via(grant: &Grant) -> String {
    let namespace = grant.namespace.as_ref().map(|ns| format!("{ns}/")).unwrap_or_default();
    let from = grant.aggregated_from.as_ref().map(|from| format!(" (from {from})")).unwrap_or_default();
    let (binding_kind, binding, role_kind, role) = (&grant.binding_kind, &grant.binding, &grant.role_kind, &grant.role);
    format!("{binding_kind}/{namespace}{binding} -> {role_kind}/{role}{from}")
}
