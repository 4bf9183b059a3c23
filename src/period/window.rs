//! What of a run is inside of a declared scope: what an auditor may see, and what counts for a regulation.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{
    facts::{Files, OBJECTS, SubjectKey, subject_of},
    model::{Exception, ScopeHolding},
    names::{Names, is_apart},
};
use crate::{
    collect::Coverage,
    config::{Exclusion, Scope, ScopeFile, parse_yaml},
    digest::Digest,
    evaluate::{
        FrameworkResult,
        scope::{Reach, binds_within, is_of_component, is_of_subject},
    },
    framework::select::declared,
    rbac::Grant,
    resource::Gvk,
    snapshot::{self, Object, SYSTEM, Snapshot, Table, TableError},
};

/// Everything, or what a scope reaches on a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Window(Option<Seen>);

#[derive(Debug, Clone, Default)]
struct Seen {
    /// Who declared it, and what was left out; `None` where nobody had.
    declared: Option<Declared>,
    /// Id of the scope.
    id: String,
    namespaces: BTreeSet<String>,
    nodes: BTreeSet<String>,
    subjects: BTreeSet<SubjectKey>,
    /// Mirror pods of the control plane, which serves every scope.
    components: BTreeSet<String>,
    /// Namespaces outside that failures of the scope's own checks name: they reach into it.
    border: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Declared {
    by: String,
    on: NaiveDate,
    /// Namespaces that are in it for their connection alone.
    connected: BTreeSet<String>,
    excluded: Vec<Exclusion>,
}

impl Seen {
    fn has_rights(&self, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        self.subjects.contains(&(kind.to_owned(), namespace.map(str::to_owned), name.to_owned()))
    }
}

impl Window {
    /// What the scope of that id reaches on this run; everything without one.
    ///
    /// # Errors
    /// The declaration or the snapshot cannot be read.
    pub(super) fn of(
        scope: Option<&str>,
        files: &Files,
        coverage: &Coverage,
        grants: &[Grant],
    ) -> Result<Self, String> {
        let Some(id) = scope else { return Ok(Self::default()) };
        let file = scope_file(files)?;
        let mut scopes = file.iter().flat_map(|file| &file.scopes);
        match scopes.find(|scope| scope.id == id) {
            Some(scope) => Ok(Self(Some(seen(scope, &named_objects(files, coverage, grants)?)))),
            // Nothing of this run is in a scope that nobody had declared then.
            None => Ok(Self(Some(Seen { id: id.to_owned(), ..Seen::default() }))),
        }
    }

    /// What counts for each framework that was evaluated in a scope.
    ///
    /// # Errors
    /// As [`Window::of`].
    pub(super) fn of_frameworks(
        frameworks: &[FrameworkResult],
        files: &Files,
        coverage: &Coverage,
        grants: &[Grant],
    ) -> Result<BTreeMap<String, Self>, String> {
        let scoped: Vec<&FrameworkResult> = frameworks.iter().filter(|f| f.selected && f.scope.is_some()).collect();
        if scoped.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (file, snapshot) = (scope_file(files)?, named_objects(files, coverage, grants)?);
        let window = |framework: &FrameworkResult| {
            let scope = declared(file.as_ref(), &framework.id)?;
            Some((framework.id.clone(), Self(Some(seen(&scope, &snapshot)))))
        };
        Ok(scoped.into_iter().filter_map(window).collect())
    }

    /// Whether an object or what a finding is about may be shown. What is about the cluster as a whole may.
    pub(super) fn shows(&self, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        let Some(seen) = &self.0 else { return true };
        let subject = || seen.has_rights(kind, namespace, name);
        match (kind, namespace) {
            ("Namespace", _) => seen.namespaces.contains(name),
            ("Node", _) => seen.nodes.contains(name),
            ("Scope", _) => seen.id.split('+').any(|id| id == name),
            ("User" | "Group", _) => subject(),
            ("Pod", Some(SYSTEM)) if seen.components.contains(name) => true,
            (kind, Some(namespace)) => seen.namespaces.contains(namespace) || kind == "ServiceAccount" && subject(),
            (_, None) => true,
        }
    }

    /// Whether a failure may be shown: as [`Window::shows`], but of a subject only where a right that fails applies.
    pub(super) fn shows_failure<'e>(
        &self,
        (kind, namespace, name): (&str, Option<&str>, &str),
        place: &str,
        cited: impl Iterator<Item = &'e str>,
    ) -> bool {
        match &self.0 {
            Some(seen) if is_of_subject(kind, place) => {
                seen.has_rights(kind, namespace, name) && binds_within(cited, |name| seen.namespaces.contains(name))
            }
            _ => self.shows(kind, namespace, name),
        }
    }

    /// Whether a failure counts, by the rule of [`Reach::holds`]: a subject where one of the rights that fail applies,
    /// not where it lives; a pod of the control plane as a component everywhere, as a pod where it lives.
    pub(super) fn counts<'e>(
        &self,
        (kind, namespace, name): (&str, Option<&str>, &str),
        place: &str,
        cited: impl Iterator<Item = &'e str>,
    ) -> bool {
        if kind == "Pod" && namespace == Some(SYSTEM) && !is_of_component(namespace, place) {
            return self.0.as_ref().is_none_or(|seen| seen.namespaces.contains(SYSTEM));
        }
        self.shows_failure((kind, namespace, name), place, cited)
    }

    /// Whether a permission in a namespace, or everywhere, may be shown.
    pub(super) fn shows_place(&self, namespace: Option<&str>) -> bool {
        self.0.as_ref().is_none_or(|seen| namespace.is_none_or(|namespace| seen.namespaces.contains(namespace)))
    }

    /// The same as [`Window::shows`] for `Deployment/shop/cart` or `Node/worker-1`.
    pub(super) fn shows_reference(&self, reference: &str) -> bool {
        let parts: Vec<&str> = reference.splitn(3, '/').collect();
        match parts.as_slice() {
            [kind, namespace, name] => self.shows(kind, Some(namespace), name),
            [kind, name] => self.shows(kind, None, name),
            _ => true,
        }
    }

    /// Namespaces whose names may be shown beside those of the scope: where service accounts that may be shown live,
    /// those that its declaration leaves out by name, and those that reach into it.
    pub(super) fn named(&self) -> BTreeSet<&str> {
        let homes = self.0.iter().flat_map(|seen| &seen.subjects).filter_map(|(_, namespace, _)| namespace.as_deref());
        let excluded = self.0.iter().filter_map(|seen| seen.declared.as_ref()).flat_map(|declared| &declared.excluded);
        let excluded = excluded.filter_map(|out| out.what.strip_prefix("namespaces/"));
        let border = self.0.iter().flat_map(|seen| &seen.border).map(String::as_str);
        homes.chain(excluded).chain(border).collect()
    }

    /// Learns which namespaces reach into the scope, as its own exceptions say: whoever judges it judges them.
    pub(super) fn meet(&mut self, exceptions: &[Exception], names: &Names) {
        let Some(seen) = &mut self.0 else { return };
        let own = exceptions.iter().filter(|x| x.resource.kind == "Scope").map(|x| x.message.as_str());
        let own: Vec<&str> = own.collect();
        let is_named = |name: &&String| {
            let places =
                |text: &str| text.match_indices(name.as_str()).any(|(at, _)| is_apart(text, at..at + name.len()));
            own.iter().any(|text| places(text))
        };
        seen.border = names.namespaces.iter().filter(is_named).cloned().collect();
    }

    /// The scope that it is limited to; `None` for everything.
    pub(super) fn scope(&self) -> Option<&str> {
        self.0.as_ref().map(|seen| seen.id.as_str())
    }

    /// Whether anything is left out.
    pub(super) fn is_narrow(&self) -> bool {
        self.0.is_some()
    }

    /// Whether everything that was said within a scope may be shown; `None` for what was said of the whole cluster.
    pub(super) fn shows_all_of(&self, scope: Option<&str>) -> bool {
        self.0.as_ref().is_none_or(|seen| scope == Some(seen.id.as_str()))
    }

    /// Whether the scope was declared, on any of the runs that were merged; without a scope there is nothing to declare.
    pub(super) fn is_declared(&self) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.declared.is_some())
    }

    /// The declared scope and what it holds; `None` for everything, and for a scope that nobody had declared.
    pub(super) fn held(&self) -> Option<(&str, ScopeHolding)> {
        let seen = self.0.as_ref()?;
        let declared = seen.declared.clone()?;
        let names = |names: &BTreeSet<String>| names.iter().cloned().collect();
        let holding = ScopeHolding {
            namespaces: seen.namespaces.difference(&declared.connected).cloned().collect(),
            connected: names(&declared.connected),
            nodes: names(&seen.nodes),
            components: names(&seen.components),
            declared_by: declared.by,
            declared_on: declared.on,
            excluded: declared.excluded,
        };
        Some((&seen.id, holding))
    }

    /// Adds what another run's window shows.
    pub(super) fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, None) => {}
            (None, Some(seen)) => self.0 = Some(seen.clone()),
            (Some(all), Some(seen)) => {
                all.declared = all.declared.take().or_else(|| seen.declared.clone());
                all.namespaces.extend(seen.namespaces.iter().cloned());
                all.nodes.extend(seen.nodes.iter().cloned());
                all.subjects.extend(seen.subjects.iter().cloned());
                all.components.extend(seen.components.iter().cloned());
            }
        }
    }
}

fn scope_file(files: &Files) -> Result<Option<ScopeFile>, String> {
    const SCOPE: &str = "data/rules/scope.yaml";
    let parsed = files.get(SCOPE).map(|bytes| parse_yaml::<ScopeFile>(SCOPE, bytes)).transpose();
    parsed.map(|file| file.map(|located| located.value)).map_err(|error| error.to_string())
}

fn seen(scope: &Scope, snapshot: &Snapshot) -> Seen {
    let reach = Reach::new(Some(scope), snapshot);
    let names = |kind: &'static str| {
        let of_kind = snapshot.objects.iter().filter(move |object| object.gvk.kind == kind);
        of_kind.filter(|object| reach.holds_place(kind, None, &object.name, "")).map(|object| object.name.clone())
    };
    let subjects = snapshot.grants.iter().map(subject_of);
    let unconnected = Scope { connected_to: Vec::new(), ..scope.clone() };
    let inside = Reach::new(Some(&unconnected), snapshot);
    let connected = names("Namespace").filter(|name| !inside.holds_namespace(name)).collect();
    Seen {
        declared: Some(Declared {
            by: scope.declared_by.clone(),
            on: scope.declared_on,
            connected,
            excluded: scope.excluded.clone(),
        }),
        id: scope.id.clone(),
        namespaces: names("Namespace").collect(),
        nodes: names("Node").collect(),
        subjects: subjects.filter(|(kind, ns, name)| reach.holds_subject(kind, ns.as_deref(), name)).collect(),
        components: reach.components().iter().map(|name| (*name).to_owned()).collect(),
        border: BTreeSet::new(),
    }
}

/// Namespaces and nodes with their labels, the pods of the control plane, and who holds rights: what scopes select by.
fn named_objects(files: &Files, coverage: &Coverage, grants: &[Grant]) -> Result<Snapshot, String> {
    let bytes = files.get(OBJECTS).map(Vec::as_slice).unwrap_or_default();
    let objects = snapshot::read_columns(OBJECTS, bytes, &["group", "kind", "namespace", "name", "json"]);
    let objects = objects.and_then(|table| chosen(&table)).map_err(|error| error.to_string())?;
    Ok(Snapshot {
        cluster: coverage.cluster.clone(),
        redaction_key: None,
        objects,
        grants: grants.to_vec(),
        images: Vec::new(),
        nodes: Vec::new(),
        components: Vec::new(),
    })
}

fn chosen(table: &Table<'_>) -> Result<Vec<Object>, TableError> {
    let (groups, kinds) = (table.texts("group")?, table.texts("kind")?);
    let namespaces = table.optional("namespace")?;
    let (names, jsons) = (table.texts("name")?, table.texts("json")?);
    let is_chosen = |row: &usize| match (kinds[*row], namespaces[*row]) {
        ("Namespace" | "Node", _) | ("Pod", Some(SYSTEM)) => groups[*row].is_empty(),
        _ => false,
    };
    let object = |row: usize| Object {
        gvk: Gvk { group: String::new(), version: "v1".into(), kind: kinds[row].into() },
        resource: String::new(),
        namespace: namespaces[row].map(str::to_owned),
        name: names[row].into(),
        uid: None,
        json: jsons[row].into(),
        digest: Digest::of(jsons[row]),
        managers: Vec::new(),
        origin: None,
    };
    Ok((0..table.rows()).filter(is_chosen).map(object).collect())
}
