//! Sealing: from an object as it was read to the object as it is stored.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    Manager, Object, Origin,
    redact::{RedactionKey, Redactor, Tokeniser, Tokens},
    reports, request, status,
};
use crate::{canonical, digest::Digest, resource::Gvk};

/// Why something that was read is no object.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not a JSON object.
    #[error("not a Kubernetes object: expected a mapping with apiVersion, kind and metadata")]
    NotAnObject,
    /// `apiVersion`, `kind` or a name is missing or not a text.
    #[error("{0} is missing or not a text; every Kubernetes object has one")]
    Missing(&'static str),
    /// Canonical form failed.
    #[error(transparent)]
    Canonical(#[from] canonical::CanonicalError),
}

/// Redacts, reduces, canonicalises and digests objects of one cluster. Cheap to share between threads.
#[derive(Clone)]
pub struct Sealer {
    tokeniser: Tokeniser,
    tokens: Tokens,
}

impl Sealer {
    /// A sealer for the cluster with this uid. Without a key, redacted values cannot be told apart (`check`).
    pub fn new(key: Option<RedactionKey>, cluster_uid: &str, tokens: Tokens) -> Self {
        Self { tokeniser: Tokeniser::new(key.as_ref(), cluster_uid), tokens }
    }

    /// Seals one object, which carries `apiVersion` and `kind`; `resource` is its plural name with group.
    ///
    /// # Errors
    /// Values that are no Kubernetes object.
    pub fn seal(&self, object: Value, resource: &str, origin: Option<Arc<Origin>>) -> Result<Object, SealError> {
        let Value::Object(mut object) = object else { return Err(SealError::NotAnObject) };
        let gvk = Gvk::new(text(&object, "apiVersion")?, text(&object, "kind")?);
        let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
            return Err(SealError::Missing("metadata"));
        };
        for volatile in ["resourceVersion", "generation", "selfLink"] {
            metadata.remove(volatile);
        }
        let mut managers = managers(metadata.remove("managedFields"));
        let names = Names::of(metadata)?;
        reduce(&gvk, &mut object);
        let parts = [gvk.group.as_str(), &gvk.kind, names.namespace.as_deref().unwrap_or_default(), &names.name];
        let mut redactor = Redactor::new(&self.tokeniser, self.tokens, parts);
        redactor.object(&mut object);
        for manager in &mut managers {
            redactor.beside("manager", &mut manager.manager);
        }
        // Read again: what the object is called outside its JSON must not say more than the JSON.
        let names = object.get("metadata").and_then(Value::as_object).map_or(Ok(names), Names::of)?;
        let json = canonical::value_to_vec(&Value::Object(object))?;
        let digest = Digest::of(&json);
        // Canonical JSON is UTF-8 by definition, so nothing is ever replaced here.
        let json = String::from_utf8(json).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        Ok(Object {
            gvk,
            resource: resource.to_owned(),
            namespace: names.namespace,
            name: names.name,
            uid: names.uid,
            json: json.into(),
            digest,
            managers,
            origin,
        })
    }
}

/// What an object is called.
struct Names {
    namespace: Option<String>,
    name: String,
    uid: Option<String>,
}

impl Names {
    fn of(metadata: &Map<String, Value>) -> Result<Self, SealError> {
        let field =
            |name: &str| metadata.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        let name = field("name").or_else(|| field("generateName")).ok_or(SealError::Missing("metadata.name"))?;
        Ok(Self { namespace: field("namespace"), name, uid: field("uid") })
    }
}

fn text<'a>(object: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, SealError> {
    object.get(field).and_then(Value::as_str).filter(|t| !t.is_empty()).ok_or(SealError::Missing(field))
}

/// `managedFields` as who, how and when, sorted.
fn managers(fields: Option<Value>) -> Vec<Manager> {
    let Some(Value::Array(entries)) = fields else { return Vec::new() };
    let mut managers: Vec<Manager> = entries
        .iter()
        .filter_map(|entry| {
            let field = |name: &str| entry.get(name).and_then(Value::as_str);
            let time = field("time").and_then(|t| DateTime::parse_from_rfc3339(t).ok()).map(|t| t.with_timezone(&Utc));
            Some(Manager {
                manager: field("manager")?.to_owned(),
                operation: field("operation").unwrap_or_default().to_owned(),
                time,
            })
        })
        .collect();
    managers.sort();
    managers.dedup();
    managers
}

/// Leaves out what is not configuration, kind by kind.
fn reduce(gvk: &Gvk, object: &mut Map<String, Value>) {
    status::reduce(&gvk.group, &gvk.kind, object);
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        (reports::REPORTS_GROUP, kind) if reports::REPORTS.contains(&kind) => reports::reduce(object),
        ("", "Secret") => {
            const KEPT: [&str; 7] = ["apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData"];
            object.retain(|field, _| KEPT.contains(&field.as_str()));
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let versions = object.get_mut("spec").and_then(|s| s.get_mut("versions")).and_then(Value::as_array_mut);
            for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
                version.retain(|field, _| matches!(field.as_str(), "name" | "served" | "storage" | "deprecated"));
            }
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                request::reduce(spec);
            }
        }
        _ => {}
    }
}
