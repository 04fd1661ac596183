//! Namespaces: what each starts with, and how one goes with everything in it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Decision, View, conditions::set_condition, writes::Write};
use crate::{
    json::{self, list_at},
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

/// One look at a namespace that goes: what is left of it is deleted, and what holds that up is said.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/>
fn terminate(view: &View<'_>, key: &ObjectKey, namespace: &Stored, decision: &mut Decision) {
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let mut holders: BTreeMap<String, usize> = BTreeMap::new();
    for gr in view.state.store.kinds() {
        // Events go last: they do not hold anything up.
        if view.state.registry.of(&gr).is_none_or(|r| !r.namespaced) {
            continue;
        }
        for object in view.state.store.objects(&gr, Some(namespace.name())) {
            if !object.is_terminating() {
                let at = ObjectKey::new(&gr, object.namespace(), object.name());
                decision.write(Write::Delete(at, Propagation::Background));
            }
            let finalizers = list_at(&object.value, &["metadata", "finalizers"]);
            let graceful = &*gr.resource == "pods" && gr.group.is_empty();
            if finalizers.is_empty() && !graceful {
                continue;
            }
            *left.entry(format!("{}.{}", gr.resource, gr.group)).or_default() += 1;
            for finalizer in finalizers.iter().filter_map(Value::as_str) {
                *holders.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }
    if !decision.writes.is_empty() {
        // What has nothing to wait for is gone with this.
        if left.is_empty() {
            return;
        }
    } else if left.is_empty() {
        let mut value = namespace.value.clone();
        let rest: Vec<Value> =
            list_at(&value, &["spec", "finalizers"]).iter().filter(|f| *f != "kubernetes").cloned().collect();
        if rest.is_empty() && list_at(&value, &["metadata", "finalizers"]).is_empty() {
            decision.write(Write::Remove(key.clone()));
            return;
        }
        json::set(&mut value, &["spec", "finalizers"], rest);
        conditions(view, &mut value, &left, &holders);
        decision.writes.extend((value != namespace.value).then(|| Write::Finalize(key.clone(), value)));
        return;
    }
    let mut value = namespace.value.clone();
    conditions(view, &mut value, &left, &holders);
    decision.status(key, namespace, value);
}

fn conditions(
    view: &View<'_>,
    namespace: &mut Value,
    left: &BTreeMap<String, usize>,
    holders: &BTreeMap<String, usize>,
) {
    let list = |counts: &BTreeMap<String, usize>, verb: &str| {
        counts.iter().map(|(what, n)| format!("{what} {verb} {n} resource instances")).collect::<Vec<_>>().join(", ")
    };
    let remaining = format!("Some resources are remaining: {}", list(left, "has"));
    let holding = format!("Some content in the namespace has finalizers remaining: {}", list(holders, "in"));
    for (kind, bad, reason, message) in [
        ("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        if left.is_empty() {
            ("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed")
        } else {
            ("NamespaceContentRemaining", true, "SomeResourcesRemain", remaining.as_str())
        },
        if holders.is_empty() {
            (
                "NamespaceFinalizersRemaining",
                false,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            )
        } else {
            ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", holding.as_str())
        },
    ] {
        set_condition(namespace, kind, if bad { "True" } else { "False" }, reason, message, view.now);
    }
}
