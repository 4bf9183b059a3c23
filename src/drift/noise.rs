//! What changes without anybody's doing: a named list, from the library and from the user, that drift counts by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FieldChange;
use crate::{
    config::{At, LoadError, Located, parse_yaml, unknown_version},
    framework::{RuleFiles, path::glob},
    snapshot::Object,
};

/// Name of the library's list among the rules.
const BUILT_IN: &str = "noise.yaml";
/// Name of the user's list among the rules.
pub const OWN: &str = "user-noise.yaml";

/// noise.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NoiseFile {
    /// `kubeproof.dev/v1`.
    #[serde(default)]
    api_version: Option<String>,
    /// Entries.
    noise: Vec<At<NoiseEntry>>,
}

/// Changes that are counted and not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoiseEntry {
    /// `status-only`.
    pub id: String,
    /// Why nobody wants to read of it.
    pub reason: String,
    /// Objects that it is about; without it, all.
    #[serde(default)]
    resources: Resources,
    /// Objects that a controller owns.
    #[serde(default)]
    owned: bool,
    /// Fields, by their stable place (`spec.template.spec.containers[name=app].image`) and with everything below them;
    /// globs (`*`) are allowed. Without any, the whole object.
    #[serde(default)]
    fields: Vec<String>,
}

/// Which objects; globs (`*`) are allowed in each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Resources {
    group: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    labels: std::collections::BTreeMap<String, String>,
}

/// The library's list, then the user's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoiseList(Vec<NoiseEntry>);

impl NoiseList {
    /// Reads both lists among the rules.
    ///
    /// # Errors
    /// What is wrong, with file and line: an unknown key, an id given twice, an entry that would leave out everything.
    pub fn load(files: &RuleFiles) -> Result<Self, Vec<LoadError>> {
        let (mut list, mut errors) = (Self::default(), Vec::new());
        for name in [BUILT_IN, OWN] {
            match files.get(name).map(|bytes| parse_yaml::<NoiseFile>(name, bytes)).transpose() {
                Ok(file) => list.add(file.unwrap_or_default(), &mut errors),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    fn add(&mut self, Located { file, value }: Located<NoiseFile>, errors: &mut Vec<LoadError>) {
        errors.extend(unknown_version(&file, value.api_version.as_deref()));
        for entry in value.noise {
            let wrong = |message: String| LoadError::line(&file, entry.line, message);
            if self.0.iter().any(|known| known.id == entry.id) {
                errors.push(
                    wrong(format!("noise '{}' is given twice", entry.id)).hint("every entry has an id of its own"),
                );
            }
            if !entry.owned && entry.fields.is_empty() && entry.resources == Resources::default() {
                let message = format!("noise '{}' would leave out every change", entry.id);
                errors.push(wrong(message).hint("name resources, fields or both"));
            }
            self.0.push(entry.value);
        }
    }

    /// Entries in their order.
    pub(super) fn entries(&self) -> &[NoiseEntry] {
        &self.0
    }

    /// The entry that leaves `object` out, whatever changed in it.
    pub(super) fn of_object(&self, object: &Object, value: &Value) -> Option<usize> {
        self.0.iter().position(|entry| entry.fields.is_empty() && entry.is_about(object, value))
    }

    /// Takes out the fields that are left out; the first entry that took one.
    pub(super) fn strip(&self, object: &Object, value: &Value, fields: &mut Vec<FieldChange>) -> Option<usize> {
        let mut first = None;
        for (i, entry) in self.0.iter().enumerate() {
            if !entry.fields.is_empty() && entry.is_about(object, value) {
                let before = fields.len();
                fields.retain(|field| !entry.fields.iter().any(|place| is_at_or_below(place, &field.stable)));
                first = first.or((fields.len() < before).then_some(i));
            }
        }
        first
    }
}

impl NoiseEntry {
    fn is_about(&self, object: &Object, value: &Value) -> bool {
        let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|pattern| glob(pattern, text));
        let Resources { group, kind, namespace, name, labels } = &self.resources;
        let label = |(key, pattern): (&String, &String)| {
            value["metadata"]["labels"][key].as_str().is_some_and(|label| glob(pattern, label))
        };
        fits(group, &object.gvk.group)
            && fits(kind, &object.gvk.kind)
            && fits(namespace, object.namespace.as_deref().unwrap_or_default())
            && fits(name, &object.name)
            && labels.iter().all(label)
            && (!self.owned || is_owned(value))
    }
}

fn is_at_or_below(pattern: &str, place: &str) -> bool {
    let ends = place.match_indices(['.', '[']).map(|(at, _)| at).chain([place.len()]);
    ends.into_iter().any(|end| glob(pattern, &place[..end]))
}

fn is_owned(object: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == Value::Bool(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(own: &str) -> Result<NoiseList, Vec<LoadError>> {
        let mut files = crate::framework::embedded();
        files.insert(OWN.into(), own.as_bytes().to_vec());
        NoiseList::load(&files)
    }

    #[test]
    fn a_wrong_list_is_an_error_with_its_place() {
        for (own, message) in [
            ("noise:\n  - {id: a, reason: r}\n", "user-noise.yaml:2: noise 'a' would leave out every change"),
            (
                "noise:\n  - {id: status-only, reason: r, owned: true}\n",
                "user-noise.yaml:2: noise 'status-only' is given twice",
            ),
            ("noise:\n  - {id: a, reason: r, resource: {}}\n", "user-noise.yaml:2:"),
            ("apiVersion: v2\nnoise: []\n", "user-noise.yaml"),
        ] {
            let errors = load(own).unwrap_err();
            assert!(errors[0].to_string().contains(message), "{errors:?}");
        }
    }

    #[test]
    fn a_place_stands_for_what_is_below_it_and_not_for_what_begins_alike() {
        for (pattern, place, fits) in [
            ("status", "status.readyReplicas", true),
            ("status", "statusText", false),
            ("spec.containers[name=*].image", "spec.containers[name=app].image", true),
            ("spec.containers", "spec.containers[name=app].image", true),
            (
                "metadata.annotations.deployment.kubernetes.io/*",
                "metadata.annotations.deployment.kubernetes.io/revision",
                true,
            ),
            ("spec", "status", false),
        ] {
            assert_eq!(is_at_or_below(pattern, place), fits, "{pattern} {place}");
        }
    }
}
