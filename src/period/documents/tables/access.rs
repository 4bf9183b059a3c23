//! The population, who held power, what came and went, what was declared.

use super::{
    Table,
    cells::{
        after, by, cited, count, date, finished, joined, named, number, switch, table, text, time, trails, writers,
    },
};
use crate::period::model::{
    ClusterPeriod, DeclarationPeriod, Item, Period, Power, PrivilegedSubject, ScopeChange, ScopeSpan,
};

type Row<'a, T> = (&'a ClusterPeriod, &'a T);

/// One row a member of the population.
pub(super) fn population(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, Item>;
    let rows = period.clusters.iter().flat_map(|c| c.population.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        (
            "population",
            "Population",
            "One row a namespace, node, workload, image or subject: the list that samples are drawn from.",
        ),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("class", "Class", 12, |(_, i)| named(&i.class)),
            text("namespace", "Namespace", 20, |(_, i)| i.namespace.clone()),
            text("kind", "Kind", 18, |(_, i)| Some(i.kind.clone())),
            text("name", "Name", 50, |(_, i)| Some(i.name.clone())),
            number("first_run", "First run", |(_, i)| count(i.first)),
            time("first_seen", "First seen (UTC)", |(c, i)| finished(c, i.first)),
            number("last_run", "Last run", |(_, i)| count(i.last)),
            time("last_seen", "Last seen (UTC)", |(c, i)| finished(c, i.last)),
            number("runs", "Runs that saw it", |(_, i)| count(i.runs)),
            switch("still_there", "There on the last run", |(c, i)| Some(i.last == c.runs.last()?.number)),
            text("evidence", "Evidence", 60, |(_, i)| cited(&i.evidence)),
        ],
    )
}

/// One row a power of a subject through one chain.
pub(super) fn privileged(period: &Period) -> Table<'_> {
    type Of<'a> = (&'a ClusterPeriod, &'a PrivilegedSubject, &'a Power);
    let rows = period
        .clusters
        .iter()
        .flat_map(|c| c.privileged.iter().flat_map(move |subject| subject.powers.iter().map(move |p| (c, subject, p))));
    table::<Of<'_>>(
        (
            "privileged-access",
            "Privileged access",
            "One row a power that leads further, who held it through what, and until when.",
        ),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, ..)| Some(c.folder.clone())),
            text("kind", "Kind", 16, |(_, s, _)| Some(s.kind.clone())),
            text("namespace", "Namespace", 18, |(_, s, _)| s.namespace.clone()),
            text("subject", "Subject", 34, |(_, s, _)| Some(s.name.clone())),
            number("rank", "Rank (0 is worst)", |(.., p)| count(p.rank)),
            text("power", "Power", 34, |(.., p)| Some(p.power.clone())),
            text("place", "In namespace", 18, |(.., p)| p.place.clone()),
            text("through", "Through", 50, |(.., p)| Some(p.through.clone())),
            time("first_seen", "First seen (UTC)", |(c, _, p)| finished(c, p.first)),
            time("last_seen", "Last seen (UTC)", |(c, _, p)| finished(c, p.last)),
            time("gained_after", "Gained after (UTC)", |(c, _, p)| after(c, p.gained)),
            time("gained_by", "Gained by (UTC)", |(c, _, p)| by(c, p.gained)),
            text("given_by", "Given by (client program, or user by audit log)", 40, |(.., p)| writers(&p.given_by)),
            time("binding_created", "Binding made (UTC)", |(.., p)| p.created),
            time("lost_after", "Lost after (UTC)", |(c, _, p)| after(c, p.lost)),
            time("lost_by", "Lost by (UTC)", |(c, _, p)| by(c, p.lost)),
            text("taken_by", "Taken by (client program, or user by audit log)", 40, |(.., p)| writers(&p.taken_by)),
            text("evidence", "Evidence", 60, |(.., p)| cited(&p.evidence)),
            text("evidence_after", "Evidence of the loss", 60, |(.., p)| cited(&p.evidence_after)),
            text("audit_trails", "Evidence of writers", 60, |(c, _, p)| trails(c, &[&p.given_by, &p.taken_by])),
        ],
    )
}

/// One row a change.
pub(super) fn scope_changes(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, ScopeChange>;
    let rows = period.clusters.iter().flat_map(|c| c.scope_changes.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        (
            "scope-changes",
            "Scope changes",
            "One row a namespace, node, version or declaration that came, went or changed.",
        ),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("what", "What", 14, |(_, s)| named(&s.what)),
            text("name", "Name", 40, |(_, s)| Some(s.name.clone())),
            time("after", "After (UTC)", |(c, s)| after(c, Some(s.between))),
            time("by", "By (UTC)", |(c, s)| by(c, Some(s.between))),
            text("before", "Before", 40, |(_, s)| s.before.clone()),
            text("now", "Then", 40, |(_, s)| s.after.clone()),
        ],
    )
}

/// One row a scope and runs that saw the same in it.
pub(super) fn scopes(period: &Period) -> Table<'_> {
    type Of<'a> = Row<'a, ScopeSpan>;
    let rows = period.clusters.iter().flat_map(|c| c.scopes.iter().map(move |row| (c, row)));
    table::<Of<'_>>(
        ("scopes", "Scopes", "One row a declared scope and successive runs that saw the same in it."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(c, _)| Some(c.folder.clone())),
            text("scope", "Scope", 20, |(_, s)| Some(s.scope.clone())),
            time("first", "From the run of (UTC)", |(c, s)| finished(c, s.first)),
            time("last", "To the run of (UTC)", |(c, s)| finished(c, s.last)),
            text("namespaces", "Namespaces", 40, |(_, s)| Some(s.holds.namespaces.join(" "))),
            text("connected", "Namespaces connected to it", 40, |(_, s)| Some(s.holds.connected.join(" "))),
            text("nodes", "Nodes", 40, |(_, s)| Some(s.holds.nodes.join(" "))),
            text("components", "Pods of the control plane", 40, |(_, s)| Some(s.holds.components.join(" "))),
            text("left_out", "Left out by name", 50, |(_, s)| {
                joined(&s.holds.excluded, |out| format!("{}: {}", out.what, out.reason))
            }),
            text("declared_by", "Declared by", 24, |(_, s)| Some(s.holds.declared_by.clone())),
            date("declared_on", "Declared on", |(_, s)| Some(s.holds.declared_on)),
        ],
    )
}

/// One row a waiver, an attestation or a provider's document.
pub(super) fn declarations(period: &Period) -> Table<'_> {
    type Of<'a> = (&'a Period, &'a ClusterPeriod, &'a DeclarationPeriod);
    let rows = period.clusters.iter().flat_map(|c| c.declarations.iter().map(move |row| (period, c, row)));
    table::<Of<'_>>(
        ("declarations", "Declarations", "One row a waiver, an attestation or a provider's document, by its last day."),
        rows,
        vec![
            text("cluster", "Cluster", 20, |(_, c, _)| Some(c.folder.clone())),
            text("kind", "Kind", 12, |(.., d)| Some(d.kind.clone())),
            text("id", "Id", 20, |(.., d)| Some(d.id.clone())),
            date("since", "First day, or day of issue", |(.., d)| d.since),
            date("until", "Last day", |(.., d)| d.until),
            date("expired_after", "Expired in the period, after", |(p, _, d)| d.ended_before(p.last_day())),
            text("last_state", "State on the last run that names it", 16, |(.., d)| {
                d.states.last().map(|span| span.state.clone())
            }),
            time("last_named", "Last run that names it (UTC)", |(_, c, d)| finished(c, d.last_named()?)),
            text("states", "States by run", 50, |(.., d)| {
                joined(&d.states, |span| format!("{}: runs {} to {}", span.state, span.first, span.last))
            }),
            text("note", "Note", 60, |(.., d)| Some(d.note.clone())),
            text("applies_to", "Applies to", 40, |(.., d)| Some(d.applies_to.join(" "))),
            text("exceptions", "Exceptions under it", 24, |(_, c, d)| {
                (d.kind == "waiver").then(|| c.waived_by(&d.id).join(" "))
            }),
            text("files", "Files", 60, |(.., d)| {
                joined(&d.files, |file| {
                    let digest = file.digest.map_or_else(|| "missing".to_owned(), |digest| digest.to_string());
                    format!("{} {digest}{}", file.name, file.path.as_ref().map(|p| format!(" {p}")).unwrap_or_default())
                })
            }),
        ],
    )
}
