//! What people say of requirements, while it is in force.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Declaration, Rules, waivers::Term};
use crate::config::{At, Attestation};

/// What stands beside everybody who attests.
pub const UNVERIFIED: &str = "signatory as written; identity not verified";

/// Attestations in force, by requirement (`pci-dss/1.2.7`).
#[derive(Debug, Default)]
pub struct InForce(BTreeMap<String, String>);

impl InForce {
    /// The attestation of a requirement.
    pub fn of(&self, requirement: &str) -> Option<&str> {
        self.0.get(requirement).map(String::as_str)
    }
}

/// Which attestations are in force today, and what became of each.
pub fn attestations(rules: &Rules, today: NaiveDate) -> (InForce, Vec<Declaration>) {
    let asked = |id: &str| {
        let (framework, requirement) = id.split_once('/').unwrap_or((id, ""));
        let selected = rules.frameworks.iter().find(|selected| selected.framework.id == framework);
        selected.is_some_and(|selected| selected.framework.requirements.iter().any(|row| row.id == requirement))
    };
    let mut in_force = InForce::default();
    let mut declarations = Vec::new();
    for attestation in &rules.attestations.value.attestations {
        let standing = Standing {
            term: Term::of(Some(attestation.on), attestation.until, today),
            matched: asked(&attestation.requirement),
            files: Files::of(attestation, rules),
        };
        if standing.counts() {
            in_force.0.entry(attestation.requirement.clone()).or_insert_with(|| attestation.id.clone());
        }
        declarations.push(standing.declaration(&rules.attestations.file, attestation));
    }
    (in_force, declarations)
}

/// What became of the files that an attestation points at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Files {
    /// All are here, as they were signed for.
    Here,
    /// Not found when the run began.
    Missing(Vec<String>),
    /// Other bytes than those that were signed for.
    Changed(Vec<String>),
}

impl Files {
    fn of(attestation: &Attestation, rules: &Rules) -> Self {
        let missing = attestation.files.iter().filter(|name| rules.attested.get(*name).is_some_and(Option::is_none));
        let missing: Vec<String> = missing.cloned().collect();
        if !missing.is_empty() {
            return Self::Missing(missing);
        }
        match rules.attested_changed.get(&attestation.id) {
            Some(changed) => Self::Changed(changed.iter().cloned().collect()),
            None => Self::Here,
        }
    }

    fn sentence(&self) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Missing(names) => Some(format!("not counted: {} was not found", names.join(", "))),
            Self::Changed(names) => Some(format!(
                "not counted: {} changed since it was signed for; sign again with a new date",
                names.join(", ")
            )),
        }
    }
}

/// Why an attestation counts, or does not.
struct Standing {
    term: Term,
    matched: bool,
    files: Files,
}

impl Standing {
    fn counts(&self) -> bool {
        self.matched && self.term.is_live() && self.files == Files::Here
    }

    fn state(&self) -> &'static str {
        match (&self.files, self.matched) {
            _ if !self.term.is_live() => self.term.state(),
            (_, false) => "unmatched",
            (Files::Missing(_), _) => "file missing",
            (Files::Changed(_), _) => "file changed",
            (Files::Here, _) => self.term.state(),
        }
    }

    fn declaration(&self, file: &str, attestation: &At<Attestation>) -> Declaration {
        let requirement = &attestation.requirement;
        let aside = if self.matched { String::new() } else { format!(" ({requirement} is not in this run)") };
        let files = self.files.sentence().map_or_else(String::new, |sentence| format!("; {sentence}"));
        Declaration {
            kind: "attestation".into(),
            id: attestation.id.clone(),
            at: format!("{file}:{}", attestation.line),
            state: self.state().into(),
            until: Some(attestation.until.to_string()),
            applies_to: if self.matched { vec![requirement.clone()] } else { Vec::new() },
            note: format!(
                "{}, {}: {}{aside}{files}; {UNVERIFIED}",
                attestation.by,
                attestation.on,
                attestation.statement.trim()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{AttestationsFile, parse_yaml},
        framework::{Framework, Selected},
    };

    fn rules(until: &str) -> Rules {
        let framework = "apiVersion: kubeproof.dev/v1\nid: pci-dss\nversion: '4.0.1'\ntitle: t\nkind: regulation\nsource: s\n\
                         requirements: [{id: 1.2.7, title: t, coverage: manual}]";
        let framework = parse_yaml::<Framework>("f.yaml", framework.as_bytes()).unwrap().value;
        let yaml = format!(
            "attestations:\n  - {{id: A-1, requirement: pci-dss/1.2.7, statement: done, by: Bo, on: 2026-06-12, until: {until}}}\n  \
             - {{id: A-2, requirement: hipaa/x, statement: done, by: Bo, on: 2026-06-12, until: {until}}}\n"
        );
        Rules {
            frameworks: vec![Selected { framework, scope: None, note: None }],
            attestations: parse_yaml::<AttestationsFile>("attestations.yaml", yaml.as_bytes()).unwrap(),
            ..Rules::default()
        }
    }

    #[test]
    fn only_what_is_in_force_and_asked_for_counts() {
        let (in_force, declared) = attestations(&rules("2026-12-31"), "2026-11-23".parse().unwrap());
        assert_eq!((in_force.of("pci-dss/1.2.7"), in_force.of("hipaa/x")), (Some("A-1"), None));
        let states: Vec<&str> = declared.iter().map(|declared| declared.state.as_str()).collect();
        assert_eq!(states, ["in force", "unmatched"]);
        assert!(declared[0].note.ends_with("identity not verified"), "{}", declared[0].note);
    }

    #[test]
    fn an_old_word_is_no_word() {
        let (in_force, declared) = attestations(&rules("2026-11-22"), "2026-11-23".parse().unwrap());
        assert_eq!(in_force.of("pci-dss/1.2.7"), None);
        assert_eq!((declared[0].state.as_str(), declared[0].at.as_str()), ("expired", "attestations.yaml:2"));
    }

    #[test]
    fn a_word_about_a_file_that_is_missing_or_changed_does_not_count() {
        let mut rules = rules("2026-12-31");
        rules.attestations.value.attestations[0].value.files = vec!["review.pdf".into()];
        let today = "2026-11-23".parse().unwrap();
        let digest = Some(crate::digest::Digest::of("x"));
        for (attested, changed, state) in
            [(digest, false, "in force"), (None, false, "file missing"), (digest, true, "file changed")]
        {
            rules.attested = [("review.pdf".to_string(), attested)].into();
            let files = [("A-1".to_string(), ["review.pdf".to_string()].into())];
            rules.attested_changed = files.into_iter().filter(|_| changed).collect();
            let (in_force, declared) = attestations(&rules, today);
            assert_eq!(declared[0].state, state);
            assert_eq!(in_force.of("pci-dss/1.2.7").is_some(), state == "in force");
            assert_eq!(declared[0].note.contains("not counted: review.pdf"), state != "in force");
        }
    }
}
