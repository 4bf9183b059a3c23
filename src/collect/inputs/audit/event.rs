//! Events of `audit.k8s.io/v1`, as kube-apiserver writes them and as clouds wrap them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::snapshot::AuditWrite;

/// The verbs that change something.
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
/// Subresources whose write changes what their object says, or ends it. Any other is state, a token or a stream.
const SUBRESOURCES: [&str; 5] = ["scale", "ephemeralcontainers", "resize", "eviction", "approval"];
/// Wrappers around wrappers beyond this are no export of anybody's.
const MAX_DEPTH: u8 = 3;
/// Letters of what callers say of themselves.
const MAX_TEXT: usize = 200;
/// Addresses of one request.
const MAX_ADDRESSES: usize = 8;

/// The stage in which the answer is known.
const COMPLETE: &str = "ResponseComplete";
/// The others.
const STAGES: [&str; 3] = ["RequestReceived", "ResponseStarted", "Panic"];

/// One event, as far as it is read: neither what was sent nor what was answered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    verb: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    impersonated_user: Option<User>,
    #[serde(default, rename = "sourceIPs", deserialize_with = "or_default")]
    source_ips: Vec<String>,
    #[serde(default)]
    user_agent: Option<String>,
    #[serde(default)]
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: Option<Status>,
    /// Where the level is `RequestResponse`: a name that the server made stands here alone.
    #[serde(default, deserialize_with = "name_alone")]
    response_object: Option<Answer>,
    #[serde(default)]
    request_received_timestamp: Option<DateTime<Utc>>,
    #[serde(default)]
    stage_timestamp: Option<DateTime<Utc>>,
}

/// Who asked.
#[derive(Debug, Default, Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) uid: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    api_group: Option<String>,
    api_version: Option<String>,
    subresource: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    metadata: AnswerMetadata,
}

#[derive(Debug, Default, Deserialize)]
struct AnswerMetadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    uid: Option<String>,
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An answer of any other form (a Status, a table) names nothing.
fn name_alone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Answer>, D::Error> {
    let raw: Option<&RawValue> = Option::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

/// A write and where it was.
pub(super) struct Written {
    /// `None` for what has no namespace.
    pub(super) namespace: Option<String>,
    pub(super) write: AuditWrite,
}

impl Event {
    /// When it ended, else when it came.
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        self.stage_timestamp.or(self.request_received_timestamp)
    }

    /// Who was authenticated.
    pub(super) fn user(&self) -> &User {
        &self.user
    }

    /// The write that it tells of: one that was done, of an object itself.
    pub(super) fn written(self) -> Option<Written> {
        let time = self.time()?;
        let is_done = self.response_status.as_ref().is_some_and(|status| (200..300).contains(&status.code));
        if !WRITES.contains(&self.verb.as_str()) || self.stage != COMPLETE || !is_done {
            return None;
        }
        let object = self.object_ref?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let subresource = filled(object.subresource);
        if subresource.as_ref().is_some_and(|sub| !SUBRESOURCES.contains(&sub.as_str())) {
            return None;
        }
        let mut namespace = filled(object.namespace);
        // A namespace is logged as within itself.
        namespace.take_if(|_| object.resource == "namespaces");
        let made = self.response_object.filter(|_| self.verb == "create" && subresource.is_none());
        let made = made.unwrap_or_default().metadata;
        let write = AuditWrite {
            time,
            verb: self.verb,
            user: short(self.user.username),
            acting_as: self.impersonated_user.map(|user| short(user.username)),
            group: object.api_group.unwrap_or_default(),
            version: object.api_version.unwrap_or_default(),
            resource: object.resource,
            subresource,
            name: filled(object.name).or(filled(made.name)),
            uid: filled(object.uid).or(filled(made.uid)),
            audit_id: short(self.audit_id),
            source_ips: self.source_ips.into_iter().take(MAX_ADDRESSES).map(short).collect(),
            user_agent: filled(self.user_agent).map(short),
        };
        Some(Written { namespace, write })
    }
}

fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
    }
    text
}

/// What clouds and the API itself put around events.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapper<'a> {
    /// `EventList`.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
    /// `aws logs filter-log-events`.
    #[serde(default)]
    events: Option<Vec<Message>>,
    /// CloudWatch Logs' subscriptions.
    #[serde(default)]
    log_events: Option<Vec<Message>>,
    /// Azure's diagnostic settings, categories `kube-audit` and `kube-audit-admin`.
    #[serde(default)]
    properties: Option<Properties>,
    /// Google's Cloud Audit Logs.
    #[serde(borrow, default)]
    proto_payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(default)]
    log: Option<String>,
}

/// Hands every event of a document to `take`; how many parts of it are none, with what is wrong with the first.
pub(super) fn read(text: &[u8], take: &mut dyn FnMut(Event)) -> Broken {
    let mut broken = Broken::default();
    walk(text, 0, take, &mut broken);
    broken
}

/// What could not be read.
#[derive(Debug, Default)]
pub(super) struct Broken {
    pub(super) count: u64,
    /// What is wrong with the first.
    pub(super) first: String,
}

impl Broken {
    /// One part, and what is wrong with it.
    pub(super) fn one(why: impl Into<String>) -> Self {
        Self { count: 1, first: why.into() }
    }

    fn add(&mut self, why: impl Into<String>) {
        if self.count == 0 {
            self.first = why.into();
        }
        self.count += 1;
    }
}

/// A text that ends in the middle of its JSON.
pub(super) fn is_cut(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(undated(text.trim_ascii())).is_err_and(|error| error.is_eof())
}

fn walk(text: &[u8], depth: u8, take: &mut dyn FnMut(Event), broken: &mut Broken) {
    let text = undated(text.trim_ascii());
    let error = match serde_json::from_slice::<Event>(text) {
        Ok(event) if event.stage == COMPLETE || STAGES.contains(&&*event.stage) => return take(event),
        Ok(event) => return broken.add(format!("is of the unknown stage '{}'", short(event.stage))),
        Err(error) => error,
    };
    if error.is_eof() {
        return broken.add("ends in the middle");
    }
    if error.is_syntax() || depth == MAX_DEPTH {
        return broken.add("is no JSON");
    }
    if text.starts_with(b"[") {
        let items: Vec<&RawValue> = serde_json::from_slice(text).unwrap_or_default();
        return items.iter().for_each(|item| walk(item.get().as_bytes(), depth + 1, take, broken));
    }
    let inner = |text: &str, take: &mut dyn FnMut(Event), broken: &mut Broken| {
        walk(text.as_bytes(), depth + 1, take, broken);
    };
    match serde_json::from_slice::<Wrapper<'_>>(text) {
        Ok(Wrapper { items: Some(items), .. }) => items.iter().for_each(|item| inner(item.get(), take, broken)),
        Ok(Wrapper { events: Some(list), .. } | Wrapper { log_events: Some(list), .. }) => {
            list.iter().for_each(|event| inner(&event.message, take, broken));
        }
        Ok(Wrapper { properties: Some(Properties { log: Some(log) }), .. }) => inner(&log, take, broken),
        Ok(Wrapper { proto_payload: Some(_), .. }) => {
            broken.add("is in the form of Google's Cloud Audit Logs, which is no audit.k8s.io event and is not read");
        }
        _ => broken.add("is no audit.k8s.io event"),
    }
}

/// A line without the time that CloudWatch Logs puts before it in exports to S3.
fn undated(text: &[u8]) -> &[u8] {
    let space = text.iter().take(40).position(|byte| *byte == b' ');
    match space {
        Some(at) if text.first().is_some_and(u8::is_ascii_digit) => text[at..].trim_ascii_start(),
        _ => text,
    }
}
