//! Completeness and accuracy: what was asked, what was answered, and whether the counts agree.

use super::{
    Block, Facts, Section,
    text::{Look, Shape, Table, Text},
    words,
};
use crate::collect::{ListOutcome, ListRecord, SourceKind};

/// Populations that get a row of their own; the others share one as long as they agree.
const OWN_ROW: [&str; 14] = [
    "namespaces",
    "nodes",
    "pods",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "cronjobs.batch",
    "services",
    "networkpolicies.networking.k8s.io",
    "serviceaccounts",
    "roles.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
];

/// Rows printed under "Not seen".
const GAPS: usize = 30;
/// Checks named for each list that was not answered: each of them is a question left open.
const CHECKS: usize = 60;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![
        Block::paragraph(
            "What this report rests on, what was asked, and what was refused. An auditor's question about information \
             produced by the entity starts here.",
        ),
        Block::heading("Control totals"),
        Block::Table(totals(facts)),
        Block::heading("Not seen"),
        Block::Table(gaps(facts)),
    ];
    blocks.push(Block::heading("Who asked"));
    blocks.push(Block::Pairs { pairs: who_asked(facts) });
    Section { title: "Completeness and accuracy".into(), new_page: false, blocks }
}

struct Total {
    name: String,
    answered: u64,
    stored: u64,
    report: Text,
    agree: bool,
}

fn totals(facts: &Facts<'_>) -> Table {
    let coverage = facts.input.coverage;
    let mut rows: Vec<Total> = Vec::new();
    let mut others = (0_u64, 0_u64, 0_u64);
    for list in coverage.lists.iter().filter(|l| l.outcome == ListOutcome::Seen) {
        let total = total(facts, list);
        if OWN_ROW.contains(&list.id().as_str()) || !total.agree {
            rows.push(total);
        } else {
            others = (others.0 + 1, others.1 + total.answered, others.2 + total.stored);
        }
    }
    rows.sort_by_key(|t| (OWN_ROW.iter().position(|o| *o == t.name).unwrap_or(OWN_ROW.len()), t.name.clone()));
    if others.0 > 0 {
        rows.push(Total {
            name: words::count(others.0, "other list", "other lists"),
            answered: others.1,
            stored: others.2,
            report: words::number(others.2).into(),
            agree: others.1 == others.2,
        });
    }
    let source = match coverage.source.kind {
        SourceKind::Manifests => "read from files",
        _ => "API server",
    };
    Table {
        shape: Shape::Totals,
        about: "Control totals: counts of the API server, the snapshot and this report".into(),
        columns: vec!["Population", source, "Snapshot", "This report", ""],
        rows: rows.into_iter().map(total_row).collect(),
        empty: "No list was answered: there is nothing to compare.".into(),
        more: None,
    }
}

fn total(facts: &Facts<'_>, list: &ListRecord) -> Total {
    let id = list.id();
    let snapshot = facts.input.snapshot;
    let stored = snapshot.objects.iter().filter(|o| o.resource == id).count() as u64;
    // The report's own count goes by kind, the snapshot's by resource: two walks that must meet.
    let kind = |o: &&crate::snapshot::Object| o.gvk.kind == list.kind && o.gvk.group == list.object_group();
    let counted = snapshot.objects.iter().filter(kind).count() as u64;
    let report = match id.as_str() {
        "pods" => {
            let alone = counted.saturating_sub(facts.workloads.folded_pods);
            Text::from(format!("{} + {} below controllers", words::number(alone), words::number(counted - alone)))
        }
        _ => words::number(counted).into(),
    };
    Total { name: id, answered: list.count, stored, report, agree: list.count == stored && stored == counted }
}

fn total_row(total: Total) -> Vec<Text> {
    let agree =
        if total.agree { Text::new().run(Look::Good, "agree") } else { Text::new().run(Look::Critical, "differ") };
    vec![
        total.name.into(),
        words::number(total.answered).into(),
        words::number(total.stored).into(),
        total.report,
        agree,
    ]
}

fn gaps(facts: &Facts<'_>) -> Table {
    let meta = facts.input.meta;
    let today = meta.finished.date_naive();
    let mut rows: Vec<Vec<Text>> = meta
        .gaps
        .iter()
        .map(|gap| {
            let declared = match &gap.declared {
                Some(d) if d.until < today => {
                    Text::new().run(Look::Critical, format!("{} ended {}", d.id, words::short_date(d.until)))
                }
                Some(d) => Text::from(format!("{}, until {}", d.id, words::short_date(d.until))).note(&d.reason),
                None => Text::new().run(Look::Critical, "not declared"),
            };
            let open = left_open(facts, &gap.resource).unwrap_or_else(|| "No check of this run needed it.".into());
            vec![Text::new().code(&gap.resource), Text::from(gap.reason.clone()).note(open), declared]
        })
        .collect();
    rows.extend(facts.input.coverage.discovery_failures.iter().map(|f| {
        let why = Text::from(format!("discovery failed: {}", f.message)).note("What this group holds is unknown.");
        vec![Text::new().code(&f.group_version), why, Text::new().run(Look::Critical, "not declared")]
    }));
    // What is never asked for is a gap only where some check needs it.
    rows.extend(facts.input.coverage.excluded.iter().filter_map(|excluded| {
        let open = left_open(facts, &excluded.resource)?;
        let why = Text::from(format!("never asked for: {}", excluded.reason)).note(open);
        Some(vec![Text::new().code(&excluded.resource), why, Text::from("by design")])
    }));
    Table {
        shape: Shape::Gaps,
        about: "Sources that were not seen, with the reason".into(),
        columns: vec!["Source", "Why, and what it leaves open", "Declared"],
        rows,
        empty: "Every list that was asked for was answered in full.".into(),
        more: None,
    }
    .capped(GAPS, "each is in coverage.json.")
}

/// The checks that could not be evaluated without this resource.
fn left_open(facts: &Facts<'_>, resource: &str) -> Option<String> {
    let checks: Vec<&str> = facts.checks_without(resource).into_iter().collect();
    let count = words::count(checks.len() as u64, "check", "checks");
    (!checks.is_empty()).then(|| format!("{count} not evaluated: {}.", words::some_of(&checks, CHECKS)))
}

fn who_asked(facts: &Facts<'_>) -> Vec<(String, Text)> {
    let coverage = facts.input.coverage;
    let mut pairs = Vec::new();
    pairs.push(("Identity".to_owned(), identity(facts)));
    if let Some(server) = &coverage.server {
        let mut text = Text::new().code(&server.url);
        if let Some(version) = &coverage.cluster.kubernetes {
            text = text.plain(format!(", {version}"));
        }
        text = match &server.ca {
            Some(ca) => text.plain(", CA ").code(format!("SHA256:{}…", ca.short(12))),
            None => text.plain(", CA of the system"),
        };
        if server.insecure {
            text = text.run(Look::Critical, ", its certificate was not verified");
        }
        pairs.push(("Server".to_owned(), text));
    } else {
        pairs.push(("Source".to_owned(), Text::new().code(&coverage.source.name)));
    }
    if let Some(uid) = &coverage.cluster.uid {
        pairs.push(("Cluster uid".to_owned(), Text::new().code(uid)));
    }
    let asked = coverage.lists.len() as u64;
    let pages: u64 = coverage.lists.iter().map(|l| u64::from(l.pages)).sum();
    let retries: u64 = coverage.lists.iter().map(|l| u64::from(l.retries)).sum();
    let not_served = coverage.lists.iter().filter(|l| l.outcome == ListOutcome::NotServed).count() as u64;
    let seconds = (coverage.finished - coverage.started).num_seconds().max(0) as u64;
    let requests = format!(
        "{}, {}, {}, {} s; {} not served by this cluster; each one is in ",
        words::count(asked, "list", "lists"),
        words::count(pages, "page", "pages"),
        words::count(retries, "retry", "retries"),
        words::number(seconds),
        words::count(not_served, "kind", "kinds"),
    );
    pairs.push(("Requests".to_owned(), Text::from(requests).code("coverage.json")));
    let excluded: Vec<String> = coverage.excluded.iter().map(|e| format!("{} ({})", e.resource, e.reason)).collect();
    if !excluded.is_empty() {
        pairs.push(("Never asked for".to_owned(), excluded.join("; ").into()));
    }
    pairs
}

fn identity(facts: &Facts<'_>) -> Text {
    let Some(caller) = &facts.input.coverage.caller else {
        return match facts.input.coverage.source.kind {
            SourceKind::Manifests => "nobody: manifests were read from files".into(),
            _ => Text::new().run(Look::Unseen, "not known: the server did not answer who asked"),
        };
    };
    let writes =
        caller.rules.iter().filter(|r| r.verbs.iter().any(|v| !is_read(v)) && !is_self_review(r)).count() as u64;
    let secrets = caller.rules.iter().any(|r| {
        r.resources.iter().any(|x| x == "secrets" || x == "*") && r.groups.iter().any(|g| g.is_empty() || g == "*")
    });
    let mut text = Text::new().code(&caller.username).plain(format!(
        ", {}; {}, ",
        words::count(caller.groups.len() as u64, "group", "groups"),
        words::count(caller.rules.len() as u64, "rule in force", "rules in force")
    ));
    text = match writes {
        0 => text.plain("all of them read-only, "),
        n => text.run(Look::High, format!("{} of them more than reading, ", words::number(n))),
    };
    text = if secrets { text.run(Look::High, "Secrets readable") } else { text.plain("no Secrets") };
    if caller.rules_incomplete { text.plain(" (the server says that this list of rules is incomplete)") } else { text }
}

fn is_read(verb: &str) -> bool {
    matches!(verb, "get" | "list" | "watch")
}

/// Asking about oneself is a `create` that changes nothing.
fn is_self_review(rule: &crate::collect::CallerRule) -> bool {
    !rule.resources.is_empty() && rule.resources.iter().all(|r| r.starts_with("selfsubject"))
}
