//! What declared scopes held, by the declarations that the runs signed. Which namespaces and nodes labels select is not
//! in the package.

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
        model::{ClusterPeriod, Filter, RunNumber, ScopeHolding, ScopeSpan},
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
            Said::This(file) => of_id(file, &span.scope).is_none_or(|scope| !may_hold(&scope, span, filter)),
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
