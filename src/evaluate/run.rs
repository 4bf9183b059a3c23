//! The whole stage: judge, mark, decide.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, Utc};
use rayon::prelude::*;

use super::{
    Evaluation, Finding, FindingId, Outcome, Rules,
    attestations::attestations,
    documents::Tables,
    engine,
    owners::Owners,
    providers,
    scope::Reach,
    status::{self, Within},
    waivers,
};
use crate::{
    collect::Coverage,
    framework::{Minor, POD_SECURITY, Selected, check::On, load::checks_of},
    snapshot::Snapshot,
};

/// What is asked of this stage.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The objects.
    pub snapshot: &'a Snapshot,
    /// What was seen.
    pub coverage: &'a Coverage,
    /// What decides.
    pub rules: &'a Rules,
    /// Minor version of the cluster; without one, the newest variant of each check decides.
    pub kubernetes: Option<Minor>,
    /// The day on which waivers and attestations are in force, or not.
    pub today: NaiveDate,
    /// Keep passes among the findings.
    pub keep_passes: bool,
}

impl<'a> Input<'a> {
    /// What a run asks, and a replay asks again: the cluster's own version, on the day on which it was seen.
    pub fn of_run(snapshot: &'a Snapshot, coverage: &'a Coverage, rules: &'a Rules) -> Self {
        let kubernetes = coverage.cluster.kubernetes.as_deref().and_then(|version| version.parse().ok());
        Self { snapshot, coverage, rules, kubernetes, today: coverage.finished.date_naive(), keep_passes: false }
    }
}

/// Judges everything, marks what is expected or waived, and decides every requirement.
pub fn run(input: &Input<'_>) -> Evaluation {
    let Input { snapshot, coverage, rules, kubernetes, today, keep_passes } = *input;
    let library = &rules.library;
    let scopes = rules.scope.as_ref().map_or(&[][..], |file| file.scopes.as_slice());
    let tables = Tables { defaults: Some(&rules.defaults), scopes, versions: rules.versions.as_ref() };
    let pod_security = &pod_security(rules);
    let scoped: Vec<&Selected> = rules.frameworks.iter().filter(|selected| selected.scope.is_some()).collect();
    let reaches: Vec<Reach<'_>> = scoped.iter().map(|selected| Reach::new(selected.scope.as_ref(), snapshot)).collect();
    let reaches = reaches.as_slice();
    let asked = engine::Input { snapshot, coverage, library, tables, kubernetes, pod_security, reaches, keep_passes };
    let engine::Judgement { mut findings, mut checks, counts, passed_within } = engine::run(&asked);
    let mut declarations = waivers::annotate(rules, snapshot, today, &mut findings, &mut checks);
    assign(rules, snapshot, &mut findings);
    let (in_force, attested) = attestations(rules, today);
    declarations.extend(attested);
    let (inherited, documents) = providers::documents(rules, coverage.cluster.platform.as_deref(), today);
    declarations.extend(documents);
    let words = status::Words { attested: &in_force, inherited: &inherited };
    let named = scoped.iter().map(|selected| selected.framework.id.as_str());
    let within =
        named.zip(reaches.iter().zip(passed_within)).map(|(id, (reach, passed))| (id, Within { reach, passed }));
    let within = within.collect();
    let requirements =
        status::requirements(rules, snapshot, &status::Said { findings: &findings, checks: &checks, within, words });
    Evaluation {
        engine: env!("CARGO_PKG_VERSION").into(),
        counts,
        findings,
        checks,
        requirements,
        frameworks: rules.framework_results(),
        declarations,
    }
}

/// What fails of the checks that time alone can change ([`Library::dated`]), were it `moment`.
pub fn failures_at(input: &Input<'_>, moment: DateTime<Utc>) -> Dated {
    let Input { snapshot, coverage, rules, kubernetes, .. } = *input;
    let library = &rules.library.dated();
    let coverage = &Coverage { finished: moment, ..coverage.clone() };
    let scopes = rules.scope.as_ref().map_or(&[][..], |file| file.scopes.as_slice());
    let tables = Tables { defaults: Some(&rules.defaults), scopes, versions: rules.versions.as_ref() };
    let pod_security = &BTreeSet::new();
    let asked = engine::Input {
        snapshot,
        coverage,
        library,
        tables,
        kubernetes,
        pod_security,
        reaches: &[],
        keep_passes: false,
    };
    let failures = engine::run(&asked).findings.into_iter().filter(|finding| finding.outcome == Outcome::Fail);
    let on_images = library.checks().filter(|check| check.on == On::Image);
    Dated {
        on_images: on_images.map(|check| check.id.clone()).collect(),
        checks: library.checks().map(|check| check.id.clone()).collect(),
        failures: failures.map(|finding| finding.id).collect(),
    }
}

/// Checks that time alone can change, and what fails of them at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dated {
    /// Ids of the checks.
    pub checks: BTreeSet<String>,
    /// Of those, the checks on images, which judge what scanners say.
    pub on_images: BTreeSet<String>,
    /// What fails.
    pub failures: BTreeSet<FindingId>,
}

/// The checks that the selected rows of the Pod Security Standards are decided by.
fn pod_security(rules: &Rules) -> BTreeSet<&str> {
    let frameworks = rules.frameworks.iter().map(|selected| &selected.framework);
    let standards = frameworks.filter(|framework| POD_SECURITY.contains(&framework.id.as_str()));
    standards.flat_map(|framework| &framework.requirements).flat_map(|row| &row.decides).map(String::as_str).collect()
}

/// Names the owner of each finding, and the requirements that its check serves.
fn assign(rules: &Rules, snapshot: &Snapshot, findings: &mut [Finding]) {
    let mut serves: BTreeMap<&str, Serves<'_>> = BTreeMap::new();
    for selected in &rules.frameworks {
        for row in &selected.framework.requirements {
            for check in checks_of(row) {
                let framework = selected.framework.id.as_str();
                serves.entry(check).or_default().rows.push((framework, format!("{framework}/{}", row.id)));
            }
        }
    }
    for serves in serves.values_mut() {
        serves.all = serves.rows.iter().map(|(_, row)| row.clone()).collect();
    }
    let owners = Owners::new(&rules.owners, snapshot);
    findings.par_iter_mut().for_each(|finding| {
        finding.owner = owners.of(&finding.resource);
        if let Some(serves) = serves.get(&*finding.check) {
            finding.requirements = serves.of(finding);
        }
    });
}

/// The rows that a check serves; findings share one list of them.
#[derive(Default)]
struct Serves<'a> {
    rows: Vec<(&'a str, String)>,
    all: Arc<[String]>,
}

impl Serves<'_> {
    fn of(&self, finding: &Finding) -> Arc<[String]> {
        if finding.policy.is_none() {
            return Arc::clone(&self.all);
        }
        let counts = self.rows.iter().filter(|(framework, _)| finding.counts_for(framework));
        counts.map(|(_, row)| row.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        evaluate::{Counts, Outcome, Status, samples::coverage},
        framework::{RuleFiles, embedded},
        snapshot::{Sealer, Tokens, assemble},
    };

    fn workload(kind: &str, namespace: &str, name: &str, privileged: bool) -> Value {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": {
            "template": {"spec": {"containers": [{"name": "app", "securityContext": {"privileged": privileged}}]}}}})
    }

    fn objects() -> Vec<Value> {
        let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        vec![
            namespace("shop"),
            namespace("payments"),
            namespace("kube-system"),
            workload("Deployment", "shop", "cart", true),
            workload("Deployment", "payments", "card", false),
            workload("DaemonSet", "kube-system", "kube-proxy", true),
        ]
    }

    fn evaluate(files: &[(&str, &str)], refused: &[&str]) -> Evaluation {
        evaluate_with(objects(), files, refused)
    }

    fn evaluate_with(objects: Vec<Value>, files: &[(&str, &str)], refused: &[&str]) -> Evaluation {
        let mut all: RuleFiles = embedded();
        all.extend(files.iter().map(|(name, text)| ((*name).to_string(), text.as_bytes().to_vec())));
        let coverage = coverage(refused);
        let rules = Rules::load(all, &[], &coverage.cluster).unwrap();
        let sealer = Sealer::new(None, "uid", Tokens::Foreign);
        let objects = objects.into_iter().map(|object| sealer.seal(object, "things", None).unwrap()).collect();
        let snapshot = assemble(objects, &coverage);
        let today = "2026-11-23".parse().unwrap();
        let input = Input {
            snapshot: &snapshot,
            coverage: &coverage,
            rules: &rules,
            kubernetes: None,
            today,
            keep_passes: false,
        };
        run(&input)
    }

    fn statuses(evaluation: &Evaluation) -> BTreeMap<String, Status> {
        let rows = evaluation.requirements.iter();
        rows.map(|row| (format!("{}/{}", row.framework, row.id), row.status)).collect()
    }

    const SCOPE: &str = "scopes: [{id: cards, regulations: [pci-dss], namespaces: {names: [payments]}, declaredBy: a, declaredOn: 2026-10-03}]";

    #[test]
    fn findings_become_statuses() {
        let owners =
            "teams: [{name: team-shop, namespaces: [shop]}]\nrequirements: [{id: pss-baseline/privileged, owner: sec}]";
        let evaluation = evaluate(&[("owners.yaml", owners)], &[]);
        let statuses = statuses(&evaluation);
        assert_eq!(statuses["pss-baseline/privileged"], Status::Fail);
        assert_eq!(statuses["pss-baseline/hostPorts"], Status::NotApplicable, "no port is named");
        assert_eq!(statuses["pss-baseline/hostNamespaces"], Status::Pass);
        assert_eq!(statuses["cis-kubernetes/5.6.1"], Status::Manual);
        assert!(!statuses.contains_key("pci-dss/2.2.3"), "no scope, no regulation");

        let privileged = evaluation.findings.iter().filter(|finding| finding.check.as_ref() == "container-privileged");
        let marks: Vec<_> =
            privileged.map(|f| (f.resource.to_string(), f.expected_by.as_deref(), f.owner.as_deref())).collect();
        assert_eq!(
            marks,
            [
                ("DaemonSet/kube-system/kube-proxy".into(), Some("X-kube-proxy"), None),
                ("Deployment/shop/cart".into(), None, Some("team-shop")),
            ]
        );
        let check = evaluation.checks.iter().find(|check| check.id == "container-privileged").unwrap();
        assert_eq!((check.failed, check.expected, check.waived), (2, 1, 0));
        let row = evaluation.requirements.iter().find(|row| row.framework == "pss-baseline" && row.id == "privileged");
        assert_eq!(row.map(|row| (row.failures, row.owner.as_deref())), Some((1, Some("sec"))));
    }

    /// What a pod in a namespace that pins `version` gives, on a cluster of 1.37.
    fn pinned(version: &str, spec: &Value) -> Evaluation {
        let labels = json!({"pod-security.kubernetes.io/enforce-version": version});
        let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "old"}, "spec": spec});
        evaluate_with(vec![namespace("old", labels), namespace("other", json!({})), pod], &[], &[])
    }

    #[test]
    fn a_pinned_policy_version_decides_its_own_rows_alone() {
        let open = json!({"containers": [{"name": "a"}]});
        let evaluation = pinned("v1.18", &open);
        let rows = statuses(&evaluation);
        assert_eq!(rows["pss-restricted/seccompProfile_restricted"], Status::Pass, "1.18 demanded no profile");
        assert_eq!(rows["cis-kubernetes/5.6.2"], Status::Fail, "a label weakens no benchmark");
        let finding = evaluation.findings.iter().find(|f| f.check.as_ref() == "container-seccomp-profile").unwrap();
        assert_eq!(finding.policy, Some(super::super::PolicyOf::Cluster));
        assert!(finding.requirements.iter().all(|row| !row.starts_with("pss-")), "{:?}", finding.requirements);
        assert!(finding.message.ends_with("(policy version 1.18, which the namespace pins, allows it)"));
        let places = |Counts { pass, fail, not_applicable, not_evaluated, manual }: Counts| {
            pass + fail + not_applicable + not_evaluated + manual
        };
        assert_eq!(places(evaluation.counts), places(pinned("latest", &open).counts), "each place counts once");
        for unpinned in ["latest", "v1.37", "v1.99", "1.18", "v1.018"] {
            let rows = statuses(&pinned(unpinned, &open));
            assert_eq!(rows["pss-restricted/seccompProfile_restricted"], Status::Fail, "{unpinned}");
        }
    }

    #[test]
    fn a_pinned_policy_version_may_be_the_stricter_one() {
        let spec = json!({
            "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "4096"}]},
            "containers": [{"name": "a"}]
        });
        let evaluation = pinned("v1.31", &spec);
        assert_eq!(statuses(&evaluation)["pss-baseline/sysctls"], Status::Fail);
        let finding = evaluation.findings.iter().find(|f| f.check.as_ref() == "pod-sysctls").unwrap();
        assert_eq!(*finding.requirements, ["pss-baseline/sysctls", "pss-restricted/sysctls"]);
        assert!(finding.message.ends_with("(by policy version 1.31, which the namespace pins)"), "{}", finding.message);
        assert_eq!(statuses(&pinned("v1.32", &spec))["pss-baseline/sysctls"], Status::Pass);
    }

    #[test]
    fn a_scope_is_not_passed_by_what_a_check_saw_elsewhere_and_always_holds_the_control_plane() {
        let framework = "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: regulation\nsource: s\nrequirements:\n  \
                         - {id: P, title: t, coverage: partial, decides: [container-privileged]}\n  \
                         - {id: A, title: t, coverage: partial, decides: [apiserver-profiling]}\n";
        let scope = SCOPE.replace("[pci-dss]", "[pci-dss, own]");
        let files = [("scope.yaml", scope.as_str()), ("frameworks/own-1.yaml", framework)];
        let api = |profiling: &str| {
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "kube-apiserver-n1", "namespace": "kube-system", "labels": {"component": "kube-apiserver"},
                    "annotations": {"kubernetes.io/config.mirror": "hash"}},
                "spec": {"nodeName": "n1", "containers": [{"name": "kube-apiserver", "image": "registry.k8s.io/kube-apiserver:v1.36.0",
                    "command": ["kube-apiserver", format!("--profiling={profiling}")]}]}})
        };
        let reasons = |objects: Vec<Value>| -> BTreeMap<String, (Status, String)> {
            let rows =
                evaluate_with(objects, &files, &[]).requirements.into_iter().filter(|row| row.framework == "own");
            rows.map(|row| (row.id, (row.status, row.reason.unwrap_or_default()))).collect()
        };
        let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let pod = |namespace: &str| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace},
                "spec": {"containers": [{"name": "a", "image": "a"}]}})
        };
        let outside = reasons(vec![namespace("payments"), namespace("shop"), pod("shop"), api("true")]);
        assert_eq!(outside["P"].0, Status::Manual);
        assert!(outside["P"].1.starts_with("nothing in scope was there to look at"), "{outside:?}");
        assert_eq!(outside["A"], (Status::Fail, "1 failure".into()), "the control plane serves the scope");
        let inside = reasons(vec![namespace("payments"), pod("payments"), api("false")]);
        assert!(inside["P"].1.starts_with("no exceptions noted"), "{inside:?}");
        assert!(inside["A"].1.starts_with("no exceptions noted"), "{inside:?}");
    }

    #[test]
    fn regulations_are_judged_in_their_scope_and_waived_failures_stay_failures() {
        let waiver = "waivers:\n  - {id: W-7, kind: risk-accepted, check: container-privileged, resources: {namespace: shop}, \
                      reason: r, approver: a, until: 2026-12-01}\n";
        let framework = "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: regulation\nsource: s\nrequirements:\n  \
                         - {id: P, title: t, coverage: partial, decides: [container-privileged]}\n  \
                         - {id: N, title: t, coverage: partial, decides: [namespace-pod-security-baseline]}\n";
        let scope = SCOPE.replace("[pci-dss]", "[pci-dss, own]");
        let files = [("scope.yaml", scope.as_str()), ("waivers.yaml", waiver), ("frameworks/own-1.yaml", framework)];
        let evaluation = evaluate(&files, &[]);
        let statuses = statuses(&evaluation);
        assert_eq!(statuses["pss-baseline/privileged"], Status::Fail, "waived, and a failure");
        assert_eq!(statuses["own/P"], Status::Partial, "shop is outside the declared scope, and payments is fine");
        assert_eq!(statuses["own/N"], Status::Fail, "payments enforces no level");
        assert_eq!(statuses["pci-dss/1.1.1"], Status::Manual);
        let row = evaluation.requirements.iter().find(|row| row.framework == "pss-baseline" && row.id == "privileged");
        assert_eq!(row.map(|row| (row.failures, row.waived)), Some((0, 1)));
        let declared: Vec<_> =
            evaluation.declarations.iter().filter(|d| d.kind == "waiver").map(|d| d.state.as_str()).collect();
        assert_eq!(declared, ["ends soon"]);
        assert!(
            evaluation
                .requirements
                .iter()
                .filter(|row| row.framework == "pci-dss")
                .all(|row| row.status != Status::Pass)
        );
    }

    #[test]
    fn an_alternative_measure_counts_where_the_rule_allows_one_and_with_its_document() {
        let scope = "scopes: [{id: s, regulations: [own], declaredBy: a, declaredOn: 2026-10-03}]";
        let framework = "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: regulation\nsource: s\nrequirements:\n  \
                         - {id: A, title: t, level: addressable, coverage: partial, decides: [container-privileged]}\n  \
                         - {id: R, title: t, level: required, coverage: partial, decides: [container-privileged]}\n";
        let waiver = "waivers:\n  - {id: W, kind: addressable-alternative, check: container-privileged, resources: {namespace: shop}, \
                      reason: r, approver: a, until: 2026-12-01, document: other.pdf}\n";
        let evaluate = |index: &str| {
            let files = [
                ("scope.yaml", scope),
                ("frameworks/own-1.yaml", framework),
                ("waivers.yaml", waiver),
                ("attested.json", index),
            ];
            let evaluation = evaluate(&files, &[]);
            let rows = evaluation.requirements.iter().filter(|row| row.framework == "own");
            rows.map(|row| (row.status, row.failures, row.waived)).collect::<Vec<_>>()
        };
        let digest = crate::digest::Digest::of("x");
        let with_document = evaluate(&format!("{{\"other.pdf\": \"{digest}\"}}"));
        assert_eq!(with_document, [(Status::Fail, 0, 1), (Status::Fail, 1, 0)]);
        assert_eq!(evaluate("{\"other.pdf\": null}"), [(Status::Fail, 1, 0), (Status::Fail, 1, 0)]);
    }

    #[test]
    fn a_refused_list_is_never_a_pass() {
        let framework = "apiVersion: kubeproof.dev/v1\nid: own\nversion: '1'\ntitle: t\nkind: regulation\nsource: s\nrequirements:\n  \
                         - {id: N, title: t, coverage: partial, decides: [netpol-default-deny-ingress]}\n";
        let scope = SCOPE.replace("[pci-dss]", "[pci-dss, own]");
        let files = [("scope.yaml", scope.as_str()), ("frameworks/own-1.yaml", framework)];
        let evaluation = evaluate(&files, &["networkpolicies.networking.k8s.io"]);
        let statuses = statuses(&evaluation);
        for row in ["cis-kubernetes/5.3.2", "own/N"] {
            assert_eq!(statuses[row], Status::NotEvaluated, "{row}");
        }
        let finding =
            evaluation.findings.iter().find(|finding| finding.check.as_ref() == "netpol-default-deny-egress").unwrap();
        assert_eq!(finding.outcome, Outcome::NotEvaluated);
    }

    #[test]
    fn a_subject_fails_for_what_people_gave_it_and_stock_grants_are_expected() {
        let stock = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
        let rbac = |kind: &str, name: &str, labels: &Value, rest: Value| {
            let meta = json!({"name": name, "labels": labels});
            let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": meta});
            object.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
            object
        };
        let binding = |role: &str, kind: &str, subject: &str| {
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": subject}]})
        };
        let reads = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]});
        let objects = [
            rbac("ClusterRole", "system:stock", &stock, reads.clone()),
            rbac("ClusterRoleBinding", "system:stock", &stock, binding("system:stock", "User", "system:controller")),
            rbac("ClusterRole", "reader", &json!({}), reads),
            rbac("ClusterRoleBinding", "ops", &json!({}), binding("reader", "Group", "ops")),
        ];
        let evaluation = evaluate_with(objects.to_vec(), &[], &[]);
        let findings = evaluation.findings.iter().filter(|finding| finding.check.as_ref() == "rbac-secrets-read");
        let marks: Vec<_> =
            findings.map(|f| (f.resource.to_string(), f.expected_by.as_deref(), f.observed.clone())).collect();
        assert_eq!(
            marks,
            [
                ("Group/ops".to_string(), None, json!(["ClusterRoleBinding/ops -> ClusterRole/reader"])),
                (
                    "User/system:controller".to_string(),
                    Some("X-stock-grants"),
                    json!(["ClusterRoleBinding/system:stock -> ClusterRole/system:stock"])
                ),
            ]
        );
        let row = evaluation.requirements.iter().find(|row| row.framework == "cis-kubernetes" && row.id == "5.1.2");
        assert_eq!(row.map(|row| (row.status, row.failures)), Some((Status::Fail, 1)));
    }

    #[test]
    fn the_example_shows_good_and_bad_practice() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut files: RuleFiles = embedded();
        for (name, key) in [
            ("scope.yaml", "scope.yaml"),
            ("owners.yaml", "owners.yaml"),
            ("waivers.yaml", "waivers.yaml"),
            ("attestations.yaml", "attestations.yaml"),
            ("expected.yaml", "user-expected.yaml"),
        ] {
            files.insert(key.into(), std::fs::read(root.join(name)).unwrap());
        }
        let collected = crate::collect::recorded::read(&root.join("shop-2026-11-23"), None).unwrap();
        let rules = Rules::load(files, &[], &collected.coverage.cluster).unwrap();
        let snapshot = assemble(collected.objects, &collected.coverage);
        let today = "2026-11-23".parse().unwrap();
        let coverage = &collected.coverage;
        let evaluation =
            run(&Input { snapshot: &snapshot, coverage, rules: &rules, kubernetes: None, today, keep_passes: false });
        // No list was refused: what is undecided has no input here, rests on flannel, lies in a store elsewhere, or waits
        // for a list of one's own.
        let known = [
            "never asked for",
            "was not collected",
            "not reported",
            "network plugin that runs here",
            "events leave the node",
            "no registry is approved",
            "no node report holds it",
            "only a report of the node itself",
        ];
        let surprises: Vec<_> = evaluation
            .checks
            .iter()
            .filter(|check| check.outcome == Outcome::NotEvaluated)
            .map(|check| (check.id.as_str(), check.reason.as_deref().unwrap_or_default()))
            .filter(|(_, reason)| !known.iter().any(|part| reason.contains(part)))
            .collect();
        assert_eq!(surprises, Vec::<(&str, &str)>::new());
        let waivers = evaluation.declarations.iter().filter(|declared| declared.kind == "waiver");
        let states: Vec<(&str, &str)> = waivers.map(|waiver| (waiver.id.as_str(), waiver.state.as_str())).collect();
        assert_eq!(states, [("W-3", "in force"), ("W-7", "expired"), ("W-9", "ends soon")]);
        let statuses = statuses(&evaluation);
        assert_eq!(statuses["pci-dss/1.2.7"], Status::Attested);
        assert_eq!(statuses["pss-baseline/hostPathVolumes"], Status::Fail, "waived failures are failures");
        let stock = |finding: &&Finding| &*finding.place.stable == "stock" && finding.is_open_failure();
        assert_eq!(evaluation.findings.iter().filter(stock).count(), 0, "what Kubernetes gives is nobody's task");
        let left_out = evaluation.frameworks.iter().filter(|framework| !framework.selected);
        assert_eq!(left_out.map(|framework| framework.id.as_str()).collect::<Vec<_>>(), ["gdpr", "hipaa"]);
    }
}
