//! Versions, rules and identities that changed within the period.

use std::collections::BTreeMap;

use super::population::Tracked;
use crate::period::{
    facts::Facts,
    model::{RunNumber, ScopeChange, ScopeSubject},
};

/// What is compared from one run to the next.
#[derive(Default)]
pub(super) struct Versions {
    kubernetes: Tracked<String>,
    tool: Tracked<String>,
    frameworks: Tracked<String>,
    checks: Tracked<String>,
    declared: Tracked<String>,
    caller: Tracked<String>,
}

impl Versions {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber) {
        let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        // A run that could not ask the server says nothing about its version.
        if let Some(version) = &facts.run.kubernetes {
            self.kubernetes.add(run, one("kubernetes", version));
        }
        self.tool.add(run, one("kubeproof", &facts.run.tool_version));
        let frameworks = facts.run.frameworks.iter().map(|f| (f.id.clone(), f.version.clone()));
        self.frameworks.add(run, frameworks.collect());
        self.checks.add(run, one("checks", &facts.run.checks.short(16)));
        let declared = facts.run.declared.iter().map(|(name, digest)| (name.clone(), digest.short(16)));
        self.declared.add(run, declared.collect());
        if let Some(caller) = &facts.run.caller {
            self.caller.add(run, one("caller", &caller.username));
        }
    }

    pub(super) fn finish(self) -> Vec<ScopeChange> {
        [
            (self.kubernetes, ScopeSubject::Kubernetes),
            (self.tool, ScopeSubject::Tool),
            (self.frameworks, ScopeSubject::Framework),
            (self.checks, ScopeSubject::Checks),
            (self.declared, ScopeSubject::Declared),
            (self.caller, ScopeSubject::Caller),
        ]
        .into_iter()
        .flat_map(|(tracked, what)| tracked.changes(what, Clone::clone))
        .collect()
    }
}
