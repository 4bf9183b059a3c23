//! Framework files: loaded strictly, and held to rules that keep them honest.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Framework, FrameworkKind, Library, Requirement, RowCoverage, RuleFiles, check::On};
use crate::config::{API_VERSION, At, LoadError, parse_yaml};

/// Parses and validates everything below `frameworks/`.
///
/// # Errors
/// Everything that is wrong, each with its file and line.
pub fn load_frameworks(files: &RuleFiles, library: &Library) -> Result<Vec<Framework>, Vec<LoadError>> {
    let is_framework =
        |path: &str| path.starts_with("frameworks/") && (path.ends_with(".yaml") || path.ends_with(".yml"));
    let mut frameworks: Vec<Framework> = Vec::new();
    let mut homes: BTreeMap<(String, String), &str> = BTreeMap::new();
    let mut errors = Vec::new();
    for (path, bytes) in files.iter().filter(|(path, _)| is_framework(path)) {
        let framework = match parse_yaml::<Framework>(path, bytes) {
            Ok(parsed) => parsed.value,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        errors.extend(Validator { path, bytes, framework: &framework, library }.errors());
        let key = (framework.id.clone(), framework.version.clone());
        if let Some(other) = homes.insert(key, path) {
            let message = format!("{} {} is already in {other}", framework.id, framework.version);
            errors.push(LoadError::file(path, message).hint("give one of the two another version"));
        }
        frameworks.push(framework);
    }
    if errors.is_empty() { Ok(frameworks) } else { Err(errors) }
}

/// Checks that no requirement of any framework uses, and that are not marked as hygiene: nobody would ever see them in
/// a report.
pub fn orphans(frameworks: &[Framework], library: &Library) -> Vec<LoadError> {
    let rows = frameworks.iter().flat_map(|framework| &framework.requirements);
    let used: BTreeSet<&str> = rows.flat_map(checks_of).map(String::as_str).collect();
    let orphans = library.checks().filter(|check| !check.hygiene && !used.contains(check.id.as_str()));
    orphans
        .map(|check| {
            let message = format!("no requirement uses the check '{}'", check.id);
            LoadError::file(&check.file, message).hint("name it in a framework file, or write hygiene: true in it")
        })
        .collect()
}

/// Deciding and supporting checks of a requirement.
pub fn checks_of(requirement: &Requirement) -> impl Iterator<Item = &String> {
    requirement.decides.iter().chain(&requirement.supports)
}

struct Validator<'a> {
    path: &'a str,
    bytes: &'a [u8],
    framework: &'a Framework,
    library: &'a Library,
}

/// The same file, read for its lines alone.
#[derive(Default, Deserialize)]
struct Lines {
    requirements: Vec<At<RowLines>>,
}

#[derive(Deserialize)]
struct RowLines {
    #[serde(default)]
    decides: Vec<At<String>>,
    #[serde(default)]
    supports: Vec<At<String>>,
}

impl Validator<'_> {
    fn errors(&self) -> Vec<LoadError> {
        let Framework { id, version, .. } = self.framework;
        // Positions cost a second reading, which only a wrong file pays for.
        let mut lines = None;
        let mut line = |row: usize, check: Option<&str>| {
            let lines = lines.get_or_insert_with(|| {
                parse_yaml(self.path, self.bytes).map_or_else(|_| Lines::default(), |l| l.value)
            });
            line_of(lines, row, check)
        };
        let mut errors = Vec::new();
        let stem = self.path.rsplit('/').next().unwrap_or(self.path);
        if stem.trim_end_matches(".yaml").trim_end_matches(".yml") != format!("{id}-{version}") {
            let message = format!("the file holds {id} {version}, its name says otherwise");
            errors.push(LoadError::file(self.path, message).hint(format!("name it {id}-{version}.yaml")));
        }
        if self.framework.api_version != API_VERSION {
            let message = format!("apiVersion '{}' is not known", self.framework.api_version);
            errors.push(LoadError::file(self.path, message).hint(format!("this program reads {API_VERSION}")));
        }
        let mut seen = BTreeSet::new();
        for (at, row) in self.framework.requirements.iter().enumerate() {
            if !seen.insert(&row.id) {
                let message = format!("requirement '{}' stands here twice", row.id);
                errors.push(LoadError::line(self.path, line(at, None), message));
            }
            for check in checks_of(row).filter(|check| self.library.check(check).is_none()) {
                let message = format!("requirement '{}' names the unknown check '{check}'", row.id);
                let known = self.library.checks().map(|check| check.id.as_str());
                errors.push(LoadError::line(self.path, line(at, Some(check)), message).nearest(check, known));
            }
            for check in row.decides.iter().filter_map(|id| self.library.check(id)) {
                if let On::Cloud(provider) = &check.on
                    && !self.framework.platforms.contains(provider)
                {
                    let message = format!("requirement '{}': only {provider} could answer '{}'", row.id, check.id);
                    let hint = format!("move it to supports, or say platforms: [{provider}]");
                    errors.push(LoadError::line(self.path, line(at, Some(&check.id)), message).hint(hint));
                }
            }
            if let Some((message, hint)) = self.dishonest(row) {
                errors.push(LoadError::line(self.path, line(at, None), message).hint(hint));
            }
        }
        errors
    }

    fn dishonest(&self, row: &Requirement) -> Option<(String, &'static str)> {
        let id = &row.id;
        if let Some(check) = row.supports.iter().find(|check| row.decides.contains(check)) {
            return Some((format!("requirement '{id}': '{check}' decides and supports"), "keep it in one of the two"));
        }
        match (self.framework.kind, row.coverage, row.decides.is_empty()) {
            (FrameworkKind::Regulation, RowCoverage::Automated, _) => Some((
                format!("requirement '{id}' is automated, and a cluster alone satisfies no regulation"),
                "write coverage: partial or manual",
            )),
            (_, RowCoverage::Automated | RowCoverage::Partial, true) => Some((
                format!("requirement '{id}' has no deciding check"),
                "name one in decides, or write coverage: manual",
            )),
            (_, RowCoverage::Manual, false) => Some((
                format!("requirement '{id}' is manual and has a deciding check"),
                "write coverage: partial, or move the check to supports",
            )),
            _ => None,
        }
    }
}

fn line_of(lines: &Lines, row: usize, check: Option<&str>) -> u32 {
    let Some(row) = lines.requirements.get(row) else { return 0 };
    let mut named = row.decides.iter().chain(&row.supports);
    let found = check.and_then(|check| named.find(|entry| entry.value == check));
    found.map_or(row.line, |entry| entry.line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::embedded;

    fn load(rows: &str, kind: &str) -> Vec<String> {
        let mut files = embedded();
        let text = format!(
            "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: {kind}\nsource: ours\nrequirements:\n{rows}"
        );
        files.insert("frameworks/own-1.yaml".into(), text.into_bytes());
        let library = Library::load(&files).unwrap();
        match load_frameworks(&files, &library) {
            Ok(_) => vec![],
            Err(errors) => {
                errors.iter().map(|error| format!("{error} ({})", error.hint.as_deref().unwrap_or_default())).collect()
            }
        }
    }

    const FINE: &str = "  - {id: A, title: t, coverage: automated, decides: [container-privileged]}\n";

    #[test]
    fn what_is_wrong_has_its_line_and_the_nearest_name() {
        assert_eq!(load(FINE, "guide"), Vec::<String>::new());
        let wrong = "  - id: B\n    title: t\n    coverage: automated\n    decides:\n      - container-priviledged\n";
        assert_eq!(
            load(&format!("{FINE}{wrong}"), "guide"),
            ["frameworks/own-1.yaml:13: requirement 'B' names the unknown check 'container-priviledged' \
              (did you mean 'container-privileged'?)"]
        );
        assert_eq!(
            load(&format!("{FINE}{FINE}"), "guide"),
            ["frameworks/own-1.yaml:9: requirement 'A' stands here twice ()"]
        );
        let typo = "  - {id: B, title: t, coverage: manual, notes: x}\n";
        assert!(load(typo, "guide")[0].contains(":8:"), "{:?}", load(typo, "guide"));
        assert!(load(typo, "guide")[0].contains("did you mean 'note'?"), "{:?}", load(typo, "guide"));
    }

    #[test]
    fn dishonest_rows_are_refused() {
        for (rows, kind, part) in [
            (FINE, "regulation", "satisfies no regulation"),
            ("  - {id: A, title: t, coverage: automated}\n", "guide", "no deciding check"),
            (
                "  - {id: A, title: t, coverage: partial, supports: [container-privileged]}\n",
                "guide",
                "no deciding check",
            ),
            ("  - {id: A, title: t, coverage: manual, decides: [container-privileged]}\n", "guide", "is manual"),
            (
                "  - {id: A, title: t, coverage: partial, decides: [container-privileged], supports: [container-privileged]}\n",
                "guide",
                "decides and supports",
            ),
        ] {
            let errors = load(rows, kind);
            assert!(errors.len() == 1 && errors[0].contains(part), "{rows} gave {errors:?}");
        }
    }

    #[test]
    fn a_row_that_one_provider_alone_could_answer_is_refused_elsewhere() {
        let check = "id: own-check\ntitle: t\nseverity: low\non: cloud/eks\nfield: cloud.cluster.x\npass: value == 1\n\
                     expected: e\nmessage: m\nwhy: w\nremediation: r\n";
        let load = |platforms: &str| {
            let mut files = embedded();
            files.insert("checks/user/own-check.yaml".into(), check.into());
            let text = format!(
                "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: guide\nplatforms: {platforms}\n\
                 source: s\nrequirements:\n  - {{id: A, title: t, coverage: automated, decides: [own-check]}}\n"
            );
            files.insert("frameworks/own-1.yaml".into(), text.into_bytes());
            load_frameworks(&files, &Library::load(&files).unwrap()).map(|_| ())
        };
        assert_eq!(load("[eks]"), Ok(()));
        for platforms in ["[]", "[gke]"] {
            let errors = load(platforms).unwrap_err();
            assert!(errors[0].to_string().contains(":9: requirement 'A': only eks could answer"), "{errors:?}");
        }
    }

    #[test]
    fn a_file_is_named_for_what_it_holds_and_holds_it_alone() {
        let mut files = embedded();
        let text =
            "apiVersion: kubeproof.dev/v2\nid: own\nversion: '1'\ntitle: t\nkind: guide\nsource: s\nrequirements: []\n";
        files.insert("frameworks/own-1.yaml".into(), text.into());
        files.insert("frameworks/own-2.yaml".into(), text.into());
        let errors = load_frameworks(&files, &Library::load(&files).unwrap()).unwrap_err();
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(
            messages.contains(&"frameworks/own-2.yaml: own 1 is already in frameworks/own-1.yaml".into()),
            "{messages:?}"
        );
        assert!(messages.iter().any(|m| m.contains("its name says otherwise")), "{messages:?}");
        assert!(messages.iter().any(|m| m.contains("'kubeproof.dev/v2' is not known")), "{messages:?}");
    }

    #[test]
    fn the_library_is_loaded_and_no_check_of_it_is_an_orphan() {
        let files = embedded();
        let library = Library::load(&files).unwrap();
        let frameworks = load_frameworks(&files, &library).unwrap();
        assert_eq!(orphans(&frameworks, &library), []);
        let mut fewer = frameworks;
        for row in fewer.iter_mut().flat_map(|framework| &mut framework.requirements) {
            row.decides.retain(|check| check != "service-external-ips");
            row.supports.retain(|check| check != "service-external-ips");
        }
        assert_eq!(orphans(&fewer, &library).len(), 1, "the gate sees an orphan");
    }

    #[test]
    fn complete_frameworks_list_every_id() {
        let files = embedded();
        let frameworks = load_frameworks(&files, &Library::load(&files).unwrap()).unwrap();
        let rows =
            |id: &str| frameworks.iter().filter(|f| f.id == id).map(|f| f.requirements.len()).collect::<Vec<_>>();
        // The figures are facts of the published documents.
        assert_eq!(rows("cis-kubernetes"), [131, 131]);
        assert_eq!([rows("cis-eks"), rows("cis-gke"), rows("cis-aks")], [[50], [57], [51]]);
        assert_eq!(rows("pss-baseline"), [15]);
        assert_eq!(rows("pss-restricted"), [23]);
        assert_eq!(rows("pci-dss"), [167]);
        assert_eq!(rows("hipaa"), [67]);
        assert_eq!(rows("gdpr"), [41]);
        assert_eq!(rows("nsa-cisa"), [60]);
        let supporting = frameworks.iter().filter(|f| f.kind == FrameworkKind::Regulation);
        for row in supporting.flat_map(|framework| &framework.requirements) {
            assert!(row.coverage != RowCoverage::Manual || row.note.is_some(), "{}: what must a person show?", row.id);
        }
    }
}
