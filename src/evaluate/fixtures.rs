//! The cases inside check files, run through the engine like anything else.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{
    Outcome,
    documents::{Document, Tables},
    engine::{self, Judgement},
    judge::Ready,
    kinds, sight,
    value::Node,
};
use crate::{
    collect::{ClusterIdentity, Coverage, ListOutcome, ListRecord, Source, SourceKind, inputs::scans, resources},
    framework::{
        check::{On, Test},
        library::{Check, Library},
    },
    resource::{Gvk, ResourceRef},
    snapshot::{Object, Sealer, Snapshot, Tokens},
};

/// What became of one check's cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Cases that did what they say.
    pub passed: usize,
    /// The others, and what the check lacks.
    pub problems: Vec<Problem>,
}

/// A case that did something else, or a case that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the case; 0 where one is missing.
    pub line: u32,
    /// Name of the case, or what is missing.
    pub name: String,
    /// What happened.
    pub message: String,
}

/// What a case says must happen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expectation {
    Pass,
    Fail(Vec<String>),
    NotApplicable,
    NotEvaluated,
}

/// Runs the cases of a check; a check without a failing and a passing one is a problem too.
pub fn run(check: &Check) -> Report {
    let mut report = Report { passed: 0, problems: Vec::new() };
    let mut shown = (false, false);
    for test in &check.tests {
        let outcome = expectation(test).and_then(|expectation| {
            shown.0 |= expectation == Expectation::Pass;
            shown.1 |= matches!(expectation, Expectation::Fail(_));
            compare(&expectation, &judge(check, test)?)
        });
        match outcome {
            Ok(()) => report.passed += 1,
            Err(message) => report.problems.push(Problem {
                line: u32::try_from(test.name.referenced.line()).unwrap_or(0),
                name: test.name.value.clone(),
                message,
            }),
        }
    }
    let missing = |case: &str| Problem {
        line: 0,
        name: format!("no case that {case}"),
        message: "a check shows at least one object that passes and one that fails".into(),
    };
    report.problems.extend((!shown.0).then(|| missing("passes")));
    report.problems.extend((!shown.1).then(|| missing("fails")));
    report
}

fn expectation(test: &Test) -> Result<Expectation, String> {
    let written = [
        test.pass.map(|_| Expectation::Pass),
        test.fail.clone().map(Expectation::Fail),
        test.not_applicable.map(|_| Expectation::NotApplicable),
        test.not_evaluated.map(|_| Expectation::NotEvaluated),
    ];
    let denied = [test.pass, test.not_applicable, test.not_evaluated].contains(&Some(false));
    let mut written = written.into_iter().flatten();
    match (written.next(), written.next()) {
        (Some(Expectation::Fail(places)), None) if places.is_empty() => {
            Err("fail names no place; write the JSON Pointers that fail".into())
        }
        (Some(one), None) if !denied => Ok(one),
        _ => Err("write exactly one of pass: true, fail: [pointers], notApplicable: true, notEvaluated: true".into()),
    }
}

fn compare(expectation: &Expectation, found: &Judgement) -> Result<(), String> {
    let of = |outcome: Outcome| found.findings.iter().filter(move |finding| finding.outcome == outcome);
    let mut failed: Vec<&str> = of(Outcome::Fail).map(|finding| &*finding.place.path).collect();
    failed.sort_unstable();
    let blind = of(Outcome::NotEvaluated).next();
    let got = || match (failed.as_slice(), blind) {
        (_, Some(finding)) => finding.message.to_string(),
        ([], None) if found.counts.pass > 0 => "passed".into(),
        ([], None) => "not applicable".into(),
        (places, None) => format!("failed at {}", list(places)),
    };
    let (matches, wanted) = match expectation {
        Expectation::Pass => (failed.is_empty() && blind.is_none() && found.counts.pass > 0, "pass".to_string()),
        Expectation::Fail(places) => {
            let mut places: Vec<&str> = places.iter().map(String::as_str).collect();
            places.sort_unstable();
            (failed == places && blind.is_none(), format!("a failure at {}", list(&places)))
        }
        Expectation::NotApplicable => {
            (failed.is_empty() && blind.is_none() && found.counts.pass == 0, "not applicable".into())
        }
        Expectation::NotEvaluated => (failed.is_empty() && blind.is_some(), "not evaluated".into()),
    };
    if matches { Ok(()) } else { Err(format!("expected {wanted}; {}", got())) }
}

fn list(places: &[&str]) -> String {
    let places: Vec<&str> =
        places.iter().map(|place| if place.is_empty() { "\"\" (the whole)" } else { place }).collect();
    places.join(", ")
}

fn judge(check: &Check, test: &Test) -> Result<Judgement, String> {
    let judged: Vec<&Json> = test.object.iter().chain(&test.objects).collect();
    if judged.is_empty() && check.on != On::Cluster {
        return Err("the case has no object".into());
    }
    let (mut objects, mut documents, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for (at, json) in judged.into_iter().enumerate() {
        match &check.on {
            On::Pod => objects.push(object(json, "Pod", None, at)?),
            On::Kind { group, kind } => objects.push(object(json, kind, Some(group), at)?),
            _ => documents.push(document(&check.on, json)),
        }
    }
    if check.on == On::Cluster && documents.is_empty() {
        documents.push(document(&check.on, &Json::Object(Map::new())));
    }
    let namespace = objects.first().map(namespace_of).unwrap_or_else(|| "default".into());
    for (name, given) in &test.related {
        let Some(related) = check.related.get(name) else {
            return Err(format!("'{name}' is not among the check's related objects"));
        };
        match given {
            Some(given) => {
                for (at, json) in given.iter().enumerate() {
                    objects.push(related_object(json, &related.resource, &namespace, at)?);
                }
            }
            None => lists.push(refused(&related.resource)),
        }
    }
    // A case about an image says itself whether the image was scanned.
    if check.on == On::Image {
        lists.push(ListRecord {
            outcome: ListOutcome::Seen,
            request: scans::REQUEST.into(),
            ..refused(sight::SCANS[0])
        });
    }
    objects.sort_by(|a: &Object, b| a.sort_key().cmp(&b.sort_key()));
    let cluster = ClusterIdentity { name: "test".into(), ..ClusterIdentity::default() };
    let coverage = coverage(&cluster, lists);
    let snapshot = Snapshot {
        cluster,
        redaction_key: None,
        objects,
        grants: Vec::new(),
        images: Vec::new(),
        nodes: Vec::new(),
        components: Vec::new(),
    };
    let (library, pod_security) = (Library::default(), BTreeSet::new());
    let input = engine::Input {
        snapshot: &snapshot,
        coverage: &coverage,
        library: &library,
        tables: Tables::default(),
        kubernetes: test.kubernetes,
        pod_security: &pod_security,
        reaches: &[],
        keep_passes: false,
    };
    let now = test.now.as_deref().unwrap_or("2026-01-01T00:00:00Z");
    let ready = vec![Ready::new(check, check.policy(test.kubernetes, &test.params), now)];
    Ok(engine::judge(&input, ready, &documents))
}

/// What `by: namespace` compares with: a namespace's own name, else the object's namespace.
fn namespace_of(object: &Object) -> String {
    match object.gvk.kind.as_str() {
        "Namespace" => object.name.clone(),
        _ => object.namespace.clone().unwrap_or_else(|| "default".into()),
    }
}

fn object(json: &Json, kind: &str, group: Option<&str>, at: usize) -> Result<Object, String> {
    let Json::Object(map) = json else { return Err("an object is a mapping".into()) };
    let mut map = map.clone();
    let kind = map.entry("kind").or_insert_with(|| kind.into()).as_str().unwrap_or_default().to_string();
    let known = match group {
        Some(group) if !map.contains_key("apiVersion") => resources::of_kind(group, &kind),
        _ => kinds::by_kind(&kind),
    };
    let version = known.map(kinds::api_version).or_else(|| group.map(|group| format!("{group}/v1")));
    match version {
        Some(version) => map.entry("apiVersion").or_insert_with(|| version.into()),
        None if map.contains_key("apiVersion") => &mut Json::Null,
        None => return Err(format!("kind {kind} is not built in: write its apiVersion")),
    };
    seal(map, known.is_none_or(|known| known.namespaced), "default", at)
}

fn related_object(json: &Json, resource: &str, namespace: &str, at: usize) -> Result<Object, String> {
    let Json::Object(map) = json else { return Err("a related object is a mapping".into()) };
    let mut map = map.clone();
    let known = kinds::by_resource(resource);
    if let Some(known) = known {
        map.entry("kind").or_insert_with(|| known.kind.into());
        map.entry("apiVersion").or_insert_with(|| kinds::api_version(known).into());
    }
    let mut object = seal(map, known.is_none_or(|known| known.namespaced), namespace, at)?;
    object.resource = resource.into();
    Ok(object)
}

/// Completes the names that a case leaves out, and seals the object as a collection would.
fn seal(mut map: Map<String, Json>, namespaced: bool, namespace: &str, at: usize) -> Result<Object, String> {
    let metadata = map.entry("metadata").or_insert_with(|| Json::Object(Map::new()));
    let Json::Object(metadata) = metadata else { return Err("metadata is a mapping".into()) };
    metadata.entry("name").or_insert_with(|| if at == 0 { "test".into() } else { format!("test-{at}").into() });
    if namespaced {
        metadata.entry("namespace").or_insert_with(|| namespace.into());
    }
    let text = |key: &str| map.get(key).and_then(Json::as_str).unwrap_or_default();
    let gvk = Gvk::new(text("apiVersion"), text("kind"));
    let resource = resources::name_of_kind(&gvk.group, &gvk.kind);
    Sealer::new(None, "", Tokens::Trusted).seal(Json::Object(map), &resource, None).map_err(|error| error.to_string())
}

fn document(on: &On, json: &Json) -> Document {
    let text = |key: &str| json.get(key).and_then(Json::as_str);
    let resource = ResourceRef {
        api_version: crate::config::API_VERSION.into(),
        kind: text("kind").unwrap_or("Test").into(),
        namespace: text("namespace").map(Into::into),
        name: text("name").unwrap_or("test").into(),
        uid: None,
    };
    Document { on: on.clone(), resource, node: Node::from(json), base: "", evidence: Vec::new() }
}

fn refused(resource: &str) -> ListRecord {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    ListRecord {
        group: group.into(),
        version: "v1".into(),
        resource: plural.into(),
        kind: kinds::by_resource(resource).map_or_else(String::new, |known| known.kind.into()),
        namespaced: true,
        request: String::new(),
        outcome: ListOutcome::Refused { status: 403, reason: "Forbidden".into() },
        count: 0,
        pages: 0,
        retries: 0,
        resource_version: None,
        duration_ms: 0,
    }
}

/// Everything was seen, but for the lists that a case says were refused.
fn coverage(cluster: &ClusterIdentity, lists: Vec<ListRecord>) -> Coverage {
    Coverage {
        schema: "kubeproof.dev/coverage/v1".into(),
        source: Source { kind: SourceKind::Manifests, name: "test".into() },
        cluster: cluster.clone(),
        started: chrono::DateTime::UNIX_EPOCH,
        finished: chrono::DateTime::UNIX_EPOCH,
        caller: None,
        server: None,
        discovery_failures: Vec::new(),
        lists,
        redaction_key: None,
        excluded: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::embedded;

    #[test]
    fn every_embedded_check_shows_what_it_does() {
        let library = Library::load(&embedded()).unwrap();
        assert!(library.checks().len() > 0);
        let problems: Vec<String> = library
            .checks()
            .flat_map(|check| run(check).problems.into_iter().map(move |problem| (check, problem)))
            .map(|(check, problem)| format!("{}:{}: {}: {}", check.file, problem.line, problem.name, problem.message))
            .collect();
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn a_case_that_says_nothing_or_the_wrong_thing_is_a_problem() {
        let head = "id: x\ntitle: t\nseverity: low\non: pod\nfield: pod.hostPID\npass: '!value.orValue(false)'\nexpected: e\n\
                    message: m\nwhy: w\nremediation: r\ntests:\n";
        let problems =
            |tests: &str| run(&Check::parse("checks/x.yaml", format!("{head}{tests}").as_bytes()).unwrap()).problems;
        let pass = "  - {name: ok, object: {spec: {}}, pass: true}\n";
        let fail = "  - {name: bad, object: {spec: {hostPID: true}}, fail: [/spec/hostPID]}\n";
        assert_eq!(problems(&format!("{pass}{fail}")), []);
        for (tests, message) in [
            (pass.to_string(), "at least one object that passes and one that fails"),
            (format!("{pass}{fail}  - {{name: z, object: {{spec: {{}}}}}}\n"), "write exactly one of"),
            (format!("{pass}{fail}  - {{name: z, object: {{spec: {{}}}}, pass: false}}\n"), "write exactly one of"),
            (format!("{pass}{fail}  - {{name: z, object: {{spec: {{}}}}, fail: []}}\n"), "fail names no place"),
            (
                format!("{pass}{fail}  - {{name: z, object: {{spec: {{hostPID: true}}}}, fail: [/spec]}}\n"),
                "failed at /spec/hostPID",
            ),
            (
                format!("{pass}{fail}  - {{name: z, object: {{spec: {{}}}}, notEvaluated: true}}\n"),
                "expected not evaluated; passed",
            ),
            (format!("{pass}{fail}  - {{name: z, object: {{spec: {{hostPID: 3}}}}, pass: true}}\n"), "not evaluated:"),
        ] {
            let found = problems(&tests);
            assert!(found.iter().any(|problem| problem.message.contains(message)), "{message}: {found:?}");
        }
    }
}
