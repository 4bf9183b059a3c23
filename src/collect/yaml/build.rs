//! Events to values: a stack of open collections, never recursion, so that no input can exhaust the stack.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use granit_parser::{Event, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::{
    Document, FNV_OFFSET, MAX_DEPTH, YamlError, child_hash,
    resolve::{self, Scalar},
    too_deep,
};

/// What aliases may add to one document, in nodes and 64-byte pieces of text: "a billion laughs" ends here.
const MAX_ALIASED: usize = 400_000;

const COMPLEX_KEY: &str = "a list or a mapping cannot be a key";
const MERGE_NEEDS_MAP: &str = "<< needs a mapping or a list of mappings";

/// Builds one document.
#[derive(Default)]
pub(super) struct Builder {
    stack: Vec<Frame>,
    root: Option<Built>,
    line: Option<u32>,
    lines: Vec<(u64, u32)>,
    anchors: BTreeMap<usize, Anchored>,
    aliased: usize,
}

struct Anchored {
    built: Built,
    /// What an alias of it is as a key, or why it is none; absent for a collection.
    key: Option<Result<String, String>>,
    cost: usize,
    depth: usize,
}

struct Frame {
    node: Node,
    anchor: usize,
    hash: u64,
}

enum Node {
    Sequence(Vec<Value>, Wrong),
    Mapping(Mapping),
}

#[derive(Default)]
struct Mapping {
    map: Map<String, Value>,
    key: Option<Key>,
    /// Keys that came from `<<` and may be given again.
    merged: BTreeSet<String>,
    /// Keys that have no form in JSON, as written.
    odd: BTreeSet<String>,
    wrong: Wrong,
}

enum Key {
    Text(String, u32),
    Merge(u32),
    /// It has no form in JSON: its text, and why.
    Odd(String, Reason),
}

/// A value, and what of it has no form in JSON.
#[derive(Clone)]
struct Built {
    value: Value,
    wrong: Option<Box<Wrong>>,
}

/// What has no form in JSON. kubectl converts a document when it has read all of it: what a merge replaced by then is
/// no error.
#[derive(Clone, Default)]
struct Wrong {
    /// The value itself, or a key of it.
    own: Option<Reason>,
    /// Values below it, by key or index.
    below: BTreeMap<String, Wrong>,
}

#[derive(Clone)]
struct Reason {
    line: u32,
    message: String,
}

impl Wrong {
    fn first(&self) -> Option<&Reason> {
        // Nesting is bounded by [`MAX_DEPTH`].
        self.own.as_ref().or_else(|| self.below.values().find_map(Self::first))
    }

    fn put(&mut self, key: &str, wrong: Option<Box<Self>>) {
        match wrong {
            Some(wrong) => drop(self.below.insert(key.to_owned(), *wrong)),
            None => drop(self.below.remove(key)),
        }
    }

    fn boxed(self) -> Option<Box<Self>> {
        self.first().is_some().then(|| Box::new(self))
    }
}

impl From<Value> for Built {
    fn from(value: Value) -> Self {
        Self { value, wrong: None }
    }
}

impl Builder {
    /// Takes the next event, which begins on `line`.
    pub(super) fn event(&mut self, event: Event<'_>, line: u32) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), line),
            Event::SequenceStart(_, anchor, _) => self.open(Node::Sequence(Vec::new(), Wrong::default()), anchor, line),
            Event::MappingStart(_, anchor, _) => self.open(Node::Mapping(Mapping::default()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, line),
            _ => Ok(()),
        }
    }

    /// The document; an empty one is null.
    pub(super) fn finish(mut self) -> Result<Document, YamlError> {
        let root = self.root.unwrap_or_else(|| Value::Null.into());
        if let Some(Reason { line, message }) = root.wrong.as_deref().and_then(Wrong::first) {
            return Err(YamlError { line: *line, message: message.clone() });
        }
        // Of a key given again beside a merge, the place that was written last is the one that counts.
        self.lines.reverse();
        self.lines.sort_by_key(|(hash, _)| *hash);
        self.lines.dedup_by_key(|(hash, _)| *hash);
        Ok(Document { value: root.value, line: self.line.unwrap_or(1), lines: self.lines })
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        line: u32,
    ) -> Result<(), String> {
        let plain = style == ScalarStyle::Plain;
        if self.awaits_key() {
            let merge = text == "<<" && (tag.is_none() && plain || tag.is_some_and(|tag| is_yaml(tag, "merge")));
            let written = text.clone();
            let scalar = scalar(text, plain, tag)?;
            if anchor > 0 {
                // An alias reads the scalar anew: `&k 1: a` is the key "1", and `*k` the number.
                self.remember(anchor, Built::of(scalar.clone(), line), Some(scalar.clone().into_key()))?;
            }
            let key = match scalar.into_key() {
                Ok(_) if merge => Key::Merge(line),
                key => Key::of(key, &written, line),
            };
            return self.set_key(key);
        }
        self.begin(line);
        let scalar = scalar(text, plain, tag)?;
        if anchor > 0 {
            self.remember(anchor, Built::of(scalar.clone(), line), Some(scalar.clone().into_key()))?;
        }
        self.put(Built::of(scalar, line))
    }

    /// The innermost open collection is a mapping between two entries.
    fn awaits_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { node: Node::Mapping(Mapping { key: None, .. }), .. }))
    }

    /// The innermost open collection is a mapping behind `<<`.
    fn awaits_merge(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { node: Node::Mapping(Mapping { key: Some(Key::Merge(_)), .. }), .. }))
    }

    fn set_key(&mut self, key: Key) -> Result<(), String> {
        if let Some(Frame { node: Node::Mapping(mapping), .. }) = self.stack.last_mut() {
            if let Key::Text(name, _) = &key
                && mapping.map.contains_key(name)
                && !mapping.merged.remove(name)
            {
                return Err(format!("key '{name}' is given twice"));
            }
            if let Key::Odd(text, reason) = &key {
                if !mapping.odd.insert(text.clone()) {
                    return Err(format!("key '{text}' is given twice"));
                }
                mapping.wrong.own.get_or_insert_with(|| reason.clone());
            }
            mapping.key = Some(key);
        }
        Ok(())
    }

    /// Notes the line of the value that begins here and returns the hash of its pointer.
    fn begin(&mut self, line: u32) -> u64 {
        let (hash, line) = match self.stack.last() {
            None => {
                self.line = Some(line);
                (FNV_OFFSET, line)
            }
            Some(Frame { node: Node::Sequence(items, _), hash, .. }) => {
                (child_hash(*hash, items.len().to_string().as_str()), line)
            }
            Some(Frame { node: Node::Mapping(mapping), hash, .. }) => match &mapping.key {
                Some(Key::Text(key, line)) => (child_hash(*hash, key), *line),
                // Merged content has no pointer of its own, and what stands behind a wrong key has none at all.
                Some(Key::Merge(_) | Key::Odd(..)) | None => return child_hash(*hash, "<<"),
            },
        };
        self.lines.push((hash, line));
        hash
    }

    fn open(&mut self, node: Node, anchor: usize, line: u32) -> Result<(), String> {
        if self.awaits_key() {
            return Err(COMPLEX_KEY.into());
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        let hash = self.begin(line);
        self.stack.push(Frame { node, anchor, hash });
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let built = match frame.node {
            Node::Sequence(items, wrong) => Built { value: Value::Array(items), wrong: wrong.boxed() },
            Node::Mapping(mapping) => Built { value: Value::Object(mapping.map), wrong: mapping.wrong.boxed() },
        };
        if frame.anchor > 0 {
            self.remember(frame.anchor, built.clone(), None)?;
        }
        self.put(built)
    }

    fn alias(&mut self, anchor: usize, line: u32) -> Result<(), String> {
        let found = self.anchors.get(&anchor).ok_or("an anchor contains itself")?;
        self.aliased = self.aliased.saturating_add(found.cost);
        if self.aliased > MAX_ALIASED {
            return Err("aliases expand to more than this document may hold".into());
        }
        if self.stack.len() + found.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let (built, key) = (found.built.clone(), found.key.clone());
        // A list stands for its mappings where it is written out, and not where an alias stands for it.
        if self.awaits_merge() && !built.value.is_object() {
            return Err(MERGE_NEEDS_MAP.into());
        }
        if self.awaits_key() {
            let key = key.ok_or("an alias used as a key must stand for a scalar")?;
            return self.set_key(Key::of(key, &built.value.to_string(), line));
        }
        self.begin(line);
        self.put(built)
    }

    fn put(&mut self, built: Built) -> Result<(), String> {
        let Some(Frame { node, hash, .. }) = self.stack.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        match node {
            Node::Sequence(items, wrong) => {
                if built.wrong.is_some() {
                    wrong.put(&items.len().to_string(), built.wrong);
                }
                items.push(built.value);
            }
            Node::Mapping(mapping) => match mapping.key.take() {
                Some(Key::Text(key, _)) => mapping.insert(key, built),
                Some(Key::Odd(..)) => {}
                Some(Key::Merge(line)) => {
                    // What is merged stands where it is merged: that is the line to change.
                    let lines = mapping.merge(built)?.into_iter().map(|key| (child_hash(*hash, &key), line));
                    self.lines.extend(lines);
                }
                None => return Err(COMPLEX_KEY.into()),
            },
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, built: Built, key: Option<Result<String, String>>) -> Result<(), String> {
        let (cost, depth) = measure(&built.value);
        // The copy counts too: nested anchors would otherwise store a deep document once for each level.
        self.aliased = self.aliased.saturating_add(cost);
        if self.aliased > MAX_ALIASED {
            return Err("anchors hold more than this document may".into());
        }
        self.anchors.insert(anchor, Anchored { built, key, cost, depth });
        Ok(())
    }
}

impl Built {
    fn of(scalar: Scalar<'_>, line: u32) -> Self {
        scalar.into_value().map_or_else(|message| Self::wrong(Reason { line, message }), Self::from)
    }

    fn wrong(reason: Reason) -> Self {
        let wrong = Wrong { own: Some(reason), below: BTreeMap::new() };
        Self { value: Value::Null, wrong: Some(Box::new(wrong)) }
    }
}

impl Key {
    /// A scalar as a key; `written` tells keys without a form in JSON apart.
    fn of(key: Result<String, String>, written: &str, line: u32) -> Self {
        match key {
            Ok(key) => Self::Text(key, line),
            Err(message) => Self::Odd(written.to_owned(), Reason { line, message }),
        }
    }
}

impl Mapping {
    fn insert(&mut self, key: String, built: Built) {
        self.wrong.put(&key, built.wrong);
        self.map.insert(key, built.value);
    }

    /// `<<`: in a list the first mapping wins; against keys of our own the later one does. Returns the keys it gave.
    fn merge(&mut self, Built { value, wrong }: Built) -> Result<BTreeSet<String>, String> {
        let mut given = BTreeSet::new();
        let mut wrong = wrong.map(|wrong| *wrong).unwrap_or_default();
        let sources = match value {
            Value::Object(map) => vec![(Value::Object(map), wrong)],
            Value::Array(items) => {
                let numbered = items.into_iter().enumerate();
                numbered.map(|(at, item)| (item, wrong.below.remove(&at.to_string()).unwrap_or_default())).collect()
            }
            _ => return Err(MERGE_NEEDS_MAP.into()),
        };
        for (source, mut wrong) in sources.into_iter().rev() {
            let Value::Object(source) = source else { return Err(MERGE_NEEDS_MAP.into()) };
            for (key, value) in source {
                if !self.map.contains_key(&key) {
                    self.merged.insert(key.clone());
                }
                let wrong = wrong.below.remove(&key).map(Box::new);
                self.insert(key.clone(), Built { value, wrong });
                given.insert(key);
            }
            if let Some(reason) = wrong.own {
                self.wrong.own.get_or_insert(reason);
            }
        }
        Ok(given)
    }
}

fn scalar<'a>(text: Cow<'a, str>, plain: bool, tag: Option<&Tag>) -> Result<Scalar<'a>, String> {
    match tag {
        None if plain => Ok(resolve::plain(text)),
        None => Ok(Scalar::Text(text)),
        Some(tag) if is_yaml(tag, "binary") => {
            // Line breaks are no part of base64.
            let bytes = STANDARD.decode(text.replace(['\n', '\r'], "")).map_err(|_| "!!binary holds no base64")?;
            let text = String::from_utf8(bytes).map_err(|_| "!!binary holds no text")?;
            Ok(Scalar::Text(text.into()))
        }
        Some(tag) if is_yaml(tag, "timestamp") && !begins_with_year(&text) => {
            Err(format!("cannot read '{}' as !!timestamp", text.chars().take(40).collect::<String>()))
        }
        Some(tag) => resolve::tagged(tag.core_suffix().unwrap_or(""), text),
    }
}

fn begins_with_year(text: &str) -> bool {
    text.split_once('-').is_some_and(|(year, _)| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()))
}

fn is_yaml(tag: &Tag, suffix: &str) -> bool {
    tag.suffix_in_namespace("tag:yaml.org,2002:").is_some_and(|found| found == suffix)
}

/// What copying `value` costs, and how deep it nests. Depth is bounded by [`MAX_DEPTH`] already.
fn measure(value: &Value) -> (usize, usize) {
    let (cost, depth) = match value {
        Value::Array(items) => items.iter().map(measure).fold((0, 0), widen),
        Value::Object(map) => {
            map.iter().map(|(key, value)| widen((key.len() / 64, 0), measure(value))).fold((0, 0), widen)
        }
        Value::String(text) => return (1 + text.len() / 64, 0),
        Value::Null | Value::Bool(_) | Value::Number(_) => return (1, 0),
    };
    (cost + 1, depth + 1)
}

fn widen((cost, depth): (usize, usize), (more, deep): (usize, usize)) -> (usize, usize) {
    (cost.saturating_add(more), depth.max(deep))
}
