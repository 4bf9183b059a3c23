//! Waivers, attestations and provider documents as people wrote them, from a bundle's rules.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::facts::Files;
use crate::{
    config::{Attestation, AttestationsFile, ProviderDocument, ProvidersFile, Waiver, WaiversFile, parse_yaml},
    evaluate::{attestations, waivers},
};

/// Kinds of declarations that people answer for; what is expected of every cluster is no exception to anything.
pub(crate) const KINDS: [&str; 3] = ["attestation", "provider", "waiver"];
/// Bag path of the waivers.
pub(crate) const WAIVERS: &str = "data/rules/waivers.yaml";

/// `waiver`, `attestation` or `provider`, and the id.
pub(crate) type DeclarationKey = (String, String);

/// One declaration in its writer's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Kind of the waiver or document.
    pub(crate) form: Option<String>,
    /// Who approved, said or issued it.
    pub(crate) by: String,
    /// First day, or the day on which it was said.
    pub(crate) since: Option<NaiveDate>,
    /// Last day.
    pub(crate) until: Option<NaiveDate>,
    /// A waiver's check, an attestation's requirement, what a document covers.
    pub(crate) about: Vec<String>,
    /// Reason, statement, responsibility.
    pub(crate) text: String,
    /// Ticket.
    pub(crate) ticket: Option<String>,
    /// Names of the files that it points at.
    pub(crate) files: Vec<String>,
}

impl Written {
    /// How a run's sentence about it begins and ends; what did not count stands between the two.
    pub(crate) fn note(&self, kind: &str) -> [String; 2] {
        match kind {
            "waiver" => {
                let ticket = self.ticket.as_ref().map_or_else(String::new, |ticket| format!(" ({ticket})"));
                let form = self.form.as_deref().unwrap_or_default();
                let head = format!("{form}, approved by {}{ticket}: {}", self.by, self.text);
                [head, format!("; {}", waivers::UNVERIFIED)]
            }
            _ => {
                let day = self.since.map_or_else(String::new, |day| day.to_string());
                [format!("{}, {day}: {}", self.by, self.text), format!("; {}", attestations::UNVERIFIED)]
            }
        }
    }
}

/// Bag path of the file that holds declarations of a kind.
pub(crate) fn file_of(kind: &str) -> Option<&'static str> {
    match kind {
        "waiver" => Some(WAIVERS),
        "attestation" => Some("data/rules/attestations.yaml"),
        "provider" => Some("data/rules/providers.yaml"),
        _ => None,
    }
}

/// Everything declared in a bundle's rules. Files that do not parse were refused by the run itself.
pub(super) fn written(files: &Files) -> BTreeMap<DeclarationKey, Written> {
    let declared = |kind: &str| declared(kind, files.get(file_of(kind)?)?);
    KINDS.into_iter().filter_map(declared).flatten().collect()
}

/// What a file declares of a kind; `None` where it does not parse.
pub(crate) fn declared(kind: &str, bytes: &[u8]) -> Option<BTreeMap<DeclarationKey, Written>> {
    let file = file_of(kind)?;
    Some(match kind {
        "waiver" => {
            let file = parse_yaml::<WaiversFile>(file, bytes).ok()?.value;
            file.waivers.into_iter().map(|waiver| of_waiver(waiver.value)).collect()
        }
        "attestation" => {
            let file = parse_yaml::<AttestationsFile>(file, bytes).ok()?.value;
            file.attestations.into_iter().map(|attestation| of_attestation(attestation.value)).collect()
        }
        _ => {
            let file = parse_yaml::<ProvidersFile>(file, bytes).ok()?.value;
            file.documents.into_iter().map(|document| of_document(document.value)).collect()
        }
    })
}

fn of_waiver(waiver: Waiver) -> (DeclarationKey, Written) {
    let written = Written {
        form: Some(waiver.kind.words().to_owned()),
        by: waiver.approver,
        since: waiver.from,
        until: Some(waiver.until),
        about: vec![waiver.check],
        text: waiver.reason.trim().to_owned(),
        ticket: waiver.ticket,
        files: waiver.document.into_iter().collect(),
    };
    (("waiver".to_owned(), waiver.id), written)
}

fn of_attestation(attestation: Attestation) -> (DeclarationKey, Written) {
    let written = Written {
        form: None,
        by: attestation.by,
        since: Some(attestation.on),
        until: Some(attestation.until),
        about: vec![attestation.requirement],
        text: attestation.statement.trim().to_owned(),
        ticket: None,
        files: attestation.files,
    };
    (("attestation".to_owned(), attestation.id), written)
}

fn of_document(document: ProviderDocument) -> (DeclarationKey, Written) {
    let written = Written {
        form: Some(document.kind),
        by: document.provider,
        since: Some(document.issued),
        until: Some(document.until),
        about: document.covers,
        text: document.responsibility.trim().to_owned(),
        ticket: None,
        files: vec![document.document],
    };
    (("provider".to_owned(), document.id), written)
}
