//! Scanners' results: Trivy, Grype, SARIF, CycloneDX and OpenVEX, each recognised by its shape.
//!
//! Only what evidence needs is parsed. Each image that a scanner looked at becomes one ImageScan object, each document
//! of VEX statements one VexDocument; the newest result of a scanner for an image counts. Files in any order, under any
//! name, give the same objects.

mod cyclonedx;
mod draft;
mod grype;
mod openvex;
mod sarif;
mod trivy;

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use chrono::TimeDelta;
use rayon::prelude::*;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::json;
use walkdir::WalkDir;

use super::{Context, GROUP, Read};
use crate::{
    collect::{InputError, ListOutcome, ListRecord, resources},
    digest::Digest,
    snapshot::{IMAGE_SCAN, ImageScan, VEX_DOCUMENT, VexDocument},
};

/// Plural name of ImageScan objects.
pub const IMAGE_SCANS: &str = "imagescans";
/// Plural name of VexDocument objects.
pub const VEX_DOCUMENTS: &str = "vexdocuments";

/// What the records of these lists say was asked for.
pub const REQUEST: &str = "inputs/scans";

/// The greatest file that is read: results of large images take a tenth of it.
const MAX_BYTES: u64 = 64 << 20;
/// Folders below folders beyond this are somebody's mistake.
const MAX_DEPTH: usize = 32;

/// What one file says.
#[derive(Debug, Default)]
struct Found {
    scan: Option<ImageScan>,
    vex: Option<VexDocument>,
}

/// Why a file says nothing that can be used.
#[derive(Debug)]
struct Problem {
    line: Option<u32>,
    message: String,
}

impl Problem {
    fn new(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        let line = u32::try_from(error.line()).ok().filter(|line| *line > 0);
        if error.is_eof() {
            return Self {
                line,
                message: "ends in the middle; the scanner or a copy was cut off: write it again".into(),
            };
        }
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        Self { line, message: format!("cannot be read as JSON of a scanner: {what}") }
    }
}

/// Reads a folder of scanners' results.
pub(super) fn read(folder: &Path, context: &Context<'_>) -> Read {
    let (files, mut errors) = files(folder);
    let (mut scans, mut documents) = (BTreeMap::new(), BTreeMap::new());
    let results: Vec<_> = files.par_iter().map(|file| file_content(file, MAX_BYTES, context)).collect();
    for (file, result) in files.iter().zip(results) {
        match result {
            Ok(found) => {
                found.scan.into_iter().for_each(|scan| keep_newest(&mut scans, scan));
                documents.extend(found.vex.map(|document| (format!("vex-{}", short(&document.source)), document)));
            }
            Err(problem) => errors.push(error(file, problem)),
        }
    }
    let mut read = Read::default();
    let mut kinds = [(IMAGE_SCAN, IMAGE_SCANS, objects(&scans)), (VEX_DOCUMENT, VEX_DOCUMENTS, objects(&documents))];
    for (kind, plural, specs) in &mut kinds {
        let before = read.objects.len();
        for (name, spec) in specs.drain(..) {
            let object = json!({"apiVersion": crate::config::API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec});
            match context.sealer.seal(object, &resources::join(plural, GROUP), None) {
                Ok(object) => read.objects.push(object),
                Err(problem) => errors.push(error(folder, Problem::new(format!("{name}: {problem}")))),
            }
        }
        read.lists.push(record(kind, plural, read.objects.len() - before, files.len(), errors.len()));
    }
    read.errors = errors;
    read
}

fn objects<T: Serialize>(specs: &BTreeMap<String, T>) -> Vec<(String, serde_json::Value)> {
    // These specs are texts, dates and numbers, which JSON always holds.
    specs.iter().map(|(name, spec)| (name.clone(), serde_json::to_value(spec).unwrap_or_default())).collect()
}

/// Regular files named `*.json` or `*.sarif`, sorted; links are not followed out of the folder.
fn files(folder: &Path) -> (Vec<PathBuf>, Vec<InputError>) {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for entry in WalkDir::new(folder).max_depth(MAX_DEPTH).sort_by_file_name() {
        match entry {
            Ok(entry) => {
                let extension = entry.path().extension().is_some_and(|e| e == "json" || e == "sarif");
                if extension && entry.file_type().is_file() {
                    files.push(entry.into_path());
                }
            }
            Err(walk) => {
                let path = walk.path().unwrap_or(folder).to_path_buf();
                errors.push(error(&path, Problem::new(walk.to_string())));
            }
        }
    }
    (files, errors)
}

fn error(file: &Path, problem: Problem) -> InputError {
    InputError { file: file.display().to_string(), line: problem.line, message: problem.message }
}

fn file_content(file: &Path, limit: u64, context: &Context<'_>) -> Result<Found, Problem> {
    let io = |error: std::io::Error| Problem::new(error.to_string());
    let mut opened = fs::File::open(file).map_err(io)?;
    let size = opened.metadata().map_err(io)?.len();
    let mut bytes = Vec::new();
    // The size says so before anything is read; a file that grows meanwhile is cut off and then told as such.
    if size <= limit {
        opened.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    }
    if size.max(bytes.len() as u64) > limit {
        return Err(Problem::new(format!(
            "has {} MiB, and a result of more than {} MiB is not read: write one file for each image",
            size >> 20,
            limit >> 20
        )));
    }
    let found = content(&bytes)?;
    let tomorrow = context.now + TimeDelta::days(1);
    if let Some(at) = found.scan.iter().find_map(|scan| scan.at).filter(|at| *at > tomorrow) {
        return Err(Problem::new(format!(
            "is dated {}, which is yet to come: check the scanner's clock",
            at.date_naive()
        )));
    }
    Ok(found)
}

/// The keys that tell the formats apart.
#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "SchemaVersion")]
    schema_version: Option<IgnoredAny>,
    #[serde(rename = "ArtifactName")]
    artifact_name: Option<IgnoredAny>,
    matches: Option<IgnoredAny>,
    descriptor: Option<IgnoredAny>,
    runs: Option<IgnoredAny>,
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "@context")]
    context: Option<IgnoredAny>,
    statements: Option<IgnoredAny>,
}

/// Reads one document, whatever tool wrote it.
fn content(bytes: &[u8]) -> Result<Found, Problem> {
    let shape: Shape = serde_json::from_slice(bytes)?;
    let source = Digest::of(bytes).to_string();
    match shape {
        Shape { schema_version: Some(_), artifact_name: Some(_), .. } => trivy::read(bytes, source),
        Shape { matches: Some(_), descriptor: Some(_), .. } => grype::read(bytes, source),
        Shape { runs: Some(_), .. } => sarif::read(bytes, source),
        Shape { bom_format: Some(_), .. } => cyclonedx::read(bytes, source),
        Shape { context: Some(_), statements: Some(_), .. } => openvex::read(bytes, source),
        _ => {
            Err(Problem::new("is in no format that is read here: JSON of Trivy or Grype, SARIF, CycloneDX or OpenVEX"))
        }
    }
}

/// One result for an image and scanner: the newest, and of two of one moment always the same one.
fn keep_newest(scans: &mut BTreeMap<String, ImageScan>, scan: ImageScan) {
    let order = |scan: &ImageScan| (scan.at, scan.source.clone());
    match scans.entry(name(&scan)) {
        std::collections::btree_map::Entry::Vacant(free) => {
            free.insert(scan);
        }
        std::collections::btree_map::Entry::Occupied(mut taken) if order(taken.get()) < order(&scan) => {
            taken.insert(scan);
        }
        std::collections::btree_map::Entry::Occupied(_) => {}
    }
}

/// `cart-8b1c4c7a0f5f3a3c-trivy`: what the image is called, its digest (without one, that of its reference), and who
/// looked. A list of components is not a search for vulnerabilities and replaces none.
fn name(scan: &ImageScan) -> String {
    let reference = scan.references.first().map_or("image", String::as_str);
    let identity = match scan.digests.first() {
        Some(digest) => short(digest).to_owned(),
        None => short(&Digest::of(reference).to_string()).to_owned(),
    };
    let last = reference.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let called = label(last.split(':').next().unwrap_or_default());
    let kind = if scan.vulnerabilities.is_some() { "" } else { "-sbom" };
    format!("{called}-{identity}-{}{kind}", label(&scan.scanner))
}

/// The first 16 digits of `sha256:...`.
fn short(digest: &str) -> &str {
    let hex = digest.rsplit(':').next().unwrap_or_default();
    hex.get(..16).unwrap_or(hex)
}

/// A text as part of an object's name.
fn label(text: &str) -> String {
    let lower = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let label: String = lower.take(60).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "unnamed".into() } else { label.into() }
}

/// A broken file may have been about any image: the list is then known in part, which is not known.
fn record(kind: &str, plural: &str, count: usize, files: usize, broken: usize) -> ListRecord {
    let outcome = match broken {
        0 => ListOutcome::Seen,
        _ => ListOutcome::Failed { reason: format!("{broken} of {} files could not be used", files.max(broken)) },
    };
    let pages = u32::try_from(files).unwrap_or(u32::MAX);
    ListRecord { pages, ..super::record(plural, kind, REQUEST, outcome, count as u64) }
}

#[cfg(test)]
mod tests;
