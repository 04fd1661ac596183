//! Kinds that run to an end.

use gitops_engine_core::{HealthStatus, Manifest};

use crate::fields::{Judgement, part, verdict};

use HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};

/// As in Argo CD, a condition `Failed` or `Complete` decides by being there, whatever its status: the Job controller
/// adds it only when it is true. Of `Suspended` the status counts: it turns false when the Job goes on.
pub(super) fn job(object: &Manifest) -> Judgement {
    let (mut failed, mut ended, mut suspended, mut message) = (None, false, false, "");
    for condition in part(object, "status")?.conditions()? {
        match condition.kind() {
            "Failed" => failed = Some(condition.message()),
            "Complete" => (ended, message) = (true, condition.message()),
            "Suspended" => {
                (ended, message) = (true, condition.message());
                suspended |= condition.is_true();
            }
            _ => {}
        }
    }
    Ok(match failed {
        Some(message) => verdict(Degraded, message),
        None if !ended => verdict(Progressing, message),
        None if suspended => verdict(Suspended, ""),
        None => verdict(Healthy, message),
    })
}

/// [Argo Workflows](https://argo-workflows.readthedocs.io/en/latest/fields/#workflowstatus).
pub(super) fn workflow(object: &Manifest) -> Judgement {
    let status = part(object, "status")?;
    let code = match status.text(&["phase"])? {
        "" | "Pending" | "Running" => Progressing,
        "Succeeded" => Healthy,
        "Failed" | "Error" => Degraded,
        _ => Unknown,
    };
    Ok(verdict(code, status.text(&["message"])?))
}
