//! ReplicationControllers, whose selector is a plain map.

use super::{At, Change, runs_for_ever, template};
use crate::status::Cause;

pub(super) fn replication_controller(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec: At<'_> = change.root().field("spec");
    spec.field("minReadySeconds").not_negative(causes);
    let selector = spec.field("selector");
    if selector.len() == 0 {
        selector.required("", causes);
    }
    spec.field("replicas").not_negative(causes);
    let made = spec.field("template");
    if !made.is_set() {
        made.required("", causes);
        return;
    }
    let labels = made.field("metadata").field("labels");
    if selector.entries().any(|(key, wanted)| labels.field(key).value != wanted.value) {
        labels.invalid("`selector` does not match template `labels`", causes);
    }
    template(&made, causes);
    runs_for_ever(&spec, "ReplicationController", causes);
}
