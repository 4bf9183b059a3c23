//! What must not be read in a package: names from outside of its scope, and the names of people where pseudonyms were
//! asked for. Applied last, to what the package says and to the texts of its evidence.
//!
//! An object whose text holds such a name cannot be both as it was signed and without it: its text is left out, and its
//! digest and its run stay. Envelopes and manifests of the runs stay as they were signed.

mod files;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    facts::{Files, SubjectKey},
    model::{
        Cited, ClusterPeriod, Exception, Item, ItemClass, PrivilegedSubject, Remark, RemarkKind, ScopeSpan, Unseen,
        WrittenBy,
    },
    names::{Finder, Names, is_apart, is_person, is_place, is_word},
    pseudonym::{self, PseudonymKey},
    window::Window,
    words,
};
use crate::{
    digest::Digest,
    framework::{Library, RuleFiles, embedded, load_frameworks},
};

/// Stands for a word that names something outside of the scope.
const OUTSIDE: &str = "(outside-the-scope)";
/// Namespaces of every cluster: their names say nothing.
const EVERYWHERE: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Stock roles: a person or a group of that name cannot be told from them in a text.
const ROLES: [&str; 4] = ["admin", "cluster-admin", "edit", "view"];
/// What ends a word around a name from outside.
const BETWEEN: [char; 11] = ['"', '\'', ',', ';', '(', ')', '[', ']', '{', '}', '='];

/// What is left out of one cluster's part.
pub(super) struct Veil<'a> {
    window: &'a Window,
    outside: Option<Finder>,
    /// Namespaces outside of the scope whose names are no secret: what people declare of them is still not shown.
    homes: Option<Finder>,
    /// Files of the library that this program carries: they say the same everywhere.
    library: BTreeSet<Digest>,
    /// What it says itself, in checks and frameworks.
    words: BTreeSet<String>,
    /// Makes identities and digests that nobody can guess at.
    mask: PseudonymKey,
    people: Option<People<'a>>,
}

struct People<'a> {
    key: &'a PseudonymKey,
    /// Names as they stand in texts; `None` where nobody has one.
    finder: Option<Finder>,
}

impl<'a> Veil<'a> {
    /// For a cluster whose bundles name these, seen through `window`. `secret` is the package's own, where there is no key
    /// for pseudonyms.
    pub(super) fn new(names: &Names, window: &'a Window, key: Option<&'a PseudonymKey>, secret: [u8; 32]) -> Self {
        let hides = window.is_narrow() || key.is_some();
        let files = if hides { embedded() } else { RuleFiles::new() };
        let homes = homes(names, window).into_iter().map(str::to_owned).collect();
        let places = |names| Finder::new(names, [is_place, is_apart]);
        Self {
            window,
            homes: places(homes).filter(|_| window.is_narrow()),
            library: files.values().map(Digest::of).collect(),
            words: own_words(&files),
            mask: key.cloned().unwrap_or_else(|| PseudonymKey::generate(secret)),
            outside: window.is_narrow().then(|| places(outside(names, window))).flatten(),
            people: key.map(|key| People { key, finder: Finder::new(people(names), [is_word, |_, _| true]) }),
        }
    }

    /// Stands for the digest of a text that is left out.
    pub(super) fn digest(&self, digest: Digest) -> Digest {
        self.mask.digest(digest)
    }

    /// Whether the audit trail of a namespace, or of what has none, must not be read: it names everybody who wrote there,
    /// and whoever does is not known from what lies in the scope.
    pub(super) fn hides_trail(&self, namespace: Option<&str>) -> bool {
        let is_shown = |namespace: &str| self.window.shows("Namespace", None, namespace);
        self.people.is_some() || self.window.is_narrow() && !namespace.is_some_and(is_shown)
    }

    /// A text that holds a name that must not be read.
    pub(super) fn hides(&self, text: &str) -> bool {
        let people = self.people.as_ref().and_then(|people| people.finder.as_ref());
        self.outside.iter().chain(people).any(|finder| finder.is_in(text))
    }

    /// Takes names out of a text.
    pub(super) fn text(&self, text: &mut String) {
        if self.words.contains(text) {
            return;
        }
        if let Some(finder) = &self.outside {
            replace(text, finder, word, |_| OUTSIDE.to_owned());
        }
        if let Some((key, finder)) = self.people.as_ref().and_then(|people| Some((people.key, people.finder.as_ref()?)))
        {
            replace(text, finder, |_, range| range, |name| key.pseudonym(name));
        }
    }

    /// Takes names out of what the package says of a cluster, and of the files that declarations point at.
    pub(super) fn cover(&self, cluster: &mut ClusterPeriod, attested: &mut Files) {
        if self.outside.is_none() && self.people.is_none() {
            return;
        }
        self.cover_files(cluster, attested);
        let mut findings = BTreeMap::new();
        for exception in &mut cluster.exceptions {
            let known = exception.finding;
            self.cover_exception(exception);
            findings.insert(known.to_string(), exception.finding.to_string());
        }
        let waivers = cluster.declarations.iter_mut().filter(|said| said.kind == "waiver");
        for id in waivers.flat_map(|said| &mut said.applies_to) {
            // What the package has no exception of is an identity all the same.
            let masked = || id.parse().map_or_else(|_| id.clone(), |id| self.mask.finding(id).to_string());
            *id = findings.get(id).cloned().unwrap_or_else(masked);
        }
        for item in &mut cluster.population {
            self.cover_item(item);
        }
        for subject in &mut cluster.privileged {
            self.cover_subject(subject);
        }
        // What its declaration leaves out of a scope, and why, is for whoever judges that scope to read.
        let own = self.window.scope().filter(|_| self.people.is_none());
        other_texts(cluster, own, &mut |text| self.text(text));
        self.cited(&mut cluster.trails);
        sort_again(cluster);
        self.remark(cluster);
    }

    fn cover_exception(&self, exception: &mut Exception) {
        let before = (exception.resource.clone(), exception.place.clone());
        self.subject(&exception.resource.kind.clone(), &mut exception.resource.name);
        let Exception { resource, container, place, title, message, observed, expected, owner, ending, .. } = exception;
        let named = [&mut resource.name, place, title, message, expected].into_iter();
        let optional = [&mut resource.namespace, container, observed, owner].into_iter().flatten();
        named.chain(optional).for_each(|text| self.text(text));
        if let super::model::Ending::NotSeenSince { reason, .. } = ending {
            self.text(reason);
        }
        exception.written_by.iter_mut().chain(&mut exception.repaired_by).for_each(|by| self.writer(by));
        exception.waivers.iter_mut().for_each(|waiver| self.text(&mut waiver.id));
        self.cited(&mut exception.evidence);
        self.cited(&mut exception.evidence_after);
        if before != (exception.resource.clone(), exception.place.clone()) {
            exception.finding = self.mask.finding(exception.finding);
        }
    }

    fn cover_item(&self, item: &mut Item) {
        if item.class == ItemClass::Subject {
            self.subject(&item.kind.clone(), &mut item.name);
        }
        item.namespace.iter_mut().chain([&mut item.name]).for_each(|text| self.text(text));
        self.cited(&mut item.evidence);
    }

    fn cover_subject(&self, subject: &mut PrivilegedSubject) {
        self.subject(&subject.kind.clone(), &mut subject.name);
        subject.namespace.iter_mut().chain([&mut subject.name]).for_each(|text| self.text(text));
        for power in &mut subject.powers {
            power.place.iter_mut().chain([&mut power.through]).for_each(|text| self.text(text));
            power.given_by.iter_mut().chain(&mut power.taken_by).for_each(|by| self.writer(by));
            self.cited(&mut power.evidence);
            self.cited(&mut power.evidence_after);
        }
    }

    /// Who wrote is a user of whom an audit log says so, and may be one by the name of a program.
    fn writer(&self, by: &mut WrittenBy) {
        match by {
            WrittenBy::ManagedFields { manager, .. } => self.text(manager),
            WrittenBy::AuditLog { user, acting_as, .. } => {
                for name in [user].into_iter().chain(acting_as) {
                    self.subject("User", name);
                    self.text(name);
                }
            }
        }
    }

    /// A subject has its pseudonym whatever it is called.
    fn subject(&self, kind: &str, name: &mut String) {
        if let Some(people) = self.people.as_ref().filter(|_| is_person(kind, name)) {
            *name = people.key.pseudonym(name);
        }
    }

    fn cited(&self, evidence: &mut [Cited]) {
        for cited in evidence {
            match cited.resource.split_once('/') {
                Some((kind @ ("User" | "Group"), name)) => {
                    let (kind, mut name) = (kind.to_owned(), name.to_owned());
                    self.subject(&kind, &mut name);
                    cited.resource = format!("{kind}/{name}");
                }
                _ => self.text(&mut cited.resource),
            }
        }
    }

    /// Says what is not here, and which names stay because the runs signed them.
    fn remark(&self, cluster: &mut ClusterPeriod) {
        let mut text = match (&self.people, &self.outside) {
            (Some(people), _) => {
                let id = people.key.id();
                format!("users and groups are pseudonyms (key {id}), and files that people attached are left out")
            }
            _ => "words that name something outside of the scope are replaced".to_owned(),
        };
        if !cluster.withheld.is_empty() {
            let objects = words::count(cluster.withheld.len() as u64, "object is", "objects are");
            text += &format!("; {objects} cited by digest and run alone, because the text holds such a name");
        }
        if self.outside.is_some() {
            text += "; counts of a run's objects and findings are of the whole cluster, as the run signed them";
        }
        let stays = |name: &str| self.hides(name) || self.people.is_some() && is_person("User", name);
        if cluster.runs.iter().filter_map(|run| run.caller.as_ref()).any(|caller| stays(&caller.username)) {
            text += "; the identity that asked the API server is signed by each run and stays as it is";
        }
        cluster.remarks.push(Remark { kind: RemarkKind::NamesLeftOut, runs: Vec::new(), text });
        cluster.remarks.sort();
    }
}

/// Titles and notes of the library's own checks and frameworks: whatever words are in them, they name nothing of a
/// cluster.
fn own_words(files: &RuleFiles) -> BTreeSet<String> {
    let library = Library::load(files).unwrap_or_default();
    let frameworks = load_frameworks(files, &library).unwrap_or_default();
    let rows = frameworks.into_iter().flat_map(|framework| framework.requirements);
    let of_rows = rows.flat_map(|row| [Some(row.title), row.section, row.note]).flatten();
    library.checks().map(|check| check.title.clone()).chain(of_rows).collect()
}

/// Namespaces outside of the scope whose names are no secret: where service accounts with rights in it live, and what its
/// declaration names as left out.
fn homes<'n>(names: &'n Names, window: &Window) -> BTreeSet<&'n str> {
    let homes = window.named();
    let is_home = |name: &&String| homes.contains(name.as_str()) && !EVERYWHERE.contains(&name.as_str());
    let outside = names.namespaces.iter().filter(is_home).filter(|name| !window.shows("Namespace", None, name));
    outside.map(String::as_str).collect()
}

/// Everything named by the bundles that the scope does not reach. Where a service account with rights in the scope lives
/// is no secret from who may see the account; what else lives there is.
fn outside(names: &Names, window: &Window) -> BTreeSet<String> {
    let at_home = homes(names, window).into_iter().flat_map(|home| {
        let kinds = names.kinds.iter().filter(|kind| *kind != "ServiceAccount");
        kinds.map(move |kind| format!("{kind}/{home}/"))
    });
    let homes = window.named();
    let unknown = |name: &&String| !homes.contains(name.as_str()) && !EVERYWHERE.contains(&name.as_str());
    let namespaces = names.namespaces.iter().filter(unknown).filter(|name| !window.shows("Namespace", None, name));
    let nodes = names.nodes.iter().filter(|name| !window.shows("Node", None, name));
    let hidden = |(kind, namespace, name): &&SubjectKey| !window.shows(kind, namespace.as_deref(), name);
    let people = names.people.iter().filter(hidden).map(|(_, _, name)| name);
    namespaces.chain(nodes).chain(people).cloned().chain(at_home).collect()
}

/// Names of people and groups that a text is searched for. A group that is called like a namespace stays in texts, where
/// it cannot be told from it; a person never does.
fn people(names: &Names) -> BTreeSet<String> {
    let is_telling = |(kind, _, name): &&SubjectKey| {
        !ROLES.contains(&name.as_str()) && (kind == "User" || !names.namespaces.contains(name))
    };
    let people = names.people.iter().filter(is_telling).map(|(_, _, name)| name);
    people.chain(names.writers.iter().filter(|name| !ROLES.contains(&name.as_str()))).cloned().collect()
}

/// Whether something stands in a text for what must not be read.
pub(crate) fn is_covered(text: &str) -> bool {
    text.contains(OUTSIDE) || text.contains(pseudonym::PREFIX)
}

type Found = std::ops::Range<usize>;

/// The whole word around a name: what stands beside the namespace in `Secret/ledger/db` is from outside too.
fn word(text: &str, range: Found) -> Found {
    let ends = |c: char| c.is_whitespace() || BETWEEN.contains(&c);
    let start =
        text[..range.start].rfind(ends).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let end = text[range.end..].find(ends).map_or(text.len(), |at| range.end + at);
    start..end
}

fn replace(text: &mut String, finder: &Finder, widen: fn(&str, Found) -> Found, with: impl Fn(&str) -> String) {
    let (mut at, mut written) = (0, String::new());
    while let Some((range, name)) = finder.find(text, at) {
        let range = widen(text, range);
        written.push_str(&text[at..range.start.max(at)]);
        written.push_str(&with(name));
        at = range.end;
    }
    if at > 0 {
        written.push_str(&text[at..]);
        *text = written;
    }
}

/// What was in the order of names must not tell it.
fn sort_again(cluster: &mut ClusterPeriod) {
    cluster.population.sort();
    let worst = |subject: &PrivilegedSubject| subject.powers.first().map_or(u8::MAX, |power| power.rank);
    cluster.privileged.iter_mut().for_each(|subject| subject.powers.sort());
    cluster
        .privileged
        .sort_by(|a, b| (worst(a), &a.kind, &a.namespace, &a.name).cmp(&(worst(b), &b.kind, &b.namespace, &b.name)));
    cluster.exceptions.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut places = BTreeMap::new();
    for (at, exception) in cluster.exceptions.iter_mut().enumerate() {
        let id = format!("X-{:04}", at + 1);
        places.insert(std::mem::replace(&mut exception.id, id.clone()), (at, id));
    }
    for row in &mut cluster.requirements {
        row.exceptions.sort_by_key(|id| places.get(id).map(|(at, _)| *at));
        for id in &mut row.exceptions {
            if let Some((_, new)) = places.get(id) {
                id.clone_from(new);
            }
        }
    }
}

fn order(exception: &Exception) -> impl Ord + use<'_> {
    let Exception { severity, check, resource, place, first_seen, finding, .. } = exception;
    (Reverse(*severity), check, &resource.kind, &resource.namespace, &resource.name, place, *first_seen, *finding)
}

/// Texts of the model that no other list here holds. What the runs signed is held against their envelopes and stays.
fn other_texts(cluster: &mut ClusterPeriod, declared: Option<&str>, act: &mut dyn FnMut(&mut String)) {
    let mut unseen = |all: &mut Vec<Unseen>| all.iter_mut().for_each(|unseen| act(&mut unseen.reason));
    cluster.runs.iter_mut().for_each(|run| unseen(&mut run.unseen));
    cluster.cadence.partial.iter_mut().for_each(|run| unseen(&mut run.unseen));
    let not_asked = cluster.runs.iter_mut().flat_map(|run| run.not_asked.values_mut());
    not_asked.for_each(&mut *act);
    cluster.excluded.iter_mut().for_each(|excluded| act(&mut excluded.reason));
    cluster.remarks.iter_mut().for_each(|remark| act(&mut remark.text));
    for row in &mut cluster.requirements {
        row.reasons.iter_mut().for_each(|span| act(&mut span.reason));
        row.owner.iter_mut().chain(&mut row.company_control).chain(&mut row.note).for_each(&mut *act);
    }
    for change in &mut cluster.scope_changes {
        let values = change.before.iter_mut().chain(&mut change.after);
        values.chain([&mut change.name]).for_each(&mut *act);
    }
    for ScopeSpan { scope, holds, .. } in &mut cluster.scopes {
        let is_declared = declared == Some(scope.as_str());
        let named = holds
            .namespaces
            .iter_mut()
            .chain(&mut holds.connected)
            .chain(&mut holds.nodes)
            .chain(&mut holds.components);
        let excluded = holds.excluded.iter_mut().filter(|_| !is_declared);
        let excluded = excluded.flat_map(|out| [&mut out.what, &mut out.reason]);
        named.chain(excluded).chain([&mut holds.declared_by]).for_each(&mut *act);
    }
    cluster.control_totals.iter_mut().flat_map(|total| &mut total.differences).for_each(&mut *act);
    cluster.resource_totals.iter_mut().filter_map(|total| total.not_seen.as_mut()).for_each(&mut *act);
    for declaration in &mut cluster.declarations {
        let files = declaration.files.iter_mut().map(|file| &mut file.name);
        let own = [&mut declaration.id, &mut declaration.note].into_iter();
        own.chain(&mut declaration.applies_to).chain(files).for_each(&mut *act);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let person = |kind: &str, name: &str| (kind.to_owned(), None, name.to_owned());
        Names {
            namespaces: BTreeSet::from(["shop".to_owned(), "ledger".to_owned()]),
            kinds: BTreeSet::new(),
            nodes: BTreeSet::new(),
            writers: BTreeSet::from(["dana@example.com".to_owned()]),
            people: BTreeSet::from([
                person("User", "alice@example.com"),
                person("User", "shop"),
                person("Group", "ledger"),
                person("Group", "ops"),
                person("Group", "admin"),
            ]),
        }
    }

    #[test]
    fn people_are_replaced_and_places_are_not() {
        let key = PseudonymKey::generate([7; 32]);
        let window = Window::default();
        let veil = Veil::new(&names(), &window, Some(&key), [7; 32]);
        let mut text = "ops and Alice@example.com hold ClusterRole/admin in ledger".to_owned();
        veil.text(&mut text);
        let (ops, alice) = (key.pseudonym("ops"), key.pseudonym("alice@example.com"));
        assert_eq!(text, format!("{ops} and {alice} hold ClusterRole/admin in ledger"));
        assert!(
            veil.hides("of shop") && !veil.hides("of ledger"),
            "a person's name is one even where a namespace has it"
        );
        let mut group = "ledger".to_owned();
        veil.subject("Group", &mut group);
        assert_eq!(group, key.pseudonym("ledger"), "as a subject it has its pseudonym");
        let mut own = "system:masters".to_owned();
        veil.subject("Group", &mut own);
        assert_eq!(own, "system:masters");
    }

    #[test]
    fn the_whole_word_around_a_name_from_outside_goes() {
        let window = Window::default();
        let finder = Finder::new(BTreeSet::from(["ledger".to_owned()]), [is_place, is_apart]);
        let veil = Veil { outside: finder, ..Veil::new(&Names::default(), &window, None, [7; 32]) };
        let mut text = "reads Secret/ledger/db, and (ServiceAccount/ledger/ci) too".to_owned();
        veil.text(&mut text);
        assert_eq!(text, format!("reads {OUTSIDE}, and ({OUTSIDE}) too"));
    }
}
