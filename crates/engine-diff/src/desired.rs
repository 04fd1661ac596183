//! What a desired object really declares: the fields of the server left out, Secrets in the form that they are stored in.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gitops_engine_core::{GroupKind, Key, Map, Value};

/// What kubectl keeps the last applied manifest in.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A top-level field that identifies the object and its form, and declares nothing.
pub(crate) fn is_type_meta(key: &str) -> bool {
    matches!(key, "apiVersion" | "kind")
}

/// A field of `metadata` that the server alone sets, or that identifies the object. Manifests that were exported from a
/// cluster hold them all.
pub(crate) fn is_server_metadata(key: &str) -> bool {
    matches!(
        key,
        "creationTimestamp"
            | "deletionGracePeriodSeconds"
            | "deletionTimestamp"
            | "generateName"
            | "generation"
            | "managedFields"
            | "name"
            | "namespace"
            | "resourceVersion"
            | "selfLink"
            | "uid"
    )
}

/// Whether a top-level field of the object is filled in by a controller although the object declares it: the rules of
/// an [aggregated ClusterRole](https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles).
pub(crate) fn is_controlled(kind: &GroupKind, body: &Value, key: &str) -> bool {
    key == "rules"
        && kind.is("rbac.authorization.k8s.io", "ClusterRole")
        && matches!(body.get("aggregationRule"), Some(Value::Object(_)))
}

pub(crate) fn is_secret(kind: &GroupKind) -> bool {
    kind.is("", "Secret")
}

/// The body in the form that the server stores: `stringData` of a Secret is
/// [merged into `data`](https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data).
pub(crate) fn stored_form<'a>(kind: &GroupKind, body: &'a Value) -> Cow<'a, Value> {
    let Some(Value::Object(texts)) = body.get("stringData").filter(|_| is_secret(kind)) else {
        return Cow::Borrowed(body);
    };
    let mut data = match body.get("data") {
        Some(Value::Object(data)) => data.clone().into_entries(),
        _ => Vec::new(),
    };
    data.extend(texts.iter().map(|(key, value)| {
        let value = match value {
            Value::String(text) => BASE64_STANDARD.encode(text.as_bytes()).into(),
            other => other.clone(),
        };
        (key.clone(), value)
    }));
    let Value::Object(map) = body else { return Cow::Borrowed(body) };
    let mut entries: Vec<(Key, Value)> =
        map.iter().filter(|(key, _)| !matches!(key.as_str(), "data" | "stringData")).cloned().collect();
    entries.push((Key::new("data"), Map::from_entries(data).into()));
    Cow::Owned(Map::from_entries(entries).into())
}
