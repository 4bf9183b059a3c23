//! Annotations on a pull request: GitHub's workflow commands, one a line.

use std::fmt::Write as _;

use super::{CheckReport, one_line, place};
use crate::{evaluate::Finding, framework::Severity, report::view::words};

/// Annotations of one level that GitHub shows for a step; it drops the rest without a word.
const SHOWN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Notice];

    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical | Severity::High => Self::Error,
            Severity::Medium => Self::Warning,
            Severity::Low | Severity::Info => Self::Notice,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }

    /// One notice is kept for what is not listed.
    fn room(self) -> usize {
        if self == Self::Notice { SHOWN - 1 } else { SHOWN }
    }
}

/// Workflow commands: what could not be read, then failures, the worst first; at last how much is not listed.
pub fn github(report: &CheckReport<'_>) -> String {
    let unread = report.errors.iter().map(|error| {
        let title = "kubeproof: not read";
        (Level::Error, command(Level::Error, Some(&error.file), error.line, title, &error.message))
    });
    let findings = report.open_by_place().into_iter().map(|finding| {
        let level = Level::of(finding.severity);
        (level, annotation(report, finding, level))
    });
    let lines: Vec<(Level, String)> = unread.chain(findings).collect();
    let mut out = String::new();
    let mut left = 0;
    for level in Level::ALL {
        let mut of_level = lines.iter().filter(|(of, _)| *of == level);
        of_level.by_ref().take(level.room()).for_each(|(_, line)| out.push_str(line));
        left += of_level.count();
    }
    out.push_str(&closing(report, left));
    out
}

fn annotation(report: &CheckReport<'_>, finding: &Finding, level: Level) -> String {
    let (file, line) = finding.file.as_ref().map_or((None, None), |f| (Some(&*f.path), Some(f.line)));
    let title = format!("{} {}", words::severity(finding.severity), finding.check);
    let fix = report.fix(&finding.check).map(|fix| format!("\nFix: {fix}")).unwrap_or_default();
    // A line break in a name would pass for one of ours.
    let object = one_line(&finding.resource.to_string());
    command(level, file, line, &title, &format!("{object}: {}{fix}", one_line(&finding.message)))
}

fn closing(report: &CheckReport<'_>, left: usize) -> String {
    let mut said = vec![report.headline()];
    if left > 0 {
        said.push(format!("{} more than GitHub shows of one step", words::number(left as u64)));
    }
    said.extend(report.remarks());
    let unanswered = report.not_evaluated().iter().map(|(_, checks)| checks.len() as u64).sum();
    if unanswered > 0 {
        said.push(format!("{} not evaluated", words::count(unanswered, "check", "checks")));
    }
    if !report.errors.is_empty() {
        let unread = words::count(report.errors.len() as u64, "input", "inputs");
        said.push(format!("{unread} not read"));
    }
    let first = report.errors.first().map(|error| format!("; first {}", place(&error.file, error.line)));
    let first = first.unwrap_or_default();
    command(Level::Notice, None, None, "kubeproof", &format!("{}{first}", said.join("; ")))
}

fn command(level: Level, file: Option<&str>, line: Option<u32>, title: &str, message: &str) -> String {
    let mut properties: Vec<String> = file.map(|file| format!("file={}", property(file))).into_iter().collect();
    properties.extend(line.map(|line| format!("line={line}")));
    properties.push(format!("title={}", property(title)));
    let mut out = String::new();
    let lines: Vec<String> = message.split('\n').map(|line| data(&one_line(line))).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "::{} {}::{}", level.name(), properties.join(","), lines.join("%0A"));
    out
}

/// A message: no line of its own, and no escape but ours.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property, which a comma or a colon would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
