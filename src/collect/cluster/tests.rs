//! Edges of the transport that a real API server will not show on demand. The main path runs against a real one.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    sync::{Arc, Mutex, atomic::AtomicU32},
    time::Duration,
};

use chrono::DateTime;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::clock::FixedClock;

/// What the server says once.
#[derive(Clone)]
enum Say {
    Json(u16, Value),
    Later(u64),
    Truncated,
    Hang,
    /// Closes without a word, now and for every later request.
    Die,
}

/// Requests seen, and answers by path; the last answer of a path repeats.
#[derive(Default)]
struct Script {
    dead: bool,
    seen: Vec<String>,
    answers: BTreeMap<String, Vec<Say>>,
}

#[derive(Clone)]
struct Server {
    url: String,
    script: Arc<Mutex<Script>>,
}

impl Server {
    /// A server with two resources, pods and deployments, and nothing in them.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        let server = Self { url, script };
        server.on("/api/v1/namespaces/kube-system", [Say::Json(200, json!({"metadata": {"uid": "11112222-3333"}}))]);
        server.on("/version", [Say::Json(200, json!({"gitVersion": "v1.37.2"}))]);
        server.on("/api", [discovery("", &[("pods", "Pod"), ("secrets", "Secret")])]);
        server.on("/apis", [discovery("apps", &[("deployments", "Deployment")])]);
        server.on("/api/v1/pods", [page(&[], None)]);
        server.on("/apis/apps/v1/deployments", [page(&[], None)]);
        server
    }

    fn on(&self, path: &str, answers: impl IntoIterator<Item = Say>) {
        self.script.lock().unwrap().answers.insert(path.into(), answers.into_iter().collect());
    }

    fn seen(&self, path: &str) -> Vec<String> {
        let script = self.script.lock().unwrap();
        script.seen.iter().filter(|line| line.split([' ', '?']).nth(1) == Some(path)).cloned().collect()
    }

    async fn connect(&self, options: Options) -> Result<Connection, ConnectError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        fs::write(&file, kubeconfig(&self.url)).unwrap();
        let mut connection = connect(&Options { kubeconfig: Some(file), ..options }).await?;
        connection.transport.hurry();
        Ok(connection)
    }

    async fn collect(&self) -> Collected {
        self.collect_with(Options::default(), &[]).await
    }

    async fn collect_with(&self, options: Options, extra: &[&str]) -> Collected {
        let connection = self.connect(options).await.unwrap();
        let extra: Vec<String> = extra.iter().map(|id| (*id).to_owned()).collect();
        collect(&connection, None, &extra, &FixedClock(DateTime::UNIX_EPOCH), &|_| {}).await
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
            _ => return,
        }
        if !request[0].is_ascii_uppercase() {
            // A TLS greeting: what a plain server answers.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return;
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let line = text.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let path = line.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
    let say = {
        let mut script = script.lock().unwrap();
        let accept = text.lines().find_map(|l| l.strip_prefix("accept: ")).unwrap_or_default();
        script.seen.push(format!("{line} {accept}"));
        if script.dead {
            return;
        }
        match script.answers.get_mut(&path) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => status(404, "not found"),
        }
    };
    let (code, extra, body, missing) = match say {
        Say::Json(code, body) => (code, String::new(), body.to_string(), 0),
        Say::Later(seconds) => (429, format!("retry-after: {seconds}\r\n"), String::new(), 0),
        Say::Truncated => (200, String::new(), r#"{"items": [{"metadata""#.to_owned(), 100),
        Say::Hang => return std::future::pending().await,
        Say::Die => {
            script.lock().unwrap().dead = true;
            return;
        }
    };
    let length = body.len() + missing;
    let mut head = format!("HTTP/1.1 {code} X\r\ncontent-type: application/json\r\nconnection: close\r\n{extra}");
    write!(head, "content-length: {length}\r\n\r\n").unwrap();
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{"name": "c", "cluster": {"server": server}}, {"name": "empty", "cluster": {}}],
        "users": [{"name": "u", "user": {"token": "t0ken-value"}}],
        "contexts": [
            {"name": "lab", "context": {"cluster": "c", "user": "u"}},
            {"name": "nowhere", "context": {"cluster": "empty", "user": "u"}},
        ],
    })
    .to_string()
}

fn discovery(group: &str, resources: &[(&str, &str)]) -> Say {
    let resources: Vec<_> = resources
        .iter()
        .map(|(plural, kind)| json!({"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced", "verbs": ["list"]}))
        .collect();
    let versions = json!([{"version": "v1", "resources": resources}]);
    Say::Json(
        200,
        json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": group}, "versions": versions}]}),
    )
}

fn page(names: &[&str], next: Option<&str>) -> Say {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name, "namespace": "shop"}})).collect();
    Say::Json(200, json!({"metadata": {"resourceVersion": "7", "continue": next.unwrap_or("")}, "items": items}))
}

fn status(code: u16, message: &str) -> Say {
    Say::Json(code, json!({"kind": "Status", "message": message}))
}

fn names(collected: &Collected) -> Vec<String> {
    collected.objects.iter().map(|o| o.reference().to_string()).collect()
}

fn record<'a>(collected: &'a Collected, id: &str) -> &'a ListRecord {
    collected.coverage.list(id).unwrap()
}

const PODS: &str = "/api/v1/pods";

#[tokio::test]
async fn pages_are_joined_and_items_say_what_they_are() {
    let server = Server::start().await;
    server.on(PODS, [page(&["a", "b"], Some("more+")), page(&["c"], None)]);
    let collected = server.collect().await;
    assert_eq!(names(&collected), ["Pod/shop/a", "Pod/shop/b", "Pod/shop/c"]);
    assert_eq!(collected.objects[0].value()["apiVersion"], json!("v1"));
    let pods = record(&collected, "pods");
    assert_eq!((pods.count, pods.pages, pods.retries, pods.resource_version.as_deref()), (3, 2, 0, Some("7")));
    assert_eq!(pods.request, "/api/v1/pods?limit=500");
    assert!(server.seen(PODS)[1].contains("continue=more%2B"));
    let coverage = &collected.coverage;
    assert_eq!((coverage.cluster.name.as_str(), coverage.cluster.uid.as_deref()), ("lab", Some("11112222-3333")));
    assert_eq!(coverage.cluster.kubernetes.as_deref(), Some("v1.37.2"));
    assert_eq!(record(&collected, "deployments.apps").outcome, ListOutcome::Seen);
    assert_eq!(record(&collected, "jobs.batch").outcome, ListOutcome::NotServed);
}

#[tokio::test]
async fn an_expired_list_is_read_again_from_its_beginning() {
    let server = Server::start().await;
    let expired = status(410, "the provided continue parameter is too old");
    server.on(PODS, [page(&["old"], Some("t")), expired, page(&["a"], Some("t")), page(&["b"], None)]);
    let collected = server.collect().await;
    assert_eq!(names(&collected), ["Pod/shop/a", "Pod/shop/b"]);
    assert_eq!(record(&collected, "pods").retries, 1);
    assert_eq!(server.seen("/apis/apps/v1/deployments").len(), 1, "only that list starts again");
}

#[tokio::test]
async fn a_list_that_always_expires_fails_and_gives_no_half() {
    let server = Server::start().await;
    server.on(PODS, [page(&["a"], Some("t")), status(410, "gone")]);
    let collected = server.collect().await;
    assert_eq!(names(&collected), <[&str; 0]>::default());
    let pods = record(&collected, "pods");
    assert_eq!((pods.outcome.reason().unwrap().as_str(), pods.count), ("failed: 410 gone", 0));
}

#[tokio::test]
async fn too_many_requests_waits_as_long_as_the_server_says() {
    let server = Server::start().await;
    server.on(PODS, [Say::Later(1), page(&["a"], None)]);
    let begun = tokio::time::Instant::now();
    let collected = server.collect().await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((names(&collected).len(), record(&collected, "pods").retries), (1, 1));
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again() {
    let server = Server::start().await;
    server.on(PODS, [Say::Truncated, status(503, "etcd is gone"), page(&["a"], None)]);
    let collected = server.collect().await;
    assert_eq!((names(&collected).len(), record(&collected, "pods").retries), (1, 2));
}

#[tokio::test]
async fn refused_timed_out_and_failed_are_told_apart_and_the_run_goes_on() {
    let server = Server::start().await;
    server.on(PODS, [status(403, "pods is forbidden: User \"ci\" cannot list resource \"pods\"")]);
    server.on("/apis/apps/v1/deployments", [Say::Hang]);
    server.on("/api", [discovery("", &[("pods", "Pod"), ("services", "Service"), ("nodes", "Node")])]);
    server.on("/api/v1/services", [page(&["web"], None)]);
    server.on("/api/v1/nodes", [status(500, "boom")]);
    let options = Options { list_timeout: Duration::from_secs(1), ..Options::default() };
    let collected = server.collect_with(options, &[]).await;
    let reason = |id| record(&collected, id).outcome.reason();
    assert_eq!(reason("pods").unwrap(), "refused: 403 pods is forbidden: User \"ci\" cannot list resource \"pods\"");
    assert_eq!(reason("deployments.apps").unwrap(), "timed out after 1 s");
    assert_eq!(reason("nodes").unwrap(), "failed: 500 boom");
    assert_eq!((reason("services"), names(&collected)), (None, vec!["Service/shop/web".to_owned()]));
}

#[tokio::test]
async fn a_cluster_that_dies_leaves_what_was_seen_and_names_the_rest() {
    let server = Server::start().await;
    server.on("/api", [discovery("", &[("configmaps", "ConfigMap"), ("pods", "Pod")])]);
    server.on("/api/v1/configmaps", [page(&["kept"], None)]);
    server.on(PODS, [page(&["lost"], Some("t")), Say::Die]);
    let options = Options { concurrency: 1, ..Options::default() };
    let collected = server.collect_with(options, &[]).await;
    assert_eq!(names(&collected), ["ConfigMap/shop/kept"]);
    for id in ["pods", "deployments.apps"] {
        let reason = record(&collected, id).outcome.reason().unwrap();
        assert!(reason.starts_with("failed: connection lost"), "{id}: {reason}");
    }
    assert_eq!(record(&collected, "deployments.apps").retries, 0, "nobody waits twice for a dead server");
}

#[tokio::test]
async fn secrets_and_events_are_asked_for_never_and_only_as_metadata() {
    let server = Server::start().await;
    server.collect_with(Options::default(), &["events"]).await;
    assert!(server.seen("/api/v1/secrets").is_empty() && server.seen("/api/v1/events").is_empty());

    server.on("/api/v1/secrets", [page(&["s"], None)]);
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    server.on(review, [Say::Json(201, json!({"status": {"userInfo": {"username": "u"}}}))]);
    let may = |rule: Value| Say::Json(201, json!({"status": {"resourceRules": [rule], "nonResourceRules": []}}));
    let rules = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    for rule in [
        json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
        json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
        json!({"apiGroups": ["vault.example.com"], "resources": ["secrets"], "verbs": ["list"]}),
    ] {
        server.on(rules, [may(rule.clone())]);
        let collected = server.collect_with(Options::default(), &["secrets"]).await;
        assert!(server.seen("/api/v1/secrets").is_empty(), "{rule}");
        assert!(
            collected.coverage.excluded.iter().any(|e| e.resource == "secrets" && e.reason.contains("not evaluated"))
        );
    }
    server.on(rules, [may(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}))]);
    let collected = server.collect_with(Options::default(), &["secrets"]).await;
    assert_eq!(names(&collected), ["Secret/shop/s"]);
    let asked = server.seen("/api/v1/secrets");
    assert!(asked.len() == 1 && asked[0].ends_with(list::METADATA), "{asked:?}");
}

#[tokio::test]
async fn nothing_but_refusals_is_an_error_that_says_what_to_grant() {
    let server = Server::start().await;
    for path in [PODS, "/apis/apps/v1/deployments"] {
        server.on(path, [status(403, "forbidden")]);
    }
    let collected = server.collect().await;
    assert_eq!(collected.objects.len(), 0);
    let error = collected.coverage.failure().unwrap();
    assert!(error.contains("may list nothing") && error.contains("ClusterRole"), "{error}");
}

#[tokio::test]
async fn without_aggregated_discovery_groups_are_asked_one_by_one() {
    let server = Server::start().await;
    server.on("/api", [Say::Json(200, json!({"kind": "APIVersions", "versions": ["v1"]}))]);
    let resources = |plural, kind| {
        Say::Json(
            200,
            json!({"kind": "APIResourceList", "resources": [{"name": plural, "kind": kind, "namespaced": true, "verbs": ["list"]}]}),
        )
    };
    server.on("/api/v1", [resources("pods", "Pod")]);
    let group = |name, versions: &[&str]| {
        let versions: Vec<_> = versions.iter().map(|v| json!({"version": v})).collect();
        json!({"name": name, "versions": versions, "preferredVersion": versions[0]})
    };
    server.on(
        "/apis",
        [Say::Json(200, json!({"kind": "APIGroupList", "groups": [group("apps", &["v1"]), group("batch", &["v1"])]}))],
    );
    server.on("/apis/apps/v1", [resources("deployments", "Deployment")]);
    server.on("/apis/batch/v1", [status(503, "not ready")]);
    server.on(PODS, [page(&["a"], None)]);
    let collected = server.collect().await;
    assert_eq!(names(&collected), ["Pod/shop/a"]);
    assert_eq!(record(&collected, "deployments.apps").outcome, ListOutcome::Seen);
    assert_eq!(
        record(&collected, "jobs.batch").outcome.reason().unwrap(),
        "failed: discovery of batch/v1: 503 not ready"
    );
    assert_eq!(record(&collected, "roles.rbac.authorization.k8s.io").outcome, ListOutcome::NotServed);
}

#[tokio::test]
async fn an_expired_token_is_said_and_never_shown() {
    let server = Server::start().await;
    server.on("/api/v1/namespaces/kube-system", [status(401, "Unauthorized")]);
    let error = server.connect(Options::default()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, ConnectError::Unauthorized { .. }));
    let said = error.to_string();
    assert!(said.contains("(401)") && said.contains("log in again") && !said.contains("t0ken"), "{said}");
}

#[tokio::test]
async fn a_refused_kube_system_leaves_the_configured_uid() {
    let server = Server::start().await;
    server.on("/api/v1/namespaces/kube-system", [status(403, "forbidden")]);
    let options = Options { uid: Some("configured".into()), name: Some("prod".into()), ..Options::default() };
    let connection = server.connect(options).await.unwrap();
    assert_eq!((connection.identity.uid.as_deref(), connection.identity.name.as_str()), (Some("configured"), "prod"));
}

async fn refusal(text: &str, context: Option<&str>) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    fs::write(&file, text).unwrap();
    let options = Options { kubeconfig: Some(file.clone()), context: context.map(str::to_owned), ..Options::default() };
    let error = connect(&options).await.map(|_| ()).unwrap_err().to_string();
    error.replace(&file.display().to_string(), "FILE")
}

#[tokio::test]
async fn every_unusable_kubeconfig_has_its_own_sentence() {
    let server = "http://127.0.0.1:1";
    let said = [
        refusal(&kubeconfig(server), None).await,
        refusal(&kubeconfig(server), Some("labs")).await,
        refusal(&kubeconfig(server), Some("elsewhere-entirely")).await,
        refusal(&kubeconfig(server), Some("nowhere")).await,
        refusal(&kubeconfig(server).replace("\"current-context\":\"lab\"", "\"current-context\":\"\""), None).await,
        refusal("token: [t0ken-value", None).await,
        refusal(&kubeconfig("not a url"), None).await,
        refusal(&kubeconfig("kubernetes"), None).await,
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn a_server_without_tls_where_tls_is_expected_is_said() {
    let server = Server::start().await;
    let said = refusal(&kubeconfig(&server.url.replace("http:", "https:")), None).await;
    assert!(said.contains(": TLS failed: ") && said.contains("certificate-authority"), "{said}");
}

#[tokio::test]
async fn a_missing_kubeconfig_is_named() {
    let options = Options { kubeconfig: Some("/no/such/config".into()), ..Options::default() };
    let error = connect(&options).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("kubeconfig /no/such/config: cannot be read"), "{error}");
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_not_held() {
    let server = Server::start().await;
    let transport = server.connect(Options::default()).await.unwrap().transport;
    server.on("/api/v1/pods", [page(&["a", "b", "c"], None)]);
    let whole = transport.ask(transport::Ask::get("/api/v1/pods"), &AtomicU32::new(0)).await.unwrap();
    let capped = transport.at_most(whole.len() - 1).ask(transport::Ask::get("/api/v1/pods"), &AtomicU32::new(0)).await;
    assert!(capped.unwrap_err().to_string().contains("limit"), "the reason is said");
}
