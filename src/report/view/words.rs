//! Dates, counts and names as people read them.

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    evaluate::{Outcome, Status},
    framework::{Framework, Severity},
    report::view::text::Look,
};

/// `5,204`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 object`, `5,204 objects`.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// `23 November 2026`.
pub fn long_date(at: NaiveDate) -> String {
    at.format("%-d %B %Y").to_string()
}

/// `22 November`, with the year where it is not the reader's.
pub fn day_month(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    use chrono::Datelike;
    if at.year() == now.year() { at.format("%-d %B").to_string() } else { long_date(at.date_naive()) }
}

/// `22 Nov 14:12`.
pub fn short_time(at: DateTime<Utc>) -> String {
    at.format("%-d %b %H:%M").to_string()
}

/// `22 Nov 2026 14:12`.
pub fn full_time(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y %H:%M").to_string()
}

/// `1 July to 30 September 2026`.
pub fn span(from: NaiveDate, to: NaiveDate) -> String {
    use chrono::Datelike;
    let first = if from.year() == to.year() { from.format("%-d %B").to_string() } else { long_date(from) };
    format!("{first} to {}", long_date(to))
}

/// `22 Nov 2026`.
pub fn short_date(at: NaiveDate) -> String {
    at.format("%-d %b %Y").to_string()
}

/// `1 May 2026 to 31 Aug 2026`, the days of a declaration; `no day` for one that it does not have.
pub fn days(since: Option<NaiveDate>, until: Option<NaiveDate>) -> String {
    let day = |day: Option<NaiveDate>| day.map_or_else(|| "no day".to_owned(), short_date);
    format!("{} to {}", day(since), day(until))
}

/// `critical`.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Info => "info",
    }
}

/// `not-evaluated`, as in `evaluation.json`.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::NotApplicable => "not-applicable",
        Outcome::NotEvaluated => "not-evaluated",
        Outcome::Manual => "manual",
    }
}

/// `E-0001`: the short id of the nth failure, the same in every document.
pub fn reference(nth: u64) -> String {
    format!("E-{nth:04}")
}

/// What people read for a status: for laws and standards nothing may sound like a judgement.
pub fn status(status: Status) -> (&'static str, Look) {
    match status {
        Status::Fail => ("exceptions noted", Look::Critical),
        Status::NotEvaluated => ("incomplete", Look::Unseen),
        Status::Attested => ("attested", Look::Person),
        Status::Inherited => ("inherited", Look::Person),
        Status::Partial => ("no exceptions noted, needs a person", Look::Good),
        Status::Manual => ("needs a person", Look::Soft),
        Status::Pass => ("no exceptions noted", Look::Good),
        Status::NotApplicable => ("not applicable", Look::Soft),
    }
}

/// What kind of declaration it is.
pub fn declaration(kind: &str) -> &str {
    if kind == "provider" { "provider document" } else { kind }
}

/// A framework in few letters, for columns.
pub fn short_framework(id: &str) -> &str {
    match id {
        "cis-kubernetes" => "CIS",
        "cis-eks" => "CIS EKS",
        "cis-gke" => "CIS GKE",
        "cis-aks" => "CIS AKS",
        "pci-dss" => "PCI",
        "hipaa" => "HIPAA",
        "gdpr" => "GDPR",
        "nsa-cisa" => "NSA/CISA",
        "pss-baseline" => "PSS baseline",
        "pss-restricted" => "PSS restricted",
        other => other,
    }
}

/// `PCI 2.2.6` for `pci-dss/2.2.6`.
pub fn short_requirement(id: &str) -> String {
    match id.split_once('/') {
        Some((framework, requirement)) => format!("{} {requirement}", short_framework(framework)),
        None => id.to_owned(),
    }
}

/// A framework's name with its version, where the title does not already end with it.
pub fn framework_name(framework: &Framework) -> String {
    if framework.title.contains(&framework.version) {
        framework.title.clone()
    } else {
        format!("{} {}", framework.title, framework.version)
    }
}

/// A framework's name in the few words that fit beside a bar.
pub fn bar_name(framework: &Framework) -> String {
    let name = match framework.id.as_str() {
        "cis-kubernetes" => "CIS Kubernetes",
        "pci-dss" => "PCI DSS",
        "pss-baseline" => "Pod Security, baseline",
        "pss-restricted" => "Pod Security, restricted",
        id => short_framework(id),
    };
    if framework.version.is_empty() || name.starts_with("Pod Security") {
        name.to_owned()
    } else {
        format!("{name} {}", framework.version)
    }
}

/// The first sentence, for places where there is room for one.
pub fn first_sentence(text: &str) -> &str {
    let text = text.trim();
    text.match_indices(". ")
        .map(|(at, _)| at)
        .find(|&at| !text[..at].ends_with("e.g") && !text[..at].ends_with("i.e"))
        .map_or(text, |at| &text[..=at])
}

/// Lists up to `show` names, then says how many are left.
pub fn some_of<S: AsRef<str>>(names: &[S], show: usize) -> String {
    let shown: Vec<&str> = names.iter().take(show).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(show) {
        0 => shown.join(", "),
        left => format!("{} and {} more", shown.join(", "), number(left as u64)),
    }
}

/// First letter in upper case, unless the first word is a name.
pub fn sentence_case(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    if !first.chars().all(char::is_alphabetic) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Cuts long values and says so; the whole value is in `findings.csv`.
pub fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// `4f1c 9a02 …`: digests in groups that people can compare by eye.
pub fn grouped(hex: &str) -> String {
    hex.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([number(0), number(999), number(1000), number(1234567)], ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_span_names_a_year_once() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(span(day("2026-07-01"), day("2026-09-30")), "1 July to 30 September 2026");
        assert_eq!(span(day("2026-12-01"), day("2027-01-31")), "1 December 2026 to 31 January 2027");
    }

    #[test]
    fn a_sentence_ends_where_it_ends() {
        assert_eq!(first_sentence("Set it, e.g. to true. Then roll out."), "Set it, e.g. to true.");
        assert_eq!(first_sentence("One."), "One.");
    }

    #[test]
    fn no_status_sounds_like_a_judgement() {
        for s in [Status::Fail, Status::NotEvaluated, Status::Partial, Status::Pass, Status::Manual] {
            assert!(!status(s).0.contains("compl") || s == Status::NotEvaluated);
        }
    }
}
