//! The YAML reader against `k8s.io/apimachinery`, which is what kubectl reads manifests with.

use std::fs;

use kubeproof::collect::yaml::documents;
use proptest::{
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::Value;

use crate::harness::cluster::read_yaml;

/// What Kubernetes reads in each text; `None` where it refuses.
pub fn kubernetes(texts: &[String]) -> Vec<Option<Value>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("documents.yaml");
    // The comment keeps Kubernetes from passing over an empty document.
    let stream: String = texts.iter().map(|text| format!("# document\n{text}\n---\n")).collect();
    fs::write(&file, stream).unwrap();
    let read = read_yaml(&file);
    assert_eq!(read.len(), texts.len());
    read.into_iter().map(|value| value.get("error").is_none().then_some(value)).collect()
}

pub fn ours(text: &str) -> Result<Value, String> {
    let read: Result<Vec<_>, _> = documents(&format!("# document\n{text}\n")).collect();
    let documents = read.map_err(|error| error.message)?;
    Ok(documents.into_iter().next().map_or(Value::Null, |document| document.value))
}

/// Equal as an API server would store them: 1e29 and 100000000000000000000000000000 are one number.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, v), (key, value))| k == key && same(v, value))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || near(a.as_f64(), b.as_f64()),
        _ => a == b,
    }
}

/// Equal but for the last digit: reading the judge's JSON rounds (`9.89e52`), and what it printed does not.
fn near(a: Option<f64>, b: Option<f64>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a == b || (a - b).abs() <= a.abs() * 4.0 * f64::EPSILON)
}

fn generate(count: usize, strategy: impl Strategy<Value = String>) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn every_plain_scalar_means_what_kubernetes_says() {
    let number = "[-+]?(0[xXoObB]?)?[0-9a-fA-F_]{0,6}(\\.[0-9_]{0,3})?([eE][-+]?[0-9]{0,3})?";
    let texts = generate(
        6_000,
        prop_oneof![
            number.prop_map(|scalar| format!("a: {scalar}")),
            "[-+]?[0-9]{17,21}(\\.0)?".prop_map(|scalar| format!("a: {scalar}")),
            "[yYnNtToOfF~][a-zA-Z]{0,4}".prop_map(|scalar| format!("a: {scalar}")),
            "[0-9]{1,4}(\\.[0-9]{1,2})?(e[0-9])?".prop_map(|scalar| format!("{scalar}: a")),
            "(y|no|On|0644|1.50|null|~|true|0x10)".prop_map(|scalar| format!("{scalar}: a")),
            "(!!(str|int|float|bool|null)|!) (5|0644|1\\.5|yes|~|x|\"5\"|'')".prop_map(|scalar| format!("a: {scalar}")),
        ],
    );
    let mut wrong = Vec::new();
    for (text, expected) in texts.iter().zip(kubernetes(&texts)) {
        let read = ours(text);
        let right = match &expected {
            Some(value) => read.as_ref().is_ok_and(|read| same(read, value)),
            None => read.is_err(),
        };
        if !right {
            wrong.push(format!("{text:?}: kubernetes {expected:?}, we {read:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), texts.len(), wrong[..wrong.len().min(40)].join("\n"));
}

/// A document of this depth, in the notations that people mix.
fn node(depth: u32) -> BoxedStrategy<String> {
    let scalar =
        prop_oneof!["[a-z]{1,5}", "0[0-7]{1,3}", "\"[a-z0-9 :#]{0,8}\"", "'[a-z0-9 :#]{0,8}'", "y|no|~|1e3|-7|0\\.5"];
    if depth == 0 {
        return scalar.boxed();
    }
    let indent = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let lines = prop::collection::vec(("[a-f]{1,2}", node(depth - 1)), 1..4).prop_map(move |entries| {
        entries.into_iter().map(|(key, value)| format!("{key}:\n{}", indent(&value))).collect::<String>()
    });
    let items = prop::collection::vec(node(depth - 1), 1..4)
        .prop_map(move |items| items.into_iter().map(|item| format!("-\n{}", indent(&item))).collect::<String>());
    let flow =
        prop::collection::vec("[a-z]{1,3}: (1|x|\"q\"|\\[1, b\\])", 0..4).prop_map(|e| format!("{{{}}}", e.join(", ")));
    let block = ("[|>][-+]?", prop::collection::vec("[a-z]{0,4}( [a-z]{1,3})?", 1..4))
        .prop_map(|(head, lines)| format!("{head}\n{}", lines.iter().map(|l| format!("  {l}\n")).collect::<String>()));
    let merged = node(depth - 1).prop_map(move |value| {
        format!("base: &b\n  k: 1\n  v:\n{}use:\n  <<: *b\n  k: 2\nlist: [*b, *b]\n", indent(&indent(&value)))
    });
    prop_oneof![3 => lines, 3 => items, 1 => flow, 1 => block, 1 => merged, 1 => scalar].boxed()
}

#[test]
fn every_document_that_kubernetes_reads_we_read_alike() {
    let texts = generate(1_000, node(4));
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (text, expected) in texts.iter().zip(kubernetes(&texts)) {
        let Some(expected) = expected else { continue };
        match ours(text) {
            Ok(read) if same(&read, &expected) => compared += 1,
            // Stricter on purpose: nobody can say which of the two the cluster gets.
            Err(message) if message.contains("given twice") => {}
            // Its reader stops where a document breaks off; what comes after would be lost without a word.
            Err(message) if message.contains("document start") => {}
            read => wrong.push(format!("{text}\n  kubernetes {expected}\n  we {read:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), texts.len(), wrong[..wrong.len().min(10)].join("\n"));
    assert!(compared > 400, "only {compared} documents were compared");
}

#[test]
fn the_table_of_cases_is_what_kubernetes_says() {
    let table = include_str!("../../src/collect/yaml/kubectl.txt");
    let cases: Vec<(String, &str)> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap())
        .map(|(text, expected)| (serde_json::from_str(text).unwrap(), expected))
        // A comment before them and a line break after them would change what these say.
        .filter(|(text, _): &(String, _)| !text.starts_with(['\u{feff}', '%']) && !text.contains(['|', '>']))
        .collect();
    let texts: Vec<String> = cases.iter().map(|(text, _)| text.clone()).collect();
    assert!(texts.len() > 90, "{}", texts.len());
    for ((text, expected), read) in cases.iter().zip(kubernetes(&texts)) {
        let expected: Option<Value> = serde_json::from_str(expected).ok();
        assert_eq!(read.is_some(), expected.is_some(), "{text:?}");
        assert!(read.zip(expected).is_none_or(|(read, expected)| same(&read, &expected)), "{text:?}");
    }
}
