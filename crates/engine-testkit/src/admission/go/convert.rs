//! What a strategic merge patch makes is not text: it is converted field by field, in the order of the type, with
//! complaints of its own.

use serde_json::Value;

use super::{Shape, Struct, bytes_mismatch, own_mismatch};

/// Converts the numbers of an object to those of its type; or says which value its field cannot hold.
pub(crate) fn convert(value: &mut Value, of: &Struct) -> Result<(), String> {
    let Value::Object(map) = value else {
        return Err(format!("cannot restore struct from: {}", kind_of(value)));
    };
    for field in &of.fields {
        if let Some(value) = map.get_mut(field.name).filter(|v| !v.is_null()) {
            by_shape(value, &field.shape)?;
        }
    }
    Ok(())
}

fn by_shape(value: &mut Value, shape: &Shape) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    match shape {
        Shape::Pointer(inner) => by_shape(value, inner),
        Shape::List(inner, _) => match value {
            Value::Array(list) => list.iter_mut().try_for_each(|v| by_shape(v, inner)),
            other => Err(format!("cannot restore slice from {}", kind_of(other))),
        },
        Shape::Map(inner, _) => match value {
            Value::Object(map) => map.values_mut().try_for_each(|v| by_shape(v, inner)),
            other => Err(format!("cannot restore map from {}", kind_of(other))),
        },
        Shape::Bytes => match value {
            Value::String(text) => {
                bytes_mismatch(text).map_or(Ok(()), |e| Err(format!("error decoding from json: {e}")))
            }
            Value::Array(list) => list.iter_mut().try_for_each(|v| by_shape(v, &Shape::Scalar("uint8", "uint8"))),
            other => Err(format!("cannot restore slice from {}", kind_of(other))),
        },
        Shape::Struct(name) => Struct::named(name).map_or(Ok(()), |of| convert(value, of)),
        Shape::Own(name) => own_mismatch(value, name, "", "").map_or(Ok(()), Err),
        Shape::Scalar(kind, name) => scalar(value, kind, name),
    }
}

fn scalar(value: &mut Value, kind: &str, name: &str) -> Result<(), String> {
    let is_number = !matches!(kind, "string" | "bool");
    match value {
        Value::String(_) if kind == "string" => Ok(()),
        Value::Bool(_) if kind == "bool" => Ok(()),
        Value::Number(n) if is_number && !kind.starts_with("float") => {
            let whole = n.as_i64().or_else(|| n.as_f64().filter(|f| f.trunc() == *f).map(|f| f as i64));
            let whole = whole.ok_or_else(|| format!("cannot convert float64 to {name}"))?;
            // What does not fit wraps around, as in a conversion in Go.
            *value = match kind {
                "int32" => Value::from(whole as i32),
                "uint8" => Value::from(whole as u8),
                _ => Value::from(whole),
            };
            Ok(())
        }
        Value::Number(_) if is_number => Ok(()),
        Value::Number(n) if kind == "string" && n.is_i64() => Err(format!("cannot convert int64 to {name}")),
        _ => Err(format!("unrecognized type: {kind}")),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_do_not_fit_are_named_as_the_converter_names_them() {
        let deployment = Struct::of_kind("apps/v1", "Deployment").unwrap();
        for (mut object, expected) in [
            (json!({"spec": {"replicas": 2.0}}), Ok(())),
            (json!({"spec": {"replicas": 2.5}}), Err("cannot convert float64 to int32")),
            (json!({"spec": {"replicas": "2"}}), Err("unrecognized type: int32")),
            (json!({"metadata": {"labels": {"a": 1}}}), Err("cannot convert int64 to string")),
            (json!({"metadata": {"labels": {"a": {}}}}), Err("unrecognized type: string")),
            (json!({"metadata": {"labels": "a"}}), Err("cannot restore map from string")),
            (json!({"spec": {"template": {"spec": {"containers": {}}}}}), Err("cannot restore slice from map")),
            (json!({"spec": []}), Err("cannot restore struct from: slice")),
        ] {
            assert_eq!(convert(&mut object, deployment), expected.map_err(str::to_owned));
        }
    }
}
