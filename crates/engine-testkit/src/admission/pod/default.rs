//! What a server fills in: <https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/core/v1/defaults.go>

use serde_json::{Value, json};

use super::{LISTS, image, quantities};
use crate::json::{self, default as fill, get, i64_at, list_at, str_at};

/// The spec of a Pod or of a template.
pub(in crate::admission) fn default(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    for key in LISTS {
        each(spec, key, container);
    }
    fill(spec, &["restartPolicy"], "Always");
    fill(spec, &["terminationGracePeriodSeconds"], 30);
    fill(spec, &["dnsPolicy"], "ClusterFirst");
    fill(spec, &["securityContext"], json!({}));
    fill(spec, &["schedulerName"], "default-scheduler");
    // The two names of the ServiceAccount follow each other.
    match (str_at(spec, &["serviceAccountName"]).to_owned(), str_at(spec, &["serviceAccount"]).to_owned()) {
        (name, _) if !name.is_empty() => json::set(spec, &["serviceAccount"], name),
        (_, old) if !old.is_empty() => json::set(spec, &["serviceAccountName"], old),
        _ => {}
    }
    each(spec, "volumes", volume);
    quantities::round_up(spec.get_mut("overhead"));
    for kind in ["limits", "requests"] {
        quantities::round_up(spec.get_mut("resources").and_then(|r| r.get_mut(kind)));
    }
}

/// What is filled in Pods and not in templates.
pub(in crate::admission) fn default_pod(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default(spec);
    // A limit without a request asks for as much.
    for key in ["containers", "initContainers"] {
        each(spec, key, |container| {
            for (name, limit) in json::map_at(container, &["resources", "limits"]).cloned().into_iter().flatten() {
                fill(container, &["resources", "requests", &name], limit);
            }
        });
    }
    quantities::of_pod(spec);
    fill(spec, &["enableServiceLinks"], true);
    if spec["hostNetwork"] == true {
        for key in ["containers", "initContainers"] {
            each(spec, key, |container| {
                each(container, "ports", |port| {
                    if let Some(number) = get(port, &["containerPort"]).cloned() {
                        fill(port, &["hostPort"], number);
                    }
                });
            });
        }
    }
    if i64_at(spec, &["terminationGracePeriodSeconds"]).is_some_and(|seconds| seconds < 0) {
        spec["terminationGracePeriodSeconds"] = 1.into();
    }
    addresses(pod);
    // Relics of the time when init containers were written in annotations.
    if let Some(notes) = pod["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        for age in ["alpha", "beta"] {
            for what in ["init-containers", "init-container-statuses"] {
                notes.remove(&format!("pod.{age}.kubernetes.io/{what}"));
            }
        }
    }
}

/// A Pod's address is the first of its addresses.
fn addresses(pod: &mut Value) {
    let Some(status) = pod.get_mut("status").filter(|status| status.is_object()) else { return };
    let one = str_at(status, &["podIP"]).to_owned();
    let first = list_at(status, &["podIPs"]).first().map(|ip| str_at(ip, &["ip"]).to_owned());
    match first {
        Some(first) if one.is_empty() => status["podIP"] = first.into(),
        Some(first) if first == one => {}
        _ if one.is_empty() => {}
        _ => status["podIPs"] = json!([{"ip": one}]),
    }
}

fn each(of: &mut Value, list: &str, change: impl FnMut(&mut Value)) {
    of.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
}

fn pull_policy(at: &mut Value, policy: &str, name: &str) {
    let latest = image::is_latest(str_at(at, &[name]));
    fill(at, &[policy], if latest { "Always" } else { "IfNotPresent" });
}

fn container(container: &mut Value) {
    pull_policy(container, "imagePullPolicy", "image");
    fill(container, &["terminationMessagePath"], "/dev/termination-log");
    fill(container, &["terminationMessagePolicy"], "File");
    fill(container, &["resources"], json!({}));
    each(container, "ports", |port| fill(port, &["protocol"], "TCP"));
    each(container, "env", |variable| {
        version_of_field(variable.get_mut("valueFrom"));
        if get(variable, &["valueFrom", "fileKeyRef"]).is_some() {
            fill(variable, &["valueFrom", "fileKeyRef", "optional"], false);
        }
    });
    for kind in ["limits", "requests"] {
        quantities::round_up(container["resources"].get_mut(kind));
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|p| p.is_object()) {
            for (field, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                fill(probe, &[field], value);
            }
            if get(probe, &["grpc"]).is_some() {
                fill(probe, &["grpc", "service"], "");
            }
            http(probe);
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(handler) = container.get_mut("lifecycle").and_then(|l| l.get_mut(name)) {
            http(handler);
        }
    }
}

fn http(handler: &mut Value) {
    if get(handler, &["httpGet"]).is_some() {
        fill(handler, &["httpGet", "path"], "/");
        fill(handler, &["httpGet", "scheme"], "HTTP");
    }
}

fn version_of_field(of: Option<&mut Value>) {
    if let Some(of) = of.filter(|of| get(of, &["fieldRef"]).is_some()) {
        fill(of, &["fieldRef", "apiVersion"], "v1");
    }
}

/// The source of a volume, also of one that is no Pod's.
pub(in crate::admission) fn source(volume: &mut Value) {
    for (kind, field, value) in [
        ("configMap", "defaultMode", json!(0o644)),
        ("secret", "defaultMode", json!(0o644)),
        ("downwardAPI", "defaultMode", json!(0o644)),
        ("projected", "defaultMode", json!(0o644)),
        ("hostPath", "type", json!("")),
        ("iscsi", "iscsiInterface", json!("default")),
        ("rbd", "pool", json!("rbd")),
        ("rbd", "user", json!("admin")),
        ("rbd", "keyring", json!("/etc/ceph/keyring")),
        ("azureDisk", "cachingMode", json!("ReadWrite")),
        ("azureDisk", "fsType", json!("ext4")),
        ("azureDisk", "readOnly", json!(false)),
        ("azureDisk", "kind", json!("Shared")),
        ("scaleIO", "storageMode", json!("ThinProvisioned")),
        ("scaleIO", "fsType", json!("xfs")),
    ] {
        if get(volume, &[kind]).is_some() {
            fill(volume, &[kind, field], value);
        }
    }
}

fn volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.keys().all(|key| key == "name")) {
        json::set(volume, &["emptyDir"], json!({}));
    }
    source(volume);
    if let Some(image) = volume.get_mut("image").filter(|image| image.is_object()) {
        pull_policy(image, "pullPolicy", "reference");
    }
    if let Some(facts) = volume.get_mut("downwardAPI") {
        each(facts, "items", |item| version_of_field(Some(item)));
    }
    if let Some(projected) = volume.get_mut("projected") {
        each(projected, "sources", |source| {
            if get(source, &["serviceAccountToken"]).is_some() {
                fill(source, &["serviceAccountToken", "expirationSeconds"], 3600);
            }
            if let Some(facts) = source.get_mut("downwardAPI") {
                each(facts, "items", |item| version_of_field(Some(item)));
            }
        });
    }
    if let Some(claim) = volume.get_mut("ephemeral").and_then(|e| e.get_mut("volumeClaimTemplate")) {
        fill(claim, &["spec", "volumeMode"], "Filesystem");
        for kind in ["limits", "requests"] {
            quantities::round_up(claim["spec"].get_mut("resources").and_then(|r| r.get_mut(kind)));
        }
    }
}
