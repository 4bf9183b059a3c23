//! Stage 2: redacted, canonical, sorted, digested.

mod assemble;
mod audit;
mod components;
mod image_ref;
mod images;
mod nodes;
mod parquet;
mod redact;
mod reports;
mod request;
mod scan;
mod seal;
mod status;
mod stored;

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    collect::ClusterIdentity,
    digest::Digest,
    rbac::Grant,
    resource::{Gvk, ResourceRef},
};

pub use assemble::assemble;
pub use audit::{AUDIT_TRAIL, AuditLog, AuditTrail, AuditWrite, is_system_user};
pub use components::{SYSTEM, component_of};
pub use image_ref::{ImageReference, InvalidReference};
pub use parquet::TableError;
pub(crate) use parquet::{
    ROW_GROUP, Table, dates, integers, numbers, optional_switches, read as read_table, read_columns, switches, texts,
    times, write_pieces, write_rows,
};
pub use redact::{Class, InvalidRedactionKey, PREFIX, RedactionKey, Tokens, class_of};
pub use reports::{REPORTS, REPORTS_GROUP, report_scan};
pub use scan::{
    IMAGE_SCAN, ImageScan, VEX_DOCUMENT, VexDocument, VexProduct, VexStatement, VexStatus, Vulnerability,
    VulnerabilitySeverity, distinct,
};
pub use seal::{SealError, Sealer};
pub use stored::{read, write};
pub(crate) use stored::{read_grants_of, read_images_of, read_nodes_of};

/// A cluster's state at one moment, as it is stored.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Which cluster.
    pub cluster: ClusterIdentity,
    /// Key id of the redaction key; snapshots without a common key cannot be compared value by value.
    pub redaction_key: Option<String>,
    /// Sorted by group, kind, namespace, name; one entry each.
    pub objects: Vec<Object>,
    /// Every permission with the chain that gives it, sorted.
    pub grants: Vec<Grant>,
    /// Every container image named by a workload, sorted.
    pub images: Vec<Image>,
    /// Nodes, sorted by name.
    pub nodes: Vec<NodeRow>,
    /// Control-plane components and kubelets with their settings, sorted.
    pub components: Vec<Component>,
}

impl Snapshot {
    /// Holds the text of each object that `other` has as well only once: most of a cluster stays as it was.
    pub fn share(&mut self, other: &Self) {
        let texts: HashMap<Digest, &Arc<str>> = other.objects.iter().map(|o| (o.digest, &o.json)).collect();
        for object in &mut self.objects {
            if let Some(text) = texts.get(&object.digest) {
                object.json = Arc::clone(text);
            }
        }
    }
}

/// One object: redacted, canonical, digested.
#[derive(Debug, Clone)]
pub struct Object {
    /// Group, version, kind.
    pub gvk: Gvk,
    /// Plural resource with its group (`deployments.apps`); for manifests guessed from the kind.
    pub resource: String,
    /// `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Object name.
    pub name: String,
    /// uid given by the API server.
    pub uid: Option<String>,
    /// RFC 8785 JSON of the redacted object (formats.md, "Object digest"): what is stored and hashed.
    pub json: Arc<str>,
    /// SHA-256 of `json`.
    pub digest: Digest,
    /// `metadata.managedFields` reduced to manager, operation and time; outside the digest.
    pub managers: Vec<Manager>,
    /// Where it was read, for manifests.
    pub origin: Option<Arc<Origin>>,
}

impl Object {
    /// The name others point at.
    pub fn reference(&self) -> ResourceRef {
        ResourceRef {
            api_version: self.gvk.api_version(),
            kind: self.gvk.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }

    /// The stored JSON, parsed.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.json).unwrap_or(serde_json::Value::Null)
    }

    /// What objects are sorted by. Objects of a cluster are unique in it; manifests may hold variants of one.
    pub fn sort_key(&self) -> (&str, &str, &str, &str) {
        (&self.gvk.group, &self.gvk.kind, self.namespace.as_deref().unwrap_or(""), &self.name)
    }
}

/// One entry of `managedFields`, reduced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manager {
    /// Field manager (`helm`, `kubectl-client-side-apply`).
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When it last wrote.
    pub time: Option<DateTime<Utc>>,
}

/// Where a manifest's object stands.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// File path as given, `-` for standard input.
    pub file: String,
    /// 1-based line of the document's first node.
    pub line: u32,
    /// FNV-1a 64 of each JSON Pointer and its 1-based line, sorted by hash.
    pub lines: Vec<(u64, u32)>,
}

/// A container image in use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Image as the workload names it.
    pub image: String,
    /// Digest that runs (`sha256:…`), from pod status, where seen.
    pub digest: Option<String>,
    /// Workload that names it (`Deployment/shop/cart`).
    pub workload: String,
    /// Container name.
    pub container: String,
}

/// A node, reduced to facts that audits ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRow {
    /// Node name.
    pub name: String,
    /// Kubelet version (`v1.37.2`).
    pub kubelet: String,
    /// Operating system image.
    pub os_image: String,
    /// Kernel version.
    pub kernel: String,
    /// Container runtime and version.
    pub runtime: String,
    /// Cloud provider id without the instance's own part (`aws`, `gce`, ...), where there is one.
    pub provider: Option<String>,
    /// Roles from the node-role labels.
    pub roles: Vec<String>,
}

/// One setting's effective value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// `kube-apiserver`, `kubelet`, ...
    pub component: String,
    /// Pod or node that carries it.
    pub instance: String,
    /// Flag or configuration field.
    pub setting: String,
    /// Redacted value.
    pub value: String,
    /// `flag`, `file` or `default`.
    pub source: String,
}

#[cfg(test)]
mod tests;
