//! What is known of a requirement, from the findings of its checks. The order in which mixes are decided is one table,
//! tested row by row.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CheckResult, Finding, Outcome, RequirementResult, Rules, Status,
    attestations::{self, InForce},
    owners::Owners,
    providers::Inherited,
    scope::Reach,
    sight,
};
use crate::{
    config::WaiverKind,
    framework::{FrameworkKind, Requirement, RowCoverage, Selected},
    snapshot::Snapshot,
};

/// What the deciding checks of one requirement said, within its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decided {
    /// Failures that somebody must act on.
    pub open: u64,
    /// Failures that are waived: they stay failures.
    pub waived: u64,
    /// Places or whole lists that could not be decided.
    pub not_evaluated: u64,
    /// Questions about the provider's side, which nothing in the cluster decides.
    pub provider: u64,
    /// Deciding checks that passed somewhere.
    pub passed: u64,
    /// Places where they passed.
    pub places: u64,
    /// Deciding checks with nothing to look at.
    pub not_applicable: u64,
}

/// What people and providers say, while it is in force.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// Attestations.
    pub attested: &'a InForce,
    /// Documents of the provider that runs the cluster.
    pub inherited: &'a Inherited,
}

/// A declared scope, and what was looked at in it.
#[derive(Debug)]
pub struct Within<'a> {
    /// What counts.
    pub reach: &'a Reach<'a>,
    /// Places in it where a check passed, by check.
    pub passed: BTreeMap<String, u64>,
}

/// What requirements are decided from.
pub struct Said<'a> {
    /// What the checks noted.
    pub findings: &'a [Finding],
    /// What the checks said as a whole.
    pub checks: &'a [CheckResult],
    /// The scope of each framework that is judged in one.
    pub within: BTreeMap<&'a str, Within<'a>>,
    /// What people and providers say.
    pub words: Words<'a>,
}

/// The status of a requirement. `attested` is a person's word in force, `inherited` a provider's document in force for
/// what is left open only because it is on the provider's side.
///
/// | in this order | status |
/// |---|---|
/// | a failure, waived or not | fail |
/// | something could not be decided, here or on the provider's side without its document | not-evaluated |
/// | partial or manual, with a person's word | attested |
/// | the provider's side, with its document | inherited |
/// | partial, and all that was decided passed | partial |
/// | nothing here decides, or a law's row had nothing to look at | manual |
/// | benchmarks and guides: all passed | pass |
/// | nothing to look at | not-applicable |
pub fn status(kind: FrameworkKind, coverage: RowCoverage, decided: Decided, attested: bool, inherited: bool) -> Status {
    // A cluster alone satisfies no law: what would pass elsewhere still needs a person.
    let coverage = match (kind, coverage) {
        (FrameworkKind::Regulation, RowCoverage::Automated) => RowCoverage::Partial,
        (_, coverage) => coverage,
    };
    let evidence = decided.passed > 0;
    let nothing_to_see = !evidence && decided.not_applicable > 0;
    if decided.open + decided.waived > 0 {
        Status::Fail
    } else if decided.not_evaluated > 0 || decided.provider > 0 && !inherited {
        Status::NotEvaluated
    } else if attested && coverage != RowCoverage::Automated {
        Status::Attested
    } else if inherited {
        Status::Inherited
    } else {
        match coverage {
            RowCoverage::Manual => Status::Manual,
            RowCoverage::Partial if evidence => Status::Partial,
            // Nothing was there to look at, and a law's row is never without an object: people show it all.
            RowCoverage::Partial if kind == FrameworkKind::Regulation => Status::Manual,
            RowCoverage::Automated if evidence => Status::Pass,
            RowCoverage::Partial | RowCoverage::Automated if nothing_to_see => Status::NotApplicable,
            RowCoverage::Partial | RowCoverage::Automated => Status::NotEvaluated,
        }
    }
}

/// One row per requirement of each selected framework, in the framework's order.
pub fn requirements(rules: &Rules, snapshot: &Snapshot, said: &Said<'_>) -> Vec<RequirementResult> {
    let mut by_check: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in said.findings {
        by_check.entry(&finding.check).or_default().push(finding);
    }
    let results: BTreeMap<&str, &CheckResult> = said.checks.iter().map(|check| (check.id.as_str(), check)).collect();
    let owners = Owners::new(&rules.owners, snapshot);
    let alternatives: BTreeSet<&str> = rules
        .waivers
        .value
        .waivers
        .iter()
        .filter(|waiver| waiver.kind == WaiverKind::AddressableAlternative)
        .map(|waiver| waiver.id.as_str())
        .collect();
    let mut rows = Vec::new();
    for selected in &rules.frameworks {
        let within = said.within.get(selected.framework.id.as_str());
        for requirement in &selected.framework.requirements {
            let decided = decided(selected, requirement, &by_check, &results, within, &alternatives);
            rows.push(row(selected, requirement, decided, said.words, &owners));
        }
    }
    rows
}

/// What the deciding checks said, and the first place that could not be decided, with why.
fn decided(
    selected: &Selected,
    requirement: &Requirement,
    findings: &BTreeMap<&str, Vec<&Finding>>,
    results: &BTreeMap<&str, &CheckResult>,
    scope: Option<&Within<'_>>,
    alternatives: &BTreeSet<&str>,
) -> (Decided, Option<String>) {
    // Another measure counts where the rule itself allows one: 45 CFR 164.306(d)(3).
    let addressable = requirement.level.as_deref() == Some("addressable");
    let (mut decided, mut unseen) = (Decided::default(), None);
    let because = |reason: Option<&str>| reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let framework = &selected.framework.id;
    for id in &requirement.decides {
        let counts =
            |finding: &&&Finding| scope.is_none_or(|scope| scope.reach.holds(finding)) && finding.counts_for(framework);
        let within = || findings.get(id.as_str()).into_iter().flatten().filter(counts);
        let (mut undecided, mut provider) = (0, 0);
        for finding in within().filter(|finding| finding.expected_by.is_none()) {
            match finding.outcome {
                Outcome::Fail
                    if finding.waiver.as_deref().is_some_and(|id| addressable || !alternatives.contains(id)) =>
                {
                    decided.waived += 1;
                }
                Outcome::Fail => decided.open += 1,
                Outcome::NotEvaluated if finding.resource.kind == sight::PROVIDER => provider += 1,
                Outcome::NotEvaluated => {
                    undecided += 1;
                    unseen.get_or_insert_with(|| match (&finding.reason, finding.resource.kind.as_str()) {
                        // The reason names the list.
                        (Some(reason), sight::LIST) => reason.to_string(),
                        (reason, _) => format!("{}{}", finding.resource, because(reason.as_deref())),
                    });
                }
                Outcome::Pass | Outcome::NotApplicable | Outcome::Manual => {}
            }
        }
        decided.not_evaluated += undecided;
        decided.provider += provider;
        let result = results.get(id.as_str());
        // What a check saw elsewhere says nothing of a scope.
        let looked = match scope {
            None => result.is_some_and(|check| check.evaluated > 0),
            Some(scope) => scope.passed.contains_key(id) || within().any(|finding| finding.outcome == Outcome::Fail),
        };
        decided.places += match scope {
            None => result.map_or(0, |check| check.evaluated.saturating_sub(check.failed)),
            Some(scope) => scope.passed.get(id).copied().unwrap_or_default(),
        };
        match result {
            // Expected failures are left out: what remains of such a check passed.
            Some(_) if looked => decided.passed += 1,
            Some(check)
                if check.evaluated == 0 && check.outcome == Outcome::NotEvaluated && undecided + provider == 0 =>
            {
                decided.not_evaluated += 1;
                unseen.get_or_insert_with(|| format!("{id}{}", because(check.reason.as_deref())));
            }
            Some(_) => decided.not_applicable += 1,
            None => decided.not_evaluated += 1,
        }
    }
    (decided, unseen)
}

fn row(
    selected: &Selected,
    requirement: &Requirement,
    (decided, unseen): (Decided, Option<String>),
    words: Words<'_>,
    owners: &Owners<'_>,
) -> RequirementResult {
    let framework = &selected.framework;
    let id = format!("{}/{}", framework.id, requirement.id);
    let attestation = words.attested.of(&id).map(str::to_string);
    // What was decided here needs no document; what nothing here decides may be the provider's as a whole.
    let providers = decided.provider > 0 || requirement.decides.is_empty();
    let document = words.inherited.of(&id).filter(|_| providers);
    let status = status(framework.kind, requirement.coverage, decided, attestation.is_some(), document.is_some());
    let (company_control, owner) = owners.requirement(&id);
    RequirementResult {
        framework: framework.id.clone(),
        version: framework.version.clone(),
        id: requirement.id.clone(),
        status,
        coverage: requirement.coverage,
        decides: requirement.decides.clone(),
        supports: requirement.supports.clone(),
        reason: match status {
            Status::Inherited => document.map(|document| format!("the provider's side: {document}")),
            _ => reason(requirement, status, (decided, unseen.as_deref()), attestation.as_deref()),
        },
        failures: decided.open,
        waived: decided.waived,
        passed: Some(decided.places),
        attestation,
        company_control,
        owner,
    }
}

fn reason(
    requirement: &Requirement,
    status: Status,
    (decided, unseen): (Decided, Option<&str>),
    attestation: Option<&str>,
) -> Option<String> {
    let person = requirement.note.as_deref().map_or_else(String::new, |note| format!(": {note}"));
    match status {
        Status::Fail => Some(match (decided.open, decided.waived) {
            (0, waived) => format!("{}, all waived", plural(waived, "failure")),
            (open, 0) => plural(open, "failure"),
            (open, waived) => format!("{}, and {waived} waived", plural(open, "failure")),
        }),
        Status::NotEvaluated => Some(undecided(decided, unseen)),
        Status::Attested => attestation.map(|id| format!("{id}, {}", attestations::UNVERIFIED)),
        Status::Partial => Some(format!("no exceptions noted, a person must show the rest{person}")),
        Status::Manual if requirement.coverage != RowCoverage::Manual => {
            Some(format!("nothing in scope was there to look at, a person decides{person}"))
        }
        Status::Manual => Some(format!("a person decides{person}")),
        Status::NotApplicable => Some("nothing that it asks about was found".into()),
        Status::Inherited | Status::Pass => None,
    }
}

fn plural(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// `7 places could not be decided, the first of them Node/worker-1 (no node report)`.
fn undecided(decided: Decided, unseen: Option<&str>) -> String {
    let (places, besides) = match (decided.not_evaluated, decided.provider) {
        (0, 0) => return "no deciding check ran".into(),
        (0, _) => return "on the provider's side, and no document of the provider is declared for it".into(),
        (places, 0) => (places, ""),
        (places, _) => (places, ", and a part is on the provider's side"),
    };
    let which = match (places, unseen) {
        (_, None) => String::new(),
        (1, Some(place)) => format!(": {place}"),
        (_, Some(place)) => format!(", the first of them {place}"),
    };
    format!("{} could not be decided{besides}{which}", plural(places, "place"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use FrameworkKind::{Benchmark, Guide, Regulation};
    use RowCoverage::{Automated, Manual, Partial};

    const fn mix(open: u64, waived: u64, not_evaluated: u64, passed: u64, not_applicable: u64) -> Decided {
        Decided { open, waived, not_evaluated, provider: 0, passed, places: passed, not_applicable }
    }

    /// The same, with questions that are on the provider's side.
    const fn providers(provider: u64, mix: Decided) -> Decided {
        Decided { provider, ..mix }
    }

    /// kind, coverage, mix, attested, inherited, status.
    const TABLE: &[(FrameworkKind, RowCoverage, Decided, bool, bool, Status)] = &[
        // A failure wins over everything, and a waiver does not take it away.
        (Benchmark, Automated, mix(1, 0, 0, 0, 0), false, false, Status::Fail),
        (Benchmark, Automated, mix(1, 0, 1, 1, 1), true, true, Status::Fail),
        (Benchmark, Automated, mix(0, 1, 0, 1, 0), false, false, Status::Fail),
        (Benchmark, Partial, mix(0, 1, 0, 1, 0), true, false, Status::Fail),
        (Regulation, Partial, mix(2, 3, 0, 1, 0), true, true, Status::Fail),
        (Regulation, Manual, mix(1, 0, 0, 0, 0), true, false, Status::Fail),
        // What was not seen is never a pass, and no person's word makes it one.
        (Benchmark, Automated, mix(0, 0, 1, 5, 0), false, false, Status::NotEvaluated),
        (Benchmark, Partial, mix(0, 0, 1, 0, 0), true, true, Status::NotEvaluated),
        (Regulation, Partial, mix(0, 0, 1, 1, 0), true, false, Status::NotEvaluated),
        (Benchmark, Automated, mix(0, 0, 0, 0, 0), false, false, Status::NotEvaluated),
        (Benchmark, Partial, mix(0, 0, 0, 0, 0), false, false, Status::NotEvaluated),
        // A person's word completes what is left to a person, and nothing else.
        (Benchmark, Partial, mix(0, 0, 0, 1, 0), true, false, Status::Attested),
        (Benchmark, Partial, mix(0, 0, 0, 0, 1), true, true, Status::Attested),
        (Guide, Manual, mix(0, 0, 0, 0, 0), true, false, Status::Attested),
        (Regulation, Manual, mix(0, 0, 0, 0, 0), true, true, Status::Attested),
        (Regulation, Partial, mix(0, 0, 0, 1, 0), true, false, Status::Attested),
        (Benchmark, Automated, mix(0, 0, 0, 1, 0), true, false, Status::Pass),
        // A provider's document stands before what a machine or a person would still do.
        (Benchmark, Automated, mix(0, 0, 0, 0, 1), false, true, Status::Inherited),
        (Benchmark, Partial, mix(0, 0, 0, 1, 0), false, true, Status::Inherited),
        (Regulation, Manual, mix(0, 0, 0, 0, 0), false, true, Status::Inherited),
        (Benchmark, Automated, providers(1, mix(0, 0, 0, 0, 0)), false, true, Status::Inherited),
        (Benchmark, Automated, providers(1, mix(0, 0, 0, 2, 1)), true, true, Status::Inherited),
        (Regulation, Partial, providers(2, mix(0, 0, 0, 1, 0)), false, true, Status::Inherited),
        // With both, the person's word says more: it completes what the document leaves.
        (Regulation, Partial, providers(1, mix(0, 0, 0, 1, 0)), true, true, Status::Attested),
        // Without a document the provider's side is open, whatever a person says; no document hides what is ours.
        (Benchmark, Automated, providers(1, mix(0, 0, 0, 0, 0)), false, false, Status::NotEvaluated),
        (Benchmark, Automated, providers(1, mix(0, 0, 0, 3, 0)), false, false, Status::NotEvaluated),
        (Regulation, Partial, providers(1, mix(0, 0, 0, 1, 0)), true, false, Status::NotEvaluated),
        (Benchmark, Automated, providers(1, mix(0, 0, 1, 0, 0)), false, true, Status::NotEvaluated),
        (Regulation, Partial, providers(1, mix(0, 0, 1, 1, 0)), true, true, Status::NotEvaluated),
        (Benchmark, Partial, providers(1, mix(1, 0, 0, 0, 0)), false, true, Status::Fail),
        (Benchmark, Partial, providers(1, mix(0, 1, 0, 0, 0)), true, true, Status::Fail),
        // Partial.
        (Benchmark, Partial, mix(0, 0, 0, 2, 1), false, false, Status::Partial),
        (Regulation, Partial, mix(0, 0, 0, 1, 0), false, false, Status::Partial),
        // A regulation's row without anything to look at rests on people alone.
        (Regulation, Partial, mix(0, 0, 0, 0, 2), false, false, Status::Manual),
        (Regulation, Partial, mix(0, 0, 0, 0, 0), false, false, Status::Manual),
        // Manual.
        (Benchmark, Manual, mix(0, 0, 0, 0, 0), false, false, Status::Manual),
        (Regulation, Manual, mix(0, 0, 0, 1, 0), false, false, Status::Manual),
        // Pass, and never for a regulation, whatever its file says.
        (Benchmark, Automated, mix(0, 0, 0, 1, 0), false, false, Status::Pass),
        (Guide, Automated, mix(0, 0, 0, 3, 2), false, false, Status::Pass),
        (Regulation, Automated, mix(0, 0, 0, 3, 0), false, false, Status::Partial),
        (Regulation, Automated, mix(0, 0, 0, 3, 0), true, false, Status::Attested),
        // Nothing to look at.
        (Benchmark, Automated, mix(0, 0, 0, 0, 2), false, false, Status::NotApplicable),
        (Guide, Partial, mix(0, 0, 0, 0, 1), false, false, Status::NotApplicable),
    ];

    #[test]
    fn every_mix_has_its_status() {
        for (kind, coverage, decided, attested, inherited, expected) in TABLE {
            let actual = status(*kind, *coverage, *decided, *attested, *inherited);
            assert_eq!(
                actual, *expected,
                "{kind:?} {coverage:?} {decided:?} attested {attested} inherited {inherited}"
            );
        }
    }

    #[test]
    fn what_could_not_be_decided_is_named() {
        let place = Some("Node/w-1 (no node report)");
        assert_eq!(undecided(mix(0, 0, 1, 0, 0), place), "1 place could not be decided: Node/w-1 (no node report)");
        assert_eq!(
            undecided(providers(1, mix(0, 0, 7, 2, 0)), place),
            "7 places could not be decided, and a part is on the provider's side, the first of them Node/w-1 (no node report)"
        );
        assert_eq!(undecided(mix(0, 0, 2, 0, 0), None), "2 places could not be decided");
        assert_eq!(undecided(Decided::default(), None), "no deciding check ran");
    }

    #[test]
    fn a_regulation_never_passes() {
        for open in 0..2 {
            for passed in 0..2 {
                for not_applicable in 0..2 {
                    for coverage in [Automated, Partial, Manual] {
                        let decided = mix(open, 0, 0, passed, not_applicable);
                        let status = status(Regulation, coverage, decided, false, false);
                        assert!(!matches!(status, Status::Pass | Status::NotApplicable), "{coverage:?} {decided:?}");
                    }
                }
            }
        }
    }
}
