//! One list, page by page: a page is redacted and canonical before the next is asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::transport::{Ask, Failure, Transport, parse};
use crate::{
    clock::Clock,
    collect::{
        InputError, ListOutcome, ListRecord,
        node::{self, Candidate},
    },
    snapshot::{Object, Sealer},
};

/// Metadata without content: the only form in which Secrets are ever asked for.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// Definitions carry schemas of megabytes; a page of them is kept small.
const DEFINITIONS_PAGE: u32 = 50;
/// A list that expires this often while it is read changes faster than it can be read.
const MAX_RESTARTS: u32 = 3;

/// A list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) kind: String,
    pub(super) namespaced: bool,
    pub(super) metadata_only: bool,
}

impl Target {
    fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn path(&self, page_size: u32, token: &str) -> String {
        let limit =
            if self.plural == "customresourcedefinitions" { page_size.min(DEFINITIONS_PAGE) } else { page_size };
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let mut path = format!("{root}/{}/{}?limit={limit}", self.api_version(), self.plural);
        if !token.is_empty() {
            path.push_str("&continue=");
            path.extend(url::form_urlencoded::byte_serialize(token.as_bytes()));
        }
        path
    }

    /// The record of a list that was not asked for.
    pub(super) fn unasked(self, outcome: ListOutcome) -> ListRecord {
        ListRecord {
            group: self.group,
            version: self.version,
            resource: self.plural,
            kind: self.kind,
            namespaced: self.namespaced,
            request: String::new(),
            outcome,
            count: 0,
            pages: 0,
            retries: 0,
            resource_version: None,
            duration_ms: 0,
        }
    }
}

/// How lists are read.
pub(super) struct Reader<'a> {
    pub(super) transport: &'a Transport,
    pub(super) sealer: Arc<Sealer>,
    pub(super) page_size: u32,
    pub(super) timeout: Duration,
    pub(super) clock: &'a dyn Clock,
}

/// What a list gave.
pub(super) struct Answer {
    pub(super) record: ListRecord,
    pub(super) objects: Vec<Object>,
    /// Reports that nodes wrote into ConfigMaps.
    pub(super) reports: Vec<Result<Candidate, InputError>>,
}

#[derive(Default)]
struct Progress {
    objects: Vec<Object>,
    reports: Vec<Result<Candidate, InputError>>,
    pages: u32,
    resource_version: Option<String>,
}

impl Reader<'_> {
    /// Reads a whole list. One that does not end well gives no objects: half a list proves nothing.
    pub(super) async fn read(&self, target: Target) -> Answer {
        let started = self.clock.now();
        let retries = AtomicU32::new(0);
        let mut progress = Progress::default();
        let outcome = match tokio::time::timeout(self.timeout, self.pages(&target, &mut progress, &retries)).await {
            Ok(Ok(())) => ListOutcome::Seen,
            Ok(Err(failure)) => outcome_of(failure),
            Err(_) => ListOutcome::TimedOut { after_seconds: self.timeout.as_secs() },
        };
        if outcome != ListOutcome::Seen {
            progress.objects.clear();
            progress.reports.clear();
        }
        let duration = self.clock.now().signed_duration_since(started).num_milliseconds();
        let request = target.path(self.page_size, "");
        let record = ListRecord {
            request,
            count: progress.objects.len() as u64,
            pages: progress.pages,
            retries: retries.load(Ordering::Relaxed),
            resource_version: progress.resource_version,
            duration_ms: u64::try_from(duration).unwrap_or(0),
            ..target.unasked(outcome)
        };
        tracing::info!(
            resource = record.id(),
            outcome = record.outcome.reason().as_deref().unwrap_or("seen"),
            count = record.count,
            pages = record.pages,
            retries = record.retries,
            "list"
        );
        Answer { record, objects: progress.objects, reports: progress.reports }
    }

    async fn pages(&self, target: &Target, progress: &mut Progress, retries: &AtomicU32) -> Result<(), Failure> {
        let mut token = String::new();
        let mut restarts = 0;
        loop {
            let path = target.path(self.page_size, &token);
            let ask = if target.metadata_only { Ask::get(&path).accepting(METADATA) } else { Ask::get(&path) };
            let body = match self.transport.ask(ask, retries).await {
                Err(Failure::Status { status: 410, .. }) if restarts < MAX_RESTARTS => {
                    // The list expired while it was read: pages of two moments must not be mixed.
                    restarts += 1;
                    retries.fetch_add(1, Ordering::Relaxed);
                    *progress = Progress::default();
                    token.clear();
                    continue;
                }
                answer => answer?,
            };
            let page = self.seal(target, body, &path).await?;
            progress.pages += 1;
            progress.resource_version = page.resource_version.or(progress.resource_version.take());
            for (object, report) in page.items {
                progress.objects.push(object);
                progress.reports.extend(report);
            }
            match page.next {
                Some(next) => token = next,
                None => return Ok(()),
            }
        }
    }

    /// Seals a page on the threads that are for computing.
    async fn seal(&self, target: &Target, body: Vec<u8>, path: &str) -> Result<Page, Failure> {
        let (sealer, target, of) = (Arc::clone(&self.sealer), target.clone(), path.to_owned());
        let sealed = tokio::task::spawn_blocking(move || seal_page(&sealer, &target, &body, &of)).await;
        sealed.unwrap_or_else(|error| Err(Failure::Unreadable { path: path.into(), reason: error.to_string() }))
    }
}

fn outcome_of(failure: Failure) -> ListOutcome {
    match failure {
        Failure::Status { status: status @ (401 | 403), reason, .. } => ListOutcome::Refused { status, reason },
        Failure::Status { status: 404, .. } => ListOutcome::NotServed,
        failure => ListOutcome::Failed { reason: failure.to_string() },
    }
}

/// An object, and the report that it holds.
type Item = (Object, Option<Result<Candidate, InputError>>);

struct Page {
    items: Vec<Item>,
    next: Option<String>,
    resource_version: Option<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    metadata: BodyMetadata,
    /// `null` for an empty list of some servers.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BodyMetadata {
    #[serde(rename = "continue")]
    token: Option<String>,
    resource_version: Option<String>,
}

fn seal_page(sealer: &Sealer, target: &Target, body: &[u8], path: &str) -> Result<Page, Failure> {
    let body: Body<'_> = parse(body, path)?;
    let resource = crate::collect::resources::join(&target.plural, &target.group);
    let items = body.items.unwrap_or_default();
    let items =
        items.into_par_iter().map(|item| seal_item(sealer, target, &resource, item, path)).collect::<Result<_, _>>()?;
    let next = body.metadata.token.filter(|token| !token.is_empty());
    Ok(Page { items, next, resource_version: body.metadata.resource_version })
}

fn seal_item(sealer: &Sealer, target: &Target, resource: &str, item: &RawValue, path: &str) -> Result<Item, Failure> {
    let mut object: Value = parse(item.get().as_bytes(), path)?;
    // Items of a list do not say what they are; the digest covers it.
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".into(), target.api_version().into());
        map.insert("kind".into(), target.kind.clone().into());
    }
    // Before the ConfigMap's values become hashes like every other's.
    let report = if target.kind == "ConfigMap" { node::in_config_map(&object, sealer) } else { None };
    sealer
        .seal(object, resource, None)
        .map(|object| (object, report))
        .map_err(|error| Failure::Unreadable { path: path.into(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_group_version_limit_and_an_escaped_token() {
        let target = |group: &str, plural: &str| Target {
            group: group.into(),
            version: "v1".into(),
            plural: plural.into(),
            kind: String::new(),
            namespaced: true,
            metadata_only: false,
        };
        assert_eq!(target("", "pods").path(500, ""), "/api/v1/pods?limit=500");
        assert_eq!(
            target("apps", "deployments").path(500, "a+b=&"),
            "/apis/apps/v1/deployments?limit=500&continue=a%2Bb%3D%26"
        );
        let definitions = target("apiextensions.k8s.io", "customresourcedefinitions").path(500, "");
        assert_eq!(definitions, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=50");
    }

    #[test]
    fn refused_absent_and_failed_are_different() {
        let status = |status| Failure::Status { status, reason: "r".into(), retry_after: None };
        assert_eq!(outcome_of(status(403)), ListOutcome::Refused { status: 403, reason: "r".into() });
        assert_eq!(outcome_of(status(404)), ListOutcome::NotServed);
        assert_eq!(outcome_of(status(500)), ListOutcome::Failed { reason: "500 r".into() });
    }
}
