//! HorizontalPodAutoscalers: the scale of a target follows the load that a script says it has.
//! <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/>
//!
//! There is no metrics server: without a script the autoscaler keeps its bounds, and says that it has no metrics.

use serde_json::{Value, json};

use super::{
    Decision, View,
    conditions::{remove_condition, set_condition},
    events::Note,
    key_of,
    writes::Write,
};
use crate::{
    clock::seconds_since,
    json::{self, get, i64_at, list_at, str_at},
    resources::group_of,
    store::{ObjectKey, Stored},
};

const COMPONENT: &str = "horizontal-pod-autoscaler";
/// A load this close to its target is no reason to scale, in thousandths.
const TOLERANCE: i64 = 100;
/// What a target runs at, in percent, when it does not say.
const USUAL_TARGET: i64 = 80;
/// How long a recommendation to shrink has to last, in seconds, unless the behaviour says otherwise.
const STABILIZATION: i64 = 300;

const NO_METRICS: &str = "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics \
    from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";

struct Bounds {
    min: i64,
    max: i64,
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, scaler: &Stored) -> Decision {
    let mut decision = Decision::default();
    if scaler.is_terminating() {
        return decision;
    }
    let value = &scaler.value;
    let mut after = value.clone();
    let target = &value["spec"]["scaleTargetRef"];
    let group = group_of(str_at(target, &["apiVersion"]));
    let name = str_at(target, &["name"]);
    let resource = view.state.registry.by_kind(group, str_at(target, &["kind"]));
    let found = resource.and_then(|r| Some((r, view.state.store.get(&r.gr, scaler.namespace(), name)?)));
    let Some((resource, found)) = found else {
        let gr = resource.map_or_else(|| str_at(target, &["kind"]).to_owned(), |r| r.gr.to_string());
        let why = format!("{gr} {name:?} not found");
        let message = format!("the HPA controller was unable to get the target's current scale: {why}");
        set_condition(&mut after, "AbleToScale", "False", "FailedGetScale", &message, view.now);
        if after != *value {
            decision.report(Note::warning(COMPONENT, "FailedGetScale", why));
        }
        decision.status(key, scaler, after);
        return decision;
    };
    let current = i64_at(&found.value, &["spec", "replicas"]).unwrap_or(1);
    let bounds = Bounds {
        min: i64_at(value, &["spec", "minReplicas"]).unwrap_or(1),
        max: i64_at(value, &["spec", "maxReplicas"]).unwrap_or(i64::MAX),
    };
    able(&mut after, "SucceededGetScale", "the HPA controller was able to get the target's current scale", view);
    let (wanted, why) = if current == 0 && bounds.min != 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        set_condition(&mut after, "ScalingActive", "False", "ScalingDisabled", message, view.now);
        (0, "")
    } else if current > bounds.max {
        (bounds.max, "Current number of replicas above Spec.MaxReplicas")
    } else if current < bounds.min {
        (bounds.min, "Current number of replicas below Spec.MinReplicas")
    } else {
        by_load(view, scaler, current, &bounds, &mut after, &mut decision)
    };
    json::set(&mut after, &["status", "currentReplicas"], current);
    json::set(&mut after, &["status", "desiredReplicas"], wanted);
    if wanted != current {
        let message = format!("the HPA controller was able to update the target scale to {wanted}");
        able(&mut after, "SucceededRescale", &message, view);
        json::set(&mut after, &["status", "lastScaleTime"], view.now.rfc3339());
        let mut scaled = found.value.clone();
        json::set(&mut scaled, &["spec", "replicas"], wanted);
        decision.write(Write::Update(key_of(&resource.gr.group, &resource.gr.resource, found), scaled));
        decision.report(Note::normal(COMPONENT, "SuccessfulRescale", format!("New size: {wanted}; reason: {why}")));
    }
    if let Some(resource_version) = i64_at(value, &["metadata", "generation"]) {
        json::set(&mut after, &["status", "observedGeneration"], resource_version);
    }
    decision.status(key, scaler, after);
    decision
}

fn able(after: &mut Value, reason: &str, message: &str, view: &View<'_>) {
    set_condition(after, "AbleToScale", "True", reason, message, view.now);
}

fn by_load(
    view: &View<'_>,
    scaler: &Stored,
    current: i64,
    bounds: &Bounds,
    after: &mut Value,
    decision: &mut Decision,
) -> (i64, &'static str) {
    let now = view.now;
    let Some(load) = view.load(&scaler.value).map(i64::from) else {
        let message = format!("the HPA was unable to compute the replica count: {NO_METRICS}");
        set_condition(after, "ScalingActive", "False", "FailedGetResourceMetric", &message, now);
        remove_condition(after, "ScalingLimited");
        json::set(after, &["status", "currentMetrics"], json!([{"type": ""}]));
        if super::conditions::condition(&scaler.value, "ScalingActive")
            != super::conditions::condition(after, "ScalingActive")
        {
            decision.report(Note::warning(COMPONENT, "FailedGetResourceMetric", NO_METRICS));
            let message = format!(
                "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {NO_METRICS}"
            );
            decision.report(Note::warning(COMPONENT, "FailedComputeMetricsReplicas", message));
        }
        return (current, "");
    };
    let metric = list_at(&scaler.value, &["spec", "metrics"]).first();
    let utilization = metric.and_then(|m| i64_at(m, &["resource", "target", "averageUtilization"]));
    let target = utilization.filter(|t| *t > 0).unwrap_or(USUAL_TARGET);
    let each = load / current.max(1);
    let message = "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)";
    set_condition(after, "ScalingActive", "True", "ValidMetricFound", message, now);
    let name = metric.map_or("cpu", |m| match str_at(m, &["resource", "name"]) {
        "" => "cpu",
        other => other,
    });
    let seen = json!([{
        "type": "Resource",
        "resource": {"name": name, "current": {"averageUtilization": each, "averageValue": format!("{each}m")}},
    }]);
    json::set(after, &["status", "currentMetrics"], seen);
    let ideal = recommended(load, target, current);
    let (mut wanted, mut limited) = (ideal, None);
    if ideal > bounds.max {
        (wanted, limited) =
            (bounds.max, Some(("TooManyReplicas", "the desired replica count is more than the maximum replica count")));
    } else if ideal < bounds.min {
        (wanted, limited) =
            (bounds.min, Some(("TooFewReplicas", "the desired replica count is less than the minimum replica count")));
    }
    if wanted < current
        && let Some(left) = unsettled(view, scaler)
    {
        // Recommendations go down only when they have been low for a while.
        let message = "recent recommendations were higher than current one, applying the highest recent recommendation";
        able(after, "ScaleDownStabilized", message, view);
        decision.wake_at(view.after(left));
        wanted = current;
    } else if wanted == current {
        able(after, "ReadyForNewScale", "recommended size matches current size", view);
    }
    let (status, (reason, message)) = match limited {
        Some(limited) => ("True", limited),
        None => ("False", ("DesiredWithinRange", "the desired count is within the acceptable range")),
    };
    set_condition(after, "ScalingLimited", status, reason, message, now);
    let why = if wanted > current {
        "cpu resource utilization (percentage of request) above target"
    } else {
        "All metrics below target"
    };
    (wanted, why)
}

/// As many Pods as bring the load of each to its target, unless it is close to it already.
fn recommended(load: i64, target: i64, current: i64) -> i64 {
    let ratio = load.saturating_mul(1000) / target.saturating_mul(current.max(1)).max(1);
    if (ratio - 1000).abs() <= TOLERANCE { current } else { load.saturating_add(target - 1) / target.max(1) }
}

/// How long a smaller scale has still to wait, in seconds.
fn unsettled(view: &View<'_>, scaler: &Stored) -> Option<i64> {
    let window = i64_at(&scaler.value, &["spec", "behavior", "scaleDown", "stabilizationWindowSeconds"])
        .unwrap_or(STABILIZATION);
    let last = get(&scaler.value, &["status", "lastScaleTime"]).and_then(Value::as_str)?;
    Some(window - seconds_since(last, view.now)).filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recommendations() {
        for (load, target, current, expected) in [
            (400, 80, 2, 5),
            (160, 80, 2, 2),
            (170, 80, 2, 2),
            (200, 80, 2, 3),
            (80, 80, 4, 1),
            (0, 80, 3, 0),
            (1, 80, 3, 1),
        ] {
            assert_eq!(recommended(load, target, current), expected, "{load} at {target} on {current}");
        }
    }
}
