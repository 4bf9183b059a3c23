//! The first page: two sides, one sentence, four directions with the changes to read first, the seal.

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use super::{
    compared,
    facts::{Alike, Facts, dotted},
};
use crate::{
    drift::{Cause, FindingChange, ObjectChange, Part, PermissionChange},
    report::view::{Look, Section, Text, applied, cause_word, states, words},
};

/// Lines of text that fit beside each other into the upper and into the lower two directions, together.
const ROOM: usize = 34;
/// Lines of a direction that are always given.
const LEAST: usize = 2;
/// Columns of a line in a direction, and of a line across the page.
const NARROW: usize = 46;
const WIDE: usize = 96;
/// Lines of declarations.
const DECLARED: usize = 3;
/// Letters of a message, and of a name.
const MESSAGE: usize = 110;
const NAME: usize = 64;

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
    let cards = if quiet { Vec::new() } else { cards(facts, sections) };
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
        declared: if quiet { None } else { declared(facts, sections) },
        cards,
        seal: seal(facts),
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
        text = match facts.gained.len() as u64 {
            0 => text.plain("No subject gained permissions. "),
            n => {
                let sensitive = facts.gained.iter().filter(|change| change.sensitive).count() as u64;
                let gained = words::count(n, "subject gained permissions", "subjects gained permissions");
                let look = if sensitive > 0 { Look::Critical } else { Look::Strong };
                let text = text.run(look, gained);
                match sensitive {
                    0 => text.plain(". "),
                    n => text.plain(format!(", {} of them powerful ones. ", words::number(n))),
                }
            }
        };
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
            false => text.plain(format!("Of objects {}. ", said.join(", "))),
        };
    }
    if facts.wants(Part::Rules) && !drift.rules.is_empty() {
        let files = words::count(drift.rules.len() as u64, "rule file differs", "rule files differ");
        text = text.plain(format!("{files}. "));
    }
    match facts.lists_lost.len() as u64 {
        0 => text,
        n => text.run(Look::Unseen, format!("{} lost from sight.", words::count(n, "list was", "lists were"))),
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
                (true, 1) => text.plain(format!(", {severity}")),
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
    let text = match facts.better.len() as u64 {
        0 => text.plain(", none gone. "),
        n => text.plain("; ").run(Look::Good, format!("{} gone", words::number(n))).plain(". "),
    };
    match facts.out_of_sight.len() as u64 {
        0 => text,
        n => text
            .run(Look::Unseen, words::count(n, "exception could", "exceptions could"))
            .plain(" not be looked at again. "),
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

fn cards(facts: &Facts<'_>, sections: &[Section]) -> Vec<Card> {
    let drafts = [worse(facts), better(facts), appeared(facts), unseen(facts)];
    let wanted: Vec<usize> =
        drafts.iter().map(|draft| draft.lines.iter().map(|(line, _)| rows(line, NARROW)).sum()).collect();
    // Directions stand in pairs: the taller of a pair takes its room, and what one pair leaves the other may use.
    let [upper, lower] = [wanted[0].max(wanted[1]), wanted[2].max(wanted[3])];
    let half = ROOM / 2;
    let room = [ROOM - lower.min(half), ROOM - upper.min(half)];
    drafts.into_iter().enumerate().map(|(i, draft)| cut(draft, room[i / 2], sections)).collect()
}

/// Cuts a direction to its room, and says how many changes are elsewhere.
fn cut(draft: Draft, room: usize, sections: &[Section]) -> Card {
    let Draft { mut card, lines, section } = draft;
    let (mut used, mut left) = (0, 0);
    for (line, count) in lines {
        used += rows(&line, NARROW);
        if left == 0 && (used <= room || card.lines.len() < LEAST) { card.lines.push(line) } else { left += count }
    }
    card.more = more(left, section, sections);
    card
}

fn more(left: u64, title: &str, sections: &[Section]) -> Option<More> {
    let section = sections.iter().position(|section| section.title == title)?;
    (left > 0).then(|| More { text: format!("and {} more", words::number(left)), section })
}

/// Lines that a text takes in a column; each begins anew at a break, and half a line lies between two texts.
fn rows(text: &Text, columns: usize) -> usize {
    let (mut lines, mut width) = (1, 0);
    for run in &text.0 {
        if run.look == Look::Break {
            lines += 1 + width / columns;
            width = 0;
        }
        // What has no glyph stands as its code point.
        width += run.text.chars().map(|c| if c.is_ascii() { 1 } else { c.width().unwrap_or(0).max(2) }).sum::<usize>();
    }
    lines + width / columns
}

fn draft(title: &'static str, look: Look, section: &'static str) -> Draft {
    let card = Card { number: String::new(), title, about: String::new(), look, lines: Vec::new(), more: None };
    Draft { card, lines: Vec::new(), section }
}

impl Draft {
    fn line(mut self, text: Text, count: u64) -> Self {
        self.lines.push((text, count));
        self
    }

    /// The numbers of the direction; where there is nothing, says so, or that nobody asked.
    fn counted(mut self, counts: &[(usize, &str, &str)], asked: bool, nothing: &str) -> Self {
        let total = counts.iter().map(|(n, ..)| *n as u64).sum::<u64>();
        let said = counts.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| words::count(*n as u64, one, many));
        self.card.about = said.collect::<Vec<_>>().join(", ");
        self.card.number = if asked { words::number(total) } else { "–".into() };
        if total == 0 {
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
    for change in powerful {
        draft = draft.line(access(facts, change, Look::Critical), 1);
    }
    for alike in Alike::of(&facts.worse) {
        let tag = words::severity(alike.first.severity);
        let text = Text::new().run(Look::from(alike.first.severity), format!("{tag} "));
        draft = draft.line(finding(facts, text, &alike), alike.count);
    }
    for change in other {
        draft = draft.line(access(facts, change, Look::Low), 1);
    }
    draft
}

fn better(facts: &Facts<'_>) -> Draft {
    let counts = [
        (facts.better.len(), "exception gone", "exceptions gone"),
        (facts.lost.len(), "subject lost access", "subjects lost access"),
    ];
    let asked = facts.wants(Part::Findings) || facts.wants(Part::Permissions);
    let mut draft = draft("better", Look::Good, super::findings::BETTER).counted(&counts, asked, "Nothing got better.");
    for alike in Alike::of(&facts.better) {
        let text = Text::new().run(Look::Good, "gone ");
        draft = draft.line(finding(facts, text, &alike), alike.count);
    }
    for change in &facts.lost {
        draft = draft.line(access(facts, change, Look::Good), 1);
    }
    draft
}

fn appeared(facts: &Facts<'_>) -> Draft {
    let counts = [(facts.appeared.len(), "object", "objects")];
    let asked = facts.wants(Part::Objects);
    let mut draft =
        draft("appeared", Look::Person, super::objects::APPEARED).counted(&counts, asked, "No object appeared.");
    for change in &facts.appeared {
        let text = Text::from(format!("{} ", change.resource.kind)).strong(words::clip(&change.resource.path(), NAME));
        let note = [
            brought(facts.brought(change)),
            facts.owner(&change.resource).to_owned(),
            facts.why(change.cause, &change.resource),
        ];
        draft = draft.line(text.note(dotted(&note)), 1);
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
        let text = Text::new().strong(words::clip(&sight.resource, NAME)).note(format!(
            "{} before, {} now",
            sight.before,
            words::clip(&sight.after, MESSAGE)
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
    let text = text
        .strong(words::clip(&first.resource.path(), NAME))
        .plain(format!(" {}", words::clip(&first.message, MESSAGE)));
    let text =
        if alike.count > 1 { text.plain(format!("; {} more like it", words::number(alike.count - 1))) } else { text };
    text.note(dotted(&[&alike.owner(), &facts.why(first.cause, &first.resource)]))
}

fn access(facts: &Facts<'_>, change: &PermissionChange, look: Look) -> Text {
    let word = if change.gained.is_empty() { "access lost " } else { "access " };
    let text = Text::new().run(look, word).plain(words::clip(&change.summary, MESSAGE));
    text.note(dotted(&[facts.owner_of_subject(&change.subject), &facts.why_granted(change)]))
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
        let text =
            Text::new().run(look, format!("{} {} ", words::declaration(&change.kind), words::clip(&change.id, NAME)));
        let text = text.plain(states(change));
        let text = if change.applies_to.is_empty() {
            text
        } else {
            text.soft(format!(" · {}", words::clip(&applied(change), MESSAGE)))
        };
        draft = draft.line(text.soft(format!(" · {}", cause_word(Cause::Declaration))), 1);
    }
    for declaration in due {
        draft = draft.line(super::rest::ends(declaration), 1);
    }
    let (mut card, mut used, mut left) = (draft.card, 0, 0);
    for (line, count) in draft.lines {
        used += rows(&line, WIDE);
        if used <= DECLARED { card.lines.push(line) } else { left += count }
    }
    card.more = more(left + facts.accepted.len() as u64, draft.section, sections);
    Some(card)
}

fn seal(facts: &Facts<'_>) -> DriftSeal {
    let input = facts.input;
    let halves = |hex: String| vec![words::grouped(&hex[..32]), words::grouped(&hex[32..])];
    let side = |name: &str, side: &super::document::DriftSide| SealSide {
        caption: format!("{name}: {} UTC", words::full_time(side.finished)),
        root: side.proof().map(|proof| halves(proof.evidence_root.hex())).unwrap_or_default(),
        about: compared::origin(side).note(rules(side)),
    };
    let proof = input.new.proof().or(input.old.proof());
    DriftSeal {
        sides: [side("Before", input.old), side("After", input.new)],
        key: proof.map(|proof| halves(proof.signing_key.hex())).unwrap_or_default(),
        sentence: compared::trust(input),
    }
}

/// `rules of kubeproof 0.1.0: CIS 2.0.1, PCI 4.0.1`.
fn rules(side: &super::document::DriftSide) -> String {
    match side.frameworks.is_empty() {
        true => format!("rules of kubeproof {}", side.engine),
        false => format!("rules of kubeproof {}: {}", side.engine, words::some_of(&side.frameworks, 5)),
    }
}
