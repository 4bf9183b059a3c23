//! Redaction: every string of an object is looked at before anything is written.
//!
//! [`rules`] and [`looks`] hold what a credential looks like, [`places`] and [`data`] the places with rules of their
//! own, [`args`] and [`text`] read command lines and running text, [`token`] defines what is written instead, and this
//! module walks the object.

mod args;
mod data;
mod key;
mod looks;
mod own;
mod places;
mod rules;
mod text;
mod token;

use serde_json::{Map, Value};

pub use key::{InvalidRedactionKey, RedactionKey};
pub use token::{Class, PREFIX, class_of};

use args::CommandLine;
use data::class_of_config;
use looks::{is_digest, is_trivial, looks_random};
use own::is_own;
use places::{is_builtin_group, is_driver_fields, is_known, kept_config_map, names_a_reference, points_elsewhere};
use rules::{class_of_group, class_of_name, class_of_shape, names_a_digest};
use text::class_of_text;
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
    own: bool,
    path: String,
}

impl Redactor {
    /// `names` are group, kind, namespace (or empty) and name.
    pub(super) fn new(tokeniser: &Tokeniser, tokens: Tokens, names: [&str; 4]) -> Self {
        let custom = !is_builtin_group(names[0]) && !is_known(names[0], names[1]);
        let own = is_own(names[0], names[1]);
        Self { tokeniser: tokeniser.object(names), tokens, custom, own, path: String::with_capacity(128) }
    }

    /// Redacts the whole object.
    pub(super) fn object(&mut self, object: &mut Map<String, Value>) {
        if self.own { self.own(object) } else { self.map(object, None) }
    }

    /// Redacts a text that stands beside the object.
    pub(super) fn beside(&mut self, place: &str, text: &mut String) {
        let depth = self.enter(place);
        match looks_random(text) {
            true => self.replace(Class::Token, text),
            false => self.shape(text),
        }
        self.path.truncate(depth);
    }

    /// `inherited` is what the name of a map around this one says of its values (`credentials: {user: ..., value: ...}`).
    fn map(&mut self, map: &mut Map<String, Value>, inherited: Option<Class>) {
        self.keys(map);
        let parent = Parent::of(map);
        for (key, value) in map.iter_mut() {
            let depth = self.enter(key);
            match (key.as_str(), value) {
                ("data", Value::Object(data)) if parent.holds == Holds::KeptConfig => self.kept_config(data),
                ("data" | "binaryData", Value::Object(data)) if parent.holds == Holds::Config => {
                    self.every_value(data, class_of_config);
                }
                ("data", Value::Object(data)) if parent.holds == Holds::Secret => self.secrets(data),
                ("stringData", Value::Object(data)) => self.secrets(data),
                ("annotations", Value::Object(map)) => self.annotations(map),
                ("labels" | "matchLabels" | "selector" | "nodeSelector", Value::Object(map)) => self.labels(map),
                // Quantities by resource: `secrets: "20000"` is a limit.
                ("hard", Value::Object(map)) if !self.custom => self.labels(map),
                ("command", Value::Array(items)) => self.arguments(items, CommandLine::default()),
                ("args", Value::Array(items)) => self.arguments(items, parent.command.clone()),
                ("env" | "extraEnv" | "envVars" | "environment", Value::Object(map)) => self.literals(map),
                ("env" | "extraEnv" | "envVars" | "environment", Value::Array(items)) => self.variables(items),
                ("value", value) if parent.names.is_some() => self.value(value, parent.names),
                (name, Value::String(text)) => self.field(name, text, inherited, &parent),
                (name, Value::Object(fields)) if is_driver_fields(name) => {
                    let custom = std::mem::replace(&mut self.custom, true);
                    self.map(fields, inherited);
                    self.custom = custom;
                }
                (name, value) => self.value(value, self.inherit(name, inherited)),
            }
            self.path.truncate(depth);
        }
    }

    /// A name can be a credential too: users keyed by their URL, tokens as keys.
    fn keys(&self, map: &mut Map<String, Value>) {
        let odd: Vec<(Class, String)> =
            map.keys().filter_map(|key| class_of_shape(key).map(|class| (class, key.clone()))).collect();
        for (class, key) in odd {
            if let Some(value) = map.remove(&key) {
                map.insert(self.tokeniser.token(class, &self.path, &key), value);
            }
        }
    }

    fn value(&mut self, value: &mut Value, inherited: Option<Class>) {
        match value {
            Value::Object(map) => self.map(map, inherited),
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let depth = self.enter_item(index, item);
                    self.value(item, inherited);
                    self.path.truncate(depth);
                }
            }
            Value::String(text) => self.item(text, inherited),
            Value::Number(number) => {
                let mut text = number.to_string();
                if let Some(class) = inherited
                    && !is_trivial(&text)
                {
                    self.replace(class, &mut text);
                    *value = Value::String(text);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn arguments(&mut self, items: &mut [Value], mut line: CommandLine) {
        for (index, item) in items.iter_mut().enumerate() {
            let depth = self.enter_item(index, item);
            if let Value::String(text) = item {
                self.argument(text, line.argument(text));
            } else {
                self.value(item, None);
            }
            self.path.truncate(depth);
        }
    }

    fn argument(&mut self, text: &mut String, hidden: Option<args::Hidden>) {
        if self.is_foreign_token(text) {
            self.replace(hidden.map_or(Class::ConfigValue, |(class, _)| class), text);
        } else if let Some((class, at)) = hidden
            && !self.is_token(&text[at..])
        {
            let token = self.tokeniser.token(class, &self.path, &text[at..]);
            text.replace_range(at.., &token);
        }
    }

    fn annotations(&mut self, map: &mut Map<String, Value>) {
        self.keys(map);
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
        self.keys(map);
        for (key, value) in map.iter_mut() {
            let depth = self.enter(key);
            match value {
                Value::String(text) => match class_of_label(key, text) {
                    Some(class) => self.replace(class, text),
                    None => self.shape(text),
                },
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

    /// A string of which nothing is known but what a name around it says.
    fn item(&mut self, text: &mut String, inherited: Option<Class>) {
        if let Some(class) = inherited
            && !is_trivial(text)
        {
            return self.replace(class_of_shape(text).unwrap_or(class), text);
        }
        // Words of a custom kind may be anything; a name in its metadata is a name as elsewhere.
        let opaque = self.custom && text.len() >= 8 && !self.path.starts_with("/metadata/");
        let class = match opaque {
            true if text.contains(char::is_whitespace) => class_of_text(text),
            true if looks_random(text) => Some(Class::Token),
            _ => None,
        };
        match class {
            Some(class) => self.replace(class, text),
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
        // Cheaper than a search, and true of most texts.
        if text.len() < PREFIX.len() {
            return false;
        }
        let Some(at) = text.find(PREFIX) else { return false };
        self.tokens == Tokens::Foreign || (class_of(&text[at..]).is_none() && !text.contains('\n'))
    }

    /// What the values below `name` are; only custom kinds keep credentials below a name of their own choosing.
    fn inherit(&self, name: &str, inherited: Option<Class>) -> Option<Class> {
        if self.custom && !points_elsewhere(name) { class_of_group(name).or(inherited) } else { None }
    }

    fn enter(&mut self, key: &str) -> usize {
        let depth = self.path.len();
        self.path.push('/');
        if key.contains(['~', '/']) {
            self.path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            self.path.push_str(key);
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
        let named = has("value") && !selects;
        let names = if named { text("name").or_else(|| text("key")).and_then(class_of_name) } else { None };
        Self { holds, names, selects, command }
    }
}

/// The class of a label that is plainly a credential.
fn class_of_label(key: &str, text: &str) -> Option<Class> {
    let named = class_of_name(key);
    if looks_random(text) && !(names_a_digest(key) && is_digest(text)) {
        return named.or(Some(Class::Token));
    }
    named.filter(|class| matches!(class, Class::Password | Class::PrivateKey) && !is_trivial(text))
}

#[cfg(test)]
mod tests;
