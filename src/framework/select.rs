//! Which frameworks a run is about.

use std::collections::BTreeMap;

use super::{Framework, FrameworkKind, check::Minor};
use crate::{
    collect::ClusterIdentity,
    config::{LoadError, Scope, ScopeFile, Selection},
    evaluate::FrameworkResult,
};

/// A framework that a run is about.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The framework.
    pub framework: Framework,
    /// The declared scope, for regulations.
    pub scope: Option<Scope>,
    /// A remark, such as "outside its stated versions".
    pub note: Option<String>,
}

impl Selected {
    /// As it is reported.
    pub fn result(&self) -> FrameworkResult {
        result(&self.framework, true, self.note.clone(), self.scope.as_ref().map(|scope| scope.id.clone()))
    }
}

/// The frameworks of `requested` (`pci-dss`, `pci-dss@4.0.1`), or those that fit the cluster; and those left out, with
/// the reason. Of several versions, the newest whose stated Kubernetes versions fit, else the newest.
///
/// # Errors
/// An id that no framework has, with the nearest.
pub fn select(
    all: &[Framework],
    requested: &[String],
    cluster: &ClusterIdentity,
    scope: Option<&ScopeFile>,
) -> Result<(Vec<Selected>, Vec<FrameworkResult>), LoadError> {
    let minor = cluster.kubernetes.as_deref().and_then(|version| version.parse().ok());
    let by_id = by_id(all);
    let mut chosen = Vec::new();
    if requested.is_empty() {
        let fits = |f: &&Framework| {
            f.platforms.is_empty() || cluster.platform.as_ref().is_some_and(|p| f.platforms.contains(p))
        };
        let fitting = by_id.values().map(|versions| versions.iter().copied().filter(fits).collect::<Vec<_>>());
        chosen.extend(fitting.filter_map(|versions| best(&versions, minor)));
    }
    for wish in requested {
        chosen.push(best(&versions(&by_id, wish), minor).ok_or_else(|| unknown(wish, &by_id))?);
    }
    // Rules before laws, each by id; a wish said twice is one wish.
    chosen.sort_by(|(a, _), (b, _)| (rank(a.kind), &a.id, &a.version).cmp(&(rank(b.kind), &b.id, &b.version)));
    chosen.dedup_by(|(a, _), (b, _)| a.id == b.id && a.version == b.version);

    let (mut selected, mut left_out) = (Vec::new(), Vec::new());
    for (framework, note) in chosen {
        let scope = (framework.kind == FrameworkKind::Regulation).then(|| declared(scope, &framework.id));
        match scope {
            Some(None) => {
                let id = &framework.id;
                let note =
                    format!("no scope is declared for it: name its namespaces in scope.yaml, regulations: [{id}]");
                left_out.push(result(framework, false, Some(note), None));
            }
            scope => selected.push(Selected { framework: framework.clone(), scope: scope.flatten(), note }),
        }
    }
    Ok((selected, left_out))
}

/// The framework of an id (`pci-dss`, `pci-dss@4.0.1`); of several versions, the newest.
///
/// # Errors
/// No framework has it; the nearest is named.
pub fn find<'a>(all: &'a [Framework], wish: &str) -> Result<&'a Framework, LoadError> {
    let by_id = by_id(all);
    let found = versions(&by_id, wish).into_iter().max_by_key(|framework| components(&framework.version));
    found.ok_or_else(|| unknown(wish, &by_id))
}

fn by_id(all: &[Framework]) -> BTreeMap<&str, Vec<&Framework>> {
    let mut by_id: BTreeMap<&str, Vec<&Framework>> = BTreeMap::new();
    for framework in all {
        by_id.entry(&framework.id).or_default().push(framework);
    }
    by_id
}

fn versions<'a>(by_id: &BTreeMap<&str, Vec<&'a Framework>>, wish: &str) -> Vec<&'a Framework> {
    let (id, version) = wish.split_once('@').map_or((wish, None), |(id, version)| (id, Some(version)));
    let versions = by_id.get(id).into_iter().flatten().copied();
    versions.filter(|framework| version.is_none_or(|version| framework.version == version)).collect()
}

fn rank(kind: FrameworkKind) -> u8 {
    match kind {
        FrameworkKind::Benchmark => 0,
        FrameworkKind::Guide => 1,
        FrameworkKind::Regulation => 2,
    }
}

fn result(framework: &Framework, selected: bool, note: Option<String>, scope: Option<String>) -> FrameworkResult {
    FrameworkResult {
        id: framework.id.clone(),
        version: framework.version.clone(),
        title: framework.title.clone(),
        selected,
        note,
        scope,
    }
}

fn unknown(wish: &str, by_id: &BTreeMap<&str, Vec<&Framework>>) -> LoadError {
    let (id, version) = wish.split_once('@').unwrap_or((wish, ""));
    let error = LoadError::file("frameworks", format!("there is no framework '{wish}'"));
    match by_id.get(id) {
        Some(versions) if !version.is_empty() => {
            let known: Vec<String> = versions.iter().map(|framework| format!("{id}@{}", framework.version)).collect();
            error.hint(format!("known: {}", known.join(", ")))
        }
        _ => {
            let nearest = error.nearest(id, by_id.keys().copied());
            if nearest.hint.is_some() { nearest } else { nearest.hint("kubeproof frameworks list") }
        }
    }
}

fn best<'a>(versions: &[&'a Framework], minor: Option<Minor>) -> Option<(&'a Framework, Option<String>)> {
    let newest = |versions: Vec<&'a Framework>| versions.into_iter().max_by_key(|f| components(&f.version));
    let fitting = versions.iter().copied().filter(|f| minor.is_none_or(|minor| in_range(f, minor))).collect();
    newest(fitting).map(|framework| (framework, None)).or_else(|| {
        let framework = newest(versions.to_vec())?;
        let range = framework.kubernetes.as_deref().unwrap_or("none");
        Some((framework, Some(format!("outside its stated versions ({range})"))))
    })
}

/// `2.0.1` as numbers, so that 10 comes after 9.
fn components(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn in_range(framework: &Framework, minor: Minor) -> bool {
    let Some(range) = &framework.kubernetes else { return true };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let bound = |text: &str| text.trim().parse::<Minor>().ok();
    bound(first).is_none_or(|first| first <= minor) && bound(last).is_none_or(|last| minor <= last)
}

/// The scope of a regulation; several declarations are one scope.
pub fn declared(file: Option<&ScopeFile>, regulation: &str) -> Option<Scope> {
    joined(file.into_iter().flat_map(|file| &file.scopes).map(|scope| &scope.value), regulation)
}

/// The same of scopes that were taken out of their file.
pub fn joined<'a>(scopes: impl IntoIterator<Item = &'a Scope>, regulation: &str) -> Option<Scope> {
    scopes.into_iter().filter(|scope| scope.regulations.iter().any(|id| id == regulation)).cloned().reduce(
        |mut all, more| {
            all.id = format!("{}+{}", all.id, more.id);
            all.namespaces = all.namespaces.zip(more.namespaces).map(|(a, b)| union(a, b));
            all.nodes = all.nodes.zip(more.nodes).map(|(a, b)| union(a, b));
            all.connected_to.extend(more.connected_to);
            all.excluded.extend(more.excluded);
            all
        },
    )
}

/// Labels must all match, so that two label selections cannot be joined: the first stands, which `Rules::load` refuses
/// to let happen.
fn union(mut a: Selection, b: Selection) -> Selection {
    a.names.extend(b.names);
    if a.labels.is_empty() {
        a.labels = b.labels;
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::At, evaluate::samples};

    fn at(value: Scope) -> At<Scope> {
        At { line: 0, value }
    }

    fn framework(id: &str, version: &str, kind: &str, kubernetes: Option<&str>, platforms: &str) -> Framework {
        let kubernetes = kubernetes.map_or_else(String::new, |range| format!("kubernetes: '{range}'\n"));
        let text = format!(
            "apiVersion: kubeproof.dev/v1\nid: {id}\nversion: '{version}'\ntitle: {id}\nkind: {kind}\n{kubernetes}\
             platforms: [{platforms}]\nsource: s\nrequirements: []\n"
        );
        crate::config::parse_yaml("f.yaml", text.as_bytes()).unwrap().value
    }

    fn all() -> Vec<Framework> {
        vec![
            framework("cis-kubernetes", "1.9.0", "benchmark", Some("1.29-1.31"), ""),
            framework("cis-kubernetes", "1.10.0", "benchmark", Some("1.32-1.33"), ""),
            framework("cis-kubernetes", "2.0.1", "benchmark", Some("1.34-1.35"), ""),
            framework("cis-eks", "1.8.0", "benchmark", None, "eks"),
            framework("pss-baseline", "1.37", "guide", None, ""),
            framework("pci-dss", "4.0.1", "regulation", None, ""),
        ]
    }

    fn cluster(kubernetes: &str, platform: Option<&str>) -> ClusterIdentity {
        ClusterIdentity {
            kubernetes: Some(kubernetes.into()),
            platform: platform.map(Into::into),
            ..ClusterIdentity::default()
        }
    }

    fn names(requested: &[&str], cluster: &ClusterIdentity, scope: Option<&ScopeFile>) -> Vec<String> {
        let requested: Vec<String> = requested.iter().map(|id| (*id).into()).collect();
        let (selected, left_out) = select(&all(), &requested, cluster, scope).unwrap();
        let note = |note: &Option<String>| note.as_deref().map_or_else(String::new, |note| format!(" ({note})"));
        let selected = selected.iter().map(|s| format!("{} {}{}", s.framework.id, s.framework.version, note(&s.note)));
        selected.chain(left_out.iter().map(|left| format!("-{}", left.id))).collect()
    }

    #[test]
    fn the_newest_version_that_fits_is_taken() {
        let on = |version: &str| names(&["cis-kubernetes"], &cluster(version, None), None);
        assert_eq!(on("v1.35.1"), ["cis-kubernetes 2.0.1"]);
        assert_eq!(on("v1.32.4-gke.1"), ["cis-kubernetes 1.10.0"]);
        assert_eq!(on("v1.37.2"), ["cis-kubernetes 2.0.1 (outside its stated versions (1.34-1.35))"]);
        assert_eq!(names(&["cis-kubernetes"], &ClusterIdentity::default(), None), ["cis-kubernetes 2.0.1"]);
        assert_eq!(names(&["cis-kubernetes@1.9.0"], &cluster("v1.30.0", None), None), ["cis-kubernetes 1.9.0"]);
    }

    #[test]
    fn by_default_what_fits_the_platform_and_laws_only_with_a_scope() {
        let plain = cluster("v1.34.0", Some("kubeadm"));
        assert_eq!(names(&[], &plain, None), ["cis-kubernetes 2.0.1", "pss-baseline 1.37", "-pci-dss"]);
        let eks = cluster("v1.34.0", Some("eks"));
        assert_eq!(names(&[], &eks, None), ["cis-eks 1.8.0", "cis-kubernetes 2.0.1", "pss-baseline 1.37", "-pci-dss"]);
        let scope = ScopeFile { api_version: None, scopes: vec![at(samples::scope("pci-dss", &["payments"]))] };
        assert_eq!(names(&["pci-dss", "pci-dss"], &plain, Some(&scope)), ["pci-dss 4.0.1"]);
        let (_, left_out) = select(&all(), &["pci-dss".into()], &plain, None).unwrap();
        assert!(left_out[0].note.as_ref().unwrap().contains("scope.yaml"), "{left_out:?}");
    }

    #[test]
    fn several_declarations_are_one_scope() {
        let scopes = ["payments", "vault"].map(|name| at(samples::scope("pci-dss", &[name]))).into();
        let scope = ScopeFile { api_version: None, scopes };
        let (selected, _) = select(&all(), &["pci-dss".into()], &cluster("v1.34.0", None), Some(&scope)).unwrap();
        let scope = selected[0].scope.as_ref().unwrap();
        assert_eq!(scope.namespaces.as_ref().unwrap().names, ["payments", "vault"]);
        assert_eq!(scope.id, "s+s");
    }

    #[test]
    fn an_unknown_id_names_the_nearest() {
        let error = |wish: &str| select(&all(), &[wish.into()], &ClusterIdentity::default(), None).unwrap_err();
        assert_eq!(error("pci-ds").hint.as_deref(), Some("did you mean 'pci-dss'?"));
        assert_eq!(error("zzz").hint.as_deref(), Some("kubeproof frameworks list"));
        assert_eq!(error("pci-dss@3.2.1").hint.as_deref(), Some("known: pci-dss@4.0.1"));
    }
}
