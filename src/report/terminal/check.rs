//! `kubeproof check` as text: by file, then by object, with the fix said once.

use std::collections::{BTreeMap, BTreeSet};

use unicode_width::UnicodeWidthStr;

use super::{Line, Tone, WIDTH, wrapped};
use crate::{
    collect::InputError,
    evaluate::{Evaluation, Finding, Outcome},
    framework::Severity,
    report::{BySeverity, CheckText, view::words},
};

/// Where messages begin.
const MESSAGE: usize = 20;
/// Reasons printed for what could not be evaluated.
const REASONS: usize = 3;

type Place<'a> = (&'a str, String);

/// Findings grouped by file and object, then errors and counts; every line fits 80 columns.
pub fn check_text(evaluation: &Evaluation, errors: &[InputError], checks: &BTreeMap<String, CheckText>) -> Vec<Line> {
    let mut groups: BTreeMap<Place<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in evaluation.findings.iter().filter(|f| f.is_open_failure()) {
        let file = finding.file.as_ref().map_or("", |f| f.path.as_str());
        let namespace = finding.resource.path();
        groups.entry((file, format!("{} {namespace}", finding.resource.kind))).or_default().push(finding);
    }
    let mut lines = Vec::new();
    let mut explained = BTreeSet::new();
    let mut file = None;
    for ((path, object), mut findings) in groups {
        if file != Some(path) {
            if file.is_some() {
                lines.push(Line::default());
            }
            if !path.is_empty() {
                lines.push(Line::default().with(Tone::Strong, path));
            }
            file = Some(path);
        }
        lines.push(Line::default().with(Tone::Plain, "  ").with(Tone::Plain, object));
        findings.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.file.as_ref().map(|p| p.line), &f.check));
        for finding in findings {
            lines.extend(finding_lines(finding));
            if explained.insert(&finding.check) {
                lines.extend(fix_lines(checks.get(&finding.check)));
            }
        }
    }
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(errors.iter().map(error_line));
    lines.extend(totals(evaluation, errors.len()));
    lines.into_iter().map(Line::fit).collect()
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Warn,
        Severity::Low | Severity::Info => Tone::Soft,
    }
}

fn finding_lines(finding: &Finding) -> Vec<Line> {
    let line = finding.file.as_ref().map_or_else(String::new, |f| f.line.to_string());
    let head = Line::default()
        .with(Tone::Soft, format!("  {line:>6}  "))
        .with(tone(finding.severity), words::severity(finding.severity).to_uppercase())
        .at(MESSAGE);
    let mut messages = wrapped(&finding.message, WIDTH - MESSAGE).into_iter();
    let mut lines = vec![head.with(Tone::Plain, messages.next().unwrap_or_default())];
    lines.extend(messages.map(|text| Line::default().at_start(MESSAGE).with(Tone::Plain, text)));
    let room = lines.last().is_some_and(|l| l.width() + 2 + finding.check.width() <= WIDTH);
    match lines.pop() {
        Some(last) if room => {
            let column = WIDTH - finding.check.width();
            lines.push(last.at(column).with(Tone::Soft, &finding.check));
        }
        last => {
            lines.extend(last);
            lines.push(Line::default().at_start(MESSAGE).with(Tone::Soft, &finding.check));
        }
    }
    lines
}

fn fix_lines(check: Option<&CheckText>) -> Vec<Line> {
    let Some(check) = check.filter(|c| !c.remediation.is_empty()) else { return Vec::new() };
    wrapped(words::first_sentence(&check.remediation), WIDTH - MESSAGE - 5)
        .into_iter()
        .zip(std::iter::once("fix: ").chain(std::iter::repeat("     ")))
        .map(|(text, lead)| Line::default().at_start(MESSAGE).with(Tone::Next, lead).with(Tone::Plain, text))
        .collect()
}

fn error_line(error: &InputError) -> Line {
    let place = match error.line {
        Some(line) => format!("{}:{line}", error.file),
        None => error.file.clone(),
    };
    Line::default()
        .with(Tone::Bad, "unread")
        .at(9)
        .with(Tone::Strong, place)
        .with(Tone::Plain, format!(": {}", error.message))
}

fn totals(evaluation: &Evaluation, errors: usize) -> Vec<Line> {
    let mut open = BySeverity::default();
    let mut objects = BTreeSet::new();
    for finding in evaluation.findings.iter().filter(|f| f.is_open_failure()) {
        open.add(finding.severity);
        objects.insert(&finding.resource);
    }
    let counts = evaluation.counts;
    let ran = evaluation.checks.iter().filter(|c| c.evaluated > 0).count() as u64;
    let order = format!(
        "{} in order, by {}",
        words::count(counts.pass, "place", "places"),
        words::count(ran, "check", "checks")
    );
    let mut lines = Vec::new();
    lines.push(if open.total() == 0 {
        Line::default().with(Tone::Good, "no exceptions")
    } else {
        let parts = open.worst_first().into_iter().filter(|(_, n)| *n > 0);
        let parts: Vec<String> = parts.map(|(s, n)| format!("{} {}", words::number(n), words::severity(s))).collect();
        let place = words::count(objects.len() as u64, "object", "objects");
        Line::default().with(Tone::Strong, parts.join(", ")).with(Tone::Plain, format!(" in {place}"))
    });
    lines.push(Line::default().with(Tone::Plain, order));
    let accepted = evaluation.findings.iter().filter(|f| f.outcome == Outcome::Fail && !f.is_open_failure()).count();
    if accepted > 0 {
        lines.push(
            Line::default().with(Tone::Soft, format!("{accepted} waived or expected of the system, not counted")),
        );
    }
    lines.extend(not_evaluated(evaluation));
    if errors > 0 {
        let files = words::count(errors as u64, "input", "inputs");
        lines.push(
            Line::default()
                .with(Tone::Bad, format!("{files} could not be read: nothing is known about what they hold")),
        );
    }
    lines
}

/// By reason, the most frequent first: what was not looked at must not pass for in order.
fn not_evaluated(evaluation: &Evaluation) -> Vec<Line> {
    let mut reasons: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for check in evaluation.checks.iter().filter(|c| c.not_evaluated > 0) {
        reasons.entry(check.reason.as_deref().unwrap_or("see --format json")).or_default().insert(&check.id);
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, checks)| (std::cmp::Reverse(checks.len()), *reason));
    let left = reasons.len().saturating_sub(REASONS);
    let mut lines: Vec<Line> = reasons
        .into_iter()
        .take(REASONS)
        .map(|(reason, checks)| {
            let count = words::count(checks.len() as u64, "check", "checks");
            Line::default()
                .with(Tone::Unseen, format!("{count} not evaluated"))
                .with(Tone::Plain, format!(": {reason}"))
        })
        .collect();
    if left > 0 {
        lines.push(Line::default().with(Tone::Soft, format!("and {left} more reasons: --format json has them")));
    }
    lines
}
