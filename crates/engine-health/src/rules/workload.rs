//! The controllers of group `apps`. The questions are those of
//! [`kubectl rollout status`](https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/kubectl_rollout_status/).

use gitops_engine_core::{Health, HealthStatus, Manifest};

use crate::fields::{Judgement, Malformed, Part, part, verdict};

use HealthStatus::{Degraded, Healthy, Progressing, Suspended};

/// Whether the controller has seen the spec as it is now.
fn observed(object: &Manifest, status: Part<'_>) -> Result<bool, Malformed> {
    let generation = part(object, "metadata")?.int(&["generation"])?.unwrap_or(0);
    Ok(status.int(&["observedGeneration"])?.is_some_and(|observed| observed >= generation))
}

pub(super) fn deployment(object: &Manifest) -> Judgement {
    let (spec, status) = (part(object, "spec")?, part(object, "status")?);
    if spec.flag("paused")? {
        return Ok(Health::new(Suspended, "Deployment is paused"));
    }
    if !observed(object, status)? {
        return Ok(Health::new(
            Progressing,
            "Waiting for rollout to finish: observed deployment generation less than desired generation",
        ));
    }
    let progressing = status.condition("Progressing")?;
    if progressing.is_some_and(|condition| condition.reason() == "ProgressDeadlineExceeded") {
        let name = &object.id().name;
        return Ok(Health::new(Degraded, format!("Deployment {name:?} exceeded its progress deadline")));
    }
    let updated = status.count("updatedReplicas")?;
    if let Some(desired) = spec.int(&["replicas"])?
        && updated < desired
    {
        return Ok(Health::new(
            Progressing,
            format!("Waiting for rollout to finish: {updated} out of {desired} new replicas have been updated..."),
        ));
    }
    let replicas = status.count("replicas")?;
    if replicas > updated {
        let old = replicas.saturating_sub(updated);
        return Ok(Health::new(
            Progressing,
            format!("Waiting for rollout to finish: {old} old replicas are pending termination..."),
        ));
    }
    let available = status.count("availableReplicas")?;
    if available < updated {
        return Ok(Health::new(
            Progressing,
            format!("Waiting for rollout to finish: {available} of {updated} updated replicas are available..."),
        ));
    }
    Ok(Healthy.into())
}

pub(super) fn stateful_set(object: &Manifest) -> Judgement {
    let (spec, status) = (part(object, "spec")?, part(object, "status")?);
    if status.count("observedGeneration")? == 0 || !observed(object, status)? {
        return Ok(Health::new(Progressing, "Waiting for statefulset spec update to be observed..."));
    }
    let desired = spec.int(&["replicas"])?;
    let ready = status.count("readyReplicas")?;
    if let Some(desired) = desired
        && ready < desired
    {
        let missing = desired.saturating_sub(ready);
        return Ok(Health::new(Progressing, format!("Waiting for {missing} pods to be ready...")));
    }
    let updated = status.count("updatedReplicas")?;
    let strategy = spec.text(&["updateStrategy", "type"])?;
    if strategy == "RollingUpdate" && spec.has_map(&["updateStrategy", "rollingUpdate"])? {
        let partition = spec.int(&["updateStrategy", "rollingUpdate", "partition"])?;
        if let (Some(desired), Some(partition)) = (desired, partition) {
            let wanted = desired.saturating_sub(partition);
            if updated < wanted {
                return Ok(Health::new(
                    Progressing,
                    format!(
                        "Waiting for partitioned roll out to finish: {updated} out of {wanted} new pods have been \
                         updated..."
                    ),
                ));
            }
        }
        return Ok(Health::new(
            Healthy,
            format!("partitioned roll out complete: {updated} new pods have been updated..."),
        ));
    }
    if strategy == "OnDelete" {
        return Ok(Health::new(Healthy, format!("statefulset has {ready} ready pods")));
    }
    let (update, current) = (status.text(&["updateRevision"])?, status.text(&["currentRevision"])?);
    if update != current {
        return Ok(Health::new(
            Progressing,
            format!("waiting for statefulset rolling update to complete {updated} pods at revision {update}..."),
        ));
    }
    let pods = status.count("currentReplicas")?;
    Ok(Health::new(Healthy, format!("statefulset rolling update complete {pods} pods at revision {current}...")))
}

pub(super) fn daemon_set(object: &Manifest) -> Judgement {
    let (spec, status) = (part(object, "spec")?, part(object, "status")?);
    if !observed(object, status)? {
        return Ok(Health::new(
            Progressing,
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        ));
    }
    let name = &object.id().name;
    let updated = status.count("updatedNumberScheduled")?;
    let desired = status.count("desiredNumberScheduled")?;
    if spec.text(&["updateStrategy", "type"])? == "OnDelete" {
        return Ok(Health::new(Healthy, format!("daemon set {updated} out of {desired} new pods have been updated")));
    }
    if updated < desired {
        return Ok(Health::new(
            Progressing,
            format!(
                "Waiting for daemon set {name:?} rollout to finish: {updated} out of {desired} new pods have been \
                 updated..."
            ),
        ));
    }
    let available = status.count("numberAvailable")?;
    if available < desired {
        return Ok(Health::new(
            Progressing,
            format!(
                "Waiting for daemon set {name:?} rollout to finish: {available} of {desired} updated pods are \
                 available..."
            ),
        ));
    }
    Ok(Healthy.into())
}

pub(super) fn replica_set(object: &Manifest) -> Judgement {
    let (spec, status) = (part(object, "spec")?, part(object, "status")?);
    if !observed(object, status)? {
        return Ok(Health::new(
            Progressing,
            "Waiting for rollout to finish: observed replica set generation less than desired generation",
        ));
    }
    if let Some(failure) = status.condition("ReplicaFailure")?
        && failure.is_true()
    {
        return Ok(verdict(Degraded, failure.message()));
    }
    let available = status.count("availableReplicas")?;
    if let Some(desired) = spec.int(&["replicas"])?
        && available < desired
    {
        return Ok(Health::new(
            Progressing,
            format!("Waiting for rollout to finish: {available} out of {desired} new replicas are available..."),
        ));
    }
    Ok(Healthy.into())
}
