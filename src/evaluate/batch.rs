//! What some objects gave, before it is joined with what others gave.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Outcome, judge::Said};

/// What some objects gave.
pub(super) struct Batch {
    pub(super) findings: Vec<Finding>,
    pub(super) passes: Vec<u64>,
    /// Findings under the name of a controller that is not here, passes included: replicas say the same several times.
    pub(super) adopted: Vec<Finding>,
    /// Places where the question does not arise, where they are counted and not kept.
    pub(super) not_applicable: u64,
    /// Checks whose passes wait for a parameter.
    pub(super) lack_parameters: BTreeSet<usize>,
    /// For each scope, places where a check passed; what is adopted is counted once it is merged.
    pub(super) passed_within: Vec<BTreeMap<usize, u64>>,
}

impl Batch {
    /// Nothing yet, of so many checks and scopes.
    pub(super) fn new(checks: usize, scopes: usize) -> Self {
        Self {
            findings: Vec::new(),
            passes: vec![0; checks],
            adopted: Vec::new(),
            not_applicable: 0,
            lack_parameters: BTreeSet::new(),
            passed_within: vec![BTreeMap::new(); scopes],
        }
    }

    /// Joins what others gave.
    pub(super) fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.not_applicable += other.not_applicable;
        self.lack_parameters.extend(other.lack_parameters);
        for (all, more) in self.passed_within.iter_mut().zip(other.passed_within) {
            for (at, passes) in more {
                *all.entry(at).or_default() += passes;
            }
        }
        self.adopted.extend(other.adopted);
        for (total, more) in self.passes.iter_mut().zip(other.passes) {
            *total += more;
        }
    }

    /// Takes what a check said of an object.
    pub(super) fn take(&mut self, at: usize, mut said: Said, scopes: &[usize]) {
        let kept = said.findings.iter().filter(|finding| finding.outcome == Outcome::Pass).count() as u64;
        self.pass(at, said.passes + kept, scopes);
        self.findings.append(&mut said.findings);
        self.count(at, &said);
    }

    /// The same of an object whose controller is not here.
    pub(super) fn adopt(&mut self, at: usize, mut said: Said, scopes: &[usize]) {
        self.pass(at, said.passes, scopes);
        self.adopted.append(&mut said.findings);
        self.count(at, &said);
    }

    /// Remembers in which scopes a check passed, and in how many places.
    pub(super) fn pass(&mut self, at: usize, passes: u64, scopes: &[usize]) {
        for scope in scopes.iter().filter(|_| passes > 0) {
            *self.passed_within[*scope].entry(at).or_default() += passes;
        }
    }

    fn count(&mut self, at: usize, said: &Said) {
        self.passes[at] += said.passes;
        self.not_applicable += said.not_applicable;
        if said.lacks_parameter {
            self.lack_parameters.insert(at);
        }
    }
}
