//! `notify:` and `metrics:` of kubeproof.yaml: who is told of a run, and where its numbers are written.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::Span;
use crate::framework::Severity;

/// A run is never held up longer than this by one hook.
const LONGEST: Duration = Duration::from_secs(300);

/// A text that is, or leads to, a credential: shown by nothing.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Private(String);

impl Private {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Private {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private")
    }
}

/// A webhook. Its URL and its token are credentials: neither is ever written, logged or put into a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookConfig {
    /// The URL, `env:NAME`, or a file that holds it.
    pub url: Private,
    /// `env:NAME` or a file: sent as `Authorization: Bearer`.
    #[serde(default)]
    pub token: Option<Private>,
    /// Form of what is sent.
    #[serde(default)]
    pub format: HookFormat,
    /// From which occasion on it is told.
    #[serde(default)]
    pub on: Occasion,
    /// Severity from which a new finding counts as worse.
    #[serde(default = "any_severity")]
    pub severity: Severity,
    /// How long a delivery may take, with all its attempts.
    #[serde(default = "half_a_minute")]
    pub timeout: Span,
}

fn any_severity() -> Severity {
    Severity::Info
}

fn half_a_minute() -> Span {
    Span(Duration::from_secs(30))
}

impl HookConfig {
    /// What is wrong with it, as far as the file alone can say, without repeating what it holds.
    pub fn problem(&self) -> Option<&'static str> {
        let written_out = |text: &Private| text.expose().contains("://");
        if written_out(&self.url) && web_address(self.url.expose()).is_none() {
            return Some("the url of a hook is not an http:// or https:// URL");
        }
        if self.timeout.0.is_zero() || self.timeout.0 > LONGEST {
            return Some("the timeout of a hook is between 1s and 5m");
        }
        None
    }
}

/// A URL that a hook can have.
pub fn web_address(text: &str) -> Option<url::Url> {
    let url = url::Url::parse(text.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// What a hook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookFormat {
    /// `kubeproof.dev/notification/v1`.
    #[default]
    Json,
    /// Slack's blocks.
    Slack,
}

impl HookFormat {
    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
        }
    }
}

/// What happened, from nothing to the worst: who is told of one is told of all after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// A run ended.
    Always,
    /// Something is other than it was, or there is nothing to compare with.
    Change,
    /// A finding is new or open again, or somebody gained a permission that can escalate or read secrets.
    #[default]
    Worse,
    /// Something was not seen that `expectedGaps` does not declare.
    Incomplete,
    /// No evidence was committed, or the run saw nothing.
    Failure,
}

impl Occasion {
    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Change => "change",
            Self::Worse => "worse",
            Self::Incomplete => "incomplete",
            Self::Failure => "failure",
        }
    }
}

/// Where numbers of runs are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// File for the textfile collector of Prometheus' node exporter, which reads `*.prom` alone.
    pub textfile: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, parse_yaml};

    const SECRET: &str = "T000/B000/XXXXsecret";

    fn read(hooks: &str) -> Result<Config, String> {
        let text = format!("apiVersion: kubeproof.dev/v1\nnotify: {hooks}\n");
        parse_yaml::<Config>("kubeproof.yaml", text.as_bytes()).map(|read| read.value).map_err(|e| format!("{e} {e:?}"))
    }

    #[test]
    fn a_url_alone_is_a_hook() {
        let config = read("[{url: https://chat.example.com/hook}]").unwrap();
        let hook = &config.notify[0];
        assert_eq!((hook.line, hook.format, hook.on), (2, HookFormat::Json, Occasion::Worse));
        assert_eq!((hook.severity, hook.timeout.0.as_secs(), hook.problem()), (Severity::Info, 30, None));
    }

    #[test]
    fn no_error_repeats_a_credential() {
        let url = format!("https://hooks.example.com/services/{SECRET}");
        let wrong = [
            url.clone(),
            format!("[{url}]"),
            format!("{{url: {url}}}"),
            format!("[{{url: [{url}]}}]"),
            format!("[{{url: x, format: '{url}'}}]"),
            format!("[{{url: x, on: '{url}', token: y}}]"),
            format!("[{{url: x, severity: '{url}'}}]"),
            format!("[{{url: x, timeout: '{url}'}}]"),
            format!("[{{url: {url}, url: {url}}}]"),
            format!("[{{url: {url}, tokne: y}}]"),
            format!("[{{'{url}': y}}]"),
            format!("[{{url: '{url} \", expected {SECRET}', fromat: y}}]"),
        ];
        for hooks in wrong {
            let error = read(&hooks).unwrap_err();
            assert!(!error.contains("XXXX") && error.starts_with("kubeproof.yaml:2:"), "{hooks}: {error}");
        }
        let config = read(&format!("[{{url: {url}, token: {SECRET}}}]")).unwrap();
        assert!(!format!("{config:?}").contains("XXXX"));
        assert!(!serde_json::to_string(&config).unwrap().contains("notify"));
    }

    #[test]
    fn what_the_file_alone_shows_to_be_wrong() {
        let problem = |hook: &str| read(&format!("[{hook}]")).unwrap().notify[0].problem().unwrap_or_default();
        assert!(problem("{url: 'ftp://example.com/x'}").contains("http"));
        assert!(problem("{url: 'https://'}").contains("http"));
        assert!(problem("{url: 'env:HOOK', timeout: 0s}").contains("between"));
        assert!(problem("{url: 'env:HOOK', timeout: 6m}").contains("between"));
        assert_eq!(problem("{url: hook-url, token: 'env:HOOK', timeout: 5m}"), "");
    }
}
