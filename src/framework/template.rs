//! Texts with paths in braces: `container {container.name} adds {value}`. Paths only, no expressions.

use std::collections::BTreeSet;

use super::path::{Path, Place};
use crate::{
    config::nearest,
    evaluate::value::{Node, plain},
};

/// A text with places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// To be filled in.
    Path(Path),
}

/// A text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Template {
    /// Reads a text whose paths start at `names`.
    ///
    /// # Errors
    /// A brace that does not close, a path that cannot be read, or one that starts at an unknown name.
    pub fn parse(text: &str, names: &BTreeSet<String>) -> Result<Self, TemplateError> {
        let wrong = |message: String, hint: Option<String>| TemplateError { message, hint };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (path, after) = after
                .split_once('}')
                .ok_or_else(|| wrong("a brace is not closed".into(), Some("write {container.name}".into())))?;
            let path = Path::parse(path).map_err(|error| {
                wrong(error.to_string(), Some("braces hold paths, never expressions; use 'observed' for those".into()))
            })?;
            if !names.contains(&path.root) {
                let hint = nearest(&path.root, names.iter().map(String::as_str));
                let hint = hint.map(|name| format!("did you mean '{name}'?"));
                return Err(wrong(format!("unknown name '{}' in braces", path.root), hint));
            }
            parts.push(Part::Text(before.into()));
            parts.push(Part::Path(path));
            rest = after;
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self(parts))
    }

    /// The pieces, in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The text with every path filled in from `value_of` its first name; `unset` where there is nothing.
    pub fn fill<'a>(&self, value_of: impl Fn(&str) -> Option<&'a Node>) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Path(path) => {
                    let places = value_of(&path.root).map(|node| path.walk(Place::root(node))).unwrap_or_default();
                    let values: Vec<String> =
                        places.iter().filter_map(|place| place.node).map(|node| plain(&node.json())).collect();
                    filled.push_str(if values.is_empty() { "unset" } else { "" });
                    filled.push_str(&values.join(", "));
                }
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> BTreeSet<String> {
        ["container", "params"].map(String::from).into()
    }

    #[test]
    fn paths_are_filled_and_absent_ones_say_so() {
        let node = Node::from(&serde_json::json!({"name": "app", "kinds": ["a", "b"]}));
        let template = Template::parse("{container.name}: {container.kinds[*]} {container.x}.", &names()).unwrap();
        assert_eq!(template.fill(|_| Some(&node)), "app: a, b unset.");
    }

    #[test]
    fn expressions_and_unknown_names_are_refused() {
        for text in ["{size(container)}", "{container.name", "{contaner.name}", "{}"] {
            assert!(Template::parse(text, &names()).is_err(), "{text}");
        }
        let wrong = Template::parse("{contaner.name}", &names()).unwrap_err();
        assert_eq!(wrong.hint.as_deref(), Some("did you mean 'container'?"));
    }
}
