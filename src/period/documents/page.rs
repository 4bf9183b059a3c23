//! `index.html`: where a reader begins. It opens from the disk, loads nothing, and links to every other document.

use std::{cmp::Reverse, collections::BTreeMap};

use minijinja::{Value, context, value::Serde};
use serde::Serialize;

use super::{About, DocumentError, Folder, readme, tables};
use crate::{
    clock::rfc3339,
    period::{
        model::{ClusterPeriod, Course, Ending, Exception, FrameworkPeriod, Period},
        words,
    },
    report::{self, view as report_view, view::words as report_words},
};

/// Name of the page.
const FILE: &str = "index.html";

/// Rows of a table; the workbook holds all.
const ROWS: usize = 100;

const PAGE: (&str, &str) = ("period.html", include_str!("../../../templates/period.html"));

#[derive(Serialize)]
struct Tile {
    number: String,
    label: &'static str,
    look: &'static str,
}

/// One cluster beside the others.
#[derive(Serialize)]
struct Cluster<'a> {
    folder: &'a str,
    environment: &'a str,
    runs: usize,
    due: String,
    excluded: usize,
    partial: usize,
    longest: String,
    exceptions: usize,
    open: usize,
    repaired: usize,
    by_rules: usize,
    unseen: usize,
    remarks: Vec<&'a str>,
}

/// What became of the requirements of one framework in one cluster, as the first page of its PDF counts it.
#[derive(Default, Serialize)]
struct Operation<'a> {
    framework: &'a str,
    cluster: &'a str,
    requirements: usize,
    excepted: usize,
    clear: usize,
    in_part: usize,
    people: usize,
    undecided: usize,
    not_applicable: usize,
}

#[derive(Serialize)]
struct Open<'a> {
    id: &'a str,
    cluster: &'a str,
    severity: &'static str,
    message: &'a str,
    object: String,
    owner: &'a str,
    since: String,
    state: String,
}

/// A document in all its forms.
#[derive(Serialize)]
struct Document<'a> {
    about: String,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    size: String,
}

/// The page.
pub(super) fn write(period: &Period, about: &About, folder: Folder<'_>) -> Result<(), DocumentError> {
    let others = folder.sizes();
    let (open, left) = open(period);
    let said = context! {
        from => period.from.to_string(),
        to => period.to.to_string(),
        made => rfc3339(period.made),
        tool => &period.tool_version,
        marking => report_view::marking(period.confidentiality.as_deref()),
        store => period.stores.join(", "),
        filter => Value::from(Serde(&period.filter)),
        tiles => Value::from(Serde(tiles(period))),
        clusters => Value::from(Serde(period.clusters.iter().map(cluster).collect::<Vec<_>>())),
        operations => Value::from(Serde(operations(period))),
        open => Value::from(Serde(open)),
        left => (left > 0).then(|| report_words::number(left as u64)),
        results => period.clusters.iter().any(|cluster| !cluster.results.is_empty()),
        documents => Value::from(Serde(listed(period, &others))),
        commands => readme::commands(),
        commands_about => readme::COMMANDS_ABOUT,
        key => about.signing_key.hex(),
        root => about.root.hex(),
        several => period.clusters.len() > 1,
    };
    Ok(folder.put(FILE, report::page(PAGE, said)?.as_bytes())?)
}

fn tiles(period: &Period) -> Vec<Tile> {
    let exceptions = || period.clusters.iter().flat_map(|cluster| &cluster.exceptions);
    let open = exceptions().filter(|x| x.ending == Ending::Open).count();
    let unseen = exceptions().filter(|x| matches!(x.ending, Ending::NotSeenSince { .. })).count();
    let gap =
        period.clusters.iter().filter_map(|cluster| cluster.cadence.longest_gap.as_ref()).map(|gap| gap.seconds).max();
    let tile = |count: usize, label, bad: &'static str| Tile {
        number: report_words::number(count as u64),
        label,
        look: if count == 0 { "good" } else { bad },
    };
    vec![
        Tile { number: report_words::number(period.runs() as u64), label: "bundles proved", look: "soft" },
        tile(period.excluded(), "bundles left out", "critical"),
        tile(exceptions().count(), "exceptions", "high"),
        tile(open, "still open", "critical"),
        tile(unseen, "not seen since", "unseen"),
        Tile {
            number: gap.map_or_else(|| "none".into(), words::duration),
            label: "longest time without a run",
            look: "soft",
        },
    ]
}

fn cluster(cluster: &ClusterPeriod) -> Cluster<'_> {
    let cadence = &cluster.cadence;
    let of = |wanted: &dyn Fn(&Exception) -> bool| cluster.exceptions.iter().filter(|x| wanted(x)).count();
    let open = of(&|x| x.ending == Ending::Open);
    Cluster {
        folder: &cluster.folder,
        environment: cluster.environment.as_deref().unwrap_or_default(),
        runs: cluster.runs.len(),
        due: cadence.expected.map_or_else(|| "no schedule".into(), |due| format!("{} of {due}", cadence.met)),
        excluded: cluster.excluded.len(),
        partial: cadence.partial.len(),
        longest: cadence.longest_gap.as_ref().map_or_else(|| "no run".into(), |gap| words::duration(gap.seconds)),
        exceptions: cluster.exceptions.len(),
        open,
        repaired: of(&|x| x.ending.is_repair()),
        by_rules: of(&|x| matches!(x.ending, Ending::Ended { .. }) && !x.ending.is_repair()),
        unseen: of(&|x| matches!(x.ending, Ending::NotSeenSince { .. })),
        remarks: cluster.remarks.iter().map(|remark| remark.text.as_str()).collect(),
    }
}

fn operations(period: &Period) -> Vec<Operation<'_>> {
    let pairs = period.frameworks.iter().flat_map(|framework| period.clusters.iter().map(move |c| (framework, c)));
    pairs.map(|(framework, cluster)| operation(framework, cluster)).filter(|row| row.requirements > 0).collect()
}

fn operation<'a>(framework: &'a FrameworkPeriod, cluster: &'a ClusterPeriod) -> Operation<'a> {
    let mut row = Operation { framework: &framework.title, cluster: &cluster.folder, ..Operation::default() };
    for requirement in cluster.requirements.iter().filter(|requirement| requirement.framework == framework.id) {
        row.requirements += 1;
        *match Course::of(requirement) {
            Course::Exceptions => &mut row.excepted,
            Course::Clear => &mut row.clear,
            Course::InPart => &mut row.in_part,
            Course::People => &mut row.people,
            Course::Undecided => &mut row.undecided,
            Course::NotApplicable => &mut row.not_applicable,
        } += 1;
    }
    row
}

/// The worst exceptions that no run saw the end of, and how many are left.
fn open(period: &Period) -> (Vec<Open<'_>>, usize) {
    let all = period.clusters.iter().flat_map(|cluster| cluster.exceptions.iter().map(move |x| (cluster, x)));
    let mut open: Vec<(&ClusterPeriod, &Exception)> =
        all.filter(|(_, x)| !matches!(x.ending, Ending::Ended { .. })).collect();
    open.sort_by_key(|(_, x)| Reverse(x.severity));
    let left = open.len().saturating_sub(ROWS);
    (open.into_iter().take(ROWS).map(|(cluster, x)| open_row(cluster, x)).collect(), left)
}

fn open_row<'a>(cluster: &'a ClusterPeriod, x: &'a Exception) -> Open<'a> {
    let state = tables::state(&x.ending);
    let waiver = x.waivers.iter().find(|waiver| waiver.last == x.last_seen);
    Open {
        id: &x.id,
        cluster: &cluster.folder,
        severity: report_words::severity(x.severity),
        message: &x.message,
        object: x.resource.to_string(),
        owner: x.owner.as_deref().unwrap_or_default(),
        since: cluster.run(x.first_seen).map(|run| run.finished.date_naive().to_string()).unwrap_or_default(),
        state: waiver.map_or_else(|| state.to_owned(), |waiver| format!("{state}, waived by {}", waiver.id)),
    }
}

/// Every other document with what it is, in the order to read; the forms of a table stand beside each other.
fn listed<'a>(period: &Period, others: &'a BTreeMap<String, u64>) -> Vec<Document<'a>> {
    let mut files: Vec<File<'a>> = others.iter().map(|(path, octets)| File { path, size: size(*octets) }).collect();
    files.sort_by_key(|file| place(file.path));
    let mut listed: Vec<Document<'a>> = Vec::new();
    for file in files {
        let about = about(period, file.path);
        match listed.last_mut() {
            Some(document) if document.about == about => document.files.push(file),
            _ => listed.push(Document { about, files: vec![file] }),
        }
    }
    listed
}

/// For people first, then for programs; of the tables first the one that explains them.
fn place(path: &str) -> (u8, bool) {
    let kind = match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("pdf") => 0,
        Some("xlsx") => 1,
        Some("md") => 2,
        Some("csv" | "parquet") => 3,
        _ => 4,
    };
    (kind, kind == 3 && !path.contains(tables::COLUMNS))
}

fn about(period: &Period, path: &str) -> String {
    let (stem, extension) = path.rsplit_once('.').unwrap_or((path, ""));
    let name = stem.rsplit('/').next().unwrap_or(stem);
    let framework = || {
        let known = period.frameworks.iter().find(|framework| framework.id == name);
        known.map_or(name, |framework| framework.title.as_str())
    };
    match extension {
        "xlsx" => {
            "All tables as one workbook: a sheet that explains every column, and a column for management's response"
                .to_owned()
        }
        "md" => "What the package is, how to prove it, how to walk from a line to a signed byte".to_owned(),
        "json" => format!("OSCAL assessment results: {}", framework()),
        "pdf" => format!("Report: {}", framework()),
        _ if name == tables::COLUMNS => "What every column of the tables says".to_owned(),
        _ => format!("Table: {}", name.replace('-', " ")),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
