//! What the server's Go types make of values of built-in kinds: what they leave out, choose and fill in.
//!
//! [Defaults](https://kubernetes.io/docs/reference/using-api/server-side-apply/#defaulting) of fields that the desired
//! object leaves out need no table: what only the live object has is kept. These are for values that are compared whole.

use gitops_engine_core::Value;

/// A request for an address or a port that the server chooses: what it chose is no drift.
pub(crate) fn is_allocated(key: &str, desired: &Value) -> bool {
    match desired {
        Value::String(text) => text.is_empty() && key == "clusterIP",
        Value::Int(0) => matches!(key, "nodePort" | "healthCheckNodePort"),
        _ => false,
    }
}

/// Maps from texts to something, which Go drops when they are empty. An empty struct behind a pointer (`emptyDir: {}`,
/// `podSelector: {}`) stays and means something.
pub(crate) fn is_dropped_map(key: &str) -> bool {
    matches!(
        key,
        "allocatable"
            | "annotations"
            | "binaryData"
            | "capacity"
            | "data"
            | "default"
            | "defaultRequest"
            | "hard"
            | "labels"
            | "limits"
            | "matchLabels"
            | "max"
            | "min"
            | "nodeSelector"
            | "overhead"
            | "parameters"
            | "podFixed"
            | "requests"
            | "stringData"
            | "volumeAttributes"
    )
}

/// Flags that Go drops when they are false. Behind a pointer (`automountServiceAccountToken: false`) a flag stays.
pub(crate) fn is_dropped_flag(key: &str) -> bool {
    matches!(
        key,
        "exclusiveMaximum"
            | "exclusiveMinimum"
            | "globalDefault"
            | "hostIPC"
            | "hostNetwork"
            | "hostPID"
            | "insecureSkipTLSVerify"
            | "nullable"
            | "paused"
            | "preserveUnknownFields"
            | "publishNotReadyAddresses"
            | "readOnly"
            | "stdin"
            | "stdinOnce"
            | "tty"
            | "uniqueItems"
            | "unschedulable"
            | "x-kubernetes-embedded-resource"
            | "x-kubernetes-int-or-string"
    )
}

/// Numbers that Go drops when they are 0. Behind a pointer (`ttlSecondsAfterFinished: 0`) a number stays.
pub(crate) fn is_dropped_number(key: &str) -> bool {
    matches!(key, "hostPort" | "initialDelaySeconds" | "minReadySeconds" | "nodePort" | "priority")
}

/// What the server fills into values that are taken whole: an environment variable's source, a claim template, the
/// subjects of a role binding. Its Go types also write some empty fields.
pub(crate) fn is_default(key: &str, value: &Value) -> bool {
    match (key, value) {
        (_, Value::Null | Value::Bool(false) | Value::Int(0)) => true,
        (_, Value::String(text)) if text.is_empty() => true,
        (_, Value::Array(items)) if items.is_empty() => true,
        // An empty selector selects everything: it is no default.
        (_, Value::Object(map)) if map.is_empty() => !key.ends_with("Selector") && key != "selector",
        ("apiGroup", Value::String(text)) => &**text == "rbac.authorization.k8s.io",
        ("apiVersion", Value::String(text)) => &**text == "v1",
        ("divisor", Value::String(text)) => &**text == "0",
        ("expirationSeconds", Value::Int(seconds)) => *seconds == 3600,
        ("kind", Value::String(text)) => &**text == "PersistentVolumeClaim",
        ("protocol", Value::String(text)) => &**text == "TCP",
        ("scope", Value::String(text)) => &**text == "*",
        ("status", Value::String(text)) => &**text == "True",
        ("status", Value::Object(_)) => value.text(["phase"]) == Some("Pending"),
        ("volumeMode", Value::String(text)) => &**text == "Filesystem",
        _ => false,
    }
}
