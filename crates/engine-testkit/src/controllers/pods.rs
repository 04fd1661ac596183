//! Pods as their controllers make, count, adopt and end them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Decision, View, conditions::is_active, controller_of, key_of, writes::Write};
use crate::{
    json::{self, get, list_at, str_at},
    store::{Stored, selector::LabelSelector},
    write::delete::Propagation,
};

/// So many Pods are made or deleted in one go.
pub(super) const BURST: i64 = 500;

/// An owner reference to the controller of an object.
pub(super) fn controller_reference(owner: &Stored) -> Value {
    json!({
        "apiVersion": str_at(&owner.value, &["apiVersion"]), "kind": str_at(&owner.value, &["kind"]),
        "name": owner.name(), "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true,
    })
}

/// A Pod from a template: its labels, annotations and finalizers, and nothing else of its metadata.
pub(super) fn from_template(template: &Value, owner: &Stored) -> Value {
    let mut metadata = json!({
        "namespace": owner.namespace(),
        "ownerReferences": [controller_reference(owner)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = get(template, &["metadata", field]) {
            metadata[field] = value.clone();
        }
    }
    json!({"metadata": metadata, "spec": template["spec"]})
}

/// The name prefix of generated names: a dash, where the name has room for it.
pub(super) fn generate_name(owner: &str) -> String {
    format!("{owner}-")
}

pub(super) fn delete(pod: &Stored) -> Write {
    Write::Delete(key_of("", "pods", pod), Propagation::Background)
}

/// The objects that an owner controls, after adoption by label and release of those that no longer match:
/// <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#non-template-pod-acquisitions>
pub(super) fn claim<'a>(
    view: &View<'a>,
    owner: &Stored,
    (group, resource): (&str, &str),
    decision: &mut Decision,
) -> Vec<&'a Arc<Stored>> {
    let mut mine = view.owned(owner, group, resource);
    let Some(selector) = get(&owner.value, &["spec", "selector"]).map(LabelSelector::from_object) else {
        return mine;
    };
    if selector.is_empty() {
        return mine;
    }
    let refers = |o: &Value| str_at(o, &["uid"]) == owner.uid();
    mine.retain(|object| {
        let keep = selector.matches(&object.value);
        if !keep && !object.is_terminating() {
            let mut value = object.value.clone();
            let left: Vec<Value> =
                list_at(&value, &["metadata", "ownerReferences"]).iter().filter(|o| !refers(o)).cloned().collect();
            if left.is_empty() {
                json::remove(&mut value, &["metadata", "ownerReferences"]);
            } else {
                json::set(&mut value, &["metadata", "ownerReferences"], left);
            }
            decision.write(Write::Update(key_of(group, resource, object), value));
        }
        keep
    });
    if owner.is_terminating() {
        return mine;
    }
    for object in view.selected(group, resource, owner.namespace(), &selector) {
        if controller_of(&object.value).is_some() || object.is_terminating() {
            continue;
        }
        if (group, resource) == ("", "pods") && !is_active(&object.value) {
            continue;
        }
        let mut value = object.value.clone();
        let mut owners = list_at(&value, &["metadata", "ownerReferences"]).to_vec();
        owners.retain(|o| !refers(o));
        owners.push(controller_reference(owner));
        json::set(&mut value, &["metadata", "ownerReferences"], owners);
        decision.write(Write::Update(key_of(group, resource, object), value));
        mine.push(object);
    }
    mine
}
