//! The configuration that kubelets run with, from each one's own `/configz`.
//!
//! A kubelet that is asked sees the caller's token. So a kubelet is asked only after its certificate was verified, by
//! the cluster's CA or one that the user names: TLS ends before a request is made otherwise, and nothing was sent.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures::{StreamExt, stream};
use http::Uri;
use kube::{Client, Config};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use super::{
    Connection,
    transport::{Ask, Cause, Failure, Patience, Transport},
};
use crate::{
    canonical,
    clock::Clock,
    collect::{
        Collected, Excluded, ListOutcome, ListRecord,
        inputs::{self, Read},
    },
    config::API_VERSION,
    snapshot::{Object, Sealer},
};

/// How gaps and coverage name these answers.
pub const NODES_CONFIGZ: &str = "nodes/configz";
/// Kind of the objects that answers become.
const KIND: &str = "KubeletConfig";
const PATH: &str = "/configz";
/// A configuration is some tens of KiB.
const MAX_BODY: usize = 1 << 20;
/// Time for one kubelet, connection and answer.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Kubelets that are asked at once.
const AT_ONCE: usize = 16;
/// Reasons, and names for each, that one sentence repeats.
const MAX_TOLD: usize = 4;

/// What coverage says where kubelets were not to be asked.
pub(super) fn not_asked() -> Excluded {
    let reason = "run with --kubelet-configz to ask the kubelets for it";
    Excluded { resource: NODES_CONFIGZ.into(), reason: reason.into() }
}

/// Asks the kubelet of every node. Answers that came are kept, whatever became of the others.
pub(super) async fn read(
    connection: &Connection,
    ca: Option<&Path>,
    collected: &Collected,
    sealer: &Sealer,
    clock: &dyn Clock,
) -> Read {
    let started = clock.now();
    let retries = AtomicU32::new(0);
    let (objects, outcome) = match config(connection, ca) {
        _ if inputs::nodes::known(collected).is_none() => {
            let reason = "the list of nodes was not answered, so that nobody is known to ask".into();
            (Vec::new(), ListOutcome::Failed { reason })
        }
        Err(reason) => (Vec::new(), ListOutcome::Failed { reason }),
        Ok(config) => {
            let nodes: Vec<&Object> = collected.objects.iter().filter(|o| o.resource == "nodes").collect();
            let answers: Vec<(String, Result<Object, Failure>)> =
                stream::iter(nodes).map(|node| ask(&config, node, sealer, &retries)).buffered(AT_ONCE).collect().await;
            sort(answers)
        }
    };
    let duration = clock.now().signed_duration_since(started).num_milliseconds();
    let record = ListRecord {
        group: String::new(),
        version: "v1".into(),
        resource: NODES_CONFIGZ.into(),
        kind: KIND.into(),
        namespaced: false,
        request: PATH.into(),
        outcome,
        count: objects.len() as u64,
        pages: u32::try_from(objects.len()).unwrap_or(u32::MAX),
        retries: retries.load(Ordering::Relaxed),
        resource_version: None,
        duration_ms: u64::try_from(duration).unwrap_or(0),
    };
    Read { objects, lists: vec![record], errors: Vec::new() }
}

/// The caller's credentials, for servers that the cluster's CA or the user's vouches for.
fn config(connection: &Connection, ca: Option<&Path>) -> Result<Config, String> {
    let mut config = connection.config.clone();
    // Whatever the kubeconfig says of the API server: a token is never sent to somebody unknown.
    config.accept_invalid_certs = false;
    config.tls_server_name = None;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(TIMEOUT);
    if let Some(path) = ca {
        let fail = |reason: String| format!("{}: {reason}", path.display());
        let pem = std::fs::read(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
        let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&pem)
            .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
            .collect::<Result<_, _>>()
            .map_err(|_| fail("is no PEM file of certificates".into()))?;
        if certificates.is_empty() {
            return Err(fail("holds no certificate".into()));
        }
        config.root_cert.get_or_insert_default().extend(certificates);
    }
    Ok(config)
}

async fn ask(
    config: &Config,
    node: &Object,
    sealer: &Sealer,
    retries: &AtomicU32,
) -> (String, Result<Object, Failure>) {
    let answer = async {
        let mut config = config.clone();
        config.cluster_url = address(&node.value())?;
        let client = Client::try_from(config).map_err(|error| unreadable(&error.to_string()))?;
        let transport = Transport::new(client, Patience { times: 1, ..Patience::default() }).at_most(MAX_BODY);
        let body = transport.ask(Ask::get(PATH), retries).await?;
        seal(&node.name, &body, sealer)
    };
    let answer = tokio::time::timeout(TIMEOUT, answer).await.unwrap_or(Err(Failure::Unanswered(Cause::TimedOut)));
    tracing::info!(
        node = node.name,
        outcome = answer.as_ref().err().map(reason).as_deref().unwrap_or("seen"),
        "configz"
    );
    (node.name.clone(), answer)
}

/// The kubelet's own address: never a name, which somebody else could resolve.
fn address(node: &Value) -> Result<Uri, Failure> {
    let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
    let mut internal = addresses.filter(|address| address["type"] == "InternalIP");
    let ip: Option<IpAddr> = internal.find_map(|address| address["address"].as_str()?.parse().ok());
    let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let (Some(ip), Some(port)) = (ip, port) else {
        return Err(unreadable("the node tells no InternalIP and port of its kubelet"));
    };
    let socket = std::net::SocketAddr::new(ip, port);
    format!("https://{socket}/").parse().map_err(|_| unreadable("the kubelet's address is no URL"))
}

fn unreadable(reason: &str) -> Failure {
    Failure::Unreadable { path: PATH.into(), reason: reason.into() }
}

fn seal(node: &str, body: &[u8], sealer: &Sealer) -> Result<Object, Failure> {
    let no_configuration = || unreadable("it is no kubelet configuration");
    let mut answer = canonical::parse(body).map_err(|_| no_configuration())?;
    let spec = answer.get_mut("kubeletconfig").filter(|spec| spec.is_object()).ok_or_else(no_configuration)?.take();
    let object = json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": node}, "spec": spec});
    sealer.seal(object, NODES_CONFIGZ, None).map_err(|error| unreadable(&error.to_string()))
}

/// The answers that came, and how it ended over all nodes.
fn sort(answers: Vec<(String, Result<Object, Failure>)>) -> (Vec<Object>, ListOutcome) {
    let (total, mut objects) = (answers.len(), Vec::new());
    let mut refusals = None;
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut unanswered = 0;
    for (node, answer) in answers {
        match answer {
            Ok(object) => objects.push(object),
            Err(failure) => {
                if let Failure::Status { status: status @ (401 | 403), .. } = failure {
                    refusals = Some(status);
                } else {
                    unanswered += 1;
                }
                reasons.entry(reason(&failure)).or_default().push(node);
            }
        }
    }
    if reasons.is_empty() {
        return (objects, ListOutcome::Seen);
    }
    let without: usize = reasons.values().map(Vec::len).sum();
    let told: Vec<String> = reasons.iter().take(MAX_TOLD).map(|(reason, nodes)| told(reason, nodes)).collect();
    let reason = format!("{without} of {total} nodes: {}", told.join("; "));
    let outcome = match refusals {
        Some(status) if unanswered == 0 => ListOutcome::Refused { status, reason },
        _ => ListOutcome::Failed { reason },
    };
    (objects, outcome)
}

fn told(reason: &str, nodes: &[String]) -> String {
    let more = nodes.len().saturating_sub(MAX_TOLD);
    let names = nodes[..nodes.len() - more].join(", ");
    if more > 0 { format!("{reason} ({names} and {more} more)") } else { format!("{reason} ({names})") }
}

fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Unanswered(Cause::Tls(reason)) => {
            format!("the certificate is not verified, so that no token was sent: {reason}")
        }
        Failure::Status { status: status @ 401, .. } => format!("{status}, the kubelet does not know the caller"),
        Failure::Status { status: status @ 403, .. } => format!("{status}, the kubelet wants get on nodes/configz"),
        Failure::Status { status: 404, .. } => "it has no /configz (enableDebuggingHandlers or configz is off)".into(),
        Failure::Unreadable { reason, .. } => reason.clone(),
        failure => failure.to_string(),
    }
}

#[cfg(test)]
mod tests;
