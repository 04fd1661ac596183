//! The status of Deployments, ReplicaSets, StatefulSets and DaemonSets: counters that fit together.

use super::Change;
use crate::status::Cause;

/// A counter, and the one that it may not exceed, as messages name it.
type Limit = (&'static str, &'static str, &'static str);

const OF_ALL: &str = "status.replicas";

pub(super) fn deployment(change: &Change<'_>, causes: &mut Vec<Cause>) {
    const COUNTERS: [&str; 8] = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    const LIMITS: [Limit; 4] = [
        ("updatedReplicas", "replicas", OF_ALL),
        ("readyReplicas", "replicas", OF_ALL),
        ("availableReplicas", "replicas", OF_ALL),
        ("availableReplicas", "readyReplicas", "readyReplicas"),
    ];
    counters(change, &COUNTERS, &LIMITS, causes);
    collisions(change, causes);
}

/// How the counters of whatever replaces Pods by their labels alone fit together.
const OF_REPLICAS: [Limit; 4] = [
    ("fullyLabeledReplicas", "replicas", OF_ALL),
    ("readyReplicas", "replicas", OF_ALL),
    ("availableReplicas", "replicas", OF_ALL),
    ("availableReplicas", "readyReplicas", "readyReplicas"),
];

pub(super) fn replica_set(change: &Change<'_>, causes: &mut Vec<Cause>) {
    const COUNTERS: [&str; 6] = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    counters(change, &COUNTERS, &OF_REPLICAS, causes);
}

pub(super) fn replication_controller(change: &Change<'_>, causes: &mut Vec<Cause>) {
    const COUNTERS: [&str; 5] =
        ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
    counters(change, &COUNTERS, &OF_REPLICAS, causes);
}

pub(super) fn stateful_set(change: &Change<'_>, causes: &mut Vec<Cause>) {
    const COUNTERS: [&str; 7] = [
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ];
    const LIMITS: [Limit; 5] = [
        ("readyReplicas", "replicas", OF_ALL),
        ("currentReplicas", "replicas", OF_ALL),
        ("updatedReplicas", "replicas", OF_ALL),
        ("availableReplicas", "replicas", OF_ALL),
        ("availableReplicas", "readyReplicas", "status.readyReplicas"),
    ];
    counters(change, &COUNTERS, &LIMITS, causes);
    collisions(change, causes);
}

pub(super) fn daemon_set(change: &Change<'_>, causes: &mut Vec<Cause>) {
    const COUNTERS: [&str; 9] = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    counters(change, &COUNTERS, &[], causes);
    collisions(change, causes);
}

fn counters(change: &Change<'_>, counters: &[&str], limits: &[Limit], causes: &mut Vec<Cause>) {
    let status = change.root().field("status");
    for counter in counters {
        status.field(counter).not_negative(causes);
    }
    for (counter, limit, name) in limits {
        let at = status.field(counter);
        if at.int() > status.field(limit).int() {
            causes.push(Cause::invalid(at.path.clone(), &at.int().into(), format!("cannot be greater than {name}")));
        }
    }
}

/// A controller counts the names that were taken already, and never forgets one.
fn collisions(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let Some(old) = change.old_root() else { return };
    let before = old.field("status").field("collisionCount");
    let after = change.root().field("status").field("collisionCount");
    if before.is_set() && (!after.is_set() || after.int() < before.int()) {
        causes.push(Cause::invalid(after.path.clone(), &after.int().into(), "cannot be decremented"));
    }
}
