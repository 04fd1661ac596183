//! Objects that depend on another without owning it.

use super::index;
use crate::{
    json::{get, list_at, str_at},
    resources::GroupResource,
    state::State,
    store::{ObjectKey, Stored},
};

/// Whether any controller has something to do with an object of its own.
pub(super) fn is_interesting(state: &State, key: &ObjectKey, before: Option<&Stored>, object: &Stored) -> bool {
    // What is used of a quota is written by those who know.
    if &*key.gr.resource == "resourcequotas"
        && before.is_some_and(|before| before.value["spec"]["hard"] == object.value["spec"]["hard"])
    {
        return object.is_terminating();
    }
    super::has_controller(&key.gr)
        || object.is_terminating()
        || !list_at(&object.value, &["metadata", "ownerReferences"]).is_empty()
        || (!key.gr.group.is_empty() && state.registry.of(&key.gr).is_none())
}

fn cluster_scoped(group: &str, resource: &str, name: &str) -> ObjectKey {
    ObjectKey::new(&GroupResource::new(group, resource), "", name)
}

pub(super) fn followers(
    state: &State,
    key: &ObjectKey,
    before: Option<&Stored>,
    after: Option<&Stored>,
) -> Vec<ObjectKey> {
    let mut out = Vec::new();
    let namespace = key.namespace();
    if after.is_none()
        && let Some(ns) = state.namespace(namespace).filter(|ns| ns.is_terminating())
    {
        out.push(cluster_scoped("", "namespaces", ns.name()));
    }
    let either = || [before, after].into_iter().flatten();
    let all = |group: &str, resource: &str, out: &mut Vec<ObjectKey>| {
        let gr = GroupResource::new(group, resource);
        out.extend(state.store.objects(&gr, None).iter().map(|o| ObjectKey::new(&gr, o.namespace(), o.name())));
    };
    let index = &state.queue.index;
    match (&*key.gr.group, &*key.gr.resource) {
        ("", "pods") => pod(state, namespace, before, after, &mut out),
        ("apps", "replicasets") => {
            for set in either() {
                orphan(state, namespace, set, &["deployments"], &mut out);
            }
        }
        ("", "services") if after.is_none() => {
            out.push(ObjectKey::new(&GroupResource::new("", "endpoints"), namespace, key.name()));
        }
        ("", "persistentvolumeclaims") => {
            for claim in either() {
                let volume = str_at(&claim.value, &["spec", "volumeName"]);
                if !volume.is_empty() {
                    out.push(cluster_scoped("", "persistentvolumes", volume));
                }
            }
            out.extend(index.mounting(namespace, key.name()).cloned());
        }
        ("", "persistentvolumes") => {
            for volume in either() {
                let claim = |field: &str| str_at(&volume.value, &["spec", "claimRef", field]);
                if !claim("name").is_empty() {
                    let gr = GroupResource::new("", "persistentvolumeclaims");
                    out.push(ObjectKey::new(&gr, claim("namespace"), claim("name")));
                }
            }
            if before.is_none() {
                out.extend(index.unbound().cloned());
            }
        }
        ("storage.k8s.io", "storageclasses") => out.extend(index.unbound().cloned()),
        ("", "nodes") => {
            all("apps", "daemonsets", &mut out);
            out.extend(index.on_node("").cloned());
            if after.is_none() {
                out.extend(index.on_node(key.name()).cloned());
            }
        }
        // Made again when somebody deletes them.
        ("", "serviceaccounts" | "configmaps") if matches!(key.name(), "default" | "kube-root-ca.crt") => {
            out.push(cluster_scoped("", "namespaces", namespace));
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            for crd in either() {
                let spec = &crd.value["spec"];
                for version in list_at(spec, &["versions"]) {
                    let name = format!("{}.{}", str_at(version, &["name"]), str_at(spec, &["group"]));
                    out.push(cluster_scoped("apiregistration.k8s.io", "apiservices", &name));
                }
            }
            // A name that was taken may be free now.
            if after.is_none() {
                all("apiextensions.k8s.io", "customresourcedefinitions", &mut out);
            }
        }
        _ => {}
    }
    // What an autoscaler scales.
    if let Some(object) = either()
        .next()
        .filter(|o| get(&o.value, &["spec", "replicas"]).is_some() || before.is_none() || after.is_none())
    {
        let kind = str_at(&object.value, &["kind"]);
        out.extend(index.scaling(namespace, kind, key.name()).cloned());
    }
    quotas(state, key, before, after, &mut out);
    // Custom resources that go may be what their CRD waits for.
    if after.is_none() && state.registry.of(&key.gr).is_some_and(|r| r.is_custom()) {
        out.push(cluster_scoped("apiextensions.k8s.io", "customresourcedefinitions", &key.gr.to_string()));
    }
    out
}

/// What goes, or is no longer counted, is to be given back to its quotas. What comes was counted when it was admitted.
fn quotas(state: &State, key: &ObjectKey, before: Option<&Stored>, after: Option<&Stored>, out: &mut Vec<ObjectKey>) {
    let ends = |o: &Stored| super::conditions::is_finished(&o.value);
    let counts = match (before, after) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => match &*key.gr.resource {
            "pods" => ends(after) && !ends(before),
            "services" => before.value["spec"]["type"] != after.value["spec"]["type"],
            "persistentvolumeclaims" => true,
            _ => false,
        },
    };
    if key.namespace().is_empty() || !counts {
        return;
    }
    let gr = GroupResource::new("", "resourcequotas");
    for quota in state.store.objects(&gr, Some(key.namespace())) {
        out.push(ObjectKey::new(&gr, key.namespace(), quota.name()));
    }
}

fn pod(state: &State, namespace: &str, before: Option<&Stored>, after: Option<&Stored>, out: &mut Vec<ObjectKey>) {
    let index = &state.queue.index;
    for pod in [before, after].into_iter().flatten() {
        for key in index.selectors(namespace, &pod.value) {
            if matches!(&*key.gr.resource, "services" | "poddisruptionbudgets") && selects(state, key, pod) {
                out.push(key.clone());
            }
        }
        orphan(state, namespace, pod, &["replicasets", "statefulsets", "daemonsets", "jobs"], out);
    }
    let gone = after.is_none();
    for pod in before.into_iter().filter(|_| gone).chain(after.filter(|_| before.is_none())) {
        for claim in index::claims(&pod.value) {
            out.push(ObjectKey::new(&GroupResource::new("", "persistentvolumeclaims"), namespace, &claim));
        }
    }
    // Room on a node: somebody may be waiting for it.
    if gone && before.is_some_and(|p| !str_at(&p.value, &["spec", "nodeName"]).is_empty()) {
        out.extend(index.on_node("").cloned());
    }
}

fn selects(state: &State, key: &ObjectKey, object: &Stored) -> bool {
    let selector = state.store.at(key).and_then(|o| index::selector_of(&key.gr, &o.value));
    selector.is_some_and(|s| s.matches(&object.value))
}

/// Who may adopt an object that nobody controls.
fn orphan(state: &State, namespace: &str, object: &Stored, kinds: &[&str], out: &mut Vec<ObjectKey>) {
    let owned = list_at(&object.value, &["metadata", "ownerReferences"]).iter().any(|r| r["controller"] == true);
    if owned {
        return;
    }
    for key in state.queue.index.selectors(namespace, &object.value) {
        if kinds.contains(&&*key.gr.resource) && selects(state, key, object) {
            out.push(key.clone());
        }
    }
}
