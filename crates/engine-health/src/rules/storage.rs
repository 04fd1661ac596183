//! Kinds with a phase.

use gitops_engine_core::{Health, HealthStatus, Manifest};

use crate::fields::{Judgement, part};

pub(super) fn persistent_volume_claim(object: &Manifest) -> Judgement {
    let status = match part(object, "status")?.text(&["phase"])? {
        "Lost" => HealthStatus::Degraded,
        "Pending" => HealthStatus::Progressing,
        "Bound" => HealthStatus::Healthy,
        _ => HealthStatus::Unknown,
    };
    Ok(status.into())
}

/// Not in Argo CD's table: a namespace that is going away accepts no new objects.
pub(super) fn namespace(object: &Manifest) -> Judgement {
    match part(object, "status")?.text(&["phase"])? {
        "Terminating" => Ok(Health::new(HealthStatus::Progressing, "Namespace is terminating")),
        _ => Ok(HealthStatus::Healthy.into()),
    }
}
