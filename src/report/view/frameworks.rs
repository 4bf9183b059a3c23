//! Frameworks: bars of counts, then every requirement with its status, basis and evidence.

use std::collections::BTreeMap;

use super::{
    Block, Facts, Section,
    first::{Bar, Key, Part},
    text::{Shape, Table, Text},
    words,
};
use crate::{
    evaluate::{Finding, Outcome, RequirementResult, Status, scope::Reach},
    framework::{Framework, FrameworkKind, Requirement, RowCoverage, select},
};

/// References named in a row.
const REFERENCES: usize = 2;

/// What is counted together.
struct Kind {
    key: Key,
    statuses: &'static [Status],
    /// Left out where every count is zero.
    optional: bool,
}

const KINDS: [Kind; 7] = [
    Kind {
        key: Key { key: "exceptions", short: "exceptions", text: "exceptions noted" },
        statuses: &[Status::Fail],
        optional: false,
    },
    Kind {
        key: Key { key: "clear", short: "none noted", text: "none noted" },
        statuses: &[Status::Pass],
        optional: false,
    },
    Kind {
        key: Key { key: "partial", short: "in part", text: "none noted, a person adds the rest" },
        statuses: &[Status::Partial],
        optional: false,
    },
    Kind {
        key: Key { key: "person", short: "person", text: "needs a person" },
        statuses: &[Status::Manual],
        optional: false,
    },
    Kind {
        key: Key { key: "attested", short: "attested", text: "attested or inherited" },
        statuses: &[Status::Attested, Status::Inherited],
        optional: true,
    },
    Kind {
        key: Key { key: "unseen", short: "incomplete", text: "incomplete" },
        statuses: &[Status::NotEvaluated],
        optional: false,
    },
    Kind {
        key: Key { key: "na", short: "n/a", text: "not applicable" },
        statuses: &[Status::NotApplicable],
        optional: true,
    },
];

fn counted(results: &[&RequirementResult], kind: &Kind) -> u64 {
    results.iter().filter(|r| kind.statuses.contains(&r.status)).count() as u64
}

/// A bar for each framework, and what its colours and counts mean.
pub(super) fn bars(facts: &Facts<'_>) -> (Vec<Bar>, Vec<Key>) {
    let all: Vec<&RequirementResult> = facts.input.evaluation.requirements.iter().collect();
    let kinds: Vec<&Kind> = KINDS.iter().filter(|k| !k.optional || counted(&all, k) > 0).collect();
    let frameworks = &facts.input.definitions.frameworks;
    let bars = frameworks.iter().map(|f| bar(facts, f, &kinds)).filter(|b| !b.parts.is_empty()).collect();
    (bars, kinds.iter().map(|k| k.key.clone()).collect())
}

fn bar(facts: &Facts<'_>, framework: &Framework, kinds: &[&Kind]) -> Bar {
    let results: Vec<&RequirementResult> = facts.results(framework).collect();
    let total = (results.len() as u64).max(1);
    let counts: Vec<u64> = kinds.iter().map(|k| counted(&results, k)).collect();
    let mut before = 0;
    let parts = kinds.iter().zip(&counts).filter(|(_, n)| **n > 0).map(|(kind, n)| {
        let from = before * 1000 / total;
        before += n;
        Part { from, share: before * 1000 / total - from, key: kind.key.key }
    });
    Bar {
        name: words::bar_name(framework),
        parts: parts.collect(),
        counts: counts.iter().map(|n| words::number(*n)).collect(),
    }
}

/// Requirements that only a person can finish.
pub(super) fn needs_a_person(facts: &Facts<'_>) -> u64 {
    let open = |r: &&RequirementResult| matches!(r.status, Status::Manual | Status::Partial);
    facts.input.evaluation.requirements.iter().filter(open).count() as u64
}

/// One section for each framework: its summary, then its rows.
pub(super) fn sections(facts: &Facts<'_>) -> Vec<Section> {
    let section = |framework: &Framework| framework_section(facts, framework, &by_requirement(facts, framework));
    facts.input.definitions.frameworks.iter().map(section).collect()
}

type ByRequirement<'a> = BTreeMap<&'a str, Vec<&'a Finding>>;

/// Failures by the rows of a framework; of one that is judged in a scope, those that count there.
fn by_requirement<'a>(facts: &Facts<'a>, framework: &Framework) -> ByRequirement<'a> {
    let input = facts.input;
    let is_scoped = input.evaluation.frameworks.iter().any(|known| known.id == framework.id && known.scope.is_some());
    let scope = select::joined(&input.definitions.scopes, &framework.id).filter(|_| is_scoped);
    let reach = Reach::new(scope.as_ref(), input.snapshot);
    let prefix = format!("{}/", framework.id);
    let mut map: ByRequirement<'a> = BTreeMap::new();
    let failures = input.evaluation.findings.iter().filter(|finding| finding.outcome == Outcome::Fail);
    for finding in failures.filter(|finding| reach.holds(finding)) {
        for requirement in finding.requirements.iter().filter(|id| id.starts_with(&prefix)) {
            map.entry(requirement).or_default().push(finding);
        }
    }
    map
}

fn framework_section(facts: &Facts<'_>, framework: &Framework, findings: &ByRequirement<'_>) -> Section {
    let (bars, keys) = bars(facts);
    let name = words::framework_name(framework);
    let kind = match framework.kind {
        FrameworkKind::Benchmark => "A benchmark: rows that a rule answers in full can be in order by machine alone.",
        FrameworkKind::Guide => "A guide: rows that a rule answers in full can be in order by machine alone.",
        FrameworkKind::Regulation => {
            "A regulation or standard: a cluster alone cannot satisfy it, so every row without exceptions still needs a person."
        }
    };
    let mut blocks = vec![Block::paragraph(Text::from(kind).note(note(facts, framework)))];
    blocks
        .push(Block::Bars { bars: bars.into_iter().filter(|b| b.name == words::bar_name(framework)).collect(), keys });
    let results: BTreeMap<&str, &RequirementResult> = facts.results(framework).map(|r| (r.id.as_str(), r)).collect();
    let mut sections: Vec<(&str, Vec<Vec<Text>>)> = Vec::new();
    for requirement in &framework.requirements {
        let Some(result) = results.get(requirement.id.as_str()) else { continue };
        let title = requirement.section.as_deref().unwrap_or("Requirements");
        let row = row(facts, framework, requirement, result, findings);
        match sections.iter_mut().find(|(t, _)| *t == title) {
            Some((_, rows)) => rows.push(row),
            None => sections.push((title, vec![row])),
        }
    }
    for (title, rows) in sections {
        blocks.push(Block::heading(title));
        blocks.push(Block::Table(Table {
            shape: Shape::Requirements,
            about: format!("{name}, {title}: requirements with status, basis and evidence"),
            columns: vec!["Id", "What it asks, and what was found", "Status", "Basis", "Evidence"],
            rows,
            empty: String::new(),
            more: None,
        }));
    }
    Section { title: name, new_page: true, blocks }
}

fn note(facts: &Facts<'_>, framework: &Framework) -> String {
    let result =
        facts.input.evaluation.frameworks.iter().find(|r| r.id == framework.id && r.version == framework.version);
    let scope = result.and_then(|r| r.scope.as_ref()).map(|s| format!("Evaluated within scope \u{201c}{s}\u{201d}. "));
    let remark = result.and_then(|r| r.note.clone()).unwrap_or_default();
    format!("{}{remark} Ids from: {}", scope.unwrap_or_default(), framework.source).trim().to_owned()
}

fn row(
    facts: &Facts<'_>,
    framework: &Framework,
    requirement: &Requirement,
    result: &RequirementResult,
    findings: &ByRequirement<'_>,
) -> Vec<Text> {
    let (status, look) = words::status(result.status);
    let found = result.reason.as_deref().map(words::sentence_case).unwrap_or_default();
    let mut what = Text::from(requirement.title.clone()).note(found);
    if let Some(note) = &requirement.note {
        what = what.note(note);
    }
    let mut status = Text::new().run(look, status);
    if result.waived > 0 {
        status = status.note(format!("{} waived", words::number(result.waived)));
    }
    let mut id = Text::new().strong(&requirement.id);
    if let Some(control) = &result.company_control {
        id = id.note(control);
    }
    vec![id, what, status, basis(requirement, result), evidence(facts, framework, result, findings)]
}

fn basis(requirement: &Requirement, result: &RequirementResult) -> Text {
    let checks = |n: usize, one: &str, many: &str| words::count(n as u64, one, many);
    let text = match (result.decides.len(), result.supports.len()) {
        (0, 0) => Text::from("person"),
        (0, n) => Text::from(checks(n, "supporting check", "supporting checks")),
        (n, _) => Text::from(checks(n, "check", "checks")),
    };
    let coverage = match result.coverage {
        RowCoverage::Automated => "automated",
        RowCoverage::Partial => "partial",
        RowCoverage::Manual => "manual",
    };
    text.note(coverage).note(requirement.periodicity.clone().unwrap_or_default())
}

/// Failures by reference, attestations by id, else the checks that say so.
fn evidence(
    facts: &Facts<'_>,
    framework: &Framework,
    result: &RequirementResult,
    findings: &ByRequirement<'_>,
) -> Text {
    let key = format!("{}/{}", framework.id, result.id);
    let failed: &[&Finding] = findings.get(key.as_str()).map_or(&[], Vec::as_slice);
    let mut text = Text::new();
    if let Some(attestation) = &result.attestation {
        text = text.code(attestation).line();
    }
    if !failed.is_empty() {
        for finding in failed.iter().take(REFERENCES) {
            text = text.code(facts.reference(finding)).line();
        }
        let left = failed.len().saturating_sub(REFERENCES) as u64;
        if left > 0 {
            text = text.soft(format!("and {} more", words::number(left)));
        }
        return trimmed(text);
    }
    let mut checks = result.decides.iter().chain(&result.supports);
    for check in checks.by_ref().take(REFERENCES) {
        text = text.soft(check).line();
    }
    let left = checks.count() as u64;
    if left > 0 {
        text = text.soft(format!("and {}", words::count(left, "more check", "more checks")));
    }
    if text.0.is_empty() { Text::new().soft("a person") } else { trimmed(text) }
}

fn trimmed(mut text: Text) -> Text {
    while text.0.last().is_some_and(|run| run.look == super::Look::Break) {
        text.0.pop();
    }
    text
}

/// Ids of each framework that a cluster says nothing about.
pub(super) fn outside(facts: &Facts<'_>) -> Section {
    let mut blocks = Vec::new();
    for framework in facts.input.definitions.frameworks.iter().filter(|f| !f.outside.is_empty()) {
        blocks.push(Block::heading(words::framework_name(framework)));
        blocks.push(Block::Table(Table {
            shape: Shape::Notes,
            about: format!("{}: ids that this report does not cover", words::framework_name(framework)),
            columns: vec!["Id", "What it is about"],
            rows: framework.outside.iter().map(|o| vec![Text::new().strong(&o.id), o.about.clone().into()]).collect(),
            empty: String::new(),
            more: None,
        }));
    }
    if !blocks.is_empty() {
        blocks.insert(0, Block::paragraph("A cluster says nothing about these ids; other evidence must cover them."));
    }
    Section { title: "Not in this report".into(), new_page: false, blocks }
}
