//! Every form of one small check, as it is printed; and names that try to break each form.

use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::framework::{self, RuleFiles};

/// Checks of the built-in library that the golden documents are made with.
const CHECKS: [&str; 4] =
    ["container-privileged", "pod-host-network", "container-root-filesystem", "network-plugin-enforces"];

const FRAMEWORK: &str = "\
apiVersion: kubeproof.dev/v1
id: house-rules
version: '1'
title: House rules
kind: guide
source: our own
requirements:
  - {id: '1', title: no privileges, coverage: automated, decides: [container-privileged, pod-host-network]}
  - {id: '2', title: no writes, coverage: automated, decides: [container-root-filesystem]}
  - {id: '3', title: a plugin that enforces, coverage: partial, decides: [network-plugin-enforces]}
";

const DECLARED: [(&str, &str); 2] = [
    (
        "waivers.yaml",
        "apiVersion: kubeproof.dev/v1\nwaivers:\n  - {id: W-7, kind: risk-accepted, check: pod-host-network, resources: {kind: \
         DaemonSet, namespace: kube-system, name: agent}, reason: measures the network, approver: head of platform, \
         until: 2026-12-31}\n",
    ),
    (
        "user-expected.yaml",
        "apiVersion: kubeproof.dev/v1\nexpected:\n  - {id: X-1, check: container-privileged, resources: {kind: DaemonSet, \
         namespace: kube-system, name: agent}, reason: programs the node}\n",
    ),
];

const CART: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  template:
    spec:
      hostNetwork: true
      containers:
        - name: app
          securityContext:
            privileged: true
        - name: proxy
          securityContext: {readOnlyRootFilesystem: true}
---
apiVersion: v1
kind: Pod
metadata: {name: broken
---
apiVersion: v1
kind: Pod
metadata: {name: debug, namespace: shop}
spec:
  containers: [{name: shell, securityContext: {privileged: true, readOnlyRootFilesystem: true}}]
";

const AGENT: &str = "\
kind: List
apiVersion: v1
items:
  - apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: agent, namespace: kube-system}
    spec:
      template:
        spec:
          hostNetwork: true
          containers:
            - {name: agent, securityContext: {privileged: true, readOnlyRootFilesystem: true}}
";

/// A check, from text to every form.
struct Checked {
    collected: Collected,
    evaluation: Evaluation,
    texts: BTreeMap<String, report::CheckText>,
    comparison: Option<report::Comparison>,
}

fn rules() -> RuleFiles {
    let wanted = |name: &str| CHECKS.iter().any(|check| name.ends_with(&format!("/{check}.yaml")));
    let mut files: RuleFiles = framework::embedded().into_iter().filter(|(name, _)| wanted(name)).collect();
    assert_eq!(files.len(), CHECKS.len(), "{:?}", files.keys());
    files.insert("frameworks/house-rules-1.yaml".into(), FRAMEWORK.into());
    files.extend(DECLARED.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    files
}

fn check(files: &[(&str, &str)]) -> Checked {
    let now = DateTime::parse_from_rfc3339("2026-11-25T06:00:00Z").unwrap().to_utc();
    let options = Options { name: None, uid: None, kubernetes: None, key: None, now };
    let inputs: Vec<_> = files.iter().map(|(name, text)| Input::Stdin((*name).into(), (*text).into())).collect();
    let mut collected = manifests::collect(&inputs, &options);
    let rules = Rules::load(rules(), &["house-rules".into()], &collected.coverage.cluster).unwrap();
    let snapshot = snapshot::assemble(std::mem::take(&mut collected.objects), &collected.coverage);
    let evaluation = evaluate::run(&evaluate::Input {
        snapshot: &snapshot,
        coverage: &collected.coverage,
        rules: &rules,
        kubernetes: None,
        today: now.date_naive(),
        keep_passes: false,
    });
    Checked { collected, evaluation, texts: pipeline::definitions(&rules).checks, comparison: None }
}

impl Checked {
    fn report(&self) -> CheckReport<'_> {
        CheckReport {
            evaluation: &self.evaluation,
            errors: &self.collected.errors,
            checks: &self.texts,
            comparison: self.comparison.as_ref(),
        }
    }

    fn json(&self) -> String {
        serde_json::to_string_pretty(&v1::Document::new(&self.collected, &self.report())).unwrap()
    }

    fn sarif(&self) -> serde_json::Value {
        serde_json::to_value(report::sarif(&self.report())).unwrap()
    }

    /// Against a check of `files`.
    fn against(mut self, files: &[(&str, &str)]) -> Self {
        let baseline = CheckBaseline::parse(check(files).json().as_bytes()).unwrap();
        self.comparison = Some(baseline.compare(&self.evaluation, |_| true));
        self
    }

    fn text(&self) -> String {
        let lines = report::check_text(&self.report());
        let widest = lines.iter().map(|line| unicode_width::UnicodeWidthStr::width(line.to_string().as_str())).max();
        assert!(widest <= Some(80), "{widest:?}");
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

const FILES: [(&str, &str); 2] = [("deploy/cart.yaml", CART), ("deploy/agent.yaml", AGENT)];

#[test]
fn every_form_of_one_small_check() {
    let checked = check(&FILES);
    let report = checked.report();
    insta::assert_snapshot!("text", checked.text());
    insta::assert_snapshot!("json", checked.json());
    insta::assert_snapshot!("sarif", serde_json::to_string_pretty(&report::sarif(&report)).unwrap());
    insta::assert_snapshot!("junit", report::junit(&report).unwrap());
    insta::assert_snapshot!("markdown", report::markdown(&report));
    insta::assert_snapshot!("github", report::github(&report));
}

#[test]
fn every_form_with_a_baseline() {
    let before = CART.replace("hostNetwork: true", "hostNetwork: false");
    let checked = check(&[("deploy/cart.yaml", &before.replace("shell", "sh"))]).against(&FILES);
    insta::assert_snapshot!("baseline-text", checked.text());
    insta::assert_snapshot!("baseline-markdown", report::markdown(&checked.report()));
    insta::assert_snapshot!("baseline-github", report::github(&checked.report()));
    insta::assert_snapshot!("baseline-junit", report::junit(&checked.report()).unwrap());
    let states: Vec<_> = checked.sarif()["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["baselineState"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["new", "unchanged", "unchanged"]);
}

#[test]
fn severities_are_levels_and_nothing_is_invented() {
    let sarif = check(&FILES).sarif();
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let rule = |id: &str| rules.iter().position(|rule| rule["id"] == id).unwrap();
    for (id, level, number) in [
        ("container-privileged", "error", "9.5"),
        ("pod-host-network", "error", "8.0"),
        ("container-root-filesystem", "note", "2.0"),
    ] {
        let rule = &rules[rule(id)];
        assert_eq!(rule["defaultConfiguration"]["level"], level, "{id}");
        assert_eq!(rule["properties"]["security-severity"], number, "{id}");
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"), "{id}");
        assert!(rule["help"]["text"].as_str().unwrap().len() > 20, "{id}");
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 6);
    let mut prints = std::collections::BTreeSet::new();
    for result in results {
        assert_eq!(result["ruleIndex"], rule(result["ruleId"].as_str().unwrap()));
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!(region.as_object().unwrap().keys().collect::<Vec<_>>(), ["startLine"], "a line, and no column");
        assert!(prints.insert(result["partialFingerprints"]["kubeproofFinding/v1"].to_string()));
    }
    let suppressed: Vec<_> = results.iter().filter(|result| result.get("suppressions").is_some()).collect();
    assert_eq!(suppressed.len(), 2);
    let why = suppressed.iter().map(|r| r["suppressions"][0]["justification"].as_str().unwrap()).collect::<String>();
    assert!(why.contains("W-7") && why.contains("X-1") && why.contains("measures the network"), "{why}");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false, "one document was not read");
}

#[test]
fn what_is_waived_expected_or_known_never_fails_a_check() {
    let agent = check(&FILES[1..]);
    assert!(!FailOn::Info.is_reached(&agent.evaluation));
    assert!(agent.report().open().next().is_none());
    let cart = check(&FILES);
    let reached = |checked: &Checked, on: FailOn| on.is_reached_by(checked.report().open());
    assert!(reached(&cart, FailOn::Critical) && !reached(&cart, FailOn::Off));
    let known = check(&FILES).against(&FILES);
    assert!(!reached(&known, FailOn::Info), "everything is known");
    let unprivileged = CART.replace("privileged: true", "privileged: false");
    let worse = check(&FILES).against(&[("deploy/cart.yaml", &unprivileged)]);
    assert!(reached(&worse, FailOn::Critical));
    let lower = check(&[("deploy/cart.yaml", &unprivileged)]).against(&FILES[1..]);
    assert!(reached(&lower, FailOn::High) && !reached(&lower, FailOn::Critical));
}

#[test]
fn a_waiver_that_ended_is_new_against_its_baseline() {
    let mut earlier: serde_json::Value = serde_json::from_str(&check(&FILES).json()).unwrap();
    for finding in earlier["findings"].as_array_mut().unwrap() {
        finding["waiver"] = "W-9".into();
    }
    let baseline = CheckBaseline::parse(earlier.to_string().as_bytes()).unwrap();
    let now = check(&FILES);
    let comparison = baseline.compare(&now.evaluation, |_| true);
    assert_eq!(comparison, report::Comparison::default(), "nothing of it was open");
}

#[test]
fn what_was_not_looked_at_is_not_resolved() {
    let baseline = CheckBaseline::parse(check(&FILES).json().as_bytes()).unwrap();
    let agent = check(&FILES[1..]);
    let elsewhere = baseline.compare(&agent.evaluation, |file| file == "deploy/agent.yaml");
    assert_eq!((elsewhere.resolved.len(), elsewhere.unseen.len()), (0, 4));
    let gone = baseline.compare(&agent.evaluation, |_| true);
    assert_eq!((gone.resolved.len(), gone.unseen.len()), (4, 0));
    let mut unanswered = agent.evaluation.clone();
    for check in &mut unanswered.checks {
        check.not_evaluated = 1;
    }
    assert_eq!(baseline.compare(&unanswered, |_| true).unseen.len(), 4, "a check that did not run resolves nothing");
}

#[test]
fn what_is_no_baseline_says_why() {
    let whole = check(&FILES).json();
    let said = |text: &str| CheckBaseline::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(said(&whole[..whole.len() / 2]).contains("cut off"), "{}", said(&whole[..whole.len() / 2]));
    assert!(said("").contains("cut off"));
    assert!(said("not json").starts_with("is not JSON"));
    assert!(said("{}").contains("no schema"));
    assert!(said("[1, 2]").contains("no schema"));
    assert!(said("{\"schema\": 5}").contains("no schema"));
    assert!(said("{\"schema\": \"kubeproof.dev/evaluation/v1\"}").contains("kubeproof.dev/evaluation/v1"));
    assert!(said("{\"version\": \"2.1.0\", \"runs\": []}").contains("no schema"));
    assert!(said(&whole.replace("findings/v1", "findings/v2")).contains("'kubeproof.dev/findings/v2'"));
    assert!(said("{\"schema\": \"kubeproof.dev/findings/v1\"}").contains("findings"));
    assert!(said(&whole.replace("\"fail\"", "\"bad\"")).contains("findings that cannot be read"));
    CheckBaseline::parse(whole.replacen('{', "{\"added\": 1,", 1).as_bytes()).unwrap();
}

/// Names that no API server takes and any file may hold.
const HOSTILE: &str = "x`y``|*_ <script>alert(1)</script> ]]> & %0A::error::boo\\n::warning::line two,file=a:b @team #1 \
                       https://evil.example [a](b) \\u202Eflip \\x1B[31m \\uFFFF </details> \\\"";

fn hostile() -> Checked {
    let text =
        CART.replace("cart", &format!("\"{HOSTILE}\"")).replace("- name: app", &format!("- name: \"{HOSTILE}\""));
    check(&[("deploy/we|i`r\nd %0A,:<b>.yaml", &text)])
}

#[test]
fn names_break_no_form() {
    let checked = hostile();
    let report = checked.report();
    assert_eq!(report.open().count(), 4);

    let github = report::github(&report);
    assert!(
        github.lines().all(|line| ["::error ", "::notice "].iter().any(|start| line.starts_with(start))),
        "{github}"
    );
    assert_eq!(github.lines().count(), 1 + 4 + 1);
    for line in github.lines() {
        let properties = line.split("::").nth(1).unwrap();
        assert!(properties.split(',').skip(1).all(|p| p.starts_with("line=") || p.starts_with("title=")), "{line}");
        assert!(!line.contains("%0A::"), "{line}");
    }

    let junit = report::junit(&report).unwrap();
    assert!(!junit.contains("<script>") && !junit.contains('\u{ffff}') && !junit.contains('\u{1b}'), "{junit}");
    assert!(junit.contains("&lt;script&gt;"));

    let markdown = report::markdown(&report);
    // What stands in code is no markup; what stands outside of it must hold none.
    let outside = without_code(&markdown).replace("\\]", "");
    for markup in ["<script", "</details> ", "](", "@team", "#1", "https://"] {
        assert!(!outside.contains(markup), "{markup} in\n{outside}");
    }
    assert_eq!(markdown.matches("<details>").count(), outside.matches("\n</details>").count());
    assert_eq!(markdown.lines().filter(|line| line.starts_with("- ")).count(), 4 + 1 + 3 + 1, "{markdown}");

    for text in [checked.text(), github, junit, markdown] {
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'), "{text}");
    }
    let uri = &checked.sarif()["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "deploy/we%7Ci%60r%0Ad%20%250A%2C%3A%3Cb%3E.yaml");
}

/// Code spans removed as CommonMark finds them: a run of backticks up to the next run of the same length.
fn without_code(markdown: &str) -> String {
    let mut out = String::new();
    for line in markdown.lines() {
        let mut rest = line.replace("\\`", "");
        while let Some(at) = rest.find('`') {
            let run = rest[at..].chars().take_while(|c| *c == '`').count();
            let fence = "`".repeat(run);
            let body = rest[at + run..].to_owned();
            let end = body
                .match_indices(&fence)
                .map(|(end, _)| end)
                .find(|end| !body[..*end].ends_with('`') && !body[end + run..].starts_with('`'));
            let end = end.unwrap_or_else(|| panic!("an open code span in {line}"));
            out.push_str(&rest[..at]);
            rest = body[end + run..].to_owned();
        }
        out.push_str(&rest);
        out.push('\n');
    }
    out
}

#[test]
fn thousands_of_findings_fit_a_comment_and_the_step_limits() {
    let long = format!("{}<&`{}", "a".repeat(400), "&".repeat(400));
    let objects: String =
        (0..1500).map(|n| format!("{}\n---\n", CART.replace("cart", &format!("\"{n}-{long}\"")))).collect();
    let checked = check(&[("deploy/all.yaml", &objects)]);
    let report = checked.report();
    assert!(report.open().count() > 4000, "{}", report.open().count());
    let markdown = report::markdown(&report);
    assert!(markdown.chars().count() < 65_536, "{}", markdown.chars().count());
    assert!(markdown.contains("more: `--format json` has them"));
    assert!(markdown.contains("not evaluated") && markdown.contains("Not read"), "the tail is not lost");
    assert_eq!(markdown.matches("<details>").count(), markdown.matches("</details>").count());
    let github = report::github(&report);
    for level in ["error", "warning", "notice"] {
        assert!(github.lines().filter(|line| line.starts_with(&format!("::{level} "))).count() <= 10, "{level}");
    }
    assert!(github.lines().last().unwrap().contains("more than GitHub shows"), "{github}");
}

#[test]
fn nothing_wrong_is_said_in_every_form() {
    let checked = check(&[("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")]);
    let report = checked.report();
    assert!(report::markdown(&report).starts_with("<!-- kubeproof check -->\n### kubeproof: no exceptions\n"));
    assert!(report::github(&report).starts_with("::notice title=kubeproof::no exceptions"));
    assert_eq!(checked.sarif()["runs"][0]["results"], serde_json::json!([]));
    assert_eq!(checked.sarif()["runs"][0]["invocations"][0]["executionSuccessful"], true);
    assert!(report::junit(&report).unwrap().contains("failures=\"0\""));
}
