//! The value that expressions see: a JSON document, ordered, with 64-bit integers as CEL `int`.
//!
//! The crate's own maps are hash maps, whose order would make two runs differ, and its JSON gives `uint` for positive
//! integers, so that `replicas - 1` would have no overload. Scalars are the crate's own types; lists and maps are ours.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use cel::{
    ExecutionError,
    common::{
        traits::{self, Adder, Container, Indexer, Iterable, Sizer, Zeroer},
        types::{self, CelBool, CelDouble, CelInt, CelList, CelNull, CelOptional, CelString, CelUInt, Type},
        value::{CowVal, Val},
    },
};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// A JSON value, shared and cheap to clone.
#[derive(Debug, Clone)]
pub enum Node {
    /// `null`.
    Null(CelNull),
    /// A boolean.
    Bool(CelBool),
    /// Any integer of 64 bits.
    Int(CelInt),
    /// Any other number.
    Double(CelDouble),
    /// A text.
    Text(CelString<'static>),
    /// A list.
    List(Arc<[Node]>),
    /// A map, sorted by key.
    Map(Arc<[Entry]>),
    /// Something that could not be seen, with the reason; written `{$unknown: reason}`.
    Unknown(Arc<str>),
}

thread_local! {
    /// The first unknown value that the running evaluation reached. Optionals swallow errors, so an error alone would
    /// let `unknown.?x.orValue(0)` pass for an answer.
    static REACHED: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Runs `evaluation`; the reason of the first unknown value that it reached comes back beside its result.
pub fn watching_unknowns<T>(evaluation: impl FnOnce() -> T) -> (T, Option<Arc<str>>) {
    REACHED.with_borrow_mut(|reached| *reached = None);
    let result = evaluation();
    (result, REACHED.with_borrow_mut(Option::take))
}

/// One key of a [`Node::Map`] and its value.
pub type Entry = (CelString<'static>, Node);

impl Node {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(CelString::from(text.into()))
    }

    /// An integer.
    pub fn int(value: i64) -> Self {
        Self::Int(value.into())
    }

    /// Something that could not be seen.
    pub fn unknown(reason: impl Into<Arc<str>>) -> Self {
        Self::Unknown(reason.into())
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// A map; of a repeated key the first stays.
    pub fn map(entries: impl IntoIterator<Item = (String, Self)>) -> Self {
        Self::sorted(entries.into_iter().map(|(key, value)| (CelString::from(key), value)).collect())
    }

    fn sorted(mut entries: Vec<Entry>) -> Self {
        // Canonical JSON sorts by UTF-16, look-ups here by bytes: they differ outside the basic plane.
        if !entries.is_sorted_by(|a, b| a.0.inner() < b.0.inner()) {
            entries.sort_by(|a, b| a.0.inner().cmp(b.0.inner()));
            entries.dedup_by(|later, first| later.0 == first.0);
        }
        match entries.as_slice() {
            [(key, Self::Text(digits))] if key.inner() == "$int" => {
                digits.inner().parse().map_or_else(|_| Self::Map(entries.into()), Self::int)
            }
            [(key, Self::Text(reason))] if key.inner() == "$unknown" => Self::unknown(reason.inner()),
            _ => Self::Map(entries.into()),
        }
    }

    /// The value of a key, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.binary_search_by(|entry| entry.0.inner().cmp(key)).ok().map(|found| &entries[found].1)
    }

    /// The value below a path of keys.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The items of a list; nothing for anything else.
    pub fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The entries of a map in key order; nothing for anything else.
    pub fn entries(&self) -> &[Entry] {
        if let Self::Map(entries) = self { entries } else { &[] }
    }

    /// The text, where this is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text.inner()) } else { None }
    }

    /// The integer, where this is one.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int.inner()) } else { None }
    }

    /// Why this could not be seen.
    pub fn unknown_reason(&self) -> Option<&Arc<str>> {
        if let Self::Unknown(reason) = self { Some(reason) } else { None }
    }

    /// Tells the running evaluation that it rests on something unknown.
    pub fn reach(&self) -> &Self {
        if let Self::Unknown(reason) = self {
            REACHED.with_borrow_mut(|reached| {
                reached.get_or_insert_with(|| Arc::clone(reason));
            });
        }
        self
    }

    /// `true`, where this is a boolean that says so.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(bool) if *bool.inner())
    }

    /// What the interpreter works with: scalars as the crate's own types.
    pub fn val(&self) -> &(dyn Val + 'static) {
        match self {
            Self::Null(value) => value,
            Self::Bool(value) => value,
            Self::Int(value) => value,
            Self::Double(value) => value,
            Self::Text(value) => value,
            Self::List(_) | Self::Map(_) | Self::Unknown(_) => self,
        }
    }

    /// The same as JSON.
    pub fn json(&self) -> Json {
        match self {
            Self::Null(_) => Json::Null,
            Self::Bool(value) => (*value.inner()).into(),
            Self::Int(value) => (*value.inner()).into(),
            Self::Double(value) => (*value.inner()).into(),
            Self::Text(value) => value.inner().into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(entries) => {
                Json::Object(entries.iter().map(|(key, value)| (key.inner().to_string(), value.json())).collect())
            }
            Self::Unknown(reason) => format!("not known: {reason}").into(),
        }
    }

    fn len(&self) -> usize {
        self.items().len() + self.entries().len()
    }
}

/// What an expression gave, as JSON; `None` for an empty optional and for what JSON cannot hold (bytes, types).
pub fn json_of(value: &dyn Val) -> Option<Json> {
    if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        return optional.option().and_then(json_of);
    }
    let Some(iterable) = value.as_iterable() else { return scalar(value) };
    let mut items = iterable.iter();
    if value.get_type().name() != types::MAP_TYPE.name() {
        let mut list = Vec::new();
        while let Some(item) = items.next() {
            list.push(json_of(item)?);
        }
        return Some(Json::Array(list));
    }
    // The crate's maps iterate in hash order: sort by key.
    let mut map = BTreeMap::new();
    while let Some(key) = items.next() {
        let name = key.downcast_ref::<CelString<'_>>()?.inner().to_string();
        map.insert(name, json_of(value.as_indexer()?.get(key).ok()?.as_ref())?);
    }
    Some(map.into_iter().collect())
}

fn scalar(value: &dyn Val) -> Option<Json> {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        Some(text.inner().into())
    } else if let Some(int) = value.downcast_ref::<CelInt>() {
        Some((*int.inner()).into())
    } else if let Some(bool) = value.downcast_ref::<CelBool>() {
        Some((*bool.inner()).into())
    } else if let Some(uint) = value.downcast_ref::<CelUInt>() {
        Some((*uint.inner()).into())
    } else if let Some(double) = value.downcast_ref::<CelDouble>() {
        Some((*double.inner()).into())
    } else {
        value.downcast_ref::<CelNull>().map(|_| Json::Null)
    }
}

impl From<&Json> for Node {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null(CelNull),
            Json::Bool(value) => Self::Bool((*value).into()),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Self::int(int),
                None => Self::Double(number.as_f64().unwrap_or(f64::NAN).into()),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.iter().map(Self::from)),
            Json::Object(map) => Self::map(map.iter().map(|(key, value)| (key.clone(), Self::from(value)))),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null(_), Self::Null(_)) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.inner().to_bits() == b.inner().to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Unknown(a), Self::Unknown(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null(_) => {}
            Self::Bool(value) => value.inner().hash(state),
            Self::Int(value) => value.inner().hash(state),
            Self::Double(value) => value.inner().to_bits().hash(state),
            Self::Text(value) => value.inner().hash(state),
            Self::List(items) => items.hash(state),
            Self::Map(entries) => entries.hash(state),
            Self::Unknown(reason) => reason.hash(state),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::int(value))
    }

    #[allow(clippy::cast_precision_loss, reason = "JSON has no other number for what 64 signed bits cannot hold")]
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(i64::try_from(value).map_or_else(|_| Node::Double((value as f64).into()), Node::int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Double(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::text(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null(CelNull))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null(CelNull))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<String, Node>()? {
            entries.push((CelString::from(key), value));
        }
        Ok(Node::sorted(entries))
    }
}

impl Val for Node {
    fn get_type(&self) -> &Type {
        match self {
            Self::Map(_) => &types::MAP_TYPE,
            Self::Unknown(_) => &types::DYN_TYPE,
            _ => &types::LIST_TYPE,
        }
    }

    fn cel_type() -> &'static Type {
        &types::DYN_TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        matches!(self, Self::List(_)).then_some(self as _)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn into_indexer<'v>(self: Box<Self>) -> Option<Box<dyn Indexer + 'v>>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        if self.get_type().name() != other.get_type().name() {
            return false;
        }
        match self {
            Self::Map(entries) => {
                let (Some(fields), Some(sizer)) = (other.as_indexer(), other.as_sizer()) else { return false };
                sizer.size() == self.size()
                    && entries
                        .iter()
                        .all(|(key, value)| fields.get(key).is_ok_and(|field| value.val().equals(field.as_ref())))
            }
            _ => {
                let Some(iterable) = other.as_iterable() else { return false };
                let mut others = iterable.iter();
                self.items().iter().all(|item| others.next().is_some_and(|other| item.val().equals(other)))
                    && others.next().is_none()
            }
        }
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Indexer for Node {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let found = match self {
            Self::Map(_) => index.downcast_ref::<CelString<'_>>().and_then(|key| Self::get(self, key.inner())),
            _ => index
                .downcast_ref::<CelInt>()
                .and_then(|index| usize::try_from(*index.inner()).ok())
                .and_then(|index| self.items().get(index)),
        };
        found.map(|node| CowVal::Borrowed(node.reach().val())).ok_or_else(|| {
            let key = scalar(index).map_or_else(|| "?".to_string(), |key| plain(&key));
            ExecutionError::no_such_key(&key)
        })
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Indexer::get(&*self, index).map(CowVal::into_owned)
    }
}

struct Items<'b> {
    node: &'b Node,
    next: usize,
}

impl<'b, 'v> traits::Iterator<'b, 'v> for Items<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        let index = self.next;
        self.next += 1;
        match self.node {
            Node::Map(entries) => entries.get(index).map(|entry| &entry.0 as &'b (dyn Val + 'v)),
            node => node.items().get(index).map(|item| item.reach().val() as &'b (dyn Val + 'v)),
        }
    }
}

impl Iterable for Node {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Items { node: self, next: 0 })
    }
}

impl Sizer for Node {
    fn size(&self) -> CelInt {
        i64::try_from(self.len()).unwrap_or(i64::MAX).into()
    }
}

impl Zeroer for Node {
    fn is_zero_value(&self) -> bool {
        self.len() == 0
    }
}

impl Container for Node {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(match self {
            Self::Map(_) => value
                .downcast_ref::<CelString<'_>>()
                .is_some_and(|key| Self::get(self, key.inner()).map(Self::reach).is_some()),
            _ => self.items().iter().any(|item| item.reach().val().equals(value)),
        })
    }
}

impl Adder for Node {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let more = rhs.as_iterable().filter(|_| rhs.get_type().name() == types::LIST_TYPE.name()).ok_or_else(|| {
            ExecutionError::no_such_overload("_+_", vec!["list".into(), rhs.get_type().name().into()])
        })?;
        let mut sum: Vec<Box<dyn Val + 'v>> = self.items().iter().map(|item| item.val().clone_as_boxed()).collect();
        let mut more = more.iter();
        while let Some(item) = more.next() {
            sum.push(item.clone_as_boxed());
        }
        Ok(CowVal::owned(CelList::from(sum)))
    }
}

/// A value in a sentence: texts without quotes, lists with commas.
pub fn plain(value: &Json) -> String {
    match value {
        Json::Null => "unset".into(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => value.to_string(),
    }
}
