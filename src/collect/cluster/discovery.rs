//! What the server serves: aggregated discovery in two requests, else group by group.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::transport::{Ask, Failure, Transport};
use crate::collect::DiscoveryFailure;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                          application/json";
const AGGREGATED_KIND: &str = "APIGroupDiscoveryList";

/// A resource as the server describes it, in the version the server prefers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) namespaced: bool,
}

/// Listable resources by group and plural name, and what could not be learnt.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    served: BTreeMap<(String, String), Served>,
    pub(super) failures: Vec<DiscoveryFailure>,
}

/// What is known of one resource.
pub(super) enum Found<'a> {
    Served(&'a Served),
    /// The server was understood, and has no such resource.
    NotServed,
    /// Discovery of its group failed.
    Unknown(&'a DiscoveryFailure),
}

impl Discovery {
    pub(super) fn find(&self, group: &str, plural: &str) -> Found<'_> {
        if let Some(served) = self.served.get(&(group.to_owned(), plural.to_owned())) {
            return Found::Served(served);
        }
        let group_of = |failure: &DiscoveryFailure| match failure.group_version.split_once('/') {
            Some((group, _)) => group.to_owned(),
            None => String::new(),
        };
        match self.failures.iter().find(|failure| failure.group_version == "*" || group_of(failure) == group) {
            Some(failure) => Found::Unknown(failure),
            None => Found::NotServed,
        }
    }

    /// Some served group ends with `suffix`.
    pub(super) fn serves_group_of(&self, suffix: &str) -> bool {
        self.served.keys().any(|(group, _)| group.ends_with(suffix))
    }

    fn add(&mut self, group: &str, plural: &str, served: Served) {
        self.served.entry((group.to_owned(), plural.to_owned())).or_insert(served);
    }

    fn fail(&mut self, group_version: String, message: String) {
        self.failures.push(DiscoveryFailure { group_version, message });
    }
}

/// Asks what is served. What cannot be learnt is recorded, and lists of it are unknown rather than absent.
pub(super) async fn discover(transport: &Transport) -> Discovery {
    let mut discovery = Discovery::default();
    for (path, core) in [("/api", true), ("/apis", false)] {
        let answer: Result<Root, Failure> = transport.read(Ask::get(path).accepting(AGGREGATED)).await;
        match answer {
            Ok(Root { kind: Some(kind), items, .. }) if kind == AGGREGATED_KIND => aggregated(&mut discovery, items),
            Ok(root) => plain(transport, &mut discovery, core, root).await,
            // Without the list of groups nothing is known of any of them.
            Err(failure) => discovery.fail(if core { "v1".into() } else { "*".into() }, failure.to_string()),
        }
    }
    discovery.failures.sort_by(|a, b| a.group_version.cmp(&b.group_version));
    discovery
}

/// The answer at `/api` or `/apis`, in any of its three forms.
#[derive(Deserialize)]
struct Root {
    kind: Option<String>,
    #[serde(default)]
    items: Vec<Group>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    groups: Vec<PlainGroup>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupName,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize, Default)]
struct GroupName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Listed>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    resource: String,
    #[serde(default)]
    response_kind: ResponseKind,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize, Default)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

fn aggregated(discovery: &mut Discovery, groups: Vec<Group>) {
    for group in groups {
        let name = group.metadata.name;
        for version in group.versions {
            if version.freshness == "Stale" {
                let message = "the API server behind this group does not answer".into();
                discovery.fail(join(&name, &version.version), message);
            }
            for listed in version.resources.into_iter().filter(|r| r.verbs.iter().any(|verb| verb == "list")) {
                let namespaced = listed.scope == "Namespaced";
                let served = Served { version: version.version.clone(), kind: listed.response_kind.kind, namespaced };
                discovery.add(&name, &listed.resource, served);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainGroup {
    name: String,
    #[serde(default)]
    versions: Vec<PlainVersion>,
    preferred_version: Option<PlainVersion>,
}

#[derive(Deserialize, Clone, PartialEq)]
struct PlainVersion {
    version: String,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<PlainResource>,
}

#[derive(Deserialize)]
struct PlainResource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

/// Servers before aggregated discovery: one request for each group and version, the preferred version first.
async fn plain(transport: &Transport, discovery: &mut Discovery, core: bool, root: Root) {
    let mut asked: Vec<(String, String)> = Vec::new();
    if core {
        asked.extend(root.versions.into_iter().map(|version| (String::new(), version)));
    }
    for group in root.groups {
        let preferred = group.preferred_version.into_iter();
        let mut versions: Vec<PlainVersion> = preferred.chain(group.versions).collect();
        versions.dedup();
        asked.extend(versions.into_iter().map(|v| (group.name.clone(), v.version)));
    }
    for (group, version) in asked {
        let path = if core { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        match transport.read::<Resources>(Ask::get(&path)).await {
            Ok(list) => {
                for resource in list.resources.into_iter().filter(|r| r.verbs.iter().any(|verb| verb == "list")) {
                    let served =
                        Served { version: version.clone(), kind: resource.kind, namespaced: resource.namespaced };
                    discovery.add(&group, &resource.name, served);
                }
            }
            Err(failure) => discovery.fail(join(&group, &version), failure.to_string()),
        }
    }
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_groups_are_unknown_and_missing_ones_are_not_served() {
        let groups = serde_json::from_value(serde_json::json!([
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]},
            {"metadata": {"name": "apps"}, "versions": [
                {"version": "v1", "freshness": "Current", "resources": [{"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced", "verbs": ["get", "list"]}]},
                {"version": "v1beta1", "resources": [{"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced", "verbs": ["list"]}]}]},
        ]))
        .unwrap();
        let mut discovery = Discovery::default();
        aggregated(&mut discovery, groups);
        let Found::Served(served) = discovery.find("apps", "deployments") else { panic!("not served") };
        assert_eq!(*served, Served { version: "v1".into(), kind: "Deployment".into(), namespaced: true });
        assert!(matches!(discovery.find("apps", "widgets"), Found::NotServed));
        assert!(matches!(discovery.find("metrics.k8s.io", "pods"), Found::Unknown(_)));
    }

    #[test]
    fn without_the_list_of_groups_nothing_is_absent() {
        let mut discovery = Discovery::default();
        discovery.fail("*".into(), "403".into());
        assert!(matches!(discovery.find("apps", "deployments"), Found::Unknown(_)));
    }
}
