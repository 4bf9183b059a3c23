//! The judge of least privilege is the API server's own audit log.

use std::{collections::BTreeSet, path::Path};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, api::PostParams};

use super::workspace::{Workspace, json};
use crate::harness::{
    cluster,
    cluster::{AuditEvent, Cluster},
};

/// The manifests that a user installs.
pub fn base(files: &[&str]) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules/kubernetes/base");
    files.iter().map(|file| folder.join(file)).collect()
}

/// A token for a service account, as the kubelet would ask for it.
pub async fn token(cluster: &Cluster, namespace: &str, account: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client().await, namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() }),
        ..TokenRequest::default()
    };
    let answer: TokenRequest =
        accounts.create_subresource("token", account, &PostParams::default(), &request).await.unwrap();
    answer.status.unwrap().token.unwrap()
}

fn is_self_review(event: &AuditEvent) -> bool {
    let reviews = ["selfsubjectreviews", "selfsubjectrulesreviews", "selfsubjectaccessreviews"];
    event.verb == "create" && event.object_ref.as_ref().is_some_and(|o| reviews.contains(&o.resource.as_str()))
}

#[tokio::test]
async fn the_cronjobs_own_role_is_enough_and_everything_it_allows_is_read() {
    let cluster = cluster();
    let files = base(&["namespace.yaml", "serviceaccount.yaml", "clusterrole.yaml", "clusterrolebinding.yaml"]);
    cluster.apply("kustomize", &files.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let user = Workspace::new();
    let kubeconfig = user.path("kubeconfig");
    cluster.write_kubeconfig(&kubeconfig, &token(cluster, "kubeproof", "kubeproof").await, None);

    user.run_live(&kubeconfig, &[]).expect(0);

    let audit = cluster.audit();
    let account = "system:serviceaccount:kubeproof:kubeproof";
    let requests: Vec<&AuditEvent> = audit.iter().filter(|event| event.user.username == account).collect();
    assert!(requests.len() > 30, "a run makes more than {} requests", requests.len());
    for event in &requests {
        let asked = format!("{} {}", event.verb, event.request_uri);
        assert!(matches!(event.verb.as_str(), "get" | "list") || is_self_review(event), "{asked}");
        let object = event.object_ref.as_ref();
        assert!(object.is_none_or(|o| !matches!(o.resource.as_str(), "secrets" | "events")), "{asked}");
        let code = event.response_status.as_ref().map_or(0, |status| status.code);
        assert!(!matches!(code, 401 | 403), "refused: {asked}");
    }
    let coverage = json(&user.bundle().join("data/coverage.json"));
    let outcomes: BTreeSet<&str> =
        coverage["lists"].as_array().unwrap().iter().map(|list| list["outcome"]["is"].as_str().unwrap()).collect();
    assert!(outcomes.is_subset(&BTreeSet::from(["seen", "notServed"])), "{outcomes:?}");
}
