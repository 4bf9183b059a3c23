//! The first page: what the document is about, one sentence, five numbers, what to read before them, the seal.

use serde::Serialize;

use super::facts::{Cluster, Facts};
use crate::{
    period::{model::Course, words::duration},
    report::view::{Bar, Key, Look, Part, SIGNATURE, Seal, Shape, Table, Text, Tile, words},
};

/// Remarks on the first page.
const REMARKS: usize = 8;

/// The first page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cover {
    /// The framework.
    name: String,
    /// Clusters and environments.
    about: String,
    /// Period and date, on two lines.
    dates: [String; 2],
    /// What the package was limited to.
    scope: Text,
    /// The period in one sentence or three.
    sentence: Text,
    /// Five numbers.
    tiles: Vec<Tile>,
    /// A bar for each cluster.
    bars: Vec<Bar>,
    /// What the colours mean: the titles of the bars' counts.
    keys: Vec<Key>,
    /// What the counts are and are not.
    bars_note: String,
    /// What a reader should know before the numbers.
    remarks: Table,
    /// What to compare and what it shows.
    seal: Seal,
}

pub(super) fn page(facts: &Facts<'_>) -> Cover {
    let period = facts.period;
    Cover {
        name: facts.name(),
        about: about(facts),
        dates: [words::span(period.from, period.to), format!("Made {} UTC", words::full_time(period.made))],
        scope: scope(facts),
        sentence: sentence(facts),
        tiles: tiles(facts),
        bars: bars(facts),
        keys: KINDS.iter().map(|(_, key)| key.clone()).collect(),
        bars_note:
            "Counts of requirements, not a score. \u{201c}None noted\u{201d} means that no run saw an exception in \
                    what a cluster can show; for a law or a standard that alone is not compliance."
                .into(),
        remarks: remarks(facts),
        seal: seal(facts),
    }
}

fn about(facts: &Facts<'_>) -> String {
    let said: Vec<String> = facts
        .clusters
        .iter()
        .map(|cluster| match &cluster.all.environment {
            Some(environment) => format!("{} ({environment})", cluster.name),
            None => cluster.name.to_owned(),
        })
        .collect();
    words::some_of(&said, 6)
}

fn scope(facts: &Facts<'_>) -> Text {
    Text::new().soft(match facts.scope() {
        Some(scope) => format!(
            "Scope: \u{201c}{scope}\u{201d}, as it was declared on each run; the section \u{201c}Scope\u{201d} says what it holds."
        ),
        None => "Scope: the whole of each cluster.".into(),
    })
}

fn sum(facts: &Facts<'_>, of: impl Fn(&Cluster<'_>) -> u64) -> u64 {
    facts.clusters.iter().map(of).sum()
}

/// Requirements by id: one that had exceptions in any cluster had exceptions.
fn worst(facts: &Facts<'_>, wanted: Course) -> u64 {
    let mut ids: Vec<&str> = facts
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.rows)
        .filter(|row| Course::of(row) == wanted)
        .map(|row| row.id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() as u64
}

fn sentence(facts: &Facts<'_>) -> Text {
    let runs = facts.period.runs() as u64;
    if runs == 0 {
        let text = "No run of this period is proved: nothing can be said of any requirement on any day of it.";
        return Text::new().run(Look::Unseen, text);
    }
    let mut text = Text::from(format!("{}: ", words::count(runs, "verified run", "verified runs")));
    let found = sum(facts, |cluster| cluster.exceptions.len() as u64);
    let open = sum(facts, |cluster| cluster.open());
    text = match found {
        0 => text.plain("no exception in this period. "),
        found => {
            let text = text.run(Look::Critical, words::count(found, "exception", "exceptions"));
            let deciding = sum(facts, |cluster| cluster.deciding as u64);
            let text = match found - deciding {
                0 => text,
                rest => text.plain(format!(
                    " ({} a requirement, {} one)",
                    words::count(deciding, "decides", "decide"),
                    words::count(rest, "supports", "support")
                )),
            };
            match open {
                0 => text.plain(", none of them open on the last run. "),
                open if open == found => text.plain(", all of them open on the last run. "),
                open => text.plain(format!(", {} of them still open on the last run. ", words::number(open))),
            }
        }
    };
    let longest = facts.clusters.iter().filter_map(|cluster| cluster.all.cadence.longest_gap.as_ref());
    match longest.map(|gap| gap.seconds).max() {
        Some(seconds) => {
            text.plain(format!("The longest time without a run that saw the cluster: {}.", duration(seconds)))
        }
        None => text.run(Look::Unseen, "No run saw the cluster."),
    }
}

fn tiles(facts: &Facts<'_>) -> Vec<Tile> {
    let tile = |n: u64, label: String, look| Tile { number: words::number(n), label, look };
    let expected: Option<u64> = facts.clusters.iter().map(|cluster| cluster.all.cadence.expected.map(u64::from)).sum();
    let runs = facts.period.runs() as u64;
    let missed = sum(facts, |cluster| cluster.all.cadence.missed.len() as u64);
    let found = sum(facts, |cluster| cluster.exceptions.len() as u64);
    let (first, unseen) = match expected {
        Some(expected) => (
            format!("verified runs; {} were due", words::number(expected)),
            tile(missed, if missed == 1 { "run missed" } else { "runs missed" }.into(), Look::Unseen),
        ),
        None => {
            let partial = sum(facts, |cluster| cluster.all.cadence.partial.len() as u64);
            ("verified runs".into(), tile(partial, "runs did not see everything".into(), Look::Unseen))
        }
    };
    vec![
        tile(runs, first, Look::Strong),
        tile(worst(facts, Course::Exceptions), "requirements with exceptions".into(), Look::Critical),
        tile(
            sum(facts, |cluster| cluster.open()),
            format!("of {} still open", words::count(found, "exception", "exceptions")),
            Look::High,
        ),
        tile(worst(facts, Course::People), "rest on people alone".into(), Look::Person),
        unseen,
    ]
}

const KINDS: [(Course, Key); 6] = [
    (Course::Exceptions, Key { key: "exceptions", short: "exceptions", text: "an exception in some run" }),
    (Course::Clear, Key { key: "clear", short: "none noted", text: "none noted in any run" }),
    (Course::InPart, Key { key: "partial", short: "in part", text: "none noted, a person adds the rest" }),
    (Course::People, Key { key: "person", short: "person", text: "people and documents alone" }),
    (Course::Undecided, Key { key: "unseen", short: "incomplete", text: "not decided in some run" }),
    (Course::NotApplicable, Key { key: "na", short: "n/a", text: "not applicable" }),
];

fn bars(facts: &Facts<'_>) -> Vec<Bar> {
    facts.clusters.iter().filter(|cluster| !cluster.rows.is_empty()).map(bar).collect()
}

fn bar(cluster: &Cluster<'_>) -> Bar {
    let of = |course: Course| cluster.rows.iter().filter(|row| Course::of(row) == course).count() as u64;
    let counts: Vec<u64> = KINDS.iter().map(|(course, _)| of(*course)).collect();
    let spans = KINDS.iter().zip(&counts).map(|((_, key), count)| (key.key, *count));
    Bar {
        name: cluster.name.to_owned(),
        parts: parts(spans),
        counts: counts.iter().map(|count| words::number(*count)).collect(),
    }
}

/// Counts as parts of a bar; those of nothing are left out.
pub(super) fn parts(counts: impl Iterator<Item = (&'static str, u64)> + Clone) -> Vec<Part> {
    let total = counts.clone().map(|(_, count)| count).sum::<u64>().max(1);
    let mut before = 0;
    let parts = counts.filter(|(_, count)| *count > 0).map(|(key, count)| {
        let from = before * 1000 / total;
        before += count;
        Part { from, share: before * 1000 / total - from, key }
    });
    parts.collect()
}

fn remarks(facts: &Facts<'_>) -> Table {
    let rows = facts.clusters.iter().flat_map(|cluster| {
        let said = cluster.all.remarks.iter().map(|remark| remark.text.clone()).chain(gaps(facts, cluster));
        said.map(|text| {
            let text = Text::from(words::sentence_case(&text)).linked(|word| cluster.place(word));
            vec![Text::new().strong(cluster.name), text]
        })
    });
    let table = Table {
        shape: Shape::Notes,
        about: "What to know before the numbers".into(),
        columns: vec!["Cluster", "What to know before the numbers"],
        rows: rows.collect(),
        empty: "Nothing sets one run apart from the others: one tool, one set of rules, no run known to be missing."
            .into(),
        more: None,
    };
    table.capped(REMARKS, "all of them are in workbook.xlsx, sheets Remarks and Cadence.")
}

/// Gaps that a row of this framework does not allow.
fn gaps(facts: &Facts<'_>, cluster: &Cluster<'_>) -> Vec<String> {
    let cadence = &cluster.all.cadence;
    let mut said = Vec::new();
    let own = |id: &String| id.strip_prefix(&facts.framework.id).is_some_and(|rest| rest.starts_with('/'));
    let shortest =
        cadence.periodicities.iter().find(|row| !row.exceeded.is_empty() && row.requirements.iter().any(own));
    if let Some(row) = shortest {
        let gaps = words::count(row.exceeded.len() as u64, "gap is", "gaps are");
        said.push(format!(
            "{gaps} longer than the {} that rows of this framework allow",
            duration(row.allowed_seconds)
        ));
    }
    said
}

fn seal(facts: &Facts<'_>) -> Seal {
    let halves = |hex: String| [words::grouped(&hex[..32]), words::grouped(&hex[32..])];
    Seal {
        key: halves(facts.about.signing_key.hex()),
        root: halves(facts.about.root.hex()),
        follows: "the root of the package that this document belongs to".into(),
        sentence: format!("{SIGNATURE} To check it yourself: \u{201c}How to verify\u{201d}, at the end."),
    }
}
