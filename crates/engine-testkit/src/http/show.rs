//! How objects are shown: in the version of the path, whole, as metadata only, or as a row of a table.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::media::{Form, Wish};
use crate::{
    admission,
    clock::Now,
    json,
    resources::{Resource, package},
    status::ApiError,
    store::Stored,
    table::{self, Wanted},
};

fn metadata_only(resource: &Resource, value: &Value, wish: &Wish) -> Value {
    table::partial(resource, value, wish.api_version())
}

fn wrong_form(resource: &Resource, wanted: &str, is_list: bool) -> ApiError {
    let (what, kind) = match (is_list, &*resource.gr.group) {
        (true, _) if resource.is_custom() => ("a list", "unstructured.UnstructuredList".to_owned()),
        // One that has no type might be either, until somebody looks for its items.
        (false, _) if resource.is_custom() => {
            return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", "content is not a list");
        }
        (true, group) => ("a list", format!("{}.{}List", package(group), resource.kind)),
        (false, group) => ("not a list", format!("{}.{}", package(group), resource.kind)),
    };
    let message = format!("you requested {wanted}, but the requested object is {what} (*{kind})");
    ApiError::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
}

/// One stored object.
pub(crate) fn object(
    resource: &Resource,
    version: &str,
    wish: &Wish,
    stored: &Stored,
    now: Now,
) -> Result<Bytes, ApiError> {
    if wish.form == Form::Whole && version == resource.storage_version {
        return Ok(stored.bytes());
    }
    value(resource, version, wish, &seen(resource, version, stored), now)
}

/// A custom resource in the version that was asked for; the other kinds are given that when they are shown.
fn seen<'s>(resource: &Resource, version: &str, stored: &'s Stored) -> Cow<'s, Value> {
    let shown = if resource.is_custom() { resource.shown_at(stored, version) } else { None };
    shown.map_or(Cow::Borrowed(&stored.value), Cow::Owned)
}

/// One object that is not stored.
pub(crate) fn value(
    resource: &Resource,
    version: &str,
    wish: &Wish,
    value: &Value,
    now: Now,
) -> Result<Bytes, ApiError> {
    let shown = match wish.form {
        Form::Whole => match resource.value_at(value, version) {
            Some(v) => v,
            None => return Ok(serde_json::to_vec(value).unwrap_or_default().into()),
        },
        Form::Metadata => metadata_only(resource, value, wish),
        Form::MetadataList => return Err(wrong_form(resource, "PartialObjectMetadataList", false)),
        Form::Table => {
            let revision = value["metadata"]["resourceVersion"].clone();
            tabular(resource, version, wish, &[value], json!({"resourceVersion": revision}), true, now)
        }
    };
    Ok(serde_json::to_vec(&shown).unwrap_or_default().into())
}

fn tabular(
    resource: &Resource,
    version: &str,
    wish: &Wish,
    objects: &[&Value],
    metadata: Value,
    definitions: bool,
    now: Now,
) -> Value {
    let mut table = table::of(resource, version, objects, "", Wanted::of(wish, definitions, now));
    table["metadata"] = metadata;
    table
}

/// The object of a watch event; nothing where the form is one of lists.
pub(crate) fn event_object(
    resource: &Resource,
    version: &str,
    wish: &Wish,
    stored: &Stored,
    first: bool,
    now: Now,
) -> Bytes {
    let shown = match wish.form {
        Form::Whole if version == resource.storage_version => return stored.bytes(),
        Form::Whole => resource.shown_at(stored, version).unwrap_or(Value::Null),
        Form::Metadata | Form::MetadataList => metadata_only(resource, &stored.value, wish),
        Form::Table => {
            let metadata = json!({"resourceVersion": stored.value["metadata"]["resourceVersion"]});
            tabular(resource, version, wish, &[&seen(resource, version, stored)], metadata, first, now)
        }
    };
    serde_json::to_vec(&shown).unwrap_or_default().into()
}

/// A bookmark: an object with nothing but a version, as its type writes it.
pub(crate) fn bookmark(
    resource: &Resource,
    version: &str,
    wish: &Wish,
    metadata: Value,
    first: bool,
    now: Now,
) -> Bytes {
    let mut object = admission::nothing_of(&resource.api_version(version), &resource.kind);
    let revision = json!({"resourceVersion": metadata["resourceVersion"]});
    for (key, value) in metadata.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(map) => map.iter().for_each(|(k, v)| json::set(&mut object, &["metadata", key, k], v.clone())),
            None => json::set(&mut object, &["metadata", key], value.clone()),
        }
    }
    let shown = match wish.form {
        Form::Whole => object,
        Form::Metadata | Form::MetadataList => metadata_only(resource, &object, wish),
        Form::Table => tabular(resource, version, wish, &[&object], revision, first, now),
    };
    serde_json::to_vec(&shown).unwrap_or_default().into()
}

/// A list in the form that was asked for.
pub(crate) fn list(
    resource: &Resource,
    version: &str,
    wish: &Wish,
    items: &[std::sync::Arc<Stored>],
    metadata: Value,
    now: Now,
) -> Result<Bytes, ApiError> {
    let (kind, api_version) = match wish.form {
        Form::Whole => (resource.list_kind(), resource.api_version(version)),
        Form::MetadataList => ("PartialObjectMetadataList".to_owned(), wish.api_version().to_owned()),
        Form::Metadata => return Err(wrong_form(resource, "PartialObjectMetadata", true)),
        Form::Table => {
            let shown: Vec<_> = items.iter().map(|stored| seen(resource, version, stored)).collect();
            let objects: Vec<&Value> = shown.iter().map(AsRef::as_ref).collect();
            let table = tabular(resource, version, wish, &objects, metadata, true, now);
            return Ok(serde_json::to_vec(&table).unwrap_or_default().into());
        }
    };
    let head = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
    if wish.form == Form::MetadataList && items.is_empty() {
        // This list is made item by item, and none is none.
        let mut list = head;
        list["items"] = Value::Null;
        return Ok(serde_json::to_vec(&list).unwrap_or_default().into());
    }
    let mut out = serde_json::to_vec(&head).unwrap_or_default();
    out.pop();
    out.extend_from_slice(b",\"items\":[");
    for (i, stored) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if wish.form == Form::Whole && resource.is_custom() && *version == resource.storage_version {
            out.extend_from_slice(&stored.bytes());
        } else {
            item(&mut out, resource, version, wish, stored);
        }
    }
    // The line end that every answer has.
    out.extend_from_slice(b"]}\n");
    Ok(out.into())
}

/// One item of a list: items of built-in kinds do not repeat their kind.
fn item(out: &mut Vec<u8>, resource: &Resource, version: &str, wish: &Wish, stored: &Stored) {
    let written = if wish.form == Form::MetadataList {
        serde_json::to_writer(&mut *out, &metadata_only(resource, &stored.value, wish))
    } else if resource.is_custom() {
        let shown = resource.shown_at(stored, version);
        serde_json::to_writer(&mut *out, shown.as_ref().unwrap_or(&stored.value))
    } else if let Some(shown) = resource.shown_at(stored, version) {
        let without_kind = shown.as_object().into_iter().flatten();
        let without_kind = without_kind.filter(|(key, _)| *key != "kind" && *key != "apiVersion");
        serde::Serializer::collect_map(&mut serde_json::Serializer::new(&mut *out), without_kind)
    } else {
        out.push(b'{');
        out.extend_from_slice(&stored.bytes_without_kind());
        Ok(())
    };
    debug_assert!(written.is_ok(), "a value with text keys is JSON, and a vector takes it");
}
