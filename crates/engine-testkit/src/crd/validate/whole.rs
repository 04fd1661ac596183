//! What is asked of objects within objects, and of lists as a whole.

use serde_json::Value;

use crate::{
    admission::names::label_1035,
    crd::extension::{EMBEDS, KEYS, LIST},
    crd::is_true,
    json::{list_at, str_at},
    status::Cause,
};

/// Checks the objects within an object, and what its lists have twice: that only when the stored one has nothing twice.
pub(crate) fn validate_lists(object: &Value, schema: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    embedded(object, schema, "", causes);
    let mut had = Vec::new();
    if let Some(before) = before {
        lists(before, schema, "", &mut had);
    }
    if had.is_empty() {
        lists(object, schema, "", causes);
    }
}

/// The same of the objects within a value that stands somewhere, which may be a whole object itself.
pub(in crate::crd) fn embedded_at(value: &Value, schema: &Value, at: &str, whole: bool, causes: &mut Vec<Cause>) {
    if whole && !is_true(schema, EMBEDS) {
        identity(value, at, causes);
    }
    embedded(value, schema, at, causes);
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Walks to every value that has a schema of its own.
fn walk<'v>(
    value: &'v Value,
    schema: &'v Value,
    at: &str,
    causes: &mut Vec<Cause>,
    visit: fn(&'v Value, &'v Value, &str, &mut Vec<Cause>),
) {
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let rest = schema.get("additionalProperties").filter(|r| r.is_object());
            for (name, value) in map {
                match (properties.and_then(|p| p.get(name)), rest) {
                    (Some(property), _) => visit(value, property, &below(at, name), causes),
                    (None, Some(rest)) => visit(value, rest, &format!("{at}[{name}]"), causes),
                    (None, None) => {}
                }
            }
        }
        Value::Array(list) => {
            for (i, item) in list.iter().enumerate() {
                let Some(items) = schema.get("items") else { continue };
                visit(item, items, &format!("{at}[{i}]"), causes);
            }
        }
        _ => {}
    }
}

/// Objects within the object name their kind.
fn embedded<'v>(value: &'v Value, schema: &'v Value, at: &str, causes: &mut Vec<Cause>) {
    if is_true(schema, EMBEDS) {
        identity(value, at, causes);
    }
    walk(value, schema, at, causes, embedded);
}

/// What an object says about itself.
fn identity(value: &Value, at: &str, causes: &mut Vec<Cause>) {
    if value.is_object() {
        for name in ["apiVersion", "kind"] {
            let at = below(at, name);
            match value.get(name) {
                None => causes.push(Cause::required(at, "")),
                Some(Value::String(text)) if text.is_empty() => {
                    causes.push(Cause::invalid(at, &text.as_str().into(), "must not be empty"));
                }
                Some(Value::String(text)) if name == "kind" => {
                    let wrong = label_1035(&text.to_lowercase());
                    if !wrong.is_empty() {
                        let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                        causes.push(Cause::invalid(at, &text.as_str().into(), detail));
                    }
                }
                Some(Value::String(text)) if text.matches('/').count() > 1 => {
                    let detail = format!("unexpected GroupVersion string: {text}");
                    causes.push(Cause::invalid(at, &text.as_str().into(), detail));
                }
                Some(Value::String(_)) => {}
                Some(other) => causes.push(Cause::invalid(at, other, "must be a string")),
            }
        }
    }
}

/// Sets and lists with keys have nothing twice.
fn lists<'v>(value: &'v Value, schema: &'v Value, at: &str, causes: &mut Vec<Cause>) {
    if let Value::Array(list) = value {
        let keys = list_at(schema, &[KEYS]);
        let identity = |item: &Value| -> Value {
            let key = |k: &str| item.get(k).map(|v| (k.to_owned(), v.clone()));
            if keys.is_empty() {
                item.clone()
            } else {
                Value::Object(keys.iter().filter_map(Value::as_str).filter_map(key).collect())
            }
        };
        let kind = str_at(schema, &[LIST]);
        let misfit = list.iter().position(|item| kind == "map" && !item.is_object() && !item.is_null());
        if let Some(i) = misfit {
            let detail = "must be an object for an array of list-type map";
            causes.push(Cause::invalid(format!("{at}[{i}]"), &list[i], detail));
        } else if matches!(kind, "set" | "map") {
            let seen: Vec<Value> = list.iter().map(identity).collect();
            for (i, item) in seen.iter().enumerate() {
                // The second one is told, whatever follows.
                if seen[..i].iter().filter(|other| *other == item).count() == 1 {
                    causes.push(Cause::duplicate(format!("{at}[{i}]"), item));
                }
            }
        }
    }
    walk(value, schema, at, causes, lists);
}
