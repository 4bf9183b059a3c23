//! Images in use, with what scanners said of each.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    Digests, Document, Made, digests,
    scans::{Known, Matched, Missing, Scans, Statements},
};
use crate::{
    evaluate::{Evidence, kinds, target, value::Node},
    framework::check::On,
    resource::ResourceRef,
    snapshot::{Image, ImageReference, Vulnerability, distinct},
};

/// Every image in use, under the workload that names it.
pub(super) fn images(made: Made<'_>) -> Vec<Document> {
    let digests = digests(made.snapshot, |object| target::workload(object).is_some());
    let scans = Scans::of(made);
    // One image runs in many places, and a scan is large: what is said of it is made once.
    let mut said: BTreeMap<(&str, Option<&str>), Said> = BTreeMap::new();
    let document = |image| {
        let key = (image_of(image), image.digest.as_deref());
        let said = said.entry(key).or_insert_with(|| Said::of(image, &scans, made.coverage.finished));
        self::document(image, said, &digests)
    };
    made.snapshot.images.iter().map(document).collect()
}

fn image_of(image: &Image) -> &str {
    &image.image
}

/// What is known of an image wherever it runs.
struct Said {
    entries: Vec<(String, Node)>,
    evidence: Vec<Evidence>,
}

impl Said {
    fn of(image: &Image, scans: &Scans, now: DateTime<Utc>) -> Self {
        let reference = image.image.parse::<ImageReference>();
        let matched = scans.find(image, reference.as_ref().ok());
        let statements = scans.statements(image, reference.as_ref().ok(), &matched);
        let digest = image.digest.as_ref().or(reference.as_ref().ok().and_then(|r| r.digest.as_ref()));
        let mut entries = match &reference {
            Ok(reference) => named(reference),
            Err(error) => ["registry", "repository", "tag"]
                .map(|key| entry(key, Node::unknown(format!("{} {error}", image.image))))
                .into(),
        };
        entries.extend(digest.map(|digest| entry("digest", Node::text(digest))));
        entries.push(entry("image", Node::text(&image.image)));
        let (scan, scanned, mut evidence) = scan(&matched, &statements, now);
        entries.extend([entry("scan", scan), entry("scanned", scanned), entry("sbom", sbom(&matched))]);
        evidence.extend(matched.scans.iter().chain(&matched.sboms).map(|known| known.evidence.clone()));
        Self { entries, evidence: evidence.into_iter().collect() }
    }
}

fn entry(key: &str, node: Node) -> (String, Node) {
    (key.to_string(), node)
}

fn named(reference: &ImageReference) -> Vec<(String, Node)> {
    let tag = reference.tag.as_deref().map(|tag| entry("tag", Node::text(tag)));
    let names =
        [entry("registry", Node::text(&reference.registry)), entry("repository", Node::text(&reference.repository))];
    names.into_iter().chain(tag).collect()
}

/// A list of components was seen; where something was not seen, there may be one.
fn sbom(matched: &Matched<'_>) -> Node {
    match &matched.missing {
        Missing::Unknown(reason) if matched.sboms.is_empty() => Node::unknown(reason.as_str()),
        _ => Node::from(&serde_json::Value::Bool(!matched.sboms.is_empty())),
    }
}

/// `scan`, `scanned` and the VEX documents that were used. Results of several scanners count together: what one of
/// them misses is still there.
fn scan(matched: &Matched<'_>, statements: &Statements<'_>, now: DateTime<Utc>) -> (Node, Node, BTreeSet<Evidence>) {
    let mut used = BTreeSet::new();
    if matched.scans.is_empty() {
        return match &matched.missing {
            Missing::NotScanned(says) => {
                (Node::unknown(says.as_str()), Node::map([entry("says", Node::text(says))]), used)
            }
            Missing::Unknown(reason) => (Node::unknown(reason.as_str()), Node::unknown(reason.as_str()), used),
        };
    }
    let known = || matched.scans.iter().map(|known| &known.scan);
    let at = known().filter_map(|scan| scan.at).max();
    let created = known().filter_map(|scan| scan.created).min();
    let found = distinct(known().flat_map(|scan| scan.vulnerabilities.iter().flatten().cloned()));
    let vulnerabilities = Node::list(found.iter().map(|found| {
        let stated = statements.on(found);
        used.extend(stated.map(|(_, evidence)| evidence.clone()));
        vulnerability(found, stated.map_or("", |(status, _)| status.word()), now)
    }));
    let says =
        at.map_or_else(|| "the scan has no date".to_string(), |at| format!("scan is {} old", in_words(days(at, now))));
    let no_date = || Node::unknown("the scan has no date");
    let not_built = || Node::unknown("the scan does not say when the image was built");
    let age = |time: Option<DateTime<Utc>>| time.map(|time| Node::int(days(time, now)));
    let date = |time: Option<DateTime<Utc>>| time.map(|t| Node::text(t.to_rfc3339_opts(SecondsFormat::Secs, true)));
    let ignored = known().map(|scan| i64::try_from(scan.ignored).unwrap_or(i64::MAX)).fold(0, i64::saturating_add);
    let scan = Node::map([
        entry("scanner", Node::text(scanners(&matched.scans))),
        entry("at", date(at).unwrap_or_else(no_date)),
        entry("ageDays", age(at).unwrap_or_else(no_date)),
        entry("outdated", Node::unknown(says.as_str())),
        entry("created", date(created).unwrap_or_else(not_built)),
        entry("createdDays", age(created).unwrap_or_else(not_built)),
        entry("sbom", sbom(matched)),
        entry("ignored", Node::int(ignored)),
        entry("vulnerabilities", vulnerabilities),
    ]);
    let scanned =
        Node::map(age(at).map(|age| entry("ageDays", age)).into_iter().chain([entry("says", Node::text(says))]));
    (scan, scanned, used)
}

fn vulnerability(found: &Vulnerability, vex: &str, now: DateTime<Utc>) -> Node {
    let age = found.published.map(|published| entry("ageDays", Node::int(days(published, now))));
    Node::map(age.into_iter().chain([
        entry("id", Node::text(&found.id)),
        entry("severity", Node::text(found.severity.word())),
        entry("package", Node::text(&found.package)),
        entry("version", Node::text(&found.version)),
        entry("fixed", Node::text(&found.fixed)),
        entry("vex", Node::text(vex)),
    ]))
}

/// `grype 0.104.1, trivy 0.67.2`.
fn scanners(scans: &[&Known]) -> String {
    let names = scans.iter().map(|known| match &known.scan.version {
        Some(version) => format!("{} {version}", known.scan.scanner),
        None => known.scan.scanner.clone(),
    });
    names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// Whole days; what is dated after the collection is new.
fn days(from: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    now.signed_duration_since(from).num_days().max(0)
}

fn in_words(days: i64) -> String {
    if days == 1 { "1 day".into() } else { format!("{days} days") }
}

fn document(image: &Image, said: &Said, digests: &Digests<'_>) -> Document {
    let (kind, path) = image.workload.split_once('/').unwrap_or(("Pod", &image.workload));
    let (namespace, name) = path.split_once('/').map_or((None, path), |(namespace, name)| (Some(namespace), name));
    let resource = ResourceRef {
        api_version: kinds::by_kind(kind).map_or_else(|| "v1".to_string(), kinds::api_version),
        kind: kind.into(),
        namespace: namespace.map(Into::into),
        name: name.into(),
        uid: None,
    };
    let workload = digests.get(&(kind, namespace, name));
    let workload = workload.map(|digest| Evidence { resource: image.workload.as_str().into(), digest: *digest });
    let of_place = [entry("container", Node::text(&image.container)), entry("workload", Node::text(&image.workload))];
    Document {
        on: On::Image,
        resource,
        node: Node::map(said.entries.iter().cloned().chain(of_place)),
        base: "",
        evidence: workload.into_iter().chain(said.evidence.iter().cloned()).collect(),
    }
}

#[cfg(test)]
mod tests;
