//! Jobs: Pods until enough of them succeeded or too many failed.

use std::time::Duration;

use serde_json::json;

use super::{Decision, View, Write, has_condition, is_ready, pod_from, replace_if_changed, set_condition};
use crate::{
    clock::seconds_since,
    json::{self, get, i64_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, job: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &job.value;
    if job.is_terminating() {
        return decision;
    }
    if ["Complete", "Failed"].iter().any(|c| has_condition(value, c, "True")) {
        expire(view, key, job, &mut decision);
        return decision;
    }
    let pods = view.owned(job, "", "pods");
    let phase = |wanted: &str| pods.iter().filter(|p| str_at(&p.value, &["status", "phase"]) == wanted).count() as i64;
    let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
    let active: Vec<_> = pods
        .iter()
        .filter(|p| !p.is_terminating() && !matches!(str_at(&p.value, &["status", "phase"]), "Succeeded" | "Failed"))
        .collect();
    let mut after = value.clone();
    let number = |path: &[&str]| i64_at(value, path);
    let completions = number(&["spec", "completions"]);
    let parallelism = number(&["spec", "parallelism"]).unwrap_or(1);
    let suspended = value["spec"]["suspend"] == true;
    if !suspended {
        json::default(&mut after, &["status", "startTime"], view.now.rfc3339());
    }
    let started = str_at(&after, &["status", "startTime"]).to_owned();
    let deadline = number(&["spec", "activeDeadlineSeconds"]).filter(|_| !suspended);
    let late = deadline.is_some_and(|d| seconds_since(&started, view.now) >= d);
    let exhausted = failed > number(&["spec", "backoffLimit"]).unwrap_or(6);
    let done = match completions {
        Some(n) => succeeded >= n,
        None => succeeded > 0 && active.is_empty(),
    };
    let delete_active = |decision: &mut Decision| {
        for pod in &active {
            let at = ObjectKey::new(&GroupResource::new("", "pods"), pod.namespace(), pod.name());
            decision.writes.push(Write::Delete(at, Propagation::Background));
        }
    };
    let mut left = active.len() as i64;
    if late || exhausted {
        let (reason, message) = if exhausted {
            ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        } else {
            ("DeadlineExceeded", "Job was active longer than specified deadline")
        };
        delete_active(&mut decision);
        left = 0;
        set_condition(&mut after, "FailureTarget", "True", reason, message, view.now);
        set_condition(&mut after, "Failed", "True", reason, message, view.now);
    } else if done {
        set_condition(
            &mut after,
            "SuccessCriteriaMet",
            "True",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
            view.now,
        );
        set_condition(
            &mut after,
            "Complete",
            "True",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
            view.now,
        );
        json::set(&mut after, &["status", "completionTime"], view.now.rfc3339());
    } else if suspended {
        delete_active(&mut decision);
        left = 0;
        json::remove(&mut after, &["status", "startTime"]);
        set_condition(&mut after, "Suspended", "True", "JobSuspended", "Job suspended", view.now);
    } else {
        if has_condition(&after, "Suspended", "True") {
            set_condition(&mut after, "Suspended", "False", "JobResumed", "Job resumed", view.now);
        }
        let wanted = completions.map_or(parallelism, |n| parallelism.min(n - succeeded));
        let wanted = if completions.is_none() && succeeded > 0 { 0 } else { wanted };
        for _ in left..wanted {
            let mut pod = pod_from(&value["spec"]["template"], job);
            json::set(&mut pod, &["metadata", "generateName"], format!("{}-", job.name()));
            decision.writes.push(Write::Create(GroupResource::new("", "pods"), pod));
        }
        left = left.max(wanted);
    }
    let ready = active.iter().filter(|p| is_ready(&p.value)).count();
    for (field, n) in [("active", left), ("succeeded", succeeded), ("failed", failed)] {
        if n > 0 {
            json::set(&mut after, &["status", field], n);
        } else {
            json::remove(&mut after, &["status", field]);
        }
    }
    json::set(&mut after, &["status", "ready"], if left == 0 { 0 } else { ready });
    json::default(&mut after, &["status", "uncountedTerminatedPods"], json!({}));
    if let Some(deadline) = deadline {
        let rest = (deadline - seconds_since(&started, view.now)).max(1);
        decision.wake_at(view.now.elapsed + Duration::from_secs(rest.unsigned_abs()));
    }
    decision.writes.extend(replace_if_changed(key, job, after));
    decision
}

/// A finished Job with a time to live goes when it is over.
fn expire(view: &View<'_>, key: &ObjectKey, job: &Stored, decision: &mut Decision) {
    let Some(ttl) = i64_at(&job.value, &["spec", "ttlSecondsAfterFinished"]) else {
        return;
    };
    let end = get(&job.value, &["status", "completionTime"])
        .and_then(|t| t.as_str())
        .unwrap_or_else(|| super::condition(&job.value, "Failed").map_or("", |c| str_at(c, &["lastTransitionTime"])));
    let left = ttl - seconds_since(end, view.now);
    if left <= 0 {
        decision.writes.push(Write::Delete(key.clone(), Propagation::Background));
    } else {
        decision.wake_at(view.now.elapsed + Duration::from_secs(left.unsigned_abs()));
    }
}
