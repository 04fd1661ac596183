//! Who is found by which label, selector, node, claim or target, so that a change costs what it touches and no more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    conditions::is_finished,
    scheduler::{Room, request},
};
use crate::{
    json::{self, get, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored, selector::LabelSelector},
};

type Keys = BTreeSet<ObjectKey>;

/// Kinds whose objects are looked up by label.
fn is_labelled(gr: &GroupResource) -> bool {
    matches!((&*gr.group, &*gr.resource), ("", "pods") | ("apps", "replicasets" | "controllerrevisions"))
}

/// The selector by which an object picks others.
pub(super) fn selector_of(gr: &GroupResource, object: &Value) -> Option<LabelSelector> {
    match (&*gr.group, &*gr.resource) {
        ("", "services") => {
            json::map_at(object, &["spec", "selector"]).filter(|s| !s.is_empty()).map(LabelSelector::from_map)
        }
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
        | ("batch", "jobs")
        | ("policy", "poddisruptionbudgets") => get(object, &["spec", "selector"]).map(LabelSelector::from_object),
        _ => None,
    }
}

/// A place in the index: a namespace, and a label that must be there. Selectors without such a label are at the empty one.
type Place = (String, String, String);

#[derive(Debug, Default)]
pub(crate) struct Index {
    labelled: BTreeMap<(GroupResource, Place), Keys>,
    selecting: BTreeMap<Place, Keys>,
    /// Pods by node; those without one are at the empty name.
    on_node: BTreeMap<String, Keys>,
    /// What the Pods of a node take up, but for those at their end.
    used: BTreeMap<String, Room>,
    /// Pods by namespace and the claim that they mount.
    mounting: BTreeMap<(String, String), Keys>,
    /// Autoscalers by namespace, kind and name of what they scale.
    scaling: BTreeMap<Place, Keys>,
    /// Claims that wait for a volume.
    unbound: Keys,
}

fn add<K: Ord>(map: &mut BTreeMap<K, Keys>, at: K, key: &ObjectKey) {
    map.entry(at).or_default().insert(key.clone());
}

fn take<K: Ord>(map: &mut BTreeMap<K, Keys>, at: &K, key: &ObjectKey) {
    if let Some(keys) = map.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}

fn labels(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    let labels = json::map_at(object, &["metadata", "labels"]);
    labels.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default()))
}

fn place(namespace: &str, label: (&str, &str)) -> Place {
    (namespace.to_owned(), label.0.to_owned(), label.1.to_owned())
}

/// The claims that a Pod mounts.
pub(super) fn claims(pod: &Value) -> impl Iterator<Item = String> {
    list_at(pod, &["spec", "volumes"]).iter().filter_map(|v| {
        let claim = str_at(v, &["persistentVolumeClaim", "claimName"]);
        if !claim.is_empty() {
            return Some(claim.to_owned());
        }
        get(v, &["ephemeral"]).map(|_| format!("{}-{}", str_at(pod, &["metadata", "name"]), str_at(v, &["name"])))
    })
}

fn target(scaler: &Value) -> Place {
    let target = &scaler["spec"]["scaleTargetRef"];
    let at = |path: &[&str]| str_at(target, path).to_owned();
    (str_at(scaler, &["metadata", "namespace"]).to_owned(), at(&["kind"]), at(&["name"]))
}

impl Index {
    pub(super) fn change(&mut self, key: &ObjectKey, before: Option<&Stored>, after: Option<&Stored>) {
        if let Some(before) = before {
            self.edit(key, &before.value, false);
        }
        if let Some(after) = after {
            self.edit(key, &after.value, true);
        }
    }

    fn edit(&mut self, key: &ObjectKey, object: &Value, put: bool) {
        let namespace = key.namespace();
        if is_labelled(&key.gr) {
            for label in labels(object) {
                let at = (key.gr.clone(), place(namespace, label));
                if put { add(&mut self.labelled, at, key) } else { take(&mut self.labelled, &at, key) }
            }
        }
        if let Some(selector) = selector_of(&key.gr, object) {
            let at = place(namespace, selector.pair().unwrap_or_default());
            if put { add(&mut self.selecting, at, key) } else { take(&mut self.selecting, &at, key) }
        }
        match (&*key.gr.group, &*key.gr.resource) {
            ("", "pods") => {
                let node = str_at(object, &["spec", "nodeName"]).to_owned();
                if !node.is_empty() && !is_finished(object) {
                    let (room, sign) = (request(object), if put { 1 } else { -1 });
                    let used = self.used.entry(node.clone()).or_default();
                    used.cpu += sign * room.cpu;
                    used.memory += sign * room.memory;
                    used.pods += sign * room.pods;
                }
                if put {
                    add(&mut self.on_node, node, key)
                } else {
                    take(&mut self.on_node, &node, key)
                }
                for claim in claims(object) {
                    let at = (namespace.to_owned(), claim);
                    if put { add(&mut self.mounting, at, key) } else { take(&mut self.mounting, &at, key) }
                }
            }
            ("", "persistentvolumeclaims") => {
                if put && str_at(object, &["status", "phase"]) != "Bound" {
                    self.unbound.insert(key.clone());
                } else {
                    self.unbound.remove(key);
                }
            }
            ("autoscaling", "horizontalpodautoscalers") => {
                let at = target(object);
                if put { add(&mut self.scaling, at, key) } else { take(&mut self.scaling, &at, key) }
            }
            _ => {}
        }
    }

    /// Objects of a kind that may match a selector: those with the label that it must have, or `None` when it names
    /// none.
    pub(super) fn candidates(&self, gr: &GroupResource, namespace: &str, selector: &LabelSelector) -> Option<&Keys> {
        static NONE: Keys = Keys::new();
        let at = (gr.clone(), place(namespace, selector.pair()?));
        Some(self.labelled.get(&at).unwrap_or(&NONE))
    }

    /// Objects whose selector may match this object's labels.
    pub(super) fn selectors<'a>(
        &'a self,
        namespace: &'a str,
        object: &'a Value,
    ) -> impl Iterator<Item = &'a ObjectKey> {
        labels(object).chain([("", "")]).filter_map(move |l| self.selecting.get(&place(namespace, l))).flatten()
    }

    pub(super) fn on_node(&self, node: &str) -> impl Iterator<Item = &ObjectKey> {
        self.on_node.get(node).into_iter().flatten()
    }

    pub(super) fn used(&self, node: &str) -> Room {
        self.used.get(node).copied().unwrap_or_default()
    }

    pub(super) fn mounting(&self, namespace: &str, claim: &str) -> impl Iterator<Item = &ObjectKey> {
        self.mounting.get(&(namespace.to_owned(), claim.to_owned())).into_iter().flatten()
    }

    pub(super) fn scaling(&self, namespace: &str, kind: &str, name: &str) -> impl Iterator<Item = &ObjectKey> {
        self.scaling.get(&(namespace.to_owned(), kind.to_owned(), name.to_owned())).into_iter().flatten()
    }

    pub(super) fn unbound(&self) -> impl Iterator<Item = &ObjectKey> {
        self.unbound.iter()
    }
}
