//! Schedules: files that say when to run, and the loop that does.
//!
//! A schedule file holds one schedule; its id is the file's name without `.yaml`. `schedules/kubernetes` does the same
//! with a CronJob, where Kubernetes keeps the time.

mod cron;
pub mod daemon;
#[cfg(test)]
mod kubernetes;
pub mod memory;

use std::{path::Path, time::Duration};

use chrono_tz::Tz;
use serde::Deserialize;

use crate::config::{API_VERSION, At, LoadError, Located, Span, parse_yaml};

pub use cron::Recurrence;

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The file's name without `.yaml`.
    pub id: String,
    /// Five fields, as written.
    pub cron: String,
    /// Time zone of the fields.
    pub time_zone: String,
    /// When it is due.
    pub recurrence: Recurrence,
    /// A run begins at most this long after the planned time, so that many clusters do not begin at once.
    pub jitter: Duration,
    /// A run that the process could not begin in time begins up to this late; later it counts as missed.
    pub late: Duration,
    /// A run that takes longer is abandoned.
    pub deadline: Duration,
    /// Framework ids in place of the configuration's; empty for those.
    pub frameworks: Vec<String>,
    /// Store URL in place of the configuration's first.
    pub store: Option<String>,
    /// Which report is written.
    pub report: Report,
}

/// Which report a scheduled run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    /// What changed and what to do.
    #[default]
    Daily,
    /// Every part.
    Full,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: At<String>,
    cron: At<String>,
    #[serde(default)]
    time_zone: Option<At<String>>,
    #[serde(default)]
    jitter: Span,
    #[serde(default)]
    late: Option<Span>,
    #[serde(default)]
    deadline: Option<Span>,
    #[serde(default)]
    frameworks: Vec<String>,
    #[serde(default)]
    store: Option<String>,
    #[serde(default)]
    report: Report,
}

impl Schedule {
    /// Reads a schedule file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let Located { value: read, .. } = parse_yaml::<File>(file, bytes)?;
        if read.api_version.value != API_VERSION {
            let message = format!("apiVersion '{}' is not known", read.api_version.value);
            return Err(
                LoadError::line(file, read.api_version.line, message).hint(format!("write apiVersion: {API_VERSION}"))
            );
        }
        let id = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self {
            id,
            recurrence: recurrence(file, &read)?,
            cron: read.cron.value.clone(),
            time_zone: read.time_zone.as_ref().map_or_else(|| "UTC".into(), |zone| zone.value.clone()),
            jitter: read.jitter.0,
            late: read.late.map_or(Duration::from_secs(3600), |span| span.0),
            deadline: read.deadline.map_or(Duration::from_secs(1800), |span| span.0),
            frameworks: read.frameworks,
            store: read.store,
            report: read.report,
        })
    }
}

fn recurrence(file: &str, read: &File) -> Result<Recurrence, LoadError> {
    let time_zone = match &read.time_zone {
        None => Tz::UTC,
        Some(name) => name.parse().map_err(|_| {
            let error = LoadError::line(file, name.line, format!("time zone '{}' is not known", name.value));
            error.nearest(&name.value, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
        })?,
    };
    Recurrence::parse(&read.cron, time_zone).map_err(|message| LoadError::line(file, read.cron.line, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = Schedule::parse("schedules/x.yaml", text.as_bytes()).unwrap_err();
        format!("{error} ({})", error.hint.clone().unwrap_or_default())
    }

    #[test]
    fn every_error_names_its_line() {
        let cases = [
            ("apiVersion: kubeproof.dev/v1\ncron: 0 6 * * 8\n", "x.yaml:2", "not a day of week"),
            ("apiVersion: kubeproof.dev/v1\ncron: 0 6 * * *\ntimeZone: Europe/Berln\n", "x.yaml:3", "Europe/Berlin"),
            ("apiVersion: kubeproof.dev/v1\ncron: 0 6 * * *\njiter: 5m\n", "x.yaml:3", "jitter"),
            ("apiVersion: kubeproof.dev/v1\ncron: 0 6 * * *\njitter: soon\n", "x.yaml:3", "not a duration"),
            ("apiVersion: kubeproof.dev/v2\ncron: 0 6 * * *\n", "x.yaml:1", "apiVersion"),
            ("apiVersion: kubeproof.dev/v1\ncron: 0 6 * * *\nreport: weekly\n", "x.yaml:3", "weekly"),
        ];
        for (text, place, reason) in cases {
            let error = error(text);
            assert!(error.contains(place) && error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn the_shipped_schedules_load() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules");
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                ids.push(Schedule::parse(path.to_str().unwrap(), &std::fs::read(&path).unwrap()).unwrap().id);
            }
        }
        ids.sort();
        assert_eq!(ids, ["daily", "weekly"]);
    }
}
