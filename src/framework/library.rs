//! Every check, parsed and compiled. What is wrong in a check file is found here, with its place, and never at
//! evaluation.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use serde_saphyr::Spanned;

use super::{
    RuleFiles, Severity,
    check::{By, CheckFile, Minor, On, Related, Test},
    parameters::{self, Set},
    path::Path,
    position::position,
    template::Template,
};
use crate::{
    collect::resources::{self, Resource},
    config::{API_VERSION, LoadError, nearest, parse_yaml},
    evaluate::{
        cel::{Expression, Vocabulary},
        value::Node,
    },
};

/// Largest check file: a stranger's check must not cost more than reading it.
const MAX_FILE: usize = 256 * 1024;

/// Names that a check may not give away.
const RESERVED: &[&str] = &["now", "object", "params", "value"];

/// Every loaded check, by id.
#[derive(Debug, Clone, Default)]
pub struct Library {
    checks: BTreeMap<String, Arc<Check>>,
}

/// A check, ready to run.
#[derive(Debug, Clone)]
pub struct Check {
    /// Id: the file's name.
    pub id: String,
    /// What holds when it passes.
    pub title: String,
    /// How bad a failure is.
    pub severity: Severity,
    /// What is judged.
    pub on: On,
    /// The list that it walks, with the name of its items.
    pub each: Option<Each>,
    /// Fields to judge; without any, the object or the item as a whole.
    pub fields: Vec<Path>,
    /// The value of a field that is left out.
    pub absent: Option<Node>,
    /// Whether the question arises.
    pub when: Option<Expression>,
    /// What must hold for a pass to show anything.
    pub requires: Option<Requires>,
    /// What was found.
    pub observed: Option<Expression>,
    /// What was expected, in words.
    pub expected: Template,
    /// One sentence for a failure.
    pub message: Template,
    /// Related objects by name.
    pub related: BTreeMap<String, Related>,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub remediation: String,
    /// Where to read more.
    pub references: Vec<String>,
    /// Good practice beyond what any framework asks.
    pub hygiene: bool,
    /// Cases.
    pub tests: Vec<Test>,
    /// Path of the file.
    pub file: String,
    pass: Expression,
    params: BTreeMap<String, Node>,
    variants: Vec<Variant>,
    /// What the user sets in it.
    pub set: Option<Set>,
}

/// What a pass rests on beside `pass` itself: a network policy shows nothing where no plugin enforces it.
#[derive(Debug, Clone)]
pub struct Requires {
    /// The expression.
    pub holds: Expression,
    /// The reason where it does not hold.
    pub unseen: Template,
}

/// The list that a check walks.
#[derive(Debug, Clone)]
pub struct Each {
    /// The name of an item.
    pub name: String,
    /// The list.
    pub list: List,
}

/// A list to walk.
#[derive(Debug, Clone)]
pub enum List {
    /// Regular, init and ephemeral containers.
    Containers,
    /// The items at a path.
    At(Path),
}

#[derive(Debug, Clone)]
struct Variant {
    since: Minor,
    params: BTreeMap<String, Node>,
    pass: Option<Expression>,
}

/// What decides for one Kubernetes version.
#[derive(Debug, Clone)]
pub struct Policy<'a> {
    /// The expression that holds when all is well.
    pub pass: &'a Expression,
    /// Its parameters.
    pub params: Node,
}

impl Library {
    /// Parses and compiles everything below `checks/`.
    ///
    /// # Errors
    /// Every file that is wrong, each with the place.
    pub fn load(files: &RuleFiles) -> Result<Self, Vec<LoadError>> {
        let mut library = Self::default();
        let mut errors = Vec::new();
        let is_check = |path: &str| path.starts_with("checks/") && (path.ends_with(".yaml") || path.ends_with(".yml"));
        for (path, bytes) in files.iter().filter(|(path, _)| is_check(path)) {
            match Check::parse(path, bytes) {
                Ok(check) => match library.checks.entry(check.id.clone()) {
                    Entry::Vacant(free) => {
                        free.insert(Arc::new(check));
                    }
                    Entry::Occupied(taken) => {
                        let message = format!("check id '{}' is already that of {}", check.id, taken.get().file);
                        errors.push(LoadError::file(path, message).hint("rename one of the two files and its id"));
                    }
                },
                Err(wrong) => errors.extend(wrong),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        library.set_parameters(files)?;
        Ok(library)
    }

    fn set_parameters(&mut self, files: &RuleFiles) -> Result<(), Vec<LoadError>> {
        let declared = |id: &str| self.check(id).map(Check::declared_params);
        let set = parameters::load(files, self.checks.keys().map(String::as_str), declared)?;
        for (id, set) in set {
            if let Some(check) = self.checks.get_mut(&id) {
                Arc::make_mut(check).set = Some(set);
            }
        }
        Ok(())
    }

    /// The check with this id.
    pub fn check(&self, id: &str) -> Option<&Check> {
        self.checks.get(id).map(AsRef::as_ref)
    }

    /// Every resource that some check judges or rests on (`networkpolicies.networking.k8s.io`), for collections that
    /// must list more than the default.
    pub fn resources(&self) -> BTreeSet<String> {
        let judged = self.checks().filter_map(|check| match &check.on {
            On::Kind { group, kind } => Some(resources::name_of_kind(group, kind)),
            _ => None,
        });
        let related = self.checks().flat_map(|check| check.related.values().map(|related| related.resource.clone()));
        judged.chain(related).collect()
    }

    /// The checks whose answer may change while nothing but time passes: those that ask what time it is, and those on
    /// images (scans age) and on the cluster as a whole (versions go out of support).
    #[must_use]
    pub fn dated(&self) -> Self {
        let dated = self.checks.iter().filter(|(_, check)| check.is_dated());
        Self { checks: dated.map(|(id, check)| (id.clone(), Arc::clone(check))).collect() }
    }

    /// Every check, by id.
    pub fn checks(&self) -> impl ExactSizeIterator<Item = &Check> {
        self.checks.values().map(AsRef::as_ref)
    }
}

impl Check {
    /// Parses and compiles one file.
    ///
    /// # Errors
    /// Everything that is wrong in it, each with the place.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, Vec<LoadError>> {
        if bytes.len() > MAX_FILE {
            let message = format!("the file has {} bytes, more than {MAX_FILE}", bytes.len());
            return Err(vec![LoadError::file(path, message).hint("one check per file, with small tests")]);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| vec![LoadError::file(path, "the file is not UTF-8")])?;
        let file: CheckFile = parse_yaml(path, bytes).map_err(|error| vec![error])?.value;
        Compiler { path, text, file: &file, errors: Vec::new() }.check()
    }

    fn is_dated(&self) -> bool {
        let varied = self.variants.iter().filter_map(|variant| variant.pass.as_ref());
        let mut asked =
            self.when.iter().chain([&self.pass]).chain(varied).chain(self.requires.iter().map(|r| &r.holds));
        matches!(self.on, On::Image | On::Cluster) || asked.any(|expression| expression.mentions("now"))
    }

    /// What decides for a Kubernetes version; without one, the newest. `overrides` replace parameters by name.
    pub fn policy(&self, kubernetes: Option<Minor>, overrides: &BTreeMap<String, Node>) -> Policy<'_> {
        let variant = self.variant(kubernetes);
        let mut params = self.params.clone();
        params.extend(variant.iter().flat_map(|variant| variant.params.clone()));
        params.extend(self.set.iter().flat_map(|set| set.values.clone()));
        params.extend(overrides.clone());
        let pass = variant.and_then(|variant| variant.pass.as_ref()).unwrap_or(&self.pass);
        Policy { pass, params: Node::map(params) }
    }

    /// Its parameters as its file has them, with those of the newest variant.
    pub fn declared_params(&self) -> BTreeMap<String, Node> {
        let newest = self.variants.iter().flat_map(|variant| variant.params.clone());
        self.params.clone().into_iter().chain(newest).collect()
    }

    /// The version from which on the policy for this Kubernetes version decides; `None` is from the first.
    pub fn since(&self, kubernetes: Option<Minor>) -> Option<Minor> {
        self.variant(kubernetes).map(|variant| variant.since)
    }

    fn variant(&self, kubernetes: Option<Minor>) -> Option<&Variant> {
        self.variants.iter().rev().find(|variant| kubernetes.is_none_or(|minor| variant.since <= minor))
    }

    /// Every name that texts and expressions of this check may use.
    fn names(file: &CheckFile) -> BTreeSet<String> {
        let fixed = file.on.names().iter().copied().chain(["params", "now"]);
        let value = file.field.as_ref().map(|_| "value");
        let own = file.each.keys().chain(file.related.keys()).map(String::as_str);
        fixed.chain(value).chain(own).map(str::to_string).collect()
    }
}

struct Compiler<'a> {
    path: &'a str,
    text: &'a str,
    file: &'a CheckFile,
    errors: Vec<LoadError>,
}

impl Compiler<'_> {
    fn check(mut self) -> Result<Check, Vec<LoadError>> {
        let file = self.file;
        self.identity();
        let names = Check::names(file);
        let admission = file.on.is_admission() && file.related.is_empty();
        let each = self.each(&names);
        self.fields();
        self.related();
        let pass = self.expression(&file.pass, &names, admission);
        let when = file.when.as_ref().map(|when| self.expression(when, &names, admission));
        let requires = self.requires(&names, admission);
        let observed = file.observed.as_ref().map(|observed| self.expression(observed, &names, false));
        let expected = self.template(&file.expected, &names);
        let message = self.template(&file.message, &names);
        let variants = self.variants(&names, admission);
        let (Some(pass), Some(expected), Some(message), true) = (pass, expected, message, self.errors.is_empty())
        else {
            return Err(self.errors);
        };
        Ok(Check {
            id: file.id.value.clone(),
            title: file.title.clone(),
            severity: file.severity,
            on: file.on.clone(),
            each,
            fields: file.field.iter().flat_map(|field| field.value.0.clone()).collect(),
            absent: file.absent.clone(),
            when: when.flatten(),
            requires,
            observed: observed.flatten(),
            expected,
            message,
            related: file.related.iter().map(|(name, related)| (name.clone(), related.value.clone())).collect(),
            why: file.why.trim().into(),
            remediation: file.remediation.trim().into(),
            references: file.references.clone(),
            hygiene: file.hygiene,
            tests: file.tests.clone(),
            file: self.path.into(),
            pass,
            params: file.params.clone(),
            variants,
            set: None,
        })
    }

    fn wrong<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) -> &mut LoadError {
        let error = LoadError::file(self.path, message);
        let line = u32::try_from(at.referenced.line()).unwrap_or(0);
        let column = u32::try_from(at.referenced.column()).unwrap_or(0);
        self.errors.push(LoadError { line, column, ..error });
        let last = self.errors.len() - 1;
        &mut self.errors[last]
    }

    fn identity(&mut self) {
        let file = self.file;
        let stem = self.path.rsplit('/').next().unwrap_or(self.path);
        let stem = stem.strip_suffix(".yaml").or_else(|| stem.strip_suffix(".yml")).unwrap_or(stem).to_string();
        if file.id.value != stem {
            self.wrong(&file.id, format!("the file is named {stem}, its check '{}'", file.id.value)).hint =
                Some("one check per file, and the file's name is its id".into());
        }
        if let Some(version) = file.api_version.as_ref().filter(|version| version.value != API_VERSION) {
            self.wrong(version, format!("apiVersion '{}' is not known", version.value)).hint =
                Some(format!("this program reads {API_VERSION}"));
        }
    }

    fn each(&mut self, names: &BTreeSet<String>) -> Option<Each> {
        let file = self.file;
        let mut lists = file.each.iter();
        let (name, list) = lists.next()?;
        if lists.next().is_some() {
            self.wrong(list, "each walks one list").hint = Some("walk the inner one with [*] in field".into());
        }
        if RESERVED.contains(&name.as_str()) || file.on.names().contains(&name.as_str()) {
            self.wrong(list, format!("'{name}' has a meaning already"));
        }
        if list.value == "containers" && file.on == On::Pod {
            return Some(Each { name: name.clone(), list: List::Containers });
        }
        match Path::parse(&list.value) {
            Ok(path) if names.contains(&path.root) && path.root != *name => {
                Some(Each { name: name.clone(), list: List::At(path) })
            }
            Ok(path) => {
                let known = file.on.names().iter().copied().chain(["containers"]);
                let hint = nearest(&path.root, known).map(|name| format!("did you mean '{name}'?"));
                self.wrong(list, format!("'{}' is no list to walk", list.value)).hint = hint;
                None
            }
            Err(error) => {
                self.wrong(list, error.to_string());
                None
            }
        }
    }

    fn fields(&mut self) {
        let file = self.file;
        let known: Vec<&str> = file.on.names().iter().copied().chain(file.each.keys().map(String::as_str)).collect();
        if let Some(field) = &file.field {
            if field.value.0.is_empty() {
                self.wrong(field, "field names no path").hint = Some("leave it out to judge the whole object".into());
            }
            for path in field.value.0.iter().filter(|path| !known.contains(&path.root.as_str())) {
                let hint = nearest(&path.root, known.iter().copied()).map(|name| format!("did you mean '{name}'?"));
                self.wrong(field, format!("field starts at '{}', which is not known on {}", path.root, file.on)).hint =
                    hint;
            }
        }
    }

    fn related(&mut self) {
        let file = self.file;
        for (name, related) in &file.related {
            let Related { resource, by } = &related.value;
            if RESERVED.contains(&name.as_str()) || file.on.names().contains(&name.as_str()) {
                self.wrong(related, format!("related '{name}' has a meaning already"));
            }
            if let Some(known) = misspelt(resource) {
                self.wrong(related, format!("related '{name}': unknown resource '{resource}'")).hint =
                    Some(format!("did you mean '{known}'?"));
            }
            if !file.on.is_admission() && *by != By::Cluster {
                let message = format!("related '{name}': on {} there is no object to be related to", file.on);
                self.wrong(related, message).hint = Some("write by: cluster".into());
            }
        }
    }

    fn requires(&mut self, names: &BTreeSet<String>, admission: bool) -> Option<Requires> {
        let file = self.file;
        match (&file.requires, &file.unseen) {
            (Some(requires), Some(unseen)) => {
                let holds = self.expression(requires, names, admission);
                let unseen = self.template(unseen, names);
                Some(Requires { holds: holds?, unseen: unseen? })
            }
            (Some(requires), None) => {
                self.wrong(requires, "requires stands without unseen").hint =
                    Some("say in 'unseen' why a pass would show nothing".into());
                None
            }
            (None, Some(unseen)) => {
                self.wrong(unseen, "unseen stands without requires").hint =
                    Some("write the expression in 'requires'".into());
                None
            }
            (None, None) => None,
        }
    }

    fn variants(&mut self, names: &BTreeSet<String>, admission: bool) -> Vec<Variant> {
        let file = self.file;
        for pair in file.variants.windows(2).filter(|pair| pair[0].since.value >= pair[1].since.value) {
            self.wrong(&pair[1].since, "variants must stand in the order of their versions");
        }
        let mut variants = Vec::new();
        for variant in &file.variants {
            let pass = variant.pass.as_ref().and_then(|pass| self.expression(pass, names, admission));
            variants.push(Variant { since: variant.since.value, params: variant.params.clone(), pass });
        }
        variants
    }

    fn expression(
        &mut self,
        source: &Spanned<String>,
        names: &BTreeSet<String>,
        admission: bool,
    ) -> Option<Expression> {
        match Expression::compile(&source.value, Vocabulary { names, admission }) {
            Ok(expression) => Some(expression),
            Err(refused) => {
                let start = (source.referenced.line(), source.referenced.column());
                let (line, column) = position(self.text, start, &source.value, refused.offset);
                let error = LoadError::file(self.path, refused.message);
                self.errors.push(LoadError { line, column, hint: refused.hint, ..error });
                None
            }
        }
    }

    fn template(&mut self, source: &Spanned<String>, names: &BTreeSet<String>) -> Option<Template> {
        match Template::parse(&source.value, names) {
            Ok(template) => Some(template),
            Err(wrong) => {
                self.wrong(source, wrong.message).hint = wrong.hint;
                None
            }
        }
    }
}

/// The known resource that an unknown one is a slip of: a list by that name would be empty everywhere.
fn misspelt(resource: &str) -> Option<String> {
    let known = || resources::RESOURCES.iter().chain([&resources::SECRETS]);
    if known().any(|known| known.id() == resource) {
        return None;
    }
    let is_slip = |known: &&Resource| {
        let singular = resources::join(&known.kind.to_lowercase(), known.group);
        singular == resource || strsim::levenshtein(&known.id(), resource) <= 2
    };
    known().find(is_slip).map(Resource::id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id: x\ntitle: t\nseverity: low\non: pod\neach: {container: containers}\n\
                        field: container.securityContext.privileged\npass: \"!value.orValue(false)\"\nexpected: e\n\
                        message: container {container.name}\nwhy: w\nremediation: r\n";

    fn errors(text: &str) -> Vec<LoadError> {
        Check::parse("checks/pod/x.yaml", text.as_bytes()).err().unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_the_nearest_name() {
        for (from, to, place, message, hint) in [
            ("severity: low", "severty: low", (3, 1), "unknown field `severty`", Some("did you mean 'severity'?")),
            ("severity: low", "severity: lo", (3, 11), "unknown variant `lo`", None),
            ("id: x", "id: y", (1, 5), "the file is named x, its check 'y'", None),
            ("on: pod", "on: Pod", (4, 5), "nothing to judge", None),
            (
                "!value.orValue(false)",
                "!valu.orValue(false)",
                (7, 9),
                "unknown variable 'valu'",
                Some("did you mean 'value'?"),
            ),
            ("!value.orValue(false)", "!value.orValue(false", (7, 0), "", None),
            (
                "\"!value.orValue(false)\"",
                ">-\n  value.hasValue()\n  && contaner.x",
                (9, 6),
                "unknown variable 'contaner'",
                Some("did you mean 'container'?"),
            ),
            (
                "{container.name}",
                "{containr.name}",
                (9, 10),
                "unknown name 'containr'",
                Some("did you mean 'container'?"),
            ),
            ("{container.name}", "{size(container)}", (9, 10), "", None),
            (
                "container.securityContext",
                "podd.securityContext",
                (6, 8),
                "field starts at 'podd'",
                Some("did you mean 'pod'?"),
            ),
            ("container.securityContext.privileged", "container..x", (6, 8), "separated by one dot", None),
            ("container: containers", "container: pods", (5, 19), "'pods' is no list to walk", None),
            ("id: x", "apiVersion: v2\nid: x", (1, 13), "apiVersion 'v2' is not known", None),
            ("why: w", "why: w\nwhy: w", (11, 1), "uplicate", None),
            (
                "why: w",
                "why: w\nrelated: {p: {resource: networkpolicy.networking.k8s.io, by: cluster}}",
                (11, 14),
                "unknown resource",
                None,
            ),
            (
                "why: w",
                "why: w\nrelated: {p: {resource: service, by: cluster}}",
                (11, 14),
                "unknown resource",
                Some("did you mean 'services'?"),
            ),
            (
                "why: w",
                "why: w\nrelated: {pod: {resource: services, by: cluster}}",
                (11, 16),
                "has a meaning already",
                None,
            ),
            ("why: w", "why: w\nrelated: {p: {resource: services, by: label}}", (11, 39), "unknown variant", None),
            ("why: w", "why: w\nvariants: [{since: \"1.30\"}, {since: \"1.27\"}]", (11, 37), "in the order", None),
            ("why: w", "why: w\nrequires: 1 > 0", (11, 11), "requires stands without unseen", None),
            ("why: w", "why: w\nunseen: nothing seen", (11, 9), "unseen stands without requires", None),
            (
                "why: w",
                "why: w\nunseen: u\nrequires: paramz.x",
                (12, 11),
                "unknown variable 'paramz'",
                Some("did you mean 'params'?"),
            ),
            ("why: w", "why: w\nrequires: 1 > 0\nunseen: '{paramz.x}'", (12, 9), "unknown name 'paramz'", None),
            ("why: w", "why: w\nvariants: [{since: \"2\"}]", (11, 20), "not a Kubernetes version", None),
        ] {
            let text = GOOD.replacen(from, to, 1);
            let found = errors(&text);
            let [error] = found.as_slice() else { panic!("{to}: {found:?}") };
            assert!(error.message.contains(message), "{to}: {error}");
            assert_eq!((error.line, if place.1 == 0 { 0 } else { error.column }), place, "{to}: {error}");
            if let Some(hint) = hint {
                assert_eq!(error.hint.as_deref(), Some(hint), "{to}");
            }
        }
        assert_eq!(errors(GOOD), []);
    }

    #[test]
    fn an_id_is_used_once() {
        let files: RuleFiles =
            ["a", "b"].map(|area| (format!("checks/{area}/x.yaml"), GOOD.as_bytes().to_vec())).into();
        let errors = Library::load(&files).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].to_string(), "checks/b/x.yaml: check id 'x' is already that of checks/a/x.yaml");
    }

    #[test]
    fn a_file_has_bounds() {
        assert!(errors(&format!("{GOOD}#{}", " ".repeat(MAX_FILE)))[0].message.contains("more than"));
        assert!(Check::parse("checks/x.yaml", &[0xff, 0xfe]).is_err());
        assert!(!errors(&format!("{GOOD}---\n{GOOD}")).is_empty());
    }
}
