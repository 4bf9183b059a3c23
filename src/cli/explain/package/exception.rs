//! One exception from beginning to end, with the objects that show it.

use super::{Question, words};
use crate::{
    cli::{
        Failure,
        text::{Page, plural},
    },
    period::{
        evidence::{managers_path, named, proof_folder, table_path},
        model::{Bounds, Cause, Cited, ClusterPeriod, Ending, Exception, WrittenBy},
        words as period,
        writers::noted_as,
    },
    report::view::words as report,
    snapshot::Manager,
};

/// # Errors
/// A table of the package that this version cannot read.
pub(super) fn describe(
    question: &Question<'_>,
    cluster: &ClusterPeriod,
    x: &Exception,
    page: &mut Page,
) -> Result<(), Failure> {
    page.heading(&format!("{} {} {}: {}", x.id, report::severity(x.severity), x.resource, x.message));
    page.say("Cluster", &cluster.folder);
    page.say("Finding", &x.finding.to_string());
    page.say("Check", &format!("{}: {}", x.check, x.title));
    page.say("Place", if x.place.is_empty() { "the object as a whole" } else { &x.place });
    page.say("Found", x.observed.as_deref().unwrap_or("nothing set"));
    page.say("Expected", &x.expected);
    page.say("Owner", x.owner.as_deref().unwrap_or("no owner known"));
    page.gap();
    page.say("Began", &words::beginning(cluster, x));
    page.items("Written by", writers(&x.written_by, beginning(x)));
    page.say("Ended", &words::ending(cluster, x));
    page.items("Written by", writers(&x.repaired_by, repair(x)));
    page.say("Stood", &stood(x));
    page.items(
        "Waivers",
        x.waivers.iter().map(|waiver| {
            let (first, last) = (words::numbered(cluster, waiver.first), words::numbered(cluster, waiver.last));
            format!("{} on {first} to {last}", waiver.id)
        }),
    );
    let counts =
        |id: &&String| cluster.requirements.iter().any(|row| row.full_id() == **id && row.exceptions.contains(&x.id));
    let (decides, supports): (Vec<&String>, Vec<&String>) = x.requirements.iter().partition(counts);
    page.items("Decides", decides);
    page.items("Supports", supports);
    page.gap();
    let own = x.resource.to_string();
    let shows = |cited: &Cited| if cited.resource == own { "shows it" } else { "was looked at" };
    page.items("Objects", x.evidence.iter().map(|cited| object(cited, shows(cited))));
    let unchanged = |cited: &Cited| x.evidence.iter().any(|before| before.digest == cited.digest);
    page.items(
        "",
        x.evidence_after.iter().map(|cited| match unchanged(cited) {
            true => format!("{} is as it was: what ended it is not in the object", cited.resource),
            false if cited.resource == own => object(cited, "without it"),
            false => object(cited, "had changed when it was gone"),
        }),
    );
    let trails: Vec<&Cited> = cluster.trails_of(x.written_by.iter().chain(&x.repaired_by)).collect();
    let sealed = |cited: &&Cited| format!("{}: {} (sealed by run {:04})", cited.resource, cited.digest, cited.run);
    page.items("Audit logs", trails.iter().map(sealed));
    let noted = noted(question, cluster, x)?;
    page.items("Managers", &noted);
    proof(question, cluster, x, page);
    for cited in trails {
        page.say("", &format!("kubeproof explain {} {}", cited.digest, question.again));
    }
    Ok(())
}

/// What the objects themselves note of their writers, on the runs that show what they explain.
fn noted(question: &Question<'_>, cluster: &ClusterPeriod, x: &Exception) -> Result<Vec<String>, Failure> {
    let began = x.evidence.iter().map(|cited| (x.began.by, cited, &x.written_by));
    let ended = repair(x).into_iter().flat_map(|bounds| x.evidence_after.iter().map(move |cited| (bounds.by, cited)));
    let ended = ended.map(|(run, cited)| (run, cited, &x.repaired_by));
    let noted = question.proved.managers(&cluster.folder).map_err(Failure::usage)?;
    let mut lines = Vec::new();
    for (run, cited, writers) in began.chain(ended) {
        let managers = noted.get(&(cited.digest, run)).and_then(Option::as_ref).map(named).unwrap_or_default();
        // Of what stood before the first run, whoever wrote before it may have begun it.
        let before = x.began.after.is_none() && run == x.began.by;
        let is_named =
            |manager: &&Manager| noted_as((*manager).clone()).is_some_and(|by| before || writers.contains(&by));
        for manager in managers.iter().filter(is_named) {
            let text = serde_json::to_string(manager).map_err(Failure::usage)?;
            let line = format!("{} on run {run:04}: {text}", cited.resource);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    Ok(lines)
}

/// Between which runs a write of somebody began it; what only the time began nobody wrote.
fn beginning(x: &Exception) -> Option<&Bounds> {
    Some(&x.began).filter(|_| x.began_by != Cause::TimePassed)
}

/// Between which runs a change of the cluster ended it.
fn repair(x: &Exception) -> Option<&Bounds> {
    match &x.ending {
        Ending::Ended { bounds, .. } if x.ending.is_repair() => Some(bounds),
        Ending::Ended { .. } | Ending::Open | Ending::NotSeenSince { .. } => None,
    }
}

/// Who wrote between two runs, or that nothing says it.
fn writers(all: &[WrittenBy], between: Option<&Bounds>) -> Vec<String> {
    match (all, between) {
        ([], None) => Vec::new(),
        ([], Some(Bounds { after: None, .. })) => {
            vec!["not known: it stood before the first run; what its objects note of earlier writes is below".into()]
        }
        ([], Some(_)) => {
            vec!["not known: no field manager and no audit log names a write between the two runs".into()]
        }
        (all, _) => all.iter().map(writer).collect(),
    }
}

/// `k.lind@shop.example, 24 Jul 2026 22:41 UTC (patch, audit log entry 8b1d35a5)`.
pub(super) fn writer(by: &WrittenBy) -> String {
    let source = match by {
        WrittenBy::ManagedFields { .. } => "client program, by the object's field managers".to_owned(),
        WrittenBy::AuditLog { verb, audit_id, trail, .. } => {
            format!("{verb}, audit log entry {audit_id} in sha256:{}...", trail.short(16))
        }
    };
    format!("{}, {} UTC ({source})", by.who(), report::full_time(by.time()))
}

fn stood(x: &Exception) -> String {
    let seen = plural(x.seen_in as usize, "run");
    let blind = x.not_seen_in.len();
    let blind = if blind == 0 { String::new() } else { format!("; {} could not tell", plural(blind, "run")) };
    format!("{}; seen by {seen}{blind}", period::stood(x.duration))
}

/// The bytes, and the run that is the first to hold them: they may be older than the failure.
fn object(cited: &Cited, what: &str) -> String {
    format!("{} {what}: {} (the same bytes since run {:04})", cited.resource, cited.digest, cited.run)
}

fn proof(question: &Question<'_>, cluster: &ClusterPeriod, x: &Exception, page: &mut Page) {
    let Some(cited) = x.evidence.first() else { return };
    page.gap();
    let manifest = format!("{}manifest-sha256.txt", proof_folder(&cluster.folder, cited.run));
    let managers = format!("{} holds the managers, by object and run", managers_path(&cluster.folder));
    let texts = format!("{} holds the text of each object, whose SHA-256 is that digest", table_path(&cluster.folder));
    let names = format!("{manifest} names the run's own table of objects, which holds both");
    page.items("Proof", [texts, managers, names]);
    page.say("Next", &format!("kubeproof explain {} {}", cited.digest, question.again));
    let is_other = |after: &&Cited| x.evidence.iter().all(|before| before.digest != after.digest);
    if let Some(after) = x.evidence_after.iter().find(is_other) {
        page.say("", &format!("kubeproof explain {} {}", after.digest, question.again));
    }
}
