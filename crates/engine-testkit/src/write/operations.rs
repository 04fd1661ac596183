//! JSON Patch, in the server's reading of RFC 6902: a `copy` of what is not there is `null`, and one operation that does
//! not apply refuses all of them.

use serde_json::Value;

/// An operation did not apply.
#[derive(Debug)]
pub(super) struct DoesNotApply;

/// Applies the operations, which are well-formed, in order.
pub(super) fn apply(document: &mut Value, operations: &[Value]) -> Result<(), DoesNotApply> {
    for operation in operations {
        let text = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
        let path = pointer(text("path"));
        let value = || operation.get("value").cloned().unwrap_or(Value::Null);
        match text("op") {
            "add" => add(document, &path, value())?,
            "remove" => remove(document, &path).map(drop)?,
            "replace" => *existing(document, &path)? = value(),
            "move" => {
                let moved = remove(document, &pointer(text("from")))?;
                add(document, &path, moved)?;
            }
            "copy" => {
                let copied = get(document, &pointer(text("from")))?.cloned().unwrap_or(Value::Null);
                add(document, &path, copied)?;
            }
            "test" => {
                if get(document, &path)?.unwrap_or(&Value::Null) != &value() {
                    return Err(DoesNotApply);
                }
            }
            _ => return Err(DoesNotApply),
        }
    }
    Ok(())
}

/// RFC 6901.
fn pointer(text: &str) -> Vec<String> {
    text.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn index(key: &str, length: usize) -> Option<usize> {
    match key.parse::<i64>().ok()? {
        n if n < 0 => length.checked_sub(usize::try_from(n.unsigned_abs()).ok()?),
        n => usize::try_from(n).ok(),
    }
}

fn child<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(list) => {
            let at = index(key, list.len())?;
            list.get_mut(at)
        }
        _ => None,
    }
}

fn parent<'a, 'p>(document: &'a mut Value, path: &'p [String]) -> Result<(&'a mut Value, &'p str), DoesNotApply> {
    let (last, parents) = path.split_last().ok_or(DoesNotApply)?;
    let at = parents.iter().try_fold(document, |v, key| child(v, key)).ok_or(DoesNotApply)?;
    Ok((at, last))
}

fn existing<'a>(document: &'a mut Value, path: &[String]) -> Result<&'a mut Value, DoesNotApply> {
    let (at, key) = parent(document, path)?;
    child(at, key).ok_or(DoesNotApply)
}

/// What is at a place; a field that an object lacks is no error.
fn get<'a>(document: &'a mut Value, path: &[String]) -> Result<Option<&'a Value>, DoesNotApply> {
    let (at, key) = parent(document, path)?;
    match at {
        Value::Object(map) => Ok(map.get(key)),
        Value::Array(list) => {
            let at = index(key, list.len()).ok_or(DoesNotApply)?;
            list.get(at).map(Some).ok_or(DoesNotApply)
        }
        _ => Err(DoesNotApply),
    }
}

fn add(document: &mut Value, path: &[String], value: Value) -> Result<(), DoesNotApply> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (at, key) = parent(document, path)?;
    match at {
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        Value::Array(list) if key == "-" => list.push(value),
        Value::Array(list) => {
            let at = index(key, list.len() + 1).filter(|at| *at <= list.len()).ok_or(DoesNotApply)?;
            list.insert(at, value);
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &[String]) -> Result<Value, DoesNotApply> {
    let (at, key) = parent(document, path)?;
    match at {
        Value::Object(map) => map.remove(key).ok_or(DoesNotApply),
        Value::Array(list) => {
            let at = index(key, list.len()).filter(|at| *at < list.len()).ok_or(DoesNotApply)?;
            Ok(list.remove(at))
        }
        _ => Err(DoesNotApply),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::apply;

    #[test]
    fn operations_apply_as_on_a_real_server() {
        let before = json!({"a": {"b": [1, 2]}, "c": "x"});
        for (operations, expected) in [
            (json!([{"op": "add", "path": "/a/b/-", "value": 3}]), Some(json!({"a": {"b": [1, 2, 3]}, "c": "x"}))),
            (json!([{"op": "remove", "path": "/a/b/0"}]), Some(json!({"a": {"b": [2]}, "c": "x"}))),
            (
                json!([{"op": "copy", "from": "/none", "path": "/d"}]),
                Some(json!({"a": {"b": [1, 2]}, "c": "x", "d": null})),
            ),
            (json!([{"op": "move", "from": "/c", "path": "/d"}]), Some(json!({"a": {"b": [1, 2]}, "d": "x"}))),
            (json!([{"op": "test", "path": "/none", "value": null}]), Some(before.clone())),
            (json!([{"op": "remove", "path": "/c"}, {"op": "remove", "path": "/c"}]), None),
            (json!([{"op": "replace", "path": "/none", "value": 1}]), None),
            (json!([{"op": "test", "path": "/c", "value": "y"}]), None),
            (json!([{"op": "add", "path": "/none/deeper", "value": 1}]), None),
        ] {
            let mut document = before.clone();
            let list = operations.as_array().map_or(&[][..], Vec::as_slice);
            let result: Option<Value> = apply(&mut document, list).is_ok().then_some(document);
            assert_eq!(result, expected, "{operations}");
        }
    }
}
