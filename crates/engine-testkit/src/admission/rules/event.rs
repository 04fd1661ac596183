//! Events in the newer shape.

use serde_json::Value;

use crate::{
    json::{get, str_at},
    status::Cause,
};

/// An Event that is made in the newer shape; errors have the names of the older one.
pub(in crate::admission) fn made_newer(object: &Value, causes: &mut Vec<Cause>) {
    let text = |key: &str| str_at(object, &[key]);
    let about = str_at(object, &["regarding", "namespace"]);
    let namespace = str_at(object, &["metadata", "namespace"]);
    let timed = get(object, &["eventTime"]).is_some();
    let elsewhere = match (about, timed) {
        ("", false) => namespace != "default",
        ("", true) => !matches!(namespace, "default" | "kube-system"),
        (about, false) => about != namespace,
        (_, true) => false,
    };
    if elsewhere {
        causes.push(Cause::invalid("involvedObject.namespace", &about.into(), "does not match event.namespace"));
    }
    if timed {
        for key in ["reportingController", "reportingInstance", "action", "reason"] {
            if text(key).is_empty() {
                causes.push(Cause::required(key, ""));
            }
        }
    } else {
        causes.push(Cause::required("eventTime", ""));
    }
    if !matches!(text("type"), "Normal" | "Warning") {
        causes.push(Cause::invalid("type", &"".into(), format!("has invalid value: {}", text("type"))));
    }
    for (field, name) in [
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
    ] {
        if get(object, &[field]).is_some_and(|v| *v != 0) {
            causes.push(Cause::invalid(name, &"".into(), "needs to be unset"));
        }
    }
    if get(object, &["deprecatedSource"]).and_then(Value::as_object).is_some_and(|s| !s.is_empty()) {
        causes.push(Cause::invalid("source", &"".into(), "needs to be unset"));
    }
}
