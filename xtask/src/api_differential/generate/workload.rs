//! Workloads, and what scales and protects them.

use serde_json::{Value, json};

use super::super::rng::Rng;
use super::kinds::Fields;
use super::pod::pod_spec;

fn labels(r: &mut Rng) -> Value {
    if r.chance(70) { json!({"app": "web"}) } else { json!({"app": "web", "tier": "front"}) }
}

fn template(r: &mut Rng, restart: Option<&str>) -> Value {
    let labels = labels(r);
    let spec = pod_spec(r, restart);
    let metadata = Fields::new(r, json!({"labels": labels})).maybe(20, "annotations", |_| json!({"note": "a"})).done();
    json!({"metadata": metadata, "spec": spec})
}

fn selector(r: &mut Rng) -> Value {
    if r.chance(85) {
        json!({"matchLabels": {"app": "web"}})
    } else {
        json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]})
    }
}

pub(super) fn deployment(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(60, "replicas", |r| json!(r.below(5)))
        .maybe(25, "strategy", |r| match r.below(4) {
            0 => json!({"type": "Recreate"}),
            1 => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
            2 => json!({"rollingUpdate": {"maxSurge": "10%"}}),
            _ => json!({"type": "RollingUpdate"}),
        })
        .maybe(15, "revisionHistoryLimit", |r| json!(r.below(10)))
        .maybe(15, "minReadySeconds", |r| json!(r.below(10)))
        .maybe(10, "progressDeadlineSeconds", |r| json!(60 + r.below(600)))
        .maybe(10, "paused", |r| r.chance(60).into())
        .done();
    json!({"spec": spec})
}

pub(super) fn replica_set(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(60, "replicas", |r| json!(r.below(5)))
        .maybe(15, "minReadySeconds", |r| json!(r.below(10)))
        .done();
    json!({"spec": spec})
}

pub(super) fn replication_controller(r: &mut Rng) -> Value {
    let template = template(r, None);
    let spec = Fields::new(r, json!({"template": template}))
        .maybe(60, "selector", |_| json!({"app": "web"}))
        .maybe(60, "replicas", |r| json!(r.below(5)))
        .maybe(15, "minReadySeconds", |r| json!(r.below(10)))
        .done();
    json!({"spec": spec})
}

pub(super) fn stateful_set(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(80, "serviceName", |_| "db".into())
        .maybe(60, "replicas", |r| json!(r.below(5)))
        .maybe(20, "podManagementPolicy", |r| r.pick(&["OrderedReady", "Parallel"]).into())
        .maybe(20, "updateStrategy", |r| if r.chance(50) { json!({"type": "OnDelete"}) } else { json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}) })
        .maybe(25, "volumeClaimTemplates", |_| json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]))
        .maybe(10, "persistentVolumeClaimRetentionPolicy", |r| json!({"whenDeleted": r.pick(&["Delete", "Retain"])}))
        .maybe(10, "minReadySeconds", |r| json!(r.below(10)))
        .maybe(8, "ordinals", |r| json!({"start": r.below(3)}))
        .done();
    json!({"spec": spec})
}

pub(super) fn daemon_set(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(25, "updateStrategy", |r| {
            if r.chance(50) {
                json!({"type": "OnDelete"})
            } else {
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "20%"}})
            }
        })
        .maybe(15, "minReadySeconds", |r| json!(r.below(10)))
        .done();
    json!({"spec": spec})
}

fn job_spec(r: &mut Rng) -> Value {
    let policy = r.pick(&["Never", "OnFailure"]);
    let template = template(r, Some(policy));
    Fields::new(r, json!({"template": template}))
        .maybe(30, "completions", |r| json!(1 + r.below(4)))
        .maybe(30, "parallelism", |r| json!(r.below(4)))
        .maybe(30, "backoffLimit", |r| json!(r.below(7)))
        .maybe(15, "activeDeadlineSeconds", |r| json!(10 + r.below(100)))
        .maybe(15, "ttlSecondsAfterFinished", |r| json!(r.below(100)))
        .maybe(15, "suspend", |r| r.chance(60).into())
        .maybe(10, "completionMode", |_| "NonIndexed".into())
        .done()
}

pub(super) fn job(r: &mut Rng) -> Value {
    json!({"spec": job_spec(r)})
}

pub(super) fn cron_job(r: &mut Rng) -> Value {
    let job = job_spec(r);
    let schedule = r.pick(&["*/5 * * * *", "0 0 * * 0", "@hourly", "1 2 3 4 5"]);
    let spec = Fields::new(r, json!({"schedule": schedule, "jobTemplate": {"spec": job}}))
        .maybe(25, "concurrencyPolicy", |r| r.pick(&["Allow", "Forbid", "Replace"]).into())
        .maybe(20, "suspend", |r| r.chance(50).into())
        .maybe(15, "successfulJobsHistoryLimit", |r| json!(r.below(5)))
        .maybe(15, "failedJobsHistoryLimit", |r| json!(r.below(5)))
        .maybe(15, "startingDeadlineSeconds", |r| json!(r.below(50)))
        .maybe(15, "timeZone", |r| r.pick(&["Etc/UTC", "Europe/Berlin"]).into())
        .done();
    json!({"spec": spec})
}

pub(super) fn replicas_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({"replicas": 1}))
        .maybe(60, "readyReplicas", |_| json!(1))
        .maybe(40, "observedGeneration", |_| json!(1))
        .maybe(30, "conditions", |r| json!([{"type": "Available", "status": r.pick(&["True", "False"]), "reason": "MinimumReplicas", "message": "m", "lastTransitionTime": "2020-01-01T00:00:00Z"}]))
        .done()
}

pub(super) fn daemon_set_status(r: &mut Rng) -> Value {
    Fields::new(
        r,
        json!({"currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 1}),
    )
    .maybe(40, "observedGeneration", |_| json!(1))
    .done()
}

pub(super) fn job_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({}))
        .maybe(60, "active", |_| json!(1))
        .maybe(50, "startTime", |_| "2020-01-01T00:00:00Z".into())
        .done()
}

pub(super) fn cron_job_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({})).maybe(60, "lastScheduleTime", |_| "2020-01-01T00:00:00Z".into()).done()
}

pub(super) fn hpa(r: &mut Rng) -> Value {
    let spec = Fields::new(r, json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 10}))
        .maybe(60, "minReplicas", |r| json!(1 + r.below(5)))
        .maybe(50, "metrics", |r| match r.below(3) {
            0 => json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}]),
            1 => json!([{"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}}}]),
            _ => json!([{"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}}}]),
        })
        .maybe(20, "behavior", |_| json!({"scaleDown": {"stabilizationWindowSeconds": 60}}))
        .done();
    json!({"spec": spec})
}

pub(super) fn hpa_v1(r: &mut Rng) -> Value {
    let spec = Fields::new(
        r,
        json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 10}),
    )
    .maybe(60, "minReplicas", |r| json!(1 + r.below(5)))
    .maybe(50, "targetCPUUtilizationPercentage", |r| json!(10 + r.below(90)))
    .done();
    json!({"spec": spec})
}

pub(super) fn hpa_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({"currentReplicas": 1, "desiredReplicas": 2}))
        .maybe(30, "observedGeneration", |_| json!(1))
        .done()
}

pub(super) fn pdb(r: &mut Rng) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}});
    match r.below(4) {
        0 => spec["minAvailable"] = json!(1),
        1 => spec["minAvailable"] = "50%".into(),
        2 => spec["maxUnavailable"] = json!(1),
        _ => spec["maxUnavailable"] = "30%".into(),
    }
    if r.chance(20) {
        spec["unhealthyPodEvictionPolicy"] = r.pick(&["IfHealthyBudget", "AlwaysAllow"]).into();
    }
    json!({"spec": spec})
}

pub(super) fn pdb_status(_: &mut Rng) -> Value {
    json!({"disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2})
}
