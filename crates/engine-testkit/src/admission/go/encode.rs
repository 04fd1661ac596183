//! Writing an object as its Go type is written.

use base64::Engine as _;
use serde_json::{Map, Value};

use super::{Field, Shape, Struct};
use crate::{admission::quantity, json};

/// An object of a kind with nothing in it, as its type writes that.
pub(crate) fn nothing_of(api_version: &str, kind: &str) -> Value {
    let mut object = serde_json::json!({"kind": kind, "apiVersion": api_version});
    if let Some(of) = Struct::of_kind(api_version, kind) {
        encode(&mut object, of);
    }
    // What is never absent inside a server is written even so.
    match (api_version, kind) {
        ("apps/v1", "Deployment" | "ReplicaSet" | "StatefulSet") => json::set(&mut object, &["spec", "replicas"], 0),
        ("apps/v1", "DaemonSet") => {
            let generation = ["metadata", "annotations", "deprecated.daemonset.template.generation"];
            json::set(&mut object, &generation, "0");
        }
        _ => {}
    }
    object
}

/// Writes the object as its Go type is written: every field that is always there, nothing that is left out.
pub(in crate::admission) fn encode(value: &mut Value, of: &Struct) {
    encode_as(value, of, Empty::Nothing);
}

/// The same, but a list or map that is there and empty is still there: it is owned by whoever sent it.
pub(in crate::admission) fn encode_sent(value: &mut Value, of: &Struct) {
    encode_as(value, of, Empty::Kept);
}

/// What becomes of empty lists and maps in fields that are always written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// As they come out of the store.
    Nothing,
    Kept,
}

fn encode_as(value: &mut Value, of: &Struct, empty: Empty) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { return };
    for field in &of.fields {
        let old = map.remove(field.name);
        if let Some(new) = encode_field(old, field, empty) {
            map.insert(field.name.to_owned(), new);
        }
    }
}

/// Whether a list or map below this field is there and empty, and still is once the object is filled.
pub(in crate::admission) fn has_empty(sent: &Value, filled: &Value, of: &Struct, field: &str) -> bool {
    let found = sent.get(field).zip(of.field(field));
    found.is_some_and(|(value, of)| empty_below(value, filled.get(field), &of.shape))
}

fn empty_below(sent: &Value, filled: Option<&Value>, shape: &Shape) -> bool {
    let is_empty = || filled.is_none_or(json::is_empty);
    match (shape, sent) {
        (Shape::Pointer(inner), _) => empty_below(sent, filled, inner),
        (Shape::List(inner, _), Value::Array(list)) => {
            list.is_empty() && is_empty()
                || list.iter().enumerate().any(|(i, v)| empty_below(v, filled.and_then(|f| f.get(i)), inner))
        }
        (Shape::Map(inner, _), Value::Object(map)) => {
            map.is_empty() && is_empty()
                || map.iter().any(|(key, v)| empty_below(v, filled.and_then(|f| f.get(key)), inner))
        }
        (Shape::Struct(name), Value::Object(map)) => Struct::named(name).is_some_and(|of| {
            map.iter().any(|(name, v)| {
                of.field(name).is_some_and(|of| empty_below(v, filled.and_then(|f| f.get(name)), &of.shape))
            })
        }),
        _ => false,
    }
}

/// Makes an object what is read back of its message: no bytes in a map come back as an empty text of them, which is
/// written differently. Returns what was written, if that is another.
pub(in crate::admission) fn read_back(object: &mut Value, of: &Struct) -> Option<Value> {
    let map = object.as_object()?;
    let found = of.fields.iter().filter(|field| {
        let bytes = matches!(&field.shape, Shape::Map(inner, _) if matches!(**inner, Shape::Bytes));
        bytes && map.get(field.name).and_then(Value::as_object).is_some_and(|map| map.values().any(Value::is_null))
    });
    let fields: Vec<&str> = found.map(|field| field.name).collect();
    if fields.is_empty() {
        return None;
    }
    let written = object.clone();
    for field in fields {
        for value in object.get_mut(field).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            if value.is_null() {
                *value = "".into();
            }
        }
    }
    Some(written)
}

/// `None` when the field is left out.
fn encode_field(old: Option<Value>, field: &Field, empty: Empty) -> Option<Value> {
    let old = old.filter(|v| !v.is_null());
    if field.omit_zero && old.is_none() {
        return None;
    }
    let omitted = field.omit_empty;
    match &field.shape {
        Shape::Pointer(inner) => match old {
            Some(v) => Some(encode_value(v, inner, empty)),
            None => (!omitted).then_some(Value::Null),
        },
        Shape::List(..) | Shape::Map(..) => match old {
            Some(v) if json::is_empty(&v) => (!omitted).then_some(if empty == Empty::Kept { v } else { Value::Null }),
            Some(v) => Some(encode_value(v, &field.shape, empty)),
            None => (!omitted).then_some(Value::Null),
        },
        Shape::Bytes => match old {
            Some(v) if v != "" => Some(v),
            _ => (!omitted).then_some(Value::Null),
        },
        Shape::Scalar(..) => {
            let zero = zero(&field.shape);
            let v = old.unwrap_or_else(|| zero.clone());
            (!(omitted && v == zero)).then_some(v)
        }
        Shape::Struct(_) => {
            let was_there = old.is_some();
            let v = encode_value(old.unwrap_or(Value::Null), &field.shape, empty);
            if field.omit_zero && was_there && v == encode_value(Value::Null, &field.shape, empty) {
                return None;
            }
            Some(v)
        }
        Shape::Own(name) => match old {
            Some(v) if name.starts_with(SCHEMA) => Some(encode_own(v, name, empty)).filter(|v| !v.is_null()),
            Some(v) => Some(encode_own(v, name, empty)),
            None => match *name {
                "Time" | "MicroTime" => Some(Value::Null),
                "Quantity" => Some("0".into()),
                "IntOrString" => Some(0.into()),
                _ => (!omitted).then_some(Value::Null),
            },
        },
    }
}

/// A value that is there: `null` in a list or a map is the zero value of its type.
fn encode_value(value: Value, shape: &Shape, empty: Empty) -> Value {
    match (shape, value) {
        (Shape::Pointer(inner), value) => {
            if value.is_null() {
                value
            } else {
                encode_value(value, inner, empty)
            }
        }
        (Shape::List(inner, _), Value::Array(list)) => {
            Value::Array(list.into_iter().map(|v| encode_value(v, inner, empty)).collect())
        }
        (Shape::Map(inner, name), Value::Object(map)) => {
            let rounds = *name == Some("v1.ResourceList") && empty == Empty::Kept;
            let encode = |v| match encode_value(v, inner, empty) {
                Value::String(amount) if rounds => quantity::in_thousandths(&amount).unwrap_or(amount).into(),
                v => v,
            };
            Value::Object(map.into_iter().map(|(k, v)| (k, encode(v))).collect())
        }
        (Shape::Struct(name), mut value) => {
            if let Some(of) = Struct::named(name) {
                encode_as(&mut value, of, empty);
            }
            value
        }
        (Shape::Own(name), value) => encode_own(value, name, empty),
        // Nothing at all, until it is read back from the store.
        (Shape::Bytes, Value::Null) => Value::Null,
        (Shape::Bytes, Value::Array(list)) => {
            let byte = |v: &Value| v.as_u64().and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
            base64::engine::general_purpose::STANDARD.encode(list.iter().map(byte).collect::<Vec<_>>()).into()
        }
        (shape, Value::Null) => zero(shape),
        (Shape::Scalar("float64" | "float32", _), mut value) => {
            json::whole_numbers(&mut value);
            value
        }
        (_, value) => value,
    }
}

fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Scalar("string", _) => "".into(),
        Shape::Scalar("bool", _) => false.into(),
        Shape::Scalar(..) => 0.into(),
        _ => Value::Null,
    }
}

/// How the types are called that are a schema or something else.
const SCHEMA: &str = "JSONSchemaPropsOr";

fn encode_own(mut value: Value, name: &str, empty: Empty) -> Value {
    if let Some(of) = Struct::named("apiextensions/v1.JSONSchemaProps").filter(|_| name.starts_with(SCHEMA)) {
        match &mut value {
            Value::Object(_) => encode_as(&mut value, of, empty),
            Value::Array(list) if list.is_empty() => return Value::Null,
            Value::Array(list) => list.iter_mut().filter(|v| v.is_object()).for_each(|v| encode_as(v, of, empty)),
            _ => {}
        }
        return value;
    }
    if name == "JSON" {
        json::whole_numbers(&mut value);
        return value;
    }
    match (name, &value) {
        ("Quantity", Value::String(text)) => quantity::parse(text).map_or(value, Value::from),
        ("Quantity", Value::Number(n)) => quantity::parse(&n.to_string()).map_or(value, Value::from),
        ("Quantity", Value::Null) => "0".into(),
        ("Time", Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
            Err(_) => value,
        },
        ("MicroTime", Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into(),
            Err(_) => value,
        },
        _ => value,
    }
}
