//! Amounts of resources that are filled in, or rounded.

use serde_json::{Map, Value, json};

use crate::{
    admission::{
        amounts::{of_containers, of_kind},
        quantity,
        rules::is_pages,
    },
    json::{get, map_at},
};

/// Amounts are counted in thousandths, of which parts count as whole ones.
pub(super) fn round_up(amounts: Option<&mut Value>) {
    for amount in amounts.and_then(Value::as_object_mut).into_iter().flatten().map(|(_, amount)| amount) {
        if let Some(whole) = amount.as_str().and_then(quantity::in_thousandths) {
            *amount = whole.into();
        }
    }
}

/// Completes what is asked for a Pod as a whole from what its containers ask for.
pub(super) fn of_pod(spec: &mut Value) {
    if get(spec, &["resources"]).is_none() {
        return;
    }
    let supported = |name: &str| matches!(name, "cpu" | "memory") || is_pages(name);
    let list = |spec: &Value, kind: &str| map_at(spec, &["resources", kind]).cloned().unwrap_or_default();
    let (mut limits, mut requests) = (list(spec, "limits"), list(spec, "requests"));
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    for (name, sum) in of_containers(spec, of_kind("limits")) {
        if is_pages(&name) && !requests.contains_key(&name) {
            limits.entry(name).or_insert_with(|| sum.text.into());
        }
    }
    if !limits.is_empty() {
        for (name, sum) in of_containers(spec, of_kind("requests")) {
            if supported(&name) && !is_pages(&name) {
                requests.entry(name).or_insert_with(|| sum.text.into());
            }
        }
        for (name, limit) in &limits {
            if supported(name) {
                requests.entry(name.clone()).or_insert_with(|| limit.clone());
            }
        }
    }
    let mut set = |kind: &str, amounts: Map<String, Value>| {
        if !amounts.is_empty() {
            spec["resources"][kind] = json!(amounts);
        }
    };
    set("limits", limits);
    set("requests", requests);
}
