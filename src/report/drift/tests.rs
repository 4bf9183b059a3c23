//! Documents of invented comparisons: from none to ten thousand changes.

use serde_json::{Value, json};

use super::{
    document::view,
    findings::{BETTER, WORSE},
    *,
};
use crate::{
    digest::Digest,
    drift::{Cause, ChangedBy, FieldChange, LeftOut, Part, Selection},
    report::{
        tests::sample::{ODD_NAMES, Sample, at, busy, change, empty, finding, grant, many, reference},
        view::Block,
    },
};

/// A comparison with everything that it borrows.
struct Case {
    sample: Sample,
    selection: Selection,
    proved: bool,
}

impl Case {
    fn of(mut sample: Sample) -> Self {
        sample.drift.baseline.get_or_insert_with(|| busy(false).drift.baseline.unwrap());
        Self { sample, selection: Selection::default(), proved: true }
    }

    fn with<T>(&self, use_it: impl FnOnce(&DriftInput<'_>) -> T) -> T {
        let Sample { evaluation, drift, coverage, snapshot, meta, .. } = &self.sample;
        let hands = Hands::of(drift, [evaluation, evaluation]);
        let mut drift = drift.clone();
        self.selection.apply(&mut drift);
        let rules = crate::framework::RuleFiles::new();
        let side = |name: &str, index: u64| {
            let proof = Proof { evidence_root: Digest::of(name), signing_key: meta.signing_key };
            let origin = match self.proved {
                true => Origin::Bundle { id: Digest::of(index.to_string()).hex(), index: Some(index), proof },
                false => Origin::Unsigned(format!("recordings/{name}")),
            };
            DriftSide::of(origin, coverage, snapshot, evaluation, &rules)
        };
        let old = DriftSide { started: at(11, 22, 6), finished: at(11, 22, 6), ..side("old", 213) };
        use_it(&DriftInput {
            drift: &drift,
            selection: &self.selection,
            old: &old,
            new: &side("new", 214),
            hands: &hands,
            declarations: &evaluation.declarations,
            again: "kubeproof diff old new --key signing.pub --format pdf --output drift.pdf",
            environment: Some("production"),
            confidentiality: None,
            tool_version: "0.1.0",
        })
    }

    fn pdf(&self) -> Vec<u8> {
        self.with(drift_pdf).unwrap()
    }

    fn pages(&self) -> Vec<String> {
        let document = lopdf::Document::load_mem(&self.pdf()).unwrap();
        let pages = document.get_pages().into_keys();
        pages
            .map(|page| document.extract_text(&[page]).unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    fn view(&self) -> document::DriftView {
        self.with(view)
    }

    /// What the view says, run by run.
    fn words(&self) -> String {
        fn collect(value: &Value, words: &mut String) {
            match value {
                Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
                Value::Object(map) => map.iter().for_each(|(name, item)| match item {
                    Value::String(text) if name == "text" => words.push_str(text),
                    item => collect(item, words),
                }),
                _ => {}
            }
        }
        let mut words = String::new();
        collect(&serde_json::to_value(self.view()).unwrap(), &mut words);
        words
    }
}

/// Five thousand exceptions, as many gone, thousands of objects with names that no column was made for.
fn large() -> Sample {
    let mut sample = many(5_000);
    let drift = &mut sample.drift;
    let all = sample.evaluation.findings.iter();
    drift.findings = all.map(|finding| change(finding, FindingChangeKind::New, Cause::Cluster)).collect();
    let gone = (0..5_000).map(|n| finding(n % 6, "StatefulSet", "gone", &format!("{}-{n}", "x".repeat(n % 240)), None));
    drift.findings.extend(gone.map(|finding| change(&finding, FindingChangeKind::Resolved, Cause::Rules)));
    let kinds = [ChangeKind::Added, ChangeKind::Changed, ChangeKind::Removed];
    let field = |n: usize| FieldChange {
        path: format!("/spec/template/spec/containers/{n}/image"),
        stable: format!("spec.template.spec.containers[name=app-{n}].image"),
        before: Some(json!(format!("registry.example.com/a/rather/long/path/to/an/image:{n}"))),
        after: Some(json!("y".repeat(300))),
        redacted: false,
    };
    drift.objects = (0..5_000)
        .map(|n| ObjectChange {
            resource: reference("Deployment", "shop", &format!("{}-{n}", ODD_NAMES[n % 5])),
            change: kinds[n % 3],
            cause: Cause::Cluster,
            before: (n % 3 > 0).then(|| Digest::of("before")),
            after: (n % 3 < 2).then(|| Digest::of("after")),
            fields: if n % 3 == 1 { (0..12).map(field).collect() } else { Vec::new() },
            changed_by: vec![applied_by("argocd-controller".into())],
            more_writes: 0,
        })
        .collect();
    let subject = |n: usize| PermissionChange {
        subject: format!("ServiceAccount/shop/bot-{n}"),
        gained: (0..20).map(|_| grant("bot", "get", "secrets", Some("payments"))).collect(),
        lost: vec![],
        cause: Cause::Cluster,
        sensitive: n.is_multiple_of(2),
        summary: format!("bot-{n}: read secrets in payments and 19 more"),
        changed_by: vec![],
        more_writes: 0,
    };
    drift.permissions = (0..400).map(subject).collect();
    sample
}

fn applied_by(manager: String) -> ChangedBy {
    ChangedBy::ManagedFields { manager, operation: "Apply".into(), time: at(11, 22, 14) }
}

/// What no column and no page was made for.
fn hostile() -> Sample {
    let mut sample = busy(false);
    let mut changes = Vec::new();
    for (n, name) in ODD_NAMES.iter().chain([&"w".repeat(253).as_str()]).enumerate() {
        for kind in [FindingChangeKind::New, FindingChangeKind::Resolved, FindingChangeKind::LostSight] {
            let cause = if kind == FindingChangeKind::LostSight { Cause::Sight } else { Cause::Cluster };
            let mut finding = finding(n, "Deployment", &"n".repeat(63), name, Some(&"owner-of-many-things ".repeat(6)));
            finding.message = format!("<script>alert(1)</script> {}", "says much ".repeat(30)).into();
            changes.push(change(&finding, kind, cause));
        }
    }
    sample.drift.findings = changes;
    sample.drift.objects.extend(ODD_NAMES.iter().map(|name| ObjectChange {
        resource: reference("ValidatingAdmissionPolicyBinding", &"n".repeat(63), name),
        change: ChangeKind::Added,
        cause: Cause::Cluster,
        before: None,
        after: Some(Digest::of("after")),
        fields: vec![],
        changed_by: vec![applied_by("m".repeat(128))],
        more_writes: 0,
    }));
    let lapsed = |n: u8| DeclarationChange {
        kind: "waiver".into(),
        id: format!("W-{n}-{}", "long".repeat(30)),
        before: Some("in force".into()),
        after: Some("expired".into()),
        holds: false,
        applies_to: vec!["Deployment/shop/cart".into(); 9],
    };
    sample.drift.declarations = (0..9).map(lapsed).collect();
    sample.drift.cannot_compare = vec!["redacted values cannot be compared: the redaction key was a and is b".into()];
    sample.drift.left_out =
        vec![LeftOut { rule: "status-only".into(), reason: "status alone changed".into(), count: 5_204 }];
    sample
}

/// Writes documents for people to look at: `KUBEPROOF_LOOK=DIR cargo test --lib report::drift::tests::look`.
#[test]
#[ignore = "writes files for people to look at"]
fn look() {
    let dir = option_env!("KUBEPROOF_LOOK").unwrap_or("/tmp");
    let mut unsigned = Case::of(busy(false));
    unsigned.proved = false;
    unsigned.selection = Selection { parts: [Part::Findings].into(), namespace: Some("shop".into()), severity: None };
    let cases = [
        ("quiet", Case::of(empty())),
        ("busy", Case::of(busy(false))),
        ("filtered", unsigned),
        ("hostile", Case::of(hostile())),
        ("large", Case::of(large())),
    ];
    for (name, case) in cases {
        let started = std::time::Instant::now();
        let bytes = case.pdf();
        println!("{name}: {} ms, {} bytes", started.elapsed().as_millis(), bytes.len());
        std::fs::write(format!("{dir}/{name}.pdf"), bytes).unwrap();
        std::fs::write(format!("{dir}/{name}.html"), case.with(drift_html).unwrap()).unwrap();
    }
}

fn grouped(digest: &Digest) -> String {
    let hex = digest.hex();
    hex.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// Texts are laid out with places to break, which read as spaces: spaces do not count.
fn expect(text: &str, needles: &[&str]) {
    let tight = |text: &str| text.split_whitespace().collect::<String>();
    let whole = tight(text);
    for needle in needles {
        assert!(whole.contains(&tight(needle)), "no '{needle}' in {text}");
    }
}

#[test]
fn the_first_page_says_what_got_worse_better_appeared_and_was_lost() {
    let case = Case::of(busy(false));
    let pages = case.pages();
    let said = [
        "prod-eu",
        "22 Nov 2026 06:00 UTC to 23 Nov 2026 06:00 UTC",
        "1 day",
        "1 new exception, a critical one; 5 gone. 1 subject gained powerful permissions. Objects: 1 changed.",
        "1 list and 1 exception are out of sight.",
        "2 worse 1 exception, 1 subject gained access",
        "critical shop/cart container app runs privileged",
        "team-shop · cluster: alice@example.com (patch, audit log), 22 Nov 14:00; helm, 22 Nov 14:00",
        "5 better 5 exceptions gone",
        "search/ranker-0 container app may run as root; 4 more like it",
        "0 appeared",
        "No object appeared.",
        "2 lost sight of 1 list, 1 exception",
        "seen before, refused: 403 Forbidden now",
        "1 declared or due",
        "waiver W-7 ends soon, last day 2026-11-29",
        "bundle d48ff4b2f68a, log entry 213",
        "log entry 214",
        &grouped(&Digest::of("old"))[..39],
        &grouped(&Digest::of("new"))[40..],
        &grouped(&case.sample.meta.signing_key)[..39],
        "The signature shows",
    ];
    expect(&pages[0], &said);
    let at = |needle: &str| pages[0].find(needle).unwrap();
    assert!(at("worse") < at("better") && at("better") < at("appeared") && at("appeared") < at("lost sight"));
    expect(
        &pages[1..].join(" "),
        &[
            "ServiceAccount/shop/ci-bot 1 gained, 0 lost · team-shop · the cluster changed",
            "get secrets powerful",
            "RoleBinding/payments/deployer -> ClusterRole/deployer",
            "/spec/template/spec/containers/0/securityContext/privileged",
            "redacted (password) changed",
            "checks/image/image-tag-latest.yaml",
            "kubeproof diff old new --key signing.pub --format pdf --output drift.pdf",
            &Digest::of("old").hex(),
        ],
    );
    assert!(case.pdf() == case.pdf(), "the same comparison gives other bytes");
}

#[test]
fn nothing_to_report_is_one_sentence_on_one_page() {
    let mut case = Case::of(empty());
    case.sample.drift.still = 41;
    let pages = case.pages();
    assert_eq!(pages.len(), 1);
    expect(&pages[0], &["Nothing changed in 1 day; 41 exceptions stand as they did.", "What was compared"]);
    assert!(!pages[0].contains("worse") && case.view().first.cards.is_empty());
    case.selection.namespace = Some("shop".into());
    expect(&case.pages()[0], &["Nothing changed in what was asked for in 1 day", "Filtered: namespace shop."]);
    case.sample.drift = busy(false).drift;
    case.sample.drift.findings.clear();
    assert!(!case.view().first.cards.is_empty(), "a list out of sight is something to report");
}

#[test]
fn the_first_page_stays_one_page_whatever_the_names_are() {
    let mut unsigned = hostile();
    unsigned.meta.cluster = "a-cluster-with-a-name-of-many-letters-and-dashes-in-it-eu-central-1".into();
    unsigned.coverage.cluster.name = unsigned.meta.cluster.clone();
    let mut unsigned = Case::of(unsigned);
    unsigned.proved = false;
    let mut calm = hostile();
    calm.drift.declarations.clear();
    calm.drift.cannot_compare.clear();
    calm.evaluation.declarations.clear();
    for case in [Case::of(hostile()), Case::of(calm), unsigned] {
        let pages = case.pages();
        let seal = if case.proved { "The signature shows" } else { "Nothing was verified" };
        expect(&pages[0], &["worse", "better", "appeared", "lost sight of", "What was compared, page", seal]);
        expect(&pages[1], &[WORSE]);
        let first = case.view().first;
        assert!(first.cards.iter().all(|card| !card.lines.is_empty()));
    }
}

#[test]
fn ten_thousand_changes_are_counted_and_named_elsewhere() {
    let case = Case::of(large());
    let pages = case.pages();
    assert!(pages.len() < 50, "{} pages", pages.len());
    let first = [
        "5,000 new exceptions, 1,668 of them critical; 5,000 gone",
        "833 more like it",
        "5,400 worse",
        "The signature",
    ];
    expect(&pages[0], &first);
    expect(&pages[1], &[WORSE]);
    let text = pages.join(" ");
    let left = [
        "4,920 more are not printed here: --format json has all of them.",
        "All of them, counted by check and cause",
        "more subjects are not printed here",
        "1,617 more rows are not printed here",
        "more objects are not printed here",
        "and 4 more fields: --format json",
        "and 14 more permissions: --format json",
    ];
    expect(&text, &left);
    // On the first page lines and what is elsewhere come to the whole.
    let view = case.view();
    let counted: u64 = view.sections.iter().find(|section| section.title == BETTER).map_or(0, |section| {
        let tables = section.blocks.iter().filter_map(|block| if let Block::Table(t) = block { Some(t) } else { None });
        tables.flat_map(|t| &t.rows).map(|row| row[3].to_string().replace(',', "").parse::<u64>().unwrap()).sum()
    });
    assert_eq!(counted, 5_000);
}

#[test]
fn every_change_shows_its_cause() {
    let causes = [
        (Cause::Cluster, "the cluster changed"),
        (Cause::Rules, "checks or frameworks changed, the cluster did not"),
        (Cause::Sight, "not seen on one of the two sides"),
        (Cause::Declaration, "a waiver, an expected entry or an attestation began or ended"),
        (Cause::Time, "nothing but time passed"),
        (Cause::Scanner, "a scanner says something else of the same image"),
    ];
    for (cause, said) in causes {
        for kind in [FindingChangeKind::New, FindingChangeKind::Resolved, FindingChangeKind::LostSight] {
            let mut case = Case::of(empty());
            case.sample.drift.findings = vec![change(&finding(0, "Deployment", "shop", "cart", None), kind, cause)];
            let in_detail = format!("Deployment shop/cart {said}");
            let at_first = format!("runs privileged {}", crate::report::view::cause_word(cause));
            expect(&case.words(), &[&in_detail, &at_first]);
        }
    }
    let view = Case::of(hostile()).view();
    let blocks = view.sections.iter().filter(|section| section.title != "Counted and not listed");
    for block in blocks.flat_map(|section| &section.blocks) {
        if let Block::Table(table) = block
            && table.shape == crate::report::view::Shape::Drift
        {
            assert!(table.rows.iter().all(|row| !row[2].0.is_empty()), "{table:?}");
        }
    }
}

#[test]
fn new_exceptions_of_other_causes_are_not_taken_for_a_worse_cluster() {
    let mut case = Case::of(busy(false));
    let found = finding(5, "CronJob", "batch", "nightly", None);
    case.sample.drift.findings.push(change(&found, FindingChangeKind::New, Cause::Rules));
    expect(&case.pages()[0], &["2 new exceptions, 1 of them critical (1 not by the cluster's doing)"]);
}

#[test]
fn a_filter_is_said_and_takes_nobody_away() {
    let mut case = Case::of(busy(false));
    case.selection = Selection {
        parts: [Part::Findings].into(),
        severity: Some(crate::framework::Severity::High),
        namespace: Some("shop".into()),
    };
    let page = &case.pages()[0];
    expect(
        page,
        &[
            "Filtered: only exceptions, severity high and above, namespace shop.",
            "cluster: alice@example.com (patch, audit log), 22 Nov 14:00; helm, 22 Nov 14:00",
        ],
    );
    expect(page, &["– appeared Not asked for: the filter leaves it out."]);
    assert!(!page.contains("ci-bot") && !page.contains("ranker"), "{page}");
    let html = case.with(drift_html).unwrap();
    expect(&html, &["Filtered: only exceptions, severity high and above, namespace shop."]);
}

#[test]
fn a_document_carries_the_roots_that_were_verified() {
    let attached = |case: &Case| case.with(compared::attached).map(|file| (file.name, file.content));
    let mut case = Case::of(busy(false));
    let (old, new) = (Digest::of("old").hex(), Digest::of("new").hex());
    assert_eq!(attached(&case), Some(("evidence-roots.txt", format!("old {old}\nnew {new}\n"))));
    case.proved = false;
    assert_eq!(attached(&case), None);
    expect(&case.pages()[0], &["Nothing was verified", "recordings/old, not signed"]);
    let proof = Proof { evidence_root: Digest::of("own"), signing_key: Digest::of("key") };
    let own = case.with(|input| {
        let new = DriftSide { origin: Origin::Own(proof), ..input.new.clone() };
        compared::attached(&DriftInput { new: &new, ..*input })
    });
    let own = own.map(|file| (file.name, file.content));
    assert_eq!(own, Some(("evidence-root.txt", format!("{}\n", Digest::of("own").hex()))));
}

#[test]
fn the_page_loads_nothing_and_escapes_names() {
    let mut case = Case::of(hostile());
    case.sample.meta.confidentiality = Some("<b>".into());
    let page = case.with(drift_html).unwrap();
    expect(&page, &["Not verified here", "default-src 'none'", "kubeproof diff old new --key signing.pub"]);
    crate::report::tests::judge_policy(&page, false);
    expect(&page, &["&lt;script&gt;alert(1)", "aU+202Etxet-desrever", "href=\"#section-0\"", "id=\"section-0\""]);
    for unwanted in ["<script", "http://", "https://", "src=", "javascript:", "\u{202e}", "<img", "style=\""] {
        assert!(!page.contains(unwanted), "{unwanted}");
    }
}

#[test]
fn no_document_judges() {
    for case in [Case::of(busy(false)), Case::of(hostile()), Case::of(empty())] {
        let text = serde_json::to_string(&case.view()).unwrap().to_lowercase();
        for word in ["compliant", "certified", "verdict"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}
