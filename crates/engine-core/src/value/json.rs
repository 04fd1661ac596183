//! From and to JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, de};

use super::{Key, Map, Value};

impl Value {
    /// Parses JSON text.
    ///
    /// # Errors
    /// The parser's message with line and column. Nesting deeper than 128 is an error.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// Compact, canonical JSON: keys sorted.
    pub fn to_json(&self) -> Vec<u8> {
        // Every value serialises: keys are texts and no float is NaN.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items.iter()),
            Self::Object(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self {
            out.serialize_entry(key.as_str(), value)?;
        }
        out.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueSeed(&mut Open::default()).deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(map) => Ok(map),
            other => Err(de::Error::custom(format!("expected a map, found {}", other.type_name()))),
        }
    }
}

/// The maps and lists that are being read, the innermost one last: how large one is shows when it ends, and then it is
/// made in one piece.
#[derive(Default)]
pub(crate) struct Open {
    entries: Vec<(Key, Value)>,
    items: Vec<Value>,
}

impl Open {
    /// Reads a map; `read` reads the value of a key, or takes it apart and gives none.
    pub(crate) fn map<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        mut read: impl FnMut(&mut Self, &Key, &mut A) -> Result<Option<Value>, A::Error>,
    ) -> Result<Map, A::Error> {
        let start = self.entries.len();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            if let Some(value) = read(self, &key, map)? {
                self.entries.push((key, value));
            }
        }
        Ok(Map::from_tail(&mut self.entries, start))
    }
}

/// Reads a value.
pub(crate) struct ValueSeed<'o>(pub(crate) &'o mut Open);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "Kubernetes reads integers beyond i64 as floats, too")]
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text.into_boxed_str()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let start = self.0.items.len();
        while let Some(item) = seq.next_element_seed(ValueSeed(self.0))? {
            self.0.items.push(item);
        }
        Ok(Value::Array(self.0.items.drain(start..).collect()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        Ok(self.0.map(&mut map, |open, _, map| map.next_value_seed(ValueSeed(open)).map(Some))?.into())
    }
}

/// Reads a key without making a `String` of it first.
pub(crate) struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Key, E> {
        Ok(Key::new(text))
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::number(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::String(text.as_str().into()),
            Json::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Json::Object(map) => Self::object(map.iter().map(|(key, value)| (Key::new(key), Self::from(value)))),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        Self::from(&value)
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(number) => Self::from(*number),
            Value::Float(number) => Self::from(*number),
            Value::String(text) => Self::String(text.to_string()),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Object(map.iter().map(|(key, value)| (key.to_string(), Self::from(value))).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_sorted_and_the_last_of_equal_keys_stays() {
        let value = Value::from_json(br#"{"b":1,"a":2,"b":3}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"a":2,"b":3}"#);
    }

    #[test]
    fn floats_are_the_nearest_ones() {
        for text in ["1.7976931348623157", "0.1", "2.2250738585072014e-308", "123456789.12345679"] {
            assert_eq!(Value::from_json(text.as_bytes()).unwrap(), Value::Float(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn integral_floats_are_integers() {
        assert_eq!(Value::from_json(b"1.0").unwrap(), Value::Int(1));
        assert_eq!(Value::from_json(b"1e3").unwrap(), Value::Int(1000));
        assert_eq!(Value::from_json(b"0.5").unwrap(), Value::Float(0.5));
        assert!(matches!(Value::from_json(b"18446744073709551615").unwrap(), Value::Float(_)));
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let text = "[".repeat(100_000);
        assert!(Value::from_json(text.as_bytes()).is_err());
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[a-z~é/.]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map("[a-zA-Z.]{0,6}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn round_trips(json in any_json()) {
            let value = Value::from(&json);
            prop_assert_eq!(serde_json::Value::from(&value), json.clone());
            prop_assert_eq!(Value::from_json(&serde_json::to_vec(&json).unwrap()).unwrap(), value.clone());
            prop_assert_eq!(Value::from_json(&value.to_json()).unwrap(), value);
        }
    }
}
