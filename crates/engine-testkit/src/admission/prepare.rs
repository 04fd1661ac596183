//! What the server itself puts into an object after it knows who owns which field: addresses, selectors, finalizers,
//! first statuses. Nobody owns these fields.

use serde_json::{Map, Value, json};

use super::pod;
use crate::{
    aggregation,
    clock::Now,
    json::{self, default as fill, get, list_at, str_at},
    resources::Resource,
    state::State,
};

/// Completes an object; `before` is the stored one on an update, and `now` the time of the write.
pub(crate) fn prepare(state: &mut State, resource: &Resource, object: &mut Value, before: Option<&Value>, now: Now) {
    complete(state, resource, object, before, now);
    super::encode(resource, object);
}

fn complete(state: &mut State, resource: &Resource, object: &mut Value, before: Option<&Value>, now: Now) {
    if resource.is("", "namespaces") {
        let name = str_at(object, &["metadata", "name"]).to_owned();
        json::set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
    }
    if let Some(spec) = pod_spec(resource, object) {
        pod::drop_disabled(spec);
    }
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "services") => service(object, before),
        ("", "serviceaccounts") => {
            // Of a reference to a Secret only its name is kept.
            for secret in object.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten() {
                *secret = json!({"name": str_at(secret, &["name"])});
            }
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") if before.is_some() => {
            // A version in which objects may have been stored is remembered.
            let mut stored = list_at(object, &["status", "storedVersions"]).to_vec();
            let fresh = list_at(object, &["spec", "versions"]).iter().find(|v| v["storage"] == true);
            if let Some(name) = fresh.map(|v| v["name"].clone()).filter(|name| !stored.contains(name)) {
                stored.push(name);
            }
            json::set(object, &["status", "storedVersions"], stored);
        }
        ("", "pods") => match before {
            Some(before) => pod::prepare_status(before, object),
            None => pod::prepare_create(object),
        },
        ("", "persistentvolumes") => persistent_volume(object, before, now),
        ("apps", "daemonsets") => daemon_set(object, before),
        ("apps", "statefulsets") => stateful_set(object, before),
        _ if before.is_some() => {}
        ("batch", "jobs") => job(state, object),
        ("apiregistration.k8s.io", "apiservices") => {
            json::remove(object, &["status"]);
            let time = str_at(object, &["metadata", "creationTimestamp"]).to_owned();
            aggregation::be_available_if_local(object, &time);
        }
        ("", "namespaces") => {
            let mut finalizers = list_at(object, &["spec", "finalizers"]).to_vec();
            if !finalizers.iter().any(|f| f == "kubernetes") {
                finalizers.push("kubernetes".into());
            }
            json::set(object, &["spec", "finalizers"], finalizers);
            json::set(object, &["status"], json!({"phase": "Active"}));
        }
        ("", "persistentvolumeclaims") => {
            json::set(object, &["metadata", "finalizers"], with(object, "kubernetes.io/pvc-protection"));
            json::set(object, &["status"], json!({"phase": "Pending"}));
        }
        ("", "replicationcontrollers") | ("apps", "replicasets") => {
            json::set(object, &["status"], json!({"replicas": 0}))
        }
        ("autoscaling", "horizontalpodautoscalers") => json::set(object, &["status"], json!({"desiredReplicas": 0})),
        ("policy", "poddisruptionbudgets") => json::set(
            object,
            &["status"],
            json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}),
        ),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            let stored: Vec<Value> = list_at(object, &["spec", "versions"])
                .iter()
                .find(|v| v["storage"] == true)
                .map(|v| v["name"].clone())
                .into_iter()
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

/// The spec of a Pod, or of the Pods that the object makes.
fn pod_spec<'a>(resource: &Resource, object: &'a mut Value) -> Option<&'a mut Value> {
    let path = match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "pods") => "/spec",
        ("", "podtemplates") => "/template/spec",
        ("", "replicationcontrollers")
        | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => "/spec/template/spec",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    };
    object.pointer_mut(path)
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
    // What is there already is left, and refused when it is wrong.
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("job-name", &name),
    ] {
        fill(object, &["spec", "template", "metadata", "labels", key], value.as_str());
    }
    fill(object, &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"], uid.as_str());
}

/// Whether a new Job without labels will have those of its template, which from then on are one map: what the server
/// adds to the one is in the other.
pub(crate) fn takes_template_labels(resource: &Resource, object: &Value) -> bool {
    resource.is("batch", "jobs")
        && json::map_at(object, &["metadata", "labels"]).is_none_or(Map::is_empty)
        && get(object, &["spec", "template", "metadata", "labels"]).is_some()
}

fn daemon_set(object: &mut Value, before: Option<&Value>) {
    const AT: [&str; 3] = ["metadata", "annotations", super::TEMPLATE_GENERATION];
    let count = |object: &Value| str_at(object, &AT).parse::<i64>().unwrap_or(0);
    let count = match before {
        None => count(object).max(1),
        Some(before) => count(before) + i64::from(before["spec"]["template"] != object["spec"]["template"]),
    };
    json::set(object, &AT, count.to_string());
    if before.is_none() {
        let status = json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        });
        json::set(object, &["status"], status);
    }
}

/// How many Pods may be missing is behind a gate that is closed.
fn stateful_set(object: &mut Value, before: Option<&Value>) {
    const GATED: [&str; 4] = ["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"];
    if before.is_none_or(|before| get(before, &GATED).is_none()) {
        json::remove(object, &GATED);
    }
    if before.is_none() {
        json::set(object, &["status"], json!({"replicas": 0, "availableReplicas": 0}));
    }
}

/// Since when a volume is in its phase is the server's to say, unless the client says something new.
fn persistent_volume(volume: &mut Value, before: Option<&Value>, now: Now) {
    const SINCE: [&str; 2] = ["status", "lastPhaseTransitionTime"];
    let Some(before) = before else {
        json::set(volume, &["metadata", "finalizers"], with(volume, "kubernetes.io/pv-protection"));
        json::set(volume, &["status"], json!({"phase": "Pending", "lastPhaseTransitionTime": now.rfc3339()}));
        return;
    };
    let same = str_at(before, &["status", "phase"]) == str_at(volume, &["status", "phase"]);
    let unsaid = get(volume, &SINCE).is_none();
    if same && unsaid {
        json::copy(before, volume, &SINCE);
    } else if !same && (unsaid || get(volume, &SINCE) == get(before, &SINCE)) {
        json::set(volume, &SINCE, now.rfc3339());
    }
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
}
