//! What the document covers, who collected it and how, and what was left out.

use std::collections::BTreeSet;

use super::facts::{Cluster, Facts, run_id};
use crate::{
    collect::SourceKind,
    period::{
        model::{Excluded, Exclusion, Run, ScopeSpan},
        words::holding,
    },
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Names in one cell.
const NAMES: usize = 6;
/// States of a scope that are printed.
const HOLDINGS: usize = 3;
/// Bundles left out that are printed.
const EXCLUDED: usize = 60;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::Pairs { pairs: package(facts) }];
    for cluster in &facts.clusters {
        blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        blocks.push(Block::Pairs { pairs: about(facts, cluster) });
    }
    for cluster in &facts.clusters {
        blocks.push(facts.heading(cluster, "Bundles left out"));
        blocks.push(Block::Table(left_out(cluster)));
        blocks.push(facts.heading(cluster, "Never asked for"));
        blocks.push(Block::Table(not_asked(cluster)));
    }
    Section { title: "Scope".into(), new_page: true, blocks }
}

fn package(facts: &Facts<'_>) -> Vec<(String, Text)> {
    let (period, framework) = (facts.period, facts.framework);
    let mut versions = Text::from(framework.versions.join(", then "));
    versions = versions.note("this document speaks of the rows of the newest version");
    let mut pairs = vec![
        ("Framework".to_owned(), Text::from(framework.title.clone()).soft(format!(" {}", framework.id))),
        ("Versions met".to_owned(), versions),
        ("Period".to_owned(), format!("{}, both days included, in UTC", words::span(period.from, period.to)).into()),
        ("Read from".to_owned(), Text::new().code(period.stores.join(", "))),
        (
            "Runs' key".to_owned(),
            Text::new().code(&period.key).note("every bundle was verified by it before anything was read"),
        ),
    ];
    let limits = [
        ("clusters", period.filter.clusters.join(", ")),
        ("frameworks", period.filter.frameworks.join(", ")),
        ("scope", period.filter.scope.clone().unwrap_or_default()),
    ];
    let limits: Vec<String> =
        limits.iter().filter(|(_, asked)| !asked.is_empty()).map(|(what, asked)| format!("{what}: {asked}")).collect();
    let limited = if limits.is_empty() {
        "not limited: every cluster and framework of the store".into()
    } else {
        limits.join("; ")
    };
    pairs.push(("Limited to".to_owned(), limited.into()));
    pairs.push((
        "Scope".to_owned(),
        match facts.scope() {
            Some(scope) => {
                let text = Text::from(format!("\u{201c}{scope}\u{201d}, as each run's declaration has it"));
                let whole =
                    "requirements and exceptions are of it; population and control totals are of the whole cluster";
                text.note(if period.filter.scope.is_none() { whole } else { "nothing outside of it is shown" })
            }
            None => "the whole of each cluster; no scope is declared for this framework".into(),
        },
    ));
    pairs.push((
        "People and groups".to_owned(),
        match &period.filter.pseudonyms {
            Some(key) => Text::from("pseudonyms; the key is its owner's, its id ").code(key),
            None => "by their names, as the cluster has them".into(),
        },
    ));
    pairs
}

fn about(facts: &Facts<'_>, cluster: &Cluster<'_>) -> Vec<(String, Text)> {
    let all = cluster.all;
    let runs = &all.runs;
    let mut pairs = vec![(
        "Identity".to_owned(),
        Text::new().code(&all.folder).note(match &all.uid {
            Some(uid) => format!("uid of its kube-system namespace {uid}"),
            None => "no run is proved that names its uid".into(),
        }),
    )];
    pairs.push(("Environment".to_owned(), all.environment.clone().unwrap_or_else(|| "not declared".into()).into()));
    if let Some(scope) = facts.scope() {
        pairs.push((format!("In \u{201c}{scope}\u{201d}"), held(cluster, scope)));
    }
    pairs.push(("Runs used".to_owned(), Text::from(used(cluster)).linked(|word| cluster.place(word))));
    pairs.push((
        "Left out".to_owned(),
        match all.excluded.len() as u64 {
            0 => "no bundle".into(),
            n => Text::new()
                .run(Look::Critical, words::count(n, "bundle", "bundles"))
                .plain(", named below with the reason"),
        },
    ));
    let several = |of: &dyn Fn(&Run) -> Option<String>, none: &str| -> Text {
        let said: BTreeSet<String> = runs.iter().filter_map(of).collect();
        let said: Vec<String> = said.into_iter().collect();
        if said.is_empty() { none.into() } else { words::some_of(&said, NAMES).into() }
    };
    pairs.push(("Kubernetes".to_owned(), several(&|run| run.kubernetes.clone(), "no run saw its version")));
    pairs.push((
        "Collected by".to_owned(),
        several(
            &|run| run.caller.as_ref().map(|caller| caller.username.clone()),
            "no run names who asked the API server",
        ),
    ));
    pairs.push(("Collected from".to_owned(), several(&|run| Some(source(run)), "no run")));
    pairs
        .push(("Collected with".to_owned(), several(&|run| Some(format!("kubeproof {}", run.tool_version)), "no run")));
    pairs.push((
        "Log".to_owned(),
        match &all.log {
            Some(log) => Text::new()
                .code(&log.origin)
                .note(format!("{} when it was read, with the root", words::count(log.size, "entry", "entries")))
                .line()
                .code(log.root.hex()),
            None => "no bundle names it".into(),
        },
    ));
    pairs
}

/// What a scope held, the newest first; what was in it before is in the workbook, where there is more than fits.
fn held(cluster: &Cluster<'_>, scope: &str) -> Text {
    let spans: Vec<&ScopeSpan> = cluster.all.scopes.iter().filter(|span| span.scope == scope).rev().collect();
    let mut text = Text::new();
    for (nth, span) in spans.iter().take(HOLDINGS).enumerate() {
        let runs = match span.first == span.last {
            true => format!("Run {}", run_id(span.first)),
            false => format!("Runs {} to {}", run_id(span.first), run_id(span.last)),
        };
        text = if nth == 0 { text } else { text.line() }.strong(runs);
        text = holding(&span.holds).into_iter().fold(text, Text::note);
    }
    match spans.len().saturating_sub(HOLDINGS) as u64 {
        0 if spans.is_empty() => Text::new().run(Look::Unseen, "declared on no run"),
        0 => text,
        left => text
            .note(format!("and {} in workbook.xlsx, sheet Scopes", words::count(left, "other state", "other states"))),
    }
}

fn used(cluster: &Cluster<'_>) -> String {
    match (cluster.all.runs.as_slice(), cluster.last()) {
        ([first, ..], Some(last)) => format!(
            "{}, from {} to {}",
            words::count(cluster.all.runs.len() as u64, "verified run", "verified runs"),
            cluster.at(first.number),
            cluster.at(last)
        ),
        _ => "none: no run of the period is proved".into(),
    }
}

fn source(run: &Run) -> String {
    match run.source.kind {
        SourceKind::Cluster => "the API server, read only".into(),
        SourceKind::Manifests => format!("manifests, {}", run.source.name),
        SourceKind::Recorded => format!("a recorded cluster, {}", run.source.name),
        SourceKind::Bundle => format!("a bundle judged again, {}", run.source.name),
    }
}

fn left_out(cluster: &Cluster<'_>) -> Table {
    let row = |excluded: &Excluded| {
        let entry = excluded
            .index
            .map_or_else(|| "no log entry".to_owned(), |index| format!("log entry {}", words::number(index)));
        let claimed = excluded
            .claimed_finished
            .map_or_else(|| "no readable time".to_owned(), |at| format!("claims {}", words::full_time(at)));
        vec![
            Text::new().run(Look::Critical, exclusion(excluded.kind)).note(claimed).note(entry),
            Text::from(words::sentence_case(&excluded.reason)).line().code(&excluded.bundle),
        ]
    };
    let table = Table {
        shape: Shape::Notes,
        about: "Bundles of the period that this document does not rest on".into(),
        columns: vec!["Defect", "What is wrong, and the bundle"],
        rows: cluster.all.excluded.iter().map(row).collect(),
        empty: "Every bundle that the store and the log name for this period was verified and used.".into(),
        more: None,
    };
    table.capped(EXCLUDED, "all of them are in workbook.xlsx, sheet Excluded bundles.")
}

pub(super) fn exclusion(kind: Exclusion) -> &'static str {
    match kind {
        Exclusion::Tampered => "not as it was signed",
        Exclusion::Untrusted => "signed by another key",
        Exclusion::AnotherCluster => "of another cluster",
        Exclusion::NotInLog => "not in the log",
        Exclusion::Missing => "not in the store",
        Exclusion::Unreadable => "cannot be read",
        Exclusion::AnotherTime => "of another time by its own word",
    }
}

/// Resources that the newest run left out by configuration.
fn not_asked(cluster: &Cluster<'_>) -> Table {
    let newest = cluster.all.runs.last();
    let rows = newest.into_iter().flat_map(|run| &run.not_asked);
    Table {
        shape: Shape::Notes,
        about: "Resources that were never asked for".into(),
        columns: vec!["Resource", "Why"],
        rows: rows.map(|(resource, why)| vec![Text::new().code(resource), words::sentence_case(why).into()]).collect(),
        empty: match newest {
            Some(run) => format!("Run {} asked for every resource that the server offered.", run_id(run.number)),
            None => "Without a run nothing is known of it.".into(),
        },
        more: None,
    }
}
