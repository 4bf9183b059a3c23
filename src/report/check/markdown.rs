//! A comment on a pull request: short, the worst first, the rest folded away.

use super::{CheckReport, one_line, place};
use crate::{evaluate::Finding, framework::Severity, report::view::words};

/// Characters that GitHub takes for a comment are 65,536; the rest is left to whoever adds a heading of their own.
const ROOM: usize = 60_000;

/// Kept for what must be said after the findings.
const TAIL: usize = 12_000;

/// Findings listed of each severity.
const LISTED: usize = 25;

/// Entries listed of anything else.
const ENTRIES: usize = 10;

/// Letters of a name, a path or a message that are shown.
const LETTERS: usize = 240;

/// The first line, by which a workflow finds its own comment again.
const MARK: &str = "<!-- kubeproof check -->";

/// The whole comment.
pub fn markdown(report: &CheckReport<'_>) -> String {
    let mut page = Page { text: format!("{MARK}\n### kubeproof: {}\n", report.headline()), room: ROOM - TAIL };
    let open = report.open_by_place();
    for severity in [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info] {
        let group: Vec<&Finding> = open.iter().copied().filter(|finding| finding.severity == severity).collect();
        if !group.is_empty() {
            findings(&mut page, severity, &group);
        }
    }
    page.room = ROOM;
    unread(&mut page, report);
    for remark in report.remarks() {
        page.push(&format!("\n{}.\n", words::sentence_case(&remark)));
    }
    fixes(&mut page, report, &open);
    not_evaluated(&mut page, report);
    page.text
}

struct Page {
    text: String,
    room: usize,
}

impl Page {
    /// Adds `text` where it fits; says whether it did.
    fn push(&mut self, text: &str) -> bool {
        let fits = self.text.chars().count() + text.chars().count() <= self.room;
        if fits {
            self.text.push_str(text);
        }
        fits
    }

    /// A list, folded away or not; the last line says what is not listed.
    fn list(&mut self, title: &str, folded: bool, items: &[String], most: usize) {
        // Without a blank line after it, what a fold holds is not read as Markdown.
        let (open, close) = if folded {
            (format!("\n<details><summary>{title}</summary>\n\n"), "\n</details>\n")
        } else {
            (format!("\n**{title}**\n\n"), "")
        };
        // The last lines must fit whatever the list does.
        let end = close.len() + 80;
        self.room -= end;
        if self.push(&open) {
            let shown = items.iter().take(most).take_while(|item| self.push(item)).count();
            self.room += end;
            if let Some(left) = items.len().checked_sub(shown).filter(|left| *left > 0) {
                self.push(&format!("- and {} more: `--format json` has them\n", words::number(left as u64)));
            }
            self.push(close);
        } else {
            self.room += end;
        }
    }
}

fn findings(page: &mut Page, severity: Severity, group: &[&Finding]) {
    let title = format!("{} ({})", words::sentence_case(words::severity(severity)), words::number(group.len() as u64));
    let items: Vec<String> = group.iter().map(|finding| item(finding)).collect();
    page.list(&title, severity < Severity::High, &items, LISTED);
}

fn item(finding: &Finding) -> String {
    let at = finding.file.as_ref().map(|file| format!("{} ", code(&place(&file.path, Some(file.line)))));
    let object = code(&finding.resource.to_string());
    let message = plain(&finding.message);
    format!("- {}{object}: {message} ({})\n", at.unwrap_or_default(), code(&finding.check))
}

fn unread(page: &mut Page, report: &CheckReport<'_>) {
    let items: Vec<String> = report
        .errors
        .iter()
        .map(|error| format!("- {}: {}\n", code(&place(&error.file, error.line)), plain(&error.message)))
        .collect();
    if !items.is_empty() {
        page.list("Not read: nothing is known about what these hold", false, &items, ENTRIES);
    }
}

/// Each fix once, in the order of the findings.
fn fixes(page: &mut Page, report: &CheckReport<'_>, open: &[&Finding]) {
    let mut items: Vec<String> = Vec::new();
    for finding in open {
        let Some(fix) = report.fix(&finding.check) else { continue };
        let item = format!("- {}: {}\n", code(&finding.check), plain(fix));
        if !items.contains(&item) {
            items.push(item);
        }
    }
    if !items.is_empty() {
        page.list("How to fix", true, &items, LISTED);
    }
}

fn not_evaluated(page: &mut Page, report: &CheckReport<'_>) {
    let reasons = report.not_evaluated();
    let checks: u64 = reasons.iter().map(|(_, checks)| checks.len() as u64).sum();
    let item = |(reason, checks): &(&str, std::collections::BTreeSet<&str>)| {
        let names: Vec<String> = checks.iter().map(|check| code(check)).collect();
        format!("- {}: {}\n", plain(reason), words::some_of(&names, ENTRIES))
    };
    let items: Vec<String> = reasons.iter().map(item).collect();
    if !items.is_empty() {
        let title = format!("{} not evaluated", words::count(checks, "check", "checks"));
        page.list(&title, true, &items, ENTRIES);
    }
}

/// Text as code, in which nothing is markup, a mention or a link; the fence is longer than any within.
fn code(text: &str) -> String {
    let text = words::clip(&one_line(text), LETTERS);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Running text that is no markup, and that neither mentions people nor links.
pub(in crate::report) fn plain(text: &str) -> String {
    let text = words::clip(&one_line(text), LETTERS);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => out.extend(['\\', c]),
            // A zero-width space: a mention, a reference and a bare link need what follows without a gap.
            '@' | '#' => out.extend([c, '\u{200b}']),
            ':' => out.extend([c, '\u{200b}']),
            c => out.push(c),
        }
    }
    out.replace("www.", "www\u{200b}.").replace(":\u{200b} ", ": ")
}
