//! Defaults must be values that their own schemas accept.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting>

use serde_json::Value;

use crate::{
    crd::extension::EMBEDS,
    crd::{is_true, prune, rules, validate as objects},
    status::Cause,
};

pub(super) fn validate(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    part(schema, at, true, false, causes);
}

/// `whole` is a schema of whole objects, `in_meta` one of a part of their metadata or type.
fn part(schema: &Value, at: &str, whole: bool, in_meta: bool, causes: &mut Vec<Cause>) {
    let whole = whole || is_true(schema, EMBEDS);
    let in_meta = in_meta && !whole;
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        one(default, schema, &format!("{at}.default"), whole, in_meta, causes);
    }
    if let Some(items) = schema.get("items") {
        part(items, &format!("{at}.items"), false, in_meta, causes);
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let meta = whole && matches!(name.as_str(), "metadata" | "apiVersion" | "kind");
        part(property, &format!("{at}.properties[{name}]"), false, in_meta || meta, causes);
    }
}

fn one(default: &Value, schema: &Value, at: &str, whole: bool, in_meta: bool, causes: &mut Vec<Cause>) {
    if !in_meta {
        let mut pruned = default.clone();
        prune(&mut pruned, schema, whole, "", &mut Vec::new());
        if pruned != *default {
            causes.push(Cause::invalid(at, default, "must not have unknown fields"));
        }
    }
    let mut wrong = Vec::new();
    objects::embedded_at(default, schema, at, whole, &mut wrong);
    if wrong.is_empty() {
        objects::value_at(default, schema, at, &mut wrong);
    }
    if wrong.is_empty() {
        rules::judge_default(default, schema, whole, at, &mut wrong);
    }
    causes.append(&mut wrong);
}
