//! What a Deployment says about itself: counts, availability, progress.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>

use std::time::Duration;

use serde_json::{Value, json};

use super::{Decision, Rollout, UNLIMITED, in_status, replicas};
use crate::{
    clock::{Now, seconds_since},
    controllers::conditions::{condition, generation, put_counts, remove_condition},
    json::{self, i64_at, list_at, str_at},
};

/// Whether the Deployment has a deadline for its progress.
pub(super) fn has_deadline(deployment: &Value) -> bool {
    i64_at(deployment, &["spec", "progressDeadlineSeconds"]).is_some_and(|d| d < UNLIMITED)
}

/// The Deployment as it is when the ReplicaSet for its template was refused.
pub(in crate::controllers) fn not_made(deployment: &Value, why: &str, now: Now) -> Value {
    let mut after = deployment.clone();
    if has_deadline(deployment) {
        put_condition(&mut after, "Progressing", "False", "ReplicaSetCreateError", why, false, now);
    }
    after
}

/// Whether a status says that everything is as wanted.
pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let wanted = replicas(deployment);
    let is = |field: &str| i64_at(status, &[field]).unwrap_or(0) == wanted;
    is("updatedReplicas")
        && is("replicas")
        && is("availableReplicas")
        && i64_at(status, &["observedGeneration"]).unwrap_or(0) >= generation(deployment)
}

/// Sets a condition as the deployment controller does: one that says something new goes to the end of the list, one that
/// says the same stays as it is unless it is renewed.
pub(super) fn put_condition(
    object: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    renew: bool,
    now: Now,
) {
    let old = condition(object, kind).cloned();
    let says_the_same = |c: &Value| str_at(c, &["status"]) == status && str_at(c, &["reason"]) == reason;
    if old.as_ref().is_some_and(says_the_same) && !renew {
        return;
    }
    let time = now.rfc3339();
    let transition = match &old {
        Some(c) if str_at(c, &["status"]) == status => str_at(c, &["lastTransitionTime"]).to_owned(),
        _ => time.clone(),
    };
    let mut list = list_at(object, &["status", "conditions"]).to_vec();
    list.retain(|c| str_at(c, &["type"]) != kind);
    list.push(json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": time, "lastTransitionTime": transition,
    }));
    json::set(object, &["status", "conditions"], list);
}

impl Rollout<'_> {
    /// The counts, and whether enough Pods serve.
    fn counted(&self) -> Value {
        let value = self.value();
        let mut after = value.clone();
        let sum = |field: &str| -> i64 { self.all().map(|s| in_status(&s.value, field)).sum() };
        let asked: i64 = self.all().map(|s| replicas(&s.value)).sum();
        let available = sum("availableReplicas");
        let mut fresh = json!({
            "observedGeneration": generation(value), "terminatingReplicas": sum("terminatingReplicas"),
        });
        put_counts(
            &mut fresh,
            &[
                ("replicas", sum("replicas")),
                ("updatedReplicas", self.new.map_or(0, |n| in_status(&n.value, "replicas"))),
                ("readyReplicas", sum("readyReplicas")),
                ("availableReplicas", available),
                ("unavailableReplicas", (asked - available).max(0)),
                ("collisionCount", in_status(value, "collisionCount")),
            ],
        );
        let conditions = list_at(value, &["status", "conditions"]).to_vec();
        if !conditions.is_empty() {
            fresh["conditions"] = conditions.into();
        }
        after["status"] = fresh;
        let (status, reason, message) = if available >= self.bounds.least() {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        put_condition(&mut after, "Available", status, reason, message, false, self.view.now);
        after
    }

    /// Says what is, and nothing about progress.
    pub(super) fn show(&self, decision: &mut Decision) {
        decision.status(self.key, self.deployment, self.counted());
    }

    /// Says what is, and how the rollout goes.
    pub(super) fn show_progress(&self, decision: &mut Decision) {
        let mut after = self.counted();
        let failure = self.new.and_then(|n| condition(&n.value, "ReplicaFailure")).cloned();
        if has_deadline(self.value()) {
            self.progress(&mut after, decision);
        } else {
            remove_condition(&mut after, "Progressing");
        }
        match failure {
            Some(f) => {
                let (reason, message) = (str_at(&f, &["reason"]), str_at(&f, &["message"]));
                put_condition(&mut after, "ReplicaFailure", "True", reason, message, false, self.view.now);
            }
            None => remove_condition(&mut after, "ReplicaFailure"),
        }
        decision.status(self.key, self.deployment, after);
    }

    fn progress(&self, after: &mut Value, decision: &mut Decision) {
        let (before, now) = (&self.value()["status"], self.view.now);
        let current = condition(self.value(), "Progressing").cloned();
        let reason = current.as_ref().map_or("", |c| str_at(c, &["reason"]));
        let count = |status: &Value, field: &str| i64_at(status, &[field]).unwrap_or(0);
        let fresh = after["status"].clone();
        let over = reason == "NewReplicaSetAvailable" && count(&fresh, "replicas") == count(&fresh, "updatedReplicas");
        if over {
            return;
        }
        let what = self.new.map_or_else(
            || format!("Deployment {:?}", self.deployment.name()),
            |n| format!("ReplicaSet {:?}", n.name()),
        );
        if is_complete(self.value(), &fresh) {
            let message = format!("{what} has successfully progressed.");
            put_condition(after, "Progressing", "True", "NewReplicaSetAvailable", &message, false, now);
            return;
        }
        let grew = |field: &str| count(&fresh, field) > count(before, field);
        let outdated = |status: &Value| count(status, "replicas") - count(status, "updatedReplicas");
        let moved = grew("updatedReplicas")
            || grew("readyReplicas")
            || grew("availableReplicas")
            || outdated(&fresh) < outdated(before);
        let deadline = i64_at(self.value(), &["spec", "progressDeadlineSeconds"]).unwrap_or(600);
        if moved {
            put_condition(
                after,
                "Progressing",
                "True",
                "ReplicaSetUpdated",
                &format!("{what} is progressing."),
                true,
                now,
            );
            decision.wake_at(self.view.after(deadline));
            return;
        }
        let Some(current) = current.as_ref().filter(|_| reason != "NewReplicaSetAvailable") else {
            return;
        };
        let since = seconds_since(str_at(current, &["lastUpdateTime"]), now);
        if reason == "ProgressDeadlineExceeded" || since >= deadline {
            let message = format!("{what} has timed out progressing.");
            put_condition(after, "Progressing", "False", "ProgressDeadlineExceeded", &message, false, now);
        } else {
            let left = Duration::from_secs((deadline - since).max(1).unsigned_abs());
            decision.wake_at(now.elapsed + left);
        }
    }
}
