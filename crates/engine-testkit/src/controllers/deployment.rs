//! Deployments: a ReplicaSet per template, rolled over within the bounds of the strategy.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{Decision, View, Write, condition, controller_reference, has_condition, replace_if_changed, share};
use crate::{
    clock::seconds_since,
    json::{self, get, i64_at, list_at, str_at},
    resources::GroupResource,
    seed::template_hash,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

fn replicas(object: &Value) -> i64 {
    i64_at(object, &["spec", "replicas"]).unwrap_or(1)
}

fn status(object: &Value, field: &str) -> i64 {
    i64_at(object, &["status", field]).unwrap_or(0)
}

fn revision(object: &Value) -> i64 {
    str_at(object, &["metadata", "annotations", REVISION]).parse().unwrap_or(0)
}

/// Whether a ReplicaSet was made from this template.
fn is_of(set: &Value, template: &Value) -> bool {
    let mut own = set["spec"]["template"].clone();
    if let Some(labels) = json::map_mut(&mut own, &["metadata", "labels"]) {
        labels.remove(HASH);
        if labels.is_empty() {
            json::remove(&mut own, &["metadata", "labels"]);
        }
    }
    let empty_metadata = |v: &Value| json::map_at(v, &["metadata"]).is_none_or(|m| m.is_empty());
    own["spec"] == template["spec"]
        && (own["metadata"] == template["metadata"] || (empty_metadata(&own) && empty_metadata(template)))
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, deployment: &Stored) -> Decision {
    let mut decision = Decision::default();
    if deployment.is_terminating() {
        return decision;
    }
    let value = &deployment.value;
    let template = &value["spec"]["template"];
    let sets: Vec<_> =
        view.owned(deployment, "apps", "replicasets").into_iter().filter(|s| !s.is_terminating()).collect();
    let new = sets.iter().find(|s| is_of(&s.value, template)).copied();
    let old: Vec<_> = sets.iter().filter(|s| new.is_none_or(|n| n.uid() != s.uid())).copied().collect();
    let paused = value["spec"]["paused"] == true;
    let mut after = value.clone();
    match new {
        None if paused => {}
        None => {
            let next = sets.iter().map(|s| revision(&s.value)).max().unwrap_or(0) + 1;
            decision.writes.push(create(view, deployment, next, &old));
            json::set(&mut after, &["metadata", "annotations", REVISION], next.to_string());
        }
        Some(new) => {
            let mut current = revision(&new.value);
            let highest_old = old.iter().map(|s| revision(&s.value)).max().unwrap_or(0);
            if current <= highest_old && !paused {
                // A rollback makes an old ReplicaSet the newest.
                current = highest_old + 1;
                let mut set = new.value.clone();
                json::set(&mut set, &["metadata", "annotations", REVISION], current.to_string());
                decision.writes.push(Write::Replace(set_key(new), set));
            } else if !paused {
                roll(view, deployment, new, &old, &mut decision);
            }
            json::set(&mut after, &["metadata", "annotations", REVISION], current.to_string());
        }
    }
    show_status(view, deployment, &mut after, new.map(|n| &**n), &old, paused, &mut decision);
    clean_up(value, &old, &mut decision);
    decision.writes.extend(replace_if_changed(key, deployment, after));
    decision
}

fn set_key(set: &Stored) -> ObjectKey {
    ObjectKey::new(&GroupResource::new("apps", "replicasets"), set.namespace(), set.name())
}

fn create(view: &View<'_>, deployment: &Stored, revision: i64, old: &[&Arc<Stored>]) -> Write {
    let value = &deployment.value;
    let mut template = value["spec"]["template"].clone();
    let mut hash = template_hash(&template.to_string());
    let taken = |hash: &str| {
        view.get("apps", "replicasets", deployment.namespace(), &format!("{}-{hash}", deployment.name())).is_some()
    };
    while taken(&hash) {
        hash = template_hash(&format!("{hash}{template}"));
    }
    json::set(&mut template, &["metadata", "labels", HASH], hash.as_str());
    let mut selector = value["spec"]["selector"].clone();
    json::set(&mut selector, &["matchLabels", HASH], hash.as_str());
    let recreate = str_at(value, &["spec", "strategy", "type"]) == "Recreate";
    let surge = share(get(value, &["spec", "strategy", "rollingUpdate", "maxSurge"]), replicas(value), true);
    let running: i64 = old.iter().map(|s| replicas(&s.value)).sum();
    let wanted = replicas(value);
    let first = match (running, recreate) {
        (0, _) => wanted,
        (_, true) => 0,
        (running, false) => (wanted + surge - running).clamp(0, wanted),
    };
    let set = json!({
        "metadata": {
            "name": format!("{}-{hash}", deployment.name()),
            "namespace": deployment.namespace(),
            "labels": template["metadata"]["labels"],
            "annotations": {
                REVISION: revision.to_string(),
                "deployment.kubernetes.io/desired-replicas": wanted.to_string(),
                "deployment.kubernetes.io/max-replicas": (wanted + surge).to_string(),
            },
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {"replicas": first, "selector": selector, "template": template},
    });
    Write::Create(GroupResource::new("apps", "replicasets"), set)
}

/// One step of the rollout: the new set up, the old ones down.
fn roll(view: &View<'_>, deployment: &Stored, new: &Stored, old: &[&Arc<Stored>], decision: &mut Decision) {
    let value = &deployment.value;
    let wanted = replicas(value);
    let mut scale = |set: &Stored, to: i64| {
        if replicas(&set.value) != to {
            let mut changed = set.value.clone();
            json::set(&mut changed, &["spec", "replicas"], to);
            json::set(
                &mut changed,
                &["metadata", "annotations", "deployment.kubernetes.io/desired-replicas"],
                wanted.to_string(),
            );
            decision.writes.push(Write::Replace(set_key(set), changed));
        }
    };
    let old_total: i64 = old.iter().map(|s| replicas(&s.value)).sum();
    if str_at(value, &["spec", "strategy", "type"]) == "Recreate" {
        let pods_left = old.iter().any(|s| status(&s.value, "replicas") > 0 || !view.owned(s, "", "pods").is_empty());
        if old_total > 0 {
            old.iter().for_each(|s| scale(s, 0));
        } else if !pods_left {
            scale(new, wanted);
        }
        return;
    }
    let surge = share(get(value, &["spec", "strategy", "rollingUpdate", "maxSurge"]), wanted, true);
    let mut unavailable = share(get(value, &["spec", "strategy", "rollingUpdate", "maxUnavailable"]), wanted, false);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    let new_now = replicas(&new.value);
    let total = new_now + old_total;
    if new_now > wanted || old_total == 0 {
        scale(new, wanted);
        return;
    }
    if new_now < wanted && total < wanted + surge {
        scale(new, (new_now + wanted + surge - total).min(wanted));
    }
    // Old Pods may go as far as enough are left that serve; broken ones serve nobody.
    let new_unavailable = new_now - status(&new.value, "availableReplicas");
    let mut may_go = total - (wanted - unavailable) - new_unavailable;
    for set in old {
        if may_go <= 0 {
            break;
        }
        let have = replicas(&set.value);
        let gone = have.min(may_go);
        may_go -= gone;
        scale(set, have - gone);
    }
}

fn clean_up(value: &Value, old: &[&Arc<Stored>], decision: &mut Decision) {
    let limit = i64_at(value, &["spec", "revisionHistoryLimit"]).unwrap_or(10);
    let mut idle: Vec<_> =
        old.iter().filter(|s| replicas(&s.value) == 0 && status(&s.value, "replicas") == 0).collect();
    idle.sort_by_key(|s| revision(&s.value));
    let extra = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    for set in idle.into_iter().take(extra) {
        decision.writes.push(Write::Delete(set_key(set), Propagation::Background));
    }
}

fn show_status(
    view: &View<'_>,
    deployment: &Stored,
    after: &mut Value,
    new: Option<&Stored>,
    old: &[&Arc<Stored>],
    paused: bool,
    decision: &mut Decision,
) {
    let value = &deployment.value;
    let wanted = replicas(value);
    let sum = |field: &str| -> i64 {
        new.into_iter().map(|n| status(&n.value, field)).chain(old.iter().map(|s| status(&s.value, field))).sum()
    };
    let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    // What the ReplicaSets were asked for, not what they have.
    let asked: i64 = new.into_iter().chain(old.iter().map(|s| &***s)).map(|s| replicas(&s.value)).sum();
    let updated = new.map_or(0, |n| status(&n.value, "replicas"));
    let terminating = sum("terminatingReplicas");
    let generation = i64_at(value, &["metadata", "generation"]);
    let mut fresh = json!({"observedGeneration": generation, "terminatingReplicas": terminating});
    for (field, n) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", (asked - available).max(0)),
    ] {
        if n > 0 {
            fresh[field] = n.into();
        }
    }
    let conditions = list_at(value, &["status", "conditions"]).to_vec();
    if !conditions.is_empty() {
        fresh["conditions"] = conditions.into();
    }
    let before = std::mem::replace(&mut after["status"], fresh);
    let enough = wanted - share(get(value, &["spec", "strategy", "rollingUpdate", "maxUnavailable"]), wanted, false);
    let (status, reason, message) = if available >= enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    if !paused || progressing_is_known(value, new) {
        put_condition(after, "Available", status, reason, message, false, view.now);
    }
    let complete = new.is_some() && updated == wanted && total == wanted && available == wanted;
    progress(view, deployment, after, &before, new, complete, paused, decision);
}

#[allow(clippy::too_many_arguments, reason = "one rule, all of whose inputs matter")]
fn progress(
    view: &View<'_>,
    deployment: &Stored,
    after: &mut Value,
    before: &Value,
    new: Option<&Stored>,
    complete: bool,
    paused: bool,
    decision: &mut Decision,
) {
    let set_name = new.map_or("", |n| n.name());
    let current = condition(&deployment.value, "Progressing").cloned();
    let reason = current.as_ref().map(|c| str_at(c, &["reason"]).to_owned()).unwrap_or_default();
    let touch = |after: &mut Value, status: &str, reason: &str, message: &str, update: bool| {
        put_condition(after, "Progressing", status, reason, message, update, view.now);
    };
    if paused {
        if !has_condition(&deployment.value, "Progressing", "Unknown") {
            touch(after, "Unknown", "DeploymentPaused", "Deployment is paused", true);
        }
        return;
    }
    let Some(_) = new else { return };
    if complete {
        let message = format!("ReplicaSet {set_name:?} has successfully progressed.");
        touch(
            after,
            "True",
            "NewReplicaSetAvailable",
            &message,
            reason != "NewReplicaSetAvailable" || !current_names(&current, set_name),
        );
        return;
    }
    let moved = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
        .iter()
        .any(|f| i64_at(before, &[f]) != i64_at(after, &["status", f]));
    let deadline = i64_at(&deployment.value, &["spec", "progressDeadlineSeconds"]).unwrap_or(600);
    let since = current.as_ref().map_or("", |c| str_at(c, &["lastUpdateTime"]));
    let stale = matches!(&*reason, "ReplicaSetUpdated" | "NewReplicaSetCreated" | "ProgressDeadlineExceeded")
        && !moved
        && seconds_since(since, view.now) >= deadline;
    if stale {
        let message = format!("ReplicaSet {set_name:?} has timed out progressing.");
        touch(after, "False", "ProgressDeadlineExceeded", &message, reason != "ProgressDeadlineExceeded");
        return;
    }
    if reason != "ProgressDeadlineExceeded" || moved {
        let message = format!("ReplicaSet {set_name:?} is progressing.");
        touch(
            after,
            "True",
            "ReplicaSetUpdated",
            &message,
            moved || reason != "ReplicaSetUpdated" || !current_names(&current, set_name),
        );
    }
    let left = (deadline - seconds_since(since, view.now)).clamp(1, deadline.max(1));
    decision.wake_at(view.now.elapsed + Duration::from_secs(left.unsigned_abs()));
}

/// A paused Deployment says that it is paused before it says anything else.
fn progressing_is_known(value: &Value, new: Option<&Stored>) -> bool {
    new.is_some() || condition(value, "Progressing").is_some()
}

/// Sets a condition as the deployment controller does: one that says something new goes to the end of the list, one that
/// says the same stays as it is unless it is renewed.
fn put_condition(
    object: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    renew: bool,
    now: crate::clock::Now,
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

/// Whether the condition speaks of this ReplicaSet.
fn current_names(current: &Option<Value>, set: &str) -> bool {
    current.as_ref().is_some_and(|c| str_at(c, &["message"]).contains(&format!("{set:?}")))
}
