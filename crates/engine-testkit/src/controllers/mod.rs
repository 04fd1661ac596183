//! Simulated controllers: pure functions from what is stored and the time to writes and the next wake-up, driven by one
//! task on tokio's clock. They keep the real ones' intermediate states, so that a client that waits has to wait.
//!
//! What decides is in a module for each kind; [`driver`] feeds it with changes, and [`writes`] does what was decided.

mod conditions;
mod crd;
pub(crate) mod cronjob;
mod daemonset;
mod deployment;
mod disruption;
mod driver;
mod events;
mod follow;
mod garbage;
mod hpa;
mod index;
mod job;
mod namespace;
mod network;
mod node;
mod pod;
mod pods;
mod queue;
mod quota;
mod replicaset;
mod revisions;
mod scheduler;
pub mod script;
mod statefulset;
mod storage;
mod various;
mod writes;

use std::{sync::Arc, time::Duration};

use serde_json::Value;

pub(crate) use self::{
    crd::{CLEANUP as CRD_CLEANUP, mark_for_deletion},
    driver::{look_again, run, settle},
    queue::Queue,
};
use self::{events::Note, writes::Write};
use crate::{
    clock::Now,
    json::{list_at, str_at},
    resources::GroupResource,
    state::{Settings, State},
    store::{ObjectKey, Stored, selector::LabelSelector},
};

/// The first node of the cluster.
pub(crate) const NODE: &str = "testkit-node";

/// What one look at an object leads to.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) writes: Vec<Write>,
    /// When to look again, on the cluster's clock.
    pub(crate) wake: Option<Duration>,
}

impl Decision {
    fn wake_at(&mut self, at: Duration) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }

    fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    fn report(&mut self, note: Note) {
        self.writes.push(Write::Report(note));
    }

    /// Writes the status, where it is another one now.
    fn status(&mut self, key: &ObjectKey, before: &Stored, after: Value) {
        if before.value != after {
            self.writes.push(Write::Status(key.clone(), after));
        }
    }

    /// Writes metadata and spec, where they are others now.
    fn update(&mut self, key: &ObjectKey, before: &Stored, after: Value) {
        if before.value != after {
            self.writes.push(Write::Update(key.clone(), after));
        }
    }
}

/// What a controller sees.
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
}

impl<'a> View<'a> {
    /// Objects of a kind that an object owns as their controller, in name order.
    fn owned(&self, owner: &Stored, group: &str, resource: &str) -> Vec<&'a Arc<Stored>> {
        let keys = self.state.store.dependents(owner.uid());
        keys.iter()
            .filter(|k| &*k.gr.group == group && &*k.gr.resource == resource)
            .filter_map(|k| self.state.store.at(k))
            .filter(|o| controller_of(&o.value).is_some_and(|r| str_at(r, &["uid"]) == owner.uid()))
            .collect()
    }

    /// Objects of a kind in a namespace that a selector selects.
    fn selected(&self, group: &str, resource: &str, namespace: &str, selector: &LabelSelector) -> Vec<&'a Arc<Stored>> {
        let gr = GroupResource::new(group, resource);
        let store = &self.state.store;
        let found: Vec<_> = match self.state.queue.index.candidates(&gr, namespace, selector) {
            Some(keys) => keys.iter().filter_map(|k| store.at(k)).collect(),
            None => store.objects(&gr, Some(namespace)),
        };
        found.into_iter().filter(|o| selector.matches(&o.value)).collect()
    }

    fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<&'a Arc<Stored>> {
        self.state.store.get(&GroupResource::new(group, resource), namespace, name)
    }

    fn nodes(&self) -> Vec<&'a Arc<Stored>> {
        self.state.store.objects(&GroupResource::new("", "nodes"), None)
    }

    /// When the object was created (a Pod: when it came to its node), finer than its timestamp.
    fn created(&self, object: &Stored) -> Duration {
        self.state.queue.created.get(object.uid()).copied().unwrap_or(self.now.elapsed)
    }

    /// When its deletion was asked for.
    fn deleted(&self, object: &Stored) -> Duration {
        self.state.queue.deleted.get(object.uid()).copied().unwrap_or(self.now.elapsed)
    }

    /// Why the last creation for this object was refused.
    fn refused(&self, key: &ObjectKey) -> Option<&'a str> {
        self.state.queue.refused.get(key).map(|(_, message)| message.as_str())
    }

    fn after(&self, seconds: i64) -> Duration {
        self.now.elapsed + Duration::from_secs(seconds.max(0).unsigned_abs())
    }
}

/// The reference to the controller of an object.
fn controller_of(object: &Value) -> Option<&Value> {
    list_at(object, &["metadata", "ownerReferences"]).iter().find(|r| r["controller"] == true)
}

fn key_of(group: &str, resource: &str, object: &Stored) -> ObjectKey {
    ObjectKey::new(&GroupResource::new(group, resource), object.namespace(), object.name())
}

/// Whether objects of a kind are looked at for their own sake.
fn has_controller(gr: &GroupResource) -> bool {
    matches!(
        (&*gr.group, &*gr.resource),
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
            | ("batch", "jobs" | "cronjobs")
            | ("", "pods" | "services" | "endpoints" | "persistentvolumeclaims" | "persistentvolumes")
            | ("", "namespaces" | "nodes" | "resourcequotas")
            | ("networking.k8s.io", "ingresses")
            | ("autoscaling", "horizontalpodautoscalers")
            | ("policy", "poddisruptionbudgets")
            | ("apiextensions.k8s.io", "customresourcedefinitions")
            | ("apiregistration.k8s.io", "apiservices")
    )
}

/// Garbage collection first; an object that stays is its own controller's.
fn reconcile(view: &View<'_>, key: &ObjectKey, object: &Stored) -> Decision {
    let mut decision = garbage::reconcile(view, key, object);
    if decision.writes.is_empty() {
        let own = control(view, key, object);
        decision.writes = own.writes;
        if let Some(at) = own.wake {
            decision.wake_at(at);
        }
    }
    decision
}

fn control(view: &View<'_>, key: &ObjectKey, object: &Stored) -> Decision {
    match (&*key.gr.group, &*key.gr.resource) {
        ("apps", "deployments") => deployment::reconcile(view, key, object),
        ("apps", "replicasets") => replicaset::reconcile(view, key, object),
        ("apps", "statefulsets") => statefulset::reconcile(view, key, object),
        ("apps", "daemonsets") => daemonset::reconcile(view, key, object),
        ("batch", "jobs") => job::reconcile(view, key, object),
        ("batch", "cronjobs") => cronjob::reconcile(view, key, object),
        ("", "pods") => pod::reconcile(view, key, object),
        ("", "services") => network::service(view, key, object),
        ("", "endpoints") => network::endpoints(view, key, object),
        ("", "events") => Decision { writes: vec![Write::Remove(key.clone())], wake: None },
        ("", "resourcequotas") => quota::reconcile(view, key, object),
        ("networking.k8s.io", "ingresses") => network::ingress(view, key, object),
        ("", "persistentvolumeclaims") => storage::claim(view, key, object),
        ("", "persistentvolumes") => storage::volume(view, key, object),
        ("", "namespaces") => namespace::reconcile(view, key, object),
        ("", "nodes") => node::reconcile(view, key, object),
        ("autoscaling", "horizontalpodautoscalers") => hpa::reconcile(view, key, object),
        ("policy", "poddisruptionbudgets") => disruption::reconcile(view, key, object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => crd::reconcile(view, key, object),
        ("apiregistration.k8s.io", "apiservices") => various::api_service(view, key, object),
        _ => Decision::default(),
    }
}
