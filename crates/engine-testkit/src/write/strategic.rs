//! Strategic merge patches: maps merge, lists merge by the first key of their type, directives steer.
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>

use gitops_engine_schema::{Field, Patch, Type};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{admission::go_text, json, status::ApiError};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";

/// An error that a real server does not expect, and so says as it is.
fn plain(message: String) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
}

fn bad_format(of: &str) -> ApiError {
    ApiError::bad_request(format!("invalid patch format of {of}"))
}

fn no_key(item: &Value, key: &str) -> ApiError {
    plain(format!("map: {} does not contain declared merge key: {key}", go_text(item)))
}

/// Merges a patch into a map.
pub(super) fn merge(
    into: &mut Map<String, Value>,
    mut patch: Map<String, Value>,
    schema: &Type,
) -> Result<(), ApiError> {
    match patch.get(DIRECTIVE).cloned() {
        None => {}
        Some(directive) if directive == "replace" => {
            patch.remove(DIRECTIVE);
            *into = patch;
            return Ok(());
        }
        Some(directive) if directive == "delete" => {
            into.clear();
            return Ok(());
        }
        Some(directive) => return Err(unknown(&directive, Value::Object(patch))),
    }
    retain_keys(into, &mut patch)?;
    set_orders(into, &mut patch, schema)?;
    for (key, value) in patch {
        let (key, deletes) = match key.strip_prefix(DELETE_FROM) {
            Some(rest) => (rest.strip_prefix('/').ok_or_else(|| bad_format("primitive list"))?, true),
            None => (key.as_str(), false),
        };
        if value.is_null() {
            into.remove(key);
            continue;
        }
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                if schema.field(key).and_then(Field::patch).is_some_and(|how| how.replace) {
                    *old = new;
                } else {
                    merge(old, new, schema.value(key))?;
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) => {
                let how = schema.field(key).and_then(Field::patch);
                if deletes || how.is_some_and(|how| how.merge) {
                    *old = merge_lists(std::mem::take(old), new, how, schema.value(key).items(), deletes)?;
                } else {
                    *old = new;
                }
            }
            (_, value) if !deletes => {
                match fresh(value) {
                    Some(value) => into.insert(key.to_owned(), value),
                    None => into.remove(key),
                };
            }
            _ => {}
        }
    }
    Ok(())
}

fn unknown(directive: &Value, patch: Value) -> ApiError {
    plain(format!("unknown patch type: {} in map: {}", go_text(directive), go_text(&patch)))
}

/// What a patch has and the object has not, without `null` and directives.
fn fresh(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let fields = map.into_iter().filter(|(_, v)| !v.is_null());
            Some(Value::Object(fields.filter_map(|(k, v)| Some((k, fresh(v)?))).collect()))
        }
        Value::Array(list) => Some(Value::Array(list.into_iter().filter_map(fresh).collect())),
        other => Some(other),
    }
}

/// A patch as errors print it after it was merged: what is `null` in the parts that the object did not have is gone.
pub(super) fn printed(live: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let field = |(key, value): (&String, &Value)| {
        let value = match (live.get(key), value) {
            (_, Value::Null) => Value::Null,
            (Some(old @ Value::Object(_)), Value::Object(_)) => printed(old, value),
            (Some(Value::Array(_)), Value::Array(_)) => value.clone(),
            (_, value) => {
                let mut value = value.clone();
                json::strip_nulls(&mut value);
                value
            }
        };
        (key.clone(), value)
    };
    Value::Object(patch.iter().map(field).collect())
}

/// Removes the keys that the patch does not list.
fn retain_keys(into: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), ApiError> {
    let Some(keep) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let keep = keep.as_array().ok_or_else(|| bad_format("retainKeys"))?;
    let kept = |key: &String| keep.iter().any(|k| k.as_str() == Some(key));
    let listed = |(key, value): (&String, &Value)| {
        value.is_null() || key.starts_with(DELETE_FROM) || key.starts_with(ORDER) || kept(key)
    };
    if !patch.iter().all(listed) {
        return Err(bad_format("retainKeys"));
    }
    into.retain(|key, _| kept(key));
    Ok(())
}

/// Merges the lists whose order the patch gives, and takes them out of it.
fn set_orders(into: &mut Map<String, Value>, patch: &mut Map<String, Value>, schema: &Type) -> Result<(), ApiError> {
    let keys: Vec<String> = patch.keys().filter(|k| k.starts_with(ORDER)).cloned().collect();
    for directive in keys {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            Some(other) => return Err(bad_type(&other)),
            None => continue,
        };
        let key = directive.strip_prefix(ORDER).and_then(|rest| rest.strip_prefix('/'));
        let key = key.ok_or_else(|| bad_format("setElementOrder list"))?;
        let how = schema.field(key).and_then(Field::patch);
        let merge_key = how.and_then(|how| how.merge_key.as_deref());
        let live = list(into.get(key))?;
        let new = list(patch.get(key))?;
        check_order(new.as_deref().unwrap_or_default(), &order, merge_key)?;
        let merged = match (live.clone(), new) {
            (Some(live), None) => live,
            (None, Some(new)) => new.into_iter().filter_map(fresh).collect(),
            (Some(live), Some(new)) if how.is_some_and(|how| how.merge) => {
                merge_lists(live, new, how, schema.value(key).items(), false)?
            }
            (Some(_), Some(new)) => new,
            (None, None) => continue,
        };
        let sorted = ordered(merged, &order, &live.unwrap_or_default(), merge_key)?;
        into.insert(key.to_owned(), Value::Array(sorted));
        patch.remove(key);
    }
    Ok(())
}

fn list(value: Option<&Value>) -> Result<Option<Vec<Value>>, ApiError> {
    match value {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list.clone())),
        Some(other) => Err(bad_type(other)),
    }
}

fn bad_type(value: &Value) -> ApiError {
    plain(format!("expected a []interface {{}}, but received a {}", go_type(value)))
}

/// The type of a value in Go.
pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The items of a patch are in the order that it gives, as far as it keeps them.
fn check_order(patch: &[Value], order: &[Value], merge_key: Option<&str>) -> Result<(), ApiError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut places = order.iter();
    for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let id = identity(item, merge_key)?;
        let mut found = false;
        for place in places.by_ref() {
            if identity(place, merge_key)? == id {
                found = true;
                break;
            }
        }
        if !found {
            let (patch, order) = (Value::Array(patch.to_vec()), Value::Array(order.to_vec()));
            return Err(plain(format!(
                "The order in patch list:\n{}\n doesn't match {ORDER} list:\n{}\n",
                go_text(&patch),
                go_text(&order)
            )));
        }
    }
    Ok(())
}

/// What tells an item apart.
fn identity<'a>(item: &'a Value, merge_key: Option<&str>) -> Result<&'a Value, ApiError> {
    match merge_key {
        None => Ok(item),
        Some(_) if !item.is_object() => {
            Err(plain(format!("expected a map[string]interface {{}}, but received a {}", go_type(item))))
        }
        Some(key) => item.get(key).ok_or_else(|| no_key(item, key)),
    }
}

/// `how` is what the type says about the field that holds the list.
fn merge_lists(
    mut live: Vec<Value>,
    patch: Vec<Value>,
    how: Option<&Patch>,
    schema: &Type,
    deletes: bool,
) -> Result<Vec<Value>, ApiError> {
    let Some(first) = live.iter().chain(&patch).next() else { return Ok(live) };
    if first.is_array() {
        let message = "the server rejected our request due to an error in our request";
        let mut e = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        e.details = Some(serde_json::json!({}));
        return Err(e);
    }
    let kind = go_type(first);
    if live.iter().chain(&patch).any(|item| go_type(item) != kind) {
        let both = Value::Array(vec![Value::Array(live), Value::Array(patch)]);
        return Err(plain(format!("list element types are not identical: {}", go_text(&both))));
    }
    if !first.is_object() {
        if deletes {
            live.retain(|item| !patch.contains(item));
            return Ok(live);
        }
        let mut merged: Vec<Value> = Vec::new();
        for item in live.iter().chain(&patch) {
            if !merged.contains(item) {
                merged.push(item.clone());
            }
        }
        return ordered(merged, &patch, &live, None);
    }
    let Some(key) = how.and_then(|how| how.merge_key.as_deref()) else {
        return Err(plain("cannot merge lists without merge key for struct".to_owned()));
    };
    let mut rest = Vec::new();
    let mut replaces = false;
    for item in patch {
        match item.get(DIRECTIVE) {
            None => rest.push(item),
            Some(directive) if directive == "delete" => {
                let id = item.get(key).ok_or_else(|| no_key(&item, key))?;
                live.retain(|other| other.get(key) != Some(id));
            }
            Some(directive) if directive == "replace" => replaces = true,
            Some(directive) if directive == "merge" => {
                return Err(plain("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(directive) => return Err(unknown(directive, item.clone())),
        }
    }
    if replaces {
        return Ok(rest);
    }
    let mut merged = live.clone();
    for item in &rest {
        let id = item.get(key).ok_or_else(|| no_key(item, key))?;
        match (merged.iter_mut().find(|other| other.get(key) == Some(id)), item) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new.clone(), schema)?,
            _ => merged.push(item.clone()),
        }
    }
    ordered(merged, &rest, &live, Some(key))
}

/// Items that `first` names come in its order; among them, the others keep the order that they have in `live`.
fn ordered(
    merged: Vec<Value>,
    first: &[Value],
    live: &[Value],
    merge_key: Option<&str>,
) -> Result<Vec<Value>, ApiError> {
    let rank = |of: &[Value], item: &Value| -> Result<Option<usize>, ApiError> {
        let id = identity(item, merge_key)?;
        Ok(of.iter().position(|other| identity(other, merge_key).is_ok_and(|other| other == id)))
    };
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        match rank(first, &item)? {
            Some(place) => named.push((place, item)),
            None => others.push((rank(live, &item)?, item)),
        }
    }
    named.sort_by_key(|(place, _)| *place);
    others.sort_by_key(|(place, _)| *place);
    let mut out = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, item) in named {
        let place = rank(live, &item)?;
        while let Some((other, _)) = others.peek()
            && other.is_some()
            && place.is_some()
            && *other < place
        {
            out.extend(others.next().map(|(_, other)| other));
        }
        out.push(item);
    }
    out.extend(others.map(|(_, other)| other));
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use gitops_engine_schema::Schema;
    use serde_json::json;

    use super::*;

    fn merged(live: &Value, patch: &Value) -> Result<Value, String> {
        let mut object = live.as_object().unwrap().clone();
        let schema = Schema::builtin("", "v1", "Pod").unwrap();
        merge(&mut object, patch.as_object().unwrap().clone(), &schema).map_err(|e| e.message)?;
        Ok(Value::Object(object))
    }

    #[test]
    fn strategic_merge() {
        let pod = |containers: Value| json!({"spec": {"containers": containers}});
        let live = pod(json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]));
        for (patch, expected) in [
            (
                pod(json!([{"name": "a", "image": "2"}])),
                pod(json!([{"name": "a", "image": "2", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}])),
            ),
            (
                pod(json!([{"name": "b", "$patch": "delete"}])),
                pod(json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}])),
            ),
            (pod(json!([{"name": "c"}, {"$patch": "replace"}])), pod(json!([{"name": "c"}]))),
            (
                json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "env": null}]}}),
                pod(json!([{"name": "b"}, {"name": "a", "image": "1"}])),
            ),
        ] {
            assert_eq!(merged(&live, &patch).unwrap(), expected, "{patch}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_patch_is_said_as_on_a_real_server() {
        let live = json!({"metadata": {"finalizers": ["a"]}, "spec": {"containers": [{"name": "a"}]}});
        for (patch, expected) in [
            (json!({"spec": {"containers": [{}]}}), "map: map[] does not contain declared merge key: name"),
            (json!({"spec": {"$patch": "x"}}), "unknown patch type: x in map: map[$patch:x]"),
            (json!({"spec": {"$retainKeys": ["a"], "b": 1}}), "invalid patch format of retainKeys"),
            (json!({"metadata": {"finalizers": [1]}}), "list element types are not identical: [[a] [1]]"),
        ] {
            assert_eq!(merged(&live, &patch).unwrap_err(), expected, "{patch}");
        }
    }
}
