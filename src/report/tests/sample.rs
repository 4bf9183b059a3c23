//! Invented runs: from an empty cluster to one whose names no column was made for.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use serde_json::json;

use crate::{
    collect::*,
    config::{Exclusion, Scope, Selection},
    digest::Digest,
    drift::*,
    evaluate::*,
    framework::*,
    rbac::Grant,
    report::{self, *},
    resource::{Gvk, ResourceRef},
    snapshot::{Object, Snapshot},
};

/// Everything that an [`Input`] borrows.
pub struct Sample {
    pub meta: Meta,
    pub coverage: Coverage,
    pub snapshot: Snapshot,
    pub evaluation: Evaluation,
    pub drift: Drift,
    pub definitions: Definitions,
    pub history: Vec<HistoryLine>,
}

impl Sample {
    pub fn input(&self) -> report::Input<'_> {
        report::Input {
            meta: &self.meta,
            coverage: &self.coverage,
            snapshot: &self.snapshot,
            evaluation: &self.evaluation,
            drift: &self.drift,
            definitions: &self.definitions,
            history: &self.history,
        }
    }
}

pub const ODD_NAMES: [&str; 5] = [
    "服务-カート-очень-длинное-имя-workload-eu-central-1a-7f9c8d6b5-replica",
    "سلة-التسوق",
    "cart-🛒-with-emoji",
    "a\u{202e}txet-desrever",
    "naïve-café-Ελληνικά",
];

pub fn at(month: u32, day: u32, hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, month, day, hour, 0, 41).unwrap()
}

fn date(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

pub fn reference(kind: &str, namespace: &str, name: &str) -> ResourceRef {
    let api_version = if matches!(kind, "Deployment" | "DaemonSet" | "StatefulSet") { "apps/v1" } else { "v1" };
    let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    ResourceRef { api_version: api_version.into(), kind: kind.into(), namespace, name: name.into(), uid: None }
}

pub fn object(kind: &str, namespace: &str, name: &str, owner: Option<&str>) -> Object {
    let r = reference(kind, namespace, name);
    let owners = owner.map(|kind| json!([{"kind": kind, "name": "x", "controller": true}])).unwrap_or(json!([]));
    let value = json!({"apiVersion": r.api_version, "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": owners}});
    let text = value.to_string();
    let plural = format!("{}s", kind.to_lowercase());
    Object {
        gvk: Gvk::new(&r.api_version, kind),
        resource: if r.group().is_empty() { plural } else { format!("{plural}.{}", r.group()) },
        namespace: r.namespace,
        name: name.into(),
        uid: None,
        digest: Digest::of(&text),
        json: Arc::from(text),
        managers: Vec::new(),
        origin: None,
    }
}

pub const CHECKS: [(&str, Severity, &str, &str, &str); 6] = [
    (
        "container-privileged",
        Severity::Critical,
        "container app runs privileged",
        "A privileged container is root on its node: one flaw in it is a flaw in every workload beside it.",
        "Drop the setting; if the workload needs one kernel right, add that capability alone. Then roll it out.",
    ),
    (
        "rbac-secrets-read",
        Severity::Critical,
        "can read every Secret in payments",
        "Whoever reads Secrets reads the credentials of everything that uses them.",
        "Bind a Role that is limited to the one Secret in use.",
    ),
    (
        "namespace-default-deny",
        Severity::High,
        "has no policy that denies ingress by default",
        "Without it every pod of the cluster can reach every pod here.",
        "Apply the default-deny policy, then allow what is needed.",
    ),
    (
        "container-run-as-non-root",
        Severity::High,
        "container app may run as root",
        "Root in a container is close to root on the node.",
        "Set runAsNonRoot and a numeric user.",
    ),
    (
        "container-seccomp-profile",
        Severity::Medium,
        "no seccomp profile is set for container app",
        "Fewer system calls, fewer ways out.",
        "Set seccompProfile.type to RuntimeDefault.",
    ),
    (
        "image-tag-latest",
        Severity::Low,
        "image is named without a digest",
        "What runs tomorrow may not be what runs today.",
        "Name images by digest.",
    ),
];

pub fn finding(check: usize, kind: &str, namespace: &str, name: &str, owner: Option<&str>) -> Finding {
    let (id, severity, message, ..) = CHECKS[check];
    let path = "/spec/template/spec/containers/0/securityContext/privileged";
    let object = object(kind, namespace, name, None);
    Finding {
        id: Digest::of(format!("{id}{kind}{namespace}{name}")).short(16).parse().unwrap(),
        check: id.into(),
        severity,
        outcome: Outcome::Fail,
        reason: None,
        resource: reference(kind, namespace, name).into(),
        place: Place {
            container: (check != 1).then(|| "app".into()),
            path: path.into(),
            stable: "spec.template.spec.containers[name=app].securityContext.privileged".into(),
        },
        observed: json!(true),
        expected: "false or unset".into(),
        message: message.into(),
        evidence: [Evidence { resource: object.reference().to_string().into(), digest: object.digest }].into(),
        file: None,
        requirements: serves(check),
        owner: owner.map(Into::into),
        waiver: None,
        expected_by: None,
        policy: None,
    }
}

/// The rows that the nth check of the sample serves.
fn serves(check: usize) -> std::sync::Arc<[String]> {
    let rows: &[&str] = match check {
        0 => &["cis-kubernetes/5.2.2", "pci-dss/2.2.6", "pss-baseline/privileged", "nsa-cisa/pod-security"],
        1 => &["cis-kubernetes/5.1.2", "pci-dss/7.2.5"],
        2 => &["pci-dss/1.3.1", "cis-kubernetes/5.3.2"],
        _ => &["pss-restricted/x"],
    };
    rows.iter().map(|row| (*row).to_string()).collect()
}

fn list(group: &str, resource: &str, kind: &str, count: u64, outcome: ListOutcome) -> ListRecord {
    ListRecord {
        group: group.into(),
        version: "v1".into(),
        resource: resource.into(),
        kind: kind.into(),
        namespaced: true,
        request: format!("/api/v1/{resource}?limit=500"),
        outcome,
        count,
        pages: 1,
        retries: 0,
        resource_version: Some("10432".into()),
        duration_ms: 41,
    }
}

fn coverage(lists: Vec<ListRecord>) -> Coverage {
    Coverage {
        schema: "kubeproof.dev/coverage/v1".into(),
        source: Source { kind: SourceKind::Cluster, name: "https://10.0.0.1:6443".into() },
        cluster: ClusterIdentity {
            name: "prod-eu".into(),
            uid: Some("7f9c8d6b-5e4f-4a3b-9c2d-1e0f9a8b7c6d".into()),
            kubernetes: Some("v1.37.2".into()),
            platform: Some("kubeadm".into()),
        },
        started: at(11, 23, 6) - Duration::seconds(37),
        finished: at(11, 23, 6),
        caller: Some(Caller {
            username: "system:serviceaccount:kubeproof:collector".into(),
            groups: vec![
                "system:serviceaccounts".into(),
                "system:serviceaccounts:kubeproof".into(),
                "system:authenticated".into(),
            ],
            rules: vec![
                CallerRule {
                    verbs: vec!["get".into(), "list".into()],
                    groups: vec!["".into()],
                    resources: vec!["pods".into()],
                    names: vec![],
                },
                CallerRule {
                    verbs: vec!["create".into()],
                    groups: vec!["authorization.k8s.io".into()],
                    resources: vec!["selfsubjectrulesreviews".into()],
                    names: vec![],
                },
            ],
            rules_incomplete: false,
        }),
        server: Some(Server { url: "https://10.0.0.1:6443".into(), ca: Some(Digest::of("ca")), insecure: false }),
        discovery_failures: Vec::new(),
        lists,
        redaction_key: Some("3d9e01aa".into()),
        excluded: vec![
            Excluded { resource: "secrets".into(), reason: "their values are never needed".into() },
            Excluded { resource: "events".into(), reason: "they are noise, not state".into() },
        ],
    }
}

fn meta(full: bool) -> Meta {
    Meta {
        cluster: "prod-eu".into(),
        environment: Some("production".into()),
        confidentiality: Some("Confidential, card data scope".into()),
        scheduled: Some(at(11, 23, 6)),
        started: at(11, 23, 6) - Duration::seconds(37),
        finished: at(11, 23, 6),
        evidence_root: Digest::of("root"),
        signing_key: Digest::of("key"),
        log: Some(LogHead { index: 213, origin: "kubeproof.dev/log/prod-eu-7f9c8d6b".into() }),
        tool_version: "0.1.0".into(),
        full,
        gaps: Vec::new(),
    }
}

fn requirement(id: &str, title: &str, section: &str, coverage: RowCoverage, decides: &[&str]) -> Requirement {
    Requirement {
        id: id.into(),
        title: title.into(),
        section: Some(section.into()),
        level: None,
        coverage,
        assessment: None,
        periodicity: (coverage == RowCoverage::Manual).then(|| "every six months".into()),
        decides: decides.iter().map(|c| (*c).into()).collect(),
        supports: vec![],
        note: None,
    }
}

fn frameworks() -> Vec<Framework> {
    let framework = |id: &str, version: &str, title: &str, kind, requirements, outside: &[(&str, &str)]| Framework {
        api_version: "kubeproof.dev/v1".into(),
        id: id.into(),
        version: version.into(),
        title: title.into(),
        kind,
        kubernetes: None,
        platforms: vec![],
        source: "the standard's own numbering; sentences are ours".into(),
        requirements,
        outside: outside.iter().map(|(id, about)| Outside { id: (*id).into(), about: (*about).into() }).collect(),
    };
    let network = "Requirement 1, network security controls";
    let pci = vec![
        requirement(
            "1.2.1",
            "Rule sets for network controls exist and are in force.",
            network,
            RowCoverage::Partial,
            &["namespace-default-deny", "container-seccomp-profile"],
        ),
        requirement("1.2.7", "Network controls are reviewed every six months.", network, RowCoverage::Manual, &[]),
        requirement(
            "1.3.1",
            "Traffic into the card data environment is limited to what is needed.",
            network,
            RowCoverage::Partial,
            &["namespace-default-deny"],
        ),
        requirement("1.3.2", "Traffic out of it is limited too.", network, RowCoverage::Partial, &["image-tag-latest"]),
        requirement(
            "1.4.1",
            "Controls stand between trusted and untrusted networks.",
            network,
            RowCoverage::Partial,
            &["container-seccomp-profile"],
        ),
        requirement(
            "2.2.6",
            "Settings of system components leave no way to misuse them.",
            "Requirement 2, secure configuration",
            RowCoverage::Partial,
            &["container-privileged"],
        ),
        requirement(
            "7.2.5",
            "System accounts hold the rights they need and no others.",
            "Requirement 7, access by need",
            RowCoverage::Partial,
            &["rbac-secrets-read"],
        ),
    ];
    let cis = vec![
        requirement(
            "5.1.2",
            "Few may read Secrets.",
            "5.1 RBAC and service accounts",
            RowCoverage::Partial,
            &["rbac-secrets-read"],
        ),
        requirement(
            "5.2.2",
            "No container runs privileged.",
            "5.2 Pod Security Standards",
            RowCoverage::Automated,
            &["container-privileged"],
        ),
        requirement(
            "5.2.6",
            "No container may gain rights.",
            "5.2 Pod Security Standards",
            RowCoverage::Automated,
            &["image-tag-latest"],
        ),
        requirement(
            "5.7.1",
            "Namespaces separate what belongs apart.",
            "5.7 General policies",
            RowCoverage::Manual,
            &[],
        ),
    ];
    vec![
        framework(
            "cis-kubernetes",
            "2.0.1",
            "CIS Kubernetes Benchmark",
            FrameworkKind::Benchmark,
            cis,
            &[("1.1.1-1.1.21", "files on control plane nodes")],
        ),
        framework(
            "pci-dss",
            "4.0.1",
            "PCI DSS",
            FrameworkKind::Regulation,
            pci,
            &[("9.1-9.5", "physical access"), ("12.1-12.10", "policies and people")],
        ),
    ]
}

fn results() -> Vec<RequirementResult> {
    let statuses = [
        ("cis-kubernetes", "5.1.2", Status::Fail, "2 subjects may read Secrets"),
        ("cis-kubernetes", "5.2.2", Status::Fail, "2 of 41 containers run privileged"),
        ("cis-kubernetes", "5.2.6", Status::Pass, ""),
        ("cis-kubernetes", "5.7.1", Status::Manual, "a person decides"),
        ("pci-dss", "1.2.1", Status::Fail, "57 of 61 in-scope workloads are selected by a policy"),
        ("pci-dss", "1.2.7", Status::Attested, "last review 12 June 2026, network lead; next due 12 December"),
        ("pci-dss", "1.3.1", Status::Fail, "payments has no default-deny; six outside namespaces reach 4 workloads"),
        ("pci-dss", "1.3.2", Status::Partial, "every in-scope namespace denies egress by default"),
        ("pci-dss", "1.4.1", Status::NotEvaluated, "networkpolicies.networking.k8s.io was not seen"),
        ("pci-dss", "2.2.6", Status::Fail, "2 containers run privileged"),
        ("pci-dss", "7.2.5", Status::Fail, "1 subject may read Secrets"),
    ];
    let frameworks = frameworks();
    statuses
        .into_iter()
        .map(|(framework, id, status, reason)| {
            let f = frameworks.iter().find(|f| f.id == framework).unwrap();
            let r = f.requirements.iter().find(|r| r.id == id).unwrap();
            RequirementResult {
                framework: framework.into(),
                version: f.version.clone(),
                id: id.into(),
                status,
                coverage: r.coverage,
                decides: r.decides.clone(),
                supports: vec![],
                reason: (!reason.is_empty()).then(|| reason.into()),
                failures: u64::from(status == Status::Fail),
                waived: 0,
                passed: None,
                attestation: (status == Status::Attested).then(|| "A-07".into()),
                company_control: (id == "1.3.1").then(|| "NET-07".into()),
                owner: None,
            }
        })
        .collect()
}

fn definitions() -> Definitions {
    let checks = CHECKS.into_iter().map(|(id, _, title, why, fix)| {
        (
            id.to_owned(),
            CheckText { title: title.into(), why: why.into(), remediation: fix.into(), references: Vec::new() },
        )
    });
    Definitions {
        frameworks: frameworks(),
        scopes: vec![Scope {
            id: "card-data".into(),
            regulations: vec!["pci-dss".into()],
            namespaces: Some(Selection {
                names: vec!["payments".into(), "vault".into(), "gateway".into()],
                labels: BTreeMap::from([("data".into(), "card".into())]),
            }),
            nodes: None,
            connected_to: vec!["shop".into()],
            excluded: vec![Exclusion {
                what: "namespaces/staging".into(),
                reason: "no card data, separated by policy".into(),
            }],
            declared_by: "head of payments".into(),
            declared_on: date(10, 3),
        }],
        checks: checks.collect(),
    }
}

/// A first run that found nothing, with no framework and no scope.
pub fn empty() -> Sample {
    let coverage = coverage(vec![list("", "namespaces", "Namespace", 0, ListOutcome::Seen)]);
    let snapshot = Snapshot {
        cluster: coverage.cluster.clone(),
        redaction_key: None,
        objects: vec![],
        grants: vec![],
        images: vec![],
        nodes: vec![],
        components: vec![],
    };
    let evaluation = Evaluation {
        engine: "0.1.0".into(),
        counts: Counts::default(),
        findings: vec![],
        checks: vec![],
        requirements: vec![],
        frameworks: vec![],
        declarations: vec![],
    };
    let drift = Drift {
        audit: None,
        left_out: Vec::new(),
        schema: "kubeproof.dev/drift/v1".into(),
        baseline: None,
        cannot_compare: vec![],
        objects: vec![],
        permissions: vec![],
        findings: vec![],
        still: 0,
        declarations: vec![],
        rules: vec![],
        sight: vec![],
    };
    let history = vec![HistoryLine::of(&evaluation, &coverage, None)];
    let meta = Meta { log: None, environment: None, confidentiality: None, ..meta(false) };
    Sample { meta, coverage, snapshot, evaluation, drift, definitions: Definitions::default(), history }
}

/// A morning after a bad day: exceptions of every kind, a refused list, drift, waivers, thirteen weeks of history.
pub fn busy(full: bool) -> Sample {
    let mut sample = with_findings(full, busy_findings());
    let refused = ListOutcome::Refused { status: 403, reason: "Forbidden".into() };
    sample.coverage.lists.push(list("networking.k8s.io", "networkpolicies", "NetworkPolicy", 0, refused));
    sample.coverage.lists.push(list(
        "",
        "persistentvolumes",
        "PersistentVolume",
        0,
        ListOutcome::TimedOut { after_seconds: 30 },
    ));
    sample.meta.gaps = vec![
        Gap {
            resource: "networkpolicies.networking.k8s.io".into(),
            reason: "refused: 403 Forbidden".into(),
            declared: None,
        },
        Gap {
            resource: "persistentvolumes".into(),
            reason: "timed out after 30 s".into(),
            declared: Some(DeclaredGap {
                id: "G-1".into(),
                reason: "storage team, slow array".into(),
                until: date(12, 31),
            }),
        },
    ];
    sample.drift = busy_drift(&sample.evaluation);
    sample.snapshot.grants = vec![
        grant("ci-bot", "get", "secrets", Some("payments")),
        grant("ci-bot", "list", "secrets", Some("payments")),
        grant("deployer-of-everything-in-all-namespaces", "*", "*", None),
    ];
    sample.history = weeks(&sample);
    sample
}

pub fn grant(name: &str, verb: &str, resource: &str, namespace: Option<&str>) -> Grant {
    Grant {
        subject_kind: "ServiceAccount".into(),
        subject_name: name.into(),
        subject_namespace: Some("shop".into()),
        namespace: namespace.map(Into::into),
        verb: verb.into(),
        group: if verb == "*" { "*".into() } else { "".into() },
        resource: resource.into(),
        resource_name: None,
        url: None,
        binding_kind: "RoleBinding".into(),
        binding: "deployer".into(),
        role_kind: "ClusterRole".into(),
        role: "deployer".into(),
        rule: 0,
        aggregated_from: None,
        stock: false,
    }
}

fn busy_findings() -> Vec<Finding> {
    let long = "x".repeat(253);
    let mut findings = vec![
        finding(0, "Deployment", "shop", "cart", Some("team-shop")),
        finding(0, "Deployment", "search", ODD_NAMES[0], Some("team-search-and-recommendations")),
        finding(1, "ServiceAccount", "shop", "ci-bot", Some("team-platform")),
        finding(2, "Namespace", "", "payments", Some("team-payments")),
        finding(3, "Deployment", "shop", &long, Some("team-shop")),
    ];
    findings.extend(ODD_NAMES.iter().skip(1).map(|name| finding(3, "StatefulSet", "shop", name, Some("team-shop"))));
    findings.extend((0..7).map(|i| finding(4, "Deployment", "search", &format!("indexer-{i}"), None)));
    findings.extend((0..3).map(|i| finding(5, "CronJob", "batch", &format!("nightly-{i}"), Some("team-data"))));
    let mut expected = finding(0, "DaemonSet", "kube-system", "kube-proxy", None);
    expected.expected_by = Some("X-kube-proxy".into());
    let mut waived = finding(0, "Deployment", "legacy", "printer", Some("team-shop"));
    waived.waiver = Some("W-7".into());
    let mut unseen = finding(2, "List", "", "networkpolicies.networking.k8s.io", None);
    unseen.outcome = Outcome::NotEvaluated;
    unseen.reason = Some("networkpolicies.networking.k8s.io was refused: 403 Forbidden".into());
    findings.extend([expected, waived, unseen]);
    findings
}

/// `count` failures of one check.
pub fn many(count: usize) -> Sample {
    with_findings(
        true,
        (0..count)
            .map(|i| {
                finding(i % 6, "Deployment", &format!("team-{}", i % 40), &format!("service-{i}"), Some("team-shop"))
            })
            .collect(),
    )
}

fn with_findings(full: bool, mut findings: Vec<Finding>) -> Sample {
    findings.sort_by(|a, b| (b.severity, &a.check, &a.resource).cmp(&(a.severity, &b.check, &b.resource)));
    let mut sample = empty();
    sample.meta = meta(full);
    let mut objects: Vec<Object> = findings
        .iter()
        .filter(|f| f.resource.kind != "List")
        .map(|f| object(&f.resource.kind, f.resource.namespace.as_deref().unwrap_or(""), &f.resource.name, None))
        .collect();
    objects.extend((0..4).map(|i| object("Pod", "shop", &format!("cart-7f9c8d6b5-{i}"), Some("ReplicaSet"))));
    objects.push(object("ReplicaSet", "shop", "cart-7f9c8d6b5", Some("Deployment")));
    objects.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    objects.dedup_by(|a, b| a.sort_key() == b.sort_key());
    let count = |kind: &str| objects.iter().filter(|o| o.gvk.kind == kind).count() as u64;
    sample.coverage.lists = vec![
        list("", "namespaces", "Namespace", count("Namespace"), ListOutcome::Seen),
        list("", "pods", "Pod", count("Pod"), ListOutcome::Seen),
        list("", "serviceaccounts", "ServiceAccount", count("ServiceAccount"), ListOutcome::Seen),
        list("apps", "deployments", "Deployment", count("Deployment"), ListOutcome::Seen),
        list("apps", "statefulsets", "StatefulSet", count("StatefulSet") + 1, ListOutcome::Seen),
        list("gateway.networking.k8s.io", "httproutes", "HTTPRoute", 0, ListOutcome::NotServed),
    ];
    sample.snapshot.objects = objects;
    sample.evaluation.findings = findings;
    sample.evaluation.requirements = results();
    sample.evaluation.frameworks = framework_results();
    sample.evaluation.declarations = declarations();
    sample.definitions = definitions();
    sample.history = vec![HistoryLine::of(&sample.evaluation, &sample.coverage, Some(213))];
    sample
}

fn framework_results() -> Vec<FrameworkResult> {
    let mut all: Vec<FrameworkResult> = frameworks()
        .into_iter()
        .map(|f| FrameworkResult {
            scope: (f.id == "pci-dss").then(|| "card-data".into()),
            id: f.id,
            version: f.version,
            title: f.title,
            selected: true,
            note: None,
        })
        .collect();
    all.push(FrameworkResult {
        id: "hipaa".into(),
        version: "164".into(),
        title: "HIPAA Security Rule".into(),
        selected: false,
        note: Some("no scope is declared for it: name the namespaces that hold ePHI in scope.yaml".into()),
        scope: None,
    });
    all
}

fn declarations() -> Vec<Declaration> {
    let declaration = |kind: &str, id: &str, state: &str, until: Option<&str>, note: &str| Declaration {
        kind: kind.into(),
        id: id.into(),
        at: format!("{kind}s.yaml:12"),
        state: state.into(),
        until: until.map(Into::into),
        applies_to: vec!["x".into()],
        note: note.into(),
    };
    vec![
        declaration(
            "waiver",
            "W-7",
            "ends soon",
            Some("2026-11-29"),
            "risk-accepted: the printer driver is replaced in December; approver as written (head of shop); identity not verified",
        ),
        declaration(
            "waiver",
            "W-9",
            "expired",
            Some("2026-11-01"),
            "false-positive; approver as written; identity not verified",
        ),
        declaration(
            "attestation",
            "A-07",
            "in force",
            Some("2026-12-12"),
            "PCI 1.2.7: rule sets were reviewed, network lead",
        ),
        declaration("expected", "X-kube-proxy", "in force", None, "programs the node's network"),
    ]
}

pub fn change(finding: &Finding, change: FindingChangeKind, cause: Cause) -> FindingChange {
    FindingChange {
        id: finding.id,
        check: finding.check.clone(),
        severity: finding.severity,
        resource: finding.resource.clone(),
        place: finding.place.stable.clone(),
        change,
        cause,
        message: finding.message.clone(),
        owner: finding.owner.clone(),
        accepted: false,
    }
}

fn busy_drift(evaluation: &Evaluation) -> Drift {
    let new: Vec<&Finding> =
        evaluation.findings.iter().filter(|f| f.is_open_failure() && f.resource.path() == "shop/cart").collect();
    let gone: Vec<Finding> = (0..5).map(|i| finding(3, "Deployment", "search", &format!("ranker-{i}"), None)).collect();
    let lost = finding(2, "Namespace", "", "vault", None);
    let mut findings: Vec<FindingChange> =
        new.into_iter().map(|f| change(f, FindingChangeKind::New, Cause::Cluster)).collect();
    findings.extend(gone.iter().map(|f| change(f, FindingChangeKind::Resolved, Cause::Cluster)));
    findings.push(change(&lost, FindingChangeKind::LostSight, Cause::Sight));
    Drift {
        left_out: Vec::new(),
        schema: "kubeproof.dev/drift/v1".into(),
        baseline: Some(Baseline { bundle: "1b7e99c0".into(), index: Some(213), finished: at(11, 22, 6) }),
        cannot_compare: vec![],
        objects: vec![ObjectChange {
            resource: reference("Deployment", "shop", "cart"),
            change: ChangeKind::Changed,
            cause: Cause::Cluster,
            before: Some(Digest::of("before")),
            after: Some(Digest::of("after")),
            fields: vec![
                FieldChange {
                    path: "/spec/template/spec/containers/0/securityContext/privileged".into(),
                    stable: "spec.template.spec.containers[name=app].securityContext.privileged".into(),
                    before: None,
                    after: Some(json!(true)),
                    redacted: false,
                },
                FieldChange {
                    path: "/spec/template/spec/containers/0/env/3/value".into(),
                    stable: "spec.template.spec.containers[name=app].env[name=DB_PASSWORD].value".into(),
                    before: Some(json!("redacted (password)")),
                    after: Some(json!("redacted (password)")),
                    redacted: true,
                },
            ],
            changed_by: vec![
                ChangedBy::AuditLog {
                    user: "alice@example.com".into(),
                    acting_as: None,
                    verb: "patch".into(),
                    subresource: None,
                    time: at(11, 22, 14),
                    audit_id: "6a3d4e1c-5b77-4d0a-9c1e-0f5b1d2c3a4b".into(),
                    unnamed: false,
                    meanwhile: false,
                    trail: Digest::of("trail"),
                },
                ChangedBy::ManagedFields { manager: "helm".into(), operation: "Update".into(), time: at(11, 22, 14) },
            ],
            more_writes: 0,
        }],
        permissions: vec![PermissionChange {
            subject: "ServiceAccount/shop/ci-bot".into(),
            gained: vec![grant("ci-bot", "get", "secrets", Some("payments"))],
            lost: vec![],
            cause: Cause::Cluster,
            sensitive: true,
            summary: "ci-bot: read secrets in payments".into(),
            changed_by: vec![],
            more_writes: 0,
        }],
        findings,
        still: 14,
        declarations: vec![],
        rules: vec![RuleChange { file: "checks/image/image-tag-latest.yaml".into(), change: ChangeKind::Changed }],
        sight: vec![SightChange {
            resource: "networkpolicies.networking.k8s.io".into(),
            before: "seen".into(),
            after: "refused: 403 Forbidden".into(),
        }],
        audit: None,
    }
}

fn weeks(sample: &Sample) -> Vec<HistoryLine> {
    let own = HistoryLine::of(&sample.evaluation, &sample.coverage, Some(213));
    let counts =
        [(2, 14), (2, 13), (2, 13), (1, 12), (1, 12), (0, 0), (4, 14), (2, 12), (1, 11), (1, 11), (1, 12), (1, 11)];
    let mut lines: Vec<HistoryLine> = counts
        .into_iter()
        .zip((1..=12).rev())
        .filter(|(counts, _)| *counts != (0, 0))
        .map(|((critical, high), back)| HistoryLine {
            finished: own.finished - Duration::weeks(back),
            exceptions: BySeverity { critical, high, ..BySeverity::default() },
            ..own.clone()
        })
        .collect();
    lines.push(own);
    lines
}
