//! Privileged access: who held powers that lead further, and what changed.

use super::{
    exceptions::writers,
    facts::{Cluster, Facts},
};
use crate::{
    period::model::{Power, PrivilegedSubject},
    report::view::{Block, Look, Section, Shape, Table, Text},
};

/// Powers printed in each table.
const POWERS: usize = 80;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "Powers that lead to others: reading Secrets, running commands in pods, creating pods, changing or impersonating \
         identities. Roles that every cluster brings are not listed.",
    )];
    for cluster in &facts.clusters {
        blocks.push(facts.heading(cluster, "Gained or lost in the period"));
        blocks.push(Block::Table(changed(cluster)));
        blocks.push(facts.heading(cluster, "Held"));
        blocks.push(Block::Table(held(cluster)));
    }
    Section { title: "Privileged access".into(), new_page: false, blocks }
}

fn powers<'a>(cluster: &Cluster<'a>) -> impl Iterator<Item = (&'a PrivilegedSubject, &'a Power)> {
    cluster.all.privileged.iter().flat_map(|subject| subject.powers.iter().map(move |power| (subject, power)))
}

fn is_changed(power: &Power) -> bool {
    power.gained.is_some() || power.lost.is_some()
}

fn changed(cluster: &Cluster<'_>) -> Table {
    let rows =
        powers(cluster).filter(|(_, power)| is_changed(power)).map(|(subject, power)| row(cluster, subject, power));
    table(
        rows.collect(),
        match cluster.all.runs.len() {
            0 | 1 => "It takes two runs to see a change of access.",
            _ => "Nobody gained or lost such a power in this period.",
        },
    )
}

fn held(cluster: &Cluster<'_>) -> Table {
    let rows =
        powers(cluster).filter(|(_, power)| !is_changed(power)).map(|(subject, power)| row(cluster, subject, power));
    let changed = powers(cluster).any(|(_, power)| is_changed(power));
    table(
        rows.collect(),
        if changed {
            "Beside those above, no subject held a power that leads further."
        } else {
            "No run saw a subject that held a power that leads further, beside the cluster's stock roles."
        },
    )
}

fn table(rows: Vec<Vec<Text>>, empty: &str) -> Table {
    let table = Table {
        shape: Shape::Held,
        about: "Subjects with privileged access".into(),
        columns: vec!["Subject", "Can, and through what", "Since and until", "Given by"],
        rows,
        empty: empty.into(),
        more: None,
    };
    table.capped(POWERS, "all of them are in data/period.json, privileged.")
}

fn row(cluster: &Cluster<'_>, subject: &PrivilegedSubject, power: &Power) -> Vec<Text> {
    let path = subject.namespace.as_ref().map_or_else(|| subject.name.clone(), |ns| format!("{ns}/{}", subject.name));
    let place = power.place.as_deref().map_or("in the whole cluster".to_owned(), |place| format!("in {place}"));
    let since = match power.gained {
        Some(bounds) => Text::new().run(Look::High, "gained").note(cluster.between(bounds)),
        None => Text::from(format!("before {}", cluster.when(power.first))),
    };
    let until = match power.lost {
        Some(bounds) => since.line().run(Look::Good, "lost").note(cluster.between(bounds)),
        None => since.note(format!("still on {}", cluster.at(power.last))),
    };
    let by = if power.given_by.is_empty() { Text::new().soft("not known") } else { writers(&power.given_by).into() };
    vec![
        Text::new().strong(path).note(&subject.kind),
        Text::from(power.power.as_str()).plain(format!(" {place}")).note(&power.through),
        until,
        by,
    ]
}
