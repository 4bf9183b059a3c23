//! Whole documents from invented runs.

pub(crate) mod sample;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sample::{busy, empty, finding, many};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::collect::InputError;

/// Text of all pages, as a reader copies it.
fn text_of(pdf: &[u8]) -> String {
    let document = lopdf::Document::load_mem(pdf).unwrap();
    let pages: Vec<u32> = document.get_pages().keys().copied().collect();
    document.extract_text(&pages).unwrap()
}

/// Words of judgement, and counts that pretend to be a score.
fn judges(text: &str) -> bool {
    // `DSSEv1 %d` on the verification page is a format, `87 %` a score.
    let score = |(at, _): (usize, &str)| {
        text[..at].trim_end().ends_with(|c: char| c.is_ascii_digit())
            && !text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic())
    };
    text.contains("compliant") || text.contains("verdict") || text.match_indices('%').any(score)
}

fn lines(lines: &[Line]) -> String {
    let widest = lines.iter().map(|l| unicode_width::UnicodeWidthStr::width(l.to_string().as_str())).max();
    assert!(widest <= Some(80), "{widest:?}");
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn stored() -> Stored {
    Stored { index: Some(214), url: "s3://evidence/clusters/prod-eu-7f9c8d6b".into() }
}

/// Writes documents for people to look at: `KUBEPROOF_LOOK=DIR cargo test --lib report::tests::look`.
#[test]
#[ignore = "writes files for people to look at"]
fn look() {
    let dir = option_env!("KUBEPROOF_LOOK").unwrap_or("/tmp");
    for (name, sample) in [("empty", empty()), ("busy", busy(false)), ("full", busy(true)), ("many", many(5000))] {
        let started = std::time::Instant::now();
        let bytes = pdf(&sample.input()).unwrap();
        println!("{name}: {} ms, {} bytes", started.elapsed().as_millis(), bytes.len());
        std::fs::write(format!("{dir}/{name}.pdf"), bytes).unwrap();
        std::fs::write(format!("{dir}/{name}.html"), html(&sample.input()).unwrap()).unwrap();
        summary(&sample.input(), &stored()).iter().for_each(|line| println!("{}", line.styled()));
    }
}

#[test]
fn names_of_any_script_render_to_the_same_bytes_twice() {
    let sample = busy(true);
    let first = pdf(&sample.input()).unwrap();
    assert!(first == pdf(&sample.input()).unwrap());
    let text = text_of(&first);
    assert!(text.contains("U+1F6D2"), "an emoji stands as its code point");
    assert!(text.contains("U+202E"), "what turns the writing direction is named");
    assert!(text.contains("Completeness and accuracy") && !judges(&text), "{text}");
}

#[test]
fn a_first_run_that_found_nothing_renders() {
    let text = text_of(&pdf(&empty().input()).unwrap());
    assert!(text.contains("nothing to compare with") && text.contains("CONFIDENTIAL"), "{text}");
}

#[test]
fn no_document_judges_or_scores() {
    assert!(judges("is compliant") && judges("87 %") && !judges("DSSEv1 %d %s"));
    for sample in [empty(), busy(true), many(7)] {
        let view = serde_json::to_string(&view(&sample.input())).unwrap();
        let page = html(&sample.input()).unwrap();
        let body = &page[page.find("<body").unwrap()..page.find("<script").unwrap()];
        for text in [view.as_str(), body] {
            assert!(!judges(text), "{text}");
        }
    }
}

#[test]
fn tables_stop_and_say_where_the_rest_is() {
    let sample = many(5000);
    let view = view(&sample.input());
    let rows = |b: &view::Block| if let view::Block::Table(t) = b { t.rows.len() } else { 0 };
    let most = view.sections.iter().flat_map(|s| &s.blocks).map(rows).max();
    assert_eq!(most, Some(400));
    let text = serde_json::to_string(&view).unwrap();
    assert!(text.contains("4,600 more rows are not printed here: findings.csv"));
}

#[test]
fn the_view_of_a_busy_morning() {
    insta::assert_json_snapshot!(view(&busy(false).input()));
}

#[test]
fn the_view_of_an_empty_cluster() {
    insta::assert_json_snapshot!(view(&empty().input()));
}

#[test]
fn the_providers_side_is_said_in_words() {
    use crate::evaluate::{Declaration, Outcome, Status};
    let mut sample = busy(true);
    sample.coverage.cluster.platform = Some("eks".into());
    let mut side = finding(1, "Provider", "", "eks", None);
    side.outcome = Outcome::NotEvaluated;
    side.reason = Some("configuration of kube-apiserver is on the provider's side (eks)".into());
    side.requirements = ["pci-dss/1.4.1".into(), "pci-dss/1.3.2".into()].into();
    sample.evaluation.findings.push(side);
    let at = sample.evaluation.requirements.iter().position(|row| row.id == "1.3.2").unwrap();
    sample.evaluation.requirements[at].status = Status::Inherited;
    sample.evaluation.requirements[at].reason = Some("the provider's side: P-1, SOC 2 of 2026-03-01".into());
    let without = serde_json::to_string(&view(&sample.input())).unwrap();
    assert!(without.contains("and none is in force. 1 row stays open"), "{without}");
    sample.evaluation.declarations = vec![Declaration {
        kind: "provider".into(),
        id: "P-1".into(),
        at: "providers.yaml:2".into(),
        state: "ends soon".into(),
        until: Some("2026-11-26".into()),
        applies_to: vec!["pci-dss/1.3.2".into()],
        note: "eks, SOC 2 of 2026-03-01".into(),
    }];
    let text = serde_json::to_string(&view(&sample.input())).unwrap();
    for said in [
        "the provider's (eks)",
        "1 row rests on the provider's documents (P-1). 1 row stays open",
        "provider document",
        "The provider's side: P-1, SOC 2 of 2026-03-01",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let due = lines(&summary(&sample.input(), &stored()));
    assert!(due.contains("provider document P-1 ends in 3 days"), "{due}");
}

#[test]
fn ten_lines() {
    let mut quiet = busy(false);
    quiet.drift = empty().drift;
    quiet.drift.baseline = busy(false).drift.baseline;
    quiet.meta.gaps.clear();
    quiet.evaluation.declarations.clear();
    let pending = Stored { index: None, ..stored() };
    insta::assert_snapshot!(lines(&summary(&busy(false).input(), &stored())));
    insta::assert_snapshot!(lines(&summary(&empty().input(), &pending)));
    let one = lines(&summary(&quiet.input(), &stored()));
    assert_eq!(one.lines().count(), 1, "{one}");
    assert!(one.contains("nothing changed, 3 critical"), "{one}");
}

#[test]
fn what_manifests_cannot_show_is_no_gap() {
    let mut sample = busy(false);
    let cluster = lines(&summary(&sample.input(), &stored()));
    assert!(cluster.contains("UNSEEN") && cluster.contains("not declared"), "{cluster}");
    sample.coverage.source.kind = crate::collect::SourceKind::Manifests;
    sample.evaluation.checks.push(crate::evaluate::CheckResult {
        id: "network-plugin-enforces".into(),
        title: String::new(),
        severity: crate::framework::Severity::High,
        outcome: crate::evaluate::Outcome::NotEvaluated,
        evaluated: 0,
        failed: 0,
        waived: 0,
        expected: 0,
        not_evaluated: 1,
        reason: None,
    });
    let manifests = lines(&summary(&sample.input(), &stored()));
    assert!(!manifests.contains("declared"), "{manifests}");
    assert!(manifests.contains("not evaluated: manifests do not show a whole cluster"), "{manifests}");
}

#[test]
fn check_as_text() {
    let mut sample = busy(false);
    for (i, finding) in sample.evaluation.findings.iter_mut().enumerate() {
        let file = crate::evaluate::FilePosition {
            path: format!("deploy/{}.yaml", finding.resource.kind.to_lowercase()).into(),
            line: 30 + i as u32,
        };
        finding.file = Some(file);
    }
    let errors =
        [InputError { file: "deploy/broken.yaml".into(), line: Some(3), message: "expected a mapping".into() }];
    let report = CheckReport {
        evaluation: &sample.evaluation,
        errors: &errors,
        checks: &sample.definitions.checks,
        comparison: None,
    };
    insta::assert_snapshot!(lines(&check_text(&report)));
    let nothing = empty();
    let report = CheckReport { evaluation: &nothing.evaluation, errors: &[], ..report };
    assert!(lines(&check_text(&report)).starts_with("no exceptions"));
}

#[test]
fn cells_that_begin_like_a_formula_are_text() {
    let mut sample = empty();
    let mut odd = finding(0, "Deployment", "shop", "cart", Some("=cmd|' /C calc'!A0"));
    odd.observed = json!("@SUM(1+1)");
    odd.message = "+1".into();
    sample.evaluation.findings = vec![odd];
    let csv = String::from_utf8(findings_csv(&sample.evaluation).unwrap()).unwrap();
    for cell in ["'=cmd", "'@SUM", "'+1", "E-0001,"] {
        assert!(csv.contains(cell), "{cell}: {csv}");
    }
    assert!(!csv.contains(",=") && !csv.contains(",+") && !csv.contains(",@"), "{csv}");
}

#[test]
fn tables_of_findings_hold_every_finding() {
    let sample = many(300);
    let csv = findings_csv(&sample.evaluation).unwrap();
    assert_eq!(csv::Reader::from_reader(csv.as_slice()).records().count(), 300);
    let parquet = findings_parquet(&sample.evaluation).unwrap();
    assert!(parquet.starts_with(b"PAR1"));
    assert!(parquet == findings_parquet(&sample.evaluation).unwrap());
}

#[test]
fn the_viewer_loads_nothing_and_escapes_names() {
    let mut sample = busy(true);
    std::sync::Arc::make_mut(&mut sample.evaluation.findings[0].resource).name = "<img src=x onerror=alert(1)>".into();
    let page = html(&sample.input()).unwrap();
    assert!(page.contains("Not verified here") && page.contains("kubeproof verify . --key pub.pem"));
    assert!(!page.contains("<img") && page.contains("&lt;img"));
    assert!(!page.contains("http://") && !page.contains("src=\"") && !page.contains("href=\""));
    judge_policy(&page, true);
}

/// The page's own policy allows its one style and, where it has one, its one script, by the hashes of what stands in it.
pub(super) fn judge_policy(page: &str, scripted: bool) {
    let between = |from: &str, to: &str| {
        let (_, rest) = page.split_once(from)?;
        Some(rest.split_once(to)?.0)
    };
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let style = hash(between("<style>", "</style>").unwrap());
    let script = between("<script>", "</script>").map(hash);
    assert_eq!(script.is_some(), scripted);
    let script = script.map(|hash| format!("script-src {hash}; ")).unwrap_or_default();
    let policy = between("Content-Security-Policy\" content=\"", "\">").unwrap().replace("&#x2f;", "/");
    let expected = format!("default-src 'none'; style-src {style}; {script}base-uri 'none'; form-action 'none'");
    assert_eq!(policy, expected);
    assert_eq!(page.matches("<meta charset=\"utf-8\">").count(), 1);
}

/// All words of the last cell of the row that begins with `id`.
fn evidence_of(value: &serde_json::Value, id: &str) -> Option<String> {
    let cells = value.as_array().filter(|cells| cells.first().is_some_and(|cell| cell[0]["text"] == id));
    if let Some(cells) = cells {
        let runs = cells.last().and_then(|cell| cell.as_array()).into_iter().flatten();
        return Some(runs.filter_map(|run| run["text"].as_str()).collect::<Vec<_>>().join(" "));
    }
    match value {
        serde_json::Value::Array(items) => items.iter().find_map(|item| evidence_of(item, id)),
        serde_json::Value::Object(members) => members.values().find_map(|member| evidence_of(member, id)),
        _ => None,
    }
}

#[test]
fn a_row_that_is_judged_in_a_scope_names_the_failures_inside_alone() {
    let mut sample = busy(true);
    let rows = ["pci-dss/1.2.1".to_owned(), "cis-kubernetes/5.2.2".to_owned()];
    let failing = |namespace: &str, count: usize| -> Vec<crate::evaluate::Finding> {
        let one = |nth| finding(0, "Deployment", namespace, &format!("app-{nth}"), None);
        (0..count).map(|nth| crate::evaluate::Finding { requirements: rows.clone().into(), ..one(nth) }).collect()
    };
    sample.evaluation.findings = [failing("payments", 3), failing("staging", 5)].concat();
    let view = serde_json::to_value(view(&sample.input())).unwrap();
    let evidence = |id: &str| evidence_of(&view["sections"], id).unwrap();
    assert!(evidence("1.2.1").ends_with("and 1 more"), "{}", evidence("1.2.1"));
    assert!(evidence("5.2.2").ends_with("and 6 more"), "{}", evidence("5.2.2"));
}
