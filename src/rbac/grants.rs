//! From roles and bindings to grants.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use serde::de::DeserializeOwned;

use super::{
    Dangling, Grant,
    aggregate::{Effective, Roles},
};
use crate::snapshot::Object;

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";
const STOCK_LABEL: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");

/// Every permission that the objects' bindings give, sorted, and the bindings whose role does not exist.
///
/// The order of the objects does not matter. Roles that Kubernetes makes on every cluster are never dangling:
/// manifests refer to them without holding them.
pub fn grants(objects: &[Object]) -> (Vec<Grant>, Vec<Dangling>) {
    let roles = roles(objects);
    let mut grants = Vec::new();
    let mut dangling = Vec::new();
    for binding in bindings(objects).filter(|b| !b.role_ref.name.is_empty()) {
        match roles.effective(binding.namespace.as_deref(), &binding.role_ref.kind, &binding.role_ref.name) {
            Some(role) => binding.grants(&role, &mut grants),
            None if is_default_role(&binding.role_ref.name) => {}
            None => dangling.push(binding.dangling()),
        }
    }
    grants.sort_unstable();
    grants.dedup();
    dangling.sort_unstable();
    dangling.dedup();
    (grants, dangling)
}

/// Roles that the API server makes, and makes again, by itself.
fn is_default_role(name: &str) -> bool {
    matches!(name, "cluster-admin" | "admin" | "edit" | "view") || name.starts_with("system:")
}

/// Both kinds of bindings in one shape.
struct Binding {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    stock: bool,
    role_ref: RoleRef,
    subjects: Vec<Subject>,
}

fn bindings(objects: &[Object]) -> impl Iterator<Item = Binding> {
    objects.iter().filter(|o| o.gvk.group == GROUP).filter_map(|object| match object.gvk.kind.as_str() {
        "ClusterRoleBinding" => typed::<ClusterRoleBinding>(object).map(|b| Binding {
            kind: "ClusterRoleBinding",
            namespace: None,
            name: object.name.clone(),
            stock: is_stock(b.metadata.labels.as_ref()),
            role_ref: b.role_ref,
            subjects: b.subjects.unwrap_or_default(),
        }),
        "RoleBinding" => typed::<RoleBinding>(object).map(|b| Binding {
            kind: "RoleBinding",
            // A manifest without a namespace is applied to one all the same: never mistake it for the whole cluster.
            namespace: Some(object.namespace.clone().unwrap_or_else(|| "default".into())),
            name: object.name.clone(),
            stock: is_stock(b.metadata.labels.as_ref()),
            role_ref: b.role_ref,
            subjects: b.subjects.unwrap_or_default(),
        }),
        _ => None,
    })
}

fn roles(objects: &[Object]) -> Roles {
    let mut roles = Roles::default();
    for object in objects.iter().filter(|o| o.gvk.group == GROUP) {
        match object.gvk.kind.as_str() {
            "ClusterRole" => {
                if let Some(role) = typed::<ClusterRole>(object) {
                    let stock = is_stock(role.metadata.labels.as_ref());
                    roles.add_cluster_role(object.name.clone(), role, stock);
                }
            }
            "Role" => {
                if let Some(role) = typed::<Role>(object) {
                    let namespace = object.namespace.clone().unwrap_or_else(|| "default".into());
                    let stock = is_stock(role.metadata.labels.as_ref());
                    roles.add_role(namespace, object.name.clone(), role.rules.unwrap_or_default(), stock);
                }
            }
            _ => {}
        }
    }
    roles
}

/// An object that the API server would refuse grants nothing; the reader of the log learns which.
fn typed<T: DeserializeOwned>(object: &Object) -> Option<T> {
    serde_json::from_str(&object.json)
        .map_err(
            |error| tracing::warn!(object = %object.reference(), %error, "not a valid RBAC object, it grants nothing"),
        )
        .ok()
}

fn is_stock(labels: Option<&BTreeMap<String, String>>) -> bool {
    labels.and_then(|l| l.get(STOCK_LABEL.0)).is_some_and(|v| v == STOCK_LABEL.1)
}

impl Binding {
    fn dangling(&self) -> Dangling {
        Dangling {
            binding_kind: self.kind.to_owned(),
            namespace: self.namespace.clone(),
            binding: self.name.clone(),
            role: format!("{}/{}", self.role_ref.kind, self.role_ref.name),
        }
    }

    fn grants(&self, role: &Effective, grants: &mut Vec<Grant>) {
        for subject in &self.subjects {
            let (kind, name, namespace) = self.subject(subject);
            for (index, rule) in role.rules.iter().enumerate() {
                let row = Grant {
                    subject_kind: kind.clone(),
                    subject_name: name.clone(),
                    subject_namespace: namespace.clone(),
                    namespace: self.namespace.clone(),
                    verb: String::new(),
                    group: String::new(),
                    resource: String::new(),
                    resource_name: None,
                    url: None,
                    binding_kind: self.kind.to_owned(),
                    binding: self.name.clone(),
                    role_kind: self.role_ref.kind.clone(),
                    role: self.role_ref.name.clone(),
                    rule: u32::try_from(index).unwrap_or(u32::MAX),
                    aggregated_from: rule.from.clone(),
                    stock: self.stock && role.stock,
                };
                spread(&rule.rule, &row, grants);
            }
        }
    }

    /// `User system:serviceaccount:NS:NAME` is the service account under another spelling, and granted as such.
    fn subject(&self, subject: &Subject) -> (String, String, Option<String>) {
        let account = subject.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        match (subject.kind.as_str(), account) {
            ("User", Some((namespace, name))) => ("ServiceAccount".into(), name.into(), Some(namespace.into())),
            ("ServiceAccount", _) => {
                let namespace = subject.namespace.clone().or_else(|| self.namespace.clone());
                ("ServiceAccount".into(), subject.name.clone(), namespace)
            }
            (kind, _) => (kind.to_owned(), subject.name.clone(), None),
        }
    }
}

/// One row per verb, group, resource and name of a rule; non-resource URLs count only for the whole cluster.
fn spread(rule: &PolicyRule, row: &Grant, grants: &mut Vec<Grant>) {
    let list = |items: &Option<Vec<String>>| items.clone().unwrap_or_default();
    let (groups, resources, urls) = (list(&rule.api_groups), list(&rule.resources), list(&rule.non_resource_urls));
    let names = list(&rule.resource_names);
    let names: Vec<Option<String>> = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
    for verb in &rule.verbs {
        for group in &groups {
            for resource in &resources {
                grants.extend(names.iter().map(|name| Grant {
                    verb: verb.clone(),
                    group: group.clone(),
                    resource: resource.clone(),
                    resource_name: name.clone(),
                    ..row.clone()
                }));
            }
        }
        if row.namespace.is_none() {
            grants.extend(urls.iter().map(|url| Grant { verb: verb.clone(), url: Some(url.clone()), ..row.clone() }));
        }
    }
}
