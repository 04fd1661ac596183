//! Which schemas a definition may have.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

use serde_json::Value;

use super::{definition::only, is_true, prune, validate as objects};
use crate::{
    json::{get, list_at, str_at},
    status::Cause,
};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Checks the schema of a version.
pub(super) fn validate(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    match str_at(schema, &["type"]) {
        "" => causes.push(Cause::required(format!("{at}.type"), "must not be empty at the root")),
        "object" => {}
        other => causes.push(Cause::invalid(format!("{at}.type"), &other.into(), "must be object at the root")),
    }
    if let Some(metadata) = get(schema, &["properties", "metadata"]) {
        let names = metadata.get("properties").is_none_or(|p| only(p, &["name", "generateName"]));
        if !names {
            let detail =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            causes.push(Cause::forbidden(format!("{at}.properties[metadata]"), detail));
        }
    }
    children(schema, at, causes);
    single(schema, at, causes);
}

/// A part of a schema that says what may be there; `place` is what it stands in.
fn part(schema: &Value, at: &str, place: &str, causes: &mut Vec<Cause>) {
    match str_at(schema, &["type"]) {
        "" => {
            let free = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];
            if !free.iter().any(|key| is_true(schema, key)) {
                causes.push(Cause::required(format!("{at}.type"), &format!("must not be empty for specified {place}")));
            }
        }
        kind if TYPES.contains(&kind) => {}
        other => causes.push(Cause::unsupported(format!("{at}.type"), &other.into(), &TYPES)),
    }
    single(schema, at, causes);
    children(schema, at, causes);
}

fn children(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        // The root's metadata has rules of its own.
        part(property, &format!("{at}.properties[{name}]"), "object fields", causes);
    }
    if let Some(rest) = schema.get("additionalProperties").filter(|r| r.is_object()) {
        part(rest, &format!("{at}.additionalProperties"), "object fields", causes);
    }
    if let Some(items) = schema.get("items") {
        part(items, &format!("{at}.items"), "array items", causes);
    }
}

/// The rules about one part alone.
fn single(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    if schema.get("$ref").is_some() {
        causes.push(Cause::forbidden(format!("{at}.$ref"), "$ref is not supported"));
    }
    if is_true(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(format!("{at}.uniqueItems"), detail));
    }
    if schema.get("properties").is_some() && schema.get("additionalProperties").is_some_and(Value::is_object) {
        let detail = "additionalProperties and properties are mutual exclusive";
        causes.push(Cause::forbidden(format!("{at}.additionalProperties"), detail));
    }
    if str_at(schema, &["type"]) == "array" && schema.get("items").is_none() {
        causes.push(Cause::required(format!("{at}.items"), "must be specified"));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && let Err(e) = regex::Regex::new(pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {e}");
        causes.push(Cause::invalid(format!("{at}.pattern"), &pattern.into(), detail));
    }
    // Within these a schema only restricts what is specified outside of them.
    for key in ["allOf", "anyOf", "oneOf"] {
        for (i, branch) in list_at(schema, &[key]).iter().enumerate() {
            restriction(branch, &format!("{at}.{key}[{i}]"), schema, causes);
        }
    }
    if let Some(branch) = schema.get("not") {
        restriction(branch, &format!("{at}.not"), schema, causes);
    }
    list_type(schema, at, causes);
    default(schema, at, causes);
}

fn restriction(branch: &Value, at: &str, outside: &Value, causes: &mut Vec<Cause>) {
    let int_or_string = is_true(outside, "x-kubernetes-int-or-string");
    if branch.get("type").is_some() && !int_or_string {
        causes.push(Cause::forbidden(format!("{at}.type"), "must be empty to be structural"));
    }
    if branch.get("default").is_some() {
        causes.push(Cause::forbidden(format!("{at}.default"), "must be undefined to be structural"));
    }
}

fn list_type(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    let field = format!("{at}.x-kubernetes-list-type");
    let keys = list_at(schema, &["x-kubernetes-list-map-keys"]);
    let items = &schema["items"];
    match str_at(schema, &["x-kubernetes-list-type"]) {
        "" | "atomic" => {}
        "set" => {
            let atomic = match str_at(items, &["type"]) {
                "object" => str_at(items, &["x-kubernetes-map-type"]) == "atomic",
                _ => true,
            };
            if !atomic {
                let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
                let value = items.get("x-kubernetes-map-type").unwrap_or(&Value::Null);
                causes.push(Cause::invalid(format!("{at}.items.x-kubernetes-map-type"), value, detail));
            }
        }
        "map" if keys.is_empty() => {
            let detail = "must not be empty if x-kubernetes-list-type is map";
            causes.push(Cause::required(format!("{at}.x-kubernetes-list-map-keys"), detail));
        }
        "map" => {
            for key in keys.iter().filter_map(Value::as_str) {
                let required = list_at(items, &["required"]).iter().any(|r| r == key);
                if !required && get(items, &["properties", key, "default"]).is_none() {
                    let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                    causes.push(Cause::required(format!("{at}.items.properties[{key}].default"), detail));
                }
            }
        }
        other => causes.push(Cause::unsupported(field, &other.into(), &["atomic", "set", "map"])),
    }
}

/// A default must be a value that its own schema accepts.
fn default(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    let Some(default) = schema.get("default") else { return };
    let field = format!("{at}.default");
    let mut unknown = Vec::new();
    prune(&mut default.clone(), schema, false, "", &mut unknown);
    if !unknown.is_empty() {
        causes.push(Cause::invalid(field, default, "must not have unknown fields"));
        return;
    }
    let mut complaints = Vec::new();
    objects(default, schema, None, &mut complaints);
    for complaint in complaints {
        let message = complaint.message.replace("<nil> in body", " in body");
        causes.push(Cause { field: field.clone(), message, ..complaint });
    }
}
