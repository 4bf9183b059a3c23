//! The first page: two sides, one sentence, four directions with the changes to read first, the seal.

use serde::Serialize;

use super::{
    compared,
    document::DriftSide,
    facts::{Alike, Facts, dotted},
    space::{self, fit},
};
use crate::{
    drift::{Cause, FindingChange, ObjectChange, Part, PermissionChange},
    report::view::{Look, Section, Text, cause_word, states, words},
};

/// Lines of a direction that are always given.
const LEAST: usize = 1;
/// Columns of a line in a direction.
const NARROW: usize = 48;
/// Columns of a message, of a name, and of what stands below them.
const MESSAGE: usize = 96;
const NAME: usize = 56;
const NOTE: usize = 96;
/// Subjects named in a direction.
const SUBJECTS: usize = 2;
/// Lines of declarations.
const DECLARED: usize = 3;
/// Frameworks named of a side.
const FRAMEWORKS: usize = 5;

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
    /// What is declared or due.
    pub(super) declared: Option<Card>,
    /// Sections that no direction leads to, by index.
    pub(super) others: Vec<usize>,
    /// What to compare, and what it shows.
    pub(super) seal: DriftSeal,
}

/// One direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Card {
    /// How many.
    pub(super) number: String,
    /// `worse`.
    pub(super) title: &'static str,
    /// What was counted.
    pub(super) about: String,
    /// Its colour.
    pub(super) look: Look,
    /// The changes to read first, or that there is none.
    pub(super) lines: Vec<Text>,
    /// Where the others are.
    pub(super) more: Option<More>,
}

/// Where the changes are that did not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct More {
    /// `and 12 more`.
    pub(super) text: String,
    /// Index of the section.
    pub(super) section: usize,
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

/// A direction before it is cut: everything that a line could be made of, in order.
struct Draft {
    card: Card,
    /// Each with the number of changes that it stands for.
    lines: Vec<(Text, u64)>,
    /// Title of the section that has the others.
    section: &'static str,
}

pub(super) fn page(facts: &Facts<'_>, sections: &[Section]) -> Cover {
    let input = facts.input;
    let quiet = facts.is_quiet();
    let mut cover = Cover {
        name: compared::clusters(input),
        about: about(facts),
        dates: [
            format!("{} UTC", words::full_time(input.old.finished)),
            format!("to {} UTC", words::full_time(input.new.finished)),
            compared::interval(input),
        ],
        sentence: if quiet { nothing(facts) } else { sentence(facts) },
        remarks: remarks(facts),
        declared: if quiet { None } else { declared(facts, sections) },
        cards: Vec::new(),
        others: Vec::new(),
        seal: seal(facts),
    };
    if !quiet {
        cover.cards = cards(facts, sections, space::left(&cover));
        let shown = |section: &usize| cover.cards.iter().chain(&cover.declared).any(|card| card.leads_to(*section));
        cover.others = (0..sections.len()).filter(|section| !shown(section)).collect();
    }
    cover
}

impl Card {
    fn leads_to(&self, section: usize) -> bool {
        self.more.as_ref().is_some_and(|more| more.section == section)
    }
}

fn about(facts: &Facts<'_>) -> String {
    let input = facts.input;
    let (old, new) = (dotted(&input.old.platform), dotted(&input.new.platform));
    let platform = if old == new || old.is_empty() { new } else { format!("{old} → {new}") };
    dotted(&[input.environment.unwrap_or_default(), &platform])
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

/// The directions, cut to the room that the rest of the page leaves.
fn cards(facts: &Facts<'_>, sections: &[Section], room: usize) -> Vec<Card> {
    let drafts = [worse(facts), better(facts), appeared(facts), unseen(facts)];
    let wanted: Vec<usize> = drafts.iter().map(Draft::height).collect();
    // Directions stand in pairs: the taller of a pair takes its room, and what one pair leaves the other may use.
    let [upper, lower] = [wanted[0].max(wanted[1]), wanted[2].max(wanted[3])];
    let (more, less) = (room * 3 / 5, room * 2 / 5);
    let room = [room - lower.min(less), room - upper.min(more)];
    drafts.into_iter().enumerate().map(|(i, draft)| cut(draft, room[i / 2], sections)).collect()
}

/// Cuts a direction to its room, and says how many changes are elsewhere.
fn cut(draft: Draft, room: usize, sections: &[Section]) -> Card {
    let Draft { mut card, lines, section } = draft;
    let (mut used, mut left) = (0, 0);
    for (line, count) in lines {
        used += space::of(&line, NARROW);
        if left == 0 && (used <= room || card.lines.len() < LEAST) { card.lines.push(line) } else { left += count }
    }
    card.more = more(left, section, sections);
    card
}

/// Where the section is, if there is one.
fn more(left: u64, title: &str, sections: &[Section]) -> Option<More> {
    let section = sections.iter().position(|section| section.title == title)?;
    let text = if left > 0 { format!("and {} more", words::number(left)) } else { "in detail".into() };
    Some(More { text, section })
}

fn draft(title: &'static str, look: Look, section: &'static str) -> Draft {
    let card = Card { number: String::new(), title, about: String::new(), look, lines: Vec::new(), more: None };
    Draft { card, lines: Vec::new(), section }
}

impl Draft {
    fn height(&self) -> usize {
        self.lines.iter().map(|(line, _)| space::of(line, NARROW)).sum()
    }

    fn line(mut self, text: Text, count: u64) -> Self {
        self.lines.push((text, count));
        self
    }

    /// The first subjects by name, the others in one line.
    fn subjects(self, facts: &Facts<'_>, changes: &[&PermissionChange], look: Look) -> Self {
        let (named, others) = changes.split_at(changes.len().min(SUBJECTS));
        let draft = named.iter().fold(self, |draft, change| draft.line(access(facts, change, look), 1));
        match others.len() as u64 {
            0 => draft,
            n => {
                let said = words::count(n, "more subject like it", "more subjects like them");
                draft.line(Text::new().run(look, "access ").plain(said), n)
            }
        }
    }

    /// The numbers of the direction; where there is nothing, says so, or that nobody asked.
    fn counted(mut self, counts: &[(usize, &str, &str)], asked: bool, nothing: &str) -> Self {
        let total = counts.iter().map(|(n, ..)| *n as u64).sum::<u64>();
        let said = counts.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| words::count(*n as u64, one, many));
        self.card.about = said.collect::<Vec<_>>().join(", ");
        self.card.number = if asked { words::number(total) } else { "–".into() };
        if total == 0 {
            self.card.look = Look::Soft;
            let said = if asked { nothing } else { "Not asked for: the filter leaves it out." };
            self.card.lines.push(Text::new().soft(said));
        }
        self
    }
}

fn worse(facts: &Facts<'_>) -> Draft {
    let counts = [
        (facts.worse.len(), "exception", "exceptions"),
        (facts.gained.len(), "subject gained access", "subjects gained access"),
    ];
    let asked = facts.wants(Part::Findings) || facts.wants(Part::Permissions);
    let mut draft =
        draft("worse", Look::Critical, super::findings::WORSE).counted(&counts, asked, "Nothing got worse.");
    // Who can escalate comes before any finding, and what else was gained after all of them.
    let (powerful, other): (Vec<_>, Vec<_>) = facts.gained.iter().partition(|change| change.sensitive);
    draft = draft.subjects(facts, &powerful, Look::Critical);
    for alike in Alike::of(&facts.worse) {
        let tag = words::severity(alike.first.severity);
        let text = Text::new().run(Look::from(alike.first.severity), format!("{tag} "));
        draft = draft.line(finding(facts, text, &alike), alike.count);
    }
    draft.subjects(facts, &other, Look::Low)
}

fn better(facts: &Facts<'_>) -> Draft {
    let counts = [
        (facts.better.len(), "exception gone", "exceptions gone"),
        (facts.lost.len(), "subject lost access", "subjects lost access"),
    ];
    let asked = facts.wants(Part::Findings) || facts.wants(Part::Permissions);
    let mut draft = draft("better", Look::Good, super::findings::BETTER).counted(&counts, asked, "Nothing got better.");
    for alike in Alike::of(&facts.better) {
        let text = Text::new().run(Look::Good, format!("{} gone ", words::severity(alike.first.severity)));
        draft = draft.line(finding(facts, text, &alike), alike.count);
    }
    draft.subjects(facts, &facts.lost, Look::Good)
}

fn appeared(facts: &Facts<'_>) -> Draft {
    let counts = [(facts.appeared.len(), "object", "objects")];
    let asked = facts.wants(Part::Objects);
    let mut draft =
        draft("appeared", Look::Person, super::objects::APPEARED).counted(&counts, asked, "No object appeared.");
    for change in &facts.appeared {
        let text = Text::from(format!("{} ", change.resource.kind)).strong(fit(&change.resource.path(), NAME));
        let note = [
            brought(facts.brought(change)),
            facts.owner(&change.resource).to_owned(),
            facts.why(change.cause, &change.resource),
        ];
        draft = draft.line(text.note(fit(&dotted(&note), NOTE)), 1);
    }
    draft
}

/// `brought 3 exceptions, 1 critical`.
pub(super) fn brought(changes: &[&FindingChange]) -> String {
    let Some(first) = changes.first() else { return String::new() };
    let all = words::count(changes.len() as u64, "exception", "exceptions");
    let worst = changes.iter().filter(|change| change.severity == first.severity).count() as u64;
    format!("brought {all}, {} {}", words::number(worst), words::severity(first.severity))
}

fn unseen(facts: &Facts<'_>) -> Draft {
    let half: Vec<&&ObjectChange> = facts.half_seen.iter().filter(|change| change.after.is_none()).collect();
    let counts = [
        (facts.lists_lost.len(), "list", "lists"),
        (facts.out_of_sight.len(), "exception", "exceptions"),
        (half.len(), "object", "objects"),
    ];
    let mut draft = draft("lost sight of", Look::Unseen, super::rest::SIGHT).counted(
        &counts,
        facts.wants(Part::Findings),
        "Nothing: what was seen before was seen again.",
    );
    for sight in &facts.lists_lost {
        let text = Text::new().strong(fit(&sight.resource, NAME)).note(format!(
            "{} before, {} now",
            sight.before,
            fit(&sight.after, MESSAGE)
        ));
        draft = draft.line(text, 1);
    }
    for alike in Alike::of(&facts.out_of_sight) {
        let text = Text::new().run(Look::Unseen, "not seen ");
        draft = draft.line(finding(facts, text, &alike), alike.count);
    }
    draft
}

/// One finding, and how many are like it.
fn finding(facts: &Facts<'_>, text: Text, alike: &Alike<'_>) -> Text {
    let first = alike.first;
    let text = text.strong(fit(&first.resource.path(), NAME)).plain(format!(" {}", fit(&first.message, MESSAGE)));
    let text =
        if alike.count > 1 { text.plain(format!("; {} more like it", words::number(alike.count - 1))) } else { text };
    text.note(fit(&dotted(&[&alike.owner(), &facts.why(first.cause, &first.resource)]), NOTE))
}

fn access(facts: &Facts<'_>, change: &PermissionChange, look: Look) -> Text {
    let word = if change.gained.is_empty() { "access lost " } else { "access " };
    let text = Text::new().run(look, word).plain(fit(&change.summary, MESSAGE));
    text.note(fit(&dotted(&[facts.owner_of_subject(&change.subject), &facts.why_granted(change)]), NOTE))
}

fn declared(facts: &Facts<'_>, sections: &[Section]) -> Option<Card> {
    let drift = facts.input.drift;
    let due: Vec<_> = super::rest::due(facts).collect();
    let counts = [
        (drift.declarations.len(), "declaration changed", "declarations changed"),
        (facts.accepted.len(), "exception waived or expected", "exceptions waived or expected"),
        (due.len(), "ends soon", "end soon"),
    ];
    if counts.iter().all(|(n, ..)| *n == 0) {
        return None;
    }
    let mut draft = draft("declared or due", Look::High, super::rest::DECLARED).counted(&counts, true, "");
    // What lapsed is read before what began.
    let (holding, lapsed): (Vec<_>, Vec<_>) = drift.declarations.iter().partition(|change| change.holds);
    for change in lapsed.into_iter().chain(holding) {
        let look = if change.holds { Look::Person } else { Look::High };
        let name = fit(&change.id, NAME);
        let text = Text::new().run(look, format!("{} {name} ", words::declaration(&change.kind)));
        let text = text.plain(states(change)).plain(super::rest::last_day(facts, change));
        let about = dotted(&["", &fit(&facts.applied(change), NAME), cause_word(Cause::Declaration)]);
        draft = draft.line(text.soft(format!("  {about}")), 1);
    }
    for declaration in due {
        draft = draft.line(super::rest::ends(declaration), 1);
    }
    let mut card = draft.card;
    let left: u64 = draft.lines.iter().skip(DECLARED).map(|(_, count)| count).sum();
    card.lines.extend(draft.lines.into_iter().take(DECLARED).map(|(line, _)| line));
    card.more = more(left + facts.accepted.len() as u64, draft.section, sections);
    Some(card)
}

fn seal(facts: &Facts<'_>) -> DriftSeal {
    let input = facts.input;
    let halves = |hex: String| vec![words::grouped(&hex[..32]), words::grouped(&hex[32..])];
    let side = |name: &str, side: &DriftSide| SealSide {
        caption: format!("{name}: {} UTC", words::full_time(side.finished)),
        root: side.proof().map(|proof| halves(proof.evidence_root.hex())).unwrap_or_default(),
        about: compared::origin(side, Some(NAME)),
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
