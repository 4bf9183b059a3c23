//! Delivery: a few attempts within one deadline. What a hook answers is not read beyond its status.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable as _};
use chrono::DateTime;
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER},
    redirect::{Attempt, Policy},
};

use super::Hook;

/// Redirects that are followed.
const HOPS: usize = 3;
/// Pauses grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How patiently a hook is asked, beside its own timeout.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first pause; each one after it is twice as long.
    pub first_pause: Duration,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// Attempts after the first.
    pub retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_pause: Duration::from_secs(1), attempt: Duration::from_secs(10), retries: 4 }
    }
}

/// An attempt without success.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    reason: String,
    /// Another attempt may end otherwise.
    passes: bool,
    /// When the hook wants to be asked again.
    after: Option<Duration>,
}

/// Sends `body` until it is taken, the attempts are used up or the hook's time is over; how many attempts it took.
pub(super) async fn deliver(hook: &Hook, body: Vec<u8>, patience: Patience) -> Result<usize, String> {
    let client = client(patience).map_err(|error| innermost(&error))?;
    let (asked, last) = (Cell::new(0), RefCell::new(None));
    let once = async || {
        asked.set(asked.get() + 1);
        let sent = attempt(&client, hook, body.clone()).await;
        *last.borrow_mut() = sent.as_ref().err().map(|refusal| refusal.reason.clone());
        sent
    };
    let began = Instant::now();
    let policy = ExponentialBuilder::default()
        .with_min_delay(patience.first_pause)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(patience.retries);
    let left = || hook.timeout.saturating_sub(began.elapsed());
    let sent = once
        .retry(policy)
        .when(|refusal| refusal.passes)
        // A pause that the deadline would end is no use: what is known is said at once.
        .adjust(|refusal, pause| pause.map(|pause| refusal.after.unwrap_or(pause)).filter(|pause| *pause < left()));
    let outcome = tokio::time::timeout(hook.timeout, sent).await;
    let attempts = asked.get();
    let reason = match outcome {
        Ok(Ok(())) => return Ok(attempts),
        Ok(Err(refusal)) => refusal.reason,
        Err(_) => {
            let within = humantime::format_duration(hook.timeout);
            last.take().unwrap_or_else(|| format!("no answer within {within}"))
        }
    };
    Err(if attempts > 1 { format!("{reason} ({attempts} attempts)") } else { reason })
}

fn client(patience: Patience) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("kubeproof/", env!("CARGO_PKG_VERSION")))
        .timeout(patience.attempt)
        // No other protocol is needed, and none that logs headers.
        .http1_only()
        .referer(false)
        .redirect(Policy::custom(redirect))
        .build()
}

/// The message and the token go where the configuration says, and nowhere else.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let same_request = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let same_origin = attempt.previous().iter().all(|from| from.origin() == attempt.url().origin());
    if same_request && same_origin && attempt.previous().len() <= HOPS { attempt.follow() } else { attempt.stop() }
}

async fn attempt(client: &Client, hook: &Hook, body: Vec<u8>) -> Result<(), Refusal> {
    let request = client.post(hook.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
    let request = match &hook.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.map_err(|error| unanswered(&error))?;
    if answer.status().is_success() { Ok(()) } else { Err(refused(&answer)) }
}

fn unanswered(error: &reqwest::Error) -> Refusal {
    let reason = if error.is_timeout() { "no answer in time".into() } else { innermost(error) };
    Refusal { reason, passes: !error.is_builder(), after: None }
}

/// The last of a chain of errors: the outer ones repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let Some(mut last) = error.source() else { return "the request could not be sent".into() };
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

fn refused(answer: &Response) -> Refusal {
    let status = answer.status();
    let words = status.canonical_reason().map_or_else(String::new, |words| format!(" {words}"));
    let passes = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
    let may_say_when = matches!(status.as_u16(), 429 | 503);
    let after = may_say_when.then(|| retry_after(answer.headers())).flatten();
    let reason = match after {
        Some(after) => {
            format!("it answered {}{words} and wants {} of rest", status.as_u16(), humantime::format_duration(after))
        }
        None if status.is_redirection() => {
            format!("it answered {}{words}, a redirect that is not followed: name the new address", status.as_u16())
        }
        None => format!("it answered {}{words}", status.as_u16()),
    };
    Refusal { reason, passes, after }
}

/// Seconds, or a date by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let wanted = text(RETRY_AFTER)?;
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    match wanted.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => (date(wanted)? - date(text(DATE)?)?).to_std().ok(),
    }
}
