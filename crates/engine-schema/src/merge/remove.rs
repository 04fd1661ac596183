//! Fields taken out of an object.

use serde_json::{Map as Object, Value};

use super::{Form, form, items::element};
use crate::{
    fields::{FieldSet, PathElement},
    types::Type,
};

/// The object without the fields of the set. What had fields and lost all of them is `null`: a decoder of Go does not tell
/// that from a field that is not there.
#[must_use]
pub fn remove(value: &Value, fields: &FieldSet, of: &Type) -> Value {
    match (form(of, Some(value)), value) {
        (Form::Map(map), Value::Object(object)) => {
            if map.is_atomic() || object.is_empty() {
                return Value::Null;
            }
            let mut out = Object::new();
            for (key, below) in object {
                let element = PathElement::field(key);
                if fields.has(&element) {
                    continue;
                }
                let left = match fields.below(&element) {
                    Some(fields) => remove(below, fields, map.value(key).unwrap_or(Type::deduced())),
                    None => below.clone(),
                };
                out.insert(key.clone(), left);
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        (Form::List(list), Value::Array(items)) => {
            let mut out = Vec::new();
            for item in items {
                let Ok(element) = element(list, item) else {
                    out.push(item.clone());
                    continue;
                };
                if fields.has(&element) {
                    continue;
                }
                out.push(match fields.below(&element) {
                    Some(fields) => remove(item, fields, list.items()),
                    None => item.clone(),
                });
            }
            // An atomic list that is asked to lose something below it loses itself.
            if out.is_empty() || Form::List(list).is_atomic() { Value::Null } else { Value::Array(out) }
        }
        (Form::Map(_) | Form::List(_), _) => Value::Null,
        (Form::Scalar(_), _) => value.clone(),
    }
}
