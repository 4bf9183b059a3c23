//! `kubeproof check` as text: by file, then by object, with the fix said once.

use std::collections::{BTreeMap, BTreeSet};

use unicode_width::UnicodeWidthStr;

use super::{Line, Tone, WIDTH, wrapped};
use crate::{
    collect::InputError,
    evaluate::Finding,
    framework::Severity,
    report::{CheckReport, CheckText, view::words},
};

/// Where messages begin.
const MESSAGE: usize = 20;
/// Reasons printed for what could not be evaluated.
const REASONS: usize = 3;
/// Where the place of what could not be read begins.
const UNREAD: usize = 9;

/// File, kind, namespace and name.
type Place<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

/// Findings grouped by file and object, then errors and counts; every line fits 80 columns.
pub fn check_text(report: &CheckReport<'_>) -> Vec<Line> {
    let mut groups: BTreeMap<Place<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in report.open() {
        let (file, of) = (finding.file.as_ref().map_or("", |f| &*f.path), &finding.resource);
        groups.entry((file, &of.kind, of.namespace.as_deref(), &of.name)).or_default().push(finding);
    }
    let mut lines = Vec::new();
    let mut explained = BTreeSet::new();
    let mut file = None;
    for ((path, kind, ..), mut findings) in groups {
        if file != Some(path) {
            if file.is_some() {
                lines.push(Line::default());
            }
            if !path.is_empty() {
                lines.push(Line::default().with(Tone::Strong, path));
            }
            file = Some(path);
        }
        lines.push(Line::default().with(Tone::Plain, format!("  {kind} {}", findings[0].resource.path())));
        findings.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.file.as_ref().map(|p| p.line), &f.check));
        for finding in findings {
            lines.extend(finding_lines(finding));
            if explained.insert(&finding.check) {
                lines.extend(fix_lines(report.checks.get(&*finding.check)));
            }
        }
    }
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(report.errors.iter().flat_map(error_lines));
    lines.extend(totals(report));
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

fn error_lines(error: &InputError) -> Vec<Line> {
    let place = match error.line {
        Some(line) => format!("{}:{line}", error.file),
        None => error.file.clone(),
    };
    let head = Line::default().with(Tone::Bad, "unread").at(UNREAD).with(Tone::Strong, format!("{place}:"));
    let message = wrapped(&error.message, WIDTH - UNREAD);
    match message.as_slice() {
        [short] if head.width() + 1 + short.width() <= WIDTH => vec![head.with(Tone::Plain, format!(" {short}"))],
        _ => {
            let below = message.iter().map(|text| Line::default().at_start(UNREAD).with(Tone::Plain, text));
            [head].into_iter().chain(below).collect()
        }
    }
}

fn totals(report: &CheckReport<'_>) -> Vec<Line> {
    let evaluation = report.evaluation;
    let ran = evaluation.checks.iter().filter(|c| c.evaluated > 0).count() as u64;
    let order = format!(
        "{} in order, by {}",
        words::count(evaluation.counts.pass, "place", "places"),
        words::count(ran, "check", "checks")
    );
    let tone = if report.open().next().is_none() { Tone::Good } else { Tone::Strong };
    let mut lines = vec![Line::default().with(tone, report.headline()), Line::default().with(Tone::Plain, order)];
    lines.extend(report.remarks().into_iter().map(|remark| Line::default().with(Tone::Soft, remark)));
    lines.extend(not_evaluated(report));
    if !report.errors.is_empty() {
        let files = words::count(report.errors.len() as u64, "input", "inputs");
        lines.push(
            Line::default()
                .with(Tone::Bad, format!("{files} could not be read: nothing is known about what they hold")),
        );
    }
    lines
}

/// What was not looked at must not pass for in order.
fn not_evaluated(report: &CheckReport<'_>) -> Vec<Line> {
    let reasons = report.not_evaluated();
    let left = reasons.len().saturating_sub(REASONS);
    let mut lines = Vec::new();
    for (reason, checks) in reasons.into_iter().take(REASONS) {
        let count = format!("{} not evaluated:", words::count(checks.len() as u64, "check", "checks"));
        let head = Line::default().with(Tone::Unseen, count).with(Tone::Plain, " ");
        let room = WIDTH - head.width();
        let mut words = wrapped(reason, room).into_iter();
        lines.push(head.with(Tone::Plain, words.next().unwrap_or_default()));
        let rest = words.collect::<Vec<_>>().join(" ");
        let below = wrapped(&rest, WIDTH - 2).into_iter().filter(|text| !text.is_empty());
        lines.extend(below.map(|text| Line::default().at_start(2).with(Tone::Plain, text)));
    }
    if left > 0 {
        let more = words::count(left as u64, "more reason", "more reasons");
        lines.push(Line::default().with(Tone::Soft, format!("and {more}: --format json has them")));
    }
    lines
}
