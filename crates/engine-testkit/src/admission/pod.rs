//! Pod specs: defaults and basic validation, for Pods and for every template.

use serde_json::Value;

use crate::{
    admission::names,
    json::{self, get, list_at, str_at},
    status::Cause,
};

/// Fills what the API server fills:
/// <https://github.com/kubernetes/kubernetes/blob/v1.33.0/pkg/apis/core/v1/defaults.go>
pub(crate) fn default(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    for key in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            default_container(container, host_network);
        }
    }
    json::default(spec, &["restartPolicy"], "Always");
    json::default(spec, &["terminationGracePeriodSeconds"], 30);
    json::default(spec, &["dnsPolicy"], "ClusterFirst");
    json::default(spec, &["securityContext"], Value::Object(serde_json::Map::new()));
    json::default(spec, &["schedulerName"], "default-scheduler");
    // The two names of the ServiceAccount follow each other.
    match (str_at(spec, &["serviceAccountName"]).to_owned(), str_at(spec, &["serviceAccount"]).to_owned()) {
        (name, _) if !name.is_empty() => json::set(spec, &["serviceAccount"], name),
        (_, old) if !old.is_empty() => json::set(spec, &["serviceAccountName"], old),
        _ => {}
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        default_volume(volume);
    }
    for constraint in spec.get_mut("topologySpreadConstraints").and_then(Value::as_array_mut).into_iter().flatten() {
        json::default(constraint, &["whenUnsatisfiable"], "DoNotSchedule");
    }
}

fn default_container(container: &mut Value, host_network: bool) {
    let image = str_at(container, &["image"]);
    // No tag, or `latest`, is pulled each time. A digest is not.
    let last = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    json::default(container, &["imagePullPolicy"], if latest { "Always" } else { "IfNotPresent" });
    json::default(container, &["terminationMessagePath"], "/dev/termination-log");
    json::default(container, &["terminationMessagePolicy"], "File");
    json::default(container, &["resources"], Value::Object(serde_json::Map::new()));
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        json::default(port, &["protocol"], "TCP");
        if host_network && let Some(number) = get(port, &["containerPort"]).cloned() {
            json::default(port, &["hostPort"], number);
        }
    }
    for env in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if get(env, &["valueFrom", "fieldRef"]).is_some() {
            json::default(env, &["valueFrom", "fieldRef", "apiVersion"], "v1");
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|p| p.is_object()) {
            json::default(probe, &["timeoutSeconds"], 1);
            json::default(probe, &["periodSeconds"], 10);
            json::default(probe, &["successThreshold"], 1);
            json::default(probe, &["failureThreshold"], 3);
            default_handler(probe);
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(handler) = container.get_mut("lifecycle").and_then(|l| l.get_mut(name)) {
            default_handler(handler);
        }
    }
}

/// In a Pod (and not in a template) a limit without a request asks for as much.
pub(crate) fn default_requests(spec: &mut Value) {
    for key in ["containers", "initContainers"] {
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            for (name, limit) in json::map_at(container, &["resources", "limits"]).cloned().into_iter().flatten() {
                json::default(container, &["resources", "requests", &name], limit);
            }
        }
    }
}

fn default_handler(handler: &mut Value) {
    if get(handler, &["httpGet"]).is_some() {
        json::default(handler, &["httpGet", "path"], "/");
        json::default(handler, &["httpGet", "scheme"], "HTTP");
    }
    if get(handler, &["grpc"]).is_some() {
        json::default(handler, &["grpc", "service"], "");
    }
}

fn default_volume(volume: &mut Value) {
    for kind in ["configMap", "secret", "downwardAPI", "projected"] {
        if get(volume, &[kind]).is_some() {
            json::default(volume, &[kind, "defaultMode"], 420);
        }
    }
    if get(volume, &["hostPath"]).is_some() {
        json::default(volume, &["hostPath", "type"], "");
    }
    let only_a_name = volume.as_object().is_some_and(|v| v.len() == 1 && v.contains_key("name"));
    if only_a_name {
        json::set(volume, &["emptyDir"], Value::Object(serde_json::Map::new()));
    }
    let fields = |item: &mut Value| {
        if get(item, &["fieldRef"]).is_some() {
            json::default(item, &["fieldRef", "apiVersion"], "v1");
        }
    };
    if let Some(items) = volume.get_mut("downwardAPI").and_then(|d| d.get_mut("items")).and_then(Value::as_array_mut) {
        items.iter_mut().for_each(fields);
    }
    let sources = volume.get_mut("projected").and_then(|p| p.get_mut("sources")).and_then(Value::as_array_mut);
    for source in sources.into_iter().flatten() {
        if get(source, &["serviceAccountToken"]).is_some() {
            json::default(source, &["serviceAccountToken", "expirationSeconds"], 3600);
        }
        if let Some(items) =
            source.get_mut("downwardAPI").and_then(|d| d.get_mut("items")).and_then(Value::as_array_mut)
        {
            items.iter_mut().for_each(fields);
        }
    }
}

/// The rules that a broken manifest most often meets.
pub(crate) fn validate(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    if list_at(spec, &["containers"]).is_empty() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let volumes: Vec<&str> = list_at(spec, &["volumes"]).iter().map(|v| str_at(v, &["name"])).collect();
    for key in ["initContainers", "containers"] {
        for (i, container) in list_at(spec, &[key]).iter().enumerate() {
            let at = format!("{path}.{key}[{i}]");
            let name = str_at(container, &["name"]);
            if name.is_empty() {
                causes.push(Cause::required(format!("{at}.name"), ""));
            } else if let Some(complaint) = names::complaint(name, names::Rule::Label) {
                causes.push(Cause::invalid(format!("{at}.name"), &name.into(), complaint));
            }
            let before = &list_at(spec, &[key])[..i];
            if !name.is_empty() && before.iter().any(|c| str_at(c, &["name"]) == name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
            }
            if str_at(container, &["image"]).is_empty() {
                causes.push(Cause::required(format!("{at}.image"), ""));
            }
            for (j, port) in list_at(container, &["ports"]).iter().enumerate() {
                let number = json::i64_at(port, &["containerPort"]).unwrap_or(0);
                if number == 0 {
                    causes.push(Cause::required(format!("{at}.ports[{j}].containerPort"), ""));
                } else if !(1..=65535).contains(&number) {
                    causes.push(Cause::invalid(
                        format!("{at}.ports[{j}].containerPort"),
                        &number.into(),
                        "must be between 1 and 65535, inclusive",
                    ));
                }
            }
            for (j, mount) in list_at(container, &["volumeMounts"]).iter().enumerate() {
                let name = str_at(mount, &["name"]);
                if !volumes.contains(&name) && !path.contains("template") {
                    causes.push(Cause::not_found(format!("{at}.volumeMounts[{j}].name"), &name.into()));
                }
            }
        }
    }
    let policy = str_at(spec, &["restartPolicy"]);
    if !policy.is_empty() && !matches!(policy, "Always" | "OnFailure" | "Never") {
        causes.push(Cause::unsupported(
            format!("{path}.restartPolicy"),
            &policy.into(),
            &["Always", "OnFailure", "Never"],
        ));
    }
}
