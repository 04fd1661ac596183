//! How lists and maps are merged: `x-kubernetes-list-type`, its keys, and `x-kubernetes-map-type`.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>

use serde_json::Value;

use super::is_zero;
use crate::{
    crd::extension::{KEYS, LIST, MAP},
    crd::is_true,
    json::{get, list_at, str_at},
    status::Cause,
};

pub(super) fn maps(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    let Some(kind) = schema.get(MAP).filter(|kind| !kind.is_null()) else { return };
    of_type(schema, "object", MAP, at, causes);
    if *kind != "atomic" && *kind != "granular" {
        causes.push(Cause::unsupported(format!("{at}.{MAP}"), kind, &["atomic", "granular"]));
    }
}

/// What is merged in some way must be of the type that can be.
fn of_type(schema: &Value, kind: &str, by: &str, at: &str, causes: &mut Vec<Cause>) -> bool {
    let (have, at) = (str_at(schema, &["type"]), format!("{at}.type"));
    let detail = format!("must be {kind} if {by} is specified");
    match have {
        "" => causes.push(Cause::required(at, &detail)),
        have if have != kind => causes.push(Cause::invalid(at, &have.into(), detail)),
        _ => return true,
    }
    false
}

pub(super) fn lists(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    let kind = schema.get(LIST).filter(|kind| !kind.is_null());
    let items = schema.get("items").filter(|items| items.is_object());
    let keys = list_at(schema, &[KEYS]);
    if let Some(kind) = kind {
        if of_type(schema, "array", LIST, at, causes)
            && *kind == "set"
            && let Some(items) = items
        {
            atomic(items, at, causes);
        }
        if !["atomic", "set", "map"].iter().any(|known| *kind == **known) {
            causes.push(Cause::unsupported(format!("{at}.{LIST}"), kind, &["atomic", "set", "map"]));
        }
    }
    if !keys.is_empty() {
        let detail = format!("must be map if {KEYS} is non-empty");
        match kind {
            None => causes.push(Cause::required(format!("{at}.{LIST}"), &detail)),
            Some(kind) if *kind != "map" => causes.push(Cause::invalid(format!("{at}.{LIST}"), kind, detail)),
            Some(_) => {}
        }
    }
    if kind.is_some_and(|kind| *kind == "map") {
        map_list(schema, keys, at, causes);
    }
    if let (Some(kind), Some(items)) = (kind.and_then(Value::as_str), items) {
        never_null(kind, items, keys, at, causes);
    }
}

/// Items of a set are taken whole.
fn atomic(items: &Value, at: &str, causes: &mut Vec<Cause>) {
    let detail = format!("must be atomic as item of a list with {LIST}=set");
    let list = items.get(LIST).filter(|kind| !kind.is_null());
    match str_at(items, &["type"]) {
        "array" if list.is_some_and(|kind| *kind != "atomic") => {
            causes.push(Cause::invalid(format!("{at}.items.{LIST}"), list.unwrap_or(&Value::Null), detail));
        }
        // The server shows how the item is merged as a list, which it is not.
        "object" if str_at(items, &[MAP]) != "atomic" => {
            causes.push(Cause::invalid(format!("{at}.items.{MAP}"), list.unwrap_or(&Value::Null), detail));
        }
        _ => {}
    }
}

fn map_list(schema: &Value, keys: &[Value], at: &str, causes: &mut Vec<Cause>) {
    if keys.is_empty() {
        causes.push(Cause::required(format!("{at}.{KEYS}"), &format!("must not be empty if {LIST} is map")));
    }
    let items = match schema.get("items").filter(|items| !items.is_null()) {
        None => {
            causes.push(Cause::required(format!("{at}.items"), &format!("must have a schema if {LIST} is map")));
            return;
        }
        Some(items @ Value::Array(_)) => {
            let detail = format!("must only have a single schema if {LIST} is map");
            causes.push(Cause::invalid(format!("{at}.items"), items, detail));
            return;
        }
        Some(items) => items,
    };
    let kind = str_at(items, &["type"]);
    if kind != "object" {
        let detail = format!("must be object if parent array's {LIST} is map");
        causes.push(Cause::invalid(format!("{at}.items.type"), &kind.into(), detail));
        return;
    }
    for (i, key) in keys.iter().enumerate() {
        let name = key.as_str().unwrap_or_default();
        let mut wrong = |detail: &str| causes.push(Cause::invalid(format!("{at}.{KEYS}"), &keys.into(), detail));
        let property = get(items, &["properties", name]);
        if property.is_none() {
            wrong("entries must all be names of item properties");
        }
        if keys[..i].contains(key) {
            wrong("must not contain duplicate entries");
        }
        if property.is_some_and(|p| matches!(str_at(p, &["type"]), "array" | "object")) {
            let at = format!("{at}.items.properties[{name}].type");
            let detail = format!("must be a scalar type if parent array's {LIST} is map");
            causes.push(Cause::invalid(at, &kind.into(), detail));
        }
    }
}

/// What items are told apart by is always there.
fn never_null(kind: &str, items: &Value, keys: &[Value], at: &str, causes: &mut Vec<Cause>) {
    if !matches!(kind, "set" | "map") {
        return;
    }
    if is_true(items, "nullable") {
        let detail = format!("cannot be nullable when {LIST} is {kind}");
        causes.push(Cause::forbidden(format!("{at}.items.nullable"), &detail));
    }
    if kind == "set" {
        return;
    }
    for key in keys.iter().filter_map(Value::as_str) {
        let Some(property) = get(items, &["properties", key]) else { continue };
        let at = format!("{at}.items.properties[{key}]");
        let required = list_at(items, &["required"]).iter().any(|r| r == key);
        if !required && property.get("default").is_none_or(Value::is_null) {
            let detail = format!("this property is in {KEYS}, so it must have a default or be a required property");
            causes.push(Cause::required(format!("{at}.default"), &detail));
        }
        if property.get("nullable").is_some_and(|nullable| !is_zero(nullable)) {
            let detail = format!("this property is in {KEYS}, so it cannot be nullable");
            causes.push(Cause::forbidden(format!("{at}.nullable"), &detail));
        }
    }
}
