//! The scheduler and the kubelet: Pods find the node, start, get ready, end.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Decision, NODE, View, Write, replace_if_changed, script, set_condition};
use crate::{
    json::{self, get, i64_at, list_at, str_at},
    store::{ObjectKey, Stored},
};

/// How the Pod was told to behave.
fn scripted(pod: &Value) -> &str {
    let at = |kind: &str| get(pod, &["metadata", kind, script::POD]).and_then(Value::as_str);
    at("annotations").or_else(|| at("labels")).unwrap_or_default()
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, pod: &Stored) -> Decision {
    let mut decision = Decision::default();
    if pod.is_terminating() {
        let grace = i64_at(&pod.value, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
        let stop = view.settings.pod_stop.min(Duration::from_secs(grace.unsigned_abs()));
        let end = view.deleted(pod) + stop;
        if view.now.elapsed < end {
            decision.wake_at(end);
        } else if list_at(&pod.value, &["metadata", "finalizers"]).is_empty() {
            decision.writes.push(Write::Remove(key.clone()));
        } else if grace > 0 {
            // The kubelet is done; the finalizers are not.
            let mut value = pod.value.clone();
            json::set(&mut value, &["metadata", "deletionGracePeriodSeconds"], 0);
            decision.writes.push(Write::Replace(key.clone(), value));
        }
        return decision;
    }
    let phase = str_at(&pod.value, &["status", "phase"]);
    if matches!(phase, "Succeeded" | "Failed") {
        return decision;
    }
    let script = scripted(&pod.value);
    let mut value = pod.value.clone();
    if str_at(&value, &["spec", "nodeName"]).is_empty() {
        if script == script::UNSCHEDULABLE || !list_at(&value, &["spec", "schedulingGates"]).is_empty() {
            let message = "0/1 nodes are available: 1 node(s) didn't match the Pod's script.";
            set_condition(&mut value, "PodScheduled", "False", "Unschedulable", message, view.now);
        } else {
            json::set(&mut value, &["spec", "nodeName"], NODE);
            set_condition(&mut value, "PodScheduled", "True", "", "", view.now);
        }
        decision.writes = replace_if_changed(key, pod, value);
        return decision;
    }
    let delay = get(&value, &["metadata", "annotations", script::POD_DELAY]).and_then(Value::as_str).and_then(duration);
    let start = match script {
        script::SLOW => delay.unwrap_or(view.settings.pod_start * 20),
        _ => view.settings.pod_start,
    };
    let started = view.created(pod) + start;
    let ended = started + delay.filter(|_| script == script::FAILING).unwrap_or(view.settings.job_duration);
    let runs_to_end = str_at(&value, &["spec", "restartPolicy"]) != "Always";
    if view.now.elapsed < started {
        waiting(&mut value, "ContainerCreating", view);
        decision.wake_at(started);
    } else if script == script::IMAGE_MISSING {
        waiting(&mut value, "ImagePullBackOff", view);
    } else if runs_to_end && view.now.elapsed >= ended && script != script::NEVER_READY {
        match script {
            script::FAILING | script::CRASH_LOOPING => terminated(&mut value, "Failed", 1, view),
            _ => terminated(&mut value, "Succeeded", 0, view),
        }
    } else {
        let crashes = !runs_to_end && matches!(script, script::FAILING | script::CRASH_LOOPING);
        running(&mut value, script != script::NEVER_READY && !crashes, crashes, view);
        if runs_to_end {
            decision.wake_at(ended);
        }
    }
    decision.writes = replace_if_changed(key, pod, value);
    decision
}

/// `500ms`, `10s`, `2m`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

/// An address of its own, from its uid.
fn address(pod: &Value) -> String {
    let n = str_at(pod, &["metadata", "uid"]).bytes().fold(7_u32, |n, b| n.wrapping_mul(31).wrapping_add(u32::from(b)));
    format!("10.244.{}.{}", (n >> 8) & 0xff, (n & 0xff).max(2))
}

fn base(pod: &mut Value, phase: &str, view: &View<'_>) {
    json::set(pod, &["status", "phase"], phase);
    json::default(pod, &["status", "startTime"], view.now.rfc3339());
    json::set(pod, &["status", "hostIP"], "10.0.0.10");
    json::set(pod, &["status", "hostIPs"], json!([{"ip": "10.0.0.10"}]));
    set_condition(pod, "PodScheduled", "True", "", "", view.now);
}

fn statuses(pod: &mut Value, state: &dyn Fn(&Value) -> (Value, bool, i64)) {
    for (spec, status) in [("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")] {
        let list: Vec<Value> = list_at(pod, &["spec", spec])
            .iter()
            .map(|c| {
                let (mut state, mut ready, restarts) = state(c);
                if spec == "initContainers" && state.get("running").is_some() {
                    state = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
                    ready = true;
                }
                let image = str_at(c, &["image"]);
                json!({
                    "name": c["name"], "image": image, "imageID": if ready { format!("sha256:{image}") } else { String::new() },
                    "ready": ready, "started": state.get("running").is_some(), "restartCount": restarts, "state": state,
                    "lastState": {},
                })
            })
            .collect();
        if !list.is_empty() {
            json::set(pod, &["status", status], list);
        }
    }
}

fn waiting(pod: &mut Value, reason: &str, view: &View<'_>) {
    base(pod, "Pending", view);
    set_condition(pod, "Initialized", "True", "", "", view.now);
    not_ready(pod, view);
    let reason = reason.to_owned();
    statuses(pod, &|_| (json!({"waiting": {"reason": reason}}), false, 0));
}

fn not_ready(pod: &mut Value, view: &View<'_>) {
    let names: Vec<&str> = list_at(pod, &["spec", "containers"]).iter().map(|c| str_at(c, &["name"])).collect();
    let message = format!("containers with unready status: [{}]", names.join(" "));
    for kind in ["Ready", "ContainersReady"] {
        set_condition(pod, kind, "False", "ContainersNotReady", &message, view.now);
    }
}

fn running(pod: &mut Value, ready: bool, crashes: bool, view: &View<'_>) {
    base(pod, "Running", view);
    let ip = address(pod);
    json::set(pod, &["status", "podIPs"], json!([{"ip": ip}]));
    json::set(pod, &["status", "podIP"], ip);
    set_condition(pod, "Initialized", "True", "", "", view.now);
    if ready {
        for kind in ["Ready", "ContainersReady"] {
            set_condition(pod, kind, "True", "", "", view.now);
        }
    } else {
        not_ready(pod, view);
    }
    let since = str_at(pod, &["status", "startTime"]).to_owned();
    statuses(pod, &|_| {
        if crashes {
            let message = "back-off 5m0s restarting failed container";
            (json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}}), false, 3)
        } else {
            (json!({"running": {"startedAt": since}}), ready, 0)
        }
    });
}

fn terminated(pod: &mut Value, phase: &str, code: i64, view: &View<'_>) {
    base(pod, phase, view);
    let reason = if code == 0 { "PodCompleted" } else { "PodFailed" };
    for kind in ["Ready", "ContainersReady"] {
        set_condition(pod, kind, "False", reason, "", view.now);
    }
    let since = str_at(pod, &["status", "startTime"]).to_owned();
    let end = view.now.rfc3339();
    let reason = if code == 0 { "Completed" } else { "Error" };
    statuses(pod, &|_| {
        let state = json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": since, "finishedAt": end}});
        (state, false, 0)
    });
}
