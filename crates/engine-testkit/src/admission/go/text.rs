//! An object as text, with its fields in the order of its type: errors about patches show it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Shape, Struct};

/// The JSON text of an object.
pub(crate) fn text(value: &Value, of: &Struct) -> String {
    let mut out = String::new();
    write_struct(&mut out, value, of);
    out
}

fn write_struct(out: &mut String, value: &Value, of: &Struct) {
    let Value::Object(map) = value else { return plain(out, value) };
    out.push('{');
    let known = of.fields.iter().filter_map(|f| map.get(f.name).map(|v| (f.name, v, Some(&f.shape))));
    let unknown = map.iter().filter(|(k, _)| of.field(k).is_none()).map(|(k, v)| (k.as_str(), v, None));
    for (i, (name, value, shape)) in known.chain(unknown).enumerate() {
        if i > 0 {
            out.push(',');
        }
        key(out, name);
        match shape {
            Some(shape) => write(out, value, shape),
            None => plain(out, value),
        }
    }
    out.push('}');
}

fn write(out: &mut String, value: &Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Pointer(inner), _) => write(out, value, inner),
        (Shape::List(inner, _), Value::Array(list)) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, item, inner);
            }
            out.push(']');
        }
        (Shape::Map(inner, _), Value::Object(map)) => {
            out.push('{');
            for (i, (name, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                key(out, name);
                write(out, item, inner);
            }
            out.push('}');
        }
        (Shape::Struct(name), _) => match Struct::named(name) {
            Some(of) => write_struct(out, value, of),
            None => plain(out, value),
        },
        _ => plain(out, value),
    }
}

fn key(out: &mut String, name: &str) {
    plain(out, &Value::from(name));
    out.push(':');
}

fn plain(out: &mut String, value: &Value) {
    let _infallible = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_in_the_order_of_the_type() {
        let event = Struct::of_kind("v1", "Event").unwrap();
        let object = json!({"involvedObject": {"kind": "Pod", "name": "a", "namespace": "n"}, "apiVersion": "v1",
            "kind": "Event", "metadata": {"labels": {"b": "1", "a": "2"}, "name": "e"}});
        assert_eq!(
            text(&object, event),
            r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e","labels":{"a":"2","b":"1"}},"involvedObject":{"kind":"Pod","namespace":"n","name":"a"}}"#
        );
    }
}
