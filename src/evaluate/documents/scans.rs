//! Which scans are of an image that runs, and what VEX statements say of what they found.
//!
//! Digests come first. A tag moves, so a scan that names other digests than the one that runs is of another image,
//! whatever its tag. An index of several platforms and the image of each have digests of their own; runtimes name
//! mostly the index, scanners either, and nothing in a scan says that one lies in the other. They do not match, and
//! the image is `not scanned` rather than matched by a guess.

use std::collections::{BTreeMap, BTreeSet};

use packageurl::PackageUrl;

use super::Made;
use crate::{
    collect::{ListOutcome, inputs},
    evaluate::{Evidence, sight},
    snapshot::{
        IMAGE_SCAN, Image, ImageReference, ImageScan, Object, VEX_DOCUMENT, VexDocument, VexProduct, VexStatement,
        VexStatus, Vulnerability, report_scan,
    },
};

/// Every scan and statement of a snapshot.
pub(super) struct Scans {
    scans: Vec<Known>,
    by_digest: BTreeMap<String, Vec<usize>>,
    by_tag: BTreeMap<String, Vec<usize>>,
    statements: Vec<Stated>,
    gap: Option<String>,
}

/// A scan and the object that says so.
pub(super) struct Known {
    pub(super) scan: ImageScan,
    pub(super) evidence: Evidence,
}

struct Stated {
    statement: VexStatement,
    evidence: Evidence,
}

/// What was found for one image.
pub(super) struct Matched<'a> {
    /// Searches for vulnerabilities; empty: see `missing`.
    pub(super) scans: Vec<&'a Known>,
    /// Lists of components, whoever wrote them.
    pub(super) sboms: Vec<&'a Known>,
    /// Why there is no search.
    pub(super) missing: Missing,
}

/// Why no scan is of an image.
pub(super) enum Missing {
    /// Nobody scanned it.
    NotScanned(String),
    /// There may be a scan that could not be seen.
    Unknown(String),
}

impl Scans {
    pub(super) fn of(made: Made<'_>) -> Self {
        let mut scans = Self {
            scans: Vec::new(),
            by_digest: BTreeMap::new(),
            by_tag: BTreeMap::new(),
            statements: Vec::new(),
            gap: gap(made),
        };
        let believed = |object: &&Object| sight::is_believed(&object.resource, made.coverage);
        for object in made.snapshot.objects.iter().filter(believed) {
            let own = object.gvk.group == inputs::GROUP;
            if own && object.gvk.kind == VEX_DOCUMENT {
                let document: VexDocument = spec(object).unwrap_or_default();
                let stated = |statement| Stated { statement, evidence: Evidence::of(object) };
                scans.statements.extend(document.statements.into_iter().map(stated));
            } else if let Some(scan) =
                if own && object.gvk.kind == IMAGE_SCAN { spec(object) } else { report_scan(object) }
            {
                scans.add(Known { scan, evidence: Evidence::of(object) });
            }
        }
        scans
    }

    fn add(&mut self, known: Known) {
        let at = self.scans.len();
        for digest in &known.scan.digests {
            self.by_digest.entry(digest.clone()).or_default().push(at);
        }
        let references = known.scan.references.iter().filter_map(|text| text.parse::<ImageReference>().ok());
        for tag in references.filter_map(|reference| tagged(&reference)).collect::<BTreeSet<_>>() {
            self.by_tag.entry(tag).or_default().push(at);
        }
        self.scans.push(known);
    }

    /// The scans of an image: by the digest that runs, else by its full reference where the scan names no digest.
    pub(super) fn find(&self, image: &Image, reference: Option<&ImageReference>) -> Matched<'_> {
        let digest = digest(image, reference);
        let of_digest = digest.and_then(|digest| self.by_digest.get(digest)).map_or(&[] as &[usize], Vec::as_slice);
        let tag = reference.and_then(tagged);
        let of_tag = tag.and_then(|tag| self.by_tag.get(&tag)).map_or(&[] as &[usize], Vec::as_slice);
        let usable = |at: &&usize| digest.is_none() || self.scans[**at].scan.digests.is_empty();
        let pick = |wanted: fn(&ImageScan) -> bool| {
            let known = |at: &usize| Some(&self.scans[*at]).filter(|known| wanted(&known.scan));
            let exact: Vec<&Known> = of_digest.iter().filter_map(known).collect();
            if exact.is_empty() { newest(of_tag.iter().filter(usable).filter_map(known)) } else { exact }
        };
        let scans = pick(|scan| scan.vulnerabilities.is_some());
        let other = of_tag.iter().map(|at| &self.scans[*at].scan).find(|scan| scan.vulnerabilities.is_some());
        let missing = match (&self.gap, other) {
            (Some(gap), _) => Missing::Unknown(gap.clone()),
            (None, Some(_)) => Missing::NotScanned("not scanned: the scan of this tag is of another digest".into()),
            (None, None) => Missing::NotScanned("not scanned".into()),
        };
        Matched { scans, sboms: pick(|scan| scan.sbom), missing }
    }

    /// The statements that are about an image, ready to be asked for vulnerabilities.
    pub(super) fn statements<'a>(
        &'a self,
        image: &Image,
        reference: Option<&ImageReference>,
        matched: &Matched<'a>,
    ) -> Statements<'a> {
        let known = || matched.scans.iter().chain(&matched.sboms);
        let digests: BTreeSet<&str> =
            known().flat_map(|known| &known.scan.digests).map(String::as_str).chain(digest(image, reference)).collect();
        let boms: BTreeSet<&str> = known().filter_map(|known| known.scan.bom.as_deref()).collect();
        let mut by_id: BTreeMap<&str, Vec<&Stated>> = BTreeMap::new();
        for stated in &self.statements {
            let product = &stated.statement.product;
            let is_here = of_one(&product.digests, |digest| digests.contains(digest))
                && of_one(&product.references, |text| reference.is_some_and(|reference| names(text, reference)))
                && product.bom.as_deref().is_none_or(|bom| boms.contains(bom))
                && *product != VexProduct::default();
            for id in stated.statement.vulnerabilities.iter().filter(|_| is_here) {
                by_id.entry(id).or_default().push(stated);
            }
        }
        Statements { by_id }
    }
}

/// Statements on one image by vulnerability.
pub(super) struct Statements<'a> {
    by_id: BTreeMap<&'a str, Vec<&'a Stated>>,
}

impl<'a> Statements<'a> {
    /// What the newest statement says of a vulnerability; of several of one moment the most cautious counts.
    pub(super) fn on(&self, found: &Vulnerability) -> Option<(VexStatus, &'a Evidence)> {
        let ids = std::iter::once(&found.id).chain(&found.aliases);
        let stated = ids.filter_map(|id| self.by_id.get(id.as_str())).flatten();
        let about = stated.filter(|stated| is_package(stated.statement.product.package.as_deref(), found));
        let newest = about.max_by_key(|stated| (stated.statement.at, stated.statement.status))?;
        Some((newest.statement.status, &newest.evidence))
    }
}

/// Nothing given holds for all; else one of those given must hold.
fn of_one(given: &[String], holds: impl Fn(&str) -> bool) -> bool {
    given.is_empty() || given.iter().any(|text| holds(text))
}

/// A reference without tag and digest names every tag of its repository.
fn names(text: &str, reference: &ImageReference) -> bool {
    let Ok(stated) = text.parse::<ImageReference>() else { return false };
    let every = stated.tag.is_none() && stated.digest.is_none();
    if every { stated.name() == reference.name() } else { stated.has_tag_of(reference) }
}

/// The package of a statement is the one that was found: what the statement leaves out may be anything. Without a
/// package URL from the scanner nothing tells, and a statement that may not be meant does not reassure.
fn is_package(stated: Option<&str>, found: &Vulnerability) -> bool {
    let Some(stated) = stated else { return true };
    let parse = |text: &str| text.parse::<PackageUrl<'static>>().ok();
    let (Some(stated), Some(found)) = (parse(stated), found.purl.as_deref().and_then(parse)) else { return false };
    stated.ty() == found.ty()
        && stated.namespace() == found.namespace()
        && stated.name() == found.name()
        && (stated.version().is_none() || stated.version() == found.version())
        && stated.qualifiers().iter().all(|(key, value)| found.qualifiers().get(key) == Some(value))
}

fn digest<'a>(image: &'a Image, reference: Option<&'a ImageReference>) -> Option<&'a str> {
    image.digest.as_deref().or_else(|| reference?.digest.as_deref())
}

fn tagged(reference: &ImageReference) -> Option<String> {
    reference.effective_tag().map(|tag| format!("{}:{tag}", reference.name()))
}

/// Of several scans of one tag, each scanner's newest.
fn newest<'a>(scans: impl Iterator<Item = &'a Known>) -> Vec<&'a Known> {
    let mut newest: BTreeMap<&str, &Known> = BTreeMap::new();
    for known in scans {
        let taken = newest.entry(&known.scan.scanner).or_insert(known);
        if taken.scan.at < known.scan.at {
            *taken = known;
        }
    }
    newest.into_values().collect()
}

/// Why an image without a scan may have one all the same.
fn gap(made: Made<'_>) -> Option<String> {
    let lists = sight::SCANS.iter().filter_map(|list| made.coverage.list(list));
    let blind = lists.filter(|list| !list.outcome.is_known() && list.outcome != ListOutcome::NotInSource);
    blind.filter_map(|list| Some(format!("{} {}", list.id(), list.outcome.reason()?))).next()
}

fn spec<T: serde::de::DeserializeOwned>(object: &Object) -> Option<T> {
    #[derive(serde::Deserialize)]
    struct Own<T> {
        spec: T,
    }
    serde_json::from_str::<Own<T>>(&object.json).ok().map(|own| own.spec)
}
