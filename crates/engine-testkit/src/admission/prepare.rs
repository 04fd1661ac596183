//! What the server itself puts into an object after it knows who owns which field: addresses, selectors, finalizers,
//! first statuses. Nobody owns these fields.

use serde_json::{Map, Value, json};

use super::pod;
use crate::{
    aggregation,
    json::{self, default as fill, get, list_at, str_at},
    resources::Resource,
    state::State,
};

/// Completes an object; `before` is the stored one on an update.
pub(crate) fn prepare(state: &mut State, resource: &Resource, object: &mut Value, before: Option<&Value>) {
    complete(state, resource, object, before);
    super::encode(resource, object);
}

fn complete(state: &mut State, resource: &Resource, object: &mut Value, before: Option<&Value>) {
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "services") => service(object, before),
        ("apiextensions.k8s.io", "customresourcedefinitions") if before.is_some() => {
            // A version in which objects may have been stored is remembered.
            let mut stored = list_at(object, &["status", "storedVersions"]).to_vec();
            let fresh = list_at(object, &["spec", "versions"]).iter().filter(|v| v["storage"] == true);
            for name in fresh.map(|v| v["name"].clone()).collect::<Vec<_>>() {
                if !stored.contains(&name) {
                    stored.push(name);
                }
            }
            json::set(object, &["status", "storedVersions"], stored);
        }
        ("", "pods") => match before {
            Some(before) => pod::prepare_status(before, object),
            None => pod::prepare_create(object),
        },
        _ if before.is_some() => {}
        ("batch", "jobs") => job(state, object),
        ("apiregistration.k8s.io", "apiservices") => {
            json::remove(object, &["status"]);
            let time = str_at(object, &["metadata", "creationTimestamp"]).to_owned();
            aggregation::be_available_if_local(object, &time);
        }
        ("", "namespaces") => {
            json::set(object, &["spec", "finalizers"], json!(["kubernetes"]));
            json::set(object, &["status"], json!({"phase": "Active"}));
        }
        ("", "persistentvolumeclaims") => {
            fill(object, &["spec", "storageClassName"], "standard");
            json::set(object, &["metadata", "finalizers"], with(object, "kubernetes.io/pvc-protection"));
            json::set(object, &["status"], json!({"phase": "Pending"}));
        }
        ("", "persistentvolumes") => {
            json::set(object, &["metadata", "finalizers"], with(object, "kubernetes.io/pv-protection"));
            json::set(object, &["status"], json!({"phase": "Pending"}));
        }
        ("apps", "statefulsets") => json::set(object, &["status"], json!({"replicas": 0, "availableReplicas": 0})),
        ("apps", "replicasets") => json::set(object, &["status"], json!({"replicas": 0})),
        ("apps", "daemonsets") => json::set(
            object,
            &["status"],
            json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}),
        ),
        ("autoscaling", "horizontalpodautoscalers") => json::set(object, &["status"], json!({"desiredReplicas": 0})),
        ("policy", "poddisruptionbudgets") => json::set(
            object,
            &["status"],
            json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}),
        ),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            let stored: Vec<Value> = list_at(object, &["spec", "versions"])
                .iter()
                .filter(|v| v["storage"] == true)
                .map(|v| v["name"].clone())
                .collect();
            json::set(
                object,
                &["status"],
                json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}),
            );
        }
        _ => {}
    }
}

fn job(state: &mut State, object: &mut Value) {
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let uid = match str_at(object, &["metadata", "uid"]) {
        "" => state.seed.uid(),
        uid => uid.to_owned(),
    };
    let name = str_at(object, &["metadata", "name"]).to_owned();
    // Labels that were taken from the template are the template's: what is added there is added to both.
    let shared = get(object, &["metadata", "labels"]) == get(object, &["spec", "template", "metadata", "labels"]);
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("job-name", &name),
    ] {
        json::set(object, &["spec", "template", "metadata", "labels", key], value.as_str());
        if shared {
            json::set(object, &["metadata", "labels", key], value.as_str());
        }
    }
    json::set(object, &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"], uid.as_str());
}

fn with(object: &Value, finalizer: &str) -> Value {
    let mut list = list_at(object, &["metadata", "finalizers"]).to_vec();
    if !list.iter().any(|f| f == finalizer) {
        list.push(finalizer.into());
    }
    Value::Array(list)
}

fn service(object: &mut Value, before: Option<&Value>) {
    if before.is_none() {
        fill(object, &["status", "loadBalancer"], Value::Object(Map::new()));
    }
    // Some have it by an old mistake, and nobody is shown it.
    if str_at(object, &["spec", "type"]) == "ExternalName" {
        json::remove(object, &["spec", "internalTrafficPolicy"]);
    }
}
