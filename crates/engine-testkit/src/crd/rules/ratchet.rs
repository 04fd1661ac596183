//! What did not change is not refused for what it was before:
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting>

use serde_json::Value;

use super::shape::keys_of;
use crate::{crd::extension::LIST, json::str_at};

/// A value with the one that was in its place.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    new: &'a Value,
    old: &'a Value,
    schema: &'a Value,
}

/// Where a value stands within what was there before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    /// Missing where nothing is known to have been in its place.
    own: Option<Pair<'a>>,
    /// The nearest place above of which something is known.
    above: Option<Pair<'a>>,
}

impl<'a> Kept<'a> {
    pub(super) fn none() -> Self {
        Self { own: None, above: None }
    }

    pub(super) fn root(new: &'a Value, old: &'a Value, schema: &'a Value) -> Self {
        Self { own: Some(Pair { new, old, schema }), above: None }
    }

    pub(super) fn key(&self, key: &str) -> Self {
        match (self.own, self.above) {
            (None, _) => *self,
            (Some(_), None) if matches!(key, "apiVersion" | "kind") => Self::none(),
            (Some(own), _) => Self { own: own.key(key), above: Some(own) },
        }
    }

    pub(super) fn index(&self, index: usize) -> Self {
        match self.own {
            None => *self,
            Some(own) => Self { own: own.index(index), above: Some(own) },
        }
    }

    pub(super) fn is_unchanged(&self) -> bool {
        self.own.or(self.above).is_some_and(|pair| pair.is_same())
    }
}

impl<'a> Pair<'a> {
    fn key(self, key: &str) -> Option<Self> {
        let (new, old) = (self.new.as_object()?.get(key)?, self.old.as_object()?.get(key)?);
        let property = self.schema.get("properties").and_then(|properties| properties.get(key));
        let values = || self.schema.get("additionalProperties").filter(|values| values.is_object());
        Some(Self { new, old, schema: property.or_else(values)? })
    }

    fn index(self, index: usize) -> Option<Self> {
        let (new, old) = (self.new.as_array()?.get(index)?, self.old.as_array()?);
        if str_at(self.schema, &[LIST]) != "map" {
            return None;
        }
        let old = counterpart(new, old, &keys_of(self.schema))?;
        Some(Self { new, old, schema: self.schema.get("items")? })
    }

    /// Whether the value is as it was; items of lists with keys may have moved.
    fn is_same(self) -> bool {
        match (self.new, self.old) {
            (Value::Null, Value::Null) => true,
            (Value::Array(new), Value::Array(old)) if str_at(self.schema, &[LIST]) == "map" => {
                let keys = keys_of(self.schema);
                let same = |item: &'a Value| {
                    let schema = self.schema.get("items").unwrap_or(&Value::Null);
                    counterpart(item, old, &keys).is_some_and(|old| Self { new: item, old, schema }.is_same())
                };
                new.len() == old.len() && new.iter().all(same)
            }
            (Value::Object(new), Value::Object(old)) => {
                new.len() == old.len() && new.keys().all(|key| self.key(key).is_some_and(Self::is_same))
            }
            (new, old) => new == old,
        }
    }
}

/// The item of a list that has the same keys; none without all of them.
pub(super) fn counterpart<'a>(item: &Value, list: &'a [Value], keys: &[String]) -> Option<&'a Value> {
    let scalar = |value: &Value| !matches!(value, Value::Null | Value::Array(_) | Value::Object(_));
    if keys.is_empty() || !keys.iter().all(|key| item.get(key).is_some_and(scalar)) {
        return None;
    }
    list.iter().find(|other| keys.iter().all(|key| other.get(key) == item.get(key)))
}
