//! Bindings: how a scheduler gives a Pod to a node.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{done, set_condition};
use crate::{
    admission,
    clock::Now,
    json::{get, list_at, map_at, set, str_at},
    resources::{GroupResource, Resource},
    state::State,
    status::{About, ApiError},
    store::Stored,
    write::{Answer, Options, Target, create, update},
};

/// A `Binding` that was posted: to a Pod of which it is a subresource, or alone.
pub(crate) fn bind(
    state: &mut State,
    target: Target<'_>,
    pods: &Arc<Resource>,
    mut binding: Value,
    options: &Options,
) -> Result<Answer, ApiError> {
    let is_subresource = !target.subresource.is_empty();
    let name = str_at(&binding, &["metadata", "name"]).to_owned();
    let seen = Target { name: if is_subresource { target.name } else { &name }, ..target };
    create::in_live_namespace(state, &seen)?;
    if is_subresource && matches!(str_at(&binding, &["target", "kind"]), "Node") {
        let node = str_at(&binding, &["target", "name"]).to_owned();
        add_topology(state, &node, &mut binding);
    }
    options.mutate(&seen, None, &mut binding)?;
    let name = str_at(&binding, &["metadata", "name"]).to_owned();
    if is_subresource && name != target.name {
        return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
    }
    check_target(&binding)?;
    options.admit(state, &seen, None, Some(&binding))?;
    check_name(&name)?;
    let of_pod = Target { resource: pods, name: &name, ..target };
    let about = About { group: "", resource: "pods", name: &name };
    let before =
        state.store.get(&pods.gr, target.namespace, &name).cloned().ok_or_else(|| ApiError::not_found(about))?;
    check_preconditions(&of_pod, is_subresource, &before, &binding, options)?;
    if let Some(why) = refusal(&before) {
        let about = About { group: "", resource: "pods/binding", name: &name };
        return Err(ApiError::conflict(about, why));
    }
    if !options.dry_run {
        assign(state, pods, &before, &binding, &options.now);
    }
    Ok(done())
}

/// Gives a Pod to the node that a binding names. It is one write, and no manager owns any of it.
pub(crate) fn assign(state: &mut State, pods: &Resource, before: &Stored, binding: &Value, now: &Now) {
    let mut pod = before.whole().into_owned();
    set(&mut pod, &["spec", "nodeName"], str_at(binding, &["target", "name"]));
    crate::json::remove(&mut pod, &["status", "nominatedNodeName"]);
    for field in ["annotations", "labels"] {
        for (key, value) in map_at(binding, &["metadata", field]).into_iter().flatten() {
            set(&mut pod, &["metadata", field, key], value.clone());
        }
    }
    set_condition(&mut pod, json!({"type": "PodScheduled", "status": "True"}), now);
    admission::encode(pods, &mut pod);
    // On its node a Pod begins to live.
    if state.settings.controllers {
        state.queue.arrived(before.uid(), now.elapsed);
    }
    state.store.put(&pods.gr, pod);
}

/// Adds to a binding what the Pod is to say about where its node is.
pub(crate) fn add_topology(state: &State, node: &str, binding: &mut Value) {
    let Some(node) = state.store.get(&GroupResource::new("", "nodes"), "", node) else { return };
    for key in admission::TOPOLOGY {
        if let Some(value) = get(&node.value, &["metadata", "labels", key]) {
            set(binding, &["metadata", "labels", key], value.clone());
        }
    }
}

/// What is wrong with the target of a binding is not told as what is wrong with an object is.
fn check_target(binding: &Value) -> Result<(), ApiError> {
    let mut problems = Vec::new();
    let kind = str_at(binding, &["target", "kind"]);
    if !matches!(kind, "" | "Node") {
        problems.push(format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""));
    }
    if str_at(binding, &["target", "name"]).is_empty() {
        problems.push("target.name: Required value".to_owned());
    }
    let message = match problems.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    Err(ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", message))
}

/// A binding alone may be called anything that a body can say.
fn check_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Err(ApiError::bad_request("Name parameter required."));
    }
    let wrong = admission::names::complaints(name, admission::names::Rule::PathSegment);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("Name parameter invalid: {name:?}: {}", wrong.join(";"))))
}

/// Whether the Pod is the one that the binding means. A binding alone has no uid, as whatever is created.
fn check_preconditions(
    target: &Target<'_>,
    has_uid: bool,
    before: &Stored,
    binding: &Value,
    options: &Options,
) -> Result<(), ApiError> {
    let version = str_at(&before.value, &["metadata", "resourceVersion"]);
    for (what, field, have) in [("UID", "uid", before.uid()), ("ResourceVersion", "resourceVersion", version)] {
        let wanted = str_at(binding, &["metadata", field]);
        if (has_uid || field != "uid") && !wanted.is_empty() && wanted != have {
            return Err(update::precondition_failed(target, what, wanted, have, options));
        }
    }
    Ok(())
}

/// Why a Pod goes to no other node.
fn refusal(pod: &Stored) -> Option<String> {
    let name = pod.name();
    let node = str_at(&pod.value, &["spec", "nodeName"]);
    if pod.is_terminating() {
        Some(format!("pod {name} is being deleted, cannot be assigned to a host"))
    } else if !node.is_empty() {
        Some(format!("pod {name} is already assigned to node {node:?}"))
    } else if !list_at(&pod.value, &["spec", "schedulingGates"]).is_empty() {
        Some(format!("pod {name} has non-empty .spec.schedulingGates"))
    } else {
        None
    }
}
