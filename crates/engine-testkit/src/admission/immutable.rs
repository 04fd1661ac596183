//! Fields that cannot change once they are set.

use serde_json::Value;

use crate::{json::get, status::Cause, write::Target};

const IMMUTABLE: &str = "field is immutable";

/// Compares what must not change.
pub(crate) fn check(target: &Target<'_>, before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    // Nothing of an Event in the newer shape changes but its series. Errors have the names of the older one.
    if !target.resource.is("events.k8s.io", "events") {
        return;
    }
    for (field, name) in [
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        let (old, new) = (get(before, &[field]), get(after, &[field]));
        if old != new {
            causes.push(Cause::invalid(name, new.unwrap_or(&Value::Null), IMMUTABLE));
        }
    }
}
