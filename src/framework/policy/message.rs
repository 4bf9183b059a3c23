//! What the API server tells the caller: the check's sentence for every place that fails.

use super::{
    expression::{At, Form, core, param, start, walk},
    literal,
};
use crate::{
    evaluate::value::plain,
    framework::{
        library::{Check, Policy},
        path::{Path, Step},
        template::Part,
    },
};

/// Between the sentences.
const SEPARATOR: &str = "join('; ')";

/// The expression for the sentences; `None` where the check's sentence lists several values at once, which has no
/// counterpart there. Where it fails, the API server falls back to the policy's fixed message.
pub(super) fn of(check: &Check, policy: &Policy<'_>) -> Option<String> {
    let sentence = sentence(check, policy)?;
    Some(walk(check, policy, &Sentences { core: core(check, policy), sentence }))
}

fn sentence(check: &Check, policy: &Policy<'_>) -> Option<String> {
    let params = policy.params.json();
    let mut parts = Vec::new();
    for part in check.message.parts() {
        match part {
            Part::Text(text) if text.is_empty() => {}
            Part::Text(text) => parts.push(literal::text(text)),
            Part::Path(path) if path.root == "params" => {
                parts.push(literal::text(&param(&params, path).map_or_else(|| "unset".into(), plain)));
            }
            Part::Path(path) => parts.push(value(check, path)?),
        }
    }
    Some(parts.join(" + "))
}

/// A value as text, `unset` where there is none.
fn value(check: &Check, path: &Path) -> Option<String> {
    let elements = check.fields.iter().all(Path::ends_in_elements);
    // One name cannot stand for an element here and for an optional there.
    if path.root == "value" && !elements && check.fields.iter().any(Path::ends_in_elements) {
        return None;
    }
    let mut at = start(path);
    for step in path.steps() {
        let Step::Key(key) = step else { return None };
        at = at.key(key);
    }
    let optional = if path.root == "value" && !elements && path.steps().is_empty() {
        "value".to_string()
    } else {
        At::optional(&at)
    };
    Some(format!("{optional}.optMap(found, string(dyn(found))).orValue('unset')"))
}

struct Sentences {
    core: String,
    sentence: String,
}

/// The texts of a list that are no empty ones, as one.
fn joined(texts: &str) -> String {
    format!("{texts}.filter(text, text != '').{SEPARATOR}")
}

impl Form for Sentences {
    fn each(&self, list: &str, item: &str, inner: &str) -> String {
        joined(&format!("{list}.map({item}, {inner})"))
    }

    fn matching(&self, condition: &str, inner: &str) -> String {
        format!("!{condition} ? '' : {inner}")
    }

    fn value(&self, list: &str) -> String {
        format!("{list}.filter(value, !({})).map(value, {}).{SEPARATOR}", self.core, self.sentence)
    }

    fn whole(&self) -> String {
        format!("({}) ? '' : {}", self.core, self.sentence)
    }

    fn together(&self, mut parts: Vec<String>) -> String {
        if parts.len() == 1 { parts.remove(0) } else { joined(&format!("[{}]", parts.join(", "))) }
    }

    fn bind(&self, name: &str, value: &str, inner: &str) -> String {
        format!("[{value}].map({name}, {inner})[0]")
    }
}
