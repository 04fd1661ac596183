//! Kinds that wait for an address.

use gitops_engine_core::{Health, HealthStatus, Manifest};

use crate::fields::{Judgement, Malformed, part};

fn addressed(object: &Manifest) -> Result<Health, Malformed> {
    let addresses = part(object, "status")?.list(&["loadBalancer", "ingress"])?;
    Ok(if addresses.is_empty() { HealthStatus::Progressing } else { HealthStatus::Healthy }.into())
}

pub(super) fn service(object: &Manifest) -> Judgement {
    match part(object, "spec")?.text(&["type"])? {
        "LoadBalancer" => addressed(object),
        _ => Ok(HealthStatus::Healthy.into()),
    }
}

pub(super) fn ingress(object: &Manifest) -> Judgement {
    addressed(object)
}
