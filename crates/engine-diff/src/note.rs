//! kubectl's copy of what it applied last, in an annotation of the live object
//! ([declarative management](https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#how-apply-calculates-differences-and-merges-changes)).
//!
//! It is as large as the object and matters only where it declares a field that the desired object does not: that field
//! goes. Mostly there is none, so the text is first read against the desired object without making a tree of it.

use std::fmt;

use gitops_engine_core::{GroupKind, Manifest, Map, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::desired::{LAST_APPLIED, is_secret, is_server_metadata, is_type_meta};

/// What was applied last, where that declares more than `desired`. `None` too where it is not known.
pub(crate) fn last_applied(kind: &GroupKind, desired: &Value, live: &Manifest) -> Option<Value> {
    let text = live.annotation(LAST_APPLIED)?;
    // The data of a Secret may be written in two forms.
    if !is_secret(kind) && declares_no_more(text, desired) {
        return None;
    }
    Value::from_json(text.as_bytes()).ok().filter(|last| matches!(last, Value::Object(_)))
}

/// Whether every field that the text declares is declared by `desired` too. Lists must be equal for that: their items
/// may be others at the same position.
fn declares_no_more(text: &str, desired: &Value) -> bool {
    let mut parser = serde_json::Deserializer::from_str(text);
    Against { desired: Some(desired), place: Place::Object }.deserialize(&mut parser).is_ok() && parser.end().is_ok()
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The whole object.
    Object,
    Metadata,
    /// Labels or annotations: kubectl writes empty ones where there are none.
    Texts,
    Field,
    InList,
}

/// Reads a value and fails where it declares more than `desired`, which ends the reading.
#[derive(Clone, Copy)]
struct Against<'a> {
    desired: Option<&'a Value>,
    place: Place,
}

impl Against<'_> {
    fn scalar<E: serde::de::Error>(self, value: &Value) -> Result<(), E> {
        let declared = match (self.desired, self.place) {
            (Some(desired), Place::InList) => desired == value,
            (Some(desired), _) => !desired.is_null() || value.is_null(),
            (None, _) => value.is_null(),
        };
        if declared { Ok(()) } else { Err(more()) }
    }
}

fn more<E: serde::de::Error>() -> E {
    E::custom("declares more")
}

impl<'de> DeserializeSeed<'de> for Against<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Against<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(&Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.scalar(&number.into())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        // Larger ones are rare enough for the long way.
        self.scalar(&i64::try_from(number).map_err(|_| more())?.into())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.scalar(&Value::number(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let declared = match (self.desired, self.place) {
            (Some(desired), Place::InList) => desired.as_str() == Some(text),
            (desired, _) => desired.is_some_and(|desired| !desired.is_null()),
        };
        if declared { Ok(()) } else { Err(more()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some(Value::Array(items)) = self.desired else { return Err(more()) };
        for item in items {
            if seq.next_element_seed(Against { desired: Some(item), place: Place::InList })?.is_none() {
                return Err(more());
            }
        }
        if seq.next_element::<IgnoredAny>()?.is_some() { Err(more()) } else { Ok(()) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let nothing = Map::default();
        let declared = match self.desired {
            Some(Value::Object(declared)) => declared,
            None | Some(Value::Null) if self.place == Place::Texts => &nothing,
            _ => return Err(more()),
        };
        let mut count = 0;
        while let Some(next) = map.next_key_seed(Lookup { declared, place: self.place })? {
            match next {
                Next::Skip => {
                    map.next_value::<IgnoredAny>()?;
                }
                Next::Value(against) => map.next_value_seed(against)?,
            }
            count += 1;
        }
        // The keys of an item tell it from others: what it does not repeat may be one of them.
        if self.place == Place::InList && count != declared.len() {
            Err(A::Error::custom("another item"))
        } else {
            Ok(())
        }
    }
}

/// Finds what `desired` has under the next key, without keeping the key.
struct Lookup<'a> {
    declared: &'a Map,
    place: Place,
}

enum Next<'a> {
    /// The field declares nothing.
    Skip,
    Value(Against<'a>),
}

impl<'de, 'a> DeserializeSeed<'de> for Lookup<'a> {
    type Value = Next<'a>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Next<'a>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Lookup<'a> {
    type Value = Next<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Next<'a>, E> {
        let place = match self.place {
            Place::Object if is_type_meta(key) || key == "status" => return Ok(Next::Skip),
            Place::Object if key == "metadata" => Place::Metadata,
            Place::Metadata if is_server_metadata(key) => return Ok(Next::Skip),
            Place::Metadata if matches!(key, "annotations" | "labels") => Place::Texts,
            Place::InList => Place::InList,
            _ => Place::Field,
        };
        Ok(Next::Value(Against { desired: self.declared.get(key), place }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn more_is_seen_and_the_same_is_not() {
        let desired = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","labels":{"a":"1"}},
            "spec":{"a":1,"none":null,"list":[{"name":"a","x":1.5,"big":-1,"on":true,"z":null}]}}"#;
        let desired = Value::from_json(desired.as_bytes()).unwrap();
        for same in [
            "{}",
            r#"{"kind":"Other","status":{"a":1},"metadata":{"namespace":"n","uid":"u","annotations":{},"labels":{"a":"2"}}}"#,
            r#"{"spec":{"a":2,"none":null}}"#,
            r#"{"spec":{"list":[{"name":"a","x":1.5,"big":-1,"on":true,"z":null}]}}"#,
        ] {
            assert!(declares_no_more(same, &desired), "{same}");
        }
        for more in [
            "",
            "[]",
            "{} {}",
            r#"{"data":{}}"#,
            r#"{"metadata":{"annotations":{"b":"1"}}}"#,
            r#"{"metadata":{"labels":{"a":"1","b":"1"}}}"#,
            r#"{"spec":{"b":1}}"#,
            r#"{"spec":{"b":{}}}"#,
            r#"{"spec":{"a":{"b":1}}}"#,
            r#"{"spec":{"none":1}}"#,
            r#"{"spec":{"list":[]}}"#,
            r#"{"spec":{"list":[{"name":"b","x":1.5,"big":-1,"on":true,"z":null}]}}"#,
            r#"{"spec":{"list":[{"x":1.5,"big":-1,"on":true,"z":null}]}}"#,
            r#"{"spec":{"list":[{"name":"a","x":1.5,"big":-1,"on":true,"z":null,"y":1}]}}"#,
        ] {
            assert!(!declares_no_more(more, &desired), "{more}");
        }
    }
}
