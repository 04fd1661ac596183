//! Comparing objects and judging their health.

use gitops_engine_core::{HealthAssessor, HealthStatus, ManagedFields, Manifest, Timestamp};
use gitops_engine_diff::{LastApplied, three_way};
use gitops_engine_health::KindRules;
use serde_json::Value;

use crate::harness::{Line, measure};
use crate::objects::{self, Pair};

fn parse(object: &Value, managed_fields: ManagedFields) -> Manifest {
    Manifest::from_json(object.to_string().as_bytes(), managed_fields).unwrap()
}

/// Compares Deployments by their last-applied annotation, and names who owns what differs. The result is how many differ.
pub(crate) fn three_way_diff(name: &'static str, count: usize) -> Line {
    let pairs: Vec<(Manifest, Manifest)> = objects::deployments(count)
        .iter()
        .map(|Pair { desired, live }| (parse(desired, ManagedFields::Drop), parse(live, ManagedFields::Keep)))
        .collect();
    let differs =
        |(desired, live): &&(Manifest, Manifest)| !three_way(desired, LastApplied::Annotation, live).is_unchanged();
    measure(name, 20, || {}, |()| pairs.iter().filter(differs).count() as u64, |differ| *differ)
}

/// Judges objects of several kinds. The result is how many are healthy, or have no health of their own.
pub(crate) fn health(name: &'static str, count: usize) -> Line {
    let objects: Vec<Manifest> =
        objects::mixed(count, None).iter().map(|pair| parse(&pair.live, ManagedFields::Drop)).collect();
    let rules = KindRules::default();
    let healthy = |object: &&Manifest| {
        let health = rules.assess(object, Timestamp::UNIX_EPOCH);
        health.is_none_or(|health| health.status == HealthStatus::Healthy)
    };
    measure(name, 20, || {}, |()| objects.iter().filter(healthy).count() as u64, |healthy| *healthy)
}
