//! Whether a value is of its type, as far as a merge relies on it.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use super::{Form, form, items::element};
use crate::{
    fields::PathElement,
    types::{List, ListKind, Map, Scalar, Type},
};

/// Whether two items of a list may be the same. In an applied configuration they may not; an object that was stored before
/// may have some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// They may.
    Allowed,
    /// They may not.
    Refused,
}

/// A field that is not of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidField {
    /// The path as messages show it: `.spec.ports[0]`. Empty for the object itself.
    pub path: String,
    /// What is wrong, in the words of the API server.
    pub message: String,
}

/// The fields that are not of their types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidFields(pub Vec<InvalidField>);

/// One problem in a line; several under a heading.
impl fmt::Display for InvalidFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |invalid: &InvalidField| match invalid.path.as_str() {
            "" => invalid.message.clone(),
            path => format!("{path}: {}", invalid.message),
        };
        match self.0.as_slice() {
            [invalid] => f.write_str(&one(invalid)),
            all => {
                f.write_str("errors:")?;
                all.iter().try_for_each(|invalid| write!(f, "\n  {}", one(invalid)))
            }
        }
    }
}

/// Checks that a value is of its type: plain values where plain ones belong, no field that the type does not know, keys in
/// the items of lists that merge by key, and no such item twice.
///
/// # Errors
/// Every field that is wrong.
pub fn validate(value: &Value, of: &Type, duplicates: Duplicates) -> Result<(), InvalidFields> {
    let mut walk = Walk { duplicates, path: String::new(), found: Vec::new() };
    walk.value(value, of);
    if walk.found.is_empty() { Ok(()) } else { Err(InvalidFields(walk.found)) }
}

struct Walk {
    duplicates: Duplicates,
    path: String,
    found: Vec<InvalidField>,
}

impl Walk {
    fn fail(&mut self, message: String) {
        self.found.push(InvalidField { path: self.path.clone(), message });
    }

    fn below(&mut self, element: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(element);
        walk(self);
        self.path.truncate(length);
    }

    fn value(&mut self, value: &Value, of: &Type) {
        match form(of, Some(value)) {
            Form::Map(map) => self.map(value, map),
            Form::Scalar(scalar) => self.scalar(value, scalar),
            Form::List(list) => self.list(value, list),
        }
    }

    fn scalar(&mut self, value: &Value, scalar: Scalar) {
        match (scalar, value) {
            (_, Value::Null)
            | (Scalar::Number, Value::Number(_))
            | (Scalar::String, Value::String(_))
            | (Scalar::Boolean, Value::Bool(_))
            | (Scalar::Untyped, Value::Bool(_) | Value::Number(_) | Value::String(_)) => {}
            (Scalar::Number, _) => self.fail(format!("expected numeric (int or float), got {}", go_type(value))),
            (Scalar::String, _) => {
                self.fail(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)));
            }
            (Scalar::Boolean, _) => self.fail(format!("expected boolean, got &{{{}}}", go_plain(value))),
            (Scalar::Untyped, _) => self.fail(format!("expected any scalar, got &{{{}}}", go_plain(value))),
        }
    }

    fn list(&mut self, value: &Value, list: &List) {
        let items = match value {
            Value::Array(items) => items,
            Value::Null => return,
            _ => return self.fail(format!("expected list, got &{{{}}}", go_plain(value))),
        };
        let mut seen = BTreeSet::new();
        for (i, item) in items.iter().enumerate() {
            let shown = if list.kind() == ListKind::Atomic {
                format!("[{i}]")
            } else {
                match element(list, item) {
                    // Without an element there is no path for what is below, either.
                    Err(problem) => return self.fail(format!("element {i}: {problem}")),
                    Ok(element) => {
                        let shown = element.to_string();
                        if !seen.insert(element) && self.duplicates == Duplicates::Refused {
                            self.fail(format!("duplicate entries for key {shown}"));
                        }
                        shown
                    }
                }
            };
            self.below(&shown, |walk| walk.value(item, list.items()));
        }
    }

    fn map(&mut self, value: &Value, map: &Map) {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return,
            _ => return self.fail(format!("expected map, got &{{{}}}", go_plain(value))),
        };
        for (name, field) in fields {
            let shown = PathElement::field(name).to_string();
            match map.value(name) {
                Some(of) => self.below(&shown, |walk| walk.value(field, of)),
                // The first unknown field ends the look at its neighbours.
                None => return self.below(&shown, |walk| walk.fail("field not declared in schema".to_owned())),
            }
        }
    }
}

/// `%T`
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// `%#v`
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(k, v)| format!("{k:?}:{}", go_syntax(v))).collect();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
    }
}

/// `%v`
fn go_plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(go_plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", go_plain(v))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}
