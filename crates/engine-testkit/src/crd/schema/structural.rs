//! Structural schemas: everything has a type, and what is within `allOf`, `anyOf`, `oneOf` and `not` only restricts what is
//! said outside of them.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

use serde_json::{Value, json};

use super::{is_set as set, pattern};
use crate::{
    crd::extension::{EITHER, EMBEDS, KEEPS, KEYS, LIST, MAP},
    crd::is_true,
    json::{get, list_at, str_at},
    status::Cause,
};

/// What a part of a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What is wrong, in the order of the texts.
pub(super) fn validate(schema: &Value, at: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    invariants(schema, Level::Root, at, &mut causes);
    complete(schema, Some(schema), at, at, &mut causes);
    causes.sort_by_cached_key(|cause| format!("{}: {}", cause.field, cause.message));
    causes
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn object<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get(key).filter(|part| part.is_object())
}

fn invariants(schema: &Value, level: Level, at: &str, causes: &mut Vec<Cause>) {
    let kind = str_at(schema, &["type"]);
    let items = object(schema, "items");
    if kind == "array" && items.is_none() {
        causes.push(Cause::required(format!("{at}.items"), "must be specified"));
    }
    if let Some(items) = items {
        invariants(items, Level::Item, &format!("{at}.items"), causes);
    }
    for (name, property) in properties(schema) {
        invariants(property, Level::Field, &format!("{at}.properties[{name}]"), causes);
    }
    let values = schema.get("additionalProperties").filter(|values| !values.is_null());
    if values.is_some() && level == Level::Root {
        causes.push(Cause::forbidden(format!("{at}.additionalProperties"), "must not be used at the root"));
    }
    if let Some(values) = values.filter(|values| values.is_object()) {
        invariants(values, Level::Field, &format!("{at}.additionalProperties"), causes);
    }
    if is_true(schema, EITHER) {
        for key in [KEEPS, EMBEDS].into_iter().filter(|key| is_true(schema, key)) {
            let detail = format!("must be false if {EITHER} is true");
            causes.push(Cause::invalid(format!("{at}.{key}"), &true.into(), detail));
        }
    }
    restrictions(schema, is_either(schema), list_at(schema, &["allOf"]).first().is_some_and(is_either), at, causes);
    typed(schema, level, at, causes);
    embedded(schema, level, at, causes);
}

fn typed(schema: &Value, level: Level, at: &str, causes: &mut Vec<Cause>) {
    let (kind, at) = (str_at(schema, &["type"]), format!("{at}.type"));
    if is_true(schema, EMBEDS) && kind != "object" {
        let detail = format!("must be object if {EMBEDS} is true");
        causes.push(match kind {
            "" => Cause::required(at.clone(), &detail),
            kind => Cause::invalid(at.clone(), &kind.into(), detail),
        });
    } else if kind.is_empty() && !is_true(schema, EITHER) && !is_true(schema, KEEPS) {
        let place = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            Level::Field => "for specified object fields",
        };
        causes.push(Cause::required(at.clone(), &format!("must not be empty {place}")));
    }
    if level == Level::Root && !matches!(kind, "" | "object") {
        causes.push(Cause::invalid(at, &kind.into(), "must be object at the root"));
    }
}

/// What describes whole objects.
fn embedded(schema: &Value, level: Level, at: &str, causes: &mut Vec<Cause>) {
    let embeds = is_true(schema, EMBEDS);
    if embeds && schema.get("additionalProperties").is_some_and(|values| !values.is_null()) {
        let detail = format!("must not be used if {EMBEDS} is set");
        causes.push(Cause::forbidden(format!("{at}.additionalProperties"), &detail));
    }
    let property = |name: &str| get(schema, &["properties", name]).map(|p| (p, format!("{at}.properties[{name}]")));
    let whole = embeds || level == Level::Root;
    for (name, kind) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some((schema, at)) = property(name).filter(|_| whole) else { continue };
        let have = str_at(schema, &["type"]);
        if have != kind {
            causes.push(Cause::invalid(format!("{at}.type"), &have.into(), format!("must be {kind}")));
        }
    }
    if let Some((metadata, at)) = property("metadata").filter(|_| level == Level::Root) {
        let names = properties(metadata).all(|(name, _)| matches!(name.as_str(), "name" | "generateName"));
        let keys = metadata.as_object().into_iter().flat_map(|map| map.keys());
        let mut rest = keys.filter(|key| !matches!(key.as_str(), "type" | "default" | "properties"));
        if !names || rest.any(|key| set(metadata, key)) {
            let detail =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            causes.push(Cause::forbidden(at, detail));
        }
    }
    if embeds && !is_true(schema, KEEPS) && !set(schema, "properties") {
        let detail = format!("must not be empty if {EMBEDS} is true without {KEEPS}");
        causes.push(Cause::required(format!("{at}.properties"), &detail));
    }
}

/// Whether a number or a text may be there, as it is written without `x-kubernetes-int-or-string`.
fn is_either(schema: &Value) -> bool {
    schema.get("anyOf") == Some(&json!([{"type": "integer"}, {"type": "string"}]))
}

/// What a schema restricts beside its fields.
fn restrictions(schema: &Value, free: bool, first_free: bool, at: &str, causes: &mut Vec<Cause>) {
    for key in ["anyOf", "allOf", "oneOf"] {
        for (i, branch) in list_at(schema, &[key]).iter().enumerate().filter(|_| !(free && key == "anyOf")) {
            let free = first_free && key == "allOf" && i == 0;
            restriction(branch, free, &format!("{at}.{key}[{i}]"), causes);
        }
    }
    if let Some(branch) = object(schema, "not") {
        restriction(branch, false, &format!("{at}.not"), causes);
    }
    let text = str_at(schema, &["pattern"]);
    if let Err(problem) = pattern::compile(text) {
        let detail = format!("must be a valid regular expression, but isn't: error parsing regexp: {problem}");
        causes.push(Cause::invalid(format!("{at}.pattern"), &text.into(), detail));
    }
}

fn restriction(branch: &Value, free: bool, at: &str, causes: &mut Vec<Cause>) {
    const NOTHING: [(&str, &str); 11] = [
        ("type", "empty"),
        ("default", "undefined"),
        ("title", "empty"),
        ("description", "empty"),
        ("nullable", "false"),
        (KEEPS, "false"),
        (EMBEDS, "false"),
        (EITHER, "false"),
        (KEYS, "empty"),
        (LIST, "undefined"),
        (MAP, "undefined"),
    ];
    restrictions(branch, free, false, at, causes);
    if let Some(items) = object(branch, "items") {
        restriction(items, false, &format!("{at}.items"), causes);
    }
    for (name, property) in properties(branch) {
        restriction(property, false, &format!("{at}.properties[{name}]"), causes);
    }
    for (key, nothing) in NOTHING.into_iter().filter(|(key, _)| set(branch, key)) {
        // Of what is kept it is only said when it is.
        if key != KEEPS || is_true(branch, key) {
            causes.push(Cause::forbidden(format!("{at}.{key}"), &format!("must be {nothing} to be structural")));
        }
    }
    if branch.get("additionalProperties").is_some_and(|values| !values.is_null() && *values != Value::Bool(false)) {
        let detail = "must be undefined to be structural";
        causes.push(Cause::forbidden(format!("{at}.additionalProperties"), detail));
    }
    if set(branch, "x-kubernetes-validations") {
        let at = format!("{at}.x-kubernetes-validations");
        causes.push(Cause::forbidden(at, "must be empty to be structural"));
    }
    if get(branch, &["properties", "metadata"]).is_some() {
        let at = format!("{at}.properties[metadata]");
        causes.push(Cause::forbidden(at, "must not be specified in a nested context"));
    }
}

/// Whether everything that is restricted at one place is described at another.
fn complete(restricted: &Value, described: Option<&Value>, at: &str, by: &str, causes: &mut Vec<Cause>) {
    let mut branches = Vec::new();
    if let Some(branch) = object(restricted, "not") {
        branches.push((branch, format!("{by}.not")));
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let list = list_at(restricted, &[key]).iter().enumerate();
        branches.extend(list.map(|(i, branch)| (branch, format!("{by}.{key}[{i}]"))));
    }
    for (branch, by) in branches {
        complete_below(branch, described, at, &by, causes);
    }
}

fn complete_below(branch: &Value, described: Option<&Value>, at: &str, by: &str, causes: &mut Vec<Cause>) {
    let Some(schema) = described else {
        causes.push(Cause::required(at, &format!("because it is defined in {by}")));
        return;
    };
    complete(branch, described, at, by, causes);
    if let Some(items) = object(branch, "items") {
        complete_below(items, object(schema, "items"), &format!("{at}.items"), &format!("{by}.items"), causes);
    }
    for (name, property) in properties(branch) {
        let described = get(schema, &["properties", name]);
        let below = |place: &str| format!("{place}.properties[{name}]");
        complete_below(property, described, &below(at), &below(by), causes);
    }
}
