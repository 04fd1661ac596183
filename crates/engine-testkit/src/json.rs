//! Small helpers over `serde_json::Value`, so that the rest reads like the rules it states.

use serde_json::{Map, Value};

/// How deep objects may be. Values are copied, compared, written and dropped by functions that call themselves, on stacks
/// of 2 MiB that others choose; and clients that read with `serde_json` stop at 128, of which the managed fields of an
/// object and the list around it need a few.
pub(crate) const MAX_DEPTH: usize = 100;

/// What a value is, in the words of Go's decoder.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub(crate) fn str_at<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    get(value, path).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn i64_at(value: &Value, path: &[&str]) -> Option<i64> {
    get(value, path).and_then(Value::as_i64)
}

pub(crate) fn get<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, key| v.get(key)).filter(|v| !v.is_null())
}

pub(crate) fn list_at<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    get(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn map_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Map<String, Value>> {
    get(value, path).and_then(Value::as_object)
}

/// The map at `path`, made on the way where it is missing. `None` when something else is in the way.
pub(crate) fn map_mut<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut at = value;
    for key in path {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut()?.entry(*key).or_insert_with(|| Value::Object(Map::new()));
    }
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    at.as_object_mut()
}

/// Sets a value, making the maps on the way. Does nothing when something else is in the way.
pub(crate) fn set(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    if let Some(map) = map_mut(value, parents) {
        map.insert((*last).to_owned(), new.into());
    }
}

/// Sets a value only where none is (`null` counts as none).
pub(crate) fn default(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    if get(value, path).is_none() {
        set(value, path, new);
    }
}

pub(crate) fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let mut at = value;
    for key in parents {
        at = at.get_mut(key)?;
    }
    at.as_object_mut()?.remove(*last)
}

/// Copies what is at `path` from one object to another, or removes it there.
pub(crate) fn copy(from: &Value, to: &mut Value, path: &[&str]) {
    match get(from, path) {
        Some(v) => set(to, path, v.clone()),
        None => {
            remove(to, path);
        }
    }
}

/// Whether it is a list or map without anything in it.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Removes every `null` inside maps: the decoder of a real server does not see them.
pub(crate) fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(strip_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

/// How many maps and lists are in each other.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Writes numbers without a fraction as integers, as they come out of a server that reads `2.0`.
pub(crate) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(n) if n.is_f64() => {
            if let Some(whole) = n.as_f64().filter(|f| is_whole(*f)) {
                *value = Value::from(whole as i64);
            }
        }
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// Whether a number has no fraction, and is one of 64 bits.
fn is_whole(n: f64) -> bool {
    n.fract() == 0.0 && n.abs() < 9_223_372_036_854_775_808.0
}

/// Whether a number is written as one with a fraction, and has none.
pub(crate) fn has_whole_floats(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.is_f64() && n.as_f64().is_some_and(is_whole),
        Value::Array(list) => list.iter().any(has_whole_floats),
        Value::Object(map) => map.values().any(has_whole_floats),
        _ => false,
    }
}

/// Whether the value nests deeper than `limit`.
pub(crate) fn deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        Value::Object(map) => limit == 0 || map.values().any(|v| deeper_than(v, limit - 1)),
        Value::Array(list) => limit == 0 || list.iter().any(|v| deeper_than(v, limit - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    /// With all that an answer may have around an object, on a small part of the stack that a thread has.
    #[test]
    fn values_as_deep_as_may_be_need_little_stack() {
        let walk = || {
            let mut value = Value::Null;
            for i in 0..2 * MAX_DEPTH {
                value = if i % 2 == 0 { serde_json::json!([value]) } else { serde_json::json!({"a": value}) };
            }
            let mut copy = value.clone();
            assert_eq!(copy, value);
            assert_eq!(depth(&copy), 2 * MAX_DEPTH);
            assert!(deeper_than(&copy, MAX_DEPTH) && !deeper_than(&copy, 2 * MAX_DEPTH));
            json_patch::merge(&mut copy, &value);
            assert_eq!(serde_json::to_vec(&copy).unwrap().len(), copy.to_string().len());
        };
        std::thread::Builder::new().stack_size(512 * 1024).spawn(walk).unwrap().join().unwrap();
    }
}
