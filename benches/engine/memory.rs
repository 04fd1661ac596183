//! What one cached Pod of 8 KB costs, in time and in memory; and the same as `serde_json::Value`, to compare.

use gitops_engine_core::{ManagedFields, Manifest};

use crate::harness::{Line, held, measure, per_item};
use crate::objects;

fn texts(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| objects::pod(index).to_string().into_bytes()).collect()
}

fn manifests(texts: &[Vec<u8>]) -> Vec<Manifest> {
    texts.iter().map(|text| Manifest::from_json(text, ManagedFields::Drop).unwrap()).collect()
}

fn values(texts: &[Vec<u8>]) -> Vec<serde_json::Value> {
    texts.iter().map(|text| serde_json::from_slice(text).unwrap()).collect()
}

/// The time of parsing one Pod from JSON, `managedFields` dropped. The result is the number of Pods.
pub(crate) fn parse(name: &'static str, count: usize) -> Line {
    let texts = texts(count);
    per_item(measure(name, 20, || {}, |()| manifests(&texts), |pods| pods.len() as u64), count)
}

/// The same into a `serde_json::Value`, with everything.
pub(crate) fn parse_serde_json(name: &'static str, count: usize) -> Line {
    let texts = texts(count);
    per_item(measure(name, 20, || {}, |()| values(&texts), |pods| pods.len() as u64), count)
}

/// What one Pod holds.
pub(crate) fn pod(name: &'static str, count: usize) -> Line {
    let texts = texts(count);
    held(name, || (manifests(&texts), count))
}

/// The same as a `serde_json::Value`, with everything.
pub(crate) fn pod_serde_json(name: &'static str, count: usize) -> Line {
    let texts = texts(count);
    held(name, || (values(&texts), count))
}
