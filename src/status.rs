//! How the objects of an application do, with what they own.

use std::collections::BTreeSet;

use gitops_engine_core::{
    Health, HealthAssessor, HealthStatus, Inventory, LiveObject, ObjectId, Snapshot, Timestamp, Uid,
};
use serde::Serialize;

/// The health of an object, and of what it owns.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ObjectHealth {
    /// Which object.
    pub object: ObjectId,
    /// How it does; `None` for a kind that has no health of its own.
    pub health: Option<Health>,
    /// What it owns, by the owner references of the cluster.
    pub owns: Vec<ObjectHealth>,
}

impl ObjectHealth {
    /// The worst health in the tree, the object itself included.
    pub fn worst(&self) -> HealthStatus {
        let own = self.health.as_ref().map_or(HealthStatus::Healthy, |health| health.status);
        self.owns.iter().map(Self::worst).fold(own, HealthStatus::max)
    }
}

/// The health of every object of an inventory, sorted by identity. Objects that should be there and are not are
/// [`HealthStatus::Missing`].
pub fn health_tree(
    inventory: &Inventory,
    snapshot: &dyn Snapshot,
    health: &dyn HealthAssessor,
    now: Timestamp,
) -> Vec<ObjectHealth> {
    let mut seen = BTreeSet::new();
    let entry = |id: &ObjectId| match snapshot.get(id) {
        Some(live) => describe(&live, snapshot, health, now, &mut seen),
        None => {
            let health = Some(Health::from(HealthStatus::Missing));
            ObjectHealth { object: id.clone(), health, owns: Vec::new() }
        }
    };
    inventory.entries.keys().map(entry).collect()
}

fn describe(
    live: &LiveObject,
    snapshot: &dyn Snapshot,
    health: &dyn HealthAssessor,
    now: Timestamp,
    seen: &mut BTreeSet<Uid>,
) -> ObjectHealth {
    let judged = match &live.manifest {
        Some(manifest) => health.assess(manifest, now),
        None => live.health.clone(),
    };
    // Owner references may form a ring: a cluster does not check them.
    let owns = if seen.insert(live.uid.clone()) {
        let children = snapshot.children(&live.uid);
        children.iter().map(|child| describe(child, snapshot, health, now, seen)).collect()
    } else {
        Vec::new()
    };
    ObjectHealth { object: live.id.clone(), health: judged, owns }
}
