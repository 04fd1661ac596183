//! Validation of custom resources by their schema, in the order and the words of a real server.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>

use serde_json::{Map, Value};

use super::{formats, is_true};
use crate::{
    json::{get, list_at, str_at},
    status::Cause,
};

/// What is known about a value where it stands.
#[derive(Clone, Copy)]
struct At<'a> {
    /// `spec.list[0].field`, empty at the root.
    path: &'a str,
    /// The stored value in the same place. What did not change is not judged again:
    /// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting>
    old: Option<&'a Value>,
}

impl At<'_> {
    fn name(&self) -> &str {
        if self.path.is_empty() { "<nil>" } else { self.path }
    }

    fn field(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// A complaint about several parts of a schema, which a real server gives no field.
fn overall(detail: String) -> Cause {
    Cause::invalid("<nil>", &"".into(), detail)
}

/// Checks an object against the schema of its version; `before` is the stored one on an update.
pub(crate) fn validate(object: &Value, schema: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let at = At { path: "", old: before };
    check(object, schema, at, causes);
}

/// Checks a status against its part of the schema: the path of a complaint begins there, and its field does not.
pub(crate) fn validate_status(status: &Value, schema: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let Some(schema) = get(schema, &["properties", "status"]) else { return };
    let mut found = Vec::new();
    check(status, schema, At { path: "", old: before }, &mut found);
    causes.extend(found.into_iter().map(|cause| Cause {
        message: cause.message.replace("<nil> in body", " in body"),
        field: if cause.field == "<nil>" { "status".to_owned() } else { format!("status.{}", cause.field) },
        ..cause
    }));
}

/// Checks the objects within an object, and what its lists have twice: that only when the stored one has nothing twice.
pub(crate) fn validate_lists(object: &Value, schema: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let at = At { path: "", old: None };
    embedded(object, schema, at, causes);
    let mut had = Vec::new();
    if let Some(before) = before {
        lists(before, schema, at, &mut had);
    }
    if had.is_empty() {
        lists(object, schema, at, causes);
    }
}

fn check(value: &Value, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    if at.old == Some(value) {
        return;
    }
    // Of `null` nothing is asked but that it may be there, and is one of the values that are allowed.
    if !value.is_null() || !is_true(schema, "nullable") {
        types(value, schema, at, causes);
    }
    if !value.is_null() {
        combined(value, schema, at, causes);
    }
    match value {
        Value::String(text) => texts(text, schema, at, causes),
        Value::Number(_) => numbers(value, schema, at, causes),
        Value::Array(list) => items(list, schema, at, causes),
        _ => {}
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let names: Vec<String> =
            allowed.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        causes.push(Cause::unsupported(at.name(), value, &names));
    }
    if let Value::Object(map) = value {
        fields(map, schema, at, causes);
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn types(value: &Value, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    let have = type_name(value);
    let format = str_at(schema, &["format"]);
    let number = matches!(str_at(schema, &["type"]), "integer" | "number");
    if number && !format.is_empty() && !matches!(have, "integer" | "string" | "array" | "null") {
        if have == "number" && (str_at(schema, &["type"]) == "number" || format == "float64") {
            return;
        }
        let data = if have == "number" { "float64" } else { "" };
        let detail = format!("{} in body must be of type {format}: {data:?}", at.name());
        causes.push(Cause::type_invalid(at.name(), &data.into(), &detail));
        return;
    }
    let wanted = if is_true(schema, "x-kubernetes-int-or-string") {
        if matches!(have, "integer" | "string") {
            return;
        }
        "integer,string"
    } else {
        str_at(schema, &["type"])
    };
    if !wanted.is_empty() && wanted != have && !(wanted == "number" && have == "integer") {
        let detail = format!("{} in body must be of type {wanted}: {have:?}", at.name());
        causes.push(Cause::type_invalid(at.name(), &have.into(), &detail));
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn combined(value: &Value, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    let alternatives = |key: &str| -> Vec<Vec<Cause>> {
        list_at(schema, &[key])
            .iter()
            .map(|schema| {
                let mut causes = Vec::new();
                check(value, schema, at, &mut causes);
                causes
            })
            .collect()
    };
    let name = at.name();
    let mut any = alternatives("anyOf");
    if !any.is_empty() && any.iter().all(|causes| !causes.is_empty()) {
        causes.push(overall(format!("{name:?} must validate at least one schema (anyOf)")));
        causes.append(&mut any[0]);
    }
    let mut one = alternatives("oneOf");
    if !one.is_empty() {
        match one.iter().filter(|causes| causes.is_empty()).count() {
            1 => {}
            0 => {
                let text = "must validate one and only one schema (oneOf). Found none valid";
                causes.push(overall(format!("{name:?} {text}")));
                causes.append(&mut one[0]);
            }
            n => {
                let text = "must validate one and only one schema (oneOf). Found";
                causes.push(overall(format!("{name:?} {text} {n} valid alternatives")));
            }
        }
    }
    let mut failed = false;
    for mut complaints in alternatives("allOf") {
        failed |= !complaints.is_empty();
        causes.append(&mut complaints);
    }
    if failed {
        causes.push(overall(format!("{name:?} must validate all the schemas (allOf)")));
    }
    if let Some(not) = schema.get("not") {
        let mut complaints = Vec::new();
        check(value, not, at, &mut complaints);
        if complaints.is_empty() {
            causes.push(overall(format!("{name:?} must not validate the schema (not)")));
        }
    }
}

fn texts(text: &str, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    let name = at.name();
    let count = |key: &str| schema.get(key).and_then(Value::as_u64);
    let length = text.chars().count() as u64;
    let value = Value::from(text);
    if let Some(most) = count("maxLength").filter(|most| length > *most) {
        causes.push(Cause::too_long(name, most));
    }
    if let Some(least) = count("minLength").filter(|least| length < *least) {
        causes.push(Cause::invalid(name, &value, format!("{name} in body should be at least {least} chars long")));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        // A pattern that is none was refused with the definition.
        if regex::Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text)) {
            causes.push(Cause::invalid(name, &value, format!("{name} in body should match '{pattern}'")));
        }
    }
    let format = str_at(schema, &["format"]);
    if !formats::is(format, text) {
        let detail = format!("{name} in body must be of type {format}: {text:?}");
        causes.push(Cause::type_invalid(name, &value, &detail));
    }
}

fn numbers(value: &Value, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    let (name, Some(n)) = (at.name(), value.as_f64()) else { return };
    let format = str_at(schema, &["format"]);
    if str_at(schema, &["type"]) == "integer" {
        let fits = match format {
            "int32" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            _ => value.is_i64() || value.is_u64(),
        };
        if !fits {
            let which = if format.is_empty() { "(default format)".to_owned() } else { format!("with format {format}") };
            causes.push(overall(format!("Checked value must be of type integer {which} in {name}")));
        }
    }
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let mut fail = |detail: String| causes.push(Cause::invalid(name, value, format!("{name} in body {detail}")));
    if let Some(factor) = number("multipleOf").filter(|factor| *factor > 0.0) {
        let times = n / factor;
        if (times - times.round()).abs() > 1e-9 {
            fail(format!("should be a multiple of {factor}"));
        }
    }
    if let Some(most) = number("maximum") {
        let exclusive = is_true(schema, "exclusiveMaximum");
        if n > most || (exclusive && n >= most) {
            fail(format!("should be less than {}{most}", if exclusive { "" } else { "or equal to " }));
        }
    }
    if let Some(least) = number("minimum") {
        let exclusive = is_true(schema, "exclusiveMinimum");
        if n < least || (exclusive && n <= least) {
            fail(format!("should be greater than {}{least}", if exclusive { "" } else { "or equal to " }));
        }
    }
}

/// How many there may be, in the words for lists and maps.
fn counted(n: usize, least: &str, most: &str, unit: &str, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    let (name, n) = (at.name(), n as u64);
    let count = |key: &str| schema.get(key).and_then(Value::as_u64);
    if let Some(least) = count(least).filter(|least| n < *least) {
        causes.push(Cause::invalid(name, &n.into(), format!("{name} in body should have at least {least} {unit}")));
    }
    if let Some(most) = count(most).filter(|most| n > *most) {
        causes.push(Cause::too_many(name, n, most));
    }
}

fn items(list: &[Value], schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    if let Some(items) = schema.get("items") {
        for (i, item) in list.iter().enumerate() {
            let path = format!("{}[{i}]", at.path);
            check(item, items, At { path: &path, old: counterpart(item, schema, at.old) }, causes);
        }
    }
    counted(list.len(), "minItems", "maxItems", "items", schema, at, causes);
}

/// The stored item with the same keys, where the list has keys.
fn counterpart<'a>(item: &Value, schema: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    let keys = list_at(schema, &["x-kubernetes-list-map-keys"]);
    if keys.is_empty() {
        return None;
    }
    let same = |other: &&Value| keys.iter().filter_map(Value::as_str).all(|key| other.get(key) == item.get(key));
    old?.as_array()?.iter().find(same)
}

fn fields(map: &Map<String, Value>, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    counted(map.len(), "minProperties", "maxProperties", "properties", schema, at, causes);
    for name in list_at(schema, &["required"]).iter().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            causes.push(Cause::required(at.field(name), ""));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let rest = schema.get("additionalProperties").filter(|r| r.is_object());
    for (name, value) in map {
        if at.path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        if let Some(property) = properties.and_then(|p| p.get(name)).or(rest) {
            let below = At { path: &at.field(name), old: at.old.and_then(|old| old.get(name)) };
            check(value, property, below, causes);
        }
    }
}

/// Walks to every value that has a schema of its own.
fn walk<'v>(
    value: &'v Value,
    schema: &'v Value,
    at: At<'_>,
    causes: &mut Vec<Cause>,
    visit: fn(&'v Value, &'v Value, At<'_>, &mut Vec<Cause>),
) {
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let rest = schema.get("additionalProperties").filter(|r| r.is_object());
            for (name, value) in map {
                if let Some(property) = properties.and_then(|p| p.get(name)).or(rest) {
                    let below = At { path: &at.field(name), old: at.old.and_then(|old| old.get(name)) };
                    visit(value, property, below, causes);
                }
            }
        }
        Value::Array(list) => {
            for (i, item) in list.iter().enumerate() {
                let Some(items) = schema.get("items") else { continue };
                let path = format!("{}[{i}]", at.path);
                visit(item, items, At { path: &path, old: counterpart(item, schema, at.old) }, causes);
            }
        }
        _ => {}
    }
}

/// Objects within the object name their kind.
fn embedded(value: &Value, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    if is_true(schema, "x-kubernetes-embedded-resource") && value.is_object() {
        for name in ["apiVersion", "kind"] {
            match value.get(name) {
                None => causes.push(Cause::required(at.field(name), "")),
                Some(text) if text == "" => {
                    causes.push(Cause::invalid(at.field(name), text, "must not be empty"));
                }
                Some(_) => {}
            }
        }
    }
    walk(value, schema, at, causes, embedded);
}

/// Sets and lists with keys have nothing twice.
fn lists(value: &Value, schema: &Value, at: At<'_>, causes: &mut Vec<Cause>) {
    if let Value::Array(list) = value {
        let keys = list_at(schema, &["x-kubernetes-list-map-keys"]);
        let identity = |item: &Value| -> Value {
            let key = |k: &str| item.get(k).map(|v| (k.to_owned(), v.clone()));
            if keys.is_empty() {
                item.clone()
            } else {
                Value::Object(keys.iter().filter_map(Value::as_str).filter_map(key).collect())
            }
        };
        let kind = str_at(schema, &["x-kubernetes-list-type"]);
        let misfit = list.iter().position(|item| kind == "map" && !item.is_object() && !item.is_null());
        if let Some(i) = misfit {
            let detail = "must be an object for an array of list-type map";
            causes.push(Cause::invalid(format!("{}[{i}]", at.path), &list[i], detail));
        } else if matches!(kind, "set" | "map") {
            let seen: Vec<Value> = list.iter().map(identity).collect();
            for (i, item) in seen.iter().enumerate() {
                // The second one is told, whatever follows.
                if seen[..i].iter().filter(|other| *other == item).count() == 1 {
                    causes.push(Cause::duplicate(format!("{}[{i}]", at.path), item));
                }
            }
        }
    }
    walk(value, schema, at, causes, lists);
}
