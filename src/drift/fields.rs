//! Changed fields of one object, as JSON Pointers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::FieldChange;

const TOKEN: &str = "redacted:v1:";

/// Differences from `before` to `after`. With `keys_differ`, redacted values of the same class count as equal: they
/// cannot be compared.
pub(super) fn diff(before: &Value, after: &Value, keys_differ: bool) -> Vec<FieldChange> {
    let mut walk = Walk { keys_differ, changes: Vec::new() };
    walk.compare("", "", before, after);
    walk.changes
}

struct Walk {
    keys_differ: bool,
    changes: Vec<FieldChange>,
}

impl Walk {
    fn compare(&mut self, old_path: &str, new_path: &str, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(a), Value::Object(b)) => {
                for (key, value) in a {
                    let old = join(old_path, key);
                    match b.get(key) {
                        Some(other) => self.compare(&old, &join(new_path, key), value, other),
                        None => self.push(&old, Some(value), None),
                    }
                }
                for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                    self.push(&join(new_path, key), None, Some(value));
                }
            }
            (Value::Array(a), Value::Array(b)) => self.lists(old_path, new_path, a, b),
            _ if self.same(before, after) => {}
            _ => self.push(new_path, Some(before), Some(after)),
        }
    }

    /// Lists of named things are matched by name, lists of scalars by value, others by position: so that order in a
    /// list that Kubernetes merges by key is not a change.
    fn lists(&mut self, old_path: &str, new_path: &str, a: &[Value], b: &[Value]) {
        let (keys_a, keys_b) = match (keys(a), keys(b)) {
            (Some(x), Some(y)) => (x, y),
            _ => return self.by_position(old_path, new_path, a, b),
        };
        for (key, &i) in &keys_a {
            let old = join(old_path, &i.to_string());
            match keys_b.get(key) {
                Some(&j) => self.compare(&old, &join(new_path, &j.to_string()), &a[i], &b[j]),
                None => self.push(&old, Some(&a[i]), None),
            }
        }
        for (key, &j) in keys_b.iter().filter(|(key, _)| !keys_a.contains_key(*key)) {
            let _ = key;
            self.push(&join(new_path, &j.to_string()), None, Some(&b[j]));
        }
    }

    fn by_position(&mut self, old_path: &str, new_path: &str, a: &[Value], b: &[Value]) {
        for i in 0..a.len().max(b.len()) {
            let (old, new) = (join(old_path, &i.to_string()), join(new_path, &i.to_string()));
            match (a.get(i), b.get(i)) {
                (Some(x), Some(y)) => self.compare(&old, &new, x, y),
                (x, y) => self.push(if y.is_some() { &new } else { &old }, x, y),
            }
        }
    }

    fn same(&self, before: &Value, after: &Value) -> bool {
        before == after || (self.keys_differ && class(before).is_some() && class(before) == class(after))
    }

    fn push(&mut self, path: &str, before: Option<&Value>, after: Option<&Value>) {
        let is_token = |value: Option<&Value>| value.is_some_and(|value| class(value).is_some());
        let redacted = is_token(before) || is_token(after);
        let shown = |value: Option<&Value>| value.cloned().map(|value| if redacted { mask(value) } else { value });
        let (before, after) = (shown(before), shown(after));
        self.changes.push(FieldChange { path: path.into(), before, after, redacted });
    }
}

/// A redacted value is shown by its class alone: the MAC says nothing to a reader.
fn mask(value: Value) -> Value {
    match class(&value) {
        Some(class) => Value::String(format!("redacted ({class})")),
        None => value,
    }
}

/// The class of a redacted value (`redacted:v1:<key id>:<class>:<mac>`).
fn class(value: &Value) -> Option<&str> {
    value.as_str()?.split_once(TOKEN)?.1.split(':').nth(1)
}

fn join(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Item keys of a list whose order means nothing: names, or scalar values; `None` where a key is missing or repeated.
fn keys(items: &[Value]) -> Option<BTreeMap<String, usize>> {
    let mut keys = BTreeMap::new();
    for (i, item) in items.iter().enumerate() {
        let key = match item {
            Value::Object(map) => map.get("name")?.as_str()?.to_owned(),
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
        };
        if keys.insert(key, i).is_some() {
            return None;
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        diff(before, after, false).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn moving_a_container_in_its_list_is_no_change() {
        let a = json!({"c": [{"name": "x", "image": "1"}, {"name": "y", "image": "2"}]});
        let b = json!({"c": [{"name": "y", "image": "2"}, {"name": "x", "image": "3"}]});
        assert_eq!(paths(&a, &b), ["/c/1/image"]);
    }

    #[test]
    fn redacted_values_are_shown_as_changed_and_never_by_their_mac() {
        let a = json!({"v": "redacted:v1:aaaaaaaa:password:0011"});
        let b = json!({"v": "redacted:v1:aaaaaaaa:password:2233"});
        let change = &diff(&a, &b, false)[0];
        assert!(change.redacted);
        assert_eq!(change.before, Some(json!("redacted (password)")));
        let other_key = json!({"v": "redacted:v1:bbbbbbbb:password:2233"});
        assert!(diff(&a, &other_key, true).is_empty());
    }

    #[test]
    fn keys_with_slashes_are_escaped() {
        assert_eq!(paths(&json!({}), &json!({"a/b~c": 1})), ["/a~1b~0c"]);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_does_not_differ_from_itself(a in document()) {
            prop_assert!(diff(&a, &a, false).is_empty());
        }

        #[test]
        fn different_scalars_always_show(a in document(), key in "[a-c]{1,2}") {
            let (x, y) = (json!({"spec": a.clone(), "flag": {key.clone(): 1}}), json!({"spec": a, "flag": {key.clone(): 2}}));
            prop_assert_eq!(paths(&x, &y), vec![format!("/flag/{key}")]);
        }
    }
}
