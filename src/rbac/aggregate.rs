//! Roles with the rules that they really have, aggregated ones followed to where each rule comes from.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::rbac::v1::{ClusterRole, PolicyRule},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

/// Every role by name.
#[derive(Default)]
pub(super) struct Roles {
    cluster: BTreeMap<String, Known>,
    namespaced: BTreeMap<(String, String), Known>,
}

struct Known {
    rules: Vec<PolicyRule>,
    stock: bool,
    labels: BTreeMap<String, String>,
    selectors: Vec<LabelSelector>,
}

/// A role's rules.
pub(super) struct Effective {
    pub(super) rules: Vec<Sourced>,
    pub(super) stock: bool,
}

/// A rule, and the ClusterRole that an aggregating role has it from.
#[derive(Clone)]
pub(super) struct Sourced {
    pub(super) rule: PolicyRule,
    pub(super) from: Option<String>,
}

impl Roles {
    pub(super) fn add_cluster_role(&mut self, name: String, role: ClusterRole, stock: bool) {
        let selectors = role.aggregation_rule.and_then(|a| a.cluster_role_selectors).unwrap_or_default();
        let labels = role.metadata.labels.unwrap_or_default();
        // The first of two with one name wins, as it does in the snapshot.
        self.cluster.entry(name).or_insert(Known { rules: role.rules.unwrap_or_default(), stock, labels, selectors });
    }

    pub(super) fn add_role(&mut self, namespace: String, name: String, rules: Vec<PolicyRule>, stock: bool) {
        let known = Known { rules, stock, labels: BTreeMap::new(), selectors: Vec::new() };
        self.namespaced.entry((namespace, name)).or_insert(known);
    }

    /// The role that a binding in `namespace` refers to; `None` where there is no such role.
    pub(super) fn effective(&self, namespace: Option<&str>, kind: &str, name: &str) -> Option<Effective> {
        match kind {
            "Role" => {
                let known = self.namespaced.get(&(namespace?.to_owned(), name.to_owned()))?;
                let rules = known.rules.iter().map(|rule| Sourced { rule: rule.clone(), from: None }).collect();
                Some(Effective { rules, stock: known.stock })
            }
            "ClusterRole" => match self.cluster.get(name) {
                Some(known) => {
                    Some(Effective { rules: self.cluster_rules(name, &mut BTreeSet::new()), stock: known.stock })
                }
                None if name == "cluster-admin" => Some(cluster_admin()),
                None => None,
            },
            _ => None,
        }
    }

    /// The rules as stored, each with its source, then those of sources that the controller has not copied yet (in
    /// manifests it never has). `path` ends circles of roles that aggregate each other.
    fn cluster_rules(&self, name: &str, path: &mut BTreeSet<String>) -> Vec<Sourced> {
        let Some(known) = self.cluster.get(name).filter(|_| path.insert(name.to_owned())) else { return Vec::new() };
        let sources: Vec<Sourced> = self
            .cluster
            .iter()
            .filter(|(other, role)| *other != name && known.selectors.iter().any(|s| selects(s, &role.labels)))
            .flat_map(|(other, _)| {
                let rules = self.cluster_rules(other, path);
                rules.into_iter().map(|sourced| Sourced { rule: sourced.rule, from: Some(other.clone()) })
            })
            .collect();
        path.remove(name);
        let mut rules: Vec<Sourced> = known
            .rules
            .iter()
            .map(|rule| Sourced {
                rule: rule.clone(),
                from: sources.iter().find(|s| s.rule == *rule).and_then(|s| s.from.clone()),
            })
            .collect();
        for source in sources {
            if !rules.iter().any(|r| r.rule == source.rule) {
                rules.push(source);
            }
        }
        rules
    }
}

/// The one role whose rules are the same on every cluster: manifests bind it without holding it.
fn cluster_admin() -> Effective {
    let all = || Some(vec!["*".to_owned()]);
    let verbs = vec!["*".to_owned()];
    let resources = PolicyRule { api_groups: all(), resources: all(), verbs: verbs.clone(), ..PolicyRule::default() };
    let urls = PolicyRule { non_resource_urls: all(), verbs, ..PolicyRule::default() };
    let rules = [resources, urls].into_iter().map(|rule| Sourced { rule, from: None }).collect();
    Effective { rules, stock: true }
}

/// A label selector matches these labels; an empty one matches everything, an unknown operator nothing.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let exact = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    exact
        && selector.match_expressions.iter().flatten().all(|e| {
            let value = labels.get(&e.key);
            let listed = || value.is_some_and(|v| e.values.iter().flatten().any(|x| x == v));
            match e.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
