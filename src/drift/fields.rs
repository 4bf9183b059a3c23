//! Changed fields of one object, as JSON Pointers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    FieldChange,
    lists::{self, Identity},
};

const TOKEN: &str = "redacted:v1:";

/// Differences from `before` to `after`. With `keys_differ`, redacted values of the same class count as equal: they
/// cannot be compared.
pub(super) fn diff(before: &Value, after: &Value, keys_differ: bool) -> Vec<FieldChange> {
    walk(before, after, keys_differ).into_iter().map(shown).collect()
}

fn walk<'a>(before: &'a Value, after: &'a Value, keys_differ: bool) -> Vec<Difference<'a>> {
    let mut walk = Walk { keys_differ, differences: Vec::new() };
    walk.compare(&Place::default(), before, after);
    walk.differences
}

/// A value before and after, and where.
struct Difference<'a> {
    place: Place,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

fn shown(Difference { place, before, after }: Difference<'_>) -> FieldChange {
    let is_token = |value: Option<&Value>| value.is_some_and(|value| class(value).is_some());
    let redacted = is_token(before) || is_token(after);
    let value = |value: Option<&Value>| value.cloned().map(|value| if redacted { mask(value) } else { value });
    FieldChange {
        path: if after.is_some() { place.new } else { place.old },
        stable: place.stable,
        before: value(before),
        after: value(after),
        redacted,
    }
}

/// Where the walk stands.
#[derive(Debug, Clone, Default)]
struct Place {
    /// Pointer into the old object.
    old: String,
    /// Pointer into the new one.
    new: String,
    /// The same on both sides: `spec.template.spec.containers[name=app].image`.
    stable: String,
    /// The innermost field, and the one that it stands in.
    field: String,
    parent: String,
}

impl Place {
    fn field(&self, key: &str) -> Self {
        let dot = if self.stable.is_empty() { "" } else { "." };
        Self {
            old: join(&self.old, key),
            new: join(&self.new, key),
            stable: format!("{}{dot}{key}", self.stable),
            field: key.to_owned(),
            parent: self.field.clone(),
        }
    }

    /// An item of the list that stands here.
    fn item(&self, name: &str, old: usize, new: usize) -> Self {
        Self {
            old: format!("{}/{old}", self.old),
            new: format!("{}/{new}", self.new),
            stable: format!("{}[{name}]", self.stable),
            ..self.clone()
        }
    }
}

struct Walk<'a> {
    keys_differ: bool,
    differences: Vec<Difference<'a>>,
}

impl<'a> Walk<'a> {
    fn compare(&mut self, place: &Place, before: &'a Value, after: &'a Value) {
        match (before, after) {
            (Value::Object(a), Value::Object(b)) => {
                for (key, value) in a {
                    match b.get(key) {
                        Some(other) => self.compare(&place.field(key), value, other),
                        None => self.push(place.field(key), Some(value), None),
                    }
                }
                for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                    self.push(place.field(key), None, Some(value));
                }
            }
            (Value::Array(a), Value::Array(b)) => self.lists(place, a, b),
            _ if self.same(before, after) => {}
            _ => self.push(place.clone(), Some(before), Some(after)),
        }
    }

    fn lists(&mut self, place: &Place, a: &'a [Value], b: &'a [Value]) {
        match lists::identity(&place.parent, &place.field) {
            Identity::Keys(keys) => match named(keys, a, b) {
                Some((x, y)) => self.by_name(place, (a, &x), (b, &y)),
                None => self.in_order(place, a, b),
            },
            Identity::Set => self.as_set(place, a, b),
            Identity::Order => self.in_order(place, a, b),
        }
    }

    fn by_name(&mut self, place: &Place, (a, x): (&'a [Value], &Names), (b, y): (&'a [Value], &Names)) {
        let mut in_order: Vec<_> = x.iter().collect();
        in_order.sort_by_key(|(_, i)| **i);
        for (name, &i) in in_order {
            match y.get(name) {
                Some(&j) => self.compare(&place.item(name, i, j), &a[i], &b[j]),
                None => self.push(place.item(name, i, i), Some(&a[i]), None),
            }
        }
        for (name, &j) in y.iter().filter(|(name, _)| !x.contains_key(*name)) {
            self.push(place.item(name, j, j), None, Some(&b[j]));
        }
    }

    /// Equal items stand for each other wherever they are. Of the rest, as many objects on both sides are taken for
    /// changed ones, in their order.
    fn as_set(&mut self, place: &Place, a: &'a [Value], b: &'a [Value]) {
        let mut came: Vec<usize> = (0..b.len()).collect();
        let mut went = Vec::new();
        for (i, item) in a.iter().enumerate() {
            match came.iter().position(|&j| self.equal(item, &b[j])) {
                Some(at) => drop(came.remove(at)),
                None => went.push(i),
            }
        }
        let objects = went.iter().map(|&i| &a[i]).chain(came.iter().map(|&j| &b[j])).all(Value::is_object);
        if objects && went.len() == came.len() {
            for (i, j) in went.into_iter().zip(came) {
                self.compare(&place.item(&j.to_string(), i, j), &a[i], &b[j]);
            }
            return;
        }
        for i in went {
            self.push(place.item(&set_name(&a[i], i), i, i), Some(&a[i]), None);
        }
        for j in came {
            self.push(place.item(&set_name(&b[j], j), j, j), None, Some(&b[j]));
        }
    }

    /// By position, without what stands unchanged at either end.
    fn in_order(&mut self, place: &Place, a: &'a [Value], b: &'a [Value]) {
        let shorter = a.len().min(b.len());
        let head = (0..shorter).take_while(|&i| self.equal(&a[i], &b[i])).count();
        let tail = (0..shorter - head).take_while(|&i| self.equal(&a[a.len() - 1 - i], &b[b.len() - 1 - i])).count();
        let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
        for i in head..a.len().max(b.len()) {
            let here = place.item(&i.to_string(), i, i);
            match (a.get(i), b.get(i)) {
                (Some(x), Some(y)) => self.compare(&here, x, y),
                (x, y) => self.push(here, x, y),
            }
        }
    }

    fn same(&self, before: &Value, after: &Value) -> bool {
        before == after || (self.keys_differ && class(before).is_some() && class(before) == class(after))
    }

    /// The same, whatever stands inside.
    fn equal(&self, before: &Value, after: &Value) -> bool {
        before == after || (self.keys_differ && walk(before, after, true).is_empty())
    }

    fn push(&mut self, place: Place, before: Option<&'a Value>, after: Option<&'a Value>) {
        self.differences.push(Difference { place, before, after });
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

/// Items of a list by name, with their places.
type Names = BTreeMap<String, usize>;

/// Items of both lists by the first of `keys` that all of them have; `None` where two of one list share their name.
fn named(keys: &[&[&str]], a: &[Value], b: &[Value]) -> Option<(Names, Names)> {
    let names = |keys: &[&str], items: &[Value]| {
        let mut names = Names::new();
        let mut is_new = |(i, item)| lists::name(keys, item).is_some_and(|name| names.insert(name, i).is_none());
        items.iter().enumerate().all(&mut is_new).then_some(names)
    };
    keys.iter().find_map(|keys| names(keys, a).zip(names(keys, b)))
}

fn set_name(item: &Value, index: usize) -> String {
    match item {
        Value::String(text) => format!("={text}"),
        Value::Bool(_) | Value::Number(_) | Value::Null => format!("={item}"),
        Value::Array(_) | Value::Object(_) => index.to_string(),
    }
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

    #[test]
    fn the_order_of_what_runs_is_a_change_and_that_of_a_set_is_none() {
        let ran = |list: Value| json!({"containers": [{"name": "a", "command": list}]});
        assert_eq!(
            paths(&ran(json!(["sh", "-c", "x"])), &ran(json!(["-c", "sh", "x"]))),
            ["/containers/0/command/0", "/containers/0/command/1"]
        );
        assert_eq!(paths(&ran(json!(["a", "c"])), &ran(json!(["a", "b", "c"]))), ["/containers/0/command/1"]);
        let dropped = |list: Value| json!({"capabilities": {"drop": list}});
        assert_eq!(paths(&dropped(json!(["A", "B"])), &dropped(json!(["B", "A"]))), [""; 0]);
        let changes = diff(&dropped(json!(["A", "B"])), &dropped(json!(["B", "C"])), false);
        let stable: Vec<&str> = changes.iter().map(|change| change.stable.as_str()).collect();
        assert_eq!(stable, ["capabilities.drop[=A]", "capabilities.drop[=C]"]);
    }

    #[test]
    fn items_go_by_the_merge_keys_of_kubernetes() {
        let cases = [
            ("ports", json!([{"containerPort": 1, "hostPort": 1}, {"containerPort": 2}]), "containerPort=1"),
            ("ports", json!([{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}]), "port=1,protocol=TCP"),
            (
                "volumeMounts",
                json!([{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]),
                "mountPath=/a",
            ),
            ("subjects", json!([{"kind": "User", "name": "x"}, {"kind": "Group", "name": "x"}]), "kind=User,name=x"),
            ("hostAliases", json!([{"ip": "::1"}, {"ip": "::2"}]), "ip=::1"),
            ("env", json!([{"name": "A", "value": "1"}, {"name": "B"}]), "name=A"),
        ];
        for (field, before, name) in cases {
            let mut after: Vec<Value> = before.as_array().unwrap().iter().rev().cloned().collect();
            let mut object = |more: Option<&str>| {
                if let Some(more) = more {
                    after[1][more] = json!(true);
                }
                json!({field: after})
            };
            let (old, moved, changed) = (json!({field: before}), object(None), object(Some("more")));
            assert_eq!(paths(&old, &moved), [""; 0], "{field}");
            let changes = diff(&old, &changed, false);
            let at: Vec<(&str, &str)> = changes.iter().map(|c| (c.path.as_str(), c.stable.as_str())).collect();
            assert_eq!(at, [(format!("/{field}/1/more").as_str(), format!("{field}[{name}].more").as_str())]);
        }
    }

    #[test]
    fn rules_of_a_role_are_a_set_and_a_changed_one_shows_what_changed() {
        let role = |rules: Value| json!({"rules": rules});
        let (read, write) = (json!({"verbs": ["get"], "resources": ["pods"]}), json!({"verbs": ["update"]}));
        assert_eq!(paths(&role(json!([read, write])), &role(json!([write, read]))), [""; 0]);
        let more = json!({"verbs": ["list", "get"], "resources": ["pods"]});
        assert_eq!(paths(&role(json!([read, write])), &role(json!([write, more]))), ["/rules/1/verbs/0"]);
        assert_eq!(paths(&role(json!([read])), &role(json!([read, write]))), ["/rules/1"]);
    }

    fn key_of(path: &str) -> (&str, String) {
        let (parent, key) = path.rsplit_once('/').unwrap();
        (parent, key.replace("~1", "/").replace("~0", "~"))
    }

    /// `before` with the differences applied; lists whose order means nothing may end up in another order.
    fn apply(before: &Value, differences: &[Difference<'_>]) -> Value {
        let mut object = before.clone();
        for change in differences.iter().filter(|change| change.before.is_some()) {
            if let Some(after) = change.after {
                *object.pointer_mut(&change.place.old).unwrap() = after.clone();
            }
        }
        for change in differences.iter().filter(|change| change.before.is_none()) {
            let (parent, key) = key_of(&change.place.old);
            let after = change.after.unwrap().clone();
            let any_order = change.place.stable.ends_with(']') && change.place.stable.contains('=')
                || lists::identity(&change.place.parent, &change.place.field) == Identity::Set;
            match object.pointer_mut(parent).unwrap() {
                Value::Object(map) => drop(map.insert(key, after)),
                Value::Array(list) if any_order => list.push(after),
                Value::Array(list) => list.insert(key.parse().unwrap(), after),
                other => panic!("{other} has no {key}"),
            }
        }
        for change in differences.iter().rev().filter(|change| change.after.is_none()) {
            let (parent, key) = key_of(&change.place.old);
            match object.pointer_mut(parent).unwrap() {
                Value::Object(map) => drop(map.remove(&key)),
                Value::Array(list) => drop(list.remove(key.parse().unwrap())),
                other => panic!("{other} has no {key}"),
            }
        }
        object
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
                prop::collection::btree_map(field(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Names that lists go by, and others.
    fn field() -> impl Strategy<Value = String> {
        let known = ["name", "port", "ports", "args", "finalizers", "rules", "verbs", "kind", "subjects", "a/b~c"];
        prop_oneof![2 => "[a-c]{1,2}", 3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned)]
    }

    /// Two lists of the same kind of items, under a field that they are matched by.
    fn lists_of_items() -> impl Strategy<Value = (Value, Value)> {
        let item = ("[a-c]", 0..3_u8, document()).prop_map(
            |(name, port, more)| json!({"name": name, "port": port, "kind": "x", "verbs": ["get", name], "more": more}),
        );
        let list = prop::collection::vec(item.boxed(), 0..4);
        (field(), list.clone(), list).prop_map(|(field, a, b)| {
            let list = |items: Vec<Value>| Value::Object([(field.clone(), Value::from(items))].into_iter().collect());
            (list(a), list(b))
        })
    }

    proptest! {
        #[test]
        fn what_changed_makes_the_new_of_the_old(
            (a, b) in prop_oneof![(document(), document()), lists_of_items()]
        ) {
            let made = apply(&a, &walk(&a, &b, false));
            let left = diff(&made, &b, false);
            prop_assert!(left.is_empty(), "{made} is not {b}: {left:?}");
        }

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
