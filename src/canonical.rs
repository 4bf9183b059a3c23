//! RFC 8785 canonical JSON, the form of everything that is hashed.
//!
//! Integers beyond ±(2^53-1) would lose digits in RFC 8785's number form: they are tagged `{"$int": "…"}` first
//! (bundle format, "The bag"). Duplicate keys are refused when read.

mod check;
mod write;

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub use check::{check, members};
pub use write::to_vec;

/// The greatest integer that every JSON reader keeps exactly: 2^53 - 1.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What made a value impossible to write or read canonically.
#[derive(Debug, thiserror::Error)]
#[error("canonical JSON: {0}")]
pub struct CanonicalError(#[from] serde_json::Error);

/// The canonical bytes of a JSON value.
///
/// # Errors
/// None in practice; `serde_json`'s writer reports through the same type.
pub fn value_to_vec(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    // serde_json's own writer is canonical, and ten times faster, where keys are ASCII and numbers are safe integers.
    match survey(value) {
        Survey::Plain => Ok(serde_json::to_vec(value)?),
        Survey::Canonicalise => Ok(serde_json_canonicalizer::to_vec(value)?),
        Survey::Tag => {
            let mut tagged = value.clone();
            tag(&mut tagged);
            Ok(serde_json_canonicalizer::to_vec(&tagged)?)
        }
    }
}

/// An object of values that are canonical already, each in pieces: a large one is never held twice.
///
/// Names are ASCII and need no escapes.
pub fn object<const N: usize>(mut members: [(&str, Vec<Vec<u8>>); N]) -> Vec<u8> {
    members.sort_unstable_by(|a, b| a.0.cmp(b.0));
    let values = members.iter().flat_map(|(_, pieces)| pieces).map(Vec::len).sum::<usize>();
    let names = members.iter().map(|(name, _)| name.len() + 4).sum::<usize>();
    let mut bytes = Vec::with_capacity(values + names + 2);
    for (at, (name, pieces)) in members.into_iter().enumerate() {
        bytes.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"\":");
        pieces.into_iter().for_each(|piece| bytes.extend_from_slice(&piece));
    }
    bytes.push(b'}');
    bytes
}

/// An array of values that are canonical already, in pieces.
pub fn array(items: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut pieces = vec![b"[".to_vec()];
    for (at, item) in items.into_iter().enumerate() {
        pieces.extend((at > 0).then(|| b",".to_vec()));
        pieces.push(item);
    }
    pieces.push(b"]".to_vec());
    pieces
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Survey {
    Plain,
    Canonicalise,
    Tag,
}

fn is_safe(number: &Number) -> bool {
    number.as_i64().is_some_and(|n| n.unsigned_abs() <= MAX_SAFE_INTEGER)
}

fn survey(value: &Value) -> Survey {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Survey::Plain,
        Value::Number(n) if is_safe(n) => Survey::Plain,
        Value::Number(n) if n.is_f64() => Survey::Canonicalise,
        Value::Number(_) => Survey::Tag,
        Value::Array(items) => items.iter().map(survey).max().unwrap_or(Survey::Plain),
        Value::Object(map) => {
            let keys = if map.keys().all(|k| k.is_ascii()) { Survey::Plain } else { Survey::Canonicalise };
            map.values().map(survey).max().unwrap_or(Survey::Plain).max(keys)
        }
    }
}

fn tag(value: &mut Value) {
    match value {
        Value::Number(n) if !n.is_f64() && !is_safe(n) => *value = serde_json::json!({"$int": n.to_string()}),
        Value::Array(items) => items.iter_mut().for_each(tag),
        Value::Object(map) => map.values_mut().for_each(tag),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads JSON strictly: one document, no duplicate keys.
///
/// # Errors
/// Invalid JSON, a duplicate key (named), or anything after the document; with line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("number is not finite"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Strict)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(Strict)?;
            if map.insert(key.clone(), value).is_some() {
                return Err(de::Error::custom(format!("duplicate key '{key}'")));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_2_53_are_tagged_not_rounded() {
        let value = serde_json::json!({"b": 9_007_199_254_740_993_i64, "a": 1.5, "c": -9_007_199_254_740_991_i64});
        let bytes = value_to_vec(&value).unwrap();
        assert_eq!(bytes, br#"{"a":1.5,"b":{"$int":"9007199254740993"},"c":-9007199254740991}"#);
    }

    #[test]
    fn keys_sort_by_utf16_not_by_bytes() {
        let value = serde_json::json!({"\u{10000}": 1, "\u{ff61}": 2});
        assert_eq!(value_to_vec(&value).unwrap(), "{\"\u{10000}\":1,\"\u{ff61}\":2}".as_bytes());
    }

    #[test]
    fn duplicate_keys_are_refused() {
        let error = parse(br#"{"a": 1, "a": 2}"#).unwrap_err().to_string();
        assert!(error.contains("duplicate key 'a'"), "{error}");
        assert!(parse(b"{} {}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_fast_path_equals_the_canonicaliser(keys in proptest::collection::vec("[ -~]{0,6}", 0..6), n in -9_007_199_254_740_991_i64..9_007_199_254_740_991, text in ".{0,12}") {
            let map: Map<String, Value> = keys.into_iter().map(|k| (k, serde_json::json!([n, text, null, true]))).collect();
            let value = Value::Object(map);
            proptest::prop_assert_eq!(value_to_vec(&value).unwrap(), serde_json_canonicalizer::to_vec(&value).unwrap());
        }
    }
}
