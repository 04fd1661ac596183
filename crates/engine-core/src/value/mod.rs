//! A compact tree for Kubernetes objects.
//!
//! `serde_json::Value` costs some nine times the JSON text (each map reserves a B-tree leaf, each key is its own string).
//! Here a map is one boxed slice, sorted by key, and keys are shared.

mod edit;
mod json;
mod key;

use std::fmt;

pub(crate) use json::{KeySeed, Open, ValueSeed};
pub use key::Key;

/// A JSON value.
///
/// Integral numbers within ±2^53 are always [`Value::Int`], as Kubernetes' own codec writes them back.
#[derive(Clone, Default, PartialEq, PartialOrd)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction, or out of the range of `i64`. Never NaN or infinite.
    Float(f64),
    /// A text.
    String(Box<str>),
    /// A list.
    Array(Box<[Value]>),
    /// A map.
    Object(Map),
}

/// A map with unique keys, sorted by key.
#[derive(Clone, Default, PartialEq, PartialOrd)]
pub struct Map(Box<[(Key, Value)]>);

/// Up to so many entries a map is searched from its beginning.
const SMALL: usize = 16;

impl Map {
    /// Sorts the entries. Of equal keys the last one stays, as in every JSON library of Kubernetes.
    pub fn from_entries(mut entries: Vec<(Key, Value)>) -> Self {
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(&mut earlier.1, &mut later.1);
                }
                same
            });
        }
        Self(entries.into_boxed_slice())
    }

    /// Takes the entries from `start` on, with the rules of [`Map::from_entries`].
    fn from_tail(entries: &mut Vec<(Key, Value)>, start: usize) -> Self {
        let tail = &mut entries[start..];
        if !tail.is_sorted_by(|(a, _), (b, _)| a < b) {
            tail.sort_by(|(a, _), (b, _)| a.cmp(b));
            if !tail.is_sorted_by(|(a, _), (b, _)| a < b) {
                return Self::from_entries(entries.drain(start..).collect());
            }
        }
        Self(entries.drain(start..).collect())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        // In a small map looking at each key is faster: keys of another length are passed over without reading them.
        if self.0.len() <= SMALL {
            let sought = key.as_bytes();
            return self
                .0
                .iter()
                .find(|(candidate, _)| candidate.as_str().as_bytes() == sought)
                .map(|(_, value)| value);
        }
        self.position(key).ok().map(|at| &self.0[at].1)
    }

    /// The entries, by key.
    pub fn iter(&self) -> std::slice::Iter<'_, (Key, Value)> {
        self.0.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(candidate, _)| candidate.as_str().cmp(key))
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Key, Value);
    type IntoIter = std::slice::Iter<'a, (Key, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<(Key, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Key, Value)>>(entries: I) -> Self {
        Self::from_entries(entries.into_iter().collect())
    }
}

impl Value {
    /// A number from a float: an integer where it is integral and small enough to be exact, `null` for NaN and infinity.
    pub fn number(number: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if !number.is_finite() {
            return Self::Null;
        }
        if number.fract() == 0.0 && number.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "integral and within ±2^53")]
            return Self::Int(number as i64);
        }
        Self::Float(number)
    }

    /// An object from its entries.
    pub fn object(entries: impl IntoIterator<Item = (Key, Value)>) -> Self {
        Self::Object(entries.into_iter().collect())
    }

    /// An empty object.
    pub fn empty_object() -> Self {
        Self::Object(Map::default())
    }

    /// The value of a key of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The value at the end of a chain of keys.
    pub fn path<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        keys.into_iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text at the end of a chain of keys.
    pub fn text<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Option<&str> {
        self.path(keys)?.as_str()
    }

    /// The integer at the end of a chain of keys.
    pub fn int<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Option<i64> {
        self.path(keys)?.as_i64()
    }

    /// The items of the list at the end of a chain of keys; none where there is no list.
    pub fn items<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> &[Self] {
        self.path(keys).and_then(Self::as_array).unwrap_or_default()
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What the value is, for messages: `a map`, `a text`, …
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number",
            Self::String(_) => "a text",
            Self::Array(_) => "a list",
            Self::Object(_) => "a map",
        }
    }
}

impl fmt::Display for Value {
    /// Compact JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(key, value)| (key, value))).finish()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into_boxed_str())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(items.into_boxed_slice())
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Object(map)
    }
}
