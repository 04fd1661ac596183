//! What the admission of a server makes of a Pod before anybody else sees it: its ServiceAccount, its priority, and the
//! troubles of nodes that every Pod bears for a while.

use serde_json::{Value, json};

use crate::{
    admission::{limits, names},
    json::{self, default as fill, get, i64_at, list_at, map_at, str_at},
    resources::GroupResource,
    state::State,
    status::{About, ApiError},
    write::{Options, Target},
};

/// Where containers find the token of their ServiceAccount.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The labels of a node that its Pods have, too.
pub(crate) const TOPOLOGY: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Completes a Pod, or refuses it.
pub(in crate::admission) fn admit(
    state: &mut State,
    target: &Target<'_>,
    pod: &mut Value,
    before: Option<&Value>,
    options: &Options,
) -> Result<(), ApiError> {
    if let Some(before) = before {
        for field in ["priority", "preemptionPolicy"] {
            if get(pod, &["spec", field]).is_none() {
                json::copy(before, pod, &["spec", field]);
            }
        }
        tolerations(&mut pod["spec"]);
    } else {
        let prefix = str_at(pod, &["metadata", "generateName"]).to_owned();
        // The name of a Pod that is to get one is not known yet.
        let name = [target.name, &prefix, "Unknown"].into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let refuse = |problem: String| ApiError::forbidden(About { name, ..target.about() }, problem);
        limits::fill_pod(state, target.namespace, pod);
        account(state, target.namespace, pod, options).map_err(refuse)?;
        priority(state, pod).map_err(refuse)?;
        tolerations(&mut pod["spec"]);
        askable_class(&pod["spec"])?;
        runtime_class(state, &mut pod["spec"]).map_err(refuse)?;
        topology(state, pod);
    }
    Ok(())
}

/// A Pod that names its node has the labels that tell where that is.
fn topology(state: &State, pod: &mut Value) {
    let node = str_at(pod, &["spec", "nodeName"]);
    let Some(node) = state.store.get(&GroupResource::new("", "nodes"), "", node) else { return };
    for key in TOPOLOGY {
        if let Some(value) = get(&node.value, &["metadata", "labels", key]) {
            json::set(pod, &["metadata", "labels", key], value.clone());
        }
    }
}

/// A class is asked for by its name, with which a server must be able to make a path: what it cannot ask for is an error
/// of its own.
fn askable_class(spec: &Value) -> Result<(), ApiError> {
    let Some(name) = get(spec, &["runtimeClassName"]).and_then(Value::as_str) else { return Ok(()) };
    let broken = |why: String| Err(ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", why));
    if name.is_empty() {
        return broken("resource name may not be empty".to_owned());
    }
    let wrong = names::complaints(name, names::Rule::PathSegment);
    if wrong.is_empty() {
        return Ok(());
    }
    broken(format!("invalid resource name {name:?}: [{}]", wrong.join(" ")))
}

/// What the class of a Pod's runtime needs and wants of it: <https://kubernetes.io/docs/concepts/containers/runtime-class/>
fn runtime_class(state: &State, spec: &mut Value) -> Result<(), String> {
    let name = str_at(spec, &["runtimeClassName"]).to_owned();
    let class = match get(spec, &["runtimeClassName"]) {
        None => Value::Null,
        Some(_) => match state.store.get(&GroupResource::new("node.k8s.io", "runtimeclasses"), "", &name) {
            Some(class) => class.value.clone(),
            None => return Err(format!("pod rejected: RuntimeClass {name:?} not found")),
        },
    };
    if let Some(wanted) = get(&class, &["overhead"]) {
        if get(spec, &["overhead"]).is_some_and(|own| get(wanted, &["podFixed"]) != Some(own)) {
            return Err(OTHER_OVERHEAD.to_owned());
        }
        spec["overhead"] = wanted["podFixed"].clone();
    }
    for (key, wanted) in map_at(&class, &["scheduling", "nodeSelector"]).into_iter().flatten() {
        if let Some(own) = get(spec, &["nodeSelector", key]).filter(|own| *own != wanted) {
            let (wanted, own) = (wanted.as_str().unwrap_or_default(), own.as_str().unwrap_or_default());
            return Err(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; pod.spec.nodeSelector[{key}] = {own}"
            ));
        }
        json::set(spec, &["nodeSelector", key], wanted.clone());
    }
    let mut all = list_at(spec, &["tolerations"]).to_vec();
    let fresh = list_at(&class, &["scheduling", "tolerations"]).iter().filter(|t| !all.contains(t)).cloned();
    let fresh: Vec<Value> = fresh.collect();
    if !fresh.is_empty() {
        all.extend(fresh);
        json::set(spec, &["tolerations"], all);
    }
    Ok(())
}

const OTHER_OVERHEAD: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

/// The last word about the overhead of a new Pod, when nothing else is wrong with it: only a class can ask for some, and
/// an empty map counts as some.
pub(in crate::admission) fn check_overhead(state: &State, spec: &Value, is_sent_empty: bool) -> Result<(), String> {
    let name = str_at(spec, &["runtimeClassName"]);
    let class = state.store.get(&GroupResource::new("node.k8s.io", "runtimeclasses"), "", name);
    let own = get(spec, &["overhead"]);
    match class.and_then(|class| get(&class.value, &["overhead"])) {
        Some(wanted) if get(wanted, &["podFixed"]) != own => Err(OTHER_OVERHEAD.to_owned()),
        None if own.is_some() || is_sent_empty => {
            Err("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead".to_owned())
        }
        _ => Ok(()),
    }
}

fn account(state: &mut State, namespace: &str, pod: &mut Value, options: &Options) -> Result<(), String> {
    if pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some() {
        return mirror(pod);
    }
    fill(&mut pod["spec"], &["serviceAccountName"], "default");
    let name = str_at(pod, &["spec", "serviceAccountName"]).to_owned();
    json::set(pod, &["spec", "serviceAccount"], name.as_str());
    let found = state.store.get(&GroupResource::new("", "serviceaccounts"), namespace, &name).cloned();
    let account = match found {
        Some(account) => account.value.clone(),
        // The account that every namespace has comes with its controller, for which a real server waits. What a test puts
        // into the cluster itself needs none.
        None if name == "default" && (state.settings.controllers || options.course.is_none()) => json!({}),
        None => {
            return Err(no_account(namespace, &name));
        }
    };
    let spec = &mut pod["spec"];
    let wants = |of: &Value| of.get("automountServiceAccountToken").and_then(Value::as_bool);
    if wants(spec).or_else(|| wants(&account)).unwrap_or(true) {
        mount_token(state, spec);
    }
    if list_at(spec, &["imagePullSecrets"]).is_empty() && !list_at(&account, &["imagePullSecrets"]).is_empty() {
        spec["imagePullSecrets"] = account["imagePullSecrets"].clone();
    }
    if limits_secrets(&account) { only_own_secrets(spec, &account, &name) } else { Ok(()) }
}

/// Whether the Pods of an account use no Secrets but those that it names.
pub(super) fn limits_secrets(account: &Value) -> bool {
    let note = str_at(account, &["metadata", "annotations", "kubernetes.io/enforce-mountable-secrets"]);
    // The texts that a server reads as true.
    matches!(note, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// That there is no such account. What is no part of a path could not even be asked for.
pub(super) fn no_account(namespace: &str, name: &str) -> String {
    let wrong = names::complaints(name, names::Rule::PathSegment);
    let why = if wrong.is_empty() {
        format!("serviceaccount {name:?} not found")
    } else {
        format!("invalid resource name {name:?}: [{}]", wrong.join(" "))
    };
    format!("error looking up service account {namespace}/{name}: {why}")
}

/// A Pod that shows what a kubelet runs from a file has nothing that the API could give it.
fn mirror(pod: &Value) -> Result<(), String> {
    let spec = &pod["spec"];
    if !str_at(spec, &["serviceAccountName"]).is_empty() {
        return Err("a mirror pod may not reference service accounts".to_owned());
    }
    if names_secret(spec) {
        return Err("a mirror pod may not reference secrets".to_owned());
    }
    let projects_token = list_at(spec, &["volumes"])
        .iter()
        .flat_map(|volume| list_at(volume, &["projected", "sources"]))
        .any(|source| get(source, &["serviceAccountToken"]).is_some());
    if projects_token {
        return Err("a mirror pod may not use ServiceAccountToken volume projections".to_owned());
    }
    Ok(())
}

/// Whether a Secret is named anywhere in a spec.
fn names_secret(spec: &Value) -> bool {
    let filled = |at: Option<&Value>| at.and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    match spec {
        Value::Object(map) => map.iter().any(|(key, value)| match key.as_str() {
            "imagePullSecrets" => list_at(spec, &[key]).iter().any(|reference| filled(reference.get("name"))),
            "secretRef" | "secretKeyRef" | "nodePublishSecretRef" => filled(value.get("name")),
            "secret" => filled(value.get("secretName").or_else(|| value.get("name"))),
            "azureFile" => filled(value.get("secretName")),
            _ => names_secret(value),
        }),
        Value::Array(list) => list.iter().any(names_secret),
        _ => false,
    }
}

/// Gives every container the token of the Pod's ServiceAccount:
/// <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting>
fn mount_token(state: &mut State, spec: &mut Value) {
    let there = list_at(spec, &["volumes"]).iter().map(|v| str_at(v, &["name"])).find(|n| n.starts_with(TOKEN_VOLUME));
    let (name, made) = match there {
        Some(name) => (name.to_owned(), true),
        None => (format!("{TOKEN_VOLUME}{}", state.seed.name_suffix()), false),
    };
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mut mounts = list_at(container, &["volumeMounts"]).to_vec();
            if !mounts.iter().any(|m| str_at(m, &["mountPath"]) == TOKEN) {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN}));
                container["volumeMounts"] = Value::Array(mounts);
                used = true;
            }
        }
    }
    if used && !made {
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

/// An account may keep its Pods from Secrets that it does not list:
/// <https://kubernetes.io/docs/concepts/security/service-accounts/#enforce-mountable-secrets>
fn only_own_secrets(spec: &Value, account: &Value, own_name: &str) -> Result<(), String> {
    let lists = |field: &str, name: &str| list_at(account, &[field]).iter().any(|s| str_at(s, &["name"]) == name);
    let rest = format!("is not allowed because service account {own_name} does not reference that secret");
    for volume in list_at(spec, &["volumes"]) {
        let name = str_at(volume, &["secret", "secretName"]);
        if get(volume, &["secret"]).is_some() && !lists("secrets", name) {
            return Err(format!("volume with secret.secretName={name:?} {rest}"));
        }
    }
    for (list, what) in [("initContainers", "init container"), ("containers", "container")] {
        for container in list_at(spec, &[list]) {
            let of = str_at(container, &["name"]);
            for variable in list_at(container, &["env"]) {
                let Some(key) = get(variable, &["valueFrom", "secretKeyRef"]) else { continue };
                let name = str_at(key, &["name"]);
                if !lists("secrets", name) {
                    let variable = str_at(variable, &["name"]);
                    return Err(format!(
                        "{what} {of} with envVar {variable} referencing secret.secretName={name:?} {rest}"
                    ));
                }
            }
            for from in list_at(container, &["envFrom"]) {
                let name = str_at(from, &["secretRef", "name"]);
                if get(from, &["secretRef"]).is_some() && !lists("secrets", name) {
                    return Err(format!("{what} {of} with envFrom referencing secret.secretName={name:?} {rest}"));
                }
            }
        }
    }
    for (i, reference) in list_at(spec, &["imagePullSecrets"]).iter().enumerate() {
        let name = str_at(reference, &["name"]);
        if !lists("imagePullSecrets", name) {
            return Err(format!(
                "imagePullSecrets[{i}].name={name:?} is not allowed because service account {own_name} does not \
                 reference that imagePullSecret"
            ));
        }
    }
    Ok(())
}

/// The priority of a Pod is that of its class: <https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/>
fn priority(state: &State, pod: &mut Value) -> Result<(), String> {
    let classes = GroupResource::new("scheduling.k8s.io", "priorityclasses");
    let spec = &mut pod["spec"];
    let wanted = str_at(spec, &["priorityClassName"]).to_owned();
    let class = if wanted.is_empty() {
        // Of more than one default that of least value counts.
        state
            .store
            .objects(&classes, None)
            .into_iter()
            .filter(|class| class.value["globalDefault"] == true)
            .min_by_key(|class| i64_at(&class.value, &["value"]).unwrap_or(0))
            .map(|class| class.value.clone())
    } else {
        let stored = state.store.get(&classes, "", &wanted).map(|class| class.value.clone());
        let class = stored.or_else(|| built_in(&wanted));
        Some(class.ok_or_else(|| format!("no PriorityClass with name {wanted} was found"))?)
    };
    let class = class.unwrap_or_else(|| json!({"value": 0, "preemptionPolicy": "PreemptLowerPriority"}));
    if let Some(name) = map_at(&class, &["metadata"]).and_then(|m| m.get("name")).filter(|_| wanted.is_empty()) {
        spec["priorityClassName"] = name.clone();
    }
    let value = i64_at(&class, &["value"]).unwrap_or(0);
    if let Some(own) = i64_at(spec, &["priority"]).filter(|own| *own != value) {
        return Err(format!(
            "the integer value of priority ({own}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        ));
    }
    spec["priority"] = value.into();
    let policy = str_at(&class, &["preemptionPolicy"]);
    if policy.is_empty() {
        return Ok(());
    }
    let own = str_at(spec, &["preemptionPolicy"]);
    if !own.is_empty() && own != policy {
        return Err(format!(
            "the string value of PreemptionPolicy ({own}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        ));
    }
    spec["preemptionPolicy"] = policy.into();
    Ok(())
}

/// The classes that a server makes when it starts.
fn built_in(name: &str) -> Option<Value> {
    let value = match name {
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        _ => return None,
    };
    Some(json!({"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority"}))
}

fn tolerations(spec: &mut Value) {
    let mut tolerations = list_at(spec, &["tolerations"]).to_vec();
    let given = tolerations.clone();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = |t: &Value| {
            let (k, effect) = (str_at(t, &["key"]), str_at(t, &["effect"]));
            (k == key || k.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !given.iter().any(tolerated) {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    if !tolerations.is_empty() {
        json::set(spec, &["tolerations"], tolerations);
    }
}
