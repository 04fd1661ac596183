//! What JSON and merge patches make of the kind and the version of an object.

use serde_json::Value;

use crate::{
    json,
    resources::Resource,
    write::{Wanted, untyped},
};

/// Whether the result of a patch, which is also there as text, can be read as the kind that it says it is.
pub(super) fn check(resource: &Resource, body: &Value, text: &str) -> Result<(), String> {
    let wanted = Wanted::of(resource);
    let problem = untyped(body).or_else(|| match resource.is_custom() {
        true => json::str_at(body, &["kind"]).is_empty().then(|| format!("Object 'Kind' is missing in '{text}'")),
        false if has_no_version(body) => wanted.refusal_without_version(body),
        false => wanted.refusal_of(body),
    });
    problem.map_or(Ok(()), Err)
}

/// Whether a patch took away what version the object is of.
pub(super) fn has_no_version(body: &Value) -> bool {
    json::str_at(body, &["apiVersion"]).is_empty()
}

/// What is not known of an object without a version. A real server reads it as one of its own types, whose fields have other
/// names: of what clients write, only kind and version are there.
pub(super) fn unknown_without_version(body: &Value) -> Vec<String> {
    let fields = body.as_object().into_iter().flatten();
    fields.map(|(name, _)| name.clone()).filter(|name| name != "kind" && name != "apiVersion").collect()
}
