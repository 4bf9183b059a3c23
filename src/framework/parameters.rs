//! `parameters.yaml`: what a user sets in checks that have parameters, such as the registries that are approved.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::RuleFiles;
use crate::{
    config::{At, LoadError, Located, parse_yaml, unknown_version},
    evaluate::value::Node,
};

/// The file's place among the rules.
pub const FILE: &str = "parameters.yaml";

/// The file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParametersFile {
    /// `kubeproof.dev/v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// One entry for each check.
    pub parameters: Vec<At<Parameters>>,
}

/// What is set in one check.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameters {
    /// Check id.
    pub check: String,
    /// Values by the name of the parameter; the others stay as the check has them.
    pub set: BTreeMap<String, Node>,
    /// Why it is set, for whoever reads the file.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What one check is told, and where it stands.
#[derive(Debug, Clone, Default)]
pub struct Set {
    /// Values by the name of the parameter.
    pub values: BTreeMap<String, Node>,
    /// `parameters.yaml:3`.
    pub at: String,
}

/// What is set, by check id. `declared` gives a check's own parameters, `None` for no check.
///
/// # Errors
/// A file that cannot be read, a check or parameter that does not exist, a value of another kind, each with its line.
pub fn load<'a>(
    files: &RuleFiles,
    ids: impl Iterator<Item = &'a str> + Clone,
    declared: impl Fn(&str) -> Option<BTreeMap<String, Node>>,
) -> Result<BTreeMap<String, Set>, Vec<LoadError>> {
    let Some(bytes) = files.get(FILE) else { return Ok(BTreeMap::new()) };
    let Located { file, value } = parse_yaml::<ParametersFile>(FILE, bytes).map_err(|error| vec![error])?;
    if let Some(error) = unknown_version(&file, value.api_version.as_deref()) {
        return Err(vec![error]);
    }
    let (mut set, mut errors) = (BTreeMap::new(), Vec::new());
    for entry in &value.parameters {
        let wrong = |message: String| LoadError::line(&file, entry.line, message);
        let Some(own) = declared(&entry.check) else {
            errors.push(wrong(format!("there is no check '{}'", entry.check)).nearest(&entry.check, ids.clone()));
            continue;
        };
        errors.extend(entry.set.iter().filter_map(|(name, value)| mismatch(&entry.check, &own, name, value, &wrong)));
        let new = Set { values: entry.set.clone(), at: format!("{file}:{}", entry.line) };
        if set.insert(entry.check.clone(), new).is_some() {
            errors.push(wrong(format!("check '{}' stands here twice", entry.check)).hint("join the two entries"));
        }
    }
    if errors.is_empty() { Ok(set) } else { Err(errors) }
}

fn mismatch(
    check: &str,
    own: &BTreeMap<String, Node>,
    name: &str,
    value: &Node,
    wrong: &dyn Fn(String) -> LoadError,
) -> Option<LoadError> {
    let Some(default) = own.get(name) else {
        let error = wrong(format!("check '{check}' has no parameter '{name}'"));
        let names: BTreeSet<&str> = own.keys().map(String::as_str).collect();
        return Some(match names.is_empty() {
            true => error.hint("it has no parameters at all"),
            false => error.nearest(name, names),
        });
    };
    let (is, should) = (kind(value), kind(default));
    if is != should {
        return Some(wrong(format!("parameter '{name}' of '{check}' is {should}, not {is}")));
    }
    // Of a list that is empty until somebody sets it, the items are names.
    let item = default.items().first().map_or("a text", kind);
    let odd = value.items().iter().map(kind).find(|is| *is != item)?;
    Some(wrong(format!("parameter '{name}' of '{check}' lists {odd} where each item is {item}")))
}

/// Numbers are one kind: a limit of 1.5 days is one, whatever the default is.
fn kind(value: &Node) -> &'static str {
    match value {
        Node::Null(_) | Node::Unknown(_) => "nothing",
        Node::Bool(_) => "true or false",
        Node::Int(_) | Node::Double(_) => "a number",
        Node::Text(_) => "a text",
        Node::List(_) => "a list",
        Node::Map(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(check: &str) -> Option<BTreeMap<String, Node>> {
        let node = |value: serde_json::Value| Node::from(&value);
        match check {
            "image-registry-allowlist" => Some(
                [("registries".into(), node(serde_json::json!([]))), ("hub".into(), node("docker.io".into()))].into(),
            ),
            "container-privileged" => Some(BTreeMap::new()),
            _ => None,
        }
    }

    fn read(text: &str) -> Result<BTreeMap<String, Set>, Vec<String>> {
        let files = RuleFiles::from([(FILE.to_string(), text.as_bytes().to_vec())]);
        let ids = ["container-privileged", "image-registry-allowlist"].into_iter();
        load(&files, ids, own).map_err(|errors| {
            let text = |e: &LoadError| format!("{e}{}", e.hint.as_ref().map_or_else(String::new, |h| format!("; {h}")));
            errors.iter().map(text).collect()
        })
    }

    #[test]
    fn what_is_set_carries_its_line() {
        let text = "apiVersion: kubeproof.dev/v1\nparameters:\n  - {check: image-registry-allowlist, set: {registries: [a.io]}}\n";
        let set = read(text).unwrap().remove("image-registry-allowlist").unwrap();
        assert_eq!(set.at, "parameters.yaml:3");
        assert_eq!(set.values["registries"].json(), serde_json::json!(["a.io"]));
        assert!(load(&RuleFiles::new(), [].into_iter(), own).unwrap().is_empty());
    }

    #[test]
    fn slips_are_named_with_their_line() {
        let entry = |check: &str, set: &str| format!("parameters:\n  - {{check: {check}, set: {set}}}\n");
        for (text, says) in [
            (
                entry("image-registry-allow-list", "{registries: []}"),
                "parameters.yaml:2: there is no check 'image-registry-allow-list'; did you mean 'image-registry-allowlist'?",
            ),
            (
                entry("image-registry-allowlist", "{registry: []}"),
                "parameters.yaml:2: check 'image-registry-allowlist' has no parameter 'registry'; did you mean 'registries'?",
            ),
            (
                entry("image-registry-allowlist", "{registries: a.io}"),
                "parameters.yaml:2: parameter 'registries' of 'image-registry-allowlist' is a list, not a text",
            ),
            (
                entry("image-registry-allowlist", "{registries: [a.io, 5000]}"),
                "parameters.yaml:2: parameter 'registries' of 'image-registry-allowlist' lists a number where each item is a text",
            ),
            (
                entry("container-privileged", "{days: 1}"),
                "parameters.yaml:2: check 'container-privileged' has no parameter 'days'; it has no parameters at all",
            ),
            (
                format!("{0}{1}", entry("container-privileged", "{}"), "  - {check: container-privileged, set: {}}\n"),
                "parameters.yaml:3: check 'container-privileged' stands here twice; join the two entries",
            ),
            (
                format!("apiVersion: v2\n{}", entry("container-privileged", "{}")),
                "parameters.yaml: apiVersion 'v2' is not known; this program reads kubeproof.dev/v1",
            ),
            ("parameters:\n  - {check: x, sets: {}}\n".into(), "did you mean 'set'?"),
        ] {
            let errors = read(&text).unwrap_err();
            assert!(errors[0].ends_with(says), "{errors:?}");
        }
    }
}
