//! Waivers, attestations and provider documents as people wrote them, from a bundle's rules.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::facts::Files;
use crate::config::{Attestation, AttestationsFile, ProviderDocument, ProvidersFile, Waiver, WaiversFile, parse_yaml};

/// `waiver`, `attestation` or `provider`, and the id.
pub(super) type DeclarationKey = (String, String);

/// One declaration in its writer's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Kind of the waiver or document.
    pub(super) form: Option<String>,
    /// Who approved, said or issued it.
    pub(super) by: String,
    /// First day, or the day on which it was said.
    pub(super) since: Option<NaiveDate>,
    /// A waiver's check, an attestation's requirement, what a document covers.
    pub(super) about: Vec<String>,
    /// Reason, statement, responsibility.
    pub(super) text: String,
    /// Ticket.
    pub(super) ticket: Option<String>,
    /// Names of the files that it points at.
    pub(super) files: Vec<String>,
}

/// Everything declared in a bundle's rules. Files that do not parse were refused by the run itself.
pub(super) fn written(files: &Files) -> BTreeMap<DeclarationKey, Written> {
    let rule = |name: &str| files.get(&format!("data/rules/{name}")).map(Vec::as_slice).unwrap_or_default();
    let mut all = BTreeMap::new();
    if let Ok(file) = parse_yaml::<WaiversFile>("waivers.yaml", rule("waivers.yaml")) {
        all.extend(file.value.waivers.into_iter().map(|waiver| of_waiver(waiver.value)));
    }
    if let Ok(file) = parse_yaml::<AttestationsFile>("attestations.yaml", rule("attestations.yaml")) {
        all.extend(file.value.attestations.into_iter().map(|attestation| of_attestation(attestation.value)));
    }
    if let Ok(file) = parse_yaml::<ProvidersFile>("providers.yaml", rule("providers.yaml")) {
        all.extend(file.value.documents.into_iter().map(|document| of_document(document.value)));
    }
    all
}

fn of_waiver(waiver: Waiver) -> (DeclarationKey, Written) {
    let written = Written {
        form: Some(waiver.kind.words().to_owned()),
        by: waiver.approver,
        since: waiver.from,
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
        about: document.covers,
        text: document.responsibility.trim().to_owned(),
        ticket: None,
        files: vec![document.document],
    };
    (("provider".to_owned(), document.id), written)
}
