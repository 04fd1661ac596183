//! The kubelet: Pods start on their node, get ready, crash, end.

mod life;

use std::time::Duration;

use serde_json::{Value, json};

use self::life::{Exit, Fate, Life};
use super::{
    Decision, View,
    conditions::{is_finished, remove_condition, set_condition},
    controller_of,
    events::Note,
    scheduler,
    script::{self, Script},
    writes::Write,
};
use crate::{
    json::{self, get, i64_at, list_at, str_at},
    store::{ObjectKey, Stored},
};

/// How much longer a slow Pod takes than others, unless it says how long.
const SLOW: u32 = 20;

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, pod: &Stored) -> Decision {
    let mut decision = Decision::default();
    if pod.is_terminating() {
        stop(view, key, pod, &mut decision);
        return decision;
    }
    if is_finished(&pod.value) {
        return decision;
    }
    let script = script::of_pod(view.state, pod);
    let node = str_at(&pod.value, &["spec", "nodeName"]);
    if node.is_empty() {
        scheduler::schedule(view, key, pod, script.as_ref(), &mut decision);
        return decision;
    }
    let on = view.get("", "nodes", "", node);
    if on.is_none() {
        // The collector of Pods takes those whose node is gone.
        decision.write(Write::Remove(key.clone()));
        return decision;
    }
    let fate = fate(view, pod, script);
    let bound = view.created(pod);
    let (life, next) = fate.at(view.now.elapsed.saturating_sub(bound));
    if let Some(next) = next
        && let Some(at) = bound.checked_add(next)
        && next < Duration::MAX
    {
        decision.wake_at(at);
    }
    let address =
        on.and_then(|n| list_at(&n.value, &["status", "addresses"]).iter().find(|a| a["type"] == "InternalIP"));
    let mut value = pod.value.clone();
    show(view, &mut value, life, address.map(|a| str_at(a, &["address"])));
    if value != pod.value {
        let notes = notes(&pod.value, &value, life);
        decision.write(Write::Status(key.clone(), value));
        for note in notes {
            decision.report(note.on(node));
        }
    }
    decision
}

/// The end of a Pod that is deleted: after its time to stop, and when nobody holds it any more.
fn stop(view: &View<'_>, key: &ObjectKey, pod: &Stored, decision: &mut Decision) {
    let grace = i64_at(&pod.value, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
    let held = !list_at(&pod.value, &["metadata", "finalizers"]).is_empty();
    let end = view.deleted(pod) + view.settings.pod_stop.min(Duration::from_secs(grace.unsigned_abs()));
    if view.now.elapsed < end {
        decision.wake_at(end);
        // Told once: the Pod is seen again only when it changes.
        if !is_finished(&pod.value) && str_at(&pod.value, &["status", "phase"]) == "Running" && grace > 0 {
            for container in list_at(&pod.value, &["spec", "containers"]) {
                let message = format!("Stopping container {}", str_at(container, &["name"]));
                let note = Note::normal("kubelet", "Killing", message);
                decision.report(note.on(str_at(&pod.value, &["spec", "nodeName"])));
            }
        }
    } else if !held {
        decision.write(Write::Remove(key.clone()));
    } else if grace > 0 {
        // The kubelet is done; the finalizers are not.
        let mut value = pod.value.clone();
        if !is_finished(&value) {
            let life = Life::Ended { exit: Exit::Failure, restarts: 0 };
            show(view, &mut value, life, None);
        }
        decision.write(Write::Status(key.clone(), value));
        decision.write(Write::Stopped(key.clone()));
    }
}

fn fate(view: &View<'_>, pod: &Stored, script: Option<Script>) -> Fate {
    let value = &pod.value;
    let settings = view.settings;
    let policy = str_at(value, &["spec", "restartPolicy"]);
    let sidecar = |c: &&Value| str_at(c, &["restartPolicy"]) == "Always";
    let init = list_at(value, &["spec", "initContainers"]).iter().filter(|c| !sidecar(c)).count();
    let mut fate = Fate {
        start: settings.pod_start,
        init: u32::try_from(init).unwrap_or(u32::MAX - 1),
        image_missing: false,
        ready: true,
        end: (policy != "Always").then_some((settings.job_duration, Exit::Success)),
        restarts: policy != "Never",
        crashes: None,
        ready_until: false,
        evicted: None,
        deadline: i64_at(value, &["spec", "activeDeadlineSeconds"])
            .map(|s| Duration::from_secs(s.max(0).unsigned_abs())),
    };
    let usual = settings.job_duration;
    match script {
        Some(Script::NeverReady) => (fate.ready, fate.end) = (false, None),
        Some(Script::Slow(delay)) => {
            fate.start = if delay == Duration::MAX { settings.pod_start.saturating_mul(SLOW) } else { delay };
        }
        Some(Script::Takes(duration)) => fate.end = fate.end.map(|(_, exit)| (duration, exit)),
        Some(Script::ImageMissing) => fate.image_missing = true,
        Some(Script::CrashLoops { times }) => {
            let times = if policy == "Never" { left(view, pod, times) } else { times };
            fate.crashes = Some((usual, times));
        }
        Some(Script::Fails { after, times }) => {
            let times = if policy == "Never" { left(view, pod, times) } else { times };
            fate.crashes = Some((if after.is_zero() { usual } else { after }, times));
            fate.ready_until = !after.is_zero();
        }
        Some(Script::Evicted(after)) => fate.evicted = Some(after),
        _ => {}
    }
    fate
}

/// How often a Pod of a Job has still to fail: each of its Pods fails once.
fn left(view: &View<'_>, pod: &Stored, times: Option<u32>) -> Option<u32> {
    let times = times?;
    let job = controller_of(&pod.value).and_then(|r| view.state.store.by_uid(str_at(r, &["uid"])));
    let Some(job) = job.and_then(|k| view.state.store.at(k)) else {
        return Some(times);
    };
    let counted = i64_at(&job.value, &["status", "failed"]).unwrap_or(0);
    let fresh = view.owned(job, "", "pods").into_iter().filter(|p| {
        str_at(&p.value, &["status", "phase"]) == "Failed" && !list_at(&p.value, &["metadata", "finalizers"]).is_empty()
    });
    let failed = u32::try_from(counted).unwrap_or(0).saturating_add(u32::try_from(fresh.count()).unwrap_or(0));
    Some(times.saturating_sub(failed))
}

/// An address of its own, from its uid.
fn address(pod: &Value) -> String {
    let n = str_at(pod, &["metadata", "uid"]).bytes().fold(7_u32, |n, b| n.wrapping_mul(31).wrapping_add(u32::from(b)));
    format!("10.244.{}.{}", (n >> 8) & 0xff, (n & 0xff).max(2))
}

fn names(list: &[Value]) -> String {
    list.iter().map(|c| str_at(c, &["name"])).collect::<Vec<_>>().join(" ")
}

/// Writes into the Pod's status what it is doing.
fn show(view: &View<'_>, pod: &mut Value, life: Life, host: Option<&str>) {
    let now = view.now;
    json::default(pod, &["status", "startTime"], now.rfc3339());
    if let Some(host) = host {
        json::set(pod, &["status", "hostIP"], host);
        json::set(pod, &["status", "hostIPs"], json!([{"ip": host}]));
    }
    let all = list_at(pod, &["spec", "containers"]).to_vec();
    let init: Vec<Value> = list_at(pod, &["spec", "initContainers"]).to_vec();
    let unready = format!("containers with unready status: [{}]", names(&all));
    let mut conditions = |initialized: bool, ready: bool, reason: &str, message: &str| {
        if initialized {
            set_condition(pod, "Initialized", "True", "", "", now);
        } else {
            let message = format!("containers with incomplete status: [{}]", names(&init));
            set_condition(pod, "Initialized", "False", "ContainersNotInitialized", &message, now);
        }
        for kind in ["Ready", "ContainersReady"] {
            let status = if ready { "True" } else { "False" };
            set_condition(pod, kind, status, reason, message, now);
        }
    };
    let phase = match life {
        Life::Initializing(_) => {
            conditions(false, false, "ContainersNotReady", &unready);
            "Pending"
        }
        Life::Creating | Life::ImageMissing => {
            conditions(true, false, "ContainersNotReady", &unready);
            "Pending"
        }
        Life::Running { ready: true, .. } => {
            conditions(true, true, "", "");
            "Running"
        }
        Life::Running { ready: false, .. } | Life::BackOff { .. } => {
            conditions(true, false, "ContainersNotReady", &unready);
            "Running"
        }
        Life::Ended { exit: Exit::Success, .. } => {
            conditions(true, false, "PodCompleted", "");
            "Succeeded"
        }
        Life::Ended { exit: Exit::Failure, .. } | Life::Evicted | Life::DeadlineExceeded => {
            conditions(true, false, "PodFailed", "");
            "Failed"
        }
    };
    for gate in list_at(pod, &["spec", "readinessGates"]).to_vec() {
        let kind = str_at(&gate, &["conditionType"]).to_owned();
        if matches!(life, Life::Running { ready: true, .. }) && super::conditions::condition(pod, &kind).is_none() {
            set_condition(pod, &kind, "True", "", "", now);
        }
    }
    match life {
        Life::Evicted => {
            json::set(pod, &["status", "reason"], "Evicted");
            json::set(pod, &["status", "message"], "The node was low on resource: memory. ");
            let message = "The node was low on resource: memory. ";
            set_condition(pod, "DisruptionTarget", "True", "TerminationByKubelet", message, now);
        }
        Life::DeadlineExceeded => {
            json::set(pod, &["status", "reason"], "DeadlineExceeded");
            let message = "Pod was active on the node longer than the specified deadline";
            json::set(pod, &["status", "message"], message);
        }
        _ => remove_condition(pod, "DisruptionTarget"),
    }
    json::set(pod, &["status", "phase"], phase);
    if matches!(life, Life::Running { .. } | Life::BackOff { .. } | Life::Ended { .. }) {
        let ip = get(pod, &["status", "podIP"]).and_then(Value::as_str).map_or_else(|| address(pod), str::to_owned);
        json::set(pod, &["status", "podIPs"], json!([{"ip": ip}]));
        json::set(pod, &["status", "podIP"], ip);
    }
    statuses(pod, life, &all, &init, &now.rfc3339());
}

fn statuses(pod: &mut Value, life: Life, all: &[Value], init: &[Value], now: &str) {
    let reference = format!(
        "{}_{}({})",
        str_at(pod, &["metadata", "name"]),
        str_at(pod, &["metadata", "namespace"]),
        str_at(pod, &["metadata", "uid"])
    );
    let begun = str_at(pod, &["status", "startTime"]).to_owned();
    let mut lists = Vec::new();
    for (field, specs, is_init) in [("containerStatuses", all, false), ("initContainerStatuses", init, true)] {
        let mut number = 0;
        let list: Vec<Value> = specs
            .iter()
            .map(|spec| {
                let name = str_at(spec, &["name"]);
                let old = list_at(pod, &["status", field]).iter().find(|s| str_at(s, &["name"]) == name);
                let sidecar = is_init && str_at(spec, &["restartPolicy"]) == "Always";
                let at = number;
                number += u32::from(is_init && !sidecar);
                let mut status = if is_init {
                    initial(life, at, sidecar, old, &begun, now)
                } else {
                    container(life, name, &reference, old, now)
                };
                let image = str_at(spec, &["image"]);
                status["name"] = name.into();
                status["image"] = image.into();
                let pulled = status["state"].get("waiting").is_none();
                status["imageID"] = if pulled { format!("sha256:{image}").into() } else { "".into() };
                status
            })
            .collect();
        lists.push((field, list));
    }
    for (field, list) in lists {
        if !list.is_empty() {
            json::set(pod, &["status", field], list);
        }
    }
}

/// When a state of the same sort began: the present one goes on.
fn since(old: Option<&Value>, sort: &str, now: &str) -> String {
    let before = old.map_or("", |o| str_at(o, &["state", sort, "startedAt"]));
    if before.is_empty() { now.to_owned() } else { before.to_owned() }
}

fn container(life: Life, name: &str, reference: &str, old: Option<&Value>, now: &str) -> Value {
    let count = |status: &Value| i64_at(status, &["restartCount"]).unwrap_or(0);
    let was = old.map_or(0, count);
    let mut last = old.and_then(|o| o.get("lastState")).cloned().unwrap_or_else(|| json!({}));
    let waiting = |reason: &str, message: &str| {
        let mut waiting = json!({"reason": reason});
        if !message.is_empty() {
            waiting["message"] = message.into();
        }
        (json!({"waiting": waiting}), false, false)
    };
    let over = |code: i64, reason: &str| {
        let started = since(old, "running", now);
        json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now}})
    };
    let restarts = match life {
        Life::Running { restarts, .. } | Life::BackOff { restarts, .. } | Life::Ended { restarts, .. } => {
            was.max(i64::from(restarts))
        }
        _ => was,
    };
    let crashed = matches!(life, Life::BackOff { .. }) && old.is_some_and(|o| get(o, &["state", "running"]).is_some());
    let again = restarts > was;
    if crashed || (again && last.as_object().is_some_and(serde_json::Map::is_empty)) {
        last = over(1, "Error");
    }
    let (state, ready, started) = match life {
        Life::Initializing(_) => waiting("PodInitializing", ""),
        Life::Creating => waiting("ContainerCreating", ""),
        Life::ImageMissing => waiting("ImagePullBackOff", "Back-off pulling image"),
        Life::Running { ready, .. } => {
            let started = if again { now.to_owned() } else { since(old, "running", now) };
            (json!({"running": {"startedAt": started}}), ready, true)
        }
        Life::BackOff { wait, .. } => {
            let wait = match wait.as_secs() {
                300 => "5m0s".to_owned(),
                s if s >= 60 => format!("{}m{}s", s / 60, s % 60),
                s => format!("{s}s"),
            };
            waiting("CrashLoopBackOff", &format!("back-off {wait} restarting failed container={name} pod={reference}"))
        }
        Life::Ended { exit: Exit::Success, .. } => (over(0, "Completed"), false, false),
        Life::Ended { exit: Exit::Failure, .. } => (over(1, "Error"), false, false),
        Life::Evicted | Life::DeadlineExceeded => (over(137, "Error"), false, false),
    };
    json!({"state": state, "lastState": last, "ready": ready, "started": started, "restartCount": restarts})
}

fn initial(life: Life, at: u32, sidecar: bool, old: Option<&Value>, begun: &str, now: &str) -> Value {
    let done = |started: &str| {
        let end = old.map_or("", |o| str_at(o, &["state", "terminated", "finishedAt"]));
        let end = if end.is_empty() { now } else { end };
        json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": end}})
    };
    let (state, ready) = match life {
        Life::Initializing(current) if !sidecar && at > current => {
            (json!({"waiting": {"reason": "PodInitializing"}}), false)
        }
        Life::Initializing(current) if !sidecar && at == current => (json!({"running": {"startedAt": now}}), false),
        Life::Ended { .. } | Life::Evicted | Life::DeadlineExceeded if sidecar => (done(begun), false),
        _ if sidecar => (json!({"running": {"startedAt": begun}}), true),
        _ => (done(begun), true),
    };
    let state = match (state, old) {
        // It goes on running: its start stays.
        (state, Some(old)) if state.get("running").is_some() && get(old, &["state", "running"]).is_some() => {
            old["state"].clone()
        }
        (state, _) => state,
    };
    let started = state.get("running").is_some();
    json!({"state": state, "lastState": {}, "ready": ready, "started": started, "restartCount": 0})
}

/// What the kubelet reports about a change of life.
fn notes(before: &Value, after: &Value, life: Life) -> Vec<Note> {
    let mut notes = Vec::new();
    let normal = |reason: &str, message: String| Note::normal("kubelet", reason, message);
    let warning = |reason: &str, message: String| Note::warning("kubelet", reason, message);
    let status = |pod: &Value, field: &str, name: &str| {
        list_at(pod, &["status", field]).iter().find(|s| str_at(s, &["name"]) == name).cloned().unwrap_or(Value::Null)
    };
    for (specs, field) in [("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")] {
        for spec in list_at(after, &["spec", specs]) {
            let (name, image) = (str_at(spec, &["name"]), str_at(spec, &["image"]));
            let (old, new) = (status(before, field, name), status(after, field, name));
            let begun =
                |s: &Value| get(s, &["state", "running"]).is_some() || get(s, &["state", "terminated"]).is_some();
            let again = i64_at(&new, &["restartCount"]) > i64_at(&old, &["restartCount"]);
            if begun(&new) && (!begun(&old) || again) {
                notes.push(normal("Pulled", format!("Container image {image:?} already present on machine")));
                notes.push(normal("Created", format!("Container created: {name}")));
                notes.push(normal("Started", "Container started".to_owned()));
            }
            let reason = str_at(&new, &["state", "waiting", "reason"]);
            if reason == str_at(&old, &["state", "waiting", "reason"]) {
                continue;
            }
            if reason == "ImagePullBackOff" {
                notes.push(normal("Pulling", format!("Pulling image {image:?}")));
                notes.push(warning("Failed", format!("Failed to pull image {image:?}: not found")));
                notes.push(warning("Failed", "Error: ErrImagePull".to_owned()));
                notes.push(normal("BackOff", format!("Back-off pulling image {image:?}")));
                notes.push(warning("Failed", "Error: ImagePullBackOff".to_owned()));
            }
            if reason == "CrashLoopBackOff" {
                let pod = str_at(after, &["metadata", "name"]);
                let of = format!(
                    "{pod}_{}({})",
                    str_at(after, &["metadata", "namespace"]),
                    str_at(after, &["metadata", "uid"])
                );
                notes.push(warning("BackOff", format!("Back-off restarting failed container {name} in pod {of}")));
            }
        }
    }
    match life {
        Life::Evicted => notes.push(warning("Evicted", "The node was low on resource: memory. ".to_owned())),
        Life::DeadlineExceeded => {
            let message = "Pod was active on the node longer than the specified deadline";
            notes.push(normal("DeadlineExceeded", message.to_owned()));
        }
        Life::Running { ready: false, .. } => {
            for container in list_at(after, &["spec", "containers"]) {
                if get(container, &["readinessProbe"]).is_some() {
                    notes.push(warning("Unhealthy", "Readiness probe failed: the script says so".to_owned()));
                }
            }
        }
        _ => {}
    }
    notes
}
