//! Validation of custom resources by their schema, in the order and the words of a real server.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>

mod combined;
mod numbers;
mod whole;

use serde_json::{Map, Value};

pub(super) use self::whole::embedded_at;
pub(crate) use self::whole::validate_lists;
use super::{formats, is_true, schema};
use crate::{
    crd::extension::{EITHER, KEYS},
    json::{get, list_at, str_at},
    status::Cause,
};

/// What is known about a value where it stands.
#[derive(Clone, Copy)]
struct At<'a> {
    /// What is judged stands there; errors do not name it, but in their field.
    base: &'a str,
    /// `spec.list[0].field`, empty at the root.
    path: &'a str,
    /// The stored value in the same place. What did not change is not judged again:
    /// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting>
    old: Option<&'a Value>,
    /// The schema is taken as it is written, as it is for its own defaults.
    literal: bool,
}

impl<'a> At<'a> {
    fn root(base: &'a str, old: Option<&'a Value>) -> Self {
        Self { base, path: "", old, literal: false }
    }

    /// The format of a schema, where a server knows it for the type.
    fn format<'s>(&self, schema: &'s Value) -> &'s str {
        let format = str_at(schema, &["format"]);
        let kind = if is_true(schema, EITHER) { "" } else { str_at(schema, &["type"]) };
        if self.literal || schema::is_known_format(format, kind) { format } else { "" }
    }

    /// The field of a cause that is about something below.
    fn field_of(&self, path: &str) -> String {
        match (self.base, path.strip_prefix('.').unwrap_or(path)) {
            ("", "") => "<nil>".to_owned(),
            (base, "") => base.to_owned(),
            ("", path) => path.to_owned(),
            (base, path) => format!("{base}.{path}"),
        }
    }

    fn field(&self) -> String {
        self.field_of(self.path)
    }

    /// A complaint about several parts of a schema, which a real server gives no field.
    fn overall(&self, detail: String) -> Cause {
        Cause::invalid(self.field_of(""), &"".into(), detail)
    }

    fn invalid(&self, value: &Value, detail: &str) -> Cause {
        Cause::invalid(self.field(), value, format!("{} in body {detail}", self.path))
    }

    fn wrong_type(&self, wanted: &str, have: &str) -> Cause {
        let detail = format!("{} in body must be of type {wanted}: {have:?}", self.path);
        Cause::type_invalid(self.field(), &have.into(), &detail)
    }

    fn old_at(&self, name: &str) -> Option<&'a Value> {
        self.old.and_then(|old| old.get(name))
    }
}

/// What came out of a check.
#[derive(Default)]
struct Checked {
    causes: Vec<Cause>,
    /// How much was asked for and found: of several alternatives that do not fit, the one that fits best is told about.
    fits: usize,
}

impl Checked {
    fn push(&mut self, cause: Cause) {
        let same = |other: &Cause| other.field == cause.field && other.message == cause.message;
        if !self.causes.iter().any(same) {
            self.causes.push(cause);
        }
    }

    fn merge(&mut self, other: Self) {
        other.causes.into_iter().for_each(|cause| self.push(cause));
        self.fits += other.fits;
    }
}

/// Checks an object against the schema of its version; `before` is the stored one on an update.
pub(crate) fn validate(object: &Value, schema: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    causes.append(&mut check(object, schema, At::root("", before)).causes);
}

/// Checks a status against its part of the schema: the path of a complaint begins there, and its field does not.
pub(crate) fn validate_status(status: &Value, schema: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let Some(schema) = get(schema, &["properties", "status"]) else { return };
    causes.append(&mut check(status, schema, At::root("status", before)).causes);
}

/// Checks a default that stands somewhere.
pub(super) fn value_at(value: &Value, schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    causes.append(&mut check(value, schema, At { literal: true, ..At::root(at, None) }).causes);
}

fn check(value: &Value, schema: &Value, at: At<'_>) -> Checked {
    let mut out = Checked::default();
    if at.old == Some(value) {
        return out;
    }
    if value.is_null() {
        types(value, schema, at, &mut out);
        one_of(value, schema, at, &mut out);
        return out;
    }
    types(value, schema, at, &mut out);
    combined::check(value, schema, at, &mut out);
    match value {
        Value::String(text) => texts(text, schema, at, &mut out),
        Value::Number(_) => numbers::check(value, schema, at, &mut out),
        Value::Array(list) => items(list, schema, at, &mut out),
        Value::Null | Value::Bool(_) | Value::Object(_) => {}
    }
    one_of(value, schema, at, &mut out);
    if let Value::Object(map) = value {
        fields(map, schema, at, &mut out);
        out.fits += 1;
    }
    out.fits += 4;
    out
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

fn types(value: &Value, schema: &Value, at: At<'_>, out: &mut Checked) {
    let wanted: &[&str] = match str_at(schema, &["type"]) {
        _ if is_true(schema, EITHER) && !at.literal => &["integer", "string"],
        "" => &[],
        kind => &[kind],
    };
    let format = at.format(schema);
    let have = type_name(value);
    if value.is_null() {
        if !wanted.is_empty() && !is_true(schema, "nullable") {
            out.push(at.wrong_type(&wanted.join(","), have));
        } else {
            out.fits += 1;
        }
        return;
    }
    if wanted.is_empty() && format.is_empty() {
        return;
    }
    out.fits += 1;
    let wants = |kind: &str| wanted.contains(&kind);
    let whole = have == "number" && value.as_f64().is_some_and(numbers::is_whole) && wants("integer");
    let fits = wants(have) || whole || (have == "integer" && wants("number"));
    let inner = match have {
        "integer" => "int64",
        "number" => "float64",
        _ => "",
    };
    let sized = matches!(value, Value::String(_) | Value::Array(_));
    if !format.is_empty() && !sized && !fits && inner != format {
        let detail = format!("{} in body must be of type {format}: {inner:?}", at.path);
        out.push(Cause::type_invalid(at.field(), &inner.into(), &detail));
        return;
    }
    let judged_later = !format.is_empty() && sized && !wants("number") && !wants("integer");
    if !judged_later && !fits {
        out.push(at.wrong_type(&wanted.join(","), have));
    } else {
        out.fits += 1;
    }
}

/// Only the first thing that is wrong with a text is told.
fn texts(text: &str, schema: &Value, at: At<'_>, out: &mut Checked) {
    let count = |key: &str| schema.get(key).and_then(Value::as_u64);
    let (length, value) = (text.chars().count() as u64, Value::from(text));
    let pattern = str_at(schema, &["pattern"]);
    // A pattern that is none was refused with the definition.
    let matches = || pattern.is_empty() || schema::pattern::compile(pattern).is_ok_and(|p| p.is_match(text));
    if let Some(most) = count("maxLength").filter(|most| length > *most) {
        out.push(Cause::too_long(at.field(), most));
    } else if let Some(least) = count("minLength").filter(|least| length < *least) {
        out.push(at.invalid(&value, &format!("should be at least {least} chars long")));
    } else if !matches() {
        out.push(at.invalid(&value, &format!("should match '{pattern}'")));
    }
    out.fits += 1;
    let format = at.format(schema);
    if !format.is_empty() {
        out.fits += 1;
        if !formats::is(format, text) {
            out.push(at.wrong_type(format, text));
        }
    }
}

/// Values that are allowed. Of `null` it is not known, and numbers become what they are compared with.
fn one_of(value: &Value, schema: &Value, at: At<'_>, out: &mut Checked) {
    let allowed = list_at(schema, &["enum"]);
    if allowed.is_empty() || allowed.iter().any(|one| is_one(value, one)) {
        return;
    }
    let names: Vec<String> = allowed.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    out.push(Cause::unsupported(at.field(), value, &names));
}

fn is_one(value: &Value, allowed: &Value) -> bool {
    match (value, allowed) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            #[allow(clippy::cast_possible_truncation, reason = "as the server does it")]
            (None, Some(b)) => a.as_f64().is_some_and(|a| a.trunc() as i64 == b),
            _ => a.as_f64() == b.as_f64(),
        },
        // A number is a text of the one character that it numbers.
        (Value::Number(n), Value::String(text)) => {
            let c = n.as_u64().and_then(|n| u32::try_from(n).ok()).and_then(char::from_u32);
            c.is_some_and(|c| text.chars().eq([c]))
        }
        (value, allowed) => value == allowed,
    }
}

/// How many there may be, in the words for lists and maps.
fn counted(n: usize, least: &str, most: &str, unit: &str, schema: &Value, at: At<'_>, out: &mut Checked) {
    let n = n as u64;
    let count = |key: &str| schema.get(key).and_then(Value::as_u64);
    if let Some(least) = count(least).filter(|least| n < *least) {
        out.push(at.invalid(&n.into(), &format!("should have at least {least} {unit}")));
    }
    if let Some(most) = count(most).filter(|most| n > *most) {
        out.push(Cause::too_many(at.field(), n, most));
    }
}

fn items(list: &[Value], schema: &Value, at: At<'_>, out: &mut Checked) {
    if let Some(items) = schema.get("items") {
        for (i, item) in list.iter().enumerate() {
            let path = format!("{}[{i}]", at.path);
            out.merge(check(item, items, At { path: &path, old: counterpart(item, schema, at.old), ..at }));
        }
    }
    counted(list.len(), "minItems", "maxItems", "items", schema, at, out);
    out.fits += 2;
}

/// The stored item with the same keys, where the list has keys.
fn counterpart<'a>(item: &Value, schema: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    let keys = list_at(schema, &[KEYS]);
    if keys.is_empty() {
        return None;
    }
    let same = |other: &&Value| keys.iter().filter_map(Value::as_str).all(|key| other.get(key) == item.get(key));
    old?.as_array()?.iter().find(same)
}

fn fields(map: &Map<String, Value>, schema: &Value, at: At<'_>, out: &mut Checked) {
    counted(map.len(), "minProperties", "maxProperties", "properties", schema, at, out);
    let properties = schema.get("properties").and_then(Value::as_object);
    let known = |name: &str| properties.and_then(|properties| properties.get(name));
    let rest = schema.get("additionalProperties");
    for (name, value) in map.iter().filter(|(name, _)| known(name).is_none()) {
        let path = format!("{}.{name}", at.path);
        match rest {
            Some(Value::Bool(false)) => {
                let detail = format!("{path} in body is a forbidden property");
                out.push(Cause::invalid(at.field(), &name.as_str().into(), detail));
            }
            Some(schema) if schema.is_object() => {
                out.merge(check(value, schema, At { path: &path, old: at.old_at(name), ..at }));
            }
            _ => {}
        }
    }
    for (name, value) in map {
        if let Some(property) = known(name) {
            let path = if at.path.is_empty() { name.clone() } else { format!("{}.{name}", at.path) };
            // Old and new are shown as one version, so what is wrong about that is always told.
            let identity = at.path.is_empty() && at.base.is_empty() && matches!(name.as_str(), "apiVersion" | "kind");
            let old = at.old_at(name).filter(|_| !identity);
            out.merge(check(value, property, At { path: &path, old, ..at }));
        }
    }
    for name in list_at(schema, &["required"]).iter().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            out.push(Cause::required(at.field_of(&format!("{}.{name}", at.path)), ""));
        }
    }
}
