//! JUnit XML (junit-10.xsd), for the test tabs of GitLab, Jenkins and others.
//!
//! A failure is a `failure`, an input that could not be read an `error`. A check that was not evaluated is `skipped`
//! with its reason: an `error` would keep every pipeline red, for manifests never show what only a cluster has, and a
//! pass would be a lie. What is waived, expected or known is `skipped` too, since it does not count.

use std::{collections::BTreeMap, io};

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{CheckReport, Standing, one_line, place};
use crate::{
    collect::InputError,
    evaluate::{CheckResult, Finding, Outcome},
    report::view::words,
};

/// Name of the suite that holds a case for each check that no file fails.
const CHECKS: &str = "checks";

struct Case {
    name: String,
    class: String,
    result: Result,
}

enum Result {
    Passed,
    Skipped(String),
    Failed { severity: &'static str, message: String, text: String },
    Error(String),
}

/// The whole document.
///
/// # Errors
/// None in practice: the document is written to memory.
pub fn junit(report: &CheckReport<'_>) -> io::Result<String> {
    let mut suites: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for finding in report.evaluation.findings.iter().filter(|finding| finding.file.is_some()) {
        let file = finding.file.as_ref().map(|file| file.path.to_string()).unwrap_or_default();
        suites.entry(file).or_default().extend(case(report, finding));
    }
    for error in report.errors {
        suites.entry(error.file.clone()).or_default().push(unread(error));
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let checks: Vec<Case> = report.evaluation.checks.iter().filter_map(check_case).collect();
    let named = suites.iter().map(|(file, cases)| (file.as_str(), cases.as_slice()));
    let all: Vec<(&str, &[Case])> = named.chain([(CHECKS, checks.as_slice())]).collect();
    let cases = || all.iter().flat_map(|(_, cases)| cases.iter());
    let count = |is: fn(&Result) -> bool| cases().filter(|case| is(&case.result)).count().to_string();
    writer
        .create_element("testsuites")
        .with_attribute(("name", "kubeproof"))
        .with_attribute(("tests", cases().count().to_string().as_str()))
        .with_attribute(("failures", count(is_failed).as_str()))
        .with_attribute(("errors", count(is_error).as_str()))
        .write_inner_content(|writer| all.iter().try_for_each(|(name, cases)| suite(writer, name, cases)))?;
    let mut text = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

fn is_failed(result: &Result) -> bool {
    matches!(result, Result::Failed { .. })
}

fn is_error(result: &Result) -> bool {
    matches!(result, Result::Error(_))
}

fn is_skipped(result: &Result) -> bool {
    matches!(result, Result::Skipped(_))
}

/// What is said of one place; a question that does not arise is no case.
fn case(report: &CheckReport<'_>, finding: &Finding) -> Option<Case> {
    let reason = || finding.reason.clone().unwrap_or_else(|| finding.message.clone());
    let result = match (finding.outcome, report.standing(finding)) {
        (Outcome::NotApplicable, _) => return None,
        (Outcome::Pass, _) => Result::Passed,
        (Outcome::NotEvaluated, _) => Result::Skipped(format!("not evaluated: {}", reason())),
        (Outcome::Manual, _) => Result::Skipped(format!("for a person: {}", reason())),
        (Outcome::Fail, Standing::Accepted) => Result::Skipped(report.accepted_by(finding).unwrap_or_default()),
        (Outcome::Fail, Standing::Known) => Result::Skipped("known from the baseline".into()),
        (Outcome::Fail, Standing::Open) => Result::Failed {
            severity: words::severity(finding.severity),
            message: finding.message.to_string(),
            text: detail(report, finding),
        },
    };
    // Names must stay the same from run to run, so they hold the stable place and no line.
    let name = format!("{} {}", finding.resource, finding.place.stable);
    Some(Case { name, class: finding.check.to_string(), result })
}

fn detail(report: &CheckReport<'_>, finding: &Finding) -> String {
    let at = finding.file.as_ref().map(|file| place(&one_line(&file.path), Some(file.line)));
    let fix = report.fix(&finding.check).map(|fix| format!("Fix: {}", one_line(fix)));
    let lines = [at, Some(one_line(&finding.message)), fix];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn unread(error: &InputError) -> Case {
    let line = error.line.map(|line| format!(" line {line}")).unwrap_or_default();
    Case { name: format!("read{line}"), class: "kubeproof".into(), result: Result::Error(error.message.clone()) }
}

/// A check that fails nowhere: that it ran, or why it did not.
fn check_case(check: &CheckResult) -> Option<Case> {
    let result = match check.outcome {
        Outcome::Pass => Result::Passed,
        Outcome::NotEvaluated => {
            Result::Skipped(format!("not evaluated: {}", check.reason.as_deref().unwrap_or("no reason is known")))
        }
        Outcome::Manual => Result::Skipped("for a person".into()),
        Outcome::Fail | Outcome::NotApplicable => return None,
    };
    Some(Case { name: check.title.clone(), class: check.id.clone(), result })
}

fn suite(writer: &mut Writer<Vec<u8>>, name: &str, cases: &[Case]) -> io::Result<()> {
    let count = |is: fn(&Result) -> bool| cases.iter().filter(|case| is(&case.result)).count().to_string();
    writer
        .create_element("testsuite")
        .with_attribute(("name", one_line(name).as_str()))
        .with_attribute(("tests", cases.len().to_string().as_str()))
        .with_attribute(("failures", count(is_failed).as_str()))
        .with_attribute(("errors", count(is_error).as_str()))
        .with_attribute(("skipped", count(is_skipped).as_str()))
        .write_inner_content(|writer| cases.iter().try_for_each(|case| write(writer, case)))?;
    Ok(())
}

fn write(writer: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", one_line(&case.class).as_str()))
        .with_attribute(("name", one_line(&case.name).trim_end()));
    match &case.result {
        Result::Passed => element.write_empty()?,
        Result::Skipped(message) => element.write_inner_content(|writer| note(writer, "skipped", message))?,
        Result::Error(message) => element.write_inner_content(|writer| note(writer, "error", message))?,
        Result::Failed { severity, message, text } => element.write_inner_content(|writer| {
            writer
                .create_element("failure")
                .with_attribute(("type", *severity))
                .with_attribute(("message", one_line(message).as_str()))
                .write_text_content(BytesText::new(text))?;
            Ok(())
        })?,
    };
    Ok(())
}

fn note(writer: &mut Writer<Vec<u8>>, element: &str, message: &str) -> io::Result<()> {
    writer.create_element(element).with_attribute(("message", one_line(message).as_str())).write_empty()?;
    Ok(())
}
