//! The report of a node: what leaves the node, and what a run reads again.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::layout::ROLES;
use crate::{
    canonical,
    config::API_VERSION,
    snapshot::{Sealer, Tokens},
};

/// The schema of a report.
pub const SCHEMA: &str = "kubeproof.dev/node-report/v1";
/// Kind of the objects that reports become.
pub const KIND: &str = "NodeReport";
/// Namespace of the ConfigMaps that nodes write.
pub const NAMESPACE: &str = "kubeproof-nodes";
/// Label of those ConfigMaps; its value is the schema's version.
pub const LABEL: (&str, &str) = ("kubeproof.dev/node-report", "v1");
/// The key of the report in its ConfigMap.
pub const KEY: &str = "report.json";
/// The greatest report: what fits into a ConfigMap beside its metadata.
pub(super) const MAX_BYTES: usize = 1000 << 10;

/// Parts of a report, and whether it is none without them.
const PARTS: [(&str, bool); 11] = [
    ("schema", true),
    ("kubeproof", false),
    ("name", true),
    ("layout", false),
    ("controlPlane", false),
    ("bootId", false),
    ("readAt", true),
    ("files", false),
    ("certificates", false),
    ("kubelet", false),
    ("configFiles", false),
];

/// Why something is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReport {
    /// Larger than a ConfigMap may be.
    #[error("the report is larger than {} KiB", MAX_BYTES >> 10)]
    TooLarge,
    /// Not the JSON of a report.
    #[error("is no node report: {0}")]
    NotAReport(String),
    /// Of another version.
    #[error(
        "is a node report of schema '{0}', and this version reads {SCHEMA}; use one version on nodes and in the job"
    )]
    OtherSchema(String),
}

/// One node's report, without credentials: there is no other way to make one.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    name: String,
    read_at: DateTime<Utc>,
    value: Map<String, Value>,
}

impl Report {
    /// A report as it was just read from the node, or came from one. Whatever looks like a credential is replaced.
    pub(super) fn new(value: Value) -> Result<Self, InvalidReport> {
        let wrong = |reason: &str| InvalidReport::NotAReport(reason.into());
        let Value::Object(mut value) = value else { return Err(wrong("it is no mapping")) };
        match value.get("schema").and_then(Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) if other.starts_with("kubeproof.dev/node-report/") && other.len() < 40 => {
                return Err(InvalidReport::OtherSchema(other.into()));
            }
            Some(_) => return Err(wrong("its schema is another's")),
            None => return Err(wrong("it has no schema")),
        }
        value.retain(|part, _| PARTS.iter().any(|(known, _)| known == part));
        complete(&mut value)?;
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").to_owned();
        if !is_node_name(&name) {
            return Err(wrong("its name is no name of a node"));
        }
        let read_at = DateTime::parse_from_rfc3339(text("readAt")).map_err(|_| wrong("readAt is no RFC 3339 time"))?;
        let sealed = Sealer::new(None, "", Tokens::Foreign).seal(object(&name, value), "", None);
        let Value::Object(value) = sealed.map_err(|error| wrong(&error.to_string()))?.value()["spec"].take() else {
            return Err(wrong("it is no mapping"));
        };
        Ok(Self { name, read_at: read_at.with_timezone(&Utc), value })
    }

    /// Reads a report that a node or a file holds.
    ///
    /// # Errors
    /// Too large, no JSON, another schema, no name or no time.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidReport> {
        if bytes.len() > MAX_BYTES {
            return Err(InvalidReport::TooLarge);
        }
        // The parser's words may repeat what stands there, and that may be a credential.
        Self::new(canonical::parse(bytes).map_err(|_| InvalidReport::NotAReport("its JSON cannot be read".into()))?)
    }

    /// The node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the node was read, by its own clock.
    pub fn read_at(&self) -> DateTime<Utc> {
        self.read_at
    }

    /// As it is written: canonical JSON and a newline.
    ///
    /// # Errors
    /// Larger than a ConfigMap may be.
    pub fn to_json(&self) -> Result<String, InvalidReport> {
        let bytes = canonical::to_vec(&self.value).map_err(|error| InvalidReport::NotAReport(error.to_string()))?;
        if bytes.len() >= MAX_BYTES {
            return Err(InvalidReport::TooLarge);
        }
        Ok(format!("{}\n", String::from_utf8_lossy(&bytes)))
    }

    /// As the object that evidence holds.
    pub fn object(&self) -> Value {
        object(&self.name, self.value.clone())
    }
}

/// The ConfigMap that carries a report.
///
/// # Errors
/// Larger than a ConfigMap may be.
pub fn config_map(report: &Report) -> Result<Value, InvalidReport> {
    Ok(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": report.name, "namespace": NAMESPACE, "labels": {LABEL.0: LABEL.1}},
        "data": {KEY: report.to_json()?},
    }))
}

fn object(name: &str, spec: Map<String, Value>) -> Value {
    json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec})
}

/// What a report does not say is unknown, and never absent.
fn complete(report: &mut Map<String, Value>) -> Result<(), InvalidReport> {
    let missing = || json!({"$unknown": "the report does not say"});
    for (part, needed) in PARTS {
        match report.get(part) {
            Some(value) if !value.is_null() => {}
            _ if needed => return Err(InvalidReport::NotAReport(format!("it has no {part}"))),
            _ => {
                report.insert(part.into(), missing());
            }
        }
    }
    for (part, value) in report.iter_mut() {
        let fits = match part.as_str() {
            "controlPlane" => value.is_boolean(),
            "files" | "kubelet" | "configFiles" => value.is_object(),
            "certificates" => value.is_array(),
            _ => true,
        };
        if !fits && value.get("$unknown").is_none() {
            *value = json!({"$unknown": "the report does not say it in a form that is understood"});
        }
    }
    for (part, names) in [("files", ROLES.as_slice()), ("kubelet", &["flags", "config"])] {
        let Some(Value::Object(map)) = report.get_mut(part) else { continue };
        if map.contains_key("$unknown") {
            continue;
        }
        for name in names {
            if map.get(*name).is_none_or(Value::is_null) {
                map.insert((*name).into(), missing());
            }
        }
    }
    Ok(())
}

/// A DNS subdomain, as every node's name is.
fn is_node_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.starts_with('-')
            && !label.ends_with('-')
            && !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_report_is_refused_with_the_reason() {
        let good = json!({"schema": SCHEMA, "name": "n1", "readAt": "2026-11-23T06:00:00Z"});
        assert!(Report::new(good.clone()).is_ok());
        let with = |key: &str, value: Value| {
            let mut report = good.clone();
            report[key] = value;
            report
        };
        for (report, reason) in [
            (json!([]), "no mapping"),
            (json!({}), "no schema"),
            (with("schema", json!("kubeproof.dev/node-report/v2")), "v2"),
            (with("name", json!("../n1")), "no name of a node"),
            (with("name", json!("")), "no name of a node"),
            (with("name", json!({"$unknown": "x"})), "no name of a node"),
            (with("name", Value::Null), "no name"),
            (with("readAt", json!("yesterday")), "readAt"),
        ] {
            let error = Report::new(report.clone()).unwrap_err().to_string();
            assert!(error.contains(reason), "{report}: {error}");
        }
        for bytes in [b"{".as_slice(), b"\xff", br#"{"schema": "a", "schema": "b"}"#] {
            assert!(matches!(Report::parse(bytes), Err(InvalidReport::NotAReport(_))));
        }
        assert_eq!(Report::parse(&vec![b' '; MAX_BYTES + 1]), Err(InvalidReport::TooLarge));
        assert!(Report::parse("[".repeat(100_000).as_bytes()).is_err(), "nesting has an end");
    }

    /// Anything JSON can say, in the places of a report.
    fn any_value() -> impl Strategy<Value = Value> {
        let names = "name|secret|keys|files|flags|config|kubelet|users|[a-z]{0,3}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,9}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let map = proptest::collection::btree_map(names, inner.clone(), 0..4);
            let list = proptest::collection::vec(inner, 0..4).prop_map(Value::from);
            prop_oneof![list, map.prop_map(|map| Value::Object(map.into_iter().collect()))]
        })
    }

    proptest! {
        #[test]
        fn whatever_a_node_writes_is_a_report_or_a_reason(parts in proptest::collection::vec((0..PARTS.len(), any_value()), 0..6)) {
            let mut report = json!({"schema": SCHEMA, "name": "n1", "readAt": "2026-11-23T06:00:00Z"});
            for (part, value) in parts {
                report[PARTS[part].0] = value;
            }
            if let Ok(read) = Report::parse(report.to_string().as_bytes()) {
                let text = read.to_json().unwrap();
                prop_assert_eq!(Report::parse(text.as_bytes()).unwrap(), read, "what was read is read again as it is");
            }
        }
    }

    #[test]
    fn what_a_report_leaves_out_or_garbles_is_unknown() {
        let report = json!({"schema": SCHEMA, "name": "n1", "readAt": "2026-11-23T06:00:00Z", "controlPlane": "yes",
            "files": {"pki": []}, "certificates": {"$unknown": "denied"}, "kubelet": {"flags": {}}, "more": "x"});
        let spec = Report::new(report).unwrap().object()["spec"].take();
        for place in
            ["/controlPlane", "/files/etcd-data", "/certificates", "/kubelet/config", "/configFiles", "/bootId"]
        {
            assert!(spec.pointer(place).unwrap()["$unknown"].is_string(), "{place}: {spec}");
        }
        assert_eq!(spec["files"]["pki"], json!([]));
        assert_eq!(spec["kubelet"]["flags"], json!({}));
        assert_eq!(spec.get("more"), None);
    }
}
