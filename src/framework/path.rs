//! Paths to fields: `container.securityContext.privileged`, `pod.volumes[*]`, `settings['audit-log-maxage']`,
//! `podMeta.annotations['container.apparmor.security.beta.kubernetes.io/*']`.
//!
//! The walk gives each place as a JSON Pointer, as a stable path (list items by name or value, so that order does not
//! matter) and as a value. Both texts are made only when somebody asks: most places pass, and nobody does.

use std::fmt;

use crate::evaluate::value::Node;

/// A path: the name it starts at, and the steps from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// `container`, `pod`, `object`, ...
    pub root: String,
    steps: Vec<Step>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A key of a map.
    Key(String),
    /// Every key that matches, `*` standing for any text.
    Glob(String),
    /// Every item of a list.
    Items,
}

/// A path that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field path '{path}': {problem}")]
pub struct PathError {
    path: String,
    problem: String,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Key(key) if key.contains(['.', '[', '\'', '/']) => write!(f, "['{key}']"),
            Step::Key(key) => write!(f, ".{key}"),
            Step::Glob(pattern) => write!(f, "['{pattern}']"),
            Step::Items => f.write_str("[*]"),
        })
    }
}

impl Path {
    /// The key right below the name: `scan` in `image.scan.vulnerabilities`.
    pub fn first_key(&self) -> Option<&str> {
        if let Some(Step::Key(key)) = self.steps.first() { Some(key) } else { None }
    }

    /// Reads a path.
    ///
    /// # Errors
    /// Empty names, brackets that do not close, or anything but `[*]` and `['key']` in brackets.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let wrong = |problem: &str| PathError { path: text.into(), problem: problem.into() };
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (root, mut rest) = text.split_at(end);
        if root.is_empty() {
            return Err(wrong("a path starts with a name, such as pod or object"));
        }
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inner) => bracket(inner).ok_or_else(|| wrong("write [*] or ['key'] in brackets"))?,
                None => name(rest).ok_or_else(|| wrong("names are separated by one dot"))?,
            };
            steps.push(step);
            rest = after;
        }
        Ok(Self { root: root.into(), steps })
    }

    /// The steps from the first name on.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Ends in `[*]` or in a key pattern: each place is an element that exists, and its value is never optional.
    pub fn ends_in_elements(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Items | Step::Glob(_)))
    }

    /// The list that is missing on the way from `start`, as a path; `None` where every list is there.
    pub fn missing_list(&self, start: Place<'_>) -> Option<String> {
        let mut places = vec![start];
        for (at, step) in self.steps.iter().enumerate() {
            if matches!(step, Step::Items) && places.iter().any(|place| place.node.is_none()) {
                return Some(Self { root: self.root.clone(), steps: self.steps[..at].to_vec() }.to_string());
            }
            let mut next = Vec::new();
            places.into_iter().for_each(|place| step.walk(place, &mut next));
            places = next;
        }
        None
    }

    /// Every place that the path leads to from `start`, in the document's order.
    pub fn walk<'a>(&'a self, start: Place<'a>) -> Vec<Place<'a>> {
        self.steps.iter().fold(vec![start], |places, step| {
            let mut next = Vec::with_capacity(places.len());
            for place in places {
                step.walk(place, &mut next);
            }
            next
        })
    }
}

fn name(rest: &str) -> Option<(Step, &str)> {
    let name = rest.strip_prefix('.')?;
    let (name, after) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
    (!name.is_empty()).then(|| (Step::Key(name.into()), after))
}

fn bracket(inner: &str) -> Option<(Step, &str)> {
    if let Some(after) = inner.strip_prefix("*]") {
        return Some((Step::Items, after));
    }
    let (key, after) = inner.strip_prefix('\'')?.split_once("']")?;
    Some((if key.contains('*') { Step::Glob(key.into()) } else { Step::Key(key.into()) }, after))
}

impl Step {
    fn walk<'a>(&'a self, place: Place<'a>, next: &mut Vec<Place<'a>>) {
        match self {
            Self::Glob(_) | Self::Items if place.is_unknown() => next.push(place),
            Self::Key(key) => next.push(place.key(key)),
            Self::Glob(pattern) => {
                for (key, node) in place.node.map(Node::entries).unwrap_or_default() {
                    if glob(pattern, key.inner()) {
                        next.push(place.hop(Hop::Key(key.inner()), Some(node)));
                    }
                }
            }
            Self::Items => next.extend(place.items()),
        }
    }
}

/// A place in a document, reached step by step; there may be nothing at it.
#[derive(Debug, Clone, Default)]
pub struct Place<'a> {
    hops: Vec<Hop<'a>>,
    /// What is there.
    pub node: Option<&'a Node>,
}

#[derive(Debug, Clone, Copy)]
enum Hop<'a> {
    Key(&'a str),
    Item(&'a [Node], usize),
}

impl<'a> Place<'a> {
    /// The document itself.
    pub fn root(node: &'a Node) -> Self {
        Self { hops: Vec::new(), node: Some(node) }
    }

    fn hop(&self, hop: Hop<'a>, node: Option<&'a Node>) -> Self {
        let mut hops = Vec::with_capacity(self.hops.len() + 4);
        hops.extend_from_slice(&self.hops);
        hops.push(hop);
        Self { hops, node }
    }

    /// The place of a key below this one.
    pub fn key(mut self, key: &'a str) -> Self {
        self.hops.push(Hop::Key(key));
        // Whatever is below something unknown is unknown.
        self.node = self.node.and_then(|node| if node.unknown_reason().is_some() { Some(node) } else { node.get(key) });
        self
    }

    /// What is here could not be seen.
    pub fn is_unknown(&self) -> bool {
        self.node.is_some_and(|node| node.unknown_reason().is_some())
    }

    /// The places of a list's items.
    pub fn items(&self) -> impl Iterator<Item = Self> {
        let items = self.node.map(Node::items).unwrap_or_default();
        items.iter().enumerate().map(move |(index, item)| self.hop(Hop::Item(items, index), Some(item)))
    }

    /// RFC 6901.
    pub fn pointer(&self) -> String {
        let mut pointer = String::new();
        for hop in &self.hops {
            pointer.push('/');
            match hop {
                Hop::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Hop::Item(_, index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }

    /// The path with list items by name (`containers[name=app]`) or, for scalars, by value (`add[=NET_RAW]`).
    pub fn stable(&self) -> String {
        let mut stable = String::new();
        for hop in &self.hops {
            match hop {
                Hop::Key(key) if key.contains(['.', '[', '\'']) => stable.push_str(&format!("['{key}']")),
                Hop::Key(key) => {
                    if !stable.is_empty() {
                        stable.push('.');
                    }
                    stable.push_str(key);
                }
                Hop::Item(items, index) => stable.push_str(&item_label(items, *index)),
            }
        }
        stable
    }
}

fn item_label(items: &[Node], index: usize) -> String {
    let Some(label) = label(&items[index]) else { return format!("[{index}]") };
    // Two items may carry one name, and must not become one finding.
    match items[..index].iter().filter(|item| self::label(item).as_ref() == Some(&label)).count() {
        0 => format!("[{label}]"),
        earlier => format!("[{label}#{}]", earlier + 1),
    }
}

fn label(item: &Node) -> Option<String> {
    match item {
        Node::Text(text) => Some(format!("={}", text.inner())),
        Node::Int(int) => Some(format!("={}", int.inner())),
        Node::Map(_) => item.get("name").and_then(Node::as_str).map(|name| format!("name={name}")),
        Node::Null(_) | Node::Bool(_) | Node::Double(_) | Node::List(_) | Node::Unknown(_) => None,
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // The leftmost match of each part leaves the most room for the next one.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn walk(document: serde_json::Value, path: &str) -> Vec<(String, String, Option<serde_json::Value>)> {
        let node = Node::from(&document);
        let path = Path::parse(path).unwrap();
        path.walk(Place::root(&node)).iter().map(|p| (p.pointer(), p.stable(), p.node.map(Node::json))).collect()
    }

    #[test]
    fn elements_are_named_and_repeated_names_counted() {
        let pod = json!({"volumes": [{"name": "a"}, {"name": "b"}, {"name": "a"}, {"x": 1}]});
        let stable: Vec<String> = walk(pod, "pod.volumes[*].hostPath").into_iter().map(|place| place.1).collect();
        assert_eq!(
            stable,
            [
                "volumes[name=a].hostPath",
                "volumes[name=b].hostPath",
                "volumes[name=a#2].hostPath",
                "volumes[3].hostPath"
            ]
        );
    }

    #[test]
    fn no_element_says_nothing_and_an_absent_field_is_a_place() {
        assert_eq!(walk(json!({}), "pod.volumes[*]"), []);
        assert_eq!(walk(json!({}), "pod.a.b"), [("/a/b".into(), "a.b".into(), None)]);
    }

    #[test]
    fn keys_may_be_patterns() {
        let meta = json!({"annotations": {"x.io/app": "runtime/default", "x.io/b": "unconfined", "y": "z"}});
        let places = walk(meta, "podMeta.annotations['x.io/*']");
        assert_eq!(places[0].0, "/annotations/x.io~1app");
        assert_eq!(
            places[1],
            ("/annotations/x.io~1b".into(), "annotations['x.io/b']".into(), Some(json!("unconfined")))
        );
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn scalars_are_named_by_value() {
        let places = walk(json!({"add": ["NET_RAW", "SYS_ADMIN"]}), "c.add[*]");
        assert_eq!(places[1].1, "add[=SYS_ADMIN]");
    }

    #[test]
    fn broken_paths_are_refused() {
        for path in ["", ".a", "a..b", "a[", "a[0]", "a['b", "[*]", "a.", "a[*]b"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
        assert!(Path::parse("a['b.c'][*].d").is_ok());
    }

    #[test]
    fn a_path_is_written_as_it_was_read() {
        for path in ["pod.volumes[*].hostPath", "settings['audit-log.x']", "podMeta.annotations['x.io/*']"] {
            assert_eq!(Path::parse(path).unwrap().to_string(), path);
        }
    }

    #[test]
    fn globs_backtrack() {
        assert!(glob("a*b*c", "axbxxbyc") && glob("*", "") && glob("kube-*", "kube-"));
        assert!(
            !glob("a*bb", "ab")
                && !glob("ab*b", "ab")
                && !glob("a*b", "abx")
                && !glob("kube-*", "kub")
                && !glob("", "x")
        );
    }
}
