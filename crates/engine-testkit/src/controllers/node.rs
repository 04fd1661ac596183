//! Nodes: a kubelet that is ready, room for Pods, and the taint that a new node loses with that.

use serde_json::{Value, json};

use super::{
    Decision, View,
    conditions::{has_condition, set_condition},
};
use crate::{
    json::{self, get, list_at, str_at},
    store::{ObjectKey, Stored},
};

/// What a kubelet can do that not every kubelet can.
const FEATURES: [&str; 3] = [
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
    "RestartAllContainersOnContainerExits",
];
const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, node: &Stored) -> Decision {
    let mut decision = Decision::default();
    if node.is_terminating() {
        return decision;
    }
    let mut after = node.value.clone();
    json::default(
        &mut after,
        &["status", "capacity"],
        json!({"cpu": "32", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"}),
    );
    let capacity = after["status"]["capacity"].clone();
    json::default(&mut after, &["status", "allocatable"], capacity);
    json::default(&mut after, &["status", "declaredFeatures"], json!(FEATURES));
    if get(&after, &["status", "addresses"]).is_none() {
        let addresses = json!([{"type": "InternalIP", "address": address(view, node)}, {"type": "Hostname", "address": node.name()}]);
        json::set(&mut after, &["status", "addresses"], addresses);
    }
    // What a test has set otherwise stays: a node that is down.
    if !has_condition(&node.value, "Ready", "False") && !has_condition(&node.value, "Ready", "Unknown") {
        for (kind, status, reason, message) in [
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("NetworkUnavailable", "False", "RouteCreated", "RouteController created a route"),
        ] {
            set_condition(&mut after, kind, status, reason, message, view.now);
        }
        json::set(&mut after, &["status", "phase"], "Running");
    }
    decision.status(key, node, after.clone());
    if !decision.writes.is_empty() {
        return decision;
    }
    let ready = has_condition(&after, "Ready", "True");
    let taints = list_at(&after, &["spec", "taints"]).to_vec();
    let mut left: Vec<Value> = taints.iter().filter(|t| str_at(t, &["key"]) != NOT_READY).cloned().collect();
    if !ready {
        left.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
    }
    if left.is_empty() {
        json::remove(&mut after, &["spec", "taints"]);
    } else if left != taints {
        json::set(&mut after, &["spec", "taints"], left);
    }
    json::default(&mut after, &["metadata", "annotations", "node.alpha.kubernetes.io/ttl"], "0");
    decision.update(key, node, after);
    decision
}

/// An address of its own: the first node has 10.0.0.10.
fn address(view: &View<'_>, node: &Stored) -> String {
    let nodes = view.nodes();
    let taken = |address: &str| {
        nodes
            .iter()
            .any(|n| list_at(&n.value, &["status", "addresses"]).iter().any(|a| str_at(a, &["address"]) == address))
    };
    (10..=u16::MAX)
        .map(|n| format!("10.0.{}.{}", n >> 8, n & 0xff))
        .find(|a| !taken(a))
        .unwrap_or_else(|| node.name().to_owned())
}
