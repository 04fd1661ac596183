//! Garbage collection by owner references:
//! <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>

use serde_json::Value;

use super::{Decision, View, writes::Write};
use crate::{
    json::{self, list_at, str_at},
    store::{ObjectKey, Stored},
    write::delete::{FOREGROUND, ORPHAN, Propagation},
};

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, object: &Stored) -> Decision {
    let mut decision = Decision::default();
    if object.is_terminating() {
        finish_deletion(view, key, object, &mut decision);
        return decision;
    }
    let owners = list_at(&object.value, &["metadata", "ownerReferences"]);
    if owners.is_empty() {
        return decision;
    }
    let store = &view.state.store;
    // An owner is what has its uid and its name, in the same namespace or in none.
    let lives = |owner: &&Value| {
        store.by_uid(str_at(owner, &["uid"])).is_some_and(|at| {
            at.name() == str_at(owner, &["name"]) && (at.namespace().is_empty() || at.namespace() == key.namespace())
        })
    };
    let alive: Vec<Value> = owners.iter().filter(lives).cloned().collect();
    if alive.is_empty() {
        decision.writes.push(Write::Delete(key.clone(), Propagation::Background));
    } else if alive.len() < owners.len() {
        let mut value = object.value.clone();
        json::set(&mut value, &["metadata", "ownerReferences"], alive);
        decision.writes.push(Write::Update(key.clone(), value));
    } else {
        // Owners that wait for their dependents take them along, when nobody else holds them.
        let waits = |owner: &Value| {
            let owner = store.by_uid(str_at(owner, &["uid"])).and_then(|k| store.at(k));
            owner.is_some_and(|o| o.is_terminating() && has_finalizer(o, FOREGROUND))
        };
        if owners.iter().all(waits) && !owners.is_empty() {
            decision.writes.push(Write::Delete(key.clone(), Propagation::Foreground));
        }
    }
    decision
}

fn has_finalizer(object: &Stored, finalizer: &str) -> bool {
    list_at(&object.value, &["metadata", "finalizers"]).iter().any(|f| f == finalizer)
}

fn finish_deletion(view: &View<'_>, key: &ObjectKey, object: &Stored, decision: &mut Decision) {
    let store = &view.state.store;
    let dependents = store.dependents(object.uid());
    let refers = |owner: &Value| str_at(owner, &["uid"]) == object.uid();
    if has_finalizer(object, ORPHAN) {
        for dependent in &dependents {
            let Some(stored) = store.at(dependent) else {
                continue;
            };
            let mut value = stored.value.clone();
            let left: Vec<Value> =
                list_at(&value, &["metadata", "ownerReferences"]).iter().filter(|o| !refers(o)).cloned().collect();
            if left.is_empty() {
                json::remove(&mut value, &["metadata", "ownerReferences"]);
            } else {
                json::set(&mut value, &["metadata", "ownerReferences"], left);
            }
            decision.writes.push(Write::Update(dependent.clone(), value));
        }
        decision.writes.push(Write::Update(key.clone(), without(object, ORPHAN)));
    } else if has_finalizer(object, FOREGROUND) {
        let mut blocked = false;
        for dependent in &dependents {
            let Some(stored) = store.at(dependent) else {
                continue;
            };
            let owners = list_at(&stored.value, &["metadata", "ownerReferences"]);
            blocked |= owners.iter().any(|o| refers(o) && o["blockOwnerDeletion"] == true);
            if !stored.is_terminating() && owners.iter().all(refers) {
                decision.writes.push(Write::Delete(dependent.clone(), Propagation::Foreground));
            }
        }
        if !blocked {
            decision.writes.push(Write::Update(key.clone(), without(object, FOREGROUND)));
        }
    }
}

/// The object without one of its finalizers.
pub(super) fn without(object: &Stored, finalizer: &str) -> Value {
    let mut value = object.value.clone();
    let left: Vec<Value> =
        list_at(&value, &["metadata", "finalizers"]).iter().filter(|f| *f != finalizer).cloned().collect();
    if left.is_empty() {
        json::remove(&mut value, &["metadata", "finalizers"]);
    } else {
        json::set(&mut value, &["metadata", "finalizers"], left);
    }
    value
}
