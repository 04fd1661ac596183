//! Objects as rules see them: typed by their schema, and read where they stand.

use std::{collections::BTreeMap, sync::Arc};

use base64::{DecodeError, Engine, prelude::BASE64_URL_SAFE};
use serde_json::Value;

use super::value::{Evaluated, Fail, Val};

/// What is known about a value by its schema.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    pub(crate) nullable: bool,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// A number or a text.
    Either,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Duration,
    Date,
    DateTime,
    List {
        items: Option<Arc<Node>>,
        order: Order,
    },
    /// By the names that the objects have.
    Fields(BTreeMap<String, Arc<Node>>),
    /// Any keys with values of one kind.
    Values(Arc<Node>),
    /// An object of which nothing is known.
    Closed,
    /// Kept as it is; rules can only compare it as a part of something else.
    Unknown,
}

/// What of a list counts when it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Atomic,
    Set,
    /// Items are found by these of their fields.
    Keys(Vec<String>),
}

/// The names of the things that a schema calls by words that rules cannot say.
const ESCAPES: [(&str, &str); 4] = [("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")];
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A field's name as rules say it; `None` for names that they cannot say.
pub(crate) fn escape(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if let Some((from, to)) = ESCAPES.iter().find(|(from, _)| rest.starts_with(from)) {
            out.push_str(to);
            rest = &rest[from.len()..];
        } else if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
            rest = &rest[1..];
        } else {
            return None;
        }
    }
    Some(out)
}

/// The name of the field that a rule means.
pub(super) fn unescape(said: &str) -> Option<String> {
    let mut out = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(at) = rest.find("__") {
        let inner = &rest[at + 2..];
        let Some(end) = inner.find("__").filter(|end| *end > 0 && !inner[..*end].contains('_')) else {
            out.push_str(&rest[..at + 1]);
            rest = &rest[at + 1..];
            continue;
        };
        let word = &inner[..end];
        out.push_str(&rest[..at]);
        match ESCAPES.iter().find(|(_, to)| to.trim_matches('_') == word) {
            Some((from, _)) => out.push_str(from),
            None if RESERVED.contains(&word) && word.len() + 4 == said.len() => out.push_str(word),
            None => return None,
        }
        rest = &inner[end + 2..];
    }
    out.push_str(rest);
    Some(out)
}

fn invalid<'a>(text: impl Into<String>) -> Evaluated<'a> {
    Err(Fail::Text(text.into()))
}

/// What a real server's own language calls the type of a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value by its schema. Anything but what the schema allows was refused before rules are evaluated, or fails here.
pub(super) fn typed<'a>(value: &'a Value, node: &'a Node) -> Evaluated<'a> {
    let expected = |wanted: &str| invalid(format!("invalid data, expected {wanted}, got {}", go_type(value)));
    if value.is_null() {
        return match node.nullable {
            true => Ok(Val::Null),
            false => invalid("invalid data, got null for schema with nullable=false"),
        };
    }
    match (&node.shape, value) {
        (Shape::Unknown, value) => Ok(Val::Unknown(value)),
        (Shape::Either | Shape::Text, Value::String(text)) => Ok(Val::text(text)),
        (Shape::Either | Shape::Int, Value::Number(n)) => match n.as_i64() {
            Some(n) => Ok(Val::Int(n)),
            None => expected("int"),
        },
        (Shape::Either, _) => invalid("invalid data, expected XIntOrString value to be either a string or integer"),
        (Shape::Bool, Value::Bool(b)) => Ok(Val::Bool(*b)),
        (Shape::Double, Value::Number(n)) => Ok(Val::Double(n.as_f64().unwrap_or(f64::NAN))),
        // Of the two alphabets a real server reads the one for addresses here, and the other one where it checks the format.
        (Shape::Bytes, Value::String(text)) => match BASE64_URL_SAFE.decode(text) {
            Ok(bytes) => Ok(Val::Bytes(bytes.into())),
            Err(e) => {
                let at = match e {
                    DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
                    DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() - text.len() % 4,
                };
                invalid(format!("Invalid byte formatted string {text}: illegal base64 data at input byte {at}"))
            }
        },
        (Shape::Duration, Value::String(text)) => match crate::crd::duration_of(text) {
            Some(nanos) => Ok(Val::Duration(nanos)),
            None => invalid(format!("Invalid duration {text}: unable to parse {text} as duration")),
        },
        (Shape::Date, Value::String(text)) => {
            let date = text.parse::<jiff::civil::Date>().ok();
            let at = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
            match at {
                Some(at) => Ok(Val::Timestamp(at.timestamp())),
                None => invalid(format!(
                    "Invalid date formatted string {text}: parsing time {text:?} as \"2006-01-02\": cannot parse {text:?} as \"2006\""
                )),
            }
        }
        (Shape::DateTime, Value::String(text)) => match text.parse() {
            Ok(at) => Ok(Val::Timestamp(at)),
            Err(_) => invalid(format!("Invalid date-time formatted string {text}: unable to parse")),
        },
        (Shape::List { .. }, Value::Array(items)) => Ok(Val::Items(items, node)),
        (Shape::Fields(_) | Shape::Values(_) | Shape::Closed, Value::Object(map)) => Ok(Val::Fields(map, node)),
        (Shape::Fields(_) | Shape::Values(_) | Shape::Closed, _) => {
            invalid("invalid data, expected a map for the provided schema with type=object")
        }
        (Shape::List { .. }, _) => invalid("invalid data, expected an array for the provided schema with type=array"),
        (Shape::Bool, _) => expected("bool"),
        (Shape::Int, _) => expected("int"),
        (Shape::Double, _) => expected("float"),
        _ => expected("string"),
    }
}

impl Node {
    /// What is known about what is under a key of an object.
    pub(super) fn under(&self, key: &str) -> Option<&Self> {
        match &self.shape {
            Shape::Fields(fields) => fields.get(key).map(AsRef::as_ref),
            Shape::Values(node) => Some(node),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<&Self> {
        match &self.shape {
            Shape::List { items, .. } => items.as_deref(),
            _ => None,
        }
    }

    pub(super) fn order(&self) -> &Order {
        match &self.shape {
            Shape::List { order, .. } => order,
            _ => &Order::Atomic,
        }
    }

    /// The value under a key that a rule says.
    pub(super) fn find<'a>(&'a self, map: &'a serde_json::Map<String, Value>, said: &str) -> Option<Evaluated<'a>> {
        let fields = matches!(self.shape, Shape::Fields(_));
        let key = if fields { unescape(said)? } else { said.to_owned() };
        let value = map.get(&key)?;
        // Of fields `null` is as nothing.
        if fields && value.is_null() {
            return None;
        }
        self.under(&key).map(|node| typed(value, node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_back() {
        for (name, said) in [
            ("spec", "spec"),
            ("a-b", "a__dash__b"),
            ("a.b/c", "a__dot__b__slash__c"),
            ("x__y", "x__underscores__y"),
            ("namespace", "__namespace__"),
            ("_a_", "_a_"),
        ] {
            assert_eq!(escape(name).as_deref(), Some(said));
            assert_eq!(unescape(said).as_deref(), Some(name));
        }
        assert_eq!(escape("1a"), None);
        assert_eq!(escape("a b"), None);
        assert_eq!(unescape("a__other__b"), None);
    }
}
