//! Results: each requirement with what every run said of it, and the sentence of its operating effectiveness.

use chrono::{DateTime, Utc};

use super::{
    cover::parts,
    facts::{Cluster, Facts, run_id},
    people,
};
use crate::{
    evaluate::Status,
    framework::RowCoverage,
    period::model::{Course, RequirementPeriod, RunNumber},
    report::view::{
        Block, Key, Operated, Operation, OperationRow, Part, Section, Shape, Table, Text,
        words::{self, sentence_case},
    },
};

/// Spans of the same status that stand in words.
const SPANS: usize = 6;
/// Checks named in a row.
const CHECKS: usize = 3;
/// Exceptions named in a row.
const EXCEPTIONS: usize = 4;

const STATUSES: [Key; 7] = [
    Key { key: "exceptions", short: "", text: "exceptions noted (tall)" },
    Key { key: "clear", short: "", text: "none noted" },
    Key { key: "partial", short: "", text: "none noted, needs a person" },
    Key { key: "attested", short: "", text: "attested or inherited" },
    Key { key: "person", short: "", text: "needs a person" },
    Key { key: "unseen", short: "", text: "incomplete (open)" },
    Key { key: "na", short: "", text: "not applicable" },
];

const MISSED: Key = Key { key: "missed", short: "", text: "a run that was due is missing (dotted)" };

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::Pairs { pairs: summary(facts) }];
    let longest_id = facts.rows.iter().map(|row| row.id.as_str()).max_by_key(|id| id.chars().count());
    let longest_id = longest_id.unwrap_or_default().to_owned();
    if facts.rows.is_empty() {
        blocks.push(Block::paragraph("No run of this period evaluated a requirement of this framework."));
    } else {
        blocks.extend(introduction(facts));
    }
    for (title, rows) in sections(&facts.rows) {
        let (people, decided): (Vec<Row<'_>>, Vec<Row<'_>>) =
            rows.into_iter().partition(|row| people::alone(facts, row));
        if decided.is_empty() {
            continue;
        }
        blocks.push(Block::heading(title));
        let columns = vec!["Id", "What it asks, and how it operated", "Decided by", "Exceptions"];
        let rows = decided.into_iter().map(|row| shown(facts, row)).collect();
        blocks.push(Block::Operation(Operation { columns, longest_id: longest_id.clone(), rows }));
        if !people.is_empty() {
            let ids: Vec<&str> = people.iter().map(|row| row.id.as_str()).collect();
            let text = Text::new().soft("People alone, listed below: ").and(facts.linked_rows(&ids));
            blocks.push(Block::paragraph(text));
        }
    }
    blocks.extend(people::blocks(facts));
    Section { title: "Results".into(), new_page: false, blocks }
}

/// Where the runs themselves say what the rows do.
fn said(facts: &Facts<'_>) -> String {
    let bundle = "in its bundle, data/evaluation.json; the section \u{201c}Evidence index\u{201d} names each bundle and \
                  its log entry.";
    let has_results =
        |(cluster, run): &(&Cluster<'_>, RunNumber)| cluster.all.results_of(&facts.framework.id, *run).is_some();
    let about = facts.clusters.iter().flat_map(|cluster| evaluated(cluster).map(move |run| (cluster, run)));
    let (here, elsewhere): (Vec<_>, Vec<_>) = about.partition(has_results);
    let rest = match (here.len(), elsewhere.len()) {
        (0, _) => return format!("What a run said is {bundle}"),
        (_, 0) => String::new(),
        (_, 1) => format!(" 1 run has no such file here: what it said is {bundle}"),
        (_, n) => {
            format!(" {} runs have no such file here: what one of them said is {bundle}", words::number(n as u64))
        }
    };
    format!(
        "What a run said itself is in this package: data/evidence, in the folder of the cluster, results. The section \
         \u{201c}How to verify\u{201d} walks from there to the run\u{2019}s signature.{rest}"
    )
}

/// Runs that were about the framework.
fn evaluated<'a>(cluster: &'a Cluster<'_>) -> impl Iterator<Item = RunNumber> + use<'a> {
    let runs = cluster.all.runs.iter().enumerate();
    let about = |at: usize| cluster.rows.iter().any(|row| row.statuses.get(at).is_some_and(Option::is_some));
    runs.filter(move |(at, _)| about(*at)).map(|(_, run)| run.number)
}

type Row<'a> = &'a RequirementPeriod;

/// Rows under the headings of their framework.
pub(super) fn sections<'a>(rows: &[Row<'a>]) -> Vec<(&'a str, Vec<Row<'a>>)> {
    let mut sections: Vec<(&str, Vec<Row<'a>>)> = Vec::new();
    for row in rows {
        let title = row.section.as_deref().unwrap_or("Requirements");
        match sections.iter_mut().find(|(known, _)| *known == title) {
            Some((_, rows)) => rows.push(row),
            None => sections.push((title, vec![row])),
        }
    }
    sections
}

fn introduction(facts: &Facts<'_>) -> Vec<Block> {
    let reads = format!(
        "Each strip shows every run from the first to the last, left to right; a run that did not evaluate the requirement \
         leaves a gap, one that was due and is missing a dotted one. A day between two runs was seen by neither: read the \
         run before it and the run after it; where both say the same, it may still have been otherwise in between. Days \
         before the first run and after the last were seen by none. The words below name the runs where they differ. {}",
        said(facts)
    );
    let own = "What a requirement asks is told in our own sentences; the framework's own wording is its publisher's, and \
               decides where the two differ. Requirements that people and documents alone answer stand in tables of their \
               own, at the end of this section.";
    let any = facts.clusters.iter().any(|cluster| !cluster.all.cadence.missed.is_empty());
    let keys = STATUSES.into_iter().chain(any.then_some(MISSED)).collect();
    vec![Block::paragraph(Text::new().soft(reads)), Block::paragraph(Text::new().soft(own)), Block::Legend { keys }]
}

/// The numbers first.
fn summary(facts: &Facts<'_>) -> Vec<(String, Text)> {
    facts.clusters.iter().map(|cluster| (cluster.name.to_owned(), counts(cluster).into())).collect()
}

fn counts(cluster: &Cluster<'_>) -> String {
    let of = |course: Course| words::number(cluster.rows.iter().filter(|row| Course::of(row) == course).count() as u64);
    if cluster.rows.is_empty() {
        return "no run evaluated this framework".into();
    }
    format!(
        "{}: exceptions in some run for {}; none noted in any run for {}, and for {} more where a person adds the rest; not \
         decided in some run for {}; not applicable {}; people and documents alone {}",
        words::count(cluster.rows.len() as u64, "requirement", "requirements"),
        of(Course::Exceptions),
        of(Course::Clear),
        of(Course::InPart),
        of(Course::Undecided),
        of(Course::NotApplicable),
        of(Course::People),
    )
}

fn shown(facts: &Facts<'_>, row: &RequirementPeriod) -> OperationRow {
    let own = facts.own(row);
    OperationRow {
        id: id(facts, row),
        title: row.title.clone().into(),
        operated: own.iter().map(|(cluster, row)| operated(facts, cluster, row)).collect(),
        basis: basis(row),
        exceptions: exceptions(facts, &own),
    }
}

/// A requirement's id, and the company's own; what leads to the requirement leads here.
pub(super) fn id(facts: &Facts<'_>, row: &RequirementPeriod) -> Text {
    let id = Text::new().strong(&row.id).at(facts.row_place(&row.id));
    id.note(row.company_control.clone().unwrap_or_default())
}

fn operated(facts: &Facts<'_>, cluster: &Cluster<'_>, row: &RequirementPeriod) -> Operated {
    let spans = spans(&row.statuses);
    let mut said = match (&row.effectiveness, spans.as_slice()) {
        (Some(effect), [_]) => Text::from(sentence_case(&effect.sentence)),
        (Some(effect), spans) => Text::from(sentence_case(&effect.sentence)).note(in_words(cluster, spans)),
        (None, spans) => in_words(cluster, spans).into(),
    };
    if let Some(last) = row.reasons.last() {
        said = said.note(sentence_case(&last.reason)).note(earlier_reasons(row));
    }
    let said = said.linked(|word| cluster.place(word));
    let strip = strip(&row.statuses, &missed(cluster));
    Operated { cluster: facts.several().then(|| cluster.name.to_owned()), strip, said }
}

/// How many reasons before the last one are not printed, and where they are.
pub(super) fn earlier_reasons(row: &RequirementPeriod) -> String {
    match row.reasons.len().saturating_sub(1) as u64 {
        0 => String::new(),
        earlier => {
            format!(
                "{} of earlier runs in workbook.xlsx, sheet Status by run",
                words::count(earlier, "other reason", "other reasons")
            )
        }
    }
}

/// Before which runs a run was due and is missing, as often as it is.
fn missed(cluster: &Cluster<'_>) -> Vec<usize> {
    let runs = &cluster.all.runs;
    let place = |due: DateTime<Utc>| runs.iter().position(|run| run.finished > due).unwrap_or(runs.len());
    let mut places: Vec<usize> = cluster.all.cadence.missed.iter().map(|missed| place(missed.due)).collect();
    places.sort_unstable();
    places
}

/// Runs in the order of the log, each as wide as another; a missed one keeps its room.
fn strip(statuses: &[Option<Status>], missed: &[usize]) -> Vec<Part> {
    let mut lengths: Vec<(&'static str, u64)> = Vec::new();
    let mut add = |key| match lengths.last_mut() {
        Some(last) if last.0 == key => last.1 += 1,
        _ => lengths.push((key, 1)),
    };
    let mut missed = missed.iter().peekable();
    for (at, status) in statuses.iter().enumerate() {
        while missed.next_if(|place| **place <= at).is_some() {
            add(MISSED.key);
        }
        add(key(*status));
    }
    missed.for_each(|_| add(MISSED.key));
    parts(lengths.into_iter())
}

/// Successive runs of the same status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) status: Option<Status>,
    first: RunNumber,
    last: RunNumber,
}

pub(super) fn spans(statuses: &[Option<Status>]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (status, run) in statuses.iter().zip(0..) {
        match spans.last_mut() {
            Some(span) if span.status == *status => span.last = run,
            _ => spans.push(Span { status: *status, first: run, last: run }),
        }
    }
    spans
}

/// `0000–0001 none noted · 0002 exceptions noted (3 Oct 2026 06:00)`.
pub(super) fn in_words(cluster: &Cluster<'_>, spans: &[Span]) -> String {
    match spans {
        [] => String::new(),
        [one] => format!("Every run: {}", status(one.status)),
        spans => {
            let mut said: Vec<String> = spans.iter().take(SPANS).map(|span| span_words(cluster, *span)).collect();
            let left = spans.len().saturating_sub(SPANS) as u64;
            if left > 0 {
                said.push(format!(
                    "{} in workbook.xlsx, sheet Status by run",
                    words::count(left, "later change", "later changes")
                ));
            }
            said.join(" · ")
        }
    }
}

fn span_words(cluster: &Cluster<'_>, span: Span) -> String {
    let day = |run| cluster.all.run(run).map_or_else(String::new, |run| run.finished.format("%-d %b").to_string());
    let runs = if span.first == span.last {
        format!("{} ({})", run_id(span.first), day(span.first))
    } else {
        format!("{}–{} ({} – {})", run_id(span.first), run_id(span.last), day(span.first), day(span.last))
    };
    format!("{runs} {}", status(span.status))
}

fn status(status: Option<Status>) -> &'static str {
    status.map_or("not evaluated by these runs", |status| words::status(status).0)
}

fn key(status: Option<Status>) -> &'static str {
    match status {
        None => "gap",
        Some(Status::Fail) => "exceptions",
        Some(Status::Pass) => "clear",
        Some(Status::Partial) => "partial",
        Some(Status::Attested | Status::Inherited) => "attested",
        Some(Status::Manual) => "person",
        Some(Status::NotEvaluated) => "unseen",
        Some(Status::NotApplicable) => "na",
    }
}

fn basis(row: &RequirementPeriod) -> Text {
    let coverage = match row.coverage {
        RowCoverage::Automated => "checks alone",
        RowCoverage::Partial => "checks in part",
        RowCoverage::Manual => "a person",
    };
    let mut text = Text::from(coverage);
    text = text.note(words::some_of(&row.decides, CHECKS));
    let owner = row.owner.as_ref().map(|owner| format!("owner {owner}")).unwrap_or_default();
    text.note(row.periodicity.clone().unwrap_or_default()).note(owner)
}

fn exceptions(facts: &Facts<'_>, own: &[(&Cluster<'_>, &RequirementPeriod)]) -> Text {
    let mut text = Text::new();
    for (cluster, row) in own.iter().filter(|(_, row)| !row.exceptions.is_empty()) {
        if facts.several() {
            text = text.soft(cluster.name).line();
        }
        for id in row.exceptions.iter().take(EXCEPTIONS) {
            text = text.code(id).to(cluster.exception_place(id)).line();
        }
        let left = row.exceptions.len().saturating_sub(EXCEPTIONS) as u64;
        if left > 0 {
            text = text.soft(format!("and {} more", words::number(left))).line();
        }
    }
    if text.0.is_empty() {
        return Text::new().soft("none");
    }
    text.0.pop();
    text
}

/// Ids of the framework that a cluster says nothing about.
pub(super) fn outside(facts: &Facts<'_>) -> Section {
    let mut ids: Vec<(&String, &String)> = facts.framework.outside.iter().collect();
    ids.sort_by_key(|(id, _)| natural(id));
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (id, about) in ids {
        match groups.iter_mut().find(|(known, _)| known == about) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((about, vec![id])),
        }
    }
    let table = Table {
        shape: Shape::Outside,
        about: "Ids of the framework that a cluster says nothing about".into(),
        columns: vec!["What it is about", "Ids"],
        rows: groups.into_iter().map(|(about, ids)| vec![about.into(), Text::new().strong(ids.join(", "))]).collect(),
        empty: "Every id of this framework has a row in \u{201c}Results\u{201d}.".into(),
        more: None,
    };
    let mut blocks = Vec::new();
    if !table.rows.is_empty() {
        blocks.push(Block::paragraph("A cluster says nothing about these ids; other evidence must cover them."));
    }
    blocks.push(Block::Table(table));
    Section { title: "Outside this document".into(), new_page: false, blocks }
}

/// `1.10` after `1.2`.
fn natural(id: &str) -> Vec<(u64, &str)> {
    id.split(['.', '-', '(', ')']).map(|part| (part.parse().unwrap_or(u64::MAX), part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successive_runs_of_the_same_status_are_one_span() {
        let statuses = [Some(Status::Pass), Some(Status::Pass), None, Some(Status::Fail)];
        let ends: Vec<(RunNumber, RunNumber)> = spans(&statuses).iter().map(|s| (s.first, s.last)).collect();
        assert_eq!(ends, [(0, 1), (2, 2), (3, 3)]);
        assert!(spans(&[]).is_empty());
    }

    #[test]
    fn a_missed_run_keeps_its_room_in_the_strip() {
        let statuses = [Some(Status::Pass), Some(Status::Pass), Some(Status::Fail)];
        let keys = |missed: &[usize]| -> Vec<(&str, u64)> {
            strip(&statuses, missed).iter().map(|part| (part.key, part.share)).collect()
        };
        assert_eq!(keys(&[]), [("clear", 666), ("exceptions", 334)]);
        assert_eq!(keys(&[1]), [("clear", 250), ("missed", 250), ("clear", 250), ("exceptions", 250)]);
        assert_eq!(keys(&[0, 3]), [("missed", 200), ("clear", 400), ("exceptions", 200), ("missed", 200)]);
    }

    #[test]
    fn ids_sort_as_people_count() {
        let mut ids = ["1.10", "1.2", "A.1", "1.2.3"];
        ids.sort_by_key(|id| natural(id));
        assert_eq!(ids, ["1.2", "1.2.3", "1.10", "A.1"]);
    }
}
