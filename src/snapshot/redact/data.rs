//! Maps whose values are data of their users: environments, ConfigMaps, Secrets.

use serde_json::{Map, Value};

use super::{
    Redactor,
    looks::{is_path, is_reference, is_trivial, looks_random},
    places::is_certificates,
    rules::{class_of_group, class_of_name, class_of_shape},
    text::scrub,
    token::Class,
};

impl Redactor {
    /// A ConfigMap that checks read: only what looks like a credential goes.
    pub(super) fn kept_config(&mut self, data: &mut Map<String, Value>) {
        self.keys(data);
        for (key, value) in data.iter_mut() {
            let Value::String(text) = value else { continue };
            let depth = self.enter(key);
            if self.is_foreign_token(text) {
                self.replace(Class::ConfigValue, text);
            } else if !self.is_token(text) {
                *text = scrub(text, |class, part| {
                    if self.is_token(part) { part.to_owned() } else { self.tokeniser.token(class, &self.path, part) }
                });
            }
            self.path.truncate(depth);
        }
    }

    pub(super) fn secrets(&mut self, data: &mut Map<String, Value>) {
        self.every_value(data, |_, _| Some(Class::Secret));
    }

    /// Replaces every value that has a class, whatever its type.
    pub(super) fn every_value(&mut self, data: &mut Map<String, Value>, class: fn(&str, &str) -> Option<Class>) {
        self.keys(data);
        for (key, value) in data.iter_mut() {
            let depth = self.enter(key);
            let mut text = match value {
                Value::String(text) => std::mem::take(text),
                ref other => other.to_string(),
            };
            if let Some(class) = class(key, &text).filter(|_| !text.is_empty()) {
                self.replace(class, &mut text);
            }
            *value = Value::String(text);
            self.path.truncate(depth);
        }
    }

    pub(super) fn variables(&mut self, items: &mut [Value]) {
        for (index, item) in items.iter_mut().enumerate() {
            let depth = self.enter_item(index, item);
            match item {
                Value::Object(map) => self.variable(map),
                // `NAME=value`, as other tools write environments.
                Value::String(text) => {
                    let at = text.find('=').map_or(0, |at| at + 1);
                    let mut value = Value::String(text.split_off(at));
                    let name = text.trim_end_matches('=').to_owned();
                    self.literal(&name, &mut value);
                    text.push_str(value.as_str().unwrap_or_default());
                }
                item => self.value(item, None),
            }
            self.path.truncate(depth);
        }
    }

    fn variable(&mut self, map: &mut Map<String, Value>) {
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.keys(map);
        for (key, value) in map.iter_mut() {
            let depth = self.enter(key);
            match key.as_str() {
                "value" => self.literal(&name, value),
                _ => self.value(value, None),
            }
            self.path.truncate(depth);
        }
    }

    pub(super) fn literals(&mut self, map: &mut Map<String, Value>) {
        self.keys(map);
        for (name, value) in map.iter_mut() {
            let depth = self.enter(name);
            match value {
                Value::Object(_) | Value::Array(_) => self.value(value, class_of_group(name)),
                value => self.literal(name, value),
            }
            self.path.truncate(depth);
        }
    }

    /// A literal of an environment: always replaced, whatever it looks like.
    fn literal(&mut self, name: &str, value: &mut Value) {
        let mut text = match value {
            Value::String(text) => std::mem::take(text),
            Value::Null => return,
            Value::Object(_) | Value::Array(_) => return self.value(value, class_of_group(name)),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
        };
        if !text.is_empty() && !is_reference(&text) {
            self.replace(class_of_literal(name, &text), &mut text);
        }
        *value = Value::String(text);
    }
}

/// The class of a literal that is replaced in any case.
fn class_of_literal(name: &str, text: &str) -> Class {
    class_of_shape(text)
        .or_else(|| class_of_name(name).filter(|_| !is_trivial(text) && !is_path(text)))
        .or_else(|| looks_random(text).then_some(Class::Token))
        .unwrap_or(Class::ConfigValue)
}

/// The class of a ConfigMap's value; certificates are public.
pub(super) fn class_of_config(key: &str, text: &str) -> Option<Class> {
    (!is_certificates(text)).then(|| class_of_literal(key, text))
}
