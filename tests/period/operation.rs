//! What the package says of failures, requirements, access and schedules, on runs whose every fact is known.

use kubeproof::{
    evaluate::Status,
    period::model::{
        Bounds, Cause, Ending, Exception, Interval, ItemClass, Longest, RemarkKind, Schedule, ScopeSubject,
    },
};

use super::quarter::{CHECK, Day, Quarter, at, deployment, only, reads_secrets, written};

fn day(number: u32) -> Day {
    Day::new(&format!("2026-10-{number:02}T06:00:00Z"))
}

fn one(exceptions: &[Exception]) -> &Exception {
    let [one] = exceptions else { panic!("one exception: {exceptions:#?}") };
    one
}

#[test]
fn a_failure_has_bounds_a_cause_who_did_it_and_its_object() {
    let hole = written(deployment("cart", 2), "helm", "2026-10-02T22:00:00Z");
    let cluster =
        Quarter::of([day(1), day(2), day(3).failing("cart", 2).with(hole), day(4).failing("cart", 2), day(5)])
            .cluster();
    let x = one(&cluster.exceptions);
    assert_eq!((x.id.as_str(), x.check.as_str(), x.owner.as_deref()), ("X-0001", CHECK, Some("team-shop")));
    assert_eq!((x.began, x.began_by), (Bounds { after: Some(1), by: 2 }, Cause::ObjectChanged));
    let bounds = Bounds { after: Some(3), by: 4 };
    assert_eq!(x.ending, Ending::Ended { bounds, cause: Cause::ObjectChanged });
    let [after] = x.evidence_after.as_slice() else { panic!("{:?}", x.evidence_after) };
    assert_eq!(after.resource, x.evidence[0].resource);
    assert!(x.evidence.iter().all(|cited| cited.digest != after.digest), "the repaired object is another one");
    assert!(x.ending.is_repair());
    // Seen on two mornings; without it on the morning before and the morning after.
    assert_eq!((x.duration.at_least_seconds, x.duration.at_most_seconds), (86_400, Some(3 * 86_400)));
    let managers: Vec<String> = x.written_by.iter().map(|by| by.who()).collect();
    assert_eq!(managers, ["helm"]);
    assert_eq!(x.evidence.len(), 1, "the same object in the same state is cited once");
    assert_eq!((x.evidence[0].digest, x.evidence[0].run), (deployment("cart", 2).digest, 2));

    let row = &cluster.requirements[0];
    let (pass, fail) = (Some(Status::Pass), Some(Status::Fail));
    assert_eq!(row.statuses, [pass, pass, fail, fail, pass]);
    let effect = row.effectiveness.as_ref().unwrap();
    assert_eq!(effect.sentence, "no exception in 3 of 5 runs; longest unobserved interval 5 days 18 hours");
    assert_eq!(effect.unobserved_after, Some(4), "nothing was seen after the fifth of ten days");
    assert_eq!(row.exceptions, ["X-0001"]);
    let times = &cluster.repair_times[0];
    assert_eq!((times.repaired, times.open, times.unbounded), (1, 0, 0));
}

#[test]
fn every_failure_of_a_run_is_an_exception_or_expected_or_left_out() {
    let mut two = day(2).failing("cart", 2).failing("search", 2);
    two.expected = vec!["search"];
    let mut blind = day(3);
    blind.undecided.push("cart");
    let cluster = Quarter::of([day(1), two, blind.with(deployment("cart", 2)), day(4).failing("cart", 2)]).cluster();
    assert_eq!(one(&cluster.exceptions).runs().collect::<Vec<_>>(), [1, 3]);
    let totals = |cluster: &kubeproof::period::model::ClusterPeriod| -> Vec<(u64, [u64; 3])> {
        let parts = |total: &kubeproof::period::model::ControlTotal| {
            let bridge = total.bridge.unwrap();
            (total.failures, [bridge.exceptions, bridge.expected, bridge.left_out])
        };
        cluster.control_totals.iter().map(parts).collect()
    };
    assert_eq!(totals(&cluster), [(0, [0, 0, 0]), (2, [1, 1, 0]), (0, [0, 0, 0]), (1, [1, 0, 0])]);
    assert!(cluster.control_totals.iter().all(|total| total.differences.is_empty()), "{:?}", cluster.control_totals);
}

#[test]
fn what_is_asked_for_since_a_run_was_not_unobserved_before_it() {
    let mut later = day(4);
    later.scope = Some("card-data");
    let after = |day: Day| Day { scope: Some("card-data"), ..day };
    let cluster = Quarter::of([day(1), day(2), later, after(day(5))]).cluster();
    let row = cluster.requirements.iter().find(|row| row.framework == "pci-dss").unwrap();
    assert_eq!(row.statuses[..2], [None, None]);
    let sentence = &row.effectiveness.as_ref().unwrap().sentence;
    let said = "no exception in 2 of 2 runs; longest unobserved interval 5 days 18 hours; asked for since 4 Oct 2026";
    assert_eq!(sentence, said);
    assert!(row.overdue.iter().all(|gap| gap.from >= at("2026-10-04T06:00:00Z")), "{:?}", row.overdue);
    // A run that could not read anything was asked of nothing: that is no reason to begin later.
    let failed = Quarter::of([day(1).failed(), after(day(5))]).cluster();
    let row = failed.requirements.iter().find(|row| row.framework == "pci-dss").unwrap();
    let sentence = &row.effectiveness.as_ref().unwrap().sentence;
    assert!(!sentence.contains("asked for since"), "{sentence}");
}

#[test]
fn a_waiver_that_ends_before_its_exception_is_remarked() {
    let waived = |number: u32| {
        let mut day = day(number).failing("cart", 2);
        day.failing[0].1 = Some("W-7");
        day
    };
    let texts = |days: Vec<Day>| -> Vec<String> {
        let remarks = Quarter::of(days).cluster().remarks.into_iter();
        remarks.filter(|remark| remark.kind == RemarkKind::WaiverEnded).map(|remark| remark.text).collect()
    };
    let ended = texts(vec![day(1), waived(2), waived(3), day(4).failing("cart", 2)]);
    assert_eq!(ended, ["waiver W-7 no longer applied: X-0001 stands without a waiver from 4 Oct 2026 on"]);
    assert_eq!(texts(vec![day(1), waived(2), waived(3), day(4)]), [""; 0], "it was repaired under its waiver");
    assert_eq!(texts(vec![day(1), waived(2), waived(3)]), [""; 0]);
}

#[test]
fn the_longest_repairs_with_and_without_an_upper_bound_stand_apart() {
    let cluster = Quarter::of([
        day(1).failing("search", 2),
        day(2).failing("search", 2).failing("cart", 2),
        day(3).failing("search", 2),
        day(4).failing("search", 2),
        day(5),
    ])
    .cluster();
    let longest = Longest::of(cluster.exceptions[0].severity, &cluster.exceptions);
    assert_eq!(longest.begun_within, Some((0, 2 * 86_400)));
    assert_eq!(longest.begun_before, Some(3 * 86_400), "longer than any upper bound, and not compared with one");
}

#[test]
fn not_evaluated_is_never_a_repair() {
    let mut blind = day(2);
    blind.undecided.push("cart");
    let open = Quarter::of([day(1).failing("cart", 2), blind.clone().with(deployment("cart", 2))]).cluster();
    let x = one(&open.exceptions);
    assert!(matches!(&x.ending, Ending::NotSeenSince { run: 1, reason } if reason == "the field is not readable"));
    assert!(!x.ending.is_repair());
    assert_eq!((open.repair_times[0].repaired, open.repair_times[0].not_seen_since), (0, 1));
    let effect = open.requirements[0].effectiveness.as_ref().unwrap();
    assert_eq!((effect.without_exception, effect.with_exception, effect.not_evaluated), (0, 1, 1));

    let still = [day(1).failing("cart", 2), blind.clone().with(deployment("cart", 2)), day(3).failing("cart", 2)];
    let still = Quarter::of(still).cluster();
    let x = one(&still.exceptions);
    assert_eq!((&x.ending, &x.not_seen_in, x.seen_in), (&Ending::Open, &vec![1], 2), "one failure, not two");

    // Repaired while nobody looked: the end lies somewhere after the last run that saw the failure.
    let repaired = Quarter::of([day(1).failing("cart", 2), blind.with(deployment("cart", 3)), day(3)]).cluster();
    let x = one(&repaired.exceptions);
    let bounds = Bounds { after: Some(0), by: 2 };
    assert_eq!(x.ending, Ending::Ended { bounds, cause: Cause::ObjectChanged });
}

#[test]
fn a_refused_list_hides_failures_and_what_came_meanwhile() {
    let refused = |number: u32| {
        let mut day = day(number);
        day.refused.push("deployments.apps");
        day
    };
    let cluster =
        Quarter::of([day(1).failing("cart", 2), refused(2), day(3).failing("search", 2).without("cart")]).cluster();
    let [cart, search] = cluster.exceptions.as_slice() else { panic!("{:#?}", cluster.exceptions) };
    assert_eq!(cart.resource.name, "cart");
    let bounds = Bounds { after: Some(0), by: 2 };
    assert_eq!(cart.ending, Ending::Ended { bounds, cause: Cause::ObjectCameOrWent });
    assert_eq!(cart.evidence_after, [], "what is gone is no evidence");
    assert_eq!(cart.not_seen_in, [1]);
    assert_eq!((search.began, search.began_by), (Bounds { after: Some(0), by: 2 }, Cause::NotSeenBefore));
    assert_eq!(cluster.cadence.partial[0].unseen[0].resource, "deployments.apps");
    assert!(cluster.control_totals.iter().all(|total| total.differences.is_empty()), "{:?}", cluster.control_totals);
}

#[test]
fn a_changed_check_is_told_from_a_changed_cluster() {
    let stricter = |mut day: Day| {
        day.check = "id: container-privileged\nseverity: critical\n";
        day
    };
    let by_rules = Quarter::of([day(1), stricter(day(2).failing("cart", 1))]).cluster();
    assert_eq!(one(&by_rules.exceptions).began_by, Cause::RulesChanged);
    let both = Quarter::of([day(1), stricter(day(2).failing("cart", 2))]).cluster();
    assert_eq!(one(&both.exceptions).began_by, Cause::ObjectAndRules);
    let ended = Quarter::of([day(1).failing("cart", 1), stricter(day(2))]).cluster();
    let x = one(&ended.exceptions);
    assert!(!x.ending.is_repair(), "a changed check repairs nothing: {:?}", x.ending);
    assert_eq!((ended.repair_times[0].repaired, ended.repair_times[0].ended_by_rules), (0, 1));
    let related = Quarter::of([day(1), day(2).failing("cart", 1)]).cluster();
    assert_eq!(one(&related.exceptions).began_by, Cause::RelatedObject);
    let came = Quarter::of([day(1).without("cart"), day(2).failing("cart", 1)]).cluster();
    assert_eq!(one(&came.exceptions).began_by, Cause::ObjectCameOrWent);
}

/// A check whose answer depends on the day.
const TIMED: &str = "id: container-privileged\ntitle: Not after a day\nseverity: critical\non: pod\n\
    pass: timestamp(now) < timestamp('2026-10-02T00:00:00Z')\nexpected: an earlier day\nmessage: it is too late\n\
    why: For the test.\nremediation: None.\n";

#[test]
fn time_that_passed_is_told_from_a_related_object_and_repairs_nothing() {
    let timed = |mut day: Day| {
        day.check = TIMED;
        day
    };
    let began = Quarter::of([timed(day(1)), timed(day(2).failing("cart", 1))]).cluster();
    assert_eq!(one(&began.exceptions).began_by, Cause::TimePassed);
    let ended = Quarter::of([timed(day(1).failing("cart", 1)), timed(day(2))]).cluster();
    let x = one(&ended.exceptions);
    assert!(matches!(x.ending, Ending::Ended { cause: Cause::TimePassed, .. }), "{:?}", x.ending);
    assert!(!x.ending.is_repair());
    assert_eq!((ended.repair_times[0].repaired, ended.repair_times[0].ended_by_rules), (0, 1));
    let changed = Quarter::of([timed(day(1)), timed(day(2).failing("cart", 2))]).cluster();
    assert_eq!(one(&changed.exceptions).began_by, Cause::ObjectChanged);
}

#[test]
fn another_check_that_changes_blurs_no_cause() {
    let with = |day: Day, text: &str| day.file("data/rules/checks/pod/container-tty.yaml", text);
    let days =
        [with(day(1), "id: container-tty\n"), with(day(2).failing("cart", 2), "id: container-tty\nseverity: low\n")];
    let cluster = Quarter::of(days).cluster();
    assert_eq!(one(&cluster.exceptions).began_by, Cause::ObjectChanged);
    assert!(
        cluster.remarks.iter().any(
            |remark| remark.text.starts_with("checks changed on ") && remark.text.ends_with("; frameworks did not")
        )
    );
}

#[test]
fn a_row_that_nobody_could_decide_is_overdue_though_runs_were_daily() {
    let blind = |number: u32| {
        let mut day = day(number);
        day.undecided.push("cart");
        day
    };
    let days = [day(1), blind(2), blind(3), day(4), day(5), day(6), day(7), day(8), day(9), day(10)];
    let cluster = Quarter::of(days).cluster();
    assert!(cluster.cadence.periodicities[0].exceeded.is_empty(), "{:?}", cluster.cadence.periodicities);
    let [gap] = cluster.requirements[0].overdue.as_slice() else { panic!("{:?}", cluster.requirements[0].overdue) };
    assert_eq!((gap.after, gap.before, gap.seconds), (Some(0), Some(3), 3 * 86_400));
    let never = Quarter::of([blind(1), blind(2)]).cluster();
    let [gap] = never.requirements[0].overdue.as_slice() else { panic!("{:?}", never.requirements[0].overdue) };
    assert_eq!((gap.after, gap.before, gap.seconds), (None, None, 10 * 86_400));
    let sentence = &never.requirements[0].effectiveness.as_ref().unwrap().sentence;
    assert_eq!(sentence, "not evaluated in any of 2 runs");
}

#[test]
fn a_failure_that_comes_back_is_another_one_and_waivers_have_spans() {
    let waived = |number: u32| {
        let mut day = day(number).failing("cart", 2);
        day.failing[0].1 = Some("W-7");
        day
    };
    let cluster =
        Quarter::of([waived(1), waived(2), day(3).failing("cart", 2), day(4), day(5).failing("cart", 2)]).cluster();
    let [first, second] = cluster.exceptions.as_slice() else { panic!("{:#?}", cluster.exceptions) };
    assert_eq!((first.began_by, first.last_seen, second.first_seen), (Cause::BeforePeriod, 2, 4));
    let [span] = first.waivers.as_slice() else { panic!("{:?}", first.waivers) };
    assert_eq!((span.id.as_str(), span.first, span.last), ("W-7", 0, 1));
    assert_eq!(first.duration.at_most_seconds, None, "nobody saw it begin");
    assert_eq!((cluster.repair_times[0].unbounded, cluster.repair_times[0].open_waived), (1, 0));
}

#[test]
fn schedules_are_met_missed_and_exceeded() {
    let quarter = Quarter::of([day(1), day(2), day(4), Day::new("2026-10-04T15:00:00Z"), day(10)]);
    let cluster = only(quarter.try_make(Some("59 5 * * *"), &[], None).unwrap().period);
    let cadence = &cluster.cadence;
    assert_eq!((cadence.expected, cadence.met, cadence.missed.len()), (Some(10), 4, 6));
    assert_eq!(cadence.missed[0].due, at("2026-10-03T05:59:00Z"));
    assert_eq!(cadence.unscheduled, [3]);
    assert_eq!(cadence.longest_gap.as_ref().unwrap().after, Some(3));
    let [daily] = cadence.periodicities.as_slice() else { panic!("{:?}", cadence.periodicities) };
    assert_eq!(
        (daily.interval, &daily.requirements[..]),
        (Interval::Daily, &["pss-baseline/privileged".to_owned()][..])
    );
    let gaps: Vec<_> = daily.exceeded.iter().map(|gap| (gap.after, gap.before)).collect();
    assert_eq!(gaps, [(Some(1), Some(2)), (Some(3), Some(4))]);

    let mut said = day(1);
    said.scheduled = Some(at("2026-10-01T05:59:00Z"));
    let by_statement = Quarter::of([said, day(2)]).cluster().cadence;
    assert_eq!((by_statement.schedule, by_statement.expected), (Some(Schedule::Statements), None));
    assert_eq!((by_statement.met, by_statement.unscheduled), (1, vec![1]));
    assert_eq!(Quarter::of([day(1)]).cluster().cadence.schedule, None);
}

#[test]
fn the_population_and_the_scope_come_and_go() {
    let mut moved = day(2).without("search").with(super::quarter::namespace("new"));
    moved.framework = "1.38";
    let cluster = Quarter::of([day(1), moved]).cluster();
    let named = |class: ItemClass| -> Vec<(&str, u32, u32)> {
        let items = cluster.population.iter().filter(|item| item.class == class);
        items.map(|item| (item.name.as_str(), item.first, item.last)).collect()
    };
    assert_eq!(named(ItemClass::Namespace), [("new", 1, 1), ("shop", 0, 1)]);
    assert_eq!(named(ItemClass::Workload), [("cart", 0, 1), ("search", 0, 0)]);
    assert_eq!(
        named(ItemClass::Image),
        [("registry.example.com/cart:1", 0, 1), ("registry.example.com/search:1", 0, 0)]
    );
    assert!(cluster.population.iter().all(|item| !item.evidence.is_empty()));
    let changes: Vec<_> = cluster
        .scope_changes
        .iter()
        .filter(|change| matches!(change.what, ScopeSubject::Namespace | ScopeSubject::Framework))
        .map(|change| (change.name.as_str(), change.before.as_deref(), change.after.as_deref()))
        .collect();
    let item = |name: &str| cluster.population.iter().find(|item| item.name == name).unwrap();
    assert!(item("cart").absent_in.is_empty());
    let came_back = Quarter::of([day(1), day(2).without("cart"), day(3)]).cluster();
    let cart = came_back.population.iter().find(|item| item.name == "cart").unwrap();
    assert_eq!((cart.first, cart.last, cart.runs, &cart.absent_in[..]), (0, 2, 2, &[1][..]));
    let born: Vec<_> = cluster.scope_changes.iter().filter(|change| change.what == ScopeSubject::Cluster).collect();
    assert_eq!((born.len(), born[0].between), (1, Bounds { after: None, by: 0 }), "its first run is the log's first");
    assert_eq!(changes, [("pss-baseline", Some("1.37"), Some("1.38")), ("new", None, Some("present"))]);
}

#[test]
fn powers_are_gained_and_lost_within_bounds_and_never_by_a_refusal() {
    let [role, binding] = reads_secrets("ci");
    let given = written(binding, "kubectl-create", "2026-10-01T12:00:00Z");
    let with = |number: u32| day(number).with(role.clone()).with(given.clone());
    let mut refused = day(3);
    refused.refused.push("rolebindings.rbac.authorization.k8s.io");
    let cluster = Quarter::of([day(1), with(2), refused, with(4), day(5)]).cluster();
    let [ci] = cluster.privileged.as_slice() else { panic!("{:#?}", cluster.privileged) };
    let [power] = ci.powers.as_slice() else { panic!("{:#?}", ci.powers) };
    assert_eq!((ci.name.as_str(), power.power.as_str(), power.place.as_deref()), ("ci", "read Secrets", Some("shop")));
    assert_eq!(power.gained, Some(Bounds { after: Some(0), by: 1 }));
    assert_eq!(power.lost, Some(Bounds { after: Some(3), by: 4 }), "not by the run that could not see bindings");
    assert_eq!(power.given_by[0].who(), "kubectl-create");
    assert_eq!(power.evidence[0].resource, "RoleBinding/shop/ci");
}
