//! Requests to the API server, with the one retry policy there is. Bodies are never logged.

use std::{
    error::Error,
    io,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use http::{
    Method, Request,
    header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Limited};
use kube::{Client, client::Body};
use serde::{Deserialize, de::DeserializeOwned};

/// The greatest answer of an API server that is held: a page of the largest objects etcd takes, with room.
const MAX_BODY: usize = 512 << 20;
/// Pauses that a server may ask for are kept below this.
const MAX_PAUSE: Duration = Duration::from_secs(30);
const MAX_REASON: usize = 300;

/// How often and how patiently a request is repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) first_pause: Duration,
    pub(super) times: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_pause: Duration::from_millis(500), times: 4 }
    }
}

/// The way to one API server.
pub(super) struct Transport {
    client: Client,
    patience: Patience,
    max_body: usize,
    /// The last request got no answer at all: others need not wait as long to learn it.
    down: AtomicBool,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    method: &'static Method,
    path: &'a str,
    accept: &'a str,
    content: &'a str,
    body: &'a [u8],
}

impl<'a> Ask<'a> {
    /// A GET of JSON.
    pub(super) fn get(path: &'a str) -> Self {
        Self { method: &Method::GET, path, accept: "application/json", content: "application/json", body: &[] }
    }

    /// A POST of JSON.
    pub(super) fn post(path: &'a str, body: &'a [u8]) -> Self {
        Self { method: &Method::POST, body, ..Self::get(path) }
    }

    /// A server-side apply of JSON.
    pub(super) fn apply(path: &'a str, body: &'a [u8]) -> Self {
        Self { method: &Method::PATCH, content: "application/apply-patch+yaml", body, ..Self::get(path) }
    }

    /// With another form of answer.
    pub(super) fn accepting(self, accept: &'a str) -> Self {
        Self { accept, ..self }
    }
}

/// Why a request got no answer that can be used.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    /// The server answered with an error.
    #[error("{status} {reason}")]
    Status { status: u16, reason: String, retry_after: Option<Duration> },
    /// There was no answer.
    #[error("{0}")]
    Unanswered(Cause),
    /// The answer is not what was asked for.
    #[error("the answer to {path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("connection refused")]
    Refused,
    #[error("no answer in time")]
    TimedOut,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("the name cannot be resolved")]
    Dns,
    #[error("credentials could not be obtained: {0}")]
    Credentials(String),
    #[error("connection lost: {0}")]
    Lost(String),
}

impl Failure {
    fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Unanswered(cause) => matches!(cause, Cause::Refused | Cause::TimedOut | Cause::Lost(_)),
            Self::Unreadable { .. } => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Transport {
    pub(super) fn new(client: Client, patience: Patience) -> Self {
        Self { client, patience, max_body: MAX_BODY, down: AtomicBool::new(false) }
    }

    /// Holds answers up to so many bytes.
    pub(super) fn at_most(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// Pauses too short for a test to notice.
    #[cfg(test)]
    pub(super) fn hurry(&mut self) {
        self.patience.first_pause = Duration::from_millis(1);
    }

    /// Asks once, and again after what may pass; `retries` counts the repetitions.
    pub(super) async fn ask(&self, ask: Ask<'_>, retries: &AtomicU32) -> Result<Vec<u8>, Failure> {
        let times = if self.down.load(Ordering::Relaxed) { 0 } else { self.patience.times };
        let policy = ExponentialBuilder::default()
            .with_min_delay(self.patience.first_pause)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(times);
        let result = (|| self.once(ask))
            .retry(policy)
            .when(Failure::is_transient)
            .adjust(|failure, pause| pause.map(|pause| failure.retry_after().unwrap_or(pause).min(MAX_PAUSE)))
            .notify(|failure, pause| {
                retries.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(path = ask.path, %failure, ?pause, "asking again");
            })
            .await;
        self.down.store(matches!(result, Err(Failure::Unanswered(_))), Ordering::Relaxed);
        result
    }

    /// Asks and reads the answer as `T`.
    pub(super) async fn read<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, Failure> {
        let body = self.ask(ask, &AtomicU32::new(0)).await?;
        parse(&body, ask.path)
    }

    async fn once(&self, ask: Ask<'_>) -> Result<Vec<u8>, Failure> {
        let request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header(ACCEPT, ask.accept)
            .header(CONTENT_TYPE, ask.content)
            .body(Body::from(ask.body.to_vec()))
            .map_err(|error| Failure::Unreadable { path: ask.path.into(), reason: error.to_string() })?;
        let response = self.client.send(request).await.map_err(|error| Failure::Unanswered(cause(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = Limited::new(response.into_body(), self.max_body).collect().await;
        let body = body.map_err(|error| Failure::Unanswered(cause(error.as_ref())))?.to_bytes();
        if status.is_success() {
            return Ok(body.into());
        }
        let retry_after = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let reason = reason(&body).unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").into());
        Err(Failure::Status { status: status.as_u16(), reason, retry_after: retry_after.map(Duration::from_secs) })
    }
}

/// Reads JSON; the error says where, never what.
pub(super) fn parse<'de, T: Deserialize<'de>>(body: &'de [u8], path: &str) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::Unreadable {
        path: path.split('?').next().unwrap_or_default().into(),
        reason: format!("unexpected JSON at line {} column {}", error.line(), error.column()),
    })
}

/// The message of a `Status`; other bodies (a proxy's page) are not repeated.
fn reason(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Status {
        kind: String,
        message: String,
    }
    let status: Status = serde_json::from_slice(body).ok()?;
    (status.kind == "Status" && !status.message.is_empty()).then(|| status.message.chars().take(MAX_REASON).collect())
}

/// Finds what went wrong in a chain of errors; the outer ones only say that something did.
fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut current = Some(error);
    let mut last = error.to_string();
    while let Some(error) = current {
        if let Some(cause) = known_cause(error) {
            return cause;
        }
        last = error.to_string();
        current = error.source();
    }
    Cause::Lost(last)
}

fn known_cause(error: &(dyn Error + 'static)) -> Option<Cause> {
    if let Some(kube::Error::Auth(auth)) = error.downcast_ref() {
        return Some(Cause::Credentials(auth.to_string()));
    }
    if let Some(auth) = error.downcast_ref::<kube::client::AuthError>() {
        return Some(Cause::Credentials(auth.to_string()));
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(Cause::Tls(tls.to_string()));
    }
    if error.to_string().contains("dns error") {
        return Some(Cause::Dns);
    }
    let io = error.downcast_ref::<io::Error>()?;
    match io.kind() {
        io::ErrorKind::ConnectionRefused => Some(Cause::Refused),
        io::ErrorKind::TimedOut => Some(Cause::TimedOut),
        // `source` of an io::Error passes over the very error that it wraps.
        _ => known_cause(io.get_ref()?),
    }
}
