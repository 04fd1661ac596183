//! Reading fields that may be missing, which has a meaning, or of the wrong type, which has none.

use std::borrow::Cow;
use std::fmt;

use gitops_engine_core::{Health, HealthStatus, Manifest, Value};

/// A field holds what its schema forbids. Names the field, never its value.
pub(crate) struct Malformed {
    field: Vec<&'static str>,
    expected: &'static str,
    found: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {} and is {}", self.field.join("."), self.expected, self.found)
    }
}

pub(crate) type Judgement = Result<Health, Malformed>;

/// A field of a part of the object, with the name of the part for messages.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    name: &'static str,
    value: Option<&'a Value>,
}

/// `spec` or another top-level map.
pub(crate) fn part<'a>(object: &'a Manifest, name: &'static str) -> Result<Part<'a>, Malformed> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(Part { name, value: None }),
        Some(value @ Value::Object(_)) => Ok(Part { name, value: Some(value) }),
        Some(other) => Err(Malformed { field: vec![name], expected: "a map", found: other.type_name() }),
    }
}

impl<'a> Part<'a> {
    fn read<T>(
        self,
        keys: &[&'static str],
        expected: &'static str,
        as_type: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Malformed> {
        let Some(mut value) = self.value else { return Ok(None) };
        let wrong = |upto: usize, expected, found: &Value| {
            let mut field = vec![self.name];
            field.extend_from_slice(&keys[..upto]);
            Malformed { field, expected, found: found.type_name() }
        };
        for (depth, key) in keys.iter().enumerate() {
            let Value::Object(map) = value else { return Err(wrong(depth, "a map", value)) };
            match map.get(key) {
                None | Some(Value::Null) => return Ok(None),
                Some(child) => value = child,
            }
        }
        match as_type(value) {
            Some(read) => Ok(Some(read)),
            None => Err(wrong(keys.len(), expected, value)),
        }
    }

    /// An integer.
    pub(crate) fn int(self, keys: &[&'static str]) -> Result<Option<i64>, Malformed> {
        self.read(keys, "an integer", Value::as_i64)
    }

    /// A count: missing means none.
    pub(crate) fn count(self, key: &'static str) -> Result<i64, Malformed> {
        Ok(self.int(&[key])?.unwrap_or(0))
    }

    /// A text: missing means empty.
    pub(crate) fn text(self, keys: &[&'static str]) -> Result<&'a str, Malformed> {
        Ok(self.read(keys, "a text", Value::as_str)?.unwrap_or(""))
    }

    /// A boolean: missing means false.
    pub(crate) fn flag(self, key: &'static str) -> Result<bool, Malformed> {
        Ok(self.read(&[key], "a boolean", Value::as_bool)?.unwrap_or(false))
    }

    /// A list: missing means empty.
    pub(crate) fn list(self, keys: &[&'static str]) -> Result<&'a [Value], Malformed> {
        Ok(self.read(keys, "a list", Value::as_array)?.unwrap_or_default())
    }

    /// Whether there is a map.
    pub(crate) fn has_map(self, keys: &[&'static str]) -> Result<bool, Malformed> {
        Ok(self.read(keys, "a map", Value::as_object)?.is_some())
    }

    /// The conditions. Entries that are no conditions are nobody's.
    pub(crate) fn conditions(self) -> Result<impl Iterator<Item = Condition<'a>>, Malformed> {
        Ok(self.list(&["conditions"])?.iter().map(Condition))
    }

    /// The first condition of a type.
    pub(crate) fn condition(self, kind: &str) -> Result<Option<Condition<'a>>, Malformed> {
        Ok(self.conditions()?.find(|condition| condition.kind() == kind))
    }
}

/// An entry of `status.conditions`.
#[derive(Clone, Copy)]
pub(crate) struct Condition<'a>(pub(crate) &'a Value);

impl<'a> Condition<'a> {
    fn text(self, key: &str) -> &'a str {
        self.0.get(key).and_then(Value::as_str).unwrap_or("")
    }

    pub(crate) fn kind(self) -> &'a str {
        self.text("type")
    }

    pub(crate) fn reason(self) -> &'a str {
        self.text("reason")
    }

    pub(crate) fn message(self) -> &'a str {
        self.text("message")
    }

    pub(crate) fn is_true(self) -> bool {
        self.text("status") == "True"
    }

    pub(crate) fn is_false(self) -> bool {
        self.text("status") == "False"
    }
}

/// A verdict in words of the object itself. An empty message costs no allocation.
pub(crate) fn verdict(status: HealthStatus, message: &str) -> Health {
    Health { status, message: if message.is_empty() { Cow::Borrowed("") } else { Cow::Owned(message.to_owned()) } }
}
