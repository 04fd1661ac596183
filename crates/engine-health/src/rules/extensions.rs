//! Kinds that add kinds to the API.

use gitops_engine_core::{Health, HealthStatus, Manifest};

use crate::fields::{Judgement, part, verdict};

use HealthStatus::{Degraded, Healthy, Progressing};

pub(super) fn api_service(object: &Manifest) -> Judgement {
    let Some(available) = part(object, "status")?.condition("Available")? else {
        return Ok(Health::new(Progressing, "Waiting to be processed"));
    };
    let status = if available.is_true() { Healthy } else { Progressing };
    Ok(Health::new(status, format!("{}: {}", available.reason(), available.message())))
}

/// Not in Argo CD's table: its custom resources cannot be applied before the kind is served. The conditions are
/// described in the [API reference](https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/#CustomResourceDefinitionStatus).
pub(super) fn custom_resource_definition(object: &Manifest) -> Judgement {
    let status = part(object, "status")?;
    if let Some(names) = status.condition("NamesAccepted")?
        && names.is_false()
    {
        return Ok(verdict(Degraded, names.message()));
    }
    match status.condition("Established")? {
        Some(established) if established.is_true() => Ok(Healthy.into()),
        Some(established) if established.is_false() && established.reason() != "Installing" => {
            Ok(verdict(Degraded, established.message()))
        }
        _ => Ok(Health::new(Progressing, "Waiting for the kind to be established")),
    }
}
