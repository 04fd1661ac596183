//! Conditions, readiness and counts: what several controllers share.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    clock::{Now, seconds_since},
    json::{self, i64_at, list_at, str_at},
};

pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(object, &["status", "conditions"]).iter().find(|c| str_at(c, &["type"]) == kind)
}

pub(super) fn has_condition(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|c| str_at(c, &["status"]) == status)
}

/// Sets a condition; its transition time moves only with its status.
pub(super) fn set_condition(object: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: Now) {
    let time = now.rfc3339();
    let mut list = list_at(object, &["status", "conditions"]).to_vec();
    let old = list.iter().position(|c| str_at(c, &["type"]) == kind);
    let transition = match old.map(|i| &list[i]) {
        Some(c) if str_at(c, &["status"]) == status => str_at(c, &["lastTransitionTime"]).to_owned(),
        _ => time,
    };
    let mut fresh = json!({"type": kind, "status": status, "lastTransitionTime": transition});
    if !reason.is_empty() {
        fresh["reason"] = reason.into();
    }
    if !message.is_empty() {
        fresh["message"] = message.into();
    }
    if let Some(i) = old {
        for keep in ["lastUpdateTime", "observedGeneration", "lastProbeTime"] {
            if let Some(v) = list[i].get(keep) {
                fresh[keep] = v.clone();
            }
        }
        list[i] = fresh;
    } else {
        list.push(fresh);
    }
    json::set(object, &["status", "conditions"], list);
}

pub(super) fn remove_condition(object: &mut Value, kind: &str) {
    let mut list = list_at(object, &["status", "conditions"]).to_vec();
    list.retain(|c| str_at(c, &["type"]) != kind);
    if list.is_empty() {
        json::remove(object, &["status", "conditions"]);
    } else {
        json::set(object, &["status", "conditions"], list);
    }
}

pub(super) fn is_ready(pod: &Value) -> bool {
    has_condition(pod, "Ready", "True")
}

/// Whether a Pod is there to work: not at its end, and not going.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_finished(pod) && json::get(pod, &["metadata", "deletionTimestamp"]).is_none()
}

pub(super) fn is_finished(pod: &Value) -> bool {
    matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

/// Ready for at least so many seconds: `Ok`, or how long until then, when it is ready at all.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#min-ready-seconds>
pub(super) fn available(pod: &Value, min_ready: i64, now: Now) -> Result<(), Option<Duration>> {
    if !is_ready(pod) {
        return Err(None);
    }
    if min_ready <= 0 {
        return Ok(());
    }
    let since = condition(pod, "Ready").map_or("", |c| str_at(c, &["lastTransitionTime"]));
    let left = min_ready - seconds_since(since, now);
    if left <= 0 { Ok(()) } else { Err(Some(Duration::from_secs(left.unsigned_abs()))) }
}

/// A replica count or a share of one (`25%`).
pub(super) fn share(value: Option<&Value>, of: i64, round_up: bool) -> i64 {
    match value {
        Some(Value::Number(n)) => n.as_i64().unwrap_or(0),
        Some(Value::String(s)) => {
            let percent: i64 = s.trim_end_matches('%').parse().unwrap_or(0);
            let scaled = percent.saturating_mul(of);
            if round_up { scaled.saturating_add(99) / 100 } else { scaled / 100 }
        }
        _ => 0,
    }
}

/// Numbers of a status that real controllers leave out when they are 0.
pub(super) fn put_counts(status: &mut Value, counts: &[(&str, i64)]) {
    for (field, n) in counts {
        if *n != 0 {
            status[*field] = (*n).into();
        } else if let Some(map) = status.as_object_mut() {
            map.remove(*field);
        }
    }
}

pub(super) fn generation(object: &Value) -> i64 {
    i64_at(object, &["metadata", "generation"]).unwrap_or(0)
}
