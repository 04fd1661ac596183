//! What the server itself puts into an object after it knows who owns which field: addresses, selectors, finalizers,
//! first statuses. Nobody owns these fields.

use serde_json::{Map, Value, json};

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
        ("", "pods") if before.is_some() => json::set(object, &["status", "qosClass"], qos(object)),
        _ if before.is_some() => {}
        ("batch", "jobs") => job(state, object),
        ("apiregistration.k8s.io", "apiservices") => {
            json::remove(object, &["status"]);
            let time = str_at(object, &["metadata", "creationTimestamp"]).to_owned();
            aggregation::be_available_if_local(object, &time);
        }
        ("", "pods") => {
            let namespace = str_at(object, &["metadata", "namespace"]).to_owned();
            if let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) {
                admit_pod(spec);
                if !state.settings.controllers {
                    mount_token(state, &namespace, spec);
                }
            }
            json::set(object, &["status"], json!({"phase": "Pending", "qosClass": qos(object)}));
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

fn admit_pod(spec: &mut Value) {
    fill(spec, &["serviceAccountName"], "default");
    fill(spec, &["serviceAccount"], "default");
    fill(spec, &["preemptionPolicy"], "PreemptLowerPriority");
    fill(spec, &["priority"], 0);
    let mut tolerations = list_at(spec, &["tolerations"]).to_vec();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = |t: &Value| {
            let (k, effect) = (str_at(t, &["key"]), str_at(t, &["effect"]));
            (k == key || k.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !tolerations.iter().any(tolerated) {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    json::set(spec, &["tolerations"], tolerations);
}

/// Gives every container the token of the Pod's ServiceAccount:
/// <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting>
fn mount_token(state: &mut State, namespace: &str, spec: &mut Value) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let gr = crate::resources::GroupResource::new("", "serviceaccounts");
    let account = state.store.get(&gr, namespace, str_at(spec, &["serviceAccountName"])).cloned();
    let wants = |v: &Value| v.get("automountServiceAccountToken").and_then(Value::as_bool);
    let mounts = wants(spec).or_else(|| account.as_ref().and_then(|a| wants(&a.value))).unwrap_or(true);
    if let Some(account) = &account
        && list_at(spec, &["imagePullSecrets"]).is_empty()
        && !list_at(&account.value, &["imagePullSecrets"]).is_empty()
    {
        spec["imagePullSecrets"] = account.value["imagePullSecrets"].clone();
    }
    if !mounts {
        return;
    }
    let name = format!("kube-api-access-{}", state.seed.name_suffix());
    let mut used = false;
    for key in ["initContainers", "containers"] {
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            let mut all = list_at(container, &["volumeMounts"]).to_vec();
            if !all.iter().any(|m| str_at(m, &["mountPath"]) == PATH) {
                all.push(json!({"name": name, "readOnly": true, "mountPath": PATH}));
                container["volumeMounts"] = Value::Array(all);
                used = true;
            }
        }
    }
    if used {
        let mut volumes = list_at(spec, &["volumes"]).to_vec();
        volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}}));
        spec["volumes"] = Value::Array(volumes);
    }
}

fn qos(object: &Value) -> &'static str {
    let containers = list_at(object, &["spec", "containers"]);
    let has = |c: &Value, kind: &str| json::map_at(c, &["resources", kind]).is_some_and(|m| !m.is_empty());
    if containers.iter().all(|c| !has(c, "requests") && !has(c, "limits")) {
        return "BestEffort";
    }
    let guaranteed = containers.iter().all(|c| {
        ["cpu", "memory"].iter().all(|r| {
            let limit = get(c, &["resources", "limits", r]);
            limit.is_some() && limit == get(c, &["resources", "requests", r])
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
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
