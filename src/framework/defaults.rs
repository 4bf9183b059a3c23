//! The table of defaults: what a component does where nobody tells it anything, by Kubernetes version.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Minor, RuleFiles};
use crate::{
    config::{API_VERSION, LoadError, parse_yaml},
    evaluate::value::Node,
};

/// Name of the file at the rules' root.
pub const FILE: &str = "defaults.yaml";

/// Settings of every component and of the kubelet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// `kubeproof.dev/v1`.
    pub api_version: Option<Spanned<String>>,
    /// Where the values were read.
    pub source: String,
    /// Settings by component (`kube-apiserver`).
    pub components: BTreeMap<String, Vec<Setting>>,
    /// Fields of KubeletConfiguration, and the kubelet's flags that have no field.
    pub kubelet: Vec<Setting>,
}

/// One setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// A flag without dashes, or a dotted field of KubeletConfiguration.
    pub name: Spanned<String>,
    /// What its text means.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The default; without one, the kind's zero value.
    #[serde(default)]
    pub default: Option<Node>,
    /// Field of the file that `--config` names, where it can be set there too.
    #[serde(default)]
    pub config: Option<String>,
    /// Flag of a kubelet's field.
    #[serde(default)]
    pub flag: Option<String>,
    /// The kubelet's default where it is given no configuration file.
    #[serde(default)]
    pub without_config: Option<Node>,
    /// A flag without a field in any file.
    #[serde(default)]
    pub flag_only: bool,
    /// Other defaults from a version on.
    #[serde(default)]
    pub variants: Vec<Variant>,
}

/// Another default from a Kubernetes version on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// First minor version.
    pub since: Minor,
    /// The default.
    pub default: Node,
}

/// What the text of a setting means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `true` or `false`; a flag without a value is `true`.
    Bool,
    /// A whole number.
    Int,
    /// Anything.
    Text,
    /// Texts between commas; a repeated flag adds to it.
    List,
    /// `Gate=true` between commas; a repeated flag adds to it.
    Gates,
}

impl Kind {
    /// What a setting of this kind is where nothing says otherwise.
    pub fn zero(self) -> Node {
        match self {
            Self::Bool => Node::Bool(false.into()),
            Self::Int => Node::int(0),
            Self::Text => Node::text(""),
            Self::List => Node::list([]),
            Self::Gates => Node::map([]),
        }
    }

    /// Whether `value` is of this kind.
    pub fn fits(self, value: &Node) -> bool {
        matches!(
            (self, value),
            (Self::Bool, Node::Bool(_))
                | (Self::Int, Node::Int(_))
                | (Self::Text, Node::Text(_))
                | (Self::List, Node::List(_))
                | (Self::Gates, Node::Map(_))
        )
    }
}

impl Defaults {
    /// Reads the table; rules without one have no defaults, and every setting that is not given is unknown.
    ///
    /// # Errors
    /// What is wrong in it, with the place.
    pub fn load(files: &RuleFiles) -> Result<Self, Vec<LoadError>> {
        let Some(bytes) = files.get(FILE) else { return Ok(Self::default()) };
        let defaults: Self = parse_yaml(FILE, bytes).map_err(|error| vec![error])?.value;
        let mut errors = Vec::new();
        if let Some(version) = defaults.api_version.as_ref().filter(|version| version.value != API_VERSION) {
            errors.push(at(version, format!("apiVersion '{}' is not known", version.value)));
        }
        for list in defaults.components.values().chain([&defaults.kubelet]) {
            errors.extend(wrong(list));
        }
        if errors.is_empty() { Ok(defaults) } else { Err(errors) }
    }

    /// Settings of a component; none for one that the table does not know.
    pub fn component(&self, name: &str) -> &[Setting] {
        self.components.get(name).map_or(&[], Vec::as_slice)
    }
}

fn at<T>(place: &Spanned<T>, message: String) -> LoadError {
    LoadError::line(FILE, u32::try_from(place.referenced.line()).unwrap_or(0), message)
}

fn wrong(settings: &[Setting]) -> Vec<LoadError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for setting in settings {
        let name = &setting.name.value;
        if !seen.insert(name) {
            errors.push(at(&setting.name, format!("setting '{name}' stands here twice")));
        }
        let values = setting.default.iter().chain(&setting.without_config);
        let misfit = values.chain(setting.variants.iter().map(|variant| &variant.default));
        if misfit.into_iter().any(|value| !setting.kind.fits(value)) {
            errors.push(at(&setting.name, format!("a default of '{name}' is not of its type")));
        }
        if setting.variants.windows(2).any(|pair| pair[0].since >= pair[1].since) {
            errors.push(at(&setting.name, format!("variants of '{name}' must stand in the order of their versions")));
        }
    }
    errors
}

impl Setting {
    /// The default for a Kubernetes version; without one, for the newest.
    pub fn default(&self, kubernetes: Option<Minor>) -> Node {
        let variant = self.variants.iter().rev().find(|variant| kubernetes.is_none_or(|minor| variant.since <= minor));
        let default = variant.map(|variant| &variant.default).or(self.default.as_ref());
        default.cloned().unwrap_or_else(|| self.kind.zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(components: &str) -> Result<Defaults, Vec<String>> {
        let text = format!(
            "apiVersion: kubeproof.dev/v1\nsource: s\ncomponents:\n  kube-apiserver:\n{components}\nkubelet: []\n"
        );
        let files: RuleFiles = [(FILE.to_string(), text.into_bytes())].into();
        Defaults::load(&files).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults_change_with_versions() {
        let age = "    - {name: audit-log-maxage, type: int, default: 0, variants: [{since: '1.36', default: 366}]}";
        let defaults = load(age).unwrap();
        let setting = &defaults.component("kube-apiserver")[0];
        let default = |minor: Option<u32>| setting.default(minor.map(Minor)).as_i64();
        assert_eq!((default(Some(35)), default(Some(36)), default(None)), (Some(0), Some(366), Some(366)));
        assert!(defaults.component("kube-proxy").is_empty());
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let twice = "    - {name: a, type: int}\n    - {name: a, type: int}";
        assert_eq!(load(twice).unwrap_err(), ["defaults.yaml:6: setting 'a' stands here twice"]);
        let misfit = "    - {name: a, type: int, default: x}";
        assert_eq!(load(misfit).unwrap_err(), ["defaults.yaml:5: a default of 'a' is not of its type"]);
        let order = "    - {name: a, type: int, variants: [{since: '1.36', default: 1}, {since: '1.35', default: 2}]}";
        assert!(load(order).unwrap_err()[0].contains("in the order of their versions"));
        assert!(load("    - {name: a, typ: int}").unwrap_err()[0].contains("defaults.yaml:5"));
        assert!(Defaults::load(&RuleFiles::new()).unwrap().kubelet.is_empty());
    }
}
