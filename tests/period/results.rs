//! From a status to the byte that a run signed: results in the package, and what is said where there are none.

use kubeproof::{
    bundle::{
        bag,
        verify::{self, Options, Proved, Trust},
    },
    digest::Digest,
    evaluate::Status,
    period::{Holding, model::ResultsSpan, pseudonym::PseudonymKey},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    package::{Files, inside, judged, say, sign_again, typed},
    quarter::{CLUSTER, Day, Made, Quarter, at, cells, keys, only, write},
};

const PSS: &str = "pss-baseline";

fn day(number: u32) -> Day {
    Day::new(&format!("2026-10-{number:02}T06:00:00Z"))
}

/// Passes, fails, and passes on two runs that say the same.
fn days() -> [Day; 4] {
    [day(1), day(2).failing("cart", 2), day(3), day(4)]
}

fn made() -> Made {
    Quarter::of(days()).make()
}

fn results(files: &Files) -> Vec<&str> {
    files.keys().filter_map(|path| path.strip_prefix(&inside("results/"))).collect()
}

fn proved(made: &Made) -> Proved {
    let (options, trust) = (Options::at(at("2026-11-01T01:00:00Z")), Trust::Key(keys().signing.public()));
    let (verification, proved) = verify::package(made.package.files.clone().into(), &trust, &options);
    proved.unwrap_or_else(|| panic!("{:#?}", verification.steps))
}

/// What the content says, and what stays open of statuses.
fn said(files: &Files) -> (i32, String, Vec<String>) {
    let (code, said) = judged(files, &[]);
    let texts = |list: &Value| list.as_array().unwrap().clone();
    let content = texts(&said["steps"]).into_iter().filter(|step| step["step"] == "content");
    let content: Vec<String> = content.map(|s| format!("{}: {}", s["subject"], s["detail"])).collect();
    let open = texts(&said["open"]).into_iter().filter_map(|open| open.as_str().map(str::to_owned));
    (code, content.join("\n"), open.filter(|open| open.contains("status")).collect())
}

#[test]
fn a_status_that_held_is_walked_to_the_byte_that_the_run_signed() {
    let made = made();
    assert_eq!(
        results(&made.package.files),
        ["0000/pss-baseline.json", "0001/pss-baseline.json", "0002/pss-baseline.json"],
        "once for the runs that say the same"
    );
    let cluster = only(made.period.clone());
    let spans: Vec<(u32, u32)> = cluster.results.iter().map(|span| (span.first, span.last)).collect();
    assert_eq!(spans, [(0, 0), (1, 1), (2, 3)]);
    for (run, status) in [Status::Pass, Status::Fail, Status::Pass, Status::Pass].into_iter().enumerate() {
        let run = u32::try_from(run).unwrap();
        let span = cluster.results.iter().find(|span| (span.first..=span.last).contains(&run)).unwrap();
        let file = &made.package.files[&span.path(CLUSTER)];
        let manifest = inside(&format!("runs/{run:04}/manifest-sha256.txt"));
        let lines = bag::parse(&made.package.files[&manifest]).unwrap();
        assert_eq!((Digest::of(file), span.digest), (lines["data/results/pss-baseline.json"], Digest::of(file)));
        let proved = proved(&made);
        let row = &proved.results(CLUSTER, run, PSS).unwrap().requirements[0];
        assert_eq!((row.id.as_str(), row.status), ("privileged", status));
    }
    let (code, content, open) = said(&made.package.files);
    assert_eq!((code, open), (0, vec![]), "{content}");
    assert!(content.contains("4 statuses by the runs' own results"), "{content}");
    let proved = proved(&made);
    assert!(proved.results(CLUSTER, 4, PSS).is_none() && proved.results(CLUSTER, 0, "hipaa").is_none());
    assert!(proved.results("other", 0, PSS).is_none());
}

/// Name of the defect, how it comes about, and what is said of it.
type Case = (&'static str, fn(&Made) -> Files, &'static str);

fn rows(period: &mut Value) -> &mut Vec<Value> {
    period["clusters"][0]["requirements"].as_array_mut().unwrap()
}

fn file(run: u32) -> String {
    inside(&format!("results/{run:04}/pss-baseline.json"))
}

/// Signed again by the trusted key, and all that is summed of them adds up.
const CASES: &[Case] = &[
    (
        "a failure that becomes none",
        |made| {
            let better = Quarter::of([day(1), day(2), day(3), day(4)]).make();
            say(made, |p| {
                *rows(p) =
                    serde_json::to_value(&better.period.clusters[0].requirements).unwrap().as_array().unwrap().clone();
                p["clusters"][0]["exceptions"][0]["requirements"] = json!([]);
            })
        },
        "pss-baseline/privileged: says 'no exceptions noted' of run 0001, which says 'exceptions noted' itself",
    ),
    (
        "a row less",
        |made| say(made, |p| rows(p).clear()),
        "pss-baseline/privileged: says 'nothing' of run 0000, which says 'no exceptions noted' itself",
    ),
    (
        "a row more",
        |made| {
            say(made, |p| {
                let more = rows(p)[0].clone();
                rows(p).push(more);
                rows(p)[1]["id"] = "hostNetwork".into();
            })
        },
        "pss-baseline/hostNetwork: run 0000 was not about it",
    ),
    (
        "a row of a framework that no run was about",
        |made| {
            say(made, |p| {
                let more = rows(p)[0].clone();
                rows(p).push(more);
                rows(p)[1]["framework"] = "nsa-cisa".into();
                let mut listed = p["frameworks"][0].clone();
                listed["id"] = "nsa-cisa".into();
                p["frameworks"].as_array_mut().unwrap().push(listed);
            })
        },
        "nsa-cisa/privileged: run 0000 was not about it",
    ),
    (
        "a row of a framework that is not listed",
        |made| {
            say(made, |p| {
                let more = rows(p)[0].clone();
                rows(p).push(more);
                rows(p)[1]["framework"] = "nsa-cisa".into();
            })
        },
        "nsa-cisa/privileged: of a framework that it does not list",
    ),
    (
        "a row twice",
        |made| {
            say(made, |p| {
                let again = rows(p)[0].clone();
                rows(p).push(again);
            })
        },
        "pss-baseline/privileged: stands twice",
    ),
    (
        "another reason",
        |made| say(made, |p| rows(p)[0]["reasons"][0]["reason"] = "1 failure, all waived".into()),
        "pss-baseline/privileged: gives another reason for run 0001",
    ),
    (
        "no deciding check",
        |made| {
            say(made, |p| {
                (rows(p)[0]["decides"], rows(p)[0]["effectiveness"]) = (json!([]), Value::Null);
            })
        },
        "pss-baseline/privileged: its checks, control or owner are not those of run 0003",
    ),
    (
        "another title",
        |made| say(made, |p| rows(p)[0]["title"] = "Nothing to do here".into()),
        "pss-baseline/privileged: its title, section, level, note or periodicity",
    ),
    (
        "another title of the framework",
        |made| say(made, |p| p["frameworks"][0]["title"] = "Something else".into()),
        "pss-baseline: its title or what it leaves out",
    ),
    (
        "a version that no run met",
        |made| say(made, |p| p["frameworks"][0]["versions"] = json!(["1.36", "1.37"])),
        "pss-baseline: its versions are not those of the runs",
    ),
    (
        "a scope that nobody declared",
        |made| say(made, |p| p["frameworks"][0]["scope"] = "cards".into()),
        "pss-baseline: its scope is not that of the runs' results",
    ),
    (
        "another environment",
        |made| say(made, |p| p["clusters"][0]["environment"] = "test".into()),
        "shop-0a1b2c3d: its name, uid, environment or log is not that of its newest run",
    ),
    (
        "a run less that was due",
        |made| say(made, |p| p["clusters"][0]["cadence"]["met"] = 1.into()),
        "shop-0a1b2c3d: its cadence does not follow from its runs",
    ),
    (
        "a gap that was not",
        |made| say(made, |p| p["clusters"][0]["cadence"]["longestGap"]["seconds"] = 60.into()),
        "shop-0a1b2c3d: its cadence does not follow from its runs",
    ),
    (
        "people's word alone",
        |made| {
            say(made, |p| {
                rows(p)[0]["attestedAlone"] = json!([0]);
            })
        },
        "pss-baseline/privileged: run 0000 says otherwise whether people's word stands alone",
    ),
    (
        "another version of the framework",
        |made| say(made, |p| p["clusters"][0]["runs"][2]["frameworks"][0]["version"] = "1.36".into()),
        "pss-baseline: is of another version than run 0002",
    ),
    (
        "the results of another run",
        |made| {
            sign_again(made, |files| {
                let other = files[&file(0)].clone();
                files.insert(file(1), other);
            })
        },
        "results/0001/pss-baseline.json\": \"not the file that the run's manifest names",
    ),
    (
        "changed results",
        |made| {
            sign_again(made, |files| {
                let text = String::from_utf8(files[&file(1)].clone()).unwrap();
                files.insert(file(1), text.replace("\"status\":\"fail\"", "\"status\":\"pass\"").into_bytes());
            })
        },
        "results/0001/pss-baseline.json\": \"not the file that the run's manifest names",
    ),
    (
        "results left out",
        |made| sign_again(made, |files| drop(files.remove(&file(1)))),
        "results/0001/pss-baseline.json\": \"the package names it, and it is not here",
    ),
    (
        "results under a run on which they did not begin",
        |made| {
            sign_again(made, |files| {
                let more = files[&file(2)].clone();
                files.insert(file(3), more);
            })
        },
        "results/0003/pss-baseline.json\": \"nothing in the package names it",
    ),
    (
        "other places of results",
        |made| say(made, |p| p["clusters"][0]["results"][2]["last"] = 2.into()),
        "shop-0a1b2c3d: names other results than those that are here",
    ),
];

#[test]
fn statuses_that_the_runs_did_not_say_are_named_though_the_sums_add_up() {
    let made = made();
    for (name, spoil, says) in CASES {
        let files = spoil(&made);
        assert!(files != made.package.files, "{name} changes nothing");
        let (code, content, _) = said(&files);
        assert_eq!(code, 3, "{name}: {content}");
        assert!(content.contains(says), "{name}: no '{says}' in\n{content}");
    }
    let (_, content, _) = said(&CASES[0].1(&made));
    assert_eq!(content.lines().count(), 1, "nothing but the results shows it: {content}");
}

#[test]
fn the_readmes_commands_walk_from_a_status_to_the_runs_signature() {
    let made = made();
    let readme = String::from_utf8(made.package.files["data/documents/readme.md"].clone()).unwrap();
    let walk = |readme: &str, change: &dyn Fn(&mut Files)| {
        let folder = TempDir::with_prefix("kubeproof-walk-").unwrap();
        let mut files = made.package.files.clone();
        change(&mut files);
        write(folder.path(), &files);
        typed(readme, "the time of each run.\n\n", folder.path())
    };
    let said = walk(&readme, &|_| {}).unwrap();
    let file = inside("results/0002/pss-baseline.json");
    let row = r#"{"id":"privileged","status":"pass","reason":null,"failures":0,"waived":0,"passed":null}"#;
    let check = r#"{"evaluated":2,"expected":0,"failed":0,"id":"container-privileged","notEvaluated":0,"#;
    assert!(said.starts_with(&format!("{row}\n{check}")), "{said}");
    assert!(said.ends_with(&format!("SIGNED by run 0003, 2026-10-04T06:00:00Z: {file}\n")), "{said}");
    // Another run, as the text tells to ask for it.
    let failed = walk(&readme.replace("\nRUN=3\n", "\nRUN=1\n"), &|_| {}).unwrap();
    assert!(failed.contains("\"status\":\"fail\",\"reason\":\"1 failures\""), "{failed}");
    for (from, to) in [("RUN=3", "RUN=4"), ("='privileged'", "='hostNetwork'"), ("='pss-baseline'", "='hipaa'")] {
        assert!(readme.contains(from), "{from}");
        walk(&readme.replace(from, to), &|_| {}).unwrap_err();
    }
    let flip = |files: &mut Files, path: &str| {
        let text = String::from_utf8(files[path].clone()).unwrap();
        let changed = text.replacen("pass", "fail", 1).replacen("data/coverage", "data/average", 1);
        files.insert(path.to_owned(), changed.into_bytes());
    };
    for path in [file, inside("runs/0003/manifest-sha256.txt")] {
        walk(&readme, &|files| flip(files, &path)).unwrap_err();
    }
    let stranger = made.package.files[&inside("runs/0001/bundle.dsse.json")].clone();
    let path = inside("runs/0003/bundle.dsse.json");
    walk(&readme, &|files| drop(files.insert(path.clone(), stranger.clone()))).unwrap_err();
}

#[test]
fn documents_lead_from_a_status_to_its_file() {
    let mut days = days();
    days[0].old = true;
    let made = Quarter::of(days).make();
    let table = cells(&made.package.files["data/documents/tables/statuses.parquet"]);
    let file = |run: u32| Some(inside(&format!("results/{run:04}/pss-baseline.json")));
    assert_eq!(table["results"], [None, file(1), file(2), file(2)]);
    let none = Quarter::of([Day { old: true, ..day(1) }]).make();
    let readme = String::from_utf8(none.package.files["data/documents/readme.md"].clone()).unwrap();
    assert!(readme.contains("are this package's word: it holds no results of its runs"), "{readme}");
    let before = say(&none, |period| drop(period["clusters"][0].as_object_mut().unwrap().remove("results")));
    assert_eq!(said(&before).0, 0, "a package of a version that knew of no results");
    let page = String::from_utf8(none.package.files["data/documents/index.html"].clone()).unwrap();
    assert!(!page.contains("what each run said of the requirements"), "{page}");
}

#[test]
fn runs_that_wrote_no_results_are_the_signers_word_and_counted() {
    let mut days = days();
    (days[0].old, days[1].old) = (true, true);
    let made = Quarter::of(days).make();
    assert_eq!(results(&made.package.files), ["0002/pss-baseline.json"]);
    let (code, content, open) = said(&made.package.files);
    assert_eq!(code, 0, "{content}");
    assert!(content.contains("2 statuses by the runs' own results"), "{content}");
    let [open] = open.as_slice() else { panic!("{open:?}") };
    assert!(open.starts_with("2 statuses on 2 runs rest on the word of the package's signer: their bundles"), "{open}");
    assert!(proved(&made).results(CLUSTER, 1, PSS).is_none() && proved(&made).results(CLUSTER, 3, PSS).is_some());
}

#[test]
fn results_in_another_versions_form_are_carried_and_prove_nothing_here() {
    let mut newer = day(2).file("data/results/pss-baseline.json", r#"{"schema":"kubeproof.dev/results/v2"}"#);
    newer.tool = "9.9.9";
    let made = Quarter::of([day(1), newer]).make();
    assert_eq!(results(&made.package.files), ["0000/pss-baseline.json", "0001/pss-baseline.json"]);
    let (code, content, open) = said(&made.package.files);
    assert_eq!(code, 0, "{content}");
    let [open] = open.as_slice() else { panic!("{open:?}") };
    assert!(open.starts_with("1 status on 1 run rest") && open.contains("another version wrote"), "{open}");
    assert!(proved(&made).results(CLUSTER, 1, PSS).is_none());
}

#[test]
fn what_a_run_that_saw_nothing_said_is_proved_too() {
    let made = Quarter::of([day(1), day(2).failed()]).make();
    let (code, content, open) = said(&made.package.files);
    assert_eq!((code, open), (0, vec![]), "{content}");
    assert!(content.contains("2 statuses by the runs' own results"), "{content}");
    let proved = proved(&made);
    let results = proved.results(CLUSTER, 1, PSS).unwrap();
    assert_eq!(results.requirements[0].status, Status::NotEvaluated);
    assert_eq!(results.checks[0].reason.as_deref(), Some("deployments.apps was refused"));
}

#[test]
fn no_cluster_speaks_for_another() {
    const EU: &str = "eu-0a1b2c3d";
    let quarter = Quarter::of([day(1), day(2)]);
    let eu = Day { name: "eu", ..day(2).failing("cart", 2) };
    quarter.commit_in(EU, &eu.seal());
    let holding = [Holding { store: quarter.store(), clusters: vec![CLUSTER.to_owned(), EU.to_owned()] }];
    let made = quarter.make_of(&holding, None, &[], None, None).unwrap();
    let (code, content, open) = said(&made.package.files);
    assert_eq!((code, open), (0, vec![]), "{content}");
    assert!(content.contains("3 statuses by the runs' own results"), "{content}");
    let proved = proved(&made);
    let status = |cluster| proved.results(cluster, 0, PSS).unwrap().requirements[0].status;
    assert_eq!((status(EU), status(CLUSTER)), (Status::Fail, Status::Pass));
    let better = sign_again(&made, |files| {
        let other = files[&file(0)].clone();
        files.insert(format!("data/evidence/{EU}/results/0000/pss-baseline.json"), other);
    });
    assert_eq!(said(&better).0, 3);
}

#[test]
fn results_come_and_go_with_their_framework() {
    let law = |number: u32| Day { scope: Some("card-data"), ..day(number) };
    let quarter = Quarter::of([law(1), day(2), law(3)]);
    let made = quarter.make();
    assert_eq!(
        results(&made.package.files),
        ["0000/pci-dss.json", "0000/pss-baseline.json", "0002/pci-dss.json"],
        "the guide says the same on all runs, the law was not asked on one"
    );
    let (code, content, open) = said(&made.package.files);
    assert_eq!((code, open), (0, vec![]), "{content}");
    assert!(content.contains("5 statuses by the runs' own results"), "{content}");
    let one = quarter.try_make(None, &["pci-dss".to_owned()], None).unwrap();
    assert_eq!(results(&one.package.files), ["0000/pci-dss.json", "0002/pci-dss.json"]);
    let (code, content, open) = said(&one.package.files);
    assert_eq!((code, open), (0, vec![]), "{content}");
    let more = sign_again(&one, |files| {
        let extra = made.package.files[&file(0)].clone();
        files.insert(file(0), extra);
    });
    assert_eq!(said(&more).0, 3, "a framework that the package is not about");
}

/// A run whose law is judged in a scope of that id.
fn law(number: u32, scope: &'static str) -> Day {
    let regulation = |id: &str, of: &str| {
        format!(
            "  - id: {id}\n    regulations: [{of}]\n    namespaces: {{names: [shop]}}\n    declaredBy: somebody\n    \
             declaredOn: 2026-10-01\n"
        )
    };
    let (cards, other) = (regulation("card-data", "pci-dss"), regulation("other", "pci-dss"));
    let file =
        format!("apiVersion: kubeproof.dev/v1\nscopes:\n{cards}{}", if scope.contains('+') { &other } else { "" });
    Day { scope: Some(scope), ..day(number) }.file("data/rules/scope.yaml", file)
}

#[test]
fn a_package_of_a_scope_has_what_was_said_of_it_and_no_counts_of_the_rest() {
    let quarter = Quarter::of([law(1, "card-data"), law(2, "card-data").failing("cart", 2)]);
    let made = quarter.try_make(None, &[], Some("card-data")).unwrap();
    assert_eq!(results(&made.package.files), ["0000/pci-dss.json", "0001/pci-dss.json"]);
    let (code, content, open) = said(&made.package.files);
    assert_eq!((code, open), (0, vec![]), "{content}");
    assert!(content.contains("2 statuses by the runs' own results"), "{content}");
    let [row] = made.period.clusters[0].requirements.as_slice() else { panic!("one row of the law") };
    assert_eq!(row.reasons[0].reason, "1 failures", "they are failures of the scope");
    let whole = quarter.make();
    let more = sign_again(&made, |files| drop(files.insert(file(0), whole.package.files[&file(0)].clone())));
    let (code, content, _) = said(&more);
    assert_eq!(code, 3);
    assert!(content.contains("tells more than the package's scope"), "{content}");
    let less = sign_again(&made, |files| {
        files.remove(&inside("results/0001/pci-dss.json"));
    });
    assert!(said(&less).1.contains("names other results than those that are here"), "{}", said(&less).1);
}

#[test]
fn what_was_judged_in_more_than_the_scope_is_the_signers_word() {
    const WORD: &str = "rest on the word of the package's signer: their results count more than the package's scope";
    let wider = Quarter::of([law(1, "card-data"), law(2, "card-data+other").failing("cart", 2)]);
    let made = wider.try_make(None, &[], Some("card-data")).unwrap();
    assert_eq!(results(&made.package.files), ["0000/pci-dss.json"]);
    assert!(made.period.clusters[0].requirements[0].reasons.is_empty(), "failures of the other scope among them");
    let whole = wider.try_make(None, &[PSS.to_owned()], Some("card-data")).unwrap();
    assert!(results(&whole.package.files).is_empty() && whole.period.clusters[0].results.is_empty());
    for (made, word) in [(made, "1 status on 1 run"), (whole, "2 statuses on 2 runs")] {
        let (code, content, open) = said(&made.package.files);
        assert_eq!(code, 0, "{content}");
        let [open] = open.as_slice() else { panic!("{open:?}") };
        assert!(open.starts_with(&format!("{word} {WORD}")), "{open}");
    }
}

#[test]
fn results_that_name_a_person_are_left_out_of_a_package_with_pseudonyms() {
    // Somebody holds rights, and answers for the requirement on one of the runs.
    let role = |day: Day| {
        let [role, mut binding] = super::quarter::reads_secrets("ci");
        let json = binding.json.replace(
            "\"ServiceAccount\",\"name\":\"ci\",\"namespace\":\"shop\"",
            "\"User\",\"name\":\"alice@example.com\"",
        );
        (binding.digest, binding.json) = (Digest::of(&json), json.into());
        day.with(role).with(binding)
    };
    let named = Day { owner: Some("alice@example.com"), ..role(day(2)) };
    let quarter = Quarter::of([role(day(1)), named, role(day(3))]);
    let key = PseudonymKey::generate([7; 32]);
    let made = quarter.make_with(None, &[], None, Some(&key)).unwrap();
    assert_eq!(results(&made.package.files), ["0000/pss-baseline.json", "0002/pss-baseline.json"]);
    let spans: Vec<&ResultsSpan> = made.period.clusters[0].results.iter().collect();
    assert_eq!(spans.iter().map(|span| span.first).collect::<Vec<_>>(), [0, 2]);
    let (code, content, open) = said(&made.package.files);
    assert_eq!(code, 0, "{content}");
    assert!(content.contains("2 statuses by the runs' own results"), "{content}");
    let [open] = open.as_slice() else { panic!("{open:?}") };
    assert!(open.starts_with("1 status on 1 run rest"), "{open}");
    let whole = quarter.make();
    assert_eq!(results(&whole.package.files).len(), 3, "without pseudonyms it is there");
}
