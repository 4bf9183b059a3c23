//! The one thing that kubeproof ever writes into a cluster: a node's report, by the node's own credentials.

use std::sync::atomic::AtomicU32;

use super::{
    connect::{self, ConnectError, Options},
    transport::{Ask, Failure, Patience, Transport},
};
use crate::collect::node::{self, InvalidReport, NAMESPACE, Report};

/// Field manager of the server-side apply.
const MANAGER: &str = "kubeproof-node";

/// Why a report is not in the cluster.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No way to the cluster.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not fit.
    #[error(transparent)]
    Report(#[from] InvalidReport),
    /// The server refused it.
    #[error("{url} does not take the report of {node} as ConfigMap {NAMESPACE}/{node}: {reason}")]
    Refused {
        /// Server.
        url: String,
        /// Node.
        node: String,
        /// What the server said.
        reason: String,
    },
}

/// Writes a report into the ConfigMap of its node, by server-side apply.
///
/// # Errors
/// No connection, or a server that refuses.
pub async fn publish(options: &Options, report: &Report) -> Result<(), PublishError> {
    let body = node::config_map(report)?.to_string();
    let opened = connect::open(options).await?;
    let transport = Transport::new(opened.client, Patience::default());
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{}?fieldManager={MANAGER}&force=true", report.name());
    let answer = transport.ask(Ask::apply(&path, body.as_bytes()), &AtomicU32::new(0)).await;
    answer.map(drop).map_err(|failure| match failure {
        Failure::Status { status, reason, .. } if status != 401 => PublishError::Refused {
            url: opened.server.url,
            node: report.name().into(),
            reason: format!("{status} {reason}"),
        },
        failure => connect::refused(&opened.server.url, failure).into(),
    })
}
