//! What an auditor draws: the same from the same seed, by this program and by another one, from a proved package alone.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use kubeproof::{bundle::SigningKey, digest::Digest};
use serde_json::Value;

use super::{
    auditor::Auditor,
    quarter::{CLUSTER, Day, Quarter, cells, deployment_in, namespace, reads_secrets},
};
use crate::harness::judges;

/// The program that the documentation shows.
const PROGRAM: &str = include_str!("../../examples/sample.py");

impl Auditor {
    /// Exit code, standard output, standard error.
    fn sample(&self, more: &[&str]) -> (i32, String, String) {
        self.run(&[&["sample", "q4"], more].concat(), Some(&self.key()))
    }

    fn json(&self, more: &[&str]) -> Value {
        let (code, out, error) = self.sample(&[more, &["--format", "json"]].concat());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&out).unwrap()
    }
}

/// Three runs of three namespaces: 40, 8 and 1 deployments, and a service account with rights.
fn shop() -> Auditor {
    let mut day = Day::new("2026-10-01T06:00:00Z").with(namespace("wiki")).with(namespace("cron"));
    for number in 0..38 {
        day = day.with(deployment_in("shop", &format!("app-{number}")));
    }
    for number in 0..8 {
        day = day.with(deployment_in("wiki", &format!("page-{number}")));
    }
    day = day.with(deployment_in("cron", "nightly"));
    for object in reads_secrets("ci") {
        day = day.with(object);
    }
    let at = |date: &str| Day { finished: super::quarter::at(date), ..day.clone() };
    Auditor::of(&Quarter::of([at("2026-10-01T06:00:00Z"), at("2026-10-02T06:00:00Z"), at("2026-10-03T06:00:00Z")]))
}

fn ranks(sample: &Value) -> Vec<String> {
    let items = sample["items"].as_array().unwrap();
    items.iter().map(|item| item["rank"].as_str().unwrap().trim_start_matches("sha256:").to_owned()).collect()
}

#[test]
fn another_program_draws_the_same() {
    let package = shop();
    let cases: [(&str, &str, &str, &[&str]); 6] = [
        ("4711", "25", "workload", &["--stratify", "namespace"]),
        ("4711", "25", "workload", &[]),
        ("lottery 14 März 7/12", "2", "workload", &["--stratify", "namespace"]),
        ("4711", "9", "subject", &["--stratify", "namespace"]),
        ("1", "2", "run", &[]),
        ("\"\\", "3", "namespace", &[]),
    ];
    let mut seen = BTreeSet::new();
    for (seed, size, class, stratify) in cases {
        let drawn = ranks(&package.json(&[&["--seed", seed, "--size", size, "--class", class], stratify].concat()));
        let mut arguments = vec![package.path(), seed.into(), size.into(), class.into()];
        arguments.extend((!stratify.is_empty()).then(|| "namespace".into()));
        let arguments: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
        let other = judges::python(PROGRAM, &arguments).unwrap();
        let other: Vec<&str> = other.lines().map(|line| &line[..64]).collect();
        assert_eq!(drawn, other, "{seed} {size} {class}");
        assert!(!drawn.is_empty());
        assert!(seen.insert(drawn), "another question draws something else");
    }
}

#[test]
fn strata_get_their_share_and_each_item_its_evidence() {
    let package = shop();
    let sample = package.json(&["--seed", "4711", "--stratify", "namespace"]);
    let strata: Vec<(&str, u64, u64)> = sample["strata"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            let number = |name: &str| s[name].as_u64().unwrap();
            (s["namespace"].as_str().unwrap(), number("population"), number("drawn"))
        })
        .collect();
    // 22 beyond one each, of 39 and 7 that are left: 18.65 and 3.35.
    assert_eq!(strata, [("cron", 1, 1), ("shop", 40, 20), ("wiki", 8, 4)]);
    assert_eq!((sample["population"].as_u64(), ranks(&sample).len()), (Some(49), 25));
    let table = package.path().join(format!("data/evidence/{CLUSTER}/objects.parquet"));
    let texts: Vec<String> = cells(&fs::read(table).unwrap())["json"].iter().flatten().cloned().collect();
    for item in sample["items"].as_array().unwrap() {
        let shown = &item["evidence"][0];
        let digest: Digest = shown["digest"].as_str().unwrap().parse().unwrap();
        let text = texts.iter().find(|text| Digest::of(text) == digest).unwrap();
        assert!(text.contains(item["name"].as_str().unwrap()), "{text}");
        assert_eq!(shown["path"], format!("data/evidence/{CLUSTER}/objects.parquet"));
        assert_eq!(shown["proof"], format!("data/evidence/{CLUSTER}/runs/0000/"));
        let proof = package.path().join(shown["proof"].as_str().unwrap()).join("bundle.dsse.json");
        let envelope = kubeproof::bundle::envelope::Envelope::parse(&fs::read(proof).unwrap()).unwrap();
        assert_eq!(shown["bundle"], envelope.id().to_string());
    }
    let days = package.json(&["--seed", "4711", "--class", "run", "--size", "1"]);
    let shown = &days["items"][0]["evidence"][0];
    let manifest = fs::read(package.path().join(shown["path"].as_str().unwrap())).unwrap();
    assert_eq!(shown["digest"], Digest::of(manifest).to_string());
}

#[test]
fn the_text_fits_the_terminal_and_repeats_word_for_word() {
    let package = shop();
    for class in ["workload", "image", "subject", "namespace", "run"] {
        let ask = ["--seed", "4711", "--class", class, "--size", "3"];
        let (code, text, error) = package.sample(&ask);
        assert_eq!((code, error.as_str()), (0, ""));
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{wide:#?}");
        assert_eq!(text, package.sample(&ask).1);
        assert!(text.contains("SEED        4711") && text.contains("base64 -d"), "{text}");
    }
    assert_ne!(package.sample(&["--seed", "4711"]).1, package.sample(&["--seed", "4712"]).1);
    let (_, csv, _) = package.sample(&["--seed", "4711", "--stratify", "namespace", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 26, "a head and one object each:\n{csv}");
    assert!(csv.starts_with("number,class,cluster,namespace,kind,name,rank,"));
}

#[test]
fn empty_and_small_populations_say_so() {
    let package = shop();
    let (code, text, _) = package.sample(&["--seed", "1", "--class", "node"]);
    assert_eq!(code, 0);
    assert!(text.contains("no node in this package: there is nothing to draw from"), "{text}");
    let (code, out, error) = package.sample(&["--seed", "1", "--class", "run", "--format", "json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()["population"].as_u64()), (0, Some(3)));
    assert_eq!(error.trim(), "the whole population is 3 runs, fewer than the 25 asked for: all are here");
    let (_, text, _) = package.sample(&["--seed", "1", "--size", "2", "--stratify", "namespace"]);
    assert!(text.contains("3 strata and 2 items"), "{text}");
}

#[test]
fn nothing_is_drawn_from_what_is_not_proved_and_slips_say_what_to_do() {
    let package = shop();
    let (code, out, error) = package.run(&["sample", "q4", "--seed", "1"], None);
    assert_eq!((code, out.as_str()), (4, ""), "{error}");
    assert!(error.contains("--key signing.pub"), "{error}");
    let stranger = package.path().with_file_name("stranger.pub");
    fs::write(&stranger, SigningKey::from_seed([9; 32]).public().to_pem().unwrap()).unwrap();
    assert_eq!(package.run(&["sample", "q4", "--seed", "1"], Some(&stranger)).0, 4);
    for slip in [
        &["--seed", "1", "--cluster", "other"][..],
        &["--seed", "1", "--class", "image", "--stratify", "namespace"],
        &["--seed", ""],
        &["--seed", "1", "--size", "0"],
        &["--seed", "1", "--class", "secret"],
        &[],
    ] {
        let (code, out, error) = package.sample(slip);
        assert_eq!((code, out.as_str()), (2, ""), "{slip:?}: {error}");
    }
    assert_eq!(package.sample(&["--seed", "1", "--cluster", "shop"]).0, 0);
    let period = package.path().join("data/period.json");
    let text = fs::read_to_string(&period).unwrap().replacen("page-1", "page-2", 1);
    fs::write(&period, text).unwrap();
    let (code, out, error) = package.sample(&["--seed", "1"]);
    assert_eq!((code, out.as_str()), (3, ""), "{error}");
    assert!(error.contains("data/period.json"), "{error}");
    fs::remove_dir_all(package.path()).unwrap();
    assert_eq!(package.sample(&["--seed", "1"]).0, 2);
}
