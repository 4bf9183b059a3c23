//! OpenVEX.

use std::collections::BTreeMap;

use packageurl::PackageUrl;
use serde::Deserialize;

use super::{
    Found, Problem,
    draft::{Names, time},
};
use crate::snapshot::{ImageReference, VexDocument, VexProduct, VexStatement, VexStatus};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "@id")]
    id: Option<String>,
    author: Option<String>,
    timestamp: Option<String>,
    last_updated: Option<String>,
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    vulnerability: Name,
    #[serde(default)]
    products: Vec<Product>,
    status: VexStatus,
    justification: Option<String>,
    impact_statement: Option<String>,
    timestamp: Option<String>,
    last_updated: Option<String>,
}

/// A name alone in the first version of the format, an object since.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Bare(String),
    Full {
        name: Option<String>,
        #[serde(rename = "@id")]
        id: Option<String>,
        #[serde(default)]
        aliases: Vec<String>,
    },
}

impl Name {
    fn ids(&self) -> Vec<String> {
        let mut ids = match self {
            Self::Bare(name) => vec![name.clone()],
            Self::Full { name, id, aliases } => {
                let name = name.clone().or_else(|| Some(id.as_deref()?.rsplit('/').next()?.to_owned()));
                name.into_iter().chain(aliases.iter().cloned()).collect()
            }
        };
        ids.sort();
        ids.dedup();
        ids
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Product {
    Bare(String),
    Full {
        #[serde(rename = "@id")]
        id: Option<String>,
        #[serde(default)]
        identifiers: BTreeMap<String, String>,
        #[serde(default)]
        hashes: BTreeMap<String, String>,
        #[serde(default)]
        subcomponents: Vec<Product>,
    },
}

pub(super) fn read(bytes: &[u8], source: String) -> Result<Found, Problem> {
    let document: Document = serde_json::from_slice(bytes)?;
    let issued = document.last_updated.as_deref().or(document.timestamp.as_deref());
    let mut statements = Vec::new();
    for statement in &document.statements {
        let vulnerabilities = statement.vulnerability.ids();
        let reasoned = statement.justification.is_some() || statement.impact_statement.is_some();
        if statement.status == VexStatus::NotAffected && !reasoned {
            let what = vulnerabilities.join(", ");
            return Err(Problem::new(format!(
                "says {what} is not_affected and not why: OpenVEX asks for a justification or an impact_statement"
            )));
        }
        let at = statement.last_updated.as_deref().or(statement.timestamp.as_deref()).or(issued);
        let products = statement.products.iter().flat_map(placed);
        statements.extend(products.map(|product| VexStatement {
            vulnerabilities: vulnerabilities.clone(),
            status: statement.status,
            at: time(at),
            justification: statement.justification.clone(),
            product,
        }));
    }
    if statements.is_empty() && !document.statements.is_empty() {
        return Err(Problem::new("states nothing of a product that names an image or a package"));
    }
    statements.sort();
    statements.dedup();
    let format = "openvex".into();
    let vex = VexDocument { format, id: document.id, author: document.author, source, statements };
    Ok(Found { scan: None, vex: Some(vex) })
}

/// What a product stands for: an image, packages of an image, or a package wherever it is. One that is none of these
/// is left out, for a statement that cannot be placed must not reassure.
fn placed(product: &Product) -> Vec<VexProduct> {
    let Some(whole) = own(product) else { return Vec::new() };
    let parts = match product {
        Product::Full { subcomponents, .. } => subcomponents.as_slice(),
        Product::Bare(_) => &[],
    };
    if parts.is_empty() {
        return vec![whole];
    }
    let packages = parts.iter().filter_map(|part| own(part)?.package);
    packages.map(|package| VexProduct { package: Some(package), ..whole.clone() }).collect()
}

fn own(product: &Product) -> Option<VexProduct> {
    let (ids, hash) = match product {
        Product::Bare(id) => (vec![id.as_str()], None),
        Product::Full { id, identifiers, hashes, .. } => {
            let ids = identifiers.get("purl").map(String::as_str).into_iter().chain(id.as_deref()).collect();
            (ids, hashes.get("sha-256").or_else(|| hashes.get("sha256")))
        }
    };
    let mut names = Names::default();
    hash.iter().for_each(|hash| names.digest(&format!("sha256:{hash}")));
    for id in ids {
        match id.parse::<PackageUrl<'_>>() {
            Ok(purl) if matches!(purl.ty(), "oci" | "docker") => return image(&purl, names),
            Ok(_) => return Some(VexProduct { package: Some(id.to_owned()), ..VexProduct::default() }),
            // A bare name (`cart`) is also a reference, of Docker Hub: only what names a host and a path is meant so.
            Err(_) if id.contains('.') && id.contains('/') && !id.contains("://") => names.reference(id),
            Err(_) => {}
        }
    }
    of_image(names)
}

/// `pkg:oci/cart@sha256%3A...?repository_url=registry.example.com/shop/cart&tag=2.15.0`. Without a digest and without
/// the repository's host, the name could be anybody's and places nothing.
fn image(purl: &PackageUrl<'_>, mut names: Names) -> Option<VexProduct> {
    let version = purl.version().unwrap_or_default();
    names.digest(version);
    let hosted = purl.qualifiers().get("repository_url").map(|url| url.trim_end_matches('/').to_owned());
    let repository = match (hosted, purl.ty(), purl.namespace()) {
        (Some(url), "docker", namespace) => Some(join(&[Some(&url), namespace, Some(purl.name())])),
        // The URL ends in the name, or is what the name stands under.
        (Some(url), _, _) if url.rsplit('/').next() == Some(purl.name()) => Some(url),
        (Some(url), _, _) => Some(join(&[Some(&url), Some(purl.name())])),
        (None, "docker", namespace) => Some(join(&[namespace, Some(purl.name())])),
        (None, _, _) => None,
    };
    if names.is_empty()
        && let Some(repository) = repository.and_then(|name| name.parse::<ImageReference>().ok())
    {
        let tag = purl.qualifiers().get("tag").map(|tag| tag.as_ref()).or(Some(version).filter(|v| !v.is_empty()));
        let reference = tag.map_or_else(|| repository.name(), |tag| format!("{}:{tag}", repository.name()));
        return Some(VexProduct { references: vec![reference], ..VexProduct::default() });
    }
    of_image(names)
}

fn join(parts: &[Option<&str>]) -> String {
    parts.iter().flatten().copied().collect::<Vec<_>>().join("/")
}

/// A digest says more than the tag that once pointed at it.
fn of_image(names: Names) -> Option<VexProduct> {
    let (references, digests) = names.into_parts();
    let references = if digests.is_empty() { references } else { Vec::new() };
    let given = !references.is_empty() || !digests.is_empty();
    given.then(|| VexProduct { references, digests, ..VexProduct::default() })
}
