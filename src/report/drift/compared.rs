//! What was compared with what, by whose word, and how to make the document again.

use super::{
    document::{DriftInput, DriftSide, Origin},
    facts::{Facts, dotted},
};
use crate::{
    drift::Part,
    period::words::duration,
    report::{
        typst_world::Attached,
        view::{self, Block, Look, SIGNATURE, Section, Shape, Table, Text, words},
    },
};

/// Title of the part that says it.
pub(super) const TITLE: &str = "What was compared";

/// Name of the file that the PDF carries outside of a bundle.
const ROOTS: &str = "evidence-roots.txt";
/// The same inside of one, where `verify` reads it.
const ROOT: &str = "evidence-root.txt";

/// `shop-prod`, or both names.
pub(super) fn clusters(input: &DriftInput<'_>) -> String {
    match input.old.cluster == input.new.cluster {
        true => input.new.cluster.clone(),
        false => format!("{} and {}", input.old.cluster, input.new.cluster),
    }
}

/// `26 Oct 2026 06:00 to 23 Nov 2026 06:00 UTC`.
pub(super) fn span(input: &DriftInput<'_>) -> String {
    format!("{} to {} UTC", words::full_time(input.old.finished), words::full_time(input.new.finished))
}

/// `28 days`; a clock that went back says so.
pub(super) fn interval(input: &DriftInput<'_>) -> String {
    let seconds = (input.new.finished - input.old.finished).num_seconds();
    match seconds {
        0.. => duration(seconds),
        _ => format!("{} backwards", duration(-seconds)),
    }
}

pub(super) fn foot(input: &DriftInput<'_>) -> Text {
    let root = |side: &DriftSide| side.proof().map(|proof| view::shortened(&proof.evidence_root.hex()));
    match (root(input.old), root(input.new)) {
        (None, None) => "no signed evidence: nothing here was verified".into(),
        (old, new) => {
            let or_none = |root: Option<String>| root.unwrap_or_else(|| "not signed".into());
            Text::from("evidence roots ").code(or_none(old)).plain(" and ").code(or_none(new))
        }
    }
}

/// The roots for machines. A document inside of a bundle carries that bundle's root alone, as every PDF there.
pub(super) fn attached(input: &DriftInput<'_>) -> Option<Attached> {
    if let Origin::Own(proof) = &input.new.origin {
        return Some(Attached {
            name: ROOT,
            about: "The evidence root of the bundle that this document belongs to",
            content: format!("{}\n", proof.evidence_root.hex()),
        });
    }
    let sides = [("old", input.old), ("new", input.new)];
    let lines = sides.iter().filter_map(|(name, side)| Some(format!("{name} {}\n", side.proof()?.evidence_root.hex())));
    let content: String = lines.collect();
    (!content.is_empty()).then_some(Attached {
        name: ROOTS,
        about: "The evidence roots of the bundles that were compared",
        content,
    })
}

/// What the document is limited to, in one sentence; `None` where it holds everything.
pub(super) fn limits(input: &DriftInput<'_>) -> Option<String> {
    let selection = input.selection;
    let parts: Vec<&str> = selection.parts.iter().map(|part| part_word(*part)).collect();
    let parts = (!parts.is_empty()).then(|| format!("only {}", parts.join(" and ")));
    let severity = selection.severity.map(|least| format!("severity {} and above", words::severity(least)));
    let namespace = selection.namespace.as_ref().map(|namespace| format!("namespace {namespace}"));
    let said: Vec<String> = parts.into_iter().chain(severity).chain(namespace).collect();
    let whole = match selection.namespace {
        Some(_) => " Declarations, rules and lists are the whole cluster's.",
        None => "",
    };
    let said = said.join(", ");
    (!said.is_empty())
        .then(|| format!("Filtered: {said}. What else changed is neither listed nor counted here.{whole}"))
}

fn part_word(part: Part) -> &'static str {
    match part {
        Part::Findings => "exceptions",
        Part::Permissions => "permissions",
        Part::Objects => "objects",
        Part::Rules => "rules",
    }
}

/// The bundle with its log entry, or the path: its end, where only so many columns are there.
pub(super) fn origin(side: &DriftSide, columns: Option<usize>) -> Text {
    match &side.origin {
        Origin::Bundle { id, index, .. } => {
            let entry = index.map_or_else(String::new, |index| format!(", log entry {}", words::number(index)));
            Text::from("bundle ").code(&id[..id.len().min(12)]).plain(entry)
        }
        Origin::Own(_) => "the bundle that this document lies in".into(),
        Origin::Unsigned(path) => {
            Text::new().code(columns.map_or_else(|| path.clone(), |columns| end(path, columns))).plain(", not signed")
        }
    }
}

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let input = facts.input;
    let method = "The earlier state was judged again by the rules of the later one, so that a change of the rules is not \
                  taken for a change of the cluster. Every change has one cause. Names and times of writers are what \
                  the objects' field managers claim.";
    let mut blocks = vec![Block::paragraph(method), Block::Table(sides(input)), Block::paragraph(trust(input))];
    blocks.extend(limits(input).map(Block::paragraph));
    blocks.push(Block::heading("To make this document again"));
    blocks.push(Block::Commands { lines: vec![input.again.to_owned()] });
    Section { title: TITLE.into(), new_page: false, blocks }
}

/// What stands behind the two sides.
pub(super) fn trust(input: &DriftInput<'_>) -> Text {
    match (input.old.proof(), input.new.proof()) {
        (None, None) => Text::new().run(Look::Unseen, "Nothing was verified: ").plain(
            "recordings and manifests carry no signature. Compare two bundles for a document that rests on evidence.",
        ),
        (Some(_), Some(_)) => SIGNATURE.into(),
        _ => Text::new()
            .run(Look::Unseen, "One side was not verified: ")
            .plain(format!("it carries no signature. Of the other: {SIGNATURE}")),
    }
}

fn sides(input: &DriftInput<'_>) -> Table {
    type Said = fn(&DriftSide) -> Text;
    let rows: [(&str, Said); 9] = [
        ("Cluster", |side| Text::from(side.cluster.clone()).note(platform(side))),
        ("Evidence", whole_origin),
        ("Collected", |side| {
            let same_day = side.started.date_naive() == side.finished.date_naive();
            let end = side.finished.format(if same_day { "%H:%M:%S" } else { "%-d %b %Y %H:%M:%S" });
            format!("{} – {end} UTC", side.started.format("%-d %b %Y %H:%M:%S")).into()
        }),
        ("Seen", |side| {
            let (seen, asked) = side.lists;
            let objects = words::count(side.objects, "object", "objects");
            format!("{objects} of {} of {} lists", words::number(seen), words::number(asked)).into()
        }),
        ("Judged by", |side| format!("kubeproof {}", side.engine).into()),
        ("Frameworks", |side| match side.frameworks.is_empty() {
            true => "none".into(),
            false => side.frameworks.join(", ").into(),
        }),
        ("Rules", |side| {
            let files = words::count(side.rule_files, "file", "files");
            Text::from(format!("{files}, ")).code(side.rules.short(16))
        }),
        ("Evidence root", |side| proved(side, |proof| proof.evidence_root.hex())),
        ("Key", |side| match side.origin {
            Origin::Own(_) => proved(side, |proof| proof.signing_key.hex()).note("it signs this bundle"),
            Origin::Bundle { .. } => proved(side, |proof| proof.signing_key.hex()).note("verified with it"),
            Origin::Unsigned(_) => "–".into(),
        }),
    ];
    let rows = rows.map(|(name, said)| vec![Text::new().soft(name), said(input.old), said(input.new)]);
    Table {
        shape: Shape::Sides,
        about: "Both sides of the comparison".into(),
        columns: vec!["", "Before", "After"],
        rows: rows.into(),
        empty: String::new(),
        more: None,
    }
}

fn whole_origin(side: &DriftSide) -> Text {
    match &side.origin {
        Origin::Bundle { id, .. } => origin(side, None).line().code(id),
        Origin::Own(_) | Origin::Unsigned(_) => origin(side, None),
    }
}

fn proved(side: &DriftSide, said: impl Fn(&super::document::Proof) -> String) -> Text {
    side.proof().map_or_else(|| "–".into(), |proof| Text::new().code(said(proof)))
}

/// The end of a path tells it from others.
fn end(path: &str, letters: usize) -> String {
    let cut = path.chars().count().saturating_sub(letters);
    if cut == 0 { path.to_owned() } else { format!("…{}", path.chars().skip(cut).collect::<String>()) }
}

fn platform(side: &DriftSide) -> String {
    let version = side.kubernetes.as_ref().map(|version| format!("Kubernetes {version}"));
    dotted(&[side.platform.as_deref().unwrap_or_default(), version.as_deref().unwrap_or_default()])
}
