//! What this report is about, and whose task which part is.

use std::collections::BTreeSet;

use super::{
    Block, Facts, Section,
    text::{Shape, Table, Text},
    words,
};
use crate::{
    collect::cluster::platform,
    config::{Scope, Selection},
    evaluate::{RequirementResult, Status, sight::PROVIDER},
};

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let mut blocks = vec![Block::paragraph(
        "What was looked at, on whose word a regulation applies to it, and who answers for which part.",
    )];
    blocks.push(Block::heading("Declared scopes"));
    blocks.push(Block::Table(Table {
        shape: Shape::Notes,
        about: "Declared scopes".into(),
        columns: vec!["Scope", "What it holds, and on whose word"],
        rows: facts.input.definitions.scopes.iter().map(|s| scope_row(facts, s)).collect(),
        empty: "No scope is declared. Benchmarks and guides look at the whole cluster; a regulation is evaluated only \
                once scope.yaml says which namespaces and nodes it is about."
            .into(),
        more: None,
    }));
    blocks.push(Block::heading("Frameworks"));
    blocks.push(Block::Table(frameworks(facts)));
    blocks.push(Block::heading("Who answers for what"));
    blocks.push(Block::Table(responsibility(facts)));
    Section { title: "Scope and responsibility".into(), new_page: true, blocks }
}

fn scope_row(facts: &Facts<'_>, scope: &Scope) -> Vec<Text> {
    let mut text = match &scope.namespaces {
        None => Text::from("the whole cluster"),
        Some(selection) => {
            let names = selection.names.iter().filter_map(|n| facts.workloads.by_namespace.get(n));
            let workloads: u64 = names.sum();
            selected(Text::from("namespaces "), selection)
                .plain(format!(", {}", words::count(workloads, "workload", "workloads")))
        }
    };
    if let Some(nodes) = &scope.nodes {
        text = selected(text.plain("; nodes "), nodes);
    }
    if !scope.connected_to.is_empty() {
        text = text.plain("; connected: ").code(words::some_of(&scope.connected_to, 8));
    }
    for exclusion in &scope.excluded {
        text = text.line().plain("without ").code(&exclusion.what).plain(format!(": {}", exclusion.reason));
    }
    let said = format!("Declared by {}, {}.", scope.declared_by, words::long_date(scope.declared_on));
    let regulations: Vec<&str> = scope.regulations.iter().map(|r| words::short_framework(r)).collect();
    vec![Text::new().strong(&scope.id).note(format!("for {}", regulations.join(", "))), text.note(said)]
}

fn selected(mut text: Text, selection: &Selection) -> Text {
    if !selection.names.is_empty() {
        text = text.code(words::some_of(&selection.names, 12));
    }
    if !selection.labels.is_empty() {
        let labels: Vec<String> = selection.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let lead = if selection.names.is_empty() { "labelled " } else { " or labelled " };
        text = text.plain(lead).code(labels.join(", "));
    }
    text
}

fn frameworks(facts: &Facts<'_>) -> Table {
    let rows = facts.input.evaluation.frameworks.iter().map(|f| {
        let what = match (f.selected, &f.scope) {
            (true, Some(scope)) => Text::from("evaluated within scope ").code(scope),
            (true, None) => Text::from("evaluated over the whole cluster"),
            (false, _) => Text::from("not evaluated"),
        };
        let name = if f.title.contains(&f.version) { f.title.clone() } else { format!("{} {}", f.title, f.version) };
        vec![Text::new().strong(name), what.note(f.note.clone().unwrap_or_default())]
    });
    Table {
        shape: Shape::Notes,
        about: "Frameworks evaluated and left out".into(),
        columns: vec!["Framework", "In this run"],
        rows: rows.collect(),
        empty: "No framework was selected: this report lists findings of checks alone.".into(),
        more: None,
    }
}

/// How many rows rest on a document of the provider, on which, and how many stay open without one.
fn providers_rows(facts: &Facts<'_>) -> String {
    let evaluation = facts.input.evaluation;
    let asked: BTreeSet<&str> = evaluation
        .findings
        .iter()
        .filter(|finding| finding.resource.kind == PROVIDER)
        .flat_map(|finding| finding.requirements.iter().map(String::as_str))
        .collect();
    let open = |row: &&RequirementResult| {
        row.status == Status::NotEvaluated && asked.contains(format!("{}/{}", row.framework, row.id).as_str())
    };
    let rows = &evaluation.requirements;
    let inherited = rows.iter().filter(|row| row.status == Status::Inherited).count() as u64;
    let open = rows.iter().filter(open).count() as u64;
    let documents: Vec<&str> = evaluation
        .declarations
        .iter()
        .filter(|declared| declared.kind == "provider" && matches!(declared.state.as_str(), "in force" | "ends soon"))
        .map(|declared| declared.id.as_str())
        .collect();
    let rest = match open {
        0 => String::new(),
        n => format!(
            " {} open: no document of the provider covers all of it.",
            words::count(n, "row stays", "rows stay")
        ),
    };
    match documents.as_slice() {
        [] => format!(
            "Rows about it are inherited only where a provider document is declared, and none is in force.{rest}"
        ),
        ids => {
            let rows = words::count(inherited, "row rests", "rows rest");
            format!("{rows} on the provider's documents ({}).{rest}", words::some_of(ids, 4))
        }
    }
}

fn responsibility(facts: &Facts<'_>) -> Table {
    let managed = facts.input.coverage.cluster.platform.as_deref().filter(|p| platform::is_managed(p));
    let row = |what: &str, who: &str, basis: &str| vec![Text::new().strong(what), Text::from(who).note(basis)];
    let rows = match managed {
        Some(platform) => vec![
            row("Control plane", &format!("the provider's ({platform})"), &providers_rows(facts)),
            row(
                "Nodes",
                "shared",
                "The provider delivers the image; when to replace a node and what runs on it is yours.",
            ),
            row(
                "Workloads, access, network policy",
                "yours",
                "Read from the cluster; findings name the team where it is known.",
            ),
            row("People, processes, buildings", "yours", "A cluster shows nothing of them: these rows need a person."),
        ],
        None => vec![
            row(
                "Control plane and nodes",
                "yours",
                "No managed platform was recognised; flags are read from static pods and kubelets, files on nodes from node reports.",
            ),
            row(
                "Workloads, access, network policy",
                "yours",
                "Read from the cluster; findings name the team where it is known.",
            ),
            row("People, processes, buildings", "yours", "A cluster shows nothing of them: these rows need a person."),
        ],
    };
    Table {
        shape: Shape::Notes,
        about: "Responsibility by area".into(),
        columns: vec!["Area", "Whose task, and on what basis"],
        rows,
        empty: String::new(),
        more: None,
    }
}
