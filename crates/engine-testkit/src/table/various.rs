//! The rows of everything else: configuration, storage, nodes, events, access, admission.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    columns::name,
    network::default_name,
    text::{age, boolean, condition, created, duration, given, number, or, selector, shown, text},
};
use crate::{
    admission::CLASS_OF_CLAIM,
    clock::Now,
    json::{get, i64_at, list_at, map_at, str_at},
};

fn length(v: &Value, key: &str) -> usize {
    map_at(v, &[key]).map_or(0, serde_json::Map::len)
}

pub(super) fn config_map(v: &Value, now: Now) -> Vec<Value> {
    vec![name(v), (length(v, "data") + length(v, "binaryData")).into(), age(created(v), now).into()]
}

pub(super) fn secret(v: &Value, now: Now) -> Vec<Value> {
    vec![name(v), text(v, &["type"]), length(v, "data").into(), age(created(v), now).into()]
}

pub(super) fn namespace(v: &Value, now: Now) -> Vec<Value> {
    vec![name(v), text(v, &["status", "phase"]), age(created(v), now).into()]
}

/// How long the list at a path is.
pub(super) fn count(v: &Value, path: &[&str], now: Now) -> Vec<Value> {
    vec![name(v), list_at(v, path).len().into(), age(created(v), now).into()]
}

/// The text at a path.
pub(super) fn text_at(v: &Value, path: &[&str], now: Now) -> Vec<Value> {
    vec![name(v), text(v, path), age(created(v), now).into()]
}

pub(super) fn node(v: &Value, now: Now) -> Vec<Value> {
    let ready = match condition(v, "Ready") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    };
    let off = if v["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
    let roles: BTreeSet<&str> = map_at(v, &["metadata", "labels"])
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            None if key == "kubernetes.io/role" => value.as_str(),
            role => role,
        })
        .filter(|role| !role.is_empty())
        .collect();
    let roles = roles.into_iter().collect::<Vec<_>>().join(",");
    let info = |key: &str| str_at(v, &["status", "nodeInfo", key]);
    let address = |kind: &str| {
        let found = list_at(v, &["status", "addresses"]).iter().find(|a| str_at(a, &["type"]) == kind);
        found.map_or("<none>", |a| str_at(a, &["address"])).into()
    };
    let kernel = or(info("kernelVersion"), "<unknown>");
    let kernel = match info("architecture") {
        "" => kernel,
        architecture => format!("{} ({architecture})", shown(&kernel)).into(),
    };
    vec![
        name(v),
        format!("{ready}{off}").into(),
        or(&roles, "<none>"),
        age(created(v), now).into(),
        info("kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        or(info("osImage"), "<unknown>"),
        kernel,
        or(info("containerRuntimeVersion"), "<unknown>"),
    ]
}

fn modes(v: &Value, path: &[&str]) -> Value {
    let has = |mode: &str| list_at(v, path).iter().any(|m| m == mode);
    let all =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    all.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect::<Vec<_>>().join(",").into()
}

fn storage(v: &Value, path: &[&str]) -> Value {
    or(str_at(v, path), "0")
}

fn phase(v: &Value) -> Value {
    let going = get(v, &["metadata", "deletionTimestamp"]).is_some();
    if going { "Terminating".into() } else { text(v, &["status", "phase"]) }
}

/// The class of a volume or a claim: an old annotation goes before the field.
fn class(v: &Value) -> Value {
    let annotation = str_at(v, &["metadata", "annotations", CLASS_OF_CLAIM]);
    or(annotation, str_at(v, &["spec", "storageClassName"]))
}

pub(super) fn volume(v: &Value, now: Now) -> Vec<Value> {
    let claim = get(v, &["spec", "claimRef"])
        .map(|c| format!("{}/{}", str_at(c, &["namespace"]), str_at(c, &["name"])))
        .unwrap_or_default();
    vec![
        name(v),
        storage(v, &["spec", "capacity", "storage"]),
        modes(v, &["spec", "accessModes"]),
        text(v, &["spec", "persistentVolumeReclaimPolicy"]),
        phase(v),
        claim.into(),
        class(v),
        given(v, &["spec", "volumeAttributesClassName"], "<unset>"),
        text(v, &["status", "reason"]),
        age(created(v), now).into(),
        given(v, &["spec", "volumeMode"], "<unset>"),
    ]
}

pub(super) fn claim(v: &Value, now: Now) -> Vec<Value> {
    let bound = !str_at(v, &["spec", "volumeName"]).is_empty();
    let (capacity, modes) = if bound {
        (storage(v, &["status", "capacity", "storage"]), modes(v, &["status", "accessModes"]))
    } else {
        ("".into(), "".into())
    };
    vec![
        name(v),
        phase(v),
        text(v, &["spec", "volumeName"]),
        capacity,
        modes,
        class(v),
        given(v, &["spec", "volumeAttributesClassName"], "<unset>"),
        age(created(v), now).into(),
        given(v, &["spec", "volumeMode"], "<unset>"),
    ]
}

pub(super) fn storage_class(v: &Value, now: Now) -> Vec<Value> {
    vec![
        default_name(v, "storageclass.kubernetes.io/is-default-class"),
        text(v, &["provisioner"]),
        given(v, &["reclaimPolicy"], "Delete"),
        given(v, &["volumeBindingMode"], "Immediate"),
        boolean(v, &["allowVolumeExpansion"], false),
        age(created(v), now).into(),
    ]
}

pub(super) fn volume_attachment(v: &Value, now: Now) -> Vec<Value> {
    vec![
        name(v),
        text(v, &["spec", "attacher"]),
        text(v, &["spec", "source", "persistentVolumeName"]),
        text(v, &["spec", "nodeName"]),
        boolean(v, &["status", "attached"], false),
        age(created(v), now).into(),
    ]
}

pub(super) fn csi_driver(v: &Value, now: Now) -> Vec<Value> {
    let modes: Vec<&str> = list_at(v, &["spec", "volumeLifecycleModes"]).iter().filter_map(Value::as_str).collect();
    let tokens = get(v, &["spec", "tokenRequests"]).and_then(Value::as_array).map_or_else(
        || "<unset>".to_owned(),
        |all| all.iter().map(|t| str_at(t, &["audience"])).collect::<Vec<_>>().join(","),
    );
    vec![
        name(v),
        boolean(v, &["spec", "attachRequired"], true),
        boolean(v, &["spec", "podInfoOnMount"], false),
        boolean(v, &["spec", "storageCapacity"], false),
        tokens.into(),
        boolean(v, &["spec", "requiresRepublish"], false),
        or(&modes.join(","), "<none>"),
        age(created(v), now).into(),
    ]
}

pub(super) fn event(v: &Value, now: Now) -> Vec<Value> {
    let either = |a: &[&str], b: &[&str]| match str_at(v, a) {
        "" => str_at(v, b).to_owned(),
        text => text.to_owned(),
    };
    // Events of the group `events.k8s.io` have other names for the same fields.
    let first = match either(&["firstTimestamp"], &["deprecatedFirstTimestamp"]).as_str() {
        "" => age(str_at(v, &["eventTime"]), now),
        at => age(at, now),
    };
    let (last, count) = if get(v, &["series"]).is_some() {
        (age(str_at(v, &["series", "lastObservedTime"]), now), i64_at(v, &["series", "count"]).unwrap_or_default())
    } else {
        let last = either(&["lastTimestamp"], &["deprecatedLastTimestamp"]);
        let count = i64_at(v, &["count"]).or_else(|| i64_at(v, &["deprecatedCount"])).filter(|n| *n != 0);
        (if last.is_empty() { first.clone() } else { age(&last, now) }, count.unwrap_or(1))
    };
    let about = get(v, &["involvedObject"]).or_else(|| get(v, &["regarding"])).unwrap_or(&Value::Null);
    let kind = str_at(about, &["kind"]).to_lowercase();
    let target = match str_at(about, &["name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = match either(&["source", "component"], &["deprecatedSource", "component"]).as_str() {
        "" => either(&["reportingComponent"], &["reportingController"]),
        component => component.to_owned(),
    };
    let source = match either(&["source", "host"], &["reportingInstance"]).as_str() {
        "" => component,
        host => format!("{component}, {host}"),
    };
    vec![
        last.into(),
        text(v, &["type"]),
        text(v, &["reason"]),
        target.into(),
        text(about, &["fieldPath"]),
        source.into(),
        either(&["message"], &["note"]).trim().into(),
        first.into(),
        count.into(),
        name(v),
    ]
}

pub(super) fn quota(v: &Value, now: Now) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, hard) in map_at(v, &["status", "hard"]).into_iter().flatten() {
        let used = or(str_at(v, &["status", "used", resource]), "0");
        let into = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
        into.push(format!("{resource}: {}/{}", shown(&used), shown(hard)));
    }
    vec![name(v), requests.join(", ").into(), limits.join(", ").into(), age(created(v), now).into()]
}

pub(super) fn api_service(v: &Value, now: Now) -> Vec<Value> {
    let service = get(v, &["spec", "service"])
        .map_or_else(|| "Local".to_owned(), |s| format!("{}/{}", str_at(s, &["namespace"]), str_at(s, &["name"])));
    let found = list_at(v, &["status", "conditions"]).iter().find(|c| str_at(c, &["type"]) == "Available");
    let available = match found.map(|c| (str_at(c, &["status"]), str_at(c, &["reason"]))) {
        None => "Unknown".to_owned(),
        Some(("True", _)) => "True".to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
    };
    vec![name(v), service.into(), available.into(), age(created(v), now).into()]
}

pub(super) fn role_binding(v: &Value, now: Now) -> Vec<Value> {
    let role = format!("{}/{}", str_at(v, &["roleRef", "kind"]), str_at(v, &["roleRef", "name"]));
    let subjects = |kind: &str| -> Value {
        let of_kind = list_at(v, &["subjects"]).iter().filter(|s| str_at(s, &["kind"]) == kind);
        let names: Vec<String> = of_kind
            .map(|s| match str_at(s, &["namespace"]) {
                namespace if kind == "ServiceAccount" => {
                    format!("{namespace}/{}", str_at(s, &["name"]))
                }
                _ => str_at(s, &["name"]).to_owned(),
            })
            .collect();
        names.join(", ").into()
    };
    let age = age(created(v), now).into();
    vec![name(v), role.into(), age, subjects("User"), subjects("Group"), subjects("ServiceAccount")]
}

pub(super) fn signing_request(v: &Value, now: Now) -> Vec<Value> {
    let has = |kind: &str| condition(v, kind).is_some();
    let mut status = match () {
        () if has("Denied") => "Denied",
        () if has("Approved") => "Approved",
        () => "Pending",
    }
    .to_owned();
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !str_at(v, &["status", "certificate"]).is_empty() {
        status.push_str(",Issued");
    }
    let asked = i64_at(v, &["spec", "expirationSeconds"]).map_or_else(|| "<none>".to_owned(), duration);
    vec![
        name(v),
        age(created(v), now).into(),
        or(str_at(v, &["spec", "signerName"]), "<none>"),
        text(v, &["spec", "username"]),
        asked.into(),
        status.into(),
    ]
}

pub(super) fn policy(v: &Value, rules: &str, now: Now) -> Vec<Value> {
    let kind = get(v, &["spec", "paramKind"])
        .map_or_else(|| "<unset>".to_owned(), |k| format!("{}/{}", str_at(k, &["apiVersion"]), str_at(k, &["kind"])));
    vec![name(v), list_at(v, &["spec", rules]).len().into(), kind.into(), age(created(v), now).into()]
}

pub(super) fn policy_binding(v: &Value, now: Now) -> Vec<Value> {
    let parameter = get(v, &["spec", "paramRef"]).map_or_else(
        || "<unset>".to_owned(),
        |p| match (str_at(p, &["namespace"]), str_at(p, &["name"])) {
            (_, "") => get(p, &["selector"]).map_or_else(|| "<unset>".to_owned(), selector),
            ("", name) => format!("*/{name}"),
            (namespace, name) => format!("{namespace}/{name}"),
        },
    );
    vec![name(v), text(v, &["spec", "policyName"]), parameter.into(), age(created(v), now).into()]
}

pub(super) fn priority_class(v: &Value, now: Now) -> Vec<Value> {
    vec![
        name(v),
        number(v, &["value"]),
        boolean(v, &["globalDefault"], false),
        age(created(v), now).into(),
        text(v, &["preemptionPolicy"]),
    ]
}

pub(super) fn flow_schema(v: &Value, now: Now) -> Vec<Value> {
    let dangling = list_at(v, &["status", "conditions"]).iter().find(|c| str_at(c, &["type"]) == "Dangling");
    vec![
        name(v),
        text(v, &["spec", "priorityLevelConfiguration", "name"]),
        number(v, &["spec", "matchingPrecedence"]),
        given(v, &["spec", "distinguisherMethod", "type"], "<none>"),
        age(created(v), now).into(),
        dangling.map_or("?", |c| str_at(c, &["status"])).into(),
    ]
}

pub(super) fn priority_level(v: &Value, now: Now) -> Vec<Value> {
    let limited = get(v, &["spec", "limited"]);
    let queuing = limited.and_then(|l| get(l, &["limitResponse", "queuing"]));
    let at = |v: Option<&Value>, key: &str| v.map_or_else(|| "<none>".into(), |v| number(v, &[key]));
    vec![
        name(v),
        text(v, &["spec", "type"]),
        at(limited, "nominalConcurrencyShares"),
        at(queuing, "queues"),
        at(queuing, "handSize"),
        at(queuing, "queueLengthLimit"),
        age(created(v), now).into(),
    ]
}
