//! What every part of a schema may say.

use serde_json::Value;

use super::{is_zero, lists, rules};
use crate::{
    crd::extension::{EMBEDS, KEEPS, LIST, MAP},
    crd::{is_true, rules::complaints},
    json::{list_at, str_at},
    status::Cause,
};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// What is not supported when it is there.
const UNSUPPORTED: [&str; 5] = ["id", "additionalItems", "patternProperties", "definitions", "dependencies"];

/// Where a part of a schema stands.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    /// Within what describes the type or the metadata of an object.
    in_meta: bool,
    /// Why there may be no defaults.
    no_defaults: Option<&'a str>,
    /// The outermost list or object within which nobody knows what was in a place before.
    apart: Option<&'a str>,
    /// Rules are compiled.
    compiled: bool,
}

impl<'a> Place<'a> {
    fn within(self, at: &'a str) -> Self {
        Self { apart: self.apart.or(Some(at)), ..self }
    }
}

/// What is wrong with the schema itself, and with its rules, which are looked at where nothing else is wrong.
#[derive(Default)]
struct Complaints {
    schema: Vec<Cause>,
    rules: Vec<Cause>,
}

/// Checks a schema. Rules are compiled only of a structural one.
pub(super) fn validate(schema: &Value, at: &str, structural: bool, causes: &mut Vec<Cause>) {
    let mut out = Complaints::default();
    part(schema, at, Place { compiled: structural, ..Place::default() }, true, &mut out);
    causes.append(&mut out.schema);
    causes.append(&mut out.rules);
}

fn part(schema: &Value, at: &str, place: Place<'_>, root: bool, out: &mut Complaints) {
    let before = out.schema.len();
    let causes = &mut out.schema;
    single(schema, at, place, causes);
    let below = |key: &str| format!("{at}.{key}");
    if let Some(values) = schema.get("additionalProperties").filter(|values| !values.is_null()) {
        let properties = schema.get("properties").is_some_and(|p| !is_zero(p));
        if properties && *values != Value::Bool(true) {
            let detail = "additionalProperties and properties are mutual exclusive";
            causes.push(Cause::forbidden(below("additionalProperties"), detail));
        }
        let reason = "inside additionalProperties applying to object metadata";
        let place = if place.in_meta { Place { no_defaults: Some(reason), ..place } } else { place };
        if values.is_object() {
            part(values, &below("additionalProperties"), place, false, out);
        }
    }
    let embeds = root || is_true(schema, EMBEDS);
    let scattered = !matches!(str_at(schema, &[MAP]), "" | "granular" | "atomic");
    let inner = if scattered { place.within(at) } else { place };
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let (at, place) = (format!("{at}.properties[{name}]"), inner);
        if embeds && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            let reason = format!("in top-level {name}");
            let no_defaults = if root { Some(reason.as_str()) } else { place.no_defaults };
            part(property, &at, Place { in_meta: true, no_defaults, ..place }, false, out);
        } else {
            part(property, &at, place, false, out);
        }
    }
    let branch = Place { compiled: false, ..place };
    if let Some(not) = schema.get("not").filter(|not| not.is_object()) {
        part(not, &below("not"), branch, false, out);
    }
    for key in ["allOf", "oneOf", "anyOf", "items"] {
        for (i, schema) in list_at(schema, &[key]).iter().enumerate() {
            part(schema, &format!("{at}.{key}[{i}]"), branch, false, out);
        }
    }
    for key in ["definitions", "dependencies"] {
        for (name, schema) in schema.get(key).and_then(Value::as_object).into_iter().flatten() {
            if schema.is_object() {
                part(schema, &format!("{at}.{key}[{name}]"), branch, false, out);
            }
        }
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        let place = if str_at(schema, &[LIST]) == "map" { place } else { place.within(at) };
        part(items, &below("items"), place, false, out);
    }
    let causes = &mut out.schema;
    if schema.get(KEEPS) == Some(&Value::Bool(false)) {
        let at = below(KEEPS);
        causes.push(Cause::invalid(at, &false.into(), "must be true or undefined"));
    }
    lists::maps(schema, at, causes);
    lists::lists(schema, at, causes);
    rules::validate(schema, at, causes);
    if place.compiled && out.schema.len() == before {
        complaints(schema, at, root, place.apart, &mut out.rules);
    }
}

/// What a part says alone.
fn single(schema: &Value, at: &str, place: Place<'_>, causes: &mut Vec<Cause>) {
    let below = |key: &str| format!("{at}.{key}");
    let kind = str_at(schema, &["type"]);
    if !kind.is_empty() && !TYPES.contains(&kind) {
        causes.push(Cause::unsupported(below("type"), &kind.into(), &TYPES));
    }
    if let Some(reason) = place.no_defaults
        && schema.get("default").is_some_and(|default| !default.is_null())
    {
        causes.push(Cause::forbidden(below("default"), &format!("must not be set {reason}")));
    }
    for key in UNSUPPORTED {
        let there = match key {
            "additionalItems" => schema.get(key).is_some_and(|value| !value.is_null()),
            _ => schema.get(key).is_some_and(|value| !is_zero(value)),
        };
        if there {
            causes.push(Cause::forbidden(below(key), &format!("{key} is not supported")));
        }
    }
    if schema.get("$ref").is_some_and(|r| !r.is_null()) {
        causes.push(Cause::forbidden(below("$ref"), "$ref is not supported"));
    }
    if kind == "null" {
        causes.push(Cause::forbidden(below("type"), "type cannot be set to null, use nullable as an alternative"));
    }
    if !list_at(schema, &["items"]).is_empty() {
        causes.push(Cause::forbidden(below("items"), "items must be a schema object and not an array"));
    }
    if place.in_meta && is_true(schema, EMBEDS) {
        let at = below(EMBEDS);
        causes.push(Cause::forbidden(at, "must not be used inside of resource meta"));
    }
    if is_true(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(below("uniqueItems"), detail));
    }
}
