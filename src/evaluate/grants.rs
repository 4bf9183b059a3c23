//! Which of a subject's grants make a check fail, and what shows them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Evidence,
    documents::{Origins, digests},
    value::Node,
};
use crate::{
    rbac,
    snapshot::{Origin, Snapshot},
};

/// API group of bindings and roles.
pub const RBAC: &str = "rbac.authorization.k8s.io";

/// Member of a grant, as checks see it, that names binding and role.
const VIA: &str = "via";

/// The bindings and roles behind each grant, by its `via`.
#[derive(Debug)]
pub struct Behind<'a> {
    by_via: BTreeMap<String, BTreeSet<Evidence>>,
    origins: Origins<'a>,
}

impl<'a> Behind<'a> {
    /// What is behind the grants of a snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let digests = digests(snapshot, |object| object.gvk.group == RBAC);
        let mut by_via: BTreeMap<String, BTreeSet<Evidence>> = BTreeMap::new();
        for grant in &snapshot.grants {
            let via = rbac::via(grant);
            if by_via.contains_key(&via) {
                continue;
            }
            let namespace = grant.namespace.as_deref();
            let of_role = namespace.filter(|_| grant.role_kind == "Role");
            let mut rests_on = vec![
                (grant.binding_kind.as_str(), namespace, grant.binding.as_str()),
                (grant.role_kind.as_str(), of_role, grant.role.as_str()),
            ];
            rests_on.extend(grant.aggregated_from.as_deref().map(|role| ("ClusterRole", None, role)));
            let known = rests_on.into_iter().filter_map(|key| {
                let (kind, namespace, name) = key;
                let path = namespace.map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}"));
                Some(Evidence { resource: format!("{kind}/{path}").into(), digest: *digests.get(&key)? })
            });
            by_via.insert(via, known.collect());
        }
        Self { by_via, origins: Origins::new(&snapshot.objects) }
    }

    /// What is behind one grant.
    pub fn of(&self, via: &str) -> impl Iterator<Item = &Evidence> {
        self.by_via.get(via).into_iter().flatten()
    }

    /// What is behind the grants at a place that fails, where there are some: behind the one grant there, or behind
    /// those of the list there that make it fail. `passes` says whether another list in its place would pass.
    pub fn failing(&self, place: &Node, passes: impl FnMut(&Node) -> bool) -> Option<Arc<[Evidence]>> {
        let vias = match place {
            Node::List(grants) => failing(grants, passes),
            grant => grant.get(VIA).and_then(Node::as_str).into_iter().collect(),
        };
        let cited: BTreeSet<&Evidence> = vias.into_iter().flat_map(|via| self.of(via)).collect();
        (!cited.is_empty()).then(|| cited.into_iter().cloned().collect())
    }

    /// Where to look, of what is cited.
    pub fn origin(&self, cited: &[Evidence]) -> Option<&'a Origin> {
        self.origins.of(cited)
    }
}

/// Of a list of grants that fails, by `via`: what fails by itself, and of what is left over, what fails only together.
fn failing(grants: &[Node], mut passes: impl FnMut(&Node) -> bool) -> BTreeSet<&str> {
    let mut by_via: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for grant in grants {
        by_via.entry(grant.get(VIA).and_then(Node::as_str).unwrap_or_default()).or_default().push(grant);
    }
    let mut passes = |of: &[&[&Node]]| passes(&Node::list(of.iter().copied().flatten().map(|grant| (*grant).clone())));
    let (rest, alone): (BTreeMap<_, _>, BTreeMap<_, _>) = by_via.into_iter().partition(|(_, grants)| passes(&[grants]));
    let rest: Vec<(&str, &[&Node])> = rest.iter().map(|(via, grants)| (*via, grants.as_slice())).collect();
    let mut found: BTreeSet<&str> = alone.into_keys().collect();
    if !passes(&rest.iter().map(|(_, grants)| *grants).collect::<Vec<_>>()) {
        found.extend(together(&rest, passes));
    }
    found
}

/// Of bindings that fail only together: what turns those before it, which pass, into a list that fails, and of these
/// what fails beside that.
fn together<'n>(bindings: &[(&'n str, &[&Node])], mut passes: impl FnMut(&[&[&Node]]) -> bool) -> Vec<&'n str> {
    let (mut kept, mut turned): (Vec<&[&Node]>, Vec<&[&Node]>) = (Vec::new(), Vec::new());
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (via, grants) in bindings {
        kept.push(grants);
        if passes(&kept) {
            others.push((*via, *grants));
        } else {
            kept.pop();
            turned.push(grants);
            found.push(*via);
        }
    }
    for (via, grants) in others {
        turned.push(grants);
        if !passes(&turned) {
            found.push(via);
        }
        turned.pop();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vias(grants: &[(&str, &str)], passes: impl FnMut(&Node) -> bool) -> Vec<String> {
        let grants: Vec<Node> =
            grants.iter().map(|(via, verb)| Node::from(&json!({"via": via, "verb": verb}))).collect();
        failing(&grants, passes).into_iter().map(str::to_owned).collect()
    }

    fn has(list: &Node, verb: &str) -> bool {
        list.items().iter().any(|grant| grant.get("verb").and_then(Node::as_str) == Some(verb))
    }

    #[test]
    fn only_grants_that_fail_are_found() {
        let grants = [("a", "get"), ("b", "list"), ("b", "bind"), ("c", "bind"), ("d", "watch")];
        assert_eq!(vias(&grants, |list| !has(list, "bind")), ["b", "c"]);
        assert_eq!(vias(&grants, |list| list.items().len() < 5), ["d"], "what fills a list up to its limit");
    }

    #[test]
    fn halves_that_fail_together_are_found_on_both_sides() {
        let both = |list: &Node| !(has(list, "approve") && has(list, "update"));
        for grants in [
            [("a", "approve"), ("b", "update"), ("c", "get"), ("d", "update"), ("e", "approve")],
            [("a", "approve"), ("b", "update"), ("c", "get"), ("d", "approve"), ("e", "update")],
        ] {
            assert_eq!(vias(&grants, both), ["a", "b", "d", "e"]);
        }
        let one = [("a", "approve"), ("a", "update"), ("b", "update"), ("c", "get")];
        assert_eq!(vias(&one, both), ["a"], "whoever has both by one binding needs no other");
    }

    #[test]
    fn what_fails_whatever_is_granted_rests_on_no_grant_alone() {
        assert!(vias(&[], |_| false).is_empty());
    }
}
