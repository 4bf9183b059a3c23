//! Privileged access: who holds powers that lead further.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Block, Facts, Section,
    text::{Shape, Table, Text},
    words,
};
use crate::rbac::{self, Risk};

/// Subjects printed.
const SUBJECTS: usize = 60;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut subjects: BTreeMap<Subject<'_>, Held<'_>> = BTreeMap::new();
    let mut stock: BTreeSet<Subject<'_>> = BTreeSet::new();
    for grant in &facts.input.snapshot.grants {
        let Some(risk) = rbac::risk(grant) else { continue };
        let subject = (grant.subject_kind.as_str(), grant.subject_namespace.as_deref(), grant.subject_name.as_str());
        if grant.stock {
            stock.insert(subject);
            continue;
        }
        let held = subjects.entry(subject).or_default();
        held.risks.insert(risk);
        held.places.insert(grant.namespace.as_deref().unwrap_or("whole cluster"));
        held.through.insert(format!("{} {}", grant.binding_kind, grant.binding));
    }
    let mut subjects: Vec<_> = subjects.into_iter().collect();
    subjects.sort_by_key(|(subject, held)| (held.risks.first().copied(), *subject));
    let rows = subjects.into_iter().map(|(subject, held)| row(subject, &held)).collect();
    let table = Table {
        shape: Shape::Access,
        about: "Subjects with privileged access".into(),
        columns: vec!["Subject", "Can", "Where", "Through"],
        rows,
        empty: "Beside the cluster's stock roles, no subject holds a power that leads further.".into(),
        more: None,
    };
    let intro = format!(
        "Powers that lead to others: reading Secrets, running commands in pods, creating pods, changing or impersonating \
         identities. {} such powers through roles that every cluster brings and are not listed.",
        words::count(stock.len() as u64, "subject holds", "subjects hold")
    );
    let blocks =
        vec![Block::paragraph(intro), Block::Table(table.capped(SUBJECTS, "all of them are in grants.parquet."))];
    Section { title: "Privileged access".into(), new_page: false, blocks }
}

type Subject<'a> = (&'a str, Option<&'a str>, &'a str);

#[derive(Default)]
struct Held<'a> {
    risks: BTreeSet<Risk>,
    places: BTreeSet<&'a str>,
    through: BTreeSet<String>,
}

fn row((kind, namespace, name): Subject<'_>, held: &Held<'_>) -> Vec<Text> {
    let path = namespace.map_or_else(|| name.to_owned(), |ns| format!("{ns}/{name}"));
    let powers: Vec<&str> = held.risks.iter().map(|r| r.words()).collect();
    let places: Vec<&&str> = held.places.iter().collect();
    let through: Vec<&String> = held.through.iter().collect();
    vec![
        Text::new().strong(path).note(kind),
        powers.join(", ").into(),
        words::some_of(&places, 3).into(),
        words::some_of(&through, 2).into(),
    ]
}
