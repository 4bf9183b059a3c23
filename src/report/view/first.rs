//! The first page: identity, one sentence, numbers, three actions, frameworks, history, seal.

use serde::Serialize;

use super::{
    Facts,
    chart::{self, Chart},
    frameworks, owners,
    text::{Look, Shape, Table, Text},
    words,
};
use crate::{
    evaluate::{Outcome, Status},
    framework::{FrameworkKind, Severity},
};

/// Actions on the first page.
const ACTIONS: usize = 3;

/// The first page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstPage {
    /// The cluster's name.
    pub name: String,
    /// Environment, platform and version.
    pub about: String,
    /// Collection window, UTC, on two lines.
    pub observed: [String; 2],
    /// Declared scopes and framework versions.
    pub scope: Text,
    /// The run in one sentence or three.
    pub sentence: Text,
    /// Five numbers.
    pub tiles: Vec<Tile>,
    /// What to do first.
    pub actions: Table,
    /// A bar for each framework.
    pub bars: Vec<Bar>,
    /// What the colours mean: the titles of the bars' counts.
    pub keys: Vec<Key>,
    /// What the counts are and are not; frameworks left out.
    pub bars_note: String,
    /// Exceptions over time.
    pub chart: Option<Chart>,
    /// Said in its place on a first run.
    pub chart_absent: String,
    /// What to compare and what it shows.
    pub seal: Seal,
}

/// A number with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tile {
    /// The number, `–` where there is none.
    pub number: String,
    /// What it counts.
    pub label: String,
    /// Its colour.
    pub look: Look,
}

/// One framework: counts of requirements by what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// Framework and version.
    pub name: String,
    /// Parts of the bar.
    pub parts: Vec<Part>,
    /// Counts under the columns' titles.
    pub counts: Vec<String>,
}

/// A part of a bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Where it begins, in thousandths of the bar.
    pub from: u64,
    /// Thousandths of the bar.
    pub share: u64,
    /// Colour, by its key.
    pub key: &'static str,
}

/// What a colour means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Colour.
    pub key: &'static str,
    /// Heading of its count.
    pub short: &'static str,
    /// Meaning.
    pub text: &'static str,
}

/// What to compare, and what a signature shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seal {
    /// Fingerprint of the signing key, in two lines.
    pub key: [String; 2],
    /// Evidence root, in two lines.
    pub root: [String; 2],
    /// The log entry that this run follows.
    pub follows: String,
    /// What the signature shows and does not show.
    pub sentence: String,
}

/// What the signature shows, in the words of every report.
pub const SIGNATURE: &str = "The signature shows that these bytes are unchanged since signing. It does not show that \
                             the cluster told the truth, nor compliance.";

pub(super) fn page(facts: &Facts<'_>) -> FirstPage {
    let meta = facts.input.meta;
    let cluster = &facts.input.coverage.cluster;
    let about = [
        meta.environment.clone(),
        cluster.platform.clone(),
        cluster.kubernetes.clone().map(|v| format!("Kubernetes {v}")),
    ];
    let (bars, keys) = frameworks::bars(facts);
    FirstPage {
        name: meta.cluster.clone(),
        about: about.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        observed: [
            format!("Observed {}", words::long_date(meta.started.date_naive())),
            format!("{} – {} UTC", meta.started.format("%H:%M:%S"), end_of_window(facts)),
        ],
        scope: scope(facts),
        sentence: sentence(facts),
        tiles: tiles(facts),
        actions: Table {
            shape: Shape::Actions,
            about: "What to do first, with its owner and the requirements it serves".into(),
            columns: vec!["", "What and where", "Owner", "Serves"],
            rows: facts.groups.iter().take(ACTIONS).zip(1..).map(|(g, rank)| owners::action(facts, g, Some(rank))).collect(),
            empty: "No open exception: nothing to do first. What could not be seen is listed under \u{201c}Completeness and accuracy\u{201d}.".into(),
            more: None,
        },
        bars,
        keys,
        bars_note: bars_note(facts),
        chart: chart::chart(facts.input.history),
        chart_absent: "From the third run on, a chart shows the course of exceptions.".into(),
        seal: seal(facts),
    }
}

fn end_of_window(facts: &Facts<'_>) -> String {
    let (from, to) = (facts.input.meta.started, facts.input.meta.finished);
    let same_day = from.date_naive() == to.date_naive();
    if same_day { to.format("%H:%M:%S").to_string() } else { to.format("%-d %b %H:%M:%S").to_string() }
}

fn scope(facts: &Facts<'_>) -> Text {
    let scopes = &facts.input.definitions.scopes;
    match scopes.as_slice() {
        [] => Text::new().soft("Scope: the whole cluster; no scope is declared for a regulation."),
        scopes => {
            let said: Vec<String> = scopes.iter().map(|s| format!("{} ({})", s.id, s.regulations.join(", "))).collect();
            let said = words::some_of(&said, 3);
            Text::new().soft(format!("Scope: the whole cluster; declared for regulations: {said}."))
        }
    }
}

fn sentence(facts: &Facts<'_>) -> Text {
    if let Some(failure) = facts.input.coverage.failure() {
        return Text::new().run(Look::Unseen, format!("This run saw nothing of the cluster: {failure}."));
    }
    let judged = words::count(facts.workloads.judged(), "workload", "workloads");
    let namespaces = facts.workloads.by_namespace.len() as u64;
    let mut text = Text::new().plain(format!("{judged} in {}: ", words::count(namespaces, "namespace", "namespaces")));
    let worst = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info]
        .into_iter()
        .find(|s| facts.open_of(*s) > 0);
    text = match worst {
        None => text.plain("no open exceptions. "),
        Some(severity) => {
            let n = facts.open_of(severity);
            let name = words::severity(severity);
            let text =
                text.run(severity.into(), words::count(n, &format!("{name} exception"), &format!("{name} exceptions")));
            match (facts.since(), facts.new_of(severity)) {
                (None, _) => text.plain(". "),
                (Some(since), 0) => text.plain(format!(", none new since {since}. ")),
                (Some(since), new) if new == n => text.plain(format!(", new since {since}. ")),
                (Some(since), new) => text.plain(format!(", {} of them new since {since}. ", words::number(new))),
            }
        }
    };
    let person = frameworks::needs_a_person(facts);
    if !facts.input.evaluation.requirements.is_empty() {
        let verb = if person == 1 { "needs" } else { "need" };
        text = text.plain(format!("{} {verb} a person. ", words::count(person, "requirement", "requirements")));
    }
    let text = match facts.input.meta.gaps.len() as u64 {
        0 => text.plain("Every source that was asked answered."),
        1 => text.run(Look::Unseen, "1 source was not seen."),
        n => text.run(Look::Unseen, format!("{} sources were not seen.", words::number(n))),
    };
    let undecided = facts.input.evaluation.checks.iter().filter(|check| check.outcome == Outcome::NotEvaluated);
    match undecided.count() as u64 {
        0 => text,
        n => {
            text.plain(" ").run(Look::Unseen, format!("{} could not be evaluated.", words::count(n, "check", "checks")))
        }
    }
}

fn tiles(facts: &Facts<'_>) -> Vec<Tile> {
    let resolved = facts.input.drift.findings.iter().filter(|c| super::changes::is_resolved(c)).count() as u64;
    let tile = |n: u64, label: &str, look| Tile { number: words::number(n), label: label.into(), look };
    let severity = |s: Severity| {
        let n = facts.open_of(s);
        tile(n, &format!("{} {}", words::severity(s), if n == 1 { "exception" } else { "exceptions" }), s.into())
    };
    let unseen = facts.input.meta.gaps.len() as u64;
    vec![
        severity(Severity::Critical),
        severity(Severity::High),
        match facts.baseline() {
            Some(at) => tile(resolved, &format!("resolved since {}", at.format("%-d %b")), Look::Good),
            None => Tile { number: "–".into(), label: "first run: nothing to compare".into(), look: Look::Good },
        },
        tile(frameworks::needs_a_person(facts), "need a person", Look::Person),
        tile(unseen, if unseen == 1 { "source not seen" } else { "sources not seen" }, Look::Unseen),
    ]
}

fn bars_note(facts: &Facts<'_>) -> String {
    let mut note = String::from("Counts of requirements, not a score.");
    let regulated = facts.input.definitions.frameworks.iter().any(|f| f.kind == FrameworkKind::Regulation);
    if regulated || facts.input.evaluation.requirements.iter().any(|r| r.status == Status::Partial) {
        note.push_str(
            " \u{201c}None noted\u{201d} means that everything this cluster can show was in order; for a law or a \
             standard that alone is not compliance.",
        );
    }
    let left_out: Vec<String> = facts
        .input
        .evaluation
        .frameworks
        .iter()
        .filter(|f| !f.selected)
        .map(|f| words::short_framework(&f.id).to_owned())
        .collect();
    if !left_out.is_empty() {
        note.push_str(&format!(
            " Not evaluated: {} (reasons under \u{201c}Scope and responsibility\u{201d}).",
            left_out.join(", ")
        ));
    }
    note
}

fn seal(facts: &Facts<'_>) -> Seal {
    let meta = facts.input.meta;
    let halves = |hex: String| [words::grouped(&hex[..32]), words::grouped(&hex[32..])];
    Seal {
        key: halves(meta.signing_key.hex()),
        root: halves(meta.evidence_root.hex()),
        follows: match &meta.log {
            Some(head) => format!("follows entry {} of the log {}", words::number(head.index), head.origin),
            None => "the first entry of this cluster's log".into(),
        },
        sentence: format!("{SIGNATURE} To check it yourself: \u{201c}Verification\u{201d}, at the end."),
    }
}
