use proptest::prelude::*;
use serde_json::json;

use super::*;

fn all(text: &str) -> Vec<Result<Document, YamlError>> {
    documents(text).collect()
}

fn one(text: &str) -> Result<Value, String> {
    let mut found = all(text);
    match (found.pop(), found.is_empty()) {
        (Some(document), true) => document.map(|d| d.value).map_err(|e| e.to_string()),
        (last, _) => panic!("not one document: {found:?} {last:?}"),
    }
}

/// Numbers are compared as kubectl would send them: 1e29 and 1.0e29 are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, v), (key, value))| k == key && same(v, value))
        }
        (Value::Number(a), Value::Number(b)) if a.as_i64().is_none() => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

#[test]
fn every_case_reads_as_kubectl_reads_it() {
    let mut wrong = Vec::new();
    let cases = include_str!("kubectl.txt").lines().filter(|line| !line.starts_with('#'));
    for case in cases {
        let (text, expected) = case.split_once('\t').unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        let read = one(&text);
        let right = match expected {
            "!" => read.is_err(),
            json => read.as_ref().is_ok_and(|value| same(value, &serde_json::from_str(json).unwrap())),
        };
        if !right {
            wrong.push(format!("{text:?}\n  kubectl: {expected}\n  we:      {read:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_broken_document_names_its_line_and_the_rest_goes_on() {
    let read = all("a: 1\n---\nb: [1, 2\nc: d\n---\ne: 2\n");
    assert_eq!(read[0].as_ref().unwrap().value, json!({"a": 1}));
    let error = read[1].as_ref().unwrap_err();
    assert!((3..=5).contains(&error.line), "{error}");
    assert_eq!(read[2].as_ref().unwrap().value, json!({"e": 2}));
    assert_eq!((read.len(), read[2].as_ref().unwrap().line), (3, 6));
}

#[test]
fn a_key_given_twice_is_an_error_with_its_line() {
    let error = all("a:\n  b: 1\n  b: 2\n")[0].clone().unwrap_err();
    assert_eq!(error, YamlError { line: 3, message: "key 'b' is given twice".into() });
    let read = all("1: a\n'1': b\n---\nc: 1\n");
    assert!(read[0].is_err() && read[1].is_ok(), "{read:?}");
    assert!(one("a: &a {x: 1}\nb: {<<: *a, x: 2, x: 3}").is_err(), "given twice beside a merge");
}

#[test]
fn lines_are_those_of_keys_and_items() {
    let text = "# comment\nkind: Pod\nspec:\n  containers:\n    - name: a\n      env/x:\n        - 1\n        - 2\n";
    let document = all(text).remove(0).unwrap();
    let line = |pointer| line_of(&document.lines, pointer);
    assert_eq!(document.line, 2);
    assert_eq!(line(""), Some(2));
    assert_eq!(line("/spec"), Some(3));
    assert_eq!(line("/spec/containers/0"), Some(5));
    assert_eq!(line("/spec/containers/0/name"), Some(5));
    assert_eq!(line("/spec/containers/0/env~1x/1"), Some(8));
    assert_eq!(line("/spec/containers/0/securityContext/privileged"), Some(5), "falls back to the parent");
}

#[test]
fn the_lines_of_a_subtree_begin_at_it() {
    let document = all("kind: List\nitems:\n- a: 1\n- kind: Pod\n  spec: {x: [1]}\n").remove(0).unwrap();
    let lines = lines_below(&document.lines, "/items/1", &document.value["items"][1]);
    assert_eq!(line_of(&lines, ""), Some(4));
    assert_eq!(line_of(&lines, "/spec/x/0"), Some(5));
    assert_eq!(lines.len(), 5);
}

#[test]
fn the_lines_of_an_alias_are_where_it_is_used() {
    let document = all("a: &a\n  x: 1\nb:\n  <<: *a\nc: *a\n").remove(0).unwrap();
    assert_eq!(line_of(&document.lines, "/c/x"), Some(5));
    assert_eq!(line_of(&document.lines, "/b/x"), Some(4));
    assert_eq!(line_of(&document.lines, "/a/x"), Some(2));
}

#[test]
fn the_lines_of_what_is_merged_are_those_of_the_merge_unless_it_is_given_again() {
    let text = "a: &a {x: 1, k: 1}\nb:\n  <<: *a\n  x: 2\nc:\n  x: 2\n  <<: *a\nd:\n  <<: [*a, {z: 1}]\n";
    let document = all(text).remove(0).unwrap();
    let line = |pointer| line_of(&document.lines, pointer);
    assert_eq!([line("/b/x"), line("/b/k"), line("/c/x"), line("/d/z")], [Some(4), Some(3), Some(7), Some(9)]);
}

#[test]
fn lines_do_not_depend_on_byte_order_marks_and_line_ends() {
    let text = "# c\na:\n  b: 1\n---\nc: [1,\n  2]\n";
    for text in [text.to_owned(), format!("\u{feff}{text}"), text.replace('\n', "\r\n")] {
        let read: Vec<_> = all(&text).into_iter().map(Result::unwrap).collect();
        assert_eq!(line_of(&read[0].lines, "/a/b"), Some(3), "{text:?}");
        assert_eq!((read[1].line, line_of(&read[1].lines, "/c/1")), (5, Some(6)), "{text:?}");
    }
}

#[test]
fn json_with_escapes_that_yaml_lacks_is_read() {
    let read = one(r#"{"a": "\/x", "emoji": "\ud83d\ude00"}"#).unwrap();
    assert_eq!(read, json!({"a": "/x", "emoji": "😀"}));
    let long = format!("{{\"a\": \"{}\", \"b\": 1}}", "x".repeat(5000));
    assert_eq!(one(&long).unwrap()["b"], json!(1));
}

#[test]
fn aliases_cannot_expand_without_end() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        laughs += &format!("a{level}: &a{level} [{}]\n", vec![previous; 10].join(", "));
    }
    assert!(one(&laughs).unwrap_err().contains("expand to more"));
    let big = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(","));
    assert!(one(&big).unwrap_err().contains("expand to more"));
}

#[test]
fn nesting_has_a_limit_also_through_aliases() {
    assert!(one(&"[".repeat(5000)).unwrap_err().contains("deeper than 100"));
    assert!(one(&"- ".repeat(5000)).unwrap_err().contains("deeper than 100"));
    let half = format!("{}x{}", "[".repeat(60), "]".repeat(60));
    let text = format!("a: &a {half}\nb: {}*a{}\n", "[".repeat(60), "]".repeat(60));
    assert!(one(&text).unwrap_err().contains("deeper than 100"));
}

#[test]
fn an_empty_document_is_null() {
    assert_eq!(one("---\n").unwrap(), Value::Null);
    assert!(all("").is_empty());
    assert_eq!(all("---\na: 1\n---\n---\nb: 1\n").len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_text_never_panics(text in r"(?s)[ -~\n\t\r\u{feff}é&*!\[\]{}<>|:#-]{0,200}") {
        let _ = documents(&text).take(1000).count();
    }

    #[test]
    fn arbitrary_structure_never_panics(parts in proptest::collection::vec(
        prop_oneof!["&a ", "\\*a", "<<: ", "a: ", "- ", "\n", "\n  ", "\n---\n", "\\{", "\\}", "\\[", "\\]", ", ", "\\? ", "!!int ", "'x'", "0x1", "~", "\\|\n", "\\.\\.\\.\n", "%YAML 1.1\n"], 0..60)) {
        let _ = documents(&parts.concat()).take(1000).count();
    }

    #[test]
    fn json_reads_as_json(keys in proptest::collection::btree_set("[a-zA-Z0-9_./-]{0,8}", 0..5), text in "[^\u{0}-\u{1f}\u{7f}-\u{a0}\u{feff}\u{fffe}\u{ffff}]{0,30}", number in any::<i64>()) {
        let value = Value::Object(keys.into_iter().map(|key| (key, json!([text, number, null, true, {}]))).collect());
        prop_assert_eq!(one(&value.to_string()).unwrap(), value);
    }
}
