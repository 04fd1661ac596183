//! What happens to an object between the request and the store: unknown fields, defaults, validation.

mod default;
mod immutable;
mod names;
mod pod;
mod validate;

use serde_json::Value;

pub(crate) use default::default;
pub(crate) use validate::{validate_create, validate_update};

use crate::{
    apply::schema::Schema,
    crd,
    status::ApiError,
    write::{FieldValidation, Target},
};

/// Drops fields that the kind does not have; refuses them when strict, else returns warnings.
pub(crate) fn decode(
    target: &Target<'_>,
    body: &mut Value,
    validation: FieldValidation,
) -> Result<Vec<String>, ApiError> {
    let mut unknown = Vec::new();
    match target.resource.crd.get(target.version) {
        Some(version) => {
            if let Some(schema) = &version.openapi {
                crd::prune(body, schema, true, "", &mut unknown);
            }
        }
        None => drop_unknown(body, &target.resource.schema(target.version), "", &mut unknown),
    }
    if unknown.is_empty() || validation == FieldValidation::Ignore {
        return Ok(Vec::new());
    }
    unknown.sort();
    let messages: Vec<String> = unknown.iter().map(|f| format!("unknown field {f:?}")).collect();
    if validation == FieldValidation::Strict {
        let detail = format!("strict decoding error: {}", messages.join(", "));
        let message = if target.resource.is_custom() {
            detail
        } else {
            format!(
                "{} in version {:?} cannot be handled as a {}: {detail}",
                target.resource.kind, target.version, target.resource.kind
            )
        };
        return Err(ApiError::bad_request(message));
    }
    Ok(messages)
}

fn drop_unknown(value: &mut Value, schema: &Schema, path: &str, unknown: &mut Vec<String>) {
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
            if let Schema::ListMap(items) = schema {
                for (i, v) in list.iter_mut().enumerate() {
                    drop_unknown(v, &items.item, &format!("{path}[{i}]"), unknown);
                }
            }
        }
        _ => {}
    }
}
