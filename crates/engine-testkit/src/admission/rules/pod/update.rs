//! What of a Pod may change: <https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement>

use serde_json::Value;

use super::{At, scheduling};
use crate::{
    json::{self, get, i64_at, list_at},
    status::Cause,
};

const REST: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(super) fn validate(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let root = At::root(after);
    let spec = root.field("spec");
    for list in ["containers", "initContainers"] {
        let at = spec.field(list);
        if at.len() != list_at(before, &["spec", list]).len() {
            return at.forbidden("pod updates may not add or remove containers", causes);
        }
        for container in at.items() {
            container.field("image").must_be_there(causes);
            super::container::only_of_pods(&container, causes);
        }
    }
    let deadline = spec.field("activeDeadlineSeconds");
    let old_deadline = i64_at(before, &["spec", "activeDeadlineSeconds"]);
    if deadline.is_set() {
        if !(0..=i64::from(i32::MAX)).contains(&deadline.int()) {
            return deadline.invalid("must be between 0 and 2147483647, inclusive", causes);
        }
        if old_deadline.is_some_and(|old| old < deadline.int()) {
            return deadline.invalid("must be less than or equal to previous value", causes);
        }
    } else if old_deadline.is_some() {
        deadline.invalid("must not update from a positive integer to nil value", causes);
    }
    tolerations(before, &spec.field("tolerations"), causes);
    gates(before, &spec.field("schedulingGates"), causes);
    if before["spec"] != after["spec"] {
        rest(before, after, causes);
    }
}

/// Tolerations are added; of those that are there only the time changes.
fn tolerations(before: &Value, at: &At<'_>, causes: &mut Vec<Cause>) {
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        json::remove(&mut toleration, &["tolerationSeconds"]);
        toleration
    };
    let new: Vec<Value> = at.items().map(|toleration| timeless(toleration.value)).collect();
    if !list_at(before, &["spec", "tolerations"]).iter().all(|old| new.contains(&timeless(old))) {
        return at.forbidden("existing toleration can not be modified except its tolerationSeconds", causes);
    }
    scheduling::tolerations(at, causes);
}

fn gates(before: &Value, at: &At<'_>, causes: &mut Vec<Cause>) {
    let old = list_at(before, &["spec", "schedulingGates"]);
    for gate in at.items() {
        let name = gate.field("name");
        if !old.iter().any(|old| old["name"] == *name.value) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", name.text());
            name.forbidden(&detail, causes);
        }
    }
}

/// Everything else stays, but for a gated Pod's choice of nodes, which may become narrower.
fn rest(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let old = &before["spec"];
    let mut new = after["spec"].clone();
    for list in ["containers", "initContainers"] {
        let images: Vec<Value> = list_at(old, &[list]).iter().map(|c| c["image"].clone()).collect();
        for (container, image) in new.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().zip(images) {
            container["image"] = image;
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        json::copy(old, &mut new, &[field]);
    }
    let grace = ["terminationGracePeriodSeconds"];
    if i64_at(old, &grace).is_some_and(|seconds| seconds < 0) && i64_at(&new, &grace) == Some(1) {
        json::copy(old, &mut new, &grace);
    }
    if !list_at(old, &["schedulingGates"]).is_empty() {
        if new.get("nodeSelector") != old.get("nodeSelector") {
            narrower_selector(old, &new, causes);
            json::copy(old, &mut new, &["nodeSelector"]);
        }
        let node = ["affinity", "nodeAffinity"];
        if get(&new, &node) != get(old, &node) {
            narrower_affinity(old, &new, causes);
            json::copy(old, &mut new, &node);
            if get(old, &["affinity"]).is_none() && new["affinity"].as_object().is_some_and(serde_json::Map::is_empty) {
                json::remove(&mut new, &["affinity"]);
            }
        }
    }
    if new != *old {
        causes.push(Cause::forbidden("spec", REST));
    }
}

fn narrower_selector(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let labels = json::map_at(old, &["nodeSelector"]).into_iter().flatten();
    if labels.into_iter().any(|(key, value)| new["nodeSelector"].get(key) != Some(value)) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        causes.push(Cause::invalid("spec.nodeSelector", &new["nodeSelector"], detail));
    }
}

fn narrower_affinity(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let path = ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let at = format!("spec.{}", path.join("."));
    let (old_terms, new_terms) = (list_at(old, &path), list_at(new, &path));
    if old_terms.is_empty() {
        return;
    }
    if old_terms.len() != new_terms.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        causes.push(Cause::invalid(at, json::get(new, &path).unwrap_or(&Value::Null), detail));
        return;
    }
    for (i, (old, new)) in old_terms.iter().zip(new_terms).enumerate() {
        let parts = ["matchExpressions", "matchFields"];
        let extends = |part: &&str| list_at(new, &[part]).starts_with(list_at(old, &[part]));
        // A term without parts matches nothing, and stays that.
        let was_empty = parts.iter().all(|part| list_at(old, &[part]).is_empty());
        let is_empty = parts.iter().all(|part| list_at(new, &[part]).is_empty());
        if !parts.iter().all(extends) || (was_empty && !is_empty) {
            causes.push(Cause::invalid(
                format!("{at}[{i}]"),
                new,
                "only additions are allowed (no mutations or deletions)",
            ));
        }
    }
}
