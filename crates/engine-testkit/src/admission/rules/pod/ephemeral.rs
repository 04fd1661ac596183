//! Ephemeral containers are added to a Pod, and stay.
//! <https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/>

use serde_json::Value;

use super::{WHOLE, annotations};
use crate::{
    json::{get, list_at, str_at},
    status::Cause,
};

pub(super) fn change(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    annotations::validate_update(before, after, causes);
    if get(before, &["metadata", "annotations", annotations::MIRROR]).is_some() {
        // Nothing else is said then.
        *causes = vec![Cause::forbidden(WHOLE, "static pods do not support ephemeral containers")];
        return;
    }
    const LIST: [&str; 2] = ["spec", "ephemeralContainers"];
    let place = LIST.join(".");
    let new = list_at(after, &LIST);
    for old in list_at(before, &LIST) {
        let name = str_at(old, &["name"]);
        // Of two with one name the last counts.
        match new.iter().rfind(|container| str_at(container, &["name"]) == name) {
            Some(same) if same == old => {}
            found => {
                let what = if found.is_some() { "changed" } else { "removed" };
                let detail = format!("existing ephemeral containers {name:?} may not be {what}\n");
                causes.push(Cause::forbidden(place.as_str(), &detail));
            }
        }
    }
}
