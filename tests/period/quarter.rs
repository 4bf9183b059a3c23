//! Days of a small cluster, sealed and committed by the real code, and the package of them.

use std::{
    collections::BTreeMap,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use kubeproof::{
    bundle::{
        Facts, KeySet, Leaf, SignedBundle, bag,
        envelope::{self, Envelope},
        seal, sigstore,
    },
    canonical,
    collect::Coverage,
    digest::Digest,
    evaluate::{
        self, CheckResult, Counts, Declaration, Evaluation, Evidence, Finding, FindingId, FrameworkResult, Outcome,
        Place, RequirementResult, Status,
    },
    framework::{RowCoverage, Severity},
    period::{Holding, Period, PeriodError, Planned, Request, make, model::ClusterPeriod, pseudonym::PseudonymKey},
    report,
    resource::{Gvk, ResourceRef},
    snapshot::{self, Manager, Object},
    store::{Patience, Store},
};
use polars::prelude::{Column, DataType, ParquetReader, SerReader as _};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const CHECK: &str = "container-privileged";
pub const CLUSTER: &str = "shop-0a1b2c3d";
const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
const UID: &str = "0a1b2c3d-0000-4000-8000-000000000000";
const IMPATIENT: Patience = Patience { retries: 4, first_pause: Duration::ZERO, total: Duration::ZERO };

pub fn keys() -> KeySet {
    KeySet::generate([[1; 32], [2; 32], [3; 32]])
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Kind, namespace, name, message, waiver.
pub type Other = (&'static str, Option<&'static str>, &'static str, &'static str, Option<&'static str>);

/// What one run saw.
#[derive(Clone)]
pub struct Day {
    pub finished: DateTime<Utc>,
    pub scheduled: Option<DateTime<Utc>>,
    pub objects: Vec<Object>,
    /// Deployments of shop that run privileged, with their waiver.
    pub failing: Vec<(&'static str, Option<&'static str>)>,
    /// Of those, deployments whose failure is expected of the system.
    pub expected: Vec<&'static str>,
    /// Deployments of shop that could not be decided.
    pub undecided: Vec<&'static str>,
    /// Lists that were refused.
    pub refused: Vec<&'static str>,
    /// Text of the check's file.
    pub check: &'static str,
    /// Version of the framework.
    pub framework: &'static str,
    /// Name of the cluster.
    pub name: &'static str,
    /// uid of the cluster.
    pub uid: &'static str,
    /// Scope that the regulation was evaluated in; without one there is no regulation.
    pub scope: Option<&'static str>,
    /// Further files below `data/`.
    pub files: Vec<(String, Vec<u8>)>,
    /// What became of declarations.
    pub declarations: Vec<Declaration>,
    /// The run could read nothing.
    pub failed: bool,
    /// Version of kubeproof that says it made it.
    pub tool: &'static str,
    /// Failures of other objects.
    pub others: Vec<Other>,
    /// Service accounts of the namespace robots that read Secrets, each with its bindings that give it (namespace, name).
    pub readers: Vec<(&'static str, Vec<(&'static str, &'static str)>)>,
    /// Who answers for the requirements.
    pub owner: Option<&'static str>,
    /// Of a version that wrote no results beside the evaluation.
    pub old: bool,
}

impl Day {
    /// A quiet run that ended at `finished`: cart and search are there, nothing fails.
    pub fn new(finished: &str) -> Self {
        Self {
            finished: at(finished),
            scheduled: None,
            objects: vec![namespace("shop"), deployment("cart", 1), deployment("search", 1)],
            failing: Vec::new(),
            expected: Vec::new(),
            undecided: Vec::new(),
            refused: Vec::new(),
            check: "id: container-privileged\n",
            framework: "1.37",
            name: "shop",
            uid: UID,
            scope: None,
            files: Vec::new(),
            declarations: Vec::new(),
            failed: false,
            tool: env!("CARGO_PKG_VERSION"),
            others: Vec::new(),
            readers: Vec::new(),
            owner: None,
            old: false,
        }
    }

    /// A deployment fails; its object is of that revision.
    pub fn failing(mut self, name: &'static str, revision: u32) -> Self {
        self.failing.push((name, None));
        self.with(deployment(name, revision))
    }

    /// An object in place of the one of that name.
    pub fn with(mut self, object: Object) -> Self {
        self.objects.retain(|known| known.sort_key() != object.sort_key());
        self.objects.push(object);
        self
    }

    /// With a file below `data/`.
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// A run that could read nothing.
    pub fn failed(mut self) -> Self {
        self.refused = vec!["namespaces", "deployments.apps", ROLE_BINDINGS, "roles.rbac.authorization.k8s.io"];
        self.failed = true;
        self
    }

    /// Without a deployment.
    pub fn without(mut self, name: &str) -> Self {
        self.objects.retain(|object| object.name != name);
        self
    }

    fn coverage(&self) -> Coverage {
        let list = |group: &str, resource: &str, kind: &str| {
            let id = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
            let refused = self.refused.contains(&id.as_str());
            let outcome = match refused {
                true => json!({"is": "refused", "status": 403, "reason": "Forbidden"}),
                false => json!({"is": "seen"}),
            };
            let count = self.objects.iter().filter(|object| object.gvk.kind == kind).count();
            json!({
                "group": group, "version": "v1", "resource": resource, "kind": kind, "namespaced": true,
                "request": "/", "outcome": outcome, "count": if refused { 0 } else { count }, "pages": 1, "retries": 0,
                "resourceVersion": null, "durationMs": 1,
            })
        };
        serde_json::from_value(json!({
            "schema": "kubeproof.dev/coverage/v1", "source": {"kind": "recorded", "name": "shop"},
            "cluster": {"name": self.name, "uid": self.uid, "kubernetes": "v1.37.2", "platform": null},
            "started": self.finished - TimeDelta::seconds(4), "finished": self.finished, "caller": null, "server": null,
            "discoveryFailures": [], "redactionKey": null, "excluded": [],
            "lists": [
                list("", "namespaces", "Namespace"), list("apps", "deployments", "Deployment"),
                list("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"),
                list("rbac.authorization.k8s.io", "roles", "Role"),
            ],
        }))
        .unwrap()
    }

    fn evaluation(&self, objects: &[Object]) -> Evaluation {
        let finding = |name: &str, outcome: Outcome, waiver: Option<&str>| {
            let resource = ResourceRef {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: Some("shop".into()),
                name: name.into(),
                uid: None,
            };
            let place = "spec.template.spec.containers[name=app].securityContext.privileged";
            let of = objects.iter().filter(|object| object.name == name && object.gvk.kind == "Deployment");
            Finding {
                id: FindingId::of(CHECK, &resource, place),
                check: CHECK.into(),
                severity: Severity::Critical,
                outcome,
                reason: (outcome == Outcome::NotEvaluated).then(|| "the field is not readable".into()),
                evidence: of.map(|o| Evidence { resource: resource.to_string().into(), digest: o.digest }).collect(),
                resource: resource.into(),
                place: Place { container: Some("app".into()), path: "/spec".into(), stable: place.into() },
                observed: Value::Bool(true),
                expected: "false or unset".into(),
                message: "container app runs privileged".into(),
                file: None,
                requirements: match self.scope {
                    None => vec!["pss-baseline/privileged".to_owned()].into(),
                    Some(_) => vec!["pci-dss/privileged".to_owned(), "pss-baseline/privileged".to_owned()].into(),
                },
                owner: Some("team-shop".into()),
                waiver: waiver.map(Into::into),
                expected_by: self.expected.contains(&name).then(|| "E-1".into()),
                policy: None,
            }
        };
        let blind = self.refused.contains(&"deployments.apps");
        let fails = self.failing.iter().map(|(name, waiver)| finding(name, Outcome::Fail, *waiver));
        let undecided = self.undecided.iter().map(|name| finding(name, Outcome::NotEvaluated, None));
        let others = self.others.iter().map(|(kind, namespace, name, message, waiver)| {
            let resource = ResourceRef {
                api_version: "v1".into(),
                kind: (*kind).into(),
                namespace: namespace.map(Into::into),
                name: (*name).into(),
                uid: None,
            };
            let of = objects.iter().filter(|o| o.gvk.kind == *kind && o.name == *name);
            Finding {
                id: FindingId::of(CHECK, &resource, "spec"),
                evidence: of.map(|o| Evidence { resource: resource.to_string().into(), digest: o.digest }).collect(),
                resource: resource.into(),
                message: (*message).into(),
                ..finding("", Outcome::Fail, *waiver)
            }
        });
        let readers = self.readers.iter().map(|(name, bindings)| {
            let (api_version, kind) = ("v1".to_owned(), "ServiceAccount".to_owned());
            let namespace = Some("robots".to_owned());
            let resource = ResourceRef { api_version, kind, namespace, name: (*name).into(), uid: None };
            let of = objects.iter().filter(|o| {
                let place = (o.namespace.as_deref().unwrap_or_default(), o.name.as_str());
                o.gvk.kind == "RoleBinding" && bindings.contains(&place)
            });
            Finding {
                id: FindingId::of(CHECK, &resource, "grants"),
                evidence: of
                    .map(|o| Evidence { resource: o.reference().to_string().into(), digest: o.digest })
                    .collect(),
                resource: resource.into(),
                place: Place { container: None, path: "/grants".into(), stable: "grants".into() },
                message: "reads Secrets".into(),
                ..finding("", Outcome::Fail, None)
            }
        });
        let findings: Vec<Finding> = fails.chain(undecided).chain(others).chain(readers).collect();
        let failed = (self.failing.len() + self.others.len() + self.readers.len()) as u64;
        let unknown = self.undecided.len() as u64;
        let waivers =
            self.failing.iter().map(|(_, waiver)| waiver).chain(self.others.iter().map(|(.., waiver)| waiver));
        let waived = waivers.flatten().count() as u64;
        let status = match (failed, unknown, blind) {
            (1.., _, _) => Status::Fail,
            (0, 0, false) => Status::Pass,
            _ => Status::NotEvaluated,
        };
        let outcome = match status {
            Status::Fail => Outcome::Fail,
            Status::Pass => Outcome::Pass,
            _ => Outcome::NotEvaluated,
        };
        let framework = |id: &str, version: &str, scope: Option<&str>| FrameworkResult {
            id: id.into(),
            version: version.into(),
            title: id.into(),
            selected: true,
            note: None,
            scope: scope.map(Into::into),
        };
        let mut frameworks = vec![framework("pss-baseline", self.framework, None)];
        frameworks.extend(self.scope.map(|scope| framework("pci-dss", "4.0.1", Some(scope))));
        Evaluation {
            engine: self.tool.into(),
            counts: Counts { fail: failed, not_evaluated: unknown, ..Counts::default() },
            findings,
            checks: vec![CheckResult {
                id: CHECK.into(),
                title: "No container runs privileged".into(),
                severity: Severity::Critical,
                outcome,
                evaluated: if blind { 0 } else { 2 },
                failed,
                waived,
                expected: 0,
                not_evaluated: unknown,
                reason: blind.then(|| "deployments.apps was refused".into()),
            }],
            requirements: frameworks
                .iter()
                .map(|framework| RequirementResult {
                    framework: framework.id.clone(),
                    version: framework.version.clone(),
                    id: "privileged".into(),
                    status,
                    coverage: RowCoverage::Automated,
                    decides: vec![CHECK.into()],
                    supports: vec![],
                    reason: (status == Status::Fail).then(|| format!("{failed} failures")),
                    failures: failed,
                    waived: 0,
                    passed: None,
                    attestation: None,
                    company_control: None,
                    owner: self.owner.map(Into::into),
                })
                .collect(),
            frameworks,
            declarations: self.declarations.clone(),
        }
    }

    /// The signed bundle.
    pub fn seal(&self) -> SignedBundle {
        let coverage = self.coverage();
        let kinds: Vec<&str> = coverage.unseen().map(|list| list.kind.as_str()).collect();
        let seen = self.objects.iter().filter(|object| !kinds.contains(&object.gvk.kind.as_str())).cloned();
        let snapshot = snapshot::assemble(seen.collect(), &coverage);
        let evaluation = self.evaluation(&snapshot.objects);
        let mut files = snapshot::write(&snapshot).unwrap();
        files.insert("data/coverage.json".into(), canonical::to_vec(&coverage).unwrap());
        files.insert("data/evaluation.json".into(), evaluate::stored::write(&evaluation).unwrap());
        if !self.old {
            let results = evaluate::results::write(&evaluation).unwrap();
            files.extend(results.into_iter().map(|(name, bytes)| (format!("data/results/{name}"), bytes)));
        }
        files.insert("data/findings.parquet".into(), report::findings_parquet(&evaluation).unwrap());
        files.insert("data/rules/checks/pod/container-privileged.yaml".into(), self.check.into());
        for (id, version, kind) in [("pss-baseline", self.framework, "guide"), ("pci-dss", "4.0.1", "regulation")] {
            let framework = format!(
                "apiVersion: kubeproof.dev/v1\nid: {id}\nversion: '{version}'\ntitle: Own\nkind: {kind}\nsource: own\n\
                 requirements:\n  - {{id: privileged, title: No privileged containers, coverage: automated, \
                 periodicity: at least daily, decides: [{CHECK}]}}\n"
            );
            files.insert(format!("data/rules/frameworks/{id}.yaml"), framework.into_bytes());
        }
        files.extend(self.files.iter().cloned());
        let facts = Facts {
            coverage: &coverage,
            counts: evaluation.counts,
            environment: Some("production".into()),
            scheduled: self.scheduled,
            failure: self.failed.then(|| "no list was answered".to_owned()),
            binary: None,
            log_key: keys().log.public(),
            baseline: None,
        };
        let bundle = seal(files, facts, &keys().signing).unwrap();
        if self.tool == env!("CARGO_PKG_VERSION") { bundle } else { made_by(bundle, self.tool) }
    }
}

/// The bundle as another version of the tool would have signed it.
fn made_by(mut bundle: SignedBundle, version: &str) -> SignedBundle {
    let envelope = Envelope::parse(&bundle.files[envelope::FILE]).unwrap();
    let mut statement: Value = serde_json::from_slice(envelope.claimed()).unwrap();
    statement["predicate"]["tool"]["version"] = version.into();
    bundle.predicate.tool.version = version.into();
    let envelope = Envelope::sign(canonical::value_to_vec(&statement).unwrap(), &keys().signing);
    let octets = bundle.files.iter().filter(|(path, _)| path.starts_with(bag::DATA)).map(|(_, b)| b.len() as u64).sum();
    let derived = bag::derived(&bundle.files[bag::MANIFEST], octets, &bundle.predicate);
    bundle.files.extend(derived.into_iter().map(|(path, bytes)| (path, Bytes::from(bytes))));
    bundle.files.insert(sigstore::FILE.into(), sigstore::derive(&envelope, &keys().signing.public()).unwrap().into());
    bundle.files.insert(envelope::FILE.into(), envelope.to_bytes().unwrap().into());
    bundle.id = envelope.id();
    bundle.leaf = Leaf::bundle(envelope.id(), envelope.signature_digest(), &[]).unwrap();
    bundle
}

pub fn object(group: &str, kind: &str, resource: &str, namespace: Option<&str>, name: &str, body: Value) -> Object {
    let mut value = body;
    value["metadata"] = json!({"name": name, "namespace": namespace});
    value["kind"] = kind.into();
    let json: Arc<str> = String::from_utf8(canonical::value_to_vec(&value).unwrap()).unwrap().into();
    Object {
        gvk: Gvk { group: group.into(), version: "v1".into(), kind: kind.into() },
        resource: resource.into(),
        namespace: namespace.map(Into::into),
        name: name.into(),
        uid: None,
        digest: Digest::of(&*json),
        json,
        managers: Vec::new(),
        origin: None,
    }
}

pub fn namespace(name: &str) -> Object {
    object("", "Namespace", "namespaces", None, name, json!({}))
}

/// A deployment of shop; another revision is another digest.
pub fn deployment(name: &str, revision: u32) -> Object {
    let containers = json!([{"name": "app", "image": format!("registry.example.com/{name}:{revision}")}]);
    let body = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    object("apps", "Deployment", "deployments.apps", Some("shop"), name, body)
}

/// A deployment of another namespace.
pub fn deployment_in(namespace: &str, name: &str) -> Object {
    object("apps", "Deployment", "deployments.apps", Some(namespace), name, json!({}))
}

/// Somebody wrote to an object.
pub fn written(mut object: Object, manager: &str, time: &str) -> Object {
    object.managers = vec![Manager { manager: manager.into(), operation: "Update".into(), time: Some(at(time)) }];
    object
}

/// A role that reads Secrets, and its binding to a service account.
pub fn reads_secrets(account: &str) -> [Object; 2] {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1",
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1",
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "shop"}]});
    [
        object(RBAC, "Role", "roles.rbac.authorization.k8s.io", Some("shop"), "reader", role),
        object(RBAC, "RoleBinding", "rolebindings.rbac.authorization.k8s.io", Some("shop"), account, binding),
    ]
}

/// A store of its own with runs in it.
pub struct Quarter {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Quarter {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { folder: TempDir::with_prefix("kubeproof-period-").unwrap(), runtime }
    }

    /// With these runs, in the order of the log.
    pub fn of(days: impl IntoIterator<Item = Day>) -> Self {
        let quarter = Self::new();
        days.into_iter().for_each(|day| quarter.commit(&day.seal()));
        quarter
    }

    pub fn store(&self) -> Store {
        Store::open(&self.folder.path().join("evidence").display().to_string(), &BTreeMap::new()).unwrap()
    }

    /// Writes a bundle into the cluster's folder and its log.
    pub fn commit(&self, bundle: &SignedBundle) {
        self.commit_in(CLUSTER, bundle);
    }

    /// Writes a bundle into a cluster's folder and its log.
    pub fn commit_in(&self, cluster: &str, bundle: &SignedBundle) {
        self.put_in(cluster, bundle);
        let committed = async { self.store().commit(cluster, &bundle.leaf, &keys().log, None, IMPATIENT).await };
        self.runtime.block_on(committed).unwrap();
    }

    /// Writes a bundle that is never committed.
    pub fn put(&self, bundle: &SignedBundle) {
        self.put_in(CLUSTER, bundle);
    }

    fn put_in(&self, cluster: &str, bundle: &SignedBundle) {
        let put = async { self.store().put_bundle(cluster, &bundle.id, &bundle.files, IMPATIENT).await };
        self.runtime.block_on(put).unwrap();
    }

    /// The cluster's folder on the disk.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("evidence/clusters").join(CLUSTER)
    }

    pub fn bundle(&self, bundle: &SignedBundle) -> PathBuf {
        self.path().join("bundles").join(bundle.id.hex())
    }

    /// Makes the package of 1 to 10 October 2026.
    pub fn make(&self) -> Made {
        self.try_make(None, &[], None).unwrap()
    }

    pub fn try_make(
        &self,
        cron: Option<&str>,
        frameworks: &[String],
        scope: Option<&str>,
    ) -> Result<Made, PeriodError> {
        let stores = [Holding { store: self.store(), clusters: vec![CLUSTER.to_owned()] }];
        self.make_of(&stores, cron, frameworks, scope, None)
    }

    /// The same with pseudonyms.
    pub fn make_with(
        &self,
        cron: Option<&str>,
        frameworks: &[String],
        scope: Option<&str>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Made, PeriodError> {
        let stores = [Holding { store: self.store(), clusters: vec![CLUSTER.to_owned()] }];
        self.make_of(&stores, cron, frameworks, scope, pseudonyms)
    }

    /// The same of several stores.
    pub fn make_of(
        &self,
        stores: &[Holding],
        cron: Option<&str>,
        frameworks: &[String],
        scope: Option<&str>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Made, PeriodError> {
        let planned = cron.map(|cron| Planned {
            cron: cron.into(),
            time_zone: "UTC".into(),
            recurrence: kubeproof::schedule::Recurrence::parse(cron, chrono_tz::Tz::UTC).unwrap(),
            tolerance: TimeDelta::hours(1),
        });
        let keys = keys();
        let request = Request {
            from: "2026-10-01".parse().unwrap(),
            to: "2026-10-10".parse().unwrap(),
            now: at("2026-11-01T00:00:00Z"),
            stores,
            chosen: &[],
            frameworks,
            scope,
            pseudonyms,
            planned: planned.as_ref(),
            run_key: &keys.signing.public(),
            signing: &keys.signing,
            confidentiality: Some("Confidential, for the auditor"),
            program: None,
            on_bundle: &|_, _| {},
        };
        let folder = TempDir::with_prefix("kubeproof-package-").unwrap();
        let out = folder.path().join("q4");
        let made = self.runtime.block_on(make(&request, &out))?;
        let package = Package { id: made.package.id, root: made.package.root, files: read(&out) };
        Ok(Made { period: made.period, package })
    }

    /// What the package says of the only cluster.
    pub fn cluster(&self) -> ClusterPeriod {
        only(self.make().period)
    }
}

pub fn only(mut period: Period) -> ClusterPeriod {
    assert_eq!(period.clusters.len(), 1);
    period.clusters.remove(0)
}

/// A package, read back from where it was written.
#[derive(Clone)]
pub struct Made {
    pub period: Period,
    pub package: Package,
}

/// Every file of it, by bag path.
#[derive(Clone)]
pub struct Package {
    pub id: Digest,
    pub root: Digest,
    pub files: BTreeMap<String, Vec<u8>>,
}

/// The files of a folder, by their path in it.
pub fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let named = files.map(|entry| {
        let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        (path, std::fs::read(entry.path()).unwrap())
    });
    named.collect()
}

/// Writes a package's files into a folder.
pub fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The cells of a table as text, by column.
pub fn cells(bytes: &[u8]) -> BTreeMap<String, Vec<Option<String>>> {
    let frame = ParquetReader::new(Cursor::new(bytes)).finish().unwrap();
    let column = |column: &Column| {
        // Moments as numbers: writing them out with a zone needs a feature that nothing else does.
        let plain = if matches!(column.dtype(), DataType::Datetime(..)) {
            column.cast(&DataType::Int64).unwrap()
        } else {
            column.clone()
        };
        let texts = plain.cast(&DataType::String).unwrap();
        let texts = texts.str().unwrap().iter().map(|text| text.map(str::to_owned)).collect();
        (column.name().to_string(), texts)
    };
    frame.columns().iter().map(column).collect()
}
