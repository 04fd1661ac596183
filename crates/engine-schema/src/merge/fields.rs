//! Which fields an object has.

use serde_json::{Map as Object, Value};

use super::{Form, form, items::items};
use crate::{
    fields::{FieldSet, PathElement},
    types::{List, Map, Type},
};

/// Every field that an object sets: what a manager owns who applies it.
#[must_use]
pub fn field_set(value: &Value, of: &Type) -> FieldSet {
    below(value, of).children
}

/// What is set at and below a value.
struct Set {
    /// Whether the value is one that is owned as a whole.
    whole: bool,
    children: FieldSet,
}

fn below(value: &Value, of: &Type) -> Set {
    let form = form(of, Some(value));
    let children = match form {
        _ if form.is_atomic() => return Set { whole: true, children: FieldSet::default() },
        Form::Scalar(_) => FieldSet::default(),
        Form::Map(map) => value.as_object().map(|object| fields(object, map)).unwrap_or_default(),
        Form::List(list) => elements(value, list),
    };
    Set { whole: false, children }
}

fn fields(object: &Object<String, Value>, map: &Map) -> FieldSet {
    let mut out = FieldSet::default();
    for (name, value) in object {
        let set = below(value, map.value(name).unwrap_or(Type::deduced()));
        let empty = value.is_null() || value.as_object().is_some_and(Object::is_empty);
        out.put(PathElement::field(name), set.whole || empty || map.field(name).is_none(), set.children);
    }
    out
}

fn elements(value: &Value, list: &List) -> FieldSet {
    let mut out = FieldSet::default();
    for (element, same) in items(list, Some(value)).by_element {
        let children = match same.as_slice() {
            [one] => below(one, list.items()).children,
            // Items that cannot be told apart are owned as a whole.
            _ => FieldSet::default(),
        };
        out.put(element, true, children);
    }
    out
}
