//! Redaction: every string of an object is looked at before anything is written.
//!
//! [`rules`] holds the tables of what a credential looks like, [`args`] and [`text`] read command lines and running
//! text, [`token`] defines what is written instead, and this module walks the object and knows its places.

mod args;
mod key;
mod places;
mod rules;
mod text;
mod token;

use serde_json::{Map, Value};

pub use key::{InvalidRedactionKey, RedactionKey};
pub use token::{Class, PREFIX, class_of};

use args::CommandLine;
use places::{is_builtin_group, kept_config_map, names_a_reference, points_elsewhere};
use rules::{class_of_name, class_of_shape, is_reference, is_trivial, looks_random, names_a_digest};
use text::{class_of_text, scrub};
pub(super) use token::Tokeniser;

/// What becomes of text that already looks like a redaction token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Live clusters and manifests: whoever wrote it, it is a value like any other.
    Foreign,
    /// Recorded clusters and bundles: well-formed tokens stay.
    Trusted,
}

/// Redacts one object in place.
pub(super) struct Redactor {
    tokeniser: Tokeniser,
    tokens: Tokens,
    /// Kinds that Kubernetes does not define: any field may be anything.
    custom: bool,
    path: String,
}

impl Redactor {
    /// `names` are group, kind, namespace (or empty) and name.
    pub(super) fn new(tokeniser: &Tokeniser, tokens: Tokens, names: [&str; 4]) -> Self {
        let custom = !is_builtin_group(names[0]);
        Self { tokeniser: tokeniser.object(names), tokens, custom, path: String::with_capacity(128) }
    }

    /// Redacts the whole object.
    pub(super) fn object(&mut self, object: &mut Map<String, Value>) {
        self.map(object, None);
    }

    /// `inherited` is what the name of a map around this one says of its values (`credentials: {user: ..., value: ...}`).
    fn map(&mut self, map: &mut Map<String, Value>, inherited: Option<Class>) {
        let parent = Parent::of(map);
        for (key, value) in map.iter_mut() {
            let depth = self.enter(key);
            match (key.as_str(), value) {
                ("data", Value::Object(data)) if parent.holds == Holds::KeptConfig => self.kept_config(data),
                ("data", Value::Object(data)) if parent.holds == Holds::Config => {
                    self.every_value(data, class_of_literal)
                }
                ("binaryData", Value::Object(data)) if parent.holds != Holds::Other => {
                    self.every_value(data, |_, _| Class::ConfigValue);
                }
                ("data", Value::Object(data)) if parent.holds == Holds::Secret => {
                    self.every_value(data, |_, _| Class::Secret)
                }
                ("stringData", Value::Object(data)) => self.every_value(data, |_, _| Class::Secret),
                ("annotations", Value::Object(map)) => self.annotations(map),
                ("labels" | "matchLabels" | "selector" | "nodeSelector", Value::Object(map)) => self.labels(map),
                ("command", Value::Array(items)) => self.arguments(items, CommandLine::default()),
                ("args", Value::Array(items)) => self.arguments(items, parent.command.clone()),
                ("env" | "extraEnv" | "envVars" | "environment", Value::Object(map)) => self.literals(map),
                ("env", Value::Array(items)) => self.variables(items),
                ("value", Value::String(text)) if parent.names.is_some() => self.item(text, parent.names),
                (name, Value::String(text)) => self.field(name, text, inherited, &parent),
                (name, value) => self.value(value, self.inherit(name, inherited)),
            }
            self.path.truncate(depth);
        }
    }

    fn value(&mut self, value: &mut Value, inherited: Option<Class>) {
        match value {
            Value::Object(map) => self.map(map, inherited),
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let depth = self.enter_item(index, item);
                    match item {
                        Value::String(text) => self.item(text, inherited),
                        item => self.value(item, inherited),
                    }
                    self.path.truncate(depth);
                }
            }
            Value::String(text) => self.item(text, inherited),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A ConfigMap that checks read: only what looks like a credential goes.
    fn kept_config(&mut self, data: &mut Map<String, Value>) {
        for (key, value) in data.iter_mut() {
            let Value::String(text) = value else { continue };
            let depth = self.enter(key);
            if !self.is_token(text) {
                *text = scrub(text, |class, part| {
                    if self.is_token(part) { part.to_owned() } else { self.tokeniser.token(class, &self.path, part) }
                });
            }
            self.path.truncate(depth);
        }
    }

    /// Replaces every value of a map, whatever it is.
    fn every_value(&mut self, data: &mut Map<String, Value>, class: fn(&str, &str) -> Class) {
        for (key, value) in data.iter_mut() {
            let depth = self.enter(key);
            let mut text = match value {
                Value::String(text) => std::mem::take(text),
                ref other => other.to_string(),
            };
            if !text.is_empty() {
                self.replace(class(key, &text), &mut text);
            }
            *value = Value::String(text);
            self.path.truncate(depth);
        }
    }

    fn variables(&mut self, items: &mut [Value]) {
        for (index, item) in items.iter_mut().enumerate() {
            let depth = self.enter_item(index, item);
            if let Value::Object(map) = item {
                let name = map.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                for (key, value) in map.iter_mut() {
                    let depth = self.enter(key);
                    match key.as_str() {
                        "value" => self.literal(&name, value),
                        _ => self.value(value, None),
                    }
                    self.path.truncate(depth);
                }
            }
            self.path.truncate(depth);
        }
    }

    fn literals(&mut self, map: &mut Map<String, Value>) {
        for (name, value) in map.iter_mut() {
            let depth = self.enter(name);
            match value {
                Value::Object(_) | Value::Array(_) => self.value(value, class_of_name(name)),
                value => self.literal(name, value),
            }
            self.path.truncate(depth);
        }
    }

    /// A literal of an environment: always replaced, whatever it looks like.
    fn literal(&mut self, name: &str, value: &mut Value) {
        let mut text = match value {
            Value::String(text) => std::mem::take(text),
            Value::Null | Value::Object(_) | Value::Array(_) => return,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
        };
        if !text.is_empty() && !is_reference(&text) {
            self.replace(class_of_literal(name, &text), &mut text);
        }
        *value = Value::String(text);
    }

    fn arguments(&mut self, items: &mut [Value], mut line: CommandLine) {
        for (index, item) in items.iter_mut().enumerate() {
            let Value::String(text) = item else { continue };
            let depth = self.enter_item(index, &Value::Null);
            let hidden = line.argument(text);
            if self.is_foreign_token(text) {
                self.replace(hidden.map_or(Class::ConfigValue, |(class, _)| class), text);
            } else if let Some((class, at)) = hidden
                && !self.is_token(&text[at..])
            {
                let token = self.tokeniser.token(class, &self.path, &text[at..]);
                text.replace_range(at.., &token);
            }
            self.path.truncate(depth);
        }
    }

    fn annotations(&mut self, map: &mut Map<String, Value>) {
        for (key, value) in map.iter_mut() {
            let Value::String(text) = value else {
                self.value(value, None);
                continue;
            };
            let depth = self.enter(key);
            if let Some(class) = places::class_of_annotation(key, text) {
                self.replace(class, text);
            } else {
                self.shape(text);
            }
            self.path.truncate(depth);
        }
    }

    /// Labels and selectors are joined by value: only what is plainly a credential is replaced.
    fn labels(&mut self, map: &mut Map<String, Value>) {
        for (key, value) in map.iter_mut() {
            let depth = self.enter(key);
            match value {
                Value::String(text) if looks_random(text) && !names_a_digest(key) => {
                    self.replace(class_of_name(key).unwrap_or(Class::Token), text);
                }
                Value::String(text) => self.shape(text),
                value => self.value(value, None),
            }
            self.path.truncate(depth);
        }
    }

    fn field(&mut self, name: &str, text: &mut String, inherited: Option<Class>, parent: &Parent) {
        let own =
            class_of_name(name).or_else(|| (self.custom && name == "key" && !parent.selects).then_some(Class::Token));
        let inherited = inherited.filter(|_| !names_a_reference(name));
        match own.or(inherited) {
            Some(class) if !is_trivial(text) => self.replace(class_of_shape(text).unwrap_or(class), text),
            _ => self.item(text, None),
        }
    }

    /// A string of which only its place in a list, or nothing, is known.
    fn item(&mut self, text: &mut String, inherited: Option<Class>) {
        if let Some(class) = inherited
            && !is_trivial(text)
        {
            return self.replace(class, text);
        }
        let custom =
            self.custom && !self.path.starts_with("/metadata/") && self.path != "/kind" && self.path != "/apiVersion";
        match class_of_shape(text) {
            Some(class) => self.replace(class, text),
            None if custom && (looks_random(text) || text.contains('\n')) => {
                if let Some(class) = class_of_text(text) {
                    self.replace(class, text);
                }
            }
            None => self.shape(text),
        }
    }

    fn shape(&mut self, text: &mut String) {
        if let Some(class) = class_of_shape(text) {
            self.replace(class, text);
        } else if self.is_foreign_token(text) {
            self.replace(Class::ConfigValue, text);
        }
    }

    fn replace(&self, class: Class, text: &mut String) {
        if !self.is_token(text) {
            *text = self.tokeniser.token(class, &self.path, text);
        }
    }

    fn is_token(&self, text: &str) -> bool {
        self.tokens == Tokens::Trusted && class_of(text).is_some()
    }

    /// Claims to hold a redacted value without having been redacted by us.
    fn is_foreign_token(&self, text: &str) -> bool {
        let Some(at) = text.find(PREFIX) else { return false };
        self.tokens == Tokens::Foreign || (class_of(&text[at..]).is_none() && !text.contains('\n'))
    }

    /// What the values below `name` are; only custom kinds keep credentials below a name of their own choosing.
    fn inherit(&self, name: &str, inherited: Option<Class>) -> Option<Class> {
        if !self.custom || points_elsewhere(name) {
            return None;
        }
        class_of_name(name).or(inherited)
    }

    fn enter(&mut self, key: &str) -> usize {
        let depth = self.path.len();
        self.path.push('/');
        for c in key.chars() {
            match c {
                '~' => self.path.push_str("~0"),
                '/' => self.path.push_str("~1"),
                c => self.path.push(c),
            }
        }
        depth
    }

    fn enter_item(&mut self, index: usize, item: &Value) -> usize {
        match item.get("name").and_then(Value::as_str) {
            Some(name) => self.enter(&format!("[name={name}]")),
            None => self.enter(&index.to_string()),
        }
    }
}

/// What a map says of the values in it.
struct Parent {
    holds: Holds,
    /// What the `name` of a `{name, value}` says of the value: parameters, headers, settings.
    names: Option<Class>,
    /// The map points at an entry elsewhere (`{name, key}`) or matches labels (`{key, operator, values}`).
    selects: bool,
    /// The command line as `command` leaves it, because `args` goes on.
    command: CommandLine,
}

/// Maps whose values are data of their users, also inside other objects.
#[derive(PartialEq, Eq)]
enum Holds {
    Secret,
    Config,
    KeptConfig,
    Other,
}

impl Parent {
    fn of(map: &Map<String, Value>) -> Self {
        let has = |key: &str| map.contains_key(key);
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        let metadata =
            |field: &str| map.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or_default();
        let holds = match text("kind") {
            Some("Secret") => Holds::Secret,
            Some("ConfigMap") if kept_config_map(metadata("namespace"), metadata("name")) => Holds::KeptConfig,
            Some("ConfigMap") => Holds::Config,
            _ => Holds::Other,
        };
        let mut command = CommandLine::default();
        if let (Some(Value::Array(items)), true) = (map.get("command"), has("args")) {
            for argument in items.iter().filter_map(Value::as_str) {
                command.argument(argument);
            }
        }
        let small = || {
            map.keys().all(|k| matches!(k.as_str(), "name" | "key" | "optional" | "namespace" | "kind" | "property"))
        };
        let selects = has("key")
            && (has("operator") || has("effect") || has("topologyKey") || has("path") || has("name") && small());
        let names = if has("value") { text("name").or_else(|| text("key")).and_then(class_of_name) } else { None };
        Self { holds, names, selects, command }
    }
}

/// The class of a literal that is replaced in any case.
fn class_of_literal(name: &str, text: &str) -> Class {
    class_of_shape(text)
        .or_else(|| class_of_name(name).filter(|_| !is_trivial(text) && !rules::is_path(text)))
        .or_else(|| looks_random(text).then_some(Class::Token))
        .unwrap_or(Class::ConfigValue)
}

#[cfg(test)]
mod tests;
