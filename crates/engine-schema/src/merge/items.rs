//! How the items of a list that merges are told apart.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    fields::PathElement,
    types::{List, ListKind},
};

/// The path element of an item.
///
/// # Errors
/// Why such an item has no place in the list.
pub(super) fn element(list: &List, item: &Value) -> Result<PathElement, String> {
    match list.kind() {
        ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Set => match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(PathElement::value(item)),
        },
        ListKind::Map => {
            let Value::Object(fields) = item else {
                return Err(match item {
                    Value::Null => "associative list with keys may not have a null element".to_owned(),
                    _ => "associative list with keys may not have non-map elements".to_owned(),
                });
            };
            // A key that is left out and has no default tells the item from those that have it.
            let keys: Vec<(&str, &Value)> = list
                .keys()
                .iter()
                .filter_map(|key| Some((key.as_str(), fields.get(key).or_else(|| list.key_default(key))?)))
                .collect();
            if keys.is_empty() && !list.keys().is_empty() {
                let names: Vec<String> = list.keys().iter().map(|key| format!("{key:?}")).collect();
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] (and doesn't have \
                     default values for any key fields)",
                    names.join(" ")
                ));
            }
            Ok(PathElement::keys(keys))
        }
    }
}

/// The items of a list by their elements, in order of the list; those without one are passed over.
pub(super) struct Items<'v> {
    pub(super) order: Vec<(PathElement, &'v Value)>,
    /// The first item with an element, and how many there are.
    pub(super) by_element: BTreeMap<PathElement, Vec<&'v Value>>,
}

pub(super) fn items<'v>(list: &List, value: Option<&'v Value>) -> Items<'v> {
    let mut out = Items { order: Vec::new(), by_element: BTreeMap::new() };
    for item in value.and_then(Value::as_array).into_iter().flatten() {
        if let Ok(element) = element(list, item) {
            out.by_element.entry(element.clone()).or_default().push(item);
            out.order.push((element, item));
        }
    }
    out
}
