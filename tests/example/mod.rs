//! The quarter of a small shop: what its one command builds tells the story that its README tells.

mod write;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use kubeproof::{
    bundle::statement::RunResult,
    evaluate::Status,
    period::{
        Period,
        model::{Bounds, Cause, ClusterPeriod, Ending, Exception, Interval, ScopeSubject},
    },
};

use crate::live::workspace::{Ended, Workspace, json};

/// The first recording.
const FIRST: &str = "2026-07-06";
/// The weeks after it; the run of 17 August never began.
const WEEKS: &[&str] = &[
    "2026-07-13",
    "2026-07-20",
    "2026-07-27",
    "2026-08-03",
    "2026-08-10",
    "2026-08-24",
    "2026-08-31",
    "2026-09-07",
    "2026-09-14",
    "2026-09-21",
    "2026-09-28",
];

fn quarter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quarter")
}

/// `examples/quarter/build.sh`, as the README says it, with the program under test.
fn build(user: &Workspace) -> Ended {
    let mut command = Command::new("sh");
    command.arg(quarter().join("build.sh")).current_dir(user.path("")).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", user.path("")).env("NO_COLOR", "1");
    command.env("KUBEPROOF", env!("CARGO_BIN_EXE_kubeproof")).output().unwrap().into()
}

#[test]
fn one_command_builds_a_package_that_tells_the_quarter() {
    let user = Workspace::new();
    let ended = build(&user).expect(0);
    for needle in ["12 of 13", "14 days", "17 Aug 06:00", "house-rules 2026.1 until", "kubeproof verify"] {
        assert!(ended.stdout.contains(needle), "no '{needle}' in:\n{}", ended.stdout);
    }
    let wide = ended.stdout.lines().find(|line| line.chars().count() > 80 && !line.contains("verify"));
    assert_eq!(wide, None, "the summary fits a terminal");

    let package = user.path("quarter/package");
    let period: Period = serde_json::from_value(json(&package.join("data/period.json"))).unwrap();
    let [shop] = &period.clusters[..] else { panic!("one cluster: {:?}", period.clusters.len()) };
    the_weeks(shop);
    the_incident(shop);
    the_waiver(shop);
    the_upgrade(shop);
    the_rules(shop);
    the_access_review(shop, &package);
    the_scope(shop);
    proves_itself(&user, &package);
    answers(&user, &package, only(shop, "container-privileged", "card-gateway"));
    let again = build(&user).expect(2);
    assert!(again.stderr.contains("quarter exists: name a new folder"), "{}", again.stderr);
}

/// Twelve Mondays, none on 17 August: named as a missed run, and as a gap that rows of the house do not allow.
fn the_weeks(shop: &ClusterPeriod) {
    let days: Vec<String> = shop.runs.iter().map(|run| run.finished.date_naive().to_string()).collect();
    assert_eq!(days, [&[FIRST], WEEKS].concat());
    assert!(shop.runs.iter().all(|run| run.result == RunResult::Complete));
    assert!(shop.excluded.is_empty());
    let cadence = &shop.cadence;
    assert_eq!((cadence.expected, cadence.met), (Some(13), 12));
    let missed: Vec<String> = cadence.missed.iter().map(|missed| missed.due.to_rfc3339()).collect();
    assert_eq!(missed, ["2026-08-17T06:00:00+00:00"]);
    assert!(cadence.unscheduled.is_empty());
    let gap = cadence.longest_gap.as_ref().unwrap();
    assert_eq!((day(shop, gap.after.unwrap()), day(shop, gap.before.unwrap())), ("10 Aug".into(), "24 Aug".into()));
    let weekly = cadence.periodicities.iter().find(|row| row.interval == Interval::Weekly).unwrap();
    assert_eq!(weekly.exceeded, std::slice::from_ref(gap));
    assert_eq!(weekly.requirements, ["house-rules/H-1", "house-rules/H-2", "house-rules/H-3"]);
}

/// Opened on 24 July, closed in two steps: each with the runs between which it began and ended, and who wrote.
fn the_incident(shop: &ClusterPeriod) {
    let privileged = only(shop, "container-privileged", "card-gateway");
    assert_eq!(
        (privileged.began_by, between(shop, privileged.began)),
        (Cause::ObjectChanged, "20 Jul to 27 Jul".into())
    );
    assert_eq!(ended(shop, privileged), (Cause::ObjectChanged, "3 Aug to 10 Aug".into()));
    assert!(privileged.ending.is_repair());
    assert_eq!((privileged.seen_in, privileged.waivers.len()), (2, 0));
    let days = 24 * 3600;
    assert_eq!(privileged.duration.at_least_seconds, 7 * days);
    assert_eq!(privileged.duration.at_most_seconds, Some(21 * days));
    let by = |x: &Exception| x.written_by.iter().map(|by| by.who()).collect::<Vec<_>>();
    assert_eq!(by(privileged), ["kubectl-edit", "k.lind@shop.example"], "the audit log names the person");

    let policy = only(shop, "netpol-no-allow-all", "card-gateway");
    assert_eq!(between(shop, policy.began), "20 Jul to 27 Jul");
    assert_eq!(ended(shop, policy), (Cause::ObjectChanged, "27 Jul to 3 Aug".into()));
    assert_eq!(by(policy), ["kubectl-edit", "k.lind@shop.example"]);
    let scope = &shop.scope_on("card-data", 0).unwrap().holds;
    assert_eq!(
        (scope.declared_by.as_str(), scope.excluded[0].what.as_str()),
        ("head of payments", "namespaces/staging")
    );
    let cited = |check: &str| -> Vec<String> {
        let of_check = shop.exceptions.iter().filter(|x| x.check == check).flat_map(|x| &x.evidence);
        of_check.map(|cited| cited.resource.split('/').next().unwrap().to_owned()).collect()
    };
    let readers = cited("scope-outside-readers");
    let gives = |kind: &String| kind.ends_with("Binding") || kind.ends_with("Role");
    assert!(!readers.is_empty() && readers.iter().all(gives), "what gives the right: {readers:?}");
    let sources = cited("scope-undeclared-sources");
    assert!(!sources.is_empty() && sources.iter().all(|kind| kind == "NetworkPolicy"), "{sources:?}");
    let repaired = |x: &Exception| x.repaired_by.iter().map(|by| by.who()).collect::<Vec<_>>();
    // The bytes are those of before the incident, and whoever wrote them back is another than who wrote them first.
    let controller = "system:serviceaccount:flux-system:kustomize-controller";
    for exception in [privileged, policy] {
        assert_eq!(repaired(exception), ["kustomize-controller", controller], "by the object, and by the audit log");
    }

    let lind = shop.privileged.iter().find(|subject| subject.name == "k.lind@shop.example").unwrap();
    for power in &lind.powers {
        assert_eq!(between(shop, power.gained.unwrap()), "20 Jul to 27 Jul", "{}", power.power);
        assert_eq!(between(shop, power.lost.unwrap()), "27 Jul to 3 Aug", "{}", power.power);
        assert_eq!(power.given_by[0].who(), "kubectl-create");
    }
}

/// It ended on 31 August and its failure did not: from then on it stands without one.
fn the_waiver(shop: &ClusterPeriod) {
    let waiver = shop.declarations.iter().find(|declared| declared.id == "W-4").unwrap();
    let states: Vec<String> =
        waiver.states.iter().map(|span| format!("{} {}", span.state, day(shop, span.first))).collect();
    assert_eq!(states, ["in force 6 Jul", "ends soon 24 Aug", "expired 7 Sep"]);
    let root = only(shop, "container-may-be-root", "legacy-export");
    let under: Vec<String> =
        root.waivers.iter().map(|span| format!("{} to {}", span.id, day(shop, span.last))).collect();
    assert_eq!(under, ["W-4 to 31 Aug"]);
    assert_eq!((&root.ending, day(shop, root.last_seen)), (&Ending::Open, "28 Sep".into()));
}

/// The API server within the missed week, the second node a week later.
fn the_upgrade(shop: &ClusterPeriod) {
    let changes = |what: ScopeSubject| -> Vec<String> {
        let of = shop.scope_changes.iter().filter(|change| change.what == what);
        of.map(|change| {
            let [before, after] = [&change.before, &change.after].map(|side| side.as_deref().unwrap_or("-"));
            format!("{}: {before} -> {after}, {}", change.name, between(shop, change.between))
        })
        .collect()
    };
    assert_eq!(changes(ScopeSubject::Kubernetes), ["kubernetes: v1.36.4 -> v1.37.2, 10 Aug to 24 Aug"]);
    let nodes = ["cp-1: kubelet v1.36.4 -> kubelet v1.37.2, 10 Aug to 24 Aug"];
    assert_eq!(
        changes(ScopeSubject::Node),
        [nodes[0], "worker-1: kubelet v1.36.4 -> kubelet v1.37.2, 24 Aug to 31 Aug"]
    );
    assert_eq!(changes(ScopeSubject::Framework), ["house-rules: 2026.1 -> 2026.2, 7 Sep to 14 Sep"]);
    assert_eq!(changes(ScopeSubject::Checks).len(), 1);
    assert_eq!(changes(ScopeSubject::Namespace), [""; 0]);
}

/// New checks find what was there before, and let go what was never wrong: neither is the cluster's doing.
fn the_rules(shop: &ClusterPeriod) {
    let toolbox = only(shop, "house-registries", "toolbox");
    assert_eq!((toolbox.began_by, between(shop, toolbox.began)), (Cause::RulesChanged, "7 Sep to 14 Sep".into()));
    assert_eq!(ended(shop, toolbox), (Cause::ObjectCameOrWent, "14 Sep to 21 Sep".into()));
    let grafana = only(shop, "house-replicas", "grafana");
    assert_eq!(ended(shop, grafana), (Cause::RulesChanged, "7 Sep to 14 Sep".into()));
    assert!(!grafana.ending.is_repair());
    let ended_by_rules =
        shop.exceptions.iter().filter(|x| matches!(x.ending, Ending::Ended { cause: Cause::RulesChanged, .. }));
    let mut ended_by_rules: Vec<&str> = ended_by_rules.map(|x| &*x.resource.name).collect();
    ended_by_rules.sort_unstable();
    assert_eq!(ended_by_rules, ["checkout", "grafana", "kube-state-metrics", "storefront"]);
    let age = only(shop, "node-age", "shop-prod");
    assert_eq!((age.began_by, between(shop, age.began)), (Cause::TimePassed, "21 Sep to 28 Sep".into()));
    let groups = shop.requirements.iter().find(|row| row.full_id() == "house-rules/H-3").unwrap();
    assert_eq!(groups.statuses.iter().filter(|status| status.is_none()).count(), 9, "the row is as old as its version");
}

/// A signed document, the account that it removed, and the row that rests on it.
fn the_access_review(shop: &ClusterPeriod, package: &Path) {
    let review = shop.declarations.iter().find(|declared| declared.id == "A-10").unwrap();
    assert_eq!((review.kind.as_str(), &review.applies_to[..]), ("attestation", &["pci-dss/7.2.4".to_owned()][..]));
    assert_eq!((review.states[0].state.as_str(), day(shop, review.states[0].first)), ("in force", "13 Jul".into()));
    let document = review.files[0].path.as_ref().unwrap();
    let written = quarter().join("weeks/2026-07-13/config/documents/access-review-h2.md");
    assert_eq!(fs::read(package.join(document)).unwrap(), fs::read(written).unwrap());
    let row = shop.requirements.iter().find(|row| row.full_id() == "pci-dss/7.2.4").unwrap();
    let said: Vec<&str> = row.reasons.iter().map(|span| span.reason.split(',').next().unwrap()).collect();
    assert_eq!(said, ["A-05", "A-10"]);
    let diaz = shop.privileged.iter().find(|subject| subject.name == "r.diaz@agency.example").unwrap();
    assert_eq!(between(shop, diaz.powers[0].lost.unwrap()), "6 Jul to 13 Jul");
}

/// What each run counted in the scope is what the package lists for it. The pipeline's account makes jobs in payments; it
/// reads Secrets and mints tokens in staging alone, which the scope leaves out.
fn the_scope(shop: &ClusterPeriod) {
    let rows: Vec<_> = shop.requirements.iter().filter(|row| row.framework == "pci-dss").collect();
    let mut failed = 0;
    for (row, run) in rows.iter().flat_map(|row| shop.runs.iter().map(move |run| (row, run.number))) {
        let numbers = |reason: &str| reason.split([' ', ',']).filter_map(|word| word.parse::<usize>().ok()).sum();
        let said: usize = match row.status_on(run) {
            Some(Status::Fail) => row.reason_on(run).map_or(0, numbers),
            _ => 0,
        };
        let listed =
            row.exceptions.iter().filter_map(|id| shop.exception(id)).filter(|x| x.runs().any(|seen| seen == run));
        assert_eq!(listed.count(), said, "{} on {}: {:?}", row.full_id(), day(shop, run), row.reason_on(run));
        failed += said;
    }
    assert!(failed > 100, "{failed}");
    let cited = |x: &Exception| x.evidence.iter().map(|object| object.resource.to_string()).collect::<Vec<_>>();
    let is_in_scope = |x: &Exception| x.requirements.iter().any(|id| id.starts_with("pci-dss/"));
    for check in ["rbac-secrets-read", "rbac-token-create"] {
        let bot = only(shop, check, "ci-bot");
        let (role, from) = ("ClusterRole/edit", "ClusterRole/system:aggregate-to-edit");
        assert_eq!(
            cited(bot),
            [role, from, "RoleBinding/staging/ci-bot-edit"],
            "what it fails by, and no other binding"
        );
        assert!(!is_in_scope(bot), "{:?}", bot.requirements);
    }
    let jobs = only(shop, "rbac-workload-create", "ci-bot");
    assert!(is_in_scope(jobs) && cited(jobs).contains(&"RoleBinding/payments/ci-bot-deployer".to_owned()));
}

/// The package and every byte of it, under the key that the script made.
fn proves_itself(user: &Workspace, package: &Path) {
    let verify = || {
        let mut command = user.kubeproof();
        Ended::from(command.arg("verify").arg(package).arg("--key").arg("quarter/keys/signing.pub").output().unwrap())
    };
    verify().expect(0);
    for file in ["data/period.json", "data/documents/readme.md", "attest/bundle.dsse.json"] {
        let path = package.join(file);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let at = changed.len() / 2;
        changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
        fs::write(&path, changed).unwrap();
        let code = verify().code;
        assert!((3..=4).contains(&code), "{file}: exit code {code}");
        fs::write(&path, whole).unwrap();
    }
    verify().expect(0);
}

/// What an auditor asks of it.
fn answers(user: &Workspace, package: &Path, privileged: &Exception) {
    let questions: [(&[&str], &str); 5] = [
        (&["W-4"], "expired on run 0008 (7 Sep 2026 06:00 UTC) to run 0011"),
        (
            &["pci-dss/7.2.4", "--on", "2026-07-10"],
            "Said by A-05 (ends soon): head of payments, 9 Jan 2026 to 9 Jul 2026",
        ),
        (&["cis-kubernetes/3.1.1", "--on", "2026-08-17"], "a run was due on 17 Aug 2026 06:00 UTC and is not here"),
        (&["house-rules/H-3", "--on", "2026-09-10"], ": house-rules 2026.1, then 2026.2"),
        (&[&privileged.id], "k.lind@shop.example, 24 Jul 2026 22:41 UTC (patch, audit log entry"),
    ];
    for (question, answer) in questions {
        let mut command = user.kubeproof();
        command
            .arg("explain")
            .args(question)
            .arg("--package")
            .arg(package)
            .arg("--key")
            .arg("quarter/keys/signing.pub");
        let said = Ended::from(command.output().unwrap()).expect(0).stdout;
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(answer), "{question:?}: {said}");
    }
}

/// The only exception of a check on an object of that name.
fn only<'a>(shop: &'a ClusterPeriod, check: &str, name: &str) -> &'a Exception {
    let found: Vec<&Exception> =
        shop.exceptions.iter().filter(|x| x.check == check && x.resource.name == name).collect();
    assert_eq!(found.len(), 1, "{check} of {name}");
    found[0]
}

/// `27 Jul`.
fn day(shop: &ClusterPeriod, run: u32) -> String {
    shop.run(run).unwrap().finished.format("%-d %b").to_string()
}

fn between(shop: &ClusterPeriod, bounds: Bounds) -> String {
    format!("{} to {}", bounds.after.map_or_else(|| "?".into(), |run| day(shop, run)), day(shop, bounds.by))
}

fn ended(shop: &ClusterPeriod, exception: &Exception) -> (Cause, String) {
    match &exception.ending {
        Ending::Ended { bounds, cause } => (*cause, between(shop, *bounds)),
        other => panic!("{} has not ended: {other:?}", exception.id),
    }
}
