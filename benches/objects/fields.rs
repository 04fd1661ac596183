//! `managedFields` as a server writes them.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>

use serde_json::{Map, Value, json};

/// One entry, which says that `manager` owns every field of `owned`.
pub(crate) fn managed(manager: &str, operation: &str, api_version: &Value, owned: &Value) -> Value {
    json!({
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": "2026-05-04T10:20:30Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": set(owned),
    })
}

/// The set of all fields of a value. Lists of named things are owned item by item, other lists as a whole.
fn set(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (format!("f:{name}"), set(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items
            .iter()
            .map(|item| {
                let mut fields = set(item);
                fields["."] = json!({});
                Some((key(item)?, fields))
            })
            .collect::<Option<Map<_, _>>>()
            .unwrap_or_default()
            .into(),
        _ => json!({}),
    }
}

fn key(item: &Value) -> Option<String> {
    let names: &[&str] = if item.get("containerPort").is_some() {
        &["containerPort", "protocol"]
    } else if item.get("port").is_some() {
        &["port", "protocol"]
    } else if item.get("mountPath").is_some() {
        &["mountPath"]
    } else if item.get("type").is_some() {
        &["type"]
    } else if item.get("name").is_some() {
        &["name"]
    } else {
        return None;
    };
    let key: Map<String, Value> = names
        .iter()
        .map(|name| {
            let value = item.get(*name).cloned().unwrap_or_else(|| json!("TCP"));
            ((*name).to_owned(), value)
        })
        .collect();
    Some(format!("k:{}", Value::Object(key)))
}
