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
        let term = Term::of(Some(attestation.on), attestation.until, today);
        let matched = asked(&attestation.requirement);
        if matched && term.is_live() {
            in_force.0.entry(attestation.requirement.clone()).or_insert_with(|| attestation.id.clone());
        }
        declarations.push(declaration(&rules.attestations.file, attestation, term, matched));
    }
    (in_force, declarations)
}

fn declaration(file: &str, attestation: &At<Attestation>, term: Term, matched: bool) -> Declaration {
    let (state, requirement) = (term.state(), &attestation.requirement);
    let state = if matched || !term.is_live() { state } else { "unmatched" };
    let aside = if matched { String::new() } else { format!(" ({requirement} is not in this run)") };
    Declaration {
        kind: "attestation".into(),
        id: attestation.id.clone(),
        at: format!("{file}:{}", attestation.line),
        state: state.into(),
        until: Some(attestation.until.to_string()),
        applies_to: if matched { vec![requirement.clone()] } else { Vec::new() },
        note: format!("{}, {}: {}{aside}; {UNVERIFIED}", attestation.by, attestation.on, attestation.statement.trim()),
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
}
