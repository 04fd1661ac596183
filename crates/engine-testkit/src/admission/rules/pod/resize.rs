//! Resources of the containers of a Pod that runs:
//! <https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/>

use serde_json::{Map, Value};

use super::{WHOLE, annotations, resources};
use crate::{
    admission::pod::quality,
    json::{self, get, list_at, map_at, str_at},
    status::Cause,
};

const LISTS: [&str; 2] = ["containers", "initContainers"];
const MUTABLE: [&str; 2] = ["cpu", "memory"];

pub(super) fn change(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let only = |detail: &str| vec![Cause::forbidden(WHOLE, detail)];
    if get(before, &["metadata", "annotations", annotations::MIRROR]).is_some() {
        *causes = only("static pods cannot be resized");
        return;
    }
    if str_at(before, &["spec", "os", "name"]) == "windows" {
        *causes = only("windows pods cannot be resized");
        return;
    }
    let class = match str_at(before, &["status", "qosClass"]) {
        "" => quality::of(before),
        known => known,
    };
    if class != quality::of(after) {
        let shown = get(after, &["status", "qosClass"]).cloned().unwrap_or_else(|| "".into());
        causes.push(Cause::invalid("spec", &shown, "Pod QOS Class may not change as a result of resizing"));
    }
    if !node_resizes(before) {
        causes.push(Cause::forbidden("spec", "Pod running on node without support for resize"));
    }
    of_pod(before, after, causes);
    if !list_at(before, &["status", "nodeAllocatableResourceClaimStatuses"]).is_empty() {
        causes.push(Cause::forbidden("spec", "pods with node allocatable resource claims cannot be resized"));
    }
    if !same_containers(before, after, causes) {
        return;
    }
    for list in ["initContainers", "containers"] {
        for (i, old, new) in pairs(before, after, list) {
            removed(&old["resources"], &new["resources"], &format!("spec.{list}[{i}].resources"), "resource", causes);
        }
    }
    for (_, old, new) in pairs(before, after, "containers") {
        if rest(new, old) != comparable(old) {
            causes.push(Cause::forbidden("spec", "only cpu and memory resources are mutable"));
        }
    }
    for (i, old, new) in pairs(before, after, "initContainers") {
        init(&format!("spec.initContainers[{i}]"), old, new, causes);
    }
    // What neither asks for anything may still be there in one of them.
    if causes.is_empty() && before["spec"].get("resources").is_some() != after["spec"].get("resources").is_some() {
        let asks = |pod: &Value| is_set(&pod["spec"]["resources"]);
        if !asks(before) && !asks(after) {
            causes.push(Cause::forbidden("spec", "only cpu and memory resources are mutable"));
        }
    }
}

/// The containers of both states, by their places.
fn pairs<'a>(before: &'a Value, after: &'a Value, list: &str) -> Vec<(usize, &'a Value, &'a Value)> {
    let new = list_at(after, &["spec", list]);
    list_at(before, &["spec", list]).iter().zip(new).enumerate().map(|(i, (old, new))| (i, old, new)).collect()
}

/// A node that reports what its containers have can change that. Before there is one that runs, nobody knows.
fn node_resizes(pod: &Value) -> bool {
    let runs = list_at(pod, &["status", "containerStatuses"]).iter().find(|c| get(c, &["state", "running"]).is_some());
    runs.is_none_or(|container| get(container, &["resources"]).is_some())
}

/// Whether there is an amount.
fn is_set(resources: &Value) -> bool {
    ["requests", "limits"].iter().any(|kind| map_at(resources, &[kind]).is_some_and(|map| !map.is_empty()))
}

/// What the Pod asks for as a whole.
fn of_pod(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let (old, new) = (&before["spec"]["resources"], &after["spec"]["resources"]);
    if !is_set(old) && !is_set(new) {
        return;
    }
    if !old.is_null() && new.is_null() {
        causes.push(Cause::forbidden("spec.resources", "pod-level resources cannot be removed"));
        return;
    }
    removed(old, new, "spec.resources", "pod-level resource", causes);
    if rest_of_resources(new, old, true) != amounts(old) {
        causes.push(Cause::forbidden("spec", "only cpu and memory resources are mutable at pod-level"));
    }
}

fn removed(old: &Value, new: &Value, place: &str, what: &str, causes: &mut Vec<Cause>) {
    for kind in ["requests", "limits"] {
        let mut names = map_at(old, &[kind]).into_iter().flatten().map(|(name, _)| name);
        if names.any(|name| get(new, &[kind, name]).is_none()) {
            causes.push(Cause::forbidden(format!("{place}.{kind}"), &format!("{what} {kind} cannot be removed")));
        }
    }
}

fn same_containers(before: &Value, after: &Value, causes: &mut Vec<Cause>) -> bool {
    let known = causes.len();
    for list in LISTS {
        if list_at(before, &["spec", list]).len() != list_at(after, &["spec", list]).len() {
            let detail = format!("{list} may not be added or removed on resize");
            causes.push(Cause::forbidden(format!("spec.{list}"), &detail));
            continue;
        }
        for (i, old, new) in pairs(before, after, list) {
            if str_at(old, &["name"]) != str_at(new, &["name"]) {
                let detail = format!("{list} may not be renamed or reordered on resize");
                causes.push(Cause::forbidden(format!("spec.{list}[{i}].name"), &detail));
            }
        }
    }
    causes.len() == known
}

fn init(place: &str, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if rest(new, old) != comparable(old) {
        let detail = "only cpu and memory resources for init or sidecar containers are mutable";
        causes.push(Cause::forbidden(place, detail));
    }
    if comparable(new) == comparable(old) || str_at(new, &["restartPolicy"]) == "Always" {
        return;
    }
    for policy in list_at(new, &["resizePolicy"]) {
        if str_at(policy, &["restartPolicy"]) == "RestartContainer" {
            let detail = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            causes.push(Cause::forbidden(place, detail));
        }
    }
}

/// A container with its amounts as numbers, which can be written in many ways.
fn comparable(container: &Value) -> Value {
    let mut out = container.clone();
    out["resources"] = amounts(&container["resources"]);
    out
}

/// The same with the old amounts of what may change. What is claimed of devices is lost on the way, so that a container with
/// claims is never the same.
fn rest(new: &Value, old: &Value) -> Value {
    let mut out = new.clone();
    out["resources"] = rest_of_resources(&new["resources"], &old["resources"], false);
    out
}

fn rest_of_resources(new: &Value, old: &Value, with_claims: bool) -> Value {
    let (mut out, old) = (amounts(new), amounts(old));
    for (kind, name) in ["requests", "limits"].iter().flat_map(|kind| MUTABLE.map(|name| (*kind, name))) {
        json::copy(&old, &mut out, &[kind, name]);
        if map_at(&out, &[kind]).is_some_and(Map::is_empty) {
            json::remove(&mut out, &[kind]);
        }
    }
    if !with_claims {
        json::remove(&mut out, &["claims"]);
    }
    // Where there was nothing, nothing of what may change is nothing.
    if out.as_object().is_none_or(Map::is_empty) { Value::Null } else { out }
}

fn amounts(of: &Value) -> Value {
    let mut out = of.clone();
    for kind in ["requests", "limits"] {
        let map = map_at(of, &[kind]).cloned().unwrap_or_default();
        if map.is_empty() {
            json::remove(&mut out, &[kind]);
            continue;
        }
        let counted = |value: &Value| resources::billionths(value).map_or(value.clone(), Value::from);
        out[kind] = map.iter().map(|(name, value)| (name.clone(), counted(value))).collect::<Map<_, _>>().into();
    }
    if list_at(&out, &["claims"]).is_empty() {
        json::remove(&mut out, &["claims"]);
    }
    if out.as_object().is_none_or(Map::is_empty) { Value::Null } else { out }
}
