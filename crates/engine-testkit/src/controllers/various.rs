//! Kinds whose controllers only report: CronJobs, autoscalers, disruption budgets, nodes, API services.

use serde_json::json;

use super::{Decision, View, is_ready, replace_if_changed, set_condition, share};
use crate::{
    json::{self, get, i64_at, str_at},
    store::{ObjectKey, Stored, selector::LabelSelector},
};

/// Nothing is scheduled: time in tests jumps.
pub(super) fn cron_job(key: &ObjectKey, job: &Stored) -> Decision {
    let mut after = job.value.clone();
    json::default(&mut after, &["status"], json!({}));
    Decision { writes: replace_if_changed(key, job, after), wake: None }
}

/// Reports its target as it is; scales nothing.
pub(super) fn autoscaler(view: &View<'_>, key: &ObjectKey, scaler: &Stored) -> Decision {
    let value = &scaler.value;
    let target = &value["spec"]["scaleTargetRef"];
    let group = str_at(target, &["apiVersion"]).split_once('/').map_or("", |(g, _)| g);
    let resource = view.state.registry.by_kind(group, str_at(target, &["kind"]));
    let found = resource.and_then(|r| view.state.store.get(&r.gr, scaler.namespace(), str_at(target, &["name"])));
    let mut after = value.clone();
    match found {
        Some(found) => {
            let replicas = i64_at(&found.value, &["spec", "replicas"]).unwrap_or(1);
            json::set(&mut after, &["status", "currentReplicas"], replicas);
            json::set(&mut after, &["status", "desiredReplicas"], replicas);
            set_condition(
                &mut after,
                "AbleToScale",
                "True",
                "ReadyForNewScale",
                "recommended size matches current size",
                view.now,
            );
            set_condition(
                &mut after,
                "ScalingActive",
                "True",
                "ValidMetricFound",
                "the HPA was able to successfully calculate a replica count",
                view.now,
            );
            set_condition(
                &mut after,
                "ScalingLimited",
                "False",
                "DesiredWithinRange",
                "the desired count is within the acceptable range",
                view.now,
            );
        }
        None => {
            json::set(&mut after, &["status", "currentReplicas"], 0);
            json::set(&mut after, &["status", "desiredReplicas"], 0);
            set_condition(
                &mut after,
                "AbleToScale",
                "False",
                "FailedGetScale",
                "the HPA controller was unable to get the target's current scale",
                view.now,
            );
        }
    }
    // The target may come, or change, at any time.
    let wake = Some(view.now.elapsed + std::time::Duration::from_secs(15));
    Decision { writes: replace_if_changed(key, scaler, after), wake }
}

pub(super) fn disruption_budget(view: &View<'_>, key: &ObjectKey, budget: &Stored) -> Decision {
    let value = &budget.value;
    let selector = get(value, &["spec", "selector"]).map(LabelSelector::from_object);
    let pods: Vec<_> = view
        .objects("", "pods", budget.namespace())
        .into_iter()
        .filter(|p| selector.as_ref().is_some_and(|s| s.matches(&p.value)) && !p.is_terminating())
        .collect();
    let expected = pods.len() as i64;
    let healthy = pods.iter().filter(|p| is_ready(&p.value)).count() as i64;
    let desired = match get(value, &["spec", "minAvailable"]) {
        Some(min) => share(Some(min), expected, true),
        None => (expected - share(get(value, &["spec", "maxUnavailable"]), expected, true)).max(0),
    };
    let allowed = (healthy - desired).max(0);
    let mut after = value.clone();
    for (field, n) in [
        ("observedGeneration", i64_at(value, &["metadata", "generation"]).unwrap_or(1)),
        ("expectedPods", expected),
        ("currentHealthy", healthy),
        ("desiredHealthy", desired),
        ("disruptionsAllowed", allowed),
    ] {
        json::set(&mut after, &["status", field], n);
    }
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_condition(&mut after, "DisruptionAllowed", status, reason, "", view.now);
    Decision { writes: replace_if_changed(key, budget, after), wake: None }
}

pub(super) fn node(view: &View<'_>, key: &ObjectKey, node: &Stored) -> Decision {
    let mut after = node.value.clone();
    let capacity = json!({"cpu": "32", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"});
    json::set(&mut after, &["status", "capacity"], capacity.clone());
    json::set(&mut after, &["status", "allocatable"], capacity);
    set_condition(&mut after, "Ready", "True", "KubeletReady", "kubelet is posting ready status", view.now);
    Decision { writes: replace_if_changed(key, node, after), wake: None }
}

/// A local one is available; one that is served elsewhere has nobody to serve it here.
pub(super) fn api_service(view: &View<'_>, key: &ObjectKey, service: &Stored) -> Decision {
    let mut after = service.value.clone();
    let served = get(&service.value, &["spec", "service"]);
    match served {
        None => {
            set_condition(&mut after, "Available", "True", "Local", "Local APIServices are always available", view.now)
        }
        Some(s) => {
            let exists = view.get("", "services", str_at(s, &["namespace"]), str_at(s, &["name"])).is_some();
            if exists {
                set_condition(&mut after, "Available", "True", "Passed", "all checks passed", view.now);
            } else {
                let message =
                    format!("service/{} in {:?} is not present", str_at(s, &["name"]), str_at(s, &["namespace"]));
                set_condition(&mut after, "Available", "False", "ServiceNotFound", &message, view.now);
            }
        }
    }
    let wake = served.map(|_| view.now.elapsed + std::time::Duration::from_secs(15));
    Decision { writes: replace_if_changed(key, service, after), wake }
}
