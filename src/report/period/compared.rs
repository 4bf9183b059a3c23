//! Several clusters side by side.

use super::facts::{Cluster, Facts};
use crate::{
    period::{
        model::{Course, RequirementPeriod},
        words::duration,
    },
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Requirements printed.
const ROWS: usize = 120;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    if facts.several() {
        blocks.push(Block::Table(Table {
            shape: Shape::Compared,
            about: "Clusters side by side".into(),
            columns: vec!["Cluster", "Runs", "Exceptions in", "None noted in", "Not decided in", "Open", "Longest gap"],
            rows: facts.clusters.iter().map(row).collect(),
            empty: String::new(),
            more: None,
        }));
        blocks.push(Block::heading("Requirements on which clusters differ"));
        blocks.push(Block::Table(differing(facts)));
    }
    Section { title: "Clusters side by side".into(), new_page: true, blocks }
}

fn row(cluster: &Cluster<'_>) -> Vec<Text> {
    let of = |wanted: &[Course]| {
        let count = cluster.rows.iter().filter(|row| wanted.contains(&Course::of(row))).count() as u64;
        Text::from(words::number(count)).soft(format!(" of {}", words::number(cluster.rows.len() as u64)))
    };
    let gap = cluster.all.cadence.longest_gap.as_ref();
    vec![
        Text::new().strong(cluster.name).note(cluster.all.environment.clone().unwrap_or_default()),
        words::number(cluster.all.runs.len() as u64).into(),
        of(&[Course::Exceptions]),
        of(&[Course::Clear, Course::InPart]),
        of(&[Course::Undecided]),
        words::number(cluster.open()).into(),
        gap.map_or_else(|| Text::from("–"), |gap| duration(gap.seconds).into()),
    ]
}

fn differing(facts: &Facts<'_>) -> Table {
    let mut rows: Vec<Vec<Text>> = Vec::new();
    let mut ids: Vec<&str> = Vec::new();
    for row in facts.clusters.iter().flat_map(|cluster| cluster.rows.iter().copied()) {
        if ids.contains(&row.id.as_str()) {
            continue;
        }
        ids.push(&row.id);
        let own: Vec<(&Cluster<'_>, Option<&RequirementPeriod>)> = facts
            .clusters
            .iter()
            .map(|cluster| (cluster, cluster.rows.iter().find(|known| known.id == row.id).copied()))
            .collect();
        let courses: Vec<Option<Course>> = own.iter().map(|(_, row)| row.map(Course::of)).collect();
        if courses.windows(2).any(|pair| pair[0] != pair[1]) {
            rows.push(vec![Text::new().strong(&row.id), said(row, &own)]);
        }
    }
    let table = Table {
        shape: Shape::Notes,
        about: "Requirements on which clusters differ".into(),
        columns: vec!["Id", "What each cluster's runs came to"],
        rows,
        empty: "On every requirement, all clusters came to the same.".into(),
        more: None,
    };
    table.capped(ROWS, "all of them are in \u{201c}Results\u{201d}.")
}

fn said(row: &RequirementPeriod, own: &[(&Cluster<'_>, Option<&RequirementPeriod>)]) -> Text {
    own.iter().fold(Text::from(row.title.as_str()), |text, (cluster, row)| {
        let text = text.line().soft(format!("{}: ", cluster.name));
        match row {
            None => text.soft("does not have this row"),
            Some(row) => {
                let look = match Course::of(row) {
                    Course::Exceptions => Look::Critical,
                    Course::Undecided => Look::Unseen,
                    _ => Look::Soft,
                };
                let effect = row.effectiveness.as_ref().map(|effect| effect.sentence.as_str());
                text.run(look, effect.unwrap_or("people and documents alone"))
            }
        }
    })
}
