//! One object merged into another.

use std::collections::BTreeSet;

use serde_json::{Map as Object, Value};

use super::{
    Form, form, is_empty,
    items::{Items, items},
};
use crate::{
    fields::PathElement,
    types::{List, Map, Type},
};

/// `config` over `live`: nothing is removed; where both have a leaf, `config` has its way. Items of lists that merge stand in
/// the order of `config` where it names more than one.
#[must_use]
pub fn merge(live: &Value, config: &Value, of: &Type) -> Value {
    values(Some(live), Some(config), of).unwrap_or_default()
}

fn values(live: Option<&Value>, config: Option<&Value>, of: &Type) -> Option<Value> {
    let form = match (live, config) {
        (None, None) => return None,
        (_, Some(_)) => form(of, config),
        (Some(live), None) => return Some(live.clone()),
    };
    if live.is_none() || form.is_atomic() || (is_empty(live, form) && is_empty(config, form)) {
        return config.or(live).cloned();
    }
    match form {
        Form::Scalar(_) => config.cloned(),
        Form::Map(map) => maps(live.and_then(Value::as_object), config.and_then(Value::as_object), map),
        Form::List(list) => lists(live, config, list),
    }
}

fn maps(live: Option<&Object<String, Value>>, config: Option<&Object<String, Value>>, map: &Map) -> Option<Value> {
    let untouched = live.into_iter().flatten().filter(|(key, _)| config.is_none_or(|c| !c.contains_key(*key)));
    let mut out: Object<String, Value> = untouched.map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in config.into_iter().flatten() {
        let of = map.value(key).unwrap_or(Type::deduced());
        let merged = values(live.and_then(|l| l.get(key)), Some(value), of);
        out.insert(key.clone(), merged.unwrap_or_default());
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

/// Items of `config` keep their order; an item that only `live` has keeps its place before the shared item that it stood
/// before. The walk goes along both lists at once; a shared item of `live` that is not the next one of `config` is passed
/// over, since `config` says where it goes.
fn lists(live: Option<&Value>, config: Option<&Value>, list: &List) -> Option<Value> {
    let (left, right) = (items(list, live), items(list, config));
    let merged = |element: &PathElement, item: &Value| {
        // Items of the live list that cannot be told apart do not merge with a new one.
        let old = match left.by_element.get(element).map(Vec::as_slice) {
            Some([one]) => Some(*one),
            Some(_) => Some(&Value::Null),
            None => None,
        };
        values(old, Some(item), list.items())
    };
    let mut shared = right.order.iter().map(|(e, _)| e).filter(|e| left.by_element.contains_key(*e)).peekable();
    let mut emitted = BTreeSet::new();
    let mut out = Vec::with_capacity(left.order.len().max(right.order.len()));
    let Items { order: l, .. } = &left;
    let Items { order: r, by_element: in_right } = &right;
    let (mut at_left, mut at_right) = (0, 0);
    while at_left < l.len() || at_right < r.len() {
        if let (Some((old, _)), Some((new, item))) = (l.get(at_left), r.get(at_right)) {
            if old == new {
                out.extend(merged(new, item));
                emitted.insert(new);
                shared.next();
                at_left += 1;
                at_right += 1;
                continue;
            }
            if in_right.contains_key(old) && shared.peek().is_some_and(|next| *next != old) {
                at_left += 1;
                continue;
            }
        }
        if let Some((old, item)) = l.get(at_left) {
            if !in_right.contains_key(old) {
                out.push((*item).clone());
                at_left += 1;
                continue;
            }
            if emitted.contains(old) {
                at_left += 1;
            }
        }
        if let Some((new, item)) = r.get(at_right) {
            out.extend(merged(new, item));
            emitted.insert(new);
            shared.next_if(|next| *next == new);
            at_right += 1;
        } else if at_left < l.len() && l.get(at_left).is_some_and(|(old, _)| emitted.contains(old)) {
            at_left += 1;
        }
    }
    (!out.is_empty()).then_some(Value::Array(out))
}
