//! Which schemas a definition may have.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

mod defaults;
mod lists;
mod openapi;
pub(in crate::crd) mod path;
pub(crate) mod pattern;
mod rules;
mod structural;
mod unknown_formats;

use serde_json::Value;

pub(in crate::crd) use self::unknown_formats::is_known as is_known_format;
pub(crate) use self::unknown_formats::unknown_formats;
use crate::{
    crd::extension::{KEEPS, LIST, MAP},
    crd::is_true,
    json::{list_at, str_at},
    status::Cause,
};

/// What the root of a schema may have when the status is judged alone, as the server's own type calls it.
const ROOT: &str = "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength \
                    Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example \
                    XPreserveUnknownFields XValidations";
/// The same, as JSON calls it.
const ROOT_KEYS: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    KEEPS,
    "x-kubernetes-validations",
];

/// Checks a schema, of which `at` is what it stands in.
pub(super) fn validate(schema: &Value, status: bool, at: &str, causes: &mut Vec<Cause>) {
    if schema.is_null() {
        return;
    }
    let at = format!("{at}.openAPIV3Schema");
    let before = causes.len();
    if status {
        root_beside_a_status(schema, &at, causes);
    }
    if is_true(schema, "nullable") {
        causes.push(Cause::forbidden(format!("{at}.nullable"), "nullable cannot be true at the root"));
    }
    let unsupported = unsupported(schema);
    let mut structural = unsupported.is_none();
    if structural {
        let mut wrong = structural::validate(schema, &at);
        if wrong.is_empty() {
            defaults::validate(schema, &at, &mut wrong);
        }
        structural = wrong.is_empty();
        causes.append(&mut wrong);
    }
    openapi::validate(schema, &at, structural, causes);
    if let Some(problem) = unsupported.filter(|_| causes.len() == before) {
        causes.push(Cause::invalid(at, &"".into(), problem));
    }
}

/// A status is judged by its own part of the schema, so that nothing at the root may say more about it.
fn root_beside_a_status(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    let set = |key: &str| is_set(schema, key);
    let early = ["id", "$schema", "$ref"].into_iter().any(set);
    let kind = str_at(schema, &["type"]);
    if !early && !matches!(kind, "" | "object") {
        let detail =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        causes.push(Cause::invalid(format!("{at}.type"), &kind.into(), detail));
        return;
    }
    let keys = schema.as_object().into_iter().flatten();
    if keys.map(|(key, _)| key.as_str()).any(|key| set(key) && !ROOT_KEYS.contains(&key)) {
        let detail =
            format!("only [{ROOT}] fields are allowed at the root of the schema if the status subresource is enabled");
        causes.push(Cause::invalid(at, schema, detail));
    }
}

/// Fields that are there with any value.
const POINTERS: [&str; 12] = [
    "$ref",
    "default",
    "items",
    "not",
    "additionalProperties",
    "additionalItems",
    "externalDocs",
    "example",
    KEEPS,
    LIST,
    MAP,
    "dependencies",
];

/// Whether a field is set, as the server's own type has it.
fn is_set(schema: &Value, key: &str) -> bool {
    schema.get(key).is_some_and(|value| if POINTERS.contains(&key) { !value.is_null() } else { !is_zero(value) })
}

/// Whether a Go field with this value would be as if it was not set.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// The parts of a schema that are schemas, with their places in it.
fn parts(schema: &Value) -> impl Iterator<Item = (String, &Value)> {
    let one = ["items", "additionalProperties", "not"].into_iter().filter_map(|key| {
        let part = schema.get(key).filter(|part| part.is_object())?;
        Some((key.to_owned(), part))
    });
    let named = ["properties", "definitions", "dependencies"].into_iter().flat_map(|key| {
        let map = schema.get(key).and_then(Value::as_object).into_iter().flatten();
        map.filter(|(_, part)| part.is_object()).map(move |(name, part)| (format!("{key}[{name}]"), part))
    });
    let listed = ["allOf", "oneOf", "anyOf", "items"].into_iter().flat_map(|key| {
        let list = list_at(schema, &[key]).iter().enumerate();
        list.map(move |(i, part)| (format!("{key}[{i}]"), part))
    });
    one.chain(named).chain(listed)
}

/// Whether a part of a schema, or the schema, is like this.
fn any(schema: &Value, like: &dyn Fn(&Value) -> bool) -> bool {
    like(schema) || parts(schema).any(|(_, part)| any(part, like))
}

/// Whether there are defaults anywhere in the schema of a version.
pub(super) fn has_defaults(schema: &Value) -> bool {
    any(&schema["openAPIV3Schema"], &|part| part.get("default").is_some_and(|default| !default.is_null()))
}

/// Why a schema cannot be read as a structural one.
fn unsupported(schema: &Value) -> Option<String> {
    let set = |key: &str| schema.get(key).is_some_and(|value| !is_zero(value));
    let texts = [("id", "id"), ("$schema", "schema"), ("$ref", "$ref")];
    let maps = ["patternProperties", "dependencies"].map(|key| (key, key));
    let keys = texts.into_iter().chain(maps).find(|(key, _)| set(key)).map(|(_, name)| name);
    let extra = schema.get("additionalItems").is_some_and(|extra| !extra.is_null()).then_some("additionalItems");
    let own = keys.or(extra).or(set("definitions").then_some("definitions"));
    if let Some(name) = own {
        return Some(format!("OpenAPIV3Schema '{name}' is not supported"));
    }
    if schema.get(KEEPS) == Some(&Value::Bool(false)) {
        return Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_owned());
    }
    if !list_at(schema, &["items"]).is_empty() {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    parts(schema).find_map(|(_, part)| unsupported(part))
}
