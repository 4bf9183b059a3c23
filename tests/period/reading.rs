//! How an auditor moves through the PDF of a period: its outline, its links, its tables for people to answer.

use std::collections::BTreeMap;

use kubeproof::{
    evaluate::Status,
    framework::RowCoverage,
    period::{
        Period,
        model::{DeclarationPeriod, Exception, RequirementPeriod, StateSpan},
    },
};
use lopdf::{Dictionary, Document, Object, ObjectId};

use super::pdf::{expect, made, pages, pdf, words};

/// Titles of the outline of the first level, in order.
fn outline(document: &Document) -> Vec<String> {
    let outlines = document.catalog().unwrap().get(b"Outlines").unwrap().as_reference().unwrap();
    let mut next = document.get_dictionary(outlines).unwrap().get(b"First").and_then(Object::as_reference).ok();
    let mut titles = Vec::new();
    while let Some(item) = next.map(|id| document.get_dictionary(id).unwrap()) {
        titles.push(lopdf::decode_text_string(item.get(b"Title").unwrap()).unwrap());
        assert!(item.has(b"Dest") || item.has(b"A"), "an entry of the outline leads nowhere");
        next = item.get(b"Next").and_then(Object::as_reference).ok();
    }
    titles
}

/// Pages that links of a page lead to, by their number.
fn links(document: &Document) -> Vec<(u32, u32)> {
    let pages = document.get_pages();
    let numbers: BTreeMap<ObjectId, u32> = pages.iter().map(|(number, id)| (*id, *number)).collect();
    let mut links = Vec::new();
    for (number, id) in &pages {
        for note in document.get_page_annotations(*id).unwrap_or_default() {
            if note.get(b"Subtype").and_then(Object::as_name).is_ok_and(|name| name == b"Link") {
                links.push((*number, numbers[&target(document, note).expect("a link leads nowhere")]));
            }
        }
    }
    links
}

fn target(document: &Document, note: &Dictionary) -> Option<ObjectId> {
    let action = note.get(b"A").ok().and_then(|a| document.dereference(a).ok()?.1.as_dict().ok()?.get(b"D").ok());
    let mut place = document.dereference(note.get(b"Dest").ok().or(action)?).ok()?.1;
    if matches!(place, Object::String(..)) {
        let name = place.as_str().ok()?;
        place = named(document).into_iter().find(|(known, _)| known == name)?.1;
    }
    if let Ok(held) = place.as_dict() {
        place = held.get(b"D").ok()?;
    }
    place.as_array().ok()?.first()?.as_reference().ok()
}

/// Names of the catalog with what they stand for.
fn named(document: &Document) -> Vec<(Vec<u8>, &Object)> {
    let held = |object| document.dereference(object).ok().and_then(|(_, object)| object.as_dict().ok());
    let names = document.catalog().ok().and_then(|c| c.get(b"Names").ok()).and_then(held);
    let mut nodes: Vec<&Dictionary> =
        names.and_then(|names| names.get(b"Dests").ok()).and_then(held).into_iter().collect();
    let mut all = Vec::new();
    while let Some(node) = nodes.pop() {
        let array = |key| node.get(key).and_then(Object::as_array).map(Vec::as_slice).unwrap_or_default();
        nodes.extend(array(b"Kids").iter().filter_map(held));
        let pairs = array(b"Names").chunks_exact(2);
        all.extend(
            pairs
                .map(|pair| (pair[0].as_str().unwrap_or_default().to_vec(), document.dereference(&pair[1]).unwrap().1)),
        );
    }
    all
}

#[test]
fn the_outline_names_every_section_and_links_lead_to_what_they_name() {
    let period = made();
    let bytes = pdf(&period);
    let document = Document::load_mem(&bytes).unwrap();
    let sections = [
        "Scope",
        "Method",
        "Results",
        "Exceptions",
        "Time to repair",
        "Cadence",
        "Population",
        "Changes in scope",
        "Control totals",
        "Declarations",
        "Privileged access",
        "Outside this document",
        "Evidence index",
        "How to verify",
    ];
    assert_eq!(outline(&document), sections);
    let pages = pages(&bytes);
    let page = |needles: &[&str]| {
        let at = pages.iter().position(|page| needles.iter().all(|needle| page.contains(needle)));
        u32::try_from(at.unwrap_or_else(|| panic!("no page with {needles:?}"))).unwrap() + 1
    };
    let links = links(&document);
    let (cover, results, told) =
        (page(&["Contents"]), page(&["What it asks"]), page(&["X-0001", "Management's response"]));
    let index = page(&["Evidence index", "Bundle", &period.clusters[0].runs[0].bundle.hex()[..8]]);
    let count = |from: u32, to: u32| links.iter().filter(|link| **link == (from, to)).count();
    assert_eq!(links.iter().filter(|(from, _)| *from == cover).count(), sections.len(), "one for each of the contents");
    // A requirement names its exception and the runs between which it changed, an exception its requirement and its runs.
    assert!(count(results, told) >= 1 && count(results, index) >= 4, "from {results} to {told} and {index}: {links:?}");
    assert!(count(told, results) >= 1 && count(told, index) >= 4, "from {told} to {results} and {index}: {links:?}");
}

/// A requirement that people alone answer.
fn asked(like: &RequirementPeriod, id: &str, statuses: &[Status]) -> RequirementPeriod {
    RequirementPeriod {
        id: id.into(),
        title: format!("Reviews of {id} are held"),
        section: Some("Reviews".into()),
        coverage: RowCoverage::Manual,
        note: Some(format!("Show the minutes of {id}")),
        periodicity: Some("every half year".into()),
        company_control: Some(format!("OWN-{id}")),
        owner: Some("team-audit".into()),
        decides: Vec::new(),
        statuses: statuses.iter().copied().map(Some).collect(),
        reasons: Vec::new(),
        effectiveness: None,
        overdue: Vec::new(),
        exceptions: Vec::new(),
        ..like.clone()
    }
}

fn attested(id: &str, requirement: &str) -> DeclarationPeriod {
    DeclarationPeriod {
        kind: "attestation".into(),
        id: id.into(),
        form: None,
        by: format!("signatory of {id}"),
        since: "2026-07-08".parse().ok(),
        until: "2027-01-08".parse().ok(),
        about: vec![requirement.into()],
        text: "held".into(),
        ticket: None,
        states: vec![StateSpan { state: "in force".into(), until: None, first: 0, last: 6 }],
        applies_to: vec![requirement.into()],
        note: "held".into(),
        files: Vec::new(),
    }
}

fn with_people(mut period: Period) -> Period {
    let framework = period.frameworks[0].id.clone();
    let cluster = &mut period.clusters[0];
    let like = cluster.requirements[0].clone();
    let mut lapsed = [Status::Attested; 7];
    lapsed[4..].fill(Status::Manual);
    for (id, statuses) in [("9.1", [Status::Attested; 7]), ("9.2", lapsed)] {
        cluster.requirements.push(asked(&like, id, &statuses));
        cluster.declarations.push(attested(&format!("A-{id}"), &format!("{framework}/{id}")));
    }
    // One that ended before the period attests nothing in it.
    cluster.declarations.push(attested("A-old", &format!("{framework}/9.3")));
    cluster.requirements.extend((3..100).map(|nth| asked(&like, &format!("9.{nth}"), &[Status::Manual; 7])));
    period
}

#[test]
fn what_people_alone_answer_stands_in_two_tables_and_nothing_is_lost() {
    let period = with_people(made());
    let bytes = pdf(&period);
    let text = words(&bytes);
    expect(
        &text,
        &[
            "99 requirements rest on people and documents alone: attested or inherited on the last run 1; on an earlier run \
             and not on the last 1; on no run 97",
            "People alone: attested or inherited on some run (2)",
            "People alone: without an attestation on any run (97)",
            "8 Jul 2026 to 8 Jan 2027",
            "0000–0003",
            "0004–0006",
        ],
    );
    let (_, tables) = text.split_once("People alone: attested or inherited on some run").unwrap();
    let (told, open) = tables.split_once("People alone: without an attestation on any run").unwrap();
    for id in ["9.1", "9.2"] {
        expect(told, &[&format!("A-{id}"), &format!("OWN-{id}"), "signatory of", "Reviews", "every half year"]);
    }
    for nth in 3..100 {
        expect(open, &[&format!("9.{nth} "), &format!("OWN-9.{nth}")]);
    }
    expect(open, &["A-old", "in force on no run", "Show the minutes", "Reviews of 9.50 are", "team-audit"]);
    let pages = Document::load_mem(&bytes).unwrap().get_pages().len();
    let without = Document::load_mem(&pdf(&made())).unwrap().get_pages().len();
    assert!(pages <= without + 8, "{pages} pages for 99 rows, {without} without them");
}

#[test]
fn what_several_clusters_say_alike_of_people_stands_once() {
    let mut period = with_people(made());
    for nth in 0..6 {
        let mut other = period.clusters[0].clone();
        (other.name, other.folder) = (format!("staging-{nth}"), format!("staging-{nth}-99999999"));
        other.declarations.clear();
        for row in other.requirements.iter_mut().filter(|row| row.effectiveness.is_none()) {
            row.statuses.fill(Some(Status::Manual));
        }
        period.clusters.push(other);
    }
    let text = words(&pdf(&period));
    let (_, tables) = text.split_once("People alone: attested or inherited on some run (2)").unwrap();
    let (told, open) = tables.split_once("People alone: without an attestation on any run (97)").unwrap();
    expect(told, &["A-9.1", "A-9.2", "staging-0", "and 2 more"]);
    let (open, _) = open.split_once("Failures of the checks that decide or support").unwrap();
    assert_eq!(open.matches("staging-0").count(), 1, "clusters are named where they differ alone, in 9.3: {open}");
}

#[test]
fn exceptions_of_one_check_stand_under_its_name_once() {
    let mut period = made();
    let exceptions = &mut period.clusters[0].exceptions;
    let first = exceptions[0].clone();
    exceptions.extend((10..50).map(|nth| {
        let mut other = first.clone();
        other.id = format!("X-{nth:04}");
        other.resource.name = format!("object-{nth}");
        other
    }));
    let text = words(&pdf(&period));
    let (_, section) = text.split_once("Management's response").unwrap();
    // The name stands again on each page that the check's exceptions reach.
    let said = section.matches(first.title.as_str()).count();
    assert!((1..15).contains(&said), "the name of the check is said {said} times");
    assert!(section.matches("as said above").count() >= 40);
    for nth in 10..50 {
        expect(section, &[&format!("X-{nth:04}"), &format!("object-{nth}")]);
    }
    assert!(section.matches("Management's response").count() >= 41, "each has room for a response");
}

#[test]
fn an_exception_that_is_not_printed_leads_to_where_its_check_is_counted() {
    let mut period = made();
    let cluster = &mut period.clusters[0];
    let (first, known) = (cluster.exceptions[0].clone(), cluster.exceptions.len());
    let more = (known..150).map(|at| Exception { id: format!("X-{:04}", at + 1), ..first.clone() });
    cluster.exceptions.extend(more);
    let row = cluster.requirements.iter_mut().find(|row| !row.exceptions.is_empty()).unwrap();
    // All of them decide: the document prints the first of the list, and the row names the last.
    row.exceptions = (1..150).rev().map(|at| format!("X-{at:04}")).collect();
    let bytes = pdf(&period);
    let pages = pages(&bytes);
    let page = |needle: &str| pages.iter().position(|page| page.contains(needle)).map(|at| at as u32 + 1);
    let link = (page("What it asks").unwrap(), page("Counted here, named in workbook.xlsx").unwrap());
    assert!(pages[link.0 as usize - 1].contains("X-0149") && !pages[link.1 as usize - 1].contains("X-0149"));
    let links = links(&Document::load_mem(&bytes).unwrap());
    assert!(links.contains(&link), "{link:?} is not among {links:?}");
}
