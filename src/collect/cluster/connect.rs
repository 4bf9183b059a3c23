//! From a kubeconfig or a pod's service account to a server that answers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderValue, header::USER_AGENT};
use kube::{
    Client, Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use serde::Deserialize;

use super::transport::{Ask, Cause, Failure, Patience, Transport};
use crate::{
    collect::{ClusterIdentity, Server},
    digest::Digest,
};

const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Whoever waits at a terminal learns within this that nothing answers; lists are more patient.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// Which cluster, and how patiently.
#[derive(Debug, Clone)]
pub struct Options {
    /// A kubeconfig file; else the pod's service account, else `$KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; else its current one.
    pub context: Option<String>,
    /// Name of the cluster; else the context's.
    pub name: Option<String>,
    /// Configured uid, used when kube-system cannot be read.
    pub uid: Option<String>,
    /// Objects asked for in one page.
    pub page_size: u32,
    /// Time allowed for one list.
    pub list_timeout: Duration,
    /// Lists under way at once.
    pub concurrency: usize,
    /// Whether kubelets are asked.
    pub configz: Configz,
}

/// Whether kubelets are asked for the configuration that they run with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Configz {
    /// Not without being told: a kubelet that is asked gets to see the caller's token.
    #[default]
    NotAsked,
    /// Those whose certificate is verified; nothing is sent to others.
    Asked {
        /// CA certificates of kubelets, beside the cluster's own.
        ca: Option<PathBuf>,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            name: None,
            uid: None,
            page_size: 500,
            list_timeout: Duration::from_secs(300),
            concurrency: 4,
            configz: Configz::NotAsked,
        }
    }
}

/// Why there is no connection: what failed, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a pod's service account.
    #[error(
        "no cluster to read: no kubeconfig found and not running in a pod; name one with --kubeconfig, or read manifests with --from"
    )]
    NoKubeconfig,
    /// In a pod whose service account cannot be used.
    #[error(
        "running in a pod, and its service account cannot be used: {reason}; set automountServiceAccountToken: true"
    )]
    ServiceAccount {
        /// What is wrong.
        reason: String,
    },
    /// The kubeconfig cannot be read or understood.
    #[error("kubeconfig {file}: {reason}")]
    Kubeconfig {
        /// Path, or where it was looked for.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// No context was named and none is current.
    #[error("kubeconfig {file} has no current context; name one with --context: {known}")]
    NoContext {
        /// Path.
        file: String,
        /// Contexts it has.
        known: String,
    },
    /// The named context does not exist.
    #[error("kubeconfig {file} has no context '{context}'; {hint}")]
    UnknownContext {
        /// Path.
        file: String,
        /// What was asked for.
        context: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// The context's cluster has no server.
    #[error(
        "kubeconfig {file} names no server for context '{context}'; set clusters[].cluster.server to the API server's https URL"
    )]
    NoServer {
        /// Path.
        file: String,
        /// Context.
        context: String,
    },
    /// 401.
    #[error(
        "{url} does not accept the credentials (401): the token or certificate has expired or is not of this cluster; log in again"
    )]
    Unauthorized {
        /// Server.
        url: String,
    },
    /// Nothing listens there.
    #[error("nothing answers at {url} (connection refused); is the cluster running, and is this its address?")]
    Refused {
        /// Server.
        url: String,
    },
    /// The host has no address.
    #[error("{url}: the name cannot be resolved; check the server in the kubeconfig and the network")]
    UnknownHost {
        /// Server.
        url: String,
    },
    /// No answer within the time allowed.
    #[error("{url} does not answer in time; check the network, a proxy or a firewall between here and the cluster")]
    TimedOut {
        /// Server.
        url: String,
    },
    /// TLS failed.
    #[error(
        "{url}: TLS failed: {reason}; check certificate-authority in the kubeconfig and that this is the right server"
    )]
    Tls {
        /// Server.
        url: String,
        /// What rustls said.
        reason: String,
    },
    /// A credential plugin failed.
    #[error("{url}: {reason}; run the kubeconfig's credential plugin by hand to see why")]
    Credentials {
        /// Server.
        url: String,
        /// What it said.
        reason: String,
    },
    /// Anything else.
    #[error("{url}: {reason}; is this a Kubernetes API server?")]
    Other {
        /// Server.
        url: String,
        /// What happened.
        reason: String,
    },
}

/// A server that answered, and who it is.
pub struct Connection {
    pub(super) transport: Transport,
    pub(super) config: Config,
    pub(super) options: Options,
    pub(super) server: Server,
    pub(super) namespace: String,
    /// Who the cluster is, as far as known before collecting.
    pub identity: ClusterIdentity,
}

/// What a kubeconfig or a pod says about the server.
struct Target {
    config: Config,
    context: Option<String>,
}

/// Connects, and asks for the cluster's uid.
///
/// # Errors
/// No usable kubeconfig, no answer, or an answer that refuses the credentials.
pub async fn connect(options: &Options) -> Result<Connection, ConnectError> {
    let Opened { client, config, server, context } = open(options).await?;
    let name = options.name.clone().or(context).unwrap_or_else(|| host(&server.url));
    let namespace = config.default_namespace.clone();
    let probe = Transport::new(client.clone(), Patience { times: 1, ..Patience::default() });
    let uid = tokio::time::timeout(PROBE_TIMEOUT, uid(&probe))
        .await
        .unwrap_or(Err(Failure::Unanswered(Cause::TimedOut)))
        .map_err(|failure| refused(&server.url, failure))?;
    let identity = ClusterIdentity { name, uid: uid.or_else(|| options.uid.clone()), kubernetes: None, platform: None };
    let transport = Transport::new(client, Patience::default());
    Ok(Connection { transport, config, options: options.clone(), server, namespace, identity })
}

/// A client that has not asked anything yet.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) server: Server,
    context: Option<String>,
}

/// Makes a client.
pub(super) async fn open(options: &Options) -> Result<Opened, ConnectError> {
    let mut target = target(options).await?;
    let server = describe(&target.config);
    target.config.default_retry = false;
    target.config.connect_timeout = Some(CONNECT_TIMEOUT);
    target.config.read_timeout = Some(READ_TIMEOUT);
    // A pooled connection's idle time would count against the next answer otherwise.
    target.config.reset_reader_on_write = true;
    let agent = HeaderValue::from_static(concat!("kubeproof/", env!("CARGO_PKG_VERSION")));
    target.config.headers.push((USER_AGENT, agent));
    let client = Client::try_from(target.config.clone())
        .map_err(|error| ConnectError::Other { url: server.url.clone(), reason: error.to_string() })?;
    Ok(Opened { client, config: target.config, server, context: target.context })
}

async fn target(options: &Options) -> Result<Target, ConnectError> {
    let mut pod = None;
    let (kubeconfig, file) = match &options.kubeconfig {
        Some(path) => (Kubeconfig::read_from(path), path.display().to_string()),
        None => {
            pod = options.context.is_none().then(in_cluster);
            if let Some(Ok(Some(config))) = pod {
                return Ok(Target { config, context: None });
            }
            (Kubeconfig::read(), "from $KUBECONFIG or ~/.kube/config".into())
        }
    };
    let kubeconfig =
        kubeconfig.map_err(|error| match (unreadable(error, options.kubeconfig.as_deref(), &file), pod) {
            (ConnectError::NoKubeconfig, Some(Err(pod))) => pod,
            (error, _) => error,
        })?;
    let context = context(&kubeconfig, options.context.as_deref(), &file)?;
    if !names_server(&kubeconfig, &context) {
        return Err(ConnectError::NoServer { file, context });
    }
    let choice = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &choice)
        .await
        .map_err(|error| unreadable(error, options.kubeconfig.as_deref(), &file))?;
    if config.cluster_url.scheme().is_none() || config.cluster_url.host().is_none() {
        let reason = format!("server '{}' is no URL; write it as https://HOST:PORT", config.cluster_url);
        return Err(ConnectError::Kubeconfig { file, reason });
    }
    Ok(Target { config, context: Some(context) })
}

/// The pod's own way to its cluster; `None` outside of pods.
fn in_cluster() -> Result<Option<Config>, ConnectError> {
    match Config::incluster() {
        Ok(config) => Ok(Some(config)),
        Err(InClusterError::ReadEnvironmentVariable(_)) => Ok(None),
        Err(error) => Err(ConnectError::ServiceAccount { reason: error.to_string() }),
    }
}

fn unreadable(error: KubeconfigError, asked: Option<&Path>, file: &str) -> ConnectError {
    match error {
        KubeconfigError::FindPath => ConnectError::NoKubeconfig,
        KubeconfigError::ReadConfig(io, _) if asked.is_none() && io.kind() == std::io::ErrorKind::NotFound => {
            ConnectError::NoKubeconfig
        }
        KubeconfigError::ReadConfig(io, path) => {
            ConnectError::Kubeconfig { file: path.display().to_string(), reason: format!("cannot be read: {io}") }
        }
        // The parser's message shows the lines around the error, and those may be credentials.
        KubeconfigError::Parse(_) => ConnectError::Kubeconfig {
            file: file.into(),
            reason: "is not a kubeconfig: its YAML cannot be read".into(),
        },
        KubeconfigError::ParseClusterUrl(error) => ConnectError::Kubeconfig {
            file: file.into(),
            reason: format!("server is no URL ({error}); write it as https://HOST:PORT"),
        },
        other => ConnectError::Kubeconfig { file: file.into(), reason: other.to_string() },
    }
}

fn context(kubeconfig: &Kubeconfig, asked: Option<&str>, file: &str) -> Result<String, ConnectError> {
    let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let all = || if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
    let Some(name) = asked.or(kubeconfig.current_context.as_deref()).filter(|name| !name.is_empty()) else {
        return Err(ConnectError::NoContext { file: file.into(), known: all() });
    };
    if known.contains(&name) {
        return Ok(name.to_owned());
    }
    let nearest = known
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)).then(b.cmp(a)));
    let hint = match nearest.filter(|near| strsim::jaro_winkler(near, name) > 0.8) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("its contexts: {}", all()),
    };
    Err(ConnectError::UnknownContext { file: file.into(), context: name.into(), hint })
}

fn names_server(kubeconfig: &Kubeconfig, context: &str) -> bool {
    let named = kubeconfig.contexts.iter().find(|c| c.name == context).and_then(|c| c.context.as_ref());
    let Some(cluster) = named.map(|c| &c.cluster) else { return false };
    let cluster = kubeconfig.clusters.iter().find(|c| c.name == *cluster).and_then(|c| c.cluster.as_ref());
    cluster.and_then(|c| c.server.as_deref()).is_some_and(|server| !server.trim().is_empty())
}

/// The server as evidence names it: no credentials, and what was trusted.
fn describe(config: &Config) -> Server {
    let url = &config.cluster_url;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let (scheme, host) = (url.scheme_str().unwrap_or("https"), url.host().unwrap_or_default());
    Server {
        url: format!("{scheme}://{host}{port}{}", url.path().trim_end_matches('/')),
        ca: config.root_cert.as_ref().map(|certificates| Digest::of(certificates.concat())),
        insecure: config.accept_invalid_certs || scheme == "http",
    }
}

fn host(url: &str) -> String {
    url.split("://").last().unwrap_or(url).replace(['/', ':'], "-")
}

/// uid of the kube-system namespace; `None` when that is refused.
async fn uid(transport: &Transport) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct Namespace {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        uid: Option<String>,
    }
    match transport.read::<Namespace>(Ask::get("/api/v1/namespaces/kube-system")).await {
        Ok(namespace) => Ok(namespace.metadata.uid),
        Err(Failure::Status { status: 403 | 404, .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

pub(super) fn refused(url: &str, failure: Failure) -> ConnectError {
    let url = url.to_owned();
    match failure {
        Failure::Status { status: 401, .. } => ConnectError::Unauthorized { url },
        Failure::Unanswered(Cause::Refused) => ConnectError::Refused { url },
        Failure::Unanswered(Cause::TimedOut) => ConnectError::TimedOut { url },
        Failure::Unanswered(Cause::Dns) => ConnectError::UnknownHost { url },
        Failure::Unanswered(Cause::Tls(reason)) => ConnectError::Tls { url, reason },
        Failure::Unanswered(cause @ Cause::Credentials(_)) => {
            ConnectError::Credentials { url, reason: cause.to_string() }
        }
        failure => ConnectError::Other { url, reason: failure.to_string() },
    }
}
