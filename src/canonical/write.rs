//! Canonical JSON straight from values: no tree of them is built, and members are put in order where they stand.

use std::{borrow::Cow, ops::Range};

use serde::{
    Serialize, Serializer,
    ser::{self, Error as _},
};
use serde_json::Value;

use super::{CanonicalError, value_to_vec};

/// The canonical bytes of anything that serialises.
///
/// # Errors
/// Values that JSON cannot hold, such as maps with keys that are not strings.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut writer = Writer { out: Vec::new() };
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

impl ser::Error for CanonicalError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(serde_json::Error::custom(message))
    }
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> Result<(), CanonicalError> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn scalar(&mut self, value: impl Into<Value>) -> Result<(), CanonicalError> {
        self.put(&value_to_vec(&value.into())?)
    }

    fn text(&mut self, text: &str) -> Result<(), CanonicalError> {
        Ok(serde_json::to_writer(&mut self.out, text)?)
    }

    /// `{"Variant":` of an enum that is tagged from outside.
    fn variant(&mut self, variant: &str) -> Result<(), CanonicalError> {
        self.put(b"{")?;
        self.text(variant)?;
        self.put(b":")
    }

    fn list(&mut self, end: &'static [u8]) -> Result<List<'_>, CanonicalError> {
        self.put(b"[")?;
        Ok(List { writer: self, first: true, end })
    }

    fn members(&mut self, end: &'static [u8]) -> Result<Members<'_>, CanonicalError> {
        self.put(b"{")?;
        Ok(Members { writer: self, members: Vec::new(), key: Cow::Borrowed(""), end })
    }
}

/// An array while it is written.
struct List<'a> {
    writer: &'a mut Writer,
    first: bool,
    end: &'static [u8],
}

impl List<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        if !std::mem::take(&mut self.first) {
            self.writer.put(b",")?;
        }
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<(), CanonicalError> {
        self.writer.put(self.end)
    }
}

/// An object while it is written: `"key":value` one after the other, with their places.
struct Members<'a> {
    writer: &'a mut Writer,
    members: Vec<(Cow<'static, str>, Range<usize>)>,
    /// The key of a map whose value comes next.
    key: Cow<'static, str>,
    end: &'static [u8],
}

impl Members<'_> {
    fn member<T: Serialize + ?Sized>(&mut self, key: Cow<'static, str>, value: &T) -> Result<(), CanonicalError> {
        let start = self.writer.out.len();
        self.writer.text(&key)?;
        self.writer.put(b":")?;
        value.serialize(&mut *self.writer)?;
        self.members.push((key, start..self.writer.out.len()));
        self.writer.put(b",")
    }

    /// By the keys' UTF-16 code units.
    fn close(mut self) -> Result<(), CanonicalError> {
        let order = |a: &str, b: &str| match a.is_ascii() && b.is_ascii() {
            true => a.cmp(b),
            false => a.encode_utf16().cmp(b.encode_utf16()),
        };
        let out = &mut self.writer.out;
        if !self.members.is_sorted_by(|(a, _), (b, _)| order(a, b).is_lt()) {
            let start = self.members.first().map_or(out.len(), |(_, place)| place.start);
            let written = out.split_off(start);
            self.members.sort_by(|(a, _), (b, _)| order(a, b));
            if let Some([(key, _), _]) = self.members.array_windows().find(|[(a, _), (b, _)]| a == b) {
                return Err(CanonicalError::custom(format!("duplicate key '{key}'")));
            }
            for (_, place) in &self.members {
                out.extend_from_slice(&written[place.start - start..place.end - start]);
                out.push(b',');
            }
        }
        // The comma behind the last one.
        out.truncate(out.len() - usize::from(!self.members.is_empty()));
        self.writer.put(self.end)
    }
}

/// The text of a map's key; numbers and truth values are written as such, as everywhere in `serde_json`.
fn key_of<T: Serialize + ?Sized>(key: &T) -> Result<String, CanonicalError> {
    match serde_json::to_value(key)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(CanonicalError::custom("key must be a string")),
    }
}

/// Numbers of every width are written alike.
macro_rules! scalars {
    ($($method:ident: $kind:ty),*) => {$(
        fn $method(self, v: $kind) -> Result<(), CanonicalError> {
            self.scalar(v)
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    fn serialize_bool(self, v: bool) -> Result<(), CanonicalError> {
        self.put(if v { b"true" } else { b"false" })
    }

    scalars!(
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64
    );

    fn serialize_char(self, v: char) -> Result<(), CanonicalError> {
        self.text(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Result<(), CanonicalError> {
        self.text(v)
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), CanonicalError> {
        v.serialize(self)
    }

    fn serialize_none(self) -> Result<(), CanonicalError> {
        self.put(b"null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CanonicalError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CanonicalError> {
        self.put(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CanonicalError> {
        self.put(b"null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), CanonicalError> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), CanonicalError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.put(b"}")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, CanonicalError> {
        self.list(b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, CanonicalError> {
        self.list(b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, CanonicalError> {
        self.list(b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, CanonicalError> {
        self.variant(variant)?;
        self.list(b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, CanonicalError> {
        self.members(b"}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, CanonicalError> {
        self.members(b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, CanonicalError> {
        self.variant(variant)?;
        self.members(b"}}")
    }
}

/// The four kinds of lists that serde knows are written alike.
macro_rules! lists {
    ($($kind:ident: $item:ident),*) => {$(
        impl ser::$kind for List<'_> {
            type Ok = ();
            type Error = CanonicalError;

            fn $item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
                self.item(value)
            }

            fn end(self) -> Result<(), CanonicalError> {
                self.close()
            }
        }
    )*};
}

lists!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CanonicalError> {
        self.key = Cow::Owned(key_of(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        let key = std::mem::take(&mut self.key);
        self.member(key, value)
    }

    fn end(self) -> Result<(), CanonicalError> {
        self.close()
    }
}

/// Structs, and variants that are structs, are written alike.
macro_rules! members {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Members<'_> {
            type Ok = ();
            type Error = CanonicalError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), CanonicalError> {
                self.member(Cow::Borrowed(key), value)
            }

            fn end(self) -> Result<(), CanonicalError> {
                self.close()
            }
        }
    )*};
}

members!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        Unit,
        Newtype(Option<u8>),
        Tuple(i64, f64, char),
        Struct { zeta: u64, alpha: Inner },
    }

    #[derive(Serialize)]
    struct Inner {
        b: (bool, ()),
        a: BTreeMap<u32, f32>,
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        none: Option<String>,
    }

    #[derive(Serialize)]
    #[serde(tag = "is", rename_all = "kebab-case")]
    enum Tagged {
        Struct { zeta: u64, alpha: Vec<Shape> },
        Unit,
    }

    fn shapes(n: i64, f: f64, text: &str, key: &str) -> impl Serialize {
        let more = BTreeMap::from([(key.to_owned(), serde_json::json!([n, f, text, {}, []]))]);
        let inner = Inner { b: (true, ()), a: BTreeMap::from([(7, 0.5), (11, 1.0)]), more, none: None };
        let alpha = vec![
            Shape::Unit,
            Shape::Newtype(None),
            Shape::Newtype(Some(255)),
            Shape::Tuple(n, f, '\u{1F600}'),
            Shape::Struct { zeta: n.unsigned_abs(), alpha: inner },
        ];
        (Tagged::Struct { zeta: u64::MAX, alpha }, Tagged::Unit, f64::NAN)
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_what_a_tree_of_values_gives(n in proptest::num::i64::ANY, f in proptest::num::f64::ANY, text in ".{0,12}", key in "\\PC{0,3}|zz.{0,3}") {
            let value = shapes(n, f, &text, &key);
            let tree = value_to_vec(&serde_json::to_value(&value).unwrap());
            let written = to_vec(&value);
            // Beside a field of the same name the tree keeps one of the two.
            match key.as_str() {
                "a" | "b" => proptest::prop_assert!(written.unwrap_err().to_string().contains("duplicate key")),
                _ => proptest::prop_assert_eq!(String::from_utf8(written.unwrap()).unwrap(), String::from_utf8(tree.unwrap()).unwrap()),
            }
        }
    }

    #[test]
    fn empty_ones_have_no_comma_and_odd_keys_are_refused() {
        let nothing: (Vec<u8>, BTreeMap<String, u8>, Option<u8>) = (vec![], BTreeMap::new(), None);
        assert_eq!(to_vec(&nothing).unwrap(), b"[[],{},null]");
        assert!(to_vec(&HashMap::from([(vec![1], 1)])).is_err());
        assert_eq!(to_vec(&HashMap::from([(true, 1)])).unwrap(), br#"{"true":1}"#);
    }
}
