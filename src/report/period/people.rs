//! Requirements that people and documents alone answer: what is to be shown, and who attested it.

use super::{
    facts::{Cluster, Facts},
    results::{earlier_reasons, id, in_words, sections, spans},
};
use crate::{
    evaluate::Status,
    period::model::{Course, DeclarationPeriod, RequirementPeriod},
    report::view::{Block, Group, Groups, Shape, Text, words},
};

/// Words before what a person must show, in the reason of a status that waits for a person.
const ASKS: &str = "a person decides";

/// Clusters named in a cell.
const NAMES: usize = 4;

/// Whether no check decides a requirement in any cluster.
pub(super) fn alone(facts: &Facts<'_>, row: &RequirementPeriod) -> bool {
    facts.own(row).iter().all(|(_, row)| Course::of(row) == Course::People)
}

fn is_told(status: &Option<Status>) -> bool {
    matches!(status, Some(Status::Attested | Status::Inherited))
}

/// A count, then those that somebody attested on some run and those that nobody did.
pub(super) fn blocks(facts: &Facts<'_>) -> Vec<Block> {
    let rows: Vec<&RequirementPeriod> = facts.rows.iter().copied().filter(|row| alone(facts, row)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let told = |row: &&RequirementPeriod| facts.own(row).iter().any(|(_, row)| row.statuses.iter().any(is_told));
    let (told, open): (Vec<_>, Vec<_>) = rows.iter().copied().partition(told);
    let mut blocks = vec![
        Block::heading("People alone"),
        Block::Pairs { pairs: facts.clusters.iter().map(|cluster| (cluster.name.to_owned(), counts(cluster))).collect() },
        Block::paragraph(Text::new().soft(
            "No check decides these, or none found anything to look at on any run: a person shows what the third column \
             asks for, and may attest it. Signatories are as written; nobody verified their identity. What they said is in the section \u{201c}Declarations\u{201d}.",
        )),
    ];
    let number = |rows: &[&RequirementPeriod]| words::number(rows.len() as u64);
    blocks.push(Block::heading(format!("People alone: attested or inherited on some run ({})", number(&told))));
    blocks.push(table(facts, Shape::People, &told, "Nobody attested one of these requirements on any run."));
    blocks.push(Block::heading(format!("People alone: without an attestation on any run ({})", number(&open))));
    blocks.push(table(
        facts,
        Shape::PeopleOpen,
        &open,
        "Each of these requirements was attested or inherited on some run.",
    ));
    blocks
}

fn counts(cluster: &Cluster<'_>) -> Text {
    let rows = || cluster.rows.iter().filter(|row| Course::of(row) == Course::People);
    let of = |wanted: &dyn Fn(&RequirementPeriod) -> bool| rows().filter(|row| wanted(row)).count() as u64;
    let last = |row: &RequirementPeriod| row.statuses.last().is_some_and(is_told);
    let some = |row: &RequirementPeriod| row.statuses.iter().any(is_told);
    let (all, last, some) = (rows().count() as u64, of(&last), of(&some));
    Text::from(format!(
        "{} on people and documents alone: attested or inherited on the last run {}; on an earlier run and not on the last \
         {}; on no run {}",
        if all == 1 { "1 requirement rests".to_owned() } else { format!("{} requirements rest", words::number(all)) },
        words::number(last),
        words::number(some - last),
        words::number(all - some),
    ))
}

fn table(facts: &Facts<'_>, shape: Shape, rows: &[&RequirementPeriod], empty: &str) -> Block {
    let group = |(title, rows): (&str, Vec<&RequirementPeriod>)| Group {
        head: Text::new().strong(title),
        rows: rows.into_iter().map(|row| shown(facts, row)).collect(),
        more: None,
    };
    Block::Groups(Groups {
        shape,
        about: "Requirements that people and documents alone answer".into(),
        columns: vec!["Id", "What it asks", "What a person must show", "Attested"],
        groups: sections(rows).into_iter().map(group).collect(),
        empty: empty.into(),
        more: None,
    })
}

fn shown(facts: &Facts<'_>, row: &RequirementPeriod) -> Vec<Text> {
    let owner = row.owner.as_ref().map(|owner| format!("owner {owner}")).unwrap_or_default();
    let asks = Text::from(row.title.as_str()).note(row.periodicity.clone().unwrap_or_default()).note(owner);
    let attested = attested(facts, row);
    let shows = row.note.as_deref().map_or_else(|| Text::new().soft("the framework's file does not say"), Text::from);
    vec![id(facts, row), asks, shows, attested]
}

/// The same, cluster by cluster; what several of them say stands once.
fn attested(facts: &Facts<'_>, row: &RequirementPeriod) -> Text {
    let mut said: Vec<(Text, Vec<&str>)> = Vec::new();
    for (cluster, row) in facts.own(row) {
        let text = by(cluster, row);
        match said.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) => names.push(cluster.name),
            None => said.push((text, vec![cluster.name])),
        }
    }
    let all = said.len() == 1;
    said.into_iter().fold(Text::new(), |whole, (text, names)| {
        let whole = if all { whole } else { whole.lines(Text::new().soft(words::some_of(&names, NAMES))) };
        whole.lines(text)
    })
}

/// Who attested it and until when, and what runs said where that is not the same of each.
fn by(cluster: &Cluster<'_>, row: &RequirementPeriod) -> Text {
    let full = row.full_id();
    let about = |said: &DeclarationPeriod| match said.kind.as_str() {
        "waiver" => false,
        "attestation" => said.about.contains(&full) || said.applies_to.contains(&full),
        _ => said.applies_to.contains(&full),
    };
    let mut text = Text::new();
    for (at, said) in cluster.all.declarations.iter().enumerate().filter(|(_, said)| about(said)) {
        text = text.lines(Text::new().code(&said.id).to(cluster.declaration_place(at)).plain(format!(" {}", said.by)));
        text = text.note(words::days(said.since, said.until));
    }
    text = match (text.0.is_empty(), row.statuses.iter().any(is_told)) {
        (true, false) => Text::new().soft("no"),
        (true, true) => Text::new().soft("by a declaration that is not in this package"),
        (false, false) => text.note("in force on no run"),
        (false, true) => text,
    };
    let spans = spans(&row.statuses);
    let waits = |status: Option<Status>| status == Some(Status::Manual);
    if spans.len() != 1 || !(waits(spans[0].status) || is_told(&spans[0].status)) {
        text = text.note(in_words(cluster, &spans)).linked(|word| cluster.place(word));
    }
    // What a person must show stands beside it; an attestation's reason names what stands above.
    let reason = row
        .reasons
        .last()
        .map(|last| last.reason.as_str())
        .filter(|reason| !reason.starts_with(ASKS) && row.statuses.last() != Some(&Some(Status::Attested)));
    text.note(words::sentence_case(reason.unwrap_or_default())).note(earlier_reasons(row))
}
