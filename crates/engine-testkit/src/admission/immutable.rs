//! Fields that cannot change once they are set.

use serde_json::Value;

use crate::{json::get, status::Cause, write::Target};

const IMMUTABLE: &str = "field is immutable";

/// Compares what must not change.
pub(crate) fn check(target: &Target<'_>, before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let mut fixed = |path: &[&str]| {
        let (old, new) = (get(before, path), get(after, path));
        if old != new {
            causes.push(Cause::invalid(path.join("."), new.unwrap_or(&Value::Null), IMMUTABLE));
        }
    };
    match (&*target.resource.gr.group, &*target.resource.gr.resource) {
        // Nothing of an Event in the newer shape changes but its series. Errors have the names of the older one.
        ("events.k8s.io", "events") => {
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
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            fixed(&["spec", "group"]);
            fixed(&["spec", "scope"]);
            fixed(&["spec", "names", "plural"]);
            fixed(&["spec", "names", "kind"]);
        }
        _ => {}
    }
}
