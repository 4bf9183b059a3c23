//! What a person reads when a package is made: what it rests on, what stands out, what to type next.

use std::path::Path;

use crate::{
    cli::text::{Page, plural},
    period::{
        Made,
        model::{ClusterPeriod, Ending, Exception, Exclusion, PeriodicityRow, RemarkKind},
        words,
    },
};

/// Bundles and missed runs named one by one; all of them are in the package.
const MOST_NAMED: usize = 5;

/// Prints the summary, at most 80 columns wide.
pub(super) fn print(made: &Made, folder: &Path, key: &Path) {
    let period = &made.period;
    let mut page = Page::default();
    page.heading(&format!("{} to {}: {}", period.from, period.to, plural(period.runs(), "verified run")));
    for cluster in &period.clusters {
        say(cluster, &mut page);
    }
    page.say("PACKAGE", &folder.display().to_string());
    page.say("root", &made.package.root.hex());
    page.say("verify", &format!("kubeproof verify {} --key {}", folder.display(), key.display()));
    anstream::print!("{}", page.text());
}

fn say(cluster: &ClusterPeriod, page: &mut Page) {
    let cadence = &cluster.cadence;
    let due = cadence.expected.map_or_else(String::new, |due| format!(", {} of {due} that were due", cadence.met));
    page.say("CLUSTER", &format!("{}: {}{due}", cluster.folder, plural(cluster.runs.len(), "run")));
    if let Some(gap) = &cadence.longest_gap {
        page.say("", &format!("longest time without a run that saw the cluster: {}", words::duration(gap.seconds)));
    }
    let missed = cadence.missed.iter().map(|missed| missed.due.format("%-d %b %H:%M UTC").to_string());
    page.items("MISSED", some(missed.collect()));
    let excluded: Vec<String> = cluster
        .excluded
        .iter()
        .map(|excluded| {
            let short: String = excluded.bundle.chars().take(12).collect();
            format!("{short} {}: {}", kind(excluded.kind), excluded.reason)
        })
        .collect();
    page.items("LEFT OUT", some(excluded));
    // Missed runs stand above, one by one.
    let remarks = cluster.remarks.iter().filter(|remark| remark.kind != RemarkKind::RunsMissed);
    page.items("NOTE", remarks.map(|remark| remark.text.as_str()));
    let open = cluster.exceptions.iter().filter(|exception| exception.ending == Ending::Open);
    let repaired = cluster.exceptions.iter().filter(|exception| exception.ending.is_repair()).count();
    let exceptions = plural(cluster.exceptions.len(), "exception");
    page.say("EXCEPTIONS", &format!("{exceptions}: {repaired} repaired, {} still open", open.clone().count()));
    let line = |x: &Exception| format!("{} {} {}", x.id, x.resource.path(), x.message);
    page.items("", open.filter(|exception| exception.waivers.is_empty()).take(3).map(line));
    let exceeded = cadence.periodicities.iter().filter(|row| !row.exceeded.is_empty());
    let gap = |row: &PeriodicityRow| {
        let allowed = words::duration(row.allowed_seconds);
        format!(
            "{} longer than the {allowed} of {}",
            plural(row.exceeded.len(), "gap"),
            plural(row.requirements.len(), "requirement")
        )
    };
    let overdue = cluster.requirements.iter().filter(|row| !row.overdue.is_empty()).count();
    let all = plural(cluster.requirements.len(), "requirement");
    let overdue = (overdue > 0).then(|| format!("{overdue} of {all} undecided for longer than they allow"));
    page.items("CADENCE", exceeded.map(gap).chain(overdue));
}

/// The first of many, and how many more there are.
fn some(mut items: Vec<String>) -> Vec<String> {
    let more = items.len().saturating_sub(MOST_NAMED);
    items.truncate(MOST_NAMED);
    items.extend((more > 0).then(|| format!("and {more} more")));
    items
}

fn kind(kind: Exclusion) -> &'static str {
    match kind {
        Exclusion::Tampered => "tampered",
        Exclusion::Untrusted => "untrusted",
        Exclusion::AnotherCluster => "another cluster's",
        Exclusion::NotInLog => "not in the log",
        Exclusion::Missing => "missing",
        Exclusion::Unreadable => "unreadable",
        Exclusion::AnotherTime => "of another time",
    }
}
