//! providers.yaml: what a provider's own documents say of its side.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::At;

/// providers.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvidersFile {
    /// `kubeproof.dev/v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Documents.
    pub documents: Vec<At<ProviderDocument>>,
}

/// A document in which a provider answers for its side of some requirements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderDocument {
    /// `P-1`.
    pub id: String,
    /// Platform that it is about (`eks`).
    pub provider: String,
    /// `SOC 2 Type II`.
    pub kind: String,
    /// The document, copied into the bundle.
    pub document: String,
    /// Its date.
    pub issued: NaiveDate,
    /// Last day on which it is relied on.
    pub until: NaiveDate,
    /// Requirements, as `framework/id`; `*` stands for any characters.
    pub covers: Vec<String>,
    /// What the provider answers for.
    pub responsibility: String,
}
