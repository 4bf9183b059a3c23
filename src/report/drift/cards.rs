//! The directions of the first page: how many, and the changes to read first. How many of them fit is for the layout to
//! say; what is said of the others is worked out here for every case.

use serde::Serialize;

use super::{
    facts::{Alike, Facts, dotted},
    findings::{BETTER, WORSE},
    fit::fit,
    objects::{APPEARED, CHANGED},
    rest::{self, DECLARED, SIGHT},
};
use crate::{
    drift::{Cause, ChangeKind, FindingChange, ObjectChange, Part, PermissionChange},
    report::view::{Look, Section, Text, cause_word, states, words},
};

/// Changes of a direction that the page may have room for, and across it.
const LINES: usize = 9;
const ACROSS: usize = 4;
/// Columns of a message, of a name, of what stands below them, and of what stands beside a name across the page.
const MESSAGE: usize = 96;
const NAME: usize = 56;
const NOTE: usize = 110;
const WIDE: usize = 130;
/// Subjects named in a direction.
const SUBJECTS: usize = 2;

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
    /// `and 12 more`: what is said of the others when so many lines are shown, from none on.
    pub(super) elsewhere: Vec<String>,
    /// Where they are: index of the section.
    pub(super) section: Option<usize>,
}

/// A direction, and everything that a line of it could be made of, in order.
struct Draft {
    card: Card,
    /// Each with the number of changes that it stands for.
    lines: Vec<(Text, u64)>,
    /// Title of the section that has all of them.
    section: &'static str,
}

pub(super) fn directions(facts: &Facts<'_>, sections: &[Section]) -> Vec<Card> {
    let drafts = [worse(facts), better(facts), appeared(facts), unseen(facts)];
    drafts.into_iter().map(|draft| draft.cut(LINES, sections)).collect()
}

/// What stands below the directions, where there is any of it.
pub(super) fn across(facts: &Facts<'_>, sections: &[Section]) -> Vec<Card> {
    let drafts = [changed(facts), declared(facts)];
    let some = drafts.into_iter().filter(|draft| !draft.lines.is_empty());
    some.map(|draft| draft.cut(ACROSS, sections)).collect()
}

fn draft(title: &'static str, look: Look, section: &'static str) -> Draft {
    let card = Card {
        number: String::new(),
        title,
        about: String::new(),
        look,
        lines: Vec::new(),
        elsewhere: Vec::new(),
        section: None,
    };
    Draft { card, lines: Vec::new(), section }
}

impl Draft {
    /// The first lines, and for every number of them that may fit what is said of the others.
    fn cut(self, most: usize, sections: &[Section]) -> Card {
        let Self { mut card, lines, section } = self;
        if lines.is_empty() {
            return card;
        }
        let counts: Vec<u64> = lines.iter().map(|(_, count)| *count).collect();
        card.lines = lines.into_iter().take(most).map(|(line, _)| line).collect();
        card.elsewhere = (0..=card.lines.len())
            .map(|shown| match counts[shown..].iter().sum() {
                0 => "in detail".into(),
                left => format!("and {} more", words::number(left)),
            })
            .collect();
        card.section = sections.iter().position(|found| found.title == section);
        card
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
    let mut draft = draft("worse", Look::Critical, WORSE).counted(&counts, asked, "Nothing got worse.");
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
    let mut draft = draft("better", Look::Good, BETTER).counted(&counts, asked, "Nothing got better.");
    for alike in Alike::of(&facts.better) {
        let text = Text::new().run(Look::Good, format!("{} gone ", words::severity(alike.first.severity)));
        draft = draft.line(finding(facts, text, &alike), alike.count);
    }
    draft.subjects(facts, &facts.lost, Look::Good)
}

fn appeared(facts: &Facts<'_>) -> Draft {
    let counts = [(facts.appeared.len(), "object", "objects")];
    let asked = facts.wants(Part::Objects);
    let mut draft = draft("appeared", Look::Person, APPEARED).counted(&counts, asked, "No object appeared.");
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
    let mut draft = draft("lost sight of", Look::Unseen, SIGHT).counted(
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
    match half.len() as u64 {
        0 => draft,
        n => {
            let said = words::count(n, "object", "objects");
            let text = Text::new().run(Look::Unseen, said).plain(" of lists that could not be read");
            draft.line(text.note(cause_word(Cause::Sight)), n)
        }
    }
}

/// Objects that changed or went: neither better nor worse by themselves.
fn changed(facts: &Facts<'_>) -> Draft {
    let counts = [(facts.changed.len(), "object changed", "objects changed"), (facts.gone.len(), "went", "went")];
    let section = if facts.changed.is_empty() { APPEARED } else { CHANGED };
    let draft = draft("changed or gone", Look::Strong, section).counted(&counts, true, "");
    facts.changed.iter().chain(&facts.gone).fold(draft, |draft, change| {
        let what = match change.change {
            ChangeKind::Removed => "gone".to_owned(),
            ChangeKind::Recreated => "made anew".to_owned(),
            _ => words::count(change.fields.len() as u64, "field", "fields"),
        };
        let text = Text::from(format!("{} ", change.resource.kind)).strong(fit(&change.resource.path(), NAME));
        let by = facts.why(change.cause, &change.resource);
        let about = dotted(&[&what, &brought(facts.brought(change)), facts.owner(&change.resource), &by]);
        draft.line(text.soft(format!("  {}", fit(&about, WIDE))), 1)
    })
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

fn declared(facts: &Facts<'_>) -> Draft {
    let drift = facts.input.drift;
    let due: Vec<_> = rest::due(facts).collect();
    let counts = [
        (drift.declarations.len(), "declaration changed", "declarations changed"),
        (facts.accepted.len(), "exception waived or expected", "exceptions waived or expected"),
        (due.len(), "ends soon", "end soon"),
    ];
    let mut draft = draft("declared or due", Look::High, DECLARED).counted(&counts, true, "");
    // What lapsed is read before what began.
    let (holding, lapsed): (Vec<_>, Vec<_>) = drift.declarations.iter().partition(|change| change.holds);
    for change in lapsed.into_iter().chain(holding) {
        let look = if change.holds { Look::Person } else { Look::High };
        let name = fit(&change.id, NAME);
        let text = Text::new().run(look, format!("{} {name} ", words::declaration(&change.kind)));
        let text = text.plain(states(change)).plain(rest::last_day(facts, change));
        let about = dotted(&[&fit(&facts.applied(change), NAME), cause_word(Cause::Declaration)]);
        draft = draft.line(text.soft(format!("  {about}")), 1);
    }
    for declaration in due {
        draft = draft.line(rest::ends(declaration), 1);
    }
    match facts.accepted.len() as u64 {
        0 => draft,
        n => {
            let said = words::count(n, "exception is waived or expected now", "exceptions are waived or expected now");
            draft.line(said.into(), n)
        }
    }
}
