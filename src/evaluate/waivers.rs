//! Waivers and expected items: marks on findings, never a change of outcome. Both report themselves when nothing
//! matches them, and waivers when they end.

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;

use super::{CheckResult, Declaration, Finding, Outcome, Rules, scope::has_labels};
use crate::{
    config::{At, ExpectedItem, Selector, Waiver},
    framework::path::glob,
    resource::ResourceRef,
    snapshot::{Object, Snapshot},
};

/// Waivers that end within this many days are said to end soon.
const SOON_DAYS: i64 = 14;

/// What stands beside every approver.
pub const UNVERIFIED: &str = "approver as written; identity not verified";

/// Where a declaration stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// It begins later.
    NotYet,
    /// It holds today.
    Live,
    /// It holds today and ends within 14 days.
    EndsSoon,
    /// It is over.
    Expired,
}

impl Term {
    /// Both days are part of the term.
    pub fn of(from: Option<NaiveDate>, until: NaiveDate, today: NaiveDate) -> Self {
        if from.is_some_and(|from| today < from) {
            Self::NotYet
        } else if today > until {
            Self::Expired
        } else if (until - today).num_days() <= SOON_DAYS {
            Self::EndsSoon
        } else {
            Self::Live
        }
    }

    /// It holds today.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::EndsSoon)
    }

    /// The state of a declaration that applies to something (or would).
    pub fn state(self) -> &'static str {
        match self {
            Self::NotYet => "not yet",
            Self::Live => "in force",
            Self::EndsSoon => "ends soon",
            Self::Expired => "expired",
        }
    }
}

/// Marks what is expected of the system and what is waived, counts both per check, and says what became of each entry.
pub fn annotate(
    rules: &Rules,
    snapshot: &Snapshot,
    today: NaiveDate,
    findings: &mut [Finding],
    checks: &mut [CheckResult],
) -> Vec<Declaration> {
    let matcher = Matcher::new(rules, snapshot, findings);
    let mut declarations = Vec::new();
    for (index, list) in rules.expected.iter().enumerate() {
        let built_in = index == 0;
        for item in &list.value.expected {
            let ids = matcher.mark_expected(item, findings);
            if !(built_in && ids.is_empty()) {
                declarations.push(expected_declaration(&list.file, item, ids));
            }
        }
    }
    for waiver in &rules.waivers.value.waivers {
        let term = Term::of(waiver.from, waiver.until, today);
        let lacks = missing_document(waiver, rules);
        let ids = matcher.mark_waived(waiver, term.is_live() && !lacks, findings);
        declarations.push(waiver_declaration(&rules.waivers.file, waiver, term, lacks, ids));
    }
    count(findings, checks);
    declarations
}

/// Finds failures by check and selector; labels are looked up once.
struct Matcher<'a> {
    failures: BTreeMap<Arc<str>, Vec<usize>>,
    objects: BTreeMap<(&'a str, &'a str, &'a str, &'a str), &'a Object>,
}

impl<'a> Matcher<'a> {
    fn new(rules: &Rules, snapshot: &'a Snapshot, findings: &[Finding]) -> Self {
        let mut failures: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (index, finding) in findings.iter().enumerate().filter(|(_, finding)| finding.outcome == Outcome::Fail) {
            failures.entry(Arc::clone(&finding.check)).or_default().push(index);
        }
        let expected = rules.expected.iter().flat_map(|list| &list.value.expected).map(|item| &item.resources);
        let mut selectors = expected.chain(rules.waivers.value.waivers.iter().map(|waiver| &waiver.resources));
        let labelled = selectors.any(|selector| !selector.labels.is_empty());
        let objects = snapshot.objects.iter().filter(|_| labelled).map(|object| (object.sort_key(), object)).collect();
        Self { failures, objects }
    }

    fn mark_expected(&self, item: &At<ExpectedItem>, findings: &mut [Finding]) -> Vec<String> {
        let (mut ids, by) = (Vec::new(), Arc::from(item.id.as_str()));
        for check in item.check.iter().chain(&item.checks) {
            for index in self.failures.get(check.as_str()).into_iter().flatten() {
                let finding = &mut findings[*index];
                if finding.expected_by.is_none() && self.matches(&item.resources, finding) {
                    finding.expected_by = Some(Arc::clone(&by));
                    ids.push(finding.id.to_string());
                }
            }
        }
        ids
    }

    fn mark_waived(&self, waiver: &At<Waiver>, in_force: bool, findings: &mut [Finding]) -> Vec<String> {
        let (mut ids, by) = (Vec::new(), Arc::from(waiver.id.as_str()));
        for index in self.failures.get(waiver.check.as_str()).into_iter().flatten() {
            let finding = &mut findings[*index];
            let free = finding.expected_by.is_none() && finding.waiver.is_none();
            if free && self.matches(&waiver.resources, finding) {
                if in_force {
                    finding.waiver = Some(Arc::clone(&by));
                }
                ids.push(finding.id.to_string());
            }
        }
        ids
    }

    fn matches(&self, selector: &Selector, finding: &Finding) -> bool {
        selects(selector, &finding.resource, finding.place.container.as_deref(), &finding.place.stable)
            && (selector.labels.is_empty() || self.labelled(selector, finding))
    }

    fn labelled(&self, selector: &Selector, finding: &Finding) -> bool {
        let resource = &finding.resource;
        let namespace = resource.namespace.as_deref().unwrap_or("");
        let object = self.objects.get(&(resource.group(), resource.kind.as_str(), namespace, resource.name.as_str()));
        object.is_some_and(|object| has_labels(object, &selector.labels))
    }
}

/// Whether a selector means a place, but for the labels of its object.
pub(crate) fn selects(selector: &Selector, resource: &ResourceRef, container: Option<&str>, place: &str) -> bool {
    let is = |pattern: &Option<String>, text: Option<&str>| match (pattern, text) {
        (None, _) => true,
        (Some(pattern), Some(text)) => glob(pattern, text),
        (Some(_), None) => false,
    };
    is(&selector.kind, Some(&resource.kind))
        && is(&selector.namespace, resource.within())
        && is(&selector.name, Some(&resource.name))
        && is(&selector.container, container)
        && is(&selector.place, Some(place))
}

fn count(findings: &[Finding], checks: &mut [CheckResult]) {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for finding in findings {
        let (waived, expected) = counts.entry(&finding.check).or_default();
        *waived += u64::from(finding.waiver.is_some());
        *expected += u64::from(finding.expected_by.is_some());
    }
    for check in checks {
        (check.waived, check.expected) = counts.get(check.id.as_str()).copied().unwrap_or_default();
    }
}

fn expected_declaration(file: &str, item: &At<ExpectedItem>, ids: Vec<String>) -> Declaration {
    Declaration {
        kind: "expected".into(),
        id: item.id.clone(),
        at: format!("{file}:{}", item.line),
        state: if ids.is_empty() { "unmatched" } else { "in force" }.into(),
        until: None,
        applies_to: ids,
        note: item.reason.trim().into(),
    }
}

/// Kinds that need a document do not hold without it.
fn missing_document(waiver: &Waiver, rules: &Rules) -> bool {
    let absent = |name: &String| rules.attested.get(name).is_some_and(Option::is_none);
    waiver.kind.needs_document() && waiver.document.as_ref().is_some_and(absent)
}

fn waiver_declaration(file: &str, waiver: &At<Waiver>, term: Term, lacks: bool, ids: Vec<String>) -> Declaration {
    let state = match (term.is_live(), lacks, ids.is_empty()) {
        (true, true, _) => "file missing",
        (true, false, true) => "unmatched",
        _ => term.state(),
    };
    let missing = waiver.document.as_ref().filter(|_| lacks);
    let missing = missing.map_or_else(String::new, |name| format!("; not counted: {name} was not found"));
    let ticket = waiver.ticket.as_ref().map_or_else(String::new, |ticket| format!(" ({ticket})"));
    let (kind, reason) = (waiver.kind.words(), waiver.reason.trim());
    Declaration {
        kind: "waiver".into(),
        id: waiver.id.clone(),
        at: format!("{file}:{}", waiver.line),
        state: state.into(),
        until: Some(waiver.until.to_string()),
        applies_to: ids,
        note: format!("{kind}, approved by {}{ticket}: {reason}{missing}; {UNVERIFIED}", waiver.approver),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{ExpectedFile, WaiversFile, parse_yaml},
        evaluate::samples::{finding, namespace, object, snapshot},
    };

    const TODAY: &str = "2026-11-23";

    fn waived(yaml: &str, findings: &mut [Finding]) -> Vec<Declaration> {
        let waivers = parse_yaml::<WaiversFile>("waivers.yaml", yaml.as_bytes()).unwrap();
        let rules = Rules { waivers, ..Rules::default() };
        annotate(&rules, &snapshot(vec![], vec![]), TODAY.parse().unwrap(), findings, &mut [])
    }

    fn waiver(until: &str, extra: &str) -> String {
        format!(
            "waivers:\n  - {{id: W-7, kind: risk-accepted, check: c, resources: {{kind: Deployment, namespace: shop, name: cart}}, \
             reason: moving, approver: Ann, until: {until}{extra}}}\n"
        )
    }

    #[test]
    fn a_waiver_marks_and_never_changes_the_outcome() {
        let mut findings =
            [finding("c", "Deployment", Some("shop"), "cart"), finding("c", "Deployment", Some("shop"), "web")];
        let declared = waived(&waiver("2027-01-31", ", ticket: SEC-12"), &mut findings);
        assert_eq!(findings[0].waiver.as_deref(), Some("W-7"));
        assert_eq!(findings[0].outcome, Outcome::Fail);
        assert!(!findings[0].is_open_failure() && findings[1].is_open_failure());
        assert_eq!((declared[0].state.as_str(), declared[0].at.as_str()), ("in force", "waivers.yaml:2"));
        assert_eq!(
            declared[0].note,
            "risk accepted, approved by Ann (SEC-12): moving; approver as written; identity not verified"
        );
    }

    #[test]
    fn the_last_day_counts_and_the_day_after_does_not() {
        for (until, extra, state, applied) in [
            ("2026-11-23", "", "ends soon", true),
            ("2026-11-22", "", "expired", false),
            ("2026-12-07", "", "ends soon", true),
            ("2026-12-08", "", "in force", true),
            ("2027-12-08", ", from: 2026-11-24", "not yet", false),
            ("2027-12-08", ", from: 2026-11-23", "in force", true),
        ] {
            let mut findings = [finding("c", "Deployment", Some("shop"), "cart")];
            let declared = waived(&waiver(until, extra), &mut findings);
            assert_eq!((declared[0].state.as_str(), findings[0].waiver.is_some()), (state, applied), "{until}{extra}");
        }
    }

    #[test]
    fn a_waiver_that_nothing_matches_says_so() {
        let mut findings = [finding("other", "Deployment", Some("shop"), "cart")];
        assert_eq!(waived(&waiver("2027-12-08", ""), &mut findings)[0].state, "unmatched");
        findings[0].check = "c".into();
        findings[0].outcome = Outcome::NotEvaluated;
        assert_eq!(waived(&waiver("2027-12-08", ""), &mut findings)[0].state, "unmatched", "only failures are waived");
    }

    #[test]
    fn expected_items_match_by_label_place_and_pattern_and_are_counted() {
        let built_in = "expected:\n  - {id: X-stock, checks: [c], reason: r, resources: {place: stock}}\n  \
                        - {id: X-role, check: w, reason: r, resources: {kind: ClusterRole, name: 'system:*', labels: {b: d}}}\n  \
                        - {id: X-none, check: w, reason: r, resources: {name: nobody}}\n";
        let expected = vec![parse_yaml::<ExpectedFile>("expected.yaml", built_in.as_bytes()).unwrap()];
        let rules = Rules { expected, ..Rules::default() };
        let role = |name: &str, labels: &[(&str, &str)]| {
            object("rbac.authorization.k8s.io/v1", "ClusterRole", None, name, labels)
        };
        let snapshot = snapshot(vec![role("system:a", &[("b", "d")]), role("system:b", &[])], vec![]);
        let mut findings = vec![finding("c", "User", None, "system:kube-scheduler"); 2];
        findings[0].place.stable = "stock".into();
        findings[1].place.stable = "grants".into();
        for name in ["system:a", "system:b"] {
            let mut finding = finding("w", "ClusterRole", None, name);
            Arc::make_mut(&mut finding.resource).api_version = "rbac.authorization.k8s.io/v1".into();
            findings.push(finding);
        }
        let declared = annotate(&rules, &snapshot, TODAY.parse().unwrap(), &mut findings, &mut []);
        let marks: Vec<Option<&str>> = findings.iter().map(|finding| finding.expected_by.as_deref()).collect();
        assert_eq!(marks, [Some("X-stock"), None, Some("X-role"), None], "a label that is missing is no label");
        assert_eq!(declared.len(), 2, "built-in entries without a match are nobody's concern");
    }

    #[test]
    fn a_namespace_is_selected_with_what_is_in_it() {
        let yaml = "expected: [{id: X, check: c, reason: r, resources: {namespace: kube-*}}]";
        let file = parse_yaml::<ExpectedFile>("user-expected.yaml", yaml.as_bytes()).unwrap();
        let rules = Rules { expected: vec![Default::default(), file], ..Rules::default() };
        let mut findings = [finding("c", "Namespace", None, "kube-system"), finding("c", "Node", None, "kube-system")];
        let snapshot = snapshot(vec![namespace("kube-system", &[])], vec![]);
        annotate(&rules, &snapshot, TODAY.parse().unwrap(), &mut findings, &mut []);
        assert_eq!(findings[0].expected_by.as_deref(), Some("X"));
        assert_eq!(findings[1].expected_by, None);
    }
}
