//! The part of a live object that a desired object declares, as a digest.
//!
//! After an apply the engine remembers the digest of what the server made of the declared fields. As long as the live
//! object has the same digest nobody has touched what we declare, and there is nothing to send and nothing to ask.
//!
//! **Law.** Let an apply of `desired` return `A`, and let the live object later be `B`. If they differ only in what
//! `desired` does not declare (status, defaults, labels of others, items that others added to associative lists), their
//! digests are equal. If any field that `desired` declares differs, or is missing, the digests differ.
//!
//! Not declared by any object: `apiVersion` and `kind`, `status`, the fields of `metadata` that only the server sets,
//! fields that are `null`, and the rules of an aggregated ClusterRole. Both objects must be read in the same version.

use gitops_engine_core::{Digest, Manifest, Map, Value};

use crate::desired::{is_controlled, is_server_metadata, is_type_meta, stored_form};
use crate::schema::{Items, ListType, Members, Shape};

/// The digest of those fields of `live` that `desired` declares.
///
/// It is derived from secret values where the object holds some: store it only as
/// [`keyed_applied_digest`].
pub fn applied_digest(desired: &Manifest, live: &Manifest) -> Digest {
    Digest::of(&projection(desired, live))
}

/// The same under a key, fit to be stored: without the key nobody can test guesses of a secret against it.
pub fn keyed_applied_digest(key: &Digest, desired: &Manifest, live: &Manifest) -> Digest {
    Digest::keyed(key, &projection(desired, live))
}

/// The declared fields of `live`, written so that different fields give different bytes.
fn projection(desired: &Manifest, live: &Manifest) -> Vec<u8> {
    let kind = &desired.id().kind;
    let shape = Shape::of(kind);
    let (desired, live) = (stored_form(kind, desired.body()), stored_form(kind, live.body()));
    let mut out = Vec::with_capacity(1024);
    for (key, value) in desired.as_object().into_iter().flatten() {
        let key = key.as_str();
        if is_type_meta(key) || key == "status" || is_controlled(kind, &desired, key) {
            continue;
        }
        let (shape, live) = (shape.field(key), live.get(key));
        match (key, value) {
            ("metadata", Value::Object(metadata)) => {
                for (key, value) in metadata.iter().filter(|(key, _)| !is_server_metadata(key.as_str())) {
                    let key = key.as_str();
                    project(value, live.and_then(|live| live.get(key)), shape.field(key), &mut out);
                }
            }
            _ => project(value, live, shape, &mut out),
        }
    }
    out
}

const MISSING: u8 = 0;
const EMPTY: u8 = 1;
const OTHER: u8 = 2;
const FIELDS: u8 = 3;
const ITEMS: u8 = 4;
const WHOLE: u8 = 5;
const MEMBERS: u8 = 6;
const BEHIND: u8 = 7;
const BEFORE: u8 = 8;

fn project(desired: &Value, live: Option<&Value>, shape: Shape, out: &mut Vec<u8>) {
    match desired {
        Value::Null => {}
        Value::Object(declared) if !shape.is_whole() => project_map(declared, live, shape, out),
        Value::Array(declared) => match (shape.list_type(), live) {
            (ListType::Map(keys), Some(Value::Array(items))) => {
                match (Items::new(declared, keys), Items::new(items, keys)) {
                    (Some(_), Some(items)) => project_items(declared, &items, shape.items(), out),
                    _ => whole(live, out),
                }
            }
            (ListType::Set, Some(Value::Array(items))) => {
                out.push(MEMBERS);
                let members = Members::new(items);
                out.extend(declared.iter().map(|member| u8::from(members.contains(member))));
            }
            _ => whole(live, out),
        },
        _ => whole(live, out),
    }
}

fn project_map(declared: &Map, live: Option<&Value>, shape: Shape, out: &mut Vec<u8>) {
    match live {
        Some(Value::Object(live)) => {
            // The server drops a map of labels that it finds empty: whether it is there says nothing.
            if declared.iter().all(|(_, value)| value.is_null()) && !shape.is_texts() {
                out.push(EMPTY);
            }
            out.push(FIELDS);
            for (key, value) in declared {
                project(value, live.get(key.as_str()), shape.field(key.as_str()), out);
            }
        }
        // So that `{}` and nothing are the same to a map whose fields are all missing, and differ for an empty one.
        None | Some(Value::Null) => {
            out.push(FIELDS);
            for (key, value) in declared {
                project(value, None, shape.field(key.as_str()), out);
            }
        }
        other => {
            out.push(OTHER);
            whole(other, out);
        }
    }
}

/// The declared items, and whether each stands behind the one before it: the order of init containers counts.
fn project_items(declared: &[Value], live: &Items<'_>, shape: Shape, out: &mut Vec<u8>) {
    out.push(ITEMS);
    let mut previous = None;
    for (at, item) in declared.iter().enumerate() {
        match live.find(item, at) {
            Some((position, live)) => {
                out.push(if previous.is_none_or(|previous| previous < position) { BEHIND } else { BEFORE });
                previous = Some(position);
                project(item, Some(live), shape, out);
            }
            None => out.push(MISSING),
        }
    }
}

fn whole(value: Option<&Value>, out: &mut Vec<u8>) {
    match value {
        None | Some(Value::Null) => out.push(MISSING),
        Some(value) => {
            out.push(WHOLE);
            write(value, out);
        }
    }
}

/// Every value, written so that no two have the same bytes and none is the beginning of another.
fn write(value: &Value, out: &mut Vec<u8>) {
    let length = |out: &mut Vec<u8>, tag: u8, length: usize| {
        out.push(tag);
        out.extend_from_slice(&(length as u64).to_le_bytes());
    };
    match value {
        Value::Null => out.push(b'0'),
        Value::Bool(value) => out.push(if *value { b't' } else { b'f' }),
        Value::Int(number) => {
            out.push(b'i');
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Float(number) => {
            out.push(b'd');
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::String(text) => {
            length(out, b's', text.len());
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            length(out, b'[', items.len());
            for item in items {
                write(item, out);
            }
        }
        Value::Object(map) => {
            length(out, b'{', map.len());
            for (key, value) in map {
                length(out, b'k', key.as_str().len());
                out.extend_from_slice(key.as_str().as_bytes());
                write(value, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
