//! Defaults of the built-in kinds and of custom resources, so that a live object looks like a real one.

use serde_json::{Map, Value, json};

use super::pod;
use crate::{
    crd,
    json::{self, default as fill, get, list_at, str_at},
    resources::Resource,
    state::State,
};

fn empty() -> Value {
    Value::Object(Map::new())
}

/// Fills an object before it is validated; `before` is the stored one on an update.
pub(crate) fn default(state: &mut State, resource: &Resource, object: &mut Value, before: Option<&Value>) {
    if let Some(version) = resource.crd.get(&resource.storage_version) {
        if let Some(schema) = &version.openapi {
            let metadata = object.get("metadata").cloned();
            crd::default(object, schema);
            if let Some(metadata) = metadata {
                object["metadata"] = metadata;
            }
        }
        return;
    }
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("apps", "deployments") => {
            workload(object);
            fill(object, &["spec", "revisionHistoryLimit"], 10);
            fill(object, &["spec", "progressDeadlineSeconds"], 600);
            fill(object, &["spec", "strategy", "type"], "RollingUpdate");
            if str_at(object, &["spec", "strategy", "type"]) == "RollingUpdate" {
                fill(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], "25%");
                fill(object, &["spec", "strategy", "rollingUpdate", "maxSurge"], "25%");
            }
        }
        ("apps", "replicasets") => workload(object),
        ("apps", "statefulsets") => {
            workload(object);
            fill(object, &["spec", "podManagementPolicy"], "OrderedReady");
            fill(object, &["spec", "serviceName"], "");
            fill(object, &["spec", "revisionHistoryLimit"], 10);
            fill(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            if str_at(object, &["spec", "updateStrategy", "type"]) == "RollingUpdate" {
                fill(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], 0);
            }
            fill(
                object,
                &["spec", "persistentVolumeClaimRetentionPolicy"],
                json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
            );
            let claims = object["spec"].get_mut("volumeClaimTemplates").and_then(Value::as_array_mut);
            for claim in claims.into_iter().flatten() {
                fill(claim, &["apiVersion"], "v1");
                fill(claim, &["kind"], "PersistentVolumeClaim");
                fill(claim, &["spec", "volumeMode"], "Filesystem");
                fill(claim, &["status", "phase"], "Pending");
            }
        }
        ("apps", "daemonsets") => {
            template(object, &["spec", "template"]);
            fill(object, &["spec", "revisionHistoryLimit"], 10);
            fill(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            if str_at(object, &["spec", "updateStrategy", "type"]) == "RollingUpdate" {
                fill(object, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"], 1);
                fill(object, &["spec", "updateStrategy", "rollingUpdate", "maxSurge"], 0);
            }
        }
        ("batch", "jobs") => job(state, object, before),
        ("batch", "cronjobs") => {
            fill(object, &["spec", "concurrencyPolicy"], "Allow");
            fill(object, &["spec", "suspend"], false);
            fill(object, &["spec", "successfulJobsHistoryLimit"], 3);
            fill(object, &["spec", "failedJobsHistoryLimit"], 1);
            template(object, &["spec", "jobTemplate", "spec", "template"]);
        }
        ("", "pods") => {
            if let Some(spec) = object.get_mut("spec") {
                pod::default(spec);
                if before.is_none() {
                    admit_pod(spec);
                }
            }
            fill(object, &["status", "phase"], "Pending");
            if before.is_none() {
                json::set(object, &["status", "qosClass"], qos(object));
            }
        }
        ("", "replicationcontrollers") => {
            template(object, &["spec", "template"]);
            fill(object, &["spec", "replicas"], 1);
        }
        ("", "services") => service(state, object, before),
        ("", "namespaces") => {
            let name = str_at(object, &["metadata", "name"]).to_owned();
            json::set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
            if before.is_none() {
                json::set(object, &["spec", "finalizers"], json!(["kubernetes"]));
                json::set(object, &["status", "phase"], "Active");
            }
        }
        ("", "secrets") => {
            fill(object, &["type"], "Opaque");
            if let Some(Value::Object(plain)) = json::remove(object, &["stringData"]) {
                use base64::Engine as _;
                for (key, value) in plain {
                    let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
                    json::set(object, &["data", &key], encoded);
                }
            }
        }
        ("", "persistentvolumeclaims") => {
            fill(object, &["spec", "volumeMode"], "Filesystem");
            if before.is_none() {
                fill(object, &["spec", "storageClassName"], "standard");
                json::set(object, &["metadata", "finalizers"], with(object, "kubernetes.io/pvc-protection"));
                json::set(object, &["status"], json!({"phase": "Pending"}));
            }
        }
        ("", "persistentvolumes") => {
            fill(object, &["spec", "persistentVolumeReclaimPolicy"], "Retain");
            fill(object, &["spec", "volumeMode"], "Filesystem");
            fill(object, &["status", "phase"], "Pending");
        }
        ("networking.k8s.io", "ingresses") => {
            fill(object, &["status", "loadBalancer"], empty());
        }
        ("networking.k8s.io", "networkpolicies") => {
            if get(object, &["spec", "policyTypes"]).is_none() {
                let mut types = vec!["Ingress"];
                if !list_at(object, &["spec", "egress"]).is_empty() {
                    types.push("Egress");
                }
                json::set(object, &["spec", "policyTypes"], json!(types));
            }
            for direction in ["ingress", "egress"] {
                for rule in object["spec"].get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten() {
                    for port in rule.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                        fill(port, &["protocol"], "TCP");
                    }
                }
            }
        }
        ("autoscaling", "horizontalpodautoscalers") => {
            fill(object, &["spec", "minReplicas"], 1);
            if get(object, &["spec", "metrics"]).is_none() {
                json::set(
                    object,
                    &["spec", "metrics"],
                    json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]),
                );
            }
        }
        ("rbac.authorization.k8s.io", kind) => rbac(kind, object),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            let mutating = &*resource.gr.resource == "mutatingwebhookconfigurations";
            for hook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
                fill(hook, &["failurePolicy"], "Fail");
                fill(hook, &["matchPolicy"], "Equivalent");
                fill(hook, &["namespaceSelector"], empty());
                fill(hook, &["objectSelector"], empty());
                fill(hook, &["timeoutSeconds"], 10);
                if mutating {
                    fill(hook, &["reinvocationPolicy"], "Never");
                }
                if get(hook, &["clientConfig", "service"]).is_some() {
                    fill(hook, &["clientConfig", "service", "port"], 443);
                }
                for rule in hook.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
                    fill(rule, &["scope"], "*");
                }
            }
        }
        ("storage.k8s.io", "storageclasses") => {
            fill(object, &["reclaimPolicy"], "Delete");
            fill(object, &["volumeBindingMode"], "Immediate");
        }
        ("scheduling.k8s.io", "priorityclasses") => fill(object, &["preemptionPolicy"], "PreemptLowerPriority"),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            fill(object, &["spec", "conversion", "strategy"], "None");
            let kind = str_at(object, &["spec", "names", "kind"]).to_owned();
            fill(object, &["spec", "names", "singular"], kind.to_lowercase());
            fill(object, &["spec", "names", "listKind"], format!("{kind}List"));
        }
        _ => {}
    }
}

fn template(object: &mut Value, path: &[&str]) {
    let mut at = &mut *object;
    for key in path {
        match at.get_mut(key) {
            Some(next) => at = next,
            None => return,
        }
    }
    if let Some(spec) = at.get_mut("spec") {
        pod::default(spec);
    }
}

fn workload(object: &mut Value) {
    template(object, &["spec", "template"]);
    fill(object, &["spec", "replicas"], 1);
}

fn job(state: &mut State, object: &mut Value, before: Option<&Value>) {
    template(object, &["spec", "template"]);
    if get(object, &["spec", "completions"]).is_none() && get(object, &["spec", "parallelism"]).is_none() {
        fill(object, &["spec", "completions"], 1);
    }
    fill(object, &["spec", "parallelism"], 1);
    fill(object, &["spec", "backoffLimit"], 6);
    fill(object, &["spec", "completionMode"], "NonIndexed");
    fill(object, &["spec", "suspend"], false);
    fill(object, &["spec", "manualSelector"], false);
    fill(object, &["spec", "podReplacementPolicy"], "TerminatingOrFailed");
    match before {
        // What the server generated stays when a client leaves it out.
        Some(before) => {
            let generated = json::map_at(before, &["spec", "template", "metadata", "labels"]).cloned();
            for (key, value) in generated.into_iter().flatten() {
                if key.contains("controller-uid") || key.ends_with("job-name") {
                    fill(object, &["spec", "template", "metadata", "labels", &key], value);
                }
            }
            if let Some(selector) = get(before, &["spec", "selector"]) {
                fill(object, &["spec", "selector"], selector.clone());
            }
        }
        None if get(object, &["spec", "manualSelector"]) == Some(&Value::Bool(false)) => {
            let uid = state.seed.uid();
            let name = str_at(object, &["metadata", "name"]).to_owned();
            for (key, value) in [
                ("batch.kubernetes.io/controller-uid", &uid),
                ("controller-uid", &uid),
                ("batch.kubernetes.io/job-name", &name),
                ("job-name", &name),
            ] {
                json::set(object, &["spec", "template", "metadata", "labels", key], value.as_str());
            }
            json::set(object, &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"], uid.as_str());
        }
        None => {}
    }
}

fn admit_pod(spec: &mut Value) {
    fill(spec, &["serviceAccountName"], "default");
    fill(spec, &["serviceAccount"], "default");
    fill(spec, &["enableServiceLinks"], true);
    fill(spec, &["preemptionPolicy"], "PreemptLowerPriority");
    fill(spec, &["priority"], 0);
    if list_at(spec, &["tolerations"]).is_empty() {
        let toleration =
            |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        json::set(
            spec,
            &["tolerations"],
            json!([toleration("node.kubernetes.io/not-ready"), toleration("node.kubernetes.io/unreachable")]),
        );
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

fn service(state: &mut State, object: &mut Value, before: Option<&Value>) {
    fill(object, &["spec", "type"], "ClusterIP");
    fill(object, &["spec", "sessionAffinity"], "None");
    let kind = str_at(object, &["spec", "type"]).to_owned();
    let exposed = matches!(&*kind, "NodePort" | "LoadBalancer");
    if str_at(object, &["spec", "sessionAffinity"]) == "ClientIP" {
        fill(object, &["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"], 10800);
    }
    if kind == "ExternalName" {
        for port in object["spec"].get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            fill(port, &["protocol"], "TCP");
        }
        return;
    }
    fill(object, &["spec", "internalTrafficPolicy"], "Cluster");
    if exposed {
        fill(object, &["spec", "externalTrafficPolicy"], "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(object, &["spec", "allocateLoadBalancerNodePorts"], true);
    }
    // What the server gave out stays when a client leaves it out.
    if let Some(before) = before.filter(|b| str_at(b, &["spec", "type"]) != "ExternalName") {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(value) = get(before, &["spec", field]) {
                fill(object, &["spec", field], value.clone());
            }
        }
    }
    if get(object, &["spec", "clusterIP"]).is_none_or(|v| v == "") {
        state.next_ip += 1;
        let n = state.next_ip;
        json::set(object, &["spec", "clusterIP"], format!("10.96.{}.{}", (n >> 8) & 0xff, n & 0xff));
    }
    let ip = str_at(object, &["spec", "clusterIP"]).to_owned();
    fill(object, &["spec", "clusterIPs"], json!([ip]));
    fill(object, &["spec", "ipFamilies"], json!(["IPv4"]));
    fill(object, &["spec", "ipFamilyPolicy"], "SingleStack");
    let old_ports = before.map(|b| list_at(b, &["spec", "ports"]).to_vec()).unwrap_or_default();
    for port in object["spec"].get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        fill(port, &["protocol"], "TCP");
        if let Some(number) = get(port, &["port"]).cloned() {
            fill(port, &["targetPort"], number);
        }
        if exposed && get(port, &["nodePort"]).is_none() {
            let same = |o: &&Value| o["port"] == port["port"] && o["protocol"] == port["protocol"];
            let given = old_ports.iter().find(same).and_then(|o| json::i64_at(o, &["nodePort"]));
            let number = given.unwrap_or_else(|| {
                state.next_port += 1;
                i64::from(30_000 + state.next_port % 2_768)
            });
            json::set(port, &["nodePort"], number);
        } else if !exposed {
            json::remove(port, &["nodePort"]);
        }
    }
    fill(object, &["status", "loadBalancer"], empty());
}

fn rbac(kind: &str, object: &mut Value) {
    if !kind.ends_with("bindings") {
        return;
    }
    fill(object, &["roleRef", "apiGroup"], "rbac.authorization.k8s.io");
    for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if matches!(str_at(subject, &["kind"]), "User" | "Group") {
            fill(subject, &["apiGroup"], "rbac.authorization.k8s.io");
        }
    }
}
