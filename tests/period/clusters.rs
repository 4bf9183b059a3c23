//! Several clusters in one package, of one store and of several.

use kubeproof::{
    evaluate::Status,
    framework::Severity,
    period::{Holding, PeriodError},
};

use super::{
    auditor::Auditor,
    quarter::{CLUSTER, Day, Made, Quarter},
};

const EU: &str = "eu-0a1b2c3d";

fn day(number: u32) -> Day {
    Day::new(&format!("2026-10-{number:02}T06:00:00Z"))
}

fn of_eu(number: u32) -> Day {
    let mut day = day(number);
    day.name = "eu";
    day
}

/// Three days of the shop, of which one fails, and two of another cluster that fails until now.
fn two(quarter: &Quarter, other: &Quarter) {
    [day(1), day(2).failing("cart", 2), day(3)].iter().for_each(|day| quarter.commit(&day.seal()));
    let failing = [of_eu(2).failing("cart", 2), of_eu(3).failing("cart", 2)];
    failing.iter().for_each(|day| other.commit_in(EU, &day.seal()));
}

fn expect(made: &Made, stores: usize) {
    assert_eq!(made.period.stores.len(), stores);
    let folders: Vec<&str> = made.period.clusters.iter().map(|cluster| cluster.folder.as_str()).collect();
    assert_eq!(folders, [EU, CLUSTER], "by folder, wherever they come from");
    assert!(made.period.clusters.iter().all(|cluster| made.period.stores.contains(&cluster.store)));
    let comparison = made.period.comparison.as_ref().unwrap();
    let [eu, shop] = comparison.clusters.as_slice() else { panic!("{comparison:#?}") };
    assert_eq!((eu.runs, shop.runs, eu.missed), (2, 3, None));
    let open = |cluster: &kubeproof::period::model::ComparedCluster| {
        let [row] = cluster.exceptions.as_slice() else { panic!("{cluster:#?}") };
        (row.severity, row.all, row.open, row.repaired)
    };
    assert_eq!(open(eu), (Severity::Critical, 1, 1, 0));
    assert_eq!(open(shop), (Severity::Critical, 1, 0, 1));
    let [row] = comparison.requirements.as_slice() else { panic!("{:#?}", comparison.requirements) };
    assert_eq!((row.framework.as_str(), row.id.as_str()), ("pss-baseline", "privileged"));
    let standing: Vec<(Status, u32, u32, u32)> = row
        .standings
        .iter()
        .flatten()
        .map(|s| (s.last.unwrap(), s.runs, s.without_exception, s.with_exception))
        .collect();
    assert_eq!(standing, [(Status::Fail, 2, 0, 2), (Status::Pass, 3, 2, 1)]);
}

#[test]
fn clusters_of_one_store_stand_side_by_side() {
    let quarter = Quarter::new();
    two(&quarter, &quarter);
    let holding = [Holding { store: quarter.store(), clusters: vec![CLUSTER.to_owned(), EU.to_owned()] }];
    expect(&quarter.make_of(&holding, None, &[], None, None).unwrap(), 1);
    assert!(quarter.make().period.comparison.is_none(), "one cluster is compared with nothing");
}

#[test]
fn clusters_of_several_stores_stand_side_by_side_and_a_replica_is_no_second_one() {
    let (quarter, other) = (Quarter::new(), Quarter::new());
    two(&quarter, &other);
    let of = |quarter: &Quarter, cluster: &str| Holding { store: quarter.store(), clusters: vec![cluster.to_owned()] };
    let stores = [of(&quarter, CLUSTER), of(&other, EU)];
    expect(&quarter.make_of(&stores, None, &[], None, None).unwrap(), 2);
    let twice = [of(&quarter, CLUSTER), of(&other, CLUSTER)];
    match quarter.make_of(&twice, None, &[], None, None) {
        Err(PeriodError::Twice { cluster, .. }) => assert_eq!(cluster, CLUSTER),
        other => panic!("{:?}", other.map(|made| made.package.id)),
    }
}

#[test]
fn a_row_that_one_cluster_alone_has_stands_in_its_place() {
    let quarter = Quarter::new();
    let mut regulated = of_eu(1);
    regulated.scope = Some("cards");
    quarter.commit(&day(1).seal());
    quarter.commit_in(EU, &regulated.seal());
    let holding = [Holding { store: quarter.store(), clusters: vec![CLUSTER.to_owned(), EU.to_owned()] }];
    let made = quarter.make_of(&holding, None, &[], None, None).unwrap();
    let comparison = made.period.comparison.unwrap();
    let rows: Vec<(&str, Vec<bool>)> = comparison
        .requirements
        .iter()
        .map(|row| (row.framework.as_str(), row.standings.iter().map(Option::is_some).collect()))
        .collect();
    assert_eq!(rows, [("pci-dss", vec![true, false]), ("pss-baseline", vec![true, true])]);
}

#[test]
fn a_cluster_without_the_row_is_told_of_below_its_heading() {
    let quarter = Quarter::new();
    let mut regulated = day(1);
    regulated.scope = Some("cards");
    quarter.commit(&regulated.seal());
    quarter.commit_in(EU, &of_eu(1).seal());
    let holding = [Holding { store: quarter.store(), clusters: vec![CLUSTER.to_owned(), EU.to_owned()] }];
    let auditor = Auditor::with(&quarter.make_of(&holding, None, &[], None, None).unwrap());
    let explain = ["explain", "pci-dss/privileged", "--package", "q4"];
    let (code, said, error) = auditor.run(&explain, Some(&auditor.key()));
    assert_eq!(code, 0, "{error}");
    assert!(said.starts_with("pci-dss/privileged:"), "{said}");
    assert!(said.contains(&format!("{EU}: no run was about it")), "{said}");
    // A name means its cluster however it is written; an unknown one is named with those that there are.
    let of_eu = ["explain", "pss-baseline/privileged", "--package", "q4", "--cluster", "EU"];
    let (code, of_one, error) = auditor.run(&of_eu, Some(&auditor.key()));
    assert_eq!(code, 0, "{error}");
    assert!(of_one.contains(EU) && !of_one.contains(CLUSTER), "{of_one}");
    let (code, _, error) = auditor.run(&[&explain[..], &["--cluster", "us"]].concat(), Some(&auditor.key()));
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("no cluster 'us' in the package") && error.contains(EU), "{error}");
    let (code, said, _) = auditor.run(&["verify", "q4", "--cluster", "us"], Some(&auditor.key()));
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(code == 4 && words.contains(&format!("is about {EU}, {CLUSTER}, and not about cluster 'us'")), "{said}");
}
