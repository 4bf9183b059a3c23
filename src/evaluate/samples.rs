//! Small values for the tests of this stage.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{Finding, FindingId, Outcome, Place};
use crate::{
    collect::{ClusterIdentity, Coverage, ListOutcome, ListRecord, Source, SourceKind, resources::RESOURCES},
    config::{Scope, Selection},
    digest::Digest,
    framework::Severity,
    rbac::Grant,
    resource::{Gvk, ResourceRef},
    snapshot::{Object, Snapshot},
};

/// A recorded cluster in which every list was answered, but those in `refused`.
pub fn coverage(refused: &[&str]) -> Coverage {
    let lists = RESOURCES.iter().map(|resource| {
        let mut record = ListRecord {
            group: resource.group.into(),
            version: "v1".into(),
            resource: resource.plural.into(),
            kind: resource.kind.into(),
            namespaced: resource.namespaced,
            request: String::new(),
            outcome: ListOutcome::Seen,
            count: 0,
            pages: 1,
            retries: 0,
            resource_version: None,
            duration_ms: 0,
        };
        if refused.contains(&record.id().as_str()) {
            record.outcome = ListOutcome::Refused { status: 403, reason: "forbidden".into() };
        }
        record
    });
    Coverage {
        schema: "kubeproof.dev/coverage/v1".into(),
        source: Source { kind: SourceKind::Recorded, name: "test".into() },
        cluster: ClusterIdentity { kubernetes: Some("v1.37.2".into()), ..ClusterIdentity::default() },
        started: chrono::DateTime::UNIX_EPOCH,
        finished: chrono::DateTime::UNIX_EPOCH,
        caller: None,
        server: None,
        discovery_failures: Vec::new(),
        lists: lists.collect(),
        redaction_key: None,
        excluded: Vec::new(),
    }
}

pub fn snapshot(objects: Vec<Object>, grants: Vec<Grant>) -> Snapshot {
    Snapshot {
        cluster: ClusterIdentity::default(),
        redaction_key: None,
        objects,
        grants,
        images: vec![],
        nodes: vec![],
        components: vec![],
    }
}

pub fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str, labels: &[(&str, &str)]) -> Object {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    let json =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels}}).to_string();
    Object {
        gvk: Gvk::new(api_version, kind),
        resource: format!("{}s", kind.to_lowercase()),
        namespace: namespace.map(Into::into),
        name: name.into(),
        uid: None,
        digest: Digest::of(json.as_bytes()),
        json: json.into(),
        managers: vec![],
        origin: None,
    }
}

pub fn namespace(name: &str, labels: &[(&str, &str)]) -> Object {
    object("v1", "Namespace", None, name, labels)
}

pub fn grant(kind: &str, subject_namespace: &str, name: &str, namespace: Option<&str>) -> Grant {
    Grant {
        subject_kind: kind.into(),
        subject_name: name.into(),
        subject_namespace: Some(subject_namespace.into()),
        namespace: namespace.map(Into::into),
        verb: "get".into(),
        group: String::new(),
        resource: "pods".into(),
        resource_name: None,
        url: None,
        binding_kind: "RoleBinding".into(),
        binding: "b".into(),
        role_kind: "Role".into(),
        role: "r".into(),
        rule: 0,
        aggregated_from: None,
        stock: false,
    }
}

/// A failure.
pub fn finding(check: &str, kind: &str, namespace: Option<&str>, name: &str) -> Finding {
    let resource = ResourceRef {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.map(Into::into),
        name: name.into(),
        uid: None,
    };
    Finding {
        id: FindingId::of(check, &resource, ""),
        check: check.into(),
        severity: Severity::High,
        outcome: Outcome::Fail,
        reason: None,
        resource: resource.into(),
        place: Place::default(),
        observed: Value::Null,
        expected: Arc::default(),
        message: Arc::default(),
        evidence: Arc::default(),
        file: None,
        requirements: Arc::default(),
        owner: None,
        waiver: None,
        expected_by: None,
        policy: None,
    }
}

pub fn scope(regulation: &str, names: &[&str]) -> Scope {
    Scope {
        id: "s".into(),
        regulations: vec![regulation.into()],
        namespaces: Some(Selection { names: names.iter().map(|n| (*n).into()).collect(), ..Selection::default() }),
        nodes: None,
        connected_to: vec![],
        excluded: vec![],
        declared_by: "head of payments".into(),
        declared_on: chrono::NaiveDate::from_ymd_opt(2026, 10, 3).unwrap(),
    }
}
