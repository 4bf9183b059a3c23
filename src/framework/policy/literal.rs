//! Values as expressions of the API server, which refuses lists and maps of mixed types.

use std::mem::{Discriminant, discriminant};

use serde_json::Value;

/// A JSON value as a literal; values of different types side by side are made `dyn`.
pub(super) fn of(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => self::text(text),
        Value::Array(items) => {
            let mixed = is_mixed(items.iter());
            format!("[{}]", items.iter().map(|item| member(item, mixed)).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let mixed = is_mixed(map.values());
            let entries = map.iter().map(|(key, value)| format!("{}: {}", text(key), member(value, mixed)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn member(value: &Value, mixed: bool) -> String {
    if mixed { format!("dyn({})", of(value)) } else { of(value) }
}

/// Lists and maps may differ in what they hold, so that only scalars of one type are of one type for certain.
fn is_mixed<'a>(values: impl Iterator<Item = &'a Value>) -> bool {
    let kind = |value: &Value| -> Option<(Discriminant<Value>, bool)> {
        match value {
            Value::Array(_) | Value::Object(_) => None,
            scalar => Some((discriminant(scalar), scalar.is_f64())),
        }
    };
    let mut kinds = values.map(kind);
    let Some(first) = kinds.next() else { return false };
    kinds.any(|kind| kind.is_none() || kind != first)
}

/// A text in single quotes.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("'");
    for char in text.chars() {
        match char {
            '\'' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted + "'"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_of_one_type() {
        for (value, literal) in [
            (json!({"allowed": ["a", "b"]}), "{'allowed': ['a', 'b']}"),
            (json!({"days": 30, "levels": ["a"]}), "{'days': dyn(30), 'levels': dyn(['a'])}"),
            (json!([1, 1.5]), "[dyn(1), dyn(1.5)]"),
            (json!([["a"], [1]]), "[dyn(['a']), dyn([1])]"),
            (json!(["it's", "a\\b\n\u{7f}"]), r"['it\'s', 'a\\b\u000a\u007f']"),
            (json!([]), "[]"),
            (json!({"none": null}), "{'none': null}"),
        ] {
            assert_eq!(of(&value), literal);
        }
    }
}
