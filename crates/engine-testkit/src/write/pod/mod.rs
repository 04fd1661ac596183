//! What is done to Pods by way of objects of other kinds, which are not kept: evictions and bindings.

mod binding;
mod eviction;

use serde_json::{Value, json};

pub(crate) use self::{
    binding::{add_topology, assign, bind},
    eviction::evict,
};
use super::{Answer, Outcome};
use crate::{
    clock::Now,
    json::{self, list_at, str_at},
};

/// The answer to what was done, of which nothing is left to show.
fn done() -> Answer {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Answer { created: true, ..Answer::of(Outcome::Value(status)) }
}

/// Sets a condition as the server itself does: the one that is there is replaced, and only the time of its last change is
/// kept, as long as its status is.
fn set_condition(pod: &mut Value, mut condition: Value, now: &Now) {
    let mut conditions = list_at(pod, &["status", "conditions"]).to_vec();
    condition["lastTransitionTime"] = now.rfc3339().into();
    match conditions.iter_mut().find(|old| str_at(old, &["type"]) == str_at(&condition, &["type"])) {
        Some(old) => {
            if old["status"] == condition["status"] {
                json::copy(old, &mut condition, &["lastTransitionTime"]);
            }
            *old = condition;
        }
        None => conditions.push(condition),
    }
    json::set(pod, &["status", "conditions"], conditions);
}
