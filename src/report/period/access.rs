//! Privileged access: who held powers that lead further, and what changed.

use super::{
    exceptions::writers,
    facts::{Cluster, Facts},
};
use crate::{
    period::model::{Power, PrivilegedSubject},
    report::view::{Block, Look, Section, Shape, Table, Text, words},
};

/// Powers printed in each table.
const POWERS: usize = 80;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "Powers that lead to others: reading Secrets, running commands in pods, creating pods, changing or impersonating \
         identities. Roles that every cluster brings are not listed. Of a write the API server \
         notes the client program (kubectl-create, helm) and its last time, no person; an audit log, where one was read, \
         names the user.",
    )];
    for cluster in &facts.clusters {
        blocks.push(facts.heading(cluster, "Gained or lost in the period"));
        blocks.push(Block::Table(changed(cluster)));
        blocks.push(facts.heading(cluster, "Held"));
        blocks.push(Block::Table(held(cluster)));
    }
    Section { title: "Privileged access".into(), new_page: false, blocks }
}

/// Powers that one subject got through one chain, over the same runs.
struct Held<'a> {
    subject: &'a PrivilegedSubject,
    power: &'a Power,
    names: Vec<&'a str>,
}

impl Held<'_> {
    fn holds(&self, subject: &PrivilegedSubject, power: &Power) -> bool {
        let chain = |power: &Power| (power.place.clone(), power.through.clone(), power.first, power.last);
        let change = |power: &Power| (power.gained, power.lost);
        std::ptr::eq(self.subject, subject) && chain(self.power) == chain(power) && change(self.power) == change(power)
    }
}

fn powers<'a>(cluster: &Cluster<'a>, changed: bool) -> Vec<Held<'a>> {
    let mut held: Vec<Held<'a>> = Vec::new();
    for subject in &cluster.all.privileged {
        let begin = held.len();
        for power in subject.powers.iter().filter(|power| is_changed(power) == changed) {
            match held[begin..].iter_mut().find(|known| known.holds(subject, power)) {
                Some(known) => known.names.push(&power.power),
                None => held.push(Held { subject, power, names: vec![&power.power] }),
            }
        }
    }
    held
}

fn is_changed(power: &Power) -> bool {
    power.gained.is_some() || power.lost.is_some()
}

fn changed(cluster: &Cluster<'_>) -> Table {
    let empty = match cluster.all.runs.len() {
        0 | 1 => "It takes two runs to see a change of access.",
        _ => "Nobody gained or lost such a power in this period.",
    };
    table(cluster, &powers(cluster, true), empty)
}

fn held(cluster: &Cluster<'_>) -> Table {
    let empty = if powers(cluster, true).is_empty() {
        "No run saw a subject that held a power that leads further, beside the cluster's stock roles."
    } else {
        "Beside those above, no subject held a power that leads further."
    };
    table(cluster, &powers(cluster, false), empty)
}

fn table(cluster: &Cluster<'_>, held: &[Held<'_>], empty: &str) -> Table {
    let table = Table {
        shape: Shape::Held,
        about: "Subjects with privileged access".into(),
        columns: vec!["Subject", "Can, and through what", "Since and until", "Given and taken by"],
        rows: held.iter().map(|held| row(cluster, held)).collect(),
        empty: empty.into(),
        more: None,
    };
    table.capped(POWERS, "all of them are in workbook.xlsx, sheet Privileged access.")
}

fn row(cluster: &Cluster<'_>, held: &Held<'_>) -> Vec<Text> {
    let (subject, power) = (held.subject, held.power);
    let path = subject.namespace.as_ref().map_or_else(|| subject.name.clone(), |ns| format!("{ns}/{}", subject.name));
    let place = power.place.as_deref().map_or("in the whole cluster".to_owned(), |place| format!("in {place}"));
    let since = match power.gained {
        Some(bounds) => Text::new().run(Look::High, "gained").note(cluster.between(bounds)),
        None => Text::from(format!("before {}", cluster.when(power.first))),
    };
    let until = match power.lost {
        Some(bounds) => since.line().run(Look::Good, "lost").note(cluster.between(bounds)),
        None => since.note(format!("last seen {}", cluster.at(power.last))),
    };
    vec![
        Text::new().strong(path).note(&subject.kind),
        Text::from(held.names.join(", ")).plain(format!(" {place}")).note(&power.through),
        until.linked(|word| cluster.place(word)),
        by(power),
    ]
}

/// Who gave a power, and who took it.
fn by(power: &Power) -> Text {
    let given = match (power.given_by.is_empty(), power.gained) {
        (false, _) => writers(&power.given_by).into(),
        (true, Some(_)) => Text::new().soft("not known who gave it"),
        (true, None) => Text::new().soft("given before the period"),
    };
    let given = match power.created {
        Some(at) => given.note(format!("binding made {}", words::full_time(at))),
        None => given,
    };
    match (power.lost, power.taken_by.is_empty()) {
        (None, _) => given,
        (Some(_), true) => given.note("not known who took it"),
        (Some(_), false) => given.note("taken by").line().plain(writers(&power.taken_by)),
    }
}
