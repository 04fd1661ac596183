//! The row of a Pod: what its containers are doing, in one word.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    columns::name,
    text::{age, condition, created, or},
};
use crate::{
    clock::Now,
    json::{get, i64_at, list_at, str_at},
};

/// A Pod that ended says so beside its cells, so that kubectl can leave it out.
pub(super) fn conditions(pod: &Value, row: &mut Value) {
    let (reason, message) = match str_at(pod, &["status", "phase"]) {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return,
    };
    row["conditions"] = json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]);
}

/// What the containers of a Pod come to.
struct Tally {
    reason: String,
    restarts: i64,
    last_restart: String,
    ready: usize,
    total: usize,
}

impl Tally {
    fn restarted(&mut self, container: &Value) {
        self.restarts += i64_at(container, &["restartCount"]).unwrap_or_default();
        let ended = str_at(container, &["lastState", "terminated", "finishedAt"]);
        // Times of one format sort as text.
        if ended > self.last_restart.as_str() {
            self.last_restart = ended.to_owned();
        }
    }
}

fn ended_because(terminated: &Value) -> String {
    match (str_at(terminated, &["reason"]), i64_at(terminated, &["signal"]).unwrap_or_default()) {
        ("", 0) => format!("ExitCode:{}", i64_at(terminated, &["exitCode"]).unwrap_or_default()),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

pub(super) fn pod(pod: &Value, now: Now) -> Vec<Value> {
    let phase = str_at(pod, &["status", "phase"]);
    let own_reason = str_at(pod, &["status", "reason"]);
    let mut tally = Tally {
        reason: if own_reason.is_empty() { phase.to_owned() } else { own_reason.to_owned() },
        restarts: 0,
        last_restart: String::new(),
        ready: 0,
        total: list_at(pod, &["spec", "containers"]).len(),
    };
    let gated = list_at(pod, &["status", "conditions"])
        .iter()
        .any(|c| str_at(c, &["type"]) == "PodScheduled" && str_at(c, &["reason"]) == "SchedulingGated");
    if gated {
        tally.reason = "SchedulingGated".to_owned();
    }
    let mut sidecars = tally_init(pod, &mut tally);
    let initializing = sidecars.initializing;
    if !initializing || condition(pod, "Initialized") == Some(true) {
        (sidecars.tally.ready, sidecars.tally.total) = (tally.ready, tally.total);
        sidecars.tally.reason = tally.reason;
        tally = sidecars.tally;
        tally_containers(pod, &mut tally);
    }
    if get(pod, &["metadata", "deletionTimestamp"]).is_some() {
        if own_reason == "NodeLost" {
            tally.reason = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            tally.reason = "Terminating".to_owned();
        }
    }
    let restarts = match tally.last_restart.as_str() {
        last if tally.restarts != 0 && !last.is_empty() => format!("{} ({} ago)", tally.restarts, age(last, now)),
        _ => tally.restarts.to_string(),
    };
    let ip = list_at(pod, &["status", "podIPs"]).first().map(|ip| str_at(ip, &["ip"])).unwrap_or_default();
    vec![
        name(pod),
        format!("{}/{}", tally.ready, tally.total).into(),
        tally.reason.into(),
        restarts.into(),
        age(created(pod), now).into(),
        or(ip, "<none>"),
        or(str_at(pod, &["spec", "nodeName"]), "<none>"),
        or(str_at(pod, &["status", "nominatedNodeName"]), "<none>"),
        gates(pod),
    ]
}

/// What the init containers that keep running come to, in case the Pod has got past the others.
struct Sidecars {
    tally: Tally,
    initializing: bool,
}

fn tally_init(pod: &Value, tally: &mut Tally) -> Sidecars {
    let mut sidecars = Tally { reason: String::new(), restarts: 0, last_restart: String::new(), ready: 0, total: 0 };
    let init: BTreeMap<&str, bool> = list_at(pod, &["spec", "initContainers"])
        .iter()
        .map(|c| (str_at(c, &["name"]), str_at(c, &["restartPolicy"]) == "Always"))
        .collect();
    tally.total += init.values().filter(|keeps_running| **keeps_running).count();
    for (i, container) in list_at(pod, &["status", "initContainerStatuses"]).iter().enumerate() {
        tally.restarted(container);
        let sidecar = init.get(str_at(container, &["name"])).copied().unwrap_or_default();
        if sidecar {
            sidecars.restarted(container);
        }
        let terminated = get(container, &["state", "terminated"]);
        if terminated.is_some_and(|t| i64_at(t, &["exitCode"]).unwrap_or_default() == 0) {
            continue;
        }
        if sidecar && container["started"] == true {
            if container["ready"] == true {
                tally.ready += 1;
            }
            continue;
        }
        let waiting = str_at(container, &["state", "waiting", "reason"]);
        tally.reason = match terminated {
            Some(terminated) => format!("Init:{}", ended_because(terminated)),
            None if !matches!(waiting, "" | "PodInitializing") => format!("Init:{waiting}"),
            None => format!("Init:{i}/{}", list_at(pod, &["spec", "initContainers"]).len()),
        };
        return Sidecars { tally: sidecars, initializing: true };
    }
    Sidecars { tally: sidecars, initializing: false }
}

fn tally_containers(pod: &Value, tally: &mut Tally) {
    let mut running = false;
    let mut error = String::new();
    for container in list_at(pod, &["status", "containerStatuses"]).iter().rev() {
        tally.restarted(container);
        let waiting = str_at(container, &["state", "waiting", "reason"]);
        if !waiting.is_empty() {
            tally.reason = waiting.to_owned();
        } else if let Some(terminated) = get(container, &["state", "terminated"]) {
            tally.reason = ended_because(terminated);
            if i64_at(terminated, &["exitCode"]).unwrap_or_default() != 0 {
                error.clone_from(&tally.reason);
            }
        } else if container["ready"] == true && get(container, &["state", "running"]).is_some() {
            running = true;
            tally.ready += 1;
        }
    }
    // One container that ended does not say that the Pod has.
    if tally.reason == "Completed" {
        if running && condition(pod, "Ready") == Some(true) {
            tally.reason = "Running".to_owned();
        } else if !error.is_empty() {
            tally.reason = error;
        } else if running {
            tally.reason = "NotReady".to_owned();
        }
    }
}

fn gates(pod: &Value) -> Value {
    let gates = list_at(pod, &["spec", "readinessGates"]);
    if gates.is_empty() {
        return "<none>".into();
    }
    let open = gates.iter().filter(|g| condition(pod, str_at(g, &["conditionType"])) == Some(true)).count();
    format!("{open}/{}", gates.len()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn status(object: &Value) -> Vec<Value> {
        pod(object, Clock::new(None).now())[1..4].to_vec()
    }

    #[test]
    fn a_pod_in_one_word() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "b"}]});
        let running = json!({"name": "a", "ready": true, "state": {"running": {}}});
        let object = |phase: &str, b: Value| json!({"metadata": {"name": "p"}, "spec": spec, "status": {"phase": phase, "containerStatuses": [running, b]}});
        assert_eq!(status(&object("Running", running.clone())), ["2/2", "Running", "0"]);
        let waiting = json!({"name": "b", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        assert_eq!(status(&object("Running", waiting)), ["1/2", "CrashLoopBackOff", "3"]);
        let ended = json!({"name": "b", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        assert_eq!(status(&object("Running", ended)), ["1/2", "NotReady", "0"]);
        let mut going = object("Running", running.clone());
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(status(&going)[1], "Terminating");
        let init = json!({
            "metadata": {"name": "p"}, "spec": {"containers": [{}], "initContainers": [{"name": "i"}, {"name": "j"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "j", "state": {"running": {}}},
            ]},
        });
        assert_eq!(status(&init), ["0/1", "Init:1/2", "0"]);
    }
}
