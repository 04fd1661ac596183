//! Which fields an object has.

use serde_json::Value;

use super::{Form, form, items::items};
use crate::{
    fields::{FieldSet, PathElement},
    types::Type,
};

/// Every field that an object sets: what a manager owns who applies it.
#[must_use]
pub fn field_set(value: &Value, of: &Type) -> FieldSet {
    let mut out = FieldSet::default();
    walk(value, of, &mut Vec::new(), &mut out);
    out
}

fn walk(value: &Value, of: &Type, path: &mut Vec<PathElement>, out: &mut FieldSet) {
    let form = form(of, Some(value));
    if form.is_atomic() {
        return out.insert(path);
    }
    match form {
        Form::Scalar(_) => {}
        Form::Map(map) => {
            for (name, below) in value.as_object().into_iter().flatten() {
                path.push(PathElement::field(name));
                walk(below, map.value(name).unwrap_or(Type::deduced()), path, out);
                let empty = below.is_null() || below.as_object().is_some_and(serde_json::Map::is_empty);
                if empty || map.field(name).is_none() {
                    out.insert(path);
                }
                path.pop();
            }
        }
        Form::List(list) => {
            let items = items(list, Some(value));
            for (element, same) in items.by_element {
                path.push(element);
                // Items that cannot be told apart are owned as a whole.
                if let [one] = same.as_slice() {
                    walk(one, list.items(), path, out);
                }
                out.insert(path);
                path.pop();
            }
        }
    }
}
