//! Who is told of a run, after its evidence is committed: webhooks, in JSON or in Slack's shape.
//!
//! What is said is a function of the run's values; only `send` touches the network. A hook never changes what a run
//! returns, and its URL and token are credentials that nothing here repeats: messages name its origin.

mod changes;
mod message;
mod send;
mod slack;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use url::Url;

pub use changes::{Change, Changes, Direction, What};
pub use message::{Cluster, Committed, Counts, Evidence, Failed, Gap, Gaps, Message, Run, Tool};
pub use send::Patience;

use crate::{
    config::{HookConfig, HookFormat, Occasion, web_address},
    framework::Severity,
    report::{steers, view::words},
};

/// Characters of one text that a message repeats.
const TEXT: usize = 300;

/// A webhook, ready to be sent to.
pub struct Hook {
    url: Url,
    token: Option<String>,
    format: HookFormat,
    on: Occasion,
    severity: Severity,
    timeout: Duration,
}

/// What became of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It answered with success.
    Delivered {
        /// How often it was asked.
        attempts: usize,
    },
    /// It does not want to know of what happened.
    NotWanted {
        /// What happened.
        happened: Occasion,
        /// From which occasion on it is told.
        on: Occasion,
    },
    /// It did not take the message: why, without anything of its address or its answer.
    Failed(String),
}

/// A run to tell of.
#[derive(Debug, Clone, Copy)]
pub enum Tale<'a> {
    /// Its evidence is committed.
    Committed(Committed<'a>),
    /// It ended without evidence.
    Failed(Failed<'a>),
}

impl Tale<'_> {
    /// What is said of it, for whom findings from `severity` on count as worse.
    pub fn message(&self, severity: Severity) -> Message {
        match self {
            Self::Committed(run) => run.message(severity),
            Self::Failed(run) => run.message(),
        }
    }

    /// What happened.
    pub fn occasion(&self, severity: Severity) -> Occasion {
        match self {
            Self::Committed(run) => run.occasion(severity),
            Self::Failed(_) => Occasion::Failure,
        }
    }
}

impl Hook {
    /// The hook of a configuration whose URL and token have been read.
    ///
    /// # Errors
    /// A URL that no hook can have, or a token that no header can carry; neither is repeated.
    pub fn new(config: &HookConfig, url: &str, token: Option<&str>) -> Result<Self, &'static str> {
        let url = web_address(url).ok_or("its url is not an http:// or https:// URL")?;
        let token = token.map(str::trim);
        if token.is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err("its token is not one word of printable ASCII");
        }
        Ok(Self {
            url,
            token: token.map(str::to_owned),
            format: config.format,
            on: config.on,
            severity: config.severity,
            timeout: config.timeout.0,
        })
    }

    /// Scheme, host and port: all of its address that may be said.
    pub fn name(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Tells it of a run, if it wants to know.
    pub async fn tell(&self, tale: &Tale<'_>, patience: Patience) -> Told {
        let happened = tale.occasion(self.severity);
        if happened < self.on {
            return Told::NotWanted { happened, on: self.on };
        }
        match send::deliver(self, self.body(&tale.message(self.severity)), patience).await {
            Ok(attempts) => Told::Delivered { attempts },
            Err(reason) => Told::Failed(reason),
        }
    }

    fn body(&self, message: &Message) -> Vec<u8> {
        let body = match self.format {
            HookFormat::Json => serde_json::to_vec(message),
            HookFormat::Slack => serde_json::to_vec(&slack::body(message)),
        };
        // Values of these types always have a form in JSON.
        body.unwrap_or_default()
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hook({})", self.name())
    }
}

/// A text of a cluster or a file on one line, cut to what a message holds; nothing in it steers a terminal.
fn clean(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect();
    words::clip(&line, TEXT)
}
