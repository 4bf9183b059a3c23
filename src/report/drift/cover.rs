//! The first page: two sides, one sentence, four directions with the changes to read first, the seal.

use serde::Serialize;

use super::{
    cards::{self, Card},
    compared,
    document::DriftSide,
    facts::{Facts, dotted},
};
use crate::{
    drift::{Cause, Part},
    report::view::{Look, Section, Text, words},
};

/// Letters of a path.
const PATH: usize = 56;
/// Frameworks named of a side.
const FRAMEWORKS: usize = 6;

/// The first page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cover {
    /// The cluster, or both.
    pub(super) name: String,
    /// Environment, platform and version of Kubernetes.
    pub(super) about: String,
    /// Both times and what lies between them.
    pub(super) dates: [String; 3],
    /// The comparison in one sentence or four.
    pub(super) sentence: Text,
    /// What to know before the numbers: a filter, what cannot be compared, what was left out.
    pub(super) remarks: Vec<Text>,
    /// Worse, better, appeared, lost sight of; none where nothing changed.
    pub(super) cards: Vec<Card>,
    /// Across the page below them: other changes of objects, what is declared or due.
    pub(super) across: Vec<Card>,
    /// Sections that no direction leads to, by index.
    pub(super) others: Vec<usize>,
    /// What to compare, and what it shows.
    pub(super) seal: DriftSeal,
}

/// Both sides, the key, and what a signature shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct DriftSeal {
    /// Before and after.
    pub(super) sides: [SealSide; 2],
    /// Fingerprint of the key, in two lines; none where nothing was verified.
    pub(super) key: Vec<String>,
    /// What judged.
    pub(super) rules: String,
    /// What the signature shows and does not show.
    pub(super) sentence: Text,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SealSide {
    /// `Before: 26 Oct 2026 06:00 UTC`.
    pub(super) caption: String,
    /// Evidence root, in two lines; none where nothing was verified.
    pub(super) root: Vec<String>,
    /// The bundle and its log entry, or the path; the rules.
    pub(super) about: Text,
}

pub(super) fn page(facts: &Facts<'_>, sections: &[Section]) -> Cover {
    let input = facts.input;
    let quiet = facts.is_quiet();
    let cards = if quiet { Vec::new() } else { cards::directions(facts, sections) };
    let across = if quiet { Vec::new() } else { cards::across(facts, sections) };
    let shown = |section: &usize| cards.iter().chain(&across).any(|card| card.section == Some(*section));
    Cover {
        name: compared::clusters(input),
        about: about(facts),
        dates: [
            format!("{} UTC", words::full_time(input.old.finished)),
            format!("to {} UTC", words::full_time(input.new.finished)),
            compared::interval(input),
        ],
        sentence: if quiet { nothing(facts) } else { sentence(facts) },
        remarks: remarks(facts),
        others: if quiet { Vec::new() } else { (0..sections.len()).filter(|section| !shown(section)).collect() },
        cards,
        across,
        seal: seal(facts),
    }
}

fn about(facts: &Facts<'_>) -> String {
    let (old, new) = (facts.input.old, facts.input.new);
    let moved = |old: &Option<String>, new: &Option<String>| match (old, new) {
        (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
        (old, new) => new.clone().or(old.clone()).unwrap_or_default(),
    };
    let version = moved(&old.kubernetes, &new.kubernetes);
    let version = if version.is_empty() { version } else { format!("Kubernetes {version}") };
    dotted(&[facts.input.environment.unwrap_or_default(), &moved(&old.platform, &new.platform), &version])
}

fn nothing(facts: &Facts<'_>) -> Text {
    let still = match facts.input.drift.still {
        0 => String::new(),
        1 => "; 1 exception stands as it did".into(),
        n => format!("; {} exceptions stand as they did", words::number(n)),
    };
    let where_ = if compared::limits(facts.input).is_some() { " in what was asked for" } else { "" };
    format!("Nothing changed{where_} in {}{still}.", compared::interval(facts.input)).into()
}

fn sentence(facts: &Facts<'_>) -> Text {
    let drift = facts.input.drift;
    let mut text = Text::new();
    if facts.wants(Part::Findings) {
        text = exceptions(facts, text);
    }
    if facts.wants(Part::Permissions) {
        text = gained(facts, text);
    }
    if facts.wants(Part::Objects) {
        let counts = [(facts.appeared.len(), "appeared"), (facts.gone.len(), "went"), (facts.changed.len(), "changed")];
        let said: Vec<String> = counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{} {word}", words::number(*n as u64)))
            .collect();
        text = match said.is_empty() {
            true => text.plain("No object changed. "),
            false => text.plain(format!("Objects: {}. ", said.join(", "))),
        };
    }
    if facts.wants(Part::Rules) && !drift.rules.is_empty() {
        let files = words::count(drift.rules.len() as u64, "rule file differs", "rule files differ");
        text = text.plain(format!("{files}. "));
    }
    let lists = (facts.lists_lost.len(), "list", "lists");
    let hidden = [lists, (facts.out_of_sight.len(), "exception", "exceptions")];
    let total: usize = hidden.iter().map(|(n, ..)| n).sum();
    let said = hidden.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| words::count(*n as u64, one, many));
    let said = said.collect::<Vec<_>>().join(" and ");
    match total {
        0 => text,
        1 => text.run(Look::Unseen, format!("{said} is out of sight.")),
        _ => text.run(Look::Unseen, format!("{said} are out of sight.")),
    }
}

fn exceptions(facts: &Facts<'_>, text: Text) -> Text {
    let worse = &facts.worse;
    let text = match worse.first() {
        None => text.plain("No new exception"),
        Some(first) => {
            let n = words::count(worse.len() as u64, "new exception", "new exceptions");
            let same = worse.iter().filter(|change| change.severity == first.severity).count() as u64;
            let severity = words::severity(first.severity);
            let text = text.run(Look::from(first.severity), n);
            match (same == worse.len() as u64, same) {
                (true, 1) => text.plain(format!(", a {severity} one")),
                (true, _) => text.plain(format!(", all {severity}")),
                (false, _) => text.plain(format!(", {} of them {severity}", words::number(same))),
            }
        }
    };
    let elsewhere = worse.iter().filter(|change| change.cause != Cause::Cluster).count() as u64;
    let text = match elsewhere {
        0 => text,
        1 if worse.len() == 1 => text.plain(", and not by the cluster's doing"),
        n if n == worse.len() as u64 => text.plain(", none of them by the cluster's doing"),
        n => text.plain(format!(" ({} not by the cluster's doing)", words::number(n))),
    };
    text.plain(match facts.better.len() as u64 {
        0 => "; none is gone. ".to_owned(),
        n => format!("; {} gone. ", words::number(n)),
    })
}

fn gained(facts: &Facts<'_>, text: Text) -> Text {
    let sensitive = facts.gained.iter().filter(|change| change.sensitive).count() as u64;
    let said = |n| words::count(n, "subject gained", "subjects gained");
    let all = facts.gained.len() as u64;
    match (all, sensitive) {
        (0, _) => text.plain("Nobody gained permissions. "),
        (n, 0) => text.run(Look::Strong, format!("{} permissions. ", said(n))),
        (n, powerful) if n == powerful => text.run(Look::Critical, format!("{} powerful permissions. ", said(n))),
        (n, powerful) => text
            .run(Look::Critical, format!("{} permissions", said(n)))
            .plain(format!(", {} of them powerful ones. ", words::number(powerful))),
    }
}

fn remarks(facts: &Facts<'_>) -> Vec<Text> {
    let limits = compared::limits(facts.input).map(|said| Text::new().run(Look::Person, said));
    let cannot = facts.input.drift.cannot_compare.iter();
    let cannot = cannot.map(|reason| Text::new().run(Look::Unseen, "Cannot compare: ").plain(reason));
    let noise = facts.input.drift.left_out.iter().map(|left| left.count).sum::<u64>();
    let noise = (noise > 0).then(|| {
        let said =
            words::count(noise, "change that controllers make all day is", "changes that controllers make all day are");
        Text::new().soft(format!("{said} counted and not listed."))
    });
    limits.into_iter().chain(cannot).chain(noise).collect()
}

fn seal(facts: &Facts<'_>) -> DriftSeal {
    let input = facts.input;
    let halves = |hex: String| vec![words::grouped(&hex[..32]), words::grouped(&hex[32..])];
    let side = |name: &str, side: &DriftSide| SealSide {
        caption: format!("{name}: {} UTC", words::full_time(side.finished)),
        root: side.proof().map(|proof| halves(proof.evidence_root.hex())).unwrap_or_default(),
        about: compared::origin(side, Some(PATH)),
    };
    let proof = input.new.proof().or(input.old.proof());
    DriftSeal {
        sides: [side("Before", input.old), side("After", input.new)],
        key: proof.map(|proof| halves(proof.signing_key.hex())).unwrap_or_default(),
        rules: rules(facts),
        sentence: compared::trust(input),
    }
}

/// `Rules of kubeproof 0.1.0: CIS 2.0.1, PCI 4.0.1`, once where both sides have the same.
fn rules(facts: &Facts<'_>) -> String {
    let said = |side: &DriftSide| match side.frameworks.is_empty() {
        true => format!("kubeproof {}, no framework", side.engine),
        false => format!("kubeproof {}: {}", side.engine, words::some_of(&side.frameworks, FRAMEWORKS)),
    };
    let (old, new) = (facts.input.old, facts.input.new);
    match (old.rules == new.rules, said(old), said(new)) {
        (true, _, both) => format!("Rules, the same on both sides: {both}."),
        (false, before, after) if before == after => format!("Rules: {after}; their files differ."),
        (false, before, after) => format!("Rules before: {before}. After: {after}."),
    }
}
