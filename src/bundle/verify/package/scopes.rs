//! What declared scopes held, by the declarations that the runs signed. Which namespaces and nodes labels select is not
//! in the package.

use std::collections::BTreeSet;

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files, RunResults,
    declared::{Said, Timeline},
};
use crate::{
    bundle::package::PERIOD,
    config::{Scope, ScopeFile, Selection, parse_yaml},
    framework::select,
    period::{
        carried::Standing,
        model::{ClusterPeriod, Filter, ItemClass, RunNumber, ScopeHolding, ScopeSpan},
    },
};

const SCOPE: &str = "data/rules/scope.yaml";

/// Holds every scope against the file that declared it, on each run; and every framework's scope against those.
pub(super) fn judge(
    files: &Files,
    (cluster, standing): (&ClusterPeriod, &[Standing]),
    filter: &Filter,
    results: &RunResults,
    steps: &mut Steps,
) {
    let read = |bytes: &[u8]| Some(parse_yaml::<ScopeFile>(SCOPE, bytes).ok()?.value);
    let declared = Timeline::of(files, (cluster, standing), SCOPE, read);
    let mut wrong = |scope: &str, run: RunNumber, detail: &str| {
        let detail = format!("{}: scope {scope} on run {run}: {detail}", cluster.folder);
        steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
    };
    for span in &cluster.scopes {
        let differs = |run: &RunNumber| match declared.on(*run) {
            Said::Unknown => false,
            Said::Nothing => true,
            Said::This(file) => of_id(file, &span.scope).is_none_or(|scope| {
                !may_hold(&scope, span, filter) || !filter.hides_names() && misses(&scope, span, cluster, *run)
            }),
        };
        let mut runs = span.first..=span.last;
        if cluster.run(span.last).is_none() {
            wrong(&span.scope, span.last, "there is no such run");
        } else if let Some(run) = runs.find(differs) {
            wrong(&span.scope, run, "it does not hold what its declaration says");
        }
    }
    for (run, framework) in cluster.runs.iter().flat_map(|run| run.frameworks.iter().map(move |of| (run.number, of))) {
        let said = results.of(&cluster.folder, run, &framework.id).and_then(|results| results.versions.last());
        let Some(scope) = said.and_then(|version| version.scope.as_deref()) else { continue };
        if matches!(declared.on(run), Said::This(_)) && cluster.scope_on(scope, run).is_none() {
            wrong(scope, run, "a framework was judged in it, and the package does not say what it held");
        }
    }
}

/// A scope by its id: one declaration, or those of a regulation together.
fn of_id(file: &ScopeFile, id: &str) -> Option<Scope> {
    let own = file.scopes.iter().find(|scope| scope.id == id).map(|scope| scope.value.clone());
    let regulations = || file.scopes.iter().flat_map(|scope| &scope.regulations);
    let joined = || regulations().filter_map(|id| select::declared(Some(file), id)).find(|scope| scope.id == id);
    own.or_else(joined)
}

/// Whether a scope lacks what its declaration names, and a run saw; or holds what that run did not see.
fn misses(scope: &Scope, span: &ScopeSpan, cluster: &ClusterPeriod, run: RunNumber) -> bool {
    let seen = |class: ItemClass| {
        let of_class = cluster.population.iter().filter(move |item| item.class == class);
        let on_run = of_class
            .filter(move |item| (item.first..=item.last).contains(&run) && !item.absent_in.contains(&run))
            .map(|item| item.name.as_str());
        on_run.collect::<BTreeSet<&str>>()
    };
    let (namespaces, nodes) = (seen(ItemClass::Namespace), seen(ItemClass::Node));
    let holds = &span.holds;
    let held: BTreeSet<&str> = holds.namespaces.iter().chain(&holds.connected).map(String::as_str).collect();
    let held_nodes: BTreeSet<&str> = holds.nodes.iter().map(String::as_str).collect();
    let is_out = |kind: &str, name: &str| scope.excluded.iter().any(|out| out.what == format!("{kind}/{name}"));
    let named = scope.namespaces.iter().flat_map(|selection| selection.names.iter().chain(&scope.connected_to));
    let mut lacking = named.filter(|name| namespaces.contains(name.as_str()) && !is_out("namespaces", name));
    let mut lacking_nodes = scope.nodes.iter().flat_map(|selection| &selection.names);
    !held.is_subset(&namespaces)
        || !held_nodes.is_subset(&nodes)
        || lacking.any(|name| !held.contains(name.as_str()))
        || lacking_nodes
            .any(|name| nodes.contains(name.as_str()) && !is_out("nodes", name) && !held_nodes.contains(name.as_str()))
}

/// Whether a scope so declared can have held this. Names that are replaced cannot be told.
fn may_hold(scope: &Scope, span: &ScopeSpan, filter: &Filter) -> bool {
    let ScopeHolding { namespaces, connected, nodes, declared_by, declared_on, excluded, .. } = &span.holds;
    let declared = (declared_by, declared_on, excluded) == (&scope.declared_by, &scope.declared_on, &scope.excluded);
    let is_out = |kind: &str, name: &str| scope.excluded.iter().any(|out| out.what == format!("{kind}/{name}"));
    let selected = |selection: &Option<Selection>, kind: &str, name: &String| match selection {
        None => true,
        Some(selection) => !is_out(kind, name) && (!selection.labels.is_empty() || selection.names.contains(name)),
    };
    let joined = |name: &String| scope.connected_to.contains(name) && !is_out("namespaces", name);
    let names = namespaces.iter().all(|name| selected(&scope.namespaces, "namespaces", name))
        && connected.iter().all(joined)
        && nodes.iter().all(|name| selected(&scope.nodes, "nodes", name));
    declared && (names || filter.hides_names())
}
