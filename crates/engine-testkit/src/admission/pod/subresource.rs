//! What a change of a Pod by one of its subresources reaches; everything else that was sent is dropped.

use serde_json::Value;

use crate::json::{self, list_at, str_at};

/// Metadata that these subresources leave alone.
const KEPT: [&str; 6] =
    ["deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "finalizers", "ownerReferences"];

/// What of the next state of a Pod its subresource may write, over the Pod that is there.
pub(in crate::admission) fn reach(subresource: &str, before: &Value, after: &mut Value) {
    let mut spec = before["spec"].clone();
    match subresource {
        "ephemeralcontainers" => json::copy(&after["spec"], &mut spec, &["ephemeralContainers"]),
        "resize" => {
            let count = |pod: &Value, list: &str| list_at(pod, &["spec", list]).len();
            // Validation is to see what is wrong.
            if ["containers", "initContainers"].iter().any(|list| count(before, list) != count(after, list)) {
                return;
            }
            for list in ["containers", "initContainers"] {
                resize(list_at(before, &["spec", list]), &after["spec"], list, &mut spec);
            }
            json::copy(&after["spec"], &mut spec, &["resources"]);
        }
        _ => return,
    }
    after["spec"] = spec;
    json::copy(before, after, &["status"]);
    for field in KEPT {
        json::copy(before, after, &["metadata", field]);
    }
}

/// The containers with their new resources. Where one has another name, they stay as they were sent.
fn resize(before: &[Value], sent: &Value, list: &str, spec: &mut Value) {
    let sent = list_at(sent, &[list]);
    if sent.is_empty() {
        return;
    }
    if before.iter().zip(sent).any(|(old, new)| str_at(old, &["name"]) != str_at(new, &["name"])) {
        spec[list] = sent.into();
        return;
    }
    for (container, new) in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().zip(sent) {
        for field in ["resources", "resizePolicy"] {
            json::copy(new, container, &[field]);
        }
    }
}
