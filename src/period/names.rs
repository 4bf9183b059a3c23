//! Names that a package may have to leave out: collected from bundles, and found again in any text.

use std::{collections::BTreeSet, ops::Range};

use aho_corasick::{AhoCorasick, Input, MatchKind};
use serde::Deserialize;

use super::{
    facts::{Files, OBJECTS, SubjectKey},
    writers,
};
use crate::snapshot;

/// Names below this length are words of every language: they count only where they stand alone.
const SHORT: usize = 5;
/// Kubernetes keeps this prefix for itself: such a name is no person's.
const RESERVED: &str = "system:";
/// Kinds that name subjects.
const BINDINGS: [&str; 2] = ["ClusterRoleBinding", "RoleBinding"];

/// What the objects of one or more bundles are called.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Namespaces, those included that only their objects name.
    pub(super) namespaces: BTreeSet<String>,
    /// Kinds of what lies in namespaces.
    pub(super) kinds: BTreeSet<String>,
    /// Nodes.
    pub(super) nodes: BTreeSet<String>,
    /// Users and groups that bindings name, those without a role included.
    pub(super) people: BTreeSet<SubjectKey>,
    /// Users that audit logs name: they may hold their rights through a group alone.
    pub(super) writers: BTreeSet<String>,
}

/// The part of a binding that names subjects.
#[derive(Deserialize)]
struct Binding {
    #[serde(default)]
    subjects: Option<Vec<Named>>,
}

#[derive(Deserialize)]
struct Named {
    kind: String,
    name: String,
}

impl Names {
    /// Of one bundle.
    ///
    /// # Errors
    /// The table of objects cannot be read.
    pub(super) fn of(files: &Files) -> Result<Self, String> {
        let bytes = files.get(OBJECTS).map(Vec::as_slice).unwrap_or_default();
        let columns = ["kind", "namespace", "name", "json"];
        let table = snapshot::read_columns(OBJECTS, bytes, &columns).map_err(|error| error.to_string())?;
        let texts = |column| table.texts(column).map_err(|error| error.to_string());
        let (kinds, names, jsons) = (texts("kind")?, texts("name")?, texts("json")?);
        let namespaces = table.optional("namespace").map_err(|error| error.to_string())?;
        let users = writers::users(&writers::logged(files));
        let mut all =
            Self { writers: users.into_iter().filter(|user| is_person("User", user)).collect(), ..Self::default() };
        for row in 0..table.rows() {
            if let Some(namespace) = namespaces[row] {
                all.namespaces.insert(namespace.to_owned());
                all.kinds.insert(kinds[row].to_owned());
            }
            match kinds[row] {
                "Namespace" => drop(all.namespaces.insert(names[row].to_owned())),
                "Node" => drop(all.nodes.insert(names[row].to_owned())),
                kind if BINDINGS.contains(&kind) => all.people.extend(people(jsons[row])),
                _ => {}
            }
        }
        Ok(all)
    }

    /// Adds what another bundle names.
    pub(super) fn merge(&mut self, other: Self) {
        self.namespaces.extend(other.namespaces);
        self.kinds.extend(other.kinds);
        self.nodes.extend(other.nodes);
        self.people.extend(other.people);
        self.writers.extend(other.writers);
    }
}

fn people(json: &str) -> impl Iterator<Item = SubjectKey> {
    let subjects = serde_json::from_str::<Binding>(json).ok().and_then(|binding| binding.subjects).unwrap_or_default();
    subjects.into_iter().filter(|named| is_person(&named.kind, &named.name)).map(|named| (named.kind, None, named.name))
}

/// A user or a group that Kubernetes does not keep for itself. Service accounts are programs.
pub(super) fn is_person(kind: &str, name: &str) -> bool {
    matches!(kind, "User" | "Group") && !name.starts_with(RESERVED)
}

/// Finds names in texts, whatever their case; of names within each other the longest.
#[derive(Debug)]
pub(super) struct Finder {
    searcher: AhoCorasick,
    names: Vec<String>,
    /// What a short name, and what a long one, must stand beside to count.
    counts: [Beside; 2],
}

/// Whether a name counts where it stands in a text.
type Beside = fn(&str, Range<usize>) -> bool;

impl Finder {
    /// `None` without names. `counts` says of short names and of long ones where they count.
    pub(super) fn new(names: BTreeSet<String>, counts: [Beside; 2]) -> Option<Self> {
        let mut patterns = Vec::new();
        let mut named = Vec::new();
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            // JSON writes some characters otherwise than the name has them.
            let quoted = serde_json::Value::String(name.clone()).to_string();
            let escaped = quoted.trim_matches('"').to_owned();
            for form in BTreeSet::from([name.clone(), escaped]) {
                patterns.push(form);
                named.push(name.clone());
            }
        }
        if patterns.is_empty() {
            return None;
        }
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest);
        Some(Self { searcher: builder.build(&patterns).ok()?, names: named, counts })
    }

    /// The first name at or after `from`.
    pub(super) fn find(&self, text: &str, mut from: usize) -> Option<(Range<usize>, &str)> {
        while let Some(found) = self.searcher.find(Input::new(text).range(from..)) {
            let name = self.names[found.pattern().as_usize()].as_str();
            let [short, long] = self.counts;
            let counts = if name.len() < SHORT { short } else { long };
            if counts(text, found.range()) {
                return Some((found.range(), name));
            }
            from = found.start() + text[found.start()..].chars().next().map_or(1, char::len_utf8);
        }
        None
    }

    /// Any of the names stands in the text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.find(text, 0).is_some()
    }
}

/// A name that is no part of another word: `search` is in `search/web` and `search-web`, and not in `searched`.
pub(super) fn is_apart(text: &str, range: Range<usize>) -> bool {
    let (name, before) = (&text[range.clone()], text[..range.start].chars().next_back());
    let inside = |own: Option<char>, beside: Option<char>| {
        own.is_some_and(char::is_alphanumeric) && beside.is_some_and(char::is_alphanumeric)
    };
    !inside(name.chars().next(), before) && !inside(name.chars().next_back(), text[range.end..].chars().next())
}

/// No letter and no digit on either side.
pub(super) fn is_word(text: &str, range: Range<usize>) -> bool {
    let before = text[..range.start].chars().next_back();
    let after = text[range.end..].chars().next();
    before.is_none_or(|c| !c.is_alphanumeric()) && after.is_none_or(|c| !c.is_alphanumeric())
}

/// A word that the text uses as a namespace or a node: `web/cart`, `web.svc`, `namespace web`, `"namespace":"web"`.
pub(super) fn is_place(text: &str, range: Range<usize>) -> bool {
    const BEFORE: [&str; 7] =
        ["namespace ", "namespace\":\"", "Namespace/", "node ", "nodeName\":\"", "Node/", "metadata.name\":\""];
    const AFTER: [&str; 2] = ["/", ".svc"];
    let (before, after) = (&text[..range.start], &text[range.end..]);
    is_word(text, range)
        && (BEFORE.iter().any(|end| before.ends_with(end)) || AFTER.iter().any(|s| after.starts_with(s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(names: &[&str], counts: [Beside; 2]) -> Finder {
        Finder::new(names.iter().map(|name| (*name).to_owned()).collect(), counts).unwrap()
    }

    fn found<'a>(finder: &'a Finder, text: &str) -> Vec<&'a str> {
        let (mut at, mut names) = (0, Vec::new());
        while let Some((range, name)) = finder.find(text, at) {
            names.push(name);
            at = range.end;
        }
        names
    }

    #[test]
    fn names_are_found_in_any_case_the_longest_first_and_short_ones_as_words() {
        let people = finder(&["alice", "alice@example.com", "ops", "CORP\\bob"], [is_word, |_, _| true]);
        assert_eq!(found(&people, "ALICE@example.com, alice-admin and ops."), ["alice@example.com", "alice", "ops"]);
        assert_eq!(found(&people, "stops, topside, opsgenie"), [""; 0]);
        assert_eq!(found(&people, "stops ops"), ["ops"]);
        assert_eq!(found(&people, r#"{"name":"CORP\\bob"}"#), ["CORP\\bob"], "as JSON writes it");
        assert!(Finder::new(BTreeSet::new(), [is_word, is_word]).is_none());
        let places = finder(&["web", "ledger", "Deployment/robots/"], [is_place, is_apart]);
        assert_eq!(found(&places, r#"{"labels":{"app":"web"}}, a web page"#), [""; 0]);
        assert_eq!(
            found(&places, r#"web/cart cart.web.svc {"namespace":"web"} ledgers ledger-db Deployment/robots/crane"#),
            ["web", "web", "web", "ledger", "Deployment/robots/"],
            "and a part of another word is none"
        );
    }

    #[test]
    fn bindings_name_people_and_kubernetes_its_own() {
        let json = r#"{"subjects":[{"kind":"User","name":"alice"},{"kind":"Group","name":"system:masters"},
            {"kind":"ServiceAccount","name":"ci","namespace":"shop"}]}"#;
        let named: Vec<SubjectKey> = people(json).collect();
        assert_eq!(named, [("User".to_owned(), None, "alice".to_owned())]);
        assert_eq!(people("{}").count() + people("null").count() + people("[").count(), 0);
    }
}
