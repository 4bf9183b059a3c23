//! A comparison as a document: one page to read first, then the detail.
//!
//! Like [`view`](crate::report::view): all wording here, lengths alone in `templates/`; PDF and HTML print the same view.

use chrono::{DateTime, Utc};
use minijinja::{Value, context, value::Serde};
use serde::Serialize;

use super::{
    compared,
    cover::{self, Cover},
    facts::{Facts, Hands},
    findings, objects, rest,
};
use crate::{
    collect::Coverage,
    digest::Digest,
    drift::{Drift, Selection},
    evaluate::{Declaration, Evaluation},
    framework::RuleFiles,
    report::{
        HtmlError, PdfError,
        html::{DRIFT, page},
        typst_world,
        view::{self, Section, Text, words},
    },
    snapshot::Snapshot,
};

/// Everything that the document of a comparison is made of.
#[derive(Debug, Clone, Copy)]
pub struct DriftInput<'a> {
    /// What changed, as far as it was asked for.
    pub drift: &'a Drift,
    /// What was asked for.
    pub selection: &'a Selection,
    /// The earlier side.
    pub old: &'a DriftSide,
    /// The later side.
    pub new: &'a DriftSide,
    /// Who changed what, and whose it is.
    pub hands: &'a Hands,
    /// Waivers, attestations and provider documents as the later side has them.
    pub declarations: &'a [Declaration],
    /// The command that makes the document again.
    pub again: &'a str,
    /// `production`, `staging`, ...
    pub environment: Option<&'a str>,
    /// Marking on every page; a default one where none is configured.
    pub confidentiality: Option<&'a str>,
    /// kubeproof's version.
    pub tool_version: &'a str,
}

/// What is said of one side beside what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftSide {
    /// Where it came from, and whether that was proved.
    pub origin: Origin,
    /// The cluster's name.
    pub cluster: String,
    /// `kubeadm`, `eks`, ..., as far as known.
    pub platform: Option<String>,
    /// Version of Kubernetes, as far as known.
    pub kubernetes: Option<String>,
    /// First request.
    pub started: DateTime<Utc>,
    /// Last answer.
    pub finished: DateTime<Utc>,
    /// kubeproof's version that judged it.
    pub engine: String,
    /// Frameworks with their versions.
    pub frameworks: Vec<String>,
    /// SHA-256 over all rule files, names included.
    pub rules: Digest,
    /// Number of rule files.
    pub rule_files: u64,
    /// Objects in the snapshot.
    pub objects: u64,
    /// Lists that were answered, of those asked for.
    pub lists: (u64, u64),
}

/// Where a side came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A bundle that was verified before anything was read from it.
    Bundle {
        /// SHA-256 of the PAE, hex.
        id: String,
        /// Leaf index in the log.
        index: Option<u64>,
        /// What was verified, and with which key.
        proof: Proof,
    },
    /// The bundle that the document itself stands in: its id exists only after signing.
    Own(Proof),
    /// A recorded cluster or manifests, by path: nothing was verified.
    Unsigned(String),
}

/// What a bundle was verified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// SHA-256 of the manifest without its report lines.
    pub evidence_root: Digest,
    /// SHA-256 of the signing key's SPKI.
    pub signing_key: Digest,
}

impl DriftSide {
    /// A side as its collection and its judgement describe it.
    pub fn of(
        origin: Origin,
        coverage: &Coverage,
        snapshot: &Snapshot,
        evaluation: &Evaluation,
        rules: &RuleFiles,
    ) -> Self {
        let cluster = &coverage.cluster;
        let selected = evaluation.frameworks.iter().filter(|framework| framework.selected);
        let named = |id: &str, version: &str| format!("{} {version}", words::short_framework(id)).trim().to_owned();
        let texts = rules.iter().flat_map(|(name, bytes)| [Digest::of(name).hex(), Digest::of(bytes).hex()]);
        let seen = coverage.lists.iter().filter(|list| list.outcome.is_known()).count();
        Self {
            origin,
            cluster: cluster.name.clone(),
            platform: cluster.platform.clone(),
            kubernetes: cluster.kubernetes.clone(),
            started: coverage.started,
            finished: coverage.finished,
            engine: evaluation.engine.clone(),
            frameworks: selected.map(|framework| named(&framework.id, &framework.version)).collect(),
            rules: Digest::of(texts.collect::<String>()),
            rule_files: rules.len() as u64,
            objects: snapshot.objects.len() as u64,
            lists: (seen as u64, coverage.lists.len() as u64),
        }
    }

    pub(super) fn proof(&self) -> Option<&Proof> {
        match &self.origin {
            Origin::Bundle { proof, .. } | Origin::Own(proof) => Some(proof),
            Origin::Unsigned(_) => None,
        }
    }
}

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct DriftView {
    /// `What changed, shop-prod, 26 Oct 2026 06:00 to 23 Nov 2026 06:00 UTC`.
    pub(super) title: String,
    /// kubeproof and its version.
    pub(super) creator: String,
    /// Head of every page but the first.
    pub(super) running_head: String,
    /// Confidentiality marking, on every page.
    pub(super) marking: String,
    /// What stands at the foot of every page: the roots, or that there are none.
    pub(super) foot: Text,
    /// The first page.
    pub(super) first: Cover,
    /// What follows it.
    pub(super) sections: Vec<Section>,
}

/// What changed, as PDF/A-3a and PDF/UA-1. The same input gives the same bytes.
///
/// # Errors
/// A defect of the template or a time beyond what a PDF can carry; never what the clusters hold.
pub fn drift_pdf(input: &DriftInput<'_>) -> Result<Vec<u8>, PdfError> {
    let view = view(input);
    let data = serde_json::to_value(&view)?;
    // Without signed evidence the document is identified by what it says.
    let attached = compared::attached(input);
    let identity = attached.as_ref().map_or_else(|| Digest::of(data.to_string()).hex(), |file| file.content.clone());
    typst_world::render(typst_world::Parts {
        template: typst_world::Template::Drift,
        data,
        attached,
        identity: &identity,
        creator: &view.creator,
        at: input.new.finished,
    })
}

/// The same as a page that opens from the disk, without anything from elsewhere.
///
/// # Errors
/// A defect of the template; never what the clusters hold.
pub fn drift_html(input: &DriftInput<'_>) -> Result<String, HtmlError> {
    Ok(page(DRIFT, context! { view => Value::from(Serde(view(input))), again => input.again })?)
}

pub(super) fn view(input: &DriftInput<'_>) -> DriftView {
    let facts = Facts::of(input);
    let mut sections = vec![
        findings::worse(&facts),
        findings::better(&facts),
        objects::appeared(&facts),
        objects::changed(&facts),
        rest::sight(&facts),
        rest::declared(&facts),
        rest::rules(&facts),
        rest::left_out(&facts),
    ];
    sections.retain(|section| !section.blocks.is_empty());
    sections.push(compared::section(&facts));
    let span = compared::span(input);
    DriftView {
        title: format!("What changed, {}, {span}", compared::clusters(input)),
        creator: format!("kubeproof {}", input.tool_version),
        running_head: format!("{} · {span}", compared::clusters(input)),
        marking: view::marking(input.confidentiality),
        foot: compared::foot(input),
        first: cover::page(&facts, &sections),
        sections,
    }
}
