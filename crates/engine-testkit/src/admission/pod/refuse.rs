//! What the admission of a server has against a change of a Pod that is valid: its ServiceAccount is asked about ephemeral
//! containers, and its node about other resources.

use http::StatusCode;
use serde_json::{Value, json};

use super::admit;
use crate::{
    admission::{
        amounts::{of_containers, of_kind},
        quantity,
    },
    json::{get, i64_at, list_at, str_at},
    resources::GroupResource,
    state::State,
    status::ApiError,
    write::Target,
};

pub(in crate::admission) fn refuse_change(
    state: &State,
    target: &Target<'_>,
    before: &Value,
    after: &Value,
) -> Result<(), ApiError> {
    match target.subresource {
        "ephemeralcontainers" => account(state, target, &after["spec"]),
        "resize" => node(state, target, before, after),
        _ => Ok(()),
    }
}

fn account(state: &State, target: &Target<'_>, spec: &Value) -> Result<(), ApiError> {
    let forbidden = |why: String| ApiError::forbidden(target.about(), why);
    let name = str_at(spec, &["serviceAccountName"]);
    if name.is_empty() {
        let (namespace, pod) = (target.namespace, target.name);
        return Err(forbidden(format!("no service account specified for pod {namespace}/{pod}")));
    }
    let account = match state.store.get(&GroupResource::new("", "serviceaccounts"), target.namespace, name) {
        Some(account) => account.value.clone(),
        None if name == "default" && state.settings.controllers => return Ok(()),
        None => return Err(forbidden(admit::no_account(target.namespace, name))),
    };
    if !admit::limits_secrets(&account) {
        return Ok(());
    }
    let lists = |secret: &str| list_at(&account, &["secrets"]).iter().any(|s| str_at(s, &["name"]) == secret);
    for container in list_at(spec, &["ephemeralContainers"]) {
        let of = str_at(container, &["name"]);
        let refuse = |what: String, secret: &str| {
            let message = format!(
                "ephemeral container {of} with {what} referencing secret.secretName=\"{secret}\" is not allowed because \
                 service account {name} does not reference that secret"
            );
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", message))
        };
        for variable in list_at(container, &["env"]) {
            let secret = str_at(variable, &["valueFrom", "secretKeyRef", "name"]);
            if get(variable, &["valueFrom", "secretKeyRef"]).is_some() && !lists(secret) {
                return refuse(format!("envVar {}", str_at(variable, &["name"])), secret);
            }
        }
        for from in list_at(container, &["envFrom"]) {
            let secret = str_at(from, &["secretRef", "name"]);
            if get(from, &["secretRef"]).is_some() && !lists(secret) {
                return refuse("envFrom".to_owned(), secret);
            }
        }
    }
    Ok(())
}

/// Whether the node can do it, and has room for it.
fn node(state: &State, target: &Target<'_>, before: &Value, after: &Value) -> Result<(), ApiError> {
    let name = str_at(after, &["spec", "nodeName"]);
    let generation = |pod: &Value| i64_at(pod, &["metadata", "generation"]);
    if name.is_empty() || generation(before) == generation(after) {
        return Ok(());
    }
    let forbidden = |why: String| ApiError::forbidden(target.about(), why);
    let Some(node) = state.store.get(&GroupResource::new("", "nodes"), "", name) else {
        return Err(forbidden(format!("node {name:?} not found")));
    };
    let declared = list_at(&node.value, &["status", "declaredFeatures"]);
    let missing: Vec<&str> = needed(before, after).into_iter().filter(|f| !declared.iter().any(|d| d == f)).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(forbidden(format!(
            "pod update requires features {missing} which are not available on node {name:?}"
        )));
    }
    let because = |why: String, reason: &str| {
        let mut e = forbidden(why);
        if let Some(details) = &mut e.details {
            details["causes"] = json!([{"reason": reason}]);
        }
        Err(e)
    };
    let system = get(&node.value, &["metadata", "labels", "kubernetes.io/os"]).and_then(Value::as_str);
    if let Some(system) = system.filter(|system| *system != "linux") {
        let why = format!("pod resize is only supported on linux nodes, node {name:?} is {system:?}");
        return because(why, "UnsupportedPlatform");
    }
    let short: Vec<String> = [("cpu", quantity::ONE / 1000), ("memory", quantity::ONE)]
        .iter()
        .filter_map(|(what, unit)| {
            let room = get(&node.value, &["status", "allocatable", what]).and_then(Value::as_str);
            let (asked, room) = (requested(&after["spec"], what), room.and_then(quantity::value).unwrap_or(0));
            let shown = |n: i128| n.div_euclid(*unit) + i128::from(n.rem_euclid(*unit) > 0);
            (asked > room).then(|| format!("{what}, requested: {}, allocatable: {}", shown(asked), shown(room)))
        })
        .collect();
    if short.is_empty() {
        return Ok(());
    }
    because(format!("node didn't have enough allocatable resources: {}", short.join("; ")), "NodeCapacity")
}

/// The features that a node must have for a change of resources.
fn needed(before: &Value, after: &Value) -> Vec<&'static str> {
    let mut out = Vec::new();
    if before["spec"].get("resources") != after["spec"].get("resources") {
        out.push("InPlacePodLevelResourcesVerticalScaling");
    }
    let new = list_at(after, &["spec", "initContainers"]);
    let other = list_at(before, &["spec", "initContainers"])
        .iter()
        .zip(new)
        .any(|(old, new)| str_at(old, &["restartPolicy"]) != "Always" && old.get("resources") != new.get("resources"));
    if other {
        out.push("InPlacePodVerticalScalingInitContainers");
    }
    out
}

/// What a Pod asks for, in billionths.
fn requested(spec: &Value, what: &str) -> i128 {
    let amount = |path: &[&str]| get(spec, path).and_then(Value::as_str).and_then(quantity::value);
    let of_containers = || of_containers(spec, of_kind("requests")).get(what).map_or(0, |sum| sum.nanos);
    let own = amount(&["resources", "requests", what]).unwrap_or_else(of_containers);
    own + amount(&["overhead", what]).unwrap_or(0)
}
