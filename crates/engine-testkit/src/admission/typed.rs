//! What decoding into a Go type does to an object: types are checked, unknown fields fall away, empty maps and lists
//! are not written back, and embedded structs are always there.

use gitops_engine_schema::{Format, Scalar, Type};
use serde_json::{Map, Value};

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Types that decode themselves, or that take anything.
fn decodes_itself(schema: &Type) -> bool {
    schema.scalar() == Some(Scalar::Untyped) || schema.format() == Some(Format::Quantity)
}

fn go_type(schema: &Type) -> String {
    if let Some(map) = schema.map() {
        return match (schema.go_name(), map.rest()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(rest)) => format!("map[string]{}", go_type(rest)),
            (None, None) => "interface {}".to_owned(),
        };
    }
    if let Some(list) = schema.list() {
        return format!("[]{}", go_type(list.items()));
    }
    match (schema.scalar(), schema.format()) {
        (Some(Scalar::String), Some(Format::Byte)) => "[]uint8",
        (Some(Scalar::String), _) => "string",
        (Some(Scalar::Number), Some(Format::Int64)) => "int64",
        (Some(Scalar::Number), Some(Format::Double)) => "float64",
        (Some(Scalar::Number), _) => "int32",
        (Some(Scalar::Boolean), _) => "bool",
        (Some(Scalar::Untyped) | None, _) => "interface {}",
    }
    .to_owned()
}

fn struct_name(schema: &Type) -> Option<&'static str> {
    schema.go_name().and_then(|name| name.rsplit('.').next())
}

/// The first value that its field cannot hold, in the words of Go's decoder.
pub(super) fn mismatch(value: &Value, schema: &Type) -> Option<String> {
    fn walk(value: &Value, schema: &Type, owner: &str, path: &str) -> Option<String> {
        if value.is_null() || decodes_itself(schema) {
            return None;
        }
        let fits = match value {
            Value::Object(_) => schema.map().is_some(),
            Value::Array(_) => schema.list().is_some(),
            Value::String(_) => schema.scalar() == Some(Scalar::String),
            Value::Number(_) => schema.scalar() == Some(Scalar::Number),
            Value::Bool(_) => schema.scalar() == Some(Scalar::Boolean),
            Value::Null => true,
        };
        if !fits {
            let (kind, wanted) = (go_kind(value), go_type(schema));
            return Some(format!("json: cannot unmarshal {kind} into Go struct field {owner}.{path} of type {wanted}"));
        }
        match value {
            Value::Object(map) if schema.is_struct() => {
                let owner = struct_name(schema).unwrap_or(owner);
                map.iter().find_map(|(name, v)| {
                    let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(v, schema.value(name), owner, &at)
                })
            }
            Value::Object(map) => map.iter().find_map(|(name, v)| walk(v, schema.value(name), owner, path)),
            Value::Array(list) => list.iter().find_map(|v| walk(v, schema.items(), owner, path)),
            _ => None,
        }
    }
    walk(value, schema, "", "")
}

/// Drops fields that the type does not have, and reports them.
pub(super) fn drop_unknown(value: &mut Value, schema: &Type, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.retain(|name, v| {
            let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if schema.map().is_some_and(|map| map.value(name).is_none()) {
                unknown.push(at);
                return false;
            }
            drop_unknown(v, schema.value(name), &at, unknown);
            true
        }),
        Value::Array(list) => {
            for (i, v) in list.iter_mut().enumerate() {
                drop_unknown(v, schema.items(), &format!("{path}[{i}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Drops maps and lists with nothing in them, as `omitempty` does.
pub(super) fn drop_empty(value: &mut Value, schema: &Type) {
    match value {
        Value::Object(map) => map.retain(|name, v| {
            let child = schema.value(name);
            drop_empty(v, child);
            let Some(field) = schema.field(name).filter(|f| !f.is_always_written()) else { return true };
            match &*v {
                Value::Array(list) => !list.is_empty() || field.value().list().is_none(),
                // A struct behind a pointer stays, empty as it is.
                Value::Object(map) => !map.is_empty() || child.name().is_some() || child.map().is_none(),
                _ => true,
            }
        }),
        Value::Array(list) => list.iter_mut().for_each(|v| drop_empty(v, schema.items())),
        _ => {}
    }
}

/// Adds the structs that the Go type always holds.
pub(super) fn embed(value: &mut Value, schema: &Type) {
    match value {
        Value::Object(map) => {
            if schema.name().is_some() {
                for (name, field) in schema.map().into_iter().flat_map(gitops_engine_schema::Map::fields) {
                    if field.is_embedded() && field.value().is_struct() {
                        map.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
                    } else if field.is_always_written() && field.value().scalar().is_none() {
                        map.entry(name.to_owned()).or_insert(Value::Null);
                    }
                }
            }
            for (name, v) in map {
                embed(v, schema.value(name));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| embed(v, schema.items())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use gitops_engine_schema::Schema;
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_types_are_named_as_go_names_them() {
        let schema = Schema::builtin("apps", "v1", "Deployment").unwrap();
        for (object, expected) in [
            (
                json!({"spec": {"replicas": "three"}}),
                Some("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
            ),
            (
                json!({"spec": {"template": {"spec": {"containers": [{"env": [{"name": "A", "value": 1}]}]}}}}),
                Some(
                    "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
                ),
            ),
            (
                json!({"metadata": {"labels": {"a": true}}}),
                Some("json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string"),
            ),
            (json!({"spec": {"replicas": null, "template": {"spec": {"containers": []}}}}), None),
        ] {
            assert_eq!(mismatch(&object, &schema).as_deref(), expected);
        }
    }

    #[test]
    fn empty_collections_are_omitted_and_structs_embedded() {
        let schema = Schema::builtin("apps", "v1", "Deployment").unwrap();
        let mut object =
            json!({"metadata": {"labels": {}}, "spec": {"template": {"spec": {"volumes": [], "securityContext": {}}}}});
        drop_empty(&mut object, &schema);
        embed(&mut object, &schema);
        assert_eq!(
            object,
            json!({"metadata": {}, "status": {}, "spec": {"selector": null, "strategy": {}, "template": {"metadata": {}, "spec": {"containers": null, "securityContext": {}}}}})
        );
    }
}
