//! Exceptions: under each check the objects that failed it, each from beginning to end, with room for management's
//! response.

use std::{cmp::Reverse, collections::BTreeMap};

use super::facts::{Cluster, Facts, run_id};
use crate::{
    framework::Severity,
    period::{
        model::{Ending, Exception, WrittenBy},
        words::{began, ended, stood},
    },
    report::view::{AnswerGroup, Answers, Block, Look, Section, Shape, Table, Text, words},
};

/// Exceptions printed in one document, over all clusters; the workbook holds each of them.
const PRINTED: usize = 60;
/// Exceptions printed of each cluster, however many there are.
const AT_LEAST: usize = 10;
/// Writers named.
const WRITERS: usize = 2;
/// Characters of an observed value.
const VALUE: usize = 60;
/// Requirements of other frameworks named.
const SERVES: usize = 3;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    if facts.clusters.iter().all(|cluster| cluster.exceptions.is_empty()) {
        let text = if facts.period.runs() == 0 {
            "Without a run nothing is known of exceptions."
        } else {
            "No exception in this period."
        };
        blocks.push(Block::paragraph(text));
        return Section { title: "Exceptions".into(), new_page: false, blocks };
    }
    blocks.push(Block::paragraph(
        "Failures of the checks that decide or support a requirement of this framework, under each check the objects that \
         failed it: checks that decide one first, the worst first of each. Of a write the API server notes the client \
         program, no person; an audit log, where one was read, names the user. The digest names the object as it was \
         stored and signed: its text is in the package, data/evidence, and the run's bundle holds the same row. The room \
         below each is for management's response; workbook.xlsx has a column for it.",
    ));
    for cluster in &facts.clusters {
        let cap = printed(facts.clusters.len(), cluster.deciding);
        if facts.several() {
            blocks.push(Block::heading(format!("Cluster {}", cluster.name)));
        }
        blocks.push(Block::Answers(answers(facts, cluster, cap)));
        if cluster.exceptions.len() > cap {
            blocks.push(facts.heading(cluster, "Not printed here"));
            blocks.push(Block::Table(rest(cluster, &cluster.exceptions[cap..])));
        }
    }
    Section { title: "Exceptions".into(), new_page: true, blocks }
}

/// Exceptions printed of each of so many clusters: up to twice as many where that prints all that decide requirements.
pub(super) fn printed(clusters: usize, deciding: usize) -> usize {
    let usual = (PRINTED / clusters.max(1)).max(AT_LEAST);
    if deciding <= 2 * usual { deciding.max(usual) } else { usual }
}

fn answers(facts: &Facts<'_>, cluster: &Cluster<'_>, cap: usize) -> Answers {
    let left = cluster.exceptions.len().saturating_sub(cap) as u64;
    let more = || {
        let rows = words::count(left, "more exception is", "more exceptions are");
        format!("{rows} not printed here: each of them is named in workbook.xlsx, sheet Exceptions.")
    };
    let counts = counts(&cluster.exceptions);
    Answers {
        shape: Shape::Exceptions,
        about: "Exceptions by check, with their bounds, owners and room for management's response".into(),
        columns: vec!["Exception", "First and last seen", "Owner, waiver, fix"],
        prompt: "Management's response",
        groups: by_check(cluster.exceptions.iter().take(cap).copied())
            .iter()
            .map(|of_one| group(facts, cluster, of_one, counts[&kind(of_one[0])]))
            .collect(),
        empty: "No exception in this period.".into(),
        more: (left > 0).then(more),
    }
}

/// What exceptions stand under: a check, whose severity may differ from object to object.
pub(super) type Kind<'a> = (Reverse<Severity>, &'a str);

pub(super) fn kind(exception: &Exception) -> Kind<'_> {
    (Reverse(exception.severity), &exception.check)
}

/// How many there are of each kind, and how many of them are open.
fn counts<'a>(exceptions: &[&'a Exception]) -> BTreeMap<Kind<'a>, (u64, u64)> {
    let mut counts = BTreeMap::new();
    for exception in exceptions {
        let (all, open) = counts.entry(kind(exception)).or_insert((0, 0));
        *all += 1;
        *open += u64::from(exception.ending == Ending::Open);
    }
    counts
}

/// Exceptions of one kind together, where the first of them stands.
fn by_check<'a>(exceptions: impl Iterator<Item = &'a Exception>) -> Vec<Vec<&'a Exception>> {
    let mut places: BTreeMap<Kind<'_>, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Exception>> = Vec::new();
    for exception in exceptions {
        let at = *places.entry(kind(exception)).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Vec::new());
        }
        groups[at].push(exception);
    }
    groups
}

/// What is said of one exception, so that what several have in common is said once.
struct Said {
    message: String,
    found: String,
    serves: Text,
    seen: Text,
}

impl Said {
    fn of(facts: &Facts<'_>, cluster: &Cluster<'_>, exception: &Exception) -> Self {
        let found = exception.observed.as_ref();
        Self {
            message: words::sentence_case(&exception.message),
            found: found.map_or_else(String::new, |found| {
                format!("found {}, expected {}", words::clip(found, VALUE), exception.expected)
            }),
            serves: serves(facts, cluster, exception),
            seen: seen(cluster, exception).linked(|word| cluster.place(word)),
        }
    }
}

/// What most of several say, where at least two say the same.
fn usual<'a, T: PartialEq>(all: &'a [Said], of: impl Fn(&'a Said) -> &'a T) -> Option<&'a T> {
    let times = |value: &T| all.iter().filter(|other| of(other) == value).count();
    let most = all.iter().rev().map(&of).max_by_key(|value| times(value))?;
    (times(most) > 1).then_some(most)
}

fn group(facts: &Facts<'_>, cluster: &Cluster<'_>, exceptions: &[&Exception], (all, open): (u64, u64)) -> AnswerGroup {
    let first = exceptions[0];
    let said: Vec<Said> = exceptions.iter().map(|exception| Said::of(facts, cluster, exception)).collect();
    let usual = Usual {
        message: usual(&said, |said| &said.message),
        found: usual(&said, |said| &said.found),
        serves: usual(&said, |said| &said.serves),
        seen: usual(&said, |said| &said.seen),
    };
    let rows: Vec<Vec<Text>> =
        exceptions.iter().zip(&said).map(|(exception, said)| row(cluster, exception, said, &usual)).collect();
    let left = all - rows.len() as u64;
    let severity = words::sentence_case(words::severity(first.severity));
    let count = words::count(all, "exception", "exceptions");
    let about = Text::new().code(&first.check).soft(format!("  {count} in the period, {} open", words::number(open)));
    AnswerGroup {
        head: Some(Text::new().run(first.severity.into(), severity).strong(format!("  {}", first.title))),
        about: Some(usual.after(about)),
        rows,
        more: (left > 0).then(|| {
            let more = words::count(left, "more exception", "more exceptions");
            format!("and {more} of this check, named in workbook.xlsx, sheet Exceptions")
        }),
    }
}

/// What several exceptions of a check have in common, said once above them.
struct Usual<'a> {
    message: Option<&'a String>,
    found: Option<&'a String>,
    serves: Option<&'a Text>,
    seen: Option<&'a Text>,
}

impl Usual<'_> {
    fn after(&self, about: Text) -> Text {
        let mut common = Text::new();
        for line in self.message.into_iter().chain(self.found).filter(|line| !line.is_empty()) {
            common = common.lines(Text::new().soft(line));
        }
        common = common.lines(self.serves.cloned().unwrap_or_default());
        if let Some(seen) = self.seen {
            common = common.lines(seen.clone().in_line());
        }
        if common.0.is_empty() {
            return about;
        }
        about.note("Of each, where it does not say otherwise:").lines(common)
    }
}

fn row(cluster: &Cluster<'_>, exception: &Exception, said: &Said, usual: &Usual<'_>) -> Vec<Text> {
    let mut what = what(cluster, exception);
    if usual.message != Some(&said.message) {
        what = what.note(&said.message);
    }
    if usual.found != Some(&said.found) {
        let nothing = said.found.is_empty() && usual.found.is_some();
        what = what.note(if nothing { "no value was noted" } else { &said.found });
    }
    if usual.serves != Some(&said.serves) {
        what = what.lines(said.serves.clone());
    }
    let seen = if usual.seen == Some(&said.seen) { Text::new().soft("as said above") } else { said.seen.clone() };
    vec![cited(cluster, exception, what), seen, answer(cluster, exception)]
}

/// The requirements of this document's framework, all of them, then some of the others; each on a line of its own.
fn serves(facts: &Facts<'_>, cluster: &Cluster<'_>, exception: &Exception) -> Text {
    let framework = facts.framework.id.as_str();
    let (own, others): (Vec<&String>, Vec<&String>) =
        exception.requirements.iter().partition(|id| id.split_once('/').is_some_and(|(known, _)| known == framework));
    let own = own.into_iter().filter_map(|id| id.split_once('/')).map(|(_, id)| id);
    let (decides, supports): (Vec<&str>, Vec<&str>) = own.partition(|id| cluster.decides(exception, id));
    let mut text = Text::new();
    for (word, ids) in [("decides", decides), ("supports", supports)] {
        if !ids.is_empty() {
            text = text.lines(Text::new().soft(format!("{word} {} ", words::short_framework(framework))));
            text = text.and(facts.linked_rows(&ids));
        }
    }
    let others: Vec<String> = others.into_iter().map(|id| words::short_requirement(id)).collect();
    if others.is_empty() {
        return text;
    }
    text.lines(Text::new().soft(format!("elsewhere {}", words::some_of(&others, SERVES))))
}

fn what(cluster: &Cluster<'_>, exception: &Exception) -> Text {
    Text::new()
        .code(&exception.id)
        .at(cluster.exception_place(&exception.id))
        .line()
        .plain(format!("{} ", exception.resource.kind))
        .strong(exception.resource.path())
}

fn cited(cluster: &Cluster<'_>, exception: &Exception, text: Text) -> Text {
    let Some(cited) = exception.evidence.first() else { return text };
    let run = run_id(cited.run);
    let text = text.line().code(format!("sha256:{}…", cited.digest.short(16)));
    let text = text.soft(" run ").soft(run).to(cluster.run_place(cited.run));
    match exception.evidence.len() as u64 - 1 {
        0 => text,
        left => text.soft(format!(" and {} more", words::number(left))),
    }
}

fn seen(cluster: &Cluster<'_>, exception: &Exception) -> Text {
    let mut text = Text::from(format!("First {}", cluster.when(exception.first_seen)));
    text = text.note(format!("run {}; {}", run_id(exception.first_seen), began(exception.began_by)));
    if !exception.written_by.is_empty() {
        text = text.note(format!("written by {}", writers(&exception.written_by)));
    }
    if let Some(after) = exception.began.after {
        text = text.note(format!("not there on {}", cluster.at(after)));
    }
    text = text.line().plain(format!("Last {}", cluster.when(exception.last_seen)));
    text = text.note(format!("run {}", run_id(exception.last_seen)));
    text = match &exception.ending {
        Ending::Open => text.line().run(Look::Critical, "open on the last run"),
        Ending::NotSeenSince { run, reason } => {
            text.line().run(Look::Unseen, "not seen since").note(format!("{}: {reason}", cluster.at(*run)))
        }
        Ending::Ended { bounds, .. } => {
            let mut text = text.note(format!("gone on {}", cluster.at(bounds.by)));
            if !exception.repaired_by.is_empty() {
                text = text.note(format!("written by {}", writers(&exception.repaired_by)));
            }
            let now = exception.evidence_after.first().map(|cited| cited.digest.hex());
            now.into_iter().fold(text, |text, digest| text.note(format!("as sha256:{}…", &digest[..16])))
        }
    };
    text = text.note(format!("stood {}", stood(exception.duration)));
    let blind = exception.not_seen_in.len() as u64;
    let blind =
        if blind == 0 { String::new() } else { format!(", could not be looked at in {}", words::number(blind)) };
    text.note(format!("seen in {}{blind}", words::count(u64::from(exception.seen_in), "run", "runs")))
}

fn answer(cluster: &Cluster<'_>, exception: &Exception) -> Text {
    let mut text = match &exception.owner {
        Some(owner) => Text::from(owner.as_str()),
        None => Text::new().soft("no owner known"),
    };
    for waiver in &exception.waivers {
        let day =
            |run| cluster.all.run(run).map_or_else(String::new, |run| words::short_date(run.finished.date_naive()));
        text = text.line().plain("waiver ").code(&waiver.id);
        if let Some(known) = cluster.all.waiver(&waiver.id) {
            text = text.note(format!("declared {}", words::days(known.since, known.until)));
        }
        text = text.note(format!("on the runs of {} to {}", day(waiver.first), day(waiver.last)));
    }
    if let Ending::Ended { cause, .. } = &exception.ending {
        let look = if exception.ending.is_repair() { Look::Good } else { Look::Person };
        text = text.line().run(look, ended(*cause));
    }
    text
}

/// `helm (client program), 2 Oct 2026 22:00`.
pub(super) fn writers(all: &[WrittenBy]) -> String {
    let said: Vec<String> = all
        .iter()
        .map(|by| match by {
            WrittenBy::ManagedFields { .. } => {
                format!("{} (client program), {}", by.who(), words::full_time(by.time()))
            }
            WrittenBy::AuditLog { verb, .. } => {
                format!("{} ({verb}, audit log), {}", by.who(), words::full_time(by.time()))
            }
        })
        .collect();
    match said.len().saturating_sub(WRITERS) {
        0 => said.join("; "),
        left => format!("{}; and {} more", said[..WRITERS].join("; "), words::number(left as u64)),
    }
}

/// Exceptions that are not printed, by check: every one of them is counted, since the control totals say so.
fn rest(cluster: &Cluster<'_>, exceptions: &[&Exception]) -> Table {
    let titles: BTreeMap<Kind<'_>, &str> = exceptions.iter().map(|x| (kind(x), x.title.as_str())).collect();
    let rows = counts(exceptions).into_iter().map(|(kind, (count, open))| {
        let (Reverse(severity), check) = kind;
        vec![
            Text::new().run(severity.into(), words::severity(severity)).at(cluster.counted_place(kind)),
            Text::from(titles[&kind]).note(check),
            format!("{}, {} open", words::count(count, "exception", "exceptions"), words::number(open)).into(),
        ]
    });
    Table {
        shape: Shape::ScopeChanges,
        about: "Exceptions that are not printed, by check".into(),
        columns: vec!["Severity", "Check", "Counted here, named in workbook.xlsx"],
        rows: rows.collect(),
        empty: String::new(),
        more: None,
    }
}
