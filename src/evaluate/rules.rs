//! Everything that decides, loaded from rule files: the embedded library, the user's own, or a bundle's.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use crate::{
    collect::{ClusterIdentity, cluster::platform},
    config::{
        AttestationsFile, ExpectedFile, LoadError, Located, OwnersFile, ProvidersFile, ScopeFile, Selector,
        WaiversFile, parse_yaml, unknown_version,
    },
    digest::Digest,
    drift::NoiseList,
    evaluate::FrameworkResult,
    framework::{
        Framework, FrameworkKind, Library, RuleFiles, Selected, Versions, defaults::Defaults, load_frameworks, select,
    },
};

/// Name of the rule file that lists attestations whose files changed.
pub const CHANGED: &str = "attested-changed.json";

/// Attestations whose files changed after they were signed for, by id: the names of the files.
pub type Changed = BTreeMap<String, BTreeSet<String>>;

/// Everything that decides in one run.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The files that all of this was read from: what a bundle carries under `data/rules/`.
    pub files: RuleFiles,
    /// Every check.
    pub library: Library,
    /// What settings are where nobody sets them.
    pub defaults: Defaults,
    /// Frameworks that the run is about.
    pub frameworks: Vec<Selected>,
    /// Frameworks that were left out, with the reason.
    pub left_out: Vec<FrameworkResult>,
    /// Declared scopes.
    pub scope: Option<ScopeFile>,
    /// Teams and owners of requirements.
    pub owners: OwnersFile,
    /// Waivers.
    pub waivers: Located<WaiversFile>,
    /// Attestations.
    pub attestations: Located<AttestationsFile>,
    /// Documents of providers.
    pub providers: Located<ProvidersFile>,
    /// Digests of the files that waivers and attestations point at, by name; `None` where one was not found.
    pub attested: BTreeMap<String, Option<Digest>>,
    /// Attestations whose files changed after they were signed for.
    pub attested_changed: Changed,
    /// What is as it is by design: the built-in list, then the user's.
    pub expected: Vec<Located<ExpectedFile>>,
    /// How long each version of Kubernetes gets repairs.
    pub versions: Option<Versions>,
    /// Changes that drift counts and does not list.
    pub noise: NoiseList,
}

impl Rules {
    /// Loads and validates rule files, and selects frameworks for a cluster.
    ///
    /// # Errors
    /// Everything that is wrong, each with file and line.
    pub fn load(files: RuleFiles, requested: &[String], cluster: &ClusterIdentity) -> Result<Self, Vec<LoadError>> {
        let library = Library::load(&files)?;
        let all = load_frameworks(&files, &library)?;
        let defaults = Defaults::load(&files)?;
        let noise = NoiseList::load(&files)?;
        let one = |error| vec![error];
        let scope = read::<ScopeFile>(&files, "scope.yaml").map_err(one)?;
        let owners = read::<OwnersFile>(&files, "owners.yaml").map_err(one)?.unwrap_or_default();
        let waivers = read::<WaiversFile>(&files, "waivers.yaml").map_err(one)?.unwrap_or_default();
        let attestations = read::<AttestationsFile>(&files, "attestations.yaml").map_err(one)?.unwrap_or_default();
        let providers = read::<ProvidersFile>(&files, "providers.yaml").map_err(one)?.unwrap_or_default();
        let built_in = read::<ExpectedFile>(&files, "expected.yaml").map_err(one)?.unwrap_or_default();
        let versions = Versions::load(&files).map_err(one)?;
        let own = read::<ExpectedFile>(&files, "user-expected.yaml").map_err(one)?;
        let expected: Vec<Located<ExpectedFile>> = [built_in].into_iter().chain(own).collect();

        let known = Known::new(&library, &all);
        let mut errors = known.scope(scope.as_ref());
        errors.extend(known.owners(&owners));
        errors.extend(known.waivers(&waivers));
        errors.extend(known.attestations(&attestations));
        errors.extend(known.providers(&providers));
        errors.extend(expected.iter().flat_map(|list| known.expected(list)));
        if !errors.is_empty() {
            return Err(errors);
        }
        let scope = scope.map(|file| file.value);
        let attested = read_json(&files, "attested.json").map_err(one)?;
        let attested_changed = read_json(&files, CHANGED).map_err(one)?;
        let (frameworks, left_out) = select(&all, requested, cluster, scope.as_ref()).map_err(one)?;
        Ok(Self {
            files,
            library,
            defaults,
            frameworks,
            left_out,
            scope,
            owners: owners.value,
            waivers,
            attestations,
            providers,
            attested,
            attested_changed,
            expected,
            versions,
            noise,
        })
    }

    /// The frameworks of the run and those left out, as they are reported.
    pub fn framework_results(&self) -> Vec<FrameworkResult> {
        self.frameworks.iter().map(Selected::result).chain(self.left_out.iter().cloned()).collect()
    }
}

fn read_json<T: DeserializeOwned + Default>(files: &RuleFiles, name: &str) -> Result<T, LoadError> {
    let read =
        |bytes: &Vec<u8>| serde_json::from_slice(bytes).map_err(|error| LoadError::file(name, error.to_string()));
    files.get(name).map_or_else(|| Ok(T::default()), read)
}

fn read<T: DeserializeOwned>(files: &RuleFiles, name: &str) -> Result<Option<Located<T>>, LoadError> {
    files.get(name).map(|bytes| parse_yaml(name, bytes)).transpose()
}

/// What names in configuration files may refer to.
struct Known<'a> {
    library: &'a Library,
    regulations: BTreeSet<&'a str>,
    requirements: BTreeSet<String>,
}

impl<'a> Known<'a> {
    fn new(library: &'a Library, frameworks: &'a [Framework]) -> Self {
        let regulations = frameworks.iter().filter(|framework| framework.kind == FrameworkKind::Regulation);
        let requirements = frameworks.iter().flat_map(|framework| {
            framework.requirements.iter().map(move |requirement| format!("{}/{}", framework.id, requirement.id))
        });
        Self {
            library,
            regulations: regulations.map(|framework| framework.id.as_str()).collect(),
            requirements: requirements.collect(),
        }
    }

    fn scope(&self, file: Option<&Located<ScopeFile>>) -> Vec<LoadError> {
        let Some(Located { file, value }) = file else { return Vec::new() };
        let mut errors = version(file, value.api_version.as_deref());
        errors.extend(repeated(file, "scope", value.scopes.iter().map(|scope| (scope.id.as_str(), scope.line))));
        let mut labelled = BTreeSet::new();
        for scope in &value.scopes {
            for id in &scope.regulations {
                if !self.regulations.contains(id.as_str()) {
                    let message = format!("scope '{}': '{id}' is no regulation", scope.id);
                    errors
                        .push(LoadError::line(file, scope.line, message).nearest(id, self.regulations.iter().copied()));
                }
                let labels = scope.namespaces.as_ref().is_some_and(|selection| !selection.labels.is_empty());
                if labels && !labelled.insert(id) {
                    let message =
                        format!("scope '{}': another scope of {id} selects namespaces by labels too", scope.id);
                    errors.push(
                        LoadError::line(file, scope.line, message)
                            .hint("give both the same label, or name the namespaces"),
                    );
                }
            }
        }
        errors
    }

    fn owners(&self, owners: &Located<OwnersFile>) -> Vec<LoadError> {
        let Located { file, value } = owners;
        let mut errors = version(file, value.api_version.as_deref());
        for owner in &value.requirements {
            errors.extend(self.requirement(file, 0, "owner", &owner.id));
        }
        errors
    }

    fn waivers(&self, waivers: &Located<WaiversFile>) -> Vec<LoadError> {
        let Located { file, value } = waivers;
        let mut errors = version(file, value.api_version.as_deref());
        errors.extend(repeated(file, "waiver", value.waivers.iter().map(|waiver| (waiver.id.as_str(), waiver.line))));
        for waiver in &value.waivers {
            let mut wrong = |message: String, hint: &str| {
                let message = format!("waiver '{}' {message}", waiver.id);
                errors.push(LoadError::line(file, waiver.line, message).hint(hint));
            };
            if waiver.kind.needs_document() && waiver.document.is_none() {
                wrong(
                    "needs a document".into(),
                    "name the file that describes the other measure: document: docs/x.pdf",
                );
            }
            if waiver.resources == Selector::default() {
                wrong(
                    "waives the check everywhere".into(),
                    "name at least a kind, a namespace or a name under resources",
                );
            }
            if waiver.reason.trim().is_empty() || waiver.approver.trim().is_empty() {
                wrong("has no reason or no approver".into(), "say why, and who decided");
            }
            if waiver.from.is_some_and(|from| from > waiver.until) {
                wrong("ends before it begins".into(), "from must not be after until");
            }
            errors.extend(self.check(file, waiver.line, "waiver", &waiver.id, &waiver.check));
        }
        errors
    }

    fn attestations(&self, attestations: &Located<AttestationsFile>) -> Vec<LoadError> {
        let Located { file, value } = attestations;
        let mut errors = version(file, value.api_version.as_deref());
        let ids = value.attestations.iter().map(|attestation| (attestation.id.as_str(), attestation.line));
        errors.extend(repeated(file, "attestation", ids));
        for attestation in &value.attestations {
            let what = format!("attestation '{}'", attestation.id);
            errors.extend(self.requirement(file, attestation.line, &what, &attestation.requirement));
            if attestation.on > attestation.until {
                let message = format!("{what} ends before it begins");
                errors.push(LoadError::line(file, attestation.line, message).hint("on must not be after until"));
            }
        }
        errors
    }

    fn providers(&self, providers: &Located<ProvidersFile>) -> Vec<LoadError> {
        let Located { file, value } = providers;
        let mut errors = version(file, value.api_version.as_deref());
        errors.extend(repeated(file, "document", value.documents.iter().map(|one| (one.id.as_str(), one.line))));
        for document in &value.documents {
            let what = format!("document '{}'", document.id);
            let wrong = |message: &str| LoadError::line(file, document.line, format!("{what} {message}"));
            if !platform::is_managed(&document.provider) {
                let error = wrong(&format!("is of '{}', which is no provider", document.provider));
                let error = error.nearest(&document.provider, platform::MANAGED);
                let known = || format!("known: {}", platform::MANAGED.join(", "));
                errors.push(if error.hint.is_some() { error } else { error.hint(known()) });
            }
            if document.issued > document.until {
                errors.push(wrong("ends before it was issued").hint("issued must not be after until"));
            }
            if document.responsibility.trim().is_empty() {
                errors.push(wrong("says no responsibility").hint("write what the provider answers for"));
            }
            if document.covers.is_empty() {
                errors.push(wrong("covers nothing").hint("write covers: [cis-kubernetes/1.*]"));
            }
            errors
                .extend(document.covers.iter().filter_map(|pattern| self.pattern(file, document.line, &what, pattern)));
        }
        errors
    }

    /// A requirement's id, or a pattern of ids within one framework.
    fn pattern(&self, file: &str, line: u32, what: &str, pattern: &str) -> Option<LoadError> {
        if !pattern.contains('*') {
            return self.requirement(file, line, what, pattern);
        }
        let frameworks: BTreeSet<&str> =
            self.requirements.iter().filter_map(|id| Some(id.split_once('/')?.0)).collect();
        let framework = pattern.split_once('/').map_or("", |(framework, _)| framework);
        (!frameworks.contains(framework)).then(|| {
            let message = format!("{what} covers '{pattern}', which names no framework");
            let error = LoadError::line(file, line, message).nearest(framework, frameworks.iter().copied());
            if error.hint.is_some() { error } else { error.hint("write framework/id, such as cis-kubernetes/1.*") }
        })
    }

    fn expected(&self, expected: &Located<ExpectedFile>) -> Vec<LoadError> {
        let Located { file, value } = expected;
        let mut errors = version(file, value.api_version.as_deref());
        errors.extend(repeated(file, "expected item", value.expected.iter().map(|item| (item.id.as_str(), item.line))));
        for item in &value.expected {
            let checks: Vec<&String> = item.check.iter().chain(&item.checks).collect();
            if checks.is_empty() || item.resources == Selector::default() {
                let message = format!("expected item '{}' names no check or no resource", item.id);
                let hint = "write check (or checks) and at least one of kind, namespace, name under resources";
                errors.push(LoadError::line(file, item.line, message).hint(hint));
            }
            for check in checks {
                errors.extend(self.check(file, item.line, "expected item", &item.id, check));
            }
        }
        errors
    }

    fn check(&self, file: &str, line: u32, what: &str, id: &str, check: &str) -> Option<LoadError> {
        let unknown = self.library.check(check).is_none();
        unknown.then(|| {
            let message = format!("{what} '{id}' names the unknown check '{check}'");
            LoadError::line(file, line, message).nearest(check, self.library.checks().map(|check| check.id.as_str()))
        })
    }

    fn requirement(&self, file: &str, line: u32, what: &str, id: &str) -> Option<LoadError> {
        (!self.requirements.contains(id)).then(|| {
            let message = format!("{what} names the unknown requirement '{id}'");
            let error = LoadError::line(file, line, message).nearest(id, self.requirements.iter().map(String::as_str));
            if error.hint.is_some() { error } else { error.hint("write framework/id, such as pci-dss/1.2.7") }
        })
    }
}

/// Files of the user's own may leave the version empty.
fn version(file: &str, version: Option<&str>) -> Vec<LoadError> {
    unknown_version(file, version.filter(|version| !version.is_empty())).into_iter().collect()
}

fn repeated<'a>(file: &str, what: &str, ids: impl Iterator<Item = (&'a str, u32)>) -> Vec<LoadError> {
    let mut seen = BTreeSet::new();
    ids.filter(|(id, _)| !seen.insert(*id))
        .map(|(id, line)| LoadError::line(file, line, format!("{what} id '{id}' is used twice")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::embedded;

    fn errors(name: &str, text: &str) -> Vec<String> {
        let mut files = embedded();
        files.insert(name.into(), text.into());
        let shown = |error: &LoadError| match &error.hint {
            Some(hint) => format!("{error} | {hint}"),
            None => error.to_string(),
        };
        match Rules::load(files, &[], &ClusterIdentity::default()) {
            Ok(_) => vec![],
            Err(errors) => errors.iter().map(shown).collect(),
        }
    }

    const WAIVER: &str = "reason: r, approver: a, until: 2027-01-01, check: container-privileged";

    #[test]
    fn the_embedded_rules_load() {
        let rules = Rules::load(embedded(), &[], &ClusterIdentity::default()).unwrap();
        let ids: Vec<&str> = rules.frameworks.iter().map(|selected| selected.framework.id.as_str()).collect();
        assert_eq!(ids, ["cis-kubernetes", "nsa-cisa", "pss-baseline", "pss-restricted"]);
        let left_out: Vec<&str> = rules.left_out.iter().map(|left| left.id.as_str()).collect();
        assert_eq!(left_out, ["gdpr", "hipaa", "pci-dss"], "laws wait for a scope");
        assert!(!rules.expected[0].value.expected.is_empty());
    }

    #[test]
    fn waivers_are_held_to_their_rules() {
        let text = |entry: &str| format!("waivers:\n  - {{{entry}, {WAIVER}}}\n");
        let good = "id: W, kind: risk-accepted, resources: {namespace: shop}";
        assert_eq!(errors("waivers.yaml", &text(good)), Vec::<String>::new());
        for kind in ["compensating-control", "addressable-alternative"] {
            let entry = format!("id: W, kind: {kind}, resources: {{namespace: shop}}");
            assert!(
                errors("waivers.yaml", &text(&entry))[0].starts_with("waivers.yaml:2: waiver 'W' needs a document")
            );
            let documented = format!("{entry}, document: w.pdf");
            assert_eq!(errors("waivers.yaml", &text(&documented)), Vec::<String>::new());
        }
        let everywhere = "id: W, kind: false-positive, resources: {}";
        assert!(errors("waivers.yaml", &text(everywhere))[0].contains("waives the check everywhere"));
        let backwards = format!("{good}, from: 2027-02-01");
        assert!(errors("waivers.yaml", &text(&backwards))[0].contains("ends before it begins"));
        let typo = text(good).replace("container-privileged", "container-privleged");
        assert!(errors("waivers.yaml", &typo)[0].ends_with("did you mean 'container-privileged'?"));
        let twice = format!("{0}  - {{{good}, {WAIVER}}}\n", text(good));
        assert_eq!(errors("waivers.yaml", &twice), ["waivers.yaml:3: waiver id 'W' is used twice"]);
        let unknown = text("id: W, kind: risk-acepted, resources: {namespace: shop}");
        assert!(
            errors("waivers.yaml", &unknown)[0].ends_with("did you mean 'risk-accepted'?"),
            "{:?}",
            errors("waivers.yaml", &unknown)
        );
    }

    #[test]
    fn names_in_the_other_files_are_known() {
        let attestation = "attestations:\n  - {id: A, requirement: pci-dss/1.2.77, statement: s, by: b, on: 2026-01-01, until: 2027-01-01}\n";
        let error = &errors("attestations.yaml", attestation)[0];
        assert!(error.starts_with("attestations.yaml:2: attestation 'A' names the unknown requirement"), "{error}");
        let scope = "scopes: [{id: s, regulations: [pci-ds], declaredBy: b, declaredOn: 2026-01-01}]";
        assert_eq!(
            errors("scope.yaml", scope),
            ["scope.yaml:1: scope 's': 'pci-ds' is no regulation | did you mean 'pci-dss'?"]
        );
        let owners = "requirements: [{id: nothing/9, owner: t}]";
        assert!(errors("owners.yaml", owners)[0].contains("unknown requirement 'nothing/9'"));
        let expected = "expected: [{id: X, reason: r, resources: {name: x}}]";
        assert!(errors("user-expected.yaml", expected)[0].contains("names no check"));
        assert!(errors("owners.yaml", "apiVersion: kubeproof.dev/v2")[0].contains("'kubeproof.dev/v2' is not known"));
        let document = |provider: &str, rest: &str, covers: &str| {
            let text = format!(
                "documents:\n  - {{id: P, provider: {provider}, kind: SOC 2, document: d.pdf, {rest}, covers: [{covers}]}}\n"
            );
            errors("providers.yaml", &text)
        };
        let terms = "issued: 2026-01-01, until: 2027-01-01, responsibility: r";
        assert_eq!(document("eks", terms, "cis-kubernetes/5.*, pci-dss/1.2.7"), Vec::<String>::new());
        for (provider, rest, covers, expected) in [
            (
                "ekz",
                terms,
                "pci-dss/*",
                "providers.yaml:2: document 'P' is of 'ekz', which is no provider | did you mean 'eks'?",
            ),
            ("k3s", terms, "pci-dss/*", "which is no provider"),
            ("eks", terms, "pci-ds/9.*", "covers 'pci-ds/9.*', which names no framework | did you mean 'pci-dss'?"),
            ("eks", terms, "'*'", "write framework/id, such as cis-kubernetes/1.*"),
            ("eks", terms, "pci-dss/1.2.77", "names the unknown requirement 'pci-dss/1.2.77'"),
            ("eks", terms, "", "covers nothing"),
            (
                "eks",
                "issued: 2027-02-01, until: 2027-01-01, responsibility: r",
                "pci-dss/*",
                "ends before it was issued",
            ),
            ("eks", "issued: 2026-01-01, until: 2027-01-01, responsibility: ''", "pci-dss/*", "says no responsibility"),
            ("eks", &format!("{terms}, covrs: []"), "pci-dss/*", "did you mean 'covers'?"),
        ] {
            let found = document(provider, rest, covers);
            assert!(found.iter().any(|error| error.contains(expected)), "{expected}: {found:?}");
        }
        assert!(errors("owners.yaml", "teamz: []")[0].ends_with("did you mean 'teams'?"));
    }
}
