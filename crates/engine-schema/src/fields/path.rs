//! One step on the way to a field, and the way.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

/// One step: a field of an object (`f:name`), an item of a list by its keys (`k:{"name":"web"}`), by its value (`v:"x"`), or
/// by its index (`i:0`). Kept in its canonical text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathElement(Box<str>);

impl PathElement {
    /// A field of an object.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self(["f:", name].concat().into())
    }

    /// An item of a list, by its keys.
    #[must_use]
    pub fn keys<'a>(keys: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        let sorted: BTreeMap<&str, &Value> = keys.into_iter().collect();
        let mut out = String::from("k:{");
        for (i, (name, value)) in sorted.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push_str(&Value::from(*name).to_string());
            out.push(':');
            write(value, &mut out);
        }
        out.push('}');
        Self(out.into())
    }

    /// An item of a set, by its value.
    #[must_use]
    pub fn value(value: &Value) -> Self {
        let mut out = String::from("v:");
        write(value, &mut out);
        Self(out.into())
    }

    /// Reads the text of an element. `None` for a kind of element that is not known: a newer server may write some.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let Some((kind, rest)) = text.split_at_checked(2) else {
            return Err("key must be 2 characters long:".to_owned());
        };
        Ok(Some(match kind {
            "f:" => Self(text.into()),
            "v:" => Self::value(&serde_json::from_str(rest).map_err(|e| e.to_string())?),
            "k:" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).map_err(|e| e.to_string())?;
                Self::keys(keys.iter().map(|(k, v)| (k.as_str(), v)))
            }
            "i:" => Self(format!("i:{}", rest.parse::<i64>().map_err(|e| e.to_string())?).into()),
            _ if !kind.ends_with(':') => return Err(format!("missing colon: {text}")),
            _ => return Ok(None),
        }))
    }

    /// The text in `FieldsV1`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, for a field of an object.
    #[must_use]
    pub fn as_field(&self) -> Option<&str> {
        self.0.strip_prefix("f:")
    }

    /// Whether this is an item of a list by its keys.
    #[must_use]
    pub fn is_keys(&self) -> bool {
        self.0.starts_with("k:")
    }
}

/// As conflicts show it: `.image`, `[name="web"]`, `[="x"]`, `[0]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_at_checked(2) {
            Some(("f:", name)) => write!(f, ".{name}"),
            Some(("k:", keys)) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={}", shown(v))).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Some(("v:", value)) => {
                let value: Value = serde_json::from_str(value).unwrap_or_default();
                write!(f, "[={}]", shown(&value))
            }
            _ => write!(f, "[{}]", self.0.get(2..).unwrap_or_default()),
        }
    }
}

/// A value as paths show it: maps and lists, which are no keys, in a way of their own.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}={}", shown(v))).collect(),
        Value::Array(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Compact JSON as Go writes it, which escapes what HTML would interpret; a number has no fraction where it is whole.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Number(n) => match n.as_f64() {
            Some(float) if n.is_f64() && float.fract() == 0.0 && float.abs() < 1e21 => {
                out.push_str(&format!("{float:.0}"))
            }
            _ => out.push_str(&n.to_string()),
        },
        Value::String(_) => {
            for c in value.to_string().chars() {
                match c {
                    '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
                    _ => out.push(c),
                }
            }
        }
        Value::Array(list) => {
            out.push('[');
            for (i, v) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(v, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (k, v)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(&Value::from(k.as_str()), out);
                out.push(':');
                write(v, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
    }
}

/// The way from an object to one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(pub Vec<PathElement>);

impl FieldPath {
    /// A path of field names.
    #[must_use]
    pub fn of_fields(names: &[&str]) -> Self {
        Self(names.iter().map(|name| PathElement::field(name)).collect())
    }
}

/// As conflicts show it: `.spec.containers[name="web"].image`.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}
