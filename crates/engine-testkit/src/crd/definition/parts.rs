//! What a version has beside its schema: deprecation, subresources, printer columns, selectable fields.

use serde_json::Value;

use crate::{
    crd::{is_true, schema::path},
    json::{list_at, str_at},
    status::Cause,
};

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MOST_SELECTABLE: usize = 8;

pub(super) fn deprecation(version: &Value, at: &str, causes: &mut Vec<Cause>) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let mut wrong =
        |detail: &str| causes.push(Cause::invalid(format!("{at}.deprecationWarning"), &warning.into(), detail));
    if !is_true(version, "deprecated") {
        return wrong("can only be set for deprecated versions");
    }
    if warning.len() > 256 {
        wrong("must be <= 256 characters long");
    }
    if warning.is_empty() {
        wrong("must not be an empty string");
    }
    // Of white space only the space itself is printed.
    let hidden = |c: char| c.is_control() || (c.is_whitespace() && c != ' ');
    if let Some((i, _)) = warning.char_indices().find(|(_, c)| hidden(*c)) {
        wrong(&format!("must only contain printable UTF-8 characters; non-printable character found at index {i}"));
    }
}

pub(super) fn subresources(subresources: &Value, at: &str, causes: &mut Vec<Cause>) {
    let scale = &subresources["scale"];
    if scale.is_null() {
        return;
    }
    for (key, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let (path, at) = (str_at(scale, &[key]), format!("{at}.scale.{key}"));
        if path.is_empty() {
            causes.push(Cause::required(at, ""));
        } else if simple_path(path, &at, causes) && !path.starts_with(&format!("{root}.")) {
            causes.push(Cause::invalid(at, &path.into(), format!("should be a json path under {root}")));
        }
    }
    let (path, at) = (str_at(scale, &["labelSelectorPath"]), format!("{at}.scale.labelSelectorPath"));
    if !path.is_empty()
        && simple_path(path, &at, causes)
        && !path.starts_with(".spec.")
        && !path.starts_with(".status.")
    {
        causes.push(Cause::invalid(at, &path.into(), "should be a json path under either .spec or .status"));
    }
}

fn simple_path(path: &str, at: &str, causes: &mut Vec<Cause>) -> bool {
    let ok = path.starts_with('.');
    if !ok {
        causes.push(Cause::invalid(at, &path.into(), "must be a simple json path starting with ."));
    }
    ok
}

pub(super) fn columns(version: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (i, column) in list_at(version, &["additionalPrinterColumns"]).iter().enumerate() {
        let at = format!("{at}.additionalPrinterColumns[{i}]");
        let text = |key: &str| str_at(column, &[key]);
        if text("name").is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
        let detail = format!("must be one of {}", COLUMN_TYPES.join(","));
        match text("type") {
            "" => causes.push(Cause::required(format!("{at}.type"), &detail)),
            kind if COLUMN_TYPES.contains(&kind) => {}
            kind => causes.push(Cause::invalid(format!("{at}.type"), &kind.into(), detail)),
        }
        let format = text("format");
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
            causes.push(Cause::invalid(format!("{at}.format"), &format.into(), detail));
        }
        match text("jsonPath") {
            "" => causes.push(Cause::required(format!("{at}.JSONPath"), "")),
            path => {
                simple_path(path, &format!("{at}.JSONPath"), causes);
            }
        }
    }
}

/// The fields by which objects are selected: texts, numbers and truths that the schema knows.
pub(super) fn selectable(version: &Value, at: &str, causes: &mut Vec<Cause>) {
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut seen: Vec<String> = Vec::new();
    for (i, field) in list_at(version, &["selectableFields"]).iter().enumerate() {
        let (text, at) = (str_at(field, &["jsonPath"]), format!("{at}[{i}].jsonPath"));
        if text.is_empty() {
            causes.push(Cause::required(at, ""));
            continue;
        }
        let found = match path::find(text, schema, path::Notation::Dots) {
            Ok(found) => found,
            Err(problem) => {
                causes.push(Cause::invalid(at, &text.into(), format!("is an invalid path: {problem}")));
                continue;
            }
        };
        if found.root() == "metadata" {
            causes.push(Cause::invalid(at.clone(), &text.into(), "must not point to fields in metadata"));
        }
        if !matches!(str_at(found.schema, &["type"]), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                          formats are allowed.";
            causes.push(Cause::invalid(at.clone(), &text.into(), detail));
        }
        if seen.contains(&found.path) {
            causes.push(Cause::duplicate(at, &text.into()));
        } else {
            seen.push(found.path);
        }
    }
    if seen.len() > MOST_SELECTABLE {
        causes.push(Cause::too_many(at, seen.len() as u64, MOST_SELECTABLE as u64));
    }
}
