//! The walk to the places of a check, as one expression.

use serde_json::Value;

use super::literal;
use crate::framework::{
    library::{Check, List, Policy},
    path::{Path, Step},
};

/// An expression for a value.
#[derive(Debug, Clone)]
pub(super) struct At {
    text: String,
    /// It gives an optional, for the value may be absent.
    optional: bool,
    /// What is there may be null: some fields are written even where they are empty.
    nullable: bool,
}

impl At {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), optional: false, nullable: false }
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let step = if plain { format!(".?{key}") } else { format!("[?{}]", literal::text(key)) };
        Self { text: format!("{}{step}", self.text), optional: true, nullable: self.nullable }
    }

    /// An optional, present or not.
    pub(super) fn optional(&self) -> String {
        if self.optional { self.text.clone() } else { format!("optional.of({})", self.text) }
    }

    /// A list or map, `empty` where there is none.
    fn or(&self, empty: &str) -> String {
        match (self.optional, self.nullable) {
            (false, _) => self.text.clone(),
            (true, false) => format!("{}.orValue({empty})", self.text),
            (true, true) => {
                format!("{}.optFlatMap(list, optional.ofNonZeroValue(list)).orValue({empty})", self.text)
            }
        }
    }
}

/// What is made of the places: the question itself, or the texts of those that fail.
pub(super) trait Form {
    /// Everything over `list` with the name `item`.
    fn each(&self, list: &str, item: &str, inner: &str) -> String;
    /// An element that a key pattern leads to, with the condition that its key matches.
    fn matching(&self, condition: &str, inner: &str) -> String;
    /// What is asked of one value, named `value` here.
    fn value(&self, list: &str) -> String;
    /// What is asked where there is no value.
    fn whole(&self) -> String;
    /// Several answers together.
    fn together(&self, parts: Vec<String>) -> String;
    /// `name` stands for `value` in `inner`.
    fn bind(&self, name: &str, value: &str, inner: &str) -> String;
}

/// The expression that holds when every place of the check passes.
pub(super) fn holds(check: &Check, policy: &Policy<'_>) -> String {
    walk(check, policy, &Holds { core: core(check, policy) })
}

/// `pass`, and `when` where there is one, as they are written.
pub(super) fn core(check: &Check, policy: &Policy<'_>) -> String {
    let pass = policy.pass.text().trim();
    check.when.as_ref().map_or_else(|| pass.to_string(), |when| format!("!({}) || ({pass})", when.text().trim()))
}

struct Holds {
    core: String,
}

impl Form for Holds {
    fn each(&self, list: &str, item: &str, inner: &str) -> String {
        format!("{list}.all({item},\n{}\n)", indent(inner))
    }

    fn matching(&self, condition: &str, inner: &str) -> String {
        format!("!{condition} ||\n{inner}")
    }

    fn value(&self, list: &str) -> String {
        format!("{list}.all(value, {})", self.core)
    }

    fn whole(&self) -> String {
        self.core.clone()
    }

    fn together(&self, parts: Vec<String>) -> String {
        let several = parts.len() > 1;
        let parts = parts.into_iter().map(|part| if several { format!("({part})") } else { part });
        parts.collect::<Vec<_>>().join("\n&& ")
    }

    fn bind(&self, name: &str, value: &str, inner: &str) -> String {
        self.each(&format!("[{value}]"), name, inner)
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Walks to the places of a check as the engine does.
pub(super) fn walk(check: &Check, policy: &Policy<'_>, form: &dyn Form) -> String {
    let absent = check.absent.as_ref().map(|absent| literal::of(&absent.json()));
    // One expression for fields of different types: the type checker would hold each field to the types of them all.
    let untyped = check.fields.len() > 1;
    let walk = Walk { form, absent, untyped };
    let item = check.each.as_ref().map(|each| each.name.as_str());
    let (inside, outside): (Vec<&Path>, Vec<&Path>) =
        check.fields.iter().partition(|field| Some(field.root.as_str()) == item);
    let mut parts: Vec<String> = outside.into_iter().map(|field| walk.field(field)).collect();
    if let Some(each) = &check.each {
        let inner = if check.fields.is_empty() {
            form.whole()
        } else {
            form.together(inside.iter().map(|field| walk.field(field)).collect())
        };
        // A field of something else is judged once, whatever items there are.
        if check.fields.is_empty() || !inside.is_empty() {
            parts.push(match &each.list {
                List::Containers => form.each("variables.containers", &each.name, &inner),
                List::At(path) => {
                    walk.steps(path.steps(), start(path), 0, &|list| form.each(&list.or("[]"), &each.name, &inner))
                }
            });
        }
    } else if check.fields.is_empty() {
        parts.push(form.whole());
    }
    let mut whole = form.together(parts);
    let mentions = |name: &str| check.when.iter().chain([policy.pass]).any(|expression| expression.mentions(name));
    for name in ["pod", "podMeta"].into_iter().filter(|name| mentions(name)) {
        whole = form.bind(name, &format!("variables.{name}"), &whole);
    }
    let params = policy.params.json();
    if mentions("params") {
        whole = form.bind("params", &literal::of(&params), &whole);
    }
    whole
}

/// Where a path starts.
pub(super) fn start(path: &Path) -> At {
    match path.root.as_str() {
        "pod" => At::new("variables.pod"),
        "podMeta" => At::new("variables.podMeta"),
        // Pods leave out what is empty; other kinds may not.
        "object" => At { nullable: true, ..At::new("object") },
        other => At::new(other),
    }
}

struct Walk<'a> {
    form: &'a dyn Form,
    absent: Option<String>,
    untyped: bool,
}

impl Walk<'_> {
    fn start(&self, field: &Path) -> At {
        let at = start(field);
        if self.untyped && field.root == "object" { At { text: "dyn(object)".into(), ..at } } else { at }
    }

    fn field(&self, field: &Path) -> String {
        let steps = field.steps();
        match steps.split_last() {
            // The last step's elements are the values themselves.
            Some((Step::Items, before)) => {
                self.steps(before, self.start(field), 0, &|list| self.form.value(&list.or("[]")))
            }
            _ => self.steps(steps, self.start(field), 0, &|at| {
                // What a key pattern leads to is there.
                let there = matches!(steps.last(), Some(Step::Glob(_)));
                self.form.value(&format!("[{}]", if there { at.text.clone() } else { self.or_absent(at) }))
            }),
        }
    }

    fn or_absent(&self, at: &At) -> String {
        match &self.absent {
            Some(absent) => format!("{}.or(optional.of({absent}))", at.optional()),
            None => at.optional(),
        }
    }

    fn steps(&self, steps: &[Step], at: At, depth: usize, end: &dyn Fn(&At) -> String) -> String {
        let Some((step, rest)) = steps.split_first() else { return end(&at) };
        match step {
            Step::Key(key) => self.steps(rest, at.key(key), depth, end),
            Step::Items => {
                let item = format!("item{depth}");
                let inner = self.steps(rest, At::new(&item), depth + 1, end);
                self.form.each(&at.or("[]"), &item, &inner)
            }
            Step::Glob(pattern) => {
                let (map, key) = (at.or("{}"), format!("key{depth}"));
                let inner = self.steps(rest, At::new(format!("{map}[{key}]")), depth + 1, end);
                let condition = format!("{key}.matches({})", literal::text(&matching(pattern)));
                self.form.each(&map, &key, &self.form.matching(&condition, &inner))
            }
        }
    }
}

/// A key pattern as a regular expression.
fn matching(pattern: &str) -> String {
    let parts = pattern.split('*').map(regex::escape).collect::<Vec<_>>();
    format!("^{}$", parts.join("(?s:.*)"))
}

/// A value of the check's parameters, by the keys of a path.
pub(super) fn param<'a>(params: &'a Value, path: &Path) -> Option<&'a Value> {
    path.steps().iter().try_fold(params, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Glob(_) | Step::Items => None,
    })
}
