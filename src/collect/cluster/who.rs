//! Who asked, with which rules, and which server answered.

use serde::Deserialize;
use serde_json::{Value, json};

use super::transport::{Ask, Failure, Transport};
use crate::collect::{Caller, CallerRule};

/// `gitVersion` of the server; `None` when it does not tell.
pub(super) async fn version(transport: &Transport) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    transport.read::<Version>(Ask::get("/version")).await.ok().map(|version| version.git_version)
}

/// The server's own view of the caller; `None` when it does not tell.
pub(super) async fn caller(transport: &Transport, namespace: &str) -> Option<Caller> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let user = match post::<Reviewed>(transport, path, &review).await {
        Ok(reviewed) => reviewed.status.user_info,
        Err(failure) => {
            tracing::warn!(%failure, "the server does not tell who asks");
            return None;
        }
    };
    let spec = json!({"namespace": namespace});
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": spec});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let rules = post::<RulesReviewed>(transport, path, &review).await.map(|reviewed| reviewed.status);
    let rules_incomplete = rules.as_ref().map_or(true, |rules| rules.incomplete);
    let rules = rules.map(Rules::into_sorted).unwrap_or_default();
    Some(Caller { username: user.username, groups: user.groups, rules, rules_incomplete })
}

async fn post<T: for<'de> Deserialize<'de>>(transport: &Transport, path: &str, body: &Value) -> Result<T, Failure> {
    transport.read(Ask::post(path, body.to_string().as_bytes())).await
}

#[derive(Deserialize)]
struct Reviewed {
    status: UserStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserStatus {
    user_info: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Deserialize)]
struct RulesReviewed {
    status: Rules,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    #[serde(default)]
    resource_rules: Vec<ResourceRule>,
    #[serde(default)]
    non_resource_rules: Vec<UrlRule>,
    #[serde(default)]
    incomplete: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceRule {
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

#[derive(Deserialize)]
struct UrlRule {
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    urls: Vec<String>,
}

impl Rules {
    fn into_sorted(self) -> Vec<CallerRule> {
        let resources = self.resource_rules.into_iter().map(|rule| CallerRule {
            verbs: rule.verbs,
            groups: rule.api_groups,
            resources: rule.resources,
            names: rule.resource_names,
        });
        let urls = self.non_resource_rules.into_iter().map(|rule| CallerRule {
            verbs: rule.verbs,
            groups: Vec::new(),
            resources: rule.urls,
            names: Vec::new(),
        });
        let mut rules: Vec<_> = resources.chain(urls).collect();
        rules.sort();
        rules.dedup();
        rules
    }
}
