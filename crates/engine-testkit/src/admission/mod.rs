//! What happens to an object between the request and the store: unknown fields, defaults, validation.

mod default;
mod immutable;
pub(crate) mod names;
mod pod;
mod prepare;
mod typed;
mod validate;

use serde_json::Value;

pub(crate) use default::default;
pub(crate) use prepare::prepare;
pub(crate) use validate::{validate_create, validate_update};

use crate::{
    crd, json,
    resources::Resource,
    status::ApiError,
    write::{FieldValidation, Target},
};

/// Drops what encoding the object's Go type would not write. An applied configuration is read before that: an empty map
/// in it is owned.
pub(crate) fn omit_empty(resource: &Resource, body: &mut Value) {
    if !resource.is_custom() {
        typed::drop_empty(body, &resource.schema(&resource.storage_version));
    }
}

/// Whether what is as deep as this in an object may be more than a field that the kind does not have, and so would be
/// missed.
pub(crate) fn may_be_known(resource: &Resource, version: &str, body: &Value, depth: usize) -> bool {
    if resource.is_custom() {
        return true;
    }
    let schema = resource.schema(version);
    // Wrong types are somebody else's to name.
    if typed::mismatch(body, &schema).is_some() {
        return false;
    }
    let mut known = body.clone();
    typed::drop_unknown(&mut known, &schema, "", &mut Vec::new());
    json::depth(&known) >= depth
}

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
        None => {
            let schema = target.resource.schema(target.version);
            if let Some(problem) = typed::mismatch(body, &schema) {
                return Err(ApiError::bad_request(format!(
                    "{} in version {:?} cannot be handled as a {}: {problem}",
                    target.resource.kind, target.version, target.resource.kind
                )));
            }
            typed::drop_unknown(body, &schema, "", &mut unknown);
        }
    }
    if unknown.is_empty() || validation == FieldValidation::Ignore {
        return Ok(Vec::new());
    }
    unknown.sort();
    let messages: Vec<String> = unknown.iter().map(|f| format!("unknown field {f:?}")).collect();
    if validation == FieldValidation::Strict {
        let detail = format!("strict decoding error: {}", messages.join(", "));
        let message = format!(
            "{} in version {:?} cannot be handled as a {}: {detail}",
            target.resource.kind, target.version, target.resource.kind
        );
        return Err(ApiError::bad_request(message));
    }
    Ok(messages)
}
