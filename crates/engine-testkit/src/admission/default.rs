//! Defaults of the built-in kinds and of custom resources, so that a live object looks like a real one.

use serde_json::{Map, Value, json};

use super::{pod, rules::service::is_exposed};
use crate::{
    json::{self, default as fill, get, list_at, str_at},
    resources::Resource,
};

fn empty() -> Value {
    Value::Object(Map::new())
}

/// Fills an object as soon as it is decoded.
pub(crate) fn default(resource: &Resource, object: &mut Value) {
    // Custom resources have theirs from reading them.
    if resource.is_custom() {
        return;
    }
    super::encode_sent(resource, object);
    fill_kind(resource, object);
    super::encode_sent(resource, object);
}

/// Fills an object as it is read back from the store, where a kind has defaults that follow from what the server itself
/// put into it.
///
/// Returns the object as it was written, when that is another one.
pub(crate) fn default_stored(resource: &Resource, object: &mut Value) -> Option<Value> {
    if resource.is("", "secrets") || resource.is("", "configmaps") {
        return super::read_back(resource, object);
    }
    let kind = (&*resource.gr.group, &*resource.gr.resource);
    if !matches!(kind, ("batch", "jobs") | ("autoscaling", "horizontalpodautoscalers") | ("", "replicationcontrollers"))
    {
        return None;
    }
    let written = object.clone();
    default(resource, object);
    (written != *object).then_some(written)
}

fn fill_kind(resource: &Resource, object: &mut Value) {
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("apps", "deployments") => {
            workload(object);
            fill(object, &["spec", "revisionHistoryLimit"], 10);
            fill(object, &["spec", "progressDeadlineSeconds"], 600);
            text(object, &["spec", "strategy", "type"], "RollingUpdate");
            if str_at(object, &["spec", "strategy", "type"]) == "RollingUpdate" {
                fill(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], "25%");
                fill(object, &["spec", "strategy", "rollingUpdate", "maxSurge"], "25%");
            }
        }
        ("apps", "replicasets") => workload(object),
        ("apps", "statefulsets") => {
            workload(object);
            text(object, &["spec", "podManagementPolicy"], "OrderedReady");
            fill(object, &["spec", "revisionHistoryLimit"], 10);
            // Whoever names the strategy says all about it.
            if str_at(object, &["spec", "updateStrategy", "type"]).is_empty() {
                fill(object, &["spec", "updateStrategy", "rollingUpdate"], empty());
            }
            text(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            if str_at(object, &["spec", "updateStrategy", "type"]) == "RollingUpdate"
                && get(object, &["spec", "updateStrategy", "rollingUpdate"]).is_some()
            {
                fill(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], 0);
            }
            for when in ["whenDeleted", "whenScaled"] {
                text(object, &["spec", "persistentVolumeClaimRetentionPolicy", when], "Retain");
            }
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
            // What counts the template's changes is an annotation, a relic of an older API.
            fill(object, &["metadata", "annotations", super::TEMPLATE_GENERATION], "0");
            fill(object, &["spec", "revisionHistoryLimit"], 10);
            text(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            let rolls = str_at(object, &["spec", "updateStrategy", "type"]) == "RollingUpdate";
            // What another strategy has of it is written through a type in which neither number can be left out.
            if rolls || get(object, &["spec", "updateStrategy", "rollingUpdate"]).is_some_and(Value::is_object) {
                fill(object, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"], i32::from(rolls));
                fill(object, &["spec", "updateStrategy", "rollingUpdate", "maxSurge"], 0);
            }
        }
        ("batch", "jobs") => {
            job(object);
            same_labels(object);
        }
        ("batch", "cronjobs") => {
            text(object, &["spec", "concurrencyPolicy"], "Allow");
            fill(object, &["spec", "suspend"], false);
            fill(object, &["spec", "successfulJobsHistoryLimit"], 3);
            fill(object, &["spec", "failedJobsHistoryLimit"], 1);
            template(object, &["spec", "jobTemplate", "spec", "template"]);
            failure_patterns(object, &["spec", "jobTemplate", "spec"]);
        }
        ("", "pods") => {
            pod::default_pod(object);
        }
        ("", "replicationcontrollers") => {
            template(object, &["spec", "template"]);
            fill(object, &["spec", "replicas"], 1);
            if let Some(labels) = get(object, &["spec", "template", "metadata", "labels"]).cloned() {
                for path in [&["spec", "selector"][..], &["metadata", "labels"]] {
                    if json::map_at(object, path).is_none_or(Map::is_empty) {
                        json::set(object, path, labels.clone());
                    }
                }
            }
        }
        ("", "nodes") => {
            if let Some(room) = get(object, &["status", "capacity"]).cloned() {
                fill(object, &["status", "allocatable"], room);
            }
        }
        ("", "services") => service(object),
        ("apiregistration.k8s.io", "apiservices") if get(object, &["spec", "service"]).is_some() => {
            fill(object, &["spec", "service", "port"], 443);
        }
        ("", "namespaces") => {
            let (name, prefix) = (str_at(object, &["metadata", "name"]), str_at(object, &["metadata", "generateName"]));
            // Whoever leaves the name to the server does not own the label that it gets.
            let given = prefix.is_empty() || name.strip_prefix(prefix).is_none_or(|rest| rest.len() != 5);
            let name = name.to_owned();
            if given && !name.is_empty() {
                json::set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
            }
            text(object, &["status", "phase"], "Active");
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
            if str_at(object, &["status", "phase"]).is_empty() {
                json::set(object, &["status", "phase"], "Pending");
            }
        }
        ("", "endpoints") => {
            for subset in object.get_mut("subsets").and_then(Value::as_array_mut).into_iter().flatten() {
                for port in subset.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                    fill(port, &["protocol"], "TCP");
                }
            }
        }
        ("", "limitranges") => {
            let limits = json::map_mut(object, &["spec"]).and_then(|m| m.get_mut("limits"));
            limits.and_then(Value::as_array_mut).into_iter().flatten().for_each(limit);
        }
        ("discovery.k8s.io", "endpointslices") => {
            for port in object.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                fill(port, &["name"], "");
                fill(port, &["protocol"], "TCP");
            }
        }
        ("", "persistentvolumes") => {
            fill(object, &["spec", "persistentVolumeReclaimPolicy"], "Retain");
            pod::default_source(&mut object["spec"]);
            text(object, &["status", "phase"], "Pending");
            fill(object, &["spec", "volumeMode"], "Filesystem");
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
            scaling_rules(object);
            if list_at(object, &["spec", "metrics"]).is_empty() {
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
            let conversion = object.get("spec").and_then(|spec| spec.get("conversion"));
            if conversion.is_none_or(Value::is_null) {
                json::set(object, &["spec", "conversion", "strategy"], "None");
            }
            // A webhook that says nothing is none.
            let hook = object.pointer("/spec/conversion/webhook").filter(|hook| hook.is_object());
            let silent = |hook: &Value| {
                let unsaid = |value: &Value| value.is_null() || value == &json!([]);
                ["clientConfig", "conversionReviewVersions"].iter().all(|key| hook.get(key).is_none_or(unsaid))
            };
            if hook.is_some_and(silent) {
                json::remove(object, &["spec", "conversion", "webhook"]);
            }
            if let Some(service) = object.pointer_mut("/spec/conversion/webhook/clientConfig/service")
                && service.is_object()
            {
                fill(service, &["port"], 443);
            }
            let kind = str_at(object, &["spec", "names", "kind"]).to_owned();
            fill(object, &["spec", "names", "singular"], kind.to_lowercase());
            if !kind.is_empty() {
                fill(object, &["spec", "names", "listKind"], format!("{kind}List"));
            }
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

/// Fills a text, also one that is empty.
fn text(object: &mut Value, path: &[&str], value: &str) {
    if str_at(object, path).is_empty() {
        json::set(object, path, value);
    }
}

/// An autoscaler that says anything about how fast it scales has rules for both directions.
fn scaling_rules(object: &mut Value) {
    if get(object, &["spec", "behavior"]).is_none() {
        return;
    }
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let up = ["spec", "behavior", "scaleUp"];
    fill(object, &[&up[..], &["stabilizationWindowSeconds"]].concat(), 0);
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    fill(object, &[&up[..], &["policies"]].concat(), json!([pods, percent]));
    let down = ["spec", "behavior", "scaleDown"];
    fill(object, &[&down[..], &["policies"]].concat(), json!([percent]));
    for direction in [up, down] {
        fill(object, &[&direction[..], &["selectPolicy"]].concat(), "Max");
    }
}

/// A pattern of a Pod's condition means that it is true.
fn failure_patterns(object: &mut Value, spec: &[&str]) {
    let at = [spec, &["podFailurePolicy"]].concat();
    if get(object, &at).is_none() {
        return;
    }
    let Some(policy) = json::map_mut(object, &at) else { return };
    for rule in policy.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
        for pattern in rule.get_mut("onPodConditions").and_then(Value::as_array_mut).into_iter().flatten() {
            text(pattern, &["status"], "True");
        }
    }
}

/// An object without labels has those of its template.
fn same_labels(object: &mut Value) {
    if let Some(labels) = get(object, &["spec", "template", "metadata", "labels"]).cloned()
        && json::map_at(object, &["metadata", "labels"]).is_none_or(Map::is_empty)
    {
        json::set(object, &["metadata", "labels"], labels);
    }
}

fn job(object: &mut Value) {
    template(object, &["spec", "template"]);
    if get(object, &["spec", "completions"]).is_none() && get(object, &["spec", "parallelism"]).is_none() {
        fill(object, &["spec", "completions"], 1);
    }
    fill(object, &["spec", "parallelism"], 1);
    failure_patterns(object, &["spec"]);
    let per_index = get(object, &["spec", "backoffLimitPerIndex"]).is_some();
    fill(object, &["spec", "backoffLimit"], if per_index { i32::MAX } else { 6 });
    fill(object, &["spec", "completionMode"], "NonIndexed");
    fill(object, &["spec", "suspend"], false);
    fill(object, &["spec", "manualSelector"], false);
    let failed_only = get(object, &["spec", "podFailurePolicy"]).is_some();
    fill(object, &["spec", "podReplacementPolicy"], if failed_only { "Failed" } else { "TerminatingOrFailed" });
}

/// Limits of containers follow from each other: without a default the most is it, and what is requested is the default, or
/// at least the least.
fn limit(limit: &mut Value) {
    if str_at(limit, &["type"]) != "Container" {
        return;
    }
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        for (name, amount) in json::map_at(limit, &[from]).cloned().into_iter().flatten() {
            fill(limit, &[to, &name], amount);
        }
    }
}

fn service(object: &mut Value) {
    fill(object, &["spec", "type"], "ClusterIP");
    fill(object, &["spec", "sessionAffinity"], "None");
    let kind = str_at(object, &["spec", "type"]).to_owned();
    match str_at(object, &["spec", "sessionAffinity"]) {
        "ClientIP" if get(object, &["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"]).is_none() => {
            json::set(object, &["spec", "sessionAffinityConfig"], json!({"clientIP": {"timeoutSeconds": 10800}}));
        }
        "None" => {
            json::remove(object, &["spec", "sessionAffinityConfig"]);
        }
        _ => {}
    }
    if matches!(&*kind, "ClusterIP" | "NodePort" | "LoadBalancer") {
        fill(object, &["spec", "internalTrafficPolicy"], "Cluster");
    }
    if is_exposed(object) {
        fill(object, &["spec", "externalTrafficPolicy"], "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(object, &["spec", "allocateLoadBalancerNodePorts"], true);
        let points = json::map_mut(object, &["status", "loadBalancer"]).and_then(|m| m.get_mut("ingress"));
        for point in points.and_then(Value::as_array_mut).into_iter().flatten() {
            if !str_at(point, &["ip"]).is_empty() {
                fill(point, &["ipMode"], "VIP");
            }
        }
    }
    for port in object["spec"].get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        fill(port, &["protocol"], "TCP");
        if let Some(number) = get(port, &["port"]).cloned()
            && get(port, &["targetPort"]).is_none_or(|v| *v == 0 || *v == "")
        {
            json::set(port, &["targetPort"], number);
        }
    }
}

fn rbac(kind: &str, object: &mut Value) {
    if !kind.ends_with("bindings") {
        return;
    }
    if str_at(object, &["roleRef", "apiGroup"]).is_empty() {
        json::set(object, &["roleRef", "apiGroup"], "rbac.authorization.k8s.io");
    }
    for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if matches!(str_at(subject, &["kind"]), "User" | "Group") {
            fill(subject, &["apiGroup"], "rbac.authorization.k8s.io");
        }
    }
}
