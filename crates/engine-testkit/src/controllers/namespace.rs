//! Namespaces: what each starts with, and how one goes with everything in it.

use serde_json::{Value, json};

use super::{Decision, View, Write, replace_if_changed, set_condition};
use crate::{
    json::{self, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, namespace: &Stored) -> Decision {
    let mut decision = Decision::default();
    let name = namespace.name();
    if namespace.is_terminating() {
        terminate(view, key, namespace, &mut decision);
        return decision;
    }
    if view.get("", "serviceaccounts", name, "default").is_none() {
        let account = json!({"metadata": {"name": "default", "namespace": name}});
        decision.writes.push(Write::Create(GroupResource::new("", "serviceaccounts"), account));
    }
    if view.get("", "configmaps", name, "kube-root-ca.crt").is_none() {
        let map = json!({
            "metadata": {
                "name": "kube-root-ca.crt", "namespace": name,
                "annotations": {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."},
            },
            "data": {"ca.crt": "testkit"},
        });
        decision.writes.push(Write::Create(GroupResource::new("", "configmaps"), map));
    }
    decision
}

fn terminate(view: &View<'_>, key: &ObjectKey, namespace: &Stored, decision: &mut Decision) {
    let mut left = Vec::new();
    for gr in view.state.store.kinds() {
        let namespaced = view.state.registry.of(&gr).is_some_and(|r| r.namespaced);
        if !namespaced {
            continue;
        }
        for object in view.state.store.objects(&gr, Some(namespace.name())) {
            left.push((gr.clone(), object));
            if !object.is_terminating() {
                let at = ObjectKey::new(&gr, object.namespace(), object.name());
                decision.writes.push(Write::Delete(at, Propagation::Background));
            }
        }
    }
    let mut value = namespace.value.clone();
    if left.is_empty() {
        let rest: Vec<Value> =
            list_at(&value, &["spec", "finalizers"]).iter().filter(|f| *f != "kubernetes").cloned().collect();
        if rest.is_empty() && list_at(&value, &["metadata", "finalizers"]).is_empty() {
            decision.writes.push(Write::Remove(key.clone()));
            return;
        }
        json::set(&mut value, &["spec", "finalizers"], rest);
    } else {
        let held = left.iter().filter(|(_, o)| !list_at(&o.value, &["metadata", "finalizers"]).is_empty());
        let held: Vec<String> =
            held.map(|(gr, o)| format!("{gr} {}", str_at(&o.value, &["metadata", "name"]))).collect();
        set_condition(
            &mut value,
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
            view.now,
        );
        set_condition(
            &mut value,
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            &format!("Some resources are remaining: {} objects", left.len()),
            view.now,
        );
        if !held.is_empty() {
            let message = format!("Some content in the namespace has finalizers remaining: {}", held.join(", "));
            set_condition(
                &mut value,
                "NamespaceFinalizersRemaining",
                "True",
                "SomeFinalizersRemain",
                &message,
                view.now,
            );
        }
    }
    decision.writes.extend(replace_if_changed(key, namespace, value));
}
