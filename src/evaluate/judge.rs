//! One check on one target: walk to the places, evaluate at each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value as Json;

use super::{
    Evidence, FilePosition, Finding, FindingId, Outcome, Place as FindingPlace, cel::Scope, documents, grants::Behind,
    related::Entry, target::Target, texts::Texts, value::Node,
};
use crate::{
    collect::yaml,
    framework::{
        check::{Minor, On},
        library::{Check, List, Policy},
        path::{Path, Place},
    },
    resource::ResourceRef,
    snapshot::Origin,
};

/// Verdicts remembered per check; values are many only where they are names, and those are cheap to judge again.
const REMEMBERED: usize = 4096;

/// A check prepared for one run.
#[derive(Debug)]
pub struct Ready<'a> {
    /// The check.
    pub check: &'a Check,
    id: Arc<str>,
    policy: Policy<'a>,
    now: Node,
    /// The verdict is a function of the value alone.
    by_value: bool,
    /// `when` asks about the target, not about a value or an item.
    when_once: bool,
    /// Names of related objects that only `requires` asks for.
    passes_alone: Vec<&'a str>,
    /// Why no place passes, whatever stands there: a parameter that `requires` asks for is not set.
    unset: Option<String>,
}

/// Who is judged, and what findings say of it.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The name that findings carry.
    pub resource: Arc<ResourceRef>,
    /// The objects that the document is of, with their digests.
    pub evidence: Arc<[Evidence]>,
    /// Of a user, group or service account: the objects behind its grants.
    pub behind: Option<&'a Behind<'a>>,
    /// Where it was read.
    pub origin: Option<&'a Origin>,
    /// JSON Pointer of the document in the object.
    pub base: &'static str,
    /// The container that the document is about; it tells the findings of one workload apart.
    pub container: Option<&'a str>,
}

/// What one check has said so far: verdicts by value, and the texts of its findings.
#[derive(Debug, Default)]
pub struct Memo {
    absent: Option<bool>,
    values: HashMap<Node, bool>,
    texts: Texts,
}

/// Which outcomes become findings; the others are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    Everything,
    /// All but passes.
    AllButPasses,
    /// What somebody must look at: neither passes, nor places where the question does not arise.
    Exceptions,
}

impl Keep {
    /// Becomes a finding.
    pub fn keeps(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Pass => self == Self::Everything,
            Outcome::NotApplicable => self != Self::Exceptions,
            Outcome::Fail | Outcome::NotEvaluated | Outcome::Manual => true,
        }
    }
}

/// What a check says of one target.
#[derive(Debug, Default)]
pub struct Said {
    /// What is kept.
    pub findings: Vec<Finding>,
    /// Passes that are not kept.
    pub passes: u64,
    /// Places where the question does not arise, that are not kept.
    pub not_applicable: u64,
    /// There are places that would pass, were a parameter set: said once for all of them.
    pub lacks_parameter: bool,
}

impl Said {
    /// What `keep` keeps of `findings`.
    pub fn of(findings: impl Iterator<Item = Finding>, keep: Keep) -> Self {
        let mut said = Self::default();
        for finding in findings {
            if keep.keeps(finding.outcome) {
                said.findings.push(finding);
            } else {
                said.count(finding.outcome);
            }
        }
        said
    }

    /// Counts an outcome that becomes no finding.
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.passes += 1,
            Outcome::NotApplicable => self.not_applicable += 1,
            Outcome::Fail | Outcome::NotEvaluated | Outcome::Manual => {}
        }
    }
}

/// What a check says at one place.
struct Verdict<'a> {
    outcome: Outcome,
    reason: Option<String>,
    place: Place<'a>,
    container: Option<&'a str>,
}

impl<'a> Ready<'a> {
    /// Prepares `check` under `policy`; `now` is the moment at which it judges (RFC 3339).
    pub fn new(check: &'a Check, policy: Policy<'a>, now: &str) -> Self {
        let item = check.each.as_ref().map(|each| each.name.as_str());
        let when_once = check
            .when
            .as_ref()
            .is_some_and(|when| !when.mentions("value") && item.is_none_or(|item| !when.mentions(item)));
        let by_value = !check.fields.is_empty() && policy.pass.only_mentions(&["value", "params"]);
        let judged_by = [Some(policy.pass), check.when.as_ref(), check.observed.as_ref()];
        let asked = |name: &str| judged_by.into_iter().flatten().any(|expression| expression.mentions(name));
        let names = check.related.keys().map(String::as_str).filter(|_| check.requires.is_some());
        let passes_alone = names.filter(|name| !asked(name)).collect();
        let unset = unset(check, &policy);
        Self {
            check,
            id: check.id.as_str().into(),
            policy,
            now: Node::text(now),
            by_value,
            when_once,
            passes_alone,
            unset,
        }
    }

    /// Why its passes are not evaluated, when [`Said::lacks_parameter`].
    pub fn unset(&self) -> Option<&str> {
        self.unset.as_deref()
    }

    /// The same check, at the same moment, by the policy of another Kubernetes version.
    pub fn by_version(&self, minor: Minor) -> Self {
        let policy = self.check.policy(Some(minor), &BTreeMap::new());
        Self::new(self.check, policy, self.now.as_str().unwrap_or_default())
    }

    /// What this check says of `target`.
    pub fn judge(
        &self,
        target: &Target<'_>,
        subject: &Subject<'_>,
        related: &[(&str, Vec<&Entry<'_>>)],
        memo: &mut Memo,
        keep: Keep,
    ) -> Said {
        let lists: Vec<(&str, Node)> = related
            .iter()
            .map(|(name, entries)| (*name, Node::list(entries.iter().map(|entry| entry.document.clone()))))
            .collect();
        let mut scope = Scope::default();
        for (name, node) in target.names.iter().copied() {
            scope.bind(name, node);
        }
        scope.bind("params", &self.policy.params);
        scope.bind("now", &self.now);
        for (name, list) in &lists {
            scope.bind(name, list);
        }
        let mut run = Run { ready: self, target, subject, related, memo, keep, said: Said::default() };
        run.items(&mut scope);
        run.said
    }
}

fn unset(check: &Check, policy: &Policy<'_>) -> Option<String> {
    let requires = check.requires.as_ref().filter(|requires| requires.holds.only_mentions(&["params"]))?;
    let mut scope = Scope::default();
    scope.bind("params", &policy.params);
    let holds = requires.holds.test(&scope);
    (holds == Ok(false)).then(|| requires.unseen.fill(|name| scope.get(name)))
}

struct Run<'r, 'a> {
    ready: &'r Ready<'a>,
    target: &'r Target<'r>,
    subject: &'r Subject<'r>,
    related: &'r [(&'r str, Vec<&'r Entry<'r>>)],
    memo: &'r mut Memo,
    keep: Keep,
    said: Said,
}

impl<'r> Run<'r, '_> {
    fn items(&mut self, scope: &mut Scope<'r>) {
        let check = self.ready.check;
        let when = if self.ready.when_once { self.when(scope) } else { Ok(true) };
        let of_items = |field: &Path| check.each.as_ref().is_some_and(|each| each.name == field.root);
        if check.fields.is_empty() && check.each.is_none() {
            self.whole(scope, &when, self.target.whole(), None);
        }
        // A field that is not the item's own is judged once, however many items there are.
        for field in check.fields.iter().filter(|field| !of_items(field)) {
            let start = self.target.place(&field.root).unwrap_or_default();
            self.field(scope, &when, field, start, None);
        }
        let Some(each) = &check.each else { return };
        for item in self.list(&each.list) {
            let Some(node) = item.node else { continue };
            if let Some(reason) = node.unknown_reason() {
                let (outcome, reason) = (Outcome::NotEvaluated, Some(reason.to_string()));
                self.say(scope, Verdict { outcome, reason, place: item, container: None });
                continue;
            }
            let depth = scope.len();
            scope.bind(&each.name, node);
            let name = node.get("name").and_then(Node::as_str).filter(|_| matches!(each.list, List::Containers));
            if check.fields.is_empty() {
                self.whole(scope, &when, item, name);
            } else {
                for field in check.fields.iter().filter(|field| of_items(field)) {
                    self.field(scope, &when, field, item.clone(), name);
                }
            }
            scope.truncate(depth);
        }
    }

    fn list(&self, list: &'r List) -> Vec<Place<'r>> {
        match list {
            List::Containers => self.target.containers().to_vec(),
            List::At(path) => {
                let start = self.target.place(&path.root).unwrap_or_default();
                let lists = path.walk(start);
                let items = |list: &Place<'r>| match list.is_unknown() {
                    true => vec![list.clone()],
                    false => list.items().collect(),
                };
                lists.iter().flat_map(items).collect()
            }
        }
    }

    fn whole(&mut self, scope: &Scope<'r>, when: &Result<bool, String>, place: Place<'r>, container: Option<&str>) {
        let (outcome, reason) = self.outcome(scope, when, None);
        self.say(scope, Verdict { outcome, reason, place, container });
    }

    fn field(
        &mut self,
        scope: &mut Scope<'r>,
        when: &Result<bool, String>,
        field: &'r Path,
        start: Place<'r>,
        container: Option<&str>,
    ) {
        let check = self.ready.check;
        // Settings and what a cloud says have effective values: one that is absent is unknown, not unset.
        let settings = field.root == "settings";
        let told = settings || matches!(check.on, On::Cloud(_));
        let missing = if told { field.missing_list(start.clone()) } else { None };
        if let Some(list) = missing {
            let reason = Some(format!("{list} is not in the input"));
            self.say(scope, Verdict { outcome: Outcome::NotEvaluated, reason, place: start.clone(), container });
        }
        for place in field.walk(start) {
            let depth = scope.len();
            let (outcome, reason) = match place.node.or(check.absent.as_ref()) {
                Some(Node::Unknown(reason)) => (Outcome::NotEvaluated, Some(reason.to_string())),
                Some(node) if told || field.ends_in_elements() => {
                    scope.bind("value", node);
                    self.outcome(scope, when, Some(Some(node)))
                }
                None if settings => (Outcome::NotEvaluated, Some("the setting is not known".into())),
                None if told => (Outcome::NotEvaluated, Some(format!("{field} is not in the input"))),
                node => {
                    scope.bind_optional("value", node);
                    self.outcome(scope, when, Some(node))
                }
            };
            self.say(scope, Verdict { outcome, reason, place, container });
            scope.truncate(depth);
        }
    }

    fn when(&self, scope: &Scope<'_>) -> Result<bool, String> {
        self.ready.check.when.as_ref().map_or(Ok(true), |when| when.test(scope))
    }

    fn outcome(
        &mut self,
        scope: &Scope<'_>,
        when: &Result<bool, String>,
        value: Option<Option<&Node>>,
    ) -> (Outcome, Option<String>) {
        let applies = if self.ready.when_once { when.clone() } else { self.when(scope) };
        match applies {
            Err(error) => return (Outcome::NotEvaluated, Some(error)),
            Ok(false) => {
                let condition = self.ready.check.when.as_ref().map_or("", |when| when.text());
                return (Outcome::NotApplicable, Some(format!("does not hold here: {}", condition.trim())));
            }
            Ok(true) => {}
        }
        match self.pass(scope, value) {
            Ok(true) => self.shown(scope),
            Ok(false) => (Outcome::Fail, None),
            Err(error) => (Outcome::NotEvaluated, Some(error)),
        }
    }

    /// A pass, where what it requires holds; a failure needs nothing more to be one.
    fn shown(&self, scope: &Scope<'_>) -> (Outcome, Option<String>) {
        let Some(requires) = &self.ready.check.requires else { return (Outcome::Pass, None) };
        match requires.holds.test(scope) {
            Ok(true) => (Outcome::Pass, None),
            Ok(false) => (Outcome::NotEvaluated, Some(requires.unseen.fill(|name| scope.get(name)))),
            Err(error) => (Outcome::NotEvaluated, Some(error)),
        }
    }

    fn pass(&mut self, scope: &Scope<'_>, value: Option<Option<&Node>>) -> Result<bool, String> {
        let pass = self.ready.policy.pass;
        let Some(value) = value.filter(|_| self.ready.by_value) else { return pass.test(scope) };
        let known = match value {
            None => self.memo.absent,
            Some(node) => self.memo.values.get(node).copied(),
        };
        if let Some(verdict) = known {
            return Ok(verdict);
        }
        let verdict = pass.test(scope)?;
        match value {
            None => self.memo.absent = Some(verdict),
            Some(node) if self.memo.values.len() < REMEMBERED => {
                self.memo.values.insert(node.clone(), verdict);
            }
            Some(_) => {}
        }
        Ok(verdict)
    }

    fn say(&mut self, scope: &Scope<'_>, verdict: Verdict<'_>) {
        let unset = self.ready.unset.is_some() && verdict.reason == self.ready.unset;
        if verdict.outcome == Outcome::NotEvaluated && unset {
            self.said.lacks_parameter = true;
            return;
        }
        if !self.keep.keeps(verdict.outcome) {
            self.said.count(verdict.outcome);
            return;
        }
        let (check, subject) = (self.ready.check, self.subject);
        let (path, stable) = self.place(&verdict.place);
        let value_of = |name: &str| if name == "value" { verdict.place.node } else { scope.get(name) };
        let message = match (&verdict.outcome, &verdict.reason) {
            (Outcome::NotEvaluated, Some(reason)) => format!("not evaluated: {reason}"),
            (Outcome::NotApplicable, Some(reason)) => format!("not applicable: {reason}"),
            (Outcome::Pass, _) => check.title.clone(),
            _ => check.message.fill(value_of),
        };
        let own = self.own_evidence(scope, &verdict);
        let origin = self.subject.behind.map_or(self.subject.origin, |behind| behind.origin(&own));
        let file = origin.map(|origin| file(origin, &path));
        let (observed, evidence) = (self.observed(scope, verdict.place.node), self.evidence(own, verdict.outcome));
        let texts = &mut self.memo.texts;
        self.said.findings.push(Finding {
            id: FindingId::of(&check.id, &subject.resource, &stable),
            check: Arc::clone(&self.ready.id),
            severity: check.severity,
            outcome: verdict.outcome,
            reason: verdict.reason.map(|reason| texts.share(&reason)),
            resource: Arc::clone(&subject.resource),
            file: file.map(|(path, line)| FilePosition { path: texts.share(path), line }),
            place: FindingPlace {
                container: verdict.container.or(subject.container).map(|name| texts.share(name)),
                path: texts.share(&path),
                stable: texts.share(&stable),
            },
            observed,
            expected: texts.share(&check.expected.fill(value_of)),
            message: texts.share(&message),
            evidence,
            requirements: Arc::default(),
            owner: None,
            waiver: None,
            expected_by: None,
            policy: None,
        });
    }

    /// Pointer and stable place; a setting stands where its value was written (`at`).
    fn place(&self, place: &Place<'_>) -> (String, String) {
        let stable = place.stable();
        let stable = match self.subject.container {
            Some(container) => format!("containers[name={container}].{stable}"),
            None => stable,
        };
        let at = stable.starts_with("settings").then(|| place.node?.get("at")?.as_str()).flatten();
        (at.map_or_else(|| format!("{}{}", self.subject.base, place.pointer()), str::to_string), stable)
    }

    fn observed(&self, scope: &Scope<'_>, node: Option<&Node>) -> Json {
        // Of what could not be seen nothing was observed; the reason stands beside it.
        if node.is_some_and(|node| node.unknown_reason().is_some()) {
            return Json::Null;
        }
        match &self.ready.check.observed {
            Some(observed) => match observed.json(scope) {
                Ok(found) => found.unwrap_or(Json::Null),
                Err(error) => format!("not known: {error}").into(),
            },
            None if self.ready.check.fields.is_empty() => Json::Null,
            None => node.map_or(Json::Null, Node::json),
        }
    }

    /// What the judged thing itself shows. Of a subject that fails, these are the bindings and roles of the grants
    /// that make it fail, not those of all that it has.
    fn own_evidence(&self, scope: &Scope<'_>, verdict: &Verdict<'_>) -> Arc<[Evidence]> {
        let (check, subject) = (self.ready.check, self.subject);
        let own = match (verdict.place.node, subject.behind) {
            (Some(node), _) if check.on == On::Scope => documents::evidence_of(node),
            (Some(node), Some(behind)) if verdict.outcome == Outcome::Fail => {
                let pass = self.ready.policy.pass;
                behind.failing(node, |grants| pass.test(&scope.with_value(grants)) != Ok(false))
            }
            _ => None,
        };
        own.unwrap_or_else(|| Arc::clone(&subject.evidence))
    }

    /// That, and what is related to it.
    fn evidence(&self, own: Arc<[Evidence]>, outcome: Outcome) -> Arc<[Evidence]> {
        // A failure does not rest on what only a pass requires.
        let rests_on = |name: &str| outcome != Outcome::Fail || !self.ready.passes_alone.contains(&name);
        let mut entries =
            self.related.iter().filter(|(name, _)| rests_on(name)).flat_map(|(_, entries)| entries).peekable();
        if entries.peek().is_none() {
            return own;
        }
        let related = entries.map(|entry| Evidence::of(entry.object));
        let mut evidence: Vec<Evidence> = own.iter().cloned().chain(related).collect();
        // The judged object stands first; the rest is sorted, each once.
        evidence[own.len()..].sort();
        evidence.dedup();
        evidence.into()
    }
}

fn file<'o>(origin: &'o Origin, pointer: &str) -> (&'o str, u32) {
    let line = yaml::line_of(&origin.lines, pointer).unwrap_or(origin.line);
    (origin.file.as_str(), line)
}
