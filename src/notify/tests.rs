//! What is said, over invented runs; delivery has its tests on real servers.

use serde_json::Value;

use super::*;
use crate::{
    digest::Digest,
    drift::{Baseline, Drift, FindingChangeKind},
    report::{
        Stored,
        tests::sample::{Sample, at, busy, empty},
    },
};

const BUNDLE: Digest = Digest([7; 32]);

fn stored() -> Stored {
    Stored { index: Some(214), url: "s3://evidence/clusters/prod-eu-7f9c8d6b/bundles/0707".into() }
}

/// What `tell` makes of a run.
fn told<T>(sample: &Sample, incomplete: bool, tell: impl FnOnce(Tale<'_>) -> T) -> T {
    let (input, stored) = (sample.input(), stored());
    tell(Tale::Committed(Committed { input: &input, bundle: &BUNDLE, stored: &stored, incomplete }))
}

fn quiet() -> Sample {
    let mut sample = busy(false);
    let baseline = Baseline { bundle: "ab".repeat(32), index: Some(213), finished: at(11, 22, 6) };
    sample.drift = Drift { baseline: Some(baseline), still: 3, ..Drift::default() };
    sample.meta.gaps.clear();
    sample
}

fn json(message: &Message) -> Value {
    serde_json::to_value(message).unwrap()
}

#[test]
fn a_busy_morning_in_both_forms() {
    let message = told(&busy(false), true, |tale| tale.message(Severity::Info));
    insta::assert_json_snapshot!("notification", json(&message));
    insta::assert_json_snapshot!("slack", slack::body(&message));
}

#[test]
fn a_run_without_evidence_in_both_forms() {
    let run = Run { scheduled: Some(at(11, 23, 6)), started: at(11, 23, 6), finished: at(11, 23, 7) };
    let reason = "the store s3://evidence cannot be reached:\n  no answer in time";
    let failed = Failed { cluster: Some("prod-eu"), environment: Some("production"), run: &run, reason };
    let message = Tale::Failed(failed).message(Severity::High);
    insta::assert_json_snapshot!("failure", json(&message));
    insta::assert_json_snapshot!("slack-failure", slack::body(&message));
}

#[test]
fn occasions_from_nothing_to_the_worst() {
    let of = |sample: &Sample, incomplete, severity| told(sample, incomplete, |tale| tale.occasion(severity));
    assert_eq!(of(&quiet(), false, Severity::Info), Occasion::Always);
    assert_eq!(of(&empty(), false, Severity::Info), Occasion::Change, "a first run");
    assert_eq!(of(&busy(false), false, Severity::Info), Occasion::Worse);
    assert_eq!(of(&quiet(), true, Severity::Info), Occasion::Incomplete);

    let mut low = quiet();
    low.drift.findings = busy(false).drift.findings;
    low.drift.findings.iter_mut().for_each(|change| change.severity = Severity::Medium);
    assert_eq!(of(&low, false, Severity::Medium), Occasion::Worse);
    assert_eq!(of(&low, false, Severity::High), Occasion::Change);
    low.drift.findings.retain(|change| !matches!(change.change, FindingChangeKind::New | FindingChangeKind::Reopened));
    assert_eq!(of(&low, false, Severity::Info), Occasion::Change);
    low.drift.permissions = busy(false).drift.permissions;
    assert!(low.drift.permissions.iter().any(|change| change.sensitive && !change.gained.is_empty()));
    assert_eq!(of(&low, false, Severity::Critical), Occasion::Worse, "who can escalate is always worse");

    let mut nothing_seen = quiet();
    for list in &mut nothing_seen.coverage.lists {
        list.outcome = crate::collect::ListOutcome::Refused { status: 403, reason: "Forbidden".into() };
    }
    assert_eq!(of(&nothing_seen, false, Severity::Info), Occasion::Failure);
}

#[test]
fn nothing_changed_is_one_sentence() {
    let message = told(&quiet(), false, |tale| tale.message(Severity::Info));
    assert_eq!(message.summary, "prod-eu: nothing got worse or better; 3 critical, 6 high, 7 medium, 3 low open");
    let sections = slack::body(&message)["blocks"].as_array().unwrap().len();
    assert_eq!(sections, 4, "headline, sentence, counts, evidence");
}

#[test]
fn what_a_cluster_holds_becomes_neither_markup_nor_a_mention() {
    let mut sample = busy(false);
    let hostile = "<!channel> <https://evil.example|click> *bold* @here \u{202e}abc\u{1b}[2J\n& &lt;";
    sample.meta.cluster = hostile.into();
    for change in &mut sample.drift.findings {
        change.message = hostile.into();
        change.owner = Some(hostile.into());
    }
    for change in &mut sample.drift.permissions {
        change.summary = hostile.into();
    }
    let message = told(&sample, true, |tale| tale.message(Severity::Info));
    let slack = slack::body(&message);
    for block in slack["blocks"].as_array().unwrap() {
        let texts: Vec<&Value> = match block["type"].as_str().unwrap() {
            "context" => block["elements"].as_array().unwrap().iter().collect(),
            _ => vec![&block["text"]],
        };
        for text in texts {
            assert_eq!((&text["type"], &text["emoji"]), (&"plain_text".into(), &false.into()), "{block}");
        }
    }
    let fallback = slack["text"].as_str().unwrap();
    assert!(!fallback.contains(['<', '>']) && slack["mrkdwn"] == false, "{fallback}");
    for text in [slack.to_string(), json(&message).to_string()] {
        assert!(!text.contains('\u{202e}') && !text.contains("\\u001b"), "{text}");
    }
}

#[test]
fn a_message_stays_small_however_much_changed() {
    let mut sample = busy(false);
    let mut one = sample.drift.findings.iter().find(|c| c.change == FindingChangeKind::New).unwrap().clone();
    one.message = "m".repeat(5_000).into();
    one.owner = Some("o".repeat(5_000).into());
    one.accepted = false;
    sample.drift.findings = vec![one; 5_000];
    let message = told(&sample, false, |tale| tale.message(Severity::Info));
    let worse = &message.changes.as_ref().unwrap().worse;
    assert_eq!((worse.findings, worse.named.len() as u64 + worse.more), (5_000, 5_000 + worse.subjects));
    assert!(json(&message).to_string().len() < 40_000);
    let slack = slack::body(&message);
    for block in slack["blocks"].as_array().unwrap() {
        let limit = if block["type"] == "header" { 150 } else { 3_000 };
        let text = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap();
        assert!((1..=limit).contains(&text.chars().count()), "{block}");
    }
}

#[test]
fn a_hook_shows_its_origin_alone() {
    let config = |token: Option<&str>| HookConfig {
        url: "env:HOOK".into(),
        token: token.map(Into::into),
        format: HookFormat::Json,
        on: Occasion::Worse,
        severity: Severity::Info,
        timeout: crate::config::Span(Duration::from_secs(1)),
    };
    let url = " https://user:secret@hooks.example.com:8443/services/secret?key=secret#secret\n";
    let hook = Hook::new(&config(None), url, Some(" secret \n")).unwrap();
    assert_eq!((hook.name().as_str(), hook.token.as_deref()), ("https://hooks.example.com:8443", Some("secret")));
    assert!(!format!("{hook:?}").contains("secret"));
    for (url, token) in
        [("secret", None), ("ftp://secret/", None), ("https://h/", Some("sec\nret")), ("https://h/", Some(" "))]
    {
        let error = Hook::new(&config(token), url, token).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
