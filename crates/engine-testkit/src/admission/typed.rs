//! What decoding into a Go type does to an object: types are checked, unknown fields fall away, empty maps and lists
//! are not written back, and embedded structs are always there.

use serde_json::{Map, Value};

use crate::apply::schema::{Scalar, Schema};

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

fn go_type(schema: &Schema) -> String {
    match schema {
        Schema::Scalar(Scalar::String) => "string".to_owned(),
        Schema::Scalar(Scalar::Number) => "int32".to_owned(),
        Schema::Scalar(Scalar::Boolean) => "bool".to_owned(),
        Schema::Map(item) | Schema::AtomicMap(item) => format!("map[string]{}", go_type(item)),
        Schema::Set => "[]string".to_owned(),
        Schema::AtomicList(_) | Schema::ListMap(_) => format!("[]{}", go_type(&schema.item())),
        Schema::Struct(_) => format!("v1.{}", schema.type_name().unwrap_or("Object")),
        Schema::Unknown => "interface {}".to_owned(),
    }
}

/// The first value that its field cannot hold, in the words of Go's decoder.
pub(super) fn mismatch(value: &Value, schema: &Schema) -> Option<String> {
    fn walk(value: &Value, schema: &Schema, owner: &str, path: &str) -> Option<String> {
        let fits = match schema {
            Schema::Unknown => return None,
            _ if value.is_null() => return None,
            Schema::Scalar(Scalar::String) => value.is_string(),
            Schema::Scalar(Scalar::Number) => value.is_number(),
            Schema::Scalar(Scalar::Boolean) => value.is_boolean(),
            Schema::Struct(_) | Schema::Map(_) | Schema::AtomicMap(_) => value.is_object(),
            Schema::AtomicList(_) | Schema::ListMap(_) | Schema::Set => value.is_array(),
        };
        if !fits {
            let (kind, wanted) = (go_kind(value), go_type(schema));
            return Some(format!("json: cannot unmarshal {kind} into Go struct field {owner}.{path} of type {wanted}"));
        }
        match (value, schema) {
            (Value::Object(map), Schema::Struct(_)) => {
                let owner = schema.type_name().unwrap_or(owner);
                map.iter().find_map(|(name, v)| {
                    let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(v, &schema.field(name).0, owner, &at)
                })
            }
            (Value::Object(map), _) => map.iter().find_map(|(name, v)| walk(v, &schema.field(name).0, owner, path)),
            (Value::Array(list), _) => list.iter().find_map(|v| walk(v, &schema.item(), owner, path)),
            _ => None,
        }
    }
    walk(value, schema, "", "")
}

/// Drops fields that the type does not have, and reports them.
pub(super) fn drop_unknown(value: &mut Value, schema: &Schema, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.retain(|name, v| {
            let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if schema.is_unknown_field(name) {
                unknown.push(at);
                return false;
            }
            drop_unknown(v, &schema.field(name).0, &at, unknown);
            true
        }),
        Value::Array(list) => {
            let item = schema.item();
            for (i, v) in list.iter_mut().enumerate() {
                drop_unknown(v, &item, &format!("{path}[{i}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Drops maps and lists with nothing in them, as `omitempty` does.
pub(super) fn drop_empty(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => map.retain(|name, v| {
            let (child, known) = schema.field(name);
            drop_empty(v, &child);
            let omitted = match (&*v, &child) {
                (Value::Array(list), Schema::AtomicList(_) | Schema::ListMap(_) | Schema::Set) => list.is_empty(),
                (Value::Object(map), Schema::Map(_) | Schema::AtomicMap(_)) => map.is_empty(),
                _ => false,
            };
            // Rules without entries are written as such: the field is not optional.
            !(omitted && known && name != "rules")
        }),
        Value::Array(list) => {
            let item = schema.item();
            list.iter_mut().for_each(|v| drop_empty(v, &item));
        }
        _ => {}
    }
}

/// Adds the structs that the Go type always holds.
pub(super) fn embed(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (name, _) in schema.embedded_structs() {
                map.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            }
            for (name, v) in map {
                embed(v, &schema.field(name).0);
            }
        }
        Value::Array(list) => {
            let item = schema.item();
            list.iter_mut().for_each(|v| embed(v, &item));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_types_are_named_as_go_names_them() {
        let schema = Schema::builtin("apps", "v1", "Deployment");
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
        let schema = Schema::builtin("apps", "v1", "Deployment");
        let mut object =
            json!({"metadata": {"labels": {}}, "spec": {"template": {"spec": {"volumes": [], "securityContext": {}}}}});
        drop_empty(&mut object, &schema);
        embed(&mut object, &schema);
        assert_eq!(
            object,
            json!({"metadata": {}, "status": {}, "spec": {"strategy": {}, "template": {"metadata": {}, "spec": {"securityContext": {}}}}})
        );
    }
}
